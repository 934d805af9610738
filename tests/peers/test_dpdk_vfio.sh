#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_dpdk_vfio.sh MEDIO PEERS PROGRAMS: DPDK's driver of virtio's network cards on a PCI device by VFIO, under medio run: testpmd
# maps the BARs, whose registers are trapped, and gives the device its memory; frames go round, and none is lost. As whoever runs
# this, and once more without any privilege. MEDIO_TEST_FULL=1 has frames go round for ten seconds each time.
set -uo pipefail
. "$(dirname "$0")/testpmd.sh"
. "$(dirname "$0")/peers.sh"
need dpdk-testpmd

address=0000:00:1e.0
seconds=${MEDIO_TEST_FULL:+10}
seconds=${seconds:-1}

diagnose() {
	printf '%s\n' "$answer" | tail -n 10 | sed 's/^/# /'
	tail -n 20 "$pmd_log" | sed 's/^/# testpmd: /'
}

# What this machine does not let programs do is no failure of ours.
can_run() {
	local reason

	reason=$("$medio" run --quiet --device "virtio-net,bdf=$address" -- true 2>&1) && return
	echo "1..0 # SKIP medio run cannot run here: $reason"
	exit 77
}

# under [DEVICE-PARAMETER…]
under() {
	local IFS=,

	pmd_under=("${as[@]}" "$medio" run --quiet --device "virtio-net,bdf=$address,loop=on${*:+,$*}" --)
}

# in_loop DEVICE-PARAMETER…
in_loop() {
	under "$@"
	pmd_run -a "$address" -- && loops 32 && goes_round "$seconds" && pmd_quit
}

two_queues() {
	under poll=on queue-pairs=2 "$@"
	pmd_run -a "$address" -- --rxq=2 --txq=2 && loops 64 && pmd_quit
}

# The program is started again on a card that is new.
dies() {
	under poll=on "$@"
	pmd_run -a "$address" -- && begins io 'start tx_first' && until_true came 5000 || return
	pmd_kill
	in_loop poll=on "$@"
}

# A port that is stopped and started anew: the card is reset and set up again.
restarts() {
	under poll=on "$@"
	pmd_run -a "$address" -- && loops 32 && pmd_do 'port stop all' '^Done' && pmd_do 'port start all' '^Done' &&
		loops 32 && pmd_quit
}

# No process of testpmd's and no mount of ours.
nothing_is_left() {
	answer=$(pgrep -af "dpdk-testpmd.* -a $address"; grep -F .medio /proc/mounts)
	[ -z "$answer" ]
}

can_run
as=()
check "split ring, polled" in_loop poll=on packed=off
check "packed ring, polled" in_loop poll=on
check "split ring, notified" in_loop packed=off
check "packed ring, notified" in_loop
check "two pairs of queues" two_queues
check "the port starts again" restarts
check "medio is killed, and another one run" dies

as=(unshare --user --map-user=1000 --map-group=1000)
if "${as[@]}" true 2>/dev/null; then
	check "without privileges, split ring" in_loop poll=on packed=off
	check "without privileges, packed ring" in_loop poll=on
else
	checks=$((checks + 1))
	echo "ok $checks - without privileges # SKIP this machine allows no user namespaces"
fi
as=()
check "nothing is left" until_true nothing_is_left
check_finish
