# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-3-Clause
# A mediod to test, to be sourced. All of the test runs in namespaces of its own: every process, mount and
# file that it makes ends with it, and whatever is left of a mediod can be counted.
#
#   daemon_alone "$0" "$@"   first of all: goes on in those namespaces. $work is a scratch folder in memory,
#                            $run the runtime folder of mediods, $definitions their definitions
#   daemon_start ARG...      $mediod with these; ready when this returns. $mediod_pid
#   daemon_stop              SIGTERM; its exit status
#   daemon_kill              SIGKILL; its workers stay
#   workers                  the pids of all worker processes
#   partner COMMAND...       runs it in the background and talks with it by lines: $partner_pid, $partner_in and
#                            $partner_out are to be kept; its first line is $answer
#   settles COMMAND...       succeeds when COMMAND does, within 120 s
#   counts_memory            whether this mediod's memory tells anything: a sanitizer keeps what was freed
#   said, refused            what a command says; and check, holds, lacks, check_finish of tap.sh
#
# mediod's words are in $work/mediod.err, what a command answered is expected in $answer.
set -uo pipefail

: "${mediod:?}" "${medio:?}" # the programs, from whoever sources this
mediod_pid=
. "$(dirname "${BASH_SOURCE[0]}")/../check/tap.sh"

# TAP's way; meson takes no other status from a test that speaks it.
skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

daemon_alone() {
	if [ -z "${MEDIO_TEST_ALONE:-}" ]; then
		[ "$(id -u)" -eq 0 ] || skip_all "namespaces and a mounted tree need root"
		[ -c /dev/fuse ] || skip_all "there is no /dev/fuse"
		unshare --mount --pid --fork --kill-child --mount-proc true 2>/dev/null ||
			skip_all "this machine allows no namespaces (unshare)"
		MEDIO_TEST_ALONE=1 exec unshare --mount --pid --fork --kill-child --mount-proc "$@"
	fi
	unset MEDIO_TEST_ALONE
	work=/mnt
	mount -t tmpfs -o mode=755 medio-test "$work" || exit 1
	run=$work/run
	definitions=$work/etc/mdevctl.d
	mkdir -p "$run" "$definitions"
	export MEDIO_RUNTIME_DIR=$run
}

daemon_ready() {
	[ -d "$run/sys/class/mdev_bus" ] && "$medio" list >/dev/null 2>&1
}

daemon_start() {
	"$mediod" --runtime-dir "$run" --definitions "$definitions" "$@" \
		>>"$work/mediod.out" 2>>"$work/mediod.err" </dev/null &
	mediod_pid=$!
	settles daemon_ready_or_gone && kill -0 "$mediod_pid" 2>/dev/null
}

daemon_ready_or_gone() {
	! kill -0 "$mediod_pid" 2>/dev/null || daemon_ready
}

daemon_stop() {
	kill -TERM "$mediod_pid" 2>/dev/null
	wait "$mediod_pid"
}

daemon_kill() {
	kill -KILL "$mediod_pid"
	wait "$mediod_pid" 2>/dev/null
	return 0
}

workers() {
	local exe

	for exe in /proc/[0-9]*/exe; do
		case $(readlink "$exe" 2>/dev/null) in
		*/medio-worker*) printf '%s\n' "${exe//[^0-9]/}" ;;
		esac
	done
}

# Sanitizers keep what was freed.
counts_memory() {
	! grep -q 'lib[atl]*san\|__asan' "/proc/$mediod_pid/maps" && ! grep -qa __asan_init "$mediod"
}

settles() {
	local end=$((SECONDS + 120))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.02
	done
}

partner() {
	mkfifo "$work/partner.in" "$work/partner.out"
	"$@" <"$work/partner.in" >"$work/partner.out" 2>&1 &
	partner_pid=$!
	exec {partner_in}>"$work/partner.in" {partner_out}<"$work/partner.out"
	rm "$work/partner.in" "$work/partner.out"
	IFS= read -r -t 120 answer <&"$partner_out"
}

# The number in field FIELD of /proc/PID/status, in KiB.
memory_of() {
	sed -n "s/^$2:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$1/status"
}

diagnose() {
	local status=0

	if [ -n "${mediod_pid:-}" ] && ! kill -0 "$mediod_pid" 2>/dev/null; then
		wait "$mediod_pid" || status=$?
		echo "# mediod has ended with status $status"
	fi
	{
		printf '%s\n' "--- answer" "$answer" "--- mediod's last words"
		tail -n 15 "$work/mediod.err" 2>/dev/null
	} | sed 's/^/# /'
}

# said COMMAND...: its output in $answer; its own status.
said() {
	answer=$("$@" 2>&1)
}

# refused PATTERN COMMAND...: it fails, and a line of what it says matches.
refused() {
	local pattern=$1

	shift
	! said "$@" && holds "$pattern"
}
