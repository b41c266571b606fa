# SPDX-License-Identifier: GPL-2.0-or-later
"""What CMake and systemd-sysusers make of the policy."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE_DIR = os.environ["SOURCE_DIR"]
NODES = ["kvm", "vhost-net", "vhost-vsock"]
STOCK = 'KERNEL=="kvm", GROUP="kvm", MODE="{}", OPTIONS+="static_node=kvm"\n'


class Rule(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="kvm-device-test-")
        self.addCleanup(shutil.rmtree, self.directory)

    def configure(self, *options):
        """The rule of a build with these options, or None and what CMake said."""
        build = os.path.join(self.directory, "build")
        shutil.rmtree(build, ignore_errors=True)
        result = subprocess.run(["cmake", "-S", SOURCE_DIR, "-B", build, "-G", "Ninja",
                                 "-DWITH_TESTS=OFF", "-DWITH_MAN=OFF", *options],
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            return None, result.stderr
        with open(os.path.join(build, "udev", "65-kvm.rules"), encoding="utf-8") as f:
            return f.read(), result.stdout

    def check(self, text, mode):
        rules = [line for line in text.splitlines() if line.startswith("KERNEL")]
        self.assertEqual(NODES, [re.match('KERNEL=="([^"]*)"', line)[1] for line in rules])
        for name, line in zip(NODES, rules):
            self.assertIn(f'OWNER="root", GROUP="kvm", MODE="{mode}", ', line)
            self.assertIn(f'OPTIONS+="static_node={name}"', line)
            # Everybody needs no ACL. static_node and the tag have to be in one rule.
            self.assertEqual(mode == "0660", 'TAG+="uaccess"' in line)
        for number, line in enumerate(text.splitlines(), 1):
            self.assertNotIn("@", line)
            if "KVM_DEVICE_RULE}" in line:
                self.assertTrue(line.endswith(f'ENV{{KVM_DEVICE_RULE}}="65-kvm.rules:{number}"'))
            if "sev" in line:
                self.assertTrue(line.startswith("#"))

    def test_modes(self):
        for mode in ("0660", "0666"):
            self.check(self.configure(f"-DKVM_DEVICE_MODE={mode}")[0], mode)
        text, said = self.configure("-DKVM_DEVICE_MODE=0777")
        self.assertIsNone(text)
        self.assertIn('is "0777", must be 0660 or 0666', said)

    def test_default_is_systemds(self):
        for mode in ("0660", "0666"):
            with open(os.path.join(self.directory, "50-udev-default.rules"), "w",
                      encoding="ascii") as f:
                f.write("# KERNEL==\"kvm\", MODE=\"0600\"\n" + STOCK.format(mode))
            self.check(self.configure("-DUDEV_RULES_DIR=" + self.directory)[0], mode)


class Sysusers(unittest.TestCase):
    # groups that there are, other lines for the group, the number that it gets
    CASES = {
        "free": ("", None, 36),
        "taken": ("tape:x:36:\n", None, None),
        "there already": ("kvm:x:108:\n", None, 108),
        "systemd's own line": ("", "g kvm - -\n", 36),
        "the same line": ("", "g kvm 36\n", 36),
    }

    def test_number(self):
        for name, (groups, other, number) in self.CASES.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as root:
                os.makedirs(root + "/etc")
                os.makedirs(root + "/usr/lib/sysusers.d")
                with open(root + "/etc/group", "w", encoding="ascii") as f:
                    f.write("root:x:0:\n" + groups)
                with open(root + "/etc/passwd", "w", encoding="ascii") as f:
                    f.write("root:x:0:0::/:/bin/sh\n")
                shutil.copy(SOURCE_DIR + "/udev/20-kvm.conf", root + "/usr/lib/sysusers.d")
                if other:
                    with open(root + "/usr/lib/sysusers.d/basic.conf", "w", encoding="ascii") as f:
                        f.write(other)
                subprocess.run(["systemd-sysusers", "--root=" + root], check=True,
                               capture_output=True)
                with open(root + "/etc/group", encoding="ascii") as f:
                    found = re.findall(r"^kvm:\w*:(\d+):", f.read(), re.M)
                self.assertEqual(1, len(found))
                if number is not None:
                    self.assertEqual(str(number), found[0])
                else:
                    self.assertNotEqual("36", found[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
