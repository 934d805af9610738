/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The status of a device, by which a driver brings it up (3.1.1):
 *
 *     1  reset: 0                      5  FEATURES_OK: are they a possible choice?
 *     2  ACKNOWLEDGE                   6  the driver reads it again
 *     3  DRIVER                        7  queues are set up
 *     4  features are written          8  DRIVER_OK: queues go live
 *
 * Only a reset clears bits. The device sets NEEDS_RESET itself when its driver did what cannot be.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "virtio/inflight.h"
#include "virtio/inside.h"
#include "virtio/names.h"

#define FEATURE_WORDS 256

/* ---- Reset ---------------------------------------------------------------------------------------- */

/* What was in flight is nobody's any more; not so if the queue was never live. */
static void forget_notes(const struct medio_virtio_core_queue *q)
{
	struct medio_virtq_setup setup;
	if (!q->inflight || !q->told)
		return;
	medio_virtq_get_setup(q->vq, &setup);
	memset(q->inflight, 0, medio_virtq_inflight_bytes(setup.packed, setup.size));
}

static void queue_to_reset(struct medio_virtio_core *core, unsigned index)
{
	struct medio_virtio_core_queue *q = &core->queues[index];
	struct medio_virtio_queue_regs *regs = &q->regs;
	forget_notes(q);
	medio_virtio_core_queue_told(core, index, false);
	*regs = (struct medio_virtio_queue_regs){
		.size = regs->max_size,
		.max_size = regs->max_size,
	};
	q->has_at = false;
	q->inflight = NULL;
}

static void finish_reset(struct medio_virtio_core *core)
{
	for (unsigned i = 0; i < core->num_queues; i++)
		queue_to_reset(core, i);
	core->status = 0;
	core->driver_features = core->accepted = 0;
	core->resetting = false;
	core->hold &= ~(unsigned)MEDIO_VIRTIO_HOLD_CLIENT;
	if (core->ops->reset)
		core->ops->reset(core->dev);
	core->transport->reset_done(core->opaque, -1);
}

static void begin_reset(struct medio_virtio_core *core)
{
	bool busy = false;
	medio_virtio_poll_live(core, false);
	medio_virtio_core_forget_pending(core);
	for (unsigned i = 0; i < core->num_queues; i++) {
		struct medio_virtq *vq = core->queues[i].vq;
		if (medio_virtq_is_live(vq))
			medio_virtq_stop(vq);
		busy |= medio_virtq_in_flight(vq) > 0;
	}
	core->resetting = busy;
	if (!busy)
		finish_reset(core);
}

static void finish_queue_reset(struct medio_virtio_core *core, unsigned index)
{
	queue_to_reset(core, index);
	core->transport->reset_done(core->opaque, (int)index);
}

void medio_virtio_core_reset_idle(struct medio_virtio_core *core, unsigned index)
{
	if (core->resetting) {
		if (!medio_virtio_core_in_flight(core))
			finish_reset(core);
	} else if (core->queues[index].regs.resetting &&
		   !medio_virtq_in_flight(core->queues[index].vq)) {
		finish_queue_reset(core, index);
	}
}

void medio_virtio_core_reset(struct medio_virtio_core *core)
{
	medio_virtio_core_drain(core);
	begin_reset(core);
}

void medio_virtio_core_queue_reset(struct medio_virtio_core *core, unsigned index)
{
	struct medio_virtio_core_queue *q = &core->queues[index];
	if (!medio_virtio_core_has(core, VIRTIO_F_RING_RESET)) {
		medio_guest_error(core->dev,
			"queue %u: a reset of the queue without RING_RESET; ignored (2.6.1)",
			index);
		return;
	}
	medio_virtio_core_revive(core, true);
	if (!q->regs.enabled || q->regs.resetting || core->resetting)
		return;
	if (medio_virtq_is_live(q->vq))
		medio_virtq_stop(q->vq);
	q->regs.resetting = true;
	if (!medio_virtq_in_flight(q->vq))
		finish_queue_reset(core, index);
}

/* ---- NEEDS_RESET (2.1.2) ------------------------------------------------------------------------------- */

/* Nothing is popped any more. */
static void halt(struct medio_virtio_core *core)
{
	for (unsigned i = 0; i < core->num_queues; i++)
		if (medio_virtq_is_live(core->queues[i].vq))
			medio_virtq_pause(core->queues[i].vq);
	medio_virtio_poll_live(core, false);
}

void medio_virtio_core_broken(struct medio_virtio_core *core, const char *words)
{
	if (core->status & VIRTIO_CONFIG_S_NEEDS_RESET || core->resetting)
		return;
	medio_guest_error(core->dev, "%s; the device needs a reset", words);
	core->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	halt(core);
	if (core->status & VIRTIO_CONFIG_S_DRIVER_OK)
		core->transport->config_interrupt(core->opaque);
}

void medio_virtio_broken(struct medio_dev *dev, const char *fmt, ...)
{
	char words[MEDIO_VIRTQ_WORDS];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	medio_virtio_core_broken(medio_virtio_core_of(dev), words);
}

/* ---- Features -------------------------------------------------------------------------------------------- */

uint64_t medio_virtio_core_offered(const struct medio_virtio_core *core)
{
	return core->offered;
}

uint64_t medio_virtio_core_driver_features(const struct medio_virtio_core *core)
{
	return core->driver_features;
}

void medio_virtio_core_set_features(struct medio_virtio_core *core, uint64_t features)
{
	if (core->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		medio_guest_error(core->dev,
			"features are written after FEATURES_OK; ignored (3.1.1, step 5)");
		return;
	}
	core->driver_features = features;
}

/* May the driver have what it chose (2.2.2)? If not, the log says why. */
static bool features_ok(struct medio_virtio_core *core)
{
	uint64_t chosen = core->driver_features, strange = chosen & ~core->offered;
	char names[FEATURE_WORDS];
	if (!(core->status & VIRTIO_CONFIG_S_DRIVER)) {
		medio_guest_error(
			core->dev, "FEATURES_OK is refused: it is set before DRIVER (3.1.1)");
		return false;
	}
	if (strange) {
		medio_virtio_features_print(core->type->id, strange, names, sizeof(names));
		medio_guest_error(core->dev,
			"FEATURES_OK is refused: the driver accepts what is not offered: %s "
			"(2.2.1)",
			names);
		return false;
	}
	if (!(chosen & MEDIO_VIRTIO_BIT(VIRTIO_F_VERSION_1))) {
		medio_guest_error(core->dev,
			"FEATURES_OK is refused: the driver does not accept VERSION_1. Legacy "
			"drivers, from before virtio 1.0, are not served: take one that knows "
			"virtio 1.0 (6.1)");
		return false;
	}
	if (core->ops->features && core->ops->features(core->dev, chosen)) {
		medio_virtio_features_print(core->type->id, chosen, names, sizeof(names));
		medio_guest_error(core->dev,
			"FEATURES_OK is refused: the device cannot work with this choice: %s",
			names);
		return false;
	}
	return true;
}

/* ---- Going live -------------------------------------------------------------------------------------------- */

static int start_queues(struct medio_virtio_core *core, char *words)
{
	for (unsigned i = 0; i < core->num_queues; i++) {
		const struct medio_virtio_core_queue *q = &core->queues[i];
		if (!q->regs.enabled)
			continue;
		int ret = medio_virtio_core_queue_start(core, i, q->has_at ? &q->at : NULL, words);
		if (ret)
			return ret;
	}
	return 0;
}

void medio_virtio_core_go_live(struct medio_virtio_core *core)
{
	if (core->ops->live)
		core->ops->live(core->dev);
	for (unsigned i = 0; i < core->num_queues; i++)
		if (medio_virtio_core_is_live(core) && medio_virtq_is_live(core->queues[i].vq))
			medio_virtio_core_queue_told(core, i, true);
	if (medio_virtio_core_is_live(core))
		medio_virtio_poll_live(core, true);
	medio_virtio_core_own_late(core);
}

static void driver_ok(struct medio_virtio_core *core)
{
	char words[MEDIO_VIRTQ_WORDS] = "a queue cannot be started";
	if (!(core->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		medio_guest_error(core->dev,
			"DRIVER_OK without FEATURES_OK is ignored (3.1.1): the driver is a legacy "
			"one, from before virtio 1.0, or has not looked whether its features were "
			"taken. Legacy drivers are not served");
		return;
	}
	core->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	if (start_queues(core, words))
		medio_virtio_core_broken(core, words);
	else
		medio_virtio_core_go_live(core);
}

void medio_virtio_core_queue_enable(struct medio_virtio_core *core, unsigned index)
{
	struct medio_virtio_core_queue *q = &core->queues[index];
	char words[MEDIO_VIRTQ_WORDS] = "a queue cannot be started";
	if (q->regs.enabled || q->regs.resetting || core->resetting)
		return;
	if (!(core->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		medio_guest_error(core->dev,
			"queue %u is enabled before FEATURES_OK; ignored (3.1.1, step 7)", index);
		return;
	}
	if (core->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		if (!medio_virtio_core_has(core, VIRTIO_F_RING_RESET)) {
			medio_guest_error(core->dev,
				"queue %u is enabled after DRIVER_OK, without RING_RESET; ignored "
				"(3.1.1, step 7)",
				index);
			return;
		}
		medio_virtio_core_revive(core, true);
		medio_virtio_core_forget_position(core, index);
		q->regs.enabled = true;
		if (!medio_virtio_core_is_live(core))
			return;
		if (medio_virtio_core_queue_start(core, index, NULL, words))
			medio_virtio_core_broken(core, words);
		else
			medio_virtio_core_queue_told(core, index, true);
		return;
	}
	q->regs.enabled = true;
}

/* ---- The register -------------------------------------------------------------------------------------------- */

uint8_t medio_virtio_core_status(const struct medio_virtio_core *core)
{
	return core->status;
}

void medio_virtio_core_status_read(struct medio_virtio_core *core)
{
	if (core->hold & MEDIO_VIRTIO_HOLD_CLIENT)
		medio_virtio_core_revive(core, false);
}

/* Bits that may not be written, or not cleared, are told and left alone. Gives those that are new. */
static uint8_t new_bits(struct medio_virtio_core *core, uint8_t status)
{
	const uint8_t drivers = MEDIO_VIRTIO_STATUS_KNOWN & ~VIRTIO_CONFIG_S_NEEDS_RESET;
	uint8_t missing = core->status & (uint8_t)~status & drivers;
	uint8_t strange = status & (uint8_t)~drivers & (uint8_t)~core->status;
	char names[FEATURE_WORDS];
	if (missing) {
		medio_virtio_status_print(missing, names, sizeof(names));
		medio_guest_error(core->dev,
			"status 0x%02x would clear %s, which only a reset does (2.1.1)", status,
			names);
	}
	if (strange) {
		medio_virtio_status_print(strange, names, sizeof(names));
		medio_guest_error(core->dev, "status 0x%02x: %s is not a driver's to set (2.1)",
			status, names);
	}
	return status & drivers & (uint8_t)~core->status;
}

void medio_virtio_core_set_status(struct medio_virtio_core *core, uint8_t status)
{
	if (core->resetting) {
		if (status)
			medio_guest_error(core->dev,
				"status 0x%02x is written before a reset is done; ignored (2.4.2)",
				status);
		return;
	}
	if (!status) {
		begin_reset(core);
		return;
	}
	uint8_t fresh = new_bits(core, status);
	if (fresh && core->status & (VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET)) {
		medio_guest_error(core->dev,
			"status 0x%02x is written, but only a reset helps now (2.1)", status);
		core->status |= fresh & VIRTIO_CONFIG_S_FAILED;
		return;
	}
	if (fresh & VIRTIO_CONFIG_S_FAILED) {
		medio_guest_error(core->dev, "the driver gave up on the device (FAILED, 2.1)");
		core->status |= VIRTIO_CONFIG_S_FAILED;
		halt(core);
		return;
	}
	core->status |= fresh & VIRTIO_CONFIG_S_ACKNOWLEDGE;
	if (fresh & VIRTIO_CONFIG_S_DRIVER) {
		if (!(core->status & VIRTIO_CONFIG_S_ACKNOWLEDGE))
			medio_guest_error(core->dev, "DRIVER is set before ACKNOWLEDGE (3.1.1)");
		core->status |= VIRTIO_CONFIG_S_DRIVER;
	}
	if (fresh & VIRTIO_CONFIG_S_FEATURES_OK && features_ok(core)) {
		core->accepted = core->driver_features;
		core->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if (fresh & VIRTIO_CONFIG_S_DRIVER_OK)
		driver_ok(core);
}
