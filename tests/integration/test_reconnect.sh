#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# shellcheck disable=SC2016 # some dollars are for eval
# SPDX-License-Identifier: BSD-3-Clause
# test_reconnect.sh MEDIOD MEDIO: a driver, medio console, whose instance's worker is killed and restarted.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
command -v python3 >/dev/null || skip_all "a terminal is played by python3"
! "$mediod" --version | grep -q 'without.*tree' || skip_all "this build has no tree"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001

# comes OPTION...: somebody at a console that echoes.
comes() {
	rm -f "$work/typed" "$work/seen" "$work/console.err"
	touch "$work/seen" "$work/console.err"
	mkfifo "$work/typed"
	exec 7<>"$work/typed"
	"$medio" console "$uuid" "$@" <"$work/typed" >"$work/seen" 2>"$work/console.err" 7>&- &
	console=$!
	echoes hello
}

# echoes TEXT: what is typed comes back.
echoes() {
	printf '%s\n' "$1" >&7
	settles seen "$1"
}

seen() {
	answer=$(cat "$work/seen" "$work/console.err")
	holds "$1"
}

worker_dies() {
	kill -KILL "$("$medio" set "$uuid" pid)"
}

# ends STATUS: the console does, so.
ends() {
	local status=0

	exec 7>&-
	wait "$console" || status=$?
	answer=$(cat "$work/console.err")
	[ "$status" -eq "$1" ]
}

check "mediod starts" daemon_start
for restart in restore reset; do
	check "an instance with restart=$restart" said "$medio" start mtty-1 --uuid "$uuid" --restart "$restart"
	check "a console that is told to wait" comes --reconnect 60 --stats
	worker_dies
	check "its server is killed, and comes back: it says so" settles seen ' is back; what was under way is lost'
	check "- and goes on" echoes again
	worker_dies
	check "it is killed once more" settles eval 'seen again && [ "$(grep -c "is back" "$work/console.err")" = 2 ]'
	check "- and goes on" echoes "and again"
	check "the end of the input is an end in order" ends 0
	check "what went through all three servers is counted" \
		holds '^port 0: sent 22 bytes, received 22 bytes, [0-9]+ interrupts'
	check "the instance stops" said "$medio" stop "$uuid"
done

# Without a word about it: pipes want no gap.
check "an instance" said "$medio" start mtty-1 --uuid "$uuid"
check "a console with pipes" comes
worker_dies
check "its server is killed: it ends with an error" ends 1
check "- that says so" holds "^medio console: $uuid: .*(closed the connection|Connection reset)"

# On a terminal it waits by itself, and the escape key leaves.
cat >"$work/terminal.py" <<'END'
import os, pty, signal, subprocess, sys
medio, uuid, run = sys.argv[1:]
signal.alarm(60)
pid, tty = pty.fork()
if pid == 0:
    os.execv(medio, [medio, "console", uuid])
text = b""
def until(word):
    global text
    while word not in text:
        text += os.read(tty, 4096)
    text = text.split(word, 1)[1]
until(b"Type ^] to leave.")
os.write(tty, b"hello")
until(b"hello")
subprocess.run([medio, "set", uuid, "restart=never"], check=True)
worker = subprocess.run([medio, "set", uuid, "pid"], check=True, capture_output=True).stdout
os.kill(int(worker), signal.SIGKILL)
until(b"waiting for it to come back]")
os.write(tty, b"lost\x1d")
try:
    while os.read(tty, 4096):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
check "on a terminal it waits, and the escape key leaves" said python3 "$work/terminal.py" "$medio" "$uuid" "$run"
check "the instance stops" said "$medio" stop "$uuid"

check "an instance with restart=never" said "$medio" start mtty-1 --uuid "$uuid" --restart never
check "a console that is told to wait" comes --reconnect 1
worker_dies
check "nobody comes back: the wait has an end" ends 1
check "- that says so" holds "^medio console: $uuid: the server did not come back within"
check "mediod ends" daemon_stop
check_finish
