/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the specification says of virtio on PCI, as far as the driver needs it. Numbers are sections of
 * Virtual I/O Device (VIRTIO) 1.3.
 */
#ifndef VIRTIO_SPEC_H
#define VIRTIO_SPEC_H

/* Identity (4.1.2). */
enum {
	VIRTIO_VENDOR = 0x1af4,
	VIRTIO_TRANSITIONAL = 0x1000, /* to 0x103f; the kind is the subsystem's id */
	VIRTIO_MODERN = 0x1040,	      /* plus the kind, to 0x107f */
	VIRTIO_LAST = 0x107f,
};

/* A capability that tells where a structure is (4.1.4): offsets inside it. */
enum {
	VIRTIO_CAP_VENDOR = 0x09, /* its id in configuration space */
	VIRTIO_CAP_LENGTH = 2,
	VIRTIO_CAP_TYPE = 3,
	VIRTIO_CAP_BAR = 4,
	VIRTIO_CAP_OFFSET = 8,
	VIRTIO_CAP_SIZE = 12,
	VIRTIO_CAP_BYTES = 16,
	VIRTIO_CAP_MULTIPLIER = 16, /* of the one for notifications (4.1.4.4) */
	VIRTIO_CAP_NOTIFY_BYTES = 20,
};

enum {
	VIRTIO_CAP_COMMON = 1, /* 4.1.4.3 */
	VIRTIO_CAP_NOTIFY = 2, /* 4.1.4.4 */
	VIRTIO_CAP_ISR = 3,    /* 4.1.4.5 */
	VIRTIO_CAP_DEVICE = 4, /* 4.1.4.6 */
};

/* The common configuration (4.1.4.3). */
enum {
	VIRTIO_DEVICE_FEATURE_SELECT = 0x00, /* 4 bytes */
	VIRTIO_DEVICE_FEATURE = 0x04,	     /* 4 */
	VIRTIO_DRIVER_FEATURE_SELECT = 0x08, /* 4 */
	VIRTIO_DRIVER_FEATURE = 0x0c,	     /* 4 */
	VIRTIO_CONFIG_VECTOR = 0x10,	     /* 2 */
	VIRTIO_NUM_QUEUES = 0x12,	     /* 2 */
	VIRTIO_STATUS = 0x14,		     /* 1 */
	VIRTIO_GENERATION = 0x15,	     /* 1 */
	VIRTIO_QUEUE_SELECT = 0x16,	     /* 2 */
	VIRTIO_QUEUE_SIZE = 0x18,	     /* 2 */
	VIRTIO_QUEUE_VECTOR = 0x1a,	     /* 2 */
	VIRTIO_QUEUE_ENABLE = 0x1c,	     /* 2 */
	VIRTIO_QUEUE_NOTIFY_OFF = 0x1e,	     /* 2 */
	VIRTIO_QUEUE_DESC = 0x20,	     /* 8 */
	VIRTIO_QUEUE_DRIVER = 0x28,	     /* 8 */
	VIRTIO_QUEUE_DEVICE = 0x30,	     /* 8 */
	VIRTIO_COMMON_BYTES = 0x38,
};

#define VIRTIO_NO_VECTOR 0xffff

/* The interrupt status, cleared by reading (4.1.4.5). */
enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

#endif
