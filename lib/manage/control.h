/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket RUNTIME/control: one JSON object a line, each way.
 *
 *     {"op":"start","type":"mtty-2","params":["port0=pty"]}
 *     {"ok":true,"result":{"uuid":"…","socket":"…","qemu_device":"…",…}}
 *     {"ok":false,"errno":"ENOSPC","error":"…words…"}
 *
 * Requests of a connection are done and answered one after the other; "id", if a request has one,
 * comes back. A connection that subscribed ("monitor") gets {"event":{…}} lines between; one that
 * does not read them loses some and is told so ({"lost":N}). A line is at most 64 KiB; while 1 MiB
 * of output is not read, no more requests are taken. Of what a client leaves behind who hangs up,
 * 64 lines are done.
 *
 *     hello                                         {version, pid, uid, runtime, definitions, since}
 *     list         [uuid]                           [medio_describe_mdev…]
 *     types        [parent]                         [medio_describe_parent…]
 *     start        [uuid] [parent] [type] [params] [filters] [restart]
 *                                                   medio_describe_mdev; without type: a definition
 *     stop         uuid [now]                       {uuid}
 *     get          uuid [attr]                      {attr, value}; without attr: [{attr, value,
 *                                                   writable}…], value null: it cannot be read
 *     set          uuid attr value                  {}
 *     stats        [uuid]                           [medio_describe_stats…]
 *     sriov        uuid [numvfs] | [vf settings]    medio_describe_mdev and {offset, stride, vf_device,
 *                                                   autoprobe, vfs: [medio_describe_mdev and
 *                                                   {settings}…]}; settings: what the card says
 *                                                   of it, or null
 *     definitions  [uuid] [parent]                  {definitions: [{uuid, parent, type, auto, attrs,
 *                                                   active}…], unreadable: [{path, error}…]}
 *     define       [uuid] [parent] [type] [auto] [attrs]
 *                                                   the definition; without type: as the running
 *                                                   instance uuid is
 *     modify       uuid [parent] [type] [auto] [attrs] [add] [index] [remove]
 *                                                   the definition
 *     undefine     uuid [parent]                    {uuid}
 *     monitor                                       {}; then events
 *     reload, leave, quit                           {}
 *
 * uuid of what runs may also be the name of a card with virtual functions: nic0.
 * uuid, parent, type, attr, value, restart: strings. numvfs, vf: numbers. settings: a list of strings, as
 * "vlan=5". params, filters: lists of strings as in
 * struct medio_mdev_options. now, auto: booleans. attrs, add: a list of objects of one pair each, as
 * in mdevctl's files: [{"params/port0":"pty"}]. add: append them, or insert before number index;
 * remove: a list of names. modify first removes, then adds.
 *
 * What somebody who is not root (nor mediod's own user) defines begins with an attribute
 * "medio/owner" that names him, and he changes no other definitions: a definition that starts with
 * the machine must not run as somebody else.
 */
#ifndef MEDIO_MANAGE_CONTROL_H
#define MEDIO_MANAGE_CONTROL_H

#include "manage/manager.h"

struct medio_control;

struct medio_control_options {
	int fd; /* a listening socket from elsewhere (socket activation), taken; -1: make one */
	/* What "reload", "leave" and "quit" do; any may be NULL: -EOPNOTSUPP. reload: 0 or -errno
	 * with words. None may free the control: stop the loop instead. */
	int (*reload)(void *opaque, struct medio_error **err);
	void (*leave)(void *opaque);
	void (*quit)(void *opaque);
	void *opaque;
};

/* -EADDRINUSE: a mediod serves there already, with words that say what to do. -EINVAL: opts->fd does
 * not listen. opts->fd is taken also on failure. */
int medio_control_new(struct medio_manager *m, const struct medio_control_options *opts,
	struct medio_control **out, struct medio_error **err);
/* Serve a connection that somebody else accepted: a stream socket, taken also on failure. -EUSERS:
 * he has too many; -ENOMEM. */
int medio_control_take(struct medio_control *control, int fd, const struct medio_who *who);
/* What was answered is sent if it can be without waiting. NULL is allowed. */
void medio_control_free(struct medio_control *control);

#endif
