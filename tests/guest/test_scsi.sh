#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_scsi.sh MEDIO BED [PART…]: medio's SCSI disks under the stock kernel's own drivers, several cards in one guest.
# Files are copied and found again over each kind of ring and interrupt; disks grow, give space back, come and go;
# sg3-utils, where the machine has them, ask about everything. MEDIO is the program; BED is what script/guest-bed printed;
# a PART is msix, intx or firmware, all if none is said. MEDIO_TEST_FULL=1 copies 200 MiB a disk.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/disks.sh"
. "$here/boot_disk.sh"

medio=$1 bed=$2
mediod=$(dirname "$medio")/mediod
size=${MEDIO_TEST_FULL:+200}
size=${size:-4} # MiB
[ "$size" -lt 200 ] || guest_timeout=900
space=$((size * 2 + size / 2 + 24)) # MiB of a disk
modules=(scsi_common scsi_mod sd_mod sg virtio_scsi "${disk_modules[@]}")
sg=(sg_inq sg_vpd sg_luns sg_modes sg_opcodes sg_turs sg_readcap sg_reset sg_sync sg_requests sg_verify sg_start sg_unmap sg_write_same)
command -v "${sg[@]}" >/dev/null || sg=()
guest_words='serial() { tail -c +5 /sys/block/$1/device/vpd_pg80; };
	disk() { for d in /sys/block/sd*; do [ "$(serial ${d##*/})" != $1 ] || { echo ${d##*/}; return 0; }; done 2>/dev/null; return 1; };
	until_disk() { n=0; until disk $1 >/dev/null; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; };
	until_size() { n=0; until [ $(cat /sys/block/$(disk $1)/size) -eq $2 ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; };
	until_gone() { n=0; while disk $1 >/dev/null; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; };'$disk_words
guest_words=${guest_words//$'\n'/ }
disk_tools_there

fill() {
	local tool

	disk_tools "$1" || return
	for tool in "${sg[@]}"; do
		add_program "$1" "$(command -v "$tool")" || return
	done
	add_modules "$1" "$bed" "${modules[@]}"
}

boot_disk_needs "$bed"
guest_prepare "$bed" fill
. "$here/serve.sh"
mediod_pid=
export MEDIO_RUNTIME_DIR=$work/run

# ---- Cards ------------------------------------------------------------------------------------------------

# manage ARG…: a card that mediod has in a worker. $socket, $uuid
manage() {
	mkdir -p "$work/run" "$work/definitions"
	"$mediod" --runtime-dir "$work/run" --definitions "$work/definitions" >"$work/mediod.out" 2>"$work/mediod.err" &
	mediod_pid=$!
	socket_is_there "$work/run/control" "$mediod_pid" || return
	uuid=$("$medio" start virtio-scsi "$@") && socket=$work/run/$uuid/vfio-user.sock
}

# serves NAME: the card by this name. A disk's serial number is its file's name.
serves() {
	case $1 in
	packed) serve packed virtio-scsi "lun0=file:$work/packed0,serial=packed0" "lun1=file:$work/packed1,direct=on,serial=packed1" ;;
	split) serve split virtio-scsi packed=off num-queues=1 rescan=200ms "lun0=file:$work/split0,serial=split0" \
		"lun5=file:$work/grows,serial=grows" "lun15=file:$work/frozen,serial=frozen,readonly" ;;
	bare) serve bare virtio-scsi packed=off indirect=off event-idx=off poll=adaptive "lun0=file:$work/bare0,serial=bare0" "lun1=mem:${space}M,serial=bare1" ;;
	managed) manage "lun0=file:$work/managed0,serial=managed0" ;;
	esac
}

# As the others.
manage_end() {
	local status=0

	[ -n "$mediod_pid" ] || return 0
	"$medio" stop "$uuid" || status=$?
	kill "$mediod_pid"
	wait "$mediod_pid" || status=$?
	mediod_pid=
	return "$status"
}

cards_end() {
	serve_end && manage_end
}

make_images() {
	disk_images "$space" "$@"
}

# ---- Disks ------------------------------------------------------------------------------------------------

# finds NAME…: of the serial numbers that the guest reads, each is there, once.
finds() {
	guest 'for s in '"$*"'; do until_disk $s || break; done; for d in /sys/block/sd*; do serial ${d##*/}; echo; done' &&
		[ "$(printf '%s' "$answer" | LC_ALL=C sort)" = "$(printf '%s\n' "$@" | LC_ALL=C sort)" ]
}

# at ADDRESS NAME: the LUN that a disk has.
at() {
	guest 'basename $(readlink -f /sys/block/$(disk '"$2"')/device)' && [[ ${answer%$'\n'} == *:0:0:"$1" ]]
}

is_ours() {
	guest 'cd /sys/block/$(disk '"$1"')/device && cat vendor model rev type' &&
		[ "$(tr -d ' ' <<<"${answer%$'\n'}")" = $'MEDIO\nVIRTUALDISK\n1.0\n0' ]
}

# interrupts PATTERN NAME: those of its card are of that kind, and came.
interrupts() {
	guest 'd=$(readlink -f /sys/block/$(disk '"$2"')) && d=${d%%/host*} && d=${d##*/}; grep -w $d /proc/interrupts || grep "$d-" /proc/interrupts' && holds "$1" &&
		guest 'grep $d /proc/interrupts | grep -vE "config|control|event" | awk "{ for (i = 2; i <= 3; i++) n += \$i } END { print n; exit n < 50 }"'
}

# ring NAME FEATURES: bits 28, 29 and 34 of its card. The kernel prints bit 0 first.
ring() {
	guest 'd=$(readlink -f /sys/block/$(disk '"$1"')) && cat ${d%%/host*}/features' && [ "${answer:28:2}${answer:34:1}" = "$2" ]
}

# Nothing that virtio, the disks or the kernel's own checks complain about.
silent() {
	guest 'dmesg | grep -iE "virtio|scsi|sd |sd[a-z]|I/O error|Call Trace|BUG|WARNING|EXT4-fs (error|warning)" |' \
		'grep -iE "error|fail|warn|unexpected|timed? ?out|sense|abort|reset|refus|invalid|not support|BUG|Trace|unable" |' \
		'grep -vE "Mode Sense: |report a bug|'"$expected"'"'
	[ -z "$answer" ]
}

# What the cards said.
content() {
	blames_nobody 'needs a reset|error|warning|Sanitizer|not (possible|allowed)'
}

# ---- What a disk can besides ------------------------------------------------------------------------------

bytes_of() {
	guest 'cat /sys/block/$(disk '"$1"')/size' && answer=$((answer * 512))
}

# By the kernel's own look, and by what the device tells.
sees_after_rescan() {
	truncate -s 40M "$work/packed0.more" && cat "$work/packed0.more" >>"$work/packed0" &&
		guest 'echo 1 >/sys/block/$(disk packed0)/device/rescan' && bytes_of packed0 &&
		[ "$answer" -eq "$(stat -c %s "$work/packed0")" ]
}

grows_to() {
	truncate -s "$1M" "$work/grows" &&
		guest 'until_size grows '"$(($1 * 2048))"'; status=$?; dmesg | tail -n 5; cat /sys/block/$(disk grows)/size; (exit $status)'
}

# What a filesystem has given back takes no place.
trims() {
	local before after

	guest 'd=/dev/$(disk packed1) && mkfs.ext4 -q -F $d && mount -t ext4 $d /mnt && dd if=/dev/urandom of=/mnt/f bs=1M count=16 conv=fsync 2>/dev/null && sync' || return
	before=$(allocated packed1)
	guest 'rm /mnt/f && sync && fstrim /mnt && umount /mnt' || return
	after=$(allocated packed1)
	answer="$before KiB before, $after KiB after"
	[ $((before - after)) -ge 14336 ]
}

# The driver switches the cache off: then nothing is to flush.
write_through() {
	guest 'c=$(echo /sys/block/$(disk split0)/device/scsi_disk/*/cache_type) && cat $c && echo "write through" >$c && cat $c' &&
		[ "$answer" = $'write back\nwrite through\n' ] && copies split0 &&
		guest 'echo "write back" >$c && cat $c' && [ "$answer" = $'write back\n' ]
}

loads_again() {
	guest 'forget; rmmod virtio_scsi && ! ls -d /sys/block/sd* 2>/dev/null && insmod /modules/virtio_scsi.ko' && finds "$@"
}

# A disk that mediod plugs, and pulls out again.
comes() {
	"$medio" set "$uuid" "scsi/plug=lun9=mem:${space}M,serial=plugged" && guest 'until_disk plugged' && at 9 plugged
}

goes() {
	"$medio" set "$uuid" scsi/unplug=lun9 && guest 'until_gone plugged'
}

# ---- sg3-utils -------------------------------------------------------------------------------------------

# tells PATTERN COMMAND…: of a disk, that is the command's last word; succeeds, and says this.
tells() {
	local words=$1

	shift
	guest "$* 2>&1" && holds "$words"
}

asked_by_sg() {
	guest 'p=/dev/$(disk packed0)'
	check "sg_inq: the standard's versions" tells 'SPC-4.*SBC-3|SBC-3|SPC-4' 'sg_inq -d $p; sg_inq $p'
	for page in sv sn di bl bdc lbpv; do
		check "sg_vpd: page $page" guest "sg_vpd -p $page \$p 2>&1"
	done
	check "sg_vpd: the serial number" tells 'packed0' 'sg_vpd -p sn $p'
	check "sg_vpd: limits of UNMAP" tells 'Maximum unmap LBA count: [1-9]' 'sg_vpd -p bl $p'
	check "sg_luns: two units" tells 'Lun list length = 16' 'sg_luns $p'
	check "sg_luns: and the one for REPORT LUNS" tells 'Lun list length = 24' 'sg_luns -s 2 $p'
	check "sg_modes: caching and control" tells 'Caching' 'sg_modes -a $p'
	check "sg_modes: by 6 bytes, too" tells 'Caching' 'sg_modes -6 -a $p'
	check "sg_opcodes: what there is" tells 'Write same\(16\)' 'sg_opcodes $p'
	check "sg_opcodes: task management" tells 'Logical unit reset' 'sg_opcodes -t $p'
	check "sg_turs: ready, a hundred times" guest 'sg_turs -n 100 $p 2>&1'
	check "sg_readcap: in both lengths" tells 'lbpme=1' 'sg_readcap $p && sg_readcap -l $p'
	check "sg_requests: nothing to tell" guest 'sg_requests $p 2>&1'
	check "sg_sync, sg_verify" guest 'sg_sync $p && sg_verify --lba=0 --count=100 $p 2>&1'
	check "sg_verify: blocks that are not there" tells 'out of range' '! sg_verify --16 --lba=0xfffffffff --count=1 $p'
	check "sg_start: stopped, not ready, started" guest \
		'sg_start --stop $p && ! sg_turs $p 2>/dev/null && sg_start --start $p && sg_turs $p'
	check "sg_unmap, sg_write_same" guest \
		'p=/dev/$(disk packed1); dd if=/dev/urandom of=/tmp/block bs=512 count=1 2>/dev/null; sg_write_same --16 --in=/tmp/block --num=64 --lba=0 --xferlen=512 $p && sg_unmap --lba=8 --num=8 --force $p && sg_write_same --16 --unmap --ndob --num=8 --lba=24 --xferlen=0 $p; status=$?; forget; for n in 0 8 24 63; do dd if=$p bs=512 skip=$n count=1 2>/dev/null | cmp -s - /tmp/block; echo $?; done; (exit $status)'
	check "sg_write_same: repeated where it was not unmapped" test "$answer" = $'0\n1\n1\n0\n'
	check "sg_reset: of the unit, while it reads" guest \
		'dd if=$p of=/dev/null bs=64k iflag=direct 2>/dev/null & pid=$!; sg_reset --device $p; status=$?; wait $pid && (exit $status)'
	check "and it is ready afterwards" guest 'sg_turs $p; sg_turs $p 2>&1'
}

# ---- Guests ------------------------------------------------------------------------------------------------

with_msix() {
	local name

	expected='Capacity data has changed|LUN assignments on this target have changed|does not automatically remap|Stopping disk|Sense Key.*Unit Attention|Power-on|Write Protect is|detected capacity change|device reset$'
	make_images packed0 packed1 split0 managed0
	dd if=/dev/urandom of="$work/frozen" bs=1M count=4 2>/dev/null
	truncate -s 32M "$work/grows"
	check "a guest with three cards boots" boots "" packed split managed || return
	check "it finds six disks by their serial numbers" finds packed0 packed1 split0 grows frozen managed0
	check "their addresses: 0 and 1" at 0 packed0 && at 1 packed1
	check "their addresses: 5 and 15" at 5 grows && at 15 frozen
	check "they say what they are" is_ours packed1
	check "packed: packed ring, indirect, event idx" ring packed0 111
	check "split: split ring, indirect, event idx" ring split0 110
	for name in packed0 packed1 managed0; do
		check "$name: ext4 with $size MiB, copied, found again, sound" copies "$name"
		check "$name: by MSI-X" interrupts 'PCI-MSIX?.*-request' "$name"
	done
	check "split0: the same with its cache switched off" write_through
	check "split0: by MSI-X" interrupts 'PCI-MSIX?.*-request' split0
	check "packed0: the guest looks again, and it is larger" sees_after_rescan
	check "grows: the guest is told that it grows" grows_to 48
	check "grows: and uses it" uses_past_40 grows
	check "frozen: can be read, not written" is_frozen frozen
	check "packed1: zeroes are written" zeroes packed1
	check "packed1: what is discarded gives its place back" gives_back packed1
	check "packed1: and what fstrim finds" trims
	check "a disk comes" comes
	check "plugged: ext4, copied, found again, sound" copies plugged
	check "it goes" goes
	check "and comes again" comes
	check "the drivers are unloaded and loaded" loads_again packed0 packed1 split0 grows frozen managed0 plugged
	check "packed0: still sound" guest 'e2fsck -fn /dev/$(disk packed0) 2>&1'
	[ "${#sg[@]}" -eq 0 ] || asked_by_sg
	check "the guest's kernel has nothing to say" silent
	check "the guest ends cleanly" guest_off
	check "so do the cards" cards_end
	check "which had nothing to complain about" content
	for name in packed0 split0 managed0; do
		check "$name: sound from outside too" sound "$name"
	done
}

with_intx() {
	local name

	expected='Power-on'
	make_images packed0 packed1 bare0
	check "a guest without MSI boots" boots pci=nomsi packed bare || return
	check "INTx: it finds four disks" finds packed0 packed1 bare0 bare1
	check "INTx, bare: split ring, neither indirect nor event idx" ring bare0 000
	for name in packed0 bare0 bare1; do
		check "INTx, $name: ext4 with $size MiB, copied, found again, sound" copies "$name"
		check "INTx, $name: by INTx" interrupts 'IO-APIC' "$name"
	done
	check "INTx: the drivers are unloaded and loaded" loads_again packed0 packed1 bare0 bare1
	check "INTx: the guest's kernel has nothing to say" silent
	check "INTx: the guest ends cleanly" guest_off
	check "INTx: so do the cards" cards_end
	check "INTx: which had nothing to complain about" content
}

# SeaBIOS has a driver of its own, and nothing else to start from.
from_firmware() {
	guest_boot "$qemu" -machine q35,memory-backend=mem -accel tcg -cpu qemu64 -m 256M -nodefaults -no-user-config \
		-display none -monitor none -serial stdio "${guest_ram[@]}" \
		-device "$(printf '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"%s"}}' "$socket")"
}

runs_newest() {
	guest 'uname -r' && [ "${answer%$'\n'}" = "$(boot_kernel "$bed")" ]
}

with_firmware() {
	gzip -1 <"$work/initrd" >"$work/boot-initrd.gz"
	check "a disk to boot from is made" boot_fat "$bed" "$work/boot" || return
	check "it is served" serve boot virtio-scsi "lun0=file:$work/boot" lun1=mem:1M || return
	check "SeaBIOS boots from it" from_firmware || return
	check "what runs is Debian's newest kernel" runs_newest
	check "it powers off" guest_off
	check "the card ends cleanly" cards_end
	check "and had nothing to complain about" content
}

parts=("${@:3}")
[ "${#parts[@]}" -gt 0 ] || parts=(msix intx firmware)
parts_run "${parts[@]}"
