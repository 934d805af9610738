/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a virtqueue, on a device that does as it should. */
#include "test_virtq_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A test over every kind of ring, of this size. */
#define EACH_KIND(bed, size) \
	for (unsigned kind = 0; kind < BED_KINDS && (begin(bed, kind, size), true); \
		bed_free(bed), kind++)

static void begin(struct bed *bed, unsigned kind, unsigned size)
{
	struct virtq_options opts = bed_kind(kind, size);

	bed_new(bed, &opts);
}

/* Use all that is there, in order, writing len bytes. */
static unsigned serve(struct bed *bed, uint32_t len)
{
	struct vqd_chain chain;
	unsigned n = 0;

	for (; vqd_pop(&bed->dev, &chain) > 0; n++)
		assert_int_equal(vqd_push(&bed->dev, &chain, len), 0);
	return n;
}

/* ---- Making one -------------------------------------------------------------------------------- */

static void refuses_options_out_of_range(void **state)
{
	static const struct virtq_options bad[] = { { .size = 0 }, { .size = 3 },
		{ .size = VIRTQ_MAX_SIZE * 2 }, { .size = 0, .packed = true },
		{ .size = VIRTQ_MAX_SIZE + 1, .packed = true } };
	struct virtq *vq = NULL;
	void *mem = aligned_alloc(4096, 8192);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(virtq_bytes(&bad[i]), 0);
		assert_int_equal(virtq_new(&bad[i], mem, BED_RING, &vq), -EINVAL);
	}
	struct virtq_options good = { .size = 8 };
	assert_int_equal(virtq_new(&good, (char *)mem + 64, BED_RING, &vq), -EINVAL);
	assert_int_equal(virtq_new(&good, NULL, BED_RING, &vq), -EINVAL);
	assert_int_equal(virtq_new(&good, mem, BED_RING + 16, &vq), -EINVAL);
	assert_int_equal(virtq_new(&good, mem, UINT64_MAX - 4095, &vq), -EINVAL);
	assert_null(vq);
	virtq_free(NULL);
	free(mem);
}

static void parts_lie_apart_in_its_memory(void **state)
{
	static const unsigned sizes[] = { 1, 2, 4, 256, VIRTQ_MAX_SIZE };

	for (unsigned kind = 0; kind < BED_KINDS; kind++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			struct virtq_options opts = bed_kind(kind, sizes[i]);
			size_t size = sizes[i];
			size_t driver = opts.packed ? 4 : 6 + 2 * size;
			size_t device = opts.packed ? 4 : 6 + 8 * size;
			opts.indirect = opts.indirect ? 4 : 0;
			size_t bytes = virtq_bytes(&opts);
			struct virtq_places p;
			struct virtq *vq;
			void *mem = aligned_alloc(4096, bytes);
			assert_int_equal(virtq_new(&opts, mem, BED_RING, &vq), 0);
			virtq_get_places(vq, &p);
			assert_int_equal(p.desc, BED_RING);
			assert_true(p.driver >= p.desc + 16 * size && p.driver % 64 == 0);
			assert_true(p.device >= p.driver + driver && p.device % 64 == 0);
			assert_true(BED_RING + bytes >= p.device + device);
			virtq_free(vq);
			free(mem);
		}
}

/* ---- Chains ------------------------------------------------------------------------------------ */

static void chains_arrive_as_they_were_added(void **state)
{
	struct bed bed;

	EACH_KIND(&bed, 8)
	{
		struct virtq_seg segs[] = { { BED_DATA_AT, 16 }, { BED_DATA_AT + 64, 1 },
			{ BED_DATA_AT + 128, 4096 }, { BED_DATA_AT + 8192, 3 } };
		for (unsigned out = 0; out <= 4; out++)
			for (unsigned in = out ? 0 : 1; in <= 4 - out; in++) {
				assert_int_equal(virtq_add(bed.vq, segs, out, in, BED_TAG(5)), 0);
				assert_int_equal(virtq_pending(bed.vq), 1);
				virtq_publish(bed.vq);
				struct vqd_chain chain = bed_pop(&bed);
				assert_int_equal(chain.out, out);
				assert_int_equal(chain.in, in);
				assert_int_equal(
					chain.table_len > 0, bed.opts.indirect && out + in > 1);
				for (unsigned i = 0; i < out + in; i++) {
					assert_int_equal(chain.segs[i].iova, segs[i].iova);
					assert_int_equal(chain.segs[i].len, segs[i].len);
				}
				uint32_t len = (uint32_t)chain.in_bytes;
				assert_int_equal(vqd_push(&bed.dev, &chain, len), 0);
				bed_take(&bed, 5, len);
				assert_int_equal(virtq_pending(bed.vq), 0);
			}
	}
}

static void bad_chains_are_refused(void **state)
{
	struct bed bed;

	EACH_KIND(&bed, 4)
	{
		struct virtq_seg segs[] = { { BED_VOID_AT, UINT32_MAX }, { BED_VOID_AT, 1 },
			{ BED_VOID_AT, 1 }, { BED_VOID_AT, 0 }, { BED_VOID_AT, 1 } };
		struct virtq_seg over = { UINT64_MAX - 3, 4 };
		assert_int_equal(virtq_add(bed.vq, segs, 0, 0, BED_TAG(1)), -EINVAL);
		assert_int_equal(virtq_add(bed.vq, segs, 1, 0, NULL), -EINVAL);
		assert_int_equal(virtq_add(bed.vq, segs, 2, 2, BED_TAG(1)), -EINVAL); /* empty */
		assert_int_equal(virtq_add(bed.vq, &over, 1, 0, BED_TAG(1)), -EINVAL);
		segs[3].len = 1;
		assert_int_equal(virtq_add(bed.vq, segs, 3, 2, BED_TAG(1)), -EINVAL); /* long */
		assert_int_equal(virtq_add(bed.vq, segs, UINT32_MAX, 2, BED_TAG(1)), -EINVAL);
		assert_int_equal(
			virtq_add(bed.vq, segs, 1, 2, BED_TAG(1)), -EINVAL); /* 4 GiB + 1 */
		assert_int_equal(virtq_pending(bed.vq), 0);
		assert_false(virtq_publish(bed.vq));
		/* Just 4 GiB. */
		assert_int_equal(virtq_add(bed.vq, segs, 1, 1, BED_TAG(1)), 0);
		virtq_publish(bed.vq);
		struct vqd_chain chain = bed_pop(&bed);
		assert_int_equal(chain.segs[0].len, UINT32_MAX);
		vqd_push(&bed.dev, &chain, 1);
		bed_take(&bed, 1, 1);
	}
}

static void room_is_what_can_be_added(void **state)
{
	struct bed bed;

	EACH_KIND(&bed, 8)
	{
		bool table = bed.opts.indirect;
		assert_int_equal(virtq_room(bed.vq, 0), 0);
		assert_int_equal(virtq_room(bed.vq, 9), 0);
		assert_int_equal(virtq_room(bed.vq, 1), 8);
		assert_int_equal(virtq_room(bed.vq, 3), table ? 8 : 2);
		for (unsigned left = virtq_room(bed.vq, 3); left > 0; left--) {
			assert_int_equal(virtq_room(bed.vq, 3), left);
			assert_int_equal(bed_add(&bed, 1, 2, left), 0);
		}
		assert_int_equal(bed_add(&bed, 1, 2, 99), -EAGAIN);
		assert_int_equal(virtq_room(bed.vq, 3), 0);
		assert_int_equal(virtq_room(bed.vq, 1), table ? 0 : 2);
		assert_int_equal(virtq_pending(bed.vq), table ? 8 : 2);
		virtq_publish(bed.vq);
		struct vqd_chain chain = bed_pop(&bed);
		vqd_push(&bed.dev, &chain, 0);
		assert_int_equal(bed_add(&bed, 1, 2, 99), -EAGAIN); /* not taken yet */
		bed_take(&bed, table ? 8 : 2, 0);
		assert_int_equal(bed_add(&bed, 1, 2, 99), 0);
	}
}

static void tables_are_used_where_a_chain_fits(void **state)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct virtq_options opts = { .size = 8, .packed = packed, .indirect = 3 };
		static const unsigned descs[] = { 1, 1, 1, 4, 5 };
		struct bed bed;
		bed_new(&bed, &opts);
		for (unsigned n = 1; n <= 5; n++) {
			assert_int_equal(bed_add(&bed, n - 1, 1, n), 0);
			virtq_publish(bed.vq);
			struct vqd_chain chain = bed_pop(&bed);
			assert_int_equal(chain.descs, descs[n - 1]);
			assert_int_equal(chain.table_len, n == 2 || n == 3 ? 16 * n : 0);
			vqd_push(&bed.dev, &chain, 16);
			bed_take(&bed, n, 16);
		}
		bed_free(&bed);
	}
}

static void chains_come_back_in_any_order(void **state)
{
	struct bed bed;

	EACH_KIND(&bed, 8)
	{
		for (unsigned round = 0; round < 50; round++) {
			struct vqd_chain chains[4];
			for (uintptr_t n = 1; n <= 4; n++)
				assert_int_equal(bed_add(&bed, 1, n % 2, n), 0);
			virtq_publish(bed.vq);
			for (unsigned n = 0; n < 4; n++)
				chains[n] = bed_pop(&bed);
			for (unsigned i = 0; i < 4; i++) {
				unsigned n = (i * 3 + round) % 4;
				vqd_push(&bed.dev, &chains[n], n % 2 ? 0 : n);
			}
			for (unsigned i = 0; i < 4; i++) {
				unsigned n = (i * 3 + round) % 4;
				bed_take(&bed, n + 1, n % 2 ? 0 : n);
			}
		}
	}
}

static void a_slow_chain_does_not_hold_up_others(void **state)
{
	struct bed bed;

	EACH_KIND(&bed, 4)
	{
		assert_int_equal(bed_add(&bed, 1, 0, 99), 0);
		virtq_publish(bed.vq);
		struct vqd_chain slow = bed_pop(&bed);
		for (unsigned i = 0; i < 100; i++) {
			assert_int_equal(bed_add(&bed, 1, 1, 1), 0);
			virtq_publish(bed.vq);
			assert_int_equal(serve(&bed, 7), 1);
			bed_take(&bed, 1, 7);
		}
		vqd_push(&bed.dev, &slow, 0);
		bed_take(&bed, 99, 0);
	}
}

static void nothing_is_seen_before_it_is_published(void **state)
{
	struct bed bed;
	struct vqd_chain chain;

	EACH_KIND(&bed, 8)
	{
		for (unsigned round = 0; round < 20; round++) {
			for (uintptr_t n = 1; n <= 3; n++) {
				assert_int_equal(bed_add(&bed, 1, 1, n), 0);
				assert_int_equal(vqd_pop(&bed.dev, &chain), 0);
			}
			assert_true(virtq_publish(bed.vq));
			assert_false(virtq_publish(bed.vq)); /* nothing new */
			assert_int_equal(serve(&bed, 2), 3);
			assert_true(virtq_ready(bed.vq));
			for (uintptr_t n = 1; n <= 3; n++)
				bed_take(&bed, n, 2);
			assert_false(virtq_ready(bed.vq));
			vqd_want_kick(&bed.dev, true);
		}
	}
}

static void indices_wrap(void **state)
{
	for (unsigned size = 1; size <= 5; size++)
		for (unsigned kind = 0; kind < BED_KINDS; kind++) {
			struct virtq_options opts = bed_kind(kind, size);
			/* A split ring's wrap at 65536, a packed one's counter at each round. */
			bool far = !opts.packed && !opts.indirect && size != 2;
			unsigned rounds = far ? 66000 / size : 2000;
			struct bed bed;
			if (!opts.packed && (size & (size - 1)))
				continue;
			bed_new(&bed, &opts);
			for (unsigned round = 0; round < rounds; round++) {
				for (uintptr_t n = 1; n <= size; n++)
					assert_int_equal(bed_add(&bed, n % 2, (n + 1) % 2, n), 0);
				assert_int_equal(bed_add(&bed, 1, 0, 77), -EAGAIN);
				virtq_publish(bed.vq);
				assert_int_equal(serve(&bed, 0), size);
				for (uintptr_t n = 1; n <= size; n++)
					bed_take(&bed, n, 0);
			}
			bed_free(&bed);
		}
}

/* ---- Notifications and interrupts -------------------------------------------------------------- */

static void notifies_only_a_device_that_wants_it(void **state)
{
	struct bed bed;

	EACH_KIND(&bed, 4)
	{
		bool once = bed.opts.event_idx;
		for (unsigned round = 0; round < 9; round++) {
			vqd_want_kick(&bed.dev, false);
			bed_add(&bed, 1, 0, 1);
			assert_false(virtq_publish(bed.vq));
			/* It asks too late: it has to look by itself. */
			assert_true(vqd_want_kick(&bed.dev, true));
			assert_int_equal(serve(&bed, 0), 1);
			assert_false(vqd_want_kick(&bed.dev, true));
			bed_add(&bed, 1, 0, 2);
			assert_true(virtq_publish(bed.vq));
			bed_add(&bed, 1, 0, 3);
			assert_int_equal(virtq_publish(bed.vq), !once);
			assert_int_equal(serve(&bed, 0), 2);
			for (uintptr_t n = 1; n <= 3; n++)
				bed_take(&bed, n, 0);
		}
	}
}

static void interrupts_come_only_when_asked_for(void **state)
{
	struct bed bed;

	EACH_KIND(&bed, 4)
	{
		bool once = bed.opts.event_idx;
		for (unsigned round = 0; round < 9; round++) {
			bed_add(&bed, 1, 0, 1);
			virtq_publish(bed.vq);
			serve(&bed, 0);
			assert_false(vqd_irq_due(&bed.dev));
			assert_true(virtq_want_irq(bed.vq)); /* one was just missed */
			bed_take(&bed, 1, 0);
			assert_false(virtq_want_irq(bed.vq));
			for (uintptr_t n = 2; n <= 3; n++)
				bed_add(&bed, 1, 0, n);
			virtq_publish(bed.vq);
			struct vqd_chain first = bed_pop(&bed), second = bed_pop(&bed);
			vqd_push(&bed.dev, &first, 0);
			assert_true(vqd_irq_due(&bed.dev));
			assert_false(vqd_irq_due(&bed.dev)); /* nothing new */
			vqd_push(&bed.dev, &second, 0);
			assert_int_equal(vqd_irq_due(&bed.dev), !once);
			virtq_no_irq(bed.vq);
			bed_take(&bed, 2, 0);
			bed_take(&bed, 3, 0);
		}
	}
}

static void notification_data_tells_the_next_place(void **state)
{
	struct bed bed;

	for (unsigned kind = 0; kind < BED_KINDS; kind++) {
		struct virtq_options opts = bed_kind(kind, 2);
		bed_new(&bed, &opts);
		for (unsigned n = 0; n < 70000; n++) {
			/* 2.9: the index; or the position and in bit 15 the wrap counter. */
			unsigned split = n & 0xffff, packed = n % 2 | (n / 2 % 2 ? 0u : 0x8000u);
			assert_int_equal(virtq_notify_data(bed.vq), opts.packed ? packed : split);
			bed_add(&bed, 1, 0, 1);
			assert_int_equal(virtq_notify_data(bed.vq), opts.packed ? packed : split);
			virtq_publish(bed.vq);
			serve(&bed, 0);
			bed_take(&bed, 1, 0);
			if (kind && n == 100)
				break;
		}
		bed_free(&bed);
	}
}

/* ---- Reset ------------------------------------------------------------------------------------- */

struct back {
	unsigned count;
	bool tags[8];
};

static void hand_back(void *arg, void *tag)
{
	struct back *back = arg;
	uintptr_t n = (uintptr_t)tag;

	assert_true(n < 8 && !back->tags[n]);
	back->tags[n] = true;
	back->count++;
}

static void a_reset_hands_back_every_chain(void **state)
{
	struct bed bed;

	EACH_KIND(&bed, 8)
	{
		for (unsigned round = 0; round < 3; round++) {
			struct back back = { 0 };
			for (uintptr_t n = 1; n <= 3; n++)
				bed_add(&bed, 1, 1, n);
			virtq_publish(bed.vq);
			struct vqd_chain chain = bed_pop(&bed);
			bed_pop(&bed);
			vqd_push(&bed.dev, &chain, 1);
			bed_take(&bed, 1, 1);
			bed_add(&bed, 1, 0, 4); /* never shown */
			virtq_want_irq(bed.vq);
			virtq_reset(bed.vq, hand_back, &back);
			assert_int_equal(back.count, 3);
			assert_true(back.tags[2] && back.tags[3] && back.tags[4]);
			assert_int_equal(virtq_pending(bed.vq), 0);
			assert_int_equal(virtq_room(bed.vq, 1), 8);
			assert_false(virtq_ready(bed.vq));
			bed_device(&bed);
			/* As new: no interrupts. */
			bed_add(&bed, 0, 1, 5);
			assert_true(virtq_publish(bed.vq));
			assert_int_equal(serve(&bed, 4), 1);
			assert_false(vqd_irq_due(&bed.dev));
			bed_take(&bed, 5, 4);
			bed_add(&bed, 0, 1, 5);
			virtq_reset(bed.vq, NULL, NULL);
			bed_device(&bed);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_options_out_of_range),
		cmocka_unit_test(parts_lie_apart_in_its_memory),
		cmocka_unit_test(chains_arrive_as_they_were_added),
		cmocka_unit_test(bad_chains_are_refused),
		cmocka_unit_test(room_is_what_can_be_added),
		cmocka_unit_test(tables_are_used_where_a_chain_fits),
		cmocka_unit_test(chains_come_back_in_any_order),
		cmocka_unit_test(a_slow_chain_does_not_hold_up_others),
		cmocka_unit_test(nothing_is_seen_before_it_is_published),
		cmocka_unit_test(indices_wrap),
		cmocka_unit_test(notifies_only_a_device_that_wants_it),
		cmocka_unit_test(interrupts_come_only_when_asked_for),
		cmocka_unit_test(notification_data_tells_the_next_place),
		cmocka_unit_test(a_reset_hands_back_every_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
