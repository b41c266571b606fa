#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts with libvirt's packages as they were in 2012 and as of 9.0 come to those of
packaging/libvirt, and these to a later version, by real rpm and systemd: what is enabled stays so,
nothing new is enabled beside libvirtd, log and lock daemon keep their processes, and others restart
once. Where it counts with Debian's libvirtd, virtlogd, virtlockd and virsh, else with stand-ins.
"""
import glob
import os
import re
import shutil
import unittest

import job
import libvirt_bench as bench
from libvirt_bench import HELPERS

# The control's have other scriptlets.
FIRST, LATER = ("systemd", "systemd") if job.CONTROL == "systemd" else ("split", "split-2")
# Which of them come to a host; more would only take longer.
OF_9 = ("libvirt-client", "libvirt-daemon", "libvirt-daemon-driver-qemu")
NETWORK = ("libvirt-daemon-config-network", "libvirt-daemon-driver-network")
TODAY = (*OF_9, "libvirt-daemon-client", "libvirt-daemon-common", "libvirt-daemon-lock",
         "libvirt-daemon-log", "libvirt-daemon-plugin-lockd", "libvirt-daemon-proxy",
         "libvirt-guests")
OF_2012 = ("libvirt", "libvirt-client")
PRESET = "/etc/systemd/system-preset/00-job.preset"
# As of a distribution that wants modular daemons.
PRESETS = """enable virtlogd.socket
enable virtlockd.socket
enable virtqemud.service
enable virtqemud.socket
enable virtnetworkd.service
enable virtnetworkd.socket
enable virtproxyd.socket
disable *
"""
REAL = ("/usr/sbin/libvirtd", "/usr/sbin/virtlogd", "/usr/sbin/virtlockd", "/usr/bin/virsh")
KEPT = "/root/real"


def setUpModule():
    bench.remove_debians()
    os.mkdir(KEPT)
    for path in REAL:
        shutil.move(path, KEPT)
    job.do("systemctl", "daemon-reload")


def use_real_programs():
    """rpm leaves them alone. Returns its options for that."""
    for path in REAL:
        shutil.copy2(f"{KEPT}/{os.path.basename(path)}", path)
    return [f"--excludepath={path}" for path in REAL]


def starts(unit):
    """How often the daemon of the unit has started since the boot."""
    job.do("journalctl", "--sync")
    return len(re.findall("^Started ", job.do("journalctl", "--unit", unit, "-o", "cat",
                                               "--no-pager"), re.M))


class Upgrades(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.addCleanup(self.clear)
        job.write(PRESET, PRESETS)

    @staticmethod
    def clear():
        bench.clear()
        installed = job.do(*bench.RPM, "-qa").split()
        job.do(*bench.RPM, "-e", "--nodeps", "--noscripts", *installed)
        for path in REAL:
            job.remove(path)
        for path in glob.glob("/run/libvirt/*-sock*"):
            os.unlink(path)
        job.do("systemctl", "daemon-reload")

    def install(self, repository, *names, options=()):
        print(repository, bench.rpm("-U", "--nodeps", *options,
                                    *bench.packages(repository, *names)), flush=True)
        self.assertFalse(os.path.exists("/var/lib/rpm-state"), "marks were left")

    def pids(self):
        return bench.show([f"{name}.service" for name in HELPERS], "MainPID")

    def test_monolithic_host_of_9(self):
        """It is what presets do not want, and has real daemons."""
        options = use_real_programs()
        # Else it ends when nobody has asked for two minutes.
        job.write("/etc/sysconfig/libvirtd", "LIBVIRTD_ARGS=\n")
        self.addCleanup(job.remove, "/etc/sysconfig/libvirtd")
        self.install("before-9", *OF_9, options=options)
        for link in bench.links():
            os.unlink(link)
        job.do("systemctl", "enable", "--now", "libvirtd.service", "virtlogd.service",
               "virtlockd.service", "libvirt-guests.service")
        before = bench.enabled(), self.pids(), starts("libvirtd.service")
        self.assertEqual("PASS monolithic", bench.mode())
        self.assertIn("libvirtd.socket", before[0])
        job.do("virsh", "--quiet", "list")
        self.install(LATER, *TODAY, options=options)
        self.assertEqual(before[0], bench.enabled())
        self.assertEqual("PASS monolithic", bench.mode())
        self.assertEqual(before[1], self.pids())
        self.assertEqual(before[2] + 1, starts("libvirtd.service"))
        self.assertEqual({"active"}, {*bench.states(
            "libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "virtlogd.service",
            "virtlockd.service", "libvirt-guests.service").values()})
        self.assertEqual({"inactive"}, {*bench.states(*bench.unit_names(
            "virtqemud", "virtproxyd")).values()})
        job.do("virsh", "--quiet", "list")

    def test_modular_host_of_9(self):
        """With virtproxyd for other hosts, which presets do not want; and its next update."""
        self.install("before-9", *OF_9, *NETWORK)
        job.do("systemctl", "enable", "virtproxyd-tls.socket", "virtlogd.service",
               "virtlockd.service")
        enabled = bench.enabled()
        self.assertLessEqual({"virtqemud.service", "virtqemud-ro.socket", "virtproxyd.socket",
                              "virtproxyd-tls.socket"}, enabled)
        self.assertFalse([unit for unit in enabled if unit.startswith("libvirtd")])
        job.do("systemctl", "start", *enabled)
        self.assertEqual("virtproxyd", bench.answer("/run/libvirt/libvirt-sock"))
        pids = self.pids()
        others = ("virtnetworkd", "virtproxyd", "virtqemud")
        helpers = ("libvirt-daemon-log", "libvirt-daemon-lock")
        for version, repository, names, restarted in (
                ("11.3.0", FIRST, (*TODAY, *NETWORK), others),
                ("11.3.1", LATER, (*helpers, *NETWORK), ("virtnetworkd",))):
            bench.forget()
            self.install(repository, *names)
            self.assertEqual(enabled, bench.enabled())
            self.assertEqual("PASS modular", bench.mode())
            self.assertEqual(pids, self.pids())
            job.until(lambda: len(bench.log()) >= 2 * len(HELPERS) + len(restarted),
                      "the daemons have written it down")
            # virtlogd and virtlockd by now execute what is new.
            self.assertEqual(sorted([*(f"{name} start {version}" for name in restarted),
                                     *(f"{name} new {version}" for name in HELPERS)]),
                             sorted(line for line in bench.log() if " reload " not in line))
            self.assertEqual("virtproxyd", bench.answer("/run/libvirt/libvirt-sock"))
            self.assertEqual({"inactive"}, {*bench.states(
                *bench.unit_names("libvirtd")).values()})

    def test_host_of_2012(self):
        """All that is modular is new to it, and stays off."""
        self.install("before-2012", *OF_2012)
        job.do("systemctl", "enable", "--now", "libvirtd.service", "libvirt-guests.service")
        job.until(bench.log, "libvirtd has made its sockets")
        self.assertEqual("libvirtd", bench.answer("/run/libvirt/libvirt-sock"))
        self.assertEqual(["libvirtd start 0.9.10"], bench.log())
        self.assertEqual({"libvirtd.service", "libvirt-guests.service"}, bench.enabled())
        bench.forget()
        self.install(LATER, "libvirt", *TODAY)
        modular = {unit for unit in bench.enabled()
                   if re.match("virt(qemu|proxy)d", unit)}
        self.assertEqual(set(), modular)
        self.assertLessEqual({"libvirtd.service", "libvirt-guests.service", "virtlogd.socket",
                              "virtlogd-admin.socket"}, bench.enabled())
        self.assertEqual("PASS monolithic", bench.mode())
        self.assertEqual("libvirtd", bench.answer("/run/libvirt/libvirt-sock"))
        # By the scriptlet of old, which nothing can change, and when all is there.
        self.assertEqual(["libvirtd start 11.3.1"] * 2, bench.log())
        self.assertEqual({"active"}, {*bench.states(
            "libvirtd.service", "libvirtd.socket", "libvirt-guests.service").values()})

    def test_new_host(self):
        """It has what its presets say."""
        self.install(LATER, *TODAY)
        self.assertEqual({
            "virtlogd.socket", "virtlogd-admin.socket", "virtlockd.socket",
            "virtlockd-admin.socket", "virtproxyd.socket", "virtproxyd-ro.socket",
            "virtproxyd-admin.socket", "virtqemud.service", "virtqemud.socket",
            "virtqemud-ro.socket", "virtqemud-admin.socket"}, bench.enabled())


def libvirtd_is_enabled():
    """As on a host whose administrator has made it."""
    job.write("/etc/systemd/system/libvirtd.socket", "[Socket]\nListenStream=/run/other\n"
              "[Install]\nWantedBy=sockets.target\n")
    job.do("systemctl", "enable", "libvirtd.socket")


if __name__ == "__main__":
    job.main({
        "systemd": job.Control(lambda: None, [
            "test_monolithic_host_of_9", "test_modular_host_of_9", "test_host_of_2012"]),
        "libvirtd": job.Control(libvirtd_is_enabled, ["test_new_host"])})
