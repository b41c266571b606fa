#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Counting by a BPF program: that it disturbs nobody else, what happens where it is refused, how
many descriptors it takes and how soon it is gone.
"""
import os
import re
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

WORK = ["--io", "3000", "--cpuid", "200", "--halts", "30"]
FIELDS = "kvm_(pio|cpuid|userspace_exit)$"
RIGHTLESS = ["setpriv", "--bounding-set", "-bpf,-sys_admin"]
PERFLESS = ["setpriv", "--bounding-set", "-bpf,-sys_admin,-perfmon"]
NAMESPACE = ["unshare", "-pf", "--mount-proc"]
QUIT = 0.1  # seconds that all tracepoints may take more than a single one


def paranoia():
    with open("/proc/sys/kernel/perf_event_paranoid", encoding="ascii") as f:
        return int(f.read())


class Watchers(kvmtest.TestCase):
    def test_others_see_every_event(self):
        """A program that returned 0 would hide each event from everybody who counts it by perf."""
        with kvmtest.SampleGuest(*WORK, "--linger", "60") as guest:
            watchers = [self.launch_frozen(kvmtest.KVM_STAT, "-1", "--via", via, "-p",
                                           str(guest.pid), "-f", FIELDS)
                        for via in ("perf", "bpf", "bpf")]
            guest.go()
            self.assertEqual("io=3000 cpuid=200 halts=30", guest.result())
            for watcher in watchers:
                watcher.send_signal(signal.SIGCONT)
            for watcher in watchers:
                out, err = watcher.communicate(timeout=20)
                self.assertEqual("", err)
                rows = kvmtest.batch_rows(out)
                self.assertEqual((3000, 200, 3031),
                                 tuple(rows[name][0] for name in
                                       ("kvm_pio", "kvm_cpuid", "kvm_userspace_exit")))


class Refused(kvmtest.TestCase):
    def run_there(self, there, *args):
        process = self.launch(*there, kvmtest.KVM_STAT, *args)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    @staticmethod
    def innermost(pid):
        """The child of the child... of a process: unshare waits for what it has started."""
        while True:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
                children = f.read().split()
            if not children:
                return pid
            pid = children[0]

    @staticmethod
    def last_rows(path):
        with open(path, encoding="ascii") as f:
            return kvmtest.batch_rows(f.read().rpartition("\n\n")[2])

    def assert_falls_back(self, there, reason):
        """Perf counts, and one line says why; what only BPF can do fails with one line."""
        with kvmtest.SampleGuest(*WORK, "--linger", "60") as guest:
            path = os.path.join(self.directory, "rows")
            with open(path, "w", encoding="ascii") as f:
                process = self.launch(*there, kvmtest.KVM_STAT, "-1", "--count", "60", "-f", FIELDS,
                                      stdout=f)
            kvmtest.until(lambda: kvmtest.sleeps(self.innermost(process.pid)), "it sleeps")
            guest.go()
            guest.result()
            kvmtest.until(lambda: self.last_rows(path).get("kvm_pio", (0,))[0] >= 3000, "its work")
            os.kill(int(self.innermost(process.pid)), signal.SIGINT)
            _, err = process.communicate(timeout=30)
        self.assertEqual(0, process.returncode, err)
        self.assertRegex(err, r"\Akvm_stat: warning: tracepoints are counted by perf: "
                              rf".*{reason}.*\n\Z")
        self.assert_bpf_is_refused(there, reason)
        # Whoever asks for perf hears nothing of BPF.
        status, out, err = self.run_there(there, "-1", "--via", "perf", "-f", "kvm_pio$")
        self.assertEqual((0, ""), (status, err))

    def assert_nobody_counts(self, there, reason):
        status, out, err = self.run_there(there, "-1", "-t", "-f", FIELDS)
        self.assertEqual((1, ""), (status, out))
        self.assertRegex(err, r"\Akvm_stat: cannot count tracepoints: .*CAP_SYS_ADMIN.*\n\Z")
        self.assert_bpf_is_refused(there, reason)

    def assert_bpf_is_refused(self, there, reason):
        for args in (["--via", "bpf", "-f", "kvm_pio$"], ["--exits"]):
            status, out, err = self.run_there(there, "-1", *args)
            self.assertEqual((1, ""), (status, out), args)
            self.assertRegex(err, r"\Akvm_stat: cannot count tracepoints via BPF: "
                                  rf".*{reason}.*\n\Z")

    def test_without_the_right(self):
        # At level 3, as Debian has it, perf takes CAP_SYS_ADMIN only, without which BPF is refused.
        check = self.assert_falls_back if paranoia() <= 2 else self.assert_nobody_counts
        check(RIGHTLESS, "CAP_BPF and CAP_PERFMON")

    def test_without_the_right_to_perf(self):
        if paranoia() < 1:
            self.skipTest("here perf needs no right")
        self.assert_nobody_counts(PERFLESS, "CAP_BPF and CAP_PERFMON")

    def test_in_a_pid_namespace(self):
        self.assert_falls_back(NAMESPACE, "PID namespace")

    def test_list_says_nothing(self):
        status, out, err = self.run_there(NAMESPACE, "-f", "help")
        self.assertEqual((0, ""), (status, err))
        self.assertIn("  kvm_pio\n", out)

    def test_too_few_descriptors(self):
        """As many as there are tracepoints are needed, and no more may be had."""
        status, out, err = self.run_there(
            ["sh", "-c", 'ulimit -n 64; exec setpriv --bounding-set -sys_resource "$@"', "sh"],
            "-1", "--via", "bpf")
        self.assertEqual((1, ""), (status, out))
        self.assertRegex(err, r"\Akvm_stat: cannot count tracepoints: \d+ file descriptors .*\n\Z")
        status, out, err = self.run_there(["sh", "-c", 'ulimit -Sn 32; exec "$@"', "sh"], "-1",
                                          "--via", "bpf")
        self.assertEqual((0, ""), (status, err))

    def test_exits_go_with_nothing_else(self):
        for args in (["-d"], ["--via", "perf"], ["-d", "-t"]):
            status, out, err = self.run_there([], "-1", "--exits", *args)
            self.assertEqual((1, ""), (status, out), args)
            self.assertRegex(err, r"\Akvm_stat: option --exits .*\n")


class Size(kvmtest.TestCase):
    @staticmethod
    def descriptors(process):
        """What the descriptors of a process lead to, with how many of each."""
        found = {}
        for target in kvmtest.open_files(process.pid):
            target = re.sub(r"\d+", "N", target)
            found[target] = found.get(target, 0) + 1
        return found

    def test_descriptors(self):
        """One for each tracepoint, whatever the number of CPUs and reasons: all belong to links,
        which are for the whole host, and none to perf events, which are for one CPU each.
        """
        process = self.launch(kvmtest.KVM_STAT, "-l", "--via", "bpf", "-s", "25")
        kvmtest.until_asleep(process)
        tracepoints = sum(len(next(os.walk(f"/sys/kernel/tracing/events/{group}"))[1])
                          for group in os.listdir("/sys/kernel/tracing/events")
                          if group.startswith("kvm"))
        found = self.descriptors(process)
        self.assertEqual(tracepoints, found.pop("anon_inode:bpf_link", 0) +
                         found.pop("anon_inode:bpf-link", 0), found)
        self.assertNotIn("anon_inode:[perf_event]", found)
        self.assertLess(sum(found.values()), 32, found)

    def test_only_what_is_selected_is_attached(self):
        process = self.launch(kvmtest.KVM_STAT, "-l", "--via", "bpf", "-s", "25", "-f", "kvm_pio$")
        kvmtest.until_asleep(process)
        links = sum(count for name, count in self.descriptors(process).items() if "link" in name)
        self.assertEqual(1, links)

    def time_of_end(self, *args):
        process = self.launch(kvmtest.KVM_STAT, "-l", "--via", "bpf", "-s", "25", *args)
        kvmtest.until_asleep(process)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)  # until nobody holds the pipes
        self.assertEqual(("", 0), (err, process.returncode))
        return time.monotonic() - begin

    def test_it_ends_soon(self):
        """The kernel takes seconds to detach from all tracepoints; that goes on by itself."""
        one = min(self.time_of_end("-f", "kvm_pio$") for _ in range(3))
        times = [self.time_of_end() for _ in range(3)]
        self.assertLess(min(times), one + QUIT, times)


if __name__ == "__main__":
    kvmtest.need_root()
    kvmtest.need_kvm()
    kvmtest.need_host_pids()
    kvmtest.enter_private_mounts()
    kvmtest.main()
