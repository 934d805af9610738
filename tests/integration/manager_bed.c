/* SPDX-License-Identifier: BSD-3-Clause */
#include "manager_bed.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/catalog.h"
#include "tools/plugin.h"

#define LIMIT_NS 120000000000u
#define SCRATCH	 7

const char *manager_bed_worker;

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -1; /* dir's own */

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void uuid_of(unsigned n, char text[37])
{
	snprintf(text, 37, "00000000-0000-4000-8000-%012u", n);
}

/* ---- Beginning and end ------------------------------------------------------------------------------ */

static void add(char *text, size_t size, const char *line)
{
	size_t len = strlen(text);

	snprintf(text + len, size - len, "%s\n", line);
}

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	struct manager_bed *bed = opaque;

	(void)level;
	add(bed->log, sizeof(bed->log), line);
}

static void on_event(void *opaque, const struct medio_mdev_event *event)
{
	struct manager_bed *bed = opaque;
	char line[256];

	snprintf(line, sizeof(line), "%s %s %s", medio_mdev_action_name(event->action),
		event->mdev ? medio_mdev_uuid(event->mdev) : "-", event->env ? event->env : "-");
	add(bed->events, sizeof(bed->events), line);
}

void manager_bed_folder(struct manager_bed *bed)
{
	memset(bed, 0, sizeof(*bed));
	bed->fds = count_fds();
	strcpy(bed->dir, "/tmp/medio-test-XXXXXX");
	assert_non_null(mkdtemp(bed->dir));
	assert_int_equal(chmod(bed->dir, 0755), 0);
}

/* By its address: arguments are evaluated in any order. */
static void must(int ret, struct medio_error *const *err)
{
	if (ret < 0)
		fail_msg("%s", medio_error_text(*err));
}

void manager_bed_start(struct manager_bed *bed, const char *spec)
{
	struct medio_mdev_subscriber *subscriber;
	struct medio_error *err = NULL;
	char name[64];

	bed->m = (struct medio_manager){
		.places = { strdup(bed->dir), strdup(bed->dir), strdup(manager_bed_worker) },
		.policy = { .uid = geteuid(), .group = (gid_t)-1 },
		.grace_ns = 30000000000u,
		.spares = 1,
		.log = on_log,
		.log_opaque = bed,
	};
	must(medio_manager_init(&bed->m, &err), &err);
	assert_int_equal(medio_bus_subscribe(bed->m.bus, on_event, bed, &subscriber), 0);
	must(medio_parents_set(&bed->m, medio_catalog_kinds, medio_catalog_num_kinds,
		     medio_tool_plugin_open, &spec, 1, &err),
		&err);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(spec, ","), spec);
	bed->parent = medio_bus_find_parent(bed->m.bus, name);
	assert_non_null(bed->parent);
	must(medio_managed_adopt(&bed->m, &err), &err);
}

void manager_bed_open(struct manager_bed *bed, const char *spec)
{
	manager_bed_folder(bed);
	manager_bed_start(bed, spec);
}

void manager_bed_stop(struct manager_bed *bed, bool leaving)
{
	medio_manager_fini(&bed->m, leaving);
}

void manager_bed_close(struct manager_bed *bed)
{
	uint64_t begin;
	int ret;

	manager_bed_stop(bed, false);
	/* Workers of a former manager in this process were its children. */
	begin = medio_now_ns();
	do
		ret = waitpid(-1, NULL, WNOHANG);
	while (ret >= 0 && medio_now_ns() - begin < LIMIT_NS / 4);
	assert_int_equal(ret, -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(rmdir(bed->dir), 0); /* it was empty */
	assert_int_equal(count_fds(), bed->fds);
}

void manager_bed_sweep(void)
{
	FILE *file = fopen("/proc/thread-self/children", "re");
	int pid;

	while (file && fscanf(file, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (file)
		fclose(file);
}

/* ---- Waiting ------------------------------------------------------------------------------------------ */

static void step(struct manager_bed *bed, uint64_t begin, const char *what)
{
	assert_true(medio_loop_run_once(bed->m.loop, 50) >= 0);
	if (medio_now_ns() - begin > LIMIT_NS)
		fail_msg("still waiting for %s. The log:\n%s", what, bed->log);
}

void manager_bed_until(struct manager_bed *bed, const volatile int *flag)
{
	uint64_t begin = medio_now_ns();

	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		step(bed, begin, "an answer");
}

void manager_bed_settle(struct manager_bed *bed)
{
	uint64_t begin = medio_now_ns();

	while (!medio_workers_settled(bed->m.workers))
		step(bed, begin, "rest");
}

void manager_bed_until_said(struct manager_bed *bed, const char *said, const char *text)
{
	uint64_t begin = medio_now_ns();

	while (!strstr(said, text))
		step(bed, begin, text);
}

void manager_bed_until_state(
	struct manager_bed *bed, const struct medio_managed *inst, const char *state)
{
	uint64_t begin = medio_now_ns();

	while (strcmp(medio_managed_state(inst), state) != 0)
		step(bed, begin, state);
}

struct outside {
	void (*fn)(void *opaque);
	void *opaque;
	int done;
	struct medio_loop *loop;
};

static void *run_outside(void *opaque)
{
	struct outside *outside = opaque;

	outside->fn(outside->opaque);
	__atomic_store_n(&outside->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

void manager_bed_outside(struct manager_bed *bed, void (*fn)(void *opaque), void *opaque)
{
	struct outside outside = { .fn = fn, .opaque = opaque };
	uint64_t begin = medio_now_ns();
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run_outside, &outside), 0);
	while (!__atomic_load_n(&outside.done, __ATOMIC_ACQUIRE)) {
		medio_loop_run_once(bed->m.loop, 1);
		if (medio_now_ns() - begin > LIMIT_NS)
			fail_msg("somebody outside waits for ever. The log:\n%s", bed->log);
	}
	pthread_join(thread, NULL);
}

/* ---- Instances ---------------------------------------------------------------------------------------- */

struct answer {
	int done, ret;
};

static void on_created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	struct answer *answer = opaque;

	(void)words;
	assert_int_equal(mdev != NULL, ret == 0);
	answer->ret = ret;
	answer->done = 1;
}

int manager_bed_try(
	struct manager_bed *bed, unsigned n, const char *type, const struct medio_creation *how)
{
	struct answer answer = { 0 };
	char uuid[37];

	uuid_of(n, uuid);
	medio_manager_create(&bed->m, bed->parent, medio_parent_find_type(bed->parent, type), uuid,
		36, how, on_created, &answer);
	manager_bed_until(bed, &answer.done);
	return answer.ret;
}

struct medio_managed *manager_bed_create(
	struct manager_bed *bed, unsigned n, const char *param, int restart)
{
	const struct medio_creation how = {
		.who = { .uid = geteuid(), .gid = getegid(), .pid = getpid() },
		.params = &param,
		.nparams = param ? 1 : 0,
		.restart = restart,
	};

	int ret = manager_bed_try(bed, n, "mtty-1", &how);
	if (ret)
		fail_msg("create: %s. The log:\n%s", strerror(-ret), bed->log);
	return manager_bed_find(bed, n);
}

struct medio_managed *manager_bed_find(struct manager_bed *bed, unsigned n)
{
	char uuid[37];

	uuid_of(n, uuid);
	struct medio_mdev *mdev = medio_bus_find_mdev(bed->m.bus, uuid, 36);
	return mdev ? medio_managed_of(mdev) : NULL;
}

static void on_done(void *opaque, int ret)
{
	struct answer *answer = opaque;

	answer->ret = ret;
	answer->done = 1;
}

void manager_bed_remove(struct manager_bed *bed, unsigned n)
{
	struct answer answer = { 0 };

	medio_manager_remove(
		&bed->m, manager_bed_find(bed, n)->mdev, NULL, false, on_done, &answer);
	manager_bed_until(bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_null(manager_bed_find(bed, n));
}

/* ---- Clients ------------------------------------------------------------------------------------------ */

struct request {
	char path[108];
	struct medio_card *card;
	bool write;
	uint8_t value;
	int ret;
};

static void open_card(void *opaque)
{
	struct request *request = opaque;
	struct medio_error *err = NULL;

	request->ret = medio_card_open(request->path, NULL, &request->card, &err);
	if (request->ret)
		fprintf(stderr, "%s\n", medio_error_text(err));
	medio_error_free(err);
}

struct medio_card *manager_bed_card(struct manager_bed *bed, unsigned n)
{
	struct request request = { 0 };

	snprintf(request.path, sizeof(request.path), "%s", manager_bed_find(bed, n)->socket);
	manager_bed_outside(bed, open_card, &request);
	assert_int_equal(request.ret, 0);
	return request.card;
}

static void use_card(void *opaque)
{
	struct request *request = opaque;

	request->ret = request->write ? medio_card_write8(request->card, MEDIO_CARD_BAR0, SCRATCH,
						request->value)
				      : medio_card_read8(request->card, MEDIO_CARD_BAR0, SCRATCH,
						&request->value);
}

int manager_bed_scratch(
	struct manager_bed *bed, struct medio_card *card, bool write, uint8_t *value)
{
	struct request request = { .card = card, .write = write, .value = *value };

	manager_bed_outside(bed, use_card, &request);
	*value = request.value;
	return request.ret;
}

static void close_card(void *opaque)
{
	medio_card_close(opaque);
}

void manager_bed_close_card(struct manager_bed *bed, struct medio_card *card)
{
	manager_bed_outside(bed, close_card, card);
}

int manager_bed_connect(struct manager_bed *bed, unsigned n)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct medio_managed *inst = manager_bed_find(bed, n);
	unsigned before = inst->num_clients;
	uint64_t begin = medio_now_ns();

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", inst->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	while (inst->num_clients == before)
		step(bed, begin, "a client to be accepted");
	return fd;
}
