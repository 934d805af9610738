#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# test_net_stream.sh MEDIO BED: a network at the end of a stream (socket=), with the bed's QEMU at the other end. It boots no
# guest. MEDIO is the program; BED is what script/guest-bed printed.
test=$(dirname "$1")/../tests/unit/test_net_peer
qemu=$2/qemu-system-x86_64

if [ ! -x "$qemu" ]; then
	echo "1..0 # SKIP no guest bed in $2; script/guest-bed makes it"
	exit 77
fi
CMOCKA_MESSAGE_OUTPUT=TAP exec "$test" "$qemu"
