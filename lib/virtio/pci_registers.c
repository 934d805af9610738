/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of the registers of a virtio card (4.1.4.3, 4.1.4.4, 4.1.4.5). */
#include <medio/virtio.h>

#define BAR MEDIO_VIRTIO_BAR
#define COMMON(name_, offset_, size_) \
	{ \
		name_, BAR, MEDIO_VIRTIO_COMMON + (offset_), size_ \
	}

const struct medio_register medio_virtio_pci_registers[] = {
	COMMON("device_feature_select", 0x00, 4),
	COMMON("device_feature", 0x04, 4),
	COMMON("driver_feature_select", 0x08, 4),
	COMMON("driver_feature", 0x0c, 4),
	COMMON("config_msix_vector", 0x10, 2),
	COMMON("num_queues", 0x12, 2),
	COMMON("device_status", 0x14, 1),
	COMMON("config_generation", 0x15, 1),
	COMMON("queue_select", 0x16, 2),
	COMMON("queue_size", 0x18, 2),
	COMMON("queue_msix_vector", 0x1a, 2),
	COMMON("queue_enable", 0x1c, 2),
	COMMON("queue_notify_off", 0x1e, 2),
	COMMON("queue_desc", 0x20, 8),
	COMMON("queue_driver", 0x28, 8),
	COMMON("queue_device", 0x30, 8),
	COMMON("queue_notif_config_data", 0x38, 2),
	COMMON("queue_reset", 0x3a, 2),
	COMMON("admin_queue_index", 0x3c, 2),
	COMMON("admin_queue_num", 0x3e, 2),
	{ "isr_status", BAR, MEDIO_VIRTIO_ISR, 1 },
	{ "device_config", BAR, MEDIO_VIRTIO_CONFIG, MEDIO_VIRTIO_NOTIFY - MEDIO_VIRTIO_CONFIG },
	{ "notify", BAR, MEDIO_VIRTIO_NOTIFY, MEDIO_VIRTIO_MULTIPLIER,
		(MEDIO_VIRTIO_BAR_SIZE - MEDIO_VIRTIO_NOTIFY) / MEDIO_VIRTIO_MULTIPLIER },
	{ 0 },
};
