#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_net.sh MEDIO BED: virtio-net under a stock guest's driver. Five cards in one guest: one on a network of its own
# (DHCP, HTTP both ways, two pairs of queues), two on a switch, two with a cable between them, of which one has the
# least that a card can have and both interrupt by INTx. MEDIO is the program, mediod stands beside it; BED is what
# script/guest-bed printed. With MEDIO_TEST_FULL=1 files are of 100 MiB.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/network.sh"

medio=$1 bed=$2
box=$bed/root/usr/bin/busybox
mediod=$(dirname "$medio")/mediod
modules=(failover net_failover virtio_net)
mib=16 memory=256
if [ -n "${MEDIO_TEST_FULL:-}" ]; then
	mib=100 memory=768
fi

fill() {
	network_words "$1" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
ram=(-m "${memory}M" -object "memory-backend-memfd,id=mem,size=${memory}M,share=on" -smp 2)
export MEDIO_RUNTIME_DIR=$work/mediod
mkdir "$work/mediod" "$work/definitions"
network_files "$mib"

# ---- The host's side ------------------------------------------------------------------------------------------

# serves SOCKET PARAMETER...: a card in a process of its own.
serves() {
	local socket=$work/$1 pid

	shift
	"$medio" serve virtio-net "$@" --socket "$socket" 2>>"$socket.err" &
	pid=$!
	settles eval '[ -S "$socket" ] || ! kill -0 $pid 2>/dev/null' && kill -0 "$pid" 2>/dev/null
}

serves_user() {
	for _ in 1 2 3 4 5; do
		forward=$((20000 + RANDOM % 20000))
		! serves user queue-pairs=2 mac=52:54:00:00:00:04 "hostfwd=tcp:127.0.0.1:$forward-:80" || return 0
	done
	return 1
}

# Two cards on one switch, and with them the worker that they share.
serves_switch() {
	"$mediod" --runtime-dir "$work/mediod" --definitions "$work/definitions" --no-tree \
		--parent virtio-net,per-worker=8 >"$work/mediod.out" 2>"$work/mediod.err" &
	settles "$medio" list >/dev/null 2>&1 || return
	one=$("$medio" start virtio-net switch=lan packed=off mac=52:54:00:00:00:05) &&
		two=$("$medio" start virtio-net switch=lan mac=52:54:00:00:00:06)
}

serves_cable() {
	serves least "socket=listen-unix:$work/cable" packed=off indirect=off event-idx=off offloads=off mergeable=off \
		control=off mac=52:54:00:00:00:07 &&
		serves other "socket=unix:$work/cable" mergeable=off mac=52:54:00:00:00:08
}

# card SLOT PATH: what QEMU is to be given.
card() {
	printf '{"driver":"vfio-user-pci","addr":"%s.0","socket":{"type":"unix","path":"%s"}}' "$1" "$2"
}

boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${ram[@]}" -device "$(card 4 "$work/user")" \
		-device "$(card 5 "$work/mediod/$one/vfio-user.sock")" -device "$(card 6 "$work/mediod/$two/vfio-user.sock")" \
		-device "$(card 7 "$work/least")" -device "$(card 8 "$work/other")"
}

# Those on the cable are not to use messages.
loads() {
	guest 'for s in 7 8; do echo 0 >/sys/bus/pci/devices/0000:00:0$s.0/msi_bus; done; . /tmp/helpers; lines=$(dmesg | wc -l)' &&
		guest "(for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done) && wait_for test -e /sys/class/net/eth4"
}

# attr UUID NAME PATTERN: what mediod says of a card.
attr() {
	answer=$("$medio" set "$1" "$2" 2>&1) && holds "$3"
}

sets() {
	answer=$("$medio" set "$1" "$2" 2>&1)
}

# ---- What is tried --------------------------------------------------------------------------------------------

features() {
	check "offloads, merged buffers, several pairs and packed rings are accepted" \
		guest '(for bit in 0 1 7 8 9 11 12 13 15 16 17 18 19 21 22 23 28 29 32 33 34 63; do has 04 $bit || { echo $bit; exit 1; }; done)'
	check "a split ring where packed ones are not offered" guest '! has 05 34 && has 06 34'
	check "the least that a card can have is enough" \
		guest '(for bit in 0 1 7 11 15 17 22 28 29 34; do ! has 07 $bit || { echo $bit; exit 1; }; done) && has 07 32'
	check "large buffers in place of merged ones" guest 'has 08 7 && ! has 08 15'
	check "vectors for each queue" guest 'v=$(virtio_of 04); grep "PCI-MSIX.*$v-" /proc/interrupts; [ $(grep -c "PCI-MSIX.*$v-" /proc/interrupts) -eq 5 ]'
	check "INTx where it has to be" guest 'grep -E "IO-APIC.*$(virtio_of 07)" /proc/interrupts && grep -E "IO-APIC.*$(virtio_of 08)" /proc/interrupts'
	check "address and speed are the card's" \
		guest 'name=$(name_of 04); ip link set $name up; cat /sys/class/net/$name/address /sys/class/net/$name/speed' &&
		holds '^52:54:00:00:00:04$' && holds '^10000$'
}

leases() {
	guest 'name=$(name_of 04); ip link set $name up && wait_for carrier $name 1 && udhcpc -n -q -i $name -s /tmp/dhcp && ip addr show dev $name' &&
		holds 'inet 10\.0\.2\.15/24'
}

downloads() {
	guest "wget -q -O /tmp/www/data http://10.0.2.2:$port/data && sha256sum </tmp/www/data" && holds "^$sum"
}

uploads() {
	guest 'httpd -p 80 -h /tmp/www' || return
	answer=$("$box" wget -q -O "$work/back" "http://127.0.0.1:$forward/data" 2>&1)
	answer+=$(sha256sum <"$work/back")
	rm -f "$work/back"
	holds "$sum"
}

# A program of one CPU sends in the queue of that CPU, and is answered there.
pairs() {
	guest 'v=$(virtio_of 04); was=$(came $v-input.0); was1=$(came $v-input.1);' \
		"taskset 1 wget -q -O /dev/null http://10.0.2.2:$port/data; taskset 2 wget -q -O /dev/null http://10.0.2.2:$port/data;" \
		'now=$(came $v-input.0); now1=$(came $v-input.1); echo $was $now, $was1 $now1; [ $now -gt $((was + 9)) ] && [ $now1 -gt $((was1 + 9)) ]'
}

user() {
	check "DHCP gives an address" leases || return
	check "the gateway answers a flood" guest 'ping -A -q -c 1000 -w 600 10.0.2.2' && holds '1000 packets received, 0% packet loss'
	check "$mib MiB come by HTTP, checksums equal" downloads
	check "$mib MiB go by HTTP, through a forwarded port" uploads
	check "both pairs of queues are at work" pairs
}

# ends SLOT SLOT: two interfaces of the guest against each other.
ends() {
	check "$1 and $2: their ends are in two namespaces" guest "far_end $1 $2" || return
	check "$1 and $2: 2000 small pings without loss" guest 'ping -A -q -c 2000 -w 600 10.1.0.2' && holds '2000 packets received, 0% packet loss'
	check "$1 and $2: 500 large ones, in pieces" guest 'ping -A -q -s 8000 -c 500 -w 600 10.1.0.2' && holds '500 packets received, 0% packet loss'
	check "$1 and $2: $mib MiB by HTTP, checksums equal" guest 'wget -q -O - http://10.1.0.2/data | sha256sum' && holds "^$sum"
}

switch() {
	ends 05 06 || return
	check "large frames came, over several buffers" attr "$one" net/counters '^received_merged [1-9][0-9]' &&
		holds '^network_cut 0$' && holds '^network_summed 0$'
	check "nothing of it was wrong" attr "$one" net/counters '^sent_bad 0$' && holds '^received_too_long 0$' &&
		holds '^commands_refused 0$'
	check "the guest's commands have set the filter" attr "$one" net/filter '^unicast 0 multicast [1-9]'
	check "promiscuous when it wants that" guest 'ip link set $near promisc on' && attr "$one" net/filter '^promiscuous '
	check "and not any more" guest 'ip link set $near promisc off' && attr "$one" net/filter '^unicast '
	check "another address" guest 'ip link set $near down; ip link set $near address 52:54:00:aa:bb:05 && ip link set $near up' &&
		attr "$one" net/mac '^52:54:00:aa:bb:05$'
	check "with which it is reached" guest 'wait_for carrier $near 1; ping -A -q -c 100 -w 120 10.1.0.2' && holds '100 packets received, 0%'
	check "the link goes" sets "$one" net/link=down && guest 'wait_for carrier $near 0'
	check "and comes" sets "$one" net/link=up && guest 'wait_for carrier $near 1; ping -q -c 1 -w 120 10.1.0.2'
	check "the driver is asked to announce itself, and does" sets "$one" net/announce=1 && settles attr "$one" net/announce '^no$'
	guest 'near_end'
}

cable() {
	ends 07 08
	guest 'near_end'
}

again() {
	guest "rmmod virtio_net && insmod /modules/virtio_net.ko && wait_for test -e /sys/class/net/eth4" && leases &&
		guest "wget -q -O - http://10.0.2.2:$port/data | sha256sum" && holds "^$sum"
}

# Of the kernel's warnings since the driver was loaded; a slow machine's clock is its own business.
silent() {
	guest 'dmesg -r | tail -n +$((lines + 1)) | grep -E "^<[0-4]>" | grep -vE "hrtimer: |clocksource: |sched: "'
	[ -z "$answer" ]
}

# No line of the cards' own that is a warning.
no_words() {
	answer=$(grep -hE 'warning|error' "$work"/user.err "$work"/least.err "$work"/other.err "$work"/mediod.err)
	[ -z "$answer" ]
}

check "HTTP is served on this machine" serves_http || check_finish
check "a card on a network of its own" serves_user || check_finish
check "two cards on a switch" serves_switch || check_finish
check "two cards on a cable" serves_cable || check_finish
check "a guest boots with all five" boots || check_finish
check "its driver finds them" loads || check_finish
for part in features user switch cable; do
	"$part"
	kill -0 "$guest_pid" 2>/dev/null || break
done
check "the driver is unloaded and loaded, and all works again" again
check "the kernel has nothing to complain of" silent
check "nor have the cards" no_words
check "the guest ends cleanly" guest_off
guest_drop
check_finish
