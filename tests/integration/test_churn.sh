#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_churn.sh MEDIOD MEDIO PLUGIN: instances come and go by eight writers at once, while others read; workers
# and mediods are killed meanwhile. Nothing may be lost, and nothing may be left behind.
# MEDIO_TEST_FULL=1 makes twice as many.
mediod=$1 medio=$2 plugin=$(realpath "$3")
. "$(dirname "$0")/daemon.sh"
command -v python3 >/dev/null || skip_all "the writers need python3"
daemon_alone "$0" "$@"

churn=$(dirname "$0")/churn.py
tree=$run/sys
writers=8
full=$((${MEDIO_TEST_FULL:+1} + 0))

churns() {
	answer=$(python3 "$churn" "$run" "$@" 2>&1)
}

# ---- What is there ------------------------------------------------------------------------------------

instances() {
	find "$tree/bus/mdev/devices" -mindepth 1 | wc -l
}

has_instances() {
	[ "$(instances)" -eq "$1" ]
}

no_worker_but_spares() {
	[ "$(workers | wc -l)" -le 2 ]
}

# What a mediod without instances has: descriptors, sockets, folders. The numbers settle at those of before.
holdings() {
	printf '%s fds, %s sockets, %s entries, %s nodes' "$(find "/proc/$mediod_pid/fd" -type l | wc -l)" \
		"$(find "$run" -xdev -type s | wc -l)" "$(find "$run" -xdev | wc -l)" "$(find "$tree" | wc -l)"
}

# Spare workers are still coming and going for a moment.
steady() {
	before=$(holdings)
	sleep 0.3
	holds_as_before
}

holds_as_before() {
	answer=$(holdings)
	[ "$answer" = "$before" ]
}

reader=
reads() {
	while :; do
		find "$tree" -name power -prune -o -type f -perm -u+r -exec cat {} + >/dev/null
		ls -lR "$tree" >/dev/null
		sleep 0.1
	done 2>>"$work/reader.err" &
	reader=$!
}

# Files vanish while they are read; nothing else may go wrong.
reads_went_well() {
	kill "$reader"
	wait "$reader" 2>/dev/null
	answer=$(grep -avE 'No such file or directory|No such device|Terminated' "$work/reader.err" | head)
	[ -z "$answer" ]
}

# A client that stays: connects, asks its card for its vendor now and then, leaves.
client_comes() {
	partner python3 "$churn" "$run" hold "$1"
	client_pid=$partner_pid client_out=$partner_out client_in=$partner_in
	[ "$answer" = connected ]
}

client_hears() {
	echo >&"$client_in"
	IFS= read -r -t 120 answer <&"$client_out"
	[ "$answer" = "$1" ]
}

client_leaves() {
	echo quit >&"$client_in"
	wait "$client_pid"
	exec {client_in}>&- {client_out}<&-
}

# ---- The parts ----------------------------------------------------------------------------------------

# come_and_go WHAT COUNT ARG...: a mediod with ARG, COUNT instances at once, and again.
come_and_go() {
	local what=$1 count=$2 memory

	shift 2
	check "mediod starts, $what" daemon_start "$@" || check_finish
	churns cycle mtty-1 1 16 "$writers"
	settles no_worker_but_spares
	settles steady
	: >"$work/reader.err"
	reads
	check "$count are made by $writers writers" churns create mtty-1 1000 "$count" "$writers"
	check "the tree has them all" has_instances "$count"
	check "their sockets are there" test "$(find "$run" -xdev -name vfio-user.sock | wc -l)" -eq "$count"
	check "they take clients" churns hello "$(printf '%08x-1111-4222-8333-%012x' 1000 1000)" \
		"$(printf '%08x-1111-4222-8333-%012x' $((999 + count)) $((999 + count)))"
	check "all are removed" churns remove mtty-1 1000 "$count" "$writers"
	check "the tree is empty" has_instances 0
	memory=$(memory_of "$mediod_pid" VmRSS)
	check "$count are made and removed at once" churns cycle mtty-1 5000 "$count" "$writers"
	check "on the same three UUIDs all agree who won" churns fight mtty-1 9000 $((count / 8)) "$writers"
	check "who reads meanwhile sees nothing bad" reads_went_well
	check "workers end" settles no_worker_but_spares
	check "nothing is left behind" settles holds_as_before
	if counts_memory; then
		answer="$memory KiB, then $(memory_of "$mediod_pid" VmRSS)"
		check "mediod's memory does not grow" test "$(memory_of "$mediod_pid" VmRSS)" -le $((memory + 1024))
	fi
	check "mediod ends" daemon_stop
	check "no worker is left" test -z "$(workers)"
	check "no socket and no folder is left" test -z "$(find "$run" -xdev -mindepth 2)$(find "$run" -type s)"
}

uuids() {
	local n

	for ((n = $1; n < $1 + $2; n++)); do
		printf '%08x-1111-4222-8333-%012x\n' "$n" "$n"
	done
}

# Each worker that has an instance, and no spare.
kills_workers() {
	local uuid pid

	for uuid in $(uuids 100 10); do
		pid=$(cat "$tree/bus/mdev/devices/$uuid/medio/pid")
		[ "${pid:-0}" -le 0 ] || kill -KILL "$pid"
	done
}

killed() {
	local load

	check "mediod starts" daemon_start --parent mtty,ports=10000 || check_finish
	check "ten stay" churns create mtty-1 100 10 2
	check "one has a client" client_comes "$(uuids 109 1)"
	python3 "$churn" "$run" cycle mtty-1 1000 150 "$writers" >"$work/cycle" 2>&1 &
	load=$!
	kills_workers
	check "the client of a worker that is killed sees its end" client_hears "gone: the server has gone"
	# shellcheck disable=SC2046 # words
	check "killed workers come back" churns hello $(uuids 100 10)
	kills_workers
	# shellcheck disable=SC2046
	check "and again" churns hello $(uuids 100 10)
	wait "$load"
	check "who made others meanwhile was not disturbed" test $? -eq 0
	answer=$(cat "$work/cycle")
	client_leaves
}

succeeds_killed() {
	local lost uuid device load
	local -A pids

	for uuid in $(uuids 100 10); do
		pids[$uuid]=$(cat "$tree/bus/mdev/devices/$uuid/medio/pid")
	done
	check "one has a client" client_comes "$(uuids 105 1)"
	: >"$work/made"
	python3 "$churn" "$run" load mtty-1 2000 5000 "$writers" >>"$work/made" 2>&1 &
	load=$!
	settles enough_made
	daemon_kill
	wait "$load"
	check "mediod is killed while instances are being made" test $? -eq 0
	answer=$(tail -n 3 "$work/made")
	check "the client is served on without mediod" client_hears 4348
	check "another mediod starts" daemon_start --parent mtty,ports=10000 || check_finish
	lost=0
	for uuid in $(grep -E '^[0-9a-f-]{36}$' "$work/made") $(uuids 100 10); do
		[ -d "$tree/bus/mdev/devices/$uuid" ] || lost=$((lost + 1))
	done
	answer="$lost of $(wc -l <"$work/made") lost"
	check "no instance that was made is lost" test "$lost" -eq 0
	for uuid in $(uuids 100 10); do
		[ "$(cat "$tree/bus/mdev/devices/$uuid/medio/pid")" = "${pids[$uuid]}" ] || lost=$((lost + 1))
	done
	check "workers are the same" test "$lost" -eq 0
	check "the client is still connected" client_hears 4348
	# shellcheck disable=SC2046
	check "all take clients" churns hello $(uuids 100 5) $(head -n 20 "$work/made")
	client_leaves
	for device in "$tree"/bus/mdev/devices/*; do
		echo 1 >"$device/remove"
	done
	check "all can be removed" has_instances 0
	check "mediod ends" daemon_stop
	check "no worker is left" test -z "$(workers)"
	check "no socket and no folder is left" test -z "$(find "$run" -xdev -mindepth 2)$(find "$run" -type s)"
}

enough_made() {
	[ "$(wc -l <"$work/made")" -ge 40 ]
}

parent_gone() {
	[ ! -e "$tree/class/mdev_bus/mtty" ] && has_instances 0
}

configure() {
	printf '%s\n' '[daemon]' 'grace = 1s' '[parent counter]' "plugin = $plugin" "$@" >"$work/mediod.conf"
}

# The parent goes at a reload, with instances on it and one of them in use.
orphans() {
	configure '[parent mtty]' 'ports = 100'
	check "mediod starts" daemon_start --config "$work/mediod.conf" || check_finish
	check "twenty are made" churns create mtty-1 100 20 2
	check "one has a client" client_comes "$(uuids 107 1)"
	configure '[parent mtty]' 'ports = nonsense'
	kill -HUP "$mediod_pid"
	check "a configuration that is wrong is told" settles grep -q nonsense "$work/mediod.err"
	check "and changes nothing" has_instances 20
	configure '[parent mtty]' 'ports = 200'
	kill -HUP "$mediod_pid"
	check "a pool grows under its instances" settles grep -qx 180 \
		"$tree/class/mdev_bus/mtty/mdev_supported_types/mtty-1/available_instances"
	check "they all stay" has_instances 20
	check "the client too" client_hears 4348
	configure
	kill -HUP "$mediod_pid"
	check "a parent that is no longer named goes, and all on it" settles parent_gone
	check "the client has seen its end" client_hears "gone: the server has gone"
	check "the other parent is there" test -d "$tree/class/mdev_bus/counter"
	client_leaves
	check "workers end" settles no_worker_but_spares
	check "mediod ends" daemon_stop
	check "no worker is left" test -z "$(workers)"
}

come_and_go "a worker an instance" $((full ? 200 : 100)) --parent mtty,ports=10000
come_and_go "many in a worker" $((full ? 1000 : 500)) --parent mtty,ports=10000,per-worker=250
killed
succeeds_killed
orphans
check_finish
