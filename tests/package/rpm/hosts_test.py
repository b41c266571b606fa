#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hosts_test.py WORK dnf|zypper: our packages on all hosts of scenarios.py, and variants of them
that break one.
"""
import os
import shutil
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import build  # noqa: E402
import install_root  # noqa: E402
from scenarios import MUTANTS, Scenarios  # noqa: E402

WORK, TOOL = os.path.abspath(sys.argv[1]), sys.argv[2]
COMMAND = {"dnf": install_root.dnf, "zypper": install_root.zypper}[TOOL]


class Hosts(unittest.TestCase):
    pass


class Mutants(unittest.TestCase):
    def test_each_variant_has_its_host(self):
        self.assertEqual({*MUTANTS} | build.NOT_BROKEN, {*build.VARIANTS})


def add_host(name):
    setattr(Hosts, f"test_{name}", lambda _: Scenarios(WORK, COMMAND).run(name))


def add_mutant(variant, host, why):
    def breaks(self):
        with self.assertRaisesRegex(AssertionError, why):
            Scenarios(WORK, COMMAND, variant).run(host)

    setattr(Mutants, f"test_{variant}", breaks)


if __name__ == "__main__":
    install_root.need_root()
    if not shutil.which(TOOL):
        print(f"SKIP: no-{TOOL}: this distribution has another")
        sys.exit(77)
    install_root.use_own_settings(WORK)
    for scenario in Scenarios.names():
        add_host(scenario)
    for mutant, broken in MUTANTS.items():
        add_mutant(mutant, *broken)
    unittest.main(argv=sys.argv[:1])
