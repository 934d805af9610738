#!/bin/bash
# shellcheck disable=SC2016,SC2317 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_vfio.sh MEDIO BED: drivers on <medio/driver.h> drive a device of the kernel's VFIO, in a guest with an
# IOMMU, and the guide's transcripts are what happens. MEDIO is the program, beside which the build's tests stand; BED is what script/guest-bed printed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/edu.sh"
. "$here/host_program.sh"

medio=$1 bed=$2
modules=(irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci uio uio_pci_generic)
edu_program "$medio"

fill() {
	add_program "$1" "$edu_try" && add_program "$1" "$medio" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
plain_args=("${guest_args[@]}")
guest_args[-1]+=" intel_iommu=on"

# Alone in its group; two that share one; one that can be unplugged.
boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" "${guest_monitor[@]}" \
		-device intel-iommu,intremap=on \
		-device edu,addr=4.0 -device edu,addr=6.0,multifunction=on -device edu,addr=6.1 \
		-device pcie-root-port,id=slot1,slot=1,chassis=1 -device edu,bus=slot1,id=card
}

# The guest's shell learns to bind: bind SLOT DRIVER, `unbind SLOT`.
teach() {
	guest 'bind() { unbind $1; echo $2 >/sys/bus/pci/devices/0000:$1/driver_override;' \
		'echo 0000:$1 >/sys/bus/pci/drivers_probe;' \
		'[ "$(basename $(readlink /sys/bus/pci/devices/0000:$1/driver))" = $2 ]; };' \
		'unbind() { [ ! -e /sys/bus/pci/devices/0000:$1/driver ] ||' \
		'echo 0000:$1 >/sys/bus/pci/devices/0000:$1/driver/unbind;' \
		'echo >/sys/bus/pci/devices/0000:$1/driver_override; }'
}

loads() {
	guest "for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done; ls /dev/vfio"
}

drives() {
	check "without vfio-pci it says what to do" refused 'no driver.*medio bind 0000:00:04.0' vfio:0000:00:04.0 identify
	check "edu is bound to vfio-pci" guest bind 00:04.0 vfio-pci || return
	check "the guide shows VFIO as it is" transcript vfio
	check "registers answer, by calls and mapped" tells 'mapped: edcba987' vfio:0000:00:04.0 identify
	check "MSI: an interrupt a factorial" tells '^12 factorials, 12 interrupts' vfio:0000:00:04.0 msi 12
	check "INTx, unmasked after each" tells '^12 factorials, 12 interrupts' vfio:0000:00:04.0 intx 12
	check "and again, without interrupts" tells '^12 factorials, 0' vfio:00:04.0 polled 12
	check "medio irq shows what it has" guest medio irq vfio:0000:00:04.0 && holds '^msi +1 '
	check "and that one arrives" guest 'medio irq vfio:0000:00:04.0 --index msi --watch --trigger msi:0 --count 1 --time 30s' &&
		holds 'msi 0  1 event'
	check "DMA both ways, checksums equal" tells 'checksum ([0-9a-f]*) \1, 4 interrupts' vfio:0000:00:04.0 dma
	check "medio run --kernel-vfio watches a driver" guest 'medio run --kernel-vfio -- edu_try vfio:0000:00:04.0 dma 2>&1'
	check "from the group" holds 'the group joins a container$'
	check "to the memory" holds ' mapped at iova 0x[0-9a-f]+, the device may read and write$'
	check "and the interrupt" holds 'MSI vector 0 wired to an eventfd$'
	check "and is not in its way" holds 'checksum ([0-9a-f]*) \1, 4 interrupts'
	check "limits of the IOMMU are told" tells '^4 MiB at 0x' vfio:0000:00:04.0 limits
	check "where interrupts go nothing is mapped" holds "window: Invalid argument .*0xfee00000 to 0xfeefffff"
	check "nor beyond the aperture" holds "beyond: Invalid argument .*reach"
	check "missing huge pages are told" holds "huge pages: Cannot allocate memory .*nr_hugepages"
}

refuses() {
	check "a device that is not there" refused 'no PCI device 0000:00:1e.7' vfio:0000:00:1e.7 identify
	check "memory beyond the limit" tells '1 MiB: .*may lock 64 KiB .*has 1024 KiB' vfio:0000:00:04.0 memlock
	guest bind 00:06.0 vfio-pci && guest bind 00:06.1 uio_pci_generic
	check "a group with another driver" refused 'not viable: 0000:00:06.1 \(driver uio_pci_generic\) is' \
		vfio:0000:00:06.0 identify
	guest bind 00:06.1 vfio-pci
	check "is viable without it" tells 'edu version' vfio:0000:00:06.0 identify
	check "the file of the group is busy while it is open" guest \
		'exec 5<>/dev/vfio/$(basename $(readlink /sys/bus/pci/devices/0000:00:06.0/iommu_group));' \
		'edu_try vfio:0000:00:06.0 identify >/tmp/busy; exec 5>&-; cat /tmp/busy; grep "open already" /tmp/busy'
	check "not for other users" refused 'may not open it.*chown' vfio:0000:00:06.0 user
}

shares() {
	check "cards of one group in one container" tells 'from one card to the other: Success' \
		vfio:0000:00:06.0 shared vfio:0000:00:06.1
	check "cards of two groups in one container" tells 'from one card to the other: Success' \
		vfio:0000:00:04.0 shared vfio:0000:00:06.1
}

# The same driver through UIO, behind the IOMMU: registers and INTx, no DMA.
uio() {
	check "not bound to UIO, it says what to do" refused 'driver vfio-pci.*--driver uio_pci_generic' \
		uio:0000:00:04.0 identify
	check "edu is bound to uio_pci_generic" guest bind 00:04.0 uio_pci_generic || return
	check "UIO: registers answer, by calls and mapped" tells 'mapped: edcba987' uio:0000:00:04.0 identify
	check "UIO: INTx, unmasked after each" tells '^12 factorials, 12 interrupts' uio:0000:00:04.0 intx 12
	check "UIO: medio irq shows the one" guest medio irq uio:0000:00:04.0 && holds '^intx +1 +masked by each event' &&
		check "and no other" holds '^msi +0'
	check "UIO: there is no MSI" refused 'the card has 0' uio:0000:00:04.0 msi 1
	check "UIO: no DMA through a translating IOMMU" tells 'IOMMU that translates .*use vfio:0000:00:04.0' \
		uio:0000:00:04.0 nodma
	guest bind 00:04.0 vfio-pci
}

# And without one: DMA by physical addresses, in huge pages.
plain() {
	check "a guest without IOMMU boots" guest_boot "$qemu" "${plain_args[@]}" "${guest_ram[@]}" -device edu,addr=4.0 || return
	loads
	teach
	guest bind 00:04.0 uio_pci_generic
	check "no huge pages, no DMA" refused 'nr_hugepages' uio:uio0 dma-polled
	guest 'echo 4 >/proc/sys/vm/nr_hugepages; cat /proc/sys/vm/nr_hugepages'
	check "UIO without IOMMU: DMA both ways, checksums equal" tells 'checksum ([0-9a-f]*) \1' uio:uio0 dma-polled
	check "the guide shows UIO as it is" transcript uio
	guest bind 00:04.0 vfio-pci
	check "vfio needs an IOMMU, and says so" refused 'intel_iommu=on' vfio:0000:00:04.0 identify
	check "the guest without IOMMU ends cleanly" guest_off
}

unplugged() {
	qmp device_del '{"id":"card"}' && qmp_event 'DEVICE_DELETED.*"device": "card"'
}

unplugs() {
	local slot

	guest 'slot=$(lspci -n -d 1234:11e8 | grep -v "^00:" | cut -d" " -f1); echo $slot'
	slot=${answer%$'\n'}
	check "an unpluggable edu is bound" guest bind "$slot" vfio-pci || return
	guest "edu_try vfio:0000:$slot unplug >/tmp/unplug & until grep -q waiting /tmp/unplug; do sleep 0.1; done"
	check "it can be unplugged" unplugged
	check "the driver was told" guest 'wait; cat /tmp/unplug; grep "wanted back" /tmp/unplug'
	check "it is gone" refused 'no PCI device' "vfio:0000:$slot" identify
}

check "a guest with an IOMMU boots" boots || check_finish
check "VFIO is loaded" loads || check_finish
teach
for part in drives refuses shares uio unplugs; do
	"$part"
done
check "the guest ends cleanly" guest_off
guest_drop
plain
guest_drop
check_finish
