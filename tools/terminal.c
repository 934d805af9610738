/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"
#include "util/cleanup.h"

static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* A terminal and signals belong to the process, hence these are the program's own. */
static struct {
	bool entered, raw;
	struct termios saved;
	sigset_t mask;
	struct sigaction actions[MEDIO_ARRAY_SIZE(endings)];
	volatile sig_atomic_t caught;
} terminal;

static void on_signal(int sig)
{
	terminal.caught = sig;
}

static int make_raw(void)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO))
		return 0;
	if (tcgetattr(STDIN_FILENO, &terminal.saved) < 0)
		return -errno;
	raw = terminal.saved;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return -errno;
	terminal.raw = true;
	return 0;
}

int medio_terminal_enter(sigset_t *waiting)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(endings); i++)
		sigaddset(&blocked, endings[i]);
	if (sigprocmask(SIG_BLOCK, &blocked, &terminal.mask) < 0)
		return -errno;
	*waiting = terminal.mask;
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(endings); i++) {
		sigdelset(waiting, endings[i]);
		sigaction(endings[i], NULL, &terminal.actions[i]);
		/* What was ignored (nohup) stays ignored. */
		if (terminal.actions[i].sa_handler != SIG_IGN)
			sigaction(endings[i], &action, NULL);
	}
	terminal.entered = true;
	atexit(medio_terminal_leave);
	return make_raw();
}

void medio_terminal_leave(void)
{
	if (terminal.raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.saved);
	terminal.raw = false;
	if (!terminal.entered)
		return;
	terminal.entered = false;
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(endings); i++)
		sigaction(endings[i], &terminal.actions[i], NULL);
	sigprocmask(SIG_SETMASK, &terminal.mask, NULL);
}

int medio_terminal_signal(void)
{
	return terminal.caught;
}

void medio_terminal_die(int sig)
{
	medio_terminal_leave();
	signal(sig, SIG_DFL);
	raise(sig);
}

bool medio_terminal_raw(void)
{
	return terminal.raw;
}
