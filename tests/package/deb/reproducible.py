#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same source gives the same bytes, elsewhere, for another user's habits: once more by
scripts/package, and as anyone builds the source package.
"""
import glob
import os
import tarfile
import tempfile
import unittest

import packages

ELSEWHERE = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "tr_TR.UTF-8",
             "HOME": "/nonexistent"}


def names(pattern, directory):
    return sorted(os.path.basename(path) for path in glob.glob(f"{directory}/{pattern}"))


class Reproducible(unittest.TestCase):
    def enter(self, prefix):
        directory = tempfile.TemporaryDirectory(prefix=prefix)
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.addCleanup(os.umask, os.umask(0o077))

    def assert_same(self, pattern, directory):
        wanted = names(pattern, packages.DIRECTORY)
        self.assertTrue(wanted)
        self.assertEqual(wanted, names(pattern, directory))
        for name in wanted:
            with open(f"{packages.DIRECTORY}/{name}", "rb") as one, \
                    open(f"{directory}/{name}", "rb") as other:
                self.assertEqual(one.read(), other.read(), name)

    def test_same_tree(self):
        self.enter("a directory with spaces ")
        source, = glob.glob(f"{packages.DIRECTORY}/*.orig.tar.gz")
        packages.run("tar", "--no-same-permissions", "-xf", source, "-C", self.directory)
        with tarfile.open(source) as tar:
            date = tar.next().mtime
        tree, = glob.glob(f"{self.directory}/*")
        packages.run(f"{tree}/scripts/package", "-o", f"{self.directory}/again", "deb",
                     env={**ELSEWHERE, "SOURCE_DATE_EPOCH": str(date)})
        self.assert_same("*", f"{self.directory}/again")

    def test_source_package(self):
        self.enter("elsewhere-")  # with spaces dpkg-buildflags leaves the directory in debug data
        source, = glob.glob(f"{packages.DIRECTORY}/*.dsc")
        environment = {name: value for name, value in ELSEWHERE.items()
                       if name != "SOURCE_DATE_EPOCH"}
        packages.run("dpkg-source", "--extract", source, "tree", cwd=self.directory,
                     env=environment)
        packages.run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=f"{self.directory}/tree",
                     env=environment)
        self.assert_same("*.deb", self.directory)


if __name__ == "__main__":
    packages.main()
