# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of kvm-modprobe's options and modules for bash.

_kvm_modprobe() {
	local cur prev
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	# bash splits at "=": --sysroot=/mnt are three words.
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	case $prev in
	--sysroot | --modules-dir)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '
			--boot --check -n --dry-run --list --json -v --verbose --sysroot --modules-dir
			-h --help --version
			' -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -W '
			kvm kvm_intel kvm_amd kvm_hv kvm_pr vhost_net vhost_vsock tun
			' -- "$cur")
	fi
}
complete -F _kvm_modprobe kvm-modprobe
