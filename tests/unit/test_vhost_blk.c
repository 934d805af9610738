/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk over vhost-user: data in every shape of a session, several queues, its configuration, memory that comes
 * and goes, the device's own state. */
#include "vhost_disk.h"

#define F_WCE (UINT64_C(1) << 9 | UINT64_C(1) << 11) /* FLUSH, CONFIG_WCE (5.2.3) */
enum { CAPACITY = 0, WRITEBACK = 32, NUM_QUEUES = 34 };

static int setup(void **state)
{
	(void)state;
	fake_disk_clear();
	return 0;
}

static void data_go_and_come_in_every_shape(void **state)
{
	/* Side by side for the guest, and nowhere else. */
	const uint64_t seam = VF_MIDDLE_GPA - 1024;

	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		fake_disk_clear();
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_blk, NULL, 0, 1);
		uint8_t *low = vhost_front_at(&bed.front, seam);
		uint8_t *middle = vhost_front_at(&bed.front, VF_MIDDLE_GPA);
		for (unsigned n = 0; n < 100; n++) {
			scramble(low, 1024, n);
			scramble(middle, 1024, n + 1000);
			const uint64_t sums[] = { checksum(low, 1024), checksum(middle, 1024) };
			vhost_disk_do(&bed, 0, VHOST_DISK_WRITE, 4 * n, seam, 2048);
			memset(low, 0, 1024);
			memset(middle, 0, 1024);
			vhost_disk_do(&bed, 0, VHOST_DISK_READ, 4 * n, seam, 2048);
			assert_int_equal(checksum(low, 1024), sums[0]);
			assert_int_equal(checksum(middle, 1024), sums[1]);
		}
		vhost_disk_do(&bed, 0, VHOST_DISK_FLUSH, 0, 0, 0);
		vhost_bed_close(&bed);
	}
}

static void queues_answer_each_on_their_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		fake_disk_clear();
		vhost_shape_open(
			&bed, &vhost_shapes[i], &medio_virtio_blk, PARAMS("num-queues=8"), 0, 8);
		if (bed.front.protocol & VF_P_MQ)
			assert_int_equal(bed.front.num_queues, 8);
		uint8_t *data = vhost_front_at(&bed.front, VHOST_DISK_DATA);
		for (unsigned round = 0; round < 5; round++) {
			vhost_disk_hold(&bed, true);
			for (unsigned q = 0; q < 8; q++) {
				memset(data + q * 512, (int)(q + round), 512);
				vhost_disk_submit(&bed, q, q, VHOST_DISK_WRITE, q,
					VHOST_DISK_DATA + q * UINT64_C(512), 512);
			}
			/* With poll they come by themselves. */
			if (!(vhost_shapes[i].forms & VF_NO_KICK))
				vhost_disk_wait_held(&bed, 8);
			vhost_disk_hold(&bed, false);
			vhost_disk_release(&bed, -8);
			for (unsigned q = 8; q--;)
				assert_int_equal(vhost_disk_complete(&bed, q), q);
			for (unsigned q = 0; q < 8; q++)
				assert_int_equal(fake_disk.data[q * 512 + 511], q + round);
		}
		vhost_bed_close(&bed);
	}
}

/* A ring that stops gives back what is in flight before it answers where it was. */
static void what_is_in_flight_is_given_back_before_a_ring_stops(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct vhost_bed bed;
		fake_disk_clear();
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_blk, NULL, 0, 2);
		vhost_disk_hold(&bed, true);
		for (unsigned n = 0; n < 10; n++)
			vhost_disk_submit(&bed, n % 2, n, VHOST_DISK_READ, n,
				VHOST_DISK_DATA + n * UINT64_C(512), 512);
		vhost_disk_wait_held(&bed, 10);
		must(&bed, vhost_front_stop(&bed.front, 0));
		unsigned taken = 0;
		for (unsigned n = 0; n < 5; n++) {
			assert_true(virtq_ready(bed.front.rings[0].vq));
			taken |= 1u << vhost_disk_complete(&bed, 0);
		}
		assert_int_equal(taken, 0x155);
		if (!vhost_shapes[i].packed)
			assert_int_equal(bed.front.rings[0].base, 5);
		vhost_disk_hold(&bed, false);
		must(&bed, vhost_front_start(&bed.front, 0));
		vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
		vhost_bed_close(&bed);
	}
}

/* ---- Configuration -------------------------------------------------------------------------------------- */

static void resizes(void *arg)
{
	fake_disk_resize(*(uint64_t *)arg);
}

static void its_configuration_is_read_written_and_told(void **state)
{
	struct vhost_bed bed;
	uint64_t capacity = 0, bytes = FAKE_DISK_BYTES / 2;
	uint16_t queues = 0;
	uint8_t cache = 0xff;
	uint32_t request = 0;

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[0], &medio_virtio_blk, NULL, F_WCE, 1);
	struct vhost_front *f = &bed.front;
	must(&bed, vhost_front_channel(f));
	must(&bed, vhost_front_get_config(f, CAPACITY, &capacity, 8));
	assert_int_equal(le64toh(capacity), FAKE_DISK_BYTES / 512);
	must(&bed, vhost_front_get_config(f, NUM_QUEUES, &queues, 2));
	assert_int_equal(le16toh(queues), 4);
	/* The guest writes its field; nothing else. */
	must(&bed, vhost_front_get_config(f, WRITEBACK, &cache, 1));
	assert_int_equal(cache, 1);
	cache = 0;
	must(&bed, vhost_front_set_config(f, WRITEBACK, 0, &cache, 1));
	vhost_disk_do(&bed, 0, VHOST_DISK_WRITE, 0, VHOST_DISK_DATA, 512);
	assert_int_equal(fake_disk.durable, 1);
	/* Another size is told, once it is so. */
	vhost_bed_on_device(&bed, resizes, &bytes);
	must(&bed, vhost_front_heard(f, &request));
	assert_int_equal(request, VF_CONFIG_CHANGE);
	must(&bed, vhost_front_get_config(f, CAPACITY, &capacity, 8));
	assert_int_equal(le64toh(capacity), FAKE_DISK_BYTES / 1024);
	vhost_bed_close(&bed);
}

/* ---- Memory ------------------------------------------------------------------------------------------------- */

static void memory_moves_under_rings_that_run(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct vhost_bed bed;
		fake_disk_clear();
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_blk, NULL, 0, 1);
		struct vhost_front *f = &bed.front;
		uint8_t *data = vhost_front_at(f, VHOST_DISK_DATA);
		for (unsigned n = 0; n < 20; n++) {
			memset(data, (int)n + 1, 512);
			vhost_disk_do(&bed, 0, VHOST_DISK_WRITE, 0, VHOST_DISK_DATA, 512);
			assert_int_equal(fake_disk.data[0], n + 1);
			/* The VMM maps it elsewhere; the guest sees nothing of that. */
			if (vhost_shapes[i].slots) {
				must(&bed, vhost_front_remove_region(f, &f->regions[VF_MIDDLE]));
				f->regions[VF_MIDDLE].uaddr += 0x10000000;
				must(&bed, vhost_front_add_region(
						   f, &f->regions[VF_MIDDLE], f->memfd));
			} else {
				for (unsigned r = 0; r < VF_GUEST_REGIONS; r++)
					f->regions[r].uaddr += 0x10000000;
				must(&bed, vhost_front_memory(f, false));
			}
		}
		vhost_bed_close(&bed);
	}
}

static void slots_come_and_go(void **state)
{
	struct vhost_bed bed;
	uint64_t slots = 0;
	const struct vf_region more = { UINT64_C(0x200000000), 0x100000, UINT64_C(0x7f7700000000),
		0xf00000 };

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[2], &medio_virtio_blk, NULL, 0, 1);
	struct vhost_front *f = &bed.front;
	must(&bed, vhost_front_ask_u64(f, VF_GET_MAX_MEM_SLOTS, &slots));
	assert_true(slots >= 32);
	for (unsigned n = 0; n < 50; n++) {
		must(&bed, vhost_front_add_region(f, &more, f->memfd));
		memset(f->file + more.offset, (int)n + 1, 512);
		vhost_disk_do(&bed, 0, VHOST_DISK_WRITE, n, more.gpa, 512);
		assert_int_equal(fake_disk.data[n * 512], n + 1);
		must(&bed, vhost_front_remove_region(f, &more));
	}
	/* As many as it says. */
	for (unsigned n = 3; n < slots; n++) {
		const struct vf_region one = { UINT64_C(0x300000000) + n * UINT64_C(0x10000),
			0x1000, UINT64_C(0x7f7800000000) + n * UINT64_C(0x10000), 0x1000 };
		must(&bed, vhost_front_add_region(f, &one, f->memfd));
	}
	vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0,
		UINT64_C(0x300000000) + (slots - 1) * UINT64_C(0x10000), 512);
	vhost_bed_close(&bed);
}

/* ---- State ---------------------------------------------------------------------------------------------------- */

static void its_own_state_moves_to_another_back_end(void **state)
{
	struct vhost_bed bed;
	static uint8_t bytes[65536];
	uint8_t cache = 0;

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[0], &medio_virtio_blk, NULL, F_WCE, 1);
	must(&bed, vhost_front_set_config(&bed.front, WRITEBACK, 0, &cache, 1));
	/* Not while it runs. */
	must_not(&bed, vhost_front_save(&bed.front, bytes, sizeof(bytes)));
	must(&bed, vhost_front_stop(&bed.front, 0));
	ssize_t size = vhost_front_save(&bed.front, bytes, sizeof(bytes));
	must(&bed, size);
	const uint32_t base = bed.front.rings[0].base;
	vhost_bed_close(&bed);

	fake_disk_clear();
	vhost_bed_open(&bed, &medio_virtio_blk, NULL, VHOST_BED_LISTEN);
	vhost_shape_enter(&bed, &vhost_shapes[0], F_WCE);
	must(&bed, vhost_front_load(&bed.front, bytes, (size_t)size));
	assert_int_equal(base, 0);
	vhost_shape_rings(&bed, &vhost_shapes[0], 1);
	vhost_disk_do(&bed, 0, VHOST_DISK_WRITE, 0, VHOST_DISK_DATA, 512);
	assert_int_equal(fake_disk.durable, 1);
	/* Something else is refused, and it goes on. */
	must(&bed, vhost_front_stop(&bed.front, 0));
	bytes[size - 1] ^= 1;
	must_not(&bed, vhost_front_load(&bed.front, bytes, (size_t)size));
	must(&bed, vhost_front_start(&bed.front, 0));
	vhost_disk_do(&bed, 0, VHOST_DISK_WRITE, 0, VHOST_DISK_DATA, 512);
	assert_int_equal(fake_disk.durable, 2);
	vhost_bed_close(&bed);
}

#define TEST(name_) cmocka_unit_test_setup(name_, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(data_go_and_come_in_every_shape),
		TEST(queues_answer_each_on_their_own),
		TEST(what_is_in_flight_is_given_back_before_a_ring_stops),
		TEST(its_configuration_is_read_written_and_told),
		TEST(memory_moves_under_rings_that_run),
		TEST(slots_come_and_go),
		TEST(its_own_state_moves_to_another_back_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
