# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes brought to the policy: directly in trees and private mounts, and by a real udevd.

udevd gets mounts and a network namespace of its own, with the rules of the test only, and no right
to load modules. The events are the kernel's: those of /sys/class/misc/kvm.
"""
import contextlib
import ctypes
import glob
import os
import shutil
import stat
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
import device  # noqa: E402
from device import KVM_GID, kvmtest  # noqa: E402

TOP, PROGRAM = device.enter()
MODE = device.policy_mode()
GOOD = (0, KVM_GID, MODE)
HAS_KVM = os.path.exists("/sys/class/misc/kvm")
RULES = "/usr/lib/udev/rules.d"


def apply(*args, **options):
    return device.run(PROGRAM, "apply", *args, **options)


def clear():
    for name in device.NUMBERS:
        if os.path.lexists("/dev/" + name):
            os.unlink("/dev/" + name)


class Direct(kvmtest.TestCase):
    def setUp(self):
        clear()
        self.tree = os.path.join(TOP, "image")
        shutil.rmtree(self.tree, ignore_errors=True)
        device.write(self.tree + "/etc/group", "root:x:0:\nkvm:x:78:\n")
        os.mkdir(self.tree + "/dev")
        self.good = (0, 78, MODE)

    def apply(self, *args, code=0, root="--root"):
        result = apply(root, self.tree, *args)
        self.assertEqual(code, result.returncode, result)
        self.assertEqual(code, result.stderr.count("\n"), result)
        return result.stdout + result.stderr

    def node(self, name, *args, **options):
        return device.node(name, *args, directory=self.tree + "/dev", **options)

    def test_all_nodes_of_an_image(self):
        paths = [self.node(name, 5, 6, 0o4640) for name in device.NUMBERS]
        before = [device.describe(path) for path in paths]
        out = self.apply("--dry-run")
        self.assertEqual(before, [device.describe(path) for path in paths])
        self.assertIn(f"/dev/kvm: 5:6 4640 -> would be root:kvm {MODE:04o}\n", out)
        # As owners have no names in this tree, numbers are told.
        self.assertIn(f"/dev/vhost-net: 5:6 4640 -> 0:kvm {MODE:04o}\n", self.apply())
        self.assertEqual([self.good] * 3, [device.describe(path) for path in paths])
        self.assertEqual(f"/dev/kvm: 0:kvm {MODE:04o}", self.apply().splitlines()[0])

    def test_nothing_is_created_unasked(self):
        self.assertEqual("", self.apply())
        self.assertEqual([], os.listdir(self.tree + "/dev"))
        self.assertIn("/dev/kvm: would be created", self.apply("--create", "-n"))
        self.assertEqual([], os.listdir(self.tree + "/dev"))
        out = self.apply("--create", root="--sysroot")
        self.assertIn(f"/dev/vhost-vsock: none -> 0:kvm {MODE:04o}\n", out)
        for name, numbers in device.NUMBERS.items():
            path = os.path.join(self.tree, "dev", name)
            st = os.lstat(path)
            self.assertTrue(stat.S_ISCHR(st.st_mode))
            self.assertEqual((self.good, os.makedev(*numbers)), (device.describe(path), st.st_rdev))
        self.assertEqual(["dev", "etc"], sorted(os.listdir(self.tree)))
        self.assertEqual(3, len(os.listdir(self.tree + "/dev")))
        os.rename(self.tree + "/dev", self.tree + "/nodev")
        self.assertIn("cannot create /dev/kvm: No such file",
                      apply("--root", self.tree, "--create").stderr)

    def test_acl_that_hides_the_group(self):
        path = self.node("kvm", 0, 78, 0o600)
        subprocess.run(["setfacl", "-m", "u:5:rw", path], check=True)
        os.chmod(path, MODE)
        self.assertEqual(self.good, device.describe(path))
        self.assertIn("the ACL lets the group do less -> 0:kvm", self.apply())
        self.assertEqual([], [name for name in os.listxattr(path) if "acl" in name])
        self.assertEqual(self.good, device.describe(path))

    def test_acl_of_users_stays(self):
        path = self.node("kvm", 0, 78, MODE)
        subprocess.run(["setfacl", "-m", "u:5:rw", path], check=True)
        os.chown(path, 3, 3)
        self.apply()
        self.assertEqual(self.good, device.describe(path))
        self.assertIn("user:5:rw-", subprocess.run(["getfacl", "-n", path], capture_output=True,
                                                   text=True, check=True).stdout)

    def test_what_is_not_the_device_is_left(self):
        path = self.node("kvm", device=(1, 3))
        self.assertIn("is not the device 10:232: left as it is", self.apply(code=1))
        self.assertEqual((0, 0, 0o600), device.describe(path))
        os.unlink(path)
        victim = os.path.join(TOP, "victim")
        device.write(victim, "")
        for target in (victim, "../../victim", "/etc/group"):
            os.symlink(target, path)
            self.assertIn("/dev/kvm", self.apply(code=1))
            os.unlink(path)
        self.assertEqual((0, 0, 0o644), device.describe(victim))
        os.mkdir(path)
        self.apply(code=1)
        self.assertEqual((0, 0, 0o755), device.describe(path))

    def test_links_do_not_lead_out(self):
        os.rmdir(self.tree + "/dev")
        os.symlink("/dev", self.tree + "/dev")
        path = device.node("kvm")
        apply("--root", self.tree, "--create")
        self.assertEqual((0, 0, 0o600), device.describe(path))

    def test_without_group(self):
        self.node("kvm")
        device.write(self.tree + "/etc/group", "root:x:0:\nxkvm:x:1:\nkvm2:x:2:\n")
        self.assertIn("there is no group kvm", self.apply(code=1))
        os.unlink(self.tree + "/etc/group")
        self.assertIn("there is no group kvm", self.apply(code=1))
        self.assertEqual((0, 0, 0o600), device.describe(self.tree + "/dev/kvm"))

    def test_hostile_database(self):
        path = self.node("kvm", 0, 79)
        device.write(self.tree + "/etc/group", "evil\x1b[31m:x:79:\nkvm:x:78:\n")
        self.assertIn("evil\\x1b[31m 0600 -> ", self.apply())
        os.unlink(self.tree + "/etc/group")
        for make in (lambda name: os.mknod(name, 0o020666, os.makedev(1, 5)), os.mkfifo, os.mkdir):
            make(self.tree + "/etc/group")
            self.assertIn("cannot read the state of the nodes: No such device or address",
                          self.apply(code=1))
            device.run("rm", "-r", self.tree + "/etc/group")
        self.assertEqual(self.good, device.describe(path))

    def test_not_root(self):
        path = self.node("kvm")
        result = apply("--root", self.tree, user="member")
        self.assertEqual(1, result.returncode)
        self.assertIn("cannot change /dev/kvm: Operation not permitted; run it as root",
                      result.stderr)
        self.assertEqual((0, 0, 0o600), device.describe(path))

    def test_node_of_another_system(self):
        """What a container engine has mounted is the host's."""
        host = device.node("kvm", directory=TOP)
        path = self.node("kvm")
        kvmtest.mount("-t", "tmpfs", "tmpfs", self.tree + "/dev")
        try:
            device.write(path, "")
            with kvmtest.bound(host, path):
                self.assertIn("is mounted from elsewhere", self.apply(code=1))
                self.assertEqual((0, 0, 0o600), device.describe(host))
                self.assertIn("is mounted from elsewhere", self.apply("-n", code=1))
        finally:
            subprocess.run(["umount", self.tree + "/dev"], check=True)

    def test_this_system_without_udevd(self):
        """In a chroot /dev may be the host's: only what was asked for by name is changed."""
        path = device.node("kvm")
        result = apply()
        if result.returncode == 1:  # the root of PID 1 is not to be seen, or is another one
            self.assertIn('give "--root /"', result.stderr)
            self.assertEqual((0, 0, 0o600), device.describe(path))
        result = apply("--root", "/")
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        self.assertEqual(GOOD, device.describe(path))
        # What is right already is no reason to complain.
        self.assertEqual(0, apply().returncode)

    def test_chroot(self):
        """PID 1 of a namespace of its own is to be seen: its root is another one than ours."""
        path = device.node("kvm")
        top = os.path.join(TOP, "chroot")
        for name in ("usr", "etc", "dev", "proc", "run"):
            os.makedirs(os.path.join(top, name))
        for name in ("bin", "lib", "lib64", "sbin"):
            if os.path.islink("/" + name):
                os.symlink(os.readlink("/" + name), os.path.join(top, name))
        shutil.copy(PROGRAM, top)
        script = """chroot "$0" /kvm-device apply
            echo "chroot $?"
            "$1" apply
            echo "own $?"
            chroot "$0" /kvm-device apply
            echo "chroot $?" """
        mounts = """set -e
            for name in usr etc dev; do mount --rbind "/$name" "$0/$name"; done
            mount -t proc proc /proc
            mount -t proc proc "$0/proc"
            set +e
            """
        result = device.run("unshare", "-m", "-p", "-f", "sh", "-c", mounts + script, top, PROGRAM)
        self.assertEqual("chroot 1\n"
                         f"/dev/kvm: root:root 0600 -> root:kvm {MODE:04o}\nown 0\n"
                         f"/dev/kvm: root:kvm {MODE:04o}\nchroot 0\n", result.stdout, result)
        self.assertIn("may be that of another system, as in a chroot", result.stderr)
        self.assertEqual(GOOD, device.describe(path))

    def test_container_with_the_hosts_dev(self):
        """As with "-v /dev:/dev": it is this machine's own, read-only here for its safety."""
        path = device.node("kvm")
        device.write("/run/.containerenv", "")
        self.addCleanup(os.unlink, "/run/.containerenv")
        refused = ("kvm-device: /dev is that of this container's host: run it there; to change "
                   "the host's nodes from here, give \"--root /\"\n")
        script = """set -e
            mount -t proc proc /proc
            "$0" apply >&2
            mount -t devtmpfs devtmpfs /dev
            mount -o remount,bind,ro /dev
            set +e
            "$0" apply --create && echo done
            "$0" apply --create --dry-run && echo done
            "$0" apply --create --root / --dry-run"""
        result = device.run("unshare", "-m", "-p", "-f", "sh", "-c", script, PROGRAM)
        # Its own is changed; of the host's, none, unless that is asked for.
        self.assertEqual(GOOD, device.describe(path))
        self.assertEqual(f"/dev/kvm: root:root 0600 -> root:kvm {MODE:04o}\n" + 2 * refused,
                         result.stderr)
        self.assertRegex(result.stdout,
                         "^" + "".join(f"/dev/{name}: .*\n" for name in device.NUMBERS) + "$")

    def test_usage(self):
        for args, words in ((["--json"], "not for the command apply"),
                            (["--timeout", "x"], "invalid timeout"), (["x"], "unexpected")):
            result = apply(*args)
            self.assertEqual(2, result.returncode)
            self.assertIn(words, result.stderr)
        self.assertEqual(1, apply("--root", "/nonexistent").returncode)


def find_udevd():
    for path in ("/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd"):
        if os.path.exists(path):
            return path, "/usr/lib/udev/rules.d"
    # Installing the package would start it: it is taken out of the archive instead.
    directory = os.path.join(device.BUILD_DIR, "udevd")
    program = os.path.join(directory, "systemd-udevd")
    if not os.path.exists(program):
        if not shutil.which("apt-get"):
            kvmtest.skip("no-udevd", "systemd-udevd is not installed")
        os.makedirs(directory, exist_ok=True)
        subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", "udev"],
                       cwd=directory, capture_output=True, check=False, timeout=120)
        archives = glob.glob(directory + "/udev_*.deb")
        if not archives:
            kvmtest.skip("no-udevd", "the package udev cannot be had")
        subprocess.run(["dpkg", "-x", archives[0], directory], check=True)
        os.symlink("bin/udevadm", program)
    return program, os.path.join(directory, "lib/udev/rules.d")


class Udevd(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not HAS_KVM:
            kvmtest.skip("no-kvm", "the kernel has no device kvm whose events could be sent")
        device.need_no_udevd()
        cls.udevd, rules = find_udevd()
        if ctypes.CDLL(None).unshare(0x40000000) != 0:  # CLONE_NEWNET: events are not for others
            kvmtest.skip("no-network-namespace", "udevd needs one of its own")
        cls.stock = os.path.join(TOP, "rules")
        os.mkdir(cls.stock)
        for directory in (rules, RULES):
            for name in ("50-udev-default.rules", "70-uaccess.rules", "73-seat-late.rules"):
                if os.path.exists(os.path.join(directory, name)):
                    shutil.copy(os.path.join(directory, name), cls.stock)
        if len(os.listdir(cls.stock)) != 3:
            kvmtest.skip("no-udevd", "systemd's rules are not installed")
        for directory in (RULES, "/etc/udev"):
            if os.path.isdir(directory):
                kvmtest.mount("-t", "tmpfs", "tmpfs", directory)

    def setUp(self):
        clear()
        for path in glob.glob(RULES + "/*") + glob.glob("/run/udev/data/*"):
            os.unlink(path)
        self.process = None
        self.path = device.node("kvm")

    def tearDown(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree("/run/udev", ignore_errors=True)

    def start(self, *rules):
        for name in rules:
            self.install(name)
        self.process = subprocess.Popen(
            ["setpriv", "--bounding-set=-sys_module", self.udevd], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        kvmtest.until(lambda: os.path.exists("/run/udev/control"), "udevd listens")
        time.sleep(0.3)  # it sets the static nodes after that
        device.node("kvm")

    def install(self, name):
        shutil.copy(device.RULES_FILE if name == "65-kvm.rules" else
                    os.path.join(self.stock, name), RULES)

    def expect(self, code, *words, args=()):
        result = apply(*args)
        self.assertEqual(code, result.returncode, result)
        self.assertEqual(code, len(result.stderr.splitlines()), result)
        for word in words:
            self.assertIn(word, result.stdout + result.stderr)

    def test_scrambled_node_is_repaired(self):
        self.start("65-kvm.rules")
        for scrambled in ((0, 0, 0o600), (4001, 4002, 0o4646), (4001, KVM_GID, 0o000)):
            device.node("kvm", *scrambled)
            start = time.monotonic()
            self.expect(0, f"-> root:kvm {MODE:04o}")
            self.assertLess(time.monotonic() - start, 3)
            self.assertEqual(GOOD, device.describe(self.path))
        row = device.status(PROGRAM)[0]["/dev/kvm"]
        self.assertEqual(("65-kvm.rules:10", True, True, MODE == 0o660),
                         (row["rule"], row["agrees"], row["udev_record"], row["uaccess"]))

    def test_new_rule_is_seen(self):
        """udevd has just looked at its rules, and does not for the next three seconds."""
        self.start()
        self.expect(1, "udevd has not applied 65-kvm.rules, /dev/kvm is root:root 0600")
        self.assertEqual((0, 0, 0o600), device.describe(self.path))
        self.install("65-kvm.rules")
        self.expect(0, f"/dev/kvm: root:root 0600 -> root:kvm {MODE:04o}")

    def test_with_systemds_rules(self):
        self.start("50-udev-default.rules", "65-kvm.rules", "70-uaccess.rules",
                   "73-seat-late.rules")
        self.expect(0, f"-> root:kvm {MODE:04o}")
        self.assertEqual(GOOD, device.describe(self.path))

    def test_user_at_the_seat(self):
        """logind says who that is; udevd's uaccess gives the ACL, also after it was scrambled."""
        rules = ["50-udev-default.rules", "65-kvm.rules", "73-seat-late.rules"]
        device.write("/run/systemd/seats/seat0", "ACTIVE=c1\nACTIVE_UID=4002\n")
        self.addCleanup(shutil.rmtree, "/run/systemd")
        self.start(*rules)
        for mode in (0o600, 0o660):
            device.node("kvm")
            subprocess.run(["setfacl", "-m", "u:member:rw", self.path], check=True)
            os.chmod(self.path, mode)
            self.expect(0)
            for user in ("other", "member"):
                row = device.status(PROGRAM, user=user)[0]["/dev/kvm"]
                self.assertTrue(row["agrees"], row)
                self.assertEqual(MODE == 0o666 or user == "other", row["access"] == "yes", row)
            if MODE == 0o660:
                self.assertEqual([("user", "other", "rw-")], [
                    (entry["type"], entry["name"], entry["permissions"])
                    for entry in row["acl"]["entries"]])

    def test_later_rule_wins(self):
        device.write(RULES + "/99-admin.rules", 'KERNEL=="kvm", MODE="0640", GROUP="friends"\n')
        self.start("65-kvm.rules")
        self.expect(1, "udevd has applied 65-kvm.rules:10, but /dev/kvm is root:friends 0640: a "
                    "later rule or another program sets it")
        row = device.status(PROGRAM)[0]["/dev/kvm"]
        self.assertEqual((None, "65-kvm.rules:10", False),
                         (row["rule"], row["rule_applied"], row["agrees"]))

    def test_masked_rule(self):
        os.makedirs("/etc/udev/rules.d", exist_ok=True)
        os.symlink("/dev/null", "/etc/udev/rules.d/65-kvm.rules")
        try:
            self.start("65-kvm.rules")
            self.expect(1, "udevd has not applied 65-kvm.rules")
        finally:
            os.unlink("/etc/udev/rules.d/65-kvm.rules")

    def test_acl_that_hides_the_group(self):
        self.start("65-kvm.rules")
        subprocess.run(["setfacl", "-m", "u:other:rw", self.path], check=True)
        os.chmod(self.path, 0o660)
        self.expect(0, "the ACL lets the group do less -> root:kvm")
        self.assertTrue(device.status(PROGRAM)[0]["/dev/kvm"]["agrees"])

    def test_events_of_others_do_not_count(self):
        """Each waits for the test: that of somebody else ends before ours begins."""
        gates = {name: os.path.join(TOP, name) for name in ("theirs", "ours")}
        for path in gates.values():
            os.mkfifo(path)
        device.write(RULES + "/10-gates.rules", "".join(
            f'KERNEL=="kvm", ENV{{SYNTH_UUID}}=="{uuid}", PROGRAM="/bin/cat {gates[name]}"\n'
            for name, uuid in (("theirs", "0"), ("ours", "*-*"))))

        def at_gate(name):
            with contextlib.suppress(OSError):  # nobody reads
                return os.open(gates[name], os.O_WRONLY | os.O_NONBLOCK)
            return None
        self.start("65-kvm.rules")
        device.write("/sys/class/misc/kvm/uevent", "change")
        theirs = kvmtest.until(lambda: at_gate("theirs"), "somebody else's event is handled")
        process = self.launch(PROGRAM, "apply")
        kvmtest.until_asleep(process)
        os.close(theirs)
        ours = kvmtest.until(lambda: at_gate("ours"), "our event is handled")
        try:
            kvmtest.until_asleep(process)  # it has not ended
        finally:
            os.close(ours)
        out, err = process.communicate(timeout=20)
        self.assertEqual((0, f"/dev/kvm: root:root 0600 -> root:kvm {MODE:04o}\n", ""),
                         (process.returncode, out, err))

    def test_dry_run_sends_nothing(self):
        self.start("65-kvm.rules")
        self.expect(0, "/dev/kvm: root:root 0600; udevd would handle it anew", args=["--dry-run"])
        time.sleep(0.3)
        self.assertEqual((0, 0, 0o600), device.describe(self.path))

    def test_missing_node(self):
        """udevd makes none: where /dev is no devtmpfs, or somebody has removed it."""
        self.start("65-kvm.rules")
        os.unlink(self.path)
        self.expect(1, "there is no /dev/kvm, and udevd makes none; run it with --create")
        self.assertRegex(device.status(PROGRAM)[0]["/dev/kvm"]["why"],
                         "^no-device-node: there is no /dev/kvm; "
                         '(run "kvm-device apply --create" as root$|this is a container)')
        self.expect(0, f"/dev/kvm: would be created as root:kvm {MODE:04o}\n",
                    args=["--create", "--dry-run"])
        self.assertFalse(os.path.lexists(self.path))
        for path in glob.glob("/run/udev/data/*"):
            os.unlink(path)
        self.expect(0, f"/dev/kvm: none -> root:kvm {MODE:04o}\n", args=["--create"])
        self.assertEqual(GOOD, device.describe(self.path))
        self.assertEqual(os.makedev(*device.NUMBERS["kvm"]), os.lstat(self.path).st_rdev)
        # udevd has handled it behind that.
        self.assertEqual("65-kvm.rules:10", device.status(PROGRAM)[0]["/dev/kvm"]["rule"])

    def test_stray_file(self):
        """What status advises for it helps."""
        self.start("65-kvm.rules")
        os.unlink(self.path)
        device.write(self.path, "stray")
        for args in ([], ["--create"]):
            self.expect(1, "/dev/kvm is not the device 10:232: left as it is", args=args)
        self.assertEqual(5, os.path.getsize(self.path))
        self.assertIn('remove it and run "kvm-device apply --create" as root',
                      device.status(PROGRAM)[0]["/dev/kvm"]["why"])
        os.unlink(self.path)
        self.expect(0, f"/dev/kvm: none -> root:kvm {MODE:04o}\n", args=["--create"])
        self.assertEqual(GOOD, device.describe(self.path))

    def test_static_nodes(self):
        """A node whose module is not there gets no event: it is set directly."""
        self.start("65-kvm.rules")
        names = [name for name in device.NUMBERS if not os.path.exists("/sys/class/misc/" + name)]
        for name in names:
            device.node(name)
        self.expect(0)
        self.assertEqual([GOOD] * len(names), [device.describe("/dev/" + name) for name in names])

    def test_udevd_that_hangs(self):
        self.start("65-kvm.rules")
        self.process.send_signal(19)  # SIGSTOP
        try:
            self.expect(1, "udevd has not handled /dev/kvm within 0.5 seconds",
                        args=["--timeout", "0.5"])
        finally:
            self.process.send_signal(18)

    def test_not_root(self):
        self.start("65-kvm.rules")
        result = apply(user="member")
        self.assertEqual(1, result.returncode)
        self.assertIn("cannot have udevd handle /dev/kvm: Permission denied; run it as root",
                      result.stderr)

    def test_static_node_tags(self):
        """udevd's start sets nodes that are there without a device, by static_node."""
        device.node("vhost-net")
        self.start("65-kvm.rules")
        self.assertEqual(GOOD, device.describe("/dev/vhost-net"))
        self.assertEqual(MODE == 0o660,
                         os.path.lexists("/run/udev/static_node-tags/uaccess/vhost-net"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
