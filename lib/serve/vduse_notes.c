/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notes of what is in flight in a VDUSE device, RUNTIME/vduse/NAME: one page of head, and behind it as much for
 * each queue as inflight.h wants of either layout. The kernel keeps a device whose process was killed, but not
 * where its queues are; the page cache keeps this.
 *
 * The head says of which device they are: as the kernel numbers what has a name in sysfs, another that is made by
 * the same name later is another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/instance.h"
#include "serve/vduse.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "virtio/inflight.h"
#include "virtio/names.h"

#define HEAD_BYTES   4096u
#define VERSION	     1u
#define FOLDER_BYTES 3072u

static const char magic[8] = "medioVQ";

struct head {
	char magic[8];
	uint32_t version;
	uint32_t id, num_queues, slot;
	uint64_t inode;
	uint64_t features;
	/* Of queues that were stopped with nothing in flight; otherwise the notes know better. */
	struct medio_virtq_position at[MEDIO_VIRTIO_MAX_QUEUES];
};
_Static_assert(sizeof(struct head) <= HEAD_BYTES, "the head is a page");

static unsigned largest_queue(const struct medio_vduse *v)
{
	unsigned size = 1;
	for (unsigned i = 0; i < v->num_queues; i++) {
		unsigned max = medio_virtio_core_queue(v->core, i)->max_size;
		size = max > size ? max : size;
	}
	return size;
}

static uint64_t inode_of(const struct medio_vduse *v)
{
	char path[sizeof("/sys/class/vduse/") + VDUSE_NAME_MAX];
	snprintf(path, sizeof(path), "/sys/class/vduse/%s", v->name);
	return v->kernel->inode(v->kernel->opaque, path);
}

static struct head head_of(const struct medio_vduse *v)
{
	struct head head = {
		.version = VERSION,
		.id = v->id,
		.num_queues = v->num_queues,
		.slot = (uint32_t)v->notes.slot,
		.inode = inode_of(v),
		.features = v->features,
	};
	memcpy(head.magic, magic, sizeof(magic));
	return head;
}

/* ---- The file ------------------------------------------------------------------------------------------- */

/* Where it is; the folders on the way there are made. NULL: out of memory. */
static char *path_of(const struct medio_vduse *v)
{
	const char *dir = secure_getenv("MEDIO_RUNTIME_DIR"),
		   *own = secure_getenv("XDG_RUNTIME_DIR");
	char *path = NULL;

	if (v->kernel->folder)
		return asprintf(&path, "%s/%s", v->kernel->folder, v->name) < 0 ? NULL : path;
	char folder[FOLDER_BYTES];
	if (dir && *dir)
		snprintf(folder, sizeof(folder), "%s", dir);
	else if (geteuid() != 0 && own && *own)
		snprintf(folder, sizeof(folder), "%s/medio", own);
	else
		snprintf(folder, sizeof(folder), "/run/medio");
	mkdir(folder, 0755);
	if (asprintf(&path, "%s/vduse/%s", folder, v->name) < 0)
		return NULL;
	char *name = strrchr(path, '/');
	*name = '\0';
	mkdir(path, 0700);
	*name = '/';
	return path;
}

/* Nobody else may have put it there. */
static int open_file(const char *path, bool fresh)
{
	struct stat st;
	_cleanup_close_ int fd = open(
		path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (fresh ? O_CREAT : 0), 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	return medio_steal_fd(fd);
}

static int size_file(struct medio_vduse_notes *n, int fd, bool fresh)
{
	struct stat st;
	n->mapped = n->size;
	if (fresh) {
		if (ftruncate(fd, 0) < 0)
			return -errno;
		/* With its pages, so that none is missing later. */
		return -posix_fallocate(fd, 0, (off_t)n->size);
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	n->mapped = (size_t)st.st_size;
	return n->mapped < HEAD_BYTES ? -EINVAL : 0;
}

static int open_notes(struct medio_vduse *v, bool fresh)
{
	struct medio_vduse_notes *n = &v->notes;
	_cleanup_close_ int fd = open_file(n->path, fresh);
	if (fd < 0)
		return fd;
	int ret = size_file(n, fd, fresh);
	if (ret)
		return ret;
	void *at = mmap(NULL, n->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	n->at = at;
	if (fresh)
		*(struct head *)at = head_of(v);
	return 0;
}

void medio_vduse_notes_open(struct medio_vduse *v, bool fresh)
{
	struct medio_vduse_notes *n = &v->notes;
	const unsigned size = largest_queue(v);
	const size_t split = medio_virtq_inflight_bytes(false, size);
	const size_t packed = medio_virtq_inflight_bytes(true, size);

	n->slot = split > packed ? split : packed;
	n->size = HEAD_BYTES + v->num_queues * n->slot;
	n->path = path_of(v);
	int ret = n->path ? open_notes(v, fresh) : -ENOMEM;
	if (ret && fresh)
		medio_instance_log(v->inst, MEDIO_LOG_WARN,
			"VDUSE: what is in flight cannot be noted in %s: %s. If this process is "
			"killed, none can go on after it",
			n->path ? n->path : "a file", strerror(-ret));
}

void medio_vduse_notes_close(struct medio_vduse *v, bool remove)
{
	struct medio_vduse_notes *n = &v->notes;
	if (n->at) {
		munmap(n->at, n->mapped);
		if (remove)
			unlink(n->path);
	}
	free(n->path);
	*n = (struct medio_vduse_notes){ 0 };
}

/* ---- What stands in it ------------------------------------------------------------------------------------ */

static int other_features(const struct medio_vduse *v, uint64_t had, struct medio_error **err)
{
	char gone[256] = "none", come[256] = "none";
	if (had & ~v->features)
		medio_virtio_features_print(v->id, had & ~v->features, gone, sizeof(gone));
	if (v->features & ~had)
		medio_virtio_features_print(v->id, v->features & ~had, come, sizeof(come));
	return medio_error_set(err, EEXIST,
		"'%s' is on the vDPA bus with other features (there, and not here: %s; here, and "
		"not there: %s): serve it with the parameters it had, or take it off with 'vdpa "
		"dev del %s' first",
		v->name, gone, come, v->name);
}

static int no_notes(const struct medio_vduse *v, struct medio_error **err)
{
	return medio_error_set(err, EEXIST,
		"'%s' is on the vDPA bus already, and there are no notes of what is in flight in it "
		"(in %s, from the process that had it): take it off with 'vdpa dev del %s' and "
		"serve it again",
		v->name, v->notes.path ? v->notes.path : "a file", v->name);
}

int medio_vduse_notes_check(const struct medio_vduse *v, struct medio_error **err)
{
	const struct head want = head_of(v);
	struct head have = { .version = 0 };

	if (v->notes.at)
		memcpy(&have, v->notes.at, sizeof(have));
	if (memcmp(have.magic, want.magic, sizeof(want.magic)) != 0 ||
		have.version != want.version || have.inode != want.inode)
		return no_notes(v, err);
	if (have.id != want.id)
		return medio_error_set(err, EEXIST,
			"'%s' is on the vDPA bus already, as another kind of device (virtio id "
			"%" PRIu32 "): choose another name, or take it off with 'vdpa dev del %s'",
			v->name, have.id, v->name);
	if (have.num_queues != want.num_queues || have.slot != want.slot)
		return medio_error_set(err, EEXIST,
			"'%s' is on the vDPA bus already, with %" PRIu32
			" queues or another queue-size: serve it with the parameters it had, or "
			"take it off with 'vdpa dev del %s' first",
			v->name, have.num_queues, v->name);
	if (have.features != want.features)
		return other_features(v, have.features, err);
	return v->notes.mapped == v->notes.size ? 0 : no_notes(v, err);
}

void *medio_vduse_notes_of(
	const struct medio_vduse *v, unsigned index, bool packed, unsigned size, bool fresh)
{
	if (!v->notes.at)
		return NULL;
	uint8_t *at = (uint8_t *)v->notes.at + HEAD_BYTES + index * v->notes.slot;
	if (fresh)
		medio_virtq_inflight_init(at, packed, size);
	return at;
}

struct medio_virtq_position *medio_vduse_notes_position(const struct medio_vduse *v, unsigned index)
{
	return v->notes.at ? &((struct head *)v->notes.at)->at[index] : NULL;
}
