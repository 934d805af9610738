#!/bin/bash
# shellcheck disable=SC2016,SC2154,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_blk.sh MEDIO BED [PART…]: medio's virtio disks under the stock kernel's own driver, several in one guest. Files
# are copied and found again over each kind of ring and interrupt; a disk grows, is read-only, gives space
# back; and no record that the guest was told is durable is lost when it is killed. MEDIO is the program; BED is
# what script/guest-bed printed; a PART is msix, intx or killed, all if none is said.
# MEDIO_TEST_FULL=1 copies 200 MiB a disk.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/disks.sh"

medio=$1 bed=$2
size=${MEDIO_TEST_FULL:+200}
size=${size:-8} # MiB
span=$((16 << 20)) # bytes that a thread's records may fill
modules=("${disk_modules[@]}" virtio_blk)
guest_words='disk() { for d in /sys/block/vd*; do [ "$(cat $d/serial)" != $1 ] || { echo ${d##*/}; return 0; }; done; return 1; };'$disk_words
disk_tools_there debugfs

fill() {
	disk_tools "$1" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
. "$here/serve.sh"

# serves NAME: the disk by this name.
serves() {
	local -a words

	case $1 in
	plain | raw) words=() ;;
	split) words=(packed=off) ;;
	bare) words=(packed=off indirect=off event-idx=off) ;;
	packed) words=(indirect=off event-idx=off num-queues=1) ;;
	adaptive) words=(poll=adaptive direct=on) ;;
	through) words=(block-size=4096) ;;
	frozen) words=(readonly=on) ;;
	grows) words=(rescan=200ms) ;;
	esac
	serve "$1" virtio-blk "file=$work/$1" "serial=$1" "${words[@]}"
}

# Of the serial numbers that the guest reads, each is there.
finds_disks() {
	guest 'cat /sys/block/vd*/serial; echo; for s in '"$*"'; do disk $s || exit 1; done'
}

# feature NAME BIT: 1 or 0. The kernel prints bit 0 first.
feature() {
	guest "cat /sys/block/\$(disk $1)/device/features" || return
	answer=${answer:$2:1}$'\n'
}

has_features() {
	local name=$1 bit

	for bit in 28 29 34; do
		feature "$name" "$bit"
		printf '%s' "${answer%$'\n'}"
	done
}

# ring NAME INDIRECT EVENT_IDX PACKED
ring() {
	local got

	got=$(has_features "$1")
	answer="features 28, 29, 34: $got"
	[ "$got" = "$2$3$4" ]
}

# interrupts PATTERN NAME: those of its queues are of that kind, and came.
interrupts() {
	guest 'd=$(basename $(readlink /sys/block/$(disk '"$2"')/device)); grep -w $d /proc/interrupts || grep "$d-" /proc/interrupts' && holds "$1" &&
		guest 'grep $d /proc/interrupts | grep -v config | awk "{ for (i = 2; i <= 3; i++) n += \$i } END { print n; exit n < 50 }"'
}

# Nothing that virtio, the disks or the kernel's own checks complain about.
silent() {
	local known='virtio_blk virtio[0-9]+: (\[vd|[0-9/]+ default)|virtio-pci .* enabling device|capacity change|EXT4-fs \(vd.\): (un)?mount'

	guest 'dmesg | grep -vE "'"$known"'" | grep -E "virtio|vd[a-z]|I/O error|Call Trace|BUG:|WARNING:|EXT4-fs (error|warning)"'
	[ -z "$answer" ]
}

# What the devices said.
content() {
	blames_nobody 'NEEDS_RESET|error|warning|Sanitizer|not (possible|allowed)'
}

# ---- What a disk can besides ------------------------------------------------------------------------------

is_resized() {
	truncate -s "$1M" "$work/grows" &&
		guest 'd=$(disk grows); n=0; until [ $(cat /sys/block/$d/size) -eq '"$(($1 * 2048))"' ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || exit 1; done 2>&1; dmesg | grep "new size"'
}

# The driver switches the cache off: then nothing is to flush.
write_through() {
	guest 'd=$(disk through) && cat /sys/block/$d/cache_type && echo "write through" >/sys/block/$d/cache_type && cat /sys/block/$d/cache_type /sys/block/$d/queue/logical_block_size'
	[ "$answer" = $'write back\nwrite through\n4096\n' ] && copies through &&
		guest 'd=$(disk through) && echo "write back" >/sys/block/$d/cache_type && cat /sys/block/$d/cache_type' && [ "$answer" = $'write back\n' ]
}

has_queues() {
	guest 'ls -1 /sys/block/$(disk '"$1"')/mq' && [ "$(wc -l <<<"${answer%$'\n'}")" -eq "$2" ]
}

make_images() {
	disk_images $((size * 5 / 2 + 48)) "$@"
}

with_msix() {
	make_images plain split bare packed adaptive through
	dd if=/dev/urandom of="$work/frozen" bs=1M count=4 2>/dev/null
	truncate -s 32M "$work/grows"
	check "a guest with eight disks boots" boots "" plain split bare packed adaptive through frozen grows || return
	check "it finds them by their serial numbers" finds_disks "${devices[@]}"
	check "plain: packed ring, indirect, event idx" ring plain 1 1 1
	check "split: split ring, indirect, event idx" ring split 1 1 0
	check "bare: split ring, neither" ring bare 0 0 0
	check "packed: packed ring, neither" ring packed 0 0 1
	for name in plain split bare packed adaptive; do
		check "$name: ext4 with $size MiB, copied, found again, sound" copies "$name"
		check "$name: by MSI-X" interrupts 'PCI-MSIX?.*-req' "$name"
	done
	check "plain: a queue for each processor" has_queues plain 2
	check "packed: one, it has no more" has_queues packed 1
	check "through: blocks of 4096 bytes, cache switched off" write_through
	check "grows: the guest sees it grow" is_resized 48
	check "grows: and uses it" uses_past_40 grows
	check "grows: and sees it shrink" is_resized 40
	check "frozen: can be read, not written" is_frozen frozen
	check "plain: zeroes are written" zeroes plain
	check "plain: what is discarded gives its place back" gives_back plain
	check "the guest's kernel has nothing to say" silent
	check "the guest ends cleanly" guest_off
	check "so do the disks" serve_end
	check "which had nothing to complain about" content
	for name in split bare packed adaptive through; do
		check "$name: sound from outside too" sound "$name"
	done
}

with_intx() {
	make_images plain bare packed
	check "a guest without MSI boots" boots pci=nomsi plain bare packed || return
	for name in plain bare packed; do
		check "INTx, $name: ext4 with $size MiB, copied, found again, sound" copies "$name"
		check "INTx, $name: by INTx" interrupts 'IO-APIC' "$name"
	done
	check "INTx: the guest's kernel has nothing to say" silent
	check "INTx: the guest ends cleanly" guest_off
	check "INTx: so do the disks" serve_end
	check "INTx: which had nothing to complain about" content
}

# ---- Killed in the middle of it ------------------------------------------------------------------------------

# told_one LINE: of each path and thread, $told has the latest number.
told_one() {
	[[ $1 =~ ^@synced\ ([^ ]+)\ ([0-9]+)\ ([0-9]+)$ ]] || return
	told[${BASH_REMATCH[1]} ${BASH_REMATCH[2]}]=${BASH_REMATCH[3]}
}

# runs_synced COUNT PATH…: records are made durable at each path at once, until so many are in all.
runs_synced() {
	local left=$1 path

	shift
	told=()
	for path; do
		printf 'synced %s 4 %s &\n' "$path" "$span" >&"$guest_in"
	done
	while [ "$left" -gt 0 ] && guest_line; do
		case $REPLY in
		'@synced '*) told_one "$REPLY" && left=$((left - 1)) ;;
		'@done 0') ;;
		*)
			answer=$REPLY
			return 1
			;;
		esac
	done
	[ "$left" -eq 0 ] && [ "${#told[@]}" -eq "$((4 * $#))" ]
}

# At once and for all: the guest, and what serves its disks. What it has told before that counts.
kill_all() {
	local pid

	kill -9 -- "-$guest_pid"
	for pid in "${served[@]}"; do
		kill -9 "$pid" && wait "$pid" 2>/dev/null
	done
	served=()
	# The last line may be cut.
	while IFS= read -r -t 60 -u "$guest_out" REPLY; do
		told_one "${REPLY%$'\r'}"
	done
	guest_drop
	rm -f "$work"/*.sock
}

# records PATH FILE: every record that was told at this path is in the file.
records() {
	local thread number

	answer=
	for thread in 0 1 2 3; do
		number=${told["$1 $thread"]}
		answer+="thread $thread: $number are told"$'\n'
		dd if="$2" bs=4096 skip="$((thread * span / 4096))" count="$number" 2>/dev/null |
			awk -v thread="$thread" -v want="$number" \
				'$1 != "record" || $2 != thread || $3 != NR || length != 4095 { exit 1 } END { if (NR != want) exit 1 }' || {
			answer+="they are not all there"
			return 1
		}
	done
}

recovers() {
	answer=$(e2fsck -fy "$work/$1" 2>&1)
	[ $? -le 1 ] && sound "$1" && debugfs -R "dump /log $work/$1.log" "$work/$1" 2>/dev/null && [ -s "$work/$1.log" ]
}

with_killed() {
	local name raw
	local -A told

	for name in plain split raw; do
		truncate -s 128M "$work/$name.new" && mv "$work/$name.new" "$work/$name"
	done
	check "killed: a guest boots" boots "" plain split raw || return
	for name in plain split; do
		check "killed, $name: a filesystem is there" guest \
			"d=/dev/\$(disk $name) && mkfs.ext4 -q -F \$d && mkdir -p /$name && mount -t ext4 \$d /$name"
	done
	guest 'disk raw' && raw=/dev/${answer%$'\n'}
	check "killed: records are written to files and to a disk" runs_synced 1000 /plain/log /split/log "$raw"
	kill_all
	for name in plain split; do
		check "killed, $name: the journal makes it sound" recovers "$name"
		check "killed, $name: no durable record is lost" records "/$name/log" "$work/$name.log"
	done
	check "killed, raw: no durable record is lost" records "$raw" "$work/raw"
}

parts=("${@:3}")
[ "${#parts[@]}" -gt 0 ] || parts=(msix intx killed)
parts_run "${parts[@]}"
