/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SET_IRQS, as drivers/vfio/pci/vfio_pci_intrs.c answers it: which of INTx, MSI and MSI-X is in use is decided by the first
 * eventfd, and stays so until the index is disabled (DATA_NONE with a count of 0).
 */
#include <errno.h>
#include <string.h>

#include "compat/kdev_inside.h"
#include "compat/kdev_signal.h"
#include "util/cleanup.h"

#define AT_ONCE 64u /* eventfds that are taken from the program together */

/* A request, whose numbers are in range. */
struct request {
	struct medio_kdev *kdev;
	struct medio_kdev_state *state;
	struct medio_call *call;
	unsigned index;
	uint32_t flags, start, count;
	const uint8_t *data; /* count bytes or descriptors of the program's, or neither */
};

/* The program's i-th descriptor; -1: none. */
static int32_t fd_at(const struct request *r, uint32_t i)
{
	int32_t fd;

	memcpy(&fd, r->data + i * sizeof(fd), sizeof(fd));
	return fd < 0 ? -1 : fd;
}

/* DATA_NONE means all, DATA_BOOL those that it says. */
static bool wanted(const struct request *r, uint32_t i)
{
	return r->flags & VFIO_IRQ_SET_DATA_NONE || r->data[i];
}

/* An eventfd of the program's as one of ours; *out -1 for none. */
static int take_one(const struct request *r, uint32_t i, int *out)
{
	int32_t fd = fd_at(r, i);

	*out = -1;
	return fd < 0 ? 0 : medio_kdev_take_eventfd(r->call, fd, out);
}

static void keep(int *slot, int fd)
{
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

/* ---- Which vectors have an eventfd ------------------------------------------------------------- */

static bool is_assigned(const struct medio_kdev_state *state, uint32_t vector)
{
	return state->assigned[vector / 64] >> vector % 64 & 1;
}

static void set_assigned(struct medio_kdev_state *state, uint32_t vector, bool on)
{
	uint64_t bit = UINT64_C(1) << vector % 64;

	state->assigned[vector / 64] = (state->assigned[vector / 64] & ~bit) | (on ? bit : 0);
}

static void disable(struct medio_kdev *kdev)
{
	struct medio_kdev_state *state = kdev->state;

	if (state->irq == MEDIO_KDEV_NO_IRQ)
		return;
	medio_kdev_result(kdev, medio_card_irq_disable(kdev->card, state->irq));
	keep(&state->unmask_fd, -1);
	memset(state->assigned, 0, sizeof(state->assigned));
	state->irq = MEDIO_KDEV_NO_IRQ;
	state->vectors = 0;
}

static bool disables(const struct request *r)
{
	return r->state->irq == r->index && !r->count && r->flags & VFIO_IRQ_SET_DATA_NONE;
}

static bool in_use_by_another(const struct request *r)
{
	return r->state->irq != MEDIO_KDEV_NO_IRQ && r->state->irq != r->index;
}

/* ---- INTx -------------------------------------------------------------------------------------- */

static bool is_the_line(const struct request *r)
{
	return r->state->irq == VFIO_PCI_INTX_IRQ_INDEX && !r->start && r->count == 1;
}

static int64_t set_unmask_fd(const struct request *r)
{
	struct medio_kdev_state *state = r->state;
	_cleanup_close_ int fd = -1;
	int ret = take_one(r, 0, &fd);

	if (ret)
		return ret;
	if (fd >= 0 && state->unmask_fd >= 0)
		return -EBUSY;
	/* The card takes it with the line's eventfd, not before. */
	if (is_assigned(state, 0))
		ret = medio_card_irq_unmask_fd(r->kdev->card, r->index, fd);
	if (!ret)
		keep(&state->unmask_fd, medio_steal_fd(fd));
	return ret;
}

static int64_t intx_unmask(const struct request *r)
{
	if (!is_the_line(r))
		return -EINVAL;
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return set_unmask_fd(r);
	return wanted(r, 0) && is_assigned(r->state, 0)
		       ? medio_card_irq_unmask(r->kdev->card, r->index, 0, 1)
		       : 0;
}

static int64_t intx_mask(const struct request *r)
{
	if (!is_the_line(r))
		return -EINVAL;
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return -ENOTTY;
	return wanted(r, 0) && is_assigned(r->state, 0)
		       ? medio_card_irq_mask(r->kdev->card, r->index, 0, 1)
		       : 0;
}

static int64_t set_line_fd(const struct request *r)
{
	struct medio_kdev_state *state = r->state;
	struct medio_card *card = r->kdev->card;
	bool had = is_assigned(state, 0);
	_cleanup_close_ int fd = -1;
	int ret = take_one(r, 0, &fd);

	if (ret)
		return ret;
	if (fd >= 0 || had)
		ret = medio_card_irq_assign(card, r->index, 0, 1, &fd);
	if (!ret && fd >= 0 && !had && state->unmask_fd >= 0)
		ret = medio_card_irq_unmask_fd(card, r->index, state->unmask_fd);
	if (ret)
		return ret;
	state->irq = r->index;
	state->vectors = 1;
	set_assigned(state, 0, fd >= 0);
	return 0;
}

static int64_t intx_trigger(const struct request *r)
{
	if (disables(r)) {
		disable(r->kdev);
		return 0;
	}
	if (in_use_by_another(r) || r->start || r->count != 1)
		return -EINVAL;
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return set_line_fd(r);
	if (r->state->irq != r->index)
		return -EINVAL;
	return wanted(r, 0) && is_assigned(r->state, 0)
		       ? medio_card_irq_trigger(r->kdev->card, r->index, 0, 1)
		       : 0;
}

/* ---- MSI and MSI-X ----------------------------------------------------------------------------- */

/* Vectors [start, start + count) of the request, taken and given to the card; *done says how many were looked at. */
static int assign_some(const struct request *r, uint32_t at, uint32_t count, uint32_t *done)
{
	int fds[AT_ONCE];
	uint32_t taken = 0;
	int ret = 0;

	for (; !ret && taken < count; taken++)
		ret = take_one(r, at + taken, &fds[taken]);
	if (!ret)
		ret = medio_card_irq_assign(r->kdev->card, r->index, r->start + at, count, fds);
	for (uint32_t i = 0; i < taken; i++) {
		if (!ret)
			set_assigned(r->state, r->start + at + i, fds[i] >= 0);
		if (fds[i] >= 0)
			close(fds[i]);
	}
	*done = at + taken;
	return ret;
}

/* The kernel goes vector by vector, and takes back what it had done when one fails. */
static int64_t set_vector_fds(const struct request *r)
{
	uint32_t done = 0;
	int ret = 0;

	while (!ret && done < r->count) {
		uint32_t left = r->count - done;
		ret = assign_some(r, done, left < AT_ONCE ? left : AT_ONCE, &done);
	}
	if (!ret || !done)
		return ret;
	if (r->state->irq == r->index)
		medio_kdev_result(r->kdev,
			medio_card_irq_assign(r->kdev->card, r->index, r->start, done, NULL));
	for (uint32_t i = 0; i < done; i++)
		set_assigned(r->state, r->start + i, false);
	return ret;
}

/* The first request says how many vectors there are; MSI-X alone can have more later. */
static int64_t assign_vectors(const struct request *r)
{
	struct medio_kdev_state *state = r->state;
	uint32_t end = r->start + r->count;
	bool fresh = state->irq == MEDIO_KDEV_NO_IRQ;
	bool grows = r->index == VFIO_PCI_MSIX_IRQ_INDEX && !state->irqs[r->index].noresize;

	if (fresh && !end)
		return -ERANGE;
	if (!fresh && end > state->vectors && !grows)
		return -EINVAL;
	int64_t ret = set_vector_fds(r);
	if (ret && fresh)
		medio_kdev_result(r->kdev, medio_card_irq_disable(r->kdev->card, r->index));
	if (ret)
		return ret;
	state->irq = r->index;
	if (end > state->vectors)
		state->vectors = end;
	return 0;
}

static int64_t vectors_trigger(const struct request *r)
{
	int64_t ret = 0;

	if (disables(r)) {
		disable(r->kdev);
		return 0;
	}
	if (in_use_by_another(r))
		return -EINVAL;
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return assign_vectors(r);
	if (r->state->irq != r->index)
		return -EINVAL;
	for (uint32_t i = 0; !ret && i < r->count; i++)
		if (is_assigned(r->state, r->start + i) && wanted(r, i))
			ret = medio_card_irq_trigger(r->kdev->card, r->index, r->start + i, 1);
	return ret;
}

/* ---- ERR and REQ ------------------------------------------------------------------------------- */

static int64_t set_notice_fd(const struct request *r, int *slot)
{
	_cleanup_close_ int fd = -1;
	int ret = take_one(r, 0, &fd);

	/* The card may have reasons of its own to say so. */
	if (!ret && r->state->irqs[r->index].count)
		ret = medio_card_irq_assign(r->kdev->card, r->index, 0, 1, fd < 0 ? NULL : &fd);
	if (!ret)
		keep(slot, medio_steal_fd(fd));
	return ret;
}

static int64_t clear_notice_fd(const struct request *r, int *slot)
{
	keep(slot, -1);
	return r->state->irqs[r->index].count ? medio_card_irq_disable(r->kdev->card, r->index) : 0;
}

static int64_t notice_trigger(const struct request *r)
{
	int *slot = r->index == VFIO_PCI_ERR_IRQ_INDEX ? &r->state->err_fd : &r->state->req_fd;

	if (r->flags & VFIO_IRQ_SET_DATA_NONE && *slot < 0)
		return -EINVAL;
	if (!r->count)
		return r->flags & VFIO_IRQ_SET_DATA_NONE ? clear_notice_fd(r, slot) : -EINVAL;
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		/* Below -1 means nothing at all. */
		return fd_at(r, 0) < 0 && memcmp(r->data, "\xff\xff\xff\xff", 4) != 0
			       ? 0
			       : set_notice_fd(r, slot);
	if (wanted(r, 0))
		medio_kdev_signal(*slot);
	return 0;
}

/* ---- The call ---------------------------------------------------------------------------------- */

static int64_t act(const struct request *r)
{
	uint32_t action = r->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	switch (r->index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		if (action == VFIO_IRQ_SET_ACTION_MASK)
			return intx_mask(r);
		if (action == VFIO_IRQ_SET_ACTION_UNMASK)
			return intx_unmask(r);
		return action == VFIO_IRQ_SET_ACTION_TRIGGER ? intx_trigger(r) : -ENOTTY;
	case VFIO_PCI_MSI_IRQ_INDEX:
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return action == VFIO_IRQ_SET_ACTION_TRIGGER ? vectors_trigger(r) : -ENOTTY;
	default:
		return action == VFIO_IRQ_SET_ACTION_TRIGGER ? notice_trigger(r) : -ENOTTY;
	}
}

/* Bytes of a vector's data; -EINVAL: not one of the three kinds. */
static int width_of(uint32_t flags)
{
	switch (flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		return sizeof(uint8_t);
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return sizeof(int32_t);
	default:
		return -EINVAL;
	}
}

static int check(const struct vfio_irq_set *set, uint32_t vectors, int width)
{
	if (set->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK))
		return -EINVAL;
	if (set->start >= vectors || set->count > vectors - set->start || width < 0)
		return -EINVAL;
	return set->argsz - sizeof(*set) < set->count * (size_t)width ? -EINVAL : 0;
}

int64_t medio_kdev_set_irqs(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg)
{
	struct vfio_irq_set set;
	uint8_t few[16 * sizeof(int32_t)] = { 0 };
	_cleanup_free_ uint8_t *many = NULL;
	int ret = medio_kdev_take(call, arg, &set, sizeof(set));

	if (ret)
		return ret;
	int width = width_of(set.flags);
	ret = check(&set, medio_kdev_irq_count(kdev, set.index), width);
	if (ret)
		return ret;
	size_t size = set.count * (size_t)width;
	if (size > sizeof(few)) {
		many = malloc(size);
		if (!many)
			return -ENOMEM;
	}
	uint8_t *data = many ? many : few;
	ret = medio_call_read(call, arg + sizeof(set), data, size);
	if (ret)
		return ret;
	if (kdev->state->dead)
		return -ENODEV;
	const struct request r = { kdev, kdev->state, call, set.index, set.flags, set.start,
		set.count, data };
	return medio_kdev_result(kdev, act(&r));
}

void medio_kdev_irqs_off(struct medio_kdev *kdev)
{
	struct medio_kdev_state *state = kdev->state;

	disable(kdev);
	if (state->err_fd >= 0 && state->irqs[VFIO_PCI_ERR_IRQ_INDEX].count)
		medio_card_irq_disable(kdev->card, VFIO_PCI_ERR_IRQ_INDEX);
	if (state->req_fd >= 0 && state->irqs[VFIO_PCI_REQ_IRQ_INDEX].count)
		medio_card_irq_disable(kdev->card, VFIO_PCI_REQ_IRQ_INDEX);
	keep(&state->err_fd, -1);
	keep(&state->req_fd, -1);
}
