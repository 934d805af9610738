/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The back-end channel: a socket of the front-end's on which we tell it of things. We ask for no
 * answers, and never wait for it.
 *
 * Source: QEMU, docs/interop/vhost-user.rst, "Back-end communication".
 *
 * Threads: the loop's.
 */
#ifndef MEDIO_SERVE_VHOST_CHANNEL_H
#define MEDIO_SERVE_VHOST_CHANNEL_H

struct medio_loop;
struct medio_vhost_channel;

/* fd is taken, also on failure. -EINVAL: not a stream socket; -ENOMEM. */
int medio_vhost_channel_new(struct medio_loop *loop, int fd, struct medio_vhost_channel **out);
/* NULL is allowed. */
void medio_vhost_channel_free(struct medio_vhost_channel *channel);
/* VHOST_USER_BACKEND_CONFIG_CHANGE_MSG. Changes that it has had no room to read of are one. */
void medio_vhost_channel_config_changed(struct medio_vhost_channel *channel);

#endif
