/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards that share memory, over backends that only remember what they were told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "drive/backend.h"

#define RW (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

struct side {
	unsigned maps, unmaps;
	int fail; /* the next map, or unmap if negative */
	struct medio_card_mapping last;
	bool limited; /* reaches [0x100000, 0xffffffff] without the interrupts' window */
	uint64_t place;
};

static int side_open(struct medio_card *card, const char *address, int fd,
	const struct medio_card_options *opts, struct medio_error **err)
{
	return 0;
}

static void side_close(struct medio_card *card)
{
}

static int side_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	struct side *side = card->backend_state;

	if (side->fail > 0)
		return medio_card_say(card, side->fail, "this side says no");
	side->maps++;
	side->last = *mapping;
	return 0;
}

static int side_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	struct side *side = card->backend_state;

	if (side->fail < 0)
		return medio_card_say(card, -side->fail, "this side keeps it");
	side->unmaps++;
	return 0;
}

static void side_limits(struct medio_card *card, struct medio_dma_limits *out)
{
	const struct side *side = card->backend_state;

	if (!side->limited)
		return;
	medio_dma_limits_cut(out, 0, 0xfffff);
	medio_dma_limits_cut(out, MEDIO_DMA_MSI_FIRST, MEDIO_DMA_MSI_LAST);
	medio_dma_limits_cut(out, UINT64_C(1) << 32, UINT64_MAX);
}

static int side_place(struct medio_card *card, const void *ptr, uint64_t size, uint64_t *iova)
{
	const struct side *side = card->backend_state;

	if (!side->place)
		return medio_card_say(card, ENOTSUP, "not there");
	*iova = side->place;
	return 0;
}

#define SIDE \
	.open = side_open, .close = side_close, .dma_map = side_map, .dma_unmap = side_unmap, \
	.dma_limits = side_limits
static const struct medio_backend backend = { SIDE };
static const struct medio_backend physical = { SIDE, .dma_place = side_place };

static struct medio_card *join_as(const struct medio_backend *b, struct side *side,
	struct medio_container *container, const void *domain, int expected)
{
	struct medio_card *card = medio_card_alloc(b, "side", container);

	assert_non_null(card);
	card->backend_state = side;
	card->domain = domain;
	assert_int_equal(medio_card_join(card, NULL), expected);
	return expected ? NULL : card;
}

static struct medio_card *join(struct side *side, struct medio_container *container)
{
	return join_as(&backend, side, container, NULL, 0);
}

static void what_is_mapped_for_one_is_mapped_for_all_also_later(void **state)
{
	struct side a = { 0 }, b = { 0 }, c = { 0 };
	struct medio_container *container;
	uint64_t iova = 0;
	char *ptr = NULL;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = join(&a, container), *two = join(&b, container);
	assert_int_equal(medio_card_dma_alloc_any(one, 8192, RW, &iova, (void **)&ptr), 0);
	assert_int_equal(a.maps, 1);
	assert_int_equal(b.maps, 1);
	assert_int_equal(b.last.iova, iova);
	assert_ptr_equal(b.last.ptr, ptr);
	/* The third is told with the memory's file, which was kept for it. */
	struct medio_card *three = join(&c, container);
	assert_int_equal(c.maps, 1);
	assert_true(c.last.fd >= 0);
	strcpy(ptr, "seen");
	char seen[5] = "";
	assert_int_equal(pread(c.last.fd, seen, 5, 0), 5);
	assert_string_equal(seen, "seen");
	/* The container may be freed before its cards, and mappings outlive the card that made them. */
	medio_container_free(container);
	medio_card_close(one);
	assert_string_equal(ptr, "seen");
	assert_int_equal(medio_card_dma_unmap(three, iova, 8192), 0);
	assert_int_equal(a.unmaps, 0);
	assert_int_equal(b.unmaps, 1);
	assert_int_equal(c.unmaps, 1);
	medio_card_close(two);
	medio_card_close(three);
}

static void members_of_one_domain_are_told_once(void **state)
{
	struct side a = { 0 }, b = { 0 }, c = { 0 };
	struct medio_container *container;
	uint64_t iova = 0;
	void *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = join_as(&backend, &a, container, &a, 0);
	struct medio_card *two = join_as(&backend, &b, container, &a, 0);
	assert_int_equal(medio_card_dma_alloc_any(two, 4096, RW, &iova, &ptr), 0);
	struct medio_card *three = join_as(&backend, &c, container, &a, 0);
	assert_int_equal(a.maps + b.maps + c.maps, 1);
	medio_card_close(one);
	assert_int_equal(medio_card_dma_unmap(three, iova, 4096), 0);
	assert_int_equal(a.unmaps + b.unmaps + c.unmaps, 1);
	medio_card_close(two);
	medio_card_close(three);
	medio_container_free(container);
}

static void a_map_that_fails_at_one_is_undone_at_the_others_and_leaks_no_iova(void **state)
{
	struct side a = { 0 }, b = { .fail = ENOMEM };
	struct medio_container *container;
	uint64_t iova = 1, again = 0;
	void *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = join(&a, container), *two = join(&b, container);
	assert_int_equal(medio_card_dma_alloc_any(one, 4096, RW, &iova, &ptr), -ENOMEM);
	assert_int_equal(iova, 1);
	assert_non_null(strstr(medio_card_last_error(one), "this side says no"));
	assert_int_equal(a.maps, 1);
	assert_int_equal(a.unmaps, 1);
	b.fail = 0;
	/* The very address of the failed one is free. */
	assert_int_equal(medio_card_dma_alloc(two, a.last.iova, 4096, RW, &ptr), 0);
	assert_int_equal(medio_card_dma_alloc_any(two, 4096, RW, &again, &ptr), 0);
	medio_card_close(one);
	medio_card_close(two);
	medio_container_free(container);
}

static void an_unmap_that_one_refuses_keeps_the_memory_and_can_be_repeated(void **state)
{
	struct side a = { 0 }, b = { .fail = -EIO };
	struct medio_container *container;
	uint64_t iova = 0;
	char *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = join(&a, container), *two = join(&b, container);
	assert_int_equal(medio_card_dma_alloc_any(one, 4096, RW, &iova, (void **)&ptr), 0);
	assert_int_equal(medio_card_dma_unmap(one, iova, 4096), -EIO);
	ptr[0] = 1;
	/* The first has forgotten it, and says so. */
	a.fail = -ENOENT;
	b.fail = 0;
	assert_int_equal(medio_card_dma_unmap(one, iova, 4096), 0);
	assert_int_equal(b.unmaps, 1);
	medio_card_close(one);
	medio_card_close(two);
	medio_container_free(container);
}

static void addresses_are_found_where_every_card_reaches(void **state)
{
	struct side a = { .limited = true }, b = { 0 };
	struct medio_container *container;
	struct medio_card_dma_info info;
	uint64_t iova = 0;
	void *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = join(&a, container), *two = join(&b, container);
	medio_card_get_dma_info(two, &info);
	assert_int_equal(info.num_ranges, 2);
	assert_int_equal(info.ranges[0].first, 0x100000);
	assert_int_equal(info.ranges[0].last, 0xfedfffff);
	assert_int_equal(info.ranges[1].first, 0xfef00000);
	assert_int_equal(info.ranges[1].last, 0xffffffff);
	assert_int_equal(medio_card_dma_alloc(two, 0xfee00000, 4096, RW, &ptr), -EINVAL);
	assert_non_null(strstr(medio_card_last_error(two), "interrupts"));
	assert_int_equal(medio_card_dma_alloc(two, 0xfedff000, 8192, RW, &ptr), -EINVAL);
	assert_int_equal(medio_card_dma_alloc(two, UINT64_C(1) << 32, 4096, RW, &ptr), -EINVAL);
	assert_non_null(strstr(medio_card_last_error(two), "0x100000 to 0xfedfffff"));
	assert_int_equal(medio_card_dma_mask(two, 21), 0);
	/* 1 MiB to 2 MiB is left: 256 pages. */
	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(medio_card_dma_alloc_any(one, 4096, RW, &iova, &ptr), 0);
		assert_in_range(iova, 0x100000, 0x1ff000);
	}
	assert_int_equal(medio_card_dma_alloc_any(one, 4096, RW, &iova, &ptr), -ENOSPC);
	assert_int_equal(medio_card_dma_unmap(one, 0x134000, 4096), 0);
	assert_int_equal(medio_card_dma_alloc_any(one, 8192, RW, &iova, &ptr), -ENOSPC);
	assert_int_equal(medio_card_dma_alloc_any(one, 4096, RW, &iova, &ptr), 0);
	assert_int_equal(iova, 0x134000);
	assert_int_equal(medio_card_dma_mask(two, 20), -EEXIST);
	assert_int_equal(medio_card_dma_mask(two, 65), -EINVAL);
	medio_card_close(one);
	medio_card_close(two);
	medio_container_free(container);
}

static void a_card_that_cannot_reach_what_is_mapped_does_not_join(void **state)
{
	struct side a = { 0 }, b = { .limited = true };
	struct medio_container *container;
	void *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = join(&a, container);
	assert_int_equal(medio_card_dma_alloc(one, 0x10000, 4096, RW, &ptr), 0);
	join_as(&backend, &b, container, NULL, -EINVAL);
	assert_int_equal(b.maps, 0);
	/* And has left no limit behind. */
	assert_int_equal(medio_card_dma_alloc(one, 0x20000, 4096, RW, &ptr), 0);
	medio_card_close(one);
	medio_container_free(container);
}

static void identity_and_huge_pages_are_as_asked(void **state)
{
	struct side a = { 0 };
	struct medio_card *card = join(&a, NULL);
	uint64_t iova = 0;
	void *ptr = NULL;

	assert_int_equal(
		medio_card_dma_alloc_any(card, 8192, RW | MEDIO_CARD_DMA_IDENTITY, &iova, &ptr), 0);
	assert_int_equal(iova, (uintptr_t)ptr);
	assert_int_equal(medio_card_dma_unmap(card, iova, 8192), 0);
	/* As many as no machine keeps. */
	const uint64_t much = UINT64_C(1) << 46;
	assert_int_equal(
		medio_card_dma_alloc_any(card, much, RW | MEDIO_CARD_DMA_HUGE, &iova, &ptr),
		-ENOMEM);
	assert_non_null(strstr(medio_card_last_error(card), "nr_hugepages"));
	assert_int_equal(
		medio_card_dma_alloc_any(card, 4096, RW | MEDIO_CARD_DMA_HUGE, &iova, &ptr),
		-EINVAL);
	assert_int_equal(
		medio_card_dma_alloc_any(card, 2 << 20, RW | MEDIO_CARD_DMA_HUGE_TRY, &iova, &ptr),
		0);
	assert_int_equal(iova % (2 << 20), 0);
	assert_int_equal(
		medio_card_dma_map_any(card, 4096, RW | MEDIO_CARD_DMA_HUGE, ptr, &iova), -EINVAL);
	medio_card_close(card);
}

static void without_a_translation_memory_is_where_it_is(void **state)
{
	struct side a = { .place = 0x7654000 }, b = { 0 };
	struct medio_container *container;
	uint64_t iova = 0;
	void *ptr;

	assert_int_equal(medio_container_new(&container), 0);
	struct medio_card *one = join_as(&physical, &a, container, NULL, 0);
	struct medio_card *two = join(&b, container);
	assert_int_equal(medio_card_dma_alloc_any(two, 4096, RW, &iova, &ptr), 0);
	assert_int_equal(iova, 0x7654000);
	assert_int_equal(b.last.iova, 0x7654000);
	a.place = 0;
	assert_int_equal(medio_card_dma_alloc_any(two, 4096, RW, &iova, &ptr), -ENOTSUP);
	assert_non_null(strstr(medio_card_last_error(two), "not there"));
	medio_card_close(one);
	medio_card_close(two);
	medio_container_free(container);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_mapped_for_one_is_mapped_for_all_also_later),
		cmocka_unit_test(members_of_one_domain_are_told_once),
		cmocka_unit_test(a_map_that_fails_at_one_is_undone_at_the_others_and_leaks_no_iova),
		cmocka_unit_test(an_unmap_that_one_refuses_keeps_the_memory_and_can_be_repeated),
		cmocka_unit_test(addresses_are_found_where_every_card_reaches),
		cmocka_unit_test(a_card_that_cannot_reach_what_is_mapped_does_not_join),
		cmocka_unit_test(identity_and_huge_pages_are_as_asked),
		cmocka_unit_test(without_a_translation_memory_is_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
