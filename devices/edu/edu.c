/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edu: QEMU's device for teaching, to be driven by what was written for that one. It inverts a word,
 * works out factorials, and copies memory to and from a buffer of its own. None of it is done at once,
 * so that a driver has to wait, by asking or by an interrupt.
 *
 * Source: QEMU, docs/specs/edu.rst.
 */
#include "edu.h"

#include <errno.h>
#include <string.h>

#include "registers/registers.h"

/* Registers of BAR 0: 32 bits below 0x80, 32 or 64 from there on. */
enum {
	IDENT = 0x00,	   /* 0xMMmm00ed: version and name */
	LIVE = 0x04,	   /* reads as what was written, inverted */
	FACTORIAL = 0x08,  /* write n, read n! when STATUS says so */
	STATUS = 0x20,	   /* STATUS_* */
	IRQ_STATUS = 0x24, /* why it interrupts */
	IRQ_RAISE = 0x60,  /* adds reasons */
	IRQ_ACK = 0x64,	   /* takes reasons back */
	DMA_FROM = 0x80,
	DMA_TO = 0x88,
	DMA_COUNT = 0x90,
	DMA_COMMAND = 0x98, /* COMMAND_* */
	WIDE = 0x80,
	BUFFER = 0x40000, /* where the buffer is for DMA_FROM and DMA_TO */
};

enum { STATUS_COMPUTING = 0x01, STATUS_INTERRUPT = 0x80 };
enum { COMMAND_RUN = 1, COMMAND_TO_MEMORY = 2, COMMAND_INTERRUPT = 4 };
enum { REASON_FACTORIAL = 0x01, REASON_DMA = 0x100 };

#define VERSION	    0x010000edu
#define BUFFER_SIZE 4096u

struct edu {
	/* Parameters. */
	uint64_t dma_mask, dma_time, factorial_time;
	/* Registers. */
	uint32_t live, factorial, status, reasons;
	uint64_t from, to, count, command;
	uint8_t buffer[BUFFER_SIZE];
	/* What is under way. */
	struct medio_timer *factorial_timer, *dma_timer;
	bool copying; /* memory of the client's is being moved, into or out of the buffer */
	bool stale;   /* it was reset after that one began */
	bool stopped; /* no copy may begin */
	bool asked;   /* somebody waits until none is under way */
};

/* ---- Interrupts -------------------------------------------------------------------------------- */

static void raise(struct medio_dev *dev, uint32_t reasons)
{
	struct edu *edu = medio_priv(dev);
	bool was = edu->reasons != 0;

	edu->reasons |= reasons;
	medio_irq_set(dev, 0, edu->reasons != 0);
	/* The line is up already; by message, each reason is told. */
	if (was)
		medio_irq_pulse(dev, 0);
}

static void acknowledge(struct medio_dev *dev, uint32_t reasons)
{
	struct edu *edu = medio_priv(dev);

	edu->reasons &= ~reasons;
	medio_irq_set(dev, 0, edu->reasons != 0);
}

/* ---- Factorials -------------------------------------------------------------------------------- */

static void on_factorial(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct edu *edu = medio_priv(dev);
	uint32_t product = 1;

	/* 34! and all above are multiples of 2^32. */
	for (uint32_t n = edu->factorial; n && product; n--)
		product *= n;
	edu->factorial = product;
	edu->status &= ~STATUS_COMPUTING;
	if (edu->status & STATUS_INTERRUPT)
		raise(dev, REASON_FACTORIAL);
}

static void compute(struct edu *edu, uint32_t n)
{
	if (edu->status & STATUS_COMPUTING)
		return;
	edu->factorial = n;
	edu->status |= STATUS_COMPUTING;
	medio_timer_arm(edu->factorial_timer, edu->factorial_time);
}

/* ---- DMA --------------------------------------------------------------------------------------- */

/* Soon, if one is wanted. */
static void dma_begin(struct edu *edu)
{
	if (edu->command & COMMAND_RUN && !edu->stopped && !edu->copying)
		medio_timer_arm(edu->dma_timer, edu->dma_time);
}

static void dma_end(struct medio_dev *dev)
{
	struct edu *edu = medio_priv(dev);

	edu->command &= ~(uint64_t)COMMAND_RUN;
	if (edu->command & COMMAND_INTERRUPT)
		raise(dev, REASON_DMA);
}

static void on_copied(void *opaque, int ret)
{
	struct medio_dev *dev = opaque;
	struct edu *edu = medio_priv(dev);

	/* The library has told of a fault; the card does not notice. */
	(void)ret;
	edu->copying = false;
	if (!edu->stale)
		dma_end(dev);
	else
		dma_begin(edu);
	edu->stale = false;
	if (edu->asked) {
		edu->asked = false;
		medio_quiesce_done(dev);
	}
}

static uint64_t masked(struct medio_dev *dev, uint64_t iova)
{
	const struct edu *edu = medio_priv(dev);

	if (iova & ~edu->dma_mask)
		medio_guest_error(dev, "DMA at 0x%llx, beyond the mask 0x%llx",
			(unsigned long long)iova, (unsigned long long)edu->dma_mask);
	return iova & edu->dma_mask;
}

static void on_dma(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct edu *edu = medio_priv(dev);
	bool out = edu->command & COMMAND_TO_MEMORY;
	uint64_t at = (out ? edu->from : edu->to) - BUFFER;
	uint64_t iova = out ? edu->to : edu->from;

	if (at > BUFFER_SIZE || edu->count > BUFFER_SIZE - at) {
		medio_guest_error(dev,
			"DMA of %llu bytes at 0x%llx of the card, outside its buffer",
			(unsigned long long)edu->count, (unsigned long long)at + BUFFER);
		dma_end(dev);
		return;
	}
	iova = masked(dev, iova);
	edu->copying = true;
	int ret =
		out ? medio_dma_write_async(dev, iova, edu->buffer + at, edu->count, on_copied, dev)
		    : medio_dma_read_async(dev, iova, edu->buffer + at, edu->count, on_copied, dev);
	if (ret)
		on_copied(dev, ret);
}

static int edu_quiesce(struct medio_dev *dev)
{
	struct edu *edu = medio_priv(dev);

	edu->stopped = true;
	medio_timer_disarm(edu->dma_timer);
	edu->asked = edu->copying;
	return edu->asked ? -EBUSY : 0;
}

static void edu_resume(struct medio_dev *dev)
{
	struct edu *edu = medio_priv(dev);

	edu->stopped = edu->asked = false;
	dma_begin(edu);
}

/* ---- Registers --------------------------------------------------------------------------------- */

static bool has_width(uint64_t offset, size_t count)
{
	return count == 4 || (count == 8 && offset >= WIDE);
}

static int edu_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	const struct edu *edu = medio_priv(dev);
	uint64_t value = UINT64_MAX;

	memset(buf, 0xff, count);
	if (!has_width(offset, count))
		return 0;
	switch (offset) {
	case IDENT:
		value = VERSION;
		break;
	case LIVE:
		value = edu->live;
		break;
	case FACTORIAL:
		value = edu->factorial;
		break;
	case STATUS:
		value = edu->status;
		break;
	case IRQ_STATUS:
		value = edu->reasons;
		break;
	case DMA_FROM:
		value = edu->from;
		break;
	case DMA_TO:
		value = edu->to;
		break;
	case DMA_COUNT:
		value = edu->count;
		break;
	case DMA_COMMAND:
		value = edu->command;
		break;
	}
	medio_put_le(buf, count, value);
	return 0;
}

/* They stay as they are while a copy runs. */
static void dma_write(struct edu *edu, uint64_t offset, uint64_t value)
{
	if (edu->command & COMMAND_RUN)
		return;
	if (offset == DMA_FROM)
		edu->from = value;
	else if (offset == DMA_TO)
		edu->to = value;
	else if (offset == DMA_COUNT)
		edu->count = value;
	else if (offset == DMA_COMMAND && value & COMMAND_RUN) {
		edu->command = value;
		dma_begin(edu);
	}
}

static int edu_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct edu *edu = medio_priv(dev);

	if (!has_width(offset, count)) {
		medio_guest_error(dev, "write of %zu bytes at 0x%llx: registers are of 4 bytes%s",
			count, (unsigned long long)offset, offset < WIDE ? "" : " or 8");
		return 0;
	}
	uint64_t value = medio_get_le(buf, count);
	switch (offset) {
	case LIVE:
		edu->live = ~(uint32_t)value;
		break;
	case FACTORIAL:
		compute(edu, (uint32_t)value);
		break;
	case STATUS:
		edu->status = (edu->status & STATUS_COMPUTING) | (value & STATUS_INTERRUPT);
		break;
	case IRQ_RAISE:
		raise(dev, (uint32_t)value);
		break;
	case IRQ_ACK:
		acknowledge(dev, (uint32_t)value);
		break;
	default:
		dma_write(edu, offset, value);
		break;
	}
	return 0;
}

/* ---- Life -------------------------------------------------------------------------------------- */

static void edu_fini(struct medio_dev *dev)
{
	struct edu *edu = medio_priv(dev);

	medio_timer_free(edu->factorial_timer);
	medio_timer_free(edu->dma_timer);
}

static int edu_init(struct medio_dev *dev)
{
	struct edu *edu = medio_priv(dev);

	edu->factorial_timer = medio_timer_new(dev, on_factorial, dev);
	edu->dma_timer = medio_timer_new(dev, on_dma, dev);
	if (edu->factorial_timer && edu->dma_timer)
		return 0;
	edu_fini(dev);
	return -ENOMEM;
}

static void edu_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct edu *edu = medio_priv(dev);

	medio_timer_disarm(edu->factorial_timer);
	medio_timer_disarm(edu->dma_timer);
	edu->stale = edu->copying;
	edu->live = edu->factorial = edu->status = 0;
	edu->from = edu->to = edu->count = edu->command = 0;
	memset(edu->buffer, 0, sizeof(edu->buffer));
	acknowledge(dev, UINT32_MAX);
}

/* ---- Migration: registers, then the buffer ------------------------------------------------------ */

struct saved {
	uint32_t version, live, factorial, status, reasons, zero;
	uint64_t from, to, count, command;
	uint8_t buffer[BUFFER_SIZE];
};

static ssize_t edu_save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct edu *edu = medio_priv(dev);
	struct saved s = { VERSION, edu->live, edu->factorial, edu->status, edu->reasons, 0,
		edu->from, edu->to, edu->count, edu->command, { 0 } };

	if (cap >= sizeof(s)) {
		memcpy(s.buffer, edu->buffer, sizeof(s.buffer));
		memcpy(buf, &s, sizeof(s));
	}
	return sizeof(s);
}

static int edu_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct edu *edu = medio_priv(dev);
	struct saved s;

	if (size != sizeof(s))
		return -EINVAL;
	memcpy(&s, buf, sizeof(s));
	if (s.version != VERSION || s.status & ~(STATUS_COMPUTING | STATUS_INTERRUPT) || s.zero)
		return -EINVAL;
	edu_reset(dev, MEDIO_RESET_DEVICE);
	edu->live = s.live;
	edu->status = s.status & STATUS_INTERRUPT;
	edu->factorial = s.factorial;
	edu->from = s.from;
	edu->to = s.to;
	edu->count = s.count;
	edu->command = s.command;
	memcpy(edu->buffer, s.buffer, sizeof(edu->buffer));
	if (s.reasons)
		raise(dev, s.reasons);
	if (s.status & STATUS_COMPUTING)
		compute(edu, s.factorial);
	dma_begin(edu);
	return 0;
}

/* ---- The type ---------------------------------------------------------------------------------- */

static const struct medio_param params[] = {
	{ .name = "dma-mask",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct edu, dma_mask),
		.deflt = "0xfffffff",
		.help = "address bits that the card puts out" },
	{ .name = "dma-time",
		.kind = MEDIO_PARAM_TIME,
		.offset = offsetof(struct edu, dma_time),
		.deflt = "100ms",
		.help = "how long a copy takes",
		.max = UINT64_C(10000000000) },
	{ .name = "factorial-time",
		.kind = MEDIO_PARAM_TIME,
		.offset = offsetof(struct edu, factorial_time),
		.deflt = "1ms",
		.help = "how long a factorial takes",
		.max = UINT64_C(10000000000) },
	{ 0 },
};

static const struct medio_device_ops ops = {
	.init = edu_init,
	.fini = edu_fini,
	.region_read = edu_read,
	.region_write = edu_write,
	.reset = edu_reset,
	.quiesce = edu_quiesce,
	.resume = edu_resume,
	.save = edu_save,
	.load = edu_load,
};

const struct medio_type medio_edu = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "edu",
	.summary = "QEMU's device for teaching",
	.description = "Factorials, DMA and interrupts, for those who learn to write drivers.",
	.id = {
		.vendor = 0x1234,
		.device = 0x11e8,
		.subsystem_vendor = 0x1af4,
		.subsystem_device = 0x1100,
		.revision = 0x10,
		.class_code = 0x00ff00,
	},
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 1 << 20 } },
	.irqs = { .intx_pin = 1, .msi = 1 },
	.params = params,
	.state_size = sizeof(struct edu),
	.ops = &ops,
	.registers = registers_edu,
};

const struct medio_type *const medio_edu_types[] = { &medio_edu, NULL };
