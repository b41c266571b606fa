#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What Debian's dpkg, debhelper and deb-systemd-helper make of units that move, are renamed, or are
restarted for several packages, as packaging/debian/README.source says; and debsums of our packages.

What is enabled is systemctl's own word. No systemd runs in these roots: what it would be told to do
is written down. With one:
system/jobs/debian_packages.py.
"""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import packages
import root

LOG = "/var/log/systemctl"
SECONDS_MAX = 60
SYSTEMCTL = f"""#!/bin/sh
units=''
for word; do
	case $word in
	-*) ;;
	*.*) units="$units $word" ;;
	*) action=$word ;;
	esac
done
if grep -qsxF "$action$units" /run/stop; then
	: >/run/stopped
	sleep {2 * SECONDS_MAX}
fi
case $action in
preset | enable | disable | mask | unmask | is-enabled) exec systemctl.real --root=/ "$@" ;;
is-active)
	[ -e "/run/active/${{units# }}" ]
	exit
	;;
esac
echo "$action$units" >>{LOG}
for unit in $units; do
	case $action in
	start | restart) : >/run/active/$unit ;;
	stop) rm -f /run/active/$unit ;;
	esac
done
"""
SERVICE = "[Service]\nExecStart=/bin/sleep {}\n[Install]\nWantedBy=multi-user.target\n"
REPLACES = "Breaks: {0} (<< 2)\nReplaces: {0} (<< 2)\n"

# In each version: the packages with more of their control, and their units with the options of
# dh_installsystemd.
OFF = ["--no-enable", "--no-start", "--restart-after-upgrade"]
TREES = {
    1: {
        "split": ("", {"main": [], "proxy": [], "proxy-tls": OFF}),
        "old": ("", {"renamed": []}),
        "daemon": ("", {"daemon": []}),
        "daemon-config": ("", {}),
        "logd": ("", {"logd": ["--no-start", "--no-stop-on-upgrade"]}),
    },
    2: {
        "split": ("", {"main": []}),
        "split-proxy": (REPLACES.format("split"), {"proxy": [], "proxy-tls": OFF}),
        "old": ("Depends: new\n", {}),
        "new": (REPLACES.format("old"), {"renamed": []}),
        "daemon": ("", {"daemon": []}),
        "daemon-config": ("", {}),
        "logd": ("", {"logd": ["--no-start", "--no-stop-on-upgrade"]}),
    },
}
# As README.source has them.
SCRIPTS = {
    "daemon.triggers": "interest-noawait /usr/share/daemon\n",
    "daemon.postinst": """#!/bin/sh
set -e
#DEBHELPER#
if [ "$1" = triggered ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke try-restart daemon.service >/dev/null || true
fi
""",
    "logd.postinst": """#!/bin/sh
set -e
#DEBHELPER#
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload >/dev/null || true
	if [ -z "$2" ]; then
		deb-systemd-invoke start logd.service >/dev/null || true
	elif systemctl --quiet is-active logd.service; then
		deb-systemd-invoke reload logd.service >/dev/null || true
	fi
fi
""",
}
# What comes to mind first.
CARELESS = {
    "postinst": "systemctl enable {units}\nsystemctl daemon-reload\nsystemctl restart {units}\n",
    "prerm": "systemctl disable {units}\nsystemctl stop {units}\n",
}


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def build(tree, version, flavour, output):
    """The packages of TREES[version], by debhelper."""
    contents = TREES[version]
    write(f"{tree}/debian/changelog", f"units ({version}) unstable; urgency=medium\n\n  * Test.\n\n"
          " -- Test <test@localhost>  Fri, 20 Nov 2026 12:00:00 +0000\n")
    write(f"{tree}/debian/control", "Source: units\nMaintainer: Test <test@localhost>\n"
          "Build-Depends: debhelper-compat (= 13)\n" + "".join(
              f"\nPackage: {name}\nArchitecture: all\n{control}Description: test\n"
              for name, (control, _) in contents.items()))
    for name, (_, units) in contents.items():
        for unit in units:
            write(f"{tree}/debian/{name}.{unit}.service", SERVICE.format(version))
        if units and flavour == "careless":
            names = " ".join(f"{unit}.service" for unit in units)
            for script, text in CARELESS.items():
                write(f"{tree}/debian/{name}.{script}", "#!/bin/sh\n" + text.format(units=names))
    write(f"{tree}/debian/daemon-config/usr/share/daemon/config", f"{version}\n")
    for name, text in SCRIPTS.items() if flavour == "ours" else ():
        write(f"{tree}/debian/{name}", text)
    more = ["--no-scripts"] if flavour == "careless" else []
    for name, (_, units) in contents.items():
        for unit, options in units.items():
            packages.run("dh_installsystemd", f"-p{name}", f"--name={unit}", *more, *options,
                         cwd=tree)
    for command in (["dh_installdeb"], ["dh_gencontrol"], ["dh_md5sums"],
                    ["dh_builddeb", f"--destdir={output}", "--", "-Znone"]):
        packages.run(*command, cwd=tree)


class UnitRoot(root.Root):
    def __init__(self, test):
        super().__init__(test, DIRECTORY)
        for path in ("/run/active", "/run/systemd/system"):
            os.makedirs(self.at(path))
        os.rename(self.at("/usr/bin/systemctl"), self.at("/usr/bin/systemctl.real"))
        write(self.at("/usr/bin/systemctl"), SYSTEMCTL, 0o755)

    def enabled(self, *units):
        return packages.output("chroot", self.path, "systemctl", "is-enabled", *units).split()

    def active(self):
        return sorted(os.listdir(self.at("/run/active")))


class Units(unittest.TestCase):
    flavour = "ours"

    def setUp(self):
        self.root = UnitRoot(self)

    def debs(self, version, *names):
        return self.root.bring(f"{DIRECTORY}/{self.flavour}",
                               *(f"{name}_{version}_all.deb" for name in names))

    def changes(self, *command):
        """What systemd is told to do by this run of dpkg."""
        write(self.root.at(LOG), "")
        self.root.run("dpkg", "--force-unsafe-io", *command)
        with open(self.root.at(LOG), encoding="utf-8") as f:
            return f.read().split("\n")[:-1]

    def install(self, version, *names):
        return self.changes("--install", *self.debs(version, *names))

    def test_unit_that_moves_to_another_package(self):
        """It is left as it is, and the new package's first configuration starts what is enabled:
        to one that runs that is nothing.
        """
        self.install(1, "split")
        self.root.run("systemctl", "disable", "proxy.service")
        self.root.run("systemctl", "enable", "proxy-tls.service")
        for unit in ("proxy", "proxy-tls"):
            write(self.root.at(f"/run/active/{unit}.service"), "")
        calls = self.install(2, "split", "split-proxy")
        self.assertEqual(["enabled", "disabled", "enabled"], self.root.enabled(
            "main.service", "proxy.service", "proxy-tls.service"))
        self.assertEqual(["main.service", "proxy-tls.service", "proxy.service"],
                         self.root.active())
        self.assertEqual(["restart main.service"],
                         [call for call in calls if call != "daemon-reload"])

    def test_renamed_package(self):
        """The old one becomes empty, and its purge takes nothing along."""
        self.install(1, "old")
        self.root.run("systemctl", "disable", "renamed.service")
        calls = self.install(2, "old", "new") + self.changes("--purge", "old")
        self.assertEqual(["disabled"], self.root.enabled("renamed.service"))
        self.assertEqual(["renamed.service"], self.root.active())
        self.assertEqual([], [call for call in calls if call != "daemon-reload"])

    def test_several_packages_of_one_daemon(self):
        """The second asks by a trigger."""
        self.install(1, "daemon", "daemon-config")
        for names in (["daemon", "daemon-config"], ["daemon-config"]):
            with self.subTest(names):
                calls = self.install(2, *names)
                self.assertEqual(1, len([call for call in calls if "restart daemon" in call]),
                                 calls)

    def test_reload_class(self):
        self.assertEqual(["daemon-reload", "start logd.service"], self.install(1, "logd"))
        self.assertEqual(["daemon-reload", "reload logd.service"], self.install(2, "logd"))

    def test_update_that_is_killed(self):
        """After its files; what is left is in dpkg's database."""
        self.install(1, "daemon")
        self.root.run("systemctl", "disable", "daemon.service")
        write(self.root.at("/run/stop"), "daemon-reload\n")
        with subprocess.Popen(["chroot", self.root.path, "dpkg", "--force-unsafe-io", "--install",
                               *self.debs(2, "daemon")], start_new_session=True,
                              stdout=subprocess.DEVNULL) as process:
            end = time.monotonic() + SECONDS_MAX
            while not os.path.exists(self.root.at("/run/stopped")):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("dpkg did not come to the daemon-reload")
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
        os.unlink(self.root.at("/run/stop"))
        calls = self.changes("--configure", "--pending")
        self.assertEqual(["daemon-reload", "restart daemon.service"], calls)
        self.assertEqual(["disabled"], self.root.enabled("daemon.service"))
        self.assertEqual("", self.root.run("dpkg", "--audit"))


class Sums(unittest.TestCase):
    """Of our own packages."""

    def test_debsums(self):
        host = UnitRoot(self)
        paths = [packages.path(name) for name in packages.NAMES]
        host.run("dpkg", "--force-unsafe-io", "--force-depends", "--install",
                 *host.bring(packages.DIRECTORY, *map(os.path.basename, paths)))
        sums = host.run("debsums", "--all", *packages.NAMES)
        self.assertGreater(len(sums.splitlines()), 40)
        self.assertEqual([], [line for line in sums.splitlines() if not line.endswith(" OK")])
        with open(host.at("/usr/bin/kvm-check"), "ab") as f:
            f.write(b"\n")
        self.assertEqual("/usr/bin/kvm-check\n", packages.output(
            "chroot", host.path, "debsums", "--all", "--changed", *packages.NAMES))


class Mutants(unittest.TestCase):
    """With careless scripts each of them fails."""


def add_mutant(name):
    class Mutant(Units):
        flavour = "careless"

    def fails(self):
        result = unittest.TestResult()
        result.failfast = True
        Mutant(name).run(result)
        self.assertEqual((1, 0), (len(result.failures), len(result.errors)), result.errors)

    setattr(Mutants, name, fails)


if __name__ == "__main__":
    root.enter()
    for test in unittest.defaultTestLoader.getTestCaseNames(Units):
        add_mutant(test)
    with tempfile.TemporaryDirectory(prefix="units-") as DIRECTORY:
        for kind in ("ours", "careless"):
            os.mkdir(f"{DIRECTORY}/{kind}")
            for number in TREES:
                build(f"{DIRECTORY}/{kind}-{number}", number, kind, f"{DIRECTORY}/{kind}")
        packages.main()
