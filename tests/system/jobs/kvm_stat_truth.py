#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat counts what a guest on this host's own KVM does, to the last exit: by reason, by guest,
from tracepoints and from debugfs, and as upstream's program does beside it.

Real hardware rarely has such a silent host: here no other guest runs, and the kernel is known.
"""
import datetime
import os
import sys
import time

import counting
import job
from counting import kvmtest

IO, CPUID, HALTS = 300, 70, 20
UPSTREAM = "upstream-kvm_stat"
# The counters of one kind of exit each, by what counts them.
TRACEPOINTS = ("kvm_pio", "kvm_exit(IOIO)", "kvm_userspace_exit(IO)")
DEBUGFS = ("io_exits",)

# The control that makes guests do one exit of each kind more than the tests know of.
more = 0


class Guest(kvmtest.SampleGuest):
    """A guest that does the work above, or another."""

    def __init__(self, *args, work=(IO, CPUID, HALTS)):
        self.work = [count + more for count in work]
        options = ("--io", "--cpuid", "--halts")
        super().__init__(*args, *(text for option, count in zip(options, self.work)
                                  for text in (option, str(count))))

    def do(self):
        """Does it, and checks what the guest itself has counted."""
        self.go()
        line = self.result()
        assert line == "io=%d cpuid=%d halts=%d" % tuple(self.work), line


def states():
    """The fields of debugfs that are no counts, of which ours logs what they are."""
    root = "/sys/kernel/debug/kvm"
    return {name for name in os.listdir(root)
            if not os.stat(f"{root}/{name}").st_mode & 0o222 or name.startswith("max_")}


class Truth(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        job.load_kvm()
        counting.install_guest()

    def setUp(self):
        super().setUp()
        # The counters of the next test begin when the guests of this one are gone.
        self.addCleanup(job.until, lambda: not kvmtest.foreign_vms(), "no guest is left")

    def guest(self, *args, **options):
        guest = Guest(*args, **options)
        self.addCleanup(guest.__exit__)
        return guest

    def count(self, guests, *selections):
        """What a batch of each selection counts of the guests' work, side by side."""
        batches = [counting.Batch(self, f"{self.directory}/{number}", *args)
                   for number, args in enumerate(selections)]
        for batch in batches:
            batch.until_asleep()
        for guest in guests:
            guest.do()
        for batch in batches:
            batch.until_sampled()
        return [batch.totals() for batch in batches]

    def assert_tracepoints(self, rows, vcpus=1):
        expected = {
            "kvm_exit(IOIO)": IO, "kvm_exit(CPUID)": CPUID, "kvm_exit(HLT)": HALTS,
            "kvm_pio": IO, "kvm_cpuid": CPUID,
            "kvm_userspace_exit(IO)": IO, "kvm_userspace_exit(HLT)": HALTS,
            "kvm_userspace_exit(MMIO)": vcpus}  # the end of the work
        self.assertEqual(expected, {name: rows[name] for name in expected})
        self.assertEqual(IO + HALTS + vcpus, rows["kvm_userspace_exit"])
        for parent in ("kvm_exit", "kvm_userspace_exit"):
            children = [count for name, count in rows.items() if name.startswith(parent + "(")]
            self.assertEqual(rows[parent], sum(children), parent)

    def assert_debugfs(self, rows):
        self.assertEqual((IO, HALTS), (rows["io_exits"], rows["halt_exits"]))

    def assert_counters(self, guest, rows):
        """They are the kernel's own of this guest."""
        expected = counting.counters(guest)
        self.assertEqual(expected, {name: rows[name] for name in expected})

    # By each source

    def test_one_guest(self):
        """Two vCPUs share its work; counted by its process, and as all that the host does."""
        guest = self.guest("--linger", "60", "--vcpus", "2")
        by_pid, by_host, both = self.count([guest], ["-t", "-p", str(guest.pid)], ["-t"],
                                           ["-d", "-t"])
        for rows in (by_pid, by_host, both):
            self.assert_tracepoints(rows, vcpus=2)
        self.assert_debugfs(both)
        self.assertEqual(both["kvm_exit"], both["exits"])
        self.assert_counters(guest, both)

    # One of three

    def assert_one_of_three(self, *selection):
        """`selection` with the name or the process of the second one, which has two vCPUs. The
        others do next to nothing: to count that too is to be wrong by little.
        """
        one, two, three = guests = [
            self.guest("--linger", "60", "-name", "one", work=(1, 1, 1)),
            self.guest("--linger", "60", "-name", "two,debug-threads=on", "--vcpus", "2"),
            self.guest("--linger", "60", "-name", "three", work=(1, 1, 1))]
        selection = [text.format(pid=two.pid) for text in selection]
        tracepoints, debugfs = self.count(guests, ["-t", *selection], ["-d", *selection])
        self.assert_tracepoints(tracepoints, vcpus=2)
        self.assert_debugfs(debugfs)
        self.assert_counters(two, debugfs)
        for guest in one, three:
            self.assertEqual(1, counting.counters(guest)["io_exits"], "it has not worked")

    def test_one_of_three_by_name(self):
        self.assert_one_of_three("-g", "two")

    def test_one_of_three_by_pid(self):
        self.assert_one_of_three("-p", "{pid}")

    # Guests that end

    def test_guest_that_ends_within_a_sample(self):
        """What tracepoints told of it before is counted, with -p and without."""
        guest = self.guest()
        for rows in self.count([guest], ["-t", "-p", str(guest.pid)], ["-t"]):
            self.assert_tracepoints(rows)
        self.assertEqual(0, guest.process.wait(10))

    def test_guest_that_is_killed_at_work(self):
        """What it had counted in debugfs up to the last sample stays, and the log goes on; a guest
        that comes then is counted from its first exit.
        """
        log = counting.Log(self, f"{self.directory}/log", "-s", "0.5", "-d", "-t")
        victim = self.guest("--forever", "--rate", "100")
        log.until_asleep()
        victim.go()
        job.until(lambda: log.sums().get("io_exits", 0) > 50, "it is at work")
        # It stands still in its work, so that a sample can hold all of it.
        counting.freeze(victim)
        log.until_sampled()
        counters = counting.counters(victim)
        at_death = log.sums()
        self.assertEqual(counters, {name: at_death[name] for name in counters})
        self.assertEqual({counters["io_exits"]}, {at_death[name] for name in TRACEPOINTS})
        victim.process.kill()
        job.until(lambda: not kvmtest.foreign_vms(), "it is gone")
        log.until_sampled()
        after = log.sums()
        self.assertEqual(counters, {name: after[name] for name in counters})
        guest = self.guest("--linger", "60")
        guest.do()
        log.until_sampled()
        log.end()
        sums = log.sums()
        for name in (*TRACEPOINTS, *DEBUGFS):
            self.assertEqual(IO, sums[name] - after[name], name)
        for name in ("kvm_exit(HLT)", "halt_exits"):
            self.assertEqual(HALTS, sums[name] - after[name], name)

    # Clocks

    def test_clock_that_is_set(self):
        """By hours, back and forward: counts, intervals and rates know nothing of it."""
        begin = time.monotonic()
        log = counting.Json(self, f"{self.directory}/log", "-s", "1", "-t", "-f", "kvm_pio$")
        log.until_asleep()
        log.until_sampled()
        for hours in -1, 3, -2:
            time.clock_settime(time.CLOCK_REALTIME, time.time() + hours * 3600)
            self.guest().do()
            log.until_sampled()
        log.end()
        elapsed = time.monotonic() - begin
        records = log.records()
        times = [datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00"))
                 for record in records]
        steps = [(after - before).total_seconds() for before, after in zip(times, times[1:])]
        self.assertEqual([-1, 3, -2], [round(step / 3600) for step in steps if abs(step) > 1800])
        intervals = [record["interval"] for record in records]
        self.assertGreater(min(intervals), 0)
        self.assertLess(sum(intervals), elapsed)
        rows = [record["rows"][0] for record in records]
        self.assertEqual(3 * IO, sum(row["delta"] for row in rows))
        for row, interval in zip(rows, intervals):
            self.assertAlmostEqual(row["delta"] / interval, row["rate"], places=1)

    # Beside upstream's

    def test_upstream_beside_ours(self):
        guest = self.guest("--linger", "60")
        programs = [sys.executable, os.path.abspath(UPSTREAM)], [kvmtest.KVM_STAT]
        pairs = {source: [counting.Log(self, f"{self.directory}/{source}{number}", "-s", "1",
                                       source, "-p", str(guest.pid), program=program)
                          for number, program in enumerate(programs)]
                 for source in ("-t", "-d")}
        for pair in pairs.values():
            for log in pair:
                log.until_asleep()
        guest.do()
        for source, pair in pairs.items():
            for log in pair:
                log.until_sampled()
                log.end()
            theirs, ours = [log.sums() for log in pair]
            if source == "-t":
                self.assert_tracepoints(ours)
            else:
                self.assert_debugfs(ours)
            common = sorted(set(theirs) & set(ours) - states())
            self.assertGreater(len(common), 20, source)
            self.assertEqual({name: theirs[name] for name in common},
                             {name: ours[name] for name in common}, source)


def one_more():
    global more  # pylint: disable=global-statement
    more = 1


def every_guest():
    """A kvm_stat for which -p and -g select nothing."""
    away = kvmtest.KVM_STAT + ".away"
    os.rename(kvmtest.KVM_STAT, away)
    job.write(kvmtest.KVM_STAT, f"""#!/bin/bash
for argument; do
	shift
	case $skipped in -[pg]) skipped= ; continue ;; esac
	skipped=$argument
	case $argument in -[pg]) ;; *) set -- "$@" "$argument" ;; esac
done
exec {away} "$@"
""", 0o755)


if __name__ == "__main__":
    job.main({
        "one-exit-more": job.Control(one_more, [
            "test_one_guest", "test_guest_that_ends_within_a_sample",
            "test_guest_that_is_killed_at_work", "test_clock_that_is_set",
            "test_upstream_beside_ours"]),
        "every-guest": job.Control(every_guest, ["test_one_of_three_by_name",
                                                 "test_one_of_three_by_pid"]),
    })
