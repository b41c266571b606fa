#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every tracepoint, statistic and exit reason of this kernel is explained, and what the table
explains for kernels such as this one is there.
"""
import os

import job

os.environ["BIN_DIR"] = "/usr/bin"
import kernel_names  # noqa: E402
import kvmtest  # noqa: E402

EVENTS = "/sys/kernel/tracing/events"
STATISTICS = "/sys/kernel/debug/kvm"

# What controls add: a name that no table has, and an explanation of what no kernel has.
more_names = set()
more_entries = []


def tracepoints():
    groups = [f"{EVENTS}/{group}" for group in os.listdir(EVENTS) if group.startswith("kvm")]
    return {name for group in groups for name in os.listdir(group)
            if os.path.isdir(f"{group}/{name}")}


def statistics():
    return {name for name in os.listdir(STATISTICS) if os.path.isfile(f"{STATISTICS}/{name}")}


def reasons():
    """The rows of exit reasons, such as "kvm_exit(HLT)"."""
    text = job.do(kvmtest.KVM_STAT, "-1", "-t", "-f",
                  "kvm_exit|kvm_userspace_exit|kvm_nested_vmexit|kvm_vmgexit_enter")
    return {name for name in kvmtest.batch_rows(text) if "(" in name}


class Events(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        job.load_kvm()

    def test_every_name_is_explained(self):
        # Of the rows of one reason, as kvm_exit(HLT) and kvm_nested_vmexit(HLT), one is enough.
        rows = {(row.startswith("kvm_userspace"), row.partition("(")[2]): row for row in reasons()}
        names = tracepoints() | statistics() | set(rows.values()) | more_names
        self.assertGreater(len(names), 300)
        for name in sorted(names):
            result = job.run(kvmtest.KVM_STAT, "--explain", name)
            self.assertEqual((0, ""), (result.returncode, result.stderr), name)
            self.assertNotIn("no explanation", result.stdout, name)
        print(len(names), "names")

    def test_no_explanation_is_stale(self):
        names = set(kernel_names.OWN_ROWS)
        names.update((kernel_names.TRACEPOINT, "", name) for name in tracepoints())
        names.update((kernel_names.STATISTIC, "", name) for name in statistics())
        for row in reasons():
            parent, _, name = row.removesuffix(")").partition("(")
            kind = kernel_names.EXIT
            if parent == "kvm_userspace_exit":
                kind = kernel_names.USERSPACE
            names.add((kind, "", name))
        kernel = kernel_names.Kernel(kernel_names.version_of(os.uname().release), names)
        # This CPU is AMD's.
        entries = [entry for entry in
                   kernel_names.read_table("./kvm-events-page") + more_entries
                   if not entry.archs or {"x86", "svm"} & set(entry.archs)]
        self.assertGreater(len(entries), 250)
        self.assertEqual([], kernel_names.stale(
            [entry._replace(archs=[]) for entry in entries], [kernel]))


def add_names():
    more_names.add("kvm_nothing")
    more_entries.append(kernel_names.Entry(kernel_names.STATISTIC, ["x86"], "pages_512m", (0, 0),
                                           (999, 0)))


if __name__ == "__main__":
    job.main({"another-name-and-entry": job.Control(add_names, job.ALL)})
