/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program gets from a file without any device: plain calls, or io_uring. */
#ifndef MEDIO_BENCH_BLK_FLOOR_H
#define MEDIO_BENCH_BLK_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

struct blk_floor;

/* Open path for direct (O_DIRECT and io_uring) or plain calls. -errno; -ENOTSUP: no io_uring here. */
int blk_floor_open(const char *path, bool direct, struct blk_floor **out);
void blk_floor_close(struct blk_floor *floor);
/* Commands of 4 KiB a second, n of them at random places among `areas`, depth of them at once
 * where it is direct. */
double blk_floor_run(
	struct blk_floor *floor, bool write, uint64_t areas, unsigned depth, unsigned n);

#endif
