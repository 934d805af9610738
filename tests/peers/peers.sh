# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# What tests with other programs of vhost-user share, to be sourced with the test's arguments:
#   MEDIO      the program
#   PEERS      the folder that script/guest-bed makes: BED/peers
#   PROGRAMS   where this folder's own programs were built
# They have a folder $work, which is the current one; what medio serves is at the socket $socket.
. "$(dirname "${BASH_SOURCE[0]}")/../check/tap.sh"

medio=$(readlink -f "$1")
peers=$(readlink -f "$2")
# shellcheck disable=SC2034 # not every test needs them
programs=$(readlink -f "$3")
work=$(mktemp -d "${TMPDIR:-/tmp}/medio-peers.XXXXXX")
socket=$work/s
server=
others=()

# Everybody is waited for: a job that is left would hold the test's output open.
peers_clean() {
	local pid

	for pid in $server "${others[@]}"; do
		kill -CONT "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
	done
	wait
	rm -rf "$work"
}
trap peers_clean EXIT
cd "$work" || exit 1

# need PROGRAM…: of the peers; without one of them there is nothing to test.
need() {
	local program

	for program; do
		[ -e "$peers/$program" ] || {
			echo "1..0 # SKIP there is no $program: script/guest-bed, run as root, gets it"
			exit 77
		}
	done
}

diagnose() {
	printf '%s\n' "$answer" | tail -n 30 | sed 's/^/# /'
	sed 's/^/# medio: /' served.log 2>/dev/null | tail -n 20
}

# until COMMAND…: it succeeds within two minutes.
until_true() {
	local tries

	for ((tries = 0; tries < 2400; tries++)); do
		! "$@" || return 0
		sleep 0.05
	done
	return 1
}

# serve TYPE ARGUMENT…: over vhost-user, at $socket, which it makes.
serve() {
	"$medio" serve "$@" --as vhost-user --socket "$socket" --quiet >>served.log 2>&1 </dev/null &
	server=$!
	until_true is_served
}

is_served() {
	[ -S "$socket" ] || ! is_there "$server"
}

is_there() {
	kill -0 "$1" 2>/dev/null
}

# What was served ends as it is asked to: at once, with status 0, without its socket, and with no complaint.
ends_well() {
	local status=0

	kill "$server"
	wait "$server" || status=$?
	server=
	[ "$status" -eq 0 ] && [ ! -e "$socket" ] && [ ! -s served.log ]
}
