#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Upstream's kvm_stat and ours run at the same time on the same fixture, and their bytes are
compared. Where upstream is defective, that column is left out and ours is checked against what the
fixture did. Upstream's defects have the numbers that the manual's section "Differences" gives.
"""
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402
import mkfixture  # noqa: E402

STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.MULTILINE)
UPSTREAM = ""
# A filter without what upstream gets wrong: histograms, times and states.
SOUND = "(?!.*_(hist|ns)$)(?!" + "|".join(f"{name}$" for name in mkfixture.STATES) + ")"


def logs(paths):
    texts = []
    for path in paths:
        with open(path, encoding="ascii") as f:
            texts.append(STAMP.sub("TIME", f.read()))
    return texts


def until_lines(paths, count):
    kvmtest.until(lambda: min(text.count("\n") for text in logs(paths)) >= count,
                  f"{count} lines in each of {paths}")


class Debugfs(kvmtest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.directory, "root")
        mkfixture.make(self.root)
        self.guests = []
        self.names = [f"{name}-{os.getpid()}" for name in ("alpha", "beta", "gamma,delta")]
        for name in self.names:
            process = kvmtest.NamedProcess(name.replace(",", ",,"))
            self.addCleanup(process.end)
            mkfixture.add_guest(self.root, process.pid, vcpus=2, process=False)
            self.guests.append(process.pid)
        mkfixture.update_sums(self.root)
        # Upstream ends with a traceback where the CPU flags show neither vmx nor svm (B1).
        for source, target in (("sys/kernel/debug", "/sys/kernel/debug"),
                               ("proc/cpuinfo", "/proc/cpuinfo")):
            bound = kvmtest.bound(os.path.join(self.root, source), target)
            bound.__enter__()
            self.addCleanup(bound.__exit__, None, None, None)

    def undisturbed(self, run):
        """Repeats run() until the fixture changed while both tools slept through it: on a busy
        machine a sample may come in the middle of a change, or one tool an interval later.
        """
        for _ in range(6):
            self.disturbed = False
            result = run()
            if not self.disturbed:
                return result
        self.skipTest("busy: no run without a disturbance")
        return None

    def advance(self, deadline):
        mkfixture.advance(self.root)
        if time.monotonic() > deadline:
            self.disturbed = True

    def pair(self, args, ours=()):
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "80"}
        pair = [self.launch(sys.executable, UPSTREAM, *args, env=env),
                self.launch(kvmtest.KVM_STAT, *(ours or args))]
        self.asleep = []  # since when each of them sleeps, or a little earlier
        awake = list(pair)

        def both_sleep():
            for process in list(awake):
                self.assertIsNone(process.poll(), process.args)
                if kvmtest.sleeps(process.pid):
                    self.asleep.append(time.monotonic() - 0.02)
                    awake.remove(process)
            return not awake
        kvmtest.until(both_sleep, args)
        return pair

    def finish(self, pair):
        outputs = []
        for process in pair:
            out, err = process.communicate(timeout=20)
            self.assertEqual("", err, process.args)
            self.assertEqual(0, process.returncode, process.args)
            outputs.append(STAMP.sub("TIME", out))
        return outputs

    def batch(self, *args):
        def run():
            pair = self.pair(["-1", *args])
            self.advance(min(self.asleep) + 0.9)
            return self.finish(pair)
        return self.undisturbed(run)

    def log(self, *args, advances=(True, True, True), ours=()):
        """One advance() in the middle of each interval for which `advances` says so."""
        return self.undisturbed(lambda: self.log_once(args, advances, ours))

    def log_once(self, args, advances, ours):
        pair = self.pair(["-s", "1", *args], ["-s", "1", *ours] if ours else ())
        first, last = min(self.asleep), max(self.asleep)
        for number, advances_now in enumerate(advances):
            time.sleep(max(0, last + number + 0.3 - time.monotonic()))
            if advances_now:
                self.advance(first + number + 0.9)
        time.sleep(max(0, last + len(advances) + 0.3 - time.monotonic()))
        for process in pair:
            process.send_signal(signal.SIGINT)
        if time.monotonic() > first + len(advances) + 0.9:
            self.disturbed = True
        return self.finish(pair)

    def increments(self, field):
        return sum(mkfixture.increment(field, number) for number in range(len(self.guests)))

    def assert_rows_agree(self, theirs, ours, states_agree):
        names = set(mkfixture.FIELDS) - set(mkfixture.HISTOGRAMS)
        self.assertEqual(names, set(kvmtest.batch_rows(ours)))
        rows = kvmtest.batch_rows(ours)

        def sound(text):
            """Without B11: *_hist are no counters, *_ns are missing, the total of a state is it."""
            lines = []
            for line in text.splitlines():
                name = line.split()[0]
                if name.endswith(("_hist", "_ns")):
                    continue
                is_state = name in mkfixture.STATES and not states_agree
                lines.append(line[:42] + line[52:] if is_state else line)
            return lines

        self.assertEqual(sound(theirs), sound(ours))
        for name in mkfixture.STATES:
            self.assertEqual(mkfixture.get_stat(self.root, "", name), rows[name][0], name)
        for name in mkfixture.TIMES:
            self.assertEqual(self.increments(name), rows[name][1], name)

    def test_batch(self):
        theirs, ours = self.batch("-d")
        self.assert_rows_agree(theirs, ours, False)

    def test_batch_include_past(self):
        theirs, ours = self.batch("-d", "-i")
        self.assert_rows_agree(theirs, ours, True)

    def test_batch_fields(self):
        theirs, ours = self.batch("-d", "-f", SOUND)
        self.assertEqual(theirs, ours)
        self.assertIn(f"{'exits':42}{self.increments('exits'):10}", ours)

    def test_batch_fields_are_matched_at_the_start(self):
        theirs, ours = self.batch("-d", "-f", "io_exits|exi|_|XITS")
        self.assertEqual(theirs, ours)
        self.assertEqual(["exits", "io_exits"], [line.split()[0] for line in ours.splitlines()])

    def test_batch_pid(self):
        theirs, ours = self.batch("-d", "-p", str(self.guests[1]), "-f", SOUND)
        self.assertEqual(theirs, ours)
        self.assertEqual(mkfixture.increment("exits", 1), kvmtest.batch_rows(ours)["exits"][0])

    def test_batch_pid_is_no_substring(self):
        mkfixture.add_guest(self.root, int(f"9{self.guests[1]}"), process=False)
        theirs, ours = self.batch("-d", "-p", str(self.guests[1]), "-f", "exits")
        self.assertNotEqual(theirs, ours, "B5 is gone from upstream")
        self.assertEqual(mkfixture.increment("exits", 1), kvmtest.batch_rows(ours)["exits"][0])

    def test_batch_guest(self):
        for number, name in enumerate(self.names):
            theirs, ours = self.batch("-d", "-g", name, "-f", SOUND)
            self.assertEqual(theirs, ours)
            self.assertEqual(mkfixture.increment("exits", number),
                             kvmtest.batch_rows(ours)["exits"][0])

    def test_later_of_pid_and_guest_wins(self):
        guest, pid = ["-g", self.names[0]], ["-p", str(self.guests[1])]
        for selection in (guest + pid, pid + guest):
            theirs, ours = self.batch("-d", *selection, "-f", "exits")
            self.assertEqual(theirs, ours)

    def test_fields_help(self):
        theirs, ours = (subprocess.run([*tool, "-d", "-f", "help"], capture_output=True, text=True,
                                       check=True).stdout
                        for tool in ((sys.executable, UPSTREAM), (kvmtest.KVM_STAT,)))
        # B11 again: ours has the times and no histograms.
        self.assertEqual([line for line in theirs.splitlines() if not line.endswith("_hist")],
                         [line for line in ours.splitlines() if not line.endswith("_ns")])

    def test_log(self):
        theirs, ours = self.log("-l", "-d", "-f", SOUND)
        self.assertEqual(theirs, ours)
        self.assertEqual(4, len(ours.splitlines()))

    def test_log_of_all_fields(self):
        theirs, ours = self.log("-l", "-d")

        def table(text):
            header, *records = text.splitlines()
            columns = []
            for line in records:
                self.assertTrue(line.startswith("TIME "), line)
                values = line.split()[1:]
                self.assertEqual("TIME" + "".join(f" {int(value):9}" for value in values), line)
                columns.append(values)
            self.assertTrue(header.endswith(" "))
            return {name: column for name, *column in zip(header.split(), *columns)}

        theirs, ours = table(theirs), table(ours)
        for name in mkfixture.HISTOGRAMS:  # B11
            del theirs[name]
        for name in mkfixture.STATES:  # a state has no delta worth a log: the state is shown
            del theirs[name]
            self.assertEqual(mkfixture.get_stat(self.root, "", name), int(ours.pop(name)[-1]), name)
        for name in mkfixture.TIMES:
            self.assertEqual([str(self.increments(name))] * 3, ours.pop(name), name)
        self.assertEqual(theirs, ours)

    def test_log_skips_zero_records(self):
        theirs, ours = self.log("-l", "-z", "-d", "-f", SOUND, advances=(True, False, True))
        self.assertEqual(theirs, ours)
        self.assertEqual(3, len(ours.splitlines()))

    def test_log_csv(self):
        theirs, ours = self.log("-l", "-c", "-d", "-f", SOUND)
        self.assertEqual(theirs, ours)
        self.assertTrue(ours.startswith("timestamp,"))

    def log_files(self, options):
        """What is in both files after a first run and after a second one, which appends."""
        files = [os.path.join(self.directory, tool) for tool in ("upstream", "ours")]
        texts = []
        for name in files:
            with open(name, "w", encoding="utf-8"):
                pass
        for _ in range(2):
            self.log_once(["-L", files[0], *options], (True, True), ["-L", files[1], *options])
            for name in files:
                with open(name, encoding="utf-8") as f:
                    texts.append(STAMP.sub("TIME", f.read()))
        return texts

    def test_log_file(self):
        for options, lines in ((["-d"], (3, 6)), (["-c", "-d"], (3, 5))):
            theirs, ours, theirs_after, ours_after = self.undisturbed(
                lambda options=options: self.log_files([*options, "-f", SOUND]))
            self.assertEqual(theirs, ours)
            self.assertEqual(theirs_after, ours_after)
            self.assertEqual(lines, (len(ours.splitlines()), len(ours_after.splitlines())))

    def test_banner_is_repeated(self):
        paths = [os.path.join(self.directory, name) for name in ("theirs", "ours")]
        pair = []
        for path, program in zip(paths, ([sys.executable, UPSTREAM], [kvmtest.KVM_STAT])):
            with open(path, "w", encoding="ascii") as f:
                pair.append(self.launch(*program, "-l", "-d", "-s", "0.1", "-f", "io_exits",
                                        stdout=f, env={**os.environ, "PYTHONUNBUFFERED": "1"}))
        until_lines(paths, 44)
        for process in pair:
            process.send_signal(signal.SIGINT)
            self.assertEqual(("", 0), (process.communicate(timeout=20)[1], process.returncode))
        theirs, ours = (text.splitlines()[:44] for text in logs(paths))
        self.assertEqual(theirs, ours)
        self.assertEqual([0, 21, 42], [n for n, line in enumerate(ours) if "io_exits" in line])


class Tracepoints(kvmtest.TestCase):
    """On this host's KVM, with a guest that makes an exact number of exits."""

    def setUp(self):
        super().setUp()
        cpuinfo = os.path.join(self.directory, "cpuinfo")
        with open(cpuinfo, "w", encoding="ascii") as f:
            f.write(mkfixture.cpuinfo("vmx"))  # B1
        bound = kvmtest.bound(cpuinfo, "/proc/cpuinfo")
        bound.__enter__()
        self.addCleanup(bound.__exit__, None, None, None)

    def run_pair(self, args, lines=None):
        """Both tools around one guest's work; with no other VM around they see the same. They end
        by themselves, or once they have so many lines.
        """
        paths = [os.path.join(self.directory, name) for name in ("theirs", "ours")]
        for _ in range(4):
            with kvmtest.SampleGuest("--io", "3000", "--cpuid", "200", "--halts", "30", "--linger",
                                     "60") as guest:
                command = [arg.format(pid=guest.pid) for arg in args]
                env = {**os.environ, "PYTHONUNBUFFERED": "1"}
                pair = []
                for path, program in zip(paths, ([sys.executable, UPSTREAM], [kvmtest.KVM_STAT])):
                    with open(path, "w", encoding="ascii") as f:
                        pair.append(self.launch_frozen(*program, *command, stdout=f, env=env))
                guest.go()
                self.assertEqual("io=3000 cpuid=200 halts=30", guest.result())
                alone = "-p" in args or not kvmtest.foreign_vms(guest.pid)
                for process in pair:
                    process.send_signal(signal.SIGCONT)
                if lines:
                    until_lines(paths, lines)
                    for process in pair:
                        process.send_signal(signal.SIGINT)
                for process in pair:
                    process.communicate(timeout=30)
                    self.assertEqual(0, process.returncode)
                if alone:
                    return logs(paths)
        self.skipTest("other-guests: they run all the time")
        return None

    def test_batch(self):
        for selection in (["-p", "{pid}"], []):
            theirs, ours = self.run_pair(
                ["-1", "-t", *selection, "-f", "kvm_(pio|cpuid|userspace_exit)$"])
            self.assertEqual(theirs, ours)
            self.assertEqual({"kvm_pio": (3000, 3000), "kvm_cpuid": (200, 200),
                              "kvm_userspace_exit": (3031, 3031)}, kvmtest.batch_rows(ours))

    def test_batch_children(self):
        theirs, ours = self.run_pair(["-1", "-t", "-p", "{pid}", "-f", "kvm_userspace_exit"])
        theirs, ours = kvmtest.batch_rows(theirs), kvmtest.batch_rows(ours)
        self.assertEqual(theirs, {name: row for name, row in ours.items() if name in theirs})
        self.assertEqual((3000, 3000), ours["kvm_userspace_exit(IO)"])

    def test_log(self):
        fields = r"kvm_(pio|cpuid|userspace_exit(\((IO|HLT)\))?)$"
        for layout in (["-l"], ["-l", "-c"]):
            theirs, ours = self.run_pair([*layout, "-t", "-p", "{pid}", "-s", "1", "-f", fields],
                                         lines=2)
            # One of them may have one record more.
            theirs, ours = theirs.splitlines()[:2], ours.splitlines()[:2]
            self.assertEqual(theirs, ours)
            self.assertEqual(2, len(ours))

    def test_fields_help(self):
        commands = ([sys.executable, UPSTREAM, "-f", "help"], [kvmtest.KVM_STAT, "-f", "help"])
        theirs, ours = (subprocess.run(command, capture_output=True, text=True,
                                       check=True).stdout.splitlines() for command in commands)
        self.assertEqual(sorted(ours), ours)
        self.assertEqual(set(), set(theirs) - set(ours))

    def test_all_rows_of_upstream(self):
        commands = ([sys.executable, UPSTREAM, "-1"], [kvmtest.KVM_STAT, "-1"])
        theirs, ours = (set(kvmtest.batch_rows(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout))
            for command in commands)
        self.assertEqual(set(), theirs - ours)


if __name__ == "__main__":
    kvmtest.need_root()
    UPSTREAM = kvmtest.need_upstream()
    kvmtest.enter_private_mounts()
    if sys.argv[1:2] == ["Tracepoints"]:
        kvmtest.need_kvm()
    kvmtest.main()
