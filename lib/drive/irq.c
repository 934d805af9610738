/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: eventfds, waiting, masking. */
#include <medio/driver.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "drive/backend.h"
#include "util/cleanup.h"
#include "util/loop.h"

static int irq_get(struct medio_card *card, unsigned index, struct medio_card_irq_state **out)
{
	if (index >= card->info.num_irqs)
		return medio_card_fail(
			card, EINVAL, "interrupt %u: the card has %u", index, card->info.num_irqs);
	struct medio_card_irq_state *irq = &card->irqs[index];
	if (!irq->known) {
		int ret = medio_card_result(card, card->backend->irq(card, index, &irq->view));
		if (ret)
			return ret;
		irq->known = true;
	}
	*out = irq;
	return 0;
}

int medio_card_get_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out)
{
	struct medio_card_irq_state *irq = NULL;
	int ret = irq_get(card, index, &irq);

	if (!ret)
		*out = irq->view;
	return ret;
}

/* Check a range of vectors. */
static int vectors_get(struct medio_card *card, unsigned index, uint32_t start, uint32_t count,
	struct medio_card_irq_state **out)
{
	int ret = irq_get(card, index, out);

	if (ret)
		return ret;
	if (!count || count > (*out)->view.count || start > (*out)->view.count - count)
		return medio_card_fail(card, EINVAL,
			"interrupt %u: %u vectors from %u, the card has %u", index, count, start,
			(*out)->view.count);
	return 0;
}

static void close_fds(int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(fds);
}

static int make_fds(struct medio_card *card, uint32_t count, int **out)
{
	int *fds = malloc(count * sizeof(*fds));

	if (!fds)
		return medio_card_fail(card, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < count; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fds[i] < 0) {
			int ret = medio_card_fail(card, errno, "eventfd: %s", strerror(errno));
			close_fds(fds, i);
			return ret;
		}
	}
	*out = fds;
	return 0;
}

int medio_card_irq_open(struct medio_card *card, unsigned index, uint32_t count)
{
	struct medio_card_irq_state *irq = NULL;
	int *fds = NULL;
	int ret = vectors_get(card, index, 0, count, &irq);

	if (ret)
		return ret;
	if (irq->fds)
		return medio_card_fail(card, EBUSY, "interrupt %u is open already", index);
	ret = make_fds(card, count, &fds);
	if (ret)
		return ret;
	ret = card->backend->irq_set(
		card, index, MEDIO_CARD_IRQ_EVENTFD | MEDIO_CARD_IRQ_TRIGGER, 0, count, fds);
	if (ret) {
		close_fds(fds, count);
		return medio_card_result(card, ret);
	}
	irq->fds = fds;
	irq->count = count;
	return 0;
}

int medio_card_irq_fd(struct medio_card *card, unsigned index, uint32_t vector)
{
	if (index >= MEDIO_CARD_MAX_IRQS || vector >= card->irqs[index].count)
		return medio_card_fail(
			card, ENOENT, "interrupt %u, vector %u is not open", index, vector);
	return card->irqs[index].fds[vector];
}

/* One look: both the eventfd and the other side's requests, for at most ms. */
static int wait_once(struct medio_card *card, int fd, int ms)
{
	struct pollfd pfds[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = medio_card_fd(card), .events = POLLIN },
	};

	if (poll(pfds, 2, ms) < 0)
		return medio_card_fail(card, errno, "poll: %s", strerror(errno));
	/* An event that came before the connection broke still counts. */
	if (pfds[1].revents && !(pfds[0].revents & POLLIN)) {
		int ret = medio_card_process(card);
		return ret < 0 ? ret : 0;
	}
	return 0;
}

int medio_card_irq_wait(
	struct medio_card *card, unsigned index, uint32_t vector, int timeout_ms, uint64_t *events)
{
	int fd = medio_card_irq_fd(card, index, vector);
	uint64_t deadline = medio_now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000;
	int ret = fd < 0 ? fd : medio_card_flush(card);

	while (!ret) {
		uint64_t count, now;
		if (read(fd, &count, sizeof(count)) == sizeof(count)) {
			*events = count;
			return 0;
		}
		now = medio_now_ns();
		if (timeout_ms >= 0 && now >= deadline)
			return medio_card_fail(card, ETIMEDOUT,
				"interrupt %u, vector %u: no event within %d ms", index, vector,
				timeout_ms);
		ret = wait_once(
			card, fd, timeout_ms < 0 ? -1 : (int)((deadline - now + 999999) / 1000000));
	}
	return ret;
}

int medio_card_irq_assign(
	struct medio_card *card, unsigned index, uint32_t start, uint32_t count, const int *fds)
{
	struct medio_card_irq_state *irq = NULL;
	int ret = vectors_get(card, index, start, count, &irq);

	if (ret)
		return ret;
	return medio_card_result(
		card, card->backend->irq_set(card, index,
			      MEDIO_CARD_IRQ_EVENTFD | MEDIO_CARD_IRQ_TRIGGER, start, count, fds));
}

static int act(
	struct medio_card *card, unsigned index, uint32_t action, uint32_t start, uint32_t count)
{
	struct medio_card_irq_state *irq = NULL;
	int ret = vectors_get(card, index, start, count, &irq);

	if (ret)
		return ret;
	return medio_card_result(card, card->backend->irq_set(card, index,
					       MEDIO_CARD_IRQ_NONE | action, start, count, NULL));
}

int medio_card_irq_mask(struct medio_card *card, unsigned index, uint32_t start, uint32_t count)
{
	return act(card, index, MEDIO_CARD_IRQ_MASK, start, count);
}

int medio_card_irq_unmask(struct medio_card *card, unsigned index, uint32_t start, uint32_t count)
{
	return act(card, index, MEDIO_CARD_IRQ_UNMASK, start, count);
}

int medio_card_irq_trigger(struct medio_card *card, unsigned index, uint32_t start, uint32_t count)
{
	return act(card, index, MEDIO_CARD_IRQ_TRIGGER, start, count);
}

int medio_card_irq_unmask_fd(struct medio_card *card, unsigned index, int fd)
{
	struct medio_card_irq_state *irq = NULL;
	int ret = vectors_get(card, index, 0, 1, &irq);

	if (ret)
		return ret;
	return medio_card_result(card,
		card->backend->irq_set(card, index, MEDIO_CARD_IRQ_EVENTFD | MEDIO_CARD_IRQ_UNMASK,
			0, 1, fd < 0 ? NULL : &fd));
}

int medio_card_irq_disable(struct medio_card *card, unsigned index)
{
	struct medio_card_irq_state *irq = NULL;
	int ret = irq_get(card, index, &irq);

	if (ret)
		return ret;
	ret = medio_card_result(
		card, card->backend->irq_set(card, index,
			      MEDIO_CARD_IRQ_NONE | MEDIO_CARD_IRQ_TRIGGER, 0, 0, NULL));
	if (ret)
		return ret;
	close_fds(irq->fds, irq->count);
	irq->fds = NULL;
	irq->count = 0;
	return 0;
}

void medio_card_irqs_fini(struct medio_card *card)
{
	for (unsigned i = 0; i < MEDIO_CARD_MAX_IRQS; i++) {
		struct medio_card_irq_state *irq = &card->irqs[i];
		/* Best effort: a server that is gone has forgotten them anyway. */
		if (irq->fds && medio_card_irq_disable(card, i)) {
			close_fds(irq->fds, irq->count);
			irq->fds = NULL;
		}
	}
}
