/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames over vhost-user, in every shape of a session: out, and back through a network that returns them. */
#include "vhost_shape.h"

#include "../../devices/virtio-net/virtio-net.h"
#include "test_bytes.h"

enum { RX, TX, HEADER = 12 };
#define F_MRG_RXBUF (UINT64_C(1) << 15)
#define F_MQ	    (UINT64_C(1) << 22)
#define F_CTRL_VQ   (UINT64_C(1) << 17)

/* Buffers to receive in, and frames, 4 KiB each. */
#define BUFFER(n_) (VF_HIGH_GPA + (n_)*UINT64_C(4096))
#define FRAME(n_)  (VF_HIGH_GPA + UINT64_C(0x400000) + (n_)*UINT64_C(4096))

static void posts(struct vhost_bed *bed, unsigned ring, unsigned n)
{
	const struct virtq_seg seg = { BUFFER(n), 2048 };

	vhost_submit(bed, ring, &seg, 0, 1, vhost_front_at(&bed->front, BUFFER(n)));
}

/* A broadcast of so many bytes, and what is in it by its number. */
static void sends(struct vhost_bed *bed, unsigned ring, unsigned n, uint32_t bytes)
{
	uint8_t *at = vhost_front_at(&bed->front, FRAME(n % 64));
	const struct virtq_seg segs[] = { { FRAME(n % 64), HEADER },
		{ FRAME(n % 64) + HEADER, bytes } };

	memset(at, 0, HEADER);
	scramble(at + HEADER, bytes, n);
	memset(at + HEADER, 0xff, 6);
	vhost_submit(bed, ring, segs, 2, 0, at);
}

static void comes_back(struct vhost_bed *bed, unsigned ring, unsigned n, uint32_t bytes)
{
	static uint8_t frame[2048];
	void *tag;

	scramble(frame, bytes, n);
	memset(frame, 0xff, 6);
	assert_int_equal(vhost_complete(bed, ring, &tag), HEADER + bytes);
	assert_memory_equal((uint8_t *)tag + HEADER, frame, bytes);
	assert_int_equal(((uint8_t *)tag)[10], 1); /* num_buffers (5.1.6.4.1) */
}

static void frames_go_out_and_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_net, PARAMS("loop=on"),
			F_MRG_RXBUF, 2);
		unsigned posted = 0;
		while (posted < vhost_shapes[i].size / 2)
			posts(&bed, RX, posted++);
		for (unsigned n = 0; n < 300; n++) {
			const uint32_t bytes = 60 + n * 4;
			sends(&bed, TX, n, bytes);
			comes_back(&bed, RX, n, bytes);
			assert_int_equal(vhost_complete(&bed, TX, NULL), 0);
			posts(&bed, RX, posted++ % 128);
		}
		vhost_bed_close(&bed);
	}
}

static void a_burst_keeps_its_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_net, PARAMS("loop=on"),
			F_MRG_RXBUF, 2);
		for (unsigned n = 0; n < 20; n++)
			posts(&bed, RX, n);
		for (unsigned n = 0; n < 20; n++)
			sends(&bed, TX, n, 1000);
		for (unsigned n = 0; n < 20; n++)
			comes_back(&bed, RX, n, 1000);
		for (unsigned n = 0; n < 20; n++)
			assert_int_equal(vhost_complete(&bed, TX, NULL), 0);
		vhost_bed_close(&bed);
	}
}

/* Buffers that are there stay where they are, when a session ends and another begins. */
static void buffers_outlive_a_session(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct vhost_bed bed;
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_net, PARAMS("loop=on"),
			F_MRG_RXBUF, 2);
		for (unsigned n = 0; n < 30; n++)
			posts(&bed, RX, n);
		for (unsigned n = 0; n < 30; n++) {
			sends(&bed, TX, n, 500);
			comes_back(&bed, RX, n, 500);
			assert_int_equal(vhost_complete(&bed, TX, NULL), 0);
			must(&bed, vhost_front_stop(&bed.front, RX));
			must(&bed, vhost_front_stop(&bed.front, TX));
			/* Received and not used yet: none. */
			if (!vhost_shapes[i].packed)
				assert_int_equal(bed.front.rings[RX].base, n + 1);
			vhost_front_leave(&bed.front);
			vhost_shape_enter(&bed, &vhost_shapes[i], F_MRG_RXBUF);
			vhost_shape_rings(&bed, &vhost_shapes[i], 2);
		}
		vhost_bed_close(&bed);
	}
}

/* The number that GET_QUEUE_NUM gives is of pairs: what QEMU and DPDK take it for. */
static void queues_are_counted_in_pairs(void **state)
{
	struct vhost_bed bed;

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[0], &medio_virtio_net,
		PARAMS("loop=on", "queue-pairs=4"), F_MRG_RXBUF | F_MQ | F_CTRL_VQ, 8);
	assert_int_equal(bed.front.num_queues, 4);
	posts(&bed, RX, 0);
	sends(&bed, 7, 5, 100);
	comes_back(&bed, RX, 5, 100);
	vhost_bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_go_out_and_come_back),
		cmocka_unit_test(a_burst_keeps_its_order),
		cmocka_unit_test(buffers_outlive_a_session),
		cmocka_unit_test(queues_are_counted_in_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
