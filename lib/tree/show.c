/* SPDX-License-Identifier: BSD-3-Clause */
/* What files say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree/node.h"
#include "util/cleanup.h"

static ssize_t text(char *buf, size_t size, const char *words)
{
	size_t len = strlen(words);

	if (len > size)
		return -ENOBUFS;
	memcpy(buf, words, len);
	return (ssize_t)len;
}

ssize_t medio_show_autoprobe(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	return text(buf, size, node->subject->autoprobe ? "1\n" : "0\n");
}

/* ---- Types ------------------------------------------------------------------------------------- */

static ssize_t show_type(const struct medio_node *node, const char *attr, char *buf, size_t size)
{
	struct medio_parent *parent = node->subject->parent;

	return medio_type_show(
		parent, medio_parent_desc(parent)->types[node->number], attr, buf, size);
}

ssize_t medio_show_available(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	return show_type(node, "available_instances", buf, size);
}

ssize_t medio_show_description(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	return show_type(node, "description", buf, size);
}

ssize_t medio_show_device_api(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	return show_type(node, "device_api", buf, size);
}

ssize_t medio_show_type_name(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	return show_type(node, "name", buf, size);
}

/* ---- Devices ----------------------------------------------------------------------------------- */

/* Source: Linux drivers/base/core.c, dev_uevent(): a device without a number says its driver. */
ssize_t medio_show_uevent(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	const struct medio_subject *subject = node->subject;
	int len;

	(void)nodes;
	if (subject->sort != MEDIO_OF_MDEV || !medio_subject_bound(subject))
		return 0;
	len = snprintf(buf, size, "DRIVER=%s\n", medio_mdev_driver(subject->mdev)->name);
	return len >= 0 && (size_t)len < size ? len : -ENOBUFS;
}

/* Source: Linux drivers/base/power/sysfs.c, for a device without runtime power management. */
ssize_t medio_show_control(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	return text(buf, size, node->subject->control_on ? "on\n" : "auto\n");
}

ssize_t medio_show_autosuspend(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	(void)node;
	(void)buf;
	(void)size;
	return -EIO;
}

ssize_t medio_show_zero(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	(void)node;
	return text(buf, size, "0\n");
}

ssize_t medio_show_status(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	(void)node;
	return text(buf, size, "unsupported\n");
}

/* ---- Groups: Linux drivers/iommu/iommu.c, for a group without hardware and without a domain ------ */

ssize_t medio_show_reserved(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	(void)node;
	(void)buf;
	(void)size;
	return 0;
}

ssize_t medio_show_group_type(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	(void)nodes;
	(void)node;
	return text(buf, size, "unknown\n");
}

/* ---- Any of them ------------------------------------------------------------------------------- */

static int show_attr(struct medio_nodes *nodes, const struct medio_node *node,
	medio_mdev_attr_done *done, void *opaque)
{
	const char *path = medio_names_path(&nodes->names, node->number);
	struct medio_subject *subject = node->subject;
	char buf[MEDIO_NODE_TEXT];
	ssize_t len;

	if (subject->sort == MEDIO_OF_PARENT) {
		len = medio_parent_attr_show(subject->parent, path, buf, sizeof(buf));
		if (len >= 0)
			done(opaque, len, buf);
		return len < 0 ? (int)len : 0;
	}
	if (nodes->ops->attr_show)
		return nodes->ops->attr_show(nodes->opaque, subject->mdev, path, done, opaque);
	return medio_mdev_attr_show(subject->mdev, path, done, opaque);
}

int medio_node_show(struct medio_nodes *nodes, const struct medio_node *node,
	medio_mdev_attr_done *done, void *opaque)
{
	char buf[MEDIO_NODE_TEXT];
	ssize_t len;

	if (node->kind->form == MEDIO_FORM_DIR)
		return -EISDIR;
	if (medio_kind_of(node) == MEDIO_AT_ATTR)
		return show_attr(nodes, node, done, opaque);
	if (!node->kind->show)
		return -EIO;
	len = node->kind->show(nodes, node, buf, sizeof(buf));
	if (len < 0)
		return (int)len;
	done(opaque, len, buf);
	return 0;
}
