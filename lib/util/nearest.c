/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/nearest.h"

#include "util/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Names here are parameters, types and commands; nothing longer is compared. */
#define MAX_LEN 63

static unsigned min2(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Upper and lower case are alike: "MTTY-2" is meant as "mtty-2". */
static int same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/*
 * Damerau-Levenshtein distance with adjacent transpositions (optimal string alignment): how many
 * letters to insert, drop, change or swap with their neighbour. Three rows are enough, as a swap
 * looks back two.
 */
static unsigned distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned rows[3][MAX_LEN + 1];

	for (size_t j = 0; j <= blen; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			row[j] = min2(up[j] + 1, row[j - 1] + 1);
			row[j] = min2(row[j], up[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = min2(row[j], up2[j - 2] + 1);
		}
	}
	return rows[alen % 3][blen];
}

const char *medio_nearest(const char *typed, const char *const *names, size_t count)
{
	size_t len = strnlen(typed, MAX_LEN + 1);
	const char *best = NULL;
	unsigned limit, best_distance = 0;

	if (len == 0 || len > MAX_LEN)
		return NULL;
	/* A third of the letters may be wrong, one always, but never all of them. */
	limit = len < 6 ? 1 : (unsigned)len / 3;
	limit = min2(limit, (unsigned)len - 1);

	for (size_t i = 0; i < count; i++) {
		size_t name_len = strnlen(names[i], MAX_LEN + 1);
		unsigned d;

		if (name_len > MAX_LEN)
			continue;
		d = distance(typed, len, names[i], name_len);
		/* The first letters of a name mean it, however many are left out. */
		if (len > 1 && d > 1 && strncasecmp(typed, names[i], len) == 0)
			d = 1;
		if (d <= limit && (!best || d < best_distance)) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}

int medio_unknown(struct medio_error **err, const char *what, const char *typed,
	const char *const *names, size_t count)
{
	char known[1024] = "";
	size_t used = 0;
	const char *near = medio_nearest(typed, names, count);

	if (!count)
		return medio_error_set(
			err, EINVAL, "unknown %s '%.64s': there are none", what, typed);
	for (size_t i = 0; i < count && used < sizeof(known) - 1; i++)
		used += (size_t)snprintf(
			known + used, sizeof(known) - used, "%s%s", i ? ", " : "", names[i]);
	return medio_error_set(err, EINVAL, "unknown %s '%.64s'%s%s%s Known: %s", what, typed,
		near ? "; did you mean '" : ".", near ? near : "", near ? "'?" : "", known);
}
