/* SPDX-License-Identifier: BSD-3-Clause */
/* The operation on virtual functions: show them, say how many, say how one is to be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manage/attrs.h"
#include "manage/describe.h"
#include "manage/functions.h"
#include "manage/request.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Attributes of a card that manages its virtual functions. */
#define STATE "vfs/state"
#define SET   "vfs/set"

static const struct medio_attr *find_attr(const struct medio_mdev *mdev, const char *name)
{
	const struct medio_attr *attr = medio_mdev_type(mdev)->attrs;

	while (attr && attr->name && strcmp(attr->name, name) != 0)
		attr++;
	return attr && attr->name ? attr : NULL;
}

/* The card that is asked about; NULL after the request has been failed. */
static struct medio_mdev *find_card(struct medio_request *request)
{
	struct medio_mdev *mdev = medio_request_mdev(request);
	struct medio_error *err = NULL;
	char card[96];

	if (!mdev || medio_functions_of(medio_managed_of(mdev)))
		return mdev;
	const struct medio_mdev *pf = medio_mdev_pf(mdev);
	if (pf && !medio_functions_name(pf, card, sizeof(card)))
		snprintf(card, sizeof(card), "%s", medio_mdev_uuid(pf));
	if (pf)
		medio_error_set(&err, EOPNOTSUPP,
			"%s is virtual function %u of %s: name the card, with --vf %u",
			medio_mdev_uuid(mdev), medio_mdev_vf_index(mdev), card,
			medio_mdev_vf_index(mdev));
	else
		medio_error_set(&err, EOPNOTSUPP, "%s, a %s, has no virtual functions",
			medio_mdev_uuid(mdev), medio_mdev_type(mdev)->name);
	medio_request_error(request, -EOPNOTSUPP, err);
	return NULL;
}

/* ---- Showing ----------------------------------------------------------------------------------- */

static void add_number(struct json_object *to, const char *key, int64_t value)
{
	json_object_object_add(to, key, json_object_new_int64(value));
}

/* What the card says of number n: NULL if it says nothing. */
static struct json_object *settings_of(struct json_object *state, unsigned n)
{
	size_t count = json_object_is_type(state, json_type_array) ? json_object_array_length(state)
								   : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(state, i), *number;
		if (json_object_object_get_ex(entry, "vf", &number) &&
			json_object_get_int64(number) == (int64_t)n)
			return json_object_get(entry);
	}
	return NULL;
}

static struct json_object *describe_vf(struct medio_mdev *vf, struct json_object *state)
{
	struct json_object *object = medio_describe_mdev(vf);

	json_object_object_add(object, "settings", settings_of(state, medio_mdev_vf_index(vf)));
	return object;
}

static struct json_object *describe(struct medio_mdev *mdev, struct json_object *state)
{
	const struct medio_managed *inst = medio_managed_of(mdev);
	const struct medio_functions *vfs = medio_functions_of(inst);
	struct json_object *object = medio_describe_mdev(mdev);
	struct json_object *list = json_object_new_array();
	struct medio_mdev *vf = NULL;
	char device[8];

	add_number(object, "offset", vfs->offset);
	add_number(object, "stride", vfs->stride);
	snprintf(device, sizeof(device), "%04x", vfs->vf_device);
	json_object_object_add(object, "vf_device", json_object_new_string(device));
	json_object_object_add(object, "autoprobe", json_object_new_boolean(!vfs->leave_unbound));
	while ((vf = medio_mdev_next_vf(mdev, vf)))
		json_object_array_add(list, describe_vf(vf, state));
	json_object_object_add(object, "vfs", list);
	return object;
}

static void shown(void *opaque, ssize_t ret, const char *text)
{
	struct medio_request *request = opaque;
	struct json_object *state = NULL;
	struct medio_mdev *mdev = find_card(request);

	if (!mdev)
		return;
	_cleanup_free_ char *copy = ret > 0 && text ? strndup(text, (size_t)ret) : NULL;
	if (copy)
		state = json_tokener_parse(copy);
	medio_request_done(request, describe(mdev, state));
	json_object_put(state);
}

static void show(struct medio_request *request)
{
	struct medio_mdev *mdev = find_card(request);

	if (!mdev)
		return;
	if (!find_attr(mdev, STATE) || medio_attr_show(mdev, STATE, shown, request))
		shown(request, -ENOENT, NULL);
}

/* ---- How many ---------------------------------------------------------------------------------- */

static void was_set(void *opaque, int ret)
{
	struct medio_request *request = opaque;
	struct medio_mdev *mdev;
	struct medio_error *err = NULL;

	if (!ret) {
		show(request);
		return;
	}
	if (ret != -EBUSY) {
		medio_error_set(&err, -ret, "%s; mediod's log says more", strerror(-ret));
		medio_request_error(request, ret, err);
		return;
	}
	mdev = find_card(request);
	if (!mdev)
		return;
	medio_error_set(&err, EBUSY,
		"%s has %u virtual functions: another number is reached through 0, which ends them",
		medio_request_string(request, "uuid"), medio_functions_num(medio_managed_of(mdev)));
	medio_request_error(request, -EBUSY, err);
}

static void set_number(struct medio_request *request, struct medio_mdev *mdev, int number)
{
	struct medio_managed *inst = medio_managed_of(mdev);
	unsigned total = medio_functions_of(inst)->total;
	struct medio_error *err = NULL;

	if (!medio_policy_allows(
		    &request->manager->policy, &request->who, MEDIO_MAY_CHANGE, inst->uid)) {
		medio_manager_refused(request->manager, &request->who,
			"set the virtual functions of %s", medio_mdev_uuid(mdev));
		medio_request_fail(request, -EACCES,
			"only its owner, root and mediod's own user may set its virtual functions");
		return;
	}
	if ((unsigned)number > total) {
		medio_error_set(
			&err, ERANGE, "%d virtual functions, allowed are 0 to %u", number, total);
		medio_request_error(request, -ERANGE, err);
		return;
	}
	medio_functions_set(inst, (unsigned)number, was_set, request);
}

/* ---- How one is to be --------------------------------------------------------------------------- */

/* "3 mac=… vlan=…", to free; NULL: no memory. */
static char *compose(int vf, const struct medio_strv *settings)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "%d", vf);
	for (unsigned i = 0; i < settings->count; i++)
		fprintf(out, " %s", settings->items[i]);
	fclose(out);
	return text;
}

static void was_configured(void *opaque, int ret)
{
	struct medio_request *request = opaque;
	struct medio_error *err = NULL;

	if (!ret) {
		show(request);
		return;
	}
	medio_error_set(&err, -ret,
		"virtual function %d cannot be set so: %s; mediod's log says why",
		medio_request_number(request, "vf"), strerror(-ret));
	medio_request_error(request, ret, err);
}

static int check_settings(const struct medio_mdev *mdev, int vf, const struct medio_strv *settings,
	struct medio_error **err)
{
	unsigned total = medio_functions_of(medio_managed_of(mdev))->total;

	if (!find_attr(mdev, SET))
		return medio_error_set(err, EOPNOTSUPP,
			"the virtual functions of a %s have no settings of their own",
			medio_mdev_type(mdev)->name);
	if ((unsigned)vf >= total)
		return medio_error_set(err, EINVAL,
			"there is no virtual function %d: they are 0 to %u", vf, total - 1);
	if (!settings->count)
		return medio_error_set(err, EINVAL, "say what to set, as vlan=5");
	for (unsigned i = 0; i < settings->count; i++)
		if (!strchr(settings->items[i], '=') || strpbrk(settings->items[i], " \t\n"))
			return medio_error_set(
				err, EINVAL, "'%.64s' is no WORD=VALUE", settings->items[i]);
	return 0;
}

static void configure(struct medio_request *request, struct medio_mdev *mdev)
{
	struct medio_strv settings = { 0 };
	struct medio_error *err = NULL;
	_cleanup_free_ char *text = NULL;
	int vf = medio_request_number(request, "vf");
	int ret = medio_request_strings(request, "settings", &settings);

	if (!ret)
		ret = check_settings(mdev, vf, &settings, &err);
	if (!ret) {
		text = compose(vf, &settings);
		ret = text ? medio_attr_store(mdev, &request->who, SET, text, strlen(text),
				     was_configured, request)
			   : -ENOMEM;
	}
	medio_strv_free(&settings);
	if (ret)
		medio_request_error(request, ret, err);
}

void medio_op_sriov(struct medio_request *request)
{
	int number = medio_request_number(request, "numvfs");
	bool one = medio_request_has(request, "vf"), words = medio_request_has(request, "settings");
	struct medio_mdev *mdev = find_card(request);

	if (!mdev)
		return;
	if (one != words || (one && number >= 0))
		medio_request_fail(
			request, -EINVAL, "say 'numvfs', or 'vf' and 'settings', or none of them");
	else if (one)
		configure(request, mdev);
	else if (number >= 0)
		set_number(request, mdev, number);
	else
		show(request);
}
