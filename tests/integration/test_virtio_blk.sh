#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the device's command's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_virtio_blk.sh MEDIO: virtio-blk as a user meets it: medio serve, its words, and medio io on what it serves.
medio=$(readlink -f "$1")
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/medio-blk.XXXXXX")
pids=()
cleanup() {
	[ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
}

# runs COMMAND ARG…: the command with the disk's $uri, while it is served.
runs() {
	answer=$("$medio" serve virtio-blk "${@:2}" --quiet --run "$1" 2>&1)
}

# refuses WORDS ARG…: it does not start, and says why.
refuses() {
	! answer=$(timeout 120 "$medio" serve virtio-blk "${@:2}" --socket "$work/s" 2>&1) &&
		holds "$1" && lacks 'is ready' && [ ! -e "$work/s" ]
}

io() {
	printf '"%s" io "$uri" %s' "$medio" "$*"
}

shows_itself() {
	runs "$(io)" mem=64M serial=S-7 && holds '64M \(67108864 bytes\)' && holds 'serial number S-7' && holds 'packed ring'
}

# keeps ARG…: what medio io writes it reads again, and no other.
keeps() {
	head -c 3000000 /dev/urandom >data
	runs "head -c 2998272 data | $(io --write 1M --yes-overwrite) && $(io --read 1M --count 2998272) >back && cmp -n 2998272 data back" "$@"
}

is_in_file() {
	cmp -n 2998272 data <(tail -c +1048577 "$1")
}

frozen() {
	! runs "$(io --write 0 --yes-overwrite) <data" file=disk.img readonly=on && holds 'read-only'
}

grows() {
	truncate -s 8M growing
	runs "$(io); truncate -s 12M growing; n=0; until $(io) | grep '12M (12582912 bytes)'; do n=\$((n + 1)); [ \$n -lt 1200 ] || exit 1; sleep 0.05; done" \
		file=growing rescan=20ms && holds '8.0M \(8388608 bytes\)'
}

benches() {
	runs "$(io --bench randread --qd 32 --time 300ms --json)" "$@" && holds '"iops":[1-9]'
}

truncate -s 16M disk.img
check "medio io shows the disk" shows_itself
check "memory keeps what is written" keeps mem=64M
check "a file does" keeps file=disk.img
check "and has it when all is over" is_in_file disk.img
check "threads do it" keeps file=disk.img aio=threads
check "and rings without packed queues" keeps file=disk.img packed=off num-queues=64
check "adaptive polling" keeps mem=16M poll=adaptive
check "a read-only disk is not written" frozen
check "a file that grows is a disk that grows" grows
check "nothing at all, quickly" benches null=on
check "memory, polled" benches mem=16M poll=on

check "no disk at all" refuses 'say one'
check "two of them" refuses 'several of file=' file=disk.img mem=4M
check "a file that is not there" refuses 'file=nowhere.img: cannot be opened: No such file' file=nowhere.img
check "a folder" refuses 'that is a folder' "file=$work"
: >empty.img
check "an empty file" refuses 'it has 0 bytes' file=empty.img
check "a size that is none" refuses 'mem' mem=64Q
check "a serial number that is too long" refuses 'at most 20' mem=4M serial=123456789012345678901
check "a misspelt parameter" refuses "did you mean 'readonly'" file=disk.img readnly=on
check "blocks that cannot be" refuses 'a power of two from 512' mem=4M block-size=3K
check "a queue too small" refuses '4 are the least' mem=4M queue-size=2
check "nobody at the other end of NBD" refuses 'nbd=' 'nbd=nbd+unix:///?socket=/nowhere'

# The one line of the manual page for images that QEMU knows.
if command -v qemu-nbd >/dev/null && command -v qemu-img >/dev/null && ! refuses 'without NBD' nbd=x; then
	qemu-img create -q -f qcow2 disk.qcow2 64M
	qemu-nbd --persistent --socket "$work/nbd.sock" --format qcow2 --discard unmap disk.qcow2 &
	pids+=($!)
	for ((i = 0; i < 100; i++)); do
		[ ! -S nbd.sock ] || break
		sleep 0.05
	done
	check "qcow2, by way of qemu-nbd, keeps what is written" keeps "nbd=nbd+unix:///?socket=$work/nbd.sock"
	check "and shows its size" runs "$(io)" "nbd=nbd+unix:///?socket=$work/nbd.sock"
	check "which is the image's" holds '64M \(67108864 bytes\)'
	kill "${pids[0]}"
	wait "${pids[0]}" 2>/dev/null
	pids=()
	qemu-img convert -f qcow2 -O raw disk.qcow2 raw.img
	check "and the image has it" is_in_file raw.img
fi
check_finish
