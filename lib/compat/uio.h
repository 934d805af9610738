/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/uioN of a device bound to uio_pci_generic, as drivers/uio/uio.c and uio_pci_generic.c have it: read() of 4 bytes gives
 * how many interrupts there were and waits for one that this open file has not seen, poll() likewise, write() of 4 bytes is
 * irqcontrol. FUSE carries these (fs.c, by fsopen.c); config space and BARs are sysfs's files.
 */
#ifndef MEDIO_COMPAT_UIO_H
#define MEDIO_COMPAT_UIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compat/kdev.h"

#define MEDIO_UIO_MAPS 5 /* MAX_UIO_MAPS of linux/uio_driver.h */

struct medio_uio;
struct medio_uio_file;

/* Interrupts are counted from now on. -ENOMEM, -EMFILE, or what the card says to its interrupt, with words. It ends before its
 * device does. */
int medio_uio_new(struct medio_kdev *kdev, struct medio_uio **out, struct medio_error **err);
/* Open files say -EIO from then on, and are told. NULL is allowed. */
void medio_uio_free(struct medio_uio *uio);
/* How many interrupts there were: /sys/class/uio/uioN/event. */
uint32_t medio_uio_events(const struct medio_uio *uio);
/* Map n, below MEDIO_UIO_MAPS, is this region of the device's. */
void medio_uio_set_map(struct medio_uio *uio, unsigned n, unsigned region, uint64_t size);

/* What an open file does. changed() is called whenever poll() or a waiting read() may have another answer. -ENOMEM. */
int medio_uio_open(struct medio_uio *uio, void (*changed)(void *opaque), void *opaque,
	struct medio_uio_file **out);
/* The device's bus mastering is taken away, as uio_pci_generic does at each close. */
void medio_uio_close(struct medio_uio_file *file);
/* 0 and the count; -EAGAIN: nothing new (wait for changed(), or say so to O_NONBLOCK); -EINVAL: size is not 4; -EIO: the
 * device has no interrupt. */
int medio_uio_read(struct medio_uio_file *file, size_t size, uint32_t *count);
bool medio_uio_ready(const struct medio_uio_file *file);
/* irqcontrol, which uio_pci_generic does not have: -ENOSYS; -EINVAL: size is not 4; -EIO: no interrupt. The handler masks INTx
 * in the command register, and the program unmasks it there. */
int medio_uio_write(struct medio_uio_file *file, const void *buf, size_t size);
/* mmap() of /dev/uioN: map N at an offset of N pages, from its begin. -EINVAL: no such map, or longer than it. */
int64_t medio_uio_mmap(struct medio_uio *uio, struct medio_call *call);

#endif
