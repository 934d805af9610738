/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_IOEVENTFD: an eventfd of the program's whose signal is a write to a register. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "compat/kdev_inside.h"
#include "compat/kdev_signal.h"
#include "util/cleanup.h"
#include "util/loop.h"

#define MOST 1000u /* as in the kernel */

struct medio_kdev_ioeventfd {
	struct medio_list link;
	struct medio_kdev *kdev;
	unsigned region;
	uint64_t at, data;
	unsigned size;
	int fd;
	struct medio_watch *watch;
};

static void on_signal(void *opaque, uint32_t events)
{
	struct medio_kdev_ioeventfd *bell = opaque;
	uint64_t value = htole64(bell->data);

	(void)events;
	if (medio_kdev_drain(bell->fd) && !bell->kdev->state->dead)
		medio_kdev_result(bell->kdev, medio_card_write(bell->kdev->card, bell->region,
						      bell->at, &value, bell->size));
}

static void bell_free(struct medio_kdev_ioeventfd *bell)
{
	bell->kdev->state->num_ioeventfds--;
	medio_list_remove(&bell->link);
	medio_watch_free(bell->watch);
	close(bell->fd);
	free(bell);
}

static struct medio_kdev_ioeventfd *find(
	const struct medio_kdev_state *state, const struct medio_kdev_ioeventfd *like)
{
	medio_list_for_each (item, &state->ioeventfds) {
		struct medio_kdev_ioeventfd *bell = medio_container_of(
			item, struct medio_kdev_ioeventfd, link);
		if (bell->region == like->region && bell->at == like->at &&
			bell->data == like->data && bell->size == like->size)
			return bell;
	}
	return NULL;
}

static int add(struct medio_kdev *kdev, struct medio_call *call,
	const struct medio_kdev_ioeventfd *like, int fd)
{
	_cleanup_free_ struct medio_kdev_ioeventfd *bell = malloc(sizeof(*bell));
	_cleanup_close_ int taken = -1;
	int ret = medio_kdev_take_eventfd(call, fd, &taken);

	if (ret || !bell)
		return ret ? ret : -ENOMEM;
	*bell = *like;
	bell->kdev = kdev;
	bell->watch = medio_loop_watch(kdev->compat->loop, taken, EPOLLIN, on_signal, bell);
	if (!bell->watch)
		return -ENOMEM;
	bell->fd = medio_steal_fd(taken);
	kdev->state->num_ioeventfds++;
	medio_list_append(&kdev->state->ioeventfds, &medio_steal_ptr(bell)->link);
	return 0;
}

/* What the request says in the kernel's words; the size's bit is its number of bytes. */
static int parse(const struct medio_kdev *kdev, const struct vfio_device_ioeventfd *request,
	struct medio_kdev_ioeventfd *out)
{
	const struct medio_kdev_state *state = kdev->state;
	uint32_t size = request->flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK;

	if (request->flags & ~VFIO_DEVICE_IOEVENTFD_SIZE_MASK || __builtin_popcount(size) != 1 ||
		request->fd < -1)
		return -EINVAL;
	uint64_t region = (request->offset - MEDIO_KDEV_OFFSET(0)) >> 40;
	uint64_t at = (request->offset - MEDIO_KDEV_OFFSET(0)) & ((UINT64_C(1) << 40) - 1);
	if (request->offset < MEDIO_KDEV_OFFSET(0) || region >= MEDIO_KDEV_BARS ||
		at + size > state->regions[region].size)
		return -EINVAL;
	/* The table of MSI-X is not written past the kernel. */
	if (region == state->msix.region && at + size > state->msix.offset &&
		at < state->msix.offset + state->msix.size)
		return -EINVAL;
	*out = (struct medio_kdev_ioeventfd){
		.region = (unsigned)region, .at = at, .data = request->data, .size = size
	};
	return 0;
}

int64_t medio_kdev_ioeventfd(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct vfio_device_ioeventfd request;
	struct medio_kdev_ioeventfd like;
	int ret = medio_kdev_take(call, arg, &request, sizeof(request));

	if (!ret)
		ret = parse(kdev, &request, &like);
	if (ret)
		return ret;
	if (kdev->state->dead)
		return -ENODEV;
	struct medio_kdev_ioeventfd *bell = find(kdev->state, &like);
	if (bell && request.fd >= 0)
		return -EEXIST;
	if (bell)
		bell_free(bell);
	if (request.fd < 0)
		return bell ? 0 : -ENODEV;
	if (kdev->state->num_ioeventfds >= MOST)
		return -ENOSPC;
	return add(kdev, call, &like, request.fd);
}

void medio_kdev_ioeventfds_off(struct medio_kdev *kdev)
{
	medio_list_for_each (item, &kdev->state->ioeventfds)
		bell_free(medio_container_of(item, struct medio_kdev_ioeventfd, link));
}
