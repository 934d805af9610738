/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client and a device that do what the input says: 20 bytes an operation (kind, flags, a 16-bit
 * number, iova, size). After each, the table must be sorted and without overlap; addresses are kept
 * near each other and near the ends so that they meet.
 */
#include "iommu/iommu.h"

#include <errno.h>
#include <medio/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	   4096u
#define FILE_PAGES 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct op {
	uint8_t kind, flags;
	uint16_t number;
	uint64_t iova, size;
};

static struct medio_iommu *domain;

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void on_unmap(void *opaque, uint64_t iova, uint64_t size)
{
	char c;
	/* It still is there, and pins go, most of the time. */
	require(medio_iommu_read(domain, iova, &c, 1) != -EFAULT || medio_iommu_poisoned(domain));
	if (iova & PAGE)
		medio_iommu_unpin(domain, iova, (unsigned)(size / PAGE < 64 ? size / PAGE : 64));
}

static void check(void)
{
	const struct medio_maptable *t = &domain->table;
	struct medio_mappos pos = { 0, 0 };
	uint64_t last = 0;
	unsigned n = 0;
	for (; medio_mappos_valid(t, pos); pos = medio_mappos_next(t, pos), n++) {
		struct medio_mappos found;
		const uint64_t start = medio_mappos_start(t, pos);
		require(!n || start > last);
		last = medio_mappos_last(t, pos);
		require(last > start);
		require(medio_maptable_floor(t, last, &found) && found.leaf == pos.leaf &&
			found.slot == pos.slot);
	}
	require(n == t->count);
}

static void dirty(const struct op *op)
{
	static uint64_t bitmap[512];
	uint64_t bytes = 0, page_size = UINT64_C(1) << (op->number % 64);
	const struct medio_iommu_range range[] = { { op->iova, op->size }, { op->size, op->iova } };
	switch (op->flags % 4) {
	case 0:
		medio_iommu_dirty_start(domain, page_size, range, op->number >> 8 & 1 ? 2 : 1);
		break;
	case 1:
		if (op->number >= 0xf000)
			medio_iommu_dirty_stop(domain);
		break;
	case 2:
		medio_iommu_dirty(domain, op->iova, op->size);
		break;
	case 3:
		medio_iommu_dirty_report(
			domain, op->iova, op->size, page_size, bitmap, sizeof(bitmap));
		if (medio_iommu_bitmap_bytes(op->size, page_size, &bytes) == 0)
			require(bytes && bytes % 8 == 0 && bytes <= 0x10000000);
	}
}

static void access_memory(const struct op *op)
{
	static char buf[8 * PAGE];
	void *pages[MEDIO_IOMMU_MAX_PIN];
	struct medio_iommu_iter it;
	struct medio_iommu_run run;
	const size_t len = op->number % sizeof(buf);
	int err = 0;
	char *p;
	switch (op->flags % 6) {
	case 0:
		medio_iommu_read(domain, op->iova, buf, len);
		break;
	case 1:
		medio_iommu_write(domain, op->iova, buf, len);
		break;
	case 2:
		p = medio_iommu_translate(domain, op->iova, len, op->flags >> 4 & 3, &err);
		require(p || err < 0);
		if (p && len && (op->flags >> 4 & 1))
			buf[0] ^= (char)(p[0] ^ p[len - 1]);
		break;
	case 3:
		medio_iommu_pin(domain, op->iova, op->number % 1024, op->flags >> 4 & 3, pages);
		break;
	case 4:
		medio_iommu_unpin(domain, op->iova, op->number % 1024);
		break;
	case 5:
		if (medio_iommu_iter_init(&it, domain, op->iova, op->size, op->flags >> 4 & 3) < 0)
			break;
		for (unsigned i = 0; i < 100; i++) {
			err = medio_iommu_iter_next(&it, op->number, &run);
			if (err <= 0)
				break;
			require(run.len && (!op->number || run.len <= op->number));
		}
	}
}

static void run_op(const struct op *op, int fd)
{
	struct medio_error *err = NULL;
	uint64_t unmapped = 0;
	static uint64_t bitmap[64];
	int ret;
	switch (op->kind % 6) {
	case 0:
	case 1:
		ret = medio_iommu_map(domain, op->iova, op->size, op->flags & 7,
			op->flags & 8 ? -1 : fd, (uint64_t)(op->number % 80) * PAGE, &err);
		require((ret < 0) == (err != NULL));
		medio_error_free(err);
		break;
	case 2:
		medio_iommu_unmap(domain, op->iova, op->size, (op->flags & 15) == 15, &unmapped);
		break;
	case 3:
		if (op->flags & 1)
			medio_iommu_unmap_dirty(domain, op->iova, op->size,
				UINT64_C(1) << (op->number % 64), bitmap, sizeof(bitmap),
				&unmapped);
		else if (op->number >= 0xff00 &&
			 ftruncate(fd, (off_t)(op->flags % (FILE_PAGES + 1)) * PAGE) < 0)
			abort();
		break;
	case 4:
		dirty(op);
		break;
	case 5:
		access_memory(op);
	}
}

/* A place of the input's choice among few: near 0, near 2^32, near 2^63, near the end. */
static uint64_t place(const uint8_t *p)
{
	static const uint64_t bases[] = { 0, UINT64_C(1) << 32, UINT64_C(1) << 63,
		-(128ull * PAGE) };
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	if (v >> 63)
		return v;
	return bases[v >> 60 & 3] + (v & 127) * PAGE + (v >> 56 & 1 ? v >> 8 & 4095 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)FILE_PAGES * PAGE) < 0 ||
		medio_iommu_new(&medio_iommu_type1, &domain) < 0)
		abort();
	medio_iommu_set_notify(domain, on_unmap, NULL);
	medio_iommu_set_pin_limit(domain, 600);
	for (; size >= 20; data += 20, size -= 20) {
		struct op op = { .kind = data[0], .flags = data[1] };
		memcpy(&op.number, data + 2, sizeof(op.number));
		op.iova = place(data + 4);
		op.size = place(data + 12);
		run_op(&op, fd);
		medio_iommu_poisoned(domain);
		check();
	}
	struct medio_iommu_fault fault;
	while (medio_iommu_fault_take(domain, &fault) == 0) {
		char text[256];
		require(medio_iommu_fault_print(&fault, text, sizeof(text)) < (int)sizeof(text));
	}
	medio_iommu_free(domain);
	close(fd);
	return 0;
}
