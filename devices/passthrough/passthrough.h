/* SPDX-License-Identifier: BSD-3-Clause */
/* Another card, passed on: the type, for the program that offers it. */
#ifndef MEDIO_PASSTHROUGH_PASSTHROUGH_H
#define MEDIO_PASSTHROUGH_PASSTHROUGH_H

#include <medio/device.h>

extern const struct medio_type medio_passthrough;

/* As a list; NULL ends it. */
extern const struct medio_type *const medio_passthrough_types[];

#endif
