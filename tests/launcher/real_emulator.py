# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed QEMU through the launcher: firmware that boots on real KVM, and what QEMU says."""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.environ["SOURCE_DIR"], "tests", "lib"))
from kvmtest import need_kvm  # noqa: E402

LAUNCHER = os.path.join(os.environ["BIN_DIR"], "qemu-kvm")
# SVM of a nested host would need what not every KVM has; the in-kernel PIT and PIC likewise.
MACHINE = ["-machine", "pc,kernel-irqchip=split", "-cpu", "qemu64,-svm", "-m", "64", "-nodefaults",
           "-display", "none"]


class Emulator:
    """QEMU behind the launcher, with QMP on its standard streams and its firmware's log."""

    def __init__(self, arguments, policy=None):
        self.log = tempfile.NamedTemporaryFile(prefix="seabios-")
        environment = dict(os.environ)
        environment.pop("QEMU_KVM_ACCEL", None)
        if policy:
            environment["QEMU_KVM_ACCEL"] = policy
        self.process = subprocess.Popen(
            [LAUNCHER] + arguments + [
                "-qmp", "stdio", "-chardev", f"file,id=log,path={self.log.name}",
                "-device", "isa-debugcon,iobase=0x402,chardev=log"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment)
        self.read("QMP")
        self.execute("qmp_capabilities")

    def read(self, key):
        for line in self.process.stdout:
            message = json.loads(line)
            if key in message or "error" in message:
                return message[key]
        raise AssertionError("QEMU ended: " + self.process.stderr.read())

    def execute(self, command, **arguments):
        self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        return self.read("return")

    def wait_for_firmware(self, text, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with open(self.log.name, encoding="latin-1") as log:
                if text in log.read():
                    return True
            time.sleep(0.05)
        return False

    def quit(self):
        self.execute("quit")
        _, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stderr

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.log.close()


class RealEmulator(unittest.TestCase):
    def start(self, arguments, policy=None):
        emulator = Emulator(arguments, policy)
        self.addCleanup(emulator.close)
        return emulator

    def test_firmware_boots_on_kvm(self):
        emulator = self.start(MACHINE)
        self.assertEqual(emulator.execute("query-kvm"), {"enabled": True, "present": True})
        self.assertEqual(emulator.execute("human-monitor-command", **{"command-line": "info kvm"}),
                         "kvm support: enabled\r\n")
        # The firmware ran to its end: it found nothing to boot from.
        self.assertTrue(emulator.wait_for_firmware("No bootable device."))
        with open(emulator.log.name, encoding="latin-1") as log:
            self.assertIn("Running on KVM", log.read())
        # The process is the one that was started as the launcher, and has a VM of KVM's.
        links = [os.readlink(f"/proc/{emulator.process.pid}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{emulator.process.pid}/fd")]
        self.assertIn("anon_inode:kvm-vm", links)
        self.assertEqual(links.count("/dev/kvm"), 1)
        self.assertTrue(os.readlink(f"/proc/{emulator.process.pid}/exe").split("/")[-1]
                        .startswith("qemu-system-"))
        status, stderr = emulator.quit()
        self.assertEqual(status, 0)
        self.assertNotIn("qemu-kvm:", stderr)

    def test_help_that_is_taken_back(self):
        """QEMU looks at the last of these only, and runs a guest."""
        emulator = self.start(["-cpu", "help", "-d", "help", "-vga", "help", *MACHINE,
                               "-d", "guest_errors", "-D", "/dev/null", "-vga", "none"])
        self.assertEqual(emulator.execute("query-kvm"), {"enabled": True, "present": True})
        self.assertEqual(emulator.quit()[0], 0)

    def test_choice_of_tcg(self):
        emulator = self.start(["-accel", "tcg"] + [a.replace(",kernel-irqchip=split", "")
                                                    for a in MACHINE])
        self.assertEqual(emulator.execute("query-kvm"), {"enabled": False, "present": True})
        self.assertEqual(emulator.quit()[0], 0)

    def test_policy_off_is_qemus_own(self):
        emulator = self.start([a.replace(",kernel-irqchip=split", "") for a in MACHINE], "off")
        self.assertEqual(emulator.execute("query-kvm"), {"enabled": False, "present": True})
        self.assertEqual(emulator.quit()[0], 0)

    def test_old_options_work(self):
        emulator = self.start(["-machine", "pc", "-cpu", "qemu64,-svm", "-nodefaults", "-display",
                               "none", "-S", "-no-kvm-irqchip", "-rtc-td-hack"])
        self.assertTrue(emulator.execute("query-kvm")["enabled"])
        status, stderr = emulator.quit()
        self.assertEqual(status, 0)
        self.assertEqual([line for line in stderr.splitlines() if line.startswith("qemu-kvm:")], [
            f'qemu-kvm: warning: "{old}" is an option of the old qemu-kvm; QEMU gets "{new}"'
            for old, new in (("-no-kvm-irqchip", "-machine kernel-irqchip=off"),
                             ("-rtc-td-hack", "-rtc driftfix=slew"))])

    def test_qemus_errors_are_its_own(self):
        result = subprocess.run([LAUNCHER, "-no-such-option"], capture_output=True, text=True,
                                check=False, timeout=60)
        direct = subprocess.run(["qemu-system-x86_64", "-no-such-option"], capture_output=True,
                                text=True, check=False, timeout=60)
        self.assertEqual(result.returncode, direct.returncode)
        self.assertIn("invalid option", result.stderr)

    def test_information(self):
        for option in ("-version", "--version", "-help", "-h"):
            through = subprocess.run([LAUNCHER, option], capture_output=True, check=True, timeout=60)
            direct = subprocess.run(["qemu-system-x86_64", option], capture_output=True, check=True,
                                    timeout=60)
            # The help names the program as it was started: by its whole path, or by its name.
            self.assertEqual(through.stdout.replace(b"/usr/bin/", b""), direct.stdout)


if __name__ == "__main__":
    need_kvm()
    unittest.main(verbosity=2)
