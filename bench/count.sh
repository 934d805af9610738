#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# count.sh MEDIO-COUNT [SUBJECT…]: instructions of a device a frame or a request, counted by valgrind. Repeatable on a
# busy machine, where times are not.
set -euo pipefail
count=$1
shift
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
[ $# -gt 0 ] || set -- "loop split" "loop packed" "loop split tables" "loop split long" \
	"transmit split" "transmit packed" "blk split" "blk packed" "blk split tables" "blk packed tables"
for subject in "$@"; do
	read -ra words <<<"$subject"
	valgrind --tool=callgrind --toggle-collect=device_works --callgrind-out-file="$out/calls" \
		"$count" "${words[@]}" >"$out/said" 2>"$out/told"
	awk -v name="$subject" -v chains="$(cat "$out/said")" \
		'/Collected/ { printf "%-24s %7.1f\n", name, $NF / chains }' "$out/told"
	[ -z "${CALLS-}" ] || cp "$out/calls" "$CALLS"
done
