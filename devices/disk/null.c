/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk of nothing, to measure what is in front of it. */
#include "disk/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void null_close(struct disk *disk)
{
	free(disk);
}

static void null_submit(struct disk *disk, struct disk_request *req)
{
	if (req->op == DISK_READ)
		for (unsigned i = 0; i < req->niov; i++)
			memset(req->iov[i].iov_base, 0, req->iov[i].iov_len);
	disk->counts.at_once++;
	disk_finish(disk, req, 0);
}

static const struct disk_backend null_backend = {
	.close = null_close,
	.submit = null_submit,
};

int disk_null_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (!disk)
		return medio_fail(dev, ENOMEM, "null: no memory");
	disk->backend = &null_backend;
	disk->dev = dev;
	disk->info = (struct disk_info){
		.bytes = opts->size - opts->size % DISK_SECTOR,
		.block = DISK_SECTOR,
		.physical = 4096,
		.readonly = opts->readonly,
		.discards = true,
		.zeroes = true,
		.discard_unit = DISK_SECTOR,
	};
	snprintf(disk->words, sizeof(disk->words), "null");
	*out = disk;
	return 0;
}
