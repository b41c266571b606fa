#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""contents_test.py SOURCE BUILD WORK: what is in the packages that build.py made."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import install_root  # noqa: E402

SOURCE, BUILD, WORK = (os.path.abspath(path) for path in sys.argv[1:])
SPEC = f"{SOURCE}/packaging/rpm/qemu-kvm.spec"
RPMLINT = f"{SOURCE}/packaging/rpm/rpmlint.toml"
RPMLINTRC = f"{SOURCE}/packaging/rpm/qemu-kvm-rpmlintrc"

# Files of the distributions' own packages that have names like ours.
FOREIGN = {
    # Fedora: links and pages of the emulator (qemu-system-x86-core), and the kernel's kvm_stat.
    "Fedora's emulator": {
        "/usr/bin/qemu-kvm", "/usr/share/man/man1/qemu-kvm.1.gz", "/etc/modprobe.d/kvm.conf"},
    "Fedora's kernel-tools": {"/usr/bin/kvm_stat", "/usr/share/man/man1/kvm_stat.1.gz"},
    # openSUSE: the package "qemu" has been all of qemu-kvm again since 2024; its kvm_stat is a
    # package of our name, which ours replaces.
    "openSUSE's qemu": {
        "/usr/bin/qemu-kvm", "/usr/share/man/man1/qemu-kvm.1.gz", "/usr/share/qemu/qemu-ifup",
        "/usr/lib/udev/rules.d/80-kvm.rules", "/usr/lib/modules-load.d/kvm.conf"},
    "openSUSE's system-group-kvm": {"/usr/lib/sysusers.d/system-group-kvm.conf"},
    "bash-completion": {"/usr/share/bash-completion/completions/qemu-kvm",
                        "/usr/share/bash-completion/completions/kvm"},
    "systemd": {"/usr/lib/udev/rules.d/50-udev-default.rules", "/usr/lib/sysusers.d/basic.conf"},
    "Debian's qemu": {"/usr/bin/kvm", "/usr/share/man/man1/kvm.1.gz", "/etc/qemu-ifup",
                      "/etc/qemu-ifdown"},
}


def output(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def query(rpm, *what):
    return [line for line in output("rpm", "-qp", *what, rpm).split("\n") if line]


def merged(path):
    """The path where /lib is /usr/lib."""
    return re.sub(r"^/(bin|lib|lib64|sbin)/", r"/usr/\1/", path)


def other(directory, rpm):
    return f"{WORK}/{directory}/{os.path.basename(rpm)}"


class Contents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rpms = sorted(glob.glob(f"{WORK}/first/*.rpm"))
        cls.binaries = {re.sub(r"-2\.0\.0-.*", "", os.path.basename(rpm)): rpm for rpm in cls.rpms
                        if not rpm.endswith(".src.rpm")}
        # Files, without links by build id and without directories.
        cls.files = {}
        for name, rpm in cls.binaries.items():
            for line in query(rpm, "--qf", r"[%{FILEMODES:perms} %{FILENAMES}\n]"):
                mode, path = line.split(maxsplit=1)
                if not mode.startswith("d") and not path.startswith("/usr/lib/.build-id/"):
                    cls.files.setdefault(path, set()).add(name)

    def test_packages(self):
        self.assertEqual(sorted(self.binaries), sorted(install_root.OURS))
        self.assertEqual(len(self.rpms), len(self.binaries) + 1)
        self.assertEqual([name for name, rpm in self.binaries.items()
                          if query(rpm, "--qf", "%{ARCH}") == ["noarch"]], ["qemu-kvm-rpm-macros"])

    def test_the_same_bytes_again(self):
        for rpm in self.rpms:
            with open(rpm, "rb") as first, open(other("second", rpm), "rb") as second:
                self.assertTrue(first.read() == second.read(), f"{rpm} differs")

    def test_each_installed_file_is_in_one_package(self):
        with tempfile.TemporaryDirectory() as directory:
            output("cmake", "--install", BUILD, env={**os.environ, "DESTDIR": directory})
            installed = {merged(os.path.join(where, name)[len(directory):])
                         for where, _, names in os.walk(directory) for name in names}
        # The build has the prefix of packages.
        self.assertIn("/usr/bin/qemu-kvm", installed)
        packaged = {re.sub(r"^(/usr/share/man/.*)\.gz$", r"\1", path) for path in self.files}
        besides = {path for path in packaged - installed
                   if not path.startswith(("/usr/share/doc/", "/usr/share/licenses/"))}
        self.assertEqual(installed - packaged, set())
        self.assertEqual(besides, {"/usr/lib/rpm/macros.d/macros.qemu-kvm"})
        self.assertEqual({path: names for path, names in self.files.items() if len(names) > 1}, {})

    def test_each_program_has_its_page(self):
        programs = [path for path in self.files
                    if re.match("/usr/s?bin/|/usr/share/qemu-kvm/", path)]
        self.assertEqual(len(programs), 8)
        for path in programs:
            name = os.path.basename(path)
            pages = [page for page in self.files if self.files[page] == self.files[path] and
                     re.fullmatch(rf"/usr/share/man/man[18]/{name}\.[18]\.gz", page)]
            self.assertEqual(len(pages), 1, path)

    def test_configuration(self):
        configs = {name: query(rpm, "--configfiles") for name, rpm in self.binaries.items()}
        self.assertEqual({name: files for name, files in configs.items() if files},
                         {"kvm_stat": ["/etc/logrotate.d/kvm_stat"]})
        self.assertEqual([path for path in self.files if path.startswith("/etc/")],
                         ["/etc/logrotate.d/kvm_stat"])

    def test_shared_names_are_conflicts(self):
        """What another package may have, ours says, for the resolver."""
        shared = set()
        for owner, paths in FOREIGN.items():
            for path in paths & {*self.files}:
                name, = self.files[path]
                shared.add(path)
                self.assertTrue(paths & {*query(self.binaries[name], "--conflicts")}, (owner, path))
        self.assertEqual(len(shared), 4)

    def test_no_file_of_debians_packages(self):
        lists = glob.glob("/var/lib/dpkg/info/*.list")
        if not lists:
            self.skipTest("no-dpkg: no package of Debian's is here")
        installed = set()
        for name in lists:
            with open(name, encoding="utf-8") as f:
                installed.update(merged(line.rstrip("\n")) for line in f)
        self.assertIn("/usr/bin/env", installed)
        self.assertEqual({*self.files} & installed, set())


class Spec(unittest.TestCase):
    # The emulators of a distribution's packages, as cmake/emulator-package.cmake names them.
    EMULATORS = {
        ("fedora 42", "x86_64"): "qemu-system-x86-core",
        ("fedora 42", "i686"): "qemu-system-x86-core",
        ("fedora 42", "aarch64"): "qemu-system-aarch64-core",
        ("fedora 42", "ppc64le"): "qemu-system-ppc-core",
        ("fedora 42", "s390x"): "qemu-system-s390x-core",
        ("fedora 42", "riscv64"): "qemu-system-riscv-core",
        ("suse_version 1600", "x86_64"): "qemu-x86",
        ("suse_version 1600", "aarch64"): "qemu-arm",
        ("suse_version 1600", "ppc64le"): "qemu-ppc",
        ("suse_version 1600", "s390x"): "qemu-s390x",
        ("suse_version 1600", "riscv64"): "qemu-extra",
        ("rhel 10", "x86_64"): "qemu-kvm-core",
        ("rhel 10", "s390x"): "qemu-kvm-core",
        ("other 1", "i686"): "/usr/bin/qemu-system-i386",
        ("other 1", "ppc64le"): "/usr/bin/qemu-system-ppc64",
        ("other 1", "aarch64"): "/usr/bin/qemu-system-aarch64",
    }

    def test_emulator_of_each_distribution(self):
        for (distribution, machine), emulator in self.EMULATORS.items():
            requires = output(
                "rpmspec", "-q", "--requires", "--target", machine, "-D", distribution,
                "-D", f"_sourcedir {SOURCE}/packaging/rpm", SPEC).split("\n")
            emulators = {line for line in requires
                         if "qemu" in line and "qemu-kvm-udev" not in line}
            self.assertEqual(emulators, {emulator}, (distribution, machine))

    def test_macros_of_each_distribution(self):
        """Nothing is left that rpm does not know; flags of the compiler are the distribution's."""
        for vendor, distribution in (("redhat", "fedora 42"), ("redhat", "rhel 10"),
                                     ("suse", "suse_version 1600")):
            text = output("rpmspec", "--parse", "-D", f"_vendor {vendor}", "-D", distribution,
                          "-D", f"_sourcedir {SOURCE}/packaging/rpm", SPEC)
            self.assertNotIn("%{", text)
            self.assertNotIn("-g0", text)
            self.assertIn("\nBuildRequires:  systemd-rpm-macros\n", text)
            self.assertIn("\nBuildRequires:  ninja" + "-build" * (vendor != "suse") + "\n", text)

    def rpmlint(self, config):
        result = subprocess.run(["rpmlint", "-c", config, "--rpmlintrc", RPMLINTRC,
                                 "--ignore-unused-rpmlintrc", SPEC,
                                 *glob.glob(f"{WORK}/first/*.rpm")],
                                check=False, capture_output=True, text=True)
        return result, [line for line in result.stdout.split("\n") if re.search(": [EW]: ", line)]

    def test_rpmlint(self):
        result, complaints = self.rpmlint(RPMLINT)
        self.assertEqual((complaints, result.stderr, result.returncode), ([], "", 0))
        self.assertIn("5 packages and 1 specfiles checked; 0 errors, 0 warnings", result.stdout)

    def test_each_filter_of_rpmlint_is_needed(self):
        with open(RPMLINT, "rb") as f:
            filters = tomllib.load(f)["Filters"]
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            with open(RPMLINT, encoding="utf-8") as f:
                config.write(re.sub(r"(?s)^Filters = \[.*?^\]$", "", f.read(), flags=re.M))
            config.flush()
            _, complaints = self.rpmlint(config.name)
        self.assertEqual([text for text in filters
                          if not any(re.search(text, line) for line in complaints)], [])


if __name__ == "__main__":
    install_root.need_root()
    install_root.use_own_settings(WORK)
    unittest.main(argv=sys.argv[:1])
