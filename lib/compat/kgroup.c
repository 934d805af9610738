/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/kgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "compat/compat.h"
#include "compat/iommufd_group.h"
#include "compat/kcontainer.h"
#include "util/cleanup.h"

#define NAME_MAX_SIZE 4096u /* of a device, with what follows it, and its NUL */

static struct medio_kgroup *group_of(struct medio_kfile *file)
{
	return medio_container_of(file, struct medio_kgroup, file);
}

static bool has_iommu(const struct medio_kgroup *group)
{
	return group->container || group->iommufd;
}

static void drop_iommu(struct medio_kgroup *group)
{
	if (group->container)
		medio_kcontainer_remove(group);
	if (group->iommufd)
		medio_iommufd_remove_group(group);
}

/* ---- Containers ------------------------------------------------------------------------------- */

static int64_t set_container(struct medio_kgroup *group, struct medio_call *call, uint64_t arg)
{
	_cleanup_close_ int copy = -1;
	int32_t fd;

	int ret = medio_call_read(call, arg, &fd, sizeof(fd));
	if (ret)
		return ret;
	struct medio_kfile *file = fd >= 0 ? call->ops->find(call, fd) : NULL;
	if (!file && (fd < 0 || call->ops->take_fd(call, fd, &copy)))
		return -EBADF;
	if (has_iommu(group))
		return -EINVAL;
	if (!file)
		return -EBADFD;
	struct medio_kcontainer *container = medio_kcontainer_of(file);
	if (container)
		return medio_kcontainer_add(container, group);
	return medio_iommufd_add_group(file, group);
}

static int64_t unset_container(struct medio_kgroup *group)
{
	if (!has_iommu(group))
		return -EINVAL;
	medio_kfile_settle(group->compat);
	if (group->container && group->devices_open)
		return -EBUSY;
	drop_iommu(group);
	return 0;
}

static int64_t get_status(struct medio_kgroup *group, struct medio_call *call, uint64_t arg)
{
	struct vfio_group_status status;

	int ret = medio_call_read(call, arg, &status, sizeof(status));
	if (ret)
		return ret;
	if (status.argsz < sizeof(status))
		return -EINVAL;
	status.flags = VFIO_GROUP_FLAGS_VIABLE;
	if (has_iommu(group))
		status.flags |= VFIO_GROUP_FLAGS_CONTAINER_SET;
	return medio_call_write(call, arg, &status, sizeof(status));
}

/* ---- Devices ---------------------------------------------------------------------------------- */

/* A device of the group has been closed for the last time: its file may have kept the group's open. */
static void device_closed(void *opaque, struct medio_kdev *kdev)
{
	struct medio_kgroup *group = opaque;

	if (kdev->iommufd)
		medio_iommufd_close_device(kdev);
	else if (group->container && group->container->map)
		medio_kmap_forget(group->container->map, kdev);
	if (--group->devices_open || !group->closed)
		return;
	group->closed = false;
	group->open = false;
	drop_iommu(group);
}

/* What may follow a PCI device's name: " vf_token=UUID". There is no virtual function here that asks for one, so that none is
 * taken (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_validate_vf_token()). */
static int match(const struct medio_kdev *kdev, const char *asked)
{
	const size_t length = strlen(kdev->name);

	if (kdev->look == MEDIO_KDEV_MDEV)
		return strcmp(kdev->name, asked) == 0;
	if (strncmp(kdev->name, asked, length) != 0)
		return 0;
	asked += length;
	if (!*asked)
		return 1;
	if (*asked != ' ')
		return 0;
	while (*asked == ' ')
		asked++;
	return *asked ? -EINVAL : 1;
}

static int find_device(const struct medio_kgroup *group, const char *asked, struct medio_kdev **out)
{
	medio_list_for_each (item, &group->compat->kdevs) {
		struct medio_kdev *kdev = medio_container_of(item, struct medio_kdev, link);
		if (kdev->group != group)
			continue;
		int ret = match(kdev, asked);
		if (ret < 0)
			return ret;
		if (ret) {
			*out = kdev;
			return 0;
		}
	}
	return -ENODEV;
}

/* A string that ends somewhere: nothing is read beyond the page that it ends in. */
static int read_string(struct medio_call *call, uint64_t addr, char *buf, size_t size)
{
	for (size_t got = 0; got < size;) {
		size_t part = 64 - (addr + got) % 64;
		if (part > size - got)
			part = size - got;
		int ret = medio_call_read(call, addr + got, buf + got, part);
		if (ret) {
			/* Less than that may be there, and enough. */
			part = 1;
			ret = medio_call_read(call, addr + got, buf + got, part);
		}
		if (ret)
			return ret;
		if (memchr(buf + got, '\0', part))
			return 0;
		got += part;
	}
	return -EINVAL;
}

/* Its first opening: it sees from now on what the others of the container see. */
static int connect_device(struct medio_kgroup *group, struct medio_kdev *kdev)
{
	if (group->iommufd)
		return medio_iommufd_open_device(group, kdev);
	return group->container->map ? medio_kmap_attach(group->container->map, kdev) : 0;
}

static int64_t get_device_fd(struct medio_kgroup *group, struct medio_call *call, uint64_t arg)
{
	char name[NAME_MAX_SIZE];
	_cleanup_close_ int fd = -1;
	struct medio_kdev *kdev;

	int ret = read_string(call, arg, name, sizeof(name));
	if (ret)
		return ret;
	ret = find_device(group, name, &kdev);
	if (ret)
		return ret;
	if (!group->iommufd && (!group->container || !group->container->iommu))
		return -EINVAL;
	medio_kfile_settle(group->compat);
	const bool first = !kdev->files;
	ret = medio_kdev_open(kdev, device_closed, group, &fd);
	if (ret)
		return ret;
	/* From here on the end of the file, which comes when nobody has it, undoes all. */
	if (first) {
		group->devices_open++;
		ret = connect_device(group, kdev);
		if (ret)
			return ret;
	}
	return call->ops->give(call, fd, O_CLOEXEC);
}

/* ---- The file --------------------------------------------------------------------------------- */

static int64_t group_ioctl(
	struct medio_kfile *file, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	struct medio_kgroup *group = group_of(file);

	switch (cmd) {
	case VFIO_GROUP_GET_STATUS:
		return get_status(group, call, arg);
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(group, call, arg);
	case VFIO_GROUP_UNSET_CONTAINER:
		return unset_container(group);
	case VFIO_GROUP_GET_DEVICE_FD:
		return get_device_fd(group, call, arg);
	default:
		return -ENOTTY;
	}
}

static void group_release(struct medio_kfile *file)
{
	struct medio_kgroup *group = group_of(file);

	/* A device's file holds the group's. */
	if (group->devices_open) {
		group->closed = true;
		return;
	}
	group->open = false;
	drop_iommu(group);
}

static const struct medio_kfile_ops group_ops = {
	.what = "group",
	.ioctl = group_ioctl,
	.release = group_release,
};

int medio_kgroup_open(void *opaque, uint64_t ino, unsigned flags, struct medio_kfile **out)
{
	struct medio_kgroup *group = opaque;

	(void)flags;
	if (group->open || group->cdevs_open)
		medio_kfile_settle(group->compat);
	if (group->open || group->cdevs_open)
		return -EBUSY;
	group->open = true;
	medio_kfile_enter(group->compat, &group_ops, &group->file, ino);
	*out = &group->file;
	return 0;
}

int medio_kgroup_new(struct medio_compat *compat, struct medio_kdev *kdev, bool noiommu,
	struct medio_kgroup **out)
{
	struct medio_kgroup *group = calloc(1, sizeof(*group));

	if (!group)
		return -ENOMEM;
	group->compat = compat;
	group->number = compat->next_group++;
	group->noiommu = noiommu;
	medio_list_init(&group->in_container);
	medio_list_append(&compat->groups, &group->link);
	kdev->group = group;
	kdev->noiommu = noiommu;
	*out = group;
	return 0;
}

void medio_kgroup_free(struct medio_kgroup *group)
{
	if (!group)
		return;
	if (group->open && !group->closed)
		medio_kfile_leave(&group->file);
	drop_iommu(group);
	medio_list_remove(&group->link);
	free(group);
}
