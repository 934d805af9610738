# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-3-Clause
# DPDK's testpmd with one card, with a prompt at descriptor $pmd_in; to be sourced before peers.sh. It needs no huge pages, and no
# privileges.
processors=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
pmd="" pmd_in="" pmd_log=pmd.log

# pmd_run WAY… -- [ARGUMENT…]: with the card as the words of the way have it; the rest are for testpmd itself. $pmd_under is the
# command that runs it, if any.
pmd_under=()
pmd_run() {
	local way=()

	while [ "$1" != -- ]; do
		way+=("$1")
		shift
	done
	[ -z "$pmd" ] || ! is_there "$pmd" || pmd_kill
	rm -f pmd.in
	mkfifo pmd.in
	: >"$pmd_log"
	exec {pmd_in}<>pmd.in
	"${pmd_under[@]}" stdbuf -oL "$peers/dpdk-testpmd" \
		--lcores "0@($processors),1@($processors)" --no-huge -m 128 --no-telemetry --no-shconf "${way[@]}" -- \
		-i --no-flush-rx --total-num-mbufs=4096 "${@:2}" <pmd.in >>"$pmd_log" 2>&1 &
	pmd=$!
	others=("$pmd")
	until_true is_prompted && is_there "$pmd"
}

is_prompted() {
	grep -q 'testpmd> ' "$pmd_log" || ! is_there "$pmd"
}

pmd_says() {
	grep -qE -- "$1" "$pmd_log" || ! is_there "$pmd"
}

# pmd_do COMMAND PATTERN: until the answer has it.
pmd_do() {
	: >"$pmd_log"
	printf '%s\n' "$1" >&"$pmd_in"
	until_true pmd_says "$2" || return
	answer=$(<"$pmd_log")
	is_there "$pmd"
}

# A clean end.
pmd_quit() {
	local status=0

	printf 'quit\n' >&"$pmd_in"
	until_true is_gone "$pmd" || return
	wait "$pmd" || status=$?
	exec {pmd_in}>&-
	others=()
	answer=$(<"$pmd_log")
	[ "$status" -eq 0 ] && holds 'Bye'
}

is_gone() {
	! is_there "$1"
}

pmd_kill() {
	kill -KILL "$pmd"
	wait "$pmd" 2>/dev/null
	exec {pmd_in}>&-
	others=()
}

# number NAME: the last of this name that was said.
number() {
	printf '%s\n' "$answer" | sed -n "s/.*$1: *\\([0-9][0-9]*\\).*/\\1/p" | tail -n 1
}

# begins MODE [START]: forwards so, and counts from here on.
begins() {
	pmd_do "set fwd $1" "Set $1 packet forwarding mode" && pmd_do 'clear port stats all' 'cleared' &&
		pmd_do "${2:-start}" 'TX offloads'
}

# stop: ends forwarding, and sets what was counted.
stop() {
	pmd_do stop '^Done\.' || return
	received=$(number RX-packets) sent=$(number TX-packets)
	dropped=$(number TX-dropped)
}

# came N, went N: so many, until now.
came() {
	pmd_do 'show port stats all' 'Tx-pps' && [ "$(number RX-packets)" -ge "$1" ]
}

went() {
	pmd_do 'show port stats all' 'Tx-pps' && [ "$(number TX-packets)" -ge "$1" ]
}

# loops N: frames go round, N of them all the time; and so many are there at the end: none was lost.
loops() {
	begins io 'start tx_first' && until_true came 5000 && stop && [ "$dropped" -eq 0 ] || return
	begins rxonly && until_true came "$1" && stop && [ "$received" -eq "$1" ]
}

# goes_round SECONDS: frames of 64 bytes go round for so long. Once all have come that were on their way, as many have come as were
# sent, and of that size.
goes_round() {
	begins io 'start tx_first' || return
	sleep "$1"
	stop && [ "$dropped" -eq 0 ] && pmd_do 'show port stats all' 'Tx-pps' || return
	sent=$(number TX-packets)
	pmd_do 'set fwd rxonly' 'Set rxonly packet forwarding mode' && pmd_do start 'TX offloads' || return
	until_true came "$sent"
	received=$(number RX-packets)
	echo "# $sent frames out in $1 s, $received back: $((sent - received)) lost"
	[ "$sent" -gt 0 ] && [ "$received" -eq "$sent" ] && [ "$(number RX-bytes)" -eq $((64 * received)) ] &&
		[ "$(number TX-packets)" -eq "$sent" ] && pmd_do stop '^Done\.'
}
