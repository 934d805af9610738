/* SPDX-License-Identifier: BSD-3-Clause */
/* The files behind mappings, for who hands the memory on to somebody else. */
#include <errno.h>

#include "iommu/iommu.h"

void medio_iommu_keep_files(struct medio_iommu *domain, bool on)
{
	domain->segments.keep_files = on;
}

int medio_iommu_file(
	const struct medio_iommu *domain, uint64_t iova, uint64_t len, int *fd, uint64_t *offset)
{
	const struct medio_maptable *table = &domain->table;
	const uint64_t last = iova + len - 1;
	struct medio_mappos pos;

	if (!len || last < iova || !medio_maptable_floor(table, iova, &pos) ||
		last > medio_mappos_last(table, pos))
		return -EFAULT;
	const struct medio_segment *seg = medio_mappos_backing(table, pos)->seg;
	if (!seg || seg->fd < 0)
		return -EREMOTE;
	const char *hva = medio_mappos_mapping(table, pos)->hva;
	*fd = seg->fd;
	*offset = seg->offset + (uint64_t)(hva - seg->hva) +
		  (iova - medio_mappos_start(table, pos));
	return 0;
}
