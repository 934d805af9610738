#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the guest's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_virtio_net.sh MEDIO BED: two network cards on one wire go from the kernel's driver to medio's and back, in a
# guest with an IOMMU: frames are exchanged between both, and with the kernel. Then over iommufd, and over UIO
# without an IOMMU. MEDIO is the program; BED is what script/guest-bed printed.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/guest.sh"
. "$here/host_program.sh"

medio=$1 bed=$2
kernel_modules=(failover net_failover virtio_net)
vfio_modules=(irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci)
uio_modules=(uio uio_pci_generic)
iommufd_modules=(irqbypass iommufd vfio vfio-pci-core vfio-pci)
# The first has split rings, the second packed ones.
one=0000:00:04.0 two=0000:00:05.0
mac_one=52:54:00:12:34:56 mac_two=52:54:00:12:34:57

has_iommufd() {
	[ -e "$bed/modules-iommufd/iommufd.ko" ]
}

fill() {
	add_program "$1" "$medio" &&
		add_modules "$1" "$bed" "${kernel_modules[@]}" "${vfio_modules[@]}" "${uio_modules[@]}" || return
	! has_iommufd || add_modules "$1/newer" "$bed/modules-iommufd" "${iommufd_modules[@]}"
}

guest_prepare "$bed" fill
plain_args=("${guest_args[@]}")
guest_args[-1]+=" intel_iommu=on"
cards=(
	-netdev "hubport,hubid=0,id=wire1" -netdev "hubport,hubid=0,id=wire2"
	-device "virtio-net-pci,addr=4.0,netdev=wire1,mac=$mac_one,disable-legacy=on,iommu_platform=on,host_mtu=4000,romfile="
	-device "virtio-net-pci,addr=5.0,netdev=wire2,mac=$mac_two,disable-legacy=on,iommu_platform=on,packed=on,host_mtu=4000,id=two,romfile="
)

boots() {
	guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" "${guest_monitor[@]}" \
		-device intel-iommu,intremap=on "${cards[@]}"
}

# loads FOLDER NAME...: modules.
loads() {
	local folder=$1

	shift
	guest "for m in $*; do insmod $folder/\$m.ko || exit 1; done"
}

# The guest's shell learns: interface SLOT, the kernel's name of a card; wait_for COMMAND...
teach() {
	guest 'wait_for() { n=0; until "$@"; do sleep 0.1; n=$((n + 1)); [ $n -lt 600 ] || return 1; done; };' \
		'there() { [ -e /sys/bus/pci/devices/$1/virtio*/net ]; };' \
		'interface() { wait_for there $1 && ls /sys/bus/pci/devices/$1/virtio*/net; };' \
		'up() { ip link set $1 up; };' \
		'driver() { basename $(readlink /sys/bus/pci/devices/$1/driver); }'
}

# json FIELD: a number of the object in $answer.
json() {
	sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" <<<"$answer" | head -n 1
}

# echoes URI [OPTION...]: the other end, in the background; it has the card when this returns.
echoes() {
	guest "medio net $* --echo >/tmp/echo 2>&1 & echo=\$!; sleep 1; kill -0 \$echo"
}

# end_echo: a signal ends it, of which it dies.
end_echo() {
	guest 'kill -TERM $echo; wait $echo; status=$?; cat /tmp/echo; [ $status = 143 ] && grep "bytes sent back" /tmp/echo'
}

# exchanges URI BYTES FRAMES [OPTION...]: so many at least come back, none is lost, by interrupts.
exchanges() {
	local uri=$1 bytes=$2 frames=$3

	shift 3
	guest "medio net $uri --exchange $bytes --json $*" || return
	echo "# $(tr -d '\n' <<<"$answer")"
	[ "$(json frames)" -ge "$frames" ] && [ "$(json lost)" = 0 ] && [ "$(json damaged)" = 0 ] && [ "$(json interrupts)" -ge 1 ]
}

refuses_kernel() {
	! guest "medio net vfio:$one" && holds "medio bind $one"
}

binds() {
	guest "medio bind $1 ${*:2} && driver $1" && holds "${3:-vfio-pci}"
}

shows() {
	guest "medio net vfio:$one" && holds "$mac_one, link up, MTU 4000" && holds 'split rings' &&
		holds 'interrupts: msix' && holds 'says its MTU'
}

shows_packed() {
	guest "medio net vfio:$two --irq intx" && holds "$mac_two, link up" && holds 'packed rings' && holds 'interrupts: intx'
}

link_goes() {
	guest "medio net vfio:$two --receive >/tmp/link 2>&1 & pid=\$!" &&
		qmp set_link '{"name":"two","up":false}' && guest 'wait_for grep "link is down" /tmp/link' &&
		qmp set_link '{"name":"two","up":true}' && guest 'wait_for grep "link is up" /tmp/link' &&
		guest 'kill -TERM $pid; wait $pid; [ $? = 143 ]'
}

both_ours() {
	check "the second echoes" echoes "vfio:$two" || return
	check "64 MiB go from the first to the second and come back" exchanges "vfio:$one" 64M 44740 --to "$mac_two"
	check "frames of 4000 bytes, by INTx" exchanges "vfio:$one" 2M 500 --size 4000 --irq intx
	check "and without interrupts" guest "medio net vfio:$one --exchange 1M --irq none"
	check "a frame that is too large is told" guest "medio net vfio:$one --exchange 1M --size 5000; [ \$? = 2 ]"
	check "a signal ends the echo in order" end_echo
	check "the second echoes, by INTx" echoes "vfio:$two" --irq intx
	check "and 2 MiB come back" exchanges "vfio:$one" 2M 1300
	check "and is ended" end_echo
	! guest "medio net vfio:$one --exchange 3000"
	check "where nobody echoes it says so" holds "nobody answers"
}

# hears SLOT OPTION...: medio net listens in the background; it does when this returns.
hears() {
	guest "rm -f /tmp/heard.pcap; medio net vfio:$1 --receive --pcap /tmp/heard.pcap ${*:2} >/tmp/heard 2>&1 & pid=\$!;" \
		'wait_for test -s /tmp/heard.pcap'
}

# The kernel has the second card: it speaks, medio listens.
hears_kernel() {
	check "medio unbind gives the second back" guest "medio unbind $two && name=\$(interface $two) && echo \$name" || return
	hears "$one" --count 3
	check "the kernel's interface is up" guest 'ip addr add 10.0.0.2/24 dev $name; up $name; ping -c 3 -w 3 10.0.0.1; :'
	check "medio net hears it" guest 'wait $pid; status=$?; cat /tmp/heard; [ $status = 0 ]' && holds '^3 frames'
	check "by its address" holds "$mac_two > "
	check "the record is pcap" guest 'od -A n -t x4 -N 8 /tmp/heard.pcap | tee /tmp/magic; grep "a1b23c4d 00040002" /tmp/magic'
	check "in words" guest 'cat /tmp/heard; grep -E "(ARP|IPv[46]), length [0-9]+: " /tmp/heard'
	check "medio's frames reach the kernel" guest 'was=$(cat /sys/class/net/$name/statistics/rx_packets);' \
		"medio net vfio:$one --generate 100 --count 50 &&" \
		'now=$(cat /sys/class/net/$name/statistics/rx_packets); echo $was $now; [ $now -ge $((was + 50)) ]'
	check "what was recorded can be sent" guest "medio net vfio:$one --send /tmp/heard.pcap" && holds '^.*3 frames, .* bytes sent'
	guest 'ip link set $name down'
}

# And the other way round.
gives_back() {
	check "medio unbind gives the first back" guest "medio unbind $one && name=\$(interface $one) && echo \$name" || return
	check "the kernel has its driver" guest "driver $one" && holds virtio-pci
	check "the second is taken again" binds "$two"
	hears "$two" --count 2 --json
	check "the kernel's interface sends" guest 'ip addr add 10.0.0.3/24 dev $name; up $name; ping -c 3 -w 3 10.0.0.1; cat /sys/class/net/$name/carrier' &&
		holds 1
	check "and the other end hears it" guest 'wait $pid; status=$?; cat /tmp/heard; [ $status = 0 ]' &&
		holds "\"source\":\"$mac_one\""
	guest 'ip link set $name down'
}

vfio() {
	check "while the kernel has it, medio net has not" refuses_kernel
	check "medio bind gives the first to vfio-pci" binds "$one" || return
	check "and the second" binds "$two" || return
	check "medio net shows MAC, link and MTU" shows
	check "packed rings and INTx, too" shows_packed
	check "it tells when the link goes and comes" link_goes
	both_ours
	hears_kernel
	gives_back
}

# By the devices' own files.
iommufd() {
	check "a guest with iommufd boots" boots || return
	check "iommufd is loaded" loads /newer/modules "${iommufd_modules[@]}" || return
	teach
	guest "medio bind $one && medio bind $two"
	check "iommufd: the second echoes" echoes "iommufd:$two" || return
	check "iommufd: 64 MiB come back" exchanges "iommufd:$one" 64M 44740
	check "iommufd: a signal ends the echo" end_echo
	check "the guest with iommufd ends cleanly" guest_off
}

# Without an IOMMU: DMA by physical addresses, in huge pages, and INTx.
uio() {
	check "a guest without IOMMU boots" guest_boot "$qemu" "${plain_args[@]}" "${guest_ram[@]}" "${cards[@]}" || return
	check "UIO is loaded" loads /modules "${uio_modules[@]}" || return
	teach
	guest 'echo 16 >/proc/sys/vm/nr_hugepages; cat /proc/sys/vm/nr_hugepages'
	check "the first is bound to uio_pci_generic" binds "$one" --driver uio_pci_generic
	check "the second, too" binds "$two" --driver uio_pci_generic
	check "UIO: the second echoes" echoes "uio:$two" || return
	check "UIO: 64 MiB come back, by INTx" exchanges "uio:$one" 64M 44740
	check "UIO: a signal ends the echo" end_echo
	check "the guest without IOMMU ends cleanly" guest_off
}

check "a guest with an IOMMU boots" boots || check_finish
check "VFIO and the kernel's network driver are loaded" loads /modules "${kernel_modules[@]}" "${vfio_modules[@]}" || check_finish
teach
vfio
check "the guest ends cleanly" guest_off
guest_drop
if has_iommufd; then
	iommufd
	guest_drop
fi
uio
guest_drop
check_finish
