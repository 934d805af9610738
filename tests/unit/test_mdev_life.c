/* SPDX-License-Identifier: BSD-3-Clause */
/* The order of what happens, who must wait for whom, and calls from inside callbacks. */
#include "test_mdev_fake.h"

static void create_adds_probes_binds_and_remove_undoes_it_backwards(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = fake_instance(fake, fake->two, 1);

	assert_int_equal(medio_mdev_state(mdev), MEDIO_MDEV_ACTIVE);
	assert_ptr_equal(medio_mdev_driver(mdev), &fake_driver);
	assert_int_equal(medio_mdev_remove(mdev, fake_done, fake), 0);
	assert_log(fake, "stop:1 unbind:1 remove:1"); /* and nobody is told what they know */
}

static void unregister_removes_children_oldest_first_then_tells(void **state)
{
	struct fake *fake = *state;

	fake_instance(fake, fake->two, 1);
	fake_instance(fake, fake->one, 2);
	fake_instance(fake, fake->two, 3);
	assert_int_equal(medio_parent_unregister(fake->parent, fake_done, fake), 0);
	assert_log(fake,
		"stop:1 unbind:1 remove:1 stop:2 unbind:2 remove:2 stop:3 unbind:3 remove:3 "
		"change:mtty:MDEV_STATE=unregistered");
	assert_null(medio_bus_next_parent(fake->bus, NULL));
	/* And it can be registered again. */
	assert_int_equal(
		medio_parent_register(fake->bus, &mtty, &fake_driver, &fake->parent, NULL), 0);
}

/* ---- Open and remove --------------------------------------------------------------------------- */

static void removal_waits_for_the_last_close(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = fake_instance(fake, fake->two, 1);
	char text[64];

	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_opens(mdev), 2);
	assert_int_equal(medio_mdev_remove(mdev, fake_done, fake), MEDIO_DEFERRED);
	assert_log(fake, "request:1/0");
	assert_int_equal(medio_mdev_state(mdev), MEDIO_MDEV_REMOVING);
	assert_int_equal(medio_mdev_open(mdev), -ENODEV);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), -EAGAIN);
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), -EAGAIN);
	assert_int_equal(medio_mdev_bind(mdev, NULL, NULL, NULL), -EBUSY);
	/* Its links are gone, itself and its UUID, units and group are not. */
	assert_null(medio_parent_next_mdev(fake->parent, fake->two, NULL));
	assert_int_equal(fake_create(fake, fake->two, 1, NULL), -EEXIST);
	assert_int_equal(medio_parent_units_left(fake->parent), 22);
	assert_ptr_equal(medio_bus_find_group(fake->bus, 0), mdev);

	medio_mdev_request(mdev);
	medio_mdev_close(mdev);
	medio_mdev_request(mdev);
	assert_log(fake, "request:1/1 request:1/2");
	medio_mdev_close(mdev);
	assert_log(fake, "stop:1 unbind:1 remove:1 done:0");
	assert_null(medio_bus_find_mdev(fake->bus, fake_uuid(1, text), 36));
	assert_int_equal(medio_parent_units_left(fake->parent), 24);
}

static void nobody_is_asked_when_nothing_waits(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = fake_instance(fake, fake->two, 1);

	medio_mdev_request(mdev);
	assert_int_equal(medio_mdev_open(mdev), 0);
	medio_mdev_request(mdev);
	medio_mdev_close(mdev);
	assert_log(fake, "");
	assert_int_equal(medio_mdev_state(mdev), MEDIO_MDEV_ACTIVE);
}

static void a_user_may_close_when_asked(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = fake_instance(fake, fake->two, 1);

	fake->close_on_request = true;
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_remove(mdev, fake_done, fake), 0);
	assert_log(fake, "request:1/0 stop:1 unbind:1 remove:1");

	/* Also when asked later. */
	fake->close_on_request = false;
	mdev = fake_instance(fake, fake->two, 1);
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_remove(mdev, fake_done, fake), MEDIO_DEFERRED);
	fake->close_on_request = true;
	medio_mdev_request(mdev);
	assert_log(fake, "request:1/0 request:1/1 stop:1 unbind:1 remove:1 done:0");
}

static void unregister_waits_for_open_children_only(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *a = fake_instance(fake, fake->two, 1), *c;

	fake_instance(fake, fake->two, 2);
	c = fake_instance(fake, fake->two, 3);
	assert_int_equal(medio_mdev_open(a), 0);
	assert_int_equal(medio_mdev_open(c), 0);
	assert_int_equal(medio_mdev_remove(c, fake_done, fake), MEDIO_DEFERRED);
	assert_log(fake, "request:3/0");
	assert_int_equal(medio_parent_unregister(fake->parent, fake_done, fake), MEDIO_DEFERRED);
	assert_log(fake, "request:1/0 stop:2 unbind:2 remove:2");
	assert_true(medio_parent_leaving(fake->parent));
	assert_int_equal(fake_create(fake, fake->two, 4, NULL), -ENODEV);
	assert_int_equal(fake_create(fake, fake->two, 1, NULL), -EEXIST);
	assert_int_equal(medio_parent_unregister(fake->parent, NULL, NULL), -ENODEV);
	assert_int_equal(medio_parent_register(fake->bus, &mtty, &fake_driver, &fake->parent, NULL),
		-EEXIST);
	medio_mdev_close(c);
	assert_log(fake, "stop:3 unbind:3 remove:3 done:0");
	medio_mdev_close(a);
	assert_log(fake, "stop:1 unbind:1 remove:1 change:mtty:MDEV_STATE=unregistered done:0");
	assert_null(medio_bus_find_parent(fake->bus, "mtty"));
}

static void freeing_the_bus_ends_what_waits_and_what_is_open(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *a = fake_instance(fake, fake->two, 1);
	struct medio_mdev *b = fake_instance(fake, fake->two, 2);

	assert_int_equal(medio_mdev_open(a), 0);
	assert_int_equal(medio_mdev_open(b), 0);
	assert_int_equal(medio_mdev_remove(b, fake_done, fake), MEDIO_DEFERRED);
	fake->log[0] = '\0';
	medio_bus_free(fake->bus);
	assert_log(fake, "stop:2 unbind:2 remove:2 done:0 stop:1 unbind:1 remove:1 "
			 "change:mtty:MDEV_STATE=unregistered");

	/* A parent, and a driver, that were waiting. */
	free(fake);
	fake_setup(state);
	fake = *state;
	a = fake_instance(fake, fake->two, 1);
	assert_int_equal(medio_mdev_open(a), 0);
	assert_int_equal(medio_mdev_driver_unregister(fake->bus, &fake_driver, fake_done, fake),
		MEDIO_DEFERRED);
	assert_int_equal(medio_parent_unregister(fake->parent, fake_done, fake), MEDIO_DEFERRED);
	fake->log[0] = '\0';
	medio_bus_free(fake->bus);
	assert_log(
		fake, "stop:1 unbind:1 remove:1 change:mtty:MDEV_STATE=unregistered done:0 done:0");
	free(fake);
	fake_setup(state);
}

/* ---- From inside callbacks --------------------------------------------------------------------- */

/* Everything that would start another operation on the parent is refused. */
static void try_everything(struct fake *fake, const char *entry, struct medio_mdev *mdev)
{
	if (mdev)
		assert_true(medio_mdev_remove(mdev, NULL, NULL) == -EAGAIN);
	if (fake->other)
		assert_true(medio_mdev_remove(fake->other, NULL, NULL) == -EAGAIN);
	assert_true(fake_create(fake, fake->one, 77, NULL) == -EAGAIN);
	assert_true(medio_parent_unregister(fake->parent, NULL, NULL) == -EAGAIN);
	assert_true(medio_mdev_driver_unregister(fake->bus, &fake_driver, NULL, NULL) == -EAGAIN);
	fake->hook_ret++;
}

static void calls_from_callbacks_fail_and_do_not_deadlock(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev;

	fake->other = fake_instance(fake, fake->two, 9);
	fake->hook = try_everything;
	mdev = fake_instance(fake, fake->two, 1);
	assert_int_equal(fake->hook_ret, 3);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), 0);
	assert_log(fake, "stop:1 unbind:1 remove:1");
	assert_int_equal(fake->hook_ret, 6);
	fake->probe_ret = -EIO;
	assert_int_equal(fake_create(fake, fake->one, 2, NULL), -EIO);
	assert_log(fake, "add:2 probe:2 remove:2");
	assert_int_equal(fake->hook_ret, 9);
	fake->hook = NULL;
}

static void leave_when_bound(struct fake *fake, const char *entry, struct medio_mdev *mdev)
{
	if (strncmp(entry, "bind", 4) == 0) {
		fake->hook_ret = medio_mdev_open(mdev);
		assert_ptr_equal(medio_mdev_driver(mdev), &fake_driver);
	}
	if (strncmp(entry, "add", 3) == 0)
		assert_int_equal(medio_mdev_open(mdev), -ENODEV);
}

static void who_hears_bind_may_open(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev;

	fake->hook = leave_when_bound;
	fake->hook_ret = -1;
	mdev = fake_instance(fake, fake->two, 1);
	assert_int_equal(fake->hook_ret, 0);
	assert_int_equal(medio_mdev_opens(mdev), 1);
	medio_mdev_close(mdev);
}

static void close_other(struct fake *fake, const char *entry, struct medio_mdev *mdev)
{
	if (fake->other && strcmp(entry, "unbind:1") == 0) {
		struct medio_mdev *other = fake->other;

		fake->other = NULL;
		medio_mdev_close(other);
	}
}

static void a_close_inside_the_end_of_another_ends_both_and_the_parent_once(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *a = fake_instance(fake, fake->two, 1);

	fake->other = fake_instance(fake, fake->two, 2);
	fake->hook = close_other;
	assert_int_equal(medio_mdev_open(a), 0);
	assert_int_equal(medio_mdev_open(fake->other), 0);
	assert_int_equal(medio_mdev_driver_unregister(fake->bus, &fake_driver, fake_done, fake),
		MEDIO_DEFERRED);
	assert_int_equal(medio_parent_unregister(fake->parent, fake_done, fake), MEDIO_DEFERRED);
	fake->log[0] = '\0';
	medio_mdev_close(a);
	assert_log(fake, "stop:1 unbind:1 stop:2 unbind:2 remove:2 remove:1 "
			 "change:mtty:MDEV_STATE=unregistered done:0 done:0");
}

static struct medio_parent *recreated;

static void recreate(void *opaque, int ret)
{
	struct fake *fake = opaque;

	fake_done(opaque, ret);
	assert_int_equal(
		medio_parent_register(fake->bus, &mtty, &fake_driver, &recreated, NULL), 0);
}

static void who_is_told_of_the_end_may_begin_again(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = fake_instance(fake, fake->two, 1);

	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_parent_unregister(fake->parent, recreate, fake), MEDIO_DEFERRED);
	medio_mdev_close(mdev);
	assert_log(fake, "request:1/0 stop:1 unbind:1 remove:1 change:mtty:MDEV_STATE=unregistered "
			 "done:0 change:mtty:MDEV_STATE=registered");
	assert_ptr_equal(medio_bus_find_parent(fake->bus, "mtty"), recreated);
}

/* ---- A probe that takes its time --------------------------------------------------------------- */

static void created(void *opaque, struct medio_mdev *mdev, int ret, const char *words)
{
	fake_log(opaque, mdev, "created:%u:%d:%s", fake_number(mdev), ret, words ? words : "-");
}

static struct medio_mdev *probing(struct fake *fake, unsigned number)
{
	struct medio_mdev_options opts = { .created = created, .opaque = fake };
	struct medio_mdev *mdev = NULL;
	char text[64];

	fake->probe_ret = MEDIO_DEFERRED;
	assert_int_equal(medio_mdev_create(fake->parent, fake->two, fake_uuid(number, text), 36,
				 &opts, &mdev, NULL),
		MEDIO_DEFERRED);
	assert_non_null(mdev);
	snprintf(text, sizeof(text), "add:%u probe:%u", number, number);
	assert_log(fake, text);
	return mdev;
}

static void several_probes_may_be_under_way_and_end_in_any_order(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *a = probing(fake, 1), *b = probing(fake, 2), *c = probing(fake, 3);

	assert_int_equal(medio_mdev_state(a), MEDIO_MDEV_PROBING);
	assert_int_equal(medio_mdev_remove(a, NULL, NULL), -EAGAIN);
	assert_int_equal(medio_mdev_open(a), -ENODEV);
	assert_null(medio_mdev_driver(a));
	assert_null(medio_parent_next_mdev(fake->parent, NULL, NULL));
	assert_int_equal(fake_create(fake, fake->two, 1, NULL), -EEXIST);
	medio_mdev_probe_done(b, 0);
	assert_log(fake, "bind:2 created:2:0:-");
	assert_int_equal(medio_mdev_state(b), MEDIO_MDEV_ACTIVE);
	assert_ptr_equal(medio_parent_next_mdev(fake->parent, NULL, NULL), b);
	medio_mdev_fail(c, EIO, "worker died");
	medio_mdev_probe_done(c, -EIO);
	assert_log(fake, "remove:3 created:3:-5:worker died");
	assert_int_equal(medio_parent_units_left(fake->parent), 20);
	medio_mdev_probe_done(a, 0);
	assert_log(fake, "bind:1 created:1:0:-");
}

static void answer_at_once(struct fake *fake, const char *entry, struct medio_mdev *mdev)
{
	if (strncmp(entry, "probe", 5) == 0)
		medio_mdev_probe_done(mdev, fake->hook_ret);
}

static void a_probe_answered_from_within_was_never_deferred(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = NULL;

	fake->probe_ret = MEDIO_DEFERRED;
	fake->hook = answer_at_once;
	assert_int_equal(fake_create(fake, fake->two, 1, &mdev), 0);
	assert_int_equal(medio_mdev_state(mdev), MEDIO_MDEV_ACTIVE);
	assert_log(fake, "add:1 probe:1 bind:1");
	fake->hook_ret = -EIO;
	assert_int_equal(fake_create(fake, fake->two, 2, &mdev), -EIO);
	assert_log(fake, "add:2 probe:2 remove:2");
}

static void a_probe_under_way_is_called_off_by_unregister(void **state)
{
	struct fake *fake = *state;

	probing(fake, 1);
	assert_int_equal(medio_parent_unregister(fake->parent, NULL, NULL), 0);
	assert_log(fake, "stop:1 remove:1 "
			 "created:1:-19:its parent or driver was unregistered meanwhile "
			 "change:mtty:MDEV_STATE=unregistered");
	assert_int_equal(
		medio_parent_register(fake->bus, &mtty, &fake_driver, &fake->parent, NULL), 0);
	fake->log[0] = '\0';
	probing(fake, 2);
	assert_int_equal(medio_mdev_driver_unregister(fake->bus, &fake_driver, fake_done, fake), 0);
	assert_log(fake, "stop:2 remove:2 "
			 "created:2:-19:its parent or driver was unregistered meanwhile");
	assert_int_equal(medio_parent_units_left(fake->parent), 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(create_adds_probes_binds_and_remove_undoes_it_backwards),
		WITH_FAKE(unregister_removes_children_oldest_first_then_tells),
		WITH_FAKE(removal_waits_for_the_last_close),
		WITH_FAKE(nobody_is_asked_when_nothing_waits),
		WITH_FAKE(a_user_may_close_when_asked),
		WITH_FAKE(unregister_waits_for_open_children_only),
		WITH_FAKE(freeing_the_bus_ends_what_waits_and_what_is_open),
		WITH_FAKE(calls_from_callbacks_fail_and_do_not_deadlock),
		WITH_FAKE(who_hears_bind_may_open),
		WITH_FAKE(a_close_inside_the_end_of_another_ends_both_and_the_parent_once),
		WITH_FAKE(who_is_told_of_the_end_may_begin_again),
		WITH_FAKE(several_probes_may_be_under_way_and_end_in_any_order),
		WITH_FAKE(a_probe_answered_from_within_was_never_deferred),
		WITH_FAKE(a_probe_under_way_is_called_off_by_unregister),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
