/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device and what happens around it: memory that goes, clients that go and come back, bus mastering,
 * polling that rests, and its state taken to another process. What time it is says the test (test_clock.h).
 */
#include <errno.h>
#include <stdint.h>

#include "test_virtio_regs.h"

#include "test_clock.h"

#define EXTRA 0x10000000u /* IOVA of memory beside the rings' */

/* So much time passes, with the loop running. */
static void settle_ms(struct regs *r, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		clock_passes(1000000);
		assert_true(medio_loop_run_once(r->loop, 0) >= 0);
	}
}

static int stand_and_setup(void **state)
{
	clock_stands();
	return regs_setup(state);
}

/* ---- Memory that goes ------------------------------------------------------------------------------------ */

static void release(void *opaque)
{
	(void)opaque;
	echo_release(echo_latest(), ECHO_HELD, true);
}

static void hold(struct regs *r, unsigned n)
{
	echo_quirks.hold = true;
	for (unsigned i = 0; i < n; i++)
		add(r, 0, i, 100 + i);
	notify(r, 0);
	settle(r);
	assert_int_equal(medio_virtq_in_flight(medio_virtio_queue(echo_latest(), 0)), n);
}

static void took_all(struct regs *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_true(took(r, 0) >= 0);
	assert_int_equal(took(r, 0), -1);
}

/* The client's request waits until the device has given back what it had. */
static void unmapping_waits(void **state)
{
	struct regs *r = *state;
	void *ptr;

	clock_goes();
	regs_plug(r, NULL);
	bring_up(r, PLAIN, 2);
	assert_int_equal(medio_card_dma_alloc(r->card, EXTRA, 4096, MEDIO_CARD_DMA_READ, &ptr), 0);
	hold(r, 3);
	assert_int_equal(medio_instance_quiesce(r->inst), -EBUSY);
	/* What comes meanwhile is not looked at, but not forgotten either. */
	add(r, 1, 9, 64);
	notify(r, 1);
	settle(r);
	assert_int_equal(echo_seen.chains, 3);
	struct medio_timer *timer = medio_loop_timer(r->loop, release, NULL);
	medio_timer_arm(timer, 1000000);
	assert_int_equal(medio_card_dma_unmap(r->card, EXTRA, 4096), 0);
	medio_timer_free(timer);
	took_all(r, 3);
	assert_int_equal(echo_seen.drains, 0);
	settle(r);
	echo_quirks.hold = false;
	release(NULL);
	assert_int_equal(took(r, 1), 9);
	works(r, 0, 1);
	said_nothing(r);
}

/* Memory of a client that ends is not waited for. */
static void memory_goes_under_requests(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN | VIRTIO_F_RING_PACKED, 1);
	hold(r, 3);
	assert_int_equal(medio_instance_dma_unmap(r->inst, IOVA, MEM, false, NULL), 0);
	assert_int_equal(echo_seen.drains, 1);
	/* The driver has them, though its ring is out of reach now; it may come back. */
	took_all(r, 3);
	echo_quirks.hold = false;
	add(r, 0, 1, 64);
	notify(r, 0);
	settle(r);
	assert_int_equal(took(r, 0), -1);
	assert_int_equal(status(r), 15);
	assert_int_equal(medio_instance_dma_map(r->inst, IOVA, MEM, 3, r->fd, 0, NULL), 0);
	settle(r);
	assert_int_equal(took(r, 0), 1);
	said_nothing(r);
}

static void bus_mastering(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	works(r, 0, 1);
	assert_int_equal(medio_card_write16(r->card, MEDIO_CARD_CONFIG, 4, 3), 0);
	add(r, 0, 1, 64);
	notify(r, 0);
	settle(r);
	assert_int_equal(took(r, 0), -1);
	assert_int_equal(status(r), 15);
	said_nothing(r);
	/* Nothing was lost. */
	assert_int_equal(medio_card_write16(r->card, MEDIO_CARD_CONFIG, 4, 7), 0);
	settle(r);
	assert_int_equal(took(r, 0), 1);
	/* Without it no queue can start. */
	negotiate(r, PLAIN);
	enable_queue(r, 0, PLAIN, 16);
	assert_int_equal(medio_card_write16(r->card, MEDIO_CARD_CONFIG, 4, 3), 0);
	set_status(r, 15);
	assert_int_equal(status(r), 0x4f);
	assert_non_null(strstr(r->log, "bus mastering is off"));
}

/* ---- Clients ---------------------------------------------------------------------------------------------- */

static void a_client_comes_back(void **state)
{
	static const char *const polls[] = { "poll=off", "poll=on", "poll=adaptive" };
	struct regs *r = *state;

	for (unsigned i = 0; i < 6; i++) {
		const char *params[] = { polls[i % 3], NULL };
		uint64_t features = PLAIN | (i < 3 ? 0 : VIRTIO_F_RING_PACKED);
		regs_plug(r, params);
		bring_up(r, features, 1);
		works(r, 0, 1);
		hold(r, 2);
		medio_card_close(r->card);
		settle(r);
		/* Given back before its memory went. */
		took_all(r, 2);
		echo_quirks.hold = false;
		assert_true(medio_virtio_is_live(echo_latest()));
		regs_card(r);
		add(r, 0, 1, 64);
		settle(r);
		/* It has not shown yet that it knows of the queues. */
		assert_int_equal(took(r, 0), -1);
		if (i % 2)
			assert_int_equal(status(r), 15);
		else
			notify(r, 0);
		settle(r);
		assert_int_equal(took(r, 0), 1);
		works(r, 0, 2);
		said_nothing(r);
		regs_unplug(r);
		echo_clear();
	}
}

/* Somebody else, who knows nothing of a queue: his memory is let alone. */
static void another_client_comes(void **state)
{
	static const char *const params[] = { "poll=on", NULL };
	static uint8_t zeros[MEM];
	struct regs *r = *state;

	regs_plug(r, params);
	bring_up(r, PLAIN, 2);
	works(r, 0, 1);
	medio_card_close(r->card);
	memset(r->mem, 0, MEM);
	regs_card(r);
	settle_ms(r, 30);
	assert_memory_equal(r->mem, zeros, MEM);
	said_nothing(r);
	bring_up(r, PLAIN, 1);
	works(r, 0, 1);
	said_nothing(r);
}

/* ---- Polling ------------------------------------------------------------------------------------------------ */

static bool shows(struct regs *r, const char *words)
{
	char text[512];
	ssize_t len = medio_instance_attr_show(r->inst, "virtio/poll", text, sizeof(text) - 1);

	assert_true(len > 0);
	text[len] = '\0';
	return strstr(text, words);
}

#define POLL_TIME    "poll-time=200us"
#define POLL_TIME_NS 200000u

/* Nothing to do for as long as it polls without; not before. */
static void comes_to_rest(struct regs *r)
{
	settle(r);
	clock_passes(POLL_TIME_NS - 1);
	settle(r);
	assert_true(shows(r, "awake"));
	clock_passes(1);
	settle(r);
	assert_false(shows(r, "awake"));
}

static void adaptive_polling_rests(void **state)
{
	static const char *const params[] = { "poll=adaptive", POLL_TIME, NULL };
	struct regs *r = *state;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t features = PLAIN | (i & 1 ? VIRTIO_F_RING_PACKED : 0) |
				    (i & 2 ? VIRTIO_F_EVENT_IDX : 0);
		regs_plug(r, params);
		bring_up(r, features, 2);
		comes_to_rest(r);
		assert_true(shows(r, "woken 1,"));
		/* It rests: it wants to be told. */
		assert_true(add(r, 0, 1, 64));
		settle(r);
		assert_int_equal(took(r, 0), -1);
		notify(r, 0);
		assert_int_equal(took(r, 0), 1);
		assert_true(shows(r, "adaptive, awake"));
		assert_true(shows(r, "woken 2,"));
		/* Awake, it finds by itself what comes, in any queue. */
		add(r, 1, 2, 64);
		assert_false(add(r, 0, 3, 64));
		assert_true(medio_loop_run_once(r->loop, 0) >= 0);
		assert_int_equal(took(r, 1), 2);
		assert_int_equal(took(r, 0), 3);
		comes_to_rest(r);
		assert_true(add(r, 0, 1, 64));
		notify(r, 0);
		assert_int_equal(took(r, 0), 1);
		assert_true(shows(r, "woken 3,"));
		assert_true(echo_seen.polls > 0);
		regs_unplug(r);
		echo_clear();
	}
}

/* Of two queues the second is polled; the first always wants to be told. */
static void a_queue_by_itself_is_polled(void **state)
{
	static const char *const ways[] = { "poll=on", "poll=adaptive" };
	struct regs *r = *state;

	for (unsigned i = 0; i < 8; i++) {
		const char *params[] = { ways[i & 1], "poll-queues=1", POLL_TIME, NULL };
		uint64_t features = PLAIN | (i & 2 ? VIRTIO_F_RING_PACKED : 0) |
				    (i & 4 ? VIRTIO_F_EVENT_IDX : 0);
		regs_plug(r, params);
		bring_up(r, features, 2);
		assert_true(shows(
			r, i & 1 ? "adaptive for queues 1, awake" : "on for queues 1, awake"));
		assert_true(medio_loop_run_once(r->loop, 0) >= 0);
		assert_true(add(r, 0, 1, 64));
		for (unsigned n = 0; n < 5; n++)
			assert_true(medio_loop_run_once(r->loop, 0) >= 0);
		assert_int_equal(took(r, 0), -1);
		notify(r, 0);
		assert_int_equal(took(r, 0), 1);
		if (i & 1)
			comes_to_rest(r);
		/* Adaptive: only what is polled wakes it. */
		assert_true(add(r, 0, 2, 64));
		notify(r, 0);
		assert_int_equal(took(r, 0), 2);
		assert_int_equal(shows(r, "awake"), !(i & 1));
		/* The first time nobody has said yet that it need not be told. */
		add(r, 1, 3, 64);
		if (i & 1)
			notify(r, 1);
		assert_true(medio_loop_run_once(r->loop, 0) >= 0);
		assert_int_equal(took(r, 1), 3);
		assert_true(shows(r, "awake"));
		assert_false(add(r, 1, 4, 64));
		assert_true(medio_loop_run_once(r->loop, 0) >= 0);
		assert_int_equal(took(r, 1), 4);
		said_nothing(r);
		regs_unplug(r);
		echo_clear();
	}
}

static void polling_ends_with_the_device(void **state)
{
	static const char *const params[] = { "poll=on", NULL };
	struct regs *r = *state;

	regs_plug(r, params);
	settle(r);
	assert_true(shows(r, "on, polls 0,"));
	bring_up(r, PLAIN, 1);
	assert_true(shows(r, "on, awake"));
	settle(r);
	assert_false(shows(r, "polls 0,"));
	set_status(r, 0);
	assert_false(shows(r, "awake"));
	bring_up(r, PLAIN, 1);
	medio_virtio_broken(echo_latest(), "so that it rests");
	assert_false(shows(r, "awake"));
	bring_up(r, PLAIN, 1);
	assert_int_equal(medio_instance_quiesce(r->inst), 0);
	assert_false(shows(r, "awake"));
	medio_instance_resume(r->inst);
	assert_true(shows(r, "awake"));
}

/* ---- Save and load ------------------------------------------------------------------------------------------- */

static size_t save(struct regs *r, uint8_t *buf, size_t cap)
{
	ssize_t size = medio_instance_save(r->inst, buf, cap);

	assert_true(size > 0 && (size_t)size <= cap);
	/* It says what it needs, and gives the same again. */
	assert_int_equal(medio_instance_save(r->inst, buf + cap, 0), size);
	return (size_t)size;
}

/* The device goes away with its process, and another one takes its state; rings stay where they are. */
static void move(struct regs *r, const char *const *params, const uint8_t *buf, size_t size)
{
	medio_card_close(r->card);
	r->card = NULL;
	medio_instance_free(r->inst);
	medio_loop_free(r->loop);
	echo_seen.order[0] = '\0';
	regs_device(r, &echo_type, params);
	assert_int_equal(medio_instance_load(r->inst, buf, size), 0);
}

static void each_step_is_kept(void **state)
{
	struct regs *r = *state;
	uint8_t buf[16384];

	regs_plug(r, NULL);
	for (unsigned step = 0; step < 5; step++) {
		static const unsigned after[] = { 0, 1, 3, 11, 11 };
		if (step)
			set_status(r, after[step]);
		if (step == 2)
			choose(r, PLAIN | 1 << ECHO_F_B);
		if (step == 3)
			place_queue(r, 4, PLAIN, 32);
		if (step == 4)
			put(r, VIRTIO_QUEUE_ENABLE, 2, 1);
		put(r, VIRTIO_CONFIG_VECTOR, 2, step);
		echo_change(echo_latest(), 0x1234 + step);
		size_t size = save(r, buf, sizeof(buf));
		move(r, NULL, buf, size);
		regs_card(r);
		assert_int_equal(status(r), after[step]);
		assert_int_equal(get(r, VIRTIO_CONFIG_VECTOR, 2), step);
		assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG, 8), 0x1234 + step);
	}
	assert_int_equal(get(r, VIRTIO_QUEUE_SELECT, 2), 4);
	assert_int_equal(get(r, VIRTIO_QUEUE_SIZE, 2), 32);
	assert_int_equal(get(r, VIRTIO_QUEUE_VECTOR, 2), 5);
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 1);
	assert_int_equal(get(r, VIRTIO_QUEUE_DESC, 8), IOVA + 4 * RING);
	assert_int_equal(medio_virtio_accepted(echo_latest()), PLAIN | 1 << ECHO_F_B);
	/* From there it goes on as if nothing had been. */
	set_status(r, 15);
	assert_int_equal(status(r), 15);
	works(r, 4, 1);
	said_nothing(r);
}

static void goes_on_elsewhere(struct regs *r, const char *const *params, uint64_t features)
{
	uint8_t buf[16384], again[16384];

	clock_goes();
	regs_plug(r, params);
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_MSIX, 9), 0);
	bring_up(r, features, 2);
	for (unsigned i = 0; i < 37; i++) {
		works(r, 0, i);
		works(r, 1, i + 40);
	}
	echo_change(echo_latest(), 77);
	hold(r, 2);
	/* In the middle of something it cannot be taken; it is quiet only when that is done. */
	assert_int_equal(medio_instance_save(r->inst, buf, sizeof(buf)), -EBUSY);
	release(NULL);
	echo_quirks.hold = false;
	size_t size = save(r, buf, sizeof(buf));
	/* The driver has more in its rings by then. */
	add(r, 1, 90, 50);
	move(r, params, buf, size);
	/* Nothing is done without memory; as it is, it can be taken on. */
	settle(r);
	assert_string_equal(echo_seen.order, "RRF");
	assert_int_equal(save(r, again, sizeof(again)), size);
	assert_memory_equal(buf, again, size);
	assert_false(medio_virtio_is_live(echo_latest()));
	regs_card(r);
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_MSIX, 9), 0);
	uint64_t n = 0;
	/* It lives when memory and interrupts are there; drivers are made to look. */
	assert_int_equal(medio_card_irq_wait(r->card, MEDIO_CARD_MSIX, 1, 60000, &n), 0);
	assert_true(medio_virtio_is_live(echo_latest()));
	settle(r);
	took_all(r, 2);
	assert_int_equal(took(r, 1), 90);
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG, 8), 77);
	for (unsigned i = 0; i < 20; i++) {
		works(r, 0, i);
		works(r, 1, i + 40);
	}
	said_nothing(r);
	assert_int_equal(status(r), 15);
	regs_unplug(r);
	echo_clear();
}

static void a_live_device_goes_on_elsewhere(void **state)
{
	static const char *const on[] = { "poll=on", NULL }, *const adaptive[] = { "poll=adaptive",
		NULL };
	struct regs *r = *state;

	goes_on_elsewhere(r, NULL, PLAIN);
	goes_on_elsewhere(r, NULL, PLAIN | VIRTIO_F_RING_PACKED);
	goes_on_elsewhere(r, NULL, PLAIN | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC);
	goes_on_elsewhere(r, on, PLAIN | VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX);
	goes_on_elsewhere(r, adaptive, PLAIN | VIRTIO_F_EVENT_IDX);
}

/* A notification does not wait. */
static void a_notification_revives(void **state)
{
	struct regs *r = *state;
	uint8_t buf[16384];

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	works(r, 0, 1);
	size_t size = save(r, buf, sizeof(buf));
	move(r, NULL, buf, size);
	regs_card(r);
	add(r, 0, 1, 64);
	notify(r, 0);
	settle(r);
	assert_int_equal(took(r, 0), 1);
	assert_string_equal(echo_seen.order, "RRFLQl");
	/* Where its memory is not, it cannot live. */
	move(r, NULL, buf, size);
	assert_int_equal(medio_card_open_instance(r->inst, &r->card, NULL), 0);
	notify(r, 0);
	assert_int_equal(status(r), 0x4f);
	said(r, "the device needs a reset");
	/* A device that does not take what it gave. */
	echo_quirks.bad_load = true;
	move(r, NULL, buf, size);
	regs_card(r);
	notify(r, 0);
	assert_int_equal(status(r), 0x4f);
	said(r, "the state that was loaded is not this device's");
}

/* A queue that is reset before the device can go on begins anew, not where it was. */
static void a_queue_that_is_reset_forgets_where_it_was(void **state)
{
	struct regs *r = *state;
	uint8_t buf[16384];

	regs_plug(r, NULL);
	bring_up(r, PLAIN | VIRTIO_F_RING_RESET, 1);
	for (unsigned i = 0; i < 5; i++)
		works(r, 0, i);
	size_t size = save(r, buf, sizeof(buf));
	move(r, NULL, buf, size);
	regs_card(r);
	assert_int_equal(medio_card_write16(r->card, MEDIO_CARD_CONFIG, 4, 3), 0);
	put(r, VIRTIO_QUEUE_SELECT, 2, 0);
	put(r, VIRTIO_QUEUE_RESET, 2, 1);
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 0);
	enable_queue(r, 0, PLAIN, 16);
	assert_int_equal(medio_card_write16(r->card, MEDIO_CARD_CONFIG, 4, 7), 0);
	works(r, 0, 9);
	assert_int_equal(status(r), 15);
}

static void a_reset_forgets_what_was_loaded(void **state)
{
	struct regs *r = *state;
	uint8_t buf[16384];

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 1);
	works(r, 0, 1);
	size_t size = save(r, buf, sizeof(buf));
	move(r, NULL, buf, size);
	regs_card(r);
	assert_int_equal(status(r), 15);
	bring_up(r, PLAIN | VIRTIO_F_RING_PACKED, 1);
	settle_ms(r, 25);
	works(r, 0, 1);
	assert_int_equal(echo_seen.loads, 0);
	/* NEEDS_RESET stays what it is. */
	medio_virtio_broken(echo_latest(), "for good");
	size = save(r, buf, sizeof(buf));
	move(r, NULL, buf, size);
	regs_card(r);
	settle_ms(r, 25);
	assert_int_equal(status(r), 0x4f);
	r->log[0] = '\0';
	bring_up(r, PLAIN, 1);
	works(r, 0, 1);
}

/* What is not good is refused, and the device is as after a reset. */
static void states_are_checked(void **state)
{
	static const char *const params[] = { "queue-size=8", "packed=off", NULL };
	struct regs *r = *state;
	uint8_t buf[16384], bad[16384];

	regs_plug(r, NULL);
	bring_up(r, PLAIN | VIRTIO_F_RING_PACKED, 2);
	works(r, 0, 1);
	size_t size = save(r, buf, sizeof(buf));
	move(r, NULL, buf, size);
	for (size_t cut = 0; cut < size; cut += 1 + cut / 16)
		assert_int_equal(medio_instance_load(r->inst, buf, cut), -EINVAL);
	unsigned refused = 0;
	for (size_t i = 0; i < size; i++)
		for (unsigned bit = 0; bit < 8; bit += 7) {
			memcpy(bad, buf, size);
			bad[i] ^= (uint8_t)(1u << bit);
			if (medio_instance_load(r->inst, bad, size))
				refused++;
		}
	assert_true(refused > 100);
	assert_int_equal(medio_instance_load(r->inst, buf, size), 0);
	regs_card(r);
	works(r, 0, 1);
	/* Of a device that was told otherwise. */
	medio_card_close(r->card);
	r->card = NULL;
	medio_instance_free(r->inst);
	medio_loop_free(r->loop);
	regs_device(r, &echo_type, params);
	assert_int_equal(medio_instance_load(r->inst, buf, size), -EINVAL);
	regs_card(r);
	assert_int_equal(status(r), 0);
	regs_unplug(r);
	echo_quirks.queues = 3;
	regs_device(r, &echo_type, NULL);
	assert_int_equal(medio_instance_load(r->inst, buf, size), -EINVAL);
	echo_quirks.queues = 0;
	regs_card(r);
}

#define TEST(fn_) cmocka_unit_test_setup_teardown(fn_, stand_and_setup, regs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unmapping_waits),
		TEST(memory_goes_under_requests),
		TEST(bus_mastering),
		TEST(a_client_comes_back),
		TEST(another_client_comes),
		TEST(adaptive_polling_rests),
		TEST(a_queue_by_itself_is_polled),
		TEST(polling_ends_with_the_device),
		TEST(each_step_is_kept),
		TEST(a_live_device_goes_on_elsewhere),
		TEST(a_notification_revives),
		TEST(a_queue_that_is_reset_forgets_where_it_was),
		TEST(a_reset_forgets_what_was_loaded),
		TEST(states_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
