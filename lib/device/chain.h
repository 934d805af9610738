/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The chain of an instance: filters above, the device at the bottom. Every link knows, for each
 * operation, the nearest link below (or above) that has it, so a filter that does not care about an
 * operation costs nothing on its way.
 */
#ifndef MEDIO_DEVICE_CHAIN_H
#define MEDIO_DEVICE_CHAIN_H

#include <medio/filter.h>

struct medio_instance;
struct medio_error;

enum medio_down_op {
	MEDIO_DOWN_READ,
	MEDIO_DOWN_WRITE,
	MEDIO_DOWN_DOORBELL,
	MEDIO_DOWN_CONFIG_CHANGED,
	MEDIO_DOWN_RESET,
	MEDIO_DOWN_DMA_MAP,
	MEDIO_DOWN_DMA_UNMAP,
	MEDIO_DOWN_QUIESCE,
	MEDIO_DOWN_RESUME,
	MEDIO_DOWN_CLIENT,
	MEDIO_NUM_DOWN,
};

enum medio_up_op {
	MEDIO_UP_IRQ_SET,
	MEDIO_UP_IRQ_PULSE,
	MEDIO_UP_DMA_READ,
	MEDIO_UP_DMA_WRITE,
	MEDIO_UP_DMA_READ_ASYNC,
	MEDIO_UP_DMA_WRITE_ASYNC,
	MEDIO_UP_DMA_GET,
	MEDIO_UP_COMPLETED,
	MEDIO_NUM_UP,
};

/* Public as the opaque struct medio_dev. */
struct medio_dev {
	struct medio_instance *inst;
	struct medio_dev *above, *below;	/* neighbours; NULL at the ends */
	struct medio_dev *next[MEDIO_NUM_DOWN]; /* who answers a call going down; NULL: nobody */
	struct medio_dev *prev[MEDIO_NUM_UP];	/* who answers a call coming up; NULL: the core */
	const struct medio_device_ops *down;	/* never NULL */
	const struct medio_host_ops *up;	/* never NULL; empty for the device */
	const struct medio_filter *filter;	/* NULL for the device and for the head */
	void *priv;
};

/* The links of an instance: a head, which only points down, then filters, then the device. */
struct medio_chain {
	struct medio_dev head;
	struct medio_dev device;
};

/* Start with the device alone. priv is the device's state, owned by the caller. */
void medio_chain_init(struct medio_chain *chain, struct medio_instance *inst,
	const struct medio_device_ops *ops, void *priv);
/* Put a filter just above the device; spec is "name" or "name:key=value,key=value". -EINVAL with
 * words, -ENOMEM, or what the filter's init() gives. */
int medio_chain_add(struct medio_chain *chain, const struct medio_filter *const *known,
	const char *spec, struct medio_error **err);
/* fini() and free the filters. */
void medio_chain_fini(struct medio_chain *chain);

/*
 * Where calls that no filter took arrive: at the bottom of the chain the core serves config space,
 * MSI-X and mapped memory before the device; at the top it owns interrupts and DMA. Same arguments
 * and errors as the public call of that name.
 */
int medio_region_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count);
int medio_region_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count);
void medio_irq_raise(struct medio_instance *inst, unsigned vector, bool level);
void medio_irq_message(struct medio_instance *inst, unsigned vector);
int medio_dma_copy(struct medio_instance *inst, bool write, uint64_t iova, void *buf, size_t len);
int medio_dma_move(struct medio_instance *inst, bool write, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque);
void *medio_dma_pointer(
	struct medio_instance *inst, uint64_t iova, size_t len, unsigned prot, int *err);

#endif
