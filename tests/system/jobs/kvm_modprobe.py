#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm-modprobe with a real kernel, kmod and CPU: it loads what KVM guests need, in order, and where
it cannot, says why in one line and leaves alone what would be of no use.

Real modprobe is the peer. What it does with the same modprobe.d is asked for while the test runs.
"""
import concurrent.futures
import fcntl
import glob
import json
import os
import shutil
import struct
import unittest

import job

PROGRAM = "/usr/sbin/kvm-modprobe"
MODPROBE_D = "/etc/modprobe.d/job.conf"
CONFIG = "/etc/qemu-kvm.conf"
RELEASE = os.uname().release
MODULES = f"/lib/modules/{RELEASE}"
KVM_AMD = f"{MODULES}/kernel/arch/x86/kvm/kvm-amd.ko"
SIGNATURE_MARK = b"~Module signature appended~\n"
KVM_GET_API_VERSION, KVM_CREATE_VM, KVM_CREATE_VCPU = 0xAE00, 0xAE01, 0xAE41
VHOST_GET_FEATURES = 0x8008AF00
NOTHING_LOADED = "kvm_amd: module-not-loaded\nvhost_net: module-not-loaded\n"


def all_modules():
    """What the kernel has, in the order in which it was loaded."""
    return [line.split()[0] for line in reversed(job.read("/proc/modules").splitlines())]


# KVM needs it. Whether a machine that had KVM at its boot still has it is chance.
job.do("modprobe", "irqbypass")
BEFORE = all_modules()


def parameters():
    return {path: job.read(path) for name in ("kvm", "kvm_amd", "vhost")
            for path in glob.glob(f"/sys/module/{name}/parameters/*")}


def tool(*arguments, prefix=()):
    result = job.run(*prefix, PROGRAM, *arguments)
    print(result.returncode, result.stderr.strip())
    return result


def unsigned(module):
    """Without its signature: see struct module_signature in the kernel's sources."""
    end = module.rindex(SIGNATURE_MARK)
    (length,) = struct.unpack(">I", module[end - 4:end])
    return module[:end - 12 - length]


def loaded():
    """What the tests have brought into the kernel."""
    return [name for name in all_modules() if name not in BEFORE]


def unload():
    if loaded():
        job.do("rmmod", *reversed(loaded()))
    assert not loaded(), loaded()


class TestCase(unittest.TestCase):
    def setUp(self):
        unload()

    def configure(self, text, path=MODPROBE_D):
        job.write(path, text)
        self.addCleanup(job.remove, path)

    def replace(self, path, data):
        """Another content, or none, in a file's place."""
        away = shutil.copy(path, "/root")
        self.addCleanup(shutil.move, away, path)
        os.unlink(path)
        if data is not None:
            with open(path, "wb") as f:
                f.write(data)

    def assert_done(self, result, stdout=""):
        self.assertEqual((0, stdout, ""), (result.returncode, result.stdout, result.stderr))

    def assert_refused(self, result, status, code, words, stays=()):
        self.assertEqual((status, ""), (result.returncode, result.stdout), result.stderr)
        self.assertRegex(result.stderr, rf"\Akvm-modprobe: {code}: [^\n]*\n\Z")
        self.assertIn(words, result.stderr)
        self.assertEqual(list(stays), loaded())

    def assert_works(self):
        """KVM came first, vhost_net last, and their devices answer."""
        self.assertEqual((["kvm", "kvm_amd"], "vhost_net"), (loaded()[:2], loaded()[-1]))
        with open("/dev/kvm", "rb") as f:
            self.assertEqual(12, fcntl.ioctl(f, KVM_GET_API_VERSION))
        with open("/dev/vhost-net", "r+b", buffering=0) as f:
            features = struct.unpack("Q", fcntl.ioctl(f, VHOST_GET_FEATURES, bytes(8)))[0]
            self.assertTrue(features & 1 << 32, "VIRTIO_F_VERSION_1")


class Modprobe(TestCase):
    # What is loaded

    def test_loads(self):
        self.assert_done(tool())
        self.assert_works()
        before = job.read("/proc/modules")
        self.assert_done(tool("--verbose"), "kvm_amd: loaded\nvhost_net: loaded\n")
        self.assertEqual(before, job.read("/proc/modules"))

    def test_loaded_by_somebody_else(self):
        job.do("modprobe", "kvm_amd")
        self.assert_done(tool("--verbose", "kvm"), "kvm_amd: loaded\n")
        self.assertEqual(["kvm", "kvm_amd"], loaded())
        result = tool("--verbose")
        loads = "".join(f"load {name}\n" for name in loaded()[2:])
        self.assert_done(result, f"kvm_amd: loaded\n{loads}vhost_net: loaded\n")
        self.assert_works()

    def test_all_at_once(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = [pool.submit(tool) for _ in range(4)]
        for run in runs:
            self.assert_done(run.result())
        self.assert_works()

    def test_as_modprobe(self):
        """The same modules in the same order with the same parameters."""
        for text in ("blacklist kvm\nblacklist vhost\n",
                     "softdep kvm_amd pre: no_such_module vhost_vsock post: tun\n",
                     "options kvm_amd nested=0 no_such_option=1\noptions kvm-amd npt=0\n"):
            with self.subTest(text):
                unload()
                self.configure(text)
                job.do("modprobe", "-b", "kvm_amd")
                job.do("modprobe", "-b", "vhost_net")
                expected = loaded(), parameters()
                unload()
                self.assert_done(tool())
                self.assertEqual(expected, (loaded(), parameters()))

    def test_options_in_effect(self):
        self.configure("options kvm halt_poll_ns=12345\noptions kvm_amd nested=0\n"
                       "options vhost max_mem_regions=128\n")
        result = tool("--verbose")
        self.assertEqual(0, result.returncode)
        for line in ("load kvm halt_poll_ns=12345", "load kvm_amd nested=0",
                     "load vhost max_mem_regions=128"):
            self.assertIn(line, result.stdout.splitlines())
        # What modprobe.d says now is no longer of interest.
        self.configure("options kvm_amd nested=1\n")
        listed = {f"/sys/module/{entry['module']}/parameters/{entry['parameter']}":
                  entry["value"] + "\n"
                  for entry in json.loads(tool("--list", "--json").stdout)["parameters"]}
        self.assertEqual(listed, {path: parameters()[path] for path in listed})
        self.assert_done(tool("--list"), "kvm.halt_poll_ns=12345\nkvm_amd.nested=0\n"
                         f"kvm_amd.npt={listed['/sys/module/kvm_amd/parameters/npt']}"
                         "vhost.max_mem_regions=128\n")

    def test_configuration(self):
        self.configure("modules = vhost_vsock tun\n", CONFIG)
        self.assert_done(tool())
        self.assertEqual(["kvm", "kvm_amd"], loaded()[:2])
        self.assertLessEqual({"vhost_vsock", "tun"}, set(loaded()))
        self.assertNotIn("vhost_net", loaded())
        self.configure("modules =\n", CONFIG)
        unload()
        self.assert_done(tool())
        self.assertEqual(["kvm", "kvm_amd"], loaded())
        self.configure("# KVM:\nmodules = kvm_amd\n", CONFIG)
        unload()
        result = tool()
        self.assertEqual((1, "", []), (result.returncode, result.stdout, loaded()))
        self.assertRegex(result.stderr, rf"\Akvm-modprobe: {CONFIG}:2: [^\n]*kvm_amd[^\n]*\n\Z")

    # What only looks

    def test_looks_load_nothing(self):
        self.configure("options kvm_amd nested=0\nsoftdep kvm_amd post: vhost_vsock\n")
        before = job.read("/proc/modules")
        dry = tool("--dry-run")
        self.assertEqual((0, ""), (dry.returncode, dry.stderr))
        dry_json = json.loads(tool("--dry-run", "--json").stdout)
        check = tool("--check")
        self.assertEqual((10, NOTHING_LOADED), (check.returncode, check.stdout))
        self.assertRegex(check.stderr, r"\A(kvm-modprobe: module-not-loaded: [^\n]*\n){2}\Z")
        check_json = json.loads(tool("--check", "--json").stdout)
        self.assertEqual(10, tool("--list").returncode)
        self.assertEqual(before, job.read("/proc/modules"))

        # They agree with each other, and with what is then loaded.
        self.assertEqual(("dry-run", 0), (dry_json["mode"], dry_json["status"]))
        self.assertEqual(["loadable", "loadable"],
                         [module["outcome"] for module in dry_json["modules"]])
        self.assertEqual(("check", 10), (check_json["mode"], check_json["status"]))
        self.assertEqual(NOTHING_LOADED, "".join(f"{module['module']}: {module['outcome']}\n"
                                                 for module in check_json["modules"]))
        load_json = json.loads(tool("--json").stdout)
        loads = [step for module in load_json["modules"] for step in module["loads"]]
        self.assertEqual(loaded(), [step["name"] for step in loads])
        self.assertEqual(loads, [step for module in dry_json["modules"]
                                 for step in module["loads"]])
        self.assertEqual(dry.stdout, "".join(f"load {step['name']} {step['options']}".strip() + "\n"
                                             for step in loads))
        self.assertIn("load kvm_amd nested=0\n", dry.stdout)
        self.assertIn("load vhost_vsock\n", dry.stdout)
        self.assert_done(tool("--check"), "kvm_amd: loaded\nvhost_net: loaded\n")

    # What is refused

    def test_forbidden(self):
        for line in ("blacklist kvm_amd", "blacklist kvm-amd", "install kvm_amd /bin/false"):
            with self.subTest(line):
                unload()
                self.configure(f"# a comment\n{line}\n")
                self.assert_refused(tool(), 6, "module-blacklisted",
                                    f'{MODPROBE_D}:2 forbids to load kvm_amd: "{line}"; remove')
                answer = json.loads(tool("--json").stdout)
                self.assertEqual(6, answer["status"])
                self.assertEqual((MODPROBE_D, 2), (answer["modules"][0]["file"],
                                                   answer["modules"][0]["line"]))
                os.unlink(MODPROBE_D)
                self.assert_done(tool())
                self.assert_works()

    def test_kvm_stays(self):
        """vhost_net cannot be had: that is the status. KVM is loaded, and its guest stays."""
        self.configure("install vhost_net /bin/false\n")
        self.assert_refused(tool(), 6, "module-blacklisted",
                            f"{MODPROBE_D}:1 forbids to load vhost_net", ["kvm", "kvm_amd"])
        with open("/dev/kvm", "r+b", buffering=0) as kvm:
            machine = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
        self.addCleanup(os.close, machine)
        # In the way of KVM, were it not there.
        self.configure("options kvm_amd nested=0\ninstall kvm_amd /bin/false\n")
        self.assert_done(tool("--verbose", "kvm"), "kvm_amd: loaded\n")
        self.assertEqual(["kvm", "kvm_amd"], loaded())
        os.close(fcntl.ioctl(machine, KVM_CREATE_VCPU, 0))

    def test_missing(self):
        os.rename(MODULES, MODULES + "-away")
        self.addCleanup(os.rename, MODULES + "-away", MODULES)
        self.assert_refused(tool(), 5, "module-missing",
                            "there are no modules for the running kernel")
        # Another package of the same kernel, which has no kvm-amd.ko.
        os.makedirs(f"{MODULES}/kernel")
        self.addCleanup(shutil.rmtree, MODULES)
        for path in glob.glob(f"{MODULES}-away/kernel/drivers/vhost/*.ko"):
            shutil.copy(path, f"{MODULES}/kernel")
        for name in ("modules.builtin", "modules.order"):
            shutil.copy(f"{MODULES}-away/{name}", MODULES)
        job.do("depmod")
        package = "linux-image-" + RELEASE.partition("-cloud-")[2]
        self.assert_refused(tool(), 5, "module-missing", f"the kernel {RELEASE} has no module "
                            f"kvm_amd; install the package {package} ")

    def test_damaged_file(self):
        with open(KVM_AMD, "rb") as f:
            good = f.read()
        byte = good.index(b"parmtype=npt")
        for name, data, status, code, words in (
                ("gone", None, 1, "other", "No such file or directory; .* reinstall"),
                ("empty", b"", 1, "other", "Invalid argument; .* its file is damaged"),
                ("half", good[:len(good) // 2], 1, "other", "Exec format error; .* reinstall"),
                ("altered", good[:byte] + b"P" + good[byte + 1:], 7, "module-signature",
                 "Key was rejected by service; install the distribution's own module")):
            with self.subTest(name):
                unload()
                self.replace(KVM_AMD, data)
                result = tool()
                self.doCleanups()
                self.assert_refused(result, status, code, "the module kvm_amd", ["kvm"])
                self.assertRegex(result.stderr, words)

    def test_bad_option(self):
        self.configure("options kvm_amd nested=maybe\n")
        self.assert_refused(tool(), 1, "other", "Invalid argument; its options in modprobe.d",
                            ["kvm"])
        self.assertIn("`maybe' invalid for parameter `nested'", job.do("dmesg"))

    def test_module_of_another_cpu(self):
        """The kernel decides: kvm_intel is tried, as it was asked for."""
        self.assert_refused(tool("kvm-intel", "vhost_net"), 3, "no-cpu-support",
                            "the module kvm_intel is not for this CPU, which needs kvm_amd",
                            ["kvm"])
        self.assertIn("kvm: no hardware support for 'kvm_intel'", job.do("dmesg"))
        job.do("modprobe", "kvm_amd")
        self.assert_refused(tool("kvm_intel"), 11, "busy",
                            "KVM is there by the module kvm_amd", ["kvm", "kvm_amd"])

    def test_not_permitted(self):
        for who in (["--reuid=nobody", "--regid=nogroup", "--clear-groups"],
                    ["--bounding-set=-sys_module"]):
            with self.subTest(who):
                self.assert_refused(tool(prefix=["setpriv", "--inh-caps=-all", *who]), 9,
                                    "permission", "needs the capability CAP_SYS_MODULE")


class UntilReboot(TestCase):
    """What cannot be switched back comes last, in the order of the names."""

    def test_enforced_signatures(self):
        job.write("/sys/module/module/parameters/sig_enforce", "Y")
        with open(KVM_AMD, "rb") as f:
            self.replace(KVM_AMD, unsigned(f.read()))
        self.assert_refused(tool(), 7, "module-signature", "the module kvm_amd: Key was rejected",
                            ["kvm"])
        self.doCleanups()
        self.assert_done(tool())
        self.assert_works()

    def test_switched_off(self):
        job.do("sysctl", "kernel.modules_disabled=1")
        self.assert_refused(tool(), 9, "permission", "kernel.modules_disabled is set; restart")


def modprobe():
    """About what distributions once had for it."""
    job.write(PROGRAM, "#!/bin/sh\nmodprobe -b vhost_net\nexec modprobe -b kvm_amd\n", 0o755)


if __name__ == "__main__":
    job.main({"modprobe": job.Control(modprobe, job.ALL)})
