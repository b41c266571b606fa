# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm-device wait and monitor: what they wait for happens to real nodes, devices and VMs."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
import device  # noqa: E402
from device import KVM_GID, kvmtest  # noqa: E402

TOP, PROGRAM = device.enter()
HAS_KVM = os.path.exists("/sys/class/misc/kvm")


def as_user(user, groups=()):
    uid, gid = device.USERS[user]
    words = ["setpriv", "--reuid", str(uid), "--regid", str(gid)]
    return words + (["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"])


def cpu_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Wait(kvmtest.TestCase):
    """The node comes and changes; no event of a device tells that."""

    @classmethod
    def setUpClass(cls):
        if not HAS_KVM:
            kvmtest.skip("no-kvm", "the kernel has no KVM to wait for")

    def setUp(self):
        if os.path.lexists("/dev/kvm"):
            os.unlink("/dev/kvm")

    def launch_wait(self, *args, user="member", groups=()):
        process = kvmtest.start(*as_user(user, groups), PROGRAM, "wait", *args)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        kvmtest.until(lambda: kvmtest.sleeps(process.pid) or process.poll() is not None, "waits")
        time.sleep(0.1)
        return process

    def expect_end(self, process, code=0, seconds=5):
        out, err = process.communicate(timeout=seconds)
        self.assertEqual((code, ""), (process.returncode, out), err)
        return err

    def test_it_is_there(self):
        device.node("kvm", mode=0o666)
        result = device.run(PROGRAM, "wait", user="other")
        self.assertEqual((0, "", ""), (result.returncode, result.stdout, result.stderr))

    def test_it_is_created(self):
        process = self.launch_wait()
        os.mknod("/dev/kvm", 0o020600, os.makedev(10, 232))
        time.sleep(0.2)
        self.assertIsNone(process.poll())
        os.chmod("/dev/kvm", 0o666)
        self.assertEqual("", self.expect_end(process))

    def test_it_is_moved_to_its_place(self):
        device.node("kvm", mode=0o666)
        os.rename("/dev/kvm", "/dev/later")
        process = self.launch_wait()
        os.rename("/dev/later", "/dev/kvm")
        self.expect_end(process)

    def test_every_change_counts(self):
        acl = ["setfacl", "-m", "u:member:rw", "/dev/kvm"]
        for groups, change in (((), lambda: os.chmod("/dev/kvm", 0o666)),
                               ((), lambda: os.chown("/dev/kvm", 4001, 0)),
                               ((KVM_GID,), lambda: os.chown("/dev/kvm", 0, KVM_GID)),
                               ((), lambda: subprocess.run(acl, check=True))):
            device.node("kvm", 0, 0, 0o660)
            process = self.launch_wait("--timeout", "20", groups=groups)
            device.node("zzz", device=(1, 3))  # something else
            time.sleep(0.1)
            self.assertIsNone(process.poll())
            change()
            self.expect_end(process)

    def test_timeout(self):
        device.node("kvm", 0, KVM_GID, 0o660)
        start = time.monotonic()
        process = self.launch_wait("--timeout", "0.7")
        err = self.expect_end(process, 1)
        self.assertTrue(0.7 <= time.monotonic() - start < 3)
        self.assertRegex(err, r"^\S+: /dev/kvm cannot be opened after 0.7 seconds: "
                         r"group-not-active: member is in group kvm, [^\n]*\n$")
        self.assertEqual(1, device.run(PROGRAM, "wait", "--timeout=0", user="other").returncode)

    def test_it_does_not_poll(self):
        process = self.launch_wait()

        def state():
            with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
                return (cpu_time(process.pid),
                        re.findall(r"voluntary_ctxt_switches:\s+(\d+)", f.read()))

        def idle():
            before = state()
            time.sleep(2)
            return before == state()
        # A machine under load may take a while to start it.
        kvmtest.until(idle, "it does nothing for two seconds")

    def test_changes_while_it_starts(self):
        """Whenever the node becomes usable, it is seen."""
        for delay in range(0, 60, 2):
            device.node("kvm", 0, 0, 0o600)
            process = kvmtest.start(*as_user("member"), PROGRAM, "wait", "--timeout", "10")
            time.sleep(delay / 1000)
            os.chmod("/dev/kvm", 0o666)
            self.expect_end(process)

    def test_usage(self):
        for args in (["--json"], ["--sysroot", "/"], ["--timeout", "-1"], ["--timeout", "nan"],
                     ["--timeout", ""], ["kvm"]):
            self.assertEqual(2, device.run(PROGRAM, "wait", *args).returncode, args)


class Device(kvmtest.TestCase):
    """The device itself comes: an event of the kernel's, here sent for one that is there."""

    @classmethod
    def setUpClass(cls):
        if not HAS_KVM:
            kvmtest.skip("no-kvm", "the kernel has no KVM")
        device.need_no_udevd()

    def test_event_of_the_kernel(self):
        # The private /sys/class/misc hides the device until it "comes".
        device.node("kvm", mode=0o666)
        misc = os.path.join(TOP, "misc")
        os.makedirs(misc, exist_ok=True)
        uevent = os.open("/sys/devices/virtual/misc/kvm/uevent", os.O_WRONLY)
        with kvmtest.bound(misc, "/sys/class/misc"):
            process = kvmtest.start(PROGRAM, "wait", "--timeout", "20")
            kvmtest.until(lambda: kvmtest.sleeps(process.pid), "waits")
            time.sleep(0.2)
            self.assertIsNone(process.poll())
            os.symlink("/sys/devices/virtual/misc/kvm", os.path.join(misc, "kvm"))
            time.sleep(0.2)
            self.assertIsNone(process.poll())
            os.write(uevent, b"add")
            out, err = process.communicate(timeout=10)
        os.close(uevent)
        self.assertEqual((0, "", ""), (process.returncode, out, err))


class Monitor(kvmtest.TestCase):
    """VMs of the sample guest. Others of this host may come and go meanwhile."""

    @classmethod
    def setUpClass(cls):
        device.node("kvm", mode=0o600)
        kvmtest.need_kvm()

    def start_monitor(self, *args):
        process = kvmtest.start(PROGRAM, "monitor", *args)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        kvmtest.until(lambda: kvmtest.sleeps(process.pid), "listens")
        time.sleep(0.1)
        return process

    def lines(self, process, wanted, count):
        """The next lines that match; the time limit of the test ends a wait for ever."""
        found = []
        while len(found) < count:
            line = process.stdout.readline()
            self.assertTrue(line, "the monitor has ended")
            if wanted(line):
                found.append(line)
        return found

    def test_json(self):
        process = self.start_monitor("--json")
        name = "web\x1b[31m é,,x"
        with kvmtest.SampleGuest("-name", name) as guest:
            pid = guest.pid
            # The process is looked up when the event comes: it has to be there as long.
            lines = self.lines(process, lambda line: json.loads(line).get("pid") == pid, 1)
        lines += self.lines(process, lambda line: json.loads(line).get("pid") == pid, 1)
        events = [json.loads(line) for line in lines]
        self.assertEqual(["created", "destroyed"], [event["event"] for event in events])
        for event in events:
            self.assertEqual("web\\x1b[31m é,x", event["guest"])
            self.assertEqual(pid, event["tid"])
            self.assertGreaterEqual(event["count"], 0)
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(["count", "event", "guest", "pid", "tid", "time"], sorted(event))

    def test_text(self):
        process = self.start_monitor()
        with kvmtest.SampleGuest() as guest:
            pid = guest.pid
            lines = self.lines(process, lambda line: f" pid {pid} " in line, 1)
        lines += self.lines(process, lambda line: f" pid {pid} " in line, 1)
        self.assertEqual(2, len(lines))
        for line, event in zip(lines, ("created", "destroyed")):
            self.assertRegex(line, rf"^\S+Z {event} pid {pid} guest \S+ count \d+\n$")
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=5)

    def test_counts(self):
        process = self.start_monitor("--json")
        guests = [kvmtest.SampleGuest("-name", f"g{i}") for i in range(3)]
        pids = [guest.pid for guest in guests]
        lines = self.lines(process, lambda line: json.loads(line).get("pid") in pids, 3)
        for guest in guests:
            self.addCleanup(guest.__exit__)
            guest.process.kill()
            guest.process.wait()
        lines += self.lines(process, lambda line: json.loads(line).get("pid") in pids, 3)
        events = [json.loads(line) for line in lines]
        self.assertEqual([("created", f"g{i}") for i in range(3)] +
                         [("destroyed", f"g{i}") for i in range(3)],
                         [(event["event"], event["guest"]) for event in events])
        if len(kvmtest.foreign_vms(*pids)) == 0:
            counts = [event["count"] for event in events]
            self.assertEqual([1, 2, 3, 2, 1, 0], [count - counts[-1] for count in counts])

    def test_reader_that_is_gone(self):
        process = self.start_monitor()
        process.stdout.close()
        with kvmtest.SampleGuest():
            pass
        process.wait(timeout=10)
        process.stdout = open(os.devnull, encoding="ascii")
        self.assertNotEqual(0, process.returncode)


if __name__ == "__main__":
    unittest.main(verbosity=2)
