/* SPDX-License-Identifier: BSD-3-Clause */
/* Instances in real worker processes, as mediod runs them. */
#include "manager_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MILLI 1000000ull

struct answer {
	int done, ret;
	char text[256];
};

static void on_done(void *opaque, int ret)
{
	struct answer *answer = opaque;

	answer->ret = ret;
	answer->done++;
}

static void on_text(void *opaque, ssize_t ret, const char *text)
{
	struct answer *answer = opaque;

	answer->ret = (int)ret;
	if (ret > 0 && text)
		snprintf(answer->text, sizeof(answer->text), "%.*s", (int)ret, text);
	answer->done++;
}

static int how_many_workers(const struct manager_bed *bed)
{
	struct medio_mdev *mdev = NULL;
	pid_t pids[64];
	int count = 0;

	while ((mdev = medio_bus_next_mdev(bed->m.bus, mdev))) {
		pid_t pid = medio_managed_pid(medio_managed_of(mdev), NULL);
		int i = 0;
		while (i < count && pids[i] != pid)
			i++;
		if (i == count)
			pids[count++] = pid;
	}
	return count;
}

/* ---- Come and go ---------------------------------------------------------------------------------------- */

static void test_each_instance_has_a_worker_and_a_socket_and_leaves_nothing(void **state)
{
	struct manager_bed bed;
	struct stat st;

	(void)state;
	manager_bed_open(&bed, "mtty");
	for (unsigned i = 0; i < 5; i++)
		manager_bed_create(&bed, i, NULL, -1);
	assert_int_equal(how_many_workers(&bed), 5);
	struct medio_managed *inst = manager_bed_find(&bed, 3);
	assert_int_equal(stat(inst->socket, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_string_equal(medio_managed_state(inst), "running");
	assert_non_null(inst->stats);
	for (unsigned i = 0; i < 5; i++)
		manager_bed_remove(&bed, i);
	manager_bed_settle(&bed);
	assert_int_equal(how_many_workers(&bed), 0);
	manager_bed_close(&bed);
}

static void test_instances_share_workers_up_to_what_their_parent_says(void **state)
{
	struct manager_bed bed;
	unsigned sharing;

	(void)state;
	manager_bed_open(&bed, "mtty,ports=100,per-worker=8");
	for (unsigned i = 0; i < 20; i++)
		manager_bed_create(&bed, i, NULL, -1);
	assert_int_equal(how_many_workers(&bed), 3);
	medio_managed_pid(manager_bed_find(&bed, 0), &sharing);
	assert_int_equal(sharing, 8);
	/* A slot that is free again is used again. */
	manager_bed_remove(&bed, 2);
	manager_bed_settle(&bed);
	manager_bed_create(&bed, 30, NULL, -1);
	manager_bed_create(&bed, 31, NULL, -1);
	assert_int_equal(how_many_workers(&bed), 3);
	manager_bed_close(&bed);
}

static void test_a_device_that_does_not_start_is_no_instance_and_says_why(void **state)
{
	const char *param = "port0=nonsense";
	const struct medio_creation how = {
		.who = { .uid = geteuid(), .gid = getegid() },
		.params = &param,
		.nparams = 1,
		.restart = -1,
	};
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	assert_int_equal(manager_bed_try(&bed, 1, "mtty-1", &how), -EINVAL);
	assert_null(manager_bed_find(&bed, 1));
	assert_non_null(strstr(bed.log, "nonsense"));
	manager_bed_create(&bed, 1, "port0=echo", -1);
	manager_bed_close(&bed);
}

static void test_who_may_not_create_or_remove_is_refused_and_logged(void **state)
{
	struct medio_creation how = { .who = { .uid = 65533, .gid = 65533 }, .restart = -1 };
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	assert_int_equal(manager_bed_try(&bed, 1, "mtty-1", &how), -EACCES);
	assert_non_null(strstr(bed.log, "may not create instances"));
	assert_non_null(strstr(bed.log, "uid 65533"));
	manager_bed_create(&bed, 1, NULL, -1);
	medio_manager_remove(
		&bed.m, manager_bed_find(&bed, 1)->mdev, &how.who, false, on_done, &answer);
	assert_int_equal(answer.done, 1);
	assert_int_equal(answer.ret, -EACCES);
	if (geteuid() == 0) { /* else nobody can be somebody else */
		struct stat st;
		how.permitted = true;
		assert_int_equal(manager_bed_try(&bed, 2, "mtty-1", &how), 0);
		assert_int_equal(stat(manager_bed_find(&bed, 2)->socket, &st), 0);
		assert_int_equal(st.st_uid, 65533);
	}
	manager_bed_close(&bed);
}

static void test_removed_before_it_has_started(void **state)
{
	struct medio_creation how = { .who = { .uid = geteuid(), .gid = getegid() },
		.restart = -1 };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	assert_int_equal(manager_bed_try(&bed, 1, "mtty-1", &how), 0);
	/* Its parent goes while another is being started. */
	struct medio_mdev_options opts = { .context = &how };
	struct medio_mdev *mdev;
	assert_int_equal(medio_mdev_create(bed.parent, medio_parent_find_type(bed.parent, "mtty-1"),
				 NULL, 0, &opts, &mdev, NULL),
		MEDIO_DEFERRED);
	assert_int_equal(
		medio_mdev_driver_unregister(bed.m.bus, &medio_mdev_worker, NULL, NULL), 0);
	manager_bed_settle(&bed);
	assert_null(manager_bed_find(&bed, 1)); /* it is there, but has no driver */
	manager_bed_close(&bed);
}

static void test_unbound_and_bound_again_it_is_as_it_was(void **state)
{
	struct medio_creation how = { .who = { .uid = 65533, .gid = 65533 },
		.permitted = true,
		.restart = MEDIO_RESTART_NEVER };
	struct manager_bed bed;

	(void)state;
	if (geteuid() != 0)
		skip();
	manager_bed_open(&bed, "mtty");
	assert_int_equal(manager_bed_try(&bed, 1, "mtty-1", &how), 0);
	struct medio_mdev *mdev = manager_bed_find(&bed, 1)->mdev;
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	manager_bed_settle(&bed);
	assert_null(medio_managed_of(mdev));
	struct answer answer = { 0 };
	assert_int_equal(medio_mdev_bind(mdev, on_done, &answer, NULL), MEDIO_DEFERRED);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(manager_bed_find(&bed, 1)->uid, 65533);
	assert_int_equal(manager_bed_find(&bed, 1)->restart, MEDIO_RESTART_NEVER);
	/* One that has no driver is removed too. */
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	manager_bed_close(&bed);
}

/* ---- Clients ---------------------------------------------------------------------------------------------- */

static void test_a_client_comes_uses_the_device_and_goes(void **state)
{
	struct manager_bed bed;
	uint8_t value = 0x5a;
	uid_t uid = 1;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	assert_int_equal(medio_managed_client(inst, NULL), 0);
	struct medio_card *card = manager_bed_card(&bed, 1);
	assert_int_equal(medio_managed_client(inst, &uid), getpid());
	assert_int_equal(uid, geteuid());
	assert_int_equal(medio_mdev_opens(inst->mdev), 1);
	assert_int_equal(manager_bed_scratch(&bed, card, true, &value), 0);
	value = 0;
	assert_int_equal(manager_bed_scratch(&bed, card, false, &value), 0);
	assert_int_equal(value, 0x5a);
	assert_true(inst->stats->messages > 0);
	manager_bed_close_card(&bed, card);
	while (medio_mdev_opens(inst->mdev))
		medio_loop_run_once(bed.m.loop, 50);
	/* And again. */
	manager_bed_close_card(&bed, manager_bed_card(&bed, 1));
	manager_bed_close(&bed);
}

static void test_connections_are_limited(void **state)
{
	struct manager_bed bed;
	int fds[64];
	char byte;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	/* The worker is asleep: it sends nobody away. */
	pid_t pid = medio_managed_pid(inst, NULL);
	kill(pid, SIGSTOP);
	for (int i = 0; i < 64; i++)
		fds[i] = manager_bed_connect(&bed, 1);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", inst->socket);
	int more = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(more, (struct sockaddr *)&addr, sizeof(addr)), 0);
	while (read(more, &byte, 1) < 0 && errno == EAGAIN)
		medio_loop_run_once(bed.m.loop, 50);
	assert_int_equal(read(more, &byte, 1), 0);
	assert_int_equal(inst->num_clients, 64);
	kill(pid, SIGCONT);
	close(more);
	for (int i = 0; i < 64; i++)
		close(fds[i]);
	while (inst->num_clients)
		medio_loop_run_once(bed.m.loop, 50);
	manager_bed_close(&bed);
}

/* Descriptor of the process's own copy of what listens at path; the test's manager is this process. */
static int find_listener(const char *path)
{
	struct sockaddr_un addr;

	for (int fd = 3; fd < 1024; fd++) {
		socklen_t len = sizeof(addr);
		memset(&addr, 0, sizeof(addr));
		if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 &&
			addr.sun_family == AF_UNIX && !strcmp(addr.sun_path, path))
			return fd;
	}
	return -1;
}

static void test_a_worker_that_makes_the_listener_block_is_killed(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_NEVER);
	/* The flag is the file's, whoever changes it. */
	int listener = find_listener(inst->socket);
	assert_true(listener >= 0);
	assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
	/* Without our looking, accepting costs a tick and no more. */
	assert_int_equal(accept(listener, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", inst->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	manager_bed_until_state(&bed, inst, "dead");
	assert_non_null(strstr(bed.log, "changed a socket that is not its own"));
	close(fd);
	manager_bed_close(&bed);
}

static void test_removal_of_one_in_use_asks_waits_and_takes_it_away(void **state)
{
	struct answer answer = { 0 }, second = { 0 };
	struct manager_bed bed;
	uint8_t value = 1;

	(void)state;
	manager_bed_open(&bed, "mtty");
	bed.m.grace_ns = 300 * MILLI;
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	struct medio_card *card = manager_bed_card(&bed, 1);
	uint64_t begin = medio_now_ns();
	medio_manager_remove(&bed.m, inst->mdev, NULL, false, on_done, &answer);
	assert_int_equal(answer.done, 0);
	assert_string_equal(medio_managed_state(inst), "removing");
	medio_manager_remove(&bed.m, inst->mdev, NULL, false, on_done, &second);
	assert_int_equal(second.ret, -EAGAIN);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_true(medio_now_ns() - begin >= 300 * MILLI);
	assert_true(manager_bed_scratch(&bed, card, false, &value) < 0);
	manager_bed_close_card(&bed, card);
	manager_bed_close(&bed);
}

static void test_who_is_in_a_hurry_does_not_wait_for_the_user(void **state)
{
	struct answer first = { 0 }, second = { 0 };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	int client = manager_bed_connect(&bed, 1);
	medio_manager_remove(&bed.m, inst->mdev, NULL, false, on_done, &first);
	medio_loop_run_once(bed.m.loop, 50);
	assert_int_equal(first.done, 0);
	medio_manager_remove(&bed.m, inst->mdev, NULL, true, on_done, &second);
	manager_bed_until(&bed, &first.done);
	manager_bed_until(&bed, &second.done);
	assert_int_equal(first.ret, 0);
	assert_int_equal(second.ret, 0);
	close(client);
	manager_bed_create(&bed, 1, NULL, -1);
	client = manager_bed_connect(&bed, 1);
	first.done = 0;
	medio_manager_remove(&bed.m, manager_bed_find(&bed, 1)->mdev, NULL, true, on_done, &first);
	manager_bed_until(&bed, &first.done);
	assert_int_equal(first.ret, 0);
	close(client);
	manager_bed_close(&bed);
}

static void test_a_worker_that_does_not_let_go_is_killed(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	int client = manager_bed_connect(&bed, 1);
	kill(medio_managed_pid(inst, NULL), SIGSTOP);
	medio_manager_remove(&bed.m, inst->mdev, NULL, true, on_done, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_non_null(strstr(bed.log, "did not let go"));
	close(client);
	manager_bed_close(&bed);
}

/* ---- Attributes and parameters ---------------------------------------------------------------------------- */

static void test_attributes_are_answered_by_the_worker(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	assert_int_equal(
		medio_mdev_attr_show(inst->mdev, "vendor/sample_mdev_dev", on_text, &answer), 0);
	manager_bed_until(&bed, &answer.done);
	assert_true(answer.ret > 0);
	assert_non_null(strstr(answer.text, "This is MDEV"));
	/* Its worker dies before it answers. */
	answer.done = 0;
	kill(medio_managed_pid(inst, NULL), SIGSTOP);
	assert_int_equal(
		medio_mdev_attr_show(inst->mdev, "vendor/sample_mdev_dev", on_text, &answer), 0);
	kill(medio_managed_pid(inst, NULL), SIGKILL);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, -ENODEV);
	manager_bed_until_state(&bed, inst, "running");
	manager_bed_close(&bed);
}

static void change_and_check(struct manager_bed *bed, unsigned n)
{
	struct medio_managed *inst = manager_bed_find(bed, n);
	struct answer answer = { 0 }, other = { 0 };
	pid_t before = medio_managed_pid(inst, NULL);

	medio_managed_set_param(inst, "port0", "null", on_done, &answer);
	assert_string_equal(medio_managed_state(inst), "changing");
	medio_managed_set_param(inst, "port0", "echo", on_done, &other);
	assert_int_equal(other.ret, -EAGAIN);
	manager_bed_until(bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_string_equal(medio_strv_value(&inst->params, "port0"), "null");
	assert_int_not_equal(medio_managed_pid(inst, NULL), before);
	/* One that cannot be: it stays as it is. */
	before = medio_managed_pid(inst, NULL);
	answer.done = 0;
	medio_managed_set_param(inst, "port0", "nonsense", on_done, &answer);
	manager_bed_until(bed, &answer.done);
	assert_int_equal(answer.ret, -EINVAL);
	assert_string_equal(medio_strv_value(&inst->params, "port0"), "null");
	assert_int_equal(medio_managed_pid(inst, NULL), before);
	/* Its socket is the one it was, and serves. */
	struct medio_card *card = manager_bed_card(bed, n);
	other.done = 0;
	medio_managed_set_param(inst, "port0", "echo", on_done, &other);
	assert_int_equal(other.ret, -EBUSY);
	manager_bed_close_card(bed, card);
}

static void test_a_parameter_changes_an_isolated_instance(void **state)
{
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	manager_bed_create(&bed, 1, NULL, -1);
	change_and_check(&bed, 1);
	manager_bed_close(&bed);
}

static void test_a_parameter_changes_one_instance_of_a_shared_worker(void **state)
{
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty,per-worker=4");
	for (unsigned i = 0; i < 3; i++)
		manager_bed_create(&bed, i, NULL, -1);
	pid_t before = medio_managed_pid(manager_bed_find(&bed, 0), NULL);
	change_and_check(&bed, 1);
	assert_int_equal(medio_managed_pid(manager_bed_find(&bed, 0), NULL), before);
	manager_bed_close(&bed);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void test_what_only_one_can_have_does_not_hinder_a_change(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;
	char plug[64], taken[64];

	(void)state;
	manager_bed_open(&bed, "mtty");
	snprintf(plug, sizeof(plug), "port0=unix:%s/port", bed.dir);
	snprintf(taken, sizeof(taken), "unix:%s/taken", bed.dir);
	struct medio_managed *inst = manager_bed_create(&bed, 1, plug, -1);
	pid_t before = medio_managed_pid(inst, NULL);
	/* The new one listens where the old one did. */
	medio_managed_set_param(inst, "port0", plug + strlen("port0="), on_done, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(inst->restarts, 0);
	assert_int_not_equal(medio_managed_pid(inst, NULL), before);
	manager_bed_settle(&bed);
	assert_int_equal(access(strchr(plug, '/'), F_OK), 0);
	manager_bed_close_card(&bed, manager_bed_card(&bed, 1));
	while (inst->num_clients)
		medio_loop_run_once(bed.m.loop, 50);
	/* Somebody else listens where it is to: the old one is begun again. */
	int fd = listen_at(strchr(taken, '/'));
	answer.done = 0;
	medio_managed_set_param(inst, "port0", taken, on_done, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, -EADDRINUSE);
	manager_bed_until_state(&bed, inst, "running");
	assert_string_equal(inst->params.items[0], plug);
	assert_int_equal(access(strchr(plug, '/'), F_OK), 0);
	manager_bed_close_card(&bed, manager_bed_card(&bed, 1));
	close(fd);
	unlink(strchr(taken, '/'));
	manager_bed_close(&bed);
}

static void test_what_was_asked_for_comes_before_our_own_ideas(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_RESET);
	/* As a definition has them, one behind the other. */
	assert_int_equal(medio_managed_set_restart(inst, MEDIO_RESTART_RESTORE), 0);
	assert_string_equal(medio_managed_state(inst), "changing");
	medio_managed_set_param(inst, "port0", "null", on_done, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_string_equal(medio_strv_value(&inst->params, "port0"), "null");
	assert_true(inst->checkpoint >= 0);
	manager_bed_settle(&bed);
	manager_bed_close_card(&bed, manager_bed_card(&bed, 1));
	manager_bed_close(&bed);
}

static void test_a_change_is_called_off_by_removal(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	medio_managed_set_param(inst, "port0", "null", on_done, &answer);
	manager_bed_remove(&bed, 1);
	assert_int_equal(answer.done, 1);
	assert_int_equal(answer.ret, -ENODEV);
	manager_bed_close(&bed);
}

static void test_the_mode_of_the_socket_and_its_owner_follow(void **state)
{
	struct manager_bed bed;
	struct stat st;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	assert_int_equal(medio_managed_set_mode(inst, 0660), 0);
	assert_int_equal(medio_managed_set_mode(inst, 01660), -EINVAL);
	assert_int_equal(stat(inst->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	if (geteuid() == 0) {
		assert_int_equal(medio_managed_set_owner(inst, 65533, 65532), 0);
		assert_int_equal(stat(inst->socket, &st), 0);
		assert_int_equal(st.st_uid, 65533);
		assert_int_equal(st.st_gid, 65532);
	}
	manager_bed_close(&bed);
}

/* ---- Death ------------------------------------------------------------------------------------------------ */

static void test_a_killed_worker_ends_its_clients_in_order_and_others_live(void **state)
{
	char bytes[100] = { 0 };
	struct manager_bed bed;
	uint8_t value = 0x33;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_RESET);
	struct medio_managed *other = manager_bed_create(&bed, 2, NULL, MEDIO_RESTART_RESET);
	struct medio_card *card = manager_bed_card(&bed, 2);
	pid_t other_pid = medio_managed_pid(other, NULL);
	int client = manager_bed_connect(&bed, 1);
	/* What the client has sent is not read any more: a plain close would reset it. */
	pid_t pid = medio_managed_pid(inst, NULL);
	kill(pid, SIGSTOP);
	assert_int_equal(write(client, bytes, sizeof(bytes)), sizeof(bytes));
	kill(pid, SIGKILL);
	manager_bed_until_said(&bed, bed.events, "MEDIO_WORKER=died:9");
	assert_int_equal(read(client, bytes, sizeof(bytes)), 0);
	close(client);
	assert_non_null(strstr(bed.log, "SIGKILL"));

	manager_bed_until_said(&bed, bed.events, "MEDIO_WORKER=restarted:reset");
	assert_int_equal(inst->restarts, 1);
	assert_null(inst->trouble);
	assert_int_not_equal(medio_managed_pid(inst, NULL), pid);
	manager_bed_close_card(&bed, manager_bed_card(&bed, 1));
	/* The other has noticed nothing. */
	assert_int_equal(medio_managed_pid(other, NULL), other_pid);
	assert_int_equal(manager_bed_scratch(&bed, card, true, &value), 0);
	manager_bed_close_card(&bed, card);
	manager_bed_close(&bed);
}

static void test_without_restart_a_dead_instance_waits_to_be_removed(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_NEVER);
	kill(medio_managed_pid(inst, NULL), SIGQUIT);
	manager_bed_until_said(&bed, bed.events, "MEDIO_WORKER=died:3");
	assert_string_equal(medio_managed_state(inst), "dead");
	assert_non_null(strstr(inst->trouble, "SIGQUIT"));
	assert_int_equal(medio_managed_pid(inst, NULL), 0);
	assert_null(inst->stats);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", inst->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	assert_int_equal(
		medio_mdev_attr_show(inst->mdev, "vendor/sample_mdev_dev", on_text, &answer),
		-ENODEV);
	/* A change makes it live again. */
	medio_managed_set_param(inst, "port0", "null", on_done, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	manager_bed_close_card(&bed, manager_bed_card(&bed, 1));
	manager_bed_remove(&bed, 1);
	manager_bed_close(&bed);
}

static void test_restore_begins_where_it_was(void **state)
{
	struct manager_bed bed;
	uint8_t value = 0x77;

	(void)state;
	manager_bed_open(&bed, "mtty,checkpoint=10ms");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_RESTORE);
	struct medio_card *card = manager_bed_card(&bed, 1);
	assert_int_equal(manager_bed_scratch(&bed, card, true, &value), 0);
	manager_bed_close_card(&bed, card);
	uint64_t begin = medio_now_ns();
	while (medio_now_ns() - begin < 200 * MILLI)
		medio_loop_run_once(bed.m.loop, 10);
	kill(medio_managed_pid(inst, NULL), SIGKILL);
	manager_bed_until_said(&bed, bed.events, "MEDIO_WORKER=restarted:restored");
	card = manager_bed_card(&bed, 1);
	value = 0;
	assert_int_equal(manager_bed_scratch(&bed, card, false, &value), 0);
	assert_int_equal(value, 0x77);
	manager_bed_close_card(&bed, card);
	manager_bed_close(&bed);
}

static void test_all_of_a_shared_worker_are_restarted(void **state)
{
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty,per-worker=10");
	for (unsigned i = 0; i < 10; i++)
		manager_bed_create(&bed, i, NULL, -1);
	pid_t pid = medio_managed_pid(manager_bed_find(&bed, 0), NULL);
	kill(pid, SIGKILL);
	manager_bed_until_said(&bed, bed.events, "MEDIO_WORKER=died:9");
	manager_bed_settle(&bed);
	for (unsigned i = 0; i < 10; i++) {
		assert_string_equal(medio_managed_state(manager_bed_find(&bed, i)), "running");
		assert_int_equal(manager_bed_find(&bed, i)->restarts, 1);
	}
	assert_int_equal(how_many_workers(&bed), 1);
	manager_bed_close(&bed);
}

static void test_what_dies_again_and_again_is_given_up(void **state)
{
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, MEDIO_RESTART_RESET);
	uint64_t begin = medio_now_ns();
	for (int i = 0; i < 4; i++) {
		manager_bed_until_state(&bed, inst, "running");
		kill(medio_managed_pid(inst, NULL), SIGKILL);
		while (inst->run)
			medio_loop_run_once(bed.m.loop, 50);
	}
	/* 0, 100, 200 ms before the restarts until here; 400 are to come. */
	assert_true(medio_now_ns() - begin >= 300 * MILLI);
	assert_string_equal(medio_managed_state(inst), "waiting");
	/* Removed while it waits. */
	manager_bed_remove(&bed, 1);
	manager_bed_close(&bed);
}

static void test_a_worker_that_does_not_stop_is_killed(void **state)
{
	struct manager_bed bed;

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 1, NULL, -1);
	kill(medio_managed_pid(inst, NULL), SIGSTOP);
	manager_bed_remove(&bed, 1);
	manager_bed_settle(&bed);
	assert_non_null(strstr(bed.log, "did not stop an instance within 5 s"));
	manager_bed_close(&bed);
}

/* ---- The folder --------------------------------------------------------------------------------------------- */

static struct medio_manager manager_in(const char *dir)
{
	return (struct medio_manager){
		.places = { strdup(dir), NULL, strdup(manager_bed_worker) },
		.policy = { .uid = geteuid(), .group = (gid_t)-1 },
	};
}

static void test_two_managers_never_share_a_folder(void **state)
{
	struct medio_error *err = NULL;
	struct manager_bed bed;
	char pid[16];

	(void)state;
	manager_bed_open(&bed, "mtty");
	struct medio_manager second = manager_in(bed.dir);
	assert_int_equal(medio_manager_init(&second, &err), -EADDRINUSE);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_non_null(strstr(medio_error_text(err), pid));
	medio_error_free(err);
	manager_bed_close(&bed);
}

static void test_folders_that_others_can_write_are_refused(void **state)
{
	struct medio_error *err = NULL;
	struct manager_bed bed;

	(void)state;
	manager_bed_folder(&bed);
	assert_int_equal(chmod(bed.dir, 0777), 0);
	struct medio_manager m = manager_in(bed.dir);
	assert_int_equal(medio_manager_init(&m, &err), -EPERM);
	medio_error_free(err);
	err = NULL;
	m = manager_in("/tmp/a-path-of-more-than-fifty-five-bytes-leaves-no-room-for-sockets");
	assert_int_equal(medio_manager_init(&m, &err), -ENAMETOOLONG);
	medio_error_free(err);
	assert_int_equal(rmdir(bed.dir), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_instance_has_a_worker_and_a_socket_and_leaves_nothing),
		cmocka_unit_test(test_instances_share_workers_up_to_what_their_parent_says),
		cmocka_unit_test(test_a_device_that_does_not_start_is_no_instance_and_says_why),
		cmocka_unit_test(test_who_may_not_create_or_remove_is_refused_and_logged),
		cmocka_unit_test(test_removed_before_it_has_started),
		cmocka_unit_test(test_unbound_and_bound_again_it_is_as_it_was),
		cmocka_unit_test(test_a_client_comes_uses_the_device_and_goes),
		cmocka_unit_test(test_connections_are_limited),
		cmocka_unit_test(test_a_worker_that_makes_the_listener_block_is_killed),
		cmocka_unit_test(test_removal_of_one_in_use_asks_waits_and_takes_it_away),
		cmocka_unit_test(test_who_is_in_a_hurry_does_not_wait_for_the_user),
		cmocka_unit_test(test_a_worker_that_does_not_let_go_is_killed),
		cmocka_unit_test(test_attributes_are_answered_by_the_worker),
		cmocka_unit_test(test_a_parameter_changes_an_isolated_instance),
		cmocka_unit_test(test_a_parameter_changes_one_instance_of_a_shared_worker),
		cmocka_unit_test(test_what_only_one_can_have_does_not_hinder_a_change),
		cmocka_unit_test(test_what_was_asked_for_comes_before_our_own_ideas),
		cmocka_unit_test(test_a_change_is_called_off_by_removal),
		cmocka_unit_test(test_the_mode_of_the_socket_and_its_owner_follow),
		cmocka_unit_test(test_a_killed_worker_ends_its_clients_in_order_and_others_live),
		cmocka_unit_test(test_without_restart_a_dead_instance_waits_to_be_removed),
		cmocka_unit_test(test_restore_begins_where_it_was),
		cmocka_unit_test(test_all_of_a_shared_worker_are_restarted),
		cmocka_unit_test(test_what_dies_again_and_again_is_given_up),
		cmocka_unit_test(test_a_worker_that_does_not_stop_is_killed),
		cmocka_unit_test(test_two_managers_never_share_a_folder),
		cmocka_unit_test(test_folders_that_others_can_write_are_refused),
	};

	manager_bed_worker = argc > 1 ? argv[1] : "medio-worker";
	signal(SIGPIPE, SIG_IGN);
	int ret = cmocka_run_group_tests(tests, NULL, NULL);
	manager_bed_sweep();
	return ret;
}
