# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that do not outlive this one, however it ends, and progress on stderr."""
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PROGRESS_SECONDS = 10

_libc = ctypes.CDLL(None)


class Failed(Exception):
    """What could not be done, as one line for the user; `log` may tell more."""

    def __init__(self, text, log=None):
        super().__init__(text)
        self.log = log


def say(text):
    print(f"machine: {text}", file=sys.stderr, flush=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def running(command, **options):
    """A child of its own session (^C reaches only us), gone when the block ends."""
    try:
        process = subprocess.Popen(command, start_new_session=True, preexec_fn=_die_with_parent,
                                   **options)
    except FileNotFoundError as e:
        raise Failed(f"{e.filename} is not installed") from e
    with process:
        try:
            yield process
        finally:
            process.kill()


def _last_line(path):
    with open(path, "rb") as f:
        f.seek(max(0, os.path.getsize(path) - 2000))
        lines = f.read().decode(errors="replace").replace("\r", "\n").split("\n")
    lines = ["".join(c for c in line if c.isprintable()).strip() for line in lines]
    return next((line[:80] for line in reversed(lines) if line), "")


def run(what, command, log, **options):
    """Runs one step with its output in the file `log`, showing how far it is."""
    start = time.monotonic()
    with open(log, "ab") as output, running(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options) as process:
        while True:
            try:
                status = process.wait(PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say(f"{what}: {time.monotonic() - start:.0f} s: {_last_line(log)}")
    if status != 0:
        raise Failed(f"{what} failed with {status}: {_last_line(log)}", log)
    say(f"{what}: done in {time.monotonic() - start:.0f} s")


def end_on_signals():
    """Signals that end this program unwind it first."""
    def end(number, _frame):
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
