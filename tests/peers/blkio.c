/* SPDX-License-Identifier: BSD-3-Clause */
#include "blkio.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int blkio_load(const char *file, struct blkio_calls *calls, char words[BLKIO_WORDS])
{
	const struct {
		const char *name;
		void *to;
	} names[] = {
		{ "blkio_get_error_msg", &calls->get_error_msg },
		{ "blkio_create", &calls->create },
		{ "blkio_connect", &calls->connect },
		{ "blkio_start", &calls->start },
		{ "blkio_destroy", &calls->destroy },
		{ "blkio_get_int", &calls->get_int },
		{ "blkio_get_uint64", &calls->get_uint64 },
		{ "blkio_set_bool", &calls->set_bool },
		{ "blkio_set_int", &calls->set_int },
		{ "blkio_set_str", &calls->set_str },
		{ "blkio_alloc_mem_region", &calls->alloc_mem_region },
		{ "blkio_map_mem_region", &calls->map_mem_region },
		{ "blkio_get_queue", &calls->get_queue },
		{ "blkio_get_poll_queue", &calls->get_poll_queue },
		{ "blkioq_read", &calls->queue_read },
		{ "blkioq_write", &calls->queue_write },
		{ "blkioq_readv", &calls->queue_readv },
		{ "blkioq_writev", &calls->queue_writev },
		{ "blkioq_write_zeroes", &calls->queue_write_zeroes },
		{ "blkioq_discard", &calls->queue_discard },
		{ "blkioq_flush", &calls->queue_flush },
		{ "blkioq_do_io", &calls->queue_do_io },
	};
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		snprintf(words, BLKIO_WORDS, "%s", dlerror());
		return -ENOENT;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *function = dlsym(library, names[i].name);
		if (!function) {
			snprintf(words, BLKIO_WORDS, "%s has no %s", file, names[i].name);
			dlclose(library);
			return -ENOSYS;
		}
		/* ISO C has no cast between a pointer to a function and one to an object. */
		memcpy(names[i].to, &function, sizeof(function));
	}
	return 0;
}

/* What failed, with the library's own words; gives ret back. */
static int tell(const struct blkio_calls *calls, int ret, const char *what, char words[BLKIO_WORDS])
{
	if (ret < 0)
		snprintf(words, BLKIO_WORDS, "%s: %s (%s)", what, calls->get_error_msg(),
			strerror(-ret));
	return ret;
}

static int start(struct blkio_disk *disk, const char *socket,
	const struct blkio_disk_options *options, char words[BLKIO_WORDS])
{
	const struct blkio_calls *calls = disk->calls;
	struct blkio *b = disk->blkio;
	struct blkio_region region;
	int ret;

	ret = tell(calls, calls->set_str(b, "path", socket), "path", words);
	if (ret == 0)
		ret = tell(calls, calls->connect(b), "connect", words);
	if (ret == 0)
		ret = tell(
			calls, calls->get_uint64(b, "capacity", &disk->bytes), "capacity", words);
	if (ret == 0)
		ret = tell(calls, calls->set_int(b, "num-queues", (int)options->queues),
			"num-queues", words);
	if (ret == 0)
		ret = tell(calls, calls->set_int(b, "num-poll-queues", (int)options->poll_queues),
			"num-poll-queues", words);
	if (ret == 0)
		ret = tell(calls, calls->start(b), "start", words);
	if (ret == 0)
		ret = tell(calls, calls->alloc_mem_region(b, &region, options->memory), "memory",
			words);
	if (ret == 0)
		ret = tell(calls, calls->map_mem_region(b, &region), "map", words);
	if (ret == 0)
		disk->memory = region.addr;
	return ret;
}

int blkio_disk_open(const struct blkio_calls *calls, const char *socket,
	const struct blkio_disk_options *options, struct blkio_disk *out, char words[BLKIO_WORDS])
{
	struct blkio_disk disk = { .calls = calls };
	int ret = tell(calls, calls->create("virtio-blk-vhost-user", &disk.blkio), "create", words);

	if (ret < 0)
		return ret;
	ret = start(&disk, socket, options, words);
	if (ret < 0)
		calls->destroy(&disk.blkio);
	else
		*out = disk;
	return ret;
}

void blkio_disk_close(struct blkio_disk *disk)
{
	disk->calls->destroy(&disk->blkio);
}
