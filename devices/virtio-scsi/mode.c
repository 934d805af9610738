/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MODE SENSE and MODE SELECT, (6) and (10): SPC-4, 6.11 to 6.14, 7.5. The pages are caching (SBC-3, 6.4.5)
 * and control (SPC-4, 7.5.8); what can be changed is whether the disk may keep writes in its cache.
 */
#include <string.h>

#include "bytes.h"
#include "command.h"

enum { CURRENT, CHANGEABLE, DEFAULTS, SAVED };
enum { CACHING = 0x08, CONTROL = 0x0a, ALL_PAGES = 0x3f, ALL_SUBPAGES = 0xff };
enum { WCE = 0x04 };
enum { LIST_BYTES = 128 }; /* of a parameter list, more than all of ours together */

/* ---- Pages ------------------------------------------------------------------------------------- */

/* Each writes itself, of the kind `control`, and gives its bytes. */
static unsigned caching_page(const struct scsi_lun *lun, unsigned control, uint8_t *at)
{
	bool wce = lun->wce;

	if (control != CURRENT)
		wce = lun->info.volatile_cache; /* it can be changed where there is one */
	memset(at, 0, 20);
	at[0] = CACHING;
	at[1] = 18;
	at[2] = wce ? WCE : 0;
	return 20;
}

static unsigned control_page(const struct scsi_lun *lun, unsigned control, uint8_t *at)
{
	enum { UNRESTRICTED = 0x10 /* order of commands */ };

	memset(at, 0, 12);
	at[0] = CONTROL;
	at[1] = 10;
	if (control != CHANGEABLE)
		at[3] = UNRESTRICTED;
	return 12;
}

static const struct {
	uint8_t code;
	unsigned (*write)(const struct scsi_lun *lun, unsigned control, uint8_t *at);
} pages[] = { { CACHING, caching_page }, { CONTROL, control_page } };

enum { NUM_PAGES = sizeof(pages) / sizeof(*pages) };

/* ---- Sense ------------------------------------------------------------------------------------- */

/* The header's second half (SBC-3, 6.4.1): WP, DPOFUA. */
static uint8_t device_specific(const struct scsi_lun *lun)
{
	return (uint8_t)((lun->info.readonly ? 0x80 : 0) | 0x10);
}

/* A block descriptor, short or long (SBC-3, 6.4.2); gives its bytes. */
static unsigned put_descriptor(const struct scsi_lun *lun, bool is_long, uint8_t *at)
{
	uint64_t blocks = scsi_lun_blocks(lun);

	memset(at, 0, 16);
	if (is_long) {
		scsi_put_be(at, 8, blocks);
		scsi_put_be(at + 12, 4, lun->info.block);
		return 16;
	}
	scsi_put_be(at, 4, blocks < UINT32_MAX ? blocks : UINT32_MAX);
	scsi_put_be(at + 5, 3, lun->info.block);
	return 8;
}

int scsi_mode_sense(struct scsi_command *cmd)
{
	enum { DBD = 0x08, LLBAA = 0x10 };
	const uint8_t *cdb = cmd->cdb;
	bool ten = cdb[0] == 0x5a, is_long = ten && cdb[1] & LLBAA, found = false;
	unsigned control = cdb[2] >> 6, page = cdb[2] & 0x3f, len = ten ? 8 : 4, described = 0;
	uint8_t buf[8 + 16 + 20 + 12] = { 0 };

	if (cdb[3] && !(page == ALL_PAGES && cdb[3] == ALL_SUBPAGES))
		return SENSE_INVALID_FIELD;
	if (control == SAVED)
		return SENSE_NOT_SAVED;
	if (!(cdb[1] & DBD))
		described = put_descriptor(cmd->lun, is_long, buf + len);
	len += described;
	for (unsigned i = 0; i < NUM_PAGES; i++) {
		if (page != ALL_PAGES && page != pages[i].code)
			continue;
		found = true;
		len += pages[i].write(cmd->lun, control, buf + len);
	}
	if (!found)
		return SENSE_INVALID_FIELD;
	if (ten) {
		scsi_put_be(buf, 2, len - 2);
		buf[3] = device_specific(cmd->lun);
		buf[4] = is_long;
		scsi_put_be(buf + 6, 2, described);
	} else {
		buf[0] = (uint8_t)(len - 1);
		buf[2] = device_specific(cmd->lun);
		buf[3] = (uint8_t)described;
	}
	return scsi_reply(cmd, buf, len, ten ? scsi_get_be(cdb + 7, 2) : cdb[4]);
}

/* ---- Select ------------------------------------------------------------------------------------ */

/* It may say what is so already, or nothing. */
static bool is_our_descriptor(
	const struct scsi_lun *lun, bool is_long, const uint8_t *at, unsigned len)
{
	uint64_t blocks = is_long ? scsi_get_be(at, 8) : scsi_get_be(at, 4);
	uint64_t block = is_long ? scsi_get_be(at + 12, 4) : scsi_get_be(at + 5, 3);
	uint64_t most = is_long ? UINT64_MAX : UINT32_MAX, have = scsi_lun_blocks(lun);

	if (len != (is_long ? 16u : 8u))
		return false;
	if (block && block != lun->info.block)
		return false;
	return !blocks || blocks == most || blocks == (have < most ? have : most);
}

/* One page: 0, or a sense. *bytes is how many it has; *wce what it asks for. */
static int take_page(
	const struct scsi_lun *lun, const uint8_t *at, unsigned left, unsigned *bytes, bool *wce)
{
	uint8_t is[20], can[20];

	for (unsigned i = 0; i < NUM_PAGES; i++) {
		/* SPF, which ours have not, is left in the code. */
		if ((at[0] & 0x7f) != pages[i].code)
			continue;
		unsigned len = pages[i].write(lun, CURRENT, is);
		pages[i].write(lun, CHANGEABLE, can);
		if (left < len)
			return SENSE_LIST_LENGTH;
		if (at[1] != is[1])
			return SENSE_INVALID_PARAMETER;
		for (unsigned k = 2; k < len; k++) {
			if ((at[k] ^ is[k]) & ~can[k])
				return SENSE_INVALID_PARAMETER;
		}
		if (pages[i].code == CACHING)
			*wce = at[2] & WCE;
		*bytes = len;
		return SENSE_NONE;
	}
	return SENSE_INVALID_PARAMETER;
}

static int take_pages(
	const struct scsi_lun *lun, const uint8_t *list, unsigned at, unsigned len, bool *wce)
{
	while (at < len) {
		unsigned bytes = 0;
		if (len - at < 2)
			return SENSE_LIST_LENGTH;
		int ret = take_page(lun, list + at, len - at, &bytes, wce);
		if (ret)
			return ret;
		at += bytes;
	}
	return SENSE_NONE;
}

/* What the cache held is written. */
static int cache_is_off(struct scsi_command *cmd)
{
	cmd->lun->wce = false;
	cmd->moved = cmd->from;
	return SENSE_NONE;
}

int scsi_mode_select(struct scsi_command *cmd)
{
	enum { PF = 0x10, SP = 0x01 };
	const uint8_t *cdb = cmd->cdb;
	bool ten = cdb[0] == 0x55, wce = cmd->lun->wce;
	size_t len = ten ? scsi_get_be(cdb + 7, 2) : cdb[4];
	unsigned header = ten ? 8 : 4;
	uint8_t list[LIST_BYTES];

	/* Pages in the standard's format, and none are saved. */
	if (!(cdb[1] & PF) || cdb[1] & SP)
		return SENSE_INVALID_FIELD;
	if (!len)
		return SENSE_NONE;
	if (len > cmd->out.bytes)
		return SCSI_OVERRUN;
	if (len < header || len > sizeof(list))
		return SENSE_LIST_LENGTH;
	scsi_take(cmd, 0, list, len);
	size_t described = ten ? scsi_get_be(list + 6, 2) : list[3];
	bool is_long = ten && list[4] & 0x01;
	if (described > len - header)
		return SENSE_LIST_LENGTH;
	if (list[ten ? 2 : 1] || (described && !is_our_descriptor(cmd->lun, is_long, list + header,
						       (unsigned)described)))
		return SENSE_INVALID_PARAMETER;
	int ret = take_pages(cmd->lun, list, header + (unsigned)described, (unsigned)len, &wce);
	if (ret)
		return ret;
	cmd->moved = cmd->from = len;
	if (cmd->lun->wce && !wce)
		return scsi_submit_flush(cmd, cache_is_off);
	cmd->lun->wce = wce;
	return SENSE_NONE;
}
