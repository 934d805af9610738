#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_irq.sh MEDIO TICKER: medio irq on devices in the same process and over vfio-user. TICKER is a device that
# interrupts by itself.
medio=$1 ticker=$2
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/medio-irq.XXXXXX")
trap 'rm -rf "$work"' EXIT

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
}

# irq WAY TYPE OPTION...: $answer is what it says, errors too.
irq() {
	case $1 in
	local) answer=$("$medio" irq "local:$2" "${@:3}" 2>&1) ;;
	vfio-user) answer=$("$medio" serve "$2" --run "'$medio' irq \"\$uri\" ${*:3}" 2>&1) ;;
	esac
}

# says PATTERN WAY TYPE OPTION...
says() {
	local pattern=$1

	shift
	irq "$@" && holds "$pattern"
}

# fails STATUS PATTERN TYPE OPTION...: in process.
fails() {
	local wanted=$1 pattern=$2 got

	shift 2
	irq local "$@"
	got=$?
	[ "$got" -eq "$wanted" ] && holds "$pattern"
}

# Every line of $answer that tells of an event is one of these.
only() {
	! grep -E '^[0-9:.]+  ' <<<"$answer" | grep -qvE "$1"
}

every_vector() {
	local vector

	for vector in 0 1 2 3; do
		holds "^[0-9:.]+  msix $vector  [0-9]+ event" || return
	done
}

silent() {
	irq "$@" && lacks '^[0-9:.]+  '
}

one_line() {
	irq "$@" && [ "$(grep -c '"vector"' <<<"$answer")" -eq 1 ] && holds '"index":"msi","vector":0,"events":1}$'
}

for way in local vfio-user; do
	check "$way: kinds are listed" says '^intx +1  masked by each event' "$way" edu
	check "$way: also those that are not there" holds '^msix +0  -'
	check "$way: as JSON" says '^\{"index":"msix","vectors":4,"maskable":true,' "$way" "$ticker" --json
	check "$way: MSI-X is watched" says ' msix ' "$way" "$ticker" --watch --master --count 100
	check "$way: each vector by itself" every_vector
	check "$way: some vectors only" says ' msix 1 ' "$way" "$ticker" --watch --master --vectors 2 --count 50
	check "$way: and no others" only ' msix [01] '
	check "$way: MSI is watched" says ' msi 0 ' "$way" "$ticker" --watch --index msi --vectors 1 --master -n 3
	check "$way: INTx is unmasked after each" says ' intx 0 ' "$way" "$ticker" --watch --index intx --count 3
	check "$way: one can be made to happen" one_line "$way" edu --trigger msi:0 --json --master
	check "$way: INTx as well" says ' intx 0  1 event$' "$way" edu --trigger intx:0
	check "$way: without any it ends in time" silent "$way" edu --watch --master --time 50ms
done

check "fewer than wanted are a failure" fails 1 '0 of 1 events of msi came within 50ms' edu --watch -n 1 -t 50ms
check "missing bus mastering is told" holds 'bus mastering is off.*--master'
check "a kind that is not there" fails 1 "has no msix; 'medio irq local:edu' lists" edu --watch --index msix
check "a kind that cannot be" fails 2 'there are intx, msi, msix, err and req' edu --watch --index msy
check "too many vectors" fails 1 'msi has 1 vector, not 2' edu --watch --vectors 2
check "a vector that is not there" fails 1 'msi vector 1 is not opened; the last is 0' edu --trigger msi:1
check "no vector" fails 2 'a kind and a vector, as in msix:0' edu --trigger msi
check "a vector of another kind" fails 2 'is none of --index intx' edu --trigger msi:0 --index intx
check "options without their command" fails 2 'go with --watch' edu --count 3

# ---- Endings ----------------------------------------------------------------------------------------------

piped() {
	answer=$("$medio" irq "local:$ticker" --watch --master | head -n 1)
	holds ' msix '
}
check "it ends when nobody reads" piped

watched() {
	local pid status

	# SIGINT counts for a program in the foreground only: say so.
	env --default-signal=INT "$medio" irq "$work/s" --watch --master >"$work/out" 2>&1 &
	pid=$!
	until grep -q msix "$work/out" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
	kill -INT "$pid"
	wait "$pid"
	status=$?
	answer="$(cat "$work/out")
status $status"
	[ "$status" -eq 130 ]
}

interrupted() {
	local server

	"$medio" serve "$ticker" --socket "$work/s" 2>"$work/err" &
	server=$!
	until [ -S "$work/s" ] || ! kill -0 "$server" 2>/dev/null; do sleep 0.05; done
	check "Ctrl-C ends it" watched
	check "the card can be had again" says_again
	kill "$server"
	wait "$server" 2>/dev/null
}

# Its bus mastering is as it was.
says_again() {
	answer=$("$medio" irq "$work/s" --watch --count 1 --time 50ms 2>&1)
	holds 'bus mastering is off'
}
interrupted
check_finish
