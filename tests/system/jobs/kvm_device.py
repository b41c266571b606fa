#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""65-kvm.rules and kvm-device on a host with real udevd, logind, modules, users and VMs.

Debian's systemd gives the nodes the same owner and mode itself: in lines of its rules, in their
static_node options and by tmpfiles. The tests take that away, so that what is right here is so
because of us.
"""
import contextlib
import errno
import glob
import grp
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import job

os.environ["BIN_DIR"] = "/usr/bin"
import kvmtest  # noqa: E402

TOOL = "/usr/sbin/kvm-device"
RULES, ADMINS_RULES = "/usr/lib/udev/rules.d", "/etc/udev/rules.d"
RULE = f"{RULES}/65-kvm.rules"
TMPFILES = "/etc/tmpfiles.d/static-nodes-permissions.conf"
UDEVD = ("systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "systemd-udevd.service")

NODES = {"kvm": 232, "vhost-net": 238, "vhost-vsock": 241}  # with the minor of 10
STATIC = ("vhost-net", "vhost-vsock")  # are there before their modules
GOOD, AS_MADE = "root:kvm 660", "root:root 600"
SCRAMBLED = "nobody:disk 604"
SCRAMBLE = 'OWNER="nobody", GROUP="disk", MODE="0604"'
CHANGED = "/dev/{}: root:root 0600 -> root:kvm 0660\n".format
UNCHANGED = "/dev/{}: root:kvm 0660\n".format
SAMPLE = (kvmtest.SAMPLE_GUEST, "--wait")
QEMU = ("qemu-kvm", "-nodefaults", "-no-user-config", "-display", "none", "-m", "32", "-S",
        "-qmp", "stdio")


def as_user(user, *groups):
    return {"user": user, "group": user, "extra_groups": groups}


USERS = {
    "root": {},
    "insider": as_user("insider", "kvm"),
    "outsider": as_user("outsider"),
    "newcomer": as_user("newcomer"),  # in the group, but the session is older than that
}

# What scripts had instead of kvm-device.
OLD_TOOL = """#!/bin/sh
case $1 in
apply) udevadm trigger --sysname-match=kvm; chmod 666 /dev/kvm ;;
wait) exec python3 -c 'import os, time
while not os.path.exists("/dev/kvm"): time.sleep(0.1)' ;;
monitor) exec udevadm monitor --kernel --subsystem-match=misc ;;
*) ls -l /dev/kvm /dev/vhost-* ;;
esac
"""

# What is done to the good /dev/kvm, and what status then says to insider, outsider and newcomer.
ACCESS = {
    "true": ("yes", "permission", "group-not-active"),
    "chmod 600 /dev/kvm": ("permission", "permission", "permission"),
    "chmod 666 /dev/kvm": ("yes", "yes", "yes"),
    "chown outsider /dev/kvm": ("yes", "yes", "group-not-active"),
    "setfacl -m u:outsider:rw /dev/kvm": ("yes", "yes", "group-not-active"),
    "setfacl -m u:outsider:rw,m::r /dev/kvm": ("acl-mask", "acl-mask", "permission"),
    "setfacl -m u:insider:r /dev/kvm": ("permission", "permission", "group-not-active"),
}


def load():
    job.do("modprobe", "-a", "kvm_amd", "vhost_net", "vhost_vsock")
    job.do("udevadm", "settle")


def unload():
    modules = [name for name in ("kvm_amd", "kvm", "vhost_net", "vhost_vsock")
               if job.has_module(name)]
    if modules:
        job.do("modprobe", "-r", *modules)
        job.do("udevadm", "settle")


def without_debians_lines(name):
    """Its file of rules, without what it says of our nodes."""
    lines = job.read(f"{RULES}/{name}").splitlines(keepends=True)
    return "".join(line for line in lines if not re.search('"(kvm|vhost-.*)"', line))


def make_node(name, directory="/dev"):
    os.mknod(f"{directory}/{name}", 0o20600, os.makedev(10, NODES[name]))


def boot():
    """What boots do: static nodes are made, tmpfiles may set their modes, and udevd starts."""
    for name in NODES:
        job.remove(f"/dev/{name}")
    make_node("kvm")  # on x86 the kernel asks for none
    job.do("systemctl", "restart", "systemd-tmpfiles-setup-dev", "systemd-udevd")


def put(name, group="root", mode=0o600):
    """Gives a node this owner and mode, and no ACL."""
    with contextlib.suppress(OSError):
        os.removexattr(f"/dev/{name}", "system.posix_acl_access")
    shutil.chown(f"/dev/{name}", "root", group)
    os.chmod(f"/dev/{name}", mode)


def scramble():
    for name in NODES:
        put(name)


def describe(path):
    st = os.lstat(path)
    owner, group = pwd.getpwuid(st.st_uid).pw_name, grp.getgrgid(st.st_gid).gr_name
    return f"{owner}:{group} {stat.S_IMODE(st.st_mode):o}"


def describe_nodes(*names):
    return {name: describe(f"/dev/{name}") for name in names or NODES}


def acl(path):
    """{(type, name): permissions} of the whole ACL; the owner and its group have no name."""
    return {(kind, name): permissions for kind, name, permissions in re.findall(
        r"^(\w+):(\w*):(\S+)$", job.do("getfacl", "-cpE", path), re.M)}


def properties(name):
    """udev's record of the device."""
    text = job.run("udevadm", "info", "-q", "property", f"/sys/class/misc/{name}").stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def opens(user, name="kvm"):
    return job.run("sh", "-c", ': <>"$0"', f"/dev/{name}", **USERS[user]).returncode == 0


def status(user="root"):
    document = json.loads(job.do(TOOL, "status", "--json", **USERS[user]))
    for row in document["nodes"]:
        entries = row["acl"]["entries"] if row.get("acl") else ()
        row["acl"] = {(entry["type"], entry["name"]): entry["permissions"] for entry in entries}
    return {os.path.basename(row["node"]): row for row in document["nodes"]}


def decider(name):
    """The file and the line that set the mode last, by udev's own account."""
    account = job.run("udevadm", "test", f"/sys/class/misc/{name}").stderr
    return re.findall(rf"^{name}: (\S+):(\d+) MODE ", account, re.M)[-1]


def open_if_read(fifo):
    """Opens it for writing, where somebody reads; the reader then waits for that to be closed."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        if e.errno != errno.ENXIO:
            raise
        return None


@contextlib.contextmanager
def handled():
    """A list, at the end with the devices that udevd has handled meanwhile."""
    names = []
    with subprocess.Popen(["udevadm", "monitor", "--udev"], stdout=subprocess.PIPE,
                          text=True) as monitor:
        try:
            while monitor.stdout.readline().strip():  # an empty line ends the heading
                pass
            yield names
            job.do("udevadm", "trigger", "/sys/class/misc/hpet")
            for line in monitor.stdout:
                name = os.path.basename(line.split()[3])
                if name == "hpet":
                    break
                names.append(name)
        finally:
            monitor.kill()


class KvmDevice(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        for user in ("insider", "outsider", "newcomer"):
            job.do("useradd", "--create-home", user)
        for user in ("insider", "newcomer"):
            job.do("usermod", "-aG", "kvm", user)
        if not os.path.exists(kvmtest.SAMPLE_GUEST):
            os.symlink(os.path.abspath("kvm-sample-guest"), kvmtest.SAMPLE_GUEST)

    def setUp(self):
        super().setUp()
        unload()
        for path in glob.glob(f"{ADMINS_RULES}/*"):
            os.unlink(path)
        for name in ("50-udev-default.rules", "70-uaccess.rules"):
            job.write(f"{ADMINS_RULES}/{name}", without_debians_lines(name))
        job.remove(TMPFILES)
        os.makedirs(os.path.dirname(TMPFILES), exist_ok=True)
        os.symlink("/dev/null", TMPFILES)
        job.do("udevadm", "control", "--reload")
        for name in NODES:
            job.remove(f"/dev/{name}")
        for name in STATIC:
            make_node(name)

    def add_rule(self, name, text):
        job.write(f"{ADMINS_RULES}/{name}", text)
        job.do("udevadm", "control", "--reload")

    def assert_nodes(self, expected):
        self.assertEqual(dict.fromkeys(NODES, expected), describe_nodes())

    def apply(self, *args, code=0):
        result = job.run(TOOL, "apply", *args)
        self.assertEqual((code, code), (result.returncode, result.stderr.count("\n")), result)
        return result.stdout + result.stderr

    def start(self, user, *args):
        process = self.launch(TOOL, *args, **USERS[user])
        kvmtest.until_asleep(process)
        return process

    def assert_ends(self, process):
        out, err = process.communicate(timeout=10)
        self.assertEqual((0, "", ""), (process.returncode, out, err))

    # The rule

    def check_rule(self):
        boot()
        self.assertFalse(job.has_module("vhost_net"))
        self.assert_nodes(GOOD)
        scramble()
        load()
        self.assert_nodes(GOOD)

    def test_rule_alone(self):
        self.check_rule()

    def test_rule_comes_behind_others(self):
        """Debian's own are back, and there are wrong ones."""
        for path in glob.glob(f"{ADMINS_RULES}/*") + [TMPFILES]:
            os.unlink(path)
        job.write(f"{ADMINS_RULES}/60-scramble.rules", "".join(
            f'KERNEL=="{name}", {SCRAMBLE}, OPTIONS+="static_node={name}", ENV{{WRONG}}="1"\n'
            for name in [*NODES, "cuse"]))
        self.check_rule()
        # That rule has been at work.
        self.assertEqual(SCRAMBLED, describe("/dev/cuse"))
        self.assertEqual(["1"] * 3, [properties(name).get("WRONG") for name in NODES])
        # By udev's own account, and by the text of the file, it is the line that status names.
        for name, row in status().items():
            path, number = decider(name)
            self.assertEqual((RULE, f"65-kvm.rules:{number}"), (path, row["rule"]))
            line = job.read(path).splitlines()[int(number) - 1]
            self.assertRegex(line, f'^KERNEL=="{name}", ')

    def test_rule_gives_way_to_the_admins(self):
        self.add_rule("99-admin.rules", f'KERNEL=="kvm", {SCRAMBLE}\n')
        load()
        expected = {**dict.fromkeys(NODES, GOOD), "kvm": SCRAMBLED}
        self.assertEqual(expected, describe_nodes())
        self.assertRegex(self.apply(code=1), "udevd has applied 65-kvm.rules:[0-9]+, but /dev/kvm "
                         "is nobody:disk 0604: a later rule or another program sets it\n")
        self.assertEqual(expected, describe_nodes())
        self.assertEqual((f"{ADMINS_RULES}/99-admin.rules", "1"), decider("kvm"))
        self.check_status()

    def test_rule_leaves_sev_alone(self):
        """udev's own program handles a device that this kernel lacks, in a private /sys."""
        self.addCleanup(job.remove, "/dev/sev")
        os.mknod("/dev/sev", 0o20600, os.makedev(10, 120))
        for name, minor, expected in (("sev", 120, AS_MADE), ("vhost-vsock", 241, GOOD)):
            job.do("unshare", "-m", "sh", "-ec", """
                device=/sys/devices/virtual/misc/$0
                mount -t tmpfs tmpfs /sys/devices/virtual/misc
                mkdir "$device"
                ln -s /sys/class/misc "$device/subsystem"
                printf 'MAJOR=10\\nMINOR=%s\\nDEVNAME=%s\\n' "$1" "$0" >"$device/uevent"
                SYSTEMD_DEVICE_VERIFY_SYSFS=0 udevadm test "$device" """, name, str(minor))
            self.assertEqual(expected, describe(f"/dev/{name}"))

    # apply

    def test_apply(self):
        """udevd takes its time; apply returns when it is done, and has troubled no other device."""
        self.add_rule("10-slow.rules", 'KERNEL=="vhost-vsock", PROGRAM="/bin/sleep 0.5"\n')
        load()
        scramble()
        with handled() as names:
            rehearsal = self.apply("--dry-run")
        self.assertEqual("".join(f"/dev/{name}: root:root 0600; udevd would handle it anew\n"
                                 for name in NODES), rehearsal)
        self.assert_nodes(AS_MADE)
        self.assertEqual([], names)
        for text in (CHANGED, UNCHANGED):
            with handled() as names:
                said = self.apply()
                self.assert_nodes(GOOD)
            self.assertEqual("".join(map(text, NODES)), said)
            self.assertEqual(sorted(NODES), sorted(names))

    def test_apply_after_the_rule_was_installed(self):
        """As a package does. udevd has just looked for changed rules, and is not told to."""
        away = f"{self.directory}/65-kvm.rules"
        shutil.move(RULE, away)
        self.addCleanup(shutil.copy, away, RULE)
        job.do("udevadm", "control", "--reload")
        load()
        self.assert_nodes(AS_MADE)
        shutil.copy(away, RULE)
        self.assertEqual("".join(map(CHANGED, NODES)), self.apply())
        self.assert_nodes(GOOD)

    def test_apply_without_udevd(self):
        self.addCleanup(job.do, "systemctl", "start", *UDEVD)
        job.do("systemctl", "stop", *UDEVD)
        job.do("modprobe", "-a", "kvm_amd", "vhost_net")
        os.unlink("/dev/vhost-vsock")
        waiting = self.start("insider", "wait")
        present = ("kvm", "vhost-net")
        self.assertEqual("".join(f"/dev/{name}: root:root 0600 -> would be root:kvm 0660\n"
                                 for name in present), self.apply("-n"))
        self.assertEqual(dict.fromkeys(present, AS_MADE), describe_nodes(*present))
        self.assertEqual("".join(map(CHANGED, present)), self.apply())
        self.assertFalse(os.path.exists("/dev/vhost-vsock"))
        self.assertEqual("".join(map(UNCHANGED, present)) +
                         "/dev/vhost-vsock: none -> root:kvm 0660\n", self.apply("--create"))
        self.assert_nodes(GOOD)
        self.assert_ends(waiting)
        self.assertEqual((True, False), (opens("insider"), opens("outsider")))

    def test_apply_to_an_image(self):
        load()
        scramble()
        job.write(f"{self.directory}/etc/group", "kvm:x:78:\n")
        os.mkdir(f"{self.directory}/dev")
        for name in NODES:
            make_node(name, f"{self.directory}/dev")
        with handled() as names:
            self.apply("--root", self.directory)
        self.assertEqual([], names)
        self.assert_nodes(AS_MADE)
        for name in NODES:
            st = os.stat(f"{self.directory}/dev/{name}")
            self.assertEqual((0, 78, 0o20660), (st.st_uid, st.st_gid, st.st_mode))

    def test_user_at_the_seat(self):
        """A login there lets a user in, also to a static node; apply keeps it so."""
        boot()
        job.load_kvm()
        waiting = self.start("outsider", "wait")
        seated = {("user", "outsider"): "rw-"}.items()
        # The user's own systemd is slow and not needed.
        os.symlink("/dev/null", "/run/systemd/system/user@.service")
        job.do("systemd-run", "--unit=seat", "-p", "User=outsider", "-p", "PAMName=login",
               "-p", "TTYPath=/dev/tty1", "-p", "StandardInput=tty", "sleep", "600")
        self.addCleanup(job.run, "systemctl", "stop", "seat")
        self.assert_ends(waiting)
        self.assertTrue(opens("outsider"))
        job.until(lambda: seated <= acl("/dev/vhost-net").items(), "logind has let outsider in")
        self.assertTrue(opens("outsider", "vhost-net"))
        self.check_status()
        # Someone has let newcomer in by hand, and the group out, though the mode does not show it.
        put("kvm", "kvm")
        job.do("setfacl", "-m", "u:newcomer:rw", "/dev/kvm")
        os.chmod("/dev/kvm", 0o660)
        self.assertEqual((False, True), (opens("insider"), opens("newcomer")))
        self.check_status()
        self.assertIn("/dev/kvm: root:kvm 0660, the ACL lets the group do less -> root:kvm 0660\n",
                      self.apply())
        self.assertEqual({("user", ""): "rw-", ("user", "outsider"): "rw-", ("group", ""): "rw-",
                          ("mask", ""): "rw-", ("other", ""): "---"}, acl("/dev/kvm"))
        self.assertEqual((True, True, False),
                         (opens("insider"), opens("outsider"), opens("newcomer")))
        job.do("systemctl", "stop", "seat")
        job.until(lambda: not opens("outsider"), "logind has put outsider out")
        self.assertEqual("permission", status("outsider")["kvm"]["access"])

    # status

    def expected_row(self, name):
        path = f"/dev/{name}"
        row = {"node": path, "exists": os.path.exists(path),
               "device": os.path.exists(f"/sys/class/misc/{name}")}
        if not row["exists"]:
            return {**row, "agrees": None, "rule": None}
        st = os.stat(path)
        record = properties(name) if row["device"] else {}
        entries = acl(path)
        agrees = describe(path) == GOOD and entries["group", ""] == "rw-"
        applied = record.get("KVM_DEVICE_RULE")
        return {**row, "major": os.major(st.st_rdev), "minor": os.minor(st.st_rdev),
                "uid": st.st_uid, "owner": pwd.getpwuid(st.st_uid).pw_name,
                "gid": st.st_gid, "group": grp.getgrgid(st.st_gid).gr_name,
                "mode": f"{stat.S_IMODE(st.st_mode):04o}", "agrees": agrees,
                "rule": applied if agrees else None, "rule_applied": applied,
                "uaccess": ":uaccess:" in record.get("CURRENT_TAGS", ""),
                "acl": {key: value for key, value in entries.items() if key[1]}}

    def check_status(self):
        """Both forms tell what stat, getfacl and udevadm do."""
        table = {line.split()[0]: re.split("  +", line) for line in job.do(TOOL).splitlines()
                 if re.match("/dev/[^:]* ", line)}
        for name, row in status().items():
            expected = self.expected_row(name)
            self.assertEqual(expected, {key: row[key] for key in expected})
            if row["exists"]:
                cells = table[row["node"]]
                self.assertEqual([f"10:{NODES[name]}", row["owner"], row["group"], row["mode"]],
                                 cells[1:5])
                self.assertEqual(["yes" if row["agrees"] else "no", row["rule"] or "unknown",
                                  row["access"]], cells[6:])

    def test_status(self):
        for change in (lambda: None, load, scramble, lambda: os.unlink("/dev/kvm")):
            change()
            self.check_status()

    def test_access(self):
        """What status says to a user is what open() does for it."""
        job.load_kvm()
        for change, expected in ACCESS.items():
            put("kvm", "kvm", 0o660)
            job.do(*change.split())
            for user, access in zip(list(USERS)[1:], expected):
                self.assertEqual((access, access == "yes"),
                                 (status(user)["kvm"]["access"], opens(user)), (change, user))

    # wait and monitor

    def test_wait(self):
        """It wakes up when the module comes, and ends when udevd is done."""
        gate = f"{self.directory}/gate"
        os.mkfifo(gate)
        self.add_rule("10-gate.rules", f'SUBSYSTEM=="misc", KERNEL=="kvm", '
                      f'PROGRAM="/bin/cat {gate}"\n')
        process = self.start("insider", "wait")
        runs = job.read(f"/proc/{process.pid}/schedstat")
        time.sleep(1.5)  # longer than programs that look from time to time sleep
        self.assertEqual(runs, job.read(f"/proc/{process.pid}/schedstat"), "it has not slept on")
        job.do("modprobe", "kvm_amd")
        key = job.until(lambda: open_if_read(gate), "udevd is at the gate")
        try:
            job.until(lambda: job.read(f"/proc/{process.pid}/schedstat") != runs, "it wakes up")
            kvmtest.until_asleep(process)  # it has not ended
        finally:
            os.close(key)
        self.assert_ends(process)
        self.assertTrue(opens("insider"))

    def test_wait_in_vain(self):
        start = time.monotonic()
        result = job.run(TOOL, "wait", "--timeout", "1", timeout=10, **USERS["insider"])
        self.assertGreaterEqual(time.monotonic() - start, 1)
        self.assertEqual((1, "kvm-device: /dev/kvm cannot be opened after 1 seconds: "
                          "no-device-node: there is no /dev/kvm: its module is not loaded\n"),
                         (result.returncode, result.stderr))

    def test_monitor(self):
        def vms():
            return {int(name.split("-")[0]) for name in kvmtest.foreign_vms()}
        monitor = self.start("root", "monitor", "--json")
        start = time.gmtime()
        job.load_kvm()
        guests = []
        processes = {}
        for name, command in (("first", SAMPLE), ("second", QEMU), ("third", SAMPLE)):
            guest = self.launch(*command, "-name", name, stdin=subprocess.PIPE)
            guests.append(guest.pid)
            processes[guest.pid] = guest
            guest.stdout.readline()  # "ready", or QEMU's greeting: the VM is there
        first, second, third = guests
        while guests:
            self.assertEqual(set(guests), vms())
            pid = guests.pop(0)
            os.kill(pid, signal.SIGKILL)
            job.until(lambda: len(vms()) == len(guests), "the guest is gone")
            # It holds the module a little longer.
            processes[pid].wait(30)
        unload()
        events = []
        while not events or events[-1]["event"] != "device-removed":
            events.append(json.loads(monitor.stdout.readline()))
        stamps = [time.strftime("%Y-%m-%dT%H:%M:%SZ", when) for when in (start, time.gmtime())]
        for event in events:
            self.assertTrue(stamps[0] <= event["time"] <= stamps[1], event)
        self.assertEqual([
            ("device-added", None, None, None),
            ("created", first, "first", 1),
            # The launcher has tried whether a VM can be made.
            ("created", second, "second", 2), ("destroyed", second, "second", 1),
            ("created", second, "second", 2),
            ("created", third, "third", 3),
            ("destroyed", first, "first", 2),
            ("destroyed", second, "second", 1),
            ("destroyed", third, "third", 0),
            ("device-removed", None, None, None),
        ], [tuple(event.get(key) for key in ("event", "pid", "guest", "count"))
            for event in events])

    # The group

    def test_group(self):
        """Made by all the lines of this system, in trees with and without a group there."""
        for groups, number in (("", 36), ("kvm:x:108:\n", 108), ("tape:x:36:\n", None)):
            with self.subTest(groups), tempfile.TemporaryDirectory() as root:
                shutil.copytree("/usr/lib/sysusers.d", f"{root}/usr/lib/sysusers.d")
                job.write(f"{root}/etc/group", "root:x:0:\n" + groups)
                job.do("systemd-sysusers", f"--root={root}")
                text = job.read(f"{root}/etc/group")
                self.assertIn(groups, text)
                numbers = re.findall(r"^kvm:x:(\d+):$", text, re.M)
                self.assertEqual(1, len(numbers))
                if number:
                    self.assertEqual(str(number), numbers[0])
                else:
                    self.assertNotEqual("36", numbers[0])


def old_ways():
    """Rules and scripts as packages had them, but for KVM's own nodes there is no rule at all: what
    Debian and the kernel give these must not pass for ours.
    """
    job.remove(RULE)
    job.write(f"{RULES}/80-kvm.rules", 'KERNEL=="sev", GROUP="kvm", MODE="0666"\n')
    job.write("/usr/lib/sysusers.d/20-kvm.conf", "g kvm - -\n")
    job.write(TOOL, OLD_TOOL, 0o755)


if __name__ == "__main__":
    job.main({"old-ways": job.Control(old_ways, job.ALL)})
