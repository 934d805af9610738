/* SPDX-License-Identifier: BSD-3-Clause */
#include "ending.h"

#include <signal.h>
#include <time.h>

#include "util/cleanup.h"

#define ASK_S 0.2

/* That wants the program to end; 0: none came. */
static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

/* Without SA_RESTART, so that waits end. */
void medio_ending_catch(void)
{
	static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	struct sigaction action = { .sa_handler = on_signal }, old;

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(endings); i++) {
		sigaction(endings[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(endings[i], &action, NULL);
	}
}

bool medio_ending_signalled(void)
{
	return caught;
}

void medio_ending_die(void)
{
	if (!caught)
		return;
	fflush(stdout);
	signal(caught, SIG_DFL);
	raise(caught);
}

void medio_ending_begin(struct medio_ending *ending, const struct medio_command *cmd,
	const char *device, struct medio_card *card)
{
	struct medio_card_irq req;

	*ending = (struct medio_ending){ .cmd = cmd, .device = device, .card = card };
	ending->asks = !medio_card_get_irq(card, MEDIO_CARD_REQ, &req) && req.count &&
		       !medio_card_irq_open(card, MEDIO_CARD_REQ, 1);
}

/* Without an answer an unplug or unbind would wait until all is done. */
bool medio_ending_due(struct medio_ending *ending)
{
	uint64_t events = 0;
	double now = medio_ending_now();

	if (caught || !ending->asks || now - ending->asked < ASK_S)
		return caught;
	ending->asked = now;
	if (medio_card_irq_wait(ending->card, MEDIO_CARD_REQ, 0, 0, &events))
		return false;
	medio_command_fail(ending->cmd,
		"%s: stopped: somebody wants it back, to unplug or unbind it", ending->device);
	return true;
}

double medio_ending_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
