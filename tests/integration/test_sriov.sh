#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# shellcheck disable=SC2016 # some dollars are for another shell, or later
# SPDX-License-Identifier: BSD-3-Clause
# test_sriov.sh MEDIOD MEDIO: a card with virtual functions, in mediod and in medio serve. The files of its folder
# and their errno, links, users who are asked to let go, workers and mediods that are killed, and many rounds.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
! "$mediod" --version | grep -q 'without.*tree' || skip_all "this build has no tree"
daemon_alone "$0" "$@"

rounds=100
export medio
[ "${MEDIO_TEST_FULL:-}" != 1 ] || rounds=10000

parent=$run/sys/devices/virtual/nic/nic
types=$parent/mdev_supported_types
card= # nic0's folder

find_card() {
	local uuid

	uuid=$("$medio" list --json nic0 | sed -n 's/.*"uuid": *"\([^"]*\)".*/\1/p')
	card=$parent/$uuid
	[ -n "$uuid" ] && [ -d "$card" ]
}

value() {
	answer=$(cat "$1" 2>&1)
	[ "$answer" = "$2" ]
}

mode() {
	answer=$(stat -c %a "$1" 2>&1)
	[ "$answer" = "$2" ]
}

# sets TEXT PATTERN: what a shell says to `echo TEXT > sriov_numvfs`; ok: nothing.
sets() {
	said bash -c 'echo "$1" >"$2"' - "$1" "$card/sriov_numvfs"
	local status=$?
	[ "$2" = ok ] && return "$status"
	[ "$status" -ne 0 ] && holds "$2"
}

has_vfs() {
	local count

	count=$(find "$card" -maxdepth 1 -name 'virtfn*' | wc -l)
	answer="$count links, sriov_numvfs $(cat "$card/sriov_numvfs" 2>&1)"
	[ "$count" = "$1" ] && [ "$(cat "$card/sriov_numvfs")" = "$1" ]
}

vf_socket() {
	cat "$card/virtfn$1/medio/socket"
}

# ---- The files ----------------------------------------------------------------------------------------------

begins() {
	daemon_start --parent nic,vfs=8,null=on && settles find_card
}

files_are_there() {
	value "$card/sriov_totalvfs" 8 && value "$card/sriov_numvfs" 0 && value "$card/sriov_offset" 1 &&
		value "$card/sriov_stride" 1 && value "$card/sriov_drivers_autoprobe" 1 &&
		value "$card/sriov_vf_device" 1041 && mode "$card/sriov_numvfs" 644 &&
		mode "$card/sriov_drivers_autoprobe" 644 && mode "$card/sriov_totalvfs" 444 &&
		mode "$card/sriov_vf_device" 444
}

# Linux drivers/pci/iov.c, sriov_numvfs_store(); lib/kstrtox.c.
errno_is_the_kernels() {
	sets x 'Invalid argument' && sets -1 'Invalid argument' && sets '' 'Invalid argument' &&
		sets 0x 'Invalid argument' && sets '1 2' 'Invalid argument' && sets 08 'Invalid argument' &&
		sets 65536 'out of range' && sets 9 'out of range' && sets 0 ok && has_vfs 0 &&
		sets +3 ok && has_vfs 3 && sets 3 ok && sets 0x3 ok && sets 4 'resource busy' &&
		sets 9 'out of range' && sets x 'Invalid argument' && has_vfs 3 && sets 0 ok && has_vfs 0 &&
		sets 010 ok && has_vfs 8 && sets 00 ok && has_vfs 0
}

links_lead_there_and_back() {
	local n vf

	sets 4 ok || return
	for n in 0 1 2 3; do
		vf=$card/virtfn$n
		answer="virtfn$n: $(readlink "$vf") $(readlink "$vf/physfn") $(ls "$vf" 2>&1)"
		[[ $(readlink "$vf") = ../????????-????-5* ]] && [ "$vf/physfn" -ef "$card" ] &&
			[ -L "$vf/iommu_group" ] && [ -S "$(vf_socket "$n")" ] &&
			[ "$(basename "$(readlink "$vf/mdev_type")")" = nic-vf ] &&
			[ ! -e "$vf/sriov_numvfs" ] && [ ! -e "$vf/virtfn0" ] || return
	done
	answer=$(readlink "$card"/virtfn?/iommu_group | sort -u | wc -l)
	[ "$answer" = 4 ] && [ ! -e "$card/physfn" ] && [ ! -e "$card/virtfn4" ]
}

# What they are called follows from their card.
they_come_again_as_the_same() {
	local before after

	before=$(readlink "$card"/virtfn?)
	sets 0 ok && has_vfs 0 && sets 4 ok || return
	after=$(readlink "$card"/virtfn?)
	answer="$before, then $after"
	[ "$before" = "$after" ]
}

nobody_makes_one_by_itself() {
	value "$types/nic-vf/available_instances" 0 || return
	said bash -c 'echo 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 >"$1"' - "$types/nic-vf/create"
	holds 'Too many users' && ! said "$medio" start nic-vf && holds 'sriov_numvfs'
}

nobody_removes_one_by_itself() {
	said bash -c 'echo 1 >"$1"' - "$card/virtfn1/remove"
	holds 'resource busy' && ! said "$medio" stop "$(basename "$(readlink "$card/virtfn1")")" &&
		holds 'medio sriov' && has_vfs 4
}

they_are_devices() {
	local n

	for n in 0 3; do
		said "$medio" lspci "vfio-user:$(vf_socket "$n")" && holds 'Virtio 1.0 network' || return
	done
}

without_autoprobe_they_have_no_driver() {
	local vf

	sets 0 ok && echo 0 >"$card/sriov_drivers_autoprobe" && sets 2 ok && has_vfs 2 || return
	vf=$(basename "$(readlink "$card/virtfn1")")
	answer=$(ls "$card/virtfn1")
	[ ! -e "$card/virtfn1/driver" ] && [ ! -e "$card/virtfn1/iommu_group" ] &&
		[ ! -e "$run/$vf" ] || return
	echo "$vf" >"$run/sys/bus/mdev/drivers/medio-worker/bind" && [ -L "$card/virtfn1/driver" ] &&
		said "$medio" lspci "vfio-user:$(vf_socket 1)" || return
	echo "$vf" >"$run/sys/bus/mdev/drivers/medio-worker/unbind" && [ ! -e "$card/virtfn1/driver" ] &&
		echo "$vf" >"$run/sys/bus/mdev/drivers/medio-worker/bind" &&
		said "$medio" lspci "vfio-user:$(vf_socket 1)" && sets 0 ok &&
		echo y >"$card/sriov_drivers_autoprobe" && value "$card/sriov_drivers_autoprobe" 1 &&
		! said bash -c 'echo maybe >"$1"' - "$card/sriov_drivers_autoprobe" && holds 'Invalid argument'
}

not_for_everybody() {
	said setpriv --reuid=65534 --regid=65534 --clear-groups bash -c 'echo 1 >"$1"' - "$card/sriov_numvfs"
	holds 'denied' && ! said setpriv --reuid=65534 --regid=65534 --clear-groups "$medio" sriov nic0 1 &&
		holds 'owner' && has_vfs 0
}

# ---- The command ---------------------------------------------------------------------------------------------

shown_as_text() {
	said "$medio" sriov nic0 4 && holds '^nic0  4 of 8 virtual functions' && holds '^ 3 ' &&
		said "$medio" sriov nic0 --vf 3 mac=02:00:00:00:00:33 vlan=5 trust=on link=off &&
		holds '^ 3 .* 02:00:00:00:00:33 +5 +- +on +on +off'
}

shown_as_json() {
	said "$medio" sriov --json nic0 && said python3 -c 'import json, sys
card = json.loads(sys.argv[1])
assert card["name"] == "nic0" and card["totalvfs"] == 8 and card["numvfs"] == 4, card
assert [vf["vf"] for vf in card["vfs"]] == [0, 1, 2, 3], card
vf = card["vfs"][3]
assert vf["pf"] == card["uuid"] and vf["type"] == "nic-vf" and vf["settings"]["vlan"] == 5, vf
assert len({vf["group"] for vf in card["vfs"]} | {card["group"]}) == 5, card
' "$answer"
}

refused_in_words() {
	! said "$medio" sriov nic0 5 && holds 'through 0' && ! said "$medio" sriov nic0 9 &&
		holds 'allowed are 0 to 8' && ! said "$medio" sriov nic0 --vf 8 vlan=1 && holds '0 to 7' &&
		! said "$medio" sriov nic0 --vf 1 vlan=4095 && holds '0 \(none\) to 4094' &&
		! said "$medio" sriov nic0 --vf 1 speed=3 && holds 'Known: mac' &&
		! said "$medio" sriov nic7 && ! said "$medio" sriov nic0 two && holds 'no number' &&
		said "$medio" sriov --force nic0 5 && holds '5 of 8' && said "$medio" list && holds ' nic0 4$'
}

# ---- Users ---------------------------------------------------------------------------------------------------

# One who waits to be asked, and then goes.
user_comes() {
	"$medio" irq --watch --index req --count 1 "vfio-user:$(vf_socket "$1")" >"$work/irq.out" 2>&1 &
	user_pid=$!
	settles has_client "$1"
}

has_client() {
	answer=$(cat "$card/virtfn$1/medio/client" "$work/irq.out" 2>&1)
	[ "$(cut -d' ' -f1 "$card/virtfn$1/medio/client")" = "$user_pid" ]
}

user_lives() {
	kill -0 "$user_pid" 2>/dev/null
}

users_are_asked() {
	user_comes 2 && sets 0 ok && has_vfs 0 && settles eval '! user_lives' &&
		wait "$user_pid"
	answer=$(tail -n 5 "$work/mediod.err")
	holds 'is in use; its user is asked'
}

# ---- Deaths ----------------------------------------------------------------------------------------------------

worker_of() {
	cat "$card/medio/pid"
}

runs_with() {
	[ "$(head -n 1 "$card/medio/state")" = running ] && has_vfs "$1" && [ -e "$card/virtfn$(($1 - 1))" ] &&
		[ "$(head -n 1 "$card/virtfn$(($1 - 1))/medio/state")" = running ]
}

worker_is_killed() {
	local before worker

	sets 3 ok || return
	before=$(readlink "$card"/virtfn?)
	worker=$(worker_of)
	kill -KILL "$worker"
	settles eval '[ -n "$(worker_of)" ] && [ "$(worker_of)" != '"$worker"' ]' && settles runs_with 3 || return
	answer="$before, then $(readlink "$card"/virtfn?)"
	[ "$before" = "$(readlink "$card"/virtfn?)" ] && said "$medio" lspci "vfio-user:$(vf_socket 2)"
}

mediod_is_killed() {
	local worker

	user_comes 1 || return
	worker=$(worker_of)
	daemon_kill
	begins && runs_with 3 && [ "$(worker_of)" = "$worker" ] && has_client 1 && user_lives &&
		said "$medio" lspci "vfio-user:$(vf_socket 0)" && sets 0 ok && has_vfs 0 && settles eval '! user_lives'
}

both_are_killed() {
	sets 5 ok || return
	local worker
	worker=$(worker_of)
	daemon_kill
	kill -KILL "$worker"
	begins && settles runs_with 5 && said "$medio" lspci "vfio-user:$(vf_socket 4)" && sets 0 ok && has_vfs 0
}

# ---- Many rounds -----------------------------------------------------------------------------------------------

fds_of() {
	find "/proc/$1/fd" -mindepth 1 | wc -l
}

# Somebody looks at all that there is meanwhile.
load_begins() {
	while :; do
		"$medio" lspci "vfio-user:$(cat "$card/medio/socket")" >/dev/null 2>&1
		find "$parent" -name 'sriov_*' -exec cat {} + >/dev/null 2>&1
		"$medio" sriov --json nic0 >/dev/null 2>&1
	done &
	load_pid=$!
}

load_ends() {
	kill "$load_pid"
	wait "$load_pid" 2>/dev/null
	settles eval '! grep -q . "$card/medio/client"'
}

# are_no_more OF_MEDIOD OF_WORKER
are_no_more() {
	[ "$(fds_of "$mediod_pid")" -le "$1" ] && [ "$(fds_of "$(worker_of)")" -le "$2" ]
}

many_rounds() {
	local i fds worker_fds memory after

	sets 8 ok && sets 0 ok || return
	fds=$(fds_of "$mediod_pid") worker_fds=$(fds_of "$(worker_of)") memory=$(memory_of "$(worker_of)" VmRSS)
	load_begins
	for ((i = 0; i < rounds; i++)); do
		if ! sets 8 ok || ! sets 0 ok; then
			break
		fi
	done
	load_ends
	# The last one that looked may not have ended yet.
	settles are_no_more "$fds" "$worker_fds"
	after="$(fds_of "$mediod_pid") $(fds_of "$(worker_of)")"
	answer="$i rounds; descriptors $fds $worker_fds, then $after; KiB $memory, then $(memory_of "$(worker_of)" VmRSS); \
$(find "$run" -maxdepth 1 -name '*-*-*' | wc -l) folders; $answer"
	[ "$i" -eq "$rounds" ] && are_no_more "$fds" "$worker_fds" &&
		{ ! counts_memory || [ "$(memory_of "$(worker_of)" VmRSS)" -lt $((memory + 4096)) ]; } &&
		[ "$(find "$run" -maxdepth 1 -name '*-*-*' | wc -l)" -eq 1 ]
}

# ---- The end ---------------------------------------------------------------------------------------------------

card_goes_with_them() {
	sets 8 ok && user_comes 7 && said "$medio" stop nic0 || return
	answer=$(ls "$parent" "$run")
	[ "$(find "$parent" -maxdepth 1 -name '*-*-*' | wc -l)" -eq 0 ] &&
		[ "$(find "$run" -maxdepth 1 -name '*-*-*' | wc -l)" -eq 0 ] && settles eval '! user_lives'
}

nothing_is_left() {
	daemon_stop
	local status=$?
	answer="status $status; $(workers); $(ls "$run")"
	[ "$status" -eq 0 ] && [ -z "$(workers)" ]
}

ends_with_users_on_them() {
	begins && sets 2 ok && user_comes 0 && nothing_is_left && settles eval '! user_lives'
}

# ---- medio serve -------------------------------------------------------------------------------------------------

serve_has_them() {
	said "$medio" serve nic vfs=4 numvfs=2 null=on --run \
		'"$medio" lspci "$uri" && "$medio" lspci "$vf0_uri" && "$medio" lspci "vfio-user:$vf1_socket" && test -z "${vf2_uri-}"' ||
		return
	! said "$medio" serve nic vfs=4 numvfs=5 null=on --run true && holds 'numvfs=5'
}

serve_with_clients() {
	local line

	mkfifo "$work/serve.out"
	"$medio" serve nic vfs=4 numvfs=3 null=on --socket "$work/s" --json >"$work/serve.out" 2>"$work/serve.err" &
	local serve_pid=$!
	IFS= read -r -t 120 line <"$work/serve.out"
	answer=$line
	holds "\"vf2_socket\":\"$work/s.vf2\"" && [ -S "$work/s.vf0" ] || return
	"$medio" irq --watch --index req "vfio-user:$work/s.vf0" >/dev/null 2>&1 &
	"$medio" irq --watch --index req "vfio-user:$work/s.vf1" >/dev/null 2>&1 &
	said "$medio" lspci "vfio-user:$work/s.vf2" || return
	kill -TERM "$serve_pid"
	wait "$serve_pid" || return
	answer=$(ls "$work"; cat "$work/serve.err")
	[ ! -e "$work/s" ] && [ ! -e "$work/s.vf0" ] && [ ! -e "$work/s.vf2" ]
}

serve_refuses_what_cannot_be() {
	! said "$medio" serve nic numvfs=2 null=on --as vhost-user --socket "$work/v" && holds 'vfio-user'
}

check "a parent that is asked for has its card" begins
check "the files of sysfs, with its modes" files_are_there
check "errno is the kernel's" errno_is_the_kernels
check "links lead to virtual functions and back" links_lead_there_and_back
check "they come again as the same" they_come_again_as_the_same
check "nobody creates one" nobody_makes_one_by_itself
check "nobody removes one" nobody_removes_one_by_itself
check "each is a device" they_are_devices
check "without autoprobe they wait for a driver" without_autoprobe_they_have_no_driver
check "who is not the owner may not" not_for_everybody
check "medio sriov: text" shown_as_text
check "medio sriov: JSON" shown_as_json
check "medio sriov: refusals" refused_in_words
check "users are asked to let go" users_are_asked
check "a killed worker comes back with them" worker_is_killed
check "a killed mediod finds them, and who uses them" mediod_is_killed
check "both killed: they are remembered" both_are_killed
check "$rounds rounds under load leave nothing behind" many_rounds
check "a card goes after its virtual functions" card_goes_with_them
check "nothing is left" nothing_is_left
check "mediod ends while they are used" ends_with_users_on_them
check "medio serve has them" serve_has_them
check "medio serve: a client on each" serve_with_clients
check "medio serve: not without a card" serve_refuses_what_cannot_be
check_finish
