/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What groups and /dev/iommu stand on, made up: devices that write down what they are told, memory that is all of the
 * program's, cards that cannot do anything. And a program with files, for tests of what is between.
 */
#ifndef COMPAT_STAND_IN_H
#define COMPAT_STAND_IN_H

#include "compat/kdev.h"
#include "test_compat_program.h"

#define STAND_IN_MAPS 64

struct stand_in_map {
	uint64_t iova, size, vaddr;
	unsigned prot;
};

struct stand_in_dev {
	struct medio_kdev kdev; /* first */
	struct stand_in_map maps[STAND_IN_MAPS];
	unsigned num_maps;
	unsigned closes;    /* times that the last file of it was closed */
	int map_error;	    /* of the next mapping; 0: it succeeds */
	unsigned map_after; /* this many succeed before */
	int open_error;
	/* Of its card: the log. */
	int log_error;
	bool logging;
	uint64_t written; /* a page that it has written; 0: none */
};

/* Spans that there are: 0 when all is done. */
extern unsigned stand_in_spans;
/* What the next span_take() says; 0: what memory there is. */
extern int stand_in_span_error;
/* What a card reaches; by default everything. */
extern struct medio_card_dma_range stand_in_reach;

struct stand_in_dev *stand_in_dev(
	struct medio_compat *compat, const char *name, enum medio_kdev_look look);
const struct stand_in_map *stand_in_find(const struct stand_in_dev *dev, uint64_t iova);

/* A machine with a program. */
struct stand_in {
	struct medio_loop *loop;
	struct medio_compat *compat;
	struct program p;
};
void stand_in_init(struct stand_in *s);
void stand_in_fini(struct stand_in *s);
/* Have ended files told. */
void stand_in_settle(struct stand_in *s);

/* A file of the file system: a descriptor, or -errno. */
int stand_in_open(struct stand_in *s,
	int (*open)(void *opaque, uint64_t ino, unsigned flags, struct medio_kfile **out),
	void *opaque);
/* close() of any of the program's descriptors. */
void stand_in_close(struct stand_in *s, int fd);

#endif
