/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's own configuration (2.5). Its generation is another one whenever somebody who read it
 * before a change and after it must notice (4.1.4.3.1).
 */
#include <string.h>

#include <linux/virtio_config.h>

#include "virtio/inside.h"

uint8_t medio_virtio_core_generation(const struct medio_virtio_core *core)
{
	return core->generation;
}

void medio_virtio_core_config_read(
	struct medio_virtio_core *core, unsigned offset, void *buf, unsigned count)
{
	unsigned size = core->type->config_size;
	memset(buf, 0, count);
	if (offset >= size)
		return;
	core->config_was_read = true;
	memset(core->config, 0, size);
	if (core->ops->config_read)
		core->ops->config_read(core->dev, core->config);
	memcpy(buf, core->config + offset, count < size - offset ? count : size - offset);
}

void medio_virtio_core_config_write(
	struct medio_virtio_core *core, unsigned offset, const void *buf, unsigned count)
{
	unsigned size = core->type->config_size;
	if (offset >= size || count > size - offset || !core->ops->config_write) {
		medio_guest_error(core->dev,
			"%u bytes at 0x%x of its configuration are written, where %s; ignored (2.5)",
			count, offset,
			offset < size && count <= size - offset ? "nothing can be" : "nothing is");
		return;
	}
	core->ops->config_write(core->dev, offset, buf, count);
}

void medio_virtio_config_changed(struct medio_dev *dev)
{
	struct medio_virtio_core *core = medio_virtio_core_of(dev);
	/* One that was not read between two changes need not count both: 8 bits go round late. */
	if (core->config_was_read)
		core->generation++;
	core->config_was_read = false;
	if (core->status & VIRTIO_CONFIG_S_DRIVER_OK && !core->resetting)
		core->transport->config_interrupt(core->opaque);
}
