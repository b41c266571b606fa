#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every key does what the help says, and the screen looks as upstream's."""
import time
import unittest

from terminal import TerminalTest, mkfixture

ENTER, ESCAPE, BACKSPACE, CTRL_U = "\r", "\x1b", "\x7f", "\x15"


class Keys(TerminalTest):
    fields = ["exits", "io_exits", "mmio_exits", "halt_exits", "halt_wait_ns"]

    def totals(self):
        return {name: sum(mkfixture.increment(name, n) for n in range(self.guests))
                for name in self.fields}

    def test_layout(self):
        terminal = self.start_counting()
        lines = terminal.lines()
        self.assertEqual(lines[0], "kvm statistics - summary")
        self.assertEqual(lines[1], "")
        self.assertEqual(lines[2], " Event" + " " * 35 + "      Total %Total\u25bcCurAvg/s")
        wanted = self.totals()
        events = {n: wanted[n] for n in ("exits", "io_exits", "mmio_exits", "halt_exits")}
        events = {n: v for n, v in events.items() if v}
        names = [line.split()[0] for line in lines[3:] if line]
        self.assertEqual(names[:len(events)], sorted(events, key=events.get, reverse=True))
        self.assertEqual(names[-1], "Total")
        for name, total in events.items():
            self.assertEqual(terminal.value(name, 1), str(total))
            self.assertEqual(terminal.value(name, 2), f"{total * 100 / sum(events.values()):.1f}")
        self.assertEqual(terminal.value("Total", 1), str(sum(events.values())))
        row = next(line for line in lines if line.startswith(" Total"))
        self.assertEqual(row[52:59].strip(), "", "the sum has no percentage")
        self.quit(terminal)

    def test_attributes(self):
        terminal = self.start_counting()
        cells = terminal.screen.buffer
        self.assertTrue(cells[0][0].bold)
        self.assertFalse(cells[2][0].reverse)
        self.assertTrue(cells[2][1].reverse and cells[2][67].reverse)
        self.assertFalse(cells[2][68].reverse)
        total = next(i for i, line in enumerate(terminal.lines()) if line.startswith(" Total"))
        self.assertTrue(cells[total][1].bold)
        self.assertFalse(any(cells[row][1].reverse for row in range(3, 24)), "nothing is selected")
        self.quit(terminal)

    def test_first_messages(self):
        terminal = self.start()
        terminal.wait(lambda t: t.lines()[4] == " No matching events reported yet")
        self.assertIn(b"Collecting data...", terminal.raw)
        self.quit(terminal)

    def test_refreshes_by_itself(self):
        terminal = self.start("-s", "0.1").wait("No matching")
        mkfixture.advance(self.root)
        terminal.wait("exits ")
        terminal.wait_value("exits", -1, 0)
        self.quit(terminal)

    def test_include_past(self):
        terminal = self.start("-i")
        terminal.wait_value("exits", 1, mkfixture.get_stat(self.root, "", "exits"))
        terminal.wait_value("exits", -1, 0)
        self.quit(terminal)

    def test_sort(self):
        """The busiest now is not the one with the highest total; the header tells which sort."""
        terminal = self.start_counting()
        mkfixture.put_stat(self.root, "", "io_exits", mkfixture.get_stat(
            self.root, "", "io_exits") + 1)
        terminal.send(" ").wait(lambda t: t.lines()[3].startswith(" io_exits"))
        self.assertIn("%Total\u25bcCurAvg/s", terminal.lines()[2])
        terminal.send("o").wait("\u25bcTotal %Total CurAvg/s")
        terminal.wait(lambda t: t.lines()[3].split()[0] != "io_exits")
        highest = max(v for n, v in self.totals().items() if not n.endswith("_ns"))
        terminal.wait(lambda t: t.lines()[3].split()[1] == str(highest))
        terminal.send("o").wait("%Total\u25bcCurAvg/s")
        terminal.wait(lambda t: t.lines()[3].startswith(" io_exits"))
        self.quit(terminal)

    def test_reset(self):
        terminal = self.start_counting()
        terminal.send("r").wait("No matching events reported yet")
        self.advance(terminal)
        terminal.wait_value("exits", 1, self.totals()["exits"])
        self.quit(terminal)

    def test_help(self):
        terminal = self.start_counting()
        for key in "h?":
            terminal.send(key).wait("refresh at once")
            shown = {part.strip() for line in terminal.lines()[4:]
                     for part in line[:13].split(",")}
            self.assertTrue(set("bcfghopqrsx?") <= shown, shown)
            # The key that leaves the page does nothing else.
            terminal.send("q").wait("kvm statistics - summary")
        self.quit(terminal)

    def test_fields(self):
        terminal = self.start_counting()
        terminal.send("f").wait("New regex:")
        self.assertFalse(terminal.screen.cursor.hidden)
        terminal.send("io_(" + ENTER).wait('"io_(": no valid regex: ')
        terminal.send("xx" + CTRL_U + "iox" + BACKSPACE + "_").wait("New regex: io_")
        terminal.send(ENTER).wait("regex filter: io_")
        self.assertEqual(terminal.lines()[1].index("regex filter"), 17)
        terminal.wait("No matching")
        self.advance(terminal)
        terminal.wait("io_exits")
        self.assertIsNone(terminal.value("mmio_exits"))
        self.assertTrue(terminal.screen.cursor.hidden)
        # Esc changes nothing, Enter alone clears, and so does c.
        terminal.send("f").wait("Current regex: io_").send("zzz" + ESCAPE)
        terminal.wait("regex filter: io_")
        terminal.send("f").wait("New regex:").send(ENTER).wait_gone("regex filter")
        terminal.send("f").wait("New regex:").send("mm" + ENTER).wait("regex filter: mm")
        terminal.send("c").wait_gone("regex filter")
        self.quit(terminal)

    def test_delay(self):
        terminal = self.start_counting()
        terminal.send("s").wait("Change delay from 25.0s to")
        for bad in ("nonsense", "0.05", "26", "-1", "nan"):
            terminal.send(bad + ENTER).wait(f'"{bad}": ')
        terminal.send("0.1" + ENTER).wait("kvm statistics")
        mkfixture.advance(self.root)
        terminal.wait_value("exits", 1, 2 * self.totals()["exits"])
        terminal.send("s").wait("from 0.1s to").send(ENTER).wait("kvm statistics")
        terminal.send("s").wait("from 3.0s to").send(ESCAPE).wait("kvm statistics")
        self.quit(terminal)

    def test_children_toggle(self):
        """debugfs has no reasons here, but totals start anew as the help says."""
        terminal = self.start_counting()
        terminal.send("x").wait("No matching events reported yet")
        self.advance(terminal)
        terminal.wait("exits  ")
        self.quit(terminal)

    def test_other_key_refreshes(self):
        terminal = self.start_counting()
        for step, key in enumerate((" ", "Z", "\x0c", "\u00e9", "\x1b[15~", "\x1b[99;7q"), 2):
            mkfixture.advance(self.root)
            terminal.send(key).wait_value("exits", 1, step * self.totals()["exits"])
        self.quit(terminal)

    def test_message(self):
        """What goes wrong is told on the screen, and once more when that is gone."""
        text = "warning: there is no event yet to show by guest"
        terminal = self.start("-f", "zzz").wait("No matching")
        for _ in range(3):
            terminal.send("b").wait(lambda t: t.lines()[1] == f" {text}")
            terminal.wait("No matching")
        terminal.send("q")
        self.assertEqual(terminal.wait_end(), 0)
        self.assert_restored(terminal)
        self.assertEqual(terminal.after_screen(), f"kvm_stat: {text}")

    def test_count(self):
        terminal = self.start("--count", "3", "-s", "0.1")
        self.assertEqual(terminal.wait_end(), 0)
        self.assert_restored(terminal)

    def test_quits_at_once(self):
        terminal = self.start_counting()
        begin = time.monotonic()
        self.quit(terminal)
        # Generous: sanitizers look for leaks meanwhile. The next sample is 25 s away.
        self.assertLess(time.monotonic() - begin, 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
