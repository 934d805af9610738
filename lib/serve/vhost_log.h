/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device writes, in a bitmap that a front-end shares for migration: one bit for each page of
 * 4096 bytes of guest-physical memory, from address 0 on, bit 0 of a byte first.
 *
 *     the device's writes -> the domain's own dirty log (iommu/dirty.h) -> this, by a timer -> the bitmap
 *
 * While it is on, whoever unmaps memory calls medio_vhost_log_sync() before, and so does whoever has
 * stopped a queue, before saying so: no write is then missing from the bitmap.
 *
 * The file is the front-end's: it may be shorter than it says, or become so (iommu/guard.h); the bits
 * are set atomically, as it clears them at the same time.
 *
 * Errors are told in the log (medio_instance_guest_error), with what was wrong and what is allowed. An fd
 * that is given is owned from then on, also on failure.
 *
 * Source: QEMU, docs/interop/vhost-user.rst, "Migration", VHOST_USER_SET_LOG_BASE, _SET_LOG_FD.
 *
 * Threads: the device's.
 */
#ifndef MEDIO_SERVE_VHOST_LOG_H
#define MEDIO_SERVE_VHOST_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct medio_instance;
struct medio_vhost_log;

#define MEDIO_VHOST_LOG_PAGE 4096u

/* Of a session: nothing is shared yet. -ENOMEM. */
int medio_vhost_log_new(struct medio_instance *inst, struct medio_vhost_log **out);
/* Before the instance is detached from its transport: what was written and is not in the bitmap yet goes
 * there first. NULL is allowed. */
void medio_vhost_log_free(struct medio_vhost_log *log);

/*
 * VHOST_USER_SET_LOG_BASE: the bitmap is size bytes at offset of the file fd. One that was there before
 * is left as it is. On failure the former stays.
 *   -EINVAL     no regular file (or memfd), size 0, the file ends before offset + size, it does not cover
 *               the memory that is mapped now, or a ring's log address
 *   -EOVERFLOW  offset + size wraps around
 *   -E2BIG      more than MEDIO_VHOST_LOG_MAX bytes
 *   -EACCES, -EBADF, -ENOMEM  it cannot be mapped for writing
 */
int medio_vhost_log_set_base(struct medio_vhost_log *log, int fd, uint64_t size, uint64_t offset);
#define MEDIO_VHOST_LOG_MAX (UINT64_C(1) << 31) /* bytes: 64 TiB of memory */
/* VHOST_USER_SET_LOG_FD: signalled whenever bits were set. -1: none. -EINVAL: not an eventfd. */
int medio_vhost_log_set_fd(struct medio_vhost_log *log, int fd);
/* VHOST_F_LOG_ALL was accepted, or not any more. On: all pages are clean. Without a bitmap what is
 * written waits for one. -EINVAL: the bitmap does not cover the memory. -ENOMEM. */
int medio_vhost_log_set_on(struct medio_vhost_log *log, bool on);
bool medio_vhost_log_is_on(const struct medio_vhost_log *log);
/* Memory up to the byte before end is to be mapped: does the bitmap cover it? Yes, if there is none, or it
 * is not on. If not, that is told. */
bool medio_vhost_log_covers(struct medio_vhost_log *log, uint64_t end);

/*
 * VHOST_VRING_F_LOG: what the device writes at [iova, iova + size) for a ring (used ring; packed: the
 * descriptor ring) is logged as if it were at log_address. size 0: not any more.
 * -EINVAL: no such queue (MEDIO_VIRTIO_MAX_QUEUES of them), or the end is beyond the bitmap.
 * -EOVERFLOW: it wraps around.
 */
int medio_vhost_log_set_ring(struct medio_vhost_log *log, unsigned queue, uint64_t iova,
	uint64_t size, uint64_t log_address);

/* Everything that was written until now is in the bitmap on return. */
void medio_vhost_log_sync(struct medio_vhost_log *log);

#endif
