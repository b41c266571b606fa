#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm-check on hosts as they answer, beside kvm-ok and virt-host-validate on the same hosts.

The hosts are private mounts over the real paths (see tests/launcher/launcher.py), and kvm-faults
answers in the place of KVM. The truth of a row is whether this user can make a virtual machine.
kvm-check has to tell it always; where the other two are known to be wrong they have to be so, that
the comparison which is printed stays true.
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "launcher"))
import launcher  # noqa: E402
from launcher import NOBODY, USABLE, kvmtest  # noqa: E402

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
TESTER, TESTER_GROUP, KVM_GROUP = 4243, 4244, 4242
NOBODYS = {"user": (NOBODY, NOBODY, ())}
TESTERS = {"user": (TESTER, TESTER_GROUP, ())}
IOEVENTFD, USER_MEMORY = "36", "3"


def node(**options):
    def make(host):
        host.node(**options)
    return make


def nothing(_):
    pass


def unloaded(*modules, flags=("vmx", "ept"), node_is_there=False):
    def make(host):
        if not node_is_there:
            launcher.remove("/dev/kvm")
        host.misc("hw_random")
        host.modules()
        host.cpu_flags(*flags)
        host.loadable(*modules)
    return make


def locked(host):
    unloaded("kvm_intel")(host)
    launcher.write("/dev/cpu/0/msr", b"\0" * 0x3a + struct.pack("<Q", 1))


def blacklisted(host):
    unloaded("kvm_intel")(host)
    launcher.write("/etc/modprobe.d/kvm.conf", "blacklist kvm_intel\n")


def regular_file(_):
    launcher.write("/dev/kvm", "")


def no_node(host):
    launcher.remove("/dev/kvm")
    host.misc("kvm")


def flags(*names):
    def make(host):
        host.cpu_flags(*names)
    return make


# A host, what kvm-faults is told (None: nothing), who runs it, and what kvm-check says of "kvm";
# then whether kvm-ok and virt-host-validate are right.
ROWS = {
    "KVM works": (nothing, USABLE, {}, "ok", True, True),
    "KVM works, AMD": (flags("svm", "npt"), USABLE, {}, "ok", True, True),
    "KVM works without CPU flags (PVM)": (flags("sse2"), USABLE, {}, "ok", False, False),
    "KVM works, ordinary user": (nothing, USABLE, NOBODYS, "ok", True, True),
    "no CPU feature": (unloaded(flags=("sse2",)), None, {}, "no-cpu-support", True, True),
    "no module loaded": (unloaded("kvm_intel"), None, {}, "module-not-loaded", False, True),
    "module missing": (unloaded(), None, {}, "module-missing", False, True),
    "module blacklisted": (blacklisted, None, {}, "module-blacklisted", False, True),
    "locked by firmware": (locked, None, {}, "disabled-by-firmware", None, True),
    "static node, no module": (unloaded("kvm_intel", node_is_there=True), ("--open", "ENODEV"), {},
                               "module-not-loaded", False, False),
    "node missing": (no_node, None, {}, "no-device-node", False, True),
    "node is a file": (regular_file, None, {}, "not-a-kvm-device", False, False),
    "node of another device": (node(device=(1, 3)), None, {}, "not-a-kvm-device", False, False),
    "not permitted": (node(mode=0o660), None, NOBODYS, "permission", False, True),
    "group not active": (node(mode=0o660, gid=KVM_GROUP), None, TESTERS, "group-not-active",
                         False, True),
    "device cgroup": (nothing, ("--open", "EPERM"), {}, "device-cgroup", False, False),
    "busy (VirtualBox)": (nothing, ("--create-vm", "EBUSY"), {}, "busy", False, False),
    "another API version": (nothing, ("--api-version", "10"), {}, "api-version", False, False),
}


def add_users():
    """A user who is in the group kvm by the database, and in no session."""
    with open("/etc/passwd", encoding="utf-8") as f:
        passwd = f.read()
    with open("/etc/group", encoding="utf-8") as f:
        group = f.read()
    for path in ("/etc/passwd", "/etc/group"):
        launcher.host.forget(path)
    launcher.write("/etc/passwd", passwd + f"tester:x:{TESTER}:{TESTER_GROUP}::/:/bin/sh\n")
    launcher.write("/etc/group", f"{group}tester:x:{TESTER_GROUP}:\n"
                   f"kvmtest:x:{KVM_GROUP}:tester\n")


class Peers:
    """The two programs, each run on the host as it is now."""

    def __init__(self, host):
        self.host = host
        self.kvm_ok = self._copy("kvm-ok")
        self.validate = shutil.which("virt-host-validate")
        # kvm-ok would load the module msr of this machine, and read a register of its real CPU.
        launcher.write(host.path("bin", "modprobe"), "#!/bin/sh\n", 0o755)
        if not shutil.which("rdmsr"):
            launcher.write(host.path("bin", "rdmsr"), "#!/bin/sh\nexit 127\n", 0o755)

    def _copy(self, name):
        path = shutil.which(name, path=os.environ["PATH"] + ":" + SYSTEM_PATH)
        return path and shutil.copy(path, self.host.path("bin", name))

    def environment(self):
        env = {"PATH": self.host.path("bin") + ":" + os.environ["PATH"] + ":" + SYSTEM_PATH}
        if "LD_LIBRARY_PATH" in os.environ:
            env["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        return env

    def ask_kvm_ok(self, **options):
        """Whether it says that KVM can be used; None: it does not run here."""
        if not self.kvm_ok:
            return None
        result = self.host.run(program=self.kvm_ok, env=self.environment(), **options)
        return result.returncode == 0

    def ask_validate(self, **options):
        """Likewise; the lines that are about KVM itself decide."""
        if not self.validate:
            return None
        result = self.host.run("qemu", program=self.validate, env=self.environment(), **options)
        lines = [line for line in result.stdout.decode().splitlines()
                 if "hardware virtualization" in line or "/dev/kvm" in line]
        assert lines, result
        return not any(": FAIL" in line for line in lines)


class Live(launcher.TestCase):
    table = []

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        add_users()
        cls.peers = Peers(launcher.host)
        cls.program = shutil.copy(os.path.join(kvmtest.BIN_DIR, "kvm-check"),
                                  launcher.host.path("bin", "kvm-check"))

    @classmethod
    def tearDownClass(cls):
        words = {True: "usable", False: "no", None: "-"}
        print(f"\n{'host':36} {'truth':8} {'kvm-check':30} {'kvm-ok':8} virt-host-validate")
        for name, truth, ours, cause, *others in cls.table:
            print(f"{name:36} {words[truth]:8} {words[ours] + ' (' + cause + ')':30} " +
                  f"{words[others[0]]:8} {words[others[1]]}")
        super().tearDownClass()

    def check(self, *args, **options):
        return self.host.run(*args, program=self.program, **options)

    def found(self, **options):
        result = self.check("--json", **options)
        self.assertEqual(result.stderr, b"")
        found = json.loads(result.stdout)
        self.assertEqual(found["usable"], result.returncode == 0)
        return found["usable"], {check["name"]: check for check in found["checks"]}

    def test_rows(self):
        for name, (make, kvm, options, cause, *right) in ROWS.items():
            with self.subTest(host=name):
                self.host.reset()
                for path in ("/dev/cpu", "/etc/modprobe.d"):
                    self.host.forget(path)
                make(self.host)
                truth = cause == "ok"
                usable, checks = self.found(kvm=kvm, **options)
                self.assertEqual((truth, cause), (usable, checks["kvm"]["cause"]), checks["kvm"])
                others = (self.peers.ask_kvm_ok(kvm=kvm, **options),
                          self.peers.ask_validate(kvm=kvm, **options))
                self.table.append((name, truth, usable, cause, *others))
                for other, is_right in zip(others, right):
                    if other is not None and is_right is not None:
                        self.assertEqual(is_right, other == truth)

    def test_advice(self):
        """What to do stands behind what is wrong, on the same line."""
        unloaded("kvm_intel")(self.host)
        result = self.check(kvm=None)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b'FAIL    kvm             module-not-loaded: the module kvm_intel is not '
                      b'loaded; run "kvm-modprobe" as root\n', result.stdout)

    def test_node(self):
        for mode, gid, verdict, cause in ((0o666, 0, "PASS", "ok"),
                                          (0o660, KVM_GROUP, "PASS", "ok"),
                                          (0o600, 0, "WARN", "root-only"),
                                          (0o660, 0, "WARN", "root-only")):
            self.host.node(mode=mode, gid=gid)
            _, checks = self.found()
            self.assertEqual((verdict, cause), (checks["node"]["verdict"], checks["node"]["cause"]))
            self.assertIn(f"mode {mode:04o}", checks["node"]["text"])

    def test_node_of_a_containers_host(self):
        """There "kvm-device apply" is for the host, where /dev as a whole is the host's."""
        table = launcher.write(self.host.path("mounts"), "udev /dev devtmpfs rw 0 0\n")
        mark = self.host.path("run")
        launcher.write(os.path.join(mark, ".containerenv"), "")

        def in_container():
            kvmtest.mount("--bind", mark, "/run")

        def with_the_hosts_dev():
            in_container()
            kvmtest.mount("--bind", table, f"/proc/{os.getpid()}/mounts")
        self.host.node(mode=0o600)
        for prepare, where in ((in_container, ""),
                               (with_the_hosts_dev, " on this container's host")):
            def prepare_privately(prepare=prepare):
                launcher.libc.unshare(launcher.CLONE_NEWNS)
                prepare()
            _, checks = self.found(kvm=None, prepare=prepare_privately)
            self.assertEqual(("root-only", f'run "kvm-device apply" as root{where}'),
                             (checks["node"]["cause"], checks["node"]["advice"]))

    def test_capabilities(self):
        for number, verdict, usable in ((IOEVENTFD, "WARN", True), (USER_MEMORY, "FAIL", False)):
            found, checks = self.found(faults=("--without", number))
            self.assertEqual((usable, verdict, "capability-missing"),
                             (found, checks["capabilities"]["verdict"],
                              checks["capabilities"]["cause"]))

    def test_device_permission(self):
        os.mknod("/dev/vhost-net", 0o020600, os.makedev(1, 3))  # any that opens
        self.addCleanup(os.unlink, "/dev/vhost-net")
        _, checks = self.found(**NOBODYS)
        self.assertEqual(("WARN", "permission"), (checks["vhost-net"]["verdict"],
                                                  checks["vhost-net"]["cause"]))
        _, checks = self.found()
        self.assertEqual("ok", checks["vhost-net"]["cause"])
        os.unlink("/dev/vhost-net")
        os.mknod("/dev/vhost-net", 0o020600, os.makedev(10, 251))  # any without a driver
        _, checks = self.found()
        self.assertEqual(("WARN", "other"), (checks["vhost-net"]["verdict"],
                                             checks["vhost-net"]["cause"]))

    def test_emulator_and_policy(self):
        _, checks = self.found()
        self.assertIn(self.host.emulator, checks["emulator"]["text"])
        _, checks = self.found(env={"PATH": "/nowhere"})
        self.assertEqual("no-emulator", checks["emulator"]["cause"])
        self.assertTrue(checks["emulator"]["advice"].startswith("install the package "))
        for policy, cause in (("prefer", "ok"), ("off", "policy-off"),
                              ("x\x1b", "bad-configuration")):
            _, checks = self.found(env={"QEMU_KVM_ACCEL": policy})
            self.assertEqual(cause, checks["launcher"]["cause"])

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            for option in ((), ("--json",), ("--report", "-")):
                result = subprocess.run([self.program, *option], stdout=full, check=False,
                                        stderr=subprocess.PIPE)
                self.assertEqual((1, 1), (result.returncode, result.stderr.count(b"\n")))

    def test_usage(self):
        for args in (["x"], ["--json", "--quiet"], ["--report", "x", "-q"], ["--with-guests"],
                     ["--report"], ["--sysroot"]):
            result = self.check(*args)
            self.assertEqual((2, b"", 2), (result.returncode, result.stdout,
                                           result.stderr.count(b"\n")), args)
        result = self.check("--sysroot", "/nonexistent")
        self.assertEqual((1, b"", 1), (result.returncode, result.stdout,
                                       result.stderr.count(b"\n")))


class Report(launcher.TestCase):
    """The report has no secret, and guests only when they are asked for."""
    SECRET = "hunter2"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = shutil.copy(os.path.join(kvmtest.BIN_DIR, "kvm-check"),
                                  launcher.host.path("bin", "kvm-check"))

    def setUp(self):
        super().setUp()
        self.tree = self.host.path("work", "tree")
        shutil.rmtree(self.tree, ignore_errors=True)
        for path, text in {
                "proc/cmdline": f"root=/dev/sda rd.luks.key={self.SECRET} kvm_intel.nested=1 "
                                "ip=10.1.2.3 intel_iommu=on "
                                f"systemd.set_credential=a:{self.SECRET}\n",
                "etc/os-release": 'NAME=Test\nPRETTY_NAME="Test Linux 1"\n',
                "proc/cpuinfo": "vendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t: vmx ept\n",
                "sys/module/kvm_intel/parameters/nested": "Y\n",
                "etc/modprobe.d/kvm.conf": "# options kvm_amd x=1\nblacklist kvm_amd\n"
                                           f"options secretmodule key={self.SECRET}\n",
                "sys/module/secretmodule/parameters/key": self.SECRET,
                "proc/55/comm": "qemu-system-x86\n", "proc/55/status": "Name:\tqemu\nTgid:\t55\n",
                "proc/55/cmdline": f"qemu\0-name\0guest-one\0-vnc\0password={self.SECRET}\x1b\0",
        }.items():
            launcher.write(os.path.join(self.tree, path), text)
        os.makedirs(os.path.join(self.tree, "proc/55/fd"))
        os.makedirs(os.path.join(self.tree, "sys/class/misc"))
        os.makedirs(os.path.join(self.tree, "proc/55/task/55"))
        os.makedirs(os.path.join(self.tree, "sys/kernel/debug/kvm/55-11"))

    def report(self, *args):
        return self.host.run("--sysroot", self.tree, "--report", *args, program=self.program)

    def test_without_guests(self):
        result = self.report("report.txt")
        self.assertEqual((b"", b""), (result.stdout, result.stderr))
        self.addCleanup(os.unlink, "report.txt")
        self.assertEqual(os.stat("report.txt").st_mode & 0o777, 0o600)
        with open("report.txt", encoding="utf-8") as f:
            text = f.read()
        for secret in (self.SECRET, "guest-one", "10.1.2.3", "secretmodule"):
            self.assertNotIn(secret, text)
        for fact in ("Test Linux 1", "kvm_intel.nested=1", "intel_iommu=on", "nested=Y",
                     "cpu: Xeon", "FAIL    kvm ", "1 running",
                     "/etc/modprobe.d/kvm.conf:2: blacklist kvm_amd\n", "/dev/kvm: No such file"):
            self.assertIn(fact, text)

    def test_with_guests(self):
        text = self.report("-", "--with-guests").stdout.decode()
        self.assertIn("process 55: guest-one", text)
        self.assertIn(f"password={self.SECRET}\\x1b", text)
        self.assertNotIn("\x1b", text)

    def test_never_writes_over_anything(self):
        target = launcher.write(self.host.path("work", "precious"), "data")
        os.symlink("precious", "link")
        self.addCleanup(os.unlink, "link")
        for name in ("precious", "link"):
            result = self.report(name)
            self.assertEqual(1, result.returncode)
            self.assertIn(b"it is there already", result.stderr)
        with open(target, encoding="ascii") as f:
            self.assertEqual("data", f.read())
        result = self.report("/nonexistent/report")
        self.assertEqual((1, 1), (result.returncode, result.stderr.count(b"\n")))


if __name__ == "__main__":
    launcher.enter()
    program = unittest.main(verbosity=2, exit=False)
    missing = [name for name in ("kvm-ok", "virt-host-validate")
               if not shutil.which(name, path=os.environ["PATH"] + ":" + SYSTEM_PATH)]
    if not program.result.wasSuccessful():
        sys.exit(1)
    if missing:
        kvmtest.skip("no-peers", f"compared without {' and '.join(missing)}; all else has passed")
