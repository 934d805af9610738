/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card with one of everything, for tests of the server: each kind of BAR, each kind of interrupt,
 * doorbells, accesses that are answered late, DMA. A test drives it through `struct toy`, a guest
 * (the fuzzer) through the registers of BAR0.
 */
#ifndef TESTS_TOY_H
#define TESTS_TOY_H

#include <medio/device.h>

#define TOY_VENDOR  0x1b36
#define TOY_DEVICE  0x7707
#define TOY_VECTORS 40u /* of MSI-X; more than an unsigned has bits */
#define TOY_MSI	    8u

/* BAR0, I/O: registers of 4 bytes, below. BAR1, 32-bit memory: sparse areas. BAR2 and 3, 64-bit
 * memory: a plain store. BAR4: MSI-X table and PBA, then registers. BAR5: mappable as a whole. */
#define TOY_IO_SIZE	64u
#define TOY_SPARSE_SIZE 0x8000u
#define TOY_STORE_SIZE	0x200000u
#define TOY_MSIX_SIZE	0x2000u
#define TOY_MAP_SIZE	0x1000u
#define TOY_TABLE	0x0u
#define TOY_PBA		0x800u

/* Registers of BAR0; reads give what was written, but TOY_MODE. */
enum {
	TOY_RAISE = 0x00,  /* source number */
	TOY_LOWER = 0x04,  /* source number */
	TOY_PULSE = 0x08,  /* source number */
	TOY_MODE = 0x0c,   /* enum toy_mode */
	TOY_IOVA = 0x10,   /* of DMA, bits 12 to 43 */
	TOY_LEN = 0x14,	   /* of DMA, bytes, up to TOY_DMA_MAX */
	TOY_DMA = 0x18,	   /* go: enum toy_dma */
	TOY_SETTLE = 0x1c, /* answer what was deferred, be quiet: counted down at other accesses */
	TOY_REMAP = 0x20,  /* pin or unpin a page at TOY_IOVA */
};

enum toy_mode {
	TOY_DEFER_READS = 1,
	TOY_DEFER_WRITES = 2,
	TOY_EARLY = 4,	    /* the answer comes before the call returns */
	TOY_BUSY = 8,	    /* quiesce() is busy until TOY_SETTLE or toy_settle() */
	TOY_FAIL = 16,	    /* accesses fail with EIO */
	TOY_DMA_READS = 32, /* a read of BAR4 is answered when DMA of TOY_LEN at TOY_IOVA is done */
};

enum toy_dma {
	TOY_COPY_IN = 1,
	TOY_COPY_OUT = 2,
	TOY_ASYNC_IN = 3,
	TOY_ASYNC_OUT = 4,
	TOY_GET = 5,
};

#define TOY_DMA_MAX    0x40000u
#define TOY_LOG_SIZE   8192u
#define TOY_MAX_TOKENS 8

struct toy {
	char colour[16]; /* an attribute */
	struct medio_dev *dev;
	char log[TOY_LOG_SIZE]; /* what was called: "reset 0;client 1;…" */
	size_t log_len;
	unsigned mode;
	uint32_t regs[TOY_IO_SIZE / 4];
	uint8_t *store; /* BAR2 */
	uint8_t *dma;	/* TOY_DMA_MAX bytes */
	uint8_t answer[4096];
	struct {
		struct medio_token *token;
		bool read;
		size_t count;
	} waiting[TOY_MAX_TOKENS];
	unsigned num_waiting;
	bool quiesce_asked;
	unsigned quiet; /* quiesce() calls answered with 0 and not undone */
	unsigned bells;
	uint64_t last_bell;
	unsigned writes; /* that reached region_write */
	unsigned dma_started, dma_ended;
	int dma_ret;
	bool dma_writes; /* the latest asynchronous DMA writes guest memory */
	bool dma_retry;	 /* a bad device: starts again when it fails */
	unsigned fail_load;
};

extern const struct medio_type toy_type;

static inline struct toy *toy_of(struct medio_dev *dev)
{
	return (struct toy *)medio_priv(dev);
}

/* Answer everything deferred with ret, in order. */
void toy_answer(struct toy *toy, int ret);
/* toy_answer(0), and be quiet. */
void toy_settle(struct toy *toy);
void toy_forget_log(struct toy *toy);

#endif
