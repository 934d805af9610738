/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes up from the device: interrupts and DMA, and a card that is gone. */
#include <errno.h>

#include "inside.h"

/* ---- Removal ----------------------------------------------------------------------------------- */

static bool is_high(const struct fault *f, unsigned vector)
{
	return vector < FAULT_MAX_VECTOR && f->levels[vector / 64] >> vector % 64 & 1;
}

static void set_lines(struct medio_dev *dev, bool level)
{
	const struct fault *f = medio_priv(dev);

	for (unsigned vector = 0; vector < FAULT_MAX_VECTOR; vector++)
		if (is_high(f, vector))
			medio_irq_set(dev, vector, level);
}

void fault_set_removed(struct medio_dev *dev, bool removed)
{
	struct fault *f = medio_priv(dev);

	if (f->removed == removed)
		return;
	f->removed = removed;
	set_lines(dev, !removed);
	medio_log(dev, MEDIO_LOG_INFO, "fault: the card %s", removed ? "is gone" : "is back");
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

void fault_inject(struct medio_dev *dev, unsigned vector)
{
	if (medio_irq_kind(dev) != MEDIO_IRQ_INTX) {
		medio_irq_pulse(dev, vector);
	} else if (!is_high(medio_priv(dev), vector)) {
		medio_irq_set(dev, vector, true);
		medio_irq_set(dev, vector, false);
	}
}

static bool irq_is_struck(struct fault *f, unsigned vector)
{
	return f->enabled &&
	       (f->rule.action == FAULT_SPURIOUS || f->rule.vector == FAULT_ANY ||
		       f->rule.vector == vector) &&
	       fault_is_struck(f, FAULT_IRQ);
}

/* What a rule does to an interrupt besides letting it pass: how often it comes. */
static unsigned irq_times(struct medio_dev *dev, unsigned vector)
{
	struct fault *f = medio_priv(dev);

	if (f->removed)
		return 0;
	if (!irq_is_struck(f, vector))
		return 1;
	switch (f->rule.action) {
	case FAULT_DUPLICATE:
		return 2;
	case FAULT_SPURIOUS:
		fault_inject(dev, f->rule.vector);
		return 1;
	case FAULT_REMOVE:
		fault_set_removed(dev, true);
		return 0;
	default:
		return 0;
	}
}

static void fault_irq_set(struct medio_dev *dev, unsigned vector, bool level)
{
	struct fault *f = medio_priv(dev);
	const bool rises = level && !is_high(f, vector);

	if (vector < FAULT_MAX_VECTOR && level)
		f->levels[vector / 64] |= UINT64_C(1) << vector % 64;
	else if (vector < FAULT_MAX_VECTOR)
		f->levels[vector / 64] &= ~(UINT64_C(1) << vector % 64);
	unsigned times = rises ? irq_times(dev, vector) : !f->removed;
	if (!times)
		return;
	medio_irq_set(dev, vector, level);
	if (times == 2)
		medio_irq_pulse(dev, vector); /* under INTx a line cannot be raised twice */
}

static void fault_irq_pulse(struct medio_dev *dev, unsigned vector)
{
	for (unsigned times = irq_times(dev, vector); times; times--)
		medio_irq_pulse(dev, vector);
}

/* ---- DMA --------------------------------------------------------------------------------------- */

/* 0: it may go on; else -errno. what: FAULT_DMA_*, a set. */
static int check_dma(struct medio_dev *dev, unsigned what, uint64_t iova, size_t len)
{
	struct fault *f = medio_priv(dev);

	if (!f->removed && f->enabled && f->rule.on & what && len && iova <= f->rule.last &&
		(len - 1 > UINT64_MAX - iova || iova + (len - 1) >= f->rule.first) &&
		fault_is_struck(f, what)) {
		if (f->rule.action != FAULT_REMOVE)
			return f->rule.error;
		fault_set_removed(dev, true);
	}
	return f->removed ? -ENODEV : 0;
}

static int fault_dma_read(struct medio_dev *dev, uint64_t iova, void *buf, size_t len)
{
	int ret = check_dma(dev, FAULT_DMA_READ, iova, len);

	return ret ? ret : medio_dma_read(dev, iova, buf, len);
}

static int fault_dma_write(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len)
{
	int ret = check_dma(dev, FAULT_DMA_WRITE, iova, len);

	return ret ? ret : medio_dma_write(dev, iova, buf, len);
}

static int fault_dma_read_async(struct medio_dev *dev, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	int ret = check_dma(dev, FAULT_DMA_READ, iova, len);

	return ret ? ret : medio_dma_read_async(dev, iova, buf, len, done, opaque);
}

static int fault_dma_write_async(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	int ret = check_dma(dev, FAULT_DMA_WRITE, iova, len);

	return ret ? ret : medio_dma_write_async(dev, iova, buf, len, done, opaque);
}

static void *fault_dma_get(
	struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err)
{
	unsigned what = (prot & MEDIO_PROT_READ ? FAULT_DMA_READ : 0) |
			(prot & MEDIO_PROT_WRITE ? FAULT_DMA_WRITE : 0);
	int ret = check_dma(dev, what, iova, len);

	if (!ret)
		return medio_dma_get(dev, iova, len, prot, err);
	if (err)
		*err = ret;
	return NULL;
}

const struct medio_host_ops fault_up = {
	.irq_set = fault_irq_set,
	.irq_pulse = fault_irq_pulse,
	.dma_read = fault_dma_read,
	.dma_write = fault_dma_write,
	.dma_read_async = fault_dma_read_async,
	.dma_write_async = fault_dma_write_async,
	.dma_get = fault_dma_get,
};
