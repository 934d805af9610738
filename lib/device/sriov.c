/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/sriov.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/private.h"
#include "pci/sriov.h"
#include "util/error.h"

/* ---- One VF ----------------------------------------------------------------------------------------- */

static int make(struct medio_instance *pf, unsigned index, struct medio_error **err)
{
	struct medio_vfs *vfs = pf->vfs;
	struct medio_instance_options opts = vfs->opts;
	char uuid[37];
	int ret = medio_vf_uuid(pf->uuid, index, uuid);
	if (ret)
		return medio_error_set(err, -ret, "no UUID for VF %u", index);
	opts.uuid = uuid;
	opts.vf_options = NULL;
	opts.vf = NULL;
	opts.vf_opaque = NULL;
	if (vfs->opts.vf_options)
		vfs->opts.vf_options(vfs->opts.vf_opaque, index, &opts);
	ret = medio_instance_make(pf->loop, pf->type->sriov->vf,
		&(struct medio_instance_place){ pf, index }, &opts, &vfs->vf[index], err);
	if (ret)
		medio_error_prefix(err, "VF %u", index);
	return ret;
}

static void drop(struct medio_instance *pf, unsigned index)
{
	struct medio_instance *vf = pf->vfs->vf[index];
	medio_instance_end(vf);
	pf->vfs->vf[index] = NULL;
}

/* ---- All of them ------------------------------------------------------------------------------------ */

/* The device agrees, or hears that they have gone. */
static int ask_device(struct medio_instance *pf, unsigned num, struct medio_error **err)
{
	struct medio_dev *dev = &pf->chain.device;
	struct medio_error *said = NULL;
	if (!dev->down->vfs)
		return 0;
	struct medio_error **before = pf->fail;
	pf->fail = &said;
	int ret = dev->down->vfs(dev, num);
	pf->fail = before;
	if (ret > 0)
		ret = -EINVAL;
	if (ret && said)
		medio_error_set(err, -ret, "%s", medio_error_text(said));
	else if (ret)
		medio_error_set(err, -ret, "%s: no %u virtual functions: %s", pf->type->name, num,
			strerror(-ret));
	medio_error_free(said);
	return ret;
}

/* In order; what was made of one that cannot be made goes in the other order, as in the kernel. */
static int bring_up(struct medio_instance *pf, unsigned num, struct medio_error **err)
{
	struct medio_vfs *vfs = pf->vfs;
	unsigned made = 0;
	vfs->busy = true;
	int ret = ask_device(pf, num, err);
	if (ret) {
		vfs->busy = false;
		return ret;
	}
	vfs->num = num;
	while (made < num && ret == 0) {
		ret = make(pf, made, err);
		made += ret == 0;
	}
	if (ret) {
		while (made)
			drop(pf, --made);
		vfs->num = 0;
		ask_device(pf, 0, NULL);
		vfs->busy = false;
		return ret;
	}
	for (unsigned i = 0; i < num && vfs->opts.vf; i++)
		vfs->opts.vf(vfs->opts.vf_opaque, vfs->vf[i], i, true);
	vfs->busy = false;
	return 0;
}

void medio_vfs_take_down(struct medio_instance *pf)
{
	struct medio_vfs *vfs = pf->vfs;
	if (!vfs || !vfs->num || vfs->busy)
		return;
	vfs->busy = true;
	for (unsigned i = 0; i < vfs->num; i++) {
		if (vfs->opts.vf)
			vfs->opts.vf(vfs->opts.vf_opaque, vfs->vf[i], i, false);
		drop(pf, i);
	}
	vfs->num = 0;
	vfs->kept = false;
	ask_device(pf, 0, NULL);
	vfs->busy = false;
}

void medio_vfs_before_reset(struct medio_instance *pf)
{
	if (pf->vfs && !pf->vfs->kept)
		medio_vfs_take_down(pf);
}

void medio_vfs_after_reset(struct medio_instance *pf)
{
	if (pf->vfs && pf->vfs->num)
		medio_pci_sriov_set(&pf->config, pf->vfs->num);
}

/* ---- What leads there ------------------------------------------------------------------------------- */

static int up_from_registers(struct medio_instance *pf, struct medio_error **err)
{
	int ret = bring_up(pf, medio_pci_sriov_num(&pf->config), err);
	if (ret)
		medio_pci_sriov_disable(&pf->config);
	return ret;
}

void medio_vfs_follow(struct medio_instance *pf)
{
	struct medio_vfs *vfs = pf->vfs;
	struct medio_error *err = NULL;
	if (!vfs || vfs->busy)
		return;
	bool enabled = medio_pci_sriov_enabled(&pf->config);
	if (!enabled && vfs->num)
		medio_vfs_take_down(pf);
	else if (!enabled)
		medio_instance_guest_error(pf,
			"VF Enable stays clear: NumVFs is %u (allowed: 1 to %u, TotalVFs)",
			medio_pci_sriov_num(&pf->config), pf->type->sriov->total_vfs);
	else if (!vfs->num && up_from_registers(pf, &err) < 0)
		medio_instance_guest_error(pf, "VF Enable stays clear: %s", medio_error_text(err));
	medio_error_free(err);
}

int medio_vfs_load(struct medio_instance *pf)
{
	struct medio_error *err = NULL;
	if (!pf->vfs)
		return 0;
	/* Those that were asked for here stay, whatever the state says of another card's. */
	if (pf->vfs->num) {
		medio_vfs_after_reset(pf);
		return 0;
	}
	if (!medio_pci_sriov_enabled(&pf->config))
		return 0;
	int ret = up_from_registers(pf, &err);
	if (ret)
		medio_instance_log(
			pf, MEDIO_LOG_ERROR, "no virtual functions: %s", medio_error_text(err));
	medio_error_free(err);
	return ret;
}

int medio_instance_set_vfs(struct medio_instance *pf, unsigned n, struct medio_error **err)
{
	struct medio_vfs *vfs = pf->vfs;
	if (pf->no_vfs)
		return medio_error_set(err, EOPNOTSUPP, "%s: %s", pf->type->name, pf->no_vfs);
	if (!vfs)
		return medio_error_set(err, ENODEV, "%s has no virtual functions", pf->type->name);
	if (n > pf->type->sriov->total_vfs)
		return medio_error_set(err, ERANGE, "%u virtual functions: %s has %u at most", n,
			pf->type->name, pf->type->sriov->total_vfs);
	if (vfs->busy)
		return medio_error_set(
			err, EBUSY, "virtual functions are being made or taken away");
	if (n == vfs->num) {
		vfs->kept = n;
		return 0;
	}
	if (n && vfs->num)
		return medio_error_set(err, EBUSY,
			"there are %u virtual functions already; take them away first (0), then ask for %u",
			vfs->num, n);
	if (!n) {
		medio_vfs_take_down(pf);
		medio_pci_sriov_set(&pf->config, 0);
		return 0;
	}
	/* The registers first: a VF whose init() looks at them must find what a driver had written. */
	medio_pci_sriov_set(&pf->config, n);
	int ret = bring_up(pf, n, err);
	if (ret)
		medio_pci_sriov_set(&pf->config, 0);
	else
		vfs->kept = true;
	return ret;
}

void medio_instance_no_vfs(struct medio_instance *inst, const char *why)
{
	inst->no_vfs = why;
}

/* ---- Life ------------------------------------------------------------------------------------------- */

/* What creation was told, for as long as the PF lives: the caller's arrays may go. */
static int keep_options(struct medio_vfs *vfs, const struct medio_instance_options *opts)
{
	char **filters = calloc(opts->nfilters + 1, sizeof(*filters));
	if (!filters)
		return -ENOMEM;
	vfs->opts = *opts;
	vfs->opts.filters = (const char *const *)filters;
	vfs->opts.uuid = NULL;
	vfs->opts.params = NULL;
	vfs->opts.nparams = 0;
	vfs->opts.stats = NULL; /* the PF's own */
	for (unsigned i = 0; i < opts->nfilters; i++) {
		filters[i] = strdup(opts->filters[i]);
		if (!filters[i])
			return -ENOMEM;
	}
	return 0;
}

static void vfs_free(struct medio_vfs *vfs)
{
	char **filters = (char **)vfs->opts.filters;
	for (unsigned i = 0; filters && i < vfs->opts.nfilters; i++)
		free(filters[i]);
	free(filters);
	free(vfs->vf);
	free(vfs);
}

int medio_vfs_init(struct medio_instance *inst, const struct medio_instance_options *opts,
	struct medio_error **err)
{
	if (!inst->type->sriov || !inst->layout->sriov)
		return 0;
	struct medio_vfs *vfs = calloc(1, sizeof(*vfs));
	if (!vfs)
		return medio_error_set(err, ENOMEM, "out of memory");
	vfs->vf = calloc(inst->type->sriov->total_vfs, sizeof(struct medio_instance *));
	if (!vfs->vf || keep_options(vfs, opts) < 0) {
		vfs_free(vfs);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	inst->vfs = vfs;
	return 0;
}

void medio_vfs_fini(struct medio_instance *inst)
{
	if (!inst->vfs)
		return;
	medio_vfs_take_down(inst);
	vfs_free(inst->vfs);
	inst->vfs = NULL;
}
