/* SPDX-License-Identifier: BSD-3-Clause */
/* Drivers of PCI devices. */
#ifndef MEDIO_HOST_DRIVER_H
#define MEDIO_HOST_DRIVER_H

#include "host/host.h"

struct medio_error;

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
/* Does a device on such a driver keep others of its IOMMU group from VFIO? Source: Linux
 * driver_managed_dma, "vfio_dev_viable" before 5.19. */
bool medio_driver_blocks_vfio(const char *driver);

/* Is it loaded? -EINVAL: no name of a driver; -ENOENT: it is not. Words say what to do: load it, or
 * which was meant. */
int medio_driver_find(const struct medio_host *host, const char *driver, struct medio_error **err);
/* Can this kernel load this module? 1 yes or it is built in, 0 no, -ENOENT: nobody can tell. */
int medio_module_available(const struct medio_host *host, const char *module);
/* The module that says it drives device name (its modalias): "nvme". -ENOENT: none, or nobody can
 * tell. */
int medio_module_for(const struct medio_host *host, const char *name, char *module, size_t size);

#endif
