/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/vfio/devices/vfioN: bound to /dev/iommu first, then attached. Source: drivers/vfio/device_cdev.c. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>

#include "compat/iommufd.h"
#include "compat/iommufd_ctx.h"
#include "proto/iommufd.h"
#include "util/cleanup.h"

/* The descriptor that becomes the device's file keeps its flag. */
static unsigned cloexec_of(const struct medio_call *call, int fd)
{
	char path[48];
	unsigned flags = 0;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)call->tid, fd);
	FILE *file = fopen(path, "re");
	if (!file)
		return O_CLOEXEC;
	char line[128];
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	fclose(file);
	return flags & O_CLOEXEC;
}

/* The last descriptor of a bound device is closed. */
static void device_closed(void *opaque, struct medio_kdev *kdev)
{
	(void)opaque;
	kdev->cdev_ioctl = NULL;
	if (kdev->iommufd)
		medio_iommufd_dev_free(kdev->iommufd, true);
	kdev->group->cdevs_open--;
}

static int64_t attach(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct medio_vfio_attach_pt cmd;

	int ret = medio_call_read(call, arg, &cmd, sizeof(cmd));
	if (ret)
		return ret;
	if (cmd.argsz < sizeof(cmd) || cmd.flags & ~(uint32_t)MEDIO_VFIO_ATTACH_PASID)
		return -EINVAL;
	if (cmd.flags & MEDIO_VFIO_ATTACH_PASID || !kdev->iommufd)
		return -EOPNOTSUPP;
	ret = medio_iommufd_dev_attach(kdev->iommufd, &cmd.pt_id);
	if (ret)
		return ret;
	ret = medio_call_write(call, arg + offsetof(struct medio_vfio_attach_pt, pt_id), &cmd.pt_id,
		sizeof(cmd.pt_id));
	if (ret)
		medio_iommufd_dev_detach(kdev->iommufd);
	return ret;
}

static int64_t detach(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct medio_vfio_detach_pt cmd;

	int ret = medio_call_read(call, arg, &cmd, sizeof(cmd));
	if (ret)
		return ret;
	if (cmd.argsz < sizeof(cmd) || cmd.flags & ~(uint32_t)MEDIO_VFIO_DETACH_PASID)
		return -EINVAL;
	if (cmd.flags & MEDIO_VFIO_DETACH_PASID || !kdev->iommufd)
		return -EOPNOTSUPP;
	medio_iommufd_dev_detach(kdev->iommufd);
	return 0;
}

static int64_t bound_ioctl(
	struct medio_kdev *kdev, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case MEDIO_VFIO_BIND_IOMMUFD:
		return -EINVAL;
	case MEDIO_VFIO_ATTACH_PT:
		return attach(kdev, call, arg);
	case MEDIO_VFIO_DETACH_PT:
		return detach(kdev, call, arg);
	default:
		return -ENOTTY;
	}
}

/* Which /dev/iommu the program means. */
static int find_iommufd(struct medio_call *call, int fd, struct medio_iommufd **out)
{
	_cleanup_close_ int copy = -1;
	struct medio_kfile *file = call->ops->find(call, fd);

	if (!file)
		return call->ops->take_fd(call, fd, &copy) ? -EBADF : -EBADFD;
	*out = medio_iommufd_of(file);
	return *out ? 0 : -EBADFD;
}

static int64_t bind(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct medio_vfio_bind_iommufd cmd;
	const size_t min = offsetof(struct medio_vfio_bind_iommufd, token_uuid_ptr);
	_cleanup_close_ int fd = -1;
	struct medio_iommufd_dev *dev;
	struct medio_iommufd *ctx;

	int ret = medio_call_read(call, arg, &cmd, min);
	if (ret)
		return ret;
	/* No device here takes a token. */
	if (cmd.argsz < min || cmd.flags || cmd.iommufd < 0)
		return -EINVAL;
	medio_kfile_settle(kdev->compat);
	if (kdev->group->open)
		return -EBUSY;
	ret = find_iommufd(call, cmd.iommufd, &ctx);
	if (ret)
		return ret;
	/* Only a group's device is opened more than once. */
	if (kdev->files)
		return -EINVAL;
	ret = medio_kdev_open(kdev, device_closed, kdev, &fd);
	if (ret)
		return ret;
	/* What fails from here on is undone when the file ends, which nobody has then. */
	kdev->group->cdevs_open++;
	ret = medio_iommufd_dev_new(ctx, kdev, &dev);
	if (ret)
		return ret;
	ret = medio_call_write(call, arg + offsetof(struct medio_vfio_bind_iommufd, out_devid),
		&dev->obj.id, sizeof(dev->obj.id));
	if (ret)
		return ret;
	kdev->cdev_ioctl = bound_ioctl;
	const int mine = (int)call->args[0];
	return call->ops->swap(call, mine, fd, cloexec_of(call, mine));
}

static int64_t cdev_ioctl(
	struct medio_kfile *file, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	struct medio_kdev *kdev = medio_container_of(file, struct medio_kdev, cdev);

	return cmd == MEDIO_VFIO_BIND_IOMMUFD ? bind(kdev, call, arg) : -EINVAL;
}

static int64_t no_mmap(struct medio_kfile *file, struct medio_call *call)
{
	(void)file;
	(void)call;
	return -EINVAL;
}

static const struct medio_kfile_ops cdev_ops = {
	.what = "cdev",
	.ioctl = cdev_ioctl,
	.mmap = no_mmap,
};

void medio_iommufd_cdev(struct medio_kdev *kdev)
{
	kdev->cdev.ops = &cdev_ops;
	kdev->cdev.compat = kdev->compat;
	kdev->cdev.watch = -1;
}
