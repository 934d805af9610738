/* SPDX-License-Identifier: BSD-3-Clause */
/* The command of `medio serve --run`: a shell child the loop watches. */
#ifndef MEDIO_TOOLS_CHILD_H
#define MEDIO_TOOLS_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include <medio/serve.h>

struct medio_child {
	struct medio_loop *loop;
	struct medio_watch *watch;
	pid_t pid;
	int pidfd;
	bool ended;
	int status; /* what a shell would say: the exit status, or 128 + signal */
};

/* Start `sh -c command`; the loop stops when it ends. env: "name=value" strings, NULL-terminated.
 * The child gets SIGTERM if this process dies. -errno of fork() and the like. */
int medio_child_start(
	struct medio_child *child, struct medio_loop *loop, const char *command, char *const *env);
/* End it if it still runs: SIGTERM, and SIGKILL after two seconds. */
void medio_child_end(struct medio_child *child);

#endif
