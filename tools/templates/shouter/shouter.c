/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shouter: a virtio device that says things louder.
 *
 * One queue. A request is text that the device reads, and room for as much, into which it writes it in
 * upper case.
 *
 * Its configuration:
 *     0x0  le32  requests  how many it has answered
 *     0x4  le32  longest   bytes of a request that it takes at most
 *
 * One feature, bit 0: the answer ends with an exclamation mark.
 *
 * Everything a virtio device may have and do is explained in <medio/virtio.h>.
 */
#include <ctype.h>

#include <medio/virtio.h>

/* Kinds of virtio devices have numbers, see <linux/virtio_ids.h>; this one is nobody's. The PCI device is
 * 1af4:1040 plus it. */
#define KIND 63

enum { EXCLAIM = 0 }; /* the feature */

/* What one device knows. It is all zeros when the device is made. */
struct state {
	struct medio_virtio virtio; /* first of all: the library's */
	uint64_t longest;	    /* a parameter, see below */
	uint32_t requests;
};

/* ---- Requests ---------------------------------------------------------------------------------- */

/*
 * A chain is one request: `out` is what the device reads, `in` what it may write. The library has checked
 * that it is memory; what stands in it is for the device to check, in a copy of its own: a driver can
 * change it at any time.
 */
static void answer(struct medio_dev *dev, struct medio_virtq_chain *chain)
{
	struct state *s = medio_priv(dev);
	size_t size = chain->out_bytes, at = 0, n;
	char buf[256];

	if (size > s->longest || chain->in_bytes < size + 1) {
		/* Nothing can be answered. The driver must reset the device now. */
		medio_virtio_broken(
			dev, "a request of %zu bytes with room for %zu", size, chain->in_bytes);
		medio_virtq_push(chain, 0);
		return;
	}
	while ((n = medio_virtq_read(chain, at, buf, sizeof(buf)))) {
		for (size_t i = 0; i < n; i++)
			buf[i] = (char)toupper((unsigned char)buf[i]);
		at += medio_virtq_write(chain, at, buf, n);
	}
	if (medio_virtio_has(dev, EXCLAIM))
		at += medio_virtq_write(chain, at, "!", 1);
	s->requests++;
	/* Give it back: so many bytes of `in` are written. */
	medio_virtq_push(chain, (uint32_t)at);
}

/* There may be requests in the queue. A device that cannot answer at once keeps the chain, pushes it
 * later, and then calls medio_virtq_flush(); it also needs drain(). */
static void kick(struct medio_dev *dev, struct medio_virtq *queue)
{
	struct medio_virtq_chain *chain;

	while ((chain = medio_virtq_pop(queue)))
		answer(dev, chain);
}

/* ---- Configuration and life -------------------------------------------------------------------- */

/* config_size bytes, zeroed. When it changes by itself, say so: medio_virtio_config_changed(dev). */
static void config_read(struct medio_dev *dev, uint8_t *config)
{
	const struct state *s = medio_priv(dev);

	medio_put_le(config, 4, s->requests);
	medio_put_le(config + 4, 4, s->longest);
}

/* The driver has reset the device: to the state after it was made. */
static void reset(struct medio_dev *dev)
{
	struct state *s = medio_priv(dev);

	s->requests = 0;
}

static const struct medio_virtio_ops ops = {
	.config_read = config_read,
	.kick = kick,
	.reset = reset,
};

/* ---- What it looks like ------------------------------------------------------------------------ */

static const struct medio_virtio_type virtio = {
	.id = KIND,
	.max_queues = 1,
	.config_size = 8,
	.features = MEDIO_VIRTIO_BIT(EXCLAIM),
	.ops = &ops,
};

/* medio serve ./shouter.so longest=100 poll=on */
static const struct medio_param params[] = {
	{ .name = "longest",
		.kind = MEDIO_PARAM_SIZE,
		.offset = offsetof(struct state, longest),
		.deflt = "4K",
		.min = 1,
		.max = 1 << 20,
		.help = "Bytes of a request at most" },
	MEDIO_VIRTIO_PARAMS, /* what every virtio device can be told */
	{ .name = NULL },
};

static const struct medio_attr attrs[] = {
	MEDIO_VIRTIO_ATTRS, /* what every virtio device shows: medio virtio */
	{ .name = NULL },
};

static const struct medio_type type = {
	/* As a PCI card: its kind, one queue, class code. */
	MEDIO_VIRTIO_TYPE(&virtio, struct state, KIND, 1, 0xff0000),
	.name = "shouter",
	.summary = "Says things louder",
	.params = params,
	.attrs = attrs,
};

MEDIO_PLUGIN(&type);
