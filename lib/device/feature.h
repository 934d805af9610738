/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE of an instance: migration, and the log of what the device writes. The same for
 * every transport; the data is what follows struct vfio_device_feature, without its pointers: ranges
 * and bitmaps follow in place. Source: linux/vfio.h, VFIO_DEVICE_FEATURE; vfio-user document,
 * "VFIO_USER_DEVICE_FEATURE".
 */
#ifndef MEDIO_DEVICE_FEATURE_H
#define MEDIO_DEVICE_FEATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct medio_instance;

/* The request: a feature's number and what is to be done. */
#define MEDIO_FEATURE_MASK  0xffffu
#define MEDIO_FEATURE_GET   0x10000u
#define MEDIO_FEATURE_SET   0x20000u
#define MEDIO_FEATURE_PROBE 0x40000u

/* Features there are. Migration's numbers are in migration.h. */
enum {
	MEDIO_FEATURE_MIGRATION = 1,
	MEDIO_FEATURE_MIG_DEVICE_STATE = 2,
	MEDIO_FEATURE_DMA_LOGGING_START = 6,
	MEDIO_FEATURE_DMA_LOGGING_STOP = 7,
	MEDIO_FEATURE_DMA_LOGGING_REPORT = 8,
};

struct medio_feature {
	uint32_t flags;
	const void *in; /* size bytes */
	size_t size;
	void *out; /* cap bytes */
	size_t cap;
	size_t max; /* bytes of a bitmap */
};

/* The device has to be quiet (medio_instance_quiesce) for this one. */
bool medio_feature_wants_quiet(const struct medio_instance *inst, uint32_t flags);
/*
 * Do it. *got becomes the size of the answer; if that is more than cap nothing was done, and out is
 * as it was. Errors:
 *   -ENOTTY  no such feature, or not that way
 *   -EINVAL  not one of GET and SET (or PROBE); too little data; what migration.h and iommu.h say
 *   -E2BIG   a bitmap over max
 *   -ENOMEM; -EIO, -EOPNOTSUPP … as medio_migration_go()
 */
int medio_instance_feature(
	struct medio_instance *inst, const struct medio_feature *feature, size_t *got);

#endif
