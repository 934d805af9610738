/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of a measurement: processes of their own, each with one loop, that serve so many
 * instances of a card. They end when they are stopped, and with this program at the latest.
 */
#ifndef MEDIO_TOOLS_BENCH_SIDE_H
#define MEDIO_TOOLS_BENCH_SIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <medio/serve.h>

#define SIDE_MAX	 64u /* instances */
#define SIDE_WORDS	 256
#define SIDE_PATIENCE_MS 60000u /* a machine that is busy is no reason to give up */

struct medio_side_plan {
	const char *type;	   /* NULL: `frames` of bench-card.h */
	const char *const *params; /* NULL-terminated, or NULL */
	unsigned count;		   /* instances, or virtual functions of one */
	bool vfs;
	bool through; /* clients use them through `passthrough`, in a process of its own */
	int cpu;      /* -1: any */
};

struct medio_side {
	struct {
		pid_t pid;
		int control;
	} parts[2]; /* the card, and what is in front of it */
	unsigned num_parts;
	int fds[SIDE_MAX]; /* sockets for clients; who takes one writes -1 */
	unsigned count;
	struct medio_stats *stats; /* of all instances there are, num_stats, live */
	unsigned num_stats;
	char folder[40]; /* of sockets between the two; "": none */
};

/* The devices are there when it returns; -errno with words if not. */
int medio_side_start(
	struct medio_side *side, const struct medio_side_plan *plan, char words[SIDE_WORDS]);
/* Have its processes end, after the clients have gone, and do not wait: somebody else may. */
void medio_side_hang_up(struct medio_side *side);
/* The same, wait for them, and give all back. Does nothing for one that is all zeros. */
void medio_side_stop(struct medio_side *side);

/* So far, of all its processes. */
uint64_t medio_side_messages(const struct medio_side *side);
uint64_t medio_side_cpu_ns(const struct medio_side *side);
uint64_t medio_side_resident(const struct medio_side *side); /* bytes */

/* Keep this process, or thread, on one processor. -1: nothing. */
void medio_side_pin(int cpu);

#endif
