#!/bin/bash
# shellcheck disable=SC2016,SC2034,SC2154,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_vhost_blk.sh MEDIO BED [PART…]: medio's virtio disks behind QEMU's vhost-user-blk, under the stock kernel's own driver, in
# guests of two QEMUs. Files are copied and found again over each kind of ring; a disk grows, is read-only, gives space
# back; what serves the disks is killed while numbers are written all over them, and no write may be lost or done twice; the
# guest reboots and is reset. MEDIO is the program; BED is what script/guest-bed printed; a PART is disks, killed or firmware,
# the first if none is said; test_vhost_killed.sh is the second. MEDIO_TEST_FULL=1 copies 200 MiB a disk, kills more often, and
# boots from the firmware.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/disks.sh"
. "$here/numbers.sh"
. "$here/boot_disk.sh"

medio=$1 bed=$2
full=${MEDIO_TEST_FULL:-}
size=${full:+200}
size=${size:-4} # MiB
kills=${full:+12}
kills=${kills:-2}
parts=("${@:3}")
[ "${#parts[@]}" -gt 0 ] || parts=(disks ${full:+firmware})
modules=("${disk_modules[@]}" virtio_blk)
guest_words='disk() { for d in /sys/block/vd*; do [ "$(cat $d/serial)" != $1 ] || { echo ${d##*/}; return 0; }; done; return 1; };'$disk_words
disk_tools_there
[[ " ${parts[*]} " != *" firmware "* ]] || boot_disk_needs "$bed"

fill() {
	disk_tools "$1" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
. "$here/serve.sh"
. "$here/vhost.sh"

# serves NAME: the disk by this name.
serves() {
	local -a words=(num-queues=2)

	case $1 in
	frozen) words=(num-queues=1 readonly=on) ;;
	grows) words=(num-queues=1 rescan=200ms) ;;
	direct) words=(num-queues=2 direct=on poll=adaptive) ;;
	pkilled) words=(num-queues=2 direct=on) ;; # much is in flight
	bare) words=(num-queues=1) ;;
	esac
	serve "$1" virtio-blk "file=$work/$1" "serial=$1" "${words[@]}"
}

# vhost_device NAME ADDR: a queue for each processor, or the number that is said.
vhost_device() {
	local queues=num-queues=2

	case $1 in
	packed | direct | pkilled) queues+=,packed=on ;;
	bare) queues=num-queues=1,queue-size=256,event_idx=off,indirect_desc=off ;; # a request of 254 has to fit
	frozen | grows) queues=num-queues=1 ;;
	esac
	qemu_devices+=(-device "vhost-user-blk-pci,chardev=$1,$2,$queues")
}

finds_disks() {
	guest 'cat /sys/block/vd*/serial; echo;(for s in '"$*"'; do disk $s || exit 1; done)'
}

# ring NAME FEATURES: bits 28, 29 and 34. The kernel prints bit 0 first.
ring() {
	guest "cat /sys/block/\$(disk $1)/device/features" || return
	answer=${answer:28:2}${answer:34:1}
	[ "$answer" = "$2" ]
}

has_queues() {
	guest 'ls -1 /sys/block/$(disk '"$1"')/mq' && [ "$(wc -l <<<"${answer%$'\n'}")" -eq "$2" ]
}

# Each queue has its own interrupt, and it came.
interrupts() {
	guest 'd=$(basename $(readlink /sys/block/$(disk '"$1"')/device)); grep "$d-req" /proc/interrupts | awk "{ for (i = 2; i <= 3; i++) n += \$i } END { print n; exit n < 50 }"'
}

is_resized() {
	truncate -s "$1M" "$work/grows" &&
		guest 'd=$(disk grows); (n=0; until [ $(cat /sys/block/$d/size) -eq '"$(($1 * 2048))"' ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || exit 1; done) && dmesg | grep "new size"'
}

# Nothing that virtio, the disks or the kernel's own checks complain about.
silent() {
	local known='virtio_blk virtio[0-9]+: (\[vd|[0-9/]+ default)|virtio-pci .* enabling device|capacity change|EXT4-fs \(vd.\): (un)?mount'

	guest 'dmesg | grep -vE "'"$known"'" | grep -E "virtio|vd[a-z]|I/O error|Call Trace|BUG:|WARNING:|blocked for|EXT4-fs (error|warning)"'
	[ -z "$answer" ]
}

content() {
	blames_nobody 'needs a reset|error|warning|Sanitizer|not (possible|allowed)'
}

copies_again() {
	guest 'd=/dev/$(disk '"$1"') && mount -t ext4 $d /mnt && sum </mnt/file >/tmp/after && sum </mnt/copy >>/tmp/after; umount /mnt; cat /tmp/after; [ "$(head -n 1 /tmp/after)" = "$(tail -n 1 /tmp/after)" ]' &&
		guest 'e2fsck -fn /dev/$(disk '"$1"') 2>&1'
}

with_disks() {
	local name copied=(plain packed bare direct coming)

	# The rings are the guest's, the same under each QEMU.
	[ "$older" = no ] || [ -n "$full" ] || copied=(packed coming)

	disk_images $((size * 5 / 2 + 48)) plain packed bare direct coming
	disk_images 32 grows
	dd if=/dev/urandom of="$work/frozen" bs=1M count=4 2>/dev/null
	listens[coming]=yes
	check "$peer: a guest with seven disks boots" boots "" plain packed bare direct frozen grows coming || return
	check "$peer: it finds them by their serial numbers" finds_disks "${devices[@]}"
	check "$peer, plain: split ring, indirect, event idx" ring plain 110
	check "$peer, packed: packed ring, indirect, event idx" ring packed 111
	check "$peer, bare: split ring, neither" ring bare 000
	check "$peer, coming: QEMU has listened, and medio came" ring coming 110
	for name in "${copied[@]}"; do
		check "$peer, $name: ext4 with $size MiB, copied, found again, sound" copies "$name" || return
		check "$peer, $name: interrupts came" interrupts "$name"
	done
	check "$peer, plain: a queue for each processor" has_queues plain 2
	check "$peer, bare: one, it has no more" has_queues bare 1
	check "$peer, grows: the guest sees it grow" is_resized 48
	check "$peer, grows: and uses it" uses_past_40 grows
	check "$peer, grows: and sees it shrink" is_resized 40
	check "$peer, frozen: can be read, not written" is_frozen frozen
	check "$peer, plain: zeroes are written" zeroes plain
	check "$peer, plain: what is discarded gives its place back" gives_back plain
	check "$peer: the guest's kernel has nothing to say" silent
	check "$peer: it reboots" reboots
	for name in "${copied[@]}"; do
		[ "$name" = plain ] || check "$peer, $name: all is there afterwards" copies_again "$name"
	done
	check "$peer: the guest ends cleanly" guest_off
	check "$peer: so do the disks" serve_end
	check "$peer: which had nothing to complain about" content
	for name in "${copied[@]}"; do
		[ "$name" = plain ] || check "$peer, $name: sound from outside too" sound "$name"
	done
}

reboots() {
	guest_reboot && loads && finds_disks "${devices[@]}"
}

# ---- Killed in the middle of it ------------------------------------------------------------------------------

with_killed() {
	local i name disks=(killed pkilled)

	disk_images $((size * 5 / 2 + 54)) killed pkilled coming
	listens[coming]=yes
	disks+=(coming)
	check "$peer, killed: a guest boots" boots "" "${disks[@]}" || return
	check "$peer, killed: numbers are written" numbers "${disks[@]}"
	check "$peer, killed: at all depths" more "${disks[@]}" || return
	for ((i = 1; i <= kills; i++)); do
		for name in "${disks[@]}"; do
			check "$peer, $name: what serves it is killed, and served again ($i)" serve_again "$name"
		done
		check "$peer, killed: the guest goes on ($i)" more "${disks[@]}" || return
	done
	for name in "${disks[@]}"; do
		check "$peer, $name: no write is lost, none is done twice" no_number_lost "$name"
	done
	check "$peer, killed: a filesystem can be made and used" copies pkilled
	check "$peer, killed: the guest's kernel has nothing to say" silent
	check "$peer, killed: numbers are written when QEMU resets" numbers "${disks[@]}"
	check "$peer, killed: and some are there" more "${disks[@]}"
	check "$peer, killed: QEMU resets" guest_reset
	check "$peer, killed: the disks are found" loads && finds_disks "${disks[@]}"
	check "$peer, killed: and can be used" copies killed
	check "$peer, killed: the guest's kernel has nothing to say" silent
	check "$peer, killed: the guest ends cleanly" guest_off
	check "$peer, killed: so do the disks" serve_end
	check "$peer, killed: which had nothing to complain about" content
}

# ---- The firmware's driver -------------------------------------------------------------------------------------

# SeaBIOS has nothing else to start from.
from_firmware() {
	guest_boot "$qemu" -machine q35,memory-backend=mem -accel tcg -cpu qemu64 -m 256M -nodefaults -no-user-config \
		-display none -monitor none -serial stdio "${guest_ram[@]}" -chardev "socket,id=boot,path=$socket" \
		-device vhost-user-blk-pci,chardev=boot,num-queues=1
}

runs_newest() {
	guest 'uname -r' && [ "${answer%$'\n'}" = "$(boot_kernel "$bed")" ]
}

with_firmware() {
	gzip -1 <"$work/initrd" >"$work/boot-initrd.gz"
	check "$peer: a disk to boot from is made" boot_fat "$bed" "$work/boot" || return
	check "$peer: it is served" serves boot || return
	check "$peer: SeaBIOS boots from it" from_firmware || return
	check "$peer: what runs is Debian's newest kernel" runs_newest
	check "$peer: it powers off" guest_off
	check "$peer: the disk ends cleanly" serve_end
	check "$peer: and had nothing to complain about" content
}

vhost_peers "${parts[@]}"
