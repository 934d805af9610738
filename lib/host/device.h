/* SPDX-License-Identifier: BSD-3-Clause */
/* A device of this machine, as its folder in sysfs tells. */
#ifndef MEDIO_HOST_DEVICE_H
#define MEDIO_HOST_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/bdf.h"
#include "host/host.h"

struct medio_error;

#define MEDIO_DRIVER_TEXT 64

struct medio_host_device {
	char name[64]; /* "0000:01:00.0"; a group may have others: "a0000000.smmu" */
	bool pci;      /* all below but driver are of PCI devices */
	char driver[MEDIO_DRIVER_TEXT];	  /* "": none */
	char override[MEDIO_DRIVER_TEXT]; /* driver_override, "": none */
	uint16_t vendor, device;
	uint32_t class_code; /* base class, subclass, programming interface: 0x020000 */
	int group;	     /* IOMMU group, -1: none */
	bool is_virtual;     /* a VF of physfn */
	char physfn[MEDIO_BDF_TEXT];
};

/* Where PCI devices are; %s is the address. */
#define MEDIO_PCI_DEVICES "/sys/bus/pci/devices"
#define MEDIO_PCI_DRIVERS "/sys/bus/pci/drivers"

/* Turn what a user typed into the name of a device that is there. Errors with words: -EINVAL it is
 * no address; -ENODEV there is no such device. Both name the nearest there is. */
int medio_host_find(const struct medio_host *host, const char *text, char name[MEDIO_BDF_TEXT],
	struct medio_error **err);
/* Read a PCI device. -ENODEV: it is not there (any more). */
int medio_host_device_load(
	const struct medio_host *host, const char *name, struct medio_host_device *out);
/* Names of every PCI device, in order. -ENOENT: no PCI here; -errno. */
int medio_host_devices(const struct medio_host *host, struct medio_strv *names);

/* A bridge: the kernel keeps those, VFIO neither needs nor takes them. */
bool medio_host_device_is_bridge(const struct medio_host_device *dev);
/* The driver it has now, "": none. */
void medio_host_device_driver(
	const struct medio_host *host, const char *name, char driver[MEDIO_DRIVER_TEXT]);
/*
 * The files by which programs drive it, appended to nodes: /dev/vfio/GROUP,
 * /dev/vfio/devices/vfioN, /dev/uioN. Only while a driver for that has it. -ENOMEM.
 */
int medio_host_device_nodes(const struct medio_host *host, const struct medio_host_device *dev,
	struct medio_strv *nodes);

#endif
