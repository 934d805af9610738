/* SPDX-License-Identifier: BSD-3-Clause */
/* What one manager leaves is another's: instances, their workers and clients. */
#include "manager_bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/catalog.h"
#include "util/cleanup.h"
#include "util/error.h"

#define MTTY	"mtty,ports=100,checkpoint=10ms"
#define SHARED	MTTY ",per-worker=4"
#define STRANGE "00000000-0000-4000-8000-00000000abcd"

/* What must be the same before and after. */
struct known {
	pid_t pid;
	int group;
	struct timespec created;
};

static struct known know(struct manager_bed *bed, unsigned n)
{
	struct medio_managed *inst = manager_bed_find(bed, n);

	assert_non_null(inst);
	return (struct known){ medio_managed_pid(inst, NULL), medio_mdev_group(inst->mdev),
		inst->created };
}

static void assert_same(struct manager_bed *bed, unsigned n, const struct known *before)
{
	struct known now = know(bed, n);

	assert_string_equal(medio_managed_state(manager_bed_find(bed, n)), "running");
	assert_int_equal(now.pid, before->pid);
	assert_int_equal(now.group, before->group);
	assert_int_equal(now.created.tv_sec, before->created.tv_sec);
	assert_int_equal(now.created.tv_nsec, before->created.tv_nsec);
}

/* The manager is replaced by another one, in this process. */
static void replace(struct manager_bed *bed, const char *spec)
{
	manager_bed_stop(bed, true);
	memset(bed->events, 0, sizeof(bed->events));
	manager_bed_start(bed, spec);
	manager_bed_settle(bed);
}

static char *path_in(const struct manager_bed *bed, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", bed->dir, name);
	return path;
}

static int count_workers(const struct manager_bed *bed)
{
	DIR *dir = opendir(path_in(bed, "workers"));
	const struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* ---- A manager that leaves --------------------------------------------------------------------------- */

static void test_instances_and_clients_outlive_a_manager_that_leaves(void **state)
{
	struct manager_bed bed;
	struct known before[3];
	uint8_t value = 0x42;

	(void)state;
	manager_bed_open(&bed, MTTY);
	for (unsigned i = 0; i < 3; i++)
		manager_bed_create(&bed, i, "port0=echo", MEDIO_RESTART_NEVER);
	manager_bed_remove(&bed, 0); /* group 0 is free, and stays so */
	for (unsigned i = 1; i < 3; i++)
		before[i] = know(&bed, i);
	struct medio_card *card = manager_bed_card(&bed, 2);
	assert_int_equal(manager_bed_scratch(&bed, card, true, &value), 0);
	manager_bed_settle(&bed);

	replace(&bed, MTTY);
	for (unsigned i = 1; i < 3; i++)
		assert_same(&bed, i, &before[i]);
	struct medio_managed *inst = manager_bed_find(&bed, 2);
	assert_int_equal(inst->num_clients, 1);
	assert_int_equal(medio_mdev_opens(inst->mdev), 1);
	assert_int_equal(medio_managed_client(inst, NULL), getpid());
	assert_string_equal(medio_strv_value(&inst->params, "port0"), "echo");
	assert_int_equal(inst->restart, MEDIO_RESTART_NEVER);
	assert_true(inst->stats->messages > 0);
	value = 0;
	assert_int_equal(manager_bed_scratch(&bed, card, false, &value), 0);
	assert_int_equal(value, 0x42);
	/* It is told when the client goes, and hands over the next. */
	manager_bed_close_card(&bed, card);
	while (inst->num_clients)
		medio_loop_run_once(bed.m.loop, 50);
	manager_bed_close_card(&bed, manager_bed_card(&bed, 2));
	/* Its death is told too. */
	kill(before[1].pid, SIGKILL);
	manager_bed_until_said(&bed, bed.events, "MEDIO_WORKER=died");
	manager_bed_close(&bed);
}

static void test_a_client_that_waits_for_the_next_manager_is_served(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, MTTY);
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", inst->socket);
	manager_bed_stop(&bed, true);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	manager_bed_start(&bed, MTTY);
	while (!manager_bed_find(&bed, 1) || !manager_bed_find(&bed, 1)->num_clients)
		medio_loop_run_once(bed.m.loop, 50);
	close(fd);
	manager_bed_close(&bed);
}

static void test_shared_workers_are_filled_up_by_the_next_manager(void **state)
{
	struct manager_bed bed;
	struct known before[6];

	(void)state;
	manager_bed_open(&bed, SHARED);
	for (unsigned i = 0; i < 6; i++)
		manager_bed_create(&bed, i, NULL, -1);
	for (unsigned i = 0; i < 6; i++)
		before[i] = know(&bed, i);
	replace(&bed, SHARED);
	for (unsigned i = 0; i < 6; i++)
		assert_same(&bed, i, &before[i]);
	manager_bed_create(&bed, 6, NULL, -1);
	manager_bed_create(&bed, 7, NULL, -1);
	assert_int_equal(know(&bed, 6).pid, before[5].pid);
	assert_int_equal(know(&bed, 7).pid, before[5].pid);
	manager_bed_remove(&bed, 0);
	manager_bed_settle(&bed);
	manager_bed_create(&bed, 8, NULL, -1);
	assert_int_equal(know(&bed, 8).pid, before[1].pid);
	manager_bed_close(&bed);
}

static void test_a_worker_stays_isolated_under_a_manager_that_shares(void **state)
{
	struct manager_bed bed;
	struct known before;

	(void)state;
	manager_bed_open(&bed, MTTY);
	manager_bed_create(&bed, 1, NULL, -1);
	before = know(&bed, 1);
	replace(&bed, SHARED);
	assert_same(&bed, 1, &before);
	manager_bed_create(&bed, 2, NULL, -1);
	assert_int_not_equal(know(&bed, 2).pid, before.pid);
	manager_bed_remove(&bed, 1);
	manager_bed_close(&bed);
}

static void test_a_checkpoint_is_handed_over(void **state)
{
	struct manager_bed bed;
	uint8_t value = 0x19;

	(void)state;
	manager_bed_open(&bed, MTTY);
	manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_RESTORE);
	struct medio_card *card = manager_bed_card(&bed, 1);
	assert_int_equal(manager_bed_scratch(&bed, card, true, &value), 0);
	uint64_t begin = medio_now_ns();
	while (medio_now_ns() - begin < 200000000)
		medio_loop_run_once(bed.m.loop, 10);
	replace(&bed, MTTY);
	kill(know(&bed, 1).pid, SIGKILL);
	manager_bed_until_said(&bed, bed.events, "MEDIO_WORKER=restarted:restored");
	manager_bed_close_card(&bed, card);
	card = manager_bed_card(&bed, 1);
	value = 0;
	assert_int_equal(manager_bed_scratch(&bed, card, false, &value), 0);
	assert_int_equal(value, 0x19);
	manager_bed_close_card(&bed, card);
	manager_bed_close(&bed);
}

static void test_a_changed_instance_is_what_it_was_changed_to(void **state)
{
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, MTTY);
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	medio_managed_set_param(inst, "port0", "null", NULL, NULL);
	manager_bed_until_state(&bed, inst, "running");
	assert_int_equal(medio_managed_set_mode(inst, 0666), 0);
	replace(&bed, MTTY);
	inst = manager_bed_find(&bed, 1);
	assert_string_equal(medio_strv_value(&inst->params, "port0"), "null");
	assert_int_equal(inst->mode, 0666);
	assert_int_equal(inst->restarts, 0);
	manager_bed_close(&bed);
}

/* ---- A manager that is killed ------------------------------------------------------------------------- */

/* In a child that is killed: n instances, and a client of ours at the first. */
static void run_and_be_killed(struct manager_bed *bed, const char *spec, unsigned n, int *client)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int told[2];
	char byte;

	assert_int_equal(pipe(told), 0);
	pid_t pid = fork();
	if (pid == 0) {
		manager_bed_start(bed, spec);
		for (unsigned i = 0; i < n; i++)
			manager_bed_create(bed, i, NULL, MEDIO_RESTART_RESET);
		if (write(told[1], "r", 1) != 1)
			_exit(1);
		while (!manager_bed_find(bed, 0)->num_clients)
			medio_loop_run_once(bed->m.loop, 50);
		if (write(told[1], "c", 1) != 1)
			_exit(1);
		for (;;)
			medio_loop_run_once(bed->m.loop, 50);
	}
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	snprintf(addr.sun_path, sizeof(addr.sun_path),
		"%s/00000000-0000-4000-8000-000000000000/vfio-user.sock", bed->dir);
	*client = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(*client, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(read(told[0], &byte, 1), 1);
	close(told[0]);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_instances_and_clients_outlive_a_manager_that_is_killed(void **state)
{
	struct manager_bed bed;
	int client;

	(void)state;
	manager_bed_folder(&bed);
	run_and_be_killed(&bed, MTTY, 4, &client);
	assert_true(count_workers(&bed) >= 4);
	manager_bed_start(&bed, MTTY);
	manager_bed_settle(&bed);
	for (unsigned i = 0; i < 4; i++) {
		struct medio_managed *inst = manager_bed_find(&bed, i);
		assert_non_null(inst);
		assert_string_equal(medio_managed_state(inst), "running");
		assert_int_equal(inst->restarts, 0);
		assert_true(medio_managed_pid(inst, NULL) > 0);
	}
	assert_int_equal(manager_bed_find(&bed, 0)->num_clients, 1);
	close(client);
	while (manager_bed_find(&bed, 0)->num_clients)
		medio_loop_run_once(bed.m.loop, 50);
	manager_bed_close(&bed);
}

static void test_workers_that_died_meanwhile_are_replaced_by_policy(void **state)
{
	struct manager_bed bed;
	struct known known[3];

	(void)state;
	manager_bed_open(&bed, MTTY);
	manager_bed_create(&bed, 0, NULL, MEDIO_RESTART_RESET);
	manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_NEVER);
	manager_bed_create(&bed, 2, NULL, MEDIO_RESTART_RESET);
	for (unsigned i = 0; i < 3; i++)
		known[i] = know(&bed, i);
	manager_bed_stop(&bed, true);
	for (unsigned i = 0; i < 2; i++) {
		kill(known[i].pid, SIGKILL);
		waitpid(known[i].pid, NULL, 0);
	}
	manager_bed_start(&bed, MTTY);
	manager_bed_settle(&bed);
	assert_string_equal(medio_managed_state(manager_bed_find(&bed, 0)), "running");
	assert_int_equal(manager_bed_find(&bed, 0)->restarts, 1);
	assert_int_equal(medio_mdev_group(manager_bed_find(&bed, 0)->mdev), known[0].group);
	assert_string_equal(medio_managed_state(manager_bed_find(&bed, 1)), "dead");
	assert_same(&bed, 2, &known[2]);
	manager_bed_close_card(&bed, manager_bed_card(&bed, 0));
	/* The record knows the new worker. */
	known[0] = know(&bed, 0);
	replace(&bed, MTTY);
	assert_same(&bed, 0, &known[0]);
	manager_bed_close(&bed);
}

static void test_a_worker_that_does_not_answer_is_killed_and_replaced(void **state)
{
	struct manager_bed bed;
	int client;

	(void)state;
	manager_bed_folder(&bed);
	run_and_be_killed(&bed, MTTY, 1, &client);
	/* Only mediod's place knows which process it is. */
	manager_bed_start(&bed, MTTY);
	manager_bed_settle(&bed);
	pid_t pid = know(&bed, 0).pid;
	manager_bed_stop(&bed, true);
	kill(pid, SIGSTOP);
	/* However many come and go before one has the time to notice. */
	for (unsigned i = 0; i < 16; i++) {
		manager_bed_start(&bed, MTTY);
		manager_bed_stop(&bed, true);
	}
	manager_bed_start(&bed, MTTY);
	manager_bed_settle(&bed);
	assert_non_null(strstr(bed.log, "did not tell within 2 s"));
	assert_int_not_equal(know(&bed, 0).pid, pid);
	assert_int_equal(kill(pid, 0), -1); /* it was init's, or ours by PR_SET_CHILD_SUBREAPER */
	close(client);
	manager_bed_close(&bed);
}

/* ---- What is nobody's ---------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void test_strays_are_cleared_away(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct manager_bed bed;
	pid_t pid;

	(void)state;
	manager_bed_open(&bed, MTTY);
	manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_RESET);
	manager_bed_create(&bed, 2, NULL, MEDIO_RESTART_RESET);
	pid = know(&bed, 2).pid;
	manager_bed_stop(&bed, true);
	/* A folder without a record. */
	assert_int_equal(mkdir(path_in(&bed, STRANGE), 0755), 0);
	write_file(path_in(&bed, STRANGE "/vfio-user.sock"), "");
	/* A worker whose instance has no record any more. */
	assert_int_equal(
		unlink(path_in(&bed, "00000000-0000-4000-8000-000000000002/instance.json")), 0);
	/* A socket that nobody answers. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/workers/0.sock", bed.dir);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);

	manager_bed_start(&bed, MTTY);
	manager_bed_settle(&bed);
	assert_non_null(manager_bed_find(&bed, 1));
	assert_null(manager_bed_find(&bed, 2));
	assert_int_equal(access(path_in(&bed, STRANGE), F_OK), -1);
	assert_int_equal(access(path_in(&bed, "00000000-0000-4000-8000-000000000002"), F_OK), -1);
	assert_int_equal(access(addr.sun_path, F_OK), -1);
	assert_true(waitpid(pid, NULL, WNOHANG) != 0); /* it has ended */
	manager_bed_close(&bed);
}

static void test_an_instance_is_not_given_to_another_worker(void **state)
{
	struct manager_bed bed;
	char text[2048];

	(void)state;
	manager_bed_open(&bed, MTTY);
	manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_RESET);
	pid_t pid = know(&bed, 1).pid;
	manager_bed_stop(&bed, true);
	/* By the record, another one ran it. */
	char *path = path_in(&bed, "00000000-0000-4000-8000-000000000001/instance.json");
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	char *name = strstr(text, "\"worker\":\"");
	assert_non_null(name);
	name[11] = name[11] == '0' ? '1' : '0';
	write_file(path, text);

	manager_bed_start(&bed, MTTY);
	manager_bed_settle(&bed);
	struct medio_managed *inst = manager_bed_find(&bed, 1);
	assert_string_equal(medio_managed_state(inst), "running");
	assert_int_not_equal(medio_managed_pid(inst, NULL), pid);
	assert_int_equal(inst->restarts, 1);
	manager_bed_close(&bed);
}

static void test_what_a_parent_has_no_room_for_is_left_to_a_later_manager(void **state)
{
	const struct medio_creation how = {
		.who = { .uid = geteuid(), .gid = getegid() },
		.restart = -1,
	};
	struct manager_bed bed;
	struct known before[4];

	(void)state;
	manager_bed_open(&bed, "mtty,ports=4");
	for (unsigned i = 0; i < 4; i++) {
		manager_bed_create(&bed, i, NULL, -1);
		before[i] = know(&bed, i);
	}
	replace(&bed, "mtty,ports=2");
	/* The oldest come first. */
	assert_same(&bed, 0, &before[0]);
	assert_same(&bed, 1, &before[1]);
	assert_null(manager_bed_find(&bed, 2));
	assert_null(manager_bed_find(&bed, 3));
	assert_non_null(strstr(bed.log, "is left as it is"));
	/* Its name is not free. */
	manager_bed_remove(&bed, 0);
	assert_int_equal(manager_bed_try(&bed, 2, "mtty-1", &how), -EEXIST);
	manager_bed_create(&bed, 0, NULL, -1);
	before[0] = know(&bed, 0);
	replace(&bed, "mtty,ports=4");
	for (unsigned i = 0; i < 4; i++)
		assert_same(&bed, i, &before[i]);
	/* One that ends for good ends them too, in order. */
	replace(&bed, "mtty,ports=2");
	manager_bed_close(&bed);
	assert_null(strstr(bed.log, "killed"));
}

/* In a process of its own, which cannot have its limit back: 0, or -errno of what it took over. */
static int adopt_with(struct manager_bed *bed, rlim_t files)
{
	const struct rlimit few = { files, files };
	struct medio_error *err = NULL;
	const char *spec = MTTY;
	int status;

	pid_t pid = fork();
	if (!pid) {
		bed->m = (struct medio_manager){
			.places = { strdup(bed->dir), strdup(bed->dir),
				strdup(manager_bed_worker) },
			.policy = { .uid = geteuid(), .group = (gid_t)-1 },
		};
		if (setrlimit(RLIMIT_NOFILE, &few) < 0 || medio_manager_init(&bed->m, &err) ||
			medio_parents_set(&bed->m, medio_catalog_kinds, medio_catalog_num_kinds,
				NULL, &spec, 1, &err))
			_exit(255);
		int ret = medio_managed_adopt(&bed->m, &err);
		medio_manager_fini(&bed->m, true);
		_exit(ret < 0 ? -ret : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void test_a_manager_with_too_few_descriptors_leaves_all_as_it_is(void **state)
{
	struct known known[8];
	struct manager_bed bed;

	(void)state;
	manager_bed_folder(&bed);
	/* Few are enough for none. */
	assert_int_equal(adopt_with(&bed, 40), 0);
	manager_bed_start(&bed, MTTY);
	for (unsigned i = 0; i < 8; i++) {
		manager_bed_create(&bed, i, NULL, MEDIO_RESTART_RESTORE);
		known[i] = know(&bed, i);
	}
	manager_bed_stop(&bed, true);
	/* It could not hold what it is given; it cannot even ask all of them. */
	assert_int_equal(adopt_with(&bed, 90), -EMFILE);
	assert_int_equal(adopt_with(&bed, 20), -EMFILE);
	manager_bed_start(&bed, MTTY);
	manager_bed_settle(&bed);
	for (unsigned i = 0; i < 8; i++)
		assert_same(&bed, i, &known[i]);
	manager_bed_close(&bed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instances_and_clients_outlive_a_manager_that_leaves),
		cmocka_unit_test(test_a_client_that_waits_for_the_next_manager_is_served),
		cmocka_unit_test(test_shared_workers_are_filled_up_by_the_next_manager),
		cmocka_unit_test(test_a_worker_stays_isolated_under_a_manager_that_shares),
		cmocka_unit_test(test_a_checkpoint_is_handed_over),
		cmocka_unit_test(test_a_changed_instance_is_what_it_was_changed_to),
		cmocka_unit_test(test_instances_and_clients_outlive_a_manager_that_is_killed),
		cmocka_unit_test(test_workers_that_died_meanwhile_are_replaced_by_policy),
		cmocka_unit_test(test_a_worker_that_does_not_answer_is_killed_and_replaced),
		cmocka_unit_test(test_strays_are_cleared_away),
		cmocka_unit_test(test_an_instance_is_not_given_to_another_worker),
		cmocka_unit_test(test_a_manager_with_too_few_descriptors_leaves_all_as_it_is),
		cmocka_unit_test(test_what_a_parent_has_no_room_for_is_left_to_a_later_manager),
	};

	manager_bed_worker = argc > 1 ? argv[1] : "medio-worker";
	signal(SIGPIPE, SIG_IGN);
	/* Workers of a manager that was killed come to us, so that none is left unseen. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	int ret = cmocka_run_group_tests(tests, NULL, NULL);
	manager_bed_sweep();
	return ret;
}
