/* SPDX-License-Identifier: BSD-3-Clause */
/* medio sriov, for a card that mediod runs: it is asked through the control socket. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "host.h"
#include "sriov.h"
#include "text.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/nearest.h"

/* As `ip link set DEV vf N` has them. */
static const struct {
	const char *name, *allowed;
	const char *const *words;
	unsigned long max; /* of a number; 0: it is none */
} settings[] = {
	{ "mac", "an address, as 02:00:00:00:00:01", NULL, 0 },
	{ "vlan", "0 (none) to 4094", NULL, 4094 },
	{ "qos", "0 to 7", NULL, 7 },
	{ "rate", "Mbit/s, 0 for no limit", NULL, 10000000 },
	{ "spoofchk", "on or off", (const char *const[]){ "on", "off", NULL }, 0 },
	{ "trust", "on or off", (const char *const[]){ "on", "off", NULL }, 0 },
	{ "link", "auto, on or off", (const char *const[]){ "auto", "on", "off", NULL }, 0 },
	{ "state", "auto, enable or disable",
		(const char *const[]){ "auto", "enable", "disable", NULL }, 0 },
};
#define NUM_SETTINGS MEDIO_ARRAY_SIZE(settings)

/* ---- What is asked for --------------------------------------------------------------------------- */

static int check_word(size_t which, const char *value, struct medio_error **err)
{
	const char *const *word = settings[which].words;
	unsigned long max = settings[which].max;
	bool ok = *value;

	while (word && *word && strcmp(*word, value) != 0)
		word++;
	if (word)
		ok = *word;
	else if (max)
		ok = ok && strlen(value) < 10 && !value[strspn(value, "0123456789")] &&
		     strtoul(value, NULL, 10) <= max;
	else
		ok = strlen(value) == 17 && !value[strspn(value, "0123456789abcdefABCDEF:")];
	if (!ok)
		return medio_error_set(err, EINVAL, "%s=%.64s: it can be %s", settings[which].name,
			value, settings[which].allowed);
	return 0;
}

int medio_sriov_check_setting(const char *text, struct medio_error **err)
{
	const char *names[NUM_SETTINGS], *equals = strchr(text, '=');
	char name[64];

	if (!equals || equals == text)
		return medio_error_set(err, EINVAL,
			"'%.64s' is no setting: they are WORD=VALUE, as vlan=5 or trust=on", text);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
	for (size_t i = 0; i < NUM_SETTINGS; i++) {
		names[i] = settings[i].name;
		if (!strcmp(settings[i].name, name))
			return check_word(i, equals + 1, err);
	}
	return medio_unknown(err, "setting of a virtual function", name, names, NUM_SETTINGS);
}

bool medio_sriov_is_card(const char *name)
{
	size_t len = strlen(name);

	/* A PCI address has a colon; a UUID is 36 characters; and "nic0" is anything else. */
	return !strchr(name, ':') && strcspn(name, "/.") == len;
}

/* ---- Showing --------------------------------------------------------------------------------------- */

/* Numbers, words and truths as a person reads them; none: "-". */
static void add_value(struct medio_table *table, const struct json_object *from, const char *key)
{
	struct json_object *value = from ? medio_json_get(from, key) : NULL;

	if (!value)
		medio_table_add(table, "-");
	else if (json_object_is_type(value, json_type_boolean))
		medio_table_add(table, json_object_get_boolean(value) ? "on" : "off");
	else if (json_object_is_type(value, json_type_int) && !json_object_get_int64(value))
		medio_table_add(table, "-");
	else
		medio_table_add(table, json_object_get_string(value));
}

static const char *const shown[] = { "mac", "vlan", "rate", "spoofchk", "trust", "link" };

static void add_vf(struct medio_table *table, const struct json_object *vf, bool managed)
{
	struct json_object *client = medio_json_get(vf, "client");
	const struct json_object *of = medio_json_get(vf, "settings");
	int64_t group = medio_json_int(vf, "group");

	medio_table_printf(table, "%lld", (long long)medio_json_int(vf, "vf"));
	medio_table_add(table, medio_json_string(vf, "uuid"));
	if (group < 0)
		medio_table_add(table, "-");
	else
		medio_table_printf(table, "%lld", (long long)group);
	medio_table_add(table, medio_json_string(vf, "state"));
	if (client)
		medio_table_printf(table, "%lld", (long long)medio_json_int(client, "pid"));
	else
		medio_table_add(table, "-");
	for (size_t i = 0; managed && i < MEDIO_ARRAY_SIZE(shown); i++)
		add_value(table, of, shown[i]);
}

static int print_text(const struct json_object *card)
{
	static const char *const titles[] = { ">VF", "UUID", ">GROUP", "STATE", ">CLIENT", "MAC",
		">VLAN", ">RATE", "SPOOFCHK", "TRUST", "LINK" };
	struct json_object *vfs = medio_json_get(card, "vfs");
	size_t count = vfs ? json_object_array_length(vfs) : 0;
	bool managed = count && medio_json_get(json_object_array_get_idx(vfs, 0), "settings");
	struct medio_table table = { .titles = titles,
		.count = MEDIO_ARRAY_SIZE(titles) - (managed ? 0 : MEDIO_ARRAY_SIZE(shown)) };
	bool autoprobe = json_object_get_boolean(medio_json_get(card, "autoprobe"));

	printf("%s%s%s  %lld of %lld virtual functions, %s\n", medio_bold(stdout),
		medio_json_string(card, "name"), medio_plain(stdout),
		(long long)medio_json_int(card, "numvfs"),
		(long long)medio_json_int(card, "totalvfs"), medio_json_string(card, "uuid"));
	printf("offset %lld, stride %lld, device %s; new ones %s\n",
		(long long)medio_json_int(card, "offset"),
		(long long)medio_json_int(card, "stride"), medio_json_string(card, "vf_device"),
		autoprobe ? "are served at once" : "are left without a driver");
	for (size_t i = 0; i < count; i++)
		add_vf(&table, json_object_array_get_idx(vfs, i), managed);
	return count ? medio_table_print(&table, stdout) : 0;
}

/* ---- Asking ------------------------------------------------------------------------------------------ */

static struct json_object *request_of(const struct medio_sriov_job *job)
{
	struct json_object *request = medio_client_request("sriov");

	medio_client_set(request, "uuid", job->name);
	return request;
}

/* One question. What it means to be refused is for scripts to tell from failing. */
static int ask(const struct medio_sriov_job *job, struct medio_client *client,
	struct json_object *request, struct json_object **result)
{
	struct medio_error *err = NULL;
	int ret = medio_client_ask(client, request, result, &err);

	if (ret == -EBUSY || ret == -ERANGE || ret == -EOPNOTSUPP || ret == -EACCES) {
		medio_command_fail(job->cmd, "%s", err ? medio_error_text(err) : strerror(-ret));
		medio_error_free(err);
		return MEDIO_EXIT_REFUSED;
	}
	return ret ? medio_client_fail(job->cmd, ret, err) : MEDIO_EXIT_OK;
}

static int set_number(const struct medio_sriov_job *job, struct medio_client *client, int number,
	struct json_object **result)
{
	struct json_object *request = request_of(job);

	json_object_object_add(request, "numvfs", json_object_new_int(number));
	return ask(job, client, request, result);
}

static int configure(
	const struct medio_sriov_job *job, struct medio_client *client, struct json_object **result)
{
	struct json_object *request = request_of(job);

	json_object_object_add(request, "vf", json_object_new_int(job->vf));
	medio_client_set_list(request, "settings", job->settings, job->nsettings);
	return ask(job, client, request, result);
}

/* Another number is reached through none. */
static bool through_none(const struct medio_sriov_job *job, struct medio_client *client, int *code)
{
	struct json_object *now = NULL;

	if (!job->force || job->number <= 0)
		return false;
	*code = ask(job, client, request_of(job), &now);
	int64_t num = medio_json_int(now, "numvfs");
	bool more = job->number > medio_json_int(now, "totalvfs");

	json_object_put(now);
	return *code == MEDIO_EXIT_OK && num && num != job->number && !more;
}

int medio_sriov_card(const struct medio_sriov_job *job)
{
	struct json_object *result = NULL;
	struct medio_client client = { .fd = -1 };
	struct medio_error *err = NULL;
	int code = MEDIO_EXIT_OK;
	int ret = medio_client_open(&client, &err);

	if (ret)
		return medio_client_fail(job->cmd, ret, err);
	if (through_none(job, &client, &code))
		code = set_number(job, &client, 0, NULL);
	if (code == MEDIO_EXIT_OK && job->nsettings)
		code = configure(job, &client, &result);
	else if (code == MEDIO_EXIT_OK && job->number >= 0)
		code = set_number(job, &client, job->number, &result);
	else if (code == MEDIO_EXIT_OK)
		code = ask(job, &client, request_of(job), &result);
	medio_client_close(&client);
	if (code == MEDIO_EXIT_OK && job->json)
		medio_json_print(result);
	else if (code == MEDIO_EXIT_OK && print_text(result))
		code = medio_command_fail(job->cmd, "out of memory");
	json_object_put(result);
	return code;
}
