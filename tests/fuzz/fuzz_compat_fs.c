/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files in /dev and /sys under a hostile program: a device on UIO, and a special file. An input is a list of records: an
 * operation, a size, and as many bytes, which say of what file, where, and what is written.
 */
#include <stdint.h>

#include "../unit/test_kdev_bed.h"
#include "compat/fsnode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 16

static struct bed bed;
static struct medio_fs *fs;
static struct medio_fsinode *inodes[MOST]; /* of lookups, which the kernel would remember */
static unsigned num_inodes, num_things;
static struct medio_fsopen opens[MOST];
static bool is_open[MOST];

struct thing {
	struct medio_kfile file;
};

static void thing_release(struct medio_kfile *file)
{
	num_things--;
	free(medio_container_of(file, struct thing, file));
}

static const struct medio_kfile_ops thing_ops = { .what = "thing", .release = thing_release };

static int thing_open(void *opaque, uint64_t ino, unsigned flags, struct medio_kfile **out)
{
	struct thing *thing = flags & O_EXCL ? NULL : calloc(1, sizeof(*thing));

	if (!thing)
		return -EBUSY;
	medio_kfile_enter(bed.compat, &thing_ops, &thing->file, ino);
	num_things++;
	*out = &thing->file;
	return 0;
}

static void begin(void)
{
	const struct medio_kdev_options opts = { .look = MEDIO_KDEV_UIO,
		.map = MEDIO_KDEV_MAP_ALL,
		.name = "fedc:00:1e.0",
		.type = "bench" };

	bed_new(&bed, &bench_type, &opts);
	bed_close_fd(&bed, bed.fd);
	if (medio_sysfs_make(bed.compat, NULL))
		abort();
	fs = bed.compat->fs;
	if (!medio_fs_special(medio_fs_path(fs, "dev"), "thing", 0600, thing_open, NULL))
		abort();
}

static uint64_t number(const uint8_t **data, size_t *size, size_t bytes)
{
	uint64_t value = 0;

	bytes = bytes < *size ? bytes : *size;
	memcpy(&value, *data, bytes);
	*data += bytes;
	*size -= bytes;
	return value;
}

static void no_change(void *opaque)
{
}

static void keep(struct medio_fsinode *inode)
{
	if (num_inodes < MOST)
		inodes[num_inodes++] = inode;
	else
		medio_fsinode_forget(fs, inode->ino, 1);
}

/* By a number that the input has, and by a name; and the n-th file of a folder, so that files are found. */
static void lookup(const uint8_t *data, size_t size)
{
	uint64_t dir = number(&data, &size, 1);
	struct medio_fsinode *inode;
	char name[32] = "";

	memcpy(name, data, size < sizeof(name) - 1 ? size : sizeof(name) - 1);
	if (!medio_fsinode_lookup(fs, dir, name, &inode))
		keep(inode);
}

static void lookup_nth(const uint8_t *data, size_t size)
{
	struct medio_fsinode *dir = medio_fsinode_find(fs, number(&data, &size, 1));
	const struct medio_fsnode *node = dir && dir->node
						  ? medio_fs_child(dir->node,
							    (unsigned)number(&data, &size, 1))
						  : NULL;
	struct medio_fsinode *inode;

	if (node && !medio_fsinode_lookup(fs, dir->ino, medio_fs_name(node), &inode))
		keep(inode);
}

static void open_one(const uint8_t *data, size_t size)
{
	unsigned n = (unsigned)number(&data, &size, 1),
		 at = (unsigned)number(&data, &size, 1) % MOST;

	if (num_inodes && !is_open[at])
		is_open[at] = !medio_fsopen_open(&opens[at], inodes[n % num_inodes],
			(unsigned)number(&data, &size, 2), no_change, NULL);
}

static void access_one(const uint8_t *data, size_t size, bool write)
{
	unsigned at = (unsigned)number(&data, &size, 1) % MOST;
	size_t width = number(&data, &size, 1) & 1 ? 8 : 1, count = number(&data, &size, 1);
	uint64_t offset = number(&data, &size, width);
	static char buf[8192];

	if (!is_open[at])
		return;
	if (write) {
		/* Exactly as long as it is. */
		char *copy = malloc(size ? size : 1);
		memcpy(copy, data, size);
		medio_fsopen_write(&opens[at], copy, size, offset);
		free(copy);
		return;
	}
	ssize_t ret = medio_fsopen_read(&opens[at], buf, count * 32, offset);
	if (ret > (ssize_t)(count * 32))
		abort();
}

static void close_one(unsigned at)
{
	if (is_open[at])
		medio_fsopen_close(&opens[at]);
	is_open[at] = false;
}

static void forget_last(void)
{
	if (num_inodes)
		medio_fsinode_forget(fs, inodes[--num_inodes]->ino, 1);
}

static void forget_one(void)
{
	/* As the kernel: nothing that is open. */
	for (unsigned i = 0; i < MOST; i++)
		if (num_inodes && is_open[i] && opens[i].inode == inodes[num_inodes - 1])
			return;
	forget_last();
}

static void one(uint8_t op, const uint8_t *data, size_t size)
{
	uint32_t level = size ? data[0] & 1 : 0;
	unsigned at = size ? data[0] % MOST : 0;
	struct stat st;

	switch (op % 9) {
	case 0:
		lookup(data, size);
		break;
	case 1:
		lookup_nth(data, size);
		break;
	case 2:
		open_one(data, size);
		break;
	case 3:
		access_one(data, size, false);
		break;
	case 4:
		access_one(data, size, true);
		break;
	case 5:
		if (is_open[at])
			medio_fsopen_poll(&opens[at]);
		break;
	case 6:
		close_one(at);
		break;
	case 7:
		forget_one();
		break;
	case 8:
		medio_card_write32(bed.kdev->card, MEDIO_CARD_BAR0, BENCH_LINE, level);
		bed_run(&bed);
		break;
	default:
		break;
	}
	if (num_inodes)
		medio_fsinode_stat(inodes[num_inodes - 1], &st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!fs)
		begin();
	while (size >= 2) {
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		one(data[0], data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	for (unsigned i = 0; i < MOST; i++)
		close_one(i);
	while (num_inodes)
		forget_last();
	if (num_things)
		abort();
	return 0;
}
