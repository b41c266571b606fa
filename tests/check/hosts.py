# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of hosts, and what kvm-check has to find in each of them.

A row is a host as a tree of files (see make_host() of tests/launcher/causes.py; the indexes of
modules are depmod's own), the exit status, and the verdict and cause of checks. Each host starts as
one of a few complete ones, from which files are taken away (DELETED) or changed.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "launcher"))
import causes  # noqa: E402

SOURCE_DIR = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.path.join(causes.BIN_DIR, "kvm-check")
DELETED = object()

CPU = "processor\t: 0\nvendor_id\t: {}\nmodel name\t: {}\nflags\t\t: fpu lm {}\n"
INTEL_CPU = CPU.format("GenuineIntel", "Xeon", "vmx ept vpid")
AMD_CPU = CPU.format("AuthenticAMD", "EPYC", "svm npt")

MEMORY = {
    "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "512\n",
    "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "500\n",
    "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "0\n",
    "sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages": "0\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "sys/kernel/mm/ksm/run": "1\n",
    "sys/kernel/mm/ksm/pages_sharing": "1234\n",
}
COMMON = {
    **MEMORY,
    "proc/1/environ": "HOME=/\0TERM=linux\0",
    "sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
    "sys/class/misc/hw_random": None,
    "sys/class/misc/kvm": None, "sys/class/misc/vhost-net": None,
    "sys/class/misc/vhost-vsock": None, "sys/class/misc/tun": None,
    "dev/kvm": "", "dev/vhost-net": "", "dev/vhost-vsock": "", "dev/net/tun": "",
    "sys/module/kvm/initstate": "live\n",
    "sys/kernel/iommu_groups/0": None, "sys/kernel/iommu_groups/1": None,
    "sys/class/iommu/iommu0": None,
}
INTEL = {
    **COMMON, "proc/cpuinfo": INTEL_CPU,
    "sys/module/kvm_intel/initstate": "live\n", "sys/module/kvm_intel/parameters/nested": "Y\n",
    "sys/firmware/acpi/tables/DMAR": "",
    "sys/class/dmi/id/sys_vendor": "Dell Inc.\n", "sys/class/dmi/id/product_name": "R740\n",
    "usr/bin/qemu-system-x86_64": "+x",
}
AMD = {
    **COMMON, "proc/cpuinfo": AMD_CPU,
    "sys/module/kvm_amd/initstate": "live\n", "sys/module/kvm_amd/parameters/nested": "1\n",
    "usr/bin/qemu-system-x86_64": "+x",
}
ARM64 = {**COMMON, "proc/cpuinfo": causes.ARM64, "usr/bin/qemu-system-aarch64": "+x"}
S390X = {**COMMON, "proc/cpuinfo": causes.S390X.format("sie"), "proc/sysinfo": "Type: 8561\n",
         "sys/module/kvm/parameters/nested": "0\n", "usr/libexec/qemu-kvm": "+x",
         "sys/class/iommu/iommu0": DELETED}
PPC64 = {**COMMON, "proc/cpuinfo": causes.POWER.format("PowerNV"),
         "sys/module/kvm_hv/parameters/nested": "Y\n", "usr/bin/qemu-system-ppc64": "+x"}
RISCV = {**COMMON, "proc/cpuinfo": causes.RISCV.format("imafdch"),
         "usr/bin/qemu-system-riscv64": "+x"}

# Without KVM in the kernel: what is loaded is gone, the static nodes are there.
UNLOADED = {"sys/class/misc/kvm": DELETED,
            "sys/module/kvm/initstate": DELETED, "sys/module/kvm_intel/initstate": DELETED,
            "sys/module/kvm_intel/parameters/nested": DELETED,
            "sys/module/kvm_amd/initstate": DELETED,
            "sys/module/kvm_amd/parameters/nested": DELETED}
# And without vhost and tun.
BARE = {**UNLOADED, "sys/class/misc/vhost-net": DELETED, "sys/class/misc/vhost-vsock": DELETED,
        "sys/class/misc/tun": DELETED}
NO_NODE = {"dev/kvm": DELETED}
ALL = ["kvm", "kvm_intel", "kvm_amd", "vhost_net", "vhost_vsock", "tun", "vfio_pci"]


def guest(vendor, flags):
    return CPU.format(vendor, "QEMU", flags + " hypervisor")


OK = ("PASS", "ok")
NOT_ASKED = ("SKIP", "not-asked")
FINE = {name: OK for name in (
    "cpu", "firmware", "modules", "container", "virtual-machine", "nested", "vhost-net",
    "vhost-vsock", "tun", "iommu", "vfio", "huge-pages", "ksm", "lockdown", "emulator", "launcher")}
FINE.update({name: NOT_ASKED for name in ("kvm", "capabilities", "node", "access")})
FINE.update({"bridge-helper": ("SKIP", "not-installed"), "libvirt": ("SKIP", "not-installed")})


def fail(cause, **others):
    """What all hosts without KVM have in common."""
    return {"kvm": ("FAIL", cause), "launcher": ("FAIL", "policy-not-met"),
            "nested": ("SKIP", "no-parameter"), **others}


WANTS = "etc/systemd/system/{}.wants/{}"
UNIT = "usr/lib/systemd/system/{}"


def enabled(unit, target):
    return {WANTS.format(target, unit): "->/" + UNIT.format(unit)}


MONOLITHIC = {UNIT.format("libvirtd.service"): "", UNIT.format("libvirtd.socket"): "",
              **enabled("libvirtd.service", "multi-user.target"),
              **enabled("libvirtd.socket", "sockets.target")}
MODULAR = {UNIT.format("virtqemud.service"): "", UNIT.format("virtqemud.socket"): "",
           **enabled("virtqemud.socket", "sockets.target")}
PROXY = enabled("virtproxyd.socket", "sockets.target")
NO_IOMMU = {"sys/kernel/iommu_groups/0": DELETED, "sys/kernel/iommu_groups/1": DELETED,
            "sys/class/iommu/iommu0": DELETED}
LOCKDOWN = "sys/kernel/security/lockdown"
HELPER = "usr/lib/qemu/qemu-bridge-helper"

# name: base, changes, modules, exit status, results that are not those of FINE
HOSTS = {
    "intel": (INTEL, {}, ALL, 0, {}),
    "amd": (AMD, {}, ALL, 0, {}),
    "arm64": (ARM64, {}, ALL, 0, {"cpu": ("SKIP", "no-sign"), "firmware": ("SKIP", "no-lock"),
                                  "nested": ("SKIP", "no-parameter")}),
    "s390x": (S390X, {}, ALL, 0, {"firmware": ("SKIP", "no-lock"),
                                  "nested": ("PASS", "nested-off")}),
    "s390x-in-zvm": (S390X, {"proc/sysinfo": "Type: 8561\nVM00 Control Program: z/VM    7.1.0  \n"},
                     ALL, 0, {"firmware": ("SKIP", "no-lock"), "nested": ("PASS", "nested-off"),
                              "virtual-machine": ("PASS", "virtual-machine")}),
    "ppc64": (PPC64, {}, ["kvm_hv", "vfio_pci"], 0,
              {"cpu": ("SKIP", "no-sign"), "firmware": ("SKIP", "no-lock")}),
    "riscv64": (RISCV, {}, ALL, 0, {"firmware": ("SKIP", "no-lock"),
                                    "nested": ("SKIP", "no-parameter")}),
    "built-in": (INTEL, {"sys/module/kvm/initstate": DELETED,
                         "sys/module/kvm_intel/initstate": DELETED}, ALL, 0, {}),
    "nested": (INTEL, {"proc/cpuinfo": guest("GenuineIntel", "vmx ept"),
                       "sys/class/dmi/id/sys_vendor": "QEMU\n"}, ALL, 0,
               {"virtual-machine": ("PASS", "virtual-machine")}),
    # A machine of a cloud that is none of its virtual ones.
    "bare-metal-of-a-cloud": (INTEL, {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
                                      "sys/class/dmi/id/product_name": "c5.metal\n"}, ALL, 0, {}),
    "pvm": (INTEL, {"proc/cpuinfo": guest("GenuineIntel", "sse2"),
                    "sys/module/kvm_intel/initstate": DELETED,
                    "sys/module/kvm_intel/parameters/nested": DELETED}, ALL, 0,
            {"cpu": ("WARN", "no-cpu-support"), "nested": ("SKIP", "no-parameter"),
             "virtual-machine": ("PASS", "virtual-machine")}),
    "no-ept": (INTEL, {"proc/cpuinfo": CPU.format("GenuineIntel", "Core 2", "vmx")}, ALL, 0,
               {"cpu": ("WARN", "no-nested-paging")}),
    "nested-off": (INTEL, {"sys/module/kvm_intel/parameters/nested": "N\n"}, ALL, 0,
                   {"nested": ("WARN", "nested-off")}),
    "nested-strange": (INTEL, {"sys/module/kvm_intel/parameters/nested": "\x1b[2J\n"}, ALL, 0,
                       {"nested": ("UNKNOWN", "unreadable")}),

    # Hosts without KVM.
    "no-kvm": (INTEL, {**UNLOADED, **NO_NODE,
                       "proc/cpuinfo": CPU.format("GenuineIntel", "Atom", "sse2")}, ALL, 1,
               fail("no-cpu-support", cpu=("FAIL", "no-cpu-support"),
                    firmware=("UNKNOWN", "unreadable"), modules=("SKIP", "cpu-first"),
                    node=("SKIP", "no-kvm"))),
    "guest-without-nested": (INTEL, {**UNLOADED, **NO_NODE,
                                     "proc/cpuinfo": guest("AuthenticAMD", "sse2")}, ALL, 1,
                             fail("no-cpu-support", cpu=("FAIL", "no-cpu-support"),
                                  firmware=("UNKNOWN", "unreadable"), modules=("SKIP", "cpu-first"),
                                  node=("SKIP", "no-kvm"),
                                  **{"virtual-machine": ("PASS", "virtual-machine")})),
    "not-loaded": (INTEL, {**UNLOADED, **NO_NODE, "dev/cpu/0/msr": {0x3a: 5}}, ALL, 1,
                   fail("module-not-loaded", modules=("FAIL", "module-not-loaded"),
                        node=("SKIP", "no-kvm"))),
    # kvm-ok believes in a node that systemd has made before there was a module.
    "static-node": (AMD, UNLOADED, ALL, 1,
                    fail("module-not-loaded", modules=("FAIL", "module-not-loaded"),
                         firmware=("UNKNOWN", "unreadable"))),
    "blacklisted": (AMD, {**UNLOADED, "etc/modprobe.d/x.conf": "blacklist kvm_amd\n",
                          "dev/cpu/0/msr": {0xc0010114: 0x8}}, ALL, 1,
                    fail("module-blacklisted", modules=("FAIL", "module-blacklisted"))),
    "module-missing": (INTEL, {**BARE, **NO_NODE, "dev/cpu/0/msr": {0x3a: 0}}, ["vhost_net"], 1,
                       fail("module-missing", modules=("FAIL", "module-missing"),
                            **{"vhost-net": ("WARN", "module-not-loaded")},
                            node=("SKIP", "no-kvm"), tun=("WARN", "module-missing"),
                            vfio=("WARN", "module-missing"),
                            **{"vhost-vsock": ("WARN", "module-missing")})),
    "kernel-updated": (INTEL, {**BARE, **NO_NODE, "dev/cpu/0/msr": {0x3a: 0}}, None, 1,
                       fail("module-missing", modules=("FAIL", "module-missing"),
                            node=("SKIP", "no-kvm"), tun=("WARN", "module-missing"),
                            vfio=("WARN", "module-missing"),
                            **{"vhost-net": ("WARN", "module-missing"),
                               "vhost-vsock": ("WARN", "module-missing")})),
    "firmware-register": (INTEL, {**UNLOADED, **NO_NODE, "dev/cpu/0/msr": {0x3a: 1}}, ALL, 1,
                          fail("disabled-by-firmware", firmware=("FAIL", "disabled-by-firmware"),
                               modules=("SKIP", "cpu-first"), node=("SKIP", "no-kvm"))),
    "firmware-log": (AMD, {**UNLOADED, "dev/kmsg": causes.LOG.format(
        1, "kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0")}, ALL, 1,
                     fail("disabled-by-firmware", firmware=("FAIL", "disabled-by-firmware"),
                          modules=("SKIP", "cpu-first"))),
    "arm64-without-el2": (ARM64, {"sys/class/misc/kvm": DELETED}, ALL, 1,
                          fail("no-cpu-support", cpu=("SKIP", "no-sign"),
                               firmware=("SKIP", "no-lock"), nested=("SKIP", "no-parameter"))),
    "s390x-without-sie": (S390X, {**UNLOADED, "proc/cpuinfo": causes.S390X.format("")}, ALL, 1,
                          fail("no-cpu-support", cpu=("FAIL", "no-cpu-support"),
                               firmware=("SKIP", "no-lock"), modules=("PASS", "ok"),
                               nested=("PASS", "nested-off"))),
    "ppc64-pseries": (PPC64, {**BARE, **NO_NODE,
                              "sys/module/kvm_hv/parameters/nested": DELETED,
                              "proc/cpuinfo": causes.POWER.format("pSeries"),
                              "proc/device-tree/ibm,partition-name": "lpar1"}, ["kvm_pr"], 1,
                      fail("module-not-loaded", cpu=("SKIP", "no-sign"), node=("SKIP", "no-kvm"),
                           firmware=("SKIP", "no-lock"), nested=("SKIP", "no-parameter"),
                           modules=("FAIL", "module-not-loaded"), vfio=("WARN", "module-missing"),
                           **{"virtual-machine": ("PASS", "virtual-machine"),
                              "vhost-net": ("WARN", "module-missing"),
                              "vhost-vsock": ("WARN", "module-missing"),
                              "tun": ("WARN", "module-missing")})),
    "container-docker": (INTEL, {**NO_NODE, ".dockerenv": "", "dev/vhost-net": DELETED}, None, 1,
                         fail("no-device-node", container=("WARN", "container"), nested=OK,
                              node=("FAIL", "no-device-node"), vfio=("WARN", "module-missing"),
                              **{"vhost-net": ("WARN", "no-device-node")})),
    "container-with-kvm": (INTEL, {"run/systemd/container": "systemd-nspawn\n"}, ALL, 0,
                           {"container": ("PASS", "container")}),
    "container-podman": (INTEL, {"run/.containerenv": ""}, ALL, 0,
                         {"container": ("PASS", "container")}),
    "container-lxc": (INTEL, {"proc/1/environ": "A=1\0container=lxc\0"}, ALL, 0,
                      {"container": ("PASS", "container")}),
    "wsl": (INTEL, {"proc/sys/kernel/osrelease": "5.15.0-microsoft-standard-WSL2\n"}, None, 0,
            {"container": ("PASS", "container"), "vfio": ("WARN", "module-missing")}),

    # What cannot be read is never fine.
    "nothing": ({}, {}, None, 1, {
        **{name: ("UNKNOWN", "unreadable") for name in (
            "cpu", "firmware", "modules", "container", "virtual-machine", "iommu", "huge-pages",
            "ksm", "lockdown", "emulator", "node")},
        **fail("other"), "kvm": ("UNKNOWN", "other"),
        **{name: ("WARN", "module-missing") for name in (
            "vhost-net", "vhost-vsock", "tun", "vfio")}}),
    "container-unknown": (INTEL, {"proc/1/environ": DELETED}, ALL, 0,
                          {"container": ("UNKNOWN", "unreadable")}),
    "container-by-systemd": (INTEL, {"proc/1/environ": DELETED, "run/systemd/system": None}, ALL, 0,
                             {}),
    "broken-numbers": (INTEL, {"sys/kernel/mm/ksm/run": "yes\n",
                               "sys/kernel/mm/transparent_hugepage/enabled": "\n",
                               "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "-1\n",
                               "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "x\n"},
                       ALL, 0, {"ksm": ("UNKNOWN", "unreadable"),
                                "huge-pages": ("UNKNOWN", "unreadable")}),

    # The rest of the host.
    "integrity": (INTEL, {LOCKDOWN: "none [integrity] confidentiality\n"},
                  ALL, 0, {"lockdown": ("WARN", "lockdown")}),
    "confidentiality": (INTEL, {LOCKDOWN: "none integrity [confidentiality]\n"},
                        ALL, 0, {"lockdown": ("WARN", "lockdown")}),
    "no-lockdown": (INTEL, {LOCKDOWN: DELETED}, ALL, 0,
                    {"lockdown": ("UNKNOWN", "unreadable")}),
    "iommu-off": (INTEL, NO_IOMMU, ALL, 0, {"iommu": ("WARN", "iommu-off")}),
    "no-iommu": (AMD, NO_IOMMU, ALL, 0, {"iommu": ("WARN", "no-iommu")}),
    "no-huge-pages": (INTEL, {
        "sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]\n",
        "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "0\n"}, ALL, 0,
                      {"huge-pages": ("WARN", "no-huge-pages")}),
    "no-ksm": (INTEL, {"sys/kernel/mm/ksm/run": DELETED,
                       "sys/kernel/mm/ksm/pages_sharing": DELETED}, ALL, 0,
               {"ksm": ("SKIP", "no-ksm")}),
    "vhost-not-loaded": (INTEL, {"sys/class/misc/vhost-net": DELETED,
                                 "etc/modprobe.d/x.conf": "blacklist vhost_vsock\n",
                                 "sys/class/misc/vhost-vsock": DELETED}, ALL, 0,
                         {"vhost-net": ("WARN", "module-not-loaded"),
                          "vhost-vsock": ("WARN", "module-blacklisted")}),
    "no-emulator": (INTEL, {"usr/bin/qemu-system-x86_64": DELETED}, ALL, 0,
                    {"emulator": ("WARN", "no-emulator")}),
    "emulator-of-another-machine": (INTEL, {"usr/bin/qemu-system-x86_64": DELETED,
                                            "usr/bin/qemu-system-aarch64": "+x"}, ALL, 0,
                                    {"emulator": ("WARN", "no-emulator")}),
    "emulator-broken": (INTEL, {"usr/bin/qemu-system-x86_64": ""}, ALL, 0,
                        {"emulator": ("WARN", "emulator-broken")}),
    "policy-prefer": (AMD, {**UNLOADED, "etc/qemu-kvm.conf": "accel = prefer\n",
                            "dev/cpu/0/msr": {0xc0010114: 0x10}}, ALL, 1,
                      {"kvm": ("FAIL", "disabled-by-firmware"),
                       "nested": ("SKIP", "no-parameter"), "modules": ("SKIP", "cpu-first"),
                       "firmware": ("FAIL", "disabled-by-firmware"),
                       "launcher": ("WARN", "policy-not-met")}),
    "policy-off": (INTEL, {"etc/qemu-kvm.conf": "accel = off\n"}, ALL, 0,
                   {"launcher": ("PASS", "policy-off")}),
    "policy-bad": (INTEL, {"etc/qemu-kvm.conf": "accel = sometimes\n"}, ALL, 0,
                   {"launcher": ("WARN", "bad-configuration")}),
    "bridge-helper": (INTEL, {HELPER: "+s", "etc/qemu/bridge.conf": "# x\nallow br0\n"}, ALL, 0,
                      {"bridge-helper": OK}),
    "bridge-helper-plain": (INTEL, {"usr/libexec/qemu-bridge-helper": "+x"}, ALL, 0,
                            {"bridge-helper": ("WARN", "not-setuid")}),
    "bridge-helper-without-bridge": (INTEL, {HELPER: "+s", "etc/qemu/bridge.conf": "deny all\n"},
                                     ALL, 0, {"bridge-helper": ("WARN", "no-bridge")}),
    "bridge-helper-without-config": (INTEL, {HELPER: "+s"}, ALL, 0,
                                     {"bridge-helper": ("WARN", "no-bridge")}),
    "libvirt-modular": (INTEL, MODULAR, ALL, 0, {"libvirt": ("PASS", "modular")}),
    "libvirt-monolithic": (INTEL, MONOLITHIC, ALL, 0, {"libvirt": ("PASS", "monolithic")}),
    "libvirt-both": (INTEL, {**MODULAR, **MONOLITHIC}, ALL, 0,
                     {"libvirt": ("WARN", "libvirt-conflict")}),
    **{f"libvirt-{name}-beside": (INTEL, {**MONOLITHIC, UNIT.format(f"{name}.socket"): "",
                                          **enabled(f"{name}.socket", "sockets.target")},
                                  ALL, 0, {"libvirt": ("WARN", "libvirt-conflict")})
       for name in ("virtlxcd", "virtvboxd", "virtxend")},
    # Fedora's: a preset enabled the proxy beside libvirtd, on the same socket.
    "libvirt-proxy-beside": (INTEL, {**MONOLITHIC, **PROXY}, ALL, 0,
                             {"libvirt": ("WARN", "libvirt-conflict")}),
    "libvirt-masked": (INTEL, {**MODULAR, **MONOLITHIC,
                               "etc/systemd/system/libvirtd.service": "->/dev/null",
                               "etc/systemd/system/libvirtd.socket": "->/dev/null"}, ALL, 0,
                       {"libvirt": ("PASS", "modular")}),
    "libvirt-not-enabled": (INTEL, {UNIT.format("libvirtd.service"): ""}, ALL, 0,
                            {"libvirt": ("WARN", "not-enabled")}),
    # What both modes use says nothing.
    "libvirt-log-and-guests": (INTEL, {**MODULAR, **enabled("virtlogd.socket", "sockets.target"),
                                       **enabled("virtlockd.socket", "sockets.target"),
                                       **enabled("libvirt-guests.service", "multi-user.target")},
                               ALL, 0, {"libvirt": ("PASS", "modular")}),
}


def make_tree(tree, base, changes, modules):
    files = {path: content for path, content in {**base, **changes}.items()
             if content is not DELETED}
    modes = {"+x": 0o755, "+s": 0o4755}
    os.makedirs(tree, exist_ok=True)
    causes.make_host(tree, {path: "" if content in ("+x", "+s") else content
                            for path, content in files.items()}, modules)
    for path, content in files.items():
        if content in ("+x", "+s"):
            os.chmod(os.path.join(tree, path), modes[content])


def run(*args, env=None, **options):
    environment = {**os.environ, **(env or {})}
    environment.pop("QEMU_KVM_ACCEL", None)
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False, timeout=30,
                          env=environment, **options)


def causes_in_source():
    """Every code that the sources can print, but for those of KVM itself."""
    codes = set()
    for name in os.listdir(os.path.join(SOURCE_DIR, "check")):
        with open(os.path.join(SOURCE_DIR, "check", name), encoding="utf-8") as f:
            codes.update(re.findall(r'VERDICT_[A-Z]+,\s*"([a-z-]+)"', f.read()))
    return codes


class Hosts(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.tree = tempfile.mkdtemp(prefix="kvm-check-")
        self.addCleanup(shutil.rmtree, self.tree)

    def make(self, name):
        base, changes, modules, status, others = HOSTS[name]
        tree = os.path.join(self.tree, name)
        make_tree(tree, base, changes, modules)
        return tree, status, {**FINE, **others}

    def test_hosts(self):
        for name in HOSTS:
            with self.subTest(host=name):
                tree, status, expected = self.make(name)
                result = run("--json", "--sysroot", tree)
                self.assertEqual(result.stderr, "")
                found = json.loads(result.stdout)
                self.assertEqual(expected, {check["name"]: (check["verdict"], check["cause"])
                                            for check in found["checks"]})
                self.assertEqual((status, status == 0), (result.returncode, found["usable"]))
                self.check_text(tree, found, result.returncode)

    def check_text(self, tree, found, status):
        """The lines say the same as the JSON, and --quiet nothing."""
        text = run("--sysroot", tree)
        self.assertEqual((status, ""), (text.returncode, text.stderr))
        self.assertNotRegex(text.stdout, "[\x00-\x09\x0b-\x1f\x7f]")
        lines = [f"{check['verdict']:7} {check['name']:15} {check['cause']}: {check['text']}" +
                 (f"; {check['advice']}" if check["advice"] else "") for check in found["checks"]]
        self.assertEqual(lines, text.stdout.splitlines())
        for option in ("-q", "--quiet"):
            quiet = run(option, f"--sysroot={tree}")
            self.assertEqual((status, "", ""), (quiet.returncode, quiet.stdout, quiet.stderr))

    def test_every_cause_is_documented_and_tested(self):
        with open(os.path.join(SOURCE_DIR, "man", "kvm-check.1.scd"), encoding="utf-8") as f:
            described = set(re.findall(r"^\*([a-z-]+)\*$", f.read(), re.M))
        self.assertEqual(set(), causes_in_source() - described, "not in the man page")
        tested = {result[1] for row in HOSTS.values() for result in row[4].values()}
        tested |= {"ok", "not-asked", "not-installed"}
        live = {"capability-missing", "root-only", "permission", "device-cgroup", "other"}
        self.assertEqual(set(), causes_in_source() - tested - live)

    def test_unreadable(self):
        if os.geteuid() != 0:
            self.skipTest("no-root: needs root to become nobody")
        tree, _, expected = self.make("intel")
        for path in ("proc/cpuinfo", "sys/kernel/mm/ksm/run", "sys/kernel/security/lockdown",
                     "sys/module/kvm_intel/parameters/nested"):
            os.chmod(os.path.join(tree, path), 0)
        os.makedirs(os.path.join(tree, "etc/systemd/system/sockets.target.wants"), 0o700)
        os.chmod(self.tree, 0o755)
        result = run("--json", "--sysroot", tree, user=65534, group=65534, extra_groups=[])
        found = {check["name"]: (check["verdict"], check["cause"])
                 for check in json.loads(result.stdout)["checks"]}
        unknown = ("UNKNOWN", "unreadable")
        self.assertEqual({**expected, "cpu": unknown, "firmware": unknown, "modules": unknown,
                          "ksm": unknown, "lockdown": unknown, "libvirt": unknown,
                          "emulator": unknown, "virtual-machine": unknown,
                          "nested": ("SKIP", "no-parameter")}, found)

    def test_hostile_tree(self):
        """FIFOs do not make it wait, links do not lead out, text does not steer the terminal."""
        tree, _, _ = self.make("intel")
        for path in ("proc/cpuinfo", "proc/1/environ", "sys/kernel/mm/ksm/run", "etc/qemu-kvm.conf",
                     "etc/qemu/bridge.conf", "dev/cpu/0/msr", "dev/kmsg"):
            full = os.path.join(tree, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if os.path.exists(full):
                os.unlink(full)
            os.mkfifo(full)
        with open(os.path.join(tree, "run-secret"), "w", encoding="ascii") as f:
            f.write("outside")
        os.makedirs(os.path.join(tree, "run/systemd"))
        with open(os.path.join(tree, "run/systemd/container"), "wb") as f:
            f.write(b"\x1b[2Jevil\xff\n")
        for options in ((), ("--json",), ("--report", "-")):
            result = run("--sysroot", tree, *options)
            self.assertNotRegex(result.stdout, "[\x00-\x09\x0b-\x1f\x7f]")
            self.assertIn("evil", result.stdout)
            self.assertEqual(result.stderr, "")

    def test_colours_on_a_terminal_only(self):
        def on_terminal(**env):
            master, slave = os.openpty()
            full = {**os.environ, "TERM": "xterm", **env}
            subprocess.run([PROGRAM], stdout=slave, stderr=slave, env=full, check=False)
            os.close(slave)
            text = b""
            try:
                while chunk := os.read(master, 65536):
                    text += chunk
            except OSError:
                pass
            os.close(master)
            return text
        self.assertIn(b"\x1b[", on_terminal())
        self.assertIn(b"\x1b[", on_terminal(NO_COLOR=""))
        self.assertNotIn(b"\x1b[", on_terminal(NO_COLOR="1"))
        self.assertNotIn(b"\x1b[", on_terminal(TERM="dumb"))
        self.assertNotIn("\x1b[", run().stdout)


if __name__ == "__main__":
    if not os.path.exists("/sbin/depmod"):
        print("SKIP: no-depmod: kmod is not installed")
        sys.exit(77)
    unittest.main(verbosity=2)
