/* SPDX-License-Identifier: BSD-3-Clause */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "filters/trace/line.h"

#define SHOWN	     16 /* bytes of a value that differs */
#define RESET_DEVICE 0	/* arg of MEDIO_RECORD_RESET: the client's own */
#define NUM_REGIONS  9

/* ---- Places ------------------------------------------------------------------------------------ */

int medio_replay_parse_place(const char *text, struct medio_replay_place *place)
{
	size_t len = strcspn(text, "+");
	unsigned region = 0;

	while (region < NUM_REGIONS && (strlen(medio_line_region(region)) != len ||
					       strncmp(medio_line_region(region), text, len) != 0))
		region++;
	if (region == NUM_REGIONS)
		return -EINVAL;
	uint64_t offset = 0;
	if (text[len]) {
		const char *number = text + len + 1;
		char *end;
		errno = 0;
		offset = strtoull(number, &end, 0);
		if (errno || *end || *number < '0' || *number > '9')
			return -EINVAL;
	}
	*place = (struct medio_replay_place){ region, offset, !text[len] };
	return 0;
}

/* Whether an access touches a place that is not compared. */
static bool ignored(const struct medio_replay *replay, const struct medio_record *r)
{
	for (unsigned i = 0; i < replay->num_ignored; i++) {
		const struct medio_replay_place *p = &replay->ignored[i];
		if (p->region == r->region &&
			(p->whole || (p->offset >= r->offset && p->offset - r->offset < r->count)))
			return true;
	}
	return false;
}

/* ---- Differences ------------------------------------------------------------------------------- */

/* What an access gave: data, count bytes, if result is 0 and it is a read. */
struct outcome {
	int result;
	const uint8_t *data;
};

static void print_outcome(FILE *out, const struct outcome *o, size_t at, size_t count)
{
	char text[MEDIO_LINE_MAX];

	if (o->result || !o->data)
		medio_line_print_result(o->result, text, sizeof(text));
	else
		medio_line_print_data(
			o->data + at, count - at, count - at, SHOWN, text, sizeof(text));
	fputs(text, out);
}

static void print_json_outcome(
	FILE *out, const char *name, const struct outcome *o, size_t at, size_t count)
{
	fprintf(out, ",\"%s\":{\"result\":%d", name, o->result);
	if (!o->result && o->data) {
		fprintf(out, ",\"bytes\":\"");
		for (size_t i = at; i < count && i < at + SHOWN; i++)
			fprintf(out, "%02x", o->data[i]);
		fputc('"', out);
	}
	fputc('}', out);
}

/* at: the first byte that differs, 0 if results do. */
static void tell(struct medio_replay *replay, const struct medio_record *r,
	const struct outcome *recorded, const struct outcome *now, size_t at)
{
	char call[128];
	FILE *out = replay->out;
	size_t count = r->count;

	replay->differences++;
	if (!out)
		return;
	if (replay->json) {
		fprintf(out,
			"%s{\"event\":%" PRIu64 ",\"time\":%" PRIu64 ".%09" PRIu64
			",\"call\":\"%s\",\"region\":\"%s\",\"offset\":%" PRIu64
			",\"count\":%zu,\"at\":%zu",
			replay->differences > 1 ? "," : "", replay->events, r->time_ns / 1000000000,
			r->time_ns % 1000000000, r->kind == MEDIO_RECORD_READ ? "read" : "write",
			medio_line_region(r->region), r->offset, count, at);
		print_json_outcome(out, "recorded", recorded, at, count);
		print_json_outcome(out, "now", now, at, count);
		fputc('}', out);
		return;
	}
	medio_line_print_call(r, call, sizeof(call));
	fprintf(out, "#%" PRIu64 " +%" PRIu64 ".%06" PRIu64 " %s: ", replay->events,
		r->time_ns / 1000000000, r->time_ns % 1000000000 / 1000, call);
	if (at)
		fprintf(out, "from byte %zu on, ", at);
	fputs("recorded ", out);
	print_outcome(out, recorded, at, count);
	fputs(", now ", out);
	print_outcome(out, now, at, count);
	fputc('\n', out);
}

static void compare(struct medio_replay *replay, const struct medio_record *r,
	const struct outcome *recorded, const struct outcome *now)
{
	size_t at = 0;

	if (recorded->result != now->result) {
		tell(replay, r, recorded, now, 0);
		return;
	}
	if (recorded->result || !recorded->data || !now->data || ignored(replay, r))
		return;
	while (at < r->count && recorded->data[at] == now->data[at])
		at++;
	if (at == r->count)
		return;
	/* Of a number, all of it is shown. */
	tell(replay, r, recorded, now, r->count <= 8 ? 0 : at);
}

/* ---- Playing ----------------------------------------------------------------------------------- */

static bool card_is_dead(int ret)
{
	return ret == -ETIMEDOUT || ret == -EPROTO || ret == -ECONNRESET || ret == -ENOTCONN;
}

/* What an access gave in the end. False: it was deferred, and the answer is not in the record. */
static bool recorded_outcome(
	const struct medio_record_reader *reader, const struct medio_record *r, struct outcome *out)
{
	struct medio_record_reader ahead = *reader;
	struct medio_record next;

	*out = (struct outcome){ r->result, r->data };
	if (r->result <= 0)
		return true;
	/* Only until the next access: a client has one under way. So all of this is linear. */
	while (medio_record_next(&ahead, &next) == 1 && next.kind != MEDIO_RECORD_READ &&
		next.kind != MEDIO_RECORD_WRITE && next.kind != MEDIO_RECORD_CLIENT) {
		if (next.kind != MEDIO_RECORD_ANSWER)
			continue;
		*out = (struct outcome){ next.result, next.data };
		return next.result <= 0 &&
		       (r->kind == MEDIO_RECORD_WRITE || next.result || next.data_size == r->count);
	}
	return false;
}

static int reserve(struct medio_replay *replay, size_t size)
{
	if (size <= replay->capacity)
		return 0;
	void *buf = realloc(replay->buf, size);
	if (!buf)
		return -ENOMEM;
	replay->buf = buf;
	replay->capacity = size;
	return 0;
}

static int play_read(struct medio_replay *replay, const struct medio_record_reader *reader,
	const struct medio_record *r)
{
	struct outcome recorded, now;
	bool known = recorded_outcome(reader, r, &recorded);

	if (!r->count || r->count > MEDIO_RECORD_DATA_MAX ||
		(r->result == 0 && r->data_size != r->count)) {
		replay->unplayable++;
		return 0;
	}
	int ret = reserve(replay, r->count);
	if (ret)
		return ret;
	ret = medio_card_read(replay->card, r->region, r->offset, replay->buf, r->count);
	if (card_is_dead(ret))
		return ret;
	replay->reads++;
	now = (struct outcome){ ret, replay->buf };
	if (known)
		compare(replay, r, &recorded, &now);
	return 0;
}

static int play_write(struct medio_replay *replay, const struct medio_record_reader *reader,
	const struct medio_record *r)
{
	struct outcome recorded, now = { 0 };
	bool known = recorded_outcome(reader, r, &recorded);

	if (!r->count || r->data_size != r->count) {
		replay->unplayable++;
		return 0;
	}
	now.result = medio_card_write(replay->card, r->region, r->offset, r->data, r->count);
	if (card_is_dead(now.result))
		return now.result;
	replay->writes++;
	recorded.data = NULL; /* what went down is no outcome */
	if (known)
		compare(replay, r, &recorded, &now);
	return 0;
}

static int play_reset(struct medio_replay *replay, const struct medio_record *r)
{
	/* The others come from writes to config space, which are played. */
	if (r->arg != RESET_DEVICE) {
		replay->skipped++;
		return 0;
	}
	replay->resets++;
	int ret = medio_card_reset(replay->card);
	return card_is_dead(ret) ? ret : 0;
}

static void wait_for(struct medio_replay *replay, uint64_t time_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (!replay->begin_ns) {
		replay->begin_ns = now_ns;
		replay->first_ns = time_ns;
	}
	/* Events stand in the order they ended, so one may have begun before the one played last. */
	if (!replay->original || time_ns <= replay->first_ns)
		return;
	uint64_t due = replay->begin_ns + (time_ns - replay->first_ns);
	struct timespec until = { (time_t)(due / 1000000000), (long)(due % 1000000000) };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

int medio_replay_play(struct medio_replay *replay, struct medio_record_reader *reader)
{
	struct medio_record r;
	int ret;

	while ((ret = medio_record_next(reader, &r)) == 1) {
		replay->events++;
		wait_for(replay, r.time_ns);
		if (r.kind == MEDIO_RECORD_READ)
			ret = play_read(replay, reader, &r);
		else if (r.kind == MEDIO_RECORD_WRITE)
			ret = play_write(replay, reader, &r);
		else if (r.kind == MEDIO_RECORD_RESET)
			ret = play_reset(replay, &r);
		else if (r.kind != MEDIO_RECORD_ANSWER && r.kind != MEDIO_RECORD_CLIENT)
			replay->skipped++;
		if (ret < 0)
			return ret;
	}
	return ret;
}

void medio_replay_fini(struct medio_replay *replay)
{
	free(replay->buf);
	replay->buf = NULL;
	replay->capacity = 0;
}
