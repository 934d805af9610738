#!/bin/bash
# shellcheck disable=SC2016,SC2154,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_vduse.sh MEDIO BED: medio inside a guest, serving that guest's own stock kernel by VDUSE: disks that are mounted there,
# written to and looked at while medio is killed and started again, grow, and are taken off the bus in use; and a network
# interface. MEDIO is the program; BED is what script/guest-bed printed.
# MEDIO_TEST_FULL=1 kills it twenty times.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/vduse.sh"

medio=$1 bed=$2
PATH=$PATH:/usr/sbin:/sbin
kills=${MEDIO_TEST_FULL:+20}
kills=${kills:-4}
for tool in mkfs.ext4 vdpa; do
	command -v "$tool" >/dev/null || guest_skip "the test needs $tool: script/bootstrap installs it"
done

fill() {
	local tool

	for tool in "$medio" "$(command -v mkfs.ext4)" "$(command -v vdpa)"; do
		add_program "$1" "$tool" || return
	done
	add_modules "$1" "$bed" crc16 crc32c_generic mbcache jbd2 ext4 virtio_blk vhost_iotlb vdpa vduse virtio_vdpa failover \
		net_failover virtio_net
}

guest_prepare "$bed" fill

teach() {
	vduse_teach && guest 'disk0="virtio-blk file=/tmp/disk0 rescan=200ms"; disk1="virtio-blk file=/tmp/disk1 packed=off"' &&
		guest 'truncate -s 32M /tmp/disk0 /tmp/disk1'
}

says_what_is_missing() {
	! guest 'medio serve virtio-blk file=/tmp/disk0 --as vduse=d0' && holds 'no /dev/vduse/control' && holds 'VDUSE|vduse' || return
	guest 'load vhost_iotlb vdpa vduse crc16 crc32c_generic mbcache jbd2 ext4 virtio_blk' || return
	! guest 'medio serve virtio-rng --as vduse=d0' && holds 'virtio-blk|vfio-user'
}

has_no_driver() {
	guest 'serve 0 $disk0 --attach; cat /tmp/d0.log; ls -1 /dev/vduse' && holds 'modprobe virtio_vdpa' && holds '^d0$'
}

appears() {
	guest 'load virtio_vdpa && await [ -b /dev/vda ] && cat /sys/block/vda/size' && holds '^65536$' || return
	guest 'serve 1 $disk1 --attach && await [ -b /dev/vdb ] && cat /sys/block/vdb/device/features' || return
	# RING_PACKED: not this one.
	[ "${answer:34:1}" = 0 ] && guest 'cat /sys/block/vda/device/features' && [ "${answer:34:1}" = 1 ]
}

keeps_files() {
	guest_lines 'mkfs.ext4 -q /dev/vda && mount -t ext4 /dev/vda /mnt && dd if=/dev/urandom of=/mnt/file bs=1M count=4 2>&1 &&
		sum=$(md5sum </mnt/file) && umount /mnt && mount -t ext4 /dev/vda /mnt && [ "$sum" = "$(md5sum </mnt/file)" ]'
}

# Copies that are compared on one disk, numbers on the other; nothing may fail.
goes_on_after_kills() {
	guest_lines '(while [ ! -e /tmp/stop ]; do cp /mnt/file /mnt/copy && sync && echo 3 >/proc/sys/vm/drop_caches &&
		cmp /mnt/file /mnt/copy && echo same; done >/tmp/copies 2>&1; echo end >>/tmp/copies) &' || return
	guest 'cd /tmp; numbered /dev/vdb 1 8 >/tmp/numbers 2>&1 & numbers=$!; cd /; await [ -s /tmp/numbered ]' || return
	guest "for i in \$(seq $kills); do sleep 0.5; killed 0 \$disk0 && killed 1 \$disk1 || break; done; cat /tmp/d?.log; touch /tmp/stop" || return
	guest 'await grep -q end /tmp/copies; kill $numbers; await grep -q @numbered /tmp/numbers; cat /tmp/copies /tmp/numbers' || return
	holds '^same$' && lacks 'error|differ|EOF' && holds '^@numbered [1-9][0-9]* written, [0-9]+ looked at, 0 wrong' || return
	guest 'dmesg' && lacks 'I/O error|vd[ab].*error'
}

grows() {
	guest_lines 'truncate -s 40M /tmp/disk0 && await "[ \$(cat /sys/block/vda/size) = 81920 ]" && dd if=/dev/urandom of=/dev/vda bs=1M seek=39 count=1 conv=notrunc 2>&1 && sync &&
		dd if=/dev/vda bs=1M skip=39 2>/dev/null | md5sum >/tmp/a; dd if=/tmp/disk0 bs=1M skip=39 2>/dev/null | md5sum >/tmp/b; cmp /tmp/a /tmp/b'
}

# Its reader is told; medio lives on, and the device comes back.
is_taken_off_in_use() {
	guest_lines 'umount /mnt; (while dd if=/dev/vda of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done; echo end >/tmp/reader) & sleep 0.5;
		vdpa dev del d0 && await [ -e /tmp/reader ] && [ ! -e /dev/vda ] && kill -0 $pid0 && cat /tmp/d0.log' || return
	guest 'vdpa dev add name d0 mgmtdev vduse && await [ -b /dev/vda ] && mount -t ext4 /dev/vda /mnt && [ "$sum" = "$(md5sum </mnt/file)" ]; s=$?; umount /mnt; (exit $s)'
}

# One that ends, not by force, while its device is on the bus, leaves it for the next.
is_left_for_the_next() {
	guest 'kill $pid0; await ! kill -0 $pid0; ls -1 /dev/vduse; vdpa dev show; serve 0 $disk0; cat /tmp/d0.log; mount -t ext4 /dev/vda /mnt && [ "$sum" = "$(md5sum </mnt/file)" ]; s=$?; umount /mnt; (exit $s)'
}

refuses_another_kind() {
	guest 'kill -9 $pid0; await ! kill -0 $pid0' || return
	! guest 'medio serve virtio-blk file=/tmp/disk0 packed=off --as vduse=d0' && holds 'RING_PACKED' || return
	! guest 'medio serve virtio-net null=on --as vduse=d0' && holds 'another kind' || return
	guest 'serve 0 $disk0; cat /tmp/d0.log; dd if=/dev/vda of=/dev/null bs=1M count=4 2>&1'
}

leaves_nothing() {
	guest 'vdpa dev del d0; vdpa dev del d1; kill $pid0 $pid1; await "! kill -0 $pid0 && ! kill -0 $pid1"; ls -1 /dev/vduse /run/medio/vduse; cat /tmp/d?.log' && lacks '^d[01]$'
}

is_a_network() {
	guest 'load failover net_failover virtio_net && serve 2 virtio-net user --attach && await [ -e /sys/class/net/eth0 ] && ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up && ping -c 3 -W 60 10.0.2.2' ||
		{ guest 'cat /tmp/d2.log; ip link; dmesg | tail -n 3'; return 1; }
	guest 'killed 2 virtio-net user && ping -c 2 -W 60 10.0.2.2 && vdpa dev del d2; kill $pid2'
}

check "the guest boots" guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" &&
	check "its shell learns" teach && {
	check "what is missing is said" says_what_is_missing
	check "a device on the bus without a driver is said to be one" has_no_driver
	check "the kernel has a disk of medio's, with packed rings or split ones" appears
	check "files are there again" keeps_files
	check "medio is killed under load, and nothing is lost, done twice or told as an error" goes_on_after_kills
	check "a disk grows" grows
	check "a disk is taken off the bus in use, and comes back" is_taken_off_in_use
	check "a disk that is left on the bus goes on with the next" is_left_for_the_next
	check "another kind or other features are refused" refuses_another_kind
	check "nothing is left at the end" leaves_nothing
	check "the kernel has a network interface of medio's, also after a kill" is_a_network
}
guest_off
echo "# $(grep -h @numbered "$work/console" | tail -n 1)"
check_finish
