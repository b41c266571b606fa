#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line of kvm_stat: what is refused, with which status, and every way to write an option.
bats_require_minimum_version 1.5.0

setup_file() {
	ROOT=$BATS_FILE_TMPDIR/root
	"$SOURCE_DIR/tests/fixtures/mkfixture.py" "$ROOT" --guests 2
	"$SOURCE_DIR/tests/fixtures/mkfixture.py" "$ROOT" --add 2000:twin
	"$SOURCE_DIR/tests/fixtures/mkfixture.py" "$ROOT" --add 2100:twin
	export ROOT
}

kvm_stat() {
	run --separate-stderr timeout 20 "$BIN_DIR/kvm_stat" --sysroot "$ROOT" "$@"
}

# refused STATUS TEXT ARGS...: nothing on stdout, one clean message with TEXT on stderr.
refused() {
	local status_wanted=$1 text=$2
	shift 2
	kvm_stat "$@"
	echo "$* -> $status: $stderr"
	[ "$status" -eq "$status_wanted" ]
	[ -z "$output" ]
	[[ $stderr == *kvm_stat:* ]]
	[[ $stderr == *"$text"* ]]
	[[ $stderr != *[$'\001'-$'\011'$'\013'-$'\037']* ]]
	[ "$(wc -l <<<"$stderr")" -le 4 ]
}

# accepted ARGS...: "-f help" makes every run short.
accepted() {
	kvm_stat -d -f help "$@"
	echo "$* -> $status: $stderr"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
}

@test "unknown options and arguments are usage errors" {
	refused 2 "" --nonsense
	refused 2 "" -x
	refused 2 "" -1dx
	refused 2 "argument" -1 -d argument
	refused 2 "" --csv=yes
	for option in -f -g -L -p -s --fields --guest --log-to-file --pid --set-delay --count --source \
		-o --output --by --format --limit --explain --via; do
		refused 2 "" -1 $option
	done
}

@test "ambiguous prefixes are usage errors" {
	for option in --l --lo --d --debugf --s; do
		refused 2 "$option" -1 "$option"
	done
}

# prefixes SHORTEST LONG [VALUE]: all from the shortest that upstream takes.
prefixes() {
	local shortest=$1 long=$2 length
	shift 2
	for ((length = ${#shortest}; length <= ${#long}; length++)); do
		accepted -l "${long:0:length}" "$@"
		[ $# -eq 0 ] || accepted -l "${long:0:length}=$1"
	done
}

@test "every prefix that upstream takes" {
	prefixes --o --once
	prefixes --b --batch
	prefixes --c --csv
	prefixes --debugfs --debugfs
	prefixes --debugfs- --debugfs-include-past
	prefixes --log --log
	prefixes --p --pid 1000
	prefixes --se --set-delay 1
	prefixes --sk --skip-zero-records
	prefixes --g --guest guest1
	prefixes --f --fields help
	prefixes --log- --log-to-file "$BATS_TEST_TMPDIR/log"
}

@test "prefixes of -t and of our own options" {
	for option in --t --trace --tracepoints; do
		kvm_stat "$option" -c
		[ "$status" -eq 1 ]
		[[ $stderr == *"-l"* ]]
	done
	prefixes --cou --count 1
	prefixes --by --by guest
	prefixes --fo --format csv
	accepted -l --li 5 --format openmetrics
	prefixes --so --source debugfs
}

@test "clusters of short options" {
	accepted -1i
	accepted -lcz
	accepted -lczs1
	accepted -lczs 1
	accepted -lp1000
	accepted -lgguest1
	accepted -L"$BATS_TEST_TMPDIR/log"
	kvm_stat -1dfhelp
	[ "$status" -eq 0 ]
	[[ $output == *"  exits"* ]]
	kvm_stat -1df 'io_exits$'
	[ "$status" -eq 0 ]
	[[ $output =~ ^io_exits\ +0\ +0$ ]]
}

@test "help and version" {
	for option in -h --help --hel --he --h; do
		kvm_stat "$option"
		[ "$status" -eq 0 ]
		[[ $output == *Usage* ]]
		[ -z "$stderr" ]
	done
	for option in --version --ver; do
		kvm_stat "$option"
		[ "$status" -eq 0 ]
		[[ $output =~ [0-9]+\.[0-9]+ ]]
		[ -z "$stderr" ]
	done
	run --separate-stderr "$BIN_DIR/kvm_stat" --sysroot /nowhere --help
	[ "$status" -eq 0 ]
}

@test "-f help lists the fields, whatever else is asked for" {
	kvm_stat -d -f help -p 1000
	[ "$status" -eq 0 ]
	[ "$(sort -c <<<"$output" && echo sorted)" = sorted ]
	[[ $output == *"  exits"* ]]
	[[ ! $output =~ (^|$'\n')[^\ ] ]]
}

@test "options that need -l" {
	refused 1 "requires -l" -c
	refused 1 "requires -l" -z
	refused 1 "requires -l" -1dc
}

@test "formats" {
	local format
	for format in text csv json openmetrics prometheus; do
		kvm_stat -1 -d --format "$format" -f 'exits$'
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[ -n "$output" ]
		accepted -l --format "$format"
	done
	refused 2 "unknown format" -1 --format xml
	refused 2 "unknown format" -1 --format JSON
	refused 1 "two formats" -l -c --format json
	refused 1 "two formats" -l --format json --format csv
	accepted -l -c --format csv
	for format in text csv json openmetrics; do
		refused 1 "--format requires -1" --format "$format"
	done
	refused 1 "use -o" -L x --format openmetrics
	for source in -d --source=stats; do
		refused 1 "--via is about tracepoints" -1 "$source" --via bpf
		refused 1 "--via is about tracepoints" -1 --via perf "$source"
	done
	refused 1 "--exits needs -1" -l --exits
	refused 1 "--exits needs -1" -1 -l --exits
	refused 1 "use -o" -L x --format prometheus
	refused 1 "not for metrics" -lz --format openmetrics
	[ ! -e x ]
}

@test "rows by guest and vCPU" {
	refused 2 "there are guest and vcpu" -1 --by cpu
	refused 1 "--by requires -1" --by guest
	refused 1 "--by requires -1" --by vcpu -d
	accepted -1 --by guest
	accepted -l --by field
}

@test "metrics in a file" {
	refused 1 "mode of its own" -o x -1
	refused 1 "mode of its own" -o x -l
	refused 1 "mode of its own" -o x -L y
	refused 1 "writes metrics" -o x --format json
	refused 1 "requires -l" -o x -z
	refused 1 "requires -l" -o x -c
	refused 1 "is for metrics" -1 --limit 5
	for limit in 0 -1 abc ""; do
		refused 2 "invalid limit" -o x --limit="$limit"
	done
	[ ! -e x ]
	kvm_stat -d -o "$BATS_TEST_TMPDIR/x" --count 1
	[ "$status" -eq 0 ]
	[ -z "$stderr$output" ]
	grep -q '^# TYPE kvm_exits_total counter$' "$BATS_TEST_TMPDIR/x"
	kvm_stat -d -o "$BATS_TEST_TMPDIR/x" --count 1 --format openmetrics
	[ "$status" -eq 0 ]
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/x")" = "# EOF" ]
}

@test "delays" {
	for delay in 0.0999 0 -1 -0.5 25.50001 26 1e9; do
		refused 1 "elay must be" -l -d "--set-delay=$delay"
	done
	for delay in abc 1,5 0x1 3s "3 4" ""; do
		refused 2 "" -l -d "--set-delay=$delay"
	done
	for delay in nan inf -inf; do
		kvm_stat -l -d "--set-delay=$delay"
		[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
		[ -n "$stderr" ]
	done
	for delay in 0.1 25.5 3 3. .5 1e1 2.50e-1; do
		accepted -l -s "$delay"
	done
}

@test "regular expressions" {
	for regex in '(' '[' '*' 'a)' '(?P<n' "a\\"; do
		refused 1 "$regex" -1 -d -f "$regex"
	done
	kvm_stat -1 -d -f '(\w*)*!'
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	kvm_stat -1 -d -f '(?:halt_)?exits|\w+_flush$'
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 5 ]
	refused 1 "x1b" -1 -d -f $'\e[31m('
}

@test "processes" {
	refused 1 "99999999" -1 -d -p 99999999
	refused 1 "1000" -1 -d -p 1001
	refused 1 "99999999999999999999" -1 -d -p 99999999999999999999
	for pid in abc 12x 1.5 ""; do
		refused 2 "" -1 -d --pid="$pid"
	done
	kvm_stat -1 -d --pid=-5
	[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
	kvm_stat -1 -d -p 1000 -f 'exits'
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	kvm_stat -1 -d -p 0 -f 'exits'
	[ "$status" -eq 0 ]
}

@test "guests by name" {
	refused 1 '"nobody"' -1 -d -g nobody
	refused 1 '2000' -1 -d -g twin
	refused 1 '2100' -1 -d -g twin
	refused 1 'guest' -1 -d -g guest
	refused 1 'GUEST1' -1 -d -g GUEST1
	kvm_stat -1 -d -g guest2 -f exits
	[ "$status" -eq 0 ]
}

@test "guests with names that steer terminals" {
	local number=0 name
	for name in $'a\e[31mred' 'comma,here' 'quote"here' $'line\nend' $'tab\there' 'grüße' \
		$'bad\xff\xfeutf' "'; rm -rf /" "$(printf 'long%.0s' {1..2000})"; do
		cp -r "$ROOT" "$BATS_TEST_TMPDIR/$number"
		"$SOURCE_DIR/tests/fixtures/mkfixture.py" "$BATS_TEST_TMPDIR/$number" \
			--add "3000:${name//,/,,}"
		run --separate-stderr "$BIN_DIR/kvm_stat" --sysroot "$BATS_TEST_TMPDIR/$number" \
			-1 -d -g "$name" -f 'exits$'
		echo "$name: $output $stderr"
		[ "$status" -eq 0 ]
		[ "${#lines[@]}" -eq 1 ]
		refused 1 "" -1 -d -g "no $name"
		number=$((number + 1))
	done
}

@test "sources and roots" {
	refused 2 "" -1 --source nonsense
	refused 2 "" -1 --source ""
	kvm_stat -1 --source debugfs -f 'exits$'
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	run --separate-stderr "$BIN_DIR/kvm_stat" --sysroot /nowhere -1
	[ "$status" -eq 1 ]
	[[ $stderr == *"/nowhere"* ]]
	mkdir "$BATS_TEST_TMPDIR/empty"
	run --separate-stderr "$BIN_DIR/kvm_stat" --sysroot "$BATS_TEST_TMPDIR/empty" -1
	[ "$status" -eq 1 ]
	[ -n "$stderr" ]
	[ -z "$output" ]
}

@test "the demo fixture" {
	run --separate-stderr "$BIN_DIR/kvm_stat" --sysroot "$SOURCE_DIR/tests/fixtures/demo" -1 -d -i
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output =~ (^|$'\n')exits\ +[1-9][0-9]{7,}\ +0($|$'\n') ]]
	run --separate-stderr "$BIN_DIR/kvm_stat" --sysroot "$SOURCE_DIR/tests/fixtures/demo" -1 -d -i \
		-g web -f 'exits$'
	[ "$output" = "exits                                       48213977         0" ]
}

@test "counts of records" {
	kvm_stat -l -d -s 0.1 --count 3 -f 'exits$'
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 4 ]
	for count in abc -1 1.5 ""; do
		refused 2 "" -l -d --count="$count"
	done
}
