# SPDX-License-Identifier: GPL-2.0-or-later
"""What is given to the kernel, in which order, and what is said to its answers.

Runs on private mounts of /lib/modules, /etc, /sys/module, /sys/class/misc and /proc/cpuinfo;
kvm-faults answers in the place of the kernel, which never gets a module.
"""
import contextlib
import json
import os
import sys
import unittest

import hosts

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "launcher"))
import launcher  # noqa: E402

KVM = ["irqbypass", "kvm", "kvm_intel"]
VHOST = ["vhost_iotlb", "vhost", "tun", "tap", "vhost_net"]


class TestCase(launcher.TestCase):
    def setUp(self):
        super().setUp()
        self.host.modules()
        self.host.misc()
        self.host.forget("/etc/modprobe.d")
        modules = os.path.join(os.path.realpath("/lib"), "modules")
        self.host.forget(modules)
        hosts.install_modules("/", ["kvm_intel", "kvm_amd", "vhost_net", "vhost_vsock", "watchdog"],
                              release=os.uname().release)
        self.log = os.path.join(self.directory, "log")

    def load(self, *args, answer="0", may_load=True, user=None):
        """Returns status, stdout, stderr and the names that were given to the kernel."""
        launcher.write(self.log, "")
        result = self.host.run(*args, program=hosts.PROGRAM, may_load=may_load, user=user,
                               faults=("--load-module", answer, "--module-log", self.log))
        with open(self.log, encoding="utf-8") as f:
            self.given = f.read().splitlines()
        return (result.returncode, result.stdout.decode(), result.stderr.decode(),
                [line.split(" ", 1)[0] for line in self.given])

    def assert_order(self, loads, expected):
        hosts.check_order(loads)
        self.assertEqual(sorted(loads), sorted(expected))

    def assert_fails(self, answer, status, code, *words, loads=None, args=(), **options):
        result, out, err, names = self.load(*args, answer=answer, **options)
        self.assertEqual((result, out), (status, ""), err)
        self.assert_line(err.encode(), rf"\Akvm-modprobe: {code}: ", *words, name="kvm-modprobe")
        if loads is not None:
            self.assert_order(names, loads)


class Loads(TestCase):
    def test_order(self):
        for flags, module in (["vmx"], "kvm_intel"), (["svm"], "kvm_amd"):
            with self.subTest(flags):
                self.host.modules()
                self.host.misc()
                self.host.cpu_flags(*flags)
                status, out, err, names = self.load()
                self.assertEqual((status, out, err), (0, "", ""))
                self.assert_order(names, ["irqbypass", "kvm", module] + VHOST)
                # And once more: everything is there.
                self.assertEqual(self.load(), (0, "", "", []))
                self.assertEqual(self.load("--boot", "--check")[0], 0)

    def test_plan_is_what_happens(self):
        """A dry run gives nothing to the kernel and tells what the next run does give to it."""
        launcher.write("/etc/modprobe.d/a.conf", "softdep kvm_intel pre: watchdog\n"
                       "options kvm_intel nested=1 ept=0\noptions vhost max_mem_regions=509\n")
        launcher.write(launcher.CONFIG, "modules = tun vhost_vsock vhost_net\n")
        status, plan, err, names = self.load("--dry-run")
        self.assertEqual((status, err, names), (0, "", []))
        status, out, err, names = self.load("--verbose")
        self.assertEqual((status, err), (0, ""))
        self.assert_order(names, ["watchdog"] + KVM + VHOST + ["vhost_vsock"])
        self.assertEqual([f"load {line}".rstrip() for line in self.given], plan.splitlines())
        self.assertEqual([line for line in out.splitlines() if line.startswith("load ")],
                         plan.splitlines())
        self.assertEqual([line for line in out.splitlines() if not line.startswith("load ")],
                         ["kvm_intel: loaded", "vhost_net: loaded", "vhost_vsock: loaded",
                          "tun: loaded"])
        self.assertIn("kvm_intel nested=1 ept=0", "\n".join(self.given))

    def test_partly_there(self):
        self.host.modules("irqbypass", "kvm", "tun")
        for name in ("irqbypass", "kvm", "tun"):
            launcher.write(f"/sys/module/{name}/initstate", "live\n")
        self.assert_order(self.load("kvm", "vhost_net")[3],
                          ["kvm_intel", "vhost_iotlb", "vhost", "tap", "vhost_net"])

    def test_somebody_else_is_loading(self):
        """The kernel is asked, which waits, and then says that it exists."""
        self.host.modules(*KVM)
        for name in KVM[:2]:
            launcher.write(f"/sys/module/{name}/initstate", "live\n")
        launcher.write("/sys/module/kvm_intel/initstate", "coming\n")
        self.host.misc("kvm")
        status, out, err, names = self.load("kvm", answer="EEXIST")
        self.assertEqual((status, out, err, names), (0, "", "", ["kvm_intel"]))

    def test_both_vendors(self):
        """The kernel says EEXIST to the second one, which is no success."""
        self.host.modules(*KVM)
        self.host.misc("kvm")
        for name in KVM:
            launcher.write(f"/sys/module/{name}/initstate", "live\n")
        self.assert_fails("EEXIST", 11, "busy", "KVM is there by the module kvm_intel",
                          args=["kvm_amd"], loads=["kvm_amd"])

    def test_json(self):
        status, out, err, _ = self.load("--json", answer="vhost_net=ENOKEY")
        self.assertEqual((status, err), (7, ""))
        answer = json.loads(out)
        self.assertEqual((answer["mode"], answer["status"]), ("load", 7))
        self.assertEqual([(entry["module"], entry["outcome"]) for entry in answer["modules"]],
                         [("kvm_intel", "loaded"), ("vhost_net", "module-signature")])
        self.assert_order([entry["name"] for module in answer["modules"]
                           for entry in module["loads"]], KVM + VHOST[:-1])


class Failures(TestCase):
    def test_answers(self):
        """KVM's module fails: the others are not tried."""
        for answer, status, code, words in (
                ("EKEYREJECTED", 7, "module-signature", "of the module kvm_intel"),
                ("ENOKEY", 7, "module-signature", "Required key not available"),
                ("EBADMSG", 7, "module-signature", "signature"),
                ("ENODEV", 3, "no-cpu-support", "CPU"),
                ("EOPNOTSUPP", 3, "no-cpu-support", "CPU"),
                ("EBUSY", 11, "busy", "VirtualBox"),
                ("ENOEXEC", 1, "other", "the module kvm_intel cannot be loaded: Exec format"),
                ("ENOENT", 1, "other", "does not fit to the running kernel"),
                ("EINVAL", 1, "other", "Invalid argument; its options in modprobe.d are bad "
                 "or its file is damaged"),
                ("ENOMEM", 1, "other", "kernel's log")):
            with self.subTest(answer):
                self.host.modules()
                self.host.misc()
                self.assert_fails("kvm_intel=" + answer, status, code, words, loads=KVM)

    def test_module_of_another_cpu(self):
        self.assert_fails("kvm_amd=EOPNOTSUPP", 3, "no-cpu-support",
                          "kvm_amd is not for this CPU, which needs kvm_intel",
                          args=["kvm_amd"], loads=KVM[:2] + ["kvm_amd"])

    def test_at_boot(self):
        for answer, status in (("ENODEV", 0), ("EKEYREJECTED", 7), ("EINVAL", 1)):
            self.host.modules()
            result, out, err, names = self.load("--boot", answer="kvm_intel=" + answer)
            self.assertEqual(result, status)
            self.assertEqual((bool(out), bool(err)), (status == 0, status != 0))
            self.assert_order(names, KVM)

    def test_dependency(self):
        """The module that failed is named, and nothing comes behind it."""
        self.assert_fails("kvm=EKEYREJECTED", 7, "module-signature", "the module kvm:",
                          loads=KVM[:2])
        self.host.modules()
        self.assert_fails("irqbypass=ENOEXEC", 1, "other", "irqbypass", loads=KVM[:1])

    def test_soft_dependency(self):
        """It may fail."""
        launcher.write("/etc/modprobe.d/a.conf", "softdep kvm_intel pre: watchdog\n")
        status, out, err, names = self.load("-v", "kvm", answer="watchdog=EKEYREJECTED")
        self.assertEqual((status, err), (0, ""))
        self.assert_order(names, ["watchdog"] + KVM)
        self.assertNotIn("watchdog", out)

    def test_other_module_fails(self):
        """KVM stays, and the rest is tried."""
        launcher.write(launcher.CONFIG, "modules = vhost_net vhost_vsock\n")
        self.assert_fails("vhost_net=ENOEXEC", 1, "other", "vhost_net",
                          loads=KVM + VHOST + ["vhost_vsock"])

    def test_eperm(self):
        """It has many causes."""
        lockdown = {"/sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}
        for files, status, code, words in (
                ({}, 9, "permission", "security module or a seccomp"),
                ({"/proc/cmdline": "module_blacklist=kvm\n"}, 6, "module-blacklisted",
                 "command line forbids to load kvm:"),
                (lockdown, 8, "lockdown", "module kvm has no signature"),
                ({**lockdown, "/proc/sys/kernel/modules_disabled": "1\n"}, 9, "permission",
                 "kernel.modules_disabled is set")):
            with self.subTest(files), contextlib.ExitStack() as stack:
                self.host.modules()
                self.replace_kernel_files(stack, files)
                self.assert_fails("kvm=EPERM", status, code, words)

    def replace_kernel_files(self, stack, files):
        """Nothing of the kernel's settings is there but these, as long as the stack lives."""
        cmdline = launcher.write(os.path.join(self.directory, "cmdline"), "\n")
        tree = os.path.join(self.directory, "kernel")
        launcher.remove(tree)
        os.makedirs(os.path.join(tree, "sys/kernel"))
        launcher.write(os.path.join(tree, "proc/sys/kernel/osrelease"), os.uname().release + "\n")
        launcher.write(os.path.join(tree, "proc/sys/kernel/modules_disabled"), "0\n")
        for path, text in files.items():
            launcher.write(cmdline if path == "/proc/cmdline" else tree + path, text)
        stack.enter_context(launcher.kvmtest.bound(cmdline, "/proc/cmdline"))
        for path in ("/sys/kernel", "/proc/sys/kernel"):
            stack.enter_context(launcher.kvmtest.bound(tree + path, path))

    def test_ordinary_users(self):
        """Without the capability the kernel says EPERM, and this is why."""
        for options in ({"may_load": False},
                        {"user": (launcher.NOBODY, launcher.NOBODY, [])}):
            with self.subTest(options):
                self.host.modules()
                self.assert_fails("EPERM", 9, "permission", "CAP_SYS_MODULE", "as root", **options)

    def test_forbidden(self):
        """Nothing is given to the kernel."""
        launcher.write("/etc/modprobe.d/a.conf", "\nblacklist kvm-intel\n")
        self.assert_fails("0", 6, "module-blacklisted", "/etc/modprobe.d/a.conf:2 ", loads=[])
        launcher.write("/etc/modprobe.d/a.conf", f"install kvm_intel touch {self.directory}/ran\n")
        self.assert_fails("0", 6, "module-blacklisted", "install kvm_intel touch", loads=[])
        launcher.write("/etc/modprobe.d/a.conf", f"install kvm touch {self.directory}/ran\n")
        self.assert_fails("0", 6, "module-blacklisted", "forbids to load kvm:",
                          loads=["irqbypass"])
        self.assertFalse(os.path.exists(os.path.join(self.directory, "ran")))

    def test_no_virtualisation(self):
        self.host.cpu_flags("sse2")
        self.assert_fails("0", 3, "no-cpu-support", loads=[])
        result, out, err, names = self.load("--boot")
        self.assertEqual((result, err, names), (0, "", []))
        self.assertIn("no-cpu-support", out)

    def test_check_and_dry_run_load_nothing(self):
        for option, status in (("--check", 10), ("--dry-run", 0), ("--list", 10)):
            result, _, _, names = self.load(option)
            self.assertEqual((result, names), (status, []), option)

    def test_without_modules(self):
        self.host.forget(os.path.join(os.path.realpath("/lib"), "modules"))
        self.assert_fails("0", 5, "module-missing", "kvm_intel|modules for the running kernel", loads=[])


if __name__ == "__main__":
    hosts.need_depmod()
    launcher.enter()
    unittest.main(verbosity=2)
