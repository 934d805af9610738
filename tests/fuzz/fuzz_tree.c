/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The management tree under any sequence of look-ups, listings, reads and writes. Each step is a
 * byte that says what, and what it needs; names and texts are a length and bytes.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- A bus ------------------------------------------------------------------------------------- */

static struct medio_mdev *probing;
static int probe_ret;

static int probe(struct medio_mdev *mdev)
{
	if (probe_ret == MEDIO_DEFERRED && probing)
		return 0;
	if (probe_ret == MEDIO_DEFERRED)
		probing = mdev;
	return probe_ret;
}

static void removed(struct medio_mdev *mdev)
{
	if (probing == mdev)
		probing = NULL;
}

static int show(struct medio_mdev *mdev, const struct medio_attr *attr, medio_mdev_attr_done *done,
	void *opaque)
{
	(void)mdev;
	done(opaque, (ssize_t)strlen(attr->name), attr->name);
	return 0;
}

static int store(struct medio_mdev *mdev, const struct medio_attr *attr, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque)
{
	(void)attr;
	assert(text[size] == '\0');
	/* As a driver may. */
	if (text[0] == 'r' && medio_mdev_state(mdev) == MEDIO_MDEV_ACTIVE)
		medio_mdev_remove(mdev, NULL, NULL);
	done(opaque, 0, NULL);
	return 0;
}

static const struct medio_mdev_driver driver = {
	.name = "fuzz", .probe = probe, .remove = removed, .attr_show = show, .attr_store = store
};

static ssize_t dev_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	(void)dev;
	(void)attr;
	(void)buf;
	(void)size;
	return 0;
}

static int dev_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	(void)dev;
	(void)attr;
	(void)buf;
	(void)size;
	return 0;
}

static const struct medio_attr attrs[] = { { "v/a", dev_show, dev_store },
	{ "v/b/c", dev_show, NULL }, { "w", NULL, dev_store }, { NULL } };
static const struct medio_type one = { .name = "one", .attrs = attrs };
static const struct medio_type two = { .name = "two", .description = "d", .units = 2 };
static const struct medio_type vf = { .name = "vf", .attrs = attrs };
static const struct medio_sriov sriov = { .vf = &vf, .total_vfs = 8 };
static const struct medio_type card = { .name = "card", .sriov = &sriov };
static const struct medio_type *const types[] = { &one, &two, &card, &vf, NULL };
static const struct medio_parent_desc parents[] = {
	{ .name = "p", .types = types, .capacity = 6 },
	{ .name = "q", .types = types, .path = "/devices/pci0/q" },
};

/* ---- Steps ------------------------------------------------------------------------------------- */

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t byte(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static size_t take(struct input *in, const char **text)
{
	size_t len = byte(in);

	if (len > in->size)
		len = in->size;
	*text = (const char *)in->data;
	in->data += len;
	in->size -= len;
	return len;
}

static void on_text(void *opaque, ssize_t ret, const char *text)
{
	(void)text;
	assert(ret <= MEDIO_NODE_TEXT);
	++*(unsigned *)opaque;
}

static unsigned stores_done;
static void on_done(void *opaque, int ret)
{
	(void)opaque;
	assert(ret <= 0);
	stores_done++;
}

/* Whatever was found must be what it says. */
static void check(struct medio_nodes *nodes, const struct medio_node *node)
{
	char path[MEDIO_NODE_PATH], name[MEDIO_NODE_NAME];
	struct medio_node up, again;
	struct medio_node_stat stat;

	assert(medio_node_get(nodes, medio_node_id(node), &again) == 0);
	assert(medio_node_path(nodes, node, path, sizeof(path)) >= 0);
	medio_node_stat(nodes, node, &stat);
	assert(stat.id == medio_node_id(node));
	if (S_ISLNK(stat.mode))
		assert(medio_node_target(nodes, node, path, sizeof(path)) == (int)stat.size);
	if (stat.id == MEDIO_NODE_ROOT)
		return;
	medio_node_up(nodes, node, &up);
	medio_node_name(nodes, node, name, sizeof(name));
	assert(medio_node_lookup(nodes, medio_node_id(&up), name, &again) == 0);
	assert(medio_node_id(&again) == stat.id);
}

static void go_into(struct medio_nodes *nodes, uint64_t *at, unsigned which)
{
	struct medio_node_entry entry = { .offset = 0 };
	unsigned n = 0;

	while (medio_node_next(nodes, *at, entry.offset, &entry) > 0) {
		check(nodes, &entry.node);
		if (n++ == which) {
			*at = medio_node_id(&entry.node);
			return;
		}
		assert(n < 1000);
	}
}

static void look_up(struct medio_nodes *nodes, uint64_t *at, struct input *in)
{
	char name[256] = "";
	struct medio_node node;
	const char *text;
	size_t len = take(in, &text);

	memcpy(name, text, len < 255 ? len : 255);
	if (medio_node_lookup(nodes, *at, name, &node) == 0) {
		check(nodes, &node);
		*at = medio_node_id(&node);
	}
}

static void write_to(struct medio_nodes *nodes, uint64_t at, struct input *in)
{
	const struct medio_tree_caller who = { byte(in) % 2, 0, 1 };
	struct medio_node node;
	const char *text;
	size_t len = take(in, &text);
	unsigned before = stores_done;
	int ret;

	if (medio_node_get(nodes, at, &node) < 0)
		return;
	ret = medio_node_store(nodes, &node, &who, text, len, on_done, NULL);
	assert(ret <= 0);
	assert(stores_done == before || (ret == 0 && stores_done == before + 1));
}

static void read_from(struct medio_nodes *nodes, uint64_t at)
{
	struct medio_node node;
	unsigned shown = 0;

	if (medio_node_get(nodes, at, &node) == 0)
		assert((medio_node_show(nodes, &node, on_text, &shown) == 0) == (shown == 1));
}

static void change_mode(struct medio_nodes *nodes, uint64_t at, struct input *in)
{
	const struct medio_node_asker asker = { { byte(in) % 3, 0, 1 }, NULL };
	const uid_t uid = byte(in) % 3;
	const mode_t mode = byte(in);
	struct medio_node node;

	if (medio_node_get(nodes, at, &node) < 0)
		return;
	medio_node_chmod(nodes, &node, &asker, &mode, &uid, NULL);
	medio_node_open(nodes, &node, &asker, mode & 1, mode & 2);
}

static void jump(uint64_t *at, struct input *in)
{
	uint64_t id = 0;

	for (unsigned i = 0; i < 8; i++)
		id = id << 8 | byte(in);
	*at = id;
}

/* A virtual function of the first instance or of where we are. */
static void make_vf(struct medio_nodes *nodes, struct medio_bus *bus, uint64_t at, unsigned n)
{
	struct medio_mdev_options opts = { .vf = n & 15, .unbound = n & 16 };
	struct medio_node node;

	opts.pf = medio_bus_next_mdev(bus, NULL);
	if (medio_node_get(nodes, at, &node) == 0 && node.subject->sort == MEDIO_OF_MDEV)
		opts.pf = node.subject->mdev;
	if (opts.pf)
		medio_mdev_create(medio_mdev_parent(opts.pf), &vf, NULL, 0, &opts, NULL, NULL);
}

static void step(struct medio_nodes *nodes, struct medio_bus *bus, uint64_t *at, struct input *in)
{
	struct medio_node node;
	struct medio_mdev *mdev;

	switch (byte(in) % 13) {
	case 0:
		*at = MEDIO_NODE_ROOT;
		break;
	case 1:
		go_into(nodes, at, byte(in));
		break;
	case 2:
		look_up(nodes, at, in);
		break;
	case 3:
		write_to(nodes, *at, in);
		break;
	case 4:
		read_from(nodes, *at);
		break;
	case 5:
		jump(at, in);
		break;
	case 6:
		if (medio_node_get(nodes, *at, &node) == 0)
			check(nodes, &node);
		break;
	case 7:
		change_mode(nodes, *at, in);
		break;
	case 8: /* somebody opens, or lets go */
		mdev = medio_bus_next_mdev(bus, NULL);
		if (mdev && medio_mdev_opens(mdev))
			medio_mdev_close(mdev);
		else if (mdev)
			medio_mdev_open(mdev);
		break;
	case 9: /* how probes end from now on; the one that waits ends */
		probe_ret = (int[]){ 0, MEDIO_DEFERRED, -5 }[byte(in) % 3];
		mdev = probing;
		probing = NULL;
		if (mdev)
			medio_mdev_probe_done(mdev, probe_ret == MEDIO_DEFERRED ? 0 : probe_ret);
		break;
	case 11: /* a card has one more, or loses those from a number on */
		make_vf(nodes, bus, *at, byte(in));
		break;
	case 12:
		mdev = medio_bus_next_mdev(bus, NULL);
		if (mdev)
			medio_mdev_remove_vfs(mdev, byte(in) & 15, NULL, NULL);
		break;
	case 10:
		if (medio_bus_next_parent(bus, NULL))
			medio_parent_unregister(medio_bus_next_parent(bus, NULL), NULL, NULL);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t at = MEDIO_NODE_ROOT;
	struct medio_parent *parent;
	struct medio_nodes nodes;
	struct medio_bus *bus;

	probing = NULL;
	probe_ret = 0;
	assert(medio_bus_new(&bus) == 0);
	medio_mdev_driver_register(bus, &driver, NULL, NULL);
	for (unsigned i = 0; i < 2; i++)
		medio_parent_register(bus, &parents[i], &driver, &parent, NULL);
	assert(medio_nodes_init(&nodes, bus, NULL, NULL) == 0);
	while (in.size)
		step(&nodes, bus, &at, &in);
	medio_nodes_fini(&nodes);
	medio_bus_free(bus);
	return 0;
}
