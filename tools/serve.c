/* SPDX-License-Identifier: BSD-3-Clause */
/* medio serve: one device, in the foreground. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <medio/serve.h>

#include "catalog.h"
#include "child.h"
#include "command.h"
#include "filters/filters.h"
#include "json.h"
#include "manage/describe.h"
#include "text.h"
#include "util/cleanup.h"
#include "util/error.h"

struct options {
	struct medio_option_list filters;
	const char *socket, *run, *uuid;
	uint64_t max_xfer, poll_us, timeout_ms;
	bool once, json, quiet;
};

static const struct medio_option options[] = {
	{ "socket", 's', MEDIO_OPTION_STRING, offsetof(struct options, socket), "PATH",
		"Serve vfio-user at this unix socket; it is removed at the end. With --run it may "
		"be left out: a private one is made" },
	{ "run", 'r', MEDIO_OPTION_STRING, offsetof(struct options, run), "COMMAND",
		"Run COMMAND with sh and end when it ends, with its exit status. It finds $socket, "
		"$uuid, $uri (for medio's other commands) and $qemu_device (what QEMU needs) "
		"in its environment" },
	{ "filter", 'f', MEDIO_OPTION_LIST, offsetof(struct options, filters), "NAME[:KEY=VALUE,…]",
		"Put a filter in front of the device; may be given several times, the first "
		"is nearest to the client" },
	{ "uuid", 'u', MEDIO_OPTION_STRING, offsetof(struct options, uuid), "UUID",
		"The instance's UUID; a random one if left out" },
	{ "once", '1', MEDIO_OPTION_FLAG, offsetof(struct options, once), NULL,
		"End when the first client has left" },
	{ "poll", 'p', MEDIO_OPTION_UINT, offsetof(struct options, poll_us), "MICROSECONDS",
		"Spin this long for the next request before sleeping; buys latency with a core", 0,
		1000000000 },
	{ "max-xfer", 0, MEDIO_OPTION_UINT, offsetof(struct options, max_xfer), "BYTES",
		"Largest region access in one message; 1 MiB if left out", 4096, 64 << 20 },
	{ "timeout", 0, MEDIO_OPTION_UINT, offsetof(struct options, timeout_ms), "MILLISECONDS",
		"How long a client may take for its first message, or for the rest of one; 5000 if "
		"left out",
		1, 3600000 },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"When ready, print one JSON object with type, uuid, socket and qemu_device" },
	{ "quiet", 'q', MEDIO_OPTION_FLAG, offsetof(struct options, quiet), NULL,
		"Do not say that the device is ready" },
	{ NULL },
};

/* What one run of the command holds. */
struct serve {
	const struct medio_command *cmd;
	const struct options *opts;
	struct medio_catalog catalog;
	struct medio_mdev *mdev;
	struct medio_server *server;
	struct medio_child child;
	struct medio_watch *signals;
	int signal_fd;
	char *folder; /* private one of the socket, NULL: the user chose */
	char *socket;
	char *qemu_device;
};

static int out_of_memory(struct medio_error **err)
{
	return medio_error_set(err, ENOMEM, "out of memory");
}

/* ---- Signals -------------------------------------------------------------------------------------- */

static void on_signal(void *opaque, uint32_t events)
{
	struct serve *serve = opaque;
	struct signalfd_siginfo info;
	(void)events;
	if (read(serve->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	/* The terminal has sent it to the command too, which decides whether to end. */
	if (info.ssi_signo == SIGINT && serve->child.pid)
		return;
	medio_loop_stop(serve->catalog.loop);
}

static int catch_signals(struct serve *serve, struct medio_error **err)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	serve->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (serve->signal_fd >= 0)
		serve->signals = medio_loop_watch(
			serve->catalog.loop, serve->signal_fd, EPOLLIN, on_signal, serve);
	if (!serve->signals)
		return medio_error_set(err, errno, "cannot wait for signals: %s", strerror(errno));
	return 0;
}

/* ---- Where ------------------------------------------------------------------------------------------ */

static int choose_socket(struct serve *serve, struct medio_error **err)
{
	if (serve->opts->socket) {
		serve->socket = strdup(serve->opts->socket);
		return serve->socket ? 0 : out_of_memory(err);
	}
	const char *base = getenv("XDG_RUNTIME_DIR");
	if (!base || !*base || access(base, W_OK) < 0)
		base = "/tmp";
	if (asprintf(&serve->folder, "%s/medio-XXXXXX", base) < 0) {
		serve->folder = NULL;
		return out_of_memory(err);
	}
	if (!mkdtemp(serve->folder)) {
		int ret = medio_error_set(
			err, errno, "cannot make a folder in '%s': %s", base, strerror(errno));
		free(medio_steal_ptr(serve->folder));
		return ret;
	}
	if (asprintf(&serve->socket, "%s/vfio-user.sock", serve->folder) < 0) {
		serve->socket = NULL;
		return out_of_memory(err);
	}
	return 0;
}

/* ---- The device ---------------------------------------------------------------------------------------- */

static int make_device(
	struct serve *serve, const struct medio_option_list *args, struct medio_error **err)
{
	struct medio_parent *parent;
	const struct medio_type *type;
	struct medio_mdev_options opts = {
		.params = args->items + 1,
		.nparams = args->count - 1,
		.filters = serve->opts->filters.items,
		.nfilters = serve->opts->filters.count,
		.known_filters = medio_builtin_filters,
	};
	int ret = medio_catalog_find(&serve->catalog, args->items[0], &parent, &type, err);
	if (ret)
		return ret;
	const char *uuid = serve->opts->uuid;
	return medio_mdev_create(
		parent, type, uuid, uuid ? strlen(uuid) : 0, &opts, &serve->mdev, err);
}

static int start_server(struct serve *serve, struct medio_error **err)
{
	const struct options *opts = serve->opts;
	struct medio_server_options server = {
		.max_data_xfer = (uint32_t)opts->max_xfer,
		.client_timeout_ms = (unsigned)opts->timeout_ms,
		.once = opts->once,
	};
	medio_loop_set_poll(serve->catalog.loop, opts->poll_us * 1000);
	int ret = medio_server_new(medio_mdev_local_instance(serve->mdev), serve->socket, &server,
		&serve->server, err);
	if (ret == 0)
		medio_mdev_open(serve->mdev);
	return ret;
}

/* ---- The command to run ---------------------------------------------------------------------------------- */

static int start_child(struct serve *serve, struct medio_error **err)
{
	char *env[5] = { NULL };
	int ret = -ENOMEM;
	if (asprintf(&env[0], "socket=%s", serve->socket) >= 0 &&
		asprintf(&env[1], "uuid=%s", medio_mdev_uuid(serve->mdev)) >= 0 &&
		asprintf(&env[2], "uri=vfio-user:%s", serve->socket) >= 0 &&
		asprintf(&env[3], "qemu_device=%s", serve->qemu_device) >= 0)
		ret = medio_child_start(&serve->child, serve->catalog.loop, serve->opts->run, env);
	for (int i = 0; i < 4; i++)
		free(env[i]);
	return ret ? medio_error_set(err, -ret, "cannot run the command: %s", strerror(-ret)) : 0;
}

static void announce_qemu(const char *device)
{
	fprintf(stderr, "medio: for QEMU: ");
	medio_text_qemu(device, stderr);
	fprintf(stderr, "\nmedio: Ctrl-C ends it\n");
}

static void announce(const struct serve *serve)
{
	const struct medio_type *type = medio_mdev_type(serve->mdev);
	const char *uuid = medio_mdev_uuid(serve->mdev);
	if (serve->opts->json) {
		_cleanup_free_ char *path = medio_json_escape(serve->socket);
		_cleanup_free_ char *device = medio_json_escape(serve->qemu_device);
		printf("{\"type\":\"%s\",\"uuid\":\"%s\",\"socket\":%s,\"qemu_device\":%s}\n",
			type->name, uuid, path ? path : "null", device ? device : "null");
		fflush(stdout);
	} else if (!serve->opts->quiet && !serve->opts->run) {
		fprintf(stderr, "medio: %s (%s) %s is ready at %s\n", type->name, type->summary,
			uuid, serve->socket);
		if (isatty(STDERR_FILENO))
			announce_qemu(serve->qemu_device);
	}
}

/* ---- From start to end ------------------------------------------------------------------------------------ */

static int start(
	struct serve *serve, const struct medio_option_list *args, struct medio_error **err)
{
	int ret = make_device(serve, args, err);
	if (ret == 0)
		ret = choose_socket(serve, err);
	if (ret == 0 && !(serve->qemu_device = medio_describe_qemu(serve->socket)))
		ret = out_of_memory(err);
	if (ret == 0)
		ret = catch_signals(serve, err);
	if (ret == 0)
		ret = start_server(serve, err);
	if (ret == 0 && serve->opts->run)
		ret = start_child(serve, err);
	return ret;
}

static void end(struct serve *serve)
{
	medio_child_end(&serve->child);
	if (serve->server) {
		medio_server_free(serve->server);
		medio_mdev_close(serve->mdev);
	}
	medio_watch_free(serve->signals);
	if (serve->signal_fd >= 0)
		close(serve->signal_fd);
	medio_catalog_fini(&serve->catalog);
	if (serve->folder)
		rmdir(serve->folder);
	free(serve->folder);
	free(serve->socket);
	free(serve->qemu_device);
}

static bool has_blank(const char *text)
{
	return strpbrk(text, " \t\n") != NULL;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct serve serve = { .cmd = cmd, .opts = opts, .signal_fd = -1 };
	struct medio_error *err = NULL;
	if (!opts->socket && !opts->run)
		return medio_command_usage(
			cmd, "say where to serve with --socket PATH, or what to run with --run");
	if (opts->run && opts->socket && has_blank(opts->socket))
		return medio_command_usage(cmd,
			"'%s' has a blank in it; a shell would split $qemu_device there: choose "
			"another path",
			opts->socket);
	int ret = medio_catalog_init(&serve.catalog, &err);
	if (ret == 0)
		ret = start(&serve, args, &err);
	if (ret) {
		/* What the user wrote is wrong, or the machine said no. */
		int code = ret == -EINVAL || ret == -EPROTO || ret == -ENAMETOOLONG
				   ? MEDIO_EXIT_USAGE
				   : MEDIO_EXIT_FAILURE;
		medio_command_fail(cmd, "%s", err ? medio_error_text(err) : strerror(-ret));
		medio_error_free(err);
		end(&serve);
		return code;
	}
	announce(&serve);
	ret = medio_loop_run(serve.catalog.loop);
	if (ret)
		medio_command_fail(cmd, "waiting for clients: %s", strerror(-ret));
	end(&serve);
	if (serve.child.pid)
		return serve.child.status;
	return ret ? MEDIO_EXIT_FAILURE : MEDIO_EXIT_OK;
}

const struct medio_command medio_command_serve = {
	.name = "serve",
	.summary = "Serve one device to QEMU or any other vfio-user client",
	.arguments = "TYPE [NAME=VALUE…]",
	.min_args = 1,
	.max_args = 64,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
