#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cppcheck over all C files, as this build defines them. Of the BPF programs' headers it knows the
# macros that are given here.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

files -name '*.c' ! -name '*.bpf.c' # whose sections are a macro that it does not know
# It does not understand the cleanup attribute, so leaks are left to ASan and clang-tidy. readdir()
# is safe in glibc, readdir_r() is deprecated. Programs that look up users have one thread.
cppcheck -j "$(nproc)" --quiet --std=c11 --library=posix --library=gnu --inline-suppr \
	--enable=warning,performance,portability --error-exitcode=1 \
	--suppress=memleak --suppress=resourceLeak --suppress=readdirCalled --suppress=getpwuidCalled --suppress=getgrgidCalled \
	--suppress=getgrnamCalled --suppress=fgetpwentCalled --suppress=fgetgrentCalled \
	--suppress=missingIncludeSystem --suppress=unmatchedSuppression \
	--template='{file}:{line}: {severity} {id}: {message}' \
	'-DSEC(name)=' '-D__uint(name,value)=int name' '-D__type(name,value)=int name' \
	-D_GNU_SOURCE -D__GNUC__=12 -D__linux__ -D__x86_64__ \
	-I . -I "$1/generated" "${FILES[@]}" || complain "cppcheck"
finish
