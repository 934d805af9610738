#!/bin/bash
# shellcheck disable=SC2016,SC2034,SC2154,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_vhost_migrate.sh MEDIO BED: a guest goes from one QEMU to another, live, with disks behind vhost-user-blk: each QEMU has a
# medio of its own, on the same files. Numbers are written all over two disks meanwhile, and none may be lost or done
# twice; what another disk has written into the guest's memory while it was copied, which the dirty log alone tells,
# must be there afterwards. MEDIO is the program; BED is what script/guest-bed printed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/disks.sh"
. "$here/numbers.sh"

medio=$1 bed=$2
modules=(virtio_blk)
guest_words='disk() { for d in /sys/block/vd*; do [ "$(cat $d/serial)" != $1 ] || { echo ${d##*/}; return 0; }; done; return 1; }; await() { n=0; until "$@"; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; };'$disk_words
mib=24 # of a disk that is read

fill() {
	add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
. "$here/serve.sh"
. "$here/vhost.sh"
use_peer "$qemu" "$(qemu_version "$qemu")"

# serves NAME: on the file of the disk, whatever there is of NAME behind a dash.
serves() {
	local words=(num-queues=2)

	case $1 in
	packed*) words=(num-queues=2 direct=on) ;;
	split*) words=(num-queues=1 packed=off) ;;
	esac
	serve "$1" virtio-blk "file=$work/${1%-*}" "serial=${1%-*}" share=on "${words[@]}"
}

vhost_device() {
	local queues=num-queues=2

	case $1 in
	packed*) queues+=,packed=on ;;
	split*) queues=num-queues=1 ;;
	esac
	qemu_devices+=(-device "vhost-user-blk-pci,chardev=$1,$2,$queues")
}

# The second QEMU, with the same devices; it waits for the guest.
target_starts() {
	local name slot=4

	qemu_devices=()
	for name; do
		serves "$name-after" || return
		has_device "$name-after" "$slot"
		slot=$((slot + 1))
	done
	mkfifo "$work/in" "$work/out" "$work/mon.in" "$work/mon.out"
	setsid "$qemu" "${guest_args[@]}" -smp 2 "${guest_ram[@]}" "${guest_monitor[@]}" "${qemu_devices[@]}" -incoming "unix:$work/move" \
		<"$work/in" >"$work/out" 2>>"$work/stderr" &
	target_pid=$!
	exec {target_in}>"$work/in" {target_out}<"$work/out"
	exec {target_mon_in}<>"$work/mon.in" {target_mon_out}<>"$work/mon.out"
	socket_is_there "$work/move" "$target_pid"
}

# The first has nothing to say any more.
target_takes_over() {
	guest_drop
	guest_pid=$target_pid guest_in=$target_in guest_out=$target_out mon_in=$target_mon_in mon_out=$target_mon_out
	qmp query-status && holds '"running"'
}

migration_is() {
	qmp query-migrate && holds "\"status\": \"($1)\""
}

# until_migration STATUS: or it has ended otherwise.
until_migration() {
	local end=$((SECONDS + 300))

	until migration_is "$1|completed|failed|cancelled"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
	migration_is "$1"
}

begins() {
	qmp migrate-set-parameters '{"max-bandwidth":16000000,"downtime-limit":1}' &&
		qmp migrate "{\"uri\":\"unix:$work/move\"}" && until_migration active
}

# All of the memory has been copied once; what changes from now on is copied because somebody says that it has. And so slowly
# that it does not end: more is written all the time than may be left over.
copied_once() {
	local end=$((SECONDS + 300)) count=0

	until [ "$count" -ge 2 ]; do
		[ "$SECONDS" -lt "$end" ] && qmp query-migrate && holds '"status": "active"' || return
		count=$(sed -n 's/.*"dirty-sync-count": \([0-9]*\).*/\1/p' <<<"$answer")
		sleep 0.1
	done
	qmp migrate-set-parameters '{"max-bandwidth":400000}'
}

goes_over() {
	qmp migrate-set-parameters '{"max-bandwidth":1000000000,"downtime-limit":20000}' && until_migration completed
}

# Memory that was written to before: what the disk writes there now no processor does, which QEMU would see.
holds_memory() {
	guest 'cd /tmp; held /dev/$(disk read) '"$mib"' >/tmp/held 2>&1 & held=$!; cd /; await grep -q ready /tmp/held; cat /tmp/held' && holds '^@held ready'
}

reads_disk() {
	guest 'kill -USR1 $held; await grep -q read$ /tmp/held; cat /tmp/held' && holds '^@held read$'
}

still_has_it() {
	guest 'kill -USR2 $held; await grep -q differ /tmp/held; cat /tmp/held' && holds "^@held $((mib << 20)) bytes, 0 differ"
}

silent() {
	guest 'dmesg | grep -E "I/O error|Call Trace|BUG:|WARNING:|blocked for"'
	[ -z "$answer" ]
}

content() {
	blames_nobody 'needs a reset|error|warning|Sanitizer|not (possible|allowed)'
}

with_migration() {
	local name writers=(packed split)

	disk_images 64 "${writers[@]}"
	dd if=/dev/urandom of="$work/read" bs=1M count="$mib" 2>/dev/null
	check "a guest with three disks boots" boots "" "${writers[@]}" read || return
	check "numbers are written" numbers "${writers[@]}"
	check "at all depths" more "${writers[@]}" || return
	check "memory for what is read is written to" holds_memory
	check "another QEMU waits for the guest" target_starts "${writers[@]}" read || return
	check "migration begins" begins || return
	check "all memory is copied once" copied_once || return
	check "a disk is read into memory meanwhile" reads_disk
	check "and numbers are written" more "${writers[@]}"
	check "migration is still under way" migration_is active
	check "the guest goes over" goes_over || return
	check "and runs there" target_takes_over || return
	check "numbers are written" more "${writers[@]}" || return
	check "what was read meanwhile is in memory" still_has_it
	for name in "${writers[@]}"; do
		check "$name: no write is lost, none is done twice" no_number_lost "$name"
	done
	check "the guest's kernel has nothing to say" silent
	check "the guest ends cleanly" guest_off
	check "so do the disks" serve_end
	check "which had nothing to complain about" content
}

with_migration
guest_drop
serve_end
check_finish
