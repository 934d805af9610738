/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: GET_IRQ_INFO and SET_IRQS, whose forms are those of VFIO_DEVICE_SET_IRQS. */
#include <errno.h>
#include <string.h>

#include "device/irq.h"
#include "serve/session.h"

int medio_handle_irq_info(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_irq_info info;
	struct medio_irq_view view;
	if (!medio_request_take(req, &info, sizeof(info)) || info.argsz < sizeof(info))
		return -EINVAL;
	int ret = medio_irq_info(s->inst, info.index, &view);
	if (ret)
		return ret;
	info = (struct medio_vu_irq_info){
		.argsz = sizeof(info),
		.flags = (view.count ? MEDIO_VU_IRQ_EVENTFD : 0) |
			 (view.maskable ? MEDIO_VU_IRQ_MASKABLE : 0) |
			 (view.automasked ? MEDIO_VU_IRQ_AUTOMASKED : 0) |
			 (view.noresize ? MEDIO_VU_IRQ_NORESIZE : 0),
		.index = info.index,
		.count = view.count,
	};
	return medio_session_answer(s, req, &info, sizeof(info));
}

static bool one_bit(uint32_t flags)
{
	return flags && !(flags & (flags - 1));
}

static int action_of(uint32_t flags)
{
	if (flags & MEDIO_VU_IRQ_ACTION_MASK)
		return MEDIO_IRQ_MASK;
	return flags & MEDIO_VU_IRQ_ACTION_UNMASK ? MEDIO_IRQ_UNMASK : MEDIO_IRQ_TRIGGER;
}

static int set_eventfds(
	struct medio_session *s, const struct medio_vu_irq_set *set, struct medio_request *req)
{
	if (req->num_fds && req->num_fds != set->count)
		return -EINVAL;
	int ret = medio_irq_set_eventfds(s->inst, set->index, action_of(set->flags), set->start,
		set->count, req->num_fds ? req->fds : NULL);
	for (unsigned i = 0; ret == 0 && i < req->num_fds; i++)
		req->fds[i] = -1; /* taken */
	return ret;
}

int medio_handle_set_irqs(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_irq_set set;
	if (!medio_request_take(req, &set, sizeof(set)) || set.argsz < sizeof(set))
		return -EINVAL;
	uint32_t data = set.flags & MEDIO_VU_IRQ_DATA_TYPES;
	if (!one_bit(data) || !one_bit(set.flags & MEDIO_VU_IRQ_ACTIONS) ||
		set.flags & ~(MEDIO_VU_IRQ_DATA_TYPES | MEDIO_VU_IRQ_ACTIONS))
		return -EINVAL;
	if (data == MEDIO_VU_IRQ_DATA_EVENTFD)
		return set_eventfds(s, &set, req);
	if (req->num_fds)
		return -EINVAL;
	if (data == MEDIO_VU_IRQ_DATA_BOOL) {
		if (req->size - sizeof(set) < set.count || set.argsz - sizeof(set) < set.count)
			return -EINVAL;
		return medio_irq_set_bools(s->inst, set.index, action_of(set.flags), set.start,
			set.count, req->payload + sizeof(set));
	}
	if (set.start == 0 && set.count == 0 && set.flags & MEDIO_VU_IRQ_ACTION_TRIGGER)
		return medio_irq_disable(s->inst, set.index);
	return medio_irq_set_none(s->inst, set.index, action_of(set.flags), set.start, set.count);
}
