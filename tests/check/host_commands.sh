#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# host_commands.sh MEDIO: check, groups, bind, unbind and sriov on machines that are folders: what they say,
# what they exit with, and that what they foretell or refuse changes nothing. Files take each write and
# bind nothing, so that here a bind always ends undone; tests/unit/test_host_move.c has a kernel.
set -u
medio=$1
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
pci=$root/sys/bus/pci

# device BDF CLASS GROUP DRIVER: as sysfs shows it.
device()
{
	folder=$root/sys/devices/pci0000:00/$1
	mkdir -p "$folder" "$pci/devices" "$root/sys/kernel/iommu_groups/$3/devices"
	echo 0x8086 >"$folder/vendor"
	echo 0x10d3 >"$folder/device"
	echo "0x$2" >"$folder/class"
	echo '(null)' >"$folder/driver_override"
	: >"$folder/reset"
	ln -sfn "../../../devices/pci0000:00/$1" "$pci/devices/$1"
	ln -sfn "../../../kernel/iommu_groups/$3" "$folder/iommu_group"
	ln -sfn "../../../../devices/pci0000:00/$1" "$root/sys/kernel/iommu_groups/$3/devices/$1"
	echo DMA >"$root/sys/kernel/iommu_groups/$3/type"
	: >"$pci/drivers_probe"
	driver "$4"
	ln -sfn "../../../bus/pci/drivers/$4" "$folder/driver"
}

driver()
{
	mkdir -p "$pci/drivers/$1"
	: >"$pci/drivers/$1/bind"
	: >"$pci/drivers/$1/unbind"
}

# expect CODE WORDS ARG…: medio ARG… --root exits with CODE and says WORDS.
expect()
{
	code=$1 words=$2
	cmd=$3
	shift 3
	out=$("$medio" "$cmd" --root "$root" "$@" 2>&1 </dev/null)
	got=$?
	case $out in
	*"$words"*) ;;
	*) got="$got without '$words'" ;;
	esac
	[ "$got" = "$code" ] && return
	echo "medio $cmd $*: $code with '$words' expected, got $got:"
	echo "$out"
	failed=1
}

# Every file and every link.
state()
{
	# One after the other: a fingerprint of each file, the end of each link.
	(cd "$root" && find . -type f -exec cksum {} + && find . -type l -printf '%p -> %l\n') | sort
}

# unchanged CODE WORDS ARG…: the same, and not a byte of the machine is another.
unchanged()
{
	before=$(state)
	expect "$@"
	[ "$before" = "$(state)" ] && return
	shift 2
	echo "medio $*: it changed something"
	failed=1
}

# valid ARG…: prints JSON.
valid()
{
	command -v python3 >/dev/null || return
	"$medio" "$@" --json --root "$root" 2>/dev/null | python3 -m json.tool >/dev/null && return
	echo "medio $* --json: no JSON"
	failed=1
}

mkdir -p "$root/proc" "$root/sys"

# ---- Nothing there ----------------------------------------------------------------------------------------

expect 0 'no IOMMU' groups
expect 1 'no IOMMU' check
expect 1 'no PCI devices' check 01:00.0
expect 1 'no PCI devices' bind 01:00.0
valid groups
valid check

# ---- A machine --------------------------------------------------------------------------------------------

device 0000:00:1c.0 060400 7 pcieport
device 0000:01:00.0 020000 7 e1000e
device 0000:01:00.1 020000 7 e1000e
device 0000:02:00.0 010802 8 nvme
device 0000:03:00.0 020000 9 vfio-pci
device 0000:04:00.0 020000 10 uio_pci_generic
driver vfio-pci
echo vfio-pci >"$pci/devices/0000:03:00.0/driver_override"
mkdir -p "$root/dev/vfio"
: >"$root/dev/vfio/9"

unchanged 0 'group 7  kernel' groups
unchanged 0 'group 9  viable' groups
unchanged 0 'group 9  viable' groups 9
unchanged 0 'group 9  viable' groups 03:00.0
unchanged 3 "0000:01:00.0 (e1000e), 0000:01:00.1 (e1000e)" groups 01:00.0
unchanged 3 'medio bind --group 0000:01:00.0' groups 7
unchanged 1 'no group 77' groups 77
unchanged 1 'did you mean 0000:01:00.0?' groups 01:00.2
unchanged 2 'is no PCI address' groups eth0
unchanged 1 'DMA goes astray' check
unchanged 0 'is on vfio-pci: a program can drive it' check 03:00.0
unchanged 0 'the kernel' check -q 02:00.0
valid groups 7
valid check 02:00.0

# Foretold.
unchanged 0 "echo vfio-pci > /sys/bus/pci/devices/0000:01:00.0/driver_override
echo 0000:01:00.0 > /sys/bus/pci/drivers/e1000e/unbind
echo 0000:01:00.0 > /sys/bus/pci/drivers_probe" bind -n 01:00.0
unchanged 0 'echo 0000:01:00.1 > /sys/bus/pci/drivers_probe' bind -ng 01:00.0
unchanged 0 'echo > /sys/bus/pci/devices/0000:03:00.0/driver_override' unbind -n 03:00.0
unchanged 0 'nothing to do' bind -n 03:00.0
unchanged 0 '"text":"vfio-pci"' bind -n --json 01:00.0
valid bind -n 01:00.0

# There already, refused, wrong.
unchanged 0 'on vfio-pci already' bind 03:00.0
unchanged 0 'on nvme already' unbind 02:00.0
unchanged 3 'is a bridge' bind 00:1c.0
unchanged 3 'is a bridge' bind --force 00:1c.0
unchanged 3 'did you mean vfio-pci?' bind -d vfio_pcy 01:00.0
unchanged 2 'no name of a driver' bind -d ../x 01:00.0
unchanged 2 '--driver is empty' bind -d '' 01:00.0
unchanged 2 'BDF… is missing' bind
unchanged 1 'did you mean 0000:01:00.0?' bind 01:00.0 01:00.2

# In use.
mkdir -p "$root/proc/self" "$root/sys/class/block" "$pci/devices/0000:02:00.0/nvme/nvme0/nvme0n1"
echo 259:0 >"$pci/devices/0000:02:00.0/nvme/nvme0/nvme0n1/dev"
ln -s ../../devices/pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1 "$root/sys/class/block/nvme0n1"
echo '1 1 259:0 / /srv rw - ext4 /dev/nvme0n1 rw' >"$root/proc/self/mountinfo"
unchanged 3 'nvme0n1 is mounted on /srv' bind 02:00.0
unchanged 3 '--force does it all the same' bind -n 02:00.0
unchanged 3 'nvme0n1 is mounted on /srv' bind 01:00.0 02:00.0
unchanged 0 'drivers/nvme/unbind' bind -nf 02:00.0
unchanged 3 '"refused":[
    {
      "bdf":"0000:02:00.0"' bind --json 02:00.0
mkdir -p "$root/proc/4711/fd"
printf 'qemu\033[31m\n' >"$root/proc/4711/comm"
ln -s /dev/vfio/9 "$root/proc/4711/fd/5"
unchanged 3 '/dev/vfio/9 is open in process 4711 (qemu?[31m)' unbind 03:00.0

# Files bind nothing: found, and undone.
expect 1 'e1000e has the device instead of uio_pci_generic' bind -d uio_pci_generic 01:00.0
expect 1 'all is as it was before' bind 01:00.0
expect 1 'e1000e has the device instead of vfio-pci' bind 01:00.0
[ -z "$(cat "$pci/devices/0000:01:00.0/driver_override")" ] || {
	echo "bind left an override behind"
	failed=1
}

# Interrupted while the kernel takes its time: undone too.
rm "$pci/drivers_probe"
mkfifo "$pci/drivers_probe"
"$medio" bind --root "$root" 01:00.0 >"$work/out" 2>&1 &
pid=$!
until grep -q vfio-pci "$pci/devices/0000:01:00.0/driver_override"; do
	kill -0 "$pid" || break
done
# SIGTERM: a shell lets what it starts with & ignore SIGINT. The first may come just before the wait begins.
while kill -TERM "$pid" 2>/dev/null; do
	sleep 0.01
done
wait "$pid"
got=$?
if [ "$got" != 1 ] || ! grep -q 'interrupted' "$work/out" ||
	! grep -q 'as it was before' "$work/out" ||
	[ -n "$(cat "$pci/devices/0000:01:00.0/driver_override")" ]; then
	echo "interrupted, bind gave $got:"
	cat "$work/out"
	failed=1
fi
rm "$pci/drivers_probe"
: >"$pci/drivers_probe"

# ---- Virtual functions ------------------------------------------------------------------------------------

unchanged 3 'no SR-IOV' sriov 02:00.0
for file in totalvfs:7 numvfs:0 offset:128 stride:2 vf_device:10ca drivers_autoprobe:1; do
	echo "${file#*:}" >"$pci/devices/0000:01:00.0/sriov_${file%:*}"
done
unchanged 0 '0 of 7 virtual functions, driver e1000e' sriov 01:00.0
unchanged 0 'echo 4 > /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs' sriov -n 01:00.0 4
unchanged 3 'allowed are 0 to 7' sriov 01:00.0 8
unchanged 2 'is no number' sriov 01:00.0 -- -1
unchanged 2 'go with a number' sriov -n 01:00.0
valid sriov 01:00.0
valid sriov -n 01:00.0 4
expect 0 '4 of 7 virtual functions' sriov 01:00.0 4
[ "$(cat "$pci/devices/0000:01:00.0/sriov_numvfs")" = 4 ] || {
	echo "sriov did not write"
	failed=1
}
unchanged 3 'only through 0' sriov 01:00.0 2
unchanged 0 'echo 0 >' sriov -nf 01:00.0 2
unchanged 3 'it has 4 virtual functions' bind 01:00.0
unchanged 0 '4 of 7' sriov 01:00.0 4
expect 0 '2 of 7 virtual functions' sriov -f 01:00.0 2
expect 0 '0 of 7 virtual functions' sriov 01:00.0 0
exit $failed
