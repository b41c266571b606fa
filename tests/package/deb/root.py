# SPDX-License-Identifier: GPL-2.0-or-later
"""Install roots: this host under an overlay, with its packages and their database."""
import os
import shutil
import sys
import tempfile

import packages


def enter():
    """The program goes on in a mount namespace of its own."""
    if os.geteuid() != 0:
        print("SKIP: no-root: install roots need chroot")
        sys.exit(77)
    if "--inside" not in sys.argv:
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv, "--inside"])


class Root:
    """A host of its own; it is gone with the test."""

    def __init__(self, test, directory):
        self.base = tempfile.mkdtemp(prefix="root-", dir=directory)
        test.addCleanup(os.rmdir, self.base)
        packages.run("mount", "-t", "tmpfs", "tmpfs", self.base)
        test.addCleanup(packages.run, "umount", self.base)
        for name in ("upper", "work", "root"):
            os.mkdir(f"{self.base}/{name}")
        self.path = f"{self.base}/root"
        packages.run("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/,upperdir="
                     f"{self.base}/upper,workdir={self.base}/work", self.path)
        test.addCleanup(packages.run, "umount", self.path)
        # What containers forbid and leave out.
        for path in ("/usr/sbin/policy-rc.d", "/etc/dpkg/dpkg.cfg.d"):
            if os.path.isdir(self.at(path)):
                shutil.rmtree(self.at(path))
            elif os.path.lexists(self.at(path)):
                os.unlink(self.at(path))
        os.makedirs(self.at("/run/debs"))
        packages.run("mount", "-t", "proc", "proc", self.at("/proc"))
        test.addCleanup(packages.run, "umount", self.at("/proc"))
        # The host's is a mount that is not there.
        for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"),
                             ("stderr", "fd/2")):
            if not os.path.lexists(self.at(f"/dev/{name}")):
                os.symlink(target, self.at(f"/dev/{name}"))
        if not os.path.exists(self.at("/dev/null")):
            packages.run("mknod", "-m", "666", self.at("/dev/null"), "c", "1", "3")

    def at(self, path):
        return self.path + path

    def run(self, *command):
        return packages.run("chroot", self.path, *command,
                            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})

    def bring(self, directory, *debs):
        """Their paths there."""
        for deb in debs:
            shutil.copy(f"{directory}/{deb}", self.at("/run/debs"))
        return [f"/run/debs/{deb}" for deb in debs]
