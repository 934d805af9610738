/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card on a device of a test's own, in one of two ways: in the same process, or over a vfio-user
 * socket whose server is another thread. A test of a driver runs both ways:
 *
 *     static int setup(void **state)
 *     {
 *             struct bed *bed = calloc(1, sizeof(*bed));
 *             assert_int_equal(card_bed_open(&bed->bed, &my_type, NULL, card_bed_way(state)), 0);
 *             *state = bed;
 *             …
 *
 *     const struct CMUnitTest tests[] = {
 *             CARD_BED_TEST(copies_a_block, setup, teardown),
 *
 * and its name says which: "local: copies_a_block", "vfio-user: copies_a_block". With MEDIO_CARD_BED_LOCAL in
 * the environment only the first is run.
 *
 * There is a third way: the served device is opened by the device passthrough, which another thread serves to the
 * test. It is for tests that link it: CARD_BED_TEST_PASSED in the list, and in main(), before the tests,
 * `card_bed_passthrough = &medio_passthrough`.
 *
 * The device runs on the bed's thread or on the test's. A test touches what it shares with a device by
 * card_bed_on_device(), and a device checks with card_bed_must(), since an assertion of cmocka would
 * jump from one thread into another.
 */
#ifndef TESTS_CARD_BED_H
#define TESTS_CARD_BED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <medio/local.h>

enum card_bed_way { CARD_BED_LOCAL, CARD_BED_VFIO_USER, CARD_BED_PASSED };

/* What stands between in the third way, and its parameters beside device=, NULL-terminated (NULL: none). */
extern const struct medio_type *card_bed_passthrough;
extern const char *const *card_bed_passthrough_params;

struct card_bed_thread;

struct card_bed {
	struct medio_card *card; /* closed with the bed; a test that closed it itself sets NULL */
	enum card_bed_way way;
	struct medio_loop *loop;       /* the device's: for its thread only */
	struct medio_instance *inst;   /* likewise */
	char uri[64];		       /* to open the card again, over vfio-user */
	struct card_bed_thread *there; /* NULL: the device is on this thread */
	struct card_bed *between;      /* the passthrough, if there is one */
};

/*
 * A card on a new instance of type, with params (NULL-terminated "name=value", or NULL). On failure
 * it says why on standard error and returns -errno; nothing is then left to close.
 */
int card_bed_open(struct card_bed *bed, const struct medio_type *type, const char *const *params,
	enum card_bed_way way);
/* As above with options of the card (NULL: none). */
int card_bed_open_with(struct card_bed *bed, const struct medio_type *type,
	const char *const *params, enum card_bed_way way, const struct medio_card_options *opts);
/* A zeroed bed that was never opened is allowed. */
void card_bed_close(struct card_bed *bed);

/* Run fn(arg) on the device's thread; it has returned when this returns. */
void card_bed_on_device(struct card_bed *bed, void (*fn)(void *arg), void *arg);
/* What the instance has counted so far. */
struct medio_stats card_bed_stats(struct card_bed *bed);

/* Each way, for a test's initial state. */
extern enum card_bed_way card_bed_ways[3];

/* The two lines of a test in a list of cmocka's. */
#define CARD_BED_TEST(fn, setup, teardown) \
	{ "local: " #fn, fn, setup, teardown, &card_bed_ways[CARD_BED_LOCAL] }, \
	{ \
		"vfio-user: " #fn, fn, setup, teardown, &card_bed_ways[CARD_BED_VFIO_USER] \
	}

/* And three. */
#define CARD_BED_TEST_PASSED(fn, setup, teardown) \
	CARD_BED_TEST(fn, setup, teardown), \
	{ \
		"passthrough: " #fn, fn, setup, teardown, &card_bed_ways[CARD_BED_PASSED] \
	}

/* In the setup of such a test: the way it is to run. */
static inline enum card_bed_way card_bed_way(void *const *state)
{
	return *(const enum card_bed_way *)*state;
}

/* What a device of a test insists on: the driver did wrong, and the program ends here. */
#define card_bed_must(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #cond); \
			abort(); \
		} \
	} while (0)

#endif
