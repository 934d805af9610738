/* SPDX-License-Identifier: BSD-3-Clause */
#include "drive/dirty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drive/backend.h"
#include "proto/vfio_user.h"
#include "util/cleanup.h"

typedef unsigned long long ull;

void medio_dirty_set(uint64_t *bitmap, uint64_t from, uint64_t to)
{
	for (uint64_t word = from / 64; word <= to / 64; word++) {
		uint64_t bits = ~UINT64_C(0);
		if (word == from / 64)
			bits &= ~UINT64_C(0) << from % 64;
		if (word == to / 64)
			bits &= ~UINT64_C(0) >> (63 - to % 64);
		bitmap[word] |= bits;
	}
}

/* ---- What is logged ---------------------------------------------------------------------------- */

/* What is mapped for writing now, as ranges of whole pages; too many become one. */
static int find_ranges(const struct medio_memory *memory, struct medio_card_dirty *dirty)
{
	struct medio_card_dma_range *list = calloc(memory->count + 1, sizeof(*list));
	unsigned count = 0;

	if (!list)
		return -ENOMEM;
	for (unsigned i = 0; i < memory->count; i++) {
		const struct medio_card_mapping *mapping = &memory->list[i];
		uint64_t first = mapping->iova & -dirty->page_size;
		uint64_t last = (mapping->iova + (mapping->size - 1)) | (dirty->page_size - 1);
		if (!(mapping->prot & MEDIO_CARD_DMA_WRITE))
			continue;
		if (count && (first <= list[count - 1].last || first == list[count - 1].last + 1))
			list[count - 1].last = last;
		else
			list[count++] = (struct medio_card_dma_range){ first, last };
	}
	if (count > MEDIO_DIRTY_RANGES) {
		list[0].last = list[count - 1].last;
		count = 1;
	}
	dirty->ranges = list;
	dirty->num_ranges = count;
	return 0;
}

static bool is_logged(
	const struct medio_card_dirty *dirty, const struct medio_card_mapping *mapping)
{
	for (unsigned i = 0; i < dirty->num_ranges; i++)
		if (mapping->iova >= dirty->ranges[i].first &&
			mapping->iova + (mapping->size - 1) <= dirty->ranges[i].last)
			return true;
	return false;
}

/* Nobody looks at memory that was mapped since the log started: all of it may have been written. */
static void add_later(const struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	const struct medio_memory *memory = &card->container->memory;
	uint64_t page = card->dirty.page_size;

	for (unsigned i = 0; i < memory->count; i++) {
		const struct medio_card_mapping *mapping = &memory->list[i];
		if (mapping->iova >= iova && mapping->iova - iova < size &&
			mapping->prot & MEDIO_CARD_DMA_WRITE && !is_logged(&card->dirty, mapping))
			medio_dirty_set(bitmap, (mapping->iova - iova) / page,
				(mapping->iova + (mapping->size - 1) - iova) / page);
	}
}

/* ---- What went through this program ------------------------------------------------------------ */

void medio_dirty_note(struct medio_card *card, uint64_t iova, uint64_t size)
{
	struct medio_card_dirty *dirty = &card->dirty;
	uint64_t first = iova, last = iova + (size - 1);

	if (!dirty->page_size || !size)
		return;
	for (unsigned i = 0; i < dirty->num_notes; i++) {
		struct medio_card_dma_range *note = &dirty->notes[i];
		/* Behind it, as when a large write comes in pieces; or, when there is no room, together
		 * with what is between. */
		bool near = first <= note->last + 1 && last >= note->first;
		if (!near && (i + 1 < dirty->num_notes || i + 1 < MEDIO_DIRTY_NOTES))
			continue;
		if (first < note->first)
			note->first = first;
		if (last > note->last)
			note->last = last;
		return;
	}
	dirty->notes[dirty->num_notes++] = (struct medio_card_dma_range){ first, last };
}

/* Add the notes in the range to the bitmap, and forget those that are there in full. */
static void take_notes(struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	struct medio_card_dirty *dirty = &card->dirty;
	uint64_t end = iova + (size - 1), page = dirty->page_size;
	unsigned kept = 0;

	for (unsigned i = 0; i < dirty->num_notes; i++) {
		const struct medio_card_dma_range note = dirty->notes[i];
		uint64_t first = note.first > iova ? note.first : iova;
		uint64_t last = note.last < end ? note.last : end;
		if (first <= last)
			medio_dirty_set(bitmap, (first - iova) / page, (last - iova) / page);
		if (note.first < iova || note.last > end)
			dirty->notes[kept++] = note;
	}
	dirty->num_notes = kept;
}

/* ---- Calls ------------------------------------------------------------------------------------- */

static void forget(struct medio_card *card)
{
	free(card->dirty.ranges);
	card->dirty = (struct medio_card_dirty){ 0 };
}

static int no_log(struct medio_card *card)
{
	return medio_card_fail(card, ENOTTY,
		"the device keeps no log of what it writes, and nobody else keeps one over %s:",
		card->backend->scheme);
}

int medio_card_dirty_start(struct medio_card *card, uint64_t page_size)
{
	if (card->dirty.page_size)
		return medio_card_fail(
			card, EBUSY, "the log of what the device writes runs already");
	if (page_size < 4096 || page_size & (page_size - 1))
		return medio_card_fail(card, EINVAL,
			"a log in pages of %llu bytes: allowed are powers of two from 4096 on",
			(ull)page_size);
	if (!card->backend->log)
		return no_log(card);
	card->dirty.page_size = page_size;
	int ret = find_ranges(&card->container->memory, &card->dirty);
	if (ret)
		ret = medio_card_fail(card, -ret, "out of memory");
	else if (!card->dirty.num_ranges)
		ret = medio_card_fail(card, ENOENT,
			"nothing is mapped that the device may write: map memory before the log starts");
	else
		ret = medio_card_result(card, card->backend->log->start(card));
	if (ret)
		forget(card);
	return ret == -ENOTTY && !card->words[0] ? no_log(card) : ret;
}

int medio_dirty_end(struct medio_card *card)
{
	int ret = 0;

	if (card->dirty.page_size)
		ret = medio_card_result(card, card->backend->log->stop(card));
	forget(card);
	return ret;
}

int medio_dirty_restart(struct medio_card *card)
{
	const struct medio_card_dirty *dirty = &card->dirty;
	int ret = dirty->page_size ? card->backend->log->start(card) : 0;

	/* What was in the old one is lost. */
	for (unsigned i = 0; !ret && i < dirty->num_ranges; i++)
		medio_dirty_note(card, dirty->ranges[i].first,
			dirty->ranges[i].last - dirty->ranges[i].first + 1);
	return ret;
}

int medio_card_dirty_stop(struct medio_card *card)
{
	return medio_dirty_end(card);
}

int medio_card_dirty_get(struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	uint64_t page = card->dirty.page_size;

	if (!page)
		return medio_card_fail(
			card, EINVAL, "no log runs: medio_card_dirty_start() starts one");
	if (!size || (iova | size) & (page - 1) || size - 1 > UINT64_MAX - iova)
		return medio_card_fail(card, EINVAL,
			"0x%llx bytes at 0x%llx are not whole pages of the log's %llu", (ull)size,
			(ull)iova, (ull)page);
	if (medio_memory_count(&card->container->memory, iova, size) < 0)
		return medio_card_fail(
			card, EINVAL, "0x%llx bytes at 0x%llx cut a mapping", (ull)size, (ull)iova);
	memset(bitmap, 0, (size / page + 63) / 64 * 8);
	int ret = medio_card_result(card, card->backend->log->get(card, iova, size, bitmap));
	if (ret)
		return ret;
	add_later(card, iova, size, bitmap);
	take_notes(card, iova, size, bitmap);
	return 0;
}

/* ---- A log kept by the device, asked by messages ----------------------------------------------- */

static int feature(
	struct medio_card *card, uint32_t flags, void *data, size_t size, size_t cap, size_t *got)
{
	return card->backend->feature(card, flags, data, size, cap, got);
}

static int feature_start(struct medio_card *card)
{
	const struct medio_card_dirty *dirty = &card->dirty;
	struct medio_vu_logging_control *control;
	size_t size = sizeof(*control) + dirty->num_ranges * sizeof(struct medio_vu_logging_range);
	_cleanup_free_ uint8_t *data = calloc(1, size);
	size_t got;

	if (!data)
		return medio_card_say(card, ENOMEM, "out of memory");
	control = (void *)data;
	control->page_size = dirty->page_size;
	control->num_ranges = dirty->num_ranges;
	for (unsigned i = 0; i < dirty->num_ranges; i++) {
		struct medio_vu_logging_range range = { dirty->ranges[i].first,
			dirty->ranges[i].last - dirty->ranges[i].first + 1 };
		memcpy(data + sizeof(*control) + i * sizeof(range), &range, sizeof(range));
	}
	return feature(card, MEDIO_CARD_FEATURE_SET | MEDIO_VU_FEATURE_DMA_LOGGING_START, data,
		size, size, &got);
}

static int feature_stop(struct medio_card *card)
{
	size_t got;

	return feature(
		card, MEDIO_CARD_FEATURE_SET | MEDIO_VU_FEATURE_DMA_LOGGING_STOP, NULL, 0, 0, &got);
}

/* What one answer carries, into the bitmap from its word on. */
static int get_piece(struct medio_card *card, const struct medio_vu_logging_report *report,
	uint8_t *data, size_t bytes, uint64_t *bitmap)
{
	size_t size = sizeof(*report) + bytes, got = 0;

	memcpy(data, report, sizeof(*report));
	int ret = feature(card, MEDIO_CARD_FEATURE_GET | MEDIO_VU_FEATURE_DMA_LOGGING_REPORT, data,
		sizeof(*report), size, &got);
	if (ret)
		return ret;
	if (got != size)
		return medio_card_say(card, EPROTO,
			"the log of what the device writes: an answer of %zu bytes in place of %zu",
			got, size);
	memcpy(bitmap, data + sizeof(*report), bytes);
	return 0;
}

static int feature_get(struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	uint64_t page = card->dirty.page_size, left = size / page;
	struct medio_vu_logging_report report = { .iova = iova, .page_size = page };
	/* Words in a message: one at least, whatever the server says of itself. */
	uint64_t most = card->info.max_data_xfer >= sizeof(report) + 8
				? (card->info.max_data_xfer - sizeof(report)) / 8
				: 1;
	uint64_t words = (left + 63) / 64;
	_cleanup_free_ uint8_t *data = malloc(sizeof(report) + (words < most ? words : most) * 8);
	int ret = 0;

	if (!data)
		return medio_card_say(card, ENOMEM, "out of memory");
	while (!ret && left) {
		uint64_t pages = left < most * 64 ? left : most * 64;
		size_t bytes = (pages + 63) / 64 * 8;
		report.length = pages * page;
		ret = get_piece(card, &report, data, bytes, bitmap);
		bitmap += bytes / 8;
		report.iova += report.length;
		left -= pages;
	}
	return ret;
}

const struct medio_card_log medio_card_log_feature = {
	.start = feature_start,
	.stop = feature_stop,
	.get = feature_get,
};
