#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat counts on a CPU that was taken away and came back.

This machine has two CPUs, beside which nested guests can lose an interrupt and hang. This job's
guest has none to lose: it never enables interrupts, has no interrupt controller and leaves for user
space after each few instructions. QEMU runs both CPUs in one thread, so that neither changes the
other's state amid an instruction.
"""
import os
import re
import shutil

import counting
import job
from counting import kvmtest

ONLINE = "/sys/devices/system/cpu/cpu1/online"


class Cpus(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        job.load_kvm()
        counting.install_guest()

    @staticmethod
    def pin(guest, cpu):
        for thread in os.listdir(f"/proc/{guest.pid}/task"):
            os.sched_setaffinity(int(thread), {cpu})

    @staticmethod
    def until_worked(guest, exits=100):
        before = counting.counters(guest)["io_exits"]
        job.until(lambda: counting.counters(guest)["io_exits"] >= before + exits,
                  f"the guest makes {exits} exits")

    def work_on_the_other(self, guest, log):
        """From here on only the CPU that was away counts. Returns how many exits the guest has made
        altogether, when all of them are logged.
        """
        self.pin(guest, 1)
        self.until_worked(guest)
        guest.process.terminate()
        count = int(re.match(r"io=(\d+) ", guest.result())[1])
        log.until_sampled()
        log.end()
        return count

    def assert_counted(self, *options):
        """All that a guest does is counted while a CPU is away and when it is back."""
        self.assertEqual("1\n", job.read(ONLINE))
        with kvmtest.SampleGuest("--io", "1000", "--cpuid", "0", "--halts", "0", "--forever",
                                 "--rate", "100", "--linger", "60") as guest:
            self.pin(guest, 0)
            log = counting.Log(self, f"{self.directory}/log", "-s", "0.5", "-t", "-f",
                               "kvm_(pio|exit)", *options)
            log.until_asleep()
            guest.go()
            self.until_worked(guest)
            # Each state is there for a sample.
            for state in ("0", "1"):
                job.write(ONLINE, state)
                log.until_sampled()
            count = self.work_on_the_other(guest, log)
        for name in ("kvm_pio", "kvm_exit(IOIO)"):
            self.assertEqual(count, log.sums()[name], name)

    def test_lone_counter_via_perf(self):
        """A CPU that goes and comes back between two samples takes a group of counters apart, and
        one that counts no more looks like one of a CPU that rests.
        """
        with kvmtest.SampleGuest("--io", "1000", "--cpuid", "0", "--halts", "0", "--forever",
                                 "--rate", "100", "--linger", "60") as guest:
            self.pin(guest, 0)
            log = counting.Json(self, f"{self.directory}/log", "-s", "4", "-t", "-f", "kvm_pio$",
                                "--via", "perf")
            log.until_asleep()
            guest.go()
            log.until_sampled()
            self.assertFalse(any(record["partial"] for record in log.records()))
            for _ in range(5):
                samples = log.samples()
                for state in ("0", "1"):
                    job.write(ONLINE, state)
                between = log.samples() == samples
                log.until_sampled()
                if between:
                    break
            self.assertTrue(between)
            # Meanwhile it was not counted on: that is said, and over now.
            self.assertTrue(any(record["partial"] for record in log.records()))
            count = self.work_on_the_other(guest, log)
        self.assertEqual(count, sum(row["delta"] for record in log.records()
                                    for row in record["rows"]))
        self.assertFalse(log.records()[-1]["partial"])

    def test_cpu_that_comes_back(self):
        self.assert_counted()

    def test_cpu_that_comes_back_via_perf(self):
        self.assert_counted("--via", "perf")


def upstream():
    """The kernel's own program, which does not look for CPUs again."""
    shutil.copy("upstream-kvm_stat", kvmtest.KVM_STAT)
    os.chmod(kvmtest.KVM_STAT, 0o755)


if __name__ == "__main__":
    job.main({"upstream": job.Control(upstream, job.ALL)})
