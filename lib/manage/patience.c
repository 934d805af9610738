/* SPDX-License-Identifier: BSD-3-Clause */
#include "manage/patience.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 10000000

#ifndef SO_PASSRIGHTS /* Linux 6.16 */
#define SO_PASSRIGHTS 83
#endif

/* A timer of this thread; a child has none. */
static _Thread_local timer_t timer;
static _Thread_local pid_t owner;
static _Thread_local volatile sig_atomic_t lost;

static void on_alarm(int sig)
{
	(void)sig;
	lost = 1;
}

/* Without a timer there is no end to patience, but nothing else is wrong. */
static bool have_timer(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };

	if (owner == getpid())
		return true;
	event._sigev_un._tid = gettid();
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGALRM, &action, NULL) < 0 ||
		timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		return false;
	owner = getpid();
	return true;
}

static void set(long ns)
{
	const struct itimerspec when = { { .tv_nsec = ns }, { .tv_nsec = ns } };

	if (have_timer())
		timer_settime(timer, 0, &when, NULL);
}

void medio_patience_begin(void)
{
	lost = 0;
	set(TICK_NS);
}

bool medio_patience_end(void)
{
	set(0);
	return lost;
}

void medio_patience_close(int fd)
{
	medio_patience_begin();
	close(fd);
	medio_patience_end();
}

ssize_t medio_patience_recv(int fd, void *buf, size_t size)
{
	medio_patience_begin();
	ssize_t n = recv(fd, buf, size, MSG_DONTWAIT);
	int error = errno;
	medio_patience_end();
	errno = error;
	return n;
}

int medio_patience_accept(int listener)
{
	medio_patience_begin();
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int error = errno;
	bool waited = medio_patience_end();
	errno = error == EINTR && waited ? ETIMEDOUT : error;
	return fd;
}

int medio_patience_no_descriptors(int fd)
{
	int off = 0;

	return setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0 ? -errno : 0;
}
