#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of the old qemu-kvm: today's where this QEMU does not know them, else left alone."""
import os
import signal

import launcher
from launcher import UNUSABLE, USABLE, code

# The old option and what takes its place.
TRANSLATIONS = [
    (["-no-kvm-irqchip"], ["-machine", "kernel-irqchip=off"]),
    (["-no-kvm-pit-reinjection"], ["-global", "kvm-pit.lost_tick_policy=discard"]),
    (["-tdf"], ["-global", "kvm-pit.lost_tick_policy=delay"]),
    (["-kvm-shadow-memory", "64"], ["-machine", "kvm-shadow-mem=67108864"]),
    (["-kvm-shadow-memory", "1"], ["-machine", "kvm-shadow-mem=1048576"]),
    (["-rtc-td-hack"], ["-rtc", "driftfix=slew"]),
]
NO_KVM = (["-no-kvm"], ["-machine", "accel=tcg"])

# The old option, and what the message names in its place.
REFUSED = [
    (["-no-kvm-pit"], "kernel-irqchip"),
    (["-enable-nesting"], "-cpu"),
    (["-pcidevice", "host=01:00.0"], "vfio-pci"),
]

BAD_SIZES = ["", "x", "-1", "64M", "1.5", "0x10", " 64", "64 ", "99999999999999999999",
             "18446744073709551615", "\x1b[31m", "\udcff", "0"]


class Legacy(launcher.TestCase):
    def run_with(self, args, knows=(), env=None, **options):
        env = {"STUB_KNOWS": ",".join(knows), "STUB_EXIT": "0", **(env or {})}
        return self.host.run(*args, env=env, **options)

    def assert_questions(self, result, questions):
        """All runs but the last are questions: the option, its value, -version; each once."""
        questions = list({args[0]: args for args in reversed(questions)}.values())[::-1]
        self.assertEqual([[os.fsencode(word) for word in (self.host.emulator, *args, "-version")]
                          for args in questions], [run.argv for run in result.runs[:-1]])

    def assert_translated(self, args, expected, old, **options):
        """Executed in place, with one warning for each old option that names both."""
        result = self.run_with(args, **options)
        self.assert_run(result, expected)
        self.assertEqual(b"", result.stdout)
        lines = result.stderr.splitlines(True)
        for line, (before, after) in zip(lines, old, strict=True):
            self.assert_line(line, before[0].removeprefix("-") + r"\b", after[0], after[1],
                             warning=True)
        self.assert_questions(result, [before for before, _ in old])
        return result

    def assert_known(self, args, expected, known, **options):
        result = self.run_with(args, knows=known, **options)
        self.assert_run(result, expected)
        self.assertEqual((b"", b""), (result.stdout, result.stderr))
        return result

    def test_unknown_to_this_qemu(self):
        for old, new in TRANSLATIONS:
            for dash in ("", "-"):
                written = [dash + old[0], *old[1:]]
                with self.subTest(written):
                    self.assert_translated(["-m", "1G", *written, "disk.img"],
                                           ["-accel", "kvm", "-m", "1G", *new, "disk.img"],
                                           [(written, new)])

    def test_known_to_this_qemu(self):
        for old, _ in TRANSLATIONS:
            for dash in ("", "-"):
                written = [dash + old[0], *old[1:]]
                args = ["-m", "1G", *written, "disk.img"]
                with self.subTest(written):
                    result = self.assert_known(args, ["-accel", "kvm", *args], [old[0]])
                    self.assert_questions(result, [written])

    def test_no_kvm(self):
        """It chooses tcg, so nothing is added and no KVM is needed."""
        old, new = NO_KVM
        for kvm in (USABLE, UNUSABLE):
            self.assert_translated(["-m", "1G", *old, "disk.img"], ["-m", "1G", *new, "disk.img"],
                                   [NO_KVM], kvm=kvm)
            self.assert_known(["-m", "1G", *old], ["-m", "1G", *old], old, kvm=kvm)
        self.assert_translated(["--no-kvm"], new, [(["--no-kvm"], new)])

    def test_refused(self):
        for old, replacement in REFUSED:
            for args in (old, ["-" + old[0], *old[1:]], ["-m", "1G", *old, "-accel", "tcg"]):
                with self.subTest(args):
                    result = self.run_with(args)
                    self.assertEqual((1, b""), (result.returncode, result.stdout))
                    self.assert_line(result.stderr, old[0] + r"\b", replacement, warning=False)
                    self.assertEqual(1, len(result.runs), "the question alone")
            with self.subTest(known=old):
                self.assert_known(old, ["-accel", "kvm", *old], [old[0]])

    def test_several(self):
        args, expected = [], []
        for old, new in TRANSLATIONS:
            args += ["-name", old[0], *old]
            expected += ["-name", old[0], *new]
        self.assert_translated(args, ["-accel", "kvm", *expected], TRANSLATIONS)
        twice = TRANSLATIONS[0]
        result = self.run_with(twice[0] * 2)
        self.assert_run(result, ["-accel", "kvm", *twice[1] * 2])

    def test_some_are_known(self):
        args = ["-tdf", "-rtc-td-hack", "-no-kvm-irqchip"]
        result = self.run_with(args, knows=["-rtc-td-hack"])
        self.assert_run(result, ["-accel", "kvm", *TRANSLATIONS[2][1], "-rtc-td-hack",
                                 *TRANSLATIONS[0][1]])
        self.assertEqual(2, len(result.stderr.splitlines()))

    def test_with_the_users_accelerator(self):
        old, new = TRANSLATIONS[0]
        for args in (["-accel", "tcg"], ["-M", "q35,accel=kvm:tcg"], ["-machine", "accel=tcg"]):
            self.assert_translated([*args, *old], [*args, *new], [(old, new)], kvm=UNUSABLE)
            self.assert_translated([*old, *args], [*new, *args], [(old, new)], kvm=UNUSABLE)
        old, new = NO_KVM
        for args in (["-accel", "kvm"], ["-enable-kvm"]):
            self.assert_translated([*old, *args], [*new, *args], [NO_KVM], kvm=USABLE)

    def test_with_the_policy(self):
        """A translation is no choice: the policy still counts."""
        old, new = TRANSLATIONS[0]
        result = self.run_with(old, kvm=UNUSABLE)
        self.assertEqual((1, b""), (result.returncode, result.stdout))
        self.assert_line(result.stderr.splitlines(True)[-1], code("busy"), warning=False)
        self.assert_translated(old, new, [(old, new)], env={"QEMU_KVM_ACCEL": "off"}, kvm=UNUSABLE)

    def test_machine_type_is_kept(self):
        """A translation to -machine names no type, and none becomes information."""
        old, new = TRANSLATIONS[0]
        self.assert_translated(["-M", "q35", *old], ["-accel", "kvm", "-M", "q35", *new],
                               [(old, new)])
        self.assert_translated(["-M", "none", *old], ["-M", "none", *new], [(old, new)],
                               kvm=UNUSABLE)

    def test_values_are_not_options(self):
        for old, _ in [*TRANSLATIONS, NO_KVM, *REFUSED]:
            for args in (["-name", old[0]], ["-append", old[0]], [old[0][1:]], [old[0] + "x"],
                         [old[0] + "=1"]):
                with self.subTest(args):
                    result = self.run_with(args)
                    self.assert_run(result, ["-accel", "kvm", *args])
                    self.assertEqual((1, b""), (len(result.runs), result.stderr))

    def test_value_like_an_option(self):
        """What -pcidevice and -kvm-shadow-memory take is no option, whatever it looks like."""
        args = ["-pcidevice", "-accel", "-kvm-shadow-memory", "-version"]
        self.assert_known(args, ["-accel", "kvm", *args], ["-pcidevice", "-kvm-shadow-memory"])

    def test_bad_size(self):
        for size in BAD_SIZES:
            with self.subTest(size):
                result = self.run_with(["-kvm-shadow-memory", size])
                self.assertEqual((1, b""), (result.returncode, result.stdout))
                self.assert_line(result.stderr, "-kvm-shadow-memory", warning=False)
                self.assertLessEqual(len(result.runs), 1)

    def test_value_is_missing(self):
        """QEMU is not asked, and complains of it; nothing is checked for that."""
        for option in ("-kvm-shadow-memory", "-pcidevice"):
            result = self.run_with(["-m", "1G", option], kvm=UNUSABLE)
            self.assert_run(result, ["-m", "1G", option])
            self.assertEqual((b"", 1), (result.stderr, len(result.runs)))

    def test_children_are_ignored(self):
        """A parent that ignores SIGCHLD leaves no status of the question to wait for."""
        def prepare():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        old, new = TRANSLATIONS[0]
        result = self.run_with(old, prepare=prepare)
        self.assert_run(result, ["-accel", "kvm", *new])
        self.assertTrue(int(result.runs[-1].facts["SigIgn"], 16) & 1 << (signal.SIGCHLD - 1))
        result = self.run_with(old, knows=old, prepare=prepare)
        self.assert_run(result, ["-accel", "kvm", *old])

    def test_everything_else_is_untouched(self):
        old, new = TRANSLATIONS[0]
        env = {"STUB_KNOWS": "", "STUB_EXIT": "0"}
        reference = self.reference(env=env)
        self.assert_run(self.run_with(old), ["-accel", "kvm", *new], reference=reference)

    def test_question_is_quiet(self):
        """What the emulator prints when it is asked is not what the user asked for."""
        old, new = TRANSLATIONS[0]
        result = self.run_with(["-name", "x", *old], env={"STUB_NOISE": "noise\n"})
        self.assert_run(result, ["-accel", "kvm", "-name", "x", *new])
        self.assertEqual((b"noise\n", 1), (result.stdout, result.stderr.count(b"noise")))

    def test_question_leaves_stdin_alone(self):
        reader, writer = os.pipe()
        os.write(writer, b"for the guest")
        os.close(writer)
        old, new = TRANSLATIONS[0]
        result = self.run_with(old, env={"STUB_READ": "-"}, stdin=reader)
        os.close(reader)
        self.assert_run(result, ["-accel", "kvm", *new])
        self.assertEqual([b"for the guest"], result.runs[-1].read)

    def test_nothing_is_asked_without_need(self):
        for args in (["-m", "1G"], ["-version"], ["-name", "-no-kvm"]):
            self.assertEqual(1, len(self.run_with(args).runs))

    def test_explain(self):
        """It may ask, and runs no guest: its command is that of the run."""
        old, new = TRANSLATIONS[0]
        result = self.run_with(["--kvm-explain", "-name", "x", *old])
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertIn(" ".join(["-accel", "kvm", "-name", "x", *new]).encode(), result.stdout)
        for run in result.runs:
            self.assertEqual(b"-version", run.argv[-1])

    def test_emulator_cannot_be_asked(self):
        launcher.write(self.host.emulator, "not a program\n", 0o755)
        self.assert_refused(self.run_with(["-tdf"]), 126, launcher.EMULATOR_NAME)
        launcher.remove(self.host.emulator)
        self.assert_refused(self.run_with(["-tdf"]), 127, launcher.EMULATOR_NAME)

    def test_emulator_that_executes_the_launcher(self):
        """The question would be asked for ever."""
        for command in ("exec {} \"$@\"", "{} \"$@\"", "x=$({} \"$@\")"):
            self.host.endless_script(self.host.emulator, command)
            with self.subTest(command):
                result = self.run_with(["-tdf"], timeout=60)
                self.assertEqual((126, []), (result.returncode, result.runs), result.stderr)


if __name__ == "__main__":
    launcher.enter()
    launcher.kvmtest.main()
