#!/bin/bash
# shellcheck disable=SC2016,SC2317 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_mtty.sh MEDIO BED: a stock QEMU and a stock Debian kernel drive medio's serial cards with the
# kernel's own 8250 driver. MEDIO is the program; BED is what script/guest-bed printed.
. "$(dirname "$0")/guest.sh"
. "$(dirname "$0")/sample_card.sh"

medio=$1
echo_bytes=${MEDIO_GUEST_ECHO_BYTES:-1048576}
[ -x "$medio" ] || {
	echo "test_mtty.sh: there is no program $medio" >&2
	exit 1
}
guest_prepare "$2"
socket=$work/mtty.sock
medio_pid=

# serve ARG...: medio in the background, its socket ready when this returns.
serve() {
	local tries=0

	"$medio" serve "$@" --socket "$socket" >"$work/medio.out" 2>"$work/medio.err" &
	medio_pid=$!
	until [ -S "$socket" ]; do
		tries=$((tries + 1))
		if [ "$tries" -gt 2400 ] || ! kill -0 "$medio_pid" 2>/dev/null; then
			sed 's/^/# /' "$work/medio.out" "$work/medio.err"
			return 1
		fi
		sleep 0.05
	done
}

# serve_end: medio's exit status once it is told to stop.
serve_end() {
	local pid=$medio_pid

	medio_pid=
	kill -TERM "$pid" 2>/dev/null
	wait "$pid"
}

device() {
	printf '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"%s"},"addr":"05.0"}' "$socket"
}

has_lspci_text() {
	local line

	for line in '^00:05\.0 Serial controller: .* \(rev 10\) \(prog-if 02 \[16550\]\)$' \
		'Status: .*DEVSEL=medium' 'Interrupt: pin A routed to IRQ [0-9]+$' \
		'Region 0: I/O ports at [0-9a-f]+ \[size=8\]$' \
		'Region 1: I/O ports at [0-9a-f]+ \[size=8\]$' 'Kernel driver in use: serial$'; do
		holds "$line" || {
			echo "# lspci does not print: $line"
			return 1
		}
	done
}

# find_card VENDOR PORTS: the guest's shell learns $slot, $ttys and $irq, and holds the ports open: the
# driver asks for the interrupt on the first open only.
find_card() {
	guest 'slot=$(lspci -n -d '"$1"': | head -n 1 | cut -d" " -f1); ttys=; n=0;' \
		'while [ $n -lt '"$2"' ]; do ttys="$ttys /dev/$(tty_of $slot $n)"; n=$((n + 1)); done;' \
		'set -- $ttys; [ -c "$1" ] && exec 3<>$1 && { [ -z "$2" ] || exec 4<>$2; } && echo $slot $ttys' || return 1
	guest 'irq=$(awk -v tty=${1#/dev/} "index(\$0, tty) { sub(\":\", \"\", \$1); print \$1; exit }" /proc/interrupts);' \
		'echo $slot $ttys irq $irq; [ -n "$irq" ]'
}

# irqs_rise COMMAND: runs it in the guest and succeeds when both it did and the card interrupted meanwhile.
irqs_rise() {
	guest 'before=$(irqs_of $irq);' "$1" '; status=$?;' \
		'after=$(irqs_of $irq); echo "interrupts $before to $after"; [ $after -gt $before ] && [ $status -eq 0 ]'
}

no_complaint() {
	! grep -iE 'error|fail|warn|invalid|refus|unexpected|assert|sanitizer' "$work/medio.err"
}

print_answer() {
	printf '%s' "$answer" | sed 's/^/# /'
}

first_boot() {
	check "mtty-2 is served" serve mtty-2 || return
	check "the guest boots with vfio-user-pci" \
		guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" -device "$(device)" || return
	check "lspci runs" guest 'lspci -vv -xxx -s 00:05.0 2>/dev/null'
	check "the config space is the sample card's, byte for byte" has_config_rows
	check "lspci decodes it as the facts say" has_lspci_text
	check "two serial ports appear" find_card 4348 2 || return
	print_answer
	check "both are 16550A" guest 'setserial -g $ttys; [ $(setserial -g $ttys | grep -c 16550A) -eq 2 ]'
	check "loopback works on the first port" guest 'ttyloop $1'
	check "loopback works on the second port" guest 'ttyloop $2'
	local usual=$guest_timeout
	guest_timeout=600
	check "$echo_bytes bytes echo through both ports at once, by interrupt" irqs_rise "ttyecho $echo_bytes \$ttys"
	print_answer
	guest_timeout=$usual
	check "the interrupt is INTx" guest 'grep -w "$irq:" /proc/interrupts; grep -w "$irq:" /proc/interrupts | grep -q IO-APIC'
	check "QEMU ends cleanly" guest_off
	check "medio ends cleanly" serve_end
	check "medio had nothing to complain about" no_complaint
	check "the socket is gone" test ! -e "$socket"
}

second_boot() {
	local run

	# $qemu_device and $socket are for the shell that medio starts.
	run=$(printf '%q ' "$qemu" "${guest_args[@]}" "${guest_ram[@]}")
	run+='$qemu_device; status=$?; echo "$socket" >'$(printf %q "$work/run.socket")'; exit $((40 + status))'
	check "medio serve --run boots a guest" guest_boot "$medio" serve mtty-msi --run "$run" || return
	check "one serial port appears" find_card 9710 1 || return
	print_answer
	check "lspci shows MSI enabled" guest 'lspci -vv -s $slot 2>/dev/null | grep "MSI: Enable+"'
	check "the interrupt is MSI" guest 'grep -w "$irq:" /proc/interrupts; grep -w "$irq:" /proc/interrupts | grep -q PCI-MSI'
	check "$((echo_bytes / 4)) bytes echo through it, by MSI" irqs_rise "ttyecho $((echo_bytes / 4)) \$ttys"
	print_answer
	guest_off
	check "medio's exit status is the command's" test "$guest_status" -eq 40
	check "the socket ended with it" test ! -e "$(cat "$work/run.socket")"
}

third_boot() {
	check "mtty-2 is served" serve mtty-2 || return
	check "a guest whose memory cannot be mapped boots" \
		guest_boot "$qemu" "${guest_args[@]}" "${guest_ram_private[@]}" -device "$(device)" || return
	check "two serial ports appear" find_card 4348 2 || return
	check "they echo" irqs_rise 'ttyecho 4096 $ttys'
	check "the guest reboots" guest_reboot || return
	check "the ports are there again" find_card 4348 2
	check "they echo after the reset" irqs_rise 'ttyecho 4096 $ttys'

	check "medio, told to stop, ends cleanly under a running guest" serve_end
	check "the socket is gone" test ! -e "$socket"
	# The line status register of a card that is not there: all ones.
	check "the guest lives on and reads all ones" guest \
		'port=$(setserial -g $1 | sed "s/.*Port: \([^,]*\),.*/\1/"); dd if=/dev/port bs=1 skip=$((port + 5)) count=1 2>/dev/null | hexdump -e "/1 \"%02x\n\""'
	check "the byte is ff" test "$answer" = $'ff\n'
	check "QEMU ends cleanly without its device" guest_off
}

# What a boot that broke off left running must not reach the next one.
for boot in first_boot second_boot third_boot; do
	"$boot"
	guest_drop
	[ -z "$medio_pid" ] || serve_end
	rm -f "$socket"
done
check_finish
