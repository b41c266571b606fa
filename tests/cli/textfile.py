#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat -o: a reader finds whole metrics at any time, nothing is left over, and what goes wrong is
said once.
"""
import os
import select
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402
import mkfixture  # noqa: E402

FIELDS = ["exits", "io_exits"]
LAST = 'kvm_io_exits_total{guest="guest2",pid="1100"} '


class TextfileCase(kvmtest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.directory, "root")
        self.metrics = os.path.join(self.directory, "metrics")
        self.file = os.path.join(self.metrics, "kvm.prom")
        os.mkdir(self.metrics)
        mkfixture.make(self.root, 2, only=FIELDS)

    def start(self, *args, file=None):
        return self.launch(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", "-s", "0.1", "--by",
                           "guest", "-o", file or self.file, *args)

    def read(self):
        with open(self.file, encoding="utf-8") as f:
            return f.read()

    def value(self, start):
        for line in self.read().splitlines():
            if line.startswith(start):
                return float(line[len(start):])
        return None

    def until_exists(self, process=None):
        kvmtest.until(lambda: os.path.exists(self.file), "the file is written")
        return process

    @staticmethod
    def message(process):
        """The next line that it says."""
        kvmtest.until(lambda: select.select([process.stderr], [], [], 0)[0], "a message")
        return process.stderr.readline()

    def end(self, process, errors=""):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        self.assertEqual((0, "", errors), (process.returncode, out, err))


class Textfile(TextfileCase):
    def test_values(self):
        process = self.until_exists(self.start())
        self.assertEqual(0, self.value(LAST), "the first sample is there at once")
        mkfixture.advance(self.root)
        kvmtest.until(lambda: self.value(LAST) == mkfixture.increment("io_exits", 1), "the step")
        self.assertEqual(0o100644, os.stat(self.file).st_mode)
        self.assertEqual(["kvm.prom"], os.listdir(self.metrics))
        self.end(process)
        self.assertEqual([], os.listdir(self.metrics), "what holds no more is removed")

    def test_umask(self):
        before = os.umask(0o077)
        try:
            process = self.until_exists(self.start())
        finally:
            os.umask(before)
        self.assertEqual(0o100644, os.stat(self.file).st_mode)
        self.end(process)

    def test_readers_see_whole_files(self):
        """Also those that read slowly while the file is replaced."""
        process = self.until_exists(self.start())
        end = time.monotonic() + 2
        seen = set()
        while time.monotonic() < end:
            with open(self.file, encoding="utf-8") as f:
                seen.add(os.fstat(f.fileno()).st_ino)
                text = f.read(100)
                time.sleep(0.01)
                text += f.read()
            self.assertTrue(text.startswith("# HELP kvm_stat_build_info "), text[:50])
            self.assertRegex(text, r'kvm_io_exits_total\{guest="guest2",pid="1100"\} \d+\n$')
        self.assertGreater(len(seen), 1, "the file was never replaced")
        self.end(process)

    def test_count(self):
        """As from cron: then the file stays."""
        process = self.start("--count", "2")
        self.assertEqual(("", ""), process.communicate(timeout=20))
        self.assertEqual(0, process.returncode)
        self.assertEqual(0, self.value(LAST))
        os.rename(self.metrics, self.metrics + ".away")
        process = self.start("--count", "2")
        out, err = process.communicate(timeout=20)
        self.assertEqual((1, "", 1), (process.returncode, out, len(err.splitlines())), err)

    def test_guests_come_and_go(self):
        process = self.until_exists(self.start())
        mkfixture.add_guest(self.root, 5000, "late", only=FIELDS)
        kvmtest.until(lambda: 'guest="late",pid="5000"' in self.read(), "the new guest")
        mkfixture.remove_guest(self.root, "1000-11")
        kvmtest.until(lambda: 'guest="guest1"' not in self.read(), "the guest is gone")
        kvmtest.until(lambda: self.value("kvm_stat_guests ") == 2, "two guests")
        self.end(process)

    def test_one_guest_that_ends(self):
        """The rows are all of it, and end with it."""
        process = self.until_exists(self.start("-p", "1100", "--by", "field"))
        self.assertEqual(0, self.value(LAST))
        self.assertNotIn("guest1", self.read())
        mkfixture.remove_guest(self.root, "1100-11")
        kvmtest.until(lambda: "pid=" not in self.read(), "the guest is gone")
        self.assertEqual(1, self.value("kvm_stat_guests "))
        self.assertIn("process 1100 has ended", self.message(process))
        self.end(process)

    def test_one_guest_that_is_back(self):
        """Series of another process, which begin at 0."""
        process = self.until_exists(self.start("-g", "guest2", "--by", "field"))
        begun = self.value("kvm_stat_start_time_seconds ")
        mkfixture.advance(self.root)
        kvmtest.until(lambda: self.value(LAST), "the step")
        mkfixture.remove_guest(self.root, "1100-11")
        kvmtest.until(lambda: "pid=" not in self.read(), "the guest is gone")
        self.assertIn("has ended", self.message(process))
        mkfixture.add_guest(self.root, 1700, "guest2", only=FIELDS)
        self.assertIn("is back as process 1700", self.message(process))
        back = LAST.replace("1100", "1700")
        kvmtest.until(lambda: self.value(back) is not None, "the guest is back")
        self.assertEqual(0, self.value(back))
        self.assertNotIn('"1100"', self.read())
        self.assertGreater(self.value("kvm_stat_start_time_seconds "), begun)
        mkfixture.advance(self.root)
        kvmtest.until(lambda: self.value(back), "the step")
        self.assertEqual(mkfixture.increment("io_exits", 1), self.value(back))
        self.end(process)

    def says(self, file, text):
        """One line, however many samples; the program goes on."""
        process = self.start(file=file)
        line = self.message(process)
        self.assertIn(text, line)
        self.assertTrue(line.startswith(f'kvm_stat: cannot write "{file}": '), line)
        before = self.waits(process)
        # Once for each sample: five that could say it again, and one that may be under way.
        kvmtest.until(lambda: process.poll() is not None or self.waits(process) >= before + 6,
                      "more samples")
        self.assertIsNone(process.poll())
        return process

    @staticmethod
    def waits(process):
        """How often it has waited."""
        with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f
                        if line.startswith("voluntary_ctxt_switches:"))

    def test_missing_directory(self):
        os.rmdir(self.metrics)
        process = self.says(self.file, "No such file or directory")
        os.mkdir(self.metrics)
        self.until_exists()
        self.assertGreater(self.value("kvm_stat_write_errors_total "), 1)
        self.end(process)

    def test_directory_that_goes_and_comes(self):
        process = self.until_exists(self.start())
        os.rename(self.metrics, self.metrics + ".away")
        self.assertIn("No such file", self.message(process))
        os.mkdir(self.metrics)
        self.until_exists()
        os.rename(self.metrics, self.metrics + ".2")
        self.assertIn("No such file", self.message(process), "it is said anew")
        os.mkdir(self.metrics)
        self.until_exists()
        self.end(process)

    def test_links_are_not_followed(self):
        secret = os.path.join(self.directory, "secret")
        with open(secret, "w", encoding="ascii") as f:
            f.write("secret")
        os.symlink(secret, self.file)
        process = self.says(self.file, "symbolic link")
        self.assertTrue(os.path.islink(self.file))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        self.assertIn("cannot remove", err)
        self.assertTrue(os.path.islink(self.file))
        with open(secret, encoding="ascii") as f:
            self.assertEqual("secret", f.read())

    def test_other_things_than_files(self):
        fifo = os.path.join(self.metrics, "fifo")
        os.mkfifo(fifo)
        for file, text in ((fifo, "no regular file"), ("/dev/null", "no regular file"),
                           (self.metrics, "no regular file"), (self.metrics + "/", "directory")):
            with self.subTest(file):
                process = self.says(file, text)
                process.kill()
                process.communicate()
        self.assertEqual(["fifo"], os.listdir(self.metrics))

    def test_killed_amid_a_write(self):
        """What it left is removed by the next one, which begins anew."""
        process = self.until_exists(self.start())
        process.kill()
        process.communicate()
        left = os.path.join(self.metrics, f".kvm.prom.{process.pid}.tmp")
        with open(left, "w", encoding="ascii") as f:
            f.write("half")
        process = self.start()
        kvmtest.until(lambda: not os.path.exists(left), "the rest is gone")
        self.end(process)

    def test_two_at_once(self):
        """Nobody should, but the file stays whole."""
        processes = [self.start() for _ in range(2)]
        self.until_exists()
        for _ in range(50):
            text = self.read()
            self.assertRegex(text, r'kvm_io_exits_total\{guest="guest2",pid="1100"\} \d+\n$')
            time.sleep(0.01)
        for process in processes:
            process.send_signal(signal.SIGTERM)
            self.assertEqual(("", ""), process.communicate(timeout=20))

    def test_kvm_comes_and_goes(self):
        kvm = os.path.join(self.root, "sys/kernel/debug/kvm")
        os.rename(kvm, kvm + ".away")
        with open(self.file, "w", encoding="ascii") as f:
            f.write("of a run before\n")
        process = self.start()
        self.assertIn("KVM is not loaded", self.message(process))
        self.assertFalse(os.path.exists(self.file))
        os.rename(kvm + ".away", kvm)
        self.until_exists()
        self.end(process)

    def test_what_cannot_be_removed_without_kvm(self):
        """Said once, not at each look for KVM."""
        kvm = os.path.join(self.root, "sys/kernel/debug/kvm")
        os.rename(kvm, kvm + ".away")
        os.symlink("nothing", self.file)
        process = self.start()
        kvmtest.until_asleep(process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        self.assertEqual([True, True], [text in line for text, line in zip(
            ("cannot remove", "KVM is not loaded"), err.splitlines(), strict=True)], err)

    def test_restart_begins_from_0(self):
        process = self.until_exists(self.start())
        begun = self.value("kvm_stat_start_time_seconds ")
        mkfixture.advance(self.root)
        kvmtest.until(lambda: self.value(LAST), "the step")
        self.end(process)
        process = self.until_exists(self.start())
        self.assertEqual(0, self.value(LAST))
        self.assertGreater(self.value("kvm_stat_start_time_seconds "), begun)
        self.end(process)


class Disk(TextfileCase):
    def test_full_and_read_only(self):
        kvmtest.mount("-t", "tmpfs", "-o", "size=16k", "tmpfs", self.metrics)
        self.addCleanup(subprocess.run, ["umount", "-l", self.metrics], check=True)
        process = self.until_exists(self.start())
        with open(os.path.join(self.metrics, "ballast"), "wb", buffering=0) as f:
            with self.assertRaises(OSError):
                while True:
                    f.write(b"x" * 4096)
        self.assertIn("No space left on device", self.message(process))
        old = self.read()
        time.sleep(0.3)
        self.assertEqual(old, self.read())
        self.assertIn(LAST, old)
        self.assertEqual(["ballast", "kvm.prom"], sorted(os.listdir(self.metrics)))
        os.unlink(os.path.join(self.metrics, "ballast"))
        kvmtest.until(lambda: self.value("kvm_stat_write_errors_total ") > 1, "it goes on")
        kvmtest.mount("-o", "remount,ro", self.metrics)
        self.assertIn("Read-only file system", self.message(process))
        old = self.read()
        time.sleep(0.3)
        self.assertEqual(old, self.read())
        kvmtest.mount("-o", "remount,rw", self.metrics)
        kvmtest.until(lambda: self.read() != old, "it goes on")
        self.end(process)
        self.assertEqual([], os.listdir(self.metrics))


if __name__ == "__main__":
    if "Disk" in sys.argv:
        kvmtest.need_root()
        kvmtest.enter_private_mounts()
    kvmtest.main()
