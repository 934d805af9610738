/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport: registers (4.1.4.3), and what a driver may do with them when (3.1.1). */
#include "test_virtio_model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "test_virtio_model_inside.h"

struct virtio_quirks virtio_quirks;
struct virtio_seen virtio_seen;
static struct virtio_model *latest;

struct virtio_model *virtio_model_latest(void)
{
	return latest;
}

void virtio_model_clear(void)
{
	virtio_quirks = (struct virtio_quirks){ 0 };
	virtio_seen = (struct virtio_seen){ 0 };
}

void virtio_model_wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!virtio_seen.wrong[0])
		vsnprintf(virtio_seen.wrong, sizeof(virtio_seen.wrong), fmt, ap);
	va_end(ap);
}

void *virtio_model_state(struct virtio_model *m)
{
	return m->state;
}

struct medio_dev *virtio_model_dev(struct virtio_model *m)
{
	return m->dev;
}

uint64_t virtio_model_accepted(const struct virtio_model *m)
{
	return m->accepted;
}

bool virtio_model_is_alive(const struct virtio_model *m)
{
	return m->status & VIRTIO_DRIVER_OK;
}

/* ---- Features ---------------------------------------------------------------------------------- */

static uint64_t offered(const struct virtio_model *m)
{
	return (m->kind->features | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM |
		       virtio_quirks.offer) &
	       ~virtio_quirks.hide;
}

static void set_feature(struct virtio_model *m, uint32_t value)
{
	if (m->status != (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER))
		virtio_model_wrong("features are written with status 0x%02x", m->status);
	if (m->driver_select > 1) {
		if (value)
			virtio_model_wrong("features beyond bit 63 are accepted");
		return;
	}
	unsigned shift = 32 * m->driver_select;
	m->accepted = (m->accepted & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
	m->written |= 1u << m->driver_select;
	if (m->accepted & ~offered(m))
		virtio_model_wrong("features 0x%llx are accepted and were not offered",
			(unsigned long long)(m->accepted & ~offered(m)));
}

/* ---- Status (2.1) ------------------------------------------------------------------------------ */

static void forget(struct virtio_model *m)
{
	m->device_select = m->driver_select = m->queue_select = 0;
	m->accepted = 0;
	m->written = 0;
	m->status = 0;
	m->checked = false;
	m->config_vector = VIRTIO_NO_VECTOR;
	m->isr = 0;
	memset(m->queues, 0, sizeof(m->queues));
	for (unsigned i = 0; i < VIRTIO_MODEL_QUEUES; i++)
		m->queues[i].vector = VIRTIO_NO_VECTOR;
	medio_irq_set(m->dev, 0, false);
	if (m->kind->reset)
		m->kind->reset(m);
}

static void reset(struct virtio_model *m)
{
	virtio_seen.resets++;
	forget(m);
	m->was_reset = true;
	m->resetting = true;
}

/* What must have happened before a bit is set. */
static void check_step(const struct virtio_model *m, uint8_t bit)
{
	uint8_t before = m->status;
	uint8_t needs = bit == VIRTIO_DRIVER	    ? VIRTIO_ACKNOWLEDGE
			: bit == VIRTIO_FEATURES_OK ? VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER
			: bit == VIRTIO_DRIVER_OK
				? VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK
				: 0;

	if (bit & (bit - 1))
		virtio_model_wrong(
			"two steps at once: status 0x%02x becomes 0x%02x", before, before | bit);
	if (bit != VIRTIO_FAILED && before != needs)
		virtio_model_wrong("0x%02x is added to status 0x%02x", bit, before);
	if (bit == VIRTIO_FEATURES_OK && m->written != 3)
		virtio_model_wrong("FEATURES_OK without all features written");
	if (bit == VIRTIO_FEATURES_OK && !(m->accepted & VIRTIO_F_VERSION_1))
		virtio_model_wrong("VERSION_1 is not accepted");
	if (bit == VIRTIO_DRIVER_OK && !m->checked)
		virtio_model_wrong("DRIVER_OK without reading FEATURES_OK back");
}

static void set_status(struct virtio_model *m, uint8_t value)
{
	if (!value) {
		reset(m);
		return;
	}
	if (!m->was_reset)
		virtio_model_wrong("status 0x%02x is written before a reset", value);
	if (m->resetting && !(value & VIRTIO_FAILED))
		virtio_model_wrong(
			"status 0x%02x is written before the reset was seen to end", value);
	if (m->status & ~value & (uint8_t)~VIRTIO_NEEDS_RESET)
		virtio_model_wrong("status 0x%02x takes bits of 0x%02x away", value, m->status);
	uint8_t bit = value & (uint8_t)~m->status;
	check_step(m, bit);
	m->status |= value;
	if (bit == VIRTIO_FEATURES_OK) {
		if (virtio_quirks.refuses)
			m->status &= (uint8_t)~VIRTIO_FEATURES_OK;
		virtio_seen.accepted = m->accepted;
	}
	if (bit == VIRTIO_DRIVER_OK) {
		virtio_seen.oks++;
		if (virtio_quirks.needs_reset)
			m->status |= VIRTIO_NEEDS_RESET;
	}
	virtio_seen.failed |= value & VIRTIO_FAILED;
}

static uint8_t get_status(struct virtio_model *m)
{
	if (m->resetting && virtio_quirks.resets_never)
		return VIRTIO_ACKNOWLEDGE;
	m->resetting = false;
	m->checked |= m->status & VIRTIO_FEATURES_OK;
	return m->status;
}

void virtio_model_changed(struct virtio_model *m)
{
	m->generation++;
	virtio_model_interrupt(m, m->config_vector, VIRTIO_ISR_CONFIG);
}

static uint8_t get_generation(struct virtio_model *m)
{
	if (virtio_quirks.restless)
		m->generation++;
	return m->generation;
}

/* ---- Registers --------------------------------------------------------------------------------- */

/* Of the common configuration, in their order: what can be written, by a field's width (4.1.3.1). */
static const struct reg {
	uint8_t offset, width;
	bool writable;
} regs[] = {
	{ VIRTIO_DEVICE_FEATURE_SELECT, 4, true },
	{ VIRTIO_DEVICE_FEATURE, 4, false },
	{ VIRTIO_DRIVER_FEATURE_SELECT, 4, true },
	{ VIRTIO_DRIVER_FEATURE, 4, true },
	{ VIRTIO_CONFIG_VECTOR, 2, true },
	{ VIRTIO_NUM_QUEUES, 2, false },
	{ VIRTIO_STATUS, 1, true },
	{ VIRTIO_GENERATION, 1, false },
	{ VIRTIO_QUEUE_SELECT, 2, true },
	{ VIRTIO_QUEUE_SIZE, 2, true },
	{ VIRTIO_QUEUE_VECTOR, 2, true },
	{ VIRTIO_QUEUE_ENABLE, 2, true },
	{ VIRTIO_QUEUE_NOTIFY_OFF, 2, false },
	{ VIRTIO_QUEUE_DESC, 4, true },
	{ VIRTIO_QUEUE_DESC + 4, 4, true },
	{ VIRTIO_QUEUE_DRIVER, 4, true },
	{ VIRTIO_QUEUE_DRIVER + 4, 4, true },
	{ VIRTIO_QUEUE_DEVICE, 4, true },
	{ VIRTIO_QUEUE_DEVICE + 4, 4, true },
};

static bool check_access(uint64_t offset, size_t count, bool write)
{
	for (size_t i = 0; i < sizeof(regs) / sizeof(*regs); i++) {
		if (regs[i].offset != offset || regs[i].width != count)
			continue;
		if (write && !regs[i].writable)
			virtio_model_wrong("register 0x%02x cannot be written", regs[i].offset);
		return true;
	}
	virtio_model_wrong("a %s of %zu bytes at 0x%02llx of the common configuration",
		write ? "write" : "read", count, (unsigned long long)offset);
	return false;
}

static uint32_t common_read(struct virtio_model *m, uint64_t offset)
{
	switch (offset) {
	case VIRTIO_DEVICE_FEATURE_SELECT:
		return m->device_select;
	case VIRTIO_DEVICE_FEATURE:
		return m->device_select > 1 ? 0 : (uint32_t)(offered(m) >> 32 * m->device_select);
	case VIRTIO_DRIVER_FEATURE_SELECT:
		return m->driver_select;
	case VIRTIO_DRIVER_FEATURE:
		return m->driver_select > 1 ? 0 : (uint32_t)(m->accepted >> 32 * m->driver_select);
	case VIRTIO_CONFIG_VECTOR:
		return virtio_quirks.no_vectors ? VIRTIO_NO_VECTOR : m->config_vector;
	case VIRTIO_NUM_QUEUES:
		return m->kind->num_queues;
	case VIRTIO_STATUS:
		return get_status(m);
	case VIRTIO_GENERATION:
		return get_generation(m);
	default:
		return virtio_model_queue_read(m, offset);
	}
}

static void common_write(struct virtio_model *m, uint64_t offset, uint32_t value)
{
	if (offset != VIRTIO_STATUS && (!m->was_reset || m->resetting))
		virtio_model_wrong("register 0x%02llx is written before the end of a reset",
			(unsigned long long)offset);
	switch (offset) {
	case VIRTIO_DEVICE_FEATURE_SELECT:
		m->device_select = value;
		break;
	case VIRTIO_DRIVER_FEATURE_SELECT:
		m->driver_select = value;
		break;
	case VIRTIO_DRIVER_FEATURE:
		set_feature(m, value);
		break;
	case VIRTIO_CONFIG_VECTOR:
		if (m->status & VIRTIO_DRIVER_OK)
			virtio_model_wrong("the configuration's vector is written when alive");
		m->config_vector = value < m->type->irqs.msix.vectors ? (uint16_t)value
								      : VIRTIO_NO_VECTOR;
		break;
	case VIRTIO_STATUS:
		set_status(m, (uint8_t)value);
		break;
	case VIRTIO_QUEUE_SELECT:
		m->queue_select = (uint16_t)value;
		break;
	default:
		virtio_model_queue_write(m, offset, value);
	}
}

/* ---- The kind's configuration ------------------------------------------------------------------ */

static void check_field(const struct virtio_model *m, uint64_t offset, size_t count)
{
	for (const struct virtio_model_field *f = m->kind->fields; f && f->width; f++) {
		unsigned width = f->width == 8 ? 4 : f->width;
		unsigned size = f->width * (f->count ? f->count : 1u);
		if (offset < f->offset || offset >= f->offset + size)
			continue;
		if (count != width || (offset - f->offset) % width)
			break;
		if (f->feature & ~m->accepted)
			virtio_model_wrong("field 0x%02x is read without its feature", f->offset);
		return;
	}
	virtio_model_wrong("a read of %zu bytes at 0x%02llx of the kind's configuration", count,
		(unsigned long long)offset);
}

static void config_read(struct virtio_model *m, uint64_t offset, void *buf, size_t count)
{
	uint8_t config[VIRTIO_MODEL_CONFIG] = { 0 };

	check_field(m, offset, count);
	if (offset >= sizeof(config) || count > sizeof(config) - offset)
		return;
	m->kind->config(m, config);
	memcpy(buf, config + offset, count);
	if (virtio_quirks.unrest) {
		virtio_quirks.unrest--;
		m->generation++;
	}
}

/* ---- The device -------------------------------------------------------------------------------- */

static int model_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct virtio_model *m = medio_priv(dev);
	uint64_t at = offset % VIRTIO_MODEL_PAGE;

	memset(buf, 0xff, count);
	if (region != VIRTIO_MODEL_BAR || virtio_quirks.gone)
		return 0;
	if (offset < VIRTIO_MODEL_AT_ISR) {
		if (check_access(at, count, false))
			medio_put_le(buf, count, common_read(m, at));
	} else if (offset < VIRTIO_MODEL_AT_DEVICE) {
		if (at || count != 1)
			virtio_model_wrong("the interrupt status is read at %u, %zu bytes",
				(unsigned)at, count);
		medio_put_le(buf, count, m->isr);
		m->isr = 0;
		medio_irq_set(dev, 0, false);
	} else if (offset < VIRTIO_MODEL_AT_NOTIFY) {
		config_read(m, at, buf, count);
	}
	return 0;
}

static int model_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct virtio_model *m = medio_priv(dev);
	uint32_t value = (uint32_t)medio_get_le(buf, count < 4 ? count : 4);
	uint64_t at = offset % VIRTIO_MODEL_PAGE;

	if (region != VIRTIO_MODEL_BAR || virtio_quirks.gone)
		return 0;
	if (offset < VIRTIO_MODEL_AT_ISR) {
		if (check_access(at, count, true))
			common_write(m, at, value);
	} else if (offset < VIRTIO_MODEL_AT_NOTIFY) {
		virtio_model_wrong(
			"a write at 0x%llx, where nothing is", (unsigned long long)offset);
	} else {
		virtio_model_notified(m, at, value, count);
	}
	virtio_seen.status = m->status;
	return 0;
}

static void model_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct virtio_model *m = medio_priv(dev);

	(void)region;
	if (!virtio_quirks.gone)
		virtio_model_rung(m, offset % VIRTIO_MODEL_PAGE);
}

/* Memory that a living queue has must stay. */
static void model_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size)
{
	struct virtio_model *m = medio_priv(dev);

	for (unsigned i = 0; i < VIRTIO_MODEL_QUEUES; i++) {
		struct virtio_model_queue *q = &m->queues[i];
		if (!q->enabled || q->desc < iova || q->desc - iova >= size)
			continue;
		if (!virtio_quirks.gone)
			virtio_model_wrong("the memory of queue %u goes while it is in use", i);
		q->enabled = false;
	}
}

static void model_reset(struct medio_dev *dev, enum medio_reset how)
{
	(void)how;
	forget(medio_priv(dev));
}

static int model_init(struct medio_dev *dev)
{
	struct virtio_model *m = medio_priv(dev);

	latest = m;
	m->dev = dev;
	m->type = medio_dev_type(dev);
	m->kind = m->type->data;
	m->later = medio_timer_new(dev, virtio_model_on_later, m);
	m->looks = medio_timer_new(dev, virtio_model_on_look, m);
	int ret = !m->later || !m->looks ? -ENOMEM : m->kind->init ? m->kind->init(m) : 0;
	if (ret) {
		medio_timer_free(m->later);
		medio_timer_free(m->looks);
		return ret;
	}
	if (virtio_model_shape_of(m->type)->mapped)
		virtio_model_on_look(m);
	forget(m);
	return 0;
}

static void model_fini(struct medio_dev *dev)
{
	struct virtio_model *m = medio_priv(dev);

	medio_timer_free(m->later);
	medio_timer_free(m->looks);
	if (m->kind->fini)
		m->kind->fini(m);
}

const struct medio_device_ops virtio_model_ops = {
	.init = model_init,
	.fini = model_fini,
	.region_read = model_read,
	.region_write = model_write,
	.doorbell = model_doorbell,
	.reset = model_reset,
	.dma_unmap = model_unmap,
};
