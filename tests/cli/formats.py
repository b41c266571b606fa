#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The formats for machines, read by other programs: JSON by its schema, OpenMetrics by a strict
parser, CSV by a reader; of fixtures and of made reports, in which everything occurs.
"""
import copy
import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402
import mkfixture  # noqa: E402

try:
    import jsonschema
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    from prometheus_client.parser import text_string_to_metric_families as text_0_0_4
except ImportError as error:
    kvmtest.skip("no-python-module", str(error))

MADE_REPORTS = sys.argv.pop(1) if len(sys.argv) > 1 else None
MADE_COUNT = 6
SCHEMA = os.path.join(kvmtest.SOURCE_DIR, "man", "kvm_stat-1.schema.json")
FIELDS = ["exits", "halt_wait_ns", "io_exits", "max_mmu_rmap_size", "pages_4k"]
HOSTILE = b'bad\xff"\\\x1b\n{x="1"} # ,\xe2\x80\xae'
CLEAN = r'bad\xff"\\x1b\x0a{x="1"} # ,\u202e'


def made(*args):
    return subprocess.run([MADE_REPORTS, *args], capture_output=True, text=True, check=True).stdout


def strict(text):
    """{(sample name, labels): value} of OpenMetrics, which a strict parser accepts."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples, f"twice: {key}"
            samples[key] = float(sample.value)
    return samples


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


class Fixture(kvmtest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.directory, "root")
        mkfixture.make(self.root, 2, only=FIELDS)
        mkfixture.put(self.root, "proc/sys/kernel/hostname", "a-host\n")
        mkfixture.add_guest(self.root, 3000, only=FIELDS, cmdline=[
            b"qemu", b"-name", b"guest=" + HOSTILE.replace(b",", b",,")])
        mkfixture.update_sums(self.root)

    def run_tool(self, *args):
        result = subprocess.run([kvmtest.KVM_STAT, "--sysroot", self.root, "-d", *args],
                                capture_output=True, timeout=30, check=False)
        self.assertEqual((0, b""), (result.returncode, result.stderr))
        return result.stdout.decode("utf-8")  # strictly, whatever the names are

    def run_over_step(self, *args):
        """The counters advance once after the first sample."""
        process = self.launch_frozen(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", *args)
        mkfixture.advance(self.root)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=20)
        self.assertEqual((0, ""), (process.returncode, err))
        return out


class Json(Fixture):
    @classmethod
    def setUpClass(cls):
        with open(SCHEMA, encoding="utf-8") as f:
            schema = json.load(f)
        jsonschema.Draft202012Validator.check_schema(schema)
        cls.validator = jsonschema.Draft202012Validator(schema)
        cls.schema = schema

    def valid(self, text):
        def refuse(constant):
            raise ValueError(f"{constant} is no JSON")
        self.assertTrue(text.endswith("\n"))
        lines = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
        for line in lines:
            self.validator.validate(line)
        return lines

    def test_made_reports(self):
        lines = self.valid(made("json"))
        self.assertEqual(MADE_COUNT, len(lines))
        rows = {row["name"]: row for row in lines[0]["rows"]}
        self.assertEqual("2023-11-14T22:13:20.500Z", lines[0]["time"])
        self.assertEqual(2, lines[0]["interval"])
        self.assertEqual(18446744073709551615, rows["cycles_spent"]["total"])
        self.assertEqual(5, rows["cycles_spent"]["delta"])
        self.assertEqual((17, "peak"), (rows["max_rmap_size"]["total"],
                                        rows["max_rmap_size"]["kind"]))
        self.assertEqual((-4096, -2048), (rows["memory"]["delta"], rows["memory"]["rate"]))
        self.assertTrue(rows["kvm_exit(FAILED_VMENTRY)"]["flag"])
        self.assertIn('kvm_exit(say "\\")', rows)
        self.assertEqual(["field", "guest", "vcpu", "field", "field", "field"],
                         [line["by"] for line in lines])
        self.assertEqual([False, True] + 4 * [False], [line["partial"] for line in lines])
        self.assertNotIn("host", lines[4])
        self.assertEqual(0, lines[4]["interval"])

    def test_distributions(self):
        """Against the values themselves, which made_report.c has."""
        rows = {row["name"]: row for row in self.valid(made("json"))[0]["rows"]}
        values = [1500, 2000, 70000, 0, 1, 1023, 1024, 5000000, 3000000000]
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
        total = rows["kvm_exit(HLT)"]["distribution"]
        self.assertEqual((9, sum(values), 0, 3000000000),
                         tuple(total[key] for key in ("count", "sum", "min", "max")))
        self.assertAlmostEqual(mean, total["mean"], 2)
        self.assertAlmostEqual(deviation, total["stddev"], delta=deviation / 1e6)
        for bucket in total["buckets"]:
            inside = [v for v in values if bucket["from"] <= v < bucket["to"]]
            self.assertEqual(len(inside), bucket["count"], bucket)
        self.assertEqual(9, sum(bucket["count"] for bucket in total["buckets"]))
        delta = rows["kvm_exit(HLT)"]["distribution_delta"]
        self.assertEqual((6, sum(values[3:])), (delta["count"], delta["sum"]))
        self.assertNotIn("min", delta, "what an interval's extremes were cannot be told")
        # The row counts values, its distribution is of nanoseconds.
        self.assertEqual(("histogram", "none"),
                         (rows["halt_wait_hist"]["kind"], rows["halt_wait_hist"]["unit"]))
        counted = rows["halt_wait_hist"]["distribution"]
        self.assertEqual("nanoseconds", counted["unit"])
        self.assertEqual(total["buckets"], counted["buckets"])
        for key in ("sum", "min", "max", "mean", "stddev"):
            self.assertNotIn(key, counted)
        self.assertNotIn("to", rows["sizes"]["distribution"]["buckets"][-1])

    def test_the_schema_refuses(self):
        """What the documentation promises, the schema demands."""
        good = self.valid(made("json"))[2]
        self.assertTrue(good["rows"][1]["vcpu"] == 0)
        for path, value in (
                (["schema"], "kvm_stat/2"), (["schema"], None), (["time"], "2023-11-14 22:13:20"),
                (["interval"], -1), (["interval"], None), (["sources"], "debugfs"),
                (["by"], "cpu"), (["partial"], 0), (["rows"], {}), (["rows", 1, "name"], None),
                (["rows", 1, "kind"], "counter"), (["rows", 1, "unit"], "ns"),
                (["rows", 1, "total"], -1), (["rows", 1, "total"], "9"),
                (["rows", 1, "delta"], -1), (["rows", 1, "guest"], "web"),
                (["rows", 1, "guest", "pid"], None), (["rows", 1, "tid"], 0),
                (["rows", 1, "guest", "name_bytes"], "FF"), (["rows", 1, "vcpu"], -1)):
            bad = copy.deepcopy(good)
            *way, last = path
            item = bad
            for key in way:
                item = item[key]
            if value is None:
                del item[last]
            else:
                item[last] = value
            with self.subTest(path=path, value=value), \
                    self.assertRaises(jsonschema.ValidationError):
                self.validator.validate(bad)

    def test_every_member_is_documented(self):
        with open(os.path.join(kvmtest.SOURCE_DIR, "man", "kvm_stat-json.5.scd"),
                  encoding="utf-8") as f:
            page = f.read()

        def members(schema):
            for name, part in schema.get("properties", {}).items():
                yield name
                yield from members(part)
                yield from members(part.get("items", {}))
            for part in schema.get("$defs", {}).values():
                yield from members(part)
        names = set(members(self.schema))
        self.assertGreater(len(names), 25)
        for name in names:
            self.assertIn(f"*{name}*", page)

    def test_batch(self):
        begin = time.time()
        line, = self.valid(self.run_over_step("-1", "--format", "json"))
        self.assertEqual(("a-host", ["debugfs"], "field"),
                         (line["host"], line["sources"], line["by"]))
        stamp = time.strptime(line["time"].split(".")[0], "%Y-%m-%dT%H:%M:%S")
        self.assertLess(abs(begin + 1 - (time.mktime(stamp) - time.timezone)), 10)
        self.assertTrue(0.9 < line["interval"] < 5, line["interval"])
        rows = {row["name"]: row for row in line["rows"]}
        self.assertEqual(sorted(FIELDS), sorted(rows))
        expected = sum(mkfixture.increment("exits", n) for n in range(3))
        self.assertEqual(("events", "none", expected, expected),
                         tuple(rows["exits"][key] for key in ("kind", "unit", "total", "delta")))
        self.assertAlmostEqual(expected / line["interval"], rows["exits"]["rate"], 2)
        self.assertEqual(("time", "nanoseconds"),
                         (rows["halt_wait_ns"]["kind"], rows["halt_wait_ns"]["unit"]))

    def test_by_guest(self):
        line, = self.valid(self.run_over_step("-1", "--format", "json", "--by", "guest"))
        rows = {(row["name"], row["guest"]["pid"]): row for row in line["rows"]}
        self.assertEqual(3 * len(FIELDS), len(rows))
        for number, (pid, name) in enumerate(((1000, "guest1"), (1100, "guest2"), (3000, CLEAN))):
            row = rows["exits", pid]
            self.assertEqual(name, row["guest"]["name"])
            self.assertEqual(mkfixture.increment("exits", number), row["delta"])
        self.assertNotIn("name_bytes", rows["exits", 1000]["guest"])
        self.assertEqual(HOSTILE, bytes.fromhex(rows["exits", 3000]["guest"]["name_bytes"]))

    def test_one_guest(self):
        line, = self.valid(self.run_tool("-1", "--format", "json", "-p", "3000"))
        self.assertEqual({3000}, {row["guest"]["pid"] for row in line["rows"]})

    def test_comma_of_a_locale(self):
        """Also where people write 0,5, machines read 0.5."""
        locales = os.path.join(self.directory, "locales")
        os.mkdir(locales)
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8",
                        os.path.join(locales, "de_DE.UTF-8")], check=True)
        german = {**os.environ, "LOCPATH": locales, "LC_ALL": "de_DE.UTF-8"}
        self.assertEqual("1,500000\n", subprocess.run(
            ["/usr/bin/printf", "%f\\n", "1,5"], env=german, capture_output=True, text=True,
            check=True).stdout)
        for form in ("json", "openmetrics"):
            result = kvmtest.kvm_stat("--sysroot", self.root, "-d", "-1", "-i", "--format", form,
                                      env=german)
            self.assertEqual((0, ""), (result.returncode, result.stderr))
            if form == "json":
                self.valid(result.stdout)
            else:
                self.assertGreater(strict(result.stdout)["kvm_halt_wait_seconds_total",
                                                         frozenset()], 0)

    def test_log(self):
        lines = self.valid(self.run_tool("-l", "-s", "0.1", "--count", "3", "--format", "json"))
        self.assertEqual(3, len(lines))
        file = os.path.join(self.directory, "log")
        for _ in range(2):
            self.run_tool("-L", file, "-s", "0.1", "--count", "2", "--format", "json")
        with open(file, encoding="utf-8") as f:
            self.assertEqual(4, len(self.valid(f.read())))
        skipped = self.run_over_step("-l", "-z", "-s", "0.3", "--count", "1", "--format", "json")
        self.assertEqual(1, len(self.valid(skipped)))


class Metrics(Fixture):
    def test_made_reports(self):
        for number in range(MADE_COUNT):
            samples = strict(made("openmetrics", str(number)))
            self.assertEqual(4, samples["kvm_stat_write_errors_total", frozenset()])
            text = made("prometheus", str(number))
            others = {(s.name, frozenset(s.labels.items())): s.value
                      for family in text_0_0_4(text) for s in family.samples}
            both = {key: value for key, value in others.items() if key in samples}
            self.assertEqual(samples, both)
            for name, _ in set(others) - set(samples):
                self.assertRegex(name, "_(sum|count)$")

    def test_types(self):
        found = families(made("openmetrics", "0"))
        for name, kind, unit in (("kvm_exit", "counter", ""), ("kvm_dirty", "gauge", ""),
                                 ("kvm_exit_duration_seconds", "histogram", "seconds"),
                                 ("kvm_halt_wait_seconds", "counter", "seconds"),
                                 ("kvm_memory_bytes", "gauge", "bytes"),
                                 ("kvm_max_rmap_size", "gauge", ""),
                                 ("kvm_exit_flags", "counter", "")):
            self.assertEqual((kind, unit), (found[name].type, found[name].unit), name)
            self.assertTrue(found[name].documentation, name)

    def test_reasons_are_not_counted_twice(self):
        samples = strict(made("openmetrics", "0"))
        self.assertEqual(12, sum(value for (name, _), value in samples.items()
                                 if name == "kvm_exit_total"))
        self.assertEqual(2, samples["kvm_exit_flags_total", frozenset({("flag",
                                                                        "FAILED_VMENTRY")})])
        # Not the reasons of s390's exit_instruction, which tell no part of it by their name.
        self.assertEqual(100, samples["kvm_exit_instruction_total", frozenset()])
        self.assertEqual(70, samples["kvm_instruction_sie_total", frozenset()])

    def test_by_guest(self):
        samples = strict(self.run_over_step("-1", "--format", "openmetrics", "--by", "guest"))
        for number, (pid, name) in enumerate(((1000, "guest1"), (1100, "guest2"), (3000, CLEAN))):
            labels = frozenset({("guest", name), ("pid", str(pid))})
            self.assertEqual(mkfixture.increment("exits", number),
                             samples["kvm_exits_total", labels])
            self.assertAlmostEqual(mkfixture.increment("halt_wait_ns", number) / 1e9,
                                   samples["kvm_halt_wait_seconds_total", labels], 12)
        self.assertEqual(3, samples["kvm_stat_guests", frozenset()])
        self.assertEqual(0, samples["kvm_stat_scrape_errors", frozenset({("source", "debugfs")})])
        self.assertLess(abs(time.time() - samples["kvm_stat_start_time_seconds", frozenset()]), 30)

    def test_log(self):
        text = self.run_tool("-l", "-s", "0.1", "--count", "2", "--format", "openmetrics")
        first, second, rest = text.split("# EOF\n")
        self.assertEqual("", rest)
        self.assertEqual(set(strict(first + "# EOF\n")), set(strict(second + "# EOF\n")))

    def test_unreadable_and_partial(self):
        mkfixture.put(self.root, mkfixture.path(mkfixture.DEBUGFS, "exits"), b"junk")
        result = kvmtest.kvm_stat("--sysroot", self.root, "-d", "-1", "--format", "prometheus")
        self.assertIn('kvm_stat_scrape_errors{source="debugfs"} 1\n', result.stdout)
        self.assertNotIn("kvm_exits_total", result.stdout)
        process = self.launch_frozen(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", "-1",
                                     "--format", "prometheus", "-f", "io")
        mkfixture.remove_guest(self.root, "1000-11")
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=20)
        self.assertIn("\nkvm_stat_partial 1\n", out)
        self.assertIn("\nkvm_stat_guests 2\n", out)

    def test_limit(self):
        """A bound for a hundred guests: what is left out is said."""
        for number in range(100):
            mkfixture.add_guest(self.root, 10000 + number, f"g{number}", only=FIELDS)
        text = self.run_tool("-1", "--format", "openmetrics", "--by", "guest", "--limit", "57")
        samples = strict(text)
        guests = {dict(labels)["pid"] for name, labels in samples if name == "kvm_exits_total"}
        self.assertEqual({"1000", "1100", "3000", *(str(10000 + n) for n in range(8))}, guests)
        self.assertEqual(11 * 5, sum("pid=" in line for line in text.splitlines()))
        self.assertEqual((92, 460, 103), tuple(
            samples[name, frozenset()] for name in ("kvm_stat_dropped_guests",
                                                    "kvm_stat_dropped_series", "kvm_stat_guests")))

    def test_names_are_documented(self):
        with open(os.path.join(kvmtest.SOURCE_DIR, "man", "kvm_stat-metrics.5.scd"),
                  encoding="utf-8") as f:
            page = f.read()
        names = set(re.findall(r"(?m)^(kvm_stat_\w+)", made("prometheus", "0")))
        self.assertGreaterEqual(len(names), 8)
        for name in names:
            self.assertIn(f"*{name}*", page)


class Tables(Fixture):
    def test_csv_by_guest(self):
        text = self.run_over_step("-l", "-s", "0.5", "--count", "1", "--by", "guest", "--format",
                                  "csv")
        header, *rows = csv.reader(text.splitlines())
        self.assertEqual("timestamp,guest,pid,vcpu,tid,field,value", ",".join(header))
        self.assertEqual(3 * len(FIELDS), len(rows))
        values = {(row[1], row[2], row[5]): int(row[6]) for row in rows}
        for number, (name, pid) in enumerate((("guest1", "1000"), ("guest2", "1100"),
                                              (CLEAN, "3000"))):
            self.assertEqual(mkfixture.increment("exits", number), values[name, pid, "exits"])
        self.assertEqual({("", "")}, {(row[3], row[4]) for row in rows})

    def test_csv_of_guests_that_come_and_go(self):
        """One table in one file: the columns are the same whoever comes."""
        file = os.path.join(self.directory, "log")
        args = ["-L", file, "-s", "0.2", "--by", "guest", "-c", "-f", "exits$"]
        process = self.launch(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", *args)

        def seen(name):
            with open(file, encoding="utf-8") as f:
                return name in f.read()
        kvmtest.until(lambda: os.path.exists(file) and seen("guest1"), "the log has begun")
        mkfixture.add_guest(self.root, 5000, "late", only=FIELDS)
        kvmtest.until(lambda: seen("late"), "the new guest")
        mkfixture.remove_guest(self.root, "1000-11")
        process.terminate()
        process.communicate(timeout=20)
        subprocess.run([kvmtest.KVM_STAT, "--sysroot", self.root, "-d", *args, "--count", "1"],
                       check=True)
        with open(file, encoding="utf-8") as f:
            header, *rows = csv.reader(f)
        self.assertEqual(7, len(header))
        self.assertEqual({7}, set(map(len, rows)))
        self.assertFalse([row for row in rows if row[0] == "timestamp"])

    def test_csv_batch(self):
        header, row = csv.reader(self.run_over_step("-1", "--format", "csv").splitlines())
        self.assertEqual(["timestamp", *FIELDS], header)
        self.assertEqual(str(sum(mkfixture.increment("io_exits", n) for n in range(3))), row[3])
        self.assertEqual(3, len(self.run_tool("-1", "--format", "csv", "--count",
                                              "2").splitlines()))

    def test_text_by_guest(self):
        titles, *lines = self.run_over_step("-1", "--by", "guest", "-f", "exits$").splitlines()
        self.assertEqual(["GUEST", "PID", "FIELD", "TOTAL", "DELTA"], titles.split())
        values = [line.rsplit(None, 4) for line in lines]
        self.assertEqual([[name, pid, "exits", *2 * [str(mkfixture.increment("exits", number))]]
                          for number, (name, pid) in enumerate((("guest1", "1000"),
                                                                ("guest2", "1100"),
                                                                (CLEAN, "3000")))], values)

    def test_text_log_by_guest(self):
        out = self.run_over_step("-l", "-s", "0.5", "--count", "1", "--by", "guest", "-f", "exits$")
        titles, *lines = out.splitlines()
        self.assertEqual(["TIME", "GUEST", "PID", "FIELD", "VALUE"], titles.split())
        self.assertEqual(["guest1", "1000", "exits", str(mkfixture.increment("exits", 0))],
                         lines[0].split()[2:])
        self.assertEqual(3, len(lines))

    def test_vcpus_need_a_source_that_knows_them(self):
        result = kvmtest.kvm_stat("--sysroot", self.root, "-d", "-1", "--by", "vcpu")
        self.assertEqual((1, ""), (result.returncode, result.stdout))
        self.assertEqual("kvm_stat: cannot use debugfs: virtual CPUs cannot be told apart there, "
                         "and times not measured: that takes tracepoints counted via BPF\n",
                         result.stderr)


if __name__ == "__main__":
    kvmtest.main()
