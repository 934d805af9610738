/* SPDX-License-Identifier: BSD-3-Clause */
#include "slots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_A_SLOT 4 /* a register is touched in the middle too, and hashing likes room */

int slots_init(struct slots *slots, unsigned max)
{
	unsigned places = 16;

	while (places < PLACES_A_SLOT * max)
		places *= 2;
	*slots = (struct slots){ .max = max, .mask = places - 1 };
	slots->items = calloc(max + 1, sizeof(*slots->items));
	slots->places = calloc(places, sizeof(*slots->places));
	if (slots->items && slots->places) {
		slots_clear(slots);
		return 0;
	}
	slots_fini(slots);
	return -ENOMEM;
}

void slots_fini(struct slots *slots)
{
	free(slots->items);
	free(slots->places);
	*slots = (struct slots){ 0 };
}

void slots_clear(struct slots *slots)
{
	memset(slots->items, 0, (slots->max + 1) * sizeof(*slots->items));
	memset(slots->places, 0, (slots->mask + 1) * sizeof(*slots->places));
	slots->count = slots->used = 0;
	strcpy(slots_others(slots)->name, "others");
}

/* The slot of a register by its name: "name+3" is of "name". */
static struct slot *by_name(
	struct slots *slots, const struct medio_dev *dev, unsigned region, uint64_t offset)
{
	char name[SLOT_NAME];

	if (medio_register_name(dev, region, offset, name, sizeof(name)))
		name[strcspn(name, "+")] = '\0';
	for (unsigned i = 0; i < slots->count; i++)
		if (slots->items[i].region == region && strcmp(slots->items[i].name, name) == 0)
			return &slots->items[i];
	if (slots->count == slots->max)
		return slots_others(slots);
	struct slot *slot = &slots->items[slots->count++];
	memcpy(slot->name, name, sizeof(name));
	slot->region = region;
	slot->offset = offset;
	return slot;
}

struct slot *slots_get(
	struct slots *slots, const struct medio_dev *dev, unsigned region, uint64_t offset)
{
	uint64_t hash = (offset + region) * UINT64_C(0x9e3779b97f4a7c15);
	unsigned at = (unsigned)(hash >> 32) & slots->mask;
	struct slot_place *place;

	for (;; at = (at + 1) & slots->mask) {
		place = &slots->places[at];
		if (!place->slot)
			break;
		if (place->offset == offset && place->region == region)
			return &slots->items[place->slot - 1];
	}
	/* A quarter stays free, so that a search ends soon. Then the others' names are looked up each time. */
	struct slot *slot = slots->count == slots->max && slots->used > slots->mask / 4 * 3
				    ? slots_others(slots)
				    : by_name(slots, dev, region, offset);
	if (slots->used <= slots->mask / 4 * 3) {
		*place = (struct slot_place){ offset, region, (uint32_t)(slot - slots->items) + 1 };
		slots->used++;
	}
	return slot;
}
