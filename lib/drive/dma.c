/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for the device. */
#include <medio/driver.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "drive/backend.h"
#include "drive/calls.h"
#include "iommu/guard.h"
#include "util/cleanup.h"

#define PAGE_MASK UINT64_C(4095)
#define HUGE_PAGE UINT64_C(0x200000)
#define PROTS	  (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define HUGE	  (MEDIO_CARD_DMA_HUGE | MEDIO_CARD_DMA_HUGE_TRY)
#define MAX_FILES 256 /* kept for the card's coming back; a program has few descriptors */

typedef unsigned long long ull;

static int check_size(struct medio_card *card, uint64_t size, unsigned prot, unsigned allowed)
{
	if (!size || size & PAGE_MASK || size > SIZE_MAX / 2)
		return medio_card_fail(card, EINVAL,
			"DMA: 0x%llx bytes are not a possible number of whole pages of 4096",
			(ull)size);
	if (!(prot & PROTS) || prot & ~(PROTS | allowed))
		return medio_card_fail(
			card, EINVAL, "DMA: prot 0x%x is not read, write or both", prot);
	return 0;
}

static int check_range(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, unsigned allowed)
{
	if (!size || (iova | size) & PAGE_MASK)
		return medio_card_fail(card, EINVAL,
			"DMA: 0x%llx bytes at 0x%llx are not whole pages of 4096", (ull)size,
			(ull)iova);
	if (size - 1 > UINT64_MAX - iova || size > SIZE_MAX / 2)
		return medio_card_fail(card, EINVAL, "DMA: 0x%llx bytes at 0x%llx wrap around",
			(ull)size, (ull)iova);
	return check_size(card, size, prot, allowed);
}

/* ---- Where it can be --------------------------------------------------------------------------- */

static int out_of_limits(struct medio_card *card, uint64_t iova, uint64_t size)
{
	const struct medio_dma_limits *limits = &card->container->limits;
	char ranges[160] = "none";
	size_t used = 0;

	if (iova <= MEDIO_DMA_MSI_LAST && iova + (size - 1) >= MEDIO_DMA_MSI_FIRST &&
		!medio_dma_limits_hold(limits, MEDIO_DMA_MSI_FIRST, 1))
		return medio_card_fail(card, EINVAL,
			"DMA: 0x%llx bytes at 0x%llx touch 0xfee00000 to 0xfeefffff, where interrupts go",
			(ull)size, (ull)iova);
	for (unsigned i = 0; i < limits->num_ranges && used < sizeof(ranges) - 50; i++)
		used += (size_t)snprintf(ranges + used, sizeof(ranges) - used, "%s0x%llx to 0x%llx",
			i ? ", " : "", (ull)limits->ranges[i].first, (ull)limits->ranges[i].last);
	return medio_card_fail(card, EINVAL,
		"DMA: 0x%llx bytes at 0x%llx are out of the device's reach, which is %s", (ull)size,
		(ull)iova, ranges);
}

static int check_limits(struct medio_card *card, uint64_t iova, uint64_t size)
{
	const struct medio_dma_limits *limits = &card->container->limits;
	uint64_t page = limits->page_sizes & -limits->page_sizes;

	if (page && (iova | size) & (page - 1))
		return medio_card_fail(card, EINVAL,
			"DMA: 0x%llx bytes at 0x%llx are not whole pages of the IOMMU's 0x%llx",
			(ull)size, (ull)iova, (ull)page);
	return medio_dma_limits_hold(limits, iova, size) ? 0 : out_of_limits(card, iova, size);
}

/*
 * Where the members without a translation see memory; one decides for all. size 0: can they at all?
 * *found: there is such a member.
 */
static int find_physical(
	struct medio_card *card, uint64_t size, void *ptr, uint64_t *iova, bool *found)
{
	medio_list_for_each (item, &card->container->cards) {
		struct medio_card *member = medio_container_of(item, struct medio_card, member);
		if (!member->backend->dma_place)
			continue;
		*found = true;
		int ret = medio_card_result(
			member, member->backend->dma_place(member, ptr, size, iova));
		if (ret && member != card)
			return medio_card_fail(card, -ret, "%s: %s", medio_card_uri(member),
				medio_card_last_error(member));
		return ret;
	}
	return 0;
}

/* An iova for memory that is at ptr here. */
static int find_place(
	struct medio_card *card, uint64_t size, unsigned prot, void *ptr, uint64_t *iova)
{
	struct medio_container *container = card->container;

	bool physical = false;
	int ret = find_physical(card, size, ptr, iova, &physical);
	if (ret || physical)
		return ret;
	if (prot & MEDIO_CARD_DMA_IDENTITY) {
		*iova = (uintptr_t)ptr;
		return 0;
	}
	ret = medio_container_place(container, size, iova);
	return ret ? medio_card_fail(
			     card, ENOSPC, "DMA: no 0x%llx bytes of addresses are free", (ull)size)
		   : 0;
}

void medio_card_get_dma_info(struct medio_card *card, struct medio_card_dma_info *out)
{
	const struct medio_dma_limits *limits = &card->container->limits;

	medio_container_limits(card->container);
	*out = (struct medio_card_dma_info){
		.ranges = limits->ranges,
		.num_ranges = limits->num_ranges,
		.page_sizes = limits->page_sizes,
		.max_maps = limits->max_maps,
		.num_maps = card->container->memory.count,
		.physical = limits->physical,
	};
}

int medio_card_dma_mask(struct medio_card *card, unsigned bits)
{
	const struct medio_memory *memory = &card->container->memory;
	unsigned before = card->dma_bits;

	if (bits < 17 || bits > 64)
		return medio_card_fail(
			card, EINVAL, "DMA: a mask of %u bits, allowed are 17 to 64", bits);
	if (bits < 64 && memory->count) {
		const struct medio_card_mapping *top = &memory->list[memory->count - 1];
		if ((top->iova + (top->size - 1)) >> bits)
			return medio_card_fail(card, EEXIST,
				"DMA: 0x%llx is mapped, beyond %u bits", (ull)top->iova, bits);
	}
	card->dma_bits = bits;
	medio_container_limits(card->container);
	if (!card->container->limits.num_ranges) {
		card->dma_bits = before;
		medio_container_limits(card->container);
		return medio_card_fail(card, EINVAL,
			"DMA: with %u bits the device reaches nothing that the IOMMU maps", bits);
	}
	return 0;
}

/* ---- Mappings ---------------------------------------------------------------------------------- */

/* Cards that join later, or come back, need the file again. */
static int keep_file(struct medio_card *card, const struct medio_card_mapping *mapping, int *copy)
{
	bool shared = card->container->shared;

	if (mapping->fd < 0 ||
		(!shared && (!card->returns || card->container->memory.files >= MAX_FILES)))
		return 0;
	*copy = fcntl(mapping->fd, F_DUPFD_CLOEXEC, 0);
	/* To come back without it is slower, no more. */
	return *copy < 0 && shared ? medio_card_fail(card, errno, "DMA: %s", strerror(errno)) : 0;
}

/* Remember mapping and tell the devices. On failure the mapping's memory is the caller's still. */
static int add(struct medio_card *card, struct medio_card_mapping *mapping)
{
	struct medio_container *container = card->container;
	_cleanup_close_ int copy = -1;
	int ret = check_limits(card, mapping->iova, mapping->size);

	if (ret)
		return ret;
	ret = medio_memory_add(&container->memory, mapping);
	if (ret)
		return medio_card_fail(card, -ret, "DMA: 0x%llx bytes at 0x%llx: %s",
			(ull)mapping->size, (ull)mapping->iova,
			ret == -EEXIST ? "part of them is mapped already" : strerror(-ret));
	ret = keep_file(card, mapping, &copy);
	if (!ret)
		ret = medio_container_map(card, mapping);
	if (ret)
		medio_memory_forget(&container->memory, mapping->iova);
	else
		medio_memory_set_fd(&container->memory, mapping->iova, medio_steal_fd(copy));
	return ret;
}

int medio_card_dma_map(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, void *ptr)
{
	struct medio_card_mapping mapping = {
		.iova = iova, .size = size, .prot = prot, .ptr = ptr, .fd = -1
	};
	int ret = check_range(card, iova, size, prot, 0);

	return ret ? ret : add(card, &mapping);
}

int medio_card_dma_map_calls(struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot,
	const struct medio_card_memory *memory, void *opaque)
{
	struct medio_card_mapping mapping = {
		.iova = iova,
		.size = size,
		.prot = prot,
		.fd = -1,
		.calls = memory,
		.opaque = opaque,
	};
	int ret = check_range(card, iova, size, prot, 0);

	return ret ? ret : add(card, &mapping);
}

int medio_card_dma_map_any(
	struct medio_card *card, uint64_t size, unsigned prot, void *ptr, uint64_t *iova)
{
	struct medio_card_mapping mapping = {
		.size = size, .prot = prot & PROTS, .ptr = ptr, .fd = -1
	};
	int ret = check_size(card, size, prot, MEDIO_CARD_DMA_IDENTITY);

	if (!ret)
		ret = find_place(card, size, prot, ptr, &mapping.iova);
	if (!ret)
		ret = check_range(card, mapping.iova, size, mapping.prot, 0);
	if (!ret)
		ret = add(card, &mapping);
	if (!ret)
		*iova = mapping.iova;
	return ret;
}

static int check_file(struct medio_card *card, int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return medio_card_fail(card, errno, "DMA: fstat: %s", strerror(errno));
	if (offset & PAGE_MASK ||
		(S_ISREG(st.st_mode) &&
			((uint64_t)st.st_size < size || offset > (uint64_t)st.st_size - size)))
		return medio_card_fail(card, EINVAL,
			"DMA: 0x%llx bytes at offset 0x%llx are not whole pages of the file's %lld",
			(ull)size, (ull)offset, (long long)st.st_size);
	return 0;
}

static int guard(struct medio_card *card, struct medio_card_mapping *mapping, int access)
{
	struct stat st;
	uint64_t granule = PAGE_MASK + 1;

	if (fstat(mapping->fd, &st) == 0 && st.st_blksize > 0 &&
		mapping->size % (uint64_t)st.st_blksize == 0 && !(st.st_blksize & PAGE_MASK))
		granule = (uint64_t)st.st_blksize;
	int ret = medio_guard_add(mapping->ptr, mapping->size, granule, access, &mapping->guard);
	return ret ? medio_card_fail(card, -ret, "DMA: a guard: %s", strerror(-ret)) : 0;
}

int medio_card_dma_map_fd(struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot,
	int fd, uint64_t offset)
{
	int access = (prot & MEDIO_CARD_DMA_READ ? PROT_READ : 0) |
		     (prot & MEDIO_CARD_DMA_WRITE ? PROT_WRITE : 0);
	struct medio_card_mapping mapping = {
		.iova = iova,
		.size = size,
		.prot = prot & PROTS,
		.mapped = size,
		.fd = fd,
		.offset = offset,
	};
	int ret = check_range(card, iova, size, prot, MEDIO_CARD_DMA_GUARD);

	if (!ret)
		ret = check_file(card, fd, offset, size);
	if (ret)
		return ret;
	mapping.ptr = mmap(NULL, size, access, MAP_SHARED, fd, (off_t)offset);
	if (mapping.ptr == MAP_FAILED)
		return medio_card_fail(card, errno, "DMA: mmap: %s", strerror(errno));
	ret = prot & MEDIO_CARD_DMA_GUARD ? guard(card, &mapping, access) : 0;
	if (!ret)
		ret = add(card, &mapping);
	if (ret) {
		medio_guard_del(mapping.guard);
		munmap(mapping.ptr, size);
	}
	return ret;
}

/* ---- Memory of ours ---------------------------------------------------------------------------- */

/* A file of size bytes and where it is here. Words are the caller's. */
static int make_memory(uint64_t size, unsigned flags, int *fd, void **ptr)
{
	_cleanup_close_ int owned = memfd_create(
		"medio-dma", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (owned < 0)
		return -errno;
	/* Sealed, so that the other side need not fear SIGBUS. */
	if (ftruncate(owned, (off_t)size) < 0 || fcntl(owned, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return -errno;
	*ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, owned, 0);
	if (*ptr == MAP_FAILED)
		return -errno;
	medio_calls_say(0, "memfd_create and mmap, 0x%llx bytes%s", (ull)size,
		flags & MFD_HUGETLB ? " in huge pages" : "");
	*fd = medio_steal_fd(owned);
	return 0;
}

/* Huge pages if they are asked for, or if nothing else will do. */
static int alloc_memory(
	struct medio_card *card, unsigned prot, uint64_t size, struct medio_card_mapping *mapping)
{
	bool physical = card->container->limits.physical;
	bool must = physical || prot & MEDIO_CARD_DMA_HUGE;
	int ret = -ENOMEM;
	void *ptr = NULL;

	if (prot & MEDIO_CARD_DMA_HUGE && size % HUGE_PAGE)
		return medio_card_fail(card, EINVAL,
			"DMA: 0x%llx bytes are not whole huge pages of 0x%llx", (ull)size,
			(ull)HUGE_PAGE);
	mapping->mapped = physical ? (size + HUGE_PAGE - 1) & -HUGE_PAGE : size;
	if (must || (prot & HUGE && size % HUGE_PAGE == 0))
		ret = make_memory(mapping->mapped, MFD_HUGETLB | MFD_HUGE_2MB, &mapping->fd, &ptr);
	if (ret && must)
		return medio_card_fail(card, ENOMEM,
			"DMA: no %llu huge pages of 2 MiB are free (%s); /proc/sys/vm/nr_hugepages is "
			"how many the system keeps",
			(ull)(mapping->mapped / HUGE_PAGE), strerror(-ret));
	if (ret)
		ret = make_memory(size, 0, &mapping->fd, &ptr);
	if (ret)
		return medio_card_fail(
			card, -ret, "DMA: memory of 0x%llx bytes: %s", (ull)size, strerror(-ret));
	mapping->ptr = ptr;
	return 0;
}

static int alloc(struct medio_card *card, const uint64_t *fixed, uint64_t size, unsigned prot,
	uint64_t *iova, void **out)
{
	struct medio_card_mapping mapping = { .size = size, .prot = prot & PROTS };
	bool physical = false;
	int ret = find_physical(card, 0, NULL, &mapping.iova, &physical);

	if (ret)
		return ret;
	ret = alloc_memory(card, prot, size, &mapping);

	if (ret)
		return ret;
	_cleanup_close_ int fd = mapping.fd; /* the mapping keeps a copy if it needs one */
	(void)fd;
	if (fixed)
		mapping.iova = *fixed;
	else
		ret = find_place(card, size, prot, mapping.ptr, &mapping.iova);
	if (!ret)
		ret = add(card, &mapping);
	if (ret) {
		munmap(mapping.ptr, mapping.mapped);
		return ret;
	}
	*iova = mapping.iova;
	*out = mapping.ptr;
	return 0;
}

int medio_card_dma_alloc(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, void **out)
{
	int ret = check_range(card, iova, size, prot, HUGE);

	return ret ? ret : alloc(card, &iova, size, prot, &iova, out);
}

int medio_card_dma_alloc_any(
	struct medio_card *card, uint64_t size, unsigned prot, uint64_t *iova, void **out)
{
	int ret = check_size(card, size, prot, HUGE | MEDIO_CARD_DMA_IDENTITY);

	return ret ? ret : alloc(card, NULL, size, prot, iova, out);
}

int medio_card_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	struct medio_memory *memory = &card->container->memory;
	int ret = check_range(card, iova, size, PROTS, 0);

	if (ret)
		return ret;
	ret = medio_memory_count(memory, iova, size);
	if (ret < 0)
		return medio_card_fail(card, EINVAL, "DMA: 0x%llx bytes at 0x%llx cut a mapping",
			(ull)size, (ull)iova);
	if (!ret)
		return medio_card_fail(card, ENOENT, "DMA: nothing is mapped at 0x%llx", (ull)iova);
	ret = medio_container_unmap(card, iova, size);
	if (!ret)
		medio_memory_remove(memory, iova, size);
	return ret;
}
