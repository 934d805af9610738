/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/kcontainer.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>

#include "compat/compat.h"

/* ---- Without an IOMMU ------------------------------------------------------------------------- */

static int64_t none_check(
	struct medio_compat *compat, struct medio_kcontainer *container, uint64_t extension)
{
	(void)container;
	if (extension != VFIO_NOIOMMU_IOMMU)
		return 0;
	/* The kernel's enable_unsafe_noiommu_mode: on where somebody made such a group. */
	medio_list_for_each (item, &compat->groups)
		if (medio_container_of(item, struct medio_kgroup, link)->noiommu)
			return 1;
	return 0;
}

static int none_open(struct medio_kcontainer *container, uint64_t type)
{
	(void)container;
	(void)type;
	return 0;
}

static void none_close(struct medio_kcontainer *container)
{
	(void)container;
}

static int none_attach(struct medio_kcontainer *container, struct medio_kgroup *group)
{
	(void)container;
	(void)group;
	return 0;
}

static void none_detach(struct medio_kcontainer *container, struct medio_kgroup *group)
{
	(void)container;
	(void)group;
}

static int64_t none_ioctl(
	struct medio_kcontainer *container, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	(void)container;
	(void)call;
	(void)cmd;
	(void)arg;
	return -ENOTTY;
}

const struct medio_kiommu medio_kiommu_none = {
	.name = "no-IOMMU",
	.noiommu = true,
	.check = none_check,
	.open = none_open,
	.close = none_close,
	.attach = none_attach,
	.detach = none_detach,
	.ioctl = none_ioctl,
};

/* ---- The container ---------------------------------------------------------------------------- */

/* The kinds that this machine has: the n-th; NULL behind the last. */
static const struct medio_kiommu *kind(const struct medio_compat *compat, unsigned n)
{
	switch (n) {
	case 0:
		return compat->spapr ? &medio_kiommu_spapr : &medio_kiommu_type1;
	case 1:
		return &medio_kiommu_none;
	default:
		return NULL;
	}
}

static void put(struct medio_kcontainer *container)
{
	if (!--container->refs)
		free(container);
}

/* Any kind answers for itself as long as none has been chosen. */
static int64_t check_extension(struct medio_kcontainer *container, uint64_t extension)
{
	const struct medio_kiommu *iommu;

	if (container->iommu)
		return container->iommu->check(container->compat, container, extension);
	for (unsigned n = 0; (iommu = kind(container->compat, n)); n++) {
		if (!medio_list_empty(&container->groups) && iommu->noiommu != container->noiommu)
			continue;
		int64_t ret = iommu->check(container->compat, NULL, extension);
		if (ret > 0)
			return ret;
	}
	return 0;
}

static int attach_groups(struct medio_kcontainer *container, const struct medio_kiommu *iommu)
{
	medio_list_for_each (item, &container->groups) {
		int ret = iommu->attach(
			container, medio_container_of(item, struct medio_kgroup, in_container));
		if (!ret)
			continue;
		for (struct medio_list *undo = item->prev; undo != &container->groups;
			undo = undo->prev)
			iommu->detach(container,
				medio_container_of(undo, struct medio_kgroup, in_container));
		return ret;
	}
	return 0;
}

static int64_t set_iommu(struct medio_kcontainer *container, uint64_t type)
{
	const struct medio_kiommu *iommu;
	int ret = -ENODEV;

	if (medio_list_empty(&container->groups) || container->iommu)
		return -EINVAL;
	for (unsigned n = 0; (iommu = kind(container->compat, n)); n++) {
		if (iommu->noiommu != container->noiommu ||
			iommu->check(container->compat, NULL, type) <= 0)
			continue;
		ret = iommu->open(container, type);
		if (ret)
			continue;
		ret = attach_groups(container, iommu);
		if (!ret) {
			container->iommu = iommu;
			return 0;
		}
		iommu->close(container);
	}
	return ret;
}

static int64_t container_ioctl(
	struct medio_kfile *file, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	struct medio_kcontainer *container = medio_container_of(
		file, struct medio_kcontainer, file);

	switch (cmd) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return check_extension(container, arg);
	case VFIO_SET_IOMMU:
		return set_iommu(container, arg);
	default:
		return container->iommu ? container->iommu->ioctl(container, call, cmd, arg)
					: -EINVAL;
	}
}

static void container_release(struct medio_kfile *file)
{
	put(medio_container_of(file, struct medio_kcontainer, file));
}

static const struct medio_kfile_ops container_ops = {
	.what = "container",
	.ioctl = container_ioctl,
	.release = container_release,
};

struct medio_kcontainer *medio_kcontainer_of(struct medio_kfile *file)
{
	if (file->ops != &container_ops)
		return NULL;
	return medio_container_of(file, struct medio_kcontainer, file);
}

int medio_kcontainer_open(void *compat, uint64_t ino, unsigned flags, struct medio_kfile **out)
{
	struct medio_kcontainer *container = calloc(1, sizeof(*container));

	(void)flags;
	if (!container)
		return -ENOMEM;
	container->compat = compat;
	container->refs = 1;
	medio_list_init(&container->groups);
	medio_kfile_enter(compat, &container_ops, &container->file, ino);
	*out = &container->file;
	return 0;
}

int medio_kcontainer_add(struct medio_kcontainer *container, struct medio_kgroup *group)
{
	if (!medio_list_empty(&container->groups) && container->noiommu != group->noiommu)
		return -EPERM;
	if (container->iommu) {
		int ret = container->iommu->attach(container, group);
		if (ret)
			return ret;
	}
	container->noiommu = group->noiommu;
	container->refs++;
	group->container = container;
	medio_list_append(&container->groups, &group->in_container);
	return 0;
}

void medio_kcontainer_remove(struct medio_kgroup *group)
{
	struct medio_kcontainer *container = group->container;

	medio_list_remove(&group->in_container);
	group->container = NULL;
	if (container->iommu) {
		container->iommu->detach(container, group);
		if (medio_list_empty(&container->groups)) {
			container->iommu->close(container);
			container->iommu = NULL;
		}
	}
	put(container);
}
