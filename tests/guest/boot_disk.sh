# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-3-Clause
# Two disks that a machine boots from by its firmware, with nothing given beside them, to be sourced after guest.sh:
#
#   boot_disk_needs BED      skips the test if this machine cannot make them
#   boot_disk BED OUT        OUT.boot: a boot loader with Debian's newest kernel of the bed; OUT.root: a small
#                            Debian, whose init speaks guest.sh's protocol on ttyS0. Raw images
#   boot_kernel BED          the kernel's version
#
# The first is one file system without partitions. A partition's boot sector is loaded where the disk's has just run, and
# QEMU without KVM goes on running what it has translated: it does not see code that another process writes.
boot_fat_mib=48
boot_root_mib=320

boot_disk_needs() {
	local tool

	for tool in syslinux mformat mcopy mke2fs; do
		PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null ||
			guest_skip "making a disk to boot from needs $tool: script/bootstrap installs it"
	done
	[ -r "$1/vmlinuz-new" ] || guest_skip "the guest bed has no newest kernel (vmlinuz-new)"
}

boot_kernel() {
	basename "$1"/modules-new/lib/modules/*
}

# boot_modules BED TREE NAME…: modules with what they depend on, and a list in the order of loading.
boot_modules() {
	local from name file
	local -a order

	from=$(echo "$1"/modules-new/lib/modules/*)
	mkdir -p "$2/modules"
	mapfile -t order < <(boot_order "$from" "${@:3}")
	for file in "${order[@]}"; do
		name=$(basename "${file%.xz}")
		case $file in
		*.xz) xz -dc "$from/$file" >"$2/modules/$name" ;;
		*) cp "$from/$file" "$2/modules/" ;;
		esac
		echo "$name"
	done >"$2/modules/order"
}

# By modules.dep where the package has it; else what a module itself says.
boot_order() {
	local from=$1 name

	shift
	for name; do
		boot_order_one "$from" "$name"
	done | awk '!seen[$0]++'
}

boot_order_one() {
	local file text dep

	file=$(cd "$1" && find . \( -name "$2.ko*" -o -name "${2//_/-}.ko*" \) -printf '%P\n' -quit)
	[ -n "$file" ] || return 0 # built in
	case $file in
	*.xz) text=$(xz -dc "$1/$file" | tr '\0' '\n' | grep -a -m 1 '^depends=') ;;
	*) text=$(tr '\0' '\n' <"$1/$file" | grep -a -m 1 '^depends=') ;;
	esac
	text=${text#depends=}
	for dep in ${text//,/ }; do
		boot_order_one "$1" "$dep"
	done
	echo "$file"
}

# What the kernel starts: it finds the disk, and gives way to the Debian on it.
boot_initrd() {
	local tree=$work/boot-initrd

	mkdir -p "$tree"/{bin,dev,proc,sys,mnt}
	cp -L "$1/root/usr/bin/busybox" "$tree/bin/busybox"
	boot_modules "$1" "$tree" virtio_pci virtio_blk ext4
	cat >"$tree/init" <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		mount -t proc proc /proc
		mount -t sysfs sys /sys
		mount -t devtmpfs dev /dev
		while read -r m; do insmod /modules/$m; done </modules/order
		n=0
		until [ -b /dev/vdb ] || [ $n = 100 ]; do sleep 0.1; n=$((n + 1)); done
		mount -t ext4 /dev/vdb /mnt || exec sh
		mount --move /dev /mnt/dev; mount --move /proc /mnt/proc; mount --move /sys /mnt/sys
		exec switch_root /mnt /sbin/init
	INIT
	chmod 755 "$tree/init"
	(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$2"
}

# A small Debian: the bed's without QEMU. Its init runs what it is sent, as tests/guest/init does.
boot_root() {
	local tree=$work/boot-root

	mkdir "$tree"
	tar -C "$1/root" -cf - --exclude=./usr/share/qemu --exclude=./usr/share/seabios --exclude='./usr/bin/qemu*' \
		--exclude=./usr/lib/x86_64-linux-gnu/qemu --exclude=./usr/lib/ipxe --exclude='./usr/lib/python*' \
		--exclude='./usr/lib/x86_64-linux-gnu/lib*LLVM*' --exclude=./var/cache --exclude=./var/lib/apt \
		--exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' . | tar -C "$tree" -xf -
	rm -f "$tree/sbin/init" "$tree/usr/sbin/init"
	cat >"$tree/usr/sbin/init" <<-'INIT'
		#!/bin/bash
		exec </dev/ttyS0 >/dev/ttyS0 2>&1
		stty -echo -onlcr
		dmesg -n 1
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
		mount -o remount,rw /
		poweroff() { sync; echo o >/proc/sysrq-trigger; sleep 20; }
		reboot() { sync; echo b >/proc/sysrq-trigger; sleep 20; }
		echo @ready
		while read -r line; do
			eval "$line"
			echo "@done $?"
		done
	INIT
	chmod 755 "$tree/usr/sbin/init"
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -d "$tree" "$2" "${boot_root_mib}M" >&2 || return
	rm -rf "$tree"
}

boot_fat() {
	printf '%s\n' 'SERIAL 0 115200' 'DEFAULT linux' 'PROMPT 0' 'LABEL linux' ' LINUX vmlinuz' ' INITRD initrd' \
		" APPEND console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check random.trust_cpu=on" >"$work/syslinux.cfg"
	truncate -s "${boot_fat_mib}M" "$2" || return
	mformat -i "$2" -T $((boot_fat_mib * 2048)) -h 64 -s 32 :: || return
	mcopy -i "$2" "$1/vmlinuz-new" ::vmlinuz || return
	mcopy -i "$2" "$work/boot-initrd.gz" ::initrd || return
	mcopy -i "$2" "$work/syslinux.cfg" ::syslinux.cfg || return
	syslinux --install "$2"
}

boot_disk() {
	boot_initrd "$1" "$work/boot-initrd.gz" && boot_fat "$1" "$2.boot" && boot_root "$1" "$2.root"
}
