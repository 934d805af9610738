#!/bin/bash
# shellcheck disable=SC2016,SC2154,SC2317,SC2329 # the dollars are the guests'; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_vdpa_nested.sh MEDIO BED: a machine inside a guest, whose disk is medio's: medio serves the guest's kernel by VDUSE,
# vhost_vdpa hands the device on, and a QEMU in the guest gives it to its own guest as vhost-vdpa-device-pci. The stock driver in
# there makes a file system, and what it wrote is in medio's image. MEDIO is the program; BED is what script/guest-bed
# printed. Neither machine has KVM: it takes minutes, and runs with MEDIO_TEST_FULL=1 only.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/vduse.sh"

medio=$1 bed=$2
PATH=$PATH:/usr/sbin:/sbin
disk_mib=32
inner_mib=160
patience=20 # minutes, for what the inner machine does next

[ -n "${MEDIO_TEST_FULL:-}" ] ||
	guest_skip "a machine inside a guest, both without KVM, takes minutes: MEDIO_TEST_FULL=1 runs it"
for tool in mke2fs e2fsck vdpa; do
	command -v "$tool" >/dev/null || guest_skip "the test needs $tool: script/bootstrap installs it"
done

fill() {
	local tool

	for tool in "$medio" "$(command -v vdpa)" "$(command -v e2fsck)"; do
		add_program "$1" "$tool" || return
	done
	add_modules "$1" "$bed" crc16 crc32c_generic mbcache jbd2 ext4 virtio_blk loop vhost_iotlb vdpa vduse irqbypass vhost vhost_vdpa
}

# ---- What is carried into the guest, on a disk: it has no room for it in its memory ------------------------------------

# add_qemu FOLDER: the bed's, with its libraries and as much of its firmware as a kernel that is given needs.
add_qemu() {
	local libs=$bed/root/usr/lib/x86_64-linux-gnu lib

	mkdir -p "$1"/qemu/{lib,share}
	cp "$bed/root/usr/bin/qemu-system-x86_64" "$1/qemu/"
	cp -L "$libs/ld-linux-x86-64.so.2" "$1/qemu/"
	"$libs/ld-linux-x86-64.so.2" --library-path "$libs" --list "$1/qemu/qemu-system-x86_64" |
		sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' |
		while read -r lib; do
			cp -nL "$lib" "$1/qemu/lib/"
		done
	cp "$bed"/root/usr/share/qemu/{kvmvapic.bin,linuxboot_dma.bin,pvh.bin} "$bed/root/usr/share/seabios/bios-256k.bin" "$1/qemu/share/"
}

# The inner machine's first process. Nobody talks to it: it does its work, and says how far it has come.
inner_init() {
	cat <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox mkdir -p /bin /sbin /proc /sys /dev /mnt
		/bin/busybox --install -s /bin
		mount -t proc proc /proc
		mount -t sysfs sys /sys
		mount -t devtmpfs dev /dev
		exec </dev/ttyS0 >/dev/ttyS0 2>&1
		stty -onlcr
		dmesg -n 1
		say() { echo "@inner $*"; }
		step() { local what=$1; shift; "$@" && say "$what" || { say "failed: $what"; dmesg | tail -n 20; poweroff -f; }; }
		sum() { md5sum | cut -d" " -f1; }
		load() { local m; for m in crc16 crc32c_generic mbcache jbd2 ext4 virtio_blk; do insmod "/modules/$m.ko" || return 1; done; }
		found() { local n=0; until [ -b /dev/vda ]; do n=$((n + 1)); [ $n -lt 600 ] || return 1; sleep 0.1; done; }
		made() { mke2fs -F /dev/vda >/dev/null && mount -t ext4 /dev/vda /mnt; }
		written() { dd if=/dev/urandom of=/mnt/file bs=64k count=64 2>/dev/null && sync; }
		again() { umount /mnt && mount -t ext4 /dev/vda /mnt && [ "$(sum </mnt/file)" = "$before" ]; }
		copied() { cp /mnt/file /mnt/copy && sync && echo 3 >/proc/sys/vm/drop_caches && cmp /mnt/file /mnt/copy; }
		say "up with $(uname -r)"
		step loaded load
		step found found
		say "disk $(cat /sys/block/vda/size) $(readlink -f /sys/block/vda)"
		say "features $(cat /sys/block/vda/device/features)"
		step "has a file system" made
		step "wrote a file" written
		before=$(sum </mnt/file)
		step "read it again" again
		step "copied it" copied
		step "has let go of it" umount /mnt
		say "complaints $(dmesg | grep -cE "I/O error|vda.*error|Call Trace|BUG:|blocked for")"
		say "sum $before"
		say end
		poweroff -f
	INIT
}

inner_initrd() {
	local tree=$work/inner

	mkdir -p "$tree"/{bin,dev,proc,sys}
	cp -L "$bed/root/usr/bin/busybox" "$tree/bin/busybox"
	add_modules "$tree" "$bed" crc16 crc32c_generic mbcache jbd2 ext4 virtio_blk || return
	inner_init >"$tree/init"
	chmod 755 "$tree/init"
	(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$1"
}

# A processor two layers down is too slow to be measured: it is told how fast it is (lpj). By a clock on the wall it would do
# nothing but answer its timer, on a busy machine: its clock counts instructions.
inner_machine() {
	cat <<-MACHINE
		#!/bin/sh
		exec /carried/qemu/ld-linux-x86-64.so.2 --library-path /carried/qemu/lib /carried/qemu/qemu-system-x86_64 \\
			-L /carried/qemu/share -M q35,memory-backend=mem -m ${inner_mib}M -accel tcg -cpu qemu64 -icount shift=4 \\
			-object memory-backend-memfd,id=mem,size=${inner_mib}M,share=on \\
			-nodefaults -no-user-config -display none -monitor none -serial stdio -no-reboot \\
			-kernel /carried/vmlinux -initrd /carried/initrd \\
			-append "console=ttyS0 panic=-1 no_timer_check random.trust_cpu=on cryptomgr.notests mitigations=off nokaslr lpj=1000000 ima=off" \\
			-device vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0,disable-legacy=on,iommu_platform=on
	MACHINE
}

carried() {
	local tree=$work/carried

	mkdir "$tree"
	add_qemu "$tree" && inner_initrd "$tree/initrd" || return
	cp "$guest_kernel" "$tree/vmlinux"
	inner_machine >"$tree/machine"
	chmod 755 "$tree/machine"
	mke2fs -q -t ext4 -d "$tree" "$work/carried.img" 300M >&2 || return
	rm -rf "$tree"
}

guest_prepare "$bed" fill
carried || exit 1

# ---- Checks --------------------------------------------------------------------------------------------------------

boots() {
	guest_boot "$qemu" "${guest_args[@]}" -m 768M -object memory-backend-ram,id=mem,size=768M \
		-drive "file=$work/carried.img,if=none,id=carried,format=raw,readonly=on" -device virtio-blk-pci,drive=carried
}

has_what_is_carried() {
	guest 'load crc16 crc32c_generic mbcache jbd2 ext4 virtio_blk loop && mkdir /carried && mount -t ext4 -o ro,noload /dev/vda /carried && ls -1 /carried' &&
		holds '^machine$'
}

is_handed_on() {
	guest "load vhost_iotlb vdpa vduse irqbypass vhost vhost_vdpa && truncate -s ${disk_mib}M /tmp/disk0" || return
	guest 'serve 0 virtio-blk file=/tmp/disk0 --attach; s=$?; await [ -c /dev/vhost-vdpa-0 ]; cat /tmp/d0.log; ls /dev/vhost-vdpa-0; (exit $s)' &&
		holds '^/dev/vhost-vdpa-0$'
}

starts() {
	guest '/carried/machine </dev/null >/tmp/inner 2>/tmp/inner.err & inner=$!; sleep 5; kill -0 $inner'
}

# says WORDS: the inner machine comes as far. Asked anew each half minute, so that no answer is long in coming.
says() {
	local end=$((SECONDS + 60 * patience))

	while [ "$SECONDS" -lt "$end" ]; do
		guest_lines "n=0; until grep -qE '^@inner ($1|failed)' /tmp/inner || [ \$n = 30 ] || ! kill -0 \$inner 2>/dev/null; do sleep 1; n=\$((n + 1)); done;
			grep -a ^@inner /tmp/inner; [ \$n = 30 ] && tail -n 1 /tmp/inner && echo waits"
		! holds "^@inner $1" || return 0
		if lacks '^waits$' || holds '^@inner failed'; then
			break
		fi
	done
	guest 'tail -n 30 /tmp/inner /tmp/inner.err /tmp/d0.log; dmesg | tail -n 5'
	return 1
}

is_a_pci_disk() {
	says "features" && holds "^@inner disk $((disk_mib * 2048)) .*/pci0000:00/.*/virtio[0-9]+/" || return
	[[ $answer =~ features\ ([01]+) ]] || return
	# VERSION_1 and ACCESS_PLATFORM (6).
	[ "${BASH_REMATCH[1]:32:2}" = 11 ]
}

complained_of_nothing() {
	says end && holds '^@inner complaints 0$'
}

# QEMU lets go of the device; medio has nothing to say but that it served.
ends() {
	guest 'await ! kill -0 $inner; ! kill -0 $inner 2>/dev/null && cat /tmp/inner.err' &&
		lacks "start failed|not supported|Permission denied" || return
	guest 'kill -0 $pid0 && vdpa dev del d0; kill $pid0; wait $pid0; s=$?; cat /tmp/d0.log; (exit $s)' &&
		lacks 'needs a reset|error|not (possible|allowed)'
}

is_in_the_image() {
	guest_lines 'e2fsck -fn /tmp/disk0 2>&1 && mount -t ext4 -o ro,loop /tmp/disk0 /mnt && cat /mnt/file | md5sum | sed "s/ .*//;s/^/@inner sum /" >/tmp/sum &&
		cat /tmp/sum && [ $(wc -c </mnt/file) = 4194304 ] && grep -qxFf /tmp/sum /tmp/inner && cmp /mnt/file /mnt/copy; s=$?; umount /mnt; (exit $s)'
}

check "a guest boots, with a QEMU on its disk" boots &&
	check "its shell learns" vduse_teach &&
	check "what it was given is there" has_what_is_carried &&
	check "medio's disk is one of vhost_vdpa's" is_handed_on &&
	check "a machine starts that has it as vhost-vdpa-device-pci" starts &&
	check "its kernel comes up" says up &&
	check "it finds a disk of the right size, on PCI, with the features of a device by the standard" is_a_pci_disk && {
	check "it makes a file system there" says "has a file system"
	check "a file of 4 MiB is written, read again and copied" says "copied it"
	check "and nothing complains" complained_of_nothing
	check "the machine ends, the device is taken off the bus, and medio ends" ends
	check "what was written is in the image, sound" is_in_the_image
}
guest_off
check_finish
