#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Huge, hostile and missing input: the emulator gets it as it is, or one clean line says why."""
import ctypes
import os
import resource
import shutil

import launcher
from launcher import CONFIG, UNUSABLE, VENDOR_CONFIG

OFF = {"QEMU_KVM_ACCEL": "off"}
MAX_ARGUMENT = 128 * 1024 - 1  # MAX_ARG_STRLEN without the NUL

# Nothing of this may reach a terminal as it is.
HOSTILE = ["\x1b[31m", "\x07", "\n", "\r", "\x9b31m", "\udcff", "\u202e", "\u2028", "\x7f",
           "\udcc3(", "\udced\udca0\udc80", "a\tb"]

READCONFIGS = [
    b"[machine", b"[machine]\naccel", b'accel = "tcg"\n', b"[machine]\n  accel = tcg\n",
    b"\xff" * 1000, b"[" + b"a" * 100000 + b"]\n", b"a" * 1000000,
    b'[machine]\n  accel = "' + b"x" * 5000 + b'"\n', b'[machine]\n  accel = "tcg\n',
    b'[machine]\n\0  accel = "tcg"\n', b"\0" * 100, b'[""]\n', b'[machine "]\n accel = "tcg"\n',
    b"[]\n", b'[machine ""]\n accel = "tcg"\n', b'[machine]\n = "tcg"\n',
    b'[machine]\n accel = ""\n',
    b"\n" * 100000, b'[accel]\n' * 20000, b'[machine]\n  accel = "a"\n' * 20000,
    b'[machine]\r\n  accel = "tcg"\r\n', b"%s%n[machine]%s\n", b'[machine] # "\n accel = "tcg"\n',
]

VALUES = ["", ",", ",,", ",,,", "=", "==", ",=", "=,", "accel", "accel=", "accel=,", ",accel=tcg",
          "=accel=tcg", "accel==tcg", "accel=tcg,accel=", "accel=:", "accel=kvm:", "accel=:kvm",
          "accel=kvm::tcg", "," * 100000, "a=" * 50000, "accel=" + "kvm:" * 20000, "type=",
          "type=,type=none,type=", "\udcff=\udcff", "noaccel", "accel=kvm\n", "help,,", "?,", "{}",
          '{"accel":"tcg"}', "{", "%s%n"]


class Size(launcher.TestCase):
    def assert_whole(self, args, expected=None, **options):
        result = self.host.run(*args, **options)
        self.assert_run(result, args if expected is None else expected)
        self.assertEqual(b"", result.stderr)

    def test_many_arguments(self):
        for args in ([str(n) for n in range(5000)], [""] * 5000, ["-m", "1G"] * 2500,
                     ["-device", "e1000"] * 2500, ["-unheard-of"] * 5000, ["-"] * 5000):
            with self.subTest(args[:2]):
                self.assert_whole(args, ["-accel", "kvm", *args])
        args = ["-machine", "accel=tcg"] * 2500
        self.assert_whole(args)

    def test_long_arguments(self):
        for letter in ("x", "\udcff", "\n", ",", "'", "-"):
            argument = letter * MAX_ARGUMENT
            with self.subTest(letter):
                self.assert_whole(["-append", argument], ["-accel", "kvm", "-append", argument])
        for option in ("-machine", "-accel", "-device", "-netdev", "-readconfig", "-set", "-cpu"):
            for letter in ("x", ",", "=", "."):
                with self.subTest(option=option, letter=letter):
                    result = self.host.run(option, letter * MAX_ARGUMENT, env=OFF)
                    self.assert_run(result, [option, letter * MAX_ARGUMENT])

    def test_explained(self):
        args = ["-append", "'" * MAX_ARGUMENT, *[""] * 5000]
        result = self.host.run("--kvm-explain", *args)
        self.assertEqual((0, [], b""), (result.returncode, result.runs, result.stderr))

    def run_filled(self, size):
        """The launcher with so many bytes of arguments, or None when it cannot even be started."""
        args = ["x" * 100000] * (size // 100001)
        args.append("x" * (size - 100001 * len(args)))
        try:
            return self.host.run("-append", *args, kvm=None, env=OFF)
        except OSError:
            return None

    def test_kernel_limit(self):
        """What the launcher adds can be too much: the longer path and the variable."""
        soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
        low, high = 100000, 8 << 20 if soft == resource.RLIM_INFINITY else max(soft, 1 << 20)
        while high - low > 1:
            middle = (low + high) // 2
            if self.run_filled(middle):
                low = middle
            else:
                high = middle
        result = self.run_filled(low)
        self.assert_refused(result, 126, "too long|too many|[Tt]oo big")
        result = self.run_filled(low - 4096)
        self.assertEqual((0, 1, b""), (result.returncode, len(result.runs), result.stderr))
        self.assertEqual(b"-append", result.runs[-1].argv[1])


class Start(launcher.TestCase):
    """Started in odd ways."""

    def test_no_argv(self):
        result = self.host.run(faults=["--no-argv"])
        self.assert_run(result, ["-accel", "kvm"])
        result = self.host.run(faults=["--no-argv"], kvm=UNUSABLE)
        self.assert_refused(result, 1)

    def test_own_name(self):
        for name, shown in (("", "qemu-kvm"), ("x", "x"), ("/a/b/kvm", "kvm"), ("./kvm", "kvm"),
                            ("/a/", "qemu-kvm"), ("/", "qemu-kvm"), ("-qemu-kvm", "-qemu-kvm"),
                            ("a b", "a b"), ("%s%n", "%s%n"), ("\x1b[31m", r"\x1b[31m"),
                            ("a\nb", r"a\x0ab"), ("\udcff", r"\xff")):
            with self.subTest(name):
                faults = ["--argv0", name]
                self.assert_run(self.host.run("-m", "1", faults=faults),
                                ["-accel", "kvm", "-m", "1"])
                result = self.host.run("-m", "1", faults=faults, kvm=UNUSABLE)
                self.assert_refused(result, 1, name=shown)

    def test_closed_descriptors(self):
        """Nothing takes the place of those that are closed, neither for messages nor after exec."""
        for numbers in ([0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]):
            def prepare(numbers=numbers):
                for number in numbers:
                    os.close(number)
            with self.subTest(numbers):
                reference = self.reference(prepare=prepare)
                for args, expected in (
                        (["-m", "1"], ["-accel", "kvm", "-m", "1"]),
                        (["-readconfig", "x"], ["-accel", "kvm", "-readconfig", "x"]),
                        (["-version"], ["-version"])):
                    self.assert_run(self.host.run(*args, prepare=prepare), expected,
                                    reference=reference)
                result = self.host.run("-m", "1", prepare=prepare, kvm=UNUSABLE)
                self.assertEqual((1, []), (result.returncode, result.runs))
                self.assertEqual(2 in numbers, result.stderr == b"")
                # LeakSanitizer itself fails without both stdin and stderr.
                result = self.host.run("--kvm-explain", "-m", "1", prepare=prepare,
                                       env={"ASAN_OPTIONS": "detect_leaks=0"})
                self.assertEqual(1 if 1 in numbers else 0, result.returncode, result.stderr)

    def test_full_output(self):
        def prepare():
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        result = self.host.run("--kvm-explain", "-m", "1", prepare=prepare)
        self.assertEqual((1, []), (result.returncode, result.runs))
        self.assert_line(result.stderr, "[Ss]pace")

        def prepare_error():
            os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
        result = self.host.run("-enable-kvm", prepare=prepare_error, kvm=UNUSABLE)
        self.assert_run(result, ["-enable-kvm"])

    def test_broken_pipe(self):
        """A warning that nobody reads does not keep the guest from running."""
        reader, writer = os.pipe()
        os.close(reader)

        def prepare():
            os.dup2(writer, 2)
        result = self.host.run("-enable-kvm", prepare=prepare, kvm=UNUSABLE, fds=[writer])
        os.close(writer)
        self.assert_run(result, ["-enable-kvm"])

    def test_few_descriptors(self):
        """At 7 there is room for four more; below that it may say so, and nothing else."""
        for limit in range(4, 13):
            for args, expected in ((["-m", "1"], ["-accel", "kvm", "-m", "1"]),
                                   (["-version"], ["-version"]), (["-tdf"], None)):
                words = [f"--nofile={limit}:{limit}", self.host.launcher, *args]
                result = self.host.run(*words, program=shutil.which("prlimit"))
                with self.subTest(limit=limit, args=args):
                    if result.returncode == 0:
                        self.assert_run(result, expected or result.runs[-1].argv[1:])
                        continue
                    self.assertLess(limit, 7, result.stderr)
                    self.assertIn(result.returncode, (1, 126))
                    self.assert_line(result.stderr.splitlines(True)[-1], warning=False)

    def test_odd_environment(self):
        """Names twice and entries without a value are passed on as they are."""
        entries = ["A=1", "A=2", "noequals", "=x", "", "B=\udcff\n",
                   *(f"{name}={value}" for name, value in self.host.environment().items())]

        def prepare():
            def array(words):
                return (ctypes.c_char_p * (len(words) + 1))(*map(os.fsencode, words), None)
            program = os.fsencode(self.host.launcher)
            launcher.libc.execve(program, array(["qemu-kvm", "-version"]), array(entries))
        result = self.host.run(prepare=prepare, kvm=None)
        self.assert_run(result, ["-version"])
        self.assertEqual([os.fsencode(entry) for entry in entries],
                         self.other_env(result.runs[-1]))

    def test_empty_environment(self):
        """Only the usual directories are left to look in."""
        def prepare():
            def array(words):
                return (ctypes.c_char_p * (len(words) + 1))(*map(os.fsencode, words), None)
            launcher.libc.execve(os.fsencode(self.host.launcher), array(["qemu-kvm", "-version"]),
                                 array([]))
        launcher.write(os.path.join("/usr/local/bin", launcher.EMULATOR_NAME),
                       "#!/bin/sh\necho ran\n", 0o755)
        result = self.host.run(prepare=prepare, kvm=None)
        self.assertEqual((0, b"ran\n", b""), (result.returncode, result.stdout, result.stderr))

    def test_no_working_directory(self):
        os.mkdir("gone")

        def prepare():
            os.chdir("gone")
            os.rmdir("../gone")
        args = ["-readconfig", "x.cfg", "disk.img"]
        self.assert_run(self.host.run(*args, prepare=prepare), ["-accel", "kvm", *args])


class Text(launcher.TestCase):
    """Messages are clean whatever they quote."""

    def test_policy(self):
        for text in HOSTILE:
            with self.subTest(text):
                self.assert_refused(self.host.run(env={"QEMU_KVM_ACCEL": text}), 1)

    def test_config(self):
        for file in (CONFIG, VENDOR_CONFIG):
            for text in HOSTILE:
                for line in (f"accel = x{text}x", f"x{text}x = off", f"x{text}x"):
                    launcher.write(file, line)
                    with self.subTest(line):
                        self.assert_refused(self.host.run(), 1, file)
            launcher.remove(file)

    def test_emulator(self):
        for text in HOSTILE:
            directory = self.host.path("work", f"x{text}x")
            emulator = launcher.write(os.path.join(directory, launcher.EMULATOR_NAME), "", 0o755)
            with self.subTest(text):
                result = self.host.run("-version", env={"PATH": directory})
                self.assert_refused(result, 126, launcher.EMULATOR_NAME)
                os.chmod(emulator, 0o644)
                result = self.host.run("-version", env={"PATH": directory})
                self.assert_refused(result, 126, launcher.EMULATOR_NAME)

    def test_arguments(self):
        """In what is refused, in what is translated, in warnings."""
        for text in HOSTILE:
            with self.subTest(text):
                self.assert_refused(self.host.run("-m", text, kvm=UNUSABLE), 1)
                result = self.host.run("-kvm-shadow-memory", text)
                self.assertEqual(1, result.returncode)
                self.assert_line(result.stderr)
                result = self.host.run("-accel", f"kvm,x={text}", kvm=UNUSABLE)
                self.assert_run(result, ["-accel", f"kvm,x={text}"])
                self.assert_line(result.stderr, warning=True)
                result = self.host.run("--kvm-explain", "--sysroot", f"/x{text}")
                self.assertEqual(1, result.returncode)
                self.assert_line(result.stderr)

    def test_explain(self):
        """Every line but the command, which has to be what a shell reads."""
        for text in HOSTILE:
            for args in (["-M", f"accel=x{text}x"], ["-accel", f"x{text}"], ["-M", f"xen{text}"],
                         ["-readconfig", f"x{text}"], ["-set", f"accel.x{text}=1"]):
                with self.subTest(args):
                    result = self.host.run("--kvm-explain", *args)
                    lines = result.stdout.partition(b"\ncommand: ")[0].decode().split("\n")
                    for line in lines:
                        self.assertNotRegex(line, "[\x00-\x1f\x7f-\x9f\u2028\u202e]")


class Values(launcher.TestCase):
    def assert_handed_over(self, args, **options):
        """Whatever it is taken for, the emulator gets it, and nothing is said."""
        result = self.host.run(*args, **options)
        self.assertEqual((0, b""), (result.returncode, result.stderr))
        expected = [os.fsencode(word) for word in (self.host.emulator, *args)]
        added = [expected[0], b"-accel", b"kvm", *expected[1:]]
        self.assertIn(result.runs[-1].argv, (expected, added))

    def test_values(self):
        for option in ("-machine", "-accel", "-netdev", "-device", "-set", "-nic", "-object"):
            for value in VALUES:
                with self.subTest(option=option, value=value[:20]):
                    self.assert_handed_over([option, value])

    def test_readconfig(self):
        for content in READCONFIGS:
            launcher.write(os.path.abspath("odd.cfg"), content)
            with self.subTest(content[:30]):
                self.assert_handed_over(["-readconfig", "odd.cfg"])

    def test_huge_readconfig(self):
        """A gigabyte is not read into memory."""
        with open("huge.cfg", "wb") as f:
            f.truncate(1 << 30)

        def prepare():
            resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
        self.assert_handed_over(["-readconfig", "huge.cfg"], prepare=prepare, timeout=20)
        os.unlink("huge.cfg")

    def test_special_readconfig(self):
        for file in ("/dev/zero", "/dev/full", "/dev/random", "/dev/tty", "/dev/kvm",
                     "/proc/self/mem", "/proc/self/environ", "/", "/nowhere/x", "/dev/null/x",
                     "/dev/fd/77", "/proc/self/exe", "x" * 300, "/x" * 3000):
            with self.subTest(file[:20]):
                self.assert_handed_over(["-readconfig", file], timeout=20)


if __name__ == "__main__":
    launcher.enter()
    launcher.kvmtest.main()
