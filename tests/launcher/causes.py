# SPDX-License-Identifier: GPL-2.0-or-later
"""Why KVM cannot be used, read from copies of hosts: CPU, firmware, modules, node.

Each row is a host as a tree of files; "qemu-kvm --kvm-explain --sysroot TREE" has to name its
cause. The indexes of modules are depmod's own.
"""
import os
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import unittest

BIN_DIR = os.environ["BIN_DIR"]
LAUNCHER = os.path.join(BIN_DIR, "qemu-kvm")
RELEASE = "6.1.0-test"

INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu {}\n"
AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu {}\n"
VMX = INTEL.format("vmx")
SVM = AMD.format("svm npt")
NO_VMX = INTEL.format("sse2")
NO_SVM = AMD.format("sse2")
S390X = "vendor_id       : IBM/S390\nfeatures\t: esan3 zarch stfle {}\n"
POWER = "processor\t: 0\ncpu\t\t: POWER9\n\ntimebase\t: 512000000\nplatform\t: {}\n"
ARM64 = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"
RISCV = "processor\t: 0\nhart\t\t: 0\nisa\t\t: rv64{}_zicsr_zifencei\nmmu\t\t: sv48\n"

# What every host has; a value of False takes a file away.
BASE = {"proc/sys/kernel/osrelease": RELEASE + "\n", "proc/modules": "", "sys/class": None}

# A record of /dev/kmsg.
LOG = "6,1{},123456,-;{}\n"
# What a file has is read as one record of the log, so long as it is not longer than that.
FULL_RECORD = LOG.format(1, "usb 1-1: new device").ljust(8192, "\n")

# name: files of the tree (None: a directory), modules of the kernel, the cause, words of the line
HOSTS = {
    "intel-no-flag": ({"proc/cpuinfo": NO_VMX}, [], "no-cpu-support",
                      "this CPU offers no virtualisation, or the firmware hides it; look for VT-x"),
    "amd-no-flag": ({"proc/cpuinfo": NO_SVM}, [], "no-cpu-support", "this CPU offers no"),
    "guest-no-flag": ({"proc/cpuinfo": INTEL.format("hypervisor")}, [], "no-cpu-support",
                      "virtual machine whose CPU offers no virtualisation; enable nested"),
    "flag-is-a-part-of-a-word": ({"proc/cpuinfo": INTEL.format("vmxoff novmx vmx-x")}, [],
                                 "no-cpu-support", "CPU"),
    "s390x-no-sie": ({"proc/cpuinfo": S390X.format("")}, ["kvm"], "no-cpu-support", "SIE"),
    "riscv-no-h": ({"proc/cpuinfo": RISCV.format("imafdc")}, ["kvm"], "no-cpu-support",
                   "H of riscv"),
    # The kernel has KVM, which found no hardware: an arm64 host that was not started in EL2.
    "arm64-without-el2": ({"proc/cpuinfo": ARM64, "sys/module/kvm": None}, [], "no-cpu-support",
                          "the kernel found no virtualisation that it could use (EL2 of arm64,"),
    "intel-locked": ({"proc/cpuinfo": VMX, "dev/cpu/0/msr": {0x3a: 0x1}}, ["kvm_intel"],
                     "disabled-by-firmware", "enable VT-x"),
    "intel-unlocked": ({"proc/cpuinfo": VMX, "dev/cpu/0/msr": {0x3a: 0x0}}, ["kvm_intel"],
                       "module-not-loaded", "kvm_intel"),
    "intel-enabled": ({"proc/cpuinfo": VMX, "dev/cpu/0/msr": {0x3a: 0x5}}, ["kvm_intel"],
                      "module-not-loaded", "kvm_intel"),
    "intel-only-in-smx": ({"proc/cpuinfo": VMX, "dev/cpu/0/msr": {0x3a: 0x3}}, ["kvm_intel"],
                          "disabled-by-firmware", "VT-x"),
    "amd-locked": ({"proc/cpuinfo": SVM, "dev/cpu/0/msr": {0xc0010114: 0x18}}, ["kvm_amd"],
                   "disabled-by-firmware", "SVM"),
    "amd-free": ({"proc/cpuinfo": SVM, "dev/cpu/0/msr": {0xc0010114: 0x8}}, ["kvm_amd"],
                 "module-not-loaded", "kvm_amd"),
    "log-old-kvm": ({"proc/cpuinfo": VMX, "dev/kmsg": FULL_RECORD + LOG.format(
        2, "kvm: disabled by bios")}, ["kvm_intel"],
                    "disabled-by-firmware", "firmware"),
    "log-hidden-vmx": ({"proc/cpuinfo": NO_VMX, "dev/kmsg": LOG.format(
        1, "x86/cpu: VMX (outside TXT) disabled by BIOS")}, ["kvm_intel"],
                       "disabled-by-firmware", "firmware"),
    "log-amd": ({"proc/cpuinfo": SVM, "dev/kmsg": LOG.format(
        1, "kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0")}, ["kvm_amd"],
                "disabled-by-firmware", "firmware"),
    "log-5.18": ({"proc/cpuinfo": SVM, "dev/kmsg": LOG.format(
        1, "kvm: support for 'kvm_amd' disabled by bios")}, ["kvm_amd"],
                 "disabled-by-firmware", "firmware"),
    "log-hidden-svm": ({"proc/cpuinfo": AMD.format("npt"), "dev/kmsg": LOG.format(
        1, "SVM disabled (by BIOS) in MSR_VM_CR")}, ["kvm_amd"],
                       "disabled-by-firmware", "firmware"),
    "guest-locked": ({"proc/cpuinfo": AMD.format("svm hypervisor"),
                      "dev/cpu/0/msr": {0xc0010114: 0x18}}, ["kvm_amd"],
                     "disabled-by-firmware", "enable nested virtualisation on its host"),
    # By any user: the name of a program, and what may be written to the log.
    "log-of-a-crash": ({"proc/cpuinfo": SVM, "dev/kmsg": LOG.format(
        1, "SVM disabled (b[26980]: segfault at 0 ip 0 sp 0 error 4 in SVM disabled (by BIOS) in "
        "MSR_VM_CR[1000+1000]")}, ["kvm_amd"], "module-not-loaded", "kvm_amd"),
    "log-of-a-program": ({"proc/cpuinfo": VMX, "dev/kmsg": "14" + LOG.format(
        1, "kvm: disabled by bios")[1:]}, ["kvm_intel"], "module-not-loaded", "kvm_intel"),
    "log-of-something-else": ({"proc/cpuinfo": VMX, "dev/kmsg": LOG.format(
        1, "pci 0000:00:1f.0: disabled by BIOS")}, ["kvm_intel"], "module-not-loaded", "kvm_intel"),
    # The MSR knows better than the log of an earlier state.
    "msr-before-log": ({"proc/cpuinfo": VMX, "dev/cpu/0/msr": {0x3a: 0x5},
                        "dev/kmsg": LOG.format(1, "kvm: disabled by bios")}, ["kvm_intel"],
                       "module-not-loaded", "kvm_intel"),
    "module-missing": ({"proc/cpuinfo": VMX}, ["other"], "module-missing",
                       "no module kvm_intel; install the package"),
    "modules-gone": ({"proc/cpuinfo": VMX, "lib/modules/5.10.0-old": None}, None, "module-missing",
                     "no modules for the running kernel, which an update may have removed; reboot"),
    "not-loaded-intel": ({"proc/cpuinfo": VMX}, ["kvm", "kvm_intel"], "module-not-loaded",
                         'the module kvm_intel is not loaded; run '
                         '"kvm-modprobe" as root'),
    "not-loaded-amd": ({"proc/cpuinfo": SVM}, ["kvm_amd"], "module-not-loaded", "kvm_amd"),
    # Only kvm is loaded: the vendor's module is what is missing.
    "half-loaded": ({"proc/cpuinfo": SVM, "sys/module/kvm": None}, ["kvm", "kvm_amd"],
                    "module-not-loaded", "kvm_amd is not loaded"),
    "not-loaded-hygon": ({"proc/cpuinfo": SVM.replace("AuthenticAMD", "HygonGenuine")},
                         ["kvm_amd"], "module-not-loaded", "kvm_amd"),
    "not-loaded-zhaoxin": ({"proc/cpuinfo": VMX.replace("GenuineIntel", "  Shanghai  ")},
                           ["kvm_intel"], "module-not-loaded", "kvm_intel"),
    "not-loaded-s390x": ({"proc/cpuinfo": S390X.format("sie")}, ["kvm"], "module-not-loaded",
                         'module kvm is not loaded; run "kvm-modprobe"'),
    "not-loaded-powernv": ({"proc/cpuinfo": POWER.format("PowerNV")}, ["kvm_hv"],
                           "module-not-loaded", "kvm_hv is not loaded"),
    "not-loaded-pseries": ({"proc/cpuinfo": POWER.format("pSeries")}, ["kvm_pr"],
                           "module-not-loaded", "kvm_pr is not loaded"),
    "not-loaded-riscv": ({"proc/cpuinfo": RISCV.format("imafdch")}, ["kvm"],
                         "module-not-loaded",
                         'module kvm is not loaded; run "kvm-modprobe"'),
    "blacklist": ({"proc/cpuinfo": SVM, "etc/modprobe.d/x.conf": "blacklist kvm_amd\n"},
                  ["kvm_amd"], "module-blacklisted", "forbids to load it"),
    "blacklist-in-lib": ({"proc/cpuinfo": SVM, "lib/modprobe.d/x.conf": "blacklist kvm-amd\n"},
                         ["kvm_amd"], "module-blacklisted", "modprobe.d"),
    "install-false": ({"proc/cpuinfo": VMX, "run/modprobe.d/x.conf": "install kvm_intel /bin/false\n"},
                      ["kvm_intel"], "module-blacklisted", "kvm_intel"),
    "blacklist-of-another": ({"proc/cpuinfo": SVM, "etc/modprobe.d/x.conf": "blacklist kvm_amdx\n"},
                             ["kvm_amd"], "module-not-loaded", "kvm_amd"),
    "not-a-conf-file": ({"proc/cpuinfo": SVM, "etc/modprobe.d/x.off": "blacklist kvm_amd\n"},
                        ["kvm_amd"], "module-not-loaded", "kvm_amd"),
    "kernel-command-line": ({"proc/cpuinfo": SVM,
                             "proc/cmdline": "quiet module_blacklist=pcspkr,kvm_amd ro\n"},
                            ["kvm_amd"], "module-blacklisted", "command line"),
    "kernel-command-line-other": ({"proc/cpuinfo": SVM,
                                   "proc/cmdline": "module_blacklist=kvm_amdx x=kvm_amd\n"},
                                  ["kvm_amd"], "module-not-loaded", "kvm_amd"),
    # An absolute link means that host's own directory, not this one's.
    "absolute-link": ({"proc/cpuinfo": VMX, "etc/modprobe.d": "->/conf.d",
                       "conf.d/x.conf": "blacklist kvm_intel\n"}, ["kvm_intel"],
                      "module-blacklisted", "kvm_intel"),
    "modprobe.blacklist": ({"proc/cpuinfo": VMX, "proc/cmdline": "modprobe.blacklist=kvm_intel\n"},
                           ["kvm_intel"], "module-blacklisted", "command line"),
    "usr-without-link": ({"proc/cpuinfo": VMX}, "usr", "module-not-loaded", "kvm_intel"),
    # Nothing to reboot into; a kernel that takes no modules; one that knows nothing of them.
    "no-modules-at-all": ({"proc/cpuinfo": VMX}, None, "module-missing",
                          "no module kvm_intel; install the package"),
    "monolithic": ({"proc/cpuinfo": VMX, "proc/modules": False}, None, "module-missing",
                   "built without KVM and without modules; use another"),
    "docker": ({"proc/cpuinfo": VMX, ".dockerenv": ""}, None, "module-missing",
               "the module kvm_intel is not loaded; load it on the host of this container"),
    "podman-with-modules": ({"proc/cpuinfo": VMX, "run/.containerenv": ""}, ["kvm_intel"],
                            "module-not-loaded", "load it on the host of this container"),
    "container": ({"proc/cpuinfo": VMX, "sys/class/misc/kvm": None, "sys/module/kvm_intel": None,
                   "run/systemd/container": "lxc\n"}, ["kvm_intel"], "no-device-node",
                  'there is no /dev/kvm in this container; pass the device in, as with '
                  '"--device /dev/kvm"'),
    "built-in-and-no-node": ({"proc/cpuinfo": VMX, "sys/class/misc/kvm": None}, [],
                             "no-device-node", 'no /dev/kvm here; run "mknod /dev/kvm c 10 232"'),
    # Where nothing can be read, nothing is claimed.
    "no-cpuinfo": ({}, ["kvm"], "other", "/proc or /sys cannot be read"),
    "no-sys": ({"proc/cpuinfo": VMX, "sys/class": False}, ["kvm_intel"], "other",
               "there is no /dev/kvm, and /proc or /sys cannot be read, which would tell why"),
    "huge-cpuinfo": ({"proc/cpuinfo": "x" * (17 << 20)}, ["kvm"], "module-not-loaded", "kvm"),
    "fifos": ({"proc/cpuinfo": "|", "proc/cmdline": "|", "dev/kmsg": "|", "dev/cpu/0/msr": "|"},
              ["kvm"], "other", "cannot be read"),
    "fifos-beside-cpuinfo": ({"proc/cpuinfo": VMX, "proc/cmdline": "|", "dev/kmsg": "|",
                              "dev/cpu/0/msr": "|", "proc/sys/kernel/osrelease": "|"},
                             ["kvm_intel"], "module-not-loaded", "kvm_intel"),
    # A node in a copy would be this host's device: its log is not that host's.
    "nodes": ({"proc/cpuinfo": VMX, "dev/kmsg": ("c", 1, 11), "dev/cpu/0/msr": ("c", 1, 5)},
              ["kvm_intel"], "module-not-loaded", "kvm_intel"),
    "binary-cpuinfo": ({"proc/cpuinfo": "flags\xff: vmx\nvendor_id\t: GenuineIntel\n"}, [],
                       "no-cpu-support", "CPU"),
}


def write_msr(path, values):
    """A sparse file that has each register where /dev/cpu/0/msr has it."""
    with open(path, "wb") as f:
        for number, value in values.items():
            f.seek(number)
            f.write(struct.pack("<Q", value))


def write_modules(tree, names):
    directory = os.path.join(tree, "lib/modules", RELEASE)
    os.makedirs(directory)
    for name in names:
        path = os.path.join(directory, name + ".ko")
        subprocess.run(["cc", "-x", "c", "-c", "-o", path, "/dev/null"], check=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        with open(os.path.join(directory, name), "w", encoding="ascii"):
            pass
    subprocess.run(["/sbin/depmod", "-b", tree, RELEASE], check=True)


def make_host(tree, files, modules):
    for path, content in {**BASE, **files}.items():
        if content is False:
            continue
        full = os.path.join(tree, path)
        os.makedirs(full if content is None else os.path.dirname(full), exist_ok=True)
        if isinstance(content, dict):
            write_msr(full, content)
        elif isinstance(content, tuple):
            os.mknod(full, stat.S_IFCHR | 0o600, os.makedev(*content[1:]))
        elif content == "|":
            os.mkfifo(full)
        elif content and content.startswith("->"):
            os.symlink(content[2:], full)
        elif content is not None:
            with open(full, "w", encoding="latin-1") as f:
                f.write(content)
    if modules == "usr":
        write_modules(tree, ["kvm_intel"])
        os.mkdir(os.path.join(tree, "usr"))
        os.rename(os.path.join(tree, "lib"), os.path.join(tree, "usr/lib"))
    elif modules is not None:
        write_modules(tree, modules)


class Causes(unittest.TestCase):
    def setUp(self):
        self.tree = tempfile.mkdtemp(prefix="kvm-causes-")
        self.addCleanup(shutil.rmtree, self.tree)
        self.path = os.path.join(self.tree, "path")
        os.mkdir(self.path)
        emulator = os.path.join(self.path, f"qemu-system-{os.uname().machine}")
        with open(emulator, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n")
        os.chmod(emulator, 0o755)

    def explain(self, tree, policy="require", option=None):
        command = [LAUNCHER, "--kvm-explain"] + (option or ["--sysroot", tree]) + ["-m", "1"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20,
                                env=dict(os.environ, PATH=self.path, QEMU_KVM_ACCEL=policy))
        self.assertEqual(result.stderr, "")
        lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
        return result.returncode, lines

    def test_hosts(self):
        for name, (files, modules, cause, words) in HOSTS.items():
            with self.subTest(host=name):
                tree = os.path.join(self.tree, name)
                os.mkdir(tree)
                make_host(tree, files, modules)
                status, lines = self.explain(tree)
                self.assertEqual(lines["kvm"].split(": ")[0], cause, lines)
                self.assertIn(words, lines["kvm"])
                self.assertIn(lines["kvm"], lines["refused"])
                self.assertNotIn("command", lines)
                self.assertEqual(status, 1)
                status, lines = self.explain(tree, "prefer")
                self.assertIn(f" {cause}: ", lines["warning"])
                self.assertTrue(lines["command"].endswith(" -accel tcg -m 1"), lines)
                self.assertEqual(status, 0)

    def test_every_cause_of_the_files_has_a_host(self):
        self.assertEqual({row[2] for row in HOSTS.values()},
                         {"no-cpu-support", "disabled-by-firmware", "module-missing",
                          "module-blacklisted", "module-not-loaded", "no-device-node", "other"})

    def test_usable_host(self):
        make_host(self.tree, {"proc/cpuinfo": VMX, "dev/kvm": ""}, None)
        status, lines = self.explain(self.tree, option=[f"--sysroot={self.tree}"])
        self.assertEqual(lines["kvm"], "usable: KVM is usable")
        self.assertTrue(lines["command"].endswith(" -accel kvm -m 1"), lines)
        self.assertEqual(status, 0)

    def test_bad_sysroot(self):
        for option, status in ((["--sysroot", "/nonexistent"], 1), (["--sysroot="], 1)):
            result = subprocess.run([LAUNCHER, "--kvm-explain"] + option, capture_output=True,
                                    text=True, check=False, timeout=20)
            self.assertEqual(result.returncode, status, option)
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assertIn("cannot open", result.stderr)
        result = subprocess.run([LAUNCHER, "--kvm-explain", "--sysroot"], capture_output=True,
                                text=True, check=False, timeout=20)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (2, "", "qemu-kvm: option --sysroot needs a directory\n"))


if __name__ == "__main__":
    if not os.path.exists("/sbin/depmod"):
        print("SKIP: no-depmod: kmod is not installed")
        sys.exit(77)
    unittest.main(verbosity=2)
