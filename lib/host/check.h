/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands between a program and a device, found without opening it: of the machine, of a group,
 * of one device. Each call appends findings; medio_findings.failed tells of missing memory.
 */
#ifndef MEDIO_HOST_CHECK_H
#define MEDIO_HOST_CHECK_H

#include "host/finding.h"
#include "host/group.h"

/* All of it: what follows, each group that somebody wants for VFIO, what was left behind. */
void medio_check_machine(const struct medio_host *host, struct medio_findings *findings);
/* Device name and its group. */
void medio_check_device(
	const struct medio_host *host, const char *name, struct medio_findings *findings);

/* Is this a program of `medio run`'s, which serves its devices without any of the kernel's VFIO? */
bool medio_check_is_run(const struct medio_host *host);
/* Is there an IOMMU, and if not, why and what to do; interrupt remapping; no-IOMMU mode. */
void medio_check_iommu(const struct medio_host *host, struct medio_findings *findings);
/* Drivers for programs, and the files to open. */
void medio_check_drivers(const struct medio_host *host, struct medio_findings *findings);
/* Memory that may be locked, the kernel's lockdown. */
void medio_check_limits(const struct medio_host *host, struct medio_findings *findings);
/* Is a group viable, and if not, why and what to do. wanted: say what stands in the way also if no
 * device of it is on VFIO yet. */
void medio_check_group(const struct medio_host *host, const struct medio_host_group *group,
	bool wanted, struct medio_findings *findings);
/* A driver_override that the device's driver is not: somebody left it behind. */
void medio_check_override(const struct medio_host_device *dev, struct medio_findings *findings);
/* May this user open path? What is missing, in words. Adds nothing where the file is not there and
 * must_exist is false. */
void medio_check_node(const struct medio_host *host, const char *path, bool must_exist,
	struct medio_findings *findings);

#endif
