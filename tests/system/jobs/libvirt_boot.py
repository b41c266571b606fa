#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A host on which all of libvirt's units are enabled, libvirtd's and the modular ones, boots: the
modular side comes up, whole, and nothing of libvirtd.
"""
import unittest

import job
import libvirt_bench as bench
from libvirt_bench import HELPERS, MODULAR, XEN


def enable_all():
    bench.remove_debians()
    bench.rpm("-U", "--nodeps", "--noscripts", *bench.packages("split"))
    job.do("systemctl", "--root", "/", "enable", *bench.unit_names(), timeout=120)


class Boot(unittest.TestCase):
    maxDiff = None

    def test_modular_side(self):
        units = bench.unit_names()
        self.assertEqual({*units}, bench.enabled())
        theirs = bench.unit_names("libvirtd", XEN)
        self.assertEqual({unit: "inactive" for unit in theirs}, bench.states(*theirs))
        ours = bench.unit_names(*MODULAR, *HELPERS)
        self.assertEqual({unit: "active" for unit in ours}, bench.states(*ours))
        self.assertEqual(sorted(f"{name} start 11.3.0" for name in (*MODULAR, *HELPERS)),
                         sorted(bench.log()))
        self.assertEqual("virtproxyd", bench.answer("/run/libvirt/libvirt-sock"))
        self.assertEqual("", job.do("systemctl", "--failed", "--no-legend"))
        # kvm-check says what the administrator has to decide.
        self.assertEqual("WARN libvirt-conflict", bench.mode())


def no_conflicts():
    bench.edit_units("^(Conflicts|After)=libvirtd.*\n", "")


if __name__ == "__main__":
    job.main({"no-conflicts": job.Control(no_conflicts, job.ALL)}, before_boot=enable_all)
