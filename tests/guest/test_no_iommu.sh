#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_no_iommu.sh MEDIO BED: what VFIO has for a machine without an IOMMU, in one: the kernel's own mediated device,
# the sample mtty, must do what ours does where it is right; and a PCI device is driven in the no-IOMMU mode. MEDIO
# is the program, beside which the build's tests stand; BED is what script/guest-bed printed. The modules are those
# that the bed has built.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/edu.sh"
. "$here/host_program.sh"
. "$here/sample_card.sh"

medio=$1 bed=$2
modules=(irqbypass iommufd vfio vfio_iommu_type1 vfio-pci-core vfio-pci mdev mtty)
edu=0000:00:04.0
uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001
edu_program "$medio"

# What the kernel's sample is known to do wrong, as uart_try calls it.
faults=(
	reset                   # does nothing
	mcr_has_five_bits       # keeps all
	divisor_is_kept         # emptied by DLAB, and a write is ored to it
	sixteen_bytes           # 16 unread look like none
	overrun                 # the same, at 17
	overrun_is_told_once    # for ever
	fifos_clear_alone       # both at once
	without_fifos           # IIR says that they are on
	trigger_level           # always 1
	timeout                 # so there is none
	transmit_cause_is_taken # shown again and again
	modem_cause             # never shown
	changes_are_told_once   # CTS and DSR have always just changed
	loopback_wires_lines    # loopback is ignored
	loopback_break          # so is a break
	masked_interrupt        # lost
)

fill() {
	add_program "$1" "$medio" && add_program "$1" "$edu_try" &&
		add_program "$1" "${edu_try%edu_try}uart_try" && add_modules "$1" "$bed/modules-iommufd" "${modules[@]}"
}

needs_iommufd "$bed"
guest_prepare "$bed" fill

boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" -device edu,addr=4.0
}

loads() {
	guest "for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done"
}

# ---- The kernel's mediated device ------------------------------------------------------------------

type=/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2

creates() {
	guest "cat $type/available_instances && echo $uuid >$type/create && cat $type/available_instances" &&
		[ "$answer" = $'12\n11\n' ]
}

shows() {
	guest "medio lspci -vv -xxx $1:$uuid" && has_config_rows &&
		holds 'f0:( 00){15}$' && holds 'Serial controller: .*\(rev 10\) \(prog-if 02 \[16550\]\)$' &&
		holds 'Region 0: I/O ports .*\[size=8\]' && holds 'Region 1: I/O ports .*\[size=8\]'
}

# 62 bytes: a card that counts its FIFO wrongly gives back none when they come 16 at a time.
console() {
	guest "printf '%062d' 7 | medio console $1:$uuid --port $2 --stats 2>/tmp/said; echo; cat /tmp/said" &&
		holds '^0{61}7$' && holds 'sent 62 bytes, received 62 bytes, [1-9][0-9]* interrupts \(INTx\)'
}

# Each check of uart_try is one of ours.
same_as_ours() {
	local line name

	guest uart_try "$1:$uuid" "${faults[@]}"
	check "$1: the checks of the UART run to their end" holds '^1\.\.[0-9]+$'
	while read -r line; do
		case $line in
		*ok\ [0-9]*)
			name=${line#* - }
			# shellcheck disable=SC2254 # "not ok" or "ok"
			check "$1: $name" test "${line%% [0-9]*}" = ok
			;;
		'#'*) printf '%s\n' "$line" ;;
		esac
	done <<<"$answer"
}

busy() {
	guest "edu_try $1:$uuid identify" # no edu: opened, and told so
	guest "exec 5<>/dev/vfio/\$(basename \$(readlink /sys/bus/mdev/devices/$uuid/iommu_group));" \
		"medio lspci vfio:$uuid; status=\$?; exec 5>&-; [ \$status -ne 0 ]" && holds 'open already'
}

removes() {
	guest "echo 1 >/sys/bus/mdev/devices/$uuid/remove && cat $type/available_instances" && [ "$answer" = $'12\n' ] &&
		! guest "medio lspci vfio:$uuid" && holds "no mediated device $uuid"
}

mediated() {
	local scheme

	check "a device that is not there is told" refused "no mediated device $uuid" "vfio:$uuid" identify
	check "the kernel makes an mtty-2 card" creates || return
	for scheme in vfio iommufd; do
		check "$scheme: medio lspci shows the sample card, byte for byte" shows "$scheme"
		check "$scheme: medio console gets its echo, by interrupt" console "$scheme" 0
		check "$scheme: on the second port too" console "$scheme" 1
		same_as_ours "$scheme"
		check "$scheme: it keeps a log of what it writes, which is nothing" \
			guest "edu_try $scheme:$uuid own-log"
	done
	check "while its group is open it is busy" busy vfio
	check "it is removed, and gone" removes
}

# ---- No-IOMMU groups -------------------------------------------------------------------------------

unsafe() {
	guest "medio unbind $edu; echo $1 >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode && medio bind $edu"
	printf '%s' "$answer" | sed 's/^/# /'
}

no_iommu() {
	check "without an IOMMU medio bind refuses, and says what to do" guest "! medio bind $edu" &&
		holds 'there is no IOMMU.*medio check'
	check "so does a driver" refused 'intel_iommu=on' "vfio:$edu" identify
	unsafe Y
	check "in the no-IOMMU mode it is bound, with a group for root alone" guest 'ls /dev/vfio/noiommu-*'
	check "no-IOMMU: registers answer, by calls and mapped" tells 'mapped: edcba987' "vfio:$edu" identify
	check "no-IOMMU: MSI, an interrupt a factorial" tells '^12 factorials, 12 interrupts' "vfio:$edu" msi 12
	check "no-IOMMU: INTx, unmasked after each" tells '^12 factorials, 12 interrupts' "vfio:$edu" intx 12
	check "no-IOMMU: no huge pages, no DMA" refused 'nr_hugepages' "vfio:$edu" dma
	guest 'echo 4 >/proc/sys/vm/nr_hugepages; cat /proc/sys/vm/nr_hugepages'
	check "no-IOMMU: DMA both ways in huge pages, checksums equal" \
		tells 'checksum ([0-9a-f]*) \1, 4 interrupts' "vfio:$edu" dma
	check "no-IOMMU: iommufd has no such mode" refused "use vfio:$edu" "iommufd:$edu" identify
	check "no-IOMMU: not for other users" refused 'only root' "vfio:$edu" user
}

check "a guest without an IOMMU boots" boots || check_finish
check "VFIO and the kernel's mtty are loaded" loads || check_finish
mediated
no_iommu
check "the guest ends cleanly" guest_off
guest_drop
check_finish
