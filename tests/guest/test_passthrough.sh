#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_passthrough.sh MEDIO BED: in a guest with an IOMMU medio passes QEMU's edu and nvme on, from the kernel's VFIO
# to vfio-user; medio's drivers do on the other end what they do on the card itself, and filters tell each
# register by its name. MEDIO is the program, beside which the build's tests stand; BED is what script/guest-bed printed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/edu.sh"
. "$here/host_program.sh"

medio=$1 bed=$2
modules=(irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci)
edu=0000:00:04.0
nvme=0000:00:05.0
edu_program "$medio"

fill() {
	local program

	for program in "$edu_try" "$medio" "$(dirname "$medio")"/mediod "$(dirname "$medio")"/medio-worker; do
		add_program "$1" "$program" || return
	done
	add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
guest_args=("${guest_args[@]/#256M/512M}")
guest_ram=("${guest_ram[@]/256M/512M}")
guest_args[-1]+=" intel_iommu=on"
head -c 8M /dev/urandom >"$work/disk"

boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" "${guest_monitor[@]}" \
		-device intel-iommu,intremap=on -device edu,addr=4.0 \
		-drive "if=none,id=disk,format=raw,file=$work/disk,cache=unsafe" -device nvme,addr=5.0,drive=disk,serial=medio-1 \
		-drive "if=none,id=small,driver=null-co,size=8M,read-zeroes=on" \
		-device pcie-root-port,id=slot1,slot=1,chassis=1 -device nvme,bus=slot1,id=card,drive=small,serial=medio-2
}

loads() {
	guest "for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done; medio bind $edu && medio bind $nvme &&" \
		'mkdir -p /run && sum() { md5sum | cut -d" " -f1; } && serving=""'
}

# passes NAME WORDS…: what serves it says goes to /tmp/NAME.said, its client finds it at vfio-user:/run/NAME.
passes() {
	local name=$1

	shift
	guest "medio serve passthrough $* --socket /run/$name >/tmp/$name.said 2>&1 & serving=\"\$serving \$!\";" \
		"n=0; until [ -S /run/$name ]; do sleep 0.1; n=\$((n + 1)); [ \$n -lt 600 ] && kill -0 \$! || break; done; cat /tmp/$name.said; [ -S /run/$name ]"
}

# Each ends when it is told to, without a word of complaint.
ends() {
	guest 'for pid in $serving; do kill $pid; wait $pid || exit 1; done'
}

forgets() {
	guest 'serving=""; rm -f /run/edu /run/nvme'
}

said() {
	guest "cat /tmp/$1.said" && holds "$2"
}

silent() {
	guest "cat /tmp/$1.said" && lacks 'error|warning'
}

drives_edu() {
	check "edu is passed on" passes edu "device=vfio:$edu" || return
	check "registers answer, by messages and mapped" tells 'mapped: edcba987' vfio-user:/run/edu identify
	check "MSI: an interrupt a factorial" tells '^12 factorials, 12 interrupts' vfio-user:/run/edu msi 12
	check "INTx, unmasked after each" tells '^12 factorials, 12 interrupts' vfio-user:/run/edu intx 12
	check "and again, without interrupts" tells '^12 factorials, 0' vfio-user:/run/edu polled 12
	check "DMA both ways, checksums equal" tells 'checksum ([0-9a-f]*) \1, 4 interrupts' vfio-user:/run/edu dma
	check "medio lspci shows the card itself" guest medio lspci -vv vfio-user:/run/edu && holds '1234:11e8'
	check "while it is passed on the kernel's VFIO gives it to nobody else" refused 'busy|open already' "vfio:$edu" identify
	check "nothing was wrong" silent edu
}

drives_nvme() {
	check "nvme is passed on" passes nvme "device=vfio:$nvme" || return
	check "medio io shows the disk" guest medio io vfio-user:/run/nvme && holds 'serial number medio-1' && holds 'interrupts: msix'
	check "and reads it, by MSI-X" reads msix
	check "by interrupts" holds ' [1-9][0-9]* interrupts'
	check "by INTx" reads intx
	check "and without any" reads none
	check "it writes what is read again" writes
	check "nothing was wrong" silent nvme
}

reads() {
	guest "medio io vfio-user:/run/nvme --irq $1 --read 0 --count 8M 2>/tmp/said | sum; cat /tmp/said" &&
		holds "^$(md5sum <"$work/disk" | cut -d' ' -f1)"
}

writes() {
	guest "dd if=/dev/urandom bs=1M count=4 of=/tmp/data 2>/dev/null; medio io vfio-user:/run/nvme --write 2M --count 4M --yes-overwrite </tmp/data 2>/tmp/said;" \
		"cat /tmp/said; medio io vfio-user:/run/nvme --read 2M --count 4M 2>/dev/null | cmp - /tmp/data"
}

# Under a filter every access is a message, and a line.
traces() {
	check "both are passed on under trace" passes edu "device=vfio:$edu --filter trace" && passes nvme "device=vfio:$nvme --filter trace" || return
	check "nothing is mapped then" tells 'not mappable' vfio-user:/run/edu identify
	check "factorials by MSI" tells '^12 factorials, 12 interrupts' vfio-user:/run/edu msi 12
	check "the disk is read" reads msix
	check "edu's registers have their names" said edu 'identification' && holds 'liveness' && holds 'factorial' && holds 'irq_ack'
	check "nvme's too" said nvme ' cc' && holds 'csts' && holds 'aqa' && holds 'doorbell|tail'
}

# In a worker that is locked in, and may do with its card what VFIO takes.
manages() {
	check "mediod runs in the guest" guest 'export MEDIO_RUNTIME_DIR=/run/medio; mkdir -p /run/definitions;' \
		'mediod --no-tree --worker /usr/bin/medio-worker --parent passthrough --definitions /run/definitions >/tmp/mediod.said 2>&1 &' \
		'serving=$!; n=0; until medio list >/dev/null 2>&1; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || break; done; cat /tmp/mediod.said; medio list' || return
	check "an instance passes edu on" guest "medio start passthrough device=vfio:$edu >/tmp/uuid 2>&1; status=\$?; cat /tmp/uuid; [ \$status = 0 ]" || return
	check "registers answer" guest 'edu_try $(head -n 1 /tmp/uuid) identify' && holds 'mapped: edcba987'
	check "MSI" guest 'edu_try $(head -n 1 /tmp/uuid) msi 12' && holds '^12 factorials, 12 interrupts'
	check "INTx" guest 'edu_try $(head -n 1 /tmp/uuid) intx 12' && holds '^12 factorials, 12 interrupts'
	check "DMA" guest 'edu_try $(head -n 1 /tmp/uuid) dma' && holds 'checksum ([0-9a-f]*) \1, 4 interrupts'
	check "it ends, and so does mediod" guest 'medio stop $(head -n 1 /tmp/uuid) && kill $serving && wait $serving; status=$?; cat /tmp/mediod.said; [ $status = 0 ]'
}

wanted() {
	qmp device_del '{"id":"card"}' && qmp_event 'DEVICE_DELETED.*"device": "card"'
}

# A card that the machine wants back is given back.
unplugs() {
	check "an unpluggable disk is passed on" guest 'medio bind 0000:01:00.0' && passes gone device=vfio:0000:01:00.0 || return
	check "it can be unplugged while nobody uses it" wanted
	check "which is told" said gone 'given back: it was wanted back'
	! guest 'medio io vfio-user:/run/gone'
	check "who comes then finds no card" holds '.'
}

check "a guest with an IOMMU boots" boots || check_finish
check "VFIO is loaded, the cards are bound" loads || check_finish
drives_edu
drives_nvme
check "both end in order" ends
forgets
traces
check "they end in order" ends
forgets
manages
forgets
unplugs
check "the guest ends cleanly" guest_off
check_finish
