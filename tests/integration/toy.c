/* SPDX-License-Identifier: BSD-3-Clause */
#include "toy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void note(struct toy *toy, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void note(struct toy *toy, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(toy->log + toy->log_len, sizeof(toy->log) - toy->log_len, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(toy->log) - toy->log_len)
		toy->log_len += (size_t)n;
	else
		toy->log[toy->log_len] = '\0'; /* full */
}

void toy_forget_log(struct toy *toy)
{
	toy->log_len = 0;
	toy->log[0] = '\0';
}

/* ---- Answers that come later ------------------------------------------------------------------ */

static int defer(struct toy *toy, bool read, size_t count)
{
	if (toy->num_waiting == TOY_MAX_TOKENS || count > sizeof(toy->answer))
		return -EBUSY;
	struct medio_token *token = medio_defer(toy->dev);
	if (!token)
		return -ENOMEM;
	if (toy->mode & TOY_EARLY) {
		medio_complete(token, 0, read ? toy->answer : NULL, read ? count : 0);
		return MEDIO_DEFERRED;
	}
	toy->waiting[toy->num_waiting].token = token;
	toy->waiting[toy->num_waiting].read = read;
	toy->waiting[toy->num_waiting++].count = count;
	return MEDIO_DEFERRED;
}

void toy_answer(struct toy *toy, int ret)
{
	/* An answer lets the next access in, which may defer too: that one is not ours to answer. */
	unsigned n = toy->num_waiting;
	for (unsigned i = 0; i < n; i++) {
		struct medio_token *token = toy->waiting[0].token;
		bool read = toy->waiting[0].read;
		size_t count = toy->waiting[0].count;
		toy->num_waiting--;
		memmove(&toy->waiting[0], &toy->waiting[1],
			toy->num_waiting * sizeof(toy->waiting[0]));
		medio_complete(token, ret, read ? toy->answer : NULL, read ? count : 0);
	}
}

void toy_settle(struct toy *toy)
{
	toy->mode &= ~(unsigned)TOY_BUSY;
	toy_answer(toy, 0);
	if (toy->quiesce_asked)
		medio_quiesce_done(toy->dev);
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static uint64_t iova_of(const struct toy *toy)
{
	return (uint64_t)toy->regs[TOY_IOVA / 4] << 12;
}

static size_t len_of(const struct toy *toy)
{
	return toy->regs[TOY_LEN / 4] % (TOY_DMA_MAX + 1);
}

static void start_async(struct toy *toy, bool write);

static void on_dma(void *opaque, int ret)
{
	struct toy *toy = opaque;
	toy->dma_ended++;
	toy->dma_ret = ret;
	note(toy, "dma %d;", ret);
	if (toy->mode & TOY_DMA_READS)
		toy_answer(toy, ret);
	if (ret && toy->dma_retry)
		start_async(toy, toy->dma_writes);
}

static void start_async(struct toy *toy, bool write)
{
	toy->dma_started++;
	toy->dma_writes = write;
	int ret = write ? medio_dma_write_async(
				  toy->dev, iova_of(toy), toy->dma, len_of(toy), on_dma, toy)
			: medio_dma_read_async(
				  toy->dev, iova_of(toy), toy->dma, len_of(toy), on_dma, toy);
	if (ret) {
		toy->dma_ended++;
		toy->dma_ret = ret;
		note(toy, "dma refused %d;", ret);
	}
}

static void go(struct toy *toy, uint32_t what)
{
	uint64_t iova = iova_of(toy);
	size_t len = len_of(toy);
	switch (what) {
	case TOY_COPY_IN:
		toy->dma_ret = medio_dma_read(toy->dev, iova, toy->dma, len);
		break;
	case TOY_COPY_OUT:
		toy->dma_ret = medio_dma_write(toy->dev, iova, toy->dma, len);
		break;
	case TOY_ASYNC_IN:
	case TOY_ASYNC_OUT:
		if (toy->dma_started - toy->dma_ended < 32)
			start_async(toy, what == TOY_ASYNC_OUT);
		break;
	case TOY_GET: {
		uint8_t *at = medio_dma_get(toy->dev, iova, 8, MEDIO_PROT_WRITE, &toy->dma_ret);
		if (at)
			at[7]++;
		break;
	}
	default:
		break;
	}
}

/* ---- Operations ---------------------------------------------------------------------------------- */

static int toy_init(struct medio_dev *dev)
{
	struct toy *toy = toy_of(dev);
	toy->dev = dev;
	toy->store = calloc(1, TOY_STORE_SIZE);
	toy->dma = calloc(1, TOY_DMA_MAX);
	if (toy->store && toy->dma)
		return 0;
	free(toy->store);
	free(toy->dma);
	return -ENOMEM;
}

static void toy_fini(struct medio_dev *dev)
{
	struct toy *toy = toy_of(dev);
	free(toy->store);
	free(toy->dma);
}

static int reg_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	(void)region;
	medio_put_le(buf, count, toy_of(dev)->regs[offset / 4] >> (offset % 4 * 8));
	return 0;
}

static int reg_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct toy *toy = toy_of(dev);
	uint32_t value = (uint32_t)medio_get_le(buf, count);
	(void)region;
	toy->regs[offset / 4] = value;
	switch (offset & ~3ull) {
	case TOY_RAISE:
		medio_irq_set(dev, value, true);
		break;
	case TOY_LOWER:
		medio_irq_set(dev, value, false);
		break;
	case TOY_PULSE:
		medio_irq_pulse(dev, value);
		break;
	case TOY_MODE:
		toy->mode = value;
		break;
	case TOY_DMA:
		go(toy, value);
		break;
	case TOY_SETTLE:
		toy_settle(toy);
		break;
	case TOY_REMAP: {
		void *page;
		if (value & 1)
			medio_dma_pin(dev, iova_of(toy), 1, MEDIO_PROT_WRITE, &page);
		else
			medio_dma_unpin(dev, iova_of(toy), 1);
		break;
	}
	default:
		break;
	}
	return 0;
}

static int toy_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct toy *toy = toy_of(dev);
	if (toy->mode & TOY_FAIL)
		return -EIO;
	if (region == MEDIO_REGION_BAR0)
		return medio_reg_split(dev, region, offset, buf, count, 4, reg_read);
	if (region == 2) {
		memcpy(buf, toy->store + offset, count);
		return 0;
	}
	if (region == 4 && toy->mode & TOY_DMA_READS) {
		int ret = defer(toy, true, count);
		if (ret == MEDIO_DEFERRED)
			start_async(toy, false);
		return ret;
	}
	if (toy->mode & TOY_DEFER_READS)
		return defer(toy, true, count);
	memset(buf, (int)region, count);
	return 0;
}

static int toy_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct toy *toy = toy_of(dev);
	toy->writes++;
	if (region == MEDIO_REGION_BAR0)
		return medio_reg_split(dev, region, offset, (void *)buf, count, 4, reg_write);
	if (toy->mode & TOY_FAIL)
		return -EIO;
	if (region == 2) {
		memcpy(toy->store + offset, buf, count);
		return 0;
	}
	if (toy->mode & TOY_DEFER_WRITES)
		return defer(toy, false, count);
	return 0;
}

static void toy_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct toy *toy = toy_of(dev);
	(void)region;
	toy->bells++;
	toy->last_bell = offset;
}

static void toy_config_changed(struct medio_dev *dev, unsigned offset, size_t count)
{
	note(toy_of(dev), "config 0x%x %zu;", offset, count);
}

static void toy_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct toy *toy = toy_of(dev);
	note(toy, "reset %d;", (int)kind);
	toy->mode = 0;
	memset(toy->regs, 0, sizeof(toy->regs));
}

static int toy_map(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot)
{
	note(toy_of(dev), "map 0x%llx 0x%llx %u;", (unsigned long long)iova,
		(unsigned long long)size, prot);
	return 0;
}

static void toy_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size)
{
	note(toy_of(dev), "unmap 0x%llx 0x%llx;", (unsigned long long)iova,
		(unsigned long long)size);
	if (size <= 512ull * 4096)
		medio_dma_unpin(dev, iova, (unsigned)(size / 4096));
}

static int toy_quiesce(struct medio_dev *dev)
{
	struct toy *toy = toy_of(dev);
	toy->quiesce_asked = toy->mode & TOY_BUSY;
	if (toy->quiesce_asked)
		return -EBUSY;
	toy->quiet++;
	return 0;
}

static void toy_resume(struct medio_dev *dev)
{
	toy_of(dev)->quiet = 0;
	toy_of(dev)->quiesce_asked = false;
}

static void toy_client(struct medio_dev *dev, bool present)
{
	note(toy_of(dev), "client %d;", present);
}

static ssize_t toy_save(struct medio_dev *dev, void *buf, size_t cap)
{
	struct toy *toy = toy_of(dev);
	if (cap < 8192)
		return 8192;
	memset(buf, 0x5a, 8192);
	memcpy(buf, toy->store, 16);
	return 8192;
}

static int toy_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct toy *toy = toy_of(dev);
	if (size != 8192 || ((const uint8_t *)buf)[100] != 0x5a)
		return -EINVAL;
	memcpy(toy->store, buf, 16);
	return 0;
}

/* ---- The type -------------------------------------------------------------------------------------- */

static const struct medio_mmap_area sparse[] = { { 0x1000, 0x1000 }, { 0x4000, 0x2000 }, { 0, 0 } };
static const struct medio_mmap_area whole[] = { { 0, TOY_MAP_SIZE }, { 0, 0 } };

static const struct medio_doorbell bells[] = {
	{ .offset = 0x0, .size = 4 },
	{ .offset = 0x8, .size = 4, .has_datamatch = true, .datamatch = 7 },
	{ .offset = 0x10, .size = 0 },
};

static const struct medio_cap caps[] = {
	{ .kind = MEDIO_CAP_PM },
	{ .kind = MEDIO_CAP_PCIE },
	{ .kind = MEDIO_CAP_MSI },
	{ .kind = MEDIO_CAP_MSIX },
	{ .kind = MEDIO_CAP_NONE },
};

static const struct medio_device_ops ops = {
	.init = toy_init,
	.fini = toy_fini,
	.region_read = toy_read,
	.region_write = toy_write,
	.doorbell = toy_doorbell,
	.config_changed = toy_config_changed,
	.reset = toy_reset,
	.dma_map = toy_map,
	.dma_unmap = toy_unmap,
	.quiesce = toy_quiesce,
	.resume = toy_resume,
	.client = toy_client,
	.save = toy_save,
	.load = toy_load,
};

/* ---- Attributes ------------------------------------------------------------------------------- */

static ssize_t colour_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct toy *toy = medio_priv(dev);
	(void)attr;
	return snprintf(buf, size, "%s", toy->colour);
}

static int colour_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct toy *toy = medio_priv(dev);
	(void)attr;
	if (size >= sizeof(toy->colour))
		return -EINVAL;
	memcpy(toy->colour, buf, size);
	toy->colour[size] = '\0';
	return 0;
}

static const struct medio_attr attrs[] = {
	{ "toy/colour", colour_show, colour_store },
	{ "toy/secret", NULL, colour_store },
	{ 0 },
};

const struct medio_type toy_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "toy",
	.summary = "One of everything",
	.id = { TOY_VENDOR, TOY_DEVICE, TOY_VENDOR, TOY_DEVICE, 1, 0xff0000 },
	.bars = {
		[0] = { MEDIO_BAR_IO, false, TOY_IO_SIZE, NULL, NULL, 0 },
		[1] = { MEDIO_BAR_MEM32, false, TOY_SPARSE_SIZE, sparse, bells, 3 },
		[2] = { MEDIO_BAR_MEM64, true, TOY_STORE_SIZE, NULL, NULL, 0 },
		[4] = { MEDIO_BAR_MEM32, false, TOY_MSIX_SIZE, NULL, NULL, 0 },
		[5] = { MEDIO_BAR_MEM32, true, TOY_MAP_SIZE, whole, NULL, 0 },
	},
	.irqs = { .intx_pin = 1, .msi = TOY_MSI, .msi_vector_mask = true,
		.msix = { TOY_VECTORS, 4, 4, TOY_TABLE, TOY_PBA } },
	.caps = caps,
	.attrs = attrs,
	.state_size = sizeof(struct toy),
	.ops = &ops,
};
