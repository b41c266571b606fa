#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm-modprobe and the project's services on a host that was booted so that there is no KVM: it
names the cause, which is in $CAUSE here, and the boot is a good one.
"""
import os
import unittest

import job

CAUSE = os.environ["CAUSE"]
# The exit status, and that at boot.
STATUS, AT_BOOT = {"no-cpu-support": (3, 0), "module-blacklisted": (6, 6)}[CAUSE]
PROGRAM = "/usr/sbin/kvm-modprobe"
UNIT, KVM_STAT = "kvm-modprobe.service", "kvm_stat.service"


def before_boot():
    job.do("systemctl", "enable", UNIT, KVM_STAT, env={**os.environ, "SYSTEMD_OFFLINE": "1"})


def show(unit, *names):
    return set(job.do("systemctl", "show", "--property", ",".join(names), unit).split())


class Boot(unittest.TestCase):
    def assert_not_loaded(self):
        self.assertFalse(any(map(job.has_module, ("kvm_amd", "kvm_intel", "vhost_net"))))

    def test_cause(self):
        before = job.read("/proc/modules")
        result = job.run(PROGRAM)
        print(result.stderr)
        self.assertEqual((STATUS, ""), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, rf"\Akvm-modprobe: {CAUSE}: [^\n]*\n\Z")
        at_boot = job.run(PROGRAM, "--boot")
        said = result.stderr.replace("kvm-modprobe: ", "", 1)
        self.assertEqual((0, said, "") if AT_BOOT == 0 else (STATUS, "", result.stderr),
                         (at_boot.returncode, at_boot.stdout, at_boot.stderr))
        self.assertEqual(before, job.read("/proc/modules"))

    def test_good_boot(self):
        self.assertEqual("running\n", job.do("systemctl", "is-system-running"))
        self.assertEqual({"ActiveState=active", "SubState=exited", f"ExecMainStatus={AT_BOOT}"},
                         show(UNIT, "ActiveState", "SubState", "ExecMainStatus"))
        self.assertEqual({"ActiveState=active", "SubState=running", "NRestarts=0"},
                         show(KVM_STAT, "ActiveState", "SubState", "NRestarts"))
        self.assert_not_loaded()

    def test_root_cannot_help_it(self):
        """Else the cause would be of this test's making."""
        job.run("modprobe", "kvm_amd")
        self.assert_not_loaded()
        self.test_cause()


def modprobe():
    job.write(PROGRAM, "#!/bin/sh\nmodprobe -b kvm_amd && modprobe -b vhost_net\n", 0o755)


if __name__ == "__main__":
    job.main({"modprobe": job.Control(modprobe, job.ALL)}, before_boot)
