#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""metrics.py PROGRAMS MADE-REPORTS [CLASS]: what a real Prometheus knows of known numbers."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import monitoring  # noqa: E402
from monitoring import kvmtest  # noqa: E402
import mkfixture  # noqa: E402

PROGRAMS = sys.argv.pop(1)
MADE_REPORTS = sys.argv.pop(1)
HOSTILE = b'bad\xff"\\\x1b\n{x="1"}'
CLEAN = r'bad\\xff\"\\\\x1b\\x0a{x=\"1\"}'  # in a label of a query


def increment(field, number):
    return mkfixture.increment(field, number)


class MonitoringCase(kvmtest.TestCase):
    hosts = ()

    @classmethod
    def others(cls):
        return {}

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="kvm_stat-test-")
        cls.addClassCleanup(directory.cleanup)
        cls.top = directory.name
        cls.monitoring = monitoring.Monitoring(monitoring.programs(PROGRAMS), cls.top, cls.hosts,
                                               cls.others())
        cls.addClassCleanup(cls.monitoring.end)

    def file(self, host):
        return os.path.join(self.monitoring.textfiles(host), "kvm_stat.prom")

    def start(self, host, *args):
        """kvm_stat as its unit runs it, but quicker, and with the sources that there are."""
        process = self.launch(kvmtest.KVM_STAT, "--by", "guest", "-s", "0.2", "-o",
                              self.file(host), *args)
        kvmtest.until(lambda: os.path.exists(self.file(host)) or process.poll() is not None,
                      "the metrics are there")
        self.assertIsNone(process.poll(), process.stderr and "kvm_stat has ended")
        return process

    def end(self, process, said=""):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(("", said), process.communicate(timeout=20))

    def check(self, host):
        with open(self.file(host), encoding="utf-8") as f:
            self.assertEqual([], self.monitoring.check(f.read()))

    def assert_collected(self, *hosts):
        """node_exporter drops a whole file for one bad line."""
        for host in hosts:
            self.assertEqual(0, self.monitoring.value(
                f'max_over_time(node_textfile_scrape_error{{instance="{host}"}}[2m])'))
            self.assertEqual(1, self.monitoring.value(f'up{{instance="{host}"}}'))


class Fixtures(MonitoringCase):
    """Guests that a directory shows, and made reports: every number is known."""
    hosts = ("fixture", "made", "mixed")

    @classmethod
    def others(cls):
        text = subprocess.run([MADE_REPORTS, "openmetrics", "0"], capture_output=True, text=True,
                              check=True).stdout
        server = monitoring.OpenMetricsServer(text)
        cls.addClassCleanup(server.end)
        return {"openmetrics": server.port}

    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.directory, "root")
        mkfixture.make(self.root, 2)
        mkfixture.add_guest(self.root, 3000, cmdline=[b"qemu", b"-name", b"guest=" + HOSTILE])
        mkfixture.update_sums(self.root)

    def exits(self, guest, host="fixture"):
        return f'kvm_exits_total{{instance="{host}",guest="{guest}"}}'

    def advance(self, steps):
        """Over some seconds, so that several scrapes see it."""
        for _ in range(steps):
            mkfixture.advance(self.root)
            time.sleep(0.25)

    def made(self, *args):
        text = subprocess.run([MADE_REPORTS, *args], capture_output=True, text=True,
                              check=True).stdout
        return text

    def put_made(self, text):
        temporary = self.file("made") + ".new"
        with open(temporary, "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(temporary, self.file("made"))

    def test_guests_restart_and_dashboard(self):
        """One story, since scrapes take their time."""
        # No halts: how long those take is not shown.
        made = self.made("prometheus", "1").replace('reason="HLT"', 'reason="IO"')
        # Nothing counted yet, so that what is counted later is an increase.
        self.put_made(re.sub(r"(?m)^(kvm_(?!stat_).*) \S+$", r"\1 0", made))
        process = self.start("fixture", "-d", "--sysroot", self.root)
        self.check("fixture")
        self.monitoring.until_value(self.exits("guest1"), 0)
        self.monitoring.until_value('kvm_exit_duration_seconds_count{instance="made"}', 0)
        self.put_made(made)
        self.check("made")

        self.advance(8)
        for number, guest in enumerate(("guest1", "guest2", CLEAN)):
            self.monitoring.until_value(self.exits(guest), 8 * increment("exits", number))
        self.assertAlmostEqual(8 * increment("halt_wait_ns", 0) / 1e9, self.monitoring.value(
            'kvm_halt_wait_seconds_total{instance="fixture",guest="guest1"}'), 12)
        self.assertEqual(mkfixture.get_stat(self.root, "1000-11", "pages_4k"),
                         self.monitoring.value('kvm_pages_4k{instance="fixture",guest="guest1"}'))
        self.assertEqual(3, self.monitoring.value('kvm_stat_guests{instance="fixture"}'))

        # A guest comes: it counts from its birth. One goes: its series end.
        mkfixture.add_guest(self.root, 5000, "late")
        self.monitoring.until_value(self.exits("late"), mkfixture.first_value("exits", 3))
        mkfixture.remove_guest(self.root, "1000-11")
        self.monitoring.until_value(self.exits("guest1"), None)
        self.monitoring.until_value('kvm_stat_guests{instance="fixture"}', 3)
        self.assertEqual([], self.monitoring.query('{instance="fixture",pid="1000"}'))

        self.restart(process)
        self.histograms()
        self.types()
        self.dashboard()
        self.assert_collected("fixture", "made")

    def alerts(self):
        """The hosts of which the alert in the man page tells."""
        path = os.path.join(kvmtest.SOURCE_DIR, "man", "kvm_stat-metrics.5.scd")
        with open(path, encoding="utf-8") as f:
            expression = f.read().split("Alert when")[1].split("```")[1]
        return {labels["instance"] for labels, _ in self.monitoring.query(expression)}

    def restart(self, process):
        """Counters that begin from 0 anew are no negative exits and no lost ones."""
        begun = self.monitoring.value('kvm_stat_start_time_seconds{instance="fixture"}')
        guest = self.exits("guest2")
        before = self.monitoring.value(guest)
        self.assertEqual(8 * increment("exits", 1), before)
        self.assertNotIn("fixture", self.alerts())
        self.end(process)
        self.monitoring.until_value(guest, None)
        self.assertFalse(os.path.exists(self.file("fixture")))
        kvmtest.until(lambda: "fixture" in self.alerts(), "the alert of the man page", 20)
        self.start("fixture", "-d", "--sysroot", self.root)
        self.monitoring.until_value(guest, 0)
        self.advance(4)
        after = 4 * increment("exits", 0)  # the first guest of two now
        self.monitoring.until_value(guest, after)
        self.assertEqual(1, self.monitoring.value(f"resets({guest}[1m])"))
        increase = self.monitoring.value(f"increase({guest}[1m])")
        # Prometheus extends what it saw to the edges of its range, by a scrape interval or so.
        self.assertTrue(0.9 * (before + after) <= increase <= 1.3 * (before + after), increase)
        self.assertGreater(
            self.monitoring.value('kvm_stat_start_time_seconds{instance="fixture"}'), begun)

    def histograms(self):
        """Of the values in made_report.c: 4 of 9 are at most 1024 ns, 7 at most 131 us."""
        selector = '{instance="made",guest="web"}'
        self.monitoring.until_value(f"kvm_exit_duration_seconds_count{selector}", 9)
        self.assertAlmostEqual(3.005075548, self.monitoring.value(
            f"kvm_exit_duration_seconds_sum{selector}"), 9)
        for bound, count in (("1.024e-06", 3), ("2.048e-06", 6), ("0.000131072", 7), ("+Inf", 9)):
            self.assertEqual(count, self.monitoring.value(
                f'kvm_exit_duration_seconds_bucket{{instance="made",guest="web",le="{bound}"}}'))
        median = self.monitoring.value(
            "histogram_quantile(0.5, sum by (le) (rate("
            f"kvm_exit_duration_seconds_bucket{selector}[1m])))")
        self.assertTrue(1.024e-6 <= median <= 2.048e-6, median)
        # The same text as OpenMetrics, which Prometheus reads with another parser.
        other = '{instance="openmetrics"'
        for bound, count in (("1.024e-06", 3), ("+Inf", 9)):
            self.assertEqual(count, self.monitoring.value(
                f'kvm_exit_duration_seconds_bucket{other},le="{bound}"}}'))
        self.assertEqual(12, self.monitoring.value(f"sum(kvm_exit_total{other}}})"))
        self.assertEqual(3, self.monitoring.value(
            f'kvm_exit_total{other},reason="say \\"\\\\\\""}}'))

    def types(self):
        metadata = self.monitoring.api("metadata")
        for name, kind in (("kvm_exits_total", "counter"), ("kvm_pages_4k", "gauge"),
                           ("kvm_halt_wait_seconds_total", "counter"),
                           ("kvm_exit_duration_seconds", "histogram"),
                           ("kvm_stat_write_errors_total", "counter"),
                           ("kvm_exit", "counter")):  # as OpenMetrics calls it
            self.assertIn(kind, {item["type"] for item in metadata[name]}, name)
            for item in metadata[name]:
                self.assertNotIn("Metric read from", item["help"], name)

    def dashboard(self):
        """Each query is understood and shows something, but for what tracepoints alone tell."""
        dashboard = monitoring.Dashboard()
        self.assertGreater(len(list(dashboard.queries())), 20)
        for title, expression in dashboard.queries():
            with self.subTest(title=title, query=expression):
                result = self.monitoring.query(expression)
                if "kvm_userspace_exit_total" not in expression:
                    self.assertTrue(result)
        known = set(self.monitoring.api("label/__name__/values"))
        tracepoints = {"kvm_userspace_exit_total", "kvm_pio_total", "kvm_mmio_total",
                       "kvm_page_fault_total", "kvm_emulate_insn_total"}
        self.assertEqual(set(), dashboard.metrics() - known - tracepoints)

    def test_what_is_left_out(self):
        """A bound on series holds in Prometheus, too."""
        process = self.start("mixed", "-d", "--sysroot", self.root, "--limit", "130")
        self.monitoring.until_value('kvm_stat_dropped_guests{instance="mixed"}', 1)
        self.assertEqual(2, self.monitoring.value('count(kvm_exits_total{instance="mixed"})'))
        self.assertLessEqual(self.monitoring.value('count({instance="mixed",pid!=""})'), 130)
        self.assertGreater(self.monitoring.value('kvm_stat_dropped_series{instance="mixed"}'), 50)
        self.end(process, "kvm_stat: warning: 1 guests are left out of "
                 f'"{self.file("mixed")}", as there would be more than 130 series (--limit)\n')
        # node_exporter reads OpenMetrics, too; the types of counters are lost.
        process = self.start("mixed", "-d", "--sysroot", self.root, "--format", "openmetrics")
        self.monitoring.until_value(self.exits("guest1", "mixed"), 0)
        mkfixture.advance(self.root)
        self.monitoring.until_value(self.exits("guest1", "mixed"), increment("exits", 0))
        self.end(process)
        self.assert_collected("mixed")


class Guests(MonitoringCase):
    """Real guests that make known numbers of exits, counted by tracepoints."""
    hosts = ("live",)

    @classmethod
    def setUpClass(cls):
        kvmtest.need_root()
        kvmtest.need_kvm()
        kvmtest.enter_private_mounts()
        super().setUpClass()

    def series(self, metric, guest, reason=None):
        labels = f',reason="{reason}"' if reason else ""
        return f'sum({metric}{{instance="live",pid="{guest.pid}"{labels}}})'

    def guest(self, name, *args):
        guest = kvmtest.SampleGuest("--cpuid", "321", "--halts", "45", "--vcpus", "2", "-name", name,
                                    *args)
        self.addCleanup(guest.__exit__)
        return guest

    def assert_work(self, guest):
        for metric, reason, value in (("kvm_pio_total", None, 5000),
                                      ("kvm_cpuid_total", None, 321),
                                      ("kvm_userspace_exit_total", "IO", 5000),
                                      ("kvm_userspace_exit_total", "HLT", 45),
                                      ("kvm_userspace_exit_total", "MMIO", 2),
                                      ("kvm_userspace_exit_total", None, 5047)):
            self.monitoring.until_value(self.series(metric, guest, reason), value)

    def test_guests(self):
        names = [f"prom-{os.getpid()}-{n}" for n in range(2)]
        first = self.guest(names[0], "--io", "5000", "--linger", "60")
        process = self.start("live", "-t", "-f", "kvm_(pio|mmio|cpuid|userspace_exit|emulate)")
        self.check("live")
        # Known before anything happens, so that the first exits are an increase.
        self.monitoring.until_value(self.series("kvm_pio_total", first), 0)
        first.go()
        self.assertEqual("io=5000 cpuid=321 halts=45", first.result())
        self.assert_work(first)
        self.assertEqual(names[0], self.monitoring.query(
            f'kvm_pio_total{{pid="{first.pid}"}}')[0][0]["guest"])
        self.check("live")

        second = self.guest(names[1], "--io", "5000", "--linger", "60")
        self.monitoring.until_value(self.series("kvm_pio_total", second), 0)
        second.go()
        second.result()
        self.assert_work(second)
        first.process.kill()
        self.monitoring.until_value(self.series("kvm_pio_total", first), None)
        self.assertEqual([], self.monitoring.query(f'{{pid="{first.pid}"}}'))
        self.assert_work(second)

        for title, expression in monitoring.Dashboard().queries():
            if "userspace_exit" in expression or "kvm_pio" in expression:
                with self.subTest(title=title):
                    self.assertTrue(self.monitoring.query(expression))
        reasons = self.monitoring.query(
            f'sum by (reason) (increase(kvm_userspace_exit_total{{pid="{second.pid}"}}[1m]))')
        self.assertEqual({"IO", "HLT", "MMIO"}, {labels["reason"] for labels, _ in reasons})

        self.end(process)
        self.monitoring.until_value(self.series("kvm_pio_total", second), None)
        process = self.start("live", "-t", "-f", "kvm_pio$")
        self.monitoring.until_value(self.series("kvm_pio_total", second), 0)
        self.assert_collected("live")
        self.end(process)


if __name__ == "__main__":
    kvmtest.main()
