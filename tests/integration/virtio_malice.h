/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver of virtio devices that breaks rules, one after the other, and looks what becomes of the device.
 *
 *     virtio_malice.c            the program: which cases, and what must hold after each
 *     virtio_malice_bed.c        the card, its registers, rings by hand
 *     virtio_malice_registers.c  2.1 to 2.6, 3.1, 4.1: registers, steps, notifications
 *     virtio_malice_rings.c      2.6 to 2.8: what stands in rings
 *     virtio_malice_memory.c     memory that comes and goes, resets, clients that leave, storms
 *     virtio_malice_devices.c    5.1 to 5.6: requests of each kind
 *
 * Sections are those of Virtual I/O Device (VIRTIO) 1.3.
 */
#ifndef VIRTIO_MALICE_H
#define VIRTIO_MALICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <medio/driver.h>
#include <medio/virtio.h>

/* Registers of the common configuration (4.1.4.3). */
enum {
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	CONFIG_VECTOR = 0x10,
	NUM_QUEUES = 0x12,
	STATUS = 0x14,
	GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20,
	QUEUE_DRIVER = 0x28,
	QUEUE_DEVICE = 0x30,
	QUEUE_NOTIFY_DATA = 0x38,
	QUEUE_RESET = 0x3a,
};

/* Its status (2.1). */
enum { ACK = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64, FAILED = 128 };
#define LIVE (ACK | DRIVER | FEATURES_OK | DRIVER_OK)

/* Flags of descriptors (2.7.5, 2.8). */
enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAIL = 1 << 7, USED = 1 << 15 };

enum { NET = 1, BLK = 2, CONSOLE = 3, RNG = 4, SCSI = 8 };

#define F(bit_)	    (UINT64_C(1) << (bit_))
#define F_INDIRECT  F(28)
#define F_EVENT_IDX F(29)
#define F_VERSION_1 F(32)
#define F_PACKED    F(34)
#define F_NOTIFY    F(38)
#define F_RESET	    F(40)

/* Memory of the driver's: a ring every RING bytes, then buffers. */
#define MEM_IOVA  UINT64_C(0x100000)
#define MEM_SIZE  0x100000u
#define RING	  0x2000u
#define DRIVER_AT 0x400u /* the areas in a ring's bytes */
#define DEVICE_AT 0x800u
#define BUF	  0x80000u /* the first buffer */
#define BUFS	  (MEM_SIZE - BUF)
#define SIZE	  64u /* descriptors of a queue */
#define RINGS	  8u
/* Nothing is mapped there. */
#define NOWHERE UINT64_C(0x40000000)
/* For cases that map something of their own. */
#define SPARE UINT64_C(0x10000000)

struct ring {
	unsigned index;
	uint8_t *mem; /* RING bytes */
	uint64_t iova;
	uint16_t next, used; /* split: free-running; packed: places */
	bool next_wrap, used_wrap;
	unsigned desc; /* split: the next descriptor to take */
};

struct bed {
	const char *uri;
	bool packed;
	struct medio_card *card;
	int peer; /* another descriptor of the socket, or -1 */
	int fd;	  /* of mem */
	uint8_t *mem;
	unsigned kind, queues, vectors;
	uint64_t offered, wanted; /* wanted: what up() accepts of it */
	unsigned good;		  /* the queue of good requests */
	unsigned rounds;
	bool hammered; /* rings are written by another thread: it may be broken at once */
	bool hungry;   /* a network card gets no buffers for what comes */
	bool careless; /* the connection may break now; until bed_hang_up() */
	uint32_t dice;
	struct ring ring[RINGS];
};

/* ---- virtio_malice_bed.c ------------------------------------------------------------------------ */

/* Of what cannot be gone on from: the program ends. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Words of a case that failed. */
const char *fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void bed_open(struct bed *bed);
void bed_close(struct bed *bed);
/* The connection breaks, whatever is under way; and another is made. */
void bed_hang_up(struct bed *bed);
uint32_t roll(struct bed *bed);
uint64_t now_ms(void);

uint8_t get8(struct bed *bed, unsigned reg);
uint16_t get16(struct bed *bed, unsigned reg);
uint32_t get32(struct bed *bed, unsigned reg);
/* Writes are posted: all in order, and done when something is read. */
void put(struct bed *bed, uint64_t offset, const void *buf, size_t count);
void put8(struct bed *bed, unsigned reg, uint8_t value);
void put16(struct bed *bed, unsigned reg, uint16_t value);
void put32(struct bed *bed, unsigned reg, uint32_t value);
void put64(struct bed *bed, unsigned reg, uint64_t value);
uint8_t status(struct bed *bed);
void set_master(struct bed *bed, bool on);

/* Parts of bringing it up. reset: and wait until it is done. */
void reset(struct bed *bed);
/* Up to FEATURES_OK; false: it was refused. */
bool negotiate(struct bed *bed, uint64_t features);
void ring_clear(struct bed *bed, unsigned index);
void setup_queue(struct bed *bed, unsigned index);
/* All of it; with other features than bed->wanted; not DRIVER_OK yet. */
void up(struct bed *bed);
void up_with(struct bed *bed, uint64_t features);
void up_but_ok(struct bed *bed, uint64_t features);

/* ---- Rings by hand */

struct piece {
	uint64_t iova;
	uint32_t len;
	bool in; /* the device writes it */
};

/* A descriptor as it stands, next being split's alone. */
struct raw {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

uint64_t buf_iova(unsigned n); /* of buffer n, 4096 bytes each */
uint8_t *buf_at(struct bed *bed, unsigned n);
void raw_put(uint8_t *at, uint64_t addr, uint32_t len, uint16_t a, uint16_t b);
/* Descriptors n at the beginning (split), or where it goes on (packed, the last one's id 0), are made available. */
void offer_raw(struct bed *bed, struct ring *ring, const struct raw *raw, unsigned n);
void offer(struct bed *bed, struct ring *ring, const struct piece *pieces, unsigned n);
/* split: the available index is moved by n. */
void move_avail(struct ring *ring, unsigned n);
void kick(struct bed *bed, unsigned queue);
enum answer { USED_IT, BROKE_IT, NOTHING };
/* Wait for the next used chain. len may be NULL. NOTHING after a while. */
enum answer await(struct bed *bed, struct ring *ring, uint32_t *len);
/* offer, kick, await. */
enum answer request(
	struct bed *bed, unsigned queue, const struct piece *pieces, unsigned n, uint32_t *len);
/* A good request of this kind is offered; answered? */
void good_offer(struct bed *bed);
const char *good(struct bed *bed);

/* ---- Cases -------------------------------------------------------------------------------------- */

/* What may have become of the device: */
enum {
	FINE = 1,   /* ignored, or answered with an error: it works on */
	BROKEN = 2, /* NEEDS_RESET, and an interrupt of the configuration */
	STUCK = 4,  /* its queues may not work on, but a reset helps */
	ANY = FINE | BROKEN | STUCK,
	SPLIT_ONLY = 16,
	PACKED_ONLY = 32,
	RAW = 64, /* the case does all of it, also bringing it up */
};

struct malice_case {
	const char *section, *name;
	/* On a device that is up. NULL, or why it failed. */
	const char *(*run)(struct bed *bed);
	unsigned expect;
	unsigned kind; /* 0: all */
};

extern const struct malice_case register_cases[], ring_cases[], memory_cases[], device_cases[];

#endif
