/* SPDX-License-Identifier: BSD-3-Clause */
/* What writes mean. Each is one write(2). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree/node.h"
#include "util/cleanup.h"
#include "util/uuid.h"

/* The same but for a newline at the end of text. Source: Linux sysfs_streq(). */
static bool same(const char *text, size_t len, const char *word)
{
	if (len && text[len - 1] == '\n')
		len--;
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

static int finish(int ret, medio_mdev_done *done, void *opaque)
{
	if (ret == 0)
		done(opaque, 0);
	return ret == MEDIO_DEFERRED ? 0 : ret;
}

/* ---- The bus and its drivers: Linux drivers/base/bus.c ------------------------------------------ */

int medio_store_autoprobe(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	(void)nodes;
	(void)who;
	(void)len;
	node->subject->autoprobe = text[0] != '0';
	done(opaque, 0);
	return 0;
}

static struct medio_mdev *find(struct medio_nodes *nodes, const char *text, size_t len)
{
	struct medio_mdev *mdev;

	if (len && text[len - 1] == '\n')
		len--;
	mdev = medio_bus_find_mdev(nodes->subjects.bus, text, len);
	return mdev && same(text, len, medio_mdev_uuid(mdev)) ? mdev : NULL;
}

/* The mdev bus matches no device to a driver by itself: only the name is looked at. */
int medio_store_probe(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	(void)node;
	(void)who;
	return finish(find(nodes, text, len) ? 0 : -ENODEV, done, opaque);
}

int medio_store_bind(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	struct medio_mdev *mdev = find(nodes, text, len);

	(void)who;
	if (!mdev || medio_parent_driver(medio_mdev_parent(mdev)) != node->subject->driver)
		return -ENODEV;
	return finish(medio_mdev_bind(mdev, done, opaque, NULL), done, opaque);
}

int medio_store_unbind(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	struct medio_mdev *mdev = find(nodes, text, len);

	(void)who;
	if (!mdev || medio_mdev_driver(mdev) != node->subject->driver)
		return -ENODEV;
	return finish(medio_mdev_unbind(mdev, done, opaque), done, opaque);
}

/* ---- Events by hand: Linux lib/kobject_uevent.c, kobject_synth_uevent() --------------------------- */

#define SPACE_AND_UUID 37

/* "add", a newline or the end: the length of the word, -EINVAL no such action. */
static int action_length(const char *text, size_t len, const char **action)
{
	static const char *const actions[] = { "add", "remove", "change", "move", "online",
		"offline", "bind", "unbind" };
	size_t word = 0;

	while (word < len && text[word] != ' ' && text[word] != '\n' && text[word] != '\0')
		word++;
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(actions); i++) {
		if (strlen(actions[i]) == word && memcmp(actions[i], text, word) == 0) {
			*action = actions[i];
			return (int)word;
		}
	}
	return -EINVAL;
}

static bool alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* " KEY=value" over and over, both of letters and digits. */
static bool arguments_ok(const char *text, size_t len)
{
	size_t at = 0, start;

	while (at < len) {
		if (text[at++] != ' ')
			return false;
		for (start = at; at < len && alnum(text[at]); at++)
			;
		if (at == start || at == len || text[at++] != '=')
			return false;
		for (start = at; at < len && alnum(text[at]); at++)
			;
		if (at == start)
			return false;
	}
	return true;
}

/* "ACTION [UUID [KEY=value …]]": the event's variables go into env. */
static int parse_uevent(
	const char *text, size_t len, const char **action, char env[MEDIO_NODE_TEXT])
{
	uint8_t uuid[MEDIO_UUID_SIZE];
	int word;

	if (len && (text[len - 1] == '\n' || text[len - 1] == '\0'))
		len--;
	word = action_length(text, len, action);
	if (word < 0)
		return word;
	text += word;
	len -= (size_t)word;
	if (!len) {
		snprintf(env, MEDIO_NODE_TEXT, "SYNTH_UUID=0");
		return 0;
	}
	if (len < SPACE_AND_UUID || medio_uuid_parse(text + 1, SPACE_AND_UUID - 1, uuid) < 0 ||
		!arguments_ok(text + SPACE_AND_UUID, len - SPACE_AND_UUID))
		return -EINVAL;
	snprintf(env, MEDIO_NODE_TEXT, "SYNTH_UUID=%.*s", SPACE_AND_UUID - 1, text + 1);
	return 0;
}

int medio_store_uevent(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	char env[MEDIO_NODE_TEXT], path[MEDIO_NODE_PATH] = "/";
	struct medio_node up;
	const char *action;
	int ret = parse_uevent(text, len, &action, env);

	if (ret < 0)
		return ret;
	medio_node_up(nodes, node, &up);
	if (nodes->ops->uevent) {
		ret = medio_node_path(nodes, &up, path + 1, sizeof(path) - 1);
		if (ret < 0)
			return ret;
		nodes->ops->uevent(nodes->opaque, who, path,
			node->subject->sort == MEDIO_OF_MDEV ? node->subject->mdev : NULL, action,
			env);
	} else if (node->subject->sort == MEDIO_OF_MDEV) {
		medio_mdev_changed(node->subject->mdev, env);
	}
	done(opaque, 0);
	return 0;
}

/* ---- Create and remove: Linux drivers/vfio/mdev/mdev_sysfs.c -------------------------------------- */

/* From medio_mdev_options.created to a medio_mdev_done. */
struct creation {
	medio_mdev_done *done;
	void *opaque;
};

static void created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	struct creation *creation = opaque;

	(void)mdev;
	(void)words;
	creation->done(creation->opaque, ret);
	free(creation);
}

static int create_here(struct medio_parent *parent, const struct medio_type *type, const char *text,
	size_t len, medio_mdev_done *done, void *opaque)
{
	struct medio_mdev_options opts = { .created = created };
	struct creation *creation = malloc(sizeof(*creation));
	int ret;

	if (!creation)
		return -ENOMEM;
	creation->done = done;
	creation->opaque = opaque;
	opts.opaque = creation;
	ret = medio_mdev_create(parent, type, text, len, &opts, NULL, NULL);
	if (ret == MEDIO_DEFERRED)
		return 0;
	free(creation);
	return finish(ret, done, opaque);
}

int medio_store_create(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	struct medio_parent *parent = node->subject->parent;
	const struct medio_type *type = medio_parent_desc(parent)->types[node->number];

	if (nodes->ops->create)
		return nodes->ops->create(
			nodes->opaque, who, parent, type, text, len, done, opaque);
	return create_here(parent, type, text, len, done, opaque);
}

/* A removal that waits is no event, but `remove` and a link are gone. */
static void removal_began(struct medio_nodes *nodes, uint64_t serial)
{
	struct medio_subjects *all = &nodes->subjects;
	struct medio_subject *subject = medio_subject_by_serial(all, serial);

	if (!subject || medio_mdev_state(subject->mdev) != MEDIO_MDEV_REMOVING)
		return;
	medio_subject_removing(all, subject);
}

int medio_store_remove(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	struct medio_mdev *mdev = node->subject->mdev;
	uint64_t serial = node->subject->serial;
	bool remove;
	int ret = medio_mdev_parse_remove(text, len, &remove);

	if (ret < 0 || !remove)
		return finish(ret, done, opaque);
	if (nodes->ops->remove)
		ret = nodes->ops->remove(nodes->opaque, who, mdev, done, opaque);
	else
		ret = finish(medio_mdev_remove(mdev, done, opaque), done, opaque);
	removal_began(nodes, serial);
	return ret;
}

/* ---- Power and groups -------------------------------------------------------------------------- */

int medio_store_control(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	bool on = same(text, len, "on");

	(void)nodes;
	(void)who;
	if (!on && !same(text, len, "auto"))
		return -EINVAL;
	node->subject->control_on = on;
	done(opaque, 0);
	return 0;
}

int medio_store_autosuspend(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	(void)nodes;
	(void)node;
	(void)who;
	(void)text;
	(void)len;
	(void)done;
	(void)opaque;
	return -EIO;
}

/* Source: Linux drivers/iommu/iommu.c, iommu_group_store_type(): there is no default domain. */
int medio_store_group_type(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	(void)nodes;
	(void)node;
	(void)text;
	(void)len;
	(void)done;
	(void)opaque;
	return who->uid == 0 ? -EINVAL : -EACCES;
}

/* ---- Attributes ---------------------------------------------------------------------------------- */

/* From medio_mdev_attr_done to a medio_mdev_done. */
struct attr_store {
	medio_mdev_done *done;
	void *opaque;
};

static void attr_stored(void *opaque, ssize_t ret, const char *text)
{
	struct attr_store *store = opaque;

	(void)text;
	store->done(store->opaque, ret < 0 ? (int)ret : 0);
	free(store);
}

static int store_type_attr(struct medio_mdev *mdev, const char *path, const char *text, size_t len,
	medio_mdev_done *done, void *opaque)
{
	struct attr_store *store = malloc(sizeof(*store));
	int ret;

	if (!store)
		return -ENOMEM;
	store->done = done;
	store->opaque = opaque;
	ret = medio_mdev_attr_store(mdev, path, text, len, attr_stored, store);
	if (ret < 0)
		free(store);
	return ret;
}

/* ---- Any of them ------------------------------------------------------------------------------- */

static int store_attr(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	const char *path = medio_names_path(&nodes->names, node->number);
	struct medio_subject *subject = node->subject;

	if (subject->sort == MEDIO_OF_PARENT)
		return finish(
			medio_parent_attr_store(subject->parent, path, text, len), done, opaque);
	if (nodes->ops->attr_store)
		return nodes->ops->attr_store(
			nodes->opaque, who, subject->mdev, path, text, len, done, opaque);
	return store_type_attr(subject->mdev, path, text, len, done, opaque);
}

int medio_node_store(struct medio_nodes *nodes, const struct medio_node *node,
	const struct medio_tree_caller *who, const char *text, size_t len, medio_mdev_done *done,
	void *opaque)
{
	char copy[MEDIO_NODE_TEXT + 1];

	if (node->kind->form == MEDIO_FORM_DIR)
		return -EISDIR;
	if (!len) {
		done(opaque, 0);
		return 0;
	}
	if (len > MEDIO_NODE_TEXT)
		len = MEDIO_NODE_TEXT;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (medio_kind_of(node) == MEDIO_AT_ATTR)
		return store_attr(nodes, node, who, copy, len, done, opaque);
	return node->kind->store ? node->kind->store(nodes, node, who, copy, len, done, opaque)
				 : -EIO;
}
