#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""aborts_test.py WORK rpm|dnf|zypper: transactions that are killed, with all that they have
started, as by a loss of power, and repeated. What is enabled is then as if nothing had happened,
and what runs is restarted once.

rpm is killed at the ends of all scriptlets and in the middle of those that do the work, dnf and
zypper where the database of rpm makes them repeat in ways of their own. As in units_test.py
systemctl only writes down what it is asked. On the booted machine, where systemd has its say:
tests/system/jobs/unit_scriptlets.py.
"""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
WORK, TOOL = os.path.abspath(sys.argv[1]), sys.argv[2]
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import install_root  # noqa: E402
import unit_hosts  # noqa: E402

SECONDS_MAX = 60

# In the order of the transaction. That the database has: the old version, both, the new one.
OLD = ["victim-2 %pre begin", "systemctl is-active victim-off.service", "victim-2 %pre end"]
BOTH = ["victim-2 %post begin", "victim-1 %preun begin", "victim-1 %preun end",
        "victim-1 %postun begin", "victim-1 %postun end"]
NEW = ["victim-2 %posttrans begin", "systemctl is-enabled late.service",
       "systemctl --no-reload preset late.service", "systemctl daemon-reload",
       "systemctl try-restart victim.service victim-off.service late.service",
       "victim-2 %posttrans end"]
INSTALLATION = ["victim-1 %pre begin", "victim-1 %pre end", "victim-1 %post begin",
                "victim-1 %posttrans begin", "systemctl is-enabled victim-off.service",
                "systemctl --no-reload preset victim-off.service", "victim-1 %posttrans end"]
RENAMING = ["new-2 %pre end", "new-2 %post begin", "old-1 %preun begin", "old-1 %preun end",
            "old-1 %postun end", "new-2 %posttrans begin"]
if TOOL != "rpm":
    OLD, BOTH, NEW = OLD[-1:], BOTH[1:4:2], NEW[:1]
    INSTALLATION, RENAMING = INSTALLATION[2:4], RENAMING[3:]


def rpm(action, names, _weak, root, settings):
    """As the others of install_root, without a resolver."""
    if action == "remove":
        return ["rpm", "--root", root, "-e", "--allmatches", *names]
    repository, = (path[:-len(".repo")] for path in os.listdir(settings))
    files = [path for name in names
             for path in glob.glob(f"{WORK}/repositories/{repository}/{name}-[12]-*.rpm")]
    return ["rpm", "--root", root, "-U", "--replacepkgs", *files]


RENAME = ("install", "new") if TOOL == "rpm" else ("upgrade",)
COMMAND = {"rpm": rpm, "dnf": install_root.dnf, "zypper": install_root.zypper}[TOOL]


class Aborts(unittest.TestCase):
    flavour = "ours"

    def new_host(self):
        directory = tempfile.TemporaryDirectory(dir=DIRECTORY)
        self.addCleanup(directory.cleanup)
        return unit_hosts.UnitHost(WORK, directory.name, COMMAND, self.flavour)

    def points(self, points):
        """With other macros than ours systemctl is asked something else."""
        return [point for point in points if self.flavour == "ours" or "%" in point]

    def kill(self, host, point, action, *names):
        host.append("/run/stop", point + "\n")
        with subprocess.Popen(COMMAND(action, names, True, host.path, host.settings),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, start_new_session=True) as process:
            end = time.monotonic() + SECONDS_MAX
            while not os.path.exists(host.at("/run/stopped")) and process.poll() is None and \
                    time.monotonic() < end:
                time.sleep(0.01)
            with contextlib.suppress(ProcessLookupError):  # it has ended before
                os.killpg(process.pid, signal.SIGKILL)
            output = process.stdout.read().decode()
        if not os.path.exists(host.at("/run/stopped")):
            raise RuntimeError(f"{point} was not reached: {output}")
        for path in ("/run/stop", "/run/stopped"):
            host.remove(path)

    def repeat(self, host, *names):
        """What systemctl is asked to change. dnf and zypper do not update what is new already."""
        has_it = host.installed_versions(names[0])[-1:] == [f"{names[0]}-{host.version}"]
        return host.changes("reinstall" if has_it else "upgrade", *names)

    def check_end(self, host, name, enabled):
        self.assertEqual([f"{name}-{host.version}"], host.installed_versions(name))
        self.assertEqual(enabled, host.enabled())
        self.assertEqual([], host.stopped())
        self.assertEqual([], host.marks())

    def check_restarted(self, calls, unit):
        """Once, by a systemd that has read the unit."""
        calls = [call.split() for call in calls]
        restarts = [call for call in calls if call[0] == "try-restart" and unit in call]
        self.assertEqual(1, len(restarts), calls)
        self.assertIn(["daemon-reload"], calls[:calls.index(restarts[0])])

    def check_removal(self, host, *names):
        """Nothing protects the units."""
        host.do("remove", *names)
        self.assertEqual([], host.enabled())
        self.assertLessEqual({"victim.service", "victim-off.service"}, {*host.stopped()})

    def update(self, point):
        """Presets would have the first two the other way round."""
        host = self.new_host()
        host.use_version(1)
        host.do("install", "victim")
        host.enable("victim.service", False)
        host.enable("victim-off.service")
        host.use_version(2)
        self.kill(host, point, "upgrade", "victim")
        return host

    def test_update(self):
        for point in self.points(OLD + BOTH + NEW):
            with self.subTest(point):
                host = self.update(point)
                self.check_restarted(self.repeat(host, "victim"), "victim.service")
                self.check_end(host, "victim", ["late.service", "victim-off.service"])
                if TOOL == "rpm":
                    self.check_removal(host, "victim")

    def test_installation(self):
        """What the administrator has enabled meanwhile stays enabled."""
        for point in self.points(INSTALLATION):
            with self.subTest(point):
                host = self.new_host()
                host.use_version(1)
                self.kill(host, point, "install", "victim")
                is_there = os.path.exists(host.at("/usr/lib/systemd/system/victim.service"))
                if is_there:
                    host.enable("victim-off.service")
                host.changes("reinstall" if is_there else "install", "victim")
                self.check_end(host, "victim",
                               ["victim-off.service"] * is_there + ["victim.service"])

    def test_renaming(self):
        for point in RENAMING:
            with self.subTest(point):
                host = self.new_host()
                host.use_version(1)
                host.do("install", "old")
                host.enable("renamed.service", False)
                host.use_version(2)
                self.kill(host, point, *RENAME)
                is_there = host.installed_versions("new") != []
                calls = host.changes(*(("reinstall", "new") if is_there else RENAME))
                self.check_restarted(calls, "renamed-tls.service")
                self.assertEqual([], host.installed_versions("old"))
                self.check_end(host, "new", ["renamed-tls.service"])


class AbortsOfRpm(Aborts):
    """What needs no resolver."""

    def test_removal_instead(self):
        for point in self.points(OLD + BOTH + NEW):
            with self.subTest(point):
                host = self.update(point)
                self.check_removal(host, "victim")

    def test_second_abort(self):
        """What the first one left due is still due."""
        host = self.update("victim-2 %post begin")
        for point in self.points(["systemctl is-active victim-off.service",
                                  "victim-2 %posttrans begin"]):
            self.kill(host, point, "reinstall", "victim")
        self.repeat(host, "victim")
        self.check_end(host, "victim", ["late.service", "victim-off.service"])


class Mutants(unittest.TestCase):
    """With systemd's macros, or none, each of them fails at one point at least."""


def add_mutant(cases, name):
    class Mutant(cases):
        flavour = "none" if name == "test_removal_instead" else "systemd"

    def fails(self):
        result = unittest.TestResult()
        result.failfast = True
        Mutant(name).run(result)
        self.assertEqual((1, 0), (len(result.failures), len(result.errors)), result.errors)

    setattr(Mutants, name, fails)


if __name__ == "__main__":
    install_root.need_root()
    if not shutil.which(TOOL):
        print(f"SKIP: no-{TOOL}: this distribution has another")
        sys.exit(77)
    suite = unittest.TestSuite()
    case = AbortsOfRpm if TOOL == "rpm" else Aborts
    for test in unittest.defaultTestLoader.getTestCaseNames(case):
        add_mutant(case, test)
    for tests in (case, Mutants):
        suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(tests))
    with tempfile.TemporaryDirectory(prefix="aborts-") as DIRECTORY:
        install_root.use_own_settings(DIRECTORY)
        outcome = unittest.TextTestRunner().run(suite)
        sys.exit(0 if outcome.wasSuccessful() and outcome.testsRun else 1)
