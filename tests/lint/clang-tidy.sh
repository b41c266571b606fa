#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# .clang-tidy over all C files that this build compiles, and over the BPF programs.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

database=$1/compile_commands.json
[ -s "$database" ] || {
	printf 'there is no %s\n' "$database"
	exit 1
}
mapfile -t sources < <(python3 - "$database" <<-'END'
	import json, os, sys

	for file in sorted({os.path.relpath(entry["file"]) for entry in json.load(open(sys.argv[1]))}):
	    print(file)
END
)
[ ${#sources[@]} -ge 10 ] || complain "only ${#sources[@]} files in $database"
printf '%d files\n' ${#sources[@]}
# gcc's options in the data base are not all known to clang. What is a warning of the compiler is
# the business of the builds.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf '%s\0' "${sources[@]}" | xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet -p "$1" \
	--extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-error >"$log" 2>&1 ||
	complain "clang-tidy"
# These are compiled by a command of their own, which the data base does not have.
files -name '*.bpf.c'
clang-tidy --quiet "${FILES[@]}" -- --target=bpf -O2 -I. \
	-idirafter "/usr/include/$(gcc -print-multiarch)" >>"$log" 2>&1 ||
	complain "clang-tidy of the BPF programs"
# A configuration that clang-tidy cannot read is not an error to it.
if grep -q 'Error parsing' "$log"; then
	complain ".clang-tidy cannot be read"
fi
grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed |^Use -header-filter' "$log" || true
grep -E '(error|warning): ' "$log" | sort -u || true
finish
