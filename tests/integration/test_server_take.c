/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that somebody else accepted: given to a server without a socket, ended, told of. */
#include "bed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_GONE 128

static struct {
	uint64_t numbers[MAX_GONE];
	unsigned count;
	struct bed *bed;
	int next; /* to be taken when one has gone; -1 */
} ends;

static void on_gone(void *opaque, uint64_t number)
{
	assert_ptr_equal(opaque, &ends);
	assert_true(ends.count < MAX_GONE);
	ends.numbers[ends.count++] = number;
	if (ends.next >= 0) {
		int fd = ends.next;
		ends.next = -1;
		assert_int_equal(medio_server_take(ends.bed->server, fd, 99), 0);
	}
}

static const struct medio_server_options options = { .gone = on_gone, .opaque = &ends };

/* The bed's server is replaced by one without a socket. */
static void make_idle(struct bed *bed, const struct medio_server_options *opts)
{
	struct medio_error *err = NULL;
	medio_server_free(bed->server);
	bed->server = NULL;
	if (medio_server_new_idle(bed->inst, opts, &bed->server, &err))
		fail_msg("%s", medio_error_text(err));
	ends.count = 0;
	ends.next = -1;
	ends.bed = bed;
}

static int setup(void **state)
{
	bed_setup(state);
	make_idle(*state, &options);
	return 0;
}

/* A client on a pair of sockets; gives the server's end. */
static int client_pair(struct client *c, struct bed *bed)
{
	int fds[2];
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	*c = (struct client){ .bed = bed, .fd = fds[0] };
	return fds[1];
}

static int client_take(struct client *c, struct bed *bed, uint64_t number)
{
	return medio_server_take(bed->server, client_pair(c, bed), number);
}

static int client_version(struct client *c)
{
	struct medio_vu_version version = { 0, 1 };
	return client_call(c, MEDIO_VU_VERSION, &version, sizeof(version), NULL);
}

static void a_taken_connection_is_served_and_its_end_told_once(void **state)
{
	struct bed *bed = *state;
	struct client c;
	unsigned before = bed_count_fds();
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(client_take(&c, bed, 7 + i), 0);
		assert_int_equal(client_version(&c), 0);
		client_write32(&c, 2, 0x100, 0xabcd0000 + i);
		assert_int_equal(client_read32(&c, 2, 0x100), 0xabcd0000 + i);
		assert_int_equal(ends.count, i);
		client_close(&c);
		assert_int_equal(ends.count, i + 1);
		assert_int_equal(ends.numbers[i], 7 + i);
	}
	assert_int_equal(bed_count_fds(), before);
}

static void who_is_turned_away_is_told_of_too(void **state)
{
	struct bed *bed = *state;
	struct client first, second;
	assert_int_equal(client_take(&first, bed, 1), 0);
	assert_int_equal(client_version(&first), 0);
	assert_int_equal(client_take(&second, bed, 2), 0);
	assert_int_equal(client_version(&second), -EBUSY);
	assert_true(client_gone(&second));
	assert_int_equal(ends.count, 0); /* it has not hung up yet */
	client_close(&second);
	assert_int_equal(ends.count, 1);
	assert_int_equal(ends.numbers[0], 2);
	assert_int_equal(client_read(&first, 2, 0, &(uint32_t){ 0 }, 4), 0);
	client_close(&first);
	assert_int_equal(ends.count, 2);
	assert_int_equal(ends.numbers[1], 1);
}

static void what_cannot_be_taken_is_closed_and_not_told_of(void **state)
{
	struct bed *bed = *state;
	struct client first, others[80];
	unsigned before = bed_count_fds(), taken = 0;
	int fd = memory_new(4096);
	assert_int_equal(medio_server_take(bed->server, fd, 1), -EPERM);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(bed_count_fds(), before);

	assert_int_equal(client_take(&first, bed, 2), 0);
	assert_int_equal(client_version(&first), 0);
	for (unsigned i = 0; i < 80; i++) {
		int ret = client_take(&others[i], bed, 100 + i);
		assert_int_equal(ret, taken < 63 ? 0 : -EBUSY);
		taken += ret == 0;
	}
	assert_int_equal(client_read(&first, 2, 0, &(uint32_t){ 0 }, 4), 0);
	for (unsigned i = 0; i < 80; i++)
		client_close(&others[i]);
	assert_int_equal(ends.count, 63);
	for (unsigned i = 0; i < 63; i++)
		assert_int_equal(ends.numbers[i], 100 + i);
	client_close(&first);
	assert_int_equal(ends.count, 64);
	assert_int_equal(bed_count_fds(), before);
}

static void gone_may_bring_the_next(void **state)
{
	struct bed *bed = *state;
	struct client first, second;
	assert_int_equal(client_take(&first, bed, 1), 0);
	assert_int_equal(client_version(&first), 0);
	ends.next = client_pair(&second, bed);
	client_close(&first);
	assert_int_equal(ends.count, 1);
	assert_int_equal(client_version(&second), 0);
	client_close(&second);
	assert_int_equal(ends.count, 2);
	assert_int_equal(ends.numbers[1], 99);
}

/* ---- Disconnect ------------------------------------------------------------------------------------ */

static void disconnect_takes_the_device_away_at_once_and_tells_when_the_client_has_hung_up(
	void **state)
{
	struct bed *bed = *state;
	struct client first, second;
	uint32_t value;
	assert_int_equal(client_take(&first, bed, 1), 0);
	assert_int_equal(client_version(&first), 0);
	toy_forget_log(bed->toy);
	/* Half a message and unread replies do not make a reset of it. */
	struct medio_vu_region_access access = { 0, 2, 4 };
	client_send(&first, MEDIO_VU_REGION_READ, MEDIO_VU_COMMAND, &access, sizeof(access));
	bed_step(bed);
	client_bytes(&first, "\x01\x02\x03", 3, NULL, 0);

	uint64_t start = medio_now_ns();
	medio_server_disconnect(bed->server);
	assert_true(medio_now_ns() - start < 4000000000u); /* does not wait for anybody */
	assert_non_null(strstr(bed->toy->log, "client 0"));
	struct message reply;
	assert_true(client_recv(&first, &reply));
	assert_int_equal(reply.hdr.cmd, MEDIO_VU_REGION_READ);
	assert_true(client_gone(&first));
	assert_int_equal(ends.count, 0);

	/* Another is served while the first has not hung up. */
	assert_int_equal(client_take(&second, bed, 2), 0);
	assert_int_equal(client_version(&second), 0);
	assert_int_equal(client_read(&second, 2, 0, &value, 4), 0);
	client_close(&first);
	assert_int_equal(ends.count, 1);
	assert_int_equal(ends.numbers[0], 1);
	assert_int_equal(client_read(&second, 2, 0, &value, 4), 0);
	client_close(&second);
	assert_int_equal(ends.count, 2);
}

static bool told;

static void on_told(void *opaque, uint64_t number)
{
	on_gone(opaque, number);
	told = true;
}

static void a_client_that_never_hangs_up_is_gone_after_a_second(void **state)
{
	struct bed *bed = *state;
	struct medio_server_options opts = { .gone = on_told, .opaque = &ends };
	struct client c;
	make_idle(bed, &opts);
	assert_int_equal(client_take(&c, bed, 1), 0);
	assert_int_equal(client_version(&c), 0);
	told = false;
	medio_server_disconnect(bed->server);
	medio_server_disconnect(bed->server); /* once more changes nothing */
	assert_true(bed_wait(bed, &told, 5000));
	assert_int_equal(ends.count, 1);
	client_close(&c);
	assert_int_equal(ends.count, 1);
}

static void disconnect_while_the_device_owes_an_answer_leaves_the_device_usable(void **state)
{
	struct bed *bed = *state;
	struct client first, second;
	struct medio_vu_region_access access = { 0, 1, 4 };
	assert_int_equal(client_take(&first, bed, 1), 0);
	assert_int_equal(client_version(&first), 0);
	bed->toy->mode = TOY_DEFER_READS;
	client_send(&first, MEDIO_VU_REGION_READ, MEDIO_VU_COMMAND, &access, sizeof(access));
	bed_step(bed);
	assert_int_equal(bed->toy->num_waiting, 1);
	medio_server_disconnect(bed->server);
	bed->toy->mode = 0;
	assert_int_equal(client_take(&second, bed, 2), 0);
	assert_int_equal(client_version(&second), 0);
	toy_answer(bed->toy, 0);
	assert_true(client_silent(&second));
	assert_int_equal(client_read(&second, 2, 0, &(uint32_t){ 0 }, 4), 0);
	client_close(&first);
	client_close(&second);
	assert_int_equal(ends.count, 2);
}

/* ---- The end --------------------------------------------------------------------------------------- */

static void freeing_the_server_tells_of_everybody(void **state)
{
	struct bed *bed = *state;
	struct client first, second, third;
	assert_int_equal(client_take(&first, bed, 1), 0);
	assert_int_equal(client_version(&first), 0);
	assert_int_equal(client_take(&second, bed, 2), 0);
	assert_int_equal(client_version(&second), -EBUSY);
	assert_int_equal(client_take(&third, bed, 3), 0); /* has said nothing yet */
	medio_server_free(bed->server);
	bed->server = NULL;
	assert_int_equal(ends.count, 3);
	assert_int_equal(ends.numbers[0], 1);
	assert_int_equal(ends.numbers[1], 2);
	assert_int_equal(ends.numbers[2], 3);
	assert_true(client_gone(&first));
	assert_true(client_gone(&third));
	client_close(&first);
	client_close(&second);
	client_close(&third);
}

static void nobody_comes_into_a_server_that_is_being_freed(void **state)
{
	struct bed *bed = *state;
	struct client c, late;
	struct medio_server_options opts = { .gone = NULL };
	assert_int_equal(client_take(&c, bed, 1), 0);
	medio_server_free(bed->server);
	bed->server = NULL;
	assert_int_equal(ends.count, 1);
	client_close(&c);

	/* Without gone() nobody is told. */
	make_idle(bed, &opts);
	assert_int_equal(client_take(&late, bed, 2), 0);
	assert_int_equal(client_version(&late), 0);
	client_close(&late);
	assert_int_equal(ends.count, 0);
}

static int late_ret;

static void take_late(void *opaque, uint64_t number)
{
	struct client *late = opaque;
	(void)number;
	late_ret = client_take(late, ends.bed, 5);
}

static void gone_cannot_fill_a_server_that_is_being_freed(void **state)
{
	struct bed *bed = *state;
	struct client c, late;
	struct medio_server_options opts = { .gone = take_late, .opaque = &late };
	make_idle(bed, &opts);
	assert_int_equal(client_take(&c, bed, 1), 0);
	medio_server_free(bed->server);
	bed->server = NULL;
	assert_int_equal(late_ret, -EBUSY);
	assert_true(client_gone(&late));
	client_close(&late);
	client_close(&c);
}

static void once_waits_for_a_real_client(void **state)
{
	struct bed *bed = *state;
	struct medio_server_options opts = { .once = true };
	struct client c;
	make_idle(bed, &opts);
	/* Who says nothing ends nothing: the loop would run for ever, so it is stepped. */
	assert_int_equal(client_take(&c, bed, 1), 0);
	client_close(&c);
	assert_int_equal(client_take(&c, bed, 2), 0);
	assert_int_equal(client_version(&c), 0);
	close(c.fd);
	c.fd = -1;
	assert_int_equal(medio_loop_run(bed->loop), 0);
	client_close(&c);
}

static void options_are_checked_without_a_socket_too(void **state)
{
	struct bed *bed = *state;
	struct medio_server_options opts = { .max_data_xfer = 1 };
	struct medio_server *server;
	struct medio_error *err = NULL;
	assert_int_equal(medio_server_new_idle(bed->inst, &opts, &server, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "4096 to 67108864"));
	medio_error_free(err);
}

#define WITH_IDLE(name) cmocka_unit_test_setup_teardown(name, setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_IDLE(a_taken_connection_is_served_and_its_end_told_once),
		WITH_IDLE(who_is_turned_away_is_told_of_too),
		WITH_IDLE(what_cannot_be_taken_is_closed_and_not_told_of),
		WITH_IDLE(gone_may_bring_the_next),
		WITH_IDLE(
			disconnect_takes_the_device_away_at_once_and_tells_when_the_client_has_hung_up),
		WITH_IDLE(a_client_that_never_hangs_up_is_gone_after_a_second),
		WITH_IDLE(disconnect_while_the_device_owes_an_answer_leaves_the_device_usable),
		WITH_IDLE(freeing_the_server_tells_of_everybody),
		WITH_IDLE(nobody_comes_into_a_server_that_is_being_freed),
		WITH_IDLE(gone_cannot_fill_a_server_that_is_being_freed),
		WITH_IDLE(once_waits_for_a_real_client),
		WITH_IDLE(options_are_checked_without_a_socket_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
