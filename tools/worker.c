/* SPDX-License-Identifier: BSD-3-Clause */
/* medio-worker: runs instances for mediod, which starts it with a listening socket as fd 3. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "catalog.h"
#include "filters/filters.h"
#include "plugin.h"
#include "util/error.h"
#include "worker/worker.h"

#define SOCKET_FD 3

static int find_type(const char *name, const struct medio_type **out, struct medio_error **err)
{
	if (strchr(name, '/'))
		return medio_tool_plugin_open(name, out, err);
	for (unsigned i = 0; i < medio_catalog_num_kinds; i++) {
		const struct medio_type *const *type = medio_catalog_kinds[i].desc->types;
		for (; *type; type++) {
			if (strcmp((*type)->name, name) == 0) {
				*out = *type;
				return 0;
			}
		}
	}
	return medio_error_set(err, ENOENT, "this medio-worker has no type '%s'", name);
}

/* A listening socket of the kind that mediod makes. */
static bool is_ours(int fd)
{
	int kind = 0, listens = 0;
	socklen_t len = sizeof(kind);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &len) < 0 || kind != SOCK_SEQPACKET)
		return false;
	len = sizeof(listens);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

int main(int argc, char **argv)
{
	static const struct medio_worker_types types = { find_type, medio_builtin_filters };
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("medio-worker %s\n", MEDIO_VERSION);
		return 0;
	}
	if (argc > 1 || !is_ours(SOCKET_FD)) {
		fprintf(stderr,
			"medio-worker: mediod starts this program, to run devices in a process of "
			"their own.\n"
			"medio-worker: There is nothing in it to be used by hand: 'medio serve' "
			"runs a device in the foreground.\n");
		return 2;
	}
	return medio_worker_run(SOCKET_FD, &types);
}
