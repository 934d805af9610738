/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card of VFIO's, as programs that drive one from user space open it: through its group and a container, or by its character
 * device and /dev/iommu. Steps are TAP on standard output; what nothing can go on without ends the program.
 */
#ifndef RUN_CARD_H
#define RUN_CARD_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define RUN_BARS 6

struct run_card {
	int device;
	int group, container; /* of a group; else -1 */
	int iommu;	      /* /dev/iommu; else -1 */
	uint32_t ioas;
	uint64_t config; /* where configuration space begins in device */
	uint8_t *bars[RUN_BARS];
	uint64_t sizes[RUN_BARS];
	uint64_t iova, last; /* the first range that memory may have */
};

/* A step: one line. */
void run_is(const char *name, long got, long want);
/* The same of what must be so. */
void run_must(const char *name, bool so);
/* The plan, and main()'s answer. */
int run_finish(void);

/* name is "0000:00:1e.0". With memory and bus mastering switched on. */
void run_card_open(struct run_card *card, const char *name, bool by_group);
/* All of a BAR, once. */
uint8_t *run_card_bar(struct run_card *card, unsigned bar);
/* size bytes of private memory that begin at a multiple of size, mapped at iova for the device. */
void *run_card_memory(struct run_card *card, uint64_t size, uint64_t iova);
void run_card_unmap(struct run_card *card, uint64_t iova, uint64_t size);
/* Eventfds for MSI-X vectors from 0 on, all at once; -1: none for that one. */
void run_card_vectors(struct run_card *card, const int *fds, unsigned count);
/* Without any. */
void run_card_no_vectors(struct run_card *card);
void run_card_close(struct run_card *card);

#endif
