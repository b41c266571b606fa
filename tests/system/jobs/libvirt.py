#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's libvirt with qemu-kvm as the emulator of its domains: it learns all that QEMU itself
would tell it, gets the accelerator it asks for, and is told why there is no KVM. kvm_stat knows the
domains by name, and kvm-check tells of libvirt and beside virt-host-validate.
"""
import json
import os
import re
import unittest

import job

QEMU = "/usr/bin/qemu-system-x86_64"
LAUNCHER = "/usr/bin/qemu-kvm"
RULE = "/etc/udev/rules.d/99-job.rules"
DOMAIN = """<domain type='{kind}'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'>
      <source path='{firmware}'/>
      <target type='isa-debug'><model name='isa-debugcon'/></target>
      <address type='isa' iobase='0x402'/>
    </serial>
  </devices>
</domain>
"""
# The firmware's first and last words.
BEGIN, END = "SeaBIOS (version ", "No bootable device"
# What virt-host-validate and kvm-check both look at.
BOTH = {"for hardware virtualization": "cpu", "if device /dev/kvm exists": "node",
        "if device /dev/kvm is accessible": "access",
        "if device /dev/vhost-net exists": "vhost-net",
        "for device assignment IOMMU support": "iommu"}


def virsh(*arguments):
    return job.do("virsh", "--quiet", *arguments)


def kvm_check(prefix=()):
    """{name: result} of its checks."""
    report = json.loads(job.run(*prefix, "kvm-check", "--json").stdout)
    return {result["name"]: result for result in report["checks"]}


def compare_checks(prefix=()):
    """{check: verdict of virt-host-validate, or -, and verdict and cause of kvm-check}."""
    lines = job.run(*prefix, "virt-host-validate", "qemu").stdout
    theirs = {BOTH.get(what): (verdict, hint) for what, verdict, hint in re.findall(
        r"QEMU: Checking (.*\S) +: (\w+)(.*)", lines)}
    ours = kvm_check(prefix)
    result = {}
    for name in ("kvm", "modules", *BOTH.values()):
        verdict, hint = theirs.get(name, ("-", ""))
        check = ours[name]
        print(f"\n{name}: virt-host-validate: {verdict}{hint}\n  kvm-check: {check['verdict']} "
              f"{check['cause']}: {check['text']}; {check['advice']}")
        result[name] = f"{verdict} {check['verdict']} {check['cause']}"
    return result


def kvm_stat(*arguments):
    """{field: total} of a second."""
    rows = map(str.split, job.do("kvm_stat", "-1", *arguments).splitlines())
    return {name: int(total) for name, total, _ in rows}


def apply_rules():
    job.do("udevadm", "control", "--reload")
    job.do("udevadm", "trigger", "--settle", "--sysname-match=kvm")


def take_advice(text):
    """Runs what the text tells to run as root."""
    job.do(*re.search(r'run "([^"]*)" as root', text)[1].split())


class Domain:
    """A domain that is defined and not started."""

    def __init__(self, kind):
        self.name = f"{kind}-domain"
        self.log = f"/var/log/libvirt/qemu/{self.name}.log"
        self.firmware = f"/var/log/libvirt/qemu/{self.name}.firmware"
        for path in (self.log, self.firmware):
            job.remove(path)
        path = f"/root/{self.name}.xml"
        job.write(path, DOMAIN.format(kind=kind, name=self.name, emulator=LAUNCHER,
                                      firmware=self.firmware))
        virsh("define", path)

    def start(self, words):
        """Waits until the firmware says so. Returns the process that libvirt holds for QEMU."""
        virsh("start", self.name)
        job.until(lambda: words in job.read(self.firmware), f"the firmware says: {words}")
        return self.pid()

    def pid(self):
        return int(job.read(f"/run/libvirt/qemu/{self.name}.pid"))

    def has_kvm(self):
        answer = virsh("qemu-monitor-command", self.name, '{"execute": "query-kvm"}')
        return json.loads(answer)["return"]["enabled"]

    def stats(self):
        """{key: text} of domstats."""
        lines = virsh("domstats", self.name).splitlines()[1:]
        return dict(line.strip().split("=", 1) for line in lines if line)


class Libvirt(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        job.load_kvm()
        job.do("systemctl", "start", "libvirtd.socket")

    def domain(self, kind):
        domain = Domain(kind)
        self.addCleanup(virsh, "undefine", domain.name)
        self.addCleanup(job.run, "virsh", "destroy", domain.name)
        return domain

    # What libvirt learns of the emulator

    def test_capabilities(self):
        for kind, passthrough in (("kvm", "yes"), ("qemu", "no")):
            with self.subTest(kind):
                ours, theirs = [virsh("domcapabilities", "--emulatorbin", emulator, "--virttype",
                                      kind) for emulator in (LAUNCHER, QEMU)]
                self.assertEqual(theirs.replace(QEMU, LAUNCHER), ours)
                self.assertIn(f"<domain>{kind}</domain>", ours)
                self.assertIn(f"<mode name='host-passthrough' supported='{passthrough}'", ours)

    # Domains

    def test_domain_with_kvm(self):
        domain = self.domain("kvm")
        pid = domain.start(END)
        self.assertEqual(QEMU, os.readlink(f"/proc/{pid}/exe"))
        self.assertEqual("libvirt-qemu", job.do("stat", "-c%U", f"/proc/{pid}").strip())
        self.assertIs(True, domain.has_kvm())
        self.assertIn("Running on KVM", job.read(domain.firmware))
        self.assertNotIn("qemu-kvm: ", job.read(domain.log))

        job.do("systemctl", "restart", "libvirtd.service")
        self.assertEqual("running", virsh("domstate", domain.name).strip())
        self.assertEqual(pid, domain.pid())
        self.assertIs(True, domain.has_kvm())

        virsh("destroy", domain.name)
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        self.assertEqual([], next(os.walk("/sys/kernel/debug/kvm"))[1])

    def test_domain_without_kvm(self):
        """Its type is qemu, and KVM would be usable."""
        domain = self.domain("qemu")
        pid = domain.start(BEGIN)
        self.assertEqual(QEMU, os.readlink(f"/proc/{pid}/exe"))
        self.assertIs(False, domain.has_kvm())
        self.assertEqual([], next(os.walk("/sys/kernel/debug/kvm"))[1])
        self.assertGreater(int(domain.stats()["vcpu.0.time"]), 0)
        self.assertNotIn("qemu-kvm: ", job.read(domain.log))

    def test_kvm_stat(self):
        """QEMU counts for libvirt what KVM counts in debugfs, and a suspended domain is silent."""
        domain = self.domain("kvm")
        pid = domain.start(END)
        self.assertGreater(kvm_stat("-t", "-g", domain.name)["kvm_exit"], 0)
        self.assertRegex(job.do("kvm_stat", "-1", "--by", "guest", "-f", "kvm_exit$"),
                         rf"\b{domain.name} .*[1-9]")

        virsh("suspend", domain.name)
        qemus = {match[1]: int(value) for key, value in domain.stats().items()
                 if (match := re.fullmatch(r"(?:vcpu\.0|vm)\.(\w+)\.sum", key))}
        ours = kvm_stat("-d", "--debugfs-include-past", "-g", domain.name)
        self.assertEqual(qemus, {name: ours.get(name) for name in qemus})
        self.assertGreater(qemus["io_exits"], 1000)
        self.assertEqual(ours, kvm_stat("-d", "--debugfs-include-past", "-p", str(pid)))
        self.assertEqual({0}, set(kvm_stat("-t", "-g", domain.name).values()))

        virsh("destroy", domain.name)
        result = job.run("kvm_stat", "-1", "-g", domain.name)
        self.assertEqual((1, "", f'kvm_stat: no guest by the name "{domain.name}" found\n'),
                         (result.returncode, result.stdout, result.stderr))

    # Hosts whose KVM is not for domains

    def test_device_that_is_not_for_domains(self):
        """libvirt passes on what the launcher says of it, and that helps."""
        domain = self.domain("kvm")
        job.write(RULE, 'KERNEL=="kvm", MODE="0600"\n')
        self.addCleanup(apply_rules)
        self.addCleanup(job.remove, RULE)
        apply_rules()
        result = job.run("virsh", "start", domain.name)
        self.assertEqual(1, result.returncode)
        said = re.search(r"qemu-kvm: warning: KVM is not usable: permission: the user libvirt-qemu "
                         r"[^\n]* mode 0600\)[^\n]*\n", result.stderr)
        self.assertIsNotNone(said, result.stderr)
        job.remove(RULE)
        take_advice(said[0])
        domain.start(BEGIN)
        self.assertIs(True, domain.has_kvm())

    def test_host_without_kvm(self):
        """libvirt itself refuses, and kvm-check knows what helps."""
        domain = self.domain("kvm")
        job.unload_kvm()
        self.addCleanup(job.load_kvm)
        result = job.run("virsh", "start", domain.name)
        self.assertEqual(1, result.returncode)
        self.assertIn("Domain requires KVM, but it is not available.", result.stderr)
        check = kvm_check()["kvm"]
        self.assertEqual("module-not-loaded", check["cause"])
        take_advice(check["advice"])
        domain.start(BEGIN)
        self.assertIs(True, domain.has_kvm())

    # kvm-check

    def test_check_tells_libvirts_mode(self):
        check = kvm_check()["libvirt"]
        self.assertEqual(("WARN", "not-enabled"), (check["verdict"], check["cause"]))
        self.addCleanup(job.do, "systemctl", "--no-reload", "disable", "libvirtd.socket")
        take_advice(check["advice"])
        self.assertEqual("enabled", job.do("systemctl", "is-enabled", "libvirtd.socket").strip())
        check = kvm_check()["libvirt"]
        self.assertEqual(("PASS", "monolithic"), (check["verdict"], check["cause"]))
        self.assertIn("libvirtd.socket", check["text"])

    def test_check_beside_virt_host_validate(self):
        """Both find what is wrong, and kvm-check what it is."""
        everywhere = {"cpu": "PASS PASS ok", "iommu": "WARN WARN no-iommu"}
        self.assertEqual({
            **everywhere, "kvm": "- PASS ok", "modules": "- PASS ok", "node": "PASS PASS ok",
            "access": "PASS PASS ok", "vhost-net": "PASS WARN module-not-loaded",
        }, compare_checks())
        self.assertEqual({
            **everywhere, "kvm": "- FAIL permission", "modules": "- PASS ok",
            "node": "PASS PASS ok", "access": "FAIL FAIL permission",
            "vhost-net": "PASS WARN module-not-loaded",
        }, compare_checks(["runuser", "-u", "nobody", "--"]))
        job.unload_kvm()
        self.addCleanup(job.load_kvm)
        self.assertEqual({
            **everywhere, "kvm": "- FAIL module-not-loaded",
            "modules": "- FAIL module-not-loaded", "node": "FAIL SKIP no-kvm",
            "access": "- SKIP not-asked", "vhost-net": "PASS WARN module-not-loaded",
        }, compare_checks())


def accel_first():
    """A wrapper that breaks what libvirt asks the emulator."""
    job.write(LAUNCHER, f'#!/bin/sh\nexec {QEMU} -accel kvm "$@"\n', 0o755)


def enable_kvm():
    """The wrapper that distributions had; libvirt's -accel contradicts it."""
    job.write(LAUNCHER, f'#!/bin/sh\nexec {QEMU} -enable-kvm "$@"\n', 0o755)


def every_guest_and_old_report():
    """A kvm_stat for which -g selects nothing, and a kvm-check that does not look at the host."""
    away = "/usr/bin/kvm_stat.away"
    os.rename("/usr/bin/kvm_stat", away)
    job.write("/usr/bin/kvm_stat", f"""#!/bin/bash
for argument; do
	shift
	case $skipped in -g) skipped= ; continue ;; esac
	skipped=$argument
	[ "$argument" = -g ] || set -- "$@" "$argument"
done
exec {away} "$@"
""", 0o755)
    report = job.run("kvm-check", "--json").stdout
    job.write("/usr/bin/kvm-check", f"#!/bin/sh\ncat <<'END'\n{report}END\n", 0o755)


if __name__ == "__main__":
    job.main({
        "accel-first": job.Control(accel_first, ["test_capabilities"]),
        "enable-kvm": job.Control(enable_kvm, [
            "test_domain_with_kvm", "test_domain_without_kvm",
            "test_device_that_is_not_for_domains", "test_host_without_kvm"]),
        "every-guest-and-old-report": job.Control(every_guest_and_old_report, [
            "test_kvm_stat", "test_check_tells_libvirts_mode",
            "test_check_beside_virt_host_validate"]),
    })
