#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# test_vhost_killed.sh MEDIO BED: what serves QEMU's vhost-user-blk is killed with SIGKILL under load and started again, the guest
# goes on, and no write is lost or done twice; part "killed" of test_vhost_blk.sh.
exec "$(dirname "$0")/test_vhost_blk.sh" "$1" "$2" killed
