# SPDX-License-Identifier: GPL-2.0-or-later
"""The binary statistics of a guest's kept descriptors, read in another way than kvm_stat does: the
truth that its numbers are compared with.
"""
import ctypes
import os
import struct

PIDFD_GETFD = 438  # the number on every architecture
TYPES = ("cumulative", "instant", "peak", "linear", "log")
LINKS = ("anon_inode:kvm-vm-stats", "anon_inode:kvm-vcpu-stats:")


def parse(data):
    """(id, {name: (type, [values])}) of a whole file."""
    _, name_size, count, id_at, descriptors_at, data_at = struct.unpack_from("=6I", data)
    fields = {}
    for number in range(count):
        at = descriptors_at + number * (16 + name_size)
        flags, _, size, offset, _ = struct.unpack_from("=IhHII", data, at)
        name = data[at + 16:at + 16 + name_size].split(b"\0")[0].decode("ascii")
        fields[name] = (TYPES[flags & 15],
                        list(struct.unpack_from(f"={size}Q", data, data_at + offset)))
    return data[id_at:id_at + name_size].split(b"\0")[0].decode("ascii"), fields


class Statistics:
    """Copies of the descriptors of a process: they pin its VM until close()."""

    def __init__(self, pid):
        self.fds = []
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = os.pidfd_open(pid)
        try:
            for name in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
                if os.readlink(f"/proc/{pid}/fd/{name}").startswith(LINKS):
                    fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
                    assert fd >= 0, os.strerror(ctypes.get_errno())
                    self.fds.append(fd)
        finally:
            os.close(pidfd)

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def each(self):
        """[(id, fields)] of every descriptor."""
        return [parse(os.pread(fd, 1 << 16, 0)) for fd in self.fds]

    def sums(self):
        """{name: (type, values)}, added up as the type asks for."""
        sums = {}
        for _, fields in self.each():
            for name, (kind, values) in fields.items():
                if name not in sums:
                    sums[name] = (kind, values)
                    continue
                merge = max if kind == "peak" else lambda a, b: a + b
                sums[name] = (kind, [merge(a, b) for a, b in zip(sums[name][1], values)])
        return sums


def counted(kind, before, after):
    """What a statistic adds to a sample that began with `before`: a number, or of a histogram all."""
    if kind in ("instant", "peak"):
        return after[0]
    if kind in ("linear", "log"):
        return sum(after) - sum(before)
    return after[0] - before[0]
