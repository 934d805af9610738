/* SPDX-License-Identifier: BSD-3-Clause */
/* A console over vhost-user, in every shape of a session: what is sent to an echo comes back, and the window's size
 * is told. */
#include "vhost_shape.h"

#include "../../devices/virtio-console/virtio-console.h"
#include "test_bytes.h"

enum { RX, TX, RINGS };
#define F_SIZE UINT64_C(1)

static void text_comes_back_in_every_shape(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_console,
			PARAMS("port0=echo"), 0, RINGS);
		uint64_t out = vhost_front_alloc(&bed.front, VF_HIGH, 4096);
		uint64_t in = vhost_front_alloc(&bed.front, VF_HIGH, 4096);
		uint8_t *sent = vhost_front_at(&bed.front, out),
			*got = vhost_front_at(&bed.front, in);
		for (unsigned n = 0; n < 200; n++) {
			const struct virtq_seg from = { out, 1 + n * 7 }, to = { in, 4096 };
			scramble(sent, from.len, n);
			vhost_submit(&bed, RX, &to, 0, 1, got);
			assert_int_equal(vhost_exchange(&bed, TX, &from, 1, 0), 0);
			uint32_t len = vhost_complete(&bed, RX, NULL), all = len;
			assert_memory_equal(got, sent, len);
			/* In pieces, perhaps. */
			while (all < from.len) {
				vhost_submit(&bed, RX, &to, 0, 1, got);
				len = vhost_complete(&bed, RX, NULL);
				assert_true(len && len <= from.len - all);
				assert_memory_equal(got, sent + all, len);
				all += len;
			}
			assert_int_equal(all, from.len);
		}
		vhost_bed_close(&bed);
	}
}

static void resizes(void *arg)
{
	vhost_bed_there(medio_instance_attr_store(arg, "console/size", "100x40", 6) >= 0);
}

static void the_size_of_the_window_is_told(void **state)
{
	struct vhost_bed bed;
	uint32_t request = 0;
	uint16_t size[2] = { 0 };

	(void)state;
	vhost_shape_open(
		&bed, &vhost_shapes[0], &medio_virtio_console, PARAMS("port0=echo"), F_SIZE, RINGS);
	must(&bed, vhost_front_channel(&bed.front));
	vhost_bed_on_device(&bed, resizes, vhost_bed_instance(&bed));
	must(&bed, vhost_front_heard(&bed.front, &request));
	assert_int_equal(request, VF_CONFIG_CHANGE);
	must(&bed, vhost_front_get_config(&bed.front, 0, size, 4));
	assert_int_equal(size[0], 100);
	assert_int_equal(size[1], 40);
	vhost_bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_back_in_every_shape),
		cmocka_unit_test(the_size_of_the_window_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
