#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Install roots for packages with units: systemctl there writes down what it is asked, and
remembers what is enabled and what runs.

unit_hosts.py SOURCE MADE WORK: makes in WORK what they need, of what build.py has made.

  repositories/FLAVOUR-VERSION/  the packages of system/unit_packages.py
  root/                          what all roots are copies of
"""
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../../system"]
import install_root  # noqa: E402
import unit_packages  # noqa: E402

LOG = "/var/log/systemctl"
STOP = unit_packages.STOP.format("systemctl '\"$*\"'")
# Presets enable all units but those with -off in their names; all run until they are stopped. As
# the packages' scriptlets it stops where /run/stop says so.
SYSTEMCTL = f"""#!/bin/sh
{STOP}
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
	case $action:$unit in
	preset:*-off.*) rm -f /etc/enabled/$unit ;;
	preset:* | enable:*) : >/etc/enabled/$unit ;;
	disable:*)
		rm -f /etc/enabled/$unit
		[ -z "$now" ] || : >/etc/stopped/$unit
		;;
	stop:*) : >/etc/stopped/$unit ;;
	start:*) rm -f /etc/stopped/$unit ;;
	is-enabled:*) if [ -e /etc/enabled/$unit ]; then echo enabled; else echo disabled; fi ;;
	is-active:*)
		[ ! -e /etc/stopped/$unit ] || exit 3
		echo active
		;;
	esac
done
"""


class UnitHost(install_root.InstallRoot):
    def __init__(self, work, path, command, flavour):
        super().__init__(work, path, command)
        self.flavour = flavour
        self.version = None
        for directory in ("/etc/enabled", "/etc/stopped", "/run/systemd/system", "/proc/1"):
            os.makedirs(self.at(directory), exist_ok=True)
        self.append("/usr/bin/systemctl", SYSTEMCTL)
        os.chmod(self.at("/usr/bin/systemctl"), 0o755)
        os.symlink("busybox", self.at("/usr/bin/sleep"))

    def use_version(self, version):
        self.version = version
        self.use(f"{self.flavour}-{version}")

    def installed_versions(self, name):
        return sorted(self.rpm("-qa", "--qf", "%{NAME}-%{VERSION} ", name).split())

    def remove(self, path):
        if os.path.lexists(self.at(path)):
            os.unlink(self.at(path))

    def marks(self):
        """What the macros have left."""
        return [path for path in ("/var/lib/rpm-state", "/var/lib/rpm-state-is-ours")
                if os.path.exists(self.at(path))]

    def changes(self, action, *names):
        """What systemctl was asked to change by this transaction."""
        self.remove(LOG)
        self.do(action, *names)
        lines = self.read(LOG).split("\n")[:-1] if os.path.exists(self.at(LOG)) else []
        return [line for line in lines if "is-" not in line]

    def enabled(self):
        return sorted(os.listdir(self.at("/etc/enabled")))

    def stopped(self):
        return sorted(os.listdir(self.at("/etc/stopped")))

    def enable(self, unit, enable=True):
        """As the administrator does."""
        self.remove(f"/etc/enabled/{unit}")
        if enable:
            self.append(f"/etc/enabled/{unit}", "")


def build(source, made, work):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(f"{work}/repositories")
    subprocess.run(["cp", "-a", f"{made}/root", f"{work}/root"], check=True)
    unit_packages.build(f"{source}/packaging/rpm/macros.qemu-kvm", f"{work}/packages")
    for flavour in ("ours", "systemd", "none"):
        for version in (1, 2):
            repository = f"{work}/repositories/{flavour}-{version}"
            os.makedirs(repository)
            for name in os.listdir(f"{work}/packages/{flavour}"):
                if name.endswith(f"-{version}-1.noarch.rpm"):
                    shutil.copy(f"{work}/packages/{flavour}/{name}", repository)
            subprocess.run(["createrepo_c", "-q", repository], check=True)


if __name__ == "__main__":
    install_root.need_root()
    build(*map(os.path.abspath, sys.argv[1:]))
