/* SPDX-License-Identifier: BSD-3-Clause */
/* medio run: an unmodified VFIO or UIO program on devices of medio's. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "util/cleanup.h"
#include "util/error.h"

static const struct medio_option options[] = {
	{ "device", 'd', MEDIO_OPTION_LIST, offsetof(struct medio_run_options, devices),
		"TYPE[,NAME=VALUE…]",
		"A device for the program, of this type (medio types) and with these parameters; or "
		"one that is elsewhere, by its URI. uuid=UUID fixes its name, or bdf=0000:00:1e.0 "
		"makes it a PCI device with that address; as=uio binds it to uio_pci_generic "
		"instead of vfio-pci; map=shared|all says which BARs can be mapped. May be given "
		"several times" },
	{ "uuid", 'u', MEDIO_OPTION_LIST, offsetof(struct medio_run_options, uuids), "UUID",
		"An instance of a running mediod's, as a mediated device; may be given several "
		"times" },
	{ "filter", 'f', MEDIO_OPTION_LIST, offsetof(struct medio_run_options, filters),
		"NAME[:KEY=VALUE,…]",
		"Put a filter in front of each device that runs in this process; may be given "
		"several times" },
	{ "trace", 't', MEDIO_OPTION_FLAG, offsetof(struct medio_run_options, trace), NULL,
		"Tell in words what the program does with VFIO: containers, groups, memory, "
		"interrupts, accesses" },
	{ "output", 'o', MEDIO_OPTION_STRING, offsetof(struct medio_run_options, output), "FILE",
		"Write what --trace tells to FILE; to standard error if left out" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct medio_run_options, json), NULL,
		"With --trace: one JSON object a line" },
	{ "spapr", 0, MEDIO_OPTION_FLAG, offsetof(struct medio_run_options, spapr), NULL,
		"Containers have the IOMMU of POWER machines (sPAPR TCE) instead of type1" },
	{ "kernel-vfio", 'k', MEDIO_OPTION_FLAG, offsetof(struct medio_run_options, kernel), NULL,
		"No devices of medio's: watch what the program does with this machine's own VFIO, "
		"and tell it as --trace does" },
	{ "quiet", 'q', MEDIO_OPTION_FLAG, offsetof(struct medio_run_options, quiet), NULL,
		"Do not say where the devices are" },
	{ NULL },
};

/* Where signals arrive. */
struct signals {
	struct medio_run *run;
	struct medio_watch *watch;
	int fd;
	sigset_t before;
};

/* ---- Signals -------------------------------------------------------------------------------------- */

/* Those of the terminal the program has as well; the others are for it. When it has ended all mean us. */
static void on_signal(void *opaque, uint32_t events)
{
	const struct signals *signals = opaque;
	struct signalfd_siginfo info;

	(void)events;
	if (read(signals->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP ||
		medio_launch_has_ended(signals->run->compat))
		medio_launch_kill(signals->run->compat, (int)info.ssi_signo);
}

static int catch_signals(struct signals *signals, struct medio_error **err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &signals->before);
	signal(SIGPIPE, SIG_IGN);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd >= 0)
		signals->watch = medio_loop_watch(
			signals->run->loop, signals->fd, EPOLLIN, on_signal, signals);
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

/* ---- From start to end ------------------------------------------------------------------------------ */

/* What a shell would say. */
static int code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void on_ended(void *opaque, int status)
{
	struct medio_run *run = opaque;

	run->ended = true;
	run->status = code_of(status);
	medio_loop_stop(run->loop);
}

static void on_left(void *opaque)
{
	const struct medio_run *run = opaque;

	if (!run->opts->quiet)
		fputs("medio run: the program has ended; what it started and left behind has its devices until it "
		      "ends too (Ctrl-C: no longer)\n",
			stderr);
}

static int make_devices(struct medio_run *run, struct medio_error **err)
{
	int ret = 0;

	for (unsigned i = 0; i < run->opts->devices.count && !ret; i++)
		ret = medio_run_device(run, run->opts->devices.items[i], err);
	for (unsigned i = 0; i < run->opts->uuids.count && !ret; i++)
		ret = medio_run_instance(run, run->opts->uuids.items[i], err);
	return ret;
}

static int start(
	struct medio_run *run, struct signals *signals, char *const *argv, struct medio_error **err)
{
	int ret = medio_loop_new(&run->loop);

	if (ret == 0)
		ret = medio_loop_new(&run->devices);
	if (ret == 0)
		ret = medio_compat_new(run->loop, run->devices, &run->compat);
	if (ret)
		return medio_error_set(err, -ret, "cannot start: %s", strerror(-ret));
	medio_sysfs_begin(run->compat);
	run->compat->spapr = run->opts->spapr;
	ret = medio_run_story_open(run, err);
	if (ret == 0)
		ret = make_devices(run, err);
	if (ret == 0)
		ret = medio_sysfs_make(run->compat, err);
	if (ret == 0)
		ret = medio_run_tell(run);
	if (ret == 0)
		ret = catch_signals(signals, err);
	const struct medio_launch_options launch = {
		.argv = argv,
		.mask = &signals->before,
		.ended = on_ended,
		.left = on_left,
		.opaque = run,
	};
	return ret ? ret : medio_launch(run->compat, &launch, err);
}

static void end(struct medio_run *run, struct signals *signals)
{
	medio_compat_free(run->compat);
	medio_run_devices_free(run);
	forget_signals(signals);
	medio_run_story_close(run);
	medio_loop_free(run->devices);
	medio_loop_free(run->loop);
}

/* The kernel's own VFIO: nothing is made, only watched. */
static int watch(struct medio_run *run, char *const *argv, struct medio_error **err)
{
	int ret = medio_run_story_open(run, err);

	if (ret == 0)
		ret = medio_run_kernel(run, argv, err);
	medio_run_story_close(run);
	run->ended = ret == 0;
	run->status = code_of(run->status);
	return ret;
}

static int serve(struct medio_run *run, char *const *argv, struct medio_error **err)
{
	struct signals signals = { .run = run, .fd = -1 };
	int ret = start(run, &signals, argv, err);

	if (ret == 0) {
		ret = medio_loop_run(run->loop);
		if (ret)
			medio_error_set(err, -ret, "waiting for the program: %s", strerror(-ret));
	}
	end(run, &signals);
	return ret;
}

static int check(const struct medio_command *cmd, const struct medio_run_options *opts)
{
	const bool devices = opts->devices.count || opts->uuids.count;

	if (opts->kernel && (devices || opts->filters.count || opts->spapr))
		return medio_command_usage(cmd,
			"--kernel-vfio watches this machine's devices: it goes with --output and "
			"--json only");
	if (!opts->kernel && !devices)
		return medio_command_usage(cmd,
			"which device? Say --device TYPE (medio types lists them) or --uuid UUID "
			"(medio list)");
	if ((opts->json || opts->output) && !opts->trace)
		return medio_command_usage(
			cmd, "--%s goes with --trace", opts->json ? "json" : "output");
	return 0;
}

static int run_program(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct medio_run_options *opts = options_;
	struct medio_run run = { .opts = opts };
	struct medio_error *err = NULL;

	opts->trace |= opts->kernel;
	int ret = check(cmd, opts);
	if (ret)
		return ret;
	_cleanup_free_ char **argv = calloc(args->count + 1, sizeof(*argv));
	for (unsigned i = 0; argv && i < args->count; i++)
		argv[i] = (char *)args->items[i];
	if (!argv)
		return medio_command_fail(cmd, "out of memory");
	ret = opts->kernel ? watch(&run, argv, &err) : serve(&run, argv, &err);
	if (ret == 0)
		return run.ended ? run.status : MEDIO_EXIT_FAILURE;
	medio_command_fail(cmd, "%s", err ? medio_error_text(err) : strerror(-ret));
	medio_error_free(err);
	/* What the user wrote is wrong, or the machine said no. */
	return ret == -EINVAL || ret == -EPROTO ? MEDIO_EXIT_USAGE : MEDIO_EXIT_FAILURE;
}

const struct medio_command medio_command_run_program = {
	.name = "run",
	.summary = "Run an unmodified VFIO or UIO program on devices of medio's",
	.arguments = "[--] PROGRAM [ARGUMENT…]",
	.rest = true,
	.min_args = 1,
	.max_args = 4096,
	.options = options,
	.options_size = sizeof(struct medio_run_options),
	.run = run_program,
};
