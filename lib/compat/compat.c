/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/compat.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "compat/kdev.h"
#include "compat/kfile.h"
#include "compat/kgroup.h"
#include "compat/spanfile.h"
#include "compat/tracee.h"
#include "util/cleanup.h"
#include "util/loop.h"

static void on_devices(void *opaque, uint32_t events)
{
	struct medio_compat *compat = opaque;

	(void)events;
	medio_loop_run_once(compat->devices, 0);
}

int medio_compat_new(struct medio_loop *loop, struct medio_loop *devices, struct medio_compat **out)
{
	struct medio_compat *compat = calloc(1, sizeof(*compat));

	if (!compat)
		return -ENOMEM;
	compat->loop = loop;
	compat->devices = devices;
	compat->inotify = -1;
	medio_list_init(&compat->kdevs);
	medio_list_init(&compat->groups);
	medio_list_init(&compat->late);
	medio_list_init(&compat->files);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(compat->files_by_ino); i++)
		medio_list_init(&compat->files_by_ino[i]);
	if (devices) {
		int fd = medio_loop_fd(devices);
		if (fd >= 0) {
			errno = ENOMEM;
			compat->devices_watch = medio_loop_watch(
				loop, fd, EPOLLIN, on_devices, compat);
		}
		if (!compat->devices_watch || medio_loop_set_outer(devices, loop)) {
			medio_watch_free(compat->devices_watch);
			free(compat);
			return fd < 0 ? fd : -ENOMEM;
		}
	}
	*out = compat;
	return 0;
}

/* As the kernel does at the end of a process, in any order; releasing one may release others. */
static void release_files(struct medio_compat *compat)
{
	while (!medio_list_empty(&compat->files)) {
		struct medio_kfile *file = medio_container_of(
			compat->files.next, struct medio_kfile, link);
		medio_kfile_leave(file);
		if (file->ops->release)
			file->ops->release(file);
	}
}

void medio_compat_free(struct medio_compat *compat)
{
	if (!compat)
		return;
	if (compat->free_launch)
		compat->free_launch(compat);
	if (compat->free_fs)
		compat->free_fs(compat);
	release_files(compat);
	while (!medio_list_empty(&compat->kdevs)) {
		struct medio_list *first = compat->kdevs.next;
		medio_list_remove(first);
		medio_kdev_free(medio_container_of(first, struct medio_kdev, link));
	}
	while (!medio_list_empty(&compat->groups)) {
		struct medio_list *first = compat->groups.next;
		medio_list_remove(first);
		medio_kgroup_free(medio_container_of(first, struct medio_kgroup, link));
	}
	medio_spanfiles_free(compat->spanfiles);
	medio_tracees_forget(compat);
	medio_story_to(compat, NULL, NULL);
	medio_watch_free(compat->inotify_watch);
	if (compat->inotify >= 0)
		close(compat->inotify);
	medio_watch_free(compat->devices_watch);
	if (compat->devices)
		medio_loop_set_outer(compat->devices, NULL);
	free(compat);
}
