# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of kvm-device's commands and options for bash.

_kvm_device() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	# bash splits at "=": --root=/mnt are three words.
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	case $prev in
	--root | --sysroot)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--timeout)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '
			--create -n --dry-run --json --root --sysroot --timeout -h --help --version
			' -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -W 'status apply wait monitor' -- "$cur")
	fi
}
complete -F _kvm_device kvm-device
