#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""units_test.py WORK dnf|zypper: the scriptlets of macros.qemu-kvm in transactions of dnf
and zypper, which run them in ways of their own: zypper has one rpm for each package, and runs
%posttrans itself. systemctl here only writes down what it is asked; what systemd makes of it is
tested on the booted machine.
"""
import os
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
WORK, TOOL = os.path.abspath(sys.argv[1]), sys.argv[2]
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import install_root  # noqa: E402
import unit_hosts  # noqa: E402

COMMAND = {"dnf": install_root.dnf, "zypper": install_root.zypper}[TOOL]


class Units(unittest.TestCase):
    flavour = "ours"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(dir=DIRECTORY)
        self.addCleanup(directory.cleanup)
        self.root = unit_hosts.UnitHost(WORK, directory.name, COMMAND, self.flavour)

    def do(self, version, action, *names):
        """What systemctl was asked to change by this transaction."""
        self.root.use_version(version)
        calls = self.root.changes(action, *names)
        self.assertEqual([], self.root.marks())
        return calls

    def test_one_restart(self):
        self.do(1, "install", "demo", "demo-config")
        self.assertEqual(["demo.service", "demo.socket"], self.root.enabled())
        calls = [call.split() for call in self.do(2, "upgrade")]
        self.assertEqual(1, calls.count(["daemon-reload"]))
        restarts = [call for call in calls if call[0] == "try-restart" and "demo.service" in call]
        self.assertEqual(1, len(restarts), calls)
        self.assertLess(calls.index(["daemon-reload"]), calls.index(restarts[0]))

    def test_one_reload(self):
        """Of the reload class, for the daemon's package and that of its configuration."""
        self.do(1, "install", "logd", "logd-config")
        calls = self.do(2, "upgrade")
        self.assertEqual(["daemon-reload", "reload logd.service"], calls)
        self.assertEqual({"logd", "logd-config"}, self.root.installed())

    def test_reload_for_configuration_alone(self):
        self.do(1, "install", "logd", "logd-config")
        self.assertEqual(["daemon-reload", "reload logd.service"],
                         self.do(2, "upgrade", "logd-config"))

    def test_unit_that_an_update_brings(self):
        self.do(1, "install", "demo")
        self.root.enable("demo.service", False)
        self.do(2, "upgrade")
        self.assertEqual(["demo.socket", "extra.service"], self.root.enabled())

    def test_unit_that_moves(self):
        self.do(1, "install", "split")
        self.root.enable("proxy.service", False)
        calls = self.do(2, "install", "split-2" if TOOL == "dnf" else "split", "split-proxy")
        self.assertEqual({"split", "split-proxy"}, self.root.installed())
        self.assertEqual(["main.service", "proxy-tls.service"], self.root.enabled())
        self.assertFalse([call for call in calls if call.split()[0] in ("stop", "start")])

    def test_renamed_package(self):
        self.do(1, "install", "old")
        self.root.enable("renamed.service", False)
        calls = self.do(2, "upgrade")
        self.assertEqual({"new"}, self.root.installed())
        self.assertEqual(["renamed-tls.service"], self.root.enabled())
        self.assertFalse([call for call in calls if "disable" in call or "preset" in call])

    def test_renamed_package_of_another_making(self):
        self.do(1, "install", "foreign")
        self.root.enable("foreign.service", False)
        calls = self.do(2, "upgrade")
        self.assertEqual({"native"}, self.root.installed())
        self.assertEqual(["foreign-tls.service"], self.root.enabled())
        # Both ran, and one was enabled.
        self.assertEqual(["start foreign.service foreign-tls.service"],
                         [call for call in calls if call.startswith("start")])

    def test_unit_that_nobody_takes_over(self):
        self.do(1, "install", "fewer")
        self.assertIn("stop dropped.service",
                      [call.replace("--quiet ", "") for call in self.do(2, "upgrade")])
        self.assertEqual(["fewer.service"], self.root.enabled())

    def test_removal(self):
        self.do(2, "install", "demo", "boot")
        self.do(2, "remove", "demo", "boot")
        self.assertEqual([], self.root.enabled())


class Mutants(unittest.TestCase):
    """With systemd's macros each of them fails."""


def add_mutant(name):
    class Mutant(Units):
        flavour = "systemd"

    def fails(self):
        result = unittest.TestResult()
        Mutant(name).run(result)
        self.assertEqual(1, len(result.failures + result.errors))

    setattr(Mutants, name, fails)


if __name__ == "__main__":
    install_root.need_root()
    if not shutil.which(TOOL):
        print(f"SKIP: no-{TOOL}: this distribution has another")
        sys.exit(77)
    for test in unittest.defaultTestLoader.getTestCaseNames(Units):
        if test != "test_removal":
            add_mutant(test)
    with tempfile.TemporaryDirectory(prefix="units-") as DIRECTORY:
        install_root.use_own_settings(DIRECTORY)
        unittest.main(argv=sys.argv[:1])
