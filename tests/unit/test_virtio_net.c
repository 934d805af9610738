/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network driver on a card that sends back what it is sent, in the same process and over a socket: frames
 * through every kind of ring and interrupt, and a card that lies, forgets and vanishes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../drivers/virtio/virtio_net.h"
#include "test_card_bed.h"
#include "test_virtio_net_model.h"

#define LONG_MS 60000

/* ---- Set-up ------------------------------------------------------------------------------------ */

struct bed {
	struct card_bed bed;
	struct virtio_net *net;
	char words[VIRTIO_WORDS];
	uint8_t frame[VIRTIO_NET_FRAME], back[VIRTIO_NET_FRAME];
};

static int setup(void **state)
{
	static const struct virtio_model_shape shape;
	struct bed *bed = calloc(1, sizeof(*bed));

	virtio_net_model_clear();
	assert_int_equal(card_bed_open(&bed->bed, virtio_model_type(&virtio_model_net, &shape),
				 NULL, card_bed_way(state)),
		0);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	virtio_net_close(bed->net);
	card_bed_close(&bed->bed);
	free(bed);
	/* Whatever was tested, no rule was broken. */
	if (virtio_seen.wrong[0])
		fprintf(stderr, "the driver: %s\n", virtio_seen.wrong);
	return virtio_seen.wrong[0] ? -1 : 0;
}

static void opens(struct bed *bed, const struct virtio_options *opts)
{
	if (virtio_net_open(bed->bed.card, opts, &bed->net, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

static void closes(struct bed *bed)
{
	virtio_net_close(bed->net);
	bed->net = NULL;
}

static struct virtio_net_info info_of(struct bed *bed)
{
	struct virtio_net_info info;

	assert_int_equal(virtio_net_get_info(bed->net, &info), 0);
	return info;
}

static void says(struct bed *bed, const char *words)
{
	if (!strstr(virtio_net_words(bed->net), words))
		fail_msg("'%s' does not say '%s'", virtio_net_words(bed->net), words);
}

/* A frame that is different for each seed. */
static void fill(struct bed *bed, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		bed->frame[i] = (uint8_t)(seed >> 24);
	}
	/* Not a VLAN's. */
	bed->frame[12] = 0x08;
}

static void sends(struct bed *bed, size_t len, uint32_t seed)
{
	fill(bed, len, seed);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, len, LONG_MS), 0);
}

static void comes_back(struct bed *bed, size_t len, uint32_t seed)
{
	fill(bed, len, seed);
	assert_int_equal(virtio_net_receive(bed->net, bed->back, sizeof(bed->back), LONG_MS), len);
	assert_memory_equal(bed->frame, bed->back, len);
}

struct frame {
	const uint8_t *bytes;
	size_t len;
};

static void on_deliver(void *arg)
{
	const struct frame *frame = arg;

	virtio_net_model_deliver(frame->bytes, frame->len);
}

/* The device has a frame of its own for us. */
static void delivers(struct bed *bed, size_t len, uint32_t seed)
{
	fill(bed, len, seed);
	card_bed_on_device(&bed->bed, on_deliver, &(struct frame){ bed->frame, len });
}

static const uint64_t rings[] = { 0, VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED,
	VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC };
#define RINGS (sizeof(rings) / sizeof(*rings))

/* ---- What it is -------------------------------------------------------------------------------- */

static void tells_what_it_is(void **state)
{
	static const uint8_t mac[] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	struct bed *bed = *state;

	virtio_net_quirks.mtu = 9000;
	opens(bed, NULL);
	struct virtio_net_info info = info_of(bed);
	assert_true(info.has_mac);
	assert_memory_equal(info.mac, mac, 6);
	assert_true(info.link);
	assert_int_equal(info.mtu, 9000);
	assert_int_equal(info.virtio.irq, MEDIO_CARD_MSIX);
	assert_int_equal(info.send_depth, info.receive_depth);
}

static void needs_none_of_its_features(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.hide = virtio_model_net.features;
	virtio_net_quirks.down = true;
	opens(bed, NULL);
	struct virtio_net_info info = info_of(bed);
	assert_false(info.has_mac);
	assert_true(info.link);
	assert_int_equal(info.mtu, 1500);
	sends(bed, 1514, 1);
	comes_back(bed, 1514, 1);
}

static void believes_no_group_address(void **state)
{
	struct bed *bed = *state;

	virtio_net_quirks.mac[0] = 0x01;
	opens(bed, NULL);
	assert_false(info_of(bed).has_mac);
}

static void refuses_an_mtu_that_cannot_be(void **state)
{
	struct bed *bed = *state;

	virtio_net_quirks.mtu = 67;
	assert_int_equal(
		virtio_net_open(bed->bed.card, NULL, &bed->net, bed->words, sizeof(bed->words)),
		-EPROTO);
	assert_non_null(strstr(bed->words, "its MTU is 67"));
	virtio_net_quirks.mtu = 68;
	opens(bed, NULL);
	assert_int_equal(info_of(bed).mtu, 68);
}

static void on_link(void *arg)
{
	virtio_net_model_link(*(bool *)arg);
}

static void link_changes_are_seen(void **state)
{
	static const int irqs[] = { MEDIO_CARD_MSIX, MEDIO_CARD_INTX, VIRTIO_IRQ_NONE };
	struct bed *bed = *state;

	for (unsigned i = 0; i < 3; i++) {
		const struct virtio_options opts = { .irq = irqs[i] };
		opens(bed, &opts);
		assert_int_equal(virtio_net_link(bed->net), 1);
		for (unsigned up = 0; up < 2; up++) {
			card_bed_on_device(&bed->bed, on_link, &(bool){ up });
			/* At the latest the next wait is told. */
			for (unsigned n = 0; n < 1000 && virtio_net_link(bed->net) != (int)up; n++)
				assert_int_equal(virtio_net_receive(bed->net, bed->back,
							 sizeof(bed->back), 10),
					0);
			assert_int_equal(virtio_net_link(bed->net), up);
			assert_int_equal(info_of(bed).link, up);
		}
		closes(bed);
	}
}

/* ---- Frames ------------------------------------------------------------------------------------ */

static void every_length_comes_back(void **state)
{
	struct bed *bed = *state;

	for (unsigned r = 0; r < RINGS; r++) {
		virtio_quirks.offer = rings[r];
		opens(bed, NULL);
		assert_int_equal(info_of(bed).virtio.accepted & rings[r], rings[r]);
		for (size_t len = 14; len <= 1514; len += len < 100 || len > 1500 ? 1 : 37) {
			sends(bed, len, (uint32_t)len);
			comes_back(bed, len, (uint32_t)len);
		}
		closes(bed);
	}
}

/* In batches that fill the rings, many times round. */
static void thousands_keep_their_order(void **state)
{
	struct bed *bed = *state;

	for (unsigned r = 0; r < RINGS; r++) {
		uint32_t sent = 0, got = 0;
		virtio_quirks.offer = rings[r];
		virtio_quirks.queue_size = r & 1 ? 16 : 256;
		opens(bed, NULL);
		while (got < 2000) {
			unsigned batch = 1 + sent % info_of(bed).send_depth;
			while (batch-- && sent < 2000) {
				sends(bed, 60 + sent % 400, sent);
				sent++;
			}
			while (got < sent) {
				comes_back(bed, 60 + got % 400, got);
				got++;
			}
		}
		struct virtio_net_info info = info_of(bed);
		assert_int_equal(info.sent, 2000);
		assert_int_equal(info.received, 2000);
		assert_int_equal(info.sent_bytes, info.received_bytes);
		assert_int_equal(info.dropped, 0);
		closes(bed);
	}
}

/* Frames that came while nobody looked, more than there are buffers. */
static void waits_in_the_device(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL);
	for (unsigned i = 0; i < 1000; i++)
		delivers(bed, 60 + i, i);
	for (unsigned i = 0; i < 1000; i++)
		comes_back(bed, 60 + i, i);
	assert_int_equal(virtio_net_receive(bed->net, bed->back, sizeof(bed->back), 0), 0);
}

static void largest_frames(void **state)
{
	struct bed *bed = *state;
	size_t len = 65535 + 14;

	virtio_net_quirks.mtu = 65535;
	for (unsigned r = 0; r < RINGS; r++) {
		virtio_quirks.offer = rings[r];
		opens(bed, NULL);
		/* Their memory is bounded. */
		assert_in_range(info_of(bed).receive_depth, 4, 16);
		for (unsigned i = 0; i < 100; i++) {
			sends(bed, len - i, i);
			comes_back(bed, len - i, i);
		}
		closes(bed);
	}
}

static void lengths_are_checked(void **state)
{
	struct bed *bed = *state;

	/* Without the tag a slot would be full to its last byte. */
	virtio_net_quirks.mtu = 1510;
	opens(bed, NULL);
	fill(bed, 1600, 1);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, 13, 0), -EMSGSIZE);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, 1525, 0), -EMSGSIZE);
	says(bed, "1525 bytes");
	/* A VLAN's tag is no part of the MTU. */
	bed->frame[12] = 0x81;
	bed->frame[13] = 0x00;
	assert_int_equal(virtio_net_send(bed->net, bed->frame, 1528, 0), 0);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, 1529, 0), -EMSGSIZE);
	assert_int_equal(virtio_net_receive(bed->net, bed->back, sizeof(bed->back), LONG_MS), 1528);
	assert_memory_equal(bed->frame, bed->back, 1528);
	/* Too long for who asks: gone, and the next comes. */
	sends(bed, 200, 2);
	sends(bed, 100, 3);
	int ret;
	while (!(ret = virtio_net_receive(bed->net, bed->back, 100, LONG_MS)))
		;
	assert_int_equal(ret, -EMSGSIZE);
	comes_back(bed, 100, 3);
}

static void works_by_every_interrupt(void **state)
{
	static const int irqs[] = { MEDIO_CARD_MSIX, MEDIO_CARD_INTX, VIRTIO_IRQ_NONE };
	struct bed *bed = *state;

	/* Much longer than it takes until we wait for it. */
	virtio_net_quirks.late_ms = 5;
	for (unsigned i = 0; i < 6; i++) {
		const struct virtio_options opts = { .irq = irqs[i / 2] };
		virtio_quirks.offer = rings[i & 1 ? 3 : 0];
		opens(bed, &opts);
		assert_int_equal(info_of(bed).virtio.irq, irqs[i / 2]);
		/* Once more on a machine that is busy otherwise. */
		for (uint32_t n = 0;
			n < 10 || (n < 500 && irqs[i / 2] >= 0 && !info_of(bed).virtio.interrupts);
			n++) {
			sends(bed, 60, n);
			comes_back(bed, 60, n);
		}
		assert_int_equal(virtio_net_drain(bed->net, LONG_MS), 0);
		assert_int_equal(info_of(bed).virtio.interrupts > 0, opts.irq >= 0);
		closes(bed);
	}
}

static void tells_when_there_is_no_room(void **state)
{
	struct bed *bed = *state;

	virtio_quirks.silent = true;
	opens(bed, NULL);
	unsigned depth = info_of(bed).send_depth;
	fill(bed, 60, 0);
	for (unsigned i = 0; i < depth; i++)
		assert_int_equal(virtio_net_send(bed->net, bed->frame, 60, 0), 0);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, 60, 0), -EAGAIN);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, 60, 1), -EAGAIN);
	assert_int_equal(virtio_net_drain(bed->net, 1), -EAGAIN);
	assert_int_equal(info_of(bed).sent, depth);
}

static void leaves_nothing_behind(void **state)
{
	struct bed *bed = *state;
	struct medio_card_dma_info dma;

	for (unsigned i = 0; i < 3; i++) {
		opens(bed, NULL);
		sends(bed, 100, i);
		closes(bed);
		medio_card_get_dma_info(bed->bed.card, &dma);
		assert_int_equal(dma.num_maps, 0);
	}
	/* A reset for each beginning and each end. */
	assert_true(virtio_seen.resets >= 6);
	assert_int_equal(virtio_seen.status, 0);
}

/* ---- What it does wrong ------------------------------------------------------------------------ */

/* So many that every buffer would be lost, were it not given back. */
static void drops(struct bed *bed, uint64_t before)
{
	for (unsigned i = 0; i < 600; i++)
		delivers(bed, 60, i);
	for (unsigned n = 0; n < 1000 && info_of(bed).dropped < before + 600; n++)
		assert_int_equal(virtio_net_receive(bed->net, bed->back, sizeof(bed->back), 10), 0);
	assert_int_equal(info_of(bed).dropped, before + 600);
}

static void broken_frames_are_dropped(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL);
	virtio_net_quirks.written = 25;
	drops(bed, 0);
	virtio_net_quirks.written = 1;
	drops(bed, 600);
	virtio_net_quirks.written = 0;
	/* Offloads that were not accepted. */
	virtio_net_quirks.flags = 1;
	drops(bed, 1200);
	virtio_net_quirks.flags = 0;
	virtio_net_quirks.gso_type = 1;
	drops(bed, 1800);
	virtio_net_quirks.gso_type = 0;
	delivers(bed, 60, 5);
	comes_back(bed, 60, 5);
}

/* The driver gives up with ret, in these words, and the device is not used again. */
static void breaks(struct bed *bed, int ret, const char *words)
{
	int got = virtio_net_send(bed->net, bed->frame, 60, 0);

	for (unsigned i = 0; i < 1000 && got >= 0; i++)
		got = virtio_net_receive(bed->net, bed->back, sizeof(bed->back), 10);
	assert_int_equal(got, ret);
	says(bed, words);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, 60, 0), ret);
	assert_int_equal(virtio_net_receive(bed->net, bed->back, sizeof(bed->back), -1), ret);
	assert_int_equal(virtio_net_drain(bed->net, -1), ret);
	assert_int_equal(virtio_net_flush(bed->net), ret);
	assert_int_equal(virtio_net_link(bed->net), ret);
}

static void lengths_beyond_the_buffer(void **state)
{
	struct bed *bed = *state;

	for (unsigned r = 0; r < RINGS; r++) {
		virtio_quirks.offer = rings[r];
		opens(bed, NULL);
		virtio_net_quirks.written = 4000;
		breaks(bed, -EPROTO, "queue: ");
		closes(bed);
	}
}

static void frames_nobody_waits_for(void **state)
{
	struct bed *bed = *state;

	for (unsigned r = 0; r < RINGS; r++) {
		virtio_quirks.offer = rings[r];
		virtio_quirks.id_add = 300;
		opens(bed, NULL);
		breaks(bed, -EPROTO, "queue: ");
		virtio_quirks.id_add = 0;
		closes(bed);
	}
}

static void gone_in_the_middle(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL);
	sends(bed, 60, 1);
	comes_back(bed, 60, 1);
	virtio_quirks.gone_on_kick = true;
	breaks(bed, -ENODEV, "gone");
}

static void needs_a_reset(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL);
	virtio_quirks.needs_reset_on_kick = true;
	breaks(bed, -EIO, "reset");
}

static void silence_ends(void **state)
{
	struct bed *bed = *state;
	const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST, .silent_ms = 1000 };

	opens(bed, &opts);
	/* Nobody owes us frames. */
	assert_int_equal(virtio_net_receive(bed->net, bed->back, sizeof(bed->back), 100), 0);
	virtio_quirks.silent = true;
	fill(bed, 60, 1);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, 60, 0), 0);
	assert_int_equal(virtio_net_drain(bed->net, -1), -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CARD_BED_TEST(tells_what_it_is, setup, teardown),
		CARD_BED_TEST(needs_none_of_its_features, setup, teardown),
		CARD_BED_TEST(believes_no_group_address, setup, teardown),
		CARD_BED_TEST(refuses_an_mtu_that_cannot_be, setup, teardown),
		CARD_BED_TEST(link_changes_are_seen, setup, teardown),
		CARD_BED_TEST(every_length_comes_back, setup, teardown),
		CARD_BED_TEST(thousands_keep_their_order, setup, teardown),
		CARD_BED_TEST(waits_in_the_device, setup, teardown),
		CARD_BED_TEST(largest_frames, setup, teardown),
		CARD_BED_TEST(lengths_are_checked, setup, teardown),
		CARD_BED_TEST(works_by_every_interrupt, setup, teardown),
		CARD_BED_TEST(tells_when_there_is_no_room, setup, teardown),
		CARD_BED_TEST(leaves_nothing_behind, setup, teardown),
		CARD_BED_TEST(broken_frames_are_dropped, setup, teardown),
		CARD_BED_TEST(lengths_beyond_the_buffer, setup, teardown),
		CARD_BED_TEST(frames_nobody_waits_for, setup, teardown),
		CARD_BED_TEST(gone_in_the_middle, setup, teardown),
		CARD_BED_TEST(needs_a_reset, setup, teardown),
		CARD_BED_TEST(silence_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
