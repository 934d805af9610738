/* SPDX-License-Identifier: BSD-3-Clause */
/* What the front-end says of a ring: SET_VRING_*, GET_VRING_BASE. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "device/signal.h"
#include "serve/vhost_session.h"

/* NULL: there is no such ring, which is told. */
static struct medio_vhost_ring *find(
	struct medio_vhost_session *s, const struct medio_vhu_message *msg, uint64_t index)
{
	if (index < s->num_rings)
		return &s->rings[index];
	medio_vhost_refuse(s, msg, -EINVAL, "ring %llu; there are %u, from 0 on",
		(unsigned long long)index, s->num_rings);
	return NULL;
}

/* ---- Size, place, position ---------------------------------------------------------------------------- */

/* Nobody else tells the front-end how large a ring may be: the device's queue-size is for those who ask. */
int medio_vhost_vring_num(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhost_ring *ring = find(s, msg, msg->payload.state.index);
	uint32_t size = msg->payload.state.num;
	if (!ring)
		return -EINVAL;
	if (!size || size > MEDIO_VIRTIO_MAX_QUEUE_SIZE)
		return medio_vhost_refuse(s, msg, -EINVAL,
			"ring %u of %u descriptors; it may have 1 to %u", ring->index, size,
			MEDIO_VIRTIO_MAX_QUEUE_SIZE);
	if (ring->live && ring->size != size)
		return medio_vhost_refuse(s, msg, -EBUSY,
			"ring %u runs, with %u descriptors; stop it with GET_VRING_BASE first",
			ring->index, ring->size);
	ring->size = size;
	medio_vhost_rings_retry(s);
	return 0;
}

int medio_vhost_vring_addr(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_vhu_addr *addr = &msg->payload.addr;
	struct medio_vhost_ring *ring = find(s, msg, addr->index);
	if (!ring)
		return -EINVAL;
	if (addr->flags & ~MEDIO_VHU_ADDR_LOG)
		return medio_vhost_refuse(s, msg, -EINVAL,
			"ring %u with flags 0x%x; bit 0 (log) is the only one", ring->index,
			addr->flags);
	bool moves = !ring->has_addr || ring->addr.desc != addr->desc ||
		     ring->addr.avail != addr->avail || ring->addr.used != addr->used;
	if (moves)
		medio_vhost_ring_rest(ring);
	ring->addr = *addr;
	ring->has_addr = true;
	int ret = ring->live ? medio_vhost_ring_log(ring) : 0;
	medio_vhost_rings_retry(s);
	return ret;
}

int medio_vhost_vring_set_base(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhost_ring *ring = find(s, msg, msg->payload.state.index);
	if (!ring)
		return -EINVAL;
	if (ring->live)
		return medio_vhost_refuse(s, msg, -EBUSY,
			"ring %u runs; stop it with GET_VRING_BASE first", ring->index);
	ring->base = msg->payload.state.num;
	ring->has_base = true;
	medio_vhost_rings_retry(s);
	return 0;
}

int medio_vhost_vring_get_base(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhost_ring *ring = find(s, msg, msg->payload.state.index);
	if (!ring)
		return -EINVAL;
	medio_vhost_ring_stop(ring);
	/* A packed ring begins with its wrap counters set (VIRTIO 1.3, 2.8.1). */
	const uint32_t beginning = medio_vhost_is_packed(s) ? 0x80008000 : 0;
	struct medio_vhu_state state = { ring->index, ring->has_base ? ring->base : beginning };
	medio_vhost_answer(s, msg, &state, sizeof(state));
	return 0;
}

int medio_vhost_vring_enable(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhost_ring *ring = find(s, msg, msg->payload.state.index);
	if (!ring)
		return -EINVAL;
	if (msg->payload.state.num > 1)
		return medio_vhost_refuse(s, msg, -EINVAL, "ring %u, %u; 1 enables and 0 disables",
			ring->index, msg->payload.state.num);
	ring->enabled = msg->payload.state.num;
	if (!ring->enabled)
		medio_vhost_ring_rest(ring);
	medio_vhost_rings_retry(s);
	return 0;
}

/* ---- Notifications --------------------------------------------------------------------------------------- */

/* Take the eventfd that came, or -1 for none. */
static int take(struct medio_vhost_session *s, struct medio_vhu_message *msg, int *fd)
{
	*fd = -1;
	if (!msg->num_fds)
		return 0;
	if (!medio_signal_is_eventfd(msg->fds[0]))
		return medio_vhost_refuse(s, msg, -EINVAL, "its file descriptor is not an eventfd");
	*fd = msg->fds[0];
	msg->fds[0] = -1;
	return 0;
}

static void on_kick(void *opaque, uint32_t events)
{
	struct medio_vhost_ring *ring = opaque;
	(void)events;
	if (ring->live)
		medio_virtio_core_kick(ring->session->core, ring->index);
}

/*
 * The watch tells of each write to the eventfd, and so nothing needs to be read from it. (An edge is told
 * also if the counter was not 0 before: a back-end that follows a dead one is woken at once.)
 */
int medio_vhost_vring_kick(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhost_ring *ring = find(s, msg, msg->payload.u64 & MEDIO_VHU_FD_INDEX);
	struct medio_watch *watch = NULL;
	int fd, ret = ring ? take(s, msg, &fd) : -EINVAL;
	if (ret)
		return ret;
	if (fd >= 0)
		watch = medio_loop_watch(
			medio_instance_loop(s->inst), fd, EPOLLIN | EPOLLET, on_kick, ring);
	if (fd >= 0 && !watch) {
		ret = medio_vhost_refuse(
			s, msg, -errno, "its file descriptor cannot be waited for");
		close(fd);
		return ret;
	}
	medio_watch_free(ring->kick);
	if (ring->kick_fd >= 0)
		close(ring->kick_fd);
	ring->kick_fd = fd;
	ring->kick = watch;
	ring->polled = fd < 0;
	ring->started = true;
	medio_vhost_rings_retry(s);
	return 0;
}

int medio_vhost_vring_call(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhost_ring *ring = find(s, msg, msg->payload.u64 & MEDIO_VHU_FD_INDEX);
	int fd, ret = ring ? take(s, msg, &fd) : -EINVAL;
	if (ret)
		return ret;
	if (ring->call_fd >= 0)
		close(ring->call_fd);
	ring->call_fd = fd;
	ring->call_blocks = fd >= 0 && medio_signal_blocks(fd);
	/* What was used while it had none, or another, is not to be missed. */
	if (ring->live)
		medio_signal(ring->call_fd, ring->call_blocks);
	return 0;
}

int medio_vhost_vring_err(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	struct medio_vhost_ring *ring = find(s, msg, msg->payload.u64 & MEDIO_VHU_FD_INDEX);
	int fd, ret = ring ? take(s, msg, &fd) : -EINVAL;
	if (ret)
		return ret;
	if (ring->err_fd >= 0)
		close(ring->err_fd);
	ring->err_fd = fd;
	ring->err_blocks = fd >= 0 && medio_signal_blocks(fd);
	return 0;
}
