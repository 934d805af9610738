/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's memory, as the card gets it: piece by piece of a span. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compat/kdev_inside.h"

/* How many mappings begin below iova. */
static size_t below(const struct medio_kdev_state *state, uint64_t iova)
{
	size_t low = 0, high = state->num_maps;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (state->maps[mid].iova < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct medio_kdev_state *state)
{
	if (state->num_maps < state->cap_maps)
		return 0;
	size_t cap = state->cap_maps ? 2 * state->cap_maps : 16;
	struct medio_kdev_mapping *maps = realloc(state->maps, cap * sizeof(*maps));
	if (!maps)
		return -ENOMEM;
	state->maps = maps;
	state->cap_maps = cap;
	return 0;
}

/* A piece without a file, which the device asks us for. */
struct copied {
	struct medio_span *span;
	uint64_t start;
};

static int copied_read(void *opaque, uint64_t offset, void *buf, size_t size)
{
	const struct copied *copied = opaque;

	return medio_span_read(copied->span, copied->start + offset, buf, size);
}

static int copied_write(void *opaque, uint64_t offset, const void *buf, size_t size)
{
	const struct copied *copied = opaque;

	return medio_span_write(copied->span, copied->start + offset, buf, size);
}

static void copied_unmapped(void *opaque)
{
	struct copied *copied = opaque;

	medio_span_put(copied->span);
	free(copied);
}

static const struct medio_card_memory copied_memory = {
	.read = copied_read,
	.write = copied_write,
	.unmapped = copied_unmapped,
};

static int map_copied(struct medio_kdev *kdev, uint64_t iova, struct medio_span *span,
	const struct medio_span_piece *piece, unsigned prot)
{
	struct copied *copied = malloc(sizeof(*copied));

	if (!copied)
		return -ENOMEM;
	*copied = (struct copied){ medio_span_ref(span), piece->start };
	int ret = medio_card_dma_map_calls(
		kdev->card, iova + piece->start, piece->size, prot, &copied_memory, copied);
	if (ret)
		copied_unmapped(copied);
	return ret;
}

static int map_piece(struct medio_kdev *kdev, uint64_t iova, struct medio_span *span,
	const struct medio_span_piece *piece, unsigned prot)
{
	if (piece->fd < 0)
		return map_copied(kdev, iova, span, piece, prot);
	return medio_card_dma_map_fd(kdev->card, iova + piece->start, piece->size,
		prot | MEDIO_CARD_DMA_GUARD, piece->fd, piece->fd_offset);
}

static unsigned card_prot(unsigned prot)
{
	return (prot & MEDIO_SPAN_READ ? MEDIO_CARD_DMA_READ : 0u) |
	       (prot & MEDIO_SPAN_WRITE ? MEDIO_CARD_DMA_WRITE : 0u);
}

/* A dead card's mappings went with it. */
static void take_back(struct medio_kdev *kdev, uint64_t iova, uint64_t size)
{
	medio_kdev_result(kdev, medio_card_dma_unmap(kdev->card, iova, size));
}

int medio_kdev_map(struct medio_kdev *kdev, uint64_t iova, struct medio_span *span, unsigned prot)
{
	struct medio_kdev_state *state = kdev->state;
	int ret = state->dead ? -ENODEV : make_room(state);

	if (ret)
		return ret;
	for (unsigned i = 0; i < span->num_pieces; i++) {
		ret = map_piece(kdev, iova, span, &span->pieces[i], card_prot(prot));
		if (ret) {
			if (i)
				take_back(kdev, iova, span->pieces[i].start);
			return (int)medio_kdev_result(kdev, ret);
		}
	}
	size_t at = below(state, iova);
	memmove(&state->maps[at + 1], &state->maps[at],
		(state->num_maps - at) * sizeof(*state->maps));
	state->maps[at] = (struct medio_kdev_mapping){ iova, span->size, medio_span_ref(span) };
	state->num_maps++;
	return (int)medio_kdev_result(kdev, 0);
}

/* Forget count mappings from the at-th on. */
static void drop(struct medio_kdev_state *state, size_t at, size_t count)
{
	for (size_t i = at; i < at + count; i++)
		medio_span_put(state->maps[i].span);
	memmove(&state->maps[at], &state->maps[at + count],
		(state->num_maps - at - count) * sizeof(*state->maps));
	state->num_maps -= count;
}

void medio_kdev_unmap(struct medio_kdev *kdev, uint64_t iova, uint64_t size)
{
	struct medio_kdev_state *state = kdev->state;
	size_t first = below(state, iova), count = 0;

	for (; first + count < state->num_maps; count++) {
		const struct medio_kdev_mapping *map = &state->maps[first + count];
		if (map->iova - iova >= size)
			break;
		take_back(kdev, map->iova, map->size);
	}
	if (count)
		drop(state, first, count);
}

void medio_kdev_unmap_all(struct medio_kdev *kdev)
{
	medio_kdev_unmap(kdev, 0, UINT64_MAX);
}
