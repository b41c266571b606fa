#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The units of units/libvirt: the linter finds nothing in them, and what is taken out of them."""
import glob
import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import unit_tests  # noqa: E402

BUILT = os.path.join(os.path.dirname(unit_tests.kvmtest.BIN_DIR), "units", "libvirt")
# The names that users know, not those of libvirt's drivers.
HYPERVISORS = {"virtqemud": "QEMU", "virtxend": "Xen", "virtlxcd": "LXC"}
MODULAR = [*HYPERVISORS, "virtnetworkd", "virtnodedevd", "virtnwfilterd", "virtsecretd",
           "virtstoraged", "virtinterfaced", "virtproxyd"]
REMOTE = {"virtproxyd", "libvirtd"}  # they have ports
HELPERS = {"virtlogd", "virtlockd"}

# What the linter does not miss: order that is no part of a requirement or conflict of the set, and
# a conflict with what is not in it.
FREE = {f"After={unit}" for unit in (
    "network.target", "dbus.service", "apparmor.service", "remote-fs.target",
    "systemd-machined.service", "iscsid.service", "xencommons.service", "virtlogd.socket",
    "virtlockd.socket")} | {"Conflicts=xendomains.service"}


def daemon(unit):
    return re.match(r"[a-z]+", unit)[0]


def assignments(text):
    """(section, key, value) of all that systemd acts on."""
    found, section = [], ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            if key not in ("Description", "Documentation"):
                found.append((section, key, value))
    return found


def built():
    """{name: text} of all units."""
    units = {}
    for kind in ("service", "socket", "target"):
        for path in glob.glob(f"{BUILT}/*.{kind}"):
            with open(path, encoding="utf-8") as f:
                units[os.path.basename(path)] = f.read()
    return units


class Libvirt(unit_tests.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.units = built()

    def setUp(self):
        super().setUp()
        for name, text in self.units.items():
            self.put(name, text)

    def lint(self):
        """{(code, unit)} of what is wrong in the directory."""
        result = unit_tests.merge("--lint", "--json", *(self.path(name) for name in self.units))
        self.assertEqual(b"", result.stderr)
        findings = json.loads(result.stdout)["findings"]
        self.assertEqual(3 if findings else 0, result.returncode)
        return {(finding["code"], finding["unit"]) for finding in findings}

    def test_set(self):
        """All daemons with all their sockets, each known by its name."""
        expected = {"libvirt-guests.service", "virt-guest-shutdown.target"}
        for name in (*MODULAR, *HELPERS, "libvirtd"):
            kinds = ["", "-admin"] + ["-ro"] * (name not in HELPERS)
            kinds += ["-tcp", "-tls"] * (name in REMOTE)
            expected |= {f"{name}.service", *(f"{name}{kind}.socket" for kind in kinds)}
        self.assertEqual(expected, {*self.units})
        for name, text in self.units.items():
            self.assertNotRegex(text, "@[a-z]+@", name)
            description = re.search("^Description=(.*)$", text, re.M)[1]
            self.assertRegex(description, "^libvirt [^ ].*[a-zA-Z]$")
            self.assertNotRegex(description, "libxl|driver|@")
            self.assertEqual(daemon(name) == "libvirtd", "legacy" in description, description)
            self.assertIn(HYPERVISORS.get(daemon(name), ""), description)
        descriptions = [re.search("^Description=.*$", text, re.M)[0]
                        for text in self.units.values()]
        self.assertEqual(len(descriptions), len(set(descriptions)))

    def test_nothing_wrong(self):
        self.assertEqual(set(), self.lint())

    def test_each_modular_unit_has_its_twin(self):
        for name in self.units:
            if daemon(name) in MODULAR:
                twin = name.replace(daemon(name), "libvirtd")
                self.assertLessEqual({("Unit", "Conflicts", twin), ("Unit", "After", twin)},
                                     {*assignments(self.units[name])}, name)

    def test_each_line_is_needed(self):
        """What is taken out is found, in the unit that misses it."""
        taken, free = 0, set()
        for name, text in self.units.items():
            for line in re.findall("^(?:Conflicts|After|RemoveOnStop|Also)=.*", text, re.M):
                taken += 1
                self.put(name, text.replace(f"\n{line}\n", "\n", 1))
                found = {unit for _, unit in self.lint()}
                # Those that are enabled together miss it, too.
                self.assertLessEqual({name} if found else set(), found, f"{name}: {line}")
                if not found and name != "libvirt-guests.service":  # it comes after all daemons
                    free.add(line)
                self.put(name, text)
        self.assertGreater(taken, 200)
        self.assertEqual(FREE, free)


if __name__ == "__main__":
    unittest.main(verbosity=2)
