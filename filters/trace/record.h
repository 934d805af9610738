/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The record: what the trace filter saw, as a file for programs. `medio replay` plays it back.
 * Bytes in, structs out; no I/O. The format, all values little-endian:
 *
 *     start, once                          an event, any number of times
 *      0  char[8]  "MEDIOREC"               0  u32  size of all of it, a multiple of 8
 *      8  u16      version, 1               4  u8   kind, enum medio_record_kind
 *     10  u16      size of the start,       5  u8   region, 0xff: none
 *                  a multiple of 8          6  u16  0
 *     12  u16      length of the type       8  u64  time, ns since the start
 *     14  u16      0                       16  u64  offset
 *     16  u64      start, ns since 1970    24  u64  count
 *     24  char[36] UUID of the instance    32  s32  result: 0, 1 (deferred) or -errno
 *     60  u32      0                       36  u32  how long it took, ns; 2^32 - 1 is "longer"
 *     64  type name, zeros to the size     40  u32  bytes of data
 *                                          44  u32  arg
 *                                          48  data, zeros to a multiple of 8
 *
 * What offset, count, arg and data are depends on the kind, see there. Events stand in the order in
 * which they ended, so an interrupt raised by a write comes before the write; their times are those
 * at which they began. A file may end in the middle of an event, when its writer was killed.
 */
#ifndef MEDIO_FILTER_TRACE_RECORD_H
#define MEDIO_FILTER_TRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIO_RECORD_VERSION	1
#define MEDIO_RECORD_START_SIZE 64 /* without the type's name */
#define MEDIO_RECORD_TYPE_MAX	255
#define MEDIO_RECORD_START_MAX	320 /* with the longest */
#define MEDIO_RECORD_HEAD_SIZE	48
#define MEDIO_RECORD_NO_REGION	0xff
/* A program that reads records need not believe in larger events. */
#define MEDIO_RECORD_DATA_MAX (64u << 20)

enum medio_record_kind {
	/* Access to region: offset and count in bytes; data: all of what was written or read (a
	 * read that failed or was deferred has none). */
	MEDIO_RECORD_READ = 1,
	MEDIO_RECORD_WRITE = 2,
	/* The answer of the latest deferred access, whose region, offset and count stand here again;
	 * data of a read. arg 1: it is a write's. */
	MEDIO_RECORD_ANSWER = 3,
	MEDIO_RECORD_DOORBELL = 4, /* region, offset */
	MEDIO_RECORD_RESET = 5,	   /* arg: enum medio_reset */
	MEDIO_RECORD_CLIENT = 6,   /* arg 1: came, 0: left */
	MEDIO_RECORD_QUIESCE = 7,
	MEDIO_RECORD_RESUME = 8,
	MEDIO_RECORD_DMA_MAP = 9,    /* offset: iova, count: bytes, arg: MEDIO_PROT_* */
	MEDIO_RECORD_DMA_UNMAP = 10, /* offset: iova, count: bytes */
	MEDIO_RECORD_IRQ = 11,	     /* offset: vector, arg 0: down, 1: up, 2: pulse */
	/* offset: iova, count: bytes, data: the first of them, as many as the filter shows. */
	MEDIO_RECORD_DMA_READ = 12,
	MEDIO_RECORD_DMA_WRITE = 13,
	MEDIO_RECORD_DMA_GET = 14, /* offset: iova, count: bytes, arg: MEDIO_PROT_* */
};

struct medio_record_start {
	uint64_t unix_ns;
	char uuid[37];
	char type[MEDIO_RECORD_TYPE_MAX + 1]; /* of [a-z0-9._-] */
};

struct medio_record {
	uint8_t kind;	/* of a later version's, perhaps: skip what is unknown */
	uint8_t region; /* 0 to 8 where the kind has one, else MEDIO_RECORD_NO_REGION */
	uint64_t time_ns, offset, count;
	int32_t result;
	uint32_t took_ns, arg;
	const uint8_t *data; /* data_size bytes, at most count, inside the bytes parsed */
	uint32_t data_size;
};

/* Whether a kind has a region. */
bool medio_record_has_region(uint8_t kind);

/* Write a start; returns its size. The name is cut to MEDIO_RECORD_TYPE_MAX. */
size_t medio_record_put_start(
	const struct medio_record_start *start, uint8_t buf[MEDIO_RECORD_START_MAX]);
/* Write the head of an event; its data_size bytes follow, then returned zeros (0 to 7). */
size_t medio_record_put(const struct medio_record *record, uint8_t buf[MEDIO_RECORD_HEAD_SIZE]);

/* Where in the bytes of a record we are. */
struct medio_record_reader {
	const uint8_t *bytes;
	size_t size, at;
	const char *why; /* after -errno: what is wrong, "the UUID is none" */
};

/* Begin to read. -EINVAL: this is no record, another version's, or its start is nonsense. */
int medio_record_open(struct medio_record_reader *reader, const void *bytes, size_t size,
	struct medio_record_start *start);
/*
 * The next event. 1, or 0 at the end. -ENODATA: the bytes end in the middle of it. -EINVAL: sizes,
 * region or result are nonsense. After an error the reader stays where the event begins.
 */
int medio_record_next(struct medio_record_reader *reader, struct medio_record *record);

#endif
