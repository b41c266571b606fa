#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat counts what a guest on this host's own KVM does, to the last exit: by reason, by guest,
from tracepoints and from debugfs, and as upstream's program does beside it.

Real hardware rarely has such a silent host: here no other guest runs, and the kernel is known.
"""
import csv
import io
import os
import signal
import sys
import time

import job

os.environ["BIN_DIR"] = "/usr/bin"
import kvmtest  # noqa: E402

IO, CPUID, HALTS = 300, 70, 20
SECONDS = 5  # of a batch, in which the work has to be done
UPSTREAM = "upstream-kvm_stat"

# The control that makes guests do one exit of each kind more than the tests know of.
more = 0


class Guest(kvmtest.SampleGuest):
    """A guest whose work is a multiple of that above."""

    def __init__(self, *args, times=1):
        self.times = times
        self.work = [times * count + more for count in (IO, CPUID, HALTS)]
        options = ("--io", "--cpuid", "--halts")
        super().__init__(*args, *(text for option, count in zip(options, self.work)
                                  for text in (option, str(count))))

    def do(self):
        """Does it, and checks what the guest itself has counted."""
        self.go()
        line = self.result()
        assert line == "io=%d cpuid=%d halts=%d" % tuple(self.work), line


def csv_sums(text):
    """{field: sum over all records} of a log."""
    sums = {}
    for row in csv.DictReader(io.StringIO(text)):
        if None in row or None in row.values():
            raise AssertionError(f"incomplete record: {row}")
        for name, value in row.items():
            if name != "timestamp":
                sums[name] = sums.get(name, 0) + int(value)
    return sums


class Truth(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        job.load_kvm()
        if not os.path.exists(kvmtest.SAMPLE_GUEST):
            os.symlink(os.path.abspath("kvm-sample-guest"), kvmtest.SAMPLE_GUEST)

    def tearDown(self):
        # The counters of the next test begin when the guests of this one are gone.
        job.until(lambda: not kvmtest.foreign_vms(), "no guest is left")

    def batch(self, guests, *args):
        """The rows of -1 at the end of the guests' work, and the sums of all its blocks."""
        process = self.launch(kvmtest.KVM_STAT, "-1", "--count", str(SECONDS), *args)
        kvmtest.until_asleep(process)
        for guest in guests:
            guest.do()
        self.assertIsNone(process.poll(), "the machine is too slow for this test")
        out, err = process.communicate(timeout=60)
        self.assertEqual(("", 0), (err, process.returncode))
        blocks = [kvmtest.batch_rows(block) for block in out.split("\n\n")]
        self.assertEqual(SECONDS, len(blocks))
        sums = {name: sum(block.get(name, (0, 0))[1] for block in blocks) for name in blocks[-1]}
        totals = {name: row[0] for name, row in blocks[-1].items()}
        self.assertEqual(totals, sums)
        return totals

    def assert_tracepoints(self, rows, times=1, vcpus=1):
        expected = {
            "kvm_exit(IOIO)": times * IO, "kvm_exit(CPUID)": times * CPUID,
            "kvm_exit(HLT)": times * HALTS,
            "kvm_pio": times * IO, "kvm_cpuid": times * CPUID,
            "kvm_userspace_exit(IO)": times * IO, "kvm_userspace_exit(HLT)": times * HALTS,
            "kvm_userspace_exit(MMIO)": vcpus}  # the end of the work
        self.assertEqual(expected, {name: rows[name] for name in expected})
        self.assertEqual(times * (IO + HALTS) + vcpus, rows["kvm_userspace_exit"])
        for parent in ("kvm_exit", "kvm_userspace_exit"):
            children = [count for name, count in rows.items() if name.startswith(parent + "(")]
            self.assertEqual(rows[parent], sum(children), parent)

    def assert_debugfs(self, rows, times=1):
        self.assertEqual((times * IO, times * HALTS), (rows["io_exits"], rows["halt_exits"]))

    def test_tracepoints(self):
        with Guest("--linger", "60") as guest:
            self.assert_tracepoints(self.batch([guest], "-t", "-p", str(guest.pid)))

    def test_tracepoints_of_the_whole_host(self):
        with Guest("--linger", "60") as guest:
            self.assert_tracepoints(self.batch([guest], "-t"))

    def test_both_sources(self):
        with Guest("--linger", "60") as guest:
            rows = self.batch([guest], "-d", "-t")
            self.assert_tracepoints(rows)
            self.assert_debugfs(rows)
            self.assertEqual(rows["kvm_exit"], rows["exits"])
            for name in ("exits", "io_exits", "halt_exits"):
                self.assertEqual(rows[name], int(job.read(f"/sys/kernel/debug/kvm/{name}")))

    def test_one_of_three(self):
        guests = [Guest("--linger", "60", "-name", name, times=times)
                  for times, name in enumerate(("one", "two,debug-threads=on", "three"), 1)]
        try:
            by_pid = self.launch(kvmtest.KVM_STAT, "-1", "--count", str(SECONDS), "-t", "-p",
                                 str(guests[1].pid))
            kvmtest.until_asleep(by_pid)
            rows = self.batch(guests, "-d", "-t", "-g", "two")
            self.assert_tracepoints(rows, times=2)
            self.assert_debugfs(rows, times=2)
            out, err = by_pid.communicate(timeout=60)
            self.assertEqual("", err)
            last = kvmtest.batch_rows(out.split("\n\n")[-1])
            self.assert_tracepoints({name: row[0] for name, row in last.items()}, times=2)
        finally:
            for guest in guests:
                guest.__exit__()

    def test_guest_that_ends_within_a_sample(self):
        """What it did before is counted, with -p and without."""
        for select in (True, False):
            with self.subTest(select=select), Guest() as guest:
                rows = self.batch([guest], "-t", *(["-p", str(guest.pid)] if select else []))
                self.assertEqual(0, guest.process.wait(10))
                self.assert_tracepoints(rows)

    def test_guest_that_is_killed_at_work(self):
        """The log goes on; a guest that comes then is counted from its first exit."""
        with Guest("--forever", "--rate", "100") as victim:
            process = self.launch(kvmtest.KVM_STAT, "-l", "-c", "-s", "0.5", "-d", "-t")
            kvmtest.until_asleep(process)
            victim.go()
            time.sleep(1.2)
        time.sleep(1.2)
        with Guest("--linger", "60") as guest:
            self.assertIsNone(process.poll())
            guest.do()
            time.sleep(1.2)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        self.assertEqual(("", 0), (err, process.returncode))
        records = list(csv.DictReader(io.StringIO(out)))
        for record in records:
            for name in ("kvm_pio", "kvm_exit(HLT)", "io_exits", "halt_exits"):
                self.assertGreaterEqual(int(record[name]), 0, record)
        works = [int(record["kvm_pio"]) > 0 for record in records]
        self.assertIn(True, works, "the victim had no exit before it died")
        died = works.index(False, works.index(True))
        self.assertGreater(sum(int(record["kvm_pio"]) for record in records[:died]), 50)
        after = records[died:]
        for name, count in (("kvm_exit(IOIO)", IO), ("kvm_exit(HLT)", HALTS),
                            ("io_exits", IO), ("halt_exits", HALTS)):
            self.assertEqual(count, sum(int(record[name]) for record in after), name)

    def test_upstream_beside_ours(self):
        with Guest("--linger", "60") as guest:
            args = ["-l", "-c", "-s", "1", "-t", "-p", str(guest.pid)]
            env = {**os.environ, "PYTHONUNBUFFERED": "1"}
            pair = [self.launch(sys.executable, os.path.abspath(UPSTREAM), *args, env=env),
                    self.launch(kvmtest.KVM_STAT, *args)]
            for process in pair:
                kvmtest.until(lambda p=process: kvmtest.sleeps(p.pid), process.args, 60)
            guest.do()
            time.sleep(2.5)
            for process in pair:
                process.send_signal(signal.SIGINT)
            theirs, ours = [process.communicate(timeout=60) for process in pair]
        self.assertEqual(("", ""), (theirs[1], ours[1]))
        theirs, ours = csv_sums(theirs[0]), csv_sums(ours[0])
        self.assert_tracepoints(ours)
        common = sorted(set(theirs) & set(ours))
        self.assertGreater(len(common), 50)
        self.assertEqual({name: theirs[name] for name in common},
                         {name: ours[name] for name in common})


def uninstall():
    job.remove(kvmtest.KVM_STAT)


def one_more():
    global more  # pylint: disable=global-statement
    more = 1


if __name__ == "__main__":
    job.main({"not-installed": job.Control(uninstall, job.ALL),
              "one-exit-more": job.Control(one_more, job.ALL)})
