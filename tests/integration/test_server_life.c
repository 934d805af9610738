/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket in the file system, coming and going of clients, and the end of the server. */
#include "bed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- The socket -------------------------------------------------------------------------------------------- */

/* A second server on bed's instance at path: what it says. */
static int serve_at(struct bed *bed, const char *path, char words[256])
{
	struct medio_server *server = NULL;
	struct medio_error *err = NULL;
	int ret = medio_server_new(bed->inst, path, NULL, &server, &err);
	snprintf(words, 256, "%s", err ? medio_error_text(err) : "");
	medio_error_free(err);
	medio_server_free(server);
	return ret;
}

static void the_socket_is_for_its_owner_unless_said_otherwise(void **state)
{
	struct medio_server_options opts = { .mode = 0660 };
	struct bed *bed = *state, other;
	struct stat st;
	assert_int_equal(stat(bed->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	bed_open(&other, &opts);
	assert_int_equal(stat(other.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	bed_close(&other);
}

static void a_path_in_use_is_refused_and_its_server_unharmed(void **state)
{
	struct bed *bed = *state;
	struct client c;
	char words[256];
	assert_int_equal(serve_at(bed, bed->path, words), -EADDRINUSE);
	assert_non_null(strstr(words, "something serves there already"));
	client_hello(&c, bed);
	client_close(&c);
	assert_int_equal(access(bed->path, F_OK), 0);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct bed *bed = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char words[256];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(addr.sun_path, bed->path, strlen(bed->path));
	addr.sun_path[strlen(bed->path)] = '2';
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(serve_at(bed, addr.sun_path, words), 0);
	assert_int_not_equal(access(addr.sun_path, F_OK), 0); /* and gone with its server */
}

static void paths_that_cannot_be_are_explained(void **state)
{
	struct bed *bed = *state;
	char words[256], path[256];
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	assert_int_equal(serve_at(bed, path, words), -ENAMETOOLONG);
	assert_non_null(strstr(words, "108 bytes long, at most 107"));
	assert_int_equal(serve_at(bed, "", words), -EINVAL);
	snprintf(path, sizeof(path), "%s.none/s", bed->path);
	assert_int_equal(serve_at(bed, path, words), -ENOENT);
	assert_non_null(strstr(words, "no such folder"));
	snprintf(path, sizeof(path), "%s/s", bed->path);
	assert_int_equal(serve_at(bed, path, words), -ENOTDIR);

	/* A file of somebody's stays as it is. */
	snprintf(path, sizeof(path), "%s.file", bed->path);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(serve_at(bed, path, words), -EADDRINUSE);
	assert_non_null(strstr(words, "is not a socket"));
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 8);
	unlink(path);
}

static void the_longest_path_works(void **state)
{
	(void)state;
	struct bed bed;
	char words[256], path[108];
	bed_open(&bed, NULL);
	size_t len = strlen(bed.path);
	memcpy(path, bed.path, len);
	memset(path + len, 'y', 107 - len);
	path[107] = '\0';
	assert_int_equal(serve_at(&bed, path, words), 0);
	bed_close(&bed);
}

static void a_socket_that_somebody_replaced_is_not_removed(void **state)
{
	(void)state;
	struct bed bed;
	char path[128];
	bed_open(&bed, NULL);
	snprintf(path, sizeof(path), "%s.new", bed.path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(rename(path, bed.path), 0);
	medio_server_free(bed.server);
	bed.server = NULL;
	assert_int_equal(access(bed.path, F_OK), 0);
	unlink(bed.path);
	bed_close(&bed);
}

static void options_out_of_range_are_refused_in_words(void **state)
{
	struct bed *bed = *state;
	static const uint32_t bad[] = { 1, 4095, (64 << 20) + 1, UINT32_MAX };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct medio_server_options opts = { .max_data_xfer = bad[i] };
		struct medio_server *server;
		struct medio_error *err = NULL;
		assert_int_equal(
			medio_server_new(bed->inst, "/tmp/x", &opts, &server, &err), -EINVAL);
		assert_non_null(strstr(medio_error_text(err), "4096 to 67108864"));
		medio_error_free(err);
	}
}

static void a_connected_socket_is_served_and_owned(void **state)
{
	(void)state;
	struct medio_error *err = NULL;
	struct client c;
	struct bed bed;
	int fds[2];
	bed_open(&bed, NULL);
	medio_server_free(bed.server);
	bed.server = NULL;
	unsigned before = bed_count_fds();
	/* Taken, also on failure. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	struct medio_server_options opts = { .max_data_xfer = 1 };
	assert_int_equal(medio_server_new_fd(bed.inst, fds[1], &opts, &bed.server, &err), -EINVAL);
	medio_error_free(err);
	close(fds[0]);
	assert_int_equal(bed_count_fds(), before);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(medio_server_new_fd(bed.inst, fds[1], NULL, &bed.server, NULL), 0);
	memset(&c, 0, sizeof(c));
	c.bed = &bed;
	c.fd = fds[0];
	struct medio_vu_version version = { 0, 0 };
	assert_int_equal(client_call(&c, MEDIO_VU_VERSION, &version, sizeof(version), NULL), 0);
	assert_int_equal(client_read32(&c, MEDIO_REGION_CONFIG, 0), TOY_DEVICE << 16 | TOY_VENDOR);
	client_close(&c);
	bed_close(&bed);
}

/* ---- Coming and going ------------------------------------------------------------------------------------------ */

static void a_client_that_comes_back_finds_its_card_without_maps_and_events(void **state)
{
	struct bed *bed = *state;
	struct client c;
	char byte;
	int event = event_new(), mem = memory_new(4096);
	client_hello(&c, bed);
	unsigned before = bed_count_fds();
	client_master(&c, true);
	client_write32(&c, 2, 0x100, 0xcafe);
	client_write32(&c, MEDIO_REGION_CONFIG, 0x14, 0xfe000000);
	assert_int_equal(client_map(&c, 0x1000, 4096, MAP_RW, mem, 0), 0);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(event_take(event), 1);
	client_close(&c);
	assert_int_equal(medio_dma_read(bed->toy->dev, 0x1000, &byte, 1), -ENODEV);

	client_hello(&c, bed);
	assert_int_equal(bed_count_fds(), before);
	assert_int_equal(client_read32(&c, 2, 0x100), 0xcafe);
	assert_int_equal(client_read32(&c, MEDIO_REGION_CONFIG, 0x14), 0xfe000000);
	assert_int_equal(medio_dma_read(bed->toy->dev, 0x1000, &byte, 1), -EFAULT);
	assert_int_equal(client_map(&c, 0x1000, 4096, MAP_RW, mem, 0), 0);
	/* The level is the device's, the eventfd was the client's. */
	assert_int_equal(event_take(event), 0);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	assert_int_equal(event_take(event), 1);
	client_close(&c);
	close(event);
	close(mem);
}

static void what_was_posted_before_a_hangup_still_counts(void **state)
{
	struct bed *bed = *state;
	struct {
		struct medio_vu_region_access access;
		uint32_t value;
	} post = { { 0, 2, 4 }, 0 };
	struct client c;
	client_hello(&c, bed);
	for (uint32_t i = 1; i <= 100; i++) {
		post.value = i;
		client_send(&c, MEDIO_VU_REGION_WRITE, MEDIO_VU_NO_REPLY, &post, 20);
	}
	client_close(&c);
	assert_int_equal(bed->toy->store[0], 100);
}

static void a_client_that_does_not_read_costs_bounded_memory_and_gets_all_later(void **state)
{
	enum { EACH = 65536, MANY = 200 }; /* 13 MiB of replies */
	struct bed *bed = *state;
	struct medio_vu_region_access access = { 0, 2, EACH };
	struct message reply;
	struct client c;
	uint8_t buf[64];
	client_hello(&c, bed);
	uint16_t first = (uint16_t)(c.id + 1);
	for (unsigned i = 0; i < MANY; i++) {
		size_t size = client_put(&c, buf, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
		assert_int_equal(write(c.fd, buf, size), size);
		bed_step(bed);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(client_recv(&c, &reply));
		assert_int_equal(reply.hdr.id, (uint16_t)(first + i));
		assert_int_equal(reply.size, sizeof(access) + EACH);
	}
	assert_true(client_silent(&c));
	client_close(&c);
}

static void sixty_four_waiting_clients_are_enough(void **state)
{
	struct bed *bed = *state;
	struct client good, bad[80];
	client_hello(&good, bed);
	unsigned before = bed_count_fds();
	for (unsigned i = 0; i < 80; i++) {
		client_open(&bad[i], bed);
		bed_step(bed);
	}
	assert_true(bed_count_fds() - before <= 80 + 64);
	client_write32(&good, 2, 0, 1);
	for (unsigned i = 0; i < 80; i++)
		client_close(&bad[i]);
	bed_step(bed);
	assert_int_equal(bed_count_fds(), before);
	client_close(&good);
}

static void a_server_for_once_ends_with_its_first_client(void **state)
{
	(void)state;
	struct medio_server_options opts = { .once = true };
	struct client stranger, c;
	struct bed bed;
	bed_open(&bed, &opts);
	/* Who never said VERSION was no client: somebody asked whether the path is in use. */
	client_open(&stranger, &bed);
	bed_step(&bed);
	client_close(&stranger);
	client_hello(&c, &bed);
	close(c.fd);
	c.fd = -1;
	/* Ends by itself; were the stranger the first client, it would not see this one off. */
	assert_null(strstr(bed.toy->log, "client 0;client 1;client 0;"));
	assert_int_equal(medio_loop_run(bed.loop), 0);
	assert_non_null(strstr(bed.toy->log, "client 0;client 1;client 0;"));
	client_close(&c);
	bed_close(&bed);
}

/* ---- The end ------------------------------------------------------------------------------------------------------- */

static void the_end_finishes_what_was_answered_and_resets_nobody(void **state)
{
	(void)state;
	struct medio_vu_region_access access = { 0, MEDIO_REGION_CONFIG, 64 };
	struct message reply;
	struct client c;
	struct bed bed;
	uint8_t buf[64];
	bed_open(&bed, NULL);
	client_hello(&c, &bed);
	for (int i = 0; i < 10; i++) {
		size_t size = client_put(&c, buf, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
		client_bytes(&c, buf, size, NULL, 0);
	}
	bed_step(&bed);
	/* And some that the server will not have read. */
	for (int i = 0; i < 10; i++) {
		size_t size = client_put(&c, buf, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
		client_bytes(&c, buf, size, NULL, 0);
	}
	uint64_t start = medio_now_ns();
	medio_server_free(bed.server);
	assert_true(medio_now_ns() - start < 10000000000u);
	bed.server = NULL;
	for (int i = 0; i < 10; i++)
		assert_true(client_recv(&c, &reply));
	assert_true(client_gone(&c)); /* end of file, not a reset */
	client_close(&c);
	bed_close(&bed);
}

static void sixty_silent_clients_do_not_hold_up_the_end(void **state)
{
	(void)state;
	struct client c[60];
	struct bed bed;
	bed_open(&bed, NULL);
	for (unsigned i = 0; i < 60; i++) {
		if (i == 0)
			client_hello(&c[i], &bed);
		else
			client_open(&c[i], &bed);
		bed_step(&bed);
	}
	uint64_t start = medio_now_ns();
	medio_server_free(bed.server);
	assert_true(medio_now_ns() - start < 10000000000u);
	bed.server = NULL;
	for (unsigned i = 0; i < 60; i++) {
		assert_true(client_gone(&c[i]));
		client_close(&c[i]);
	}
	bed_close(&bed);
}

static void a_client_being_drained_is_not_reset_by_the_end(void **state)
{
	(void)state;
	struct medio_vu_header bad = { 1, MEDIO_VU_GET_INFO, 16, 2, 0 };
	struct client c;
	struct bed bed;
	bed_open(&bed, NULL);
	client_hello(&c, &bed);
	client_bytes(&c, &bad, sizeof(bad), NULL, 0); /* closed over this */
	bed_step(&bed);
	client_bytes(&c, &bad, sizeof(bad), NULL, 0); /* in flight */
	medio_server_free(bed.server);
	bed.server = NULL;
	assert_true(client_gone(&c));
	client_close(&c);
	bed_close(&bed);
}

static void the_end_with_work_under_way_cancels_it(void **state)
{
	(void)state;
	struct medio_vu_region_access access = { 0, 1, 8 };
	struct client c;
	struct bed bed;
	bed_open(&bed, NULL);
	client_hello(&c, &bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, -1, 0), 0);
	bed.toy->regs[TOY_LEN / 4] = 16;
	struct {
		struct medio_vu_region_access access;
		uint32_t value;
	} post = { { TOY_DMA, 0, 4 }, TOY_ASYNC_IN };
	client_send(&c, MEDIO_VU_REGION_WRITE, MEDIO_VU_NO_REPLY, &post, 20);
	bed_step(&bed);
	bed.toy->mode = TOY_DEFER_READS;
	client_send(&c, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
	bed_step(&bed);
	assert_int_equal(bed.toy->num_waiting, 1);
	medio_server_free(bed.server);
	bed.server = NULL;
	assert_int_equal(bed.toy->dma_ret, -ECANCELED);
	toy_answer(bed.toy, 0); /* to nobody */
	client_close(&c);
	bed_close(&bed);
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(the_socket_is_for_its_owner_unless_said_otherwise),
		BED_TEST(a_path_in_use_is_refused_and_its_server_unharmed),
		BED_TEST(a_stale_socket_is_replaced),
		BED_TEST(paths_that_cannot_be_are_explained),
		cmocka_unit_test(the_longest_path_works),
		cmocka_unit_test(a_socket_that_somebody_replaced_is_not_removed),
		BED_TEST(options_out_of_range_are_refused_in_words),
		cmocka_unit_test(a_connected_socket_is_served_and_owned),
		BED_TEST(a_client_that_comes_back_finds_its_card_without_maps_and_events),
		BED_TEST(what_was_posted_before_a_hangup_still_counts),
		BED_TEST(a_client_that_does_not_read_costs_bounded_memory_and_gets_all_later),
		BED_TEST(sixty_four_waiting_clients_are_enough),
		cmocka_unit_test(a_server_for_once_ends_with_its_first_client),
		cmocka_unit_test(the_end_finishes_what_was_answered_and_resets_nobody),
		cmocka_unit_test(sixty_silent_clients_do_not_hold_up_the_end),
		cmocka_unit_test(a_client_being_drained_is_not_reset_by_the_end),
		cmocka_unit_test(the_end_with_work_under_way_cancels_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
