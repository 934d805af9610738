#!/bin/bash
# shellcheck disable=SC2016,SC2034,SC2154,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_run.sh MEDIO BED: stock QEMUs with their own vfio-pci, on a machine whose kernel has no VFIO, under medio run: the
# serial card, a disk and a network card in one guest, by the kernel's usual names. The memory of the guest is QEMU's own, private
# to it; in the newest QEMU once more through /dev/iommu. MEDIO is the program; BED is what script/guest-bed printed.
# MEDIO_TEST_FULL=1 copies more.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/sample_card.sh"
. "$here/host_program.sh"
. "$here/disks.sh"
. "$here/network.sh"

medio=$1 bed=$2
box=$bed/root/usr/bin/busybox
full=${MEDIO_TEST_FULL:-}
size=${full:+200}
size=${size:-4} # MiB, of the disk
mib=${full:+100}
mib=${mib:-2} # of the network
modules=("${disk_modules[@]}" virtio_blk failover net_failover virtio_net)
disk_tools_there

fill() {
	disk_tools "$1" && network_words "$1" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
network_files "$mib"
serial=83b8f4f2-509f-382f-3c1e-e6bfe0fd0001
disk=83b8f4f2-509f-382f-3c1e-e6bfe0fd0002
card=83b8f4f2-509f-382f-3c1e-e6bfe0fd0003
words='disk() { basename /sys/bus/pci/devices/0000:00:06.0/virtio*/block/*; };'$disk_words
way=() # more words for QEMU
by=    # and for each device

# qemu_version QEMU
qemu_version() {
	"$1" --version | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p'
}

vfio() {
	printf '%s\n' -device "vfio-pci,sysfsdev=/sys/bus/mdev/devices/$1,addr=$2$by"
}

boots() {
	local devices

	disk_images $((size * 5 / 2 + 48)) image
	chmod 666 "$work/image"
	mapfile -t devices < <(vfio "$serial" 05.0 && vfio "$disk" 06.0 && vfio "$card" 07.0)
	guest_boot "$medio" run --trace --output "$work/story" --quiet \
		--device "mtty-2,uuid=$serial" --device "virtio-blk,uuid=$disk,file=$work/image,serial=run" \
		--device "virtio-net,uuid=$card,mac=52:54:00:00:00:07" -- \
		"$qemu" "${guest_args[@]}" "${ram[@]}" "${way[@]}" "${devices[@]}"
}

loads() {
	guest "$words; . /tmp/helpers; (for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done)"
}

has_ports() {
	guest 'ttys="/dev/$(tty_of 00:05.0 0) /dev/$(tty_of 00:05.0 1)"; setserial -g $ttys; [ $(setserial -g $ttys | grep -c 16550A) -eq 2 ]'
}

copies_disk() {
	copies run
}

leases() {
	guest 'name=$(name_of 07); ip link set $name up && wait_for carrier $name 1 && udhcpc -n -q -i $name -s /tmp/dhcp && ip addr show dev $name' &&
		holds 'inet 10\.0\.2\.15/24'
}

downloads() {
	guest "wget -q -O - http://10.0.2.2:$port/data | sha256sum" && holds "^$sum"
}

by_msix() {
	guest 'grep PCI-MSIX /proc/interrupts' && holds 'virtio0-req' && holds 'virtio1-input'
}

tells() {
	answer=$(grep -E -- "$1" "$work/story" | head -n 3)
	[ -n "$answer" ] || {
		answer=$(head -n 40 "$work/story")
		return 1
	}
}

# Nobody is left over: neither a process nor a mount.
is_gone() {
	answer=$(pgrep -af "$work" | grep -vE 'test_run.sh|httpd'; grep -F .medio /proc/mounts)
	[ -z "$answer" ]
}

with_guest() {
	check "$peer: a guest with three devices boots" boots || return
	check "$peer: lspci runs" guest 'lspci -vv -xxx -s 00:05.0 2>/dev/null'
	check "$peer: the config space is the sample card's, byte for byte" has_config_rows
	check "$peer: two 16550A" has_ports || return
	check "$peer: bytes echo through both" guest 'ttyecho 4096 $ttys'
	check "$peer: drivers load" loads || return
	check "$peer: $size MiB on the disk and again, found again, sound" copies_disk
	check "$peer: DHCP" leases
	check "$peer: $mib MiB by HTTP, checksums equal" downloads
	check "$peer: interrupts are MSI-X" by_msix
	check "$peer: the guest ends, medio with QEMU's status" guest_off
	check "$peer: the disk is sound" sound image
	check "$peer: nothing is left" is_gone
	check "$peer: the story tells of the guest's memory" tells 'iova'
}

# use QEMU WORDS
use() {
	qemu=$1 peer="QEMU $(qemu_version "$bed/qemu-system-x86_64")$2"
	[ "$qemu" = "$bed/qemu-system-x86_64" ] || peer="QEMU $(cat "$bed/own/version")$2"
	ram=("${guest_ram_private[@]}") way=() by=''
}

check "HTTP is served on this machine" serves_http || check_finish
use "$bed/qemu-system-x86_64" ""
with_guest
guest_drop
use "$bed/qemu-system-x86_64" ", /dev/iommu, shared memory"
ram=("${guest_ram[@]}") way=(-object "iommufd,id=iommufd0") by=,iommufd=iommufd0
with_guest
guest_drop
if [ -s "$bed/own/version" ]; then
	use "$bed/own/qemu-system-x86_64" ""
	with_guest
	guest_drop
else
	checks=$((checks + 1))
	echo "ok $checks - the QEMU of this machine's release # SKIP it is not in the bed; run script/guest-bed"
fi
check_finish
