#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The sample guest itself: what the other tests count on."""
import glob
import os
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402


class SampleGuest(kvmtest.TestCase):
    def run_guest(self, *args, stdin="", status=0):
        process = self.launch(kvmtest.SAMPLE_GUEST, *args, stdin=-1)
        out, _ = process.communicate(stdin, timeout=20)
        self.assertEqual(status, process.returncode, args)
        return out

    def test_exact_numbers_of_exits(self):
        for args in ([], ["--vcpus", "2"], ["--vcpus", "8"], ["--helper-thread"],
                     ["-name", "foo", "--name=bar"], ["--rate", "1000"]):
            self.assertEqual("io=101 cpuid=11 halts=3\n", self.run_guest(
                "--io", "101", "--cpuid", "11", "--halts", "3", *args))
        self.assertEqual("io=0 cpuid=0 halts=0\n",
                         self.run_guest("--io", "0", "--cpuid", "0", "--halts", "0"))

    def test_it_waits_for_a_line(self):
        for options in (["--wait"], ["--wait", "--late"]):
            self.assertEqual("ready\nio=1 cpuid=1 halts=1\n", self.run_guest(
                "--io", "1", "--cpuid", "1", "--halts", "1", *options, stdin="\n"))

    def test_it_runs_until_a_signal(self):
        begin = time.monotonic()
        process = self.launch(kvmtest.SAMPLE_GUEST, "--forever", "--rate", "100")
        time.sleep(1)
        process.terminate()
        out, err = process.communicate(timeout=20)
        most = 100 * (time.monotonic() - begin) + 10
        self.assertEqual(("", 0), (err, process.returncode))
        self.assertTrue(20 <= int(re.fullmatch(r"io=(\d+) .*\n", out)[1]) <= most, out)

    def links(self, process):
        return sorted(kvmtest.open_files(process.pid))

    def test_it_keeps_descriptors_of_statistics(self):
        for options, kept in (([], []), (["--stats"], ["anon_inode:kvm-vcpu-stats:0",
                                                       "anon_inode:kvm-vcpu-stats:1",
                                                       "anon_inode:kvm-vm-stats"])):
            with kvmtest.SampleGuest(*options, "--vcpus", "2", "--linger", "60") as guest:
                guest.go()
                guest.result()
                links = self.links(guest)
                self.assertEqual(kept, [link for link in links if "-stats" in link])
                self.assertIn("anon_inode:kvm-vm", links)

    def test_it_lives_without_its_vm(self):
        with kvmtest.SampleGuest("--stats", "--end-vm", "--linger", "60") as guest:
            guest.go()
            self.assertEqual("io=1000 cpuid=100 halts=10", guest.result())
            self.assertEqual([], [link for link in self.links(guest) if "kvm-v" in link])
            self.assertIsNone(guest.process.poll())

    def test_it_keeps_its_vcpus(self):
        for options, kept in (([], []), (["--keep-vcpus"], ["CPU 0/KVM\n", "CPU 1/KVM\n"])):
            guest = kvmtest.SampleGuest("--io", "1", "--cpuid", "1", "--halts", "1",
                                        "--vcpus", "2", "--linger", "60", *options)
            self.addCleanup(guest.__exit__)
            guest.go()
            self.assertEqual("io=1 cpuid=1 halts=1", guest.result())
            names = []
            for path in glob.glob(f"/proc/{guest.pid}/task/*/comm"):
                with open(path, encoding="ascii") as f:
                    names.append(f.read())
            # The kernel may have threads of its own there.
            self.assertEqual(kept, sorted(name for name in names if name.startswith("CPU ")))
            guest.process.terminate()
            self.assertEqual(0, guest.process.wait(20))

    def test_bad_options(self):
        for args in (["--vcpus", "0"], ["--vcpus", "9"], ["--io", "-1"], ["--io"], ["--nonsense"],
                     ["argument"]):
            self.assertEqual("", self.run_guest(*args, status=2))
        self.assertIn("Usage", self.run_guest("--help"))


if __name__ == "__main__":
    kvmtest.need_kvm()
    kvmtest.main()
