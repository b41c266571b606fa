# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of kvm_stat's options for bash.

_kvm_stat() {
	local cur prev
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	# bash splits at "=": --source=debugfs are three words.
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	case $prev in
	-L | --log-to-file | -o | --output | --record | --replay)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--sysroot)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--by)
		mapfile -t COMPREPLY < <(compgen -W 'guest vcpu' -- "$cur")
		return
		;;
	--format)
		mapfile -t COMPREPLY < <(compgen -W 'text csv json openmetrics prometheus' -- "$cur")
		return
		;;
	--source)
		mapfile -t COMPREPLY < <(compgen -W 'debugfs stats tracepoints debugfs,tracepoints stats,tracepoints' -- "$cur")
		return
		;;
	--via)
		mapfile -t COMPREPLY < <(compgen -W 'bpf perf' -- "$cur")
		return
		;;
	--explain)
		mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --explain help 2>/dev/null)" -- "$cur")
		return
		;;
	-f | --fields)
		mapfile -t COMPREPLY < <(compgen -W help -- "$cur")
		return
		;;
	-g | --guest | -p | --pid | -s | --set-delay | --count | --limit)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '
			-1 --once --batch -c --csv -d --debugfs -f --fields -g --guest -h --help
			-i --debugfs-include-past -l --log -L --log-to-file -o --output -p --pid
			-s --set-delay -t --tracepoints -z --skip-zero-records --by --count --exits
			--explain --format --limit --record --replay --source --sysroot --via --version
			' -- "$cur")
	fi
}
complete -F _kvm_stat kvm_stat
