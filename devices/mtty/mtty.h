/* SPDX-License-Identifier: BSD-3-Clause */
/* The serial card mtty: its types, for the program that offers them. */
#ifndef MEDIO_MTTY_MTTY_H
#define MEDIO_MTTY_MTTY_H

#include <medio/device.h>

extern const struct medio_type medio_mtty_1;
extern const struct medio_type medio_mtty_2;
extern const struct medio_type medio_mtty_msi;

/* All of them; NULL ends the list. */
extern const struct medio_type *const medio_mtty_types[];

#endif
