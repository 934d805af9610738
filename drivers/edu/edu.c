/* SPDX-License-Identifier: BSD-3-Clause */
#include "edu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Registers of BAR 0. */
enum {
	IDENT = 0x00, /* 0xMMmm00ed: version and name */
	LIVE = 0x04,  /* reads as what was written, inverted */
	FACTORIAL = 0x08,
	STATUS = 0x20,
	IRQ_STATUS = 0x24, /* why it interrupts */
	IRQ_ACK = 0x64,	   /* takes reasons back */
	DMA_FROM = 0x80,
	DMA_TO = 0x88,
	DMA_COUNT = 0x90,
	DMA_COMMAND = 0x98,
	BUFFER = 0x40000, /* where the buffer is for DMA_FROM and DMA_TO */
};

enum { STATUS_COMPUTING = 0x01, STATUS_INTERRUPT = 0x80 };
enum { DMA_START = 1, DMA_TO_MEMORY = 2, DMA_INTERRUPT = 4 };
enum { REASON_FACTORIAL = 0x01, REASON_DMA = 0x100 };

/* PCI's command register. */
enum { COMMAND = 4, COMMAND_MEMORY = 2, COMMAND_MASTER = 4 };

#define DMA_BITS   28 /* that QEMU's edu puts out, unless told otherwise */
#define TIMEOUT_MS 2000

struct edu {
	struct medio_card *card;
	int irq; /* index, -1: none */
	bool automasked;
	uint32_t ident;
	uint64_t interrupts;
	/* Memory for put and get, made at first use. */
	uint8_t *memory;
	uint64_t iova;
};

static int get(struct edu *edu, unsigned reg, uint32_t *out)
{
	return medio_card_read32(edu->card, MEDIO_CARD_BAR0, reg, out);
}

static int set(struct edu *edu, unsigned reg, uint32_t value)
{
	return medio_card_write32(edu->card, MEDIO_CARD_BAR0, reg, value);
}

/* ---- Open and close ---------------------------------------------------------------------------- */

static int identify(struct edu *edu)
{
	uint32_t id = 0;
	int ret = medio_card_read32(edu->card, MEDIO_CARD_CONFIG, 0, &id);

	if (!ret && id != (EDU_DEVICE << 16 | EDU_VENDOR))
		return -ENODEV;
	if (!ret)
		ret = get(edu, IDENT, &edu->ident);
	return !ret && (edu->ident & 0xffff) != 0x00ed ? -ENODEV : ret;
}

/* Let it answer at its BAR, and master the bus: DMA and MSI need that. */
static int switch_on(struct edu *edu)
{
	uint16_t command = 0;
	int ret = medio_card_read16(edu->card, MEDIO_CARD_CONFIG, COMMAND, &command);

	return ret ? ret
		   : medio_card_write16(edu->card, MEDIO_CARD_CONFIG, COMMAND,
			     command | COMMAND_MEMORY | COMMAND_MASTER);
}

static int open_irq(struct edu *edu, int irq)
{
	struct medio_card_irq info;

	if (irq < 0)
		return 0;
	int ret = medio_card_get_irq(edu->card, (unsigned)irq, &info);
	if (!ret)
		ret = medio_card_irq_open(edu->card, (unsigned)irq, 1);
	if (ret)
		return ret;
	edu->irq = irq;
	edu->automasked = info.automasked;
	return 0;
}

int edu_open(struct medio_card *card, int irq, struct edu **out)
{
	struct edu *edu = calloc(1, sizeof(*edu));
	uint32_t left = 0;

	if (!edu)
		return -ENOMEM;
	edu->card = card;
	edu->irq = -1;
	int ret = switch_on(edu);
	if (!ret)
		ret = identify(edu);
	/* What an earlier driver did not wait for. */
	if (!ret)
		ret = get(edu, IRQ_STATUS, &left);
	if (!ret)
		ret = set(edu, IRQ_ACK, left);
	if (!ret)
		ret = medio_card_dma_mask(card, DMA_BITS);
	if (!ret)
		ret = open_irq(edu, irq);
	if (ret) {
		edu_close(edu);
		return ret;
	}
	*out = edu;
	return 0;
}

void edu_close(struct edu *edu)
{
	if (!edu)
		return;
	if (edu->irq >= 0)
		medio_card_irq_disable(edu->card, (unsigned)edu->irq);
	if (edu->memory)
		medio_card_dma_unmap(edu->card, edu->iova, EDU_BUFFER);
	free(edu);
}

unsigned edu_version(const struct edu *edu)
{
	return edu->ident >> 24 << 16 | (edu->ident >> 16 & 0xff);
}

uint64_t edu_interrupts(const struct edu *edu)
{
	return edu->interrupts;
}

/* ---- Work -------------------------------------------------------------------------------------- */

int edu_check(struct edu *edu)
{
	const uint32_t word = 0x5a0ff1ce;
	uint32_t back = 0;
	int ret = set(edu, LIVE, word);

	if (!ret)
		ret = get(edu, LIVE, &back);
	return !ret && back != ~word ? -EIO : ret;
}

/* Serve interrupts until one has this reason. */
static int wait_interrupt(struct edu *edu, uint32_t reason)
{
	for (;;) {
		uint64_t events = 0;
		uint32_t reasons = 0;
		int ret = medio_card_irq_wait(
			edu->card, (unsigned)edu->irq, 0, TIMEOUT_MS, &events);
		if (!ret)
			ret = get(edu, IRQ_STATUS, &reasons);
		/* First the device's line falls, then it may be heard again. */
		if (!ret)
			ret = set(edu, IRQ_ACK, reasons);
		if (!ret && edu->automasked)
			ret = medio_card_irq_unmask(edu->card, (unsigned)edu->irq, 0, 1);
		edu->interrupts += events;
		if (ret || reasons & reason)
			return ret;
	}
}

static int wait_clear(struct edu *edu, unsigned reg, uint32_t bit)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int ms = 0; ms < TIMEOUT_MS; ms++) {
		uint32_t value = 0;
		int ret = get(edu, reg, &value);
		if (ret || !(value & bit))
			return ret;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

int edu_factorial(struct edu *edu, uint32_t n, uint32_t *out)
{
	int ret = set(edu, STATUS, edu->irq < 0 ? 0 : STATUS_INTERRUPT);

	if (!ret)
		ret = set(edu, FACTORIAL, n);
	if (!ret)
		ret = edu->irq < 0 ? wait_clear(edu, STATUS, STATUS_COMPUTING)
				   : wait_interrupt(edu, REASON_FACTORIAL);
	return ret ? ret : get(edu, FACTORIAL, out);
}

static int copy(struct edu *edu, uint64_t from, uint64_t to, unsigned size, uint32_t direction)
{
	struct medio_card *card = edu->card;
	uint32_t command = DMA_START | direction | (edu->irq < 0 ? 0 : DMA_INTERRUPT);
	int ret = medio_card_write64(card, MEDIO_CARD_BAR0, DMA_FROM, from);

	if (!ret)
		ret = medio_card_write64(card, MEDIO_CARD_BAR0, DMA_TO, to);
	if (!ret)
		ret = medio_card_write64(card, MEDIO_CARD_BAR0, DMA_COUNT, size);
	if (!ret)
		ret = medio_card_write64(card, MEDIO_CARD_BAR0, DMA_COMMAND, command);
	if (ret)
		return ret;
	return edu->irq < 0 ? wait_clear(edu, DMA_COMMAND, DMA_START)
			    : wait_interrupt(edu, REASON_DMA);
}

static bool fits(unsigned at, unsigned size)
{
	return at <= EDU_BUFFER && size <= EDU_BUFFER - at;
}

int edu_put_iova(struct edu *edu, unsigned at, uint64_t iova, unsigned size)
{
	if (!fits(at, size) || !size || size > EDU_MAX_DMA)
		return -EINVAL;
	return copy(edu, iova, BUFFER + at, size, 0);
}

int edu_get_iova(struct edu *edu, unsigned at, uint64_t iova, unsigned size)
{
	if (!fits(at, size) || !size || size > EDU_MAX_DMA)
		return -EINVAL;
	return copy(edu, BUFFER + at, iova, size, DMA_TO_MEMORY);
}

static int have_memory(struct edu *edu)
{
	void *ptr;
	int ret = edu->memory
			  ? 0
			  : medio_card_dma_alloc_any(edu->card, EDU_BUFFER,
				    MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &edu->iova, &ptr);

	if (!ret && !edu->memory)
		edu->memory = ptr;
	return ret;
}

int edu_put(struct edu *edu, unsigned at, const void *data, unsigned size)
{
	const uint8_t *p = data;
	int ret = fits(at, size) ? have_memory(edu) : -EINVAL;

	while (!ret && size) {
		unsigned n = size < EDU_MAX_DMA ? size : EDU_MAX_DMA;
		memcpy(edu->memory, p, n);
		ret = edu_put_iova(edu, at, edu->iova, n);
		p += n;
		at += n;
		size -= n;
	}
	return ret;
}

int edu_get(struct edu *edu, unsigned at, void *data, unsigned size)
{
	uint8_t *p = data;
	int ret = fits(at, size) ? have_memory(edu) : -EINVAL;

	while (!ret && size) {
		unsigned n = size < EDU_MAX_DMA ? size : EDU_MAX_DMA;
		ret = edu_get_iova(edu, at, edu->iova, n);
		if (!ret)
			memcpy(p, edu->memory, n);
		p += n;
		at += n;
		size -= n;
	}
	return ret;
}
