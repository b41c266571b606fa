#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-kvm on a host with real KVM, users, modules and device cgroups: it runs a guest with KVM,
or says the one thing that is in the way.

With QEMU in the launcher's place every test fails: it runs without KVM and says nothing, and with
-accel kvm it says neither why there is no KVM nor what helps, and loads nothing.
"""
import contextlib
import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import unittest

import job

QEMU = "/usr/bin/qemu-system-x86_64"
LAUNCHER = "/usr/bin/qemu-kvm"
GUEST = ["-nodefaults", "-no-user-config", "-display", "none", "-m", "32"]
# Asks the emulator whether KVM is on, and ends it.
QUESTION = "".join(json.dumps({"execute": name}) + "\n"
                   for name in ("qmp_capabilities", "query-kvm", "quit"))
MODULES = f"/lib/modules/{os.uname().release}"
TUNSETIFF, TUNSETPERSIST, TUNSETOWNER, IFF_TAP_NO_PI = 0x400454CA, 0x400454CB, 0x400454CC, 0x1002


def runs_with_kvm(answers):
    """What QEMU says by QMP; None: it did not get that far."""
    for line in answers.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return json.loads(line)["return"]["enabled"]
    return None


def as_user(user):
    """Starts programs as a new login of this user would."""
    return ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--inh-caps=-all"]


def tap(name, owner):
    """A tap device of this user, which it may use without capabilities."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    fcntl.ioctl(fd, TUNSETOWNER, owner)
    fcntl.ioctl(fd, TUNSETPERSIST, 1)
    os.close(fd)


class Launcher(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for user in ("outsider", "newcomer", "insider"):
            job.do("useradd", "--create-home", user)
        job.do("usermod", "-aG", "kvm", "insider")

    def setUp(self):
        job.load_kvm()
        # What the device rule of this host has to make of it; the launcher only looks at it.
        self.assertEqual("kvm", job.do("stat", "-c%G", "/dev/kvm").strip())

    def ask(self, *arguments, prefix=(), launcher=LAUNCHER, **options):
        result = job.run(*prefix, launcher, *GUEST, "-S", "-qmp", "stdio", *arguments,
                         input=QUESTION, **options)
        print(result.returncode, result.stderr.strip())
        return result

    def assert_runs(self, result, kvm, stderr=r"\A\Z"):
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIs(kvm, runs_with_kvm(result.stdout), result.stdout)
        self.assertRegex(result.stderr, stderr)

    def assert_refused(self, result, code, words=""):
        self.assertEqual(1, result.returncode, result.stderr)
        self.assertIsNone(runs_with_kvm(result.stdout))
        self.assertRegex(result.stderr,
                         rf"\Aqemu-kvm: KVM is not usable: {code}: [^\n]*{words}[^\n]*\n\Z")

    def assert_advice_helps(self, result, user=None):
        """What the message tells root to run, and a new login, make KVM usable."""
        advice = re.search(r'run ("[^"]*"(?:,? and "[^"]*")*) as root', result.stderr)[1]
        for command in re.findall('"([^"]*)"', advice):
            job.do(*command.split())
        job.do("udevadm", "settle")
        self.assert_runs(self.ask(prefix=as_user(user) if user else ()), True)

    # A guest

    def test_guest_runs_with_kvm(self):
        """SeaBIOS looks for a disk in vain: it has run, and the host's KVM has run it."""
        log = os.path.join(job.OUTPUT, "firmware")
        with subprocess.Popen(
                [LAUNCHER, *GUEST, "-qmp", "stdio", "-chardev", f"file,id=firmware,path={log}",
                 "-device", "isa-debugcon,iobase=0x402,chardev=firmware"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True) as guest:
            try:
                job.until(lambda: os.path.exists(log) and "No bootable device" in job.read(log),
                          "the firmware has come to its end")
                counters = [name for name in os.listdir("/sys/kernel/debug/kvm")
                            if name.startswith(f"{guest.pid}-")]
                self.assertEqual(1, len(counters), "KVM knows no guest of this process")
                exits = int(job.read(f"/sys/kernel/debug/kvm/{counters[0]}/io_exits"))
                self.assertGreater(exits, 1000)
                out, err = guest.communicate(QUESTION, timeout=60)
            finally:
                guest.kill()
        self.assertRegex(job.read(log), r"SeaBIOS \(version ")
        self.assertEqual(("", 0), (err, guest.returncode))
        self.assertIs(True, runs_with_kvm(out))

    # Users

    def test_user_outside_the_group(self):
        result = self.ask(prefix=as_user("outsider"))
        self.assert_refused(result, "permission", "usermod -aG kvm outsider")
        self.addCleanup(job.do, "gpasswd", "-d", "outsider", "kvm")
        self.assert_advice_helps(result, "outsider")

    def test_user_whose_session_is_older_than_the_membership(self):
        with subprocess.Popen(
                [*as_user("newcomer"), "sh", "-c", 'echo; read x; exec "$@"', "sh", LAUNCHER,
                 *GUEST, "-S", "-qmp", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True) as session:
            session.stdout.readline()
            job.do("usermod", "-aG", "kvm", "newcomer")
            out, err = session.communicate("\n" + QUESTION, timeout=60)
        result = subprocess.CompletedProcess([], session.returncode, out, err)
        self.assert_refused(result, "group-not-active", 'log in again, or use "newgrp kvm"')
        self.assert_runs(self.ask(prefix=as_user("newcomer")), True)
        # sg is newgrp with a command.
        command = " ".join([LAUNCHER, *GUEST, "-S", "-qmp", "stdio"])
        old = ["setpriv", "--reuid", "newcomer", "--regid", "newcomer", "--clear-groups"]
        self.assert_runs(job.run(*old, "sg", "kvm", "-c", command, input=QUESTION), True)

    def test_user_in_the_group(self):
        self.assert_runs(self.ask(prefix=as_user("insider")), True)

    def test_preference_falls_back_with_a_warning(self):
        warning = r"\Aqemu-kvm: warning: KVM is not usable: permission: [^\n]*without KVM[^\n]*\n\Z"
        prefer = {**os.environ, "QEMU_KVM_ACCEL": "prefer"}
        self.assert_runs(self.ask(prefix=as_user("outsider"), env=prefer), False, warning)
        self.assert_runs(self.ask(prefix=as_user("insider"), env=prefer), True)
        self.addCleanup(job.remove, "/etc/qemu-kvm.conf")
        job.write("/etc/qemu-kvm.conf", "accel = prefer\n")
        self.assert_runs(self.ask(prefix=as_user("outsider")), False, warning)

    # Modules and the device

    def test_module_not_loaded(self):
        job.unload_kvm()
        self.assertFalse(os.path.exists("/dev/kvm"))
        result = self.ask()
        self.assert_refused(result, "module-not-loaded", 'run "kvm-modprobe" as root')
        self.assertFalse(job.has_module("kvm_amd"), "it was loaded unasked")
        self.assert_advice_helps(result)

    def test_module_not_loaded_with_a_static_node(self):
        """As at boot: to open it makes the kernel load kvm, but not kvm_amd."""
        job.unload_kvm()
        self.make_node(0o660, 10, 232)
        result = self.ask()
        self.assert_refused(result, "module-not-loaded", 'run "kvm-modprobe" as root')
        self.assert_advice_helps(result)

    def test_module_blacklisted(self):
        job.unload_kvm()
        for line in ("blacklist kvm_amd", "blacklist kvm-amd", "install kvm_amd /bin/false"):
            with self.subTest(line):
                job.write("/etc/modprobe.d/job.conf", line + "\n")
                self.addCleanup(job.remove, "/etc/modprobe.d/job.conf")
                self.assert_refused(self.ask(), "module-blacklisted", r"modprobe\.d")

    def test_module_missing(self):
        job.unload_kvm()
        os.rename(MODULES, MODULES + "-away")
        self.addCleanup(os.rename, MODULES + "-away", MODULES)
        self.assert_refused(self.ask(), "module-missing", "no modules for the running kernel")
        # Another package of the same kernel, which has no kvm-amd.ko.
        os.makedirs(f"{MODULES}/kernel")
        self.addCleanup(shutil.rmtree, MODULES)
        shutil.copy(f"{MODULES}-away/kernel/arch/x86/kvm/kvm.ko", f"{MODULES}/kernel")
        for name in ("modules.builtin", "modules.order"):
            shutil.copy(f"{MODULES}-away/{name}", MODULES)
        job.do("depmod")
        self.assert_refused(self.ask(), "module-missing", "has no module kvm_amd")

    def make_node(self, mode, major, minor):
        """A /dev/kvm that the kernel has not made and will not remove."""
        os.mknod("/dev/kvm", 0o20000 | mode, os.makedev(major, minor))
        self.addCleanup(job.unload_kvm)
        self.addCleanup(job.remove, "/dev/kvm")

    def test_no_device_node(self):
        os.unlink("/dev/kvm")
        self.addCleanup(job.unload_kvm)
        result = self.ask()
        self.assert_refused(result, "no-device-node", '"kvm-device apply" as root')
        self.assert_advice_helps(result)

    def test_not_the_device(self):
        os.unlink("/dev/kvm")
        self.make_node(0o666, 1, 3)
        result = self.ask()
        self.assert_refused(result, "not-a-kvm-device", "10:232")
        os.unlink("/dev/kvm")
        self.assert_advice_helps(result)

    def test_device_cgroup(self):
        service = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "-p"]
        self.assert_refused(self.ask(prefix=[*service, "DevicePolicy=closed"]), "device-cgroup",
                            "10:232")
        self.assert_runs(self.ask(prefix=[*service, "DevicePolicy=auto"]), True)

    # vhost

    def vhost(self, user):
        """QEMU with vhost=on; the tap is the user's, so that only /dev/vhost-net is in question."""
        job.do("modprobe", "tun")
        tap("tap0", int(job.do("id", "-u", user)))
        return ["-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no,vhost=on",
                "-device", "virtio-net-pci,netdev=n,romfile="]

    def without_vhost(self):
        job.do("modprobe", "-r", "vhost_net")
        self.assertFalse(job.has_module("vhost_net"))
        job.remove("/dev/vhost-net")

    def test_vhost_is_loaded_for_root(self):
        self.without_vhost()
        self.assert_runs(self.ask(*self.vhost("root")), True)
        self.assertTrue(job.has_module("vhost_net"))

    def test_vhost_warns_a_user_who_cannot_load_it(self):
        self.without_vhost()
        # QEMU 7.2 does not survive what it is warned of.
        result = self.ask(*self.vhost("insider"), prefix=as_user("insider"))
        self.assertRegex(result.stderr, r"\Aqemu-kvm: warning: vhost=on needs the module vhost_net"
                         r"[^\n]*modprobe[^\n]*as root\n")
        self.assertFalse(job.has_module("vhost_net"))
        job.do("modprobe", "vhost_net")
        job.do("udevadm", "settle")
        self.assert_runs(self.ask(*self.vhost("insider"), prefix=as_user("insider")), True)


# Scripts: QEMU itself would turn KVM on when its name ends in "kvm".
def plain_emulator():
    job.write(LAUNCHER, f'#!/bin/sh\nexec {QEMU} "$@"\n', 0o755)


def accel_kvm():
    job.write(LAUNCHER, f'#!/bin/sh\nexec {QEMU} -accel kvm "$@"\n', 0o755)


if __name__ == "__main__":
    needs_only_kvm = ["test_guest_runs_with_kvm", "test_user_in_the_group"]
    job.main({
        "plain-emulator": job.Control(plain_emulator, needs_only_kvm),
        "accel-kvm": job.Control(accel_kvm, [
            name for name in dir(Launcher) if name.startswith("test_")
            and name not in needs_only_kvm]),
    })
