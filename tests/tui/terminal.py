# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat on a terminal that the tests can look at: pexpect gives the pty, pyte the screen."""
import os
import re
import shutil
import sys
import tempfile
import termios
import time
import unittest

import pexpect
import pyte
from wcwidth import wcwidth

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from kvmtest import KVM_STAT, reset_signals  # noqa: E402  pylint: disable=wrong-import-position
import mkfixture  # noqa: E402  pylint: disable=wrong-import-position,unused-import

SECONDS = 15
RMCUP = b"\x1b[?1049l"
SMCUP = b"\x1b[?1049h"


def modes_of(fd):
    """Input, output and local modes of a terminal, as stty shows them."""
    modes = termios.tcgetattr(fd)
    return modes[0], modes[1], modes[3]


def modes_at_start():
    """Those of a pty that is new: once the program runs, it may have changed them already."""
    ends = os.openpty()
    try:
        return modes_of(ends[0])
    finally:
        for end in ends:
            os.close(end)


class Terminal:
    """One run of kvm_stat."""

    def __init__(self, *args, size=(24, 80), env=None, command=None, below=()):
        self.rows, self.columns = size
        self.screen = pyte.Screen(self.columns, self.rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.status = None
        environment = {**os.environ, "TERM": "xterm-256color", **(env or {})}
        for name in ("LINES", "COLUMNS") + (() if env and "NO_COLOR" in env else ("NO_COLOR",)):
            environment.pop(name, None)
        argv = command or [*below, KVM_STAT, *args]
        self.child = pexpect.spawn(argv[0], argv[1:], dimensions=size, env=environment,
                                   timeout=SECONDS, preexec_fn=reset_signals)
        self.child.delaybeforesend = None
        self.modes = modes_at_start()
        self.modes_after = None

    def flags(self):
        return modes_of(self.child.child_fd)

    def pump(self, timeout):
        """Takes what the program wrote. Returns False when it has ended."""
        try:
            data = self.child.read_nonblocking(65536, timeout)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self.stream.feed(data)
        return True

    def lines(self):
        return [self.line(y).rstrip() for y in range(self.screen.lines)]

    def line(self, y):
        """A line as it is seen. Not pyte's display, which fails on the half of a wide character
        that is left while a redraw has arrived in part.
        """
        text, wide = "", False
        for x in range(self.screen.columns):
            cell = self.screen.buffer[y][x].data
            if cell or not wide:  # the second cell of a wide character is empty
                text += cell or " "
            wide = bool(cell) and wcwidth(cell[0]) == 2
        return text

    def text(self):
        return "\n".join(self.lines())

    def wait(self, what, seconds=SECONDS):
        """Waits until the screen shows the text `what`, or until what(self) is true."""
        end = time.monotonic() + seconds
        while True:
            seen = what(self) if callable(what) else what in self.text()
            before = len(self.raw)
            # What is seen must not be half of a screen of which more is on its way.
            alive = self.pump(0.03 if seen else 0.05)
            if seen and (not alive or len(self.raw) == before):
                return self
            if not alive:
                raise AssertionError(f"ended before: {what!r}\n{self.text()}\n{self.raw[-2000:]}")
            if time.monotonic() > end:
                raise AssertionError(f"never seen: {what!r}\n{self.text()}")

    def wait_value(self, row_name, index, number):
        return self.wait(lambda terminal: terminal.value(row_name, index) == str(number))

    def wait_gone(self, text):
        return self.wait(lambda terminal: text not in terminal.text())

    def send(self, keys):
        self.child.send(keys)
        return self

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)
        return self

    def wait_end(self, seconds=SECONDS):
        """Waits for the end. Returns the exit status, or -signal."""
        end = time.monotonic() + seconds
        while self.pump(0.05):
            if time.monotonic() > end:
                raise AssertionError(f"did not end\n{self.text()}")
        self.modes_after = self.flags()
        self.child.wait()
        self.status = (self.child.exitstatus if self.child.signalstatus is None
                       else -self.child.signalstatus)
        return self.status

    def after_screen(self):
        """What was printed once the terminal was given back."""
        text = self.raw[self.raw.rindex(RMCUP) + len(RMCUP):].decode()
        return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\x1b[=>]", "", text).strip()

    def value(self, row_name, index=-1):
        """A number of the row of this name, -1 being the last; None without such a row."""
        for line in self.lines():
            if line.strip().startswith(row_name + " "):
                return line.split()[index]
        return None

    def close(self):
        self.child.close(force=True)


class TerminalTest(unittest.TestCase):
    """A test with a fixture of its own."""
    guests = 2
    fields = mkfixture.FIELDS

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="kvm_stat-tui-")
        self.addCleanup(shutil.rmtree, self.root)
        mkfixture.make(self.root, self.guests, only=self.fields)

    def start(self, *args, **options):
        """kvm_stat, which refreshes only when told to, once it has shown its first rates."""
        delay = () if "-s" in args else ("-s", "25")
        terminal = Terminal("--sysroot", self.root, "-d", *delay, *args, **options)
        self.addCleanup(terminal.close)
        return terminal

    def start_counting(self, *args, **options):
        terminal = self.start(*args, **options)
        terminal.wait("No matching events reported yet")
        self.advance(terminal)
        return terminal.wait("Total  ")

    def advance(self, terminal):
        """Events happen, and a key refreshes."""
        mkfixture.advance(self.root)
        terminal.send(" ")

    def assert_restored(self, terminal):
        """The terminal is as it was: screen, cursor, echo and line mode."""
        self.assertEqual(terminal.raw.count(SMCUP), terminal.raw.count(RMCUP))
        self.assertGreater(terminal.raw.rfind(RMCUP), terminal.raw.rfind(SMCUP))
        self.assertEqual(terminal.modes_after, terminal.modes)
        local = terminal.modes_after[2]
        self.assertTrue(local & termios.ECHO and local & termios.ICANON)
        shown = max(terminal.raw.rfind(b"\x1b[?25h"), terminal.raw.rfind(b"\x1b[?12l"))
        self.assertGreater(shown, terminal.raw.rfind(b"\x1b[?25l"))

    def quit(self, terminal):
        terminal.send("q")
        self.assertEqual(terminal.wait_end(), 0, terminal.text())
        self.assert_restored(terminal)
        self.assertEqual(terminal.after_screen(), "")
