/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes: small pieces of a device's state, and of its filters', as text. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device/private.h"

#define FILTERS	    "filters/"
#define FILTERS_LEN (sizeof(FILTERS) - 1)

static const struct medio_attr *in_table(const struct medio_attr *attr, const char *name)
{
	while (attr && attr->name && strcmp(attr->name, name) != 0)
		attr++;
	return attr && attr->name ? attr : NULL;
}

const struct medio_attr *medio_attr_find(const struct medio_type *type, const char *name)
{
	return in_table(type->attrs, name);
}

/* ---- Filters ----------------------------------------------------------------------------------- */

/* "filters/NAME/", or of those that follow the first of that name "filters/NAME.1/". */
static size_t print_folder(const struct medio_dev *link, char *buf, size_t size)
{
	const char *name = link->filter->name;
	unsigned before = 0;

	for (const struct medio_dev *at = link->above; at; at = at->above)
		before += at->filter && strcmp(at->filter->name, name) == 0;
	int len = before ? snprintf(buf, size, FILTERS "%s.%u/", name, before)
			 : snprintf(buf, size, FILTERS "%s/", name);
	return len < 0 || (size_t)len >= size ? 0 : (size_t)len;
}

/* The attribute of that name, and whose it is. */
static const struct medio_attr *find(
	struct medio_instance *inst, const char *name, struct medio_dev **of)
{
	char folder[128];

	*of = &inst->chain.device;
	if (strncmp(name, FILTERS, FILTERS_LEN) != 0)
		return medio_attr_find(inst->type, name);
	for (struct medio_dev *link = inst->chain.head.below; link; link = link->below) {
		size_t len = link->filter ? print_folder(link, folder, sizeof(folder)) : 0;
		if (!len || strncmp(name, folder, len) != 0)
			continue;
		*of = link;
		return in_table(link->filter->attrs, name + len);
	}
	return NULL;
}

/* The n-th of a table; else n becomes what is left. */
static const struct medio_attr *nth(const struct medio_attr *attr, unsigned *n)
{
	for (; attr && attr->name; attr++)
		if (!(*n)--)
			return attr;
	return NULL;
}

const struct medio_attr *medio_instance_attr(
	struct medio_instance *inst, unsigned n, char *path, size_t size)
{
	const struct medio_attr *attr = nth(inst->type->attrs, &n);
	size_t len = 0;

	for (struct medio_dev *link = inst->chain.head.below; !attr && link; link = link->below) {
		attr = link->filter ? nth(link->filter->attrs, &n) : NULL;
		len = attr ? print_folder(link, path, size) : 0;
	}
	if (attr)
		snprintf(path + len, size - len, "%s", attr->name);
	return attr;
}

/* ---- Show and store ---------------------------------------------------------------------------- */

ssize_t medio_instance_attr_show(
	struct medio_instance *inst, const char *name, char *buf, size_t size)
{
	struct medio_dev *dev;
	const struct medio_attr *attr = find(inst, name, &dev);
	if (!attr)
		return -ENOENT;
	if (!attr->show)
		return -EIO;
	ssize_t len = attr->show(dev, attr, buf, size);
	return len > 0 && (size_t)len > size ? -ENOBUFS : len;
}

int medio_instance_attr_store(
	struct medio_instance *inst, const char *name, const char *text, size_t size)
{
	struct medio_dev *dev;
	const struct medio_attr *attr = find(inst, name, &dev);
	if (!attr)
		return -ENOENT;
	if (!attr->store)
		return -EIO;
	int ret = attr->store(dev, attr, text, size);
	return ret < 0 ? ret : 0;
}
