#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat --source stats on real descriptors: its numbers are those that the descriptors have, and
it never holds up the end of a guest.
"""
import collections
import errno
import glob
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time

import pexpect

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmstats  # noqa: E402
import kvmtest  # noqa: E402

ROWS = sys.argv.pop(1)
WORK = ["--io", "500", "--cpuid", "321", "--halts", "45"]
DEBUGFS = "/sys/kernel/debug/kvm"
LIMIT = 0.1  # seconds by which the end of a guest may be delayed


def hard_limit(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def directory_of(pid):
    """The guest's directory in debugfs, which is there as long as its VM."""
    found = glob.glob(f"{DEBUGFS}/{pid}-*")
    assert len(found) == 1, found
    return found[0]


def time_until_gone(path, seconds=10):
    begin = time.monotonic()
    while os.path.exists(path):
        assert time.monotonic() - begin < seconds, f"{path} is still there"
        time.sleep(0.0005)
    return time.monotonic() - begin


def open_copies(process):
    """How many descriptors of statistics a process has open."""
    return sum(target.startswith(kvmstats.LINKS) for target in kvmtest.open_files(process.pid))


Process = collections.namedtuple("Process", "pid")


class Guest(kvmtest.SampleGuest):
    """One that keeps descriptors, and whose vCPUs are there from its start."""

    def __init__(self, *args, vcpus=2):
        super().__init__("--stats", "--vcpus", str(vcpus), *WORK, "--linger", "60", *args)
        self.vcpus = vcpus


class StatsCase(kvmtest.TestCase):
    def run_guest(self, *args, **options):
        guest = Guest(*args, **options)
        self.addCleanup(guest.__exit__)
        return guest

    @staticmethod
    def whole(guest):
        """Its statistics, when the guest has all its descriptors."""
        def all_there():
            found = kvmstats.Statistics(guest.pid)
            if len(found.fds) == 1 + guest.vcpus:
                return found
            found.close()
            return None
        return kvmtest.until(all_there, "the guest keeps its descriptors")

    @staticmethod
    def exits(guest):
        """How many its vCPUs have made, by the truth."""
        statistics = kvmstats.Statistics(guest.pid)
        exits = {id_: fields["exits"][1][0] for id_, fields in statistics.each()
                 if "exits" in fields}
        statistics.close()
        return sum(exits.values())

    def statistics(self, guest):
        """The truth, while the test runs."""
        statistics = self.whole(guest)
        self.addCleanup(statistics.close)
        return statistics

    def assert_same(self, rows, before, after, names=None):
        """The values of rows {name: value} are what the descriptors counted."""
        for name in names or after:
            kind, values = after[name]
            self.assertEqual(kvmstats.counted(kind, before[name][1], values), rows[name], name)


class Rows:
    """stats-rows: samples when they are asked for."""

    def __init__(self, test, *args, **options):
        self.process = test.launch(ROWS, *args, stdin=subprocess.PIPE, **options)

    def sample(self, before=""):
        """[row] of the next sample, split, and its last line."""
        self.process.stdin.write(before + "\n")
        self.process.stdin.flush()
        rows = []
        for line in iter(self.process.stdout.readline, ""):
            if line.startswith("partial="):
                return rows, line.strip()
            rows.append(line.split())
        raise AssertionError(self.process.stderr.read())

    def values(self, before=""):
        """{name: value} of a sample by field."""
        rows, last = self.sample(before)
        assert last == "partial=0 unreadable=0 error=0", last
        values = {row[0]: int(row[6]) for row in rows}
        assert len(values) == len(rows)
        return values


class Truth(StatsCase):
    def test_every_field_of_a_guest(self):
        guest = self.run_guest()
        statistics = self.statistics(guest)
        before = statistics.sums()
        process = self.launch_frozen(kvmtest.KVM_STAT, "-1", "--source", "stats", "-p",
                                     str(guest.pid))
        guest.go()
        self.assertEqual("io=500 cpuid=321 halts=45", guest.result())
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=20)
        self.assertEqual(("", 0), (err, process.returncode))
        rows = kvmtest.batch_rows(out)
        after = statistics.sums()
        self.assertEqual(set(after), set(rows))
        self.assert_same({name: row[0] for name, row in rows.items()}, before, after)
        self.assertGreaterEqual(rows["exits"][0], 545)
        self.assertEqual(rows["exits"], (rows["exits"][0],) * 2)

    def test_guest_that_ends_meanwhile(self):
        """What it did last counts as well: the copies are read once more before they are closed."""
        for _ in range(6):
            guest = self.run_guest()
            statistics = self.statistics(guest)
            before = statistics.sums()
            process = self.launch(kvmtest.KVM_STAT, "-1", "--source", "stats")
            kvmtest.until_asleep(process)
            guest.go()
            guest.result()
            # Killed: one that puts its VM away itself closes its descriptors before the last is
            # counted.
            guest.process.kill()
            guest.process.wait()
            if not select.select([process.stdout], [], [], 0)[0]:
                break  # all of it was before the sample, for once on a busy machine
        out, _ = process.communicate(timeout=20)
        rows = {name: row[0] for name, row in kvmtest.batch_rows(out).items()}
        if not kvmtest.foreign_vms(guest.pid):
            after = statistics.sums()
            states = {name for name, (kind, _) in after.items() if kind in ("instant", "peak")}
            self.assert_same(rows, before, after, set(after) - states)
            # The state of a guest that is gone is none; without guests there is no row of 0.
            for name in states:
                self.assertEqual(0, rows.get(name, 0), name)

    def test_one_of_two(self):
        guests = [self.run_guest("--name", f"stats-{os.getpid()}-{n}") for n in range(2)]
        statistics = [self.statistics(guest) for guest in guests]
        before = [each.sums() for each in statistics]
        processes = [self.launch_frozen(kvmtest.KVM_STAT, "-1", "--source", "stats", *options)
                     for options in (["-g", f"stats-{os.getpid()}-1"], [])]
        for guest in guests:
            guest.go()
            guest.result()
        for process in processes:
            process.send_signal(signal.SIGCONT)
        one, both = ({name: row[0] for name, row in
                      kvmtest.batch_rows(process.communicate(timeout=20)[0]).items()}
                     for process in processes)
        after = [each.sums() for each in statistics]
        self.assert_same(one, before[1], after[1])
        if not kvmtest.foreign_vms(*(guest.pid for guest in guests)):
            for name in ("exits", "fpu_reload", "halt_wait_hist"):
                counts = [kvmstats.counted(a[name][0], b[name][1], a[name][1])
                          for b, a in zip(before, after)]
                self.assertEqual(sum(counts), both[name], name)

    def test_fields_are_listed(self):
        guest = self.run_guest()
        result = kvmtest.kvm_stat("-f", "help", "--source", "stats")
        self.assertEqual("", result.stderr)
        self.assertEqual(set(self.statistics(guest).sums()), set(result.stdout.split()))

    def test_log(self):
        guest = self.run_guest()
        statistics = self.statistics(guest)
        before = statistics.sums()
        path = os.path.join(self.directory, "log")
        process = self.launch(kvmtest.KVM_STAT, "-L", path, "-c", "-s", "0.2", "--source", "stats",
                              "-p", str(guest.pid), "-f", "exits$|guest_mode")
        kvmtest.until_asleep(process)
        guest.go()
        guest.result()
        kvmtest.until_sampled(process, path)
        process.send_signal(signal.SIGINT)
        self.assertEqual(("", 0), (process.communicate(timeout=20)[1], process.returncode))
        with open(path, encoding="ascii") as f:
            lines = f.read().splitlines()
        self.assertEqual("timestamp,exits,guest_mode", lines[0])
        self.assertEqual(statistics.sums()["exits"][1][0] - before["exits"][1][0],
                         sum(int(line.split(",")[1]) for line in lines[1:]))

    def test_log_that_starts_before_the_guest(self):
        """Its columns come with the guest, and what that did from its birth is in them; so again
        when the next one is appended.
        """
        path = os.path.join(self.directory, "log")
        for number in (1, 2):
            self.log_of_one_guest(path, number)

    def log_of_one_guest(self, path, number):
        process = self.launch(kvmtest.KVM_STAT, "-c", "-L", path, "-s", "0.2", "--source", "stats",
                              "-f", "exits$|guest_mode")
        kvmtest.until_asleep(process)
        guest = self.run_guest()
        guest.go()
        guest.result()
        statistics = self.whole(guest)
        truth = statistics.sums()["exits"][1][0]
        statistics.close()  # which would pin the VM
        kvmtest.until_sampled(process, path)
        process.send_signal(signal.SIGINT)
        self.assertEqual(("", 0), (process.communicate(timeout=20)[1], process.returncode))
        guest.__exit__()
        with open(path, encoding="ascii") as f:
            lines = f.read().splitlines()
        if kvmtest.foreign_vms(guest.pid):
            return
        self.assertEqual(["timestamp", "timestamp,exits,guest_mode"] * number,
                         [line for line in lines if line.startswith("timestamp")])
        while "timestamp" in lines:
            lines = lines[lines.index("timestamp") + 1:]
        start = lines.index("timestamp,exits,guest_mode")
        self.assertEqual(truth, sum(int(line.split(",")[1]) for line in lines[start + 1:]))

    def test_batch_that_starts_before_the_guest(self):
        process = self.launch(kvmtest.KVM_STAT, "-1", "--count", "4", "--format", "csv", "--source",
                              "stats", "-f", "exits$|guest_mode")
        first = process.stdout.readline()
        guest = self.run_guest()
        guest.go()
        guest.result()
        truth = self.statistics(guest).sums()["exits"][1][0]
        out, err = process.communicate(timeout=20)
        self.assertEqual(("", 0), (err, process.returncode))
        lines = [first.rstrip("\n"), *out.splitlines()]
        start = lines.index("timestamp,exits,guest_mode")
        if not kvmtest.foreign_vms(guest.pid):
            self.assertEqual("timestamp", lines[0])
            self.assertEqual(truth, sum(int(line.split(",")[1]) for line in lines[start + 1:]))


class Samples(StatsCase):
    def test_kinds_and_units_are_those_of_the_descriptors(self):
        guest = self.run_guest()
        truth = self.statistics(guest).sums()
        rows, _ = Rows(self, "field", str(guest.pid)).sample()
        kinds = {"cumulative": ("events", "time"), "instant": ("gauge",), "peak": ("peak",),
                 "linear": ("histogram",), "log": ("histogram",)}
        self.assertEqual(set(truth), {row[0] for row in rows})
        for row in rows:
            self.assertIn(row[1], kinds[truth[row[0]][0]], row)
            self.assertEqual(row[1] == "time", row[0].endswith("_ns"), row)
            self.assertNotEqual("boolean", row[2], row)  # of two vCPUs
            if row[1] == "time" or row[0].endswith("_hist"):
                self.assertEqual("ns", row[2], row)
            if row[1] == "histogram":
                self.assertEqual(len(truth[row[0]][1]), len(row[7:]), row)
        self.assertIn("histogram", {row[1] for row in rows})
        self.assertIn("peak", {row[1] for row in rows})

    def test_the_past_counts_when_asked_for(self):
        guest = self.run_guest()
        guest.go()
        guest.result()
        statistics = self.statistics(guest)
        past, now = Rows(self, "field", str(guest.pid), "past"), Rows(self, "field", str(guest.pid))
        truth = statistics.sums()
        nothing = {name: (kind, [0] * len(values)) for name, (kind, values) in truth.items()}
        self.assertGreater(truth["exits"][1][0], 545)
        self.assert_same(past.values(), nothing, truth)
        self.assert_same(now.values(), truth, truth)
        # A reset ends the past.
        self.assert_same(past.values("r"), truth, truth)

    def test_guest_that_comes_later_counts_from_its_birth(self):
        rows = Rows(self, "guest", "0")
        rows.sample()
        guest = self.run_guest()
        guest.go()
        guest.result()
        truth = self.statistics(guest).sums()
        nothing = {name: (kind, [0] * len(values)) for name, (kind, values) in truth.items()}
        mine = {row[0]: int(row[6]) for row in rows.sample()[0] if int(row[3]) == guest.pid}
        self.assert_same(mine, nothing, truth)
        self.assertGreater(mine["exits"], 545)

    def test_vcpus_that_come_later(self):
        """The VM was there when counting began, its vCPUs were not."""
        guest = self.run_guest("--late")
        rows = Rows(self, "vcpu", str(guest.pid))
        rows.sample()
        guest.go()
        guest.result()
        each = dict(self.statistics(guest).each())
        found = {row[4]: int(row[6]) for row in rows.sample()[0] if row[0] == "exits"}
        truth = {id_.partition("vcpu-")[2]: fields["exits"][1][0] for id_, fields in each.items()
                 if "vcpu" in id_}
        self.assertEqual(truth, found)
        self.assertEqual({"0", "1"}, set(found))

    def test_vcpus_that_are_plugged_in_again(self):
        """QEMU makes another descriptor then and keeps the first: both have all it ever counted."""
        guest = self.run_guest("--replug")
        self.whole(guest).close()
        rows = {by: Rows(self, by, str(guest.pid)) for by in ("field", "guest", "vcpu")}
        late = {}

        def counted(rows):
            return sum(int(row[6]) for row in rows.sample()[0] if row[0] == "exits")
        for watcher in rows.values():
            self.assertEqual(0, counted(watcher))
        guest.go()
        self.assertEqual("ready", guest.result())
        first = self.exits(guest)
        self.assertGreaterEqual(first, 545)
        for by, watcher in rows.items():
            self.assertEqual(first, counted(watcher), by)
        guest.go()
        self.assertEqual("io=1000 cpuid=642 halts=90", guest.result())
        self.assertGreaterEqual(self.exits(guest), 2 * 545)
        self.assertEqual(1 + 2 + 2, open_copies(guest))
        # By vCPU the rows are those of the new threads, which had nothing before.
        for by, watcher in rows.items():
            self.assertEqual(self.exits(guest) - first * (by == "vcpu"), counted(watcher), by)
        # Who comes now finds both at once.
        for by in rows:
            late[by] = Rows(self, by, str(guest.pid), "past")
            self.assertEqual(self.exits(guest), counted(late[by]), by)
        for watcher in late.values():
            self.assertEqual(self.exits(guest), counted(watcher))

    def test_another_vm_in_the_same_moment(self):
        """The process has as many descriptors as before, of the same numbers and ids."""
        guest = self.run_guest("--another-vm", vcpus=1)
        self.whole(guest).close()
        rows = Rows(self, "field", str(guest.pid))
        rows.sample()
        guest.go()
        self.assertEqual("ready", guest.result())
        first = self.exits(guest)
        self.assertEqual(first, rows.values()["exits"])
        guest.go()
        self.assertEqual("io=1000 cpuid=642 halts=90", guest.result())
        second = self.exits(guest)
        # Before a sample is taken: nothing of the first VM is kept.
        kvmtest.until(lambda: open_copies(rows.process) == 0, "it has no copies")
        self.assertEqual(first + second, rows.values()["exits"])

    def test_descriptor_that_is_open_for_a_query(self):
        """QEMU has that of the VM open for a moment, whenever libvirt asks: it is nothing to count."""
        guest = self.run_guest("--queries", "3", vcpus=1)

        def until_open(count, process=guest):
            kvmtest.until(lambda: open_copies(process) == count, f"{count} descriptors")

        def query(count):
            self.assertEqual("ready", guest.result())
            guest.go()
            until_open(count)

        def sample(watchers):
            return {by: watcher.sample()[0] for by, watcher in watchers.items()}

        def names(samples, kinds=("events", "time", "gauge", "peak", "histogram")):
            return {by: {row[0] for row in found if row[1] in kinds}
                    for by, found in samples.items()}
        until_open(1)
        rows = {by: Rows(self, by, str(guest.pid)) for by in ("field", "guest", "vcpu")}
        without = names(sample(rows))
        guest.go()
        query(2)
        self.assertEqual(without, names(sample(rows)))
        query(1)
        self.assertEqual(without, names(sample(rows)))
        # One that stays open is counted, whatever was there before.
        query(2)

        def counted():
            found = sample(rows)
            return found if all(without[by] < names(found)[by] for by in found) else None
        self.assertIsNone(counted())
        found = kvmtest.until(counted, "they are looked at again, before Linux 6.2 after 10 s", 30)
        statistics = self.whole(guest)
        truth = {name: fields for id_, each in statistics.each() if "vcpu" not in id_
                 for name, fields in each.items()}
        statistics.close()
        self.assertIn("instant", {kind for kind, _ in truth.values()})
        for by, watched in found.items():
            self.assertEqual(without[by] | set(truth), names(found)[by])
            for row in watched:
                if row[0] in truth and truth[row[0]][0] == "instant":
                    self.assertEqual(truth[row[0]][1], [int(row[6])], row)
                elif row[0] in truth and truth[row[0]][0] == "cumulative":
                    self.assertEqual(0, int(row[6]), row)
        # Its states end with it.
        query(1)
        states = {by: names({by: found[by]}, ("gauge", "peak"))[by] & without[by] for by in found}
        for watcher in rows.values():
            until_open(1, watcher.process)
        for _ in range(2):
            self.assertEqual(states, names(sample(rows), ("gauge", "peak")))
        # Likewise for who comes while it is open.
        query(2)
        late = {by: Rows(self, by, str(guest.pid)) for by in rows}
        sample(late)
        query(1)
        for watcher in late.values():
            until_open(1, watcher.process)
        for _ in range(2):
            self.assertEqual(states, names(sample(late), ("gauge", "peak")))

    def test_vcpus_and_their_threads(self):
        guest = self.run_guest(vcpus=3)
        self.statistics(guest)
        rows, _ = Rows(self, "vcpu", str(guest.pid)).sample()
        threads = {}
        for tid in os.listdir(f"/proc/{guest.pid}/task"):
            with open(f"/proc/{guest.pid}/task/{tid}/comm", encoding="ascii") as f:
                match = re.fullmatch(r"CPU (\d+)/KVM\n", f.read())
            if match:
                threads[match[1]] = tid
        self.assertEqual(3, len(threads))
        self.assertEqual(threads, {row[4]: row[5] for row in rows if row[0] == "exits"})
        self.assertEqual({"boolean"}, {row[2] for row in rows if row[0] == "blocking"})
        self.assertEqual({str(guest.pid)}, {row[3] for row in rows})
        # What belongs to the VM as a whole is no vCPU's.
        self.assertEqual([("-", "0")], [(row[4], row[5]) for row in rows
                                        if row[0] == "remote_tlb_flush"])

    def test_debugfs_agrees_on_threads(self):
        """Where KVM says who runs a vCPU, it is the thread that its id names."""
        guest = self.run_guest()
        self.statistics(guest)
        guest.go()
        guest.result()
        path = f"{directory_of(guest.pid)}/vcpu0/pid"
        if not os.path.exists(path):
            self.skipTest("no-vcpu-pid: this kernel has no vcpuN/pid")
        rows = Rows(self, "vcpu", str(guest.pid)).sample()[0]
        with open(path, encoding="ascii") as f:
            expected = f.read().strip()
        # Its thread has ended with the work, and is no thread of the guest any more.
        found = {row[5] for row in rows if row[4] == "0"}
        self.assertIn(found, ({expected}, {"0"}))

    def test_guests_side_by_side(self):
        guests = [self.run_guest(vcpus=n) for n in (1, 2)]
        truths = [self.statistics(guest) for guest in guests]
        rows = Rows(self, "guest", "0")
        rows.sample()
        before = [truth.sums() for truth in truths]
        for guest in guests:
            guest.go()
            guest.result()
        found, last = rows.sample()
        if not kvmtest.foreign_vms(*(guest.pid for guest in guests)):
            self.assertEqual("partial=0 unreadable=0 error=0", last)
        for guest, truth, old in zip(guests, truths, before):
            self.assert_same({row[0]: int(row[6]) for row in found if int(row[3]) == guest.pid},
                             old, truth.sums())


class Faults(StatsCase):
    def without_descriptors(self):
        guest = kvmtest.SampleGuest(*WORK, "--name", "silent\x1b[31m", "--linger", "60")
        self.addCleanup(guest.__exit__)
        kvmtest.until(lambda: "anon_inode:kvm-vcpu:0" in kvmtest.open_files(guest.pid),
                      "it has a vCPU")
        return guest

    def test_guest_that_keeps_none(self):
        silent = self.without_descriptors()
        result = kvmtest.kvm_stat("-1", "--source", "stats", "-p", str(silent.pid))
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertIn(f"silent\\x1b[31m (pid {silent.pid})", result.stderr)
        self.assertIn("QEMU does since 8.1", result.stderr)
        # Beside another, it is named and the other is counted.
        guest = self.run_guest()
        before = self.statistics(guest).sums()
        process = self.launch_frozen(kvmtest.KVM_STAT, "-1", "--source", "stats")
        guest.go()
        guest.result()
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=20)
        self.assertEqual(0, process.returncode)
        self.assertRegex(err, rf"^kvm_stat: warning: .*\(pid {silent.pid}\)")
        self.assertEqual(1, len(err.splitlines()), err)
        if not kvmtest.foreign_vms(guest.pid, silent.pid):
            self.assertEqual(
                self.statistics(guest).sums()["exits"][1][0] - before["exits"][1][0],
                kvmtest.batch_rows(out)["exits"][0])

    def test_rights_are_missing(self):
        guest = self.run_guest("--name", "locked")
        self.statistics(guest)
        for prefix, code, text in (
                (["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"], 1,
                 "try sudo"),
                (["setpriv", "--bounding-set", "-sys_ptrace"], 1, "CAP_SYS_PTRACE")):
            result = subprocess.run([*prefix, kvmtest.KVM_STAT, "-1", "--source", "stats"],
                                    capture_output=True, text=True, check=False, timeout=30)
            self.assertEqual((code, ""), (result.returncode, result.stdout), prefix)
            self.assertIn(text, result.stderr, prefix)

    def test_too_few_descriptors(self):
        guest = self.run_guest(vcpus=8)
        self.statistics(guest)
        result = kvmtest.kvm_stat("-1", "--source", "stats", preexec_fn=hard_limit(16))
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertIn("RLIMIT_NOFILE", result.stderr)

    def test_guest_that_cannot_be_read_for_a_while(self):
        """Rows that came back would have all they ever counted as new."""
        guest = self.run_guest("--late")
        rows = Rows(self, "vcpu", str(guest.pid), "past")
        before = {(row[0], row[4]): row for row in rows.sample()[0]}
        kinds = {row[1] for row in before.values()}
        self.assertLessEqual({"events", "gauge"}, kinds)
        # Enough to look for VMs and descriptors, and not for all that it takes then.
        used = max(int(fd) for fd in os.listdir(f"/proc/{rows.process.pid}/fd"))
        _, hard = resource.prlimit(rows.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(rows.process.pid, resource.RLIMIT_NOFILE, (used + 2, hard))
        guest.go()
        guest.result()
        found, last = rows.sample()
        self.assertRegex(last, f"partial=1 unreadable=1 error=-{errno.EMFILE}$")
        # What it has counted stays; its states are not known.
        meanwhile = {(row[0], row[4]): row for row in found}
        self.assertFalse({row[1] for row in found} & {"gauge", "peak"})
        for key, row in before.items():
            if row[1] not in ("gauge", "peak"):
                self.assertGreaterEqual(int(meanwhile[key][6]), int(row[6]), row)
        resource.prlimit(rows.process.pid, resource.RLIMIT_NOFILE, (hard, hard))

        def readable():
            found, last = rows.sample()
            return found if last == "partial=0 unreadable=0 error=0" else None
        found = kvmtest.until(readable, "it is looked at again, after 10 seconds", 20)
        each = dict(self.statistics(guest).each())
        for row in found:
            id_ = f"vcpu-{row[4]}" if row[4] != "-" else ""
            kind, values = next(fields[row[0]] for name, fields in each.items()
                                if name.partition("/")[2] == id_)
            if kind == "cumulative":
                self.assertEqual(values[0], int(row[6]), row)
        self.assertLess(set(before), {(row[0], row[4]) for row in found})

    def test_below_another_root(self):
        result = kvmtest.kvm_stat("-1", "--source", "stats", "--sysroot", self.directory)
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertIn("--sysroot", result.stderr)

    def test_guests_that_come_and_go(self):
        """Killed at any moment, none is an error, and nothing of them stays open."""
        process = self.launch(kvmtest.KVM_STAT, "-l", "-s", "0.1", "--source", "stats",
                              stdout=subprocess.DEVNULL)
        kvmtest.until_asleep(process)
        fds = len(os.listdir(f"/proc/{process.pid}/fd"))
        own = set()
        for number in range(60):
            with kvmtest.SampleGuest("--stats", "--vcpus", "8", *WORK, "--late") as guest:
                own.add(str(guest.pid))
                guest.go()
                time.sleep(number % 12 * 0.01)
        # Guests of others may be there by now.
        kvmtest.until(lambda: kvmtest.foreign_vms() or
                      len(os.listdir(f"/proc/{process.pid}/fd")) <= fds, "nothing stays open")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        self.assertEqual(0, process.returncode)
        foreign = [line for line in err.splitlines()
                   if set(re.findall(r"\(pid (\d+)\)", line)) - own]
        self.assertEqual(foreign, err.splitlines())


# SIGTSTP does nothing in a process group without a parent outside, as that of this test may be.
STOPPABLE = {"process_group": 0}


class Teardown(StatsCase):
    """The end of a guest while kvm_stat has copies of its descriptors, which pin its VM."""

    def run_whole_guest(self, *args):
        """One of which a sample finds all descriptors, and of which nobody has copies."""
        guest = self.run_guest(*args)
        self.whole(guest).close()
        return guest

    def end_of(self, *watcher, prepare=None, stopped=False):
        """Seconds from the death of a guest to the end of its VM."""
        guest = self.run_whole_guest()
        path = directory_of(guest.pid)
        process = None
        if watcher:
            process = self.launch(*watcher, "-p", str(guest.pid), **STOPPABLE,
                                  **({} if not prepare else {"stdout": prepare}))
            kvmtest.until(lambda: open_copies(process) == 3, "it has copies")
            if not stopped:
                kvmtest.until_asleep(process)
        if stopped:
            process.send_signal(signal.SIGTSTP)
            kvmtest.until(lambda: kvmtest.state(process.pid) == "T", "it is stopped")
            self.assertEqual(0, open_copies(process))
        guest.process.kill()
        guest.process.wait()
        seconds = time_until_gone(path)
        if process:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        return seconds

    def assert_in_time(self, what, *watcher, **options):
        bare = sorted(self.end_of() for _ in range(3))
        with_it = sorted(self.end_of(*watcher, **options) for _ in range(5))
        print(f"{what}: the VM's end takes {bare[1] * 1000:.1f} ms, and {with_it[2] * 1000:.1f} ms "
              "while it is watched", file=sys.stderr)
        # A copy that pins the VM does so each time, until the next sample.
        self.assertLess(with_it[2], bare[1] + LIMIT)

    def test_a_copy_does_pin_the_vm(self):
        """Or all of the following would prove nothing."""
        guest = self.run_guest()
        path = directory_of(guest.pid)
        copies = self.statistics(guest)
        guest.process.kill()
        guest.process.wait()
        time.sleep(0.5)
        self.assertTrue(os.path.exists(path))
        copies.close()
        time_until_gone(path)

    def test_while_it_logs(self):
        self.assert_in_time("log", kvmtest.KVM_STAT, "-l", "-s", "25", "--source", "stats",
                            prepare=subprocess.DEVNULL)

    def test_while_a_batch_runs(self):
        self.assert_in_time("batch", kvmtest.KVM_STAT, "-1", "--count", "60", "--source", "stats",
                            prepare=subprocess.DEVNULL)

    def test_while_nobody_reads_its_output(self):
        """A pipe that is full: the program waits, its thread does not."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        self.addCleanup(os.close, write_end)
        os.set_blocking(write_end, False)
        try:
            while True:
                os.write(write_end, b"x")
        except BlockingIOError:
            os.set_blocking(write_end, True)
        self.assert_in_time("full pipe", kvmtest.KVM_STAT, "-l", "-s", "0.1", "--source", "stats",
                            prepare=write_end)

    def test_while_it_is_stopped(self):
        """By Ctrl-Z: it gives all copies back before."""
        self.assert_in_time("stopped", kvmtest.KVM_STAT, "-l", "-s", "25", "--source", "stats",
                            prepare=subprocess.DEVNULL, stopped=True)

    def test_counts_go_on_after_a_stop(self):
        guest = self.run_guest()
        statistics = self.statistics(guest)
        before = statistics.sums()
        path = os.path.join(self.directory, "log")
        process = self.launch(kvmtest.KVM_STAT, "-L", path, "-c", "-s", "0.2", "--source", "stats",
                              "-p", str(guest.pid), "-f", "exits$", **STOPPABLE)
        kvmtest.until_asleep(process)
        process.send_signal(signal.SIGTSTP)
        kvmtest.until(lambda: kvmtest.state(process.pid) == "T", "it is stopped")
        guest.go()
        guest.result()
        process.send_signal(signal.SIGCONT)
        kvmtest.until(lambda: open_copies(process) == 3, "it has copies again")
        kvmtest.until_sampled(process, path)
        process.send_signal(signal.SIGINT)
        self.assertEqual(("", 0), (process.communicate(timeout=20)[1], process.returncode))
        with open(path, encoding="ascii") as f:
            records = f.read().splitlines()[1:]
        self.assertEqual(statistics.sums()["exits"][1][0] - before["exits"][1][0],
                         sum(int(line.split(",")[1]) for line in records))

    def screen(self, guest):
        """The program on a terminal, below a shell that has job control: else nothing stops it."""
        child = pexpect.spawn("bash", ["-mc", '"$@"; read', "bash", kvmtest.KVM_STAT, "--source",
                                       "stats", "-s", "25", "-p", str(guest.pid)],
                              dimensions=(24, 80), timeout=30,
                              env={**os.environ, "TERM": "xterm-256color"})
        self.addCleanup(child.close, force=True)
        child.expect("kvm statistics")
        with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as f:
            program = Process(int(f.read()))
        kvmtest.until(lambda: open_copies(program) == 3, "it has copies")
        return child, program

    def test_while_the_screen_is_shown(self):
        for stopped in (False, True):
            times = []
            for _ in range(3):
                guest = self.run_whole_guest()
                path = directory_of(guest.pid)
                child, program = self.screen(guest)
                if stopped:
                    child.send("\x1a")
                    kvmtest.until(lambda pid=program.pid: kvmtest.state(pid) == "T",
                                  "it is stopped")
                    self.assertEqual(0, open_copies(program))
                guest.process.kill()
                guest.process.wait()
                times.append(time_until_gone(path))
                child.close(force=True)
            self.assertLess(min(times), LIMIT, times)

    def test_vm_that_ends_in_a_process_that_lives_on(self):
        times = []
        for _ in range(3):
            guest = self.run_whole_guest("--end-vm")
            path = directory_of(guest.pid)
            process = self.launch(kvmtest.KVM_STAT, "-l", "-s", "25", "--source", "stats", "-p",
                                  str(guest.pid))
            kvmtest.until(lambda watcher=process: open_copies(watcher) == 3, "it has copies")
            guest.go()
            self.assertEqual("io=500 cpuid=321 halts=45", guest.result())
            times.append(time_until_gone(path))
            self.assertIsNone(guest.process.poll())
        self.assertLess(min(times), LIMIT, times)


if __name__ == "__main__":
    kvmtest.need_root()
    kvmtest.need_kvm()
    kvmtest.enter_private_mounts()
    kvmtest.main()
