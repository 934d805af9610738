/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel's drivers of PCI devices are, by their names. */
#ifndef MEDIO_PCI_DRIVER_H
#define MEDIO_PCI_DRIVER_H

#include <stdbool.h>

enum medio_driver_kind {
	MEDIO_DRIVER_NONE,
	MEDIO_DRIVER_KERNEL, /* drives the device itself */
	MEDIO_DRIVER_VFIO,   /* gives it to programs through VFIO: vfio-pci and its variants */
	MEDIO_DRIVER_UIO,    /* through UIO: uio_pci_generic, igb_uio */
	MEDIO_DRIVER_STUB,   /* does nothing with it: pci-stub */
	MEDIO_DRIVER_PORT,   /* of a bridge, and does no DMA: pcieport */
};

/* By its name; "": none. */
enum medio_driver_kind medio_driver_kind(const char *driver);
/*
 * Does a device on such a driver keep others of its IOMMU group from VFIO? Those that do not are the
 * drivers which say that they leave DMA alone. Source: Linux, driver_managed_dma of struct
 * pci_driver (vfio_dev_viable() before 5.19).
 */
bool medio_driver_blocks_vfio(const char *driver);

#endif
