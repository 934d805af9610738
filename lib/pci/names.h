/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of vendors, devices and classes, from libpci's database (pci.ids). Where the database is
 * missing or has no entry, and with a NULL `struct medio_pci_names`, the numbers stand in, in
 * lspci's words ("Device 4348:3253").
 *
 * Threads: one at a time for one object.
 */
#ifndef MEDIO_PCI_NAMES_H
#define MEDIO_PCI_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct medio_pci_names;

/* lspci's -n and -nn. */
enum medio_pci_numeric { MEDIO_PCI_NAMES_ONLY, MEDIO_PCI_NUMBERS_ONLY, MEDIO_PCI_BOTH };

/* path: the database, NULL for the system's. A database that is missing or cannot be read is no
 * error. -ENOMEM. */
int medio_pci_names_new(const char *path, struct medio_pci_names **out);
/* NULL is allowed. */
void medio_pci_names_free(struct medio_pci_names *names);

/* Each stores text in buf, cut to size (which is at least 32). class_code is base class and
 * subclass: 0x0700. */
void medio_pci_names_class(struct medio_pci_names *names, enum medio_pci_numeric numeric,
	uint16_t class_code, char *buf, size_t size);
void medio_pci_names_device(struct medio_pci_names *names, enum medio_pci_numeric numeric,
	uint16_t vendor, uint16_t device, char *buf, size_t size);
void medio_pci_names_subsystem(struct medio_pci_names *names, enum medio_pci_numeric numeric,
	uint16_t vendor, uint16_t device, uint16_t subsystem_vendor, uint16_t subsystem_device,
	char *buf, size_t size);
/* Empty text when the database has no name. */
void medio_pci_names_prog_if(struct medio_pci_names *names, uint16_t class_code, uint8_t prog_if,
	char *buf, size_t size);

#endif
