/* SPDX-License-Identifier: BSD-3-Clause */
/* What people read: numbers, words for a shell and a terminal, tables, and the rows of medio top. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/client.h"
#include "../../tools/text.h"
#include "../../tools/top.h"
#include "util/error.h"

#define PARSE(text) json_tokener_parse(text)

/* What fn prints. */
#define assert_prints(text, call) \
	do { \
		char *printed_ = NULL; \
		size_t size_; \
		FILE *out = open_memstream(&printed_, &size_); \
		call; \
		fclose(out); \
		assert_string_equal(printed_, text); \
		free(printed_); \
	} while (0)

/* ---- Words ------------------------------------------------------------------------------------- */

static void numbers_take_at_most_five_columns(void **state)
{
	static const struct {
		double value;
		const char *count, *bytes;
	} cases[] = { { 0, "0", "0" }, { 999, "999", "999" }, { 999.4, "999", "999" },
		{ 999.6, "1.0k", "1000" }, { 1023.4, "1.0k", "1023" }, { 1024, "1.0k", "1.0K" },
		{ 9949, "9.9k", "9.7K" }, { 9951, "10k", "9.7K" }, { 123456, "123k", "121K" },
		{ 1048575, "1.0M", "1.0M" }, { 999499999, "999M", "953M" },
		{ 999999999, "1.0G", "954M" }, { 5e18, "5.0E", "4.3E" } };
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[16];
		medio_text_count(cases[i].value, text, sizeof(text));
		assert_string_equal(text, cases[i].count);
		medio_text_bytes(cases[i].value, text, sizeof(text));
		assert_string_equal(text, cases[i].bytes);
	}
}

static void text_of_others_gives_a_terminal_no_orders(void **state)
{
	(void)state;
	assert_prints("a?[31mb?c?dé", medio_text_print("a\033[31mb\nc\302\233dé", out));
	assert_prints("?", medio_text_print("\302\200", out));
	assert_prints("x\302", medio_text_print("x\302", out));
}

static void a_shell_takes_what_is_quoted_for_one_word(void **state)
{
	(void)state;
	assert_prints("'it'\\''s $x'", medio_text_quote("it's $x", out));
	assert_prints(
		"-device '{\"a\":\"'\\'' \"}'", medio_text_qemu("-device {\"a\":\"' \"}", out));
	assert_prints("", medio_text_qemu("", out));
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	static const char *const titles[] = { "NAME", ">N", "LAST" };
	struct medio_table table = { .titles = titles, .count = 3 };
	static const char *const cells[] = { "é", "5", "x", "longer", "1234", "" };
	(void)state;

	for (int i = 0; i < 6; i++)
		medio_table_add(&table, cells[i]);
	assert_prints("NAME       N  LAST\n"
		      "é          5  x\n"
		      "longer  1234  \n",
		assert_int_equal(medio_table_print(&table, out), 0));
}

/* ---- Rows -------------------------------------------------------------------------------------- */

#define STATS(uuid, pid, sharing, messages, cpu) \
	"{\"uuid\":\"" uuid "\",\"pid\":" #pid ",\"sharing\":" #sharing ",\"messages\":" #messages \
	",\"dma_read\":1,\"dma_written\":2,\"irqs\":0,\"faults\":3,\"cpu_ns\":" #cpu \
	",\"rss\":2048}"

static struct medio_top_look look(double seconds, const char *list, const char *stats)
{
	struct json_object *array = PARSE(stats);
	struct medio_top_look look = {
		.list = PARSE(list), .stats = medio_top_index(array), .seconds = seconds
	};

	json_object_put(array);
	return look;
}

#define LIST \
	"[{\"uuid\":\"a\",\"type\":\"t\",\"owner\":{\"uid\":0},\"client\":{\"pid\":7}}," \
	"{\"uuid\":\"b\",\"type\":\"t\",\"owner\":{\"uid\":4000000},\"client\":null}," \
	"{\"uuid\":\"c\",\"type\":\"s\",\"owner\":{\"uid\":0},\"client\":null}]"

struct bed {
	struct medio_top_look before, now;
	struct medio_top_row *rows;
};

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed->before = look(
		10, "[]", "[" STATS("a", 100, 2, 1000, 0) "," STATS("b", 100, 2, 500, 0) "]");
	bed->now = look(12, LIST,
		"[" STATS("a", 100, 2, 5000, 1000000000) "," STATS(
			"b", 100, 2, 100, 1000000000) "," STATS("c", 300, 1, 9, 5) "]");
	assert_int_equal(medio_top_rows(&bed->now, &bed->before, &bed->rows), 3);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	free(bed->rows);
	medio_top_look_free(&bed->before);
	medio_top_look_free(&bed->now);
	free(bed);
	return 0;
}

static void rates_are_per_second_between_two_looks(void **state)
{
	struct bed *bed = *state;

	assert_true(bed->rows[0].rated);
	assert_true(bed->rows[0].messages == 2000);
	assert_true(bed->rows[0].cpu == 50);
	assert_int_equal(bed->rows[0].client, 7);
	assert_string_equal(bed->rows[0].owner, "root");
	assert_string_equal(bed->rows[1].owner, "4000000");
	/* What is new has no rates yet. */
	assert_false(bed->rows[2].rated);
	assert_true(bed->rows[2].memory == 2048);
}

static void a_counter_that_began_anew_is_no_negative_rate(void **state)
{
	struct bed *bed = *state;

	assert_true(bed->rows[1].rated);
	assert_true(bed->rows[1].messages == 0);
}

static void another_process_has_no_share_of_the_last_ones_time(void **state)
{
	struct medio_top_row *rows;
	struct medio_top_look before = look(1, "[]", "[" STATS("a", 99, 1, 0, 0) "]");
	struct bed *bed = *state;

	assert_int_equal(medio_top_rows(&bed->now, &before, &rows), 3);
	assert_true(rows[0].cpu == 0);
	assert_true(rows[0].messages > 0);
	free(rows);
	medio_top_look_free(&before);
}

static unsigned column(const char *name)
{
	unsigned n = 99;

	assert_int_equal(medio_top_find_column(name, &n, NULL), 0);
	return n;
}

static void rows_are_sorted_numbers_down_and_words_up(void **state)
{
	struct bed *bed = *state;

	medio_top_sort(bed->rows, 3, column("messages"), false);
	assert_string_equal(bed->rows[0].uuid, "a");
	medio_top_sort(bed->rows, 3, column("type"), false);
	assert_string_equal(bed->rows[0].uuid, "c");
	medio_top_sort(bed->rows, 3, column("type"), true);
	/* Those that are alike stay in one order. */
	assert_string_equal(bed->rows[0].uuid, "a");
	assert_string_equal(bed->rows[1].uuid, "b");
	assert_string_equal(bed->rows[2].uuid, "c");
}

static void an_unknown_column_is_told_with_all_there_are(void **state)
{
	struct medio_error *err = NULL;
	unsigned n;
	(void)state;

	assert_int_equal(medio_top_find_column("mesages", &n, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "did you mean 'messages'?"));
	assert_non_null(strstr(medio_error_text(err), "memory"));
	medio_error_free(err);
}

static void a_shared_worker_is_shown_with_its_first_instance(void **state)
{
	struct bed *bed = *state;

	medio_top_sort(bed->rows, 3, column("uuid"), true);
	assert_prints("c                                    root     s              -      -      -"
		      "      -      3      -   2.0K",
		medio_top_print_row(out, &bed->rows[0], 0));
	assert_prints("b                                    4000000  t              -      0      0"
		      "      0      3  ~50.0  ~2.0K",
		medio_top_print_row(out, &bed->rows[1], 0));
	assert_prints("a                                    root     t              7   2.0k      0"
		      "      0      3      ~      ~",
		medio_top_print_row(out, &bed->rows[2], 0));
}

static void a_line_is_never_wider_than_the_terminal(void **state)
{
	struct bed *bed = *state;

	for (unsigned width = 1; width < 140; width++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		medio_top_print_titles(out, width, -1);
		fputc('\n', out);
		medio_top_print_row(out, &bed->rows[0], width);
		fclose(out);
		size_t titles = strcspn(text, "\n");
		assert_true(titles <= width);
		assert_int_equal(titles, strlen(text) - titles - 1);
		/* Where there is room for anything there is the UUID. */
		assert_true(width < 8 || strstr(text, "UUID") == text);
		free(text);
	}
}

static void json_has_plain_numbers_and_null_for_what_is_not_known(void **state)
{
	struct bed *bed = *state;
	struct json_object *a = medio_top_describe(&bed->rows[0]);
	struct json_object *c = medio_top_describe(&bed->rows[2]);

	assert_true(json_object_get_double(medio_json_get(a, "messages_per_s")) == 2000);
	assert_int_equal(medio_json_int(a, "memory_bytes"), 2048);
	assert_int_equal(medio_json_int(a, "sharing"), 2);
	assert_true(json_object_object_get_ex(c, "messages_per_s", NULL));
	assert_null(medio_json_get(c, "messages_per_s"));
	json_object_put(a);
	json_object_put(c);
}

#define ROWS(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_take_at_most_five_columns),
		cmocka_unit_test(text_of_others_gives_a_terminal_no_orders),
		cmocka_unit_test(a_shell_takes_what_is_quoted_for_one_word),
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		ROWS(rates_are_per_second_between_two_looks),
		ROWS(a_counter_that_began_anew_is_no_negative_rate),
		ROWS(another_process_has_no_share_of_the_last_ones_time),
		ROWS(rows_are_sorted_numbers_down_and_words_up),
		cmocka_unit_test(an_unknown_column_is_told_with_all_there_are),
		ROWS(a_shared_worker_is_shown_with_its_first_instance),
		ROWS(a_line_is_never_wider_than_the_terminal),
		ROWS(json_has_plain_numbers_and_null_for_what_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
