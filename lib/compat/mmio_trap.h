/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A mapping of a program's that traps: some or all of it is memory of a file that is registered with userfaultfd, for pages
 * that are missing and for those that are there (in the file, but never in the program's page tables), so that each access is
 * told. Its file lives as long as the mapping: its end is the mapping's, in whatever way that came.
 *
 * Threads: the supervisor's.
 */
#ifndef MEDIO_COMPAT_MMIO_TRAP_H
#define MEDIO_COMPAT_MMIO_TRAP_H

#include "compat/compat.h"
#include "compat/kdev.h"

struct medio_mmio_trap;

/*
 * One for length bytes of a region from offset on. *fd: its file, which the program is to map from 0 on and which is the
 * caller's to close; when nobody has it any more the trap is gone. -ENOMEM, -EMFILE, -ENOSPC (inotify's limit).
 */
int medio_mmio_trap_new(struct medio_kdev *kdev, unsigned region, uint64_t offset, uint64_t length,
	struct medio_mmio_trap **out, int *fd);
/*
 * It is mapped at addr, without any right, in process tgid. uffd: a userfaultfd of that process, which is then owned (also on
 * failure), on which medio_mmio_trap_arm() registers parts. -EPERM: the kernel does not have what is needed (Linux
 * 5.14); -ENOMEM.
 */
int medio_mmio_trap_start(struct medio_mmio_trap *trap, pid_t tgid, uint64_t addr, int uffd);
/* This part of it traps, as soon as the program has a right to it. */
int medio_mmio_trap_arm(struct medio_mmio_trap *trap, uint64_t addr, uint64_t size);
/* The kernel's flags for a userfaultfd that is good for this. */
#define MEDIO_MMIO_UFFD_FLAGS (O_CLOEXEC | O_NONBLOCK | 1 /* UFFD_USER_MODE_ONLY */)

/* The device is gone for all traps of it. */
void medio_mmio_traps_forget(struct medio_kdev *kdev);

#endif
