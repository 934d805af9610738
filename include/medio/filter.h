/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio/filter.h: write a filter, a link between a transport and a device.
 *
 * A filter has the device's operations (calls going down) and the host's (calls coming up). What
 * it leaves NULL falls through at no cost: chains are resolved when they are built. Everything else
 * of <medio/device.h> serves a filter too: medio_priv(), watches, timers, medio_defer().
 */
#ifndef MEDIO_FILTER_H
#define MEDIO_FILTER_H

#include <medio/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Calls coming up from the device, with the meaning of the medio_* call each is named after. */
struct medio_host_ops {
	void (*irq_set)(struct medio_dev *dev, unsigned vector, bool level);
	void (*irq_pulse)(struct medio_dev *dev, unsigned vector);
	int (*dma_read)(struct medio_dev *dev, uint64_t iova, void *buf, size_t len);
	int (*dma_write)(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len);
	int (*dma_read_async)(struct medio_dev *dev, uint64_t iova, void *buf, size_t len,
		medio_dma_done *done, void *opaque);
	int (*dma_write_async)(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len,
		medio_dma_done *done, void *opaque);
	void *(*dma_get)(struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err);
	/* A link below answered an access it had deferred. To look at, not to change: each filter
	 * that has this is told, nothing need be passed on. data: count bytes of a read, else NULL. */
	void (*completed)(struct medio_dev *dev, int ret, const void *data, size_t count);
};

struct medio_filter {
	uint32_t abi; /* MEDIO_DEVICE_ABI */
	const char *name;
	const char *summary;
	const char *description;
	const struct medio_param *params; /* ends with name NULL */
	size_t state_size;
	/*
	 * init and fini are the filter's own. A region operation of a filter also sees region 7
	 * (config space). config_read, save, load and attributes do not pass through filters.
	 */
	const struct medio_device_ops *down;
	const struct medio_host_ops *up;
	/*
	 * What operators see and change, ends with name NULL; NULL: nothing. Names in the tree and of
	 * medio_instance_attr_show(): "filters/NAME/ATTR", of the second of that name "filters/NAME.1/ATTR".
	 * Give each a show: in the tree all can be read.
	 */
	const struct medio_attr *attrs;
};

/*
 * The register of the device below that an access touches first: its name, with a number if it is one of a
 * table and "+3" if it begins inside, in buf, cut to size. Names are those of the type's registers, the first
 * that holds the offset; of configuration space, "config.command", "config.msix.control"; and of the MSI-X
 * table, "msix_table[2].address". False: it has none, and buf holds the region and offset, "bar0+0x10".
 * Any thread; allocates nothing.
 */
MEDIO_API bool medio_register_name(
	const struct medio_dev *dev, unsigned region, uint64_t offset, char *buf, size_t size);

/* Pass a call on to the link below: the device's operations. */
MEDIO_API int medio_next_region_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count);
MEDIO_API int medio_next_region_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count);
MEDIO_API void medio_next_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset);
MEDIO_API void medio_next_config_changed(struct medio_dev *dev, unsigned offset, size_t count);
MEDIO_API void medio_next_reset(struct medio_dev *dev, enum medio_reset kind);
MEDIO_API int medio_next_dma_map(
	struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot);
MEDIO_API void medio_next_dma_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size);
MEDIO_API int medio_next_quiesce(struct medio_dev *dev);
MEDIO_API void medio_next_resume(struct medio_dev *dev);
MEDIO_API void medio_next_client(struct medio_dev *dev, bool present);

/*
 * A deferred call in a filter: take the token, return MEDIO_DEFERRED, and later run the call on
 * the link below with medio_next_complete(), which passes its answer (or its own deferral) on.
 * buf of a write must have been copied by the filter; buf of a read is `count` bytes of its own.
 */
MEDIO_API void medio_next_complete_read(
	struct medio_token *token, unsigned region, uint64_t offset, void *buf, size_t count);
MEDIO_API void medio_next_complete_write(
	struct medio_token *token, unsigned region, uint64_t offset, const void *buf, size_t count);

/* Pass a call on to the link above: plain medio_irq_set(dev, …) etc. from a filter do this. */

#ifdef __cplusplus
}
#endif

#endif
