/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions of a device. Source: PCI Express SR-IOV; Linux drivers/pci/iov.c. */
#ifndef MEDIO_HOST_SRIOV_H
#define MEDIO_HOST_SRIOV_H

#include "host/device.h"

struct medio_error;

struct medio_sriov {
	char name[MEDIO_BDF_TEXT];
	unsigned total, num;	 /* VFs there can be, and are */
	unsigned offset, stride; /* of their routing IDs: RID = PF + offset + stride * n */
	uint16_t vf_device;
	bool autoprobe;	       /* the kernel's drivers take new VFs */
	struct medio_strv vfs; /* their addresses, in order of their numbers */
};

/* Read; medio_sriov_fini() it. Errors with words: -ENODEV the device has gone; -EOPNOTSUPP it has
 * no SR-IOV (perhaps as it is a VF itself); -ENOMEM. */
int medio_sriov_load(const struct medio_host *host, const char *name, struct medio_sriov *out,
	struct medio_error **err);
void medio_sriov_fini(struct medio_sriov *sriov);

/* Has it a driver that may make VFs? Words say what to do: -ENOENT it has not. */
int medio_sriov_ready(
	const struct medio_host *host, const struct medio_sriov *sriov, struct medio_error **err);

/* The values to write to sriov_numvfs to get from num to count; how many: 0 to 2. */
unsigned medio_sriov_writes(const struct medio_sriov *sriov, unsigned count, unsigned values[2]);
/* Where they are written: %s is the address. */
#define MEDIO_SRIOV_NUMVFS MEDIO_PCI_DEVICES "/%s/sriov_numvfs"

/*
 * Make it count VFs. Verified by reading it again; on failure, and when host->stop says so, the
 * number before is set again (the VFs are new ones, without what was configured on them). Errors
 * with words: -ERANGE more than total; -ENOENT no driver, or one that makes none; -EBUSY; -EPERM a
 * VF is in use; -ENOMEM no room for their registers or numbers; -EINTR; -EIO it made another number
 * of them. *restored: false if what was there could not be set again; true otherwise.
 */
int medio_sriov_set(const struct medio_host *host, const struct medio_sriov *sriov, unsigned count,
	bool *restored, struct medio_error **err);

#endif
