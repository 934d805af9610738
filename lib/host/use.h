/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who would miss a device: mounted disks, swap, arrays, network interfaces that carry something,
 * displays, virtual functions, programs. What cannot be told is not guessed: a network interface
 * moved into another namespace is not seen.
 */
#ifndef MEDIO_HOST_USE_H
#define MEDIO_HOST_USE_H

#include "host/device.h"

/* Append one sentence for each use of device name to uses: "block device vda1 is mounted on /".
 * Words are of this machine: print them with care. -ENOMEM. */
int medio_host_uses(const struct medio_host *host, const char *name, struct medio_strv *uses);

/* ---- Its parts --------------------------------------------------------------------------------- */

int medio_host_uses_block(const struct medio_host *host, const char *name, struct medio_strv *uses);
int medio_host_uses_net(const struct medio_host *host, const char *name, struct medio_strv *uses);
/* Programs that hold one of its nodes open. */
int medio_host_uses_node(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_strv *uses);

/* Append a formatted sentence. -ENOMEM. */
int medio_uses_add(struct medio_strv *uses, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
