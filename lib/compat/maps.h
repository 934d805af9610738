/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process has mapped: /proc/PID/maps. A line of it is
 *     7f0c4a000000-7f0c4a021000 rw-p 00000000 00:01 1234    /memfd:name (deleted)
 * Source: proc_pid_maps(5); Linux fs/proc/task_mmu.c, show_map_vma(). What stands behind the numbers is the program's to
 * choose, so nothing in it is believed.
 */
#ifndef MEDIO_COMPAT_MAPS_H
#define MEDIO_COMPAT_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct medio_maps_area {
	uint64_t start, end;
	unsigned prot; /* PROT_* */
	bool shared;
	uint64_t offset; /* of start, in the file */
	unsigned major, minor;
	uint64_t ino;	  /* 0: no file */
	const char *name; /* of the file as the kernel writes it, "[heap]" and the like, "": none */
};

/* A line, which ends with "\n" or 0. area->name points into it, and the line's end becomes 0. -EINVAL: it is none. */
int medio_maps_parse(char *line, struct medio_maps_area *area);

/* Called for areas in order; anything but 0 ends the walk, which returns it. */
typedef int medio_maps_each(void *opaque, const struct medio_maps_area *area);
/* The areas of a process (of a thread's) that have something in [start, end). -ESRCH: it is gone; -EACCES, -ENOMEM. */
int medio_maps_walk(pid_t pid, uint64_t start, uint64_t end, medio_maps_each *each, void *opaque);

#endif
