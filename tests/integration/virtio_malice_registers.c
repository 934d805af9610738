/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of registers, of the order of steps, of notifications. */
#include "virtio_malice.h"

#include <string.h>

/* ---- 2.1, 2.2, 3.1.1: status and features --------------------------------------------------------- */

static const char *must_be(struct bed *bed, uint8_t wanted)
{
	uint8_t is = status(bed);

	return is == wanted ? NULL : fail("the status is 0x%02x, not 0x%02x", is, wanted);
}

static const char *ok_without_features(struct bed *bed)
{
	reset(bed);
	put8(bed, STATUS, ACK);
	put8(bed, STATUS, ACK | DRIVER);
	put8(bed, STATUS, ACK | DRIVER | DRIVER_OK);
	return must_be(bed, ACK | DRIVER);
}

static const char *clear_bits(struct bed *bed)
{
	put8(bed, STATUS, ACK);
	put8(bed, STATUS, ACK | DRIVER | DRIVER_OK);
	put8(bed, STATUS, FEATURES_OK);
	return must_be(bed, LIVE);
}

static const char *device_bits(struct bed *bed)
{
	put8(bed, STATUS, LIVE | NEEDS_RESET);
	put8(bed, STATUS, LIVE | 16);
	put8(bed, STATUS, LIVE | 32);
	return must_be(bed, LIVE);
}

static const char *driver_first(struct bed *bed)
{
	reset(bed);
	put8(bed, STATUS, DRIVER);
	put8(bed, STATUS, DRIVER | FEATURES_OK);
	return status(bed) & DRIVER_OK ? fail("it is live") : NULL;
}

static const char *features_ok_first(struct bed *bed)
{
	reset(bed);
	put8(bed, STATUS, FEATURES_OK);
	put8(bed, STATUS, FEATURES_OK | DRIVER_OK);
	return status(bed) & (FEATURES_OK | DRIVER_OK) ? fail("FEATURES_OK is taken") : NULL;
}

static const char *all_bits(struct bed *bed)
{
	reset(bed);
	put8(bed, STATUS, 0xff);
	return status(bed) & DRIVER_OK ? fail("it is live") : NULL;
}

static const char *gives_up(struct bed *bed)
{
	good_offer(bed);
	put8(bed, STATUS, LIVE | FAILED);
	kick(bed, bed->good);
	put8(bed, STATUS, LIVE | FAILED);
	return must_be(bed, LIVE | FAILED);
}

static const char *all_at_once(struct bed *bed)
{
	reset(bed);
	for (unsigned i = 0; i < 2; i++) {
		put32(bed, DRIVER_FEATURE_SELECT, i);
		put32(bed, DRIVER_FEATURE, (uint32_t)(bed->wanted >> (32 * i)));
	}
	put8(bed, STATUS, LIVE);
	/* Its queues are not enabled. */
	kick(bed, bed->good);
	return status(bed) & NEEDS_RESET ? fail("it needs a reset") : NULL;
}

static const char *not_offered(struct bed *bed)
{
	for (unsigned i = 0; i < 64; i++) {
		if (bed->offered & F(i))
			continue;
		reset(bed);
		if (negotiate(bed, bed->wanted | F(i)))
			return fail("feature %u is not offered and taken", i);
	}
	return NULL;
}

static const char *legacy(struct bed *bed)
{
	reset(bed);
	return negotiate(bed, bed->wanted & ~F_VERSION_1) ? fail("no VERSION_1 is taken") : NULL;
}

/* Whatever the choice, it is taken or refused; and what is taken works. */
static const char *odd_features(struct bed *bed)
{
	for (unsigned i = 0; i < 40; i++) {
		uint64_t dice = (uint64_t)roll(bed) << 40 | (uint64_t)roll(bed) << 20 | roll(bed);
		uint64_t features = ((bed->offered & dice) & ~F_PACKED & ~F_NOTIFY) | F_VERSION_1 |
				    (bed->wanted & F_PACKED);
		const char *words;
		reset(bed);
		if (!negotiate(bed, features))
			continue;
		up_with(bed, features);
		words = good(bed);
		if (words)
			return words;
	}
	return NULL;
}

static const char *features_late(struct bed *bed)
{
	put32(bed, DRIVER_FEATURE_SELECT, 1);
	put32(bed, DRIVER_FEATURE, 0);
	put32(bed, DRIVER_FEATURE_SELECT, 0);
	put32(bed, DRIVER_FEATURE, UINT32_MAX);
	return get32(bed, DRIVER_FEATURE) == (uint32_t)bed->wanted ? NULL : fail("they changed");
}

static const char *features_words(struct bed *bed)
{
	for (unsigned i = 2; i; i <<= 1) {
		put32(bed, DEVICE_FEATURE_SELECT, i);
		put32(bed, DRIVER_FEATURE_SELECT, i);
		put32(bed, DRIVER_FEATURE, UINT32_MAX);
		if (get32(bed, DEVICE_FEATURE))
			return fail("word %u of features is not 0", i);
	}
	return NULL;
}

/* ---- 2.4: reset ------------------------------------------------------------------------------------ */

static const char *status_in_reset(struct bed *bed)
{
	good_offer(bed);
	kick(bed, bed->good);
	put8(bed, STATUS, 0);
	put8(bed, STATUS, ACK);
	put8(bed, STATUS, LIVE);
	put8(bed, STATUS, 0);
	put8(bed, STATUS, 0);
	return NULL;
}

/* ---- 2.5: configuration ---------------------------------------------------------------------------- */

static const char *config_writes(struct bed *bed)
{
	uint8_t bytes[64];

	for (unsigned width = 1; width <= 8; width *= 2)
		for (unsigned at = 0; at < 128; at++) {
			memset(bytes, (int)roll(bed), sizeof(bytes));
			put(bed, MEDIO_VIRTIO_CONFIG + at, bytes, width);
		}
	for (unsigned at = 0; at < 4096 - sizeof(bytes); at += 500)
		put(bed, MEDIO_VIRTIO_CONFIG + at, bytes, sizeof(bytes));
	return NULL;
}

static const char *config_reads(struct bed *bed)
{
	uint8_t bytes[4096];

	for (unsigned at = 0; at < 100; at += 7)
		if (medio_card_read(bed->card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_CONFIG + at, bytes,
			    4096 - at))
			return fail("a read of 4096 bytes is refused");
	return NULL;
}

/* ---- 2.6, 4.1.4.3: queues --------------------------------------------------------------------------- */

/* A queue with this at `reg` is enabled, and the device brought up. */
static const char *queue_with(struct bed *bed, unsigned reg, uint64_t value)
{
	up_but_ok(bed, bed->wanted);
	reset(bed);
	negotiate(bed, bed->wanted);
	put16(bed, CONFIG_VECTOR, 0);
	put16(bed, QUEUE_SELECT, (uint16_t)bed->good);
	put16(bed, QUEUE_SIZE, SIZE);
	put64(bed, QUEUE_DESC, bed->ring[bed->good].iova);
	put64(bed, QUEUE_DRIVER, bed->ring[bed->good].iova + DRIVER_AT);
	put64(bed, QUEUE_DEVICE, bed->ring[bed->good].iova + DEVICE_AT);
	if (reg == QUEUE_SIZE)
		put16(bed, reg, (uint16_t)value);
	else
		put64(bed, reg, value);
	put16(bed, QUEUE_ENABLE, 1);
	put8(bed, STATUS, LIVE);
	kick(bed, bed->good);
	return NULL;
}

static const char *nowhere(struct bed *bed)
{
	return queue_with(bed, QUEUE_DESC, NOWHERE);
}

static const char *no_driver_area(struct bed *bed)
{
	return queue_with(bed, QUEUE_DRIVER, 0);
}

static const char *no_device_area(struct bed *bed)
{
	return queue_with(bed, QUEUE_DEVICE, 0);
}

static const char *desc_unaligned(struct bed *bed)
{
	return queue_with(bed, QUEUE_DESC, MEM_IOVA + 8);
}

static const char *driver_unaligned(struct bed *bed)
{
	return queue_with(bed, QUEUE_DRIVER, MEM_IOVA + DRIVER_AT + 1);
}

static const char *device_unaligned(struct bed *bed)
{
	return queue_with(bed, QUEUE_DEVICE, MEM_IOVA + DEVICE_AT + 2);
}

static const char *area_wraps(struct bed *bed)
{
	return queue_with(bed, QUEUE_DESC, ~UINT64_C(15));
}

static const char *area_over_the_end(struct bed *bed)
{
	return queue_with(bed, QUEUE_DESC, MEM_IOVA + MEM_SIZE - 16);
}

static const char *size_not_power(struct bed *bed)
{
	return queue_with(bed, QUEUE_SIZE, 63);
}

static const char *sizes(struct bed *bed)
{
	static const uint16_t wrong[] = { 0, 1025, 0x8000, 0xffff };

	up_but_ok(bed, bed->wanted);
	reset(bed);
	negotiate(bed, bed->wanted);
	put16(bed, QUEUE_SELECT, 0);
	uint16_t before = get16(bed, QUEUE_SIZE);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		put16(bed, QUEUE_SIZE, wrong[i]);
		if (get16(bed, QUEUE_SIZE) != before)
			return fail("a size of %u is taken", wrong[i]);
	}
	return NULL;
}

static const char *overlapping(struct bed *bed)
{
	queue_with(bed, QUEUE_DEVICE, MEM_IOVA + bed->good * RING);
	for (unsigned i = 0; i < 20; i++) {
		good_offer(bed);
		kick(bed, bed->good);
	}
	status(bed);
	return NULL;
}

static const char *enable_values(struct bed *bed)
{
	static const uint16_t values[] = { 0, 2, 0x100, 0xffff };

	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++)
		put16(bed, QUEUE_ENABLE, values[i]);
	put16(bed, QUEUE_SELECT, 0);
	put16(bed, QUEUE_ENABLE, 0);
	return get16(bed, QUEUE_ENABLE) == 1 ? NULL : fail("it can be switched off");
}

static const char *change_enabled(struct bed *bed)
{
	put16(bed, QUEUE_SELECT, (uint16_t)bed->good);
	put16(bed, QUEUE_SIZE, 2);
	put64(bed, QUEUE_DESC, NOWHERE);
	put64(bed, QUEUE_DRIVER, NOWHERE);
	put64(bed, QUEUE_DEVICE, NOWHERE);
	return get16(bed, QUEUE_SIZE) == SIZE && get32(bed, QUEUE_DESC) != (uint32_t)NOWHERE
		       ? NULL
		       : fail("it changed");
}

static const char *no_such_queue(struct bed *bed)
{
	static const uint16_t which[] = { 256, 1024, 0x7fff, 0xffff };

	for (unsigned i = 0; i < sizeof(which) / sizeof(*which); i++) {
		put16(bed, QUEUE_SELECT, i ? which[i] : (uint16_t)bed->queues);
		if (get16(bed, QUEUE_SIZE))
			return fail("queue %u has a size", which[i]);
		put16(bed, QUEUE_SIZE, 8);
		put16(bed, QUEUE_VECTOR, 1);
		put64(bed, QUEUE_DESC, MEM_IOVA);
		put64(bed, QUEUE_DRIVER, MEM_IOVA);
		put64(bed, QUEUE_DEVICE, MEM_IOVA);
		put16(bed, QUEUE_ENABLE, 1);
		put16(bed, QUEUE_RESET, 1);
	}
	return NULL;
}

static const char *enable_early(struct bed *bed)
{
	reset(bed);
	put16(bed, QUEUE_SELECT, 0);
	put16(bed, QUEUE_ENABLE, 1);
	if (get16(bed, QUEUE_ENABLE))
		return fail("before FEATURES_OK");
	put8(bed, STATUS, ACK | DRIVER);
	put16(bed, QUEUE_ENABLE, 1);
	put16(bed, QUEUE_RESET, 1);
	return get16(bed, QUEUE_ENABLE) ? fail("before FEATURES_OK") : NULL;
}

static const char *enable_late(struct bed *bed)
{
	reset(bed);
	negotiate(bed, bed->wanted & ~F_RESET);
	put8(bed, STATUS, LIVE);
	ring_clear(bed, 0);
	setup_queue(bed, 0);
	kick(bed, 0);
	return get16(bed, QUEUE_ENABLE) ? fail("after DRIVER_OK, without RING_RESET") : NULL;
}

static const char *queue_reset_refused(struct bed *bed)
{
	up_with(bed, bed->wanted & ~F_RESET);
	put16(bed, QUEUE_SELECT, (uint16_t)bed->good);
	put16(bed, QUEUE_RESET, 1);
	return get16(bed, QUEUE_ENABLE) == 1 ? NULL : fail("without RING_RESET");
}

static const char *queue_resets(struct bed *bed)
{
	uint64_t end = now_ms() + 20000;

	for (unsigned i = 0; i < bed->rounds; i++) {
		unsigned queue = i % 4 ? bed->good
				       : roll(bed) % (bed->queues < RINGS ? bed->queues : RINGS);
		good_offer(bed);
		kick(bed, bed->good);
		put16(bed, QUEUE_SELECT, (uint16_t)queue);
		put16(bed, QUEUE_RESET, 1);
		/* What must not be meanwhile. */
		put16(bed, QUEUE_ENABLE, 0);
		put16(bed, QUEUE_RESET, 0);
		kick(bed, queue);
		while (get16(bed, QUEUE_RESET) || get16(bed, QUEUE_ENABLE))
			if (now_ms() > end)
				return fail("the reset of queue %u does not end", queue);
		ring_clear(bed, queue);
		setup_queue(bed, queue);
		kick(bed, queue);
	}
	return NULL;
}

static const char *queue_reset_bad_again(struct bed *bed)
{
	put16(bed, QUEUE_SELECT, (uint16_t)bed->good);
	put16(bed, QUEUE_RESET, 1);
	while (get16(bed, QUEUE_RESET) || get16(bed, QUEUE_ENABLE))
		;
	put64(bed, QUEUE_DESC, NOWHERE);
	put16(bed, QUEUE_ENABLE, 1);
	kick(bed, bed->good);
	return NULL;
}

/* ---- 4.1.3, 4.1.4: widths, places ------------------------------------------------------------------- */

static const char *widths(struct bed *bed)
{
	uint8_t bytes[64];

	for (unsigned count = 1; count <= 64; count += count < 9 ? 1 : 11)
		for (unsigned at = 0; at < 64; at++)
			if (medio_card_read(bed->card, MEDIO_VIRTIO_BAR, at, bytes, count))
				return fail("%u bytes at %u", count, at);
	return NULL;
}

static const char *noise(struct bed *bed)
{
	uint8_t bytes[64];

	for (unsigned i = 0; i < 20 * bed->rounds; i++) {
		unsigned at = roll(bed) % (MEDIO_VIRTIO_BAR_SIZE - sizeof(bytes));
		unsigned count = 1 + roll(bed) % (i % 16 ? 8 : sizeof(bytes));
		for (unsigned n = 0; n < count; n++)
			bytes[n] = (uint8_t)roll(bed);
		if (i % 4)
			at %= 64;
		put(bed, at, bytes, count);
		if (i % 64 == 0 && medio_card_read(bed->card, MEDIO_VIRTIO_BAR, at, bytes, count))
			return fail("a read of %u bytes at 0x%x", count, at);
	}
	return NULL;
}

static const char *all_of_it(struct bed *bed)
{
	static uint8_t bytes[MEDIO_VIRTIO_BAR_SIZE];

	memset(bytes, 0xff, sizeof(bytes));
	put(bed, 0, bytes, sizeof(bytes));
	memset(bytes, 0, sizeof(bytes));
	put(bed, 1, bytes, sizeof(bytes) - 1);
	if (medio_card_read(bed->card, MEDIO_VIRTIO_BAR, 0, bytes, sizeof(bytes)))
		return fail("the whole BAR cannot be read");
	return NULL;
}

static const char *beyond(struct bed *bed)
{
	uint32_t value = 0;

	if (!medio_card_read(bed->card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_BAR_SIZE, &value, 4) ||
		!medio_card_read(bed->card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_BAR_SIZE - 2, &value, 4))
		return fail("there is something behind the BAR");
	return NULL;
}

static const char *read_only(struct bed *bed)
{
	put32(bed, DEVICE_FEATURE, 0);
	put16(bed, NUM_QUEUES, 9);
	put8(bed, GENERATION, 9);
	put16(bed, QUEUE_NOTIFY_OFF, 9);
	put16(bed, QUEUE_NOTIFY_DATA, 9);
	put(bed, MEDIO_VIRTIO_ISR, "\377\377\377", 4);
	put(bed, 0x800, "12345678", 8);
	return get16(bed, NUM_QUEUES) == bed->queues ? NULL : fail("a number of queues was taken");
}

static const char *vectors(struct bed *bed)
{
	static const uint16_t wrong[] = { 0x7ff, 0x800, 0xfffe };

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		put16(bed, CONFIG_VECTOR, wrong[i]);
		put16(bed, QUEUE_SELECT, 0);
		put16(bed, QUEUE_VECTOR, wrong[i]);
		if (get16(bed, CONFIG_VECTOR) != 0xffff || get16(bed, QUEUE_VECTOR) != 0xffff)
			return fail("vector %u is taken", wrong[i]);
	}
	put16(bed, CONFIG_VECTOR, (uint16_t)bed->vectors);
	if (get16(bed, CONFIG_VECTOR) != 0xffff)
		return fail("vector %u of %u is taken", bed->vectors, bed->vectors);
	return NULL;
}

/* ---- 4.1.4.4, 4.1.5.2: notifications ----------------------------------------------------------------- */

static const char *kick_early(struct bed *bed)
{
	reset(bed);
	kick(bed, 0);
	put8(bed, STATUS, ACK | DRIVER);
	kick(bed, 0);
	up_but_ok(bed, bed->wanted);
	good_offer(bed);
	kick(bed, bed->good);
	status(bed);
	return bed->packed || bed->ring[bed->good].mem[DEVICE_AT + 2] == 0
		       ? NULL
		       : fail("it used a buffer before DRIVER_OK");
}

static const char *kick_places(struct bed *bed)
{
	static uint8_t bytes[0x1000];
	static const unsigned counts[] = { 1, 2, 3, 4, 8, 64 };

	memset(bytes, 0xa5, sizeof(bytes));
	for (unsigned i = 0; i < 0x1000 - 64; i += 13)
		put(bed, MEDIO_VIRTIO_NOTIFY + i, bytes, counts[i % 6]);
	put(bed, MEDIO_VIRTIO_NOTIFY, bytes, sizeof(bytes));
	put(bed, MEDIO_VIRTIO_NOTIFY - 1, bytes, 4);
	return NULL;
}

static const char *kick_not_enabled(struct bed *bed)
{
	reset(bed);
	negotiate(bed, bed->wanted);
	put8(bed, STATUS, LIVE);
	for (unsigned i = 0; i < 64; i++)
		kick(bed, i);
	return must_be(bed, LIVE);
}

/* ---- 4.1.4.9: the window in config space -------------------------------------------------------------- */

static unsigned window(struct bed *bed)
{
	uint8_t at = 0, type = 0, id = 0;

	medio_card_read8(bed->card, MEDIO_CARD_CONFIG, 0x34, &at);
	for (unsigned i = 0; at && i < 48; i++) {
		medio_card_read8(bed->card, MEDIO_CARD_CONFIG, at, &id);
		medio_card_read8(bed->card, MEDIO_CARD_CONFIG, at + 3u, &type);
		if (id == 9 && type == 5)
			return at;
		medio_card_read8(bed->card, MEDIO_CARD_CONFIG, at + 1u, &at);
	}
	return 0;
}

static void aim(struct bed *bed, unsigned at, uint8_t bar, uint32_t offset, uint32_t len)
{
	medio_card_write8(bed->card, MEDIO_CARD_CONFIG, at + 4, bar);
	medio_card_write32(bed->card, MEDIO_CARD_CONFIG, at + 8, offset);
	medio_card_write32(bed->card, MEDIO_CARD_CONFIG, at + 12, len);
}

static const char *window_wrong(struct bed *bed)
{
	static const struct {
		uint8_t bar;
		uint32_t offset, len;
	} wrong[] = { { 4, 0, 3 }, { 4, 0, 8 }, { 4, 0, 0 }, { 4, 0, UINT32_MAX }, { 4, 1, 2 },
		{ 4, 2, 4 }, { 4, 0x4000, 1 }, { 4, 0x3fff, 4 }, { 4, 0xfffffffc, 4 }, { 0, 0, 4 },
		{ 5, 0, 4 }, { 6, 0, 4 }, { 7, 0, 4 }, { 255, 0, 4 }, { 1, 0x3ffe, 4 },
		{ 1, 0x3000, 4 }, { 1, 0, 4 }, { 4, 0x1000, 4 }, { 4, 0x2000, 1 } };
	unsigned at = window(bed);
	uint32_t value;

	if (!at)
		return fail("there is no window");
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		aim(bed, at, wrong[i].bar, wrong[i].offset, wrong[i].len);
		for (unsigned n = 0; n < 4; n++) {
			medio_card_read32(bed->card, MEDIO_CARD_CONFIG, at + 16, &value);
			if (wrong[i].bar != 1)
				medio_card_write32(
					bed->card, MEDIO_CARD_CONFIG, at + 16 + n, UINT32_MAX);
			medio_card_write8(bed->card, MEDIO_CARD_CONFIG, at + 16 + n, 0xff);
			medio_card_read8(
				bed->card, MEDIO_CARD_CONFIG, at + 16 + n, (uint8_t *)&value);
		}
	}
	aim(bed, at, 0, 0, 0);
	return NULL;
}

/* What it is for: everything must work through it. */
static const char *window_right(struct bed *bed)
{
	unsigned at = window(bed);
	uint8_t value = 0;
	const char *words = NULL;

	aim(bed, at, MEDIO_VIRTIO_BAR, STATUS, 1);
	medio_card_read8(bed->card, MEDIO_CARD_CONFIG, at + 16, &value);
	if (value != LIVE)
		return fail("the status is 0x%02x through it", value);
	aim(bed, at, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_NOTIFY + 4 * bed->good, 2);
	good_offer(bed);
	medio_card_write16(bed->card, MEDIO_CARD_CONFIG, at + 16, (uint16_t)bed->good);
	if (await(bed, &bed->ring[bed->good], NULL) != USED_IT)
		words = fail("a notification through it does not come");
	aim(bed, at, MEDIO_VIRTIO_BAR, STATUS, 1);
	medio_card_write8(bed->card, MEDIO_CARD_CONFIG, at + 16, 0);
	while (status(bed))
		;
	aim(bed, at, 0, 0, 0);
	return words;
}

static const char *config_space(struct bed *bed)
{
	for (unsigned i = 0; i < 2 * bed->rounds; i++) {
		unsigned at = roll(bed) % 252;
		/* Not the BARs, for those who come after us. */
		if (at >= 12 && at < 0x34)
			continue;
		medio_card_write32(bed->card, MEDIO_CARD_CONFIG, at, roll(bed) * 257u);
	}
	unsigned window_at = window(bed);
	aim(bed, window_at, 0, 0, 0);
	/* Power state D0, MSI-X on and not masked: as before. */
	if (medio_card_reset(bed->card))
		return fail("a reset of the card: %s", medio_card_last_error(bed->card));
	set_master(bed, true);
	medio_card_irq_disable(bed->card, MEDIO_CARD_MSIX);
	if (medio_card_irq_open(bed->card, MEDIO_CARD_MSIX, 2))
		return fail("interrupts: %s", medio_card_last_error(bed->card));
	return NULL;
}

static const char *no_vectors(struct bed *bed)
{
	put16(bed, CONFIG_VECTOR, 0xffff);
	for (unsigned i = 0; i < bed->queues; i++) {
		put16(bed, QUEUE_SELECT, (uint16_t)i);
		put16(bed, QUEUE_VECTOR, 0xffff);
	}
	return good(bed);
}

const struct malice_case register_cases[] = {
	{ "3.1.1", "DRIVER_OK without FEATURES_OK", ok_without_features, STUCK },
	{ "2.1.1", "bits are cleared without a reset", clear_bits, FINE },
	{ "2.1", "bits of the device and of nobody", device_bits, FINE },
	{ "3.1.1", "DRIVER before ACKNOWLEDGE", driver_first, STUCK },
	{ "3.1.1", "FEATURES_OK first of all", features_ok_first, STUCK },
	{ "2.1", "every bit at once", all_bits, STUCK },
	{ "2.1.1", "it works on after FAILED", gives_up, STUCK },
	{ "3.1.1", "all steps at once", all_at_once, STUCK },
	{ "2.2.1", "features that are not offered", not_offered, STUCK },
	{ "6.1", "no VERSION_1", legacy, STUCK },
	{ "2.2", "any choice of features", odd_features, STUCK | RAW },
	{ "3.1.1", "features after FEATURES_OK", features_late, FINE },
	{ "4.1.4.3", "words of features that there are not", features_words, FINE },
	{ "2.4.2", "the status is written in a reset", status_in_reset, STUCK },
	{ "2.5", "configuration is written everywhere", config_writes, ANY },
	{ "2.5", "configuration is read beyond its end", config_reads, FINE },
	{ "2.6", "a descriptor area nowhere", nowhere, BROKEN | RAW },
	{ "2.6", "a driver area nowhere", no_driver_area, BROKEN | RAW },
	{ "2.6", "a device area nowhere", no_device_area, BROKEN | RAW },
	{ "2.7", "a descriptor area that is not aligned", desc_unaligned, BROKEN | RAW },
	{ "2.7", "a driver area that is not aligned", driver_unaligned, BROKEN | RAW },
	{ "2.7", "a device area that is not aligned", device_unaligned, BROKEN | RAW },
	{ "2.6", "an area that wraps", area_wraps, BROKEN | RAW },
	{ "2.6", "an area over the end of memory", area_over_the_end, BROKEN | RAW },
	{ "2.7", "a size of 63", size_not_power, BROKEN | RAW | SPLIT_ONLY },
	{ "2.6", "sizes that cannot be", sizes, STUCK | RAW },
	{ "2.6", "areas that overlap", overlapping, ANY | RAW },
	{ "4.1.4.3.2", "0 and others are written to queue_enable", enable_values, FINE },
	{ "4.1.4.3.2", "a queue is set up while it is enabled", change_enabled, FINE },
	{ "4.1.4.3.2", "queues that there are not", no_such_queue, FINE },
	{ "3.1.1", "queues are enabled before FEATURES_OK", enable_early, STUCK },
	{ "3.1.1", "queues are enabled after DRIVER_OK", enable_late, STUCK | RAW },
	{ "2.6.1", "a queue is reset without RING_RESET", queue_reset_refused, FINE | RAW },
	{ "2.6.1", "queues are reset, with requests under way", queue_resets, ANY },
	{ "2.6.1", "a queue is reset and enabled nowhere", queue_reset_bad_again, BROKEN },
	{ "4.1.3.1", "reads of any width", widths, FINE },
	{ "4.1.3", "noise on all registers", noise, ANY },
	{ "4.1.3", "the whole BAR at once", all_of_it, ANY },
	{ "4.1.3", "accesses beyond the BAR", beyond, FINE },
	{ "4.1.4.3", "read-only registers are written", read_only, FINE },
	{ "4.1.5.1.2", "vectors that there are not", vectors, FINE },
	{ "4.1.5.1.2", "no vectors", no_vectors, FINE },
	{ "3.1.1", "notifications before DRIVER_OK", kick_early, STUCK },
	{ "4.1.4.4", "notifications at any place", kick_places, FINE },
	{ "4.1.4.4", "notifications of queues that are not enabled", kick_not_enabled, STUCK },
	{ "4.1.4.9", "the window of config space, misused", window_wrong, ANY },
	{ "4.1.4.9", "the window of config space, used", window_right, STUCK },
	{ "4.1.3", "noise in config space", config_space, STUCK },
	{ NULL, NULL, NULL, 0, 0 },
};
