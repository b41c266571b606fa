#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat --exits beside `perf kvm stat`: the same exits of the same guests, counted and timed by
both at once, by reason and by virtual CPU.

Both take an exit's time from kvm_exit to the thread's next kvm_entry, a halt's as well, and leave
out an exit that has not ended. What perf does in its own way (builtin-kvm.c of Linux 6.1):

- It prints microseconds with two digits, and the mean but not the sum.
- It knows a thread's virtual CPU from its first kvm_entry on, and drops the exits before. Here it
  begins before the guests do, whose first event is an entry.
- With --vcpu its minimum is always 0.00us. So minima are compared over all.
- It gets an event only if all BPF programs at the tracepoint, kvm_stat's among them, let it
  through: one that returned 0 would leave perf without exits.

Only the events that perf and kvm_stat get are the same; each looks at a clock of its own, perf
right after kvm_stat. Both clocks run by this machine's TSC, so how long an exit is makes no
difference. What does is what happens between both looks, see AGREED.
"""
import json
import re
import signal

import counting
import job
from counting import kvmtest

# Of each guest. Odd numbers: its two virtual CPUs do not get the same. Few: what comes between then
# spoils little, see AGREED.
IO, CPUID, HALTS = 41, 31, 21
WORK = {"IO": IO, "CPUID": CPUID, "HLT": HALTS}
VCPUS = range(2)
GUESTS = 4

# By how many microseconds a reason's mean and minimum may differ, and its maximum, which is one
# exit: kvm_stat's program looks at the clock late when an exit begins and soon when it ends, perf
# after it each time, and every instruction is emulated. The shortest exit takes 15 us.
#
# Now and then the machine is interrupted just between both looks, for milliseconds, and that is in
# one of both times only. A few virtual CPUs have that, on a busy host one in five, however little
# they do. So the means and maxima of a quarter of all have to agree: a program that is wrong is so
# everywhere.
#
# In 22 runs on a host that had five times as much to do as it has CPUs, all minima differed by 1.0
# at most, the means of the second best virtual CPU by 1.0 and its maxima by 12.4.
#
# That is for the exits that the guests make on purpose. The others are a few page faults and
# interrupts, whose times are mostly those of code that runs for the first time: they are counts
# only.
AGREED, AGREED_MAX = 5, 30

# kvm_stat's names of reasons that perf prints otherwise, but for the case.
PRINTED = {"IOIO": "IO", "INTR": "INTERRUPT"}
# "  cpuid   70   17.68%   17.67%   14.15us   7948.89us   214.05us ( +-  60.94% )"
ROW = re.compile(r"^ *(?P<reason>\S+) +(?P<count>\d+) +[\d.]+% +[\d.]+% +(?P<min>[\d.]+)us +"
                 r"(?P<max>[\d.]+)us +(?P<mean>[\d.]+)us \(", re.M)

# What the controls change: which virtual CPU is taken for which, and by how many microseconds
# perf's clock runs ahead until an exit ends.
swapped = False
late = 0


class Json(counting.Counting):
    """A log of the exits of each virtual CPU."""

    def __init__(self, test, path):
        super().__init__(test, path, "-l", "-s", "0.5", "--exits", "--by", "vcpu",
                         "--format", "json")

    def samples(self):
        return job.read(self.path).count("\n")

    def exits(self):
        """{(process, vcpu): {reason: {"count", "min", "max", "mean"}}}, of exits that ended."""
        exits = {}
        for row in json.loads(self.end().splitlines()[-1])["rows"]:
            times = row.get("distribution", {})
            if row.get("parent") == "kvm_exit" and times.get("count"):
                self.test.assertEqual("nanoseconds", times["unit"])
                reason = row["name"].removeprefix("kvm_exit(").removesuffix(")")
                exits.setdefault((row["guest"]["pid"], row["vcpu"]), {})[
                    PRINTED.get(reason, reason)] = {
                        "count": times["count"], "mean": times["sum"] / times["count"] / 1000,
                        **{name: times[name] / 1000 for name in ("min", "max")}}
        return exits


class Perf:
    """`perf kvm stat` of the whole host."""

    def __init__(self, test, path):
        self.test = test
        self.path = path
        self.process = test.launch("perf", "kvm", "stat", "record", "-a", "-o", path)
        # All events are on when it sleeps for good.
        kvmtest.until_asleep(self.process, 60)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=60)
        self.test.assertEqual(-signal.SIGINT, self.process.returncode, err)
        self.test.assertNotIn("lost", err.lower())

    def report(self, *selection):
        """{reason: {"count", "min", "max", "mean"}}"""
        result = job.run("perf", "kvm", "--host", "-i", self.path, "stat", "report", *selection)
        self.test.assertEqual(0, result.returncode, result.stderr)
        exits = {}
        for row in ROW.finditer(result.stdout + result.stderr):
            exits[row["reason"].upper()] = {
                "count": int(row["count"]),
                **{name: float(row[name]) + late for name in ("min", "max", "mean")}}
        return exits

    def vcpu(self, pid, vcpu):
        return self.report("-p", str(pid), "--vcpu", str(1 - vcpu if swapped else vcpu))


def counts(exits):
    return {reason: row["count"] for reason, row in exits.items()}


class BesidePerf(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        job.load_kvm()
        counting.install_guest()

    def measure(self):
        """What both say of the guests' work, one guest after the other."""
        guests = [kvmtest.SampleGuest("--io", str(IO), "--cpuid", str(CPUID), "--halts", str(HALTS),
                                      "--vcpus", str(len(VCPUS)), "--keep-vcpus", "--linger", "120")
                  for _ in range(GUESTS)]
        for guest in guests:
            self.addCleanup(guest.__exit__)
        perf = Perf(self, f"{self.directory}/perf.data")
        log = Json(self, f"{self.directory}/log")
        log.until_asleep()
        for guest in guests:
            guest.go()
            self.assertEqual(f"io={IO} cpuid={CPUID} halts={HALTS}", guest.result())
        log.until_sampled()
        ours = log.exits()
        perf.end()
        vcpus = {(guest.pid, vcpu): perf.vcpu(guest.pid, vcpu)
                 for guest in guests for vcpu in VCPUS}
        return ours, vcpus, perf.report()

    def assert_times(self, reason, name, ours, theirs, allowed):
        differences = [ours[vcpu][reason][name] - theirs[vcpu][reason][name] for vcpu in theirs]
        print(reason, name, *(f"{difference:.2f}" for difference in differences))
        self.assertLessEqual(sorted(map(abs, differences))[len(differences) // 4 - 1], allowed,
                             (reason, name))

    def test_perf_kvm_stat(self):
        ours, theirs, together = self.measure()
        # Every reason as often, on each virtual CPU: the work, and whatever came between.
        self.assertEqual({vcpu: counts(exits) for vcpu, exits in theirs.items()},
                         {vcpu: counts(exits) for vcpu, exits in ours.items()})
        self.assertEqual({reason: GUESTS * count for reason, count in WORK.items()},
                         {reason: together[reason]["count"] for reason in WORK})
        for reason in WORK:
            least = min(exits[reason]["min"] for exits in ours.values())
            print(reason, "min", least, together[reason]["min"])
            self.assertLessEqual(abs(least - together[reason]["min"]), AGREED, reason)
            # The sum is the mean, as often as both have counted.
            self.assert_times(reason, "mean", ours, theirs, AGREED)
            self.assert_times(reason, "max", ours, theirs, AGREED_MAX)


def swap_vcpus():
    global swapped  # pylint: disable=global-statement
    swapped = True


def come_late():
    global late  # pylint: disable=global-statement
    late = 2 * AGREED


if __name__ == "__main__":
    job.main({
        "another-vcpu": job.Control(swap_vcpus, job.ALL),
        "perf-comes-late": job.Control(come_late, job.ALL),
    })
