#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# shellcheck disable=SC2016 # some dollars are for another shell, or later
# SPDX-License-Identifier: BSD-3-Clause
# test_mediod.sh MEDIOD MEDIO: a life of mediod in short. What it says, settings read again, a client that
# stays while worker and mediod are killed or replaced, metrics, systemd's part, and that nothing is left.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
command -v python3 >/dev/null || skip_all "a stand-in for systemd needs python3"
! "$mediod" --version | grep -q 'without.*tree' || skip_all "this build has no tree"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001
parent=$run/sys/class/mdev_bus/mtty
device=$run/sys/bus/mdev/devices/$uuid
config=$work/mediod.conf

creates() {
	said sh -c 'echo "$1" >"$2"' - "$1" "$parent/mdev_supported_types/mtty-2/create"
}

value() {
	answer=$(cat "$1" 2>&1)
	[ "$answer" = "$2" ]
}

logged() {
	answer=$(tail -n 50 "$work/mediod.err")
	holds "$1"
}

# ---- A client ---------------------------------------------------------------------------------------------

# A person at the console of port 0: what he types comes back, for mtty echoes.
console_comes() {
	rm -f "$work/typed"
	mkfifo "$work/typed"
	: >|"$work/seen"
	# For both ways, so that opening it waits for nobody.
	exec 7<>"$work/typed"
	"$medio" console "$uuid" <"$work/typed" >"$work/seen" 2>"$work/console.err" 7>&- &
	console_pid=$!
	console_echoes hello
}

has_seen() {
	grep -q "$1" "$work/seen"
}

console_echoes() {
	printf '%s\n' "$1" >&7
	settles has_seen "$1" && return
	answer=$(cat "$work/seen" "$work/console.err")
	return 1
}

console_runs() {
	kill -0 "$console_pid" 2>/dev/null
}

console_ends() {
	settles eval '! console_runs'
	local ended=$?
	console_runs && kill -KILL "$console_pid"
	wait "$console_pid" 2>/dev/null
	exec 7>&-
	return "$ended"
}

# ---- Beginning --------------------------------------------------------------------------------------------

# The kernel has EIO for the one too, while nobody has set it.
all_can_be_read() {
	answer=$(find "$run/sys" -type f -perm -u+r ! -name autosuspend_delay_ms -exec cat {} + 2>&1 >/dev/null)
	[ -z "$answer" ]
}

ready_line_is_json() {
	settles grep -q '^{' "$work/mediod.out" || return
	answer=$(python3 -c 'import json, sys
doc = json.loads(sys.stdin.readline())
run = sys.argv[1]
assert doc["tree"] == run + "/sys" and doc["control"] == run + "/control", doc
assert doc["pid"] == int(sys.argv[2]) and doc["metrics"] in (None, "unix:" + run + "/metrics"), doc
assert [p["name"] for p in doc["parents"]] == ["mtty"], doc' "$run" "$mediod_pid" 2>&1 <"$work/mediod.out")
}

begins() {
	cat >"$config" <<-CONF
		[daemon]
		grace = 20s
		metrics = unix:$run/metrics
		[parent mtty]
		ports = 10
	CONF
	check "a configuration is checked" said "$mediod" --check --config "$config"
	check "mediod starts" daemon_start --config "$config" --json || check_finish
	check "- and says so" settles logged 'ready: tree '"$run"'/sys, .*mtty \(mtty-1, mtty-2'
	check "- to programs too" ready_line_is_json
	check "- with the parent's parameter" value \
		"$parent/mdev_supported_types/mtty-2/available_instances" 5
	check "a second mediod is refused" refused 'replace' "$mediod" --runtime-dir "$run"
	check "an instance is made in the tree" creates "$uuid"
	check "- its socket is there" test -S "$run/$uuid/vfio-user.sock"
	check "- it runs" value "$device/medio/state" running
	check "all of the tree can be read" all_can_be_read
	check "medio lists it" said "$medio" list
	check "- by its UUID" holds "$uuid"
	check "medio lspci shows it" said "$medio" lspci "$uuid"
	check "- a serial card" holds "^$uuid Serial controller: "
}

# ---- Settings, read again ---------------------------------------------------------------------------------

reloads() {
	local available=$parent/mdev_supported_types/mtty-1/available_instances

	sed -i 's/ports = 10/ports = 7/' "$config"
	kill -HUP "$mediod_pid"
	check "a reload changes the parent" settles value "$available" 5
	check "- and drops nothing" console_echoes reloaded
	sed -i 's/ports = 7/portz = 7/' "$config"
	kill -HUP "$mediod_pid"
	check "a wrong word is told with its line" settles logged "mediod.conf:5: .*portz"
	check "- and changes nothing" value "$available" 5
	check "--check says the same" refused "mediod.conf:5: .*portz.*ports" "$mediod" --check --config "$config"
	sed -i 's/portz = 7/ports = 10/' "$config"
	kill -HUP "$mediod_pid"
	check "it is mended" settles value "$available" 8
	check "- and still nobody noticed" console_echoes mended
}

# ---- Deaths -------------------------------------------------------------------------------------------------

runs_again() {
	value "$device/medio/state" running && [ "$(cat "$device/medio/pid")" != "$1" ]
}

deaths() {
	local old

	daemon_kill
	check "a killed mediod's client goes on" console_echoes orphaned
	check "another mediod finds it all" daemon_start --config "$config"
	check "- the instance" settles value "$device/medio/state" running
	check "- and who has it" value "$device/medio/client" "$console_pid 0"
	check "- who notices nothing" console_echoes adopted

	old=$mediod_pid
	check "a new mediod replaces it" daemon_replace
	check "- which has ended in order" wait "$old"
	check "- with the instance" value "$device/medio/state" running
	check "- and its client" console_echoes replaced

	old=$(cat "$device/medio/pid")
	kill -KILL "$old"
	check "a killed worker's client sees an end" console_ends
	check "another runs the instance" settles runs_again "$old"
	check "- and serves another client" console_comes
}

daemon_replace() {
	local lines

	lines=$(grep -c 'ready: ' "$work/mediod.err")
	"$mediod" --runtime-dir "$run" --definitions "$definitions" --config "$config" --replace \
		>>"$work/mediod.out" 2>>"$work/mediod.err" </dev/null &
	mediod_pid=$!
	settles is_ready_again "$lines" && kill -0 "$mediod_pid"
}

is_ready_again() {
	[ "$(grep -c 'ready: ' "$work/mediod.err")" -gt "$1" ] && daemon_ready
}

# ---- Metrics ------------------------------------------------------------------------------------------------

fetch() {
	curl --silent --show-error --max-time 5 --unix-socket "$run/metrics" "$@"
}

metrics() {
	if ! command -v curl >/dev/null || "$mediod" --version | grep -q 'without.*metrics'; then
		echo "# metrics are left out: no curl, or no libmicrohttpd"
		return
	fi
	check "metrics are for the group" value <(stat -c '%a %G' "$run/metrics") '660 root'
	# More than it takes come and go; one that sends half a request and one that reads nothing stay.
	partner python3 -c 'import socket, sys
def come():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s
crowd = [come() for _ in range(30)]
for s in crowd:
    s.close()
half, deaf = come(), come()
half.send(b"GET /metr")
deaf.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
print("there", flush=True)
sys.stdin.read()' "$run/metrics"
	check "metrics are given, whoever dawdles" said fetch http://localhost/metrics
	check "- the instance" holds '^medio_instances\{parent="mtty",type="mtty-2"\} 1$'
	check "- its messages" holds "^medio_messages_total\{uuid=\"$uuid\",.*\} [1-9]"
	check "- its client" holds "^medio_client_connected\{uuid=\"$uuid\",.*\} 1$"
	check "- its worker" holds '^medio_worker_resident_memory_bytes\{pid="[0-9]+"\} [1-9]'
	check "- to the end" holds '^# EOF$'
	check "- in the older format too" said fetch --include -H 'Accept: text/plain' http://localhost/metrics
	check "- by its name" holds '^Content-Type: text/plain; version=0.0.4'
	check "HEAD has no text" said fetch --head http://localhost/metrics
	check "- but a type" holds '^Content-Type: application/openmetrics-text; version=1.0.0'
	check "nothing else is at home" refused '404' fetch --fail http://localhost/passwd
	check "nothing is taken" refused '405' fetch --fail -d x http://localhost/metrics
	check "the console is not delayed" console_echoes busy
	kill "$partner_pid"
}

# ---- systemd's part -----------------------------------------------------------------------------------------

# Starts mediod as systemd does: with the control socket as descriptor 3, and somebody to notify.
as_systemd() {
	python3 - "$run" "$mediod" --runtime-dir "$run" --definitions "$definitions" --no-tree <<-'PYTHON'
		import os, signal, socket, sys
		run = sys.argv[1]
		listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		listener.bind(run + "/control")
		listener.listen()
		notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		notify.bind(run + "/notify")
		notify.settimeout(10)
		early = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		early.settimeout(10)
		early.connect(run + "/control")
		early.send(b'{"op":"hello"}\n')
		pid = os.fork()
		if pid == 0:
		    os.dup2(listener.fileno(), 3)
		    os.set_inheritable(3, True) # it may have been 3 already
		    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), NOTIFY_SOCKET=run + "/notify")
		    os.execv(sys.argv[2], sys.argv[2:])
		listener.close()
		def notified(word):
		    said = b""
		    while word not in said:
		        said = notify.recv(4096)
		notified(b"READY=1")
		assert b'"ok":true' in early.recv(65536).replace(b" ", b"")
		os.kill(pid, signal.SIGHUP)
		notified(b"RELOADING=1")
		notified(b"READY=1")
		os.kill(pid, signal.SIGUSR1)
		notified(b"STOPPING=1")
		assert os.waitpid(pid, 0)[1] == 0
		assert os.path.exists(run + "/control"), "the socket is systemd's, not mediod's"
	PYTHON
	local status=$?
	rm -f "$run/control" "$run/notify"
	return "$status"
}

# ---- Ending -------------------------------------------------------------------------------------------------

leaves() {
	kill -USR1 "$mediod_pid"
	check "SIGUSR1 ends mediod" wait "$mediod_pid"
	check "- and the tree" eval '! grep -q "$run/sys" /proc/self/mounts'
	check "- not the client" console_echoes alone
	if "$mediod" --version | grep -q 'without.*systemd'; then
		echo "# systemd's part is left out: no libsystemd"
	else
		check "systemd gives a socket and hears of it" said as_systemd
		check "- the client goes on" console_echoes activated
	fi
	check "mediod starts again" daemon_start --config "$config" --grace 0
	check "- with the client" value "$device/medio/client" "$console_pid 0"
}

nothing_left() {
	answer=$(find "$run" -mindepth 1 ! -path "$run/workers" ! -name lock; workers
		grep -F "$run" /proc/self/mounts)
	[ -z "$answer" ]
}

ends() {
	kill -TERM "$mediod_pid"
	check "SIGTERM asks the client" settles logged 'ending: 1 client is asked'
	check "- and waits for it" console_echoes asked
	check "- the tree is gone" eval '! grep -q "$run/sys" /proc/self/mounts'
	kill -TERM "$mediod_pid"
	check "a second one ends it" wait "$mediod_pid"
	check "- the client sees an end" console_ends
	check "nothing is left" settles nothing_left
	check "no sanitizer had anything to say" eval '! grep -aE "Sanitizer|runtime error" "$work/mediod.err"'
}

begins
check "a client comes" console_comes
reloads
deaths
metrics
leaves
ends
check_finish
