/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of options that several commands take. */
#ifndef MEDIO_TOOLS_VALUE_H
#define MEDIO_TOOLS_VALUE_H

#include <medio/device.h>

#include "command.h"

/* A size (SIZE) or a time (TIME) as a user writes it behind --name. 0, or MEDIO_EXIT_USAGE, which
 * is then said. */
int medio_value_number(const struct medio_command *cmd, const char *name,
	enum medio_param_kind kind, const char *text, uint64_t *out);

/* As what a driver's options call them: the best kind of interrupt there is; none. */
enum { MEDIO_VALUE_IRQ_BEST = -2, MEDIO_VALUE_IRQ_NONE = -1 };

/* --irq KIND: MEDIO_CARD_MSIX, _MSI or _INTX, or one of the above; text NULL: the best. 0, or
 * MEDIO_EXIT_USAGE, which is then said. */
int medio_value_irq(const struct medio_command *cmd, const char *text, int *out);
/* "msix" and so on. */
const char *medio_value_irq_name(int irq);

#endif
