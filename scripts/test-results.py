#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns ctest's JUnit files into one line for each result, for scripts/test.

usage: test-results.py LOG-DIRECTORY PRESET=FILE...

Prints tab-separated lines:
    passed   PRESET  TEST
    failed   PRESET  TEST  LOG   why
    skipped  PRESET  TEST  CODE  why
A test skips itself by ending with 77 after a line "SKIP: code: why". A part of a test that was
skipped (the same line, TAP's "# skip code: why", or "skipped 'code: why'" of Python's unittest) is
a result of its own.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree

SKIP_LINE = re.compile(r"^\s*(?:SKIP:|ok \d+ .*?# skip)\s*(.*)$", re.IGNORECASE | re.MULTILINE)
UNITTEST_LINE = re.compile(r"\.\.\. skipped (['\"])(.*)\1$", re.MULTILINE)
# Without -v it says only how many.
UNITTEST_SUM = re.compile(r"^(?:OK|FAILED) \(.*\bskipped=(\d+)", re.MULTILINE)
CODE = re.compile(r"([a-z0-9][a-z0-9-]*):\s*(.*)$")


def skips(output):
    """The (code, why) of every skip that the output of a test names."""
    reasons = [reason for _, reason in UNITTEST_LINE.findall(output)]
    reasons += [""] * (sum(map(int, UNITTEST_SUM.findall(output))) - len(reasons))
    for reason in SKIP_LINE.findall(output) + reasons:
        match = CODE.match(reason.strip())
        yield match.groups() if match else ("no-code", reason.strip() or "no reason given")


def write_log(directory, preset, name, output):
    path = directory / preset / (re.sub(r"[^\w.-]+", "_", name) + ".log")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(output.rstrip() + "\n")
    return path


def results(directory, preset, case):
    """Yields the lines of one test, as tuples."""
    name = case.get("name")
    output = case.findtext("system-out") or ""
    skipped = case.find("skipped")
    failure = case.find("failure")
    status = case.get("status")
    found = list(skips(output))

    if status == "run" and skipped is None and failure is None:
        yield "passed", preset, name
        for code, why in found:
            yield "skipped", preset, name, code, why
    elif status == "disabled":
        yield "skipped", preset, name, "disabled", "the test is switched off in its CMakeLists.txt"
    elif skipped is not None and skipped.get("message", "").startswith("SKIP_"):
        for code, why in found or [("no-code", "the test ended with 77 and gave no reason")]:
            yield "skipped", preset, name, code, why
    else:
        # A test that could not be started is "notrun" and "skipped" to ctest, a failure here.
        element = failure if failure is not None else skipped
        why = (element.get("message") if element is not None else None) or "failed"
        yield "failed", preset, name, str(write_log(directory, preset, name, output)), why


def main():
    directory = pathlib.Path(sys.argv[1])
    for argument in sys.argv[2:]:
        preset, file = argument.split("=", 1)
        for case in xml.etree.ElementTree.parse(file).getroot().iter("testcase"):
            for line in results(directory, preset, case):
                print("\t".join(re.sub(r"\s+", " ", field) for field in line))


if __name__ == "__main__":
    main()
