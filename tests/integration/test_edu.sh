#!/bin/bash
# shellcheck disable=SC2317,SC2329 # functions are called through check
# SPDX-License-Identifier: BSD-3-Clause
# test_edu.sh MEDIO EDU_TRY: what a guest tries on QEMU's edu (tests/guest/test_vfio.sh), on medio's own: in the same
# process, and over vfio-user.
medio=$1 try=$2
set -uo pipefail
. "$(dirname "$0")/../check/tap.sh"

diagnose() {
	printf '%s\n' "$answer" | sed 's/^/# /'
}

# try WAY PART...
try() {
	case $1 in
	local) answer=$("$try" local:edu,dma-time=1ms "${@:2}" 2>&1) ;;
	vfio-user) answer=$("$medio" serve edu dma-time=1ms --run "'$try' \"\$uri\" ${*:2}" 2>&1) ;;
	esac
}

tells() {
	local words=$1

	shift
	try "$@" && holds "$words"
}

# With cards that share memory: both ways at once.
mixed() {
	answer=$("$medio" serve edu dma-time=1ms --run "'$try' local:edu,dma-time=1ms shared \"\$uri\"" 2>&1) &&
		holds 'from one card to the other: Success'
}

for way in local vfio-user; do
	check "$way: registers answer" tells '^edu version 1.0, BAR 0 of 1048576 bytes' "$way" identify
	check "$way: MSI: an interrupt a factorial" tells '^12 factorials, 12 interrupts' "$way" msi 12
	check "$way: INTx, unmasked after each" tells '^12 factorials, 12 interrupts' "$way" intx 12
	check "$way: and again, without interrupts" tells '^12 factorials, 0' "$way" polled 12
	check "$way: DMA both ways, checksums equal" tells 'checksum ([0-9a-f]*) \1, 4 interrupts' "$way" dma
	check "$way: the same without interrupts" tells 'checksum ([0-9a-f]*) \1, 0 interrupts' "$way" dma-polled
	check "$way: limits are asked for" tells '^4 MiB at 0x' "$way" limits
	check "$way: there are none" holds '^0 to 0xffffffffffffffff'
done
check "cards here and there share memory" mixed
check_finish
