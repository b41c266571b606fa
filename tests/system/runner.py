# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of the machine: a job goes in, its output, status and files come out."""
import collections
import contextlib
import io
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import image
import process
import qmp

TIMED_OUT, BROKEN = 124, 125
PASSED_EXIT, FAILED_EXIT = 65, 67  # QEMU's, for what guest/agent gives machine-exit
SHOWN_LINES = 40
PANIC_SECONDS = 15

# status: of the job, or TIMED_OUT, or BROKEN where the machine did not come to the job's end.
Result = collections.namedtuple("Result", "status why output console files seconds")


class Job:
    """What the machine gets: a program, the files beside it, and what is put over its own files."""

    def __init__(self, program, files=(), install=None, environment=()):
        self.program = program
        self.files = list(files)
        self.install = install
        self.environment = list(environment)

    def with_environment(self, *environment):
        return Job(self.program, self.files, self.install, [*self.environment, *environment])

    def write(self, disk):
        with tarfile.open(fileobj=disk, mode="w", format=tarfile.GNU_FORMAT) as tar:
            # The machine's clock is set to it, so that no file is of the future.
            self._add_text(tar, "now", f"{time.time() + 1:.0f}\n")
            tar.add(self.program, "job/job", filter=self._own)
            for path in self.files:
                tar.add(path, "job/" + os.path.basename(os.path.abspath(path)), filter=self._own)
            self._add_text(tar, "job/environment", "".join(
                f"{name}={shlex.quote(value)}\n"
                for name, _, value in (text.partition("=") for text in self.environment)))
            if self.install:
                self._add_tree(tar)
        if disk.tell() > image.INPUT_SIZE:
            raise process.Failed(f"the job has more than {image.INPUT_SIZE >> 20} MB")
        disk.truncate(image.INPUT_SIZE)

    def _add_tree(self, tar):
        with tarfile.open(self.install) as source:
            for member in source:
                data = source.extractfile(member) if member.isfile() else None
                member.name = os.path.normpath(os.path.join("root", member.name))
                if member.islnk():
                    member.linkname = os.path.normpath(os.path.join("root", member.linkname))
                tar.addfile(self._own(member), data)

    @staticmethod
    def _own(member):
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    @staticmethod
    def _add_text(tar, name, text):
        member = tarfile.TarInfo(name)
        member.size = len(text.encode())
        tar.addfile(member, io.BytesIO(text.encode()))


class Boot:
    """How the machine starts: its state restored, or from power on with what is given here."""

    def __init__(self, kernel_arguments=None, cpu=None, cpus=1, before_boot=False):
        self.is_cold = (kernel_arguments is not None or cpu is not None or cpus != 1
                        or before_boot)
        self.kernel_arguments = kernel_arguments or ""
        if before_boot:
            self.kernel_arguments += " machine.before_boot"
        self.cpu = cpu or image.CPU
        self.cpus = cpus

    def arguments(self, job_disk, output_disk, state):
        result = image.arguments(self.cpu, "root.img" if self.is_cold else "ready.qcow2",
                                 job_disk, output_disk, self.kernel_arguments)
        result[result.index("-smp") + 1] = str(self.cpus)
        return result if self.is_cold else [*result, "-incoming", f"fd:{state}"]


def _forward(pipe, keep, stream):
    """What the job prints, as it comes."""
    while True:
        data = os.read(pipe.fileno(), 65536)
        if not data:
            return
        keep.append(data)
        if stream:
            try:
                stream.write(data)
                stream.flush()
            except OSError:  # nobody reads; the machine must not wait for that
                stream = None


def _read_files(disk):
    """{name: data} of the tar on the disk; empty where there is none."""
    files = {}
    disk.seek(0)
    try:
        with tarfile.open(fileobj=disk, mode="r:") as tar:
            for member in tar:
                if member.isfile():
                    files[os.path.normpath("/" + member.name)[1:]] = tar.extractfile(member).read()
    except tarfile.TarError:
        pass
    return files


def _judge(qemu_status, files):
    """Two witnesses, QEMU's status and the file on the disk, have to say the same."""
    text = files.get("status", b"").decode(errors="replace").strip()
    job_status = int(text) if text.isdigit() else None
    if qemu_status == PASSED_EXIT and job_status == 0:
        return 0, "the job passed"
    if qemu_status == FAILED_EXIT and job_status:
        return job_status, f"the job ended with {job_status}"
    return BROKEN, (f"the machine has ended, but not as the job's end ends it (QEMU's status "
                    f"{qemu_status}, the job's {job_status})")


def run(where, job, boot=Boot(), timeout=120, stream=None, interactive=False):
    """Runs the job on the machine of the image `where`. `stream`: gets what it prints. A machine
    whose clock is wrong ends before the job begins, and is booted again.
    """
    for left in reversed(range(image.BOOTS)):
        result = _run_once(where, job, boot, timeout, stream, interactive)
        if not boot.is_cold or image.CLOCK_IS_WRONG not in result.console or not left:
            break
        process.say("the machine's clock is wrong: it is booted again")
    return result


def _run_once(where, job, boot, timeout, stream, interactive):
    output = []
    standstill = None
    if timeout:
        job = job.with_environment(f"JOB_DEADLINE={time.time() + timeout:.0f}")
    ours, theirs = socket.socketpair()
    start = time.monotonic()
    with image.disk_file(image.INPUT_SIZE) as job_disk, \
            image.disk_file(image.OUTPUT_SIZE) as output_disk, \
            tempfile.TemporaryFile() as console, \
            open(f"{where.path}/state", "rb") as state, \
            contextlib.closing(ours), contextlib.closing(theirs):
        job.write(job_disk)
        job_disk.flush()
        fds = [f.fileno() for f in (job_disk, output_disk, console, state, theirs)]
        command = boot.arguments(fds[0], fds[1], fds[3]) + [
            "-chardev", f"socket,id=qmp,fd={fds[4]}", "-mon", "chardev=qmp,mode=control",
            "-serial", f"file:/dev/fd/{fds[2]}"]
        if interactive:
            command += ["-chardev", "stdio,id=terminal,signal=off", "-serial", "chardev:terminal"]
            pipes = {}
        else:
            command += ["-serial", "stdio"]
            pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        with process.running(command, cwd=where.path, pass_fds=fds, **pipes) as machine:
            if not interactive:
                reader = threading.Thread(target=_forward, args=(machine.stdout, output, stream))
                reader.start()
            try:
                qemu_status = machine.wait(timeout)
            except subprocess.TimeoutExpired:
                qemu_status = None
                standstill = qmp.examine(ours).encode()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    machine.wait(PANIC_SECONDS)
                machine.kill()
            if not interactive:
                reader.join()
        files = _read_files(output_disk)
        if standstill:
            files["machine"] = standstill
        status, why = _judge(qemu_status, files)
        if qemu_status is None:
            status, why = TIMED_OUT, f"not done within {timeout} s"
        console.seek(0)
        return Result(status, why, b"".join(output), console.read(), files,
                      time.monotonic() - start)


def keep(result, directory):
    """Writes all that a run left below the directory, which is new then."""
    shutil.rmtree(directory, ignore_errors=True)
    for name, data in {**result.files, "console": result.console,
                       "output": result.output}.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)


def explain(result, directory=None):
    """The ends of the console and of the journal, and where the rest is. A machine that has not
    come to the job's end leaves no journal.
    """
    process.say(result.why)
    for name, data in (("console", result.console), ("journal", result.files.get("journal"))):
        if data:
            process.say(f"the end of the {name}:")
            lines = data.decode(errors="replace").splitlines()[-SHOWN_LINES:]
            sys.stderr.write("".join(f"    {line}\n" for line in lines))
    if directory:
        process.say(f"console, output and files: {directory}")
