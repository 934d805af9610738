/* SPDX-License-Identifier: BSD-3-Clause */
/* A PCI device through UIO: what the files of the backend share. Its table is in uio.c. */
#ifndef MEDIO_DRIVE_UIO_H
#define MEDIO_DRIVE_UIO_H

#include "drive/backend.h"

#define MEDIO_UIO_BARS 6

struct medio_uio_bar {
	uint64_t start, size;
	bool io;       /* ports: read and written by calls; else memory, by the mapping */
	int fd;	       /* of resourceN, opened at first use; -1 */
	uint8_t *regs; /* the mapping, from the BAR's first byte on */
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

/* As the operation of struct medio_backend: where memory is for a device without an IOMMU. */
int medio_uio_dma_place(struct medio_card *card, const void *ptr, uint64_t size, uint64_t *iova);
int medio_uio_dma_map(struct medio_card *card, const struct medio_card_mapping *mapping);
int medio_uio_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size);

#endif
