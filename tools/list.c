/* SPDX-License-Identifier: BSD-3-Clause */
/* medio list: the instances a mediod has, and what is defined. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client.h"
#include "text.h"
#include "util/cleanup.h"

struct options {
	const char *parent;
	bool qemu, defined, json;
};

static const struct medio_option options[] = {
	{ "qemu", 'q', MEDIO_OPTION_FLAG, offsetof(struct options, qemu), NULL,
		"Print only what QEMU needs, ready to paste: one line for each instance" },
	{ "defined", 'd', MEDIO_OPTION_FLAG, offsetof(struct options, defined), NULL,
		"List definitions instead of instances" },
	{ "parent", 'p', MEDIO_OPTION_STRING, offsetof(struct options, parent), "NAME",
		"Only those of this parent" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print a JSON list; with --defined an object with definitions, and the unreadable "
		"files" },
	{ NULL },
};

/* What one run of the command holds. */
struct list {
	const struct medio_command *cmd;
	const struct options *opts;
	const struct medio_option_list *uuids;
};

/* ---- Which ------------------------------------------------------------------------------------- */

/* By its UUID or, of a card with virtual functions, its name. */
static bool is_called(const struct json_object *entry, const char *what)
{
	return !strcasecmp(medio_json_string(entry, "uuid"), what) ||
	       (*what && !strcmp(medio_json_string(entry, "name"), what));
}

static bool is_asked_for(const struct list *list, const struct json_object *entry)
{
	const char *parent = list->opts->parent;

	if (parent && strcmp(medio_json_string(entry, "parent"), parent) != 0)
		return false;
	for (unsigned i = 0; i < list->uuids->count; i++)
		if (is_called(entry, list->uuids->items[i]))
			return true;
	return !list->uuids->count;
}

static struct json_object *filter(const struct list *list, struct json_object *all)
{
	struct json_object *some = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *entry = json_object_array_get_idx(all, i);
		if (is_asked_for(list, entry))
			json_object_array_add(some, json_object_get(entry));
	}
	return some;
}

/* Says which UUID is not in the list. */
static int check_all_there(const struct list *list, struct json_object *some)
{
	int ret = MEDIO_EXIT_OK;

	for (unsigned i = 0; i < list->uuids->count; i++) {
		const char *uuid = list->uuids->items[i];
		bool found = false;
		for (size_t j = 0; j < json_object_array_length(some); j++)
			found |= is_called(json_object_array_get_idx(some, j), uuid);
		if (!found)
			ret = medio_command_fail(list->cmd, "no %s %s",
				list->opts->defined ? "definition" : "instance", uuid);
	}
	return ret;
}

/* ---- Instances --------------------------------------------------------------------------------- */

static void add_client(struct medio_table *table, const struct json_object *inst)
{
	struct json_object *client = medio_json_get(inst, "client");

	if (client)
		medio_table_printf(table, "%lld", (long long)medio_json_int(client, "pid"));
	else
		medio_table_add(table, "-");
}

static void add_instance(struct medio_table *table, const struct json_object *inst)
{
	struct json_object *owner = medio_json_get(inst, "owner");
	char user[64] = "-";

	if (owner)
		medio_text_user((uid_t)medio_json_int(owner, "uid"), user, sizeof(user));
	medio_table_add(table, medio_json_string(inst, "uuid"));
	medio_table_add(table, medio_json_string(inst, "type"));
	medio_table_add(table, medio_json_string(inst, "parent"));
	medio_table_printf(table, "%lld", (long long)medio_json_int(inst, "group"));
	medio_table_add(table, medio_json_string(inst, "state"));
	medio_table_add(table, user);
	add_client(table, inst);
	medio_table_add(table, medio_json_string(inst, "socket"));
}

/* Does any belong to a card with virtual functions? */
static bool any_card(struct json_object *some)
{
	for (size_t i = 0; i < json_object_array_length(some); i++) {
		const struct json_object *inst = json_object_array_get_idx(some, i);
		if (medio_json_get(inst, "name") || medio_json_get(inst, "pf"))
			return true;
	}
	return false;
}

/* "nic0", or "nic0 3": its name where the card is in the list, too. */
static void add_card(
	struct medio_table *table, const struct json_object *inst, struct json_object *some)
{
	const char *pf = medio_json_string(inst, "pf"), *name = NULL;

	if (!*pf) {
		medio_table_add(table,
			medio_json_get(inst, "name") ? medio_json_string(inst, "name") : "-");
		return;
	}
	for (size_t i = 0; !name && i < json_object_array_length(some); i++) {
		const struct json_object *other = json_object_array_get_idx(some, i);
		if (!strcmp(medio_json_string(other, "uuid"), pf))
			name = medio_json_string(other, "name");
	}
	medio_table_printf(
		table, "%s %lld", name ? name : "?", (long long)medio_json_int(inst, "vf"));
}

static int print_instances(struct json_object *some)
{
	static const char *const titles[] = { "UUID", "TYPE", "PARENT", ">GROUP", "STATE", "OWNER",
		">CLIENT", "SOCKET", "CARD" };
	bool cards = any_card(some);
	struct medio_table table = { .titles = titles, .count = MEDIO_ARRAY_SIZE(titles) - !cards };

	for (size_t i = 0; i < json_object_array_length(some); i++) {
		const struct json_object *inst = json_object_array_get_idx(some, i);
		add_instance(&table, inst);
		if (cards)
			add_card(&table, inst, some);
	}
	return medio_table_print(&table, stdout);
}

/* ---- One instance in detail -------------------------------------------------------------------- */

static void print_label(const char *label)
{
	printf("  %-10s  ", label);
}

static void print_field(const char *label, const char *value)
{
	print_label(label);
	medio_text_print(value, stdout);
	putchar('\n');
}

static void print_strings(const char *label, struct json_object *strings)
{
	size_t count = strings ? json_object_array_length(strings) : 0;

	for (size_t i = 0; i < count; i++)
		print_field(i ? "" : label,
			json_object_get_string(json_object_array_get_idx(strings, i)));
}

static void print_owner(const struct json_object *inst)
{
	struct json_object *owner = medio_json_get(inst, "owner");
	char user[64];

	if (!owner)
		return;
	medio_text_user((uid_t)medio_json_int(owner, "uid"), user, sizeof(user));
	print_label("owner");
	printf("%s (%lld:%lld)\n", user, (long long)medio_json_int(owner, "uid"),
		(long long)medio_json_int(owner, "gid"));
}

static void print_client(const struct json_object *inst)
{
	struct json_object *client = medio_json_get(inst, "client");
	char user[64], process[64];

	print_label("client");
	if (!client) {
		printf("none\n");
		return;
	}
	medio_text_user((uid_t)medio_json_int(client, "uid"), user, sizeof(user));
	medio_text_process((pid_t)medio_json_int(client, "pid"), process, sizeof(process));
	printf("%lld (", (long long)medio_json_int(client, "pid"));
	medio_text_print(process, stdout);
	printf("%s%s)\n", *process ? ", " : "", user);
}

static void print_worker(const struct json_object *inst)
{
	long long pid = medio_json_int(inst, "pid"), sharing = medio_json_int(inst, "sharing");
	long long restarts = medio_json_int(inst, "restarts");

	print_label("worker");
	if (pid)
		printf("%lld", pid);
	else
		printf("none");
	if (sharing > 1)
		printf(", with %lld other instance%s", sharing - 1, sharing > 2 ? "s" : "");
	printf("; restart=%s", medio_json_string(inst, "restart"));
	if (restarts)
		printf(", %lld time%s so far", restarts, restarts > 1 ? "s" : "");
	putchar('\n');
}

static void print_qemu(const struct json_object *inst)
{
	medio_text_qemu(medio_json_string(inst, "qemu_device"), stdout);
	putchar('\n');
}

static void print_detail(const struct json_object *inst)
{
	char created[32];

	printf("%s%s%s\n", medio_bold(stdout), medio_json_string(inst, "uuid"),
		medio_plain(stdout));
	print_label("type");
	printf("%s, of parent %s\n", medio_json_string(inst, "type"),
		medio_json_string(inst, "parent"));
	if (medio_json_get(inst, "name")) {
		print_label("card");
		printf("%s, %lld of %lld virtual functions\n", medio_json_string(inst, "name"),
			(long long)medio_json_int(inst, "numvfs"),
			(long long)medio_json_int(inst, "totalvfs"));
	}
	if (medio_json_get(inst, "pf")) {
		print_label("card");
		printf("%s, of which it is virtual function %lld\n", medio_json_string(inst, "pf"),
			(long long)medio_json_int(inst, "vf"));
	}
	print_label("group");
	printf("%lld\n", (long long)medio_json_int(inst, "group"));
	print_field("state", medio_json_string(inst, "state"));
	if (medio_json_get(inst, "trouble"))
		print_field("", medio_json_string(inst, "trouble"));
	if (!medio_json_get(inst, "socket"))
		return;
	print_owner(inst);
	medio_text_time(
		json_object_get_double(medio_json_get(inst, "created")), created, sizeof(created));
	print_field("created", created);
	print_worker(inst);
	print_strings("parameters", medio_json_get(inst, "params"));
	print_strings("filters", medio_json_get(inst, "filters"));
	print_client(inst);
	print_field("socket", medio_json_string(inst, "socket"));
	print_label("for QEMU");
	print_qemu(inst);
}

/* ---- Definitions ------------------------------------------------------------------------------- */

static void add_definition(struct medio_table *table, const struct json_object *def)
{
	bool automatic = json_object_get_boolean(medio_json_get(def, "auto"));
	bool active = json_object_get_boolean(medio_json_get(def, "active"));

	medio_table_add(table, medio_json_string(def, "uuid"));
	medio_table_add(table, medio_json_string(def, "type"));
	medio_table_add(table, medio_json_string(def, "parent"));
	medio_table_add(table, automatic ? "auto" : "manual");
	medio_table_add(table, active ? "active" : "-");
}

static int print_definitions(struct json_object *some)
{
	static const char *const titles[] = { "UUID", "TYPE", "PARENT", "START", "STATE" };
	struct medio_table table = { .titles = titles, .count = MEDIO_ARRAY_SIZE(titles) };

	for (size_t i = 0; i < json_object_array_length(some); i++)
		add_definition(&table, json_object_array_get_idx(some, i));
	return medio_table_print(&table, stdout);
}

static void print_definition(const struct json_object *def)
{
	struct json_object *attrs = medio_json_get(def, "attrs");
	bool automatic = json_object_get_boolean(medio_json_get(def, "auto"));
	bool active = json_object_get_boolean(medio_json_get(def, "active"));

	printf("%s%s%s\n", medio_bold(stdout), medio_json_string(def, "uuid"), medio_plain(stdout));
	print_label("type");
	printf("%s, of parent %s\n", medio_json_string(def, "type"),
		medio_json_string(def, "parent"));
	print_field("start", automatic ? "auto: with mediod" : "manual");
	print_field("state", active ? "active" : "not started");
	for (size_t i = 0; attrs && i < json_object_array_length(attrs); i++) {
		json_object_object_foreach(json_object_array_get_idx(attrs, i), name, value)
		{
			print_label(i ? "" : "attributes");
			medio_text_print(name, stdout);
			putchar('=');
			medio_text_print(json_object_get_string(value), stdout);
			putchar('\n');
		}
	}
}

static void warn_unreadable(const struct list *list, struct json_object *bad)
{
	for (size_t i = 0; bad && i < json_object_array_length(bad); i++) {
		struct json_object *entry = json_object_array_get_idx(bad, i);
		fprintf(stderr, "medio %s: ", list->cmd->name);
		medio_text_print(medio_json_string(entry, "path"), stderr);
		fputs(": ", stderr);
		medio_text_print(medio_json_string(entry, "error"), stderr);
		fputc('\n', stderr);
	}
}

/* ---- The command ------------------------------------------------------------------------------- */

static void say_empty(const struct list *list)
{
	if (list->opts->defined)
		fprintf(stderr,
			"medio: nothing is defined; 'medio define TYPE' does, 'medio types' lists "
			"the types\n");
	else
		fprintf(stderr,
			"medio: no instances; 'medio start TYPE' makes one, 'medio types' lists "
			"the types\n");
}

static int print(const struct list *list, struct json_object *some)
{
	size_t count = json_object_array_length(some);
	struct json_object *first = count ? json_object_array_get_idx(some, 0) : NULL;
	bool detail = count == 1 && list->uuids->count == 1;

	if (!count && !list->uuids->count)
		say_empty(list);
	if (!count)
		return 0;
	if (list->opts->qemu) {
		for (size_t i = 0; i < count; i++)
			print_qemu(json_object_array_get_idx(some, i));
		return 0;
	}
	if (!detail)
		return list->opts->defined ? print_definitions(some) : print_instances(some);
	if (list->opts->defined)
		print_definition(first);
	else
		print_detail(first);
	return 0;
}

/* result is that of operation list or definitions; the names of both lists are the same. */
static int show(const struct list *list, struct json_object *result)
{
	bool defined = list->opts->defined;
	struct json_object *all = defined ? medio_json_get(result, "definitions") : result;
	struct json_object *bad = defined ? medio_json_get(result, "unreadable") : NULL;
	struct json_object *some = filter(list, all);
	int ret = 0;

	if (list->opts->json && defined) {
		json_object_object_add(result, "definitions", json_object_get(some));
		medio_json_print(result);
	} else if (list->opts->json) {
		medio_json_print(some);
	} else {
		warn_unreadable(list, bad);
		ret = print(list, some);
	}
	int code = ret ? medio_command_fail(list->cmd, "out of memory")
		       : check_all_there(list, some);
	json_object_put(some);
	return code;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct list list = { .cmd = cmd, .opts = opts, .uuids = args };
	struct json_object *result = NULL;

	if (opts->qemu && (opts->defined || opts->json))
		return medio_command_usage(cmd, "--qemu goes with neither --defined nor --json");
	int ret = medio_client_run(
		cmd, medio_client_request(opts->defined ? "definitions" : "list"), &result);
	if (ret == 0)
		ret = show(&list, result);
	json_object_put(result);
	return ret;
}

const struct medio_command medio_command_list = {
	.name = "list",
	.summary = "List instances, or what is defined",
	.arguments = "[UUID…]",
	.max_args = 1000,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
