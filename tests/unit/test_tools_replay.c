/* SPDX-License-Identifier: BSD-3-Clause */
/* Recorded over a real connection, played back over another: the same, or every difference told. */
#include "test_filter_device.h"

#include <pthread.h>
#include <sys/socket.h>

#include <medio/driver.h>

#include "tools/replay.h"

/* A served device; its loop runs on a thread of its own. */
struct served {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_server *server;
	struct medio_card *card;
	pthread_t thread;
};

static void *run_loop(void *loop)
{
	medio_loop_run(loop);
	return NULL;
}

static void serve(struct served *s, const char *const *filters)
{
	struct medio_instance_options opts = { .filters = filters,
		.known_filters = medio_builtin_filters };
	struct medio_error *err = NULL;
	int fds[2];

	while (filters && filters[opts.nfilters])
		opts.nfilters++;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(medio_loop_new(&s->loop), 0);
	if (medio_instance_new(s->loop, &test_type, &opts, &s->inst, &err))
		fail_msg("%s", medio_error_text(err));
	assert_int_equal(medio_server_new_fd(s->inst, fds[0], NULL, &s->server, NULL), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run_loop, s->loop), 0);
	assert_int_equal(medio_card_open_fd(fds[1], NULL, &s->card, NULL), 0);
}

static void unserve(struct served *s)
{
	medio_card_close(s->card);
	medio_loop_stop(s->loop);
	pthread_join(s->thread, NULL);
	medio_server_free(s->server);
	medio_instance_free(s->inst);
	medio_loop_free(s->loop);
}

/* What a driver did: registers, config space, errors, a reset. */
static void session(struct medio_card *card)
{
	uint8_t bytes[32];
	uint32_t value;

	assert_int_equal(medio_card_write16(card, MEDIO_CARD_CONFIG, 4, 6), 0);
	assert_int_equal(medio_card_read(card, MEDIO_CARD_CONFIG, 0, bytes, 20), 0);
	assert_int_equal(medio_card_write32(card, 0, 0, 0x12345678), 0);
	assert_int_equal(medio_card_write8(card, 0, 5, 0x60), 0);
	assert_int_equal(medio_card_read(card, 0, 0, bytes, 32), 0);
	assert_int_equal(medio_card_read32(card, 0, DEV_FAIL, &value), -EIO);
	assert_int_equal(medio_card_write32(card, 0, DEV_FAIL, 1), -EIO);
	assert_int_equal(medio_card_write32(card, 0, DEV_IRQ, 1), 0);
	assert_int_equal(medio_card_reset(card), 0);
	assert_int_equal(medio_card_read32(card, 0, 0, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(medio_card_write32(card, 0, 8, 0xcafe), 0);
	assert_int_equal(medio_card_read32(card, 0, 8, &value), 0);
}

/* The bytes of a record of session(), owned by the caller. */
static char *record(const char *delay, size_t *size)
{
	char dir[] = "/tmp/medio-replay-XXXXXX", path[64], trace[128];
	struct served s;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/record", dir);
	snprintf(trace, sizeof(trace), "trace:record=%s", path);
	serve(&s, (const char *const[]){ trace, delay, NULL });
	session(s.card);
	unserve(&s);
	char *bytes = slurp(path, size);
	unlink(path);
	rmdir(dir);
	return bytes;
}

/* Play it to a fresh device; what is told is in text. */
static int play(
	struct medio_replay *replay, const char *bytes, size_t size, char *text, size_t room)
{
	struct medio_record_reader reader;
	struct medio_record_start start;
	struct served s;

	memset(text, 0, room);
	assert_int_equal(medio_record_open(&reader, bytes, size, &start), 0);
	serve(&s, NULL);
	replay->card = s.card;
	replay->out = fmemopen(text, room - 1, "w");
	int ret = medio_replay_play(replay, &reader);
	fclose(replay->out);
	medio_replay_fini(replay);
	unserve(&s);
	return ret;
}

static void the_same_device_answers_the_same(void **state)
{
	struct medio_replay replay = { 0 };
	char text[1024];
	size_t size;
	char *bytes = record(NULL, &size);

	assert_int_equal(play(&replay, bytes, size, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(replay.differences, 0);
	assert_int_equal(replay.reads, 5);
	assert_int_equal(replay.writes, 6);
	assert_int_equal(replay.resets, 1);
	assert_int_equal(replay.unplayable, 0);
	assert_true(replay.skipped >= 1); /* the interrupt */
	free(bytes);
}

static void deferred_answers_are_compared_too(void **state)
{
	struct medio_replay replay = { 0 };
	char text[1024];
	size_t size;
	char *bytes = record("delay:read=1us,write=1us,config=1us", &size);

	assert_int_equal(play(&replay, bytes, size, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(replay.reads, 5);
	assert_int_equal(replay.differences, 0);
	/* Falsify the answer of the last read: it must be noticed. */
	for (size_t at = size - 4; at; at--)
		if (!memcmp(bytes + at, "\xfe\xca\0\0", 4)) {
			bytes[at] = 0;
			break;
		}
	replay = (struct medio_replay){ 0 };
	assert_int_equal(play(&replay, bytes, size, text, sizeof(text)), 0);
	assert_int_equal(replay.differences, 1);
	assert_non_null(strstr(text, "read  bar0+0x8 4: recorded 0x0000ca00, now 0x0000cafe\n"));
	free(bytes);
}

/* ---- Records made by hand ---------------------------------------------------------------------- */

struct maker {
	uint8_t bytes[4096];
	size_t size;
};

static void make_start(struct maker *m)
{
	struct medio_record_start start = { 0, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "test" };

	memset(m, 0, sizeof(*m));
	m->size = medio_record_put_start(&start, m->bytes);
}

static void make(struct maker *m, struct medio_record r)
{
	uint8_t *at = m->bytes + m->size;
	size_t pad = medio_record_put(&r, at);

	if (r.data)
		memcpy(at + MEDIO_RECORD_HEAD_SIZE, r.data, r.data_size);
	m->size += MEDIO_RECORD_HEAD_SIZE + r.data_size + pad;
}

static struct medio_record access_of(
	enum medio_record_kind kind, uint64_t offset, const void *data, uint32_t count)
{
	return (struct medio_record){ .kind = (uint8_t)kind,
		.time_ns = 1500000,
		.offset = offset,
		.count = count,
		.data = data,
		.data_size = data ? count : 0 };
}

static void make_different(struct maker *m)
{
	struct medio_record fails = access_of(MEDIO_RECORD_READ, 4, NULL, 4);
	struct medio_record fine = access_of(MEDIO_RECORD_WRITE, DEV_FAIL, "\1\0\0\0", 4);

	make_start(m);
	make(m, access_of(MEDIO_RECORD_WRITE, 0, "\1\2\3\4", 4));
	make(m, access_of(MEDIO_RECORD_READ, 0, "\1\2\3\5", 4));
	make(m, access_of(MEDIO_RECORD_READ, 0, "\1\2\3\4\0\0\0\0\0\0\0\7", 12));
	fails.result = -EINVAL;
	make(m, fails);
	make(m, fine);
}

static void differences_are_told_in_words(void **state)
{
	struct medio_replay replay = { 0 };
	struct maker m;
	char text[1024];

	make_different(&m);
	assert_int_equal(play(&replay, (char *)m.bytes, m.size, text, sizeof(text)), 0);
	assert_string_equal(text,
		"#2 +0.001500 read  bar0+0x0 4: recorded 0x05030201, now 0x04030201\n"
		"#3 +0.001500 read  bar0+0x0 12: from byte 11 on, recorded 0x07, now 0x00\n"
		"#4 +0.001500 read  bar0+0x4 4: recorded -EINVAL, now 0x00000000\n"
		"#5 +0.001500 write bar0+0x2c 4: recorded ok, now -EIO\n");
	assert_int_equal(replay.differences, 4);
}

static void differences_are_told_in_json(void **state)
{
	struct medio_replay replay = { .json = true };
	struct maker m;
	char text[2048];

	make_different(&m);
	assert_int_equal(play(&replay, (char *)m.bytes, m.size, text, sizeof(text)), 0);
	assert_non_null(strstr(text,
		"{\"event\":2,\"time\":0.001500000,\"call\":\"read\",\"region\":\"bar0\","
		"\"offset\":0,\"count\":4,\"at\":0,\"recorded\":{\"result\":0,"
		"\"bytes\":\"01020305\"},\"now\":{\"result\":0,\"bytes\":\"01020304\"}},{"));
	assert_non_null(strstr(text, "\"recorded\":{\"result\":-22},\"now\":{\"result\":0,"));
}

static void ignored_reads_are_done_but_not_compared(void **state)
{
	struct medio_replay_place place;
	struct medio_replay replay = { .ignored = &place, .num_ignored = 1 };
	struct maker m;
	char text[1024];

	make_different(&m);
	assert_int_equal(medio_replay_parse_place("bar0+0x3", &place), 0);
	assert_int_equal(play(&replay, (char *)m.bytes, m.size, text, sizeof(text)), 0);
	/* Results are compared all the same. */
	assert_int_equal(replay.differences, 2);
	assert_int_equal(replay.reads, 3);
}

static void places_are_parsed_strictly(void **state)
{
	static const char *const bad[] = { "", "bar", "bar6", "bar0+", "bar0+x", "bar0+-1",
		"bar0+0x5 ", "bar0 +5", "BAR0", "bar0+99999999999999999999" };
	struct medio_replay_place place;

	assert_int_equal(medio_replay_parse_place("config", &place), 0);
	assert_int_equal(place.region, MEDIO_CARD_CONFIG);
	assert_true(place.whole);
	assert_int_equal(medio_replay_parse_place("bar5+0x10", &place), 0);
	assert_int_equal(place.region, 5);
	assert_int_equal(place.offset, 16);
	assert_false(place.whole);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(medio_replay_parse_place(bad[i], &place), -EINVAL);
}

static void hostile_events_are_refused_or_left_out(void **state)
{
	struct medio_record huge = access_of(MEDIO_RECORD_READ, 0, NULL, 4);
	struct medio_record none = access_of(MEDIO_RECORD_WRITE, 0, "x", 1);
	struct medio_record far = access_of(MEDIO_RECORD_READ, UINT64_MAX, "\0\0\0\0", 4);
	struct medio_record rom = access_of(MEDIO_RECORD_READ, 0, "\0\0\0\0", 4);
	struct medio_replay replay = { 0 };
	struct maker m;
	char text[1024];

	make_start(&m);
	huge.count = UINT64_MAX;
	huge.result = -EIO;
	make(&m, huge);
	none.count = UINT64_MAX;
	make(&m, none);
	none.count = none.data_size = 0;
	none.data = NULL;
	make(&m, none);
	make(&m, far);
	rom.region = MEDIO_CARD_ROM;
	make(&m, rom);
	assert_int_equal(play(&replay, (char *)m.bytes, m.size, text, sizeof(text)), 0);
	assert_int_equal(replay.unplayable, 3);
	assert_int_equal(replay.differences, 2); /* outside the BAR, and no ROM at all */

	replay = (struct medio_replay){ 0 };
	assert_int_equal(play(&replay, (char *)m.bytes, m.size - 1, text, sizeof(text)), -ENODATA);
	assert_int_equal(replay.events, 4);
}

static void a_card_that_dies_ends_it(void **state)
{
	struct medio_record_reader reader;
	struct medio_record_start start;
	struct medio_replay replay = { 0 };
	struct served s;
	struct maker m;

	make_different(&m);
	assert_int_equal(medio_record_open(&reader, m.bytes, m.size, &start), 0);
	serve(&s, NULL);
	medio_loop_stop(s.loop);
	pthread_join(s.thread, NULL);
	medio_server_free(s.server);
	replay.card = s.card;
	assert_int_equal(medio_replay_play(&replay, &reader), -ECONNRESET);
	assert_int_equal(replay.differences, 0);
	medio_card_close(s.card);
	medio_instance_free(s.inst);
	medio_loop_free(s.loop);
	medio_replay_fini(&replay);
}

static void original_speed_keeps_the_pauses(void **state)
{
	struct medio_record late = access_of(MEDIO_RECORD_READ, 0, "\1\2\3\4", 4);
	struct medio_replay replay = { .original = true };
	struct maker m;
	char text[64];

	make_start(&m);
	make(&m, access_of(MEDIO_RECORD_WRITE, 0, "\1\2\3\4", 4));
	late.time_ns += 20000000;
	make(&m, late);
	late.time_ns = 0; /* began before the first: no reason to wait for ever */
	make(&m, late);
	uint64_t begin = medio_now_ns();
	assert_int_equal(play(&replay, (char *)m.bytes, m.size, text, sizeof(text)), 0);
	assert_true(medio_now_ns() - begin >= 20000000);
	assert_int_equal(replay.differences, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_device_answers_the_same),
		cmocka_unit_test(deferred_answers_are_compared_too),
		cmocka_unit_test(differences_are_told_in_words),
		cmocka_unit_test(differences_are_told_in_json),
		cmocka_unit_test(ignored_reads_are_done_but_not_compared),
		cmocka_unit_test(places_are_parsed_strictly),
		cmocka_unit_test(hostile_events_are_refused_or_left_out),
		cmocka_unit_test(a_card_that_dies_ends_it),
		cmocka_unit_test(original_speed_keeps_the_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
