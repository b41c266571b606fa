#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""units_test.py SOURCE WORK dnf|zypper: the scriptlets of macros.qemu-kvm in transactions of dnf
and zypper, which run them in ways of their own: zypper has one rpm for each package, and runs
%posttrans itself. systemctl here only writes down what it is asked; what systemd makes of it is
tested on the booted machine.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SOURCE, PACKAGES, TOOL = (os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3])
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), f"{SOURCE}/tests/system"]
import install_root  # noqa: E402
import unit_packages  # noqa: E402

COMMAND = {"dnf": install_root.dnf, "zypper": install_root.zypper}[TOOL]
LOG = "/var/log/systemctl"
SYSTEMCTL = f"""#!/bin/sh
echo "$*" >>{LOG}
while [ $# -gt 0 ]; do
	case $1 in
	--now) now=1 ;;
	-*) ;;
	*.*) units="$units $1" ;;
	*) action=$1 ;;
	esac
	shift
done
for unit in $units; do
	case $action in
	preset | enable) : >/etc/enabled/$unit ;;
	disable)
		rm -f /etc/enabled/$unit
		[ -z "$now" ] || : >/etc/stopped/$unit
		;;
	stop) : >/etc/stopped/$unit ;;
	start) rm -f /etc/stopped/$unit ;;
	is-enabled) if [ -e /etc/enabled/$unit ]; then echo enabled; else echo disabled; fi ;;
	is-active)
		[ ! -e /etc/stopped/$unit ] || exit 3
		echo active
		;;
	esac
done
"""


class Units(unittest.TestCase):
    flavour = "ours"

    def setUp(self):
        directory = tempfile.TemporaryDirectory(dir=WORK)
        self.addCleanup(directory.cleanup)
        self.root = install_root.InstallRoot(WORK, directory.name, COMMAND)
        for path in ("/etc/enabled", "/etc/stopped", "/run/systemd/system", "/proc/1", "/var/log"):
            os.makedirs(self.root.at(path), exist_ok=True)
        self.root.append("/usr/bin/systemctl", SYSTEMCTL)
        os.chmod(self.root.at("/usr/bin/systemctl"), 0o755)

    def do(self, version, action, *names):
        """What systemctl was asked to change by this transaction."""
        self.root.use(f"{self.flavour}-{version}")
        if os.path.exists(self.root.at(LOG)):
            os.unlink(self.root.at(LOG))
        self.root.do(action, *names)
        for path in ("rpm-state", "rpm-state-is-ours"):
            self.assertFalse(os.path.exists(self.root.at(f"/var/lib/{path}")), path)
        if not os.path.exists(self.root.at(LOG)):
            return []
        return [line for line in self.root.read(LOG).split("\n")[:-1] if "is-" not in line]

    def enabled(self):
        return sorted(os.listdir(self.root.at("/etc/enabled")))

    def test_one_restart(self):
        self.do(1, "install", "demo", "demo-config")
        self.assertEqual(["demo.service", "demo.socket"], self.enabled())
        calls = [call.split() for call in self.do(2, "upgrade")]
        self.assertEqual(1, calls.count(["daemon-reload"]))
        restarts = [call for call in calls if call[0] == "try-restart" and "demo.service" in call]
        self.assertEqual(1, len(restarts), calls)
        self.assertLess(calls.index(["daemon-reload"]), calls.index(restarts[0]))

    def test_unit_that_an_update_brings(self):
        self.do(1, "install", "demo")
        os.unlink(self.root.at("/etc/enabled/demo.service"))
        self.do(2, "upgrade")
        self.assertEqual(["demo.socket", "extra.service"], self.enabled())

    def test_unit_that_moves(self):
        self.do(1, "install", "split")
        os.unlink(self.root.at("/etc/enabled/proxy.service"))
        calls = self.do(2, "install", "split-2" if TOOL == "dnf" else "split", "split-proxy")
        self.assertEqual({"split", "split-proxy"}, self.root.installed())
        self.assertEqual(["main.service", "proxy-tls.service"], self.enabled())
        self.assertFalse([call for call in calls if call.split()[0] in ("stop", "start")])

    def test_renamed_package(self):
        self.do(1, "install", "old")
        os.unlink(self.root.at("/etc/enabled/renamed.service"))
        calls = self.do(2, "upgrade")
        self.assertEqual({"new"}, self.root.installed())
        self.assertEqual(["renamed-tls.service"], self.enabled())
        self.assertFalse([call for call in calls if "disable" in call or "preset" in call])

    def test_renamed_package_of_another_making(self):
        self.do(1, "install", "foreign")
        os.unlink(self.root.at("/etc/enabled/foreign.service"))
        calls = self.do(2, "upgrade")
        self.assertEqual({"native"}, self.root.installed())
        self.assertEqual(["foreign-tls.service"], self.enabled())
        # Both ran, and one was enabled.
        self.assertEqual(["start foreign.service foreign-tls.service"],
                         [call for call in calls if call.startswith("start")])

    def test_unit_that_nobody_takes_over(self):
        self.do(1, "install", "fewer")
        self.assertIn("stop dropped.service",
                      [call.replace("--quiet ", "") for call in self.do(2, "upgrade")])
        self.assertEqual(["fewer.service"], self.enabled())

    def test_removal(self):
        self.do(2, "install", "demo", "boot")
        self.do(2, "remove", "demo", "boot")
        self.assertEqual([], self.enabled())


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


def build():
    """Repositories FLAVOUR-VERSION, and the install root of the other tests."""
    os.makedirs(f"{WORK}/repositories")
    subprocess.run(["cp", "-a", f"{PACKAGES}/root", f"{WORK}/root"], check=True)
    unit_packages.build(f"{SOURCE}/packaging/rpm/macros.qemu-kvm", f"{WORK}/packages")
    for flavour in ("ours", "systemd"):
        for version in (1, 2):
            repository = f"{WORK}/repositories/{flavour}-{version}"
            os.makedirs(repository)
            for name in os.listdir(f"{WORK}/packages/{flavour}"):
                if name.endswith(f"-{version}-1.noarch.rpm"):
                    shutil.copy(f"{WORK}/packages/{flavour}/{name}", repository)
            subprocess.run(["createrepo_c", "-q", repository], check=True)


if __name__ == "__main__":
    install_root.need_root()
    if not shutil.which(TOOL):
        print(f"SKIP: no-{TOOL}: this distribution has another")
        sys.exit(77)
    for test in unittest.defaultTestLoader.getTestCaseNames(Units):
        if test != "test_removal":
            add_mutant(test)
    with tempfile.TemporaryDirectory(prefix="units-") as WORK:
        install_root.use_own_settings(WORK)
        build()
        unittest.main(argv=sys.argv[:1])
