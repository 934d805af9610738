/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions of a card in a real worker: the card is vfcard.c, a plug-in. */
#include "manager_bed.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "manage/functions.h"
#include "manage/run.h"
#include "worker/shared.h"

static const char *module; /* vfcard.so */

struct answer {
	int done, ret;
};

static void on_done(void *opaque, int ret)
{
	struct answer *answer = opaque;

	answer->ret = ret;
	answer->done = 1;
}

/* ---- A card ------------------------------------------------------------------------------------------- */

static void open_bed(struct manager_bed *bed, const char *more)
{
	char spec[512];

	snprintf(spec, sizeof(spec), "vfcard,plugin=%s,checkpoint=5ms%s%s", module,
		*more ? "," : "", more);
	manager_bed_open(bed, spec);
}

static struct medio_managed *make_card(struct manager_bed *bed, const char *param, int restart)
{
	const struct medio_creation how = {
		.who = { .uid = geteuid(), .gid = getegid(), .pid = getpid() },
		.params = &param,
		.nparams = param ? 1 : 0,
		.restart = restart,
	};

	assert_int_equal(manager_bed_try(bed, 1, "vfcard", &how), 0);
	return manager_bed_find(bed, 1);
}

static int set(struct manager_bed *bed, struct medio_managed *card, unsigned num)
{
	struct answer answer = { 0 };

	medio_functions_set(card, num, on_done, &answer);
	manager_bed_until(bed, &answer.done);
	return answer.ret;
}

static struct medio_managed *vf_of(const struct medio_managed *card, unsigned n)
{
	struct medio_mdev *vf = medio_mdev_vf(card->mdev, n);

	return vf ? medio_managed_of(vf) : NULL;
}

static void until_vfs(struct manager_bed *bed, unsigned num)
{
	uint64_t begin = medio_now_ns();
	bool ready = false;

	while (!ready) {
		const struct medio_managed *card = manager_bed_find(bed, 1);
		ready = card && card->run && medio_functions_num(card) == num &&
			medio_mdev_num_vfs(card->mdev) == num;
		for (unsigned n = 0; ready && n < num; n++)
			ready = vf_of(card, n) && vf_of(card, n)->run;
		medio_loop_run_once(bed->m.loop, 20);
		if (medio_now_ns() - begin > 120000000000u)
			fail_msg("still waiting for %u VFs. The log:\n%s", num, bed->log);
	}
}

/* ---- A driver, outside ----------------------------------------------------------------------------------- */

struct driver {
	const char *path;
	struct medio_card *card;
	uint64_t offset;
	uint32_t value;
	unsigned size;
	bool write, config;
	int ret;
};

static void open_driver(void *opaque)
{
	struct driver *driver = opaque;

	driver->ret = medio_card_open(driver->path, NULL, &driver->card, NULL);
}

static struct medio_card *drive(struct manager_bed *bed, const struct medio_managed *inst)
{
	struct driver driver = { .path = inst->socket };

	manager_bed_outside(bed, open_driver, &driver);
	assert_int_equal(driver.ret, 0);
	return driver.card;
}

static void access_card(void *opaque)
{
	struct driver *driver = opaque;
	unsigned region = driver->config ? MEDIO_CARD_CONFIG : MEDIO_CARD_BAR0;

	driver->ret = driver->write ? medio_card_write(driver->card, region, driver->offset,
					      &driver->value, driver->size)
				    : medio_card_read(driver->card, region, driver->offset,
					      &driver->value, driver->size);
}

static int scratch(struct manager_bed *bed, struct medio_card *card, bool write, uint32_t *value)
{
	struct driver driver = { .card = card, .write = write, .value = *value, .size = 4 };

	manager_bed_outside(bed, access_card, &driver);
	*value = driver.value;
	return driver.ret;
}

static uint32_t config(struct manager_bed *bed, struct medio_card *card, uint64_t offset,
	unsigned size, bool write, uint32_t value)
{
	struct driver driver = { .card = card,
		.config = true,
		.offset = offset,
		.size = size,
		.write = write,
		.value = value };

	manager_bed_outside(bed, access_card, &driver);
	assert_int_equal(driver.ret, 0);
	return driver.value;
}

/* PCI Express 9.3.3: the capability has ID 0x10. */
static uint64_t find_sriov(struct manager_bed *bed, struct medio_card *card)
{
	uint64_t at = 0x100;

	while (at) {
		uint32_t head = config(bed, card, at, 4, false, 0);
		if ((head & 0xffff) == 0x10)
			return at;
		at = head >> 20;
	}
	fail_msg("no SR-IOV capability");
	return 0;
}

#define CONTROL 0x08
#define NUM_VFS 0x10
#define ENABLE	(1u | 1u << 3) /* VF Enable, VF MSE */

/* ---- Tests --------------------------------------------------------------------------------------------- */

static void test_a_number_is_set_with_the_kernels_errno(void **state)
{
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *card = make_card(&bed, NULL, -1);
	assert_non_null(medio_functions_of(card));
	assert_int_equal(set(&bed, card, 9), -ERANGE);
	assert_int_equal(set(&bed, card, 0), 0);
	assert_int_equal(set(&bed, card, 3), 0);
	assert_int_equal(medio_mdev_num_vfs(card->mdev), 3);
	for (unsigned n = 0; n < 3; n++) {
		assert_string_equal(medio_managed_state(vf_of(card, n)), "running");
		assert_int_equal(
			medio_managed_pid(vf_of(card, n), NULL), medio_managed_pid(card, NULL));
		assert_non_null(vf_of(card, n)->stats);
	}
	assert_int_equal(set(&bed, card, 3), 0);
	assert_int_equal(set(&bed, card, 4), -EBUSY);
	assert_int_equal(set(&bed, card, 0), 0);
	assert_int_equal(medio_mdev_num_vfs(card->mdev), 0);
	manager_bed_close(&bed);
}

static void test_text_is_read_as_kstrtou16_does(void **state)
{
	static const struct {
		const char *text;
		int ret;
		unsigned num;
	} cases[] = {
		{ "0", 0, 0 },
		{ "8", 0, 8 },
		{ "+8", 0, 8 },
		{ "0x1f", 0, 31 },
		{ "0X1F", 0, 31 },
		{ "017", 0, 15 },
		{ "65535", 0, 65535 },
		{ "65536", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "++1", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "08", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "a", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned num = 0;
		int ret = medio_functions_parse(cases[i].text, &num);
		if (ret != cases[i].ret || num != cases[i].num)
			fail_msg("'%s': %d, %u", cases[i].text, ret, num);
	}
}

static void test_a_driver_makes_them_and_takes_them_away(void **state)
{
	struct manager_bed bed;
	uint32_t value = 0x1234;

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *inst = make_card(&bed, NULL, -1);
	struct medio_card *card = drive(&bed, inst);
	uint64_t at = find_sriov(&bed, card);
	config(&bed, card, at + NUM_VFS, 2, true, 5);
	config(&bed, card, at + CONTROL, 2, true, ENABLE);
	until_vfs(&bed, 5);
	assert_int_equal(set(&bed, inst, 4), -EBUSY);
	struct medio_card *vf = drive(&bed, vf_of(inst, 4));
	assert_int_equal(scratch(&bed, vf, true, &value), 0);
	bed.events[0] = '\0';
	config(&bed, card, at + CONTROL, 2, true, 0);
	until_vfs(&bed, 0);
	assert_int_not_equal(scratch(&bed, vf, false, &value), 0); /* at once, unasked */
	assert_null(strstr(bed.log, "is asked to let go"));
	assert_non_null(strstr(bed.events, "remove "));
	assert_non_null(strstr(bed.events, "MEDIO_NUMVFS=0"));
	manager_bed_close_card(&bed, vf);
	manager_bed_close_card(&bed, card);
	manager_bed_close(&bed);
}

/* No more lines than somebody can read. */
static void test_a_driver_does_not_fill_the_log(void **state)
{
	static const char words[] = " virtual functions";
	struct manager_bed bed;
	unsigned lines = 0;

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *inst = make_card(&bed, NULL, -1);
	struct medio_card *card = drive(&bed, inst);
	uint64_t at = find_sriov(&bed, card), begin = medio_now_ns();
	config(&bed, card, at + NUM_VFS, 2, true, 1);
	for (unsigned i = 0; i < 250; i++) {
		config(&bed, card, at + CONTROL, 2, true, ENABLE);
		config(&bed, card, at + CONTROL, 2, true, 0);
	}
	until_vfs(&bed, 0);
	manager_bed_settle(&bed);
	/* 200 in 10 s, see run.c. */
	uint64_t spans = 1 + (medio_now_ns() - begin) / 10000000000u;
	for (const char *line = bed.log; (line = strstr(line, words)); line++)
		lines++;
	assert_in_range(lines, 1, 200 * spans);
	manager_bed_close_card(&bed, card);
	manager_bed_close(&bed);
}

static void test_one_that_cannot_be_made_leaves_none(void **state)
{
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *card = make_card(&bed, "refuse=2", -1);
	assert_int_equal(set(&bed, card, 4), -EIO);
	assert_non_null(strstr(bed.log, "VF 2 does not want to"));
	assert_int_equal(medio_mdev_num_vfs(card->mdev), 0);
	assert_int_equal(medio_functions_num(card), 0);
	assert_int_equal(set(&bed, card, 2), 0);
	manager_bed_close(&bed);
}

static void on_created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	(void)mdev, (void)words;
	on_done(opaque, ret);
}

static void test_what_stands_in_the_way_of_one_takes_all_away(void **state)
{
	const struct medio_creation how = {
		.who = { .uid = geteuid(), .gid = getegid() },
		.restart = -1,
	};
	struct answer answer = { 0 };
	struct manager_bed bed;
	char uuid[37];

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *card = make_card(&bed, NULL, -1);
	/* Somebody else has the UUID of number 2. */
	medio_vf_uuid(medio_mdev_uuid(card->mdev), 2, uuid);
	medio_manager_create(&bed.m, bed.parent, medio_parent_find_type(bed.parent, "vfcard"), uuid,
		36, &how, on_created, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(set(&bed, card, 4), -EEXIST);
	assert_int_equal(medio_mdev_num_vfs(card->mdev), 0);
	assert_int_equal(medio_functions_num(card), 0);
	assert_int_equal(set(&bed, card, 2), 0);
	manager_bed_close(&bed);
}

static void test_as_many_as_its_parameter_says_from_the_start(void **state)
{
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "");
	make_card(&bed, "numvfs=6", -1);
	until_vfs(&bed, 6);
	manager_bed_close(&bed);
}

static void test_wishes_are_fulfilled_in_turn(void **state)
{
	struct answer answers[4] = { 0 };
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *card = make_card(&bed, NULL, -1);
	medio_functions_set(card, 4, on_done, &answers[0]);
	medio_functions_set(card, 5, on_done, &answers[1]);
	medio_functions_set(card, 0, on_done, &answers[2]);
	medio_functions_set(card, 5, on_done, &answers[3]);
	manager_bed_until(&bed, &answers[3].done);
	assert_int_equal(answers[0].ret, 0);
	assert_int_equal(answers[1].ret, -EBUSY);
	assert_int_equal(answers[2].ret, 0);
	assert_int_equal(answers[3].ret, 0);
	assert_int_equal(medio_mdev_num_vfs(card->mdev), 5);
	manager_bed_close(&bed);
}

static void test_users_are_asked_and_in_the_end_not(void **state)
{
	struct manager_bed bed;
	uint32_t value = 1;

	(void)state;
	open_bed(&bed, "");
	bed.m.grace_ns = 50000000u;
	struct medio_managed *card = make_card(&bed, "numvfs=2", -1);
	until_vfs(&bed, 2);
	struct medio_card *vf = drive(&bed, vf_of(card, 1));
	assert_int_equal(set(&bed, card, 0), 0);
	assert_non_null(strstr(bed.log, "is asked to let go"));
	assert_non_null(strstr(bed.log, "it is taken away"));
	assert_int_not_equal(scratch(&bed, vf, false, &value), 0);
	manager_bed_close_card(&bed, vf);
	manager_bed_close(&bed);
}

static void test_a_card_goes_after_them(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;
	char uuid[3][37];

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *card = make_card(&bed, "numvfs=2", -1);
	until_vfs(&bed, 2);
	memcpy(uuid[0], medio_mdev_uuid(vf_of(card, 0)->mdev), 37);
	memcpy(uuid[1], medio_mdev_uuid(vf_of(card, 1)->mdev), 37);
	memcpy(uuid[2], medio_mdev_uuid(card->mdev), 37);
	struct medio_card *vf = drive(&bed, vf_of(card, 0));
	assert_int_equal(medio_mdev_remove(vf_of(card, 1)->mdev, NULL, NULL), -EBUSY);
	bed.events[0] = '\0';
	medio_manager_remove(&bed.m, card->mdev, NULL, false, on_done, &answer);
	assert_int_equal(answer.done, 0);
	assert_string_equal(medio_managed_state(card), "removing");
	manager_bed_close_card(&bed, vf);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	/* The last word is the card's. */
	char last[160];
	snprintf(last, sizeof(last), "remove %s", uuid[2]);
	const char *end = strstr(bed.events, last);
	assert_non_null(end);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(last, sizeof(last), "remove %s", uuid[i]);
		assert_non_null(strstr(bed.events, last));
		assert_true(strstr(bed.events, last) < end);
	}
	manager_bed_settle(&bed);
	manager_bed_close(&bed);
}

static void test_in_a_hurry_nobody_is_waited_for(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *card = make_card(&bed, "numvfs=2", -1);
	until_vfs(&bed, 2);
	struct medio_card *vf = drive(&bed, vf_of(card, 1));
	medio_manager_remove(&bed.m, card->mdev, NULL, true, on_done, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	manager_bed_close_card(&bed, vf);
	manager_bed_close(&bed);
}

static void kill_worker(struct manager_bed *bed, const struct medio_managed *card)
{
	pid_t pid = medio_managed_pid(card, NULL);

	bed->events[0] = '\0';
	assert_int_equal(kill(pid, SIGKILL), 0);
	manager_bed_until_said(bed, bed->events, "MEDIO_WORKER=died:9");
}

/* Nobody tells when: its checkpoint is looked at. */
static void until_saved(struct manager_bed *bed, const struct medio_managed *inst, uint32_t value)
{
	uint64_t begin = medio_now_ns();
	const void *state;
	size_t size = 0;
	void *map;

	assert_int_equal(
		medio_shared_map(inst->checkpoint, MEDIO_CHECKPOINT_DEFAULT, PROT_READ, &map), 0);
	while (!(size = medio_checkpoint_read(map, MEDIO_CHECKPOINT_DEFAULT, &state)) ||
		!memmem(state, size, &value, sizeof(value))) {
		medio_loop_run_once(bed->m.loop, 10);
		if (medio_now_ns() - begin > 120000000000u)
			fail_msg("it is not saved");
	}
	munmap(map, MEDIO_CHECKPOINT_DEFAULT);
}

static void test_restored_with_what_each_of_them_held(void **state)
{
	struct manager_bed bed;
	uint32_t value = 0xcafe5afe, seen = 0;

	(void)state;
	open_bed(&bed, "restart=restore");
	struct medio_managed *inst = make_card(&bed, "numvfs=3", -1);
	until_vfs(&bed, 3);
	struct medio_card *vf = drive(&bed, vf_of(inst, 2));
	assert_int_equal(scratch(&bed, vf, true, &value), 0);
	manager_bed_close_card(&bed, vf);
	until_saved(&bed, vf_of(inst, 2), value);
	kill_worker(&bed, inst);
	until_vfs(&bed, 3);
	vf = drive(&bed, vf_of(inst, 2));
	assert_int_equal(scratch(&bed, vf, false, &seen), 0);
	assert_int_equal(seen, value);
	manager_bed_close_card(&bed, vf);
	assert_int_equal(set(&bed, inst, 0), 0);
	manager_bed_close(&bed);
}

/* PCI Express 7.5.3.4: bit 15 of Device Control. */
static void reset_card(struct manager_bed *bed, struct medio_card *card)
{
	uint64_t at = config(bed, card, 0x34, 1, false, 0);

	while (at && config(bed, card, at, 1, false, 0) != 0x10)
		at = config(bed, card, at + 1, 1, false, 0);
	assert_int_not_equal(at, 0);
	config(bed, card, at + 8, 2, true, 1u << 15);
}

static void test_restored_ones_are_not_the_drivers(void **state)
{
	struct manager_bed bed;
	uint32_t value = 0xcafe5afe;

	(void)state;
	open_bed(&bed, "restart=restore");
	struct medio_managed *inst = make_card(&bed, "numvfs=3", -1);
	until_vfs(&bed, 3);
	struct medio_card *card = drive(&bed, inst);
	assert_int_equal(scratch(&bed, card, true, &value), 0);
	manager_bed_close_card(&bed, card);
	until_saved(&bed, inst, value);
	kill_worker(&bed, inst);
	until_vfs(&bed, 3);
	manager_bed_settle(&bed);
	card = drive(&bed, inst);
	reset_card(&bed, card);
	assert_int_equal(config(&bed, card, find_sriov(&bed, card) + NUM_VFS, 2, false, 0), 3);
	manager_bed_settle(&bed);
	until_vfs(&bed, 3);
	manager_bed_close_card(&bed, card);
	manager_bed_close(&bed);
}

static size_t read_saved(const struct medio_managed *inst, void *out, size_t size)
{
	const void *state;
	void *map;

	assert_int_equal(
		medio_shared_map(inst->checkpoint, MEDIO_CHECKPOINT_DEFAULT, PROT_READ, &map), 0);
	size_t len = medio_checkpoint_read(map, MEDIO_CHECKPOINT_DEFAULT, &state);
	assert_true(len <= size);
	memcpy(out, state, len);
	munmap(map, MEDIO_CHECKPOINT_DEFAULT);
	return len;
}

/* Nobody has touched the card: what was set is saved all the same. */
static void test_those_that_were_ended_are_not_restored(void **state)
{
	static char before[65536], after[65536];
	struct manager_bed bed;
	uint32_t value = 0xcafe5afe;
	size_t len;

	(void)state;
	open_bed(&bed, "restart=restore");
	struct medio_managed *inst = make_card(&bed, "numvfs=3", -1);
	until_vfs(&bed, 3);
	struct medio_card *card = drive(&bed, inst);
	assert_int_equal(scratch(&bed, card, true, &value), 0);
	manager_bed_close_card(&bed, card);
	until_saved(&bed, inst, value);
	len = read_saved(inst, before, sizeof(before));
	uint64_t begin = medio_now_ns();
	assert_int_equal(set(&bed, inst, 0), 0);
	while (read_saved(inst, after, sizeof(after)) == len && !memcmp(before, after, len)) {
		medio_loop_run_once(bed.m.loop, 10);
		if (medio_now_ns() - begin > 120000000000u)
			fail_msg("it is not saved");
	}
	kill_worker(&bed, inst);
	manager_bed_until_state(&bed, inst, "running");
	manager_bed_settle(&bed);
	until_vfs(&bed, 0);
	assert_int_equal(set(&bed, inst, 2), 0);
	manager_bed_close(&bed);
}

static void test_without_restart_they_wait_with_their_card(void **state)
{
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "restart=never");
	struct medio_managed *card = make_card(&bed, "numvfs=3", -1);
	until_vfs(&bed, 3);
	kill_worker(&bed, card);
	manager_bed_until_state(&bed, card, "dead");
	assert_int_equal(medio_mdev_num_vfs(card->mdev), 3);
	assert_int_equal(medio_functions_num(card), 3);
	assert_string_equal(medio_managed_state(vf_of(card, 2)), "dead");
	assert_int_equal(set(&bed, card, 0), 0);
	assert_int_equal(medio_mdev_num_vfs(card->mdev), 0);
	manager_bed_close(&bed);
}

static void test_a_later_manager_has_them_too(void **state)
{
	struct manager_bed bed;
	uint32_t value = 77, seen = 0;
	char spec[512], uuid[37];

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *inst = make_card(&bed, "numvfs=3", -1);
	until_vfs(&bed, 3);
	int group = medio_mdev_group(vf_of(inst, 1)->mdev);
	memcpy(uuid, medio_mdev_uuid(vf_of(inst, 1)->mdev), sizeof(uuid));
	struct medio_card *vf = drive(&bed, vf_of(inst, 1));
	assert_int_equal(scratch(&bed, vf, true, &value), 0);
	manager_bed_stop(&bed, true);
	memset(bed.events, 0, sizeof(bed.events));
	snprintf(spec, sizeof(spec), "vfcard,plugin=%s", module);
	manager_bed_start(&bed, spec);
	manager_bed_settle(&bed);
	until_vfs(&bed, 3);
	inst = manager_bed_find(&bed, 1);
	assert_string_equal(medio_mdev_uuid(vf_of(inst, 1)->mdev), uuid);
	assert_int_equal(medio_mdev_group(vf_of(inst, 1)->mdev), group);
	assert_int_equal(vf_of(inst, 1)->num_clients, 1);
	assert_int_equal(scratch(&bed, vf, false, &seen), 0);
	assert_int_equal(seen, value);
	manager_bed_close_card(&bed, vf);
	assert_int_equal(set(&bed, inst, 0), 0);
	assert_int_equal(set(&bed, inst, 8), 0);
	manager_bed_close(&bed);
}

static void test_one_without_a_driver_is_its_cards_too(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *card = make_card(&bed, NULL, MEDIO_RESTART_NEVER);
	assert_int_equal(medio_functions_set_autoprobe(card, false), 0);
	assert_int_equal(set(&bed, card, 2), 0);
	assert_null(vf_of(card, 1));
	int ret = medio_mdev_bind(medio_mdev_vf(card->mdev, 1), on_done, &answer, NULL);
	assert_true(ret == 0 || ret == MEDIO_DEFERRED);
	if (ret)
		manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(vf_of(card, 1)->restart, MEDIO_RESTART_NEVER);
	assert_int_equal(vf_of(card, 1)->uid, card->uid);
	manager_bed_close(&bed);
}

/* It gets a worker with room for them. */
static void test_one_that_could_have_none_is_changed(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "per-worker=16");
	struct medio_managed *card = make_card(&bed, "vfs=0", -1);
	assert_null(medio_functions_of(card));
	medio_managed_set_param(card, "vfs", "4", on_done, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(medio_functions_of(card)->total, 4);
	assert_int_equal(card->run->process->nslots, 1 + MEDIO_FUNCTIONS_MAX);
	assert_int_equal(set(&bed, card, 4), 0);
	manager_bed_close(&bed);
}

static void test_a_card_with_them_is_not_changed(void **state)
{
	struct answer answer = { 0 };
	struct manager_bed bed;

	(void)state;
	open_bed(&bed, "");
	struct medio_managed *card = make_card(&bed, "numvfs=1", -1);
	until_vfs(&bed, 1);
	medio_managed_set_param(card, "vfs", "4", on_done, &answer);
	assert_int_equal(answer.ret, -EBUSY);
	medio_managed_set_filters(vf_of(card, 0), NULL, 0, on_done, &answer);
	assert_int_equal(answer.ret, -EOPNOTSUPP);
	assert_int_equal(
		medio_managed_set_restart(vf_of(card, 0), MEDIO_RESTART_NEVER), -EOPNOTSUPP);
	assert_int_equal(medio_managed_set_mode(vf_of(card, 0), 0660), 0);
	assert_int_equal(set(&bed, card, 0), 0);
	manager_bed_settle(&bed);
	answer.done = 0;
	medio_managed_set_param(card, "vfs", "4", on_done, &answer);
	manager_bed_until(&bed, &answer.done);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(medio_functions_of(card)->total, 4);
	assert_int_equal(set(&bed, card, 4), 0);
	manager_bed_close(&bed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_number_is_set_with_the_kernels_errno),
		cmocka_unit_test(test_text_is_read_as_kstrtou16_does),
		cmocka_unit_test(test_a_driver_makes_them_and_takes_them_away),
		cmocka_unit_test(test_a_driver_does_not_fill_the_log),
		cmocka_unit_test(test_one_that_cannot_be_made_leaves_none),
		cmocka_unit_test(test_what_stands_in_the_way_of_one_takes_all_away),
		cmocka_unit_test(test_as_many_as_its_parameter_says_from_the_start),
		cmocka_unit_test(test_wishes_are_fulfilled_in_turn),
		cmocka_unit_test(test_users_are_asked_and_in_the_end_not),
		cmocka_unit_test(test_a_card_goes_after_them),
		cmocka_unit_test(test_in_a_hurry_nobody_is_waited_for),
		cmocka_unit_test(test_restored_with_what_each_of_them_held),
		cmocka_unit_test(test_restored_ones_are_not_the_drivers),
		cmocka_unit_test(test_those_that_were_ended_are_not_restored),
		cmocka_unit_test(test_without_restart_they_wait_with_their_card),
		cmocka_unit_test(test_a_later_manager_has_them_too),
		cmocka_unit_test(test_a_card_with_them_is_not_changed),
		cmocka_unit_test(test_one_that_could_have_none_is_changed),
		cmocka_unit_test(test_one_without_a_driver_is_its_cards_too),
	};

	if (argc < 3)
		return 1;
	manager_bed_worker = argv[1];
	module = argv[2];
	signal(SIGPIPE, SIG_IGN);
	int ret = cmocka_run_group_tests(tests, NULL, NULL);
	manager_bed_sweep();
	return ret;
}
