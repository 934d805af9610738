/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drive/backend.h"

/* Nothing is put below this: an iova of 0 is what a driver forgot to set. */
#define LOWEST	  UINT64_C(0x10000)
#define HUGE_PAGE UINT64_C(0x200000)

/* ---- Limits ------------------------------------------------------------------------------------ */

void medio_dma_limits_all(struct medio_dma_limits *limits)
{
	*limits = (struct medio_dma_limits){
		.ranges = { { 0, UINT64_MAX } },
		.num_ranges = 1,
		.page_sizes = ~UINT64_C(4095),
		.max_maps = UINT64_MAX,
	};
}

void medio_dma_limits_meet(struct medio_dma_limits *limits, const struct medio_dma_limits *other)
{
	struct medio_dma_limits out = {
		.page_sizes = limits->page_sizes & other->page_sizes,
		.max_maps = limits->max_maps < other->max_maps ? limits->max_maps : other->max_maps,
		.physical = limits->physical || other->physical,
	};

	for (unsigned a = 0, b = 0; a < limits->num_ranges && b < other->num_ranges;) {
		const struct medio_card_dma_range *x = &limits->ranges[a], *y = &other->ranges[b];
		uint64_t first = x->first > y->first ? x->first : y->first;
		uint64_t last = x->last < y->last ? x->last : y->last;
		if (first <= last && out.num_ranges < MEDIO_DMA_MAX_RANGES)
			out.ranges[out.num_ranges++] = (struct medio_card_dma_range){ first, last };
		if (x->last < y->last)
			a++;
		else
			b++;
	}
	*limits = out;
}

void medio_dma_limits_cut(struct medio_dma_limits *limits, uint64_t first, uint64_t last)
{
	struct medio_dma_limits rest = *limits;

	rest.num_ranges = 0;
	if (first > 0)
		rest.ranges[rest.num_ranges++] = (struct medio_card_dma_range){ 0, first - 1 };
	if (last < UINT64_MAX)
		rest.ranges[rest.num_ranges++] = (struct medio_card_dma_range){ last + 1,
			UINT64_MAX };
	medio_dma_limits_meet(limits, &rest);
}

bool medio_dma_limits_hold(const struct medio_dma_limits *limits, uint64_t iova, uint64_t size)
{
	for (unsigned i = 0; i < limits->num_ranges; i++)
		if (iova >= limits->ranges[i].first && iova <= limits->ranges[i].last &&
			size - 1 <= limits->ranges[i].last - iova)
			return true;
	return false;
}

void medio_container_limits(struct medio_container *container)
{
	medio_dma_limits_all(&container->limits);
	medio_list_for_each (item, &container->cards) {
		struct medio_card *card = medio_container_of(item, struct medio_card, member);
		struct medio_dma_limits own;

		medio_dma_limits_all(&own);
		if (card->backend->dma_limits)
			card->backend->dma_limits(card, &own);
		if (card->dma_bits && card->dma_bits < 64)
			medio_dma_limits_cut(&own, UINT64_C(1) << card->dma_bits, UINT64_MAX);
		medio_dma_limits_meet(&container->limits, &own);
	}
}

/* ---- Life -------------------------------------------------------------------------------------- */

struct medio_container *medio_container_alloc(void)
{
	struct medio_container *container = calloc(1, sizeof(*container));

	if (!container)
		return NULL;
	container->refs = 1;
	medio_list_init(&container->cards);
	medio_dma_limits_all(&container->limits);
	return container;
}

void medio_container_ref(struct medio_container *container)
{
	container->refs++;
}

void medio_container_unref(struct medio_container *container)
{
	if (!container || --container->refs)
		return;
	medio_memory_fini(&container->memory);
	free(container);
}

int medio_container_new(struct medio_container **out)
{
	struct medio_container *container = medio_container_alloc();

	if (!container)
		return -ENOMEM;
	container->shared = true;
	*out = container;
	return 0;
}

void medio_container_free(struct medio_container *container)
{
	medio_container_unref(container);
}

/* ---- Members ----------------------------------------------------------------------------------- */

/* Has a member before this one been told of what card would be told? */
static bool is_told(const struct medio_container *container, const struct medio_card *card)
{
	if (!card->domain)
		return false;
	medio_list_for_each (item, (struct medio_list *)&container->cards) {
		const struct medio_card *other = medio_container_of(
			item, struct medio_card, member);
		if (other == card)
			return false;
		if (other->domain == card->domain)
			return true;
	}
	return false;
}

/* Have a member's device know of a mapping. */
static int tell(struct medio_card *member, const struct medio_card_mapping *mapping)
{
	if (mapping->calls && !member->backend->asks)
		return medio_card_say(member, ENOTSUP,
			"DMA: memory that is reached by calls is nothing that the kernel can map for a device");
	return member->backend->dma_map(member, mapping);
}

int medio_container_replay(struct medio_card *card)
{
	struct medio_container *container = card->container;
	bool told = is_told(container, card);

	medio_container_limits(container);
	for (unsigned i = 0; i < container->memory.count; i++) {
		const struct medio_card_mapping *mapping = &container->memory.list[i];
		if (!medio_dma_limits_hold(&container->limits, mapping->iova, mapping->size))
			return medio_card_fail(card, EINVAL,
				"the container has 0x%llx bytes mapped at 0x%llx, where this card cannot reach; "
				"open all cards before mapping memory",
				(unsigned long long)mapping->size,
				(unsigned long long)mapping->iova);
		int ret = told ? 0 : medio_card_result(card, tell(card, mapping));
		if (ret)
			return ret;
	}
	return 0;
}

int medio_container_join(struct medio_card *card)
{
	medio_list_append(&card->container->cards, &card->member);
	/* A failure ends the card, and with it what it was told. */
	return medio_container_replay(card);
}

void medio_container_leave(struct medio_card *card)
{
	medio_list_remove(&card->member);
	if (!medio_list_empty(&card->container->cards))
		medio_container_limits(card->container);
}

/* Another member's failure in the words of the card that asked. */
static int pass_on(struct medio_card *card, struct medio_card *member, int ret)
{
	medio_card_result(member, ret);
	if (member == card || !ret)
		return ret;
	return medio_card_fail(
		card, -ret, "%s: %s", medio_card_uri(member), medio_card_last_error(member));
}

int medio_container_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	struct medio_container *container = card->container;
	int ret = 0;

	medio_list_for_each (item, &container->cards) {
		struct medio_card *member = medio_container_of(item, struct medio_card, member);
		if (is_told(container, member))
			continue;
		ret = pass_on(card, member, tell(member, mapping));
		if (!ret)
			continue;
		medio_list_for_each (undo, &container->cards) {
			if (undo == item)
				break;
			member = medio_container_of(undo, struct medio_card, member);
			if (is_told(container, member))
				continue;
			/* What it cannot forget it would reach after the memory is gone. */
			medio_card_result(member,
				member->backend->dma_unmap(member, mapping->iova, mapping->size));
		}
		return ret;
	}
	return 0;
}

int medio_container_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	struct medio_container *container = card->container;
	bool alone = container->cards.next == container->cards.prev;
	int failed = 0;

	medio_list_for_each (item, &container->cards) {
		struct medio_card *member = medio_container_of(item, struct medio_card, member);
		if (is_told(container, member))
			continue;
		int ret = member->backend->dma_unmap(member, iova, size);
		/* An earlier attempt may have failed at another member. */
		if (ret == -ENOENT && !alone)
			ret = 0;
		ret = pass_on(card, member, ret);
		failed = failed ? failed : ret;
	}
	return failed;
}

/* ---- Places ------------------------------------------------------------------------------------ */

static int place_from(struct medio_container *container, uint64_t from, uint64_t size,
	uint64_t align, uint64_t *iova)
{
	struct medio_dma_limits limits = container->limits;

	medio_dma_limits_cut(&limits, 0, LOWEST - 1);
	medio_dma_limits_cut(&limits, MEDIO_DMA_MSI_FIRST, MEDIO_DMA_MSI_LAST);
	for (unsigned i = 0; i < limits.num_ranges; i++) {
		const struct medio_card_dma_range *range = &limits.ranges[i];
		uint64_t first = range->first > from ? range->first : from;
		if (first <= range->last && !medio_memory_gap(&container->memory, first,
						    range->last, size, align, iova))
			return 0;
	}
	return -ENOSPC;
}

int medio_container_place(struct medio_container *container, uint64_t size, uint64_t *iova)
{
	uint64_t page = container->limits.page_sizes & -container->limits.page_sizes;
	uint64_t align = size >= HUGE_PAGE && page < HUGE_PAGE ? HUGE_PAGE : page ? page : 4096;
	int ret = place_from(container, container->next, size, align, iova);

	if (ret)
		ret = place_from(container, 0, size, align, iova);
	if (ret && align == HUGE_PAGE)
		ret = place_from(container, 0, size, page ? page : 4096, iova);
	if (!ret)
		container->next = *iova + size;
	return ret;
}
