/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of medio run: from words to cards, and what the program is told of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <medio/local.h>

#include "compat/iommufd.h"
#include "compat/kgroup.h"
#include "filters/filters.h"
#include "run.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/uuid.h"

#define MAX_SETTINGS 64

/* What --device says of a device beside the device's own parameters. */
struct words {
	const char *what; /* a type, or a URI */
	const char *uuid, *bdf, *as, *map;
	const char *params[MAX_SETTINGS];
	unsigned num_params;
};

static bool takes(const char *item, const char *key, const char **value)
{
	size_t len = strlen(key);

	if (strncmp(item, key, len) != 0 || item[len] != '=')
		return false;
	*value = item + len + 1;
	return true;
}

static int split(char *text, struct words *w, struct medio_error **err)
{
	char *rest = text;

	w->what = text;
	strsep(&rest, ",");
	if (!*w->what)
		return medio_error_set(
			err, EINVAL, "--device wants a type first: mtty-2,uuid=…, say");
	for (char *item; (item = strsep(&rest, ","));) {
		if (takes(item, "uuid", &w->uuid) || takes(item, "bdf", &w->bdf) ||
			takes(item, "as", &w->as) || takes(item, "map", &w->map))
			continue;
		if (w->num_params == MAX_SETTINGS)
			return medio_error_set(
				err, EINVAL, "%s: more than %u parameters", w->what, MAX_SETTINGS);
		w->params[w->num_params++] = item;
	}
	return 0;
}

/* "0000:00:1e.0", "00:1e.0" and in any case: as sysfs spells it. */
static bool spell_bdf(const char *text, char out[40])
{
	unsigned domain = 0, bus, slot, function;
	int end = 0;

	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
		text[end]) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || text[end])
			return false;
	}
	if (slot > 0x1f || function > 7 || strspn(text, "0123456789abcdefABCDEF:.") != strlen(text))
		return false;
	snprintf(out, 40, "%04x:%02x:%02x.%u", domain, bus, slot, function);
	return true;
}

static int choose(const struct words *w, struct medio_kdev_options *opts, struct medio_error **err)
{
	const char *as = w->as ? w->as : w->bdf ? "pci" : "mdev";

	if (!strcmp(as, "mdev"))
		opts->look = MEDIO_KDEV_MDEV;
	else if (!strcmp(as, "pci"))
		opts->look = MEDIO_KDEV_PCI;
	else if (!strcmp(as, "uio"))
		opts->look = MEDIO_KDEV_UIO;
	else
		return medio_error_set(err, EINVAL,
			"%s: as=%s: it is mdev (a mediated device, if bdf= is left out), pci or "
			"uio",
			w->what, as);
	if (opts->look != MEDIO_KDEV_MDEV && !w->bdf)
		return medio_error_set(err, EINVAL,
			"%s: as=%s wants an address: bdf=0000:00:1e.0, say", w->what, as);
	if (opts->look == MEDIO_KDEV_MDEV && w->bdf)
		return medio_error_set(
			err, EINVAL, "%s: a mediated device has no bdf=, but uuid=", w->what);
	opts->map = opts->look == MEDIO_KDEV_MDEV ? MEDIO_KDEV_MAP_SHARED : MEDIO_KDEV_MAP_ALL;
	if (w->map && !strcmp(w->map, "shared"))
		opts->map = MEDIO_KDEV_MAP_SHARED;
	else if (w->map && !strcmp(w->map, "all"))
		opts->map = MEDIO_KDEV_MAP_ALL;
	else if (w->map)
		return medio_error_set(err, EINVAL,
			"%s: map=%s: it is shared (what the device keeps in memory) or all "
			"(registers too; each access to one is trapped)",
			w->what, w->map);
	return 0;
}

/* ---- Cards ------------------------------------------------------------------------------------------ */

static const char *parent_of(const struct medio_type *type)
{
	for (unsigned i = 0; i < medio_catalog_num_kinds; i++)
		for (const struct medio_type *const *t = medio_catalog_kinds[i].desc->types; *t;
			t++)
			if (*t == type)
				return medio_catalog_kinds[i].desc->name;
	return "plugin";
}

static int remember(struct medio_run *run, struct medio_instance *inst)
{
	struct medio_instance **more = realloc(
		run->instances, (run->num_instances + 1) * sizeof(struct medio_instance *));

	if (!more)
		return -ENOMEM;
	run->instances = more;
	run->instances[run->num_instances++] = inst;
	return 0;
}

/* A device in this process. */
static int make_card(struct medio_run *run, const struct words *w, const char *uuid,
	const char **parent, struct medio_card **out, struct medio_error **err)
{
	const struct medio_instance_options opts = {
		.uuid = uuid,
		.params = w->params,
		.nparams = w->num_params,
		.filters = run->opts->filters.items,
		.nfilters = run->opts->filters.count,
		.known_filters = medio_builtin_filters,
	};
	const struct medio_type *type;
	struct medio_instance *inst;
	int ret = medio_catalog_type(w->what, &type, err);

	if (ret)
		return ret;
	*parent = parent_of(type);
	ret = medio_instance_new(run->devices, type, &opts, &inst, err);
	if (ret)
		return ret;
	ret = remember(run, inst);
	if (ret) {
		medio_instance_free(inst);
		return medio_error_set(err, -ret, "out of memory");
	}
	return medio_card_open_instance(inst, out, err);
}

static bool is_uri(const char *what)
{
	const char *colon = strchr(what, ':'), *slash = strchr(what, '/');

	return colon && (!slash || colon < slash);
}

/* In the program's world: its files, its group. Owns card. */
static int show(struct medio_run *run, struct medio_card *card,
	const struct medio_kdev_options *opts, struct medio_error **err)
{
	struct medio_kgroup *group;
	struct medio_kdev *kdev;
	int ret = medio_kdev_new(run->compat, card, opts, &kdev, err);

	if (ret)
		return ret;
	if (opts->look == MEDIO_KDEV_UIO)
		return 0;
	medio_iommufd_cdev(kdev);
	ret = medio_kgroup_new(run->compat, kdev, false, &group);
	return ret ? medio_error_set(
			     err, -ret, "%s: no group for it: %s", opts->name, strerror(-ret))
		   : 0;
}

int medio_run_device(struct medio_run *run, const char *text, struct medio_error **err)
{
	_cleanup_free_ char *copy = strdup(text);
	struct medio_kdev_options opts = { .driver = "passthrough" };
	struct words w = { .what = "" };
	uint8_t uuid[MEDIO_UUID_SIZE];
	char name[MEDIO_UUID_TEXT], bdf[40];
	struct medio_card *card = NULL;
	int ret = copy ? split(copy, &w, err) : medio_error_set(err, ENOMEM, "out of memory");

	if (ret == 0)
		ret = choose(&w, &opts, err);
	if (ret)
		return ret;
	medio_uuid_random(uuid);
	if (w.uuid && medio_uuid_parse(w.uuid, strlen(w.uuid), uuid))
		return medio_error_set(err, EINVAL, "%s: uuid=%s is no UUID", w.what, w.uuid);
	medio_uuid_format(uuid, name);
	if (w.bdf && !spell_bdf(w.bdf, bdf))
		return medio_error_set(err, EINVAL,
			"%s: bdf=%s is no PCI address, such as 0000:00:1e.0", w.what, w.bdf);
	if (is_uri(w.what) && w.num_params)
		return medio_error_set(err, EINVAL,
			"%s: %s: a device that is served elsewhere takes no parameters here",
			w.what, w.params[0]);
	ret = is_uri(w.what) ? medio_card_open(w.what, NULL, &card, err)
			     : make_card(run, &w, name, &opts.driver, &card, err);
	if (ret)
		return ret;
	opts.name = opts.look == MEDIO_KDEV_MDEV ? name : bdf;
	opts.type = w.what;
	return show(run, card, &opts, err);
}

int medio_run_instance(struct medio_run *run, const char *text, struct medio_error **err)
{
	uint8_t uuid[MEDIO_UUID_SIZE];
	char name[MEDIO_UUID_TEXT];
	const struct medio_kdev_options opts = {
		.look = MEDIO_KDEV_MDEV, .name = name, .type = "instance", .driver = "medio"
	};
	struct medio_card *card;

	if (medio_uuid_parse(text, strlen(text), uuid))
		return medio_error_set(err, EINVAL,
			"--uuid %s is no UUID; `medio list` shows the instances that there are",
			text);
	medio_uuid_format(uuid, name);
	int ret = medio_card_open(name, NULL, &card, err);
	return ret ? ret : show(run, card, &opts, err);
}

void medio_run_devices_free(struct medio_run *run)
{
	for (unsigned i = 0; i < run->num_instances; i++)
		medio_instance_free(run->instances[i]);
	free(run->instances);
	run->instances = NULL;
	run->num_instances = 0;
}

/* ---- What the program is told ------------------------------------------------------------------------- */

static int put(const char *key, unsigned n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int put(const char *key, unsigned n, const char *fmt, ...)
{
	char name[32], value[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n)
		snprintf(name, sizeof(name), "%s%u", key, n);
	else
		snprintf(name, sizeof(name), "%s", key);
	return setenv(name, value, 1) ? -ENOMEM : 0;
}

static int tell(const struct medio_run *run, const struct medio_kdev *kdev, unsigned n)
{
	const bool mdev = kdev->look == MEDIO_KDEV_MDEV, uio = kdev->look == MEDIO_KDEV_UIO;
	const char *folder = mdev ? "/sys/bus/mdev/devices" : "/sys/bus/pci/devices";
	int ret = put(mdev ? "uuid" : "bdf", n, "%s", kdev->name);

	if (!ret)
		ret = put("sysfsdev", n, "%s/%s", folder, kdev->name);
	if (!ret)
		ret = uio ? put("uio", n, "/dev/uio%u", kdev->number)
			  : put("group", n, "%u", kdev->group->number);
	if (ret || run->opts->quiet)
		return ret;
	fprintf(stderr, "medio run: %s is %s/%s", kdev->type, folder, kdev->name);
	if (uio)
		fprintf(stderr, ", /dev/uio%u\n", kdev->number);
	else
		fprintf(stderr, ", /dev/vfio/%u and /dev/vfio/devices/vfio%u\n",
			kdev->group->number, kdev->number);
	return 0;
}

int medio_run_tell(const struct medio_run *run)
{
	unsigned n = 0;
	int ret = 0;

	medio_list_for_each (item, &run->compat->kdevs) {
		ret = tell(run, medio_container_of(item, struct medio_kdev, link), n++);
		if (ret)
			break;
	}
	return ret;
}
