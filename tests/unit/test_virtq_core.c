/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of a virtqueue under our own driver's rings, and under some made by hand. */
#include "test_virtq_core_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/instance.h"
#include "iommu/iommu.h"

#define NEXT  1u
#define WRITE 2u
#define TABLE 4u
#define AVAIL 0x80u

static const unsigned sizes[] = { 1, 2, 3, 4, 256, 1024 };
#define NUM_SIZES (sizeof(sizes) / sizeof(*sizes))

static bool possible(unsigned kind, unsigned size)
{
	return (kind & PACKED) || !(size & (size - 1));
}

/* ---- Chains ---------------------------------------------------------------------------------------- */

static void chains_come_as_they_were_made(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (size_t s = 0; s < NUM_SIZES; s++) {
			static const char question[] = "what is it?";
			struct medio_virtq_chain *chain;
			char text[64] = "";
			struct bed bed;
			const unsigned out = sizes[s] > 2, in = 1 + (sizes[s] > 1);
			if (!possible(kind, sizes[s]))
				continue;
			bed_new(&bed, kind, sizes[s], 4);
			memcpy(bed_at(&bed, BED_DATA), question, sizeof(question));
			/* More than once round, wrap counters and all. */
			for (unsigned i = 1; i <= 3 * sizes[s] + 1; i++) {
				assert_true(medio_virtq_is_empty(bed.q));
				assert_null(medio_virtq_pop(bed.q));
				bed_add(&bed, out, in, i);
				virtq_publish(bed.vq);
				assert_false(medio_virtq_is_empty(bed.q));
				chain = bed_pop(&bed);
				assert_ptr_equal(chain->queue, bed.q);
				assert_int_equal(chain->num_out, out);
				assert_int_equal(chain->num_in, in);
				assert_int_equal(chain->out_bytes, 16 * out);
				assert_int_equal(chain->in_bytes, 16 * in);
				assert_int_equal((uintptr_t)chain->data % 16, 0);
				memset(chain->data, 0x55, BED_REQUEST);
				if (out) {
					assert_int_equal(medio_virtq_read(chain, 0, text, 12), 12);
					assert_string_equal(text, question);
				}
				assert_int_equal(medio_virtq_in_flight(bed.q), 1);
				medio_virtq_push(chain, 7);
				assert_int_equal(medio_virtq_in_flight(bed.q), 0);
				medio_virtq_flush(bed.q);
				bed_take(&bed, i, 7);
			}
			assert_int_equal(medio_virtq_size(bed.q), sizes[s]);
			assert_int_equal(medio_virtq_index(bed.q), 0);
			assert_ptr_equal(medio_virtq_dev(bed.q), bed.dev);
			bed_free(&bed);
		}
}

static void what_is_used_appears_with_the_flush(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct medio_virtq_counts counts;
		struct medio_virtq_chain *chain[3];
		struct bed bed;
		bed_new(&bed, kind, 16, 4);
		for (unsigned i = 0; i < 3; i++)
			bed_add(&bed, 1, 1, i + 1);
		virtq_publish(bed.vq);
		for (unsigned i = 0; i < 3; i++)
			chain[i] = bed_pop(&bed);
		/* In an order of the device's. */
		medio_virtq_push(chain[2], 3);
		medio_virtq_push(chain[0], 1);
		assert_false(virtq_ready(bed.vq));
		medio_virtq_flush(bed.q);
		assert_true(virtq_ready(bed.vq));
		bed_take(&bed, 3, 3);
		bed_take(&bed, 1, 1);
		assert_false(virtq_ready(bed.vq));
		medio_virtq_push(chain[1], 0);
		medio_virtq_flush(bed.q);
		bed_take(&bed, 2, 0);
		/* Nothing new: nothing is told. */
		medio_virtq_flush(bed.q);
		medio_virtq_get_counts(bed.q, &counts);
		assert_int_equal(counts.chains, 3);
		assert_int_equal(counts.flushes, 2);
		assert_int_equal(counts.indirect, kind & INDIRECT ? 3 : 0);
		bed_free(&bed);
	}
}

/* The driver is not told of more than it has room for, whatever a device says. */
static void a_device_cannot_have_written_more_than_there_is_room_for(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct bed bed;
		bed_new(&bed, kind, 4, 4);
		bed_add(&bed, 1, 1, 1);
		bed_add(&bed, 1, 0, 2);
		virtq_publish(bed.vq);
		medio_virtq_push(bed_pop(&bed), 17);
		medio_virtq_push(bed_pop(&bed), ~0u);
		medio_virtq_flush(bed.q);
		bed_take(&bed, 1, 16);
		bed_take(&bed, 2, 0);
		bed_free(&bed);
	}
}

/* What the driver does to descriptors after they were read changes nothing. */
static void each_thing_is_read_once(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct medio_virtq_chain *chain;
		struct bed bed;
		bed_bare(&bed, packed | INDIRECT, 4);
		bed_entry(&bed, BED_DATA, 0, BED_DATA + 64, 8, packed ? 0 : NEXT, packed ? 0 : 1);
		bed_entry(&bed, BED_DATA, 1, BED_DATA + 80, 9, packed ? 0 : WRITE,
			packed ? WRITE : 0);
		if (packed) {
			bed_desc(&bed, 0, BED_DATA, 32, 3, AVAIL | TABLE);
		} else {
			bed_desc(&bed, 2, BED_DATA, 32, TABLE, 0);
			bed_avail(&bed, 2);
		}
		chain = bed_pop(&bed);
		memset(bed_at(&bed, BED_DATA), 0xff, 32);
		memset(bed_at(&bed, BED_RING), 0xff, 64);
		assert_int_equal(chain->out_bytes, 8);
		assert_int_equal(chain->in_bytes, 9);
		assert_ptr_equal(chain->out[0].iov_base, bed_at(&bed, BED_DATA + 64));
		assert_ptr_equal(chain->in[0].iov_base, bed_at(&bed, BED_DATA + 80));
		medio_virtq_push(chain, 5);
		medio_virtq_flush(bed.q);
		if (packed) {
			assert_int_equal(bed_get32(&bed, BED_RING + 8), 5);
			assert_int_equal(bed_get16(&bed, BED_RING + 12), 3);
			assert_int_equal(bed_get16(&bed, BED_RING + 14), 0x8080 | WRITE);
		} else {
			assert_int_equal(bed_get16(&bed, BED_USED(4) + 2), 1);
			assert_int_equal(bed_get32(&bed, BED_USED(4) + 4), 2);
			assert_int_equal(bed_get32(&bed, BED_USED(4) + 8), 5);
		}
		bed_free(&bed);
	}
}

/* 2.7.5.3.2 */
static void a_table_may_follow_descriptors(void **state)
{
	struct medio_virtq_chain *chain;
	struct bed bed;

	bed_bare(&bed, INDIRECT, 4);
	bed_desc(&bed, 0, BED_DATA + 100, 10, NEXT, 3);
	bed_desc(&bed, 3, BED_DATA + 200, 20, NEXT, 1);
	/* WRITE of the one that names the table means nothing. Tables stand where they like. */
	bed_desc(&bed, 1, BED_DATA + 5, 48, TABLE | WRITE, 2);
	bed_entry(&bed, BED_DATA + 5, 0, BED_DATA + 300, 30, NEXT, 2);
	bed_entry(&bed, BED_DATA + 5, 2, BED_DATA + 400, 40, WRITE, 77);
	bed_avail(&bed, 0);
	chain = bed_pop(&bed);
	assert_int_equal(chain->num_out, 3);
	assert_int_equal(chain->num_in, 1);
	assert_ptr_equal(chain->out[2].iov_base, bed_at(&bed, BED_DATA + 300));
	assert_ptr_equal(chain->in[0].iov_base, bed_at(&bed, BED_DATA + 400));
	assert_int_equal(chain->out_bytes, 60);
	medio_virtq_push(chain, 40);
	bed_free(&bed);
}

/* 2.8.7: in a packed ring's tables all flags but WRITE are ignored, and so are ids. */
static void a_packed_table_has_one_flag(void **state)
{
	struct medio_virtq_chain *chain;
	struct bed bed;

	bed_bare(&bed, PACKED | INDIRECT, 4);
	bed_desc(&bed, 0, BED_DATA, 32, 1, AVAIL | TABLE | WRITE);
	bed_entry(&bed, BED_DATA, 0, BED_DATA + 100, 10, 9999, 0xffff & ~WRITE);
	bed_entry(&bed, BED_DATA, 1, BED_DATA + 200, 20, 9999, 0xffff);
	chain = bed_pop(&bed);
	assert_int_equal(chain->num_out, 1);
	assert_int_equal(chain->num_in, 1);
	medio_virtq_push(chain, 0);
	bed_free(&bed);
}

/* No rule forbids them. They are nowhere, and nothing is looked up. */
static void buffers_without_length_are_passed_over(void **state)
{
	struct medio_virtq_chain *chain;
	struct bed bed;

	bed_bare(&bed, 0, 8);
	bed_desc(&bed, 0, 1, 0, NEXT, 1);
	bed_desc(&bed, 1, BED_DATA, 4, NEXT, 2);
	bed_desc(&bed, 2, ~UINT64_C(0), 0, NEXT | WRITE, 3);
	bed_desc(&bed, 3, BED_DATA + 64, 5, WRITE, 0);
	bed_desc(&bed, 4, 0, 0, 0, 0);
	bed_avail(&bed, 0);
	bed_avail(&bed, 4);
	chain = bed_pop(&bed);
	assert_int_equal(chain->num_out, 1);
	assert_int_equal(chain->num_in, 1);
	assert_int_equal(chain->in_bytes, 5);
	medio_virtq_push(chain, 5);
	chain = bed_pop(&bed);
	assert_int_equal(chain->num_out + chain->num_in, 0);
	assert_int_equal(medio_virtq_read(chain, 0, &bed, 1), 0);
	medio_virtq_push(chain, 0);
	bed_free(&bed);
}

/* ---- Memory ---------------------------------------------------------------------------------------- */

/* A buffer whose pages lie elsewhere here, and a table in two pages. */
static void memory_in_pieces_is_found(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		const uint64_t table = BED_SCATTER + 4096 - 24;
		uint8_t pattern[6000], back[6000];
		struct medio_virtq_chain *chain;
		struct bed bed;
		bed_bare(&bed, packed | INDIRECT, 4);
		for (unsigned i = 0; i < sizeof(pattern); i++)
			*(uint8_t *)bed_at(&bed,
				BED_SCATTER + 0x4100 + i) = pattern[i] = (uint8_t)(i * 7 + i / 256);
		bed_entry(&bed, BED_DATA, 0, BED_SCATTER + 0x4100, 6000, packed ? 0 : NEXT,
			packed ? 0 : 1);
		bed_entry(&bed, BED_DATA, 1, BED_SCATTER + 0x8fff, 2, packed ? 0 : WRITE,
			packed ? WRITE : 0);
		for (unsigned i = 0; i < 32; i++)
			*(uint8_t *)bed_at(&bed, table + i) = *(
				(uint8_t *)bed_at(&bed, BED_DATA) + i);
		bed_desc(&bed, 0, table, 32, packed ? 0 : TABLE, packed ? AVAIL | TABLE : 0);
		if (!packed)
			bed_avail(&bed, 0);
		chain = bed_pop(&bed);
		assert_int_equal(chain->num_out, 2);
		assert_int_equal(chain->out_bytes, 6000);
		assert_int_equal(chain->num_in, 2);
		assert_int_equal(medio_virtq_read(chain, 0, back, 9999), 6000);
		assert_memory_equal(back, pattern, 6000);
		assert_int_equal(medio_virtq_write(chain, 1, "yz", 2), 1);
		assert_int_equal(medio_virtq_write(chain, 0, "x", 1), 1);
		assert_int_equal(*(char *)bed_at(&bed, BED_SCATTER + 0x8fff), 'x');
		assert_int_equal(*(char *)bed_at(&bed, BED_SCATTER + 0x9000), 'y');
		medio_virtq_push(chain, 2);
		bed_free(&bed);
	}
}

static void bytes_are_cut_out_of_pieces(void **state)
{
	char text[] = "0123456789";
	const struct iovec iov[] = { { text, 3 }, { text + 3, 0 }, { text + 3, 4 },
		{ text + 7, 3 } };
	struct iovec out[3];

	assert_int_equal(medio_iov_slice(iov, 4, 0, 10, out, 3), 3);
	assert_int_equal(medio_iov_slice(iov, 4, 2, 3, out, 3), 2);
	assert_ptr_equal(out[0].iov_base, text + 2);
	assert_int_equal(out[0].iov_len, 1);
	assert_ptr_equal(out[1].iov_base, text + 3);
	assert_int_equal(out[1].iov_len, 2);
	assert_int_equal(medio_iov_slice(iov, 4, 7, 3, out, 1), 1);
	assert_ptr_equal(out[0].iov_base, text + 7);
	/* Too few bytes, too few places. */
	assert_int_equal(medio_iov_slice(iov, 4, 7, 4, out, 3), 0);
	assert_int_equal(medio_iov_slice(iov, 4, 11, 1, out, 3), 0);
	assert_int_equal(medio_iov_slice(iov, 4, 2, 3, out, 1), 0);
	assert_int_equal(medio_iov_slice(iov, 4, 0, 0, out, 3), 0);
	assert_int_equal(medio_iov_slice(iov, 0, 0, 1, out, 3), 0);
}

/* Chains that need many pieces wait for each other, and all are served. */
static void pieces_have_a_budget(void **state)
{
	enum { CHAINS = 256, DESCS = 4 };
	struct medio_virtq_chain *chains[CHAINS];
	unsigned popped = 0, held = 0, waits = 0;
	struct bed bed;

	bed_bare(&bed, 0, CHAINS * DESCS);
	for (unsigned i = 0; i < CHAINS * DESCS; i++)
		bed_desc(&bed, i, BED_SCATTER, BED_SCATTER_BYTES,
			WRITE | (i % DESCS == DESCS - 1 ? 0 : NEXT), (uint16_t)(i + 1));
	for (unsigned i = 0; i < CHAINS; i++)
		bed_avail(&bed, DESCS * i);
	while (popped < CHAINS) {
		struct medio_virtq_chain *chain = medio_virtq_pop(bed.q);
		if (chain) {
			assert_int_equal(chain->num_in, DESCS * BED_SCATTER_BYTES / 4096);
			chains[held++] = chain;
			popped++;
			continue;
		}
		assert_int_equal(bed.broken, 0);
		assert_true(held >= 64);
		const unsigned agains = bed.agains;
		waits++;
		medio_virtq_push(chains[--held], 1);
		assert_int_equal(bed.agains, agains + 1);
	}
	assert_true(waits > 0);
	while (held)
		medio_virtq_push(chains[--held], 1);
	medio_virtq_flush(bed.q);
	assert_int_equal(bed_get16(&bed, bed.setup.device + 2), CHAINS);
	bed_free(&bed);
}

static uint64_t dirty_pages(struct bed *bed, uint64_t iova)
{
	uint64_t bits = 0;

	assert_int_equal(medio_iommu_dirty_report(medio_instance_iommu(bed->inst), iova,
				 64 * UINT64_C(4096), 4096, &bits, sizeof(bits)),
		0);
	return bits;
}

static void what_the_device_wrote_is_logged(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		const struct medio_iommu_range all = { 0, UINT64_C(1) << 32 };
		struct medio_virtq_chain *chain;
		struct bed bed;
		bed_bare(&bed, packed, 256);
		struct medio_iommu *domain = medio_instance_iommu(bed.inst);
		/* To read: page 8; to write: pages 16 to 18, and 24. */
		bed_desc(&bed, 0, BED_DATA + 0x8000, 16, packed ? 0 : NEXT,
			packed ? AVAIL | NEXT : 1);
		bed_desc(&bed, 1, BED_DATA + 0x10000, 0x2001, packed ? 0 : WRITE | NEXT,
			packed ? AVAIL | WRITE | NEXT : 2);
		bed_desc(&bed, 2, BED_DATA + 0x18000, 16, packed ? 0 : WRITE,
			packed ? AVAIL | WRITE : 2);
		if (!packed)
			bed_avail(&bed, 0);
		chain = bed_pop(&bed);
		/* The log begins while the chain is under way. */
		assert_int_equal(medio_iommu_dirty_start(domain, 4096, &all, 1), 0);
		medio_virtq_push(chain, 0x1001);
		assert_int_equal(dirty_pages(&bed, BED_DATA), UINT64_C(3) << 16);
		medio_virtq_flush(bed.q);
		/* The ring: page 0 descriptors, page 1 the other areas. */
		assert_int_equal(dirty_pages(&bed, BED_RING), packed ? 1 : 2);
		assert_int_equal(dirty_pages(&bed, BED_DATA), 0);
		/* Notifications are written too. */
		medio_virtq_want_kicks(bed.q, false);
		assert_int_equal(dirty_pages(&bed, BED_RING), 2);
		medio_virtq_want_kicks(bed.q, true);
		assert_int_equal(dirty_pages(&bed, BED_RING), 2);
		medio_iommu_dirty_stop(domain);
		bed_free(&bed);
	}
}

static void areas_are_looked_up_again(void **state)
{
	struct medio_virtq_chain *chain;
	struct bed bed;

	bed_bare(&bed, 0, 4);
	bed_desc(&bed, 0, BED_DATA, 1, 0, 0);
	bed_desc(&bed, 1, BED_DATA, 1, 0, 0);
	bed_avail(&bed, 0);
	bed_avail(&bed, 1);
	chain = bed_pop(&bed);
	/* The ring moves: the driver's memory is now this. */
	uint8_t *from = bed.mem, *to = bed_at(&bed, BED_DATA + 0x10000);
	memcpy(to, from, bed.ring_bytes);
	assert_int_equal(
		medio_instance_dma_unmap(bed.inst, BED_RING, bed.ring_bytes, false, NULL), 0);
	assert_int_equal(medio_instance_dma_map(bed.inst, BED_RING, bed.ring_bytes, 3, bed.fd,
				 (uint64_t)(to - from), NULL),
		0);
	medio_virtq_forget(bed.q);
	memset(from, 0xee, bed.ring_bytes);
	medio_virtq_push(chain, 0);
	medio_virtq_push(bed_pop(&bed), 0);
	medio_virtq_flush(bed.q);
	const size_t used = BED_USED(4) - BED_RING;
	assert_int_equal(to[used + 2], 2);
	assert_int_equal(to[used + 12], 1);
	assert_int_equal(from[used + 2], 0xee);
	bed_free(&bed);
}

/* A client that moves its memory takes it away and gives it again; nobody has done wrong. */
static void a_ring_whose_memory_went_rests_until_it_is_back(void **state)
{
	struct bed bed;

	bed_bare(&bed, 0, 4);
	bed_desc(&bed, 0, BED_DATA, 1, 0, 0);
	bed_avail(&bed, 0);
	assert_int_equal(
		medio_instance_dma_unmap(bed.inst, BED_RING, bed.ring_bytes, false, NULL), 0);
	medio_virtq_forget(bed.q);
	uint64_t faults = medio_instance_stats(bed.inst)->faults;
	assert_null(medio_virtq_pop(bed.q));
	assert_true(medio_virtq_is_empty(bed.q));
	assert_int_equal(bed.broken, 0);
	assert_int_equal(medio_instance_stats(bed.inst)->faults, faults);
	/* Other memory is of no help. */
	assert_int_equal(
		medio_instance_dma_map(bed.inst, BED_RING - 4096, 4096, 3, bed.fd, 0, NULL), 0);
	assert_null(medio_virtq_pop(bed.q));
	assert_int_equal(
		medio_instance_dma_map(bed.inst, BED_RING, bed.ring_bytes, 3, bed.fd, 0, NULL), 0);
	struct medio_virtq_chain *chain = bed_pop(&bed);
	medio_virtq_push(chain, 0);
	medio_virtq_flush(bed.q);
	assert_int_equal(bed.broken, 0);
	bed_free(&bed);
	(void)state;
}

static void a_chain_whose_ring_went_breaks_it(void **state)
{
	static const char *const words[] = { "queue 0: the descriptor area", "not mapped" };
	struct medio_virtq_chain *chain;
	struct bed bed;

	bed_bare(&bed, 0, 4);
	bed_desc(&bed, 0, BED_DATA, 1, 0, 0);
	bed_avail(&bed, 0);
	chain = bed_pop(&bed);
	assert_int_equal(
		medio_instance_dma_unmap(bed.inst, BED_RING, bed.ring_bytes, false, NULL), 0);
	medio_virtq_forget(bed.q);
	assert_int_equal(bed.broken, 0);
	bed.show = true;
	medio_virtq_push(chain, 0);
	assert_int_equal(bed.broken, 1);
	for (unsigned i = 0; i < 2; i++)
		if (!strstr(bed.words, words[i]))
			fail_msg("'%s'", bed.words);
	medio_virtq_flush(bed.q);
	assert_int_equal(bed.broken, 1);
	assert_int_equal(bed.interrupts, 0);
	assert_int_equal(medio_virtq_in_flight(bed.q), 0);
	bed_free(&bed);
	(void)state;
}

static void nothing_is_popped_while_bus_mastering_is_off(void **state)
{
	struct bed bed;

	bed_new(&bed, EVENT_IDX, 4, 0);
	bed_add(&bed, 1, 0, 1);
	virtq_publish(bed.vq);
	bed_bus_master(&bed, false);
	assert_null(medio_virtq_pop(bed.q));
	medio_virtq_forget(bed.q);
	assert_null(medio_virtq_pop(bed.q));
	assert_true(medio_virtq_is_empty(bed.q));
	bed_bus_master(&bed, true);
	medio_virtq_push(bed_pop(&bed), 0);
	medio_virtq_flush(bed.q);
	bed_take(&bed, 1, 0);
	bed_free(&bed);
}

static void a_filter_sees_each_buffer(void **state)
{
	struct medio_virtq_chain *chain;
	struct bed bed;

	bed_bare_filtered(&bed, 0, 4);
	bed_desc(&bed, 0, BED_DATA, 1, NEXT, 1);
	bed_desc(&bed, 1, BED_SCATTER, 4097, WRITE, 0);
	for (unsigned i = 0; i < 2; i++) {
		bed_avail(&bed, 0);
		bed_filter_gets = 0;
		chain = bed_pop(&bed);
		/* One for each, and for the second, which is refused, each of its halves. */
		assert_int_equal(bed_filter_gets, 4);
		assert_int_equal(chain->num_in, 2);
		medio_virtq_push(chain, 1);
		medio_virtq_flush(bed.q);
	}
	bed_free(&bed);
}

/* ---- Setting up ------------------------------------------------------------------------------------ */

struct bad {
	int ret;
	const char *words;
	unsigned kind, size;
	uint64_t desc, driver, device;
	unsigned avail, used;
};

static void what_cannot_be_is_refused(void **state)
{
	static const struct bad bads[] = {
		{ -EINVAL, "size of 0", 0, 0, BED_RING, BED_RING, BED_RING, 0, 0 },
		{ -EINVAL, "size of 2048", 0, 2048, BED_RING, BED_RING, BED_RING, 0, 0 },
		{ -EINVAL, "no power of two (2.7)", 0, 3, BED_RING, BED_RING, BED_RING, 0, 0 },
		{ -EINVAL, "descriptor area at 0x100008", 0, 4, BED_RING + 8, BED_RING, BED_RING, 0,
			0 },
		{ -EINVAL, "driver area", 0, 4, BED_RING, BED_RING + 1, BED_RING, 0, 0 },
		{ -EINVAL, "device area", 0, 4, BED_RING, BED_RING, BED_RING + 2, 0, 0 },
		{ -EINVAL, "driver area", PACKED, 4, BED_RING, BED_RING + 2, BED_RING, 0, 0 },
		{ -EFAULT, "descriptor area, 16384 bytes at 0x0", 0, 1024, 0, BED_RING, BED_RING, 0,
			0 },
		{ -EFAULT, "not mapped", 0, 256, BED_RING, ~UINT64_C(1), BED_RING, 0, 0 },
		{ -EFAULT, "not in one piece", 0, 1024, BED_SCATTER, BED_RING, BED_RING, 0, 0 },
		{ -EACCES, "may not reach", 0, 4, BED_RO, BED_RO, BED_RO, 0, 0 },
		{ -EACCES, "may not reach", PACKED, 4, BED_RO, BED_RING, BED_RING, 0, 0 },
		{ -EREMOTE, "cannot be mapped", 0, 4, BED_RING, BED_REMOTE, BED_RING, 0, 0 },
		{ -EINVAL, "position of 0x5, with 0x0 used", 0, 4, BED_RING, BED_RING, BED_RING, 5,
			0 },
		{ -EINVAL, "position", 0, 4, BED_RING, BED_RING, BED_RING, 0, 1 },
		{ -EINVAL, "position", PACKED, 3, BED_RING, BED_RING, BED_RING, 3, 0 },
		{ -EINVAL, "position", PACKED, 3, BED_RING, BED_RING, BED_RING, 0x8000, 0x8001 },
		{ -EINVAL, "position", PACKED, 3, BED_RING, BED_RING, BED_RING, 0x0001, 0x8000 },
	};
	struct medio_virtq_position at;
	char words[MEDIO_VIRTQ_WORDS];
	struct bed bed;

	bed_bare(&bed, 0, 4);
	assert_true(medio_virtq_stop(bed.q));
	for (size_t i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
		const struct bad *b = &bads[i];
		const struct medio_virtq_setup setup = {
			.size = b->size,
			.packed = b->kind & PACKED,
			.desc = b->desc,
			.driver = b->driver,
			.device = b->device,
		};
		at = (struct medio_virtq_position){ (uint16_t)b->avail, (uint16_t)b->used };
		assert_int_equal(
			medio_virtq_start(bed.q, &setup, b->avail | b->used ? &at : NULL, words),
			b->ret);
		if (!strstr(words, b->words) || strncmp(words, "queue 0: ", 9) != 0)
			fail_msg("'%s' does not say '%s'", words, b->words);
		assert_false(medio_virtq_is_live(bed.q));
		assert_null(medio_virtq_pop(bed.q));
		assert_true(medio_virtq_is_empty(bed.q));
	}
	/* It is as good as before. */
	assert_int_equal(medio_virtq_start(bed.q, &bed.setup, NULL, words), 0);
	assert_string_equal(words, "");
	bed_free(&bed);
}

/* ---- Coming to rest -------------------------------------------------------------------------------- */

static void a_pause_waits_for_chains(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct medio_virtq_chain *a, *b;
		struct bed bed;
		bed_new(&bed, kind, 8, 4);
		for (unsigned i = 1; i <= 3; i++)
			bed_add(&bed, 1, 1, i);
		virtq_publish(bed.vq);
		/* What was pushed is shown, then it is quiet. */
		medio_virtq_push(bed_pop(&bed), 1);
		assert_true(medio_virtq_pause(bed.q));
		bed_take(&bed, 1, 1);
		assert_null(medio_virtq_pop(bed.q));
		assert_true(medio_virtq_is_empty(bed.q));
		assert_int_equal(bed.idles, 0);
		const unsigned agains = bed.agains;
		medio_virtq_resume(bed.q);
		assert_true(bed.agains > agains);

		a = bed_pop(&bed);
		b = bed_pop(&bed);
		assert_false(medio_virtq_pause(bed.q));
		medio_virtq_push(b, 3);
		assert_int_equal(bed.idles, 0);
		medio_virtq_push(a, 2);
		/* Nobody has to flush. */
		assert_int_equal(bed.idles, 1);
		bed_take(&bed, 3, 3);
		bed_take(&bed, 2, 2);
		medio_virtq_resume(bed.q);
		bed_add(&bed, 1, 1, 4);
		virtq_publish(bed.vq);
		medio_virtq_push(bed_pop(&bed), 4);
		medio_virtq_flush(bed.q);
		bed_take(&bed, 4, 4);
		assert_int_equal(bed.idles, 1);
		bed_free(&bed);
	}
}

static void a_pause_that_is_over_tells_nobody(void **state)
{
	struct medio_virtq_chain *chain;
	struct bed bed;

	bed_new(&bed, 0, 8, 0);
	bed_add(&bed, 1, 1, 1);
	virtq_publish(bed.vq);
	chain = bed_pop(&bed);
	assert_false(medio_virtq_pause(bed.q));
	medio_virtq_resume(bed.q);
	medio_virtq_push(chain, 1);
	assert_int_equal(bed.idles, 0);
	/* And one that goes back is not in flight. */
	bed_add(&bed, 1, 1, 2);
	virtq_publish(bed.vq);
	bed_pop(&bed);
	assert_false(medio_virtq_pause(bed.q));
	medio_virtq_unpop(bed.q, 1);
	assert_int_equal(bed.idles, 1);
	bed_free(&bed);
}

static void a_stop_waits_for_chains_and_a_start_begins_anew(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		char words[MEDIO_VIRTQ_WORDS];
		struct medio_virtq_chain *chain;
		struct bed bed;
		bed_new(&bed, kind, 4, 4);
		bed_add(&bed, 1, 1, 1);
		virtq_publish(bed.vq);
		chain = bed_pop(&bed);
		assert_false(medio_virtq_stop(bed.q));
		assert_false(medio_virtq_is_live(bed.q));
		assert_null(medio_virtq_pop(bed.q));
		/* The ring's memory may have gone by then; nobody complains. */
		medio_virtq_forget(bed.q);
		assert_int_equal(
			medio_instance_dma_unmap(bed.inst, BED_RING, bed.ring_bytes, false, NULL),
			0);
		medio_virtq_push(chain, 1);
		medio_virtq_flush(bed.q);
		assert_int_equal(bed.idles, 1);
		assert_int_equal(bed.broken, 0);
		assert_int_equal(medio_instance_dma_map(
					 bed.inst, BED_RING, bed.ring_bytes, 3, bed.fd, 0, NULL),
			0);
		virtq_reset(bed.vq, NULL, NULL);
		assert_int_equal(medio_virtq_start(bed.q, &bed.setup, NULL, words), 0);
		for (unsigned i = 1; i < 9; i++) {
			bed_add(&bed, 1, 1, i);
			virtq_publish(bed.vq);
			medio_virtq_push(bed_pop(&bed), 1);
			medio_virtq_flush(bed.q);
			bed_take(&bed, i, 1);
		}
		bed_free(&bed);
	}
}

/* After each number of chains, and with some that wait, a queue goes on in another. */
static void a_position_is_taken_up(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned size = 2; size <= 5; size++) {
			char words[MEDIO_VIRTQ_WORDS];
			struct medio_virtq_position at;
			struct bed bed;
			if (!possible(kind, size))
				continue;
			bed_new(&bed, kind, size, 2);
			unsigned taken = 1, added = 1;
			for (unsigned i = 0; i < 40; i++) {
				while (virtq_room(bed.vq, 2))
					bed_add(&bed, 1, 1, added++);
				virtq_publish(bed.vq);
				medio_virtq_push(bed_pop(&bed), 1);
				assert_true(medio_virtq_stop(bed.q));
				medio_virtq_get_position(bed.q, &at);
				bed_take(&bed, taken++, 1);
				if (medio_virtq_start(bed.q, &bed.setup, &at, words))
					fail_msg("%s", words);
			}
			bed_free(&bed);
		}
}

/* ---- Going back ------------------------------------------------------------------------------------ */

static void chains_go_back_to_where_they_were(void **state)
{
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned size = 4; size <= 8; size++) {
			struct bed bed;
			if (!possible(kind, size))
				continue;
			bed_new(&bed, kind, size, 2);
			for (unsigned round = 0; round < 20; round++) {
				struct medio_virtq_chain *first;
				bed_add(&bed, 1, 1, 1);
				bed_add(&bed, 1, 1, 2);
				virtq_publish(bed.vq);
				first = bed_pop(&bed);
				bed_pop(&bed);
				assert_null(medio_virtq_pop(bed.q));
				medio_virtq_unpop(bed.q, 1);
				medio_virtq_push(first, 1);
				assert_int_equal(medio_virtq_in_flight(bed.q), 0);
				assert_false(medio_virtq_is_empty(bed.q));
				bed_pop(&bed);
				medio_virtq_unpop(bed.q, 1);
				medio_virtq_push(bed_pop(&bed), 2);
				medio_virtq_flush(bed.q);
				bed_take(&bed, 1, 1);
				bed_take(&bed, 2, 2);
				if (round % 3)
					continue;
				/* A step of another length. */
				bed_add(&bed, 0, 1, 3);
				virtq_publish(bed.vq);
				bed_pop(&bed);
				medio_virtq_unpop(bed.q, 1);
				medio_virtq_push(bed_pop(&bed), 0);
				medio_virtq_flush(bed.q);
				bed_take(&bed, 3, 0);
			}
			bed_free(&bed);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_come_as_they_were_made),
		cmocka_unit_test(what_is_used_appears_with_the_flush),
		cmocka_unit_test(a_device_cannot_have_written_more_than_there_is_room_for),
		cmocka_unit_test(each_thing_is_read_once),
		cmocka_unit_test(a_table_may_follow_descriptors),
		cmocka_unit_test(a_packed_table_has_one_flag),
		cmocka_unit_test(buffers_without_length_are_passed_over),
		cmocka_unit_test(memory_in_pieces_is_found),
		cmocka_unit_test(bytes_are_cut_out_of_pieces),
		cmocka_unit_test(pieces_have_a_budget),
		cmocka_unit_test(what_the_device_wrote_is_logged),
		cmocka_unit_test(areas_are_looked_up_again),
		cmocka_unit_test(a_ring_whose_memory_went_rests_until_it_is_back),
		cmocka_unit_test(a_chain_whose_ring_went_breaks_it),
		cmocka_unit_test(nothing_is_popped_while_bus_mastering_is_off),
		cmocka_unit_test(a_filter_sees_each_buffer),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(a_pause_waits_for_chains),
		cmocka_unit_test(a_pause_that_is_over_tells_nobody),
		cmocka_unit_test(a_stop_waits_for_chains_and_a_start_begins_anew),
		cmocka_unit_test(a_position_is_taken_up),
		cmocka_unit_test(chains_go_back_to_where_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
