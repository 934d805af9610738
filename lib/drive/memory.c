/* SPDX-License-Identifier: BSD-3-Clause */
#include <medio/driver.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drive/memory.h"
#include "iommu/guard.h"

static void undo(struct medio_card_mapping *mapping)
{
	medio_guard_del(mapping->guard);
	if (mapping->mapped)
		munmap(mapping->ptr, mapping->mapped);
	if (mapping->fd >= 0)
		close(mapping->fd);
	if (mapping->calls && mapping->calls->unmapped)
		mapping->calls->unmapped(mapping->opaque);
}

void medio_memory_fini(struct medio_memory *memory)
{
	for (unsigned i = 0; i < memory->count; i++)
		undo(&memory->list[i]);
	free(memory->list);
	*memory = (struct medio_memory){ 0 };
}

/* Ends are kept inclusive: a mapping may reach the last byte of the address space. */
static uint64_t last(const struct medio_card_mapping *mapping)
{
	return mapping->iova + (mapping->size - 1);
}

/* The first mapping that ends at or after iova. */
static unsigned find(const struct medio_memory *memory, uint64_t iova)
{
	unsigned low = 0, high = memory->count;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		if (last(&memory->list[mid]) < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int medio_memory_add(struct medio_memory *memory, const struct medio_card_mapping *mapping)
{
	unsigned at = find(memory, mapping->iova);

	if (at < memory->count && memory->list[at].iova <= last(mapping))
		return -EEXIST;
	if (memory->count == memory->cap) {
		unsigned cap = memory->cap ? memory->cap * 2 : 8;
		void *list = reallocarray(memory->list, cap, sizeof(*memory->list));
		if (!list)
			return -ENOMEM;
		memory->list = list;
		memory->cap = cap;
	}
	memmove(&memory->list[at + 1], &memory->list[at],
		(memory->count - at) * sizeof(*memory->list));
	memory->list[at] = *mapping;
	memory->count++;
	return 0;
}

void medio_memory_set_fd(struct medio_memory *memory, uint64_t iova, int fd)
{
	memory->list[find(memory, iova)].fd = fd;
	memory->files += fd >= 0;
}

void medio_memory_forget(struct medio_memory *memory, uint64_t iova)
{
	unsigned at = find(memory, iova);

	memmove(&memory->list[at], &memory->list[at + 1],
		(memory->count - at - 1) * sizeof(*memory->list));
	memory->count--;
}

int medio_memory_gap(const struct medio_memory *memory, uint64_t first, uint64_t last_,
	uint64_t size, uint64_t align, uint64_t *iova)
{
	uint64_t at = first;

	for (unsigned i = find(memory, first);; i++) {
		if (at > UINT64_MAX - (align - 1))
			return -ENOSPC;
		at = (at + align - 1) & ~(align - 1);
		if (at > last_ || size - 1 > last_ - at)
			return -ENOSPC;
		if (i == memory->count || at + (size - 1) < memory->list[i].iova) {
			*iova = at;
			return 0;
		}
		if (last(&memory->list[i]) == UINT64_MAX)
			return -ENOSPC;
		if (at <= last(&memory->list[i]))
			at = last(&memory->list[i]) + 1;
	}
}

int medio_memory_count(const struct medio_memory *memory, uint64_t iova, uint64_t size)
{
	uint64_t end = iova + (size - 1);
	unsigned at = find(memory, iova);
	int count = 0;

	for (; at < memory->count && memory->list[at].iova <= end; at++) {
		if (memory->list[at].iova < iova || last(&memory->list[at]) > end)
			return -EINVAL;
		count++;
	}
	return count;
}

void medio_memory_remove(struct medio_memory *memory, uint64_t iova, uint64_t size)
{
	unsigned at = find(memory, iova), end = at;

	for (; end < memory->count && memory->list[end].iova <= iova + (size - 1); end++) {
		memory->files -= memory->list[end].fd >= 0;
		undo(&memory->list[end]);
	}
	memmove(&memory->list[at], &memory->list[end],
		(memory->count - end) * sizeof(*memory->list));
	memory->count -= end - at;
}

int medio_memory_pieces(const struct medio_memory *memory, uint64_t iova, uint64_t size,
	unsigned prot, struct iovec *iov, unsigned cap)
{
	unsigned at, pieces = 0;

	if (!size)
		return 0;
	if (size - 1 > UINT64_MAX - iova)
		return -ENODEV;
	for (at = find(memory, iova); size; at++) {
		if (at == memory->count || memory->list[at].iova > iova)
			return -ENODEV;
		const struct medio_card_mapping *m = &memory->list[at];
		if ((m->prot & prot) != prot)
			return -EACCES;
		if (m->calls)
			return -EREMOTE;
		if (pieces == cap)
			return -E2BIG;
		uint64_t skip = iova - m->iova;
		uint64_t len = m->size - skip < size ? m->size - skip : size;
		iov[pieces++] = (struct iovec){ m->ptr + skip, len };
		iova += len;
		size -= len;
	}
	return (int)pieces;
}

static int copy_part(
	const struct medio_card_mapping *m, uint64_t skip, char *buf, size_t size, bool write)
{
	if (m->calls)
		return write ? m->calls->write(m->opaque, skip, buf, size)
			     : m->calls->read(m->opaque, skip, buf, size);
	if (write)
		memcpy(m->ptr + skip, buf, size);
	else
		memcpy(buf, m->ptr + skip, size);
	return 0;
}

/* Is all of it there, and may it be reached? */
static int check(const struct medio_memory *memory, uint64_t iova, uint64_t size, unsigned prot)
{
	uint64_t end = iova + (size - 1);

	if (end < iova)
		return -ENODEV;
	for (unsigned at = find(memory, iova);; at++) {
		if (at == memory->count || memory->list[at].iova > iova)
			return -ENODEV;
		if ((memory->list[at].prot & prot) != prot)
			return -EACCES;
		if (last(&memory->list[at]) >= end)
			return 0;
		iova = last(&memory->list[at]) + 1;
	}
}

int medio_memory_copy(
	const struct medio_memory *memory, uint64_t iova, void *buf, uint64_t size, bool write)
{
	char *bytes = buf;
	int ret = size ? check(memory, iova, size,
				 write ? MEDIO_CARD_DMA_WRITE : MEDIO_CARD_DMA_READ)
		       : 0;

	for (unsigned at = find(memory, iova); size && !ret; at++) {
		const struct medio_card_mapping *m = &memory->list[at];
		uint64_t skip = iova - m->iova;
		size_t part = (size_t)(m->size - skip < size ? m->size - skip : size);
		ret = copy_part(m, skip, bytes, part, write);
		bytes += part;
		iova += part;
		size -= part;
	}
	return ret;
}
