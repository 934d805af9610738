/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interface of /dev/iommu and of VFIO's character devices, of which linux-libc-dev of
 * Debian 12 knows nothing. Source: Linux, include/uapi/linux/iommufd.h and vfio.h, version 6.6 on;
 * Documentation/userspace-api/iommufd.rst.
 *
 * Each call of /dev/iommu takes a structure that begins with its size; all of them are of fixed layout,
 * and a newer kernel takes the older, shorter ones.
 */
#ifndef MEDIO_PROTO_IOMMUFD_H
#define MEDIO_PROTO_IOMMUFD_H

#include <stdint.h>
#include <sys/ioctl.h>

/* Both interfaces number their calls from the same letter. */
#define MEDIO_IOMMUFD_CALL(n) _IO(';', (n))

/* Any object of this file goes. -EBUSY: something is attached to it. */
struct medio_iommu_destroy {
	uint32_t size;
	uint32_t id;
};
#define MEDIO_IOMMU_DESTROY MEDIO_IOMMUFD_CALL(0x80)

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

/* These ranges are to stay usable, and only they are chosen from. -EADDRINUSE: they are not usable now. */
struct medio_iommu_ioas_allow_iovas {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t reserved;
	uint64_t allowed_iovas; /* pointer to struct medio_iommu_iova_range */
};
#define MEDIO_IOMMU_IOAS_ALLOW_IOVAS MEDIO_IOMMUFD_CALL(0x82)

/* Map what another one has mapped, with flags as for IOAS_MAP. */
struct medio_iommu_ioas_copy {
	uint32_t size;
	uint32_t flags;
	uint32_t dst_ioas_id;
	uint32_t src_ioas_id;
	uint64_t length;
	uint64_t dst_iova;
	uint64_t src_iova;
};
#define MEDIO_IOMMU_IOAS_COPY MEDIO_IOMMUFD_CALL(0x83)

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

/* Options of the file (the limit of locked memory) and of an IOAS (huge pages). */
struct medio_iommu_option {
	uint32_t size;
	uint32_t option_id;
	uint16_t op;
	uint16_t reserved;
	uint32_t object_id;
	uint64_t val64;
};
#define MEDIO_IOMMU_OPTION	       MEDIO_IOMMUFD_CALL(0x87)
#define MEDIO_IOMMU_OPTION_RLIMIT_MODE 0
#define MEDIO_IOMMU_OPTION_HUGE_PAGES  1
#define MEDIO_IOMMU_OPTION_OP_SET      0
#define MEDIO_IOMMU_OPTION_OP_GET      1

/* The IOAS that VFIO's own calls on this file are about. */
struct medio_iommu_vfio_ioas {
	uint32_t size;
	uint32_t ioas_id;
	uint16_t op;
	uint16_t reserved;
};
#define MEDIO_IOMMU_VFIO_IOAS	    MEDIO_IOMMUFD_CALL(0x88)
#define MEDIO_IOMMU_VFIO_IOAS_GET   0
#define MEDIO_IOMMU_VFIO_IOAS_SET   1
#define MEDIO_IOMMU_VFIO_IOAS_CLEAR 2

/* A page table of an IOAS's for devices that are like dev_id. */
struct medio_iommu_hwpt_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t dev_id;
	uint32_t pt_id;
	uint32_t out_hwpt_id;
	uint32_t reserved;
	uint32_t data_type;
	uint32_t data_len;
	uint64_t data_uptr;
	uint32_t fault_id;
	uint32_t reserved2;
};
#define MEDIO_IOMMU_HWPT_ALLOC		MEDIO_IOMMUFD_CALL(0x89)
#define MEDIO_IOMMU_HWPT_NEST_PARENT	1
#define MEDIO_IOMMU_HWPT_DIRTY_TRACKING 2

/* What kind of IOMMU a device is behind. */
struct medio_iommu_hw_info {
	uint32_t size;
	uint32_t flags;
	uint32_t dev_id;
	uint32_t data_len;
	uint64_t data_uptr;
	uint32_t out_data_type; /* 0: none that has anything to tell */
	uint8_t out_max_pasid_log2;
	uint8_t reserved[3];
	uint64_t out_capabilities;
};
#define MEDIO_IOMMU_GET_HW_INFO		    MEDIO_IOMMUFD_CALL(0x8a)
#define MEDIO_IOMMU_HW_INFO_FLAG_INPUT_TYPE 1
#define MEDIO_IOMMU_HW_CAP_DIRTY_TRACKING   1

/* The log of what devices write through a page table. */
struct medio_iommu_hwpt_set_dirty_tracking {
	uint32_t size;
	uint32_t flags;
	uint32_t hwpt_id;
	uint32_t reserved;
};
#define MEDIO_IOMMU_HWPT_SET_DIRTY_TRACKING MEDIO_IOMMUFD_CALL(0x8b)
#define MEDIO_IOMMU_HWPT_DIRTY_ENABLE	    1

struct medio_iommu_hwpt_get_dirty_bitmap {
	uint32_t size;
	uint32_t hwpt_id;
	uint32_t flags;
	uint32_t reserved;
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	uint64_t data; /* pointer to the bitmap */
};
#define MEDIO_IOMMU_HWPT_GET_DIRTY_BITMAP MEDIO_IOMMUFD_CALL(0x8c)
#define MEDIO_IOMMU_HWPT_DIRTY_NO_CLEAR	  1

/* As IOAS_MAP, of a file's memory. */
struct medio_iommu_ioas_map_file {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	int32_t fd;
	uint64_t start;
	uint64_t length;
	uint64_t iova;
};
#define MEDIO_IOMMU_IOAS_MAP_FILE MEDIO_IOMMUFD_CALL(0x8f)

/* The program has become another process (exec), with the same memory. Files only. */
struct medio_iommu_ioas_change_process {
	uint32_t size;
	uint32_t reserved;
};
#define MEDIO_IOMMU_IOAS_CHANGE_PROCESS MEDIO_IOMMUFD_CALL(0x92)

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
#define MEDIO_VFIO_ATTACH_PT	MEDIO_IOMMUFD_CALL(100 + 19)
#define MEDIO_VFIO_ATTACH_PASID 1

struct medio_vfio_detach_pt {
	uint32_t argsz;
	uint32_t flags;
};
#define MEDIO_VFIO_DETACH_PT	MEDIO_IOMMUFD_CALL(100 + 20)
#define MEDIO_VFIO_DETACH_PASID 1

#endif
