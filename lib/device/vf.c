/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is whose: a physical function and its virtual ones, as devices and embedders ask for it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "device/private.h"
#include "device/sriov.h"
#include "pci/sriov.h"

struct medio_instance *medio_instance_pf(const struct medio_instance *inst)
{
	return inst->pf;
}

struct medio_instance *medio_instance_vf(const struct medio_instance *inst, unsigned n)
{
	return inst->vfs && n < inst->vfs->num ? inst->vfs->vf[n] : NULL;
}

int medio_instance_sriov(const struct medio_instance *inst, struct medio_sriov_info *out)
{
	const struct medio_sriov *sriov = inst->type->sriov;
	if (!inst->vfs)
		return -ENODEV;
	*out = (struct medio_sriov_info){
		.total = sriov->total_vfs,
		.num = inst->vfs->num,
		.offset = medio_pci_sriov_offset(sriov),
		.stride = medio_pci_sriov_stride(sriov),
		.vf_device = sriov->vf->id.device,
	};
	return 0;
}

struct medio_dev *medio_vf_pf(const struct medio_dev *dev)
{
	return dev->inst->pf ? &dev->inst->pf->chain.device : NULL;
}

unsigned medio_vf_index(const struct medio_dev *dev)
{
	return dev->inst->vf_index;
}

struct medio_dev *medio_pf_vf(const struct medio_dev *dev, unsigned n)
{
	struct medio_instance *vf = medio_instance_vf(dev->inst, n);
	return vf ? &vf->chain.device : NULL;
}

unsigned medio_pf_num_vfs(const struct medio_dev *dev)
{
	return dev->inst->vfs ? dev->inst->vfs->num : 0;
}

bool medio_vf_is_deaf(const struct medio_instance *inst)
{
	return inst->pf && !medio_pci_sriov_memory(&inst->pf->config);
}

int medio_vf_uuid(const char *pf, unsigned index, char out[37])
{
	uuid_t space, uuid;
	char name[16];
	if (uuid_parse(pf, space) < 0)
		return -EINVAL;
	int len = snprintf(name, sizeof(name), "vf%u", index);
	uuid_generate_sha1(uuid, space, name, (size_t)len);
	uuid_unparse_lower(uuid, out);
	return 0;
}
