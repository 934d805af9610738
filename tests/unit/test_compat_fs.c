/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree behind /dev and /sys as data: nodes, inodes, open files; without FUSE. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "compat/fsnode.h"

struct bed {
	struct medio_loop *loop;
	struct medio_compat *compat;
	struct medio_fs *fs;
	struct medio_fsnode *dev;
};

static int setup(void **state)
{
	static struct bed bed;

	assert_int_equal(medio_loop_new(&bed.loop), 0);
	assert_int_equal(medio_compat_new(bed.loop, NULL, &bed.compat), 0);
	assert_int_equal(medio_fs_new(bed.compat, &bed.fs), 0);
	assert_ptr_equal(bed.compat->fs, bed.fs);
	bed.dev = medio_fs_path(bed.fs, "dev");
	assert_non_null(bed.dev);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	medio_compat_free(bed->compat);
	medio_loop_free(bed->loop);
	return 0;
}

static void no_change(void *opaque)
{
	(void)opaque;
}

static struct medio_fsinode *lookup(struct bed *bed, struct medio_fsnode *dir, const char *name)
{
	struct medio_fsinode *inode = NULL;

	assert_int_equal(medio_fsinode_lookup(bed->fs, dir->inode.ino, name, &inode), 0);
	assert_ptr_equal(medio_fsinode_find(bed->fs, inode->ino), inode);
	return inode;
}

/* ---- Nodes --------------------------------------------------------------------------------------- */

static void a_tree_begins_with_dev_and_sys(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *root = medio_fs_root(bed->fs);

	assert_string_equal(medio_fs_name(medio_fs_child(root, 0)), "dev");
	assert_string_equal(medio_fs_name(medio_fs_child(root, 1)), "sys");
	assert_null(medio_fs_child(root, 2));
	assert_int_equal(root->inode.ino, MEDIO_FS_ROOT_INO);
}

static void a_path_makes_what_is_missing_and_finds_what_is_there(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *pci = medio_fs_path(bed->fs, "sys/bus/pci");

	assert_non_null(pci);
	assert_true(medio_fs_is_folder(pci));
	assert_ptr_equal(medio_fs_path(bed->fs, "/sys//bus/pci/"), pci);
	assert_ptr_equal(medio_fs_folder(pci->parent, "pci"), pci);
}

static void a_name_is_there_once(void **state)
{
	struct bed *bed = *state;

	assert_non_null(medio_fs_text(bed->dev, "a", 0444, "%d", 1));
	assert_null(medio_fs_text(bed->dev, "a", 0444, "%d", 2));
	assert_null(medio_fs_link(bed->dev, "a", "b"));
	assert_null(medio_fs_folder(bed->dev, "a"));
	assert_null(medio_fs_path(bed->fs, "dev/a/b"));
}

static void names_that_are_none_are_refused(void **state)
{
	struct bed *bed = *state;
	char longer[257];

	memset(longer, 'x', 256);
	longer[256] = 0;
	assert_null(medio_fs_text(bed->dev, "", 0444, "%s", ""));
	assert_null(medio_fs_text(bed->dev, ".", 0444, "%s", ""));
	assert_null(medio_fs_text(bed->dev, "..", 0444, "%s", ""));
	assert_null(medio_fs_text(bed->dev, "a/b", 0444, "%s", ""));
	assert_null(medio_fs_text(bed->dev, longer, 0444, "%s", ""));
	assert_null(medio_fs_text(NULL, "a", 0444, "%s", ""));
	assert_null(medio_fs_folder(NULL, "a"));
}

static void a_listing_goes_on_behind_what_was_taken_away(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *a = medio_fs_text(bed->dev, "a", 0444, "%s", "");
	struct medio_fsnode *b = medio_fs_text(bed->dev, "b", 0444, "%s", "");
	struct medio_fsnode *c = medio_fs_text(bed->dev, "c", 0444, "%s", "");
	uint64_t order;

	assert_ptr_equal(medio_fsnode_next(bed->dev, 0), a);
	order = a->order;
	medio_fs_remove(a);
	assert_ptr_equal(medio_fsnode_next(bed->dev, order), b);
	assert_ptr_equal(medio_fsnode_next(bed->dev, b->order), c);
	assert_null(medio_fsnode_next(bed->dev, c->order));
}

static void a_folder_goes_with_all_below_it(void **state)
{
	struct bed *bed = *state;
	struct medio_fsnode *deep = medio_fs_path(bed->fs, "dev/a/b/c");
	struct medio_fsinode *none;
	uint64_t ino = deep->inode.ino, up = bed->dev->inode.ino;

	assert_non_null(medio_fs_text(deep, "x", 0444, "%s", "x"));
	assert_non_null(medio_fs_text(deep->parent, "y", 0444, "%s", "y"));
	medio_fs_remove(medio_fs_path(bed->fs, "dev/a"));
	assert_null(medio_fsinode_find(bed->fs, ino));
	assert_int_equal(medio_fsinode_lookup(bed->fs, up, "a", &none), -ENOENT);
	assert_int_equal(medio_fsinode_lookup(bed->fs, ino, "x", &none), -ENOENT);
}

/* ---- What stat says -------------------------------------------------------------------------------- */

static ssize_t some(void *opaque, void *buf, size_t size, uint64_t offset)
{
	(void)opaque;
	(void)offset;
	memset(buf, 'z', size);
	return (ssize_t)size;
}

static ssize_t take(void *opaque, const void *buf, size_t size, uint64_t offset)
{
	char *to = opaque;

	memcpy(to + offset, buf, size);
	return (ssize_t)size;
}

static void stat_says_what_sysfs_says(void **state)
{
	static const struct medio_fsfile_ops sized = { .read = some, .size = 256 };
	static const struct medio_fsfile_ops plain = { .read = some };
	struct bed *bed = *state;
	struct stat st;

	medio_fs_owner(bed->fs, 12, 34);
	medio_fs_text(bed->dev, "text", 0444, "%s", "hello");
	medio_fs_link(bed->dev, "link", "../x");
	medio_fs_file(bed->dev, "sized", 0600, &sized, NULL);
	medio_fs_file(bed->dev, "plain", 0600, &plain, NULL);
	medio_fsinode_stat(lookup(bed, bed->dev, "text"), &st);
	assert_int_equal(st.st_mode, S_IFREG | 0444);
	assert_int_equal(st.st_size, 4096);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
	medio_fsinode_stat(lookup(bed, bed->dev, "link"), &st);
	assert_int_equal(st.st_mode, S_IFLNK | 0777);
	assert_int_equal(st.st_size, 4);
	medio_fsinode_stat(lookup(bed, bed->dev, "sized"), &st);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, 256);
	medio_fsinode_stat(lookup(bed, bed->dev, "plain"), &st);
	assert_int_equal(st.st_size, 4096);
	medio_fsinode_stat(&bed->dev->inode, &st);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_string_equal(medio_fs_target(lookup(bed, bed->dev, "link")->node), "../x");
	assert_null(medio_fs_target(bed->dev));
}

/* ---- Texts and files --------------------------------------------------------------------------------- */

static void a_text_is_read_in_parts(void **state)
{
	struct bed *bed = *state;
	struct medio_fsopen file;
	char buf[16] = { 0 };

	medio_fs_text(bed->dev, "t", 0444, "%s-%d\n", "abc", 12);
	assert_int_equal(
		medio_fsopen_open(&file, lookup(bed, bed->dev, "t"), O_RDONLY, no_change, NULL), 0);
	assert_int_equal(medio_fsopen_read(&file, buf, 3, 0), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(medio_fsopen_read(&file, buf, sizeof(buf), 3), 4);
	assert_memory_equal(buf, "-12\n", 4);
	assert_int_equal(medio_fsopen_read(&file, buf, sizeof(buf), 7), 0);
	assert_int_equal(medio_fsopen_read(&file, buf, sizeof(buf), UINT64_MAX), 0);
	assert_int_equal(medio_fsopen_poll(&file), POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	medio_fsopen_close(&file);
}

static int try_open(struct bed *bed, const char *name, unsigned flags)
{
	struct medio_fsopen file;
	int ret = medio_fsopen_open(&file, lookup(bed, bed->dev, name), flags, no_change, NULL);

	if (!ret)
		medio_fsopen_close(&file);
	return ret;
}

static void what_has_no_such_operation_cannot_be_opened_for_it(void **state)
{
	static const struct medio_fsfile_ops reader = { .read = some }, writer = { .write = take };
	struct bed *bed = *state;

	medio_fs_text(bed->dev, "text", 0666, "%s", "");
	medio_fs_file(bed->dev, "reader", 0666, &reader, NULL);
	medio_fs_file(bed->dev, "writer", 0666, &writer, NULL);
	medio_fs_file(bed->dev, "shut", 0200, &reader, NULL);
	medio_fs_link(bed->dev, "link", "text");
	assert_int_equal(try_open(bed, "text", O_RDONLY), 0);
	assert_int_equal(try_open(bed, "text", O_WRONLY), -EACCES);
	assert_int_equal(try_open(bed, "text", O_RDWR), -EACCES);
	assert_int_equal(try_open(bed, "reader", O_RDONLY), 0);
	assert_int_equal(try_open(bed, "reader", O_RDWR), -EACCES);
	assert_int_equal(try_open(bed, "writer", O_WRONLY | O_TRUNC), 0);
	assert_int_equal(try_open(bed, "writer", O_RDONLY), -EACCES);
	assert_int_equal(try_open(bed, "shut", O_RDONLY), -EACCES);
	assert_int_equal(try_open(bed, "link", O_RDONLY), -ELOOP);
}

static void a_file_is_read_and_written_by_its_operations(void **state)
{
	static const struct medio_fsfile_ops both = { .read = some, .write = take };
	struct bed *bed = *state;
	char to[8] = "", buf[4];
	struct medio_fsopen file;

	medio_fs_file(bed->dev, "f", 0644, &both, to);
	assert_int_equal(
		medio_fsopen_open(&file, lookup(bed, bed->dev, "f"), O_RDWR, no_change, NULL), 0);
	assert_int_equal(medio_fsopen_write(&file, "xy", 2, 3), 2);
	assert_memory_equal(to, "\0\0\0xy\0", 6);
	assert_int_equal(medio_fsopen_read(&file, buf, 4, 0), 4);
	assert_memory_equal(buf, "zzzz", 4);
	medio_fsopen_close(&file);
}

static void told(void *opaque)
{
	(*(unsigned *)opaque)++;
}

static void an_open_file_that_is_taken_away_says_so(void **state)
{
	struct bed *bed = *state;
	struct medio_fsopen file;
	unsigned changes = 0;
	char buf[4];

	struct medio_fsnode *node = medio_fs_text(bed->dev, "t", 0444, "%s", "text");
	assert_int_equal(medio_fsopen_open(&file, &node->inode, O_RDONLY, told, &changes), 0);
	medio_fs_remove(node);
	assert_int_equal(changes, 1);
	assert_int_equal(medio_fsopen_read(&file, buf, 4, 0), -ENODEV);
	assert_int_equal(medio_fsopen_write(&file, buf, 4, 0), -ENODEV);
	medio_fsopen_close(&file);
}

/* ---- Special files ------------------------------------------------------------------------------------- */

struct thing {
	struct medio_kfile file;
	struct medio_compat *compat;
	int ret;
	unsigned opened, released, flags;
};

static void thing_release(struct medio_kfile *file)
{
	medio_container_of(file, struct thing, file)->released++;
}

static const struct medio_kfile_ops thing_ops = { .what = "thing", .release = thing_release };

static int thing_open(void *opaque, uint64_t ino, unsigned flags, struct medio_kfile **out)
{
	struct thing *thing = opaque;

	if (thing->ret)
		return thing->ret;
	medio_kfile_enter(thing->compat, &thing_ops, &thing->file, ino);
	thing->opened++;
	thing->flags = flags;
	*out = &thing->file;
	return 0;
}

static void each_lookup_of_a_special_file_is_another_inode(void **state)
{
	struct bed *bed = *state;
	struct thing thing = { .compat = bed->compat };

	medio_fs_special(bed->dev, "s", 0666, thing_open, &thing);
	struct medio_fsinode *a = lookup(bed, bed->dev, "s"), *b = lookup(bed, bed->dev, "s");
	uint64_t ino = a->ino;
	assert_ptr_not_equal(a, b);
	assert_int_not_equal(a->ino, b->ino);
	medio_fsinode_forget(bed->fs, ino, 1);
	assert_null(medio_fsinode_find(bed->fs, ino));
	assert_ptr_equal(medio_fsinode_find(bed->fs, b->ino), b);
	medio_fsinode_forget(bed->fs, b->ino, 100);
}

static void an_open_special_file_is_found_by_its_inode_until_it_is_closed(void **state)
{
	struct bed *bed = *state;
	struct thing thing = { .compat = bed->compat };
	struct medio_fsopen file;
	char buf[4];

	medio_fs_special(bed->dev, "s", 0666, thing_open, &thing);
	struct medio_fsinode *inode = lookup(bed, bed->dev, "s");
	uint64_t ino = inode->ino;
	assert_null(medio_kfile_find(bed->compat, 1, ino));
	assert_int_equal(medio_fsopen_open(&file, inode, O_RDWR | O_CLOEXEC, no_change, NULL), 0);
	assert_int_equal(thing.flags, O_RDWR | O_CLOEXEC);
	assert_ptr_equal(medio_kfile_find(bed->compat, 1, ino), &thing.file);
	assert_int_equal(medio_fsopen_read(&file, buf, 4, 0), -EINVAL);
	assert_int_equal(medio_fsopen_write(&file, buf, 4, 0), -EINVAL);
	/* Forgotten out of turn. */
	medio_fsinode_forget(bed->fs, ino, 1);
	assert_ptr_equal(medio_fsinode_find(bed->fs, ino), inode);
	assert_int_equal(thing.released, 0);
	medio_fsopen_close(&file);
	assert_int_equal(thing.released, 1);
	assert_null(medio_kfile_find(bed->compat, 1, ino));
	assert_null(medio_fsinode_find(bed->fs, ino));
}

static void what_opening_a_special_file_says_is_said(void **state)
{
	struct bed *bed = *state;
	struct thing thing = { .compat = bed->compat, .ret = -EBUSY };
	struct medio_fsopen file;

	medio_fs_special(bed->dev, "s", 0666, thing_open, &thing);
	struct medio_fsinode *inode = lookup(bed, bed->dev, "s");
	assert_int_equal(medio_fsopen_open(&file, inode, O_RDWR, no_change, NULL), -EBUSY);
	thing.ret = 0;
	assert_int_equal(medio_fsopen_open(&file, inode, O_RDWR, no_change, NULL), 0);
	medio_fsopen_close(&file);
	assert_int_equal(thing.released, 1);
	medio_fsinode_forget(bed->fs, inode->ino, 1);
}

/* As /proc/self/fd does: without a lookup. Two open files of one inode could not be told apart. */
static void an_inode_that_is_open_is_busy(void **state)
{
	struct bed *bed = *state;
	struct thing thing = { .compat = bed->compat };
	struct medio_fsopen file, again;

	medio_fs_special(bed->dev, "s", 0666, thing_open, &thing);
	struct medio_fsinode *inode = lookup(bed, bed->dev, "s");
	assert_int_equal(medio_fsopen_open(&file, inode, O_RDWR, no_change, NULL), 0);
	assert_int_equal(medio_fsopen_open(&again, inode, O_RDWR, no_change, NULL), -EBUSY);
	medio_fsopen_close(&file);
	assert_int_equal(medio_fsopen_open(&again, inode, O_RDWR, no_change, NULL), 0);
	medio_fsopen_close(&again);
	assert_int_equal(thing.released, 2);
	medio_fsinode_forget(bed->fs, inode->ino, 1);
}

static void a_special_file_that_is_taken_away_stays_open(void **state)
{
	struct bed *bed = *state;
	struct thing thing = { .compat = bed->compat };
	struct medio_fsopen file, again;

	struct medio_fsnode *node = medio_fs_special(bed->dev, "s", 0666, thing_open, &thing);
	struct medio_fsinode *inode = lookup(bed, bed->dev, "s");
	struct medio_fsinode *other = lookup(bed, bed->dev, "s");
	uint64_t ino = inode->ino;
	struct stat st;
	assert_int_equal(medio_fsopen_open(&file, inode, O_RDWR, no_change, NULL), 0);
	medio_fs_remove(node);
	assert_ptr_equal(medio_kfile_find(bed->compat, 1, ino), &thing.file);
	assert_int_equal(medio_fsopen_open(&again, other, O_RDWR, no_change, NULL), -ENODEV);
	medio_fsinode_stat(inode, &st);
	assert_int_equal(st.st_ino, ino);
	medio_fsopen_close(&file);
	assert_int_equal(thing.released, 1);
	medio_fsinode_forget(bed->fs, ino, 1);
	assert_null(medio_fsinode_find(bed->fs, ino));
}

/* ---- mmap() and what is owned ---------------------------------------------------------------------------- */

static int64_t map(void *opaque, struct medio_call *call)
{
	(void)call;
	return *(int64_t *)opaque;
}

static void a_file_with_mmap_is_found_by_its_inode_and_maps(void **state)
{
	static const struct medio_fsfile_ops ops = { .mmap = map };
	struct bed *bed = *state;
	struct medio_call call = { 0 };
	int64_t answer = 4711;

	struct medio_fsnode *node = medio_fs_file(bed->dev, "resource0", 0600, &ops, &answer);
	struct medio_kfile *file = medio_kfile_find(bed->compat, 9, node->inode.ino);
	assert_non_null(file);
	assert_int_equal(file->ops->mmap(file, &call), 4711);
	assert_int_equal(try_open(bed, "resource0", O_RDWR), 0);
	struct medio_fsopen open;
	char buf[4];
	assert_int_equal(medio_fsopen_open(&open, &node->inode, O_RDWR, no_change, NULL), 0);
	assert_int_equal(medio_fsopen_read(&open, buf, 4, 0), -EIO);
	assert_int_equal(medio_fsopen_write(&open, buf, 4, 0), -EIO);
	medio_fsopen_close(&open);
	medio_fs_remove(node);
	assert_true(medio_list_empty(&bed->compat->files));
}

static void what_the_tree_owns_ends_with_it_the_last_first(void **state)
{
	struct medio_fs *fs;
	unsigned a = 0;

	(void)state;
	assert_int_equal(medio_fs_new(NULL, &fs), 0);
	char *text = strdup("x");
	assert_int_equal(medio_fs_own(fs, free, text), 0);
	assert_int_equal(medio_fs_own(fs, told, &a), 0);
	assert_int_equal(a, 0);
	medio_fs_free(fs);
	assert_int_equal(a, 1);
	medio_fs_free(NULL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_tree_begins_with_dev_and_sys),
		TEST(a_path_makes_what_is_missing_and_finds_what_is_there),
		TEST(a_name_is_there_once),
		TEST(names_that_are_none_are_refused),
		TEST(a_listing_goes_on_behind_what_was_taken_away),
		TEST(a_folder_goes_with_all_below_it),
		TEST(stat_says_what_sysfs_says),
		TEST(a_text_is_read_in_parts),
		TEST(what_has_no_such_operation_cannot_be_opened_for_it),
		TEST(a_file_is_read_and_written_by_its_operations),
		TEST(an_open_file_that_is_taken_away_says_so),
		TEST(each_lookup_of_a_special_file_is_another_inode),
		TEST(an_open_special_file_is_found_by_its_inode_until_it_is_closed),
		TEST(what_opening_a_special_file_says_is_said),
		TEST(an_inode_that_is_open_is_busy),
		TEST(a_special_file_that_is_taken_away_stays_open),
		TEST(a_file_with_mmap_is_found_by_its_inode_and_maps),
		TEST(what_the_tree_owns_ends_with_it_the_last_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
