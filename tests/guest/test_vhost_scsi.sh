#!/bin/bash
# shellcheck disable=SC2016,SC2034,SC2154,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_vhost_scsi.sh MEDIO BED: medio's SCSI disks and random numbers behind QEMU's vhost-user devices, under the stock
# kernel's drivers, in guests of two QEMUs. A card with two units, a packed and a split ring; what serves them is killed
# while numbers are written, and no write may be lost or done twice, where QEMU knows how to connect again.
# MEDIO is the program; BED is what script/guest-bed printed. MEDIO_TEST_FULL=1 copies 200 MiB a disk.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"
. "$here/disks.sh"
. "$here/numbers.sh"

medio=$1 bed=$2
size=${MEDIO_TEST_FULL:+200}
size=${size:-4} # MiB
modules=(scsi_common scsi_mod sd_mod virtio_scsi "${disk_modules[@]}" virtio-rng)
guest_words='serial() { tail -c +5 /sys/block/$1/device/vpd_pg80; }; '
guest_words+='disk() { for d in /sys/block/sd*; do [ "$(serial ${d##*/})" != $1 ] || { echo ${d##*/}; return 0; }; done 2>/dev/null; return 1; }; '
guest_words+='until_disk() { n=0; until disk $1 >/dev/null; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; }; '
guest_words+=$disk_words
disk_tools_there

fill() {
	disk_tools "$1" && add_modules "$1" "$bed" "${modules[@]}"
}

guest_prepare "$bed" fill
. "$here/serve.sh"
. "$here/vhost.sh"

serves() {
	case $1 in
	split) serve split virtio-scsi num-queues=2 "lun0=file:$work/split0,serial=split0" "lun1=file:$work/split1,serial=split1" ;;
	packed) serve packed virtio-scsi num-queues=1 "lun0=file:$work/packed0,direct=on,serial=packed0" ;;
	random) serve random virtio-rng ;;
	esac
}

# vhost_device NAME ADDR
vhost_device() {
	case $1 in
	split) qemu_devices+=(-device "vhost-user-scsi-pci,chardev=split,$2,num_queues=2") ;;
	packed) qemu_devices+=(-device "vhost-user-scsi-pci,chardev=packed,$2,num_queues=1,packed=on") ;;
	random) qemu_devices+=(-device "vhost-user-rng-pci,chardev=random,$2") ;;
	esac
}

finds() {
	guest '(for s in '"$*"'; do until_disk $s || exit 1; done); for d in /sys/block/sd*; do serial ${d##*/}; echo; done' &&
		[ "$(printf '%s' "$answer" | LC_ALL=C sort)" = "$(printf '%s\n' "$@" | LC_ALL=C sort)" ]
}

# at ADDRESS NAME: the LUN that a disk has.
at() {
	guest 'basename $(readlink -f /sys/block/$(disk '"$2"')/device)' && [[ ${answer%$'\n'} == *:0:0:"$1" ]]
}

# ring NAME FEATURES: bits 28, 29 and 34 of its card. The kernel prints bit 0 first.
ring() {
	guest 'd=$(readlink -f /sys/block/$(disk '"$1"')) && cat ${d%%/host*}/features' && [ "${answer:28:2}${answer:34:1}" = "$2" ]
}

# Random numbers come from it, and are no zeroes.
is_random() {
	guest 'cat /sys/class/misc/hw_random/rng_current; dd if=/dev/hwrng bs=1k count=4 iflag=fullblock 2>/dev/null >/tmp/random; wc -c </tmp/random; tr -d "\\0" </tmp/random | wc -c' &&
		holds '^virtio_rng' && holds '^4096$' && [ "$(tail -n 1 <<<"${answer%$'\n'}")" -gt 4000 ]
}

silent() {
	guest 'dmesg | grep -iE "virtio|scsi|sd |sd[a-z]|I/O error|Call Trace|BUG|WARNING|EXT4-fs (error|warning)" |' \
		'grep -iE "error|fail|warn|unexpected|timed? ?out|sense|abort|reset|refus|invalid|not support|BUG|Trace|unable" |' \
		'grep -vE "Mode Sense: |report a bug|Power-on|Write Protect is"'
	[ -z "$answer" ]
}

content() {
	blames_nobody 'needs a reset|error|warning|Sanitizer|not (possible|allowed)'
}

reboots() {
	guest_reboot && loads && finds split0 split1 packed0
}

with_scsi() {
	local name killed=(split packed)

	# Of QEMU's own devices not all wait for who comes again.
	lasts[random]=yes
	if [ "$older" = yes ]; then
		lasts[split]=yes lasts[packed]=yes killed=()
	fi
	disk_images $((size * 5 / 2 + 48)) split0 split1 packed0
	check "$peer: a guest with two cards and random numbers boots" boots "" split packed random || return
	check "$peer: it finds three disks by their serial numbers" finds split0 split1 packed0 || return
	check "$peer: their addresses, 0 and 1" at 0 split0 && at 1 split1
	check "$peer, split: split ring, indirect, event idx" ring split0 110
	check "$peer, packed: packed ring, indirect, event idx" ring packed0 111
	for name in split1 packed0; do
		check "$peer, $name: ext4 with $size MiB, copied, found again, sound" copies "$name" || return
	done
	check "$peer, split0: zeroes are written" zeroes split0
	check "$peer, split0: what is discarded gives its place back" gives_back split0
	check "$peer: random numbers come" is_random
	check "$peer: the guest's kernel has nothing to say" silent
	check "$peer: it reboots" reboots
	check "$peer: random numbers come" is_random
	check "$peer: numbers are written" numbers split0 packed0
	check "$peer: at all depths" more split0 packed0 || return
	for name in "${killed[@]}"; do
		check "$peer, $name: what serves it is killed, and served again" serve_again "$name"
	done
	check "$peer: the guest goes on" more split0 packed0 || return
	for name in split0 packed0; do
		check "$peer, $name: no write is lost, none is done twice" no_number_lost "$name"
	done
	check "$peer, split1: still sound" guest 'e2fsck -fn /dev/$(disk split1) 2>&1'
	check "$peer: random numbers come" is_random
	check "$peer: the guest's kernel has nothing to say" silent
	check "$peer: the guest ends cleanly" guest_off
	check "$peer: so do the devices" serve_end
	check "$peer: which had nothing to complain about" content
	check "$peer, split1: sound from outside too" sound split1
}

vhost_peers scsi
