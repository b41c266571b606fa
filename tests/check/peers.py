#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The copies of hosts of hosts.py, with kvm-ok and virt-host-validate run on each of them.

A copy's /dev, /sys and /proc/cpuinfo are mounted over the real ones, in mounts that end with each
run, and uname() tells the copy's machine. The truth is the copy's row in hosts.py, which kvm-check
has to agree with. Where the others are wrong is written down here, and printed.
"""
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import hosts  # noqa: E402

sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import kvmtest  # noqa: E402

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
FAULTS = os.path.join(os.environ["LAUNCHER_TESTS_DIR"], "kvm-faults")
MACHINES = (("arm64", "aarch64"), ("s390x", "s390x"), ("ppc64", "ppc64"), ("riscv64", "riscv64"))

# Where they do not tell the truth. kvm-ok is content with a node, or with a CPU whose registers it
# cannot read; virt-host-validate with a node; both take PVM, which needs no flag, for impossible.
BOTH = {"arm64-without-el2", "blacklisted", "firmware-log", "policy-prefer", "pvm", "static-node"}
WRONG = {
    "kvm-ok": BOTH | {"container-docker", "kernel-updated", "module-missing", "not-loaded",
                      "ppc64-pseries", "s390x-without-sie"},
    "virt-host-validate": BOTH,
}

# Runs in mounts of its own: $1 the tree, then the command.
SCRIPT = """
mount --make-rprivate / &&
mount --bind "$1/sys" /sys && mount --bind "$1/dev" /dev &&
mount --bind "$1/proc/cpuinfo" /proc/cpuinfo || exit 99
shift
exec setpriv --bounding-set=-sys_module "$@"
"""


def machine_of(name):
    for start, machine in MACHINES:
        if name.startswith(start):
            return machine
    return "x86_64"


class Peers(unittest.TestCase):
    maxDiff = None
    table = []

    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="kvm-peers-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        os.chmod(cls.top, 0o755)
        # kvm-ok would load the module msr of this machine.
        modprobe = os.path.join(cls.top, "modprobe")
        with open(modprobe, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n")
        os.chmod(modprobe, 0o755)

    @classmethod
    def tearDownClass(cls):
        words = {True: "usable", False: "no", None: "-"}
        print(f"\n{'host':30} {'truth':8} {'kvm-check':10} {'kvm-ok':14} virt-host-validate")
        for name, truth, ours, *others in cls.table:
            told = [words[other] + (" (wrong)" if other is (not truth) else "") for other in others]
            print(f"{name:30} {words[truth]:8} {words[ours]:10} {told[0]:14} {told[1]}")

    def make(self, name):
        base, changes, modules, status, _ = hosts.HOSTS[name]
        tree = os.path.join(self.top, name)
        hosts.make_tree(tree, base, changes, modules)
        for directory in ("sys", "dev", "proc"):
            os.makedirs(os.path.join(tree, directory), exist_ok=True)
        with open(os.path.join(tree, "proc/cpuinfo"), "a", encoding="ascii"):
            pass
        for node in ("null", "urandom"):
            os.mknod(os.path.join(tree, "dev", node), stat.S_IFCHR | 0o666,
                     os.stat("/dev/" + node).st_rdev)
        os.chmod(os.path.join(tree, "dev/null"), 0o666)
        return tree, status == 0

    def run_there(self, name, tree, *command):
        faults = [] if machine_of(name) == os.uname().machine else [
            FAULTS, "--machine", machine_of(name), "--"]
        path = self.top + ":" + os.environ["PATH"] + ":" + SYSTEM_PATH
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", tree, *faults, *command],
            capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL,
            env={**os.environ, "PATH": path})
        self.assertNotEqual(99, result.returncode, result.stderr)
        return result

    def ask_kvm_ok(self, name, tree):
        result = self.run_there(name, tree, "kvm-ok")
        self.assertIn("KVM acceleration can", result.stdout, result.stderr)
        return result.returncode == 0

    def ask_validate(self, name, tree):
        """None: it crashes, as an x86 one does on the CPU of s390x."""
        result = self.run_there(name, tree, "virt-host-validate", "qemu")
        if result.returncode < 0 and machine_of(name) == "s390x":
            return None
        lines = [line for line in result.stdout.splitlines()
                 if "hardware virtualization" in line or "/dev/kvm" in line]
        self.assertTrue(lines, result)
        return not any(": FAIL" in line for line in lines)

    def test_hosts(self):
        wrong = {"kvm-ok": set(), "virt-host-validate": set()}
        for name in hosts.HOSTS:
            if name == "nothing":
                continue  # of an unknown machine
            with self.subTest(host=name):
                tree, truth = self.make(name)
                ours = hosts.run("--quiet", "--sysroot", tree).returncode == 0
                self.assertEqual(truth, ours)
                told = {"kvm-ok": self.ask_kvm_ok(name, tree),
                        "virt-host-validate": self.ask_validate(name, tree)}
                for peer, usable in told.items():
                    if usable is (not truth):
                        wrong[peer].add(name)
                self.table.append((name, truth, ours, *told.values()))
        self.assertEqual(WRONG, wrong)


if __name__ == "__main__":
    kvmtest.need_root()
    if not os.path.exists("/sbin/depmod"):
        kvmtest.skip("no-depmod", "kmod is not installed")
    missing = [program for program in ("kvm-ok", "virt-host-validate", "rdmsr")
               if not shutil.which(program, path=os.environ["PATH"] + ":" + SYSTEM_PATH)]
    if missing:
        kvmtest.skip("no-peers", f"{' and '.join(missing)} not installed")
    unittest.main(verbosity=2)
