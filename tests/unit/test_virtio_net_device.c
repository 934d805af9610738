/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net under our own driver, in the same process and over a socket, on networks that are there: one that
 * sends back what it is sent, one that swallows it, a switch between cards.
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
#include "virtio-net/virtio-net.h"

#define LONG_MS 60000

struct bed {
	struct card_bed bed;
	struct virtio_net *net;
	char words[VIRTIO_WORDS];
	uint8_t frame[VIRTIO_NET_FRAME], back[VIRTIO_NET_FRAME];
};

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed->bed.way = card_bed_way(state);
	*state = bed;
	return 0;
}

static void closes(struct bed *bed)
{
	enum card_bed_way way = bed->bed.way;

	virtio_net_close(bed->net);
	bed->net = NULL;
	card_bed_close(&bed->bed);
	bed->bed.way = way;
}

static int teardown(void **state)
{
	closes(*state);
	free(*state);
	return 0;
}

/* A card with these parameters, NULL at the end. */
static void is(struct bed *bed, const char *const *params)
{
	assert_int_equal(card_bed_open(&bed->bed, &medio_virtio_net, params, bed->bed.way), 0);
}

static void opens(struct bed *bed, const struct virtio_options *opts)
{
	if (virtio_net_open(bed->bed.card, opts, &bed->net, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
}

static struct virtio_net_info info_of(struct bed *bed)
{
	struct virtio_net_info info;

	assert_int_equal(virtio_net_get_info(bed->net, &info), 0);
	return info;
}

/* A frame that is different for each seed. */
static void fill(uint8_t *frame, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		frame[i] = (uint8_t)(seed >> 24);
	}
	frame[0] &= 0xfe;
	/* Neither a VLAN's nor IP. */
	frame[12] = 0x88;
	frame[13] = 0xb5;
}

static void sends(struct bed *bed, size_t len, uint32_t seed)
{
	fill(bed->frame, len, seed);
	assert_int_equal(virtio_net_send(bed->net, bed->frame, len, LONG_MS), 0);
}

static void comes(struct bed *bed, size_t len, uint32_t seed)
{
	fill(bed->frame, len, seed);
	int got = virtio_net_receive(bed->net, bed->back, sizeof(bed->back), LONG_MS);
	if (got < 0)
		fail_msg("%s", virtio_net_words(bed->net));
	assert_int_equal(got, len);
	assert_memory_equal(bed->frame, bed->back, len);
}

/* ---- What it is -------------------------------------------------------------------------------------- */

static void tells_what_it_is(void **state)
{
	static const uint8_t mac[] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	struct bed *bed = *state;

	is(bed, (const char *[]){ "mac=52:54:00:12:34:56", "mtu=9000", "null=on", NULL });
	opens(bed, NULL);
	struct virtio_net_info info = info_of(bed);
	assert_true(info.has_mac && info.link);
	assert_memory_equal(info.mac, mac, 6);
	assert_int_equal(info.mtu, 9000);
	assert_int_equal(info.virtio.irq, MEDIO_CARD_MSIX);
	assert_int_equal(info.virtio.num_queues, 3);
}

static void mac_of(const char *uuid, uint8_t mac[18])
{
	const struct medio_instance_options opts = {
		.uuid = uuid, .params = (const char *[]){ "null=on" }, .nparams = 1
	};
	struct medio_instance *inst;
	struct medio_loop *loop;

	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_instance_new(loop, &medio_virtio_net, &opts, &inst, NULL), 0);
	assert_int_equal(medio_instance_attr_show(inst, "net/mac", (char *)mac, 64), 18);
	medio_instance_free(inst);
	medio_loop_free(loop);
}

static void without_one_its_address_is_made_of_its_uuid(void **state)
{
	uint8_t one[64], again[64], two[64];

	(void)state;
	mac_of("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", one);
	mac_of("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", again);
	mac_of("83b8f4f2-509f-382f-3c1e-e6bfe0fa1002", two);
	assert_memory_equal(one, again, 18);
	assert_memory_not_equal(one, two, 18);
	/* Of one card, and locally administered. */
	assert_int_equal(strtoul((char *)one, NULL, 16) & 3, 2);
}

static void wrong_parameters_are_told(void **state)
{
	static const struct {
		const char *param, *words;
	} cases[] = {
		{ "mac=52:54:00:12:34", "mac: '52:54:00:12:34' is not six numbers" },
		{ "mac=52:54:00:12:34:56:78", "is not six numbers" },
		{ "mac=52:54:00:12:34:5g", "is not six numbers" },
		{ "mac=", "is not six numbers" },
		{ "mac=+1:54:00:12:34:56", "is not six numbers" },
		{ "mac=53:54:00:12:34:56", "cannot be a card's own" },
		{ "mac=00:00:00:00:00:00", "cannot be a card's own" },
		{ "mtu=67", "mtu: 67 is too small" },
		{ "mtu=65536", "'mtu' must be a number" },
		{ "queue-pairs=0", "'queue-pairs' must be a number" },
		{ "queue-pairs=17", "'queue-pairs' must be a number" },
	};
	struct medio_loop *loop;

	(void)state;
	assert_int_equal(medio_loop_new(&loop), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *params[] = { "null=on", cases[i].param };
		const struct medio_instance_options opts = { .params = params, .nparams = 2 };
		struct medio_instance *inst;
		struct medio_error *err = NULL;
		assert_int_equal(
			medio_instance_new(loop, &medio_virtio_net, &opts, &inst, &err), -EINVAL);
		if (!strstr(medio_error_text(err), cases[i].words))
			fail_msg("%s: %s", cases[i].param, medio_error_text(err));
		medio_error_free(err);
	}
	medio_loop_free(loop);
}

static void several_pairs_need_the_control_queue(void **state)
{
	const char *params[] = { "null=on", "queue-pairs=2", "control=off" };
	const struct medio_instance_options opts = { .params = params, .nparams = 3 };
	struct medio_instance *inst;
	struct medio_error *err = NULL;
	struct medio_loop *loop;

	(void)state;
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_instance_new(loop, &medio_virtio_net, &opts, &inst, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "queue-pairs"));
	medio_error_free(err);
	medio_loop_free(loop);
}

static void features_can_be_left_out(void **state)
{
	struct bed *bed = *state;

	is(bed, (const char *[]){ "loop=on", "offloads=off", "mergeable=off", "control=off",
			"packed=off", "indirect=off", "event-idx=off", "in-order=off",
			"ring-reset=off", NULL });
	opens(bed, NULL);
	/* MAC, STATUS, VERSION_1, ACCESS_PLATFORM, SPEED_DUPLEX. */
	assert_int_equal(info_of(bed).virtio.offered & ~(UINT64_C(1) << 36),
		1 << 5 | 1 << 16 | UINT64_C(3) << 32 | UINT64_C(1) << 63);
	assert_int_equal(info_of(bed).virtio.num_queues, 2);
	sends(bed, 1514, 1);
	comes(bed, 1514, 1);
}

/* ---- Frames ------------------------------------------------------------------------------------------ */

static const uint64_t refused[] = { VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX |
					    VIRTIO_F_INDIRECT_DESC,
	VIRTIO_F_RING_PACKED, VIRTIO_F_EVENT_IDX, 0 };
#define RINGS (sizeof(refused) / sizeof(*refused))

static void every_length_comes_back(void **state)
{
	struct bed *bed = *state;

	is(bed, (const char *[]){ "loop=on", NULL });
	for (unsigned r = 0; r < RINGS; r++) {
		const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST, .refuse = refused[r] };
		opens(bed, &opts);
		for (size_t len = 14; len <= 1514; len += len < 100 || len > 1500 ? 1 : 37) {
			sends(bed, len, (uint32_t)len);
			comes(bed, len, (uint32_t)len);
		}
		virtio_net_close(bed->net);
		bed->net = NULL;
	}
}

/* In batches that fill the rings, many times round. */
static void thousands_keep_their_order(void **state)
{
	static const unsigned sizes[] = { 256, 2, 16, 64 };
	static const char *const kinds[] = { "in-order=off", "in-order=on", "poll=on",
		"poll=adaptive" };
	struct bed *bed = *state;

	for (unsigned k = 0; k < 4; k++) {
		is(bed, (const char *[]){ "loop=on", kinds[k], NULL });
		for (unsigned r = 0; r < RINGS; r++) {
			const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST,
				.refuse = refused[r],
				.queue_size = sizes[(k + r) % 4] };
			uint32_t sent = 0, got = 0;
			opens(bed, &opts);
			while (got < 1000) {
				unsigned batch = 1 + sent % info_of(bed).send_depth;
				while (batch-- && sent < 1000) {
					sends(bed, 60 + sent % 400, sent);
					sent++;
				}
				while (got < sent) {
					comes(bed, 60 + got % 400, got);
					got++;
				}
			}
			assert_int_equal(info_of(bed).dropped, 0);
			virtio_net_close(bed->net);
			bed->net = NULL;
		}
		closes(bed);
	}
}

/* The network keeps none, the driver all: nothing is lost though nobody takes any for long. */
static void more_than_there_are_buffers(void **state)
{
	struct bed *bed = *state;
	const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST, .queue_size = 64 };
	uint32_t sent = 0;

	is(bed, (const char *[]){ "loop=on", NULL });
	opens(bed, &opts);
	for (unsigned i = 0; i < 200; i++, sent++) {
		fill(bed->frame, 100, i);
		if (virtio_net_send(bed->net, bed->frame, 100, 50) == -EAGAIN)
			break;
	}
	/* A ring to receive is full, a ring to send is, and the network may keep some. */
	assert_in_range(sent, 128, 200);
	for (uint32_t i = 0; i < sent; i++)
		comes(bed, 100, i);
	assert_int_equal(virtio_net_drain(bed->net, LONG_MS), 0);
	sends(bed, 200, 7);
	comes(bed, 200, 7);
}

static void largest_frames(void **state)
{
	struct bed *bed = *state;

	is(bed, (const char *[]){ "loop=on", "mtu=65535", NULL });
	for (unsigned r = 0; r < RINGS; r++) {
		const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST, .refuse = refused[r] };
		opens(bed, &opts);
		for (unsigned i = 0; i < 40; i++) {
			sends(bed, 65549 - i, i);
			comes(bed, 65549 - i, i);
		}
		virtio_net_close(bed->net);
		bed->net = NULL;
	}
}

static void works_by_every_interrupt(void **state)
{
	static const int irqs[] = { MEDIO_CARD_MSIX, MEDIO_CARD_INTX, VIRTIO_IRQ_NONE };
	struct bed *bed = *state;

	is(bed, (const char *[]){ "loop=on", NULL });
	for (unsigned i = 0; i < 3; i++) {
		const struct virtio_options opts = { .irq = irqs[i] };
		opens(bed, &opts);
		assert_int_equal(info_of(bed).virtio.irq, irqs[i]);
		for (uint32_t n = 0; n < 500; n++) {
			sends(bed, 60, n);
			comes(bed, 60, n);
		}
		assert_int_equal(virtio_net_drain(bed->net, LONG_MS), 0);
		virtio_net_close(bed->net);
		bed->net = NULL;
	}
}

static void what_goes_nowhere_is_sent(void **state)
{
	struct bed *bed = *state;

	is(bed, (const char *[]){ "null=on", NULL });
	opens(bed, NULL);
	for (uint32_t i = 0; i < 1000; i++)
		sends(bed, 60 + i, i);
	assert_int_equal(virtio_net_drain(bed->net, LONG_MS), 0);
	assert_int_equal(virtio_net_receive(bed->net, bed->back, sizeof(bed->back), 1), 0);
}

static void leaves_nothing_behind(void **state)
{
	struct bed *bed = *state;
	struct medio_card_dma_info dma;

	is(bed, (const char *[]){ "loop=on", NULL });
	for (unsigned i = 0; i < 5; i++) {
		opens(bed, NULL);
		/* Some come back when nobody is there any more. */
		for (unsigned n = 0; n < 300; n++)
			virtio_net_send(bed->net, bed->frame, 100, 0);
		virtio_net_close(bed->net);
		bed->net = NULL;
		medio_card_get_dma_info(bed->bed.card, &dma);
		assert_int_equal(dma.num_maps, 0);
	}
	opens(bed, NULL);
	assert_int_equal(virtio_net_receive(bed->net, bed->back, sizeof(bed->back), 1), 0);
	sends(bed, 100, 1);
	comes(bed, 100, 1);
}

struct link {
	struct bed *bed;
	const char *text;
};

static void do_link(void *arg)
{
	const struct link *l = arg;

	card_bed_must(
		!medio_instance_attr_store(l->bed->bed.inst, "net/link", l->text, strlen(l->text)));
}

static void link_changes_are_seen(void **state)
{
	static const int irqs[] = { MEDIO_CARD_MSIX, MEDIO_CARD_INTX, VIRTIO_IRQ_NONE };
	struct bed *bed = *state;

	is(bed, (const char *[]){ "loop=on", NULL });
	for (unsigned i = 0; i < 3; i++) {
		const struct virtio_options opts = { .irq = irqs[i] };
		opens(bed, &opts);
		assert_int_equal(virtio_net_link(bed->net), 1);
		for (unsigned up = 0; up < 2; up++) {
			card_bed_on_device(
				&bed->bed, do_link, &(struct link){ bed, up ? "up" : "down" });
			for (unsigned n = 0; n < 1000 && virtio_net_link(bed->net) != (int)up; n++)
				assert_int_equal(virtio_net_receive(bed->net, bed->back,
							 sizeof(bed->back), 10),
					0);
			assert_int_equal(virtio_net_link(bed->net), up);
		}
		/* While it was down nothing was kept. */
		sends(bed, 100, i);
		comes(bed, 100, i);
		virtio_net_close(bed->net);
		bed->net = NULL;
	}
}

/* ---- A switch between cards ---------------------------------------------------------------------------- */

static void addressed(struct bed *bed, const uint8_t *to, size_t len, uint32_t seed)
{
	fill(bed->frame, len, seed);
	memcpy(bed->frame, to, 6);
	memcpy(bed->frame + 6, info_of(bed).mac, 6);
}

static void cards_on_a_switch_reach_each_other(void **state)
{
	static const uint8_t all[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const char *const params[3][3] = {
		{ "switch=lan", "mac=52:54:00:00:00:01", NULL },
		{ "switch=lan", "mac=52:54:00:00:00:02", NULL },
		{ "switch=lan", "mac=52:54:00:00:00:03", NULL },
	};
	static struct bed beds[3]; /* on one thread, as a switch wants it */

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct virtio_options opts = { .irq = VIRTIO_IRQ_BEST,
			.refuse = i == 1 ? VIRTIO_F_RING_PACKED : 0 };
		is(&beds[i], params[i]);
		opens(&beds[i], &opts);
	}
	for (unsigned i = 0; i < 3; i++) {
		addressed(&beds[i], all, 100, i);
		assert_int_equal(virtio_net_send(beds[i].net, beds[i].frame, 100, LONG_MS), 0);
		assert_int_equal(virtio_net_drain(beds[i].net, LONG_MS), 0);
		for (unsigned to = 0; to < 3; to++) {
			if (to == i)
				continue;
			assert_int_equal(virtio_net_receive(beds[to].net, beds[to].back,
						 sizeof(beds[to].back), LONG_MS),
				100);
			assert_memory_equal(beds[to].back, beds[i].frame, 100);
		}
	}
	/* Each is known now: what is for one goes to that one. */
	for (unsigned n = 0; n < 300; n++) {
		struct bed *from = &beds[n % 3], *to = &beds[(n + 1 + n / 3 % 2) % 3];
		addressed(from, info_of(to).mac, 60 + n, n);
		assert_int_equal(virtio_net_send(from->net, from->frame, 60 + n, LONG_MS), 0);
		assert_int_equal(virtio_net_drain(from->net, LONG_MS), 0);
		assert_int_equal(
			virtio_net_receive(to->net, to->back, sizeof(to->back), LONG_MS), 60 + n);
		assert_memory_equal(to->back, from->frame, 60 + n);
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(
			virtio_net_receive(beds[i].net, beds[i].back, sizeof(beds[i].back), 0), 0);
		assert_int_equal(info_of(&beds[i]).dropped, 0);
	}
	for (unsigned i = 0; i < 3; i++)
		closes(&beds[i]);
}

int main(void)
{
#define TEST(fn_) CARD_BED_TEST(fn_, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(tells_what_it_is),
		cmocka_unit_test(without_one_its_address_is_made_of_its_uuid),
		cmocka_unit_test(wrong_parameters_are_told),
		cmocka_unit_test(several_pairs_need_the_control_queue),
		TEST(features_can_be_left_out),
		TEST(every_length_comes_back),
		TEST(thousands_keep_their_order),
		TEST(more_than_there_are_buffers),
		TEST(largest_frames),
		TEST(works_by_every_interrupt),
		TEST(what_goes_nowhere_is_sent),
		TEST(leaves_nothing_behind),
		TEST(link_changes_are_seen),
		{ "cards_on_a_switch_reach_each_other", cards_on_a_switch_reach_each_other, NULL,
			NULL, &card_bed_ways[CARD_BED_LOCAL] },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
