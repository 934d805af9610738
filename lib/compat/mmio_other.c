/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/mmio_cpu.h"

#include <errno.h>

bool medio_mmio_cpu_known(void)
{
	return false;
}

int medio_mmio_cpu_step(pid_t tid, medio_mmio_cpu_code *code, medio_mmio_cpu_traps *traps,
	const struct medio_insn_bus *bus, uint64_t *at, uint8_t bytes[MEDIO_INSN_MAX])
{
	(void)tid;
	(void)code;
	(void)traps;
	(void)bus;
	(void)at;
	(void)bytes;
	return -EAGAIN;
}
