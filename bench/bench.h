/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio-bench: what the data path costs, against what the machine itself costs. One file a subject,
 * each a `struct medio_bench` listed in medio-bench.c. A subject measures, and hands its samples to
 * report.c, which prints median, least and most.
 */
#ifndef MEDIO_BENCH_BENCH_H
#define MEDIO_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <medio/local.h>

#include "tools/tracer.h" /* system calls of another process */

/* ---- Report ------------------------------------------------------------------------------------ */

struct medio_report {
	bool json, quick;
	unsigned runs;	     /* samples of each figure */
	int cpu_client;	     /* where this process runs, and a server beside it */
	int cpu_server;	     /* another processor, -1: there is one only */
	const char *subject; /* being run */
	unsigned figures;    /* printed so far */
	bool heading;	     /* the subject's is printed */
};

struct medio_bench {
	const char *name;    /* for the command line */
	const char *summary; /* one line, no full stop */
	/* 0, or -errno after medio_report_note() said what could not be measured. */
	int (*run)(struct medio_report *r);
};

extern const struct medio_bench medio_bench_roundtrip, medio_bench_posted, medio_bench_syscalls,
	medio_bench_iova, medio_bench_interrupt, medio_bench_connect, medio_bench_instances,
	medio_bench_dma, medio_bench_drive, medio_bench_maps, medio_bench_mgmt, medio_bench_blk,
	medio_bench_net, medio_bench_switch, medio_bench_vhost, medio_bench_run;

enum medio_goal { MEDIO_NO_GOAL, MEDIO_AT_LEAST, MEDIO_AT_MOST };

struct medio_figure {
	const char *name;
	const char *unit;
	enum medio_goal kind;
	double goal;
	const char *floor; /* what it is held against, NULL: nothing */
};

/* The header line: what machine this is, and whether it is busy. */
void medio_report_machine(struct medio_report *r);
/* Print a figure of n samples, which get sorted. */
void medio_report_put(
	struct medio_report *r, const struct medio_figure *figure, double *samples, unsigned n);
/* Something to know about the subject: left out, failed. In JSON a figure without numbers. */
void medio_report_note(struct medio_report *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The end of the output. */
void medio_report_end(struct medio_report *r);

/* full normally, quick with --quick. */
static inline unsigned medio_report_count(
	const struct medio_report *r, unsigned full, unsigned quick)
{
	return r->quick ? quick : full;
}

/* ---- The other process ------------------------------------------------------------------------- */

/* Keep this thread on one processor. */
void medio_bench_pin(int cpu);
/* End the program: a benchmark that cannot run its own parts has nothing to say. */
void medio_bench_fail(const char *what, int err) __attribute__((noreturn));
/* medio_bench_fail() if ret is negative; gives ret back. */
int medio_bench_check(int ret, const char *what);
void *medio_bench_alloc(size_t size);

/* Memory that a process started afterwards shares. */
struct medio_bench_shared {
	_Atomic uint32_t request, reply; /* bytes of the echo's messages */
	_Atomic uint64_t stamp;		 /* when the last interrupt was raised, ns; 0: not yet */
	double result[8];		 /* what the other process measured */
};

struct medio_peer {
	pid_t pid;
	int fd;	   /* our end of the socket; whoever takes it writes -1 */
	int event; /* an eventfd that both have */
	struct medio_bench_shared *shared;
};

/* The eventfd's number in the other process, which has no other descriptors of ours. */
#define MEDIO_PEER_EVENT 4

typedef void medio_peer_fn(int fd, struct medio_bench_shared *shared, void *opaque);

/* Run fn in a process of its own on cpu, which ends when fn returns. */
void medio_peer_start(struct medio_peer *peer, int cpu, medio_peer_fn *fn, void *opaque);
/* Close our end of the socket, if it is still here, and wait for the process. */
void medio_peer_stop(struct medio_peer *peer);

/* A server of a type in a peer, on cpu, with a card opened on it; it ends when the card is closed.
 * params: NULL-terminated, or NULL. poll: both ends busy-poll. */
struct medio_card *medio_bench_card_with(struct medio_peer *peer, const struct medio_type *type,
	const char *const *params, int cpu, bool poll);
struct medio_card *medio_bench_card_of(
	struct medio_peer *peer, const struct medio_type *type, int cpu, bool poll);
/* The same of medio_bench_type. */
struct medio_card *medio_bench_card(struct medio_peer *peer, int cpu, bool poll);
/* The same below the card: a client that has said VERSION. */
struct medio_vu_client;
struct medio_vu_client *medio_bench_client(struct medio_peer *peer, int cpu);

/* ---- The device under test --------------------------------------------------------------------- */

/* BAR 0: MEDIO_BENCH_BAR bytes that keep what is written. BAR 2: what follows. */
extern const struct medio_type medio_bench_type;

#define MEDIO_BENCH_BAR 65536u

enum {
	MEDIO_BENCH_FIRE = 0,	/* write u32: raise vector 0 in so many microseconds */
	MEDIO_BENCH_DMA = 8,	/* write u64: bytes to move; vector 0 when done */
	MEDIO_BENCH_WRITE = 16, /* write u32: 0 the next DMA reads, 1 it writes client memory */
	MEDIO_BENCH_REGS = 4096,
};

#define MEDIO_BENCH_IOVA 0x100000u /* where the DMA happens */

/* Where the device leaves its time stamps; NULL: nowhere. */
void medio_bench_share(struct medio_instance *inst, struct medio_bench_shared *shared);

#endif
