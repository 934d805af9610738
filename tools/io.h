/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of medio io share: a disk that is open, and how its user wants to hear of it. */
#ifndef MEDIO_TOOLS_IO_H
#define MEDIO_TOOLS_IO_H

#include <json-c/json.h>

#include "command.h"
#include "drivers/block.h"
#include "ending.h"

struct medio_io {
	const struct medio_command *cmd;
	const char *device;
	struct medio_card *card;
	struct block *disk;
	const struct block_info *info;
	bool json;
	struct medio_ending ending;
	/* Memory the disk reaches. */
	uint8_t *memory;
	uint64_t iova, memory_size;
};

/* Memory for the disk, of size bytes rounded up to pages. Gives MEDIO_EXIT_*. */
int medio_io_alloc(struct medio_io *io, uint64_t size);
/* "medio io: DEVICE: words of the disk"; gives MEDIO_EXIT_FAILURE. */
int medio_io_fail(struct medio_io *io);
/*
 * Copy count bytes between the disk, from offset on, and fd; many commands under way, fd in order.
 * name is fd's. For writing, count UINT64_MAX is as much as fd gives, and the disk is flushed after
 * it. A summary goes to standard error, or as JSON to standard output. Gives MEDIO_EXIT_*.
 */
int medio_io_copy_out(
	struct medio_io *io, uint64_t offset, uint64_t count, int fd, const char *name);
int medio_io_copy_in(
	struct medio_io *io, uint64_t offset, uint64_t count, int fd, const char *name);

struct medio_io_bench {
	const char *name;
	bool random, write;
	unsigned depth;
	uint32_t block;
	double seconds;
};
/* Measure, print. Gives MEDIO_EXIT_*. */
int medio_io_bench(struct medio_io *io, const struct medio_io_bench *bench);

#endif
