/* SPDX-License-Identifier: BSD-3-Clause */
/* The status of a virtio device: the steps of 3.1.1 in every wrong order, NEEDS_RESET, resets. */
#include <errno.h>

#include "test_virtio_regs.h"

/* ---- The steps --------------------------------------------------------------------------------------- */

static void steps_in_order(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	assert_int_equal(status(r), 0);
	bring_up(r, PLAIN, 2);
	said_nothing(r);
	assert_string_equal(echo_seen.order, "RFLQQ");
	assert_true(echo_seen.live_when_told);
	assert_int_equal(echo_seen.accepted, PLAIN);
	works(r, 0, 1);
	works(r, 1, 2);
	set_status(r, 0);
	assert_int_equal(status(r), 0);
	assert_string_equal(echo_seen.order, "RFLQQqqR");
	said_nothing(r);
}

static void several_bits_at_once(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	set_status(r, 3);
	choose(r, PLAIN);
	set_status(r, 15);
	assert_int_equal(status(r), 15);
	said_nothing(r);
	assert_string_equal(echo_seen.order, "FL");
}

static void driver_before_acknowledge(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	set_status(r, 2);
	said(r, "DRIVER is set before ACKNOWLEDGE (3.1.1)");
	assert_int_equal(status(r), 2);
}

static void features_ok_before_driver(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	set_status(r, 1);
	choose(r, PLAIN);
	set_status(r, 9);
	said(r, "FEATURES_OK is refused: it is set before DRIVER (3.1.1)");
	assert_int_equal(status(r), 1);
	assert_int_equal(echo_seen.features, 0);
	set_status(r, 11);
	assert_int_equal(status(r), 11);
}

static void features_without_version_1(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	set_status(r, 3);
	choose(r, VIRTIO_F_INDIRECT_DESC);
	set_status(r, 11);
	said(r, "FEATURES_OK is refused: the driver does not accept VERSION_1. Legacy drivers, from "
		"before virtio 1.0, are not served");
	assert_int_equal(status(r), 3);
	assert_int_equal(echo_seen.features, 0);
}

static void features_that_are_not_offered(void **state)
{
	static const char *const params[] = { "packed=off", NULL };
	struct regs *r = *state;

	regs_plug(r, params);
	set_status(r, 3);
	choose(r, PLAIN | VIRTIO_F_RING_PACKED | UINT64_C(1) << 23);
	set_status(r, 11);
	said(r, "the driver accepts what is not offered: bit 23 RING_PACKED (2.2.1)");
	assert_int_equal(status(r), 3);
	/* It may choose again. */
	choose(r, PLAIN);
	set_status(r, 11);
	assert_int_equal(status(r), 11);
	said_nothing(r);
}

static void features_the_device_refuses(void **state)
{
	struct regs *r = *state;

	echo_quirks.refuse = true;
	regs_plug(r, NULL);
	set_status(r, 3);
	choose(r, PLAIN);
	set_status(r, 11);
	assert_int_equal(status(r), 3);
	assert_non_null(strstr(r->log, "echo: A without B"));
	said(r, "the device cannot work with this choice: VERSION_1 ACCESS_PLATFORM");
	assert_int_equal(medio_virtio_accepted(echo_latest()), 0);
	echo_quirks.refuse = false;
	set_status(r, 11);
	assert_int_equal(status(r), 11);
	assert_int_equal(medio_virtio_accepted(echo_latest()), PLAIN);
}

static void features_after_features_ok(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	negotiate(r, PLAIN);
	choose(r, PLAIN | VIRTIO_F_RING_PACKED);
	said(r, "features are written after FEATURES_OK; ignored");
	put(r, VIRTIO_DRIVER_FEATURE_SELECT, 4, 1);
	assert_int_equal(get(r, VIRTIO_DRIVER_FEATURE, 4), PLAIN >> 32);
	assert_int_equal(medio_virtio_accepted(echo_latest()), PLAIN);
}

static void driver_ok_without_features_ok(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	set_status(r, 3);
	set_status(r, 7);
	said(r, "DRIVER_OK without FEATURES_OK is ignored (3.1.1): the driver is a legacy one");
	assert_int_equal(status(r), 3);
	/* As one that does not look whether its features were taken. */
	choose(r, 0);
	set_status(r, 15);
	assert_int_equal(status(r), 3);
	assert_int_equal(echo_seen.lives, 0);
}

static void queues_before_features_ok(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	set_status(r, 3);
	place_queue(r, 0, PLAIN, 16);
	put(r, VIRTIO_QUEUE_ENABLE, 2, 1);
	said(r, "queue 0 is enabled before FEATURES_OK; ignored (3.1.1, step 7)");
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 0);
}

static void queues_after_driver_ok(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	place_queue(r, 1, PLAIN, 16);
	put(r, VIRTIO_QUEUE_ENABLE, 2, 1);
	said(r, "queue 1 is enabled after DRIVER_OK, without RING_RESET; ignored");
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 0);
	/* With it that is how queues come back. */
	bring_up(r, PLAIN | VIRTIO_F_RING_RESET, 1);
	enable_queue(r, 1, PLAIN, 16);
	said_nothing(r);
	works(r, 1, 1);
	assert_int_equal(echo_seen.on[1], 1);
}

static void notified_too_early(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	negotiate(r, PLAIN);
	enable_queue(r, 0, PLAIN, 16);
	add(r, 0, 1, 64);
	notify(r, 0);
	said(r, "queue 0 is notified before DRIVER_OK; ignored (3.1.1)");
	settle(r);
	assert_int_equal(echo_seen.kicks, 0);
	assert_int_equal(took(r, 0), -1);
	/* What was put there is seen all the same when the device goes live. */
	set_status(r, 15);
	settle(r);
	assert_int_equal(took(r, 0), 1);
}

static void only_a_reset_clears_bits(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	set_status(r, 4);
	said(r, "status 0x04 would clear ACKNOWLEDGE DRIVER FEATURES_OK, which only a reset does (2.1.1)");
	assert_int_equal(status(r), 15);
	works(r, 0, 1);
}

static void bits_that_are_not_the_drivers(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	set_status(r, 0x71);
	said(r, "status 0x71: SUSPEND bit 5 DEVICE_NEEDS_RESET is not a driver's to set");
	assert_int_equal(status(r), 1);
}

static void failed_ends_it(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	set_status(r, 0x8f);
	said(r, "the driver gave up on the device (FAILED, 2.1)");
	assert_int_equal(status(r), 0x8f);
	add(r, 0, 1, 64);
	notify(r, 0);
	settle(r);
	assert_int_equal(took(r, 0), -1);
	assert_false(medio_virtio_is_live(echo_latest()));
	assert_null(medio_virtio_queue(echo_latest(), 0));
	bring_up(r, PLAIN, 1);
	works(r, 0, 1);

	set_status(r, 0);
	set_status(r, 0x81);
	r->log[0] = '\0';
	set_status(r, 0x83);
	said(r, "status 0x83 is written, but only a reset helps now");
	assert_int_equal(status(r), 0x80);
}

/* ---- NEEDS_RESET --------------------------------------------------------------------------------------- */

static void a_queue_that_cannot_be(void **state)
{
	const struct {
		unsigned reg;
		uint64_t value;
		const char *words;
	} wrong[] = {
		{ VIRTIO_QUEUE_DESC, IOVA + 8, "queue 0: the descriptor area at 0x100008" },
		{ VIRTIO_QUEUE_DRIVER, IOVA + 1, "queue 0: the driver area at 0x100001" },
		{ VIRTIO_QUEUE_DEVICE, IOVA + MEM, "queue 0: the device area" },
		{ VIRTIO_QUEUE_DESC, IOVA + MEM - 16, "queue 0: the descriptor area" },
	};
	struct regs *r = *state;

	regs_plug(r, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		negotiate(r, PLAIN);
		place_queue(r, 0, PLAIN, 16);
		put(r, wrong[i].reg, 8, wrong[i].value);
		put(r, VIRTIO_QUEUE_ENABLE, 2, 1);
		set_status(r, 15);
		assert_int_equal(status(r), 0x4f);
		assert_non_null(strstr(r->log, "; the device needs a reset"));
		said(r, wrong[i].words);
	}
	assert_int_equal(echo_seen.lives, 0);
	/* A split ring of three (2.7); a packed one may have as many. */
	negotiate(r, PLAIN);
	place_queue(r, 0, PLAIN | VIRTIO_F_RING_PACKED, 3);
	put(r, VIRTIO_QUEUE_ENABLE, 2, 1);
	set_status(r, 15);
	assert_int_equal(status(r), 0x4f);
	said(r, "queue 0: a size of 3, which is no power of two (2.7)");
	negotiate(r, PLAIN | VIRTIO_F_RING_PACKED);
	enable_queue(r, 0, PLAIN | VIRTIO_F_RING_PACKED, 3);
	set_status(r, 15);
	assert_int_equal(status(r), 15);
	works(r, 0, 1);
}

/* An index that jumps: the ring's fault, and the whole device's. */
static void break_ring(struct regs *r, unsigned queue)
{
	struct virtq_places places;

	virtq_get_places(r->rings[queue], &places);
	medio_put_le(r->mem + (places.driver - IOVA) + 2, 2, 1000);
	notify(r, queue);
}

static void a_broken_ring_needs_a_reset(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 2);
	break_ring(r, 0);
	assert_int_equal(status(r), 0x4f);
	assert_non_null(strstr(r->log, "queue 0: "));
	said(r, "; the device needs a reset");
	/* Nothing is popped from any queue any more. */
	add(r, 1, 1, 64);
	notify(r, 1);
	settle(r);
	assert_int_equal(took(r, 1), -1);
	assert_false(medio_virtio_is_live(echo_latest()));
	bring_up(r, PLAIN, 2);
	works(r, 0, 1);
	works(r, 1, 2);
	said_nothing(r);
}

static void a_device_that_is_told_to_break(void **state)
{
	struct regs *r = *state;

	echo_quirks.break_queue = true;
	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	add(r, 0, 1, 64);
	add(r, 0, 2, 64);
	notify(r, 0);
	said(r, "queue 0: told to; the device needs a reset");
	assert_int_equal(status(r), 0x4f);
	settle(r);
	/* What it had popped is answered, and no more is popped; what is broken is told once. */
	assert_int_equal(echo_seen.chains, 1);
	medio_virtio_broken(echo_latest(), "again");
	said_nothing(r);
}

static uint64_t events(struct regs *r, unsigned index, unsigned vector)
{
	uint64_t n = 0;

	return medio_card_irq_wait(r->card, index, vector, 0, &n) ? 0 : n;
}

static void needs_reset_interrupts_by_msix(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_MSIX, 3), 0);
	bring_up(r, PLAIN, 2);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 0), 0);
	break_ring(r, 1);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 0), 1);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 2), 0);
	assert_int_equal(get(r, MEDIO_VIRTIO_ISR, 1), 0);
}

static void needs_reset_interrupts_by_intx(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_INTX, 1), 0);
	bring_up(r, PLAIN, 1);
	break_ring(r, 0);
	assert_int_equal(events(r, MEDIO_CARD_INTX, 0), 1);
	assert_int_equal(get(r, MEDIO_VIRTIO_ISR, 1), VIRTIO_ISR_CONFIG);
	assert_int_equal(get(r, MEDIO_VIRTIO_ISR, 1), 0);
}

static void no_interrupt_before_driver_ok(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_MSIX, 3), 0);
	negotiate(r, PLAIN);
	put(r, VIRTIO_CONFIG_VECTOR, 2, 0);
	medio_virtio_broken(echo_latest(), "the disk is on fire");
	said(r, "the disk is on fire; the device needs a reset");
	assert_int_equal(status(r), 0x4b);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 0), 0);
	/* And no further step is taken. */
	set_status(r, 15);
	said(r, "only a reset helps now");
	assert_int_equal(status(r), 0x4b);
}

/* ---- Resets ---------------------------------------------------------------------------------------------- */

static void a_reset_waits_for_what_is_in_flight(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 2);
	echo_quirks.hold = true;
	add(r, 0, 1, 64);
	add(r, 0, 2, 64);
	notify(r, 0);
	settle(r);
	assert_int_equal(echo_seen.chains, 2);
	echo_seen.order[0] = '\0';
	set_status(r, 0);
	assert_int_equal(status(r), 15);
	settle(r);
	assert_int_equal(status(r), 15);
	said_nothing(r);
	/* Nothing but waiting helps (2.4.2). */
	set_status(r, 1);
	said(r, "status 0x01 is written before a reset is done; ignored (2.4.2)");
	add(r, 1, 3, 64);
	notify(r, 1);
	assert_int_equal(echo_seen.chains, 2);
	assert_null(medio_virtio_queue(echo_latest(), 1));
	echo_release(echo_latest(), 1, false);
	settle(r);
	assert_int_equal(status(r), 15);
	assert_string_equal(echo_seen.order, "");
	echo_release(echo_latest(), 1, false);
	/* The device is told on the loop, not while it pushes. */
	assert_string_equal(echo_seen.order, "");
	settle(r);
	assert_int_equal(status(r), 0);
	assert_string_equal(echo_seen.order, "qqR");
	assert_int_equal(echo_seen.in_flight_at_reset, 0);
	assert_int_equal(echo_seen.drains, 0);
	echo_quirks.hold = false;
	bring_up(r, PLAIN, 1);
	works(r, 0, 1);
}

static void a_reset_of_the_bus_drains(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 2);
	echo_quirks.hold = true;
	for (unsigned i = 0; i < 4; i++)
		add(r, 1, i, 64);
	notify(r, 1);
	settle(r);
	medio_instance_reset(r->inst, MEDIO_RESET_DEVICE);
	assert_int_equal(echo_seen.drains, 1);
	assert_int_equal(echo_seen.in_flight_at_reset, 0);
	assert_int_equal(status(r), 0);
	settle(r);
	assert_int_equal(status(r), 0);
	said_nothing(r);
}

static void a_device_that_does_not_drain_is_named(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	echo_quirks.hold = echo_quirks.no_drain = true;
	add(r, 0, 1, 64);
	notify(r, 0);
	settle(r);
	medio_instance_reset(r->inst, MEDIO_RESET_DEVICE);
	said(r, "1 requests are still under way though the device was to give them back");
	assert_int_equal(status(r), 15);
	echo_release(echo_latest(), 1, false);
	settle(r);
	assert_int_equal(status(r), 0);
}

static void a_queue_is_reset_by_itself(void **state)
{
	const uint64_t features = PLAIN | VIRTIO_F_RING_RESET | VIRTIO_F_RING_PACKED;
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, features, 2);
	works(r, 0, 1);
	echo_quirks.hold = true;
	add(r, 0, 1, 64);
	notify(r, 0);
	settle(r);
	put(r, VIRTIO_QUEUE_SELECT, 2, 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_RESET, 2), 0);
	put(r, VIRTIO_QUEUE_RESET, 2, 1);
	/* While it is busy (4.1.4.3.1). */
	assert_int_equal(get(r, VIRTIO_QUEUE_RESET, 2), 1);
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 1);
	assert_int_equal(echo_seen.off[0], 0);
	assert_null(medio_virtio_queue(echo_latest(), 0));
	put(r, VIRTIO_QUEUE_DESC, 8, 0);
	said(r, "queue 0 is set up while it is enabled; ignored (4.1.4.3.2)");
	/* The other one goes on. */
	echo_quirks.hold = false;
	works(r, 1, 2);
	echo_release(echo_latest(), 1, false);
	settle(r);
	put(r, VIRTIO_QUEUE_SELECT, 2, 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_RESET, 2), 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_SIZE, 2), 256);
	assert_int_equal(get(r, VIRTIO_QUEUE_DESC, 8), 0);
	assert_int_equal(echo_seen.off[0], 1);
	notify(r, 0); /* of a queue that is not live: nothing */
	enable_queue(r, 0, features, 8);
	works(r, 0, 3);
	assert_int_equal(echo_seen.on[0], 2);
	assert_int_equal(echo_seen.lives, 1);
	said_nothing(r);
	/* An idle one is reset at once. */
	put(r, VIRTIO_QUEUE_SELECT, 2, 1);
	put(r, VIRTIO_QUEUE_RESET, 2, 1);
	assert_int_equal(get(r, VIRTIO_QUEUE_RESET, 2), 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 0);
	assert_int_equal(echo_seen.off[1], 1);
	/* And the whole device while one queue's reset waits. */
	echo_quirks.hold = true;
	add(r, 0, 1, 64);
	notify(r, 0);
	settle(r);
	put(r, VIRTIO_QUEUE_SELECT, 2, 0);
	put(r, VIRTIO_QUEUE_RESET, 2, 1);
	set_status(r, 0);
	assert_int_equal(status(r), 15);
	echo_release(echo_latest(), 1, false);
	settle(r);
	assert_int_equal(status(r), 0);
	assert_int_equal(echo_seen.off[0], 2);
}

static void a_queue_reset_needs_the_feature(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	put(r, VIRTIO_QUEUE_SELECT, 2, 0);
	put(r, VIRTIO_QUEUE_RESET, 2, 1);
	said(r, "queue 0: a reset of the queue without RING_RESET; ignored (2.6.1)");
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 1);
	works(r, 0, 1);
}

/* ---- Instances ---------------------------------------------------------------------------------------------- */

static void cannot_start(struct regs *r, const struct medio_type *type, const char *param, int ret,
	const char *words)
{
	const struct medio_instance_options opts = { .params = &param, .nparams = param ? 1 : 0 };
	struct medio_error *err = NULL;

	assert_int_equal(medio_loop_new(&r->loop), 0);
	assert_int_equal(medio_instance_new(r->loop, type, &opts, &r->inst, &err), ret);
	if (!strstr(medio_error_text(err), words))
		fail_msg("not \"%s\" but \"%s\"", words, medio_error_text(err));
	medio_error_free(err);
	medio_loop_free(r->loop);
	r->loop = NULL;
}

static void lists_of_queues_are_checked(void **state)
{
	static const char *const bad[] = { "poll-queues=", "poll-queues=8", "poll-queues=0-8",
		"poll-queues=3-1", "poll-queues=1,", "poll-queues=,1", "poll-queues=-1",
		"poll-queues=1-", "poll-queues=all", "poll-queues=1 2", "poll-queues=0x1",
		"poll-queues=18446744073709551617" };
	static const char *const good[] = { "poll-queues=0", "poll-queues=7", "poll-queues=0-7",
		"poll-queues=1,3-3,2-5,1" };
	struct regs *r = *state;

	for (size_t i = 0; i < 16; i++) {
		const char *params[] = { i % 2 ? "poll=on" : "poll=adaptive",
			i < 12 ? bad[i] : good[i - 12] };
		const struct medio_instance_options opts = { .params = params, .nparams = 2 };
		struct medio_error *err = NULL;
		assert_int_equal(medio_loop_new(&r->loop), 0);
		int ret = medio_instance_new(r->loop, &echo_type, &opts, &r->inst, &err);
		assert_int_equal(ret, i < 12 ? -EINVAL : 0);
		if (ret && !strstr(medio_error_text(err), "queues of this device are 0 to 7"))
			fail_msg("%s: \"%s\"", params[1], medio_error_text(err));
		medio_error_free(err);
		if (!ret)
			medio_instance_free(r->inst);
		medio_loop_free(r->loop);
		r->loop = NULL;
	}
	r->inst = NULL;
	cannot_start(r, &echo_type, "poll-queues=1", -EINVAL, "only with poll=on or poll=adaptive");
	assert_int_equal(echo_seen.inits, echo_seen.finis);
}

static void types_and_parameters_are_checked(void **state)
{
	struct regs *r = *state;
	struct medio_type type = echo_type;

	cannot_start(r, &echo_type, "queue-size=100", -EINVAL,
		"queue-size=100 is not a power of two (allowed: 2, 4, 8 to 1024)");
	cannot_start(r, &echo_type, "queue-size=2048", -EINVAL, "queue-size");
	cannot_start(r, &echo_type, "poll=often", -EINVAL, "poll");
	cannot_start(r, &echo_wrong_type, NULL, -EINVAL,
		"the card has 7 doorbells and 8 vectors, 8 queues need 8 and 9");
	type.id.device++;
	cannot_start(r, &type, NULL, -EINVAL, "a virtio device of kind 42 is 1af4:106a");
	type = echo_type;
	type.data = NULL;
	cannot_start(r, &type, NULL, -EINVAL, "struct medio_virtio_type");
	type = echo_type;
	type.state_size = 8;
	type.params = NULL;
	cannot_start(r, &type, NULL, -EINVAL, "does not begin with a struct medio_virtio");
	assert_int_equal(echo_seen.inits, 0);
	echo_quirks.fail_init = true;
	cannot_start(r, &echo_type, NULL, -EDOM, "echo: told to fail");
	assert_int_equal(echo_seen.finis, 0);
}

static void features_are_what_parameters_say(void **state)
{
	const struct {
		const char *param;
		uint64_t bit;
		bool on;
	} all[] = {
		{ "packed=off", VIRTIO_F_RING_PACKED, false },
		{ "indirect=off", VIRTIO_F_INDIRECT_DESC, false },
		{ "event-idx=off", VIRTIO_F_EVENT_IDX, false },
		{ "platform=off", VIRTIO_F_ACCESS_PLATFORM, false },
		{ "ring-reset=off", VIRTIO_F_RING_RESET, false },
		{ "in-order=on", VIRTIO_F_IN_ORDER, true },
		{ "order-platform=on", VIRTIO_F_ORDER_PLATFORM, true },
		{ "notification-data=on", VIRTIO_F_NOTIFICATION_DATA, true },
	};
	const uint64_t usual = VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC |
			       VIRTIO_F_EVENT_IDX | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_RING_RESET |
			       1 << ECHO_F_A | 1 << ECHO_F_B | 1 << ECHO_F_EXTRA;
	struct regs *r = *state;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const char *params[] = { all[i].param, NULL };
		regs_plug(r, params);
		assert_int_equal(offered(r), usual ^ all[i].bit);
		regs_unplug(r);
	}
	/* A device may take back all but VERSION_1. */
	echo_quirks.withdraw = ~UINT64_C(0);
	echo_quirks.queues = 3;
	regs_plug(r, NULL);
	assert_int_equal(offered(r), VIRTIO_F_VERSION_1);
	assert_int_equal(get(r, VIRTIO_NUM_QUEUES, 2), 3);
	/* What was asked for after init() did nothing. */
	negotiate(r, VIRTIO_F_VERSION_1);
	assert_int_equal(offered(r), VIRTIO_F_VERSION_1);
	assert_int_equal(get(r, VIRTIO_NUM_QUEUES, 2), 3);
	assert_true(medio_virtio_has(echo_latest(), 32));
	assert_false(medio_virtio_has(echo_latest(), 33));
	assert_false(medio_virtio_has(echo_latest(), 64));
}

#define TEST(fn_) cmocka_unit_test_setup_teardown(fn_, regs_setup, regs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(steps_in_order),
		TEST(several_bits_at_once),
		TEST(driver_before_acknowledge),
		TEST(features_ok_before_driver),
		TEST(features_without_version_1),
		TEST(features_that_are_not_offered),
		TEST(features_the_device_refuses),
		TEST(features_after_features_ok),
		TEST(driver_ok_without_features_ok),
		TEST(queues_before_features_ok),
		TEST(queues_after_driver_ok),
		TEST(notified_too_early),
		TEST(only_a_reset_clears_bits),
		TEST(bits_that_are_not_the_drivers),
		TEST(failed_ends_it),
		TEST(a_queue_that_cannot_be),
		TEST(a_broken_ring_needs_a_reset),
		TEST(a_device_that_is_told_to_break),
		TEST(needs_reset_interrupts_by_msix),
		TEST(needs_reset_interrupts_by_intx),
		TEST(no_interrupt_before_driver_ok),
		TEST(a_reset_waits_for_what_is_in_flight),
		TEST(a_reset_of_the_bus_drains),
		TEST(a_device_that_does_not_drain_is_named),
		TEST(a_queue_is_reset_by_itself),
		TEST(a_queue_reset_needs_the_feature),
		TEST(lists_of_queues_are_checked),
		TEST(types_and_parameters_are_checked),
		TEST(features_are_what_parameters_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
