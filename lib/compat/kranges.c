/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/kranges.h"

#include <string.h>

#include "compat/kdev.h"

void medio_kranges_all(struct medio_kranges *ranges)
{
	ranges->num = 1;
	ranges->range[0] = (struct medio_krange){ 0, UINT64_MAX };
}

void medio_kranges_cut(struct medio_kranges *ranges, uint64_t first, uint64_t last)
{
	struct medio_kranges old = *ranges;

	ranges->num = 0;
	for (unsigned i = 0; i < old.num; i++) {
		const struct medio_krange range = old.range[i];

		if (range.first < first && ranges->num < MEDIO_KRANGES_MAX)
			ranges->range[ranges->num++] = (struct medio_krange){ range.first,
				range.last < first ? range.last : first - 1 };
		if (range.last > last && ranges->num < MEDIO_KRANGES_MAX)
			ranges->range[ranges->num++] = (struct medio_krange){
				range.first > last ? range.first : last + 1, range.last
			};
	}
}

bool medio_kranges_pins(const struct medio_kdev *kdev)
{
	return kdev->look != MEDIO_KDEV_MDEV;
}

void medio_kranges_narrow(struct medio_kranges *ranges, const struct medio_kdev *kdev)
{
	struct medio_card_dma_info info = { .ranges = NULL };
	uint64_t next = 0;

	if (medio_kranges_pins(kdev)) {
		medio_kranges_cut(ranges, MEDIO_KRANGES_MSI_FIRST, MEDIO_KRANGES_MSI_LAST);
		medio_kranges_cut(ranges, MEDIO_KRANGES_LAST + 1, UINT64_MAX);
	}
	medio_card_get_dma_info(kdev->card, &info);
	for (unsigned i = 0; i < info.num_ranges; i++) {
		if (info.ranges[i].first > next)
			medio_kranges_cut(ranges, next, info.ranges[i].first - 1);
		if (info.ranges[i].last == UINT64_MAX)
			return;
		next = info.ranges[i].last + 1;
	}
	if (info.num_ranges)
		medio_kranges_cut(ranges, next, UINT64_MAX);
}

bool medio_kranges_have(const struct medio_kranges *ranges, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < ranges->num; i++)
		if (first >= ranges->range[i].first && last <= ranges->range[i].last)
			return true;
	return false;
}
