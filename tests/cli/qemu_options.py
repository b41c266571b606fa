#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What our table says of QEMU's options against what emulators do.

qemu_options.py TABLE-PROGRAM. The emulators are those that are installed and a newer one.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

TABLE_PROGRAM = sys.argv.pop(1)
TIMEOUT = 50  # seconds for an emulator that should end at once

# The versions of QEMU in which an option appeared. All others are older than 5.2.
SINCE = {
    "action": (6, 0), "async-teardown": (7, 2), "audio": (7, 1), "compat": (6, 0),
    "jitdump": (8, 0), "perfmap": (8, 0), "run-with": (8, 1), "shim": (10, 0)}

# The first versions without an option. Scripts that still have it get QEMU's error message.
GONE = {
    "alt-grab": (7, 1), "async-teardown": (9, 0), "audio-help": (8, 2), "balloon": (3, 1),
    "chroot": (9, 0), "ctrl-grab": (7, 1), "curses": (7, 1), "enable-fips": (7, 1),
    "enable-hax": (4, 2), "no-acpi": (9, 0), "no-hpet": (9, 0), "no-quit": (7, 0),
    "nodefconfig": (3, 1), "old-param": (11, 0), "portrait": (9, 2), "realtime": (6, 0),
    "rotate": (9, 2), "runas": (10, 0), "sdl": (7, 1), "show-cursor": (6, 0),
    "singlestep": (9, 0), "soundhw": (7, 1), "tb-size": (6, 0), "watchdog": (7, 2),
    "writeconfig": (7, 1)}

# What a distribution may build QEMU without.
OPTIONAL = {"iscsi", "jitdump", "perfmap", "spice", "tpmdev", "virtfs", "vnc"}

# Up to here SINCE and GONE are known to be complete.
LAST_CHECKED = (11, 1)

# Values that make the emulator print a list, for HELP options where "help" alone does not.
HELP_VALUES = {"drive": "format=help", "net": "nic,model=help"}

# How the lists begin after which an emulator ends with 1: -d has always done so, as its help text
# promises a list, and -tpmdev up to 10.0.
LISTS_WITH_FAILURE = {"d": "Log items", "tpmdev": "Supported TPM types"}

# Values in which help may hide: some ask for it, some are plain values, many are mistakes.
FORMS = """
L X,help; X,?; help,X
M q35,help; help,q35; q35,?; type=help; none,help=on; none,,help; none,usb=help
machine q35,help; q35,?; ?,q35; type=?; accel=help; none,accel=help; none,graphics=help
accel tcg,help; tcg,?; accel=help; accel=?; kvm,help; tcg,thread=help
audio none,help; help,none; driver=help; none,?; none,model=help; model=?,driver=none; none,id=help
audiodev none,help; help,none; driver=help; driver=?; none,id=x,help; none,id=help
boot c,help; help,c; c,?; order=c,help; menu=help; help=on; order=help
chardev null,help; null,id=x,help; id=x,backend=help; backend=?; null,id=help; help,null
chardev null,id=x,path=help; id=help,backend=null
cpu qemu64,help; help,qemu64; qemu64,?; qemu64,+help; model=help
d exec,help; help,exec; exec,?
device e1000,help; e1000,?; driver=help; driver=?; driver=e1000,help; e1000,,help; e1000,id=help
device e1000,x=y,help; help=on; {"driver":"help"}
display none,help; none,?; help,none; type=help; sdl,gl=help
drive help; ?; file=x,help; format=help; file=/dev/null,format=?; if=none,format=help; media=help
drive driver=help; if=?; file=/dev/null,if=none,id=help
net nic,model=help; nic,model=?; nic,help; user,help; type=help; user,id=help; none,help
net nic,macaddr=help
netdev user,help; user,id=x,help; type=help; type=?; user,id=help; user,id=x,hostname=help
nic user,help; model=help; user,model=?; type=help; user,id=help; user,mac=help; none
object memory-backend-ram,help; memory-backend-ram,?; memory-backend-ram,id=x,size=1M,help
object qom-type=help; qom-type=memory-backend-ram,help; memory-backend-ram,id=help,size=1M
object {"qom-type":"help"}
plugin X,help; file=help
smp 1,help; cpus=1,?; cpus=help
tpmdev passthrough,help; help,x
trace enable=help; enable=?; x,help; file=/dev/null,help; file=/dev/null,enable=help; events=help
vga std,help; help,std
k en-us,help
rtc base=help
icount help,shift=1
name guest=help; x,process=help
smbios type=0,vendor=help
serial none,help
monitor none,help
global x.y=help
fw_cfg name=opt/x,string=help
virtfs local,path=/tmp,mount_tag=help,security_model=none
append help
"""


def table():
    """{name: kind}"""
    text = subprocess.run([TABLE_PROGRAM], stdout=subprocess.PIPE, text=True, check=True).stdout
    return dict(line.split() for line in text.splitlines())


def asks_for_help(pairs):
    """What our table says: {(name, value): whether it asks for help}."""
    command = [TABLE_PROGRAM, *(word for pair in pairs for word in pair)]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert len(lines) == len(pairs)
    return {pair: line == "help" for pair, line in zip(pairs, lines)}


def run(command, text=None, **options):
    return subprocess.run(command, input=text or "", capture_output=True, text=True, check=False,
                          errors="replace", timeout=TIMEOUT, **options)


class Emulator:
    def __init__(self, program):
        self.program = program
        match = re.search(r"emulator version (\d+)\.(\d+)", run([program, "-version"]).stdout)
        assert match, f"{program} tells no version"
        self.version = int(match[1]), int(match[2])

    def __str__(self):
        return f"{self.program} {self.version[0]}.{self.version[1]}"

    def answer(self, name):
        """How it takes an option: all of them are looked at before the version is printed."""
        result = run([self.program, "-version", "-" + name])
        if result.returncode == 0:
            return "flag"
        for text, answer in (("requires an argument", "value"), ("invalid option", "unknown")):
            if result.returncode == 1 and f"-{name}: {text}" in result.stderr:
                return answer
        return f"status {result.returncode}: {result.stderr}"

    def documented(self):
        """The options of its help text, with lines such as "-fda/-fdb file" and "-h or -help"."""
        for line in run([self.program, "-help"]).stdout.splitlines():
            if re.match(r"-\w", line):
                text = re.split(r"\s{2}", line)[0]
                yield from re.findall(r"(?:^| or |/)-([\w-]+)", text)

    def expected(self, name):
        """Whether this version has an option, None when that cannot be told."""
        if SINCE.get(name, (0, 0)) <= self.version < GONE.get(name, (999, 0)):
            return None if name in OPTIONAL or self.version > LAST_CHECKED else True
        return False

    def result(self, name, value):
        """What comes of an option with a value: "list", "failure", "run" or "file".

        The file is what -dump-vmstate writes, and is called like the value. A machine that runs is
        told to quit by its monitor, and ends with 0, too. Its monitor says hello early, but
        answers only when the machine runs.
        """
        machine = ["-nodefaults", "-machine", "none"]
        if name in ("M", "machine"):
            machine = ["-nodefaults"]
        elif name in ("audio", "net", "nic"):
            machine = ["-vga", "none", "-machine", "pc"]
        with tempfile.TemporaryDirectory(prefix="qemu-options-") as directory:
            result = run([self.program, *machine, "-display", "none", "-S", "-monitor", "stdio",
                          "-" + name, value], "info status\nquit\n", cwd=directory)
            written = os.path.exists(os.path.join(directory, value))
        text = result.stdout + result.stderr
        if "VM status: " in text:
            return "run"
        if result.returncode == 0:
            return "file" if written else "list"
        return "list" if LISTS_WITH_FAILURE.get(name, "\0") in text else "failure"


def newer_emulator():
    """The file of an emulator that is newer than those of old distributions, None without one."""
    build = os.path.dirname(kvmtest.BIN_DIR)
    shared = os.path.join(kvmtest.SOURCE_DIR, "build")
    if os.path.dirname(build) == shared:
        build = shared  # one for all presets
    helper = os.path.join(kvmtest.SOURCE_DIR, "tests", "lib", "newer-emulator")
    result = subprocess.run([helper, os.path.join(build, "newer-emulator")], capture_output=True,
                            text=True, check=False)
    if result.returncode != 0:
        return None, result.stderr.strip()
    return os.path.join(result.stdout.strip(), "qemu-system-x86_64"), None


class Options(unittest.TestCase):
    maxDiff = None
    emulators = []
    others = []  # for other machines: only their options are looked at

    @classmethod
    def setUpClass(cls):
        cls.table = table()
        cls.pool = concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1))

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def each(self, function, jobs):
        """{job: function(*job)}, some at a time."""
        jobs = list(dict.fromkeys(jobs))
        return dict(zip(jobs, self.pool.map(lambda job: function(*job), jobs)))

    def known_here(self, emulator):
        return [name for name in self.table if emulator.expected(name) is not False]

    def test_names_and_values(self):
        """Every emulator takes each option as the table says, and knows it when it should."""
        every = self.emulators + self.others
        answers = self.each(lambda emulator, name: emulator.answer(name),
                            [(emulator, name) for emulator in every for name in self.table])
        for (emulator, name), answer in answers.items():
            with self.subTest(emulator=str(emulator), option=name):
                kind = self.table[name]
                taken = "flag" if kind in ("flag", "information") else "value"
                expected = emulator.expected(name)
                if expected is None:
                    self.assertIn(answer, ("unknown", taken))
                else:
                    self.assertEqual(answer, taken if expected else "unknown")

    def test_documented_names(self):
        """The help text of no emulator has an option that the table lacks."""
        for emulator in self.emulators + self.others:
            names = set(emulator.documented())
            self.assertGreater(len(names), 80, emulator)
            self.assertIn("fdb", names)
            self.assertEqual(names - set(self.table), set(), emulator)

    def test_lists_of_versions(self):
        """SINCE, GONE and the like name options of the table only, and each for a reason."""
        for names in (SINCE, GONE, OPTIONAL, HELP_VALUES, LISTS_WITH_FAILURE):
            self.assertEqual(set(names) - set(self.table), set())
        for name in SINCE.keys() & GONE.keys():
            self.assertLess(SINCE[name], GONE[name])

    def test_information(self):
        """Options that print something and end do so."""
        names = [name for name, kind in self.table.items() if kind == "information"]
        self.assertIn("version", names)
        for emulator in self.emulators:
            for name in names:
                if emulator.expected(name):
                    result = run([emulator.program, "-" + name])
                    self.assertEqual(result.returncode, 0, name)
                    self.assertIn("QEMU" if name != "audio-help" else "QEMU_AUDIO", result.stdout)

    def test_help_of_values(self):
        """No option is asked for help by a value, unless the table says so."""
        results = self.each(
            lambda emulator, name, value: emulator.result(name, value),
            [(emulator, name, value) for emulator in self.emulators
             for name in self.known_here(emulator) if self.table[name] == "value"
             for value in ("help", "?")])
        self.check(results)

    def test_help_of_help(self):
        """Every HELP option prints its list in some version, and runs a machine in none."""
        results = self.each(
            lambda emulator, name, value: emulator.result(name, value),
            [(emulator, name, HELP_VALUES.get(name, "help")) for emulator in self.emulators
             for name in self.known_here(emulator) if self.table[name] == "help"])
        self.check(results)
        listed = {name for (_, name, _), result in results.items() if result == "list"}
        asked = {name for _, name, _ in results}
        self.assertGreater(len(listed), 15)
        if max(emulator.version for emulator in self.emulators) >= (10, 0):
            self.assertEqual(asked - listed - OPTIONAL, set())

    def test_help_in_forms(self):
        """What else may ask for help does as the table says."""
        results = self.each(
            lambda emulator, name, value: emulator.result(name, value),
            [(emulator, name, value.strip()) for emulator in self.emulators
             for name, _, values in (line.partition(" ") for line in FORMS.strip().splitlines())
             for value in values.split(";") if emulator.expected(name) is not False])
        self.check(results)
        for wanted in ("list", "failure", "run"):
            self.assertGreater(list(results.values()).count(wanted), 10, wanted)

    def check(self, results):
        """A value asks for help where a list comes, and must not where the machine runs."""
        says = asks_for_help(list(dict.fromkeys(job[1:] for job in results)))
        for (emulator, name, value), result in results.items():
            with self.subTest(emulator=str(emulator), option=name, value=value):
                if says[name, value]:
                    self.assertIn(result, ("list", "failure"))
                else:
                    self.assertIn(result, ("failure", "run", "file"))


def main():
    programs = {}
    for directory in os.get_exec_path():
        for program in sorted(glob.glob(os.path.join(directory, "qemu-system-*"))):
            # With /bin the same as /usr/bin, each is there twice.
            programs.setdefault(os.path.realpath(program), program)
    installed = [Emulator(program) for program in programs.values()]
    newer, why = newer_emulator()
    Options.emulators = [emulator for emulator in installed
                         if emulator.program.endswith("/qemu-system-x86_64")][:1]
    if newer:
        Options.emulators.append(Emulator(newer))
    Options.others = [emulator for emulator in installed if emulator not in Options.emulators]
    if not Options.emulators:
        kvmtest.skip("no-emulator", "the package qemu-system-x86 is not installed")
    for emulator in Options.emulators + Options.others:
        print(emulator)
    if not unittest.main(verbosity=2, exit=False).result.wasSuccessful():
        sys.exit(1)
    if not newer:
        kvmtest.skip("no-newer-emulator", why)


if __name__ == "__main__":
    main()
