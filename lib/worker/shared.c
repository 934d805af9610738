/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "util/cleanup.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static int map_fd(int fd, size_t size, int prot, void **map)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*map = p;
	return 0;
}

int medio_shared_new(const char *name, size_t size, int prot, void **map)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
		fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
		return -errno;
	int ret = map_fd(fd, size, prot, map);
	return ret ? ret : medio_steal_fd(fd);
}

int medio_shared_map(int fd, size_t size, int prot, void **map)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Not huge pages: a hole in those may find none when it is read, which kills (SIGBUS). */
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != TMPFS_MAGIC)
		return -EINVAL;
	/* The seal first: a size that may still shrink means nothing. */
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || st.st_size < 0 || size == 0 ||
		(uint64_t)st.st_size < size)
		return -EINVAL;
	return map_fd(fd, size, prot, map);
}

/* ---- Checkpoints ------------------------------------------------------------------------------------ */

/* One of the two copies; the state follows. */
struct copy {
	uint64_t sequence; /* 0: empty, or being written */
	uint32_t size;	   /* of the state */
	uint32_t crc;	   /* of sequence, size and state */
};

/* CRC-32 as IEEE 802.3 and zlib have it, four bits at a time: states are small and saved seldom. */
static uint32_t crc32_add(uint32_t crc, const void *data, size_t size)
{
	static const uint32_t table[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8,
		0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
	const uint8_t *p = data;
	crc = ~crc;
	for (size_t i = 0; i < size; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static uint32_t crc_of(const struct copy *copy, const void *state)
{
	uint32_t crc = crc32_add(0, copy, offsetof(struct copy, crc));
	return crc32_add(crc, state, copy->size);
}

/* Bytes of memory of a copy. */
static size_t half(size_t size)
{
	return size / 2 & ~(size_t)7;
}

/* Its sequence number, 0: it is not whole. */
static uint64_t look(const void *at, size_t room, struct copy *copy)
{
	if (room < sizeof(*copy))
		return 0;
	memcpy(copy, at, sizeof(*copy));
	if (!copy->sequence || copy->size > room - sizeof(*copy))
		return 0;
	return crc_of(copy, (const char *)at + sizeof(*copy)) == copy->crc ? copy->sequence : 0;
}

/* Which of the two is the newest whole one: 0, 1, or -1. Sequences wrap. */
static int newest(const void *map, size_t size, struct copy *copy)
{
	struct copy copies[2];
	uint64_t first = look(map, half(size), &copies[0]);
	uint64_t second = look((const char *)map + half(size), half(size), &copies[1]);
	if (!first && !second)
		return -1;
	int which = !first || (second && (int64_t)(second - first) > 0);
	*copy = copies[which];
	return which;
}

int medio_checkpoint_write(void *map, size_t size, const void *state, size_t state_size)
{
	struct copy copy = { 0 };
	if (half(size) < sizeof(copy) || state_size > half(size) - sizeof(copy) ||
		state_size > UINT32_MAX)
		return -ENOSPC;
	int old = newest(map, size, &copy);
	char *at = (char *)map + (old == 0 ? half(size) : 0);
	copy.sequence = copy.sequence + 1 ? copy.sequence + 1 : 1;
	copy.size = (uint32_t)state_size;
	copy.crc = crc_of(&copy, state);

	/* Its CRC tells a torn copy from a whole one; the order here makes that certain. */
	struct copy *head = (struct copy *)(void *)at;
	__atomic_store_n(&head->sequence, 0, __ATOMIC_SEQ_CST);
	if (state_size)
		memcpy(at + sizeof(copy), state, state_size);
	head->size = copy.size;
	head->crc = copy.crc;
	__atomic_store_n(&head->sequence, copy.sequence, __ATOMIC_SEQ_CST);
	return 0;
}

size_t medio_checkpoint_read(const void *map, size_t size, const void **state)
{
	struct copy copy;
	int which = newest(map, size, &copy);
	if (which < 0 || !copy.size)
		return 0;
	*state = (const char *)map + (which ? half(size) : 0) + sizeof(copy);
	return copy.size;
}
