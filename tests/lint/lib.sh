# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the lint tests share. To be sourced; leaves the caller in the top directory.
set -euo pipefail
cd "${SOURCE_DIR:-"${0%/*}/../.."}"
failures=0

complain() {
	printf '%s\n' "$*"
	failures=$((failures + 1))
}

# finish: the end of a test that may have complained.
finish() {
	[ "$failures" -eq 0 ] || printf '%d complaints\n' "$failures"
	exit $((failures > 0))
}

# files FIND-EXPRESSION...: sets FILES to the project's own files that match; none at all is a
# mistake of the test.
files() {
	mapfile -d '' -t FILES < <(find . \( -path ./.git -o -path ./build \) -prune -o \
		-type f \( "$@" \) -print0 | sort -z)
	[ ${#FILES[@]} -gt 0 ] || {
		printf 'no files: find %s\n' "$*"
		exit 1
	}
	printf '%d files\n' ${#FILES[@]}
}
