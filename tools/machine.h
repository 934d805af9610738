/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine that figures are measured on. */
#ifndef MEDIO_TOOLS_MACHINE_H
#define MEDIO_TOOLS_MACHINE_H

#include <stddef.h>

/* Its processor, as /proc/cpuinfo names it. */
void medio_machine_processor(char *out, size_t size);

#endif
