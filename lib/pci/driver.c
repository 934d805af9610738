/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/driver.h"

#include <stddef.h>
#include <string.h>

#include "util/cleanup.h"

enum medio_driver_kind medio_driver_kind(const char *driver)
{
	static const struct {
		const char *name;
		enum medio_driver_kind kind;
	} known[] = {
		{ "", MEDIO_DRIVER_NONE },
		{ "uio_pci_generic", MEDIO_DRIVER_UIO },
		{ "igb_uio", MEDIO_DRIVER_UIO },
		{ "pci-stub", MEDIO_DRIVER_STUB },
		{ "pcieport", MEDIO_DRIVER_PORT },
	};

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, driver))
			return known[i].kind;
	/* vfio-pci, mlx5_vfio_pci, nvgrace_gpu_vfio_pci, vfio-platform */
	return strstr(driver, "vfio") ? MEDIO_DRIVER_VFIO : MEDIO_DRIVER_KERNEL;
}

bool medio_driver_blocks_vfio(const char *driver)
{
	enum medio_driver_kind kind = medio_driver_kind(driver);

	return kind == MEDIO_DRIVER_KERNEL || kind == MEDIO_DRIVER_UIO;
}
