/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's configuration space as a client sees it, bit by bit (struct passthrough_view). No I/O.
 *
 * BARs and the ROM's are the library's: what a client writes there says where its own machine has put the card, and
 * must not move the real one. There is no ROM. Capabilities for which a client would get no interrupts are not
 * there, nor those whose use reaches beyond the card: SR-IOV, resizable BARs.
 */
#ifndef MEDIO_PASSTHROUGH_VIEW_H
#define MEDIO_PASSTHROUGH_VIEW_H

#include "shape.h"

void passthrough_view_init(struct passthrough_view *view, const struct passthrough_facts *facts);
/* A capability of so many bytes is unlinked, and its bytes are zeros. */
void passthrough_view_hide(struct passthrough_view *view, const struct passthrough_facts *facts,
	unsigned at, unsigned size);
/* The extended ones that are not passed on. */
void passthrough_view_hide_extended(
	struct passthrough_view *view, const struct passthrough_facts *facts);
/*
 * For a card whose config space is the bus's own, with nobody in between (UIO): nothing reaches it. The
 * command register's bits that may are set by hand.
 */
void passthrough_view_guard(struct passthrough_view *view);

/* What a client reads: buf holds count bytes of the card's at offset, lib those of the library's. */
void passthrough_view_read(const struct passthrough_view *view, unsigned offset, uint8_t *buf,
	const uint8_t *lib, size_t count);
/*
 * The next run of bytes of a write that reaches the card: from *at on (set to where it begins) how many
 * bytes, 0: no more. out gets their values.
 */
size_t passthrough_view_write(const struct passthrough_view *view, unsigned offset,
	const uint8_t *buf, size_t count, size_t *at, uint8_t *out);

#endif
