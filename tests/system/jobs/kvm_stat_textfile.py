#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm_stat-textfile.service as it is installed: the metrics of each guest are in its file to the last
exit, no others are, and the service may do nothing else.
"""
import json
import os
import re
import shutil
import stat

import job

os.environ["BIN_DIR"] = "/usr/bin"
import kvmtest  # noqa: E402

UNIT = "kvm_stat-textfile.service"
UNIT_FILE = f"/lib/systemd/system/{UNIT}"
DROP_IN = f"/run/systemd/system/{UNIT}.d/quick.conf"
DIRECTORY = "/var/lib/prometheus/node-exporter"
FILE = f"{DIRECTORY}/kvm_stat.prom"
DASHBOARD = "/usr/share/kvm_stat/grafana-kvm-host.json"
EXPOSURE_MAX = 2.4
CAPABILITIES = 1 << 38 | 1 << 21  # CAP_PERFMON, CAP_SYS_ADMIN


def unit(name):
    return job.do("systemctl", "show", "--property", name, "--value", UNIT).strip()


def metrics():
    """{sample with its labels: value}, of a file that is whole."""
    try:
        text = job.read(FILE)
    except FileNotFoundError:
        return {}
    assert text.startswith("# HELP kvm_stat_build_info ") and text.endswith("\n"), text[-80:]
    return {name: float(value) for name, value in re.findall(r"(?m)^([^#].*) (\S+)$", text)}


def dashboard_metrics():
    """What the panels of the dashboard ask for."""
    panels = json.loads(job.read(DASHBOARD))["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(expressions) > 20
    return {name for text in expressions
            for name in re.findall(r"\bkvm_\w+", re.sub(r'"[^"]*"', "", text))}


class Textfile(kvmtest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.symlink(os.path.abspath("kvm-sample-guest"), kvmtest.SAMPLE_GUEST)
        # Quicker than as installed; nothing else differs.
        command = re.search(r"^ExecStart=(.*)$", job.read(UNIT_FILE), re.MULTILINE)[1]
        quicker = command.replace(" -s 15 ", " -s 0.5 ")
        assert command != quicker, command
        job.write(DROP_IN, f"[Service]\nExecStart=\nExecStart={quicker}\nRestartSec=1\n"
                  "[Unit]\nStartLimitIntervalSec=0\n")
        job.do("systemctl", "daemon-reload")

    def setUp(self):
        super().setUp()
        job.load_kvm()
        os.makedirs(DIRECTORY, exist_ok=True)
        self.addCleanup(self.clear)

    @staticmethod
    def clear():
        job.run("systemctl", "stop", UNIT)
        job.run("systemctl", "reset-failed", UNIT)
        shutil.rmtree(DIRECTORY, ignore_errors=True)

    def start(self):
        job.do("systemctl", "start", UNIT)
        job.until(metrics, "the first metrics")
        return int(unit("MainPID"))

    def stop(self):
        job.do("systemctl", "stop", UNIT)
        self.assertEqual(("inactive", "success", "0"), (unit("ActiveState"), unit("Result"),
                                                        unit("ExecMainStatus")))

    def guest(self, name):
        guest = kvmtest.SampleGuest("--io", "700", "--cpuid", "60", "--halts", "5", "--linger",
                                    "120", "--name", name)
        self.addCleanup(guest.__exit__)
        return guest

    def until_value(self, sample, value):
        job.until(lambda: metrics().get(sample) == value, f"{sample} is {value}")

    def test_guests(self):
        """Started before KVM is loaded, it waits; then each guest has what it did."""
        job.unload_kvm()
        job.do("systemctl", "start", UNIT)
        job.until(lambda: "KVM is not loaded" in job.do("journalctl", "--unit", UNIT, "--output",
                                                        "cat", "--no-pager"), "it waits")
        self.assertEqual([], os.listdir(DIRECTORY))
        job.load_kvm()
        job.until(metrics, "the first metrics")
        guests = [self.guest("web"), self.guest('say "db"')]
        labels = [f'guest="web",pid="{guests[0].pid}"',
                  f'guest="say \\"db\\"",pid="{guests[1].pid}"']
        for guest, label in zip(guests, labels):
            self.until_value(f"kvm_pio_total{{{label}}}", 0)
            guest.go()
            self.assertEqual("io=700 cpuid=60 halts=5", guest.result())
            self.until_value(f"kvm_pio_total{{{label}}}", 700)
            for sample, value in ((f'kvm_exit_total{{{label},reason="IOIO"}}', 700),
                                  (f'kvm_exit_total{{{label},reason="CPUID"}}', 60),
                                  (f'kvm_userspace_exit_total{{{label},reason="IO"}}', 700),
                                  (f'kvm_userspace_exit_total{{{label},reason="HLT"}}', 5)):
                self.until_value(sample, value)
        self.assertEqual(2, metrics()["kvm_stat_guests"])
        self.assertEqual(set(), dashboard_metrics() - {re.match(r"\w+", name)[0]
                                                       for name in metrics()})
        guests[0].process.kill()
        job.until(lambda: not any(labels[0] in name for name in metrics()), "web is gone")
        self.assertEqual(700, metrics()[f"kvm_pio_total{{{labels[1]}}}"])
        self.assertEqual(0o100644, os.stat(FILE).st_mode)
        self.stop()
        self.assertEqual([], os.listdir(DIRECTORY))

    def test_module_loaded_again(self):
        """As to change a parameter of it: KVM's directory in debugfs is another one after that."""
        pid = self.start()
        job.do("rmmod", "kvm_amd")
        self.assertFalse(os.path.exists("/sys/kernel/debug/kvm"))
        job.load_kvm()
        guest = self.guest("web")
        label = f'guest="web",pid="{guest.pid}"'
        self.until_value(f"kvm_pio_total{{{label}}}", 0)
        guest.go()
        self.assertEqual("io=700 cpuid=60 halts=5", guest.result())
        self.until_value(f"kvm_pio_total{{{label}}}", 700)
        self.assertEqual(str(pid), unit("MainPID"))
        self.stop()

    def test_killed(self):
        """What it wrote holds no more, and it begins anew."""
        job.do("systemctl", "stop", UNIT)
        pid = self.start()
        begun = metrics()["kvm_stat_start_time_seconds"]
        text = job.read(DROP_IN)
        self.addCleanup(job.do, "systemctl", "daemon-reload")
        self.addCleanup(job.write, DROP_IN, text)
        job.write(DROP_IN, text.replace("RestartSec=1\n", "RestartSec=5\n"))
        job.do("systemctl", "daemon-reload")
        os.kill(pid, 9)
        # The kernel takes seconds to end a process that counts a hundred tracepoints.
        job.until(lambda: not os.path.exists(FILE), "the file is gone", 30)
        job.until(lambda: metrics().get("kvm_stat_start_time_seconds", 0) > begun, "it is back")
        self.assertNotEqual(str(pid), unit("MainPID"))
        self.stop()

    def test_without_node_exporter(self):
        """Without its directory there is nobody to write for: no failure, no restarts."""
        os.rmdir(DIRECTORY)
        job.do("systemctl", "start", UNIT)
        self.assertEqual(("inactive", "no", "0"), (unit("ActiveState"), unit("ConditionResult"),
                                                   unit("NRestarts")))

    def test_what_it_may_do(self):
        pid = self.start()
        status = job.read(f"/proc/{pid}/status")
        for name, value in (("CapEff", f"{CAPABILITIES:016x}"), ("CapBnd", f"{CAPABILITIES:016x}"),
                            ("NoNewPrivs", "1"), ("Seccomp", "2")):
            self.assertRegex(status, rf"(?m)^{name}:\t{value}$")
        inside = ["nsenter", "--target", str(pid), "--mount"]
        for path in ("/etc/x", "/usr/x", "/var/lib/x", "/var/log/x", "/var/lib/prometheus/x"):
            result = job.run(*inside, "sh", "-c", 'echo x >"$0"', path)
            self.assertIn("Read-only file system", result.stderr, path)
        job.do(*inside, "touch", f"{DIRECTORY}/x")
        self.assertTrue(stat.S_ISREG(os.stat(f"{DIRECTORY}/x").st_mode))

    def test_systemd_judges_it(self):
        self.assertEqual("", job.complaints(UNIT))
        self.assertLessEqual(job.exposure(UNIT), EXPOSURE_MAX)


def unprotected():
    """The unit without what confines it, and without what clears up and asks before."""
    kept = [line for line in job.read(UNIT_FILE).splitlines(True)
            if line[0] in "#[\n" or re.match(
                "(Description|Documentation|Wants|After|Type|ExecStart=|Restart|Syslog|Limit)",
                line)]
    job.write(UNIT_FILE, "".join(kept))


def another_guest():
    """kvm_stat that does not tell the guests apart."""
    text = job.read(UNIT_FILE)
    assert "--by guest " in text
    job.write(UNIT_FILE, text.replace("--by guest ", ""))


if __name__ == "__main__":
    job.main({
        "unprotected": job.Control(unprotected, ["test_killed", "test_without_node_exporter",
                                                 "test_what_it_may_do",
                                                 "test_systemd_judges_it"]),
        "by-field": job.Control(another_guest, ["test_guests", "test_module_loaded_again"]),
    })
