#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_tree.sh MEDIO BED: what medio is for, step by step: a card made with echo, a stock guest that uses
# it, and the card taken away and given back under the running guest. MEDIO is the program, mediod stands
# beside it; BED is what script/guest-bed printed.
medio=$1 bed=$2
mediod=$(dirname "$medio")/mediod
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../integration/daemon.sh"
# Judges and scratch folder are the guest's from here on.
daemon_alone "$0" "$@"
export TMPDIR=$work
. "$here/guest.sh"
guest_prepare "$bed"

plugged=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 # behind a port that can be unplugged
fixed=83b8f4f2-509f-382f-3c1e-e6bfe0fa1002   # on the root bus, which cannot
devices=$run/sys/bus/mdev/devices
create=$run/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2/create

made() {
	echo "$1" >"$create" && [ -d "$devices/$1" ] && [ -S "$run/$1/vfio-user.sock" ]
}

gone() {
	[ ! -e "$devices/$1" ] && [ ! -e "$run/$1" ]
}

# device UUID KEYS: what `medio list` says to give QEMU, with more keys.
device() {
	local line

	line=$("$medio" list --qemu "$1" | grep -o '{.*}' | grep -m 1 "$1") || return 1
	printf '%s,%s}' "${line%\}}" "$2"
}

state_is() {
	[ "$(head -n 1 "$devices/$1/medio/state" 2>/dev/null)" = "$2" ]
}

worker_of() {
	cat "$devices/$1/medio/pid"
}

boots() {
	local first second

	first=$(device "$plugged" '"bus":"rp0","id":"card"') || return
	second=$(device "$fixed" '"addr":"05.0"') || return
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" "${guest_monitor[@]}" \
		-device pcie-root-port,id=rp0,slot=1,chassis=1,io-reserve=4096 \
		-device "$first" -device "$second"
}

# find_ports SLOT: the guest's shell learns $ttys and $port, the number of the first I/O port.
find_ports() {
	guest 'slot='"$1"'; n=0; until tty_of $slot 1 >/dev/null || [ $n -gt 100 ]; do sleep 0.1; n=$((n + 1)); done;' \
		'ttys="/dev/$(tty_of $slot 0) /dev/$(tty_of $slot 1)"; setserial -g $ttys;' \
		'port=$(setserial -g ${ttys% *} | sed "s/.*Port: \([^,]*\),.*/\1/"); [ $(setserial -g $ttys | grep -c 16550A) -eq 2 ]'
}

# reads_ones SLOT: config space and registers read as those of a card that is not there.
reads_ones() {
	guest 'lspci -n -x -s '"$1"'; dd if=/dev/port bs=1 skip=$((port + 5)) count=1 2>/dev/null | hexdump -e "/1 \"register %02x\n\""' &&
		holds '^00: ff ff ff ff' && holds '^register ff$'
}

qemu_lives() {
	qmp query-status && holds '"status": "running"'
}

# QEMU 11.1 has no ear for the request that mediod makes (vfio-user-pci sets up no REQ interrupt), so its
# user tells it.
unplugged() {
	qmp device_del '{"id":"card"}' && qmp_event 'DEVICE_DELETED.*"device": "card"'
}

plugged_in() {
	qmp device_add "$(device "$plugged" '"bus":"rp0","id":"card"')"
}

not_in_guest() {
	guest 'lspci -n -s '"$1" && [ -z "$answer" ]
}

remover=

starts_to_remove() {
	echo 1 >"$devices/$1/remove" &
	remover=$!
	settles state_is "$1" removing && kill -0 "$remover"
}

remove_returns() {
	local pid=$remover

	remover=
	wait "$pid"
}

no_client() {
	[ -z "$(cat "$devices/$1/medio/client")" ]
}

connectable() {
	"$medio" lspci "$run/$1/vfio-user.sock" 2>&1 | grep -q '4348\|Serial'
}

seen() {
	check "echo UUID > create" made "$plugged" || return
	check "and another" made "$fixed" || return
	check "a guest boots with what medio list says" boots || return
	check "lspci shows the card" guest 'lspci -vv -s 01:00.0 2>/dev/null | grep -A9 "Serial controller.*16550"'
	check "with its driver" guest 'lspci -vv -s 01:00.0 2>/dev/null | grep "Kernel driver in use: serial"'
	check "dmesg tells of two ports" guest 'dmesg | grep "0000:01:00.0: ttyS"; [ $(dmesg | grep -c "0000:01:00.0: ttyS.* is a 16550A") -eq 2 ]'
	check "setserial finds 16550A" find_ports 01:00.0
	check "bytes echo through both" guest 'ttyecho 4096 $ttys'
	check "medio knows the client" grep -qw "$guest_pid" "$devices/$plugged/medio/client"
}

unplug() {
	check "echo 1 > remove waits for the guest" starts_to_remove "$plugged" || return
	check "the port still works" guest 'ttyecho 64 $ttys'
	check "QEMU, told by its user, unplugs the card" unplugged
	check "the guest has seen it go" not_in_guest 01:00.0
	check "remove has returned" remove_returns
	check "the card's folder is gone" gone "$plugged"
	check "QEMU lives" qemu_lives
	check "the same UUID again" made "$plugged" || return
	check "QEMU takes it" plugged_in
	check "the guest has its ports again" find_ports 01:00.0
	check "they echo" guest 'ttyecho 1024 $ttys'
}

upgrade() {
	local pid

	pid=$(worker_of "$plugged")
	guest 'ttyecho 8192 $ttys >/tmp/echo 2>&1 & echo_pid=$!'
	daemon_kill
	check "a mediod that was killed leaves the worker" kill -0 "$pid"
	check "another mediod starts" daemon_start --grace 2s
	check "it has the card, with the same worker" test "$(worker_of "$plugged")" = "$pid"
	check "nothing of the guest's bytes was lost" guest 'wait $echo_pid; status=$?; cat /tmp/echo; [ $status -eq 0 ]'
}

crash() {
	kill -KILL "$(worker_of "$plugged")"
	check "the guest reads all ones of a card whose worker died" settles reads_ones 01:00.0
	check "QEMU lives" qemu_lives
	check "the card runs again" settles state_is "$plugged" running
	check "QEMU unplugs what is left of the old one" unplugged
	check "the new one takes clients" connectable "$plugged"
	check "QEMU takes it" plugged_in
	check "the guest has its ports again" find_ports 01:00.0
	check "they echo" guest 'ttyecho 1024 $ttys'
}

surprise() {
	check "the fixed card's ports echo" find_ports 00:05.0
	check "by themselves" guest 'ttyecho 1024 $ttys'
	check "echo 1 > remove of it" starts_to_remove "$fixed"
	check "returns when the grace is over" remove_returns
	check "its folder is gone" gone "$fixed"
	check "the guest reads all ones" reads_ones 00:05.0
	check "QEMU lives" qemu_lives
	find_ports 01:00.0
	check "the other card echoes" guest 'ttyecho 64 $ttys'
	check "QEMU ends cleanly" guest_off
	check "the client has gone" settles no_client "$plugged"
}

check "mediod starts" daemon_start || check_finish
for part in seen unplug upgrade crash surprise; do
	"$part"
	# What comes next needs the guest.
	kill -0 "$guest_pid" 2>/dev/null || break
done
guest_drop
check "mediod ends" daemon_stop
check "no worker is left" test -z "$(workers)"
check_finish
