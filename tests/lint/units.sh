#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd accepts the units and finds them hardened; those that log to a file have a logrotate file
# that names them.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

files -path './packaging/systemd/*.service.in'
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
for source in "${FILES[@]}"; do
	name=${source##*/}
	name=${name%.in}
	built=$1/packaging/$name
	if [ ! -s "$built" ]; then
		complain "$built was not made"
		continue
	fi
	if grep -nE '@[[:alnum:]_]+@' "$built"; then
		complain "$name: a variable was not replaced"
	fi
	# The program is not installed here.
	sed -E "s|^(ExecStart=)[^ ]*/|\1$BIN_DIR/|" "$built" >"$directory/$name"
	found=$(systemd-analyze verify --man=no "$directory/$name" 2>&1 | grep -F "$name") || true
	[ -z "$found" ] || complain "systemd-analyze verify:" "$found"
	exposure=$(systemd-analyze security --offline=yes --threshold=30 "$directory/$name" 2>&1) ||
		complain "$name is more exposed than 3.0: $(tail -n 1 <<<"$exposure")"
	grep -q /var/log "$built" || continue
	[ -f "packaging/logrotate/${name%.service}" ] || complain "$name has no logrotate file"
	grep -q "$name" "packaging/logrotate/${name%.service}" ||
		complain "packaging/logrotate/${name%.service} does not name $name"
done

# libvirt's, all at once: they name each other.
mkdir "$directory/libvirt"
cp "$1"/units/libvirt/*.{service,socket,target} "$directory/libvirt"
sed -i -E 's#^(Exec[A-Za-z]+=)[^ ]*/(virt|libvirt)[^ ]*#\1/bin/true#' "$directory"/libvirt/*.service
found=$(systemd-analyze verify --man=no "$directory"/libvirt/* 2>&1 | grep -F virt) || true
[ -z "$found" ] || complain "systemd-analyze verify:" "$found"
finish
