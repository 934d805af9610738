/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk in a file: how its parts meet.
 *
 *     file.c       opens it, locks it, asks its size
 *     step.c       cuts a request into steps, does at once what does not block, bounces what O_DIRECT
 *                  does not take
 *     gather.c     reads that come together
 *     ring.c       does the other steps through io_uring
 *     pool.c       or in threads
 */
#ifndef DISK_FILE_H
#define DISK_FILE_H

#include "disk/inside.h"

/* Buffers for what O_DIRECT cannot do in place: so many, of so many bytes. */
#define DISK_BOUNCES	 8u
#define DISK_BOUNCE_SIZE (256u << 10)

struct disk_file;

/* Does what would block. Each step that was submitted ends with disk_file_stepped(), on the device's thread
 * and never from within submit(). */
struct disk_engine {
	const char *name;
	bool gathers; /* many steps between two kicks cost less than as many system calls */
	void (*free)(struct disk_file *file);
	void (*submit)(struct disk_file *file, struct disk_request *req);
	void (*kick)(struct disk_file *file);
	/* True: something had ended. */
	bool (*poll)(struct disk_file *file);
	/* Until something has ended. */
	void (*wait)(struct disk_file *file);
};

/* What is done within disk_submit(). */
enum disk_try {
	DISK_TRY_NOT,
	DISK_TRY_NOWAIT, /* what the kernel says would not block */
	DISK_TRY_TIMED,	 /* all, as long as it turns out to be quick */
	DISK_TRY_ALL,	 /* nothing does: the file is in memory */
};

struct disk_file {
	struct disk disk;
	int fd;
	bool block_device;
	bool direct;
	uint32_t align; /* of memory, for O_DIRECT */
	enum disk_try reads, writes;
	bool local; /* a file system that writes into the page cache, and is not behind a network */
	/* TIMED: none before then; for so long after the last slow one; quick ones since; whether it is asked of each
	 * if the thread slept. */
	uint64_t not_before, pause;
	unsigned quick;
	bool suspect;
	bool no_punch, no_zero_range; /* the file system does not have them */
	bool canceled;		      /* said once that the engine cannot do its work */

	const struct disk_engine *engine;
	void *state; /* the engine's */

	struct disk_row gathered; /* reads, until disk_kick() */
	unsigned num_gathered;

	char *bounces;		   /* DISK_BOUNCES of them; NULL: not direct */
	void *spare[DISK_BOUNCES]; /* those not in use */
	unsigned spares;
	struct disk_row starved; /* wait for one */
};

/* gather.c */
void disk_file_submit(struct disk *disk, struct disk_request *req);
/* What was gathered is begun; some of it, or all, is done then. */
void disk_file_release(struct disk_file *file);

/* step.c */
/* Done at once if it does not block, else begun. */
void disk_file_begin(struct disk_file *file, struct disk_request *req);
/* Begun, whether it would block or not. */
void disk_file_hand_over(struct disk_file *file, struct disk_request *req);
void disk_file_stepped(struct disk_file *file, struct disk_request *req, ssize_t ret);
/* The step by a system call: bytes moved, 0, or -errno. Any thread. */
ssize_t disk_step_run(int fd, const struct disk_step *step);

/*
 * ring.c, pool.c: set file->engine and file->state, or give -errno: the kernel has no io_uring for us
 * (-ENOSYS, -EPERM …), or this build has not (-EOPNOTSUPP); no threads (-EAGAIN).
 */
int disk_ring_new(struct disk_file *file);
int disk_pool_new(struct disk_file *file);

#endif
