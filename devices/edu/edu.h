/* SPDX-License-Identifier: BSD-3-Clause */
/* The teaching device edu: its type, for the program that offers it. */
#ifndef MEDIO_EDU_EDU_H
#define MEDIO_EDU_EDU_H

#include <medio/device.h>

extern const struct medio_type medio_edu;

/* As a list; NULL ends it. */
extern const struct medio_type *const medio_edu_types[];

#endif
