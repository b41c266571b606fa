#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The binary statistics that kvm_stat copies from a guest are those that debugfs shows, on a kernel
that does not tell how many descriptors a process has (before 6.2). This machine's QEMU is too old
to keep any; the sample guest does.
"""
import csv
import glob
import io
import os
import signal
import time

import job

os.environ["BIN_DIR"] = "/usr/bin"
import kvmtest  # noqa: E402

IO, CPUID, HALTS = 300, 70, 20
SECONDS = 5  # of a batch, in which the work has to be done
LIMIT = 0.1  # seconds by which the end of a guest may be delayed
STATS = ["--source", "stats"]

# What controls change: exits of each kind more than the tests know of, and what guests keep.
more = 0
keeps = ["--stats"]


class Guest(kvmtest.SampleGuest):
    def __init__(self, *args):
        self.work = (IO + more, CPUID + more, HALTS + more)
        super().__init__(*keeps, "--linger", "60", *args, "--io", str(self.work[0]), "--cpuid",
                         str(self.work[1]), "--halts", str(self.work[2]))

    def do(self):
        self.go()
        line = self.result()
        assert line == "io=%d cpuid=%d halts=%d" % self.work, line

    def directory(self):
        found = glob.glob(f"/sys/kernel/debug/kvm/{self.pid}-*")
        assert len(found) == 1, found
        return found[0]

    def debugfs(self):
        """{field: value} of its files; those of histograms show one bucket only."""
        values = {}
        for path in glob.glob(f"{self.directory()}/*"):
            name = os.path.basename(path)
            if os.path.isfile(path) and name != "mmu_rmaps_stat" and not name.endswith("_hist"):
                values[name] = int(job.read(path))
        return values


def copies(process):
    """How many descriptors of statistics a process has."""
    targets = []
    for path in glob.glob(f"/proc/{process.pid}/fd/*"):
        try:
            targets.append(os.readlink(path))
        except FileNotFoundError:
            pass
    return len([target for target in targets if "-stats" in target])


class Stats(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        job.load_kvm()
        if not os.path.exists(kvmtest.SAMPLE_GUEST):
            os.symlink(os.path.abspath("kvm-sample-guest"), kvmtest.SAMPLE_GUEST)

    def guest(self, *args):
        guest = Guest(*args)
        self.addCleanup(guest.__exit__)
        return guest

    def keeping(self, *args):
        """A guest with two vCPUs, when it has all its descriptors."""
        guest = self.guest("--vcpus", "2", *args)
        job.until(lambda: copies(guest) == 3, "the guest keeps its descriptors")
        return guest

    def batch(self, guest, *args):
        """{field: total} of the guest's work."""
        process = self.launch(kvmtest.KVM_STAT, "-1", "--count", str(SECONDS), *STATS, "-p",
                              str(guest.pid), *args)
        kvmtest.until_asleep(process)
        guest.do()
        self.assertIsNone(process.poll(), "the machine is too slow for this test")
        out, err = process.communicate(timeout=60)
        self.assertEqual(("", 0), (err, process.returncode))
        return {name: row[0] for name, row in kvmtest.batch_rows(out.split("\n\n")[-1]).items()}

    def assert_debugfs(self, rows, files):
        """Every file is a row of the same value."""
        self.assertGreater(len(files), 40)
        self.assertEqual(files, {name: rows[name] for name in files})

    def test_values_are_those_of_debugfs(self):
        guest = self.keeping()
        before = guest.debugfs()
        rows = self.batch(guest)
        after = guest.debugfs()
        counted = {name: value - before[name] for name, value in after.items()}
        # Debugfs has states and peaks among them, which are what they are.
        states = {name for name in after
                  if name.startswith(("max_", "pages_")) or not
                  os.stat(f"{guest.directory()}/{name}").st_mode & 0o222}
        self.assert_debugfs(rows, {name: after[name] if name in states else value
                                   for name, value in counted.items()})
        self.assertEqual((IO, HALTS), (rows["io_exits"], rows["halt_exits"]))
        self.assertEqual({"halt_poll_success_hist", "halt_poll_fail_hist", "halt_wait_hist"},
                         set(rows) - set(after))

    def test_values_with_the_past(self):
        guest = self.keeping()
        guest.do()
        result = kvmtest.kvm_stat("-1", "-i", *STATS, "-p", str(guest.pid))
        self.assertEqual(("", 0), (result.stderr, result.returncode))
        rows = {name: row[0] for name, row in kvmtest.batch_rows(result.stdout).items()}
        self.assert_debugfs(rows, guest.debugfs())
        self.assertEqual((IO, HALTS), (rows["io_exits"], rows["halt_exits"]))

    def test_vcpus_that_come_later(self):
        """Told by the number of threads, as this kernel does not tell that of descriptors."""
        guest = self.guest("--vcpus", "2", "--late", "--rate", "100")
        process = self.launch(kvmtest.KVM_STAT, "-l", "-c", "-s", "0.3", *STATS, "-p",
                              str(guest.pid))
        kvmtest.until_asleep(process)
        guest.do()
        job.until(lambda: copies(process) == 3, "it has copies")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual(("", 0), (err, process.returncode))
        # The header is written again when the fields of vCPUs are known.
        header, sums = [], {}
        for line in csv.reader(io.StringIO(out)):
            if line[0] == "timestamp":
                header = line
                continue
            for name, value in zip(header[1:], line[1:]):
                sums[name] = sums.get(name, 0) + int(value or 0)
        self.assertEqual((IO, HALTS), (sums["io_exits"], sums["halt_exits"]))

    def test_teardown_is_not_delayed(self):
        def end(watched):
            guest = self.keeping()
            path = guest.directory()
            process = None
            if watched:
                process = self.launch(kvmtest.KVM_STAT, "-l", "-s", "25", *STATS, "-p",
                                      str(guest.pid))
                job.until(lambda: copies(process) == 3, "it has copies")
                kvmtest.until_asleep(process)
            guest.process.kill()
            guest.process.wait()
            begin = time.monotonic()
            while os.path.exists(path) and time.monotonic() < begin + 10:
                time.sleep(0.002)
            return time.monotonic() - begin
        # Not the longest: this machine itself stands still for as long now and then.
        bare, watched = (sorted(end(watched) for _ in range(5)) for watched in (False, True))
        print("the end of a VM:", *(f"{seconds * 1000:.0f} ms" for seconds in bare), "watched:",
              *(f"{seconds * 1000:.0f} ms" for seconds in watched))
        self.assertLess(watched[2], bare[2] + LIMIT)

    @staticmethod
    def set_scope(scope):
        with open("/proc/sys/kernel/yama/ptrace_scope", "w", encoding="ascii") as f:
            f.write(scope)

    def test_yama_forbids_everything(self):
        """The last one: there is no way back from 3."""
        guest = self.keeping()
        for scope in ("1", "2"):  # root may all the same
            self.set_scope(scope)
            self.assertEqual("", kvmtest.kvm_stat("-1", *STATS).stderr)
        self.set_scope("3")
        result = kvmtest.kvm_stat("-1", *STATS)
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertIn("kernel.yama.ptrace_scope is 3", result.stderr)
        self.assertIn(f"(pid {guest.pid})", result.stderr)


def uninstall():
    job.remove(kvmtest.KVM_STAT)


def one_more():
    global more  # pylint: disable=global-statement
    more = 1


def keep_none():
    keeps.clear()


VALUES = ["test_values_are_those_of_debugfs", "test_values_with_the_past"]

if __name__ == "__main__":
    job.main({"uninstall": job.Control(uninstall, job.ALL),
              "one-more": job.Control(one_more, VALUES),
              "keep-none": job.Control(keep_none, job.ALL)})
