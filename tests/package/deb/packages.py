# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of Debian's packages share. Each gets the directory with the packages, and the
build directory of the project.
"""
import glob
import os
import subprocess
import sys
import unittest

SOURCE_DIR = os.environ["SOURCE_DIR"]
NAMES = ("kvm-stat", "qemu-kvm-tools", "qemu-kvm-udev")


def run(*command, **options):
    """What it prints; it has to succeed."""
    result = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command}: {result.returncode}: {result.stdout}{result.stderr}")
    return result.stdout


def output(*command):
    """What it prints, with whatever status it ends."""
    return subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE).stdout


def path(name):
    """The file of the package `name`."""
    found = glob.glob(f"{DIRECTORY}/{name}_*.deb")
    assert len(found) == 1, found
    return found[0]


def field(name, key):
    return run("dpkg-deb", "--field", path(name), key).strip()


def main():
    unittest.main(argv=sys.argv[:1], verbosity=2)


if not glob.glob(f"{sys.argv[1]}/*.deb"):
    print("SKIP: no-debian: no packages were built here")
    sys.exit(77)
DIRECTORY, BUILD_DIR = sys.argv[1:3]
