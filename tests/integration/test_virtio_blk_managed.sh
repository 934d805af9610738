#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # functions are called through check; some dollars are for another shell
# SPDX-License-Identifier: BSD-3-Clause
# test_virtio_blk_managed.sh MEDIOD MEDIO: disks of mediod's, each in a worker that is locked in: all kinds of what stands
# behind, attributes, another size, a worker that dies.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
daemon_alone "$0" "$@"

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
	tail -n 5 "$work/mediod.err" | sed 's/^/# mediod: /'
}

# starts ARG…: a disk; $uuid is its own.
starts() {
	said "$medio" start virtio-blk "$@" && uuid=$(head -n 1 <<<"$answer")
}

# keeps: 2 MiB, written and read.
keeps() {
	head -c 2097152 /dev/urandom >"$work/data"
	said "$medio" io "$uuid" --write 1M --yes-overwrite <"$work/data" &&
		"$medio" io "$uuid" --read 1M --count 2M >"$work/back" 2>"$work/words" && cmp "$work/data" "$work/back"
}

attribute() {
	answer=$("$medio" set "$uuid" "$1" 2>&1)
}

is() {
	attribute "$1" && [ "$answer" = "$2" ]
}

is_over() {
	attribute "$1" && [ "$answer" -gt "$2" ]
}

stops() {
	said "$medio" stop "$uuid"
}

grows() {
	truncate -s 12M "$disks/disk" && said "$medio" set "$uuid" blk/rescan=1 && is blk/capacity 12582912 &&
		said "$medio" io "$uuid" && holds '12M'
}

disks=$(mktemp -d /var/tmp/medio-disks.XXXXXX)
trap 'rm -rf "$disks"' EXIT
truncate -s 8M "$disks/disk" "$disks/other"
check "mediod starts" daemon_start || check_finish
for how in aio=auto aio=threads direct=on poll=adaptive; do
	check "a file, $how" starts "file=$disks/disk" "$how" rescan=0s
	check "a file, $how: keeps what is written" keeps
	check "a file, $how: reads are counted" is_over blk/reads 0
	check "a file, $how: and bytes" is blk/written_bytes 2097152
	check "a file, $how: without an error" is blk/errors 0
	check "a file, $how: ends" stops
done
check "memory" starts mem=16M serial=S-9
check "memory: keeps what is written" keeps
check "memory: is so large" is blk/capacity 16777216
check "memory: has a cache mode" is blk/cache 'write back'
check "memory: nothing else can be told to it" refused "Invalid|not" "$medio" set "$uuid" blk/rescan=2
check "memory: ends" stops
check "nothing" starts null=on
check "nothing: takes it all" said "$medio" io "$uuid" --bench randwrite --yes-overwrite --qd 32 --time 200ms
check "nothing: ends" stops
check "a file whose size changes" starts "file=$disks/disk" rescan=0s
check "is looked at when told to" grows
check "and ends" stops
check "a file that is not there" refused 'No such file' "$medio" start virtio-blk "file=$disks/nowhere"
check "mediod ends" daemon_stop
check_finish
