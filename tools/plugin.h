/* SPDX-License-Identifier: BSD-3-Clause */
/* A device from a shared object: `medio serve ./NAME.so`. */
#ifndef MEDIO_TOOLS_PLUGIN_H
#define MEDIO_TOOLS_PLUGIN_H

#include <medio/device.h>

struct medio_error;

/*
 * Load path and give the type in it, which stays loaded until the program ends. Errors, with words:
 *   -ENOENT, -EACCES  no such file, or it may not be read
 *   -EINVAL  no shared object, or one without MEDIO_PLUGIN() or a type in it
 *   -EPROTO  built for another MEDIO_DEVICE_ABI
 */
int medio_tool_plugin_open(
	const char *path, const struct medio_type **out, struct medio_error **err);

#endif
