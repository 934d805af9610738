#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_filters_managed.sh MEDIOD MEDIO: filters of an instance of mediod: their attributes in the tree, on the
# control socket and in definitions.
mediod=$1 medio=$2
. "$(dirname "$0")/daemon.sh"
! "$mediod" --version | grep -q 'without.*tree' || skip_all "this build has no tree"
daemon_alone "$0" "$@"

uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001
other=83b8f4f2-509f-382f-3c1e-e6bfe0fa1002

is() {
	local wanted=$1

	shift
	answer=$("$@" 2>"$work/err")
	[ "$answer" = "$wanted" ]
}

daemon_start --parent mtty,ports=8
folder=$run/sys/bus/mdev/devices/$uuid
check "an instance with filters starts" said "$medio" start mtty-1 --uuid "$uuid" --filter stats \
	--filter fault:do=error,register=scr,on=write --filter fault --filter limit:iops=1000
check "its filters show attributes" said "$medio" set "$uuid"
for name in 'r  filters/stats/registers' 'rw filters/stats/reset' 'rw filters/fault/remove' \
	'r  filters/fault.1/struck' 'rw filters/limit/iops +1000'; do
	check "there is $name" holds "^$name"
done
check "the tree has them" is "$(printf 'fault\nfault.1\nlimit\nstats')" ls "$folder/filters"
check "as files to read" is 1000 cat "$folder/filters/limit/iops"
check "with the modes that fit" is "$(printf '444\n644')" stat -c %a "$folder/filters/stats/json" "$folder/filters/stats/reset"
writes() {
	answer=$({ echo "$1" >"$folder/$2"; } 2>&1)
}
check "and to write" writes 64K filters/limit/bandwidth
check "which the device is told" is 65536 "$medio" set "$uuid" filters/limit/bandwidth
wrong() {
	! writes "$@" && holds 'Invalid argument'
}
check "nonsense is refused" wrong fast filters/limit/iops
check "and by name" refused "cannot have that value" "$medio" set "$uuid" filters/fault/remove=7
check "what cannot be written says so" refused "filters/fault/struck" "$medio" set "$uuid" filters/fault/struck=1

gone() {
	answer=$("$medio" lspci "$uuid" 2>&1)
}
check "the card is there" gone
check "and is a serial one" holds 'Serial controller'
check "it is removed by hand" "$medio" set "$uuid" filters/fault.1/remove=1
gone
check "and is gone" lacks 'Serial controller'
check "it comes back" "$medio" set "$uuid" filters/fault.1/remove=0
gone
check "as it was" holds 'Serial controller'
check "reads were measured meanwhile" said "$medio" set "$uuid" filters/stats/registers
check "by name" holds '^config.vendor_id +read +[1-9]'

check "other filters, other attributes" "$medio" set "$uuid" medio/filters=readonly
check "those of the new ones are there" said "$medio" set "$uuid" filters/readonly/refused
only() {
	answer=$(ls "$folder/filters") && [ "$answer" = readonly ]
}
check "and those of the old ones are not" settles only

check "a definition keeps what a filter is told" said "$medio" define mtty-1 --uuid "$other" \
	medio/filters=limit filters/limit/iops=42
check "it starts" said "$medio" start "$other"
check "as defined" is 42 "$medio" set "$other" filters/limit/iops
check "one that no filter has is refused" refused "filters/limit/iop" "$medio" modify "$other" filters/limit/iop=1
daemon_stop
check_finish
