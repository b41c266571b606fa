#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# kvm_stat --explain: what it prints, for whom, and what it says of names that it does not know.
bats_require_minimum_version 1.5.0

setup_file() {
	ROOT=$BATS_FILE_TMPDIR/root
	"$SOURCE_DIR/tests/fixtures/mkfixture.py" "$ROOT" --guests 1
	local events=$ROOT/sys/kernel/tracing/events/kvm
	mkdir -p "$events/kvm_future" "$events/kvm_exit"
	printf '%s\n' 'name: kvm_future' 'ID: 77' 'format:' \
		$'\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;' '' \
		$'\tfield:unsigned int vcpu_id;\toffset:8;\tsize:4;\tsigned:0;' \
		$'\tfield:u64 mood;\toffset:16;\tsize:8;\tsigned:0;' '' \
		'print fmt: "vcpu %u mood %llu", REC->vcpu_id, REC->mood' >"$events/kvm_future/format"
	printf '%s\n' 'name: kvm_exit' 'ID: 78' 'format:' \
		$'\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;' '' \
		$'\tfield:unsigned int reason;\toffset:8;\tsize:4;\tsigned:0;' '' \
		'print fmt: "%s", __print_symbolic(REC->reason, { 1, "NOVEL" })' >"$events/kvm_exit/format"
	echo 0 >"$ROOT/sys/kernel/debug/kvm/novel_exits"
	export ROOT
}

explain() {
	unset COLUMNS
	run --separate-stderr timeout 20 "$BIN_DIR/kvm_stat" --sysroot "$ROOT" --explain "$@"
	echo "$* -> $status: $output$stderr"
}

# explained NAME LINE...: with status 0, and these lines among those printed.
explained() {
	local name=$1 line
	shift
	explain "$name"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	for line in "$@"; do
		grep -qxF -- "$line" <<<"$output"
	done
}

# unknown NAME TEXT: with status 1, and one line of clean text that has TEXT.
unknown() {
	explain "$1"
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[[ $stderr == kvm_stat:*"$2"* ]]
	[[ $stderr != *[$'\001'-$'\037']* ]]
}

@test "what rows show" {
	explained kvm_pio 'kvm_pio (tracepoint; x86)' '    Unit: events'
	explained 'kvm_exit(HLT)' 'HLT (exit reason; vmx, svm)' '    Unit: exits'
	explained 'kvm_userspace_exit(IO)' 'IO (reason to return to user space; x86)'
	explained halt_wait_ns 'halt_wait_ns (statistic)' '    Unit: nanoseconds'
	explained 'kvm_exit(OF_EXCP)' '*_EXCP (exit reason; svm)'
	explained kvm_set_spte_hva '    Kernels: older than 6.12'
	explained 'kvm_exit(IDLE_HALT)' '    Kernels: newer than 6.12'
	[[ $output == *"What to try: "* ]]
}

@test "a reason alone is explained wherever it occurs" {
	explained HLT 'HLT (exit reason; vmx, svm)' 'HLT (reason to return to user space)'
	[ "$(grep -c '^HLT ' <<<"$output")" -eq 2 ]
	explained hlt 'HLT (exit reason; vmx, svm)'
	# Entries are parted by one empty line; there is none at the ends.
	[ "$(grep -c '^$' <<<"$output")" -eq 1 ]
}

@test "without advice there is no line for it" {
	explained 'kvm_exit(XSETBV)' 'XSETBV (exit reason; vmx, svm)'
	[[ $output != *"What to try"* ]]
}

@test "codes without a name" {
	for code in 0x4c 76 0X4C 0xffffffff; do
		explained "kvm_exit($code)"
		[[ $output == *"gave this code no name"* ]]
	done
	explained 'kvm_userspace_exit(0x63)' 'kvm_userspace_exit(0x63) (exit reason)'
	unknown 'kvm_exit(0x)' unknown
	unknown 'kvm_pio(0x4c)' unknown
	unknown $'\e[2J(0x4c)' '\x1b[2J(0x4c)'
	unknown 76 unknown
}

@test "text is as wide as the terminal" {
	local width
	for width in 40 57 80 132; do
		COLUMNS=$width run "$BIN_DIR/kvm_stat" --explain kvm_exit
		[ "$(awk '{ if (length > longest) longest = length } END { print longest }' \
			<<<"$output")" -le "$width" ]
		[ "$(tr -s ' \n' ' ' <<<"$output")" = \
			"$(COLUMNS=1000 "$BIN_DIR/kvm_stat" --explain kvm_exit | tr -s ' \n' ' ')" ]
	done
	[ "$(COLUMNS=1000 "$BIN_DIR/kvm_stat" --explain kvm_exit | wc -l)" -eq 5 ]
	# What makes no sense counts as not set.
	local columns
	for columns in '' 0 -1 3 x 99999999999999999999; do
		[ "$(COLUMNS=$columns "$BIN_DIR/kvm_stat" --explain kvm_exit)" = \
			"$(COLUMNS=80 "$BIN_DIR/kvm_stat" --explain kvm_exit)" ]
	done
	local command="stty columns 64; '$BIN_DIR/kvm_stat' --explain kvm_exit"
	run env -u COLUMNS script -qec "$command" /dev/null </dev/null
	[ "$(tr -d '\r' <<<"$output")" = "$(COLUMNS=64 "$BIN_DIR/kvm_stat" --explain kvm_exit)" ]
}

@test "help lists every name once, and each is explained" {
	explain help
	[ "$status" -eq 0 ]
	[ "$(LC_ALL=C sort -uc <<<"$output" && echo sorted)" = sorted ]
	[[ $output != *[!A-Za-z0-9_*$'\n']* ]]
	[ "$(wc -l <<<"$output")" -gt 600 ]
	local names=$output name
	for name in kvm_exit HLT halt_wait_ns; do
		grep -qx "$name" <<<"$names"
	done
	while read -r name; do
		explained "$name"
	done < <(awk 'NR % 40 == 0' <<<"$names")
}

@test "what only this kernel knows" {
	explained kvm_future 'kvm_future (tracepoint of group kvm)' \
		'    This kernel has it; there is no explanation of it here.' \
		'    Its records have the fields: vcpu_id, mood'
	explained 'kvm_exit(NOVEL)' 'kvm_exit(NOVEL) (exit reason)' \
		'    This kernel has it; there is no explanation of it here.'
	explained NOVEL 'kvm_exit(NOVEL) (exit reason)'
	explained novel_exits 'novel_exits (statistic)'
	unknown 'kvm_future(NOVEL)' unknown
	unknown 1000-11 unknown
}

@test "unknown names" {
	unknown kvm_mmu_get 'names like it: kvm_mmu_get_page;'
	unknown 'kvm_exit(EPT)' 'names like it: EPT_MISCONFIG, EPT_VIOLATION;'
	unknown halt_wake_up 'names like it: halt_wakeup;'
	unknown xyz '"xyz" is unknown; --explain help'
	unknown '' '"" is unknown'
	unknown $'\e[2J' '\x1b[2J'
	unknown $'kvm\nexit' 'kvm\x0aexit'
	unknown ../../etc/passwd unknown
	unknown "$(printf '%100000s' x)" unknown
	run --separate-stderr "$BIN_DIR/kvm_stat" --explain
	[ "$status" -eq 2 ]
}

@test "neither KVM nor any file system is needed" {
	mkdir -p "$BATS_TEST_TMPDIR/empty"
	ROOT=$BATS_TEST_TMPDIR/empty
	explained kvm_exit
	unknown xyz unknown
	run --separate-stderr "$BIN_DIR/kvm_stat" --sysroot /nowhere --explain xyz
	[ "$status" -eq 1 ]
	[[ $stderr == *"cannot open /nowhere"* ]]
	run --separate-stderr "$BIN_DIR/kvm_stat" --sysroot /nowhere --explain kvm_exit
	[ "$status" -eq 0 ]
}

@test "output that cannot be written is an error" {
	run bash -c '"$BIN_DIR/kvm_stat" --explain help >/dev/full'
	[ "$status" -eq 1 ]
}
