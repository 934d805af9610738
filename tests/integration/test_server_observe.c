/* SPDX-License-Identifier: BSD-3-Clause */
/* Observers: who only looks at a device, beside the one who has it. */
#include "bed.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <medio/driver.h>
#include "util/error.h"

static const char observer[] = "{\"capabilities\":{\"max_msg_fds\":1,\"medio_observer\":true}}";

static int ask(struct client *c, const void *payload, size_t size, char *text)
{
	struct message reply;
	int ret = client_call(c, MEDIO_VU_ATTRIBUTE, payload, size, &reply);

	if (ret == 0) {
		memcpy(text, reply.payload, reply.size);
		text[reply.size] = '\0';
	}
	return ret;
}

static void an_observer_reads_attributes_beside_the_client(void **state)
{
	struct bed *bed = *state;
	struct client c, o;
	char text[256];

	client_hello(&c, bed);
	client_hello_json(&o, bed, observer);
	strcpy(bed->toy->colour, "green");
	assert_int_equal(ask(&o, "toy/colour", 11, text), 0);
	assert_string_equal(text, "green");
	assert_int_equal(ask(&o, "", 1, text), 0);
	assert_string_equal(text, "rw toy/colour\n-w toy/secret\n");
	/* The one who has it notices nothing, also when the observer goes. */
	client_write32(&c, 2, 0, 77);
	client_close(&o);
	bed_step(bed);
	assert_int_equal(client_read32(&c, 2, 0), 77);
	client_close(&c);
}

static void an_observer_writes_attributes(void **state)
{
	struct bed *bed = *state;
	struct message reply;
	struct client o;

	client_hello_json(&o, bed, observer);
	assert_int_equal(client_call(&o, MEDIO_VU_ATTRIBUTE, "toy/colour\0red", 14, &reply), 0);
	assert_string_equal(bed->toy->colour, "red");
	assert_int_equal(
		client_call(&o, MEDIO_VU_ATTRIBUTE, "toy/colour\0far too long for it", 31, &reply),
		-EINVAL);
	assert_string_equal(bed->toy->colour, "red");
	client_close(&o);
}

static void an_observer_does_not_have_the_device(void **state)
{
	struct bed *bed = *state;
	struct client c, o;
	struct message reply;
	uint32_t word = 0;

	client_hello_json(&o, bed, observer);
	assert_int_equal(medio_instance_stats(bed->inst)->connected, 0);
	assert_int_equal(client_read(&o, 2, 0, &word, 4), -EPERM);
	assert_int_equal(client_call(&o, MEDIO_VU_RESET, NULL, 0, &reply), -EPERM);
	/* It is free for somebody who wants it. */
	client_hello(&c, bed);
	client_write32(&c, 2, 0, 5);
	assert_int_equal(client_read32(&c, 2, 0), 5);
	client_close(&c);
	client_close(&o);
}

static void what_an_observer_cannot_ask_is_refused(void **state)
{
	struct bed *bed = *state;
	struct client c, o;
	char text[256];

	client_hello_json(&o, bed, observer);
	assert_int_equal(ask(&o, "toy/none", 9, text), -ENOENT);
	assert_int_equal(ask(&o, "toy/secret", 11, text), -EIO);
	assert_int_equal(ask(&o, "toy/colour", 10, text), -EINVAL); /* no NUL */
	assert_int_equal(ask(&o, "", 0, text), -EINVAL);
	/* And nobody else can ask so. */
	client_hello(&c, bed);
	assert_int_equal(ask(&c, "toy/colour", 11, text), -ENOSYS);
	client_close(&c);
	client_close(&o);
}

/* ---- As a program does it ---------------------------------------------------------------------- */

struct look {
	char uri[160], text[64];
	const char *name, *value;
	size_t size, len;
	int ret;
	char words[256];
	struct bed *bed;
	bool done;
};

static void *look(void *opaque)
{
	struct look *l = opaque;
	struct medio_error *err = NULL;

	l->ret = medio_observe(l->uri, l->name, l->value, l->text, l->size, &l->len, &err);
	snprintf(l->words, sizeof(l->words), "%s", err ? medio_error_text(err) : "");
	medio_error_free(err);
	medio_loop_stop(l->bed->loop);
	return NULL;
}

static void run_look(struct look *l)
{
	pthread_t thread;

	snprintf(l->uri, sizeof(l->uri), "vfio-user:%s", l->bed->path);
	assert_int_equal(pthread_create(&thread, NULL, look, l), 0);
	assert_int_equal(medio_loop_run(l->bed->loop), 0);
	pthread_join(thread, NULL);
}

static void a_program_looks_with_one_call(void **state)
{
	struct bed *bed = *state;
	struct look l = { .bed = bed, .name = "toy/colour", .size = sizeof(l.text) };
	struct client c;

	client_hello(&c, bed);
	strcpy(bed->toy->colour, "blue");
	run_look(&l);
	assert_int_equal(l.ret, 0);
	assert_string_equal(l.text, "blue");
	assert_int_equal(l.len, 4);
	l.size = 4;
	run_look(&l);
	assert_int_equal(l.ret, -ENOBUFS);
	l.name = "toy/none";
	run_look(&l);
	assert_int_equal(l.ret, -ENOENT);
	assert_non_null(strstr(l.words, "no attribute 'toy/none'"));
	l.name = "toy/colour";
	l.value = "white";
	run_look(&l);
	assert_int_equal(l.ret, 0);
	assert_string_equal(bed->toy->colour, "white");
	client_close(&c);
}

static void what_cannot_be_looked_at_is_said(void **state)
{
	struct medio_error *err = NULL;
	char text[64];

	(void)state;
	assert_int_equal(
		medio_observe("uio:uio0", "a", NULL, text, sizeof(text), NULL, &err), -ENOTSUP);
	assert_non_null(strstr(medio_error_text(err), "vfio-user"));
	medio_error_free(err);
	err = NULL;
	assert_int_equal(medio_observe("vfio-user:/nonexistent/s", "a", NULL, text, 64, NULL, &err),
		-ENOENT);
	medio_error_free(err);
	assert_int_equal(medio_observe("nonsense", "a", NULL, text, 64, NULL, NULL), -EINVAL);
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(an_observer_reads_attributes_beside_the_client),
		BED_TEST(an_observer_writes_attributes),
		BED_TEST(an_observer_does_not_have_the_device),
		BED_TEST(what_an_observer_cannot_ask_is_refused),
		BED_TEST(a_program_looks_with_one_call),
		cmocka_unit_test(what_cannot_be_looked_at_is_said),
	};

	return cmocka_run_group_tests_name("server_observe", tests, NULL, NULL);
}
