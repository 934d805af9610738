/* SPDX-License-Identifier: BSD-3-Clause */
/* The 16550 driver on the card mtty, in the same process and over vfio-user. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../devices/mtty/mtty.h"
#include "../../devices/passthrough/passthrough.h"
#include "../../drivers/16550/uart16550.h"
#include "test_card_bed.h"

static int setup(void **state)
{
	struct card_bed *bed = calloc(1, sizeof(*bed));

	assert_non_null(bed);
	bed->way = card_bed_way(state);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	card_bed_close(*state);
	free(*state);
	return 0;
}

/* Sleep until there is work, as a program does that has other files too. */
static void doze(struct medio_card *card, const struct uart16550 *uart)
{
	struct pollfd pfds[] = {
		{ .fd = uart16550_fd(uart), .events = POLLIN },
		{ .fd = medio_card_fd(card), .events = POLLIN },
	};

	assert_true(medio_card_process(card) >= 0);
	assert_true(poll(pfds, 2, 100) >= 0);
	assert_true(medio_card_process(card) >= 0);
}

/* Send size bytes, with a gap now and then, reading at most `gulp` at once; all come back in order. */
static void echo(struct card_bed *bed, unsigned port, size_t size, size_t gulp,
	struct uart16550_stats *stats)
{
	struct uart16550 *uart = NULL;
	uint8_t out[4096], in[4096];
	size_t sent = 0, got = 0;

	assert_int_equal(uart16550_open(bed->card, port, &uart), 0);
	while (got < size) {
		size_t n = size - sent < sizeof(out) ? size - sent : sizeof(out);
		for (size_t i = 0; i < n; i++)
			out[i] = (uint8_t)((sent + i) * 31 >> 3);
		int taken = uart16550_write(uart, out, n);
		assert_true(taken >= 0);
		sent += (size_t)taken;
		assert_int_equal(uart16550_service(uart), 0);
		int came = uart16550_read(uart, in, gulp);
		assert_true(came >= 0);
		for (int i = 0; i < came; i++)
			assert_int_equal(in[i], (uint8_t)((got + (size_t)i) * 31 >> 3));
		got += (size_t)came;
		if (!taken && !came)
			doze(bed->card, uart);
	}
	assert_int_equal(uart16550_drained(uart), 1);
	uart16550_get_stats(uart, stats);
	assert_int_equal(stats->sent, size);
	assert_int_equal(stats->received, size);
	assert_int_equal(stats->overruns, 0);
	assert_int_equal(stats->line_errors, 0);
	uart16550_close(uart);
}

/* In process enough for many rounds of the rings; over a socket each byte is slow under valgrind. */
static size_t much(const struct card_bed *bed)
{
	return bed->way == CARD_BED_LOCAL ? 50000 : 2000;
}

static void echoes_by_intx(void **state)
{
	struct card_bed *bed = *state;
	struct uart16550_stats stats;

	assert_int_equal(card_bed_open(bed, &medio_mtty_2, NULL, bed->way), 0);
	echo(bed, 1, much(bed), 4096, &stats);
	assert_string_equal(stats.interrupt, "INTx");
	/* The other port is a stranger's, and can be had on the same card. */
	echo(bed, 0, 1000, 4096, &stats);
}

static void echoes_on_a_card_with_msi(void **state)
{
	struct card_bed *bed = *state;
	struct uart16550_stats stats;

	assert_int_equal(card_bed_open(bed, &medio_mtty_msi, NULL, bed->way), 0);
	echo(bed, 0, much(bed), 4096, &stats);
}

static void a_slow_reader_loses_nothing(void **state)
{
	struct card_bed *bed = *state;
	struct uart16550_stats stats;

	assert_int_equal(card_bed_open(bed, &medio_mtty_1, NULL, bed->way), 0);
	echo(bed, 0, 300, 1, &stats);
	echo(bed, 0, 300, 7, &stats);
}

static void a_few_bytes_wake_who_sleeps(void **state)
{
	struct card_bed *bed = *state;
	struct uart16550_stats stats;
	struct uart16550 *uart = NULL;
	char in[16];
	int got = 0;

	assert_int_equal(card_bed_open(bed, &medio_mtty_1, NULL, bed->way), 0);
	assert_int_equal(uart16550_open(bed->card, 0, &uart), 0);
	assert_int_equal(uart16550_write(uart, "hi", 2), 2);
	while (!(got = uart16550_read(uart, in, sizeof(in)))) {
		doze(bed->card, uart);
		assert_int_equal(uart16550_service(uart), 0);
	}
	assert_int_equal(got, 2);
	assert_memory_equal(in, "hi", 2);
	uart16550_get_stats(uart, &stats);
	assert_true(stats.interrupts > 0);
	uart16550_close(uart);
}

static void there_is_no_third_port(void **state)
{
	struct card_bed *bed = *state;
	struct uart16550 *uart = NULL;

	assert_int_equal(card_bed_open(bed, &medio_mtty_2, NULL, bed->way), 0);
	assert_int_equal(uart16550_open(bed->card, 2, &uart), -ENODEV);
	assert_null(uart);
}

#define TEST(name) CARD_BED_TEST_PASSED(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(echoes_by_intx),
		TEST(echoes_on_a_card_with_msi),
		TEST(a_slow_reader_loses_nothing),
		TEST(a_few_bytes_wake_who_sleeps),
		TEST(there_is_no_third_port),
	};

	card_bed_passthrough = &medio_passthrough;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
