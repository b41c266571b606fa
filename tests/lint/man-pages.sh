#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every man page is made by scdoc, accepted by mandoc and groff, and has the usual sections; also the
# one that the build generates.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

files -path './man/*.scd'
generated=$1/man/kvm-events.7.scd
[ -s "$generated" ] || complain "the build has not made $generated"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
for source in "${FILES[@]}" "$generated"; do
	name=${source##*/}
	name=${name%.scd}
	page=$directory/$name
	if ! scdoc <"$source" >"$page"; then
		complain "$source: scdoc"
		continue
	fi
	# scdoc itself puts empty paragraphs around each heading and list.
	found=$(mandoc -T lint -W warning "$page" | grep -v 'skipping paragraph macro: PP') || true
	[ -z "$found" ] || complain "$source: mandoc:" "$found"
	mandoc -T utf8 "$page" >/dev/null || complain "$source: mandoc"
	case $name in
	*.1) sections=(NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' 'SEE ALSO') ;;
	*.7) sections=(NAME DESCRIPTION 'SEE ALSO') ;;
	*.5) sections=(NAME SYNOPSIS DESCRIPTION EXAMPLES 'SEE ALSO') ;;
	*.8) sections=(NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' 'SEE ALSO') ;;
	*) complain "$source: no section that is known" ;;
	esac
	for section in "${sections[@]}"; do
		grep -qx "# $section" "$source" || complain "$source: no section $section"
	done
	grep -q "man_page(${name%.*} ${name##*.}[ )]" man/CMakeLists.txt ||
		complain "$source is not in man/CMakeLists.txt"
done
finish
