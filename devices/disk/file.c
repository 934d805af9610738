/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk in a file, or on a block device: opened, locked, measured. Its requests are in step.c.
 */
#include "disk/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define MAX_BLOCK 65536u

/* A program that was killed may still have its file: a ring goes away after its process, and after the writes that are
 * in flight, which a slow disk takes seconds for. Steps: before it is told, and in all. */
#define PATIENCE_QUIET 25u
#define PATIENCE       250u
static const struct timespec patience_step = { .tv_nsec = 20000000 };

/* Of struct statx, for C libraries that do not know it yet (Linux 6.1; statx(2)). */
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000u
#endif

static bool is_block(uint64_t bytes)
{
	return bytes >= DISK_SECTOR && bytes <= MAX_BLOCK && !(bytes & (bytes - 1));
}

/* ---- Its size --------------------------------------------------------------------------------------- */

static int get_bytes(const struct disk_file *file, uint64_t *out)
{
	off_t end = lseek(file->fd, 0, SEEK_END);

	if (end < 0)
		return -errno;
	*out = (uint64_t)end;
	return 0;
}

static void file_refresh(struct disk *disk)
{
	uint64_t bytes = 0;
	int ret = get_bytes((struct disk_file *)disk, &bytes);

	if (ret)
		medio_log(disk->dev, MEDIO_LOG_WARN, "disk: cannot ask the file's size: %s",
			strerror(-ret));
	else
		disk_set_bytes(disk, bytes);
}

/* ---- Opening ----------------------------------------------------------------------------------------- */

static int fail_open(struct medio_dev *dev, const struct disk_options *opts, int err)
{
	const char *hint = "";

	switch (err) {
	case ENOENT:
		hint = " (truncate -s 10G FILE makes an empty image)";
		break;
	case EACCES:
	case EPERM:
	case EROFS:
		if (!opts->readonly)
			hint = " for reading and writing; with readonly=on, reading is enough";
		break;
	case EBUSY:
		hint = ": it is mounted, or another program has it";
		break;
	case EINVAL:
		if (opts->direct)
			hint = ": its file system may have no O_DIRECT; direct=off does without";
		break;
	default:
		break;
	}
	return medio_fail(
		dev, err, "file=%s: cannot be opened: %s%s", opts->file, strerror(err), hint);
}

/* Somebody has it, after so many steps of waiting. False: for good. */
static bool wait_on(const struct disk_file *file, const struct disk_options *opts, unsigned step)
{
	if (step == PATIENCE)
		return false;
	if (step == PATIENCE_QUIET)
		medio_log(file->disk.dev, MEDIO_LOG_INFO,
			"file=%s: another program has it; waiting for it to end", opts->file);
	nanosleep(&patience_step, NULL);
	return true;
}

static int open_file(struct disk_file *file, const struct disk_options *opts)
{
	int flags = O_CLOEXEC | O_NONBLOCK | (opts->readonly ? O_RDONLY : O_RDWR) |
		    (opts->direct ? O_DIRECT : 0);
	struct stat st;

	if (stat(opts->file, &st) < 0)
		return fail_open(file->disk.dev, opts, errno);
	file->block_device = S_ISBLK(st.st_mode);
	if (!file->block_device && !S_ISREG(st.st_mode))
		return medio_fail(file->disk.dev, EINVAL,
			"file=%s: %s; a disk is a file or a block device", opts->file,
			S_ISDIR(st.st_mode) ? "that is a folder" : "that is neither");
	/* Of a block device: nobody has it mounted (open(2)). */
	if (file->block_device && !opts->readonly && !opts->share)
		flags |= O_EXCL;
	for (unsigned i = 0; (file->fd = open(opts->file, flags)) < 0; i++) {
		const int err = errno;
		if (err != EBUSY || !wait_on(file, opts, i))
			return fail_open(file->disk.dev, opts, err);
	}
	/* O_NONBLOCK was for a pipe that came meanwhile. */
	struct stat now;
	if (fstat(file->fd, &now) < 0 || now.st_dev != st.st_dev || now.st_ino != st.st_ino ||
		(now.st_mode & S_IFMT) != (st.st_mode & S_IFMT))
		return medio_fail(file->disk.dev, EINVAL,
			"file=%s: it became another file while it was opened", opts->file);
	/* When it was last read is nobody's business, and telling that takes 6 % of a cached read. It takes being the
	 * owner, too. */
	flags &= O_DIRECT;
	if (fcntl(file->fd, F_SETFL, flags | O_NOATIME) < 0)
		fcntl(file->fd, F_SETFL, flags);
	return 0;
}

static int set_lock(const struct disk_file *file, int type)
{
	struct flock lock = { .l_type = (short)type, .l_whence = SEEK_SET };

	return fcntl(file->fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Two writers would destroy what is on it; readers may be many. QEMU's locks are within this one. */
static int lock_file(struct disk_file *file, const struct disk_options *opts)
{
	int type = opts->readonly ? F_RDLCK : F_WRLCK;

	if (opts->share)
		return 0;
	int ret = set_lock(file, type);
	for (unsigned i = 0; (ret == -EAGAIN || ret == -EACCES) && wait_on(file, opts, i); i++)
		ret = set_lock(file, type);
	if (!ret)
		return 0;
	if (ret == -EAGAIN || ret == -EACCES)
		return medio_fail(file->disk.dev, EBUSY, "file=%s: another program has it locked%s",
			opts->file,
			opts->readonly ? ", for writing"
				       : ", and two that write would destroy it; with "
					 "readonly=on on both sides it can be shared");
	medio_log(file->disk.dev, MEDIO_LOG_WARN,
		"file=%s: cannot be locked (%s): nothing prevents that others write to it",
		opts->file, strerror(-ret));
	return 0;
}

/* What is inside is not what its user means. */
static void warn_of_format(const struct disk_file *file, const struct disk_options *opts)
{
	char *block = aligned_alloc(4096, 4096);

	if (block && pread(file->fd, block, 4096, 0) >= 4 && memcmp(block, "QFI\xfb", 4) == 0)
		medio_log(file->disk.dev, MEDIO_LOG_WARN,
			"file=%s looks like a qcow2 image, and is served byte by byte, as a raw "
			"one; see medio-disk(7) for how to serve what is inside",
			opts->file);
	free(block);
}

/* ---- What it is like ------------------------------------------------------------------------------------ */

/* A number that the kernel tells of a block device: queue/NAME. */
static bool get_limit(dev_t dev, const char *name, uint64_t *out)
{
	char path[96], text[32];
	bool ok = false;

	/* A partition has its disk's. */
	for (int whole = 1; whole >= 0 && !ok; whole--) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev),
			minor(dev), whole ? "" : "../", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		if (len <= 0)
			continue;
		text[len] = '\0';
		*out = strtoull(text, NULL, 10);
		ok = true;
	}
	return ok;
}

static void measure_device(struct disk_file *file, const struct stat *st)
{
	struct disk_info *info = &file->disk.info;
	unsigned physical = 0, optimal = 0;
	uint64_t limit;
	int block = 0;

	if (ioctl(file->fd, BLKSSZGET, &block) == 0 && is_block((uint64_t)block))
		info->block = (uint32_t)block;
	if (ioctl(file->fd, BLKPBSZGET, &physical) == 0 && is_block(physical))
		info->physical = physical;
	if (ioctl(file->fd, BLKIOOPT, &optimal) == 0)
		info->optimal = optimal;
	if (get_limit(st->st_rdev, "discard_max_bytes", &limit))
		info->discards = limit > 0;
	if (get_limit(st->st_rdev, "discard_granularity", &limit) && limit > info->block &&
		limit < UINT32_MAX)
		info->discard_unit = (uint32_t)limit;
}

/* Does it read so little at a time? An empty file does, as far as one can tell. */
static bool reads(const struct disk_file *file, uint32_t bytes)
{
	char *buf = aligned_alloc(MAX_BLOCK, MAX_BLOCK);
	bool ok = buf && (pread(file->fd, buf, bytes, 0) >= 0 || errno != EINVAL);

	free(buf);
	return ok;
}

/* What O_DIRECT insists on. */
static int measure_direct(struct disk_file *file, const struct disk_options *opts)
{
	struct disk_info *info = &file->disk.info;
	struct statx stx;

	memset(&stx, 0, sizeof(stx));
	if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
		stx.stx_mask & STATX_DIOALIGN) {
		if (!stx.stx_dio_offset_align)
			return fail_open(file->disk.dev, opts, EINVAL);
		if (stx.stx_dio_offset_align > info->block)
			info->block = stx.stx_dio_offset_align;
		file->align = stx.stx_dio_mem_align;
	} else if (!file->block_device && !reads(file, info->block)) {
		info->block = 4096;
		file->align = 4096;
	} else {
		file->align = info->block;
	}
	if (!is_block(info->block) || file->align & (file->align - 1) || file->align > MAX_BLOCK)
		return medio_fail(file->disk.dev, EINVAL,
			"file=%s: O_DIRECT wants blocks of %u bytes there, at most %u are "
			"possible; direct=off does without",
			opts->file, info->block, MAX_BLOCK);
	return 0;
}

/* Reads and writes that never wait for a device. */
static void choose_tries(struct disk_file *file)
{
	struct statfs fs;

	file->reads = file->writes = DISK_TRY_NOWAIT;
	if (file->block_device || fstatfs(file->fd, &fs) < 0)
		return;
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		file->reads = file->writes = DISK_TRY_ALL;
	/* EXT4's number is also that of ext2 and ext3. */
	file->local = fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

static int measure(struct disk_file *file, const struct disk_options *opts)
{
	struct disk_info *info = &file->disk.info;
	struct stat st;
	uint64_t bytes = 0;
	int ret = get_bytes(file, &bytes);

	if (ret || fstat(file->fd, &st) < 0)
		return medio_fail(file->disk.dev, EIO, "file=%s: cannot ask its size: %s",
			opts->file, strerror(ret ? -ret : errno));
	*info = (struct disk_info){
		.block = DISK_SECTOR,
		.physical = 4096,
		.readonly = opts->readonly,
		.volatile_cache = true,
		.discards = true,
		.zeroes = true,
		.discard_unit = is_block((uint64_t)st.st_blksize) ? (uint32_t)st.st_blksize : 4096,
	};
	if (file->block_device)
		measure_device(file, &st);
	ret = file->direct ? measure_direct(file, opts) : 0;
	if (ret)
		return ret;
	if (info->physical < info->block)
		info->physical = info->block;
	info->bytes = bytes - bytes % info->block;
	if (!info->bytes)
		return medio_fail(file->disk.dev, EINVAL,
			"file=%s: it has %llu bytes, a disk has at least one block of %u "
			"(truncate -s 10G FILE makes it larger)",
			opts->file, (unsigned long long)bytes, info->block);
	if (bytes != info->bytes)
		medio_log(file->disk.dev, MEDIO_LOG_WARN,
			"file=%s: its last %llu bytes are no whole block of %u, and not on the disk",
			opts->file, (unsigned long long)(bytes - info->bytes), info->block);
	return 0;
}

/* ---- Life ------------------------------------------------------------------------------------------------ */

static void file_close(struct disk *disk)
{
	struct disk_file *file = (struct disk_file *)disk;

	if (file->engine)
		file->engine->free(file);
	if (file->bounces)
		munmap(file->bounces, (size_t)DISK_BOUNCES * DISK_BOUNCE_SIZE);
	if (file->fd >= 0) {
		/* The ring has it too, for a moment more. */
		set_lock(file, F_UNLCK);
		close(file->fd);
	}
	free(file);
}

static void file_kick(struct disk *disk)
{
	struct disk_file *file = (struct disk_file *)disk;

	disk_file_release(file);
	file->engine->kick(file);
}

static bool file_poll(struct disk *disk)
{
	struct disk_file *file = (struct disk_file *)disk;

	return file->engine->poll(file);
}

static void file_drain(struct disk *disk)
{
	struct disk_file *file = (struct disk_file *)disk;

	while (disk->under_way) {
		/* What was done may be followed by others, which nobody but us begins; the engine has none, perhaps. */
		if (file->num_gathered)
			disk_file_release(file);
		else
			file->engine->wait(file);
	}
}

static const struct disk_backend file_backend = {
	.close = file_close,
	.submit = disk_file_submit,
	.kick = file_kick,
	.poll = file_poll,
	.drain = file_drain,
	.refresh = file_refresh,
};

/* Memory that is not touched costs nothing. */
static int make_bounces(struct disk_file *file)
{
	void *at = mmap(NULL, (size_t)DISK_BOUNCES * DISK_BOUNCE_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	disk_row_init(&file->starved);
	if (at == MAP_FAILED)
		return medio_fail(file->disk.dev, ENOMEM, "direct=on: no memory for buffers");
	file->bounces = at;
	while (file->spares < DISK_BOUNCES) {
		file->spare[file->spares] = file->bounces + (size_t)file->spares * DISK_BOUNCE_SIZE;
		file->spares++;
	}
	return 0;
}

static int choose_engine(struct disk_file *file, const struct disk_options *opts)
{
	int ret = opts->aio == DISK_AIO_THREADS ? -EOPNOTSUPP : disk_ring_new(file);

	if (ret == -EOPNOTSUPP && opts->aio == DISK_AIO_URING)
		return medio_fail(file->disk.dev, EOPNOTSUPP,
			"aio=io_uring: this build is without; build it again with liburing-dev "
			"installed, or use aio=threads");
	if (ret && opts->aio == DISK_AIO_URING)
		return medio_fail(file->disk.dev, -ret,
			"aio=io_uring: the kernel does not let us have it: %s; aio=threads does "
			"without",
			strerror(-ret));
	if (!ret)
		return 0;
	if (opts->aio == DISK_AIO_AUTO)
		medio_log(file->disk.dev, MEDIO_LOG_INFO,
			"file=%s: threads do what would block, io_uring is not to be had (%s)",
			opts->file, strerror(-ret));
	ret = disk_pool_new(file);
	return ret ? medio_fail(file->disk.dev, -ret, "file=%s: no threads for it: %s", opts->file,
			     strerror(-ret))
		   : 0;
}

int disk_file_open(struct medio_dev *dev, const struct disk_options *opts, struct disk **out)
{
	struct disk_file *file = calloc(1, sizeof(*file));

	if (!file)
		return medio_fail(dev, ENOMEM, "file=%s: no memory", opts->file);
	file->disk.backend = &file_backend;
	file->disk.dev = dev;
	file->fd = -1;
	disk_row_init(&file->gathered);
	file->direct = opts->direct == DISK_DIRECT_ON;
	int ret = open_file(file, opts);
	if (!ret)
		ret = lock_file(file, opts);
	if (!ret)
		ret = measure(file, opts);
	if (!ret && file->direct)
		ret = make_bounces(file);
	if (!ret)
		ret = choose_engine(file, opts);
	if (ret) {
		file_close(&file->disk);
		return ret;
	}
	choose_tries(file);
	warn_of_format(file, opts);
	snprintf(file->disk.words, sizeof(file->disk.words), "%s (%s%s)",
		file->block_device ? "block device" : "file", file->engine->name,
		file->direct ? ", O_DIRECT" : "");
	*out = &file->disk;
	return 0;
}
