/* SPDX-License-Identifier: BSD-3-Clause */
/* The record's format: what is written is read back, and nonsense is refused in words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filters/trace/line.h"
#include "filters/trace/record.h"

static const struct medio_record_start start = {
	.unix_ns = UINT64_C(1760000000123456789),
	.uuid = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
	.type = "mtty-2",
};

static const struct medio_record read5 = {
	.kind = MEDIO_RECORD_READ,
	.region = 0,
	.time_ns = 1234567,
	.offset = 5,
	.count = 1,
	.took_ns = 3100,
	.data = (const uint8_t *)"\x60",
	.data_size = 1,
};

/* A start and one event in exactly sized memory, so that a sanitizer sees a read past the end. */
static uint8_t *build(const struct medio_record *r, size_t *size)
{
	uint8_t head[MEDIO_RECORD_START_MAX], event[MEDIO_RECORD_HEAD_SIZE];
	size_t at = medio_record_put_start(&start, head), pad = medio_record_put(r, event);

	*size = at + sizeof(event) + r->data_size + pad;
	uint8_t *bytes = calloc(1, *size);
	assert_non_null(bytes);
	memcpy(bytes, head, at);
	memcpy(bytes + at, event, sizeof(event));
	if (r->data)
		memcpy(bytes + at + sizeof(event), r->data, r->data_size);
	return bytes;
}

#define EVENT 72 /* where the event of build() begins */

static void what_is_written_is_read_back(void **state)
{
	struct medio_record_reader reader;
	struct medio_record_start s;
	struct medio_record r;
	size_t size;
	uint8_t *bytes = build(&read5, &size);

	assert_int_equal(size, EVENT + 48 + 8);
	assert_int_equal(medio_record_open(&reader, bytes, size, &s), 0);
	assert_memory_equal(&s, &start, sizeof(s));
	assert_int_equal(medio_record_next(&reader, &r), 1);
	assert_int_equal(r.kind, MEDIO_RECORD_READ);
	assert_int_equal(r.region, 0);
	assert_int_equal(r.time_ns, 1234567);
	assert_int_equal(r.offset, 5);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.took_ns, 3100);
	assert_int_equal(r.data_size, 1);
	assert_int_equal(r.data[0], 0x60);
	assert_int_equal(medio_record_next(&reader, &r), 0);
	free(bytes);
}

static void bytes_stand_where_the_format_says(void **state)
{
	struct medio_record r = { .kind = MEDIO_RECORD_DMA_MAP,
		.region = MEDIO_RECORD_NO_REGION,
		.time_ns = 0x0102030405060708,
		.offset = 0x1112131415161718,
		.count = 0x2122232425262728,
		.result = -22,
		.took_ns = 0x31323334,
		.arg = 3 };
	static const uint8_t expected[MEDIO_RECORD_HEAD_SIZE] = { 48, 0, 0, 0, 9, 0xff, 0, 0, 8, 7,
		6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x28, 0x27, 0x26,
		0x25, 0x24, 0x23, 0x22, 0x21, 0xea, 0xff, 0xff, 0xff, 0x34, 0x33, 0x32, 0x31, 0, 0,
		0, 0, 3, 0, 0, 0 };
	uint8_t bytes[MEDIO_RECORD_HEAD_SIZE];

	assert_int_equal(medio_record_put(&r, bytes), 0);
	assert_memory_equal(bytes, expected, sizeof(expected));
}

static void the_longest_type_name_fits(void **state)
{
	uint8_t bytes[MEDIO_RECORD_START_MAX];
	struct medio_record_start s = start, again;
	struct medio_record_reader reader;

	memset(s.type, 'x', MEDIO_RECORD_TYPE_MAX);
	size_t size = medio_record_put_start(&s, bytes);
	assert_int_equal(size, MEDIO_RECORD_START_MAX);
	assert_int_equal(medio_record_open(&reader, bytes, size, &again), 0);
	assert_string_equal(again.type, s.type);
}

static void a_record_cut_anywhere_gives_what_is_whole(void **state)
{
	size_t size;
	uint8_t *bytes = build(&read5, &size);

	for (size_t cut = 0; cut < size; cut++) {
		struct medio_record_reader reader;
		struct medio_record_start s;
		struct medio_record r;
		uint8_t *part = malloc(cut ? cut : 1);
		memcpy(part, bytes, cut);
		int ret = medio_record_open(&reader, part, cut, &s);
		assert_int_equal(ret, cut < EVENT ? -EINVAL : 0);
		if (ret)
			assert_non_null(reader.why);
		else
			assert_int_equal(
				medio_record_next(&reader, &r), cut == EVENT ? 0 : -ENODATA);
		free(part);
	}
	free(bytes);
}

/* With byte at changed to value, opening fails with words that have this in them. */
static void bad_start(size_t at, uint8_t value, const char *word)
{
	struct medio_record_reader reader;
	struct medio_record_start s;
	size_t size;
	uint8_t *bytes = build(&read5, &size);

	bytes[at] = value;
	assert_int_equal(medio_record_open(&reader, bytes, size, &s), -EINVAL);
	if (!strstr(reader.why, word))
		fail_msg("\"%s\" does not say '%s'", reader.why, word);
	free(bytes);
}

static void a_start_that_is_nonsense_is_refused_in_words(void **state)
{
	bad_start(0, 'm', "MEDIOREC");
	bad_start(8, 2, "version");
	bad_start(10, 60, "size of its start");
	bad_start(10, 68, "size of its start");
	bad_start(11, 0xff, "size of its start");
	bad_start(12, 9, "length");
	bad_start(13, 0xff, "length");
	bad_start(12, 0, "characters");
	bad_start(64, '\033', "characters");
	bad_start(66, 0, "characters");
	bad_start(24, 'g', "UUID");
	bad_start(32, '0', "UUID");
}

static void bad_event(size_t at, uint8_t value, const char *word)
{
	struct medio_record_reader reader;
	struct medio_record_start s;
	struct medio_record r = { .kind = 77 };
	size_t size;
	uint8_t *bytes = build(&read5, &size);

	bytes[EVENT + at] = value;
	assert_int_equal(medio_record_open(&reader, bytes, size, &s), 0);
	assert_int_equal(medio_record_next(&reader, &r), -EINVAL);
	assert_int_equal(r.kind, 77);
	assert_int_equal(reader.at, EVENT);
	if (!strstr(reader.why, word))
		fail_msg("\"%s\" does not say '%s'", reader.why, word);
	free(bytes);
}

static void an_event_that_is_nonsense_is_refused_in_words(void **state)
{
	bad_event(0, 0, "size");
	bad_event(0, 48, "size");
	bad_event(3, 0xff, "size");
	bad_event(40, 8 + 1, "size");
	bad_event(43, 0xff, "64 MiB");
	bad_event(40, 2, "more data than it moved");
	bad_event(5, 9, "region");
	bad_event(5, MEDIO_RECORD_NO_REGION, "region");
	bad_event(4, MEDIO_RECORD_RESET, "region");
	bad_event(32, 2, "result");
	bad_event(35, 0x80, "result");
}

static void a_kind_of_a_later_version_is_passed_on(void **state)
{
	struct medio_record_reader reader;
	struct medio_record_start s;
	struct medio_record r;
	size_t size;
	uint8_t *bytes = build(&read5, &size);

	bytes[EVENT + 4] = 200;
	bytes[EVENT + 5] = MEDIO_RECORD_NO_REGION;
	assert_int_equal(medio_record_open(&reader, bytes, size, &s), 0);
	assert_int_equal(medio_record_next(&reader, &r), 1);
	assert_int_equal(r.kind, 200);
	free(bytes);
}

/* ---- Lines ------------------------------------------------------------------------------------- */

static void line(struct medio_record r, const char *expected)
{
	char text[MEDIO_LINE_MAX];

	assert_int_equal(medio_line_print(&r, NULL, 4, text, sizeof(text)), strlen(expected));
	assert_string_equal(text, expected);
}

static void lines_have_time_value_and_duration(void **state)
{
	struct medio_record r = read5;

	line(r, "+0.001234 read  bar0+0x5 1 -> 0x60 (3.1 us)");
	r.time_ns = UINT64_C(62000000999);
	r.took_ns = 999;
	line(r, "+62.000000 read  bar0+0x5 1 -> 0x60 (999 ns)");
	r.took_ns = 1500000;
	line(r, "+62.000000 read  bar0+0x5 1 -> 0x60 (1.5 ms)");
	r.took_ns = UINT32_MAX;
	line(r, "+62.000000 read  bar0+0x5 1 -> 0x60 (over 4.3 s)");
	r.result = -22;
	r.took_ns = 0;
	line(r, "+62.000000 read  bar0+0x5 1 -> -EINVAL (0 ns)");
	r.result = -4000;
	line(r, "+62.000000 read  bar0+0x5 1 -> -4000 (0 ns)");
}

static void numbers_out_of_every_range_are_printed(void **state)
{
	struct medio_record r = { .kind = 255, .region = 255, .arg = UINT32_MAX };

	line(r, "+0.000000 event of kind 255");
	r.kind = MEDIO_RECORD_RESET;
	line(r, "+0.000000 reset ?");
	r.kind = MEDIO_RECORD_DOORBELL;
	r.offset = UINT64_MAX;
	line(r, "+0.000000 doorbell ?+0xffffffffffffffff");
	r.kind = MEDIO_RECORD_DMA_MAP;
	r.count = UINT64_MAX;
	line(r, "+0.000000 map 0xffffffffffffffff 0xffffffffffffffff rw");
}

static void a_line_is_cut_to_its_buffer(void **state)
{
	uint8_t data[512] = { 0 };
	struct medio_record r = read5;
	char text[MEDIO_LINE_MAX];

	r.data = data;
	r.count = r.data_size = sizeof(data);
	assert_int_equal(medio_line_print(&r, NULL, 16, text, 10), 9);
	assert_string_equal(text, "+0.001234");
	/* The longest line fits. */
	r.offset = r.time_ns = UINT64_MAX;
	r.region = 7;
	size_t len = medio_line_print(&r, NULL, sizeof(data), text, sizeof(text));
	assert_string_equal(text + len - 9, " (3.1 us)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(bytes_stand_where_the_format_says),
		cmocka_unit_test(the_longest_type_name_fits),
		cmocka_unit_test(a_record_cut_anywhere_gives_what_is_whole),
		cmocka_unit_test(a_start_that_is_nonsense_is_refused_in_words),
		cmocka_unit_test(an_event_that_is_nonsense_is_refused_in_words),
		cmocka_unit_test(a_kind_of_a_later_version_is_passed_on),
		cmocka_unit_test(lines_have_time_value_and_duration),
		cmocka_unit_test(numbers_out_of_every_range_are_printed),
		cmocka_unit_test(a_line_is_cut_to_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
