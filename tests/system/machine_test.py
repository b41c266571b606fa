#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""machine believes no job that it has not seen end, keeps what is needed to find out why, and
leaves nothing behind; images are made once and renewed.
"""
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import image  # noqa: E402
import process  # noqa: E402

MACHINE = os.path.join(HERE, "machine")
IMAGE, HELPER = sys.argv[1:3]


def runs(pid):
    """Whether it is there and has not ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="machine-test-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.kept = os.path.join(self.directory, "kept")
        self.temporary = os.path.join(self.directory, "tmp")
        os.mkdir(self.temporary)
        self.environment = {**os.environ, "TMPDIR": self.temporary}

    def until(self, condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, f"not within {seconds} s")
            time.sleep(0.02)

    def script(self, text, name="script"):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o755)
        return path

    def command(self, text, *options, files=()):
        return [sys.executable, MACHINE, "run", "--image", IMAGE, "--helper", HELPER, "--keep",
                self.kept, *options, self.script(f"#!/bin/bash\n{text}\n"), *files]

    def run_job(self, text, *options, files=()):
        return subprocess.run(self.command(text, *options, files=files), capture_output=True,
                              text=True, check=False, env=self.environment)

    def kept_file(self, name):
        with open(os.path.join(self.kept, name), encoding="utf-8", errors="replace") as f:
            return f.read()


class Status(Case):
    def assert_status(self, expected, text, *options, files=()):
        result = self.run_job(text, *options, files=files)
        self.assertEqual(expected, result.returncode, result.stdout + result.stderr)
        return result

    def test_of_the_job(self):
        for status in (0, 7, 255):
            with self.subTest(status):
                self.assert_status(status, f"exit {status}")

    def test_of_a_job_that_hangs(self):
        result = self.assert_status(124, "echo begun; sleep 1000", "--timeout", "30")
        self.assertEqual("begun\n", result.stdout)
        # What the machine did then is kept.
        self.assertRegex(self.kept_file("console"), r"task:sleep\s")
        self.assertIn("'status': 'running'", self.kept_file("machine"))
        self.assertRegex(self.kept_file("machine"), r"\bRIP=[0-9a-f]{16}\b")

    def test_of_a_machine_that_ends_on_its_own(self):
        for end in ("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 100",
                    "systemctl reboot --force --force; sleep 100",
                    "systemctl poweroff --force --force; sleep 100"):
            with self.subTest(end):
                self.assert_status(125, end, "--timeout", "60")

    def test_of_a_job_that_forges_one_witness(self):
        for forgery in ("./machine-exit 32", "./machine-exit 0", "./machine-exit 33",
                        # It says 0 on the disk, and the other witness that it failed.
                        'trap "echo 0 >$JOB_OUTPUT/status" EXIT; exit 3 & ./machine-exit 33'):
            with self.subTest(forgery):
                self.assert_status(125, forgery)

    def test_of_a_job_that_leaves_too_much(self):
        self.assert_status(125, "head -c 70000000 /dev/zero >$JOB_OUTPUT/large")

    def test_of_a_killed_agent(self):
        self.assert_status(124, "kill -9 $PPID; sleep 1000", "--timeout", "8")


    def test_of_a_machine_on_which_a_unit_has_failed(self):
        unit = "[Service]\\nType=oneshot\\nExecStart=/bin/false\\n"
        text = f"""[ "$1" = before-boot ] || exit 0
cd /etc/systemd/system && printf '{unit}' >bad.service &&
ln -s ../bad.service multi-user.target.wants"""
        result = self.assert_status(125, text, "--before-boot")
        self.assertRegex(result.stderr, r"units have failed at boot:\s+bad\.service")

    def test_of_a_machine_whose_clock_is_wrong(self):
        result = self.assert_status(125, "echo begun", "--boot", "tsc_early_khz=300000")
        self.assertEqual("", result.stdout)
        self.assertEqual(image.BOOTS - 1, result.stderr.count("booted again"))
        self.assertRegex(result.stderr, r"machine: the clock is wrong by -?\d+ s")

    def test_of_a_test_that_waits_for_ever(self):
        """It is told where it stands, and does not count as a failure that a control is to make."""
        job = self.script("""#!/usr/bin/python3
import sys, unittest
import job
class Test(unittest.TestCase):
    def test_that_waits(self):
        open("/dev/ttyS0").read()
    def test_that_would_follow(self):
        pass
job.main({})
""", "waiting")
        result = self.assert_status(1, "exec ./waiting", "--timeout", "20", files=[
            job, os.path.join(HERE, "jobs", "job.py")])
        self.assertRegex(result.stdout, r'open\("/dev/ttyS0"\)(.*\s)+.*nearly over')
        self.assertEqual({"test_that_waits": "not done"},
                         json.loads(self.kept_file("results.json"))["tests"])


class Traffic(Case):
    def test_files_go_in_and_come_out(self):
        os.makedirs(f"{self.directory}/tree/sub")
        with open(f"{self.directory}/tree/sub/x", "w", encoding="ascii") as f:
            f.write("inside\n")
        os.makedirs(f"{self.directory}/root/usr/bin")
        self.script("#!/bin/sh\necho installed\n", "root/usr/bin/thing")
        os.symlink("thing", f"{self.directory}/root/usr/bin/other")
        tar = f"{self.directory}/install.tar"
        subprocess.run(["tar", "-C", f"{self.directory}/root", "-cf", tar, "."], check=True)
        result = self.run_job(
            'cat tree/sub/x && other && echo "$WORD" && mkdir $JOB_OUTPUT/d && '
            'echo back >$JOB_OUTPUT/d/f && test -L /bin && stat -c %a /usr/bin/thing',
            "--install", tar, "--env", "WORD=it's me", files=[f"{self.directory}/tree"])
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
        self.assertEqual("inside\ninstalled\nit's me\n755\n", result.stdout)
        self.assertEqual("back\n", self.kept_file("d/f"))

    def test_all_output_comes(self):
        self.run_job("seq 20000; printf 'a\\r\\tb\\0c'")
        with open(f"{self.kept}/output", "rb") as f:
            self.assertEqual(b"".join(b"%d\n" % n for n in range(1, 20001)) + b"a\r\tb\0c",
                             f.read())

    def test_clock_and_network(self):
        result = self.run_job("date +%s; ls /sys/class/net")
        seconds, network = result.stdout.split("\n", 1)
        self.assertLess(abs(int(seconds) - time.time()), 60)
        self.assertEqual("lo\n", network)

    def test_failure_is_explained_and_kept(self):
        result = self.run_job("echo to the console >/dev/ttyS0; echo to me; "
                              "echo to the journal | systemd-cat; exit 9")
        self.assertEqual((9, "to me\n"), (result.returncode, result.stdout))
        self.assertIn("    to the console\n", result.stderr)
        self.assertRegex(result.stderr, "\n    [^\n]*: to the journal\n")
        self.assertIn(self.kept, result.stderr)
        for name, text in (("output", "to me"), ("console", "to the console"), ("status", "9"),
                           ("dmesg", "Linux version"), ("journal", "systemd")):
            self.assertIn(text, self.kept_file(name))

    def test_machines_do_not_share_their_disks(self):
        text = "test ! -e /x && echo $WORD >/x && sync && sleep 1 && grep $WORD /x && rm job"
        commands = [self.command(text, "--env", f"WORD=word{n}") for n in range(3)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                    text=True, env=self.environment) for command in commands]
        self.assertEqual([f"word{n}\n" for n in range(3)], [r.communicate()[0] for r in started])
        self.assertEqual([0, 0, 0], [r.returncode for r in started])

    def test_other_boots(self):
        result = self.run_job("cat /proc/cmdline; grep -c svm /proc/cpuinfo", "--boot",
                              "module_blacklist=kvm_amd quiet", "--cpu", "qemu64,-svm,+rdrand")
        self.assertRegex(result.stdout, r"module_blacklist=kvm_amd quiet\n0\n")


class Leftovers(Case):
    def machines(self, marker):
        """QEMU processes of this test: they have its directory as TMPDIR."""
        found = []
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as f:
                    if marker.encode() in f.read() and os.readlink(
                            os.path.dirname(path) + "/exe").endswith(image.QEMU):
                        found.append(path)
            except OSError:
                pass
        return found

    def test_none_of_a_run(self):
        self.assertEqual(0, self.run_job("true").returncode)
        self.assertEqual([], os.listdir(self.temporary))

    def test_none_when_it_is_ended(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
            with self.subTest(number), subprocess.Popen(
                    self.command("echo begun; sleep 1000"), stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True, env=self.environment) as run:
                self.assertEqual("begun\n", run.stdout.readline())
                self.assertEqual(1, len(self.machines(self.temporary)))
                run.send_signal(number)
                run.communicate()
                self.assertEqual(-9 if number == signal.SIGKILL else 128 + number, run.returncode)
                self.until(lambda: not self.machines(self.temporary))
                self.assertEqual([], os.listdir(self.temporary))


class Control(Case):
    """`machine test` on jobs that say what the tests and controls did."""

    JOB = """#!/usr/bin/python3
import json, os, sys
reports = json.loads(os.environ["REPORTS"])
status, tests, *expected = reports[os.environ.get("CONTROL", "")]
with open(os.environ["JOB_OUTPUT"] + "/results.json", "w") as f:
    json.dump({"expected": expected[0] if expected else list(tests), "tests": tests,
               "controls": [name for name in reports if name]}, f)
sys.exit(status)
"""

    def run_test(self, reports):
        job = self.script(self.JOB)
        return subprocess.run(
            [sys.executable, MACHINE, "test", "--image", IMAGE, "--helper", HELPER, "--keep",
             self.kept, "--env", "REPORTS=" + json.dumps(reports), job],
            capture_output=True, text=True, check=False, env=self.environment)

    def test_verdicts(self):
        good = (0, {"a": "passed", "b": "passed"})
        for expected, reports in (
                (0, {"": good, "without": (1, {"a": "failed", "b": "failed"})}),
                (1, {"": good}),  # no control at all
                (0, {"": good, "one": (1, {"a": "failed"}), "other": (1, {"b": "failed"})}),
                (1, {"": good, "one": (1, {"a": "failed"})}),  # nothing makes b fail
                (1, {"": (0, {}), "without": (1, {"a": "failed"})}),
                (1, {"": (1, {"a": "failed"}), "without": (1, {"a": "failed"})}),
                (1, {"": good, "without": (1, {"a": "failed", "b": "passed"})}),
                (1, {"": good, "without": (0, {"a": "failed", "b": "failed"})}),
                (1, {"": good, "without": (1, {})}),
                (1, {"": good, "without": (124, {"a": "failed"})}),
                # An error before the tests, and one of them that has not run.
                (1, {"": good, "without": (1, {"a": "failed", "b": "failed"}, ["a", "b", "c"])}),
                (1, {"": good, "without": (1, {"A)": "failed"}, ["a", "b"])})):
            with self.subTest(reports):
                result = self.run_test(reports)
                self.assertEqual(expected, result.returncode, result.stdout + result.stderr)


class Cache(Case):
    """What is made when, with a stand-in for the making."""

    BUILD = r"""
import os, sys, time
sys.path.insert(0, sys.argv[1])
import image, process
process.end_on_signals()
image.obstacle = lambda: None
if len(sys.argv) > 3:
    image._key = lambda: sys.argv[3]

def make(new, log):
    print("making", flush=True)
    time.sleep(float(os.environ.get("SECONDS", "1")))
    if "FAIL" in os.environ:
        raise process.Failed("no network")
    open(new + "/state", "w").close()

image._make_tree, image._make_disk, image._make_state = make, lambda *_: None, lambda *_: None
made = image.need(sys.argv[2])
print(os.path.basename(made.path))
"""

    def start(self, key="key", **environment):
        return subprocess.Popen(
            [sys.executable, "-c", self.BUILD, HERE, f"{self.directory}/image", key],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**self.environment, **environment})

    def make(self, key="key", **environment):
        run = self.start(key, **environment)
        out, _ = run.communicate()
        self.assertEqual(0, run.returncode)
        return out.split()

    def images(self):
        return sorted(name for name in os.listdir(f"{self.directory}/image")
                      if name not in ("lock", "build.log"))

    def test_two_first_builds(self):
        outputs = [run.communicate()[0].split() for run in [self.start() for _ in range(3)]]
        self.assertEqual(1, sum(output.count("making") for output in outputs))
        self.assertEqual(1, len({output[-1] for output in outputs}))
        self.assertEqual([outputs[0][-1]], self.images())

    def test_other_inputs_replace_it(self):
        first = self.make()
        self.assertEqual([first[-1]], self.make())
        second = self.make("other")
        self.assertEqual("making", second[0])
        self.assertEqual([second[-1]], self.images())

    def age(self):
        [name] = self.images()
        old = f"key-{int(time.time()) - image.AGE_MAX - 10}"
        os.rename(f"{self.directory}/image/{name}", f"{self.directory}/image/{old}")
        return old

    def test_age_renews_it(self):
        self.make()
        old = self.age()
        new = self.make()
        self.assertEqual("making", new[0])
        self.assertEqual([new[-1]], self.images())
        self.assertNotEqual(old, new[-1])

    def test_old_one_stays_when_it_cannot_be_renewed(self):
        self.make()
        old = self.age()
        self.assertEqual(["making", old], self.make(FAIL="1"))
        self.assertEqual([old], self.images())

    def test_one_in_use_stays(self):
        [_, name] = self.make()
        used = image.Image(f"{self.directory}/image/{name}")
        [_, other] = self.make("other")
        self.assertEqual(sorted([name, other]), self.images())
        used.close()
        [_, third] = self.make("third")
        self.assertEqual([third], self.images())

    def test_build_that_is_ended_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            run = self.start(SECONDS="100")
            self.assertEqual("making\n", run.stdout.readline())
            run.send_signal(number)
            run.communicate()
            self.assertEqual(128 + number, run.returncode)
            self.assertEqual([], self.images())
        run = self.start(SECONDS="100")
        run.stdout.readline()
        run.kill()
        run.communicate()
        self.assertEqual(["new"], self.images())
        self.assertEqual([self.make()[-1]], self.images())


class Steps(Case):
    def test_steps_end_with_their_program(self):
        text = f"""
import sys
sys.path.insert(0, {HERE!r})
import process
process.end_on_signals()
print("begun", flush=True)
process.run("step", ["sh", "-c", "echo $$ >pid; exec sleep 1000"], "log")
"""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number), subprocess.Popen(
                    [sys.executable, "-c", text], cwd=self.directory, stdout=subprocess.PIPE,
                    text=True) as run:
                run.stdout.readline()
                path = f"{self.directory}/pid"
                self.until(lambda: os.path.exists(path) and os.path.getsize(path))
                with open(path, encoding="ascii") as f:
                    pid = int(f.read())
                os.unlink(path)
                run.send_signal(number)
                run.wait(10)
                self.until(lambda: not runs(pid))

    def test_failed_step_is_told(self):
        log = f"{self.directory}/log"
        with self.assertRaisesRegex(process.Failed, "failed with 3: the reason"):
            process.run("step", ["sh", "-c", "echo the reason; exit 3"], log)
        with self.assertRaisesRegex(process.Failed, "no-such-program is not installed"):
            process.run("step", ["no-such-program"], log)


if __name__ == "__main__":
    if not image.find(IMAGE) and image.obstacle():
        print("SKIP: {}: {}".format(*image.obstacle()))
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
