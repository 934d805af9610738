/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's interrupts: an eventfd each, watched on the loop and handed up, so that filters see them. As many are
 * enabled on the card as the client takes.
 *
 * MSI-X and MSI: more of them are enabled in place where the card can do that. Where it cannot, all are
 * disabled and enabled anew, and a message that came in between has gone nowhere: each vector that was there
 * gets one event, which a driver must bear with. INTx: the card masks it at each event; the client's unmask
 * lets the line fall here and unmasks there, and a card that still asserts it says so again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "inside.h"

enum { ERR, REQ };

#define MOST_AT_ONCE 64

/* ---- Vectors -------------------------------------------------------------------------------------- */

/* How many there were. */
static uint64_t take(const struct passthrough_vector *v)
{
	uint64_t count;

	return read(v->fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void on_event(void *opaque, uint32_t events)
{
	struct passthrough_vector *v = opaque;
	struct passthrough *p = v->p;

	(void)events;
	uint64_t count = take(v);
	if (count && p->kind == MEDIO_IRQ_INTX) {
		medio_irq_set(p->dev, 0, true);
		return;
	}
	/* Each, as far as somebody could count them: the number is the other side's. */
	for (unsigned i = 0; i < MOST_AT_ONCE && i < count; i++)
		medio_irq_pulse(p->dev, v->number);
}

static void vector_free(struct passthrough_vector *v)
{
	if (!v)
		return;
	medio_watch_free(v->watch);
	close(v->fd);
	free(v);
}

static struct passthrough_vector *vector_new(struct passthrough *p, unsigned number)
{
	struct passthrough_vector *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	*v = (struct passthrough_vector){ .p = p, .number = number };
	v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	v->watch = v->fd < 0 ? NULL : medio_watch_new(p->dev, v->fd, EPOLLIN, on_event, v);
	if (v->watch)
		return v;
	int err = errno;
	if (v->fd >= 0)
		close(v->fd);
	free(v);
	errno = err;
	return NULL;
}

static void drop_vectors(struct passthrough *p)
{
	for (unsigned i = 0; i < p->room; i++)
		vector_free(p->vector[i]);
	free(p->vector);
	p->vector = NULL;
	p->room = p->vectors = 0;
	p->kind = -1;
}

static int make_room(struct passthrough *p, unsigned vectors)
{
	if (vectors <= p->room)
		return 0;
	struct passthrough_vector **list = realloc(
		p->vector, vectors * sizeof(struct passthrough_vector *));
	if (!list)
		return -ENOMEM;
	p->vector = list;
	for (; p->room < vectors; p->room++) {
		list[p->room] = vector_new(p, p->room);
		if (!list[p->room])
			return errno ? -errno : -ENOMEM;
	}
	return 0;
}

/* ---- On the card -------------------------------------------------------------------------------------- */

static int disable(struct passthrough *p)
{
	int ret = p->vectors && passthrough_alive(p)
			  ? medio_card_irq_disable(p->card, (unsigned)p->kind)
			  : 0;

	p->vectors = 0;
	return passthrough_result(p, ret);
}

/* Vectors [first, end) of the kind in use. */
static int assign(struct passthrough *p, unsigned first, unsigned end)
{
	int *fds = malloc((end - first) * sizeof(*fds));

	if (!fds)
		return -ENOMEM;
	for (unsigned i = first; i < end; i++)
		fds[i - first] = p->vector[i]->fd;
	int ret = medio_card_irq_assign(p->card, (unsigned)p->kind, first, end - first, fds);
	free(fds);
	return passthrough_result(p, ret);
}

static void pulse(struct passthrough *p, unsigned vectors)
{
	for (unsigned i = 0; i < vectors; i++)
		medio_irq_pulse(p->dev, i);
}

/* All anew. */
static int again(struct passthrough *p, unsigned vectors)
{
	unsigned before = p->vectors;
	int ret = disable(p);

	if (!ret)
		ret = assign(p, 0, vectors);
	if (ret)
		return ret;
	p->vectors = vectors;
	if (p->kind != MEDIO_IRQ_INTX)
		pulse(p, before);
	return 0;
}

static int enable(struct passthrough *p, unsigned vectors)
{
	struct medio_card_irq irq;
	int ret = medio_card_get_irq(p->card, (unsigned)p->kind, &irq);

	if (!ret)
		ret = make_room(p, vectors);
	if (ret)
		return ret;
	if (vectors <= p->vectors)
		return 0;
	if (!p->vectors || irq.noresize)
		return again(p, vectors);
	ret = assign(p, p->vectors, vectors);
	if (!ret)
		p->vectors = vectors;
	return ret;
}

static int refuse(struct passthrough *p, int ret, int kind, unsigned vectors)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X" };

	medio_log(p->dev, MEDIO_LOG_ERROR, "%s: %u vectors of %s cannot be enabled: %s", p->uri,
		vectors, names[kind],
		passthrough_alive(p) ? medio_card_last_error(p->card) : strerror(-ret));
	return ret;
}

int passthrough_irqs(struct medio_dev *dev, int kind, unsigned vectors)
{
	struct passthrough *p = medio_priv(dev);
	int ret = 0;

	if (kind != p->kind) {
		if (p->kind == MEDIO_IRQ_INTX)
			medio_irq_set(dev, 0, false);
		ret = disable(p);
		drop_vectors(p);
		p->kind = kind;
	}
	/* None is assigned yet; or they are noted, for when it is back. */
	if (ret || kind < 0 || !vectors)
		return ret;
	if (!passthrough_alive(p)) {
		ret = make_room(p, vectors);
		return ret ? refuse(p, ret, kind, vectors) : 0;
	}
	ret = enable(p, vectors);
	return ret ? refuse(p, ret, kind, vectors) : 0;
}

void passthrough_intx_unmasked(struct medio_dev *dev)
{
	struct passthrough *p = medio_priv(dev);

	if (p->kind != MEDIO_IRQ_INTX)
		return;
	medio_irq_set(dev, 0, false);
	if (p->vectors && passthrough_alive(p))
		passthrough_result(p, medio_card_irq_unmask(p->card, MEDIO_CARD_INTX, 0, 1));
}

int passthrough_irqs_again(struct passthrough *p)
{
	unsigned vectors = p->room;

	p->vectors = 0;
	if (p->kind < 0 || !vectors)
		return 0;
	int ret = assign(p, 0, vectors);
	if (ret)
		return refuse(p, ret, p->kind, vectors);
	p->vectors = vectors;
	if (p->kind != MEDIO_IRQ_INTX)
		pulse(p, vectors);
	return 0;
}

void passthrough_irqs_drop(struct passthrough *p)
{
	if (p->kind == MEDIO_IRQ_INTX)
		medio_irq_set(p->dev, 0, false);
	p->vectors = 0;
}

/* ---- Errors, and being wanted back ------------------------------------------------------------------------ */

static void on_error(void *opaque, uint32_t events)
{
	struct passthrough_vector *v = opaque;
	struct passthrough *p = v->p;

	(void)events;
	if (!take(v))
		return;
	medio_log(p->dev, MEDIO_LOG_ERROR, "%s: the card reports an error that it cannot get over",
		p->uri);
	medio_irq_notice(p->dev, MEDIO_IRQ_ERR);
}

/* The kernel repeats this until it has it. */
static void on_wanted(void *opaque, uint32_t events)
{
	struct passthrough_vector *v = opaque;
	struct passthrough *p = v->p;

	(void)events;
	if (!take(v))
		return;
	if (!p->wanted)
		medio_log(p->dev, MEDIO_LOG_WARN, "%s: the card is wanted back%s", p->uri,
			p->present ? "; its client has been told" : "");
	p->wanted = true;
	medio_irq_notice(p->dev, MEDIO_IRQ_REQ);
	if (!p->present)
		passthrough_release(p, "it was wanted back");
}

static void notice(struct passthrough *p, unsigned n, unsigned index, medio_watch_fn *fn)
{
	struct passthrough_vector *v = &p->notices[n];
	struct medio_card_info info;
	struct medio_card_irq irq;

	medio_card_get_info(p->card, &info);
	if (index >= info.num_irqs || medio_card_get_irq(p->card, index, &irq) || !irq.count)
		return;
	if (!v->watch) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		*v = (struct passthrough_vector){ .p = p, .fd = fd };
		v->watch = fd < 0 ? NULL : medio_watch_new(p->dev, fd, EPOLLIN, fn, v);
		if (!v->watch && fd >= 0)
			close(fd);
	}
	/* The card works without. */
	if (!v->watch || medio_card_irq_assign(p->card, index, 0, 1, &v->fd))
		medio_log(p->dev, MEDIO_LOG_WARN, "%s: it cannot tell of %s", p->uri,
			n == ERR ? "errors" : "being wanted back");
}

int passthrough_notices(struct passthrough *p)
{
	notice(p, ERR, MEDIO_CARD_ERR, on_error);
	notice(p, REQ, MEDIO_CARD_REQ, on_wanted);
	return 0;
}

void passthrough_irqs_fini(struct passthrough *p)
{
	drop_vectors(p);
	for (unsigned i = 0; i < 2; i++) {
		if (!p->notices[i].watch)
			continue;
		medio_watch_free(p->notices[i].watch);
		close(p->notices[i].fd);
		p->notices[i].watch = NULL;
	}
}
