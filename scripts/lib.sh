# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What quickstart and test share: packages, steps with a log, private mounts. To be sourced; the
# caller has set -euo pipefail and is in the top directory of the project.

LOG_DIR=build/logs
STEP_GROUP=

say() {
	printf '%s\n' "$*"
}

# die TEXT...: one line, and the end.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# distribution: prints the column of scripts/packages for this machine.
distribution() {
	local file=/etc/os-release id
	[ -r "$file" ] || file=/usr/lib/os-release
	[ -r "$file" ] || die "cannot tell the distribution: there is no /etc/os-release"
	# shellcheck source=/dev/null
	for id in $(. "$file" && printf '%s %s' "${ID:-}" "${ID_LIKE:-}"); do
		case $id in
		debian | ubuntu)
			printf 'debian\n'
			return
			;;
		fedora | rhel | centos)
			printf 'fedora\n'
			return
			;;
		opensuse* | suse | sles)
			printf 'opensuse\n'
			return
			;;
		esac
	done
	die "$file names no distribution of scripts/packages (debian, fedora, opensuse);" \
		"install what that file lists by other means, then use the presets of cmake"
}

# packages_wanted DISTRIBUTION KIND...: prints the entries of those kinds, one per line.
packages_wanted() {
	local distribution=$1
	shift
	awk -v distribution="$distribution" -v kinds=" $* " '
		$1 == "#" && $2 == "what" {
			for (i = 2; i <= NF; i++)
				if ($i == distribution)
					column = i - 1
		}
		/^#/ || NF == 0 { next }
		index(kinds, " " $2 " ") && $column != "-" {
			count = split($column, names, ",")
			for (i = 1; i <= count; i++)
				print names[i]
		}' scripts/packages
}

package_installed() {
	case $1 in
	debian) [ "$(dpkg-query -W -f '${db:Status-Status}' "$2" 2>/dev/null)" = installed ] ;;
	*) rpm -q --quiet --whatprovides "$2" 2>/dev/null ;;
	esac
}

package_exists() {
	local answer
	case $1 in
	debian)
		answer=$(apt-cache policy "$2" 2>/dev/null) && [[ $answer == *'Candidate: '[!\(]* ]]
		;;
	fedora) answer=$(dnf -q repoquery --whatprovides "$2" 2>/dev/null) && [ -n "$answer" ] ;;
	opensuse) zypper -q --non-interactive search --provides --match-exact "$2" >/dev/null 2>&1 ;;
	esac
}

# packages_missing DISTRIBUTION KIND...: prints the entries of which nothing is installed.
packages_missing() {
	local distribution=$1 entry name found
	local -a names
	packages_wanted "$@" | while read -r entry; do
		IFS='|' read -ra names <<<"$entry"
		found=
		for name in "${names[@]}"; do
			if package_installed "$distribution" "$name"; then
				found=$name
			fi
		done
		[ -n "$found" ] || printf '%s\n' "$entry"
	done
}

# package_choose DISTRIBUTION ENTRY: prints the name of ENTRY that can be had, else its first.
package_choose() {
	local name
	local -a names
	IFS='|' read -ra names <<<"$2"
	if [ ${#names[@]} -gt 1 ]; then
		for name in "${names[@]}"; do
			if package_exists "$1" "$name"; then
				printf '%s\n' "$name"
				return
			fi
		done
	fi
	printf '%s\n' "${names[0]}"
}

# The index of a new machine is empty or too old to fetch from; a fresh one is left alone.
apt_index_is_stale() {
	[ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -1440 -print -quit \
		2>/dev/null)" ]
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "$@"
}

apt_update() {
	apt-get update -o DPkg::Lock::Timeout=300
}

# packages_install KIND...: installs what is missing; touches nothing when nothing is.
packages_install() {
	local distribution entry
	local -a missing=() names=() command
	distribution=$(distribution)
	mapfile -t missing < <(packages_missing "$distribution" "$@")
	[ ${#missing[@]} -gt 0 ] || return 0

	case $distribution in
	debian) command=(apt-get install --no-install-recommends) ;;
	fedora) command=(dnf install) ;;
	opensuse) command=(zypper install --no-recommends) ;;
	esac
	if [ "$(id -u)" -ne 0 ]; then
		for entry in "${missing[@]}"; do
			names+=("$(package_choose "$distribution" "$entry")")
		done
		die "packages are missing; as root run: ${command[*]} $(printf '%q ' "${names[@]}")"
	fi

	if [ "$distribution" = debian ] && apt_index_is_stale; then
		step "update the package index" "$LOG_DIR/apt-update.log" apt_update
	fi
	for entry in "${missing[@]}"; do
		names+=("$(package_choose "$distribution" "$entry")")
	done
	say "missing packages: ${names[*]}"
	case $distribution in
	debian)
		# An index that is fresh by date can still name files that the mirror has replaced.
		if ! step_try "install ${#names[@]} packages" "$LOG_DIR/install.log" \
			apt_install "${names[@]}"; then
			step "update the package index" "$LOG_DIR/apt-update.log" apt_update
			step "install ${#names[@]} packages" "$LOG_DIR/install.log" \
				apt_install "${names[@]}"
		fi
		;;
	fedora)
		step "install ${#names[@]} packages" "$LOG_DIR/install.log" \
			dnf install -y --setopt=install_weak_deps=False "${names[@]}"
		;;
	opensuse)
		step "install ${#names[@]} packages" "$LOG_DIR/install.log" \
			zypper --non-interactive install --no-recommends "${names[@]}"
		;;
	esac
}

# step_progress NAME LOG SECONDS: how far a running step is.
step_progress() {
	local line
	line=$(tail -c 400 "$2" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 |
		tr -dc '[:print:]' | cut -c 1-90) || true
	if [ -t 1 ]; then
		printf '\r\033[K%s ... %d s  %s' "$1" "$3" "${line:0:$((${COLUMNS:-80} - ${#1} - 16))}"
	else
		printf '  %s: %d s: %s\n' "$1" "$3" "$line"
	fi
}

# step_try NAME LOG COMMAND...: runs COMMAND with its output in LOG, showing progress. Returns its
# status.
step_try() {
	local name=$1 log=$2 start=$SECONDS every=20 next status=0 pid
	shift 2
	mkdir -p "${log%/*}"
	: >"$log"
	if [ -t 1 ]; then
		every=1
	else
		printf '%s ...\n' "$name"
	fi
	next=$((start + every))

	# A group of its own: a background job of a script would ignore SIGINT, and its tests too.
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	STEP_GROUP=$pid
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.1
		if [ "$SECONDS" -ge "$next" ]; then
			step_progress "$name" "$log" $((SECONDS - start))
			next=$((SECONDS + every))
		fi
	done
	wait "$pid" || status=$?
	STEP_GROUP=
	if [ -t 1 ]; then
		printf '\r\033[K'
	fi
	if [ "$status" -eq 0 ]; then
		printf '%s ... %d s\n' "$name" $((SECONDS - start))
	else
		printf '%s ... failed after %d s\n' "$name" $((SECONDS - start))
	fi
	return "$status"
}

# step_explain NAME LOG: what a failed step left.
step_explain() {
	tail -n 30 "$2" | sed 's/^/    /' >&2
	printf '%s: step "%s" failed, log: %s\n' "${0##*/}" "$1" "$2" >&2
}

# step NAME LOG COMMAND...: as step_try, and the end when it fails.
step() {
	if ! step_try "$@"; then
		step_explain "$1" "$2"
		exit 1
	fi
}

# To be called by EXIT and signal traps: no step outlives its script.
step_stop() {
	if [ -n "$STEP_GROUP" ]; then
		kill -TERM -- "-$STEP_GROUP" 2>/dev/null || true
		STEP_GROUP=
	fi
}

# Under sudo the build directory stays the user's, who may then go on without sudo.
give_build_to_user() {
	if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_UID:-}" ] && [ -n "${SUDO_GID:-}" ] && [ -d build ]; then
		chown -R -- "$SUDO_UID:$SUDO_GID" build || true
	fi
}

can_unshare_mounts() {
	[ "$(id -u)" -eq 0 ] && unshare -m --propagation private true 2>/dev/null
}

# mount_kernel_filesystems: what KVM's counters need and the machine has not mounted. Only for a
# private mount namespace: the machine stays as it was.
mount_kernel_filesystems() {
	local type dir
	while read -r type dir; do
		if ! mountpoint -q "$dir" && ! mount -t "$type" "$type" "$dir" 2>/dev/null; then
			say "note: $type could not be mounted at $dir"
		fi
	done <<-END
		debugfs /sys/kernel/debug
		tracefs /sys/kernel/tracing
		securityfs /sys/kernel/security
	END
}
