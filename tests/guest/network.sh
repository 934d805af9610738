# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: BSD-3-Clause
# What tests of networks have on both sides, to be sourced after guest.sh, with $bed:
#
#   network_words FOLDER   the guest's shell learns `. /tmp/helpers`, and its DHCP client what to do
#   network_files MIB      what is served: $work/www with so much to fetch; $sum is its checksum
#   serves_http            serves it on this machine, at $port
#   settles COMMAND…       waits until it succeeds, 120 seconds at most
# What the guest's shell is to know.
network_words() {
	mkdir -p "$1/tmp/www"
	cat >"$1/tmp/helpers" <<'SCRIPT'
wait_for() { n=0; until "$@"; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; }
# The device of a slot among virtio's, and its interface.
virtio_of() { basename /sys/bus/pci/devices/0000:00:$1.0/virtio*; }
name_of() { basename /sys/bus/pci/devices/0000:00:$1.0/virtio*/net/*; }
# Has the driver of a slot accepted a feature, by its bit?
has() { [ "$(cut -c $(($2 + 1)) /sys/bus/pci/devices/0000:00:$1.0/virtio*/features)" = 1 ]; }
carrier() { [ "$(cat /sys/class/net/$1/carrier)" = "$2" ]; }
# Interrupts of a name so far.
came() { awk -v name="$1" '$NF == name { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts; }
inside() { nsenter --net=/proc/$far/ns/net "$@"; }
# One end of a pair of slots goes into a namespace of its own, with a server.
far_end() {
	near=$(name_of $1) there=$(name_of $2)
	unshare -n sleep 1000 & far=$!
	wait_for test /proc/$far/ns/net -nt /proc/self/ns/none 2>/dev/null || sleep 0.5
	ip link set $there netns $far && inside ip addr add 10.1.0.2/24 dev $there && inside ip link set $there up &&
		ip addr add 10.1.0.1/24 dev $near && ip link set $near up && wait_for carrier $near 1 &&
		inside httpd -p 80 -h /tmp/www
}
near_end() { kill $far; wait $far 2>/dev/null; ip link set $near down; ip addr flush dev $near; }
SCRIPT
	cat >"$1/tmp/dhcp" <<'SCRIPT'
#!/bin/sh
ip addr flush dev $interface
[ -z "$ip" ] || ip addr add $ip/$mask dev $interface
[ -z "$router" ] || ip route add default via $router
SCRIPT
	chmod 755 "$1/tmp/dhcp"
}

network_files() {
	mkdir "$work/www"
	head -c "${1}M" /dev/urandom >"$work/www/data"
	echo hello >"$work/www/hello"
	sum=$(sha256sum <"$work/www/data")
}

settles() {
	local end=$((SECONDS + 120))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# On ports that are free.
serves_http() {
	for _ in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 20000))
		"$bed/root/usr/bin/busybox" httpd -f -p "127.0.0.1:$port" -h "$work/www" 2>>"$work/httpd.err" &
		settles eval "\"$bed/root/usr/bin/busybox\" wget -q -O /dev/null http://127.0.0.1:$port/hello 2>/dev/null || ! kill -0 $! 2>/dev/null"
		! kill -0 $! 2>/dev/null || return 0
	done
	return 1
}
