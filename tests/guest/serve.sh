# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-3-Clause
# Devices that a test serves to its guest, to be sourced after guest.sh. The test says with `serves NAME` how each is served,
# with $medio which program does it, and with $modules and $guest_words what the guest loads and its shell learns.
#
#   serve NAME TYPE ARG…   a device in a process of its own, its socket ready when this returns. $socket
#   serve_end              all end, cleanly
#   blames_nobody PATTERN  nothing in what the devices said matches
#   socket_is_there PATH PID
#   boots WORDS NAME…      a guest with words for its kernel, and these devices at slots 4, 5, …. $devices
#   has_device NAME SLOT   what QEMU is told of one, added to $qemu_devices; with a server that was just made
#   loads                  the same drivers and words again, after a reboot
#   parts_run PART…        each with_PART, and an end to what it left
served=()
qemu_devices=()
append=${guest_args[-1]}

socket_is_there() {
	local tries=0

	until [ -S "$1" ]; do
		kill -0 "$2" 2>/dev/null && [ "$tries" -lt 2400 ] || return 1
		tries=$((tries + 1))
		sleep 0.05
	done
}

serve() {
	local name=$1 type=$2

	shift 2
	socket=$work/$name.sock
	"$medio" serve "$type" "$@" --socket "$socket" >>"$work/$name.out" 2>>"$work/$name.err" &
	served+=($!)
	socket_is_there "$socket" $!
}

# With SIGTERM: what runs in the background of a script ignores SIGINT.
serve_end() {
	local pid status=0

	for pid in "${served[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" || status=$?
	done
	served=()
	return "$status"
}

blames_nobody() {
	answer=$(cat "$work"/*.err)
	lacks "$1"
}

has_device() {
	qemu_devices+=(-device "$(printf '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"%s"},"addr":"%x.0"}' "$socket" "$2")")
}

boots() {
	local words=$1 slot=4 name

	shift
	devices=("$@")
	qemu_devices=()
	rm -f "$work"/*.err
	for name; do
		serves "$name" || return
		has_device "$name" "$slot"
		slot=$((slot + 1))
	done
	guest_args[-1]="$append $words"
	guest_boot "$qemu" "${guest_args[@]}" -smp 2 "${guest_ram[@]}" "${guest_monitor[@]}" "${qemu_devices[@]}" || return
	loads
}

# A guest that has started again knows nothing.
loads() {
	guest "$guest_words; (for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done)"
}

parts_run() {
	local part

	for part; do
		"with_$part"
		guest_drop
		serve_end
		rm -f "$work"/*.sock
	done
	check_finish
}
