/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of a disk know of each other: a table a backend, and the books kept in common. */
#ifndef DISK_INSIDE_H
#define DISK_INSIDE_H

#include "disk/disk.h"

/* Bytes of a sector, in which sizes are counted everywhere. */
#define DISK_SECTOR 512u

/* One way to keep a disk. struct disk is the first member of its state. */
struct disk_backend {
	void (*close)(struct disk *disk);
	/* Inside the disk, and allowed. Ends with disk_finish(). */
	void (*submit)(struct disk *disk, struct disk_request *req);
	/* NULL: nothing is ever under way. */
	void (*kick)(struct disk *disk);
	bool (*poll)(struct disk *disk);
	/* Until nothing is under way. */
	void (*drain)(struct disk *disk);
	/* The size it has now; NULL: it never changes. */
	void (*refresh)(struct disk *disk);
};

struct disk {
	const struct disk_backend *backend;
	struct medio_dev *dev;
	struct disk_info info;
	struct disk_counts counts;
	unsigned under_way;
	void (*on_resize)(void *opaque);
	void *opaque;
	char words[64]; /* info.backend */
};

/* Each allocates its state, or says why not with medio_fail(). opts has been checked. The fields that are
 * common are filled in afterwards, but for backend and info; dev is set before. */
int disk_mem_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out);
int disk_null_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out);
int disk_file_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out);
int disk_nbd_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out);

/* The end of a request; it may not be touched afterwards. */
void disk_finish(struct disk *disk, struct disk_request *req, int ret);
/* The size is another now; tells the device. bytes is rounded down to blocks. */
void disk_set_bytes(struct disk *disk, uint64_t bytes);

/* Requests in a row, by own.next. */
struct disk_row {
	struct disk_request *first, **last;
};
void disk_row_init(struct disk_row *row);
void disk_row_put(struct disk_row *row, struct disk_request *req);
/* The first, or NULL. */
struct disk_request *disk_row_take(struct disk_row *row);

/* Copy len bytes between iov, from byte `from` of it, and buf. iov has as many. */
void disk_iov_read(const struct iovec *iov, uint64_t from, void *buf, uint64_t len);
void disk_iov_write(const struct iovec *iov, uint64_t from, const void *buf, uint64_t len);

#endif
