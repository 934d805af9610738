/* SPDX-License-Identifier: BSD-3-Clause */
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "manage/policy.h"

#define GROUP 4242

static const struct medio_policy policy = { .uid = 500, .group = GROUP };

static bool may(uid_t uid, gid_t gid, enum medio_right right, uid_t owner)
{
	const struct medio_who who = { .uid = uid, .gid = gid };

	return medio_policy_allows(&policy, &who, right, owner);
}

static void root_and_the_daemons_own_user_may_do_all(void **state)
{
	(void)state;
	for (int right = MEDIO_MAY_LOOK; right <= MEDIO_MAY_ADMINISTER; right++) {
		assert_true(may(0, 0, (enum medio_right)right, 1000));
		assert_true(may(500, 500, (enum medio_right)right, 1000));
	}
}

static void everybody_may_look(void **state)
{
	(void)state;
	assert_true(may(1000, 1000, MEDIO_MAY_LOOK, 0));
}

static void only_the_owner_may_change_also_among_members_of_the_group(void **state)
{
	(void)state;
	assert_true(may(1000, 1000, MEDIO_MAY_CHANGE, 1000));
	assert_false(may(1001, 1000, MEDIO_MAY_CHANGE, 1000));
	assert_false(may(1001, GROUP, MEDIO_MAY_CHANGE, 1000));
}

static void members_of_the_group_may_create_and_others_not(void **state)
{
	const struct medio_policy none = { .uid = 500, .group = (gid_t)-1 };
	const struct medio_who odd = { .uid = 1000, .gid = (gid_t)-1 };
	(void)state;

	assert_true(may(1000, GROUP, MEDIO_MAY_CREATE, 0));
	assert_false(may(1000, 1000, MEDIO_MAY_CREATE, 0));
	assert_false(medio_policy_allows(&none, &odd, MEDIO_MAY_CREATE, 0));
}

static void only_root_and_the_daemons_own_user_may_administer(void **state)
{
	(void)state;
	assert_false(may(1000, GROUP, MEDIO_MAY_ADMINISTER, 1000));
}

/* In a child, which may give up what it is. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int check_supplementary(void)
{
	const gid_t groups[] = { 17, GROUP, 65533 };
	struct medio_who who = { .uid = 1000, .gid = 1000, .pid = getpid() };

	if (setgroups(3, groups) || setgid(1000) || setuid(1000))
		return 99;
	if (!medio_policy_in_group(&who, GROUP) || !medio_policy_in_group(&who, 17) ||
		!medio_policy_in_group(&who, 65533))
		return 1;
	/* 424 is how 4242 begins. */
	if (medio_policy_in_group(&who, 424) || medio_policy_in_group(&who, 0))
		return 2;
	/* The number of the process now belongs to somebody else. */
	who.uid = 1001;
	if (medio_policy_in_group(&who, GROUP))
		return 3;
	return 0;
}

static void supplementary_groups_count_while_the_process_is_his(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(check_supplementary), 0);
}

static void a_process_that_has_gone_is_in_no_group(void **state)
{
	struct medio_who who = { .uid = 1000, .gid = 1000, .pid = 0 };
	(void)state;

	assert_false(medio_policy_in_group(&who, GROUP));
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	who.pid = pid;
	assert_false(medio_policy_in_group(&who, GROUP));
}

static void the_peer_of_a_socket_is_known(void **state)
{
	struct medio_who who;
	int socks[2];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	assert_int_equal(medio_policy_peer(socks[0], &who), 0);
	assert_int_equal(who.uid, geteuid());
	assert_int_equal(who.pid, getpid());
	close(socks[0]);
	close(socks[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_and_the_daemons_own_user_may_do_all),
		cmocka_unit_test(everybody_may_look),
		cmocka_unit_test(only_the_owner_may_change_also_among_members_of_the_group),
		cmocka_unit_test(members_of_the_group_may_create_and_others_not),
		cmocka_unit_test(only_root_and_the_daemons_own_user_may_administer),
		cmocka_unit_test(supplementary_groups_count_while_the_process_is_his),
		cmocka_unit_test(a_process_that_has_gone_is_in_no_group),
		cmocka_unit_test(the_peer_of_a_socket_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
