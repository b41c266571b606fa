#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The units of units/libvirt with stand-ins for the daemons, by real systemd: what excludes what,
what goes with what, and what stays when daemons come and go. What a boot makes of them is of
libvirt_boot.
"""
import glob
import os
import unittest

import job
import libvirt_bench as bench
from libvirt_bench import HELPERS, MODULAR, REMOTE, XEN


# In the place of what ends guests: who answers a second after the host began to go down.
ASK = """import os, socket, time
time.sleep(1)
with open("/root/answers", "w") as f:
    for name in ("libvirt", "virtqemud", "virtlockd", "virtlogd"):
        path = f"/run/libvirt/{name}-sock"
        if os.path.exists(path):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(path)
                print(client.recv(100).decode().split()[0], file=f)
"""


def install():
    bench.remove_debians()
    bench.rpm("-U", "--nodeps", "--noscripts", *bench.packages("split"))


def sockets(*daemons):
    """Their local ones."""
    return [unit for unit in bench.unit_names(*daemons)
            if unit.endswith(".socket") and not unit.endswith(("-tcp.socket", "-tls.socket"))]


def setUpModule():
    if not job.CONTROL:
        install()
    job.do("systemctl", "daemon-reload")


class Units(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.addCleanup(bench.clear)

    def assert_states(self, state, units):
        self.assertEqual({unit: state for unit in units}, bench.states(*units))

    def test_systemd_has_no_complaint(self):
        units = [*bench.unit_names(), "virt-guest-shutdown.target"]
        self.assertEqual(1 + 55, len(units))
        result = job.run("systemd-analyze", "verify", "--man=no", *units)
        self.assertEqual((0, ""), (result.returncode, result.stdout + result.stderr))

    def test_local_sockets_are_enabled_together(self):
        """By any of them or the service, and those with ports never."""
        for daemon in ("virtproxyd", "virtlogd"):
            local = {*sockets(daemon)}
            for unit in (*sorted(local), f"{daemon}.service"):
                job.do("systemctl", "--no-reload", "enable", unit)
                self.assertEqual(local | {unit}, bench.enabled())
                for link in bench.links():
                    os.unlink(link)

    def test_ports_are_by_themselves(self):
        """Going, they leave the others, which leave without them."""
        ports = {f"virtproxyd{kind}.socket" for kind in REMOTE}
        job.do("systemctl", "--no-reload", "enable", "virtproxyd-ro.socket", *ports)
        job.do("systemctl", "--no-reload", "disable", "virtproxyd-tls.socket")
        self.assertEqual({*sockets("virtproxyd"), "virtproxyd-tcp.socket"}, bench.enabled())
        job.do("systemctl", "--no-reload", "disable", "virtproxyd-admin.socket")
        self.assertEqual({"virtproxyd-tcp.socket"}, bench.enabled())

    def test_stopped_sockets_leave_no_file(self):
        """Each alone, the main one last; of daemons that run as well."""
        for daemons in (("virtproxyd", "virtqemud", "virtlogd"), ("libvirtd",)):
            units = sorted(sockets(*daemons), key=lambda unit: "-" not in unit)
            job.do("systemctl", "start", *units)
            for daemon in daemons:
                self.assertEqual(daemon, bench.answer(bench.path_of(f"{daemon}.socket")))
            for unit in units:
                self.assertTrue(os.path.exists(bench.path_of(unit)), unit)
                job.do("systemctl", "stop", unit)
                self.assertFalse(os.path.exists(bench.path_of(unit)), unit)
            # libvirtd can be without sockets of systemd, the others are nothing then.
            self.assert_states("active" if daemons == ("libvirtd",) else "inactive",
                               [f"{daemon}.service" for daemon in daemons])

    def test_libvirtd_takes_over(self):
        """By its socket, when modular sockets and daemons are active; log and lock daemon go on."""
        modular = bench.unit_names(*MODULAR)
        services = [f"{name}.service" for name in (*MODULAR, *HELPERS)]
        job.do("systemctl", "enable", "--now", *services, timeout=120)
        self.assertEqual("PASS modular", bench.mode())
        self.assert_states("active", [unit for unit in modular if unit in sockets(*MODULAR)])
        helpers = bench.show([f"{name}.service" for name in HELPERS], "MainPID")
        job.do("systemctl", "start", "libvirtd.socket")
        self.assert_states("inactive", modular)
        self.assertEqual({unit: "success" for unit in modular}, bench.show(modular, "Result"))
        gone = bench.show(modular, "InactiveEnterTimestampMonotonic")
        came = bench.show(["libvirtd.socket"], "ActiveEnterTimestampMonotonic")["libvirtd.socket"]
        # Its own: the others' twins were not started.
        self.assertLessEqual(int(gone["virtproxyd.socket"]), int(came))
        files = {bench.path_of(unit) for unit in ("libvirtd.socket", *sockets(*HELPERS))}
        self.assertEqual(files, {*glob.glob("/run/libvirt/*-sock*")})
        self.assertEqual("libvirtd", bench.answer("/run/libvirt/libvirt-sock"))
        self.assertEqual(helpers, bench.show([*helpers], "MainPID"))
        # Which was no decision for the next boot.
        self.assertEqual("PASS modular", bench.mode())
        for link in bench.links():
            os.unlink(link)
        job.do("systemctl", "--no-reload", "enable", "libvirtd.service")
        self.assertEqual("PASS monolithic", bench.mode())

    def test_qemu_without_the_log(self):
        """As where the driver's package is alone."""
        for unit in bench.unit_names("virtlogd"):
            os.rename(f"{bench.UNITS}/{unit}", f"/root/{unit}")
            self.addCleanup(os.rename, f"/root/{unit}", f"{bench.UNITS}/{unit}")
        job.do("systemctl", "daemon-reload")
        job.do("systemctl", "start", "virtqemud.socket")
        self.assertEqual("virtqemud", bench.answer("/run/libvirt/virtqemud-sock"))
        self.assertEqual(["virtqemud start 11.3.0"], bench.log())

    def test_xen_on_another_host(self):
        """No socket that waits for nothing."""
        units = bench.unit_names(XEN)
        job.do("systemctl", "start", *units)
        self.assert_states("inactive", units)
        self.assertFalse(os.path.exists("/run/libvirt/virtxend-sock"))


    def test_guests_end_before_the_daemons(self):
        """As a host goes down, when sockets start nothing any more."""
        job.write("/root/ask", ASK)
        job.write("/run/systemd/system/libvirt-guests.service.d/job.conf",
                  "[Service]\nExecStop=\nExecStop=/usr/bin/python3 /root/ask\n")
        self.addCleanup(job.do, "systemctl", "daemon-reload")
        self.addCleanup(job.remove, "/run/systemd/system/libvirt-guests.service.d/job.conf")
        job.do("systemctl", "daemon-reload")
        for daemon in ("virtqemud", "libvirtd"):
            units = [f"{daemon}.service", *sockets(daemon), *bench.unit_names(*HELPERS)]
            helpers = [f"{name}.service" for name in HELPERS]
            job.remove("/root/answers")
            job.do("systemctl", "start", "libvirt-guests.service", *helpers, *units)
            job.do("systemctl", "stop", "libvirt-guests.service", *units)
            self.assertEqual([daemon, *HELPERS], job.read("/root/answers").split())
            self.assert_states("inactive", units)


def others():
    """Daemons that know nothing of each other, sockets that stay and that go with others, and units
    with what systemd does not know.
    """
    install()
    bench.edit_units("^(Conflicts|After)=libvirtd.*\n", "")
    bench.edit_units("^After=virt(qemu|log|lock)d.service\n", "")
    bench.edit_units("^RemoveOnStop=.*\n", "")
    bench.edit_units(r"^(Also=virt\w+)\.socket\n", r"\1.socket virtproxyd-tls.socket\n")
    bench.edit_units("^ListenStream=16514\n",
                     r"\g<0>[Install]\nAlso=virtproxyd.socket\n[Socket]\n")
    bench.edit_units("^Wants=virtlogd", "Requires=virtlogd")
    bench.edit_units("^ConditionPathExists=", "ConditionPathExits=")


if __name__ == "__main__":
    job.main({"others": job.Control(others, job.ALL)})
