/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user on the wire: message layouts and numbers. Source: QEMU docs/interop/vfio-user.rst,
 * sections named at each structure. All values are in host byte order, as the document says.
 *
 * A message is a header, then a payload. "Payload" offsets below exclude the 16-byte header.
 */
#ifndef MEDIO_PROTO_VFIO_USER_H
#define MEDIO_PROTO_VFIO_USER_H

#include <stdint.h>

enum medio_vu_cmd {
	MEDIO_VU_VERSION = 1,
	MEDIO_VU_DMA_MAP = 2,
	MEDIO_VU_DMA_UNMAP = 3,
	MEDIO_VU_GET_INFO = 4,
	MEDIO_VU_GET_REGION_INFO = 5,
	MEDIO_VU_GET_REGION_IO_FDS = 6,
	MEDIO_VU_GET_IRQ_INFO = 7,
	MEDIO_VU_SET_IRQS = 8,
	MEDIO_VU_REGION_READ = 9,
	MEDIO_VU_REGION_WRITE = 10,
	MEDIO_VU_DMA_READ = 11,	 /* server to client */
	MEDIO_VU_DMA_WRITE = 12, /* server to client */
	MEDIO_VU_RESET = 13,
	MEDIO_VU_REGION_WRITE_MULTI = 15,
	MEDIO_VU_DEVICE_FEATURE = 16,
	MEDIO_VU_MIG_DATA_READ = 17,
	MEDIO_VU_MIG_DATA_WRITE = 18,
	MEDIO_VU_NUM_CMDS = 19,
	/*
	 * Ours, for clients that said "medio_observer" in VERSION and were told the same: an attribute of the
	 * device as text. Payload: its name with a NUL; for writing the value follows, without a NUL. The
	 * reply has the value; for an empty name all names, a line each: "rw NAME", with '-' for what cannot
	 * be read or written.
	 */
	MEDIO_VU_ATTRIBUTE = 0x4d41,
};

#define MEDIO_VU_MAX_ATTRIBUTE 65536 /* bytes of a value */

/* Header, "Protocol Specification / Header". */
struct medio_vu_header {
	uint16_t id;
	uint16_t cmd;
	uint32_t size; /* of the whole message, header included */
	uint32_t flags;
	uint32_t error; /* errno, valid with MEDIO_VU_ERROR */
};

#define MEDIO_VU_TYPE_MASK 0xfu
#define MEDIO_VU_COMMAND   0x0u
#define MEDIO_VU_REPLY	   0x1u
#define MEDIO_VU_NO_REPLY  0x10u
#define MEDIO_VU_ERROR	   0x20u
#define MEDIO_VU_MAJOR	   0
#define MEDIO_VU_MINOR	   0

/* VERSION: major, minor, then NUL-terminated JSON (may be absent). */
struct medio_vu_version {
	uint16_t major, minor;
};

/* DMA_MAP: argsz is the size of this structure; flags below; 0 or 1 fd. */
struct medio_vu_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, iova, size;
};
#define MEDIO_VU_MAP_READ  1u
#define MEDIO_VU_MAP_WRITE 2u

/* DMA_UNMAP: echoed in the reply. With GET_DIRTY_BITMAP a medio_vu_bitmap follows. */
struct medio_vu_dma_unmap {
	uint32_t argsz, flags;
	uint64_t iova, size;
};
#define MEDIO_VU_UNMAP_GET_DIRTY 1u
#define MEDIO_VU_UNMAP_ALL	 2u

struct medio_vu_bitmap {
	uint64_t pgsize, size; /* size: bytes of bitmap */
};

struct medio_vu_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};
#define MEDIO_VU_INFO_RESET 1u
#define MEDIO_VU_INFO_PCI   2u

/* Same as the kernel's struct vfio_region_info; capabilities follow. */
struct medio_vu_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
};
#define MEDIO_VU_REGION_READ_OK	 1u
#define MEDIO_VU_REGION_WRITE_OK 2u
#define MEDIO_VU_REGION_MMAP	 4u
#define MEDIO_VU_REGION_CAPS	 8u

struct medio_vu_cap_header {
	uint16_t id, version;
	uint32_t next; /* from the start of region_info; 0 ends */
};
#define MEDIO_VU_CAP_SPARSE_MMAP 1

struct medio_vu_sparse_mmap {
	struct medio_vu_cap_header header;
	uint32_t nr_areas, reserved;
	/* nr_areas of struct medio_vu_mmap_area */
};
struct medio_vu_mmap_area {
	uint64_t offset, size;
};

struct medio_vu_io_fds {
	uint32_t argsz, flags, index, count;
	/* count of struct medio_vu_ioeventfd */
};
struct medio_vu_ioeventfd {
	uint64_t offset, size;
	uint32_t fd_index, type, flags, padding;
	uint64_t datamatch;
};
#define MEDIO_VU_IO_FD_IOEVENTFD     0u
#define MEDIO_VU_IOEVENTFD_DATAMATCH 1u /* KVM_IOEVENTFD_FLAG_DATAMATCH */
#define MEDIO_VU_IOEVENTFD_PIO	     2u /* KVM_IOEVENTFD_FLAG_PIO */

struct medio_vu_irq_info {
	uint32_t argsz, flags, index, count;
};
#define MEDIO_VU_IRQ_EVENTFD	1u
#define MEDIO_VU_IRQ_MASKABLE	2u
#define MEDIO_VU_IRQ_AUTOMASKED 4u
#define MEDIO_VU_IRQ_NORESIZE	8u

/* SET_IRQS: argsz is the size of the request; bools follow with DATA_BOOL. */
struct medio_vu_irq_set {
	uint32_t argsz, flags, index, start, count;
};
#define MEDIO_VU_IRQ_DATA_NONE	    0x01u
#define MEDIO_VU_IRQ_DATA_BOOL	    0x02u
#define MEDIO_VU_IRQ_DATA_EVENTFD   0x04u
#define MEDIO_VU_IRQ_ACTION_MASK    0x08u
#define MEDIO_VU_IRQ_ACTION_UNMASK  0x10u
#define MEDIO_VU_IRQ_ACTION_TRIGGER 0x20u
#define MEDIO_VU_IRQ_DATA_TYPES	    0x07u
#define MEDIO_VU_IRQ_ACTIONS	    0x38u

/* REGION_READ, REGION_WRITE: data follows in a write and in a read's reply. */
struct medio_vu_region_access {
	uint64_t offset;
	uint32_t region, count;
};

/* DMA_READ, DMA_WRITE and their replies; data follows. The document gives the count in a write's
 * reply 4 bytes; QEMU sends 8, as here. */
struct medio_vu_dma_access {
	uint64_t iova, count;
};

/* REGION_WRITE_MULTI: wr_cnt, then entries. Reply: wr_cnt done. */
struct medio_vu_write_multi {
	uint64_t wr_cnt;
};
struct medio_vu_write_entry {
	uint64_t offset;
	uint32_t region, count; /* count 1 to 8 */
	uint8_t data[8];
};

struct medio_vu_feature {
	uint32_t argsz, flags;
};
#define MEDIO_VU_FEATURE_MASK  0xffffu
#define MEDIO_VU_FEATURE_GET   0x10000u
#define MEDIO_VU_FEATURE_SET   0x20000u
#define MEDIO_VU_FEATURE_PROBE 0x40000u

enum medio_vu_feature_index {
	MEDIO_VU_FEATURE_MIGRATION = 1,
	MEDIO_VU_FEATURE_MIG_DEVICE_STATE = 2,
	MEDIO_VU_FEATURE_DMA_LOGGING_START = 6,
	MEDIO_VU_FEATURE_DMA_LOGGING_STOP = 7,
	MEDIO_VU_FEATURE_DMA_LOGGING_REPORT = 8,
};

struct medio_vu_mig_state {
	uint32_t device_state, data_fd;
};
#define MEDIO_VU_MIGRATION_STOP_COPY 1u

/* device_state: enum medio_migration_state in device/migration.h has the protocol's numbers. */
struct medio_vu_logging_control {
	uint64_t page_size;
	uint32_t num_ranges, reserved;
	/* num_ranges of struct medio_vu_logging_range */
};
struct medio_vu_logging_range {
	uint64_t iova, length;
};
struct medio_vu_logging_report {
	uint64_t iova, length, page_size;
	/* bitmap of u64 words in the reply */
};

struct medio_vu_mig_data {
	uint32_t argsz, size;
};

/* Limits and defaults, "VFIO_USER_VERSION / Capabilities". */
#define MEDIO_VU_DEFAULT_XFER	  (1024u * 1024u)
#define MEDIO_VU_MAX_XFER	  (64u * 1024u * 1024u) /* QEMU refuses more */
#define MEDIO_VU_DEFAULT_DMA_MAPS 65535u
#define MEDIO_VU_DEFAULT_MSG_FDS  1u
#define MEDIO_VU_DMA_CHUNK	  65536u /* QEMU never completes much larger DMA_READ replies */

/* "REGION_WRITE", or "command 99" in a static buffer per thread; for log lines. */
const char *medio_vu_cmd_name(uint16_t cmd);

#endif
