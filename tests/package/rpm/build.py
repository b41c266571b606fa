#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""build.py SOURCE WORK: makes in WORK what the tests of rpms install.

  first/, second/  what scripts/package built from SOURCE, and from the source package of that
  repositories/    ours, variants of ours, and stand-ins for those of a distribution
  root/            an install root with nothing but a shell and our programs' libraries
"""
import glob
import os
import re
import shutil
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import install_root  # noqa: E402
import stand_ins  # noqa: E402

# One change of the spec each. What it must break: MUTANTS in scenarios.py; NOT_BROKEN must not.
NOT_BROKEN = {"newer", "epoch"}
VARIANTS = {
    "newer": (r"^Release: .*$", "Release: 2"),
    "epoch": (r"^Version: .*$", r"\g<0>\nEpoch: 3"),
    "no-obsoletes": (r"^Obsoletes: .*\n", ""),
    "no-provides": (r"^Provides: +kvm = .*\n", ""),
    "no-udev": (r"^Requires: +qemu-kvm-udev = .*\n", ""),
    "wrong-emulator": (r"^Requires: +%\{emulator\}$", "Requires: qemu-system-pdp11"),
    "requires-kvm_stat": (r"^Recommends: +kvm_stat$", "Requires: kvm_stat"),
    "no-conflict": (r"^Conflicts: +%\{_bindir\}/kvm_stat\n", ""),
    "failing-scriptlet": (r"^%post udev$", "%post udev\nfalse"),
    "left-over": (r"^%post udev$", "%post udev\n: >/usr/share/left-over"),
    "changed-file": (r"^%post udev$", "%post udev\necho >>/usr/lib/udev/rules.d/65-kvm.rules"),
    "no-config": (r"^%config\(noreplace\) ", ""),
    "owned-log": (r"^%files -n kvm_stat$", "%files -n kvm_stat\n%ghost /var/log/kvm_stat.csv"),
    "no-group": (r"^\{ .*systemd-sysusers.*$", "true"),
}


def run(*command, **options):
    subprocess.run(command, check=True, **options)


def package(tree, output, umask=0o022, **environment):
    run("scripts/package", "-o", output, "rpm", cwd=tree, umask=umask,
        env={**os.environ, **environment})


def find(directory, pattern):
    return sorted(glob.glob(os.path.join(directory, pattern)))


def rpmbuild(work, name, spec, *options):
    """Builds the text `spec` of packages that need no compiler into repositories/NAME."""
    top = os.path.join(work, "rpmbuild", name)
    repository = os.path.join(work, "repositories", name)
    os.makedirs(top)
    with open(f"{top}/it.spec", "w", encoding="utf-8") as f:
        f.write(spec)
    run("rpmbuild", "-bb", "--quiet", "--nodeps", "-D", f"_topdir {top}", "-D",
        f"_rpmdir {repository}", "-D", "_rpmfilename %%{NAME}.rpm", "-D",
        f"_sourcedir {work}/source/SOURCES", "-D", "__os_install_post %{nil}", *options,
        f"{top}/it.spec")


def build_twice(source, work):
    """From the tree, and elsewhere from what the source package of that holds, without git and
    with other settings. Returns the spec.
    """
    package(source, f"{work}/first")
    run("rpm", "-i", "-D", f"_topdir {work}/source", *find(f"{work}/first", "*.src.rpm"))
    os.makedirs(f"{work}/second-tree")
    run("tar", "-xf", *find(f"{work}/source/SOURCES", "*.tar.gz"), "-C", f"{work}/second-tree",
        "--strip-components=1")
    # A clone that git does not tell of, as another user's.
    os.makedirs(f"{work}/second-tree/.git/objects")
    package(f"{work}/second-tree", f"{work}/second", umask=0o077, TZ="Asia/Tokyo",
            GIT_CEILING_DIRECTORIES=work)
    with open(f"{work}/source/SPECS/qemu-kvm.spec", encoding="utf-8") as f:
        return f.read()


def install_ours(work):
    """Into the repository, and for variants all files into tree/."""
    binaries = [rpm for rpm in find(f"{work}/first", "*.rpm") if not rpm.endswith(".src.rpm")]
    os.makedirs(f"{work}/repositories/ours")
    for rpm in binaries:
        shutil.copy(rpm, f"{work}/repositories/ours")
    os.makedirs(f"{work}/tree")
    run("rpm", "--root", f"{work}/tree", "-i", "--nodeps", "--noscripts", *binaries)
    # rpm's database, and what rpmbuild makes anew.
    shutil.rmtree(f"{work}/tree/var")
    shutil.rmtree(f"{work}/tree/usr/lib/.build-id")


def build_variants(work, spec):
    spec, count = re.subn(r"^%prep$.*?^%pre$", lambda _: (
        f"%install\ncp -a {work}/tree/. %{{buildroot}}\n"
        f"cp {work}/second-tree/*.md {work}/second-tree/COPYING .\n\n%pre"), spec,
                          flags=re.M | re.S)
    assert count == 1
    for name, (pattern, replacement) in VARIANTS.items():
        variant, count = re.subn(pattern, replacement, spec, flags=re.M)
        assert count, f"variant {name}: the spec has nothing like {pattern}"
        rpmbuild(work, name, variant)
    rpmbuild(work, "transitional", spec, "--with", "kvm")


def build_stand_ins(work):
    programs = {os.path.basename(path): path for path in find(f"{work}/tree/usr", "*bin/*")}
    packages = stand_ins.stand_ins(programs)
    for stand_in in packages:
        os.makedirs(f"{work}/stand-ins/{stand_in.name}")
        stand_in.write_tree(f"{work}/stand-ins/{stand_in.name}")
    rpmbuild(work, "stand-ins", stand_ins.spec(packages, f"{work}/stand-ins"),
             "-D", "_build_id_links none")
    # In repositories of their own: the old package, and emulators of which a host has one.
    for name in ("kvm", "emulator", "emulator-with-link", "qemu-kvm"):
        os.makedirs(f"{work}/repositories/{name}")
        shutil.move(f"{work}/repositories/stand-ins/{name}.rpm", f"{work}/repositories/{name}")


def make_root(work):
    os.makedirs(f"{work}/root/dev")
    for name in ("base", "libraries"):
        run("rpm", "--root", f"{work}/root", "-i", f"{work}/repositories/stand-ins/{name}.rpm")
    os.mknod(f"{work}/root/dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))


def main():
    install_root.need_root()
    source, work = (os.path.abspath(path) for path in sys.argv[1:])
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    install_root.use_own_settings(work)
    spec = build_twice(source, work)
    install_ours(work)
    build_variants(work, spec)
    build_stand_ins(work)
    for repository in find(f"{work}/repositories", "*"):
        run("createrepo_c", "-q", repository)
    make_root(work)


if __name__ == "__main__":
    main()
