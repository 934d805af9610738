#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_libblkio.sh MEDIO PEERS PROGRAMS: virtio disks over vhost-user, driven by libblkio: its own tools, and a program that
# verifies what it reads.
set -uo pipefail
. "$(dirname "$0")/peers.sh"
need blkio-info blkio-copy blkio-bench libblkio/libblkio.so.1

size=$((64 << 20))
disk=(virtio-blk-vhost-user "path=$socket")

# property NAME VALUE: libblkio says so of the disk.
property() {
	answer=$(timeout 120 "$peers/blkio-info" "${disk[@]}" "$1" 2>&1) && [ "$answer" = "$2" ]
}

describes() {
	property capacity "$size" && property max-queues "$1" && property request-alignment 512 &&
		property supports-poll-queues true && property flush-needed true
}

copies() {
	: >back
	answer=$(timeout 300 "$peers/blkio-copy" --input-file=data --output-blkio="${disk[0]}" "${disk[@]:1}" 2>&1) &&
		answer=$(timeout 300 "$peers/blkio-copy" --input-blkio="${disk[0]}" "${disk[@]:1}" --output-file=back 2>&1) &&
		answer=$(sha256sum data back | cut -c -64 | uniq | wc -l) && [ "$answer" = 1 ]
}

is_in_file() {
	answer=$(cmp data disk.img 2>&1)
}

# verifies QUEUES POLL-QUEUES [COUNT]
verifies() {
	answer=$(timeout 300 "$programs/blkio_try" "$peers/libblkio/libblkio.so.1" "$socket" "$1" "$2" "${3:-6000}" "$RANDOM" 2>&1) &&
		holds 'reads, .* writes'
}

# All of what its benchmark does, for a second each.
benches() {
	local how

	for how in read randwrite; do
		answer=$(timeout 120 "$peers/blkio-bench" --runtime=1 --num-threads="$1" --iodepth=32 --readwrite="$how" \
			"${@:2}" "${disk[@]}" 2>&1) && lacks '"kiops": 0.000' || return
	done
}

# Somebody who is killed in the middle; the next finds a disk that works.
killed() {
	local round client

	for round in 1 2 3 4; do
		timeout 120 "$peers/blkio-bench" --runtime=20 --num-threads=4 --iodepth=64 --readwrite=randwrite \
			"${disk[@]}" >bench.log 2>&1 &
		client=$!
		others=("$client")
		sleep "0.$round"
		# Its child too, which is libblkio's.
		kill -KILL "$(pgrep -P "$client" || echo "$client")" 2>/dev/null
		wait "$client" 2>/dev/null
		others=()
		verifies 2 2 500 || return
	done
}

comes_and_goes() {
	local round

	for ((round = 0; round < 30; round++)); do
		property capacity "$size" || return
	done
}

# A second one is turned away, with a word in the log: the first does not notice.
two_at_once() {
	local first status=0

	timeout 120 "$peers/blkio-bench" --runtime=2 --iodepth=8 --readwrite=randread "${disk[@]}" >bench.log 2>&1 &
	first=$!
	others=("$first")
	sleep 0.3
	timeout 1 "$peers/blkio-info" "${disk[@]}" capacity >second.log 2>&1
	wait "$first" || status=$?
	others=()
	answer=$(cat bench.log served.log)
	holds 'a second front-end is turned away' || return
	: >served.log
	[ "$status" -eq 0 ] && property capacity "$size"
}

is_read_only() {
	property capacity "$size" &&
		! answer=$(timeout 120 "$programs/blkio_try" "$peers/libblkio/libblkio.so.1" "$socket" 1 0 100 1 2>&1) &&
		answer=$(timeout 120 "$peers/blkio-bench" --runtime=1 --readwrite=randread "${disk[@]}" 2>&1) &&
		lacks '"kiops": 0.000'
}

head -c "$size" /dev/urandom >data
truncate -s "$size" disk.img

check "a file is served" serve virtio-blk file=disk.img
check "libblkio sees the disk" describes 4
check "a file is copied to it and back" copies
check "and is in the file behind it" is_in_file
check "what is read is what was written, one queue" verifies 1 0
check "several queues" verifies 4 0
check "queues without a notification" verifies 0 4
check "both" verifies 2 2 20000
check "libblkio's benchmark" benches 1
check "of four threads" benches 4
check "clients that come and go" comes_and_goes
check "clients that are killed" killed
check "one client while another is there" two_at_once
check "an end without complaint" ends_well

for how in poll=on poll=adaptive aio=threads "indirect=off event-idx=off" "queue-size=64 num-queues=16" direct=on; do
	# shellcheck disable=SC2086 # a list
	check "a file with $how" serve virtio-blk file=disk.img num-queues=8 $how
	check "requests with $how" verifies 3 3
	check "the end of $how" ends_well
done

check "memory is served" serve virtio-blk mem=64M poll=on
check "and kept" copies
check "verified as well" verifies 2 2
check "and ended" ends_well

check "a read-only disk" serve virtio-blk file=disk.img readonly=on
check "cannot be written" is_read_only
check "also ends" ends_well

check_finish
