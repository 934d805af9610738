#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# shellcheck disable=SC2016 # some dollars are for another shell, or later
# SPDX-License-Identifier: BSD-3-Clause
# test_commands.sh MEDIOD MEDIO: what somebody does to mediod from a shell: start, stop, list, set, types, monitor,
# top, and devices by their UUID.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
command -v python3 >/dev/null || skip_all "JSON and terminals are looked at with python3"
! "$mediod" --version | grep -q 'without.*tree' || skip_all "this build has no tree"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001

# is WANTED COMMAND...: all that it says on standard output is this.
is() {
	local wanted=$1

	shift
	answer=$("$@" 2>"$work/err")
	[ "$answer" = "$wanted" ]
}

# status N COMMAND...: how it ends.
status() {
	local wanted=$1 got

	shift
	said "$@"
	got=$?
	answer="$answer
status $got"
	[ "$got" -eq "$wanted" ]
}

# json EXPRESSION COMMAND...: of what it prints, `it`, the expression is true.
json() {
	local expression=$1

	shift
	answer=$("$@" 2>&1) && python3 -c 'import json, sys
it = json.loads(sys.argv[2])
sys.exit(not eval(sys.argv[1]))' "$expression" "$answer"
}

# ---- Without a daemon -------------------------------------------------------------------------------------

nobody_there() {
	local command

	for command in "list" "start mtty-1" "stop $uuid" "stop --all" "set $uuid" monitor top; do
		# shellcheck disable=SC2086
		refused "no mediod serves $run/control; 'mediod' starts one" "$medio" $command || return
		holds "^medio ${command%% *}: " || return
	done
}
check "without a daemon each command says how to start one" nobody_there
check "the types built in are listed without a daemon" said "$medio" types
check "they are those of medio" holds '^Parent mtty, 24 of 24 units left:'
check "a device by UUID that is not there is told" refused "no instance $uuid: there is no" "$medio" lspci "$uuid"

# ---- Start, list, stop ------------------------------------------------------------------------------------

daemon_start --parent mtty,ports=4
check "an empty list says so, and how to start something" is "" "$medio" list
answer=$(cat "$work/err")
check "it does so where programs do not look" holds "^medio: no instances; 'medio start TYPE'"
check "the daemon's types are listed" said "$medio" types
check "they have its counts" holds '^Parent mtty, 4 of 4 units left:'
check "medio's own are listed when asked for" said "$medio" types --builtin
check "they have theirs" holds '^Parent mtty, 24 of 24'
check "both have the same form" json \
	'it["parents"][0]["types"][1]["available_instances"] == 2 and it["filters"]' "$medio" types --json
check "an unknown type is told with the nearest" refused "did you mean 'mtty-2'" "$medio" start mtty-22
check "that is a mistake of the command line" status 2 "$medio" start mtty-22
check "a value that cannot be is told" refused "port0: 'bla' is none of" "$medio" start mtty-2 port0=bla
check "what a machine refuses is none" status 1 "$medio" stop "$uuid"

check "start prints the UUID and nothing else" is "$uuid" \
	"$medio" start mtty-2 port1=null --uuid "${uuid^^}" --filter delay:read=1us
check "the same UUID a second time is refused" refused "in use|exists" "$medio" start mtty-1 --uuid "$uuid"
check "a random one is given if none is named" json \
	'len(it["uuid"]) == 36 and it["type"] == "mtty-1"' "$medio" start --json mtty-1
check "units are counted" refused "ports|units|[Nn]o space" "$medio" start mtty-2
check "the list has both" json \
	'[i["type"] for i in it] == ["mtty-2", "mtty-1"]' "$medio" list --json
check "a table has a line for each" is 3 sh -c '"$1" list | wc -l' - "$medio"
check "one is shown in detail" said "$medio" list "$uuid"
check "with its parameters" holds '^  parameters  port1=null'
check "with its filters" holds '^  filters     delay:read=1us'
check "one that is not there is missed" status 1 "$medio" list "$uuid" 83b8f4f2-509f-382f-3c1e-e6bfe0fa1002

# What is to be pasted means, to a shell, an option and its value.
pasteable() {
	eval "set -- $("$medio" list --qemu "$uuid")"
	[ "$#" -eq 2 ] && [ "$1" = -device ] &&
		json "it['socket']['path'] == '$run/$uuid/vfio-user.sock'" printf '%s' "$2"
}
check "QEMU's argument can be pasted" pasteable

# ---- Devices by UUID --------------------------------------------------------------------------------------

check "lspci takes a UUID" said "$medio" lspci -n "${uuid^^}"
check "and reaches that card" holds '0700: 4348:3253'
check "console takes a UUID" is hello sh -c 'printf hello | "$1" console "$2" --linger 300' - "$medio" "$uuid"

# ---- Set --------------------------------------------------------------------------------------------------

check "attributes are changed" said "$medio" set "$uuid" port0=null restart=never mode=0640
check "and read" is "null
never
0640" "$medio" set "$uuid" port0 medio/restart mode
check "a socket's mode is the new one" is 640 stat -c %a "$run/$uuid/vfio-user.sock"
check "all are shown" said "$medio" set "$uuid"
check "with what can be written" holds '^rw params/port0 +null'
check "and what can not" holds "^r  medio/socket +$run/$uuid/vfio-user.sock"
check "an unknown name is told with the nearest" refused "did you mean 'port0'" "$medio" set "$uuid" prt0=1
check "a bad value is told" refused "never, reset, restore" "$medio" set "$uuid" restart=sometimes
check "all are printed as JSON" json \
	'{"attr": "params/port0", "value": "null", "writable": True} in it' "$medio" set --json "$uuid"

# ---- Who --------------------------------------------------------------------------------------------------

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}
check "anybody may look" said as_nobody "$medio" list
check "not anybody may start" refused "may create|[Pp]ermission|not permitted" as_nobody "$medio" start mtty-1
check "not anybody may stop" refused "$uuid: " as_nobody "$medio" stop "$uuid"
check "not anybody may change" refused "[Pp]ermission" as_nobody "$medio" set "$uuid" mode=0666
check "stopping all means one's own" as_nobody "$medio" stop --all
check "others' are still there" json 'len(it) == 2' "$medio" list --json
answer=$(grep -c 65534 "$work/mediod.err")
check "each refusal is in the log" [ "$answer" -ge 3 ]

# ---- Stop -------------------------------------------------------------------------------------------------

# Somebody at the console does not let go by himself: with --now the card is gone from under him.
taken_away() {
	local console

	mkfifo "$work/typed"
	exec 7<>"$work/typed"
	"$medio" console "$uuid" <"$work/typed" >"$work/seen" 2>&1 7>&- &
	console=$!
	settles eval '"$medio" list --json | grep -q "\"client\":{"' || return
	said "$medio" stop --now "$uuid" || return
	exec 7>&-
	! wait "$console"
}
check "an instance is taken from its client" taken_away

# A driver that is asked lets go by itself.
given_back() {
	local one watcher

	one=$("$medio" start mtty-1) || return
	"$medio" irq "$one" --watch >"$work/seen" 2>&1 &
	watcher=$!
	settles eval '"$medio" list --json | grep -q "\"client\":{"' || return
	said "$medio" stop "$one" || return
	! wait "$watcher" || return
	answer=$(cat "$work/seen")
	holds 'somebody wants it back'
}
check "a driver that is asked for it gives it back" given_back
check "UUIDs that were stopped are printed as JSON" json 'len(it) == 1' "$medio" stop --all --json
check "none is left" json 'it == []' "$medio" list --json
check "nothing to stop is no failure" said "$medio" stop --all
check "stop wants to know what" status 2 "$medio" stop

# ---- Monitor ----------------------------------------------------------------------------------------------

# It may not have asked yet: something happens until it has heard of it.
subscribes() {
	"$medio" monitor "$@" >"$work/events" 2>"$work/events.err" &
	monitor_pid=$!
	settles monitor_hears
}

monitor_hears() {
	local probe

	probe=$("$medio" start mtty-1) && "$medio" stop "$probe" && sleep 0.05 && grep -q . "$work/events"
}

events_of() {
	settles grep -q "remove.*$uuid" "$work/events"
	answer=$(grep "$uuid" "$work/events")
}

check "monitor hears of events" subscribes
"$medio" start mtty-1 --uuid "$uuid" >/dev/null
"$medio" stop "$uuid"
check "it tells of a whole life" events_of
answer=$(sed -E 's/^[0-9:.]+  ([a-z]+) .*/\1/' <<<"$answer" | tr '\n' ' ')
check "in order" [ "$answer" = "add bind unbind remove " ]
kill "$monitor_pid"
wait "$monitor_pid" 2>/dev/null

# worker_dies: of the instance, by SIGKILL.
worker_dies() {
	kill -KILL "$("$medio" set "$uuid" pid)"
	settles grep -q 'MEDIO_WORKER.*restarted:reset' "$work/events"
}
subscribes --json
"$medio" start mtty-1 --uuid "$uuid" >/dev/null
check "a worker that dies is an event, and that it was restarted" worker_dies
answer=$(grep -v '^{.*}$' "$work/events")
check "each line is JSON" [ -z "$answer" ]
check "it knows keys of its own" json \
	'it["action"] == "change" and it["env"]["MEDIO_WORKER"] == "died:9" and it["uuid"] == "'$uuid'"' \
	grep -m1 died "$work/events"
kill "$monitor_pid"
wait "$monitor_pid" 2>/dev/null
"$medio" stop "$uuid"

subscribes --properties
check "properties are lines that a shell understands" grep -qx 'MDEV_TYPE=mtty-1' "$work/events"
daemon_stop
wait "$monitor_pid"
answer="status $? $(cat "$work/events.err")"
check "it ends when the daemon goes, and says so" holds "status 1 medio monitor: mediod has gone"

"$medio" monitor --follow --count 4 >"$work/events" 2>/dev/null &
monitor_pid=$!
daemon_start --parent mtty,per-worker=8
# It may have missed the first of them: something happens until it has heard enough.
monitor_ends() {
	monitor_hears
	! kill -0 "$monitor_pid" 2>/dev/null
}
follows() {
	settles monitor_ends && wait "$monitor_pid"
}
check "it follows a daemon that was not there, and ends after as many events as asked for" follows

# ---- Top --------------------------------------------------------------------------------------------------

for _ in 1 2 3; do
	"$medio" start mtty-1 >/dev/null
done
check "top prints a table where there is no terminal" said "$medio" top --count 1 --interval 0.2 --sort uuid
check "it has a line for each" holds '^[0-9a-f-]{36} root +mtty-1 '
answer=$(grep -cE '~[0-9.]+ +~[0-9.]+[KM]$' <<<"$answer")
check "a shared worker is counted once" [ "$answer" -eq 1 ]
check "its JSON has numbers" json \
	'len(it["instances"]) == 3 and all(i["sharing"] == 3 and i["memory_bytes"] > 100000 for i in it["instances"])' \
	"$medio" top --count 1 --interval 0.2 --json
check "an unknown column is told with the nearest" refused "did you mean 'memory'" "$medio" top --sort memry
check "an interval that cannot be is told" refused "0.1 to 3600" "$medio" top --interval 0

cat >"$work/terminal.py" <<'PYTHON'
"""terminal.py COLUMNS KEYS SIGNAL COMMAND...: runs it on a terminal, types KEYS, one a look, sends SIGNAL (0:
none), and prints what it showed and how it left the terminal."""
import fcntl, os, pty, select, struct, sys, termios, time

columns, keys, sig, command = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
shown = b""

def read(fd, until, seconds=10):
    """What it shows, until that has come."""
    global shown
    start, end = len(shown), time.monotonic() + seconds
    while until not in shown[start:] and time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                shown += os.read(fd, 65536)
            except OSError:
                return

main, other = pty.openpty()
fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 12, columns, 0, 0))
before = termios.tcgetattr(other)
pid = os.fork()
if pid == 0:
    os.setsid()
    terminal = os.open(os.ttyname(other), os.O_RDWR)
    for fd in range(3):
        os.dup2(terminal, fd)
    os.execv(command[0], command)
read(main, b"\x1b[J")
for key in keys:
    os.write(main, key.encode())
    read(main, b"\x1b[J" if key != "q" else b"1049l")
if sig:
    os.kill(pid, sig)
read(main, b"1049l")
status = os.waitpid(pid, 0)[1]
print(shown.decode().replace("\x1b", "^"))
print("signal", os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "status", os.WEXITSTATUS(status) if
      os.WIFEXITED(status) else 0, "terminal", "as before" if termios.tcgetattr(other) == before else "changed")
PYTHON
check "on a terminal it takes keys" said python3 "$work/terminal.py" 100 '>rq' 0 "$medio" top
check "and gives the terminal back" holds '^signal 0 status 0 terminal as before$'
check "the title of the column that sorts stands out" holds '\[1;4m  MSG/s'
check "> is for the next one" holds '\[1;4m  DMA/s'
check "also a signal gives the terminal back" said python3 "$work/terminal.py" 60 '' 15 "$medio" top
check "and is what it dies of" holds '^signal 15 status 0 terminal as before$'
check "a narrow terminal has short UUIDs" holds '^[0-9a-f]{8} root'

"$medio" stop --all
daemon_stop
answer=$(find "$run" -mindepth 1 -path "$run/sys" -prune -o -type s -print)
check "no socket is left" [ -z "$answer" ]
check_finish
