/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts and waiting. With MSI-X vector 0 tells of the configuration and each queue has one of its
 * own as far as they go, the last is shared (4.1.5.1.2); with INTx one line tells of all, and the
 * interrupt status says of what (4.1.4.5).
 */
#include "virtio_inside.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* The device is looked at so often while nothing comes. */
#define LOOK_MS 200
/* More vectors than that are not taken, however many queues the device could have. */
#define MAX_VECTORS 9

/* ---- Open -------------------------------------------------------------------------------------- */

static uint32_t count_of(struct virtio *v, int irq)
{
	struct medio_card_irq info;

	return medio_card_get_irq(v->card, (unsigned)irq, &info) ? 0 : info.count;
}

static int open_kind(struct virtio *v, int irq)
{
	struct medio_card_irq info;
	uint32_t most = v->info.num_queues + 1 < MAX_VECTORS ? v->info.num_queues + 1 : MAX_VECTORS;
	uint32_t count = count_of(v, irq);
	int ret = medio_card_get_irq(v->card, (unsigned)irq, &info);

	count = irq == MEDIO_CARD_INTX ? 1 : count < most ? count : most;
	if (!ret)
		ret = medio_card_irq_open(v->card, (unsigned)irq, count);
	if (ret)
		return virtio_card_failed(v, ret, "interrupts");
	v->info.irq = irq;
	v->automasked = info.automasked;
	v->vectors = irq == MEDIO_CARD_MSIX ? count : 0;
	return 0;
}

int virtio_irq_open(struct virtio *v)
{
	int irq = v->opts.irq, ret = 0;

	if (v->has_irqs)
		return 0;
	v->has_irqs = true;
	if (irq == VIRTIO_IRQ_BEST)
		irq = count_of(v, MEDIO_CARD_MSIX)   ? MEDIO_CARD_MSIX
		      : count_of(v, MEDIO_CARD_INTX) ? MEDIO_CARD_INTX
						     : VIRTIO_IRQ_NONE;
	if (irq != VIRTIO_IRQ_NONE)
		ret = open_kind(v, irq);
	if (!ret && v->vectors)
		ret = virtio_irq_assign(v, VIRTIO_CONFIG_VECTOR, 0, "its configuration");
	return ret;
}

void virtio_irq_close(struct virtio *v)
{
	if (v->info.irq != VIRTIO_IRQ_NONE)
		medio_card_irq_disable(v->card, (unsigned)v->info.irq);
	v->info.irq = VIRTIO_IRQ_NONE;
	v->vectors = 0;
}

int virtio_irq_assign(struct virtio *v, unsigned reg, unsigned vector, const char *what)
{
	uint16_t back = 0;
	int ret = virtio_set16(v, reg, (uint16_t)vector);

	if (!ret)
		ret = virtio_get16(v, reg, &back);
	if (!ret && back != vector)
		return virtio_fail(v, back == VIRTIO_NO_VECTOR ? -EBUSY : -EPROTO,
			"the device has no interrupt vector %u for %s (it says 0x%x)", vector, what,
			back);
	return ret;
}

unsigned virtio_irq_vector(const struct virtio *v, unsigned queue)
{
	return queue + 1 < v->vectors ? queue + 1 : v->vectors - 1;
}

/* ---- Look -------------------------------------------------------------------------------------- */

static int look_at_status(struct virtio *v)
{
	uint8_t status = 0;
	int ret = virtio_get8(v, VIRTIO_STATUS, &status);

	if (ret)
		return ret;
	if (status == UINT8_MAX)
		return virtio_fail(
			v, -ENODEV, "the device is gone: its registers read as all ones");
	if (status & VIRTIO_NEEDS_RESET)
		return virtio_fail(v, -EIO,
			"the device has met an error and needs a reset (status 0x%02x)", status);
	if (!(status & VIRTIO_DRIVER_OK))
		return virtio_fail(
			v, -EIO, "the device was reset by somebody else (status 0x%02x)", status);
	return 0;
}

/* Something about the device has changed: its configuration, or its health. */
static int on_config(struct virtio *v)
{
	uint8_t generation = 0;
	int ret = look_at_status(v);

	if (!ret)
		ret = virtio_get8(v, VIRTIO_GENERATION, &generation);
	if (!ret && generation != v->generation) {
		v->generation = generation;
		v->config_changed = true;
	}
	return ret;
}

/* What the device wanted and did not get may be why, where somebody tells. */
static int is_silent(struct virtio *v, const struct virtio_queue *queue, unsigned pending)
{
	struct medio_card_fault fault = { .words = "" };

	while (!medio_card_fault(v->card, &fault))
		;
	return virtio_fail(v, -ETIMEDOUT,
		"queue %u: %u requests have been without an answer for %u ms%s%s", queue->index,
		pending, v->opts.silent_ms, *fault.words ? "; " : "", fault.words);
}

static int look(struct virtio *v, struct virtio_queue *const *queues, unsigned n)
{
	uint64_t now = virtio_now_ms();

	if (now - v->looked_ms < LOOK_MS)
		return 0;
	v->looked_ms = now;
	int ret = on_config(v);
	for (unsigned i = 0; !ret && i < n; i++) {
		const struct virtio_queue *queue = queues[i];
		unsigned pending = virtq_pending(queue->ring);
		if (queue->owed && pending && now - queue->heard_ms > v->opts.silent_ms)
			ret = is_silent(v, queue, pending);
	}
	return ret;
}

/* ---- Wait -------------------------------------------------------------------------------------- */

static bool any_ready(struct virtio_queue *const *queues, unsigned n)
{
	bool ready = false;

	for (unsigned i = 0; i < n; i++) {
		if (!virtq_ready(queues[i]->ring))
			continue;
		queues[i]->heard_ms = virtio_now_ms();
		ready = true;
	}
	return ready;
}

/* Ask for interrupts: true if there is something to take already. */
static bool want_irqs(struct virtio_queue *const *queues, unsigned n)
{
	bool ready = false;

	for (unsigned i = 0; i < n; i++)
		ready |= virtq_want_irq(queues[i]->ring);
	return ready;
}

/* Take the events of a vector, which is in no hurry: 0 or -errno. */
static int take_events(struct virtio *v, int fd, bool config)
{
	uint64_t events = 0;

	if (read(fd, &events, sizeof(events)) != sizeof(events))
		return 0;
	v->info.interrupts += events;
	return config ? on_config(v) : 0;
}

/* The line: reading the status lets it fall; then it may rise again (4.1.5.3). */
static int take_line(struct virtio *v, int fd)
{
	uint64_t events = 0;
	uint8_t isr = 0;
	int ret;

	if (read(fd, &events, sizeof(events)) != sizeof(events))
		return 0;
	v->info.interrupts += events;
	ret = medio_card_read8(v->card, v->isr.bar, v->isr.offset, &isr);
	if (ret)
		return virtio_card_failed(v, ret, "reading the interrupt status");
	if (v->automasked)
		ret = medio_card_irq_unmask(v->card, MEDIO_CARD_INTX, 0, 1);
	if (ret)
		return virtio_card_failed(v, ret, "unmasking the interrupt");
	return isr & VIRTIO_ISR_CONFIG ? on_config(v) : 0;
}

static int fd_of(struct virtio *v, unsigned vector)
{
	return medio_card_irq_fd(v->card, (unsigned)v->info.irq, vector);
}

/* Sleep until something may have come, at most ms; without interrupts the caller has chosen to spin. */
static int doze(struct virtio *v, struct virtio_queue *const *queues, unsigned n, int ms)
{
	struct pollfd fds[VIRTIO_MAX_QUEUES + 2];
	unsigned count = 0;
	/* Posted writes go out, and what the other side asked with its last answer is answered: poll()
	 * would not tell of it. */
	int ret = medio_card_flush(v->card);

	if (!ret)
		ret = medio_card_process(v->card);
	if (ret < 0)
		return virtio_card_failed(v, ret, "waiting");
	if (v->info.irq == VIRTIO_IRQ_NONE || any_ready(queues, n))
		return 0;
	fds[count++] = (struct pollfd){ .fd = fd_of(v, 0), .events = POLLIN };
	for (unsigned i = 0; v->vectors > 1 && i < n && i < VIRTIO_MAX_QUEUES; i++)
		fds[count++] = (struct pollfd){ .fd = fd_of(v, queues[i]->vector),
			.events = POLLIN };
	fds[count++] = (struct pollfd){ .fd = medio_card_fd(v->card), .events = POLLIN };
	if (poll(fds, count, ms) < 0)
		return errno == EINTR ? -EINTR
				      : virtio_fail(v, -errno, "poll: %s", strerror(errno));
	/* Over some backends it is this that makes the events come. */
	if (fds[count - 1].revents)
		ret = medio_card_process(v->card);
	if (ret < 0)
		return virtio_card_failed(v, ret, "waiting");
	if (!v->vectors)
		return take_line(v, fds[0].fd);
	ret = 0;
	for (unsigned i = 0; !ret && i < count - 1; i++)
		ret = take_events(v, fds[i].fd, !i);
	return ret;
}

static uint64_t left_of(uint64_t start, int timeout_ms)
{
	uint64_t gone = virtio_now_ms() - start;

	if (timeout_ms < 0)
		return UINT64_MAX;
	return gone < (unsigned)timeout_ms ? (unsigned)timeout_ms - gone : 0;
}

int virtio_wait(struct virtio *v, struct virtio_queue *const *queues, unsigned n, int timeout_ms)
{
	/* Without them rings keep saying so: to write it each time takes the device's processor the line. */
	const bool irqs = v->info.irq != VIRTIO_IRQ_NONE;
	uint64_t start = virtio_now_ms();
	int ret = v->broken;

	if (ret)
		return ret;
	while (!any_ready(queues, n)) {
		uint64_t left = left_of(start, timeout_ms);
		ret = look(v, queues, n);
		if (!ret && irqs && want_irqs(queues, n))
			continue;
		/* Once with no time at all: what has happened is seen. */
		if (!ret)
			ret = doze(v, queues, n, left < LOOK_MS ? (int)left : LOOK_MS);
		if (ret || !left)
			break;
	}
	for (unsigned i = 0; irqs && i < n; i++)
		virtq_no_irq(queues[i]->ring);
	if (ret < 0 && ret != -EINTR)
		v->broken = ret;
	return ret < 0 ? ret : any_ready(queues, n);
}
