/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads that come together. A ring that takes many of them in one system call does what is cached within it, like
 * preadv2() does, and what is not without anybody's waiting. Of 4 KiB that is cached, in us a read, medians of ten turns:
 *
 *     preadv2   a ring, of 1      2      3      4      6      8     16     32
 *       1.04         1.44   1.16   1.11   1.06   1.01   0.96   0.91   0.90
 */
#include "disk/file.h"

/* Fewer are no cheaper together than one by one. */
#define FEWEST 6u
/* What takes longer to copy than to ask for. */
#define LARGE (32u << 10)

/* Where reads never block, nothing is faster than a copy. */
static inline bool gathers(const struct disk_file *file, const struct disk_request *req)
{
	return req->op == DISK_READ && file->engine->gathers && file->reads == DISK_TRY_NOWAIT &&
	       !file->direct && req->bytes < LARGE && (req->more || file->num_gathered);
}

void disk_file_submit(struct disk *disk, struct disk_request *req)
{
	struct disk_file *file = (struct disk_file *)disk;

	if (!gathers(file, req)) {
		disk_file_begin(file, req);
		return;
	}
	disk_row_put(&file->gathered, req);
	file->num_gathered++;
}

void disk_file_release(struct disk_file *file)
{
	const bool together = file->num_gathered >= FEWEST;
	struct disk_row row = file->gathered;
	struct disk_request *req;

	if (!file->num_gathered)
		return;
	/* What is done may be followed by others, which are gathered anew. */
	disk_row_init(&file->gathered);
	file->num_gathered = 0;
	while ((req = disk_row_take(&row))) {
		if (together)
			disk_file_hand_over(file, req);
		else
			disk_file_begin(file, req);
	}
	if (!together)
		return;
	file->engine->kick(file);
	file->engine->poll(file);
}
