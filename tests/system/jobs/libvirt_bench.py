# SPDX-License-Identifier: GPL-2.0-or-later
"""What the jobs about packaging/libvirt share: its packages, which lie beside the job, on a machine
without Debian's units of libvirt.
"""
import glob
import json
import os
import re
import socket

import job

UNITS = "/usr/lib/systemd/system"
LOG = "/run/libvirt-bench.log"
MODULAR = ["virtinterfaced", "virtlxcd", "virtnetworkd", "virtnodedevd", "virtnwfilterd",
           "virtproxyd", "virtqemud", "virtsecretd", "virtstoraged"]
XEN = "virtxend"  # whose units need a host with Xen
HELPERS = ["virtlockd", "virtlogd"]
REMOTE = ("-tcp", "-tls")
# For each scriptlet rpm marks as many descriptors as there may be.
RPM = ("prlimit", "--nofile=1024", "rpm", "--dbpath", "/var/lib/rpm")


def remove_debians():
    """Else units of the same names would be there before the packages come."""
    for pattern in ("libvirt*", "virt*"):
        for path in glob.glob(f"{UNITS}/{pattern}"):
            os.unlink(path)


def rpm(*arguments):
    """Returns what rpm and scriptlets say, without Debian's word to rpm."""
    result = job.run(*RPM, *arguments, timeout=300)
    text = re.sub("rpm: (RPM|However) .*\n", "", result.stdout + result.stderr)
    if result.returncode != 0 or "scriptlet failed" in text:
        raise RuntimeError(f"{arguments}: {result.returncode}: {text}")
    return text


def packages(repository, *names):
    """The files of these packages, or of all, but for documents."""
    if names:
        return [f"{repository}/{name}.rpm" for name in names]
    return sorted(path for path in glob.glob(f"{repository}/*.rpm") if "docs" not in path)


def unit_names(*daemons):
    """The units of the daemons, or of all."""
    names = [os.path.basename(path) for kind in ("service", "socket")
             for pattern in ("libvirt", "virt") for path in glob.glob(f"{UNITS}/{pattern}*.{kind}")]
    return sorted({name for name in names
                   if not daemons or re.match("[a-z]+", name)[0] in daemons})


def edit_units(pattern, replacement):
    """In all units; there have to be such lines."""
    count = 0
    for name in unit_names():
        path = f"{UNITS}/{name}"
        text, found = re.subn(pattern, replacement, job.read(path), flags=re.M)
        job.write(path, text)
        count += found
    if not count:
        raise RuntimeError(f"no unit has {pattern}")


def states(*units):
    """{unit: what systemd says of it}."""
    result = job.run("systemctl", "is-active", *units)
    return dict(zip(units, result.stdout.split("\n")))


def links():
    """What enables libvirt's units: systemctl would take long to say it."""
    return glob.glob("/etc/systemd/system/*.wants/libvirt*") + glob.glob(
        "/etc/systemd/system/*.wants/virt*")


def enabled():
    return {os.path.basename(path) for path in links()}


def clear():
    """Nothing is active or enabled."""
    job.do("systemctl", "stop", "libvirt*", "virt*")
    for path in links():
        os.unlink(path)
    job.do("systemctl", "daemon-reload")
    forget()


def show(units, name):
    """{unit: value}"""
    texts = job.do("systemctl", "show", "--value", "-p", name, *units).split("\n\n")
    return dict(zip(units, (text.strip() for text in texts)))


def path_of(unit):
    """The file of a local socket."""
    daemon, kind = re.match(r"([a-z]+)(-\w+)?\.socket", unit).groups("")
    prefix = "libvirt" if daemon in ("libvirtd", "virtproxyd") else daemon
    end = {"": "-sock", "-ro": "-sock-ro", "-admin": "-admin-sock"}[kind]
    return f"/run/libvirt/{prefix}{end}"


def answer(path):
    """The daemon that answers there; a stand-in says its name."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(path)
        return client.recv(100).decode().split()[0]


def log():
    """What stand-ins have written down since forget()."""
    return job.read(LOG).split("\n")[:-1] if os.path.exists(LOG) else []


def forget():
    job.remove(LOG)


def mode():
    """Of libvirt, by kvm-check: verdict and cause."""
    report = json.loads(job.run("kvm-check", "--json").stdout)
    check, = (result for result in report["checks"] if result["name"] == "libvirt")
    return f"{check['verdict']} {check['cause']}"
