/* SPDX-License-Identifier: BSD-3-Clause */
/* mediod: mediated devices as a service. This file: its command line, and how it begins and ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "catalog.h"
#include "filters/filters.h"
#include "manage/definitions.h"
#include "manage/managed.h"
#include "manage/parents.h"
#include "mediod-systemd.h"
#include "mediod.h"
#include "plugin.h"
#include "util/cleanup.h"
#include "util/error.h"

#define REPLACE_NS	15000000000u /* for the other one to end */
#define REPLACE_LOOK_NS 10000000
#define SETTLE_NS	10000000000u /* for what starts with us, before we say that we are ready */

#define OPTION(field) offsetof(struct medio_daemon_options, field)

static const struct medio_option options[] = {
	{ "parent", 'p', MEDIO_OPTION_LIST, OPTION(parents), "NAME[,KEY=VALUE…]",
		"Offer this parent and its types; may be given several times. With none, here or "
		"in the configuration, every parent that is built in" },
	{ "runtime-dir", 'r', MEDIO_OPTION_STRING, OPTION(runtime), "DIR",
		"Folder of the tree (DIR/sys), the sockets and the records; /run/medio for root, "
		"else $XDG_RUNTIME_DIR/medio" },
	{ "definitions", 'd', MEDIO_OPTION_STRING, OPTION(definitions), "DIR",
		"Folder of the definitions; /etc/mdevctl.d for root, else "
		"$XDG_CONFIG_HOME/medio" },
	{ "config", 'c', MEDIO_OPTION_STRING, OPTION(config), "FILE",
		"Configuration file, which must be there; /etc/medio/mediod.conf for root, else "
		"$XDG_CONFIG_HOME/medio/mediod.conf, if there is one" },
	{ "group", 'g', MEDIO_OPTION_STRING, OPTION(group), "GROUP",
		"Members of this group may create instances, which are then theirs" },
	{ "metrics", 'm', MEDIO_OPTION_STRING, OPTION(metrics), "WHERE",
		"Serve OpenMetrics at unix:PATH, or on this machine's own address at PORT, "
		"127.0.0.1:PORT or [::1]:PORT" },
	{ "grace", 0, MEDIO_OPTION_STRING, OPTION(grace), "TIME",
		"How long the client of an instance that is being removed is asked to let go, "
		"before the instance is taken from it; 0 is for ever, 30s if left out" },
	{ "spares", 0, MEDIO_OPTION_UINT, OPTION(spares), "N",
		"Workers kept ready, so that creating an instance need not start one; 2 if left "
		"out",
		0, 64 },
	{ "no-tree", 0, MEDIO_OPTION_FLAG, OPTION(no_tree), NULL, "Do not mount the tree" },
	{ "replace", 0, MEDIO_OPTION_FLAG, OPTION(replace), NULL,
		"Take the place of the mediod that runs; its instances and their clients stay" },
	{ "check", 0, MEDIO_OPTION_FLAG, OPTION(check), NULL,
		"Say what is wrong with the settings, and exit" },
	{ "worker", 0, MEDIO_OPTION_STRING, OPTION(worker), "PATH",
		"The program medio-worker, if it is not where it was installed" },
	{ "json", 0, MEDIO_OPTION_FLAG, OPTION(json), NULL,
		"When ready, print one JSON object with runtime, tree, control, metrics, pid and "
		"parents" },
	{ "quiet", 'q', MEDIO_OPTION_FLAG, OPTION(quiet), NULL, "Only warnings and errors" },
	{ "verbose", 'v', MEDIO_OPTION_FLAG, OPTION(verbose), NULL,
		"More, for finding out what is wrong" },
	{ NULL },
};

static const struct medio_daemon_options defaults = { .spares = MEDIO_DAEMON_UNSET };

/* ---- Beginning ----------------------------------------------------------------------------------- */

static int fill_manager(struct medio_daemon *d, struct medio_error **err)
{
	struct medio_manager *m = &d->manager;

	*m = (struct medio_manager){
		.policy = { .uid = geteuid() },
		.grace_ns = d->config.grace_ns,
		.spares = (unsigned)d->config.spares,
		.log = medio_daemon_log_line,
		.log_opaque = &d->log,
	};
	int ret = medio_daemon_group(&d->config, &m->policy.group, err);
	if (ret == 0)
		ret = medio_daemon_places(d->opts, &d->config, &m->places, err);
	if (ret)
		return ret;
	free(d->runtime);
	d->runtime = m->places.runtime ? strdup(m->places.runtime) : NULL;
	return d->runtime ? 0 : medio_error_set(err, ENOMEM, "out of memory");
}

static int init_manager(struct medio_daemon *d, struct medio_error **err)
{
	int ret = fill_manager(d, err);

	d->manager.known_filters = medio_builtin_filters;
	return ret ? ret : medio_manager_init(&d->manager, err);
}

/* The other one has been told to leave, and holds the lock until it has. */
static int wait_for_place(struct medio_daemon *d, struct medio_error **err)
{
	uint64_t end = medio_now_ns() + REPLACE_NS;
	int ret;

	do {
		struct timespec look = { .tv_nsec = REPLACE_LOOK_NS };
		nanosleep(&look, NULL);
		medio_error_free(*err);
		*err = NULL;
		ret = init_manager(d, err);
	} while (ret == -EADDRINUSE && medio_now_ns() < end);
	return ret;
}

static int take_place(struct medio_daemon *d, struct medio_error **err)
{
	int ret = init_manager(d, err);

	if (ret != -EADDRINUSE || !d->opts->replace)
		return ret;
	medio_error_free(*err);
	*err = NULL;
	ret = medio_daemon_replace(d->runtime, err);
	return ret ? ret : wait_for_place(d, err);
}

static int set_parents(struct medio_daemon *d, struct medio_error **err)
{
	return medio_parents_set(&d->manager, medio_catalog_kinds, medio_catalog_num_kinds,
		medio_tool_plugin_open, medio_strv_items(&d->config.parents),
		d->config.parents.count, err);
}

static int open_control(struct medio_daemon *d, struct medio_error **err)
{
	struct medio_control_options opts = {
		.fd = medio_steal_fd(d->control_fd),
		.reload = medio_daemon_reload,
		.leave = medio_daemon_leave,
		.quit = medio_daemon_quit,
		.opaque = d,
	};
	return medio_control_new(&d->manager, &opts, &d->control, err);
}

/* A port that is taken is no reason to leave devices without their daemon. */
static void open_metrics(struct medio_daemon *d)
{
	struct medio_error *why = NULL;

	if (!d->config.metrics)
		return;
	int ret = medio_metrics_new(&d->manager, d->config.metrics, &d->metrics, &why);
	if (ret)
		medio_manager_log(&d->manager, MEDIO_LOG_WARN, "goes on without metrics: %s",
			why ? medio_error_text(why) : strerror(-ret));
	medio_error_free(why);
}

/* What a former mediod left and what starts by itself are there before we say that we are ready. */
static void settle(struct medio_daemon *d)
{
	uint64_t end = medio_now_ns() + SETTLE_NS;

	while (d->state == MEDIO_DAEMON_RUNS && medio_now_ns() < end &&
		!medio_workers_settled(d->manager.workers))
		medio_loop_run_once(d->manager.loop, 20);
}

static int start(struct medio_daemon *d, struct medio_error **err)
{
	int ret = set_parents(d, err);

	if (ret == 0)
		ret = medio_daemon_watch_signals(d, err);
	if (ret)
		return ret;
	ret = medio_managed_adopt(&d->manager, err);
	if (ret < 0)
		return ret;
	medio_definitions_start_auto(&d->manager);
	medio_parents_make_cards(&d->manager);
	ret = open_control(d, err);
	if (ret == 0)
		ret = medio_daemon_mount_tree(d, err);
	if (ret)
		return ret;
	open_metrics(d);
	settle(d);
	return 0;
}

/* ---- Ending -------------------------------------------------------------------------------------- */

static void end(struct medio_daemon *d, bool leaving)
{
	medio_control_free(d->control);
	medio_metrics_free(d->metrics);
	medio_daemon_free_tree(d);
	medio_watch_free(d->signals);
	medio_timer_free(d->retry);
	medio_manager_fini(&d->manager, leaving);
}

static void forget(struct medio_daemon *d)
{
	if (d->signal_fd >= 0)
		close(d->signal_fd);
	if (d->control_fd >= 0)
		close(d->control_fd);
	free(d->runtime);
	free(d->tree_dir);
	medio_config_free(&d->config);
}

static int serve(struct medio_daemon *d, struct medio_error **err)
{
	int ret = start(d, err);

	if (ret < 0) {
		/* What we adopted is not ours to end for a word that was wrong. */
		end(d, true);
		return ret;
	}
	if (d->state == MEDIO_DAEMON_RUNS) {
		medio_daemon_say_ready(d);
		medio_systemd_ready("ready");
	}
	ret = medio_loop_run(d->manager.loop);
	if (ret)
		medio_error_set(err, -ret, "waiting for work: %s", strerror(-ret));
	end(d, d->state != MEDIO_DAEMON_ENDS);
	return ret;
}

/* ---- --check ------------------------------------------------------------------------------------- */

/* All that can be known without becoming one: parents are registered on a bus that nobody sees. */
static int check(struct medio_daemon *d, struct medio_error **err)
{
	struct medio_manager *m = &d->manager;
	int ret = fill_manager(d, err);

	medio_list_init(&m->parents);
	if (ret == 0 && medio_bus_new(&m->bus))
		ret = medio_error_set(err, ENOMEM, "out of memory");
	if (ret == 0)
		ret = medio_mdev_driver_register(m->bus, &medio_mdev_worker, m, err);
	if (ret == 0)
		ret = set_parents(d, err);
	if (m->bus) {
		medio_parents_free(m);
		medio_bus_free(medio_steal_ptr(m->bus));
		medio_parents_free(m);
	}
	free(m->places.runtime);
	free(m->places.definitions);
	free(m->places.worker);
	return ret;
}

/* ---- The program --------------------------------------------------------------------------------- */

/* What the user wrote is wrong, or the machine said no. */
static int fail(const struct medio_command *cmd, int ret, struct medio_error *err)
{
	medio_command_fail(cmd, "%s", err ? medio_error_text(err) : strerror(-ret));
	medio_error_free(err);
	return ret == -EINVAL || ret == -ENAMETOOLONG ? MEDIO_EXIT_USAGE : MEDIO_EXIT_FAILURE;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct medio_daemon_options *opts = options_;
	struct medio_daemon d = { .opts = opts, .signal_fd = -1, .control_fd = -1 };
	struct medio_error *err = NULL;

	(void)args;
	if (opts->quiet && opts->verbose)
		return medio_command_usage(cmd, "--quiet and --verbose exclude each other");
	medio_daemon_log_init(&d.log, opts->verbose		   ? MEDIO_LOG_DEBUG
				      : opts->quiet || opts->check ? MEDIO_LOG_WARN
								   : MEDIO_LOG_INFO);
	int ret = medio_daemon_settings(opts, &d.config, &err);
	if (ret)
		return fail(cmd, ret, err);
	if (opts->check)
		ret = check(&d, &err);
	else if ((ret = medio_systemd_socket(&d.control_fd, &err)) == 0 &&
		 (ret = medio_daemon_block_signals(&d, &err)) == 0 &&
		 (ret = take_place(&d, &err)) == 0)
		ret = serve(&d, &err);
	forget(&d);
	return ret ? fail(cmd, ret, err) : MEDIO_EXIT_OK;
}

static const struct medio_command command = {
	.name = "mediod",
	.program = true,
	.summary = "Serve mediated devices: a tree like /sys, a worker process for each instance",
	.arguments = "",
	.options = options,
	.options_size = sizeof(struct medio_daemon_options),
	.defaults = &defaults,
	.run = run,
};

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("mediod %s%s\n", MEDIO_VERSION, MEDIO_LACKS);
		return MEDIO_EXIT_OK;
	}
	if (argc == 2 && !strcmp(argv[1], "--dump-man")) {
		medio_command_dump_man(&command, stdout);
		return MEDIO_EXIT_OK;
	}
	return medio_command_run(&command, argc, argv);
}
