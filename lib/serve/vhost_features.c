/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Features, status, resets. The steps by which a driver brings a device up (VIRTIO 1.3, 3.1.1) reach us in
 * part: SET_FEATURES is step 5, whatever the status; DRIVER_OK is the front-end's if it writes the
 * status at all, else it comes with the first ring that runs.
 */
#include <errno.h>

#include <linux/virtio_config.h>

#include "serve/vhost_log.h"
#include "serve/vhost_session.h"
#include "serve/vhost_state.h"

#define BIT(n_) (UINT64_C(1) << (n_))
#define OURS	(BIT(MEDIO_VHU_F_LOG_ALL) | BIT(MEDIO_VHU_F_PROTOCOL_FEATURES))

bool medio_vhost_features_ok(const struct medio_vhost_session *s)
{
	return s->has_features && medio_virtio_core_status(s->core) & VIRTIO_CONFIG_S_FEATURES_OK;
}

bool medio_vhost_is_packed(const struct medio_vhost_session *s)
{
	return s->features >> VIRTIO_F_RING_PACKED & 1;
}

/* ---- Features ------------------------------------------------------------------------------------------ */

int medio_vhost_get_features(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	medio_vhost_answer_u64(s, msg, medio_virtio_core_offered(s->core) | OURS);
	return 0;
}

static void more_status(struct medio_vhost_session *s, uint8_t bits)
{
	uint8_t now = medio_virtio_core_status(s->core);
	if (bits & ~now)
		medio_virtio_core_set_status(s->core, now | bits);
}

/* Steps 2 to 5. What the device does not like about them it has said itself. */
static void choose(struct medio_vhost_session *s)
{
	medio_virtio_core_set_features(s->core, s->features & ~OURS);
	more_status(s,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
}

/* Nothing of the driver's is left. */
static void reset(struct medio_vhost_session *s)
{
	medio_vhost_state_cancel(s->state);
	for (unsigned i = 0; i < s->num_rings; i++)
		medio_vhost_ring_rest(&s->rings[i]);
	medio_virtio_core_reset(s->core);
	s->inherited = false;
}

void medio_vhost_new_driver(struct medio_vhost_session *s)
{
	uint8_t status = medio_virtio_core_status(s->core);
	reset(s);
	choose(s);
	if (status & VIRTIO_CONFIG_S_DRIVER_OK && s->status_set)
		more_status(s, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The driver's choice is taken already. */
static bool chosen(const struct medio_vhost_session *s, uint64_t features)
{
	return medio_virtio_core_status(s->core) & VIRTIO_CONFIG_S_FEATURES_OK &&
	       medio_virtio_core_driver_features(s->core) == (features & ~OURS);
}

int medio_vhost_set_features(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	uint64_t features = msg->payload.u64;
	uint64_t strange = features & ~(medio_virtio_core_offered(s->core) | OURS);
	if (strange)
		return medio_vhost_refuse(s, msg, -EINVAL,
			"0x%llx has bits that GET_FEATURES does not offer: 0x%llx",
			(unsigned long long)features, (unsigned long long)strange);
	if (!chosen(s, features) && medio_vhost_rings_live(s))
		return medio_vhost_refuse(s, msg, -EBUSY,
			"0x%llx instead of 0x%llx while rings run; only LOG_ALL (bit 26) may "
			"change then, for others stop them with GET_VRING_BASE",
			(unsigned long long)features, (unsigned long long)s->features);
	int ret = medio_vhost_log_set_on(s->log, features & BIT(MEDIO_VHU_F_LOG_ALL));
	if (ret)
		return ret;
	s->features = features;
	s->has_features = true;
	if (!chosen(s, features)) {
		if (medio_virtio_core_status(s->core) & VIRTIO_CONFIG_S_FEATURES_OK)
			reset(s);
		choose(s);
	}
	/* "Ring states": without protocol features all rings are enabled at once. */
	for (unsigned i = 0; i < s->num_rings; i++)
		if (!(features & BIT(MEDIO_VHU_F_PROTOCOL_FEATURES)))
			s->rings[i].enabled = true;
	medio_vhost_rings_retry(s);
	/* A driver's choice that cannot be is the guest's affair: the front-end may hear of it, but is
	 * not to be blamed. */
	if (!medio_vhost_features_ok(s) && msg->hdr.flags & MEDIO_VHU_NEED_REPLY)
		return -EINVAL;
	return 0;
}

/* There is nothing to ask of a device without a configuration, and QEMU warns of what it will not ask. */
static uint64_t offered_protocol(const struct medio_vhost_session *s)
{
	const struct medio_virtio_type *type = medio_instance_type(s->inst)->data;
	return type->config_size ? MEDIO_VHOST_PROTOCOL
				 : MEDIO_VHOST_PROTOCOL & ~BIT(MEDIO_VHU_P_CONFIG);
}

int medio_vhost_get_protocol(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	medio_vhost_answer_u64(s, msg, offered_protocol(s));
	return 0;
}

int medio_vhost_set_protocol(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	uint64_t strange = msg->payload.u64 & ~offered_protocol(s);
	if (strange)
		return medio_vhost_refuse(s, msg, -EINVAL,
			"0x%llx has bits that GET_PROTOCOL_FEATURES does not offer: 0x%llx",
			(unsigned long long)msg->payload.u64, (unsigned long long)strange);
	s->protocol = msg->payload.u64;
	return 0;
}

/* ---- Status -------------------------------------------------------------------------------------------- */

void medio_vhost_driver_up(struct medio_vhost_session *s)
{
	if (!s->status_set)
		more_status(s, VIRTIO_CONFIG_S_DRIVER_OK);
}

int medio_vhost_get_status(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	medio_virtio_core_status_read(s->core);
	medio_vhost_answer_u64(s, msg, medio_virtio_core_status(s->core));
	return 0;
}

/*
 * Front-ends leave out steps: FEATURES_OK comes before DRIVER, DRIVER_OK without FEATURES_OK, and
 * what is written is what was read, with NEEDS_RESET in it.
 */
int medio_vhost_set_status(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	uint64_t status = msg->payload.u64;
	if (status > UINT8_MAX)
		return medio_vhost_refuse(s, msg, -EINVAL,
			"0x%llx; a status has 8 bits (VIRTIO 1.3, 2.1)",
			(unsigned long long)status);
	s->status_set = true;
	if (!status) {
		for (unsigned i = 0; i < s->num_rings; i++)
			medio_vhost_ring_stop(&s->rings[i]);
		reset(s);
		return 0;
	}
	if (status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK) && s->has_features &&
		!medio_vhost_features_ok(s))
		choose(s);
	more_status(s, (uint8_t)(status & ~(unsigned)VIRTIO_CONFIG_S_NEEDS_RESET));
	medio_vhost_rings_retry(s);
	return 0;
}

/* ---- Resets -------------------------------------------------------------------------------------------- */

static void disable_all(struct medio_vhost_session *s)
{
	for (unsigned i = 0; i < s->num_rings; i++) {
		medio_vhost_ring_rest(&s->rings[i]);
		s->rings[i].enabled = false;
	}
}

/* "Disable all rings and reset all internal device state to the initial state." */
int medio_vhost_reset_device(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	(void)msg;
	for (unsigned i = 0; i < s->num_rings; i++)
		medio_vhost_ring_stop(&s->rings[i]);
	disable_all(s);
	reset(s);
	s->status_set = false;
	return 0;
}

/* "It is recommended that back-ends either ignore this message, or use it to disable all rings." */
int medio_vhost_reset_owner(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	(void)msg;
	disable_all(s);
	return 0;
}
