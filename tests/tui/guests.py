#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests on the screen: one row each, one alone, gone and back, and names that mean no good."""
import os
import shutil
import unittest

from terminal import TerminalTest, mkfixture

ENTER, ESCAPE = "\r", "\x1b"
MARKER = "   Guest is DEAD   "


class Guests(TerminalTest):
    fields = ["exits", "io_exits", "mmio_exits"]

    def kill(self, pid):
        """The process ends, as its VM does."""
        shutil.rmtree(os.path.join(self.root, "proc", str(pid)))
        mkfixture.remove_guest(self.root, f"{pid}-11")

    def test_by_guest(self):
        terminal = self.start_counting()
        terminal.send("b").wait(" event: exits").wait("Guest Name")
        self.advance(terminal)
        for number, name in enumerate(("guest1", "guest2")):
            terminal.wait_value(name, 1, mkfixture.increment("exits", number))
        terminal.wait_value("Total", 1, sum(mkfixture.increment("exits", n) for n in range(2)))
        terminal.send("b").wait_gone("event: exits").wait_gone("Guest Name")
        self.quit(terminal)

    def test_by_guest_of_selected_event(self):
        terminal = self.start_counting("-f", "exits|io|mmio")
        terminal.wait("regex filter: exits|io|mmio")
        terminal.send("\x1b[B").wait(lambda t: t.screen.buffer[3][1].reverse)
        name = terminal.lines()[3].split()[0]
        self.assertNotEqual(name, "exits")
        terminal.send("b").wait(f" event: {name}  regex filter: exits|io|mmio")
        self.advance(terminal)
        terminal.wait_value("guest1", 1, mkfixture.increment(name, 0))
        self.assertFalse(terminal.screen.buffer[3][1].reverse, "the selection ended with its row")
        self.quit(terminal)

    def test_guest_comes(self):
        """A guest that starts later has its name, too."""
        terminal = self.start_counting()
        terminal.send("b").wait("event: exits")
        mkfixture.add_guest(self.root, 1500, "latecomer", only=self.fields)
        self.advance(terminal)
        terminal.wait("latecomer ")
        self.quit(terminal)

    def test_choose(self):
        terminal = self.start_counting()
        for key in "gp":
            terminal.send(key).wait("Guest or pid:").wait("1000  guest1").wait("1100  guest2")
            terminal.send("nobody" + ENTER).wait('"nobody": no guest of this name')
            terminal.send("99999" + ENTER).wait('"99999": not a running process')
            terminal.send("99999999999999999999" + ENTER).wait('"99999999999999999999": not a')
            terminal.send("1101" + ENTER).wait("1101 is a thread of process 1100")
            terminal.send("guest2" + ENTER).wait("kvm statistics - pid 1100 (guest2)")
            self.advance(terminal)
            terminal.wait_value("exits", 1, mkfixture.increment("exits", 1))
            terminal.send(key).wait("Guest or pid:").send(ESCAPE).wait("pid 1100 (guest2)")
            terminal.send(key).wait("Guest or pid:").send("1000" + ENTER).wait("pid 1000 (guest1)")
            terminal.send(key).wait("Guest or pid:").send(ENTER).wait("kvm statistics - summary")
            terminal.send(key).wait("Guest or pid:").send("1000" + ENTER).wait("pid 1000 (guest1)")
            terminal.send(key).wait("Guest or pid:").send("0" + ENTER).wait("- summary")
        terminal.send("g").wait("Guest or pid:").send("1000" + ENTER).wait("pid 1000 (guest1)")
        terminal.send("c").wait("kvm statistics - summary")
        self.quit(terminal)

    def test_same_name_twice(self):
        mkfixture.add_guest(self.root, 1500, "guest1", only=self.fields)
        terminal = self.start_counting()
        terminal.send("g").wait("Guest or pid:").send("guest1" + ENTER)
        terminal.wait('"guest1": 2 guests have this name').send(ESCAPE).wait("- summary")
        self.quit(terminal)

    def test_guest_dies_and_returns(self):
        terminal = self.start_counting("-p", "1100")
        self.assertEqual(terminal.lines()[0], "kvm statistics - pid 1100 (guest2)")
        before = terminal.lines()[3:]
        self.kill(1100)
        terminal.send(" ").wait(MARKER.rstrip())
        self.assertEqual(terminal.lines()[0],
                         "kvm statistics - pid 1100 (guest2)" + MARKER.rstrip())
        self.assertEqual(terminal.lines()[3:], before)
        mkfixture.add_guest(self.root, 1700, "guest2", only=self.fields)
        terminal.send(" ").wait("kvm statistics - pid 1700 (guest2)").wait_gone("DEAD")
        terminal.wait("No matching")
        self.advance(terminal)
        terminal.wait("exits  ")
        # Two of the name: it is not known which one is meant.
        self.kill(1700)
        for pid in (1800, 1900):
            mkfixture.add_guest(self.root, pid, "guest2", only=self.fields)
        terminal.send(" ").wait("pid 1700 (guest2)" + MARKER.rstrip())
        terminal.send("c").wait("kvm statistics - summary").wait_gone("DEAD")
        self.quit(terminal)

    def test_another_process_of_that_number(self):
        mkfixture.put_start(self.root, 1100, 500)
        terminal = self.start_counting("-p", "1100")
        self.kill(1100)
        mkfixture.add_guest(self.root, 1100, "other", only=self.fields)
        mkfixture.put_start(self.root, 1100, 501)
        terminal.send(" ").wait("kvm statistics - pid 1100 (guest2)" + MARKER.rstrip())
        # Who asks for it gets it.
        terminal.send("p").wait("Guest or pid:").send("1100" + ENTER)
        terminal.wait("kvm statistics - pid 1100 (other)").wait_gone("DEAD")
        self.quit(terminal)

    def test_another_guest_ends(self):
        """What it did last is missing in the sums, which one refresh says."""
        terminal = self.start_counting()
        self.kill(1000)
        terminal.send(" ").wait(lambda t: t.lines()[1].rstrip().endswith(" are too low"))
        terminal.send(" ").wait_gone("a guest ended")
        self.quit(terminal)

    def test_names(self):
        """No name reaches the terminal but as text, in its own column."""
        names = ["\u6f22\u5b57\u6f22", "e\u0301a\u0300", "\x1b]0;owned\x07\x1b[2J", "\u202egnp.exe",
                 "b" * 200, "\u6f22" * 60]
        for number, name in enumerate(names):
            mkfixture.add_guest(self.root, 2000 + 10 * number, name, only=self.fields)
        mkfixture.add_guest(self.root, 2900, cmdline=[b"vmm"], comm="crosvm", only=self.fields)
        mkfixture.add_guest(self.root, 3000, cmdline=[b"q", b"-name", b"bad\xff\xfename"],
                            only=self.fields)
        terminal = self.start_counting()
        terminal.send("b").wait("event: exits")
        self.advance(terminal)
        for text in ("crosvm-2900", "bad\\xff\\xfename", "\\x1b]0;owned\\x07\\x1b[2J",
                     "\\u202egnp.exe", "bbb..."):
            terminal.wait(text)
        terminal.wait(" Total  ")
        self.assertNotIn(b"\x1b]0;owned", terminal.raw)
        self.assertNotIn("\u202e".encode(), terminal.raw)
        # pyte keeps wide characters in two cells, the second empty.
        ends = {max(col for col in range(80) if row[col].data.strip())
                for number, row in terminal.screen.buffer.items() if 2 <= number <= 12}
        self.assertEqual(len(ends), 1, terminal.text())
        terminal.send("g").wait("Guest or pid:").send("\u6f22\u5b57\u6f22" + ENTER)
        terminal.wait(lambda t: t.lines()[0].startswith("kvm statistics - pid 2000 ("))
        terminal.send("g").wait("Guest or pid:").send("2040" + ENTER)
        terminal.wait("kvm statistics - pid 2040 (" + "b" * 48 + "...)")
        self.quit(terminal)

    def test_other_locale(self):
        mkfixture.add_guest(self.root, 2000, "\u6f22\u5b57-vm", only=self.fields)
        terminal = self.start("-p", "2000", env={"LC_ALL": "C"})
        terminal.wait("kvm statistics - pid 2000 (??-vm)").wait("%Total*CurAvg/s")
        self.assertTrue(all(byte < 0x80 for byte in terminal.raw))
        terminal.send("g").wait("Guest or pid:").send("\u6f22\x7f\x15" + ENTER).wait("- summary")
        self.quit(terminal)


if __name__ == "__main__":
    unittest.main(verbosity=2)
