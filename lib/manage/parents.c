/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/parents.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manage/functions.h"
#include "manage/user.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"
#include "util/param.h"
#include "util/uuid.h"

#define NAME_MAX_LEN 64
#define MAX_KINDS    64

#define SETTING(field) offsetof(struct medio_parent_settings, field)

/* The first is called by the kind's own word: "ports". */
const struct medio_param medio_parent_params[] = {
	{ "units", MEDIO_PARAM_UINT, SETTING(units), NULL,
		"What its instances share: a card with two ports takes two (default: the kind's own)",
		.max = UINT_MAX },
	{ "per-worker", MEDIO_PARAM_UINT, SETTING(per_worker), "1",
		"Instances in one worker process; 1 isolates them from each other", .min = 1,
		.max = 65536 },
	{ "restart", MEDIO_PARAM_CHOICE, SETTING(restart), "reset",
		"What becomes of an instance whose worker has died",
		.choices = medio_restart_names },
	{ "memory", MEDIO_PARAM_SIZE, SETTING(memory), NULL,
		"Limit of a worker's address space; 0 for none" },
	{ "checkpoint", MEDIO_PARAM_TIME, SETTING(checkpoint), "100ms",
		"How often the state is saved for restart=restore", .min = 1000000 },
	{ "user", MEDIO_PARAM_STRING, SETTING(user), NULL,
		"Run workers as this user (default: as the instance's owner)" },
	{ "files", MEDIO_PARAM_STRING, SETTING(files), NULL,
		"Folders that shared workers may open files in, with ':' between" },
	{ "plugin", MEDIO_PARAM_STRING, SETTING(plugin), NULL,
		"Path of a shared object with the type of device, instead of a built-in parent" },
	{ "cards", MEDIO_PARAM_UINT, SETTING(cards), NULL,
		"Cards with virtual functions that mediod makes itself when it starts: nic0, nic1 "
		"(default: the kind's own, as 1 of nic)",
		.max = 64 },
	{ NULL },
};
#define NUM_PARAMS MEDIO_ARRAY_SIZE(medio_parent_params)

/* Every one there is, of every manager: which parents are ours. Belongs to the loop's thread. */
static struct medio_list known = { &known, &known };

/* What medio_parents_set() was given. */
struct offer {
	const struct medio_parent_kind *kinds;
	unsigned nkinds;
	medio_plugin_open *open_plugin;
};

const char *medio_managed_parent_source(
	const struct medio_managed_parent *parent, const struct medio_type *type)
{
	return parent->plugin ? parent->plugin : type->name;
}

struct medio_managed_parent *medio_managed_parent_of(const struct medio_parent *parent)
{
	const struct medio_parent_desc *desc = medio_parent_desc(parent);

	medio_list_for_each (item, &known) {
		struct medio_managed_parent *at = medio_container_of(
			item, struct medio_managed_parent, known);
		if (&at->desc == desc)
			return at;
	}
	return NULL;
}

static void free_parent(struct medio_managed_parent *parent)
{
	if (!parent)
		return;
	medio_list_remove(&parent->item);
	medio_list_remove(&parent->known);
	medio_params_free(medio_parent_params, &parent->settings);
	medio_strv_free(&parent->params);
	free(parent->spec);
	free(parent->plugin);
	free((char *)parent->desc.name);
	free(parent);
}

/* ---- From words -------------------------------------------------------------------------------- */

static const struct medio_parent_kind *find_kind(const struct offer *offer, const char *name)
{
	for (unsigned i = 0; i < offer->nkinds; i++)
		if (!strcmp(offer->kinds[i].desc->name, name))
			return &offer->kinds[i];
	return NULL;
}

/* The table as it is for one kind. */
static void params_of(const struct medio_parent_kind *kind, struct medio_param out[NUM_PARAMS])
{
	memcpy(out, medio_parent_params, sizeof(medio_parent_params));
	if (kind && kind->units)
		out[0].name = kind->units;
}

/* It becomes the name of folders, in the tree and among the definitions. */
static bool name_ok(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_-.:");

	return len && len <= NAME_MAX_LEN && !name[len] && name[0] != '.' && name[0] != '-' &&
	       strcmp(name, "scripts.d") != 0;
}

static int check_name(
	const struct offer *offer, const char *name, bool has_plugin, struct medio_error **err)
{
	const char *names[MAX_KINDS];
	unsigned count = 0;

	if (!name_ok(name))
		return medio_error_set(err, EINVAL,
			"'%.80s' cannot be the name of a parent: letters, digits, '_', '-', ':' "
			"and '.', at most %d, beginning with a letter or digit",
			name, NAME_MAX_LEN);
	const struct medio_parent_kind *kind = find_kind(offer, name);
	if (kind && has_plugin)
		return medio_error_set(err, EINVAL,
			"parent '%s' is built in: give the plug-in's parent another name", name);
	if (kind || has_plugin)
		return 0;
	for (; count < offer->nkinds && count < MAX_KINDS; count++)
		names[count] = offer->kinds[count].desc->name;
	medio_unknown(err, "parent", name, names, count);
	medio_error_prefix(err, "a parent that is not built in needs plugin=PATH");
	return -EINVAL;
}

/* The type of card that can have virtual functions; NULL: it is none. */
static const struct medio_type *card_of(const struct medio_parent_desc *desc)
{
	return desc->types[0]->sriov ? desc->types[0] : NULL;
}

static bool names(const struct medio_param *param, const char *assignment)
{
	size_t len = strcspn(assignment, "=");

	return strlen(param->name) == len && !memcmp(param->name, assignment, len);
}

/* It is no parameter of parents, but one of the kind's card. */
static bool is_card_param(const struct medio_parent_kind *kind, const char *assignment)
{
	const struct medio_type *type = card_of(kind->desc);
	const struct medio_param *param = medio_parent_params;

	if (kind->units && !strncmp(kind->units, assignment, strcspn(assignment, "=")))
		return false;
	while (param->name && !names(param, assignment))
		param++;
	if (param->name || !type)
		return false;
	for (param = type->params; param && param->name; param++)
		if (names(param, assignment))
			return true;
	return false;
}

static int check_card_param(
	const struct medio_parent_kind *kind, const char *assignment, struct medio_error **err)
{
	const struct medio_type *type = card_of(kind->desc);
	struct medio_param table[2] = { 0 };
	union {
		bool flag;
		uint64_t quantity;
		char *string;
		int choice;
	} value = { 0 };

	for (const struct medio_param *param = type->params; param->name; param++)
		if (names(param, assignment))
			table[0] = *param;
	table[0].offset = 0;
	int ret = medio_params_default(table, &value, err);
	if (!ret)
		ret = medio_params_set(table, &value, type->name, assignment, err);
	medio_params_free(table, &value);
	return ret;
}

static int set_param(const struct offer *offer, const char *name, const char *assignment,
	struct medio_parent_settings *settings, struct medio_error **err)
{
	struct medio_param params[NUM_PARAMS];
	char what[NAME_MAX_LEN + 16];

	const struct medio_parent_kind *kind = find_kind(offer, name);
	if (kind && is_card_param(kind, assignment))
		return check_card_param(kind, assignment, err);
	params_of(kind, params);
	snprintf(what, sizeof(what), "parent %s", name);
	return medio_params_set(params, settings, what, assignment, err);
}

int medio_parent_check(const struct medio_parent_kind *kinds, unsigned nkinds, const char *name,
	const char *assignment, bool has_plugin, struct medio_error **err)
{
	struct offer offer = { .kinds = kinds, .nkinds = nkinds };
	struct medio_parent_settings settings;

	if (!assignment)
		return check_name(&offer, name, has_plugin, err);
	int ret = medio_params_default(medio_parent_params, &settings, err);
	if (ret)
		return ret;
	ret = set_param(&offer, name, assignment, &settings, err);
	medio_params_free(medio_parent_params, &settings);
	return ret;
}

static int out_of_memory(struct medio_error **err)
{
	medio_error_set(err, ENOMEM, "out of memory");
	return -ENOMEM;
}

/* "NAME,key=value,…" into parent's name and settings. */
static int parse_spec(const struct offer *offer, const char *spec,
	struct medio_managed_parent *parent, struct medio_error **err)
{
	_cleanup_free_ char *copy = strdup(spec);
	char *rest = copy, *word;

	struct medio_error *wrong = NULL;

	if (!copy)
		return out_of_memory(err);
	const char *name = strsep(&rest, ",");
	int ret = medio_params_default(medio_parent_params, &parent->settings, &wrong);
	const struct medio_parent_kind *kind = find_kind(offer, name);
	parent->settings.cards = kind ? kind->cards : 0;
	while ((word = strsep(&rest, ","))) {
		int one = set_param(offer, name, word, &parent->settings, ret ? NULL : &wrong);
		if (!one && kind && is_card_param(kind, word) &&
			medio_strv_add(&parent->params, word))
			one = -ENOMEM;
		ret = ret ? ret : one;
	}
	/* A name that makes no sense is told before what is said of it. */
	int named = check_name(offer, name, parent->settings.plugin, err);
	if (!named && ret)
		medio_error_set(err, -ret, "%s", medio_error_text(wrong));
	medio_error_free(wrong);
	if (named || ret)
		return named ? named : ret;
	parent->desc.name = strdup(name);
	return parent->desc.name ? 0 : out_of_memory(err);
}

static int find_user(struct medio_managed_parent *parent, struct medio_error **err)
{
	parent->uid = (uid_t)-1;
	parent->gid = (gid_t)-1;
	if (!parent->settings.user)
		return 0;
	int ret = medio_user_find(parent->settings.user, &parent->uid, &parent->gid, err);
	if (ret)
		medio_error_prefix(err, "parent %s: user", parent->desc.name);
	return ret;
}

/* What it offers: the built-in kind's, or the plug-in's one type. */
static int fill_desc(
	const struct offer *offer, struct medio_managed_parent *parent, struct medio_error **err)
{
	const char *name = parent->desc.name;

	if (parent->settings.plugin) {
		parent->plugin = realpath(parent->settings.plugin, NULL);
		if (!parent->plugin)
			return medio_error_set(err, errno, "parent %s: plugin '%s': %s", name,
				parent->settings.plugin, strerror(errno));
		parent->desc.types = parent->types;
	} else {
		parent->desc = *find_kind(offer, name)->desc;
		parent->desc.name = name;
	}
	if (parent->settings.cards && !parent->plugin && !card_of(&parent->desc))
		return medio_error_set(err, EINVAL,
			"parent '%s': cards=%u: only cards that can have virtual functions are made "
			"so",
			name, (unsigned)parent->settings.cards);
	if (parent->settings.units)
		parent->desc.capacity = (unsigned)parent->settings.units;
	parent->desc.opaque = parent;
	return 0;
}

static int from_spec(const struct offer *offer, const char *spec, struct medio_managed_parent **out,
	struct medio_error **err)
{
	struct medio_managed_parent *parent = calloc(1, sizeof(*parent));

	if (!parent)
		return out_of_memory(err);
	medio_list_init(&parent->item);
	medio_list_init(&parent->known);
	parent->spec = strdup(spec);
	int ret = parent->spec ? parse_spec(offer, spec, parent, err) : out_of_memory(err);
	if (!ret)
		ret = find_user(parent, err);
	if (!ret)
		ret = fill_desc(offer, parent, err);
	if (ret) {
		free_parent(parent);
		return ret;
	}
	*out = parent;
	return 0;
}

/* ---- From one set to another ------------------------------------------------------------------- */

static struct medio_managed_parent *find_named(const struct medio_list *list, const char *name)
{
	medio_list_for_each (item, list) {
		struct medio_managed_parent *at = medio_container_of(
			item, struct medio_managed_parent, item);
		if (!strcmp(at->desc.name, name))
			return at;
	}
	return NULL;
}

static void free_list(struct medio_list *list)
{
	medio_list_for_each (item, list)
		free_parent(medio_container_of(item, struct medio_managed_parent, item));
}

static int same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Whether wanted can take the place of what there is. */
static int check_change(struct medio_manager *m, const struct medio_managed_parent *wanted,
	struct medio_error **err)
{
	const char *name = wanted->desc.name;
	const struct medio_managed_parent *now = find_named(&m->parents, name);

	if (!now)
		return medio_bus_find_parent(m->bus, name)
			       ? medio_error_set(
					 err, EEXIST, "there is a parent '%s' already", name)
			       : 0;
	if (medio_parent_leaving(now->parent))
		return medio_error_set(err, EBUSY,
			"parent '%s' is still being taken away: its instances are in use", name);
	if (!same_text(now->plugin, wanted->plugin))
		return medio_error_set(err, EBUSY,
			"parent '%s': its plug-in cannot change while it is there; leave it out, "
			"reload, and name it again",
			name);
	return 0;
}

static int load_plugin(
	const struct offer *offer, struct medio_managed_parent *parent, struct medio_error **err)
{
	int ret = offer->open_plugin(parent->plugin, &parent->types[0], err);

	if (!ret && parent->types[0]->sriov)
		parent->types[1] = parent->types[0]->sriov->vf;
	else if (!ret && parent->settings.cards)
		ret = medio_error_set(err, EINVAL,
			"parent '%s': cards=%u: the plug-in's have no virtual functions",
			parent->desc.name, (unsigned)parent->settings.cards);
	return ret;
}

/* Everything that can be wrong with the specs is found here, before anything changes. */
static int plan(struct medio_manager *m, const struct offer *offer, const char *const *specs,
	unsigned nspecs, struct medio_list *wanted, struct medio_error **err)
{
	unsigned count = nspecs ? nspecs : offer->nkinds;

	for (unsigned i = 0; i < count; i++) {
		const char *spec = nspecs ? specs[i] : offer->kinds[i].desc->name;
		struct medio_managed_parent *parent = NULL;
		int ret = from_spec(offer, spec, &parent, err);
		if (ret)
			return ret;
		/* Everything that is built in is offered, and nothing is made unasked. */
		if (!nspecs)
			parent->settings.cards = 0;
		bool twice = find_named(wanted, parent->desc.name);
		medio_list_append(wanted, &parent->item);
		if (twice)
			return medio_error_set(
				err, EINVAL, "parent '%s' is named twice", parent->desc.name);
		ret = check_change(m, parent, err);
		if (!ret && parent->plugin && !find_named(&m->parents, parent->desc.name))
			ret = load_plugin(offer, parent, err);
		if (ret)
			return ret;
	}
	return 0;
}

static void unregistered(void *opaque, int ret)
{
	(void)ret;
	free_parent(opaque);
}

static void leave(struct medio_manager *m, struct medio_managed_parent *parent)
{
	const char *name = parent->desc.name;

	if (medio_parent_leaving(parent->parent))
		return;
	medio_manager_log(m, MEDIO_LOG_INFO, "parent %s goes", name);
	int ret = medio_parent_unregister(parent->parent, unregistered, parent);
	if (!ret)
		free_parent(parent);
	else if (ret != MEDIO_DEFERRED)
		medio_manager_log(m, MEDIO_LOG_WARN, "parent %s stays: %s", name, strerror(-ret));
}

/* Register all of wanted that is not there; they move to m->parents by way of entered. If one fails,
 * those before it go again. */
static int enter(struct medio_manager *m, struct medio_list *wanted, struct medio_list *entered,
	struct medio_error **err)
{
	int ret = 0;

	medio_list_for_each (item, wanted) {
		struct medio_managed_parent *parent = medio_container_of(
			item, struct medio_managed_parent, item);
		if (find_named(&m->parents, parent->desc.name))
			continue;
		medio_list_append(&known, &parent->known);
		ret = medio_parent_register(
			m->bus, &parent->desc, &medio_mdev_worker, &parent->parent, err);
		if (ret)
			break;
		medio_list_remove(&parent->item);
		medio_list_append(entered, &parent->item);
		medio_manager_log(m, MEDIO_LOG_INFO, "parent %s is there", parent->desc.name);
	}
	medio_list_for_each (item, entered) {
		if (ret)
			leave(m, medio_container_of(item, struct medio_managed_parent, item));
	}
	return ret;
}

/* The place of what was said of it before; what is registered stays. */
static void take_settings(struct medio_managed_parent *now, struct medio_managed_parent *wanted)
{
	struct medio_parent_settings settings = now->settings;
	char *spec = now->spec;

	struct medio_strv params = now->params;
	now->settings = wanted->settings;
	now->spec = wanted->spec;
	now->params = wanted->params;
	wanted->params = params;
	now->desc.capacity = wanted->desc.capacity;
	now->uid = wanted->uid;
	now->gid = wanted->gid;
	wanted->settings = settings;
	wanted->spec = spec;
}

int medio_parents_set(struct medio_manager *m, const struct medio_parent_kind *kinds,
	unsigned nkinds, medio_plugin_open *open_plugin, const char *const *specs, unsigned nspecs,
	struct medio_error **err)
{
	struct offer offer = { .kinds = kinds, .nkinds = nkinds, .open_plugin = open_plugin };
	struct medio_list wanted, entered;

	medio_list_init(&wanted);
	medio_list_init(&entered);
	int ret = plan(m, &offer, specs, nspecs, &wanted, err);
	if (!ret)
		ret = enter(m, &wanted, &entered, err);
	/* From here on nothing fails. */
	medio_list_for_each (item, &m->parents) {
		struct medio_managed_parent *now = medio_container_of(
			item, struct medio_managed_parent, item);
		struct medio_managed_parent *named = find_named(&wanted, now->desc.name);
		if (ret)
			break;
		if (named)
			take_settings(now, named);
		else
			leave(m, now);
	}
	medio_list_for_each (item, &entered) {
		medio_list_remove(item);
		medio_list_append(&m->parents, item);
	}
	free_list(&wanted);
	return ret;
}

static void made(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	(void)opaque, (void)mdev, (void)ret, (void)words; /* the manager has logged them */
}

void medio_parents_make_cards(struct medio_manager *m)
{
	const struct medio_creation how = {
		.who = { .uid = m->policy.uid, .gid = getegid() },
		.restart = -1,
	};

	medio_list_for_each (item, &m->parents) {
		const struct medio_managed_parent *parent = medio_container_of(
			item, struct medio_managed_parent, item);
		for (unsigned i = 0; i < parent->settings.cards; i++) {
			char uuid[MEDIO_UUID_TEXT];
			medio_functions_card_uuid(parent->desc.name, i, uuid);
			if (!medio_bus_find_mdev(m->bus, uuid, MEDIO_UUID_TEXT - 1))
				medio_manager_create(m, parent->parent, parent->desc.types[0], uuid,
					MEDIO_UUID_TEXT - 1, &how, made, NULL);
		}
	}
}

void medio_parents_free(struct medio_manager *m)
{
	medio_list_for_each (item, &m->parents) {
		struct medio_managed_parent *parent = medio_container_of(
			item, struct medio_managed_parent, item);
		if (m->bus)
			leave(m, parent);
		else
			free_parent(parent);
	}
}
