# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may open a node and why not: what "kvm-device status" says against what open() does."""
import contextlib
import ctypes
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import device  # noqa: E402
from device import KVM_GID, kvmtest  # noqa: E402

TOP, PROGRAM = device.enter()
FAULTS = os.path.join(os.environ["LAUNCHER_TESTS_DIR"], "kvm-faults")

# A device that every kernel has under the numbers of the node's checks: the null device opens for
# whoever the node lets in, so the truth is told without KVM. It is another device for kvm-device.
OPEN = "import os,sys; os.close(os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK))"

JOIN_NONE = ("lets no group use it that users can be put into; the device rule has not been "
             'applied: run "kvm-device apply" as root$')

# name: owner, group, mode, ACL, user, groups, access, words
CASES = {
    "owner": (4001, 0, 0o600, None, "member", (), "yes", ""),
    "owner-without": (4001, KVM_GID, 0o060, None, "member", (KVM_GID,), "permission", "mode 0060.*owner"),
    "root": (4001, 4001, 0o000, None, "root", (), "yes", ""),
    "everybody": (0, 0, 0o666, None, "other", (), "yes", ""),
    "group": (0, KVM_GID, 0o660, None, "member", (KVM_GID,), "yes", ""),
    "main-group": (0, 4001, 0o660, None, "member", (), "yes", ""),
    "not-in-group": (0, KVM_GID, 0o660, None, "other", (), "permission",
                     "for group kvm .*other is not in it.*usermod -aG kvm other"),
    "not-in-this-session": (0, KVM_GID, 0o660, None, "member", (), "group-not-active",
                            "member is in group kvm, but not in this session"),
    "in-session-not-in-database": (0, KVM_GID, 0o660, None, "other", (KVM_GID,), "yes", ""),
    "group-reads": (0, KVM_GID, 0o640, None, "member", (KVM_GID,), "permission", "no group"),
    "group-is-denied-others-not": (0, KVM_GID, 0o606, None, "member", (KVM_GID,), "permission",
                                   "0606"),
    "root-only": (0, 0, 0o600, None, "member", (KVM_GID,), "permission", "kvm-device apply"),
    "acl-user": (0, 0, 0o600, "u:other:rw", "other", (), "yes", ""),
    "acl-other-user": (0, KVM_GID, 0o660, "u:member:rw", "other", (), "permission", "kvm"),
    "acl-user-masked": (0, 0, 0o660, "u:other:rw,m::r", "other", (), "acl-mask", "mask"),
    "acl-user-reads": (0, KVM_GID, 0o660, "u:member:r", "member", (KVM_GID,), "permission",
                       "entry in the ACL"),
    "acl-group": (0, 0, 0o600, "g:friends:rw", "member", (4003,), "yes", ""),
    "acl-group-not-active": (0, 0, 0o600, "g:friends:rw", "member", (), "group-not-active",
                             "member is in group friends"),
    "acl-group-masked": (0, 0, 0o600, "g:friends:rw,m::r", "member", (4003,), "acl-mask", ""),
    # The mode shows rw for the group: it is the mask.
    "acl-hides-the-group": (0, KVM_GID, 0o600, "u:other:rw", "member", (KVM_GID,), "permission",
                            "no group"),
    # Groups that nobody is to be put into: root's own, one without a name, the overflow group.
    "group-of-root": (0, 0, 0o660, None, "other", (), "permission", JOIN_NONE),
    "group-without-name": (0, 4010, 0o660, None, "other", (), "permission",
                           "root:4010 .*" + JOIN_NONE),
    "group-of-nobody": (0, 65534, 0o660, None, "other", (), "permission", JOIN_NONE),
    "acl-group-of-root": (0, 0, 0o600, "g:0:rw", "other", (), "permission", JOIN_NONE),
    "acl-one-to-join": (0, 0, 0o660, "g:friends:rw", "other", (), "permission",
                        "for group friends .*usermod -aG friends other"),
    "user-without-account": (0, KVM_GID, 0o660, None, "stranger", (), "permission",
                             "for group kvm .*4009 is not in it; run this as a user in that "
                             "group$"),
    "acl-two-groups": (0, KVM_GID, 0o640, "g:friends:rw", "member", (KVM_GID, 4003), "yes", ""),
}


@contextlib.contextmanager
def refusing_cgroup():
    """The file cgroup.procs of a control group that may use no device."""
    if os.uname().machine != "x86_64":
        kvmtest.skip("no-bpf", "the number of bpf() is that of x86-64")

    def bpf(command, *words):
        attributes = struct.pack(*words).ljust(128, b"\0")
        result = libc.syscall(321, command, attributes, len(attributes))
        if result < 0:
            kvmtest.skip("no-bpf", os.strerror(ctypes.get_errno()))
        return result
    libc = ctypes.CDLL(None, use_errno=True)
    top = os.path.join(TOP, "cgroup")
    os.makedirs(top, exist_ok=True)
    if subprocess.run(["mount", "-t", "cgroup2", "cgroup2", top], check=False,
                      capture_output=True).returncode != 0:
        kvmtest.skip("no-bpf", "there is no cgroup2")
    code = ctypes.create_string_buffer(b"\xb7" + bytes(7) + b"\x95" + bytes(7))  # return 0
    text = ctypes.create_string_buffer(b"GPL")
    program = bpf(5, "IIQQ", 15, 2, ctypes.addressof(code), ctypes.addressof(text))
    group = tempfile.mkdtemp(dir=top)
    try:
        fd = os.open(group, os.O_RDONLY)
        bpf(8, "IIII", fd, program, 6, 0)
        os.close(fd)
        yield os.path.join(group, "cgroup.procs")
    finally:
        os.close(program)
        kvmtest.until(lambda: not os.path.exists(group) or _rmdir(group), "the group is empty")
        subprocess.run(["umount", top], check=True)


def _rmdir(path):
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return not os.path.exists(path)


def opens(path, user, groups):
    return device.run(sys.executable, "-c", OPEN, path, user=user, groups=groups).returncode == 0


class Access(kvmtest.TestCase):
    def setUp(self):
        kvm = os.path.exists("/sys/class/misc/kvm")
        self.yes = "yes" if kvm else "module-not-loaded"

    def make(self, owner, group, mode, acl, path="/dev/kvm", numbers=None):
        device.node(os.path.basename(path), owner, group, mode, numbers)
        if acl:
            subprocess.run(["setfacl", "-m", acl, path], check=True)

    def test_matrix(self):
        for name, (owner, group, mode, acl, user, groups, access, words) in CASES.items():
            with self.subTest(name):
                # The truth is asked of the null device, in the same clothes.
                self.make(owner, group, mode, acl, "/dev/twin", (1, 3))
                truth = opens("/dev/twin", user, groups)
                self.make(owner, group, mode, acl)
                rows, _ = device.status(PROGRAM, user=user, groups=groups)
                row = rows["/dev/kvm"]
                self.assertEqual(access == "yes", truth)
                self.assertEqual(self.yes if access == "yes" else access, row["access"], row)
                if access != "yes":
                    self.assertRegex(row["why"], "^" + access + ": .*" + words)
                    table = device.run(PROGRAM, user=user, groups=groups)
                    self.assertIn("\n/dev/kvm: " + row["why"] + "\n", table.stdout)

    def test_what_is_shown(self):
        self.make(4001, KVM_GID, 0o640, "u:other:rw,g:friends:r")
        row = device.status(PROGRAM)[0]["/dev/kvm"]
        self.assertEqual({"group": "r--", "mask": "rw-", "entries": [
            {"type": "user", "id": 4002, "name": "other", "permissions": "rw-"},
            {"type": "group", "id": 4003, "name": "friends", "permissions": "r--"}]}, row["acl"])
        self.assertEqual(["10", "232", "member", "4001", "kvm", str(KVM_GID), "0660"],
                         [str(row[key]) for key in ("major", "minor", "owner", "uid", "group",
                                                    "gid", "mode")])
        line = [line for line in device.run(PROGRAM).stdout.splitlines()
                if line.startswith("/dev/kvm ")][0]
        self.assertEqual(["/dev/kvm", "10:232", "member", "kvm", "0660",
                          "g::r--,m::rw-,u:other:rw-,g:friends:r--", "no", "unknown", self.yes],
                         re.split("  +", line))

    def test_agreement(self):
        mode = device.policy_mode()
        for owner, group, its, acl, agrees in (
                (0, KVM_GID, mode, None, True), (0, KVM_GID, mode, "u:other:rw", True),
                (0, KVM_GID, mode ^ 0o006, None, False), (0, 0, mode, None, False),
                (4001, KVM_GID, mode, None, False), (0, KVM_GID, mode | 0o1000, None, False)):
            self.make(owner, group, its, acl)
            self.assertEqual(agrees, device.status(PROGRAM)[0]["/dev/kvm"]["agrees"],
                             (owner, group, oct(its), acl))
        self.make(0, KVM_GID, 0o600, "u:other:rw")
        os.chmod("/dev/kvm", mode)  # the group's entry stays ---
        self.assertFalse(device.status(PROGRAM)[0]["/dev/kvm"]["agrees"])

    def test_wrong_nodes(self):
        device.node("kvm", mode=0o666, device=(1, 3))
        self.assertEqual("not-a-kvm-device", device.status(PROGRAM)[0]["/dev/kvm"]["access"])
        os.unlink("/dev/kvm")
        device.write("/dev/kvm", "")
        row = device.status(PROGRAM)[0]["/dev/kvm"]
        self.assertEqual(("not-a-kvm-device", False), (row["access"], row["agrees"]))
        os.unlink("/dev/kvm")
        os.symlink("null", "/dev/kvm")
        self.assertEqual("not-a-kvm-device", device.status(PROGRAM)[0]["/dev/kvm"]["access"])
        os.unlink("/dev/kvm")
        row = device.status(PROGRAM)[0]["/dev/kvm"]
        self.assertEqual((False, "no-device-node"), (row["exists"], row["access"]))

    def test_static_node_is_not_opened(self):
        """It would load the module."""
        for name in ("vhost-net", "vhost-vsock"):
            if os.path.exists("/sys/class/misc/" + name):
                continue
            device.node(name, 0, KVM_GID, 0o660)
            environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # needs ptrace itself
            trace = subprocess.run(["strace", "-e", "trace=open,openat,openat2", PROGRAM],
                                   capture_output=True, text=True, check=True, env=environment)
            opened = [line for line in trace.stderr.splitlines() if f"dev/{name}\"" in line]
            self.assertTrue(opened)
            self.assertEqual([], [line for line in opened if "O_PATH" not in line])
            self.assertEqual("module-not-loaded",
                             device.status(PROGRAM)[0]["/dev/" + name]["access"])
            os.unlink("/dev/" + name)

    def test_container(self):
        device.node()
        os.unlink("/dev/kvm")
        device.write("/run/.containerenv", "")
        try:
            why = device.status(PROGRAM)[0]["/dev/kvm"]["why"]
            if os.path.exists("/sys/class/misc/kvm"):
                self.assertIn("container", why)
        finally:
            os.unlink("/run/.containerenv")

    def test_container_with_the_hosts_dev(self):
        """What "kvm-device apply" refuses there is not advised: it is for the host."""
        table = os.path.join(TOP, "mounts")
        script = """mount --bind "$1" /proc/$$/mounts
            exec setpriv --reuid 4002 --regid 4002 --clear-groups "$0" status --json"""
        device.write("/run/.containerenv", "")
        self.addCleanup(os.unlink, "/run/.containerenv")
        for kind, where in (("tmpfs", ""), ("devtmpfs", " on this container's host")):
            device.write(table, f"x /dev {kind} rw 0 0\n")
            for make in (lambda: self.make(0, 0, 0o660, None),
                         lambda: self.make(4002, 0, 0o060, None),
                         lambda: self.make(0, 0, 0o660, "u:other:rw,m::r"),
                         lambda: device.node("kvm", device=(1, 3))):
                make()
                result = device.run("unshare", "-m", "sh", "-ec", script, PROGRAM, table)
                self.assertEqual("", result.stderr)
                self.assertRegex(json.loads(result.stdout)["nodes"][0]["why"],
                                 f'"kvm-device apply( --create)?" as root{where}$')

    def test_nodev(self):
        with kvmtest.bound("/dev", "/dev"):
            kvmtest.mount("-o", "remount,bind,nodev", "/dev")
            device.node("kvm", mode=0o666)
            self.assertEqual("nodev-mount", device.status(PROGRAM)[0]["/dev/kvm"]["access"]
                             if os.path.exists("/sys/class/misc/kvm") else "nodev-mount")

    def test_sysroot(self):
        tree = os.path.join(TOP, "tree")
        device.write(tree + "/etc/group", "kvm:x:78:\n")
        device.write(tree + "/etc/passwd", "root:x:0:0::/:/bin/sh\n")
        os.mkdir(tree + "/dev")
        device.node("kvm", 0, 78, device.policy_mode(), directory=tree + "/dev")
        rows, policy = device.status(PROGRAM, "--sysroot", tree)
        self.assertEqual(78, policy["gid"])
        row = rows["/dev/kvm"]
        self.assertEqual(("kvm", True, "unknown", None),
                         (row["group"], row["agrees"], row["access"], row["rule"]))


class Faults(kvmtest.TestCase):
    """The kernel refuses for other reasons; some are those of kvm-faults."""

    @classmethod
    def setUpClass(cls):
        if not os.path.exists("/sys/class/misc/kvm"):
            kvmtest.skip("no-kvm", "without the device the node is not opened")

    def test_failures_of_open(self):
        device.node("kvm", mode=0o666)
        for error, access in (("EPERM", "device-cgroup"), ("EBUSY", "busy"), ("EIO", "other"),
                              ("EACCES", "security-module"), ("ENODEV", "module-not-loaded")):
            result = device.run(FAULTS, "--open", error, "--", PROGRAM, "status", "--json")
            row = json.loads(result.stdout)["nodes"][0]
            self.assertEqual(access, row["access"], row)


class Confined(kvmtest.TestCase):
    """In a control group and in a user namespace."""

    @classmethod
    def setUpClass(cls):
        with refusing_cgroup():
            pass
        result = device.run("unshare", "-U", "-r", "true", user="other")
        if result.returncode != 0:
            kvmtest.skip("no-user-namespace", result.stderr.strip())

    def test_device_cgroup(self):
        """A real one, whose program refuses everything."""
        device.node("kvm", mode=0o666)
        with refusing_cgroup() as procs:
            result = device.run("sh", "-c", 'echo 0 >"$0" && exec "$@"', procs, PROGRAM, "status",
                                "--json")
        row = json.loads(result.stdout)["nodes"][0]
        self.assertEqual("device-cgroup", row["access"], row)

    def test_group_outside_of_the_user_namespace(self):
        device.node("kvm", 0, KVM_GID, 0o660)
        result = device.run("unshare", "-U", "-r", PROGRAM, user="other")
        self.assertIn("group that is not mapped into this user namespace", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
