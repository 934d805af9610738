/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's own bytes on their way to or from another back-end, through a pipe that the front-end gives
 * (what the front-end itself knows, features and rings, it carries itself).
 *
 *     SET_DEVICE_STATE_FD  medio_vhost_state_begin()   save: the bytes are taken now, and written as fast as
 *                                                      they are read; then the pipe is closed
 *                                                      load: bytes are collected until the pipe ends, then
 *                                                      given to the device
 *     CHECK_DEVICE_STATE   medio_vhost_state_check()   did that work?
 *
 * Neither waits: a pipe that nobody reads or writes holds up nobody but this. Errors are told in the log
 * (medio_instance_guest_error).
 *
 * The bytes begin with a header that names the device's kind and their number and checksum, so that bytes
 * of something else are refused before the device sees them.
 *
 * Source: QEMU, docs/interop/vhost-user.rst, "Migrating back-end state", VHOST_USER_SET_DEVICE_STATE_FD,
 * _CHECK_DEVICE_STATE.
 *
 * Threads: the device's.
 */
#ifndef MEDIO_SERVE_VHOST_STATE_H
#define MEDIO_SERVE_VHOST_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct medio_instance;
struct medio_virtio_core;
struct medio_vhost_state;

/* Of a transfer, its own header aside. */
#define MEDIO_VHOST_STATE_MAX (256u << 20)

enum medio_vhost_state_direction { MEDIO_VHOST_STATE_SAVE = 0, MEDIO_VHOST_STATE_LOAD = 1 };

/* Of a session: no transfer. -ENOMEM. */
int medio_vhost_state_new(struct medio_instance *inst, struct medio_virtio_core *core,
	struct medio_vhost_state **out);
/* A transfer under way is broken off. NULL is allowed. */
void medio_vhost_state_free(struct medio_vhost_state *state);

/*
 * VHOST_USER_SET_DEVICE_STATE_FD; fd is owned from here on, also on failure. The caller has seen to it that
 * every queue is stopped, and answers 0x100 (the front-end's fd is used) on success, 0x101 otherwise. A
 * transfer under way is broken off.
 *   -EINVAL  no such direction or phase; fd is not a pipe, a stream socket or a regular file
 *   -EFBIG   over MEDIO_VHOST_STATE_MAX   -EBUSY  the device is not quiet   -ENOMEM
 *   or what the device's save() gave
 */
int medio_vhost_state_begin(
	struct medio_vhost_state *state, uint32_t direction, uint32_t phase, int fd);
/*
 * VHOST_USER_CHECK_DEVICE_STATE, answered 0 on success, 1 otherwise. Of the last transfer:
 *   -ENOENT  there was none   -EINPROGRESS  it has not ended: the pipe has not been read to its end, or its
 *   other end is still open   -EPIPE, -EIO …  the pipe   -EINVAL, -EFBIG  the bytes
 *   or what the device's load() gave
 */
int medio_vhost_state_check(struct medio_vhost_state *state);
/* The device is reset: break it off. */
void medio_vhost_state_cancel(struct medio_vhost_state *state);

#endif
