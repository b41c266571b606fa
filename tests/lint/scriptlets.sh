#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the macros of macros.qemu-kvm expand to is clean by shellcheck, for every POSIX shell.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"
macros=packaging/rpm/macros.qemu-kvm

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mapfile -t names < <(sed -n 's/^%\(qemu_kvm_units_[a-z]*\)().*/\1/p' "$macros")
[ ${#names[@]} -eq 4 ] || complain "$macros: ${#names[@]} macros"
for name in "${names[@]}"; do
	# An expansion that is wrong is a line of shell, too.
	printf '#!/bin/sh\n%s\n' "$(HOME=$work rpm --load "$macros" \
		--define '_unitdir /usr/lib/systemd/system' \
		--eval "%$name demo.socket=keep demo.service=restart")" >"$work/$name"
	grep -q 'mine=' "$work/$name" || complain "$name: no scriptlet"
	if grep -n '%' "$work/$name"; then
		complain "$name: percent signs are left"
	fi
	# The same over several lines.
	HOME=$work rpm --load "$macros" --define $'units demo.socket=keep \n\t demo.service=restart' \
		--eval "%$name %{units}" >"$work/lines"
	dash -n "$work/lines" || complain "$name: several lines"
	for table in demo.service demo.service=restrat demo@.service=keep "%{no_such_table}"; do
		if HOME=$work rpm --load "$macros" --eval "%$name $table" >"$work/bad" 2>&1; then
			complain "$name: the table $table passes"
		fi
	done
	# SC2086: lists of units are meant to be split. SC2317: functions are called by name.
	shellcheck --exclude=SC2086,SC2317 "$work/$name" || complain "$name: shellcheck"
done
finish
