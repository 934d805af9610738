/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE: which features there are, and what is asked of one. (linux/vfio.h; drivers/vfio/vfio_main.c)
 */
#include <errno.h>

#include "compat/kdev_inside.h"

#define WAYS (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET)

int medio_kdev_check_feature(const struct medio_kdev_feature *f, uint32_t ways, size_t size)
{
	if (f->flags & WAYS & ~ways)
		return -EINVAL;
	if (f->flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	if (!(f->flags & WAYS) || f->size < size)
		return -EINVAL;
	return 1;
}

static int64_t run(const struct medio_kdev_feature *f)
{
	switch (f->flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_MIGRATION:
		return medio_kdev_feature_migration(f);
	case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
		return medio_kdev_feature_mig_state(f);
	case MEDIO_KDEV_FEATURE_MIG_DATA_SIZE:
		return medio_kdev_feature_mig_size(f);
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
		return medio_kdev_feature_log_start(f);
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
		return medio_kdev_feature_log_stop(f);
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
		return medio_kdev_feature_log_report(f);
	default:
		/* vfio-pci says that it has no such feature, a mediated device that it has none of its own. */
		return f->kdev->look == MEDIO_KDEV_MDEV ? -EINVAL : -ENOTTY;
	}
}

int64_t medio_kdev_do_feature(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct vfio_device_feature header;
	int ret = medio_kdev_take(call, arg, &header, sizeof(header));

	if (ret)
		return ret;
	if (header.flags & ~(VFIO_DEVICE_FEATURE_MASK | WAYS | VFIO_DEVICE_FEATURE_PROBE) ||
		((header.flags & WAYS) == WAYS && !(header.flags & VFIO_DEVICE_FEATURE_PROBE)))
		return -EINVAL;
	if (kdev->state->dead)
		return -ENODEV;
	const struct medio_kdev_feature f = { kdev, call, header.flags, arg + sizeof(header),
		header.argsz - sizeof(header) };
	return medio_kdev_result(kdev, run(&f));
}
