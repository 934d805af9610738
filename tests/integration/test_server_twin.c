/* SPDX-License-Identifier: BSD-3-Clause */
/* The twin socket: a client that offers it gets the server's commands there, and nowhere else. */
#include "bed.h"

#include <errno.h>
#include <unistd.h>

#define TWIN "{\"capabilities\":{\"max_msg_fds\":16,\"twin_socket\":{\"supported\":true}}}"

/* A client with its twin, DMA allowed, and a remote page at 0x100000. */
static void open_both(struct client *c, struct client *twin, struct bed *bed)
{
	client_hello_json(c, bed, TWIN);
	assert_int_equal(c->nfds, 1);
	memset(twin, 0, sizeof(*twin));
	twin->bed = bed;
	twin->fd = c->fds[0];
	c->nfds = 0;
	client_master(c, true);
	assert_int_equal(client_map(c, 0x100000, 0x1000, MAP_RW, -1, 0), 0);
}

static void post32(struct client *c, uint64_t offset, uint32_t value)
{
	struct medio_vu_region_access access = { offset, 0, sizeof(value) };
	uint8_t payload[sizeof(access) + sizeof(value)];
	memcpy(payload, &access, sizeof(access));
	memcpy(payload + sizeof(access), &value, sizeof(value));
	client_send(c, MEDIO_VU_REGION_WRITE, MEDIO_VU_NO_REPLY, payload, sizeof(payload));
}

static void start_read(struct client *c)
{
	post32(c, TOY_IOVA, 0x100);
	post32(c, TOY_LEN, 64);
	post32(c, TOY_DMA, TOY_ASYNC_IN);
}

static void answer(struct client *twin, const struct message *m, uint8_t fill)
{
	uint8_t buf[sizeof(m->hdr) + sizeof(struct medio_vu_dma_access) + 64];
	struct medio_vu_header hdr = m->hdr;
	hdr.size = sizeof(buf);
	hdr.flags = MEDIO_VU_REPLY;
	memset(buf, fill, sizeof(buf));
	memcpy(buf, &hdr, sizeof(hdr));
	memcpy(buf + sizeof(hdr), m->payload, sizeof(struct medio_vu_dma_access));
	client_bytes(twin, buf, sizeof(buf), NULL, 0);
	bed_step(twin->bed);
}

static void commands_go_over_the_twin_and_replies_come_back_there(void **state)
{
	struct bed *bed = *state;
	struct client c, twin;
	struct message m;
	open_both(&c, &twin, bed);
	start_read(&c);
	assert_true(client_silent(&c));
	assert_true(client_recv(&twin, &m));
	assert_int_equal(m.hdr.cmd, MEDIO_VU_DMA_READ);
	answer(&twin, &m, 0x5a);
	assert_int_equal(bed->toy->dma_ended, 1);
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_int_equal(bed->toy->dma[63], 0x5a);
	client_close(&c);
	client_close(&twin);
}

static void a_client_that_does_not_offer_it_gets_none(void **state)
{
	struct client c;
	struct message m;
	client_hello(&c, *state);
	assert_int_equal(c.nfds, 0);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x100000, 0x1000, MAP_RW, -1, 0), 0);
	start_read(&c);
	assert_true(client_recv(&c, &m));
	assert_int_equal(m.hdr.cmd, MEDIO_VU_DMA_READ);
	client_close(&c);
}

static void a_client_that_leaves_is_not_blamed_for_its_twin(void **state)
{
	struct bed *bed = *state;
	struct client c, twin;
	open_both(&c, &twin, bed);
	client_close(&twin);
	/* What comes on the other is served all the same. */
	client_master(&c, true);
	client_close(&c);
	client_hello(&c, bed);
	assert_false(bed_said(bed, "twin socket"));
	client_close(&c);
}

static void without_its_twin_a_client_is_asked_nothing(void **state)
{
	struct bed *bed = *state;
	struct client c, twin;
	open_both(&c, &twin, bed);
	client_close(&twin);
	start_read(&c);
	client_master(&c, true);
	assert_int_equal(bed->toy->dma_ended, 1);
	assert_int_equal(bed->toy->dma_ret, -ENODEV);
	assert_true(bed_said(bed, "closed the twin socket: nobody answers DMA_READ"));
	client_close(&c);
}

static void closing_the_twin_in_the_middle_closes_the_client(void **state)
{
	struct bed *bed = *state;
	struct client c, twin;
	struct message m;
	open_both(&c, &twin, bed);
	start_read(&c);
	assert_true(client_recv(&twin, &m));
	client_close(&twin);
	assert_true(client_gone(&c));
	assert_true(bed_said(bed, "closed the twin socket"));
	client_close(&c);
}

static void a_command_on_the_twin_closes_the_client(void **state)
{
	struct bed *bed = *state;
	struct client c, twin;
	open_both(&c, &twin, bed);
	client_send(&twin, MEDIO_VU_RESET, MEDIO_VU_COMMAND, NULL, 0);
	assert_true(client_gone(&c));
	assert_true(bed_said(bed, "command on the twin socket"));
	client_close(&c);
	client_close(&twin);
}

static void nothing_is_left_when_the_client_goes_in_the_middle(void **state)
{
	struct bed *bed = *state;
	struct client c, twin;
	unsigned before = bed_count_fds();
	open_both(&c, &twin, bed);
	start_read(&c);
	client_close(&c);
	bed_step(bed);
	assert_int_equal(bed->toy->dma_ended, 1);
	assert_int_equal(bed->toy->dma_ret, -ECANCELED);
	client_close(&twin);
	bed_step(bed);
	assert_int_equal(bed_count_fds(), before);
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(commands_go_over_the_twin_and_replies_come_back_there),
		BED_TEST(a_client_that_does_not_offer_it_gets_none),
		BED_TEST(a_client_that_leaves_is_not_blamed_for_its_twin),
		BED_TEST(without_its_twin_a_client_is_asked_nothing),
		BED_TEST(closing_the_twin_in_the_middle_closes_the_client),
		BED_TEST(a_command_on_the_twin_closes_the_client),
		BED_TEST(nothing_is_left_when_the_client_goes_in_the_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
