/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of an instance's filters, "filters/NAME/ATTR"; of the second of that name
 * "filters/NAME.1/ATTR". What there is mediod knows from the filters' tables; the worker, whose instance
 * they belong to, shows and stores.
 */
#ifndef MEDIO_MANAGE_FILTER_ATTRS_H
#define MEDIO_MANAGE_FILTER_ATTRS_H

#include <stdbool.h>
#include <stddef.h>

#include <medio/filter.h>

#include "util/strv.h"

#define MEDIO_FILTER_FOLDER 64 /* bytes of "filters/NAME.1/" */

bool medio_filter_attr_is(const char *path);
/*
 * The attribute that path means. filters: the instance's, as it was made with; NULL: any of known, which
 * ends with NULL, or is NULL. NULL: there is none.
 */
const struct medio_attr *medio_filter_attr_find(const struct medio_filter *const *known,
	const struct medio_strv *filters, const char *path);
/* The n-th filter of an instance, and the folder of its attributes; NULL: not known, or without any. */
const struct medio_filter *medio_filter_attr_folder(const struct medio_filter *const *known,
	const struct medio_strv *filters, unsigned n, char folder[MEDIO_FILTER_FOLDER]);

#endif
