/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "frames", the card that `medio bench modes` compares with others: a network card that a child could
 * drive. It has no DMA. Frames lie in memory of its own, BAR 2: two rings of slots, and four numbers that say
 * how far each side is. A driver writes a frame into the next slot, adds one to CARD_TX_HEAD, writes to the
 * doorbell (BAR 0, offset 0), and takes what comes from the other ring.
 *
 *     map=off   every byte of BAR 2 is a register: the whole frame goes through traps
 *     map=on    clients map BAR 2: a frame costs loads and stores, and the doorbell is an eventfd
 *     poll=on   the card looks at CARD_TX_HEAD all the time; nobody need ring
 *
 * Behind it is the network that other cards have: what it sends comes back (devices/net, loop).
 */
#ifndef MEDIO_TOOLS_BENCH_CARD_H
#define MEDIO_TOOLS_BENCH_CARD_H

#include <medio/device.h>

extern const struct medio_type medio_bench_frames;

#define CARD_VENDOR   0x1b36
#define CARD_DEVICE   0x00fe
#define CARD_VECTOR   0u /* MSI-X: frames have come, and CARD_WANT said 1 */
#define CARD_FRAME    2040u
#define CARD_SLOTS    16u
#define CARD_WINDOW   131072u /* bytes of BAR 2 */
#define CARD_DOORBELL 0u      /* in BAR 0: write u32 */

/* In BAR 2. Numbers are u32, little-endian, that only count up; each in a cache line of its own. */
enum {
	CARD_TX_HEAD = 0,   /* the driver's: frames to send so far */
	CARD_TX_TAIL = 64,  /* the card's: taken out of their slots */
	CARD_RX_HEAD = 128, /* the card's: frames that came */
	CARD_RX_TAIL = 192, /* the driver's: taken out of their slots */
	CARD_WANT = 256,    /* the driver's: 1: interrupt at the next that comes */
	CARD_TX = 4096,	    /* slots: u64 bytes, then the frame */
	CARD_SLOT = 2048,
	CARD_RX = CARD_TX + (int)CARD_SLOTS * CARD_SLOT,
};

#endif
