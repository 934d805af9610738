/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to a mediod from outside: signals, and the same through the control socket.
 *
 *     SIGINT, SIGTERM, "quit"   every instance is removed: its client is asked, and after the grace
 *                               it is taken; then the workers end. A second one: at once.
 *     SIGUSR1, "leave"          mediod ends; workers and their clients stay
 *     SIGHUP, "reload"          settings are read again; nothing is dropped
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "catalog.h"
#include "manage/managed.h"
#include "manage/parents.h"
#include "mediod-systemd.h"
#include "mediod.h"
#include "plugin.h"
#include "util/cleanup.h"
#include "util/error.h"

#define RETRY_NS 100000000u

/* ---- Ending -------------------------------------------------------------------------------------- */

static void on_removed(void *opaque, int ret)
{
	struct medio_daemon *d = opaque;

	(void)ret; /* what could not be removed now is tried again by the timer */
	if (d->state == MEDIO_DAEMON_ENDS && !medio_bus_next_mdev(d->manager.bus, NULL))
		medio_loop_stop(d->manager.loop);
}

/* One that is still being created cannot be removed yet; one that is being removed waits. */
static bool can_go(const struct medio_daemon *d, const struct medio_mdev *mdev)
{
	enum medio_mdev_state state = medio_mdev_state(mdev);

	/* A virtual function goes with its card. */
	if (medio_mdev_pf(mdev))
		return false;
	return state == MEDIO_MDEV_ACTIVE || state == MEDIO_MDEV_UNBOUND ||
	       (d->at_once && state == MEDIO_MDEV_REMOVING);
}

static void remove_all(struct medio_daemon *d)
{
	struct medio_bus *bus = d->manager.bus;
	struct medio_mdev *mdev = medio_bus_next_mdev(bus, NULL), *next;

	for (; mdev; mdev = next) {
		/* mdev may be gone behind us, with its virtual functions. */
		next = medio_bus_next_mdev(bus, mdev);
		while (next && medio_mdev_pf(next))
			next = medio_bus_next_mdev(bus, next);
		if (can_go(d, mdev))
			medio_manager_remove(&d->manager, mdev, NULL, d->at_once, on_removed, d);
	}
	if (!medio_bus_next_mdev(bus, NULL))
		medio_loop_stop(d->manager.loop);
	else
		medio_timer_arm(d->retry, RETRY_NS);
}

static void on_retry(void *opaque)
{
	remove_all(opaque);
}

static void say_who_waits(struct medio_daemon *d)
{
	unsigned open = 0;

	for (struct medio_mdev *mdev = NULL; (mdev = medio_bus_next_mdev(d->manager.bus, mdev));)
		open += medio_mdev_opens(mdev) > 0;
	if (!open)
		return;
	if (d->manager.grace_ns)
		medio_manager_log(&d->manager, MEDIO_LOG_INFO,
			"ending: %u %s asked to let go, for %.3g s at most; a second signal ends "
			"it at once",
			open, open == 1 ? "client is" : "clients are",
			(double)d->manager.grace_ns / 1e9);
	else
		medio_manager_log(&d->manager, MEDIO_LOG_INFO,
			"ending: %u %s asked to let go; a second signal ends it at once", open,
			open == 1 ? "client is" : "clients are");
}

void medio_daemon_quit(void *opaque)
{
	struct medio_daemon *d = opaque;

	if (d->state == MEDIO_DAEMON_LEAVES)
		return;
	if (d->state == MEDIO_DAEMON_RUNS) {
		d->state = MEDIO_DAEMON_ENDS;
		medio_systemd_stopping("removing every instance");
		/* Nobody starts anything in a tree that is gone. */
		medio_daemon_free_tree(d);
		say_who_waits(d);
	} else {
		d->at_once = true;
		/* What is being created cannot be removed before. */
		medio_workers_hurry(d->manager.workers);
	}
	remove_all(d);
}

void medio_daemon_leave(void *opaque)
{
	struct medio_daemon *d = opaque;

	/* Ending goes on: instances that are half removed are nothing to hand over. */
	if (d->state != MEDIO_DAEMON_RUNS)
		return;
	d->state = MEDIO_DAEMON_LEAVES;
	d->manager.leaving = true;
	medio_systemd_stopping("workers and their clients stay");
	medio_loop_stop(d->manager.loop);
}

/* ---- Reading settings again ------------------------------------------------------------------------ */

static bool differs(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") != 0;
}

/* What was fixed when we began: d->config stays what it was then. */
static void say_what_waits(struct medio_daemon *d, const struct medio_config *config)
{
	const struct medio_config *old = &d->config;

	if (differs(old->runtime, config->runtime) ||
		differs(old->definitions, config->definitions) ||
		differs(old->metrics, config->metrics) || old->no_tree != config->no_tree)
		medio_manager_log(&d->manager, MEDIO_LOG_WARN,
			"reloaded, but runtime-dir, definitions, metrics and no-tree wait for the "
			"next start (mediod --replace)");
	else
		medio_manager_log(&d->manager, MEDIO_LOG_INFO, "reloaded");
}

static int reload(struct medio_daemon *d, struct medio_error **err)
{
	struct medio_manager *m = &d->manager;
	struct medio_config config;
	gid_t group;

	int ret = medio_daemon_settings(d->opts, &config, err);
	if (ret)
		return ret;
	ret = medio_daemon_group(&config, &group, err);
	if (ret == 0)
		ret = medio_parents_set(m, medio_catalog_kinds, medio_catalog_num_kinds,
			medio_tool_plugin_open, medio_strv_items(&config.parents),
			config.parents.count, err);
	if (ret == 0) {
		m->policy.group = group;
		m->grace_ns = config.grace_ns;
		m->spares = (unsigned)config.spares;
		say_what_waits(d, &config);
		medio_parents_make_cards(m);
		ret = d->tree ? 0 : medio_daemon_mount_tree(d, err);
	}
	medio_config_free(&config);
	return ret;
}

int medio_daemon_reload(void *opaque, struct medio_error **err)
{
	struct medio_daemon *d = opaque;
	struct medio_error *words = NULL;

	if (d->state != MEDIO_DAEMON_RUNS)
		return medio_error_set(err, ESHUTDOWN, "mediod is ending");
	medio_systemd_reloading();
	int ret = reload(d, &words);
	if (ret) {
		const char *text = words ? medio_error_text(words) : strerror(-ret);
		medio_manager_log(&d->manager, MEDIO_LOG_ERROR,
			"not reloaded, all stays as it was: %s", text);
		medio_error_set(err, -ret, "%s", text);
		medio_error_free(words);
	}
	medio_systemd_ready("ready");
	return ret;
}

/* ---- Signals ------------------------------------------------------------------------------------- */

static void on_signal(void *opaque, uint32_t events)
{
	struct medio_daemon *d = opaque;
	struct signalfd_siginfo info;

	(void)events;
	if (read(d->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGHUP:
		medio_daemon_reload(d, NULL);
		break;
	case SIGUSR1:
		medio_daemon_leave(d);
		break;
	default:
		medio_daemon_quit(d);
	}
}

int medio_daemon_block_signals(struct medio_daemon *d, struct medio_error **err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return d->signal_fd >= 0 ? 0
				 : medio_error_set(err, errno, "cannot wait for signals: %s",
					   strerror(errno));
}

int medio_daemon_watch_signals(struct medio_daemon *d, struct medio_error **err)
{
	d->retry = medio_loop_timer(d->manager.loop, on_retry, d);
	d->signals = medio_loop_watch(d->manager.loop, d->signal_fd, EPOLLIN, on_signal, d);
	return d->retry && d->signals ? 0 : medio_error_set(err, ENOMEM, "out of memory");
}
