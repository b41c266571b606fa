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
import time

import job

os.environ["BIN_DIR"] = "/usr/bin"
import kvmtest  # noqa: E402

UNIT = "kvm_stat.service"
UNIT_FILE = "/lib/systemd/system/kvm_stat.service"
LOG = "/var/log/kvm_stat.csv"
JOURNAL = "/run/journal-of-this-boot"  # stays when something is mounted at /var/log
ROTATION = "/etc/logrotate.d/kvm_stat"
EXPOSURE_MAX = 2.2
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


def logged(name):
    return sum(int(record[name]) for record in read_logs())


class Service(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.symlink(os.path.abspath("kvm-sample-guest"), kvmtest.SAMPLE_GUEST)
        os.mkdir(JOURNAL)
        job.do("mount", "--bind", "/var/log/journal", JOURNAL)
        # Quicker than as installed; nothing else differs.
        command = re.search(r"^ExecStart=(.*)$", job.read(UNIT_FILE), re.MULTILINE)[1]
        quicker = command.replace(" -s 10 ", " -s 0.5 ")
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

    @staticmethod
    def end(guest):
        """Returns how many exits it has made. What it did is in the log a second later."""
        guest.process.terminate()
        count = int(re.match(r"io=(\d+) cpuid=0 halts=0$", guest.result())[1])
        time.sleep(1.2)
        return count

    def assert_logged(self, count):
        self.assertEqual({"kvm_pio": count, "kvm_exit(IOIO)": count, "io_exits": count},
                         {name: logged(name) for name in ("kvm_pio", "kvm_exit(IOIO)",
                                                          "io_exits")})

    def test_log(self):
        """Started before KVM is loaded, it waits; until it is stopped, all is logged."""
        job.unload_kvm()
        job.do("systemctl", "start", UNIT)
        pid = int(unit("MainPID"))
        time.sleep(1)
        self.assertEqual(("active", str(pid)), (unit("ActiveState"), unit("MainPID")))
        job.load_kvm()
        job.until(lambda: count_lines(LOG), "the log has begun")
        guest = self.guest()
        time.sleep(1.5)
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
        for _ in range(3):
            time.sleep(1)
            self.rotate()
            job.until(lambda: count_lines(LOG) > 1, "the new log has records", 10)
        count = self.end(guest)
        self.assertEqual(str(pid), unit("MainPID"), "it was restarted")
        self.stop()
        self.assertEqual([LOG, LOG + ".1", LOG + ".2.gz", LOG + ".3.gz"],
                         sorted(glob.glob(LOG + "*")))
        for path in glob.glob(LOG + "*"):
            self.assertGreater(len(read_log(path)), 0, path)
        self.assert_logged(count)

    def test_full_disk(self):
        """It says so and ends, with all lines whole; once there is room, it goes on."""
        job.do("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", "/var/log")
        self.addCleanup(job.do, "umount", "-l", "/var/log")
        self.addCleanup(self.clear)
        self.start()
        self.guest()
        job.until(lambda: count_lines(LOG) > 2, "the log has records")
        with open("/var/log/ballast", "wb") as f:
            job.run("cat", "/dev/zero", stdout=f)
        job.until(lambda: "No space left on device" in journal(), "the full disk is said")
        records = len(read_log(LOG))
        time.sleep(3)
        self.assertEqual(records, len(read_log(LOG)))
        job.remove("/var/log/ballast")
        job.until(lambda: count_lines(LOG) > records + 3, "the log goes on")
        self.assertEqual("active", unit("ActiveState"))
        self.stop()
        read_log(LOG)

    def test_stop_under_load(self):
        """Every record that was due is there, and the service ends at once."""
        self.start()
        self.guest()
        time.sleep(2.2)
        start = time.monotonic()
        self.stop()
        self.assertLess(time.monotonic() - start, 20)
        records = read_logs()
        self.assertGreaterEqual(len(records), 4)
        self.assertTrue(all(int(record["kvm_pio"]) > 0 for record in records))

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

    def test_systemd_judges_it(self):
        self.assertEqual("", job.complaints(UNIT))
        self.assertLessEqual(job.exposure(UNIT), EXPOSURE_MAX)


def upstream():
    """The kernel's own program in this unit, which was made for it."""
    shutil.copy("upstream-kvm_stat", kvmtest.KVM_STAT)
    os.chmod(kvmtest.KVM_STAT, 0o755)


def no_reload():
    """logrotate tells nobody."""
    text = job.read(ROTATION)
    job.write(ROTATION, re.sub(r"\tpostrotate.*endscript\n", "", text, flags=re.DOTALL))


def unprotected():
    """The unit without what confines it."""
    kept = [line for line in job.read(UNIT_FILE).splitlines(True)
            if line[0] in "#[\n" or re.match(
                "(Description|Documentation|Before|Wants|After|Type|Exec|Restart|Syslog|Limit)",
                line)]
    job.write(UNIT_FILE, "".join(kept))


if __name__ == "__main__":
    job.main({
        "upstream": job.Control(upstream, ["test_log", "test_rotation", "test_full_disk",
                                           "test_stop_under_load"]),
        "no-reload": job.Control(no_reload, ["test_rotation"]),
        "unprotected": job.Control(unprotected, ["test_what_it_may_do", "test_systemd_judges_it"]),
    })
