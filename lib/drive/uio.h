/* SPDX-License-Identifier: BSD-3-Clause */
/* A PCI device through UIO: the state of the backend, whose table is in uio.c. */
#ifndef MEDIO_DRIVE_UIO_H
#define MEDIO_DRIVE_UIO_H

#include "drive/backend.h"

#define MEDIO_UIO_BARS 6

struct medio_uio_bar {
	uint64_t start, size;
	bool io;       /* ports: read and written by calls; else memory, by the mapping */
	int fd;	       /* of resourceN, opened at first use; -1 */
	uint8_t *regs; /* the mapping, from the BAR's first byte on */
	/* The kernel takes the mapping's pages away with the device: no SIGBUS then. */
	struct medio_guard *guard;
};

/* card->backend_state. */
struct medio_uio {
	char name[20];	 /* "uio0" */
	char device[40]; /* its PCI address */
	int fd;		 /* /dev/uioN */
	int config;	 /* config space */
	struct medio_uio_bar bars[MEDIO_UIO_BARS];
	/* Interrupts: the count that was read last, and whom to tell of more. */
	uint32_t seen;
	int event;    /* -1: nobody */
	bool control; /* the driver takes 0 and 1 written to its file; uio_pci_generic does not */
};

#endif
