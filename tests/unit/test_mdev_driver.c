/* SPDX-License-Identifier: BSD-3-Clause */
/* Drivers coming and going, and what is routed to them: attributes, pins, copies. */
#include "test_mdev_fake.h"

static void registering_a_driver_checks_what_it_is(void **state)
{
	static const struct medio_mdev_driver nameless = { .probe = fake_probe };
	static const struct medio_mdev_driver slash = { .name = "a/b", .probe = fake_probe };
	static const struct medio_mdev_driver probeless = { .name = "a" };
	static const struct medio_mdev_driver same = { .name = "fake", .probe = fake_probe };
	static const struct medio_mdev_driver good = { .name = "a", .probe = fake_probe };
	struct fake *fake = *state;
	struct medio_error *err = NULL;

	assert_int_equal(medio_mdev_driver_register(fake->bus, &nameless, NULL, NULL), -EINVAL);
	assert_int_equal(medio_mdev_driver_register(fake->bus, &slash, NULL, NULL), -EINVAL);
	assert_int_equal(medio_mdev_driver_register(fake->bus, &probeless, NULL, &err), -EINVAL);
	assert_string_equal(medio_error_text(err), "driver 'a' has no probe operation");
	medio_error_free(err);
	assert_int_equal(medio_mdev_driver_register(fake->bus, &same, NULL, NULL), -EEXIST);
	assert_int_equal(medio_mdev_driver_register(fake->bus, &fake_driver, NULL, NULL), -EEXIST);
	assert_int_equal(medio_mdev_driver_register(fake->bus, &good, NULL, NULL), 0);
	assert_ptr_equal(medio_bus_next_driver(fake->bus, NULL), &fake_driver);
	assert_ptr_equal(medio_bus_next_driver(fake->bus, &fake_driver), &good);
	assert_null(medio_bus_next_driver(fake->bus, &good));
	assert_int_equal(medio_mdev_driver_unregister(fake->bus, &good, NULL, NULL), 0);
	assert_int_equal(medio_mdev_driver_unregister(fake->bus, &good, NULL, NULL), -ENODEV);
	assert_null(medio_bus_next_driver(fake->bus, &fake_driver));
}

static void unregister_unbinds_instances_which_stay(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *a = fake_instance(fake, fake->two, 1);
	struct medio_mdev *b = fake_instance(fake, fake->two, 2);

	assert_int_equal(medio_mdev_driver_unregister(fake->bus, &fake_driver, fake_done, fake), 0);
	assert_log(fake, "stop:1 unbind:1 stop:2 unbind:2");
	assert_int_equal(medio_mdev_state(a), MEDIO_MDEV_UNBOUND);
	assert_null(medio_mdev_driver(a));
	assert_null(medio_mdev_driver_opaque(a));
	assert_int_equal(medio_mdev_group(a), -1);
	assert_int_equal(medio_mdev_open(a), -ENODEV);
	assert_int_equal(medio_mdev_unbind(a, NULL, NULL), -ENODEV);
	assert_ptr_equal(medio_parent_next_mdev(fake->parent, NULL, NULL), a);
	assert_int_equal(fake_create(fake, fake->two, 3, NULL), -ENODEV);
	assert_int_equal(medio_mdev_bind(a, NULL, NULL, NULL), -ENODEV);
	assert_log(fake, "");

	/* As in the kernel, its coming back binds nobody by itself. */
	assert_int_equal(medio_mdev_driver_register(fake->bus, &fake_driver, fake, NULL), 0);
	assert_log(fake, "");
	assert_int_equal(medio_mdev_bind(b, fake_done, fake, NULL), 0);
	assert_log(fake, "probe:2 bind:2");
	assert_int_equal(medio_mdev_group(b), 0);
	assert_int_equal(medio_mdev_bind(b, NULL, NULL, NULL), -EBUSY);
	assert_int_equal(medio_mdev_remove(a, NULL, NULL), 0);
	assert_log(fake, "remove:1");
}

static void unregister_waits_for_open_instances(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *a = fake_instance(fake, fake->two, 1);
	struct medio_mdev *b = fake_instance(fake, fake->two, 2);

	assert_int_equal(medio_mdev_open(a), 0);
	assert_int_equal(medio_mdev_open(b), 0);
	assert_int_equal(medio_mdev_driver_unregister(fake->bus, &fake_driver, fake_done, fake),
		MEDIO_DEFERRED);
	assert_log(fake, "request:1/0 request:2/0");
	assert_int_equal(medio_mdev_state(a), MEDIO_MDEV_UNBINDING);
	assert_int_equal(medio_mdev_open(a), -ENODEV);
	assert_int_equal(medio_mdev_unbind(a, NULL, NULL), -EAGAIN);
	assert_int_equal(fake_create(fake, fake->two, 3, NULL), -ENODEV);
	assert_int_equal(
		medio_mdev_driver_unregister(fake->bus, &fake_driver, NULL, NULL), -ENODEV);
	/* Its name is not free yet. */
	assert_int_equal(medio_mdev_driver_register(fake->bus, &fake_driver, fake, NULL), -EEXIST);
	/* One is removed instead; it was asked already. */
	assert_int_equal(medio_mdev_remove(b, fake_done, fake), MEDIO_DEFERRED);
	assert_log(fake, "");
	medio_mdev_close(a);
	assert_log(fake, "stop:1 unbind:1");
	assert_int_equal(medio_mdev_state(a), MEDIO_MDEV_UNBOUND);
	medio_mdev_close(b);
	assert_log(fake, "stop:2 unbind:2 remove:2 done:0 done:0");
	assert_int_equal(medio_mdev_driver_register(fake->bus, &fake_driver, fake, NULL), 0);
}

static void unbind_gives_units_back_and_bind_takes_them(void **state)
{
	struct fake *fake = *state;
	struct medio_error *err = NULL;
	struct medio_mdev *mdev = fake_instance(fake, fake->two, 99), *other = NULL;

	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_unbind(mdev, fake_done, fake), MEDIO_DEFERRED);
	medio_mdev_close(mdev);
	assert_log(fake, "request:99/0 stop:99 unbind:99 done:0");
	assert_int_equal(medio_parent_units_left(fake->parent), 24);
	for (unsigned i = 0; i < 12; i++)
		other = fake_instance(fake, fake->two, i);
	assert_int_equal(medio_mdev_bind(mdev, NULL, NULL, &err), -ENOSPC);
	assert_string_equal(
		medio_error_text(err), "mtty has 0 of 24 units left, and mtty-2 takes 2");
	assert_int_equal(medio_mdev_remove(other, NULL, NULL), 0);
	fake->log[0] = '\0';

	/* A failed bind leaves it unbound, with everything given back. */
	fake->probe_ret = -EIO;
	assert_int_equal(medio_mdev_bind(mdev, NULL, NULL, &err), -EIO);
	assert_string_equal(medio_error_text(err), "no power");
	medio_error_free(err);
	assert_int_equal(medio_mdev_state(mdev), MEDIO_MDEV_UNBOUND);
	assert_int_equal(medio_parent_units_left(fake->parent), 2);
	assert_log(fake, "probe:99");

	/* A late one tells. */
	fake->probe_ret = MEDIO_DEFERRED;
	assert_int_equal(medio_mdev_bind(mdev, fake_done, fake, NULL), MEDIO_DEFERRED);
	assert_int_equal(medio_mdev_bind(mdev, NULL, NULL, NULL), -EAGAIN);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), -EAGAIN);
	medio_mdev_probe_done(mdev, -EIO);
	assert_log(fake, "probe:99 done:-5");
	assert_int_equal(medio_mdev_state(mdev), MEDIO_MDEV_UNBOUND);
	assert_int_equal(medio_mdev_bind(mdev, fake_done, fake, NULL), MEDIO_DEFERRED);
	medio_mdev_probe_done(mdev, 0);
	assert_log(fake, "probe:99 bind:99 done:0");
	assert_int_equal(medio_mdev_unbind(mdev, NULL, NULL), 0);
	assert_int_equal(medio_mdev_bind(mdev, fake_done, fake, NULL), MEDIO_DEFERRED);
	fake->log[0] = '\0';
	/* Called off: it goes back to where it was. */
	assert_int_equal(medio_mdev_driver_unregister(fake->bus, &fake_driver, NULL, NULL), 0);
	assert_non_null(strstr(fake->log, "stop:99 done:-19"));
	assert_int_equal(medio_mdev_state(mdev), MEDIO_MDEV_UNBOUND);
}

/* ---- Attributes -------------------------------------------------------------------------------- */

static ssize_t never_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	fail_msg("the driver shows it, not the core");
	return 0;
}

static int never_store(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	fail_msg("the driver stores it, not the core");
	return 0;
}

static const struct medio_attr attrs[] = {
	{ "vendor/both", never_show, never_store },
	{ "vendor/ro", never_show, NULL },
	{ "vendor/wo", NULL, never_store },
	{ NULL },
};

static const struct medio_type full_type = { .name = "full", .summary = "f", .attrs = attrs };
static const struct medio_type *const full_types[] = { &full_type, NULL };
static const struct medio_parent_desc full_desc = { "full", NULL, full_types };

/* The answer to the last attribute call, kept as a worker's message would be. */
static medio_mdev_attr_done *late_done;
static void *late_opaque;

static int full_show(struct medio_mdev *mdev, const struct medio_attr *attr,
	medio_mdev_attr_done *done, void *opaque)
{
	struct fake *fake = medio_mdev_driver_opaque(mdev);

	fake_log(fake, mdev, "show:%s", attr->name);
	if (fake->hook_ret)
		return fake->hook_ret;
	late_done = done;
	late_opaque = opaque;
	return 0;
}

static int full_store(struct medio_mdev *mdev, const struct medio_attr *attr, const char *text,
	size_t size, medio_mdev_attr_done *done, void *opaque)
{
	fake_log(
		medio_mdev_driver_opaque(mdev), mdev, "store:%s:%.*s", attr->name, (int)size, text);
	done(opaque, (ssize_t)size, NULL);
	return 0;
}

static int full_pin(
	struct medio_mdev *mdev, uint64_t iova, unsigned npage, unsigned prot, void **pages)
{
	fake_log(medio_mdev_driver_opaque(mdev), mdev, "pin:%#llx+%u/%u", (unsigned long long)iova,
		npage, prot);
	for (unsigned i = 0; i < npage; i++)
		pages[i] = (char *)pages + i;
	return (int)npage;
}

static void full_unpin(struct medio_mdev *mdev, uint64_t iova, unsigned npage)
{
	fake_log(medio_mdev_driver_opaque(mdev), mdev, "unpin:%#llx+%u", (unsigned long long)iova,
		npage);
}

static int full_rw(struct medio_mdev *mdev, uint64_t iova, void *buf, size_t len, bool write)
{
	fake_log(medio_mdev_driver_opaque(mdev), mdev, "%s:%#llx+%zu", write ? "write" : "read",
		(unsigned long long)iova, len);
	if (!write)
		memset(buf, 0x5a, len);
	return 0;
}

static const struct medio_mdev_driver full_driver = {
	.name = "full",
	.probe = fake_probe,
	.remove = fake_remove,
	.request = fake_request,
	.attr_show = full_show,
	.attr_store = full_store,
	.pin_pages = full_pin,
	.unpin_pages = full_unpin,
	.dma_rw = full_rw,
};

static struct medio_mdev *full_instance(struct fake *fake)
{
	struct medio_mdev *mdev = NULL;

	assert_int_equal(medio_mdev_driver_register(fake->bus, &full_driver, fake, NULL), 0);
	assert_int_equal(
		medio_parent_register(fake->bus, &full_desc, &full_driver, &fake->parent, NULL), 0);
	assert_int_equal(fake_create(fake, &full_type, 1, &mdev), 0);
	fake->log[0] = '\0';
	return mdev;
}

static void attr_done(void *opaque, ssize_t ret, const char *text)
{
	fake_log(opaque, NULL, "answer:%zd:%s", ret, text ? text : "-");
}

static void attributes_go_to_the_driver_and_may_be_answered_late(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = full_instance(fake);

	assert_int_equal(medio_mdev_attr_show(mdev, "vendor/both", attr_done, fake), 0);
	assert_log(fake, "show:vendor/both");
	late_done(late_opaque, 2, "x\n");
	assert_log(fake, "answer:2:x\n");
	assert_int_equal(medio_mdev_attr_store(mdev, "vendor/wo", "12", 2, attr_done, fake), 0);
	assert_log(fake, "store:vendor/wo:12 answer:2:-");
	fake->hook_ret = -ENOMEM;
	assert_int_equal(medio_mdev_attr_show(mdev, "vendor/ro", attr_done, fake), -ENOMEM);
	assert_log(fake, "show:vendor/ro");

	assert_int_equal(medio_mdev_attr_show(mdev, "vendor/no", attr_done, fake), -ENOENT);
	assert_int_equal(medio_mdev_attr_show(mdev, "vendor/wo", attr_done, fake), -EIO);
	assert_int_equal(medio_mdev_attr_store(mdev, "vendor/no", "", 0, attr_done, fake), -ENOENT);
	assert_int_equal(medio_mdev_attr_store(mdev, "vendor/ro", "", 0, attr_done, fake), -EIO);
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), MEDIO_DEFERRED);
	assert_int_equal(medio_mdev_attr_show(mdev, "vendor/ro", attr_done, fake), -ENODEV);
	assert_int_equal(medio_mdev_attr_store(mdev, "vendor/wo", "", 0, attr_done, fake), -ENODEV);
	assert_log(fake, "request:1/0");
	medio_mdev_close(mdev);
}

static void end_it_all(struct fake *fake, const char *entry, struct medio_mdev *mdev)
{
	if (strncmp(entry, "show:", 5) != 0)
		return;
	assert_int_equal(medio_mdev_remove(mdev, NULL, NULL), -EAGAIN);
	fake->hook_ret = medio_parent_unregister(fake->parent, fake_done, fake);
	/* It waits for this very call. */
	assert_int_equal(fake->hook_ret, MEDIO_DEFERRED);
	fake->hook_ret = -ENODEV;
}

static void an_instance_outlives_the_call_into_its_driver(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = full_instance(fake);

	fake->hook = end_it_all;
	assert_int_equal(medio_mdev_attr_show(mdev, "vendor/ro", attr_done, fake), -ENODEV);
	assert_log(fake, "show:vendor/ro stop:1 unbind:1 remove:1 "
			 "change:full:MDEV_STATE=unregistered done:0");
}

/* ---- Guest memory ------------------------------------------------------------------------------ */

static void pins_are_checked_and_routed(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = full_instance(fake);
	void *pages[MEDIO_MDEV_PIN_MAX];
	const uint64_t top = UINT64_MAX & ~0xfffull;

	/* Nobody has it open. */
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x1000, 1, 3, pages), -EINVAL);
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x1000, 0, 3, pages), -EINVAL);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x1000, 1, 3, NULL), -EINVAL);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x1000, 513, 3, pages), -E2BIG);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x1001, 1, 3, pages), -EINVAL);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x1000, 1, 0, pages), -EINVAL);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0x1000, 1, 4, pages), -EINVAL);
	assert_int_equal(medio_mdev_pin_pages(mdev, top, 2, 3, pages), -EINVAL);
	medio_mdev_unpin_pages(mdev, 0x1001, 1);
	medio_mdev_unpin_pages(mdev, 0x1000, 0);
	medio_mdev_unpin_pages(mdev, 0x1000, 513);
	medio_mdev_unpin_pages(mdev, top, 2);
	assert_log(fake, "");

	assert_int_equal(medio_mdev_pin_pages(mdev, top, 1, MEDIO_PROT_READ, pages), 1);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0, 512, MEDIO_PROT_WRITE, pages), 512);
	assert_ptr_equal(pages[511], (char *)pages + 511);
	medio_mdev_unpin_pages(mdev, 0, 512);
	assert_log(fake, "pin:0xfffffffffffff000+1/1 pin:0+512/2 unpin:0+512");
	medio_mdev_close(mdev);
}

static void copies_are_checked_and_routed(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = full_instance(fake);
	char buf[16] = "";

	assert_int_equal(medio_mdev_dma_rw(mdev, 0, buf, 16, false), -EINVAL);
	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_dma_rw(mdev, 0, buf, 0, false), -EINVAL);
	assert_int_equal(medio_mdev_dma_rw(mdev, 0, NULL, 16, false), -EINVAL);
	assert_int_equal(medio_mdev_dma_rw(mdev, UINT64_MAX - 14, buf, 16, true), -EINVAL);
	assert_log(fake, "");
	assert_int_equal(medio_mdev_dma_rw(mdev, UINT64_MAX - 15, buf, 16, true), 0);
	assert_int_equal(medio_mdev_dma_rw(mdev, 0x123, buf, 16, false), 0);
	assert_int_equal(buf[15], 0x5a);
	assert_log(fake, "write:0xfffffffffffffff0+16 read:0x123+16");
	medio_mdev_close(mdev);
}

static void a_driver_without_memory_says_so(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev *mdev = fake_instance(fake, fake->one, 1);
	void *page;

	assert_int_equal(medio_mdev_open(mdev), 0);
	assert_int_equal(medio_mdev_pin_pages(mdev, 0, 1, 3, &page), -EOPNOTSUPP);
	assert_int_equal(medio_mdev_dma_rw(mdev, 0, &page, 8, false), -EOPNOTSUPP);
	medio_mdev_unpin_pages(mdev, 0, 1);
	medio_mdev_close(mdev);
}

/* ---- Events ------------------------------------------------------------------------------------ */

static void bind_event_is_full(void *opaque, const struct medio_mdev_event *event)
{
	unsigned *seen = opaque;

	if (event->action != MEDIO_MDEV_BIND)
		return;
	assert_string_equal(
		event->path, "/devices/virtual/mtty/mtty/00000000-0000-0000-0000-000000000001");
	assert_string_equal(event->subsystem, "mdev");
	assert_string_equal(event->driver, "fake");
	assert_null(event->env);
	assert_int_equal(medio_mdev_group(event->mdev), 0);
	++*seen;
}

struct chain {
	struct fake *fake;
	struct medio_mdev_subscriber *own, *next;
	unsigned heard;
};

static void hears_once(void *opaque, const struct medio_mdev_event *event)
{
	struct chain *chain = opaque;

	chain->heard++;
	medio_mdev_unsubscribe(chain->own);
	medio_mdev_unsubscribe(chain->next);
	chain->next = NULL;
	/* Who comes now has missed this one. */
	assert_int_equal(medio_bus_subscribe(chain->fake->bus, hears_once, chain, &chain->own), 0);
}

static void subscribers_may_come_and_go_while_being_told(void **state)
{
	struct fake *fake = *state;
	struct chain chain = { .fake = fake };
	unsigned seen = 0;

	assert_int_equal(medio_bus_subscribe(fake->bus, hears_once, &chain, &chain.own), 0);
	assert_int_equal(medio_bus_subscribe(fake->bus, bind_event_is_full, &seen, &chain.next), 0);
	fake_instance(fake, fake->two, 1); /* ADD takes the next one away: it never sees BIND */
	assert_int_equal(chain.heard, 2);
	assert_int_equal(seen, 0);
	medio_mdev_unsubscribe(chain.own);
	medio_mdev_unsubscribe(NULL);
}

static void events_carry_what_udev_would_see(void **state)
{
	struct fake *fake = *state;
	struct medio_mdev_subscriber *sub;
	struct medio_mdev *mdev;
	unsigned seen = 0;

	assert_int_equal(medio_bus_subscribe(fake->bus, bind_event_is_full, &seen, &sub), 0);
	mdev = fake_instance(fake, fake->two, 1);
	assert_int_equal(seen, 1);
	medio_mdev_changed(mdev, "MEDIO_STATE=restarted");
	assert_log(fake, "change:1:MEDIO_STATE=restarted");
	medio_mdev_changed(mdev, NULL);
	assert_log(fake, "change:1");
}

/* ---- `remove` ---------------------------------------------------------------------------------- */

static void remove_takes_a_number_as_the_kernel_reads_it(void **state)
{
	static const char *const yes[] = { "1", "1\n", "+1", "0x1", "0XfF\n", "07", "2",
		"18446744073709551615" };
	static const char *const no[] = { "0", "0\n", "00", "0x0", "+0" };
	static const char *const bad[] = { "", "\n", "+", "-1", "x", "1x", " 1", "1 ", "0x", "08",
		"1\n\n", "18446744073709551616", "yes" };
	bool remove = false;

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		remove = false;
		assert_int_equal(medio_mdev_parse_remove(yes[i], strlen(yes[i]), &remove), 0);
		assert_true(remove);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		remove = true;
		assert_int_equal(medio_mdev_parse_remove(no[i], strlen(no[i]), &remove), 0);
		assert_false(remove);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(medio_mdev_parse_remove(bad[i], strlen(bad[i]), &remove), -EINVAL);
	assert_int_equal(medio_mdev_parse_remove("1\0", 2, &remove), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FAKE(registering_a_driver_checks_what_it_is),
		WITH_FAKE(unregister_unbinds_instances_which_stay),
		WITH_FAKE(unregister_waits_for_open_instances),
		WITH_FAKE(unbind_gives_units_back_and_bind_takes_them),
		WITH_FAKE(attributes_go_to_the_driver_and_may_be_answered_late),
		WITH_FAKE(an_instance_outlives_the_call_into_its_driver),
		WITH_FAKE(pins_are_checked_and_routed),
		WITH_FAKE(copies_are_checked_and_routed),
		WITH_FAKE(a_driver_without_memory_says_so),
		WITH_FAKE(subscribers_may_come_and_go_while_being_told),
		WITH_FAKE(events_carry_what_udev_would_see),
		cmocka_unit_test(remove_takes_a_number_as_the_kernel_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
