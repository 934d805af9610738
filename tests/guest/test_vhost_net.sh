#!/bin/bash
# shellcheck disable=SC2016,SC2034,SC2154,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_vhost_net.sh MEDIO BED: medio's network cards behind QEMU's vhost-user network, under the stock kernel's driver, in guests
# of two QEMUs. Three cards in a guest: one on a network of its own (DHCP, HTTP both ways, two pairs of queues), two with a
# cable between them, a packed ring at one end and the least that a card can have at the other. The guest reboots; what
# serves a card is killed and comes again. MEDIO is the program; BED is what script/guest-bed printed. With
# MEDIO_TEST_FULL=1 files are of 100 MiB.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/network.sh"

medio=$1 bed=$2
box=$bed/root/usr/bin/busybox
modules=(failover net_failover virtio_net)
guest_words='. /tmp/helpers; lines=$(dmesg | wc -l)'
mib=${MEDIO_TEST_FULL:+100}
mib=${mib:-8}

fill() {
	network_words "$1" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
. "$here/serve.sh"
. "$here/vhost.sh"
if [ "$mib" -gt 50 ]; then
	guest_args=("${guest_args[@]/#256M/768M}")
	guest_ram=("${guest_ram[@]/256M/768M}")
fi
network_files "$mib"

# ---- The host's side ------------------------------------------------------------------------------------------

serves() {
	case $1 in
	user) serve user virtio-net queue-pairs=2 "hostfwd=tcp:127.0.0.1:$forward-:80" ;;
	packed) serve packed virtio-net "socket=listen-unix:$work/cable" ;;
	least) serve least virtio-net "socket=unix:$work/cable" packed=off indirect=off event-idx=off offloads=off mergeable=off control=off ;;
	esac
}

# vhost_device NAME ADDR
vhost_device() {
	local queues='' words=''

	case $1 in
	user) queues=,queues=2 words=,mq=on,vectors=6,mac=52:54:00:00:00:04 ;;
	packed) words=,packed=on,mac=52:54:00:00:00:05 ;;
	least) words=,mac=52:54:00:00:00:06 ;;
	esac
	# This QEMU ends with SIGSEGV when the driver unmasks a message of a vhost-user network and there is no KVM.
	[ "$older" = no ] || words=${words/,vectors=6/},vectors=0
	qemu_devices+=(-netdev "vhost-user,id=net-$1,chardev=$1$queues" -device "virtio-net-pci,netdev=net-$1,$2,romfile=$words")
}

boots_here() {
	for _ in 1 2 3 4 5; do
		forward=$((20000 + RANDOM % 20000))
		serves user && break
	done
	kill "${pid_of[user]}" && wait "${pid_of[user]}" 2>/dev/null
	boots "" user packed least && guest 'wait_for test -e /sys/class/net/eth2'
}

# ---- What is tried --------------------------------------------------------------------------------------------

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

# pings COUNT ADDRESS [SIZE]
pings() {
	guest "ping -A -q -c $1 -s ${3:-56} -w 600 $2" && holds "$1 packets received, 0% packet loss"
}

answers_again() {
	guest 'ip addr show dev $name; (n=0; until ping -q -c 1 -W 1 10.0.2.2; do n=$((n + 1)); [ $n -lt 120 ] || exit 1; done)'
}

reboots() {
	guest_reboot && loads && guest 'wait_for test -e /sys/class/net/eth2'
}

# Of the kernel's warnings since the driver was loaded; a slow machine's clock is its own business.
silent() {
	guest 'dmesg -r | tail -n +$((lines + 1)) | grep -E "^<[0-4]>" | grep -vE "hrtimer: |clocksource: |sched: "'
	[ -z "$answer" ]
}

content() {
	blames_nobody 'needs a reset|error|warning|Sanitizer|not (possible|allowed)'
}

with_net() {
	check "$peer: a guest with three cards boots" boots_here || return
	check "$peer, user: a split ring, indirect, event idx, several pairs" guest '(for bit in 22 28 29 32; do has 04 $bit || { echo $bit; exit 1; }; done) && ! has 04 34'
	check "$peer, packed: a packed ring" guest 'has 05 34'
	check "$peer, least: neither indirect nor event idx nor merged buffers" guest '(for bit in 7 11 15 28 29 34; do ! has 06 $bit || { echo $bit; exit 1; }; done) && has 06 32'
	check "$peer, user: DHCP gives an address" leases || return
	check "$peer, user: the gateway answers a flood" pings 500 10.0.2.2
	check "$peer, user: $mib MiB come by HTTP, checksums equal" downloads
	check "$peer, user: $mib MiB go by HTTP, through a forwarded port" uploads
	check "$peer, user: a second pair of queues" guest 'ls -d /sys/class/net/$name/queues/rx-1 && [ $(ls -d /sys/class/net/$name/queues/rx-* | wc -l) -eq 2 ]'
	# By their messages.
	[ "$older" = yes ] || check "$peer, user: both pairs are at work" pairs
	check "$peer, packed and least: their ends are in two namespaces" guest 'far_end 05 06' || return
	check "$peer, packed and least: 500 small pings without loss" pings 500 10.1.0.2
	check "$peer, packed and least: 200 large ones, in pieces" pings 200 10.1.0.2 8000
	check "$peer, packed and least: $mib MiB by HTTP, checksums equal" guest 'wget -q -O - http://10.1.0.2/data | sha256sum' && holds "^$sum"
	guest 'near_end'
	check "$peer, user: what serves it is killed, and served again" serve_again user
	check "$peer, user: the guest goes on" answers_again
	check "$peer, user: $mib MiB come by HTTP, checksums equal" downloads
	check "$peer: the guest's kernel has nothing to say" silent
	check "$peer: it reboots" reboots
	check "$peer, user: DHCP gives an address again" leases
	check "$peer, user: $mib MiB come by HTTP, checksums equal" downloads
	check "$peer: the guest's kernel has nothing to say" silent
	check "$peer: the guest ends cleanly" guest_off
	check "$peer: so do the cards" serve_end
	check "$peer: which had nothing to complain about" content
}

check "HTTP is served on this machine" serves_http || check_finish
vhost_peers net
