#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every name of a kernel has an explanation, and every explanation a name: in the sources of a
kernel (class Source: kvm_events.py Source KVM-EVENTS-PAGE [TAR...]), and on the running host
(class Host).
"""
import glob
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kernel_names  # noqa: E402
import kvmtest  # noqa: E402

WORK = os.path.join(os.path.dirname(kvmtest.BIN_DIR), "kernel-names")


class Source(kvmtest.TestCase):
    program = ""
    tars = []

    @classmethod
    def setUpClass(cls):
        cls.tars = cls.tars or glob.glob("/usr/src/linux-source-*.tar.xz")
        if not cls.tars:
            kvmtest.skip("no-upstream", "the package linux-source-6.12 is not installed")
        os.makedirs(WORK, exist_ok=True)
        cls.entries = kernel_names.read_table(cls.program)
        cls.kernels = [kernel_names.of_source(kernel_names.unpack(tar, WORK), kvmtest.SOURCE_DIR)
                       for tar in sorted(cls.tars, key=kernel_names.version_of)]

    def test_sources_are_understood(self):
        """Names that are known to be there, of each kind and architecture."""
        for kernel in self.kernels:
            for key in (
                    ("tracepoint", "", "kvm_userspace_exit"), ("tracepoint", "x86", "kvm_exit"),
                    ("tracepoint", "x86", "kvm_mmu_get_page"), ("tracepoint", "mips", "kvm_out"),
                    ("tracepoint", "x86", "kvm_nested_vmexit"),
                    ("tracepoint", "ppc", "kvmppc_vcpu_stats"),
                    ("tracepoint", "s390", "kvm_s390_sie_exit"),
                    ("statistic", "", "halt_wait_hist"), ("statistic", "x86", "guest_mode"),
                    ("statistic", "s390", "exit_instruction"), ("exit reason", "vmx", "HLT"),
                    ("exit reason", "vmx", "FAILED_VMENTRY"), ("exit reason", "svm", "NPF"),
                    ("exit reason", "svm", "DB_EXCP"), ("exit reason", "svm", "VMGEXIT_MMIO_READ"),
                    ("exit reason", "arm64", "WFx"), ("exit reason", "arm64", "IRQ"),
                    ("exit reason", "mips", "TLB_Mod"), ("exit reason", "ppc", "DECREMENTER"),
                    ("exit reason", "riscv", "IRQ_S_TIMER"),
                    ("reason to return to user space", "", "SYSTEM_EVENT")):
                if key != ("tracepoint", "ppc", "kvmppc_vcpu_stats") or kernel.version > (6, 10):
                    self.assertTrue(key in kernel.names, f"{key} of {kernel.version}")
            self.assertGreater(len(kernel.names), 700)

    def test_every_name_is_explained(self):
        for kernel in self.kernels:
            with self.subTest(kernel=kernel.version):
                self.assertEqual([], kernel_names.missing(self.entries, kernel))

    def test_no_explanation_is_stale(self):
        self.assertEqual([], kernel_names.stale(self.entries, self.kernels))

    def test_no_unexplained_name_is_stale(self):
        for key, why in kernel_names.UNEXPLAINED.items():
            self.assertTrue(why)
            self.assertTrue(any(key in kernel.names for kernel in self.kernels), key)

    def test_nothing_is_explained_twice(self):
        seen = [(entry.kind, arch, entry.name) for entry in self.entries
                for arch in entry.archs or [""]]
        self.assertEqual(sorted(set(seen)), sorted(seen))

    def test_a_removed_entry_is_noticed(self):
        kernel = self.kernels[-1]
        for name in "kvm_pio", "halt_wait_ns", "NPF", "deliver_*", "IABT_LOW":
            rest = [entry for entry in self.entries if entry.name != name]
            self.assertLess(len(rest), len(self.entries))
            self.assertTrue(kernel_names.missing(rest, kernel), name)

    def test_a_stale_entry_is_noticed(self):
        entry = self.entries[0]
        for other in (entry._replace(name="kvm_gone"), entry._replace(name="kvm_gone*"),
                      entry._replace(archs=["mips"], name="kvm_pio")):
            self.assertTrue(kernel_names.stale([other], self.kernels), other)
        newest = self.kernels[-1].version
        self.assertFalse(kernel_names.stale([entry._replace(name="kvm_coming", newer=newest)],
                                            self.kernels))


class Host(kvmtest.TestCase):
    """What the running kernel shows, by kvm_stat's rows and by the directories themselves."""
    program = ""
    tars = []

    @classmethod
    def setUpClass(cls):
        kvmtest.need_root()
        kvmtest.need_kvm()
        kvmtest.enter_private_mounts()

    def assert_explained(self, names):
        """A patched kernel may have some of its own, which no source tells of: kvm_stat says of each
        that it does not know it, and they are listed here.
        """
        unknown = []
        self.assertGreater(len(names), 20)
        for name in sorted(names):
            result = kvmtest.kvm_stat("--explain", name)
            self.assertEqual((0, ""), (result.returncode, result.stderr), name)
            if "\n    This kernel has it; there is no explanation of it here.\n" in result.stdout:
                unknown.append(name)
            else:
                self.assertNotIn("no explanation", result.stdout, name)
        print("this kernel's own:", *unknown or ["none"], file=sys.stderr)
        self.assertLess(len(unknown), len(names) / 10, unknown)

    def test_tracepoints(self):
        self.assert_explained({
            name for group in glob.glob("/sys/kernel/tracing/events/kvm*")
            for name in os.listdir(group) if os.path.isdir(os.path.join(group, name))})

    def test_statistics(self):
        self.assert_explained({name for name in os.listdir("/sys/kernel/debug/kvm")
                               if os.path.isfile(f"/sys/kernel/debug/kvm/{name}")})

    def test_rows(self):
        result = kvmtest.kvm_stat("-1", "-t", "-f", "kvm_.*exit")
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        rows = kvmtest.batch_rows(result.stdout)
        self.assertGreater(len(rows), 60)
        self.assert_explained({name for name in rows if "(" in name})


if __name__ == "__main__":
    group = {"Source": Source, "Host": Host}[sys.argv.pop(1)]
    if len(sys.argv) > 1:
        group.program = sys.argv.pop(1)
    group.tars = sys.argv[1:]
    unittest.main(argv=sys.argv[:1], defaultTest=group.__name__)
