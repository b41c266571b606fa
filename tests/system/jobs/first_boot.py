#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The first boot of an image into which the rpms were installed while neither systemd ran nor
systemctl was there: systemd itself then applies the presets, and starts what they enable.
"""
import os
import unittest

import job

LOADER, LOGGER = "kvm-modprobe.service", "kvm_stat.service"
PRESET = "/etc/systemd/system-preset/00-job.preset"
MACHINE_ID = "/etc/machine-id"
FOUND = "/var/tmp/found-before-boot"


def links():
    return job.do("find", "/etc/systemd/system", "-name", "kvm*")


def before_boot():
    job.write(PRESET, f"enable {LOADER}\ndisable *\n")
    # What image builders leave, so that each machine gets an identity of its own.
    job.write(MACHINE_ID, "uninitialized\n")
    hidden = os.path.realpath("/bin/systemctl")
    os.rename(hidden, hidden + "-hidden")
    assert job.run("sh", "-c", "command -v systemctl").returncode != 0
    # rpm marks as many descriptors as there may be, for each scriptlet.
    result = job.run("sh", "-c", "ulimit -n 1024 && rpm --dbpath /var/lib/rpm -U --nodeps "
                     "ours/qemu-kvm*.rpm ours/kvm_stat*.rpm")
    os.rename(hidden + "-hidden", hidden)
    marks = job.run("find", "/var/lib/rpm-state").stdout
    job.write(FOUND, f"{result.returncode} {result.stderr.count('scriptlet')}\n{links()}{marks}")


def state(unit):
    return (job.run("systemctl", "is-enabled", unit).stdout.strip(),
            job.do("systemctl", "show", "--value", "-p", "ActiveState", unit).strip())


class FirstBoot(unittest.TestCase):
    def test_presets(self):
        self.assertEqual("0 0\n", job.read(FOUND), "the installation failed or left something")
        self.assertRegex(job.read(MACHINE_ID), r"\A[0-9a-f]{32}\n\Z")
        self.assertEqual(("enabled", "active"), state(LOADER))
        self.assertEqual(("disabled", "inactive"), state(LOGGER))


def second_boot():
    job.write(MACHINE_ID, "0123456789abcdef0123456789abcdef\n")


if __name__ == "__main__":
    job.main({"second-boot": job.Control(second_boot, job.ALL)}, before_boot)
