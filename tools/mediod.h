/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mediod: the daemon, put together from lib/manage and lib/tree. What it does first and last stands
 * in mediod.c; what happens between in mediod-life.c.
 */
#ifndef MEDIO_TOOLS_MEDIOD_H
#define MEDIO_TOOLS_MEDIOD_H

#include "command.h"
#include "manage/config.h"
#include "manage/control.h"
#include "manage/manager.h"
#include "manage/metrics.h"
#include "mediod-log.h"
#include "tree/tree.h"

/* The command line. */
struct medio_daemon_options {
	struct medio_option_list parents;
	const char *config, *runtime, *definitions, *group, *metrics, *grace, *worker;
	uint64_t spares; /* MEDIO_DAEMON_UNSET: not said */
	bool no_tree, replace, quiet, verbose, json, check;
};

#define MEDIO_DAEMON_UNSET UINT64_MAX

enum medio_daemon_state {
	MEDIO_DAEMON_RUNS,
	MEDIO_DAEMON_ENDS,   /* instances are being removed, then workers end */
	MEDIO_DAEMON_LEAVES, /* workers stay */
};

struct medio_daemon {
	const struct medio_daemon_options *opts;
	struct medio_config config;
	struct medio_daemon_log log;
	struct medio_manager manager;
	struct medio_control *control;
	struct medio_tree *tree;
	struct medio_timer *tree_gone; /* somebody unmounted the tree: let it go */
	struct medio_metrics *metrics;
	char *runtime;	/* absolute */
	char *tree_dir; /* runtime/sys */
	enum medio_daemon_state state;
	int control_fd; /* the control socket, from systemd; -1: none, or control has it */
	int signal_fd;
	struct medio_watch *signals;
	struct medio_timer *retry; /* while it ends: look again at what could not be removed */
	bool at_once;		   /* do not ask those who have an instance open */
};

/* ---- Settings, mediod-settings.c ---------------------------------------------------------------- */

/* Command line over file over defaults. Errors with words; -EINVAL: they make no sense. */
int medio_daemon_settings(const struct medio_daemon_options *opts, struct medio_config *config,
	struct medio_error **err);
/* The group of the settings; (gid_t)-1: none is asked for. -EINVAL, with words: there is none such. */
int medio_daemon_group(const struct medio_config *config, gid_t *group, struct medio_error **err);
/* Where things are, to free; all NULL on failure. Errors with words. */
int medio_daemon_places(const struct medio_daemon_options *opts, const struct medio_config *config,
	struct medio_places *places, struct medio_error **err);

/* ---- Life, mediod-life.c ------------------------------------------------------------------------- */

/* From now on signals are the loop's to tell of. Before anything is started. */
int medio_daemon_block_signals(struct medio_daemon *d, struct medio_error **err);
/* Needs the manager's loop. */
int medio_daemon_watch_signals(struct medio_daemon *d, struct medio_error **err);
/* What the control socket asks for; opaque is the daemon. */
int medio_daemon_reload(void *opaque, struct medio_error **err);
void medio_daemon_leave(void *opaque);
void medio_daemon_quit(void *opaque);
/* While a mediod has RUNTIME: tell it to leave. Errors with words. */
int medio_daemon_replace(const char *runtime, struct medio_error **err);

/* ---- The tree, mediod-tree.c --------------------------------------------------------------------- */

/* Mount it if it is wanted. 0 also if that does not work, which is logged: some machines have no
 * /dev/fuse, and all else works there. -ENOMEM. */
int medio_daemon_mount_tree(struct medio_daemon *d, struct medio_error **err);
void medio_daemon_free_tree(struct medio_daemon *d);

/* ---- Words, mediod-ready.c ------------------------------------------------------------------------ */

void medio_daemon_say_ready(const struct medio_daemon *d);

#endif
