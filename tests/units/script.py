#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of generated units, merged by libvirt's script and by systemd-unit-merge: the same
bytes and the same exit status. With --strict-sections that holds for any input that both take;
without, for units whose sections libvirt knows and in which no line continues another in a way that
the script would break. UNIT_MERGE_SEED makes another run, UNIT_MERGE_PAIRS a longer one.
"""
import os
import random
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import unit_tests  # noqa: E402

SEED = int(os.environ.get("UNIT_MERGE_SEED", "20231003"))
PAIRS = int(os.environ.get("UNIT_MERGE_PAIRS", "2000"))
SCRIPT = None

BLANKS = [" ", "\t", "  ", "\v", "\f", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028",
          "\u202f", "\u3000", " \t "]
NO_BLANKS = ["\u200b", "\ufeff", "\x1b", "\x7f", "\u180e"]  # though they look like some
LINE_ENDS = ["\n"] * 20 + ["\r\n", "\r", "\n\n", "\n \n", "\r\r\n"]
KEYS = ["Description", "After", "Requires", "Conflicts", "ExecStart", "Environment", "ListenStream",
        "SocketMode", "WantedBy", "Also", "X-Own", "K\xe4y"]
VALUES = ["", "a.service", "a.service b.socket", "/usr/sbin/virtd $ARGS", "\"quoted [value]\"",
          "0666",
          "@name@ daemon", "%t/socket", "caf\xe9 \u2713 \U0001f5a5", "[not a header", "trailing]",
          "\\\\", "x\\x2dy"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def blank(self):
        return self.random.choice(BLANKS) if self.random.random() < 0.1 else ""

    def content(self):
        r = self.random
        kind = r.random()
        if kind < 0.12:
            return r.choice("#;") + r.choice(["", " a comment", " ends with \\", "[Unit]", "=x"])
        if kind < 0.15:
            return r.choice(["no assignment", "=", "==x", "[", "]", "[x", "x]", "[x] = [y",
                             r.choice(NO_BLANKS) + "x", "x" * 3000])
        return f"{r.choice(KEYS)}{r.choice(['=', ' = '])}{r.choice(VALUES)}"

    def continued(self):
        """An assignment of several lines; a blank behind the backslash or an empty line is rare."""
        r = self.random
        lines = []
        for _ in range(r.randint(1, 3)):
            lines.append(r.choice(["", "  ", "\t"]) + r.choice(VALUES[1:9]) + " \\" +
                         ("" if r.random() < 0.95 else " "))
            if r.random() < 0.15:
                lines.append(r.choice(["# in between", "; in between \\"]))
        lines.append(r.choice(["    last", "last", "[Service]",
                               ""]) if r.random() < 0.1 else "  last")
        return [f"ExecStart={lines[0].lstrip()}", *lines[1:]]

    def header(self, sections):
        if self.random.random() < 0.006:
            return self.random.choice(["[]", "[unit]", "[Unit ]", "[Timer]", "[Bogus]", "[[Unit]]",
                                       "[Invalid]", "[X-Own]"])
        return f"[{self.random.choice(sections)}]"

    def unit(self, sections):
        """A unit as bytes."""
        r = self.random
        lines = []
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            lines.append("# above all" if r.random() < 0.95 else r.choice(["; above", "Key=value",
                                                                           "["]))
        for _ in range(r.randint(0, 6)):
            lines.append(self.header(sections))
            for _ in range(r.choice([0, 1, 2, 3, 8])):
                lines += self.continued() if r.random() < 0.1 else [self.content()]
        text = "".join(self.blank() + line + self.blank() + r.choice(LINE_ENDS) for line in lines)
        if r.random() < 0.2:
            text = text.rstrip("\r\n")
        data = text.encode()
        if r.random() < 0.01:  # not UTF-8
            at = r.randint(0, len(data))
            data = data[:at] + r.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                                         b"\xc0\x80"]) + data[at:]
        return data

    def files(self):
        """BASE and up to three EXTRA."""
        r = self.random
        sections = r.sample(unit_tests.LIBVIRT_SECTIONS, r.randint(1, 4))
        base = self.unit(sections)
        if r.random() < 0.6:  # so that most merges succeed
            base += b"\n" + "".join(f"[{section}]\nKey=value\n" for section in sections).encode()
        return [base, *(self.unit(sections) for _ in range(r.choice([0, 1, 1, 1, 2, 3])))]




def is_plain(data):
    """Whether libvirt's script keeps the meaning of all lines, and knows all the sections."""
    try:
        lines = re.split("\r\n|\r|\n", data.decode())
    except UnicodeDecodeError:
        return True
    continues = False
    for line in lines:
        text = line.strip()
        if text[:1] in ("#", ";") and text:
            continue
        if continues and (not text or text[0] == "[" and text[-1] == "]"):
            return False
        if not continues and re.fullmatch(r"\[(X-.*|Timer)\]", text):
            return False
        trailing = len(text) - len(text.rstrip("\\"))
        continues = trailing % 2 == 1
        if continues and line.rstrip("\\") == line:
            return False
    return not continues


class Against(unit_tests.TestCase):
    def test_generated(self):
        print(f"seed {SEED}, {PAIRS} merges")
        generator, script = Generator(SEED), unit_tests.Script(SCRIPT)
        merged = compared = plain = 0
        for number in range(PAIRS):
            files = generator.files()
            paths = [self.put(f"{i}.in", data) for i, data in enumerate(files)]
            status, output = script.run(*paths)
            modes = [["--strict-sections"]]
            if all(map(is_plain, files)):
                modes.append([])
                plain += 1
            for mode in modes:
                result = unit_tests.merge(*mode, *paths)
                what = f"seed {SEED}, merge {number}, {mode}: {result.stderr!r}\n{files}"
                self.assertEqual(status, result.returncode, what)
                if status == 0:
                    self.assertEqual(output, result.stdout, what)
                    self.assertEqual(b"", result.stderr, what)
                else:
                    self.assertEqual(b"", result.stdout, what)
                    self.assertRegex(result.stderr.decode(), r"^systemd-unit-merge: .*\.in:\d+: ")
                compared += 1
            merged += status == 0
        print(f"{compared} comparisons, {merged} merges succeeded, {plain} also without "
              "--strict-sections")
        self.assertGreater(merged, PAIRS // 3)
        self.assertGreater(PAIRS - merged, PAIRS // 10)
        self.assertGreater(plain, PAIRS // 3)

    def test_as_a_program(self):
        """The script as users run it: what is compared above is what it really prints."""
        generator, script = Generator(SEED + 1), unit_tests.Script(SCRIPT)
        for _ in range(20):
            paths = [self.put(f"{i}.in", data) for i, data in enumerate(generator.files())]
            result = subprocess.run([sys.executable, SCRIPT, *paths], capture_output=True,
                                    check=False,
                                    env={**os.environ, "PYTHONUTF8": "1"})
            self.assertEqual(script.run(*paths), (result.returncode, result.stdout))


if __name__ == "__main__":
    SCRIPT = unit_tests.need_script()
    unittest.main(verbosity=2)
