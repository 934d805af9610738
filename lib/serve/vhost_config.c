/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's configuration, and how the front-end hears that it has changed; the number of queues. */
#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "serve/vhost_channel.h"
#include "serve/vhost_session.h"

static bool in_range(const struct medio_vhu_config *config)
{
	return config->offset <= MEDIO_VHU_MAX_CONFIG &&
	       config->size <= MEDIO_VHU_MAX_CONFIG - config->offset;
}

/* What is beyond the configuration reads as 0. "Zero length of payload to indicate an error." */
int medio_vhost_get_config(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhu_config *config = &msg->payload.config;
	if (!in_range(config)) {
		medio_vhost_refuse(s, msg, -EINVAL,
			"%u bytes at %u; a configuration has at most %u", config->size,
			config->offset, MEDIO_VHU_MAX_CONFIG);
		medio_vhost_answer(s, msg, config, 0);
		return 0;
	}
	medio_virtio_core_config_read(s->core, config->offset, config->bytes, config->size);
	s->config_read = true;
	s->generation = medio_virtio_core_generation(s->core);
	medio_vhost_answer(s, msg, config, MEDIO_VHU_CONFIG_HEAD + config->size);
	return 0;
}

/* The device knows which of its fields are a driver's to write; nothing else is changed, by migration
 * neither. */
int medio_vhost_set_config(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_vhu_config *config = &msg->payload.config;
	if (!in_range(config))
		return medio_vhost_refuse(s, msg, -EINVAL,
			"%u bytes at %u; a configuration has at most %u", config->size,
			config->offset, MEDIO_VHU_MAX_CONFIG);
	medio_virtio_core_config_write(s->core, config->offset, config->bytes, config->size);
	return 0;
}

/* "Multiple queue support". Of a network card, pairs are counted: front-ends do so, though the document does
 * not say it. Its control queue is the front-end's own. */
int medio_vhost_get_queue_num(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_virtio_type *type = medio_instance_type(s->inst)->data;
	medio_vhost_answer_u64(s, msg, type->id == VIRTIO_ID_NET ? s->num_rings / 2 : s->num_rings);
	return 0;
}

int medio_vhost_set_backend_fd(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhost_channel *channel;
	int fd = msg->fds[0];
	msg->fds[0] = -1;
	int ret = medio_vhost_channel_new(medio_instance_loop(s->inst), fd, &channel);
	if (ret)
		return medio_vhost_refuse(s, msg, ret, "%s",
			ret == -EINVAL ? "its file descriptor is not a stream socket"
				       : strerror(-ret));
	medio_vhost_channel_free(s->channel);
	s->channel = channel;
	if (medio_vhost_rings_live(s))
		medio_vhost_config_tell(s);
	return 0;
}

/* "Suspended device state": nothing is sent while no ring runs; it is made up for when one does. */
void medio_vhost_config_tell(struct medio_vhost_session *s)
{
	uint8_t generation = medio_virtio_core_generation(s->core);
	if (!s->channel || !medio_vhost_has(s, MEDIO_VHU_P_CONFIG) ||
		(s->config_read && s->generation == generation))
		return;
	/* Told once; if it does not read, it does not want to know. */
	s->config_read = true;
	s->generation = generation;
	medio_vhost_channel_config_changed(s->channel);
}

void medio_vhost_config_interrupt(struct medio_vhost_session *s)
{
	if (medio_virtio_core_status(s->core) & VIRTIO_CONFIG_S_NEEDS_RESET)
		medio_vhost_rings_error(s);
	else if (medio_vhost_rings_live(s))
		medio_vhost_config_tell(s);
}
