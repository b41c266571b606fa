#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make.py SOURCE BUILD WORK: makes in WORK/repositories what tests of packaging/libvirt install.

  split, split-2          libvirt.spec as it is, and a later version of it
  systemd                 that with the scriptlets of systemd's own macros
  before-2012, before-9   the packages that these come after, see before.py
  others                  one change of the spec each, see VARIANTS
"""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "rpm")]
import before  # noqa: E402
import install_root  # noqa: E402
from build import rpmbuild, run  # noqa: E402

VERSION, LATER = "11.3.0", "11.3.1"


def package(name):
    return rf"(?ms)^(%package {name}\nSummary:.*?)$"


def requires(name):
    return rf"\1\nRequires: {name}"


# One change of the spec each: pattern and replacement. What it must break: MUTANTS in hosts.py.
VARIANTS = {
    "kvm-with-libvirtd": (package("daemon-kvm"), requires("libvirt-daemon")),
    "kvm-without-qemu-kvm": (r"^Requires: +qemu-kvm\n", ""),
    "kvm-with-network": (package("daemon-driver-network"),
                         requires("libvirt-daemon-config-network")),
    "driver-with-log": (package("daemon-driver-qemu"), requires("libvirt-daemon-log")),
    "driver-with-hypervisor": (package("daemon-driver-qemu"), requires("qemu-kvm")),
    "xen-with-kvm": (package("daemon-xen"), requires("libvirt-daemon-driver-qemu")),
    "less-than-before": (r"^Requires: +libvirt-daemon-config-network = .*\n", ""),
    "no-guests": (r"^Requires: +libvirt-guests = .*\n", ""),
    "no-conflicts": (r"^Conflicts: .*\n", ""),
    "no-obsoletes": (r"^Obsoletes: .*\n", ""),
}

# Macros by the names of ours. systemd's apply presets when the package is new, disable and stop
# when it is gone, and restart all services of an updated one.
OTHER_MACROS = {
    "systemd": """
%_qemu_kvm_units_marks /run/no-marks
%_others_names() %{lua:
for unit in string.gmatch(rpm.expand(string.char(37) .. "{*}"), "([^= ]+)=") do
	print(unit .. " ")
end}
%_others_services() %{lua:
for unit in string.gmatch(rpm.expand(string.char(37) .. "{*}"), "([^= ]+[.]service)=") do
	print(unit .. " ")
end}
%qemu_kvm_units_pre() %{expand:
[ $1 -ne 1 ] || for unit in %{_others_names %{*}}; do
	: >/run/first-$unit
done}
%qemu_kvm_units_preun() %{expand:
[ $1 -ne 0 ] || systemctl --no-reload disable --now %{_others_names %{*}} || :}
%qemu_kvm_units_postun() systemctl daemon-reload || :
%qemu_kvm_units_posttrans() %{expand:
for unit in %{_others_names %{*}}; do
	[ ! -e /run/first-$unit ] || systemctl --no-reload preset $unit || :
	rm -f /run/first-$unit
done
systemctl daemon-reload || :
[ -z "%{_others_services %{*}}" ] || systemctl try-restart %{_others_services %{*}} || :}
""",
}


def make_source(source, work):
    """What the spec needs of the release's archive."""
    os.makedirs(f"{work}/source/SOURCES")
    run("tar", "-czf", f"{work}/source/SOURCES/qemu-kvm-tools-2.0.0.tar.gz", "-C", source,
        "--transform", "s,^,qemu-kvm-tools-2.0.0/,", "COPYING", "cmake", "units/libvirt",
        "packaging/libvirt")


def without_build(spec, source, tree):
    """The spec for files that are there."""
    spec, count = re.subn(r"^%prep$.*?^(?=%scriptlets )", lambda _: (
        f"%install\ncp -a {tree}/. %{{buildroot}}\nmkdir -p packaging/libvirt\n"
        f"cp {source}/COPYING .\ncp {source}/packaging/libvirt/README.md packaging/libvirt\n"),
                          spec, flags=re.M | re.S)
    assert count == 1
    return spec


def build_ours(source, work, macros):
    """The spec's packages with their files in WORK/tree-VERSION."""
    with open(f"{source}/packaging/libvirt/libvirt.spec", encoding="utf-8") as f:
        spec = f.read()
    for name, version in (("split", VERSION), ("split-2", LATER)):
        rpmbuild(work, name, spec, "--load", macros, "-D", f"bench_version {version}")
        tree = f"{work}/tree-{version}"
        os.makedirs(tree)
        rpms = glob.glob(f"{work}/repositories/{name}/*.rpm")
        run("rpm", "--root", tree, "-i", "--nodeps", "--noscripts", *rpms)
        # rpm's database, and what rpmbuild puts there.
        for directory in ("var/lib/rpm", "usr/share/doc", "usr/share/licenses"):
            shutil.rmtree(f"{tree}/{directory}")
    return spec


def build_others(source, work, spec, macros):
    fast = without_build(spec, source, f"{work}/tree-{VERSION}")
    for name, (pattern, replacement) in VARIANTS.items():
        variant, count = re.subn(pattern, replacement, fast, flags=re.M)
        assert count, f"variant {name}: the spec has nothing like {pattern}"
        rpmbuild(work, name, variant, "--load", macros)
    fast = without_build(spec, source, f"{work}/tree-{LATER}")
    for name, text in OTHER_MACROS.items():
        path = f"{work}/macros.{name}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        rpmbuild(work, name, fast, "--load", path, "-D", f"bench_version {LATER}")


def build_before(work):
    for name, version, year, packages, scriptlets in (
            ("before-2012", "0.9.10", 2012, before.of_2012, before.SCRIPTLETS_2012),
            ("before-9", "9.0.0", 2023, before.of_9_0, before.SCRIPTLETS)):
        tree = f"{work}/tree-{VERSION}"
        before.write_tree(tree, packages(tree), f"{work}/{name}", version, year)
        rpmbuild(work, name, before.spec(version, packages(tree), f"{work}/{name}", scriptlets),
                 "-D", "_build_id_links none")


def main():
    install_root.need_root()
    source, build, work = (os.path.abspath(path) for path in sys.argv[1:])
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    install_root.use_own_settings(work)
    # systemd-unit-merge, which the spec's BuildRequires bring.
    os.environ["PATH"] = f"{build}/bin:{os.environ['PATH']}"
    macros = f"{source}/packaging/rpm/macros.qemu-kvm"
    make_source(source, work)
    spec = build_ours(source, work, macros)
    build_others(source, work, spec, macros)
    build_before(work)
    for repository in os.listdir(f"{work}/repositories"):
        run("createrepo_c", "-q", f"{work}/repositories/{repository}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as e:
        sys.exit(f"make.py: {e}")
