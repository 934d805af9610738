/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as an answer with capabilities: the first byte says which answer it is. */
#include <stdlib.h>

#include "drive/container.h"
#include "drive/vfio_caps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void region(const uint8_t *data, size_t size)
{
	struct medio_card_area *areas = NULL;
	unsigned count = 0;

	if (medio_vfio_caps_region(data, size, &areas, &count))
		return;
	for (unsigned i = 0; i < count; i++)
		(void)*(volatile const uint64_t *)&areas[i].size;
	free(areas);
}

static void iommu(const uint8_t *data, size_t size)
{
	struct medio_dma_limits limits;
	uint64_t page_sizes;

	medio_vfio_caps_log(data, size, &page_sizes);
	medio_dma_limits_all(&limits);
	if (medio_vfio_caps_iommu(data, size, &limits))
		return;
	/* Ranges are in order and apart, or what is worked out from them goes wrong. */
	for (unsigned i = 0; i < limits.num_ranges; i++)
		if (limits.ranges[i].first > limits.ranges[i].last ||
			(i && limits.ranges[i].first <= limits.ranges[i - 1].last))
			abort();
	medio_dma_limits_cut(&limits, MEDIO_DMA_MSI_FIRST, MEDIO_DMA_MSI_LAST);
	if (medio_dma_limits_hold(&limits, MEDIO_DMA_MSI_FIRST, 4096))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		region(data + 1, size - 1);
	else
		iommu(data + 1, size - 1);
	return 0;
}
