/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands behind a disk: a file, memory, nothing, or a server that speaks NBD. Devices (virtio-blk,
 * virtio-scsi) read and write it through this; they do not see which it is.
 *
 *     disk_open(dev, &options, on_resize, opaque, &disk);
 *     req = { .op = DISK_READ, .offset = …, .bytes = …, .iov = …, .niov = …, .done = … };
 *     disk_submit(disk, &req);          done() from within when nothing has to be waited for
 *     …
 *     disk_kick(disk);                  what was submitted goes out together
 *
 * Threads: the device's; done() is called on it.
 */
#ifndef DISK_H
#define DISK_H

#include <sys/uio.h>

#include <medio/device.h>

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_ZEROES };
enum disk_aio { DISK_AIO_AUTO, DISK_AIO_URING, DISK_AIO_THREADS };
enum disk_direct { DISK_DIRECT_OFF, DISK_DIRECT_ON };

/* Parameters of every disk: DISK_PARAMS(struct my_state, disk). Exactly one of file, mem, null, nbd. */
struct disk_options {
	char *file;    /* a raw image or a block device */
	uint64_t mem;  /* bytes of memory, lost at the end */
	bool null;     /* reads give zeroes, writes are dropped */
	uint64_t size; /* of null */
	char *nbd;     /* a URI: nbd+unix:///?socket=PATH, nbd://HOST/EXPORT */
	bool readonly;
	bool share; /* file may be written to by others meanwhile */
	int direct; /* enum disk_direct: O_DIRECT */
	int aio;    /* enum disk_aio */
};

extern const char *const disk_aio_names[], *const disk_direct_names[];

#define DISK_PARAM(state_, member_, name_, kind_, field_, default_, help_, ...) \
	{ \
		name_, MEDIO_PARAM_##kind_, offsetof(state_, member_.field_), default_, help_, \
			__VA_ARGS__ \
	}

#define DISK_PARAMS(state_, member_) \
	DISK_PARAM(state_, member_, "file", STRING, file, NULL, \
		"a raw disk image or a block device", .min = 0), \
		DISK_PARAM(state_, member_, "mem", SIZE, mem, NULL, \
			"so many bytes of memory, lost at the end", .min = 0), \
		DISK_PARAM(state_, member_, "null", BOOL, null, NULL, \
			"reads give zeroes, writes go nowhere: for measuring", .min = 0), \
		DISK_PARAM(state_, member_, "size", SIZE, size, "1T", "bytes of null", .min = 0), \
		DISK_PARAM(state_, member_, "nbd", STRING, nbd, NULL, \
			"an NBD server's URI, such as nbd+unix:///?socket=PATH", .min = 0), \
		DISK_PARAM(state_, member_, "readonly", BOOL, readonly, "off", "refuse writes", \
			.min = 0), \
		DISK_PARAM(state_, member_, "share", BOOL, share, "off", \
			"do not lock file: another program that has it writes when this one does not", \
			.min = 0), \
		DISK_PARAM(state_, member_, "direct", CHOICE, direct, "off", \
			"bypass the page cache of file (O_DIRECT)", .choices = disk_direct_names), \
		DISK_PARAM(state_, member_, "aio", CHOICE, aio, "auto", \
			"how what would block is done: io_uring, threads, or the better that " \
			"there is", \
			.choices = disk_aio_names)

struct disk_info {
	uint64_t bytes;	   /* a multiple of block */
	uint32_t block;	   /* logical block: 512, or more if the file insists (O_DIRECT) */
	uint32_t physical; /* physical block, a multiple of block */
	uint32_t optimal;  /* bytes of a good transfer, 0: not known */
	bool readonly, volatile_cache, discards, zeroes;
	uint32_t discard_unit; /* bytes, the alignment at which a discard gives something back */
	const char *backend;   /* "file (io_uring, O_DIRECT)": for people */
};

/* Part of a request, as a system call does it. The disk's own. */
struct disk_step {
	enum { DISK_STEP_READ, DISK_STEP_WRITE, DISK_STEP_SYNC, DISK_STEP_ALLOCATE } kind;
	int flags; /* RWF_*, or the mode of fallocate() */
	uint64_t offset, bytes;
	const struct iovec *iov;
	unsigned niov;
	struct iovec one; /* what iov may point to */
};

struct disk_request {
	enum disk_op op;
	bool unmap;   /* ZEROES: the blocks may be given back */
	bool durable; /* WRITE: on stable storage before it is done (FUA) */
	bool more;    /* others come, and disk_kick() soon: until then it may wait for them */
	uint64_t
		offset; /* bytes, multiples of block; the device has checked that they are inside */
	uint64_t bytes;
	const struct iovec *iov; /* niov pieces, bytes in all; must stay until done */
	unsigned niov;
	/* ret: 0, or -errno. The request is the caller's again. */
	void (*done)(struct disk_request *req, int ret);
	/* The disk's own until done. */
	struct {
		struct disk_request *next;
		void *bounce;
		uint64_t moved; /* bytes that are done */
		struct disk *disk;
		struct disk_step step;
		ssize_t ret; /* of the step */
	} own;
};

struct disk;

/* Words of failures through medio_fail(): -EINVAL (none or several of file, mem, null, nbd; …), what open() or
 * connecting gave. on_resize(opaque): disk_get_info() tells another size. May be NULL. */
int disk_open(struct medio_dev *dev, const struct disk_options *opts,
	void (*on_resize)(void *opaque), void *opaque, struct disk **out);
/* Nothing may be under way. NULL is allowed. */
void disk_close(struct disk *disk);
void disk_get_info(const struct disk *disk, struct disk_info *out);
/* Look whether the size has changed (a file that grew); on_resize() if so. */
void disk_refresh(struct disk *disk);
/* Begin. done() may be called from within. Never fails but through done(): -EIO, -ENOSPC, -EROFS, -EOPNOTSUPP … */
void disk_submit(struct disk *disk, struct disk_request *req);
/* What was submitted goes out, if it has not. done() may be called from within. */
void disk_kick(struct disk *disk);
/* Look for what is finished, without waiting: true if there was something. Where this is not called, a
 * watch of the disk's own does it. */
bool disk_poll(struct disk *disk);
/* Finish everything: waits for what cannot be stopped; a server that does not answer is given up (-EIO), its
 * requests never touch iov again. */
void disk_drain(struct disk *disk);
unsigned disk_under_way(const struct disk *disk);

struct disk_counts {
	uint64_t at_once; /* done within disk_submit() */
	uint64_t rings, threads, bounced, flushes, errors;
	uint64_t calls; /* system calls made for requests */
};
void disk_get_counts(const struct disk *disk, struct disk_counts *out);

#endif
