/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/kmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compat/kdev.h"
#include "compat/spanpart.h"
#include "util/cleanup.h"

static struct medio_kmap_user *user_of(struct medio_list *item)
{
	return medio_container_of(item, struct medio_kmap_user, link);
}

int medio_kmap_new(struct medio_kmap **out)
{
	struct medio_kmap *kmap = calloc(1, sizeof(*kmap));

	if (!kmap)
		return -ENOMEM;
	medio_list_init(&kmap->users);
	*out = kmap;
	return 0;
}

void medio_kmap_free(struct medio_kmap *kmap)
{
	if (!kmap)
		return;
	medio_kmap_unmap_all(kmap);
	medio_list_for_each (item, &kmap->users) {
		user_of(item)->kdev->kmap = NULL;
		free(user_of(item));
	}
	free(kmap);
}

/* ---- Looking up ------------------------------------------------------------------------------- */

/* A mapping of ours stands where a translation's table has the address of its memory. */
static struct medio_kmapping *mapping_at(const struct medio_maptable *t, struct medio_mappos pos)
{
	return (struct medio_kmapping *)(void *)medio_mappos_mapping(t, pos)->hva;
}

struct medio_kmapping *medio_kmap_from(const struct medio_kmap *kmap, uint64_t iova)
{
	struct medio_mappos pos = medio_maptable_seek(&kmap->table, iova);

	if (!medio_mappos_valid(&kmap->table, pos))
		return NULL;
	return mapping_at(&kmap->table, pos);
}

struct medio_kmapping *medio_kmap_at(const struct medio_kmap *kmap, uint64_t iova)
{
	struct medio_kmapping *mapping = medio_kmap_from(kmap, iova);

	return mapping && mapping->iova <= iova ? mapping : NULL;
}

struct medio_kmapping *medio_kmap_overlap(
	const struct medio_kmap *kmap, uint64_t iova, uint64_t last)
{
	struct medio_kmapping *mapping = medio_kmap_from(kmap, iova);

	return mapping && mapping->iova <= last ? mapping : NULL;
}

/* ---- Mapping ---------------------------------------------------------------------------------- */

/* Take a mapping back from the devices before end, which are all for the list's head. */
static void take_back(
	struct medio_kmap *kmap, const struct medio_kmapping *mapping, const struct medio_list *end)
{
	medio_list_for_each (item, &kmap->users) {
		if (item == end)
			break;
		medio_kdev_unmap(user_of(item)->kdev, mapping->iova, mapping->size);
	}
}

static int give(struct medio_kmap *kmap, struct medio_kmapping *mapping)
{
	if (!mapping->span)
		return 0;
	medio_list_for_each (item, &kmap->users) {
		int ret = medio_kdev_map(
			user_of(item)->kdev, mapping->iova, mapping->span, mapping->prot);
		if (ret) {
			take_back(kmap, mapping, item);
			return ret;
		}
	}
	return 0;
}

int medio_kmap_map(struct medio_kmap *kmap, uint64_t iova, uint64_t size, uint64_t vaddr,
	unsigned prot, struct medio_span *span, struct medio_kmapping **out)
{
	struct medio_kmapping *mapping = calloc(1, sizeof(*mapping));

	if (!mapping)
		return -ENOMEM;
	mapping->iova = iova;
	mapping->size = size;
	mapping->vaddr = vaddr;
	mapping->prot = prot;
	mapping->span = span;
	const struct medio_mapping slot = {
		.pages = size >> MEDIO_IOMMU_PAGE_SHIFT,
		.prot = (uint8_t)prot,
		.hva = (void *)mapping,
	};
	const struct medio_backing backing = { NULL, NULL };
	int ret = medio_maptable_insert(&kmap->table, iova, &slot, &backing);
	if (ret) {
		free(mapping);
		return ret;
	}
	ret = give(kmap, mapping);
	if (ret) {
		medio_maptable_erase(&kmap->table, iova, medio_kmapping_last(mapping));
		free(mapping);
		return ret;
	}
	if (out)
		*out = mapping;
	return 0;
}

void medio_kmap_unmap(struct medio_kmap *kmap, struct medio_kmapping *mapping)
{
	if (mapping->span)
		take_back(kmap, mapping, NULL);
	medio_maptable_erase(&kmap->table, mapping->iova, medio_kmapping_last(mapping));
	if (mapping->span)
		medio_span_put(mapping->span);
	free(mapping);
}

int medio_kmap_cut(struct medio_kmap *kmap, uint64_t last)
{
	struct medio_kmapping *mapping = medio_kmap_at(kmap, last);
	struct medio_span *low = NULL, *high = NULL;

	if (!mapping || medio_kmapping_last(mapping) == last)
		return 0;
	const struct medio_kmapping old = *mapping;
	const uint64_t size = last + 1 - old.iova;
	if (size % MEDIO_IOMMU_PAGE)
		return -EINVAL;
	int ret = old.span ? medio_span_part(old.span, 0, size, old.prot, &low) : 0;
	if (!ret && old.span)
		ret = medio_span_part(old.span, size, old.size - size, old.prot, &high);
	if (!ret) {
		medio_kmap_unmap(kmap, mapping);
		ret = medio_kmap_map(kmap, old.iova, size, old.vaddr, old.prot, low, NULL);
	}
	if (ret && low)
		medio_span_put(low);
	if (!ret)
		ret = medio_kmap_map(
			kmap, last + 1, old.size - size, old.vaddr + size, old.prot, high, NULL);
	if (ret && high)
		medio_span_put(high);
	return ret;
}

void medio_kmap_unmap_all(struct medio_kmap *kmap)
{
	struct medio_kmapping *mapping;

	while ((mapping = medio_kmap_from(kmap, 0)))
		medio_kmap_unmap(kmap, mapping);
}

/* ---- Devices ---------------------------------------------------------------------------------- */

/* Take from one device what is mapped below iova. */
static void take_below(struct medio_kmap *kmap, struct medio_kdev *kdev, const uint64_t *iova)
{
	struct medio_mappos pos = { 0, 0 };

	for (; medio_mappos_valid(&kmap->table, pos); pos = medio_mappos_next(&kmap->table, pos)) {
		const struct medio_kmapping *mapping = mapping_at(&kmap->table, pos);

		if (iova && mapping->iova >= *iova)
			break;
		if (mapping->span)
			medio_kdev_unmap(kdev, mapping->iova, mapping->size);
	}
}

static void unlog_user(struct medio_kmap_user *user)
{
	if (user->logs)
		medio_card_dirty_stop(user->kdev->card);
	user->logs = false;
}

static void log_user(struct medio_kmap_user *user)
{
	unlog_user(user);
	/* One with nothing to write to yet (-ENOENT) cannot start a log: what it is given later counts as written. */
	user->logs = !medio_card_dirty_start(user->kdev->card, MEDIO_IOMMU_PAGE);
}

int medio_kmap_attach(struct medio_kmap *kmap, struct medio_kdev *kdev)
{
	struct medio_kmap_user *user = calloc(1, sizeof(*user));
	struct medio_mappos pos = { 0, 0 };

	if (!user)
		return -ENOMEM;
	user->kdev = kdev;
	for (; medio_mappos_valid(&kmap->table, pos); pos = medio_mappos_next(&kmap->table, pos)) {
		const struct medio_kmapping *mapping = mapping_at(&kmap->table, pos);

		if (!mapping->span)
			continue;
		int ret = medio_kdev_map(kdev, mapping->iova, mapping->span, mapping->prot);
		if (ret) {
			take_below(kmap, kdev, &mapping->iova);
			free(user);
			return ret;
		}
	}
	medio_list_append(&kmap->users, &user->link);
	kdev->kmap = kmap;
	if (kmap->logging)
		log_user(user);
	return 0;
}

static struct medio_kmap_user *find_user(struct medio_kmap *kmap, const struct medio_kdev *kdev)
{
	medio_list_for_each (item, &kmap->users)
		if (user_of(item)->kdev == kdev)
			return user_of(item);
	return NULL;
}

/* What it has written is not known any more. */
static void lose_log(struct medio_kmap *kmap)
{
	struct medio_mappos pos = { 0, 0 };

	for (; medio_mappos_valid(&kmap->table, pos); pos = medio_mappos_next(&kmap->table, pos)) {
		struct medio_kmapping *mapping = mapping_at(&kmap->table, pos);

		if (mapping->span && mapping->prot & MEDIO_SPAN_WRITE)
			mapping->written = true;
	}
}

void medio_kmap_forget(struct medio_kmap *kmap, struct medio_kdev *kdev)
{
	struct medio_kmap_user *user = find_user(kmap, kdev);

	if (!user)
		return;
	if (kmap->logging)
		lose_log(kmap);
	medio_list_remove(&user->link);
	free(user);
	kdev->kmap = NULL;
}

void medio_kmap_detach(struct medio_kmap *kmap, struct medio_kdev *kdev)
{
	struct medio_kmap_user *user = find_user(kmap, kdev);

	if (!user)
		return;
	unlog_user(user);
	take_below(kmap, kdev, NULL);
	medio_kmap_forget(kmap, kdev);
}

/* ---- The log ---------------------------------------------------------------------------------- */

void medio_kmap_log_start(struct medio_kmap *kmap)
{
	struct medio_mappos pos = { 0, 0 };

	kmap->logging = true;
	for (; medio_mappos_valid(&kmap->table, pos); pos = medio_mappos_next(&kmap->table, pos))
		mapping_at(&kmap->table, pos)->written = false;
	medio_list_for_each (item, &kmap->users)
		log_user(user_of(item));
}

void medio_kmap_log_stop(struct medio_kmap *kmap)
{
	kmap->logging = false;
	medio_list_for_each (item, &kmap->users)
		unlog_user(user_of(item));
}

void medio_kmap_log_yield(struct medio_kdev *kdev)
{
	struct medio_kmap_user *user = kdev->kmap ? find_user(kdev->kmap, kdev) : NULL;

	if (user)
		unlog_user(user);
}

static void set_all(uint64_t *words, uint64_t pages)
{
	memset(words, 0xff, pages / 64 * 8);
	if (pages % 64)
		words[pages / 64] = (UINT64_C(1) << pages % 64) - 1;
}

void medio_kmap_log_get(
	struct medio_kmap *kmap, struct medio_kmapping *mapping, bool keep, uint64_t *words)
{
	const uint64_t pages = mapping->size >> MEDIO_IOMMU_PAGE_SHIFT;
	bool all = mapping->written;

	if (!mapping->span || !(mapping->prot & MEDIO_SPAN_WRITE))
		return;
	if (!all && !medio_list_empty(&kmap->users)) {
		_cleanup_free_ uint64_t *one = calloc((pages + 63) / 64, sizeof(*one));
		medio_list_for_each (item, &kmap->users) {
			struct medio_kmap_user *user = user_of(item);
			if (!one || !user->logs ||
				medio_card_dirty_get(
					user->kdev->card, mapping->iova, mapping->size, one)) {
				all = true;
				continue;
			}
			for (uint64_t i = 0; i < (pages + 63) / 64; i++)
				words[i] |= one[i];
		}
	}
	if (all)
		set_all(words, pages);
	/* The cards have forgotten it. */
	mapping->written = keep;
}
