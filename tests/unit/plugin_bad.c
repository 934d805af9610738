/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared objects for test_tools_plugin.c: the same source, wrong in a way -D says. */
#include <medio/device.h>

#ifndef PLUGIN_ABI
#define PLUGIN_ABI MEDIO_DEVICE_ABI
#endif
#ifndef PLUGIN_TYPE_ABI
#define PLUGIN_TYPE_ABI MEDIO_DEVICE_ABI
#endif
#ifndef PLUGIN_TYPE
#define PLUGIN_TYPE &type
#endif
#ifndef PLUGIN_SYMBOL
#define PLUGIN_SYMBOL medio_plugin
#endif

extern const struct medio_type type;
MEDIO_API const struct medio_type type = { .abi = PLUGIN_TYPE_ABI, .name = "x", .summary = "X" };

MEDIO_API extern const struct medio_plugin PLUGIN_SYMBOL;
const struct medio_plugin PLUGIN_SYMBOL = { PLUGIN_ABI, PLUGIN_TYPE };
