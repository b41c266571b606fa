#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm-modprobe.service and kvm_stat.service at a real boot, where nobody else loads KVM: guests'
services find it loaded, and the log begins.

Stand-ins for the services of libvirt note what they find when they start.
"""
import os
import re
import unittest

import job

UNIT = "kvm-modprobe.service"
UNIT_FILE = f"/lib/systemd/system/{UNIT}"
KVM_STAT = "kvm_stat.service"
KVM_STAT_FILE = f"/lib/systemd/system/{KVM_STAT}"
LOG = "/var/log/kvm_stat.csv"
MODPROBE_D = "/etc/modprobe.d/job.conf"
GUESTS = ("libvirtd", "virtqemud", "libvirt-guests", "qemu-kvm")
STAND_IN = """[Service]
Type=oneshot
ExecStart=/bin/cp /proc/modules /run/found-by-%N
[Install]
WantedBy=multi-user.target
"""
EXPOSURE_MAX = 2.0


def before_boot():
    job.write("/etc/udev/rules.d/80-drivers.rules", "")  # it loads KVM by the CPU's alias
    # Who does not wait for it is there first.
    job.write(f"/etc/systemd/system/{UNIT}.d/slow.conf", "[Service]\n"
              "ExecStartPre=/bin/sh -c '[ -e /run/found-by-qemu-kvm ] || sleep 3'\n")
    for name in GUESTS:
        job.write(f"/etc/systemd/system/{name}.service", STAND_IN)
    job.do("systemctl", "enable", UNIT, KVM_STAT, *(f"{name}.service" for name in GUESTS),
           env={**os.environ, "SYSTEMD_OFFLINE": "1"})


def show(unit, *names):
    """The properties of a unit, by name."""
    lines = job.do("systemctl", "show", "--property", ",".join(names), unit).splitlines()
    values = dict(line.split("=", 1) for line in lines)
    return [values[name] for name in names]


def journal(unit=UNIT):
    """What the program of the unit has said since it was last started."""
    (invocation,) = show(unit, "InvocationID")
    job.do("journalctl", "--sync")
    return job.do("journalctl", "--output", "cat", "--no-pager",
                  f"_SYSTEMD_INVOCATION_ID={invocation}")


def modules(text):
    """In the order in which they were loaded."""
    return [line.split()[0] for line in reversed(text.splitlines())]


class Service(unittest.TestCase):
    def assert_state(self, *expected):
        self.assertEqual(list(expected), show(UNIT, "ActiveState", "SubState", "Result",
                                              "ExecMainStatus"))

    def test_loads_at_boot(self):
        """By the unit, as its journal says, with the options of the kernel's command line."""
        self.assert_state("active", "exited", "success", "0")
        said = journal()
        print(said)
        self.assertRegex(said, r"\A(load \S+( \S+)?\n)*load kvm halt_poll_ns=12345\nload kvm_amd\n"
                         r"kvm_amd: loaded\n(load \S+\n)+vhost_net: loaded\n\Z")
        loads = re.findall(r"(?m)^load (\S+)", said)
        self.assertEqual(loads, modules(job.read("/proc/modules"))[-len(loads):])
        self.assertEqual("12345\n", job.read("/sys/module/kvm/parameters/halt_poll_ns"))

    def test_before_guests(self):
        for name in GUESTS:
            found = modules(job.read(f"/run/found-by-{name}"))
            self.assertLessEqual({"kvm_amd", "vhost_net"}, set(found), name)

    def test_kvm_stat_logs(self):
        """It is started when KVM is there, and so has nothing to warn of."""
        job.until(lambda: os.path.exists(LOG) and job.read(LOG).endswith("\n"),
                  "the log has begun")
        self.assertRegex(job.read(LOG), r"\Atimestamp,[^\n]*,kvm_exit")
        self.assertEqual(["active", "running", "0"],
                         show(KVM_STAT, "ActiveState", "SubState", "NRestarts"))
        self.assertEqual("", journal(KVM_STAT))

    def test_systemd_understands_it(self):
        self.assertEqual("", job.complaints(UNIT))

    def test_exposure(self):
        self.assertLessEqual(job.exposure(UNIT), EXPOSURE_MAX)

    # Started again, the tests without KVM last

    def restart(self):
        status = job.run("systemctl", "restart", UNIT).returncode
        print(journal())
        return status

    def test_restart(self):
        before = job.read("/proc/modules")
        self.assertEqual(0, self.restart())
        self.assertEqual("kvm_amd: loaded\nvhost_net: loaded\n", journal())
        self.assert_state("active", "exited", "success", "0")
        job.do("systemctl", "stop", UNIT)
        self.assertEqual(before, job.read("/proc/modules"))

    def test_without_kvm(self):
        """A blacklist is the administrator's wish; that there is no module is a failure."""
        job.do("systemctl", "stop", KVM_STAT)
        job.do("modprobe", "-r", "vhost_net", "kvm_amd")
        self.addCleanup(job.remove, MODPROBE_D)
        job.write(MODPROBE_D, "blacklist kvm_amd\n")
        self.assertEqual(0, self.restart())
        self.assert_state("active", "exited", "success", "6")
        self.assertIn(f"kvm-modprobe: module-blacklisted: {MODPROBE_D}:1 forbids", journal())
        job.remove(MODPROBE_D)
        away = f"/lib/modules/{os.uname().release}"
        os.rename(away, away + "-away")
        self.addCleanup(os.rename, away + "-away", away)
        self.assertNotEqual(0, self.restart())
        self.assert_state("failed", "failed", "exit-code", "5")
        self.assertFalse({"kvm_amd", "vhost_net"} & set(modules(job.read("/proc/modules"))))


def plain():
    """Units that anybody would write, typing errors included."""
    job.write(UNIT_FILE, "[Service]\nType=oneshot\nRemainAfterExit=yes\nEnviroment=A=B\n"
              "ExecStart=/sbin/modprobe -b vhost_net\nExecStart=/sbin/modprobe -b kvm_amd\n"
              "[Install]\nWantedBy=multi-user.target\n")
    job.write(KVM_STAT_FILE, job.read(KVM_STAT_FILE).replace(f" {UNIT}", ""))


if __name__ == "__main__":
    job.main({"plain": job.Control(plain, job.ALL)}, before_boot)
