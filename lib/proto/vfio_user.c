/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "proto/vfio_user.h"
#include "util/cleanup.h"

static const char *const names[] = {
	[MEDIO_VU_VERSION] = "VERSION",
	[MEDIO_VU_DMA_MAP] = "DMA_MAP",
	[MEDIO_VU_DMA_UNMAP] = "DMA_UNMAP",
	[MEDIO_VU_GET_INFO] = "GET_INFO",
	[MEDIO_VU_GET_REGION_INFO] = "GET_REGION_INFO",
	[MEDIO_VU_GET_REGION_IO_FDS] = "GET_REGION_IO_FDS",
	[MEDIO_VU_GET_IRQ_INFO] = "GET_IRQ_INFO",
	[MEDIO_VU_SET_IRQS] = "SET_IRQS",
	[MEDIO_VU_REGION_READ] = "REGION_READ",
	[MEDIO_VU_REGION_WRITE] = "REGION_WRITE",
	[MEDIO_VU_DMA_READ] = "DMA_READ",
	[MEDIO_VU_DMA_WRITE] = "DMA_WRITE",
	[MEDIO_VU_RESET] = "RESET",
	[MEDIO_VU_REGION_WRITE_MULTI] = "REGION_WRITE_MULTI",
	[MEDIO_VU_DEVICE_FEATURE] = "DEVICE_FEATURE",
	[MEDIO_VU_MIG_DATA_READ] = "MIG_DATA_READ",
	[MEDIO_VU_MIG_DATA_WRITE] = "MIG_DATA_WRITE",
};

const char *medio_vu_cmd_name(uint16_t cmd)
{
	static _Thread_local char unknown[16];

	if (cmd == MEDIO_VU_ATTRIBUTE)
		return "ATTRIBUTE";
	if (cmd < MEDIO_ARRAY_SIZE(names) && names[cmd])
		return names[cmd];
	snprintf(unknown, sizeof(unknown), "command %u", cmd);
	return unknown;
}
