/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for the device. */
#include <medio/driver.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "drive/backend.h"
#include "util/cleanup.h"

#define PAGE_MASK UINT64_C(4095)
#define PROTS	  (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

static int check_range(struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot)
{
	if (!size || (iova | size) & PAGE_MASK)
		return medio_card_fail(card, EINVAL,
			"DMA: 0x%llx bytes at 0x%llx are not whole pages of 4096",
			(unsigned long long)size, (unsigned long long)iova);
	if (size - 1 > UINT64_MAX - iova || size > SIZE_MAX / 2)
		return medio_card_fail(card, EINVAL, "DMA: 0x%llx bytes at 0x%llx wrap around",
			(unsigned long long)size, (unsigned long long)iova);
	if (!prot || prot & ~(unsigned)PROTS)
		return medio_card_fail(
			card, EINVAL, "DMA: prot 0x%x is not read, write or both", prot);
	return 0;
}

/* Remember mapping and tell the device. On failure the mapping's memory is the caller's still. */
static int add(struct medio_card *card, struct medio_card_mapping *mapping, int fd, uint64_t offset)
{
	int ret = medio_memory_add(&card->memory, mapping);

	if (ret)
		return medio_card_fail(card, -ret, "DMA: 0x%llx bytes at 0x%llx: %s",
			(unsigned long long)mapping->size, (unsigned long long)mapping->iova,
			ret == -EEXIST ? "part of them is mapped already" : strerror(-ret));
	ret = card->backend->dma_map(card, mapping, fd, offset);
	if (!ret)
		return 0;
	/* Forget it without undoing the mmap: that is the caller's to do. */
	struct medio_card_mapping *kept = card->memory.list;
	while (kept->iova != mapping->iova)
		kept++;
	kept->mapped = false;
	medio_memory_remove(&card->memory, mapping->iova, mapping->size);
	return medio_card_result(card, ret);
}

int medio_card_dma_map(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, void *ptr)
{
	struct medio_card_mapping mapping = {
		.iova = iova, .size = size, .prot = prot, .ptr = ptr
	};
	int ret = check_range(card, iova, size, prot);

	return ret ? ret : add(card, &mapping, -1, 0);
}

static int map_file(struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, int fd,
	uint64_t offset, int access, void **out)
{
	struct medio_card_mapping mapping = {
		.iova = iova, .size = size, .prot = prot, .mapped = true
	};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return medio_card_fail(card, errno, "DMA: fstat: %s", strerror(errno));
	if (offset & PAGE_MASK ||
		(S_ISREG(st.st_mode) &&
			((uint64_t)st.st_size < size || offset > (uint64_t)st.st_size - size)))
		return medio_card_fail(card, EINVAL,
			"DMA: 0x%llx bytes at offset 0x%llx are not whole pages of the file's %lld",
			(unsigned long long)size, (unsigned long long)offset,
			(long long)st.st_size);
	void *ptr = mmap(NULL, size, access, MAP_SHARED, fd, (off_t)offset);
	if (ptr == MAP_FAILED)
		return medio_card_fail(card, errno, "DMA: mmap: %s", strerror(errno));
	mapping.ptr = ptr;
	int ret = add(card, &mapping, fd, offset);
	if (ret) {
		munmap(ptr, size);
		return ret;
	}
	*out = ptr;
	return 0;
}

int medio_card_dma_map_fd(struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot,
	int fd, uint64_t offset)
{
	int access = (prot & MEDIO_CARD_DMA_READ ? PROT_READ : 0) |
		     (prot & MEDIO_CARD_DMA_WRITE ? PROT_WRITE : 0);
	int ret = check_range(card, iova, size, prot);
	void *ptr;

	return ret ? ret : map_file(card, iova, size, prot, fd, offset, access, &ptr);
}

int medio_card_dma_alloc(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, void **out)
{
	_cleanup_close_ int fd = -1;
	int ret = check_range(card, iova, size, prot);

	if (ret)
		return ret;
	fd = memfd_create("medio-dma", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return medio_card_fail(card, errno, "DMA: memfd: %s", strerror(errno));
	/* Sealed, so that the other side need not fear SIGBUS. */
	if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return medio_card_fail(card, errno, "DMA: memfd of 0x%llx bytes: %s",
			(unsigned long long)size, strerror(errno));
	return map_file(card, iova, size, prot, fd, 0, PROT_READ | PROT_WRITE, out);
}

int medio_card_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	int ret = check_range(card, iova, size, PROTS);

	if (ret)
		return ret;
	ret = medio_memory_count(&card->memory, iova, size);
	if (ret < 0)
		return medio_card_fail(card, EINVAL, "DMA: 0x%llx bytes at 0x%llx cut a mapping",
			(unsigned long long)size, (unsigned long long)iova);
	if (!ret)
		return medio_card_fail(
			card, ENOENT, "DMA: nothing is mapped at 0x%llx", (unsigned long long)iova);
	ret = card->backend->dma_unmap(card, iova, size);
	if (ret)
		return medio_card_result(card, ret);
	medio_memory_remove(&card->memory, iova, size);
	return 0;
}
