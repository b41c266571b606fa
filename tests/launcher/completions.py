# SPDX-License-Identifier: GPL-2.0-or-later
"""The shells complete QEMU's options behind qemu-kvm, as the real shells do it.

bash has its completion from the package bash-completion, whose file for qemu asks the program
itself, so what is tested there is that asking goes through the launcher.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

import pexpect

SOURCE_DIR = os.environ["SOURCE_DIR"]
BIN_DIR = os.environ["BIN_DIR"]
COMPLETIONS = os.path.join(SOURCE_DIR, "packaging", "completions")
ENVIRONMENT = dict(os.environ, PATH=f"{BIN_DIR}:/usr/bin:/bin", TERM="xterm")
BASH = """
. /usr/share/bash-completion/bash_completion
_completion_loader qemu-kvm
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
$(complete -p qemu-kvm | sed -nE 's/.* -F ([^ ]+) .*/\\1/p') "$1" "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

# What is typed, a word that is offered, a word that is not.
ROWS = [
    ("qemu-kvm -enable-k", "-enable-kvm", "-enable-sync-profile"),
    ("qemu-kvm -m 1 -no-shutd", "-no-shutdown", "-no-reboot"),
    ("qemu-kvm -M microv", "microvm", "pc"),
    ("qemu-kvm -m 1 -machine microv", "microvm", "pc"),
    ("qemu-kvm -cpu qemu64-v", "qemu64-v1", "qemu32"),
    ("qemu-kvm -accel t", "tcg", "kvm"),
    ("qemu-kvm -device usb-tab", "usb-tablet", "usb-kbd"),
    ("qemu-kvm --kvm", "--kvm-explain", "-enable-kvm"),
]
NOT_IN_BASH = ("-accel", "--kvm", "-device")


def complete_in_bash(line):
    result = subprocess.run(["bash", "-c", BASH, "bash", *line.split(" ")], capture_output=True,
                            text=True, check=True, timeout=60, env=ENVIRONMENT)
    return result.stdout.split()


def complete_in_fish(line):
    with tempfile.TemporaryDirectory() as home:
        result = subprocess.run(
            ["fish", "-c", f"source {COMPLETIONS}/qemu-kvm.fish; complete -C '{line}'"],
            capture_output=True, text=True, check=True, timeout=60,
            env=dict(ENVIRONMENT, HOME=home))
    return [offer.split("\t")[0] for offer in result.stdout.splitlines()]


class Completions(unittest.TestCase):
    def test_bash(self):
        for line, wanted, unwanted in ROWS:
            if any(word in line for word in NOT_IN_BASH):
                continue
            with self.subTest(line=line):
                offers = complete_in_bash(line)
                self.assertIn(wanted, offers)
                self.assertNotIn(unwanted, offers)

    def test_fish(self):
        for line, wanted, unwanted in ROWS:
            with self.subTest(line=line):
                offers = complete_in_fish(line)
                self.assertIn(wanted, offers)
                if not line.endswith("--kvm"):  # where fish also offers what has it in the middle
                    self.assertNotIn(unwanted, offers)
        self.assertNotIn("--kvm-explain", complete_in_fish("qemu-kvm -m 1 --kvm-ex"))
        self.assertNotIn("Accelerators", complete_in_fish("qemu-kvm -accel "))

    def test_zsh(self):
        with tempfile.TemporaryDirectory() as home:
            zsh = pexpect.spawn("zsh", ["-f"], encoding="utf-8", dimensions=(50, 150), timeout=20,
                                env=dict(ENVIRONMENT, HOME=home))
            zsh.sendline(f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; "
                         "unsetopt zle_bracketed_paste; PS1=REA''DY")
            zsh.expect("READY")
            for line, wanted, _ in ROWS:
                with self.subTest(line=line):
                    zsh.send(line + "\t")
                    zsh.expect(re.escape(wanted))
                    zsh.send("\x15")  # the line is taken away again, not executed
            zsh.close(force=True)


if __name__ == "__main__":
    for shell in ("zsh", "fish"):
        if subprocess.run(["which", shell], capture_output=True, check=False).returncode != 0:
            print(f"SKIP: no-shell: {shell} is not installed")
            sys.exit(77)
    unittest.main(verbosity=2)
