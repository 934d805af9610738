#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_vhost_console.sh MEDIO BED: medio's virtio console over vhost-user, under the stock kernel's own driver. No QEMU has a
# vhost-user console by name; vhost-user-test-device-pci carries any virtio device that it is told the number, the queues
# and the size of the configuration of. A login on hvc0, data both ways over a port with a name, a reboot. This device of
# QEMU's does not connect again. MEDIO is the program; BED is what script/guest-bed printed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"

medio=$1 bed=$2
modules=()
guest_words='port_of() { for p in /sys/class/virtio-ports/*; do [ "$(cat $p/name 2>/dev/null)" != $1 ] || { echo /dev/${p##*/}; return 0; }; done; return 1; }; soon() { n=0; until "$@" >/dev/null; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; }; sum() { md5sum | cut -d" " -f1; }'
talker=
guest_prepare "$bed"
. "$here/serve.sh"
. "$here/vhost.sh"
use_peer "$qemu" "$(qemu_version "$qemu")"
"$qemu" -device vhost-user-test-device-pci,help >/dev/null 2>&1 ||
	guest_skip "$peer has no vhost-user-test-device-pci: script/guest-bed makes a bed whose QEMU has it"

# A console of one port is two queues; each port more is two more, and so are messages about ports.
serves() {
	case $1 in
	login) serve login virtio-console packed=off "port0=unix:$work/hvc0" ;;
	ports) serve ports virtio-console port0=null "port1=unix:$work/data" name1=org.medio.data port2=echo name2=org.medio.echo ;;
	esac
}

# vhost_device NAME ADDR: 3 is the console's number (VIRTIO 1.3, 5.3); 12 bytes are its columns, rows, ports and a character.
vhost_device() {
	local queues=2

	[ "$1" = login ] || queues=8
	qemu_devices+=(-device "vhost-user-test-device-pci,chardev=$1,$2,virtio-id=3,num_vqs=$queues,vq_size=128,config_size=12")
}

# somebody: sits at hvc0; what he sees is in $work/seen.
somebody() {
	mkfifo "$work/keys"
	"$medio" console "unix:$work/hvc0" <"$work/keys" >>"$work/seen" 2>>"$work/talker.err" &
	talker=$!
	exec {keys}>"$work/keys"
}

types() {
	printf '%s' "$1" >&"$keys"
}

sees() {
	local end=$((SECONDS + 120))

	until tr -d '\r' <"$work/seen" | grep -qE -- "$1"; do
		[ "$SECONDS" -lt "$end" ] || {
			answer=$(tail -c 1000 "$work/seen" | cat -v)
			return 1
		}
		sleep 0.1
	done
}

# prompted: what getty says before somebody is there is lost, and said again for an empty line.
prompted() {
	local end=$((SECONDS + 120))

	until tr -d '\r' <"$work/seen" | grep -q 'login: $'; do
		[ "$SECONDS" -lt "$end" ] || {
			answer="no prompt: $(tail -c 1000 "$work/seen" | cat -v)"
			return 1
		}
		types $'\n'
		sleep 1
	done
}

logs_in() {
	guest "mkdir -p /etc; echo root::0:0:root:/:/bin/sh >/etc/passwd; setsid getty -L 115200 hvc0 vt100 >/dev/null 2>&1 &" &&
		prompted && types $'root\n' && sees '^~ # |^/ # ' &&
		types $'echo it is $((6 * 7)) on $(tty)\n' && sees '^it is 42 on /dev/hvc0'
}

# ring SLOT FEATURES: VERSION_1 and RING_PACKED.
ring() {
	guest "d=\$(echo /sys/bus/pci/devices/0000:00:$1/virtio*); cat \$d/features" && [ "${answer:32:1}${answer:34:1}" = "$2" ]
}

# The checksum in an answer, in which login may have had its word.
sum_in() {
	grep -oE '^[0-9a-f]{32}$' <<<"$answer"
}

# carries BYTES: both ways at once, checksums compared. The guest writes before somebody is at the other end: until its
# kernel knows of him the first byte waits, and reading would find the end of the file.
carries() {
	local sent=$1 ours theirs end

	head -c "$sent" /dev/urandom >"$work/sent"
	: >"$work/got"
	guest "soon port_of org.medio.data; exec 5<>\$(port_of org.medio.data); head -c $sent </dev/urandom >/tmp/out; sum </tmp/out" || return
	theirs=$(sum_in)
	"$medio" console "unix:$work/data" --linger 3600000 <"$work/sent" >"$work/got" 2>>"$work/talker.err" &
	served+=($!)
	guest "head -c 1 /tmp/out >&5; (head -c $sent <&5 | sum >/tmp/in) & reader=\$!;" \
		"tail -c +2 /tmp/out >&5; wait \$reader; exec 5>&-; cat /tmp/in" || return
	end=$((SECONDS + 120))
	until [ "$(stat -c %s "$work/got")" -ge "$sent" ] || [ "$SECONDS" -ge "$end" ]; do
		sleep 0.05
	done
	kill "${served[-1]}"
	wait "${served[-1]}" 2>/dev/null
	unset 'served[-1]'
	ours=$(sum_in)
	answer="$(md5sum <"$work/sent") was sent, $ours came; $theirs was sent, $(md5sum <"$work/got") came, $(stat -c %s "$work/got") bytes; guest: $answer"
	[ "$ours  -" = "$(md5sum <"$work/sent")" ] && [ "$theirs  -" = "$(md5sum <"$work/got")" ]
}

echoes() {
	guest 'soon port_of org.medio.echo; exec 5<>$(port_of org.medio.echo); head -c '"$1"' </dev/urandom >/tmp/out;' \
		'head -c 1 /tmp/out >&5; tail -c +2 /tmp/out >&5 & writer=$!; head -c '"$1"' <&5 >/tmp/back; wait $writer; exec 5>&-; cmp /tmp/out /tmp/back'
}

silent() {
	guest 'dmesg | grep -iE "virtio|hvc" | grep -iE "error|fail|warn|unexpected|timed? ?out|BUG|Trace"'
	[ -z "$answer" ]
}

content() {
	blames_nobody 'needs a reset|error|warning|Sanitizer|not (possible|allowed)'
}

with_console() {
	: >"$work/seen"
	# This device of QEMU's wants who serves it there at once, and for good.
	lasts[login]=yes lasts[ports]=yes
	check "a guest with two consoles boots" boots "" login ports || return
	check "split ring" ring 04.0 10
	check "packed ring" ring 05.0 11
	somebody
	check "a login on hvc0 answers" logs_in || return
	check "ports have names" guest 'soon port_of org.medio.data && soon port_of org.medio.echo' || return
	check "65536 bytes both ways through one" carries 65536
	check "65536 bytes echo through another" echoes 65536
	check "the guest's kernel has nothing to say" silent
	check "it reboots" reboots
	: >"$work/seen"
	check "a login on hvc0 answers" logs_in
	check "65536 bytes both ways through one" carries 65536
	check "the guest ends cleanly" guest_off
	kill "$talker" 2>/dev/null
	wait "$talker" 2>/dev/null
	check "so do the consoles" serve_end
	check "which had nothing to complain about" content
}

reboots() {
	guest_reboot && loads
}

with_console
guest_drop
serve_end
check_finish
