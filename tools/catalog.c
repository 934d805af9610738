/* SPDX-License-Identifier: BSD-3-Clause */
#include "catalog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <medio/serve.h>

#include "devices/edu/edu.h"
#include "devices/mtty/mtty.h"
#include "devices/nic/nic.h"
#include "devices/passthrough/passthrough.h"
#include "devices/virtio-blk/virtio-blk.h"
#include "devices/virtio-console/virtio-console.h"
#include "devices/virtio-net/virtio-net.h"
#include "devices/virtio-rng/virtio-rng.h"
#include "devices/virtio-scsi/virtio-scsi.h"
#include "plugin.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

static ssize_t show_sample(
	struct medio_parent *parent, const struct medio_parent_attr *attr, char *buf, size_t size)
{
	(void)parent;
	(void)attr;
	return snprintf(buf, size, "This is phy device\n");
}

/* The kernel's sample has this one on its parent. */
static const struct medio_parent_attr mtty_attrs[] = {
	{ .name = "mtty_dev/sample_mtty_dev", .show = show_sample },
	{ NULL },
};

/* As the kernel's sample: 24 ports for all cards together. */
static const struct medio_parent_desc mtty_parent = {
	.name = "mtty", .types = medio_mtty_types, .capacity = 24, .attrs = mtty_attrs
};

static const struct medio_parent_desc edu_parent = { .name = "edu", .types = medio_edu_types };

static const struct medio_parent_desc passthrough_parent = { .name = "passthrough",
	.types = medio_passthrough_types };

static const struct medio_parent_desc nic_parent = { .name = "nic", .types = medio_nic_types };

static const struct medio_parent_desc virtio_blk_parent = { .name = "virtio-blk",
	.types = medio_virtio_blk_types };

static const struct medio_parent_desc virtio_console_parent = { .name = "virtio-console",
	.types = medio_virtio_console_types };

static const struct medio_parent_desc virtio_net_parent = { .name = "virtio-net",
	.types = medio_virtio_net_types };

static const struct medio_parent_desc virtio_rng_parent = { .name = "virtio-rng",
	.types = medio_virtio_rng_types };

static const struct medio_parent_desc virtio_scsi_parent = { .name = "virtio-scsi",
	.types = medio_virtio_scsi_types };

const struct medio_parent_kind medio_catalog_kinds[] = {
	{ .desc = &mtty_parent, .units = "ports" },
	{ .desc = &edu_parent },
	{ .desc = &nic_parent, .cards = 1 },
	{ .desc = &passthrough_parent },
	{ .desc = &virtio_blk_parent },
	{ .desc = &virtio_console_parent },
	{ .desc = &virtio_net_parent },
	{ .desc = &virtio_rng_parent },
	{ .desc = &virtio_scsi_parent },
};
const unsigned medio_catalog_num_kinds = MEDIO_ARRAY_SIZE(medio_catalog_kinds);

int medio_catalog_type(const char *name, const struct medio_type **out, struct medio_error **err)
{
	const char *names[64];
	size_t count = 0;

	if (strchr(name, '/'))
		return medio_tool_plugin_open(name, out, err);
	for (unsigned i = 0; i < medio_catalog_num_kinds; i++) {
		const struct medio_type *const *type = medio_catalog_kinds[i].desc->types;
		for (; *type; type++) {
			if (strcmp((*type)->name, name) == 0) {
				*out = *type;
				return 0;
			}
			if (count < MEDIO_ARRAY_SIZE(names))
				names[count++] = (*type)->name;
		}
	}
	return medio_unknown(err, "type", name, names, count);
}

int medio_catalog_init(struct medio_catalog *catalog, struct medio_error **err)
{
	memset(catalog, 0, sizeof(*catalog));
	int ret = medio_loop_new(&catalog->loop);
	if (ret == 0)
		ret = medio_bus_new(&catalog->bus);
	if (ret) {
		medio_catalog_fini(catalog);
		return medio_error_set(err, -ret, "cannot start: %s", strerror(-ret));
	}
	ret = medio_mdev_driver_register(catalog->bus, &medio_mdev_local, catalog->loop, err);
	struct medio_parent *parent;
	for (unsigned i = 0; i < medio_catalog_num_kinds && !ret; i++)
		ret = medio_parent_register(
			catalog->bus, medio_catalog_kinds[i].desc, &medio_mdev_local, &parent, err);
	if (ret)
		medio_catalog_fini(catalog);
	return ret;
}

void medio_catalog_fini(struct medio_catalog *catalog)
{
	medio_bus_free(catalog->bus);
	medio_loop_free(catalog->loop);
	catalog->bus = NULL;
	catalog->loop = NULL;
}

int medio_catalog_find(struct medio_catalog *catalog, const char *name,
	struct medio_parent **parent, const struct medio_type **type, struct medio_error **err)
{
	if (!strchr(name, '/')) /* a name that is not there is a wrong word, not a missing file */
		return medio_bus_find_type(catalog->bus, name, parent, type, err) ? -EINVAL : 0;
	int ret = medio_tool_plugin_open(name, type, err);
	if (ret)
		return ret;
	catalog->plugin_types[0] = *type;
	catalog->plugin = (struct medio_parent_desc){ .name = "plugin",
		.types = catalog->plugin_types };
	return medio_parent_register(
		catalog->bus, &catalog->plugin, &medio_mdev_local, parent, err);
}
