/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device as a PCI card (4.1): capabilities, each register, interrupts, notifications, attributes. */
#include <errno.h>

#include "test_virtio_regs.h"

/* ---- Capabilities -------------------------------------------------------------------------------------- */

struct cap {
	unsigned at, size, type, bar, id;
	uint64_t offset, length;
};

/* The virtio capability of a type; at 0: there is none. */
static struct cap find_cap(struct regs *r, unsigned type)
{
	uint8_t config[256];

	assert_int_equal(medio_card_read(r->card, MEDIO_CARD_CONFIG, 0, config, sizeof(config)), 0);
	for (unsigned at = config[0x34]; at; at = config[at + 1]) {
		if (config[at] != 9 || config[at + 3] != type)
			continue;
		struct cap cap = { at, config[at + 2], type, config[at + 4], config[at + 5],
			medio_get_le(config + at + 8, 4), medio_get_le(config + at + 12, 4) };
		if (type == 8) {
			cap.offset |= medio_get_le(config + at + 16, 4) << 32;
			cap.length |= medio_get_le(config + at + 20, 4) << 32;
		}
		return cap;
	}
	return (struct cap){ 0 };
}

static void capabilities(void **state)
{
	const struct {
		unsigned type, size;
		uint64_t offset, length;
	} all[] = {
		{ 1, 16, MEDIO_VIRTIO_COMMON, 60 },
		{ 2, 20, MEDIO_VIRTIO_NOTIFY, 4096 },
		{ 3, 16, MEDIO_VIRTIO_ISR, 1 },
		{ 4, 16, MEDIO_VIRTIO_CONFIG, 4096 },
	};
	struct regs *r = *state;
	uint32_t ids, multiplier;

	regs_plug(r, NULL);
	assert_int_equal(medio_card_read32(r->card, MEDIO_CARD_CONFIG, 0, &ids), 0);
	assert_int_equal(ids, 0x1af4 | (0x1040 + ECHO_ID) << 16);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct cap cap = find_cap(r, all[i].type);
		assert_true(cap.at);
		assert_int_equal(cap.bar, MEDIO_VIRTIO_BAR);
		assert_int_equal(cap.size, all[i].size);
		assert_int_equal(cap.offset, all[i].offset);
		assert_int_equal(cap.length, all[i].length);
	}
	assert_int_equal(
		medio_card_read32(r->card, MEDIO_CARD_CONFIG, find_cap(r, 2).at + 16, &multiplier),
		0);
	assert_int_equal(multiplier, 4);
	assert_int_equal(find_cap(r, 5).size, 20);
	assert_int_equal(find_cap(r, 8).at, 0);
}

/* A region of memory that the device and its driver share (2.10, 4.1.4.7). */
static void shared_memory(void **state)
{
	struct regs *r = *state;
	void *mapped;
	uint32_t value;

	regs_device(r, &echo_shm_type, NULL);
	regs_card(r);
	struct cap cap = find_cap(r, 8);
	assert_true(cap.at);
	assert_int_equal(cap.size, 24);
	assert_int_equal(cap.id, 3);
	assert_int_equal(cap.bar, ECHO_SHM_BAR);
	assert_int_equal(cap.offset, 0x1000);
	assert_int_equal(cap.length, 0x2000);
	uint8_t *ours = medio_region_ptr(echo_latest(), cap.bar);
	assert_non_null(ours);
	assert_int_equal(medio_card_mmap(r->card, cap.bar, cap.offset, cap.length, &mapped), 0);
	memcpy(ours + cap.offset, "shm!", 4);
	assert_memory_equal(mapped, "shm!", 4);
	assert_int_equal(medio_card_read32(r->card, cap.bar, cap.offset, &value), 0);
	assert_int_equal(value, 0x216d6873);
	medio_card_munmap(mapped, cap.length);
	/* It is a virtio device as others. */
	bring_up(r, PLAIN, 1);
	works(r, 0, 1);
}

/* ---- The common configuration --------------------------------------------------------------------------- */

static void registers_after_power_on(void **state)
{
	static const uint8_t zero[8];
	struct regs *r = *state;
	uint8_t all[0x40];

	regs_plug(r, NULL);
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)get(r, i, 1);
	assert_int_equal(medio_get_le(all + 0, 4), 0);
	assert_int_equal(medio_get_le(all + 4, 4), (uint32_t)offered(r));
	assert_int_equal(medio_get_le(all + 8, 8), 0);
	assert_int_equal(medio_get_le(all + 0x10, 2), VIRTIO_NO_VECTOR);
	assert_int_equal(medio_get_le(all + 0x12, 2), ECHO_QUEUES);
	assert_int_equal(medio_get_le(all + 0x14, 4), 0);
	assert_int_equal(medio_get_le(all + 0x18, 2), 256);
	assert_int_equal(medio_get_le(all + 0x1a, 2), VIRTIO_NO_VECTOR);
	assert_int_equal(medio_get_le(all + 0x1c, 4), 0);
	for (unsigned at = 0x20; at < 0x40; at += 8)
		assert_memory_equal(all + at, zero, 8);
	/* Nothing is behind it, nor on the pages that have less. */
	assert_int_equal(get(r, 0x40, 8), 0);
	assert_int_equal(get(r, 0xffc, 8), 0);
	assert_int_equal(get(r, MEDIO_VIRTIO_NOTIFY, 4), 0);
	said_nothing(r);
}

static void feature_words(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	put(r, VIRTIO_DEVICE_FEATURE_SELECT, 4, 1);
	assert_int_equal(get(r, VIRTIO_DEVICE_FEATURE_SELECT, 4), 1);
	assert_true(get(r, VIRTIO_DEVICE_FEATURE, 4) & 1);
	for (uint64_t select = 2; select < 5; select++) {
		put(r, VIRTIO_DEVICE_FEATURE_SELECT, 4, select);
		assert_int_equal(get(r, VIRTIO_DEVICE_FEATURE, 4), 0);
		put(r, VIRTIO_DRIVER_FEATURE_SELECT, 4, select);
		put(r, VIRTIO_DRIVER_FEATURE, 4, 0);
		said_nothing(r);
		put(r, VIRTIO_DRIVER_FEATURE, 4, 1);
		said(r, "none of which is offered");
		assert_int_equal(get(r, VIRTIO_DRIVER_FEATURE, 4), 0);
	}
	choose(r, 0x123456789abcdef0);
	put(r, VIRTIO_DRIVER_FEATURE_SELECT, 4, 0);
	assert_int_equal(get(r, VIRTIO_DRIVER_FEATURE, 4), 0x9abcdef0);
	put(r, VIRTIO_DRIVER_FEATURE_SELECT, 4, 1);
	assert_int_equal(get(r, VIRTIO_DRIVER_FEATURE, 4), 0x12345678);
}

static void read_only_registers(void **state)
{
	static const unsigned all[] = { VIRTIO_DEVICE_FEATURE, VIRTIO_NUM_QUEUES, VIRTIO_GENERATION,
		VIRTIO_QUEUE_NOTIFY_OFF, VIRTIO_QUEUE_NOTIFY_DATA };
	struct regs *r = *state;

	regs_plug(r, NULL);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		uint64_t was = get(r, all[i], 1);
		put(r, all[i], 1, was ^ 0xff);
		said(r, "of the common configuration, which is read-only (4.1.4.3)");
		assert_int_equal(get(r, all[i], 1), was);
	}
	put(r, 0x3c, 4, 1);
	said(r, "a write to 0x3c of the common configuration, where nothing is");
	put(r, MEDIO_VIRTIO_ISR, 1, 1);
	said(r, "a write to the ISR status, which is read-only (4.1.4.5)");
}

/* Addresses come in halves (4.1.3.1); other cuts do as well. */
static void widths_of_accesses(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	negotiate(r, PLAIN);
	put(r, VIRTIO_QUEUE_DESC, 4, 0x44332210);
	put(r, VIRTIO_QUEUE_DESC + 4, 4, 0x88776655);
	assert_int_equal(get(r, VIRTIO_QUEUE_DESC, 8), 0x8877665544332210);
	for (unsigned i = 0; i < 8; i++)
		put(r, VIRTIO_QUEUE_DRIVER + i, 1, 0x10 + i);
	assert_int_equal(get(r, VIRTIO_QUEUE_DRIVER, 8), 0x1716151413121110);
	put(r, VIRTIO_QUEUE_DEVICE + 2, 2, 0xabcd);
	assert_int_equal(get(r, VIRTIO_QUEUE_DEVICE, 8), 0xabcd0000);
	/* Selector and size at once: the size is of the queue that is selected by then. */
	put(r, VIRTIO_QUEUE_SELECT, 4, 16 << 16 | 2);
	assert_int_equal(get(r, VIRTIO_QUEUE_SIZE, 2), 16);
	put(r, VIRTIO_QUEUE_SELECT, 2, 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_SIZE, 2), 256);
	/* Bytes across two fields. */
	assert_int_equal(get(r, VIRTIO_NUM_QUEUES + 1, 2), 11 << 8);
	said_nothing(r);
}

static void queues_that_there_are_not(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	negotiate(r, PLAIN);
	for (unsigned i = 0; i < 2; i++) {
		put(r, VIRTIO_QUEUE_SELECT, 2, i ? 0xffff : ECHO_QUEUES);
		for (unsigned at = VIRTIO_QUEUE_SIZE; at < 0x3c; at += 2)
			assert_int_equal(get(r, at, 2), 0);
		put(r, VIRTIO_QUEUE_SIZE, 2, 16);
		said(r, "is set up, which there is not (8 queues)");
		put(r, VIRTIO_QUEUE_ENABLE, 2, 1);
		said(r, "1 is written to the enabling of queue");
		put(r, VIRTIO_QUEUE_VECTOR, 2, 1);
		put(r, VIRTIO_QUEUE_RESET, 2, 1);
		assert_int_equal(get(r, VIRTIO_QUEUE_VECTOR, 2), 0);
	}
}

static void queue_registers(void **state)
{
	static const unsigned wrong[] = { 0, 257, 0xffff };
	struct regs *r = *state;

	regs_plug(r, NULL);
	negotiate(r, PLAIN);
	put(r, VIRTIO_QUEUE_SELECT, 2, 3);
	assert_int_equal(get(r, VIRTIO_QUEUE_NOTIFY_OFF, 2), 3);
	assert_int_equal(get(r, VIRTIO_QUEUE_NOTIFY_DATA, 2), 3);
	for (unsigned i = 0; i < 3; i++) {
		put(r, VIRTIO_QUEUE_SIZE, 2, wrong[i]);
		said(r, "(allowed: 1 to 256); ignored");
		assert_int_equal(get(r, VIRTIO_QUEUE_SIZE, 2), 256);
	}
	put(r, VIRTIO_QUEUE_ENABLE, 2, 0);
	said(r, "0 is written to the enabling of queue 3; ignored");
	place_queue(r, 3, PLAIN, 16);
	put(r, VIRTIO_QUEUE_ENABLE, 2, 1);
	said_nothing(r);
	for (unsigned at = VIRTIO_QUEUE_DESC; at < VIRTIO_QUEUE_DESC + 24; at += 8) {
		uint64_t was = get(r, at, 8);
		put(r, at, 8, 0x1000);
		said(r, "queue 3 is set up while it is enabled; ignored (4.1.4.3.2)");
		assert_int_equal(get(r, at, 8), was);
	}
	put(r, VIRTIO_QUEUE_SIZE, 2, 8);
	said(r, "queue 3 is set up while it is enabled");
	assert_int_equal(get(r, VIRTIO_QUEUE_SIZE, 2), 16);
	/* All of it ends with a reset. */
	set_status(r, 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_SELECT, 2), 0);
	put(r, VIRTIO_QUEUE_SELECT, 2, 3);
	assert_int_equal(get(r, VIRTIO_QUEUE_ENABLE, 2), 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_SIZE, 2), 256);
	assert_int_equal(get(r, VIRTIO_QUEUE_DESC, 8), 0);
}

/* ---- Interrupts ------------------------------------------------------------------------------------------- */

static uint64_t events(struct regs *r, unsigned index, unsigned vector)
{
	uint64_t n = 0;

	settle(r);
	return medio_card_irq_wait(r->card, index, vector, 0, &n) ? 0 : n;
}

static void vectors(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	put(r, VIRTIO_QUEUE_SELECT, 2, 1);
	for (unsigned reg = VIRTIO_CONFIG_VECTOR;; reg = VIRTIO_QUEUE_VECTOR) {
		put(r, reg, 2, 8);
		assert_int_equal(get(r, reg, 2), 8);
		/* 9 vectors; one that there is not reads back as none (4.1.5.1.2.1). */
		put(r, reg, 2, 9);
		assert_int_equal(get(r, reg, 2), VIRTIO_NO_VECTOR);
		put(r, reg, 2, 0);
		assert_int_equal(get(r, reg, 2), 0);
		put(r, reg, 2, VIRTIO_NO_VECTOR);
		assert_int_equal(get(r, reg, 2), VIRTIO_NO_VECTOR);
		put(r, reg, 2, 5);
		if (reg == VIRTIO_QUEUE_VECTOR)
			break;
	}
	put(r, VIRTIO_QUEUE_SELECT, 2, 0);
	assert_int_equal(get(r, VIRTIO_QUEUE_VECTOR, 2), VIRTIO_NO_VECTOR);
	set_status(r, 0);
	assert_int_equal(get(r, VIRTIO_CONFIG_VECTOR, 2), VIRTIO_NO_VECTOR);
	put(r, VIRTIO_QUEUE_SELECT, 2, 1);
	assert_int_equal(get(r, VIRTIO_QUEUE_VECTOR, 2), VIRTIO_NO_VECTOR);
}

static void ask(struct regs *r, unsigned queue, unsigned n)
{
	virtq_want_irq(r->rings[queue]);
	add(r, queue, n, 8);
	notify(r, queue);
}

static void messages_go_where_vectors_say(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_MSIX, 9), 0);
	bring_up(r, PLAIN, 3);
	ask(r, 1, 1);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 2), 1);
	assert_int_equal(took(r, 1), 1);
	/* Another vector, shared with the configuration. */
	put(r, VIRTIO_QUEUE_SELECT, 2, 1);
	put(r, VIRTIO_QUEUE_VECTOR, 2, 0);
	ask(r, 1, 1);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 0), 1);
	assert_int_equal(took(r, 1), 1);
	/* None. */
	put(r, VIRTIO_QUEUE_VECTOR, 2, VIRTIO_NO_VECTOR);
	ask(r, 1, 1);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(events(r, MEDIO_CARD_MSIX, i), 0);
	assert_int_equal(took(r, 1), 1);
	echo_change(echo_latest(), 1);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 0), 1);
	put(r, VIRTIO_CONFIG_VECTOR, 2, VIRTIO_NO_VECTOR);
	echo_change(echo_latest(), 2);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(events(r, MEDIO_CARD_MSIX, i), 0);
	/* With MSI-X the ISR is not used (4.1.4.5.1). */
	assert_int_equal(get(r, MEDIO_VIRTIO_ISR, 1), 0);
}

static bool intx_status(struct regs *r)
{
	uint16_t reg = 0;

	assert_int_equal(medio_card_read16(r->card, MEDIO_CARD_CONFIG, 6, &reg), 0);
	return reg & 8;
}

static void the_isr_and_intx(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_INTX, 1), 0);
	bring_up(r, PLAIN, 2);
	assert_int_equal(events(r, MEDIO_CARD_INTX, 0), 0);
	ask(r, 0, 1);
	assert_int_equal(events(r, MEDIO_CARD_INTX, 0), 1);
	assert_true(intx_status(r));
	echo_change(echo_latest(), 1);
	/* Both reasons; read, they and the line are gone. */
	assert_int_equal(get(r, MEDIO_VIRTIO_ISR, 1), VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG);
	assert_int_equal(get(r, MEDIO_VIRTIO_ISR, 1), 0);
	assert_false(intx_status(r));
	assert_int_equal(took(r, 0), 1);
	assert_int_equal(medio_card_irq_unmask(r->card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(events(r, MEDIO_CARD_INTX, 0), 0);
	ask(r, 1, 2);
	assert_int_equal(events(r, MEDIO_CARD_INTX, 0), 1);
	/* Not read, it comes again after the unmasking. */
	assert_int_equal(medio_card_irq_unmask(r->card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(events(r, MEDIO_CARD_INTX, 0), 1);
	assert_int_equal(get(r, MEDIO_VIRTIO_ISR, 4), VIRTIO_ISR_QUEUE);
	assert_int_equal(medio_card_irq_unmask(r->card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(events(r, MEDIO_CARD_INTX, 0), 0);
	/* A reset ends it too. */
	ask(r, 0, 1);
	settle(r);
	set_status(r, 0);
	assert_false(intx_status(r));
	assert_int_equal(get(r, MEDIO_VIRTIO_ISR, 1), 0);
}

/* ---- The device's configuration ---------------------------------------------------------------------------- */

static void configuration_reads(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	echo_change(echo_latest(), 0x0807060504030201);
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG, 8), 0x0807060504030201);
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG + 2, 1), 3);
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG + 6, 4), 0xfdfe0807);
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG + 16, 4), 0x0403);
	/* Nothing is beyond, on the page that has it. */
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG + 16, 8), 0x0403);
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG + ECHO_CONFIG, 8), 0);
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG + 0xff8, 8), 0);
	said_nothing(r);
}

static void configuration_writes(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	put(r, MEDIO_VIRTIO_CONFIG + 4, 4, 0x44332211);
	assert_int_equal(echo_seen.writes, 1);
	assert_int_equal(echo_seen.write_offset, 4);
	assert_int_equal(echo_seen.write_count, 4);
	assert_memory_equal(echo_seen.written, "\x11\x22\x33\x44", 4);
	put(r, MEDIO_VIRTIO_CONFIG + 19, 1, 1);
	assert_int_equal(echo_seen.writes, 2);
	put(r, MEDIO_VIRTIO_CONFIG + 19, 2, 1);
	said(r, "2 bytes at 0x13 of its configuration are written, where nothing is; ignored");
	put(r, MEDIO_VIRTIO_CONFIG + ECHO_CONFIG, 1, 1);
	said(r, "where nothing is");
	assert_int_equal(echo_seen.writes, 2);
}

static unsigned generation(struct regs *r)
{
	return (unsigned)get(r, VIRTIO_GENERATION, 1);
}

/* Who read before a change and after it sees that (4.1.4.3.1). */
static void generations(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	unsigned was = generation(r);
	get(r, MEDIO_VIRTIO_CONFIG, 4);
	assert_int_equal(generation(r), was);
	echo_change(echo_latest(), 1);
	assert_int_not_equal(generation(r), was);
	/* However often it changes: 256 times too. */
	was = generation(r);
	get(r, MEDIO_VIRTIO_CONFIG, 4);
	for (unsigned i = 0; i < 256; i++) {
		echo_change(echo_latest(), i);
		assert_int_not_equal(generation(r), was);
	}
	/* A reader in between has another each time. */
	for (unsigned i = 0; i < 600; i++) {
		was = generation(r);
		get(r, MEDIO_VIRTIO_CONFIG, 4);
		echo_change(echo_latest(), i);
		assert_int_equal(generation(r), (was + 1) % 256);
	}
}

static void changes_before_driver_ok(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_MSIX, 3), 0);
	negotiate(r, PLAIN);
	put(r, VIRTIO_CONFIG_VECTOR, 2, 0);
	echo_change(echo_latest(), 1);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 0), 0);
	set_status(r, 15);
	echo_change(echo_latest(), 2);
	assert_int_equal(events(r, MEDIO_CARD_MSIX, 0), 1);
}

/* ---- Notifications --------------------------------------------------------------------------------------- */

static void notifications(void **state)
{
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 2);
	settle(r);
	unsigned kicks = echo_seen.kicks;
	notify(r, 1);
	assert_int_equal(echo_seen.kicks, kicks + 1);
	said_nothing(r);
	/* A wrong value, or width: said, and the queue is told by the place. */
	put(r, MEDIO_VIRTIO_NOTIFY + 4, 2, 0);
	said(r, "queue 1 is notified by 2 bytes 0x0, not by 2 bytes that begin with its index");
	put(r, MEDIO_VIRTIO_NOTIFY + 4, 4, 1);
	said(r, "queue 1 is notified by 4 bytes 0x1");
	assert_int_equal(echo_seen.kicks, kicks + 3);
	/* Where no queue's place is. */
	put(r, MEDIO_VIRTIO_NOTIFY + 2, 2, 0);
	said(r, "a notification at 0x2, where no queue's is (4.1.4.4)");
	put(r, MEDIO_VIRTIO_NOTIFY + 4 * ECHO_QUEUES, 2, 0);
	said(r, "a notification at 0x20, where no queue's is");
	put(r, MEDIO_VIRTIO_NOTIFY + 0xffe, 2, 0);
	said(r, "where no queue's is");
	assert_int_equal(echo_seen.kicks, kicks + 3);
	/* A queue that is not enabled. */
	notify(r, 5);
	assert_int_equal(echo_seen.kicks, kicks + 3);
}

static void notifications_of_a_device_with_fewer_queues(void **state)
{
	struct regs *r = *state;

	echo_quirks.queues = 2;
	regs_plug(r, NULL);
	bring_up(r, PLAIN, 2);
	works(r, 1, 1);
	notify(r, 2);
	said(r, "a notification at 0x8, where no queue's is (4.1.4.4)");
	put(r, VIRTIO_QUEUE_SELECT, 2, 2);
	assert_int_equal(get(r, VIRTIO_QUEUE_SIZE, 2), 0);
}

static void notifications_with_data(void **state)
{
	static const char *const params[] = { "notification-data=on", NULL };
	struct regs *r = *state;

	regs_plug(r, params);
	bring_up(r, PLAIN | VIRTIO_F_NOTIFICATION_DATA, 2);
	settle(r);
	unsigned kicks = echo_seen.kicks;
	put(r, MEDIO_VIRTIO_NOTIFY + 4, 4, 7u << 16 | 1);
	said_nothing(r);
	notify(r, 1);
	said(r, "queue 1 is notified by 2 bytes 0x1, not by 4 bytes that begin with its index");
	put(r, MEDIO_VIRTIO_NOTIFY + 4, 4, 1u << 16);
	said(r, "queue 1 is notified by 4 bytes 0x10000");
	assert_int_equal(echo_seen.kicks, kicks + 3);
}

/* An eventfd each, which stands for a write of any value. */
static void doorbells(void **state)
{
	struct medio_card_doorbell bells[ECHO_QUEUES + 1];
	const uint64_t one = 1;
	struct regs *r = *state;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 3);
	settle(r);
	assert_int_equal(medio_card_doorbells(r->card, MEDIO_VIRTIO_BAR, bells, ECHO_QUEUES + 1),
		ECHO_QUEUES);
	for (unsigned i = 0; i < ECHO_QUEUES; i++)
		assert_int_equal(bells[i].offset, MEDIO_VIRTIO_NOTIFY + 4 * i);
	add(r, 2, 1, 64);
	assert_int_equal(write(bells[2].fd, &one, sizeof(one)), sizeof(one));
	settle(r);
	assert_int_equal(took(r, 2), 1);
}

/* An eventfd has no order with writes of registers: one that comes behind a reset is nobody's mistake. */
static void a_late_doorbell(void **state)
{
	struct medio_card_doorbell bells[ECHO_QUEUES];
	const uint64_t one = 1;
	struct regs *r = *state;
	unsigned kicks;

	regs_plug(r, NULL);
	bring_up(r, PLAIN, 3);
	settle(r);
	assert_int_equal(
		medio_card_doorbells(r->card, MEDIO_VIRTIO_BAR, bells, ECHO_QUEUES), ECHO_QUEUES);
	set_status(r, 0);
	kicks = echo_seen.kicks;
	assert_int_equal(write(bells[2].fd, &one, sizeof(one)), sizeof(one));
	settle(r);
	said_nothing(r);
	assert_int_equal(echo_seen.kicks, kicks);
	/* A write comes in order. */
	put(r, MEDIO_VIRTIO_NOTIFY + 8, 2, 2);
	said(r, "queue 2 is notified before DRIVER_OK; ignored (3.1.1)");
	assert_int_equal(echo_seen.kicks, kicks);
}

/* With poll=on the place of notifications is shared memory; without it is not. */
static void the_page_of_notifications(void **state)
{
	static const char *const on[] = { "poll=on", NULL };
	struct medio_card_region region;
	struct regs *r = *state;
	void *page;

	regs_plug(r, NULL);
	assert_int_equal(medio_card_get_region(r->card, MEDIO_VIRTIO_BAR, &region), 0);
	assert_false(region.mappable);
	regs_unplug(r);
	regs_plug(r, on);
	assert_int_equal(medio_card_get_region(r->card, MEDIO_VIRTIO_BAR, &region), 0);
	assert_int_equal(region.num_areas, 1);
	assert_int_equal(
		medio_card_mmap(r->card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_NOTIFY, 4096, &page), 0);
	bring_up(r, PLAIN, 1);
	/* It finds what comes, and does not ask to be notified again. */
	add(r, 0, 1, 64);
	*(volatile uint16_t *)page = 0;
	settle(r);
	assert_int_equal(took(r, 0), 1);
	assert_false(add(r, 0, 2, 64));
	settle(r);
	assert_int_equal(took(r, 0), 2);
	medio_card_munmap(page, 4096);
	/* Registers around it are where they were. */
	assert_int_equal(status(r), 15);
	assert_int_equal(get(r, MEDIO_VIRTIO_CONFIG + 16, 4), 0x0403);
}

/* ---- Access through config space (4.1.4.9) ------------------------------------------------------------------ */

static void aim(struct regs *r, unsigned bar, uint32_t offset, uint32_t length)
{
	unsigned at = find_cap(r, 5).at;

	assert_int_equal(medio_card_write8(r->card, MEDIO_CARD_CONFIG, at + 4, (uint8_t)bar), 0);
	assert_int_equal(medio_card_write32(r->card, MEDIO_CARD_CONFIG, at + 8, offset), 0);
	assert_int_equal(medio_card_write32(r->card, MEDIO_CARD_CONFIG, at + 12, length), 0);
}

static uint32_t look(struct regs *r, unsigned bar, uint32_t offset, uint32_t length)
{
	uint32_t value = 0;

	aim(r, bar, offset, length);
	assert_int_equal(
		medio_card_read(r->card, MEDIO_CARD_CONFIG, find_cap(r, 5).at + 16, &value, length),
		0);
	return value;
}

static void poke(struct regs *r, unsigned bar, uint32_t offset, uint32_t length, uint32_t value)
{
	aim(r, bar, offset, length);
	assert_int_equal(medio_card_write(r->card, MEDIO_CARD_CONFIG, find_cap(r, 5).at + 16,
				 &value, length),
		0);
}

static void the_window(void **state)
{
	struct regs *r = *state;
	uint8_t config[256];

	regs_device(r, &echo_shm_type, NULL);
	regs_card(r);
	poke(r, 4, VIRTIO_STATUS, 1, 1);
	assert_int_equal(status(r), 1);
	assert_int_equal(look(r, 4, VIRTIO_STATUS, 1), 1);
	poke(r, 4, VIRTIO_STATUS, 1, 3);
	poke(r, 4, VIRTIO_DRIVER_FEATURE_SELECT, 4, 1);
	poke(r, 4, VIRTIO_DRIVER_FEATURE, 4, PLAIN >> 32);
	poke(r, 4, VIRTIO_STATUS, 1, 11);
	assert_int_equal(look(r, 4, VIRTIO_STATUS, 1), 11);
	poke(r, 4, VIRTIO_QUEUE_SELECT, 2, 2);
	assert_int_equal(look(r, 4, VIRTIO_QUEUE_NOTIFY_OFF, 2), 2);
	enable_queue(r, 2, PLAIN, 16);
	poke(r, 4, VIRTIO_STATUS, 1, 15);
	add(r, 2, 1, 64);
	settle(r);
	poke(r, 4, MEDIO_VIRTIO_NOTIFY + 8, 2, 2);
	assert_int_equal(took(r, 2), 1);
	assert_int_equal(look(r, 4, MEDIO_VIRTIO_CONFIG + 16, 4), 0x0403);
	/* The MSI-X table, which is the library's: vector 1 is unmasked. */
	poke(r, 1, 16 + 12, 4, 0);
	uint32_t control = 1;
	assert_int_equal(medio_card_read32(r->card, 1, 16 + 12, &control), 0);
	assert_int_equal(control, 0);
	assert_int_equal(look(r, 1, 32 + 12, 4), 1);
	/* Shared memory. */
	poke(r, ECHO_SHM_BAR, 0x1000, 4, 0x12345678);
	assert_int_equal(look(r, ECHO_SHM_BAR, 0x1002, 2), 0x1234);
	said_nothing(r);
	/* Copying all of config space is no access: the ISR is not read. */
	assert_int_equal(medio_card_irq_open(r->card, MEDIO_CARD_INTX, 1), 0);
	echo_change(echo_latest(), 1);
	aim(r, 4, MEDIO_VIRTIO_ISR, 1);
	assert_int_equal(medio_card_read(r->card, MEDIO_CARD_CONFIG, 0, config, 256), 0);
	assert_int_equal(look(r, 4, MEDIO_VIRTIO_ISR, 1), VIRTIO_ISR_CONFIG);
	assert_int_equal(look(r, 4, MEDIO_VIRTIO_ISR, 1), 0);
}

static void the_window_is_checked(void **state)
{
	static const struct {
		unsigned bar;
		uint32_t offset, length;
	} wrong[] = {
		{ 4, VIRTIO_STATUS, 3 },
		{ 4, VIRTIO_STATUS, 8 },
		{ 4, VIRTIO_STATUS, 0xffffffff },
		{ 4, 1, 2 },
		{ 4, 2, 4 },
		{ 4, MEDIO_VIRTIO_BAR_SIZE, 1 },
		{ 4, 0xfffffffc, 4 },
		{ 0, 0, 4 },
		{ 5, 0, 4 },
		{ 6, 0, 4 },
		{ 255, 0, 4 },
	};
	struct regs *r = *state;
	unsigned at;
	uint8_t value;

	regs_plug(r, NULL);
	at = find_cap(r, 5).at;
	/* Never set up: nothing happens, and nothing is said. */
	assert_int_equal(medio_card_read8(r->card, MEDIO_CARD_CONFIG, at + 16, &value), 0);
	assert_int_equal(medio_card_write8(r->card, MEDIO_CARD_CONFIG, at + 16, 3), 0);
	said_nothing(r);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		aim(r, wrong[i].bar, wrong[i].offset, wrong[i].length);
		assert_int_equal(medio_card_write8(r->card, MEDIO_CARD_CONFIG, at + 16, 1), 0);
		/* Ten lines a second are told. */
		if (i < 5)
			said(r, "which cannot be (4.1.4.9)");
		assert_int_equal(medio_card_read8(r->card, MEDIO_CARD_CONFIG, at + 16, &value), 0);
		assert_int_equal(value, 1);
		r->log[0] = '\0';
	}
	assert_int_equal(status(r), 0);
	assert_int_equal(medio_instance_stats(r->inst)->errors, 2 * sizeof(wrong) / sizeof(*wrong));
}

/* ---- Attributes ----------------------------------------------------------------------------------------------- */

static const char *attr(struct regs *r, const char *name)
{
	static char text[8192];
	ssize_t len = medio_instance_attr_show(r->inst, name, text, sizeof(text) - 1);

	assert_true(len > 0);
	text[len] = '\0';
	return text;
}

static void shows(struct regs *r, const char *name, const char *words)
{
	if (!strstr(attr(r, name), words))
		fail_msg("%s: not \"%s\" but \"%s\"", name, words, attr(r, name));
}

static void attributes(void **state)
{
	struct regs *r = *state;
	char small[64];

	regs_plug(r, NULL);
	assert_string_equal(attr(r, "virtio/status"), "0x00 reset");
	shows(r, "virtio/features", "accepted 0x0000000000000000");
	bring_up(r, PLAIN | VIRTIO_F_RING_PACKED, 1);
	works(r, 0, 1);
	assert_string_equal(
		attr(r, "virtio/status"), "0x0f ACKNOWLEDGE DRIVER DRIVER_OK FEATURES_OK");
	shows(r, "virtio/features", "VERSION_1 ACCESS_PLATFORM RING_PACKED RING_RESET");
	shows(r, "virtio/features",
		"accepted 0x0000000700000000 VERSION_1 ACCESS_PLATFORM RING_PACKED");
	shows(r, "virtio/queues",
		"0 live packed 16, avail 32770 used 32770, in flight 0, chains 1, kicks 1,");
	shows(r, "virtio/queues", "\n7 off");
	assert_int_equal(strncmp(attr(r, "virtio/poll"), "off, polls 0", 12), 0);
	assert_int_equal(
		medio_instance_attr_show(r->inst, "virtio/state", small, sizeof(small)), -ENOBUFS);
	static const char *const parts[] = {
		"{\"id\":42,\"kind\":\"",
		"\"status\":{\"value\":15,\"bits\":[\"ACKNOWLEDGE\",\"DRIVER\",\"DRIVER_OK\","
		"\"FEATURES_OK\"],\"resetting\":false}",
		"\"accepted\":\"0x700000000\",\"accepted_names\":[\"VERSION_1\",\"ACCESS_PLATFORM\","
		"\"RING_PACKED\"]}",
		"\"config\":{\"size\":20,\"generation\":0}",
		"{\"type\":\"common\",\"at\":64,\"bar\":4,\"offset\":0,\"length\":60}",
		",\"bar\":4,\"offset\":12288,\"length\":4096,\"multiplier\":4}",
		"\"queues\":[{\"index\":0,\"enabled\":true,\"live\":true,\"resetting\":false,"
		"\"format\":\"packed\",\"size\":16,\"max_size\":256,\"desc\":1048576",
		"\"vector\":1},{\"index\":1,\"enabled\":false,\"max_size\":256}",
		"\"poll\":{\"mode\":\"off\",\"awake\":false,",
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		shows(r, "virtio/state", parts[i]);
	assert_true(strlen(attr(r, "virtio/state")) < 4096);
	set_status(r, 0x8f);
	assert_string_equal(
		attr(r, "virtio/status"), "0x8f ACKNOWLEDGE DRIVER DRIVER_OK FEATURES_OK FAILED");
}

#define TEST(fn_) cmocka_unit_test_setup_teardown(fn_, regs_setup, regs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(capabilities),
		TEST(shared_memory),
		TEST(registers_after_power_on),
		TEST(feature_words),
		TEST(read_only_registers),
		TEST(widths_of_accesses),
		TEST(queues_that_there_are_not),
		TEST(queue_registers),
		TEST(vectors),
		TEST(messages_go_where_vectors_say),
		TEST(the_isr_and_intx),
		TEST(configuration_reads),
		TEST(configuration_writes),
		TEST(generations),
		TEST(changes_before_driver_ok),
		TEST(notifications),
		TEST(notifications_of_a_device_with_fewer_queues),
		TEST(notifications_with_data),
		TEST(doorbells),
		TEST(a_late_doorbell),
		TEST(the_page_of_notifications),
		TEST(the_window),
		TEST(the_window_is_checked),
		TEST(attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
