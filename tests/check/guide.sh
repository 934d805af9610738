# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# The transcripts in docs/uio-iommu-vfio.md, to be sourced by the tests that run what they show. One is
#
#     <!-- transcript NAME -->
#     ```
#     $ COMMAND
#     what it prints
#     ```
#
#   guide_command NAME          the command
#   guide_same NAME <TEXT       succeeds if TEXT is what the guide says, but for numbers; else says how not
#   guide_names                 all names
guide_file=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/docs/uio-iommu-vfio.md

guide_block() {
	awk -v name="<!-- transcript $1 -->" '
		$0 == name { found = 1; next }
		found && /^```/ { if (inside) exit; inside = 1; next }
		inside { print }' "$guide_file"
}

guide_command() {
	guide_block "$1" | sed -n '1s/^\$ //p'
}

guide_names() {
	sed -n 's/^<!-- transcript \([a-z-]*\) -->$/\1/p' "$guide_file"
}

# Addresses, sizes and numbers of devices are each machine's own, and so is the name of a temporary socket.
guide_plain() {
	sed -E 's/\r$//; s/\x1b\[[0-9;]*m//g; s/[[:space:]]+$//; s/0x[0-9a-f]+/N/g; s/[0-9]+/N/g; s,/tmp/[^ ]*,SOCKET,g'
}

guide_same() {
	local want

	want=$(guide_block "$1" | tail -n +2 | guide_plain)
	[ -n "$want" ] || {
		echo "the guide has no transcript $1"
		return 1
	}
	diff -u --label "the guide's $1" <(printf '%s\n' "$want") --label 'what happens' <(guide_plain)
}
