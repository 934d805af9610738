/* SPDX-License-Identifier: BSD-3-Clause */
/* What `medio top` shows: rows made of two looks at the daemon, and the table of columns. */
#ifndef MEDIO_TOOLS_TOP_H
#define MEDIO_TOOLS_TOP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct medio_error;

/* One instance. */
struct medio_top_row {
	const char *uuid, *type; /* of the answers the rows were made from */
	char owner[33];
	int64_t owner_uid;
	int64_t client, pid;	    /* 0: none */
	int64_t sharing;	    /* how many instances its worker runs */
	bool first;		    /* of those that share its worker: shows what all use */
	bool rated;		    /* it was there at the last look: there are rates */
	double messages, dma, irqs; /* a second */
	double faults;		    /* since it was started */
	double cpu;		    /* percent of a core; its worker's */
	double memory;		    /* bytes resident; its worker's */
};

/* One look. Zeros are none. */
struct medio_top_look {
	struct json_object *list;  /* answer of operation list */
	struct json_object *stats; /* answer of stats, by UUID */
	double seconds;		   /* monotonic */
};

/* The rows of now, with rates since before (zeros: none). *rows is to be freed before now. Their
 * number, or -ENOMEM. */
int medio_top_rows(const struct medio_top_look *now, const struct medio_top_look *before,
	struct medio_top_row **rows);
/* By UUID, from the list that stats answers. */
struct json_object *medio_top_index(struct json_object *stats);
void medio_top_look_free(struct medio_top_look *look);

/* Columns have numbers from 0 to medio_top_columns - 1. */
extern const unsigned medio_top_columns;
/* -EINVAL, with words that name them all. */
int medio_top_find_column(const char *name, unsigned *column, struct medio_error **err);
/* Numbers begin with the largest, words with a; reverse turns that around. */
void medio_top_sort(struct medio_top_row *rows, unsigned count, unsigned column, bool reverse);

/* Lines as wide as width (0: as they need) columns, without the end of line. marked: the column
 * whose title is to stand out, if out is a terminal (else -1). */
void medio_top_print_titles(FILE *out, unsigned width, int marked);
void medio_top_print_row(FILE *out, const struct medio_top_row *row, unsigned width);
struct json_object *medio_top_describe(const struct medio_top_row *row);
/* With three digits behind the point: printing a double as it is makes up more. */
struct json_object *medio_top_number(double value);

#endif
