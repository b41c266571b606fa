# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests in Python share: the programs, skips, private mounts, guests, upstream's tool."""
import contextlib
import ctypes
import fcntl
import glob
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE_DIR = os.environ.get("SOURCE_DIR") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN_DIR = os.environ["BIN_DIR"]
KVM_STAT = os.path.join(BIN_DIR, "kvm_stat")
SAMPLE_GUEST = os.path.join(BIN_DIR, "kvm-sample-guest")
UPSTREAM_IN_TAR = "tools/kvm/kvm_stat/kvm_stat"

sys.path.insert(0, os.path.join(SOURCE_DIR, "tests", "fixtures"))

# The system calls in which a program waits for its next sample: poll, select, nanosleep,
# clock_nanosleep, epoll_wait, pselect6, ppoll, epoll_pwait of x86-64.
SLEEPS = {"7", "23", "35", "230", "232", "270", "271", "281"}


def skip(code, text):
    """Ends the program as a skipped test."""
    print(f"SKIP: {code}: {text}")
    sys.exit(77)


def need_root():
    if os.geteuid() != 0:
        skip("no-root", "needs private mounts and perf counters")


def need_kvm():
    probe = subprocess.run([SAMPLE_GUEST, "--probe"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        skip("no-kvm", probe.stderr.strip())


def need_host_pids():
    """BPF programs know processes by their numbers in the initial PID namespace, of fixed inode."""
    if os.stat("/proc/self/ns/pid").st_ino != 0xEFFFFFFC:
        skip("pid-namespace", "BPF programs do not count in a PID namespace")


def need_upstream():
    """Upstream's kvm_stat, taken out of Debian's kernel source package into the build directory."""
    tars = sorted(glob.glob("/usr/src/linux-source-*.tar.xz"))
    if not tars:
        skip("no-upstream", "the package linux-source-6.12 is not installed")
    directory = os.path.join(os.path.dirname(BIN_DIR), "upstream")
    os.makedirs(directory, exist_ok=True)
    script = os.path.join(directory, "kvm_stat")
    with open(os.path.join(directory, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(script):
            tree = os.path.basename(tars[0]).removesuffix(".tar.xz")
            text = subprocess.run(["tar", "-xOf", tars[0], f"{tree}/{UPSTREAM_IN_TAR}"],
                                  stdout=subprocess.PIPE, check=True).stdout
            with open(script + ".new", "wb") as f:
                f.write(text)
            os.rename(script + ".new", script)
    return script


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def enter_private_mounts():
    """Nothing that is mounted from now on is seen outside of this test."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        skip("no-private-mounts", os.strerror(ctypes.get_errno()))
    mount("--make-rprivate", "/")
    if not os.path.ismount("/sys/kernel/debug"):
        mount("-t", "debugfs", "debugfs", "/sys/kernel/debug")
    if not os.path.ismount("/sys/kernel/tracing"):
        mount("-t", "tracefs", "tracefs", "/sys/kernel/tracing")
    with contextlib.suppress(FileNotFoundError):
        os.listdir("/sys/kernel/debug/tracing")  # the kernel mounts it at the first look


@contextlib.contextmanager
def bound(source, target):
    """`source` mounted over `target` for a while."""
    mount("--bind", source, target)
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


def until(condition, what, seconds=20):
    """Waits for condition() and returns what it returns."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


def bpf_runs(pid):
    """How often the BPF programs ran that a process has, and for how many nanoseconds, as the kernel
    measures it.
    """
    count = spent = 0
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
            info = dict(re.findall(r"^(run_time_ns|run_cnt):\s*(\d+)", f.read(), re.M))
        count += int(info.get("run_cnt", 0))
        spent += int(info.get("run_time_ns", 0))
    return count, spent


def state(pid):
    """The letter for what a process does: S sleeps, T is stopped."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(")")[2].split()[0]


def sleeps(pid):
    """Whether it waits for its next sample, which it does while it is stopped, too."""
    try:
        if os.uname().machine == "x86_64":
            try:
                with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
                    return f.read().split()[0] in SLEEPS
            except (FileNotFoundError, PermissionError):
                pass  # of another kernel, or of one that lets nobody look (Yama)
        return state(pid) in "ST"
    except OSError:
        return False


def cpu_time(pid):
    """How long a process has run, in seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until_asleep(process, seconds=20):
    """Waits until a program has taken its first sample and sleeps until the next one."""
    def asleep():
        if process.poll() is not None:
            raise AssertionError(f"{process.args} ended with {process.returncode}")
        if not sleeps(process.pid):
            return False
        time.sleep(0.02)
        return sleeps(process.pid)
    until(asleep, f"{process.args} sleeps", seconds)


def stop(process):
    """Stops a program while it waits for its next sample, if it does. Returns whether it did."""
    def is_stopped():
        return process.poll() is not None or state(process.pid) == "T"
    process.send_signal(signal.SIGSTOP)
    until(is_stopped, f"{process.args} is stopped")
    return process.poll() is None and sleeps(process.pid)


@contextlib.contextmanager
def frozen(process):
    """A program that takes many samples takes none meanwhile, and is not amid one."""
    try:
        until_asleep(process)
        while not stop(process):
            process.send_signal(signal.SIGCONT)
            until_asleep(process)
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def until_sampled(process, path):
    """Waits until it has written a sample to its file that was taken later than now: the next one
    may have been taken before.
    """
    def lines():
        with open(path, "rb") as f:
            return f.read().count(b"\n")

    def sampled():
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        return lines() >= before + 2
    before = lines()
    until(sampled, f"{process.args} takes two samples")


def open_files(pid):
    """What each descriptor of a process leads to; one that it closes meanwhile is passed over."""
    targets = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return targets


def read_line(process, seconds=60):
    """The next line that a program says, which says one at a time."""
    poll = select.poll()  # unlike select(), of descriptors beyond 1023 too
    poll.register(process.stdout, select.POLLIN)
    if not poll.poll(seconds * 1000):
        raise AssertionError(f"{process.args} says nothing for {seconds} s")
    return process.stdout.readline()


def reset_signals():
    """Those that end or stop a program do, whatever this test inherited (nohup, `&`)."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)


def start(*command, **options):
    """A program with pipes."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(command, preexec_fn=reset_signals, **options)


def kvm_stat(*args, timeout=30, **options):
    """Runs our program to its end."""
    return subprocess.run([KVM_STAT, *args], capture_output=True, text=True, timeout=timeout,
                          check=False, **options)


def batch_rows(text):
    """{name: (total, delta)} of the output of -1, whose layout is checked too."""
    rows = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\S+) *?( *-?\d+)( *-?\d+)", line)
        assert match, f"no row: {line!r}"
        total, delta = line[len(match[1]):].split()
        # Upstream's columns; what fills them is kept apart.
        apart = [" " if full else "" for full in (len(match[1]) >= 42 and len(total) >= 10,
                                                  len(delta) >= 10)]
        assert line == f"{match[1]:42}{apart[0]}{total:>10}{apart[1]}{delta:>10}", line
        assert match[1] not in rows, f"twice: {line}"
        rows[match[1]] = (int(total), int(delta))
    return rows


class SampleGuest:
    """kvm-sample-guest that waits for go()."""

    def __init__(self, *args):
        self.process = start(SAMPLE_GUEST, "--wait", *args, stdin=subprocess.PIPE)
        self.pid = self.process.pid
        try:
            line = read_line(self.process)
            assert line == "ready\n", line + self.process.stderr.read()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self):
        """Waits until the work is done: the line that says what happened."""
        return read_line(self.process).strip()

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate("")


class NamedProcess:
    """A process that looks like a guest of this name but is none."""

    def __init__(self, name):
        self.process = subprocess.Popen(["sh", "-c", "read x", "sh", "-name", name],
                                        stdin=subprocess.PIPE)
        self.pid = self.process.pid

    def end(self):
        self.process.kill()
        self.process.communicate()


def foreign_vms(*own):
    """VMs of this host that are not those of the processes `own`."""
    return [name for name in next(os.walk("/sys/kernel/debug/kvm"))[1]
            if int(name.split("-")[0]) not in own]


class TestCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="kvm_stat-test-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def launch(self, *command, **options):
        """As start(), and the program ends with the test."""
        process = start(*command, **options)

        def end():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.addCleanup(end)
        return process

    def launch_frozen(self, *command, **options):
        """As launch(), and the program is stopped after its first sample, until SIGCONT. One that
        slept no more when it was stopped, as on a busy machine, is started anew.
        """
        for _ in range(6):
            process = self.launch(*command, **options)
            try:
                until_asleep(process)
            except AssertionError:
                if process.returncode != 0:
                    raise
                continue
            if stop(process):
                return process
            process.kill()
        raise AssertionError(f"{command} was never stopped in time")


def main():
    unittest.main(verbosity=2)
