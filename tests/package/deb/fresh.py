#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/package on hosts that have not all it needs, from a release's archive: it says what is
missing, and root installs that.
"""
import glob
import os
import subprocess
import tempfile
import unittest

import packages
import root

APT = "/run/apt"
# It writes down what it is asked, and installs nothing.
APT_GET = f"""#!/bin/sh
echo "$*" >>{APT}
case $* in *install*) exit 1 ;; esac
"""


class Fresh(unittest.TestCase):
    def setUp(self):
        self.root = root.Root(self, DIRECTORY)
        source, = glob.glob(f"{packages.DIRECTORY}/*.orig.tar.gz")
        os.mkdir(self.root.at("/run/source"))
        packages.run("tar", "-xf", source, "-C", self.root.at("/run/source"),
                     "--strip-components=1")
        packages.run("chown", "-R", "nobody:", self.root.at("/run/source"))
        self.root.run("dpkg", "--force-all", "--force-unsafe-io", "--remove", "build-essential",
                      "debhelper", "libacl1-dev", "rpm")
        with open(self.root.at("/usr/bin/apt-get"), "w", encoding="ascii") as f:
            f.write(APT_GET)

    def package(self, kind, *command):
        return subprocess.run(["chroot", *command, self.root.path, "/run/source/scripts/package",
                               kind], check=False, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_user_is_told(self):
        for kind, names in (("deb", "libacl1-dev build-essential debhelper"),
                            ("rpm", "libacl1-dev rpm")):
            result = self.package(kind, "--userspec=nobody")
            self.assertEqual(1, result.returncode)
            self.assertEqual("package: packages are missing; as root run: apt-get install "
                             f"--no-install-recommends {names} \n", result.stderr)

    def test_root_installs_it(self):
        result = self.package("deb")
        self.assertNotEqual(0, result.returncode)
        self.assertIn("missing packages: libacl1-dev build-essential debhelper\n", result.stdout)
        with open(self.root.at(APT), encoding="ascii") as f:
            self.assertRegex(f.read(), "(?m)^install -y .* libacl1-dev build-essential debhelper$")


if __name__ == "__main__":
    root.enter()
    with tempfile.TemporaryDirectory(prefix="fresh-") as DIRECTORY:
        packages.main()
