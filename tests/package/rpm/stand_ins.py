# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests install beside our packages, in place of a distribution's."""
import dataclasses
import os
import platform
import re
import shutil
import subprocess

PROGRAM = "#!/bin/sh\necho stand-in\n"
GROUPADD = '#!/bin/sh\n[ "$*" = "-f -r kvm" ] && echo kvm:x:999: >>/etc/group\n'
ARCH = {"i686": "i386", "ppc64le": "ppc64"}.get(platform.machine(), platform.machine())
BUSYBOX = "/usr/bin/busybox"
EMULATOR = f"/usr/bin/qemu-system-{ARCH}"


@dataclasses.dataclass
class StandIn:
    """`files` are texts, `copies` files of this host, `tags` lines of the package's header."""
    name: str
    tags: tuple = ()
    files: dict = dataclasses.field(default_factory=dict)
    copies: tuple = ()
    links: dict = dataclasses.field(default_factory=dict)
    directories: tuple = ()
    configs: tuple = ()
    version: str = "1"

    def write_tree(self, tree):
        for path, text in self.files.items():
            os.makedirs(tree + os.path.dirname(path), exist_ok=True)
            with open(tree + path, "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(tree + path, 0o755 if text.startswith("#!") else 0o644)
        for path in self.copies:
            os.makedirs(tree + os.path.dirname(path), exist_ok=True)
            shutil.copy(path, tree + path)
        for path, target in self.links.items():
            os.makedirs(tree + os.path.dirname(path), exist_ok=True)
            os.symlink(target, tree + path)
        for path in self.directories:
            os.makedirs(tree + path, exist_ok=True)

    def spec(self):
        files = [*self.files, *self.copies, *self.links]
        return "\n".join([
            f"%package -n {self.name}", f"Version: {self.version}", "Summary: Stand-in",
            *self.tags, f"%description -n {self.name}", "Stand-in.", f"%files -n {self.name}",
            *(f"%config(noreplace) {path}" if path in self.configs else path for path in files),
            *(f"%dir {path}" for path in self.directories), ""])


def libraries(*programs):
    """The files, by their real directories, that this host's loader loads for them."""
    paths = set()
    for program in programs:
        result = subprocess.run(["ldd", program], check=False, capture_output=True, text=True)
        assert result.returncode == 0 or "not a dynamic executable" in result.stderr, result.stderr
        paths.update(re.findall(r"/\S+(?= \(0x)", result.stdout))
    return {os.path.join(os.path.realpath(os.path.dirname(p)), os.path.basename(p)) for p in paths}


def library_packages(programs):
    """What kvm_stat alone needs, ncurses among them; what systemd-sysusers does; all others."""
    cache = subprocess.run(["ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    kmod = os.path.realpath(re.search(r"libkmod\.so\.2 .*=> (\S+)", cache).group(1))
    kmod = os.path.join(os.path.dirname(kmod), "libkmod.so.2")  # loaded by dlopen()
    kvm_stat = libraries(programs["kvm_stat"])
    sysusers = libraries("/usr/bin/systemd-sysusers")
    # The shell's among them: depending on the package it is a static program, or needs its own.
    others = libraries(kmod, BUSYBOX,
                       *(path for name, path in programs.items() if name != "kvm_stat"))
    others |= {kmod} | kvm_stat & sysusers
    return kvm_stat - others, sysusers - others, others


def stand_ins(programs):
    """All of them, with the libraries of our `programs`, which are paths by name."""
    ncurses, sysusers, others = library_packages(programs)
    loader = next(path for path in others if os.path.basename(path).startswith("ld-"))
    applets = "cat cut echo grep mkdir rm rmdir sed sh true".split()
    return [
        StandIn("base", ("AutoReqProv: no", "Provides: /bin/sh coreutils grep sed"),
                files={"/etc/group": "root:x:0:\n", "/etc/passwd": "root:x:0:0:root:/:/bin/sh\n"},
                copies=(BUSYBOX,), configs=("/etc/group", "/etc/passwd"),
                links={"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib",
                       "/lib64": "usr/lib64",
                       **{f"/usr/bin/{name}": "busybox" for name in applets}},
                # What systemd, udev, kmod and the distribution's basic package own.
                directories=("/etc/logrotate.d", "/etc/udev/rules.d", "/run", "/tmp",
                             "/usr/lib/modprobe.d", "/usr/lib/rpm/macros.d",
                             "/usr/lib/systemd/system", "/usr/lib/sysusers.d",
                             "/usr/lib/udev/rules.d", "/usr/lib64", "/usr/sbin", "/usr/share/doc",
                             "/usr/share/licenses", "/usr/share/man/man1", "/usr/share/man/man5",
                             "/usr/share/man/man7", "/usr/share/man/man8", "/var/lib", "/var/log",
                             "/var/tmp")),
        StandIn("libraries", ("AutoReq: no", "Provides: rtld(GNU_HASH)"), copies=tuple(others),
                links={} if loader.startswith("/usr/lib64/") else
                {f"/usr/lib64/{os.path.basename(loader)}": loader}),
        StandIn("ncurses", ("AutoReq: no",), copies=tuple(ncurses)),
        StandIn("systemd-sysusers", ("AutoReqProv: no",),
                copies=("/usr/bin/systemd-sysusers", *sysusers)),
        StandIn("shadow", files={"/usr/sbin/groupadd": GROUPADD}),
        StandIn("emulator", files={EMULATOR: PROGRAM}),
        # Fedora's emulator package and openSUSE's qemu have a link of our launcher's name, Fedora's
        # kernel-tools the kernel's kvm_stat.
        StandIn("emulator-with-link", files={EMULATOR: PROGRAM, "/usr/bin/qemu-kvm": PROGRAM}),
        StandIn("kernel-tools", files={"/usr/bin/kvm_stat": PROGRAM}),
        # Fedora's, which brings its emulator packages and holds nothing.
        StandIn("qemu-kvm", ("Epoch: 2", "Requires: emulator"), version="10.1"),
        StandIn("libvirt-daemon-kvm", ("Requires: libvirt-daemon-driver-qemu qemu-kvm",)),
        StandIn("libvirt-daemon-driver-qemu", ("Requires: qemu-kvm-udev",)),
        StandIn("legacy-tool", ("Requires: kvm",)),
        StandIn("legacy-tool-1.4", ("Requires: kvm >= 1.4",)),
        StandIn("kvm", version="1.4", configs=("/etc/udev/rules.d/80-kvm.rules",), files={
            "/usr/bin/qemu-kvm": PROGRAM, "/usr/bin/kvm_stat": PROGRAM,
            "/usr/share/man/man1/qemu-kvm.1.gz": "old\n", "/usr/share/qemu/qemu-ifup": PROGRAM,
            "/etc/udev/rules.d/80-kvm.rules": 'KERNEL=="kvm", MODE="0666"\n'},
            directories=("/usr/share/qemu",)),
    ]


def spec(packages, tree):
    """One source package for all; what each holds lies below `tree` by its name."""
    return "\n".join([
        "Name: stand-ins", "Version: 1", "Release: 1", "Summary: Stand-ins",
        "License: GPL-2.0-or-later", "%description", "Stand-ins.", "%install",
        f'for package in {" ".join(p.name for p in packages)}; do',
        f'    cp -a {tree}/$package/. %{{buildroot}}', "done", "",
        *(p.spec() for p in packages)])
