#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cmake/systemd-units.cmake in a small project: units are made, made again when a template changes,
linted and installed; what is wrong stops the configuration or the build.
"""
import os
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import unit_tests  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MODULE = os.path.join(unit_tests.kvmtest.SOURCE_DIR, "cmake", "systemd-units.cmake")
SERVICE = """[Unit]
Description=a daemon of "two" words $1
After=daemon.socket
Wants=elsewhere.service

[Service]
ExecStart=/bin/true
Restart=on-failure

[Install]
WantedBy=multi-user.target
Also=daemon.socket
"""


class Project(unit_tests.TestCase):
    generator = "Ninja"

    def setUp(self):
        super().setUp()
        self.source = self.path("a source")
        self.build = self.path("build")
        shutil.copytree(os.path.join(HERE, "cmake"), self.source)

    def cmake(self, *args):
        return subprocess.run(["cmake", *args], capture_output=True, text=True, check=False)

    def configure(self, *args):
        return self.cmake("-G", self.generator, "-S", self.source, "-B", self.build,
                          f"-DSYSTEMD_UNITS_MODULE={MODULE}",
                          f"-DSYSTEMD_UNIT_MERGE={unit_tests.PROGRAM}",
                          f"-DCMAKE_INSTALL_PREFIX={self.path('installed')}", *args)

    def make(self, *args):
        return self.cmake("--build", self.build, *args)

    def succeed(self, result):
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        return result.stdout

    def read(self, *names):
        with open(self.path(os.path.join(*names)), encoding="utf-8") as f:
            return f.read()

    def template(self, name, old, new):
        path = os.path.join(self.source, name)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.assertIn(old, text)
        time.sleep(0.05)  # so that it is newer than what was just made
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))

    def test_units(self):
        self.succeed(self.configure())
        self.succeed(self.make())
        self.assertEqual(SERVICE, self.read("build", "daemon.service"))
        self.assertIn("\nListenStream=%t/daemon/socket\n", self.read("build", "daemon.socket"))
        self.assertEqual("[Service]\nExecStart=/bin/true\n", self.read("build", "other.service"))
        self.assertNotIn("Merging", self.succeed(self.make()))
        self.succeed(self.make("--target", "lint-units"))
        self.succeed(self.cmake("--install", self.build))
        installed = os.path.join("installed", "lib", "systemd", "system")
        self.assertEqual(["daemon.service", "daemon.socket"],
                         sorted(os.listdir(self.path(installed))))
        self.assertEqual(SERVICE, self.read(installed, "daemon.service"))

    def test_changes(self):
        self.succeed(self.configure())
        self.succeed(self.make())
        before = os.stat(self.path("build/other.service")).st_mtime_ns
        self.template("daemon.service.extra.in", "on-failure", "always")
        self.succeed(self.make())
        self.assertEqual(SERVICE.replace("on-failure", "always"),
                         self.read("build", "daemon.service"))
        self.assertEqual(before, os.stat(self.path("build/other.service")).st_mtime_ns)
        # A name that comes with the change has its value, too.
        self.template("daemon.service.extra.in", "[Unit]\n", "[Unit]\nDocumentation=man:@title@\n")
        self.succeed(self.make())
        self.assertIn("man:a daemon of", self.read("build", "daemon.service"))
        # What is wrong leaves the unit as it was.
        unit = self.read("build", "daemon.service")
        self.template("daemon.service.extra.in", "always", "@unknown@")
        result = self.make()
        self.assertNotEqual(0, result.returncode)
        self.assertIn("daemon.service.extra.in:6: @unknown@ has no value: Restart=@unknown@",
                      result.stdout + result.stderr)
        self.assertEqual(unit, self.read("build", "daemon.service"))

    def test_lint(self):
        self.template("daemon.socket.in", "RemoveOnStop=yes\n", "")
        self.succeed(self.configure())
        self.succeed(self.make())
        result = self.make("--target", "lint-units")
        self.assertNotEqual(0, result.returncode)
        self.assertIn("daemon.socket:2: remove-on-stop: ", result.stdout + result.stderr)

    def test_another_unit(self):
        """The list of units is what they are made from, too."""
        self.succeed(self.configure())
        self.succeed(self.make())
        self.template("CMakeLists.txt", '"daemon.socket daemon.socket.in"',
                      '"daemon.socket daemon.socket.in" "second.socket daemon.socket.in"')
        self.succeed(self.make())
        self.assertEqual(self.read("build", "daemon.socket"), self.read("build", "second.socket"))

    def fail(self, result, why):
        self.assertNotEqual(0, result.returncode)
        self.assertIn(why, " ".join((result.stdout + result.stderr).split()))

    def test_what_is_wrong_in_the_project(self):
        self.succeed(self.configure("-DMORE_DEFINES=unused=1"))
        self.fail(self.make(), "there is no @unused@ in the units")
        self.succeed(self.configure("-DMORE_DEFINES="))
        self.succeed(self.make())
        os.unlink(os.path.join(self.source, "other.service.in"))
        self.fail(self.make(), "other.service.in")
        self.template("CMakeLists.txt", "daemon.socket daemon.socket.in", "daemon.socket")
        self.fail(self.configure(), "daemon.socket has no BASE")


@unittest.skipUnless(shutil.which("make"), "no-make: make is missing")
class ProjectWithMake(Project):
    generator = "Unix Makefiles"


if __name__ == "__main__":
    unittest.main(verbosity=2)
