# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt's packages as they were cut before, with the stand-ins of packaging/libvirt in them: in
2012, when all was in one, and as of 9.0.0, the last before daemons had packages of their own.
"""
import os
import re

DRIVERS = {"interface": "virtinterfaced", "lxc": "virtlxcd", "network": "virtnetworkd",
           "nodedev": "virtnodedevd", "nwfilter": "virtnwfilterd", "qemu": "virtqemud",
           "secret": "virtsecretd", "storage": "virtstoraged", "xen": "virtxend"}
NETWORK = "/etc/libvirt/qemu/networks/default.xml"
FILTER = "/etc/libvirt/nwfilter/clean-traffic.xml"
GUESTS = ("/usr/libexec/libvirt-guests.sh", "/usr/lib/systemd/system/libvirt-guests.service",
          "/usr/lib/systemd/system/virt-guest-shutdown.target")
# What scriptlets did then: presets when the package is new to the host.
SCRIPTLETS = """
%post {name}
[ $1 -ne 1 ] || systemctl --no-reload preset {units} || :
%preun {name}
[ $1 -ne 0 ] || systemctl --no-reload disable --now {units} || :
%postun {name}
systemctl daemon-reload || :
"""
# libvirtd made its sockets itself.
SERVICE_2012 = """[Unit]
Description=Virtualization daemon
After=network.target

[Service]
ExecStart=/usr/sbin/libvirtd
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process

[Install]
WantedBy=multi-user.target
"""
# It restarted libvirtd while packages were being updated.
SCRIPTLETS_2012 = """
%post {name}
[ $1 -ne 1 ] || systemctl enable {units} || :
%preun {name}
[ $1 -ne 0 ] || systemctl --no-reload disable --now {units} || :
%postun {name}
systemctl daemon-reload || :
[ $1 -lt 1 ] || systemctl try-restart libvirtd.service || :
"""


def daemon(tree, name):
    """Its program and its units."""
    units = "/usr/lib/systemd/system"
    return [f"/usr/sbin/{name}"] + sorted(
        f"{units}/{unit}" for unit in os.listdir(tree + units)
        if re.fullmatch(rf"{name}(-\w+)?\.(service|socket)", unit))


def of_2012(tree):
    """{package: (requirements, files)}"""
    return {
        "libvirt": (["libvirt-client = 0.9.10-1"], [
            "/usr/sbin/libvirtd", "/usr/lib/systemd/system/libvirtd.service", NETWORK, FILTER]),
        "libvirt-client": ([], ["/usr/bin/virsh", *GUESTS]),
    }


def of_9_0(tree):
    """The same; each driver needed the package of libvirtd."""
    def all_of(*names):
        return [f"libvirt-{name} = 9.0.0-1" for name in names]

    common = [path for name in ("libvirtd", "virtlogd", "virtlockd", "virtproxyd")
              for path in daemon(tree, name)]
    drivers = [f"daemon-driver-{driver}" for driver in DRIVERS]
    hosts = [f"daemon-driver-{driver}" for driver in DRIVERS if driver not in ("lxc", "xen")]
    return {
        "libvirt": (all_of("client", "daemon", "daemon-config-network", "daemon-config-nwfilter",
                           *drivers), []),
        "libvirt-client": ([], ["/usr/bin/virsh"]),
        "libvirt-daemon": ([], [*common, *GUESTS, "/usr/bin/virt-admin",
                                "/usr/bin/virt-host-validate",
                                "/usr/lib64/libvirt/lock-driver/lockd.so"]),
        "libvirt-daemon-config-network": (all_of("daemon-driver-network"), [NETWORK]),
        "libvirt-daemon-config-nwfilter": (all_of("daemon-driver-nwfilter"), [FILTER]),
        **{f"libvirt-daemon-driver-{driver}": (all_of("daemon"), daemon(tree, name))
           for driver, name in DRIVERS.items()},
        # Of 7.2, and of an earlier cut.
        "libvirt-admin": ([], ["/usr/share/libvirt-admin"]),
        "libvirt-daemon-kvm": (all_of("daemon", *hosts) + ["qemu-kvm"], []),
    }


def unit_text(text):
    """Of 9.0.0: daemons did not exclude each other, and files of some sockets stayed."""
    text = re.sub(r"^(Conflicts|After)=libvirtd.*\n", "", text, flags=re.M)
    return re.sub(r"^RemoveOnStop=.*\n", "", text, flags=re.M) if "sock-ro" in text else text


def content(tree, path, version, year):
    """Of a file of today's packages, which are 11.3.0, as it was in those of old."""
    if not os.path.exists(tree + path):
        return b""
    with open(tree + path, "rb") as f:
        data = f.read()
    if "/systemd/" in path:
        return (SERVICE_2012 if year == 2012 and path.endswith("/libvirtd.service")
                else unit_text(data.decode())).encode()
    # The version that stand-ins write down.
    return data.replace(b"11.3.0\0", version.encode().ljust(7, b"\0"))


def write_tree(tree, packages, target, version, year):
    """All files of the packages, taken from `tree`, which the packages of today have."""
    for _, files in packages.values():
        for path in files:
            os.makedirs(target + os.path.dirname(path), exist_ok=True)
            with open(target + path, "wb") as f:
                f.write(content(tree, path, version, year))
            os.chmod(target + path, 0o755 if os.access(tree + path, os.X_OK) else 0o644)


def directories(files):
    """What no other package owns of the directories they are in."""
    parents = {path[:match.start() + 1] for path in files for match in re.finditer("/", path[1:])}
    return sorted(path for path in parents if re.match("/(etc|usr/lib64)/libvirt", path))


def spec(version, packages, tree, scriptlets):
    """One source package for all of them."""
    parts = [f"""Name: libvirt-before
Version: {version}
Release: 1
Summary: Packages as they were
License: GPL-2.0-or-later
%description
Packages as they were.
%install
cp -a {tree}/. %{{buildroot}}
"""]
    for name, (requires, files) in packages.items():
        units = [os.path.basename(path) for path in files
                 if re.search(r"/systemd/.*\.(service|socket)$", path)]
        parts.append("\n".join([
            f"%package -n {name}", "Summary: A package as it was",
            *(["Version: 7.2.0"] if name == "libvirt-admin" else []),
            *(f"Requires: {requirement}" for requirement in requires),
            f"%description -n {name}", "A package as it was.", f"%files -n {name}",
            *(f"%config(noreplace) {path}" if path.startswith("/etc/") else path
              for path in files), *(f"%dir {path}" for path in directories(files)), ""]))
        if units:
            text = scriptlets if "/usr/sbin/libvirtd" in files else SCRIPTLETS
            parts.append(text.format(name=f"-n {name}", units=" ".join(units)))
    return "\n".join(parts)
