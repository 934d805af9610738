/* SPDX-License-Identifier: BSD-3-Clause */
#include "sense.h"

#include <errno.h>
#include <string.h>

/* Response codes: of this command. */
enum { FIXED_CURRENT = 0x70, DESCRIPTOR_CURRENT = 0x72 };

unsigned scsi_sense_write(enum scsi_sense sense, bool descriptor, uint8_t buf[SCSI_SENSE_FIXED])
{
	uint8_t key = sense >> 16 & 0xff, asc = sense >> 8 & 0xff, ascq = sense & 0xff;

	memset(buf, 0, SCSI_SENSE_FIXED);
	if (descriptor) {
		buf[0] = DESCRIPTOR_CURRENT;
		buf[1] = key;
		buf[2] = asc;
		buf[3] = ascq;
		return SCSI_SENSE_DESCRIPTOR;
	}
	buf[0] = FIXED_CURRENT;
	buf[2] = key;
	buf[7] = SCSI_SENSE_FIXED - 8; /* so many follow */
	buf[12] = asc;
	buf[13] = ascq;
	return SCSI_SENSE_FIXED;
}

enum scsi_sense scsi_sense_of_error(int ret, bool write)
{
	switch (-ret) {
	case EROFS:
	case EPERM:
	case EACCES:
		return SENSE_WRITE_PROTECTED;
	case ENOSPC:
	case EDQUOT:
		return SENSE_NO_SPACE;
	case ENOMEM:
	case EAGAIN:
		return SENSE_RESOURCES;
	case EOPNOTSUPP:
		return SENSE_INVALID_OPCODE;
	default:
		return write ? SENSE_WRITE_ERROR : SENSE_READ_ERROR;
	}
}
