/* SPDX-License-Identifier: BSD-3-Clause */
/* medio-worker: runs instances for mediod, which starts it with a listening socket as fd 3. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "catalog.h"
#include "filters/filters.h"
#include "worker/worker.h"

#define SOCKET_FD 3

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
	static const struct medio_worker_types types = { medio_catalog_type,
		medio_builtin_filters };
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
