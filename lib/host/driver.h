/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drivers of PCI devices on this machine: are they loaded, which would fit. What one is by its
 * name is in pci/driver.h.
 */
#ifndef MEDIO_HOST_DRIVER_H
#define MEDIO_HOST_DRIVER_H

#include "host/host.h"
#include "pci/driver.h"

struct medio_error;

/* Is it loaded? -EINVAL: no name of a driver; -ENOENT: it is not. Words say what to do: load it, or
 * which was meant. */
int medio_driver_find(const struct medio_host *host, const char *driver, struct medio_error **err);
/* Can this kernel load this module? 1 yes or it is built in, 0 no, -ENOENT: nobody can tell. */
int medio_module_available(const struct medio_host *host, const char *module);
/* The module that says it drives device name (its modalias): "nvme". -ENOENT: none, or nobody can
 * tell. */
int medio_module_for(const struct medio_host *host, const char *name, char *module, size_t size);

#endif
