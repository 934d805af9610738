#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_nvme.sh MEDIO BED: a disk goes from the kernel's driver to medio's and back, in a guest with an IOMMU over
# VFIO and in one without over UIO; what one has written the other reads. MEDIO is the program; BED is what
# script/guest-bed printed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"

medio=$1 bed=$2
modules=(irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci uio uio_pci_generic nvme-keyring nvme-auth nvme-core nvme
	crc32c_generic crc16 mbcache jbd2 ext4)
slot=0000:00:04.0
card=vfio:$slot
half=64 # MiB, of the 128 that the disk has
commands=0 interrupts=0

fill() {
	add_program "$1" "$medio" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
# What it writes is in memory first, of which half can be files; and DMA over UIO takes huge pages.
guest_args=("${guest_args[@]/#256M/512M}")
guest_ram=("${guest_ram[@]/256M/512M}")
plain_args=("${guest_args[@]}")
plain_ram=("${guest_ram[@]}")
plain_args[-1]+=" hugepages=64"
guest_args[-1]+=" intel_iommu=on"
truncate -s 128M "$work/disk"

boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" "${guest_monitor[@]}" \
		-device intel-iommu,intremap=on \
		-drive "if=none,id=disk,format=raw,file=$work/disk,cache=unsafe" \
		-device nvme,addr=4.0,drive=disk,serial=medio-1 \
		-drive "if=none,id=small,driver=null-co,size=8M,read-zeroes=on" \
		-device pcie-root-port,id=slot1,slot=1,chassis=1 -device nvme,bus=slot1,id=card,drive=small,serial=medio-2
}

loads() {
	guest "for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done;" \
		'n=0; until [ -b /dev/nvme0n1 ] || [ $n -gt 100 ]; do sleep 0.1; n=$((n + 1)); done; [ -b /dev/nvme0n1 ]'
}

# The guest's shell learns which disk of the kernel's is at a slot: disk_of SLOT.
teach() {
	guest 'disk_of() { for d in /sys/block/nvme*n1; do case $(readlink -f $d) in */$1/*) echo /dev/${d##*/}; return 0;; esac; done; return 1; };' \
		'kernel_disk() { n=0; until disk=$(disk_of $1) && [ -b $disk ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; echo $disk; };' \
		'sum() { md5sum | cut -d" " -f1; }; forget() { sync; echo 3 >/proc/sys/vm/drop_caches; }; mkdir -p /mnt'
}

# Random numbers, so that no two blocks are the same, and in them a filesystem with a file.
kernel_writes() {
	guest 'kernel_disk '"$slot"' && dd if=/dev/urandom of=$disk bs=1M count='"$half"' 2>/dev/null && forget' || return
	guest 'mke2fs $disk '"$((half * 512))"' >/dev/null && mount -t ext4 $disk /mnt &&' \
		'dd if=/dev/urandom of=/mnt/file bs=1M count='"$((half / 4))"' 2>/dev/null && sum </mnt/file >/tmp/file && umount /mnt && forget &&' \
		'dd if=$disk bs=1M count='"$half"' 2>/dev/null | sum >/tmp/first && cat /tmp/file /tmp/first'
}

refuses_kernel() {
	! guest "medio io $card" && holds "driver nvme.*medio bind $slot"
}

binds() {
	guest "medio bind $slot --driver $1" && guest '[ "$(basename $(readlink /sys/bus/pci/devices/'"$slot"'/driver))" = '"$1"' ]'
}

shows() {
	guest "medio io $card" && holds '128M .134217728 bytes' && holds 'QEMU NVMe Ctrl' && holds 'serial number medio-1' &&
		holds "interrupts: $1"
}

reads_same() {
	guest "medio io $card --read 0 --count ${half}M 2>/tmp/said | sum >/tmp/second; cat /tmp/said /tmp/second; cmp /tmp/first /tmp/second"
}

# At whatever pace: 256 commands may share interrupts.
interrupted() {
	guest cat /tmp/said && holds ' [1-9][0-9]* interrupts'
}

# one_by_one IRQ: with one command under way; $commands and $interrupts, at whatever pace more than one.
one_by_one() {
	local time

	for time in 1s 10s 60s; do
		guest "medio io $card --irq $1 --bench read --qd 1 --time $time --json" || return
		commands=$(sed -n 's/.*"commands":\([0-9]*\).*/\1/p' <<<"$answer")
		interrupts=$(sed -n 's/.*"interrupts":\([0-9]*\).*/\1/p' <<<"$answer")
		[ "${interrupts:-0}" -lt 2 ] || return 0
	done
	return 1
}

# No two share a message.
an_interrupt_each() {
	one_by_one msix && [ "$interrupts" -gt $((commands / 2)) ]
}

# While the line is masked the driver may find a completion before it would interrupt: not each has one.
interrupts_again() {
	one_by_one intx
}

# reads_some IRQ COUNT: 5 MiB with so many interrupts.
reads_some() {
	guest "medio io $card --irq $1 --read 0 --count 5M 2>/tmp/said | sum >/tmp/some; cat /tmp/said;" \
		"grep ' $2 interrupts' /tmp/said && [ \$(medio io $card --read 0 --count 5M 2>/dev/null | sum) = \$(cat /tmp/some) ]"
}

middle() {
	guest "medio io $card --read 0 --count 4000 2>/dev/null | tail -c 3001 | sum;" \
		"medio io $card --read 999 --count 3001 2>/dev/null | sum" &&
		[ "$(uniq <<<"${answer%$'\n'}" | wc -l)" = 1 ]
}

writes() {
	guest "dd if=/dev/urandom bs=1M count=$half of=/tmp/data 2>/dev/null && sum </tmp/data >/tmp/third &&" \
		"medio io $card --write ${half}M --yes-overwrite </tmp/data 2>/tmp/said; status=\$?; rm /tmp/data; cat /tmp/said; [ \$status -eq 0 ]" &&
		holds '^67108864 bytes written'
}

# refuses WORDS OPTION…: with half a MiB to write.
refuses() {
	local words=$1

	shift
	! guest "dd if=/dev/zero bs=1K count=512 2>/dev/null | medio io $card $*" && holds "$words"
}

ends_in_order() {
	guest "medio io $card --bench read --time 60s & sleep 1; kill -TERM \$!; wait \$!; [ \$? = 143 ]" && shows "$1"
}

unbinds() {
	guest "medio unbind $slot" && guest "kernel_disk $slot"
}

kernel_reads() {
	guest "dd if=\$disk bs=1M skip=$half 2>/dev/null | sum >/tmp/fourth; cat /tmp/third /tmp/fourth; cmp /tmp/third /tmp/fourth"
}

kernel_keeps() {
	guest "dd if=\$disk bs=1M count=$half 2>/dev/null | sum >/tmp/fourth; cmp /tmp/first /tmp/fourth" &&
		guest 'mount -t ext4 $disk /mnt && sum </mnt/file >/tmp/fifth && umount /mnt && cmp /tmp/file /tmp/fifth'
}

drives() {
	check "the kernel's driver writes $half MiB" kernel_writes || return
	check "while it has the disk, medio io has not" refuses_kernel
	check "medio bind gives it to vfio-pci" binds vfio-pci || return
	check "medio io shows the disk" shows msix
	check "and reads what the kernel wrote" reads_same
	check "by interrupts" interrupted
	check "nothing is written without a word" guest "! medio io $card --write 0 </dev/zero"
	check "nor beyond the end" refuses 'there are no 4096 from 134217216' --write 134217216 --count 4K --yes-overwrite
	check "nor parts of blocks" refuses 'multiples of 512 bytes' --write 100 --count 512 --yes-overwrite
	check "input that ends early is told" refuses 'ends 524288 bytes early' --write 120M --count 1M --yes-overwrite
	check "it writes $half MiB" writes
	check "also by interrupts" interrupted
	check "MSI-X: an interrupt a command" an_interrupt_each
	check "INTx: another after each that was served" interrupts_again
	check "and so without any" reads_some none 0
	check "bytes from the middle of blocks" middle
	check "bench with 32 under way counts" guest "medio io $card --bench randread --qd 32 --time 1s --json | tee /tmp/said; grep '\"iops\":[1-9]' /tmp/said"
	check "on a terminal progress shows" guest "medio io $card --copy-to /dev/null 2>/dev/ttyS0" && holds '100% 128M'
	check "a signal ends it in order" ends_in_order msix
	check "medio unbind gives it back" unbinds || return
	check "the kernel reads what medio wrote" kernel_reads
	check "and mounts what was there before" kernel_keeps
}

unplugged() {
	qmp device_del '{"id":"card"}' && qmp_event 'DEVICE_DELETED.*"device": "card"'
}

# A disk that is unplugged while it works.
unplugs() {
	check "an unpluggable disk is bound" guest 'medio bind 0000:01:00.0' || return
	guest 'medio io vfio:0000:01:00.0 --bench randread --time 600s >/tmp/gone 2>&1 & pid=$!;' \
		'until ls -l /proc/$pid/fd | grep -q vfio-device || ! [ -d /proc/$pid/fd ]; do sleep 0.1; done'
	check "it can be unplugged while it works" unplugged
	check "medio io was told, and let go" guest 'wait $pid; status=$?; cat /tmp/gone; [ $status -eq 1 ] && grep "wants it back" /tmp/gone'
	! guest 'medio io vfio:0000:01:00.0'
	check "it is gone" holds 'no PCI device 0000:01:00.0'
}

# The same without an IOMMU, by physical addresses.
plain() {
	card=uio:$slot
	check "a guest without IOMMU boots, with huge pages" guest_boot "$qemu" "${plain_args[@]}" "${plain_ram[@]}" \
		-drive "if=none,id=disk,format=raw,file=$work/disk,cache=unsafe" -device nvme,addr=4.0,drive=disk,serial=medio-1 || return
	check "UIO and NVMe are loaded" loads || return
	teach
	check "UIO: the kernel's driver writes $half MiB" kernel_writes || return
	check "vfio-pci is refused, and it is said what needs no IOMMU" refuses_vfio
	check "UIO: while the kernel's driver has the disk, medio io has not" refuses_kernel
	check "UIO: medio bind gives it to uio_pci_generic" binds uio_pci_generic || return
	check "UIO: medio io shows the disk" shows intx
	check "UIO: and reads what the kernel wrote" reads_same
	check "UIO: by interrupts" interrupted
	check "UIO: it writes $half MiB" writes
	check "UIO: also by interrupts" interrupted
	check "UIO: another after each that was served" interrupts_again
	check "UIO: and so without any" reads_some none 0
	check "UIO: there is no MSI-X" guest "! medio io $card --irq msix"
	check "UIO: a signal ends it in order" ends_in_order intx
	check "UIO: without huge pages it is said what is missing" no_huge_pages
	check "UIO: medio unbind gives it back" unbinds || return
	check "UIO: the kernel reads what medio wrote" kernel_reads
	check "UIO: and mounts what was there before" kernel_keeps
}

refuses_vfio() {
	guest "medio bind $slot"
	[ $? = 3 ] && holds 'there is no IOMMU.*uio_pci_generic needs none'
}

no_huge_pages() {
	guest 'echo 0 >/proc/sys/vm/nr_hugepages'
	! guest "medio io $card" && holds 'huge pages.*nr_hugepages' && guest 'echo 64 >/proc/sys/vm/nr_hugepages'
}

check "a guest with an IOMMU boots" boots || check_finish
check "VFIO and NVMe are loaded" loads || check_finish
teach
drives
unplugs
check "the guest ends cleanly" guest_off
guest_drop
plain
check "the guest without IOMMU ends cleanly" guest_off
guest_drop
check_finish
