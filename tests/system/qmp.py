# SPDX-License-Identifier: GPL-2.0-or-later
"""The little of QEMU's control protocol that the image needs."""
import json
import time

import process


class _Control:
    def __init__(self, connection):
        connection.settimeout(60)
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
