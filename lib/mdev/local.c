/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver whose devices run in this process, on the loop it was registered with. */
#include "device/instance.h"

#include <medio/mdev.h>

#include <errno.h>

/* One page, as sysfs has it. */
#define TEXT_MAX 4096

static struct medio_dev *device_of(const struct medio_mdev *mdev)
{
	return medio_instance_device(medio_mdev_data(mdev));
}

static int local_probe(struct medio_mdev *mdev)
{
	const struct medio_mdev_options *opts = medio_mdev_options(mdev);
	struct medio_instance_options instance_opts = {
		.uuid = medio_mdev_uuid(mdev),
		.params = opts->params,
		.nparams = opts->nparams,
		.filters = opts->filters,
		.nfilters = opts->nfilters,
		.known_filters = opts->known_filters,
		.vf = opts->vf_present,
		.vf_opaque = opts->vf_opaque,
	};
	struct medio_instance *inst = NULL;
	struct medio_error *err = NULL;
	int ret;

	ret = (opts->bare ? medio_instance_new_bare : medio_instance_new)(
		medio_mdev_driver_opaque(mdev), medio_mdev_type(mdev), &instance_opts, &inst, &err);
	if (ret < 0) {
		medio_mdev_fail(mdev, -ret, "%s", medio_error_text(err));
		medio_error_free(err);
		return ret;
	}
	medio_mdev_set_data(mdev, inst);
	return 0;
}

static void local_remove(struct medio_mdev *mdev)
{
	medio_instance_free(medio_mdev_data(mdev));
	medio_mdev_set_data(mdev, NULL);
}

/* The client's REQ interrupt: "please give the device back". If it did not ask for that one, there
 * is no way to tell it; whoever serves it sees the removal pending. */
static void local_request(struct medio_mdev *mdev, unsigned count)
{
	(void)count;
	medio_instance_request(medio_mdev_data(mdev));
}

static int local_attr_show(struct medio_mdev *mdev, const struct medio_attr *attr,
	medio_mdev_attr_done *done, void *opaque)
{
	char text[TEXT_MAX];
	ssize_t ret = medio_instance_attr_show(
		medio_mdev_data(mdev), attr->name, text, sizeof(text));

	done(opaque, ret, ret < 0 ? NULL : text);
	return 0;
}

static int local_attr_store(struct medio_mdev *mdev, const struct medio_attr *attr,
	const char *text, size_t size, medio_mdev_attr_done *done, void *opaque)
{
	int ret = medio_instance_attr_store(medio_mdev_data(mdev), attr->name, text, size);

	done(opaque, ret < 0 ? ret : (ssize_t)size, NULL);
	return 0;
}

static int local_pin_pages(
	struct medio_mdev *mdev, uint64_t iova, unsigned npage, unsigned prot, void **pages)
{
	return medio_dma_pin(device_of(mdev), iova, npage, prot, pages);
}

static void local_unpin_pages(struct medio_mdev *mdev, uint64_t iova, unsigned npage)
{
	medio_dma_unpin(device_of(mdev), iova, npage);
}

static int local_dma_rw(struct medio_mdev *mdev, uint64_t iova, void *buf, size_t len, bool write)
{
	struct medio_dev *dev = device_of(mdev);

	return write ? medio_dma_write(dev, iova, buf, len) : medio_dma_read(dev, iova, buf, len);
}

const struct medio_mdev_driver medio_mdev_local = {
	.name = "medio-local",
	.device_api = "vfio-pci",
	.probe = local_probe,
	.remove = local_remove,
	.request = local_request,
	.attr_show = local_attr_show,
	.attr_store = local_attr_store,
	.pin_pages = local_pin_pages,
	.unpin_pages = local_unpin_pages,
	.dma_rw = local_dma_rw,
};

struct medio_instance *medio_mdev_local_instance(const struct medio_mdev *mdev)
{
	return medio_mdev_driver(mdev) == &medio_mdev_local ? medio_mdev_data(mdev) : NULL;
}
