/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for notes of what is in flight, "Inflight I/O tracking": made here at GET_INFLIGHT_FD, kept by
 * the front-end, and given back at SET_INFLIGHT_FD to us or to whoever follows us. What stands in it is
 * virtio/inflight.h's.
 *
 * It is large enough for either format of ring: a boot loader may use split rings before a system with
 * packed ones, in the same memory.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <fcntl.h>
#include <unistd.h>

#include "iommu/guard.h"
#include "serve/vhost_session.h"
#include "util/cleanup.h"
#include "virtio/inflight.h"
#include "virtio/inflight_layout.h"

#define PAGE	  4096u
#define MAX_BYTES (64u << 20)
#define SEALS	  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int check_queues(struct medio_vhost_session *s, const struct medio_vhu_message *msg)
{
	const struct medio_vhu_inflight *in = &msg->payload.inflight;
	if (!in->num_queues || in->num_queues > s->num_rings)
		return medio_vhost_refuse(
			s, msg, -EINVAL, "%u queues; there are %u", in->num_queues, s->num_rings);
	if (!in->queue_size || in->queue_size > MEDIO_VIRTIO_MAX_QUEUE_SIZE)
		return medio_vhost_refuse(s, msg, -EINVAL,
			"queues of %u descriptors; they may have 1 to %u", in->queue_size,
			MEDIO_VIRTIO_MAX_QUEUE_SIZE);
	return 0;
}

static int make(uint64_t size)
{
	_cleanup_close_ int fd = memfd_create("medio-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return medio_steal_fd(fd);
}

int medio_vhost_get_inflight(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhu_inflight *in = &msg->payload.inflight;
	int fd = -1, ret = check_queues(s, msg);
	if (ret == 0) {
		size_t one = medio_virtq_inflight_bytes(true, in->queue_size);
		in->size = one * in->num_queues;
		in->offset = 0;
		fd = make(in->size);
		if (fd < 0)
			medio_vhost_refuse(
				s, msg, fd, "memory for it cannot be had: %s", strerror(-fd));
	}
	/* A size of 0 is all that can say no. */
	if (fd < 0)
		in->size = 0;
	s->replied = true;
	medio_vhost_conn_reply(s->conn, msg->hdr.request, in, msg->hdr.size, fd);
	return 0;
}

/* ---- Memory that comes back ------------------------------------------------------------------------------ */

static void unmap(struct medio_vhost_inflight *in)
{
	medio_guard_del(in->guard);
	if (in->map)
		munmap(in->map, in->map_size);
	memset(in, 0, sizeof(*in));
}

void medio_vhost_inflight_fini(struct medio_vhost_session *s)
{
	unmap(&s->inflight);
}

static int check_place(
	struct medio_vhost_session *s, const struct medio_vhu_message *msg, size_t stride)
{
	const struct medio_vhu_inflight *in = &msg->payload.inflight;
	struct statfs fs;
	struct stat st;
	if (in->size > MAX_BYTES || in->offset % 64 ||
		stride < medio_virtq_inflight_bytes(false, in->queue_size))
		return medio_vhost_refuse(s, msg, -EINVAL,
			"%llu bytes at offset 0x%llx; %u queues of %u need %zu each at least, at a "
			"multiple of 64",
			(unsigned long long)in->size, (unsigned long long)in->offset,
			in->num_queues, in->queue_size,
			medio_virtq_inflight_bytes(false, in->queue_size));
	if (fstat(msg->fds[0], &st) < 0 || !S_ISREG(st.st_mode) || fstatfs(msg->fds[0], &fs) < 0 ||
		fs.f_bsize > PAGE)
		return medio_vhost_refuse(
			s, msg, -EINVAL, "its file is no regular one in pages of %u bytes", PAGE);
	if (in->offset > (uint64_t)st.st_size || in->size > (uint64_t)st.st_size - in->offset)
		return medio_vhost_refuse(s, msg, -EINVAL,
			"its file of %lld bytes ends before offset 0x%llx + %llu bytes",
			(long long)st.st_size, (unsigned long long)in->offset,
			(unsigned long long)in->size);
	return 0;
}

static int map(const struct medio_vhu_inflight *in, int fd, struct medio_vhost_inflight *out)
{
	uint64_t from = in->offset & ~(uint64_t)(PAGE - 1);
	size_t size = (size_t)((in->offset - from + in->size + PAGE - 1) & ~(uint64_t)(PAGE - 1));
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)from);
	if (at == MAP_FAILED)
		return -errno;
	/* The file is the front-end's, and may be cut short at any time. */
	int ret = medio_guard_add(at, size, PAGE, PROT_READ | PROT_WRITE, &out->guard);
	if (ret) {
		munmap(at, size);
		return ret;
	}
	out->map = at;
	out->map_size = size;
	out->notes = out->map + (in->offset - from);
	return 0;
}

int medio_vhost_set_inflight(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_vhu_inflight *in = &msg->payload.inflight;
	struct medio_vhost_inflight next = { 0 };
	if (medio_vhost_rings_live(s))
		return medio_vhost_refuse(
			s, msg, -EBUSY, "rings run; stop them with GET_VRING_BASE first");
	int ret = check_queues(s, msg);
	if (ret)
		return ret;
	next.num_queues = in->num_queues;
	next.stride = (size_t)(in->size / in->num_queues) & ~(size_t)63;
	ret = check_place(s, msg, next.stride);
	if (ret)
		return ret;
	ret = map(in, msg->fds[0], &next);
	if (ret)
		return medio_vhost_refuse(
			s, msg, ret, "its file cannot be mapped: %s", strerror(-ret));
	unmap(&s->inflight);
	s->inflight = next;
	return 0;
}

void *medio_vhost_inflight_notes(struct medio_vhost_session *s, unsigned ring, unsigned size)
{
	const struct medio_vhost_inflight *in = &s->inflight;
	bool packed = medio_vhost_is_packed(s);
	if (!in->map || ring >= in->num_queues)
		return NULL;
	if (in->stride < medio_virtq_inflight_bytes(packed, size)) {
		medio_instance_guest_error(s->inst,
			"front-end: ring %u runs without notes of what is in flight: %zu bytes for "
			"it are too few, %zu are needed",
			ring, in->stride, medio_virtq_inflight_bytes(packed, size));
		return NULL;
	}
	uint8_t *notes = in->notes + ring * in->stride;
	const struct medio_inflight_split *head = (const void *)notes;
	/* Of a ring of another size: of another driver, which has stopped it since. */
	if (head->version && head->desc_num != size)
		medio_virtq_inflight_init(notes, packed, size);
	return notes;
}
