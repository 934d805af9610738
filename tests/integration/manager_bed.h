/* SPDX-License-Identifier: BSD-3-Clause */
/* A manager with one parent, mtty as a rule, and real workers, in a folder of its own; its loop is stepped here. */
#ifndef TESTS_MANAGER_BED_H
#define TESTS_MANAGER_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <medio/driver.h>

#include "manage/managed.h"

extern const char *manager_bed_worker; /* medio-worker */

struct manager_bed {
	struct medio_manager m;
	struct medio_parent *parent;
	char dir[40];
	char log[65536];    /* every line */
	char events[16384]; /* "ACTION UUID ENV\n" */
	int fds;	    /* open before it began */
};

/* Counts descriptors, makes the folder. */
void manager_bed_folder(struct manager_bed *bed);
/* The manager; spec as for medio_parents_set(). Takes over what is in the folder. */
void manager_bed_start(struct manager_bed *bed, const char *spec);
/* Both. */
void manager_bed_open(struct manager_bed *bed, const char *spec);
void manager_bed_stop(struct manager_bed *bed, bool leaving);
/* The manager ends, and nothing is left: no file, process or descriptor. */
void manager_bed_close(struct manager_bed *bed);

/* What a failed test left running. */
void manager_bed_sweep(void);

/* Step the loop until *flag, or until settled; fails the test after 20 s. */
void manager_bed_until(struct manager_bed *bed, const volatile int *flag);
void manager_bed_settle(struct manager_bed *bed);
/* Until text is in the log, or among the events. */
void manager_bed_until_said(struct manager_bed *bed, const char *said, const char *text);
/* Until an instance is in a state. */
void manager_bed_until_state(
	struct manager_bed *bed, const struct medio_managed *inst, const char *state);
/* Run fn on a thread of its own, as somebody outside of mediod, while the loop goes on here. */
void manager_bed_outside(struct manager_bed *bed, void (*fn)(void *opaque), void *opaque);

/* Create the n-th instance and wait: the result of it. */
int manager_bed_try(
	struct manager_bed *bed, unsigned n, const char *type, const struct medio_creation *how);
/* One of ours, which must succeed; params: NULL, or one. */
struct medio_managed *manager_bed_create(
	struct manager_bed *bed, unsigned n, const char *param, int restart);
struct medio_managed *manager_bed_find(struct manager_bed *bed, unsigned n);
void manager_bed_remove(struct manager_bed *bed, unsigned n);
/* A card on the n-th. */
struct medio_card *manager_bed_card(struct manager_bed *bed, unsigned n);
/* A bare connection to it. */
int manager_bed_connect(struct manager_bed *bed, unsigned n);
/* Its scratch register. -errno */
int manager_bed_scratch(
	struct manager_bed *bed, struct medio_card *card, bool write, uint8_t *value);
void manager_bed_close_card(struct manager_bed *bed, struct medio_card *card);

#endif
