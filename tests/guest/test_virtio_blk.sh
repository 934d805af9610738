#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_virtio_blk.sh MEDIO BED [PART…]: virtio disks go from the kernel's driver to medio's and back, in a guest: over VFIO with
# an IOMMU, over iommufd where the bed has it, over UIO without an IOMMU. What one has written the other reads.
# MEDIO is the program; BED is what script/guest-bed printed; a PART is vfio, iommufd or uio, all if none is said.
# MEDIO_TEST_FULL=1 does four times as much.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"

medio=$1 bed=$2
files=(crc32c_generic crc16 mbcache jbd2 ext4)
stock=(virtio_blk "${files[@]}" irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci uio uio_pci_generic)
newer=(irqbypass iommufd vfio vfio_iommu_type1 vfio-pci-core vfio-pci)
split=0000:00:04.0 packed=0000:00:05.0 direct=0000:00:06.0 legacy=0000:00:07.0 card=0000:01:00.0
half=${MEDIO_TEST_FULL:+64}
half=${half:-16} # MiB, of the 128 that a disk has

has_iommufd() {
	[ -e "$bed/modules-iommufd/iommufd.ko" ]
}

fill() {
	add_program "$1" "$medio" && add_modules "$1" "$bed" "${stock[@]}" || return
	! has_iommufd || add_modules "$1/newer" "$bed/modules-iommufd" "${newer[@]}"
}

guest_prepare "$bed" fill
# What is written comes from its memory, of which files get half.
guest_args=("${guest_args[@]/#256M/512M}")
guest_ram=("${guest_ram[@]/256M/512M}")
append=${guest_args[-1]}
for disk in split packed direct; do
	truncate -s 128M "$work/$disk"
done

drive() {
	echo "if=none,id=$1,format=raw,file=$work/$1,cache=unsafe"
}

# boots WORDS OPTION…: with words for the kernel, and more for QEMU.
boots() {
	local words=$1

	shift
	guest_args[-1]="$append $words"
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" "${guest_monitor[@]}" "$@" \
		-drive "$(drive split)" -drive "$(drive packed)" -drive "$(drive direct)" \
		-drive "if=none,id=small,driver=null-co,size=8M,read-zeroes=on" \
		-drive "if=none,id=old,driver=null-co,size=8M,read-zeroes=on" \
		-device virtio-blk-pci,addr=4.0,drive=split,serial=medio-1,disable-legacy=on,iommu_platform=on \
		-device virtio-blk-pci,addr=5.0,drive=packed,serial=medio-2,disable-legacy=on,iommu_platform=on,packed=on \
		-device virtio-blk-pci,addr=6.0,drive=direct,serial=medio-3,disable-legacy=on \
		-device virtio-blk-pci,addr=7.0,drive=old,disable-modern=on,disable-legacy=off \
		-device pcie-root-port,id=slot1,slot=1,chassis=1 \
		-device virtio-blk-pci,bus=slot1,id=card,drive=small,disable-legacy=on,iommu_platform=on
}

# loads FOLDER MODULE…
loads() {
	local folder=$1

	shift
	guest "for m in $*; do insmod $folder/\$m.ko || exit 1; done"
}

# The guest's shell learns which disk of the kernel's is at a slot, and what to do with it.
teach() {
	guest 'disk_of() { for d in /sys/block/vd*; do case $(readlink -f $d) in */$1/*) echo /dev/${d##*/}; return 0;; esac; done; return 1; };' \
		'kernel_disk() { n=0; until disk=$(disk_of $1) && [ -b $disk ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; echo $disk; };' \
		'sum() { md5sum | cut -d" " -f1; }; forget() { sync; echo 3 >/proc/sys/vm/drop_caches; }; mkdir -p /mnt'
}

# Random numbers, so that no two blocks are the same, and in them a filesystem with a file.
kernel_writes() {
	guest 'kernel_disk '"$slot"' && dd if=/dev/urandom of=$disk bs=1M count='"$size"' 2>/dev/null && forget' || return
	guest 'mke2fs $disk '"$((size * 512))"' >/dev/null && mount -t ext4 $disk /mnt &&' \
		'dd if=/dev/urandom of=/mnt/file bs=1M count='"$((size / 4))"' 2>/dev/null && sum </mnt/file >/tmp/file && umount /mnt && forget &&' \
		'dd if=$disk bs=1M count='"$size"' 2>/dev/null | sum >/tmp/first && cat /tmp/file /tmp/first'
}

refuses_kernel() {
	! guest "medio io $uri" && holds "no driver|medio bind|driver virtio-pci|is bound"
}

binds() {
	guest "medio bind $slot --driver $driver" &&
		guest '[ "$(basename $(readlink /sys/bus/pci/devices/'"$slot"'/driver))" = '"$driver"' ]'
}

# decodes RING: QEMU's device, by its registers.
decodes() {
	guest "medio virtio $uri" && holds 'virtio block device' && holds 'INDIRECT_DESC EVENT_IDX .*VERSION_1' &&
		holds '^common +0x[0-9a-f]+ +[0-9] ' && { [ "$1" != packed ] || holds RING_PACKED; }
}

# shows SERIAL RING IRQ
shows() {
	guest "medio io $uri" && holds '128M .134217728 bytes' && holds "virtio block device, $2 ring" &&
		holds "serial number $1" && holds "interrupts: $3"
}

reads_same() {
	guest "medio io $uri --read 0 --count ${size}M 2>/tmp/said | sum >/tmp/second; cat /tmp/said /tmp/second; cmp /tmp/first /tmp/second"
}

# A fast disk answers before anybody sleeps, so a copy may need no interrupt. Of thousands of commands, one at a time,
# some do.
interrupted() {
	guest "n=0; until medio io $uri --irq $1 --bench read --qd 1 --time 1s --json >/tmp/said && grep '\"interrupts\":[1-9]' /tmp/said; do" \
		'n=$((n + 1)); [ $n -lt 10 ] || break; done; cat /tmp/said' && holds '"interrupts":[1-9]'
}

# reads_by IRQ: 5 MiB, which are the same.
reads_by() {
	guest "medio io $uri --irq $1 --read 0 --count 5M 2>/tmp/said | sum >/tmp/some; cat /tmp/said;" \
		"[ \$(medio io $uri --read 0 --count 5M 2>/dev/null | sum) = \$(cat /tmp/some) ]"
}

without_any() {
	reads_by none && guest cat /tmp/said && holds ', 0 interrupts'
}

writes() {
	guest "dd if=/dev/urandom bs=1M count=$size of=/tmp/data 2>/dev/null && sum </tmp/data >/tmp/third &&" \
		"medio io $uri --write ${size}M --yes-overwrite </tmp/data 2>/tmp/said; status=\$?; rm /tmp/data; cat /tmp/said; [ \$status -eq 0 ]" &&
		holds "^$((size * 1048576)) bytes written"
}

unbinds() {
	guest "medio unbind $slot" && guest "kernel_disk $slot"
}

kernel_reads() {
	guest "dd if=\$disk bs=1M skip=$size count=$size 2>/dev/null | sum >/tmp/fourth; cat /tmp/third /tmp/fourth; cmp /tmp/third /tmp/fourth"
}

kernel_keeps() {
	guest "dd if=\$disk bs=1M count=$size 2>/dev/null | sum >/tmp/fourth; cmp /tmp/first /tmp/fourth" &&
		guest 'mount -t ext4 $disk /mnt && sum </mnt/file >/tmp/fifth && umount /mnt && cmp /tmp/file /tmp/fifth'
}

# drives SCHEME SLOT RING SERIAL SIZE IRQ…: all there is to a disk, MiB of it both ways, interrupts of kinds, the best first.
drives() {
	local scheme=$1 slot=$2 ring=$3 serial=$4 size=$5 kinds=("${@:6}") driver=vfio-pci uri=$1:$2 kind
	local name="$1, $3"

	[ "$scheme" != uio ] || driver=uio_pci_generic
	check "$name: the kernel's driver writes $size MiB" kernel_writes || return
	check "$name: while it has the disk, medio io has not" refuses_kernel
	check "$name: medio bind gives it to $driver" binds || return
	check "$name: medio io shows the disk" shows "$serial" "$ring" "${kinds[0]}"
	check "$name: medio virtio decodes it" decodes "$ring"
	check "$name: and reads what the kernel wrote" reads_same
	check "$name: it writes $size MiB" writes
	for kind in "${kinds[@]}"; do
		check "$name: reads by $kind" reads_by "$kind"
		check "$name: and has interrupts" interrupted "$kind"
	done
	check "$name: reads without any" without_any
	check "$name: 32 under way" guest \
		"medio io $uri --bench randread --qd 32 --time 1s --json | tee /tmp/said; grep '\"iops\":[1-9]' /tmp/said"
	check "$name: medio unbind gives it back" unbinds || return
	check "$name: the kernel reads what medio wrote" kernel_reads
	check "$name: and mounts what was there before" kernel_keeps
}

# refused WORDS SLOT: a disk that medio io cannot have, in words.
refused() {
	! guest "medio io vfio:$2" && holds "$1"
}

refusals() {
	guest "medio bind $direct; medio bind $legacy"
	check "one that goes round the IOMMU is refused" refused 'round the IOMMU.*iommu_platform=on' "$direct"
	check "one of the old kind too" refused 'legacy device.*disable-legacy=on' "$legacy"
	check "what virtio has not" guest "! medio io vfio:$direct --irq msi" && holds 'no interrupts of the kind MSI'
	check "nor another disk of the same card" guest "! medio io vfio:$direct --unit 2" && holds 'a virtio disk is one'
}

unplugged() {
	qmp device_del '{"id":"card"}' && qmp_event 'DEVICE_DELETED.*"device": "card"'
}

# A disk that is unplugged while it works.
unplugs() {
	check "an unpluggable disk is bound" guest "medio bind $card" || return
	guest "medio io vfio:$card --bench randread --time 60s >/tmp/gone 2>&1 & pid=\$!; sleep 1"
	check "it can be unplugged while it works" unplugged
	check "medio io was told, and let go" guest 'wait $pid; status=$?; cat /tmp/gone; [ $status -eq 1 ] && grep "wants it back" /tmp/gone'
	! guest "medio io vfio:$card"
	check "it is gone" holds "no PCI device $card"
}

with_vfio() {
	check "a guest with an IOMMU boots" boots intel_iommu=on -device intel-iommu,intremap=on || return
	check "VFIO is loaded" loads /modules "${stock[@]}" || return
	teach
	drives vfio "$split" split medio-1 "$half" msix intx
	drives vfio "$packed" packed medio-2 16 msix intx
	refusals
	unplugs
	check "the guest ends cleanly" guest_off
}

with_iommufd() {
	check "a guest with iommufd boots" boots intel_iommu=on -device intel-iommu,intremap=on || return
	check "iommufd is loaded" loads /modules virtio_blk "${files[@]}" &&
		loads /newer/modules "${newer[@]}" || return
	teach
	drives iommufd "$split" split medio-1 "$half" msix intx
	drives iommufd "$packed" packed medio-2 16 msix intx
	check "the guest ends cleanly" guest_off
}

with_uio() {
	check "a guest without an IOMMU boots" boots hugepages=24 || return
	check "UIO is loaded" loads /modules "${stock[@]}" || return
	teach
	drives uio "$direct" split medio-3 "$half" intx
	drives uio "$packed" packed medio-2 16 intx
	check "the guest ends cleanly" guest_off
}

parts=("${@:3}")
[ "${#parts[@]}" -gt 0 ] || parts=(vfio iommufd uio)
for part in "${parts[@]}"; do
	[ "$part" != iommufd ] || has_iommufd || continue
	"with_$part"
	guest_drop
done
check_finish
