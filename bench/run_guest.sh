#!/bin/bash
# shellcheck disable=SC2016,SC2154 # the dollars are the guest's; guest.sh and tap.sh set the rest
# SPDX-License-Identifier: BSD-3-Clause
# run_guest.sh BUILD BED [SAMPLES]: what a driver's calls take by the kernel's own VFIO and under medio run, on one
# machine: a guest with an IOMMU, where edu is QEMU's in one case and medio's in the other. The processor is an emulated one: of the
# figures only those beside each other can be compared. BUILD has tools/medio and bench/medio-bench-program.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../tests/guest/guest.sh"
. "$here/../tests/guest/host_program.sh"

medio=$1/tools/medio program=$1/bench/medio-bench-program bed=$2 samples=${3:-9}
modules=(irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci)
slot=0000:00:04.0

fill() {
	add_program "$1" "$medio" && add_program "$1" "$program" && add_modules "$1" "$bed" "${modules[@]}"
}

fails() {
	printf 'run_guest.sh: %s\n%s\n' "$1" "${answer:-}" >&2
	exit 1
}

# measure UNDER MODE CALL COUNT: us a call.
measure() {
	local nanoseconds

	guest "printf '$3 $4\n$3 $4\n' | $1 medio-bench-program 0 0 $2 2>&1" || fails "$3 could not be measured"
	# The first is for what is made on the first call.
	nanoseconds=$(printf '%s\n' "$answer" | grep -E '^[0-9]+$' | sed -n 2p)
	[ -n "$nanoseconds" ] || fails "$3 could not be measured"
	awk -v ns="$nanoseconds" -v n="$4" 'BEGIN { printf "%.4f\n", ns / n / 1000 }'
}

# Of the lines: the median, the least and the most.
spread() {
	sort -g | awk '{ v[NR] = $1 } END { m = v[int((NR + 1) / 2)]; if (NR % 2 == 0) m = (m + v[NR / 2 + 1]) / 2;
		printf "%9.4g (%.4g to %.4g)", m, v[1], v[NR] }'
}

guest_prepare "$bed" fill
guest_args[-1]+=" intel_iommu=on"
guest_boot "$qemu" "${guest_args[@]}" "${guest_ram[@]}" -device intel-iommu,intremap=on -device edu,addr=4.0 ||
	fails "the guest does not boot"
guest "for m in ${modules[*]}; do insmod /modules/\$m.ko || exit 1; done" || fails "VFIO cannot be loaded"
guest "echo vfio-pci >/sys/bus/pci/devices/$slot/driver_override; echo $slot >/sys/bus/pci/drivers_probe;" \
	"basename \$(readlink /sys/bus/pci/devices/$slot/iommu_group)" || fails "edu cannot be bound to vfio-pci"
group=${answer//[^0-9]/}
kernel="env group=$group bdf=$slot"
run="medio run -q -d edu,bdf=0000:00:1e.0 --"

# floor MODE CALL COUNT WORDS
floor() {
	for ((i = 0; i < samples; i++)); do
		measure "" "$1" "$2" "$3"
	done >"$work/floor"
	printf '%-50s %s\n' "$4" "$(spread <"$work/floor")"
}

printf 'In a guest of QEMU without KVM: us a call, medians of %s (least to most)\n\n' "$samples"
floor plain echo 1000 "a byte to another process and back"
floor notify notify 1000 "a bare seccomp notification"
printf '\nIn turns:\n%-34s %-32s %-32s %s\n' "" "the kernel's VFIO" "medio run" "of the kernel's"
while read -r call count more words; do
	for ((i = 0; i < samples; i++)); do
		kernels=$(measure "$kernel" device "$call" $((count * more))) || exit 1
		runs=$(measure "$run" device "$call" "$count") || exit 1
		printf '%s %s\n' "$kernels" "$runs"
	done >"$work/samples"
	printf '%-34s %-32s %-32s %s x\n' "$words" "$(cut -d' ' -f1 "$work/samples" | spread)" \
		"$(cut -d' ' -f2 "$work/samples" | spread)" "$(awk '{ print $2 / $1 }' "$work/samples" | spread)"
done <<'END'
getpid 50000 1 getpid(), which nobody catches
info 1000 20 ioctl(VFIO_DEVICE_GET_INFO)
config 1000 20 pread() of config space, 4 bytes
read 1000 20 pread() of a register
write 1000 20 pwrite() of a register
load 1000 50 load of a mapped register
store 1000 50 store to a mapped register
END
guest_off || fails "the guest does not end"
