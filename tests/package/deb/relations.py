#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt makes of Debian's packages on this host, in simulation. They come from a repository of
their own, beside what is installed; nothing is asked from the network.
"""
import os
import re
import tempfile
import unittest

import packages


class Relations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.root = directory.name
        os.symlink(packages.DIRECTORY, f"{cls.root}/debs")
        index = packages.run("dpkg-scanpackages", "debs", cwd=cls.root)
        with open(f"{cls.root}/Packages", "w", encoding="utf-8") as f:
            f.write(index)
        with open(f"{cls.root}/sources.list", "w", encoding="ascii") as f:
            f.write(f"deb [trusted=yes] file:{cls.root} ./\n")
        os.makedirs(f"{cls.root}/lists/partial")
        cls.apt("update")

    @classmethod
    def apt(cls, *arguments):
        options = {"Dir::Etc::sourcelist": f"{cls.root}/sources.list", "Dir::Etc::sourceparts": "-",
                   "Dir::State::lists": f"{cls.root}/lists", "Dir::Cache": f"{cls.root}/cache",
                   "APT::Sandbox::User": "root"}
        return packages.run("apt-get", *(f"-o{name}={value}" for name, value in options.items()),
                            *arguments)

    def installs(self, *arguments):
        """What apt would install."""
        text = self.apt("--simulate", "install", *arguments)
        self.assertNotIn("\nRemv ", text)
        return set(re.findall(r"^Inst (\S+)", text, re.MULTILINE)) & set(packages.NAMES)

    def test_tools_bring_the_rule_and_recommend_kvm_stat(self):
        recommends = "-oAPT::Install-Recommends="
        self.assertEqual({"qemu-kvm-tools", "qemu-kvm-udev", "kvm-stat"},
                         self.installs(recommends + "1", "qemu-kvm-tools", "qemu-system-x86"))
        self.assertEqual({"qemu-kvm-tools", "qemu-kvm-udev"},
                         self.installs(recommends + "0", "qemu-kvm-tools", "qemu-system-x86"))

    def test_rule_and_kvm_stat_stand_alone(self):
        self.assertEqual({"qemu-kvm-udev"}, self.installs("qemu-kvm-udev"))
        self.assertEqual({"kvm-stat"}, self.installs("kvm-stat"))

    def test_only_kvm_stat_needs_ncurses(self):
        for name in packages.NAMES:
            with self.subTest(name):
                self.assertEqual(name == "kvm-stat",
                                 "libncurses" in packages.field(name, "Depends"))

    def test_libkmod_is_there(self):
        """It is loaded at run time, which dpkg-shlibdeps cannot see."""
        self.assertRegex(packages.field("qemu-kvm-tools", "Depends"), r"\blibkmod2\b")

    def test_version_is_the_projects(self):
        with open(f"{packages.SOURCE_DIR}/CMakeLists.txt", encoding="utf-8") as f:
            version = re.search(r"^project\(.* VERSION ([\d.]+) ", f.read(), re.MULTILINE)[1]
        for name in packages.NAMES:
            self.assertRegex(packages.field(name, "Version"), rf"^{re.escape(version)}-\d+$")


if __name__ == "__main__":
    packages.main()
