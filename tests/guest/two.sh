# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-3-Clause
# Two guests at once, to be sourced after guest.sh and guest_prepare:
#
#   on NAME COMMAND…    does COMMAND (guest_boot, guest, qmp …) with the guest of that name as the current one
#   two_drop            ends them all
#
# Each has a folder of its own, $work/NAME; "${guest_monitor[@]}" is that of the guest the command is done on.
two_work=$work
two_names=()
declare -A two_kept

two_take() {
	local key

	for key in guest_pid guest_in guest_out mon_in mon_out mon_open; do
		printf -v "$key" '%s' "${two_kept[$1.$key]:-}"
	done
	work=$two_work/$1
	guest_monitor=(-chardev "pipe,id=mon,path=$work/mon" -object "monitor-qmp,id=qmp,chardev=mon")
}

two_keep() {
	local key

	for key in guest_pid guest_in guest_out mon_in mon_out mon_open; do
		two_kept[$1.$key]=${!key:-}
	done
	work=$two_work
	guest_pid=
}

on() {
	local name=$1 status=0

	shift
	[ -d "$two_work/$name" ] || {
		mkdir "$two_work/$name"
		two_names+=("$name")
	}
	two_take "$name"
	"$@" || status=$?
	two_keep "$name"
	return "$status"
}

two_drop() {
	local name

	for name in "${two_names[@]}"; do
		on "$name" guest_drop
	done
}

# For both of them.
diagnose() {
	{
		printf '%s\n' "--- answer" "$answer"
		tail -n 15 "$two_work"/*/stderr "$two_work"/*/console "$two_work"/*.err 2>/dev/null
		echo
	} | sed 's/^/# /'
}

# Whatever happens, the folder that goes is the one of all.
two_cleanup() {
	work=$two_work
	two_drop
	guest_cleanup
}
trap two_cleanup EXIT
