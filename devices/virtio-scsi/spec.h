/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a user names the disk of a logical unit:
 *
 *     KIND[:VALUE][,OPTION[=VALUE]…]
 *
 *     file:/srv/a.img,direct=on    mem:64M,readonly    null,size=1T    nbd:nbd+unix:///?socket=/tmp/s
 *
 * A comma in a value is written twice.
 */
#ifndef SCSI_SPEC_H
#define SCSI_SPEC_H

#include "disk/disk.h"

#include "lun.h"

#define SCSI_SPEC_WORDS 320

struct scsi_spec {
	struct disk_options disk;	    /* its texts are in `text` */
	char serial[SCSI_SERIAL_BYTES + 1]; /* "": none was given */
	char *text;
};

/* 0; -ENOMEM; or -EINVAL, and words (SCSI_SPEC_WORDS bytes) say what is wrong and what is allowed. */
int scsi_spec_parse(const char *text, struct scsi_spec *out, char *words);
void scsi_spec_free(struct scsi_spec *spec);

#endif
