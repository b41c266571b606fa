# SPDX-License-Identifier: GPL-2.0-or-later
"""The little of QEMU's control protocol that is needed here."""
import json
import time

import process


class _Control:
    def __init__(self, connection, seconds=60):
        connection.settimeout(seconds)
        self._stream = connection.makefile("rw")
        self._stream.readline()  # the greeting
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self._stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._stream.flush()
        while True:
            line = self._stream.readline()
            answer = json.loads(line) if line else {"error": "QEMU has ended"}
            if "error" in answer:
                raise process.Failed(f"{name}: {answer['error']}")
            if "return" in answer:
                return answer["return"]


def save(connection, name):
    """Writes the machine's state to the file `name` in QEMU's directory and ends QEMU."""
    control = _Control(connection)
    control.command("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
    control.command("migrate", uri=f"exec:cat >{name}")
    while True:
        status = control.command("query-migrate").get("status")
        if status == "completed":
            break
        if status in ("failed", "cancelled"):
            raise process.Failed(f"the machine's state cannot be saved: {status}")
        time.sleep(0.1)
    control.command("quit")


def examine(connection):
    """What QEMU says of a machine that does not come to an end, as text; then has its kernel panic,
    which prints what all tasks do on the console.
    """
    lines = []
    try:
        control = _Control(connection, 5)
        for _ in range(2):
            lines.append(f"query-status: {control.command('query-status')}")
            for command in ("info registers", "info lapic", "info pic"):
                answer = control.command("human-monitor-command", **{"command-line": command})
                lines.append(f"{command}:\n{answer}")
            time.sleep(1)
        control.command("inject-nmi")
    except (OSError, ValueError, process.Failed) as e:
        lines.append(f"QEMU does not answer: {e}")
    return "\n".join(lines) + "\n"
