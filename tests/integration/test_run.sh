#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the shell's under medio run; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_run.sh MEDIO EDU_TRY RAW UIO HAMMER DISK WAIT EXEC RUDE: programs that know nothing of medio, under medio run: a static one with raw
# system calls, a UIO program as the kernel's howto has it, 64 threads at once, a driver of a disk with everything mapped, one of
# two devices, one whose threads call exec(), and medio's own drivers over vfio:, iommufd: and uio:. As root, and as somebody who is not.
medio=$(readlink -f "$1") try=$(readlink -f "$2") raw=$(readlink -f "$3") uio=$(readlink -f "$4") hammer=$(readlink -f "$5")
disk=$(readlink -f "$6") waiter=$(readlink -f "$7") execs=$(readlink -f "$8") rude=$(readlink -f "$9")
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"
uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fe0001
bdf=0000:00:1e.0
work=$(mktemp -d "${TMPDIR:-/tmp}/medio-run.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
as=()

diagnose() {
	printf '%s\n' "$answer" | tail -n 40 | sed 's/^/# /'
}

runs() {
	answer=$("${as[@]}" "$medio" run "$@" 2>&1)
}

# Somebody who may do nothing, where one can become so; he can read what the test is made of.
nobody() {
	local file

	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	for file in "$medio" "$try" "$raw" "$uio" "$hammer" "$disk" "$waiter" "$execs" "$rude"; do
		"${as[@]}" test -x "$file" 2>/dev/null || return 1
	done
}

tests_pass() {
	"$@" && holds '^1\.\.[1-9]' && lacks '^not ok'
}

tells() {
	local words=$1

	shift
	runs "$@" && holds "$words"
}

exits() {
	local want=$1 got=0

	shift
	runs "$@" || got=$?
	answer+=" (exit status $got)"
	[ "$got" -eq "$want" ]
}

refuses() {
	local words=$1

	shift
	! runs "$@" && holds "$words"
}

# A daemon opens its device when the program has ended already.
left_behind() {
	local got=0

	runs -q -d "edu,bdf=$bdf,as=uio" -- \
		sh -c "(while kill -0 \$\$ 2>/dev/null; do sleep 0.1; done; exec $uio \$uio) & exit 3" || got=$?
	holds '^1\.\.[1-9]' && lacks '^not ok' || return
	answer+=" (exit status $got)"
	[ "$got" -eq 3 ]
}

# check_is_content DEVICE [BDF]: medio check has nothing to say against what it sees.
check_is_content() {
	tells 'medio run serves' -q -d "$1" -- "$medio" check "${@:2}" && lacks 'IOMMU: the firmware|interrupt|MEMLOCK|not loaded|no-IOMMU' && holds 'can be opened'
}

# copies_disk group|device: a disk of 2 MiB whose first half becomes its second.
copies_disk() {
	head -c 2M /dev/urandom >"$work/disk"
	chmod 666 "$work/disk"
	! cmp -s -n 1048576 "$work/disk" "$work/disk" 0 1048576 &&
		tests_pass runs -q -d "virtio-blk,bdf=$bdf,file=$work/disk,serial=by-$1" -- "$disk" "$1" "$bdf" "by-$1" &&
		cmp -n 1048576 "$work/disk" "$work/disk" 0 1048576
}

# Two programs, each with a group of that number: who has the one open does not use the other's device.
check_tells_programs_apart() {
	local status=0 other

	runs -q -d "edu,bdf=$bdf" -- sh -c "exec 5<>/dev/vfio/\$group; $medio check $bdf" && holds 'is in use: /dev/vfio/' || return
	mkfifo "$work/go" "$work/there"
	chmod 666 "$work/go" "$work/there"
	"${as[@]}" "$medio" run -q -d "edu,bdf=$bdf" -- \
		sh -c "exec 5<>/dev/vfio/\$group; echo >$work/there; read -r go <$work/go" &
	other=$!
	read -r -t 100 _ <>"$work/there"
	runs -q -d "edu,bdf=$bdf" -- "$medio" check "$bdf" && holds 'can be opened' && lacks 'is in use' || status=$?
	timeout 100 sh -c 'echo >"$1"' sh "$work/go"
	wait "$other"
	rm "$work/go" "$work/there"
	return "$status"
}

# What is in these folders is there, and something more.
unchanged() {
	local folder

	for folder in / /dev /sys /sys/class /sys/bus /sys/bus/pci/devices /proc/self/ns; do
		[ -d "$folder" ] || continue
		answer=$(diff <(ls "$folder") <("${as[@]}" "$medio" run -q -d mtty-1 -- ls "$folder") | grep '^<')
		[ -z "$answer" ] || {
			answer="$folder lacks $answer"
			return 1
		}
	done
}

nobody_is_left() {
	local tries=0

	until answer=$(pgrep -af "$work/marked"; grep -F .medio /proc/mounts) && [ -z "$answer" ] || [ "$tries" -gt 600 ]; do
		[ -n "$answer" ] || break
		tries=$((tries + 1))
		sleep 0.1
	done
	[ -z "$answer" ]
}

# dies WHO: kill -9 of medio, or of the program, in the middle of calls.
dies() {
	local pid program tries=0

	cp "$hammer" "$work/marked"
	"${as[@]}" "$medio" run -q -d "edu,uuid=$uuid" -- sh -c "exec $work/marked \$group \$uuid 4 100000000" >"$work/out" 2>&1 &
	pid=$!
	until program=$(pgrep -f "^$work/marked" | head -n 1) && [ -n "$program" ] || [ "$tries" -gt 600 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
	sleep 0.3
	case $1 in
	program) kill -9 "$program" ;;
	medio) pkill -9 -f "^$medio run -q -d edu,uuid=$uuid" ;;
	esac
	wait "$pid"
	nobody_is_left
}

everything() {
	local who=$1

	check "$who: a program's exit status" exits 7 -q -d mtty-2 -- sh -c 'exit 7'
	check "$who: and its end by a signal" exits 137 -q -d mtty-2 -- sh -c 'kill -9 $$'
	check "$who: the machine is as it was" unchanged
	check "$who: a mediated device is where the kernel has them" tells "/devices/.*/$uuid\$" -q -d "mtty-2,uuid=$uuid" -- \
		sh -c 'realpath $sysfsdev && [ "$(realpath $sysfsdev/subsystem)" = /sys/bus/mdev ]'
	check "$who: a static program with raw calls, a mediated device" tests_pass runs -q -d "edu,uuid=$uuid,dma-time=1ms" -- \
		sh -c "$raw \$group \$uuid"
	check "$who: the same, a PCI device with mapped registers" tests_pass runs -q -d "edu,bdf=$bdf,dma-time=1ms" -- \
		sh -c "$raw \$group \$bdf"
	if [ "$who" = root ] && unshare --pid --fork true 2>/dev/null; then
		check "$who: the same, where its threads call themselves by other numbers" tests_pass runs -q \
			-d "edu,bdf=$bdf,dma-time=1ms" -- sh -c "exec unshare --pid --fork $raw \$group \$bdf"
	fi
	check "$who: a UIO program" tests_pass runs -q -d "edu,bdf=$bdf,as=uio" -- sh -c "$uio \$uio"
	check "$who: a UIO program that was left behind" left_behind
	check "$who: a driver of a disk, all in memory, through its group" copies_disk group
	check "$who: the same, through /dev/iommu" copies_disk device
	check "$who: who waits for a UIO device is not disturbed" tests_pass runs -q -d "edu,bdf=$bdf,as=uio" \
		-d "edu,bdf=0000:00:1e.1" -- sh -c "$waiter \$uio \$bdf1"
	check "$who: medio check, of a PCI device" check_is_content "edu,bdf=$bdf"
	check "$who: medio check, of that one" check_is_content "edu,bdf=$bdf" "$bdf"
	check "$who: medio check, of a mediated device" check_is_content "edu,uuid=$uuid"
	check "$who: medio check, of a UIO device" check_is_content "edu,bdf=$bdf,as=uio"
	check "$who: medio check, of that one" check_is_content "edu,bdf=$bdf,as=uio" "$bdf"
	check "$who: and of two programs at once" check_tells_programs_apart
	check "$who: 64 threads" tests_pass runs -q -d "edu,uuid=$uuid" -- sh -c "$hammer \$group \$uuid 64 5"
	check "$who: exec() while threads map" tests_pass runs -q -d "edu,bdf=$bdf" -- sh -c "$execs \$group \$bdf 20"
	check "$who: a rude program" tests_pass runs -q -d "edu,bdf=$bdf" --filter delay:read=1s -- \
		sh -c "$rude \$group \$bdf \$sysfsdev"
	for way in vfio iommufd; do
		check "$who: our driver over $way:, registers" tells '^edu version 1.0, BAR 0 of 1048576 bytes' \
			-q -d "edu,bdf=$bdf,dma-time=1ms" -- "$try" "$way:$bdf" identify
		check "$who: our driver over $way:, MSI" tells '^12 factorials, 12 interrupts' \
			-q -d "edu,bdf=$bdf,dma-time=1ms" -- "$try" "$way:$bdf" msi 12
		check "$who: our driver over $way:, INTx" tells '^12 factorials, 12 interrupts' \
			-q -d "edu,bdf=$bdf,dma-time=1ms" -- "$try" "$way:$bdf" intx 12
		check "$who: our driver over $way:, DMA" tells 'checksum ([0-9a-f]*) \1, 4 interrupts' \
			-q -d "edu,bdf=$bdf,dma-time=1ms" -- "$try" "$way:$bdf" dma
	done
	check "$who: our driver over uio:" tells '^12 factorials, 12 interrupts' \
		-q -d "edu,bdf=$bdf,as=uio" -- "$try" "uio:$bdf" intx 12
	check "$who: the story is told" tells 'mapped at iova 0x100000' --trace -q -d "edu,uuid=$uuid,dma-time=1ms" -- \
		sh -c "$raw \$group \$uuid"
	check "$who: from the container" holds 'the container.s IOMMU is type1 v2'
	check "$who: to the interrupt" holds 'MSI vector 0 wired to an eventfd'
	check "$who: as JSON too" tells '^\{"thread":[0-9]+,"call":"ioctl","ret":0,"words":"the group joins a container"\}$' \
		--trace --json -q -d "edu,uuid=$uuid,dma-time=1ms" -- sh -c "$raw \$group \$uuid"
	check "$who: a program that is killed leaves nothing" dies program
	check "$who: nor does medio" dies medio
}

# An instance of mediod's, and the same by its socket.
of_mediod() {
	local run=$work/run pid tries=0 status=0

	mkdir "$run"
	"$(dirname "$medio")/mediod" --parent edu --runtime-dir "$run" >"$work/mediod.log" 2>&1 &
	pid=$!
	until [ -S "$run/control" ] || [ "$tries" -gt 1200 ]; do
		tries=$((tries + 1))
		sleep 0.05
	done
	export MEDIO_RUNTIME_DIR=$run
	answer=$("$medio" start edu dma-time=1ms --uuid "$uuid" 2>&1) &&
		tests_pass runs -q --uuid "$uuid" -- sh -c "$raw \$group \$uuid" &&
		tests_pass runs -q -d "vfio-user:$run/$uuid/vfio-user.sock,bdf=$bdf" -- sh -c "$raw \$group \$bdf" || status=$?
	unset MEDIO_RUNTIME_DIR
	kill "$pid"
	wait "$pid"
	return "$status"
}

check "no device is a wrong word" exits 2 -- true
check "so is a type that is not" exits 2 -d nothing -- true
check "with words" holds 'unknown type|no type|nothing'
check "an address that is none" refuses 'no PCI address' -d mtty-2,bdf=hello -- true
check "a parameter that the type has not" refuses 'colour' -d mtty-2,colour=red -- true
check "a program that is not there" refuses 'No such file' -d mtty-2 -- /nowhere/to/be/found
check "an instance of mediod's, by its UUID and by its socket" of_mediod
everything root
if nobody; then
	everything "somebody else"
else
	checks=$((checks + 1))
	echo "ok $checks - as somebody else # SKIP setpriv is not there, or he could not read these programs"
fi
check_finish
