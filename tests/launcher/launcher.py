# SPDX-License-Identifier: GPL-2.0-or-later
"""The launcher's host, made of private mounts: its devices, config files, emulators and KVM.

enter() moves the test into mounts of its own, in which it may change /dev, /etc, /usr/lib,
/usr/libexec, /usr/local/bin, /sys/class/misc, /sys/module and /proc/cpuinfo. Nothing of that is
seen outside. Modules are never loaded: what runs has no capability to do so, or kvm-faults answers
in the place of the kernel.
"""
import atexit
import collections
import contextlib
import ctypes
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

# What kvm-faults is told. Without it (None) the device is as real as host.node() made it.
USABLE = ()
UNUSABLE = ("--create-vm", "EBUSY")
UNUSABLE_CODE = "busy"

NOBODY = 65534
ARCHITECTURES = {"ppc64le": "ppc64", "i486": "i386", "i586": "i386", "i686": "i386"}
ARCH = ARCHITECTURES.get(os.uname().machine, os.uname().machine)
EMULATOR_NAME = "qemu-system-" + ARCH

CONFIG = "/etc/qemu-kvm.conf"
VENDOR_CONFIG = "/usr/lib/qemu-kvm/qemu-kvm.conf"
QEMU_CONFIG = "/etc/qemu/qemu.conf"

MS_REC, MS_BIND, MS_PRIVATE, MNT_DETACH = 0x4000, 0x1000, 0x40000, 2
CLONE_NEWNS, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, CAP_SYS_MODULE = 0x20000, 24, 36, 16

libc = ctypes.CDLL(None, use_errno=True)

DEPTH = "QEMU_KVM_LAUNCHER_DEPTH"  # how many launchers have led to the emulator

BLOCKED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN + 3)
IGNORED = (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTOU)


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _mount(source, target, kind=None, flags=0, data=None):
    encode = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    _check(libc.mount(*encode[:3], ctypes.c_ulong(flags), encode[3]))


def _unmount(target):
    _check(libc.umount2(os.fsencode(target), MNT_DETACH))


def remove(path):
    """Whatever it is, or nothing."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def write(path, data, mode=0o644):
    """Replaces whatever was there. Returns the path."""
    remove(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(os.fsencode(data))
    os.chmod(path, mode)
    return path


class Run(collections.namedtuple("Run", "argv env fds facts read")):
    """One run of the stub: what it was given."""

    @property
    def pid(self):
        return int(self.facts["pid"])


Result = collections.namedtuple("Result", "pid returncode stdout stderr runs")


def _parse_runs(data):
    """What the stubs have appended: pairs of strings, the last of each run named "end"."""
    runs = []
    fields = data.split(b"\0")
    run = Run([], [], {}, {}, [])
    for name, value in zip(fields[::2], fields[1::2]):
        if name == b"arg":
            run.argv.append(value)
        elif name == b"env":
            run.env.append(value)
        elif name == b"fd":
            number, flags, position, target = value.split(b" ", 3)
            run.fds[int(number)] = (int(flags, 8), int(position), target)
        elif name == b"read":
            run.read.append(value)
        elif name == b"end":
            runs.append(run)
            run = Run([], [], {}, {}, [])
        else:
            run.facts[name.decode()] = os.fsdecode(value)
    return runs


class Host:
    """The private host; there is one, made by enter()."""

    def __init__(self):
        kvmtest.need_root()
        if libc.unshare(CLONE_NEWNS) != 0:
            kvmtest.skip("no-private-mounts", os.strerror(ctypes.get_errno()))
        _mount(None, "/", flags=MS_REC | MS_PRIVATE)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.top = tempfile.mkdtemp(prefix="qemu-kvm-test-")
        _mount("tmpfs", self.top, "tmpfs", data="mode=755")
        atexit.register(self._leave)
        self._make_own_files()
        self._make_dev()
        for path in ("/etc", "/usr/lib", "/usr/libexec", "/usr/local/bin"):
            self._make_changeable(path)
        self._make_kernel_files()
        self.reset()

    def _leave(self):
        os.chdir("/")
        _unmount(self.top)
        os.rmdir(self.top)

    def path(self, *parts):
        return os.path.join(self.top, *parts)

    def _make_own_files(self):
        for name in ("bin", "stash", "path"):
            os.mkdir(self.path(name), 0o755)
        os.mkdir(self.path("work"))
        os.chmod(self.path("work"), 0o1777)
        programs = os.environ["LAUNCHER_TESTS_DIR"]
        self.launcher = self.path("bin", "qemu-kvm")
        self.faults = self.path("bin", "kvm-faults")
        self.stub = self.path("bin", "stub-emulator")
        shutil.copy(os.path.join(kvmtest.BIN_DIR, "qemu-kvm"), self.launcher)
        shutil.copy(os.path.join(programs, "kvm-faults"), self.faults)
        shutil.copy(os.path.join(programs, "stub-emulator"), self.stub)
        self.emulator = self.path("path", EMULATOR_NAME)
        self.output = self.path("work", "output")
        os.chdir(self.path("work"))
        # Numbers that every run passes on: a file at a position, and a device.
        with open("seven", "wb") as f:
            f.write(b"0123456789")
        with open("seven", "r+b") as file, open("/dev/null", "rb") as null:
            file.seek(5)
            os.dup2(file.fileno(), 7)
            os.dup2(null.fileno(), 9)

    def _make_dev(self):
        """/dev with the usual nodes and, unlike the machine's, a KVM node that comes and goes."""
        dev = self.path("dev")
        os.mkdir(dev, 0o755)
        _mount("tmpfs", dev, "tmpfs", data="mode=755")
        os.umask(0)
        try:
            for name in ("null", "zero", "full", "random", "urandom", "tty"):
                os.mknod(f"{dev}/{name}", stat.S_IFCHR | 0o666, os.stat(f"/dev/{name}").st_rdev)
        except PermissionError as error:
            kvmtest.skip("no-mknod", str(error))
        os.umask(0o022)
        for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                             ("stderr", "fd/2")):
            os.symlink(target, f"{dev}/{name}")
        os.mkdir(f"{dev}/shm", 0o1777)
        _mount(dev, "/dev", flags=MS_BIND)

    def _make_changeable(self, path):
        """A tmpfs over a directory, with everything that was there bound to its place again."""
        if not os.path.isdir(path):
            self._make_changeable(os.path.dirname(path))
            os.mkdir(path, 0o755)
            return
        stash = self.path("stash", path.strip("/").replace("/", "-"))
        os.mkdir(stash)
        _mount(path, stash, flags=MS_BIND | MS_REC)
        _mount("tmpfs", path, "tmpfs", data="mode=755")
        for entry in os.scandir(stash):
            target = os.path.join(path, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), target)
                continue
            if entry.is_dir():
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
            _mount(entry.path, target, flags=MS_BIND | MS_REC)

    def _make_kernel_files(self):
        _mount("tmpfs", "/sys/class/misc", "tmpfs", data="mode=755")
        _mount("tmpfs", "/sys/module", "tmpfs", data="mode=755")
        self.cpuinfo = write(self.path("cpuinfo"), "")
        _mount(self.cpuinfo, "/proc/cpuinfo", flags=MS_BIND)

    def forget(self, path):
        """Takes a file or directory of the machine out of a directory that can be changed."""
        if os.path.lexists(path):
            with contextlib.suppress(OSError):
                _unmount(path)
            remove(path)

    def reset(self):
        """As a host with KVM loaded, the stub as its emulator, and no config file."""
        for file in (CONFIG, os.path.dirname(VENDOR_CONFIG), os.path.dirname(QEMU_CONFIG),
                     "/usr/libexec/qemu-kvm"):
            self.forget(file)
        os.makedirs(os.path.dirname(QEMU_CONFIG))
        for name in os.listdir("/usr/local/bin"):
            if name.startswith("qemu-"):
                self.forget(os.path.join("/usr/local/bin", name))
        remove(self.path("path"))
        os.mkdir(self.path("path"))
        os.link(self.stub, self.emulator)
        self.node()
        self.modules("kvm", "kvm_intel")
        self.misc("vhost-net", "vhost-vsock")
        self.cpu_flags("vmx")

    @staticmethod
    def node(mode=0o666, gid=0, device=(10, 232)):
        """Makes /dev/kvm a device node."""
        remove("/dev/kvm")
        os.mknod("/dev/kvm", stat.S_IFCHR, os.makedev(*device))
        os.chown("/dev/kvm", 0, gid)
        os.chmod("/dev/kvm", mode)

    @staticmethod
    def _only(directory, names):
        for name in os.listdir(directory):
            remove(os.path.join(directory, name))
        for name in names:
            os.mkdir(os.path.join(directory, name))

    def modules(self, *names):
        self._only("/sys/module", names)

    def misc(self, *names):
        self._only("/sys/class/misc", names)

    def loadable(self, *names):
        """The modules that are installed for this kernel; none has any content."""
        modules = os.path.join(os.path.realpath("/lib"), "modules")
        self.forget(modules)
        self.forget("/etc/modprobe.d")
        tree = os.path.join(modules, os.uname().release)
        os.makedirs(os.path.join(tree, "kernel"))
        for name in names:
            shutil.copy(self.stub, os.path.join(tree, "kernel", name + ".ko"))
        for name in ("order", "builtin", "builtin.modinfo"):
            write(os.path.join(tree, "modules." + name), "")
        depmod = shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin")
        subprocess.run([depmod], check=True, stderr=subprocess.DEVNULL)

    def endless_script(self, path, command, limit=99):
        """A script that runs the launcher ({} in `command`) again, and itself not for ever."""
        self.rounds = write(self.path("work", "rounds"), "", 0o666)
        write(path, f"#!/bin/sh\nPATH=$PATH:/usr/bin:/bin\necho >>{self.rounds}\n"
              f"[ $(wc -l <{self.rounds}) -gt {limit} ] && exit 77\nPATH={self.path('path')}\n" +
              command.format(self.launcher) + "\n", 0o755)

    def cpu_flags(self, *flags):
        with open(self.cpuinfo, "w", encoding="ascii") as f:
            vendor = "AuthenticAMD" if "svm" in flags else "GenuineIntel"
            f.write(f"processor\t: 0\nvendor_id\t: {vendor}\n"
                    f"flags\t\t: fpu {' '.join(flags)}\n\n")

    def environment(self, **changes):
        """What every run gets, changed: a value of None takes the name away."""
        env = {"PATH": self.path("path"), "STUB_OUTPUT": self.output, "EMPTY": "",
               "STRANGE": "a b\nc='$x' \x1b[31m\udcff", "_": "/not/me"}
        for name in ("LC_ALL", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(changes)
        return {name: value for name, value in env.items() if value is not None}

    def command(self, program, args, kvm, user, faults):
        """The words that run the program: who answers for KVM, who runs it, and the arguments."""
        words = [] if kvm is None else [self.faults, *kvm, *faults, "--"]
        if user is not None:
            uid, gid, groups = user
            words += ["setpriv", "--reuid", str(uid), "--regid", str(gid)]
            words += ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
        return [os.fsencode(word) for word in (*words, program, *args)]

    def run(self, *args, program=None, kvm=USABLE, faults=(), env=None, user=None, stdin=None,
            fds=(), prepare=None, may_load=False, timeout=30):
        """Runs the launcher to its end. `user`: (uid, gid, groups). `prepare` runs in the child.

        With `may_load` it has CAP_SYS_MODULE, and kvm-faults does not let it get to the kernel.
        """
        assert kvm is not None or not may_load

        def in_child():
            if not may_load:
                libc.prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE, 0, 0, 0)
            signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED)
            for number in IGNORED:
                signal.signal(number, signal.SIG_IGN)
            if prepare:
                prepare()
        write(self.output, "", 0o666)
        command = self.command(program or self.launcher, args, kvm, user, faults)
        with open("stdout", "w+b") as out, open("stderr", "w+b") as err:
            # setpriv is looked for here, the emulator in the PATH of `env`.
            if command[0] == b"setpriv" or user is not None:
                command[command.index(b"setpriv")] = os.fsencode(shutil.which("setpriv"))
            with subprocess.Popen(
                    command, env=self.environment(**(env or {})), stdout=out, stderr=err,
                    stdin=subprocess.DEVNULL if stdin is None else stdin, preexec_fn=in_child,
                    pass_fds=(7, 9, *fds)) as process:
                try:
                    process.wait(timeout)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
            out.seek(0)
            err.seek(0)
            with open(self.output, "rb") as f:
                runs = _parse_runs(f.read())
            result = Result(process.pid, process.returncode, out.read(), err.read(), runs)
        self._reap()
        return result

    @staticmethod
    def _reap():
        """The processes beside kvm-faults' commands are handed to this one."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


host = None


def enter():
    """Makes the private host; the first thing that a test does."""
    global host  # pylint: disable=global-statement
    host = Host()
    return host


class TestCase(kvmtest.TestCase):
    """Compares what the stub was given with what a run without the launcher would give."""

    def setUp(self):
        super().setUp()
        self.host = host
        self.host.reset()

    def assert_line(self, text, *parts, warning=None, name="qemu-kvm"):
        """One clean line of the launcher's, in which all of `parts` (regular expressions) occur."""
        self.assertRegex(text, rb"\A[^\n]+\n\Z", "not one line")
        line = text.decode()[:-1]  # it must be UTF-8
        self.assertTrue(line.startswith(name + ": "), line)
        self.assertNotRegex(line, "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
        self.assertFalse(line.endswith("."), line)
        if warning is not None:
            self.assertEqual(warning, line.startswith(f"{name}: warning: "), line)
        for part in parts:
            self.assertRegex(line, part)

    def assert_refused(self, result, status, *parts, **options):
        """It said why in one line and ran nothing."""
        self.assertEqual((status, [], b""), (result.returncode, result.runs, result.stdout),
                         result.stderr)
        self.assert_line(result.stderr, *parts, warning=False, **options)

    def assert_run(self, result, args, emulator=None, reference=None, status=0, depth=1):
        """The last run is the emulator, in the launcher's place, and nothing but argv is new."""
        self.assertTrue(result.runs, f"nothing ran: {result.returncode} {result.stderr}")
        run = result.runs[-1]
        expected = [os.fsencode(word) for word in (emulator or self.host.emulator, *args)]
        self.assertEqual(expected, run.argv)
        self.assertEqual(status, result.returncode, result.stderr)
        self.assertEqual(result.pid, run.pid, "not in place")
        self.assertEqual([f"{DEPTH}={depth}".encode()],
                         [entry for entry in run.env if entry.startswith(DEPTH.encode())])
        if reference:
            self.assert_same(reference, run)

    def assert_same(self, reference, run):
        self.assertEqual(reference.env, self.other_env(run))
        own = ("pid", "pgid", "exe")
        self.assertEqual({name: fact for name, fact in reference.facts.items() if name not in own},
                         {name: fact for name, fact in run.facts.items() if name not in own})
        self.assertEqual(self._fds(reference), self._fds(run))

    @staticmethod
    def other_env(run):
        """The environment but for what the launcher has put there."""
        return [entry for entry in run.env if not entry.startswith(DEPTH.encode() + b"=")]

    @staticmethod
    def _fds(run):
        """All but how much was written to stderr, and which pipe it is."""
        return {number: (flags, None if number in (1, 2) else position,
                         re.sub(rb"\d+", b"N", target) if target.startswith(b"pipe:") else target)
                for number, (flags, position, target) in run.fds.items()}

    def reference(self, **options):
        """What the stub is given when it runs without the launcher."""
        result = self.host.run(program=self.host.emulator, **options)
        return result.runs[-1]


def code(name):
    """The stable name of a cause within a line: followed by its text, or in brackets."""
    return rf"(: |\(|\[){re.escape(name)}(:|\)|\])"
