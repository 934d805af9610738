/* SPDX-License-Identifier: BSD-3-Clause */
/* medio replay: what a client once did to a device, once more. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "device.h"
#include "json.h"
#include "replay.h"
#include "util/cleanup.h"

#define MAX_FILE (UINT64_C(1) << 30)
/* As diff(1): 1 is for differences, so that what goes wrong has to be another. */
#define EXIT_TROUBLE MEDIO_EXIT_USAGE

struct options {
	struct medio_option_list ignore;
	const char *speed;
	bool json;
};

static const struct medio_option options[] = {
	{ "speed", 0, MEDIO_OPTION_STRING, offsetof(struct options, speed), "original|max",
		"Wait between accesses as the recorded client did, or (default) do not wait" },
	{ "ignore-reads", 'i', MEDIO_OPTION_LIST, offsetof(struct options, ignore),
		"REGION[+OFFSET]",
		"Read there too, but do not compare: bar0+0x5, or config for all of it; may be given "
		"several times" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object" },
	{ NULL },
};

/* All bytes of a file. 0, or -errno: -EFBIG over MAX_FILE. */
static int load(const char *path, uint8_t **out, size_t *size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t used = 0, capacity = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		if (used == capacity) {
			capacity = capacity ? capacity * 2 : 1 << 16;
			uint8_t *more = capacity <= MAX_FILE ? realloc(bytes, capacity) : NULL;
			if (!more)
				return capacity <= MAX_FILE ? -ENOMEM : -EFBIG;
			bytes = more;
		}
		ssize_t n = read(fd, bytes + used, capacity - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	*out = medio_steal_ptr(bytes);
	*size = used;
	return 0;
}

static int trouble(const struct medio_command *cmd, const char *path, const char *why)
{
	medio_command_fail(cmd, "%s: %s", path, why);
	return EXIT_TROUBLE;
}

static int parse_places(const struct medio_command *cmd, const struct medio_option_list *list,
	struct medio_replay_place *places)
{
	for (unsigned i = 0; i < list->count; i++)
		if (medio_replay_parse_place(list->items[i], &places[i]))
			return medio_command_usage(cmd,
				"--ignore-reads is '%s'; allowed are bar0 to bar5, rom, config and "
				"vga, each with or without an offset: bar0+0x5",
				list->items[i]);
	return 0;
}

static int parse_speed(const struct medio_command *cmd, const char *text, bool *original)
{
	*original = text && !strcmp(text, "original");
	if (text && !*original && strcmp(text, "max") != 0)
		return medio_command_usage(
			cmd, "--speed is '%s', allowed are original and max", text);
	return 0;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void summary(const struct medio_replay *r)
{
	printf("played %" PRIu64 " read%s, %" PRIu64 " write%s and %" PRIu64 " reset%s: ", r->reads,
		plural(r->reads), r->writes, plural(r->writes), r->resets, plural(r->resets));
	if (r->differences)
		printf("%" PRIu64 " difference%s\n", r->differences, plural(r->differences));
	else
		printf("no difference\n");
	if (r->unplayable)
		printf("not played: %" PRIu64 " access%s without its data\n", r->unplayable,
			r->unplayable == 1 ? "" : "es");
}

static int replay_all(const struct medio_command *cmd, const char *path,
	struct medio_record_reader *reader, struct medio_replay *replay)
{
	int ret = medio_replay_play(replay, reader);

	if (replay->json)
		printf("],\"events\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"writes\":%" PRIu64
		       ",\"resets\":%" PRIu64 ",\"not_played\":%" PRIu64 ",\"same\":%s}\n",
			replay->events, replay->reads, replay->writes, replay->resets,
			replay->unplayable,
			replay->differences || (ret && ret != -ENODATA) ? "false" : "true");
	else
		summary(replay);
	fflush(stdout);
	if (ret == -ENODATA) {
		fprintf(stderr, "medio %s: %s: %s; what stands before was played\n", cmd->name,
			path, reader->why);
	} else if (ret == -EINVAL) {
		medio_command_fail(
			cmd, "%s: after event %" PRIu64 ": %s", path, replay->events, reader->why);
		return EXIT_TROUBLE;
	} else if (ret) {
		return trouble(cmd, medio_card_uri(replay->card),
			ret == -ENOMEM ? strerror(ENOMEM) : medio_card_last_error(replay->card));
	}
	return replay->differences ? MEDIO_EXIT_FAILURE : MEDIO_EXIT_OK;
}

static int open_and_replay(const struct medio_command *cmd, const char *path, const char *uri,
	struct medio_record_reader *reader, const struct medio_record_start *start,
	struct medio_replay *replay)
{
	_cleanup_free_ char *device = medio_json_escape(uri);
	struct medio_error *err = NULL;

	if (medio_tool_device_open(uri, NULL, &replay->card, &err)) {
		medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return EXIT_TROUBLE;
	}
	if (replay->json)
		printf("{\"type\":\"%s\",\"uuid\":\"%s\",\"device\":%s,\"differences\":[",
			start->type, start->uuid, device ? device : "null");
	int ret = replay_all(cmd, path, reader, replay);
	medio_card_close(replay->card);
	medio_replay_fini(replay);
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	const char *path = args->items[0];
	_cleanup_free_ struct medio_replay_place *places = calloc(
		opts->ignore.count + 1, sizeof(*places));
	_cleanup_free_ uint8_t *bytes = NULL;
	struct medio_replay replay = { .ignored = places,
		.num_ignored = opts->ignore.count,
		.out = stdout,
		.json = opts->json };
	struct medio_record_reader reader;
	struct medio_record_start start;
	size_t size = 0;

	if (!places)
		return trouble(cmd, path, strerror(ENOMEM));
	int ret = parse_speed(cmd, opts->speed, &replay.original);
	if (!ret)
		ret = parse_places(cmd, &opts->ignore, places);
	if (ret)
		return ret;
	ret = load(path, &bytes, &size);
	if (ret)
		return trouble(cmd, path, strerror(-ret));
	if (medio_record_open(&reader, bytes, size, &start)) {
		medio_command_fail(
			cmd, "%s is no record of the trace filter: %s", path, reader.why);
		return EXIT_TROUBLE;
	}
	return open_and_replay(cmd, path, args->items[1], &reader, &start, &replay);
}

const struct medio_command medio_command_replay = {
	.name = "replay",
	.summary = "Play a recorded session back to a device, and compare",
	.arguments = "RECORD DEVICE",
	.min_args = 2,
	.max_args = 2,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
