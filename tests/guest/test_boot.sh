#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_boot.sh MEDIO BED [PART…]: machines that start from medio's devices alone. The firmware's own drivers are the
# first that use them: SeaBIOS reads a boot loader from a virtio disk, iPXE loads a kernel through a virtio
# network card. Then Debian's newest kernel takes over. MEDIO is the program; BED is what
# script/guest-bed printed; a PART is disk or net, both if none is said.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/boot_disk.sh"

medio=$1 bed=$2
shift 2
boot_disk_needs "$bed"
guest_prepare "$bed"
guest_timeout=${MEDIO_GUEST_TIMEOUT:-240} # firmware takes its time
served=()

# serve NAME ARG…: a device in the background, its socket ready when this returns.
serve() {
	local name=$1 tries=0

	shift
	"$medio" serve "$@" --socket "$work/$name.sock" >"$work/$name.out" 2>"$work/$name.err" &
	served+=($!)
	until [ -S "$work/$name.sock" ]; do
		kill -0 $! 2>/dev/null && [ "$tries" -lt 2400 ] || return 1
		tries=$((tries + 1))
		sleep 0.1
	done
}

# With SIGTERM: what runs in the background of a script ignores SIGINT.
serve_end() {
	local pid status=0

	for pid in "${served[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" || status=$?
	done
	served=()
	return "$status"
}

device() {
	printf '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"%s"}%s}' "$work/$1.sock" "${2:-}"
}

# machine OPTION…: no kernel given, so that the firmware has to find one.
machine() {
	guest_boot "$qemu" -machine q35,memory-backend=mem -accel tcg -cpu qemu64 -m 256M -nodefaults \
		-no-user-config -display none -monitor none -serial stdio "${guest_ram[@]}" "$@"
}

runs_newest() {
	guest 'uname -r' && [ "${answer%$'\n'}" = "$(boot_kernel "$bed")" ]
}

said_nothing() {
	guest 'dmesg | grep -iE "virtio|vda|I/O error|blk_update|Call Trace|BUG|WARNING"' || true
	lacks 'I/O error|Call Trace|BUG|WARNING|timed out|reset'
}

clean() {
	answer=$(cat "$work"/*.err)
	lacks 'needs a reset|NEEDS_RESET|error|refused|runtime'
}

# ---- From a disk -----------------------------------------------------------------------------------------------

writes_a_file() {
	guest 'dd if=/dev/urandom of=/root/file bs=1M count=8 2>/dev/null && sync && sha256sum </root/file >/root/sum && sync; cat /root/sum'
}

finds_the_file() {
	guest 'sha256sum </root/file | cmp - /root/sum'
}

disk_is_sound() {
	serve_end
	PATH=$PATH:/usr/sbin:/sbin e2fsck -fn "$work/disk.root" >"$work/fsck.err" 2>&1
}

part_disk() {
	check "disks with Debian are made" boot_disk "$bed" "$work/disk" || return
	check "one is served to start from" serve boot virtio-blk "file=$work/disk.boot" || return
	check "and one with the rest" serve root virtio-blk "file=$work/disk.root" || return
	check "SeaBIOS boots from the first" machine -device "$(device boot)" -device "$(device root)" || return
	check "what runs is Debian's newest kernel" runs_newest
	check "its root is a Debian of the disk" guest 'cat /etc/debian_version && dpkg -s libc6 | grep installed && grep " / ext4" /proc/mounts'
	check "a file is written" writes_a_file
	check "the kernel has nothing to complain of" said_nothing
	check "it powers off" guest_off
	check "medio has nothing to complain of" clean
	check "and boots again" machine -device "$(device boot)" -device "$(device root)" || return
	check "the file is there" finds_the_file
	check "it powers off again" guest_off
	check "the file system is sound" disk_is_sound
}

# ---- From the network ------------------------------------------------------------------------------------------

# iPXE's image for virtio cards, as QEMU has it for its own.
net_rom() {
	find "$bed/root/usr" -name pxe-virtio.rom -print -quit
}

net_files() {
	mkdir "$work/tftp" && cp "$bed/vmlinuz-new" "$work/tftp/vmlinuz" && gzip -1 <"$work/initrd" >"$work/tftp/initrd" &&
		printf '%s\n' '#!ipxe' \
			'kernel vmlinuz initrd=initrd console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check random.trust_cpu=on' \
			'initrd initrd' boot >"$work/tftp/boot.ipxe"
}

part_net() {
	[ -r "$(net_rom)" ] || guest_skip "the guest bed has no pxe-virtio.rom"
	check "files to load are there" net_files || return
	check "a network card is served" serve net virtio-net "tftp=$work/tftp" bootfile=boot.ipxe || return
	check "iPXE boots through it" machine -device "$(device net ",\"romfile\":\"$(net_rom)\"")" || return
	check "what runs is Debian's newest kernel" runs_newest
	check "it powers off" guest_off
	check "medio has nothing to complain of" clean
	check "medio ends cleanly" serve_end
}

[ $# -gt 0 ] || set -- disk net
for part; do
	"part_$part"
	guest_drop
	serve_end
done
check_finish
