/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stopped thread is about to do, and having done it, for mmio_trap.c: one file a processor, mmio_x86_64.c and
 * mmio_other.c. */
#ifndef MEDIO_COMPAT_MMIO_CPU_H
#define MEDIO_COMPAT_MMIO_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "compat/insn.h"

/* Has this been written for the machine? */
bool medio_mmio_cpu_known(void);

/* Read size bytes of the thread's code at addr, as many as there are up to the end of what is mapped; how many. */
typedef size_t medio_mmio_cpu_code(void *opaque, uint64_t addr, void *buf, size_t size);
/* Whether an address is one that traps. */
typedef bool medio_mmio_cpu_traps(void *opaque, uint64_t addr);

/*
 * Do the instruction that the stopped thread stands at, if it touches an address that traps; registers are then set as after
 * it.
 *   -EAGAIN  it touches none: the thread is elsewhere by now
 *   -EINVAL  the instruction is none that is known; *at is where, bytes its bytes
 *   -ESRCH   the thread is gone
 * or what the bus said.
 */
int medio_mmio_cpu_step(pid_t tid, medio_mmio_cpu_code *code, medio_mmio_cpu_traps *traps,
	const struct medio_insn_bus *bus, uint64_t *at, uint8_t bytes[MEDIO_INSN_MAX]);

#endif
