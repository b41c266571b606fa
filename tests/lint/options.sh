#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --help, errors of usage, man page and completions of each program agree.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

out=$(mktemp)
err=$(mktemp)
trap 'rm -f "$out" "$err"' EXIT

# try NAME STATUS COMMAND...: runs COMMAND into $out and $err; complains at another status.
try() {
	local status=0 name=$1 wanted=$2
	shift 2
	"$@" >"$out" 2>"$err" </dev/null || status=$?
	[ "$status" -eq "$wanted" ] || complain "$name: status $status instead of $wanted"
}

# long_options: those that the text on stdin names, one each.
long_options() {
	grep -oE -- '(^|[^[:alnum:]-])--[a-z][a-z0-9-]*' | grep -oE -- '--.*' | sort -u
}

check_program() {
	local program=$1 option file page
	local -a options completions=("packaging/completions/$program.bash"
		"packaging/completions/_$program" "packaging/completions/$program.fish")

	page=$(compgen -G "man/$program.[0-9].scd")
	try "$program --help" 0 "$BIN_DIR/$program" --help
	[ -s "$out" ] || complain "$program --help prints nothing"
	[ ! -s "$err" ] || complain "$program --help writes to stderr"
	awk -v name="$program" 'length > 80 { print name " --help: over 80 columns: " $0; bad = 1 }
		END { exit bad }' "$out" || complain "$program --help is too wide"
	mapfile -t options < <(long_options <"$out")
	[ ${#options[@]} -ge 3 ] || complain "$program --help lists only ${#options[@]} options"
	printf '%s: %d options\n' "$program" ${#options[@]}

	for option in "${options[@]}"; do
		grep -qE "^(\*.*, )?\*$option\*" "$page" ||
			complain "$option is not in $page"
		for file in "${completions[@]}"; do
			case $file in
			*.fish) grep -qE -- "-l ${option#--}( |$)" "$file" ;;
			*) grep -qE -- "(^|[^[:alnum:]-])$option([^[:alnum:]-]|$)" "$file" ;;
			esac || complain "$option is not in $file"
		done
	done

	# And nothing is promised that --help does not know.
	while read -r option; do
		[[ " ${options[*]} " == *" $option "* ]] ||
			complain "$page describes $option, --help does not"
	done < <(sed -n '/^# OPTIONS/,/^# /p' "$page" | grep '^\*-' | tr '*' ' ' | long_options)
	while read -r option; do
		[[ " ${options[*]} " == *" --$option "* ]] ||
			complain "packaging/completions/$program.fish completes --$option, --help does not know it"
	done < <(grep -oE -- '-l [a-z-]+' "packaging/completions/$program.fish" | sed 's/^-l //')

	try "$program --version" 0 "$BIN_DIR/$program" --version
	grep -qE "^$program .*[0-9]+\.[0-9]+" "$out" || complain "$program --version: $(<"$out")"
	[ ! -s "$err" ] || complain "$program --version writes to stderr"

	try "$program --no-such-option" 2 "$BIN_DIR/$program" --no-such-option
	[ ! -s "$out" ] || complain "$program --no-such-option writes to stdout"
	[ "$(wc -l <"$err")" -eq 2 ] ||
		complain "$program --no-such-option: $(wc -l <"$err") lines on stderr instead of 2"
	grep -q -- "--help" "$err" || complain "$program --no-such-option does not name --help"
}

check_program kvm-check
check_program kvm-device
check_program kvm-modprobe
check_program kvm_stat
check_program systemd-unit-merge
finish
