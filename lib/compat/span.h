/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A span of the program's memory that devices are to reach: what the kernel pins for VFIO. It is made of pieces:
 *
 *   - memory of a file that is mapped shared (memfd, hugetlbfs, /dev/shm): the file's own descriptor
 *   - private memory: it is made shared. With the process standing still (hold.h) its content is copied to a new
 *     memfd, which is mapped in its place. From then on as above, at full speed
 *   - what cannot be (the program is being debugged; its stack; a file that cannot be opened): by reading
 *     and writing the process's memory (/proc/PID/mem), which serves copies but no rings
 *
 * Nothing outside the span can be reached through it; what the program unmaps meanwhile stays what it was, as pinned
 * pages do; and a process that has forked, exec'd or ended reads as -EFAULT in the last kind.
 */
#ifndef MEDIO_COMPAT_SPAN_H
#define MEDIO_COMPAT_SPAN_H

#include <stddef.h>
#include <stdint.h>

#include "compat/call.h"

enum { MEDIO_SPAN_READ = 1, MEDIO_SPAN_WRITE = 2 }; /* what the device may do */

struct medio_span_piece {
	uint64_t start, size; /* bytes of the span, multiples of the page size */
	int fd;		      /* -1: only by medio_span_read() and _write() */
	uint64_t fd_offset;
	struct medio_spanfile *file; /* whose fd it is; NULL */
};

struct medio_span {
	unsigned refs;
	pid_t pid;
	uint64_t addr, size; /* in the program */
	unsigned prot;
	int mem; /* /proc/PID/mem, -1 where no piece needs it */
	unsigned num_pieces;
	struct medio_span_piece *pieces; /* in order, without gaps */
};

/*
 * Take [addr, addr + size) of the process that makes the call. addr and size are multiples of the page size, checked
 * by the caller. May hold the thread (hold.h), so it comes last before the answer. Errors as VFIO_IOMMU_MAP_DMA's:
 *   -EFAULT  some of it is not mapped, or the program itself may not do with it what the device shall
 *   -ENOMEM  memory or descriptors
 */
int medio_span_take(struct medio_call *call, uint64_t addr, uint64_t size, unsigned prot,
	struct medio_span **out);
struct medio_span *medio_span_ref(struct medio_span *span);
void medio_span_put(struct medio_span *span);
/* Copy; all within the span, or -EFAULT. */
int medio_span_read(const struct medio_span *span, uint64_t offset, void *buf, size_t size);
int medio_span_write(const struct medio_span *span, uint64_t offset, const void *buf, size_t size);

#endif
