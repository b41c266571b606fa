# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts as trees of files, with modules that depend on each other and depmod's own indexes."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
BIN_DIR = os.environ["BIN_DIR"]
PROGRAM = os.path.join(BIN_DIR, "kvm-modprobe")
RELEASE = "6.1.0-test"

INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu {}\n"
AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu {}\n"
S390X = "vendor_id       : IBM/S390\nfeatures\t: esan3 zarch stfle {}\n"
POWER = "processor\t: 0\ncpu\t\t: POWER9\n\ntimebase\t: 512000000\nplatform\t: {}\n"
ARM64 = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"
RISCV = "processor\t: 0\nhart\t\t: 0\nisa\t\t: rv64{}_zicsr_zifencei\nmmu\t\t: sv48\n"

# As in the kernel: each with what it needs.
NEEDS = {"irqbypass": [], "kvm": ["irqbypass"], "kvm_intel": ["kvm"], "kvm_amd": ["kvm"],
         "kvm_hv": ["kvm"], "kvm_pr": ["kvm"], "vhost_iotlb": [], "vhost": ["vhost_iotlb"],
         "tun": [], "tap": [], "vhost_net": ["tun", "vhost", "tap"],
         "vhost_vsock": ["vhost"], "watchdog": []}

_objects = tempfile.TemporaryDirectory(prefix="kvm-modprobe-objects-")


def _object(name):
    """An object file that exports and needs symbols, as depmod sees them in a module."""
    path = os.path.join(_objects.name, name + ".ko")
    if not os.path.exists(path):
        text = f'__attribute__((section("__ksymtab_strings"))) const char x[] = "{name}_symbol";\n'
        text += f"int {name}_symbol;\n"
        for needed in NEEDS[name]:
            text += f"extern int {needed}_symbol; int *p_{needed} = &{needed}_symbol;\n"
        subprocess.run(["cc", "-x", "c", "-c", "-fno-pic", "-o", path, "-"], input=text, text=True,
                       check=True)
    return path


def install_modules(tree, names, built_in=(), release=RELEASE):
    """The modules `names` and all they need, in depmod's indexes below `tree`."""
    directory = os.path.join(tree, "lib/modules", release)
    os.makedirs(os.path.join(directory, "kernel"), exist_ok=True)
    todo = list(names)
    while todo:
        name = todo.pop()
        todo += [needed for needed in NEEDS[name] if needed not in built_in]
        shutil.copy(_object(name), os.path.join(directory, "kernel", name + ".ko"))
    for name in ("modules.order", "modules.builtin.modinfo"):
        write(os.path.join(directory, name), "")
    write(os.path.join(directory, "modules.builtin"),
          "".join(f"kernel/{name}.ko\n" for name in built_in))
    subprocess.run(["/sbin/depmod", "-b", tree, release], check=True, stderr=subprocess.DEVNULL)
    return directory


def check_order(loads):
    """depmod leaves open in which order modules come that do not need each other."""
    kvm = {"irqbypass", "kvm", "kvm_intel", "kvm_amd", "kvm_hv", "kvm_pr", "watchdog"}
    wanted = [name for name in loads if name in ("vhost_net", "vhost_vsock")]
    assert wanted == sorted(wanted), loads
    for i, name in enumerate(loads):
        assert name not in loads[i + 1:], f"twice: {loads}"
        for needed in NEEDS[name]:
            assert needed not in loads[i + 1:], f"{needed} after {name}: {loads}"
        assert name in kvm or not kvm & set(loads[i + 1:]), f"{name} too early: {loads}"


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if isinstance(content, str) and content.startswith("->"):
        os.symlink(content[2:], path)
        return
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode("latin-1"))


def make_host(tree, files, modules=(), built_in=(), loaded=()):
    """`modules`: None for no tree at all. `loaded` have a place in /sys/module."""
    for path, content in {"proc/sys/kernel/osrelease": RELEASE + "\n", "proc/modules": "",
                          "sys/class": None, **files}.items():
        if content is None:
            os.makedirs(os.path.join(tree, path), exist_ok=True)
        else:
            write(os.path.join(tree, path), content)
    for name in loaded:
        write(os.path.join(tree, "sys/module", name, "initstate"), "live\n")
        if name.startswith("kvm_"):
            os.makedirs(os.path.join(tree, "sys/class/misc/kvm"), exist_ok=True)
    if modules is not None:
        install_modules(tree, modules, built_in)


def run(*args, **options):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False,
                          timeout=30, **options)


def need_depmod():
    if not os.path.exists("/sbin/depmod"):
        print("SKIP: no-depmod: kmod is not installed")
        sys.exit(77)
