/* SPDX-License-Identifier: BSD-3-Clause */
/* The status of a command by name (3.3.3.2.1; of the NVM command set also NVM 3.1.2.4). */
#include "nvme_spec.h"

#include <errno.h>
#include <stdio.h>

#include "nvme.h"

static const struct status {
	uint8_t type, code;
	int err;
	const char *name;
} table[] = {
	{ 0, 0x00, 0, "success" },
	{ 0, 0x01, EOPNOTSUPP, "invalid command opcode" },
	{ 0, 0x02, EINVAL, "invalid field in command" },
	{ 0, 0x03, EIO, "command id conflict" },
	{ 0, 0x04, EIO, "data transfer error" },
	{ 0, 0x05, EIO, "aborted due to power loss" },
	{ 0, 0x06, EIO, "internal error" },
	{ 0, 0x07, ECANCELED, "abort requested" },
	{ 0, 0x08, ECANCELED, "aborted because its queue was deleted" },
	{ 0, 0x0b, ENXIO, "invalid namespace or format" },
	{ 0, 0x0c, EIO, "command sequence error" },
	{ 0, 0x13, EIO, "invalid PRP offset" },
	{ 0, 0x1c, EIO, "sanitize failed" },
	{ 0, 0x1d, EBUSY, "sanitize in progress" },
	{ 0, 0x20, EROFS, "namespace is write protected" },
	{ 0, 0x21, EAGAIN, "command interrupted" },
	{ 0, 0x80, ERANGE, "LBA out of range" },
	{ 0, 0x81, ENOSPC, "capacity exceeded" },
	{ 0, 0x82, EAGAIN, "namespace not ready" },
	{ 0, 0x83, EACCES, "reservation conflict" },
	{ 0, 0x84, EBUSY, "format in progress" },
	{ 1, 0x00, EIO, "invalid completion queue" },
	{ 1, 0x01, EIO, "invalid queue identifier" },
	{ 1, 0x02, EIO, "invalid queue size" },
	{ 1, 0x08, EIO, "invalid interrupt vector" },
	{ 1, 0x0c, EIO, "invalid queue deletion" },
	{ 1, 0x80, EIO, "conflicting attributes" },
	{ 1, 0x81, EIO, "invalid protection information" },
	{ 1, 0x82, EROFS, "attempted write to read only range" },
	{ 2, 0x80, EIO, "write fault" },
	{ 2, 0x81, EIO, "unrecovered read error" },
	{ 2, 0x82, EIO, "end-to-end guard check error" },
	{ 2, 0x83, EIO, "end-to-end application tag check error" },
	{ 2, 0x84, EIO, "end-to-end reference tag check error" },
	{ 2, 0x85, EIO, "compare failure" },
	{ 2, 0x86, EACCES, "access denied" },
	{ 2, 0x87, EIO, "deallocated or unwritten block" },
	{ 3, 0x00, EIO, "internal path error" },
	{ 3, 0x02, EIO, "asymmetric access inaccessible" },
};

static const struct status *find(uint16_t status)
{
	for (unsigned i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].type == NVME_STATUS_TYPE(status) &&
			table[i].code == NVME_STATUS_CODE(status))
			return &table[i];
	return NULL;
}

static const char *type_name(unsigned type)
{
	switch (type) {
	case NVME_TYPE_GENERIC:
		return "generic";
	case NVME_TYPE_SPECIFIC:
		return "command specific";
	case NVME_TYPE_MEDIA:
		return "media error";
	case NVME_TYPE_PATH:
		return "path error";
	case NVME_TYPE_VENDOR:
		return "vendor specific";
	default:
		return "reserved type";
	}
}

void nvme_status_words(uint16_t status, char *buf, size_t size)
{
	const struct status *found = find(status);

	snprintf(buf, size, "%s: %s (%x/%02xh%s)", type_name(NVME_STATUS_TYPE(status)),
		found ? found->name : "a code this driver does not know", NVME_STATUS_TYPE(status),
		NVME_STATUS_CODE(status),
		NVME_STATUS_DNR(status) ? ", no use in trying again" : "");
}

int nvme_status_errno(uint16_t status)
{
	const struct status *found = find(status);

	return found ? -found->err : -EIO;
}
