#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_dpdk.sh MEDIO PEERS PROGRAMS: virtio network cards over vhost-user, driven by DPDK's net_virtio_user in testpmd:
# frames in a loop, out and in, counted at both ends.
set -uo pipefail
frames=$(readlink -f "$(dirname "$0")/frames.py") # before the folder is another one
. "$(dirname "$0")/testpmd.sh"
. "$(dirname "$0")/peers.sh"
need dpdk-testpmd

# pmd_start DEVICE-ARGUMENTS [ARGUMENT…]
pmd_start() {
	pmd_run --no-pci --vdev "net_virtio_user0,queue_size=256,$1" -- "${@:2}"
}

# in_loop DEVICE-ARGUMENTS
in_loop() {
	pmd_start "path=$socket,$1" && loops 32 && loops 32 && pmd_quit
}

two_queues() {
	pmd_start "path=$socket,queues=2,$1" --rxq=2 --txq=2 && loops 64 && pmd_quit
}

dies() {
	pmd_start "path=$socket,$1" && begins io 'start tx_first' && until_true came 5000 || return
	pmd_kill
	in_loop "$1"
}

# goes_out BYTES DEVICE-ARGUMENTS: all that testpmd says it has sent comes out of the cable, and of this size.
goes_out() {
	local counter arrived sizes

	: >counted
	"$frames" cable count 2 >>counted &
	counter=$!
	until_true grep -q ready counted
	pmd_start "path=$socket,$2" && pmd_do "set txpkts $1" testpmd && others+=("$counter") &&
		begins txonly && until_true went 5000 && stop || return
	wait "$counter"
	others=("$pmd")
	read -r arrived sizes < <(tail -n 1 counted)
	pmd_quit
	answer="testpmd sent $sent; $arrived came, of $sizes bytes"
	[ "$arrived" -eq "$sent" ] && [ "$sizes" = $((${1//,/+})) ]
}

# comes_in DEVICE-ARGUMENTS: all that goes into the cable comes to testpmd.
comes_in() {
	local sender bytes

	pmd_start "path=$socket,$1" && begins rxonly || return
	"$frames" cable send 20000 >sent &
	sender=$!
	others+=("$sender")
	until_true came 20000
	bytes=$(number RX-bytes)
	kill "$sender"
	wait "$sender" 2>/dev/null
	others=("$pmd")
	stop && pmd_quit || return
	answer="20000 of $(cat sent) bytes were sent; $received of $bytes came"
	[ "$received" -eq 20000 ] && [ "$bytes" = "$(cat sent)" ]
}

split=packed_vq=0 packed=packed_vq=1

check "a loop is served" serve virtio-net loop=on poll=on
check "split ring" in_loop "$split"
check "packed ring" in_loop "$packed"
check "split, frames in one buffer each" in_loop "$split,mrg_rxbuf=0"
check "packed, frames in one buffer each" in_loop "$packed,mrg_rxbuf=0"
check "split, in any order" in_loop "$split,in_order=0"
check "packed, in any order" in_loop "$packed,in_order=0"
check "split, vectorized" in_loop "$split,vectorized=1"
check "packed, vectorized" in_loop "$packed,vectorized=1,mrg_rxbuf=0"
check "testpmd is killed, split" dies "$split"
check "testpmd is killed, packed" dies "$packed"
check "an end without complaint" ends_well

check "a loop that is notified" serve virtio-net loop=on
check "split ring, notified" in_loop "$split"
check "packed ring, notified" in_loop "$packed"
check "the end of that" ends_well

check "two pairs of queues" serve virtio-net loop=on queue-pairs=2
check "split rings" two_queues "$split"
check "packed rings" two_queues "$packed"
check "their end" ends_well

# A card that its driver has broken is whole again for the next: DPDK 24.11 says in the tables of packed rings that
# the device is to write a header which it is to read.
is_broken() {
	pmd_start "path=$socket,$packed" && pmd_do 'set txpkts 60,500,700' testpmd && begins txonly &&
		until_true grep -q 'the device needs a reset' served.log && pmd_kill && in_loop "$packed"
}

# The peer comes and goes, and that is all there is to say.
cable_ends() {
	answer=$(grep -v 'connected at\|the peer has gone' served.log)
	[ -z "$answer" ] && : >served.log && ends_well
}

check "a card" serve virtio-net loop=on
check "is broken, and mended for the next" is_broken
kill "$server"
wait "$server"
: >served.log

# Without tables that fault of DPDK's does not show.
check "a cable is served" serve virtio-net "socket=listen-unix:$work/cable" indirect=off
for ring in "$split" "$packed"; do
	check "out of the card, $ring" goes_out 64 "$ring"
	check "out of it, in three pieces, $ring" goes_out 60,500,700 "$ring"
	check "into it, $ring" comes_in "$ring"
done
check "the cable's end" cable_ends

check_finish
