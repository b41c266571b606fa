#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat.service as it is installed: what guests do is in its log to the last exit, whatever
happens to the log meanwhile, and the service may do nothing else.
"""
import contextlib
import csv
import glob
import gzip
import os
import re
import shutil
import signal
import time

import counting
import job
from counting import kvmtest

UNIT = "kvm_stat.service"
UNIT_FILE = "/lib/systemd/system/kvm_stat.service"
LOG = "/var/log/kvm_stat.csv"
JOURNAL = "/run/journal-of-this-boot"  # stays when something is mounted at /var/log
ROTATION = "/etc/logrotate.d/kvm_stat"
EXPOSURE_MAX = 2.2
INTERVAL = 0.5
COUNTED = ("kvm_pio", "kvm_exit(IOIO)", "io_exits")
# Debian's kernels let nobody without CAP_SYS_ADMIN count, as perf_event_paranoid is 3 there.
CAPABILITIES = 1 << 38 | 1 << 21  # CAP_PERFMON, CAP_SYS_ADMIN


def unit(name):
    return job.do("systemctl", "show", "--property", name, "--value", UNIT).strip()


def journal():
    return job.do("journalctl", "--unit", UNIT, "--output", "cat", "--no-pager", "--directory",
                  JOURNAL)


def read_log(path):
    """The records of one log, all of them whole, below the one header it begins with."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        text = f.read()
    assert text.endswith("\n"), f"{path}: the last line is not whole: {text[-80:]!r}"
    lines = list(csv.reader(text.splitlines()))
    assert lines[0][0] == "timestamp", f"{path}: no header: {lines[0][:3]}"
    for line in lines[1:]:
        assert len(line) == len(lines[0]), f"{path}: {len(line)} of {len(lines[0])}: {line[:3]}"
        assert line[0] != "timestamp", f"{path}: two headers"
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def count_lines(path):
    """Of a log that is being written to."""
    with contextlib.suppress(FileNotFoundError):
        return job.read(path).count("\n")
    return 0


def read_logs():
    return [record for path in sorted(glob.glob(LOG + "*"), reverse=True)
            for record in read_log(path)]


def logged():
    """What all logs have of the guests' exits, by what counts them."""
    records = read_logs()
    return {name: sum(int(record[name]) for record in records) for name in COUNTED}


class Service(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        counting.install_guest()
        os.mkdir(JOURNAL)
        job.do("mount", "--bind", "/var/log/journal", JOURNAL)
        # Quicker than as installed; nothing else differs.
        command = re.search(r"^ExecStart=(.*)$", job.read(UNIT_FILE), re.MULTILINE)[1]
        quicker = command.replace(" -s 10 ", f" -s {INTERVAL} ")
        assert command != quicker, command
        job.write(f"/run/systemd/system/{UNIT}.d/quick.conf",
                  f"[Service]\nExecStart=\nExecStart={quicker}\nRestartSec=1\n"
                  "[Unit]\nStartLimitIntervalSec=0\n")
        job.do("systemctl", "daemon-reload")

    def setUp(self):
        super().setUp()
        job.load_kvm()
        self.addCleanup(self.clear)

    @staticmethod
    def clear():
        job.run("systemctl", "stop", UNIT)
        job.run("systemctl", "reset-failed", UNIT)
        for path in glob.glob(LOG + "*"):
            job.remove(path)

    def start(self):
        """The service, when it counts."""
        job.do("systemctl", "start", UNIT)
        pid = int(unit("MainPID"))
        job.until(lambda: count_lines(LOG) and kvmtest.sleeps(pid) or not os.path.exists(
            f"/proc/{pid}"), "the service has taken its first sample")
        self.assertTrue(os.path.exists(f"/proc/{pid}"), "the service has ended")
        return pid

    def stop(self):
        job.do("systemctl", "stop", UNIT)
        self.assertEqual(("inactive", "success", "0"), (unit("ActiveState"), unit("Result"),
                                                        unit("ExecMainStatus")))

    def guest(self):
        """A guest that works from now until it is told to end()."""
        guest = kvmtest.SampleGuest("--io", "1000", "--cpuid", "0", "--halts", "0", "--forever",
                                    "--rate", "200", "--linger", "60")
        self.addCleanup(guest.__exit__)
        guest.go()
        return guest

    def end(self, guest, before=None):
        """Returns how many exits it has made, when they are in the log too, beside those before."""
        before = before or dict.fromkeys(COUNTED, 0)
        guest.process.terminate()
        count = int(re.match(r"io=(\d+) cpuid=0 halts=0$", guest.result())[1])
        job.until(lambda: all(number >= before[name] + count for name, number in logged().items()),
                  "the log has its last exit")
        return count

    def assert_logged(self, count):
        self.assertEqual(dict.fromkeys(COUNTED, count), logged())

    def test_log(self):
        """Started before KVM is loaded, it waits; until it is stopped, all is logged."""
        job.unload_kvm()
        job.do("systemctl", "start", UNIT)
        pid = int(unit("MainPID"))
        job.until(lambda: "counting starts when it is" in journal(), "it says that it waits")
        job.until(lambda: kvmtest.sleeps(pid), "it waits")
        self.assertEqual(("active", str(pid)), (unit("ActiveState"), unit("MainPID")))
        job.load_kvm()
        job.until(lambda: count_lines(LOG), "the log has begun")
        guest = self.guest()
        job.until(lambda: count_lines(LOG) > 2, "the log has records")
        count = self.end(guest)
        self.stop()
        self.assert_logged(count)
        self.assertEqual(0o100644, os.stat(LOG).st_mode)

    def rotate(self):
        """As Debian does it once a day: its service, for which the last time was yesterday."""
        yesterday = time.strftime("%Y-%m-%d-0:0:0", time.gmtime(time.time() - 90000))
        job.write("/var/lib/logrotate/status",
                  f'logrotate state -- version 2\n"{LOG}" {yesterday}\n', 0o640)
        before = os.stat(LOG).st_ino
        job.do("systemctl", "start", "logrotate.service")
        self.assertEqual(before, os.stat(LOG + ".1").st_ino, "nothing was rotated")

    def test_rotation(self):
        pid = self.start()
        guest = self.guest()
        job.until(lambda: count_lines(LOG) > 1, "the log has records")
        for _ in range(3):
            self.rotate()
            job.until(lambda: count_lines(LOG) > 1, "the new log has records")
        count = self.end(guest)
        self.assertEqual(str(pid), unit("MainPID"), "it was restarted")
        self.stop()
        self.assertEqual([LOG, LOG + ".1", LOG + ".2.gz", LOG + ".3.gz"],
                         sorted(glob.glob(LOG + "*")))
        for path in glob.glob(LOG + "*"):
            self.assertGreater(len(read_log(path)), 0, path)
        self.assert_logged(count)

    @staticmethod
    def has_nothing_to_write(since):
        """Whether it has run since then for three intervals. Time itself is what is waited for: one
        with a record to write would have ended at the next interval.
        """
        started = int(unit("ExecMainStartTimestampMonotonic")) / 1e6
        return (unit("ActiveState") == "active" and kvmtest.sleeps(int(unit("MainPID")))
                and time.monotonic() > max(since, started) + 3 * INTERVAL)

    def test_full_disk(self):
        """It says so and ends, with all lines whole; once there is room, it goes on. What a guest
        does when there is room is in the log, and nothing twice.
        """
        job.do("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", "/var/log")
        self.addCleanup(job.do, "umount", "-l", "/var/log")
        self.addCleanup(self.clear)
        self.start()
        first = self.guest()
        job.until(lambda: count_lines(LOG) > 2, "the log has records")
        first = self.end(first)
        self.assert_logged(first)
        with open("/var/log/ballast", "wb") as f:
            job.run("cat", "/dev/zero", stdout=f)
        second = self.guest()
        job.until(lambda: "No space left on device" in journal(), "the full disk is said")
        second.__exit__()
        second_ended = time.monotonic()
        job.until(lambda: self.has_nothing_to_write(second_ended), "it waits for exits")
        full, text = logged(), job.read(LOG)
        self.assertGreaterEqual(min(full.values()), first)
        job.remove("/var/log/ballast")
        third = self.guest()
        job.until(lambda: count_lines(LOG) > text.count("\n") + 1, "the log goes on")
        third = self.end(third, full)
        self.assertEqual("active", unit("ActiveState"))
        self.stop()
        self.assertTrue(job.read(LOG).startswith(text))
        self.assertEqual({name: full[name] + third for name in COUNTED}, logged())

    def test_stop_under_load(self):
        """Each exit up to the last record that was due is there, and the service ends by itself."""
        self.start()
        guest = self.guest()
        job.until(lambda: count_lines(LOG) > 3, "the log has records")
        # The guest stands still: then the log has to have all of it, however many records that is.
        counting.freeze(guest)
        exits = counting.counters(guest)["io_exits"]
        job.until(lambda: min(logged().values()) >= exits, "the log has its last exit")
        self.assert_logged(exits)
        guest.process.send_signal(signal.SIGCONT)
        # It works: two records later one of them was begun after it had made these exits.
        lines = count_lines(LOG)
        job.until(lambda: counting.counters(guest)["io_exits"] > exits, "the guest works again")
        exits = counting.counters(guest)["io_exits"]
        job.until(lambda: count_lines(LOG) >= lines + 3, "the log has records of that")
        before, text = logged(), job.read(LOG)
        self.stop()
        self.assertTrue(job.read(LOG).startswith(text))
        self.assertGreater(counting.counters(guest)["io_exits"], max(before.values()), "no load")
        for name, count in logged().items():
            self.assertGreaterEqual(before[name], exits, name)
            self.assertGreaterEqual(count, before[name], name)
            self.assertLessEqual(count, counting.counters(guest)["io_exits"], name)

    def test_what_it_may_do(self):
        pid = self.start()
        status = job.read(f"/proc/{pid}/status")
        for name, value in (("CapEff", f"{CAPABILITIES:016x}"), ("CapBnd", f"{CAPABILITIES:016x}"),
                            ("NoNewPrivs", "1"), ("Seccomp", "2")):
            self.assertRegex(status, rf"(?m)^{name}:\t{value}$")
        inside = ["nsenter", "--target", str(pid), "--mount"]
        for path in ("/etc/x", "/usr/x", "/var/lib/x", "/proc/sys/kernel/hostname"):
            result = job.run(*inside, "sh", "-c", 'echo x >"$0"', path)
            self.assertIn("Read-only file system", result.stderr, path)
        for path in ("/tmp", "/home"):
            job.write(f"{path}/secret", "")
            self.assertEqual("", job.do(*inside, "ls", "-A", path))
        job.do(*inside, "touch", "/var/log/kvm_stat.csv.x")

    def test_systemd_understands_it(self):
        self.assertEqual("", job.complaints(UNIT))

    def test_exposure(self):
        self.assertLessEqual(job.exposure(UNIT), EXPOSURE_MAX)


def upstream():
    """The kernel's own program in this unit, which was made for it."""
    shutil.copy("upstream-kvm_stat", kvmtest.KVM_STAT)
    os.chmod(kvmtest.KVM_STAT, 0o755)


def no_reload_no_restart():
    """logrotate tells nobody, and nobody starts the service again."""
    text = job.read(ROTATION)
    job.write(ROTATION, re.sub(r"\tpostrotate.*endscript\n", "", text, flags=re.DOTALL))
    job.write(UNIT_FILE, job.read(UNIT_FILE).replace("Restart=always\n", ""))


def unprotected():
    """The unit without what confines it, and with a typing error."""
    kept = [line for line in job.read(UNIT_FILE).splitlines(True)
            if line[0] in "#[\n" or re.match(
                "(Description|Documentation|Before|Wants|After|Type|Exec|Restart|Syslog|Limit)",
                line)]
    job.write(UNIT_FILE, "".join(kept).replace("[Service]\n", "[Service]\nEnviroment=A=B\n"))


if __name__ == "__main__":
    job.main({
        "upstream": job.Control(upstream, ["test_log", "test_stop_under_load"]),
        "no-reload-no-restart": job.Control(no_reload_no_restart, ["test_rotation",
                                                                   "test_full_disk"]),
        "unprotected": job.Control(unprotected, [
            "test_what_it_may_do", "test_systemd_understands_it", "test_exposure"]),
    })
