#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_sriov.sh MEDIO BED: the operator's commands on real devices, in a guest with an IOMMU: virtual functions of a
# network card and of a disk are made, driven and taken away; what stands in the way is said; what fails or is
# interrupted leaves all as it was. MEDIO is the program, beside which the build's tests stand; BED is what
# script/guest-bed printed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"

medio=$1 bed=$2
try=$(dirname "$1")/../tests/guest/sriov_try
modules=(irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci dca i2c-algo-bit nvme-keyring nvme-auth nvme-core nvme
	fat vfat nls_cp437 nls_ascii)
disk=0000:01:00.0 nic=0000:02:00.0
disk_vfs="0000:01:00.1 0000:01:00.2" nic_vfs="0000:02:10.0 0000:02:10.2"
group=0000:00:06 # three disks in one IOMMU group
half=64          # MiB, of the 160 that the disk has
[ -x "$try" ] || {
	echo "test_sriov.sh: there is no program $try" >&2
	exit 1
}

fill() {
	add_program "$1" "$medio" && add_program "$1" "$try" && add_modules "$1" "$bed" "${modules[@]}" igb
}

guest_prepare "$bed" fill
guest_args[-1]+=" intel_iommu=on"
truncate -s 160M "$work/disk"

boots() {
	local null="driver=null-co,size=8M,read-zeroes=on"

	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" -device intel-iommu,intremap=on \
		-device pcie-root-port,id=slot1,slot=1,chassis=1,addr=3.0 \
		-device pcie-root-port,id=slot2,slot=2,chassis=2,addr=4.0 \
		-drive "if=none,id=disk,format=raw,file=$work/disk,cache=unsafe" -device nvme-subsys,id=subsystem \
		-device nvme,id=nvme,bus=slot1,serial=medio-1,subsys=subsystem,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4 \
		-device nvme-ns,drive=disk,bus=nvme,nsid=1,shared=on \
		-netdev hubport,id=net,hubid=0 -device igb,bus=slot2,netdev=net \
		-drive "if=none,id=a,$null" -device nvme,addr=6.0,multifunction=on,drive=a,serial=medio-a \
		-drive "if=none,id=b,$null" -device nvme,addr=6.1,drive=b,serial=medio-b \
		-drive "if=none,id=c,$null" -device nvme,addr=6.2,drive=c,serial=medio-c
}

loads() {
	guest "for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done;" \
		'[ -e /dev/vfio/vfio ]'
}

# What the guest's shell learns. machine: each device with its driver, override and group. block: where the kernel has
# the disk; with several controllers it is its subsystem's.
teach() {
	guest 'driver_of() { l=$(readlink /sys/bus/pci/devices/$1/driver) && basename $l; };' \
		'group_of() { basename $(readlink /sys/bus/pci/devices/$1/iommu_group); };' \
		'machine() { for d in /sys/bus/pci/devices/*; do d=${d##*/}; echo $d $(driver_of $d) $(cat /sys/bus/pci/devices/$d/driver_override) $(group_of $d); done; };' \
		'eventually() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 600 ] || return 1; sleep 0.2; done; };' \
		"block() { c=\$(ls /sys/bus/pci/devices/$disk/nvme) && for s in /sys/class/nvme-subsystem/*; do [ ! -e \$s/\$c ] || b=/dev/\$(ls \$s | grep '^nvme.*n1\$'); done; [ -b \"\$b\" ] && echo \$b; };" \
		'sum() { md5sum | cut -d" " -f1; }'
}

remembers() {
	guest 'machine >/tmp/machine; cat /tmp/machine'
}

as_before() {
	guest 'machine >/tmp/now; diff /tmp/machine /tmp/now'
}

# says STATUS WORDS COMMAND...: it exits so, with these words, and nothing has changed.
says() {
	local status=$1 words=$2

	shift 2
	guest "$*"
	[ $? -eq "$status" ] && holds "$words" && changes_nothing
}

# The answer before stays to be looked at.
changes_nothing() {
	local said=$answer

	as_before && answer=$said
}

# ---- Virtual functions of a network card ----------------------------------------------------------------

stands_in_the_way() {
	remembers
	check "a device without driver makes none, and it is said" says 3 "$nic has no driver.*medio unbind $nic" medio sriov "$nic" 2
	check "the kernel's driver is loaded" guest "insmod /modules/igb.ko && eventually driver_of $nic" || return
	remembers
	check "a device without SR-IOV" says 3 "$group.0 has no SR-IOV" medio sriov "$group.0" 1
	check "more than there can be" says 3 '8 virtual functions, allowed are 0 to 7' medio sriov "$nic" 8
	check "no number" says 2 "'two' is no number" medio sriov "$nic" two
	check "no such device" says 1 'no device 0000:02:00.7' medio sriov 02:00.7 1
	check "--dry-run says what it would do, and does nothing" \
		says 0 "^echo 2 > /sys/bus/pci/devices/$nic/sriov_numvfs" medio sriov --dry-run "$nic" 2
}

makes_network() {
	guest "medio sriov $nic 2" && holds "2 of 7 virtual functions, driver igb" && guest "cat /sys/bus/pci/devices/$nic/sriov_numvfs" &&
		[ "$answer" = $'2\n' ]
}

# In sysfs each is alone in its group, no two have the same, and `medio groups` says so too.
own_groups() {
	guest "for vf in $*; do g=\$(group_of \$vf); [ \$(ls /sys/kernel/iommu_groups/\$g/devices) = \$vf ] || exit 1; echo \$g;" \
		'medio groups --json $vf >/tmp/groups; [ "$(sed -n "s/.*\"group\":\([0-9]*\).*/\1/p" /tmp/groups | sort -u)" = $g ] || exit 1;' \
		'[ "$(sed -n "s/.*\"bdf\":\"\(.*\)\".*/\1/p" /tmp/groups)" = $vf ] || exit 1; done' &&
		[ "$(sort -u <<<"${answer%$'\n'}" | wc -l)" = "$#" ]
}

shows_json() {
	guest "medio sriov --json $nic" && holds '"numvfs":2,' && holds '"totalvfs":7,' && holds '"bdf":"0000:02:10.0"' &&
		holds '"bdf":"0000:02:10.2"'
}

# In slot 2 of root port 2: Bus 2, devices 16, functions 0 and 2.
decodes() {
	guest "medio lspci -vv vfio:0000:02:10.0" && holds '82576 Virtual Function' && holds 'Region 0: Memory .*size=16K' &&
		holds 'MSI-X: .*Count=3' && holds 'Alternative Routing-ID'
}

interrupts() {
	guest "eth=\$(ls /sys/bus/pci/devices/$nic/net); ip link set \$eth up; for vf in $nic_vfs; do sriov_try vfio:\$vf igb || exit 1; done" &&
		[ "$(grep -c '^12 of 12 interrupts' <<<"$answer")" = 2 ]
}

in_use() {
	guest 'exec 5<>/dev/vfio/$(group_of 0000:02:10.0)'
	says 3 '0000:02:10.0 is in use: /dev/vfio/[0-9]* is open in process 1 ' medio sriov "$nic" 0
	local status=$?
	guest 'exec 5>&-'
	return "$status"
}

network() {
	remembers
	check "medio sriov makes two of a network card" makes_network || return
	# shellcheck disable=SC2086 # two words
	check "each has a group of its own, and medio groups agrees" own_groups $nic_vfs
	check "--json has them" shows_json
	guest machine '>/tmp/machine'
	check "a virtual function has none itself" says 3 "is a virtual function itself: ask its physical function $nic" medio sriov 02:10.0 1
	check "two to three goes through none, and is refused" says 3 'goes to 3 only through 0' medio sriov "$nic" 3
	check "as --dry-run shows" says 0 '^echo 3 >' medio sriov --dry-run --force "$nic" 3
	check "in this order" test "$(cut -d' ' -f 2 <<<"$answer" | tr -d '\n')" = 03
	check "--force does it" guest "medio sriov --force $nic 3 && medio sriov --force $nic 2"
	check "its own driver is not taken from under them" says 3 "it has 2 virtual functions.*medio sriov $nic 0" medio bind "$nic"
	check "medio bind takes both" guest "medio bind $nic_vfs"
	check "medio lspci decodes one" decodes
	check "registers answer, MSI-X interrupts come, one by one" interrupts
	guest machine '>/tmp/machine'
	check "one that is open somewhere is not taken away" in_use
	check "medio sriov 0 takes them away" guest "medio sriov $nic 0 && ! medio groups 02:10.0"
}

# ---- A physical function on vfio-pci, and its secret ----------------------------------------------------

secret() {
	check "the network card itself goes to vfio-pci" guest "ip link set \$eth down; medio bind $nic" || return
	guest machine '>/tmp/machine'
	check "which makes none without enable_sriov" says 3 'is on vfio-pci, which makes VFs only when loaded with enable_sriov=1' medio sriov "$nic" 2
	check "and makes them with it" guest "echo 1 >/sys/module/vfio_pci/parameters/enable_sriov; medio sriov $nic 2"
	guest "medio check 02:10.0"
	check "medio check tells of the token" holds 'VF token'
	guest "sriov_try vfio:$nic token vfio:0000:02:10.0"
	local status=$?
	check "without the token a virtual function does not open" holds '^without a token: Permission denied.*VF token'
	check "nor with another" holds '^with another: Permission denied.*not the one'
	check "and with it it does" test "$status" = 0
	check "all goes back to the kernel" guest "medio sriov $nic 0 && medio unbind $nic && [ \$(driver_of $nic) = igb ]"
}

# ---- Virtual functions of a disk ------------------------------------------------------------------------

# QEMU's VFs are offline at first, and a driver that probes one gives up: they are left alone.
makes_disks() {
	guest "echo 0 >/sys/bus/pci/devices/$disk/sriov_drivers_autoprobe; medio sriov $disk 2" && holds "the kernel's drivers leave alone new ones" &&
		guest "medio bind $disk_vfs"
}

gives_resources() {
	guest "admin=/dev/\$(ls /sys/bus/pci/devices/$disk/nvme); for id in 1 2; do nvme_admin \$admin give \$id 2 1 && nvme_admin \$admin online \$id || exit 1; done;" \
		'nvme_admin $admin list' && [ "$(grep -c 'online 2 queues 1 interrupts' <<<"$answer")" = 2 ]
}

shows_disk() {
	guest "for vf in $disk_vfs; do medio io vfio:\$vf || exit 1; done" &&
		[ "$(grep -c 'QEMU NVMe Ctrl, 160M' <<<"$answer")" = 2 ] && [ "$(grep -c 'interrupts: msix' <<<"$answer")" = 2 ]
}

# copies FROM TO OFFSET OFFSET: a disk-to-disk copy through two virtual functions at the same time.
copies() {
	guest "medio io vfio:$1 --read $3M --count ${half}M 2>/tmp/read | medio io vfio:$2 --write $4M --yes-overwrite 2>/tmp/written;" \
		'cat /tmp/read /tmp/written' && holds '^67108864 bytes read.* [1-9][0-9]* interrupts' &&
		holds '^67108864 bytes written.* [1-9][0-9]* interrupts'
}

kernel_writes() {
	guest "eventually block && disk=\$(block) && dd if=/dev/urandom of=\$disk bs=1M count=$half 2>/dev/null && sync && echo 3 >/proc/sys/vm/drop_caches &&" \
		"dd if=\$disk bs=1M count=$half 2>/dev/null | sum >/tmp/first && cat /tmp/first"
}

# kernel_finds OFFSET: there lies what it wrote.
kernel_finds() {
	guest "echo 3 >/proc/sys/vm/drop_caches; dd if=\$disk bs=1M skip=$1 count=$half 2>/dev/null | sum >/tmp/second; cmp /tmp/first /tmp/second"
}

disks() {
	remembers
	check "the kernel writes $half MiB" kernel_writes || return
	check "medio sriov makes two of a disk, medio bind takes them" makes_disks || return
	# shellcheck disable=SC2086 # two words
	check "they have groups of their own" own_groups $disk_vfs
	check "one that is offline is said to be" guest '! medio io vfio:0000:01:00.1' && check "in words" holds 'it is offline: a virtual function needs'
	check "the physical function gives them queues and interrupts" gives_resources || return
	check "medio io shows the disk on both" shows_disk
	check "one reads, the other writes, at the same time" copies 0000:01:00.1 0000:01:00.2 0 "$half"
	check "the kernel finds it there" kernel_finds "$half"
	check "and the other way round" copies 0000:01:00.2 0000:01:00.1 "$half" $((half / 2))
	check "the kernel finds that too" kernel_finds $((half / 2))
	check "medio sriov 0 takes them away" guest "medio sriov $disk 0; echo 1 >/sys/bus/pci/devices/$disk/sriov_drivers_autoprobe"
	check "and all is as before" as_before
}

# ---- Who would miss it ----------------------------------------------------------------------------------

# The kernel's name of the disk hangs below its subsystem, not below the device.
mounted() {
	check "the kernel mounts the disk" guest 'disk=$(block) && mkdosfs $disk && mkdir -p /mnt && mount -t vfat $disk /mnt' || return
	remembers
	check "a mounted disk is refused" says 3 'block device nvme[0-9]*n1 is mounted on /mnt' medio bind "$disk"
	check "so it is with --json" says 3 '"text":"is in use: block device nvme[0-9]*n1 is mounted on /mnt"' medio bind --json "$disk"
	guest 'unshare -m sleep 1000 & holder=$!; other() { [ $(readlink /proc/$holder/ns/mnt) != $(readlink /proc/self/ns/mnt) ]; }; eventually other && umount /mnt'
	check "also where only another namespace has it" says 3 'block device nvme[0-9]*n1 is held by somebody' medio bind "$disk"
	guest 'kill $holder; wait $holder; mount -t vfat $disk /mnt'
	check "--force takes it all the same" guest "medio bind --force $disk && [ \$(driver_of $disk) = vfio-pci ]"
	check "and the kernel has it again" guest "umount /mnt; medio unbind $disk && eventually block"
	guest 'disk=$(block) && mkswap $disk && swapon $disk'
	check "swap space is refused" says 3 'block device nvme[0-9]*n1 is swap space' medio bind "$disk"
	guest 'swapoff $disk'
}

routed() {
	check "a default route goes through the network card" guest "eth=\$(ls /sys/bus/pci/devices/$nic/net); ip link set \$eth up &&" \
		'ip addr add 192.0.2.1/24 dev $eth && ip route add default via 192.0.2.2' || return
	remembers
	check "which is refused" says 3 'network interface eth[0-9]* carries the default route' medio bind "$nic"
	guest 'ip route del default'
	check "also while it has an address" says 3 'network interface eth[0-9]* is up and has an address' medio bind "$nic"
	check "--force takes it" guest "medio bind --force $nic && [ \$(driver_of $nic) = vfio-pci ]"
	check "and back" guest "medio unbind $nic && [ \$(driver_of $nic) = igb ]"
	remembers
	check "a device that is where it should be is left alone" says 0 'on igb already' medio unbind "$nic"
}

# ---- What fails, what is interrupted --------------------------------------------------------------------

# The first of the group goes to nvme, a network card's virtual function nvme does not take.
rolls_back() {
	guest "medio bind --group $group.0 && medio sriov $nic 1 && machine >/tmp/machine"
	check "a driver that is not loaded" says 3 'no driver nosuch is loaded' medio bind --driver nosuch "$group.0"
	check "a driver that takes one and refuses the next has none" \
		says 1 '02:10.0: the kernel took each write.*instead of nvme' medio bind --driver nvme "$group.0" 0000:02:10.0
	check "all is as it was, it says" holds 'all is as it was before'
	check "a program that has one open keeps it" guest 'exec 5<>/dev/vfio/$(group_of '"$group.0"')' &&
		check "and is named" says 3 'is open in process' medio unbind "$group.1"
	guest 'exec 5>&-'
	check "they go back" guest "medio sriov $nic 0; medio unbind --group $group.0 && [ \$(driver_of $group.2) = nvme ]"
}

# interrupted WHEN COMMAND...: SIGINT comes when WHEN is true, /tmp/pid says where to. Some tries, as the command may
# have been faster. The status is 0 if it said that it was interrupted and nothing has changed.
interrupted() {
	local when=$1 i

	shift
	for ((i = 0; i < 20; i++)); do
		guest "rm -f /tmp/pid; { until [ -s /tmp/pid ]; do :; done; read -r pid </tmp/pid;" \
			"while [ -e /proc/\$pid ]; do if $when; then kill -INT \$pid; break; fi; done; } 2>/dev/null &" \
			"sh -c 'echo \$\$ >/tmp/pid; exec $*'; status=\$?; wait; [ \$status -eq 1 ]" && break
		# In time for nothing: back, and again.
		guest "medio unbind --group $group.0; medio sriov --force $nic 0"
	done
	[ "$i" -lt 20 ] && holds 'interrupted' && holds 'as( it was)? before' && as_before
}

ends_early() {
	remembers
	check "Ctrl-C in the middle of a group leaves nothing half bound" \
		interrupted "grep -q vfio /sys/bus/pci/devices/$group.1/driver_override" "medio bind --group $group.0"
	# The loader that starts medio is another Debian's, which is why it is there before medio is.
	check "Ctrl-C while virtual functions are made leaves none" \
		interrupted "grep -q 'SigCgt:.*[2367abef]\$' /proc/\$pid/status" "medio sriov $nic 7"
	check "and of both it can be had again" guest "medio bind --group $group.0 && medio sriov $nic 7 && medio sriov $nic 0 && medio unbind --group $group.0"
	check "and back" as_before
}

check "a guest with an IOMMU boots" boots || check_finish
check "VFIO and NVMe are loaded" loads || check_finish
teach
for part in stands_in_the_way network secret disks mounted routed rolls_back ends_early; do
	"$part"
done
check "the guest ends cleanly" guest_off
guest_drop
check_finish
