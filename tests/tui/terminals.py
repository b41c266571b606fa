#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes, types and ends of terminals: nothing crashes, and the terminal is given back in order."""
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from terminal import KVM_STAT, RMCUP, SMCUP, Terminal, TerminalTest, mkfixture
from kvmtest import state, until

PAGES = ("", "h", "f", "g", "s")
COLOURS = re.compile(rb"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d|10\d)(?:;\d+)*m")


class Sizes(TerminalTest):
    fields = ["exits", "io_exits", "mmio_exits", "halt_wait_ns"]

    def test_start_small(self):
        for size in ((3, 20), (1, 1), (1, 200), (60, 1), (2, 2), (24, 12)):
            terminal = self.start("-s", "0.1", "--count", "3", "-i", size=size)
            self.assertEqual(terminal.wait_end(), 0, size)
            self.assert_restored(terminal)

    def test_upstream_crashed_at_20x3(self):
        terminal = self.start("-i", size=(3, 20)).wait("mmio_exits")
        terminal.wait("CurAvg/s")
        self.quit(terminal)

    def test_resize_redraws_without_a_sample(self):
        terminal = self.start_counting()
        before = terminal.value("exits", 1)
        mkfixture.advance(self.root)
        for size in ((30, 100), (10, 60), (24, 80), (40, 132)):
            terminal.resize(*size)
            terminal.wait_value("exits", 1, before)
        terminal.send(" ").wait_value("exits", 1, 2 * int(before))
        self.quit(terminal)

    def test_every_page_at_every_size(self):
        terminal = self.start_counting()
        for page in PAGES:
            terminal.send(page or "o")
            for size in ((3, 20), (1, 1), (2, 200), (24, 5), (50, 2), (24, 80)):
                terminal.resize(*size)
                terminal.pump(0.05)
            terminal.send("\x1b" if page else "o").wait("kvm statistics - summary")
        self.quit(terminal)

    def test_narrow_keeps_the_rate(self):
        terminal = self.start_counting()
        for columns, header in ((67, "%Total\u25bcCurAvg/s"), (40, "%Total\u25bcCurAvg/s"),
                                (30, "Total\u25bcCurAvg/s"), (20, "\u25bcCurAvg/s")):
            terminal.resize(10, columns).wait(header)
            self.assertTrue(all(len(line) <= columns for line in terminal.lines()))
        self.quit(terminal)

    def test_prompt_survives_resize(self):
        terminal = self.start_counting()
        terminal.send("f").wait("New regex:").send("io").wait("New regex: io")
        terminal.resize(20, 60).wait("New regex: io")
        terminal.send("_\r").wait("regex filter: io_")
        self.quit(terminal)


class Scrolling(TerminalTest):
    fields = mkfixture.EVENTS

    def selected(self, terminal):
        rows = [row for row in range(3, terminal.rows)
                if terminal.screen.buffer[row][1].reverse]
        return terminal.lines()[rows[0]].split()[0] if len(rows) == 1 else None

    def test_all_rows_can_be_reached(self):
        terminal = self.start_counting(size=(12, 80))
        position = terminal.lines()[1].split()[-1]
        self.assertRegex(position, r"^1-8/\d+$")
        count = int(position.split("/")[1])
        self.assertIsNone(self.selected(terminal))
        self.assertTrue(terminal.lines()[-1].startswith(" Total"))
        seen = []
        for number in range(count):
            terminal.send("j" if number % 2 else "\x1b[B")
            terminal.wait(lambda t: self.selected(t) not in (None, *seen))
            seen.append(self.selected(terminal))
        self.assertEqual(terminal.lines()[1].split()[-1], f"{count - 7}-{count}/{count}")
        terminal.send("\x1b[H").wait(lambda t: self.selected(t) == seen[0])
        terminal.send("\x1b[F").wait(lambda t: self.selected(t) == seen[count - 1])
        terminal.send("\x1b[5~").wait(lambda t: self.selected(t) == seen[count - 9])
        terminal.send("k").wait(lambda t: self.selected(t) == seen[count - 10])
        terminal.send("\x1b[A").wait(lambda t: self.selected(t) == seen[count - 11])
        terminal.send("\x1b[6~").wait(lambda t: self.selected(t) == seen[count - 3])
        terminal.send("\x1b").wait(lambda t: self.selected(t) is None)
        self.quit(terminal)

    def test_selection_follows_the_name(self):
        terminal = self.start_counting()
        terminal.send("\x1b[F").wait(lambda t: self.selected(t) is not None)
        name = self.selected(terminal)
        mkfixture.put_stat(self.root, "", name, mkfixture.get_stat(self.root, "", name) + 9999)
        terminal.send(" ").wait(lambda t: t.lines()[3].split()[0] == name)
        terminal.wait(lambda t: self.selected(t) == name)
        self.quit(terminal)


class Ends(TerminalTest):
    fields = ["exits", "io_exits"]

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            for page in ("o", "h", "g"):
                terminal = self.start_counting()
                terminal.send(page)
                os.kill(terminal.child.pid, number)
                self.assertEqual(terminal.wait_end(), 0, (number, page))
                self.assert_restored(terminal)

    def test_control_c(self):
        terminal = self.start_counting()
        terminal.send("\x03")
        self.assertEqual(terminal.wait_end(), 0)
        self.assert_restored(terminal)

    def test_quit_signal_from_the_keyboard(self):
        terminal = self.start_counting()
        terminal.send("\x1c")
        self.assertEqual(terminal.wait_end(), 0)
        self.assert_restored(terminal)

    def test_signals_while_the_terminal_takes_nothing(self):
        """Output that is stopped (Ctrl-S, a frozen emulator) must not keep it from ending."""
        terminal = self.start_counting()
        for i in range(300):  # draws whole screens, which nobody reads
            terminal.child.setwinsize(50 + i % 2, 200)
            time.sleep(0.01)
        os.kill(terminal.child.pid, signal.SIGTERM)
        until(lambda: not terminal.child.isalive(), "its end", 10)
        self.assertEqual(0, terminal.child.exitstatus)

    def test_terminal_goes_away(self):
        terminal = self.start_counting()
        terminal.child.ptyproc.fileobj.close()
        _, status = os.waitpid(terminal.child.pid, 0)
        self.assertEqual(status, 0)
        terminal.child.terminated = True
        terminal.child.closed = True
        terminal.child.ptyproc.closed = terminal.child.ptyproc.terminated = True

    def test_stop_and_continue(self):
        """Ctrl-Z leaves a terminal in order, and fg brings everything back."""
        # Below a shell that has job control: in a group without a parent outside nothing stops it.
        terminal = self.start_counting(below=["bash", "-mc", '"$@"; read -r; fg', "bash"])
        shell = terminal.child.pid
        with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as f:
            program = int(f.read())
        terminal.send("\x1a").wait(lambda t: RMCUP in t.raw and state(program) == "T")
        self.assertEqual(terminal.flags(), terminal.modes)
        terminal.send("\r").wait(lambda t: t.raw.count(SMCUP) == 2).wait("kvm statistics")
        terminal.send("h").wait("refresh at once")
        terminal.send("h").wait("kvm statistics")
        self.quit(terminal)

    def test_kvm_is_unloaded(self):
        terminal = self.start_counting()
        shutil.rmtree(os.path.join(self.root, mkfixture.DEBUGFS))
        terminal.send(" ")
        self.assertEqual(terminal.wait_end(), 1)
        self.assert_restored(terminal)
        self.assertRegex(terminal.after_screen(), r"^kvm_stat: [^\n]*KVM[^\n]*$")


class Types(TerminalTest):
    fields = ["exits", "io_exits"]

    def test_no_color(self):
        for value, wanted in (("1", False), ("", True)):
            terminal = self.start_counting("-p", "1000", env={"NO_COLOR": value})
            mkfixture.remove_guest(self.root, "1000-11")
            terminal.send(" ").wait("Guest is DEAD")
            self.assertEqual(bool(COLOURS.search(terminal.raw)), wanted, value)
            self.quit(terminal)
            mkfixture.add_guest(self.root, 1000, "guest1", only=self.fields)

    def test_types(self):
        for term in ("vt100", "linux", "xterm", "xterm-mono", "screen-256color", "ansi", "vt52"):
            terminal = self.start("-s", "0.1", "--count", "2", env={"TERM": term})
            self.assertEqual(terminal.wait_end(), 0, term)
            self.assertEqual(terminal.modes_after, terminal.modes)

    def test_unusable_types(self):
        for term in ("dumb", "no-such-terminal", ""):
            terminal = self.start(env={"TERM": term})
            self.assertEqual(terminal.wait_end(), 1, term)
            self.assertIn(f"kvm_stat: the screen cannot be used on a terminal of type '{term}'",
                          terminal.raw.decode())
            self.assertEqual(terminal.modes_after, terminal.modes)

    def test_standard_input_is_no_terminal(self):
        """Then there is no screen: the output is that of a batch, or a sentence."""
        command = f"exec {KVM_STAT} --sysroot {self.root} -d </dev/null"
        terminal = Terminal(command=["/bin/sh", "-c", command])
        self.addCleanup(terminal.close)
        self.assertIn(terminal.wait_end(), (0, 1))
        self.assertNotIn(b"\x1b", terminal.raw)

    def test_size_of_environment_is_ignored(self):
        command = f"LINES=5 COLUMNS=20 exec {KVM_STAT} --sysroot {self.root} -d -i"
        terminal = Terminal(command=["/bin/sh", "-c", command])
        self.addCleanup(terminal.close)
        terminal.wait("%Total\u25bcCurAvg/s")
        self.quit(terminal)

    def test_stty_is_the_same(self):
        """What a shell would see afterwards, asked of the terminal itself."""
        command = (f"stty -a >{self.root}/before; "
                   f"{KVM_STAT} --sysroot {self.root} -d -i --count 1; stty -a >{self.root}/after")
        terminal = Terminal(command=["/bin/sh", "-c", command])
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.wait_end(), 0)
        subprocess.run(["cmp", f"{self.root}/before", f"{self.root}/after"], check=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
