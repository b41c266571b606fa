#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages with units on a host with real rpm and systemd: what is enabled and what runs is the
administrator's, or the preset's for a unit that is new, whatever packages do to each other.

The packages (see unit_packages.py) have the scriptlets of macros.qemu-kvm, and under the controls
others. Their daemons log every start and reload.
"""
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import job

FLAVOUR = job.CONTROL or "ours"
LOG = "/var/log/demo-daemon"
MARKS = "/var/lib/rpm-state"
PRESET = "/etc/systemd/system-preset/00-job.preset"
DAEMON = f"""#!/bin/sh
if [ "$1" = --reload ]; then
	echo "$2 reload $3" >>{LOG}
else
	echo "$1 start $2" >>{LOG}
	exec sleep infinity
fi
"""
PRESETS = """enable demo.service
disable demo.socket
enable extra.service
enable main.service
enable proxy.service
enable renamed.service
enable foreign.service
enable logd.service
enable boot.service
enable fewer.service
enable dropped.service
enable victim.service
enable late.service
disable *
"""


UNITS = [*dict.fromkeys(line.split()[1] for line in PRESETS.splitlines()[:-1]), "logd.socket",
         *(f"{name}.service" for name in
           ("proxy-tls", "renamed-tls", "foreign-tls", "victim-off", "stubborn"))]


def packages(*names):
    return [f"unit-packages/{FLAVOUR}/{name}-1.noarch.rpm" for name in names]


# For each scriptlet rpm marks as many descriptors as there may be.
RPM = ["prlimit", "--nofile=1024", "rpm", "--dbpath", "/var/lib/rpm"]


def rpm(*arguments, root=None):
    """Installs, updates or removes."""
    return job.run(*RPM, *(["--root", root] if root else []), "--nodeps", *arguments)


def installed():
    return job.do(*RPM, "-qa", "--qf", "%{NAME}-%{VERSION} ").split()


def log():
    return job.read(LOG).split("\n")[:-1] if os.path.exists(LOG) else []


def unit(name, value):
    return job.do("systemctl", "show", "--property", value, "--value", name).strip()


def enabled(*names, root="/"):
    """What systemctl says of these units, one word each."""
    return job.run("systemctl", "--root", root, "is-enabled", *names).stdout.split()


class Case(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.clear)
        job.write("/usr/bin/demo-daemon", DAEMON, 0o755)
        job.write(PRESET, PRESETS)

    def clear(self):
        if installed():
            job.do(*RPM, "-e", "--nodeps", "--noscripts", *installed())
        job.run("systemctl", "stop", *UNITS)
        for directory, _, files in os.walk("/etc/systemd/system"):
            for name in set(files) & set(UNITS):
                os.unlink(os.path.join(directory, name))
        job.do("systemctl", "daemon-reload")
        for path in (LOG, "/run/stop"):
            job.remove(path)
        shutil.rmtree(MARKS, ignore_errors=True)

    def rpm(self, *arguments, root=None):
        result = rpm(*arguments, root=root)
        print(*arguments, re.sub("rpm: (RPM|However) .*\n", "", result.stderr))
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertNotIn("scriptlet failed", result.stderr)
        self.assertFalse(os.path.exists((root or "") + MARKS), "marks were left")
        return result

    def install(self, *names, **options):
        return self.rpm("-U", "--oldpackage", *packages(*names), **options)

    def remove(self, *names):
        return self.rpm("-e", *names)

    def start(self, *names):
        """Starts the units, waits for the daemons' words, and forgets those."""
        job.do("systemctl", "start", *names)
        count = sum(name.endswith(".service") for name in names)
        job.until(lambda: len(log()) >= count, "the daemons have started")
        job.remove(LOG)

    def assert_enabled(self, words, *names, root="/"):
        self.assertEqual(words.split(), enabled(*names, root=root))

    def assert_logged(self, *lines):
        """What daemons did since start(), and no more."""
        with self.subTest("daemons"):
            # Under a control nobody needs to wait for what does not come.
            end = time.monotonic() + (1 if job.CONTROL else 60)
            while len(log()) < len(lines) and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(0.2)
            self.assertEqual(sorted(lines), sorted(log()))
        job.remove(LOG)


class Presets(Case):
    def test_first_installation(self):
        self.install("split-1")
        self.assert_enabled("enabled enabled disabled", "main.service", "proxy.service",
                            "proxy-tls.service")
        self.assert_logged()

    def test_service_has_the_last_word_about_its_sockets(self):
        """demo.service is enabled and names demo.socket by Also=, whose own preset is disable."""
        self.install("demo-1")
        self.assert_enabled("enabled enabled", "demo.socket", "demo.service")

    def test_what_the_administrator_masked_before(self):
        job.do("systemctl", "mask", "main.service")
        self.install("split-1")
        self.assert_enabled("masked enabled", "main.service", "proxy.service")

    def test_what_the_administrator_made_before(self):
        """A unit of the same name in /etc is not new."""
        job.write("/etc/systemd/system/proxy-tls.service",
                  "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
        job.do("systemctl", "enable", "proxy-tls.service")
        self.install("split-1")
        self.assert_enabled("enabled enabled", "proxy.service", "proxy-tls.service")

    def test_update(self):
        self.install("fewer-1", "boot-1", "stubborn-1")
        job.do("systemctl", "disable", "fewer.service")
        job.do("systemctl", "enable", "stubborn.service")
        job.do("systemctl", "mask", "boot.service")
        self.install("fewer-2", "boot-2", "stubborn-2")
        self.assert_enabled("disabled enabled masked", "fewer.service", "stubborn.service",
                            "boot.service")

    def test_unit_that_an_update_brings(self):
        self.install("demo-1")
        job.do("systemctl", "disable", "demo.service", "demo.socket")
        self.install("demo-2")
        self.assert_enabled("disabled disabled enabled", "demo.service", "demo.socket",
                            "extra.service")

    def test_unit_that_moves_to_another_package(self):
        """As libvirt's virtproxyd did: presets would disable proxy-tls and enable proxy."""
        self.install("split-1")
        job.do("systemctl", "disable", "proxy.service")
        job.do("systemctl", "enable", "proxy-tls.service")
        self.install("split-2", "split-proxy-2")
        self.assert_enabled("disabled enabled", "proxy.service", "proxy-tls.service")

    def test_reinstallation_and_downgrade(self):
        self.install("demo-2")
        job.do("systemctl", "disable", "extra.service")
        self.rpm("-U", "--replacepkgs", *packages("demo-2"))
        self.assert_enabled("disabled enabled", "extra.service", "demo.service")
        self.install("demo-1")
        self.assert_enabled("enabled", "demo.service")

    def test_unit_that_comes_back(self):
        self.install("boot-1")
        self.remove("boot")
        self.install("boot-1")
        self.assert_enabled("enabled", "boot.service")


class Renames(Case):
    def test_renamed_package(self):
        self.install("old-1")
        job.do("systemctl", "enable", "renamed-tls.service")
        job.do("systemctl", "disable", "renamed.service")
        self.start("renamed.service", "renamed-tls.service")
        self.install("new-2")
        self.assert_enabled("disabled enabled", "renamed.service", "renamed-tls.service")
        self.assert_logged("renamed start 2", "renamed-tls start 2")
        self.remove("new")
        self.assertEqual(["inactive"] * 2, [unit(name, "ActiveState") for name in
                                            ("renamed.service", "renamed-tls.service")])

    def test_renamed_package_of_another_making(self):
        """Its scriptlets disable and stop what they take for removed."""
        self.install("foreign-1")
        job.do("systemctl", "enable", "foreign-tls.service")
        job.do("systemctl", "disable", "foreign.service")
        self.start("foreign.service", "foreign-tls.service")
        self.install("native-2")
        self.assert_enabled("disabled enabled", "foreign.service", "foreign-tls.service")
        self.assert_logged("foreign start 2", "foreign-tls start 2")

    def test_update_without_a_unit(self):
        self.install("fewer-1")
        self.start("fewer.service", "dropped.service")
        self.install("fewer-2")
        self.assertEqual("inactive", unit("dropped.service", "ActiveState"))
        self.assertFalse(os.path.lexists(
            "/etc/systemd/system/multi-user.target.wants/dropped.service"))
        self.assert_logged("fewer start 2")

    def test_removal(self):
        self.install("demo-2", "boot-1")
        self.start("demo.socket", "demo.service", "boot.service")
        pid = unit("boot.service", "MainPID")
        self.remove("demo", "boot")
        self.assertEqual(["inactive"] * 2, [unit(name, "ActiveState") for name in
                                            ("demo.socket", "demo.service")])
        self.assertEqual(pid, unit("boot.service", "MainPID"), "class keep: it was stopped")
        wants = "/etc/systemd/system/multi-user.target.wants"
        self.assertEqual([], [name for name in os.listdir(wants) if name != "job-agent.service"
                              and not os.path.exists(f"{wants}/{name}")])
        self.assert_logged()


class Restarts(Case):
    def test_once(self):
        """A daemon and its configuration in one transaction, and only what runs."""
        self.install("demo-1", "demo-config-1")
        self.start("demo.service")
        self.install("demo-2", "demo-config-2")
        # The new command: systemd had read the unit before.
        self.assert_logged("demo start 2")

    def test_configuration_alone(self):
        self.install("demo-1", "demo-config-1")
        self.start("demo.service")
        self.install("demo-config-2")
        self.assert_logged("demo start 1")

    def test_what_does_not_run(self):
        self.install("demo-1", "demo-config-1")
        self.install("demo-2", "demo-config-2")
        self.assert_logged()

    def test_reload_class(self):
        self.install("logd-1", "logd-config-1")
        self.start("logd.service")
        pid = unit("logd.service", "MainPID")
        self.install("logd-2", "logd-config-2")
        self.assertEqual(pid, unit("logd.service", "MainPID"))
        self.assert_logged("logd reload 2")

    def test_configuration_of_the_reload_class(self):
        self.install("logd-1", "logd-config-1")
        self.start("logd.service")
        self.install("logd-config-2")
        self.assert_logged("logd reload 1")

    def test_reload_class_that_cannot_be_reloaded(self):
        self.install("stubborn-1")
        self.start("stubborn.service")
        pid = unit("stubborn.service", "MainPID")
        result = self.install("stubborn-2")
        self.assertEqual(pid, unit("stubborn.service", "MainPID"))
        self.assertIn("stubborn.service goes on as it was", result.stderr)

    def test_keep_class(self):
        self.install("boot-1")
        self.start("boot.service")
        pid = unit("boot.service", "MainPID")
        self.install("boot-2")
        self.assertEqual(pid, unit("boot.service", "MainPID"))
        self.assert_logged()

    def test_what_opensuse_lets_the_administrator_forbid(self):
        job.write("/etc/sysconfig/services", 'DISABLE_RESTART_ON_UPDATE="yes"\n'
                  'DISABLE_STOP_ON_REMOVAL="yes"\n')
        self.addCleanup(job.remove, "/etc/sysconfig/services")
        self.install("demo-1")
        self.start("demo.service")
        self.install("demo-2")
        self.remove("demo")
        self.assertEqual("active", unit("demo.service", "ActiveState"))
        self.assert_logged()


class Aborts(Case):
    """Killed at more points: tests/package/rpm/aborts_test.py."""

    def kill(self, name, point, also_scriptlet=False):
        """rpm is killed in a scriptlet of the package, and that goes on to its end, or not."""
        job.write("/run/stop", f"{name} {point}\n")
        with subprocess.Popen([*RPM, "--nodeps", "-U", *packages(name)], start_new_session=True,
                              stderr=subprocess.PIPE) as process:
            job.until(lambda: os.path.exists("/run/stopped"), f"{point} is reached")
            if also_scriptlet:
                os.killpg(process.pid, signal.SIGKILL)
                job.remove("/run/stopped")
            else:
                process.send_signal(signal.SIGKILL)
            job.remove("/run/stop")
            process.communicate()
        job.until(lambda: not os.path.exists("/run/stopped"), "the scriptlet has ended")

    def repeat(self, name):
        return self.rpm("-U", "--replacepkgs", *packages(name))

    def test_aborted_installation(self):
        self.kill("victim-1", "%post begin")
        self.assert_enabled("disabled disabled", "victim.service", "victim-off.service")
        job.do("systemctl", "enable", "victim-off.service")
        self.repeat("victim-1")
        self.assert_enabled("enabled enabled", "victim.service", "victim-off.service")

    def check_aborted_update(self, point, **options):
        self.install("victim-1")
        job.do("systemctl", "disable", "victim.service")
        job.do("systemctl", "enable", "victim-off.service")
        self.start("victim.service")
        self.kill("victim-2", point, **options)
        self.assert_logged()
        self.repeat("victim-2")
        self.assertEqual(["victim-2"], installed())
        self.assert_enabled("disabled enabled enabled", "victim.service", "victim-off.service",
                            "late.service")
        self.assert_logged("victim start 2")

    def test_aborted_update(self):
        """When all files are there, and both versions in the database."""
        self.check_aborted_update("%post begin")

    def test_update_aborted_at_its_end(self):
        """When the old version is gone."""
        self.check_aborted_update("%posttrans begin", also_scriptlet=True)

    def test_removal_after_aborted_update(self):
        """Marks of an aborted update do not protect the unit."""
        self.install("victim-1")
        self.start("victim.service")
        self.kill("victim-2", "%post begin")
        self.remove(*installed())
        self.assertEqual("inactive", unit("victim.service", "ActiveState"))


class Images(Case):
    """Packages are installed into a directory, in which no systemd runs."""

    def setUp(self):
        super().setUp()
        self.root = "/mnt/root"
        job.do("mount", "-t", "tmpfs", "tmpfs", "/mnt")
        self.addCleanup(job.do, "umount", "-R", "/mnt")
        for name in ("upper", "work", "root"):
            os.mkdir(f"/mnt/{name}")
        job.do("mount", "-t", "overlay", "overlay", "-o",
               "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work", self.root)

    def test_presets_and_nothing_else(self):
        self.install("demo-1", root=self.root)
        self.assert_enabled("enabled enabled", "demo.service", "demo.socket", root=self.root)
        job.do("systemctl", "--root", self.root, "disable", "demo.service", "demo.socket")
        self.install("demo-2", root=self.root)
        self.assert_enabled("disabled disabled enabled", "demo.service", "demo.socket",
                            "extra.service", root=self.root)
        self.assert_logged()

    def test_with_the_running_systemd_in_sight(self):
        """Its directories and /proc are there, as many image builders have it."""
        for name in ("proc", "run"):
            job.do("mount", "--rbind", f"/{name}", f"{self.root}/{name}")
        self.install("demo-1", root=self.root)
        self.assert_enabled("enabled enabled", "demo.service", "demo.socket", root=self.root)
        self.assertFalse(os.path.lexists(
            "/etc/systemd/system/multi-user.target.wants/demo.service"))

    def test_without_systemctl(self):
        """The first boot applies presets then."""
        os.unlink(f"{self.root}/usr/bin/systemctl")
        for arguments in (("-U", *packages("demo-1")), ("-U", *packages("demo-2")),
                          ("-e", "demo")):
            self.rpm(*arguments, root=self.root)

    def test_nothing_fails_a_transaction(self):
        job.write(f"{self.root}/usr/bin/systemctl", "#!/bin/sh\nexit 1\n", 0o755)
        os.makedirs(f"{self.root}/run/systemd/system", exist_ok=True)
        for arguments in (("-U", *packages("demo-1")), ("-U", *packages("demo-2")),
                          ("-e", "demo")):
            result = self.rpm(*arguments, root=self.root)
            self.assertNotIn("scriptlet", result.stderr)


if __name__ == "__main__":
    def unchanged():
        pass

    job.main({
        "systemd": job.Control(unchanged, [
            "test_aborted_installation", "test_aborted_update", "test_keep_class", "test_once",
            "test_presets_and_nothing_else", "test_reload_class",
            "test_reload_class_that_cannot_be_reloaded", "test_removal", "test_renamed_package",
            "test_renamed_package_of_another_making", "test_unit_that_an_update_brings",
            "test_unit_that_moves_to_another_package", "test_update_aborted_at_its_end",
            "test_update_without_a_unit",
            "test_what_opensuse_lets_the_administrator_forbid",
            "test_what_the_administrator_made_before",
            "test_what_the_administrator_masked_before"]),
        "naive": job.Control(unchanged, [
            "test_nothing_fails_a_transaction", "test_reinstallation_and_downgrade", "test_update",
            "test_what_does_not_run", "test_without_systemctl"]),
        "none": job.Control(unchanged, [
            "test_configuration_alone", "test_configuration_of_the_reload_class",
            "test_first_installation",
            "test_removal_after_aborted_update",
            "test_service_has_the_last_word_about_its_sockets", "test_unit_that_comes_back",
            "test_with_the_running_systemd_in_sight"]),
    })
