#!/bin/bash
# shellcheck disable=SC2016,SC2317,SC2329 # functions are called through check; some dollars are for another shell
# SPDX-License-Identifier: BSD-3-Clause
# test_passthrough.sh MEDIOD MEDIO EDU_TRY: cards of medio's passed on by another process, with filters in front and
# without; and by a worker of mediod's that is locked in, under which the card's server dies and comes back.
mediod=$1 medio=$2 try=$3
. "$(dirname "$0")/daemon.sh"
daemon_alone "$0" "$@"

served=
uuid=

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
	tail -n 8 "$work/mediod.err" 2>/dev/null | sed 's/^/# mediod: /'
}

serves() {
	"$medio" serve "$@" --socket "$work/card" >>"$work/served.out" 2>&1 &
	served=$!
	settles test -S "$work/card"
}

kills() {
	kill -KILL "$served" && wait "$served" 2>/dev/null
	rm -f "$work/card"
}

# passed WORDS FILTER PART…: what edu_try says on the other end of a passthrough.
passed() {
	local words=$1 filter=$2

	shift 2
	# shellcheck disable=SC2086 # a filter is several words
	answer=$("$medio" serve passthrough "device=$work/card" $filter --run "'$try' \"\$uri\" $*" 2>&1) && holds "$words"
}

# told WORDS PART…: the same of the instance in mediod.
told() {
	local words=$1

	shift
	answer=$("$try" "$uuid" "$@" 2>&1) && holds "$words"
}

gone() {
	[ "$("$medio" set "$uuid" state 2>&1)" = gone ]
}

there() {
	[ "$("$medio" set "$uuid" state 2>&1)" = there ]
}

works() {
	check "$1: registers answer" passed '^edu version 1.0, BAR 0 of 1048576 bytes' "$2" identify
	check "$1: MSI: an interrupt a factorial" passed '^12 factorials, 12 interrupts' "$2" msi 12
	check "$1: INTx, unmasked after each" passed '^12 factorials, 12 interrupts' "$2" intx 12
	check "$1: and again, without interrupts" passed '^12 factorials, 0' "$2" polled 12
	check "$1: DMA both ways, checksums equal" passed 'checksum ([0-9a-f]*) \1, 4 interrupts' "$2" dma
}

traced() {
	answer=$("$medio" serve passthrough "device=$work/card" --filter "trace:file=$work/trace" --run "'$try' \"\$uri\" msi 3" 2>&1) &&
		answer=$(cat "$work/trace") && holds 'factorial' && holds 'irq_ack' && holds 'status'
}

check "edu is served" serves edu dma-time=1ms || check_finish
works passed ''
works "under a filter that waits" '--filter delay:read=100us,write=100us'
check "trace tells registers by their names" traced
check "what is not there is told" eval '! said "$medio" serve passthrough device=/nowhere --run true && holds "/nowhere"'
check "and that something must be there" eval '! said "$medio" serve passthrough --run true && holds "device=URI"'

check "mediod starts" daemon_start || check_finish
check "an instance passes it on" said "$medio" start passthrough "device=$work/card" || check_finish
uuid=$(head -n 1 <<<"$answer")
check "in a worker: registers answer" told '^edu version 1.0' identify
check "in a worker: MSI" told '^12 factorials, 12 interrupts' msi 12
check "in a worker: INTx" told '^12 factorials, 12 interrupts' intx 12
check "in a worker: DMA" told 'checksum ([0-9a-f]*) \1, 4 interrupts' dma
check "its state is an attribute" there
check "its server dies" kills
check "which is told" settles gone
check "the card is served again" serves edu dma-time=1ms
check "the worker, locked in, takes it up again" settles there
check "and it works" told 'checksum ([0-9a-f]*) \1, 4 interrupts' dma
check "also its interrupts" told '^12 factorials, 12 interrupts' msi 12
check "the instance ends" said "$medio" stop "$uuid"
check "mediod ends" daemon_stop
kill "$served"
check_finish
