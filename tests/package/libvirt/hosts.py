# SPDX-License-Identifier: GPL-2.0-or-later
"""What users do to hosts with packages of libvirt.spec. The same for dnf and zypper."""
import glob
import os
import re
import shutil
import stat
import tempfile

import before
from install_root import InstallRoot

UDEV = "qemu-kvm-udev-2.0.0-1"
QEMU_KVM = {"qemu-kvm-2.0.0-1", UDEV, "emulator", "kvm_stat-2.0.0-1", "ncurses"}
GROUP = "/etc/group"


def libvirt(*names):
    return {f"libvirt-{name}" for name in names}


DRIVERS = {f"daemon-driver-{driver}" for driver in before.DRIVERS}
HOST = libvirt("daemon-common", "daemon-proxy", *(f"daemon-driver-{driver}" for driver in (
    "interface", "network", "nodedev", "secret", "storage")))
GUESTS = libvirt("guests", "client")
LOCKS = libvirt("daemon-lock", "daemon-plugin-lockd")
LOGS = libvirt("daemon-log")
NWFILTER = libvirt("daemon-driver-nwfilter")
KVM = libvirt("daemon-kvm", "daemon-driver-qemu") | HOST | LOCKS | LOGS | NWFILTER
CONFIG = libvirt("daemon-config-network", "daemon-config-nwfilter")
DAEMON = libvirt("daemon", "daemon-client", "daemon-common", "daemon-proxy") | LOCKS | LOGS | GUESTS
ALL = {"libvirt", UDEV} | DAEMON | CONFIG | libvirt(*DRIVERS)


class Hosts:
    """`ours` is the repository with the packages, or a variant of them that must not pass."""

    def __init__(self, work, command, ours="split"):
        self.work = work
        self.command = command
        self.ours = ours
        self.root = None

    @classmethod
    def names(cls):
        return [name for name in vars(cls) if name.startswith("host_")]

    def run(self, name):
        directory = tempfile.mkdtemp(prefix="host-", dir=self.work)
        try:
            self.directory = directory
            getattr(self, name)()
        finally:
            shutil.rmtree(directory)

    def start(self, repository):
        self.root = InstallRoot(self.work, tempfile.mkdtemp(dir=self.directory), self.command,
                                "systemd-sysusers")
        self.use(repository)

    def use(self, repository):
        self.root.use("stand-ins", "emulator", "qemu-kvm", repository)

    def expect(self, *packages):
        """Exactly these are there, as they were packaged."""
        expected = set().union(*packages)
        installed = self.root.installed()
        assert installed == expected, \
            f"installed besides: {installed - expected}, missing: {expected - installed}"
        changed, unowned = self.root.check_files()
        assert changed <= {GROUP}, f"changed: {changed}"
        # That is of a distribution's basic package.
        assert unowned <= {"/usr/libexec"}, f"of no package: {unowned}"

    def has(self, *paths):
        return [os.path.exists(self.root.at(path)) for path in paths]

    def programs_and_units(self):
        """What the host has got, but for documents and what qemu-kvm-udev holds."""
        return {path for path, (mode, _) in self.root.files().items()
                if path not in self.root.before and stat.S_ISREG(mode) and
                not re.match("/usr/share/(doc|licenses|man)/|.*kvm", path)}

    # What is asked for comes, and no more

    def host_for_kvm(self):
        """A live system among them: the default network comes when it is asked for."""
        self.start(self.ours)
        self.root.do("install", "libvirt-daemon-kvm")
        self.expect(KVM, GUESTS, QEMU_KVM)
        assert self.has("/usr/sbin/virtqemud", "/usr/sbin/libvirtd", before.NETWORK,
                        before.FILTER) == [True, False, False, False]
        self.root.do("install", "libvirt-daemon-config-network")
        self.expect(KVM, GUESTS, QEMU_KVM, libvirt("daemon-config-network"))
        assert self.has(before.NETWORK, before.FILTER) == [True, False]
        self.root.do("remove", "libvirt-daemon-config-network")
        self.expect(KVM, GUESTS, QEMU_KVM)

    def host_for_kvm_without_more(self):
        self.start(self.ours)
        self.root.do("install", "libvirt-daemon-kvm", weak=False)
        self.expect(KVM, QEMU_KVM - {"kvm_stat-2.0.0-1", "ncurses"})

    def host_with_a_driver(self):
        """No daemon besides, no log, lock or proxy, and no hypervisor."""
        self.start(self.ours)
        self.root.do("install", "libvirt-daemon-driver-qemu")
        self.expect(libvirt("daemon-driver-qemu", "daemon-common"), {UDEV})
        found = glob.glob(self.root.at("/usr/sbin/*virt*"))
        assert [os.path.basename(path) for path in found] == ["virtqemud"], found

    def host_for_xen(self):
        self.start(self.ours)
        self.root.do("install", "libvirt-daemon-xen")
        self.expect(libvirt("daemon-xen", "daemon-driver-xen"), HOST, LOCKS, GUESTS, {"xen"})

    def host_for_qemu_and_containers(self):
        self.start(self.ours)
        self.root.do("install", "libvirt-daemon-lxc")
        self.expect(libvirt("daemon-lxc", "daemon-driver-lxc"), HOST, NWFILTER, GUESTS)
        self.root.do("install", "libvirt-daemon-qemu", "libvirt-docs")
        self.expect(libvirt("daemon-lxc", "daemon-driver-lxc", "daemon-qemu", "docs"),
                    KVM - libvirt("daemon-kvm"), GUESTS, {UDEV, "qemu"})

    # "libvirt" gives what it gave

    def check_libvirt_as_before(self, repository, packages):
        """Returns what the host has got before, updated, and by a new installation."""
        self.start(repository)
        self.root.do("install", "libvirt")
        self.expect(packages)
        before_update = self.programs_and_units()
        self.use(self.ours)
        self.root.do("upgrade", weak=False)
        self.expect(ALL)
        updated = self.programs_and_units()
        self.start(self.ours)
        self.root.do("install", "libvirt", weak=False)
        self.expect(ALL)
        fresh = self.programs_and_units()
        assert updated == fresh, updated ^ fresh
        return before_update, fresh

    def host_with_libvirt_of_2012(self):
        """All in one; what comes besides are daemons of their own, and no hypervisor."""
        old, new = self.check_libvirt_as_before("before-2012", {"libvirt", "libvirt-client"})
        assert old <= new, f"lost: {old - new}"
        more = {path for path in new - old
                if not re.match("/usr/sbin/virt|/usr/lib/systemd/system/(libvirtd|virt)|"
                                "/usr/bin/virt-(admin|host-validate)$|/usr/lib64/libvirt/", path)}
        assert not more, f"added: {more}"

    def host_with_libvirt_of_9(self):
        old, new = self.check_libvirt_as_before("before-9", {
            "libvirt", *libvirt("client", "daemon", *DRIVERS), *CONFIG})
        assert old == new, f"lost: {old - new}, added: {new - old}"

    # Parts of it

    def host_with_a_driver_of_9(self):
        """Which had libvirtd with it, and so has all that libvirtd's package held; guests too."""
        self.start("before-9")
        self.root.do("install", "libvirt-daemon-driver-qemu", "libvirt-admin")
        self.expect(libvirt("daemon-driver-qemu", "daemon", "admin"))
        self.use(self.ours)
        self.root.do("upgrade", weak=False)
        self.expect(libvirt("daemon-driver-qemu"), DAEMON, {UDEV})
        assert self.has(*before.GUESTS) == [True] * len(before.GUESTS)

    def host_that_updates_a_part(self):
        """Files have moved between packages: those of old go along."""
        self.start("before-9")
        self.root.do("install", "libvirt-daemon-driver-qemu")
        self.use(self.ours)
        self.root.do("install", "libvirt-daemon-log", weak=False)
        installed = self.root.installed()
        assert libvirt("daemon", "daemon-log", "daemon-lock") <= installed, installed
        versions = self.root.rpm("-q", "--qf", "%{VERSION} ", "libvirt-daemon",
                                 "libvirt-daemon-log").split()
        assert versions == ["11.3.0"] * 2, versions


# Variants of the packages, see make.py: the host that they break, and how that shows.
MUTANTS = {
    "kvm-with-libvirtd": ("host_for_kvm", "installed besides: .*libvirt-daemon'"),
    "kvm-without-qemu-kvm": ("host_for_kvm", "missing: .*qemu-kvm-2"),
    "kvm-with-network": ("host_for_kvm", "installed besides: .*config-network"),
    "driver-with-log": ("host_with_a_driver", "installed besides: .*daemon-log"),
    "driver-with-hypervisor": ("host_with_a_driver", "installed besides: .*qemu-kvm-2"),
    "xen-with-kvm": ("host_for_xen", "installed besides: .*driver-qemu"),
    "less-than-before": ("host_with_libvirt_of_9", "missing: .*config-network"),
    "no-guests": ("host_with_a_driver_of_9", "missing: .*libvirt-guests"),
    "no-conflicts": ("host_that_updates_a_part", "conflicts with file from package"),
    "no-obsoletes": ("host_with_a_driver_of_9", "installed besides: .*libvirt-admin"),
}
