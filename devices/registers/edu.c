/* SPDX-License-Identifier: BSD-3-Clause */
/* QEMU's device for teaching. Source: QEMU, docs/specs/edu.rst. */
#include "registers/registers.h"

const struct medio_register registers_edu[] = {
	{ "identification", 0, 0x00, 4 },
	{ "liveness", 0, 0x04, 4 },
	{ "factorial", 0, 0x08, 4 },
	{ "status", 0, 0x20, 4 },
	{ "irq_status", 0, 0x24, 4 },
	{ "irq_raise", 0, 0x60, 4 },
	{ "irq_ack", 0, 0x64, 4 },
	{ "dma_source", 0, 0x80, 8 },
	{ "dma_destination", 0, 0x88, 8 },
	{ "dma_count", 0, 0x90, 8 },
	{ "dma_command", 0, 0x98, 8 },
	{ 0 },
};
