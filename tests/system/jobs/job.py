# SPDX-License-Identifier: GPL-2.0-or-later
"""What the jobs share. This runs on the machine of the system tests, as root.

A job is a unittest program with negative controls: each takes away what the project brings, or a
part of it, and names the tests that must fail then. `machine test` runs the job as it is and once
for each control, every time on a fresh machine.
"""
import collections
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

CONTROL = os.environ.get("CONTROL")
OUTPUT = os.environ.get("JOB_OUTPUT", ".")
LEAVE_SECONDS = 15  # to clean up, and for the agent
ALL = None

# change: a function that changes the machine. fails: names of the tests that then must fail.
Control = collections.namedtuple("Control", "change fails")


def run(*command, timeout=60, **options):
    """Runs a program to its end."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
               "text": True, **options}
    if "input" in options:
        del options["stdin"]
    return subprocess.run(command, timeout=timeout, check=False, **options)


def do(*command, **options):
    """A step that has to succeed. Returns what it printed."""
    result = run(*command, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{command} ended with {result.returncode}: {result.stderr}")
    return result.stdout


def until(condition, what, seconds=60):
    """Waits for condition() and returns what it returns; under a control, which it waits for in
    vain, not as long.
    """
    seconds = min(seconds, 5) if CONTROL else seconds
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def remove(path):
    if os.path.lexists(path):
        os.unlink(path)


def has_module(name):
    return os.path.exists(f"/sys/module/{name}/refcnt")


def load_kvm():
    do("modprobe", "kvm_amd")
    do("udevadm", "settle")


def unload_kvm():
    do("modprobe", "-r", "kvm_amd", "kvm")
    do("udevadm", "settle")


def complaints(unit):
    """What systemd finds wrong with the unit."""
    result = run("systemd-analyze", "verify", "--man=no", unit)
    text = result.stdout + result.stderr
    return text or (f"status {result.returncode}" if result.returncode else "")


def exposure(unit):
    """How much the unit may do, as systemd counts it: 0 to 10."""
    text = do("systemd-analyze", "security", "--no-pager", unit)
    print(text.splitlines()[-1])
    return float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text)[1])


class _Result(unittest.TextTestResult):
    def __init__(self, *args):
        super().__init__(*args)
        self._is_over = False
        self._end_in_time()
        self.verdicts = {}
        self._start = time.monotonic()

    def _end_in_time(self):
        """Ends whatever a test waits for before the machine's time is over, so that the test says
        where it stood, and the machine what it knows.
        """
        def end(*_):
            self._is_over = True
            self.stop()
            raise AssertionError("the machine's time is nearly over")
        if "JOB_DEADLINE" in os.environ:
            left = float(os.environ["JOB_DEADLINE"]) - LEAVE_SECONDS - time.time()
            signal.signal(signal.SIGALRM, end)
            signal.setitimer(signal.ITIMER_REAL, max(left, 1), LEAVE_SECONDS / 3)

    def stopTestRun(self):
        signal.setitimer(signal.ITIMER_REAL, 0)
        super().stopTestRun()

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()

    def _note(self, test, verdict):
        name = test.id().rpartition(".")[2]
        if self._is_over:
            verdict = "not done"
        if self.verdicts.get(name) != "failed":
            self.verdicts[name] = verdict
        self.stream.writeln(f"  {time.monotonic() - self._start:.1f} s")

    def addSuccess(self, test):
        super().addSuccess(test)
        self._note(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failed")

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "failed")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failed")


def main(controls, before_boot=None):
    """Runs the tests, under the control that $CONTROL names. before_boot(): changes the machine
    before its systemd starts, and so do the controls then; it needs machine's --before-boot.
    """
    if sys.argv[1:] == ["before-boot"]:
        before_boot()
        if CONTROL:
            controls[CONTROL].change()
            write("./units-may-fail", "")  # the agent's
        return
    tests = {}
    for group in unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]):
        for test in group:
            name = test.id().rpartition(".")[2]
            assert name not in tests, name
            tests[name] = test
    expected = list(tests)
    if CONTROL:
        control = controls[CONTROL]
        if not before_boot:
            control.change()
        if control.fails is not ALL:
            expected = control.fails
    elif os.environ.get("TESTS"):
        expected = os.environ["TESTS"].split(",")
    suite = unittest.TestSuite(tests[name] for name in expected)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=_Result).run(suite)
    with open(f"{OUTPUT}/results.json", "w", encoding="ascii") as f:
        json.dump({"expected": list(expected), "tests": result.verdicts,
                   "controls": list(controls)}, f)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
