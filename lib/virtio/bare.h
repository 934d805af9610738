/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device without a card around it, for transports that carry virtio itself (vhost-user,
 * VDUSE): the same type, state and operations, but no BARs, interrupts or capabilities. The device does
 * not know the difference.
 *
 *     medio_virtio_bare_type(&medio_virtio_blk, &type, &err);
 *     medio_instance_new(loop, type, &opts, &inst, &err);
 *     core = medio_virtio_bare_attach(medio_instance_device(inst), &transport, opaque);
 *
 * Threads: bare_type() from any, the rest the device's.
 */
#ifndef MEDIO_VIRTIO_BARE_H
#define MEDIO_VIRTIO_BARE_H

#include "virtio/core.h"

struct medio_error;

/* Is this a virtio device, made with MEDIO_VIRTIO_TYPE()? */
bool medio_virtio_is_type(const struct medio_type *type);
/* The bare form of a type, made once and then kept for the life of the process. -ENOTSUP, with words: not
 * a virtio device; -ENOMEM. */
int medio_virtio_bare_type(
	const struct medio_type *type, const struct medio_type **out, struct medio_error **err);
/*
 * Carry the device: what it has to say to its driver goes to transport from now on. NULL: it is not
 * bare, or somebody carries it already.
 */
struct medio_virtio_core *medio_virtio_bare_attach(
	struct medio_dev *dev, const struct medio_virtio_transport *transport, void *opaque);
/* Nobody does any more. */
void medio_virtio_bare_detach(struct medio_dev *dev);

#endif
