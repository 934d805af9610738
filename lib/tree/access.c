/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners and modes: what files start with, what root makes of them, who may. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/node.h"

static bool has_read(struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_attr_path *attr;

	if (medio_kind_of(node) != MEDIO_AT_ATTR)
		return node->kind->show;
	attr = medio_node_attr(nodes, node);
	return attr && attr->readable;
}

static bool has_write(struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_attr_path *attr;

	if (medio_kind_of(node) != MEDIO_AT_ATTR)
		return node->kind->store;
	attr = medio_node_attr(nodes, node);
	return attr && attr->writable;
}

/* What ops->access has to say about a file that can be written. */
static void owned(struct medio_nodes *nodes, const struct medio_node *node, uid_t *uid, gid_t *gid,
	mode_t *mode)
{
	struct medio_tree_access access = { *uid, *gid, 0200 };
	const struct medio_subject *subject = node->subject;

	if (subject->sort == MEDIO_OF_MDEV)
		nodes->ops->access(
			nodes->opaque, medio_mdev_parent(subject->mdev), subject->mdev, &access);
	else if (medio_kind_of(node) == MEDIO_AT_TYPE_CREATE)
		nodes->ops->access(nodes->opaque, subject->parent, NULL, &access);
	else
		return;
	*uid = access.uid;
	*gid = access.gid;
	*mode = access.mode & 0222;
	if (has_read(nodes, node))
		*mode |= 0444;
}

void medio_node_owner(struct medio_nodes *nodes, const struct medio_node *node, uid_t *uid,
	gid_t *gid, mode_t *mode)
{
	const struct medio_mode *changed = medio_subject_mode(
		node->subject, medio_kind_of(node), node->number);

	if (changed) {
		*uid = changed->uid;
		*gid = changed->gid;
		*mode = changed->mode;
		return;
	}
	*uid = nodes->uid;
	*gid = nodes->gid;
	*mode = node->kind->mode;
	if (medio_kind_of(node) == MEDIO_AT_ATTR)
		*mode = (has_read(nodes, node) ? 0444 : 0) | (has_write(nodes, node) ? 0200 : 0);
	if ((node->kind->flags & MEDIO_OWNED) && nodes->ops->access && has_write(nodes, node))
		owned(nodes, node, uid, gid, mode);
}

static bool in_group(const struct medio_node_asker *asker, gid_t gid)
{
	return asker->who.gid == gid || (asker->in_group && asker->in_group(asker, gid));
}

static int allowed(const struct medio_node *node, uid_t uid, gid_t gid, mode_t mode,
	const struct medio_node_asker *asker, int want)
{
	mode_t bits = mode;

	if (asker->who.uid == 0)
		return (want & X_OK) && node->kind->form == MEDIO_FORM_FILE && !(mode & 0111)
			       ? -EACCES
			       : 0;
	if (asker->who.uid == uid)
		bits >>= 6;
	/* Groups are only asked for if they would make a difference. */
	else if (((mode >> 3) & 7) != (mode & 7) && in_group(asker, gid))
		bits >>= 3;
	return (~bits & (unsigned)want & 7) ? -EACCES : 0;
}

int medio_node_access(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_node_asker *asker, int want)
{
	mode_t mode;
	uid_t uid;
	gid_t gid;

	medio_node_owner(nodes, node, &uid, &gid, &mode);
	return allowed(node, uid, gid, mode, asker, want);
}

int medio_node_open(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_node_asker *asker, bool read, bool write)
{
	mode_t mode;
	uid_t uid;
	gid_t gid;

	if (node->kind->form == MEDIO_FORM_DIR)
		return write ? -EISDIR : 0;
	medio_node_owner(nodes, node, &uid, &gid, &mode);
	if ((read && (!(mode & 0444) || !has_read(nodes, node))) ||
		(write && (!(mode & 0222) || !has_write(nodes, node))))
		return -EACCES;
	return allowed(node, uid, gid, mode, asker, (read ? R_OK : 0) | (write ? W_OK : 0));
}

int medio_node_chmod(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_node_asker *asker, const mode_t *mode, const uid_t *uid,
	const gid_t *gid)
{
	struct medio_mode *changed;
	bool root = asker->who.uid == 0;
	mode_t old_mode;
	uid_t old_uid;
	gid_t old_gid;

	if (node->kind->form != MEDIO_FORM_FILE)
		return -EPERM;
	medio_node_owner(nodes, node, &old_uid, &old_gid, &old_mode);
	if (!root && asker->who.uid != old_uid)
		return -EPERM;
	if (!root &&
		((uid && *uid != old_uid) || (gid && *gid != old_gid && !in_group(asker, *gid))))
		return -EPERM;
	changed = medio_subject_new_mode(node->subject, medio_kind_of(node), node->number);
	if (!changed)
		return -ENOMEM;
	changed->uid = uid ? *uid : old_uid;
	changed->gid = gid ? *gid : old_gid;
	changed->mode = (mode ? *mode : old_mode) & 0777;
	return 0;
}
