#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in Debian's packages: all that the project installs, once, and nothing of others."""
import glob
import os
import re
import subprocess
import tempfile
import unittest

import packages


def files(name):
    """The paths of the files and links in a package."""
    listing = packages.run("dpkg-deb", "--contents", packages.path(name)).splitlines()
    return [line.split(None, 5)[5].split(" -> ")[0][1:] for line in listing if line[0] != "d"]


def same_everywhere(path):
    """A path without what is up to the distribution."""
    path = re.sub(r"^/lib/", "/usr/lib/", path)
    path = path.replace("/zsh/site-functions/", "/zsh/vendor-completions/")
    return re.sub(r"(/man/.*)\.gz$", r"\1", path)


class Content(unittest.TestCase):
    def test_all_that_is_installed_is_in_one_package(self):
        with tempfile.TemporaryDirectory() as tree:
            packages.run("cmake", "--install", packages.BUILD_DIR,
                         env={**os.environ, "DESTDIR": tree})
            installed = [same_everywhere(os.path.join(directory, name)[len(tree):])
                         for directory, _, names in os.walk(tree) for name in names]
        packed = [same_everywhere(path) for name in packages.NAMES for path in files(name)
                  if not re.match(r"/usr/share/(doc|lintian)/", path)]
        self.assertEqual(sorted(installed), sorted(packed))

    def owners(self, path):
        result = subprocess.run(["dpkg-query", "--search", path], check=False, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return re.findall(r"^(\S+?)(?::\S+)?: ", result.stdout, re.MULTILINE)

    def test_no_file_is_another_packages(self):
        self.assertIn("dpkg", self.owners("/usr/bin/dpkg"))
        for name in packages.NAMES:
            for path in files(name):
                for alias in {path, path.removeprefix("/usr"), "/usr" + path}:
                    self.assertLessEqual(set(self.owners(alias)), {name}, alias)

    def test_group_has_no_number(self):
        """Those below 100 are base-passwd's. dh_installsysusers has to call for the group, too."""
        with tempfile.TemporaryDirectory() as tree:
            packages.run("dpkg-deb", "--raw-extract", packages.path("qemu-kvm-udev"), tree)
            with open(f"{tree}/usr/lib/sysusers.d/20-kvm.conf", encoding="ascii") as f:
                self.assertEqual(["g kvm -\n"], [line for line in f if not line.startswith("#")])
            with open(f"{tree}/DEBIAN/postinst", encoding="ascii") as f:
                self.assertIn("systemd-sysusers ${DPKG_ROOT:+--root=\"$DPKG_ROOT\"} 20-kvm.conf",
                              f.read())

    def test_lintian_finds_nothing(self):
        """Nor an override that overrides nothing."""
        found = packages.run(
            "lintian", "--allow-root", "--display-info", "--pedantic", "--fail-on",
            "error,warning,info,pedantic", *sorted(glob.glob(f"{packages.DIRECTORY}/*.deb")),
            *glob.glob(f"{packages.DIRECTORY}/*.dsc"))
        self.assertEqual("", found)

    def test_maintainer_scripts(self):
        for name in packages.NAMES:
            with tempfile.TemporaryDirectory() as directory:
                packages.run("dpkg-deb", "--control", packages.path(name), f"{directory}/DEBIAN")
                scripts = glob.glob(f"{directory}/DEBIAN/p*")
                self.assertTrue(scripts, name)
                packages.run("shellcheck", "--shell=dash", *scripts)
                for script in scripts:
                    packages.run("dash", "-n", script)


if __name__ == "__main__":
    packages.main()
