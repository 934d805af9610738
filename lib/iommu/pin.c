/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open addressing with linear probing. Deleting shifts later entries back instead of leaving
 * tombstones, so that a device that pins and unpins for days searches as fast as at its start.
 */
#include "iommu/pin.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static uint64_t entries(const struct medio_pintable *t)
{
	return t->entry ? UINT64_C(1) << t->bits : 0;
}

static uint64_t home(const struct medio_pintable *t, uint64_t page)
{
	return (page * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - t->bits);
}

/* Where page is, or the free entry where it would go. */
static struct medio_pin *probe(const struct medio_pintable *t, uint64_t page)
{
	const uint64_t mask = entries(t) - 1;
	uint64_t i = home(t, page);
	while (t->entry[i].count && t->entry[i].page != page)
		i = (i + 1) & mask;
	return &t->entry[i];
}

int medio_pintable_reserve(struct medio_pintable *t, unsigned n)
{
	const uint64_t want = ((uint64_t)t->count + n) * 2;
	if (want <= entries(t))
		return 0;
	struct medio_pintable bigger = { .bits = t->entry ? t->bits : 6, .count = t->count };
	while (want > UINT64_C(1) << bigger.bits)
		bigger.bits++;
	bigger.entry = calloc((size_t)1 << bigger.bits, sizeof(*bigger.entry));
	if (!bigger.entry)
		return -ENOMEM;
	for (uint64_t i = 0; i < entries(t); i++) {
		if (t->entry[i].count)
			*probe(&bigger, t->entry[i].page) = t->entry[i];
	}
	free(t->entry);
	*t = bigger;
	return 0;
}

struct medio_pin *medio_pintable_find(const struct medio_pintable *t, uint64_t page)
{
	if (!t->count)
		return NULL;
	struct medio_pin *pin = probe(t, page);
	return pin->count ? pin : NULL;
}

void medio_pintable_add(struct medio_pintable *t, uint64_t page, bool write)
{
	struct medio_pin *pin = probe(t, page);
	if (!pin->count) {
		assert(t->count < entries(t) / 2);
		*pin = (struct medio_pin){ .page = page };
		t->count++;
	}
	pin->count++;
	pin->write |= write;
}

/* Free an entry and move back those behind it that were only there because it was taken. */
static void erase(struct medio_pintable *t, struct medio_pin *pin)
{
	const uint64_t mask = entries(t) - 1;
	uint64_t hole = (uint64_t)(pin - t->entry);
	for (uint64_t i = (hole + 1) & mask; t->entry[i].count; i = (i + 1) & mask) {
		/* Movable if its home is not within (hole, i], cyclically. */
		uint64_t from_home = (i - home(t, t->entry[i].page)) & mask;
		if (from_home >= ((i - hole) & mask)) {
			t->entry[hole] = t->entry[i];
			hole = i;
		}
	}
	t->entry[hole].count = 0;
	if (!--t->count) {
		free(t->entry);
		*t = (struct medio_pintable){ 0 };
	}
}

bool medio_pintable_drop(struct medio_pintable *t, uint64_t page, bool all)
{
	struct medio_pin *pin = medio_pintable_find(t, page);
	if (!pin)
		return false;
	if (all || !--pin->count)
		erase(t, pin);
	return true;
}

uint64_t medio_pintable_within(const struct medio_pintable *t, uint64_t first, uint64_t last)
{
	uint64_t n = 0;
	if (!t->count)
		return 0;
	if (last - first < entries(t)) {
		for (uint64_t page = first; page <= last; page++)
			n += medio_pintable_find(t, page) != NULL;
	} else {
		for (uint64_t i = 0; i < entries(t); i++) {
			const struct medio_pin *p = &t->entry[i];
			n += p->count && p->page >= first && p->page <= last;
		}
	}
	return n;
}

uint64_t medio_pintable_force(struct medio_pintable *t, uint64_t first, uint64_t last)
{
	uint64_t n = 0;
	if (t->count && last - first < entries(t)) {
		for (uint64_t page = first; page <= last; page++)
			n += medio_pintable_drop(t, page, true);
		return n;
	}
	for (uint64_t i = 0; i < entries(t);) {
		const struct medio_pin *p = &t->entry[i];
		/* An erased entry may be filled from behind: look at it again. */
		if (p->count && p->page >= first && p->page <= last)
			n += medio_pintable_drop(t, p->page, true);
		else
			i++;
	}
	return n;
}

void medio_pintable_written(const struct medio_pintable *t, uint64_t first, uint64_t last,
	void (*fn)(void *opaque, uint64_t page), void *opaque)
{
	for (uint64_t i = 0; i < entries(t); i++) {
		const struct medio_pin *p = &t->entry[i];
		if (p->count && p->write && p->page >= first && p->page <= last)
			fn(opaque, p->page);
	}
}
