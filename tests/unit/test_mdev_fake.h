/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bus with a fake driver and a parent like mtty: 24 ports, shared by mtty-1 and mtty-2. All that
 * happens is written into one log, "add:1 probe:1 bind:1", where an instance is named by the last
 * digits of its UUID, and compared with what should have.
 */
#ifndef TEST_MDEV_FAKE_H
#define TEST_MDEV_FAKE_H

#include <medio/mdev.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the fake driver does, and what was asked of it. */
struct fake {
	struct medio_bus *bus;
	struct medio_parent *parent;
	const struct medio_type *one, *two;
	struct medio_mdev_subscriber *sub;
	int probe_ret;
	bool close_on_request;
	/* Called first in each callback of the driver and each event, with its log entry. */
	void (*hook)(struct fake *fake, const char *entry, struct medio_mdev *mdev);
	struct medio_mdev *other;
	int hook_ret;
	char log[1024];
};

static inline void fake_log(struct fake *fake, struct medio_mdev *mdev, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static inline void fake_log(struct fake *fake, struct medio_mdev *mdev, const char *fmt, ...)
{
	size_t len = strlen(fake->log);
	char entry[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(entry, sizeof(entry), fmt, ap);
	va_end(ap);
	snprintf(fake->log + len, sizeof(fake->log) - len, "%s%s", len ? " " : "", entry);
	if (fake->hook)
		fake->hook(fake, entry, mdev);
}

/* The log since the last look is exactly this. */
#define assert_log(fake, text) \
	do { \
		assert_string_equal((fake)->log, text); \
		(fake)->log[0] = '\0'; \
	} while (0)

static inline unsigned fake_number(const struct medio_mdev *mdev)
{
	return (unsigned)strtoul(medio_mdev_uuid(mdev) + 24, NULL, 10);
}

/* ---- The driver -------------------------------------------------------------------------------- */

static inline int fake_probe(struct medio_mdev *mdev)
{
	struct fake *fake = medio_mdev_driver_opaque(mdev);

	assert_int_equal(medio_mdev_state(mdev), MEDIO_MDEV_PROBING);
	assert_true(medio_mdev_group(mdev) >= 0);
	fake_log(fake, mdev, "probe:%u", fake_number(mdev));
	if (fake->probe_ret < 0)
		return medio_mdev_fail(mdev, -fake->probe_ret, "no power");
	return fake->probe_ret;
}

static inline void fake_remove(struct medio_mdev *mdev)
{
	struct fake *fake = medio_mdev_driver_opaque(mdev);

	assert_int_equal(medio_mdev_opens(mdev), 0);
	assert_true(medio_mdev_group(mdev) >= 0);
	fake_log(fake, mdev, "stop:%u", fake_number(mdev));
}

static inline void fake_request(struct medio_mdev *mdev, unsigned count)
{
	struct fake *fake = medio_mdev_driver_opaque(mdev);

	fake_log(fake, mdev, "request:%u/%u", fake_number(mdev), count);
	if (fake->close_on_request)
		medio_mdev_close(mdev);
}

static const struct medio_mdev_driver fake_driver = {
	.name = "fake",
	.probe = fake_probe,
	.remove = fake_remove,
	.request = fake_request,
};

/* ---- The parent -------------------------------------------------------------------------------- */

static const struct medio_type mtty_1 = { .name = "mtty-1", .summary = "Single port serial" };
static const struct medio_type mtty_2 = {
	.name = "mtty-2",
	.summary = "Dual port serial",
	.description = "Two UARTs",
	.units = 2,
};
static const struct medio_type *const mtty_types[] = { &mtty_1, &mtty_2, NULL };
static const struct medio_parent_desc mtty = {
	.name = "mtty", .types = mtty_types, .capacity = 24
};

/* ---- Set-up ------------------------------------------------------------------------------------ */

static inline void fake_event(void *opaque, const struct medio_mdev_event *event)
{
	const char *action = medio_mdev_action_name(event->action);

	if (event->mdev)
		fake_log(opaque, event->mdev, "%s:%u%s%s", action, fake_number(event->mdev),
			event->env ? ":" : "", event->env ? event->env : "");
	else
		fake_log(opaque, NULL, "%s:%s:%s", action, event->subsystem, event->env);
}

static inline int fake_setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	fake->one = &mtty_1;
	fake->two = &mtty_2;
	assert_int_equal(medio_bus_new(&fake->bus), 0);
	assert_int_equal(medio_bus_subscribe(fake->bus, fake_event, fake, &fake->sub), 0);
	assert_int_equal(medio_mdev_driver_register(fake->bus, &fake_driver, fake, NULL), 0);
	assert_int_equal(
		medio_parent_register(fake->bus, &mtty, &fake_driver, &fake->parent, NULL), 0);
	assert_log(fake, "change:mtty:MDEV_STATE=registered");
	*state = fake;
	return 0;
}

static inline int fake_teardown(void **state)
{
	struct fake *fake = *state;

	fake->hook = NULL;
	medio_bus_free(fake->bus);
	free(fake);
	return 0;
}

static inline const char *fake_uuid(unsigned number, char text[64])
{
	snprintf(text, 64, "00000000-0000-0000-0000-%012u", number);
	return text;
}

static inline int fake_create(
	struct fake *fake, const struct medio_type *type, unsigned number, struct medio_mdev **out)
{
	char text[64];

	return medio_mdev_create(fake->parent, type, fake_uuid(number, text), 36, NULL, out, NULL);
}

/* One that is there, with its creation checked and off the log. */
static inline struct medio_mdev *fake_instance(
	struct fake *fake, const struct medio_type *type, unsigned number)
{
	struct medio_mdev *mdev = NULL;
	char text[64];

	assert_int_equal(fake_create(fake, type, number, &mdev), 0);
	snprintf(text, sizeof(text), "add:%u probe:%u bind:%u", number, number, number);
	assert_log(fake, text);
	return mdev;
}

/* A medio_mdev_done that logs. */
static inline void fake_done(void *opaque, int ret)
{
	fake_log(opaque, NULL, "done:%d", ret);
}

#define WITH_FAKE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

#endif
