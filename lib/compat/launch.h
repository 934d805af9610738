/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start a program in a mount namespace of its own (and a user namespace, if we are not root), with our files over /dev and
 * /sys, and with the filter that catches its calls; and be told when it has ended.
 *
 * The filter (filter.c) looks at numbers only, so that everything else runs at the kernel's speed:
 *   ioctl with a request of type ';'                       VFIO and iommufd
 *   pread64, pwrite64, preadv, pwritev (and 2), mmap with an offset of 2^62 and more     devices' files
 *   mmap, shared, of a file, at an offset below 64 KiB     only with a UIO device: /dev/uioN and resourceN
 * Descriptors need no numbers of their own, so dup(), dup2(), SCM_RIGHTS and fork() need no care.
 */
#ifndef MEDIO_COMPAT_LAUNCH_H
#define MEDIO_COMPAT_LAUNCH_H

#include <signal.h>

#include "compat/compat.h"

struct medio_launch_options {
	char *const *argv;
	/* The signals that it starts with blocked; NULL: none. */
	const sigset_t *mask;
	/*
	 * It has ended: what wait() said. Called on the loop's thread, once, when all processes that came of it have ended too,
	 * since any of them may have a device open, or open one yet; or when they are not waited for any more.
	 */
	void (*ended)(void *opaque, int status);
	/* It has ended a second ago, others that came of it have not. Once. NULL: nobody minds. */
	void (*left)(void *opaque);
	void *opaque;
};

/*
 * Start it, with the loop running meanwhile; compat->fs is there (medio_sysfs_make()). From then on this process stops when
 * the program is stopped from a terminal, as a shell would, blocks SIGCHLD, and takes all children of its own that have
 * ended for the program's. The program is killed when this process is. Errors, with words that say what is missing and what to do:
 *   -EPERM, -ENOSPC, -EUSERS  no user namespaces for this user (sysctl, AppArmor, a container's policy)
 *   -EBUSY                    another supervisor has a filter here already (medio run in medio run, systemd-nspawn …)
 *   -ENOSYS, -EINVAL          the kernel has no user notification with the flags needed (Linux 5.19)
 *   -ENOENT, -EACCES          no such program, or not executable; -ENODEV: no /dev/fuse
 */
int medio_launch(struct medio_compat *compat, const struct medio_launch_options *opts,
	struct medio_error **err);
/* Send it a signal. When only others that came of it are left, which go on without devices: the end. */
void medio_launch_kill(struct medio_compat *compat, int sig);
/* Only others that came of it can be left. */
bool medio_launch_has_ended(const struct medio_compat *compat);

#endif
