#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # the dollars are the device's command's; functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_console.sh MEDIO: ports as a user meets them: what virtio-console and virtio-rng say when they are served, what can be
# asked of them meanwhile, and medio console at both ends of a port.
medio=$(readlink -f "$1")
export medio
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/medio-console.XXXXXX")
cleanup() {
	wait
	rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
}

# runs COMMAND TYPE ARG…: the command with the device's $uri, while it is served.
runs() {
	answer=$(timeout 300 "$medio" serve "${@:2}" --run "$1" 2>&1)
}

# refuses WORDS TYPE ARG…: it does not start, and says why.
refuses() {
	! answer=$(timeout 120 "$medio" serve "${@:2}" --socket "$work/s" 2>&1 </dev/null) &&
		holds "$1" && lacks 'is ready' && [ ! -e "$work/s" ]
}

# fails WORDS COMMAND…: it ends with an error, and says why.
fails() {
	! answer=$(timeout 120 "${@:2}" 2>&1 </dev/null) && holds "$1"
}

names_terminal() {
	runs true virtio-console && holds 'port 0 is /dev/pts/[0-9]+$'
}

answers_attributes() {
	runs '"$medio" set "$uri" console/size=132x43 && "$medio" set "$uri" console/size &&
		"$medio" set "$uri" "console/ports=unplug 1" && "$medio" set "$uri" console/ports' \
		virtio-console port0=null port1=null name1=org.medio.data && holds '^0 132x43$' &&
		holds '^0 - console null unused nobody tx 0 rx 0 waiting 0 unheard 0 lost 0$' && holds '^1 org.medio.data port null unplugged'
}

counts() {
	runs '"$medio" set "$uri" rng/counts' virtio-rng rate=1K && holds '^bytes 0$' && holds '^waiting 0$'
}

# What talks does beside the device: $1 is the other end. The card's end calls until it is heard, then both send.
cat >talk.sh <<'TALK'
soon() { n=0; until "$@" || [ $n -gt 600 ]; do sleep 0.05; n=$((n + 1)); done; }
has() { [ "$(stat -c %s "$1")" -ge "$2" ]; }
same() { tail -c 20000 heard | cmp -s back -; }
: >got; : >heard
(soon has heard 1; cat there; soon has done 1) | "$medio" console "$1" >heard &
(until has heard 1; do printf x; sleep 0.1; done; cat back; soon has done 1) | "$medio" console "$uri" >got &
: >done; soon cmp -s there got; soon same
echo >done; wait
cmp there got && same && echo both came
TALK

# talks WHERE PARAMETER: from the card to what its port is plugged into, and back, all bytes.
talks() {
	head -c 20000 /dev/urandom >there
	head -c 20000 /dev/urandom >back
	runs "sh talk.sh $1" mtty-1 "$2" && holds '^both came$'
}

# The window of a terminal that medio console runs in becomes the port's.
window_follows() {
	cat >window.py <<'PYTHON'
import fcntl, os, pty, struct, sys, termios, time

def size(fd, rows=None, cols=None):
    if rows:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
    return struct.unpack('HHHH', fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))[:2]

def soon(wanted):
    end = time.monotonic() + 30
    while size(port) != wanted:
        if time.monotonic() > end:
            sys.exit('the window is %s, not %s' % (size(port), wanted))
        time.sleep(0.02)

port = os.open(sys.argv[2], os.O_RDWR | os.O_NOCTTY)
pid, terminal = pty.fork()
if pid == 0:
    time.sleep(0.1)
    os.execv(sys.argv[1], [sys.argv[1], 'console', 'pty:' + sys.argv[2]])
size(terminal, 40, 100)
soon((40, 100))
size(terminal, 24, 133)
soon((24, 133))
os.write(terminal, b'\x1d')
if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
    sys.exit('the escape key is no good end')
print('it follows')
PYTHON
	runs 'python3 window.py "$medio" ./tty' virtio-console port0=pty:tty && holds '^it follows$'
}

gone() {
	runs 'rm -f in; mkfifo in; ("$medio" console unix:sock <in 2>said; echo "status $?" >>said) & exec 3>in; echo hello >&3
		until "$medio" set "$uri" port0/stats 2>/dev/null | grep -q "^rx\|^tx"; do sleep 0.05; done; sleep 0.2' mtty-1 port0=unix:sock
	wait
	local n=0
	until grep -q status said 2>/dev/null || [ "$n" -gt 200 ]; do
		sleep 0.05
		n=$((n + 1))
	done
	answer=$(cat said)
	holds 'unix:sock: the other end has gone' && holds '^status 1$'
}

check "a port without a word about it is a terminal, which is named" names_terminal
check "a served console answers to medio set" answers_attributes
check "so does an entropy device" counts
check "medio lspci knows the console" runs '"$medio" lspci "$uri"' virtio-console port0=null && check "by its name" holds 'Virtio 1.0 console'
check "and the entropy device" runs '"$medio" lspci "$uri"' virtio-rng && check "by its name" holds 'Virtio 1.0 RNG'
check "an unknown plug" refuses "port0: 'tty' is none of: echo, pty" virtio-console port0=tty
check "a port beyond the ports" refuses 'port2 is given, but ports is 2; make it ports=3' virtio-console ports=2 port2=null
check "more consoles than ports" refuses 'consoles is 3, but ports is 1' virtio-console ports=1 consoles=3
check "a name that is no file name" refuses "name1 is 'a/b'" virtio-console name1=a/b
check "standard input twice" refuses 'another port has the standard input' virtio-console port0=stdio port1=stdio
check "a rate that is none" refuses "'rate' must be a size" virtio-rng rate=fast
check "an empty bucket" refuses "'burst' must be a size" virtio-rng burst=0
check "nobody listens there" fails 'unix:nowhere: No such file' "$medio" console unix:nowhere
check "a file is no terminal" fails 'pty:window.py: ' "$medio" console pty:window.py
check "a socket is no terminal, and it is said what to do" runs '! "$medio" console pty:sock' mtty-1 port0=unix:sock &&
	check "that is" holds 'try unix:sock'
check "a virtio console is driven by a guest" runs '! "$medio" console "$uri"' virtio-console port0=null &&
	check "which is said" holds 'medio console unix:PATH or pty:PATH'
check "both ends of a socket" talks unix:sock port0=unix:sock
check "both ends of a terminal" talks pty:./tty port0=pty:tty
command -v python3 >/dev/null && check "the window of a terminal goes along" window_follows
check "an end that goes is told" gone
check_finish
