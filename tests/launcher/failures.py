#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that can be missing or broken: one line with a stable code, the right status.

Causes that are in files alone (CPU, firmware, modules) are tested with trees by causes.py; here
are the device nodes, what the kernel answers, and the emulators.
"""
import os
import socket
import stat
import struct
import unittest

import launcher
from launcher import ARCH, EMULATOR_NAME, NOBODY, USABLE, code

TESTER, TESTER_GROUP, KVM_GROUP = 4243, 4244, 4242
ARGS = ["-m", "1G"]


def no_node(host):
    launcher.remove("/dev/kvm")
    host.misc("kvm")


def regular_file(_):
    launcher.write("/dev/kvm", "")


def directory(_):
    launcher.remove("/dev/kvm")
    os.mkdir("/dev/kvm")


def fifo(_):
    launcher.remove("/dev/kvm")
    os.mkfifo("/dev/kvm", 0o666)


def unix_socket(_):
    launcher.remove("/dev/kvm")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("/dev/kvm")


def link_to(target):
    def make(host):
        launcher.remove("/dev/kvm")
        os.symlink(target, "/dev/kvm")
        host.misc("kvm")
    make.__name__ = f"link to {target}"
    return make


def node(**options):
    def make(host):
        host.node(**options)
    make.__name__ = f"node {options}"
    return make


def block_device(_):
    launcher.remove("/dev/kvm")
    os.mknod("/dev/kvm", stat.S_IFBLK | 0o666, os.makedev(10, 232))


def nothing(_):
    pass


def unloaded(*modules, node_is_there=False, flags=("vmx",)):
    """No KVM in the kernel, and these modules installed for it."""
    def make(host):
        if not node_is_there:
            launcher.remove("/dev/kvm")
        host.misc()
        host.modules()
        host.cpu_flags(*flags)
        host.loadable(*modules)
    make.__name__ = f"unloaded {modules} {node_is_there} {flags}"
    return make


def blacklisted(host):
    unloaded("kvm_intel")(host)
    launcher.write("/etc/modprobe.d/kvm.conf", "blacklist kvm_intel\n")


def firmware(host):
    """The register that the firmware has locked, as /dev/cpu/0/msr has it."""
    unloaded("kvm_intel")(host)
    launcher.write("/dev/cpu/0/msr", b"\0" * 0x3a + struct.pack("<Q", 1))


def user(uid, gid, *groups):
    return {"user": (uid, gid, groups)}


NOBODYS = user(NOBODY, NOBODY)
TESTERS = user(TESTER, TESTER_GROUP)

# What the host is like, what kvm-faults is told (None: the node is on its own), who runs it, and
# the code of the cause.
CAUSES = [
    (no_node, None, {}, "no-device-node"),
    (no_node, USABLE, NOBODYS, "no-device-node"),
    (link_to("/dev/nowhere"), None, {}, "no-device-node"),
    (regular_file, None, {}, "not-a-kvm-device"),
    (regular_file, None, NOBODYS, "not-a-kvm-device"),
    (directory, None, {}, "not-a-kvm-device"),
    (fifo, None, {}, "not-a-kvm-device"),
    (unix_socket, None, {}, "not-a-kvm-device"),
    (block_device, None, {}, "not-a-kvm-device"),
    (node(device=(1, 3)), None, {}, "not-a-kvm-device"),
    (node(device=(10, 231)), None, {}, "not-a-kvm-device"),
    (link_to("/dev/null"), None, {}, "not-a-kvm-device"),
    (link_to("kvm"), None, {}, "other"),
    (nothing, ("--api-version", "ENOTTY"), {}, "not-a-kvm-device"),
    (node(mode=0o600), None, NOBODYS, "permission"),
    (node(mode=0o660, gid=KVM_GROUP), None, NOBODYS, "permission"),
    (node(mode=0o660, gid=KVM_GROUP), None, user(55555, 55555), "permission"),
    (node(mode=0o660, gid=55555), None, NOBODYS, "permission"),
    (node(mode=0o000), None, NOBODYS, "permission"),
    (node(mode=0o444), None, NOBODYS, "permission"),
    (nothing, ("--open", "EACCES"), {}, "permission"),
    (node(mode=0o660, gid=KVM_GROUP), None, TESTERS, "group-not-active"),
    (node(mode=0o640, gid=KVM_GROUP), None, TESTERS, "permission"),
    (nothing, ("--open", "EPERM"), {}, "device-cgroup"),
    (nothing, ("--open", "EBUSY"), {}, "busy"),
    (nothing, ("--create-vm", "EBUSY"), {}, "busy"),
    (nothing, ("--api-version", "13"), {}, "api-version"),
    (nothing, ("--api-version", "11"), {}, "api-version"),
    (nothing, ("--api-version", "0"), {}, "api-version"),
    (nothing, ("--open", "EIO"), {}, "other"),
    (nothing, ("--open", "EMFILE"), {}, "other"),
    (nothing, ("--open", "ENOMEM"), {}, "other"),
    (nothing, ("--create-vm", "ENOMEM"), {}, "other"),
    (nothing, ("--create-vm", "EINVAL"), {}, "other"),
    (nothing, ("--create-vm", "EINTR"), {}, "other"),
]

# What a user who may not open the device is told to do: what would help him, and nothing else.
IN_CONTAINER = os.path.exists("/run/.containerenv") or (
    os.readlink("/proc/self/ns/pid") != "pid:[4026531836]" and
    (os.path.exists("/.dockerenv") or os.path.exists("/run/systemd/container")))
GROUP_OF_CONTAINER = ("start the container with the device's group, as with "
                      '"--group-add keep-groups" or its number')
RULE = 'the device rule has not been applied: run "kvm-device apply" as root'
SECURITY = ("its mode would allow it: look for the mount option nodev, and for SELinux or AppArmor "
            "in the audit log")
ACCESS = [
    (node(mode=0o660, gid=KVM_GROUP), None, NOBODYS, "nobody", "root:kvm, mode 0660",
     'run "usermod -aG kvm nobody" as root and log in again'),
    (node(mode=0o660, gid=55555), None, NOBODYS, "nobody", "root:55555, mode 0660", RULE),
    (node(mode=0o660, gid=KVM_GROUP), None, user(55555, 55555), "55555", "root:kvm, mode 0660",
     "run this as a user in the device's group"),
    (node(mode=0o660, gid=NOBODY), None, user(TESTER, TESTER_GROUP), "tester",
     "root:nogroup, mode 0660", GROUP_OF_CONTAINER),
    (node(mode=0o600), None, NOBODYS, "nobody", "root:root, mode 0600", RULE),
    (node(mode=0o660, gid=0), None, NOBODYS, "nobody", "root:root, mode 0660", RULE),
    (node(mode=0o666), ("--open", "EACCES"), NOBODYS, "nobody", "root:root, mode 0666", SECURITY),
    (node(mode=0o600), ("--open", "EACCES"), {}, "root", "root:root, mode 0600", SECURITY),
]

X86_CAUSES = [
    (unloaded("kvm_intel"), None, {}, "module-not-loaded"),
    (unloaded("kvm_amd", flags=["svm"]), None, {}, "module-not-loaded"),
    (unloaded("kvm_intel", node_is_there=True), ("--open", "ENODEV"), {}, "module-not-loaded"),
    (unloaded("kvm_intel", node_is_there=True), ("--open", "ENXIO"), {}, "module-not-loaded"),
    (unloaded(), None, {}, "module-missing"),
    (unloaded("kvm_amd"), None, {}, "module-missing"),
    (unloaded(node_is_there=True), ("--open", "ENODEV"), {}, "module-missing"),
    (blacklisted, None, {}, "module-blacklisted"),
    (unloaded("kvm_intel", flags=[]), None, {}, "no-cpu-support"),
    (unloaded("kvm_intel", node_is_there=True, flags=[]), ("--open", "ENODEV"), {},
     "no-cpu-support"),
    (firmware, None, {}, "disabled-by-firmware"),
]


class Causes(launcher.TestCase):
    def setUp(self):
        super().setUp()
        self.host.forget("/dev/cpu")
        for file, lines in (("/etc/passwd", f"root:x:0:0::/root:/bin/sh\n"
                             f"tester:x:{TESTER}:{TESTER_GROUP}::/:/bin/sh\n"
                             f"nobody:x:{NOBODY}:{NOBODY}::/:/bin/sh\n"),
                            ("/etc/group", f"root:x:0:\ntester:x:{TESTER_GROUP}:\n"
                             f"kvm:x:{KVM_GROUP}:tester\nnogroup:x:{NOBODY}:\n"),
                            ("/etc/nsswitch.conf", "passwd: files\ngroup: files\n")):
            self.host.forget(file)
            launcher.write(file, lines)

    def check(self, make, kvm, who, name):
        """One cause, under each policy and as the user's own choice."""
        self.host.reset()
        make(self.host)
        options = {"kvm": kvm, **who}
        self.assert_refused(self.host.run(*ARGS, **options), 1, code(name))
        prefer = {**options, "env": {"QEMU_KVM_ACCEL": "prefer"}}
        for args, expected in ((ARGS, ["-accel", "tcg", *ARGS]),
                               (["-enable-kvm"], ["-enable-kvm"])):
            result = self.host.run(*args, **prefer)
            self.assert_run(result, expected)
            self.assert_line(result.stderr, code(name), warning=True)
        result = self.host.run("--kvm-explain", *ARGS, **options)
        self.assertEqual((1, []), (result.returncode, result.runs))
        self.assertRegex(result.stdout.decode(), r"(?m)\b" + name + r"\b")
        for args in (["-version"], ["-accel", "tcg"]):
            result = self.host.run(*args, **options)
            self.assert_run(result, args)
            self.assertEqual(b"", result.stderr)

    def check_table(self, table):
        for make, kvm, who, name in table:
            with self.subTest(host=make.__name__, kvm=kvm, who=who, code=name):
                self.check(make, kvm, who, name)

    def test_causes(self):
        self.check_table(CAUSES)

    @unittest.skipUnless(ARCH in ("x86_64", "i386"), "no-x86: the files of x86")
    def test_causes_of_x86(self):
        self.check_table(X86_CAUSES)

    def test_access_advice(self):
        for make, kvm, who, name, owner, advice in ACCESS:
            if IN_CONTAINER and advice != SECURITY:
                advice = GROUP_OF_CONTAINER
            with self.subTest(host=make.__name__, kvm=kvm, who=who):
                self.host.reset()
                make(self.host)
                self.assertEqual(
                    f"qemu-kvm: KVM is not usable: permission: the user {name} may not open "
                    f"/dev/kvm ({owner}): Permission denied; {advice}; "
                    '"-accel tcg" or QEMU_KVM_ACCEL=prefer runs it without KVM, slowly\n',
                    self.host.run(*ARGS, kvm=kvm, **who).stderr.decode())

    def test_every_cause(self):
        self.assertEqual(
            {"no-device-node", "module-not-loaded", "module-missing", "module-blacklisted",
             "no-cpu-support", "disabled-by-firmware", "not-a-kvm-device", "permission",
             "group-not-active", "device-cgroup", "busy", "api-version", "other"},
            {row[-1] for row in CAUSES + X86_CAUSES})

    def test_usable(self):
        os.symlink("kvm", "/dev/kvm-link")
        for make, who in ((nothing, {}), (nothing, NOBODYS),
                          (node(mode=0o660, gid=KVM_GROUP), user(TESTER, TESTER_GROUP, KVM_GROUP)),
                          (node(mode=0o660, gid=KVM_GROUP), user(NOBODY, KVM_GROUP))):
            self.host.reset()
            make(self.host)
            result = self.host.run(*ARGS, **who)
            self.assert_run(result, ["-accel", "kvm", *ARGS])
            self.assertEqual(b"", result.stderr)
        os.rename("/dev/kvm", "/dev/other")
        os.rename("/dev/kvm-link", "/dev/kvm")
        os.rename("/dev/other", "/dev/kvm-link")
        os.unlink("/dev/kvm")
        os.symlink("kvm-link", "/dev/kvm")
        self.assert_run(self.host.run(*ARGS), ["-accel", "kvm", *ARGS])
        os.unlink("/dev/kvm-link")


class Emulators(launcher.TestCase):
    def setUp(self):
        super().setUp()
        self.other = self.host.path("work", "other")
        launcher.remove(self.other)
        os.mkdir(self.other)
        os.link(self.host.stub, os.path.join(self.other, EMULATOR_NAME))

    def path_env(self, *directories):
        return {"PATH": ":".join(directories)}

    def assert_found(self, emulator, args=("-version",), **options):
        result = self.host.run(*args, **options)
        self.assert_run(result, args, emulator=emulator)
        self.assertEqual(b"", result.stderr)

    def assert_not_found(self, **options):
        for args in (["-version"], ARGS, ["-accel", "tcg"]):
            self.assert_refused(self.host.run(*args, **options), 127, EMULATOR_NAME,
                                r"install the package qemu[\w-]+")

    def assert_broken(self, *parts, **options):
        for args in (["-version"], ARGS, ["-accel", "tcg"]):
            self.assert_refused(self.host.run(*args, **options), 126, EMULATOR_NAME, *parts)

    def replace(self, make):
        """Puts something else where the emulator is found."""
        launcher.remove(self.host.emulator)
        make(self.host.emulator)

    def test_missing(self):
        launcher.remove(self.host.emulator)
        self.assert_not_found()
        self.assert_not_found(env={"PATH": "/nowhere:/dev/null"})
        self.replace(lambda path: os.symlink("/nowhere", path))
        self.assert_not_found()

    def test_missing_before_anything_else(self):
        """Without an emulator the state of KVM is no help."""
        launcher.remove(self.host.emulator)
        self.assert_refused(self.host.run(*ARGS, kvm=launcher.UNUSABLE), 127, "install")

    def test_broken(self):
        scripts = {
            "no interpreter line": "exit 0\n",
            "empty": "",
            "binary": "\x7fELF\x02\x01\x01\0broken",
            "missing interpreter": "#!/no/such/shell\n",
            "interpreter is a directory": "#!/usr\n",
            "empty interpreter": "#!\n",
        }
        for name, text in scripts.items():
            with self.subTest(name):
                self.replace(lambda path, text=text: launcher.write(path, text, 0o755))
                self.assert_broken()
        with self.subTest("not executable"):
            self.replace(lambda path: launcher.write(path, "#!/bin/sh\n", 0o644))
            self.assert_broken("[Pp]ermission")
        with self.subTest("directory"):
            self.replace(os.mkdir)
            self.assert_broken("[Dd]irectory")
        with self.subTest("FIFO"):
            self.replace(lambda path: os.mkfifo(path, 0o755))
            self.assert_broken()
        with self.subTest("may not be executed by this user"):
            self.replace(lambda path: launcher.write(path, "#!/bin/sh\n", 0o700))
            self.assert_broken("[Pp]ermission", user=(NOBODY, NOBODY, []))

    def test_broken_one_is_passed_over(self):
        """As a shell does with what it may not execute."""
        good = os.path.join(self.other, EMULATOR_NAME)
        env = self.path_env(self.host.path("path"), self.other)
        for make in (lambda path: launcher.write(path, "", 0o644), os.mkdir):
            self.replace(make)
            self.assert_found(good, env=env)

    def test_order(self):
        first, second = self.host.path("path"), self.other
        for directories in ((first, second), (second, first)):
            self.assert_found(os.path.join(directories[0], EMULATOR_NAME),
                              env=self.path_env(*directories))

    def test_only_absolute_directories(self):
        os.link(self.host.stub, EMULATOR_NAME)
        self.addCleanup(os.unlink, EMULATOR_NAME)
        good = os.path.join(self.other, EMULATOR_NAME)
        for prefix in ("", ".", "./", "..", "path", "../path", "~", "::", ".:other:", " "):
            with self.subTest(prefix):
                self.assert_found(good, env={"PATH": f"{prefix}:{self.other}"})
                self.assert_not_found(env={"PATH": f"{prefix}:/nowhere"})
        for suffix in ("", ":", ":.", "::"):
            self.assert_found(good, env={"PATH": self.other + suffix})

    def test_odd_paths(self):
        good = os.path.join(self.other, EMULATOR_NAME)
        for path in (f"{'/x' * 4000}:{self.other}", f"/{'x' * 300}:{self.other}",
                     ":".join(f"/no/{n}" for n in range(10000)) + f":{self.other}",
                     f"/dev/null:{self.other}", f"/\udcff\n:{self.other}"):
            with self.subTest(path[:20]):
                self.assert_found(good, env={"PATH": path})
        odd = os.path.join(self.other, "a b\nc$d'\udcff")
        os.mkdir(odd)
        os.link(self.host.stub, os.path.join(odd, EMULATOR_NAME))
        self.assert_found(os.path.join(odd, EMULATOR_NAME), env={"PATH": odd})
        launcher.write(os.path.join(odd, EMULATOR_NAME), "", 0o755)
        self.assert_broken(env={"PATH": odd})

    def test_unreadable_directory(self):
        launcher.remove("closed")
        os.mkdir("closed", 0o700)
        os.link(self.host.stub, f"closed/{EMULATOR_NAME}")
        self.assert_found(os.path.join(self.other, EMULATOR_NAME), user=(NOBODY, NOBODY, []),
                          env=self.path_env(os.path.abspath("closed"), self.other))

    def test_path_unset_or_empty(self):
        local = os.path.join("/usr/local/bin", EMULATOR_NAME)
        os.link(self.host.stub, self.host.path("link"))
        launcher.remove(self.host.path("link"))
        with open(self.host.stub, "rb") as f:
            launcher.write(local, f.read(), 0o755)
        self.assert_found(local, env={"PATH": None})
        self.assert_not_found(env={"PATH": ""})

    def test_libexec(self):
        libexec = "/usr/libexec/qemu-kvm"
        with open(self.host.stub, "rb") as f:
            launcher.write(libexec, f.read(), 0o755)
        self.assert_found(self.host.emulator)
        launcher.remove(self.host.emulator)
        self.assert_found(libexec)
        self.assert_found(libexec, env={"PATH": ""})
        self.assert_found(libexec, env={"PATH": "/nowhere"})
        os.symlink(self.host.launcher, self.host.emulator)
        self.assert_found(libexec)
        launcher.remove(libexec)
        os.symlink(self.host.launcher, libexec)
        self.assert_not_found()
        launcher.remove(libexec)
        launcher.remove(self.host.emulator)
        launcher.write(libexec, "", 0o755)
        self.assert_refused(self.host.run("-version"), 126, libexec)

    def test_itself_is_passed_over(self):
        env = self.path_env(self.host.path("path"), self.other)
        for make in (os.symlink, os.link):
            self.replace(lambda path, make=make: make(self.host.launcher, path))
            self.assert_not_found()
            self.assert_found(os.path.join(self.other, EMULATOR_NAME), env=env)
            self.assert_found(os.path.join(self.other, EMULATOR_NAME), env=env,
                              program=self.host.emulator)

    def test_emulator_executes_the_launcher(self):
        """Not for ever: a few times round, and the last one says what is wrong."""
        for command in ("exec {} \"$@\"", "exec {} -x \"$@\"", "{} \"$@\"",
                        "x=$({} \"$@\" 2>&1); status=$?; echo \"$x\" >&2; exit $status"):
            with self.subTest(command):
                self.replace(lambda path, command=command: self.host.endless_script(path, command))
                for args in (["-version"], ARGS, ["-accel", "tcg"]):
                    self.assert_refused(self.host.run(*args), 126, "emulator|launcher")

    def test_two_launchers(self):
        """Each takes the other for the emulator."""
        copy = os.path.join(self.other, EMULATOR_NAME)
        with open(self.host.launcher, "rb") as f:
            launcher.write(copy, f.read(), 0o755)
        self.replace(lambda path: os.link(self.host.launcher, path))
        env = self.path_env(self.host.path("path"), self.other)
        for program in (self.host.launcher, self.host.emulator, copy):
            with self.subTest(program):
                result = self.host.run("-version", program=program, env=env, timeout=10)
                self.assert_refused(result, 126, name=EMULATOR_NAME)

    def test_wrapper(self):
        """A script that runs the real emulator is one."""
        self.replace(lambda path: launcher.write(
            path, f'#!/bin/sh\nexec {self.other}/{EMULATOR_NAME} -x "$@"\n', 0o755))
        result = self.host.run(*ARGS)
        self.assert_run(result, ["-x", "-accel", "kvm", *ARGS],
                        emulator=os.path.join(self.other, EMULATOR_NAME))

    def test_wrapper_of_another_launcher(self):
        """A script that picks another emulator by PATH and leaves the rest to the launcher."""
        self.replace(lambda path: launcher.write(
            path, f'#!/bin/sh\nPATH={self.other} exec {self.host.launcher} "$@"\n', 0o755))
        result = self.host.run(*ARGS)
        self.assert_run(result, ["-accel", "kvm", *ARGS], depth=2,
                        emulator=os.path.join(self.other, EMULATOR_NAME))

    def test_depth(self):
        """A launcher that was run by a few others is fine; what is no such number is not ours."""
        for mark, depth in (("0", 1), ("1", 2), ("2", 3), ("4", 1), ("-1", 1), ("", 1), ("x", 1),
                            ("1x", 1), ("99999999999999999999", 1), ("\udcff", 1)):
            with self.subTest(mark):
                env = {launcher.DEPTH: mark}
                result = self.host.run("-version", env=env)
                self.assert_run(result, ["-version"], depth=depth)
                self.assertEqual(b"", result.stderr)
        self.assert_refused(self.host.run("-version", env={launcher.DEPTH: "3"}), 126)

    def test_machines(self):
        """The kernel's name of a machine and QEMU's name of the emulator."""
        for machine, name in (("x86_64", "x86_64"), ("i386", "i386"), ("i486", "i386"),
                              ("i586", "i386"), ("i686", "i386"), ("aarch64", "aarch64"),
                              ("ppc64", "ppc64"), ("ppc64le", "ppc64"), ("s390x", "s390x"),
                              ("riscv64", "riscv64"), ("loongarch64", "loongarch64"),
                              ("mips64", "mips64"), ("x", "x"), ("a b", "a b")):
            with self.subTest(machine):
                launcher.remove(self.host.path("path"))
                emulator = self.host.path("path", f"qemu-system-{name}")
                os.mkdir(self.host.path("path"))
                os.link(self.host.stub, emulator)
                self.assert_found(emulator, faults=("--machine", machine))


if __name__ == "__main__":
    launcher.enter()
    launcher.kvmtest.main()
