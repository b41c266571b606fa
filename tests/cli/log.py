#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The log modes of kvm_stat: lines arrive at once, none is lost at a signal, rotation works."""
import array
import csv
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import termios
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402
import mkfixture  # noqa: E402

FIELDS = "(exits|io_exits)$"


class LogCase(kvmtest.TestCase):
    guests = 2

    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.directory, "root")
        self.file = os.path.join(self.directory, "log")
        mkfixture.make(self.root, self.guests, only=["exits", "io_exits", "pages_4k"])

    def start(self, *args, **options):
        process = self.launch(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", *args, **options)
        kvmtest.until_asleep(process)
        return process

    def lines(self, file=None):
        with open(file or self.file, encoding="utf-8") as f:
            text = f.read()
        self.assertTrue(text == "" or text.endswith("\n"), "half a line")
        return text.splitlines()

    def end(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        self.assertEqual("", err)
        self.assertIn(process.returncode, (0, 128 + number, -number))

    def log_once(self, *options):
        result = kvmtest.kvm_stat("--sysroot", self.root, "-d", "-L", self.file, "-s", "0.1",
                                  "--count", "1", *options)
        self.assertEqual((0, "", ""), (result.returncode, result.stdout, result.stderr))

    def until_lines(self, count, file=None):
        return kvmtest.until(lambda: len(self.lines(file)) >= count and self.lines(file),
                             f"{count} lines")

    def rotate(self, *options):
        """Rotates while the counters run; returns the records of all files."""
        self.file = os.path.join(self.directory, f"log{options}")
        process = self.start("-L", self.file, "-s", "0.1", "-f", "exits$", *options)
        records = []
        for rotation in range(3):
            for _ in range(5):
                mkfixture.advance(self.root)
                time.sleep(0.11)
            old = f"{self.file}.{rotation}"
            os.rename(self.file, old)
            process.send_signal(signal.SIGHUP)
            kvmtest.until(lambda: os.path.exists(self.file), "the new file")
            header, *rest = self.lines(old)
            self.assertEqual("timestamp,exits" if options else "exits ", header)
            records += rest
        mkfixture.advance(self.root)
        kvmtest.until_sampled(process, self.file)
        self.end(process)
        header, *rest = self.lines()
        self.assertEqual("timestamp,exits" if options else "exits ", header)
        return records + rest


class Log(LogCase):
    def best_of_three(self, measure, limit):
        """The machine may be busy for once; lines that are kept back come late each time."""
        times = []
        while not times or min(times) >= limit and len(times) < 3:
            times.append(measure(len(times)))
        self.assertLess(min(times), limit, times)

    def test_lines_are_in_the_file_at_once(self):
        def measure(number):
            file = f"{self.file}{number}"
            process = self.start("-L", file, "-s", "1")
            self.until_lines(1, file)
            begin = time.monotonic()
            self.until_lines(3, file)
            seconds = time.monotonic() - begin
            self.end(process)
            return seconds
        self.best_of_three(measure, 2.9)

    def test_lines_are_in_a_pipe_at_once(self):
        def measure(_):
            process = self.start("-l", "-s", "0.5", "-f", FIELDS)
            self.assertEqual("exits io_exits \n", process.stdout.readline())
            begin = time.monotonic()
            self.assertRegex(process.stdout.readline(),
                             r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {9}0 {9}0\n$")
            seconds = time.monotonic() - begin
            self.end(process)
            return seconds
        self.best_of_three(measure, 0.9)

    def test_signals_end_it_with_all_lines(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            for options in ([], ["-c"]):
                file = f"{self.file}{number}{options}"
                process = self.start("-L", file, "-s", "0.2", *options)
                before = len(self.until_lines(4, file))
                self.end(process, number)
                self.assertGreaterEqual(len(self.lines(file)), before)

    def test_rotation_loses_nothing(self):
        expected = 16 * sum(mkfixture.increment("exits", n) for n in range(self.guests))
        records = [line for line in self.rotate() if not line.startswith("exits")]
        self.assertEqual(expected, sum(int(line.split()[-1]) for line in records))
        records = self.rotate("-c")
        self.assertEqual(expected, sum(int(line.split(",")[-1]) for line in records))

    def test_rotation_comes_at_once(self):
        process = self.start("-L", self.file, "-s", "25", "-f", "exits$")
        os.rename(self.file, self.file + ".1")
        process.send_signal(signal.SIGHUP)
        kvmtest.until(lambda: os.path.exists(self.file), "the new file", 5)
        self.end(process)

    def test_log_that_cannot_be_reopened(self):
        directory = os.path.join(self.directory, "gone")
        os.mkdir(directory)
        process = self.start("-L", os.path.join(directory, "log"), "-s", "0.2")
        os.rename(directory, directory + ".1")
        process.send_signal(signal.SIGHUP)
        kvmtest.until(lambda: select.select([process.stderr], [], [], 0)[0], "a message")
        if process.poll() is None:  # it may go on with the file it has
            process.terminate()
        _, err = process.communicate(timeout=20)
        self.assertEqual(1, len(err.splitlines()), err)

    def test_csv_header_only_in_an_empty_file(self):
        for _ in range(2):
            self.end(self.start("-L", self.file, "-c", "-s", "0.1", "-f", FIELDS))
            self.assertEqual("timestamp,exits,io_exits", self.lines()[0])
        self.assertEqual(1, sum("timestamp" in line for line in self.lines()))

    def test_csv_records_stand_below_their_header(self):
        """Other columns get a header of their own, and the old ones again after that."""
        for fields in (FIELDS, "exits$", FIELDS):
            self.log_once("-c", "-f", fields)
        columns = 0
        for row in csv.reader(self.lines()):
            if row[0] == "timestamp":
                columns = len(row)
            self.assertEqual(columns, len(row), row)
        self.assertEqual(3, sum("timestamp" in line for line in self.lines()))

    def test_half_a_line_is_ended(self):
        """As a crash leaves it."""
        with open(self.file, "w", encoding="utf-8") as f:
            f.write("timestamp,exits,io_exits\n2020-01-01 00:0")
        self.log_once("-c", "-f", FIELDS)
        header, half, record = self.lines()
        self.assertEqual("timestamp,exits,io_exits", header)
        self.assertEqual("2020-01-01 00:0", half)
        self.assertRegex(record, r"^\d{4}-.*,0,0$")

    def test_reader_that_stands_still(self):
        process = self.start("-l", "-s", "0.1")
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        unread = array.array("i", [0])

        def full():
            before = unread[0]
            fcntl.ioctl(process.stdout, termios.FIONREAD, unread)
            time.sleep(0.3)  # three records
            return 0 < unread[0] == before
        kvmtest.until(full, "a full pipe", 60)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)

    def launch_into_full_pipe(self, before, *args):
        """A program whose reader stands still, with `before` in a pipe of one page, which takes no
        more than that.
        """
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writer, before)
        process = self.launch(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", *args, stdout=writer)
        os.close(writer)
        return reader, process

    def assert_signal_ends(self, process, number):
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        self.assertEqual(1, process.returncode)
        self.assertRegex(err, "^kvm_stat: stopped by a signal while .* not whole\n$")

    def test_reader_of_a_batch_stands_still(self):
        self.root = os.path.join(self.directory, "all-fields")
        mkfixture.make(self.root, self.guests)
        unread = array.array("i", [0])

        def begun():
            fcntl.ioctl(reader, termios.FIONREAD, unread)
            return unread[0] > 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                reader, process = self.launch_into_full_pipe(b"", "-1", "--by", "guest",
                                                             "--format", "json")
                kvmtest.until(begun, "what the pipe takes")
                self.assert_signal_ends(process, number)
                self.assertTrue(os.read(reader, 4096).startswith(b'{"schema":'))

    def test_reader_of_names_stands_still(self):
        _, process = self.launch_into_full_pipe(b"x" * 4096, "-f", "help")

        def waits():
            asleep = kvmtest.state(process.pid) == "S"
            time.sleep(0.05)
            return asleep and kvmtest.state(process.pid) == "S"
        kvmtest.until(waits, "it waits for its reader")
        self.assert_signal_ends(process, signal.SIGTERM)

    def test_waiting_for_kvm(self):
        kvm = os.path.join(self.root, "sys/kernel/debug/kvm")
        os.rename(kvm, kvm + ".away")
        process = self.launch(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", "-s", "0.1", "-L",
                              self.file, "-f", FIELDS)
        self.assertIn("not loaded", process.stderr.readline())
        process.send_signal(signal.SIGHUP)  # a rotation is no reason to end
        os.rename(kvm + ".away", kvm)
        self.until_lines(3)
        os.rename(kvm, kvm + ".away")  # and it outlives that
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        self.assertEqual(0, process.returncode)

    def test_kvm_is_loaded_anew(self):
        """Between two samples: then there is nothing to wait for, and nothing to say."""
        kvm = os.path.join(self.root, "sys/kernel/debug/kvm")
        process = self.start("-s", "0.2", "-L", self.file, "-f", FIELDS, "-c")
        self.until_lines(2)
        with kvmtest.frozen(process):
            os.rename(kvm, kvm + ".old")
            shutil.copytree(kvm + ".old", kvm)
            shutil.rmtree(kvm + ".old")
        kvmtest.until_sampled(process, self.file)
        mkfixture.advance(self.root)
        kvmtest.until_sampled(process, self.file)
        self.end(process)  # without a message
        expected = sum(mkfixture.increment("exits", n) for n in range(self.guests))
        self.assertEqual(expected, sum(int(line.split(",")[1]) for line in self.lines()[1:]))

    def test_waiting_needs_a_log_that_can_be_written(self):
        os.rename(os.path.join(self.root, "sys/kernel/debug/kvm"), self.file + ".away")
        result = kvmtest.kvm_stat("--sysroot", self.root, "-d", "-L", "/nowhere/log", timeout=5)
        self.assertEqual(1, result.returncode)
        self.assertRegex(result.stderr, "^kvm_stat: cannot log to .*No such file")

    def test_csv_has_one_set_of_columns(self):
        process = self.start("-l", "-c", "-s", "0.2")
        mkfixture.add_guest(self.root, 5000, "late", only=["exits", "io_exits", "pages_4k"])
        time.sleep(0.5)
        mkfixture.remove_guest(self.root, "1000-11")
        time.sleep(0.5)
        process.terminate()
        header, *records = csv.reader(process.communicate(timeout=20)[0].splitlines())
        self.assertEqual(["timestamp", "exits", "io_exits", "pages_4k"], header)
        self.assertTrue(records)
        self.assertEqual({4}, set(map(len, records)))

    def test_deltas_are_never_negative(self):
        process = self.start("-l", "-s", "0.2", "-f", FIELDS)
        for step in range(4):
            mkfixture.advance(self.root)
            if step == 1:
                mkfixture.remove_guest(self.root, "1000-11")
            if step == 2:
                mkfixture.put_stat(self.root, "1100-11", "exits", 0)
                mkfixture.update_sums(self.root)
            time.sleep(0.25)
        process.terminate()
        out, err = process.communicate(timeout=20)
        self.assertEqual("", err)
        values = [int(v) for line in out.splitlines()[1:] for v in line.split()[2:]]
        self.assertTrue(values)
        self.assertGreaterEqual(min(values), 0)
        self.assertLess(max(values), 5000, "a whole counter was taken for a delta")

    def test_skip_zero_records(self):
        process = self.start("-L", self.file, "-z", "-s", "0.2", "-f", FIELDS)
        time.sleep(0.7)  # three samples or so, which are skipped
        with kvmtest.frozen(process):
            mkfixture.advance(self.root)
        self.until_lines(2)
        time.sleep(0.5)
        self.end(process)
        self.assertEqual(2, len(self.lines()))

    def test_batch_does_not_make_up_for_a_delay(self):
        """What it was late for is one long interval: those after it are no shorter for that."""
        process = self.launch_frozen(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", "-1",
                                     "--count", "6", "--format", "json")
        time.sleep(3.5)  # that is the delay
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=30)
        self.assertEqual((0, ""), (process.returncode, err))
        intervals = [json.loads(line)["interval"] for line in out.splitlines()]
        self.assertEqual(6, len(intervals))
        self.assertGreater(max(intervals), 3.4, "there was no delay")
        # Each wait is for a whole second that is still to come, so two of them take one at least.
        for pair in zip(intervals, intervals[1:]):
            self.assertGreater(sum(pair), 1, intervals)

    def test_closed_pipe(self):
        process = self.start("-l", "-s", "0.1")
        process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=5)
        self.assertIn(process.returncode, (0, 1))
        self.assertLessEqual(len(process.stderr.read().splitlines()), 1)

    def test_full_disk(self):
        for args in (["-l", "-s", "0.1"], ["-l", "-c", "-s", "0.1"], ["-1"], ["-f", "help"], ["-h"],
                     ["--version"], ["-L", "/dev/full", "-s", "0.1"]):
            with open("/dev/full", "wb") as full:
                result = self.launch(kvmtest.KVM_STAT, "--sysroot", self.root, "-d", *args,
                                     stdout=full)
                _, err = result.communicate(timeout=20)
            with self.subTest(args):
                self.assertEqual(1, result.returncode)
                self.assertEqual(1, len(err.splitlines()), err)
                self.assertIn("No space left", err)

    def test_files_that_cannot_be_written(self):
        os.mkfifo(os.path.join(self.directory, "fifo"))
        for file in ("/nowhere/log", self.directory, os.path.join(self.directory, "fifo"), "",
                     os.path.join(self.directory, "x" * 300)):
            with self.subTest(file):
                result = kvmtest.kvm_stat("--sysroot", self.root, "-d", "-s", "0.1", "-L", file,
                                          timeout=5)
                self.assertEqual((1, ""), (result.returncode, result.stdout))
                self.assertRegex(result.stderr, "^kvm_stat: ")
                self.assertEqual(1, len(result.stderr.splitlines()), result.stderr)


class LogOfOneGuest(LogCase):
    """A guest that ends while it is watched, and what has its name or its number after that."""
    only = ["exits", "io_exits", "pages_4k"]

    def watch(self, *args):
        self.file = os.path.join(self.directory, f"log{args}")
        process = self.start("-L", self.file, "-s", "0.1", "-f", "exits$", *args)
        self.until_lines(2)
        return process

    def until_said(self, process, text):
        """The next line that it says, one at a time."""
        kvmtest.until(lambda: select.select([process.stderr], [], [], 0)[0], f"it says: {text}")
        self.assertEqual(f"kvm_stat: warning: {text}\n", process.stderr.readline())

    def count(self, process):
        """What happens now is in one of the next two records."""
        kvmtest.until_sampled(process, self.file)
        mkfixture.advance(self.root)
        kvmtest.until_sampled(process, self.file)

    def total(self):
        if "json" in self.file:
            return sum(row["delta"] for line in self.lines() for row in json.loads(line)["rows"])
        records = [line for line in self.lines() if "exits" not in line]
        return sum(int(line.replace(",", " ").split()[-1]) for line in records)

    def test_guest_that_is_back(self):
        for number, options in enumerate(([], ["-c"], ["--format", "json"])):
            with self.subTest(options):
                pid = 1700 + 100 * number
                before = pid - 100 if number else 1100
                process = self.watch("-g", "guest2", *options)
                mkfixture.remove_guest(self.root, f"{before}-11")
                self.until_said(process, f'guest "guest2" (process {before}) has ended; '
                                         "counting goes on when it is back")
                self.count(process)
                self.assertEqual(0, self.total())
                mkfixture.add_guest(self.root, pid, "guest2", only=self.only)
                self.until_said(process,
                                f'guest "guest2" is back as process {pid}; its totals start from 0')
                self.count(process)
                self.end(process)  # without another message
                self.assertEqual(mkfixture.increment("exits", 1), self.total())
                if "json" in options:
                    samples = list(map(json.loads, self.lines()))
                    # The first one of it is whole: others may be short, where one was late.
                    first = next(sample for sample in samples
                                 if sample["rows"][0]["guest"]["pid"] == pid)
                    self.assertGreaterEqual(first["interval"], 0.1)
                    row = samples[-1]["rows"][0]
                    self.assertEqual({"name": "guest2", "pid": pid}, row["guest"])
                    self.assertEqual(self.total(), row["total"])

    def test_vm_that_stays_longer_than_its_process(self):
        """What pins it, as a copy of a descriptor does, makes no guest of it."""
        process = self.watch("-g", "guest2")
        shutil.rmtree(os.path.join(self.root, "proc/1100"))
        self.until_said(process, 'guest "guest2" (process 1100) has ended; '
                                 "counting goes on when it is back")
        kvmtest.until_sampled(process, self.file)
        mkfixture.remove_guest(self.root, "1100-11")
        kvmtest.until_sampled(process, self.file)
        mkfixture.add_guest(self.root, 1700, "guest2", only=self.only)
        self.until_said(process, 'guest "guest2" is back as process 1700; its totals start from 0')
        self.count(process)
        self.end(process)  # without another message
        self.assertEqual(mkfixture.increment("exits", 1), self.total())

    def test_guest_whose_process_cannot_be_found(self):
        """As from within a PID namespace: nobody can tell when it ends."""
        mkfixture.add_guest(self.root, 77, tid=77, fd=3, only=self.only, process=False, vcpus=0)
        process = self.watch("-g", "vm-77-3")
        self.count(process)
        self.end(process)  # without a message
        self.assertEqual(mkfixture.increment("exits", 0), self.total())

    def test_count_goes_on_when_kvm_is_loaded_anew(self):
        kvm = os.path.join(self.root, "sys/kernel/debug/kvm")
        self.file = os.path.join(self.directory, "log-count")
        process = self.start("-L", self.file, "-s", "0.1", "-f", "exits$", "-c", "--count", "20")
        self.until_lines(3)
        with kvmtest.frozen(process):
            os.rename(kvm, kvm + ".old")
            shutil.copytree(kvm + ".old", kvm)
            shutil.rmtree(kvm + ".old")
        process.communicate(timeout=20)
        self.assertEqual(0, process.returncode)
        self.assertEqual(1 + 20, len(self.lines()))

    def test_kvm_is_loaded_anew_meanwhile(self):
        """It can only be unloaded when no guest runs, so the guest comes later."""
        kvm = os.path.join(self.root, "sys/kernel/debug/kvm")
        process = self.watch("-g", "guest2")
        mkfixture.remove_guest(self.root, "1100-11")
        self.until_said(process, 'guest "guest2" (process 1100) has ended; '
                                 "counting goes on when it is back")
        os.rename(kvm, kvm + ".old")
        shutil.copytree(kvm + ".old", kvm)
        shutil.rmtree(kvm + ".old")
        time.sleep(1)
        mkfixture.add_guest(self.root, 1700, "guest2", only=self.only)
        # It looks from time to time: uevents are those of the real kernel.
        before = len(self.lines())
        kvmtest.until(lambda: len(self.lines()) > before + 1, "it counts again", 30)
        self.count(process)
        self.end(process)  # without another message
        self.assertEqual(mkfixture.increment("exits", 1), self.total())

    def test_restart_between_two_samples(self):
        process = self.watch("-g", "guest2")
        with kvmtest.frozen(process):
            mkfixture.remove_guest(self.root, "1100-11")
            mkfixture.add_guest(self.root, 1700, "guest2", only=self.only)
        self.until_said(process, 'guest "guest2" is back as process 1700; its totals start from 0')
        self.count(process)
        self.end(process)
        self.assertEqual(mkfixture.increment("exits", 1), self.total())

    def test_two_of_the_name(self):
        """It is not known which one is meant."""
        process = self.watch("-g", "guest2")
        with kvmtest.frozen(process):
            mkfixture.remove_guest(self.root, "1100-11")
            for pid in (1700, 1800):
                mkfixture.add_guest(self.root, pid, "guest2", only=self.only)
        self.until_said(process, 'guest "guest2" (process 1100) has ended; '
                                 "counting goes on when it is back")
        self.count(process)
        self.end(process)
        self.assertEqual(0, self.total())

    def test_process_that_ends(self):
        """Who asks for a process is not given another one."""
        process = self.watch("-p", "1100")
        mkfixture.remove_guest(self.root, "1100-11")
        self.until_said(process, "process 1100 has ended: nothing more is counted")
        mkfixture.add_guest(self.root, 1700, "guest2", only=self.only)
        self.count(process)
        self.end(process)
        self.assertEqual(0, self.total())

    def test_another_process_of_that_number(self):
        for options, said in ((["-p", "1100"], "process 1100 has ended: nothing more is counted"),
                              (["-g", "guest2"], 'guest "guest2" (process 1100) has ended; '
                                                 "counting goes on when it is back")):
            for extra in ([], ["-c"], ["--format", "json"],
                          ["--format", "json", "--by", "guest"]):
                with self.subTest(options + extra):
                    self.setUp()
                    mkfixture.put_start(self.root, 1100, 500)
                    process = self.watch(*options, *extra)
                    with kvmtest.frozen(process):
                        mkfixture.remove_guest(self.root, "1100-11")
                        mkfixture.add_guest(self.root, 1100, "other", only=self.only)
                        mkfixture.put_start(self.root, 1100, 501)
                    self.until_said(process, said)
                    self.count(process)
                    # Nor when that one has ended as well.
                    mkfixture.remove_guest(self.root, "1100-11")
                    kvmtest.until_sampled(process, self.file)
                    self.end(process)
                    self.assertEqual(0, self.total(), "numbers of another guest")
                    if "json" in extra:
                        samples = list(map(json.loads, self.lines()))
                        self.assertNotIn("other", json.dumps(samples))
                        # What it did last is not known, which is said of that interval alone.
                        self.assertEqual(1, sum(sample["partial"] for sample in samples))
                        names = [row["guest"]["name"] for row in samples[-1]["rows"]]
                        self.assertEqual([] if "--by" in extra else ["guest2"], names)

    def test_another_guest_that_ends(self):
        """Nothing is missing in the numbers of the one that is watched."""
        process = self.watch("-p", "1100", "--format", "json")
        mkfixture.add_guest(self.root, 1700, "brief", only=self.only)
        self.count(process)
        mkfixture.remove_guest(self.root, "1700-11")
        self.count(process)
        self.end(process)
        self.assertEqual({False}, {json.loads(line)["partial"] for line in self.lines()})

    def test_back_with_its_number(self):
        mkfixture.put_start(self.root, 1100, 500)
        process = self.watch("-g", "guest2")
        with kvmtest.frozen(process):
            mkfixture.remove_guest(self.root, "1100-11")
            mkfixture.add_guest(self.root, 1100, "guest2", only=self.only)
            mkfixture.put_start(self.root, 1100, 501)
        self.until_said(process, 'guest "guest2" is back as process 1100; its totals start from 0')
        self.count(process)
        self.end(process)
        self.assertEqual(mkfixture.increment("exits", 1), self.total())


class LogWithoutGuests(LogCase):
    """A log that starts before the first guest (B9)."""
    guests = 0

    def test_rotation(self):
        self.assertEqual([], [line for line in self.rotate("-c") if not line.endswith(",0")])

    def test_guest_that_comes_later(self):
        process = self.start("-L", self.file, "-s", "0.2", "-f", FIELDS)
        with kvmtest.frozen(process):
            mkfixture.add_guest(self.root, 5000, "late", only=["exits", "io_exits", "pages_4k"])
            mkfixture.update_sums(self.root)
        kvmtest.until_sampled(process, self.file)
        mkfixture.advance(self.root)
        kvmtest.until_sampled(process, self.file)
        self.end(process)
        header, *records = self.lines()
        self.assertEqual("exits io_exits ", header)
        self.assertEqual(mkfixture.first_value("exits", 0) + mkfixture.increment("exits", 0),
                         sum(int(line.split()[2]) for line in records))

    def test_skip_zero_records(self):
        process = self.start("-l", "-z", "-s", "0.1", "-f", FIELDS)
        time.sleep(0.5)
        process.terminate()
        self.assertEqual("exits io_exits \n", process.communicate(timeout=20)[0])


if __name__ == "__main__":
    kvmtest.main()
