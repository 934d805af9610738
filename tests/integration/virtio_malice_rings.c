/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of rings, descriptors and tables. */
#include "virtio_malice.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct ring *ring_of(struct bed *bed)
{
	return &bed->ring[bed->good];
}

static const char *kicked(struct bed *bed)
{
	kick(bed, bed->good);
	return NULL;
}

static const char *raw(struct bed *bed, const struct raw *descs, unsigned n)
{
	offer_raw(bed, ring_of(bed), descs, n);
	return kicked(bed);
}

/* The device's direction, so that nothing else is wrong. */
static uint16_t way(const struct bed *bed)
{
	return bed->kind == RNG ? WRITE : 0;
}

/* ---- Buffers ------------------------------------------------------------------------------------- */

static const char *buffer(struct bed *bed, uint64_t iova, uint32_t len)
{
	return raw(bed, &(struct raw){ iova, len, way(bed), 0 }, 1);
}

static const char *buffer_nowhere(struct bed *bed)
{
	return buffer(bed, NOWHERE, 64);
}

static const char *buffer_over_the_end(struct bed *bed)
{
	return buffer(bed, MEM_IOVA + MEM_SIZE - 10, 64);
}

static const char *buffer_wraps(struct bed *bed)
{
	return buffer(bed, UINT64_MAX - 15, 64);
}

static const char *buffer_of_all(struct bed *bed)
{
	return buffer(bed, 0, UINT32_MAX);
}

static const char *buffer_order(struct bed *bed)
{
	return raw(bed,
		(struct raw[]){ { buf_iova(0), 64, WRITE | NEXT, 1 }, { buf_iova(1), 64, 0, 0 } },
		2);
}

static const char *buffers_empty(struct bed *bed)
{
	return raw(bed,
		(struct raw[]){
			{ buf_iova(0), 0, NEXT, 1 }, { NOWHERE, 0, NEXT, 2 }, { 0, 0, WRITE, 0 } },
		3);
}

static const char *buffer_empty(struct bed *bed)
{
	return buffer(bed, buf_iova(0), 0);
}

static const char *four_gib(struct bed *bed)
{
	const uint32_t each = 128u << 20;
	struct raw descs[33];
	int fd = memfd_create("malice", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, each))
		die("no memory: %s", strerror(errno));
	if (medio_card_dma_map_fd(
		    bed->card, SPARE, each, MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, fd, 0))
		die("%s", medio_card_last_error(bed->card));
	close(fd);
	for (unsigned i = 0; i < 33; i++)
		descs[i] = (struct raw){ SPARE, each, (uint16_t)(way(bed) | (i < 32 ? NEXT : 0)),
			(uint16_t)(i + 1) };
	raw(bed, descs, 33);
	await(bed, ring_of(bed), NULL);
	medio_card_dma_unmap(bed->card, SPARE, each);
	return NULL;
}

/* ---- Tables (2.7.5.3, 2.8.7) ------------------------------------------------------------------------ */

static uint8_t *table(struct bed *bed)
{
	return buf_at(bed, 4);
}

static void entry(
	struct bed *bed, unsigned i, uint64_t iova, uint32_t len, uint16_t flags, uint16_t next)
{
	if (bed->packed)
		raw_put(table(bed) + 16 * i, iova, len, 0, flags & WRITE);
	else
		raw_put(table(bed) + 16 * i, iova, len, flags, next);
}

static const char *with_table(struct bed *bed, uint32_t len)
{
	return raw(bed, &(struct raw){ buf_iova(4), len, INDIRECT, 0 }, 1);
}

static const char *table_empty(struct bed *bed)
{
	return with_table(bed, 0);
}

static const char *table_odd(struct bed *bed)
{
	entry(bed, 0, buf_iova(0), 16, way(bed), 0);
	return with_table(bed, 17);
}

static const char *table_nowhere(struct bed *bed)
{
	return raw(bed, &(struct raw){ NOWHERE, 32, INDIRECT, 0 }, 1);
}

static const char *table_over_the_end(struct bed *bed)
{
	return raw(bed, &(struct raw){ MEM_IOVA + MEM_SIZE - 16, 64, INDIRECT, 0 }, 1);
}

static const char *table_of_all(struct bed *bed)
{
	return raw(bed, &(struct raw){ MEM_IOVA, 0xfffffff0, INDIRECT, 0 }, 1);
}

static const char *table_in_table(struct bed *bed)
{
	entry(bed, 0, buf_iova(4), 16, INDIRECT, 0);
	return with_table(bed, 16);
}

/* Than the largest queue that is offered: what a device says of its requests is for that one. */
static const char *table_too_long(struct bed *bed)
{
	const unsigned longest = 256;

	for (unsigned i = 0; i <= longest; i++)
		entry(bed, i, buf_iova(0), 1, (uint16_t)(way(bed) | NEXT), (uint16_t)(i + 1));
	entry(bed, longest + 1, buf_iova(0), 1, way(bed), 0);
	return with_table(bed, 16 * (longest + 2));
}

static const char *table_next(struct bed *bed)
{
	entry(bed, 0, buf_iova(0), 16, (uint16_t)(way(bed) | NEXT), 2);
	return with_table(bed, 32);
}

static const char *table_loop(struct bed *bed)
{
	entry(bed, 0, buf_iova(0), 16, (uint16_t)(way(bed) | NEXT), 1);
	entry(bed, 1, buf_iova(0), 16, (uint16_t)(way(bed) | NEXT), 0);
	return with_table(bed, 32);
}

static const char *table_order(struct bed *bed)
{
	entry(bed, 0, buf_iova(0), 16, WRITE | NEXT, 1);
	entry(bed, 1, buf_iova(1), 16, 0, 0);
	return with_table(bed, 32);
}

static const char *table_and_next(struct bed *bed)
{
	entry(bed, 0, buf_iova(0), 16, way(bed), 0);
	return raw(bed,
		(struct raw[]){
			{ buf_iova(4), 16, INDIRECT | NEXT, 1 }, { buf_iova(0), 16, way(bed), 0 } },
		2);
}

static const char *table_not_negotiated(struct bed *bed)
{
	up_with(bed, bed->wanted & ~F_INDIRECT);
	entry(bed, 0, buf_iova(0), 16, way(bed), 0);
	return with_table(bed, 16);
}

static const char *table_is_the_ring(struct bed *bed)
{
	return raw(bed, &(struct raw){ ring_of(bed)->iova, 16 * SIZE, INDIRECT, 0 }, 1);
}

/* ---- Split (2.7) -------------------------------------------------------------------------------------- */

static const char *next_beyond(struct bed *bed)
{
	return raw(bed, &(struct raw){ buf_iova(0), 16, (uint16_t)(way(bed) | NEXT), SIZE }, 1);
}

static const char *loop(struct bed *bed)
{
	return raw(bed,
		(struct raw[]){ { buf_iova(0), 16, (uint16_t)(way(bed) | NEXT), 1 },
			{ buf_iova(0), 16, (uint16_t)(way(bed) | NEXT), 0 } },
		2);
}

static const char *loop_of_one(struct bed *bed)
{
	return raw(bed, &(struct raw){ buf_iova(0), 0, (uint16_t)(way(bed) | NEXT), 0 }, 1);
}

static const char *avail_jump(struct bed *bed, unsigned n)
{
	/* What is in between may be popped or not: good buffers. */
	for (unsigned i = 0; i < SIZE; i++) {
		uint16_t id = htole16((uint16_t)i);
		raw_put(ring_of(bed)->mem + 16 * i, buf_iova(0), 16, way(bed), 0);
		memcpy(ring_of(bed)->mem + DRIVER_AT + 4 + 2 * i, &id, 2);
	}
	move_avail(ring_of(bed), n);
	return kicked(bed);
}

static const char *avail_one_too_many(struct bed *bed)
{
	return avail_jump(bed, SIZE + 1);
}

static const char *avail_half_round(struct bed *bed)
{
	return avail_jump(bed, 0x8000);
}

static const char *avail_back(struct bed *bed)
{
	return avail_jump(bed, 0xffff);
}

static const char *head_beyond(struct bed *bed)
{
	uint16_t head = htole16(SIZE);

	memcpy(ring_of(bed)->mem + DRIVER_AT + 4 + 2 * (ring_of(bed)->next % SIZE), &head, 2);
	move_avail(ring_of(bed), 1);
	return kicked(bed);
}

static const char *head_max(struct bed *bed)
{
	uint16_t head = UINT16_MAX;

	memcpy(ring_of(bed)->mem + DRIVER_AT + 4 + 2 * (ring_of(bed)->next % SIZE), &head, 2);
	move_avail(ring_of(bed), 1);
	return kicked(bed);
}

static const char *head_twice(struct bed *bed)
{
	good_offer(bed);
	/* The same head again, before it can be used. */
	memcpy(ring_of(bed)->mem + DRIVER_AT + 6, ring_of(bed)->mem + DRIVER_AT + 4, 2);
	move_avail(ring_of(bed), 1);
	return kicked(bed);
}

/* ---- Packed (2.8) ---------------------------------------------------------------------------------------- */

static void packed_desc(struct bed *bed, unsigned i, uint16_t flags, uint16_t id)
{
	struct ring *ring = ring_of(bed);
	unsigned at = (ring->next + i) % SIZE;

	raw_put(ring->mem + 16 * at, buf_iova(0), 16, id,
		(uint16_t)(flags | (ring->next_wrap ? AVAIL : USED)));
}

static const char *id_beyond(struct bed *bed)
{
	packed_desc(bed, 0, way(bed), SIZE);
	return kicked(bed);
}

static const char *id_max(struct bed *bed)
{
	packed_desc(bed, 0, way(bed), UINT16_MAX);
	return kicked(bed);
}

static const char *id_twice(struct bed *bed)
{
	packed_desc(bed, 1, way(bed), 5);
	packed_desc(bed, 0, way(bed), 5);
	return kicked(bed);
}

static const char *list_ends_nowhere(struct bed *bed)
{
	packed_desc(bed, 0, (uint16_t)(way(bed) | NEXT), 0);
	return kicked(bed);
}

static const char *list_goes_round(struct bed *bed)
{
	up(bed);
	for (unsigned i = SIZE; i--;)
		packed_desc(bed, i, (uint16_t)(way(bed) | NEXT), 0);
	return kicked(bed);
}

static const char *table_in_list(struct bed *bed)
{
	entry(bed, 0, buf_iova(0), 16, way(bed), 0);
	packed_desc(bed, 1, INDIRECT, 0);
	packed_desc(bed, 0, (uint16_t)(way(bed) | NEXT), 0);
	return kicked(bed);
}

static const char *both_or_none(struct bed *bed)
{
	struct ring *ring = ring_of(bed);

	raw_put(ring->mem + 16 * ring->next, NOWHERE, 16, 0, AVAIL | USED);
	kick(bed, bed->good);
	raw_put(ring->mem + 16 * ring->next, NOWHERE, 16, 0, 0);
	return kicked(bed);
}

static const char *used_by_the_driver(struct bed *bed)
{
	for (unsigned i = 0; i < SIZE; i++)
		raw_put(ring_of(bed)->mem + 16 * i, NOWHERE, 16, 0, USED);
	return kicked(bed);
}

/* ---- Both -------------------------------------------------------------------------------------------------- */

static const char *reserved_flags(struct bed *bed)
{
	return raw(bed, &(struct raw){ buf_iova(0), 16, (uint16_t)(0x7f78 & ~AVAIL) | way(bed), 0 },
		1);
}

static const char *event_area(struct bed *bed)
{
	static const uint32_t words[] = { 0xffffffff, 0x00027fff, 0x0002ffff, 0x00030000,
		0x0002003f };
	const char *why = NULL;

	up_with(bed, bed->offered & (bed->wanted | F_EVENT_IDX));
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words) && !why; i++) {
		if (bed->packed)
			memcpy(ring_of(bed)->mem + DRIVER_AT, &words[i], 4);
		else
			memcpy(ring_of(bed)->mem + DRIVER_AT + 4 + 2 * SIZE, &words[i], 2);
		why = good(bed);
	}
	return why;
}

static const char *used_area(struct bed *bed)
{
	memset(ring_of(bed)->mem + DEVICE_AT, 0xff, RING - DEVICE_AT);
	kick(bed, bed->good);
	good_offer(bed);
	return kicked(bed);
}

static const char *all_ones(struct bed *bed)
{
	memset(ring_of(bed)->mem, 0xff, RING);
	return kicked(bed);
}

/* The device must not believe that what was once checked stays. */
static const char *noise(struct bed *bed)
{
	for (unsigned i = 0; i < bed->rounds; i++) {
		unsigned queue = i % 3 ? bed->good
				       : roll(bed) % (bed->queues < RINGS ? bed->queues : RINGS);
		struct ring *ring = &bed->ring[queue];
		for (unsigned n = 0; n < SIZE; n++) {
			uint32_t dice = roll(bed);
			uint64_t iova = dice % 7 ? buf_iova(dice / 7 % 64)
						 : (uint64_t)roll(bed) << 20;
			uint32_t len = roll(bed) % (dice % 5 ? 5000 : 0xfffff);
			uint16_t flags = (uint16_t)(roll(bed) % 8);
			if (bed->packed)
				raw_put(ring->mem + 16 * n, iova, len, (uint16_t)(dice % 70),
					(uint16_t)(flags | (dice & 0x100 ? AVAIL : USED)));
			else
				raw_put(ring->mem + 16 * n, iova, len, flags,
					(uint16_t)(dice % 66));
			ring->mem[DRIVER_AT + 4 + 2 * n] = (uint8_t)(dice % 66);
		}
		if (!bed->packed)
			move_avail(ring, 1 + roll(bed) % 8);
		kick(bed, queue);
		if (status(bed) != LIVE)
			up(bed);
	}
	return NULL;
}

const struct malice_case ring_cases[] = {
	{ "2.7.5", "a buffer nowhere", buffer_nowhere, BROKEN },
	{ "2.7.5", "a buffer over the end of memory", buffer_over_the_end, BROKEN },
	{ "2.7.5", "a buffer that wraps", buffer_wraps, BROKEN },
	{ "2.7.5", "a buffer of 4 GiB - 1", buffer_of_all, BROKEN },
	{ "2.7.4.2", "a buffer to read behind one to write", buffer_order, BROKEN },
	{ "2.7.5", "a chain of nothing", buffers_empty, ANY },
	{ "2.7.5", "a buffer of nothing", buffer_empty, ANY },
	{ "2.7.5.2", "a chain of more than 4 GiB", four_gib, BROKEN },
	{ "2.7.5.3", "a table of nothing", table_empty, BROKEN },
	{ "2.7.5.3", "a table of 17 bytes", table_odd, BROKEN },
	{ "2.7.5.3", "a table nowhere", table_nowhere, BROKEN },
	{ "2.7.5.3", "a table over the end of memory", table_over_the_end, BROKEN },
	{ "2.7.5.3", "a table of 4 GiB", table_of_all, BROKEN },
	{ "2.7.5.3.1", "a table in a table", table_in_table, BROKEN | SPLIT_ONLY },
	{ "2.7.5.3.1", "a table longer than the queue", table_too_long, BROKEN },
	{ "2.7.5.3", "a table that goes on behind its end", table_next, BROKEN | SPLIT_ONLY },
	{ "2.7.5.3", "a loop in a table", table_loop, BROKEN | SPLIT_ONLY },
	{ "2.7.4.2", "a table with a buffer to read behind one to write", table_order, BROKEN },
	{ "2.7.5.3.1", "INDIRECT and NEXT", table_and_next, BROKEN },
	{ "2.7.5.3.1", "a table that was not negotiated", table_not_negotiated, BROKEN | RAW },
	{ "2.7.5.3", "the ring as a table", table_is_the_ring, ANY },
	{ "2.7.5", "a chain that goes on behind the ring", next_beyond, BROKEN | SPLIT_ONLY },
	{ "2.7.5.2", "a loop", loop, BROKEN | SPLIT_ONLY },
	{ "2.7.5.2", "a loop of one", loop_of_one, BROKEN | SPLIT_ONLY },
	{ "2.7.6", "one chain more than there are descriptors", avail_one_too_many,
		BROKEN | SPLIT_ONLY },
	{ "2.7.6", "the available index goes half a round", avail_half_round, BROKEN | SPLIT_ONLY },
	{ "2.7.6.1", "the available index goes back", avail_back, BROKEN | SPLIT_ONLY },
	{ "2.7.6", "a head behind the ring", head_beyond, BROKEN | SPLIT_ONLY },
	{ "2.7.6", "a head of 65535", head_max, BROKEN | SPLIT_ONLY },
	{ "2.7.13", "a head twice", head_twice, ANY | SPLIT_ONLY },
	{ "2.8.21.1", "a buffer id behind the ring", id_beyond, BROKEN | PACKED_ONLY },
	{ "2.8.21.1", "a buffer id of 65535", id_max, BROKEN | PACKED_ONLY },
	{ "2.8.21.1", "a buffer id twice", id_twice, ANY | PACKED_ONLY },
	{ "2.8.6", "a list that goes on where nothing is available", list_ends_nowhere,
		BROKEN | PACKED_ONLY },
	{ "2.8.16", "a list that goes round", list_goes_round, BROKEN | PACKED_ONLY | RAW },
	{ "2.8.19", "a table in a list", table_in_list, BROKEN | PACKED_ONLY },
	{ "2.8.1", "descriptors that are not available", both_or_none, FINE | PACKED_ONLY },
	{ "2.8.1", "descriptors that the driver says are used", used_by_the_driver,
		FINE | PACKED_ONLY },
	{ "2.7.5", "reserved flags", reserved_flags, ANY },
	{ "2.7.10", "events that there are not", event_area, FINE | RAW },
	{ "2.7.8", "the driver writes the device's area", used_area, ANY },
	{ "2.7", "a ring of ones", all_ones, ANY },
	{ "2.7", "noise in rings", noise, ANY },
	{ NULL, NULL, NULL, 0, 0 },
};
