/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket RUNTIME/control: one JSON object a line, each way.
 *
 *     {"op":"start","type":"mtty-2","params":["port0=pty"]}
 *     {"ok":true,"result":{"uuid":"…","socket":"…","qemu_device":"…",…}}
 *     {"ok":false,"errno":"ENOSPC","error":"…words…"}
 *
 * Answers come in the order of the requests; "id", if a request has one, comes back. The operations
 * are the table in control.c. A connection that subscribed ("monitor") gets {"event":{…}} lines
 * between; one that does not read them loses some and is told so ({"lost":N}). A line is at most 64
 * KiB, output that nobody reads at most 1 MiB.
 */
#ifndef MEDIO_MANAGE_CONTROL_H
#define MEDIO_MANAGE_CONTROL_H

#include "manage/manager.h"

struct medio_control;

struct medio_control_options {
	int fd; /* a listening socket from elsewhere (socket activation), taken; -1: make one */
	/* What "reload", "leave" and "quit" do; any may be NULL: -EOPNOTSUPP. reload: 0 or -errno
	 * with words. */
	int (*reload)(void *opaque, struct medio_error **err);
	void (*leave)(void *opaque);
	void (*quit)(void *opaque);
	void *opaque;
};

/* -EADDRINUSE: a mediod serves there already, with words that say what to do. */
int medio_control_new(struct medio_manager *m, const struct medio_control_options *opts,
	struct medio_control **out, struct medio_error **err);
/* What was answered is sent if it can be without waiting. NULL is allowed. */
void medio_control_free(struct medio_control *control);

#endif
