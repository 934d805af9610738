/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: eventfds, waiting, masking. */
#include <medio/driver.h>

#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "drive/backend.h"
#include "drive/calls.h"
#include "util/cleanup.h"
#include "util/loop.h"

/* The index's state, asked for at first use; NULL with *ret. */
static struct medio_card_irq_state *irq_get(struct medio_card *card, unsigned index, int *ret)
{
	if (index >= card->info.num_irqs) {
		*ret = medio_card_fail(
			card, EINVAL, "interrupt %u: the card has %u", index, card->info.num_irqs);
		return NULL;
	}
	struct medio_card_irq_state *irq = &card->irqs[index];
	*ret = 0;
	if (!irq->known) {
		*ret = medio_card_result(card, card->backend->irq(card, index, &irq->view));
		if (*ret)
			return NULL;
		irq->known = true;
	}
	return irq;
}

int medio_card_get_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out)
{
	int ret;
	const struct medio_card_irq_state *irq = irq_get(card, index, &ret);

	if (irq)
		*out = irq->view;
	return ret;
}

/* As irq_get, for a range of vectors. */
static struct medio_card_irq_state *vectors_get(
	struct medio_card *card, unsigned index, uint32_t start, uint32_t count, int *ret)
{
	struct medio_card_irq_state *irq = irq_get(card, index, ret);

	if (irq && (!count || count > irq->view.count || start > irq->view.count - count)) {
		*ret = medio_card_fail(card, EINVAL,
			"interrupt %u: %u vectors from %u, the card has %u", index, count, start,
			irq->view.count);
		return NULL;
	}
	return irq;
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
	medio_calls_say(0, "eventfd, %u of them", count);
	*out = fds;
	return 0;
}

int medio_card_irq_open(struct medio_card *card, unsigned index, uint32_t count)
{
	int *fds = NULL;
	int ret;
	struct medio_card_irq_state *irq = vectors_get(card, index, 0, count, &ret);

	if (!irq)
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
	irq->masked = false;
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
	int others[2] = { -1, -1 };

	if (card->backend->fds)
		card->backend->fds(card, others);
	else
		others[0] = medio_card_fd(card);
	struct pollfd pfds[3] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = others[0], .events = POLLIN },
		{ .fd = others[1], .events = POLLIN },
	};
	int ready = poll(pfds, 3, ms);
	if (medio_calls_watched())
		medio_calls_say(ready, "poll eventfd");
	if (ready < 0)
		return medio_card_fail(card, errno, "poll: %s", strerror(errno));
	/* An event that came before the connection broke still counts. */
	if ((pfds[1].revents || pfds[2].revents) && !(pfds[0].revents & POLLIN)) {
		int ret = medio_card_process(card);
		return ret < 0 ? ret : 0;
	}
	return 0;
}

/* Take the events there are. */
static bool take_events(struct medio_card *card, unsigned index, int fd, uint64_t *events)
{
	struct medio_card_irq_state *irq = &card->irqs[index];
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return false;
	*events = count;
	/* The next one may have to wait until it is unmasked. */
	irq->masked = irq->view.automasked && !irq->unmasked_by_fd;
	if (medio_calls_watched())
		medio_calls_say(0, "read eventfd -> %llu events", (unsigned long long)count);
	return true;
}

/* Nothing came for a while: is the device still there, and may it send interrupts? Only where asking
 * takes no message. 0 with a hint, "" if it has none; -ENODEV with words. */
static int look(struct medio_card *card, unsigned index, const char **hint)
{
	uint16_t command = 0;

	*hint = "";
	if (!card->backend->near)
		return 0;
	int ret = medio_card_read16(card, MEDIO_CARD_CONFIG, PCI_COMMAND, &command);
	if (ret)
		return ret == -ENODEV ? ret : 0;
	if ((index == MEDIO_CARD_MSI || index == MEDIO_CARD_MSIX) &&
		!(command & PCI_COMMAND_MASTER))
		*hint = "; bus mastering is off in the command register, so the device sends none";
	return 0;
}

static int no_event(struct medio_card *card, unsigned index, uint32_t vector, int timeout_ms)
{
	char fault[200];
	const char *hint = "";
	int ret = timeout_ms > 0 ? look(card, index, &hint) : 0;

	if (ret)
		return ret;
	if (card->irqs[index].masked && !vector)
		hint = "; it is masked, until medio_card_irq_unmask()";
	return medio_card_fail(card, ETIMEDOUT,
		"interrupt %u, vector %u: no event within %d ms%s%s", index, vector, timeout_ms,
		hint, medio_fault_hint(card, fault, sizeof(fault)));
}

/* How long to wait at once: who waits for ever has to notice that the device is gone. */
static int slice(const struct medio_card *card, int timeout_ms, uint64_t deadline, uint64_t now)
{
	if (timeout_ms >= 0)
		return (int)((deadline - now + 999999) / 1000000);
	return card->backend->near ? 1000 : -1;
}

int medio_card_irq_wait(
	struct medio_card *card, unsigned index, uint32_t vector, int timeout_ms, uint64_t *events)
{
	int fd = medio_card_irq_fd(card, index, vector);
	uint64_t deadline = medio_now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000;
	int ret = fd < 0 ? fd : medio_card_flush(card);
	const char *unused;
	bool processed = false;

	while (!ret) {
		if (take_events(card, index, fd, events))
			return 0;
		/* A request may have come with an earlier answer: poll() would not tell of it. */
		if (!processed) {
			ret = medio_card_process(card);
			processed = true;
			if (ret > 0)
				ret = 0;
			continue;
		}
		uint64_t now = medio_now_ns();
		if (timeout_ms >= 0 && now >= deadline)
			return no_event(card, index, vector, timeout_ms);
		ret = wait_once(card, fd, slice(card, timeout_ms, deadline, now));
		if (!ret && timeout_ms < 0)
			ret = look(card, index, &unused);
	}
	return ret;
}

int medio_card_irq_assign(
	struct medio_card *card, unsigned index, uint32_t start, uint32_t count, const int *fds)
{
	int ret;

	if (!vectors_get(card, index, start, count, &ret))
		return ret;
	return medio_card_result(
		card, card->backend->irq_set(card, index,
			      MEDIO_CARD_IRQ_EVENTFD | MEDIO_CARD_IRQ_TRIGGER, start, count, fds));
}

static int act(
	struct medio_card *card, unsigned index, uint32_t action, uint32_t start, uint32_t count)
{
	int ret;

	if (!vectors_get(card, index, start, count, &ret))
		return ret;
	return medio_card_result(card, card->backend->irq_set(card, index,
					       MEDIO_CARD_IRQ_NONE | action, start, count, NULL));
}

int medio_card_irq_mask(struct medio_card *card, unsigned index, uint32_t start, uint32_t count)
{
	int ret = act(card, index, MEDIO_CARD_IRQ_MASK, start, count);

	if (!ret && !start)
		card->irqs[index].masked = true;
	return ret;
}

int medio_card_irq_unmask(struct medio_card *card, unsigned index, uint32_t start, uint32_t count)
{
	int ret = act(card, index, MEDIO_CARD_IRQ_UNMASK, start, count);

	if (!ret && !start)
		card->irqs[index].masked = false;
	return ret;
}

int medio_card_irq_trigger(struct medio_card *card, unsigned index, uint32_t start, uint32_t count)
{
	return act(card, index, MEDIO_CARD_IRQ_TRIGGER, start, count);
}

int medio_card_irq_unmask_fd(struct medio_card *card, unsigned index, int fd)
{
	int ret;

	if (!vectors_get(card, index, 0, 1, &ret))
		return ret;
	ret = medio_card_result(card,
		card->backend->irq_set(card, index, MEDIO_CARD_IRQ_EVENTFD | MEDIO_CARD_IRQ_UNMASK,
			0, 1, fd < 0 ? NULL : &fd));
	if (!ret)
		card->irqs[index].unmasked_by_fd = fd >= 0;
	return ret;
}

int medio_card_irq_disable(struct medio_card *card, unsigned index)
{
	int ret;
	struct medio_card_irq_state *irq = irq_get(card, index, &ret);

	if (!irq)
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
