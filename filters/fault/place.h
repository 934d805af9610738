/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a register is that a rule names. */
#ifndef MEDIO_FILTER_FAULT_PLACE_H
#define MEDIO_FILTER_FAULT_PLACE_H

#include <medio/filter.h>

struct fault_place {
	unsigned region;
	uint64_t offset, size;
};

/*
 * Find a register by its name, as the trace filter shows it: the type's ("cc", "sq_tail[1]"), configuration
 * space's ("config.command") or the MSI-X table's ("msix_table[0].control"). -ENOENT: there is none; -E2BIG: it
 * is a table, and the name does not say which.
 */
int fault_place_find(const struct medio_dev *dev, const char *name, struct fault_place *out);
/* Some of the names that there are: "ident, live, factorial …". */
void fault_place_names(const struct medio_dev *dev, char *buf, size_t size);

#endif
