# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# SPDX-License-Identifier: BSD-3-Clause
# What every kind of disk must do in a guest, to be sourced after guest.sh and host_program.sh. A disk is NAME by its serial
# number, the file $work/NAME is what is on it, $size is how many MiB are copied. The test's guest_words say how the guest
# finds a disk: `disk NAME`, the kernel's name for it.
#
#   disk_tools FOLDER           what of this machine's the guest needs; disk_tools_there skips the test without it
#   disk_words                  for guest_words
#   disk_images MIB NAME…       empty
#   copies NAME                 ext4, a file and its copy, found again, sound
#   sound NAME                  e2fsck, from outside
#   allocated NAME              KiB that the file takes
#   gives_back NAME, zeroes NAME   what is discarded takes no place, and what is zeroed is
#   is_frozen NAME              read, not written
#   uses_past_40 NAME           what has grown can be used
disk_programs=(mkfs.ext4 e2fsck blkdiscard)
disk_modules=(crc16 crc32c_generic mbcache jbd2 ext4)
disk_words='sum() { md5sum | cut -d" " -f1; }; forget() { sync; echo 3 >/proc/sys/vm/drop_caches; }; mkdir -p /mnt'
PATH=$PATH:/usr/sbin:/sbin

# disk_tools_there [TOOL…]: and these.
# shellcheck disable=SC2120
disk_tools_there() {
	local tool

	for tool in "${disk_programs[@]}" "$@"; do
		command -v "$tool" >/dev/null ||
			guest_skip "the test needs $tool: script/bootstrap installs e2fsprogs; blkdiscard is of util-linux"
	done
}

disk_tools() {
	local tool

	for tool in "${disk_programs[@]}"; do
		add_program "$1" "$(command -v "$tool")" || return
	done
}

disk_images() {
	local mib=$1 name

	shift
	for name; do
		rm -f "$work/$name"
		truncate -s "${mib}M" "$work/$name"
	done
}

copies() {
	guest 'd=/dev/$(disk '"$1"') && mkfs.ext4 -q -F $d && mount -t ext4 $d /mnt &&' \
		'dd if=/dev/urandom bs=64k count='"$((size * 16))"' 2>/dev/null | tee /mnt/file | sum >/tmp/before &&' \
		'cp /mnt/file /mnt/copy && umount /mnt && forget && mount -t ext4 $d /mnt &&' \
		'sum </mnt/file >/tmp/after && sum </mnt/copy >>/tmp/after && umount /mnt; cat /tmp/before /tmp/after' || return
	guest 'cat /tmp/before /tmp/before | cmp - /tmp/after && e2fsck -fn /dev/$(disk '"$1"') 2>&1'
}

sound() {
	answer=$(e2fsck -fn "$work/$1" 2>&1)
}

allocated() {
	du -k "$work/$1" | cut -f1
}

gives_back() {
	local before after

	guest 'd=/dev/$(disk '"$1"') && dd if=/dev/urandom of=$d bs=1M count=16 conv=fsync 2>/dev/null' || return
	before=$(allocated "$1")
	guest 'blkdiscard /dev/$(disk '"$1"')' || return
	after=$(allocated "$1")
	answer="$before KiB before, $after KiB after"
	[ "$before" -ge 16384 ] && [ "$after" -le 1024 ]
}

zeroes() {
	guest 'd=/dev/$(disk '"$1"') && dd if=/dev/urandom of=$d bs=1M count=2 conv=fsync 2>/dev/null && /usr/bin/blkdiscard -z -o 0 -l 1048576 $d && forget && dd if=$d bs=1M count=1 2>/dev/null | tr -d "\\0" | wc -c && dd if=$d bs=1M skip=1 count=1 2>/dev/null | tr -d "\\0" | wc -c' &&
		[ "$(head -n 1 <<<"$answer")" = 0 ] && [ "$(sed -n 2p <<<"$answer")" -gt 1000000 ]
}

is_frozen() {
	guest 'd=$(disk '"$1"') && cat /sys/block/$d/ro && ! dd if=/dev/zero of=/dev/$d bs=4k count=1 conv=fsync 2>/dev/null && dd if=/dev/$d bs=1M count=4 2>/dev/null | sum' &&
		[ "$answer" = "1"$'\n'"$(head -c 4194304 "$work/$1" | md5sum | cut -d' ' -f1)"$'\n' ]
}

uses_past_40() {
	guest 'd=/dev/$(disk '"$1"') && dd if=/dev/urandom of=$d bs=1M seek=40 count=4 conv=fsync 2>/dev/null && forget && dd if=$d bs=1M skip=40 count=4 2>/dev/null | sum' &&
		[ "$(dd if="$work/$1" bs=1M skip=40 count=4 2>/dev/null | md5sum | cut -d' ' -f1)" = "${answer%$'\n'}" ]
}
