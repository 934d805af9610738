/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An instance: one running device. It owns the chain (filters, device), the config space, the
 * region memory, the interrupts and the IOMMU domain. A transport drives it from above through
 * these calls; creation and destruction are public, <medio/serve.h>.
 *
 * Threads: the loop's, for everything.
 */
#ifndef MEDIO_DEVICE_INSTANCE_H
#define MEDIO_DEVICE_INSTANCE_H

#include <medio/serve.h>

struct medio_iommu;
struct medio_pci_config;

/* What a region is, for REGION_INFO. fd is the region's memory (not given away), -1 if none. */
struct medio_region_view {
	uint64_t size; /* 0: no such region */
	bool readable, writable;
	int fd;
	uint64_t fd_offset;
	const struct medio_mmap_area *areas; /* num_areas of them */
	unsigned num_areas;
	const struct medio_doorbell *doorbells;
	unsigned num_doorbells;
	bool io_ports; /* an I/O BAR */
};

/* Called by the instance, on the loop's thread, towards whichever transport is attached. */
struct medio_transport_ops {
	/* An access deferred earlier is answered: ret 0 or -errno; data and count for a read. */
	void (*completed)(void *opaque, int ret, const void *data, size_t count);
	/* The quiesce asked for by medio_instance_quiesce() has been reached. */
	void (*quiesced)(void *opaque);
	/*
	 * Move len bytes between buf and client memory at iova by messages; done is called later,
	 * or -errno is returned and it is not. NULL: this transport cannot.
	 */
	int (*dma)(void *opaque, bool write, uint64_t iova, void *buf, size_t len,
		medio_dma_done *done, void *done_opaque);
	/* The same of a transport that need not wait for it: 0, all is moved, or -errno. NULL: it must. */
	int (*dma_now)(void *opaque, bool write, uint64_t iova, void *buf, size_t len);
	/* Some client memory vanished under us (its file was truncated): close the client. */
	void (*poisoned)(void *opaque);
};

/* Whoever asks this instance for virtual functions is answered -EOPNOTSUPP and why, which stays. */
void medio_instance_no_vfs(struct medio_instance *inst, const char *why);

/* Attach: -EBUSY if there is one. The device's client(true) runs. Detach drops interrupts and
 * mappings, cancels what is deferred, keeps the device's state. */
int medio_instance_attach(
	struct medio_instance *inst, const struct medio_transport_ops *ops, void *opaque);
void medio_instance_detach(struct medio_instance *inst);

struct medio_loop *medio_instance_loop(const struct medio_instance *inst);
const struct medio_type *medio_instance_type(const struct medio_instance *inst);
struct medio_iommu *medio_instance_iommu(struct medio_instance *inst);
struct medio_pci_config *medio_instance_config(struct medio_instance *inst);
/* The device's own link. */
struct medio_dev *medio_instance_device(struct medio_instance *inst);
/* The counters, for what a transport counts (stats.h). */
struct medio_stats *medio_instance_counters(struct medio_instance *inst);
/* NULL: the type has no attribute of that name. */
const struct medio_attr *medio_attr_find(const struct medio_type *type, const char *name);
/* The n-th attribute of an instance, the type's first, then those of its filters, with the name that
 * medio_instance_attr_show() takes in path, cut to size. NULL: there are fewer. */
const struct medio_attr *medio_instance_attr(
	struct medio_instance *inst, unsigned n, char *path, size_t size);
void medio_instance_log(struct medio_instance *inst, enum medio_log_level level, const char *fmt,
	...) __attribute__((format(printf, 3, 4)));
/* As medio_log, for what a client or guest does: at most 10 lines a second. */
void medio_instance_guest_error(struct medio_instance *inst, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* -EINVAL: index out of range. view is written on success. */
int medio_instance_region(
	struct medio_instance *inst, unsigned region, struct medio_region_view *view);

/*
 * Access count bytes at offset. 0, MEDIO_DEFERRED (completed() follows; buf of a read is then not
 * used again), or -EINVAL (no such region, outside it), -EPERM (not readable/writable), or what
 * the device returned.
 */
int medio_instance_read(
	struct medio_instance *inst, unsigned region, uint64_t offset, void *buf, size_t count);
int medio_instance_write(struct medio_instance *inst, unsigned region, uint64_t offset,
	const void *buf, size_t count);

/* The eventfd of doorbell n of a region, made at first use, or -errno. Owned by the instance. */
int medio_instance_doorbell_fd(struct medio_instance *inst, unsigned region, unsigned n);

/* Device reset: config space, interrupts, chain. Call when quiet. */
void medio_instance_reset(struct medio_instance *inst, enum medio_reset kind);
/* Ask the chain to be quiet: 0, or -EBUSY: quiesced() follows. resume ends it. */
int medio_instance_quiesce(struct medio_instance *inst);
void medio_instance_resume(struct medio_instance *inst);

/* Map and unmap for DMA; errno as medio_iommu_map/unmap. fd is not taken. fd -1: remote memory. */
int medio_instance_dma_map(struct medio_instance *inst, uint64_t iova, uint64_t size, unsigned prot,
	int fd, uint64_t offset, struct medio_error **err);
int medio_instance_dma_unmap(
	struct medio_instance *inst, uint64_t iova, uint64_t size, bool all, uint64_t *unmapped);
/* A transport's dma() has moved len bytes; has met a fault on the way. */
void medio_instance_count_dma(struct medio_instance *inst, bool write, size_t len);
void medio_instance_count_faults(struct medio_instance *inst);

#endif
