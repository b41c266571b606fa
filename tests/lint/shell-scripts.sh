#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every shell script, found by name or first line, is clean by shellcheck.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

files -name '*.sh' -o -name '*.bash' -o -name '*.bats' -o ! -name '*.*' -o -path './.ci/*'
scripts=()
bats=()
for file in "${FILES[@]}"; do
	case $file in
	*.sh | *.bash) scripts+=("$file") ;;
	*.bats) bats+=("$file") ;;
	*)
		line=
		IFS= read -r -n 64 line <"$file" 2>/dev/null || true
		if [[ $line =~ ^'#!'' '?/(usr/)?bin/(env )?(ba|da)?sh ]]; then
			scripts+=("$file")
		fi
		;;
	esac
done
[ ${#scripts[@]} -ge 5 ] || complain "only ${#scripts[@]} scripts found"
for needed in ./scripts/test ./scripts/quickstart ./scripts/lib.sh ./scripts/qemu-ifup ./scripts/qemu-ifdown ./.ci/run; do
	[[ " ${scripts[*]} " == *" $needed "* ]] || complain "$needed was not found"
done
printf '%d scripts, %d of bats\n' ${#scripts[@]} ${#bats[@]}
shellcheck --external-sources --source-path=.:SCRIPTDIR "${scripts[@]}" || complain "shellcheck"
# SC2154: variables that bats' run sets. SC1003: a lone backslash in quotes is meant so in tests.
if [ ${#bats[@]} -gt 0 ]; then
	shellcheck --external-sources --source-path=.:SCRIPTDIR --exclude=SC2154,SC1003 "${bats[@]}" ||
		complain "shellcheck of bats"
fi
finish
