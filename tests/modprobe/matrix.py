# SPDX-License-Identifier: GPL-2.0-or-later
"""Which modules, in which order, or why not: read from copies of hosts, loading nothing.

The matrix is CPU x state of the module x architecture; around it are modprobe.d, the kernel's
command line, the configuration and the options.
"""
import json
import os
import shutil
import tempfile
import unittest

import hosts
from hosts import AMD, ARM64, INTEL, POWER, RELEASE, RISCV, S390X

# CPU: its /proc/cpuinfo, its module
CPUS = {
    "intel": (INTEL.format("vmx"), "kvm_intel"),
    "zhaoxin": (INTEL.format("vmx").replace("GenuineIntel", "  Shanghai  "), "kvm_intel"),
    "amd": (AMD.format("svm npt"), "kvm_amd"),
    "hygon": (AMD.format("svm").replace("AuthenticAMD", "HygonGenuine"), "kvm_amd"),
    "s390x": (S390X.format("sie"), "kvm"),
    "powernv": (POWER.format("PowerNV"), "kvm_hv"),
    "pseries": (POWER.format("pSeries") + "MMU\t\t: Hash\n", "kvm_pr"),
    "pseries-radix": (POWER.format("pSeries") + "MMU\t\t: Radix\n", "kvm_hv"),
    "arm64": (ARM64, "kvm"),
    "riscv64": (RISCV.format("imafdch"), "kvm"),
}
# And those without virtualisation.
BARE = {
    "intel": INTEL.format("sse2"), "amd": AMD.format("sse2"), "s390x": S390X.format(""),
    "riscv64": RISCV.format("imafdc"), "guest": INTEL.format("hypervisor"),
}
VHOST = ["vhost_iotlb", "vhost", "tun", "tap", "vhost_net"]


class TestCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="kvm-modprobe-")
        self.addCleanup(shutil.rmtree, self.top)
        self.count = 0

    def host(self, files, *args, **options):
        self.count += 1
        tree = os.path.join(self.top, str(self.count))
        os.mkdir(tree)
        hosts.make_host(tree, files, *args, **options)
        return tree

    def run_json(self, tree, *args, status=0):
        result = hosts.run("--json", "--sysroot", tree, *args)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertEqual(result.stderr, "")
        answer = json.loads(result.stdout)
        self.assertEqual(answer["status"], status)
        return answer

    def outcomes(self, tree, *args, status=0):
        answer = self.run_json(tree, *args, status=status)
        return {entry["module"]: entry["outcome"] for entry in answer["modules"]}

    def loads(self, tree, *args, status=0):
        """Names in the order of loading, and they are told in text just so."""
        answer = self.run_json(tree, "--dry-run", *args, status=status)
        loads = [entry for module in answer["modules"] for entry in module["loads"]]
        text = hosts.run("--dry-run", "--sysroot", tree, *args).stdout
        self.assertEqual([line for line in text.splitlines() if line.startswith("load ")],
                         [f"load {entry['name']} {entry['options']}".rstrip() for entry in loads])
        return [entry["name"] for entry in loads]

    def assert_order(self, loads, expected):
        """The same, each after what it needs, and KVM before all others."""
        hosts.check_order(loads)
        self.assertEqual(sorted(loads), sorted(expected))

    def failure(self, tree, status, *args, name=None):
        """The one line on stderr, whose code and status fit."""
        result = hosts.run("--dry-run", "--sysroot", tree, *args)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertNotIn("load", result.stdout)
        if name:
            self.assertIn(f"kvm-modprobe: {name}: ", result.stderr)
        return result.stderr


class Matrix(TestCase):
    def needs(self, module):
        return {"kvm": ["irqbypass", "kvm"]}.get(module, ["irqbypass", "kvm", module])

    def test_loadable(self):
        for cpu, (cpuinfo, module) in CPUS.items():
            with self.subTest(cpu):
                tree = self.host({"proc/cpuinfo": cpuinfo}, [module, "vhost_net"])
                self.assert_order(self.loads(tree), self.needs(module) + VHOST)
                self.assertEqual(self.outcomes(tree, "--dry-run"),
                                 {module: "loadable", "vhost_net": "loadable"})
                self.assertEqual(self.outcomes(tree, "--check", status=10),
                                 {module: "module-not-loaded", "vhost_net": "module-not-loaded"})

    def test_loaded(self):
        for cpu, (cpuinfo, module) in CPUS.items():
            with self.subTest(cpu):
                tree = self.host({"proc/cpuinfo": cpuinfo, "sys/class/misc/kvm": None},
                                 [module, "vhost_net"],
                                 loaded=self.needs(module) + ["tun", "vhost_net"])
                self.assert_order(self.loads(tree), [])
                for option in ("--check", "--dry-run"):
                    self.assertEqual(self.outcomes(tree, option),
                                     {module: "loaded", "vhost_net": "loaded"})

    def test_half_loaded(self):
        """What is there is not loaded again."""
        for cpu, (cpuinfo, module) in CPUS.items():
            with self.subTest(cpu):
                tree = self.host({"proc/cpuinfo": cpuinfo}, [module, "vhost_net"],
                                 loaded=["irqbypass", "tun"])
                self.assert_order(self.loads(tree), self.needs(module)[1:] +
                                 [name for name in VHOST if name != "tun"])

    def test_built_in(self):
        """A part of the kernel, with and without a place in /sys/module."""
        for cpu, (cpuinfo, module) in CPUS.items():
            for files in ({}, {f"sys/module/{module}/parameters": None}):
                with self.subTest(cpu=cpu, files=files):
                    tree = self.host({"proc/cpuinfo": cpuinfo, "sys/class/misc/kvm": None, **files},
                                     [], built_in=[*self.needs(module), *VHOST])
                    self.assert_order(self.loads(tree), [])
                    self.assertEqual(self.outcomes(tree, "--check"),
                                     {module: "built-in", "vhost_net": "built-in"}
                                     if files else {"kvm": "built-in", "vhost_net": "built-in"})

    def test_built_in_without_modules(self):
        """A kernel without loadable modules: its devices show what it has."""
        tree = self.host({"proc/cpuinfo": ARM64, "sys/class/misc/kvm": None,
                          "sys/class/misc/vhost-net": None}, None)
        self.assertEqual(self.outcomes(tree, "--check"),
                         {"kvm": "built-in", "vhost_net": "built-in"})

    def test_blacklisted(self):
        for cpu, (cpuinfo, module) in CPUS.items():
            for line in (f"blacklist {module}", f"install {module} /bin/false",
                         f"alias {module} off"):
                with self.subTest(cpu=cpu, line=line):
                    tree = self.host({"proc/cpuinfo": cpuinfo,
                                      "etc/modprobe.d/a.conf": f"# none\n\n{line}\n"},
                                     [module, "vhost_net"])
                    text = self.failure(tree, 6, name="module-blacklisted")
                    self.assertIn(f'/etc/modprobe.d/a.conf:3 forbids to load {module}: "{line}"',
                                  text)
                    for option in ("--check", "--dry-run"):
                        self.assertEqual(self.outcomes(tree, option, status=6),
                                         {module: "module-blacklisted", "vhost_net": "skipped"})

    def test_missing(self):
        for cpu, (cpuinfo, module) in CPUS.items():
            with self.subTest(cpu):
                tree = self.host({"proc/cpuinfo": cpuinfo}, ["watchdog", "vhost_net"])
                text = self.failure(tree, 5, name="module-missing")
                self.assertIn(f"the kernel {RELEASE} has no module {module}; install", text)
                self.assertEqual(self.outcomes(tree, "--check", status=5),
                                 {module: "module-missing", "vhost_net": "skipped"})
                for files, words in (({}, f"has no module {module}; install"),
                                     ({"lib/modules/5.10.0-old": None},
                                      "no modules for the running kernel, which an update")):
                    tree = self.host({"proc/cpuinfo": cpuinfo, **files}, None)
                    self.assertIn(words, self.failure(tree, 5, name="module-missing"))
                os.unlink(os.path.join(tree, "proc/modules"))
                self.assertIn(f"built without {module} and without modules", self.failure(tree, 5))

    def test_no_cpu_support(self):
        for cpu, cpuinfo in BARE.items():
            with self.subTest(cpu):
                tree = self.host({"proc/cpuinfo": cpuinfo}, ["kvm_intel", "kvm_amd", "vhost_net"])
                text = self.failure(tree, 3, name="no-cpu-support")
                self.assertEqual("nested" in text, cpu in ("guest", "s390x", "riscv64"), text)
                result = hosts.run("--boot", "--dry-run", "--sysroot", tree)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertIn("no-cpu-support: ", result.stdout)
                self.assertNotIn("load ", result.stdout)

    def test_without_el2(self):
        """KVM is in the kernel and has found no hardware."""
        for options in ({"loaded": ["kvm"]}, {"built_in": ["irqbypass", "kvm"]}):
            tree = self.host({"proc/cpuinfo": ARM64}, ["vhost_net"], **options)
            self.failure(tree, 3, name="no-cpu-support")

    def test_firmware(self):
        log = "6,11,123456,-;{}\n"
        for cpu, words in (("intel", "kvm: disabled by bios"),
                           ("intel", "x86/cpu: VMX (outside TXT) disabled by BIOS"),
                           ("amd", "kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0")):
            with self.subTest(words):
                cpuinfo, module = CPUS[cpu]
                tree = self.host({"proc/cpuinfo": cpuinfo, "dev/kmsg": log.format(words)},
                                 [module, "vhost_net"])
                self.failure(tree, 4, name="disabled-by-firmware")
                result = hosts.run("--boot", "--dry-run", "--sysroot", tree)
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_coming(self):
        """Somebody else is loading it: it is neither there nor without hardware."""
        tree = self.host({"proc/cpuinfo": CPUS["intel"][0],
                          "sys/module/kvm_intel/initstate": "coming\n"}, ["kvm_intel", "vhost_net"],
                         loaded=["irqbypass", "kvm"])
        self.assertEqual(self.outcomes(tree, "--check", "kvm", status=10),
                         {"kvm_intel": "module-not-loaded"})
        self.assertEqual(self.outcomes(tree, "--dry-run", "kvm"), {"kvm_intel": "loadable"})

    def test_kvm_by_another_module(self):
        """The CPU shows nothing, and yet the kernel has KVM."""
        tree = self.host({"proc/cpuinfo": INTEL.format("hypervisor"), "sys/class/misc/kvm": None},
                         ["vhost_net"], loaded=["kvm"])
        self.assertEqual(self.outcomes(tree, "--check", status=10),
                         {"kvm": "loaded", "vhost_net": "module-not-loaded"})
        self.assert_order(self.loads(tree), VHOST)


class Files(TestCase):
    """modprobe.d, the command line of the kernel, and the configuration."""

    def intel(self, files, modules=("kvm_intel", "vhost_net", "vhost_vsock", "watchdog"), **options):
        return self.host({"proc/cpuinfo": CPUS["intel"][0], **files}, modules, **options)

    def test_where_it_is_forbidden(self):
        line = "blacklist kvm_intel\n"
        for files, words in (
                ({"lib/modprobe.d/x.conf": line}, "/lib/modprobe.d/x.conf:1 "),
                ({"usr/lib/modprobe.d/x.conf": line}, "/usr/lib/modprobe.d/x.conf:1 "),
                ({"run/modprobe.d/x.conf": line}, "/run/modprobe.d/x.conf:1 "),
                ({"etc/modprobe.d/b.conf": line, "run/modprobe.d/a.conf": "\n" + line},
                 "/run/modprobe.d/a.conf:2 "),
                # The first directory's file of a name hides the others.
                ({"etc/modprobe.d/a.conf": "#\n" * 8 + line, "run/modprobe.d/a.conf": line},
                 "/etc/modprobe.d/a.conf:9 "),
                ({"etc/modprobe.d/a.conf": " \tblacklist\t kvm-intel x\n"},
                 '/etc/modprobe.d/a.conf:1 forbids to load kvm_intel: "blacklist\\x09 kvm-intel x"'),
                ({"etc/modprobe.d/a.conf": "options x y=\\\n1\n" + line},
                 "/etc/modprobe.d/a.conf:3 "),
                ({"etc/modprobe.d/a.conf": "install kvm_* /bin/true\n"}, '"install kvm_* /bin/true"'),
                ({"etc/modprobe.d/a.conf": "->/conf", "conf": line}, "/etc/modprobe.d/a.conf:1 "),
                ({"proc/cmdline": "ro module_blacklist=x,kvm_intel quiet\n"},
                 'the kernel\'s command line forbids to load kvm_intel: '
                 '"module_blacklist=x,kvm_intel"'),
                ({"proc/cmdline": "modprobe.blacklist=kvm-intel\n"},
                 '"modprobe.blacklist=kvm-intel"')):
            with self.subTest(files):
                text = self.failure(self.intel(files), 6, name="module-blacklisted")
                self.assertIn(words, text)

    def test_not_forbidden(self):
        for files in (
                {"etc/modprobe.d/a.conf": "# blacklist kvm_intel\n"},
                {"etc/modprobe.d/a.conf": "blacklist kvm_intelx\nblacklist kvm_amd\n"},
                {"etc/modprobe.d/a.conf": "blacklist\ninstall kvm_intel\nblacklist ]kvm_intel\n"},
                {"etc/modprobe.d/a.off": "blacklist kvm_intel\n"},
                {"etc/modprobe.d/.a.conf": "blacklist kvm_intel\n"},
                {"etc/modprobe.d/a.conf/b.conf": "blacklist kvm_intel\n"},
                {"run/modprobe.d/a.conf": "blacklist kvm_intel\n",
                 "etc/modprobe.d/a.conf": "->/dev/null", "dev/null": ""},
                {"proc/cmdline": "module_blacklist=kvm_intel module_blacklist=kvm_amd\n"},
                {"proc/cmdline": "module_blacklist=kvm-intel x.blacklist=kvm_intel kvm_intel\n"},
                # As modprobe -b: only the wanted module is asked for.
                {"etc/modprobe.d/a.conf": "blacklist kvm\nblacklist irqbypass\n"}):
            with self.subTest(files):
                self.assert_order(self.loads(self.intel(files)),
                                  ["irqbypass", "kvm", "kvm_intel"] + VHOST)

    def test_other_module_is_forbidden(self):
        """KVM works, and the others are tried."""
        tree = self.intel({"etc/modprobe.d/a.conf": "blacklist vhost_net\n",
                           "etc/qemu-kvm.conf": "modules = vhost_net vhost_vsock\n"})
        self.assertEqual(self.outcomes(tree, "--dry-run", status=6),
                         {"kvm_intel": "loadable", "vhost_net": "module-blacklisted",
                          "vhost_vsock": "loadable"})

    def test_softdeps_and_options(self):
        tree = self.intel({"etc/modprobe.d/a.conf": "softdep kvm-intel pre: watchdog\n"
                           "options kvm_intel nested=1 ept=0\noptions vhost max_mem_regions=509\n"})
        self.assert_order(self.loads(tree), ["irqbypass", "kvm", "watchdog", "kvm_intel"] + VHOST)
        answer = self.run_json(tree, "-n")
        options = {entry["name"]: entry["options"] for module in answer["modules"]
                   for entry in module["loads"] if entry["options"]}
        self.assertEqual(options, {"kvm_intel": "nested=1 ept=0", "vhost": "max_mem_regions=509"})

    def test_command_of_a_dependency(self):
        tree = self.intel({"etc/modprobe.d/a.conf": "install irqbypass /bin/sh -c x\x1b\n"})
        result = hosts.run("-n", "--sysroot", tree)
        self.assertIn("not irqbypass: modprobe.d has a command in its place: /bin/sh -c x\\x1b\n",
                      result.stdout)

    def test_alias(self):
        """Another module drives this host."""
        tree = self.intel({"etc/modprobe.d/a.conf": "alias kvm_intel watchdog\n"})
        self.assert_order(self.loads(tree), ["watchdog"] + VHOST)
        # Of several modules, those that are blacklisted are passed over.
        several = "alias kvm_intel watchdog\nalias kvm_intel vhost_vsock\nblacklist vhost_vsock\n"
        tree = self.intel({"etc/modprobe.d/a.conf": several})
        self.assert_order(self.loads(tree), ["watchdog"] + VHOST)
        tree = self.intel({"etc/modprobe.d/a.conf": several + "blacklist watchdog\n"})
        self.failure(tree, 6, name="module-blacklisted")

    def test_configured_modules(self):
        for text, modules in (("modules = vhost_vsock\n", ["vhost_vsock"]),
                              ("modules = tun vhost_vsock vhost_net\n",
                               ["vhost_net", "vhost_vsock", "tun"]),
                              ("modules =\n", []), ("", ["vhost_net"])):
            with self.subTest(text):
                tree = self.intel({"etc/qemu-kvm.conf": text})
                self.assertEqual(list(self.outcomes(tree, "--dry-run")), ["kvm_intel"] + modules)
        tree = self.intel({"usr/lib/qemu-kvm/qemu-kvm.conf": "modules = tun\n"})
        self.assert_order(self.loads(tree), ["irqbypass", "kvm", "kvm_intel", "tun"])
        tree = self.intel({"etc/qemu-kvm.conf": "modules = kvm\n"})
        text = self.failure(tree, 1)
        self.assertIn('/etc/qemu-kvm.conf:1: modules has "kvm"; there are vhost_net', text)
        self.assert_order(self.loads(tree, "tun"), ["irqbypass", "kvm", "kvm_intel", "tun"])

    def test_named_modules(self):
        tree = self.intel({}, modules=("kvm_intel", "kvm_amd", "vhost_net", "vhost_vsock"))
        for names, loads in ((["tun"], ["irqbypass", "kvm", "kvm_intel", "tun"]),
                             (["tun", "kvm"], ["irqbypass", "kvm", "kvm_intel", "tun"]),
                             (["kvm_amd"], ["irqbypass", "kvm", "kvm_amd"]),
                             (["kvm-amd", "kvm_amd"], ["irqbypass", "kvm", "kvm_amd"]),
                             (["tun", "vhost-vsock"],
                              ["irqbypass", "kvm", "kvm_intel", "vhost_iotlb", "vhost",
                               "vhost_vsock", "tun"])):
            with self.subTest(names):
                self.assert_order(self.loads(tree, *names), loads)

    def test_image(self):
        """An installed system that does not run: nobody tells its kernel or its CPU."""
        tree = self.intel({})
        for file in ("proc/cpuinfo", "proc/sys/kernel/osrelease"):
            os.unlink(os.path.join(tree, file))
        directory = f"/lib/modules/{RELEASE}"
        self.assert_order(self.loads(tree, "--modules-dir", directory, "kvm_intel"),
                          ["irqbypass", "kvm", "kvm_intel"])
        text = self.failure(tree, 5, f"--modules-dir={directory}/", "kvm_amd")
        self.assertIn(f"the kernel {RELEASE} has no module kvm_amd", text)
        text = self.failure(tree, 5, "--modules-dir", "/lib/modules/1", "kvm_intel")
        self.assertIn("no directory /lib/modules/1 with", text)
        self.assertIn("give the directory of its modules with --modules-dir",
                      self.failure(tree, 1, "kvm_intel", name="other"))
        self.assertIn("name the module", self.failure(tree, 1, name="other"))

    def test_delivered_file(self):
        """What the package has in modprobe.d says nothing, and without its "#" what it promises."""
        with open(os.path.join(os.environ["SOURCE_DIR"], "packaging/modprobe.d/qemu-kvm.conf"),
                  encoding="ascii") as f:
            text = f.read()
        self.assertEqual([line for line in text.splitlines() if line and line[0] != "#"], [])
        for switched_on in (False, True):
            if switched_on:
                text = text.replace("\n#options ", "\noptions ")
            tree = self.intel({"etc/modprobe.d/qemu-kvm.conf": text},
                              modules=("kvm_intel", "kvm_amd", "kvm_hv", "vhost_net"))
            answer = self.run_json(tree, "-n", "kvm_intel", "kvm_amd", "kvm_hv", "vhost_net")
            options = {entry["name"]: entry["options"] for module in answer["modules"]
                       for entry in module["loads"] if entry["options"]}
            self.assertEqual(options, {
                "kvm": "nested=1 hpage=1", "kvm_intel": "nested=1", "kvm_amd": "nested=1",
                "kvm_hv": "nested=1", "vhost": "max_mem_regions=509"} if switched_on else {})

    def test_bad_input(self):
        """Whatever the files hold, the program ends with a status and one line that is clean."""
        junk = bytes(range(256)) * 300
        for path in ("proc/cpuinfo", "proc/cmdline", "proc/sys/kernel/osrelease", "etc/os-release",
                     "etc/modprobe.d/a.conf", "etc/qemu-kvm.conf", "dev/kmsg",
                     f"lib/modules/{RELEASE}/modules.dep.bin",
                     f"lib/modules/{RELEASE}/modules.builtin.bin", "sys/module/kvm_intel/initstate"):
            for content in (junk, b"", b"\n", b"\0", b"=" * 100000, "->loop", None):
                for option in ("--check", "--dry-run", "--list"):
                    with self.subTest(path=path, content=content and content[:6], option=option):
                        self.bad_input(path, content, option)

    def bad_input(self, path, content, option):
        tree = getattr(self, "tree", None) or self.intel({})
        self.tree = tree
        full = os.path.join(tree, path)
        kept = None
        if os.path.exists(full):
            kept = full + ".kept"
            os.rename(full, kept)
        if content is None:
            os.makedirs(full)
        else:
            hosts.write(full, "->" + os.path.basename(full) if content == "->loop" else content)
        try:
            result = hosts.run(option, "--sysroot", tree)
            self.assertIn(result.returncode, (0, 1, 3, 5, 10), result.stderr)
            self.assertRegex(result.stderr, r"\A(kvm-modprobe: [^\x00-\x1f\x7f]+\n){0,2}\Z")
        finally:
            if content is None:
                os.rmdir(full)
            else:
                os.unlink(full)
            if kept:
                os.rename(kept, full)

    def test_packages(self):
        for text, release, package in (
                ("ID=debian\n", "6.1.0-13-amd64", "a kernel of the distribution"),
                ("ID=debian\n", "6.1.0-13-cloud-amd64", "the package linux-image-amd64"),
                ("NAME=x\nID=ubuntu\nID_LIKE=debian\n", "6.8.0-31-generic",
                 "the package linux-modules-extra-6.8.0-31-generic"),
                ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "5.14.0-1.el9.x86_64",
                 "the package kernel-modules-5.14.0-1.el9.x86_64"),
                ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "6.4.0-1-default",
                 "the package kernel-default,"),
                ("", "6.9", "the package with the kernel's modules"),
                ("ID=debianx\nXID=debian\n", "6.9", "the package with the kernel's modules")):
            with self.subTest(text):
                tree = self.intel({"etc/os-release": text}, modules=())
                hosts.install_modules(tree, ["watchdog"], release=release)
                result = self.failure(tree, 5, "--modules-dir", f"/lib/modules/{release}")
                self.assertIn(f"the kernel {release} has no module kvm_intel; install {package}",
                              result)


class Options(TestCase):
    def test_usage(self):
        for args, words in ((["kvm_xen"], 'unknown module "kvm_xen"'), (["--boot="], "boot"),
                            (["--check", "--dry-run"], "exclude"), (["--list", "tun"], "--list"),
                            (["--sysroot", "/"], "--sysroot needs"), (["-x"], "x"),
                            (["../../evil"], "unknown module"), ([""], "unknown module")):
            with self.subTest(args):
                result = hosts.run(*args)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertEqual(result.stderr.count("\n"), 2)
                self.assertIn(words, result.stderr)
        result = hosts.run("--check", "--sysroot", "/nonexistent")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("cannot open /nonexistent", result.stderr)

    def test_list(self):
        tree = self.host({"sys/module/kvm/parameters/halt_poll_ns": "200000\n",
                          "sys/module/kvm_intel/parameters/nested": "Y\n",
                          "sys/module/kvm_intel/parameters/ept": "N\n",
                          "sys/module/kvm_intel/parameters/other": "1\n",
                          "sys/module/vhost/parameters/max_mem_regions": "64\x1b\n"}, None)
        result = hosts.run("--list", "--sysroot", tree)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, "kvm.halt_poll_ns=200000\nkvm_intel.ept=N\n"
                         "kvm_intel.nested=Y\nvhost.max_mem_regions=64\\x1b\n")
        answer = json.loads(hosts.run("--list", "--json", "--sysroot", tree).stdout)
        self.assertEqual(answer["parameters"][2],
                         {"module": "kvm_intel", "parameter": "nested", "value": "Y"})
        tree = self.host({}, None)
        result = hosts.run("--list", "--sysroot", tree)
        self.assertEqual((result.returncode, result.stdout), (10, ""))
        os.makedirs(os.path.join(tree, "sys/module/kvm/parameters/nested"))
        result = hosts.run("--list", "--sysroot", tree)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("/sys/module/kvm/parameters/nested: Is a directory", result.stderr)

    def test_full_disk(self):
        tree = self.host({"proc/cpuinfo": CPUS["intel"][0]}, ["kvm_intel", "vhost_net"])
        with open("/dev/full", "w", encoding="ascii") as full:
            for args in (["-n"], ["-n", "--json"], ["--help"]):
                result = hosts.subprocess.run([hosts.PROGRAM, *args, *(
                    ["--sysroot", tree] if args[0] == "-n" else [])], stdout=full,
                                              stderr=hosts.subprocess.PIPE, text=True, check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn("No space left", result.stderr)


if __name__ == "__main__":
    hosts.need_depmod()
    unittest.main(verbosity=2)
