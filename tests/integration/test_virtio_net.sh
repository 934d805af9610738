#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# shellcheck disable=SC2154 # starts assigns
# SPDX-License-Identifier: BSD-3-Clause
# test_virtio_net.sh MEDIO MEDIOD: medio net on medio's own network cards: what it shows, frames over a cable between
# two processes, over a switch in a worker of mediod, records, and the cable being pulled.
medio=$1 mediod=$2
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/medio-net.XXXXXX")
mediod_pid=
served=()

cleanup() {
	local pid

	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null
	done
	wait
	rm -rf "$work"
}
trap cleanup EXIT

diagnose() {
	{
		printf '%s\n' "$answer"
		cat "$work"/*.err 2>/dev/null
	} | sed 's/^/# /'
}

settles() {
	local end=$((SECONDS + 120))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.02
	done
}

# net DEVICE OPTION...
net() {
	answer=$("$medio" net "$@" 2>&1)
}

# serves NAME PARAMETER...: a card at $work/NAME.
serves() {
	local name=$1

	shift
	"$medio" serve virtio-net "$@" --socket "$work/$name" 2>"$work/$name.err" &
	served+=($!)
	settles test -S "$work/$name"
}

# json FIELD: a number of the object in $answer.
json() {
	sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" <<<"$answer" | head -n 1
}

# exchanges DEVICE MAC BYTES FRAMES [OPTION...]: so many at least come back and none is lost, by interrupts.
exchanges() {
	net "$1" --exchange "$3" --to "$2" --json "${@:5}" || return
	[ "$(json frames)" -ge "$4" ] && [ "$(json lost)" = 0 ] && [ "$(json damaged)" = 0 ]
}

shows() {
	net "local:virtio-net,null=on,mac=52:54:00:00:00:01,mtu=9000" && holds '52:54:00:00:00:01, link up, MTU 9000' &&
		holds 'packed rings' && holds 'interrupts: msix' && holds '11 HOST_TSO4' && holds '15 MRG_RXBUF'
}

shows_little() {
	net "local:virtio-net,null=on,packed=off,offloads=off,mergeable=off,control=off" && holds 'split rings' &&
		lacks 'TSO' && lacks MRG_RXBUF && lacks CTRL_VQ
}

# refused PATTERN PARAMETER...
refused() {
	local pattern=$1 status

	shift
	answer=$(timeout 120 "$medio" serve virtio-net "$@" --run true 2>&1)
	status=$?
	[ "$status" -eq 2 ] && holds "^medio serve: virtio-net: $pattern"
}

# ---- A cable ----------------------------------------------------------------------------------------------------

cable() {
	check "one end of a cable" serves a "socket=listen-unix:$work/cable" mac=52:54:00:00:00:0a "pcap=$work/cable.pcap" || return
	check "and the other" serves b "socket=unix:$work/cable" mac=52:54:00:00:00:0b packed=off queue-size=64 || return
	"$medio" net "vfio-user:$work/b" --echo >"$work/echo" 2>&1 &
	echo_pid=$!
	check "8 MiB go there and come back" exchanges "vfio-user:$work/a" 52:54:00:00:00:0b 8M 5592
	check "and in small frames, by INTx" exchanges "vfio-user:$work/a" 52:54:00:00:00:0b 200K 3000 --size 64 --irq intx
	check "and without interrupts" exchanges "vfio-user:$work/a" 52:54:00:00:00:0b 1M 690 --irq none
	kill -TERM "$echo_pid"
	wait "$echo_pid"
	# A record is whole when its card has gone.
	kill -TERM "${served[@]}"
	wait "${served[@]}"
	# Two of each that was exchanged; the echo's own driver may have said more.
	check "all of it was recorded" recorded "$work/cable.pcap" 18000
	check "medio sends what was recorded" net "local:virtio-net,null=on" --send "$work/cable.pcap"
}

# recorded FILE FRAMES: a record of at least so many bytes' worth of them, as pcap files begin.
recorded() {
	answer=$(od -A n -t x4 -N 4 "$1")
	{ holds 'a1b23c4d' || holds 'a1b2c3d4'; } && [ "$(stat -c %s "$1")" -gt $(($2 * 76)) ]
}

# ---- A switch ---------------------------------------------------------------------------------------------------

starts_mediod() {
	mkdir "$work/run" "$work/definitions"
	export MEDIO_RUNTIME_DIR=$work/run
	"$mediod" --runtime-dir "$work/run" --definitions "$work/definitions" --no-tree \
		--parent virtio-net,per-worker=8 >"$work/mediod.out" 2>"$work/mediod.err" &
	mediod_pid=$!
	settles "$medio" list >/dev/null 2>&1
}

# starts NAME PARAMETER...: $NAME is its UUID.
starts() {
	local uuid name=$1

	shift
	uuid=$("$medio" start virtio-net "$@" 2>"$work/start.err") && printf -v "$name" '%s' "$uuid"
}

attr() {
	answer=$("$medio" set "$1" "$2" 2>&1) && holds "$3"
}

# refuses PATTERN UUID NAME=VALUE
refuses() {
	! answer=$("$medio" set "$2" "$3" 2>&1) && holds "$1"
}

sees_link() {
	"$medio" net "$one" --receive >"$work/link.err" 2>&1 &
	local pid=$!
	settles attr "$one" virtio/status DRIVER_OK && "$medio" set "$one" net/link=down &&
		settles grep -q 'link is down' "$work/link.err" && "$medio" set "$one" net/link=up &&
		settles grep -q 'link is up' "$work/link.err"
	local status=$?
	kill -TERM "$pid"
	wait "$pid"
	return "$status"
}

switch() {
	check "mediod starts" starts_mediod || return
	check "a card on a switch" starts one switch=lan mac=52:54:00:00:00:01 || return
	check "another" starts two switch=lan mac=52:54:00:00:00:02 poll=adaptive || return
	check "its network is told" attr "$one" net/backend lan
	"$medio" net "$two" --echo >"$work/echo" 2>&1 &
	echo_pid=$!
	check "8 MiB go through it and come back" exchanges "$one" 52:54:00:00:00:02 8M 5592
	kill -TERM "$echo_pid"
	wait "$echo_pid"
	check "they were counted" attr "$one" net/counters '^sent [1-9][0-9]{3}' && holds '^sent_bad 0$'
	check "a cable that is pulled is seen, and put back" sees_link
	check "nonsense is refused" refuses "cannot have that value" "$one" net/link=sideways
	check "an announcement needs somebody to make it" refuses 'not supported' "$one" net/announce=1
	kill -TERM "$mediod_pid"
	check "mediod ends" wait "$mediod_pid"
}

check "it shows a card" shows
check "and one of the least" shows_little
check "wrong addresses are refused" refused "mac: '1:2' is not six numbers" mac=1:2
check "so are groups'" refused "mac: '01:00:5e:00:00:01' cannot be" mac=01:00:5e:00:00:01
check "and two networks" refused "null and loop: a card has one network" null=on loop=on
check "and an MTU that cannot be" refused "mtu: 12 is too small" mtu=12
cable
switch
check_finish
