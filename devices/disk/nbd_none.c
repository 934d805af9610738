/* SPDX-License-Identifier: BSD-3-Clause */
/* A build without libnbd. */
#include "disk/inside.h"

#include <errno.h>

int disk_nbd_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out)
{
	(void)out;
	return medio_fail(dev, EOPNOTSUPP,
		"nbd=%s: this build is without NBD; build it again with libnbd-dev installed",
		opts->nbd);
}
