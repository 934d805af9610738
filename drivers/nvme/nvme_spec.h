/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What NVM Express says, as far as the driver needs it. Numbers of sections are those of the NVM
 * Express Base Specification 2.0; "NVM" marks the NVM Command Set Specification 1.0, "PCIe" the NVMe
 * over PCIe Transport Specification 1.0.
 */
#ifndef NVME_SPEC_H
#define NVME_SPEC_H

#include <stdint.h>

/* Controller properties, in BAR 0 (3.1.3; PCIe 3.1.1). */
enum {
	NVME_CAP = 0x00, /* 8 bytes */
	NVME_VS = 0x08,
	NVME_CC = 0x14,
	NVME_CSTS = 0x1c,
	NVME_AQA = 0x24,
	NVME_ASQ = 0x28,	 /* 8 bytes */
	NVME_ACQ = 0x30,	 /* 8 bytes */
	NVME_DOORBELLS = 0x1000, /* PCIe 3.1.2 */
};

/* CAP (3.1.3.1). */
#define NVME_CAP_MQES(cap)   ((unsigned)((cap)&0xffff) + 1)   /* entries a queue may have */
#define NVME_CAP_TO(cap)     ((unsigned)((cap) >> 24 & 0xff)) /* units of 500 ms */
#define NVME_CAP_DSTRD(cap)  ((unsigned)((cap) >> 32 & 0xf))  /* doorbells are 4 << this apart */
#define NVME_CAP_NVM(cap)    ((cap) >> 37 & 1)		      /* has the NVM command set */
#define NVME_CAP_MPSMIN(cap) ((unsigned)((cap) >> 48 & 0xf))  /* least page: 4096 << this */

/* CC (3.1.3.5). */
enum {
	NVME_CC_EN = 1,
	NVME_CC_SHN_NORMAL = 1 << 14,
	NVME_CC_SHN = 3 << 14,
	NVME_CC_IOSQES = 6 << 16, /* entries of 64 bytes */
	NVME_CC_IOCQES = 4 << 20, /* and of 16 */
};

/* CSTS (3.1.3.6). */
enum {
	NVME_CSTS_RDY = 1,
	NVME_CSTS_CFS = 2, /* controller fatal status */
	NVME_CSTS_SHST = 3 << 2,
	NVME_CSTS_SHST_DONE = 2 << 2,
};

/* Opcodes: of the admin queue (5), of I/O queues (7; NVM 3.2). */
enum {
	NVME_ADMIN_DELETE_SQ = 0x00,
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_DELETE_CQ = 0x04,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_SET_FEATURES = 0x09,

	NVME_IO_FLUSH = 0x00,
	NVME_IO_WRITE = 0x01,
	NVME_IO_READ = 0x02,
};

enum { NVME_FEATURE_QUEUES = 0x07 };			      /* 5.27.1.5 */
enum { NVME_QUEUE_CONTIGUOUS = 1, NVME_QUEUE_INTERRUPT = 2 }; /* 5.4, 5.5: of CDW11 */

/* What Identify tells of (5.17). */
enum {
	NVME_IDENTIFY_NAMESPACE = 0x00,
	NVME_IDENTIFY_CONTROLLER = 0x01,
	NVME_IDENTIFY_LIST = 0x02, /* ids of active namespaces above a given one, ascending */
	NVME_IDENTIFY_SIZE = 4096,
};

/* A submission queue entry (3.3.3.1). Data is told by PRPs (4.1.1). */
struct nvme_command {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t metadata;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

_Static_assert(sizeof(struct nvme_command) == 64, "an entry has 64 bytes");

/* A completion queue entry (3.3.3.2): four dwords, of which the last is written last. */
#define NVME_COMPLETION_DWORDS 4
#define NVME_DW2_HEAD(dw)      ((dw)&0xffff)
#define NVME_DW2_QUEUE(dw)     ((dw) >> 16)
#define NVME_DW3_ID(dw)	       ((dw)&0xffff)
#define NVME_DW3_PHASE(dw)     ((dw) >> 16 & 1)
#define NVME_DW3_STATUS(dw)    ((uint16_t)((dw) >> 17)) /* 15 bits */

/* The status field (3.3.3.2.1). */
#define NVME_STATUS_CODE(status) ((status)&0xff)
#define NVME_STATUS_TYPE(status) ((status) >> 8 & 7)
#define NVME_STATUS_DNR(status)	 ((status) >> 14 & 1) /* do not retry */

enum {
	NVME_TYPE_GENERIC = 0,
	NVME_TYPE_SPECIFIC = 1,
	NVME_TYPE_MEDIA = 2,
	NVME_TYPE_PATH = 3,
	NVME_TYPE_VENDOR = 7,
};

#endif
