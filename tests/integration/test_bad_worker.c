/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever a worker does (bad_worker.c), the manager goes on, keeps its time, and leaves nothing. What
 * becomes of the worker's own instances is no matter.
 */
#include "manager_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INSTANCES 6
#define ROUNDS	  12
/* None of the loop's turns may take that long: what a worker makes us wait for has no end. */
#define TURN_NS UINT64_C(20000000000)

static uint64_t slowest;

static void turn(struct manager_bed *bed, int ms)
{
	uint64_t begin = medio_now_ns();

	assert_true(medio_loop_run_once(bed->m.loop, ms) >= 0);
	uint64_t took = medio_now_ns() - begin;
	if (took > slowest)
		slowest = took;
}

static void turns(struct manager_bed *bed, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		turn(bed, 2);
}

static void on_created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	(void)opaque;
	(void)mdev;
	(void)ret;
	(void)words;
}

static void on_read(void *opaque, ssize_t ret, const char *text)
{
	(void)opaque;
	assert_true(ret <= 0 || text);
}

static void begin_instances(struct manager_bed *bed)
{
	const struct medio_creation how = {
		.who = { .uid = geteuid(), .gid = getegid(), .pid = getpid() },
		.restart = -1,
	};
	char uuid[37];

	for (unsigned n = 0; n < INSTANCES; n++) {
		snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012u", n);
		if (!medio_bus_find_mdev(bed->m.bus, uuid, 36))
			medio_manager_create(&bed->m, bed->parent,
				medio_parent_find_type(bed->parent, "mtty-1"), uuid, 36, &how,
				on_created, NULL);
	}
}

/* Whoever can be reached is connected to, and asked. */
static void use_instances(struct manager_bed *bed)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	for (unsigned n = 0; n < INSTANCES; n++) {
		struct medio_managed *inst = manager_bed_find(bed, n);
		if (!inst)
			continue;
		medio_mdev_attr_show(inst->mdev, "vendor/sample_mdev_dev", on_read, NULL);
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", inst->socket);
		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
			turns(bed, 2);
		close(fd);
	}
}

static void remove_instances(struct manager_bed *bed)
{
	struct medio_mdev *mdev = medio_bus_next_mdev(bed->m.bus, NULL), *next;

	for (; mdev; mdev = next) {
		next = medio_bus_next_mdev(bed->m.bus, mdev);
		medio_manager_remove(&bed->m, mdev, NULL, true, NULL, NULL);
	}
}

static void stand(const char *how, const char *spec)
{
	struct manager_bed bed;

	setenv("BAD_WORKER", how, 1);
	slowest = 0;
	manager_bed_open(&bed, spec);
	for (unsigned i = 0; i < ROUNDS; i++) {
		begin_instances(&bed);
		turns(&bed, 10);
		use_instances(&bed);
		turns(&bed, 10);
		if (i % 3 == 1)
			remove_instances(&bed);
		if (i % 4 == 3) {
			manager_bed_stop(&bed, true);
			manager_bed_start(&bed, spec);
		}
	}
	assert_true(slowest < TURN_NS);
	manager_bed_close(&bed);
}

static void test_messages_that_make_no_sense(void **state)
{
	(void)state;
	stand("junk", "mtty,ports=100");
	stand("junk", "mtty,ports=100,per-worker=3,restart=restore");
}

static void test_thousands_of_them(void **state)
{
	(void)state;
	stand("flood", "mtty,ports=100,per-worker=3");
}

static void test_an_end_at_any_message(void **state)
{
	(void)state;
	stand("quit", "mtty,ports=100");
	stand("quit", "mtty,ports=100,per-worker=3,restart=restore");
}

static void test_shared_sockets_that_block(void **state)
{
	(void)state;
	stand("block", "mtty,ports=100");
}

static void test_lies_to_the_next_manager(void **state)
{
	(void)state;
	stand("lie", "mtty,ports=100");
	stand("lie", "mtty,ports=100,per-worker=3");
}

static void test_no_word_on_clients_and_attributes(void **state)
{
	(void)state;
	stand("deaf", "mtty,ports=100");
}

static void on_answer(void *opaque, ssize_t ret, const char *text)
{
	int *answer = opaque;

	(void)text;
	*answer = (int)ret;
}

/* Who reads a file of the tree waits for that. */
static void test_an_attribute_that_is_never_told(void **state)
{
	struct manager_bed bed;
	int answer = 0;

	(void)state;
	setenv("BAD_WORKER", "deaf", 1);
	manager_bed_open(&bed, "mtty");
	struct medio_managed *inst = manager_bed_create(&bed, 0, NULL, MEDIO_RESTART_NEVER);
	assert_int_equal(
		medio_mdev_attr_show(inst->mdev, "vendor/sample_mdev_dev", on_answer, &answer), 0);
	manager_bed_until(&bed, &answer);
	assert_int_equal(answer, -ENODEV);
	assert_non_null(strstr(bed.log, "did not tell about an attribute"));
	/* Nor did it say that anything confines it. */
	assert_non_null(strstr(bed.log, "sandboxed without seccomp and Landlock"));
	manager_bed_close(&bed);
}

static int teardown(void **state)
{
	(void)state;
	manager_bed_sweep();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_messages_that_make_no_sense, teardown),
		cmocka_unit_test_teardown(test_thousands_of_them, teardown),
		cmocka_unit_test_teardown(test_an_end_at_any_message, teardown),
		cmocka_unit_test_teardown(test_shared_sockets_that_block, teardown),
		cmocka_unit_test_teardown(test_lies_to_the_next_manager, teardown),
		cmocka_unit_test_teardown(test_no_word_on_clients_and_attributes, teardown),
		cmocka_unit_test_teardown(test_an_attribute_that_is_never_told, teardown),
	};

	if (argc < 2)
		return 1;
	manager_bed_worker = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
