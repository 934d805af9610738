/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole virtio device: it throws dice. Its kind is an entropy source (VIRTIO 1.3, 5.4), so that any
 * guest has a driver for it: with sides=0 it is the guest's /dev/hwrng.
 *
 * One queue. A driver puts buffers there, the device fills them: with numbers from 1 to `sides`, a byte
 * each.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include <medio/virtio.h>

#define KIND 4 /* VIRTIO_ID_RNG of <linux/virtio_ids.h> */

struct dice {
	struct medio_virtio virtio; /* first of all */
	uint64_t sides, thrown;
};

/* What is beyond the last whole multiple of sides would make some numbers more likely. */
static uint8_t throw_one(const struct dice *d)
{
	uint8_t byte = 0;
	do
		if (getrandom(&byte, 1, 0) != 1)
			return 0;
	while (byte >= 256 / d->sides * d->sides);
	return (uint8_t)(byte % d->sides + 1);
}

static size_t fill(struct dice *d, uint8_t *buf, size_t size)
{
	if (!d->sides)
		return getrandom(buf, size, 0) == (ssize_t)size ? size : 0;
	for (size_t i = 0; i < size; i++)
		buf[i] = throw_one(d);
	return size;
}

/* The driver has notified the queue: answer what is there. */
static void kick(struct medio_dev *dev, struct medio_virtq *queue)
{
	struct dice *d = medio_priv(dev);
	struct medio_virtq_chain *chain;

	while ((chain = medio_virtq_pop(queue))) {
		uint8_t buf[64];
		size_t size = chain->in_bytes < sizeof(buf) ? chain->in_bytes : sizeof(buf);
		size = medio_virtq_write(chain, 0, buf, fill(d, buf, size));
		d->thrown += size;
		medio_virtq_push(chain, (uint32_t)size);
	}
}

/* What people see of it: in the tree, and with medio list. */
static ssize_t show_thrown(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct dice *d = medio_priv(dev);
	return snprintf(buf, size, "%" PRIu64, d->thrown);
}

static const struct medio_param params[] = {
	{ "sides", MEDIO_PARAM_UINT, offsetof(struct dice, sides), "6",
		"Sides of a die; 0: any byte", .max = 255 },
	MEDIO_VIRTIO_PARAMS, /* packed, poll and the others that every virtio device has */
	{ NULL },
};

static const struct medio_attr attrs[] = {
	{ "dice/thrown", show_thrown, NULL },
	MEDIO_VIRTIO_ATTRS, /* for medio virtio */
	{ NULL },
};

static const struct medio_virtio_type virtio = {
	.id = KIND,
	.max_queues = 1,
	.ops = &(const struct medio_virtio_ops){ .kick = kick },
};

static const struct medio_type dice_type = {
	MEDIO_VIRTIO_TYPE(&virtio, struct dice, KIND, 1, 0x100000),
	.name = "virtio-dice",
	.summary = "Random numbers from 1 to 6, for a virtio driver",
	.params = params,
	.attrs = attrs,
};
MEDIO_PLUGIN(&dice_type);
