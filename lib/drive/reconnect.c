/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card that lives again: is it the one it was, and what its program has set up. The connection is
 * the backend's.
 */
#include <medio/driver.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive/backend.h"
#include "util/cleanup.h"

#define HEADER 64 /* bytes of config space that every card has */

/* PCI Local Bus 3.0, 6.2.1: vendor and device; revision and class; subsystem. */
static const struct {
	unsigned offset;
	const char *what;
} ids[MEDIO_CARD_IDS] = {
	{ 0x00, "device and vendor" },
	{ 0x08, "class and revision" },
	{ 0x2c, "subsystem" },
};

typedef unsigned long long ull;

int medio_card_reconnect(struct medio_card *card, int timeout_ms)
{
	if (timeout_ms < -1)
		return medio_card_fail(card, EINVAL,
			"%d ms to wait: 0 is to try once, -1 to wait for ever", timeout_ms);
	if (!card->backend->reconnect)
		return medio_card_fail(card, ENOTSUP,
			"a %s device does not come back: close the card and open it again, when the "
			"device is there",
			card->backend->scheme);
	return medio_card_result(card, card->backend->reconnect(card, timeout_ms));
}

/* ---- Is it the same? --------------------------------------------------------------------------- */

static int read_ids(struct medio_card *card, uint32_t out[MEDIO_CARD_IDS])
{
	uint8_t header[HEADER];
	int ret;

	if (card->info.max_data_xfer < sizeof(header))
		return -E2BIG;
	ret = card->backend->read(card, MEDIO_CARD_CONFIG, 0, header, sizeof(header));
	for (unsigned i = 0; !ret && i < MEDIO_CARD_IDS; i++) {
		memcpy(&out[i], header + ids[i].offset, sizeof(out[i]));
		out[i] = le32toh(out[i]);
	}
	return ret;
}

void medio_card_identify(struct medio_card *card)
{
	card->has_ids = !read_ids(card, card->ids);
	card->said = false;
}

/* A call of the backend failed: it has said why, or can. */
static int failed(struct medio_card *card, int ret, const char *what)
{
	char words[sizeof(card->words)];

	snprintf(words, sizeof(words), "%s",
		card->said || !card->backend->words ? card->words : card->backend->words(card));
	return medio_card_say(card, -ret, "%s after reconnecting: %s", what, words);
}

static int check_ids(struct medio_card *card)
{
	uint32_t now[MEDIO_CARD_IDS];
	int ret = card->has_ids ? read_ids(card, now) : 0;

	if (ret)
		return failed(card, ret, "its config space");
	for (unsigned i = 0; card->has_ids && i < MEDIO_CARD_IDS; i++)
		if (now[i] != card->ids[i])
			return medio_card_say(card, ESTALE,
				"another card is there now: its %s are 0x%08x, they were 0x%08x",
				ids[i].what, now[i], card->ids[i]);
	return 0;
}

static int check_info(struct medio_card *card, const struct medio_card_info *before)
{
	const struct medio_card_info *now = &card->info;

	if (now->num_regions != before->num_regions || now->num_irqs != before->num_irqs)
		return medio_card_say(card, ESTALE,
			"another card is there now: it has %u regions and %u interrupt kinds, it had "
			"%u and %u",
			now->num_regions, now->num_irqs, before->num_regions, before->num_irqs);
	if (now->can_reset != before->can_reset)
		return medio_card_say(card, ESTALE,
			"another card is there now: it can%s be reset, and could%s",
			now->can_reset ? "" : "not", before->can_reset ? "" : " not");
	return 0;
}

static int check_region(
	struct medio_card *card, unsigned index, const struct medio_card_region *now)
{
	const struct medio_card_region *before = &card->regions[index].view;

	if (now->size != before->size)
		return medio_card_say(card, ESTALE,
			"another card is there now: region %u has 0x%llx bytes, it had 0x%llx",
			index, (ull)now->size, (ull)before->size);
	if (now->readable != before->readable || now->writable != before->writable)
		return medio_card_say(card, ESTALE,
			"another card is there now: region %u can be %s, it could be %s", index,
			now->writable ? now->readable ? "read and written" : "written" : "read",
			before->writable ? before->readable ? "read and written" : "written"
					 : "read");
	return 0;
}

static int check_irq(struct medio_card *card, unsigned index)
{
	const struct medio_card_irq *before = &card->irqs[index].view;
	struct medio_card_irq now;
	int ret = card->backend->irq(card, index, &now);

	if (ret)
		return failed(card, ret, "its interrupts");
	if (now.count != before->count)
		return medio_card_say(card, ESTALE,
			"another card is there now: interrupt %u has %u vectors, it had %u", index,
			now.count, before->count);
	if (now.maskable != before->maskable || now.automasked != before->automasked ||
		now.noresize != before->noresize)
		return medio_card_say(card, ESTALE,
			"another card is there now: interrupt %u is masked or resized in another way",
			index);
	return 0;
}

/* ---- Make it as it was ------------------------------------------------------------------------- */

/* The regions that are known, asked for anew, into out. */
static int ask_regions(struct medio_card *card, struct medio_card_region_state *out)
{
	for (unsigned i = 0; i < card->info.num_regions; i++) {
		if (!card->regions[i].known)
			continue;
		int ret = card->backend->region(card, i, &out[i]);
		if (ret)
			return failed(card, ret, "its regions");
		out[i].known = true;
		ret = check_region(card, i, &out[i].view);
		if (ret)
			return ret;
	}
	return 0;
}

static int set_up(struct medio_card *card)
{
	int ret = 0;

	/* What is mapped must be so before the device can be told to use it. */
	ret = medio_container_replay(card);
	if (ret) {
		/* Its words are for the program's calls: say them as the backend's. */
		char words[sizeof(card->words)];
		snprintf(words, sizeof(words), "%s", medio_card_last_error(card));
		return medio_card_say(card, -ret, "DMA mappings after reconnecting: %s", words);
	}
	for (unsigned i = 0; i < card->info.num_irqs; i++) {
		const struct medio_card_irq_state *irq = &card->irqs[i];
		if (!irq->fds)
			continue;
		ret = card->backend->irq_set(card, i,
			MEDIO_CARD_IRQ_EVENTFD | MEDIO_CARD_IRQ_TRIGGER, 0, irq->count, irq->fds);
		if (ret)
			return failed(card, ret, "its interrupts");
	}
	ret = medio_dirty_restart(card);
	return ret ? failed(card, ret, "its log of what it writes") : 0;
}

int medio_card_restore(struct medio_card *card, const struct medio_card_info *before)
{
	struct medio_card_region_state *fresh = calloc(MEDIO_CARD_MAX_REGIONS, sizeof(*fresh));
	int ret;

	if (!fresh)
		return medio_card_say(card, ENOMEM, "out of memory");
	for (unsigned i = 0; i < MEDIO_CARD_MAX_REGIONS; i++)
		fresh[i].fd = -1;
	card->said = false;
	ret = check_info(card, before);
	if (!ret)
		ret = check_ids(card);
	if (!ret)
		ret = ask_regions(card, fresh);
	for (unsigned i = 0; !ret && i < card->info.num_irqs; i++)
		ret = card->irqs[i].known ? check_irq(card, i) : 0;
	if (!ret)
		ret = set_up(card);
	/* Of the two states of each region the one that holds stays, the other goes. */
	for (unsigned i = 0; i < MEDIO_CARD_MAX_REGIONS; i++) {
		if (!ret) {
			struct medio_card_region_state old = card->regions[i];
			card->regions[i] = fresh[i];
			fresh[i] = old;
		}
		medio_card_region_fini(&fresh[i]);
	}
	free(fresh);
	return ret;
}
