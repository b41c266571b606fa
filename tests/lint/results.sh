#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/test-results.py tells passed, failed and skipped apart.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cat >"$directory/in.xml" <<'END'
<testsuite>
<testcase name="unit/ok" status="run"><system-out>fine</system-out></testcase>
<testcase name="cli/part" status="run"><system-out>ok 1 a
ok 2 b # skip no-kvm: no device</system-out></testcase>
<testcase name="cli/python" status="run"><system-out>test_a (__main__.A.test_a) ... ok
test_b (__main__.A.test_b) ... skipped 'no-kvm: no device'
OK (skipped=1)</system-out></testcase>
<testcase name="cli/dots" status="run"><system-out>.s..
OK (skipped=1)</system-out></testcase>
<testcase name="unit/bad" status="fail"><failure message=""/><system-out>boom</system-out></testcase>
<testcase name="kvm/skip" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
<system-out>SKIP: no-kvm: there is no device</system-out></testcase>
<testcase name="kvm/silent" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>
<testcase name="cli/gone" status="notrun"><skipped message="Unable to find executable"/></testcase>
<testcase name="cli/off" status="disabled"><skipped message="Disabled"/></testcase>
</testsuite>
END
python3 scripts/test-results.py "$directory" "dev=$directory/in.xml" |
	sed "s|$directory|DIR|" >"$directory/out"
diff -u - "$directory/out" <<'END' || complain "other results than expected"
passed	dev	unit/ok
passed	dev	cli/part
skipped	dev	cli/part	no-kvm	no device
passed	dev	cli/python
skipped	dev	cli/python	no-kvm	no device
passed	dev	cli/dots
skipped	dev	cli/dots	no-code	no reason given
failed	dev	unit/bad	DIR/dev/unit_bad.log	failed
skipped	dev	kvm/skip	no-kvm	there is no device
skipped	dev	kvm/silent	no-code	the test ended with 77 and gave no reason
failed	dev	cli/gone	DIR/dev/cli_gone.log	Unable to find executable
skipped	dev	cli/off	disabled	the test is switched off in its CMakeLists.txt
END
[ "$(<"$directory/dev/unit_bad.log")" = boom ] || complain "the log of a failed test is missing"
finish
