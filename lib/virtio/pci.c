/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device as a PCI card: what the card's operations come down to, and its interrupts. */
#include "virtio/pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "virtio/bus.h"
#include "virtio/inside.h"

#define PAGE 0x1000u

struct medio_virtio_pci *medio_virtio_pci_of(const struct medio_dev *dev)
{
	const struct medio_virtio_core *core = medio_virtio_core_of(dev);
	return core && medio_dev_type(dev)->ops == &medio_virtio_pci_ops ? core->opaque : NULL;
}

/* ---- Interrupts (4.1.4.5, 4.1.5.1.2) ----------------------------------------------------------- */

static void set_isr(struct medio_virtio_pci *pci, uint8_t isr)
{
	pci->isr = isr;
	medio_irq_set(pci->dev, 0, isr != 0);
}

/* With MSI-X a message of the vector that the driver chose, and the ISR stays as it is. */
static void notify_driver(struct medio_virtio_pci *pci, unsigned vector, uint8_t isr)
{
	if (medio_irq_kind(pci->dev) != MEDIO_IRQ_MSIX)
		set_isr(pci, pci->isr | isr);
	else if (vector != MEDIO_VIRTIO_NO_VECTOR)
		medio_irq_pulse(pci->dev, vector);
}

static void on_interrupt(void *opaque, unsigned queue)
{
	struct medio_virtio_pci *pci = opaque;
	pci->interrupts++;
	notify_driver(pci, pci->vectors[queue], MEDIO_VIRTIO_ISR_QUEUE);
}

static void on_config_interrupt(void *opaque)
{
	struct medio_virtio_pci *pci = opaque;
	pci->config_interrupts++;
	notify_driver(pci, pci->config_vector, MEDIO_VIRTIO_ISR_CONFIG);
}

/* Vectors and selectors are as at power-on after a reset of the device (4.1.5.1.2.1). A queue that is
 * reset by itself keeps its vector. */
static void on_reset_done(void *opaque, int queue)
{
	struct medio_virtio_pci *pci = opaque;
	if (queue >= 0)
		return;
	pci->device_feature_select = pci->driver_feature_select = 0;
	pci->queue_select = 0;
	pci->config_vector = MEDIO_VIRTIO_NO_VECTOR;
	memset(pci->vectors, 0xff, sizeof(pci->vectors));
	set_isr(pci, 0);
}

static const struct medio_virtio_transport transport = {
	.interrupt = on_interrupt,
	.config_interrupt = on_config_interrupt,
	.reset_done = on_reset_done,
};

/* ---- BAR 4: a page each ------------------------------------------------------------------------ */

static void page_read(
	struct medio_virtio_pci *pci, unsigned page, unsigned offset, uint8_t *buf, size_t count)
{
	switch (page) {
	case MEDIO_VIRTIO_COMMON:
		medio_virtio_pci_common_read(pci, offset, buf, count);
		return;
	case MEDIO_VIRTIO_ISR:
		memset(buf, 0, count);
		if (offset == 0) {
			buf[0] = pci->isr;
			set_isr(pci, 0);
		}
		return;
	case MEDIO_VIRTIO_CONFIG:
		medio_virtio_core_config_read(pci->core, offset, buf, (unsigned)count);
		return;
	default:
		memset(buf, 0, count);
	}
}

static void page_write(struct medio_virtio_pci *pci, unsigned page, unsigned offset,
	const uint8_t *buf, size_t count)
{
	switch (page) {
	case MEDIO_VIRTIO_COMMON:
		medio_virtio_pci_common_write(pci, offset, buf, count);
		return;
	case MEDIO_VIRTIO_ISR:
		medio_guest_error(pci->dev, "a write to the ISR status, which is read-only "
					    "(4.1.4.5)");
		return;
	case MEDIO_VIRTIO_CONFIG:
		medio_virtio_core_config_write(pci->core, offset, buf, (unsigned)count);
		return;
	case MEDIO_VIRTIO_NOTIFY:
		medio_virtio_pci_notify_check(pci, offset, buf, count);
		return;
	default:
		return;
	}
}

static size_t in_page(uint64_t offset, size_t count)
{
	size_t left = PAGE - offset % PAGE;
	return count < left ? count : left;
}

static int region_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct medio_virtio_pci *pci = medio_virtio_pci_of(dev);
	uint8_t *bytes = buf;
	if (region != MEDIO_VIRTIO_BAR) {
		memset(buf, 0, count);
		return 0;
	}
	while (count) {
		size_t part = in_page(offset, count);
		page_read(pci, (unsigned)(offset & ~(uint64_t)(PAGE - 1)),
			(unsigned)(offset % PAGE), bytes, part);
		offset += part;
		bytes += part;
		count -= part;
	}
	return 0;
}

static int region_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct medio_virtio_pci *pci = medio_virtio_pci_of(dev);
	const uint8_t *bytes = buf;
	if (region != MEDIO_VIRTIO_BAR)
		return 0;
	while (count) {
		size_t part = in_page(offset, count);
		page_write(pci, (unsigned)(offset & ~(uint64_t)(PAGE - 1)),
			(unsigned)(offset % PAGE), bytes, part);
		offset += part;
		bytes += part;
		count -= part;
	}
	return 0;
}

/* ---- Config space ------------------------------------------------------------------------------ */

static void look_at_master(struct medio_virtio_pci *pci)
{
	uint8_t command[2];
	if (medio_config_get(pci->dev, PCI_COMMAND, command, sizeof(command)))
		return;
	bool master = medio_get_le(command, sizeof(command)) & PCI_COMMAND_MASTER;
	if (master == pci->master)
		return;
	pci->master = master;
	medio_virtio_core_set_master(pci->core, master);
}

static void config_read(struct medio_dev *dev, unsigned offset, size_t count)
{
	medio_virtio_pci_window_read(medio_virtio_pci_of(dev), offset, count);
}

static void config_changed(struct medio_dev *dev, unsigned offset, size_t count)
{
	struct medio_virtio_pci *pci = medio_virtio_pci_of(dev);
	look_at_master(pci);
	medio_virtio_pci_window_write(pci, offset, count);
}

static void reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct medio_virtio_pci *pci = medio_virtio_pci_of(dev);
	(void)kind;
	medio_virtio_core_reset(pci->core);
	look_at_master(pci);
}

/* ---- Save and load: the registers of the card, then the core -------------------------------------- */

#define VERSION 1u

struct saved {
	uint8_t version[4];
	uint8_t device_feature_select[4];
	uint8_t driver_feature_select[4];
	uint8_t queue_select[2];
	uint8_t config_vector[2];
	uint8_t isr;
	uint8_t zero[7];
	uint8_t vectors[MEDIO_VIRTIO_MAX_QUEUES][2];
};
_Static_assert(sizeof(struct saved) == 24 + 2 * MEDIO_VIRTIO_MAX_QUEUES, "no gaps");

static ssize_t save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct medio_virtio_pci *pci = medio_virtio_pci_of(dev);
	struct saved out = { .isr = pci->isr };
	uint8_t none[1], *bytes = buf;
	ssize_t size = cap > sizeof(out) ? medio_virtio_core_save(pci->core, bytes + sizeof(out),
						   cap - sizeof(out))
					 : medio_virtio_core_save(pci->core, none, 0);
	if (size < 0)
		return size;
	if (sizeof(out) + (size_t)size > cap)
		return (ssize_t)sizeof(out) + size;
	medio_put_le(out.version, 4, VERSION);
	medio_put_le(out.device_feature_select, 4, pci->device_feature_select);
	medio_put_le(out.driver_feature_select, 4, pci->driver_feature_select);
	medio_put_le(out.queue_select, 2, pci->queue_select);
	medio_put_le(out.config_vector, 2, pci->config_vector);
	for (unsigned i = 0; i < MEDIO_VIRTIO_MAX_QUEUES; i++)
		medio_put_le(out.vectors[i], 2, pci->vectors[i]);
	memcpy(bytes, &out, sizeof(out));
	return (ssize_t)sizeof(out) + size;
}

static bool vector_possible(const struct medio_dev *dev, const uint8_t *vector)
{
	uint64_t n = medio_get_le(vector, 2);
	return n == MEDIO_VIRTIO_NO_VECTOR || n < medio_dev_type(dev)->irqs.msix.vectors;
}

static int load(struct medio_dev *dev, const void *buf, size_t size)
{
	static const uint8_t zero[7];
	struct medio_virtio_pci *pci = medio_virtio_pci_of(dev);
	const uint8_t *bytes = buf;
	struct saved in;
	if (size < sizeof(in))
		return -EINVAL;
	memcpy(&in, bytes, sizeof(in));
	if (medio_get_le(in.version, 4) != VERSION || memcmp(in.zero, zero, sizeof(zero)) != 0 ||
		in.isr & ~(MEDIO_VIRTIO_ISR_QUEUE | MEDIO_VIRTIO_ISR_CONFIG) ||
		!vector_possible(dev, in.config_vector))
		return -EINVAL;
	for (unsigned i = 0; i < MEDIO_VIRTIO_MAX_QUEUES; i++)
		if (!vector_possible(dev, in.vectors[i]))
			return -EINVAL;
	look_at_master(pci);
	int ret = medio_virtio_core_load(pci->core, bytes + sizeof(in), size - sizeof(in));
	if (ret)
		return ret;
	pci->device_feature_select = (uint32_t)medio_get_le(in.device_feature_select, 4);
	pci->driver_feature_select = (uint32_t)medio_get_le(in.driver_feature_select, 4);
	pci->queue_select = (uint16_t)medio_get_le(in.queue_select, 2);
	pci->config_vector = (uint16_t)medio_get_le(in.config_vector, 2);
	for (unsigned i = 0; i < MEDIO_VIRTIO_MAX_QUEUES; i++)
		pci->vectors[i] = (uint16_t)medio_get_le(in.vectors[i], 2);
	set_isr(pci, in.isr);
	return 0;
}

/* ---- Life -------------------------------------------------------------------------------------------- */

static int check_card(struct medio_dev *dev)
{
	const struct medio_type *type = medio_dev_type(dev);
	const struct medio_virtio_type *virtio = type->data;
	if (!virtio)
		return 0; /* the core says so */
	if (type->id.vendor != 0x1af4 || type->id.device != 0x1040 + virtio->id)
		return medio_fail(dev, EINVAL,
			"%s: the card is %04x:%04x, a virtio device of kind %u is 1af4:%04x (4.1.2)",
			type->name, type->id.vendor, type->id.device, virtio->id,
			0x1040 + virtio->id);
	if (type->bars[MEDIO_VIRTIO_BAR].num_doorbells != virtio->max_queues ||
		type->irqs.msix.vectors != virtio->max_queues + 1)
		return medio_fail(dev, EINVAL,
			"%s: the card has %u doorbells and %u vectors, %u queues need %u and %u",
			type->name, type->bars[MEDIO_VIRTIO_BAR].num_doorbells,
			type->irqs.msix.vectors, virtio->max_queues, virtio->max_queues,
			virtio->max_queues + 1);
	return 0;
}

static const struct medio_virtio_ops *ops_of(const struct medio_dev *dev)
{
	const struct medio_virtio_type *virtio = medio_dev_type(dev)->data;
	return virtio ? virtio->ops : NULL;
}

/* A virtual function has no parameters: what its physical one was told of queues holds for it, too. */
static void inherit(struct medio_dev *dev)
{
	const struct medio_dev *pf = medio_vf_pf(dev);
	if (!pf || medio_dev_type(pf)->ops != &medio_virtio_pci_ops ||
		medio_dev_type(dev)->state_size < sizeof(struct medio_virtio))
		return;
	struct medio_virtio *virtio = medio_priv(dev);
	*virtio = *(const struct medio_virtio *)medio_priv(pf);
	virtio->core = NULL;
}

static int shape(struct medio_dev *dev, struct medio_type *type)
{
	const struct medio_virtio_ops *ops = ops_of(dev);
	inherit(dev);
	return ops && ops->shape ? ops->shape(dev, type) : 0;
}

static int vfs(struct medio_dev *dev, unsigned num)
{
	const struct medio_virtio_ops *ops = ops_of(dev);
	return ops && ops->vfs ? ops->vfs(dev, num) : 0;
}

static int init(struct medio_dev *dev)
{
	int ret = check_card(dev);
	if (ret)
		return ret;
	struct medio_virtio_pci *pci = calloc(1, sizeof(*pci));
	if (!pci)
		return medio_fail(dev, ENOMEM, "out of memory");
	pci->dev = dev;
	ret = medio_virtio_core_new(dev, &transport, pci, &pci->core);
	if (ret) {
		free(pci);
		return ret;
	}
	on_reset_done(pci, -1);
	pci->master = true;
	look_at_master(pci);
	medio_virtio_pci_window_init(pci);
	/* Notifications need not come through the loop of a device that looks into all queues itself. */
	const struct medio_virtio *params = medio_priv(dev);
	if (params->poll == MEDIO_VIRTIO_POLL_ON && !params->poll_queues)
		ret = medio_region_share(dev, MEDIO_VIRTIO_BAR);
	if (ret) {
		medio_virtio_core_free(pci->core);
		free(pci);
	}
	return ret;
}

static void fini(struct medio_dev *dev)
{
	struct medio_virtio_pci *pci = medio_virtio_pci_of(dev);
	if (!pci)
		return; /* init() failed, after shape() */
	medio_virtio_core_free(pci->core);
	free(pci);
}

const struct medio_device_ops medio_virtio_pci_ops = {
	.shape = shape,
	.init = init,
	.fini = fini,
	.region_read = region_read,
	.region_write = region_write,
	.doorbell = medio_virtio_pci_doorbell,
	.config_read = config_read,
	.config_changed = config_changed,
	.reset = reset,
	.dma_map = medio_virtio_bus_dma_map,
	.dma_unmap = medio_virtio_bus_dma_unmap,
	.quiesce = medio_virtio_bus_quiesce,
	.resume = medio_virtio_bus_resume,
	.client = medio_virtio_bus_client,
	.save = save,
	.load = load,
	.vfs = vfs,
};
