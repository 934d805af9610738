/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"
#include "util/cleanup.h"
#include "util/error.h"

static int out_of_memory(struct medio_error **err)
{
	return medio_error_set(err, ENOMEM, "out of memory");
}

int medio_serve_socket(struct medio_serve *serve, struct medio_error **err)
{
	if (serve->opts->socket) {
		serve->socket = strdup(serve->opts->socket);
		return serve->socket ? 0 : out_of_memory(err);
	}
	const char *base = getenv("XDG_RUNTIME_DIR");
	if (!base || !*base || access(base, W_OK) < 0)
		base = "/tmp";
	if (asprintf(&serve->folder, "%s/medio-XXXXXX", base) < 0) {
		serve->folder = NULL;
		return out_of_memory(err);
	}
	if (!mkdtemp(serve->folder)) {
		int ret = medio_error_set(
			err, errno, "cannot make a folder in '%s': %s", base, strerror(errno));
		free(medio_steal_ptr(serve->folder));
		return ret;
	}
	if (asprintf(&serve->socket, "%s/%s.sock", serve->folder, serve->as->name) < 0) {
		serve->socket = NULL;
		return out_of_memory(err);
	}
	return 0;
}

void medio_serve_socket_end(struct medio_serve *serve)
{
	if (serve->folder)
		rmdir(serve->folder);
	free(medio_steal_ptr(serve->folder));
	free(medio_steal_ptr(serve->socket));
}
