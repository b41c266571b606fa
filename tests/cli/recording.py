#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings: what a replay shows is what another kvm_stat saw at the same time, whatever ends the
recorder; what it does with files that are none, and how much of a disk and of memory they take.
"""
import gzip
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402
import mkfixture  # noqa: E402

MADE = sys.argv.pop() if len(sys.argv) > 2 else None
FIELDS = ["exits", "halt_wait_ns", "io_exits", "max_mmu_rmap_size", "pages_4k"]
RECORDED = {"rate", "delta", "distribution_delta"}  # what is of the interval, not of the moment


def states(line):
    """Rows of a JSON line by what they are of: all that does not depend on the interval."""
    rows = {}
    for row in line["rows"]:
        key = (row["name"], row.get("guest", {}).get("pid"), row.get("tid"))
        assert key not in rows, key
        rows[key] = {name: value for name, value in row.items() if name not in RECORDED}
    return rows


class Recording(kvmtest.TestCase):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.directory, "recording")

    def replay(self, *args, status=0, says=""):
        result = kvmtest.kvm_stat("--replay", self.file, *args, timeout=120)
        self.assertEqual(status, result.returncode, result.stderr)
        if says:
            self.assertRegex(result.stderr, rf"\Akvm_stat: .*{says}.*\n\Z")
        else:
            self.assertEqual("", result.stderr)
        return result.stdout

    def lines(self, *args, **options):
        text = self.replay("-l", "--format", "json", *args, **options)
        return [json.loads(line) for line in text.splitlines()]

    def put(self, *samples, partial=None):
        """A recording of these samples, each a list of lines, without its moment and end; number
        `partial` tells that it is not complete.
        """
        text = json.dumps({"schema": "kvm_stat-recording/1", "sources": ["stats"],
                           "by": "vcpu"}) + "\n"
        for number, lines in enumerate(samples):
            moment = {"sample": number, "monotonic": number + 1, "time": 7,
                      "partial": number == partial}
            body = "".join(json.dumps(line) + "\n" for line in [*lines, moment])
            end = {"end": number, "crc": zlib.crc32(body.encode())}
            text += body + json.dumps(end) + "\n"
        with gzip.open(self.file, "wb") as f:
            f.write((text + '{"closed":true}\n').encode())

    def whole_samples(self):
        """How many samples the file has, by what its form says."""
        text, count = b"", 0
        try:
            with gzip.open(self.file) as f:
                while True:
                    part = f.read1(65536)
                    if not part:
                        break
                    text += part
        except EOFError:
            pass
        for line in text.splitlines(keepends=True):
            count += line.startswith(b'{"end":') and line.endswith(b"}\n")
        return count


class Fixture(Recording):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.directory, "root")
        mkfixture.make(self.root, 2, only=FIELDS)
        mkfixture.put(self.root, "proc/sys/kernel/hostname", "a-host\n")
        mkfixture.add_guest(self.root, 3000, only=FIELDS, cmdline=[b"qemu", b"-name", b"x\xff\x1b"])
        mkfixture.update_sums(self.root)

    def start(self, *args):
        process = self.launch(kvmtest.KVM_STAT, "--sysroot", self.root, *args)
        kvmtest.until_asleep(process)
        return process

    def record(self, *args):
        return self.start("-d", "--record", self.file, "-s", "0.2", *args)

    def wait_samples(self, count):
        kvmtest.until(lambda: self.whole_samples() >= count, f"{count} samples")

    def end(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        self.assertEqual(("", ""), (out, err))
        return process.returncode

    def test_equals_live(self):
        """Watchers and the recorder see the same steps, and agree in the end."""
        watchers = {by: self.start("-d", "-l", "--format", "json", "-s", "0.2", "--by", by)
                    for by in ("field", "guest")}
        recorder = self.record()
        for _ in range(3):
            mkfixture.advance(self.root)
            self.wait_samples(self.whole_samples() + 2)
        last = {}
        for by, watcher in watchers.items():
            time.sleep(0.3)  # one interval, in which nothing happens: nothing to wait for
            watcher.send_signal(signal.SIGTERM)
            out, err = watcher.communicate(timeout=20)
            self.assertEqual("", err)
            last[by] = json.loads(out.splitlines()[-1])
        self.assertEqual(0, self.end(recorder))
        for by, live in last.items():
            replayed = self.lines("--by", by)[-1]
            wanted, shown = states(live), states(replayed)
            # A gauge that never was has a row of 0 nowhere but on the host.
            self.assertEqual(wanted, {key: shown.get(key) for key in wanted})
            self.assertLessEqual(set(shown), set(wanted))
            for name in ("schema", "host", "sources", "by", "partial"):
                self.assertEqual(live[name], replayed[name], name)

    def test_guests_come_and_go(self):
        recorder = self.record()
        mkfixture.advance(self.root)
        self.wait_samples(self.whole_samples() + 2)
        mkfixture.remove_guest(self.root, "1000-11")
        mkfixture.add_guest(self.root, 4000, "late", only=FIELDS)
        mkfixture.update_sums(self.root)
        self.wait_samples(self.whole_samples() + 2)
        mkfixture.advance(self.root)
        self.wait_samples(self.whole_samples() + 2)
        self.assertEqual(0, self.end(recorder))
        line = self.lines("--by", "guest")[-1]
        self.assertEqual({1100, 3000, 4000}, {row["guest"]["pid"] for row in line["rows"]})
        names = {row["guest"]["pid"]: row["guest"]["name"] for row in line["rows"]}
        self.assertEqual({1100: "guest2", 3000: r"x\xff\x1b", 4000: "late"}, names)
        # What a guest that is gone had counted is in the sum. Its first values are its birth's.
        before = mkfixture.increment("exits", 0)
        now = states(self.lines()[-1])["exits", None, None]["total"]
        stay = sum(row["total"] for row in line["rows"] if row["name"] == "exits")
        self.assertEqual(before + stay, now)
        # Its own totals stay as well, and -1 is of all who were there at any time.
        for args in (["-p", "1000"], ["-g", "guest1"]):
            totals = [states(line)["exits", 1000, None]["total"] for line in self.lines(*args)]
            self.assertEqual(sorted(totals), totals)
            self.assertEqual(before, totals[-1])
            self.assertEqual(before, kvmtest.batch_rows(self.replay("-1", *args))["exits"][0])
            self.assertIn(f'kvm_exits_total{{guest="guest1",pid="1000"}} {before}\n',
                          self.replay("-1", "--format", "openmetrics", *args))
        batch = json.loads(self.replay("-1", "--by", "guest", "--format", "json"))
        self.assertEqual({1000: "guest1", **names},
                         {row["guest"]["pid"]: row["guest"]["name"] for row in batch["rows"]})
        self.assertEqual(now, sum(row["total"] for row in batch["rows"]
                                  if row["name"] == "exits"))
        for args in (["-p", "4000"], ["-g", "late"]):
            shown = self.lines(*args)
            self.assertEqual({4000}, {row["guest"]["pid"] for line in shown
                                      for row in line["rows"]})
        self.replay("-l", "-g", "nobody", status=1, says="no guest by the name")
        self.replay("-l", "-p", "77", status=1, says="no guest of process 77")

    def test_one_guest(self):
        """With -p nothing of others is in the file, which somebody else may be given."""
        recorder = self.record("-p", "1000", "--count", "2")
        self.assertEqual(("", ""), recorder.communicate(timeout=20))
        with gzip.open(self.file) as f:
            told = [guest for line in f for guest in json.loads(line).get("guests", [])]
        self.assertEqual([(1000, "guest1")], [(guest["pid"], guest["name"]) for guest in told])
        for line in self.lines("--by", "guest"):
            self.assertEqual({1000}, {row["guest"]["pid"] for row in line["rows"]})

    def test_mode(self):
        """Who may not read the kernel's counters may not read what they were either."""
        before = os.umask(0)
        try:
            recorder = self.record("--count", "1")
        finally:
            os.umask(before)
        self.assertEqual(("", ""), recorder.communicate(timeout=20))
        self.assertEqual(0o100600, os.stat(self.file).st_mode)

    def test_all_formats(self):
        recorder = self.record("--count", "4")
        mkfixture.advance(self.root)
        self.assertEqual(("", ""), recorder.communicate(timeout=20))
        total = sum(mkfixture.increment("exits", n) for n in range(3))
        batch = kvmtest.batch_rows(self.replay("-1"))
        self.assertEqual((total, total), batch["exits"])
        blocks = self.replay("-1", "--count", "9").split("\n\n")
        self.assertEqual(4, len(blocks))
        self.assertEqual(total, sum(kvmtest.batch_rows(b)["exits"][1] for b in blocks))
        csv = self.replay("-l", "-c", "-f", "exits").splitlines()
        self.assertEqual("timestamp,exits", csv[0])
        self.assertEqual(total, sum(int(line.split(",")[1]) for line in csv[1:]))
        self.assertIn(f"kvm_exits_total {total}\n", self.replay("-l", "--format", "prometheus"))
        log = os.path.join(self.directory, "log")
        self.replay("-L", log, "-f", "exits")
        with open(log, encoding="utf-8") as f:
            self.assertEqual(5, len(f.readlines()))
        self.assertEqual(["  " + field for field in FIELDS],
                         self.replay("-f", "help").splitlines())
        self.replay("-l", "--by", "vcpu", status=1, says="no rows that are told apart so")
        # How long exits took is not known to debugfs.
        self.assertRegex(self.replay("-1", "--exits"),
                         r"\AExit reason .*\nTotal without halts +0 +0ns\n\Z")

    def test_killed(self):
        """Whenever it is killed: all samples are there that were, but the last one at most."""
        for seed in range(8):
            begin = time.monotonic()
            recorder = self.launch(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", "--record",
                                   self.file, "-s", "0.1")
            kvmtest.until_asleep(recorder)
            time.sleep(random.Random(seed).uniform(0.3, 0.9))  # at any moment: that is the point
            recorder.kill()
            recorder.wait()
            took = int((time.monotonic() - begin) / 0.1)
            count = self.whole_samples()
            self.assertGreater(count, 1)
            self.assertLessEqual(count, took + 1)
            self.assertEqual(count - 1, len(self.lines(
                status=1, says=f"damaged after sample {count}, .* its writer was killed")))
            os.unlink(self.file)

    def test_each_sample_is_in_the_file(self):
        """Not kept back for the next one, which is far away."""
        recorder = self.start("-d", "--record", self.file, "-s", "25.5")
        begin = time.monotonic()
        self.assertEqual(1, self.whole_samples())
        recorder.kill()
        recorder.wait()
        self.assertLess(time.monotonic() - begin, 20)  # it was the first sample that was seen

    def test_no_recordings(self):
        def refused(path, why):
            result = kvmtest.kvm_stat("--replay", path, "-1", timeout=10)
            self.assertEqual((1, ""), (result.returncode, result.stdout))
            self.assertRegex(result.stderr, rf"\Akvm_stat: cannot replay .*{why}.*\n\Z")
        fifo = os.path.join(self.directory, "fifo")
        os.mkfifo(fifo)
        refused(fifo, "no regular file")
        refused(self.directory, "no regular file")
        refused("/dev/zero", "no regular file")
        refused(os.path.join(self.directory, "none"), "No such file")
        for data, why in ((b"", "no recording"), (b"text\n", "no recording"),
                          (gzip.compress(b""), "no recording"),
                          (gzip.compress(b"{}\n"), "no recording"),
                          (gzip.compress(b'{"schema":"kvm_stat-recording/9"}\n'), "recording/9"),
                          (gzip.compress(b"\0" * 100000000), "no recording")):
            with open(self.file, "wb") as f:
                f.write(data)
            refused(self.file, why)

    def test_partial(self):
        """What is not complete in one interval is not in all of them together."""
        for partial, wanted in ((None, False), (0, False), (1, True), (2, True)):
            self.put([{"key": True}], [], [], partial=partial)
            shown = json.loads(self.replay("-1", "--format", "json"))
            self.assertEqual(wanted, shown["partial"], partial)

    def test_more_rows_than_fit(self):
        """A small file, of whose fields and guests each pair would be a row."""
        names = [{"name": f"n{i}", "kind": "events", "unit": "none"} for i in range(16384)]
        guests = [{"pid": i + 1, "name": "g"} for i in range(16384)]
        self.put([{"key": True, "names": names}, {"guests": guests}], [])
        self.assertLess(os.path.getsize(self.file), 1 << 20)
        self.replay("-1", "--by", "guest", status=1, says="too many fields and guests")
        self.assertIn("n16383", self.replay("-1"))
        self.assertIn('"pid":16384', self.replay("-l", "--format", "json", "--by", "guest", "-f",
                                                 "n1$"))

    def test_columns_while_no_guest_runs(self):
        """They are those of the log of debugfs itself: one header, and no cell is empty."""
        vms = mkfixture.vms(self.root)
        for vm in vms[1:]:
            mkfixture.remove_guest(self.root, vm)
        process = self.start("-d", "-l", "-c", "--count", "1", "-s", "0.1")
        header = process.communicate(timeout=20)[0].splitlines()[0]
        for change in (lambda: mkfixture.remove_guest(self.root, vms[0]),
                       lambda: mkfixture.add_guest(self.root, 4000, only=FIELDS),
                       lambda: mkfixture.remove_guest(self.root, "4000-11")):
            change()
            if os.path.exists(self.file):
                self.wait_samples(self.whole_samples() + 2)
            else:
                process = self.record()
                self.wait_samples(2)
        self.end(process)
        lines = self.replay("-l", "-c").splitlines()
        self.assertEqual([header], [line for line in lines if not line[0].isdigit()])
        self.assertEqual(set(), {line for line in lines if ",," in line or line.endswith(",")})
        self.assertEqual(set(FIELDS), set(header.split(",")[1:]))

    def reads_it(self, process):
        """Whether the process has opened the recording; signals have been blocked before."""
        return os.path.realpath(self.file) in kvmtest.open_files(process.pid)

    def start_replay(self, *args):
        process = self.launch(kvmtest.KVM_STAT, "--replay", self.file, *args)
        kvmtest.until(lambda: self.reads_it(process), "the recording is read")
        return process

    def test_signals_while_it_is_read(self):
        """A file without an end, as far as a user waits."""
        head = {"schema": "kvm_stat-recording/1", "sources": ["stats"], "by": "vcpu"}
        block = gzip.compress(b"{}\n" * 1000000)
        with open(self.file, "wb") as f:
            f.write(gzip.compress(json.dumps(head).encode() + b'\n{"key":true}\n'))
            for _ in range(3000):
                f.write(block)
        for args in (["-1"], ["-l"], ["-f", "help"]):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                self.assertEqual(0, self.end(self.start_replay(*args), number))
        # With -L it means "open the file anew", and is no end.
        log = self.start_replay("-L", os.path.join(self.directory, "log"))
        log.send_signal(signal.SIGHUP)
        before = kvmtest.cpu_time(log.pid)
        kvmtest.until(lambda: kvmtest.cpu_time(log.pid) > before + 0.5, "it reads on")
        self.assertEqual(0, self.end(log))

    def test_signals_while_a_sample_is_read(self):
        """It was read once already: what was shown stays, and no trouble is told."""
        self.put([{"key": True}], [], [{}] * 400000)
        for args in (["-1", "--count", "2"], ["-l"]):
            process = self.launch(kvmtest.KVM_STAT, "--replay", self.file, *args, "--format",
                                  "json")
            shown = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
            self.assertEqual((0, "", ""), (process.returncode, out, err))
            self.assertEqual([], json.loads(shown)["rows"])

    def test_what_exists_is_kept(self):
        with open(self.file, "w", encoding="ascii") as f:
            f.write("mine")
        for path in (self.file, self.directory, "/dev/null"):
            result = kvmtest.kvm_stat("--sysroot", self.root, "-d", "--record", path)
            self.assertEqual((1, ""), (result.returncode, result.stdout))
            self.assertRegex(result.stderr, r"\Akvm_stat: cannot record to .* it exists.*\n\Z")
        with open(self.file, encoding="ascii") as f:
            self.assertEqual("mine", f.read())

    def test_disk_full(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
        result = subprocess.run([kvmtest.KVM_STAT, "--sysroot", self.root, "-d", "--record",
                                 self.file, "-s", "0.1", "--count", "100"], capture_output=True,
                                text=True, timeout=60, check=False, preexec_fn=limit)
        self.assertEqual(1, result.returncode)
        self.assertRegex(result.stderr, r"\Akvm_stat: cannot record to .*: File too large\n\Z")
        self.assertEqual(self.whole_samples() - 1, len(self.lines(status=1, says="damaged")))

    def test_options(self):
        for args in (["--record", "x", "-1"], ["--record", "x", "-l"], ["--record", "x", "-o", "y"],
                     ["--record", "x", "--replay", "y"], ["--replay", "x", "-o", "y"],
                     ["--replay", "x", "-d"], ["--replay", "x", "--sysroot", "/"]):
            result = kvmtest.kvm_stat(*args)
            self.assertEqual((1, ""), (result.returncode, result.stdout), args)
            self.assertEqual(1, result.stderr.count("\n"), result.stderr)


class Size(Recording):
    def make(self, guests, samples):
        subprocess.run([MADE, self.file, str(guests), str(samples)], check=True)
        return os.path.getsize(self.file)

    def test_ten_seconds_of_a_hundred_guests(self):
        size = self.make(100, 10)
        print(f"10 samples of 100 guests: {size / 1e6:.3f} MB")
        self.assertLess(size, 1000000)

    def peak(self, *args):
        """The most memory in KiB, as far as the program's output tells that it still runs."""
        # A build with ASan keeps what was freed, for a while: that is not what is measured.
        asan = os.environ.get("ASAN_OPTIONS", "") + \
            ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
        process = self.launch(kvmtest.KVM_STAT, "--replay", self.file, *args, text=False,
                              env=dict(os.environ, ASAN_OPTIONS=asan))
        peak = 0
        while process.stdout.read(16384):
            with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
                peak = next((int(line.split()[1]) for line in f if line.startswith("VmHWM:")),
                            peak)
        self.assertEqual(0, process.wait())
        self.assertGreater(peak, 1000)
        return peak

    def test_memory(self):
        """What a replay takes depends on the guests, not on how long the recording is."""
        peaks = []
        for samples in (70, 280):
            size = self.make(10, samples)
            peaks.append(self.peak("-l", "--by", "vcpu"))
            print(f"replay of {size / 1e6:.1f} MB: {peaks[-1]} KiB")
            os.unlink(self.file)
        self.assertLess(peaks[1], peaks[0] + 1024)


class Kvm(Recording):
    def test_equals_live(self):
        """vCPUs and the times of their exits, counted via BPF."""
        kvmtest.need_root()
        kvmtest.need_kvm()
        kvmtest.need_host_pids()
        kvmtest.enter_private_mounts()
        fields = "kvm_(pio|cpuid|userspace_exit)"
        with kvmtest.SampleGuest("--io", "5000", "--cpuid", "321", "--halts", "45", "--vcpus", "2",
                                 "--linger", "60") as guest:
            recorder = self.launch(kvmtest.KVM_STAT, "-t", "--record", self.file, "-s", "0.2",
                                   "-p", str(guest.pid), "-f", fields)
            live = self.launch(kvmtest.KVM_STAT, "-t", "--via", "bpf", "-1", "--count", "2", "-p",
                               str(guest.pid), "-f", fields)
            for process in (recorder, live):
                kvmtest.until_asleep(process)
            guest.go()
            self.assertEqual("io=5000 cpuid=321 halts=45", guest.result())
            out, err = live.communicate(timeout=20)
            self.assertEqual("", err)
            recorder.send_signal(signal.SIGTERM)
            self.assertEqual(("", ""), recorder.communicate(timeout=20))
        seen = kvmtest.batch_rows(out.rpartition("\n\n")[2])
        wanted = {name: total for name, (total, _) in seen.items() if total}
        shown = {name: total for name, (total, _) in
                 kvmtest.batch_rows(self.replay("-1")).items() if total}
        self.assertEqual(5000, wanted["kvm_pio"])
        self.assertEqual(wanted, shown)
        # Their threads end one after the other, and with each its row.
        totals = {}
        for line in self.lines("--by", "vcpu", "-f", "kvm_pio$"):
            totals.update({row["tid"]: row["total"] for row in line["rows"]})
        self.assertEqual([2500, 2500], [*totals.values()])


if __name__ == "__main__":
    kvmtest.main()
