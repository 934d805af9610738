/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <medio/local.h>

#include "catalog.h"

int medio_tool_device_open(const char *device, const struct medio_card_options *opts,
	struct medio_card **out, struct medio_error **err)
{
	medio_local_types(medio_catalog_type);
	return medio_card_open(device, opts, out, err);
}
