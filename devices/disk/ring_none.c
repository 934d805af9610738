/* SPDX-License-Identifier: BSD-3-Clause */
/* A build without liburing. */
#include "disk/file.h"

#include <errno.h>

int disk_ring_new(struct disk_file *file)
{
	(void)file;
	return -EOPNOTSUPP;
}
