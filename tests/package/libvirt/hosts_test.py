#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hosts_test.py PACKAGES MADE dnf|zypper: the packages that make.py has left in MADE on all hosts
of hosts.py, with those of qemu-kvm-tools and stand-ins for a distribution's in PACKAGES; and
variants that break one.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "rpm")]
import build  # noqa: E402
import hosts  # noqa: E402
import install_root  # noqa: E402
import make  # noqa: E402
from stand_ins import StandIn, spec  # noqa: E402

PACKAGES, MADE = (os.path.abspath(path) for path in sys.argv[1:3])
TOOL = sys.argv[3]
COMMAND = {"dnf": install_root.dnf, "zypper": install_root.zypper}[TOOL]
HYPERVISORS = [StandIn(name, files={f"/usr/bin/{name}-stand-in": "#!/bin/sh\n"})
               for name in ("qemu", "xen")]


class Hosts(unittest.TestCase):
    pass


class Mutants(unittest.TestCase):
    def test_each_variant_has_its_host(self):
        self.assertEqual({*hosts.MUTANTS}, {*make.VARIANTS})


def add_host(name):
    setattr(Hosts, f"test_{name}", lambda _: hosts.Hosts(WORK, COMMAND).run(name))


def add_mutant(variant, host, why):
    def breaks(self):
        with self.assertRaisesRegex(AssertionError, why):
            hosts.Hosts(WORK, COMMAND, variant).run(host)

    setattr(Mutants, f"test_{variant}", breaks)


def gather():
    """All repositories in one place; of the stand-ins without those for libvirt's packages."""
    repositories = f"{WORK}/repositories"
    os.makedirs(repositories)
    subprocess.run(["cp", "-a", f"{PACKAGES}/root", f"{WORK}/root"], check=True)
    for name in os.listdir(f"{MADE}/repositories"):
        os.symlink(f"{MADE}/repositories/{name}", f"{repositories}/{name}")
    os.symlink(f"{PACKAGES}/repositories/ours", f"{repositories}/qemu-kvm")
    os.symlink(f"{PACKAGES}/repositories/emulator", f"{repositories}/emulator")
    for stand_in in HYPERVISORS:
        stand_in.write_tree(f"{WORK}/trees/{stand_in.name}")
    build.rpmbuild(WORK, "stand-ins", spec(HYPERVISORS, f"{WORK}/trees"))
    for name in ("ncurses", "systemd-sysusers"):
        shutil.copy(f"{PACKAGES}/repositories/stand-ins/{name}.rpm", f"{repositories}/stand-ins")
    subprocess.run(["createrepo_c", "-q", f"{repositories}/stand-ins"], check=True)


if __name__ == "__main__":
    install_root.need_root()
    if not shutil.which(TOOL):
        print(f"SKIP: no-{TOOL}: this distribution has another")
        sys.exit(77)
    for scenario in hosts.Hosts.names():
        add_host(scenario)
    # They are of the spec, and one resolver is enough to judge it.
    if TOOL == "dnf":
        for mutant, broken in hosts.MUTANTS.items():
            add_mutant(mutant, *broken)
    with tempfile.TemporaryDirectory(prefix="libvirt-hosts-") as WORK:
        install_root.use_own_settings(WORK)
        gather()
        unittest.main(argv=sys.argv[:1], verbosity=2)
