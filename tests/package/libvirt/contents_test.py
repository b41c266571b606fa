#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""contents_test.py SOURCE BUILD MADE: what is in the packages that make.py has left in MADE."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "rpm")]
import install_root  # noqa: E402

SOURCE, BUILD, MADE = (os.path.abspath(path) for path in sys.argv[1:])
SPEC = f"{SOURCE}/packaging/libvirt/libvirt.spec"
RPMLINT = f"{SOURCE}/packaging/libvirt/rpmlint.toml"
UNITS = "/usr/lib/systemd/system/"
# What holds nothing: names for sets of packages.
EMPTY = {"libvirt", "libvirt-daemon-kvm", "libvirt-daemon-lxc", "libvirt-daemon-qemu",
         "libvirt-daemon-xen"}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Contents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rpms = {os.path.basename(rpm)[:-4]: rpm
                    for rpm in glob.glob(f"{MADE}/repositories/split/*.rpm")}
        cls.files = {}
        for name, rpm in cls.rpms.items():
            for line in output("rpm", "-qp", "--qf", r"[%{FILEMODES:perms} %{FILENAMES}\n]",
                               rpm).splitlines():
                mode, _, path = line.partition(" ")
                if mode[0] == "-" and "/doc/" not in path and "/licenses/" not in path:
                    cls.files.setdefault(path, []).append(name)

    def test_each_file_is_in_one_package(self):
        self.assertEqual({}, {path: names for path, names in self.files.items() if len(names) > 1})
        having = {name for names in self.files.values() for name in names}
        self.assertEqual(EMPTY | {"libvirt-docs"}, {*self.rpms} - having)

    def test_all_units(self):
        """Those that are made for tests, by the same rules."""
        packaged = {path[len(UNITS):] for path in self.files if path.startswith(UNITS)}
        made = {os.path.basename(path) for kind in ("service", "socket", "target")
                for path in glob.glob(f"{BUILD}/units/libvirt/*.{kind}")}
        self.assertEqual(made, packaged)
        for name in made:
            with open(f"{BUILD}/units/libvirt/{name}", "rb") as ours, \
                    open(f"{MADE}/tree-11.3.0{UNITS}{name}", "rb") as theirs:
                self.assertEqual(ours.read(), theirs.read(), name)

    def test_each_unit_has_its_class(self):
        """The scriptlets of the package that has it know it."""
        for path, (package,) in self.files.items():
            if path.startswith(UNITS) and not path.endswith(".target"):
                unit = path[len(UNITS):]
                scripts = output("rpm", "-qp", "--scripts", self.rpms[package])
                kinds = {*re.findall(rf"\b{re.escape(unit)}=([a-z-]+)", scripts)}
                self.assertEqual(
                    {"keep"} if unit.endswith(".socket") or "guests" in unit else
                    {"reload"} if re.match("virtlo(g|ck)d", unit) else {"restart"}, kinds, unit)
                for kind in ("preinstall", "preuninstall", "postuninstall", "posttrans"):
                    script = re.search(rf"^{kind} scriptlet .*\n((?:(?!\w+ scriptlet ).*\n)*)",
                                       scripts, re.M)
                    self.assertIn(f"{unit}=", script[1], kind)

    def test_modular_units_only_keep_off_libvirtd(self):
        for package, rpm in self.rpms.items():
            pre = output("rpm", "-qp", "--qf", "%{PREIN}", rpm)
            self.assertEqual(bool(re.search("driver|proxy", package)),
                             "is-enabled libvirtd.service" in pre, package)

    def test_scriptlets_are_clean(self):
        """As tests/lint/scriptlets.sh has it for those of the macros."""
        for what in ("PREIN", "PREUN", "POSTUN", "POSTTRANS"):
            text = output("rpm", "-qp", "--qf", f"%{{{what}}}",
                          self.rpms["libvirt-daemon-driver-qemu"])
            result = subprocess.run(["shellcheck", "--shell=dash", "--exclude=SC2086,SC2317", "-"],
                                    input=text, check=False, capture_output=True, text=True)
            self.assertEqual((0, ""), (result.returncode, result.stdout))
            self.assertIn("units='virtqemud-ro.socket=keep", text)

    def rpmlint(self, config):
        """By the names that packages have elsewhere."""
        with tempfile.TemporaryDirectory() as directory:
            for rpm in self.rpms.values():
                name = output("rpm", "-qp", "--qf", "%{NVRA}.rpm", rpm)
                shutil.copy(rpm, f"{directory}/{name}")
            result = subprocess.run(["rpmlint", "-c", config, SPEC, *glob.glob(f"{directory}/*")],
                                    check=False, capture_output=True, text=True)
        return result, [line for line in result.stdout.split("\n") if re.search(": [EW]: ", line)]

    def test_rpmlint(self):
        result, complaints = self.rpmlint(RPMLINT)
        self.assertEqual(([], "", 0), (complaints, result.stderr, result.returncode))
        self.assertIn("26 packages and 1 specfiles checked; 0 errors, 0 warnings", result.stdout)

    def test_each_filter_of_rpmlint_is_needed(self):
        with open(RPMLINT, "rb") as f:
            filters = tomllib.load(f)["Filters"]
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            with open(RPMLINT, encoding="utf-8") as f:
                config.write(re.sub(r"(?s)^Filters = \[.*?^\]$", "", f.read(), flags=re.M))
            config.flush()
            _, complaints = self.rpmlint(config.name)
        self.assertEqual([], [text for text in filters
                              if not any(re.search(text, line) for line in complaints)])


if __name__ == "__main__":
    install_root.need_root()
    install_root.use_own_settings(MADE)
    unittest.main(argv=sys.argv[:1])
