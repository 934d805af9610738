/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/use.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

int medio_uses_add(struct medio_strv *uses, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return text ? medio_strv_add(uses, text) : -ENOMEM;
}

/* ---- Displays ---------------------------------------------------------------------------------- */

/* Connectors of graphics cards are in class drm: card0-HDMI-A-1. */
static int uses_display(const struct medio_host *host, const char *name, struct medio_strv *uses)
{
	struct medio_strv cards = { 0 };
	char target[PATH_MAX], enabled[16];
	int ret = medio_host_list(host, &cards, "/sys/class/drm");

	if (ret != -ENOMEM)
		ret = 0;
	for (unsigned i = 0; i < cards.count && ret == 0; i++) {
		const char *card = cards.items[i];
		if (medio_host_target(host, target, sizeof(target), "/sys/class/drm/%s", card) ||
			!medio_host_path_has(target, name))
			continue;
		medio_host_read(host, enabled, sizeof(enabled), "/sys/class/drm/%s/enabled", card);
		if (!strcmp(enabled, "enabled"))
			ret = medio_uses_add(uses, "display %s is on", card);
	}
	medio_strv_free(&cards);
	return ret;
}

/* ---- Virtual functions ------------------------------------------------------------------------- */

static int uses_functions(const struct medio_host *host, const char *name, struct medio_strv *uses)
{
	unsigned long long count;

	if (medio_host_number(host, &count, MEDIO_PCI_DEVICES "/%s/sriov_numvfs", name) || !count)
		return 0;
	return medio_uses_add(uses,
		"it has %llu virtual function%s, which would go with its driver ('medio sriov %s "
		"0' ends them)",
		count, count == 1 ? "" : "s", name);
}

/* ---- Programs ---------------------------------------------------------------------------------- */

/* The name may have become another file's since, as udev does it to nodes, and medio run to its own. */
static int node_of(const struct medio_strv *nodes, const char *path)
{
	static const char deleted[] = " (deleted)";

	for (unsigned i = 0; i < nodes->count; i++) {
		size_t len = strlen(nodes->items[i]);
		if (!strncmp(nodes->items[i], path, len) &&
			(!path[len] || !strcmp(path + len, deleted)))
			return (int)i;
	}
	return -1;
}

/* Whoever serves the file is not asked for it. False also if it cannot be known. */
static bool get_file(struct statx *out, const struct medio_host *host, const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", host->root ? host->root : "", path);
	return statx(AT_FDCWD, full, AT_STATX_DONT_SYNC, STATX_TYPE, out) == 0;
}

/* Another machine's by the same name: in medio run each program has a /dev/vfio of its own. */
static bool is_another(const struct medio_host *host, const char *node, const char *fd)
{
	struct statx ours, theirs;

	if (!get_file(&ours, host, node) || !get_file(&theirs, host, fd))
		return false;
	if (S_ISCHR(ours.stx_mode) && S_ISCHR(theirs.stx_mode))
		return ours.stx_rdev_major != theirs.stx_rdev_major ||
		       ours.stx_rdev_minor != theirs.stx_rdev_minor;
	return ours.stx_dev_major != theirs.stx_dev_major ||
	       ours.stx_dev_minor != theirs.stx_dev_minor;
}

/* Which of the nodes a process has open: the first, or -1. */
static int node_open_in(
	const struct medio_host *host, const char *pid, const struct medio_strv *nodes)
{
	struct medio_strv fds = { 0 };
	char target[128], path[64];
	int found = -1;

	medio_host_list(host, &fds, "/proc/%s/fd", pid);
	for (unsigned i = 0; i < fds.count && found < 0; i++) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, fds.items[i]);
		if (!medio_host_target(host, target, sizeof(target), "%s", path))
			found = node_of(nodes, target);
		if (found >= 0 && is_another(host, nodes->items[found], path))
			found = -1;
	}
	medio_strv_free(&fds);
	return found;
}

static int uses_programs(
	const struct medio_host *host, const struct medio_strv *nodes, struct medio_strv *uses)
{
	struct medio_strv pids = { 0 };
	char comm[32];
	int ret = medio_host_list(host, &pids, "/proc");

	if (ret != -ENOMEM)
		ret = 0;
	for (unsigned i = 0; i < pids.count && ret == 0; i++) {
		const char *pid = pids.items[i];
		if (*pid < '0' || *pid > '9')
			continue;
		int node = node_open_in(host, pid, nodes);
		if (node < 0)
			continue;
		medio_host_read(host, comm, sizeof(comm), "/proc/%s/comm", pid);
		ret = medio_uses_add(uses, "%s is open in process %s (%s)", nodes->items[node], pid,
			*comm ? comm : "?");
	}
	medio_strv_free(&pids);
	return ret;
}

int medio_host_uses_node(
	const struct medio_host *host, const struct medio_host_device *dev, struct medio_strv *uses)
{
	struct medio_strv nodes = { 0 };
	int ret = medio_host_device_nodes(host, dev, &nodes);

	if (ret == 0 && nodes.count)
		ret = uses_programs(host, &nodes, uses);
	medio_strv_free(&nodes);
	return ret;
}

int medio_host_uses(const struct medio_host *host, const char *name, struct medio_strv *uses)
{
	struct medio_host_device dev;
	int ret = medio_host_device_load(host, name, &dev);

	if (ret)
		return 0;
	ret = medio_host_uses_block(host, name, uses);
	if (ret == 0)
		ret = medio_host_uses_net(host, name, uses);
	if (ret == 0)
		ret = uses_display(host, name, uses);
	if (ret == 0)
		ret = uses_functions(host, name, uses);
	return ret ? ret : medio_host_uses_node(host, &dev, uses);
}
