/* SPDX-License-Identifier: BSD-3-Clause */
/* DEVICE on a command line: a URI of <medio/driver.h>, whose local: knows the types of this program. */
#ifndef MEDIO_TOOLS_DEVICE_H
#define MEDIO_TOOLS_DEVICE_H

#include <medio/driver.h>

struct medio_error;

/* Open what a user named. Errors as medio_card_open(), with words. */
int medio_tool_device_open(const char *device, const struct medio_card_options *opts,
	struct medio_card **out, struct medio_error **err);

#endif
