# SPDX-License-Identifier: GPL-2.0-or-later
"""What users do to a host with our packages. The same for dnf and zypper."""
import os
import shutil
import tempfile

from install_root import InstallRoot

UDEV = "qemu-kvm-udev-2.0.0-1"
QEMU_KVM = {"qemu-kvm-2.0.0-1", UDEV, "emulator"}
KVM_STAT = {"kvm_stat-2.0.0-1", "ncurses"}
MACROS = {"qemu-kvm-rpm-macros-2.0.0-1"}
DRIVER = {"libvirt-daemon-driver-qemu"}
LIBVIRT = DRIVER | {"libvirt-daemon-kvm"}
NEWER = {"qemu-kvm-2.0.0-2", "qemu-kvm-udev-2.0.0-2", "kvm_stat-2.0.0-2", "emulator", "ncurses"}

LOG = "/var/log/kvm_stat.csv"
LOGROTATE = "/etc/logrotate.d/kvm_stat"
OLD_RULE = "/etc/udev/rules.d/80-kvm.rules"
# The group stays when packages go: files may be its own.
GROUP = "/etc/group"
EDIT = "# of the administrator\n"


class Scenarios:
    """`ours` is the repository with our packages, or a variant of them that must not pass."""

    def __init__(self, work, command, ours="ours"):
        self.work = work
        self.command = command
        self.ours = ours
        self.root = None

    @classmethod
    def names(cls):
        return [name for name in vars(cls) if name.startswith("host_")]

    def run(self, name):
        directory = tempfile.mkdtemp(prefix="scenario-", dir=self.work)
        try:
            self.directory = directory
            getattr(self, name)()
        finally:
            shutil.rmtree(directory)

    def start(self, *repositories, packages=("systemd-sysusers",)):
        self.root = InstallRoot(self.work, self.directory, self.command, *packages)
        self.use(*repositories)

    def use(self, *repositories):
        self.root.use("stand-ins", *repositories)

    def expect(self, *packages, edited=(), besides=()):
        """Exactly these are there, as they were packaged but for files that are `edited`."""
        expected = set().union(*packages)
        installed = self.root.installed()
        assert installed == expected, \
            f"installed besides: {installed - expected}, missing: {expected - installed}"
        changed, unowned = self.root.check_files()
        assert changed == set(edited), f"changed: {changed}"
        assert unowned == set(besides), f"of no package: {unowned}"

    def leave(self, *packages, kept=(GROUP,)):
        """Without `packages` the host is as it was, but for what is `kept`."""
        self.root.do("remove", *packages)
        installed, different = self.root.installed(), self.root.difference()
        assert not installed, f"still installed: {installed}"
        assert different == set(kept), f"left or lost: {different ^ set(kept)}"

    def host_fresh(self):
        self.start("emulator", self.ours)
        self.root.do("install", "libvirt-daemon-kvm", "qemu-kvm-rpm-macros")
        self.expect(LIBVIRT, QEMU_KVM, KVM_STAT, MACROS, edited={GROUP})
        assert "kvm:x:36:" in self.root.read(GROUP), "no group kvm"
        for program in ("kvm-check", "kvm-device", "kvm-modprobe", "kvm_stat",
                        "systemd-unit-merge"):
            version = self.root.run(program, "--version")
            assert version == f"{program} from qemu-kvm-tools 2.0.0\n", version
        assert self.root.run("qemu-kvm", "--version") == "stand-in\n", "the emulator was not run"
        self.leave("libvirt-daemon-kvm", "libvirt-daemon-driver-qemu", "qemu-kvm", "qemu-kvm-udev",
                   "qemu-kvm-rpm-macros", "kvm_stat", "emulator", "ncurses")

    def host_minimal(self):
        self.start("emulator", self.ours)
        self.root.do("install", "libvirt-daemon-kvm", weak=False)
        self.expect(LIBVIRT, QEMU_KVM, edited={GROUP})
        self.leave("libvirt-daemon-kvm", "libvirt-daemon-driver-qemu", "qemu-kvm", "qemu-kvm-udev",
                   "emulator")

    def host_with_libvirts_driver_only(self):
        self.start("emulator", self.ours)
        self.root.do("install", "libvirt-daemon-driver-qemu")
        self.expect(DRIVER, {UDEV}, edited={GROUP})
        self.leave("libvirt-daemon-driver-qemu", "qemu-kvm-udev")

    def host_with_old_kvm(self):
        self.start("kvm")
        self.root.do("install", "kvm", "legacy-tool", "legacy-tool-1.4")
        self.root.append(OLD_RULE, EDIT)
        self.root.append(LOG, "records\n")
        self.use("kvm", "emulator", self.ours)
        self.root.do("upgrade")
        self.expect({"legacy-tool", "legacy-tool-1.4"}, QEMU_KVM, KVM_STAT, edited={GROUP},
                    besides={LOG, OLD_RULE + ".rpmsave"})
        assert EDIT in self.root.read(OLD_RULE + ".rpmsave"), "the old rule is lost"
        assert self.root.read(LOG) == "records\n", "the log is lost"
        self.root.do("remove", "qemu-kvm", "legacy-tool", "legacy-tool-1.4")
        self.use("kvm")
        self.root.do("remove", "kvm_stat")
        self.root.do("install", "kvm")
        self.expect({"kvm-1.4-1", UDEV, "emulator", "ncurses"}, edited={GROUP},
                    besides={LOG, OLD_RULE + ".rpmsave"})
        self.leave("kvm", "qemu-kvm-udev", "emulator", "ncurses",
                   kept={GROUP, LOG, OLD_RULE + ".rpmsave"})

    def host_with_old_kvm_that_wants_kvm_stat(self):
        """Both have the program: kvm_stat comes with all that takes the place of kvm."""
        self.start("kvm")
        self.root.do("install", "kvm")
        self.use("kvm", "emulator", self.ours)
        self.root.do("install", "kvm_stat")
        self.expect(QEMU_KVM, KVM_STAT, edited={GROUP})
        self.leave("qemu-kvm", "qemu-kvm-udev", "kvm_stat", "emulator", "ncurses")

    def host_that_wants_kvm(self):
        self.start("emulator", self.ours)
        self.root.do("install", "legacy-tool", "legacy-tool-1.4")
        self.expect({"legacy-tool", "legacy-tool-1.4"}, QEMU_KVM, KVM_STAT, edited={GROUP})
        self.leave("legacy-tool", "legacy-tool-1.4", "qemu-kvm", "qemu-kvm-udev", "kvm_stat",
                   "emulator", "ncurses")

    def host_that_goes_back(self):
        self.start("emulator", self.ours)
        self.root.do("install", "qemu-kvm")
        self.root.append(LOGROTATE, EDIT)
        self.root.append(LOG, "records\n")
        edited = {GROUP, LOGROTATE}
        self.use("emulator", self.ours, "newer")
        self.root.do("upgrade")
        self.expect(NEWER, edited=edited, besides={LOG})
        self.root.do("reinstall", "qemu-kvm", "qemu-kvm-udev", "kvm_stat")
        self.expect(NEWER, edited=edited, besides={LOG})
        self.use("emulator", self.ours)
        self.root.do("downgrade", "qemu-kvm-2.0.0-1", "qemu-kvm-udev-2.0.0-1", "kvm_stat-2.0.0-1")
        self.expect(QEMU_KVM, KVM_STAT, edited=edited, besides={LOG})
        assert EDIT in self.root.read(LOGROTATE), "the configuration is lost"
        assert self.root.read(LOG) == "records\n", "the log is lost"
        self.leave("qemu-kvm", "qemu-kvm-udev", "kvm_stat", "emulator", "ncurses",
                   kept={GROUP, LOG, LOGROTATE + ".rpmsave"})

    def host_with_transitional_package(self):
        self.start("kvm")
        self.root.do("install", "kvm", "legacy-tool-1.4")
        self.use("kvm", "emulator", "transitional")
        self.root.do("upgrade")
        self.expect({"kvm-2.0.0-1", "legacy-tool-1.4"}, QEMU_KVM, KVM_STAT, edited={GROUP})
        self.root.do("remove", "kvm", "legacy-tool-1.4")
        self.expect(QEMU_KVM, KVM_STAT, edited={GROUP})
        self.leave("qemu-kvm", "qemu-kvm-udev", "kvm_stat", "emulator", "ncurses")

    def host_that_never_had_the_transitional_package(self):
        self.start("emulator", "transitional")
        self.root.do("install", "qemu-kvm")
        self.expect(QEMU_KVM, KVM_STAT, edited={GROUP})

    def host_whose_qemu_has_the_name(self):
        """As Fedora's and openSUSE's: told by the resolver, not by files that clash."""
        self.start("emulator-with-link", self.ours)
        assert self.root.attempt("install", "qemu-kvm") != 0, "installed"
        assert "emulator-with-link" in self.root.output, self.root.output
        self.expect()
        self.root.do("install", "qemu-kvm-udev", "kvm_stat", "emulator-with-link")
        self.expect({UDEV, "emulator-with-link"}, KVM_STAT, edited={GROUP})

    def host_with_fedoras_empty_package(self):
        """Whose epoch ours has to be above, and whose emulator is without the link by then."""
        self.start("qemu-kvm", "emulator")
        self.root.do("install", "qemu-kvm")
        self.expect({"qemu-kvm-10.1-1", "emulator"})
        self.use("qemu-kvm", "emulator", self.ours)
        self.root.do("upgrade")
        self.expect({"qemu-kvm-10.1-1", "emulator"})
        self.use("qemu-kvm", "emulator", "epoch")
        self.root.do("upgrade", weak=False)
        self.expect(QEMU_KVM, edited={GROUP})
        self.leave("qemu-kvm", "qemu-kvm-udev", "emulator")

    def host_with_the_kernels_kvm_stat(self):
        self.start("emulator", self.ours)
        self.root.do("install", "kernel-tools")
        self.root.do("install", "qemu-kvm")
        self.expect({"kernel-tools"}, QEMU_KVM, edited={GROUP})

    def host_without_systemd(self):
        self.start("emulator", self.ours, packages=("shadow",))
        self.root.do("install", "qemu-kvm-udev")
        self.expect({UDEV}, edited={GROUP})
        assert "kvm:x:999:" in self.root.read(GROUP), "no group kvm"

    def host_without_means_to_add_groups(self):
        self.start("emulator", self.ours, packages=())
        self.root.do("install", "qemu-kvm-udev")
        self.expect({UDEV})
        self.leave("qemu-kvm-udev", kept=())


# Variants of our packages, see build.py: the host that they break, and how that shows.
MUTANTS = {
    "no-obsoletes": ("host_with_old_kvm", "installed besides: .*kvm-1.4"),
    "no-provides": ("host_that_wants_kvm", "nothing provides kvm >= 1.4"),
    "no-udev": ("host_that_wants_kvm", "missing: .*qemu-kvm-udev"),
    "wrong-emulator": ("host_fresh", "nothing provides qemu-system-pdp11"),
    "requires-kvm_stat": ("host_minimal", "installed besides: .*kvm_stat"),
    # dnf refuses, zypper overwrites.
    "no-conflict": ("host_with_the_kernels_kvm_stat", "conflicts with file|besides: .*kvm_stat"),
    "failing-scriptlet": ("host_fresh", "a scriptlet failed"),
    "left-over": ("host_fresh", "of no package: .*/usr/share/left-over"),
    "changed-file": ("host_fresh", "changed: .*65-kvm.rules"),
    "no-config": ("host_that_goes_back", "changed: {'/etc/group'}$"),
    "owned-log": ("host_that_goes_back", r"of no package: set\(\)$"),
    "no-group": ("host_fresh", r"changed: set\(\)$"),
}
