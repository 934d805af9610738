/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libblkio's client of vhost-user disks, loaded while running: Debian 12 has no such package, so nothing is
 * linked to it. The declarations are those of blkio(3), version 1.5; only what is used here.
 */
#ifndef MEDIO_TESTS_PEERS_BLKIO_H
#define MEDIO_TESTS_PEERS_BLKIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <time.h>

#define BLKIO_WORDS 512u

struct blkio;
struct blkioq;

struct blkio_region {
	void *addr;
	size_t len;
	uint64_t iova;
	int64_t fd_offset;
	int fd;
	uint32_t flags;
};

struct blkio_completion {
	void *user_data;
	const char *error_msg;
	int ret;
	uint8_t reserved[12];
};

/* Its functions, without "blkio_"; those of a queue are called queue_… here. All give -errno. */
struct blkio_calls {
	const char *(*get_error_msg)(void);
	int (*create)(const char *driver, struct blkio **out);
	int (*connect)(struct blkio *b);
	int (*start)(struct blkio *b);
	void (*destroy)(struct blkio **b);
	int (*get_int)(struct blkio *b, const char *name, int *value);
	int (*get_uint64)(struct blkio *b, const char *name, uint64_t *value);
	int (*set_bool)(struct blkio *b, const char *name, bool value);
	int (*set_int)(struct blkio *b, const char *name, int value);
	int (*set_str)(struct blkio *b, const char *name, const char *value);
	int (*alloc_mem_region)(struct blkio *b, struct blkio_region *region, size_t len);
	int (*map_mem_region)(struct blkio *b, const struct blkio_region *region);
	struct blkioq *(*get_queue)(struct blkio *b, int index);
	struct blkioq *(*get_poll_queue)(struct blkio *b, int index);
	void (*queue_read)(
		struct blkioq *q, uint64_t start, void *buf, size_t len, void *tag, uint32_t flags);
	void (*queue_write)(struct blkioq *q, uint64_t start, const void *buf, size_t len,
		void *tag, uint32_t flags);
	void (*queue_readv)(struct blkioq *q, uint64_t start, const struct iovec *iov, int n,
		void *tag, uint32_t flags);
	void (*queue_writev)(struct blkioq *q, uint64_t start, struct iovec *iov, int n, void *tag,
		uint32_t flags);
	void (*queue_write_zeroes)(
		struct blkioq *q, uint64_t start, uint64_t len, void *tag, uint32_t flags);
	void (*queue_discard)(
		struct blkioq *q, uint64_t start, uint64_t len, void *tag, uint32_t flags);
	void (*queue_flush)(struct blkioq *q, void *tag, uint32_t flags);
	int (*queue_do_io)(struct blkioq *q, struct blkio_completion *done, int least, int most,
		struct timespec *timeout);
};

/* Words say why not. The library stays loaded. -ENOENT: there is none; -ENOSYS: one without these functions. */
int blkio_load(const char *file, struct blkio_calls *calls, char words[BLKIO_WORDS]);

struct blkio_disk_options {
	unsigned queues;      /* whose completions can be waited for */
	unsigned poll_queues; /* whose waiting is looking */
	size_t memory;	      /* bytes to give to it */
};

struct blkio_disk {
	const struct blkio_calls *calls;
	struct blkio *blkio;
	uint64_t bytes;
	uint8_t *memory;
};

/* Connect to the disk at a socket, and start. -errno with words: libblkio's. */
int blkio_disk_open(const struct blkio_calls *calls, const char *socket,
	const struct blkio_disk_options *options, struct blkio_disk *out, char words[BLKIO_WORDS]);
void blkio_disk_close(struct blkio_disk *disk);

#endif
