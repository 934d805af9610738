/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that mediod and a worker share: counters, and checkpoints of a device's state. Both are
 * memfds that mediod makes and seals (no shrinking, no growing, no more seals), so a worker cannot
 * pull them away under mediod. mediod believes nothing it reads there: counters are numbers to
 * print, a checkpoint is only ever given to a worker.
 */
#ifndef MEDIO_WORKER_SHARED_H
#define MEDIO_WORKER_SHARED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <medio/serve.h>

/* One instance's counters, a cache line or two of its own. The worker counts, mediod reads. */
union medio_shared_slot {
	struct medio_stats stats;
	uint8_t bytes[128];
};
_Static_assert(sizeof(union medio_shared_slot) == 128, "the counters fit their slot");

/* A memfd of size bytes, sealed, and mapped: *map (read-only with prot PROT_READ). Its fd or -errno. */
int medio_shared_new(const char *name, size_t size, int prot, void **map);
/* Map one that came from the other side: -EINVAL smaller than size, not sealed against shrinking, or
 * of huge pages. */
int medio_shared_map(int fd, size_t size, int prot, void **map);

/*
 * A checkpoint: two copies, written in turn, so that one is whole whenever its writer dies. Each has
 * a sequence number and a CRC-32 over itself. The largest state it holds is half of its memory.
 */
#define MEDIO_CHECKPOINT_DEFAULT (256u << 10) /* bytes of memory */
/* -ENOSPC: the state is too large for it. */
int medio_checkpoint_write(void *map, size_t size, const void *state, size_t state_size);
/* The newest whole state: its size (0: there is none); *state points into map. Bytes come from the
 * other side: copy them before checking them. */
size_t medio_checkpoint_read(const void *map, size_t size, const void **state);

#endif
