# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine of the system tests as files: a stock Debian with its own kernel, and the state in
which it has booted and waits for a job.

They are cached in a directory by what they are made from. Its layout:

  lock            held while an image is made
  build.log       what the last build said
  KEY-TIME/       an image: kernel, initrd, root.img, ready.qcow2 (root.img as it is in the state),
                  state, and in-use, on which each machine that runs has a shared lock
  new/            an image that is being made
"""
import contextlib
import fcntl
import glob
import hashlib
import lzma
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

import process
import qmp

HERE = os.path.dirname(os.path.abspath(__file__))
QEMU = "qemu-system-x86_64"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRRORS = {"debian": "http://deb.debian.org/debian",
           "debian-security": "http://deb.debian.org/debian-security"}
KERNEL = "linux-image-cloud-amd64"
PACKAGES = (
    # the machine and its agent
    "systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "busybox-static", "python3",
    # the project's libraries at run time
    "libncursesw6", "libtraceevent1", "libpcre2-8-0", "libudev1", "libinih1", "libkmod2",
    "libjson-c5", "libbpf1", "libcap-ng0",
    # what the jobs use
    "qemu-system-x86", "logrotate", "acl", "libvirt-daemon-system", "libvirt-clients", "rpm",
    "linux-perf")
MASKED_UNITS = (
    # what has nothing to do here, or would at the jump of a restored machine's clock
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "logrotate.timer",
    "e2scrub_all.timer", "fstrim.timer", "systemd-tmpfiles-clean.timer",
    "systemd-firstboot.service", "ldconfig.service", "systemd-hwdb-update.service",
    "systemd-update-utmp.service", "getty@tty1.service", "serial-getty@ttyS0.service")
DISABLED_UNITS = ("libvirt*", "virt*")  # the jobs that use them start them

# One virtual CPU: in QEMU's TCG a nested guest beside another CPU loses interrupts and hangs (it
# shows in one of twenty runs). No AES or SSSE3, which would only lengthen the kernel's self-tests.
CPU = "qemu64,+svm,+npt,+rdrand"
MACHINE = ("-nodefaults", "-no-user-config", "-accel", "tcg,thread=single", "-machine",
           "pc,hpet=off", "-smp", "1", "-m", "1024", "-display", "none", "-no-reboot",
           "-device", "isa-debug-exit,iobase=0xf4,iosize=4")
# A timer that ticks on its own (nohz, highres): should a nested guest cost the machine an
# interrupt, a timer that has to be set anew each time would let it sleep for ever. That is a guess
# at why one run of many stood still. An NMI makes the kernel print what all tasks do, see runner.
KERNEL_ARGUMENTS = ("console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr "
                    "no_timer_check tsc=reliable nohz=off highres=off apparmor=0 audit=0 "
                    "systemd.show_status=0 unknown_nmi_panic panic_print=1")
BUILD_SECONDS_MAX = 180  # from power on to the state
READY = b"machine: ready"
CLOCK_IS_WRONG = b"machine: the clock is wrong"
BOOTS = 2  # tries, for a clock that is right

INPUT_SIZE, OUTPUT_SIZE = 128 << 20, 64 << 20
AGE_MAX = 4 * 7 * 86400
DISK_NEEDED = 1500 << 20


def suite():
    """The Debian release of this host, for whose libraries the project was built."""
    fields = {}
    with open("/etc/os-release", encoding="utf-8") as f:
        for line in f:
            name, _, value = line.strip().partition("=")
            fields[name] = value.strip('"')
    if fields.get("ID") != "debian" or os.uname().machine != "x86_64":
        return None
    return fields.get("VERSION_CODENAME")


def _qemu_version():
    try:
        return subprocess.run([QEMU, "--version"], stdout=subprocess.PIPE, check=True).stdout
    except OSError as e:
        raise process.Failed(f"{QEMU} cannot be run: {e.strerror}") from e


def _key():
    digest = hashlib.sha256(_qemu_version())
    digest.update(repr(suite()).encode())
    for path in [os.path.abspath(__file__), *sorted(glob.glob(f"{HERE}/guest/*"))]:
        with open(path, "rb") as f:
            digest.update(f.read())
    return digest.hexdigest()[:16]


def arguments(cpu, root, input_fd, output_fd, kernel_arguments="", keep=False):
    """QEMU's arguments, for the image's directory as the current one."""
    result = [QEMU, *MACHINE, "-cpu", cpu, "-kernel", "kernel", "-initrd", "initrd",
              "-append", f"{KERNEL_ARGUMENTS} {kernel_arguments}".strip()]
    snapshot = "off" if keep else "on"
    file_format = "qcow2" if root.endswith("qcow2") else "raw"
    for name, drive in (
            ("root", f"format={file_format},snapshot={snapshot},file={root}"),
            ("input", f"format=raw,readonly=on,file=/dev/fd/{input_fd}"),
            ("output", f"format=raw,file=/dev/fd/{output_fd}")):
        # Else a full disk of the host would let the machine stand still.
        result += ["-drive", f"if=none,id={name},cache=unsafe,werror=report,{drive}",
                   "-device", f"virtio-blk-pci,drive={name}"]
    return result


class Image:
    """An image that is there; it stays as long as this object is open."""

    def __init__(self, path):
        self.path = path
        self._lock = os.open(os.path.join(path, "in-use"), os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        if not os.path.exists(os.path.join(path, "state")):  # it was being removed
            self.close()
            raise FileNotFoundError(path)

    def is_fresh(self):
        return time.time() - int(self.path.rpartition("-")[2]) < AGE_MAX

    def close(self):
        os.close(self._lock)


def _newest(directory, key):
    images = sorted(glob.glob(os.path.join(glob.escape(directory), f"{key}-*")))
    return images[-1] if images else None


def obstacle():
    """Why this host or user can never make the image, as a skip's code and text; or None."""
    if not suite():
        return "no-debian", "the image of the system tests needs a Debian host of x86-64"
    if os.geteuid() != 0:
        return "no-root", "only root can make the image of the system tests"
    return None


def find(directory):
    """The image for what it would be made from now, of whatever age, or None."""
    path = _newest(directory, _key())
    if path:
        with contextlib.suppress(FileNotFoundError):  # it has just been removed
            return Image(path)
    return None


def need(directory):
    """The image, made where it is missing, and made anew where it is old and that can be done."""
    image = find(directory)
    if image and (image.is_fresh() or obstacle()):
        return image
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process.say("waiting for another build of the image")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if image:
            image.close()
        image = find(directory)
        if image and image.is_fresh():
            return image
        try:
            path = _build(directory)
        except process.Failed as e:
            if not image:
                raise
            process.say(f"the image is older than {AGE_MAX // 86400} days and stays: {e}")
            return image
        if image:
            image.close()
        image = Image(path)
        _remove_others(directory, path)
        return image


def _remove_others(directory, path):
    for other in glob.glob(os.path.join(glob.escape(directory), "*-*")):
        if other == path or not os.path.isdir(other):
            continue
        with contextlib.suppress(OSError), open(f"{other}/in-use", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(f"{other}/state")
            shutil.rmtree(other)


def _build(directory):
    if obstacle():
        raise process.Failed(obstacle()[1])
    if shutil.disk_usage(directory).free < DISK_NEEDED:
        raise process.Failed(f"{directory}: less than {DISK_NEEDED >> 20} MB are free")
    log = os.path.join(directory, "build.log")
    new = os.path.join(directory, "new")
    path = os.path.join(directory, f"{_key()}-{int(time.time())}")
    shutil.rmtree(new, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(log)
    try:
        os.mkdir(new)
        _make_tree(new, log)
        _make_disk(new, log)
        _make_state(new, log)
        with open(f"{new}/in-use", "w", encoding="ascii"):
            pass
        os.rename(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return path


def _host_mirrors():
    """The Debian mirrors that this host's package manager uses."""
    mirrors = {}
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                match = re.match(r"(?:URIs:|deb\s).*?(https?://\S+/(debian(?:-security)?))/?\s",
                                 line)
                if match:
                    mirrors.setdefault(match[2], match[1])
    return mirrors


def _sources(mirrors):
    name = suite()
    return "".join(f"deb [signed-by={KEYRING}] {mirrors[kind]} {name}{pocket} main\n"
                   for kind, pocket in (("debian", ""), ("debian", "-updates"),
                                        ("debian-security", "-security")))


def _make_tree(new, log):
    """NEW/tree: the packages. NEW/kernel-package: the kernel's, only unpacked, as the machine
    needs no initramfs of Debian's."""
    hook = f"""
        export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
        kernel=$(apt-cache depends --important {KERNEL} |
            sed -n 's/^ *Depends: \\(linux-image-[^ ]*\\)/\\1/p' | head -n 1)
        cd "$NEW" && apt-get -o APT::Sandbox::User=root download "$kernel" &&
            dpkg-deb -x "$kernel"_*.deb kernel-package && rm "$kernel"_*.deb"""
    command = [
        # Namespaces of its own: whatever it mounts and starts is gone with it.
        "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
        "--mount-proc",
        "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase",
        "--include=" + ",".join(PACKAGES), "--aptopt=APT::Install-Recommends false",
        "--aptopt=Acquire::Languages none", "--aptopt=Acquire::Retries 3",
        "--dpkgopt=force-unsafe-io", f"--customize-hook={hook}",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*"
          for name in ("doc", "man", "info", "locale")),
        suite(), f"{new}/tree", f"{new}/sources.list"]
    choices = [{**MIRRORS, **_host_mirrors()}, MIRRORS]
    if choices[0] == choices[1]:
        choices.pop()
    while choices:
        with open(f"{new}/sources.list", "w", encoding="ascii") as f:
            f.write(_sources(choices.pop(0)))
        try:
            process.run("image: packages", command, log,
                        env={**os.environ, "NEW": new, "TMPDIR": new})
            break
        except process.Failed:
            if not choices:
                raise
            shutil.rmtree(f"{new}/tree", ignore_errors=True)
            process.say("image: once more, from Debian's own mirror")


def _link(target, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(target, path)


def _write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def _install_kernel(new):
    """Returns its version."""
    modules = glob.glob(f"{new}/kernel-package/lib/modules/*") + glob.glob(
        f"{new}/kernel-package/usr/lib/modules/*")
    version = os.path.basename(modules[0])
    os.makedirs(f"{new}/tree/usr/lib/modules", exist_ok=True)
    os.rename(modules[0], f"{new}/tree/usr/lib/modules/{version}")
    os.rename(f"{new}/kernel-package/boot/vmlinuz-{version}", f"{new}/kernel")
    shutil.rmtree(f"{new}/kernel-package")
    return version


def _configure(tree):
    units = f"{tree}/etc/systemd/system"
    os.makedirs(f"{tree}/usr/lib/machine")
    shutil.copy(f"{HERE}/guest/agent", f"{tree}/usr/lib/machine/agent")
    shutil.copy(f"{HERE}/guest/job-agent.service", units)
    _link("../job-agent.service", f"{units}/multi-user.target.wants/job-agent.service")
    for unit in MASKED_UNITS:
        _link("/dev/null", f"{units}/{unit}")
    # They find nothing on this machine and take most of a daemon-reload.
    for path in glob.glob(f"{tree}/usr/lib/systemd/system-generators/*") + glob.glob(
            f"{tree}/lib/systemd/system-generators/*"):
        _link("/dev/null", f"{tree}/etc/systemd/system-generators/{os.path.basename(path)}")
    for pattern in DISABLED_UNITS:
        for link in glob.glob(f"{units}/*.wants/{pattern}"):
            os.unlink(link)
    _write(f"{tree}/etc/hostname", "machine\n")
    _write(f"{tree}/etc/hosts", "127.0.0.1 localhost machine\n")
    _write(f"{tree}/etc/fstab", "")
    _write(f"{tree}/etc/machine-id", "0123456789abcdef0123456789abcdef\n")


def _make_initrd(new, version, log):
    first = f"{new}/first"
    os.makedirs(f"{first}/m")
    for name in ("bin", "proc", "sys", "dev", "root"):
        os.mkdir(f"{first}/{name}")
    shutil.copy(f"{new}/tree/bin/busybox", f"{first}/bin/busybox")
    shutil.copy(f"{HERE}/guest/first-stage", f"{first}/init")
    lines = subprocess.run(
        ["chroot", f"{new}/tree", "modprobe", "-S", version, "--show-depends", "-a", "virtio_pci",
         "virtio_blk", "ext4"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    files = [line.split()[1] for line in lines if line.startswith("insmod ")]
    for number, path in enumerate(dict.fromkeys(files)):
        with open(new + "/tree" + path, "rb") as f:
            data = f.read()
        name = os.path.basename(path)
        if name.endswith(".xz"):
            name, data = name.removesuffix(".xz"), lzma.decompress(data)
        with open(f"{first}/m/{number:02}-{name}", "wb") as f:
            f.write(data)
    process.run("image: initrd", [
        "sh", "-c", 'cd "$0" && find . | bin/busybox cpio -o -H newc >../initrd', first], log)
    shutil.rmtree(first)


def _make_disk(new, log):
    """NEW/kernel, initrd and root.img of the tree, which is then gone."""
    tree = f"{new}/tree"
    version = _install_kernel(new)
    process.run("image: modules", ["chroot", tree, "depmod", version], log)
    _configure(tree)
    _make_initrd(new, version, log)
    for name in glob.glob(f"{tree}/var/cache/apt/*") + glob.glob(f"{tree}/var/lib/apt/lists/*"):
        shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
    used = int(subprocess.run(["du", "-sm", tree], stdout=subprocess.PIPE, check=True)
               .stdout.split()[0])
    process.run("image: disk", [
        "mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0", "-d", tree,
        f"{new}/root.img", f"{used * 5 // 4 + 300}M"], log)
    shutil.rmtree(tree)


def disk_file(size, directory=None):
    """A disk of zeros without a name, so that nothing can leave it behind."""
    result = tempfile.TemporaryFile(dir=directory)
    result.truncate(size)
    return result


def _make_state(new, log):
    """Boots the machine until it waits for a job, and saves it."""
    for _ in range(BOOTS):
        process.run("image: overlay", ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "root.img",
                                       "-F", "raw", f"{new}/ready.qcow2"], log)
        if _boot_and_save(new, log):
            return
        process.say("the machine's clock is wrong: it is booted again")
    raise process.Failed("the machine's clock is wrong", log)


def _boot_and_save(new, log):
    """Returns whether that succeeded; not when its clock is wrong."""
    start = time.monotonic()
    ours, theirs = socket.socketpair()
    console = f"{new}/console"
    with disk_file(INPUT_SIZE, new) as job, disk_file(OUTPUT_SIZE, new) as output, \
            contextlib.closing(ours), contextlib.closing(theirs), open(log, "ab") as errors:
        command = arguments(CPU, "ready.qcow2", job.fileno(), output.fileno(), keep=True) + [
            "-serial", "file:console", "-serial", "null",
            "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
        with process.running(command, cwd=new, stdin=subprocess.DEVNULL, stdout=errors,
                             stderr=errors,
                             pass_fds=(job.fileno(), output.fileno(), theirs.fileno())) as machine:
            while True:
                text = b""
                with contextlib.suppress(FileNotFoundError), open(console, "rb") as f:
                    text = f.read()
                if READY in text:
                    break
                if CLOCK_IS_WRONG in text:
                    errors.write(text)
                    return False
                if machine.poll() is not None or time.monotonic() - start > BUILD_SECONDS_MAX:
                    errors.write(text)
                    raise process.Failed("the machine does not boot", log)
                time.sleep(0.1)
            time.sleep(0.5)
            theirs.close()
            qmp.save(ours, "state")
            machine.wait(30)
    shutil.move(console, f"{new}/boot.log")
    process.say(f"image: state: done in {time.monotonic() - start:.0f} s")
    return True
