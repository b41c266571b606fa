#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rpms on a host with real rpm, systemd, udevd and KVM: /dev/kvm is right at once, units are as
presets, administrators and their classes have it, and nothing is left afterwards.

rpm does not know what Debian's packages bring: dependencies, and dnf and zypper, which would have
them resolved, are for the install roots of tests/package/rpm. What these two change for scriptlets
is their order, which of them share an rpm, and who runs them. There each call of systemctl that
comes of it is asserted; what systemd makes of such calls, here and in unit_scriptlets.py.
"""
import glob
import os
import unittest

import job

LOADER, LOGGER = "kvm-modprobe.service", "kvm_stat.service"
NAMES = ("qemu-kvm", "qemu-kvm-udev", "kvm_stat", "qemu-kvm-rpm-macros")
PRESET = "/etc/systemd/system-preset/00-job.preset"
CONFIG, LOG = "/etc/logrotate.d/kvm_stat", "/var/log/kvm_stat.csv"
# For each scriptlet rpm marks as many descriptors as there may be.
RPM = ("prlimit", "--nofile=1024", "rpm", "--dbpath", "/var/lib/rpm")
NO_SCRIPTS = ("--noscripts",) if job.CONTROL == "no-scripts" else ()


def rpm(action, *packages):
    """Returns what rpm and the scriptlets say on standard error, without Debian's word to rpm."""
    result = job.run(*RPM, action, "--nodeps", *NO_SCRIPTS, *packages)
    text = "".join(line for line in result.stderr.splitlines(True) if not line.startswith("rpm: "))
    print(action, result.returncode, text)
    if result.returncode != 0 or "scriptlet" in text:
        raise RuntimeError(result.stderr)
    return text


def show(unit, name):
    return job.do("systemctl", "show", "--value", "-p", name, unit).strip()


def enablement(*units):
    return job.run("systemctl", "is-enabled", *units).stdout.split()


def starts():
    """How often the log was started since the boot."""
    job.do("journalctl", "--sync")
    return job.do("journalctl", "--unit", LOGGER, "-o", "cat", "--no-pager").count("Started ")


def files():
    """All files of the machine, without what others write meanwhile."""
    return set(job.do("find", "/", "-xdev", "(", "-path", "/tmp", "-o", "-path", "/var/tmp", "-o",
                      "-path", "/var/log/journal", "-o", "-path", "/var/lib/rpm", ")", "-prune",
                      "-o", "-print").splitlines())


class Packages(unittest.TestCase):
    def setUp(self):
        job.load_kvm()
        os.chown("/dev/kvm", 0, 0)
        os.chmod("/dev/kvm", 0o600)
        job.write(PRESET, f"enable {LOADER}\ndisable *\n")
        self.addCleanup(self.clear)

    @staticmethod
    def clear():
        job.run("systemctl", "stop", LOADER, LOGGER)
        if job.run(*RPM, "-q", *NAMES).returncode == 0:
            job.do(*RPM, "-e", "--nodeps", "--noscripts", *NAMES)
        for link in glob.glob("/etc/systemd/system/*.wants/kvm*"):
            job.remove(link)
        for path in (PRESET, LOG, CONFIG, CONFIG + ".rpmsave"):
            job.remove(path)
        job.do("systemctl", "daemon-reload")
        job.run("modprobe", "-r", "vhost_net")

    def test_install(self):
        message = rpm("-U", *glob.glob("ours/*.rpm"))
        self.assertEqual("660 root:kvm", job.do("stat", "-c", "%a %U:%G", "/dev/kvm").strip())
        self.assertIn("/dev/kvm: root:root 0600 -> root:kvm 0660", message)
        self.assertEqual(["enabled", "disabled"], enablement(LOADER, LOGGER))
        self.assertEqual(["inactive"] * 2, [show(unit, "ActiveState") for unit in (LOADER, LOGGER)])
        self.assertEqual("", job.run(*RPM, "--verify", "--nodeps", *NAMES).stdout)
        result = job.run("kvm-check", "--quiet")
        self.assertEqual(0, result.returncode, result.stderr)

    def test_update(self):
        """While the log is on, and a module that is not wanted has been unloaded."""
        rpm("-U", *glob.glob("ours/*.rpm"))
        job.do("systemctl", "disable", LOADER)
        job.do("systemctl", "start", LOADER, LOGGER)
        job.do("modprobe", "-r", "vhost_net")
        job.write(CONFIG, job.read(CONFIG).replace("rotate 7", "rotate 30"))
        edited = job.read(CONFIG)
        job.until(lambda: os.path.exists(LOG), "the log is there")
        started = starts()
        before = {unit: show(unit, "InvocationID") for unit in (LOADER, LOGGER)}
        rpm("-U", *glob.glob("newer/*.rpm"))
        self.assertEqual(["disabled", "disabled"], enablement(LOADER, LOGGER))
        self.assertEqual(before[LOADER], show(LOADER, "InvocationID"))
        self.assertNotEqual(before[LOGGER], show(LOGGER, "InvocationID"))
        self.assertEqual(started + 1, starts())
        self.assertEqual(["active"] * 2, [show(unit, "ActiveState") for unit in (LOADER, LOGGER)])
        self.assertFalse(job.has_module("vhost_net"))
        self.assertEqual(edited, job.read(CONFIG))
        self.assertTrue(os.path.exists(LOG))

    def test_remove(self):
        before = files()
        rpm("-U", *glob.glob("ours/*.rpm"))
        job.do("systemctl", "start", LOGGER)
        self.assertGreater(len(files() - before), 40)
        rpm("-e", *NAMES)
        self.assertEqual("inactive", show(LOGGER, "ActiveState"))
        self.assertEqual("not-found", show(LOGGER, "LoadState"))
        self.assertEqual(set(), files() - before - {LOG})
        self.assertEqual(set(), before - files())


if __name__ == "__main__":
    job.main({"no-scripts": job.Control(lambda: None, job.ALL)})
