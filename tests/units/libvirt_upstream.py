#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The units of units/libvirt beside libvirt's own, which scripts/test fetches: they differ in what
is explained here and in nothing else.
"""
import fnmatch
import glob
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import libvirt  # noqa: E402
import unit_tests  # noqa: E402
from libvirt import HELPERS, REMOTE, assignments, daemon  # noqa: E402

# What libvirt's own units have otherwise: those with ("-") or without ("+") the assignment are
# libvirt's or ours; unit and value are patterns.
EXPLAINED = [
    # systemd 253 and newer; older ones would not start it.
    ("*.service", "-", "Service", "Type", "notify-reload"),
    ("*.service", "+", "Service", "Type", "notify"),
    # A service comes after its sockets anyway.
    ("*.service", "-", "Unit", "After", "{own}.socket"),
    ("*.service", "-", "Unit", "After", "{own}-ro.socket"),
    ("*.service", "-", "Unit", "After", "{own}-admin.socket"),
    # Also= of an Also= counts.
    ("*.service", "-", "Install", "Also", "{own}-admin.socket"),
    ("*.service", "-", "Install", "Also", "{own}-ro.socket"),
    ("*-admin.socket", "-", "Install", "Also", "{own}-ro.socket"),
    ("*-ro.socket", "-", "Install", "Also", "{own}-admin.socket"),
    # The log's package need not be there, and who disables a daemon has not spoken of the helpers.
    ("*d.service", "-", "Unit", "Requires", "virtlogd.socket"),
    ("*d.service", "+", "Unit", "Wants", "virtlogd.socket"),
    ("*d.service", "-", "Install", "Also", "virtlogd.socket"),
    ("*d.service", "-", "Install", "Also", "virtlockd.socket"),
    # A conflict without order.
    ("*d.service", "+", "Unit", "After", "xendomains.service"),
    # Sockets start nothing while the host goes down.
    ("libvirt-guests.service", "+", "Unit", "After", "*d.service"),
    # There are more daemons than are made here.
    ("libvirt-guests.service", "-", "Unit", "After", "virt[vb]*d.socket"),
    # A matter of what virtlogd does, and not of how daemons stand to each other.
    ("virtlogd.service", "-", "Service", "CapabilityBoundingSet", "*"),
    ("virtlogd.service", "-", "Service", "LockPersonality", "true"),
    ("virtlogd.service", "-", "Service", "MemoryDenyWriteExecute", "true"),
    ("virtlogd.service", "-", "Service", "P*", "*"),
    ("virtlogd.service", "-", "Service", "Restrict*", "*"),
    ("virtlogd.service", "-", "Service", "SystemCall*", "*"),
    ("virtlogd.service", "-", "Service", "UMask", "077"),
]
# What libvirt's build puts together: the base, where it is not virtd, and the extras beside that of
# the daemon's own.
UPSTREAM = {"virtqemud": "limitnofile tasksmax limitmemlock",
            "virtlxcd": "limitnofile tasksmax limitmemlock",
            "libvirtd": "limitnofile tasksmax limitmemlock",
            "virtlogd": "oomscoreadjust limitnofile", "virtlockd": "oomscoreadjust limitnofile"}


class Upstream(unit_tests.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.units = libvirt.built()
        cls.source, cls.script = SOURCE, unit_tests.Script(SCRIPT)

    def upstream(self, name, *templates):
        """libvirt's unit, merged by libvirt's script and by us."""
        paths = [os.path.join(self.source, template) for template in templates]
        merged = unit_tests.merge("--strict-sections", *paths)
        self.assertEqual((0, b""), (merged.returncode, merged.stderr))
        self.assertEqual((0, merged.stdout), self.script.run(*paths))
        prefix = "libvirt" if daemon(name) in REMOTE else daemon(name)
        values = {"name": "", "service": daemon(name), "SERVICE": daemon(name).upper(),
                  "sockprefix": prefix, "sockmode": "0666", "runstatedir": "%t",
                  "sbindir": "/usr/sbin", "initconfdir": "/etc/sysconfig",
                  "libexecdir": "/usr/libexec"}
        return re.sub("@([a-zA-Z]+)@", lambda match: values[match[1]], merged.stdout.decode())

    def upstream_templates(self, name):
        """As libvirt's build has it."""
        own = daemon(name)
        if own in ("libvirt", "virt"):
            return [name if name.endswith(".target") else name + ".in"]
        kind = "service" if name.endswith(".service") else "socket"
        base = name if own in ("libvirtd", *HELPERS) else name.replace(own, "virtd")
        extras = [f"virtd.service.{extra}.extra.in" for extra in UPSTREAM.get(own, "").split()]
        return [f"{base}.in", f"{own}.{kind}.extra.in", *(extras if kind == "service" else [])]

    def test_beside_libvirts_own(self):
        used = set()
        for name, text in self.units.items():
            theirs = assignments(self.upstream(name, *self.upstream_templates(name)))
            ours = assignments(text)
            differences = {("-", *item) for item in theirs if item not in ours}
            differences |= {("+", *item) for item in ours if item not in theirs}
            for difference in differences:
                reasons = [row for row in EXPLAINED if fnmatch.fnmatch(name, row[0]) and all(
                    fnmatch.fnmatchcase(value, pattern.replace("{own}", daemon(name)))
                    for value, pattern in zip(difference, row[1:]))]
                self.assertTrue(reasons, f"{name}: {' '.join(difference)}")
                used.update(reasons)
        self.assertEqual([], [row for row in EXPLAINED if row not in used])

    def test_our_templates_by_libvirts_script(self):
        """Which has no [X-...] and takes no comment for one: the same bytes."""
        lists = glob.glob(f"{libvirt.BUILT}/*.list")
        merged = 0
        for path in lists:
            with open(path, encoding="utf-8") as f:
                for line in f:
                    _, *templates = line.rstrip("\n").split("\t")
                    if not templates[0].endswith("target.in"):
                        ours = unit_tests.merge("--strict-sections", *templates)
                        self.assertEqual((0, ours.stdout), self.script.run(*templates))
                        merged += 1
        self.assertEqual(len(self.units) - 1, merged)


if __name__ == "__main__":
    SOURCE, SCRIPT = unit_tests.need_libvirt("units"), unit_tests.need_script()
    unittest.main(verbosity=2)
