#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording on the screen: it goes on, stops, steps and leaps, and every view shows it. The
recording is written here, as kvm_stat-recording(5) says.
"""
import gzip
import json
import os
import signal
import unittest
import zlib

from terminal import Terminal, TerminalTest
from kvmtest import cpu_time, until

SAMPLES = 30
START = 1700000000  # 22:13:20 UTC
LEFT, RIGHT, ENTER = "\x1b[D", "\x1b[C", "\r"


def lines_of(sample):
    """Guest 1000 makes 10 exits in each second, guest 2000 makes 30 and ends with sample 20, when
    guest 3000 comes.
    """
    if sample % 10 == 0:
        yield {"key": True}
        yield {"names": [{"name": "exits", "kind": "events", "unit": "none"},
                         {"name": "kvm_exit", "kind": "events", "unit": "none"},
                         {"name": "kvm_exit(HLT)", "parent": "kvm_exit", "kind": "events",
                          "unit": "none"}]}
        yield {"guests": [{"pid": 1000, "name": "web"}]
               + [{"pid": 2000, "name": "db"} if sample < 20 else {"pid": 3000, "name": "late"}]}
        yield {"owners": [1000, 1001, 0, 2000, 2001, 0, 0, 0, -1, 3000, 3001, 0]}
        yield {"rows": [0, 0, 1, 0, 2, 0] + ([0, 1] if sample < 20 else [0, 2, 1, 3])}
        yield {"values": [0, sample * 10, 1, sample * 10, 1, sample * 10,
                          1, min(sample, 19) * 30] + ([] if sample < 20 else [1, 5])}
    else:
        yield {"values": [0, 10, 1, 10, 1, 10] + ([1, 30] if sample < 20 else [])}
    yield {"sample": sample, "monotonic": (sample + 1) * 10**9,
           "time": (START + sample) * 10**9}


def recording():
    """The file's bytes, of each segment one gzip member."""
    members, text = [], json.dumps({
        "schema": "kvm_stat-recording/1", "sources": ["tracepoints"], "by": "vcpu",
        "interval": 0.1, "host": "there"}) + "\n"
    for sample in range(SAMPLES):
        if sample and sample % 10 == 0:
            members.append(text)
            text = ""
        body = "".join(json.dumps(line) + "\n" for line in lines_of(sample))
        text += body + json.dumps({"end": sample, "crc": zlib.crc32(body.encode())}) + "\n"
    return b"".join(gzip.compress(member.encode())
                    for member in members + [text + '{"closed": true}\n'])


class Replay(TerminalTest):
    fields = ["exits"]

    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.root, "recording")
        with open(self.file, "wb") as f:
            f.write(recording())

    def replay(self, *args, **options):
        delay = () if "-s" in args else ("-s", "25")
        options.setdefault("env", {})["TZ"] = "UTC"
        terminal = Terminal("--replay", self.file, *delay, *args, **options)
        self.addCleanup(terminal.close)
        return terminal

    def at(self, terminal, number, state="paused"):
        minute, second = divmod(20 + number - 1, 60)
        position = f"22:{13 + minute:02}:{second:02} {number}/{SAMPLES} {state}".rstrip()
        return terminal.wait(lambda t: t.lines()[0].endswith(" " + position))

    def test_steps(self):
        terminal = self.replay()
        self.at(terminal, 1, "")
        self.assertTrue(terminal.lines()[0].startswith("kvm statistics - summary "))
        self.assertEqual(80, len(terminal.lines()[0]))
        for key, number in ((".", 2), (RIGHT, 3), (".", 4), (",", 3), (LEFT, 2), ("]", 12),
                            ("]", 22), ("[", 12), (",", 11), (",", 10), ("<", 1)):
            self.at(terminal.send(key), number)
            if number > 1:
                terminal.wait_value("exits", 1, min(number - 1, 19) * 30 + (number - 1) * 10)
                terminal.wait_value("exits", -1, 40 if number <= 20 else 10)
        self.at(terminal.send(">"), SAMPLES, "end")
        self.at(terminal.send("."), SAMPLES, "end")
        self.at(terminal.send("]"), SAMPLES, "end")
        terminal.wait_value("exits", 1, 19 * 30 + 29 * 10)
        self.at(terminal.send("<"), 1)
        self.at(terminal.send(","), 1)
        # Other keys are no refresh here.
        self.at(terminal.send("zz."), 2)
        self.quit(terminal)

    def test_goes_on(self):
        """As fast as it was recorded; stops at a key, and at the end."""
        terminal = self.replay("-s", "0.1")
        self.at(terminal, 5, "")
        terminal.send(" ").wait(" paused")
        shown = terminal.lines()[0]
        terminal.send("h").wait("stop the recording").send("h").wait("kvm statistics")
        self.assertEqual(shown, terminal.lines()[0])
        terminal.send(" ").wait_gone("paused")
        self.at(terminal, SAMPLES, "end")
        self.assertTrue(terminal.child.isalive())
        self.quit(terminal)

    def test_pace_of_the_recording(self):
        terminal = Terminal("--replay", self.file, env={"TZ": "UTC"})
        self.addCleanup(terminal.close)
        self.at(terminal, SAMPLES, "end")
        self.quit(terminal)

    def test_views(self):
        terminal = self.replay()
        self.at(terminal, 1, "").send("]")
        self.at(terminal, 11)
        terminal.send("b").wait("event: exits")
        terminal.wait_value("db", 1, 300)
        terminal.wait_value("web", 1, 100)
        self.at(terminal.send("."), 12)
        terminal.wait_value("db", 1, 330)
        self.at(terminal.send(">"), SAMPLES, "end")
        terminal.wait_gone(" db ")
        self.at(terminal.send("<."), 2)
        terminal.send("v").wait("vCPU")
        terminal.wait(lambda t: any("2001" in line for line in t.lines()))
        terminal.send("v").wait("Event ")
        terminal.wait_value("kvm_exit", 1, 10)
        self.assertIsNone(terminal.value("kvm_exit(HLT)"))
        terminal.send("x").wait_value("kvm_exit(HLT)", 1, 10)
        terminal.send("f").wait("New regex:").send("exits" + ENTER).wait("regex filter: exits")
        terminal.wait_gone("kvm_exit")
        self.at(terminal, 2)
        self.quit(terminal)

    def test_one_guest(self):
        terminal = self.replay()
        terminal.send("g").wait("name").send("db" + ENTER).wait("pid 2000 (db)")
        self.at(terminal.send("]"), 11)
        terminal.wait_value("exits", 1, 300)
        self.at(terminal.send("]"), 21)
        terminal.wait("Guest is DEAD")
        self.at(terminal.send("["), 11)
        terminal.wait_gone("DEAD")
        self.quit(terminal)

    def test_guest_that_comes_later(self):
        terminal = self.replay("-g", "late")
        self.at(terminal, 1, "")
        for key, number in (("]", 11), ("]", 21), ("[", 11)):
            self.at(terminal.send(key), number)
            self.assertNotIn("DEAD", "".join(terminal.lines()))
        self.quit(terminal)

    def test_reset(self):
        terminal = self.replay()
        self.at(terminal.send("]"), 11).send("r")
        self.at(terminal.send("."), 12)
        terminal.wait_value("exits", 1, 40)
        self.at(terminal.send("["), 2)
        terminal.wait_value("exits", 1, 40)
        self.at(terminal.send("."), 3)
        terminal.wait_value("exits", 1, 80)
        self.quit(terminal)

    def test_damage(self):
        """It is told, on the screen and behind it, and what is good can be seen."""
        with open(self.file, "r+b") as f:
            f.truncate(len(recording()) - 60)
        terminal = self.replay()
        terminal.wait("damaged after sample")
        terminal.send(".").wait("2/")
        terminal.wait_value("exits", 1, 40)
        terminal.send("q")
        self.assertEqual(1, terminal.wait_end())
        self.assertIn("damaged after sample", terminal.after_screen())

    def test_signal_while_it_is_read(self):
        """A sample that takes long to read: the terminal is given back meanwhile."""
        def end(sample, body):
            return body + json.dumps({"end": sample, "crc": zlib.crc32(body.encode())}) + "\n"
        text = json.dumps({"schema": "kvm_stat-recording/1", "sources": ["stats"],
                           "by": "vcpu"}) + "\n"
        for sample, lines in enumerate(['{"key":true}\n', "", "{}\n" * 400000]):
            text += end(sample, lines + json.dumps({"sample": sample, "monotonic": sample + 1,
                                                    "time": 7}) + "\n")
        with open(self.file, "wb") as f:
            f.write(gzip.compress((text + '{"closed":true}\n').encode(), 1))
        terminal = self.replay()
        terminal.wait(" 1/3").send(".").wait(" 2/3")
        before = cpu_time(terminal.child.pid)
        terminal.send(".")
        until(lambda: cpu_time(terminal.child.pid) > before + 0.02, "the sample is read")
        terminal.child.kill(signal.SIGINT)
        self.assertEqual(0, terminal.wait_end())
        self.assert_restored(terminal)
        self.assertEqual("", terminal.after_screen())

    def test_small_screens(self):
        for size in ((24, 40), (5, 20), (3, 12), (2, 8), (1, 3)):
            terminal = self.replay(size=size)
            terminal.wait(lambda t: t.text().strip() or t.rows < 2)
            terminal.send(".>")
            self.quit(terminal)


if __name__ == "__main__":
    unittest.main(verbosity=2)
