/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/segment.h"

#include "iommu/guard.h"
#include "util/error.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <medio/device.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned bucket_of(const struct medio_segtable *t, dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)ino ^ (uint64_t)dev << 40) * 0x9e3779b97f4a7c15u;
	return (unsigned)(h >> 32) & (t->num_buckets - 1);
}

static int grow_buckets(struct medio_segtable *t)
{
	if (t->count < t->num_buckets)
		return 0;
	struct medio_segtable bigger = { .num_buckets = t->num_buckets ? t->num_buckets * 2 : 8 };
	bigger.bucket = calloc(bigger.num_buckets, sizeof(struct medio_segment *));
	if (!bigger.bucket)
		return -ENOMEM;
	for (unsigned i = 0; i < t->num_buckets; i++) {
		for (struct medio_segment *s = t->bucket[i], *next; s; s = next) {
			unsigned to = bucket_of(&bigger, s->dev, s->ino);
			next = s->next;
			s->next = bigger.bucket[to];
			bigger.bucket[to] = s;
		}
	}
	free(t->bucket);
	t->bucket = bigger.bucket;
	t->num_buckets = bigger.num_buckets;
	return 0;
}

/* Is fd a file whose range may be mapped with prot? Fills *st. */
static int check_file(int fd, uint64_t offset, uint64_t size, unsigned prot, bool unsized,
	struct stat *st, struct medio_error **err)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, st) < 0)
		return medio_error_set(err, EBADF, "file descriptor %d is not open", fd);
	if (flags & O_PATH)
		return medio_error_set(err, EBADF, "the file is open with O_PATH only");
	if (!S_ISREG(st->st_mode) && !unsized)
		return medio_error_set(err, EINVAL,
			"the file is not a regular file, so its size cannot be checked");
	/* What the last page has after the end is there, too, and reads as zeroes. */
	if (S_ISREG(st->st_mode) &&
		offset + size > (((uint64_t)st->st_size + 0xfff) & ~UINT64_C(0xfff)))
		return medio_error_set(err, EINVAL,
			"file range 0x%" PRIx64 "..0x%" PRIx64
			" ends behind the end of the file at 0x%" PRIx64,
			offset, offset + size - 1, (uint64_t)st->st_size);
	int mode = flags & O_ACCMODE;
	if (mode == O_WRONLY)
		return medio_error_set(err, EACCES, "the file is open for writing only");
	if ((prot & MEDIO_PROT_WRITE) && mode == O_RDONLY)
		return medio_error_set(err, EACCES,
			"the file is open for reading only, the mapping asks for writing");
	return 0;
}

/* mmap [offset, offset + len) and guard it. Nothing is said in words: there may be a next try. */
static int map_file(struct medio_segment *seg, int fd, uint64_t granule)
{
	int prot = PROT_READ | (seg->writable ? PROT_WRITE : 0);
	void *hva = mmap(NULL, seg->len, prot, MAP_SHARED, fd, (off_t)seg->offset);
	/* Linux before 6.7 refuses to share a file sealed against writing even to a reader whose fd
	 * could write. Nobody can change it, so a private mapping shows the same. */
	if (hva == MAP_FAILED && errno == EPERM && !seg->writable)
		hva = mmap(NULL, seg->len, prot, MAP_PRIVATE, fd, (off_t)seg->offset);
	if (hva == MAP_FAILED)
		return -errno;
	int ret = medio_guard_add(hva, seg->len, granule, prot, &seg->guard);
	if (ret < 0) {
		munmap(hva, seg->len);
		return ret;
	}
	seg->hva = hva;
	return 0;
}

static int map_error(int ret, bool writable, struct medio_error **err)
{
	switch (-ret) {
	case EPERM: /* a seal */
	case EACCES:
		return medio_error_set(err, EACCES, "the file may not be mapped for %s",
			writable ? "writing" : "reading");
	case ENODEV:
		return medio_error_set(err, EINVAL, "the file's file system cannot map files");
	case ENOMEM:
		return medio_error_set(err, ENOMEM,
			"no memory, address space or mapping (vm.max_map_count) left for the file");
	default:
		return medio_error_set(err, -ret, "the file cannot be mapped: %s", strerror(-ret));
	}
}

/*
 * Map what covers [offset, offset + size) and as much around it as can be had: the whole file if
 * none of it is mapped yet, else from offset to its end. A sparse file may be larger than the
 * address space; then only what was asked for.
 */
static int map_extent(const struct medio_segtable *t, struct medio_segment *seg, int fd,
	const struct stat *st, bool known, uint64_t offset, uint64_t size, struct medio_error **err)
{
	/* Huge pages (hugetlbfs) are mapped whole; st_blksize is their size there. */
	uint64_t granule = st->st_blksize > 4096 ? (uint64_t)st->st_blksize : 4096;
	if (granule & (granule - 1) || granule > 1ULL << 34)
		granule = 4096;
	const uint64_t mask = granule - 1;
	const uint64_t from = offset & ~mask, end = ((uint64_t)st->st_size + mask) & ~mask;
	const struct {
		uint64_t from, end;
	} tries[] = {
		{ known ? from : 0, end },
		{ from, end },
		{ from, (offset + size + mask) & ~mask },
	};
	int ret = -ENOMEM;
	for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]) && ret == -ENOMEM; i++) {
		seg->offset = tries[i].from;
		seg->len = tries[i].end - tries[i].from;
		if (seg->len > t->max_bytes - t->bytes)
			continue;
		ret = map_file(seg, fd, granule);
	}
	return ret < 0 ? map_error(ret, seg->writable, err) : 0;
}

/* What lies in a file without a size may be other memory each time that it is mapped. */
static int map_alone(const struct medio_segtable *t, struct medio_segment *seg, int fd,
	uint64_t offset, uint64_t size, struct medio_error **err)
{
	seg->alone = true;
	seg->offset = offset;
	seg->len = size;
	int ret = size > t->max_bytes - t->bytes ? -ENOMEM : map_file(seg, fd, 4096);
	return ret < 0 ? map_error(ret, seg->writable, err) : 0;
}

int medio_segtable_get(struct medio_segtable *t, int fd, uint64_t offset, uint64_t size,
	unsigned prot, struct medio_segment **out, struct medio_error **err)
{
	struct stat st = { 0 };
	int ret = check_file(fd, offset, size, prot, t->unsized, &st, err);
	if (ret < 0)
		return ret;

	const bool writable = prot & MEDIO_PROT_WRITE, alone = !S_ISREG(st.st_mode);
	bool known = false;
	struct medio_segment *s = NULL;
	if (t->num_buckets && !alone)
		s = t->bucket[bucket_of(t, st.st_dev, st.st_ino)];
	for (; s; s = s->next) {
		if (s->alone || s->dev != st.st_dev || s->ino != st.st_ino ||
			s->writable != writable)
			continue;
		/* Memory that went stays gone there, even if the file has grown again. */
		if (offset >= s->offset && offset - s->offset <= s->len &&
			size <= s->len - (offset - s->offset) && !medio_guard_poisoned(s->guard)) {
			s->refs++;
			*out = s;
			return 0;
		}
		known = true;
	}

	if (t->count >= t->max_count)
		return medio_error_set(err, ENOMEM,
			"more than %u separate files or file extents are mapped", t->max_count);
	if (grow_buckets(t) < 0 || !(s = calloc(1, sizeof(*s))))
		return medio_error_set(err, ENOMEM, "no memory left");
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->writable = writable;
	s->refs = 1;
	ret = alone ? map_alone(t, s, fd, offset, size, err)
		    : map_extent(t, s, fd, &st, known, offset, size, err);
	if (ret < 0) {
		free(s);
		return ret;
	}
	/* One that cannot be kept is one that cannot be told. */
	s->fd = t->keep_files ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	unsigned b = bucket_of(t, s->dev, s->ino);
	s->next = t->bucket[b];
	t->bucket[b] = s;
	t->count++;
	t->bytes += s->len;
	*out = s;
	return 0;
}

void medio_segtable_put(struct medio_segtable *t, struct medio_segment *seg)
{
	if (!seg || --seg->refs)
		return;
	struct medio_segment **link = &t->bucket[bucket_of(t, seg->dev, seg->ino)];
	while (*link != seg)
		link = &(*link)->next;
	*link = seg->next;
	t->count--;
	t->bytes -= seg->len;
	medio_guard_del(seg->guard);
	munmap(seg->hva, seg->len);
	if (seg->fd >= 0)
		close(seg->fd);
	free(seg);
	if (!t->count) {
		free(t->bucket);
		t->bucket = NULL;
		t->num_buckets = 0;
	}
}

bool medio_segtable_poisoned(const struct medio_segtable *t)
{
	for (unsigned i = 0; i < t->num_buckets; i++) {
		for (const struct medio_segment *s = t->bucket[i]; s; s = s->next) {
			if (medio_guard_poisoned(s->guard))
				return true;
		}
	}
	return false;
}
