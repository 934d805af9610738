/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for "edu", QEMU's device for teaching: it inverts a word, works out factorials, and copies
 * memory to and from a buffer of its own, telling by an interrupt when it has. Small enough to be read
 * as the first driver after <medio/driver.h>.
 *
 * Source: QEMU, docs/specs/edu.rst.
 *
 * Threads: the card's.
 */
#ifndef EDU_H
#define EDU_H

#include <medio/driver.h>

#define EDU_VENDOR  0x1234
#define EDU_DEVICE  0x11e8
#define EDU_BUFFER  4096 /* bytes of the device's own memory */
#define EDU_MAX_DMA 2048 /* bytes of one copy: QEMU before 8.0 ends at a copy of the whole buffer */

struct edu;

/*
 * Take the card, with interrupts of the kind irq: MEDIO_CARD_INTX, MEDIO_CARD_MSI, or -1 for none
 * (then the device is asked over and over). The card must outlive it. -ENODEV: another device;
 * otherwise the card's errno; -ENOMEM.
 */
int edu_open(struct medio_card *card, int irq, struct edu **out);
/* Interrupts off, memory back. NULL is allowed. */
void edu_close(struct edu *edu);

/* The device's version: major in the upper half, minor in the lower. */
unsigned edu_version(const struct edu *edu);
/* -EIO: the device does not invert a word as it should. Or the card's errno. */
int edu_check(struct edu *edu);
/* n!, modulo 2^32. -ETIMEDOUT: no answer within two seconds. Or the card's errno. */
int edu_factorial(struct edu *edu, uint32_t n, uint32_t *out);
/*
 * Copy size bytes between memory and the device's buffer, from `at` on; at + size is at most
 * EDU_BUFFER. -EINVAL: it is more; -ETIMEDOUT; the errno of medio_card_dma_alloc_any() if there can
 * be no DMA; or the card's.
 */
int edu_put(struct edu *edu, unsigned at, const void *data, unsigned size);
int edu_get(struct edu *edu, unsigned at, void *data, unsigned size);
/* Have the device copy at most EDU_MAX_DMA bytes to or from any iova of the card's. As above. */
int edu_put_iova(struct edu *edu, unsigned at, uint64_t iova, unsigned size);
int edu_get_iova(struct edu *edu, unsigned at, uint64_t iova, unsigned size);
/* Interrupts served so far. */
uint64_t edu_interrupts(const struct edu *edu);

#endif
