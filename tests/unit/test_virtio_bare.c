/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device without a card, carried by the test: queues that start and stop by themselves, at positions
 * and with notes of what was in flight.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "test_virtio_regs.h"
#include "virtio/bare.h"
#include "virtio/inflight.h"

#define FEATURES   (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX)
#define NOTES	   (PAGE_BYTES * 16)
#define PAGE_BYTES 4096u

static const struct medio_transport_ops bus;

/* What the device has told whoever carries it. */
static struct told {
	unsigned interrupts[ECHO_QUEUES], configs, resets;
	int reset; /* the queue, of the last one */
} told;

static void on_interrupt(void *opaque, unsigned queue)
{
	assert_ptr_equal(opaque, &told);
	told.interrupts[queue]++;
}

static void on_config(void *opaque)
{
	assert_ptr_equal(opaque, &told);
	told.configs++;
}

static void on_reset(void *opaque, int queue)
{
	told.resets++;
	told.reset = queue;
}

static const struct medio_virtio_transport carrier = {
	.interrupt = on_interrupt,
	.config_interrupt = on_config,
	.reset_done = on_reset,
};

/* ---- Life ------------------------------------------------------------------------------------------ */

static struct medio_virtio_core *core;
static uint8_t *notes;

static int setup(void **state)
{
	notes = mmap(NULL, NOTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(&told, 0, sizeof(told));
	return notes == MAP_FAILED ? -1 : regs_setup(state);
}

static int teardown(void **state)
{
	munmap(notes, NOTES);
	return regs_teardown(state);
}

static void comes(struct regs *r)
{
	assert_int_equal(medio_instance_attach(r->inst, &bus, NULL), 0);
	assert_int_equal(medio_instance_dma_map(r->inst, IOVA, MEM,
				 MEDIO_PROT_READ | MEDIO_PROT_WRITE, r->fd, 0, NULL),
		0);
}

static void plug(struct regs *r, const char *const *params)
{
	struct medio_instance_options opts = { .params = params, .log = regs_log, .log_opaque = r };
	struct medio_error *err = NULL;

	while (params && params[opts.nparams])
		opts.nparams++;
	assert_int_equal(medio_loop_new(&r->loop), 0);
	if (medio_instance_new_bare(r->loop, &echo_type, &opts, &r->inst, &err))
		fail_msg("%s", medio_error_text(err));
	core = medio_virtio_bare_attach(medio_instance_device(r->inst), &carrier, &told);
	assert_non_null(core);
	comes(r);
}

static void unplug(struct regs *r)
{
	medio_instance_free(r->inst);
	medio_loop_free(r->loop);
	r->inst = NULL;
	r->loop = NULL;
}

/* 1 to 6 of 3.1.1. */
static void agree(uint64_t features)
{
	medio_virtio_core_set_status(core, 0);
	medio_virtio_core_set_status(core, 1);
	medio_virtio_core_set_status(core, 3);
	medio_virtio_core_set_features(core, features);
	medio_virtio_core_set_status(core, 11);
	assert_int_equal(medio_virtio_core_status(core), 11);
}

static void driver_ok(void)
{
	medio_virtio_core_set_status(core, 15);
}

/* A ring of 16 in memory for queue i, and its registers. */
static void ring(struct regs *r, unsigned i, uint64_t features)
{
	const struct virtq_options opts = {
		.size = 16,
		.packed = features & VIRTIO_F_RING_PACKED,
		.event_idx = features & VIRTIO_F_EVENT_IDX,
	};
	struct medio_virtio_queue_regs *regs = medio_virtio_core_queue(core, i);
	struct virtq_places places;

	virtq_free(r->rings[i]);
	memset(r->mem + (size_t)i * RING, 0, RING);
	assert_int_equal(
		virtq_new(&opts, r->mem + (size_t)i * RING, IOVA + i * RING, &r->rings[i]), 0);
	virtq_get_places(r->rings[i], &places);
	virtq_want_irq(r->rings[i]);
	regs->size = 16;
	regs->desc = places.desc;
	regs->driver = places.driver;
	regs->device = places.device;
}

static void start(unsigned i, const struct medio_virtq_position *position, void *inflight)
{
	char words[MEDIO_VIRTQ_WORDS];

	if (medio_virtio_core_queue_start_at(core, i, position, inflight, words))
		fail_msg("%s", words);
}

static void up(struct regs *r, uint64_t features)
{
	agree(features);
	ring(r, 0, features);
	start(0, NULL, NULL);
	driver_ok();
	assert_int_equal(medio_virtio_core_status(core), 15);
}

/* Request n of queue 0 goes through. */
static void goes_through(struct regs *r, unsigned n)
{
	add(r, 0, n, 64);
	medio_virtio_core_kick(core, 0);
	settle(r);
	assert_int_equal(took(r, 0), (int)n);
	assert_int_equal(took(r, 0), -1);
}

static const uint64_t formats[2] = { FEATURES, FEATURES | VIRTIO_F_RING_PACKED };

/* ---- Types ----------------------------------------------------------------------------------------- */

static const struct medio_type plain_type = { .abi = MEDIO_DEVICE_ABI, .name = "plain" };

static void a_virtio_type_has_one_bare_form(void **state)
{
	const struct medio_type *a = NULL, *b = NULL;
	struct medio_error *err = NULL;

	assert_true(medio_virtio_is_type(&echo_type));
	assert_int_equal(medio_virtio_bare_type(&echo_type, &a, NULL), 0);
	assert_int_equal(medio_virtio_bare_type(&echo_type, &b, NULL), 0);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, &echo_type);
	assert_string_equal(a->name, echo_type.name);
	for (unsigned i = 0; i < MEDIO_NUM_BARS; i++)
		assert_int_equal(a->bars[i].kind, MEDIO_BAR_NONE);
	assert_int_equal(a->irqs.msix.vectors, 0);
	/* A bare one is its own. */
	assert_int_equal(medio_virtio_bare_type(a, &b, NULL), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(medio_virtio_bare_type(&echo_shm_type, &b, NULL), 0);
	assert_ptr_not_equal(a, b);

	assert_false(medio_virtio_is_type(&plain_type));
	assert_int_equal(medio_virtio_bare_type(&plain_type, &b, &err), -ENOTSUP);
	assert_non_null(strstr(medio_error_text(err), "plain is not a virtio device"));
	medio_error_free(err);
}

static void filters_and_other_devices_are_refused(void **state)
{
	const char *const filters[] = { "trace" };
	const struct medio_instance_options opts = { .filters = filters, .nfilters = 1 };
	const struct medio_type old = { .abi = MEDIO_DEVICE_ABI + 1 };
	struct regs *r = *state;
	struct medio_instance *inst;
	struct medio_error *err = NULL;

	plug(r, NULL);
	assert_int_equal(medio_instance_new_bare(r->loop, &echo_type, &opts, &inst, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "filter 'trace'"));
	medio_error_free(err);
	assert_int_equal(
		medio_instance_new_bare(r->loop, &plain_type, NULL, &inst, NULL), -ENOTSUP);
	assert_int_equal(medio_instance_new_bare(r->loop, &old, NULL, &inst, NULL), -EPROTO);
}

static void one_carries_it_at_a_time(void **state)
{
	struct regs *r = *state;
	struct medio_dev *dev;

	plug(r, NULL);
	dev = medio_instance_device(r->inst);
	assert_null(medio_virtio_bare_attach(dev, &carrier, &told));
	medio_virtio_bare_detach(dev);
	/* What nobody hears of. */
	echo_change(dev, 3);
	medio_instance_reset(r->inst, MEDIO_RESET_DEVICE);
	assert_int_equal(told.configs + told.resets, 0);
	assert_ptr_equal(medio_virtio_bare_attach(dev, &carrier, &told), core);
	unplug(r);

	regs_plug(r, NULL);
	dev = medio_instance_device(r->inst);
	assert_null(medio_virtio_bare_attach(dev, &carrier, &told));
	medio_virtio_bare_detach(dev);
}

/* ---- Queues ---------------------------------------------------------------------------------------- */

static void a_queue_started_before_driver_ok_goes_live_with_the_device(void **state)
{
	struct regs *r = *state;

	plug(r, NULL);
	for (unsigned i = 0; i < 2; i++) {
		up(r, formats[i]);
		assert_int_equal(echo_seen.on[0], i + 1);
		assert_int_equal(told.interrupts[0], i);
		goes_through(r, 0);
		assert_int_equal(told.interrupts[0], i + 1);
		/* Nobody has to set a command register, nor does a reset change that. */
		medio_instance_reset(r->inst, MEDIO_RESET_DEVICE);
		assert_int_equal(told.reset, -1);
	}
	up(r, FEATURES);
	echo_change(medio_instance_device(r->inst), 1);
	assert_int_equal(told.configs, 1);
}

static void a_queue_can_be_started_and_stopped_at_any_time(void **state)
{
	struct regs *r = *state;
	struct medio_virtq_position position;

	plug(r, NULL);
	for (unsigned i = 0; i < 2; i++) {
		const unsigned wrap = i ? 0x8000 : 0;
		echo_clear();
		agree(formats[i]);
		driver_ok();
		assert_int_equal(echo_seen.lives, 1);
		ring(r, 0, formats[i]);
		/* Not started: where it would be. */
		medio_virtio_core_queue_stop(core, 0, &position);
		assert_int_equal(position.avail, wrap);
		assert_int_equal(position.used, wrap);
		start(0, NULL, NULL);
		assert_int_equal(echo_seen.on[0], 1);
		for (unsigned n = 0; n < 3; n++)
			goes_through(r, n);
		medio_virtio_core_queue_stop(core, 0, &position);
		assert_int_equal(echo_seen.off[0], 1);
		assert_int_equal(position.avail, wrap | (i ? 6 : 3));
		assert_int_equal(position.used, position.avail);
		/* It stays where it was, and what is asked waits. */
		add(r, 0, 3, 64);
		medio_virtio_core_kick(core, 0);
		settle(r);
		assert_int_equal(took(r, 0), -1);
		memset(&position, 0xff, sizeof(position));
		medio_virtio_core_queue_stop(core, 0, &position);
		assert_int_equal(position.avail, wrap | (i ? 6 : 3));
		start(0, &position, NULL);
		settle(r);
		assert_int_equal(took(r, 0), 3);
		medio_virtio_core_set_status(core, 0);
	}
}

static void what_is_in_flight_is_drained_when_a_queue_stops(void **state)
{
	struct regs *r = *state;
	struct medio_virtq_position position;

	plug(r, NULL);
	up(r, FEATURES);
	ring(r, 1, FEATURES);
	start(1, NULL, NULL);
	echo_quirks.hold = true;
	for (unsigned n = 0; n < 4; n++)
		add(r, 0, n, 32);
	medio_virtio_core_kick(core, 0);
	assert_int_equal(took(r, 0), -1);
	medio_virtio_core_queue_stop(core, 0, &position);
	assert_int_equal(echo_seen.drains, 1);
	assert_int_equal(position.used, 4);
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(took(r, 0), 3 - (int)n);
	/* The other one goes on. */
	echo_quirks.hold = false;
	add(r, 1, 9, 16);
	medio_virtio_core_kick(core, 1);
	settle(r);
	assert_int_equal(took(r, 1), 9);
}

static void what_cannot_be_started_is_refused_in_words(void **state)
{
	struct regs *r = *state;
	char words[MEDIO_VIRTQ_WORDS];
	const struct medio_virtq_position far = { 100, 0 };

	plug(r, NULL);
	up(r, FEATURES);
	assert_int_equal(medio_virtio_core_queue_start_at(core, 0, NULL, NULL, words), -EALREADY);
	assert_non_null(strstr(words, "queue 0: it is started, and is live already"));
	goes_through(r, 0);
	assert_int_equal(medio_virtio_core_queue_start_at(core, 1, NULL, NULL, words), -EFAULT);
	assert_non_null(strstr(words, "queue 1: the descriptor area"));
	ring(r, 1, FEATURES);
	assert_int_equal(medio_virtio_core_queue_start_at(core, 1, &far, NULL, words), -EINVAL);
	assert_non_null(strstr(words, "a position of 0x64"));
	assert_false(medio_virtio_core_queue(core, 1)->enabled);
	start(1, NULL, NULL);
	/* After a rule was broken: nothing any more. */
	medio_virtio_broken(medio_instance_device(r->inst), "told to");
	assert_int_equal(told.configs, 1);
	ring(r, 2, FEATURES);
	assert_int_equal(medio_virtio_core_queue_start_at(core, 2, NULL, NULL, words), -EIO);
	assert_non_null(strstr(words, "needs a reset"));

	/* While a reset waits for what is in flight. */
	up(r, FEATURES);
	echo_quirks.hold = true;
	add(r, 0, 0, 8);
	medio_virtio_core_kick(core, 0);
	medio_virtio_core_set_status(core, 0);
	assert_int_equal(medio_virtio_core_status(core), 15);
	assert_int_equal(medio_virtio_core_queue_start_at(core, 0, NULL, NULL, words), -EBUSY);
	echo_release(medio_instance_device(r->inst), 1, false);
	settle(r);
	assert_int_equal(medio_virtio_core_status(core), 0);
	r->log[0] = '\0';

	/* Before DRIVER_OK it comes up there. */
	agree(FEATURES);
	ring(r, 0, FEATURES);
	medio_virtio_core_queue(core, 0)->desc = 0x40;
	start(0, NULL, NULL);
	driver_ok();
	assert_int_equal(medio_virtio_core_status(core), 15 | 64);
	said(r, "queue 0: the descriptor area");
}

/* ---- Features, polling ----------------------------------------------------------------------------- */

static void features_can_be_withheld(void **state)
{
	struct regs *r = *state;

	plug(r, NULL);
	const uint64_t before = medio_virtio_core_offered(core);
	assert_true(before & VIRTIO_F_RING_RESET && before & VIRTIO_F_ACCESS_PLATFORM);
	medio_virtio_core_withhold(
		core, VIRTIO_F_RING_RESET | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_VERSION_1);
	assert_true(medio_virtio_core_offered(core) ==
		    (before & ~(VIRTIO_F_RING_RESET | VIRTIO_F_ACCESS_PLATFORM)));
	up(r, FEATURES);
	goes_through(r, 0);
}

static void who_cannot_notify_is_looked_after(void **state)
{
	static const char *const adaptive[] = { "poll=adaptive", NULL };
	static const char *const off[] = { NULL };
	struct regs *r = *state;

	for (unsigned i = 0; i < 2; i++) {
		plug(r, i ? adaptive : off);
		up(r, FEATURES);
		settle(r);
		/* One that is adaptive may have looked by itself. */
		add(r, 0, 0, 8);
		if (!i) {
			settle(r);
			assert_false(virtq_ready(r->rings[0]));
		}
		medio_virtio_core_poll_always(core, true);
		medio_virtio_core_poll_always(core, true);
		settle(r);
		assert_int_equal(took(r, 0), 0);
		/* Also of a device that is brought up while it is so. */
		up(r, formats[1]);
		settle(r);
		add(r, 0, 1, 8);
		settle(r);
		assert_int_equal(took(r, 0), 1);
		medio_virtio_core_poll_always(core, false);
		/* And then notifications are asked for. */
		if (!add(r, 0, 2, 8))
			assert_int_equal(i, 1);
		medio_virtio_core_kick(core, 0);
		settle(r);
		assert_int_equal(took(r, 0), 2);
		unplug(r);
	}
}

/* ---- State ----------------------------------------------------------------------------------------- */

static uint64_t value(void)
{
	uint8_t buf[8];

	medio_virtio_core_config_read(core, 0, buf, sizeof(buf));
	return medio_get_le(buf, sizeof(buf));
}

static void the_devices_own_bytes_go_to_another(void **state)
{
	struct regs *r = *state;
	uint8_t buf[16];

	plug(r, NULL);
	echo_change(medio_instance_device(r->inst), 77);
	assert_int_equal(medio_virtio_core_own_save(core, buf, 0), 8);
	assert_int_equal(medio_virtio_core_own_save(core, buf, sizeof(buf)), 8);
	up(r, FEATURES);
	echo_quirks.hold = true;
	add(r, 0, 0, 8);
	medio_virtio_core_kick(core, 0);
	assert_int_equal(medio_virtio_core_own_save(core, buf, sizeof(buf)), -EBUSY);
	assert_int_equal(medio_virtio_core_own_load(core, buf, 8), -EBUSY);
	echo_release(medio_instance_device(r->inst), 1, false);
	echo_quirks.hold = false;
	/* Live. */
	echo_change(medio_instance_device(r->inst), 1);
	assert_int_equal(medio_virtio_core_own_load(core, buf, 8), 0);
	assert_int_equal(value(), 77);

	/* Before it is live, and then again, after live() has begun anew. */
	agree(FEATURES);
	assert_int_equal(value(), 0);
	echo_clear();
	assert_int_equal(medio_virtio_core_own_load(core, buf, 8), 0);
	assert_int_equal(value(), 77);
	ring(r, 0, FEATURES);
	start(0, NULL, NULL);
	driver_ok();
	assert_string_equal(echo_seen.order, "lLQl");
	goes_through(r, 0);

	/* A reset forgets it. */
	agree(FEATURES);
	assert_int_equal(medio_virtio_core_own_load(core, buf, 8), 0);
	agree(FEATURES);
	echo_clear();
	driver_ok();
	assert_string_equal(echo_seen.order, "L");

	/* What is not this device's. */
	agree(FEATURES);
	echo_quirks.bad_load = true;
	assert_int_equal(medio_virtio_core_own_load(core, buf, 8), -EINVAL);
	echo_clear();
	driver_ok();
	assert_int_equal(echo_seen.loads, 0);
}

/* A loaded device does not touch rings by itself: whoever carries it says when, and where. */
static void a_device_that_was_loaded_waits_for_its_carrier(void **state)
{
	struct regs *r = *state;
	struct medio_virtq_position position;
	uint8_t buf[4096];

	for (unsigned i = 0; i < 2; i++) {
		plug(r, NULL);
		up(r, formats[i]);
		for (unsigned n = 0; n < 3; n++)
			goes_through(r, n);
		echo_change(medio_instance_device(r->inst), 5);
		const ssize_t size = medio_instance_save(r->inst, buf, sizeof(buf));
		assert_true(size > 0 && size <= (ssize_t)sizeof(buf));
		const struct medio_virtio_queue_regs regs = *medio_virtio_core_queue(core, 0);
		unplug(r);

		add(r, 0, 3, 64);
		assert_int_equal(medio_loop_new(&r->loop), 0);
		assert_int_equal(
			medio_instance_new_bare(r->loop, &echo_type, NULL, &r->inst, NULL), 0);
		core = medio_virtio_bare_attach(medio_instance_device(r->inst), &carrier, &told);
		echo_clear();
		assert_int_equal(medio_instance_load(r->inst, buf, (size_t)size), 0);
		assert_int_equal(value(), 5);
		comes(r);
		settle(r);
		assert_int_equal(medio_virtio_core_status(core), 11);
		assert_int_equal(took(r, 0), -1);
		assert_int_equal(medio_virtio_core_queue(core, 0)->desc, regs.desc);
		assert_false(medio_virtio_core_queue(core, 0)->enabled);
		medio_virtio_core_queue_stop(core, 0, &position);
		assert_int_equal(position.avail, i ? 0x8006 : 3);
		start(0, &position, NULL);
		driver_ok();
		assert_int_equal(value(), 5);
		settle(r);
		assert_int_equal(took(r, 0), 3);
		goes_through(r, 4);
		unplug(r);
	}
}

/* So is a queue that waits for DRIVER_OK where it was to start. */
static void where_a_queue_is_to_start_is_saved(void **state)
{
	const struct medio_virtq_position at = { 5, 5 };
	struct regs *r = *state;
	struct medio_virtq_position position;
	uint8_t buf[4096];

	plug(r, NULL);
	agree(FEATURES);
	ring(r, 0, FEATURES);
	start(0, &at, NULL);
	const ssize_t size = medio_instance_save(r->inst, buf, sizeof(buf));
	assert_true(size > 0 && size <= (ssize_t)sizeof(buf));
	medio_instance_detach(r->inst);
	assert_int_equal(medio_instance_load(r->inst, buf, (size_t)size), 0);
	medio_virtio_core_queue_stop(core, 0, &position);
	assert_int_equal(position.avail, 5);
	assert_int_equal(position.used, 5);
}

/* ---- Clients --------------------------------------------------------------------------------------- */

static void a_client_that_comes_back_starts_its_queues_again(void **state)
{
	struct regs *r = *state;
	struct medio_virtq_position position;

	plug(r, NULL);
	up(r, FEATURES);
	goes_through(r, 0);
	medio_virtio_core_queue_stop(core, 0, &position);
	medio_instance_detach(r->inst);
	comes(r);
	add(r, 0, 1, 64);
	start(0, &position, NULL);
	settle(r);
	assert_int_equal(took(r, 0), 1);
	goes_through(r, 2);
}

/* ---- Notes ----------------------------------------------------------------------------------------- */

/* Another process, which is killed with chains in flight: some are given back to the driver. */
static void another(struct regs *r, uint64_t features, unsigned give)
{
	const pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		plug(r, NULL);
		echo_quirks.hold = true;
		agree(features);
		struct medio_virtio_queue_regs *regs = medio_virtio_core_queue(core, 0);
		struct virtq_places places;
		virtq_get_places(r->rings[0], &places);
		regs->size = 16;
		regs->desc = places.desc;
		regs->driver = places.driver;
		regs->device = places.device;
		start(0, NULL, notes);
		driver_ok();
		settle(r);
		echo_release(medio_instance_device(r->inst), give, true);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void chains_of_a_killed_process_are_done_once(void **state)
{
	struct regs *r = *state;

	for (unsigned i = 0; i < 4; i++) {
		const uint64_t features = formats[i % 2];
		const bool before_driver_ok = i / 2;
		memset(notes, 0, NOTES);
		memset(&told, 0, sizeof(told));
		plug(r, NULL);
		agree(features);
		ring(r, 0, features);
		for (unsigned n = 0; n < 6; n++)
			add(r, 0, n, 64);
		another(r, features, 2);
		if (!before_driver_ok)
			driver_ok();
		start(0, NULL, notes);
		if (before_driver_ok)
			driver_ok();
		/* Perhaps it was killed before it could interrupt. */
		assert_int_equal(told.interrupts[0], 1);
		/* Two came back from the one before, the others are done now, in their order. */
		assert_int_equal(took(r, 0), 5);
		assert_int_equal(took(r, 0), 4);
		assert_int_equal(took(r, 0), -1);
		settle(r);
		for (int n = 0; n < 4; n++)
			assert_int_equal(took(r, 0), n);
		assert_int_equal(took(r, 0), -1);
		assert_int_equal(echo_seen.chains, 4);
		goes_through(r, 7);
		echo_clear();
		unplug(r);
	}
}

/* Stopped before its first turn: what is promised is done. */
static void what_was_in_flight_is_done_before_a_queue_stops(void **state)
{
	struct regs *r = *state;
	struct medio_virtq_position position;

	plug(r, NULL);
	agree(FEATURES);
	ring(r, 0, FEATURES);
	for (unsigned n = 0; n < 6; n++)
		add(r, 0, n, 64);
	another(r, FEATURES, 0);
	driver_ok();
	start(0, NULL, notes);
	medio_virtio_core_queue_stop(core, 0, &position);
	for (int n = 0; n < 6; n++)
		assert_int_equal(took(r, 0), n);
	assert_int_equal(position.avail, 6);
	assert_int_equal(position.used, 6);
	/* Nothing is left in the notes: another driver may use them. */
	start(0, &position, notes);
	settle(r);
	assert_int_equal(took(r, 0), -1);
	goes_through(r, 6);
}

static void a_reset_forgets_what_was_in_flight(void **state)
{
	struct regs *r = *state;
	struct medio_virtq_position position;

	for (unsigned i = 0; i < 2; i++) {
		plug(r, NULL);
		agree(formats[i]);
		ring(r, 0, formats[i]);
		start(0, NULL, notes);
		driver_ok();
		for (unsigned n = 0; n < 4; n++)
			add(r, 0, n, 64);
		echo_quirks.hold = true;
		medio_virtio_core_kick(core, 0);
		/* It does what cannot be, and is reset by its driver. */
		medio_virtio_broken(medio_instance_device(r->inst), "told to");
		medio_virtio_core_set_status(core, 0);
		echo_release(medio_instance_device(r->inst), 4, false);
		settle(r);
		assert_int_equal(medio_virtio_core_status(core), 0);
		echo_clear();
		/* The next driver may want the other format. */
		agree(formats[1 - i]);
		ring(r, 0, formats[1 - i]);
		start(0, NULL, notes);
		driver_ok();
		settle(r);
		assert_int_equal(echo_seen.chains, 0);
		goes_through(r, 0);
		medio_virtio_core_queue_stop(core, 0, &position);
		unplug(r);
	}
}

static void notes_that_cannot_be_are_refused_in_words(void **state)
{
	struct regs *r = *state;
	char words[MEDIO_VIRTQ_WORDS];

	plug(r, NULL);
	agree(FEATURES);
	driver_ok();
	ring(r, 0, FEATURES);
	medio_virtq_inflight_init(notes, false, 16);
	notes[8] = 7; /* the version */
	assert_int_equal(medio_virtio_core_queue_start_at(core, 0, NULL, notes, words), -EINVAL);
	assert_non_null(strstr(words, "queue 0: notes of what is in flight of version 7"));
	/* Without them it goes. */
	start(0, NULL, NULL);
	goes_through(r, 0);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_virtio_type_has_one_bare_form),
		TEST(filters_and_other_devices_are_refused),
		TEST(one_carries_it_at_a_time),
		TEST(a_queue_started_before_driver_ok_goes_live_with_the_device),
		TEST(a_queue_can_be_started_and_stopped_at_any_time),
		TEST(what_is_in_flight_is_drained_when_a_queue_stops),
		TEST(what_cannot_be_started_is_refused_in_words),
		TEST(features_can_be_withheld),
		TEST(who_cannot_notify_is_looked_after),
		TEST(the_devices_own_bytes_go_to_another),
		TEST(a_device_that_was_loaded_waits_for_its_carrier),
		TEST(where_a_queue_is_to_start_is_saved),
		TEST(a_client_that_comes_back_starts_its_queues_again),
		TEST(chains_of_a_killed_process_are_done_once),
		TEST(what_was_in_flight_is_done_before_a_queue_stops),
		TEST(a_reset_forgets_what_was_in_flight),
		TEST(notes_that_cannot_be_are_refused_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
