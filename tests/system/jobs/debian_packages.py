#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's packages on a running Debian, by its own dpkg and apt: /dev/kvm is right at once, units
are enabled and restarted as their class says and the administrator wants, and what was there
before is there afterwards.
"""
import glob
import hashlib
import os
import re
import shutil
import tempfile
import unittest

import job

NAMES = ("kvm-stat", "qemu-kvm-tools", "qemu-kvm-udev")
LOADER, LOGGER = "kvm-modprobe.service", "kvm_stat.service"
UNITS = {"kvm-stat": LOGGER, "qemu-kvm-tools": LOADER}
CONFFILE = "/etc/logrotate.d/kvm_stat"
LOGS = ("/var/log/kvm_stat.csv", "/var/log/kvm_stat.csv.1", "/var/log/kvm_stat.csv.2.gz")
STARTS = "/run/starts"
SECONDS_MAX = 240  # of dpkg, on a busy host; most is systemd's daemon-reload
IMAGE = "/mnt/image"
OLD, NEW = "packages", "newer"
CARELESS = """#!/bin/sh
systemctl daemon-reload
systemctl enable {unit}
systemctl restart {unit}
exit 0
"""


def debs(directory):
    return [glob.glob(f"{directory}/{name}_*.deb")[0] for name in NAMES]


def repack(source, target, edit):
    """The package again, after edit(its tree)."""
    with tempfile.TemporaryDirectory() as tree:
        job.do("dpkg-deb", "--raw-extract", source, tree)
        edit(tree)
        job.do("dpkg-deb", "--build", "-Znone", tree, target)


def make_newer(tree):
    """The next version; units differ, so that systemd has to read them anew."""
    control = job.read(f"{tree}/DEBIAN/control")
    version = re.search(r"^Version: (.*)$", control, re.MULTILINE)[1]
    job.write(f"{tree}/DEBIAN/control", control.replace(version, version + ".1"))
    for path in glob.glob(f"{tree}/lib/systemd/system/*"):
        sums = job.read(f"{tree}/DEBIAN/md5sums")
        old = hashlib.md5(job.read(path).encode()).hexdigest()
        job.write(path, job.read(path) + "# newer\n")
        new = hashlib.md5(job.read(path).encode()).hexdigest()
        job.write(f"{tree}/DEBIAN/md5sums", sums.replace(old, new))


def dpkg(*arguments):
    """Returns what it says on standard error."""
    result = job.run("dpkg", *arguments, timeout=SECONDS_MAX)
    if result.returncode != 0:
        raise RuntimeError(f"dpkg {arguments}: {result.stdout}{result.stderr}")
    return result.stderr


def show(unit, name):
    return job.do("systemctl", "show", "--value", "-p", name, unit).strip()


def enablement(unit):
    return job.run("systemctl", "is-enabled", unit).stdout.strip()


def starts():
    """The units that were started, in order."""
    return job.read(STARTS).split()


def node():
    return job.do("stat", "-c", "%a %U:%G", "/dev/kvm").strip()


def spoil_node(mode=0o600):
    os.chown("/dev/kvm", 0, 0)
    os.chmod("/dev/kvm", mode)


def files():
    """All files of the machine, without what others write meanwhile."""
    return set(job.do("find", "/", "-xdev", "(", "-path", "/tmp", "-o", "-path", "/var/tmp", "-o",
                      "-path", "/var/log/journal", "-o", "-path", "/var/cache", ")", "-prune",
                      "-o", "-print").splitlines())


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The image leaves documents out, which dpkg would miss.
        for path in glob.glob("/etc/dpkg/dpkg.cfg.d/*"):
            job.write(path, re.sub("(?m)^path-exclude=.*$", "", job.read(path)))
        # dpkg's own, from its first run on.
        with open("/var/log/dpkg.log", "a", encoding="ascii"):
            pass
        # systemctl removes those, the image has some.
        job.do("find", "/etc/systemd/system", "-mindepth", "1", "-depth", "-type", "d", "-empty",
               "-delete")
        os.mkdir(NEW)
        for path in debs(OLD):
            repack(path, f"{NEW}/{os.path.basename(path)}", make_newer)
        for unit in UNITS.values():
            job.write(f"/run/systemd/system/{unit}.d/count.conf",
                      f"[Service]\nExecStartPre=+/bin/sh -c 'echo {unit} >>{STARTS}'\n")

    def setUp(self):
        job.load_kvm()
        spoil_node()
        self.addCleanup(self.clear)

    @staticmethod
    def clear():
        job.run("systemctl", "unmask", LOADER, LOGGER)
        dpkg("--purge", "--force-depends", *NAMES)
        job.run("systemctl", "stop", LOADER, LOGGER)
        for unit in UNITS.values():
            for path in glob.glob(f"/etc/systemd/system/*.wants/{unit}"):
                job.remove(path)
        for path in (*LOGS, STARTS):
            job.remove(path)
        job.do("systemctl", "daemon-reload")
        job.run("modprobe", "-r", "vhost_net")

    def assert_verified(self, changed=""):
        self.assertEqual(changed, job.run("dpkg", "--verify", *NAMES).stdout)

    # Install

    def test_install(self):
        """With apt, beside Debian's QEMU and libvirt."""
        result = job.run("apt-get", "install", "-y", "-oAPT::Sandbox::User=root",
                         *("./" + path for path in debs(OLD)),
                         timeout=SECONDS_MAX,
                         env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.assertEqual("660 root:kvm", node())
        self.assertEqual(("enabled", "active"), (enablement(LOADER), show(LOADER, "ActiveState")))
        self.assertTrue(job.has_module("vhost_net"))
        self.assertEqual(("disabled", "inactive"), (enablement(LOGGER),
                                                    show(LOGGER, "ActiveState")))
        self.assert_verified()
        self.assertEqual("", job.do("dpkg", "--audit"))
        for name in ("qemu-system-x86", "libvirt-daemon-system"):
            self.assertIn(" installed", job.do("dpkg-query", "-W", "-f", "${Status}", name))
        print(job.do("./installed-tools"))

    def test_install_in_a_chroot(self):
        """It says nothing and leaves the host as it is; the image is right at its first boot."""
        job.do("modprobe", "overlay")
        os.makedirs(IMAGE, exist_ok=True)
        job.do("mount", "-t", "tmpfs", "--make-private", "tmpfs", IMAGE)
        self.addCleanup(job.do, "umount", "--recursive", "--lazy", IMAGE)
        for name in ("upper", "work", "root"):
            os.mkdir(f"{IMAGE}/{name}")
        root = f"{IMAGE}/root"
        job.do("mount", "-t", "overlay", "-o",
               f"lowerdir=/,upperdir={IMAGE}/upper,workdir={IMAGE}/work", "overlay", root)
        for name in ("/dev", "/proc", "/sys"):
            job.do("mount", "--rbind", "--make-rslave", name, root + name)
        for path in debs(OLD):
            shutil.copy(path, f"{root}/root")
        result = job.run("chroot", root, "sh", "-c", "dpkg --install /root/*.deb")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertRegex(result.stderr, rf"\A(Created symlink [^\n]*{LOADER}\.\n)?\Z")
        wants = f"{root}/etc/systemd/system/multi-user.target.wants"
        self.assertTrue(os.path.islink(f"{wants}/{LOADER}"))
        self.assertFalse(os.path.lexists(f"{wants}/{LOGGER}"))
        # With the host's /run as well, udevd and systemd seem to be there.
        job.do("mount", "--rbind", "--make-rslave", "/run", f"{root}/run")
        job.do("chroot", root, "sh", "-c", "dpkg --install /root/*.deb")
        self.assertEqual("600 root:root", node())
        self.assertEqual("not-found", show(LOADER, "LoadState"))

    def test_administrators_rule(self):
        """It counts, and the package does not fail for it."""
        rule = "/etc/udev/rules.d/65-kvm.rules"
        self.addCleanup(job.remove, rule)
        job.write(rule, 'KERNEL=="kvm", GROUP="root", MODE="0640"\n')
        spoil_node(0o666)
        message = dpkg("--install", debs(OLD)[NAMES.index("qemu-kvm-udev")])
        self.assertEqual("640 root:root", node())
        self.assertRegex(message, r"\Akvm-device: [^\n]*/dev/kvm[^\n]*\n\Z")
        self.assertEqual("", job.do("dpkg", "--audit"))

    # Upgrade

    def assert_restarted(self, count):
        """The log is on and was restarted so often; the loader was left alone."""
        self.assertEqual([LOADER, LOGGER] + [LOGGER] * count, starts())
        for unit in UNITS.values():
            self.assertEqual(("active", "no"), (show(unit, "ActiveState"),
                                                show(unit, "NeedDaemonReload")), unit)
        self.assertFalse(job.has_module("vhost_net"))

    def test_upgrade(self):
        """While the log is on, and a module that is not wanted has been unloaded; then back, in an
        interrupted run of dpkg.
        """
        dpkg("--install", *debs(OLD))
        job.do("systemctl", "start", LOGGER)
        job.do("modprobe", "-r", "vhost_net")
        self.assert_restarted(0)
        edited = job.read(CONFFILE).replace("rotate 7", "rotate 30")
        job.write(CONFFILE, edited)
        for path in LOGS[1:]:
            job.write(path, "old\n")
        self.assertEqual("", dpkg("--install", *debs(NEW)))
        self.assert_restarted(1)
        self.assertEqual(edited, job.read(CONFFILE))
        self.assert_verified(f"??5?????? c {CONFFILE}\n")
        self.assertEqual(["old\n"] * 2, [job.read(path) for path in LOGS[1:]])

        dpkg("--unpack", *debs(OLD))
        self.assertEqual([LOADER, LOGGER, LOGGER], starts())
        dpkg("--configure", "--pending")
        self.assert_restarted(2)

    def test_upgrade_starts_nothing(self):
        dpkg("--install", *debs(OLD))
        job.do("systemctl", "enable", LOGGER)
        job.do("systemctl", "stop", LOADER)
        dpkg("--install", *debs(NEW))
        for unit in UNITS.values():
            self.assertEqual(("enabled", "inactive"), (enablement(unit),
                                                       show(unit, "ActiveState")))

    def test_administrators_choice(self):
        """First installation, upgrade, reinstallation, downgrade, removal with a second thought."""
        preset = "/etc/systemd/system-preset/00-job.preset"
        self.addCleanup(job.remove, preset)
        job.write(preset, f"disable {LOADER}\n")
        dpkg("--install", *debs(OLD))
        self.assertEqual(("disabled", "inactive"), (enablement(LOADER),
                                                    show(LOADER, "ActiveState")))
        job.remove(preset)
        job.do("systemctl", "enable", LOGGER)
        for directory in (NEW, NEW, OLD):
            dpkg("--install", *debs(directory))
            self.assertEqual(("disabled", "enabled"), (enablement(LOADER), enablement(LOGGER)))
        dpkg("--remove", *NAMES)
        dpkg("--install", *debs(OLD))
        self.assertEqual(("disabled", "enabled"), (enablement(LOADER), enablement(LOGGER)))
        job.do("systemctl", "mask", LOADER, LOGGER)
        dpkg("--install", *debs(NEW))
        self.assertEqual(("masked", "masked"), (enablement(LOADER), enablement(LOGGER)))

    # Removal

    def test_remove_and_purge(self):
        before = files()
        dpkg("--install", *debs(OLD))
        job.do("systemctl", "enable", "--now", LOGGER)
        for path in LOGS:
            with open(path, "a", encoding="ascii"):
                pass
        installed = files()
        dpkg("--remove", *NAMES)
        for unit in UNITS.values():
            self.assertEqual(("not-found", "inactive"), (show(unit, "LoadState"),
                                                         show(unit, "ActiveState")))
        kept = {path for path in files() - before
                if not path.startswith(("/var/lib/dpkg/", "/var/lib/systemd/"))}
        links = {f"/etc/systemd/system/multi-user.target.wants/{unit}" for unit in UNITS.values()}
        self.assertEqual({*LOGS, CONFFILE, *links}, kept)
        dpkg("--purge", *NAMES)
        self.assertEqual(set(), files() - before)
        self.assertEqual(set(), before - files())
        self.assertGreater(len(installed - before), 50)


def no_scripts():
    """Files alone."""
    def edit(tree):
        for name in ("preinst", "postinst", "prerm", "postrm"):
            job.remove(f"{tree}/DEBIAN/{name}")
    for path in debs(OLD):
        repack(path, path, edit)


def careless():
    """Units are enabled and started, whatever was before."""
    def edit(tree):
        name = re.search(r"^Package: (.*)$", job.read(f"{tree}/DEBIAN/control"), re.MULTILINE)[1]
        if name in UNITS:
            job.write(f"{tree}/DEBIAN/postinst", CARELESS.format(unit=UNITS[name]), 0o755)
    for path in debs(OLD):
        repack(path, path, edit)


if __name__ == "__main__":
    job.main({
        "no-scripts": job.Control(no_scripts, [
            "test_install", "test_install_in_a_chroot", "test_administrators_rule",
            "test_remove_and_purge"]),
        "careless": job.Control(careless, [
            "test_upgrade", "test_upgrade_starts_nothing", "test_administrators_choice"]),
    })
