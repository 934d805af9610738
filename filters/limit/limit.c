/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limit: no more than so many accesses and bytes a second.
 *
 * Accesses to BARs wait until there is room for them; nobody is blocked meanwhile but the client that
 * asked. What a device moves by DMA cannot wait in the middle of its work, unless it asks in the
 * asynchronous way, and then its end is told late. Else it is moved at once and owed: what would give the
 * device more to do, accesses and doorbells, waits until the debt is paid.
 */
#include "limit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bucket.h"
#include "wait/wait.h"

#define BELLS 64 /* doorbells that wait; one that rings again waits once */

struct bell {
	unsigned region;
	uint64_t offset;
};

/* Asynchronous DMA whose end waits. */
struct transfer {
	struct transfer *next, **link;
	struct medio_dev *dev;
	struct medio_timer *timer;
	uint64_t due;
	bool moved; /* only the end is waited for */
	medio_dma_done *done;
	void *opaque;
};

struct limit {
	uint64_t iops, bandwidth, dma,
		burst; /* parameters; the first three are the buckets' rates */

	struct bucket accesses, bytes, moved;
	struct wait_queue queue;
	struct medio_timer *bell_timer;
	struct bell bells[BELLS];
	unsigned nbells;
	struct transfer *transfers; /* of which the end waits, or may have to */
	uint64_t delayed;	    /* accesses, doorbells and transfers that had to wait */
	uint64_t delayed_ns;	    /* so long in all */
};

static void count(struct limit *l, uint64_t due, uint64_t now)
{
	l->delayed++;
	l->delayed_ns += due - now;
}

/* ---- Accesses ---------------------------------------------------------------------------------- */

static uint64_t latest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* When an access of so many bytes may go down. */
static uint64_t admit(struct limit *l, uint64_t bytes, uint64_t now)
{
	uint64_t due = bucket_take(&l->accesses, 1, l->burst, now);

	due = latest(due, bucket_take(&l->bytes, bytes, l->burst, now));
	return latest(due, bucket_ready(&l->moved, l->burst, now));
}

static int limit_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t size)
{
	struct limit *l = medio_priv(dev);
	uint64_t now = medio_now_ns();
	uint64_t due = region == MEDIO_REGION_CONFIG ? now : admit(l, size, now);

	if (due <= now && wait_is_empty(&l->queue))
		return medio_next_region_read(dev, region, offset, buf, size);
	count(l, due, now);
	return wait_add(&l->queue, due, region, offset, NULL, size);
}

static int limit_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t size)
{
	struct limit *l = medio_priv(dev);
	uint64_t now = medio_now_ns();
	uint64_t due = region == MEDIO_REGION_CONFIG ? now : admit(l, size, now);

	if (due <= now && wait_is_empty(&l->queue))
		return medio_next_region_write(dev, region, offset, buf, size);
	count(l, due, now);
	return wait_add(&l->queue, due, region, offset, buf, size);
}

/* ---- Doorbells --------------------------------------------------------------------------------- */

static void ring_all(struct medio_dev *dev)
{
	struct limit *l = medio_priv(dev);
	struct bell bells[BELLS];
	unsigned n = l->nbells;

	memcpy(bells, l->bells, n * sizeof(bells[0]));
	l->nbells = 0;
	for (unsigned i = 0; i < n; i++)
		medio_next_doorbell(dev, bells[i].region, bells[i].offset);
}

static void on_bell_timer(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct limit *l = medio_priv(dev);
	uint64_t now = medio_now_ns(), due = bucket_ready(&l->moved, l->burst, now);

	if (due > now)
		medio_timer_arm(l->bell_timer, due - now);
	else
		ring_all(dev);
}

/* Doorbells that a client rings through an eventfd are accesses too, and those that follow a write have
 * been one already: so only the debt counts here. */
static void limit_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct limit *l = medio_priv(dev);
	uint64_t now = medio_now_ns(), due = bucket_ready(&l->moved, l->burst, now);

	for (unsigned i = 0; i < l->nbells; i++)
		if (l->bells[i].region == region && l->bells[i].offset == offset)
			return;
	if ((due <= now && !l->nbells) || l->nbells == BELLS) {
		medio_next_doorbell(dev, region, offset);
		return;
	}
	if (!l->nbells)
		medio_timer_arm(l->bell_timer, due - now);
	l->bells[l->nbells++] = (struct bell){ region, offset };
	count(l, latest(due, now), now);
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static void owe(struct limit *l, size_t len)
{
	bucket_take(&l->moved, len, l->burst, medio_now_ns());
}

static int limit_dma_read(struct medio_dev *dev, uint64_t iova, void *buf, size_t len)
{
	owe(medio_priv(dev), len);
	return medio_dma_read(dev, iova, buf, len);
}

static int limit_dma_write(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len)
{
	owe(medio_priv(dev), len);
	return medio_dma_write(dev, iova, buf, len);
}

/* Of memory that is taken it is not seen what is used of it: all of it counts. */
static void *limit_dma_get(
	struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err)
{
	owe(medio_priv(dev), len);
	return medio_dma_get(dev, iova, len, prot, err);
}

static void transfer_free(struct transfer *t)
{
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	medio_timer_free(t->timer);
	free(t);
}

static void transfer_end(struct transfer *t, int ret)
{
	medio_dma_done *done = t->done;
	void *opaque = t->opaque;

	transfer_free(t);
	done(opaque, ret);
}

static void on_transfer_timer(void *opaque)
{
	transfer_end(opaque, 0);
}

static void transfer_done(void *opaque, int ret)
{
	struct transfer *t = opaque;
	uint64_t now = medio_now_ns();

	/* What failed was not moved, and is told at once: memory may be going. */
	t->moved = true;
	if (ret || t->due <= now)
		transfer_end(t, ret);
	else
		medio_timer_arm(t->timer, t->due - now);
}

/* NULL: it need not wait, or there is no memory; then it is owed only. */
static struct transfer *transfer_new(
	struct medio_dev *dev, size_t len, medio_dma_done *done, void *opaque)
{
	struct limit *l = medio_priv(dev);
	uint64_t now = medio_now_ns(), due = bucket_take(&l->moved, len, l->burst, now);
	struct transfer *t = due > now ? calloc(1, sizeof(*t)) : NULL;

	if (!t)
		return NULL;
	*t = (struct transfer){ .dev = dev, .due = due, .done = done, .opaque = opaque };
	t->timer = medio_timer_new(dev, on_transfer_timer, t);
	if (!t->timer) {
		free(t);
		return NULL;
	}
	t->next = l->transfers;
	t->link = &l->transfers;
	if (t->next)
		t->next->link = &t->next;
	l->transfers = t;
	count(l, due, now);
	return t;
}

static int limit_dma_read_async(struct medio_dev *dev, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct transfer *t = transfer_new(dev, len, done, opaque);

	if (!t)
		return medio_dma_read_async(dev, iova, buf, len, done, opaque);
	int ret = medio_dma_read_async(dev, iova, buf, len, transfer_done, t);
	if (ret)
		transfer_free(t);
	return ret;
}

static int limit_dma_write_async(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct transfer *t = transfer_new(dev, len, done, opaque);

	if (!t)
		return medio_dma_write_async(dev, iova, buf, len, done, opaque);
	int ret = medio_dma_write_async(dev, iova, buf, len, transfer_done, t);
	if (ret)
		transfer_free(t);
	return ret;
}

/* ---- Attributes -------------------------------------------------------------------------------- */

/* The parameter of an attribute's name. */
static uint64_t *value_of(struct limit *l, const char *name)
{
	if (strcmp(name, "iops") == 0)
		return &l->iops;
	return strcmp(name, "bandwidth") == 0 ? &l->bandwidth : &l->dma;
}

static ssize_t show_rate(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%" PRIu64 "\n", *value_of(medio_priv(dev), attr->name));
}

static void apply(struct limit *l)
{
	l->accesses.rate = l->iops;
	l->bytes.rate = l->bandwidth;
	l->moved.rate = l->dma;
}

/* "100", "64K\n": as the parameter. */
static int parse(const char *text, size_t size, uint64_t *out)
{
	static const char suffixes[] = "KMGT";
	char copy[32], *end;

	if (size && text[size - 1] == '\n')
		size--;
	if (!size || size >= sizeof(copy) || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	memcpy(copy, text, size);
	copy[size] = '\0';
	errno = 0;
	uint64_t value = strtoull(copy, &end, 0);
	if (errno)
		return -EINVAL;
	if (*end) {
		const char *suffix = strchr(suffixes, *end);
		unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
		if (!suffix || end[1] || value > UINT64_MAX >> shift)
			return -EINVAL;
		value <<= shift;
	}
	*out = value;
	return 0;
}

/* What was owed at the old rate is forgiven: at a low one it could be hours. */
static int store_rate(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct limit *l = medio_priv(dev);
	uint64_t value;
	int ret = parse(buf, size, &value);

	if (ret)
		return ret;
	*value_of(l, attr->name) = value;
	apply(l);
	l->accesses.paid = l->bytes.paid = l->moved.paid = 0;
	return 0;
}

static ssize_t show_delayed(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct limit *l = medio_priv(dev);

	(void)attr;
	return snprintf(buf, size, "%" PRIu64 " %" PRIu64 ".%06" PRIu64 "\n", l->delayed,
		l->delayed_ns / 1000000000, l->delayed_ns % 1000000000 / 1000);
}

static const struct medio_attr limit_attrs[] = {
	{ "iops", show_rate, store_rate },
	{ "bandwidth", show_rate, store_rate },
	{ "dma", show_rate, store_rate },
	{ "delayed", show_delayed, NULL },
	{ NULL },
};

/* ---- Life -------------------------------------------------------------------------------------- */

static void limit_client(struct medio_dev *dev, bool present)
{
	struct limit *l = medio_priv(dev);

	if (!present) {
		wait_flush(&l->queue);
		ring_all(dev);
	}
	medio_next_client(dev, present);
}

/* Doorbells from before the reset are nobody's. What accesses wait are the client's after it. */
static void limit_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct limit *l = medio_priv(dev);

	l->nbells = 0;
	medio_timer_disarm(l->bell_timer);
	medio_next_reset(dev, kind);
}

/* The memory of a transfer may go as soon as the device is quiet, so none may wait for its end. */
static void end_transfers(struct limit *l)
{
	for (struct transfer *t = l->transfers, *next; t; t = next) {
		next = t->next;
		t->due = 0;
		if (t->moved)
			medio_timer_arm(t->timer, 0);
	}
}

static int limit_quiesce(struct medio_dev *dev)
{
	end_transfers(medio_priv(dev));
	return medio_next_quiesce(dev);
}

static int limit_init(struct medio_dev *dev)
{
	struct limit *l = medio_priv(dev);

	apply(l);
	l->bell_timer = medio_timer_new(dev, on_bell_timer, dev);
	if (l->bell_timer && wait_init(&l->queue, dev) == 0)
		return 0;
	medio_timer_free(l->bell_timer);
	return medio_fail(dev, ENOMEM, "out of memory");
}

static void limit_fini(struct medio_dev *dev)
{
	struct limit *l = medio_priv(dev);

	while (l->transfers)
		transfer_free(l->transfers);
	wait_fini(&l->queue);
	medio_timer_free(l->bell_timer);
}

static const struct medio_param limit_params[] = {
	{ .name = "iops",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct limit, iops),
		.help = "accesses to BARs a second; 0: no limit" },
	{ .name = "bandwidth",
		.kind = MEDIO_PARAM_SIZE,
		.offset = offsetof(struct limit, bandwidth),
		.help = "bytes a second of accesses to BARs; 0: no limit" },
	{ .name = "dma",
		.kind = MEDIO_PARAM_SIZE,
		.offset = offsetof(struct limit, dma),
		.help = "bytes a second that the device moves by DMA; 0: no limit" },
	{ .name = "burst",
		.kind = MEDIO_PARAM_TIME,
		.offset = offsetof(struct limit, burst),
		.deflt = "10ms",
		.max = UINT64_C(3600000000000),
		.help = "what a limit allows in this time may come at once" },
	{ NULL },
};

static const struct medio_device_ops limit_down = {
	.init = limit_init,
	.fini = limit_fini,
	.region_read = limit_read,
	.region_write = limit_write,
	.doorbell = limit_doorbell,
	.reset = limit_reset,
	.quiesce = limit_quiesce,
	.client = limit_client,
};

static const struct medio_host_ops limit_up = {
	.dma_read = limit_dma_read,
	.dma_write = limit_dma_write,
	.dma_read_async = limit_dma_read_async,
	.dma_write_async = limit_dma_write_async,
	.dma_get = limit_dma_get,
};

const struct medio_filter medio_filter_limit = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "limit",
	.summary = "Allow so many accesses and bytes a second",
	.params = limit_params,
	.attrs = limit_attrs,
	.state_size = sizeof(struct limit),
	.down = &limit_down,
	.up = &limit_up,
};
