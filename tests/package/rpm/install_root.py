# SPDX-License-Identifier: GPL-2.0-or-later
"""Install roots of their own, with dnf or zypper and nothing of this machine's packages."""
import os
import re
import shutil
import stat
import subprocess
import sys

OURS = ("kvm_stat", "qemu-kvm", "qemu-kvm-rpm-macros", "qemu-kvm-udev")
# Of dnf, zypper, rpm, and of systemd-sysusers beside /etc/group; no package has them.
TOOLS_OWN = re.compile(r"/(etc/(dnf|\.pwd\.lock|group-|gshadow-?)|run/zypp\.pid|"
                       r"var/(adm|cache|lib/(dnf|rpm|zypp)|log/(YaST2|dnf|hawkey|zypp)[^/]*))(/|$)")
# Of two packages from one build whose build IDs begin alike, rpmbuild (4.18) gives the directory to
# the first alone.
BUILD_ID_DIRECTORY = re.compile(r"/usr/lib/\.build-id/[0-9a-f]{2}$")
# Where Debian's rpm has none, and where it looks at the home directory.
RPM_MACROS = "%_dbpath /var/lib/rpm\n%_buildhost localhost\n"


def use_own_settings(work):
    """rpm, dnf and zypper read ~/.rpmmacros."""
    os.environ["HOME"] = os.path.join(work, "home")
    os.makedirs(os.environ["HOME"], exist_ok=True)
    with open(os.path.join(os.environ["HOME"], ".rpmmacros"), "w", encoding="utf-8") as f:
        f.write(RPM_MACROS)


def need_root():
    if os.geteuid() != 0:
        print("SKIP: no-root: install roots need chroot")
        sys.exit(77)


def dnf(action, names, weak, root, settings):
    return ["dnf", "-y", f"--installroot={root}", "--releasever=1", "--noplugins",
            f"--setopt=reposdir={settings}", f"--setopt=install_weak_deps={weak:d}",
            # What else was installed with it, tests remove by name.
            "--setopt=clean_requirements_on_remove=0", action, *names]


def zypper(action, names, weak, root, settings):
    action = {
        "install": ["install"], "upgrade": ["update"], "remove": ["remove"],
        "reinstall": ["install", "--force"], "downgrade": ["install", "--oldpackage"],
    }[action]
    weak_option = ["--recommends" if weak else "--no-recommends"] if action[0] != "remove" else []
    return ["zypper", "--root", root, "--reposd-dir", settings, "--non-interactive",
            "--no-gpg-checks", *action, *weak_option, *names]


class InstallRoot:
    def __init__(self, work, path, command, *packages):
        self.work = work
        self.path = os.path.join(path, "root")
        self.settings = os.path.join(path, "settings")
        self.command = command
        self.output = ""
        os.makedirs(self.settings)
        subprocess.run(["cp", "-a", f"{work}/root", self.path], check=True)
        if packages:
            self.rpm("-i", *(f"{work}/repositories/stand-ins/{name}.rpm" for name in packages))
        self.before = self.files()

    def rpm(self, *arguments):
        return subprocess.run(["rpm", "--root", self.path, *arguments], check=True,
                              capture_output=True, text=True).stdout

    def use(self, *repositories):
        """From now on packages come from these and no others."""
        shutil.rmtree(self.settings)
        os.makedirs(self.settings)
        for name in repositories:
            with open(f"{self.settings}/{name}.repo", "w", encoding="utf-8") as f:
                f.write(f"[{name}]\nname={name}\nbaseurl=file://{self.work}/repositories/{name}\n"
                        "enabled=1\ngpgcheck=0\n")

    def attempt(self, action, *names, weak=True):
        """The status of dnf or zypper; what they and the scriptlets say is in `output`."""
        environment = {**os.environ, "ZYPP_LOGFILE": f"{self.settings}/zypper.log"}
        result = subprocess.run(self.command(action, names, weak, self.path, self.settings),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False, env=environment)
        self.output = result.stdout
        return result.returncode

    def do(self, action, *names, weak=True):
        status = self.attempt(action, *names, weak=weak)
        what = f"{action} {' '.join(names)}"
        assert status == 0, f"{what}: status {status}\n{self.output}"
        assert not re.search("scriptlet.*fail|fail.*scriptlet", self.output, re.I), \
            f"{what}: a scriptlet failed\n{self.output}"

    def installed(self):
        """Names of what was not there from the beginning, ours with their versions."""
        lines = self.rpm("-qa", "--qf", r"%{NAME} %{NAME}-%{VERSION}-%{RELEASE}\n").split("\n")
        packages = dict(line.split() for line in lines if line)
        return {package if name in (*OURS, "kvm") else name for name, package in packages.items()
                if name not in ("base", "libraries", "systemd-sysusers", "shadow")}

    def run(self, *command):
        return subprocess.run(["chroot", self.path, *command], check=True, capture_output=True,
                              text=True).stdout

    def at(self, path):
        return self.path + path

    def append(self, path, text):
        with open(self.at(path), "a", encoding="utf-8") as f:
            f.write(text)

    def read(self, path):
        with open(self.at(path), encoding="utf-8") as f:
            return f.read()

    def files(self):
        """Path to mode and content of all that is there, without what is the tools' own."""
        found = {}
        for directory, subdirectories, names in os.walk(self.path):
            for name in subdirectories + names:
                file = os.path.join(directory, name)
                path = file[len(self.path):]
                if not TOOLS_OWN.match(path) and not BUILD_ID_DIRECTORY.match(path):
                    found[path] = self.state(file)
        return found

    @staticmethod
    def state(file):
        mode = os.lstat(file).st_mode
        if stat.S_ISLNK(mode):
            return mode, os.readlink(file)
        if stat.S_ISREG(mode):
            with open(file, "rb") as f:
                return mode, f.read()
        return mode, None

    def check_files(self):
        """Files that are not as they were packaged, and those that no package has."""
        verified = subprocess.run(["rpm", "--root", self.path, "-Va"], check=False,
                                  capture_output=True, text=True).stdout
        changed = {line.split()[-1] for line in verified.split("\n") if line}
        owned = set(self.rpm("-qal").split("\n"))
        return changed, {path for path in self.files() if path not in owned} - set(self.before)

    def difference(self):
        """Paths that are not as they were in the beginning."""
        now = self.files()
        return {path for path in {*now, *self.before} if now.get(path) != self.before.get(path)}
