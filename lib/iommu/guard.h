/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No SIGBUS from memory somebody else can take away.
 *
 * We map files of a client. If it truncates one, or its file system has no page left to give,
 * touching the mapping raises SIGBUS. A guarded mapping then gets zeroed anonymous memory from the
 * page that was missing to its end, the access goes on, and the guard is poisoned: its owner looks
 * after a copy and reports the memory as gone.
 *
 * The handler is installed at the first guard and stays; each further guard makes sure that it is
 * there. It hands every other SIGBUS to the handler that was there before, or to the default
 * action. Between a program's replacing it (without calling ours) and the next guard there is no
 * protection; nor in a thread that blocks SIGBUS.
 *
 * Threads: all functions here may be called on any thread. The handler takes no lock.
 */
#ifndef MEDIO_IOMMU_GUARD_H
#define MEDIO_IOMMU_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct medio_guard;

/* How often any guard of the process was hit: the cheap "did something happen?". */
extern atomic_ulong medio_guard_hits;

/*
 * Guard the mapping [start, start + len), which must stay until medio_guard_del(). granule: the
 * size of its pages (4096, or more for huge pages), which start and len are multiples of. prot:
 * PROT_*, for the memory put in its place. -ENOMEM, or -errno of sigaction.
 */
int medio_guard_add(void *start, size_t len, size_t granule, int prot, struct medio_guard **out);
/* Call before munmap: the addresses may be somebody else's directly after it. NULL is allowed. */
void medio_guard_del(struct medio_guard *guard);
/* Part of the memory has been replaced by zeros. */
bool medio_guard_poisoned(const struct medio_guard *guard);

#endif
