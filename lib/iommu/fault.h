/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault queue of a domain: the last 64 accesses of the device that were refused, as the fault
 * records of a hardware IOMMU. Recording never allocates and costs one clock reading, so a device
 * that faults without end harms nobody.
 */
#ifndef MEDIO_IOMMU_FAULT_H
#define MEDIO_IOMMU_FAULT_H

#include <stddef.h>
#include <stdint.h>

#define MEDIO_IOMMU_FAULTS	 64u
#define MEDIO_IOMMU_FAULTS_EMPTY 2u /* kept by a domain in which nothing was mapped yet */

enum medio_fault_reason {
	MEDIO_FAULT_NOT_MAPPED = 1, /* -EFAULT */
	MEDIO_FAULT_PERMISSION,	    /* -EACCES */
	MEDIO_FAULT_REMOTE,	/* -EREMOTE: the client's memory cannot be reached by a pointer */
	MEDIO_FAULT_GONE,	/* -EFAULT: the client took the memory away (truncated its file) */
	MEDIO_FAULT_BUS_MASTER, /* -ENODEV: recorded by the device layer */
};

struct medio_iommu_fault {
	uint64_t iova, size; /* of the whole access */
	uint64_t at;	     /* first address that failed */
	uint64_t time_ns;    /* CLOCK_MONOTONIC */
	uint32_t prot;	     /* MEDIO_PROT_* that was wanted */
	enum medio_fault_reason reason;
};

/* A ring; oldest is at head. It starts in `few` and moves to an allocated one at the first map. */
struct medio_faults {
	struct medio_iommu_fault *ring; /* owned; NULL: few */
	unsigned cap, head, count;
	uint64_t total; /* ever recorded */
	uint64_t lost;	/* overwritten before they were taken */
	struct medio_iommu_fault few[MEDIO_IOMMU_FAULTS_EMPTY];
};

void medio_faults_init(struct medio_faults *faults);
void medio_faults_fini(struct medio_faults *faults);
/* Make the ring MEDIO_IOMMU_FAULTS long. Out of memory: it stays short. */
void medio_faults_grow(struct medio_faults *faults);
void medio_faults_add(struct medio_faults *faults, uint64_t iova, uint64_t size, uint64_t at,
	unsigned prot, enum medio_fault_reason reason);

/*
 * "iova 0x1000 size 0x20 write: not mapped", and where, if not at iova. Into buf, at most size
 * bytes with the NUL; returns the length as snprintf does.
 */
int medio_iommu_fault_print(const struct medio_iommu_fault *fault, char *buf, size_t size);

#endif
