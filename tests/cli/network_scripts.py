#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-ifup and qemu-ifdown on real interfaces, each case in a network namespace of its own.

The argument is the class to run: Plain, Vlan or Qemu."""
import contextlib
import ctypes
import fcntl
import functools
import json
import os
import select
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

SCRIPTS = os.path.join(kvmtest.SOURCE_DIR, "scripts")
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
EMULATOR = "qemu-system-x86_64"
TUN = "/dev/net/tun"

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000
ETHERTYPE = 0x88b5  # IEEE 802: for local experiments
ROOT = "start QEMU as root, or with "


def unshare(flags):
    """Leaves the namespaces of those kinds for new ones; what is in a network namespace that
    nobody uses any more goes away."""
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False,
                          stdin=subprocess.DEVNULL, **options)


def ip(*args):
    """One command of ip that must work: what it prints."""
    result = run("ip", *args)
    assert result.returncode == 0, (args, result.stderr)
    return result.stdout


def link(name):
    return json.loads(ip("-d", "-j", "link", "show", "dev", name))[0]


def exists(name):
    return name in [one["ifname"] for one in json.loads(ip("-j", "link", "show"))]


def vlans(name):
    """{vid: flags} of a port of a bridge."""
    result = run("bridge", "-j", "vlan", "show", "dev", name)
    assert result.returncode == 0, result.stderr
    return {one["vlan"]: sorted(one.get("flags", []))
            for port in json.loads(result.stdout) for one in port["vlans"]}


def add_bridge(name, *options):
    ip("link", "add", "name", name, "type", "bridge", *options)
    ip("link", "set", "dev", name, "up")


def add_plain(name):
    """An interface that is no bridge."""
    ip("link", "add", "name", name, "type", "veth", "peer", "name", "peer" + name[:11])
    ip("link", "set", "dev", "peer" + name[:11], "up")
    ip("link", "set", "dev", name, "up")


def add_port(bridge, name, mtu=1500):
    add_plain(name)
    ip("link", "set", "dev", name, "mtu", str(mtu))
    ip("link", "set", "dev", name, "master", bridge)


def add_vlan(name, lower, vid, *options):
    ip("link", "add", "link", lower, "name", name, "type", "vlan", *options, "id", str(vid))
    ip("link", "set", "dev", name, "up")


def add_tap(name, owner=None):
    ip("tuntap", "add", "dev", name, "mode", "tap", *(["user", str(owner)] if owner else []))


def route(*args):
    ip("route", "add", *args)


class Tap:
    """A TAP device that this process holds, as QEMU does."""

    def __init__(self, name):
        self.fd = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(self.fd, TUNSETIFF,
                    struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))

    def close(self):
        os.close(self.fd)

    def send(self, text, vid=None):
        tag = b"" if vid is None else struct.pack("!HH", 0x8100, vid)
        frame = (b"\xff" * 6 + b"\x52\x54\x00\x12\x34\x56" + tag
                 + struct.pack("!H", ETHERTYPE) + text.encode())
        os.write(self.fd, frame.ljust(60, b"\0"))

    def frames(self, seconds=0.0):
        """[(vid, text)] of what send() sent elsewhere and has come in since."""
        found = []
        while select.select([self.fd], [], [], 0 if found else seconds)[0]:
            try:
                frame = os.read(self.fd, 65536)
            except OSError:
                break
            vid, rest = None, frame[12:]
            if rest[:2] == b"\x81\x00":
                vid, rest = struct.unpack("!H", rest[2:4])[0] & 0xfff, rest[4:]
            if rest[:2] == struct.pack("!H", ETHERTYPE):
                found.append((vid, rest[2:].rstrip(b"\0").decode()))
        return found


class Monitor:
    """What happens to the interfaces of this namespace, in its order."""

    def __init__(self, test):
        self.text = ""
        self.process = test.launch("ip", "-o", "-d", "monitor", "link")
        self.wait("begin")

    def wait(self, mark):
        """Waits until an event of our own has come through."""
        def seen():
            ip("link", "set", "dev", "lo", "alias", mark)
            if select.select([self.process.stdout], [], [], 0.05)[0]:
                self.text += os.read(self.process.stdout.fileno(), 1 << 20).decode()
            return f"alias {mark}" in self.text
        kvmtest.until(seen, f"event {mark}")

    def events(self, name):
        """The lines that are about interface `name`."""
        self.wait("end")
        return [line for line in self.text.splitlines() if line.split(": ")[1:2] == [name]]


def in_each_shell(method):
    """The test is run once by each shell, in a network namespace of its own."""
    @functools.wraps(method)
    def wrapped(self):
        for name, shell in SHELLS.items():
            with self.subTest(shell=name):
                self.shell = shell
                self.enter()
                method(self)
    return wrapped


class Scripts(kvmtest.TestCase):
    shell = SHELLS["dash"]

    def setUp(self):
        super().setUp()
        self.enter()

    def enter(self):
        unshare(CLONE_NEWNET)
        ip("link", "set", "dev", "lo", "up")

    def script(self, name, *args, status=0, stderr="", **options):
        """Runs a script; what it says must be exactly `stderr`, without its name."""
        path = os.path.join(SCRIPTS, name)
        result = run(*self.shell, path, *args, **options)
        lines = "".join(f"{name}: {line}\n" for line in stderr.splitlines())
        self.assertEqual((status, "", lines.replace("$0", path)),
                         (result.returncode, result.stdout, result.stderr))

    def up(self, *args, **options):
        self.script("qemu-ifup", *args, **options)

    def down(self, *args, **options):
        self.script("qemu-ifdown", *args, **options)

    def assert_on(self, bridge, tap="tap0"):
        self.assertEqual(bridge, link(tap).get("master"))
        self.assertIn("UP", link(tap)["flags"])

    def assert_left(self, tap="tap0"):
        self.assertNotIn("master", link(tap))
        self.assertNotIn("UP", link(tap)["flags"])

    def held_tap(self, name):
        tap = Tap(name)
        self.addCleanup(tap.close)
        return tap

    def passes(self, source, target, sent=None, received=None):
        """Waits until a frame of VLAN `sent` comes through as one of VLAN `received`; nothing else
        may come."""
        def through():
            source.send("hello", sent)
            return target.frames(0.05)
        self.assertEqual({(received, "hello")}, set(kvmtest.until(through, "a frame")))


class Plain(Scripts):
    @in_each_shell
    def test_bridge_given(self):
        add_bridge("br0")
        add_bridge("br1")
        add_tap("tap0")
        route("default", "dev", "br1")
        self.up("tap0", "br0")
        self.assert_on("br0")

    @in_each_shell
    def test_bridge_in_the_script(self):
        """As its users write it there."""
        path = os.path.join(self.directory, "qemu-ifup")
        with open(os.path.join(SCRIPTS, "qemu-ifup"), encoding="utf-8") as script:
            text = script.read()
        self.assertEqual(1, text.count("\ndefault_bridge=\n"))
        with open(path, "w", encoding="utf-8") as script:
            script.write(text.replace("default_bridge=", "default_bridge=br1"))
        for name in ("br0", "br1", "br2"):
            add_bridge(name)
        route("default", "dev", "br0")
        add_tap("tap0")
        for args, bridge in (([], "br1"), (["br2"], "br2")):
            result = run(*self.shell, path, "tap0", *args)
            self.assertEqual((0, "", ""), (result.returncode, result.stdout, result.stderr))
            self.assert_on(bridge)

    @in_each_shell
    def test_bridge_of_the_default_route(self):
        add_bridge("br0")
        add_bridge("br1")
        add_tap("tap0")
        ip("address", "add", "192.0.2.2/24", "dev", "br1")
        route("default", "via", "192.0.2.1", "dev", "br1", "proto", "dhcp", "src", "192.0.2.2")
        route("198.51.100.0/24", "dev", "br0")
        self.up("tap0")
        self.assert_on("br1")

    @in_each_shell
    def test_several_default_routes(self):
        for family in ("-4", "-6"):
            self.enter()
            for name in ("br3", "br1", "br2"):
                add_bridge(name)
            for name in ("eth0", "eth1"):
                add_plain(name)
            for device, metric in (("br3", 300), ("eth1", 250), ("br2", 200), ("eth0", 5)):
                ip(family, "route", "add", "default", "dev", device, "metric", str(metric))
            add_tap("tap0")
            self.up("tap0")
            self.assert_on("br2")
            # Not by chance: that of the lowest metric is the last one added here.
            ip(family, "route", "add", "default", "dev", "br1", "metric", "10")
            self.up("tap0")
            self.assert_on("br1")

    @in_each_shell
    def test_default_route_on_no_bridge(self):
        add_bridge("br0")
        for name in ("eth0", "eth1"):
            add_plain(name)
        add_tap("tap0")
        route("default", "dev", "eth1", "metric", "9")
        route("default", "dev", "eth0", "metric", "8")
        ip("-6", "route", "add", "default", "dev", "eth0")
        self.up("tap0", stderr="tap0 stays without network: the default route is on no bridge but "
                "on eth0, eth1; name a bridge in $0")
        self.assert_left()

    @in_each_shell
    def test_no_default_route(self):
        add_bridge("br0")
        add_tap("tap0")
        said = ("tap0 stays without network: no default route leads through an interface; "
                "name a bridge in $0")
        self.up("tap0", stderr=said)
        self.assert_left()
        route("blackhole", "default")
        self.up("tap0", stderr=said)
        self.assert_left()

    @in_each_shell
    def test_blackhole_before_a_bridge(self):
        add_bridge("br0")
        add_tap("tap0")
        route("blackhole", "default", "metric", "1")
        route("unreachable", "default", "metric", "2")
        ip("-6", "route", "add", "unreachable", "default", "metric", "1")
        ip("-6", "route", "add", "default", "dev", "br0", "metric", "2")
        self.up("tap0")
        self.assert_on("br0")

    @in_each_shell
    def test_ipv6_only(self):
        add_bridge("br0")
        add_tap("tap0")
        ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "br0", "proto", "ra")
        self.up("tap0")
        self.assert_on("br0")

    @in_each_shell
    def test_ipv4_before_ipv6(self):
        for name in ("br4", "br6"):
            add_bridge(name)
        add_plain("eth0")
        add_tap("tap0")
        ip("-6", "route", "add", "default", "dev", "br6", "metric", "1")
        route("default", "dev", "eth0", "metric", "5")
        self.up("tap0")
        self.assert_on("br6")
        route("default", "dev", "br4", "metric", "6")
        self.up("tap0")
        self.assert_on("br4")

    @in_each_shell
    def test_several_nexthops(self):
        for family, via in (("-4", "inet6"), ("-6", None)):
            self.enter()
            add_bridge("br0")
            for name in ("eth0", "eth1"):
                add_plain(name)
            add_tap("tap0")
            hops = []
            for number, name in enumerate(("eth0", "br0", "eth1"), 1):
                hops += ["nexthop", "via", *([via] if via else []), f"fe80::{number}", "dev", name]
            ip(family, "route", "add", "default", "metric", "3", *hops)
            self.up("tap0")
            self.assert_on("br0")

    @in_each_shell
    def test_nexthop_objects(self):
        add_bridge("br0")
        add_plain("eth0")
        add_tap("tap0")
        for number, name in enumerate(("eth0", "br0"), 1):
            ip("nexthop", "add", "id", str(number), "via", "fe80::1", "dev", name)
        ip("nexthop", "add", "id", "3", "group", "1/2")
        route("default", "nhid", "3")
        self.up("tap0")
        self.assert_on("br0")

    @in_each_shell
    def test_gateway_of_the_other_family(self):
        add_bridge("br0")
        add_tap("tap0")
        route("default", "via", "inet6", "fe80::1", "dev", "br0")
        self.up("tap0")
        self.assert_on("br0")

    @in_each_shell
    def test_given_bridge_is_none(self):
        add_bridge("br0")
        add_plain("eth0")
        add_tap("tap0")
        route("default", "dev", "br0")
        self.up("tap0", "eth0",
                stderr="tap0 stays without network: eth0 is no bridge and no VLAN of a VLAN-aware "
                "bridge; create it or name another")
        self.assert_left()
        self.up("tap0", "br7", stderr="tap0 stays without network: Device \"br7\" does not exist; "
                "create it or name another")
        self.assert_left()

    @in_each_shell
    def test_kept_tap_without_bridge(self):
        """Where it was before, its new guest does not belong."""
        add_bridge("br1")
        add_tap("tap0")
        for names, why in ((["br7"], 'Device "br7" does not exist; create it or name another'),
                           ([], "no default route leads through an interface; name a bridge in $0")):
            self.up("tap0", "br1")
            self.assert_on("br1")
            self.up("tap0", *names, stderr=f"tap0 stays without network: {why}")
            self.assert_left()
        ip("link", "set", "dev", "tap0", "up")
        self.up("tap0", "br7", stderr='tap0 stays without network: Device "br7" does not exist; '
                "create it or name another")
        self.assert_left()

    @in_each_shell
    def test_names_that_shells_take_apart(self):
        os.chdir(self.directory)
        self.addCleanup(os.chdir, "/")
        with open("matched", "w", encoding="ascii"):
            pass
        for name in ("$(id)", "*", "m*[a]?", "`id`", "a;id", "a\\b", "a\\tb\\", "'\"", "br0@br1",
                     "&", "dev", "via", "~", "!", "\u00e9\u00e8", "nexthop", "a|b"):
            for given in (True, False):
                with self.subTest(name=name, given=given):
                    self.enter()
                    add_bridge("br1")
                    add_plain("eth0")
                    add_bridge(name)
                    tap = "t" + name
                    add_tap(tap)
                    route("default", "dev", "eth0", "metric", "1")
                    route("default", "dev", name, "metric", "2")
                    self.up(tap, *([name] if given else []))
                    self.assert_on(name, tap)
                    self.down(tap)
                    self.assert_left(tap)

    @in_each_shell
    def test_odd_names_in_messages(self):
        for name in ("$(id)", "*", "a\\tb", "dev"):
            self.enter()
            add_plain(name)
            add_tap("tap0")
            route("default", "dev", name)
            self.up("tap0", stderr="tap0 stays without network: the default route is on no bridge "
                    f"but on {name}; name a bridge in $0")
        self.enter()
        add_plain("a\033[7m")
        add_tap("tap0")
        route("default", "dev", "a\033[7m")
        self.up("tap0", stderr="tap0 stays without network: the default route is on no bridge "
                "but on a [7m; name a bridge in $0")

    @in_each_shell
    def test_numbers_and_other_names_are_no_names(self):
        add_bridge("br0")
        add_tap("tap0")
        ip("link", "set", "dev", "tap0", "up")
        ip("link", "property", "add", "dev", "tap0", "altname", "tapother")
        self.up("tapother", "br0", status=1, stderr="cannot attach tapother: it is no TAP device")
        number = f"if{link('tap0')['ifindex']}"
        result = run(*self.shell, os.path.join(SCRIPTS, "qemu-ifup"), number, "br0")
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, rf"\Aqemu-ifup: cannot attach {number}: .+\n\Z")
        for name in (number, "tapother"):
            self.down(name)
        self.assertIn("UP", link("tap0")["flags"])
        self.assertNotIn("master", link("tap0"))
        ip("link", "property", "add", "dev", "br0", "altname", "brother")
        self.up("tap0", "brother",
                stderr="tap0 stays without network: brother is no bridge and no VLAN of a "
                "VLAN-aware bridge; create it or name another")
        number = f"if{link('br0')['ifindex']}"
        result = run(*self.shell, os.path.join(SCRIPTS, "qemu-ifup"), "tap0", number)
        self.assertEqual((0, ""), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, r"\Aqemu-ifup: tap0 stays without network: .+\n\Z")
        self.assertNotIn("master", link("tap0"))

    @in_each_shell
    def test_mtu(self):
        for mtu in (9000, 1400):
            self.enter()
            add_bridge("br0")
            add_port("br0", "eth0", mtu)
            self.assertEqual(mtu, link("br0")["mtu"])
            ip("link", "set", "dev", "br0", "alias", "x mtu 777 x")
            add_tap("tap0")
            monitor = Monitor(self)
            self.up("tap0", "br0")
            self.assert_on("br0")
            self.assertEqual(mtu, link("tap0")["mtu"])
            self.assertEqual([], [line for line in monitor.events("br0")
                                  if f" mtu {mtu} " not in line])

    @in_each_shell
    def test_mtu_that_was_set_on_the_bridge(self):
        add_bridge("br0")
        add_port("br0", "eth0", 9000)
        ip("link", "set", "dev", "br0", "mtu", "1300")
        add_tap("tap0")
        self.up("tap0", "br0")
        self.assertEqual((1300, 1300, 9000), tuple(link(name)["mtu"]
                                                   for name in ("tap0", "br0", "eth0")))

    @in_each_shell
    def test_mtu_of_the_bridge_before(self):
        for name, mtu in (("br0", 1400), ("br1", 9000)):
            add_bridge(name)
            add_port(name, "eth" + name[2:], mtu)
        add_tap("tap0")
        self.up("tap0", "br1")
        monitor = Monitor(self)
        self.up("tap0", "br0")
        self.assertEqual((1400, 9000), (link("br0")["mtu"], link("br1")["mtu"]))
        for name, mtu in (("br0", 1400), ("br1", 9000)):
            self.assertEqual([], [line for line in monitor.events(name)
                                  if f" mtu {mtu} " not in line])

    @in_each_shell
    def test_mtu_that_no_tap_can_have(self):
        add_bridge("br0")
        ip("link", "set", "dev", "br0", "mtu", "65535")
        add_tap("tap0")
        self.up("tap0", "br0", status=1, stderr="cannot set the MTU of tap0 to 65535: "
                "Error: mtu greater than device maximum.")
        self.assert_left()

    @in_each_shell
    def test_address_of_the_bridge(self):
        """A bridge has the lowest address of its ports."""
        add_bridge("br0")
        add_port("br0", "eth0")
        ip("link", "set", "dev", "eth0", "address", "52:54:00:00:00:01")
        self.assertEqual("52:54:00:00:00:01", link("br0")["address"])
        add_tap("tap0")
        ip("link", "set", "dev", "tap0", "address", "02:00:00:00:00:05")
        monitor = Monitor(self)
        self.up("tap0", "br0")
        self.assertEqual("fe:00:00:00:00:05", link("tap0")["address"])
        self.assertEqual([], [line for line in monitor.events("br0")
                              if "52:54:00:00:00:01" not in line])

    @in_each_shell
    def test_up_only_where_it_belongs(self):
        """Also a device that is left over: it is up, and on the wrong bridge."""
        for name in ("br0", "br1"):
            add_bridge(name)
        add_tap("tap0")
        ip("link", "set", "dev", "tap0", "master", "br1")
        ip("link", "set", "dev", "tap0", "up")
        monitor = Monitor(self)
        self.up("tap0", "br0")
        events = monitor.events("tap0")

        def is_up(line):
            return "UP" in line[line.index("<") + 1:line.index(">")].split(",")
        first_down = next(number for number, line in enumerate(events) if not is_up(line))
        self.assertTrue(all("master br1" in line for line in events[:first_down + 1]), events)
        up_again = [line for line in events[first_down:] if is_up(line)]
        self.assertTrue(up_again)
        self.assertEqual([], [line for line in up_again if "master br0" not in line])

    @in_each_shell
    def test_frames(self):
        add_bridge("br0")
        wire, tap = self.held_tap("wire"), self.held_tap("tap0")
        ip("link", "set", "dev", "wire", "master", "br0")
        ip("link", "set", "dev", "wire", "up")
        self.up("tap0", "br0")
        self.passes(tap, wire)
        self.passes(wire, tap)
        self.down("tap0")
        self.assert_left()
        wire.send("lost")
        with self.assertRaises(OSError):
            tap.send("lost")
        self.assertEqual([], tap.frames(0.2) + wire.frames())

    @in_each_shell
    def test_no_such_tap(self):
        add_bridge("br0")
        for args in (["tap0"], ["tap0", "br0"]):
            self.up(*args, status=1, stderr="cannot attach tap0: Device \"tap0\" does not exist")

    @in_each_shell
    def test_what_is_no_tap_stays_as_it_is(self):
        add_bridge("br0")
        add_port("br0", "eth0")
        for name in ("br0", "eth0"):
            self.up(name, "br0", status=1, stderr=f"cannot attach {name}: it is no TAP device")
            self.down(name)
            self.assertIn("UP", link(name)["flags"])
        self.assertEqual("br0", link("eth0")["master"])

    @in_each_shell
    def test_not_root(self):
        os.chmod(self.directory, 0o755)
        copies = {}
        for name in ("qemu-ifup", "qemu-ifdown"):
            copies[name] = shutil.copy(os.path.join(SCRIPTS, name), self.directory)
        nobody = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
        add_bridge("br0")
        for tap in ("tap0", "tap1"):
            add_tap(tap, owner=65534)
        ip("link", "set", "dev", "tap0", "up")
        ip("link", "set", "dev", "tap0", "master", "br0")
        result = run(*self.shell, copies["qemu-ifup"], "tap1", **nobody)
        self.assertEqual(0, result.returncode)  # there is no bridge to need rights for
        self.assertIn("tap1 stays without network", result.stderr)
        for name, command, arguments in (("qemu-ifup", "script", ["br0"]), ("qemu-ifup", "script", []),
                                         ("qemu-ifdown", "downscript", [])):
            result = run(*self.shell, copies[name], "tap0", *arguments, **nobody)
            said = f"{name}: cannot set tap0 down: Operation not permitted; {ROOT}{command}=no\n"
            self.assertEqual((1, "", said), (result.returncode, result.stdout, result.stderr))
        self.assert_on("br0")

    @in_each_shell
    def test_down(self):
        add_bridge("br0")
        add_tap("tap0")
        add_tap("tap1")
        for args in (["tap0"], ["tap0", "br0"], ["tap0", "gone"]):
            self.up("tap0", "br0")
            self.up("tap1", "br0")
            self.down(*args)
            self.assert_left()
            self.assert_on("br0", "tap1")
            self.down(*args)

    @in_each_shell
    def test_down_when_it_is_gone(self):
        self.down("tap0")
        self.down("tap0", "br0")
        add_bridge("br0")
        add_tap("tap0")
        self.up("tap0", "br0")
        ip("link", "delete", "dev", "tap0")
        self.down("tap0")

    @in_each_shell
    def test_usage(self):
        for name in ("qemu-ifup", "qemu-ifdown"):
            usage = f"; usage: {name} TAP [BRIDGE]"
            self.script(name, status=2, stderr="0 arguments" + usage)
            self.script(name, "tap0", "br0", "x", status=2, stderr="3 arguments" + usage)
            for bad in ("", "-h", "--help", "-", "a/b", "a b", "a\tb", " ", "a" * 16, "\u00e9" * 8):
                for args in ([bad], [bad, "br0"], ["tap0", bad]):
                    self.script(name, *args, status=2,
                                stderr=f"'{bad.replace(chr(9), ' ')}' is no name of an interface"
                                + usage)
            self.script(name, "a\nb", status=2,
                        stderr="'a b' is no name of an interface" + usage)
        add_bridge("b" * 15)
        add_tap("t" * 15)
        self.up("t" * 15, "b" * 15)
        self.assert_on("b" * 15, "t" * 15)

    @in_each_shell
    def test_without_iproute2(self):
        """Busybox has an ip too."""
        found = next(path for path in ("/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip")
                     if os.access(path, os.X_OK))
        with kvmtest.bound(shutil.which("busybox"), os.path.realpath(found)):
            for name in ("qemu-ifup", "qemu-ifdown"):
                self.script(name, "tap0", status=1,
                            stderr=f"cannot run {found} of iproute2; install it")

    def test_environment(self):
        """Neither the language nor the path of the caller counts, and nobody waits for input."""
        add_bridge("br0")
        add_tap("tap0")
        reader, writer = os.pipe()
        with contextlib.closing(os.fdopen(writer, "w")), open(reader, encoding="ascii") as waiting:
            for env in ({}, {"PATH": "/nonexistent"}, {"LC_ALL": "tr_TR.UTF-8", "IFS": "0abr"}):
                result = subprocess.run(
                    [os.path.join(SCRIPTS, "qemu-ifup"), "tap0", "br0"], stdin=waiting, env=env,
                    capture_output=True, text=True, timeout=20, check=False)
                self.assertEqual((0, "", ""), (result.returncode, result.stdout, result.stderr))
                self.assert_on("br0")
                ip("link", "set", "dev", "tap0", "nomaster")
        for name in ("qemu-ifup", "qemu-ifdown"):
            result = run(os.path.join(SCRIPTS, name), env={"PATH": "/nonexistent"})
            self.assertEqual((2, f"{name}: 0 arguments; usage: {name} TAP [BRIDGE]\n"),
                             (result.returncode, result.stderr))


class Vlan(Scripts):
    def trunk(self, name="br0", *options):
        """A VLAN-aware bridge whose device is in VLAN 10 too, below an interface for it."""
        add_bridge(name, "vlan_filtering", "1", *options)
        add_vlan(f"{name}.10", name, 10)
        assert run("bridge", "vlan", "add", "dev", name, "vid", "10", "self").returncode == 0

    @in_each_shell
    def test_route_on_the_bridge(self):
        self.trunk()
        add_tap("tap0")
        route("default", "dev", "br0")
        self.up("tap0")
        self.assert_on("br0")
        self.assertEqual({1: ["Egress Untagged", "PVID"]}, vlans("tap0"))

    @in_each_shell
    def test_route_on_a_vlan(self):
        for options in ([], ["vlan_default_pvid", "0"], ["vlan_default_pvid", "10"]):
            for given in (True, False):
                self.enter()
                self.trunk("br0", *options)
                add_tap("tap0")
                route("default", "dev", "br0.10")
                self.up("tap0", *(["br0.10"] if given else []))
                self.assert_on("br0")
                self.assertEqual({10: ["Egress Untagged", "PVID"]}, vlans("tap0"))

    @in_each_shell
    def test_routes_in_order(self):
        self.trunk()
        add_bridge("plain")
        add_vlan("plain.3", "plain", 3)
        add_tap("tap0")
        route("default", "dev", "br0.10", "metric", "5")
        route("default", "dev", "plain.3", "metric", "4")
        route("default", "dev", "plain", "metric", "6")
        self.up("tap0")
        self.assert_on("br0")

    @in_each_shell
    def test_left_over_vlans(self):
        self.trunk()
        add_tap("tap0")
        self.up("tap0", "br0")
        for vid in ("10", "7", "100-200"):
            run("bridge", "vlan", "add", "dev", "tap0", "vid", vid)
        self.up("tap0", "br0.10")
        self.assertEqual({10: ["Egress Untagged", "PVID"]}, vlans("tap0"))
        self.up("tap0", "br0")
        self.assertEqual({1: ["Egress Untagged", "PVID"]}, vlans("tap0"))

    @in_each_shell
    def test_vlan_of_no_vlan_aware_bridge(self):
        for below in ("plain", "eth0", "stacked", "other"):
            self.enter()
            lower = below
            if below == "plain":
                add_bridge(below)
            elif below == "eth0":
                add_plain(below)
            elif below == "stacked":
                self.trunk()
                lower = "br0.10"
            else:  # the bridge looks at tags of another kind
                add_bridge(below, "vlan_filtering", "1", "vlan_protocol", "802.1ad")
            add_vlan("vlan5", lower, 5)
            add_tap("tap0")
            self.up("tap0", "vlan5", stderr="tap0 stays without network: vlan5 is no bridge and no "
                    "VLAN of a VLAN-aware bridge; create it or name another")
            self.assert_left()
            route("default", "dev", "vlan5")
            self.up("tap0", stderr="tap0 stays without network: the default route is on no bridge "
                    "but on vlan5; name a bridge in $0")
            self.assert_left()

    @in_each_shell
    def test_service_tags(self):
        add_bridge("br0", "vlan_filtering", "1", "vlan_protocol", "802.1ad")
        add_vlan("uplink", "br0", 20, "protocol", "802.1ad")
        add_tap("tap0")
        self.up("tap0", "uplink")
        self.assert_on("br0")
        self.assertEqual({20: ["Egress Untagged", "PVID"]}, vlans("tap0"))

    @in_each_shell
    def test_names_that_look_like_others(self):
        for name, lower in (("a@b", "c@d"), ("a", "b@c"), ("$(id)", "*"), ("vlan", "id"),
                            ("a\\b", "c\\tid")):
            self.enter()
            add_bridge("c", "vlan_filtering", "1")
            add_bridge(lower, "vlan_filtering", "1")
            add_vlan(name, lower, 33)
            ip("link", "set", "dev", name, "alias", "x vlan protocol 802.1Q id 7 <")
            ip("link", "set", "dev", lower, "alias", "x vlan_filtering 0 mtu 77 ")
            add_tap("tap0")
            route("default", "dev", name)
            self.up("tap0")
            self.assert_on(lower)
            self.assertEqual({33: ["Egress Untagged", "PVID"]}, vlans("tap0"))

    @in_each_shell
    def test_mtu_is_that_of_the_bridge(self):
        self.trunk()
        add_port("br0", "eth0", 9000)
        ip("link", "set", "dev", "br0.10", "mtu", "1400")
        add_tap("tap0")
        self.up("tap0", "br0.10")
        self.assertEqual((9000, 9000), (link("tap0")["mtu"], link("br0")["mtu"]))

    @in_each_shell
    def test_down_until_it_is_in_its_vlan(self):
        self.trunk()
        add_tap("tap0")
        found = next(path for path in ("/usr/sbin/bridge", "/sbin/bridge", "/usr/bin/bridge")
                     if os.access(path, os.X_OK))
        with kvmtest.bound(shutil.which("false"), os.path.realpath(found)):
            self.up("tap0", "br0.10", status=1,
                    stderr="cannot take tap0 out of all VLANs: no reason given")
        self.assertNotIn("UP", link("tap0")["flags"])

    @in_each_shell
    def test_frames(self):
        self.trunk()
        wire, tap = self.held_tap("wire"), self.held_tap("tap0")
        ip("link", "set", "dev", "wire", "master", "br0")
        for vid in ("10", "20"):
            run("bridge", "vlan", "add", "dev", "wire", "vid", vid)
        ip("link", "set", "dev", "wire", "up")
        self.up("tap0", "br0.10")
        self.passes(tap, wire, received=10)
        self.passes(wire, tap, sent=10)
        # Those of other VLANs do not get in, nor out.
        wire.send("untagged")
        wire.send("other", 20)
        wire.send("last", 10)
        self.assertEqual({(None, "last")}, set(self.drain(tap)) - {(None, "hello")})
        tap.send("other", 20)
        tap.send("last")
        self.assertEqual({(10, "last")}, set(self.drain(wire)) - {(10, "hello")})

    @staticmethod
    def drain(tap):
        """All frames up to the one that says it is the last."""
        found = []

        def last():
            found.extend(tap.frames(0.05))
            return any(text == "last" for _, text in found)
        kvmtest.until(last, "the last frame")
        return found


class Qemu(Scripts):
    """With QEMU as the one that calls."""

    def emulator(self, tap):
        scripts = [os.path.join(SCRIPTS, name) for name in ("qemu-ifup", "qemu-ifdown")]
        return self.launch(
            EMULATOR, "-machine", "pc", "-accel", "tcg", "-m", "32", "-nodefaults",
            "-display", "none", "-S", "-netdev",
            f"tap,id=n,ifname={tap},script={scripts[0]},downscript={scripts[1]}",
            "-device", "virtio-net-pci,netdev=n,romfile=", "-qmp", "stdio", stdin=subprocess.PIPE)

    def quit(self, process, stderr=""):
        out, err = process.communicate('{"execute":"quit"}\n', timeout=30)
        for line in out.splitlines():
            json.loads(line)
        self.assertEqual((0, stderr), (process.returncode, err))

    @staticmethod
    def wait(process):
        """Waits until QEMU has been set up."""
        greeting = process.stdout.readline()
        assert '"QMP"' in greeting, greeting + process.stderr.read()
        process.stdin.write('{"execute":"qmp_capabilities"}\n')
        process.stdin.flush()
        assert process.stdout.readline().startswith('{"return"')

    def test_on_the_bridge(self):
        add_bridge("br0")
        add_port("br0", "eth0", 9000)
        route("default", "dev", "br0")
        process = self.emulator("tap0")
        self.wait(process)
        self.assert_on("br0")
        self.assertEqual((9000, 9000), (link("tap0")["mtu"], link("br0")["mtu"]))
        self.quit(process)
        self.assertFalse(exists("tap0"))

    def test_a_tap_that_stays(self):
        add_bridge("br0")
        route("default", "dev", "br0")
        add_tap("tap0")
        for _ in range(2):
            process = self.emulator("tap0")
            self.wait(process)
            self.assert_on("br0")
            self.quit(process)
            self.assert_left()

    def test_no_bridge(self):
        add_plain("eth0")
        route("default", "dev", "eth0")
        process = self.emulator("tap0")
        self.wait(process)
        self.assert_left()
        path = os.path.join(SCRIPTS, "qemu-ifup")
        self.quit(process, "qemu-ifup: tap0 stays without network: the default route is on no "
                  f"bridge but on eth0; name a bridge in {path}\n")

    def test_failure_ends_qemu(self):
        add_bridge("br0")
        ip("link", "set", "dev", "br0", "mtu", "65535")
        route("default", "dev", "br0")
        process = self.emulator("tap0")
        out, err = process.communicate(timeout=30)
        self.assertEqual(1, process.returncode)
        self.assertIn("qemu-ifup: cannot set the MTU of tap0 to 65535: ", err)
        self.assertIn("network script", err)
        self.assertNotIn("return", out)


def need_network():
    kvmtest.need_root()
    try:
        unshare(CLONE_NEWNS | CLONE_NEWNET)
    except OSError as error:
        kvmtest.skip("no-private-network", error.strerror)
    kvmtest.mount("--make-rprivate", "/")
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        kvmtest.skip("no-tun", f"{TUN}: {error.strerror}")


def need_vlans():
    """Some kernels are made without."""
    for command in (["link", "add", "name", "br0", "type", "bridge", "vlan_filtering", "1"],
                    ["link", "add", "link", "br0", "name", "br0.1", "type", "vlan", "id", "1"]):
        result = run("ip", *command)
        if result.returncode != 0:
            kvmtest.skip("no-bridge-vlan",
                         f"ip {' '.join(command)}: {' '.join(result.stderr.split())}")


if __name__ == "__main__":
    need_network()
    if sys.argv[1:2] == ["Vlan"]:
        need_vlans()
    elif sys.argv[1:2] == ["Qemu"] and not shutil.which(EMULATOR):
        kvmtest.skip("no-emulator", f"there is no {EMULATOR}")
    kvmtest.main()
