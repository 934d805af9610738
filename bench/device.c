/* SPDX-License-Identifier: BSD-3-Clause */
/* The device under test: as little work of its own as there can be, on a card with everything. */
#include "bench.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "device/instance.h"

#define DMA_MAX (4u << 20)

struct card {
	struct medio_bench_shared *shared;
	struct medio_timer *timer;
	uint8_t *buf; /* what DMA moves, made at first use */
	bool dma_write;
	uint8_t bytes[MEDIO_BENCH_BAR];
};

void medio_bench_share(struct medio_instance *inst, struct medio_bench_shared *shared)
{
	struct card *card = medio_priv(medio_instance_device(inst));
	card->shared = shared;
}

static void on_timer(void *opaque)
{
	struct medio_dev *dev = opaque;
	const struct card *card = medio_priv(dev);
	if (card->shared)
		atomic_store(&card->shared->stamp, medio_now_ns());
	medio_irq_pulse(dev, 0);
}

static void on_moved(void *opaque, int ret)
{
	struct medio_dev *dev = opaque;
	if (ret == 0)
		medio_irq_pulse(dev, 0);
}

static int move(struct medio_dev *dev, size_t size)
{
	struct card *card = medio_priv(dev);
	if (size > DMA_MAX)
		return -EINVAL;
	if (!card->buf)
		card->buf = malloc(DMA_MAX);
	if (!card->buf)
		return -ENOMEM;
	return card->dma_write ? medio_dma_write_async(
					 dev, MEDIO_BENCH_IOVA, card->buf, size, on_moved, dev)
			       : medio_dma_read_async(
					 dev, MEDIO_BENCH_IOVA, card->buf, size, on_moved, dev);
}

static int region_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	const struct card *card = medio_priv(dev);
	if (region == 0)
		memcpy(buf, card->bytes + offset, count);
	else
		memset(buf, 0, count);
	return 0;
}

static int region_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct card *card = medio_priv(dev);
	if (region == 0) {
		memcpy(card->bytes + offset, buf, count);
		return 0;
	}
	uint64_t value = medio_get_le(buf, count < 8 ? count : 8);
	if (offset == MEDIO_BENCH_FIRE)
		medio_timer_arm(card->timer, value * 1000);
	else if (offset == MEDIO_BENCH_DMA)
		return move(dev, value);
	else if (offset == MEDIO_BENCH_WRITE)
		card->dma_write = value != 0;
	return 0;
}

static int init(struct medio_dev *dev)
{
	struct card *card = medio_priv(dev);
	card->timer = medio_timer_new(dev, on_timer, dev);
	return card->timer ? 0 : -ENOMEM;
}

static void fini(struct medio_dev *dev)
{
	struct card *card = medio_priv(dev);
	medio_timer_free(card->timer);
	free(card->buf);
}

static const struct medio_device_ops ops = {
	.init = init,
	.fini = fini,
	.region_read = region_read,
	.region_write = region_write,
};

static const struct medio_cap caps[] = {
	{ .kind = MEDIO_CAP_PM },
	{ .kind = MEDIO_CAP_PCIE },
	{ .kind = MEDIO_CAP_MSI },
	{ .kind = MEDIO_CAP_MSIX },
	{ 0 },
};

const struct medio_type medio_bench_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "bench",
	.summary = "Registers that do nothing",
	.id = { .vendor = 0x1b36, .device = 0x00ff, .class_code = 0xff0000 },
	.bars = {
		[0] = { .kind = MEDIO_BAR_MEM32, .size = MEDIO_BENCH_BAR },
		[2] = { .kind = MEDIO_BAR_MEM32, .size = MEDIO_BENCH_REGS },
		[4] = { .kind = MEDIO_BAR_MEM32, .size = 8192 },
	},
	.irqs = {
		.msi = 1,
		.msix = { .vectors = 64, .table_bar = 4, .pba_bar = 4, .pba_offset = 4096 },
	},
	.caps = caps,
	.state_size = sizeof(struct card),
	.ops = &ops,
};
