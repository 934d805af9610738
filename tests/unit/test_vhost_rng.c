/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers over vhost-user, in every shape of a session: that they come, and that a session can end and
 * begin again anywhere. */
#include "vhost_shape.h"

#include "../../devices/virtio-rng/virtio-rng.h"

static bool is_random(const uint8_t *at, size_t n)
{
	unsigned ones = 0;

	for (size_t i = 0; i < n; i++)
		ones += (unsigned)__builtin_popcount(at[i]);
	return ones > n * 3 && ones < n * 5;
}

static void asks(struct vhost_bed *bed, uint64_t gpa, uint32_t bytes)
{
	const struct virtq_seg seg = { gpa, bytes };
	uint8_t *at = vhost_front_at(&bed->front, gpa);

	memset(at, 0, bytes);
	assert_int_equal(vhost_exchange(bed, 0, &seg, 0, 1), bytes);
	assert_true(is_random(at, bytes));
}

static void numbers_come_in_every_shape(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_rng, NULL, 0, 1);
		uint64_t gpa = vhost_front_alloc(&bed.front, VF_HIGH, 65536);
		/* Often enough to go round the ring. */
		for (unsigned n = 0; n < 400; n++)
			asks(&bed, gpa + n % 7 * 1000, 500 + n);
		vhost_bed_close(&bed);
	}
}

static void a_ring_stops_and_goes_on_where_it_was(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_rng, NULL, 0, 1);
		uint64_t gpa = vhost_front_alloc(&bed.front, VF_HIGH, 4096);
		uint16_t used = 0;
		for (unsigned n = 0; n < 100; n++) {
			asks(&bed, gpa, 300);
			used++;
			must(&bed, vhost_front_stop(&bed.front, 0));
			if (!vhost_shapes[i].packed)
				assert_int_equal(bed.front.rings[0].base, used);
			/* A request that is made meanwhile waits. */
			const struct virtq_seg seg = { gpa, 300 };
			vhost_submit(&bed, 0, &seg, 0, 1, &bed);
			must(&bed, vhost_front_sync(&bed.front));
			assert_false(virtq_ready(bed.front.rings[0].vq));
			must(&bed, vhost_front_start(&bed.front, 0));
			assert_int_equal(vhost_complete(&bed, 0, NULL), 300);
			used++;
		}
		vhost_bed_close(&bed);
	}
}

/* The VMM dies, or is updated; the guest's rings stay. */
static void another_front_end_takes_over(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		const struct vhost_shape *shape = &vhost_shapes[i];
		struct vhost_bed bed;
		if (shape->way == VHOST_BED_FD)
			continue;
		vhost_shape_open(&bed, shape, &medio_virtio_rng, NULL, 0, 1);
		uint64_t gpa = vhost_front_alloc(&bed.front, VF_HIGH, 4096);
		for (unsigned n = 0; n < 10; n++) {
			asks(&bed, gpa, 300);
			must(&bed, vhost_front_stop(&bed.front, 0));
			vhost_front_leave(&bed.front);
			vhost_shape_enter(&bed, shape, 0);
			vhost_shape_rings(&bed, shape, 1);
		}
		asks(&bed, gpa, 300);
		vhost_bed_close(&bed);
	}
}

static void a_ring_that_is_disabled_does_nothing(void **state)
{
	struct vhost_bed bed;
	const struct virtq_seg seg = { VF_HIGH_GPA, 100 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_rng, NULL, 0, 1);
		asks(&bed, VF_HIGH_GPA, 100);
		must(&bed, vhost_front_enable(&bed.front, 0, false));
		vhost_submit(&bed, 0, &seg, 0, 1, &bed);
		must(&bed, vhost_front_sync(&bed.front));
		assert_false(virtq_ready(bed.front.rings[0].vq));
		must(&bed, vhost_front_enable(&bed.front, 0, true));
		assert_int_equal(vhost_complete(&bed, 0, NULL), 100);
		vhost_bed_close(&bed);
	}
}

static void a_reset_makes_the_device_as_new(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct vhost_shape *shape = &vhost_shapes[i];
		struct vhost_bed bed;
		uint8_t status = 0xff;
		vhost_shape_open(&bed, shape, &medio_virtio_rng, NULL, 0, 1);
		asks(&bed, VF_HIGH_GPA, 100);
		for (unsigned n = 0; n < 5; n++) {
			struct vhost_front_ring *ring = &bed.front.rings[0];
			must(&bed, vhost_front_tell(&bed.front, VF_RESET_DEVICE, NULL, 0, -1));
			must(&bed, vhost_front_get_status(&bed.front, &status));
			assert_int_equal(status, 0);
			/* A driver that begins anew: an empty ring. */
			virtq_reset(ring->vq, NULL, NULL);
			ring->base = shape->packed ? 0x80008000 : 0;
			must(&bed, vhost_front_set_status(&bed.front, 3));
			must(&bed, vhost_front_features(&bed.front, bed.front.features));
			must(&bed, vhost_front_set_status(&bed.front, 0xb));
			vhost_shape_rings(&bed, shape, 1);
			asks(&bed, VF_HIGH_GPA, 100);
		}
		vhost_bed_close(&bed);
	}
}

static void what_is_not_carried_is_not_offered(void **state)
{
	struct vhost_bed bed;

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[0], &medio_virtio_rng,
		PARAMS("notification-data=on", "platform=on", "ring-reset=on"), VF_ALL, 1);
	for (unsigned bit = 0; bit < 64; bit++)
		if (bit == 33 || bit == 37 || bit == 38 || bit == 40)
			assert_false(bed.front.offered >> bit & 1);
	assert_true(bed.front.offered & VF_F_VERSION_1);
	assert_true(bed.front.offered & VF_F_PROTOCOL_FEATURES);
	assert_true(bed.front.offered & VF_F_LOG_ALL);
	vhost_bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_in_every_shape),
		cmocka_unit_test(a_ring_stops_and_goes_on_where_it_was),
		cmocka_unit_test(another_front_end_takes_over),
		cmocka_unit_test(a_ring_that_is_disabled_does_nothing),
		cmocka_unit_test(a_reset_makes_the_device_as_new),
		cmocka_unit_test(what_is_not_carried_is_not_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
