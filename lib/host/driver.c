/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/driver.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "host/device.h"
#include "host/tables.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

/* ---- Modules ----------------------------------------------------------------------------------- */

/* A file of the running kernel's modules. */
static int slurp_modules(const struct medio_host *host, const char *file, char **text)
{
	char release[128];
	int ret = medio_host_read(host, release, sizeof(release), "/proc/sys/kernel/osrelease");

	if (ret)
		return ret;
	return medio_host_slurp(host, text, "/lib/modules/%s/%s", release, file);
}

/* Modules' names have '-' and '_' alike. */
static bool same_module(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((a[i] == '-' ? '_' : a[i]) != (b[i] == '-' ? '_' : b[i]))
			return false;
	return !a[len];
}

/* Is "…/MODULE.ko[.xz]" at the beginning of one of the lines? */
static bool lists(const char *text, const char *module)
{
	while (*text) {
		size_t len = strcspn(text, ":\n");
		const char *name = memrchr(text, '/', len);
		name = name ? name + 1 : text;
		const char *dot = memchr(name, '.', (size_t)(text + len - name));
		if (dot && same_module(module, name, (size_t)(dot - name)))
			return true;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return false;
}

int medio_module_available(const struct medio_host *host, const char *module)
{
	static const char *const files[] = { "modules.dep", "modules.builtin" };
	int found = -ENOENT;

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *text = NULL;
		if (slurp_modules(host, files[i], &text))
			continue;
		if (lists(text, module))
			return 1;
		found = 0;
	}
	return found;
}

int medio_module_for(const struct medio_host *host, const char *name, char *module, size_t size)
{
	_cleanup_free_ char *text = NULL;
	struct medio_alias_row row;
	char alias[128];

	if (medio_host_read(host, alias, sizeof(alias), MEDIO_PCI_DEVICES "/%s/modalias", name) ||
		slurp_modules(host, "modules.alias", &text))
		return -ENOENT;
	for (const char *at = text; medio_aliases_next(&at, &row);) {
		if (medio_driver_kind(row.module) != MEDIO_DRIVER_KERNEL ||
			fnmatch(row.pattern, alias, 0) != 0)
			continue;
		snprintf(module, size, "%s", row.module);
		return 0;
	}
	return -ENOENT;
}

/* ---- Which ------------------------------------------------------------------------------------- */

static bool is_name(const char *driver)
{
	size_t len = strlen(driver);

	if (!len || len >= MEDIO_DRIVER_TEXT || *driver == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)driver[i]) || driver[i] == '/')
			return false;
	return true;
}

static int not_loaded(const struct medio_host *host, const char *driver, struct medio_error **err)
{
	struct medio_strv names = { 0 };
	int available = medio_module_available(host, driver);

	bool known = medio_driver_kind(driver) != MEDIO_DRIVER_KERNEL;
	medio_host_list(host, &names, MEDIO_PCI_DRIVERS);
	const char *near = medio_nearest(driver, medio_strv_items(&names), names.count);
	int ret;

	if (available > 0 || (available < 0 && known && !near))
		ret = medio_error_set(err, ENOENT,
			"driver %s is not loaded: 'modprobe %s' loads it", driver, driver);
	else
		ret = medio_error_set(err, ENOENT, "no driver %s is loaded%s%s%s%s", driver,
			available ? "" : ", and this kernel has no module of that name",
			near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	medio_strv_free(&names);
	return ret;
}

int medio_driver_find(const struct medio_host *host, const char *driver, struct medio_error **err)
{
	if (!is_name(driver))
		return medio_error_set(err, EINVAL, "'%.64s' is no name of a driver", driver);
	if (medio_host_exists(host, MEDIO_PCI_DRIVERS "/%s", driver))
		return 0;
	return not_loaded(host, driver, err);
}
