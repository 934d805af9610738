/* SPDX-License-Identifier: BSD-3-Clause */
/* A live migration as a front-end sees it: every page that the device writes is in the bitmap once the rings have
 * stopped, and no page that it does not. */
#include "vhost_disk.h"

static int setup(void **state)
{
	(void)state;
	fake_disk_clear();
	return 0;
}

static void rings_log(struct vhost_bed *bed, unsigned rings, uint64_t elsewhere)
{
	for (unsigned i = 0; i < rings; i++) {
		struct vhost_front_ring *ring = &bed->front.rings[i];
		ring->logs = true;
		ring->log_address = elsewhere ? elsewhere + i * UINT64_C(0x10000) : 0;
		must(bed, vhost_front_stop(&bed->front, i));
		must(bed, vhost_front_start(&bed->front, i));
	}
}

/* The pages of a ring that the device writes. */
static uint64_t written_at(struct vhost_bed *bed, unsigned ring)
{
	struct virtq_places places;

	virtq_get_places(bed->front.rings[ring].vq, &places);
	return bed->front.rings[ring].options.packed ? places.desc : places.device;
}

static void every_page_that_is_written_is_in_the_bitmap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		struct vhost_front *f = &bed.front;
		if (!vhost_shapes[i].protocol)
			continue;
		fake_disk_clear();
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_blk, NULL, 0, 2);
		/* Before: nothing is logged. */
		vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 4096);
		must(&bed, vhost_front_log(f));
		must(&bed, vhost_front_log_all(f, true));
		rings_log(&bed, 2, 0);
		for (unsigned n = 0; n < 20; n++)
			vhost_disk_do(&bed, n % 2, VHOST_DISK_READ, n,
				VHOST_DISK_DATA + (2 * n + 10) * UINT64_C(4096), 512);
		/* Across the seam, and what the device only reads. */
		vhost_disk_do(&bed, 1, VHOST_DISK_READ, 0, VF_MIDDLE_GPA - 512, 1024);
		vhost_disk_do(&bed, 1, VHOST_DISK_WRITE, 0, VF_MIDDLE_GPA + 0x10000, 1024);
		must(&bed, vhost_front_stop(f, 0));
		must(&bed, vhost_front_stop(f, 1));
		for (unsigned n = 0; n < 40; n++)
			assert_int_equal(vhost_front_was_written(
						 f, VHOST_DISK_DATA + (n + 10) * UINT64_C(4096)),
				n % 2 == 0);
		assert_true(vhost_front_was_written(f, VF_HIGH_GPA)); /* statuses */
		assert_false(vhost_front_was_written(f, VHOST_DISK_DATA));
		assert_true(vhost_front_was_written(f, VF_MIDDLE_GPA - 512));
		assert_true(vhost_front_was_written(f, VF_MIDDLE_GPA));
		assert_false(vhost_front_was_written(f, VF_MIDDLE_GPA + 0x10000));
		for (unsigned q = 0; q < 2; q++)
			assert_true(vhost_front_was_written(f, written_at(&bed, q)));
		assert_false(vhost_front_was_written(f, VF_LOW_GPA));
		/* It goes on, without. */
		must(&bed, vhost_front_log_all(f, false));
		must(&bed, vhost_front_start(f, 0));
		vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 4096);
		must(&bed, vhost_front_stop(f, 0));
		assert_false(vhost_front_was_written(f, VHOST_DISK_DATA));
		vhost_bed_close(&bed);
	}
}

static void what_is_written_shows_while_rings_run(void **state)
{
	struct vhost_bed bed;

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[1], &medio_virtio_blk, NULL, 0, 1);
	must(&bed, vhost_front_log(&bed.front));
	must(&bed, vhost_front_log_all(&bed.front, true));
	for (unsigned n = 0; n < 3; n++) {
		vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
		for (unsigned i = 0;
			i < 20000 && !vhost_front_was_written(&bed.front, VHOST_DISK_DATA); i++) {
			assert_int_not_equal(i, 19999);
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
	}
	vhost_bed_close(&bed);
}

static void a_ring_is_logged_where_it_is_said_to_be(void **state)
{
	const uint64_t elsewhere = UINT64_C(0x40000000); /* no memory */

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct vhost_bed bed;
		struct vhost_front *f = &bed.front;
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_blk, NULL, 0, 2);
		must(&bed, vhost_front_log(f));
		must(&bed, vhost_front_log_all(f, true));
		rings_log(&bed, 2, elsewhere);
		vhost_disk_do(&bed, 1, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
		must(&bed, vhost_front_stop(f, 0));
		must(&bed, vhost_front_stop(f, 1));
		assert_true(vhost_front_was_written(f, elsewhere + 0x10000));
		vhost_bed_close(&bed);
	}
}

static void memory_may_move_under_a_log(void **state)
{
	struct vhost_bed bed;
	struct vhost_front *f = &bed.front;
	const struct vf_region beyond = { UINT64_C(0x200000000), 0x1000, UINT64_C(0x7f7700000000),
		0x1000 };

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[0], &medio_virtio_blk, NULL, 0, 1);
	must(&bed, vhost_front_log(f));
	must(&bed, vhost_front_log_all(f, true));
	for (unsigned n = 0; n < 10; n++) {
		vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
		for (unsigned r = 0; r < VF_GUEST_REGIONS; r++)
			f->regions[r].uaddr += 0x10000000;
		must(&bed, vhost_front_memory(f, false));
		assert_true(vhost_front_was_written(f, VHOST_DISK_DATA));
	}
	/* More than the bitmap covers: refused, and all is as it was. */
	must_not(&bed, vhost_front_add_region(f, &beyond, f->memfd));
	vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	vhost_bed_close(&bed);
}

static void bitmaps_that_lie_are_refused(void **state)
{
	struct vhost_bed bed;
	struct vhost_front *f = &bed.front;
	static const struct vf_log lies[] = { { 0, 0 }, { 4096, 0 }, { UINT64_MAX, 4096 },
		{ UINT64_C(1) << 40, 0 }, { 0x21000, UINT64_C(1) << 40 }, { 0x21000, UINT64_MAX } };
	uint64_t answer;

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[0], &medio_virtio_blk, NULL, 0, 1);
	must(&bed, vhost_front_log(f));
	must(&bed, vhost_front_log_all(f, true));
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		answer = 0;
		must(&bed, vhost_front_ask(f, VF_SET_LOG_BASE, &lies[i], sizeof(lies[i]), f->log_fd,
				   &answer, sizeof(answer), NULL));
		assert_int_not_equal(answer, 0);
	}
	vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	must(&bed, vhost_front_stop(f, 0));
	assert_true(vhost_front_was_written(f, VHOST_DISK_DATA));
	vhost_bed_close(&bed);
}

#define TEST(name_) cmocka_unit_test_setup(name_, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_page_that_is_written_is_in_the_bitmap),
		TEST(what_is_written_shows_while_rings_run),
		TEST(a_ring_is_logged_where_it_is_said_to_be),
		TEST(memory_may_move_under_a_log),
		TEST(bitmaps_that_lie_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
