#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-kvm on a host that was booted so that there is no KVM: it names the cause, which
is in $CAUSE here.
"""
import os
import unittest

import job

CAUSE = os.environ["CAUSE"]
LAUNCHER = "/usr/bin/qemu-kvm"
ARGUMENTS = ["-nodefaults", "-display", "none", "-S", "-qmp", "stdio"]
QUIT = '{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n'


class Boot(unittest.TestCase):
    def test_root_cannot_help_it(self):
        """Else the cause would be of this test's making."""
        job.run("modprobe", "kvm_amd")
        self.assertFalse(job.has_module("kvm_amd"))
        self.test_cause()

    def test_cause(self):
        result = job.run(LAUNCHER, *ARGUMENTS, input=QUIT)
        print(result.stderr)
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, rf"\Aqemu-kvm: KVM is not usable: {CAUSE}: [^\n]*\n\Z")

    def test_preference(self):
        result = job.run(LAUNCHER, *ARGUMENTS, input=QUIT,
                         env={**os.environ, "QEMU_KVM_ACCEL": "prefer"})
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertRegex(result.stderr,
                         rf"\Aqemu-kvm: warning: KVM is not usable: {CAUSE}: [^\n]*\n\Z")


def plain_emulator():
    job.write(LAUNCHER, '#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 "$@"\n', 0o755)


if __name__ == "__main__":
    job.main({"plain-emulator": job.Control(plain_emulator, job.ALL)})
