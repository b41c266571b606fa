#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds packages whose units the job unit_scriptlets installs, updates and removes.

usage: unit_packages.py MACROS DIRECTORY

Every package comes in four flavours: DIRECTORY/ours with the macros of MACROS, DIRECTORY/systemd
with what systemd's own macros do, DIRECTORY/naive with what comes to mind first, and DIRECTORY/none
without scriptlets.
"""
import os
import shutil
import subprocess
import sys
import tempfile

SCRIPTLETS = {}
# systemd's macros of Fedora, for which a package's first installation is a unit's.
SCRIPTLETS["systemd"] = {
    "post": "[ $1 -ne 1 ] || systemctl --no-reload preset {units} || :",
    "preun": "[ $1 -ne 0 ] || systemctl --no-reload disable --now {units} || :",
    "postun": "[ $1 -lt 1 ] || {{ systemctl daemon-reload; systemctl try-restart {services}; }}"
              " || :",
}

SCRIPTLETS["naive"] = {
    "post": "systemctl preset {units} && systemctl restart {services}",
    "preun": "systemctl disable --now {units}",
}

UNITS = {
    "socket": "[Socket]\nListenStream=/run/{name}.socket\n[Install]\nWantedBy=sockets.target\n",
    # The version in the command tells whether systemd has read the unit again.
    "service": "[Service]\nExecStart=/usr/bin/demo-daemon {name} {version}\n{more}"
               "[Install]\nWantedBy=multi-user.target\n{install}",
}
RELOAD = "ExecReload=/usr/bin/demo-daemon --reload {name} {version}\n"

# In packages with STOPS rpm waits at the beginning and at the end of each scriptlet for as long as
# /run/stop names that point, such as "victim-2 %pre begin".
STOPS = "stops"
STOP = """if [ -e /run/stop ] && grep -qxF '{}' /run/stop; then
	: >/run/stopped
	while [ -e /run/stop ]; do sleep 0.1; done
	rm -f /run/stopped
fi
"""

PACKAGES = [
    # name, version, units with their classes, more of the spec, forced flavour, STOPS
    ("demo", 1, "demo.socket=keep demo.service=restart"),
    ("demo", 2, "demo.socket=keep demo.service=restart extra.service=restart"),
    ("demo-config", 1, "demo.service=other-restart"),
    ("demo-config", 2, "demo.service=other-restart"),
    ("split", 1, "main.service=restart proxy.service=restart proxy-tls.service=restart"),
    # Which of the two is first is left to rpm, dnf and zypper.
    ("split", 2, "main.service=restart"),
    ("split-proxy", 2, "proxy.service=restart proxy-tls.service=restart"),
    ("old", 1, "renamed.service=restart renamed-tls.service=restart", "", "", STOPS),
    ("new", 2, "renamed.service=restart renamed-tls.service=restart", "Obsoletes: old < 2", "",
     STOPS),
    ("foreign", 1, "foreign.service=restart foreign-tls.service=restart", "", "systemd"),
    ("native", 2, "foreign.service=restart foreign-tls.service=restart", "Obsoletes: foreign < 2"),
    ("logd", 1, "logd.socket=keep logd.service=reload"),
    ("logd", 2, "logd.socket=keep logd.service=reload"),
    ("logd-config", 1, "logd.service=other-reload"),
    ("logd-config", 2, "logd.service=other-reload"),
    ("stubborn", 1, "stubborn.service=reload"),
    ("stubborn", 2, "stubborn.service=reload"),
    ("boot", 1, "boot.service=keep"),
    ("boot", 2, "boot.service=keep"),
    ("fewer", 1, "fewer.service=restart dropped.service=restart"),
    ("fewer", 2, "fewer.service=restart"),
    ("victim", 1, "victim.service=restart victim-off.service=restart", "", "", STOPS),
    ("victim", 2, "victim.service=restart victim-off.service=restart late.service=restart",
     "", "", STOPS),
]


def unit_file(unit, version):
    name, _, kind = unit.partition(".")
    return UNITS[kind].format(
        name=name, version=version,
        more=RELOAD.format(name=name, version=version) if name in ("demo", "logd") else "",
        install="Also=demo.socket\n" if unit == "demo.service" else "")


def scriptlets(flavour, table):
    """Their names and texts."""
    if flavour == "ours":
        return {name: f"%qemu_kvm_units_{name} {table}\n"
                for name in ("pre", "preun", "postun", "posttrans")}
    units = [entry.partition("=")[0] for entry in table.split()]
    services = [unit for unit in units if unit.endswith(".service")]
    return {name: text.format(units=" ".join(units), services=" ".join(services)) + "\n"
            for name, text in SCRIPTLETS.get(flavour, {}).items()}


def with_stops(package, texts):
    return {name: STOP.format(f"{package} %%{name} begin") + texts.get(name, "") +
            STOP.format(f"{package} %%{name} end")
            for name in ("pre", "post", "preun", "postun", "posttrans")}


def spec(name, version, table, more, flavour, stops, macros):
    own = [unit for unit, _, kind in (entry.partition("=") for entry in table.split())
           if not kind.startswith("other-")]
    texts = scriptlets(flavour, table)
    if stops:
        texts = with_stops(f"{name}-{version}", texts)
    text = "".join(f"%{scriptlet}\n{body}" for scriptlet, body in texts.items())
    files = "".join(f"%{{_unitdir}}/{unit}\n" for unit in own) or "/etc/demo.conf\n"
    install = "".join(
        f"cat >%{{buildroot}}%{{_unitdir}}/{unit} <<'END'\n{unit_file(unit, version)}END\n"
        for unit in own)
    if not own:
        install = f"mkdir %{{buildroot}}/etc; echo {version} >%{{buildroot}}/etc/demo.conf\n"
    return f"""%define _unitdir /usr/lib/systemd/system
%{{load:{macros}}}
Name: {name}
Version: {version}
Release: 1
Summary: Units to test scriptlets with
License: GPL-2.0-or-later
BuildArch: noarch
{more}
%description
Units to test scriptlets with.
%install
mkdir -p %{{buildroot}}%{{_unitdir}}
{install}
{text}
%files
{files}"""


def build(macros, out):
    with tempfile.TemporaryDirectory() as top:
        specs = {}
        for flavour in ("ours", *SCRIPTLETS, "none"):
            specs[flavour] = []
            for name, version, table, *rest in PACKAGES:
                more, forced, stops = [*rest, "", "", ""][:3]
                path = f"{top}/{flavour}-{name}-{version}.spec"
                with open(path, "w", encoding="ascii") as f:
                    f.write(spec(name, version, table, more, forced or flavour, stops, macros))
                specs[flavour].append(path)
        for flavour, paths in specs.items():
            subprocess.run(
                ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}/{flavour}",
                 "--define", "_build_id_links none", "--define", "__os_install_post %{nil}",
                 *paths], check=True, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": top})
            shutil.copytree(f"{top}/{flavour}/RPMS/noarch", f"{out}/{flavour}")


if __name__ == "__main__":
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    build(*map(os.path.abspath, sys.argv[1:]))
