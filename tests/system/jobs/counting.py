# SPDX-License-Identifier: GPL-2.0-or-later
"""A kvm_stat that counts while guests work, and the kernel's own numbers. What the jobs of kvm_stat
share; a part of each of them, and no job.
"""
import csv
import glob
import io
import json
import os
import signal

import job

os.environ["BIN_DIR"] = "/usr/bin"
import kvmtest  # noqa: E402

DEBUGFS = "/sys/kernel/debug/kvm"


def install_guest():
    if not os.path.exists(kvmtest.SAMPLE_GUEST):
        os.symlink(os.path.abspath("kvm-sample-guest"), kvmtest.SAMPLE_GUEST)


def counters(guest):
    """The kernel's own of this guest, by name."""
    (directory,) = glob.glob(f"{DEBUGFS}/{guest.pid}-*")
    return {name: int(job.read(f"{directory}/{name}"))
            for name in ("exits", "io_exits", "halt_exits")}


def freeze(guest):
    """It stands still in its work, so that a sample can hold all of it."""
    guest.process.send_signal(signal.SIGSTOP)
    job.until(lambda: all(job.read(path).rpartition(")")[2].split()[0] == "T" for path in glob.glob(
        f"/proc/{guest.pid}/task/*/stat")), "the guest stands still")


class Counting:
    """A kvm_stat that counts meanwhile, from its first sample on."""

    def __init__(self, test, path, *args, program=(kvmtest.KVM_STAT,)):
        self.test = test
        self.path = path
        self.args = args
        with open(path, "w", encoding="utf-8") as f:
            # Python keeps output back otherwise.
            self.process = test.launch(*program, *args, stdout=f,
                                       env={**os.environ, "PYTHONUNBUFFERED": "1"})

    def until_asleep(self):
        # Upstream's takes seconds to begin.
        kvmtest.until(lambda: kvmtest.sleeps(self.process.pid) or self.process.poll() is not None,
                      f"{self.args} sleeps", 60)
        self.test.assertIsNone(self.process.poll(), self.args)
        kvmtest.until_asleep(self.process)

    def samples(self):
        """How many are out, each whole."""
        raise NotImplementedError

    def until_sampled(self):
        """Waits for a sample that was taken later than now: the one that is on its way may have
        been taken before.
        """
        before = self.samples()
        job.until(lambda: self.samples() >= before + 2 or self.process.poll() is not None,
                  f"{self.args} takes two samples")
        self.test.assertIsNone(self.process.poll(), self.args)

    def end(self):
        """Ends it. Returns its output."""
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=60)
        self.test.assertEqual(("", 0), (err, self.process.returncode), self.args)
        return job.read(self.path)


class Batch(Counting):
    """-1, until it is ended."""

    def __init__(self, test, path, *args):
        super().__init__(test, path, "-1", "--count", "1000", *args)

    def samples(self):
        return job.read(self.path).count("\n\n")  # an empty line begins the next one

    def totals(self):
        """{field: total}, which is the sum of all blocks."""
        blocks = [kvmtest.batch_rows(block) for block in self.end().split("\n\n")]
        totals = {name: row[0] for name, row in blocks[-1].items()}
        self.test.assertEqual(
            totals, {name: sum(block.get(name, (0, 0))[1] for block in blocks) for name in totals})
        return totals


class Log(Counting):
    """A CSV log."""

    def __init__(self, test, path, *args, **options):
        super().__init__(test, path, "-l", "-c", *args, **options)

    def records(self):
        """The whole ones there are."""
        text = job.read(self.path)
        rows = csv.DictReader(io.StringIO(text[:text.rfind("\n") + 1]))
        return [row for row in rows if row["timestamp"] != "timestamp"]

    def samples(self):
        return len(self.records())

    def sums(self):
        """{field: sum} of the records there are."""
        sums = {}
        for row in self.records():
            if None in row or None in row.values():
                raise AssertionError(f"incomplete record: {row}")
            for name, value in row.items():
                if name != "timestamp":
                    self.test.assertGreaterEqual(int(value), 0, row)
                    sums[name] = sums.get(name, 0) + int(value)
        return sums


class Json(Counting):
    """A log of JSON lines."""

    def __init__(self, test, path, *args):
        super().__init__(test, path, "-l", "--format", "json", *args)

    def records(self):
        """The whole ones there are."""
        text = job.read(self.path)
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def samples(self):
        return len(self.records())
