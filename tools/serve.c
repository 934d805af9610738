/* SPDX-License-Identifier: BSD-3-Clause */
/* medio serve: one device, in the foreground. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "filters/filters.h"
#include "serve.h"
#include "util/error.h"

static const struct medio_option options[] = {
	{ "as", 'a', MEDIO_OPTION_STRING, offsetof(struct medio_serve_options, as), "WHAT",
		"Serve the device as vfio-user (if left out): a PCI card; or a virtio device as "
		"vhost-user, or as vduse=NAME: for this machine's own kernel. medio types says what "
		"a type can be served as" },
	{ "socket", 's', MEDIO_OPTION_STRING, offsetof(struct medio_serve_options, socket), "PATH",
		"Serve at this unix socket; it is removed at the end. With --run it may be left "
		"out: a private one is made" },
	{ "connect", 'c', MEDIO_OPTION_FLAG, offsetof(struct medio_serve_options, connect), NULL,
		"With vhost-user: the front-end listens at the socket; connect to it, and again "
		"whenever it has gone" },
	{ "attach", 0, MEDIO_OPTION_FLAG, offsetof(struct medio_serve_options, attach), NULL,
		"With vduse: put the device on the vDPA bus, and take it off at the end" },
	{ "run", 'r', MEDIO_OPTION_STRING, offsetof(struct medio_serve_options, run), "COMMAND",
		"Run COMMAND with sh and end when it ends, with its exit status. It finds what "
		"--json prints in its environment: $socket, $uri (for medio's other commands), "
		"$qemu_device (what QEMU needs) and so on" },
	{ "filter", 'f', MEDIO_OPTION_LIST, offsetof(struct medio_serve_options, filters),
		"NAME[:KEY=VALUE,…]",
		"Put a filter in front of the card; may be given several times, the first "
		"is nearest to the client" },
	{ "uuid", 'u', MEDIO_OPTION_STRING, offsetof(struct medio_serve_options, uuid), "UUID",
		"The instance's UUID; a random one if left out" },
	{ "once", '1', MEDIO_OPTION_FLAG, offsetof(struct medio_serve_options, once), NULL,
		"End when the first client has left" },
	{ "poll", 'p', MEDIO_OPTION_UINT, offsetof(struct medio_serve_options, poll_us),
		"MICROSECONDS",
		"Spin this long for the next request before sleeping; buys latency with a core", 0,
		1000000000 },
	{ "max-xfer", 0, MEDIO_OPTION_UINT, offsetof(struct medio_serve_options, max_xfer), "BYTES",
		"Largest region access in one message; 1 MiB if left out", 4096, 64 << 20 },
	{ "timeout", 0, MEDIO_OPTION_UINT, offsetof(struct medio_serve_options, timeout_ms),
		"MILLISECONDS",
		"How long a client may take for its first message, or for the rest of one; 5000 if "
		"left out",
		1, 3600000 },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct medio_serve_options, json), NULL,
		"When ready, print one JSON object: type, uuid, as, and, where there is one, "
		"socket, uri, qemu_device, queues, queue_size, path, attach, detach, device, and of "
		"each virtual function vf0_socket, vf0_uri and so on; for one that comes or goes "
		"later an object of its own" },
	{ "quiet", 'q', MEDIO_OPTION_FLAG, offsetof(struct medio_serve_options, quiet), NULL,
		"Do not say that the device is ready" },
	{ NULL },
};

/* Where signals arrive. */
struct signals {
	struct medio_serve *serve;
	struct medio_watch *watch;
	int fd;
};

/* ---- Signals -------------------------------------------------------------------------------------- */

static void on_signal(void *opaque, uint32_t events)
{
	const struct signals *signals = opaque;
	struct signalfd_siginfo info;
	(void)events;
	if (read(signals->fd, &info, sizeof(info)) != sizeof(info))
		return;
	/* The terminal has sent it to the command too, which decides whether to end. */
	if (info.ssi_signo == SIGINT && signals->serve->child.pid)
		return;
	medio_loop_stop(signals->serve->catalog.loop);
}

static int catch_signals(struct signals *signals, struct medio_error **err)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd >= 0)
		signals->watch = medio_loop_watch(
			signals->serve->catalog.loop, signals->fd, EPOLLIN, on_signal, signals);
	if (!signals->watch)
		return medio_error_set(err, errno, "cannot wait for signals: %s", strerror(errno));
	return 0;
}

static void forget_signals(struct signals *signals)
{
	medio_watch_free(signals->watch);
	if (signals->fd >= 0)
		close(signals->fd);
}

/* ---- The device ---------------------------------------------------------------------------------------- */

static int make_device(
	struct medio_serve *serve, const struct medio_option_list *args, struct medio_error **err)
{
	struct medio_parent *parent;
	const struct medio_type *type;
	int ret = medio_catalog_find(&serve->catalog, args->items[0], &parent, &type, err);
	if (ret == 0)
		ret = medio_serve_choose(serve, type, err);
	if (ret == 0)
		ret = medio_serve_vfs_check(serve, args, err);
	if (ret)
		return ret;
	const struct medio_mdev_options opts = {
		.params = args->items + 1,
		.nparams = args->count - 1,
		.filters = serve->opts->filters.items,
		.nfilters = serve->opts->filters.count,
		.known_filters = medio_builtin_filters,
		.bare = serve->as->bare,
		.vf_present = serve->as->bare ? NULL : medio_serve_vf_present,
		.vf_opaque = serve,
	};
	const char *uuid = serve->opts->uuid;
	ret = medio_mdev_create(
		parent, type, uuid, uuid ? strlen(uuid) : 0, &opts, &serve->mdev, err);
	if (ret)
		return ret;
	medio_serve_know(serve, "type", type->name);
	medio_serve_know(serve, "uuid", medio_mdev_uuid(serve->mdev));
	medio_serve_know(serve, "as", serve->as->name);
	return 0;
}

static int put_on_air(struct medio_serve *serve, struct medio_error **err)
{
	medio_loop_set_poll(serve->catalog.loop, serve->opts->poll_us * 1000);
	int ret = serve->as->start(serve, err);
	serve->opened = ret == 0 && medio_mdev_open(serve->mdev) == 0;
	return ret;
}

static int start_child(struct medio_serve *serve, struct medio_error **err)
{
	char **env = medio_serve_env(serve);
	int ret = env ? medio_child_start(&serve->child, serve->catalog.loop, serve->opts->run, env)
		      : -ENOMEM;
	medio_serve_env_free(env);
	return ret ? medio_error_set(err, -ret, "cannot run the command: %s", strerror(-ret)) : 0;
}

/* ---- From start to end ------------------------------------------------------------------------------------ */

static int start(struct medio_serve *serve, struct signals *signals,
	const struct medio_option_list *args, struct medio_error **err)
{
	int ret = medio_catalog_init(&serve->catalog, err);
	if (ret == 0)
		ret = make_device(serve, args, err);
	if (ret == 0)
		ret = catch_signals(signals, err);
	if (ret == 0)
		ret = put_on_air(serve, err);
	if (ret == 0)
		ret = medio_serve_vfs_start(serve, args, err);
	if (ret == 0 && serve->opts->run)
		ret = start_child(serve, err);
	return ret;
}

static void end(struct medio_serve *serve, struct signals *signals)
{
	serve->ending = true;
	medio_child_end(&serve->child);
	if (serve->vfs && serve->mdev) /* their sockets are beside the card's */
		medio_instance_set_vfs(medio_mdev_local_instance(serve->mdev), 0, NULL);
	if (serve->as)
		serve->as->stop(serve);
	if (serve->opened)
		medio_mdev_close(serve->mdev);
	forget_signals(signals);
	medio_catalog_fini(&serve->catalog);
	medio_serve_vfs_end(serve);
	json_object_put(serve->facts);
	json_object_put(serve->qemu);
}

static bool has_blank(const char *text)
{
	return strpbrk(text, " \t\n") != NULL;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct medio_serve_options *opts = options_;
	struct medio_serve serve = { .opts = opts };
	struct signals signals = { .serve = &serve, .fd = -1 };
	struct medio_error *err = NULL;
	if (opts->run && opts->socket && has_blank(opts->socket))
		return medio_command_usage(cmd,
			"'%s' has a blank in it; a shell would split $qemu_device there: choose "
			"another path",
			opts->socket);
	int ret = start(&serve, &signals, args, &err);
	if (ret) {
		/* What the user wrote is wrong, or the machine said no. */
		int code = ret == -EINVAL || ret == -EPROTO || ret == -ENAMETOOLONG
				   ? MEDIO_EXIT_USAGE
				   : MEDIO_EXIT_FAILURE;
		medio_command_fail(cmd, "%s", err ? medio_error_text(err) : strerror(-ret));
		medio_error_free(err);
		end(&serve, &signals);
		return code;
	}
	medio_serve_tell(&serve);
	serve.told = true;
	ret = medio_loop_run(serve.catalog.loop);
	if (ret)
		medio_command_fail(cmd, "waiting for clients: %s", strerror(-ret));
	end(&serve, &signals);
	if (serve.child.pid)
		return serve.child.status;
	return ret ? MEDIO_EXIT_FAILURE : MEDIO_EXIT_OK;
}

const struct medio_command medio_command_serve = {
	.name = "serve",
	.summary = "Serve one device to QEMU, DPDK, another client, or this machine's kernel",
	.arguments = "TYPE [NAME=VALUE…]",
	.min_args = 1,
	.max_args = 64,
	.options = options,
	.options_size = sizeof(struct medio_serve_options),
	.run = run,
};
