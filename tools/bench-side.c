/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench-side.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench-card.h"
#include "catalog.h"
#include "util/cleanup.h"
#include "util/error.h"

void medio_side_pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- In the process -------------------------------------------------------------------------------- */

/* What a process serves: at sockets that it is given, or at paths in a folder. */
struct job {
	const struct medio_side_plan *plan;
	const char *type; /* the plan's, or what is in front */
	const int *fds;	  /* NULL: folder */
	const char *folder;
	bool front; /* instance n is given the one that is served in folder */
	struct medio_stats *stats;
	struct medio_loop *loop;
	struct medio_instance *instances[SIDE_MAX];
	struct medio_server *servers[SIDE_MAX];
};

static void no_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static int serve(struct job *job, struct medio_instance *inst, unsigned n, struct medio_error **err)
{
	const struct medio_server_options opts = { .client_timeout_ms = SIDE_PATIENCE_MS };
	char path[64];

	if (job->fds)
		return medio_server_new_fd(inst, job->fds[n], &opts, &job->servers[n], err);
	snprintf(path, sizeof(path), "%s/%u", job->folder, n);
	return medio_server_new(inst, path, &opts, &job->servers[n], err);
}

static int find_type(const struct job *job, const struct medio_type **out, struct medio_error **err)
{
	*out = &medio_bench_frames;
	return job->type ? medio_catalog_type(job->type, out, err) : 0;
}

static unsigned count_of(const char *const *params)
{
	unsigned n = 0;

	while (params && params[n])
		n++;
	return n;
}

static int make_instances(struct job *job, const struct medio_type *type, struct medio_error **err)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < job->plan->count; i++) {
		char device[80];
		const char *const front[] = { device, "timeout=60s" };
		struct medio_instance_options opts = { .log = no_log, .stats = &job->stats[i] };
		opts.params = job->front ? front : job->plan->params;
		opts.nparams = job->front ? MEDIO_ARRAY_SIZE(front) : count_of(opts.params);
		snprintf(device, sizeof(device), "device=vfio-user:%s/%u", job->folder, i);
		ret = medio_instance_new(job->loop, type, &opts, &job->instances[i], err);
		if (!ret)
			ret = serve(job, job->instances[i], i, err);
	}
	return ret;
}

static void vf_options(void *opaque, unsigned index, struct medio_instance_options *opts)
{
	const struct job *job = opaque;

	if (index < job->plan->count)
		opts->stats = &job->stats[index + 1];
}

static void on_vf(void *opaque, struct medio_instance *vf, unsigned index, bool present)
{
	struct job *job = opaque;
	struct medio_error *err = NULL;

	if (index >= job->plan->count)
		return;
	if (present) {
		serve(job, vf, index, &err);
	} else {
		medio_server_free(job->servers[index]);
		job->servers[index] = NULL;
	}
	medio_error_free(err);
}

/* One card, and its virtual functions. */
static int make_vfs(struct job *job, const struct medio_type *type, struct medio_error **err)
{
	const struct medio_instance_options opts = {
		.log = no_log,
		.stats = &job->stats[0],
		.params = job->plan->params,
		.nparams = count_of(job->plan->params),
		.vf_options = vf_options,
		.vf = on_vf,
		.vf_opaque = job,
	};
	int ret = medio_instance_new(job->loop, type, &opts, &job->instances[0], err);

	return ret ? ret : medio_instance_set_vfs(job->instances[0], job->plan->count, err);
}

static void on_control(void *opaque, uint32_t events)
{
	(void)events;
	medio_loop_stop(opaque);
}

static void end(struct job *job)
{
	for (unsigned i = 0; i < SIDE_MAX && !job->plan->vfs; i++)
		medio_server_free(job->servers[i]);
	for (unsigned i = 0; i < SIDE_MAX; i++)
		medio_instance_free(job->instances[i]);
	medio_loop_free(job->loop);
}

/* Says "" to control when all are there, else why not; then serves until control is closed. */
static void process(struct job *job, int control)
{
	const struct medio_type *type;
	struct medio_watch *watch = NULL;
	struct medio_error *err = NULL;
	const char *words = "";
	int ret = medio_loop_new(&job->loop);

	if (!ret)
		ret = find_type(job, &type, &err);
	if (!ret)
		ret = job->plan->vfs ? make_vfs(job, type, &err) : make_instances(job, type, &err);
	if (!ret)
		watch = medio_loop_watch(job->loop, control, EPOLLIN, on_control, job->loop);
	if (ret)
		words = err ? medio_error_text(err) : strerror(-ret);
	if (write(control, words, strlen(words) + 1) > 0 && watch)
		medio_loop_run(job->loop);
	medio_watch_free(watch);
	medio_error_free(err);
	end(job);
}

/* ---- In this program ------------------------------------------------------------------------------- */

static int fail(char words[SIDE_WORDS], int ret, const char *what)
{
	snprintf(words, SIDE_WORDS, "%s: %s", what, strerror(-ret));
	return ret;
}

static int hear(int control, char words[SIDE_WORDS])
{
	ssize_t n = read(control, words, SIDE_WORDS - 1);

	words[n > 0 ? n : 0] = 0;
	if (n <= 0)
		snprintf(words, SIDE_WORDS, "the device's process ended");
	return *words ? -EIO : 0;
}

/* mine: the other ends of job's sockets, which the process must not hold open. */
static int start_part(struct medio_side *side, struct job *job, char words[SIDE_WORDS])
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(words, -errno, "a socket");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_IGN); /* the terminal's: this program stops us */
		close(pair[0]);
		for (unsigned i = 0; i < side->num_parts; i++)
			close(side->parts[i].control);
		for (unsigned i = 0; i < job->plan->count && side->fds[i] >= 0; i++)
			close(side->fds[i]);
		medio_side_pin(job->plan->cpu);
		process(job, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return fail(words, -errno, "a process");
	}
	side->parts[side->num_parts].pid = pid;
	side->parts[side->num_parts++].control = pair[0];
	return hear(pair[0], words);
}

static int share_stats(struct medio_side *side, unsigned count, char words[SIDE_WORDS])
{
	void *stats = mmap(NULL, count * sizeof(*side->stats), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (stats == MAP_FAILED)
		return fail(words, -errno, "memory");
	side->stats = stats;
	side->num_stats = count;
	return 0;
}

/* The card behind, at paths. */
static int start_behind(
	struct medio_side *side, const struct medio_side_plan *plan, char words[SIDE_WORDS])
{
	struct job job = { .plan = plan, .type = plan->type, .stats = side->stats };

	snprintf(side->folder, sizeof(side->folder), "/tmp/medio-bench-XXXXXX");
	if (!mkdtemp(side->folder)) {
		side->folder[0] = 0;
		return fail(words, -errno, "a folder for sockets");
	}
	job.folder = side->folder;
	return start_part(side, &job, words);
}

static int make_sockets(struct medio_side *side, int *theirs, char words[SIDE_WORDS])
{
	for (unsigned i = 0; i < side->count; i++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return fail(words, -errno, "sockets for clients");
		side->fds[i] = pair[0];
		theirs[i] = pair[1];
	}
	return 0;
}

int medio_side_start(
	struct medio_side *side, const struct medio_side_plan *plan, char words[SIDE_WORDS])
{
	int theirs[SIDE_MAX];

	memset(side, 0, sizeof(*side));
	side->count = plan->count;
	for (unsigned i = 0; i < SIDE_MAX; i++)
		side->fds[i] = theirs[i] = -1;
	int ret = share_stats(side, 2 * SIDE_MAX, words);
	if (!ret && plan->through)
		ret = start_behind(side, plan, words);
	if (!ret)
		ret = make_sockets(side, theirs, words);
	struct job job = {
		.plan = plan,
		.type = plan->through ? "passthrough" : plan->type,
		.fds = theirs,
		.folder = side->folder,
		.front = plan->through,
		.stats = side->stats + (plan->through ? SIDE_MAX : 0),
	};
	if (!ret)
		ret = start_part(side, &job, words);
	for (unsigned i = 0; i < SIDE_MAX; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	if (ret)
		medio_side_stop(side);
	return ret;
}

static void remove_folder(const char *folder)
{
	char path[64];

	for (unsigned i = 0; i < SIDE_MAX; i++) {
		snprintf(path, sizeof(path), "%s/%u", folder, i);
		unlink(path);
	}
	rmdir(folder);
}

void medio_side_hang_up(struct medio_side *side)
{
	for (unsigned i = 0; i < side->count; i++) {
		if (side->fds[i] >= 0)
			close(side->fds[i]);
		side->fds[i] = -1;
	}
	/* First what is in front: it is the other's client. */
	for (unsigned i = side->num_parts; i--;) {
		if (side->parts[i].control >= 0)
			close(side->parts[i].control);
		side->parts[i].control = -1;
	}
}

void medio_side_stop(struct medio_side *side)
{
	medio_side_hang_up(side);
	for (unsigned i = side->num_parts; i--;)
		while (waitpid(side->parts[i].pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (side->stats)
		munmap(side->stats, side->num_stats * sizeof(*side->stats));
	if (side->folder[0])
		remove_folder(side->folder);
	memset(side, 0, sizeof(*side));
}

/* ---- What it costs --------------------------------------------------------------------------------- */

uint64_t medio_side_messages(const struct medio_side *side)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < side->num_stats; i++)
		sum += __atomic_load_n(&side->stats[i].messages, __ATOMIC_RELAXED);
	return sum;
}

uint64_t medio_side_cpu_ns(const struct medio_side *side)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < side->num_parts; i++) {
		struct timespec t;
		clockid_t clock;
		if (!clock_getcpuclockid(side->parts[i].pid, &clock) && !clock_gettime(clock, &t))
			sum += (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
	}
	return sum;
}

uint64_t medio_side_resident(const struct medio_side *side)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < side->num_parts; i++) {
		unsigned long size, pages = 0;
		char path[40];
		snprintf(path, sizeof(path), "/proc/%d/statm", (int)side->parts[i].pid);
		FILE *file = fopen(path, "re");
		if (file && fscanf(file, "%lu %lu", &size, &pages) == 2)
			sum += (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
		if (file)
			fclose(file);
	}
	return sum;
}
