/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wire: bytes on their way, first in, first out, bounded. Back-pressure is its owner asking for
 * room first; nothing is ever overwritten.
 */
#ifndef MEDIO_WIRE_H
#define MEDIO_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MEDIO_WIRE_SIZE 4096 /* bytes, a power of two */

struct medio_wire {
	uint32_t head;	/* index of the oldest byte */
	uint32_t count; /* bytes, at most MEDIO_WIRE_SIZE */
	uint8_t data[MEDIO_WIRE_SIZE];
};

static inline size_t medio_wire_room(const struct medio_wire *wire)
{
	return MEDIO_WIRE_SIZE - wire->count;
}

/* Where the next bytes go, as one piece: its start, and its length (0: full) in *len. */
static inline uint8_t *medio_wire_space(struct medio_wire *wire, size_t *len)
{
	size_t tail = (wire->head + wire->count) % MEDIO_WIRE_SIZE;
	size_t straight = MEDIO_WIRE_SIZE - tail;
	size_t room = medio_wire_room(wire);

	*len = room < straight ? room : straight;
	return wire->data + tail;
}

/* len bytes were written where medio_wire_space() said; at most as many as it said. */
static inline void medio_wire_added(struct medio_wire *wire, size_t len)
{
	wire->count += len;
}

/* The oldest bytes, as one piece: their start, and their number (0: empty) in *len. */
static inline const uint8_t *medio_wire_peek(const struct medio_wire *wire, size_t *len)
{
	size_t straight = MEDIO_WIRE_SIZE - wire->head;

	*len = wire->count < straight ? wire->count : straight;
	return wire->data + wire->head;
}

/* The first len bytes have gone; at most as many as there are. */
static inline void medio_wire_taken(struct medio_wire *wire, size_t len)
{
	wire->head = (wire->head + len) % MEDIO_WIRE_SIZE;
	wire->count -= len;
}

/* Put what fits of len bytes; returns how many that were. */
static inline size_t medio_wire_put(struct medio_wire *wire, const uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t space;
		uint8_t *to = medio_wire_space(wire, &space);

		if (!space)
			break;
		if (space > len - done)
			space = len - done;
		memcpy(to, buf + done, space);
		medio_wire_added(wire, space);
		done += space;
	}
	return done;
}

static inline void medio_wire_clear(struct medio_wire *wire)
{
	wire->head = wire->count = 0;
}

#endif
