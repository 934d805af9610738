#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_console.sh MEDIO BED: medio's virtio consoles and entropy devices under the stock kernel's own drivers, several
# in one guest. The kernel's messages and a login on hvc0, a port with a name that carries data, one that is
# unplugged and plugged in again, windows that change; random numbers, also with a limit; over both kinds of ring
# and interrupt. MEDIO is the program, mediod stands beside it; BED is what script/guest-bed printed.
# MEDIO_TEST_FULL=1 sends more bytes.
medio=$1 bed=$2
mediod=$(dirname "$medio")/mediod
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../integration/daemon.sh"
# Judges and scratch folder are the guest's from here on.
daemon_alone "$0" "$@"
export TMPDIR=$work
. "$here/guest.sh"
. "$here/host_program.sh"

fill() {
	add_modules "$1" "$bed" virtio-rng
}

guest_prepare "$bed" fill
bytes=1048576
[ -z "${MEDIO_TEST_FULL:-}" ] || bytes=$((16 * bytes))
# Kernel messages come out of hvc0, the first console that the kernel finds, and of no other.
guest_args[-1]="console=hvc0 panic=-1 no_timer_check random.trust_cpu=on"
login=83b8f4f2-509f-382f-3c1e-e6bfe0fc0001   # one console, split rings
many=83b8f4f2-509f-382f-3c1e-e6bfe0fc0002    # a console and three ports, packed rings
entropy=83b8f4f2-509f-382f-3c1e-e6bfe0fc0003 # packed rings
slow=83b8f4f2-509f-382f-3c1e-e6bfe0fc0004    # split rings, limited
talkers=()

starts() {
	"$medio" start virtio-console --uuid "$login" "port0=pty:$work/hvc0" packed=off patience=60s &&
		"$medio" start virtio-console --uuid "$many" "port0=pty:$work/hvc1" \
			"port1=unix:$work/data" name1=org.medio.data "port2=echo" name2=org.medio.echo "port3=null" &&
		"$medio" start virtio-rng --uuid "$entropy" &&
		"$medio" start virtio-rng --uuid "$slow" packed=off rate=2K burst=256
}

# device UUID SLOT: what `medio list` says to give QEMU.
device() {
	local line

	line=$("$medio" list --qemu "$1" | grep -o '{.*}' | grep -m 1 "$1") || return 1
	printf '%s,"addr":"%s"}' "${line%\}}" "$2"
}

boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" -device "$(device "$login" 04.0)" -device "$(device "$many" 05.0)" \
		-device "$(device "$entropy" 06.0)" -device "$(device "$slow" 07.0)"
}

# somebody NAME: sits at this terminal; what he sees is in NAME.seen, and `types` is what he does.
somebody() {
	local fd

	mkfifo "$work/$1.keys"
	"$medio" console "pty:$work/$1" <"$work/$1.keys" >"$work/$1.seen" 2>"$work/$1.err" &
	talkers+=($!)
	exec {fd}>"$work/$1.keys"
	keys[$1]=$fd
}
declare -A keys

types() {
	printf '%s' "$2" >&"${keys[$1]}"
}

# sees NAME PATTERN: within a minute.
sees() {
	local end=$((SECONDS + 120))

	until tr -d '\r' <"$work/$1.seen" | grep -qE -- "$2"; do
		[ "$SECONDS" -lt "$end" ] || {
			answer=$(head -c 1000 "$work/$1.seen" | cat -v)...$(tail -c 1000 "$work/$1.seen" | cat -v)
			return 1
		}
		sleep 0.1
	done
}

# The guest's shell learns to find things: port_of NAME, device_of SLOT.
teach() {
	guest 'port_of() { for p in /sys/class/virtio-ports/*; do [ "$(cat $p/name 2>/dev/null)" != $1 ] || { echo /dev/${p##*/}; return 0; }; done; return 1; };' \
		'device_of() { for d in /sys/bus/pci/devices/0000:00:$1/virtio*; do echo ${d##*/}; done; };' \
		'feature() { cut -c$(($2 + 1)) /sys/bus/virtio/devices/$1/features; };' \
		'soon() { n=0; until "$@"; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; };' \
		'window() { stty -F $1 size; [ "$(stty -F $1 size)" = "$2" ]; };' \
		'sum() { md5sum | cut -d" " -f1; }'
}

# accepted SLOT RING: the driver has accepted what the device offers (RING_PACKED is bit 34, VERSION_1 32).
accepted() {
	guest "d=\$(device_of $1); cat /sys/bus/virtio/devices/\$d/features; [ \$(feature \$d 32) = 1 ] && [ \$(feature \$d 34) = $2 ]"
}

# What the kernel says after it has found its console and before init silences it.
boots_on() {
	sees "$1" 'NET: Registered PF_PACKET'
}

logs_in() {
	guest "mkdir -p /etc; echo root::0:0:root:/:/bin/sh >/etc/passwd; setsid getty -L 115200 hvc0 vt100 >/dev/null 2>&1 &" &&
		sees hvc0 'login: $' && types hvc0 $'root\n' && sees hvc0 '^~ # |^/ # ' &&
		types hvc0 $'echo it is $((6 * 7)) on $(tty)\n' && sees hvc0 '^it is 42 on /dev/hvc0'
}

# answers WORD: a program that reads a line from the second console, and writes to it.
answers() {
	guest 'echo over here >/dev/hvc1; sh -c "read -r line </dev/hvc1; echo you said \$line >/dev/hvc1" & true' &&
		sees hvc1 'over here' && types hvc1 "$1"$'\n' && sees hvc1 "you said $1"
}

# resized NAME COLS ROWS: whoever sits there makes his window of this size.
resized() {
	stty -F "$(readlink "$work/$1")" cols "$2" rows "$3"
}

# soon COMMAND...: succeeds when COMMAND does, within a minute.
soon() {
	local end=$((SECONDS + 120))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

has_peer() {
	attr "$many" console/ports && holds "^$1 .* peer "
}

has_size() {
	[ "$(stat -c %s "$1")" -ge "$2" ]
}

# Both ways at once, checksums compared. The guest can open a port once. Until its kernel knows that somebody is at the
# other end, a byte that it writes waits, and reading would find the end of the file.
carries() {
	local sent=$1 ours theirs

	head -c "$sent" /dev/urandom >"$work/sent"
	ours=$(md5sum <"$work/sent")
	guest "exec 5<>\$(port_of org.medio.data); head -c $sent </dev/urandom >/tmp/out; sum </tmp/out" || return
	theirs=${answer%$'\n'}
	"$medio" console "unix:$work/data" --linger 3600000 <"$work/sent" >"$work/got" 2>"$work/data.err" &
	talkers+=($!)
	soon has_peer 1 && guest "head -c 1 /tmp/out >&5; (head -c $sent <&5 | sum >/tmp/in) & reader=\$!;" \
		"tail -c +2 /tmp/out >&5; wait \$reader; exec 5>&-; cat /tmp/in" || return
	soon has_size "$work/got" "$sent"
	answer="$ours was sent, ${answer%$'\n'}  - came; $theirs  - was sent, $(md5sum <"$work/got") came"
	[ "$answer" = "$ours was sent, $ours came; $theirs  - was sent, $theirs  - came" ] || return
	kill "${talkers[-1]}" && soon eval '! has_peer 1'
}

echoes() {
	guest 'port=$(port_of org.medio.echo); exec 5<>$port; head -c '"$1"' </dev/urandom >/tmp/out;' \
		'head -c 1 /tmp/out >&5; tail -c +2 /tmp/out >&5 & writer=$!; head -c '"$1"' <&5 >/tmp/back; wait $writer; exec 5>&-; cmp /tmp/out /tmp/back'
}

attr() {
	answer=$("$medio" set "$1" "$2" 2>&1)
}

replugs() {
	check "a port is unplugged" attr "$many" "console/ports=unplug 2" || return
	check "the guest has lost it" guest 'soon eval "! port_of org.medio.echo"; ! port_of org.medio.echo'
	check "and the others not" guest 'port_of org.medio.data'
	check "it is plugged in again" attr "$many" "console/ports=plug 2"
	check "the guest has it back" guest 'soon port_of org.medio.echo'
	check "and it works" echoes 4096
}

has_rng() {
	guest "cat /sys/class/misc/hw_random/rng_available; echo virtio_rng.$1 >/sys/class/misc/hw_random/rng_current && cat /sys/class/misc/hw_random/rng_current" &&
		holds "^virtio_rng\\.$1"
}

# gives BYTES: that are not all the same, twice.
gives() {
	guest "dd if=/dev/hwrng of=/tmp/one bs=512 count=$(($1 / 512)) iflag=fullblock 2>/dev/null; dd if=/dev/hwrng of=/tmp/two bs=512 count=$(($1 / 512)) iflag=fullblock 2>/dev/null;" \
		'ls -l /tmp/one /tmp/two; tr -d "\000" </tmp/one | wc -c; ! cmp -s /tmp/one /tmp/two &&' \
		"[ \$(stat -c %s /tmp/one) -eq $1 ] && [ \$(tr -d '\\000' </tmp/one | wc -c) -gt $(($1 / 2)) ]"
}

# counted UUID PATTERN
counted() {
	attr "$1" rng/counts && holds "$2"
}

loads_again() {
	guest 'insmod /modules/virtio-rng.ko' && has_rng 0 && gives 4096
}

carries_again() {
	echoes 4096 && carries 65536
}

shows_ports() {
	attr "$many" console/ports && holds '^0 - console pty' && holds '^1 org.medio.data port unix'
}

# No warning, no oops, no driver that complains.
dmesg_is_clean() {
	guest 'dmesg | grep -iE "virtio|hvc|rng" | tail -n 20; ! dmesg | grep -iE "WARNING:|BUG:|Oops|lockup|stall|virtio.*(error|fail|bad|invalid)|is not a head|not a valid id"'
}

# interrupts SLOT PATTERN: its driver's lines match, and some came.
interrupted() {
	guest "d=\$(device_of $1); grep -wE \"\$d|\$d-.*\" /proc/interrupts; grep -wE \"\$d|\$d-.*\" /proc/interrupts | grep -qE '$2' &&" \
		"[ \$(grep -wE \"\$d|\$d-.*\" /proc/interrupts | awk '{ n += \$2 } END { print n }') -gt 0 ]"
}

workers_live() {
	answer=$("$medio" list 2>&1)
	[ "$(workers | wc -l)" -ge 4 ] && ! grep -iE 'died|killed|restart' "$work/mediod.err"
}

serves() {
	# Who comes later would miss the first words: nobody hears what is said before.
	somebody hvc0
	somebody hvc1
	check "a guest boots" boots || return
	check "the kernel's messages come out of port 0" boots_on hvc0
	teach
	check "split rings" accepted 04.0 0
	check "packed rings" accepted 05.0 1
	check "a login on hvc0 answers" logs_in
	check "a second console answers too" answers hello
	check "ports have names" guest 'port_of org.medio.data && port_of org.medio.echo'
	check "$bytes bytes both ways through one" carries "$bytes"
	check "$((bytes / 8)) bytes echo through another" echoes $((bytes / 8))
	check "interrupts are MSI-X" interrupted 05.0 'PCI-MSIX'
}

windows() {
	check "a window grows" resized hvc0 133 47
	check "the guest sees it (configuration)" guest 'soon window /dev/hvc0 "47 133"; window /dev/hvc0 "47 133"'
	check "another window" resized hvc1 91 33
	check "the guest sees it (message)" guest 'soon window /dev/hvc1 "33 91"; window /dev/hvc1 "33 91"'
}

random() {
	check "the driver of entropy devices loads" guest 'insmod /modules/virtio-rng.ko' || return
	check "packed rings" accepted 06.0 1
	check "rng_current says virtio" has_rng 0
	check "/dev/hwrng gives numbers" gives 65536
	check "they are ours" counted "$entropy" '^bytes [0-9]{6}'
	check "the limited one is another" has_rng 1
	check "it gives numbers, slowly" gives 1024
	check "and lets the guest wait" counted "$slow" '^waits [1-9]'
	check "the driver unloads" guest 'echo virtio_rng.0 >/sys/class/misc/hw_random/rng_current; rmmod virtio_rng'
	check "and loads again" loads_again
}

rebinds() {
	check "the console's driver lets go" guest 'd=$(device_of 05.0); echo $d >/sys/bus/virtio/drivers/virtio_console/unbind; ! port_of org.medio.data'
	check "and takes it again" guest 'echo $d >/sys/bus/virtio/drivers/virtio_console/bind; soon port_of org.medio.echo'
	check "bytes are carried as before" carries_again
}

# without_messages SLOT: its driver takes it anew, with INTx.
without_messages() {
	guest "p=/sys/bus/pci/devices/0000:00:$1; echo 0000:00:$1 >/sys/bus/pci/drivers/virtio-pci/unbind; echo 0 >\$p/msi_bus;" \
		"echo 0000:00:$1 >/sys/bus/pci/drivers/virtio-pci/bind; ls \$p | grep virtio"
}

lines() {
	check "a console takes INTx where there are no messages" without_messages 05.0 || return
	check "its ports are back" guest 'soon port_of org.medio.echo && soon port_of org.medio.data'
	check "it answers" answers again
	check "bytes are carried" carries_again
	check "interrupts are INTx" interrupted 05.0 'IO-APIC'
	check "an entropy device too" without_messages 06.0 || return
	check "it is there again" guest 'soon grep -q virtio_rng.0 /sys/class/misc/hw_random/rng_available'
	check "rng_current says virtio" has_rng 0
	check "/dev/hwrng gives numbers" gives 16384
	check "interrupts are INTx" interrupted 06.0 'IO-APIC'
}

ends() {
	check "dmesg is silent" dmesg_is_clean
	check "no worker has died" workers_live
	check "medio says what the guest does" shows_ports
	check "QEMU ends cleanly" guest_off
	kill "${talkers[@]}" 2>/dev/null
}

check "mediod starts" daemon_start || check_finish
check "four devices start" starts || check_finish
serves || check_finish
for part in windows replugs rebinds random lines ends; do
	"$part"
done
guest_drop
check "mediod ends cleanly" daemon_stop
check_finish
