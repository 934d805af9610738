/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_mtty_host.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct medio_watch {
	struct medio_watch *next;
	struct medio_dev *dev;
	int fd;
	uint32_t events;
	medio_watch_fn *fn;
	void *opaque;
	bool dead;
};

struct medio_timer {
	struct medio_timer *next;
	struct medio_dev *dev;
	medio_timer_fn *fn;
	void *opaque;
	uint64_t due; /* 0: disarmed */
	bool dead;
};

void *medio_priv(const struct medio_dev *dev)
{
	return dev->priv;
}

const struct medio_type *medio_dev_type(const struct medio_dev *dev)
{
	return dev->type;
}

const char *medio_dev_uuid(const struct medio_dev *dev)
{
	return "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
}

int medio_fail(struct medio_dev *dev, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dev->words, sizeof(dev->words), fmt, ap);
	va_end(ap);
	return -err;
}

void medio_log(struct medio_dev *dev, enum medio_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dev->log, sizeof(dev->log), fmt, ap);
	va_end(ap);
}

void medio_irq_set(struct medio_dev *dev, unsigned vector, bool level)
{
	assert(vector == 0);
	dev->rises += level && !dev->irq;
	dev->irq = level;
}

struct medio_watch *medio_watch_new(
	struct medio_dev *dev, int fd, uint32_t events, medio_watch_fn *fn, void *opaque)
{
	/* Let epoll say whether it would take the file. */
	struct epoll_event ev = { .events = events };
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	int err = epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? errno : 0;
	struct medio_watch *w;

	close(epfd);
	for (w = dev->watches; w; w = w->next)
		assert(w->dead || w->fd != fd);
	errno = err;
	if (err)
		return NULL;
	w = calloc(1, sizeof(*w));
	*w = (struct medio_watch){ dev->watches, dev, fd, events, fn, opaque, false };
	dev->watches = w;
	return w;
}

int medio_watch_set(struct medio_watch *watch, uint32_t events)
{
	watch->events = events;
	return 0;
}

void medio_watch_free(struct medio_watch *watch)
{
	if (watch)
		watch->dead = true;
}

struct medio_timer *medio_timer_new(struct medio_dev *dev, medio_timer_fn *fn, void *opaque)
{
	struct medio_timer *t = calloc(1, sizeof(*t));

	*t = (struct medio_timer){ dev->timers, dev, fn, opaque, 0, false };
	dev->timers = t;
	return t;
}

void medio_timer_arm(struct medio_timer *timer, uint64_t after_ns)
{
	timer->due = timer->dev->now + after_ns;
}

void medio_timer_disarm(struct medio_timer *timer)
{
	timer->due = 0;
}

void medio_timer_free(struct medio_timer *timer)
{
	if (timer)
		timer->dead = true;
}

int medio_reg_split(struct medio_dev *dev, unsigned region, uint64_t offset, void *buf,
	size_t count, unsigned width, medio_reg_fn *fn)
{
	assert(width == 1);
	for (size_t i = 0; i < count; i++) {
		int ret = fn(dev, region, offset + i, (uint8_t *)buf + i, 1);

		if (ret)
			return ret;
	}
	return 0;
}

uint64_t medio_get_le(const void *buf, size_t count)
{
	const uint8_t *bytes = buf;
	uint64_t value = 0;

	while (count--)
		value = value << 8 | bytes[count];
	return value;
}

void medio_put_le(void *buf, size_t count, uint64_t value)
{
	uint8_t *bytes = buf;

	for (size_t i = 0; i < count; i++, value >>= 8)
		bytes[i] = value;
}

/* Free what was given back during callbacks. */
static void sweep(struct medio_dev *dev)
{
	for (struct medio_watch **p = &dev->watches; *p;) {
		struct medio_watch *w = *p;

		if (!w->dead) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		free(w);
	}
	for (struct medio_timer **p = &dev->timers; *p;) {
		struct medio_timer *t = *p;

		if (!t->dead) {
			p = &t->next;
			continue;
		}
		*p = t->next;
		free(t);
	}
}

static void set_param(struct medio_dev *dev, const char *name, size_t len, const char *value)
{
	for (const struct medio_param *p = dev->type->params; p->name; p++) {
		char **slot = (char **)((char *)dev->priv + p->offset);

		if (strlen(p->name) != len || memcmp(p->name, name, len) != 0)
			continue;
		assert(p->kind == MEDIO_PARAM_STRING);
		free(*slot);
		*slot = strdup(value);
		return;
	}
	abort();
}

static void params_free(struct medio_dev *dev)
{
	for (const struct medio_param *p = dev->type->params; p->name; p++)
		free(*(char **)((char *)dev->priv + p->offset));
	free(dev->priv);
}

int host_open(struct medio_dev *dev, const struct medio_type *type, const char *const *params)
{
	int ret;

	*dev = (struct medio_dev){ .type = type, .now = 1 };
	dev->priv = calloc(1, type->state_size);
	for (const struct medio_param *p = type->params; p->name; p++)
		set_param(dev, p->name, strlen(p->name), p->deflt);
	for (; params && *params; params++)
		set_param(dev, *params, strcspn(*params, "="), strchr(*params, '=') + 1);
	ret = type->ops->init(dev);
	if (ret) {
		sweep(dev);
		params_free(dev);
	}
	return ret;
}

unsigned host_close(struct medio_dev *dev)
{
	unsigned left = 0;

	dev->type->ops->fini(dev);
	sweep(dev);
	for (struct medio_watch *w = dev->watches; w; w = w->next)
		left++;
	for (struct medio_timer *t = dev->timers; t; t = t->next)
		left++;
	params_free(dev);
	return left;
}

static bool run_timers(struct medio_dev *dev)
{
	bool ran = false;

	for (struct medio_timer *t = dev->timers; t; t = t->next) {
		if (t->dead || !t->due || t->due > dev->now)
			continue;
		t->due = 0;
		t->fn(t->opaque);
		ran = true;
	}
	sweep(dev);
	return ran;
}

bool host_run(struct medio_dev *dev, int wait_ms)
{
	struct pollfd fds[16];
	struct medio_watch *who[16];
	unsigned n = 0;
	bool ran = run_timers(dev);

	for (struct medio_watch *w = dev->watches; w; w = w->next) {
		assert(n < 16);
		fds[n] = (struct pollfd){ .fd = w->fd, .events = (short)w->events };
		who[n++] = w;
	}
	if (poll(fds, n, ran ? 0 : wait_ms) > 0) {
		for (unsigned i = 0; i < n; i++) {
			if (!fds[i].revents || who[i]->dead)
				continue;
			who[i]->fn(who[i]->opaque, (uint32_t)fds[i].revents);
			ran = true;
		}
	}
	sweep(dev);
	return run_timers(dev) || ran;
}

bool host_next_timer(struct medio_dev *dev)
{
	uint64_t first = 0;

	for (struct medio_timer *t = dev->timers; t; t = t->next)
		if (t->due && (!first || t->due < first))
			first = t->due;
	if (!first)
		return false;
	if (first > dev->now)
		dev->now = first;
	return run_timers(dev);
}

uint8_t host_in(struct medio_dev *dev, unsigned bar, unsigned reg)
{
	uint8_t value = 0;

	if (dev->type->ops->region_read(dev, bar, reg, &value, 1) != 0)
		abort();
	return value;
}

void host_out(struct medio_dev *dev, unsigned bar, unsigned reg, uint8_t value)
{
	if (dev->type->ops->region_write(dev, bar, reg, &value, 1) != 0)
		abort();
}
