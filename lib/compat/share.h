/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private memory of the program's made shared: while the process stands still its content is copied to a memfd, and that is mapped in
 * its place. The program sees no difference, but for these: a child that it forks shares this memory with it from then
 * on, and madvise(MADV_DONTNEED) does not clear it. Both is memory that was given to a device.
 */
#ifndef MEDIO_COMPAT_SHARE_H
#define MEDIO_COMPAT_SHARE_H

#include "compat/spanfile.h"

struct medio_share_range {
	uint64_t start, end; /* of one area */
	unsigned prot;
	bool sparse; /* pages that are not there are zeros */
};

/*
 * Share what can be; the caller looks what has become of it. 0: some of it has been tried. -ENOMEM: memory, or the program has no free
 * descriptor; -EPERM, -ENOSYS, -ESRCH: as hold.h; nothing has happened then. May hold the thread.
 */
int medio_share(struct medio_call *call, const struct medio_share_range *ranges, unsigned count);

#endif
