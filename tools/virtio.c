/* SPDX-License-Identifier: BSD-3-Clause */
/* medio virtio: what a virtio device is doing, beside its driver or without one. */
#include "virtio.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <medio/driver.h>

#include "client.h"
#include "command.h"
#include "device.h"
#include "util/cleanup.h"
#include "util/error.h"

#define STATE "virtio/state"
#define ROOM  (1u << 17) /* bytes of it, at most */

struct options {
	bool json, watch;
	const char *interval;
};

static const struct options defaults = { .interval = "1" };

static const struct medio_option options[] = {
	{ "watch", 'w', MEDIO_OPTION_FLAG, offsetof(struct options, watch), NULL,
		"Show it again and again until interrupted; of medio's own devices only" },
	{ "interval", 'i', MEDIO_OPTION_STRING, offsetof(struct options, interval), "SECONDS",
		"With --watch: how often, 0.1 to 3600; 1 if left out" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object; with --watch one a line" },
	{ NULL },
};

static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
	ended = sig;
}

/* ---- Reading ------------------------------------------------------------------------------------- */

/* What medio's own device says of itself, whoever drives it. */
static int observe(const char *device, struct json_object **out, struct medio_error **err)
{
	_cleanup_free_ char *text = malloc(ROOM);

	if (!text)
		return medio_error_set(err, ENOMEM, "out of memory");
	int ret = medio_observe(device, STATE, NULL, text, ROOM, NULL, err);
	if (ret)
		return ret;
	*out = json_tokener_parse(text);
	if (json_object_is_type(*out, json_type_object))
		return 0;
	json_object_put(*out);
	return medio_error_set(err, EPROTO, "%s: its state is not a JSON object", device);
}

static int read_registers(const char *device, struct json_object **out, struct medio_error **err)
{
	struct medio_error *why = NULL;
	struct medio_card *card;

	int ret = medio_tool_device_open(device, NULL, &card, err);
	if (ret)
		return ret;
	ret = medio_virtio_read(card, out, &why);
	if (ret)
		medio_error_set(err, -ret, "%s: %s", device, medio_error_text(why));
	medio_error_free(why);
	medio_card_close(card);
	return ret;
}

/* Beside its driver if that can be; else in the place of one, which only reads. */
static int look(const char *device, bool watch, struct json_object **out, struct medio_error **err)
{
	struct medio_error *why = NULL;

	int ret = observe(device, out, &why);
	if (ret == -ENOTSUP && !watch)
		ret = read_registers(device, out, err);
	else if (ret == -ENOENT && strstr(medio_error_text(why), "no attribute"))
		medio_error_set(err, ENODEV, "%s is no virtio device", device);
	else if (ret)
		medio_error_set(err, -ret, "%s", medio_error_text(why));
	medio_error_free(why);
	return ret;
}

/* ---- Showing ------------------------------------------------------------------------------------- */

static void show(const struct options *opts, const char *device, struct json_object *state)
{
	if (opts->json && opts->watch)
		puts(json_object_to_json_string_ext(state, JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (opts->json)
		medio_json_print(state);
	else
		medio_virtio_show(device, state, stdout);
}

static int once(const struct medio_command *cmd, const struct options *opts, const char *device)
{
	struct medio_error *err = NULL;
	struct json_object *state = NULL;

	int ret = look(device, opts->watch, &state, &err);
	if (ret) {
		medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return MEDIO_EXIT_FAILURE;
	}
	/* From the top of the screen on, and nothing of the last time below. */
	if (opts->watch && !opts->json && isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	show(opts, device, state);
	json_object_put(state);
	return fflush(stdout) ? medio_command_fail(cmd, "standard output: %s", strerror(errno))
			      : MEDIO_EXIT_OK;
}

static int watch(const struct medio_command *cmd, const struct options *opts, const char *device,
	double seconds)
{
	struct timespec pause = { .tv_sec = (time_t)seconds };
	struct sigaction action = { .sa_handler = on_signal };
	int ret;

	pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!(ret = once(cmd, opts, device)) && !ended)
		nanosleep(&pause, NULL);
	return ended ? MEDIO_EXIT_OK : ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	char *end;

	double seconds = strtod(opts->interval, &end);
	if (*end || end == opts->interval || !(seconds >= 0.1 && seconds <= 3600))
		return medio_command_usage(
			cmd, "--interval is '%s', allowed are 0.1 to 3600 seconds", opts->interval);
	return opts->watch ? watch(cmd, opts, args->items[0], seconds)
			   : once(cmd, opts, args->items[0]);
}

const struct medio_command medio_command_virtio = {
	.name = "virtio",
	.summary = "Show what a virtio device does, also while a guest drives it",
	.arguments = "DEVICE",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.run = run,
};
