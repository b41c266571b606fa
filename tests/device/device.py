# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm-device's host, made of private mounts: its /dev, /etc/passwd, /etc/group, /run and rules.

Nothing of that is seen outside. The real users are numbers of this table; the nodes are real.
"""
import atexit
import grp
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

KVM_DEVICE = os.path.join(kvmtest.BIN_DIR, "kvm-device")
BUILD_DIR = os.path.dirname(kvmtest.BIN_DIR)
RULES_FILE = os.path.join(BUILD_DIR, "udev", "65-kvm.rules")
NUMBERS = {"kvm": (10, 232), "vhost-net": (10, 238), "vhost-vsock": (10, 241)}
KVM_GID = 36
MACHINE_HAS_UDEVD = os.path.exists("/run/udev/control")  # asked before /run is private

PASSWD = """root:x:0:0::/:/bin/sh
member:x:4001:4001::/:/bin/sh
other:x:4002:4002::/:/bin/sh
"""
GROUP = f"""root:x:0:
kvm:x:{KVM_GID}:member
member:x:4001:
other:x:4002:
friends:x:4003:member
nogroup:x:65534:
"""

USERS = {"root": (0, 0), "member": (4001, 4001), "other": (4002, 4002),
         "stranger": (4009, 4009)}  # who has no account


def policy_mode():
    with open(os.path.join(BUILD_DIR, "CMakeCache.txt"), encoding="utf-8") as f:
        for line in f:
            if line.startswith("KVM_DEVICE_MODE:"):
                return int(line.split("=")[1], 8)
    raise AssertionError("no KVM_DEVICE_MODE")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def need_no_udevd():
    """The events that a test has the kernel send reach the machine's udevd as well, if any."""
    if MACHINE_HAS_UDEVD:
        kvmtest.skip("udevd-runs", "the machine's own would set its /dev/kvm anew")


def leave(top):
    os.chdir("/")
    subprocess.run(["umount", "-l", top], check=True)
    os.rmdir(top)


def enter():
    """Moves this test into mounts of its own."""
    kvmtest.need_root()
    kvmtest.enter_private_mounts()
    top = tempfile.mkdtemp(prefix="kvm-device-test-")
    kvmtest.mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", top)
    atexit.register(leave, top)
    dev = os.path.join(top, "dev")
    os.mkdir(dev)
    kvmtest.mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", dev)
    os.umask(0o022)
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        try:
            os.mknod(f"{dev}/{name}", stat.S_IFCHR | 0o666, os.stat(f"/dev/{name}").st_rdev)
        except PermissionError as error:
            kvmtest.skip("no-mknod", str(error))
        os.chmod(f"{dev}/{name}", 0o666)
    kvmtest.mount("--bind", dev, "/dev")
    for name, text in (("passwd", PASSWD), ("group", GROUP),
                       ("nsswitch.conf", "passwd: files\ngroup: files\n")):
        write(os.path.join(top, "etc", name), text)
        if os.path.exists("/etc/" + name):
            kvmtest.mount("--bind", os.path.join(top, "etc", name), "/etc/" + name)
    run = os.path.join(top, "run")
    os.mkdir(run)
    kvmtest.mount("--bind", run, "/run")
    assert grp.getgrnam("kvm").gr_gid == KVM_GID
    # Users have to reach the programs, whatever directory this was built in.
    program = os.path.join(top, "kvm-device")
    shutil.copy(KVM_DEVICE, program)
    os.chdir("/")
    return top, program


def node(name="kvm", owner=0, group=0, mode=0o600, device=None, directory="/dev"):
    path = os.path.join(directory, name)
    if os.path.lexists(path):
        os.unlink(path)
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(*(device or NUMBERS[name])))
    os.chown(path, owner, group)
    os.chmod(path, mode)
    return path


def describe(path):
    st = os.lstat(path)
    return (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode))


def run(*command, user=None, groups=(), drop=(), timeout=60):
    """Runs a command as a user of USERS with these supplementary groups."""
    words = []
    if user is not None:
        uid, gid = USERS[user]
        words = ["setpriv", "--reuid", str(uid), "--regid", str(gid)]
        words += ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
        words += drop
    return subprocess.run([*words, *command], capture_output=True, text=True, timeout=timeout,
                          check=False)


def status(program, *args, **options):
    """What --json says: {node: ...} and the policy."""
    result = run(program, "status", "--json", *args, **options)
    assert (result.returncode, result.stderr) == (0, ""), result
    document = json.loads(result.stdout)
    return {row["node"]: row for row in document["nodes"]}, document["policy"]
