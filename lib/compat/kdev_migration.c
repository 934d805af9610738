/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Migration, version 2 (linux/vfio.h, "VFIO_DEVICE_FEATURE_MIGRATION"): STOP_COPY alone, which is what a card of
 * <medio/driver.h> can do. RUNNING_P2P and PRE_COPY, which are optional, there are none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "compat/kdev_inside.h"
#include "compat/kdev_stream.h"
#include "util/cleanup.h"

#define GUESS (UINT64_C(1) << 20) /* bytes of a state that was never read */

/* -ENOTTY: the card cannot migrate. */
static int64_t can_migrate(const struct medio_kdev_feature *f, uint64_t *flags)
{
	size_t got = 0;
	int ret = medio_card_feature(f->kdev->card,
		MEDIO_CARD_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, flags, 0, sizeof(*flags),
		&got);

	*flags = VFIO_MIGRATION_STOP_COPY;
	return ret == -EINVAL || ret == -EOPNOTSUPP ? -ENOTTY : ret;
}

int64_t medio_kdev_feature_migration(const struct medio_kdev_feature *f)
{
	struct vfio_device_feature_migration answer = { 0 };
	uint64_t flags = 0;
	int64_t ret = can_migrate(f, &flags);

	if (!ret)
		ret = medio_kdev_check_feature(f, VFIO_DEVICE_FEATURE_GET, sizeof(answer));
	if (ret != 1)
		return ret;
	answer.flags = flags;
	return medio_call_write(f->call, f->data, &answer, sizeof(answer));
}

int64_t medio_kdev_feature_mig_size(const struct medio_kdev_feature *f)
{
	uint64_t flags = 0, size = f->kdev->state->state_size;
	int64_t ret = can_migrate(f, &flags);

	if (!ret)
		ret = medio_kdev_check_feature(f, VFIO_DEVICE_FEATURE_GET, sizeof(size));
	if (ret != 1)
		return ret;
	/* An estimate is what the kernel promises too. */
	size = size ? size : GUESS;
	return medio_call_write(f->call, f->data, &size, sizeof(size));
}

/* ---- States ------------------------------------------------------------------------------------ */

static bool possible(uint32_t state)
{
	return state == VFIO_DEVICE_STATE_STOP || state == VFIO_DEVICE_STATE_RUNNING ||
	       state == VFIO_DEVICE_STATE_STOP_COPY || state == VFIO_DEVICE_STATE_RESUMING;
}

/* Leave the present state for another; *stream and *fd are what goes with the new one, if anything does. */
static int64_t go(struct medio_kdev *kdev, uint32_t to, struct medio_kdev_stream **stream, int *fd)
{
	enum medio_card_mig_state now;
	int ret = medio_card_mig_get(kdev->card, &now);

	if (ret)
		return ret;
	if (!possible(to) || !possible(now))
		return -EINVAL;
	if (now == to)
		return 0;
	if (kdev->state->stream)
		ret = medio_kdev_stream_settle(kdev->state->stream);
	if (ret)
		return ret;
	ret = medio_card_mig_set(kdev->card, (enum medio_card_mig_state)to);
	medio_kdev_stream_leave(kdev->state->stream);
	if (ret || to == VFIO_DEVICE_STATE_STOP || to == VFIO_DEVICE_STATE_RUNNING)
		return ret;
	return medio_kdev_stream_new(kdev, to == VFIO_DEVICE_STATE_STOP_COPY, stream, fd);
}

static int64_t set_state(
	const struct medio_kdev_feature *f, struct vfio_device_feature_mig_state *mig)
{
	struct medio_kdev_stream *stream = NULL;
	_cleanup_close_ int fd = -1;
	int64_t ret = go(f->kdev, mig->device_state, &stream, &fd);

	mig->data_fd = -1;
	/* Also after a failure; and before the program is given something it would not know of. */
	if (medio_call_write(f->call, f->data, mig, sizeof(*mig)))
		ret = ret ? ret : -EFAULT;
	if (ret || !stream) {
		medio_kdev_stream_free(stream);
		return ret;
	}
	mig->data_fd = f->call->ops->give(f->call, fd, O_CLOEXEC);
	if (mig->data_fd < 0) {
		medio_kdev_stream_free(stream);
		return mig->data_fd;
	}
	f->kdev->state->stream = stream;
	return medio_call_write(f->call, f->data, mig, sizeof(*mig));
}

static int64_t get_state(
	const struct medio_kdev_feature *f, struct vfio_device_feature_mig_state *mig)
{
	enum medio_card_mig_state now;
	int ret = medio_card_mig_get(f->kdev->card, &now);

	if (ret)
		return ret;
	mig->device_state = now;
	mig->data_fd = -1;
	return medio_call_write(f->call, f->data, mig, sizeof(*mig));
}

int64_t medio_kdev_feature_mig_state(const struct medio_kdev_feature *f)
{
	struct vfio_device_feature_mig_state mig;
	uint64_t flags = 0;
	int64_t ret = can_migrate(f, &flags);

	if (!ret)
		ret = medio_kdev_check_feature(
			f, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET, sizeof(mig));
	if (ret != 1)
		return ret;
	ret = medio_call_read(f->call, f->data, &mig, sizeof(mig));
	if (ret)
		return ret;
	return f->flags & VFIO_DEVICE_FEATURE_GET ? get_state(f, &mig) : set_state(f, &mig);
}

void medio_kdev_streams_end(struct medio_kdev *kdev)
{
	medio_kdev_stream_leave(kdev->state->stream);
}
