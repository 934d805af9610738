/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's end, and its coming back. A card that is gone reads as ones, as one that was pulled out does; its client
 * is told by an ERR interrupt, its operator by a line. A vfio-user server that is there again at the same
 * place, with the same card, is taken up again: its client finds a card after power-on.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "inside.h"

#define FIRST_PAUSE_NS UINT64_C(50000000)
#define LAST_PAUSE_NS  UINT64_C(2000000000)

bool passthrough_alive(const struct passthrough *p)
{
	return p->card && !p->dead;
}

static int check(struct passthrough *p, int ret);

/* ---- The other side's requests --------------------------------------------------------------------- */

static void on_asked(void *opaque, uint32_t events)
{
	struct passthrough *p = opaque;

	(void)events;
	check(p, medio_card_process(p->card));
}

/* Which file tells of them changes with what is in use, and with the connection. */
static void watch(struct passthrough *p)
{
	int fd = passthrough_alive(p) ? medio_card_fd(p->card) : -1;

	if (fd == p->asks_fd)
		return;
	medio_watch_free(p->asks);
	p->asks = NULL;
	p->asks_fd = -1;
	if (fd < 0)
		return;
	p->asks = medio_watch_new(p->dev, fd, EPOLLIN, on_asked, p);
	if (p->asks)
		p->asks_fd = fd;
	else
		medio_log(p->dev, MEDIO_LOG_ERROR, "%s: its requests cannot be waited for: %s",
			p->uri, strerror(errno));
}

/* What was asked behind the answer to a call is no longer in the file (<medio/driver.h>, medio_card_fd). */
static void on_turn(void *opaque)
{
	struct passthrough *p = opaque;

	p->turning = false;
	if (!passthrough_alive(p))
		return;
	int ret = medio_card_flush(p->card);
	check(p, ret ? ret : medio_card_process(p->card));
	watch(p);
}

/* ---- The end ------------------------------------------------------------------------------------------ */

static bool has_gone(struct passthrough *p, int ret)
{
	uint16_t vendor;

	/* A server may answer anything; a connection that has ended is told by this. */
	if (!p->near)
		return medio_card_flush(p->card) == -ENOTCONN;
	return ret == -ENODEV &&
	       medio_card_read16(p->card, MEDIO_CARD_CONFIG, PCI_VENDOR_ID, &vendor) == -ENODEV;
}

static void die(struct passthrough *p, const char *words)
{
	bool returns = p->reconnect && p->socket;

	p->dead = true;
	p->pause = FIRST_PAUSE_NS;
	medio_log(p->dev, MEDIO_LOG_ERROR, "%s: the card is gone: %s%s", p->uri, words,
		returns ? "; it is taken up again when it is back" : "");
	passthrough_irqs_drop(p);
	watch(p);
	medio_irq_notice(p->dev, MEDIO_IRQ_ERR);
	if (returns)
		medio_timer_arm(p->back, p->pause);
}

/* Does what a call gave show that the card has gone? */
static int check(struct passthrough *p, int ret)
{
	char words[200];

	if (ret >= 0 || !passthrough_alive(p))
		return ret;
	snprintf(words, sizeof(words), "%s", medio_card_last_error(p->card));
	if (has_gone(p, ret))
		die(p, words);
	return ret;
}

int passthrough_result(struct passthrough *p, int ret)
{
	/* It is being opened: who does that says what failed. */
	if (!p->turn)
		return ret;
	ret = check(p, ret);
	if (!p->turning && passthrough_alive(p) && (!p->near || p->uio)) {
		p->turning = true;
		medio_timer_arm(p->turn, 0);
	}
	return ret;
}

void passthrough_release(struct passthrough *p, const char *why)
{
	if (!p->card)
		return;
	medio_log(p->dev, MEDIO_LOG_WARN, "%s: given back: %s", p->uri, why);
	passthrough_irqs_drop(p);
	medio_timer_disarm(p->back);
	p->dead = true;
	watch(p);
	passthrough_unshare(p);
	medio_card_close(p->card);
	p->card = NULL;
	medio_irq_notice(p->dev, MEDIO_IRQ_ERR);
}

/* ---- Back again ------------------------------------------------------------------------------------------ */

static void take_up(struct passthrough *p)
{
	p->dead = false;
	p->comebacks++;
	passthrough_reset(p);
	passthrough_bells(p);
	passthrough_share_again(p);
	passthrough_irqs_again(p);
	passthrough_notices(p);
	watch(p);
	if (passthrough_alive(p))
		medio_log(
			p->dev, MEDIO_LOG_INFO, "%s: the card is back, as after power-on", p->uri);
}

static void on_back(void *opaque)
{
	struct passthrough *p = opaque;
	int ret = medio_card_reconnect(p->card, 0);

	if (ret == 0) {
		take_up(p);
		return;
	}
	if (ret == -ESTALE || ret == -ENOTSUP) {
		medio_log(p->dev, MEDIO_LOG_ERROR, "%s: it stays gone: %s", p->uri,
			medio_card_last_error(p->card));
		return;
	}
	p->pause = 2 * p->pause < LAST_PAUSE_NS ? 2 * p->pause : LAST_PAUSE_NS;
	medio_timer_arm(p->back, p->pause);
}

int passthrough_life_init(struct passthrough *p)
{
	p->asks_fd = -1;
	p->turn = medio_timer_new(p->dev, on_turn, p);
	p->back = medio_timer_new(p->dev, on_back, p);
	if (!p->turn || !p->back)
		return medio_fail(p->dev, ENOMEM, "out of memory");
	watch(p);
	return 0;
}

void passthrough_life_fini(struct passthrough *p)
{
	medio_watch_free(p->asks);
	medio_timer_free(p->turn);
	medio_timer_free(p->back);
	p->asks = NULL;
	p->turn = p->back = NULL;
}
