# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of systemd-unit-merge share: the program, libvirt's script, generated units."""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

PROGRAM = os.path.join(kvmtest.BIN_DIR, "systemd-unit-merge")
LIBVIRT_SECTIONS = ("Unit", "Service", "Socket", "Install")


def merge(*args, **options):
    """Runs our program to its end; bytes."""
    return subprocess.run([PROGRAM, *args], capture_output=True, timeout=60, check=False,
                          **options)


def need_libvirt(name):
    """A file of libvirt's sources, where scripts/test has put it: nothing is fetched here."""
    build = os.path.dirname(kvmtest.BIN_DIR)
    shared = os.path.join(kvmtest.SOURCE_DIR, "build")
    if os.path.dirname(build) == shared:
        build = shared  # one for all presets
    path = os.path.join(build, "libvirt-source", name)
    if not os.path.exists(path):
        kvmtest.skip("no-libvirt-source",
                     "run tests/lib/libvirt-source build/libvirt-source, which needs the network")
    return path


def need_script():
    """The script that merges units."""
    return need_libvirt("merge-systemd-units.py")


class Script:
    """libvirt's script, run within this process: thousands of runs take no minutes then."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.code = compile(f.read(), path, "exec")

    def run(self, *files):
        """(status, standard output as bytes)"""
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
        argv = sys.argv
        sys.argv = ["script", *files]
        status = 0
        try:
            with contextlib.redirect_stdout(out):
                exec(self.code, {"__name__": "__main__"})  # pylint: disable=exec-used
        except SystemExit as e:
            status = e.code or 0
        except Exception:  # pylint: disable=broad-except  # a traceback ends a script with 1
            status = 1
        finally:
            sys.argv = argv
        out.flush()
        return status, out.buffer.getvalue()


class TestCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="unit-merge-test-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name):
        return os.path.join(self.directory, name)

    def put(self, name, content):
        """Writes a file and returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def merged(self, *args, **options):
        """The output of a run that must succeed and be silent otherwise."""
        result = merge(*args, **options)
        self.assertEqual((0, b""), (result.returncode, result.stderr), args)
        return result.stdout.decode()

    def refused(self, status, text, *args, **options):
        """A run that must fail with one line on stderr that has the text, and print nothing."""
        result = merge(*args, **options)
        stderr = result.stderr.decode()
        self.assertEqual((status, b""), (result.returncode, result.stdout), stderr)
        self.assertIn(text, stderr)
        self.assertTrue(stderr.startswith("systemd-unit-merge: "), stderr)
        self.assertEqual(2 if status == 2 else 1, stderr.count("\n"), stderr)
        return stderr
