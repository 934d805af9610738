# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# What every script of this folder starts with: `. "$(dirname "$0")/common.sh"`.
# shellcheck disable=SC2034 # the variables are for those who source it
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${0##*/}

# A cache that outlives the build folder: the guest bed takes a minute to make.
cache=${MEDIO_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/medio}

say() {
	printf '%s\n' "$*"
}

warn() {
	printf '%s: %s\n' "$program" "$*" >&2
}

die() {
	warn "$*"
	exit 1
}

# The exit status that meson, automake and script/test read as "could not run here".
skip() {
	warn "skipped: $*"
	exit 77
}

# quietly LOG CMD...: what CMD prints goes to LOG, and to the screen only when CMD fails.
quietly() {
	local log=$1 status=0
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if [ "$status" -ne 0 ]; then
		cat "$log" >&2
		warn "'$*' ended with status $status"
	fi
	return "$status"
}

# Runs apt-get as root without ever asking a question, waiting for another dpkg to finish.
# Returns 126 when we are not root and cannot become root silently.
apt_get() {
	local run=(env)

	if [ "$(id -u)" -ne 0 ]; then
		sudo -n true 2>/dev/null || return 126
		run=(sudo -n env)
	fi
	"${run[@]}" DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true \
		apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null
}
