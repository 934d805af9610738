/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/private.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"
#include "util/param.h"

static const struct medio_device_ops no_down;
static const struct medio_host_ops no_up;

static bool has_down(const struct medio_dev *dev, enum medio_down_op op)
{
	const struct medio_device_ops *o = dev->down;
	switch (op) {
	case MEDIO_DOWN_READ:
		return !dev->filter || o->region_read;
	case MEDIO_DOWN_WRITE:
		return !dev->filter || o->region_write;
	case MEDIO_DOWN_DOORBELL:
		return o->doorbell;
	case MEDIO_DOWN_CONFIG_CHANGED:
		return o->config_changed;
	case MEDIO_DOWN_RESET:
		return o->reset;
	case MEDIO_DOWN_DMA_MAP:
		return o->dma_map;
	case MEDIO_DOWN_DMA_UNMAP:
		return o->dma_unmap;
	case MEDIO_DOWN_QUIESCE:
		return o->quiesce;
	case MEDIO_DOWN_RESUME:
		return o->resume;
	case MEDIO_DOWN_CLIENT:
		return o->client;
	case MEDIO_NUM_DOWN:
		break;
	}
	return false;
}

static bool has_up(const struct medio_dev *dev, enum medio_up_op op)
{
	const struct medio_host_ops *o = dev->up;
	switch (op) {
	case MEDIO_UP_IRQ_SET:
		return o->irq_set;
	case MEDIO_UP_IRQ_PULSE:
		return o->irq_pulse;
	case MEDIO_UP_DMA_READ:
		return o->dma_read;
	case MEDIO_UP_DMA_WRITE:
		return o->dma_write;
	case MEDIO_UP_DMA_READ_ASYNC:
		return o->dma_read_async;
	case MEDIO_UP_DMA_WRITE_ASYNC:
		return o->dma_write_async;
	case MEDIO_UP_DMA_GET:
		return o->dma_get;
	case MEDIO_UP_COMPLETED:
		return o->completed;
	case MEDIO_NUM_UP:
		break;
	}
	return false;
}

static void resolve(struct medio_chain *chain)
{
	for (struct medio_dev *dev = &chain->head; dev; dev = dev->below) {
		for (int op = 0; op < MEDIO_NUM_DOWN; op++) {
			struct medio_dev *d = dev->below;
			while (d && !has_down(d, op))
				d = d->below;
			dev->next[op] = d;
		}
		for (int op = 0; op < MEDIO_NUM_UP; op++) {
			struct medio_dev *d = dev->above;
			while (d && !has_up(d, op))
				d = d->above;
			dev->prev[op] = d;
		}
	}
}

void medio_chain_init(struct medio_chain *chain, struct medio_instance *inst,
	const struct medio_device_ops *ops, void *priv)
{
	memset(chain, 0, sizeof(*chain));
	chain->head = (struct medio_dev){
		.inst = inst, .below = &chain->device, .down = &no_down, .up = &no_up
	};
	chain->device = (struct medio_dev){
		.inst = inst,
		.above = &chain->head,
		.down = ops ? ops : &no_down,
		.up = &no_up,
		.priv = priv,
	};
	resolve(chain);
}

static void link_free(struct medio_dev *dev)
{
	if (dev->filter)
		medio_params_free(dev->filter->params, dev->priv);
	free(dev->priv);
	free(dev);
}

static const struct medio_filter *find_filter(
	const struct medio_filter *const *known, const char *name, struct medio_error **err)
{
	const char *names[64];
	size_t count = 0;
	for (; known && known[count] && count < MEDIO_ARRAY_SIZE(names); count++) {
		if (strcmp(known[count]->name, name) == 0)
			return known[count];
		names[count] = known[count]->name;
	}
	medio_unknown(err, "filter", name, names, count);
	return NULL;
}

/* "key=value,key=value": each part into the filter's state. */
static int set_params(
	const struct medio_filter *filter, void *state, char *text, struct medio_error **err)
{
	char what[64];
	snprintf(what, sizeof(what), "filter %s", filter->name);
	int ret = medio_params_default(filter->params, state, err);
	char *save = NULL;
	for (char *part = text ? strtok_r(text, ",", &save) : NULL; part && !ret;
		part = strtok_r(NULL, ",", &save))
		ret = medio_params_set(filter->params, state, what, part, err);
	return ret;
}

int medio_chain_add(struct medio_chain *chain, const struct medio_filter *const *known,
	const char *spec, struct medio_error **err)
{
	_cleanup_free_ char *text = strdup(spec);
	if (!text)
		return medio_error_set(err, ENOMEM, "out of memory");
	char *params = strchr(text, ':');
	if (params)
		*params++ = '\0';
	const struct medio_filter *filter = find_filter(known, text, err);
	if (!filter)
		return -EINVAL;
	if (filter->abi != MEDIO_DEVICE_ABI)
		return medio_error_set(err, EPROTO,
			"filter %s was built for ABI %u, this library has %u: build it again",
			filter->name, filter->abi, MEDIO_DEVICE_ABI);

	struct medio_dev *dev = calloc(1, sizeof(*dev));
	void *priv = calloc(1, filter->state_size ? filter->state_size : 1);
	if (!dev || !priv) {
		free(dev);
		free(priv);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	struct medio_instance *inst = chain->device.inst;
	*dev = (struct medio_dev){
		.inst = inst,
		.above = chain->device.above,
		.below = &chain->device,
		.down = filter->down ? filter->down : &no_down,
		.up = filter->up ? filter->up : &no_up,
		.filter = filter,
		.priv = priv,
	};
	int ret = set_params(filter, priv, params, err);
	if (ret == 0 && dev->down->init) {
		inst->fail = err;
		ret = dev->down->init(dev);
		inst->fail = NULL;
		if (ret && err && !*err)
			medio_error_set(err, -ret, "filter %s: cannot start: %s", filter->name,
				strerror(-ret));
	}
	if (ret) {
		link_free(dev);
		return ret;
	}
	dev->above->below = dev;
	chain->device.above = dev;
	resolve(chain);
	return 0;
}

bool medio_region_watched(const struct medio_dev *dev)
{
	for (const struct medio_dev *link = dev->above; link; link = link->above)
		if (link->down->region_read || link->down->region_write)
			return true;
	return false;
}

void medio_chain_fini(struct medio_chain *chain)
{
	struct medio_dev *dev = chain->head.below;
	while (dev && dev != &chain->device) {
		struct medio_dev *below = dev->below;
		if (dev->down->fini)
			dev->down->fini(dev);
		link_free(dev);
		dev = below;
	}
	chain->head.below = &chain->device;
	chain->device.above = &chain->head;
}

/* ---- Down -------------------------------------------------------------------------------------- */

int medio_next_region_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_READ];
	if (to->filter)
		return to->down->region_read(to, region, offset, buf, count);
	return medio_region_read(to, region, offset, buf, count);
}

int medio_next_region_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_WRITE];
	if (to->filter)
		return to->down->region_write(to, region, offset, buf, count);
	return medio_region_write(to, region, offset, buf, count);
}

void medio_next_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_DOORBELL];
	if (to)
		to->down->doorbell(to, region, offset);
}

void medio_next_config_changed(struct medio_dev *dev, unsigned offset, size_t count)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_CONFIG_CHANGED];
	if (to)
		to->down->config_changed(to, offset, count);
}

void medio_next_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_RESET];
	if (to)
		to->down->reset(to, kind);
}

int medio_next_dma_map(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_DMA_MAP];
	return to ? to->down->dma_map(to, iova, size, prot) : 0;
}

void medio_next_dma_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_DMA_UNMAP];
	if (to)
		to->down->dma_unmap(to, iova, size);
}

int medio_next_quiesce(struct medio_dev *dev)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_QUIESCE];
	return to ? to->down->quiesce(to) : 0;
}

void medio_next_resume(struct medio_dev *dev)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_RESUME];
	if (to)
		to->down->resume(to);
}

void medio_next_client(struct medio_dev *dev, bool present)
{
	struct medio_dev *to = dev->next[MEDIO_DOWN_CLIENT];
	if (to)
		to->down->client(to, present);
}

/* ---- Up ---------------------------------------------------------------------------------------- */

void medio_irq_set(struct medio_dev *dev, unsigned vector, bool level)
{
	struct medio_dev *to = dev->prev[MEDIO_UP_IRQ_SET];
	if (to)
		to->up->irq_set(to, vector, level);
	else
		medio_irq_raise(dev->inst, vector, level);
}

void medio_irq_pulse(struct medio_dev *dev, unsigned vector)
{
	struct medio_dev *to = dev->prev[MEDIO_UP_IRQ_PULSE];
	if (to)
		to->up->irq_pulse(to, vector);
	else
		medio_irq_message(dev->inst, vector);
}

int medio_dma_read(struct medio_dev *dev, uint64_t iova, void *buf, size_t len)
{
	struct medio_dev *to = dev->prev[MEDIO_UP_DMA_READ];
	if (to)
		return to->up->dma_read(to, iova, buf, len);
	return medio_dma_copy(dev->inst, false, iova, buf, len);
}

int medio_dma_write(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len)
{
	struct medio_dev *to = dev->prev[MEDIO_UP_DMA_WRITE];
	if (to)
		return to->up->dma_write(to, iova, buf, len);
	return medio_dma_copy(dev->inst, true, iova, (void *)buf, len);
}

int medio_dma_read_async(struct medio_dev *dev, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct medio_dev *to = dev->prev[MEDIO_UP_DMA_READ_ASYNC];
	if (to)
		return to->up->dma_read_async(to, iova, buf, len, done, opaque);
	return medio_dma_move(dev->inst, false, iova, buf, len, done, opaque);
}

int medio_dma_write_async(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct medio_dev *to = dev->prev[MEDIO_UP_DMA_WRITE_ASYNC];
	if (to)
		return to->up->dma_write_async(to, iova, buf, len, done, opaque);
	return medio_dma_move(dev->inst, true, iova, (void *)buf, len, done, opaque);
}

void *medio_dma_get(struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err)
{
	struct medio_dev *to = dev->prev[MEDIO_UP_DMA_GET];
	if (to)
		return to->up->dma_get(to, iova, len, prot, err);
	return medio_dma_pointer(dev->inst, iova, len, prot, err);
}
