#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd-unit-merge does beside libvirt's script: sections, continued lines, values,
override, repetitions, files, and every error with its file and line.
"""
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import unit_tests  # noqa: E402

SYSTEMD = [path for path in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
           if os.path.exists(path)]
# Types of which several assignments add up, by the names in systemd's own list.
LISTS = re.compile(r"\[\.\.\.\]|CONDITION|TIMER|^ENVIRON|SYSCALLS|BOUNDINGSET|FAMILIES|NAMESPACES|"
                   r"FILESYSTEMS|DEVICEALLOW|CPUAFFINITY|STATUS|ARCHS|SOCKETS")


class Merge(unit_tests.TestCase):
    def merge_texts(self, *texts, options=()):
        paths = [self.put(f"{i}.in", text) for i, text in enumerate(texts)]
        return self.merged(*options, *paths)

    def refuse_text(self, text, expected, *options):
        """`expected` begins with the number of the line."""
        path = self.put("base.in", text)
        return self.refused(1, f"{path}:{expected}", *options, path)

    def test_order_and_layout(self):
        self.assertEqual("[Unit]\nb\na\nc\n\n[Service]\n# kept\ns\n\n[Install]\ni\n",
                         self.merge_texts(
            "# dropped\n\n[Install]\n  i\t\n[Service]\n# kept\ns\n[Unit]\nb\n\na",
                             "[Unit]\r\nc\r\n"))

    def test_nothing(self):
        for text in ("", "\n\n", "# only this\n", "[Unit]\n[Service]\n"):
            self.assertEqual("", self.merge_texts(text), text)

    def test_all_sections_of_systemd(self):
        names = ["Unit", "Service", "Socket", "Mount", "Automount", "Swap", "Path", "Timer",
                 "Slice",
                 "Scope", "Install", "X-B", "X-A"]
        text = "".join(f"[{name}]\na=1\n" for name in reversed(names[:-2]))
        merged = self.merge_texts(f"[X-B]\na=1\n{text}[X-A]\na=1\n", "[X-A]\nb=2\n")
        self.assertEqual(names, re.findall(r"\[(.*)\]", merged))
        self.assertTrue(merged.endswith("[X-A]\na=1\nb=2\n"), merged)

    def test_unknown_sections(self):
        self.refuse_text("[Unit]\na\n[Bogus]\n", "3: unknown section [Bogus]")
        self.refuse_text("[unit]\n", "1: unknown section [unit]")
        self.refuse_text("[]\n", "1: unknown section []")
        for name in ("Timer", "X-A"):
            self.refuse_text(f"[{name}]\n", f"1: unknown section [{name}]", "--strict-sections")
        self.refuse_text("".join(f"[X-{i}]\n" for i in range(100)), "54: more than 64 sections")

    def test_outside_of_sections(self):
        self.refuse_text("\n# fine\nkey=value\n[Unit]\n", "3: outside of any section: key=value")
        self.refuse_text("; not fine\n[Unit]\n", "1: outside of any section: ; not fine")
        self.refuse_text("\ufeff[Unit]\n", "1: outside of any section: ")

    def test_section_that_base_does_not_have(self):
        base, extra = self.put("base", "[Unit]\na\n[Service]\n"), self.put("extra",
                                                                           "\n[Service]\nb=1\n")
        self.refused(1, f"{extra}:3: section [Service] is not in the base, but this is in it: b=1",
                     base, extra)
        self.assertEqual("[Unit]\na\n", self.merged(base, self.put("extra", "[Service]\n")))

    def test_continued_lines(self):
        self.assertEqual("[Service]\nA=1 \\\n# between\n[Unit] \\\n2\nB=3\n", self.merge_texts(
            "[Service]\nA=1 \\\n   # between\n  [Unit] \\\n  2\n", "[Service]\nB=3\n"))
        self.assertEqual("[Unit]\nA=1 \\\n[Service]\nB=2\n", self.merge_texts(
            "[Unit]\nA=1 \\\n  [Service]\nB=2\n"))
        # A comment does not end a line, an empty line does, a blank behind the backslash does, too.
        self.assertEqual("[Unit]\n# a \\\nA=1 \\\n\nB=2\n", self.merge_texts(
            "[Unit]\n# a \\\nA=1 \\\n\n\nB=2\n"))
        self.assertEqual("[Unit]\nA=1 \\ \nB=2\nC=\\\\\nD=1\n", self.merge_texts(
            "[Unit]\nA=1 \\\t \nB=2\nC=\\\\\nD=1\n"))
        self.refuse_text("[Unit]\nA=1\nB=2 \\\n", "3: nothing follows that continues it: B=2 \\")
        self.refuse_text("[Unit]\nB=2 \\\n# c\n", "2: nothing follows")
        self.assertEqual("[Unit]\nB=2 \\\n\n[Service]\nx\n", self.merge_texts(
            "[Unit]\nB=2 \\ \n[Service]\nx\n", options=["--strict-sections"]))

    def test_values(self):
        text = ("[Unit]\n# @name@\nDescription=@name@ on @a-b_1@@name@\n"
                "After=getty@tty1.service a@b\n")
        self.assertEqual(text, self.merge_texts(text))
        self.assertEqual(
            "[Unit]\n# virt @a@\nDescription=virt @a@ on $&\\1virt @a@\n"
            "After=getty@tty1.service a@b\n",
            self.merge_texts(text, options=["-D", "name=virt @a@", "--define=a-b_1=$&\\1"]))
        # After the merge: names of any file.
        self.assertEqual("[Unit]\na=\nb=1\n", self.merge_texts(
            "[Unit]\na=@e@", "[Unit]\nb=@f@", options=["-De=", "-Df=1"]))

    def test_bad_values(self):
        text = "[Unit]\na=1\nb=@x@ @y@\n"
        self.refuse_text(text, "3: @y@ has no value: b=@x@ @y@", "-Dx=1")
        self.refused(1, "-D z=2: there is no @z@ in the unit", "-Dx=1", "-Dy=1", "-Dz=2",
                     self.put("a.in", text))
        self.refused(1, "-D z=2: there is no @z@ in the unit", "-Dz=2", self.put("b.in", ""))
        for text, value, why in (("@x@", "[Service]", "[Service]"), ("@x@]", "[U", "[U]"),
                                 ("a=@x@", "b\\", "a=b\\"), ("@x@=1", "#", "#=1")):
            self.refuse_text(f"[Unit]\n{text}\nb=1\n",
                             f"2: with the values it is another kind of line: {why}",
                             f"-Dx={value}")
        path = self.put("base.in", "[Unit]\na=@x@\n")
        for option in ("", "x", "=1", "x y=1", "@x@=1", "x=a\nb", "x=a\rb", "x=\x7f"):
            self.refused(2, "", "-D", option, path)
        self.refused(2, "", b"-Dx=\xff", path)
        self.refused(2, '"x" is defined twice', "-Dx=1", "-Dx=1", path)

    def test_values_are_bounded(self):
        path = self.put("base.in", "[Unit]\n" + "a=" + "@x@" * 1000 + "\n")
        self.refused(1, f"{path}:2: the values make more than 16 MiB", "-Dx=" + "y" * 100000, path)

    def test_override(self):
        def check(expected, *texts):
            self.assertEqual(expected, self.merge_texts(*texts, options=["--override"]))

        check("[Unit]\n# about a\nAfter=x\nAfter=z\nDescription = 2\n",
              "[Unit]\n# about a\nDescription=1\nAfter=x", "[Unit]\nAfter=z\nDescription = 2")
        check("[Service]\n# in it\nB=1\nExecStart=\nExecStart=c\n",
              "[Service]\nExecStart=a \\\n# in it\n b\nB=1\n", "[Service]\nExecStart=\nExecStart=c")
        check("[Unit]\nAfter=\n", "[Unit]\nAfter=a\nAfter=b", "[Unit]\nAfter=")
        # Kinds of one list are reset together; equal names elsewhere are something else.
        check("[Unit]\nX=1\nConditionHost=\nConditionHost=b\n",
              "[Unit]\nConditionPathExists=/a\nX=1", "[Unit]\nConditionHost=\nConditionHost=b")
        check("[Unit]\nAssertHost=\n", "[Unit]\nAssertUser=a", "[Unit]\nAssertHost=")
        check("[Socket]\nListenFIFO=\n", "[Socket]\nListenStream=/a", "[Socket]\nListenFIFO=")
        check("[Timer]\nOnClockChange=yes\nOnBootSec=\n",
              "[Timer]\nOnCalendar=daily\nOnClockChange=yes", "[Timer]\nOnBootSec=")
        check("[Path]\nPathChanged=\n", "[Path]\nDirectoryNotEmpty=/a", "[Path]\nPathChanged=")
        check("[Unit]\nno assignment\n=1\nno assignment\n=2\n",
              "[Unit]\nno assignment\n=1", "[Unit]\nno assignment\n=2")
        check("[X-A]\nRestart=1\nRestart=2\n", "[X-A]\nRestart=1", "[X-A]\nRestart=2")
        check("[Service]\nA=1\nType=exec\nTimeoutStopSec=2\nTimeoutSec=2\n",
              "[Service]\nType=notify\nTimeoutStopSec=1\nTimeoutSec=1\nA=1",
              "[Service]\nType=exec\nTimeoutStopSec=2\nTimeoutSec=2")
        # A list that looks like none.
        check("[Service]\nCoredumpFilter=elf-headers\nCoredumpFilter=private-huge\n",
              "[Service]\nCoredumpFilter=elf-headers", "[Service]\nCoredumpFilter=private-huge")
        # Nothing left but a section without lines, which is none.
        check("[Service]\nRestart=2\n", "[Service]\nRestart=1", "[Service]\nRestart=2")

    def test_override_keeps_lists(self):
        """No key that systemd calls a list is taken for a scalar."""
        if not SYSTEMD:
            self.skipTest("no-systemd: it is not installed")
        dump = subprocess.run([SYSTEMD[0], "--dump-configuration-items"], capture_output=True,
                              text=True, check=True, env={}).stdout
        sections = {}
        for line in dump.splitlines():
            if line.startswith("["):
                section = sections.setdefault(line, {})
            elif "=" in line:
                key, _, kind = line.partition("=")
                section[key] = kind
        lists = booleans = 0
        for name, keys in sections.items():
            if name[1:-1] not in ("Unit", "Service", "Socket", "Mount", "Swap", "Path", "Timer",
                                  "Slice",
                                  "Scope", "Install"):
                continue
            text = f"{name}\n" + "".join(f"{key}=1\n" for key in keys)
            merged = self.merge_texts(text, text, options=["--override"]).splitlines()
            for key, kind in keys.items():
                if LISTS.search(kind):
                    self.assertEqual(2, merged.count(f"{key}=1"), (name, key, kind))
                    lists += 1
                elif kind in ("BOOLEAN", "MODE"):
                    booleans += merged.count(f"{key}=1") == 1
        print(f"{lists} lists, {booleans} scalars")
        self.assertGreater(lists, 100)
        self.assertGreater(booleans, 100)

    def test_dedup(self):
        def check(expected, *texts):
            self.assertEqual(expected, self.merge_texts(*texts, options=["--dedup"]))

        check("[Unit]\nAfter=a b\nAfter=c a\nWants=a\n", "[Unit]\nAfter=a b\nAfter=b",
              "[Unit]\nAfter=b  a\nAfter=c a\nWants=a")
        check("[Unit]\nAfter=a\nAfter=\nAfter=a\n", "[Unit]\nAfter=a\nAfter=a",
              "[Unit]\nAfter=\nAfter=a\nAfter=a")
        check("[Unit]\nDocumentation=\"a\nDocumentation=\"a\n", "[Unit]\nDocumentation=\"a",
              "[Unit]\nDocumentation=\"a")
        check("[Service]\nTimeoutSec=9\nTimeoutStopSec=1\n",
              "[Service]\nTimeoutStopSec=1", "[Service]\nTimeoutSec=9\nTimeoutStopSec=1")
        check("[Service]\nExecStartPre=a\nExecStartPre=a\nRestart=no\nRestart=yes\nRestart=no\n",
              "[Service]\nRestart=no\nExecStartPre=a\nExecStartPre=a",
              "[Service]\nRestart=no\nRestart=yes\nRestart=no\nRestart=no")
        check("[Install]\nAlso=a \\\nb\n# here\n",
              "[Install]\nAlso=a \\\nb\nAlso=b \\\n# here\n a\n")
        check("[Service]\nEnvironment=A=1\nEnvironment=A=2\nEnvironment=A=1\n",
              "[Service]\nEnvironment=A=1\nEnvironment=A=2\nEnvironment=A=1")

    def test_values_come_before_dedup_and_override(self):
        self.assertEqual("[Unit]\nAfter=a.service\n", self.merge_texts(
            "[Unit]\nAfter=@x@.service\nAfter=a.service", options=["--dedup", "-Dx=a"]))
        self.assertEqual("[Service]\nRestart=yes\n", self.merge_texts(
            "[Service]\nRestart=@x@", "[Service]\nRestart=yes", options=["--override", "-Dx=a"]))


class Output(unit_tests.TestCase):
    def setUp(self):
        super().setUp()
        self.base = self.put("base.in", "[Unit]\na=1\n")
        self.out = self.path("out/unit")
        os.mkdir(self.path("out"))

    def read(self, path):
        with open(path, encoding="utf-8") as f:
            return f.read()

    def test_file(self):
        self.assertEqual("", self.merged("-o", self.out, self.base, umask=0o027))
        self.assertEqual("[Unit]\na=1\n", self.read(self.out))
        self.assertEqual(0o640, stat.S_IMODE(os.stat(self.out).st_mode))
        before = os.stat(self.out)
        with open(self.out, encoding="utf-8") as reader:
            self.merged("--output", self.out, self.base, self.base)
            self.assertEqual("[Unit]\na=1\n", reader.read())  # who has it open keeps the old one
        self.assertNotEqual(before.st_ino, os.stat(self.out).st_ino)
        self.assertEqual(["unit"], os.listdir(self.path("out")))

    def test_failures_leave_what_was_there(self):
        self.put("out/unit", "old")
        self.refused(1, "", "-o", self.out, self.put("bad", "x=1"))
        self.refused(1, "", "-o", self.out, self.path("absent"))
        self.assertEqual("old", self.read(self.out))
        self.refused(1, "cannot write", "-o", self.path("absent/unit"), self.base)
        self.refused(1, "Is a directory", "-o", self.path("out"), self.base)
        os.mkfifo(self.path("fifo"))
        self.refused(1, "not a regular file", "-o", self.path("fifo"), self.base)
        self.refused(1, "not a regular file", "-o", "/dev/null", self.base)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        self.assertEqual(["unit"], os.listdir(self.path("out")))

    def test_links(self):
        """A link stays, and what it leads to is replaced."""
        target, link = self.put("target/unit", "old"), self.path("out/unit")
        os.symlink("../target/unit", link)
        self.merged("-o", link, self.base)
        self.assertEqual(("../target/unit", "[Unit]\na=1\n"), (os.readlink(link), self.read(target)))
        self.assertEqual(["unit"], os.listdir(self.path("target")))
        os.unlink(target)
        self.refused(1, "No such file", "-o", link, self.base)
        self.assertEqual([], os.listdir(self.path("target")))
        # As root /dev/stdout itself could be lost.
        os.symlink("/proc/self/fd/1", self.path("stdout"))
        with open(target, "w", encoding="utf-8") as f:
            subprocess.run([unit_tests.PROGRAM, "-o", self.path("stdout"), self.base], stdout=f,
                           check=True)
        self.assertEqual("/proc/self/fd/1", os.readlink(self.path("stdout")))
        self.assertEqual("[Unit]\na=1\n", self.read(target))
        result = unit_tests.merge("-o", self.path("stdout"), self.base)
        self.assertEqual((1, b""), (result.returncode, result.stdout))

    def test_signal(self):
        """Who is killed while he writes leaves no file behind."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)

        base = self.put("big", "[Unit]\n" + "a=1\n" * 5000)
        result = unit_tests.merge("-o", self.out, base, preexec_fn=limit)
        self.assertEqual((-signal.SIGXFSZ, b""), (result.returncode, result.stdout))
        self.assertEqual([], os.listdir(self.path("out")))

    def test_full_disk(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        base = self.put("big", "[Unit]\n" + "a=1\n" * 5000)
        result = subprocess.run(["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh", unit_tests.PROGRAM,
                                 "-o",
                                 self.out, base], capture_output=True, text=True, check=False,
                                preexec_fn=limit)
        self.assertEqual(1, result.returncode)
        self.assertIn("File too large", result.stderr)
        self.assertEqual([], os.listdir(self.path("out")))
        with open("/dev/full", "wb") as full:
            result = subprocess.run([unit_tests.PROGRAM, self.base], stdout=full,
                                    stderr=subprocess.PIPE,
                                    check=False)
        self.assertEqual(1, result.returncode)
        self.assertIn(b"No space left", result.stderr)

    def test_depfile(self):
        depfile = self.path("out/unit.d")
        extra = self.put("with blank #1 $x.in", "[Unit]\n")
        self.merged("-o", self.out, "--depfile", depfile, self.base, extra)
        self.assertEqual(f"{self.out}: \\\n {self.base} \\\n"
                         f" {self.directory}/with\\ blank\\ \\#1\\ $$x.in\n",
                         self.read(depfile))
        self.refused(2, "--depfile needs --output", "--depfile", depfile, self.base)
        for name in ("line\nend", "back\\", "back\\ slash", "colon:", "star*"):
            bad = self.put(name, "[Unit]\n")
            self.refused(1, "that make cannot take", "-o", self.out, "--depfile", depfile, bad)

    def check_depfile(self, command, rules, depfile):
        """The command makes the unit again when the template is newer, and not before."""
        extra = self.put("with blank #1 $x\\x2dy.in", "[Unit]\nb=1\n")
        self.merged("-o", self.out, "--depfile", self.path("unit.d"), self.base, extra)
        self.put(rules, depfile)

        def make():
            return "again" in subprocess.run(command, capture_output=True, text=True, check=True,
                                             cwd=self.directory).stdout
        make()
        self.merged("-o", self.out, "--depfile", self.path("unit.d"), self.base, extra)
        make()
        self.assertFalse(make())
        later = time.time() + 10
        os.utime(extra, (later, later))
        self.assertTrue(make())

    @unittest.skipUnless(shutil.which("make"), "no-make: make is missing")
    def test_make_understands_the_depfile(self):
        self.check_depfile(["make", "-s", self.out], "Makefile",
                           f"{self.out}:\n\t@echo again\ninclude unit.d\n")

    @unittest.skipUnless(shutil.which("ninja"), "no-ninja: ninja is missing")
    def test_ninja_understands_the_depfile(self):
        self.check_depfile(["ninja", "-v", self.out], "build.ninja",
                           "rule again\n  command = touch $out # again\n  depfile = unit.d\n"
                           f"build {self.out}: again\n")

class Lists(unit_tests.TestCase):
    """Many units in one run: each as by a run of its own."""

    def setUp(self):
        super().setUp()
        self.base = self.put("base.in", "[Unit]\na=@x@\n[Service]\nRestart=no\n")
        self.extra = self.put("an extra.in", "[Service]\nRestart=@y@\n")

    def list(self, *units, text=None):
        self.path_of_list = self.put("list", "".join(
            "\t".join([self.path(unit[0]), *unit[1:]]) + "\n" for unit in units)
            if text is None else text)
        return f"--list={self.path_of_list}"

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def test_units(self):
        options = ["--override", "-Dx=1", "-Dy=always"]
        self.assertEqual("", self.merged(*options, self.list(
            ("a b.service", self.base, self.extra), ("b.service", self.base),
            ("c.service", self.base, self.extra, self.extra))))
        self.assertEqual("[Unit]\na=1\n\n[Service]\nRestart=always\n", self.read("a b.service"))
        self.assertEqual("[Unit]\na=1\n\n[Service]\nRestart=no\n", self.read("b.service"))
        self.assertEqual(self.read("a b.service"), self.read("c.service"))
        self.merged(self.list(text=f"\n{self.path('d')}\t{self.base}"))
        self.assertIn("a=@x@", self.read("d"))
        self.merged(self.list(text=""))

    def test_many(self):
        """Each unit has the limits of a run of its own."""
        big = self.put("big", "[Unit]\n" + "a=1\n" * 200000)
        self.merged(self.list(*[(f"{i}.service", big) for i in range(25)]))
        self.assertEqual(self.read("big"), self.read("24.service"))

    def test_errors(self):
        good, bad = ("good", self.base), ("bad", self.put("bad.in", "[Unit]\na=1\n[Bogus]\n"))
        self.refused(1, f"{bad[1]}:3: unknown section", self.list(good, bad, ("behind", self.base)))
        self.refused(1, "-D z=1: there is no @z@ in the units", "-Dx=1", "-Dz=1", self.list(good))
        self.assertFalse(os.path.exists(self.path("good")))  # or make would not try it again
        self.refused(1, f"{self.base}:2: @x@ has no value", "-Dz=1", self.list(good))
        self.refused(1, "cannot write", self.list(("absent/unit", self.base)))
        for text, why in (("\na\n", "2: no BASE is named"), ("a\t\tb\n", "1: a path is empty"),
                          ("\ta\n", "1: a path is empty"), ("a\tb\t", "1: a path is empty"),
                          ("a\0b\tc", "1: it holds a NUL byte"),
                          ("a\tb\nc\tb\na\tb\n", "3: this file is in the list already")):
            option = self.list(text=text)
            self.refused(1, f"{self.path_of_list}:{why}", option)
        self.refused(1, "No such file", "--list", self.path("nowhere"))
        for options in (["-oX"], ["--depfile=x", "-oX"], [self.base]):
            self.refused(2, "--list stands alone", self.list(good), *options)
        self.refused(2, "exclude each other", "--lint", self.list(good))


class Input(unit_tests.TestCase):
    def test_no_regular_file(self):
        os.mkfifo(self.path("fifo"))
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.path("socket"))
            for name, why in (("absent", "No such file or directory"), ("", "is a directory"),
                              ("fifo", "not a regular file"), ("socket", "not a regular file"),
                              ("/dev/null", "not a regular file"),
                              ("/dev/zero", "not a regular file")):
                path = self.path(name)
                self.refused(1, f"{path}: {why}", path)
                self.refused(1, f"{path}: {why}", self.put("base", "[Unit]\na=1\n"), path)
        self.refused(1, ": No such file", "")

    def test_bytes(self):
        path = self.put("a", b"[Unit]\r\na=1\rb=2\n\nc=\0\n")
        self.refused(1, f"{path}:5: it holds a NUL byte", path)
        for data in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            path = self.put("a", b"[Unit]\na=1" + data)
            self.refused(1, f"{path}:2: it is not UTF-8", path)
        path = self.put("a", "[Unit]\n\x1b[2J=1\n[\x1b[2J]\n")
        self.assertNotIn("\x1b", self.refused(1, "\\x1b[2J", path))

    def test_sizes(self):
        limit = 1024 * 1024
        text = b"[Unit]\na=" + b"x" * (limit - 10) + b"\n"
        self.assertEqual(limit, len(text))
        self.assertEqual(text, self.merged(self.put("a", text)).encode())
        path = self.put("b", text + b"\n")
        self.refused(1, f"{path}: larger than 1024 KiB", path)
        for letter in ("y", "\u20ac"):
            error = self.refused(1, "...", self.put("long", letter * 300000))
            self.assertLess(len(error), 500)
        sparse = self.put("c", "")
        os.truncate(sparse, 1 << 40)
        self.refused(1, "larger than", sparse)
        small = [self.put("a", text)] * 17
        self.refused(1, "with it there are more than 16 MiB to read", *small)

    def test_many_lines_and_files(self):
        """Time and memory grow with the input only."""
        def limit():
            resource.setrlimit(resource.RLIMIT_CPU, (20, 20))

        paths = [self.put("base", "[Unit]\n" + "A=\n" * 340000)]
        paths += [self.put("extra", "[Unit]\n" + "After=a\n" * 130000)] * 4
        result = unit_tests.merge("--override", "--dedup", *paths, preexec_fn=limit)
        self.assertEqual((0, b""), (result.returncode, result.stderr))
        self.assertEqual(b"[Unit]\nA=\nAfter=a\n", result.stdout)
        self.merged(*[self.put("one", "[Unit]\na\n")] * 20000)

    def test_command_line(self):
        base = self.put("base", "[Unit]\n")
        self.refused(2, "no BASE is named")
        self.refused(2, "no unit is named", "--lint")
        for option in ("--json", "--external=x"):
            self.refused(2, "needs --lint", option, base)
        for option in ("--dedup", "--override", "--strict-sections", "-Dx=1", "-oX", "--depfile=x"):
            self.refused(2, "and --lint exclude each other", "--lint", option, base)


if __name__ == "__main__":
    unittest.main(verbosity=2)
