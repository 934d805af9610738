/* SPDX-License-Identifier: BSD-3-Clause */
#define DISK_NBD_LIBRARY_ITSELF
#include "disk/nbd_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

struct disk_nbd_library disk_nbd_library;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int load(struct disk_nbd_library *lib)
{
	/* Its ABI is in the name. */
	void *handle = dlopen("libnbd.so.0", RTLD_NOW | RTLD_LOCAL);
	bool whole = handle != NULL;

#define X(call_) whole = whole && (*(void **)&lib->call_ = dlsym(handle, #call_));
	DISK_NBD_CALLS(X)
#undef X
	if (!whole)
		return -ENOENT;
	lib->handle = handle;
	return 0;
}

int disk_nbd_library_load(char *words, size_t size)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	if (!disk_nbd_library.handle)
		ret = load(&disk_nbd_library);
	if (ret) {
		const char *why = dlerror();
		snprintf(words, size, "%s", why ? why : "it has no such library");
	}
	pthread_mutex_unlock(&lock);
	return ret;
}
