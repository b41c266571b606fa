#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The screen on real guests: from all of them to one, to its vCPUs, to a row's page and back."""
import os
import unittest

from terminal import Terminal
import kvmtest

ENTER, BACKSPACE, DOWN, ESCAPE = "\r", "\x7f", "\x1b[B", "\x1b"
IO, VCPUS = 900, 3


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        kvmtest.need_root()
        kvmtest.need_kvm()
        kvmtest.enter_private_mounts()

    def start(self, *args):
        shown = Terminal("-s", "25", *(args if "--source" in args else ("-t", *args)),
                         size=(24, 100))
        self.addCleanup(shown.close)
        return shown.wait("CurAvg/s")

    def guest(self, name, *args):
        guest = kvmtest.SampleGuest("--io", str(IO), "--vcpus", str(VCPUS), "--linger", "100",
                                    *args, "-name", name)
        self.addCleanup(guest.__exit__)
        return guest

    def work(self, shown, guest):
        """The guest does its work, and a key shows it."""
        guest.go()
        guest.result()
        shown.send(" ")

    def test_down_to_vcpus_and_back(self):
        guests = [self.guest(name) for name in ("web", "db")]
        shown = self.start("-f", "kvm_pio$")
        self.work(shown, guests[0])
        # Of the whole host, on which others may run guests too.
        shown.wait(lambda t: int(t.value("kvm_pio", 1) or 0) >= IO)
        shown.send("b").wait("event: kvm_pio").wait("Guest Name")
        self.work(shown, guests[1])
        shown.wait_value("db", 1, IO)
        self.assertIn(shown.value("web", 1), (None, "0"))

        shown.send("\x1b[H").wait(lambda t: t.screen.buffer[3][1].reverse).send(ENTER)
        shown.wait(f"pid {guests[1].pid} (db)").wait("vCPU")
        shown.send("q")
        self.assertEqual(0, shown.wait_end())

    def test_vcpus(self):
        guest = self.guest("web", "--forever", "--rate", "300")
        guest.go()
        shown = self.start("-f", "kvm_pio$", "-p", str(guest.pid))
        shown.send("v").wait("event: kvm_pio")

        def rows():
            return sorted(line.split() for line in shown.lines() if line.startswith(" web "))

        # A row is there once its vCPU has done something.
        kvmtest.until(lambda: shown.send(" ").wait("vCPU") and len(rows()) == VCPUS, "three rows")
        self.assertEqual([str(vcpu) for vcpu in range(VCPUS)], [row[1] for row in rows()])
        threads = set(os.listdir(f"/proc/{guest.pid}/task"))
        self.assertEqual(VCPUS, len({row[2] for row in rows()} & threads))
        total = int(shown.value("Total", 1))
        self.assertEqual(total, sum(int(row[4]) for row in rows()))
        self.assertGreater(total, 0)
        # To the exits of one, which this host may have none of, and back.
        shown.send(DOWN).wait(lambda t: t.screen.buffer[3][1].reverse).send(ENTER)
        shown.wait("Exit reason").wait(f"pid {guest.pid} (web), thread ")
        shown.send(BACKSPACE).wait("event: kvm_pio").wait("vCPU")
        self.assertIn(f"pid {guest.pid} (web)", shown.lines()[0])
        shown.send(BACKSPACE).wait("Event").wait_gone("vCPU")
        shown.send("q")
        self.assertEqual(0, shown.wait_end())

    def until_counted(self, shown, *names):
        """Refreshes until these rows have numbers."""
        kvmtest.until(lambda: shown.send(" ").wait("Event") and
                      all(int(shown.value(name, 1) or 0) > 0 for name in names), f"all of {names}")

    def test_rows_that_one_source_has(self):
        guest = self.guest("web", "--stats", "--forever", "--rate", "300")
        guest.go()
        shown = self.start("--source", "stats,tracepoints", "-f", "(kvm_pio|exits)$",
                           "-p", str(guest.pid))
        self.until_counted(shown, "exits", "kvm_pio")
        shown.send("e").wait("Exit reason")
        self.assertNotIn("cannot", shown.text())
        shown.send("e").wait("CurAvg/s")
        self.until_counted(shown, "exits", "kvm_pio")
        shown.send("q")
        self.assertEqual(0, shown.wait_end())

    def test_page_of_a_row(self):
        guest = self.guest("web")
        shown = self.start("-f", "kvm_pio$", "-p", str(guest.pid))
        self.work(shown, guest)
        shown.wait_value("kvm_pio", 1, IO)
        shown.send(DOWN + ENTER).wait(f"total {IO}").wait("Raised by:")
        self.assertEqual("kvm_pio", shown.lines()[0].strip())
        shown.send(ESCAPE).wait("CurAvg/s")
        shown.send("q")
        self.assertEqual(0, shown.wait_end())


if __name__ == "__main__":
    kvmtest.main()
