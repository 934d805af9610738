/* SPDX-License-Identifier: BSD-3-Clause */
#include "plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

static int check(const char *path, const struct medio_plugin *plugin, struct medio_error **err)
{
	if (!plugin)
		return medio_error_set(err, EINVAL,
			"'%s' is no medio plug-in: it has no symbol medio_plugin; end its source "
			"with MEDIO_PLUGIN(&your_type);",
			path);
	/* Both are looked at before anything else of the type is: it may be laid out differently. */
	uint32_t abi = plugin->abi != MEDIO_DEVICE_ABI || !plugin->type ? plugin->abi
									: plugin->type->abi;
	if (abi != MEDIO_DEVICE_ABI)
		return medio_error_set(err, EPROTO,
			"'%s' was built for device ABI %u, this medio has %u: build it again", path,
			abi, MEDIO_DEVICE_ABI);
	if (!plugin->type)
		return medio_error_set(err, EINVAL, "'%s' names no type in MEDIO_PLUGIN()", path);
	return 0;
}

int medio_tool_plugin_open(
	const char *path, const struct medio_type **out, struct medio_error **err)
{
	if (access(path, R_OK) < 0)
		return medio_error_set(
			err, errno, "cannot open plug-in '%s': %s", path, strerror(errno));
	/* Never unloaded: the type is used until the end, and so are its functions. */
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return medio_error_set(err, EINVAL, "cannot load plug-in: %s", dlerror());
	const struct medio_plugin *plugin = dlsym(handle, "medio_plugin");
	int ret = check(path, plugin, err);
	if (ret) {
		dlclose(handle);
		return ret;
	}
	*out = plugin->type;
	return 0;
}
