# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-3-Clause
# Devices over vhost-user, in guests of two QEMUs: the bed's own, and the one of this machine's Debian release where the bed has
# it. To be sourced after serve.sh, whose serve() and has_device() it makes anew: the device is QEMU's own, and medio is what
# is behind its socket.
#
#   vhost_peers PART…      for each QEMU: with_PART; $peer is "QEMU 7.2" or so, $older is yes before QEMU 10
#   serve NAME TYPE ARG…   as before; where $listens has the NAME, QEMU listens and medio comes;
#                          where $lasts has it, QEMU does not know how to connect again
#   has_device NAME SLOT   asks the test's vhost_device NAME ADDR for QEMU's words, added to $qemu_devices
#   serve_again NAME       kill -9 of what serves it, and at once another
#   guest_reset            by QEMU, whatever the guest does
guest_ram=(-object "memory-backend-memfd,id=mem,size=256M,share=on")
declare -A pid_of listens lasts
newest_monitor=("${guest_monitor[@]}")
again= # how a chardev connects again, in this QEMU's words

serve() {
	local name=$1 type=$2 args=() tries=0

	shift 2
	socket=$work/$name.sock
	if [ -n "${listens[$name]:-}" ]; then
		args=(--connect)
	else
		rm -f "$socket"
	fi
	"$medio" serve "$type" "$@" --as vhost-user "${args[@]}" --socket "$socket" >>"$work/$name.out" 2>>"$work/$name.err" &
	pid_of[$name]=$!
	served=("${pid_of[@]}")
	[ -n "${listens[$name]:-}" ] || socket_is_there "$socket" "${pid_of[$name]}"
}

# What was killed leaves its socket file, which the next replaces.
serve_again() {
	kill -9 "${pid_of[$1]}" || return
	wait "${pid_of[$1]}" 2>/dev/null
	serves "$1"
}

has_device() {
	local way=$again

	[ -z "${lasts[$1]:-}" ] || way=
	[ -z "${listens[$1]:-}" ] || way=server=on,wait=off
	qemu_devices+=(-chardev "socket,id=$1,path=$socket${way:+,$way}")
	vhost_device "$1" "addr=$(printf '%x' "$2").0"
}

guest_reset() {
	qmp system_reset && guest_wait_ready
}

# use_peer QEMU VERSION
use_peer() {
	qemu=$1 peer="QEMU ${2%.*}"
	again=reconnect-ms=100 older=no
	guest_monitor=("${newest_monitor[@]}")
	if [ "${2%%.*}" -lt 10 ]; then
		again=reconnect=1 older=yes
		guest_monitor=("${newest_monitor[@]:0:2}" -mon "chardev=mon,mode=control")
	fi
}

qemu_version() {
	"$1" --version | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p'
}

vhost_peers() {
	local part version

	for version in bed own; do
		if [ "$version" = bed ]; then
			use_peer "$bed/qemu-system-x86_64" "$(qemu_version "$bed/qemu-system-x86_64")"
		elif [ -s "$bed/own/version" ]; then
			use_peer "$bed/own/qemu-system-x86_64" "$(cat "$bed/own/version")"
		else
			checks=$((checks + 1))
			echo "ok $checks - the QEMU of this machine's release # SKIP it is not in the bed; run script/guest-bed"
			continue
		fi
		for part; do
			"with_$part"
			guest_drop
			serve_end
			pid_of=()
			listens=() lasts=()
			rm -f "$work"/*.sock
		done
	done
	check_finish
}
