/* SPDX-License-Identifier: BSD-3-Clause */
/* A mediod of the benchmark's own: the one of this build, with a runtime folder in memory. */
#ifndef MEDIO_BENCH_DAEMON_H
#define MEDIO_BENCH_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

struct medio_bench_daemon {
	pid_t pid;
	char folder[64];  /* its runtime folder */
	char create[192]; /* the file of mtty-1 */
	int control;	  /* a connection to its control socket */
};

enum medio_bench_way { MEDIO_BY_TREE, MEDIO_BY_CONTROL };

/* Path of a program that was built beside this one, "tools/mediod"; false: it is not there. */
bool medio_bench_program(const char *name, char *out, size_t size);
/* Start a mediod with one parent ("mtty,ports=100"). 0, or -errno: it is not built, or does not run
 * here; then there is nothing to stop. */
int medio_bench_daemon_start(struct medio_bench_daemon *daemon, const char *parent);
/* Ends it, and everything it has. */
void medio_bench_daemon_stop(struct medio_bench_daemon *daemon);

/* The UUID of instance number n, and the path of its socket. */
void medio_bench_uuid(unsigned n, char out[37]);
void medio_bench_socket(
	const struct medio_bench_daemon *daemon, unsigned n, char *out, size_t size);
/* Make instance number n; end the program if that fails. */
void medio_bench_create(struct medio_bench_daemon *daemon, unsigned n, enum medio_bench_way way);
void medio_bench_remove(struct medio_bench_daemon *daemon, unsigned n);
/* Memory of mediod and its workers in MiB: each page once, shared ones in parts (PSS). */
double medio_bench_daemon_memory(const struct medio_bench_daemon *daemon, unsigned *processes);

#endif
