#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that makes an exact number of exits: kvm_stat must count exactly these, and in -p and -g
only those of the guest that was asked for; by its BPF program (Bpf) as well as by perf (Perf).
"""
import json
import os
import re
import resource
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

WORK = ["--io", "5000", "--cpuid", "321", "--halts", "45"]
FIELDS = "kvm_(pio|cpuid|userspace_exit)"
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


THREADS = """
import threading, time
print("ready", flush=True)
while True:
    threads = [threading.Thread(target=time.sleep, args=(0.4,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def children(rows, parent):
    return {name: row for name, row in rows.items() if name.startswith(parent + "(")}


class Truth:
    """What holds whatever counts."""

    via = None

    def count(self, guests, *args):
        """The rows of -1 around the work of the guests."""
        process = self.launch_frozen(kvmtest.KVM_STAT, "-1", "--via", self.via, *args)
        for guest in guests:
            guest.go()
        for guest in guests:
            self.assertEqual("io=5000 cpuid=321 halts=45", guest.result())
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=20)
        self.assertEqual(("", 0), (err, process.returncode))
        return kvmtest.batch_rows(out)

    def assert_work(self, rows, vcpus=1):
        self.assertEqual((5000, 5000), rows["kvm_pio"])
        self.assertEqual((321, 321), rows["kvm_cpuid"])
        self.assertEqual((5000, 5000), rows["kvm_userspace_exit(IO)"])
        self.assertEqual((45, 45), rows["kvm_userspace_exit(HLT)"])
        self.assertEqual((vcpus, vcpus), rows["kvm_userspace_exit(MMIO)"])  # the end of the work
        self.assert_children_sum_up(rows)

    def assert_children_sum_up(self, rows):
        parent = rows["kvm_userspace_exit"]
        parts = children(rows, "kvm_userspace_exit").values()
        self.assertEqual(parent, tuple(map(sum, zip(*parts))))

    def test_one_guest(self):
        for vcpus in (1, 3):
            with kvmtest.SampleGuest(*WORK, "--vcpus", str(vcpus), "--linger", "60") as guest:
                self.assert_work(self.count([guest], "-p", str(guest.pid), "-f", FIELDS), vcpus)

    def test_guest_that_ends_meanwhile(self):
        with kvmtest.SampleGuest(*WORK) as guest:
            self.assert_work(self.count([guest], "-p", str(guest.pid), "-f", FIELDS))

    def test_all_fields(self):
        with kvmtest.SampleGuest(*WORK, "--linger", "60") as guest:
            self.assert_work(self.count([guest], "-p", str(guest.pid)))

    def test_whole_host(self):
        for _ in range(4):  # guests of others may come and go in between
            with kvmtest.SampleGuest(*WORK, "--linger", "60") as guest:
                rows = self.count([guest])
                alone = not kvmtest.foreign_vms(guest.pid)
            self.assertGreaterEqual(rows["kvm_pio"][0], 5000)
            self.assertGreaterEqual(rows["kvm_cpuid"][0], 321)
            self.assertGreaterEqual(rows["kvm_userspace_exit(IO)"][0], 5000)
            self.assert_children_sum_up(rows)
            if rows["kvm_pio"][0] == 5000:
                break
        if alone:
            self.assert_work(rows)

    def test_one_of_three(self):
        names = [f"truth-{os.getpid()}-{n}" for n in range(3)]
        for by_name in (False, True):
            guests = [kvmtest.SampleGuest(*WORK, "--linger", "60", option, name)
                      for option, name in zip(("-name", "--name", "-name"), names)]
            try:
                selection = ["-g", names[1]] if by_name else ["-p", str(guests[1].pid)]
                self.assert_work(self.count(guests, *selection, "-f", FIELDS))
            finally:
                for guest in guests:
                    guest.__exit__()

    def test_vcpu_threads_that_come_later(self):
        # For perf they stay, so that a sample finds them however late it is.
        keep = ["--keep-vcpus"] if self.via == "perf" else []
        with kvmtest.SampleGuest("--late", "--vcpus", "2", "--io", "400", "--cpuid", "0", "--halts",
                                 "0", "--rate", "200", "--linger", "60", *keep) as guest:
            path = os.path.join(self.directory, "log")
            process = self.launch(kvmtest.KVM_STAT, "-L", path, "--via", self.via, "-s", "0.2",
                                  "-p", str(guest.pid), "-f", "kvm_pio$")
            kvmtest.until_asleep(process)
            before = self.perf_events(process)  # of the only thread there is
            begin = time.monotonic()
            guest.go()
            least = 400
            if self.via == "perf":
                # What new threads do before a sample has found them perf does not count.
                # Besides the vCPUs there may be a thread of KVM's (Linux 6.14).
                kvmtest.until(lambda: 3 <= len(os.listdir(f"/proc/{guest.pid}/task")) ==
                              self.perf_events(process) / before, "all threads are counted")
                least -= 2 * 200 * (time.monotonic() - begin + 0.05)  # until they are switched on
            self.assertEqual("io=400 cpuid=0 halts=0", guest.result())
            kvmtest.until_sampled(process, path)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
            self.assertEqual("", err)
            with open(path, encoding="ascii") as f:
                deltas = [int(line.split()[-1]) for line in f if line[0].isdigit()]
            self.assertTrue(least <= sum(deltas) <= 400, deltas)

    @staticmethod
    def perf_events(process):
        return sum("[perf_event]" in target for target in kvmtest.open_files(process.pid))

    def test_threads_that_come_and_go(self):
        """As the I/O threads of QEMU do: each sample closes and opens many descriptors."""
        worker = self.launch(sys.executable, "-c", THREADS)
        worker.stdout.readline()
        result = kvmtest.kvm_stat(
            "-l", "--via", self.via, "-s", "0.3", "--count", "5", "-p", str(worker.pid),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, HARD_LIMIT)))
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(5, sum(line[0].isdigit() for line in result.stdout.splitlines()))

    def test_guest_that_comes_later_counts_from_zero(self):
        before = self.launch_frozen(kvmtest.KVM_STAT, "-1", "--via", self.via, "-f", FIELDS)
        with kvmtest.SampleGuest(*WORK) as guest:
            guest.go()
            guest.result()
            before.send_signal(signal.SIGCONT)
            rows = kvmtest.batch_rows(before.communicate(timeout=20)[0])
            self.assertGreaterEqual(rows["kvm_pio"][0], 5000)

    @staticmethod
    def cpu_time(pid):
        """What a process has used, in ticks."""
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def test_interrupted_exits_are_a_reason_of_their_own(self):
        """Where the kernel has no reason but an errno; upstream counts it under the last reason."""
        with kvmtest.SampleGuest("--io", "0", "--cpuid", "4000000000") as guest:
            # Long enough that all is over, on a loaded machine too, before the counters are read
            # again: an exit amid that is in some of them only.
            process = self.launch(kvmtest.KVM_STAT, "-1", "--via", self.via, "--count", "4", "-p",
                                  str(guest.pid), "-f", FIELDS)
            kvmtest.until_asleep(process)
            before = self.cpu_time(guest.pid)
            guest.go()
            # A signal before the vCPU runs interrupts nothing.
            kvmtest.until(lambda: self.cpu_time(guest.pid) > before + 1, "it runs")
            end = time.monotonic() + 0.5
            for _ in range(20):
                if time.monotonic() > end:
                    break
                guest.process.send_signal(signal.SIGSTOP)
                time.sleep(0.01)  # or SIGCONT takes it back
                guest.process.send_signal(signal.SIGCONT)
                time.sleep(0.01)
            last = process.communicate(timeout=20)[0].rpartition("\n\n")[2]
            rows = kvmtest.batch_rows(last)
            restarts = rows["kvm_userspace_exit(restart)"][0]
            self.assertTrue(1 <= restarts <= 20, restarts)
            # The first KVM_RUN of a VM makes a thread (Linux 6.14), which a signal stops with
            # another errno, ERESTARTNOINTR.
            errors = rows["kvm_userspace_exit(error)"][0]
            self.assertLessEqual(errors, 1)
            self.assertEqual(restarts + errors, rows["kvm_userspace_exit"][0])

    def test_filter_shows_what_it_matches(self):
        """Only one that asks for a reason, of which there may be more, shows more than that."""
        brought = {"kvm_userspace_exit"}
        if self.via == "perf":
            brought.add("kvm_userspace_exit(other)")
        for pattern, wanted in ((".*mmio", True), ("(?!.*exit).*", True),
                                (r"kvm_userspace_exit\(0x3e9\)", brought)):
            result = kvmtest.kvm_stat("-1", "--via", self.via, "-f", pattern)
            self.assertEqual((0, ""), (result.returncode, result.stderr), pattern)
            names = set(kvmtest.batch_rows(result.stdout))
            if wanted is True:
                wanted = {name for name in names if re.match(pattern, name)}
            self.assertTrue(wanted)
            self.assertEqual(wanted, names)

    def test_guest_that_ends_makes_the_interval_partial(self):
        """What it did last has no row of its own."""
        guests = [kvmtest.SampleGuest(*WORK, "--linger", "60") for _ in range(2)]
        for guest in guests:
            self.addCleanup(guest.__exit__)
        process = self.launch(kvmtest.KVM_STAT, "-l", "-s", "0.2", "--via", self.via, "--by", "guest",
                              "--format", "json", "-f", FIELDS)

        def next_partial():
            return json.loads(process.stdout.readline())["partial"]
        if not kvmtest.foreign_vms(*(guest.pid for guest in guests)):
            self.assertFalse(next_partial())
            self.assertFalse(next_partial())
        guests[0].__exit__()
        kvmtest.until(next_partial, "the end is told")
        if not kvmtest.foreign_vms(*(guest.pid for guest in guests)):
            self.assertFalse(next_partial())

    def test_vm_made_by_a_thread_that_ended(self):
        """KVM names the VM after that thread (B22)."""
        with kvmtest.SampleGuest(*WORK, "--helper-thread", "--name", "helped", "--linger",
                                 "60") as guest:
            rows = self.count([guest], "-g", "helped", "-f", FIELDS)
            self.assert_work(rows)


class Perf(Truth, kvmtest.TestCase):
    via = "perf"


class Bpf(Truth, kvmtest.TestCase):
    via = "bpf"

    @classmethod
    def setUpClass(cls):
        kvmtest.need_host_pids()


class Others(kvmtest.TestCase):
    """What does not depend on what counts."""

    def test_thread_is_no_guest(self):
        with kvmtest.SampleGuest(*WORK) as guest:
            thread = max(map(int, os.listdir(f"/proc/{guest.pid}/task")))
            self.assertNotEqual(guest.pid, thread)
            result = kvmtest.kvm_stat("-1", "-t", "-p", str(thread))
            self.assertEqual((1, ""), (result.returncode, result.stdout))
            self.assertRegex(result.stderr, rf"^kvm_stat: .*\b{guest.pid}\b")

    def test_process_without_guest(self):
        result = kvmtest.kvm_stat("-1", "-t", "-p", str(os.getpid()), "-f", "kvm_pio$")
        self.assertEqual(0, result.returncode)
        self.assertRegex(result.stderr, rf"^kvm_stat: warning: .*\b{os.getpid()}\b")
        self.assertEqual({"kvm_pio": (0, 0)}, kvmtest.batch_rows(result.stdout))

    def test_unreadable_fields_are_named(self):
        """Lockdown forbids most stat files: once said, and no silent zeros (B3)."""
        with kvmtest.SampleGuest(*WORK):
            result = kvmtest.kvm_stat("-1", "-d")
        rows = kvmtest.batch_rows(result.stdout)
        readable = {name for name in rows if os.path.exists(f"/sys/kernel/debug/kvm/{name}")}
        self.assertEqual(set(rows), readable)
        for name in rows:
            with open(f"/sys/kernel/debug/kvm/{name}", encoding="ascii") as f:
                f.read()
        try:
            with open("/sys/kernel/debug/kvm/exits", encoding="ascii") as f:
                f.read()
            self.assertEqual("", result.stderr)
            self.assertIn("exits", rows)
        except PermissionError:
            self.assertEqual(1, len(result.stderr.splitlines()), result.stderr)
            self.assertTrue(re.search("lockdown|Operation not permitted", result.stderr))
            self.assertNotIn("exits", rows)


if __name__ == "__main__":
    kvmtest.need_root()
    kvmtest.need_kvm()
    kvmtest.enter_private_mounts()
    kvmtest.main()
