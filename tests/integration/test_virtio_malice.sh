#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_virtio_malice.sh MEDIOD MEDIO MALICE: a driver that breaks every rule of the specification, on each kind of virtio device, in
# both formats of rings, notified and polled; what the log says; and what a neighbour in the same worker notices of it.
mediod=$1 medio=$2 malice=$3
. "$(dirname "$0")/daemon.sh"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa3001
neighbour=83b8f4f2-509f-382f-3c1e-e6bfe0fa3002

# What did not hold, and the end of the log.
diagnose() {
	grep -a '^malice:' <<<"$answer" | sed 's/^/# /'
	tail -n 20 <<<"$answer" | sed 's/^/# /'
}

# breaks FORMAT ROUNDS WORD TYPE PARAMETER...: the program's words and the server's log are in $answer
breaks() {
	local format=$1 rounds=$2 word=$3 status

	shift 3
	# shellcheck disable=SC2016 # $uri is of --run's shell
	answer=$(malice=$malice format=$format rounds=$rounds word=$word "$medio" serve --quiet "$@" --run \
		'"$malice" "$uri" "$format" "$rounds" ${word:+"$word"}' 2>&1)
	status=$?
	[ "$status" -eq 0 ] && lacks 'still under way|AddressSanitizer|runtime error'
}

# told FORMAT CASE PATTERN TYPE PARAMETER...: the log names the rule
told() {
	local format=$1 word=$2 pattern=$3

	shift 3
	breaks "$format" 5 "$word" "$@" && holds "1 cases, 0 failed" && holds "warning: .*$pattern"
}

every_kind() {
	local format poll

	for format in split packed; do
		for poll in off adaptive on; do
			check "$format, poll=$poll: disk" breaks "$format" 30 '' virtio-blk mem=4M num-queues=2 "poll=$poll"
			check "$format, poll=$poll: network card" breaks "$format" 30 '' virtio-net loop=on "poll=$poll"
			check "$format, poll=$poll: console" breaks "$format" 30 '' virtio-console ports=2 port0=echo port1=null \
				patience=10ms "poll=$poll"
			check "$format, poll=$poll: entropy" breaks "$format" 30 '' virtio-rng "poll=$poll"
			check "$format, poll=$poll: SCSI" breaks "$format" 30 '' virtio-scsi num-queues=2 lun0=mem:4M lun1=null,size=1G \
				"poll=$poll"
		done
		check "$format: a disk in a file" breaks "$format" 30 '' virtio-blk "file=$work/disk" num-queues=2
		check "$format: a SCSI disk in a file" breaks "$format" 30 '' virtio-scsi num-queues=2 "lun0=file:$work/disk"
		check "$format: in order" breaks "$format" 30 '' virtio-blk "file=$work/disk" num-queues=2 in-order=on
	done
}

# ---- What the log says ------------------------------------------------------------------------------------

every_line() {
	check "a loop is named" told split 'a loop of one' 'queue 0: .* or a loop \(2\.7\.5\.2\); the device needs a reset' virtio-rng
	check "- INDIRECT and NEXT" told split 'INDIRECT and NEXT' 'INDIRECT and NEXT \(2\.7\.5\.3\.1\)' virtio-blk mem=4M
	check "- the available index" told split 'half a round' 'the available index went from .* \(2\.7\.6\)' virtio-rng
	check "- a buffer's id" told packed '65535' 'buffer id 65535, of 64 \(2\.8\.21\.1\)' virtio-rng
	check "- memory" told packed 'a buffer nowhere' 'a buffer of 64 bytes at 0x40000000, memory that is not mapped' virtio-rng
	check "- an area of a queue" told split 'a descriptor area nowhere' 'the descriptor area, .* is not mapped' virtio-rng
	check "- a request" told split 'no place for the status' 'without a byte for its status \(5\.2\.6\)' virtio-blk mem=4M
	check "- a step" told split 'DRIVER_OK without' 'DRIVER_OK without FEATURES_OK is ignored \(3\.1\.1\)' virtio-rng
	check "- features" told split 'no VERSION_1' 'does not accept VERSION_1' virtio-rng
	check "- the window" told split 'space, misused' 'which cannot be \(4\.1\.4\.9\)' virtio-rng
}

# ---- A neighbour ------------------------------------------------------------------------------------------

# In the background: one driver all the time, for as long as the other breaks rules.
neighbour_works() {
	head -c 1M /dev/urandom >"$work/pattern"
	said "$medio" io "$neighbour" --write 0 --yes-overwrite <"$work/pattern" || return
	"$medio" io "$neighbour" --bench randread --qd 8 --time 4s >"$work/bench" 2>&1 &
	neighbour_pid=$!
}

breaks_beside() {
	while kill -0 "$neighbour_pid" 2>/dev/null; do
		said "$malice" "$uuid" split 30 || return
		said "$malice" "$uuid" packed 30 || return
	done
}

neighbour_is_done() {
	wait "$neighbour_pid" && answer=$(cat "$work/bench") && holds IOPS &&
		cmp -s "$work/pattern" <("$medio" io "$neighbour" --read 0 --count 1M)
}

worker_of() {
	cat "$run/sys/bus/mdev/devices/$1/medio/pid"
}

one_worker() {
	answer="$(worker_of "$uuid") $(worker_of "$neighbour")"
	worker=${answer#* }
	[ "$answer" = "$worker $worker" ]
}

same_worker() {
	local before=$worker

	one_worker && [ "$worker" = "$before" ]
}

beside() {
	! "$mediod" --version | grep -q 'without.*tree' || return
	check "mediod starts, two disks a worker" daemon_start --parent virtio-blk,per-worker=2 || return
	check "a disk" said "$medio" start --uuid "$uuid" virtio-blk mem=4M num-queues=2
	check "its neighbour" said "$medio" start --uuid "$neighbour" virtio-blk mem=4M
	check "- is in the same worker" one_worker
	check "- is at work" neighbour_works
	check "rules are broken beside it" breaks_beside
	check "- the neighbour's driver noticed nothing" neighbour_is_done
	check "- the worker is the same" same_worker
	answer=$(cat "$work/mediod.err")
	check "- and did not die" lacks 'was killed|has ended|AddressSanitizer|runtime error'
	check "mediod ends" daemon_stop
}

truncate -s 4M "$work/disk"
every_line
every_kind
beside
check_finish
