#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Broken, vanishing and huge trees: a correct row or a clear message, never a crash or a hang."""
import os
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402
import mkfixture  # noqa: E402

GARBAGE = [b"", b"\n", b"abc\n", b"-5\n", b"12abc\n", b"1 2\n", b"0x10\n",
           b"18446744073709551616\n", b"\0\0\0\0", b"1\0", b"9" * 100, b"\xff" * 1000000,
           b"\n7\n", b"+3\n", b"1.5\n"]
FEW = ["exits", "io_exits", "pages_4k"]


class BadInput(kvmtest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.directory, "root")

    def run_tool(self, *args, timeout=30):
        result = kvmtest.kvm_stat("--sysroot", self.root, *args, timeout=timeout)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        self.assertLessEqual(len(result.stderr.splitlines()), 3, result.stderr)
        return result

    def start_batch(self, *args):
        """A batch that is stopped after its first sample."""
        return self.launch_frozen(kvmtest.KVM_STAT, "--sysroot", self.root, "-1", "-d", *args)

    def end_batch(self, process, status=0, messages=0):
        """Lets it go on. Returns its output."""
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=20)
        self.assertEqual(status, process.returncode, err)
        self.assertEqual(messages, len(err.splitlines()), err)
        return out

    def test_garbage_in_stat_files(self):
        mkfixture.make(self.root, 2, only=FEW)
        for garbage in GARBAGE:
            for where in ("", "1000-11"):
                mkfixture.put(self.root, mkfixture.path(mkfixture.DEBUGFS, where, "exits"), garbage)
                for select in ([], ["-p", "1000"]):
                    result = self.run_tool("-l", "-d", "-i", "-s", "0.1", "--count", "1", *select)
                    self.assertEqual(0, result.returncode, garbage)
                    names, values = result.stdout.splitlines()
                    values = dict(zip(names.split(), values.split()[2:]))
                    self.assertEqual("0", values["io_exits"], garbage)
                    self.assertIn(values.get("exits", "0"), ("0",), garbage)
                mkfixture.put_stat(self.root, where, "exits", 1)

    def test_garbage_during_the_run(self):
        mkfixture.make(self.root, 2)
        process = self.start_batch("-f", "(exits|io_exits)$")
        mkfixture.advance(self.root)
        for where in ("", "1000-11"):
            mkfixture.put(self.root, mkfixture.path(mkfixture.DEBUGFS, where, "exits"), b"junk")
        rows = kvmtest.batch_rows(self.end_batch(process, messages=1))
        expected = sum(mkfixture.increment("io_exits", n) for n in range(2))
        self.assertEqual((expected, expected), rows["io_exits"])
        self.assertGreaterEqual(rows.get("exits", (0, 0))[1], 0)

    def test_other_things_than_files(self):
        mkfixture.make(self.root, 1, only=FEW)
        kvm = os.path.join(self.root, mkfixture.DEBUGFS)
        os.mkdir(os.path.join(kvm, "directory"))
        for name in ("-", "12-", "-12", "12-x", "x-12", "00-00", "99999999999999999999-1", "1-2-3",
                     "vcpu0", "1000-11 ", "\n", "\x1b[31m-1"):
            os.mkdir(os.path.join(kvm, name))
        os.symlink("loop", os.path.join(kvm, "loop"))
        os.symlink("/etc/passwd", os.path.join(kvm, "link"))
        mkfixture.put(self.root, mkfixture.DEBUGFS + "/new\x1b[31m\nfield", "5\n")
        result = self.run_tool("-1", "-d")
        self.assertEqual(0, result.returncode)
        self.assertNotIn("\x1b", result.stdout + result.stderr)
        self.assertTrue(set(FEW) <= {line.split()[0] for line in result.stdout.splitlines()})
        result = self.run_tool("-l", "-c", "-d", "-s", "0.1", "--count", "1")
        self.assertNotIn("\x1b", result.stdout)

    def test_broken_proc(self):
        mkfixture.make(self.root, 3, only=FEW)
        shutil.rmtree(os.path.join(self.root, "proc", "1000"))
        mkfixture.put(self.root, "proc/1100/status", b"\xff\0junk")
        mkfixture.put(self.root, "proc/1200/cmdline", b"")
        for args in (["-1", "-d"], ["-l", "-d", "-s", "0.1", "--count", "1"]):
            self.assertEqual(0, self.run_tool(*args).returncode)
        self.run_tool("-1", "-d", "-g", "guest1")
        self.run_tool("-1", "-d", "-p", "1100")

    def test_files_vanish(self):
        mkfixture.make(self.root, 2)
        process = self.start_batch()
        for where in ("", "1000-11", "1100-11"):
            os.unlink(os.path.join(self.root, mkfixture.DEBUGFS, where, "exits"))
        mkfixture.remove_guest(self.root, "1000-11")
        rows = kvmtest.batch_rows(self.end_batch(process))
        self.assertIn("io_exits", rows)
        self.assertGreaterEqual(min(delta for name, (_, delta) in rows.items()
                                    if name not in mkfixture.STATES), 0)

    def test_kvm_is_unloaded(self):
        """Ends with one message, or (-l, -L) waits for it to come back (B20)."""
        mkfixture.make(self.root, 1, only=FEW)
        process = self.start_batch()
        shutil.rmtree(os.path.join(self.root, mkfixture.DEBUGFS))
        self.end_batch(process, 1, 1)

    def test_guest_comes_and_goes_under_one_name(self):
        mkfixture.make(self.root, 2)
        process = self.start_batch("-f", "exits$")
        mkfixture.remove_guest(self.root, "1100-11")
        mkfixture.add_guest(self.root, 1100, "guest2")
        mkfixture.update_sums(self.root)
        total, delta = kvmtest.batch_rows(self.end_batch(process))["exits"]
        self.assertGreaterEqual(delta, 0)
        self.assertLessEqual(total, mkfixture.first_value("exits", 1))

    def test_ten_thousand_guests(self):
        mkfixture.make(self.root, only=FEW)
        for number in range(10000):
            os.makedirs(os.path.join(self.root, mkfixture.DEBUGFS, f"{20000 + number}-11"))
        # One set of files, linked: what matters is that there are 40 000 names.
        first = mkfixture.add_guest(self.root, 5, "first", vcpus=0, only=FEW)
        mkfixture.put_process(self.root, 20000, [b"vmm", b"-name", b"one"], "vmm")
        for number in range(10000):
            if number:
                os.symlink("20000", os.path.join(self.root, f"proc/{20000 + number}"))
            for field in FEW:
                os.link(os.path.join(self.root, mkfixture.DEBUGFS, first, field),
                        os.path.join(self.root, mkfixture.DEBUGFS, f"{20000 + number}-11", field))
        for args in (["-1", "-d"], ["-1", "-d", "-g", "first"], ["-1", "-d", "-p", "5"],
                     ["-l", "-d", "-s", "0.5", "--count", "2"]):
            begin = time.monotonic()
            result = self.run_tool(*args, timeout=60)
            self.assertEqual((0, ""), (result.returncode, result.stderr))
            self.assertIn("exits", result.stdout)
            self.assertLess(time.monotonic() - begin, 20, args)

    def test_ten_thousand_fields(self):
        mkfixture.make(self.root, only=[f"field{n}" for n in range(10000)])
        result = self.run_tool("-1", "-d")
        self.assertEqual(10000, len(result.stdout.splitlines()))


if __name__ == "__main__":
    kvmtest.main()
