/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The common configuration (4.1.4.3). A driver uses an access of each field's own width, or halves of
 * the addresses (4.1.3.1); here any access does, field by field, in the order in which they stand.
 */
#include <stddef.h>
#include <string.h>

#include <linux/virtio_pci.h>

#include "virtio/inside.h"
#include "virtio/pci.h"

/* Up to queue_reset; what follows in 1.3 is of admin queues, which nobody here has. */
#define COMMON_SIZE 60u

struct field {
	uint8_t offset, width;
	/* NULL: it is read-only. value: as read, with the bytes written in it. */
	void (*set)(struct medio_virtio_pci *pci, uint64_t value);
};

/* ---- Features ------------------------------------------------------------------------------------- */

static uint32_t word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static void set_device_feature_select(struct medio_virtio_pci *pci, uint64_t value)
{
	pci->device_feature_select = (uint32_t)value;
}

static void set_driver_feature_select(struct medio_virtio_pci *pci, uint64_t value)
{
	pci->driver_feature_select = (uint32_t)value;
}

static void set_driver_feature(struct medio_virtio_pci *pci, uint64_t value)
{
	uint64_t features = medio_virtio_core_driver_features(pci->core);
	unsigned shift = 32 * pci->driver_feature_select;
	if (pci->driver_feature_select >= 2) {
		if (value)
			medio_guest_error(pci->dev,
				"features 0x%x are accepted in word %u, none of which is offered",
				(unsigned)value, pci->driver_feature_select);
		return;
	}
	features &= ~(UINT64_C(0xffffffff) << shift);
	medio_virtio_core_set_features(pci->core, features | value << shift);
}

/* ---- The device --------------------------------------------------------------------------------------- */

static uint16_t vector_or_none(const struct medio_virtio_pci *pci, uint64_t value)
{
	return value < medio_dev_type(pci->dev)->irqs.msix.vectors ? (uint16_t)value
								   : MEDIO_VIRTIO_NO_VECTOR;
}

static void set_config_vector(struct medio_virtio_pci *pci, uint64_t value)
{
	pci->config_vector = vector_or_none(pci, value);
}

static void set_status(struct medio_virtio_pci *pci, uint64_t value)
{
	medio_virtio_core_set_status(pci->core, (uint8_t)value);
}

static void set_queue_select(struct medio_virtio_pci *pci, uint64_t value)
{
	pci->queue_select = (uint16_t)value;
}

/* ---- The queue that is selected ---------------------------------------------------------------------- */

static struct medio_virtio_queue_regs *selected(const struct medio_virtio_pci *pci)
{
	return medio_virtio_core_queue(pci->core, pci->queue_select);
}

/* The queue, if what describes it may be changed (4.1.4.3.2). */
static struct medio_virtio_queue_regs *changeable(struct medio_virtio_pci *pci)
{
	struct medio_virtio_queue_regs *regs = selected(pci);
	if (!regs) {
		medio_guest_error(pci->dev, "queue %u is set up, which there is not (%u queues)",
			pci->queue_select, medio_virtio_core_num_queues(pci->core));
		return NULL;
	}
	if (regs->enabled || regs->resetting) {
		medio_guest_error(pci->dev,
			"queue %u is set up while it is enabled; ignored (4.1.4.3.2)",
			pci->queue_select);
		return NULL;
	}
	return regs;
}

static void set_queue_size(struct medio_virtio_pci *pci, uint64_t value)
{
	struct medio_virtio_queue_regs *regs = changeable(pci);
	if (!regs)
		return;
	if (!value || value > regs->max_size) {
		medio_guest_error(pci->dev, "queue %u: size %u (allowed: 1 to %u); ignored",
			pci->queue_select, (unsigned)value, regs->max_size);
		return;
	}
	regs->size = (uint16_t)value;
}

static void set_queue_vector(struct medio_virtio_pci *pci, uint64_t value)
{
	if (selected(pci))
		pci->vectors[pci->queue_select] = vector_or_none(pci, value);
}

static void set_queue_enable(struct medio_virtio_pci *pci, uint64_t value)
{
	if (!selected(pci) || value != 1) {
		medio_guest_error(pci->dev,
			"%u is written to the enabling of queue %u; ignored (4.1.4.3.2)",
			(unsigned)value, pci->queue_select);
		return;
	}
	medio_virtio_core_queue_enable(pci->core, pci->queue_select);
}

static void set_queue_desc(struct medio_virtio_pci *pci, uint64_t value)
{
	struct medio_virtio_queue_regs *regs = changeable(pci);
	if (regs)
		regs->desc = value;
}

static void set_queue_driver(struct medio_virtio_pci *pci, uint64_t value)
{
	struct medio_virtio_queue_regs *regs = changeable(pci);
	if (regs)
		regs->driver = value;
}

static void set_queue_device(struct medio_virtio_pci *pci, uint64_t value)
{
	struct medio_virtio_queue_regs *regs = changeable(pci);
	if (regs)
		regs->device = value;
}

static void set_queue_reset(struct medio_virtio_pci *pci, uint64_t value)
{
	if (selected(pci) && value == 1)
		medio_virtio_core_queue_reset(pci->core, pci->queue_select);
}

/* ---- The structure ------------------------------------------------------------------------------------- */

static const struct field fields[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT, 4, set_device_feature_select },
	{ VIRTIO_PCI_COMMON_DF, 4, NULL },
	{ VIRTIO_PCI_COMMON_GFSELECT, 4, set_driver_feature_select },
	{ VIRTIO_PCI_COMMON_GF, 4, set_driver_feature },
	{ VIRTIO_PCI_COMMON_MSIX, 2, set_config_vector },
	{ VIRTIO_PCI_COMMON_NUMQ, 2, NULL },
	{ VIRTIO_PCI_COMMON_STATUS, 1, set_status },
	{ VIRTIO_PCI_COMMON_CFGGENERATION, 1, NULL },
	{ VIRTIO_PCI_COMMON_Q_SELECT, 2, set_queue_select },
	{ VIRTIO_PCI_COMMON_Q_SIZE, 2, set_queue_size },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2, set_queue_vector },
	{ VIRTIO_PCI_COMMON_Q_ENABLE, 2, set_queue_enable },
	{ VIRTIO_PCI_COMMON_Q_NOFF, 2, NULL },
	{ VIRTIO_PCI_COMMON_Q_DESCLO, 8, set_queue_desc },
	{ VIRTIO_PCI_COMMON_Q_AVAILLO, 8, set_queue_driver },
	{ VIRTIO_PCI_COMMON_Q_USEDLO, 8, set_queue_device },
	{ VIRTIO_PCI_COMMON_Q_NDATA, 2, NULL },
	{ VIRTIO_PCI_COMMON_Q_RESET, 2, set_queue_reset },
};

static void fill_queue(const struct medio_virtio_pci *pci, uint8_t *image)
{
	const struct medio_virtio_queue_regs *regs = selected(pci);
	if (!regs)
		return;
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_SIZE, 2, regs->size);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_MSIX, 2, pci->vectors[pci->queue_select]);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_ENABLE, 2, regs->enabled);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_NOFF, 2, pci->queue_select);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_DESCLO, 8, regs->desc);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_AVAILLO, 8, regs->driver);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_USEDLO, 8, regs->device);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_NDATA, 2, pci->queue_select);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_RESET, 2, regs->resetting);
}

/* The structure as it reads now. */
static void fill(const struct medio_virtio_pci *pci, uint8_t *image)
{
	const struct medio_virtio_core *core = pci->core;
	memset(image, 0, COMMON_SIZE);
	medio_put_le(image + VIRTIO_PCI_COMMON_DFSELECT, 4, pci->device_feature_select);
	medio_put_le(image + VIRTIO_PCI_COMMON_DF, 4,
		word(medio_virtio_core_offered(core), pci->device_feature_select));
	medio_put_le(image + VIRTIO_PCI_COMMON_GFSELECT, 4, pci->driver_feature_select);
	medio_put_le(image + VIRTIO_PCI_COMMON_GF, 4,
		word(medio_virtio_core_driver_features(core), pci->driver_feature_select));
	medio_put_le(image + VIRTIO_PCI_COMMON_MSIX, 2, pci->config_vector);
	medio_put_le(image + VIRTIO_PCI_COMMON_NUMQ, 2, medio_virtio_core_num_queues(core));
	image[VIRTIO_PCI_COMMON_STATUS] = medio_virtio_core_status(core);
	image[VIRTIO_PCI_COMMON_CFGGENERATION] = medio_virtio_core_generation(core);
	medio_put_le(image + VIRTIO_PCI_COMMON_Q_SELECT, 2, pci->queue_select);
	fill_queue(pci, image);
}

void medio_virtio_pci_common_read(
	struct medio_virtio_pci *pci, unsigned offset, uint8_t *buf, size_t count)
{
	uint8_t image[COMMON_SIZE];
	memset(buf, 0, count);
	if (offset >= COMMON_SIZE)
		return;
	if (offset <= VIRTIO_PCI_COMMON_STATUS && offset + count > VIRTIO_PCI_COMMON_STATUS)
		medio_virtio_core_status_read(pci->core);
	fill(pci, image);
	memcpy(buf, image + offset, count < COMMON_SIZE - offset ? count : COMMON_SIZE - offset);
}

/* Bytes [offset, offset + count) of the structure are written, and some are this field's. */
static void write_field(struct medio_virtio_pci *pci, const struct field *field, unsigned offset,
	const uint8_t *buf, size_t count)
{
	uint8_t image[COMMON_SIZE];
	if (!field->set) {
		medio_guest_error(pci->dev,
			"a write to 0x%02x of the common configuration, which is read-only "
			"(4.1.4.3)",
			field->offset);
		return;
	}
	/* What is not written stays, as it reads now: fields before it may have changed it. */
	fill(pci, image);
	for (unsigned i = field->offset; i < field->offset + field->width; i++)
		if (i >= offset && i - offset < count)
			image[i] = buf[i - offset];
	field->set(pci, medio_get_le(image + field->offset, field->width));
}

void medio_virtio_pci_common_write(
	struct medio_virtio_pci *pci, unsigned offset, const uint8_t *buf, size_t count)
{
	if (offset >= COMMON_SIZE)
		medio_guest_error(pci->dev,
			"a write to 0x%x of the common configuration, where nothing is (4.1.4.3)",
			offset);
	for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (offset < (unsigned)fields[i].offset + fields[i].width &&
			offset + count > fields[i].offset)
			write_field(pci, &fields[i], offset, buf, count);
}
