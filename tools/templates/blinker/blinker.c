/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blinker: a card with a lamp that blinks.
 *
 * BAR 0 has registers of 32 bits:
 *     0x0  ID      0x6b6e6c62
 *     0x4  PERIOD  milliseconds from one blink to the next, 0: it does not blink
 *     0x8  BLINKS  how often it has blinked; a write sets it
 * Each blink sends message 0 (MSI).
 *
 * Everything a device may have and do is explained in <medio/device.h>.
 */
#include <errno.h>

#include <medio/device.h>

enum { ID = 0x0, PERIOD = 0x4, BLINKS = 0x8 };

/* What one card knows. It is all zeros when the card is made. */
struct state {
	uint64_t first_period; /* a parameter, see below */
	uint32_t period, blinks;
	struct medio_timer *timer;
};

/* Ask for the next blink. A timer rings once. */
static void wait_for_blink(struct state *s)
{
	if (s->period)
		medio_timer_arm(s->timer, UINT64_C(1000000) * s->period);
	else
		medio_timer_disarm(s->timer);
}

static void blink(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct state *s = medio_priv(dev);

	s->blinks++;
	medio_irq_pulse(dev, 0);
	wait_for_blink(s);
}

/* ---- Registers --------------------------------------------------------------------------------- */

/* offset and count lie inside the BAR: the library has checked. */
static int bar_read(struct medio_dev *dev, unsigned bar, uint64_t offset, void *buf, size_t count)
{
	const struct state *s = medio_priv(dev);
	uint32_t value = 0;

	if (count != 4 || offset % 4)
		return -EINVAL; /* the guest reads all-ones */
	if (offset == ID)
		value = 0x6b6e6c62;
	else if (offset == PERIOD)
		value = s->period;
	else if (offset == BLINKS)
		value = s->blinks;
	medio_put_le(buf, 4, value);
	return 0;
}

static int bar_write(
	struct medio_dev *dev, unsigned bar, uint64_t offset, const void *buf, size_t count)
{
	struct state *s = medio_priv(dev);

	if (count != 4 || offset % 4)
		return -EINVAL;
	uint32_t value = (uint32_t)medio_get_le(buf, 4);
	if (offset == PERIOD) {
		s->period = value;
		wait_for_blink(s);
	} else if (offset == BLINKS) {
		s->blinks = value;
	} else {
		/* Guests do what they like. Say so, and carry on as a card would. */
		medio_guest_error(dev, "write to 0x%x, where nothing is", (unsigned)offset);
	}
	return 0;
}

/* ---- Life -------------------------------------------------------------------------------------- */

/* To the state after power-on. */
static void reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct state *s = medio_priv(dev);

	s->period = (uint32_t)s->first_period;
	s->blinks = 0;
	wait_for_blink(s);
}

static int init(struct medio_dev *dev)
{
	struct state *s = medio_priv(dev);

	s->timer = medio_timer_new(dev, blink, dev);
	if (!s->timer)
		return medio_fail(dev, ENOMEM, "out of memory");
	reset(dev, MEDIO_RESET_DEVICE);
	return 0;
}

static void fini(struct medio_dev *dev)
{
	struct state *s = medio_priv(dev);

	medio_timer_free(s->timer);
}

static const struct medio_device_ops ops = {
	.init = init,
	.fini = fini,
	.reset = reset,
	.region_read = bar_read,
	.region_write = bar_write,
};

/* ---- What the card looks like ------------------------------------------------------------------ */

/* medio serve ./blinker.so period=500 */
static const struct medio_param params[] = {
	{ .name = "period",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct state, first_period),
		.deflt = "0",
		.max = UINT32_MAX,
		.help = "PERIOD after a reset, in milliseconds" },
	{ .name = NULL },
};

static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "blinker",
	.summary = "A lamp that blinks",
	/* Vendor 1234 is nobody. A card that leaves your desk needs numbers of its own. */
	.id = { .vendor = 0x1234, .device = 0xb11c, .revision = 1, .class_code = 0xff0000 },
	.bars = { [0] = { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.irqs = { .msi = 1 },
	.params = params,
	.state_size = sizeof(struct state),
	.ops = &ops,
};

MEDIO_PLUGIN(&type);
