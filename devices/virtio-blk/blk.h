/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio block device from inside: what an instance holds (virtio-blk.c), and the requests that a
 * driver makes of it (request.c).
 *
 *     virtio-blk.c   the type: features, configuration, cache mode, size, attributes
 *     request.c      chains become disk requests, and those statuses
 *     vf.c           slices of the disk as virtual functions
 *     disk/disk.h    what stands behind
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3, 5.2.
 */
#ifndef MEDIO_VIRTIO_BLK_BLK_H
#define MEDIO_VIRTIO_BLK_BLK_H

#include <medio/virtio.h>

#include "disk/disk.h"

#define BLK_SECTOR     512u /* the unit of positions and of the capacity, whatever a block is (5.2.4) */
#define BLK_MAX_QUEUES 64

/* What one segment of a discard or of write zeroes may cover, in sectors, and how many there may be. A
 * segment is one request of the disk, which a reset has to wait for: where zeroes have to be written
 * one after another, that is work. */
enum {
	BLK_DISCARD_SECTORS = 1 << 21,
	BLK_DISCARD_SEGMENTS = 64,
	BLK_ZEROES_SECTORS = 1 << 18,
	BLK_ZEROES_SEGMENTS = 16,
};

/* Bytes that a request of an odd layout is moved by at a time. */
#define BLK_BOUNCE 65536u

struct blk_counts {
	uint64_t reads, read_bytes, writes, written_bytes, flushes, discards, zeroes;
	uint64_t errors;  /* answered with IOERR */
	uint64_t unknown; /* with UNSUPP */
	uint64_t bounced; /* by way of the bounce buffer */
};

/* Pieces that a request can have where its data does not begin and end with a buffer of the chain's. */
#define BLK_SLICES 8

struct blk;

/* One under way: chain->data. */
struct blk_request {
	struct disk_request disk; /* first: what is done is found by it */
	struct blk *blk;
	struct medio_virtq_chain *chain;
	struct blk_request *next; /* waits for the bounce buffer too */
	int (*step)(struct blk_request *req, int ret);
	enum { BLK_SUBMITTING, BLK_DONE, BLK_WAITING } state;
	int ret;
	uint64_t at, left,
		moving; /* bytes: where, of the data still to go, of the part under way */
	unsigned segment, segments; /* of a discard or of write zeroes */
	struct iovec iov[BLK_SLICES];
};

struct blk {
	struct medio_virtio virtio;
	/* Parameters. */
	struct disk_options options;
	uint64_t num_queues, block_size, physical_size, rescan, vfs, numvfs;
	char *serial;
	/* What stands behind. info.bytes are the driver's: those of the disk, or of a slice, which begins at
	 * `begins` of it. */
	struct medio_dev *dev;
	struct disk *disk;
	struct disk_info info;
	uint64_t begins;
	uint32_t block, physical; /* as the driver is told */
	struct medio_timer *rescan_timer;
	/* The cache mode (5.2.5). durable: a write has to be on stable storage before it is done. */
	bool writeback, durable;
	struct disk_request cache_flush;
	bool cache_flushing;
	/* kick() runs, for this queue, or poll(), for all (NULL): what is pushed there is shown at its end. */
	bool in_turn;
	bool more; /* of kick(): requests begun now are followed by others, or by disk_kick() */
	const struct medio_virtq *turn;
	/* Requests that wait for the bounce buffer, and who has it. */
	uint8_t *bounce;
	struct blk_request *bouncing, *waiting, **waiting_end;
	bool serving;
	struct blk_counts counts;
	/* A physical function: bytes of each slice. A virtual one: what it calls itself. */
	struct medio_sriov sriov;
	uint64_t slice;
	char vf_serial[24];
};

/* What a physical and a virtual function have in common (virtio-blk.c): the parts of a type. */
extern const struct medio_attr blk_attrs[];
#define BLK_OPS \
	.features = blk_features, .config_read = blk_config_read, \
	.config_write = blk_config_write, .live = blk_live, .kick = blk_kick, .poll = blk_poll, \
	.drain = blk_drain, .reset = blk_reset, .save = blk_save, .load = blk_load
#define BLK_VIRTIO \
	.id = VIRTIO_ID_BLOCK, .max_queues = BLK_MAX_QUEUES, .config_size = BLK_CONFIG_SIZE, \
	.features = BLK_FEATURES, .request_size = sizeof(struct blk_request)
/* Up to what a driver is to read that accepted none of the features after it: secure erase and zones. */
#define BLK_CONFIG_SIZE offsetof(struct virtio_blk_config, max_secure_erase_sectors)
/* Not SIZE_MAX: there is no limit, and some drivers fail at one. */
#define BLK_FEATURES \
	(MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_GEOMETRY) | \
		MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE) | MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_FLUSH) | \
		MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY) | \
		MEDIO_VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE))
int blk_features(struct medio_dev *dev, uint64_t accepted);
void blk_config_read(struct medio_dev *dev, uint8_t *config);
void blk_config_write(struct medio_dev *dev, unsigned offset, const void *buf, unsigned count);
void blk_live(struct medio_dev *dev);
void blk_kick(struct medio_dev *dev, struct medio_virtq *queue);
bool blk_poll(struct medio_dev *dev);
void blk_drain(struct medio_dev *dev);
void blk_reset(struct medio_dev *dev);
ssize_t blk_save(struct medio_dev *dev, void *buf, size_t cap);
int blk_load(struct medio_dev *dev, const void *buf, size_t size);
void blk_offer(struct blk *blk);
/* The parts of init() and fini() that both need: -ENOMEM. */
int blk_make_parts(struct blk *blk);
void blk_free_parts(struct blk *blk);

/* Of a physical function: its operations shape and load_early, and how long slices are, once the disk is open. */
int blk_shape(struct medio_dev *dev, struct medio_type *type);
int blk_load_slices(struct medio_dev *dev, const void *buf, size_t size);
int blk_choose_slices(struct blk *blk);

/* A chain is begun soon: a hint to the processor. */
static inline void blk_request_fetch(const struct medio_virtq_chain *chain)
{
	if (chain->num_out)
		__builtin_prefetch(chain->out->iov_base);
	if (chain->num_in)
		__builtin_prefetch(chain->in[chain->num_in - 1].iov_base, 1);
}

/* Begin what a chain asks; it is pushed when that is done. False: it cannot be answered, and no other is to
 * be until the driver has reset the device. */
bool blk_request_begin(struct blk *blk, struct medio_virtq_chain *chain);
#endif
