/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats: how long a device takes for accesses to each of its registers, how often it interrupts and how much
 * it moves by DMA. Two looks at the clock an access, and memory that is there from the start.
 */
#include "stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "report.h"

#define REPORT_MAX (1u << 20)

struct stats {
	uint64_t registers; /* parameters */
	bool report;

	struct counted counted;
	/* The latest access that was deferred, until its answer; NULL: none is. */
	struct histogram *deferred;
	uint64_t deferred_at;
};

/* ---- Accesses ---------------------------------------------------------------------------------- */

static void ended(struct stats *s, struct histogram *h, uint64_t begin, int ret)
{
	if (ret == MEDIO_DEFERRED) {
		s->deferred = h;
		s->deferred_at = begin;
		return;
	}
	histogram_add(h, medio_now_ns() - begin);
}

static int stats_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct stats *s = medio_priv(dev);
	struct slot *slot = slots_get(&s->counted.slots, dev, region, offset);
	uint64_t begin = medio_now_ns();
	int ret = medio_next_region_read(dev, region, offset, buf, count);

	ended(s, &slot->reads, begin, ret);
	return ret;
}

static int stats_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct stats *s = medio_priv(dev);
	struct slot *slot = slots_get(&s->counted.slots, dev, region, offset);
	uint64_t begin = medio_now_ns();
	int ret = medio_next_region_write(dev, region, offset, buf, count);

	ended(s, &slot->writes, begin, ret);
	return ret;
}

static void stats_completed(struct medio_dev *dev, int ret, const void *data, size_t count)
{
	struct stats *s = medio_priv(dev);

	(void)ret;
	(void)data;
	(void)count;
	if (s->deferred)
		histogram_add(s->deferred, medio_now_ns() - s->deferred_at);
	s->deferred = NULL;
}

static void stats_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct stats *s = medio_priv(dev);

	s->counted.doorbells++;
	medio_next_doorbell(dev, region, offset);
}

static void stats_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct stats *s = medio_priv(dev);

	s->counted.resets++;
	medio_next_reset(dev, kind);
}

static void stats_client(struct medio_dev *dev, bool present)
{
	struct stats *s = medio_priv(dev);

	s->deferred = NULL; /* nobody is told its answer */
	medio_next_client(dev, present);
}

/* ---- Up ---------------------------------------------------------------------------------------- */

static void count_irq(struct medio_dev *dev, unsigned vector)
{
	struct stats *s = medio_priv(dev);

	s->counted.irqs[vector < STATS_VECTORS ? vector : STATS_VECTORS]++;
}

static void stats_irq_set(struct medio_dev *dev, unsigned vector, bool level)
{
	if (level)
		count_irq(dev, vector);
	medio_irq_set(dev, vector, level);
}

static void stats_irq_pulse(struct medio_dev *dev, unsigned vector)
{
	count_irq(dev, vector);
	medio_irq_pulse(dev, vector);
}

static void count_moved(struct moved *moved, size_t len, bool good)
{
	moved->count += good;
	moved->bytes += good ? len : 0;
	moved->failed += !good;
}

static int stats_dma_read(struct medio_dev *dev, uint64_t iova, void *buf, size_t len)
{
	struct stats *s = medio_priv(dev);
	int ret = medio_dma_read(dev, iova, buf, len);

	count_moved(&s->counted.dma_read, len, ret == 0);
	return ret;
}

static int stats_dma_write(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len)
{
	struct stats *s = medio_priv(dev);
	int ret = medio_dma_write(dev, iova, buf, len);

	count_moved(&s->counted.dma_write, len, ret == 0);
	return ret;
}

/* Counted when they begin: an end would need memory to remember it in. */
static int stats_dma_read_async(struct medio_dev *dev, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct stats *s = medio_priv(dev);
	int ret = medio_dma_read_async(dev, iova, buf, len, done, opaque);

	count_moved(&s->counted.dma_read, len, ret == 0);
	return ret;
}

static int stats_dma_write_async(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct stats *s = medio_priv(dev);
	int ret = medio_dma_write_async(dev, iova, buf, len, done, opaque);

	count_moved(&s->counted.dma_write, len, ret == 0);
	return ret;
}

static void *stats_dma_get(
	struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err)
{
	struct stats *s = medio_priv(dev);
	void *ptr = medio_dma_get(dev, iova, len, prot, err);

	count_moved(&s->counted.dma_get, len, ptr != NULL);
	return ptr;
}

/* ---- Attributes -------------------------------------------------------------------------------- */

static void clear(struct stats *s)
{
	struct slots slots = s->counted.slots;

	slots_clear(&slots);
	s->counted = (struct counted){ .since = medio_now_ns(), .slots = slots };
	s->deferred = NULL;
}

static ssize_t show_registers(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct stats *s = medio_priv(dev);

	(void)attr;
	return report_table(&s->counted, buf, size);
}

static ssize_t show_json(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct stats *s = medio_priv(dev);

	(void)attr;
	return report_json(&s->counted, buf, size);
}

static ssize_t show_reset(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct stats *s = medio_priv(dev);
	uint64_t ns = medio_now_ns() - s->counted.since;

	(void)attr;
	return snprintf(buf, size, "%" PRIu64 ".%03" PRIu64 "\n", ns / 1000000000,
		ns % 1000000000 / 1000000);
}

static int store_reset(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	(void)attr;
	(void)buf;
	(void)size;
	clear(medio_priv(dev));
	return 0;
}

static const struct medio_attr stats_attrs[] = {
	{ "json", show_json, NULL },
	{ "registers", show_registers, NULL },
	{ "reset", show_reset, store_reset },
	{ NULL },
};

/* ---- Life -------------------------------------------------------------------------------------- */

static int stats_init(struct medio_dev *dev)
{
	struct stats *s = medio_priv(dev);

	if (slots_init(&s->counted.slots, (unsigned)s->registers))
		return medio_fail(dev, ENOMEM, "out of memory");
	s->counted.since = medio_now_ns();
	return 0;
}

static void print_report(struct medio_dev *dev, const struct stats *s)
{
	char *text = malloc(REPORT_MAX);
	ssize_t len = text ? report_table(&s->counted, text, REPORT_MAX) : -ENOMEM;

	if (len > 0)
		fprintf(stderr, "%s %.8s, %.3f s:\n%.*s", medio_dev_type(dev)->name,
			medio_dev_uuid(dev), (double)(medio_now_ns() - s->counted.since) / 1e9,
			(int)len, text);
	free(text);
}

static void stats_fini(struct medio_dev *dev)
{
	struct stats *s = medio_priv(dev);

	if (s->report)
		print_report(dev, s);
	slots_fini(&s->counted.slots);
}

static const struct medio_param stats_params[] = {
	{ .name = "registers",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct stats, registers),
		.deflt = "256",
		.min = 1,
		.max = 4096,
		.help = "registers that are counted one by one; the next ones are counted together" },
	{ .name = "report",
		.kind = MEDIO_PARAM_BOOL,
		.offset = offsetof(struct stats, report),
		.deflt = "off",
		.help = "print the table on standard error at the end" },
	{ NULL },
};

static const struct medio_device_ops stats_down = {
	.init = stats_init,
	.fini = stats_fini,
	.region_read = stats_read,
	.region_write = stats_write,
	.doorbell = stats_doorbell,
	.reset = stats_reset,
	.client = stats_client,
};

static const struct medio_host_ops stats_up = {
	.irq_set = stats_irq_set,
	.irq_pulse = stats_irq_pulse,
	.dma_read = stats_dma_read,
	.dma_write = stats_dma_write,
	.dma_read_async = stats_dma_read_async,
	.dma_write_async = stats_dma_write_async,
	.dma_get = stats_dma_get,
	.completed = stats_completed,
};

const struct medio_filter medio_filter_stats = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "stats",
	.summary = "Measure how long registers take, and count interrupts and DMA",
	.params = stats_params,
	.attrs = stats_attrs,
	.state_size = sizeof(struct stats),
	.down = &stats_down,
	.up = &stats_up,
};
