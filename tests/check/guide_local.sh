#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# guide_local.sh MEDIO: what docs/uio-iommu-vfio.md shows of devices that are programs is what happens. The
# others are seen to by the guest tests.
set -uo pipefail
PATH=$(cd "$(dirname "$1")" && pwd):$PATH
# shellcheck source=SCRIPTDIR/guide.sh
. "$(dirname "$0")/guide.sh"
failed=0

for name in local vfio-user; do
	command=$(guide_command "$name")
	bash -c "$command" 2>&1 | guide_same "$name" || {
		echo "'$command' does not print what the guide shows"
		failed=1
	}
done
for name in local vfio-user vfio iommufd uio; do
	guide_names | grep -qx "$name" || {
		echo "the guide has no transcript $name"
		failed=1
	}
done
exit "$failed"
