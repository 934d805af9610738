/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/move.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/driver.h"
#include "util/error.h"

void medio_move_init(struct medio_move *move, const struct medio_host_device *dev, const char *to)
{
	*move = (struct medio_move){ 0 };
	snprintf(move->name, sizeof(move->name), "%.*s", (int)sizeof(move->name) - 1, dev->name);
	snprintf(move->from, sizeof(move->from), "%s", dev->driver);
	snprintf(move->to, sizeof(move->to), "%s", to);
	snprintf(move->override, sizeof(move->override), "%s", dev->override);
	snprintf(move->now, sizeof(move->now), "%s", dev->driver);
}

/* Is driver what the move wants? */
static bool is_wanted(const struct medio_move *move, const char *driver)
{
	enum medio_driver_kind kind = medio_driver_kind(driver);

	if (*move->to)
		return !strcmp(driver, move->to);
	return kind != MEDIO_DRIVER_VFIO && kind != MEDIO_DRIVER_UIO && kind != MEDIO_DRIVER_STUB;
}

/* A device without driver has one to be asked for; one that a kernel driver has stays there. */
static bool must_probe(const struct medio_move *move)
{
	return !*move->from || !is_wanted(move, move->from);
}

bool medio_move_needed(const struct medio_move *move)
{
	/* An override that stays behind decides at the next boot of the driver. */
	return must_probe(move) || strcmp(move->override, move->to) != 0;
}

/* ---- The writes -------------------------------------------------------------------------------- */

static void add(struct medio_move_write *write, const char *folder, const char *name,
	const char *file, const char *text)
{
	snprintf(write->path, sizeof(write->path), "%s%s%s/%s", folder, *name ? "/" : "", name,
		file);
	snprintf(write->text, sizeof(write->text), "%s", text);
}

unsigned medio_move_writes(
	const struct medio_move *move, struct medio_move_write writes[MEDIO_MOVE_WRITES])
{
	unsigned n = 0;

	if (strcmp(move->override, move->to) != 0)
		add(&writes[n++], MEDIO_PCI_DEVICES, move->name, "driver_override", move->to);
	if (!must_probe(move))
		return n;
	if (*move->from)
		add(&writes[n++], MEDIO_PCI_DRIVERS, move->from, "unbind", move->name);
	add(&writes[n++], "/sys/bus/pci", "", "drivers_probe", move->name);
	return n;
}

/* The kernel takes a lone newline for "no override", and nothing at all for no write. */
static int write_text(const struct medio_host *host, const char *path, const char *text)
{
	char line[MEDIO_DRIVER_TEXT + 1];

	snprintf(line, sizeof(line), "%s\n", text);
	return medio_host_write(host, *text ? text : line, "%s", path);
}

static int explain_write(const struct medio_move *move, const struct medio_move_write *write,
	int ret, struct medio_error **err)
{
	const char *why = "";

	if (ret == -EACCES || ret == -EPERM || ret == -EROFS)
		why = "; it takes root, and a /sys that is not mounted read-only";
	else if (ret == -EBUSY)
		why = "; the driver says that the device is in use";
	else if (ret == -ENOENT || ret == -ENODEV)
		why = "; the device or its driver has gone meanwhile, or this kernel is older than "
		      "3.16";
	return medio_error_set(err, -ret, "%s: writing '%s' to %s: %s%s", move->name, write->text,
		write->path, strerror(-ret), why);
}

/* ---- Undoing ----------------------------------------------------------------------------------- */

static bool has_driver(const struct medio_host *host, const struct medio_move *move, char *now)
{
	medio_host_device_driver(host, move->name, now);
	return !strcmp(now, move->from);
}

/* Put it back as it was, whatever is in the way: errors show in what is left. */
static void undo(const struct medio_host *host, struct medio_move *move)
{
	struct medio_host_device dev;
	char path[128], now[MEDIO_DRIVER_TEXT];

	if (!has_driver(host, move, now) && *now)
		medio_host_write(host, move->name, MEDIO_PCI_DRIVERS "/%s/unbind", now);
	snprintf(path, sizeof(path), MEDIO_PCI_DEVICES "/%s/driver_override", move->name);
	/* First the override: the driver is bound only if that matches. */
	write_text(host, path, move->override);
	if (!has_driver(host, move, now) && *move->from) {
		medio_host_write(host, move->name, MEDIO_PCI_DRIVERS "/%s/bind", move->from);
		if (!has_driver(host, move, now))
			medio_host_write(host, move->name, "/sys/bus/pci/drivers_probe");
	}
	move->stuck = medio_host_device_load(host, move->name, &dev) != 0 ||
		      strcmp(dev.driver, move->from) != 0 ||
		      strcmp(dev.override, move->override) != 0;
	medio_host_device_driver(host, move->name, move->now);
}

/* ---- Doing ------------------------------------------------------------------------------------- */

static int stopped(const struct medio_move *move, struct medio_error **err)
{
	return medio_error_set(err, EINTR, "%s: interrupted", move->name);
}

/* It was bound again although its override is gone. */
static int taken_again(
	const struct medio_host *host, const struct medio_move *move, struct medio_error **err)
{
	struct medio_host_device dev = { 0 };

	medio_host_device_load(host, move->name, &dev);
	return medio_error_set(err, ENXIO,
		"%s: %s took it again, since it was told this identity by new_id or ids=: 'echo "
		"%04x %04x > %s/%s/remove_id' ends that",
		move->name, move->now, dev.vendor, dev.device, MEDIO_PCI_DRIVERS, move->now);
}

static int bound_nothing(
	const struct medio_host *host, const struct medio_move *move, struct medio_error **err)
{
	bool vfio = medio_driver_kind(move->to) == MEDIO_DRIVER_VFIO;

	if (vfio && !medio_host_exists(host, MEDIO_PCI_DEVICES "/%s/iommu_group", move->name))
		return medio_error_set(err, ENXIO,
			"%s: the kernel took each write, and bound nothing: the device has no "
			"IOMMU group; 'medio check' says why",
			move->name);
	return medio_error_set(err, ENXIO,
		"%s: the kernel took each write, and %s%s has the device instead of %s; dmesg may "
		"say why",
		move->name, *move->now ? "driver " : "no driver", move->now, move->to);
}

static int verify(const struct medio_host *host, struct medio_move *move, struct medio_error **err)
{
	medio_host_device_driver(host, move->name, move->now);
	if (medio_host_stopped(host))
		return stopped(move, err);
	if (is_wanted(move, move->now))
		return 0;
	return *move->to ? bound_nothing(host, move, err) : taken_again(host, move, err);
}

/* A driver that probes on a thread of its own may let go by itself before it is asked to. */
static bool has_let_go(const struct medio_host *host, struct medio_move *move,
	const struct medio_move_write *write, int ret)
{
	size_t len = strlen(write->path);

	if (ret != -ENODEV || len < 7 || strcmp(write->path + len - 7, "/unbind") != 0 ||
		!medio_host_exists(host, MEDIO_PCI_DEVICES "/%s", move->name) ||
		medio_host_exists(host, MEDIO_PCI_DEVICES "/%s/driver", move->name))
		return false;
	move->from[0] = 0;
	return true;
}

static int run(const struct medio_host *host, struct medio_move *move, struct medio_error **err)
{
	struct medio_move_write writes[MEDIO_MOVE_WRITES];
	unsigned count = medio_move_writes(move, writes);

	for (unsigned i = 0; i < count; i++) {
		if (medio_host_stopped(host))
			return stopped(move, err);
		move->begun = true;
		int ret = write_text(host, writes[i].path, writes[i].text);
		if (ret == -EINTR)
			return stopped(move, err);
		if (ret && !has_let_go(host, move, &writes[i], ret))
			return explain_write(move, &writes[i], ret, err);
	}
	return verify(host, move, err);
}

int medio_moves_run(const struct medio_host *host, struct medio_move *moves, unsigned count,
	struct medio_error **err)
{
	unsigned at = 0;
	int ret = 0;

	for (; at < count && ret == 0; at++)
		if (medio_move_needed(&moves[at]))
			ret = run(host, &moves[at], err);
	if (ret == 0)
		return 0;
	while (at--)
		if (moves[at].begun)
			undo(host, &moves[at]);
	return ret;
}
