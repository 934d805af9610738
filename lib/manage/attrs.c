/* SPDX-License-Identifier: BSD-3-Clause */
/* Which attribute a path means, who may write it, and the order of them all. */
#include "manage/attrs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/filter-attrs.h"
#include "manage/functions.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/param.h"

#define PARAMS	   "params/"
#define PARAMS_LEN (sizeof(PARAMS) - 1)
#define OWN	   "medio/"
#define OWN_LEN	   (sizeof(OWN) - 1)
#define SRIOV	   "sriov_"
#define SRIOV_LEN  (sizeof(SRIOV) - 1)

/* What an attribute's file takes and gives at once: a page, as sysfs. */
#define TEXT_MAX 4096

static bool is_param(const char *path)
{
	return !strncmp(path, PARAMS, PARAMS_LEN);
}

static bool is_own(const char *path)
{
	return !strncmp(path, OWN, OWN_LEN) || !strncmp(path, SRIOV, SRIOV_LEN);
}

static const struct medio_param *find_param(const struct medio_type *type, const char *path)
{
	const struct medio_param *param = type->params;

	while (param && param->name && strcmp(param->name, path + PARAMS_LEN) != 0)
		param++;
	return param && param->name ? param : NULL;
}

/* inst NULL: it is not there now. */
static const struct medio_managed_attr *find_own(const struct medio_managed *inst, const char *path)
{
	bool sriov = !strncmp(path, SRIOV, SRIOV_LEN);
	const struct medio_managed_attr *attr = sriov ? medio_functions_attrs : medio_managed_attrs;

	if (sriov && inst && !medio_functions_of(inst))
		return NULL;
	while (attr->name && strcmp(attr->name, path) != 0)
		attr++;
	return attr->name ? attr : NULL;
}

/* ---- Parameters -------------------------------------------------------------------------------- */

/* The value of any kind of parameter, to try one on without the device's state. */
union value {
	bool flag;
	uint64_t quantity;
	char *string;
	int choice;
};

/* The table of this one alone, its value at the front. */
static void alone(const struct medio_param *param, struct medio_param table[2])
{
	table[0] = *param;
	table[0].offset = 0;
	table[1] = (struct medio_param){ 0 };
}

/* "name=value" or, of a flag, "name": what was assigned last. */
static const char *assigned(const struct medio_strv *params, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = params->count; i-- > 0;) {
		const char *item = params->items[i];
		if (!strncmp(item, name, len) && (!item[len] || item[len] == '='))
			return item;
	}
	return NULL;
}

/* As the device has it, printed the one way, with a newline: the length or -errno. */
static ssize_t show_param(
	const struct medio_managed *inst, const struct medio_param *param, char *buf, size_t size)
{
	const char *assignment = assigned(&inst->params, param->name);
	struct medio_param table[2];
	union value value;

	alone(param, table);
	int ret = medio_params_default(table, &value, NULL);
	if (ret)
		return ret;
	if (assignment)
		ret = medio_params_set(table, &value, "", assignment, NULL);
	if (!ret)
		ret = medio_param_print(table, &value, buf, size - 1);
	medio_params_free(table, &value);
	if (ret < 0)
		return ret;
	if ((size_t)ret >= size - 1)
		return -ENOBUFS;
	buf[ret] = '\n';
	buf[ret + 1] = '\0';
	return ret + 1;
}

static int refuse(const struct medio_managed *inst, const char *path, const char *words, int ret)
{
	medio_manager_log(inst->manager, MEDIO_LOG_WARN, "%s: cannot write %s: %s",
		medio_mdev_uuid(inst->mdev), path, words);
	return ret;
}

/* A bad value is told at once; a good one makes the instance anew. text has no newline at its end. */
static int store_param(struct medio_managed *inst, const struct medio_param *param,
	const char *path, const char *text, medio_mdev_done *done, void *opaque)
{
	_cleanup_free_ char *assignment = NULL;
	struct medio_error *err = NULL;
	struct medio_param table[2];
	union value value;

	if (asprintf(&assignment, "%s=%s", param->name, text) < 0) {
		assignment = NULL;
		return -ENOMEM;
	}
	alone(param, table);
	int ret = medio_params_default(table, &value, &err);
	if (!ret)
		ret = medio_params_set(
			table, &value, medio_mdev_type(inst->mdev)->name, assignment, &err);
	medio_params_free(table, &value);
	if (ret)
		refuse(inst, path, medio_error_text(err), ret);
	medio_error_free(err);
	if (!ret)
		medio_managed_set_param(inst, param->name, text, done, opaque);
	return ret;
}

/* ---- Show and store ---------------------------------------------------------------------------- */

/* The attribute of one of its filters, or NULL. */
static const struct medio_attr *find_filters(const struct medio_managed *inst, const char *path)
{
	return medio_filter_attr_find(inst->manager->known_filters, &inst->filters, path);
}

static int show_filter(
	struct medio_managed *inst, const char *path, medio_mdev_attr_done *done, void *opaque)
{
	const struct medio_attr *attr = inst ? find_filters(inst, path) : NULL;

	if (!inst)
		return -ENODEV;
	if (!attr)
		return -ENOENT;
	return attr->show ? medio_managed_ask_attr(inst, path, NULL, 0, done, opaque) : -EIO;
}

int medio_attr_show(
	struct medio_mdev *mdev, const char *path, medio_mdev_attr_done *done, void *opaque)
{
	struct medio_managed *inst = medio_managed_of(mdev);
	const struct medio_managed_attr *own = is_own(path) ? find_own(inst, path) : NULL;
	const struct medio_param *param = is_param(path) ? find_param(medio_mdev_type(mdev), path)
							 : NULL;
	char text[TEXT_MAX];

	if (medio_filter_attr_is(path))
		return show_filter(inst, path, done, opaque);
	if (!is_own(path) && !is_param(path))
		return medio_mdev_attr_show(mdev, path, done, opaque);
	if (!own && !param)
		return -ENOENT;
	if (!inst)
		return -ENODEV;
	ssize_t len = own ? own->show(inst, text, sizeof(text))
			  : show_param(inst, param, text, sizeof(text));
	if (len >= 0)
		done(opaque, len, text);
	return len < 0 ? (int)len : 0;
}

/* The end of a store to the device itself comes in another form. */
struct store {
	medio_mdev_done *done;
	void *opaque;
};

static void stored(void *opaque, ssize_t ret, const char *text)
{
	struct store store = *(struct store *)opaque;

	(void)text;
	free(opaque);
	store.done(store.opaque, ret < 0 ? (int)ret : 0);
}

static int store_device(struct medio_mdev *mdev, const char *path, const char *text, size_t size,
	medio_mdev_done *done, void *opaque)
{
	struct store *store = malloc(sizeof(*store));

	if (!store)
		return -ENOMEM;
	*store = (struct store){ .done = done, .opaque = opaque };
	int ret = medio_filter_attr_is(path)
			  ? medio_managed_ask_attr(
				    medio_managed_of(mdev), path, text, size, stored, store)
			  : medio_mdev_attr_store(mdev, path, text, size, stored, store);
	if (ret)
		free(store);
	return ret;
}

/* One line or more of text, without the newline that echo leaves at the end. -EINVAL: none. */
static int copy_text(const char *text, size_t size, char out[TEXT_MAX])
{
	if (size && text[size - 1] == '\n')
		size--;
	if (size >= TEXT_MAX || memchr(text, '\0', size))
		return -EINVAL;
	memcpy(out, text, size);
	out[size] = '\0';
	return 0;
}

int medio_attr_store(struct medio_mdev *mdev, const struct medio_who *who, const char *path,
	const char *text, size_t size, medio_mdev_done *done, void *opaque)
{
	struct medio_managed *inst = medio_managed_of(mdev);
	const struct medio_managed_attr *own = is_own(path) ? find_own(inst, path) : NULL;
	const struct medio_param *param = is_param(path) ? find_param(medio_mdev_type(mdev), path)
							 : NULL;
	char line[TEXT_MAX];

	if ((is_own(path) && !own) || (is_param(path) && !param))
		return -ENOENT;
	if (!inst)
		return -ENODEV;
	const struct medio_attr *filters = find_filters(inst, path);
	if (medio_filter_attr_is(path) && !filters)
		return -ENOENT;
	if ((own && !own->store) || (filters && !filters->store))
		return -EIO;
	/* Only root may give something away, as with chown(2). */
	bool gives = own && !strcmp(path, OWN "owner");
	enum medio_right right = gives ? MEDIO_MAY_ADMINISTER : MEDIO_MAY_CHANGE;
	if (!medio_policy_allows(&inst->manager->policy, who, right, inst->uid)) {
		medio_manager_refused(
			inst->manager, who, "write %s of %s", path, medio_mdev_uuid(mdev));
		return -EACCES;
	}
	if (!own && !param)
		return store_device(mdev, path, text, size, done, opaque);
	int ret = copy_text(text, size, line);
	if (ret)
		return refuse(inst, path, "it must be text of at most 4 KiB", ret);
	if (param && strchr(line, '\n'))
		return refuse(inst, path, "it must be one line", -EINVAL);
	if (param)
		return store_param(inst, param, path, line, done, opaque);
	own->store(inst, line, strlen(line), done, opaque);
	return 0;
}

/* ---- The order --------------------------------------------------------------------------------- */

#define MAX_PATHS   512
#define MAX_FILTERS 64

struct path {
	const char *folder, *name; /* "params/", "port0"; or "", "vendor/x" */
	bool writable;
};

/*
 * All paths of a type and of the filters on it, sorted. Listing an instance asks for each of them in turn,
 * and so does looking one up, so the list of the last one is kept: most instances are like the last.
 * Types and filters are constant data and are never unloaded.
 */
struct paths {
	const struct medio_type *type;
	const struct medio_param *params;
	const struct medio_attr *attrs;
	const struct medio_filter *filters[MAX_FILTERS]; /* NULL: one without attributes */
	unsigned nfilters;
	bool sriov;
	char folders[MAX_FILTERS][MEDIO_FILTER_FOLDER];
	struct path items[MAX_PATHS];
	unsigned count;
};

static void add(struct paths *paths, const char *folder, const char *name, bool writable)
{
	if (paths->count < MAX_PATHS)
		paths->items[paths->count++] = (struct path){ folder, name, writable };
}

static int compose(const struct path *path, char *buf, size_t size)
{
	return snprintf(buf, size, "%s%s", path->folder, path->name);
}

static int by_path(const void *a, const void *b)
{
	char left[256], right[256];

	compose(a, left, sizeof(left));
	compose(b, right, sizeof(right));
	return strcmp(left, right);
}

/* The filters of an instance, with the folders of their attributes, and whether it can have virtual functions;
 * whether all that is as it was. */
static bool take_filters(struct paths *paths, const struct medio_managed *inst)
{
	unsigned count = inst ? inst->filters.count : 0;
	bool same;

	if (count > MAX_FILTERS)
		count = MAX_FILTERS;
	bool sriov = medio_functions_of(inst);
	same = paths->nfilters == count && paths->sriov == sriov;
	paths->nfilters = count;
	paths->sriov = sriov;
	for (unsigned i = 0; i < count; i++) {
		const struct medio_filter *filter = medio_filter_attr_folder(
			inst->manager->known_filters, &inst->filters, i, paths->folders[i]);
		same = same && paths->filters[i] == filter;
		paths->filters[i] = filter;
	}
	return same;
}

static void list(struct paths *paths, const struct medio_type *type)
{
	paths->type = type;
	paths->params = type->params;
	paths->attrs = type->attrs;
	paths->count = 0;
	for (const struct medio_managed_attr *at = medio_managed_attrs; at->name; at++)
		add(paths, "", at->name, at->store != NULL);
	for (const struct medio_managed_attr *at = medio_functions_attrs; paths->sriov && at->name;
		at++)
		add(paths, "", at->name, at->store != NULL);
	for (const struct medio_param *at = type->params; at && at->name; at++)
		add(paths, PARAMS, at->name, true);
	for (unsigned i = 0; i < paths->nfilters; i++)
		for (const struct medio_attr *at = paths->filters[i] ? paths->filters[i]->attrs
								     : NULL;
			at && at->name; at++)
			add(paths, paths->folders[i], at->name, at->store != NULL);
	for (const struct medio_attr *at = type->attrs; at && at->name; at++)
		if (!is_own(at->name) && !is_param(at->name) && !medio_filter_attr_is(at->name))
			add(paths, "", at->name, at->store != NULL); /* ours stand before its */
	qsort(paths->items, paths->count, sizeof(paths->items[0]), by_path);
}

const char *medio_attr_path(const struct medio_mdev *mdev, unsigned n, bool *writable)
{
	static _Thread_local struct paths paths;
	static _Thread_local char text[256];
	const struct medio_type *type = medio_mdev_type(mdev);

	if (!take_filters(&paths, medio_managed_of(mdev)) || paths.type != type ||
		paths.params != type->params || paths.attrs != type->attrs)
		list(&paths, type);
	if (n >= paths.count)
		return NULL;
	if (writable)
		*writable = paths.items[n].writable;
	compose(&paths.items[n], text, sizeof(text));
	return text;
}
