/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `medio run`: the kernel's VFIO and UIO for an unmodified program, with cards behind that <medio/driver.h> opens. The
 * program runs with a filter (seccomp, user notification); what concerns our files stops in the kernel, and this process,
 * the supervisor, answers.
 *
 *     the program ---- open, close, dup … ----> files of our FUSE file system        fs.h, sysfs.c, uio.h
 *         | ioctl, pread, pwrite, mmap                  |
 *         v  (launch.h: filter, namespaces)             v
 *     notify.c: struct medio_call  ------->  struct medio_kfile: container, group, device, iommufd
 *                                               kgroup.h, iommufd.h      kdev.h        story.h
 *                                                       |                  |
 *                                            span.h: the program's memory  |
 *                                                       v                  v
 *                                                     <medio/driver.h>: a card
 *
 * Threads: one, of one loop (the supervisor's). Devices in this process run on a second loop of the same thread, which the
 * first watches, so that a device that makes a call wait runs no other call meanwhile.
 */
#ifndef MEDIO_COMPAT_COMPAT_H
#define MEDIO_COMPAT_COMPAT_H

#include <medio/driver.h>
#include <medio/serve.h>

#include "compat/fs.h"
#include "compat/story.h"
#include "util/list.h"

struct medio_launch;
struct medio_notify;
struct medio_spanfiles;

struct medio_compat {
	struct medio_loop *loop;    /* the supervisor's */
	struct medio_loop *devices; /* of devices in this process; NULL: there are none */
	struct medio_watch *devices_watch;
	struct medio_list kdevs, groups, files;
	struct medio_list files_by_ino[64];
	uint64_t fs_dev; /* of our FUSE files, as stat has it; 0: not known yet, then any will do */
	unsigned next_group, next_cdev, next_uio;
	int inotify; /* -1 until the first file is made */
	struct medio_watch *inotify_watch;
	struct medio_fs *fs;
	struct medio_launch *launch;
	struct medio_notify *notify;
	struct medio_story *story;
	struct medio_spanfiles *spanfiles; /* spanfile.h's; NULL until there is one */
	struct medio_list late; /* tracee.h's: threads that are let go as soon as they stop */
	/* Ends fs, and launch with notify; set by who made them. */
	void (*free_fs)(struct medio_compat *compat);
	void (*free_launch)(struct medio_compat *compat);
	bool spapr; /* containers are sPAPR TCE ones */
};

/* Without fs, which medio_fs_new() makes, and without a program. -ENOMEM, -EMFILE. devices may be NULL. */
int medio_compat_new(
	struct medio_loop *loop, struct medio_loop *devices, struct medio_compat **out);
/* The program has ended, or is killed first. Its files are released, devices and groups are freed, cards are closed. */
void medio_compat_free(struct medio_compat *compat);

#endif
