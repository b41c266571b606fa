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
Also=mono.service
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
        self.check(("conflicts-twin", "modular.service", "Description=modular daemon",
                    "no Conflicts=proxy.service"))

    def test_same_path_without_the_conflict(self):
        self.replace("proxy-ro.socket", "Conflicts=mono-ro.socket\n", "")
        self.check(("conflicts-twin", "proxy-ro.socket", "Description=proxy socket",
                    "no Conflicts=mono-ro.socket"),
                   ("same-path", "proxy-ro.socket", "ListenStream=%t/daemons/proxy-sock-ro",
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

    def test_same_file_of_another_kind(self):
        """Who binds to a path takes it from whatever is there; queues are no files."""
        self.replace("modular.socket", "ListenStream=%t/daemons/modular-sock",
                     "ListenDatagram=%t/daemons/proxy-sock\nListenMessageQueue=/q")
        self.add("proxy.socket", "Socket", "ListenFIFO=/q")
        expected = ("same-path", "proxy.socket", "ListenStream=%t/daemons/proxy-sock",
                    "is also of modular.socket")
        self.check(expected)
        self.add("proxy.socket", "Socket", "ListenMessageQueue=/q")
        self.check(("same-path", "proxy.socket", "ListenMessageQueue=/q", "modular.socket"),
                   expected)

    def test_paths_with_specifiers(self):
        self.add("modular.socket", "Socket", "ListenStream=%S/x%%/%p")
        self.add("proxy.socket", "Socket", "ListenStream=/var/lib/x%%/modular")
        self.add("proxy-tcp.socket", "Socket", "ListenStream=%E/worker-1")
        self.replace("proxy.service", "Also=proxy-admin", "Also=proxy-tcp.socket proxy-admin")
        self.units["worker@1.socket"] = "[Socket]\nListenStream=%E/worker-%i\nRemoveOnStop=1\n"
        found = self.lint()
        self.assertEqual([("also-remote", "proxy.service"), ("remove-on-stop", "proxy-tcp.socket"),
                          ("same-path", "proxy.socket"), ("same-path", "worker@1.socket")],
                         sorted(f[:2] for f in found))

    def test_conflicts_of_targets(self):
        """They have no processes that could meet, but those of a service could."""
        self.add("all.target", "Unit", "DefaultDependencies=no\nConflicts=shutdown.target")
        self.replace("all.target", "Requires=worker@1.service mono.service", "Wants=mono.service")
        self.check()
        self.add("all.target", "Unit", "Conflicts=mono.service")
        self.check(("conflicts-order", "all.target", "Conflicts=mono.service", "mono.service"))

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
        self.check(*(("also-local", f"proxy{unit}", f"WantedBy={target}.target",
                      "proxy-tcp.socket")
                     for unit, target in (("-admin.socket", "sockets"), ("-ro.socket", "sockets"),
                                          (".service", "multi-user"), (".socket", "sockets"))))

    def test_also_remote(self):
        self.add("proxy.service", "Install", "Also=proxy-tls.socket \\\n proxy-tcp.socket")
        self.check(("also-remote", "proxy.service", "Also=proxy-tls.socket \\", "proxy-tcp.socket"),
                   ("also-remote", "proxy.service", "Also=proxy-tls.socket \\", "proxy-tls.socket"))

    def test_also_local(self):
        self.replace("modular.service", "Also=modular-admin.socket\n", "")
        expected = [("also-local", f"modular{unit}", f"WantedBy={target}.target",
                     "no Also=modular-admin.socket") for unit, target in
                    (("-ro.socket", "sockets"), (".service", "multi-user"), (".socket", "sockets"))]
        self.check(*expected)
        # The service needs each by its own Also=, or that of a socket.
        self.add("modular.socket", "Install", "Also=modular-admin.socket")
        self.check()
        self.replace("modular.socket", "Also=modular-admin.socket\n", "")
        self.replace("modular-admin.socket", "WantedBy=sockets.target\nAlso=modular.service\n", "")
        self.check()
        self.units["modular-admin.socket"] = correct_set()["modular-admin.socket"]
        # What cannot be enabled enables nothing else.
        self.replace("modular.service", "WantedBy=multi-user.target\n", "")
        self.replace("modular.service", "Also=modular.socket modular-ro.socket\n", "")
        found = self.lint()
        self.assertNotIn("modular.service", [f[1] for f in found])

    def test_also_of_sockets(self):
        """Enabling one of a service's local sockets enables all, by whatever way."""
        for kind in ("", "-ro", "-admin"):
            self.replace(f"modular{kind}.socket", "Also=modular.service\n", "Also=modular.socket\n")
        self.replace("modular.socket", "Also=modular.socket", "Also=modular-ro.socket")
        expected = [("also-local", f"modular{kind}.socket", "WantedBy=sockets.target",
                     "no Also=modular-admin.socket") for kind in ("-ro", "")]
        self.check(*expected)
        self.replace("modular-ro.socket", "Also=modular.socket\n",
                     "Also=modular.socket modular-admin.socket\n")
        self.check()
        self.replace("modular-admin.socket", "Also=modular.socket\n", "")
        self.check(*(("also-local", "modular-admin.socket", "WantedBy=sockets.target", other)
                     for other in ("Also=modular-ro.socket", "Also=modular.socket")))
        # What cannot be enabled is none of them.
        self.replace("modular-admin.socket", "WantedBy=sockets.target\n", "")
        self.check()

    def test_conflicts_of_a_part(self):
        """Daemons that exclude each other do so by all their units."""
        for unit, other in ((".service", ".service network.target dbus.service"),
                            (".socket", ".socket"), ("-ro.socket", "-ro.socket")):
            with self.subTest(unit):
                self.units = correct_set()
                lines = f"Conflicts=mono{unit}\nAfter=mono{other}\n"
                self.replace(f"modular{unit}", lines, "")
                self.check(("conflicts-twin", f"modular{unit}",
                            f"Description=modular {'daemon' if unit == '.service' else 'socket'}",
                            f"no Conflicts=mono{unit}"))
                # It is a conflict, whichever of both says so.
                self.add(f"mono{unit}", "Unit",
                         f"Conflicts=modular{unit}\nBefore=modular{unit}")
                self.check()

    def test_conflicts_without_twins(self):
        """With another service, and of sockets that only one has."""
        self.add("modular.service", "Unit", "Conflicts=proxy.service\nAfter=proxy.service")
        found = self.lint()
        self.assertEqual({("conflicts-twin", f"modular{kind}.socket")
                          for kind in ("", "-ro", "-admin")}, {f[:2] for f in found})
        self.units = correct_set()
        del self.units["mono-admin.socket"]
        self.replace("mono.service", " mono-admin.socket", "", 3)
        self.replace("modular-admin.socket", "Conflicts=mono-admin.socket\n", "")
        self.check()

    def test_quotes(self):
        """systemd takes no quotes in lists of units: such a name is none."""
        self.add("all.target", "Unit", "Wants=\"mono.service\"")
        self.check(("missing-unit", "all.target", "Wants=\"mono.service\"", "mono.service"))

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

    def test_missing_units_that_are_activated(self):
        self.units["lonely.socket"] = "[Unit]\n[Socket]\nListenStream=1\nAccept=no\n"
        self.units["lonely.timer"] = "[Timer]\nOnCalendar=daily\n"
        expected = [("missing-unit", "lonely.socket", "ListenStream=1", "lonely.service"),
                    ("missing-unit", "lonely.timer", "OnCalendar=daily", "lonely.service")]
        self.check(*expected)
        self.check(options=["--external=lonely.service"])
        self.replace("lonely.socket", "Accept=no", "Accept=yes")
        self.units["lonely.service"] = "[Service]\nExecStart=/bin/true\n"
        self.check(("missing-unit", "lonely.socket", "ListenStream=1", "lonely@.service"))
        self.units["lonely@.service"] = "[Unit]\nRequires=lonely.socket\n"
        self.check()

    def test_aliases(self):
        """A unit is there by its other names, too, and is one unit."""
        self.units["service-of-proxy.target"] = "[Unit]\nWants=alias.service\n"
        self.add("all.target", "Unit", "Wants=other-worker@7.service")
        self.check(("missing-unit", "all.target", "Wants=other-worker@7.service", "other-worker@7"),
                   ("missing-unit", "service-of-proxy.target", "Wants=alias.service", "alias"))
        self.add("proxy.service", "Install", "Alias=alias.service")
        self.add("worker@.service", "Service", "[Install]\nAlias=other-worker@.service\n[Service]")
        self.check()
        # Order and requirement are of the same unit, whatever it is called.
        self.add("modular.service", "Unit", "Requires=alias.service\nAfter=proxy.service")
        self.check()
        self.replace("modular.service", "After=proxy.service\n", "")
        self.check(("requires-order", "modular.service", "Requires=alias.service", "proxy.service"))
        # An alias that is taken back.
        self.replace("proxy.service", "Alias=alias.service\n",
                     "Alias=alias.service\nAlias=\nAlias=third.service\n")
        self.assertIn("missing-unit", [f[0] for f in self.lint()])

    def test_links(self):
        """As they are in directories of installed units."""
        paths = self.write()
        os.symlink("proxy.socket", self.path("alias.socket"))
        os.symlink("/dev/null", self.path("masked.service"))
        user = self.put("user.target", "[Unit]\nWants=alias.socket masked.service\n")
        links = [self.path("alias.socket"), self.path("masked.service")]
        result = unit_tests.merge("--lint", "--json", *links, *paths, user)
        report = json.loads(result.stdout)
        self.assertEqual((3, b"", len(paths) + 1),
                         (result.returncode, result.stderr, report["units"]))
        self.assertEqual(["Wants=masked.service is not in the set"],
                         [f["message"] for f in report["findings"]])
        # Without the unit itself the link is one.
        report = json.loads(unit_tests.merge("--lint", "--json", links[0]).stdout)
        self.assertEqual({"alias.socket"}, {f["unit"] for f in report["findings"]})
        os.unlink(self.path("proxy.socket"))
        self.refused(1, "No such file", "--lint", links[0])

    def test_units_of_systemd(self):
        """Its own units are fit for the rules, but for some whose files stay on purpose."""
        directory = "/usr/lib/systemd/system"
        units = sorted(e.path for e in os.scandir(directory) if e.name.startswith("systemd-") and
                       e.name.endswith((".service", ".socket", ".timer", ".path", ".target"))
                       ) if os.path.isdir(directory) else []
        if not units:
            self.skipTest("no-systemd: no units are installed")
        result = unit_tests.merge("--lint", "--json", *units)
        self.assertIn(result.returncode, (0, 3), result.stderr)
        report = json.loads(result.stdout)
        self.assertGreater(report["units"], 20)
        found = [f for f in report["findings"] if f["code"] not in ("remove-on-stop", "inferred")]
        self.assertEqual([], found)

    def test_missing_units_of_all_keys(self):
        """Those that want a unit to be there, and not those that do not mind."""
        keys = ("BindsTo", "OnFailure", "OnSuccess", "PartOf", "Requires", "Requisite", "Upholds",
                "Wants")
        order = "After=absent.service\nBefore=other.service\nConflicts=absent.service\n"
        self.units["all.target"] = "[Unit]\n" + order + "".join(
            f"{key}=absent.service\n" for key in keys)
        self.check(*(("missing-unit", "all.target", f"{key}=absent.service", "absent")
                     for key in keys))

    def test_missing_install_target(self):
        self.replace("modular.service", "multi-user.target", "multiuser.target")
        self.check(("missing-unit", "modular.service", "WantedBy=multiuser.target",
                    "multiuser.target"))

    def test_requires_without_order(self):
        self.replace("proxy-tls.socket", "After=proxy.socket\n", "")
        self.add("modular.service", "Unit", "Requires=worker@4.service")
        self.add("modular.service", "Unit", "Requisite=worker@5.service\nWants=worker@6.service")
        self.check(("requires-order", "modular.service", "Requisite=worker@5.service",
                    "both start at once"),
                   ("requires-order", "modular.service", "Requires=worker@4.service",
                    "both start at once"),
                   ("requires-order", "proxy-tls.socket", "Requires=proxy.socket", "proxy.socket"))
        self.add("modular.service", "Unit", "Before=worker@4.service")
        self.add("modular.service", "Unit", "After=worker@5.service")
        self.add("proxy.socket", "Unit", "Before=proxy-tls.socket")
        self.check()
        # It is the template that orders itself.
        self.replace("modular.service", "Before=worker@4.service\n", "")
        self.add("worker@.service", "Service", "[Unit]\nBefore=modular.service\n[Service]")
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
        self.add("worker@.service", "Service", "Sockets=mono-ro.socket\n[Unit]\n"
                 "Requires=mono-ro.socket\n[Service]")
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
        # A service of another type has none on the bus.
        self.add("mono.service", "Service", "Type=notify")
        self.add("all.target", "Unit", "Conflicts=shutdown.target")
        found = [f[1] for f in self.lint()]
        self.assertNotIn("mono.service", found)
        self.assertIn("all.target", found)
        self.units["all.target"] = correct_set()["all.target"]
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

    def test_inferred_of_each_type(self):
        for name, body, keys in (
                ("x.target", "", ("Before=shutdown.target", "Conflicts=shutdown.target")),
                ("x.slice", "", ("Before=shutdown.target", "Conflicts=shutdown.target")),
                ("x.path", "[Path]\nPathExists=/x\nUnit=mono.service\n",
                 ("Before=paths.target", "Before=mono.service", "After=sysinit.target")),
                ("x.timer", "[Timer]\nOnBootSec=1\nUnit=mono.service\nUnit=proxy.service\n",
                 ("Before=timers.target", "Before=mono.service", "Requires=sysinit.target")),
                ("x.service", "[Service]\nExecStart=/bin/true\n", ("After=basic.target",)),
                ("x.socket", "[Socket]\nListenStream=1\nService=proxy.service\n"
                 "Service=mono.service\n", ("Before=mono.service", "After=sysinit.target"))):
            text = "".join(f"{key}\n" for key in keys)
            # What follows is of others: the first Unit= counts, and the last Service=.
            text += "Before=other.target proxy.service\n"
            self.units[name] = f"[Unit]\n{text}{body}"
            self.check(*(("inferred", name, key, key) for key in keys))
            del self.units[name]

    def test_syntax(self):
        self.add("modular.service", "Service", "no assignment")
        self.add("proxy.service", "Service", "=value")
        self.add("proxy.socket", "Socket", "[X-Own]\nno assignment\n[Socket]")
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
