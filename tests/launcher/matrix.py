#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the launcher makes of its arguments, as tables.

A row says whether the accelerator is the user's business. Where it is not, `-accel kvm` comes in
front; where it is, or nothing runs, the arguments stay as they are. Each row runs with a KVM that
cannot be used, too, in which the one is refused and the other is not, and each is explained with
--kvm-explain, whose command must come out the same.
"""
import collections
import os
import signal
import threading

import launcher
from launcher import CONFIG, QEMU_CONFIG, UNUSABLE, UNUSABLE_CODE, USABLE, VENDOR_CONFIG, code

# What becomes of the arguments:
ADDED = "-accel kvm in front; refused where KVM is unusable"
KEPT = "unchanged, nothing checked"
WARNED = "unchanged, with a warning where KVM is unusable: the user wants KVM and nothing else"

Row = collections.namedtuple("Row", "args kind")


def rows(kind, table):
    return [Row(tuple(args), kind) for args in table]


# QEMU's options, of all versions that are in use: what follows one with a value is no option.
WITH_VALUE = """-D -L -M -acpitable -action -add-fd -append -audio -audiodev -balloon -bios
-blockdev -boot -cdrom -chardev -chroot -compat -cpu -d -debugcon -device -dfilter -display
-drive -dtb -dump-vmstate -echr -fda -fdb -fsdev -fw_cfg -g -gdb -global -hda -hdb -hdc -hdd
-icount -incoming -initrd -iscsi -k -kernel -loadvm -m -machine -mem-path -mon -monitor -msg
-mtdblock -name -net -netdev -nic -numa -object -option-rom -overcommit -parallel -pflash
-pidfile -plugin -prom-env -qmp -qmp-pretty -qtest -qtest-log -readconfig -rotate -rtc -run-with
-runas -sandbox -sd -seed -semihosting-config -serial -set -smbios -smp -soundhw -spice -tb-size
-tpmdev -trace -usbdevice -uuid -vga -virtfs -vnc -watchdog -watchdog-action -writeconfig
-xen-domid""".split()

WITHOUT_VALUE = """-S -alt-grab -async-teardown -ctrl-grab -curses -daemonize -enable-fips
-enable-sync-profile -full-screen -localtime -mem-prealloc -no-acpi -no-fd-bootchk
-no-frame -no-hpet -no-quit -no-reboot -no-shutdown -no-user-config -nodefaults -nographic
-old-param -only-migratable -portrait -preconfig -s -sdl -semihosting -singlestep
-snapshot -usb -win2k-hack -xen-attach -xen-domid-restrict""".split()

WITH_HELP = """-M -accel -audio -audiodev -chardev -cpu -d -device -display
-machine -netdev -object -smp -tpmdev -trace -vga""".split()

NOT_THE_USERS = [
    [],
    ["-m", "1G"],
    ["disk.img"],
    ["a b", "*", "$HOME", "`id`", "'\"", "back\\slash", "new\nline", "tab\t", "\udcff\udcfe", "~"],
    [""],
    ["", "-m", "", ""],
    ["-name", ""],
    ["accel", "kvm"],
    ["disk.img", "-snapshot", "other.img"],
    # values that look like options, and what they would mean
    ["-name", "-accel", "tcg"],
    ["-append", "-M none"],
    ["-append", "-accel tcg"],
    ["-append", "--kvm-explain"],
    ["-kernel", "-version"],
    ["-drive", "file=-accel,accel=tcg"],
    ["-drive", "-accel", "-append", "-enable-kvm"],
    ["-device", "accel=tcg"],
    ["-device", "-machine,accel=tcg"],
    ["-device", '{"driver":"virtio-rng","accel":"tcg"}'],
    ["-serial", "-accel"],
    ["-fw_cfg", "name=opt/accel,string=-accel"],
    ["-global", "machine.accel=tcg"],
    ["-object", "memory-backend-ram,id=accel"],
    ["-m", "-enable-kvm"],
    ["--name", "--accel", "tcg"],
    ["-name", "-readconfig", "tcg.cfg"],
    ["-name", "--help"],
    ["-smbios", "type=1,product=-M none"],
    # machines that choose nothing
    ["-M", "q35"],
    ["-machine", "q35"],
    ["-machine", "type=q35"],
    ["--machine", "pc,usb=on"],
    ["-M", "q35,xaccel=tcg"],
    ["-M", "q35,accelerator=tcg"],
    ["-M", "q35,accel.x=tcg"],
    ["-machine", "q35,firmware=a,,accel=tcg"],
    ["-machine", "q35,firmware=a,,,,accel=tcg"],
    ["-machine", "accel-is-the-name"],
    ["-M", "q35,memory-encryption=accel"],
    ["-M", "pc,x=none"],
    ["-M", "none", "-M", "q35"],
    ["-machine", "type=none", "-machine", "type=q35"],
    ["-M", "nonesuch"],
    ["-M", "xenfv", "-M", "q35"],
    ["-M", "q35,x=xenfv"],
    ["-M", "notxen"],
    # options that QEMU does not have
    ["-unheard-of"],
    ["-unheard-of", "accel"],
    ["-accelerate", "tcg"],
    ["-acce", "tcg"],
    ["-Accel", "tcg"],
    ["-accel=tcg"],
    ["---accel", "tcg"],
    ["-machine=accel=tcg"],
    ["-m=accel"],
    ["-enable-tcg"],
    ["-helpme"],
    ["-version2"],
    ["-"],
    ["--"],
    # values that are not for help
    ["-name", "help"],
    ["-append", "help"],
    ["-kernel", "help"],
    ["-hda", "?"],
    ["-bios", "help"],
    ["-uuid", "?"],
    ["help"],
    ["?"],
    ["-device", "e1000,id=a,,help"],
    ["-device", "e1000,id=help"],
    ["-device", "e1000,helpful"],
    ["-object", "secret,id=x,data=help"],
    # files and settings that choose nothing
    ["-readconfig", "neither.cfg"],
    ["-readconfig", "comment.cfg"],
    ["-readconfig", "device.cfg"],
    ["-readconfig", "empty.cfg"],
    ["-readconfig", "missing.cfg"],
    ["-readconfig", "directory"],
    ["-readconfig", "/dev/zero"],
    ["-readconfig", "/dev/null"],
    ["-readconfig", "/dev/fd/99"],
    ["-readconfig", ""],
    ["-writeconfig", "tcg.cfg"],
    ["-set", "machine.x.type=q35"],
    ["-set", "device.x.accel=tcg"],
    ["-set", "device.accel.x=tcg"],
    ["-set", "drive.x.file=accel"],
    ["-set", "machine"],
    # what only the first argument means
    ["-m", "1G", "--kvm-explain"],
    ["-kvm-explain"],
]

THE_USERS = [
    ["-accel", "tcg"],
    ["--accel", "tcg"],
    ["-accel", "tcg,thread=single"],
    ["-accel", "accel=tcg"],
    ["-accel", "hvf"],
    ["-accel", "qtest"],
    ["-accel", "no-such-thing"],
    ["-m", "1G", "-accel", "tcg"],
    ["-m", "1G", "-accel", "tcg", "-name", "x"],
    ["disk.img", "-accel", "tcg"],
    ["-unheard-of", "-accel", "tcg"],
    ["-unheard-of", "value", "-accel", "tcg"],
    ["-accel", "kvm", "-accel", "tcg"],
    ["-accel", "tcg", "-accel", "kvm"],
    ["-accel", "kvm", "-m", "1G", "--accel", "tcg"],
    ["-machine", "accel=tcg"],
    ["-M", "accel=tcg"],
    ["--machine", "accel=tcg"],
    ["--M", "accel=tcg"],
    ["-machine", "q35,accel=tcg"],
    ["-machine", "accel=tcg,type=q35"],
    ["-machine", "q35,accel=tcg,usb=on"],
    ["-machine", "type=q35,accel=kvm:tcg"],
    ["-M", "q35,accel=tcg:kvm"],
    ["-M", "pc,firmware=a,,b,accel=tcg"],
    ["-M", "q35", "-machine", "accel=tcg"],
    ["-machine", "accel=tcg", "-M", "q35"],
    ["-machine", "accel=kvm", "-machine", "accel=tcg"],
    ["-machine", "accel=kvm:xen:tcg"],
    ["-m", "1G", "-M", "pc,accel=tcg", "-name", "x", "disk.img"],
    ["-enable-hax"],
    ["--enable-hax"],
    ["-enable-kvm", "-machine", "accel=tcg"],
    ["-set", "machine.x.accel=tcg"],
    ["-set", "accel.x.thread=single"],
    ["--set", "accel.x.thread=single"],
    ["-readconfig", "machine.cfg"],
    ["-readconfig", "machine-id.cfg"],
    ["-readconfig", "accel.cfg"],
    ["-readconfig", "accel-id.cfg"],
    ["-readconfig", "spaces.cfg"],
    ["-readconfig", "late.cfg"],
    ["--readconfig", "machine.cfg"],
    ["-readconfig", "link.cfg"],
    ["-readconfig", "neither.cfg", "-readconfig", "machine.cfg"],
    ["-readconfig", "fallback.cfg"],
    ["-M", "xenfv"],
    ["-M", "xenpv"],
    ["-machine", "xenpvh"],
    ["-machine", "type=xenfv-4.2"],
    ["-M", "q35", "-M", "xenfv,usb=on"],
]

THE_USERS_KVM = [
    ["-accel", "kvm"],
    ["--accel", "kvm"],
    ["-accel", "kvm,kernel-irqchip=split"],
    ["-accel", "accel=kvm"],
    ["-accel", "kvm", "-accel", "kvm"],
    ["-m", "1G", "-accel", "kvm", "disk.img"],
    ["-enable-kvm"],
    ["--enable-kvm"],
    ["-name", "x", "-enable-kvm", "-m", "1G"],
    ["-machine", "accel=kvm"],
    ["-M", "q35,accel=kvm"],
    ["-machine", "type=q35,accel=kvm,usb=on"],
    ["-M", "accel=kvm,type=q35"],
    ["-machine", "accel=tcg", "-machine", "accel=kvm"],
    ["-machine", "accel=kvm:tcg", "-machine", "accel=kvm"],
    ["-machine", "accel=kvm", "-M", "q35"],
    ["-machine", "accel=tcg", "-enable-kvm"],
    ["-readconfig", "kvm.cfg"],
]

INFORMATION = [
    # the last option lacks its value: QEMU complains of it and ends
    ["-name"],
    ["-M"],
    ["-machine"],
    ["-readconfig"],
    ["-set"],
    ["-m", "1G", "-device"],
    ["-h"],
    ["-help"],
    ["--help"],
    ["--h"],
    ["-version"],
    ["--version"],
    ["-audio-help"],
    ["-m", "1G", "-version"],
    ["-version", "disk.img"],
    ["-unheard-of", "-help"],
    ["-accel", "kvm", "-version"],
    ["-enable-kvm", "-h"],
    ["-L", "help"],
    ["-device", "e1000,help"],
    ["-device", "e1000,?"],
    ["-device", "help,e1000"],
    ["-device", "e1000,id=x,help"],
    ["-machine", "q35,help"],
    ["-cpu", "?"],
    ["-object", "memory-backend-ram,help"],
    ["-nic", "model=help"],
    ["-net", "nic,model=?"],
    ["-drive", "file=x,format=help"],
    ["-audio", "none,model=help"],
    ["-boot", "help"],
    ["-boot", "order=c,help"],
    ["-smp", "4,help"],
    ["-d", "in_asm,help"],
    ["-m", "1G", "--device", "help"],
    ["-M", "none"],
    ["-machine", "none"],
    ["--machine", "none"],
    ["-machine", "type=none"],
    ["-machine", "none,usb=off"],
    ["-M", "usb=off,type=none"],
    ["-M", "q35", "-machine", "none"],
    ["-M", "none", "-machine", "usb=off"],
    ["-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none,accel=kvm:tcg"],
    ["-machine", "none,accel=kvm"],
]

READCONFIGS = {
    "neither.cfg": '[machine]\n  type = "q35"\n[drive "accel"]\n  file = "accel"\n',
    "comment.cfg": '# [accel]\n[machine]\n# accel = "tcg"\n  type = "q35"\n',
    "device.cfg": '[device "x"]\n  accel = "tcg"\n[drive "machine"]\n  accel = "tcg"\n',
    "empty.cfg": "",
    "machine.cfg": '[machine]\n  type = "q35"\n  accel = "tcg"\n',
    "machine-id.cfg": '[machine "m"]\n  accel = "tcg"\n',
    "accel.cfg": '[accel]\n  accel = "tcg"\n',
    "accel-id.cfg": '[accel "x"]\n  accel = "tcg"\n  thread = "single"\n',
    "spaces.cfg": '# made by hand\n\n[machine]\n\t accel  =  "tcg"\n',
    "late.cfg": '[drive "d"]\n' + '  file = "x"\n' * 5000 + '[machine]\n  accel = "tcg"',
    "fallback.cfg": '[machine]\n  accel = "kvm:tcg"\n',
    "kvm.cfg": '[machine]\n  accel = "kvm"\n',
    "tcg.cfg": '[accel]\n  accel = "tcg"\n',
}

# Config files: the text, and the policy that it makes, or the line and the key that the message
# names ("": the line has none).
CONFIGS = [
    ("accel = require\n", "require"),
    ("accel = prefer\n", "prefer"),
    ("accel = off\n", "off"),
    ("accel=off\n", "off"),
    ("accel = off", "off"),
    ("  accel\t=\t off \t\n", "off"),
    ("# accel = off\n", "require"),
    ("", "require"),
    ("\n\n", "require"),
    ("#\n  # text\n\naccel = off\n# end", "off"),
    ("accel = off\r\n", "off"),
    ("# " + "long " * 100 + "\naccel = off\n", "off"),
    ("#\n" * ((65536 - 12) // 2) + "accel = off\n", "off"),
    ("accel = require\naccel = off\n", (2, "accel")),
    ("accel = off\naccel = off\n", (2, "accel")),
    ("accel\n", (1, "")),
    ("= off\n", (1, "")),
    ("\naccel =\n", (2, "accel")),
    ("# one\n\naccel = sometimes\n", (3, "accel")),
    ("accel = Off\n", (1, "accel")),
    ("accel = off off\n", (1, "accel")),
    ("accel = \"off\"\n", (1, "accel")),
    ("accel = off # really\n", (1, "accel")),
    ("accel = off ; really\n", (1, "accel")),
    ("accel: off\n", (1, "")),
    ("; accel = off\n", (1, "")),
    ("accel = off\n  more\n", (2, "")),
    ("accel = off\n accel = prefer\n", (2, "")),
    ("accel = off\n" + "x" * 1000 + "\n", (2, "")),
    ("[kvm]\naccel = off\n", (1, "")),
    ("accel = off\ncolour = red\n", (2, "colour")),
    ("Accel = off\n", (1, "Accel")),
    ("accel = off\0\n", (1, "")),
    ("accel = o\x1b[31mff\n", (1, "accel")),
    ("\udcff = off\n", (1, "")),
]


class Case(launcher.TestCase):
    statuses = [({}, 0), ({"STUB_EXIT": "1"}, 1), ({"STUB_EXIT": "42"}, 42),
                ({"STUB_SIGNAL": str(int(signal.SIGKILL))}, -signal.SIGKILL),
                ({"STUB_SIGNAL": str(int(signal.SIGABRT))}, -signal.SIGABRT)]

    def setUp(self):
        super().setUp()
        for name, text in READCONFIGS.items():
            launcher.write(os.path.abspath(name), text)
        os.makedirs("directory", exist_ok=True)
        if not os.path.lexists("link.cfg"):
            os.symlink("machine.cfg", "link.cfg")
        self.references = {}
        self.count = 0

    def reference_for(self, kvm, env):
        """The stub's run without the launcher, made once for each environment."""
        key = (kvm, tuple(sorted(env.items())))
        if key not in self.references:
            self.references[key] = self.reference(kvm=kvm, env=env)
        return self.references[key]

    def executed(self, args, expected, *, kvm=USABLE, env=None, warning=()):
        """One run in which everything is compared, with another end each time."""
        more, status = self.statuses[self.count % len(self.statuses)]
        self.count += 1
        env = {**(env or {}), **more}
        result = self.host.run(*args, kvm=kvm, env=env)
        self.assert_run(result, expected, reference=self.reference_for(kvm, env), status=status)
        self.assertEqual((1, b""), (len(result.runs), result.stdout))
        if warning:
            self.assert_line(result.stderr, *warning, warning=True)
        else:
            self.assertEqual(b"", result.stderr)

    def refused(self, args, *parts, kvm=USABLE, **options):
        self.assert_refused(self.host.run(*args, kvm=kvm, **options), 1, *parts)

    def explained(self, args, expected, **options):
        """--kvm-explain runs nothing, and a shell gives its command the very same arguments."""
        result = self.host.run("--kvm-explain", *args, **options)
        self.assertEqual((0, []), (result.returncode, result.runs), result.stderr)
        command = b"\n" + result.stdout
        self.assertEqual(1, command.count(b"\ncommand: "), result.stdout)
        command = command.partition(b"\ncommand: ")[2]
        run = self.host.run("-c", command, program="/bin/bash", kvm=None).runs[-1]
        self.assertEqual([os.fsencode(word) for word in (self.host.emulator, *expected)], run.argv)

    def both(self, row):
        """One row, with a KVM that can be used, and with one that cannot."""
        added = ["-accel", "kvm", *row.args]
        with self.subTest(row=row):
            if row.kind == ADDED:
                self.executed(row.args, added)
                self.refused(row.args, code(UNUSABLE_CODE), kvm=UNUSABLE)
            else:
                self.executed(row.args, row.args)
                warning = [code(UNUSABLE_CODE)] if row.kind == WARNED else []
                self.executed(row.args, row.args, kvm=UNUSABLE, warning=warning)
        with self.subTest(explain=row):
            self.explained(row.args, added if row.kind == ADDED else row.args)


class Matrix(Case):
    def test_not_the_users(self):
        for row in rows(ADDED, NOT_THE_USERS):
            self.both(row)

    def test_the_users(self):
        for row in rows(KEPT, THE_USERS) + rows(WARNED, THE_USERS_KVM):
            self.both(row)

    def test_information(self):
        for row in rows(KEPT, INFORMATION):
            self.both(row)

    def test_help(self):
        for option in WITH_HELP:
            for word in ("help", "?"):
                with self.subTest(option=option, word=word):
                    self.executed([option, word], [option, word], kvm=UNUSABLE)

    def test_values(self):
        """The value of an option is no option, that of an option without one is."""
        for option in WITH_VALUE:
            for args in ([option, "-accel"], ["-" + option, "-version"]):
                with self.subTest(args=args):
                    self.executed(args, ["-accel", "kvm", *args])
        for option in WITHOUT_VALUE:
            for args in ([option, "-accel", "tcg"], ["-" + option, "-version"]):
                with self.subTest(args=args):
                    self.executed(args, args, kvm=UNUSABLE)

    def test_accel_lacks_its_value(self):
        """QEMU has to say so, and no KVM is needed for that."""
        for args in (["-accel"], ["-m", "1G", "--accel"]):
            result = self.host.run(*args)
            self.assertEqual((0, b""), (result.returncode, result.stderr))
            self.assertIn(result.runs[-1].argv[1:], ([os.fsencode(word) for word in args],
                                                     [b"-accel", b"kvm", *map(os.fsencode, args)]))


class Policy(Case):
    """Where KVM cannot be used each policy is another: refused, tcg, nothing."""

    def assert_policy(self, policy, **options):
        args = ["-name", "x"]
        if policy == "require":
            self.refused(args, code(UNUSABLE_CODE), kvm=UNUSABLE, **options)
            self.executed(args, ["-accel", "kvm", *args], **options)
        elif policy == "prefer":
            self.executed(args, ["-accel", "tcg", *args], kvm=UNUSABLE,
                          warning=[code(UNUSABLE_CODE)], **options)
            self.executed(args, ["-accel", "kvm", *args], **options)
        else:
            self.executed(args, args, kvm=UNUSABLE, **options)
            self.executed(args, args, **options)
            self.explained(args, args, **options)

    def assert_not_asked(self):
        """No choice is left to a policy, so whatever is wrong with it does not matter."""
        for args in (["-accel", "tcg"], ["-M", "q35,accel=tcg"], ["-version"], ["-M", "none"],
                     ["-readconfig", "tcg.cfg"], ["-device", "help"]):
            self.executed(args, args, kvm=UNUSABLE)

    def test_environment(self):
        for policy in ("require", "prefer", "off"):
            with self.subTest(policy):
                self.assert_policy(policy, env={"QEMU_KVM_ACCEL": policy})
        self.assert_policy("require")
        self.assert_policy("require", env={"QEMU_KVM_ACCEL": ""})

    def test_bad_environment(self):
        for value in ("kvm", "tcg", "on", "OFF", "off ", " off", "require,prefer", "0", "\n",
                      "\x1b[31moff", "\udcff", "x" * 100000):
            with self.subTest(value[:20]):
                self.refused(["-m", "1G"], "QEMU_KVM_ACCEL", env={"QEMU_KVM_ACCEL": value})
                self.executed(["-version"], ["-version"], env={"QEMU_KVM_ACCEL": value})

    def test_environment_before_files(self):
        launcher.write(CONFIG, "accel = off\n")
        launcher.write(VENDOR_CONFIG, "accel = off\n")
        for policy in ("require", "prefer"):
            self.assert_policy(policy, env={"QEMU_KVM_ACCEL": policy})
        self.assert_policy("off", env={"QEMU_KVM_ACCEL": ""})
        launcher.write(CONFIG, "broken\n")
        self.assert_policy("off", env={"QEMU_KVM_ACCEL": "off"})

    def test_config(self):
        for file in (CONFIG, VENDOR_CONFIG):
            for text, expected in CONFIGS:
                launcher.write(file, text)
                with self.subTest(file=file, text=text[-100:]):
                    if isinstance(expected, str):
                        self.assert_policy(expected)
                        continue
                    line, key = expected
                    self.refused(["-m", "1G"], file, rf"\b{line}\b", *filter(None, [key]))
            launcher.write(file, "accel = sometimes\n")
            self.assert_not_asked()
            launcher.remove(file)

    def test_own_before_vendor(self):
        launcher.write(VENDOR_CONFIG, "accel = prefer\n")
        self.assert_policy("prefer")
        launcher.write(CONFIG, "accel = off\n")
        self.assert_policy("off")
        launcher.write(CONFIG, "accel = require\n")
        self.assert_policy("require")

    def test_broken_vendor_file_is_told(self):
        launcher.write(VENDOR_CONFIG, "nonsense\n")
        launcher.write(CONFIG, "accel = off\n")
        self.refused(["-m", "1G"], VENDOR_CONFIG, r"\b1\b")

    def test_own_says_nothing(self):
        launcher.write(VENDOR_CONFIG, "accel = off\n")
        launcher.write(CONFIG, "# nothing\n")
        self.assert_policy("off")

    def test_no_regular_config(self):
        def directory(path):
            os.mkdir(path)

        def loop(path):
            os.symlink(path, path)

        def huge(path):
            launcher.write(path, "#" * 65536 + "\n")
        for file in (CONFIG, VENDOR_CONFIG):
            os.makedirs(os.path.dirname(file), exist_ok=True)
            for make in (directory, os.mkfifo, loop, huge):
                launcher.remove(file)
                make(file)
                with self.subTest(file=file, make=make.__name__):
                    self.refused(["-m", "1G"], file)
                    self.assert_not_asked()
            launcher.remove(file)

    def test_unreadable_config(self):
        nobody = (launcher.NOBODY, launcher.NOBODY, [])
        for file in (CONFIG, VENDOR_CONFIG):
            launcher.write(file, "accel = off\n", 0o600)
            self.refused(["-m", "1G"], file, "[Pp]ermission", user=nobody)
            result = self.host.run("-accel", "tcg", user=nobody)
            self.assert_run(result, ["-accel", "tcg"])
            launcher.remove(file)


class Files(Case):
    """Config files of QEMU's that are no files, and those that are not named."""

    def test_default_config(self):
        launcher.write(QEMU_CONFIG, '[machine]\n  accel = "tcg"\n')
        self.both(Row(("-m", "1G"), KEPT))
        self.both(Row(("-no-user-config",), ADDED))
        self.both(Row(("-m", "1G", "--no-user-config"), ADDED))
        self.both(Row(("-nodefconfig", "-m", "1G"), ADDED))
        self.both(Row(("-name", "-no-user-config"), KEPT))
        launcher.write(QEMU_CONFIG, '[accel "kvm"]\n  accel = "kvm"\n')
        self.both(Row((), WARNED))
        launcher.write(QEMU_CONFIG, '[drive "machine"]\n  accel = "tcg"\n')
        self.both(Row(("-m", "1G"), ADDED))
        launcher.remove(QEMU_CONFIG)
        os.mkdir(QEMU_CONFIG)
        self.both(Row(("-m", "1G"), ADDED))
        launcher.remove(QEMU_CONFIG)
        os.mkfifo(QEMU_CONFIG)
        self.both(Row(("-m", "1G"), ADDED))

    def assert_pipe_warning(self, result, file):
        """What a pipe chooses cannot be seen without taking it away; that is said."""
        self.assertEqual(f"qemu-kvm: warning: {file} of -readconfig is a pipe, so that an "
                         'accelerator it chooses cannot be seen; "-accel kvm" is put in front\n',
                         result.stderr.decode())

    def test_fifo_is_not_consumed(self):
        """Opening it and closing it again would be enough to lose what its writer has to say."""
        os.mkfifo("fifo")
        text = b'[machine]\n  type = "q35"\n'

        def feed():
            with open("fifo", "wb") as f:
                f.write(text)
        writer = threading.Thread(target=feed)
        writer.start()
        result = self.host.run("-readconfig", "fifo", env={"STUB_READ": "fifo"})
        writer.join()
        os.unlink("fifo")
        self.assert_run(result, ["-accel", "kvm", "-readconfig", "fifo"])
        self.assert_pipe_warning(result, "fifo")
        self.assertEqual([text], result.runs[-1].read)

    def test_fifo_without_a_writer(self):
        os.mkfifo("fifo")
        self.assert_run(self.host.run("-readconfig", "fifo"),
                        ["-accel", "kvm", "-readconfig", "fifo"])
        os.unlink("fifo")

    def test_pipe_is_not_consumed(self):
        for name in ("/dev/fd/{}", "/proc/self/fd/{}"):
            text = b'[machine]\n  type = "q35"\n'
            reader, writer = os.pipe()
            os.write(writer, text)
            os.close(writer)
            file = name.format(reader)
            result = self.host.run("-readconfig", file, env={"STUB_READ": file}, fds=[reader])
            os.close(reader)
            self.assert_run(result, ["-accel", "kvm", "-readconfig", file])
            self.assert_pipe_warning(result, file)
            self.assertEqual([text], result.runs[-1].read)

    def test_standard_input_is_not_consumed(self):
        reader, writer = os.pipe()
        os.write(writer, b"text for the guest\n")
        os.close(writer)
        args = ["-readconfig", "/dev/stdin", "-serial", "stdio"]
        result = self.host.run(*args, stdin=reader, env={"STUB_READ": "-"})
        os.close(reader)
        self.assert_run(result, ["-accel", "kvm", *args])
        self.assert_pipe_warning(result, "/dev/stdin")
        self.assertEqual([b"text for the guest\n"], result.runs[-1].read)

    def test_open_file(self):
        """A file by its number is read from its start, and stays where it was."""
        for name, expected in (("machine.cfg", []), ("neither.cfg", ["-accel", "kvm"])):
            with open(name, "rb") as f:
                os.set_inheritable(f.fileno(), True)
                f.seek(3)
                args = ["-readconfig", f"/dev/fd/{f.fileno()}"]
                result = self.host.run(*args, fds=[f.fileno()])
                self.assert_run(result, [*expected, *args])
                self.assertEqual(3, result.runs[-1].fds[f.fileno()][1])

    def test_unreadable_file(self):
        """QEMU is the one to complain."""
        launcher.write(os.path.abspath("secret.cfg"), READCONFIGS["machine.cfg"], 0o600)
        result = self.host.run("-readconfig", "secret.cfg",
                               user=(launcher.NOBODY, launcher.NOBODY, []))
        self.assert_run(result, ["-accel", "kvm", "-readconfig", "secret.cfg"])


class Vhost(Case):
    """A missing module is loaded where that is allowed, else a warning says how; then QEMU runs."""
    wanted = [
        ("vhost-net", ["-netdev", "tap,id=n,vhost=on"]),
        ("vhost-net", ["-netdev", "tap,id=n,ifname=t,vhost=on,script=no"]),
        ("vhost-net", ["-netdev", "tap,id=n,vhostforce=on"]),
        ("vhost-net", ["--netdev", "type=tap,id=n,vhost=on"]),
        ("vhost-net", ["-net", "tap,vhost=on"]),
        ("vhost-net", ["-nic", "tap,model=virtio,vhost=on"]),
        ("vhost-net", ["-accel", "tcg", "-netdev", "tap,id=n,vhost=on"]),
        ("vhost-vsock", ["-device", "vhost-vsock-pci,guest-cid=3"]),
        ("vhost-vsock", ["-device", "driver=vhost-vsock-pci,guest-cid=3"]),
        ("vhost-vsock", ["-device", "vhost-vsock-ccw,guest-cid=3"]),
    ]
    unwanted = [
        ["-netdev", "tap,id=n"],
        ["-netdev", "tap,id=n,vhost=off"],
        ["-netdev", "tap,id=n,vhost=on,vhostfd=7"],
        ["-netdev", "tap,id=n,vhost=on,vhostfds=7:9"],
        ["-netdev", "user,id=n,hostname=a,,vhost=on"],
        ["-netdev", "bridge,id=vhost=on"],
        ["-name", "-netdev", "tap,vhost=on"],
        ["-device", "vhost-vsock-pci,guest-cid=3,vhostfd=7"],
        ["-device", "virtio-net-pci"],
        ["-append", "vhost-vsock-pci"],
    ]

    def prefixed(self, args):
        return args if "-accel" in args else ["-accel", "kvm", *args]

    def test_missing(self):
        """No load of a module reaches the kernel here: it is refused, or there is none to load."""
        self.host.misc()
        for modules, reason in ((["vhost_net", "vhost_vsock"], "with kvm-modprobe, as root"),
                                ([], "the running kernel does not have it")):
            self.host.loadable(*modules)
            for module, args in self.wanted:
                with self.subTest(args, modules=modules):
                    self.executed(args, self.prefixed(args),
                                  warning=["vhost[-_]" + module.partition("-")[2], reason])

    def test_there(self):
        for _, args in self.wanted:
            with self.subTest(args):
                self.executed(args, self.prefixed(args))

    def test_not_wanted(self):
        self.host.misc()
        for args in self.unwanted:
            with self.subTest(args):
                self.executed(args, self.prefixed(args))

    def test_information(self):
        self.host.misc()
        args = ["-device", "vhost-vsock-pci,help"]
        self.executed(args, args)
        args = ["-netdev", "tap,id=n,vhost=on", "-version"]
        self.executed(args, args)

    def test_other_one_is_there(self):
        self.host.misc("vhost-vsock")
        args = ["-netdev", "tap,id=n,vhost=on"]
        self.executed(args, self.prefixed(args), warning=["vhost[-_]net"])

    def load(self, args, *faults):
        """Runs with the capability; what the kernel would say to the module is in `faults`."""
        self.host.misc()
        result = self.host.run(*args, may_load=True, faults=faults)
        self.assert_run(result, self.prefixed(args))
        return result

    def test_loading(self):
        self.host.loadable("vhost_net", "vhost_vsock")
        for _, args in self.wanted:
            with self.subTest(args):
                self.assertEqual(b"", self.load(args, "--load-module", "0").stderr)

    def test_loading_fails(self):
        for module, args in self.wanted:
            name = "vhost[-_]" + module.partition("-")[2]
            with self.subTest(args):
                self.host.loadable("vhost_net", "vhost_vsock")
                self.assert_line(self.load(args, "--load-module", "EPERM").stderr, name,
                                 warning=True)
                self.host.loadable()
                self.assert_line(self.load(args).stderr, name, warning=True)

    def test_both(self):
        """One line for each."""
        self.host.misc()
        args = ["-netdev", "tap,id=n,vhost=on", "-device", "vhost-vsock-pci,guest-cid=3"]
        result = self.host.run(*args)
        self.assert_run(result, self.prefixed(args))
        for line, name in zip(result.stderr.splitlines(True), ("vhost[-_]net", "vhost[-_]vsock"),
                              strict=True):
            self.assert_line(line, name, warning=True)


class Explain(Case):
    def test_hostile_arguments(self):
        for args in (["new\nline", "a\n\nb\n", "\n"], ["'", '"', "'\"'", "''", '\\"'],
                     ["$HOME", "$(id)", "`id`", "${x", "$'a'"], ["*", "?x", "[a-z]", "{a,b}"],
                     ["~", "~root", "a=~"], ["\udcff", "a\udc80'\udcfe", "\u20ac"],
                     ["#", "a#b", "!x", ";", "&", "|", "<", ">", "(", ")"], ["", " ", "\t", ""],
                     ["a b", " a", "a "], ["\\", "\\n", "a\\", "\\\\"], ["\r", "\x1b[31m", "\x7f"],
                     ["command: x", "x\ncommand: y"[:2], "=", "a=b", "-", "--"]):
            args = ["-append", *args]
            with self.subTest(args):
                self.explained(args, ["-accel", "kvm", *args])

    def test_only_in_front(self):
        for args in (["-m", "1G", "--kvm-explain"], ["-name", "--kvm-explain"],
                     ["", "--kvm-explain"], ["--sysroot", "/nowhere"], ["--sysroot=/nowhere"],
                     ["-m", "1G", "--kvm-explain", "--sysroot", "/"]):
            self.executed(args, ["-accel", "kvm", *args])

    def test_twice(self):
        """The second one is QEMU's."""
        self.explained(["--kvm-explain"], ["-accel", "kvm", "--kvm-explain"])

    def test_policies(self):
        args = ["-m", "1G"]
        self.explained(args, ["-accel", "tcg", *args], kvm=UNUSABLE,
                       env={"QEMU_KVM_ACCEL": "prefer"})
        self.explained(args, args, kvm=UNUSABLE, env={"QEMU_KVM_ACCEL": "off"})
        self.explained(["-accel", "kvm"], ["-accel", "kvm"], kvm=UNUSABLE)

    def explains_failure(self, status, *args, part=b"", **options):
        result = self.host.run("--kvm-explain", *args, **options)
        self.assertEqual((status, []), (result.returncode, result.runs), result.stderr)
        self.assertNotIn(b"\ncommand: ", b"\n" + result.stdout)
        self.assertIn(part, result.stdout + result.stderr)

    def test_failures(self):
        self.explains_failure(1, "-m", "1G", kvm=UNUSABLE, part=UNUSABLE_CODE.encode())
        self.explains_failure(1, "-m", "1G", env={"QEMU_KVM_ACCEL": "maybe"},
                              part=b"QEMU_KVM_ACCEL")
        launcher.write(CONFIG, "nonsense\n")
        self.explains_failure(1, "-m", "1G", part=CONFIG.encode())
        launcher.remove(CONFIG)
        os.unlink(self.host.emulator)
        self.explains_failure(127, "-m", "1G", part=launcher.EMULATOR_NAME.encode())
        launcher.write(self.host.emulator, "#!/bin/sh\n", 0o644)
        self.explains_failure(126, "-m", "1G", part=launcher.EMULATOR_NAME.encode())

    def test_sysroot(self):
        """KVM's state and the config files are those below it."""
        root = self.host.path("work", "root")
        launcher.write(root + CONFIG, "accel = off\n")
        for option in (["--sysroot", root], [f"--sysroot={root}"]):
            self.explained([*option, "-m", "1G"], ["-m", "1G"])
            self.explained([*option, "--sysroot", "x"], ["--sysroot", "x"])
        launcher.write(root + CONFIG, "nonsense\n")
        self.explains_failure(1, "--sysroot", root, "-m", "1G", part=CONFIG.encode())
        launcher.remove(root)
        for args in (["--sysroot"], ["--sysroot", root], [f"--sysroot={root}"], ["--sysroot", ""],
                     ["--sysroot="]):
            result = self.host.run("--kvm-explain", *args)
            self.assertNotEqual(0, result.returncode, args)
            self.assertEqual([], result.runs)


if __name__ == "__main__":
    launcher.enter()
    launcher.kvmtest.main()
