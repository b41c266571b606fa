# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of systemd-unit-merge's options and files for bash.

_systemd_unit_merge() {
	local cur prev
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	# bash splits at "=": --output=x are three words.
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	case $prev in
	-D | --define | --external)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '
			-D --define --override --dedup --strict-sections -o --output --depfile --list
			--lint --external --json -h --help --version
			' -- "$cur")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -F _systemd_unit_merge systemd-unit-merge
