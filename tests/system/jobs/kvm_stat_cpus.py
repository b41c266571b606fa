#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat counts on a CPU that was taken away and came back. This machine has two: the guest is a
toy of a few instructions, which the nested virtualisation of QEMU's TCG stands beside another CPU.
"""
import csv
import io
import os
import re
import shutil
import signal
import time

import job

os.environ["BIN_DIR"] = "/usr/bin"
import kvmtest  # noqa: E402

ONLINE = "/sys/devices/system/cpu/cpu1/online"


class Cpus(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        job.load_kvm()
        os.symlink(os.path.abspath("kvm-sample-guest"), kvmtest.SAMPLE_GUEST)

    @staticmethod
    def pin(guest, cpu):
        for thread in os.listdir(f"/proc/{guest.pid}/task"):
            os.sched_setaffinity(int(thread), {cpu})

    def test_cpu_that_comes_back(self):
        self.assertEqual("1\n", job.read(ONLINE))
        with kvmtest.SampleGuest("--io", "1000", "--cpuid", "0", "--halts", "0", "--forever",
                                 "--rate", "100", "--linger", "60") as guest:
            self.pin(guest, 0)
            process = self.launch(kvmtest.KVM_STAT, "-l", "-c", "-s", "0.5", "-t", "-f",
                                  "kvm_(pio|exit)")
            kvmtest.until_asleep(process)
            guest.go()
            time.sleep(1)
            job.write(ONLINE, "0")
            time.sleep(1)
            job.write(ONLINE, "1")
            time.sleep(2)
            # From here on only the CPU that was away counts.
            self.pin(guest, 1)
            time.sleep(2)
            guest.process.terminate()
            count = int(re.match(r"io=(\d+) ", guest.result())[1])
            time.sleep(1.2)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        self.assertEqual(("", 0), (err, process.returncode))
        self.assertGreater(count, 300)
        records = list(csv.DictReader(io.StringIO(out)))
        for name in ("kvm_pio", "kvm_exit(IOIO)"):
            self.assertEqual(count, sum(int(record[name]) for record in records), name)


def upstream():
    """The kernel's own program, which does not look for CPUs again."""
    shutil.copy("upstream-kvm_stat", kvmtest.KVM_STAT)
    os.chmod(kvmtest.KVM_STAT, 0o755)


if __name__ == "__main__":
    job.main({"upstream": job.Control(upstream, job.ALL)})
