#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# shellcheck disable=SC2016 # some dollars are for another shell
# SPDX-License-Identifier: BSD-3-Clause
# test_filters.sh MEDIO EDU_TRY: filters in front of medio's edu, which a driver over vfio-user then meets; what they
# counted is asked for at the same socket.
export medio=$1 try=$2
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
}

# served COMMAND FILTER...: what COMMAND says while edu is served behind these; $try, $uri and $socket are there.
served() {
	local command=$1 filters=()

	shift
	for filter; do filters+=(--filter "$filter"); done
	answer=$(timeout 110 "$medio" serve edu dma-time=1ms "${filters[@]}" --quiet \
		--run "$command" 2>&1)
}

# fails WORDS COMMAND FILTER...
fails() {
	local words=$1

	shift
	# The driver stops where it is, which is no leak.
	! ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}:detect_leaks=0 served "$@" && holds "$words"
}

json() {
	python3 -c 'import json, sys
it = json.loads(sys.argv[2])
sys.exit(not eval("(" + sys.argv[1] + ")"))' "$1" "$(tail -n 1 <<<"$answer")"
}

with_json() {
	command -v python3 >/dev/null || {
		answer="no python3"
		return 0
	}
	json "$1"
}

# ---- trace and stats --------------------------------------------------------------------------------------

traced() {
	answer=$(cat "$work/lines")
	holds "$1"
}
check "a driver is traced" served '"$try" "$uri" msi 12' "trace:file=$work/lines" "trace:record=$work/session,only=access"
check "registers are shown by their names" traced ' read  identification 4 -> 0x010000ed'
check "those of configuration space too" traced ' write config.command 2 0x'
check "and those that are written" traced ' write factorial 4 0x'
check "names can be left out" served '"$try" "$uri" identify' "trace:file=$work/lines,names=off"
check "then it is places" traced ' read  bar0\+0x0 4 -> 0x010000ed'
check "the same is recorded" served '"$try" "$uri" identify' "trace:record=$work/session"
check "and plays back without a difference" served "\"\$medio\" replay '$work/session' \"\$uri\""

# Of another card, through passthrough: the filters see what they see of medio's own.
through() {
	served "card=\$uri; \"\$medio\" serve passthrough device=\"\$uri\" --quiet \
		--filter 'trace:record=$work/other,file=$work/lines' --filter stats --run '$1' && $2"
}
check "so is another card's" through '"$try" "$uri" identify' '"$medio" replay '"$work/other"' "$card"'
check "which is the same" holds '^played [1-9][0-9]* reads, .*: no difference'
check "by its registers' names" traced ' read  identification 4 -> 0x010000ed'
check "and is measured" through '"$try" "$uri" msi 3; "$medio" set "$socket" filters/stats/registers' true
check "with its interrupts" holds '^irq 0 +3$'

check "what a driver does is measured" served '"$try" "$uri" msi 12; "$medio" set "$socket" filters/stats/json' stats
check "by register, with interrupts" with_json 'it["irqs"] == {"0": 12} and
[r for r in it["registers"] if r["name"] == "factorial"][0]["writes"]["count"] == 12 and
all(r[k]["min_ns"] <= r[k]["p50_ns"] <= r[k]["p99_ns"] <= r[k]["max_ns"] and sum(r[k]["log2_ns"].values()) == r[k]["count"]
	for r in it["registers"] for k in ("reads", "writes") if k in r)'
check "DMA is counted" served '"$try" "$uri" dma; "$medio" set "$socket" filters/stats/json' stats
check "in bytes, both ways" with_json 'it["dma"]["read"]["bytes"] == 4096 and it["dma"]["write"]["bytes"] == 4096'
check "counting begins anew when asked to" served '"$try" "$uri" identify
	"$medio" set "$socket" filters/stats/reset=1; "$medio" set "$socket" filters/stats/json' stats
check "from nothing" with_json '"identification" not in [r["name"] for r in it["registers"]]'
check "a report comes at the end" served '"$try" "$uri" identify' stats:report=on
check "as a table" holds '^identification +read +[0-9]+ +[0-9.]+ [num]s '

# ---- limit, readonly --------------------------------------------------------------------------------------

check "a driver that is held to a rate does its work" served '"$try" "$uri" polled 3
	"$medio" set "$socket" filters/limit/delayed' limit:iops=500,burst=1ms
check "and waits for it" holds '^[1-9][0-9]* [0-9]+\.[0-9]{6}$'
check "the limit is lifted while it runs" served '"$medio" set "$socket" filters/limit/iops=0
	"$try" "$uri" polled 3' limit:iops=1
check "what is read-only can be looked at" served '"$medio" lspci "$uri"' readonly:answer=error
check "and not used" fails 'Permission denied' '"$try" "$uri" polled 3' readonly:answer=error

# ---- fault ------------------------------------------------------------------------------------------------

check "a register gives a value that is not its own" fails 'edu_open: No such device' '"$try" "$uri" identify' \
	fault:do=value,register=identification,value=0x123
check "so once, and then its own" served '"$try" "$uri" identify || "$try" "$uri" identify' \
	fault:do=value,register=identification,times=1
check "an error is an error" fails 'No such device or address' '"$try" "$uri" polled 3' \
	fault:do=error,register=factorial,on=write,after=1,error=ENXIO
check "two rules stand beside each other" served '"$try" "$uri" identify
	"$try" "$uri" identify; "$medio" set "$socket" filters/fault/struck filters/fault.1/struck' \
	fault:do=value,register=identification,times=1 fault:do=delay,register=identification,time=1ms
check "each counts for itself" holds '^1$'
check "interrupts that come twice do no harm" served '"$try" "$uri" msi 12
	"$medio" set "$socket" filters/fault/struck' fault:do=duplicate
check "though they came" holds '^12$'
check "DMA fails at an address" fails 'checksum' '"$try" "$uri" dma-polled' fault:do=error,on=dma-write,times=1
check "a card goes away in the middle" fails 'fault: the card is gone' '"$try" "$uri" polled 12' \
	fault:do=remove,after=20
check "one goes by hand, and comes back" served '"$medio" set "$socket" filters/fault/remove=1
	"$try" "$uri" identify && echo there; "$medio" set "$socket" filters/fault/remove=0; "$try" "$uri" identify' fault
check "was gone" lacks '^there$'
check "a rule that makes no sense is told" fails "no register 'factoral'; there are identification" true \
	fault:do=error,register=factoral
check_finish
