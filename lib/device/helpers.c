/* SPDX-License-Identifier: BSD-3-Clause */
/* Small calls of <medio/device.h> that only look things up or convert. */
#include <string.h>

#include "device/private.h"

void *medio_priv(const struct medio_dev *dev)
{
	return dev->priv;
}

const struct medio_type *medio_dev_type(const struct medio_dev *dev)
{
	return dev->inst->type;
}

const char *medio_dev_uuid(const struct medio_dev *dev)
{
	return dev->inst->uuid;
}

void *medio_region_ptr(struct medio_dev *dev, unsigned region)
{
	return region < MEDIO_NUM_BARS ? dev->inst->regions[region].mem : NULL;
}

struct medio_watch *medio_watch_new(
	struct medio_dev *dev, int fd, uint32_t events, medio_watch_fn *fn, void *opaque)
{
	return medio_loop_watch(dev->inst->loop, fd, events, fn, opaque);
}

struct medio_timer *medio_timer_new(struct medio_dev *dev, medio_timer_fn *fn, void *opaque)
{
	return medio_loop_timer(dev->inst->loop, fn, opaque);
}

struct medio_poller *medio_poller_new(struct medio_dev *dev, medio_poller_fn *fn, void *opaque)
{
	return medio_loop_poller(dev->inst->loop, fn, opaque);
}

int medio_irq_kind(const struct medio_dev *dev)
{
	return dev->inst->irqs.active;
}

void medio_dev_needs(struct medio_dev *dev, unsigned needs)
{
	dev->inst->needs |= needs;
}

uint64_t medio_get_le(const void *buf, size_t count)
{
	const uint8_t *bytes = buf;
	uint64_t value = 0;
	for (size_t i = 0; i < count && i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

void medio_put_le(void *buf, size_t count, uint64_t value)
{
	uint8_t *bytes = buf;
	for (size_t i = 0; i < count; i++)
		bytes[i] = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
}

int medio_reg_split(struct medio_dev *dev, unsigned region, uint64_t offset, void *buf,
	size_t count, unsigned width, medio_reg_fn *fn)
{
	uint8_t *bytes = buf;
	while (count) {
		size_t piece = width - offset % width;
		if (piece > count)
			piece = count;
		int ret = fn(dev, region, offset, bytes, piece);
		if (ret)
			return ret;
		offset += piece;
		bytes += piece;
		count -= piece;
	}
	return 0;
}
