#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd-unit-merge --lint finds each defect that is put into a correct set of units, where it is
and nothing else, and nothing in the correct set.
"""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import unit_tests  # noqa: E402


def service(name, unit="", install="", body=""):
    """A service with three local sockets, which goes where its monolithic twin comes."""
    return f"""[Unit]
Description={name} daemon
Conflicts=mono.service
After=mono.service network.target dbus.service
BindsTo={name}.socket
Wants={name}-ro.socket {name}-admin.socket
After={name}.socket {name}-ro.socket {name}-admin.socket
{unit}
[Service]
Type=notify
ExecStart=/usr/sbin/{name} --timeout 120
{body}
[Install]
WantedBy=multi-user.target
Also={name}.socket {name}-ro.socket
Also={name}-admin.socket
{install}"""


def unix_socket(name, kind="", listen=None):
    """The local socket of a service, of this kind."""
    path = listen or f"%t/daemons/{name}-sock{kind}"
    others = f"BindsTo={name}.socket\nAfter={name}.socket\n" if kind else ""
    return f"""[Unit]
Description={name} socket
Conflicts=mono{kind}.socket
After=mono{kind}.socket
{others}
[Socket]
ListenStream={path}
Service={name}.service
SocketMode=0600
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
Also={name}.service
"""


def network_socket(name, kind, port):
    return f"""[Unit]
Requires={name}.socket
After={name}.socket

[Socket]
ListenStream={port}
Service={name}.service

[Install]
WantedBy=sockets.target
"""


def correct_set():
    """A modular daemon, one with ports, and the monolithic daemon that has their paths, too."""
    units = {}
    for name in ("modular", "proxy"):
        units[f"{name}.service"] = service(name)
        for kind in ("", "-ro", "-admin"):
            units[f"{name}{kind}.socket"] = unix_socket(name, kind)
    for kind, port in (("-tls", 16514), ("-tcp", 16509)):
        units[f"proxy{kind}.socket"] = network_socket("proxy", kind, port)
    units["mono.service"] = """[Unit]
Wants=mono.socket mono-ro.socket mono-admin.socket
After=mono.socket mono-ro.socket mono-admin.socket

[Service]
ExecStart=/usr/sbin/mono

[Install]
WantedBy=multi-user.target
Also=mono.socket mono-ro.socket mono-admin.socket
"""
    for kind in ("", "-ro", "-admin"):
        # The same path as the proxy's, otherwise written.
        units[f"mono{kind}.socket"] = f"""[Unit]
Description=twin
[Socket]
ListenStream=/var/run//daemons/proxy-sock{kind}
Service=mono.service
RemoveOnStop=1
[Install]
WantedBy=sockets.target
"""
    units["worker@.service"] = "[Service]\nExecStart=/bin/true %i\n"
    units["all.target"] = "[Unit]\nRequires=worker@1.service mono.service\nPartOf=%i.target\n"
    units["clean.timer"] = "[Timer]\nOnCalendar=daily\nUnit=worker@2.service\n[Unit]\n"
    return units


class Lint(unit_tests.TestCase):
    def setUp(self):
        super().setUp()
        self.units = correct_set()

    def write(self):
        for name in os.listdir(self.directory):
            os.unlink(self.path(name))
        return [self.put(name, text) for name, text in self.units.items()]

    def lint(self, *options):
        """[(code, unit, line, message)], which text and JSON agree on."""
        paths = self.write()
        result = unit_tests.merge("--lint", *options, *paths)
        report = unit_tests.merge("--lint", "--json", *options, *reversed(paths))
        self.assertEqual((b"", b""), (result.stderr, report.stderr))
        report_json = json.loads(report.stdout)
        self.assertEqual(result.returncode, report.returncode)
        self.assertEqual(len(paths), report_json["units"])
        self.assertEqual(len(report_json["findings"]), report_json["total"])
        findings = report_json["findings"]
        self.assertEqual(3 if findings else 0, result.returncode)
        self.assertEqual(result.stdout.decode(), "".join(
            f"{f['file']}:{f['line']}: {f['code']}: {f['message']}\n" for f in findings))
        for finding in findings:
            self.assertEqual(self.path(finding["unit"]), finding["file"])
        return [(f["code"], f["unit"], f["line"], f["message"]) for f in findings]

    def replace(self, unit, old, new, count=1):
        self.assertIn(old, self.units[unit])
        self.units[unit] = self.units[unit].replace(old, new, count)

    def add(self, unit, section, line):
        self.replace(unit, f"[{section}]\n", f"[{section}]\n{line}\n")

    def check(self, *expected, options=()):
        """Each expected finding is (code, unit, text of its line, part of the message)."""
        found = self.lint(*options)
        self.assertEqual([e[:2] for e in expected], [f[:2] for f in found], found)
        for (_, unit, text, part), (_, _, line, message) in zip(expected, found):
            self.assertEqual(text, self.units[unit].splitlines()[line - 1].strip(), message)
            self.assertIn(part, message)

    def test_correct(self):
        self.check()

    def test_same_path(self):
        self.replace("modular.socket", "%t/daemons/modular-sock", "/run/daemons/proxy-sock/")
        self.check(("same-path", "proxy.socket", "ListenStream=%t/daemons/proxy-sock",
                    "/run/daemons/proxy-sock is also of modular.socket"))
        self.units["modular.socket"] += "[Unit]\nConflicts=proxy.socket\nAfter=proxy.socket\n"
        self.check()

    def test_same_path_without_the_conflict(self):
        self.replace("proxy-ro.socket", "Conflicts=mono-ro.socket\n", "")
        self.check(("same-path", "proxy-ro.socket", "ListenStream=%t/daemons/proxy-sock-ro",
                    "mono-ro"))

    def test_same_abstract_name(self):
        self.add("modular.socket", "Socket", "ListenDatagram=@name")
        self.add("proxy.socket", "Socket", "ListenStream=@name")
        self.check()
        self.add("proxy-ro.socket", "Socket", "ListenDatagram=@name")
        self.check(("same-path", "proxy-ro.socket", "ListenDatagram=@name", "modular.socket"))
        self.replace("proxy-ro.socket", "ListenDatagram=@name\n",
                     "ListenDatagram=@name\nListenFIFO=\n")
        self.check()

    def test_conflicts_without_order(self):
        self.replace("modular.service", "After=mono.service network", "After=network")
        self.check(("conflicts-order", "modular.service", "Conflicts=mono.service", "mono.service"))
        self.add("mono.service", "Unit", "Before=modular.service")
        self.check()

    def test_conflicts_with_what_is_not_there(self):
        self.add("modular.service", "Unit", "Conflicts=other.service other.socket")
        self.add("modular.service", "Unit", "After=other.socket")
        self.check(("conflicts-order", "modular.service", "Conflicts=other.service other.socket",
                    "other.service"))

    def test_remove_on_stop(self):
        self.replace("modular-ro.socket", "RemoveOnStop=yes\n", "")
        self.replace("proxy-ro.socket", "RemoveOnStop=yes\n", "RemoveOnStop=yes\nRemoveOnStop=no\n")
        self.check(("remove-on-stop", "modular-ro.socket",
                    "ListenStream=%t/daemons/modular-sock-ro", ""),
                   ("remove-on-stop", "proxy-ro.socket", "ListenStream=%t/daemons/proxy-sock-ro",
                    ""))

    def test_nothing_to_remove(self):
        self.add("proxy-tcp.socket", "Socket", "ListenStream=@name")
        self.check(("also-local", "proxy.service", "WantedBy=multi-user.target",
                    "proxy-tcp.socket"))

    def test_also_remote(self):
        self.add("proxy.service", "Install", "Also=proxy-tls.socket \\\n proxy-tcp.socket")
        self.check(("also-remote", "proxy.service", "Also=proxy-tls.socket \\", "proxy-tcp.socket"),
                   ("also-remote", "proxy.service", "Also=proxy-tls.socket \\", "proxy-tls.socket"))

    def test_also_local(self):
        self.replace("modular.service", "Also=modular-admin.socket\n", "")
        self.check(("also-local", "modular.service", "WantedBy=multi-user.target",
                    "modular-admin.socket"))
        # What cannot be enabled enables nothing else.
        self.replace("modular.service", "WantedBy=multi-user.target\n", "")
        self.replace("modular.service", "Also=modular.socket modular-ro.socket\n", "")
        self.check()

    def test_missing_units(self):
        self.replace("modular.service", "BindsTo=modular.socket", "BindsTo=modular.sokcet")
        self.replace("proxy-ro.socket", "Service=proxy.service", "Service=porxy.service")
        self.add("all.target", "Unit", "Wants=absent.service worker@3.service")
        expected = [("missing-unit", "all.target", "Wants=absent.service worker@3.service",
                     "absent.service"),
                    ("missing-unit", "modular.service", "BindsTo=modular.sokcet", "modular.sokcet"),
                    ("requires-order", "modular.service", "BindsTo=modular.sokcet",
                     "modular.sokcet"),
                    ("missing-unit", "proxy-ro.socket", "Service=porxy.service", "porxy.service")]
        self.check(*expected)
        self.check(*expected[1:], options=["--external", "abs*.service", "--external=x"])

    def test_missing_install_target(self):
        self.replace("modular.service", "multi-user.target", "multiuser.target")
        self.check(("missing-unit", "modular.service", "WantedBy=multiuser.target",
                    "multiuser.target"))

    def test_requires_without_order(self):
        self.replace("proxy-tls.socket", "After=proxy.socket\n", "")
        self.add("modular.service", "Unit", "Requires=worker@4.service")
        self.check(("requires-order", "modular.service", "Requires=worker@4.service",
                    "both start at once"),
                   ("requires-order", "proxy-tls.socket", "Requires=proxy.socket", "proxy.socket"))
        self.add("modular.service", "Unit", "Before=worker@4.service")
        self.add("proxy.socket", "Unit", "Before=proxy-tls.socket")
        self.check()

    def test_order_that_systemd_has_itself(self):
        """Between a unit and what it activates, whichever of them requires the other."""
        self.replace("modular.service", "After=modular.socket modular-ro.socket",
                     "After=modular-ro.socket")
        self.add("modular.service", "Unit", "BindsTo=modular-admin.socket absent.socket")
        self.replace("modular.service", "modular-admin.socket\n\n[Service]", "\n[Service]")
        self.add("modular-ro.socket", "Unit", "Requires=modular.service")
        self.add("clean.timer", "Unit", "Requires=worker@2.service")
        self.units["absent.service"] = "[Unit]\nRequires=absent.socket\n"
        self.check(("requires-order", "modular.service",
                    "BindsTo=modular-admin.socket absent.socket", "absent.socket"),
                   options=["--external=absent.socket"])

    def test_requires_without_order_of_targets(self):
        self.add("all.target", "Unit", "DefaultDependencies=no")
        self.check(("requires-order", "all.target", "Requires=worker@1.service mono.service",
                    "mono.service"),
                   ("requires-order", "all.target", "Requires=worker@1.service mono.service",
                    "worker@1"))

    def test_inferred(self):
        self.add("modular.service", "Unit", "Requires=sysinit.target")
        self.add("modular.service", "Unit", "Conflicts=shutdown.target")
        self.add("proxy.socket", "Unit", "Before=proxy.service")
        self.add("proxy-ro.socket", "Unit", "Before=sockets.target")
        self.add("clean.timer", "Unit", "Before=worker@2.service")
        self.add("mono.service", "Service", "BusName=org.example")
        self.add("mono.service", "Unit", "After=dbus.socket")
        self.check(("inferred", "clean.timer", "Before=worker@2.service", "worker@2.service"),
                   ("inferred", "modular.service", "Conflicts=shutdown.target", "shutdown.target"),
                   ("inferred", "modular.service", "Requires=sysinit.target", "sysinit.target"),
                   ("inferred", "mono.service", "After=dbus.socket", "dbus.socket"),
                   ("inferred", "proxy-ro.socket", "Before=sockets.target", "sockets.target"),
                   ("inferred", "proxy.socket", "Before=proxy.service", "proxy.service"))
        # Without default dependencies there is something to say.
        self.units["mono.service"] = correct_set()["mono.service"]
        self.units["clean.timer"] = correct_set()["clean.timer"]
        for unit in ("modular.service", "proxy.socket", "proxy-ro.socket"):
            self.add(unit, "Unit", "DefaultDependencies=no")
        self.check(("conflicts-order", "modular.service", "Conflicts=shutdown.target",
                    "shutdown.target"),
                   ("requires-order", "modular.service", "Requires=sysinit.target",
                    "sysinit.target"),
                   ("inferred", "proxy.socket", "Before=proxy.service", "proxy.service"))

    def test_syntax(self):
        self.add("modular.service", "Service", "no assignment")
        self.add("proxy.service", "Service", "=value")
        self.check(("syntax", "modular.service", "no assignment", "ignores"),
                   ("syntax", "proxy.service", "=value", "without a key"))

    def test_units_that_cannot_be_read(self):
        good = self.put("a.service", "[Unit]\n")
        for name, text, why in (("b.service", "[Bogus]\n", ":1: unknown section"),
                                ("b.service", "[Unit]\nx \\\n", ":2: nothing follows"),
                                ("b.in", "", ": not the name of a unit"),
                                (".service", "", ": not the name of a unit"),
                                ("d/a.service", "", ": the set has a unit of that name")):
            path = self.put(name, text)
            for options in ([], ["--json"]):
                self.refused(1, why, "--lint", *options, good, path)
        self.refused(1, "No such file", "--lint", self.path("absent.service"))

    def test_hostile_names(self):
        unit = self.put("\x1b[2J.service",
                        "[Unit]\nWants=\x1b[2J.socket " + "x" * 100000 + "@1.service\n")
        result = unit_tests.merge("--lint", unit)
        self.assertEqual(3, result.returncode)
        self.assertNotIn(b"\x1b", result.stdout + result.stderr)
        report = json.loads(unit_tests.merge("--lint", "--json", unit).stdout)
        self.assertEqual(2, report["total"])

    def test_many_findings(self):
        unit = self.put("a.service",
                        "[Unit]\n" + "".join(f"Wants={i}.socket\n" for i in range(12000)))
        result = unit_tests.merge("--lint", unit)
        self.assertEqual((3, 10000), (result.returncode, result.stdout.count(b"\n")))
        self.assertIn(b"warning: 2000 more findings", result.stderr)
        report = json.loads(unit_tests.merge("--lint", "--json", unit).stdout)
        self.assertEqual((12000, 10000), (report["total"], len(report["findings"])))


if __name__ == "__main__":
    unittest.main(verbosity=2)
