# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-3-Clause
# The host side of a guest test, to be sourced: boots the bed's QEMU, sends the guest one command at a
# time and judges the answers. One guest at a time.
#
#   guest_prepare BED [FILL] makes the initramfs once; sets $work (a scratch folder), $qemu, $guest_args;
#                            FILL is a command that puts more files into the folder it is given
#   guest_boot CMD...        starts CMD (QEMU with "${guest_args[@]}", or something that runs it)
#   guest COMMAND            runs it in the guest; $answer is its output, the status is its own
#   transcript NAME          succeeds if that of the guide is what happens in the guest
#   qmp COMMAND [ARGUMENTS]  asks QEMU's monitor; $answer is what it returned. CMD needs "${guest_monitor[@]}"
#   qmp_event PATTERN        waits for an event of the monitor that matches
#   guest_drop               ends CMD at once, for a guest that is of no more use
#   guest_off                powers the guest off; $guest_status is CMD's exit status
#   check, holds, lacks, check_finish  of tap.sh
set -uo pipefail

guest_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$guest_here/../check/tap.sh"
. "$guest_here/../check/guide.sh"
guest_pid=
mon_open=
guest_timeout=${MEDIO_GUEST_TIMEOUT:-600}

guest_cleanup() {
	local pid

	[ -z "$guest_pid" ] || kill -- "-$guest_pid" 2>/dev/null
	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$work"
}

guest_skip() {
	echo "1..0 # SKIP $*"
	exit 77
}

guest_prepare() {
	local bed=$1

	if [ ! -x "$bed/qemu-system-x86_64" ] || [ ! -r "$bed/vmlinuz" ]; then
		guest_skip "no guest bed in $bed; script/guest-bed makes it"
	fi
	command -v cpio >/dev/null || guest_skip "packing the guest's files needs cpio"
	work=$(mktemp -d "${TMPDIR:-/tmp}/medio-guest.XXXXXX")
	trap guest_cleanup EXIT
	trap 'exit 1' INT TERM HUP
	# A guest that is gone is an answer for `guest`, not our end; not ignored, children would inherit it.
	trap : PIPE
	mkdir "$work/more"
	[ -z "${2:-}" ] || "$2" "$work/more" || exit 1
	"$guest_here/initramfs.sh" "$bed" "$work/initrd" "$work/more" || exit 1
	guest_kernel "$bed/vmlinuz" "$work/vmlinux"
	qemu=$bed/qemu-system-x86_64
	# Stock everything, no KVM: the same on every machine. Half of what a kernel does at its start are the trials of its own
	# cryptography and the unpacking of itself.
	guest_args=(
		-machine "q35,memory-backend=mem" -accel tcg -cpu qemu64 -m 256M
		-nodefaults -no-user-config -display none -monitor none -serial stdio
		-kernel "$guest_kernel" -initrd "$work/initrd"
		-append "console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check random.trust_cpu=on cryptomgr.notests mitigations=off nokaslr"
	)
	# Memory that a device server can map; guest_ram_private is memory it cannot.
	guest_ram=(-object "memory-backend-memfd,id=mem,size=256M,share=on")
	guest_ram_private=(-object "memory-backend-ram,id=mem,size=256M,share=off")
	guest_monitor=(-chardev "pipe,id=mon,path=$work/mon" -object "monitor-qmp,id=qmp,chardev=mon")
}

# guest_kernel FROM TO: $guest_kernel is what is packed into FROM, which QEMU starts where it stands; or FROM itself.
guest_kernel() {
	local at

	guest_kernel=$1
	at=$(LC_ALL=C grep -abom 1 -P '\x28\xb5\x2f\xfd' "$1" | head -n 1 | cut -d: -f1)
	[ -n "$at" ] && command -v zstd >/dev/null || return 0
	tail -c "+$((at + 1))" "$1" | zstd -qdc >"$2" 2>/dev/null
	[ "$(head -c 4 "$2")" != $'\x7fELF' ] || guest_kernel=$2
}

# One line from the guest into $REPLY; kernel messages have carriage returns, answers have none.
guest_line() {
	IFS= read -r -t "$guest_timeout" -u "$guest_out" REPLY || {
		answer+="[no answer from the guest within $guest_timeout s, or it ended]"
		return 1
	}
	REPLY=${REPLY%$'\r'}
	printf '%s\n' "$REPLY" >>"$work/console"
}

guest_wait_ready() {
	while guest_line; do
		[[ $REPLY != *@ready ]] || return 0
	done
	return 1
}

guest_boot() {
	answer=
	: >"$work/console"
	: >"$work/events"
	mkfifo "$work/in" "$work/out" "$work/mon.in" "$work/mon.out"
	# A session of its own, so that all of it can be ended together.
	setsid "$@" <"$work/in" >"$work/out" 2>"$work/stderr" &
	guest_pid=$!
	exec {guest_in}>"$work/in" {guest_out}<"$work/out"
	# Both ways on both, so that nothing waits for a monitor that nobody asked for.
	exec {mon_in}<>"$work/mon.in" {mon_out}<>"$work/mon.out"
	guest_wait_ready || return
	rm -f "$work/in" "$work/out" "$work/mon.in" "$work/mon.out"
}

guest() {
	answer=
	printf '%s\n' "$*" 1>&"$guest_in" 2>/dev/null || return 1
	while guest_line; do
		case $REPLY in
		'@done '*) return "${REPLY#@done }" ;;
		esac
		answer+=$REPLY$'\n'
	done
	return 1
}

transcript() {
	guest "$(guide_command "$1")" && answer=$(printf '%s' "$answer" | guide_same "$1")
}

# One line of the monitor into $REPLY, events set aside.
qmp_line() {
	while IFS= read -r -t "$1" -u "$mon_out" REPLY; do
		REPLY=${REPLY%$'\r'}
		case $REPLY in
		*'"event":'*) printf '%s\n' "$REPLY" >>"$work/events" ;;
		*'"QMP":'*) ;;
		*) return 0 ;;
		esac
	done
	return 1
}

qmp() {
	answer=
	if [ "$1" != qmp_capabilities ] && [ -z "$mon_open" ]; then
		qmp qmp_capabilities || return
		mon_open=yes
	fi
	printf '{"execute":"%s"%s}\n' "$1" "${2:+,\"arguments\":$2}" >&"$mon_in"
	qmp_line 120 || return
	answer=$REPLY
	[[ $answer == *'"return":'* ]]
}

qmp_event() {
	local end=$((SECONDS + ${2:-120}))

	until grep -qE -- "$1" "$work/events"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		# What comes now is an event: nothing was asked.
		qmp_line 1
	done
	grep -vE -- "$1" "$work/events" >"$work/events.left"
	mv "$work/events.left" "$work/events"
}

# After a reset the firmware prints its screen again, and init says it is ready.
guest_reboot() {
	printf 'reboot -f\n' >&"$guest_in"
	guest_wait_ready
}

guest_off() {
	[ -n "$guest_pid" ] || return 1
	printf 'poweroff -f\n' 1>&"$guest_in" 2>/dev/null
	while IFS= read -r -t "$guest_timeout" -u "$guest_out" REPLY; do
		printf '%s\n' "$REPLY" >>"$work/console"
	done
	exec {guest_in}>&- {guest_out}<&- {mon_in}>&- {mon_out}<&-
	mon_open=
	if kill -0 "$guest_pid" 2>/dev/null && [ "$(guest_state)" != Z ]; then
		timeout 120 tail --pid="$guest_pid" -f /dev/null || kill -- "-$guest_pid"
	fi
	wait "$guest_pid"
	guest_status=$?
	guest_pid=
	return "$guest_status"
}

guest_drop() {
	[ -n "$guest_pid" ] || return 0
	kill -- "-$guest_pid" 2>/dev/null
	wait "$guest_pid"
	exec {guest_in}>&- {guest_out}<&- {mon_in}>&- {mon_out}<&-
	mon_open=
	guest_pid=
}

guest_state() {
	sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$guest_pid/status" 2>/dev/null
}

# diagnose: what a person needs when a check fails.
diagnose() {
	{
		printf '%s\n' "--- answer" "$answer" "--- standard error of the guest's command"
		cat "$work/stderr" 2>/dev/null
		printf '%s\n' "--- end of the console"
		tail -n 15 "$work/console" "$work"/*.err 2>/dev/null
		echo
	} | sed 's/^/# /'
}
