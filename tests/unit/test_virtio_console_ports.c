/* SPDX-License-Identifier: BSD-3-Clause */
/* Many ports: what is said about them, in order and out of it. */
#include "test_vcon_bed.h"

/* The device is told that its driver is there, with buffers for its messages. */
static void greets(struct bed *bed, unsigned ports)
{
	brings_up(bed, F_SIZE | F_MULTIPORT, ports);
	listens(bed, 32);
	says(bed, 0, DEVICE_READY, 1);
	for (unsigned i = 0; i < ports; i++)
		hears(bed, i, PORT_ADD, 0);
}

/* As Linux does: every port is ready, and a console is open. */
static void accepts(struct bed *bed, unsigned port, const char *name, bool console, bool open)
{
	says(bed, port, PORT_READY, 1);
	if (console)
		hears(bed, port, CONSOLE_PORT, 1);
	if (name)
		hears_with(bed, port, PORT_NAME, 0, name, strlen(name));
	if (open)
		hears(bed, port, PORT_OPEN, 1);
	says(bed, port, PORT_OPEN, 1);
}

static void ports_are_announced_in_order(void **state)
{
	static const uint8_t size[] = { 80, 0, 25, 0 };
	struct bed *bed = *state;
	struct virtio_info info;

	plugs(bed, NULL,
		PARAMS("port0=null", "cols=80", "rows=25", "name0=login",
			plug(bed, "port1=unix:", "s"), "name1=org.medio.data", "port2=echo"));
	brings_up(bed, F_SIZE | F_MULTIPORT, 3);
	virtio_get_info(bed->v, &info);
	assert_int_equal(info.num_queues, 8);
	assert_int_equal(config(bed, MAX_PORTS, 4), 3);
	listens(bed, 16);
	/* Not a word before it is asked. */
	hears_nothing(bed);
	says(bed, 0, DEVICE_READY, 1);
	hears(bed, 0, PORT_ADD, 0);
	hears(bed, 1, PORT_ADD, 0);
	hears(bed, 2, PORT_ADD, 0);
	hears_nothing(bed);
	says(bed, 0, PORT_READY, 1);
	hears(bed, 0, CONSOLE_PORT, 1);
	hears_with(bed, 0, RESIZE, 0, size, sizeof(size));
	hears_with(bed, 0, PORT_NAME, 0, "login", 5);
	hears(bed, 0, PORT_OPEN, 1);
	says(bed, 2, PORT_READY, 1);
	hears(bed, 2, PORT_OPEN, 1);
	/* Nobody is at the other end of this one yet. */
	says(bed, 1, PORT_READY, 1);
	hears_with(bed, 1, PORT_NAME, 0, "org.medio.data", 14);
	hears_nothing(bed);
	close(dial(bed, "s"));
	hears(bed, 1, PORT_OPEN, 1);
	hears(bed, 1, PORT_OPEN, 0);
}

static void sixteen_ports_echo(void **state)
{
	struct bed *bed = *state;
	const char *params[20] = { "consoles=2" };
	char text[16][16];

	for (unsigned i = 0; i < 16; i++) {
		snprintf(text[i], sizeof(text[i]), "port%u=echo", i);
		params[i + 1] = text[i];
	}
	plugs(bed, NULL, params);
	greets(bed, 16);
	for (unsigned i = 0; i < 16; i++)
		accepts(bed, i, NULL, i < 2, true);
	for (unsigned i = 0; i < 16; i++) {
		posts(bed, RX(i), 64 + i, 100);
		sends(bed, TX(i), 100 + i, text[i], strlen(text[i]));
	}
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(takes(bed, RX(i)), strlen(text[i]));
		assert_memory_equal(slot_at(bed, 64 + i), text[i], strlen(text[i]));
	}
}

/* However late buffers come, the driver hears what is so. */
static void messages_wait_for_buffers(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", plug(bed, "port1=unix:", "s"), "name1=data"));
	brings_up(bed, F_MULTIPORT, 2);
	says(bed, 0, DEVICE_READY, 1);
	listens(bed, 2);
	hears(bed, 0, PORT_ADD, 0);
	hears(bed, 1, PORT_ADD, 0);
	for (unsigned i = 0; i < 2; i++)
		hears_nothing(bed);
	/* The two buffers are there again: one for the name, one left. */
	says(bed, 1, PORT_READY, 1);
	hears_with(bed, 1, PORT_NAME, 0, "data", 4);
	driver_goes(bed);

	driver_comes(bed, NULL);
	brings_up(bed, F_MULTIPORT, 2);
	says(bed, 0, DEVICE_READY, 1);
	for (unsigned i = 0; i < 100; i++) {
		close(dial(bed, "s"));
		turn(bed);
	}
	posts(bed, CONTROL_RX, 32, 256);
	hears(bed, 0, PORT_ADD, 0);
	hears(bed, 1, PORT_ADD, 0);
	hears_nothing(bed);
}

static void input_waits_for_the_port_to_be_open(void **state)
{
	struct bed *bed = *state;
	int fd;

	plugs(bed, NULL, PARAMS("port0=null", plug(bed, "port1=unix:", "s")));
	greets(bed, 2);
	fd = dial(bed, "s");
	assert_int_equal(write(fd, "early", 5), 5);
	posts(bed, RX(1), 64, 100);
	UNTIL(bed, count_of(bed, 1, "waiting") == 5);
	says(bed, 1, PORT_READY, 1);
	hears(bed, 1, PORT_OPEN, 1);
	hears_nothing(bed);
	assert_false(ready(bed, RX(1)));
	says(bed, 1, PORT_OPEN, 1);
	assert_int_equal(takes(bed, RX(1)), 5);
	assert_memory_equal(slot_at(bed, 64), "early", 5);
	/* Closed, it waits again. */
	posts(bed, RX(1), 64, 100);
	says(bed, 1, PORT_OPEN, 0);
	assert_int_equal(write(fd, "late", 4), 4);
	UNTIL(bed, count_of(bed, 1, "waiting") == 4);
	assert_non_null(strstr(shown(bed, "console/ports"), "1 - port unix closed peer"));
	says(bed, 1, PORT_OPEN, 1);
	assert_int_equal(takes(bed, RX(1)), 4);
	close(fd);
}

/* What is sent to a port that the driver has not made ready goes nowhere, but comes back. */
static void output_without_a_port_is_lost(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "port1=echo"));
	brings_up(bed, F_MULTIPORT, 2);
	sends(bed, TX(1), 0, "abc", 3);
	assert_int_equal(takes(bed, TX(1)), 0);
	assert_int_equal(count_of(bed, 1, "lost"), 3);
	assert_int_equal(count_of(bed, 1, "tx"), 0);
}

/* A pipe's reader may take as long as he wants: no patience runs out. */
static void pipe_waits_for_its_reader(void **state)
{
	struct bed *bed = *state;
	static uint8_t bytes[SLOT], back[SLOT];
	unsigned sent = 0, taken = 0;
	size_t got = 0;
	int fd;

	plugs(bed, NULL,
		PARAMS("port0=null", plug(bed, "port1=unix:", "s"), "patience=1ms", "consoles=1"));
	greets(bed, 2);
	fd = dial(bed, "s");
	says(bed, 1, PORT_READY, 1);
	hears(bed, 1, PORT_OPEN, 1);
	/* Until it takes no more for a while in which a console would have lost patience. */
	for (unsigned quiet = 0; quiet < 50; quiet++) {
		if (sent - taken < 16) {
			memset(bytes, (int)sent, SLOT);
			sends(bed, TX(1), 64 + sent % 32, bytes, SLOT);
			sent++;
		}
		while (ready(bed, TX(1))) {
			takes(bed, TX(1));
			taken++;
			quiet = 0;
		}
		turn(bed);
	}
	assert_int_equal(sent - taken, 16);
	while (got < (size_t)sent * SLOT) {
		ssize_t n = read(fd, back, SLOT - got % SLOT);

		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(back[i], (got + (size_t)i) / SLOT & 0xff);
		got += n > 0 ? (size_t)n : 0;
		turn(bed);
	}
	while (taken++ < sent)
		takes(bed, TX(1));
	assert_int_equal(count_of(bed, 1, "lost"), 0);
	close(fd);
}

/* ---- Coming and going --------------------------------------------------------------------------------- */

static void ports_come_and_go(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "port1=echo", "name1=data"));
	greets(bed, 2);
	accepts(bed, 0, NULL, true, true);
	accepts(bed, 1, "data", false, true);
	assert_int_equal(stores(bed, "console/ports", "unplug 1\n"), 0);
	hears(bed, 1, PORT_REMOVE, 0);
	assert_non_null(strstr(shown(bed, "console/ports"), "1 data port echo unplugged"));
	/* It was under way. */
	says(bed, 1, PORT_OPEN, 0);
	sends(bed, TX(1), 64, "x", 1);
	assert_int_equal(takes(bed, TX(1)), 0);
	assert_int_equal(stores(bed, "console/ports", "unplug 1"), -EALREADY);
	hears_nothing(bed);
	assert_int_equal(stores(bed, "console/ports", "plug 1"), 0);
	hears(bed, 1, PORT_ADD, 0);
	accepts(bed, 1, "data", false, true);
	posts(bed, RX(1), 65, 10);
	sends(bed, TX(1), 64, "y", 1);
	assert_int_equal(takes(bed, RX(1)), 1);
	assert_int_equal(*slot_at(bed, 65), 'y');
	/* Unplugged is unplugged for the next driver too. */
	assert_int_equal(stores(bed, "console/ports", "unplug 0"), 0);
	hears(bed, 0, PORT_REMOVE, 0);
	driver_goes(bed);
	driver_comes(bed, NULL);
	brings_up(bed, F_MULTIPORT, 2);
	listens(bed, 4);
	says(bed, 0, DEVICE_READY, 1);
	hears(bed, 1, PORT_ADD, 0);
	hears_nothing(bed);
}

/* Out and in again before the driver has heard of it: it must hear of both (a port that exists is not
 * added), and an answer that it gave before is not taken for one to the new port. */
static void quick_replug_is_told_whole(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "port1=echo"));
	brings_up(bed, F_MULTIPORT, 2);
	says(bed, 0, DEVICE_READY, 1);
	listens(bed, 1);
	hears(bed, 0, PORT_ADD, 0);
	hears(bed, 1, PORT_ADD, 0);
	/* Its only buffer is now posted; no more than one message fits. */
	assert_int_equal(stores(bed, "console/ports", "unplug 0"), 0);
	assert_int_equal(stores(bed, "console/ports", "unplug 1"), 0);
	assert_int_equal(stores(bed, "console/ports", "plug 1"), 0);
	says(bed, 1, PORT_READY, 1);
	says(bed, 1, PORT_OPEN, 0);
	hears(bed, 0, PORT_REMOVE, 0);
	hears(bed, 1, PORT_REMOVE, 0);
	hears(bed, 1, PORT_ADD, 0);
	hears_nothing(bed);
	accepts(bed, 1, NULL, false, true);
	assert_non_null(strstr(shown(bed, "console/ports"), "1 - port echo open"));
	/* One that it was never told of goes without a word. */
	driver_goes(bed);
	driver_comes(bed, NULL);
	brings_up(bed, F_MULTIPORT, 2);
	says(bed, 0, DEVICE_READY, 1);
	assert_int_equal(stores(bed, "console/ports", "unplug 1"), 0);
	assert_int_equal(stores(bed, "console/ports", "plug 0"), 0);
	listens(bed, 4);
	hears(bed, 0, PORT_ADD, 0);
	hears_nothing(bed);
}

static void wrong_words_about_ports_are_refused(void **state)
{
	static const char *const wrong[] = { "", "1", "plug", "plug ", "plug 2", "plug x", "unplug",
		"unplug -1", "unplug 1 ", "unplug 1x", "remove 1", "plug 99999999999", "PLUG 1" };
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "port1=null"));
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		int ret = stores(bed, "console/ports", wrong[i]);
		/* A space behind it does no harm. */
		if (ret != (i == 8 ? 0 : -EINVAL))
			fail_msg("'%s': %d", wrong[i], ret);
	}
	assert_int_equal(stores(bed, "console/ports", "plug 1"), 0);
	assert_int_equal(stores(bed, "console/ports", "plug 1"), -EALREADY);
}

static void resize_is_said_to_the_port(void **state)
{
	static const uint8_t first[] = { 132, 0, 43, 0 }, second[] = { 0x2c, 1, 50, 0 };
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "port1=null", "consoles=2", "port2=null"));
	greets(bed, 3);
	accepts(bed, 0, NULL, true, true);
	accepts(bed, 1, NULL, true, true);
	assert_int_equal(stores(bed, "console/size", "132x43"), 0);
	hears_with(bed, 0, RESIZE, 0, first, sizeof(first));
	assert_int_equal(config(bed, COLS, 2), 132);
	virtio_config_changed(bed->v);
	/* The configuration is about port 0 alone. */
	assert_int_equal(stores(bed, "console/size", "1 300x50"), 0);
	hears_with(bed, 1, RESIZE, 0, second, sizeof(second));
	hears_nothing(bed);
	assert_int_equal(config(bed, COLS, 2), 132);
	assert_false(virtio_config_changed(bed->v));
	assert_int_equal(stores(bed, "console/size", "2 1x1"), -EINVAL);
	assert_string_equal(shown(bed, "console/size"), "0 132x43\n1 300x50\n");
}

static void older_linux_hears_rows_first(void **state)
{
	static const uint8_t size[] = { 43, 0, 132, 0 };
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "multiport=on", "resize-order=rows-cols"));
	greets(bed, 1);
	accepts(bed, 0, NULL, true, true);
	assert_int_equal(stores(bed, "console/size", "132x43"), 0);
	hears_with(bed, 0, RESIZE, 0, size, sizeof(size));
	/* That is about the message: the configuration is the same for all. */
	assert_int_equal(config(bed, COLS, 2), 132);
}

/* ---- Drivers that want little, or are wrong ------------------------------------------------------------ */

static void driver_without_multiport_has_port_0(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=echo", "port1=null"));
	brings_up(bed, F_SIZE, 1);
	posts(bed, RX(0), 64, 10);
	sends(bed, TX(0), 65, "abc", 3);
	assert_int_equal(takes(bed, RX(0)), 3);
	assert_non_null(strstr(shown(bed, "console/ports"), "1 - port null unused"));
}

/* Each is said to be wrong and has no effect: what is right works afterwards. */
static void messages_out_of_place_are_ignored(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "port1=echo", "port2=echo"));
	brings_up(bed, F_MULTIPORT, 3);
	listens(bed, 32);
	says(bed, 1, PORT_READY, 1);
	says(bed, 1, PORT_OPEN, 1);
	says(bed, 0, DEVICE_READY, 0);
	says(bed, 0, DEVICE_READY, 7);
	hears_nothing(bed);
	says(bed, 99, DEVICE_READY, 1);
	for (unsigned i = 0; i < 3; i++)
		hears(bed, i, PORT_ADD, 0);
	says(bed, 0, DEVICE_READY, 1);
	says(bed, 1, PORT_OPEN, 1);
	says(bed, 3, PORT_READY, 1);
	says(bed, UINT32_MAX, PORT_READY, 1);
	says(bed, 16, PORT_OPEN, 1);
	for (uint16_t event = PORT_ADD; event < 20; event++)
		if (event != PORT_READY && event != PORT_OPEN)
			says(bed, 1, event, 1);
	says(bed, 1, 0xffff, 0xffff);
	says(bed, 2, PORT_READY, 0);
	says(bed, 2, PORT_OPEN, 1);
	hears_nothing(bed);
	accepts(bed, 1, NULL, false, true);
	says(bed, 1, PORT_READY, 1);
	says(bed, 1, PORT_OPEN, 2);
	hears_nothing(bed);
	posts(bed, RX(1), 64, 10);
	sends(bed, TX(1), 65, "abc", 3);
	assert_int_equal(takes(bed, RX(1)), 3);
	assert_non_null(strstr(shown(bed, "console/ports"), "2 - port echo unused"));
}

static void malformed_messages_break_it(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "port1=null", "name1=a.long.name"));
	for (unsigned round = 0; round < 6; round++) {
		struct virtq_seg segs[3] = { seg(bed, 0, 0, 5), seg(bed, 0, 5, 3),
			seg(bed, 1, 0, 8) };

		brings_up(bed, F_MULTIPORT, 2);
		switch (round) {
		case 0: /* shorter than its header */
			adds(bed, CONTROL_TX, 0, segs, 1, 0);
			breaks(bed, CONTROL_TX);
			break;
		case 1: /* with room for an answer */
			adds(bed, CONTROL_TX, 0, segs, 2, 1);
			breaks(bed, CONTROL_TX);
			break;
		case 2: /* nothing to read at all */
			adds(bed, CONTROL_TX, 0, segs + 2, 0, 1);
			breaks(bed, CONTROL_TX);
			break;
		case 3: /* no room for a message */
			posts(bed, CONTROL_RX, 32, 7);
			utters(bed, 0, DEVICE_READY, 1);
			breaks(bed, CONTROL_RX);
			break;
		case 4: /* something to read where messages go */
			adds(bed, CONTROL_RX, 32, segs, 1, 1);
			utters(bed, 0, DEVICE_READY, 1);
			breaks(bed, CONTROL_RX);
			break;
		case 5: /* a header in two pieces is fine, and so is one with more behind it */
			memset(slot_at(bed, 0), 0, 16);
			slot_at(bed, 0)[6] = 1;
			listens(bed, 4);
			adds(bed, CONTROL_TX, 0, segs, 2, 0);
			takes(bed, CONTROL_TX);
			hears(bed, 0, PORT_ADD, 0);
			hears(bed, 1, PORT_ADD, 0);
			driver_goes(bed);
			break;
		}
		driver_comes(bed, NULL);
	}
	/* Room for a header, but not for the name. */
	brings_up(bed, F_MULTIPORT, 2);
	for (unsigned i = 0; i < 3; i++)
		posts(bed, CONTROL_RX, 32 + i, 8 + i * 4);
	says(bed, 0, DEVICE_READY, 1);
	takes(bed, CONTROL_RX);
	takes(bed, CONTROL_RX);
	utters(bed, 1, PORT_READY, 1);
	breaks(bed, CONTROL_RX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_are_announced_in_order),
		TEST(sixteen_ports_echo),
		TEST(messages_wait_for_buffers),
		TEST(input_waits_for_the_port_to_be_open),
		TEST(output_without_a_port_is_lost),
		TEST(pipe_waits_for_its_reader),
		TEST(ports_come_and_go),
		TEST(quick_replug_is_told_whole),
		TEST(wrong_words_about_ports_are_refused),
		TEST(resize_is_said_to_the_port),
		TEST(older_linux_hears_rows_first),
		TEST(driver_without_multiport_has_port_0),
		TEST(messages_out_of_place_are_ignored),
		TEST(malformed_messages_break_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
