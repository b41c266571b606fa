#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kvm_stat can be built without libbpf, clang and bpftool, and counts all the same.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

build=$1/without-bpf
if ! { cmake -S . -B "$build" -G Ninja -DWITH_BPF=OFF -DWITH_TESTS=OFF -DWITH_MAN=OFF \
	-DWERROR=ON -DCMAKE_BUILD_TYPE=Debug &&
	cmake --build "$build" --target kvm_stat; } >"$1/without-bpf.log" 2>&1; then
	tail -n 30 "$1/without-bpf.log"
	complain "kvm_stat cannot be built without BPF"
	finish
fi
kvm_stat=$build/bin/kvm_stat
if ldd "$kvm_stat" | grep libbpf; then
	complain "it needs libbpf"
fi
lines=$("$kvm_stat" -1 -d -i --sysroot tests/fixtures/demo | wc -l)
[ "$lines" -gt 10 ] || complain "it shows $lines rows of the fixture"
# Where tracepoints can be looked at, it says what it lacks.
if [ -r /sys/kernel/tracing/events/kvm ]; then
	said=$("$kvm_stat" -1 --via bpf 2>&1) && complain "it counts via BPF"
	case $said in
	*"built without BPF"* | *"PID namespace"*) ;;
	*) complain "it says: $said" ;;
	esac
	said=$("$kvm_stat" -1 -t -f 'kvm_pio$' 2>&1) || complain "it does not count: $said"
	[ "$(wc -l <<<"$said")" -eq 1 ] || complain "it says more than the row: $said"
fi
finish
