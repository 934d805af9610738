/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process uses of the machine. */
#ifndef MEDIO_MANAGE_USAGE_H
#define MEDIO_MANAGE_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct medio_usage {
	pid_t pid;
	uint64_t cpu_ns; /* of all its threads, since it began */
	uint64_t rss;	 /* bytes resident */
};

/* -ESRCH: no such process. */
int medio_usage_read(pid_t pid, struct medio_usage *out);

#endif
