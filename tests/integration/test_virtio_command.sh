#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_virtio_command.sh MEDIO: medio virtio on devices without a driver, by their registers, and beside one.
medio=$1
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/medio-virtio.XXXXXX")
trap 'rm -rf "$work"' EXIT

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
}

says() {
	local pattern=$1

	shift
	answer=$("$medio" virtio "$@" 2>&1) && holds "$pattern"
}

# fails STATUS PATTERN ARGUMENT...
fails() {
	local wanted=$1 pattern=$2 got

	shift 2
	answer=$("$medio" virtio "$@" 2>&1)
	got=$?
	[ "$got" -eq "$wanted" ] && holds "$pattern"
}

# json EXPRESSION: true of the object in $answer, as s.
json() {
	python3 -c 'import json, sys
s = json.loads(sys.stdin.read())
sys.exit(not eval(sys.argv[1]))' "$1" <<<"$answer"
}

# beside ARGUMENT...: while a driver reads from a disk.
beside() {
	# shellcheck disable=SC2016 # $uri is of --run's shell
	answer=$("$medio" serve virtio-blk mem=16M queue-size=64 serial=looked-at --run \
		"'$medio' io \"\$uri\" --bench read --qd 8 --time 3s >'$work/bench' & sleep 0.5; '$medio' virtio \"\$uri\" $*; wait" \
		2>"$work/err")
}

counts() {
	beside --json && json 's["status"]["value"] == 15 and s["queues"][0]["enabled"] and s["queues"][0]["size"] == 64' &&
		json 's["queues"][0]["chains"] > 0 and s["queues"][0]["kicks"] > 0 and s["queues"][0]["format"] == "packed"' &&
		json '"RING_PACKED" in s["features"]["accepted_names"]' && grep -q 'IOPS' "$work/bench"
}

watches() {
	# shellcheck disable=SC2016
	answer=$("$medio" serve virtio-rng --run \
		"timeout -s INT 2 '$medio' virtio \"\$uri\" --watch --interval 0.1 --json" 2>"$work/err")
	[ "$(grep -c '^{"id":4,"kind":"entropy",' <<<"$answer")" -ge 2 ]
}

# Without a server of medio's in between: what a foreign server answers, registers tell.
check "a disk by its registers" says '^status +0x00 reset: no driver has it$' local:virtio-blk,mem=16M
check "features by name" holds '^ +SEG_MAX .*BLK_SIZE .*FLUSH'
check "features that nobody accepted" holds '^accepted +0x0$'
check "where its structures are" holds '^notify +0x[0-9a-f]+ +4 +0x3000 +0x1000 +multiplier 4$'
check "its queues" holds '^ +0 +off +256 '
check "one of a kind without features of its own" says 'virtio entropy device \(id 4\)' local:virtio-rng
check "as JSON" says '"kind":"entropy"' local:virtio-rng --json
check "with five structures" json 'sorted(c["type"] for c in s["capabilities"]) == ["common", "device", "isr", "notify", "pci"]'
check "beside a driver: how far it is" counts
check "beside a driver: as text" beside
check "status by name" holds '^status +0x0f ACKNOWLEDGE DRIVER DRIVER_OK FEATURES_OK$'
check "interrupts" holds '^interrupts +msix, [0-9]+ of queues, 0 of the configuration$'
check "polling" holds '^polling +off, '
check "a queue in use" holds '^ +0 +packed +64 +1 +'
check "watched, one object a line" watches
# sets: the cable of a card that is served without mediod.
sets() {
	# shellcheck disable=SC2016
	answer=$("$medio" serve virtio-net loop=on --run \
		"'$medio' set \"\$uri\" link; '$medio' set \"\$uri\" net/link=down && '$medio' set \"\$uri\" | grep link; '$medio' set \"\$socket\" link=sideways" 2>&1)
	holds '^up$' && holds '^rw net/link +(down|off)$' && holds "not 'sideways'"
}

check "attributes of a served device are shown and changed" sets
check "a card that is no virtio device" fails 1 'is no virtio device' local:edu
check "a device of medio's that is none" test "$("$medio" serve edu --run "'$medio' virtio \"\$uri\"" 2>&1 | grep -c 'is no virtio device')" -eq 1
check "nobody there" fails 1 'No such file' "vfio-user:$work/none"
check "what cannot be watched" fails 1 'served over vfio-user' local:virtio-rng --watch
check "a wrong interval" fails 2 '0.1 to 3600' local:virtio-rng --watch --interval 0
check_finish
