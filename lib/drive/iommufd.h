/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interface of /dev/iommu and of VFIO's character devices, of which linux-libc-dev of
 * Debian 12 knows nothing. Source: Linux, include/uapi/linux/iommufd.h and vfio.h, version 6.6 on;
 * Documentation/userspace-api/iommufd.rst.
 *
 * Each call of /dev/iommu takes a structure that begins with its size; all of them are of fixed layout,
 * and a newer kernel takes the older, shorter ones.
 */
#ifndef MEDIO_DRIVE_IOMMUFD_H
#define MEDIO_DRIVE_IOMMUFD_H

#include <stdint.h>
#include <sys/ioctl.h>

/* Both interfaces number their calls from the same letter. */
#define MEDIO_IOMMUFD_CALL(n) _IO(';', (n))

/* A new, empty I/O address space. */
struct medio_iommu_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};
#define MEDIO_IOMMU_IOAS_ALLOC MEDIO_IOMMUFD_CALL(0x81)

struct medio_iommu_iova_range {
	uint64_t start;
	uint64_t last;
};

/* Where it can have mappings. -EMSGSIZE: there are more ranges; num_iovas then says how many. */
struct medio_iommu_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t reserved;
	uint64_t allowed_iovas; /* pointer to struct medio_iommu_iova_range */
	uint64_t out_iova_alignment;
};
#define MEDIO_IOMMU_IOAS_IOVA_RANGES MEDIO_IOMMUFD_CALL(0x84)

#define MEDIO_IOMMU_IOAS_MAP_FIXED_IOVA 1
#define MEDIO_IOMMU_IOAS_MAP_WRITEABLE	2
#define MEDIO_IOMMU_IOAS_MAP_READABLE	4
struct medio_iommu_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};
#define MEDIO_IOMMU_IOAS_MAP MEDIO_IOMMUFD_CALL(0x85)

/* Whole mappings only; -ENOENT: there is none, or one would be cut. */
struct medio_iommu_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};
#define MEDIO_IOMMU_IOAS_UNMAP MEDIO_IOMMUFD_CALL(0x86)

/* ---- Calls of /dev/vfio/devices/vfioN ---------------------------------------------------------- */

/* First of all: who translates for the device. Everything before it is -EINVAL. */
struct medio_vfio_bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
	uint64_t token_uuid_ptr; /* to 16 bytes; from Linux 6.18 on */
};
#define MEDIO_VFIO_BIND_FLAG_TOKEN 1
#define MEDIO_VFIO_BIND_IOMMUFD	   MEDIO_IOMMUFD_CALL(100 + 18)

/* Then: by which address space. */
struct medio_vfio_attach_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
};
#define MEDIO_VFIO_ATTACH_PT MEDIO_IOMMUFD_CALL(100 + 19)

#endif
