/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a card says of itself, turned into a type: no I/O, facts in, shape out. The facts are the other side's
 * word: every byte of them is looked at as if somebody had meant harm by it.
 */
#ifndef MEDIO_PASSTHROUGH_SHAPE_H
#define MEDIO_PASSTHROUGH_SHAPE_H

#include <medio/device.h>

#define PASSTHROUGH_CONFIG    4096u
#define PASSTHROUGH_MAX_AREAS 32u /* mappable parts of a BAR; what is beyond is trapped */
#define PASSTHROUGH_MAX_BELLS 64u /* doorbells of a BAR; likewise */

struct passthrough_facts {
	uint8_t config[PASSTHROUGH_CONFIG];
	unsigned config_size; /* bytes there are; the rest is zeros */
	struct passthrough_bar {
		uint64_t size; /* 0: none */
		struct medio_mmap_area areas[PASSTHROUGH_MAX_AREAS];
		unsigned num_areas;
		struct medio_doorbell bells[PASSTHROUGH_MAX_BELLS];
		unsigned num_bells;
	} bars[MEDIO_NUM_BARS];
	uint32_t irqs[MEDIO_NUM_IRQS]; /* vectors of each kind */
};

/*
 * What a client sees of the card's configuration space, by bits: those of `see` as the card has them, those of
 * `own` as the library keeps them, all others as in `value`. Of a write those of `write` reach the card.
 */
struct passthrough_view {
	uint8_t see[PASSTHROUGH_CONFIG], own[PASSTHROUGH_CONFIG], value[PASSTHROUGH_CONFIG],
		write[PASSTHROUGH_CONFIG];
};

struct passthrough_shape {
	struct medio_mmap_area areas[MEDIO_NUM_BARS][PASSTHROUGH_MAX_AREAS + 1];
	struct medio_doorbell bells[MEDIO_NUM_BARS][PASSTHROUGH_MAX_BELLS];
	struct medio_cap caps[4];
	struct passthrough_view view;
	char notes[240]; /* what of the card is not passed on, in words; "" */
};

/*
 * Fill type (its id, bars, irqs, caps) and shape, which type then points into. -ENODEV: all ones, there is no
 * card; -EINVAL: a bridge, or something that no card can have; words then say what.
 */
int passthrough_shape_make(const struct passthrough_facts *facts, struct passthrough_shape *shape,
	struct medio_type *type, char *words, size_t size);

#endif
