/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's bytes through a front-end's pipe, out and in: whole, without waiting, and nothing but them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/instance.h"
#include "serve/vhost_state.h"
#include "test_bytes.h"
#include "virtio/bare.h"

#define LARGE (3u << 20) /* more than a pipe holds */
#define WORDS 16384u

/* ---- A device with so many bytes of its own ---------------------------------------------------------- */

static struct {
	size_t size;
	int save_fails, load_fails;
	unsigned loads;
	uint8_t bytes[LARGE + 1], loaded[LARGE + 1];
	size_t loaded_size;
} own;

struct blob {
	struct medio_virtio virtio;
};

static ssize_t blob_save(struct medio_dev *dev, void *buf, size_t cap)
{
	(void)dev;
	if (own.save_fails)
		return own.save_fails;
	if (cap >= own.size)
		memcpy(buf, own.bytes, own.size);
	return (ssize_t)own.size;
}

static int blob_load(struct medio_dev *dev, const void *buf, size_t size)
{
	(void)dev;
	own.loads++;
	if (own.load_fails)
		return own.load_fails;
	own.loaded_size = size;
	memcpy(own.loaded, buf, size < sizeof(own.loaded) ? size : sizeof(own.loaded));
	return 0;
}

static const struct medio_virtio_ops ops = { .save = blob_save, .load = blob_load };
static const struct medio_virtio_type virtio = { .id = 42, .max_queues = 1, .ops = &ops };
static const struct medio_type blob_type = {
	MEDIO_VIRTIO_TYPE(&virtio, struct blob, 42, 1, 0xff0000),
	.name = "virtio-blob",
	.summary = "a device for tests",
	.params = (const struct medio_param[]){ MEDIO_VIRTIO_PARAMS, { .name = NULL } },
};
static const struct medio_type other_type = {
	MEDIO_VIRTIO_TYPE(&virtio, struct blob, 42, 1, 0xff0000),
	.name = "virtio-other",
	.summary = "another",
	.params = (const struct medio_param[]){ MEDIO_VIRTIO_PARAMS, { .name = NULL } },
};

/* ---- Bed ------------------------------------------------------------------------------------------------ */

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_vhost_state *state;
	char words[WORDS];
	size_t len;
};

static const struct medio_virtio_transport nobody = { .interrupt = NULL };

static void hears(void *opaque, enum medio_log_level level, const char *line)
{
	struct bed *bed = opaque;

	(void)level;
	bed->len += (size_t)snprintf(bed->words + bed->len, WORDS - bed->len, "%s\n", line);
}

static struct bed *plugs(const struct medio_type *type)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	const struct medio_instance_options opts = { .log = hears, .log_opaque = bed };
	const struct medio_type *bare;
	struct medio_virtio_core *core;

	assert_non_null(bed);
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(medio_virtio_bare_type(type, &bare, NULL), 0);
	assert_int_equal(medio_instance_new(bed->loop, bare, &opts, &bed->inst, NULL), 0);
	core = medio_virtio_bare_attach(medio_instance_device(bed->inst), &nobody, NULL);
	assert_non_null(core);
	assert_int_equal(medio_vhost_state_new(bed->inst, core, &bed->state), 0);
	return bed;
}

static void unplugs(struct bed *bed)
{
	medio_vhost_state_free(bed->state);
	medio_virtio_bare_detach(medio_instance_device(bed->inst));
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	free(bed);
}

static int setup(void **state)
{
	memset(&own, 0, sizeof(own));
	own.size = 1000;
	scramble(own.bytes, sizeof(own.bytes), 7);
	*state = plugs(&blob_type);
	return 0;
}

static int teardown(void **state)
{
	unplugs(*state);
	return 0;
}

static bool said(const struct bed *bed, const char *words)
{
	return strstr(bed->words, words);
}

static int saves(struct bed *bed, int fd)
{
	return medio_vhost_state_begin(bed->state, MEDIO_VHOST_STATE_SAVE, 0, fd);
}

static int loads(struct bed *bed, int fd)
{
	return medio_vhost_state_begin(bed->state, MEDIO_VHOST_STATE_LOAD, 0, fd);
}

static int checks(struct bed *bed)
{
	return medio_vhost_state_check(bed->state);
}

/* All that comes, while the device's loop runs. */
static size_t reads_all(struct bed *bed, int fd, uint8_t *buf, size_t cap)
{
	size_t size = 0;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	for (;;) {
		ssize_t n = read(fd, buf + size, cap - size);
		if (n == 0)
			return size;
		size += n > 0 ? (size_t)n : 0;
		assert_true(n > 0 || errno == EAGAIN);
		assert_true(medio_loop_run_once(bed->loop, 0) >= 0);
	}
}

static void writes_all(struct bed *bed, int fd, const uint8_t *buf, size_t size)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (size) {
		ssize_t n = write(fd, buf, size);
		if (n > 0) {
			buf += n;
			size -= (size_t)n;
		}
		assert_true(n > 0 || errno == EAGAIN);
		assert_true(medio_loop_run_once(bed->loop, 0) >= 0);
	}
}

/* The bytes of the device as it is. */
static size_t saved(struct bed *bed, uint8_t *buf, size_t cap)
{
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(saves(bed, pipes[1]), 0);
	size_t size = reads_all(bed, pipes[0], buf, cap);
	close(pipes[0]);
	assert_int_equal(checks(bed), 0);
	return size;
}

static int loaded(struct bed *bed, const uint8_t *buf, size_t size)
{
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(loads(bed, pipes[0]), 0);
	writes_all(bed, pipes[1], buf, size);
	close(pipes[1]);
	return checks(bed);
}

static uint8_t buffer[2 * LARGE];

/* ---- Tests -------------------------------------------------------------------------------------------------- */

static void what_is_saved_can_be_loaded(void **state)
{
	static const size_t sizes[] = { 0, 1, 1000, 65536, LARGE };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		own.size = sizes[i];
		size_t size = saved(*state, buffer, sizeof(buffer));
		assert_true(size > own.size);
		own.loaded_size = SIZE_MAX;
		assert_int_equal(loaded(*state, buffer, size), 0);
		assert_int_equal(own.loaded_size, own.size);
		assert_memory_equal(own.loaded, own.bytes, own.size);
	}
}

static void a_socket_and_a_file_do_as_well(void **state)
{
	struct bed *bed = *state;
	int pair[2], file = memfd_create("state", MFD_CLOEXEC);

	own.size = LARGE;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(saves(bed, pair[1]), 0);
	size_t size = reads_all(bed, pair[0], buffer, sizeof(buffer));
	close(pair[0]);
	assert_int_equal(checks(bed), 0);
	assert_int_equal(saves(bed, dup(file)), 0);
	assert_int_equal(checks(bed), 0);
	assert_int_equal(lseek(file, 0, SEEK_END), size);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(loads(bed, file), 0);
	assert_int_equal(checks(bed), 0);
	assert_memory_equal(own.loaded, own.bytes, own.size);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(loads(bed, pair[1]), 0);
	writes_all(bed, pair[0], buffer, size);
	close(pair[0]);
	assert_int_equal(checks(bed), 0);
	assert_int_equal(own.loads, 2);
}

static void nobody_waits_for_a_pipe_that_is_not_read(void **state)
{
	struct bed *bed = *state;
	int pipes[2];

	own.size = LARGE;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(saves(bed, pipes[1]), 0);
	/* In blocking mode again: it is ours too. */
	fcntl(pipes[1], F_SETFL, 0);
	for (unsigned i = 0; i < 10; i++)
		assert_true(medio_loop_run_once(bed->loop, 0) >= 0);
	assert_int_equal(checks(bed), -EINPROGRESS);
	assert_true(said(bed, "read all of the state first"));
	assert_true(reads_all(bed, pipes[0], buffer, sizeof(buffer)) > LARGE);
	close(pipes[0]);
	assert_int_equal(checks(bed), 0);
	assert_int_equal(checks(bed), 0);
}

static void nobody_waits_for_a_pipe_that_is_not_written(void **state)
{
	struct bed *bed = *state;
	int pipes[2];

	size_t size = saved(bed, buffer, sizeof(buffer));
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(loads(bed, pipes[0]), 0);
	assert_true(medio_loop_run_once(bed->loop, 0) >= 0);
	assert_int_equal(checks(bed), -EINPROGRESS);
	assert_int_equal(write(pipes[1], buffer, size), size);
	/* All is there, and the end is not. */
	assert_int_equal(checks(bed), -EINPROGRESS);
	assert_true(said(bed, "close the end that is written first"));
	assert_int_equal(own.loads, 0);
	close(pipes[1]);
	assert_int_equal(checks(bed), 0);
	assert_int_equal(own.loads, 1);
}

static void a_reader_that_goes_is_no_signal(void **state)
{
	struct bed *bed = *state;
	sigset_t pending;
	int pipes[2];

	signal(SIGPIPE, SIG_DFL);
	own.size = LARGE;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(saves(bed, pipes[1]), 0);
	close(pipes[0]);
	while (checks(bed) == -EINPROGRESS)
		assert_true(medio_loop_run_once(bed->loop, 0) >= 0);
	assert_int_equal(checks(bed), -EPIPE);
	assert_true(said(bed, "cannot be written"));
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
	/* The next works. */
	assert_true(saved(bed, buffer, sizeof(buffer)) > LARGE);
}

static void bytes_of_something_else_never_reach_the_device(void **state)
{
	struct bed *bed = *state;
	size_t size = saved(bed, buffer, sizeof(buffer));

	assert_int_equal(loaded(bed, buffer, 0), -EINVAL);
	assert_int_equal(loaded(bed, buffer, 10), -EINVAL);
	assert_int_equal(loaded(bed, buffer, size - 1), -EINVAL);
	assert_true(said(bed, "changed or cut"));
	buffer[size] = 0;
	assert_int_equal(loaded(bed, buffer, size + 1), -EINVAL);
	/* Each byte counts. */
	for (size_t i = 0; i < size; i += i < 80 ? 1 : 97) {
		buffer[i] ^= 1;
		assert_int_equal(loaded(bed, buffer, size), -EINVAL);
		buffer[i] ^= 1;
	}
	struct bed *other = plugs(&other_type);
	assert_int_equal(loaded(other, buffer, size), -EINVAL);
	assert_true(said(other, "the state is a 'virtio-blob', and this is a 'virtio-other'"));
	unplugs(other);
	assert_int_equal(own.loads, 0);
	assert_int_equal(loaded(bed, buffer, size), 0);
}

static void what_the_device_says_is_what_check_says(void **state)
{
	struct bed *bed = *state;
	int pipes[2];

	assert_int_equal(checks(bed), -ENOENT);
	size_t size = saved(bed, buffer, sizeof(buffer));
	own.load_fails = -EDOM;
	assert_int_equal(loaded(bed, buffer, size), -EDOM);
	assert_true(said(bed, "does not take the state"));
	own.save_fails = -EXDEV;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(saves(bed, pipes[1]), -EXDEV);
	char c;
	assert_int_equal(read(pipes[0], &c, 1), 0); /* closed */
	close(pipes[0]);
	assert_int_equal(checks(bed), -EXDEV);
}

static void directions_phases_and_descriptors_that_are_not_are_refused(void **state)
{
	struct bed *bed = *state;
	int pipes[2], pair[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(medio_vhost_state_begin(bed->state, 2, 0, dup(pipes[1])), -EINVAL);
	assert_int_equal(medio_vhost_state_begin(bed->state, 0, 1, dup(pipes[1])), -EINVAL);
	assert_true(said(bed, "in phase 0 (stopped)"));
	assert_int_equal(saves(bed, -1), -EINVAL);
	assert_int_equal(saves(bed, dup(pipes[0])), -EINVAL);
	assert_int_equal(loads(bed, dup(pipes[1])), -EINVAL);
	assert_int_equal(saves(bed, eventfd(0, 0)), -EINVAL);
	assert_int_equal(saves(bed, open("/dev/null", O_RDWR | O_CLOEXEC)), -EINVAL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	assert_int_equal(saves(bed, pair[0]), -EINVAL);
	close(pair[1]);
	close(pipes[0]);
	close(pipes[1]);
}

static void another_transfer_ends_the_one_before(void **state)
{
	struct bed *bed = *state;
	int pipes[2];
	char c = 0;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(loads(bed, pipes[0]), 0);
	size_t size = saved(bed, buffer, sizeof(buffer));
	assert_int_equal(write(pipes[1], &c, 1), -1);
	assert_int_equal(errno, EPIPE);
	close(pipes[1]);
	assert_int_equal(loaded(bed, buffer, size), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(loads(bed, pipes[0]), 0);
	medio_vhost_state_cancel(bed->state);
	assert_int_equal(checks(bed), -ENOENT);
	close(pipes[1]);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		TEST(what_is_saved_can_be_loaded),
		TEST(a_socket_and_a_file_do_as_well),
		TEST(nobody_waits_for_a_pipe_that_is_not_read),
		TEST(nobody_waits_for_a_pipe_that_is_not_written),
		TEST(bytes_of_something_else_never_reach_the_device),
		TEST(what_the_device_says_is_what_check_says),
		TEST(directions_phases_and_descriptors_that_are_not_are_refused),
		TEST(another_transfer_ends_the_one_before),
		TEST(a_reader_that_goes_is_no_signal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
