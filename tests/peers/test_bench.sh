#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_bench.sh MEDIO PEERS PROGRAMS: script/bench vhost sets every figure beside that of the other programs, and script/bench run
# drives DPDK both ways. What the figures say is not judged.
set -uo pipefail
. "$(dirname "$0")/peers.sh"
need qemu-storage-daemon dpdk-testpmd libblkio/libblkio.so.1
[ "$(nproc)" -gt 1 ] || {
	echo "1..0 # SKIP both sides want a processor each"
	exit 77
}

# figures N NAME: of this name there are so many.
figures() {
	[ "$(grep -cE "^  $2" <<<"$answer")" -eq "$1" ]
}

answer=$(MEDIO_PEERS=$peers timeout 800 "$programs/../../bench/medio-bench" --quick --runs 1 vhost 2>&1)
check "nothing is left out" lacks 'left out'
check "disks with nothing behind them" figures 8 'null (read|write), '
check "with the page cache, in small folios and large ones" figures 16 'cached \((4 K|1 M)iB\) (read|write), '
check "with the disk itself" figures 8 'O_DIRECT (read|write), '
check "network cards" figures 6 '(loop of 128 frames|transmit|receive), 64 bytes, (split|packed) '
check "how far the processors were apart then" figures 6 '  a polled cache line meanwhile'
check "beside qemu-storage-daemon" figures 96 '  qemu-storage-daemon'
check "beside DPDK" figures 6 "  DPDK's net_vhost"
check "floors" holds 'a polled cache line'

if "$medio" run --quiet --device edu,bdf=0000:00:1e.0 -- true 2>/dev/null; then
	answer=$(MEDIO_PEERS=$peers timeout 800 "$programs/../../bench/medio-bench" --quick --runs 1 run 2>&1)
	check "a program under medio run: nothing is left out" lacks 'left out'
	check "calls that are caught, and their floors" figures 16 '.*, (one core|two cores) '
	check "DPDK under medio run" figures 4 'DPDK, (loop of 128 frames|transmit), (split|packed) '
	check "beside vhost-user" figures 4 '  the same card over vhost-user '
else
	checks=$((checks + 1))
	echo "ok $checks - a program under medio run # SKIP medio run cannot run here"
fi
check_finish
