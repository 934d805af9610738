/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat_stand_in.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>

#include "compat/kgroup.h"
#include "compat/spanfile.h"
#include "util/cleanup.h"
#include "util/loop.h"

#define TAKEN (-2) /* no descriptor: a span of span_take()'s */

unsigned stand_in_spans;
int stand_in_span_error;
struct medio_card_dma_range stand_in_reach = { 0, UINT64_MAX };

static struct stand_in_dev *dev_of(struct medio_kdev *kdev)
{
	return (struct stand_in_dev *)(void *)kdev;
}

/* ---- Memory ----------------------------------------------------------------------------------- */

int medio_span_take(struct medio_call *call, uint64_t addr, uint64_t size, unsigned prot,
	struct medio_span **out)
{
	if (stand_in_span_error)
		return stand_in_span_error;
	if (!program_reaches(program_of(call), addr, size))
		return -EFAULT;
	struct medio_span *span = calloc(1, sizeof(*span));
	assert(span);
	*span = (struct medio_span){
		.refs = 1, .addr = addr, .size = size, .prot = prot, .mem = TAKEN
	};
	stand_in_spans++;
	*out = span;
	return 0;
}

struct medio_span *medio_span_ref(struct medio_span *span)
{
	span->refs++;
	return span;
}

void medio_span_put(struct medio_span *span)
{
	if (--span->refs)
		return;
	/* Parts of one are made by others, and not counted. */
	if (span->mem == TAKEN)
		stand_in_spans--;
	for (unsigned i = 0; i < span->num_pieces; i++)
		if (span->pieces[i].file)
			medio_spanfile_unref(span->pieces[i].file);
	free(span->pieces);
	free(span);
}

/* A file that is the program's is used as it is. */
int medio_spanfile_find(struct medio_call *call, const struct medio_maps_area *area, bool write,
	struct medio_spanfile **out)
{
	(void)call;
	(void)area;
	(void)write;
	struct medio_spanfile *file = calloc(1, sizeof(*file));
	assert(file);
	file->refs = 1;
	file->fd = -1;
	stand_in_spans++;
	*out = file;
	return 0;
}

struct medio_spanfile *medio_spanfile_ref(struct medio_spanfile *file)
{
	file->refs++;
	return file;
}

void medio_spanfile_unref(struct medio_spanfile *file)
{
	if (--file->refs)
		return;
	stand_in_spans--;
	free(file);
}

/* ---- Devices ---------------------------------------------------------------------------------- */

struct stand_in_file {
	struct medio_kfile file;
	struct medio_kdev *kdev;
};

static void file_release(struct medio_kfile *file)
{
	struct stand_in_file *f = medio_container_of(file, struct stand_in_file, file);
	struct medio_kdev *kdev = f->kdev;

	free(f);
	if (--kdev->files)
		return;
	medio_kdev_closed *closed = kdev->closed;
	void *opaque = kdev->closed_opaque;
	dev_of(kdev)->num_maps = 0;
	dev_of(kdev)->closes++;
	dev_of(kdev)->logging = false;
	kdev->closed = NULL;
	kdev->closed_opaque = NULL;
	kdev->cdev_ioctl = NULL;
	closed(opaque, kdev);
}

int64_t medio_kdev_ioctl(
	struct medio_kdev *kdev, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	return kdev->cdev_ioctl ? kdev->cdev_ioctl(kdev, call, cmd, arg) : -ENOTTY;
}

static int64_t file_ioctl(
	struct medio_kfile *file, struct medio_call *call, unsigned cmd, uint64_t arg)
{
	return medio_kdev_ioctl(
		medio_container_of(file, struct stand_in_file, file)->kdev, call, cmd, arg);
}

static const struct medio_kfile_ops file_ops = {
	.what = "device",
	.ioctl = file_ioctl,
	.release = file_release,
};

int medio_kdev_open(struct medio_kdev *kdev, medio_kdev_closed *closed, void *opaque, int *fd)
{
	if (dev_of(kdev)->open_error)
		return dev_of(kdev)->open_error;
	if (kdev->files && kdev->closed_opaque != opaque)
		return -EBUSY;
	struct stand_in_file *f = calloc(1, sizeof(*f));
	assert(f);
	f->kdev = kdev;
	int ret = medio_kfile_make(kdev->compat, &file_ops, &f->file, fd);
	if (ret) {
		free(f);
		return ret;
	}
	kdev->files++;
	kdev->closed = closed;
	kdev->closed_opaque = opaque;
	return 0;
}

int medio_kdev_map(struct medio_kdev *kdev, uint64_t iova, struct medio_span *span, unsigned prot)
{
	struct stand_in_dev *dev = dev_of(kdev);

	assert(kdev->files);
	assert(!stand_in_find(dev, iova));
	if (dev->map_error && !dev->map_after--) {
		int ret = dev->map_error;
		dev->map_error = 0;
		dev->map_after = 0;
		return ret;
	}
	if (dev->num_maps == STAND_IN_MAPS)
		return -ENOSPC;
	dev->maps[dev->num_maps++] = (struct stand_in_map){ iova, span->size, span->addr, prot };
	return 0;
}

void medio_kdev_unmap(struct medio_kdev *kdev, uint64_t iova, uint64_t size)
{
	struct stand_in_dev *dev = dev_of(kdev);
	unsigned left = 0;

	for (unsigned i = 0; i < dev->num_maps; i++)
		if (dev->maps[i].iova < iova || dev->maps[i].iova - iova >= size)
			dev->maps[left++] = dev->maps[i];
	dev->num_maps = left;
}

const struct stand_in_map *stand_in_find(const struct stand_in_dev *dev, uint64_t iova)
{
	for (unsigned i = 0; i < dev->num_maps; i++)
		if (iova >= dev->maps[i].iova && iova - dev->maps[i].iova < dev->maps[i].size)
			return &dev->maps[i];
	return NULL;
}

struct stand_in_dev *stand_in_dev(
	struct medio_compat *compat, const char *name, enum medio_kdev_look look)
{
	struct stand_in_dev *dev = calloc(1, sizeof(*dev));

	assert(dev);
	dev->kdev.compat = compat;
	dev->kdev.look = look;
	/* The card of it is itself. */
	dev->kdev.card = (struct medio_card *)(void *)dev;
	snprintf(dev->kdev.name, sizeof(dev->kdev.name), "%s", name);
	medio_list_append(&compat->kdevs, &dev->kdev.link);
	return dev;
}

void medio_kdev_free(struct medio_kdev *kdev)
{
	free(dev_of(kdev));
}

/* ---- Cards ------------------------------------------------------------------------------------ */

void medio_card_get_dma_info(struct medio_card *card, struct medio_card_dma_info *out)
{
	(void)card;
	*out = (struct medio_card_dma_info){ .ranges = &stand_in_reach, .num_ranges = 1 };
}

int medio_card_dirty_start(struct medio_card *card, uint64_t page_size)
{
	struct stand_in_dev *dev = (void *)card;

	(void)page_size;
	if (dev->log_error)
		return dev->log_error;
	if (dev->logging)
		return -EBUSY;
	dev->logging = true;
	return 0;
}

int medio_card_dirty_stop(struct medio_card *card)
{
	((struct stand_in_dev *)(void *)card)->logging = false;
	return 0;
}

int medio_card_dirty_get(struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	struct stand_in_dev *dev = (void *)card;

	if (!dev->logging)
		return -EINVAL;
	memset(bitmap, 0, (size / 4096 + 63) / 64 * 8);
	if (dev->written >= iova && dev->written - iova < size) {
		uint64_t page = (dev->written - iova) / 4096;
		bitmap[page / 64] |= UINT64_C(1) << page % 64;
		dev->written = 0;
	}
	return 0;
}

/* ---- The machine ------------------------------------------------------------------------------ */

void stand_in_init(struct stand_in *s)
{
	memset(s, 0, sizeof(*s));
	stand_in_reach = (struct medio_card_dma_range){ 0, UINT64_MAX };
	stand_in_span_error = 0;
	int ret = medio_loop_new(&s->loop);
	assert(!ret);
	s->compat = calloc(1, sizeof(*s->compat));
	assert(s->compat);
	s->compat->loop = s->loop;
	s->compat->inotify = -1;
	medio_list_init(&s->compat->kdevs);
	medio_list_init(&s->compat->groups);
	medio_list_init(&s->compat->files);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(s->compat->files_by_ino); i++)
		medio_list_init(&s->compat->files_by_ino[i]);
	s->p.compat = s->compat;
}

/* As medio_compat_free(): files in any order, then devices, then groups. */
void stand_in_fini(struct stand_in *s)
{
	struct medio_compat *compat = s->compat;

	while (!medio_list_empty(&compat->files)) {
		struct medio_kfile *file = medio_container_of(
			compat->files.next, struct medio_kfile, link);
		medio_kfile_leave(file);
		file->ops->release(file);
	}
	medio_list_for_each (item, &compat->kdevs)
		medio_kdev_free(medio_container_of(item, struct medio_kdev, link));
	while (!medio_list_empty(&compat->groups)) {
		struct medio_list *first = compat->groups.next;
		medio_list_remove(first);
		medio_kgroup_free(medio_container_of(first, struct medio_kgroup, link));
	}
	medio_watch_free(compat->inotify_watch);
	if (compat->inotify >= 0)
		close(compat->inotify);
	free(compat);
	medio_loop_free(s->loop);
}

void stand_in_settle(struct stand_in *s)
{
	while (medio_loop_run_once(s->loop, 0) > 0)
		;
}

int stand_in_open(struct stand_in *s,
	int (*open)(void *opaque, uint64_t ino, unsigned flags, struct medio_kfile **out),
	void *opaque)
{
	struct medio_kfile *file;
	struct stat st;
	int fd = memfd_create("special", MFD_CLOEXEC);

	assert(fd >= 0);
	int ret = fstat(fd, &st);
	assert(!ret);
	ret = open(opaque, st.st_ino, O_RDWR, &file);
	if (ret) {
		close(fd);
		return ret;
	}
	file->dev = st.st_dev;
	return fd;
}

void stand_in_close(struct stand_in *s, int fd)
{
	struct medio_call call = { .ops = &program_ops };
	struct program_call c = { .call = call, .program = &s->p };
	struct medio_kfile *file = program_find(&c.call, fd);

	close(fd);
	/* Of a file of the file system the kernel tells at once. */
	if (file && file->watch < 0) {
		medio_kfile_leave(file);
		file->ops->release(file);
	}
	stand_in_settle(s);
}
