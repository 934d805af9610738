#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # dollars are expanded later; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_nic_serve.sh MEDIO ISOLATION MALICE: `medio serve nic` as somebody new to it uses it, and virtual functions
# whose drivers try to get at each other. Where each is stands in what the command says.
medio=$1 isolation=$2 malice=$3
. "$(dirname "$0")/../check/tap.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/medio-nic.XXXXXX") || exit 1
served=

cleanup() {
	local pid

	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT

diagnose() {
	{
		printf '%s\n' "--- answer" "$answer" "--- the server's words"
		tail -n 30 "$work/serve.err"
		echo
	} | sed 's/^/# /'
}

settles() {
	local end=$((SECONDS + 120))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

said() {
	answer=$("$@" 2>&1)
}

# Line-buffered words of a program that serves; $1 of them are to be there.
serves() {
	local count=$1

	shift
	"$medio" serve "$@" >"$work/serve.out" 2>"$work/serve.err" &
	served=$!
	settles eval 'answer=$(cat "$work/serve.out" "$work/serve.err"); [ "$(grep -c "is ready at" <<<"$answer")" -ge '"$count"' ] || ! kill -0 $served 2>/dev/null'
	kill -0 "$served" 2>/dev/null
}

stops() {
	kill "$served" && wait "$served"
}

begins() {
	check "a card with three virtual functions of four" serves 4 nic vfs=4 numvfs=3 null=on --socket "$work/nic"
	check "- says where each is" holds "VF 2 is ready at $work/nic\.vf2, for QEMU: -device "
	check "- and where the card itself is" holds "is ready at $work/nic(,|$)"
	check "each of them is a network card" said "$medio" net "$work/nic.vf1"
	check "lspci shows what a VF is" eval 'said "$medio" lspci -vv "$work/nic.vf1" && holds "Express"'
	check "lspci shows how many there are" eval 'said "$medio" lspci -vv "$work/nic" && holds "Single Root I/O Virtualization|SR-IOV" && holds "Initial VFs: 4.*Total VFs: 4.*Number of VFs: 3"'
}

mac_of() {
	"$medio" net --json "$1" | sed -n 's/.*"mac": *"\([^"]*\)".*/\1/p'
}

# echoes VF: a program sends back what comes to it; $echo. Who had the card just now may not have left.
echoes() {
	for _ in {1..100}; do
		"$medio" net --echo "$1" 2>"$work/echo.err" &
		echo=$!
		sleep 0.1
		kill -0 "$echo" 2>/dev/null && return
	done
	return 1
}

echo_ends() {
	kill "$echo"
	wait "$echo" 2>/dev/null
}

# exchanges FROM TO BYTES: the one at TO may have to begin yet.
exchanges() {
	local end=$((SECONDS + 120))

	until said "$medio" net --exchange "$3" --to "$2" "$1" && holds ' 0 lost, 0 damaged'; do
		[ "$SECONDS" -lt "$end" ] || return 1
	done
}

# frames FROM TO
frames() {
	local to status=0

	to=$(mac_of "$2")
	echoes "$2" && exchanges "$1" "$to" 256K || status=$?
	echo_ends
	return "$status"
}

refuses() {
	check "more than there can be: says how many" eval '! said "$medio" serve nic vfs=4 numvfs=5 --socket "$work/x" && holds "4"'
	check "a virtual function alone: says what to do" eval '! said "$medio" serve nic-vf --socket "$work/x" && holds "numvfs"'
	check "too many: says the limits" eval '! said "$medio" serve nic vfs=257 --socket "$work/x" && holds "256"'
}

# While two others exchange frames all the time.
breaks_rules() {
	local format

	for format in split packed; do
		said "$malice" "vfio-user:$work/nic.vf2" "$format" 30 || return
	done
}

others_notice_nothing() {
	local to other

	to=$(mac_of "$work/nic.vf0")
	check "VF 1 and VF 0 exchange frames" eval 'echoes "$work/nic.vf0" && exchanges "$work/nic.vf1" "$to" 1500' || return
	(until [ -e "$work/enough" ]; do
		"$medio" net --exchange 1M --to "$to" "$work/nic.vf1" # refused, if the one before has not left yet
	done) >"$work/exchange" 2>&1 &
	other=$!
	check "a driver of VF 2 breaks every rule meanwhile" breaks_rules
	touch "$work/enough"
	wait "$other"
	echo_ends
	answer=$(cat "$work/exchange")
	check "- and all their frames come" eval 'holds " 0 lost, 0 damaged" && lacks " [1-9][0-9]* (lost|damaged)"'
}

begins
check "frames go from VF to VF" frames "$work/nic.vf0" "$work/nic.vf1"
check "frames go from a VF to the card itself" frames "$work/nic.vf1" "$work/nic"
check "a driver reaches no memory, queue or register of its neighbour" said "$isolation" "vfio-user:$work/nic.vf1" "vfio-user:$work/nic.vf0"
others_notice_nothing
answer=$(cat "$work/serve.err")
check "nothing of it was a mistake of ours" lacks 'AddressSanitizer|runtime error|Assertion'
check "it ends when it is told to" stops
refuses
check_finish
