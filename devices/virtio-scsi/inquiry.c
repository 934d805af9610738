/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INQUIRY (SPC-4, 6.6) and the pages of vital product data (SPC-4, 7.8; SBC-3, 6.5).
 */
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "command.h"

/* The first byte: what kind of device, and whether it is there. */
enum {
	DISK = 0x00,
	WELL_KNOWN = 0x1e,
	NOT_THERE = 0x3f, /* it could be */
	NEVER = 0x7f,	  /* no unit can have this number */
};

enum { EVPD = 0x01 };

/* Version descriptors (6.6.2, table 146): which standards are followed. */
enum { SAM_5 = 0x00a0, SPC_4 = 0x0460, SBC_3 = 0x04c0 };

#define VENDOR	 "MEDIO   "
#define PRODUCT	 "VIRTUAL DISK    "
#define REVISION "1.0 "

enum { STANDARD_BYTES = 96, PAGE_BYTES = 256 };

static uint8_t peripheral(const struct scsi_command *cmd)
{
	if (cmd->well_known)
		return WELL_KNOWN;
	if (cmd->lun)
		return DISK;
	return cmd->number < SCSI_LUNS ? NOT_THERE : NEVER;
}

static int standard(struct scsi_command *cmd, size_t most)
{
	uint8_t buf[STANDARD_BYTES] = { peripheral(cmd) };

	buf[2] = 0x06;	      /* SPC-4 */
	buf[3] = 0x10 | 0x02; /* HISUP: LUNs as in SAM; data in this format */
	buf[4] = STANDARD_BYTES - 5;
	buf[7] = 0x02; /* CMDQUE: many commands at a time */
	memcpy(buf + 8, VENDOR, 8);
	memcpy(buf + 16, PRODUCT, 16);
	memcpy(buf + 32, REVISION, 4);
	scsi_put_be(buf + 58, 2, SAM_5);
	scsi_put_be(buf + 60, 2, SPC_4);
	scsi_put_be(buf + 62, 2, SBC_3);
	return scsi_reply(cmd, buf, sizeof(buf), most);
}

/* ---- Pages: each writes what follows its header and gives the bytes of that ---------------------- */

/* 7.8.15 */
static unsigned serial_page(const struct scsi_lun *lun, uint8_t *at)
{
	size_t len = strlen(lun->serial);

	memcpy(at, lun->serial, len);
	return (unsigned)len;
}

/* A number of the unit's own for those who want one: of its serial number (FNV-1a, 60 bits). */
static uint64_t number_of(const char *serial)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *serial; serial++)
		hash = (hash ^ (uint8_t)*serial) * UINT64_C(0x100000001b3);
	return hash;
}

/* Device identification: T10 vendor, and NAA locally assigned (7.8.6.4, 7.8.6.6.4). */
static unsigned identification_page(const struct scsi_lun *lun, uint8_t *at)
{
	enum { ASCII = 0x02, BINARY = 0x01, T10 = 0x01, NAA = 0x03, NAA_LOCAL = 3 };
	size_t len = strlen(lun->serial);

	at[0] = ASCII;
	at[1] = T10;
	at[3] = (uint8_t)(8 + len);
	memcpy(at + 4, VENDOR, 8);
	memcpy(at + 12, lun->serial, len);
	at += 12 + len;
	at[0] = BINARY;
	at[1] = NAA;
	at[3] = 8;
	scsi_put_be(at + 4, 8,
		(uint64_t)NAA_LOCAL << 60 | (number_of(lun->serial) & ~(UINT64_C(0xf) << 60)));
	return (unsigned)(12 + len + 12);
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

/* Block limits, SBC-3 6.5.3. Offsets are of the page. */
static unsigned limits_page(const struct scsi_lun *lun, uint8_t *at)
{
	const struct disk_info *info = &lun->info;
	uint8_t *page = at - 4;

	page[4] = 0x01; /* WSNZ: WRITE SAME of 0 blocks is none */
	scsi_put_be(page + 6, 2, at_most(info->physical / info->block, 0xffff));
	scsi_put_be(page + 12, 4, info->optimal / info->block);
	if (info->discards) {
		scsi_put_be(page + 20, 4, at_most(scsi_unmap_most(lun), UINT32_MAX));
		scsi_put_be(page + 24, 4, SCSI_UNMAP_RANGES);
		scsi_put_be(page + 28, 4, info->discard_unit / info->block);
		if (info->discard_unit)
			page[32] = 0x80; /* UGAVALID, and the first lies at 0 */
	}
	scsi_put_be(page + 36, 8, scsi_write_same_most(lun));
	return 60;
}

/* Block device characteristics, SBC-3 6.5.2: nothing turns. */
static unsigned characteristics_page(const struct scsi_lun *lun, uint8_t *at)
{
	scsi_put_be(at, 2, 1);
	return 60;
}

/* Logical block provisioning, SBC-3 6.5.4. */
static unsigned provisioning_page(const struct scsi_lun *lun, uint8_t *at)
{
	enum { LBPU = 0x80, LBPWS = 0x40, LBPWS10 = 0x20, THIN = 2 };

	if (lun->info.discards) {
		at[1] = LBPU | LBPWS | LBPWS10;
		at[2] = THIN;
	}
	return 4;
}

static const struct {
	uint8_t code;
	unsigned (*write)(const struct scsi_lun *lun, uint8_t *at);
} pages[] = {
	{ 0x80, serial_page },
	{ 0x83, identification_page },
	{ 0xb0, limits_page },
	{ 0xb1, characteristics_page },
	{ 0xb2, provisioning_page },
};

enum { NUM_PAGES = sizeof(pages) / sizeof(*pages) };

_Static_assert(4 + 12 + SCSI_SERIAL_BYTES + 12 <= PAGE_BYTES, "page 83h has room");

static int vital(struct scsi_command *cmd, uint8_t code, size_t most)
{
	uint8_t buf[PAGE_BYTES] = { peripheral(cmd), code };
	unsigned len = 0;

	if (code == 0x00) {
		buf[4 + len++] = 0x00;
		for (unsigned i = 0; i < NUM_PAGES && cmd->lun; i++)
			buf[4 + len++] = pages[i].code;
		scsi_put_be(buf + 2, 2, len);
		return scsi_reply(cmd, buf, 4 + len, most);
	}
	for (unsigned i = 0; i < NUM_PAGES && cmd->lun; i++) {
		if (pages[i].code != code)
			continue;
		len = pages[i].write(cmd->lun, buf + 4);
		scsi_put_be(buf + 2, 2, len);
		return scsi_reply(cmd, buf, 4 + len, most);
	}
	return SENSE_INVALID_FIELD;
}

int scsi_inquiry(struct scsi_command *cmd)
{
	const uint8_t *cdb = cmd->cdb;
	size_t most = scsi_get_be(cdb + 3, 2);

	/* The bit beside EVPD is obsolete, a page without EVPD is an error. */
	if (cdb[1] & 0x02 || (!(cdb[1] & EVPD) && cdb[2]))
		return SENSE_INVALID_FIELD;
	return cdb[1] & EVPD ? vital(cmd, cdb[2], most) : standard(cmd, most);
}
