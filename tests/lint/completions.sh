#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each shell accepts its completion, and bash's gives what it should.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

build=$1
cd packaging/completions
for file in *.bash; do
	bash -n "$file" || complain "$file"
done
for file in _*; do
	zsh -n "$file" || complain "$file"
	[ "$(head -n 1 "$file")" = "#compdef ${file#_}" ] || complain "$file: no #compdef"
done
for file in *.fish; do
	fish --no-execute "$file" || complain "$file"
done

# expect WORD... => REPLY...: completes the last word.
expect() {
	local -a words=() COMPREPLY=()
	while [ "$1" != "=>" ]; do
		words+=("$1")
		shift
	done
	shift
	COMP_WORDS=("${words[@]}")
	COMP_CWORD=$((${#words[@]} - 1))
	"_${words[0]//-/_}"
	[ "${COMPREPLY[*]}" = "$*" ] ||
		complain "completing '${words[*]}' gives '${COMPREPLY[*]}' instead of '$*'"
}

# There is no completion going on that it could change. It is called by what is completed.
# shellcheck disable=SC2317
# There is no completion going on that it could change.
# shellcheck disable=SC2317 # the functions that use it are called by their names in a variable
compopt() {
	:
}

# shellcheck source=packaging/completions/kvm-check.bash
. ./kvm-check.bash
expect kvm-check --re '=>' --report
expect kvm-check --q '=>' --quiet
expect kvm-check --report _kvm-c '=>' _kvm-check
expect kvm-check --report '=' _kvm-c '=>' _kvm-check
# shellcheck source=packaging/completions/kvm_stat.bash
. ./kvm_stat.bash
# shellcheck source=packaging/completions/kvm-device.bash
. ./kvm-device.bash
expect kvm-device a '=>' apply
expect kvm-device apply --d '=>' --dry-run
expect kvm-device apply --root '=' /us '=>' /usr
expect kvm-device wait --timeout '' '=>' ''
expect kvm_stat --trace '=>' --tracepoints
expect kvm_stat -1 --sk '=>' --skip-zero-records
(
	# It asks the program.
	PATH=$build/bin:$PATH
	expect kvm_stat --explain halt_wa '=>' halt_wait_hist halt_wait_ns halt_wakeup
	expect kvm_stat --explain '=' 'instruction_sigp_*' '=>' 'instruction_sigp_*'
	[ "$failures" -eq 0 ]
) || complain "completing --explain"
expect kvm_stat --source deb '=>' debugfs debugfs,tracepoints
expect kvm_stat --source '=' '=>' debugfs stats tracepoints debugfs,tracepoints \
	stats,tracepoints
expect kvm_stat --source '=' t '=>' tracepoints
expect kvm_stat -L _kvm_ '=>' _kvm_stat
expect kvm_stat -o _kvm_ '=>' _kvm_stat
expect kvm_stat --replay '=' _kvm_ '=>' _kvm_stat
expect kvm_stat --by '=' v '=>' vcpu
expect kvm_stat -1 --format '=' o '=>' openmetrics
expect kvm_stat -p '' '=>' ''
expect kvm_stat x '=>' ''

# shellcheck source=packaging/completions/kvm-modprobe.bash
. ./kvm-modprobe.bash
expect kvm-modprobe --dr '=>' --dry-run
expect kvm-modprobe --check vhost '=>' vhost_net vhost_vsock
expect kvm-modprobe --sysroot _kvm '=>' ''
# shellcheck source=packaging/completions/systemd-unit-merge.bash
. ./systemd-unit-merge.bash
expect systemd-unit-merge --str '=>' --strict-sections
expect systemd-unit-merge --lint --ext '=>' --external
expect systemd-unit-merge --list '=' _systemd-u '=>' _systemd-unit-merge
expect systemd-unit-merge _systemd-u '=>' _systemd-unit-merge
expect systemd-unit-merge --depfile '=' _systemd-u '=>' _systemd-unit-merge
expect systemd-unit-merge -D '' '=>' ''
finish
