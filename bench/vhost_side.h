/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sides of a vhost-user measurement: back-ends of ours and of others, each a process of its own, at a
 * socket in a folder that all of a run share. Several are there at once; those whose turn it is not are
 * stopped, so that they take no time.
 */
#ifndef MEDIO_BENCH_VHOST_SIDE_H
#define MEDIO_BENCH_VHOST_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <medio/device.h>

#include "bench.h"

/* Where other programs are: $MEDIO_PEERS, or what script/guest-bed has made. */
void vhost_peers_path(const char *name, char *out, size_t size);
/* False after a note: what is left out, and how to get the program. */
bool vhost_peers_have(struct medio_report *r, const char *name, const char *what);

#define VHOST_WORDS 24 /* of a command at most */

struct vhost_side {
	pid_t pid;
	clockid_t clock; /* of all its threads */
	char socket[96];
	bool ours;
	struct medio_peer peer; /* ours only */
	int talk;		/* the terminal of another program, or -1 */
};

/* The folder of the sockets; ends the program if there can be none. */
const char *vhost_folder(void);
void vhost_folder_remove(void);

/* A device of ours, on cpu; it is there on return. params: NULL-terminated. */
void vhost_side_serve(
	struct vhost_side *side, const struct medio_type *type, const char *const *params, int cpu);
/*
 * Another program in a group of its own, NULL-terminated words, on cpu; %s in a word is the path of its socket: somebody else's, or
 * with NULL one that it makes. VHOST_TALK: on a terminal, whose other end is `talk`.
 */
enum vhost_talk { VHOST_SILENT, VHOST_TALK };
void vhost_side_run(struct vhost_side *side, const char *const *words, const char *socket, int cpu,
	enum vhost_talk talk);
/* Until it has made its socket. -ETIMEDOUT; -ECHILD: it has ended. */
int vhost_side_wait(const struct vhost_side *side);

void vhost_side_pause(const struct vhost_side *side, bool pause);
/* Seconds of processor time since it began; of one that is paused, or it is not all of it. */
double vhost_side_cpu(const struct vhost_side *side);
void vhost_side_stop(struct vhost_side *side);

#endif
