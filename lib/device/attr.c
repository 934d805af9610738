/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes: small pieces of a device's state, as text. */
#include <errno.h>
#include <string.h>

#include "device/private.h"

const struct medio_attr *medio_attr_find(const struct medio_type *type, const char *name)
{
	const struct medio_attr *attr = type->attrs;
	while (attr && attr->name && strcmp(attr->name, name) != 0)
		attr++;
	return attr && attr->name ? attr : NULL;
}

ssize_t medio_instance_attr_show(
	struct medio_instance *inst, const char *name, char *buf, size_t size)
{
	const struct medio_attr *attr = medio_attr_find(inst->type, name);
	if (!attr)
		return -ENOENT;
	if (!attr->show)
		return -EIO;
	ssize_t len = attr->show(&inst->chain.device, attr, buf, size);
	return len > 0 && (size_t)len > size ? -ENOBUFS : len;
}

int medio_instance_attr_store(
	struct medio_instance *inst, const char *name, const char *text, size_t size)
{
	const struct medio_attr *attr = medio_attr_find(inst->type, name);
	if (!attr)
		return -ENOENT;
	if (!attr->store)
		return -EIO;
	int ret = attr->store(&inst->chain.device, attr, text, size);
	return ret < 0 ? ret : 0;
}
