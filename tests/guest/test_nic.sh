#!/bin/bash
# shellcheck disable=SC2016,SC2154,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_nic.sh MEDIO BED: one card of a mediod with four virtual functions. Two guests have VF 0 and VF 1, a program in
# user space VF 2, and VF 3 goes from a program to the first guest, out of it and back meanwhile. They talk through
# the card's switch: TCP with checksums, frames of every kind, VLANs, a rate, and frames in another's name. MEDIO is
# the program, mediod stands beside it; BED is what script/guest-bed printed. With MEDIO_TEST_FULL=1 more goes to and fro.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/network.sh"

medio=$1 bed=$2
mediod=$(dirname "$medio")/mediod
modules=(failover net_failover virtio_net)
mib=4 seconds=3
if [ -n "${MEDIO_TEST_FULL:-}" ]; then
	mib=64 seconds=10
fi

fill() {
	network_words "$1" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
. "$here/two.sh"
export MEDIO_RUNTIME_DIR=$work/mediod
mkdir "$work/mediod" "$work/definitions"

# ---- The card -------------------------------------------------------------------------------------------------

mac_of() {
	echo "52:54:00:00:10:0$1"
}

socket_of() {
	echo "$work/mediod/${vfs[$1]}/vfio-user.sock"
}

# The UUIDs of the virtual functions, by number.
finds_vfs() {
	answer=$("$medio" list --json)
	mapfile -t vfs < <(awk -F'"' '/"uuid":/ { uuid = $4 } /"vf":/ { print uuid }' <<<"$answer")
	[ "${#vfs[@]}" -eq 4 ]
}

# vf N WORDS: what is set of one.
vf() {
	answer=$("$medio" sriov nic0 --vf "$@" 2>&1)
}

# count N NAME: a counter of one.
count() {
	"$medio" set nic0 vfs/state | sed -n "s/.*\"vf\":$1,.*\"$2\":\([0-9]*\).*/\1/p"
}

serves() {
	local n

	"$mediod" --runtime-dir "$work/mediod" --definitions "$work/definitions" --no-tree \
		--parent nic,vfs=8,null=on >"$work/mediod.out" 2>"$work/mediod.err" &
	settles "$medio" list >/dev/null 2>&1 || return
	card=$("$medio" list --json | awk -F'"' '/"uuid":/ { uuid = $4 } /"name":"nic0"/ { print uuid }')
	answer=$("$medio" sriov nic0 4 2>&1) && finds_vfs || return
	for n in 0 1 2 3; do
		vf "$n" "mac=$(mac_of "$n")" || return
	done
}

# ---- The guests -----------------------------------------------------------------------------------------------

# device WHERE N: what QEMU is to be given for a virtual function.
device() {
	printf '{"driver":"vfio-user-pci","id":"vf%s",%s,"socket":{"type":"unix","path":"%s"}}' "$2" "$1" "$(socket_of "$2")"
}

boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" "${guest_monitor[@]}" \
		-device pcie-root-port,id=slot1,slot=1,chassis=1,addr=5.0 "$@"
}

# loads NUMBER: the interface of the virtual function of slot 4 is `me`.
loads() {
	guest ". /tmp/helpers; (for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done) && wait_for test -e /sys/bus/pci/devices/0000:00:04.0/virtio*/net &&" \
		"me=\$(name_of 04) && ip addr add 10.7.0.$1/24 dev \$me && ip link set \$me up && wait_for carrier \$me 1 &&" \
		"ip link show \$me && head -c $((mib * 1048576)) /dev/urandom >/tmp/www/data && sha256sum </tmp/www/data >/tmp/www/sum && httpd -p 80 -h /tmp/www"
}

# As long as it is wanted: what the other serves, and whether it is whole.
fetches() {
	guest '(while ! [ -e /tmp/stop ]; do' \
		"wget -q -O /tmp/data http://10.7.0.$1/data && wget -q -O /tmp/sum http://10.7.0.$1/sum &&" \
		'[ "$(sha256sum </tmp/data)" = "$(cat /tmp/sum)" ] && echo good || echo bad; done >/tmp/fetched 2>&1; touch /tmp/stopped) &'
}

fetched() {
	guest "wait_for grep -qE 'good|bad' /tmp/fetched; touch /tmp/stop; n=0; until [ -e /tmp/stopped ] || [ \$n -gt 600 ]; do sleep 0.2; n=\$((n + 1)); done; cat /tmp/fetched" &&
		holds '^good' && lacks 'bad|wget'
}

# pings FROM TO [COUNT]
pings() {
	on "$1" guest "ping -q -c ${3:-3} -i 0.2 -W 5 10.7.0.$2" && holds ' 0% packet loss'
}

silent() {
	on "$1" guest "! ping -q -c 3 -i 0.2 -W 1 10.7.0.$2" && holds '100% packet loss'
}

# ---- Programs in user space -----------------------------------------------------------------------------------

echo_pid=

# Its driver has made it live (DRIVER_OK).
is_live() {
	"$medio" set "${vfs[$1]}" virtio/status | grep -q DRIVER_OK
}

echoes() {
	"$medio" net --echo "$(socket_of 2)" 2>"$work/echo.err" &
	echo_pid=$!
	settles eval 'is_live 2 || ! kill -0 $echo_pid 2>/dev/null'
	kill -0 "$echo_pid" 2>/dev/null
}

echo_ends() {
	kill "$echo_pid"
	wait "$echo_pid"
	answer=$(cat "$work/echo.err")
	holds '^[1-9][0-9]* frames.* sent back'
}

# exchanges DEVICE BYTES
exchanges() {
	answer=$("$medio" net --exchange "$2" --to "$(mac_of 2)" "$1" 2>&1) && holds ' 0 lost, 0 damaged'
}

# What the program sends is what it was sent.
guest_is_echoed() {
	local was

	was=$(count 2 tx_packets)
	on two guest "arp -s 10.7.0.9 $(mac_of 2) && { ping -q -c 10 -i 0.1 -W 1 10.7.0.9; true; }" || return
	answer="$was frames sent by VF 2 before, $(count 2 tx_packets) after"
	[ "$(count 2 tx_packets)" -ge $((was + 10)) ]
}

# ---- Plugged in and unplugged ---------------------------------------------------------------------------------

# Interfaces that the first guest has beside `lo`.
has_interfaces() {
	on one guest "n=0; until [ \"\$(ls /sys/class/net | grep -c eth)\" = $1 ] || [ \$n -gt 600 ]; do sleep 0.1; n=\$((n + 1)); done;" \
		"ls /sys/class/net; [ \"\$(ls /sys/class/net | grep -c eth)\" = $1 ]"
}

plug() {
	on one qmp device_add "$(device '"bus":"slot1"' 3)" && has_interfaces 2
}

# By the guest itself: QEMU 11.1 ends with an assertion when a vfio-user card with MSI-X is taken from it by device_del.
unplug() {
	on one guest 'echo 1 >/sys/bus/pci/devices/0000:01:00.0/remove' && has_interfaces 1
}

replug() {
	on one guest 'echo 1 >/sys/bus/pci/rescan' && has_interfaces 2 &&
		on one guest 'ip link set eth1 up && wait_for carrier eth1 1 && cat /sys/class/net/eth1/address' && holds "$(mac_of 3)"
}

# ---- What is tried --------------------------------------------------------------------------------------------

traffic() {
	check "a ping through the switch" pings one 2
	on one fetches 2 && on two fetches 1 || return
	check "a program takes VF 2 and answers" echoes || return
	check "frames of its guest come back to VF 1" guest_is_echoed
	check "the card itself and VF 2 exchange frames" exchanges "$card" 512K
	check "so do VF 3 and VF 2" exchanges "$(socket_of 3)" 512K
	check "VF 3 is plugged into the first guest" plug || return
	check "it is unplugged" unplug
	check "it is taken back" replug
	check "all that came by TCP to the first guest was whole" on one fetched
	check "all that came by TCP to the second guest was whole" on two fetched
	check "no frame was in another's name" test "$(count 0 spoofed) $(count 1 spoofed)" = "0 0"
}

vlans() {
	check "VLANs are set" eval 'vf 0 vlan=10 && vf 1 vlan=20'
	check "no ping from VLAN 10 to VLAN 20" silent one 2
	check "nor back" silent two 1
	check "VF 2 in VLAN 30 is not reached by who is in none" vlan_30
	vf 1 vlan=10
	check "a ping within VLAN 10" pings one 2
	check "TCP within VLAN 10" on two guest 'wget -q -O /tmp/data http://10.7.0.1/data && sha256sum </tmp/data | cmp - /tmp/sum'
	vf 0 vlan=0 && vf 1 vlan=0
	check "a ping without VLANs again" pings two 1
}

# The card's own port is a trunk: what it sends without a tag is in no VLAN.
vlan_30() {
	local status

	vf 2 vlan=30
	! answer=$("$medio" net --exchange 100 --size 100 --to "$(mac_of 2)" "$card" 2>&1) && holds ': 1 lost'
	status=$?
	vf 2 vlan=0
	return "$status"
}

# A pcap file of one frame from one virtual function to another, written by a third.
forged() {
	local from to

	from=$(mac_of 1) to=$(mac_of 0)
	printf '\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00'
	printf '\x00\x00\x00\x00\x00\x00\x00\x00\x3c\x00\x00\x00\x3c\x00\x00\x00'
	printf '%b' "\\x${to//:/\\x}\\x${from//:/\\x}\\x88\\xb5"
	printf '\x5a%.0s' {1..46}
}

spoofs() {
	forged >"$work/forged"
	answer=$("$medio" net --send "$work/forged" "$(socket_of 2)" 2>&1) || return
	answer+=" spoofed: $(count 2 spoofed)"
	holds 'spoofed: 1$'
}

spoofing() {
	check "a frame in another's name is dropped" spoofs
	check "a guest cannot take another address" on two guest "! ip link set \$me address $(mac_of 0)"
	vf 2 spoofchk=off
	check "with spoofchk=off it is not" eval '"$medio" net --send "$work/forged" "$(socket_of 2)" 2>"$work/send.err" && [ "$(count 2 spoofed)" = 1 ]'
	vf 2 spoofchk=on
}

# What VF 2 sends in some seconds: between 95 % of the rate in the least time that passed, and 105 % in the most.
rate() {
	local mbit=$1 a b c d first last pid
	local bytes low high

	vf 2 "rate=$mbit" || return
	"$medio" net --generate 1500 --time 600s --to "$(mac_of 0)" "$(socket_of 2)" 2>"$work/generate.err" &
	pid=$!
	settles eval '[ "$(count 2 limited)" -gt 50 ]' || return
	a=$(date +%s%N) first=$(count 2 tx_bytes) b=$(date +%s%N)
	sleep "$seconds"
	c=$(date +%s%N) last=$(count 2 tx_bytes) d=$(date +%s%N)
	kill "$pid"
	wait "$pid" 2>/dev/null
	bytes=$((last - first))
	low=$(((c - b) * mbit * 95 / 800000))
	high=$(((d - a) * mbit * 105 / 800000))
	answer="$bytes bytes, $low to $high"
	vf 2 rate=0
	[ "$bytes" -ge "$low" ] && [ "$bytes" -le "$high" ]
}

# VF 2 has a user still, who is asked.
ends() {
	on one guest_off && on two guest_off && echoes || return
	answer=$("$medio" set "$card" sriov_numvfs=0 2>&1) || return
	wait "$echo_pid"
	answer=$(cat "$work/echo.err" && "$medio" list)
	holds 'wants' && lacks nic-vf
}

check "four virtual functions of a card" serves || check_finish
check "the first guest starts, with VF 0" on one boots -device "$(device '"addr":"4.0"' 0)" || check_finish
check "the second guest starts, with VF 1" on two boots -device "$(device '"addr":"4.0"' 1)" || check_finish
check "the first has an address" on one loads 1 || check_finish
check "the second has an address" on two loads 2 || check_finish
traffic
vlans
[ -z "$echo_pid" ] || check "the program ends, and says what it sent" echo_ends
spoofing
check "a rate of 8 Mbit/s is kept within 5 %" rate 8
check "the guests end, and the virtual functions go" ends
check_finish
