/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt state of an instance: what the client asked for (SET_IRQS), what the guest masked
 * (MSI-X table, MSI mask bits, INTx disable) and what is pending.
 */
#ifndef MEDIO_DEVICE_IRQ_H
#define MEDIO_DEVICE_IRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct medio_instance;

enum medio_irq_action { MEDIO_IRQ_MASK, MEDIO_IRQ_UNMASK, MEDIO_IRQ_TRIGGER };

struct medio_irq_view {
	uint32_t count;
	bool maskable, automasked, noresize;
};

/* -EINVAL: index out of range. count 0: the device has none of these. */
int medio_irq_info(struct medio_instance *inst, unsigned index, struct medio_irq_view *view);
/*
 * The three forms of SET_IRQS on vectors [start, start + count) of index. Errors: -EINVAL range,
 * or another of INTx, MSI, MSI-X is in use; -ENOTTY an action the index has not.
 *
 * none: the action on all of them. bools: on those with bools[i] != 0. disable: start = count = 0.
 */
int medio_irq_set_none(struct medio_instance *inst, unsigned index, enum medio_irq_action action,
	uint32_t start, uint32_t count);
int medio_irq_set_bools(struct medio_instance *inst, unsigned index, enum medio_irq_action action,
	uint32_t start, uint32_t count, const uint8_t *bools);
/* eventfds: fds[i], or -1 to de-assign; fds NULL de-assigns all. On success fds are taken. */
int medio_irq_set_eventfds(struct medio_instance *inst, unsigned index,
	enum medio_irq_action action, uint32_t start, uint32_t count, const int *fds);
int medio_irq_disable(struct medio_instance *inst, unsigned index);

/* Signal the ERR or REQ index (device error; please give the device back). -ENOENT: nobody asked. */
int medio_irq_signal(struct medio_instance *inst, unsigned index);

#endif
