/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk in memory. Its pages come when they are written first, and go when they are discarded, so its size
 * is a limit and not what it costs.
 */
#include "disk/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u

struct mem {
	struct disk disk;
	char *at;
	size_t size; /* mapped bytes */
};

static void mem_close(struct disk *disk)
{
	struct mem *mem = (struct mem *)disk;

	munmap(mem->at, mem->size);
	free(mem);
}

/* Zeroes; whole pages are given back. */
static int drop(struct mem *mem, uint64_t offset, uint64_t bytes)
{
	uint64_t end = offset + bytes;
	uint64_t first = (offset + PAGE - 1) / PAGE * PAGE, last = end / PAGE * PAGE;

	if (first >= last) {
		memset(mem->at + offset, 0, bytes);
		return 0;
	}
	memset(mem->at + offset, 0, first - offset);
	memset(mem->at + last, 0, end - last);
	mem->disk.counts.calls++;
	return madvise(mem->at + first, last - first, MADV_DONTNEED) < 0 ? -errno : 0;
}

static void mem_submit(struct disk *disk, struct disk_request *req)
{
	struct mem *mem = (struct mem *)disk;
	char *at = mem->at + req->offset;
	int ret = 0;

	switch (req->op) {
	case DISK_READ:
		disk_iov_write(req->iov, 0, at, req->bytes);
		break;
	case DISK_WRITE:
		disk_iov_read(req->iov, 0, at, req->bytes);
		break;
	case DISK_FLUSH:
		break;
	case DISK_DISCARD:
	case DISK_ZEROES:
		ret = drop(mem, req->offset, req->bytes);
		break;
	}
	disk->counts.at_once++;
	disk_finish(disk, req, ret);
}

static const struct disk_backend mem_backend = {
	.close = mem_close,
	.submit = mem_submit,
};

int disk_mem_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out)
{
	uint64_t bytes = opts->mem - opts->mem % DISK_SECTOR;
	struct mem *mem = calloc(1, sizeof(*mem));

	if (!mem)
		return medio_fail(dev, ENOMEM, "mem: no memory");
	mem->size = (bytes + PAGE - 1) / PAGE * PAGE;
	mem->at = mmap(NULL, mem->size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->at == MAP_FAILED) {
		int err = errno;
		free(mem);
		return medio_fail(dev, err,
			"mem=%llu: this machine, or the limit that the program runs under, does "
			"not let it have so much: %s",
			(unsigned long long)opts->mem, strerror(err));
	}
	mem->disk.backend = &mem_backend;
	mem->disk.dev = dev;
	mem->disk.info = (struct disk_info){
		.bytes = bytes,
		.block = DISK_SECTOR,
		.physical = PAGE,
		.readonly = opts->readonly,
		.discards = true,
		.zeroes = true,
		.discard_unit = PAGE,
	};
	snprintf(mem->disk.words, sizeof(mem->disk.words), "memory");
	*out = &mem->disk;
	return 0;
}
