#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_iommufd.sh MEDIO BED: drivers on <medio/driver.h> and `medio io` drive devices over iommufd, each by a file
# of its own, beside VFIO's groups of the same kernel, in a guest with an IOMMU. MEDIO is the program, beside which
# the build's tests stand; BED is what script/guest-bed printed. No stock Debian kernel has iommufd: the modules are
# those that the bed has built.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/edu.sh"
. "$here/host_program.sh"

medio=$1 bed=$2
modules=(irqbypass iommufd vfio vfio_iommu_type1 vfio-pci-core vfio-pci uio uio_pci_generic
	nvme-keyring nvme-auth nvme-core nvme crc32c_generic crc16 mbcache jbd2 ext4)
edu=0000:00:04.0 disk=0000:00:05.0
size=64 # MiB of the disk
edu_program "$medio"

fill() {
	add_program "$1" "$medio" && add_program "$1" "$edu_try" &&
		add_modules "$1" "$bed/modules-iommufd" "${modules[@]}"
}

needs_iommufd "$bed"
guest_prepare "$bed" fill
# What is written comes from its memory, of which files get half.
guest_args=("${guest_args[@]/#256M/512M}")
guest_ram=("${guest_ram[@]/256M/512M}")
guest_args[-1]+=" intel_iommu=on"
truncate -s "${size}M" "$work/disk"

# Alone in its group; two that share one; one that can be unplugged; a disk.
boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" "${guest_monitor[@]}" \
		-device intel-iommu,intremap=on \
		-device edu,addr=4.0 -device edu,addr=6.0,multifunction=on -device edu,addr=6.1 \
		-device pcie-root-port,id=slot1,slot=1,chassis=1 -device edu,bus=slot1,id=card \
		-drive "if=none,id=disk,format=raw,file=$work/disk,cache=unsafe" \
		-device nvme,addr=5.0,drive=disk,serial=medio-1
}

loads() {
	guest "for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done; [ -c /dev/iommu ]"
}

# The same over each: by the device's own file, and by its group.
drives() {
	local scheme=$1 card=$1:$edu

	check "$scheme: registers answer, by calls and mapped" tells 'mapped: edcba987' "$card" identify
	check "$scheme: MSI, an interrupt a factorial" tells '^12 factorials, 12 interrupts' "$card" msi 12
	check "$scheme: INTx, unmasked after each" tells '^12 factorials, 12 interrupts' "$card" intx 12
	check "$scheme: DMA both ways, checksums equal" tells 'checksum ([0-9a-f]*) \1, 4 interrupts' "$card" dma
	check "$scheme: limits of the IOMMU are told" tells '^4 MiB at 0x' "$card" limits
	check "$scheme: where interrupts go nothing is mapped" holds "window: Invalid argument .*0xfee00000 to 0xfeefffff"
	check "$scheme: nor beyond the aperture" holds "beyond: Invalid argument .*reach"
	check "$scheme: missing huge pages are told" holds "huge pages: Cannot allocate memory .*nr_hugepages"
	check "$scheme: memory beyond the limit" tells '1 MiB: .*may lock 64 KiB .*has 1024 KiB' "$card" memlock
}

edus() {
	check "without vfio-pci it says what to do" refused "no driver.*medio bind $edu" "iommufd:$edu" identify
	check "edu is bound to vfio-pci" guest medio bind "$edu" || return
	check "it has a file of its own" guest \
		'[ -c /dev/vfio/devices/$(ls /sys/bus/pci/devices/'"$edu"'/vfio-dev) ]'
	check "the guide shows iommufd as it is" transcript iommufd
	drives iommufd
	drives vfio
	# QEMU's IOMMU knows nothing of what is written: the container says everything, iommufd nothing.
	check "vfio: the log of what is written has the page" tells 'written: 0xf of 0xf' "vfio:$edu" log
	check "iommufd: that there is none is told" refused 'keeps no log' "iommufd:$edu" log
	check "not for other users" refused 'may not open it.*chown' "iommufd:$edu" user
}

shares() {
	guest 'medio bind 0000:00:06.0; medio bind 0000:00:06.1 --driver uio_pci_generic'
	check "a group with another driver" refused 'not viable.*0000:00:06.1 \(driver uio_pci_generic\)' \
		iommufd:0000:00:06.0 identify
	check "its devices are bound" guest 'medio bind 0000:00:06.1' || return
	check "is viable without it" tells 'edu version' iommufd:0000:00:06.0 identify
	check "cards of one group share addresses" tells 'from one card to the other: Success' \
		iommufd:0000:00:06.0 shared iommufd:0000:00:06.1
	check "cards of two groups share addresses" tells 'from one card to the other: Success' \
		"iommufd:$edu" shared iommufd:0000:00:06.1
	check "a card over iommufd and one over VFIO share addresses" tells 'from one card to the other: Success' \
		"iommufd:$edu" shared vfio:0000:00:06.1
}

# hold URI: it is open while the next line of the guest's shell runs, and until `let_go`.
hold() {
	guest ": >/tmp/held; edu_try $1 unplug >/tmp/held & held=\$!; until grep -q waiting /tmp/held; do sleep 0.1; done"
}

let_go() {
	guest 'kill $held; wait $held 2>/dev/null; true'
}

busy() {
	hold "iommufd:$edu"
	check "open over iommufd, it cannot be opened again" refused 'open already' "iommufd:$edu" identify
	check "nor by its group" refused 'open already' "vfio:$edu" identify
	let_go
	hold "vfio:$edu"
	check "open by its group, it cannot be over iommufd" refused 'open already' "iommufd:$edu" identify
	let_go
	check "and can when all have let go" tells 'edu version' "iommufd:$edu" identify
	check "not in one program both ways" refused 'open already' "iommufd:$edu" shared "vfio:$edu"
}

# ---- A disk ----------------------------------------------------------------------------------------

kernel_disk() {
	guest 'n=0; until [ -b /dev/nvme0n1 ] || [ $n -gt 100 ]; do sleep 0.1; n=$((n + 1)); done; [ -b /dev/nvme0n1 ]'
}

# Random numbers, so that no two blocks are the same, and in them a filesystem with a file.
kernel_writes() {
	kernel_disk && guest 'forget() { sync; echo 3 >/proc/sys/vm/drop_caches; }; mkdir -p /mnt;' \
		"dd if=/dev/urandom of=/dev/nvme0n1 bs=1M count=$size 2>/dev/null && forget" &&
		guest "mke2fs /dev/nvme0n1 >/dev/null && mount -t ext4 /dev/nvme0n1 /mnt &&" \
			"dd if=/dev/urandom of=/mnt/file bs=1M count=$((size / 4)) 2>/dev/null && md5sum </mnt/file >/tmp/file &&" \
			'umount /mnt && forget && md5sum </dev/nvme0n1 >/tmp/first && cat /tmp/file /tmp/first'
}

# 256 commands of 256 KiB; some share an interrupt.
interrupted() {
	guest cat /tmp/said && holds '[, ][1-9][0-9]* interrupts'
}

reads_same() {
	guest "medio io iommufd:$disk --read 0 --count ${size}M 2>/tmp/said | md5sum >/tmp/second;" \
		'cat /tmp/said /tmp/second; cmp /tmp/first /tmp/second'
}

# The disk is copied, spoilt, and written anew from the copy.
writes() {
	guest "medio io iommufd:$disk --copy-to /tmp/data 2>/dev/null && md5sum </tmp/data >/tmp/third &&" \
		"dd if=/dev/zero bs=1M count=4 2>/dev/null | medio io iommufd:$disk --write 0 --yes-overwrite 2>/dev/null &&" \
		"medio io iommufd:$disk --write 0 --yes-overwrite </tmp/data 2>/tmp/said; status=\$?; rm /tmp/data;" \
		'cat /tmp/said; [ $status -eq 0 ]' && holds "^$((size * 1048576)) bytes written"
}

kernel_reads() {
	kernel_disk && guest 'md5sum </dev/nvme0n1 >/tmp/fourth; cat /tmp/third /tmp/fourth; cmp /tmp/third /tmp/fourth'
}

kernel_mounts() {
	guest 'mount -t ext4 /dev/nvme0n1 /mnt && md5sum </mnt/file >/tmp/fifth && umount /mnt && cmp /tmp/file /tmp/fifth'
}

disks() {
	check "the kernel's driver writes $size MiB" kernel_writes || return
	check "a disk that the kernel has is refused" guest "! medio io iommufd:$disk" && holds 'driver nvme|medio bind'
	check "medio bind gives it to vfio-pci" guest medio bind "$disk" || return
	check "medio io shows it" guest "medio io iommufd:$disk" && holds 'serial number medio-1' && holds 'interrupts: msix'
	check "and reads what the kernel wrote" reads_same
	check "by interrupts" interrupted
	check "it writes $size MiB" writes
	check "also by interrupts" interrupted
	check "32 commands under way" guest \
		"medio io iommufd:$disk --bench randread --qd 32 --time 1s --json | grep '\"iops\":[1-9]'"
	check "medio unbind gives it back" guest medio unbind "$disk" || return
	check "the kernel reads what medio wrote" kernel_reads
	check "and mounts it" kernel_mounts
}

# ---- A device that goes ----------------------------------------------------------------------------

unplugged() {
	qmp device_del '{"id":"card"}' && qmp_event 'DEVICE_DELETED.*"device": "card"'
}

unplugs() {
	local slot

	guest 'slot=$(lspci -D -n -d 1234:11e8 | grep -v "^0000:00:" | cut -d" " -f1); echo $slot'
	slot=${answer%$'\n'}
	check "an unpluggable edu is bound" guest medio bind "$slot" || return
	hold "iommufd:$slot"
	check "it can be unplugged" unplugged
	check "the driver was told" guest 'wait $held; cat /tmp/held; grep "wanted back" /tmp/held'
	check "it is gone" refused 'no PCI device' "iommufd:$slot" identify
}

check "a guest with an IOMMU boots" boots || check_finish
check "VFIO with iommufd is loaded" loads || check_finish
for part in edus shares busy disks unplugs; do
	"$part"
done
check "the guest ends cleanly" guest_off
guest_drop
check_finish
