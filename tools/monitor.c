/* SPDX-License-Identifier: BSD-3-Clause */
/* medio monitor: what happens to instances, as udevadm monitor tells it. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "text.h"
#include "util/error.h"

#define RETRY_NS 200000000 /* between looks for a daemon that will come */

struct options {
	uint64_t count;
	bool properties, follow, json;
};

static const struct medio_option options[] = {
	{ "properties", 'p', MEDIO_OPTION_FLAG, offsetof(struct options, properties), NULL,
		"Print each event as lines KEY=VALUE, with an empty line behind" },
	{ "follow", 'f', MEDIO_OPTION_FLAG, offsetof(struct options, follow), NULL,
		"When mediod goes, or is not there yet, wait for it" },
	{ "count", 'n', MEDIO_OPTION_UINT, offsetof(struct options, count), "N",
		"End after N events", 1, UINT64_MAX },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print each event as one JSON object on a line of its own" },
	{ NULL },
};

/* What one run of the command holds. */
struct monitor {
	const struct medio_command *cmd;
	const struct options *opts;
	struct medio_client client;
	uint64_t seen;
};

/* ---- An event ---------------------------------------------------------------------------------- */

static double time_of(const struct json_object *event)
{
	return json_object_get_double(medio_json_get(event, "time"));
}

static void print_line(const struct json_object *event)
{
	struct json_object *env = medio_json_get(event, "env");
	char clock[32];

	medio_text_clock(time_of(event), clock, sizeof(clock));
	printf("%s  %-6s  ", clock, medio_json_string(event, "action"));
	medio_text_print(medio_json_string(event, "path"), stdout);
	printf(" (%s)", medio_json_string(event, "subsystem"));
	if (env) {
		json_object_object_foreach(env, key, value)
		{
			printf(" %s=", key);
			medio_text_print(json_object_get_string(value), stdout);
		}
	}
	putchar('\n');
}

static void print_property(const char *key, const char *value)
{
	if (!*value)
		return;
	printf("%s=", key);
	medio_text_print(value, stdout);
	putchar('\n');
}

/* Keys as the kernel's uevents and udev have them, where they have such. */
static void print_properties(const struct json_object *event)
{
	struct json_object *env = medio_json_get(event, "env");
	const char *action = medio_json_string(event, "action");

	print_property("ACTION", action);
	print_property("DEVPATH", medio_json_string(event, "path"));
	print_property("SUBSYSTEM", medio_json_string(event, "subsystem"));
	print_property("DRIVER", medio_json_string(event, "driver"));
	print_property("MDEV_UUID", medio_json_string(event, "uuid"));
	print_property("MDEV_PARENT", medio_json_string(event, "parent"));
	print_property("MDEV_TYPE", medio_json_string(event, "type"));
	if (env) {
		json_object_object_foreach(env, key, value)
			print_property(key, json_object_get_string(value));
	}
	printf("SEQNUM=%lld\n", (long long)medio_json_int(event, "seqnum"));
	printf("USEC_REALTIME=%.0f\n\n", time_of(event) * 1e6);
}

static void print_event(struct monitor *monitor, struct json_object *event)
{
	if (monitor->opts->json)
		puts(json_object_to_json_string_ext(
			event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (monitor->opts->properties)
		print_properties(event);
	else
		print_line(event);
	monitor->seen++;
}

/* A line that is neither is an answer, and was waited for. */
static void print_any(struct monitor *monitor, const struct json_object *line)
{
	struct json_object *event = medio_json_get(line, "event");
	long long lost = medio_json_int(line, "lost");

	if (event)
		print_event(monitor, event);
	if (lost)
		fprintf(stderr, "medio %s: %lld event%s lost: they were not read fast enough\n",
			monitor->cmd->name, lost, lost == 1 ? " was" : "s were");
}

/* ---- The command ------------------------------------------------------------------------------- */

static bool is_done(const struct monitor *monitor)
{
	return monitor->opts->count && monitor->seen >= monitor->opts->count;
}

/* Until the daemon goes (-ENOTCONN), or enough has been seen (0). */
static int watch(struct monitor *monitor)
{
	while (!is_done(monitor)) {
		struct pollfd pfd = { .fd = monitor->client.fd, .events = POLLIN };
		struct json_object *line;
		int ret = medio_client_next(&monitor->client, &line);
		if (ret < 0)
			return ret;
		if (ret == 0) {
			fflush(stdout);
			poll(&pfd, 1, -1);
			continue;
		}
		print_any(monitor, line);
		json_object_put(line);
	}
	return 0;
}

static int subscribe(struct monitor *monitor, struct medio_error **err)
{
	int ret = medio_client_open(&monitor->client, err);

	if (ret)
		return ret;
	ret = medio_client_ask(&monitor->client, medio_client_request("monitor"), NULL, err);
	if (ret)
		medio_client_close(&monitor->client);
	return ret;
}

/* With --follow somebody who is not there is no failure. */
static int subscribe_some_time(struct monitor *monitor, struct medio_error **err)
{
	int ret = subscribe(monitor, err);
	bool said = false;

	while (monitor->opts->follow &&
		(ret == -ENOENT || ret == -ECONNREFUSED || ret == -ENOTCONN)) {
		struct timespec nap = { .tv_nsec = RETRY_NS };
		if (!said && isatty(STDERR_FILENO))
			fprintf(stderr, "medio %s: waiting for mediod\n", monitor->cmd->name);
		said = true;
		medio_error_free(*err);
		*err = NULL;
		nanosleep(&nap, NULL);
		ret = subscribe(monitor, err);
	}
	if (ret == 0 && isatty(STDERR_FILENO))
		fprintf(stderr, "medio %s: events of %s; Ctrl-C ends it\n", monitor->cmd->name,
			monitor->client.path);
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct monitor monitor = { .cmd = cmd, .opts = options_ };
	struct medio_error *err = NULL;
	(void)args;

	if (monitor.opts->json && monitor.opts->properties)
		return medio_command_usage(cmd, "say either --properties or --json");
	for (;;) {
		int ret = subscribe_some_time(&monitor, &err);
		if (ret)
			return medio_client_fail(cmd, ret, err);
		ret = watch(&monitor);
		fflush(stdout);
		if (ret == -ENOTCONN)
			fprintf(stderr, "medio %s: mediod has gone\n", cmd->name);
		else if (ret)
			medio_command_fail(cmd, "%s: %s", monitor.client.path, strerror(-ret));
		medio_client_close(&monitor.client);
		if (ret == 0)
			return MEDIO_EXIT_OK;
		if (ret != -ENOTCONN || !monitor.opts->follow)
			return MEDIO_EXIT_FAILURE;
	}
}

const struct medio_command medio_command_monitor = {
	.name = "monitor",
	.summary = "Tell what happens to instances, as it happens",
	.arguments = "",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
