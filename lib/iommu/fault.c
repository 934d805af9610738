/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/fault.h"

#include <inttypes.h>
#include <medio/device.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct medio_iommu_fault *ring_of(struct medio_faults *faults)
{
	return faults->ring ? faults->ring : faults->few;
}

void medio_faults_init(struct medio_faults *faults)
{
	*faults = (struct medio_faults){ .cap = MEDIO_IOMMU_FAULTS_EMPTY };
}

void medio_faults_fini(struct medio_faults *faults)
{
	free(faults->ring);
	medio_faults_init(faults);
}

void medio_faults_grow(struct medio_faults *faults)
{
	if (faults->ring)
		return;
	struct medio_iommu_fault *ring = malloc(MEDIO_IOMMU_FAULTS * sizeof(*ring));
	if (!ring)
		return;
	for (unsigned i = 0; i < faults->count; i++)
		ring[i] = faults->few[(faults->head + i) % faults->cap];
	faults->ring = ring;
	faults->cap = MEDIO_IOMMU_FAULTS;
	faults->head = 0;
}

void medio_faults_add(struct medio_faults *faults, uint64_t iova, uint64_t size, uint64_t at,
	unsigned prot, enum medio_fault_reason reason)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	struct medio_iommu_fault *slot = &ring_of(
		faults)[(faults->head + faults->count) % faults->cap];
	if (faults->count == faults->cap) {
		faults->head = (faults->head + 1) % faults->cap;
		faults->lost++;
	} else {
		faults->count++;
	}
	faults->total++;
	*slot = (struct medio_iommu_fault){
		.iova = iova,
		.size = size,
		.at = at,
		.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		.prot = prot,
		.reason = reason,
	};
}

int medio_iommu_fault_print(const struct medio_iommu_fault *fault, char *buf, size_t size)
{
	static const char *const reasons[] = {
		[MEDIO_FAULT_NOT_MAPPED] = "not mapped",
		[MEDIO_FAULT_PERMISSION] = "not permitted by the mapping",
		[MEDIO_FAULT_REMOTE] = "client memory that cannot be mapped",
		[MEDIO_FAULT_GONE] = "memory gone, its file was truncated",
		[MEDIO_FAULT_BUS_MASTER] = "bus mastering is off",
	};
	static const char *const wants[] = { "access", "read", "write", "read and write" };
	const char *reason = "unknown reason";
	if ((size_t)fault->reason < sizeof(reasons) / sizeof(reasons[0]) && reasons[fault->reason])
		reason = reasons[fault->reason];
	char at[32] = "";
	if (fault->at != fault->iova)
		snprintf(at, sizeof(at), " at 0x%" PRIx64, fault->at);
	return snprintf(buf, size, "iova 0x%" PRIx64 " size 0x%" PRIx64 " %s: %s%s", fault->iova,
		fault->size, wants[fault->prot & 3], reason, at);
}
