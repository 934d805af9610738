/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of the card mtty: a folder of their own, a card, a driver that works as Linux's does. */
#ifndef TESTS_TEST_MTTY_CARD_H
#define TESTS_TEST_MTTY_CARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mtty/mtty.h"
#include "mtty/uart.h"
#include "test_mtty_host.h"
#define PARAMS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static char dir[] = "/tmp/test-mtty-XXXXXX";

static inline const char *path(const char *name)
{
	static char buf[4][128];
	static unsigned n;

	n = (n + 1) % 4;
	snprintf(buf[n], sizeof(buf[n]), "%s/%s", dir, name);
	return buf[n];
}

static inline int setup_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static inline int teardown_dir(void **state)
{
	/* Fails if a backend left anything behind. */
	return rmdir(dir);
}

static inline void open_card(
	struct medio_dev *dev, const struct medio_type *type, const char *port0)
{
	char param[160];

	snprintf(param, sizeof(param), "port0=%s", port0);
	assert_int_equal(host_open(dev, type, PARAMS(param)), 0);
}

static inline void close_card(struct medio_dev *dev)
{
	assert_int_equal(host_close(dev), 0);
}

/* ---- A driver that works as Linux's 8250 does --------------------------------------------------- */

struct driver {
	struct medio_dev *dev;
	unsigned bar;
	uint8_t ier;
	const uint8_t *tx;
	size_t tx_len;
	uint8_t *rx;
	size_t rx_len, rx_max;
	unsigned errors;
};

static inline void drv_start(struct driver *d, struct medio_dev *dev, unsigned bar)
{
	*d = (struct driver){ .dev = dev, .bar = bar };
	host_out(dev, bar, MEDIO_MTTY_FCR, 0x01);
	host_out(dev, bar, MEDIO_MTTY_FCR, 0x07);
	host_out(dev, bar, MEDIO_MTTY_LCR, 0x83);
	host_out(dev, bar, 0, 1);
	host_out(dev, bar, 1, 0);
	host_out(dev, bar, MEDIO_MTTY_LCR, 0x03);
	host_out(dev, bar, MEDIO_MTTY_FCR, 0x81);
	host_out(dev, bar, MEDIO_MTTY_MCR, 0x0b);
	d->ier = MEDIO_MTTY_IER_RX | MEDIO_MTTY_IER_LINE;
	host_out(dev, bar, MEDIO_MTTY_IER, d->ier);
}

static inline void drv_ier(struct driver *d, uint8_t ier)
{
	if (ier != d->ier)
		host_out(d->dev, d->bar, MEDIO_MTTY_IER, ier);
	d->ier = ier;
}

static inline void drv_send(struct driver *d, const uint8_t *bytes, size_t len)
{
	d->tx = bytes;
	d->tx_len = len;
	drv_ier(d, d->ier | MEDIO_MTTY_IER_THRE);
}

/* serial8250_handle_irq(): 1 if there was a cause. */
static inline bool drv_handle(struct driver *d)
{
	uint8_t lsr;

	if (host_in(d->dev, d->bar, MEDIO_MTTY_IIR) & MEDIO_MTTY_IIR_NONE)
		return false;
	lsr = host_in(d->dev, d->bar, MEDIO_MTTY_LSR);
	for (unsigned i = 0; i < 256 && lsr & (MEDIO_MTTY_LSR_DR | MEDIO_MTTY_LSR_BI); i++) {
		uint8_t byte = host_in(d->dev, d->bar, MEDIO_MTTY_RBR);

		d->errors += !!(lsr & MEDIO_MTTY_LSR_ERRORS);
		assert_true(d->rx_len < d->rx_max);
		d->rx[d->rx_len++] = byte;
		lsr = host_in(d->dev, d->bar, MEDIO_MTTY_LSR);
	}
	host_in(d->dev, d->bar, MEDIO_MTTY_MSR);
	if (lsr & MEDIO_MTTY_LSR_THRE && d->ier & MEDIO_MTTY_IER_THRE) {
		for (unsigned i = 0; i < 16 && d->tx_len; i++, d->tx_len--)
			host_out(d->dev, d->bar, MEDIO_MTTY_THR, *d->tx++);
		if (!d->tx_len)
			drv_ier(d, d->ier & ~MEDIO_MTTY_IER_THRE);
	}
	return true;
}

/* Until nothing is left to do; time passes only while the interrupt is down. */
static inline void drv_run(struct driver *d)
{
	do {
		while (d->dev->irq)
			assert_true(drv_handle(d));
	} while (host_next_timer(d->dev));
}

static inline void fill(uint8_t *buf, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		buf[i] = seed >> 24;
	}
}

#endif
