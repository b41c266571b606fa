#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The project on a host that was booted so that there is no KVM: launcher and loader name the
cause, which is in $CAUSE here, and the boot is a good one.
"""
import json
import os
import unittest

import job

CAUSE = os.environ["CAUSE"]
# The exit status, and that at boot.
STATUS, AT_BOOT = {"no-cpu-support": (3, 0), "module-blacklisted": (6, 6)}[CAUSE]
LOADER = "/usr/sbin/kvm-modprobe"
LAUNCHER = ["/usr/bin/qemu-kvm", "-nodefaults", "-display", "none", "-S", "-qmp", "stdio"]
QUIT = '{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n'
UNIT, KVM_STAT = "kvm-modprobe.service", "kvm_stat.service"


def before_boot():
    job.do("systemctl", "enable", UNIT, KVM_STAT, env={**os.environ, "SYSTEMD_OFFLINE": "1"})


def show(unit, *names):
    return set(job.do("systemctl", "show", "--property", ",".join(names), unit).split())


class Boot(unittest.TestCase):
    def assert_not_loaded(self):
        self.assertFalse(any(map(job.has_module, ("kvm_amd", "kvm_intel", "vhost_net"))))

    def test_loader(self):
        before = job.read("/proc/modules")
        result = job.run(LOADER)
        print(result.stderr)
        self.assertEqual((STATUS, ""), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, rf"\Akvm-modprobe: {CAUSE}: [^\n]*\n\Z")
        at_boot = job.run(LOADER, "--boot")
        said = result.stderr.replace("kvm-modprobe: ", "", 1)
        self.assertEqual((0, said, "") if AT_BOOT == 0 else (STATUS, "", result.stderr),
                         (at_boot.returncode, at_boot.stdout, at_boot.stderr))
        self.assertEqual(before, job.read("/proc/modules"))

    def test_launcher(self):
        result = job.run(*LAUNCHER, input=QUIT)
        print(result.stderr)
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, rf"\Aqemu-kvm: KVM is not usable: {CAUSE}: [^\n]*\n\Z")

    def test_preference(self):
        result = job.run(*LAUNCHER, input=QUIT, env={**os.environ, "QEMU_KVM_ACCEL": "prefer"})
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertRegex(result.stderr,
                         rf"\Aqemu-kvm: warning: KVM is not usable: {CAUSE}: [^\n]*\n\Z")

    def test_check(self):
        checks = json.loads(job.run("kvm-check", "--json").stdout)["checks"]
        self.assertIn(CAUSE, [check.get("cause") for check in checks])

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
        self.test_loader()
        self.test_launcher()


def plain():
    job.write(LOADER, "#!/bin/sh\nmodprobe -b kvm_amd && modprobe -b vhost_net\n", 0o755)
    # A script: QEMU itself would turn KVM on when its name ends in "kvm".
    job.write(LAUNCHER[0], '#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 "$@"\n', 0o755)
    job.write("/usr/bin/kvm-check", "#!/bin/sh\n[ -e /dev/kvm ] && echo '{\"checks\": []}'\n",
              0o755)


if __name__ == "__main__":
    job.main({"plain": job.Control(plain, job.ALL)}, before_boot)
