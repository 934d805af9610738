/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/instance.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "device/private.h"
#include "device/sriov.h"
#include "iommu/iommu.h"
#include "util/error.h"
#include "util/param.h"

struct medio_loop *medio_instance_loop(const struct medio_instance *inst)
{
	return inst->loop;
}

const struct medio_type *medio_instance_type(const struct medio_instance *inst)
{
	return inst->type;
}

struct medio_iommu *medio_instance_iommu(struct medio_instance *inst)
{
	return inst->iommu;
}

struct medio_pci_config *medio_instance_config(struct medio_instance *inst)
{
	return &inst->config;
}

struct medio_dev *medio_instance_device(struct medio_instance *inst)
{
	return &inst->chain.device;
}

const char *medio_instance_uuid(const struct medio_instance *inst)
{
	return inst->uuid;
}

const struct medio_stats *medio_instance_stats(const struct medio_instance *inst)
{
	return inst->stats;
}

unsigned medio_instance_needs(const struct medio_instance *inst)
{
	return inst->needs;
}

struct medio_stats *medio_instance_counters(struct medio_instance *inst)
{
	return inst->stats;
}

void medio_instance_request(struct medio_instance *inst)
{
	medio_irq_signal(inst, MEDIO_IRQ_REQ);
}

/* ---- Creation ------------------------------------------------------------------------------------- */

static int set_uuid(struct medio_instance *inst, const char *text, struct medio_error **err)
{
	uuid_t uuid;
	if (!text)
		uuid_generate(uuid);
	else if (uuid_parse(text, uuid) < 0)
		return medio_error_set(err, EINVAL,
			"'%s' is not a UUID; one looks like 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
			text);
	uuid_unparse_lower(uuid, inst->uuid);
	return 0;
}

static int set_params(struct medio_instance *inst, const struct medio_instance_options *opts,
	struct medio_error **err)
{
	const struct medio_param *params = inst->type->params;
	int ret = medio_params_default(params, inst->state, err);
	for (unsigned i = 0; i < opts->nparams && !ret; i++)
		ret = medio_params_set(params, inst->state, inst->type->name, opts->params[i], err);
	return ret;
}

static int init_device(struct medio_instance *inst, struct medio_error **err)
{
	struct medio_dev *dev = &inst->chain.device;
	if (!dev->down->init)
		return 0;
	struct medio_error *said = NULL;
	inst->fail = &said;
	int ret = dev->down->init(dev);
	inst->fail = NULL;
	if (ret && said)
		medio_error_set(err, -ret, "%s", medio_error_text(said));
	else if (ret)
		medio_error_set(
			err, -ret, "%s: cannot start: %s", inst->type->name, strerror(-ret));
	medio_error_free(said);
	return ret;
}

/* A domain unmaps in pieces; each is told to the chain before its memory goes. */
static void on_unmap(void *opaque, uint64_t iova, uint64_t size)
{
	struct medio_instance *inst = opaque;
	medio_next_dma_unmap(&inst->chain.head, iova, size);
}

/* What the type says an instance has; its state, links and shape are there. */
static int make_parts(struct medio_instance *inst, struct medio_error **err)
{
	const struct medio_type *type = inst->type;
	int ret = medio_layout_get(type, inst->pf, &inst->layout, err);
	if (ret)
		return ret;
	ret = medio_pci_config_init(&inst->config, inst->layout);
	if (ret == 0)
		ret = medio_pci_msix_init(&inst->msix, type->irqs.msix.vectors);
	if (ret == 0)
		ret = medio_irqs_init(inst);
	if (ret == 0)
		ret = medio_iommu_new(&medio_iommu_type1, &inst->iommu);
	if (ret)
		return medio_error_set(err, -ret, "%s", strerror(-ret));
	medio_iommu_set_notify(inst->iommu, on_unmap, inst);
	return medio_regions_init(inst, err);
}

static int make_state(struct medio_instance *inst, const struct medio_instance_options *opts,
	struct medio_error **err)
{
	const struct medio_type *type = inst->type;
	inst->state = calloc(1, type->state_size ? type->state_size : 1);
	if (!inst->state)
		return medio_error_set(err, ENOMEM, "out of memory");
	medio_chain_init(&inst->chain, inst, type->ops, inst->state);
	return set_params(inst, opts, err);
}

/* All up to the device's own init(). */
static int make_all(struct medio_instance *inst, const struct medio_instance_options *opts,
	struct medio_error **err)
{
	int ret = set_uuid(inst, opts->uuid, err);
	if (ret == 0)
		ret = make_state(inst, opts, err);
	if (ret == 0)
		ret = medio_shape_init(inst, err);
	if (ret == 0)
		ret = make_parts(inst, err);
	if (ret == 0)
		ret = medio_vfs_init(inst, opts, err);
	for (unsigned i = 0; i < opts->nfilters && !ret; i++)
		ret = medio_chain_add(&inst->chain, opts->known_filters, opts->filters[i], err);
	return ret;
}

static void free_parts(struct medio_instance *inst)
{
	if (inst->state)
		medio_params_free(inst->type->params, inst->state);
	medio_irqs_fini(inst);
	if (inst->layout)
		medio_regions_fini(inst);
	medio_iommu_free(inst->iommu);
	medio_pci_msix_fini(&inst->msix);
	medio_pci_config_fini(&inst->config);
	medio_layout_put(inst->layout);
	medio_migration_reset(inst);
	medio_tokens_fini(inst);
	medio_shape_fini(inst);
	free(inst->state);
	free(inst);
}

/* dev's fini(), if it is due, its filters, and all the rest. */
static void dismantle(struct medio_instance *inst, bool initialised)
{
	struct medio_dev *dev = &inst->chain.device;
	medio_vfs_fini(inst);
	if ((initialised || inst->shaped) && dev->down->fini)
		dev->down->fini(dev);
	if (inst->state)
		medio_chain_fini(&inst->chain);
	free_parts(inst);
}

int medio_instance_make(struct medio_loop *loop, const struct medio_type *type,
	const struct medio_instance_place *place, const struct medio_instance_options *opts,
	struct medio_instance **out, struct medio_error **err)
{
	if (type->abi != MEDIO_DEVICE_ABI)
		return medio_error_set(err, EPROTO,
			"the device was built for ABI %u, this library has %u: build it again",
			type->abi, MEDIO_DEVICE_ABI);
	struct medio_instance *inst = calloc(1, sizeof(*inst));
	if (!inst)
		return medio_error_set(err, ENOMEM, "out of memory");
	inst->loop = loop;
	inst->type = type;
	inst->pf = place ? place->pf : NULL;
	inst->vf_index = place ? place->index : 0;
	inst->log = opts->log;
	inst->log_opaque = opts->log_opaque;
	inst->stats = opts->stats ? opts->stats : &inst->own_stats;
	*inst->stats = (struct medio_stats){ 0 };
	inst->migration.state = MEDIO_MIGRATION_RUNNING;
	for (unsigned i = 0; i < MEDIO_NUM_BARS; i++)
		inst->regions[i].fd = -1; /* for a failure before there are regions */
	medio_list_init(&inst->tokens);
	medio_list_init(&inst->free_tokens);

	int ret = make_all(inst, opts, err);
	if (ret == 0) {
		*out = inst; /* for its siblings and for its PF, which init() may talk to */
		ret = init_device(inst, err);
		if (ret)
			*out = NULL;
		else
			medio_iommu_keep_files(inst->iommu, inst->needs & MEDIO_NEEDS_FILES);
	}
	if (ret)
		dismantle(inst, false);
	return ret;
}

int medio_instance_new(struct medio_loop *loop, const struct medio_type *type,
	const struct medio_instance_options *opts, struct medio_instance **out,
	struct medio_error **err)
{
	static const struct medio_instance_options none;
	struct medio_instance *inst = NULL;
	int ret = medio_instance_make(loop, type, NULL, opts ? opts : &none, &inst, err);
	if (ret == 0)
		*out = inst;
	return ret;
}

void medio_instance_end(struct medio_instance *inst)
{
	medio_vfs_take_down(inst);
	if (inst->transport)
		medio_instance_detach(inst);
	dismantle(inst, true);
}

void medio_instance_free(struct medio_instance *inst)
{
	if (!inst)
		return;
	assert(!inst->pf); /* a VF goes with its PF, or by medio_instance_set_vfs() */
	medio_instance_end(inst);
}

/* ---- A client comes and goes ----------------------------------------------------------------------- */

int medio_instance_attach(
	struct medio_instance *inst, const struct medio_transport_ops *ops, void *opaque)
{
	if (inst->transport)
		return -EBUSY;
	inst->transport = ops;
	inst->transport_opaque = opaque;
	medio_next_client(&inst->chain.head, true);
	return 0;
}

void medio_instance_detach(struct medio_instance *inst)
{
	if (!inst->transport)
		return;
	medio_tokens_cancel(inst);
	/* The memory goes whether the device is quiet or not: it hears of it through dma_unmap. */
	medio_instance_quiesce(inst);
	medio_instance_dma_unmap(inst, 0, 0, true, NULL);
	medio_iommu_dirty_stop(inst->iommu);
	medio_irqs_detach(inst);
	medio_regions_detach(inst);
	inst->transport = NULL;
	inst->transport_opaque = NULL;
	medio_migration_reset(inst);
	medio_instance_resume(inst);
	medio_next_client(&inst->chain.head, false);
}

/* ---- Reset -------------------------------------------------------------------------------------------- */

void medio_instance_reset(struct medio_instance *inst, enum medio_reset kind)
{
	medio_vfs_before_reset(inst);
	medio_migration_reset(inst);
	medio_irqs_reset(inst);
	medio_pci_msix_reset(&inst->msix);
	medio_pci_config_reset(&inst->config);
	medio_vfs_after_reset(inst);
	medio_next_reset(&inst->chain.head, kind);
	medio_irqs_refresh(inst);
}
