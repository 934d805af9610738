#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are a served command's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_serve_as.sh MEDIO: medio serve --as, as a user meets it: what can be served as what, each refusal, what is said and
# printed, what a command finds, and how it ends.
medio=$(readlink -f "$1")
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/medio-as.XXXXXX")
pids=()
cleanup() {
	[ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1
mkdir run
export XDG_RUNTIME_DIR=$work/run
uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa2001

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
}

# refuses CODE WORDS ARG…: it does not start, says why, and leaves nothing behind.
refuses() {
	local code=$1 got

	answer=$(timeout 120 "$medio" serve "${@:3}" 2>&1 </dev/null)
	got=$?
	answer+=$'\n'"[status $got]"
	[ "$got" -eq "$code" ] && holds "$2" && lacks 'is ready' && [ ! -e s ] && [ -z "$(ls run)" ]
}

# finds ARG…: what a command finds in its environment, a line each.
finds() {
	answer=$(timeout 120 "$medio" serve "$@" --quiet --run 'env | grep -E "^(type|uuid|as|socket|uri|qemu_device|queues|queue_size|path|attach|detach|device)="' 2>&1) &&
		[ -z "$(ls run)" ]
}

# starts ARG…: in the background; $answer is what it said by the time that it was ready.
starts() {
	local i

	# Of a check that failed.
	[ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	rm -f s
	: >out
	"$medio" serve "$@" >>out 2>&1 &
	pids=($!)
	for ((i = 0; i < 200; i++)); do
		answer=$(<out)
		[[ $answer != *' is ready '* && $answer != '{'*'}' ]] || return 0
		kill -0 "${pids[0]}" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

# ends SIGNAL: it does so, with success, and its socket goes with it.
ends() {
	local status

	kill "-$1" "${pids[0]}"
	wait "${pids[0]}"
	status=$?
	pids=()
	answer="$(<out)"$'\n'"[status $status]"
	[ "$status" -eq 0 ] && [ ! -e s ]
}

as_json() {
	python3 -c 'import json, sys
it = json.loads(sys.stdin.read())
assert eval(sys.argv[1]), it' "$1" <<<"$answer"
}

disk=(virtio-blk mem=1M)
vhost=(--as vhost-user --socket s)

# ---- What can be served as what ---------------------------------------------------------------------------

check "a type that is no virtio device" refuses 2 'edu cannot be served as vhost-user, which carries virtio devices; it can be served as vfio-user$' edu "${vhost[@]}"
check "one that VDUSE does not carry" refuses 2 'virtio-console cannot be served as vduse, .* it can be served as vfio-user or vhost-user$' virtio-console --as vduse=x
check "what there is not" refuses 2 'no such thing; virtio-net can be served as vfio-user, vhost-user or vduse=NAME$' virtio-net --as virtio
check "nothing" refuses 2 'no such thing' "${disk[@]}" --as '' --socket s
check "vduse without a name" refuses 2 'needs a name: --as vduse=NAME' "${disk[@]}" --as vduse
check "vduse with an empty name" refuses 2 'a name has 1 to' "${disk[@]}" --as vduse=
check "vduse with a name that a shell would not take" refuses 2 'a name has 1 to' "${disk[@]}" --as 'vduse=a b'
check "vduse with a path" refuses 2 'a name has 1 to' "${disk[@]}" --as vduse=../x
check "vhost-user with a name" refuses 2 'takes nothing behind it' "${disk[@]}" --as vhost-user=x --socket s
check "a type that there is not comes first" refuses 2 "did you mean 'virtio-blk'" virtio-bkl --as nonsense

# ---- What goes with it ------------------------------------------------------------------------------------

check "vhost-user without a socket or a command" refuses 2 'say where to serve' "${disk[@]}" --as vhost-user
check "a filter before a device without registers" refuses 2 '--filter does not go with --as vhost-user: filters stand' "${disk[@]}" "${vhost[@]}" --filter trace
check "and for the kernel" refuses 2 '--filter does not go with --as vduse' "${disk[@]}" --as vduse=x --filter trace
check "--max-xfer" refuses 2 '--max-xfer does not go with --as vhost-user' "${disk[@]}" "${vhost[@]}" --max-xfer 8192
check "--connect with vfio-user" refuses 2 '--connect does not go with --as vfio-user' "${disk[@]}" --socket s --connect
check "--connect with vduse" refuses 2 '--connect does not go with --as vduse' "${disk[@]}" --as vduse=x --connect
check "--attach with vhost-user" refuses 2 '--attach does not go with --as vhost-user' "${disk[@]}" "${vhost[@]}" --attach
check "--attach with vfio-user" refuses 2 '--attach does not go with --as vfio-user' "${disk[@]}" --socket s --attach
check "--socket with vduse" refuses 2 '--socket does not go with --as vduse' "${disk[@]}" --as vduse=x --socket s
check "--once with vduse" refuses 2 '--once does not go with --as vduse' "${disk[@]}" --as vduse=x --once
check "--timeout with vduse" refuses 2 '--timeout does not go with --as vduse' "${disk[@]}" --as vduse=x --timeout 100
check "a path that is too long" refuses 2 'at most 107' "${disk[@]}" --as vhost-user --socket "$work/$(printf 'x%.0s' {1..120})"
check "one that a shell would split" refuses 2 'has a blank in it' "${disk[@]}" --as vhost-user --socket 's s' --run true
check "a folder that there is not" refuses 1 'no/where' "${disk[@]}" --as vhost-user --socket no/where
check "a parameter that there is not" refuses 2 'sizes' virtio-blk sizes=1 "${vhost[@]}"

# ---- What a command finds, and what is printed ------------------------------------------------------------

id=medio-${uuid%%-*}
finds_disk() {
	finds "${disk[@]}" num-queues=3 --as vhost-user --uuid "$uuid" &&
		holds '^type=virtio-blk$' && holds "^uuid=$uuid\$" && holds '^as=vhost-user$' &&
		holds "^socket=$work/run/medio-.*/vhost-user.sock\$" && holds '^queues=3$' && holds '^queue_size=256$' && lacks '^uri=' &&
		holds "^qemu_device=-chardev socket,id=$id,path=$work/run/medio-[^/]*/vhost-user.sock -device vhost-user-blk-pci,chardev=$id,num-queues=3,queue-size=256\$"
}
finds_net() {
	finds virtio-net null=on mac=52:54:00:12:34:56 queue-pairs=2 --as vhost-user --uuid "$uuid" &&
		holds "^qemu_device=.* -netdev vhost-user,id=$id,chardev=$id,queues=2 -device virtio-net-pci,netdev=$id,mac=52:54:00:12:34:56,mq=on,vectors=6\$"
}
finds_scsi() {
	finds virtio-scsi lun0=mem:1M num-queues=2 queue-size=64 --as vhost-user --uuid "$uuid" &&
		holds "^qemu_device=.* -device vhost-user-scsi-pci,chardev=$id,num_queues=2,virtqueue_size=64\$"
}
finds_rng() {
	finds virtio-rng --as vhost-user --uuid "$uuid" && holds "^qemu_device=.* -device vhost-user-rng-pci,chardev=$id\$"
}
finds_console() {
	finds virtio-console port0=null --as vhost-user && holds '^queues=2$' && lacks '^qemu_device='
}
finds_card() {
	finds "${disk[@]}" && holds '^as=vfio-user$' && holds '^uri=vfio-user:.*/vfio-user.sock$' &&
		holds '^qemu_device=-device \{"driver":"vfio-user-pci"' && lacks '^queues='
}
finds_listener() {
	finds "${disk[@]}" --as vhost-user --connect && holds '^qemu_device=-chardev socket,id=.*/vhost-user.sock,server=on -device'
}
doubles_commas() {
	answer=$("$medio" serve "${disk[@]}" --as vhost-user --quiet --socket 'a,b' --run 'echo "$qemu_device"' 2>&1) && holds ',path=a,,b '
}
passes_status() {
	"$medio" serve "${disk[@]}" --as vhost-user --run 'exit 7'
	[ $? -eq 7 ]
}
prints_json() {
	starts "${disk[@]}" "${vhost[@]}" --json --uuid "$uuid" && as_json 'it["type"] == "virtio-blk" and it["uuid"] == "'"$uuid"'" and it["as"] == "vhost-user" and it["socket"] == "s" and it["queues"] == 4 and "vhost-user-blk-pci" in it["qemu_device"] and "uri" not in it' &&
		ends TERM
}
prints_types() {
	answer=$("$medio" types --builtin --json) &&
		as_json '{t["name"]: t["as"] for p in it["parents"] for t in p["types"] if t["name"] in ("edu", "virtio-blk", "virtio-rng")} == {"edu": ["vfio-user"], "virtio-blk": ["vfio-user", "vhost-user", "vduse"], "virtio-rng": ["vfio-user", "vhost-user"]}' &&
		answer=$("$medio" types --builtin virtio-scsi) && holds 'served as vfio-user, vhost-user$' && lacks '^Filters' && lacks 'virtio-rng' &&
		! answer=$("$medio" types --builtin virtio-scs 2>&1) && holds "did you mean 'virtio-scsi'"
}

check "a disk, and QEMU's words for it" finds_disk
check "a network card with two pairs of queues" finds_net
check "SCSI disks" finds_scsi
check "random numbers" finds_rng
check "a console, which QEMU has nothing for" finds_console
check "without --as it is a card" finds_card
check "--connect: it is QEMU that listens" finds_listener
check "a comma in a path stands twice for QEMU" doubles_commas
check "the command's status is medio's" passes_status
check "--json" prints_json
check "medio types says what can be served as what" prints_types

# ---- From start to end ------------------------------------------------------------------------------------

says_ready() {
	starts "${disk[@]}" "${vhost[@]}" && holds 'virtio-blk \(Virtio disk\) .* is ready at s$' && [ -S s ] && [ "$(stat -c %a s)" = 600 ] &&
		lacks 'for QEMU'
}
second_refused() {
	! answer=$(timeout 120 "$medio" serve "${disk[@]}" "${vhost[@]}" 2>&1) && lacks 'is ready' && [ -S s ]
}
after_kill() {
	starts "${disk[@]}" "${vhost[@]}" || return
	kill -KILL "${pids[0]}"
	wait "${pids[0]}" 2>/dev/null
	pids=()
	[ -S s ] && mv s left && starts "${disk[@]}" --as vhost-user --socket left && kill "${pids[0]}" && wait "${pids[0]}" && pids=() && [ ! -e left ]
}
is_quiet() {
	answer=$("$medio" serve "${disk[@]}" "${vhost[@]}" --quiet --run true 2>&1) && [ -z "$answer" ]
}
connects() {
	starts "${disk[@]}" "${vhost[@]}" --connect && holds 'is ready and connects to s$' && [ ! -e s ] || return
	# Somebody listens late; who comes speaks only when spoken to.
	answer=$(timeout 120 python3 -c 'import socket, struct
s = socket.socket(socket.AF_UNIX); s.bind("s"); s.listen()
for i in range(2):
    c, _ = s.accept()
    c.sendall(struct.pack("<III", 1, 1, 0))
    print("features", hex(struct.unpack("<IIIQ", c.recv(20))[3] >> 32 & 1))
    c.close()
' 2>&1) && [ "$(grep -c 'features 0x1' <<<"$answer")" -eq 2 ] && rm -f s && ends INT
}
once() {
	starts "${disk[@]}" "${vhost[@]}" --once || return
	answer=$(timeout 120 python3 -c 'import socket, struct
c = socket.socket(socket.AF_UNIX); c.connect("s")
c.sendall(struct.pack("<III", 1, 1, 0)); c.recv(20)' 2>&1) && wait "${pids[0]}" && pids=() && [ ! -e s ]
}
keeps_foreign_socket() {
	# With --connect the socket is somebody else's, and stays.
	python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind("theirs")'
	"$medio" serve "${disk[@]}" --as vhost-user --connect --socket theirs --quiet --run true 2>/dev/null && [ -S theirs ]
}
no_vduse() {
	[ ! -e /dev/vduse/control ] || return 0 # then it would be made
	refuses 1 '/dev/vduse/control' "${disk[@]}" --as vduse=medio-test
}

check "it says that it is ready, and where" says_ready
check "a second one at the same socket is refused" second_refused
check "it ends by SIGTERM, and its socket goes" ends TERM
check "the socket of one that was killed is taken over" after_kill
check "--quiet" is_quiet
check "--connect: who listens late is found, and again when he is back" connects
check "--connect leaves the socket of who listens" keeps_foreign_socket
check "--once" once
check "a machine without VDUSE: what is missing is said" no_vduse
check_finish
