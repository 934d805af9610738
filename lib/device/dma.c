/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory for the device: the calls of <medio/device.h> on top of the instance's IOMMU domain.
 * Remote memory (mapped without an fd) is reached through the transport's messages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/dma.h"
#include "device/private.h"
#include "iommu/iommu.h"

void medio_instance_count_faults(struct medio_instance *inst)
{
	medio_stat_set(&inst->stats->faults, medio_iommu_fault_total(inst->iommu));
}

void medio_instance_count_dma(struct medio_instance *inst, bool write, size_t len)
{
	medio_stat_add(write ? &inst->stats->dma_written : &inst->stats->dma_read, len);
}

/* A device may reach memory only while it may master the bus (PCI 3.0, 6.2.2, command bit 2). */
static int may_dma(struct medio_instance *inst, uint64_t iova, size_t len, unsigned prot)
{
	if (!inst->transport)
		return -ENODEV;
	if (medio_pci_config_bus_master(&inst->config))
		return 0;
	medio_iommu_fault_add(inst->iommu, iova, len, prot, MEDIO_FAULT_BUS_MASTER);
	medio_instance_count_faults(inst);
	medio_instance_guest_error(
		inst, "DMA refused: bus mastering is off in the command register");
	return -ENODEV;
}

/* Memory that the client gave has gone: it is to be closed. */
static void notice_poison(struct medio_instance *inst)
{
	if (medio_iommu_poisoned(inst->iommu) && inst->transport && inst->transport->poisoned)
		inst->transport->poisoned(inst->transport_opaque);
}

/* The domain has queued the fault; put it into words once, and notice memory that has gone. */
static int report(struct medio_instance *inst, int ret)
{
	unsigned count = medio_iommu_fault_count(inst->iommu);
	struct medio_iommu_fault fault;
	medio_instance_count_faults(inst);
	if (ret != -EFAULT && ret != -EACCES)
		return ret;
	if (count && medio_iommu_fault_get(inst->iommu, count - 1, &fault) == 0) {
		char text[160];
		medio_iommu_fault_print(&fault, text, sizeof(text));
		medio_instance_guest_error(inst, "DMA fault: %s", text);
	}
	notice_poison(inst);
	return ret;
}

static unsigned prot_of(bool write)
{
	return write ? MEDIO_PROT_WRITE : MEDIO_PROT_READ;
}

bool medio_dma_is_mapped(const struct medio_dev *dev, uint64_t iova, size_t len)
{
	const struct medio_maptable *table = &dev->inst->iommu->table;
	const uint64_t last = iova + len - 1;
	struct medio_mappos pos;

	if (!len || last < iova || !medio_maptable_floor(table, iova, &pos))
		return false;
	for (uint64_t at = iova;; pos = medio_mappos_next(table, pos)) {
		if (!medio_mappos_valid(table, pos) || medio_mappos_start(table, pos) > at)
			return false;
		uint64_t end = medio_mappos_last(table, pos);
		if (end < at)
			return false;
		if (end >= last)
			return true;
		at = end + 1;
	}
}

/* The transport's part, at once. */
static int copy_remote(
	struct medio_instance *inst, bool write, uint64_t iova, void *buf, size_t len)
{
	int ret = inst->transport->dma_now(inst->transport_opaque, write, iova, buf, len);

	if (ret)
		medio_iommu_fault_add(inst->iommu, iova, len, prot_of(write),
			ret == -EACCES ? MEDIO_FAULT_PERMISSION : MEDIO_FAULT_NOT_MAPPED);
	return ret;
}

static int copy_mapped(
	struct medio_instance *inst, bool write, uint64_t iova, void *buf, size_t len)
{
	if (inst->transport->dma_now && len &&
		!medio_iommu_translate_quick(inst->iommu, iova, len, prot_of(write))) {
		uint64_t faults = medio_iommu_fault_total(inst->iommu);
		int ret = 0;
		medio_iommu_translate(inst->iommu, iova, len, prot_of(write), &ret);
		if (ret == -EREMOTE)
			return copy_remote(inst, write, iova, buf, len);
		if (medio_iommu_fault_total(inst->iommu) != faults)
			return ret;
	}
	return write ? medio_iommu_write(inst->iommu, iova, buf, len)
		     : medio_iommu_read(inst->iommu, iova, buf, len);
}

int medio_dma_copy(struct medio_instance *inst, bool write, uint64_t iova, void *buf, size_t len)
{
	int ret = may_dma(inst, iova, len, prot_of(write));
	if (ret)
		return ret;
	ret = copy_mapped(inst, write, iova, buf, len);
	if (ret)
		return report(inst, ret);
	medio_instance_count_dma(inst, write, len);
	return 0;
}

int medio_dma_move(struct medio_instance *inst, bool write, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	int ret = may_dma(inst, iova, len, prot_of(write));
	if (ret)
		return ret;
	/* One local piece is the common case; the transport puts mixed ranges together. */
	uint64_t faults = medio_iommu_fault_total(inst->iommu);
	if (inst->transport->dma &&
		!medio_iommu_translate(inst->iommu, iova, len, prot_of(write), &ret)) {
		if (medio_iommu_fault_total(inst->iommu) != faults)
			return report(inst, ret);
		return report(inst, inst->transport->dma(inst->transport_opaque, write, iova, buf,
					    len, done, opaque));
	}
	ret = medio_dma_copy(inst, write, iova, buf, len);
	if (ret == 0)
		done(opaque, 0);
	return ret;
}

void *medio_dma_pointer(
	struct medio_instance *inst, uint64_t iova, size_t len, unsigned prot, int *err)
{
	int ret = may_dma(inst, iova, len, prot);
	/* A device that works on pointers touches memory behind our back; look here. */
	if (ret == 0)
		notice_poison(inst);
	const uint64_t faults = medio_iommu_fault_total(inst->iommu);
	void *ptr = ret ? NULL : medio_iommu_translate(inst->iommu, iova, len, prot, &ret);
	if (!ptr) {
		/* Memory in two places is no fault: the caller asks in another way. */
		if (medio_iommu_fault_total(inst->iommu) != faults)
			report(inst, ret);
		if (err)
			*err = ret;
	}
	return ptr;
}

enum medio_dma_way medio_dma_way(struct medio_dev *dev)
{
	struct medio_instance *inst = dev->inst;
	if (!inst->transport || !medio_pci_config_bus_master(&inst->config))
		return MEDIO_DMA_OFF;
	notice_poison(inst);
	if (dev->prev[MEDIO_UP_DMA_GET] || inst->iommu->poisoned)
		return MEDIO_DMA_ASK;
	return MEDIO_DMA_DIRECT;
}

struct medio_iommu *medio_dma_domain(const struct medio_dev *dev)
{
	return dev->inst->iommu;
}

int medio_dma_file(struct medio_dev *dev, uint64_t iova, size_t len, int *fd, uint64_t *offset)
{
	return medio_iommu_file(dev->inst->iommu, iova, len, fd, offset);
}

void medio_dma_dirty(struct medio_dev *dev, uint64_t iova, size_t len)
{
	medio_iommu_dirty(dev->inst->iommu, iova, len);
}

int medio_dma_pin(struct medio_dev *dev, uint64_t iova, unsigned npage, unsigned prot, void **pages)
{
	struct medio_instance *inst = dev->inst;
	/* Without dma_unmap the device could not drop its pins in time. */
	if (!inst->chain.device.down->dma_unmap)
		return -EINVAL;
	return medio_iommu_pin(inst->iommu, iova, npage, prot, pages);
}

void medio_dma_unpin(struct medio_dev *dev, uint64_t iova, unsigned npage)
{
	medio_iommu_unpin(dev->inst->iommu, iova, npage);
}

int medio_instance_dma_map(struct medio_instance *inst, uint64_t iova, uint64_t size, unsigned prot,
	int fd, uint64_t offset, struct medio_error **err)
{
	int ret = medio_iommu_map(inst->iommu, iova, size, prot, fd, offset, err);
	if (ret)
		return ret;
	struct medio_error **before = inst->fail;
	inst->fail = err;
	ret = medio_next_dma_map(&inst->chain.head, iova, size, prot);
	inst->fail = before;
	if (ret)
		medio_iommu_unmap(inst->iommu, iova, size, 0, NULL);
	return ret;
}

int medio_instance_dma_unmap(
	struct medio_instance *inst, uint64_t iova, uint64_t size, bool all, uint64_t *unmapped)
{
	return medio_iommu_unmap(inst->iommu, iova, size, all ? MEDIO_UNMAP_ALL : 0, unmapped);
}
