/* SPDX-License-Identifier: BSD-3-Clause */
/* One console: bytes both ways, back-pressure, its window, the emergency write. */
#include "test_vcon_bed.h"

#include <sys/resource.h>

#define TOTAL 200000u

/* ---- All bytes, both ways ------------------------------------------------------------------------- */

#define BUFFERS 16u /* of each queue at once; slots 64 on to receive, 128 on to send */

struct traffic {
	const uint8_t *out; /* what the driver sends */
	size_t out_total, sent;
	uint8_t *in; /* what it receives */
	size_t in_total, received;
	unsigned free_slots[BUFFERS], num_free;
	unsigned odd; /* makes lengths */
};

static void begins(struct bed *bed, struct traffic *t, unsigned port)
{
	for (unsigned i = 0; i < BUFFERS; i++) {
		t->free_slots[t->num_free++] = 128 + i;
		posts(bed, RX(port), 64 + i, 1 + i * 97 % 700);
	}
}

/* What the driver can do now. */
static void works(struct bed *bed, struct traffic *t, unsigned port)
{
	unsigned slot;

	while (ready(bed, RX(port))) {
		uint32_t len = takes_slot(bed, RX(port), &slot);

		assert_true(len > 0 && t->received + len <= t->in_total);
		memcpy(t->in + t->received, slot_at(bed, slot), len);
		t->received += len;
		posts(bed, RX(port), slot, 1 + ++t->odd * 131 % 900);
	}
	while (ready(bed, TX(port))) {
		assert_int_equal(takes_slot(bed, TX(port), &slot), 0);
		t->free_slots[t->num_free++] = slot;
	}
	while (t->num_free && t->sent < t->out_total) {
		size_t len = 1 + ++t->odd * 173 % SLOT;

		if (len > t->out_total - t->sent)
			len = t->out_total - t->sent;
		sends(bed, TX(port), t->free_slots[--t->num_free], t->out + t->sent, len);
		t->sent += len;
	}
}

static struct traffic traffic_new(size_t total, uint32_t seed)
{
	uint8_t *out = malloc(total), *in = malloc(total);

	if (!out || !in)
		abort();
	scramble(out, total, seed);
	return (struct traffic){ .out = out, .out_total = total, .in = in, .in_total = total };
}

static void traffic_free(struct traffic *t)
{
	free((void *)t->out);
	free(t->in);
}

/* Each kind of ring, with interrupts of either kind. */
static void echo_returns_every_byte(void **state)
{
	static const uint64_t kinds[] = { VIRTIO_F_RING_PACKED, VIRTIO_F_INDIRECT_DESC,
		VIRTIO_F_EVENT_IDX };
	struct bed *bed = *state;

	for (unsigned kind = 0; kind < 8; kind++) {
		struct virtio_options opts = { .irq = kind % 3 == 2 ? MEDIO_CARD_INTX
								    : VIRTIO_IRQ_BEST };
		struct traffic t = traffic_new(20000, kind);

		for (unsigned i = 0; i < 3; i++)
			opts.refuse |= kind >> i & 1 ? kinds[i] : 0;
		plugs(bed, &opts, PARAMS("port0=echo"));
		brings_up(bed, F_SIZE, 1);
		begins(bed, &t, 0);
		works(bed, &t, 0);
		while (t.received < t.in_total) {
			turn(bed);
			works(bed, &t, 0);
		}
		assert_memory_equal(t.in, t.out, t.in_total);
		UNTIL(bed, (works(bed, &t, 0), t.num_free == BUFFERS));
		assert_int_equal(count_of(bed, 0, "tx"), t.out_total);
		assert_int_equal(count_of(bed, 0, "rx"), t.in_total);
		unplugs(bed);
		traffic_free(&t);
	}
}

/* Both at once; the peer does now much, now little. */
static void exchange(struct bed *bed, int fd, unsigned port, size_t total)
{
	struct traffic t = traffic_new(total, 7);
	uint8_t *heard = malloc(total);
	size_t written = 0, read_ = 0;
	unsigned odd = 0;

	begins(bed, &t, port);
	while (t.received < total || read_ < total) {
		size_t burst = 1 + ++odd * 7919 % 9000;
		ssize_t n = 0;

		works(bed, &t, port);
		if (written < total)
			n = write(fd, t.out + written,
				burst < total - written ? burst : total - written);
		written += n > 0 ? (size_t)n : 0;
		if (read_ < total && odd % 3)
			n = read(fd, heard + read_, burst < total - read_ ? burst : total - read_);
		else
			n = 0;
		read_ += n > 0 ? (size_t)n : 0;
		turn(bed);
	}
	assert_memory_equal(t.in, t.out, total);
	assert_memory_equal(heard, t.out, total);
	free(heard);
	traffic_free(&t);
}

static void socket_carries_every_byte_both_ways(void **state)
{
	struct bed *bed = *state;
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s")));
	brings_up(bed, F_SIZE, 1);
	fd = dial(bed, "s");
	UNTIL(bed, strstr(shown(bed, "console/ports"), " peer "));
	exchange(bed, fd, 0, TOTAL);
	close(fd);
}

static void terminal_carries_every_byte_both_ways(void **state)
{
	struct bed *bed = *state;
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=pty:", "t")));
	brings_up(bed, F_SIZE, 1);
	fd = open(path(bed, "t"), O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0);
	UNTIL(bed, strstr(shown(bed, "console/ports"), " peer "));
	exchange(bed, fd, 0, 50000);
	close(fd);
}

/* ---- Saved and loaded ------------------------------------------------------------------------------ */

static void save_and_load_there(void *arg)
{
	static uint8_t bytes[65536], again[65536];
	ssize_t size = vcon_original->ops->save(vcon_device, bytes, sizeof(bytes));

	(void)arg;
	card_bed_must(size > 0 && (size_t)size <= sizeof(bytes));
	card_bed_must(vcon_original->ops->save(vcon_device, again, (size_t)size - 1) == size);
	card_bed_must(!vcon_original->ops->load(vcon_device, bytes, (size_t)size));
	/* Nonsense changes nothing. */
	card_bed_must(vcon_original->ops->load(vcon_device, bytes, (size_t)size - 1) == -EINVAL);
	for (unsigned i = 0; i < 3; i++) {
		memcpy(again, bytes, (size_t)size);
		again[i] ^= 0x80;
		card_bed_must(
			vcon_original->ops->load(vcon_device, again, (size_t)size) == -EINVAL);
	}
}

/* In the middle of things, again and again: not a byte is lost, and none comes twice. */
static void state_holds_what_is_under_way(void **state)
{
	struct bed *bed = *state;
	struct traffic t = traffic_new(100000, 9);
	uint8_t *heard = malloc(t.out_total);
	size_t written = 0, got = 0;
	unsigned rounds = 0, partly = 0;
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s"), "cols=80", "rows=25"));
	brings_up(bed, F_SIZE, 1);
	fd = dial(bed, "s");
	UNTIL(bed, strstr(shown(bed, "console/ports"), " peer "));
	begins(bed, &t, 0);
	while (t.received < t.in_total || got < t.out_total) {
		ssize_t n = write(fd, t.out + written, t.out_total - written);

		written += n > 0 ? (size_t)n : 0;
		n = read(fd, heard + got, t.out_total - got);
		got += n > 0 ? (size_t)n : 0;
		/* The driver is slow, so that some of it waits. */
		if (rounds++ % 4 == 3)
			works(bed, &t, 0);
		if (rounds % 3 == 0) {
			card_bed_on_device(&bed->bed, save_and_load_there, NULL);
			partly += count_of(bed, 0, "waiting") > 0;
		}
		turn(bed);
	}
	assert_memory_equal(t.in, t.out, t.in_total);
	assert_memory_equal(heard, t.out, t.out_total);
	assert_true(partly > 0);
	assert_string_equal(shown(bed, "console/size"), "0 80x25\n");
	close(fd);
	free(heard);
	traffic_free(&t);
}

static void file_has_every_byte(void **state)
{
	struct bed *bed = *state;
	uint8_t back[64];
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=file:", "f")));
	brings_up(bed, 0, 1);
	sends(bed, TX(0), 0, "one ", 4);
	sends(bed, TX(0), 1, "two", 3);
	takes(bed, TX(0));
	takes(bed, TX(0));
	unplugs(bed);
	fd = open(path(bed, "f"), O_RDONLY);
	assert_int_equal(read(fd, back, sizeof(back)), 7);
	assert_memory_equal(back, "one two", 7);
	close(fd);
	unlink(path(bed, "f"));
}

/* More than a turn's share, in one chain of pieces: what is heard by nobody is no work. */
static void large_chains_are_taken_in_parts(void **state)
{
	struct bed *bed = *state;
	struct virtq_seg segs[4];

	plugs(bed, NULL, PARAMS("port0=null"));
	brings_up(bed, 0, 1);
	for (unsigned i = 0; i < 4; i++)
		segs[i] = seg(bed, 0, 0, (size_t)SLOTS * SLOT);
	adds(bed, TX(0), 0, segs, 4, 0);
	sends(bed, TX(0), 1, "x", 1);
	assert_int_equal(takes(bed, TX(0)), 0);
	assert_int_equal(takes(bed, TX(0)), 0);
	assert_int_equal(count_of(bed, 0, "unheard"), 4ull * SLOTS * SLOT + 1);
}

/* ---- Waiting --------------------------------------------------------------------------------------- */

/* Whatever the peer writes, not more than the wire is taken from it; all of it arrives in the end. */
static void input_waits_for_buffers(void **state)
{
	struct bed *bed = *state;
	struct traffic t = traffic_new(TOTAL, 3);
	size_t written = 0;
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s")));
	brings_up(bed, 0, 1);
	fd = dial(bed, "s");
	UNTIL(bed, count_of(bed, 0, "waiting") == 4096 || (written += (size_t)({
		ssize_t n_ = write(fd, t.out + written, 1000);
		n_ < 0 ? 0 : n_;
	})) > TOTAL - 1000);
	for (unsigned i = 0; i < 20; i++)
		turn(bed);
	assert_int_equal(count_of(bed, 0, "waiting"), 4096);
	assert_int_equal(count_of(bed, 0, "rx"), 0);
	/* Nothing of the driver's is for it to send. */
	t.out_total = 0;
	begins(bed, &t, 0);
	while (t.received < TOTAL) {
		ssize_t n = written < TOTAL ? write(fd, t.out + written, TOTAL - written) : 0;

		written += n > 0 ? (size_t)n : 0;
		works(bed, &t, 0);
		turn(bed);
	}
	assert_memory_equal(t.in, t.out, TOTAL);
	close(fd);
	traffic_free(&t);
}

/* Sent until the device takes no more: what has been sent. */
static size_t fills(struct bed *bed, struct traffic *t)
{
	size_t before;

	for (unsigned i = 0; i < BUFFERS; i++)
		t->free_slots[t->num_free++] = 128 + i;
	do {
		before = t->sent;
		works(bed, t, 0);
		for (unsigned i = 0; i < 20; i++)
			turn(bed);
	} while (t->sent != before || t->num_free);
	return t->sent;
}

/* A reader who is slow stops the driver, and hears all of it. */
static void output_waits_for_its_reader(void **state)
{
	struct bed *bed = *state;
	struct traffic t = traffic_new(4000000, 4);
	uint8_t *heard = malloc(t.out_total);
	size_t got = 0;
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s"), "patience=0ms"));
	brings_up(bed, 0, 1);
	fd = dial(bed, "s");
	UNTIL(bed, strstr(shown(bed, "console/ports"), " peer "));
	t.out_total = fills(bed, &t);
	assert_true(t.num_free < BUFFERS && t.out_total < 4000000);
	while (got < t.out_total) {
		ssize_t n = read(fd, heard + got, t.out_total - got);

		got += n > 0 ? (size_t)n : 0;
		works(bed, &t, 0);
		turn(bed);
	}
	assert_memory_equal(heard, t.out, t.out_total);
	UNTIL(bed, (works(bed, &t, 0), t.num_free == BUFFERS));
	assert_int_equal(count_of(bed, 0, "lost"), 0);
	close(fd);
	free(heard);
	traffic_free(&t);
}

static void use_there(void *arg)
{
	struct rusage ru;

	card_bed_must(getrusage(RUSAGE_THREAD, &ru) == 0);
	*(uint64_t *)arg = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 +
			   (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

/* Chains that wait for a reader, and bytes that wait for buffers, cost no processor. In process the device
 * has no thread of its own whose time could be looked at. */
static void waits_asleep(void **state)
{
	struct bed *bed = *state;
	struct traffic t = traffic_new(4000000, 4);
	uint64_t before, after;
	int fd;

	if (bed->way == CARD_BED_LOCAL) {
		traffic_free(&t);
		return;
	}
	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s"), "patience=0ms"));
	brings_up(bed, 0, 1);
	fd = dial(bed, "s");
	UNTIL(bed, strstr(shown(bed, "console/ports"), " peer "));
	while (write(fd, t.out, 4096) > 0)
		;
	fills(bed, &t);
	card_bed_on_device(&bed->bed, use_there, &before);
	usleep(200000);
	card_bed_on_device(&bed->bed, use_there, &after);
	/* It would be all of that. */
	assert_true(after - before < 100000);
	close(fd);
	traffic_free(&t);
}

/* One who does not read at all loses what the driver would wait for; what he hears has no gap before. */
static void console_does_not_wait_for_ever(void **state)
{
	struct bed *bed = *state;
	struct traffic t = traffic_new(4000000, 5);
	uint8_t *heard = malloc(t.out_total);
	size_t got = 0;
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s"), "patience=1ms"));
	brings_up(bed, 0, 1);
	fd = dial(bed, "s");
	UNTIL(bed, strstr(shown(bed, "console/ports"), " peer "));
	t.num_free = 0;
	for (unsigned i = 0; i < BUFFERS; i++)
		t.free_slots[t.num_free++] = 128 + i;
	UNTIL(bed, (works(bed, &t, 0), t.sent == t.out_total && t.num_free == BUFFERS));
	assert_true(count_of(bed, 0, "lost") > 0);
	assert_int_equal(count_of(bed, 0, "lost") + count_of(bed, 0, "tx"), t.out_total);
	/* He reads after all: the beginning, in order; and then what is new. */
	UNTIL(bed, (got += (size_t)({
		ssize_t n_ = read(fd, heard + got, t.out_total - got);
		n_ < 0 ? 0 : n_;
	})) >= count_of(bed, 0, "tx"));
	assert_memory_equal(heard, t.out, 1000);
	sends(bed, TX(0), 1, "again", 5);
	takes(bed, TX(0));
	reads(bed, fd, "again", 5);
	close(fd);
	free(heard);
	traffic_free(&t);
}

static void what_nobody_hears_is_counted(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s")));
	brings_up(bed, 0, 1);
	sends(bed, TX(0), 0, "hello", 5);
	assert_int_equal(takes(bed, TX(0)), 0);
	assert_int_equal(count_of(bed, 0, "unheard"), 5);
}

/* A part of a chain is with the reader when the driver goes: the next one begins anew. */
static void reset_forgets_what_was_half_sent(void **state)
{
	struct bed *bed = *state;
	struct traffic t = traffic_new(4000000, 6);
	uint8_t junk[4096];
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s"), "patience=0ms"));
	brings_up(bed, 0, 1);
	fd = dial(bed, "s");
	UNTIL(bed, strstr(shown(bed, "console/ports"), " peer "));
	fills(bed, &t);
	driver_goes(bed);
	driver_comes(bed, NULL);
	brings_up(bed, 0, 1);
	/* Until nothing of the old comes. */
	for (unsigned quiet = 0; quiet < 20; quiet++) {
		while (read(fd, junk, sizeof(junk)) > 0)
			quiet = 0;
		turn(bed);
	}
	sends(bed, TX(0), 0, "new", 3);
	takes(bed, TX(0));
	reads(bed, fd, "new", 3);
	close(fd);
	traffic_free(&t);
}

/* ---- The window ------------------------------------------------------------------------------------- */

static void window_is_in_the_configuration(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "cols=80", "rows=25"));
	brings_up(bed, F_SIZE | F_EMERG, 1);
	assert_int_equal(config(bed, COLS, 2), 80);
	assert_int_equal(config(bed, ROWS, 2), 25);
	assert_string_equal(shown(bed, "console/size"), "0 80x25\n");
	virtio_config_changed(bed->v);
	assert_int_equal(stores(bed, "console/size", "132x43\n"), 0);
	UNTIL(bed, virtio_config_changed(bed->v));
	assert_int_equal(config(bed, COLS, 2), 132);
	assert_int_equal(config(bed, ROWS, 2), 43);
	/* The same again is no news. */
	assert_int_equal(stores(bed, "console/size", "0 132x43"), 0);
	for (unsigned i = 0; i < 5; i++)
		turn(bed);
	assert_false(virtio_config_changed(bed->v));
}

static void window_is_the_terminals(void **state)
{
	struct bed *bed = *state;
	struct winsize ws = { .ws_col = 100, .ws_row = 40 };
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=pty:", "t")));
	brings_up(bed, F_SIZE, 1);
	assert_int_equal(config(bed, COLS, 2), 0);
	fd = open(path(bed, "t"), O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_int_equal(ioctl(fd, TIOCSWINSZ, &ws), 0);
	UNTIL(bed, virtio_config_changed(bed->v));
	assert_int_equal(config(bed, COLS, 2), 100);
	assert_int_equal(config(bed, ROWS, 2), 40);
	ws.ws_col = 61;
	assert_int_equal(ioctl(fd, TIOCSWINSZ, &ws), 0);
	UNTIL(bed, virtio_config_changed(bed->v));
	assert_int_equal(config(bed, COLS, 2), 61);
	close(fd);
}

static void wrong_sizes_are_refused(void **state)
{
	static const char *const wrong[] = { "", "x", "80", "80x", "x25", "80x25x", "65536x1",
		"1x65536", "-1x5", "0 ", "0  80x25", "1 80x25", "99 80x25", "80 x25", "80x25 0",
		"99999999999999999999x1", "0080000000000000000000000000000000000x1" };
	struct bed *bed = *state;

	plugs(bed, NULL, PARAMS("port0=null", "cols=7"));
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (stores(bed, "console/size", wrong[i]) != -EINVAL)
			fail_msg("'%s' is no size", wrong[i]);
	assert_string_equal(shown(bed, "console/size"), "0 7x0\n");
	/* And there is nothing to unplug. */
	assert_int_equal(stores(bed, "console/ports", "unplug 0"), -EOPNOTSUPP);
}

/* ---- Without queues --------------------------------------------------------------------------------- */

static void emergency_write_needs_no_driver(void **state)
{
	struct bed *bed = *state;
	int fd;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s")));
	fd = dial(bed, "s");
	UNTIL(bed, strstr(shown(bed, "console/ports"), " peer "));
	for (const char *c = "panic"; *c; c++)
		assert_int_equal(medio_card_write32(bed->card, MEDIO_VIRTIO_BAR,
					 MEDIO_VIRTIO_CONFIG + EMERG_WR, 0xffff00 | (uint8_t)*c),
			0);
	reads(bed, fd, "panic", 5);
	/* The rest of the configuration is not for the driver to write. */
	assert_int_equal(
		medio_card_write16(bed->card, MEDIO_VIRTIO_BAR, MEDIO_VIRTIO_CONFIG + COLS, 5), 0);
	brings_up(bed, F_SIZE | F_EMERG, 1);
	assert_int_equal(config(bed, COLS, 2), 0);
	assert_int_equal(config(bed, EMERG_WR, 4), 0);
	sends(bed, TX(0), 0, "!", 1);
	reads(bed, fd, "!", 1);
	close(fd);
}

static void single_console_has_two_queues(void **state)
{
	struct bed *bed = *state;
	struct virtio_info info;

	plugs(bed, NULL, PARAMS("port0=null"));
	brings_up(bed, F_SIZE, 1);
	virtio_get_info(bed->v, &info);
	assert_int_equal(info.num_queues, 2);
	assert_int_equal(info.offered & 0xffffff, F_SIZE | F_EMERG);
	assert_int_equal(config(bed, MAX_PORTS, 4), 0);
}

/* ---- Drivers that are wrong ------------------------------------------------------------------------- */

static void buffers_of_the_wrong_kind_break_it(void **state)
{
	struct bed *bed = *state;
	struct virtq_seg segs[2];
	int fd = -1;

	plugs(bed, NULL, PARAMS(plug(bed, "port0=unix:", "s")));
	for (unsigned round = 0; round < 3; round++) {
		brings_up(bed, 0, 1);
		segs[0] = seg(bed, 0, 0, 10);
		segs[1] = seg(bed, 0, 100, 10);
		if (round == 0) { /* to write, in a transmitq */
			adds(bed, TX(0), 0, segs, 0, 1);
			breaks(bed, TX(0));
		} else if (round == 1) { /* a bit of both */
			adds(bed, TX(0), 0, segs, 1, 1);
			breaks(bed, TX(0));
		} else { /* to read, in a receiveq; seen once there is something for it */
			adds(bed, RX(0), 0, segs, 1, 1);
			fd = dial(bed, "s");
			assert_int_equal(write(fd, "x", 1), 1);
			breaks(bed, RX(0));
		}
		driver_comes(bed, NULL);
	}
	/* What came is still there for one that does it right. */
	brings_up(bed, 0, 1);
	posts(bed, RX(0), 0, 10);
	assert_int_equal(takes(bed, RX(0)), 1);
	assert_int_equal(*slot_at(bed, 0), 'x');
	close(fd);
}

/* ---- Parameters -------------------------------------------------------------------------------------- */

static void refuses(const char *const *params, const char *words)
{
	struct medio_instance_options opts = { .params = params };
	struct medio_instance *inst = NULL;
	struct medio_loop *loop;
	struct medio_error *err = NULL;

	while (params[opts.nparams])
		opts.nparams++;
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(
		medio_instance_new(loop, &medio_virtio_console, &opts, &inst, &err), -EINVAL);
	if (!strstr(medio_error_text(err), words))
		fail_msg("'%s' does not say '%s'", medio_error_text(err), words);
	medio_error_free(err);
	medio_loop_free(loop);
}

static void wrong_parameters_are_refused_in_words(void **state)
{
	refuses(PARAMS("port0=serial"), "port0: 'serial' is none of: echo, pty[:/path/of/link]");
	refuses(PARAMS("port0=unix"), "must be unix:/path/of/socket");
	refuses(PARAMS("port0=null", "ports=1", "port3=null"),
		"port3 is given, but ports is 1; make it ports=4");
	refuses(PARAMS("port0=null", "ports=2", "name2=x"), "make it ports=3");
	refuses(PARAMS("port0=null", "ports=17"), "ports");
	refuses(PARAMS("port0=null", "ports=2", "consoles=3"), "consoles is 3, but ports is 2");
	refuses(PARAMS("port0=null", "port1=null", "name1=a/b"), "name1 is 'a/b'");
	refuses(PARAMS("port0=null", "port1=null", "name1=a b"), "no spaces, slashes");
	refuses(PARAMS("port0=null", "name0=x", "name1=x", "port1=null"),
		"name0 and name1 are both");
	refuses(PARAMS("port0=null",
			"name1=0123456789012345678901234567890123456789012345678901234567890123x"),
		"has 65 bytes, allowed are 1 to 64");
	refuses(PARAMS("port0=null", "resize-order=any"), "cols-rows");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(echo_returns_every_byte),
		TEST(socket_carries_every_byte_both_ways),
		TEST(terminal_carries_every_byte_both_ways),
		TEST(state_holds_what_is_under_way),
		TEST(waits_asleep),
		TEST(file_has_every_byte),
		TEST(large_chains_are_taken_in_parts),
		TEST(input_waits_for_buffers),
		TEST(output_waits_for_its_reader),
		TEST(console_does_not_wait_for_ever),
		TEST(what_nobody_hears_is_counted),
		TEST(reset_forgets_what_was_half_sent),
		TEST(window_is_in_the_configuration),
		TEST(window_is_the_terminals),
		TEST(wrong_sizes_are_refused),
		TEST(emergency_write_needs_no_driver),
		TEST(single_console_has_two_queues),
		TEST(buffers_of_the_wrong_kind_break_it),
		cmocka_unit_test(wrong_parameters_are_refused_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
