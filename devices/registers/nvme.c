/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NVMe controller. Source: NVM Express Base Specification 2.0, 3.1.3 (controller properties) and NVMe
 * over PCIe Transport Specification 1.0, 3.1.2 (doorbells: those of queue n at 0x1000 + 8 n).
 */
#include "registers/registers.h"

#define QUEUES 65536u

const struct medio_register registers_nvme[] = {
	{ "cap", 0, 0x00, 8 },
	{ "vs", 0, 0x08, 4 },
	{ "intms", 0, 0x0c, 4 },
	{ "intmc", 0, 0x10, 4 },
	{ "cc", 0, 0x14, 4 },
	{ "csts", 0, 0x1c, 4 },
	{ "nssr", 0, 0x20, 4 },
	{ "aqa", 0, 0x24, 4 },
	{ "asq", 0, 0x28, 8 },
	{ "acq", 0, 0x30, 8 },
	{ "cmbloc", 0, 0x38, 4 },
	{ "cmbsz", 0, 0x3c, 4 },
	{ "bpinfo", 0, 0x40, 4 },
	{ "bprsel", 0, 0x44, 4 },
	{ "bpmbl", 0, 0x48, 8 },
	{ "cmbmsc", 0, 0x50, 8 },
	{ "cmbsts", 0, 0x58, 4 },
	{ "cmbebs", 0, 0x5c, 4 },
	{ "cmbswtp", 0, 0x60, 4 },
	{ "nssd", 0, 0x64, 4 },
	{ "crto", 0, 0x68, 4 },
	{ "pmrcap", 0, 0xe00, 4 },
	{ "pmrctl", 0, 0xe04, 4 },
	{ "pmrsts", 0, 0xe08, 4 },
	{ "pmrebs", 0, 0xe0c, 4 },
	{ "pmrswtp", 0, 0xe10, 4 },
	{ "pmrmscl", 0, 0xe14, 4 },
	{ "pmrmscu", 0, 0xe18, 4 },
	{ "sq_tail", 0, 0x1000, 4, QUEUES, 8 },
	{ "cq_head", 0, 0x1004, 4, QUEUES, 8 },
	{ 0 },
};
