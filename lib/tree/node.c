/* SPDX-License-Identifier: BSD-3-Clause */
#include "tree/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int medio_nodes_init(struct medio_nodes *nodes, struct medio_bus *bus,
	const struct medio_tree_ops *ops, void *opaque)
{
	static const struct medio_tree_ops none;

	memset(nodes, 0, sizeof(*nodes));
	nodes->ops = ops ? ops : &none;
	nodes->opaque = opaque;
	nodes->uid = geteuid();
	nodes->gid = getegid();
	return medio_subjects_init(&nodes->subjects, bus);
}

void medio_nodes_fini(struct medio_nodes *nodes)
{
	medio_attrs_clear(&nodes->attrs);
	medio_names_clear(&nodes->names);
	medio_subjects_fini(&nodes->subjects);
}

/* ---- Numbers ----------------------------------------------------------------------------------- */

bool medio_node_while_bound(enum medio_at kind)
{
	return medio_kinds[kind].flags & MEDIO_WHILE_BOUND;
}

bool medio_node_there(struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_subject *subject = node->subject;

	if ((node->kind->flags & MEDIO_WHILE_BOUND) &&
		!(medio_subject_bound(subject) && subject->binds == node->number))
		return false;
	return !node->kind->there || node->kind->there(nodes, node);
}

uint64_t medio_node_id(const struct medio_node *node)
{
	return medio_subject_node(node->subject, medio_kind_of(node), node->number);
}

int medio_node_get(struct medio_nodes *nodes, uint64_t id, struct medio_node *out)
{
	struct medio_node node = { .number = id >> MEDIO_NODE_KIND_BITS & 0xffff };
	unsigned kind = id & ((1u << MEDIO_NODE_KIND_BITS) - 1);

	node.subject = medio_subject_by_serial(&nodes->subjects, id >> (MEDIO_NODE_KIND_BITS + 16));
	if (node.subject && node.subject->sort == MEDIO_OF_DRIVER)
		node.subject = medio_subject_of_driver(&nodes->subjects, node.subject->driver);
	if (!node.subject || kind >= MEDIO_KINDS ||
		!(medio_kinds[kind].subjects & (1u << node.subject->sort)) ||
		(node.number && !(medio_kinds[kind].flags & (MEDIO_WHILE_BOUND | MEDIO_NUMBERED))))
		return -ENOENT;
	node.kind = &medio_kinds[kind];
	if (!medio_node_there(nodes, &node))
		return -ENOENT;
	*out = node;
	return 0;
}

struct medio_subject *medio_node_driver(
	struct medio_nodes *nodes, const struct medio_subject *subject)
{
	const struct medio_mdev_driver *driver = medio_mdev_driver(subject->mdev);

	return driver ? medio_subject_of_driver(&nodes->subjects, driver) : NULL;
}

/* ---- Attributes -------------------------------------------------------------------------------- */

/* A name that every such folder has anyway. */
static bool fixed_name(const struct medio_subject *subject, const char *path)
{
	enum medio_at dir = subject->sort == MEDIO_OF_PARENT ? MEDIO_AT_PARENT : MEDIO_AT_MDEV;
	size_t len = strcspn(path, "/");

	for (unsigned i = 0; i < MEDIO_KINDS; i++) {
		const struct medio_kind *kind = &medio_kinds[i];

		if (kind->name && (kind->in[0] == dir || kind->in[1] == dir) &&
			strlen(kind->name) == len && memcmp(kind->name, path, len) == 0)
			return true;
	}
	return false;
}

static int add_attr(struct medio_nodes *nodes, const struct medio_subject *subject,
	const char *path, bool readable, bool writable)
{
	if (fixed_name(subject, path))
		return 0;
	return medio_attrs_add(&nodes->attrs, path, readable, writable);
}

static int parent_attrs(struct medio_nodes *nodes, const struct medio_subject *subject)
{
	const struct medio_parent_attr *attr = medio_parent_desc(subject->parent)->attrs;
	int ret = 0;

	for (; ret == 0 && attr && attr->name; attr++)
		ret = add_attr(nodes, subject, attr->name, attr->show, attr->store);
	return ret;
}

/* The driver's own, there while it is. */
static int type_attrs(struct medio_nodes *nodes, const struct medio_subject *subject)
{
	const struct medio_attr *attr = medio_mdev_type(subject->mdev)->attrs;
	int ret = 0;

	if (!medio_subject_bound(subject))
		return 0;
	for (; ret == 0 && attr && attr->name; attr++)
		ret = add_attr(nodes, subject, attr->name, attr->show, attr->store);
	return ret;
}

static bool readable(const struct medio_subject *subject, const char *path)
{
	const struct medio_attr *attr = medio_mdev_type(subject->mdev)->attrs;

	while (attr && attr->name && strcmp(attr->name, path) != 0)
		attr++;
	return !attr || !attr->name || attr->show;
}

static int ops_attrs(struct medio_nodes *nodes, const struct medio_subject *subject)
{
	bool writable = false;
	const char *path;
	int ret = 0;

	for (unsigned n = 0; ret == 0 && n < MEDIO_ATTRS_MAX; n++, writable = false) {
		path = nodes->ops->attr_path(nodes->opaque, subject->mdev, n, &writable);
		if (!path)
			break;
		ret = add_attr(nodes, subject, path, readable(subject, path), writable);
	}
	return ret;
}

const struct medio_attrs *medio_node_attrs(
	struct medio_nodes *nodes, const struct medio_subject *subject)
{
	int ret;

	if (nodes->attrs.serial == subject->serial &&
		memcmp(&nodes->attrs_of, &subject->changed, sizeof(nodes->attrs_of)) == 0)
		return &nodes->attrs;
	medio_attrs_clear(&nodes->attrs);
	if (subject->sort == MEDIO_OF_PARENT)
		ret = parent_attrs(nodes, subject);
	else if (nodes->ops->attr_path)
		ret = ops_attrs(nodes, subject);
	else
		ret = type_attrs(nodes, subject);
	if (ret < 0)
		return NULL;
	medio_attrs_sort(&nodes->attrs);
	nodes->attrs.serial = subject->serial;
	nodes->attrs_of = subject->changed;
	return &nodes->attrs;
}

const struct medio_attr_path *medio_node_attr(
	struct medio_nodes *nodes, const struct medio_node *node)
{
	const struct medio_attrs *attrs = medio_node_attrs(nodes, node->subject);
	const char *path = medio_names_path(&nodes->names, node->number);

	return attrs && path ? medio_attrs_find(attrs, path) : NULL;
}

/* ---- Names ------------------------------------------------------------------------------------- */

static const char *attr_name(const struct medio_nodes *nodes, const struct medio_node *node)
{
	const char *path = medio_names_path(&nodes->names, node->number);
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void medio_node_name(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	struct medio_subject *subject = node->subject;
	const char *name = node->kind->name;

	switch (medio_kind_of(node)) {
	case MEDIO_AT_ROOT:
		name = "";
		break;
	case MEDIO_AT_FOLDER:
		name = subject->name;
		break;
	case MEDIO_AT_DRIVER:
		name = subject->driver->name;
		break;
	case MEDIO_AT_PARENT:
		name = subject->base;
		break;
	case MEDIO_AT_PARENT_CLASS:
	case MEDIO_AT_PARENT_CLASS_LINK:
	case MEDIO_AT_PARENT_MDEV_LINK:
		name = medio_parent_desc(subject->parent)->name;
		break;
	case MEDIO_AT_TYPE:
		name = medio_parent_desc(subject->parent)->types[node->number]->name;
		break;
	case MEDIO_AT_MDEV:
	case MEDIO_AT_BUS_LINK:
	case MEDIO_AT_DRIVER_LINK:
	case MEDIO_AT_TYPE_LINK:
	case MEDIO_AT_GROUP_LINK:
		name = medio_mdev_uuid(subject->mdev);
		break;
	case MEDIO_AT_GROUP:
		snprintf(buf, size, "%d", subject->group);
		return;
	case MEDIO_AT_MDEV_VIRTFN:
		snprintf(buf, size, "virtfn%u", node->number);
		return;
	case MEDIO_AT_ATTR:
	case MEDIO_AT_ATTR_DIR:
		name = attr_name(nodes, node);
		break;
	default:
		break;
	}
	snprintf(buf, size, "%s", name);
}

/* ---- The way up -------------------------------------------------------------------------------- */

static void set(
	struct medio_node *node, enum medio_at kind, struct medio_subject *subject, unsigned number)
{
	node->kind = &medio_kinds[kind];
	node->subject = subject;
	node->number = number;
}

static enum medio_at own_folder(const struct medio_subject *subject)
{
	static const enum medio_at folders[] = {
		[MEDIO_OF_TREE] = MEDIO_AT_DEVICES,
		[MEDIO_OF_FOLDER] = MEDIO_AT_FOLDER,
		[MEDIO_OF_PARENT] = MEDIO_AT_PARENT,
		[MEDIO_OF_MDEV] = MEDIO_AT_MDEV,
		[MEDIO_OF_DRIVER] = MEDIO_AT_DRIVER,
	};

	return folders[subject->sort];
}

static void up_from_attr(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *up)
{
	const char *path = medio_names_path(&nodes->names, node->number);
	const char *slash = strrchr(path, '/');
	int number = slash ? medio_names_number(&nodes->names, path, (size_t)(slash - path)) : -1;

	if (number < 0)
		set(up, own_folder(node->subject), node->subject, 0);
	else
		set(up, MEDIO_AT_ATTR_DIR, node->subject, (unsigned)number);
}

void medio_node_up(struct medio_nodes *nodes, const struct medio_node *node, struct medio_node *up)
{
	struct medio_subject *subject = node->subject, *tree = &nodes->subjects.tree, *driver;
	const struct medio_kind *kind = node->kind;

	if (kind->in[1]) {
		set(up, own_folder(subject), subject, 0);
		return;
	}
	if (kind->in[0]) {
		set(up, kind->in[0], subject, kind->in[0] == MEDIO_AT_MDEV ? 0 : node->number);
		return;
	}
	switch (medio_kind_of(node)) {
	case MEDIO_AT_FOLDER:
	case MEDIO_AT_PARENT:
	case MEDIO_AT_MDEV:
		subject = subject->up ? subject->up : tree;
		set(up, own_folder(subject), subject, 0);
		break;
	case MEDIO_AT_DRIVER:
		set(up, MEDIO_AT_BUS_DRIVERS, tree, 0);
		break;
	case MEDIO_AT_PARENT_CLASS:
		set(up, MEDIO_AT_CLASS, tree, 0);
		break;
	case MEDIO_AT_PARENT_CLASS_LINK:
		set(up, MEDIO_AT_PARENT_CLASS, subject, 0);
		break;
	case MEDIO_AT_PARENT_MDEV_LINK:
		set(up, MEDIO_AT_CLASS_MDEV, tree, 0);
		break;
	case MEDIO_AT_TYPE:
		set(up, MEDIO_AT_TYPES, subject, 0);
		break;
	case MEDIO_AT_BUS_LINK:
		set(up, MEDIO_AT_BUS_DEVICES, tree, 0);
		break;
	case MEDIO_AT_DRIVER_LINK:
		driver = medio_node_driver(nodes, subject);
		set(up, driver ? MEDIO_AT_DRIVER : MEDIO_AT_BUS_DRIVERS, driver ? driver : tree, 0);
		break;
	case MEDIO_AT_TYPE_LINK:
		set(up, MEDIO_AT_TYPE_DEVICES, subject->up, medio_subject_type_index(subject));
		break;
	case MEDIO_AT_GROUP:
		set(up, MEDIO_AT_GROUPS, tree, 0);
		break;
	case MEDIO_AT_GROUP_LINK:
		set(up, MEDIO_AT_GROUP_DEVICES, subject, node->number);
		break;
	case MEDIO_AT_MDEV_VIRTFN:
		set(up, MEDIO_AT_MDEV, subject, 0);
		break;
	case MEDIO_AT_ATTR:
	case MEDIO_AT_ATTR_DIR:
		up_from_attr(nodes, node, up);
		break;
	default:
		set(up, MEDIO_AT_ROOT, tree, 0);
		break;
	}
}

int medio_node_path(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	char path[MEDIO_NODE_PATH], name[MEDIO_NODE_NAME];
	size_t at = sizeof(path) - 1, len;
	struct medio_node here = *node, up;

	path[at] = '\0';
	while (medio_kind_of(&here) != MEDIO_AT_ROOT) {
		medio_node_name(nodes, &here, name, sizeof(name));
		len = strlen(name);
		if (len + 1 > at)
			return -ENAMETOOLONG;
		if (path[at])
			path[--at] = '/';
		at -= len;
		memcpy(path + at, name, len);
		medio_node_up(nodes, &here, &up);
		here = up;
	}
	len = strlen(path + at);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(buf, path + at, len + 1);
	return (int)len;
}

/* From the folder of a link to its target: ".." for what they have not in common, and the rest. */
static int relative(const char *dir, const char *to, char *buf, size_t size)
{
	size_t len = 0, in_dir, in_to;
	int ret;

	for (;;) {
		in_dir = strcspn(dir, "/");
		in_to = strcspn(to, "/");
		if (!in_dir || in_dir != in_to || memcmp(dir, to, in_to) != 0)
			break;
		dir += in_dir + (dir[in_dir] == '/');
		to += in_to + (to[in_to] == '/');
	}
	while (*dir) {
		if (len + 4 > size)
			return -ENAMETOOLONG;
		memcpy(buf + len, "../", 4);
		len += 3;
		dir += strcspn(dir, "/");
		dir += *dir == '/';
	}
	if (!*to && len)
		len--;
	ret = snprintf(buf + len, size - len, "%s", *to || len ? to : ".");
	return len + (size_t)ret < size ? (int)len + ret : -ENAMETOOLONG;
}

int medio_node_target(
	struct medio_nodes *nodes, const struct medio_node *node, char *buf, size_t size)
{
	char dir[MEDIO_NODE_PATH], to[MEDIO_NODE_PATH];
	struct medio_node up, target;
	int ret;

	if (node->kind->form != MEDIO_FORM_LINK)
		return -EINVAL;
	node->kind->target(nodes, node, &target);
	medio_node_up(nodes, node, &up);
	ret = medio_node_path(nodes, &up, dir, sizeof(dir));
	if (ret >= 0)
		ret = medio_node_path(nodes, &target, to, sizeof(to));
	return ret < 0 ? ret : relative(dir, to, buf, size);
}

/* ---- The way down ------------------------------------------------------------------------------ */

/* The entry of a folder that has this kind and its constant name, if it is there. */
static bool fixed_entry(struct medio_nodes *nodes, const struct medio_node *dir, enum medio_at kind,
	struct medio_node *entry)
{
	const struct medio_kind *what = &medio_kinds[kind];
	enum medio_at in = medio_kind_of(dir);

	if (!what->name || (what->in[0] != in && what->in[1] != in) ||
		!(what->subjects & (1u << dir->subject->sort)))
		return false;
	set(entry, kind, dir->subject, dir->number);
	if ((what->flags & MEDIO_WHILE_BOUND) && in == MEDIO_AT_MDEV)
		entry->number = dir->subject->binds;
	return medio_node_there(nodes, entry);
}

static int get_dir(struct medio_nodes *nodes, uint64_t id, struct medio_node *dir)
{
	int ret = medio_node_get(nodes, id, dir);

	return ret < 0 ? ret : dir->kind->form == MEDIO_FORM_DIR ? 0 : -ENOTDIR;
}

int medio_node_lookup(
	struct medio_nodes *nodes, uint64_t dir_id, const char *name, struct medio_node *out)
{
	struct medio_node dir, entry;
	int ret = get_dir(nodes, dir_id, &dir);

	if (ret < 0)
		return ret;
	for (unsigned kind = 0; kind < MEDIO_KINDS; kind++) {
		if (medio_kinds[kind].name && strcmp(medio_kinds[kind].name, name) == 0 &&
			fixed_entry(nodes, &dir, (enum medio_at)kind, &entry))
			goto found;
	}
	if (!dir.kind->find || !dir.kind->find(nodes, &dir, name, &entry))
		return -ENOENT;
found:
	entry.subject->known = true;
	*out = entry;
	return 0;
}

int medio_node_next(
	struct medio_nodes *nodes, uint64_t dir_id, uint64_t offset, struct medio_node_entry *entry)
{
	struct medio_node dir;
	int ret = get_dir(nodes, dir_id, &dir);
	bool found = false;

	if (ret < 0)
		return ret;
	for (uint64_t kind = offset + 1; kind < MEDIO_KINDS && !found; kind++) {
		found = fixed_entry(nodes, &dir, (enum medio_at)kind, &entry->node);
		entry->offset = kind;
	}
	if (!found && dir.kind->next)
		found = dir.kind->next(nodes, &dir, offset, &entry->node, &entry->offset);
	if (!found)
		return 0;
	medio_node_name(nodes, &entry->node, entry->name, sizeof(entry->name));
	entry->node.subject->known = true;
	return 1;
}

/* ---- What it looks like ------------------------------------------------------------------------ */

/* Folders whose time of change is looked up each time. */
static bool changing(const struct medio_node *node)
{
	switch (medio_kind_of(node)) {
	case MEDIO_AT_BUS_DEVICES:
	case MEDIO_AT_BUS_DRIVERS:
	case MEDIO_AT_CLASS:
	case MEDIO_AT_CLASS_MDEV:
	case MEDIO_AT_DEVICES:
	case MEDIO_AT_GROUPS:
	case MEDIO_AT_FOLDER:
	case MEDIO_AT_DRIVER:
	case MEDIO_AT_PARENT:
	case MEDIO_AT_TYPE_DEVICES:
		return true;
	default:
		return false;
	}
}

/* A removal that waits for a close is no event; so look. */
static void look_for_removals(struct medio_nodes *nodes, struct medio_subject *parent)
{
	unsigned going = 0;

	medio_list_for_each (item, &parent->entries) {
		const struct medio_subject *mdev = medio_container_of(
			item, struct medio_subject, inside);

		going += medio_mdev_state(mdev->mdev) == MEDIO_MDEV_REMOVING;
	}
	if (going != parent->ngoing)
		medio_subject_touch(&nodes->subjects, parent);
	parent->ngoing = going;
}

static struct timespec mtime(struct medio_nodes *nodes, const struct medio_node *node)
{
	struct medio_subject *subject = node->subject;
	bool removing;

	if (node->kind->form != MEDIO_FORM_DIR)
		return subject->born;
	switch (medio_kind_of(node)) {
	case MEDIO_AT_TYPE_DEVICES:
		look_for_removals(nodes, subject);
		return subject->changed;
	case MEDIO_AT_MDEV:
		removing = medio_mdev_state(subject->mdev) == MEDIO_MDEV_REMOVING;
		if (removing != subject->removing)
			medio_subject_touch(&nodes->subjects, subject);
		subject->removing = removing;
		return subject->changed;
	case MEDIO_AT_CLASS_MDEV: /* leaving is no event */
	case MEDIO_AT_BUS_DRIVERS:
		medio_subject_touch(&nodes->subjects, subject);
		return subject->changed;
	case MEDIO_AT_DRIVER:
		return nodes->subjects.tree.changed;
	default:
		return changing(node) || medio_kind_of(node) == MEDIO_AT_ATTR_DIR ? subject->changed
										  : subject->born;
	}
}

void medio_node_stat(
	struct medio_nodes *nodes, const struct medio_node *node, struct medio_node_stat *out)
{
	char target[MEDIO_NODE_PATH];
	mode_t type;
	int len;

	memset(out, 0, sizeof(*out));
	out->id = medio_node_id(node);
	medio_node_owner(nodes, node, &out->uid, &out->gid, &out->mode);
	out->mtime = mtime(nodes, node);
	out->changing = changing(node);
	switch (medio_kind_of(node)) {
	case MEDIO_AT_DRIVER:
	case MEDIO_AT_PARENT_MDEV_LINK:
		out->coming = true;
		break;
	case MEDIO_AT_ATTR:
	case MEDIO_AT_ATTR_DIR:
		/* Before its first bind and after, an instance can have others. */
		if (node->subject->sort != MEDIO_OF_MDEV)
			break;
		out->coming = !nodes->ops->attr_path || !medio_subject_bound(node->subject);
		out->changing |= out->coming && node->kind->form == MEDIO_FORM_DIR;
		break;
	default:
		break;
	}
	type = S_IFREG;
	out->size = MEDIO_NODE_TEXT;
	if (node->kind->form == MEDIO_FORM_DIR) {
		type = S_IFDIR;
		out->size = 0;
	} else if (node->kind->form == MEDIO_FORM_LINK) {
		len = medio_node_target(nodes, node, target, sizeof(target));
		type = S_IFLNK;
		out->size = len > 0 ? (size_t)len : 0;
	}
	out->mode |= type;
}
