/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files that programs' memory is in, as far as spans need them: those that a program has mapped, and memfds that were
 * put in the place of private memory (share.h). Each is open here once, however many spans are made of it; a memfd of ours
 * lives as long as the program has it mapped, too, so that it is found again.
 *
 * Threads: the supervisor's.
 */
#ifndef MEDIO_COMPAT_SPANFILE_H
#define MEDIO_COMPAT_SPANFILE_H

#include "compat/compat.h"
#include "compat/maps.h"
#include "util/list.h"

struct medio_spanfile {
	struct medio_list link;
	struct medio_spanfiles *table;
	unsigned refs;
	int fd; /* for reading, and writing if writable */
	bool writable;
	unsigned major, minor;
	uint64_t ino;
	int watch; /* of inotify, while a program has a memfd of ours; -1 */
};

/*
 * The file that a shared area of the caller's process is in. -ENOENT: it cannot be opened (memory without a name and
 * without a descriptor; not for writing, though write is asked for). -ENOMEM.
 */
int medio_spanfile_find(struct medio_call *call, const struct medio_maps_area *area, bool write,
	struct medio_spanfile **out);
/* A memfd of size bytes. *fd is another opening of it, for the program only: when that is closed, it has it no more.
 * -ENOMEM, -EMFILE. */
int medio_spanfile_make(
	struct medio_compat *compat, uint64_t size, struct medio_spanfile **out, int *fd);
struct medio_spanfile *medio_spanfile_ref(struct medio_spanfile *file);
void medio_spanfile_unref(struct medio_spanfile *file);
/* Does another process that we can see have this file mapped? */
bool medio_spanfile_elsewhere(pid_t pid, const struct medio_maps_area *area);
/* compat's end; all spans are gone. */
void medio_spanfiles_free(struct medio_spanfiles *table);

#endif
