/* SPDX-License-Identifier: BSD-3-Clause */
/* Read, write and flush (NVM 3.2.4, 3.2.6; 7.1). */
#include "nvme_queue.h"

#include <endian.h>
#include <errno.h>

/*
 * Where the data is (4.1.1): the first page, which alone may begin in mid-page, and then the second,
 * or a list of all others. The list of a slot is one page, which is enough for max_transfer.
 */
static void set_prps(
	struct nvme *nvme, unsigned slot, uint64_t iova, uint32_t bytes, struct nvme_command *out)
{
	uint64_t next = (iova | (NVME_PAGE - 1)) + 1, end = iova + bytes;
	uint64_t at = (uint64_t)(NVME_AT_LISTS + slot) * NVME_PAGE;
	uint64_t *list = (uint64_t *)(void *)(nvme->memory + at);

	out->prp1 = htole64(iova);
	if (end <= next)
		return;
	if (end - next <= NVME_PAGE) {
		out->prp2 = htole64(next);
		return;
	}
	out->prp2 = htole64(nvme->iova + at);
	for (; next < end; next += NVME_PAGE)
		*list++ = htole64(next);
}

static int check_range(struct nvme *nvme, uint64_t block, uint32_t count, uint64_t iova)
{
	const struct nvme_info *info = &nvme->info;

	if (!count || count > info->max_transfer / info->block)
		return nvme_fail(nvme, -EINVAL, "%u blocks, a command moves 1 to %u", count,
			info->max_transfer / info->block);
	if (iova & 3)
		return nvme_fail(nvme, -EINVAL, "memory at 0x%llx is no multiple of 4",
			(unsigned long long)iova);
	if (block >= info->blocks || count > info->blocks - block)
		return nvme_fail(nvme, -ERANGE, "%u blocks from %llu, there are %llu", count,
			(unsigned long long)block, (unsigned long long)info->blocks);
	return 0;
}

int nvme_submit(struct nvme *nvme, enum nvme_op op, uint64_t block, uint32_t count, uint64_t iova,
	void *tag)
{
	static const uint8_t opcodes[] = { NVME_IO_READ, NVME_IO_WRITE, NVME_IO_FLUSH };
	struct nvme_command command = { .opcode = opcodes[op], .nsid = htole32(nvme->info.nsid) };
	int ret = nvme->broken;

	if (!ret && op != NVME_FLUSH)
		ret = check_range(nvme, block, count, iova);
	if (ret)
		return ret;
	int slot = nvme_queue_take(&nvme->io);
	if (slot < 0)
		return slot;
	if (op != NVME_FLUSH) {
		set_prps(nvme, (unsigned)slot, iova, count * nvme->info.block, &command);
		command.cdw10 = htole32((uint32_t)block);
		command.cdw11 = htole32((uint32_t)(block >> 32));
		command.cdw12 = htole32(count - 1);
	}
	nvme_queue_put(&nvme->io, (unsigned)slot, &command, tag);
	return 0;
}

int nvme_poll(struct nvme *nvme, int timeout_ms, struct nvme_done *done, unsigned cap)
{
	struct nvme_completion came[NVME_DEPTH];
	int n = nvme_queue_wait(
		nvme, &nvme->io, timeout_ms, came, cap < NVME_DEPTH ? cap : NVME_DEPTH);

	for (int i = 0; i < n; i++)
		done[i] = (struct nvme_done){ came[i].tag, nvme_status_errno(came[i].status),
			came[i].status };
	return n;
}
