/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's state as bytes, in the format of the kernel's sample (samples/vfio-mdev/mtty.c), little
 * endian:
 *
 *     u64 magic 0x7e9d09898c3e2c4e | u32 major 1 | u32 minor | u32 nr_ports | u32 flags 0
 *     nr_ports times 36 bytes: struct serial_port of the sample
 *     minor 1: nr_ports times an extension of 48 bytes and as many more as the wire holds
 *
 * The sample has one FIFO a port and neither latched errors nor pending causes, so 36 bytes are not
 * enough for ours: we write minor 1. Minor 0, the sample's own, is understood as well.
 */
#ifndef MEDIO_MTTY_MIGRATE_H
#define MEDIO_MTTY_MIGRATE_H

#include "port.h"

/* As medio_device_ops.save: returns the size, which may be over cap (then buf is not written). */
ssize_t medio_mtty_ports_save(
	const struct medio_mtty_port *ports, unsigned nports, void *buf, size_t cap);
/* -EINVAL, with words, unless every field is possible and the number of ports fits; nothing is
 * changed then. Kick the ports afterwards. */
int medio_mtty_ports_load(
	struct medio_mtty_port *ports, unsigned nports, const void *buf, size_t size);

#endif
