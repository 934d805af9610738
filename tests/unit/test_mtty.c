/* SPDX-License-Identifier: BSD-3-Clause */
/* The card mtty on a stand-in host: echo, interrupts, migration. */
#include "test_mtty_card.h"

/* ---- Echo ---------------------------------------------------------------------------------------- */

static void echo_of_62_bytes_is_62_bytes(void **state)
{
	struct medio_dev dev;
	struct driver drv;
	uint8_t out[62], in[64];

	open_card(&dev, &medio_mtty_1, "echo");
	drv_start(&drv, &dev, 0);
	drv.rx = in;
	drv.rx_max = sizeof(in);
	fill(out, sizeof(out), 1);
	drv_send(&drv, out, sizeof(out));
	drv_run(&drv);
	assert_int_equal(drv.rx_len, 62);
	assert_memory_equal(in, out, 62);
	assert_int_equal(drv.errors, 0);
	close_card(&dev);
}

static void writing_62_bytes_before_reading_any_loses_none(void **state)
{
	struct medio_dev dev;

	open_card(&dev, &medio_mtty_1, "echo");
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	for (unsigned i = 0; i < 62; i++) {
		assert_true(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_THRE);
		host_out(&dev, 0, MEDIO_MTTY_THR, i);
	}
	for (unsigned i = 0; i < 62; i++) {
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR), 0x61);
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), i);
	}
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR), 0x60);
	close_card(&dev);
}

static void echo_without_fifos_works_too(void **state)
{
	struct medio_dev dev;

	open_card(&dev, &medio_mtty_1, "echo");
	for (unsigned i = 0; i < 62; i++)
		host_out(&dev, 0, MEDIO_MTTY_THR, i);
	for (unsigned i = 0; i < 62; i++)
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), i);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR), 0x60);
	close_card(&dev);
}

static void echo_of_a_mebibyte_is_lossless(void **state)
{
	const size_t size = 1 << 20;
	struct medio_dev dev;
	struct driver drv;
	uint8_t *out = malloc(size), *in = malloc(size + 1);

	open_card(&dev, &medio_mtty_msi, "echo");
	drv_start(&drv, &dev, 0);
	drv.rx = in;
	drv.rx_max = size + 1;
	fill(out, size, 2);
	drv_send(&drv, out, size);
	drv_run(&drv);
	assert_int_equal(drv.rx_len, size);
	assert_memory_equal(in, out, size);
	assert_int_equal(drv.errors, 0);
	close_card(&dev);
	free(out);
	free(in);
}

static void writer_ahead_of_its_reader_waits_and_loses_nothing(void **state)
{
	const unsigned total = 20000;
	struct medio_dev dev;
	unsigned sent = 0, got = 0;
	bool waited = false;

	open_card(&dev, &medio_mtty_1, "echo");
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	/* Three written for one read, until the cable is full. */
	while (got < total) {
		for (unsigned i = 0; i < 3 && sent < total; i++) {
			if (!(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_THRE)) {
				waited = true;
				continue;
			}
			host_out(&dev, 0, MEDIO_MTTY_THR, sent++ % 251);
		}
		assert_true(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_DR);
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), got++ % 251);
	}
	assert_true(waited);
	close_card(&dev);
}

/* Polls as Linux's console does, and never reads. */
static unsigned console_write(struct medio_dev *dev, unsigned n)
{
	unsigned polls = 0;

	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = 0; j < 10000; j++, polls++)
			if (host_in(dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_THRE)
				break;
		host_out(dev, 0, MEDIO_MTTY_THR, 'x');
	}
	return polls;
}

static void guest_that_never_reads_is_not_stopped_for_ever(void **state)
{
	struct medio_dev dev;

	open_card(&dev, &medio_mtty_1, "echo");
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	console_write(&dev, 10000);
	/* It has waited once; now it never does. */
	assert_int_equal(console_write(&dev, 10000), 0);
	assert_true(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_THRE);

	/* The first byte read makes the cable safe again. */
	for (unsigned i = 0; i < 4096 + 16; i++)
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'x');
	assert_false(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_DR);
	for (unsigned i = 0; i < 4096 + 32; i++)
		host_out(&dev, 0, MEDIO_MTTY_THR, i);
	assert_false(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_THRE);
	for (unsigned i = 0; i < 4096 + 32; i++)
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), i & 0xff);
	close_card(&dev);
}

static void echoed_break_keeps_its_place_between_bytes(void **state)
{
	struct medio_dev dev;

	open_card(&dev, &medio_mtty_1, "echo");
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	for (unsigned i = 0; i < 20; i++)
		host_out(&dev, 0, MEDIO_MTTY_THR, 'a');
	host_out(&dev, 0, MEDIO_MTTY_LCR, 0x43);
	host_out(&dev, 0, MEDIO_MTTY_LCR, 0x03);
	host_out(&dev, 0, MEDIO_MTTY_THR, 'b');
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_BI, 0);
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'a');
	}
	assert_int_not_equal(host_in(&dev, 0, MEDIO_MTTY_LSR) & MEDIO_MTTY_LSR_BI, 0);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 0);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR), 0x61);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'b');
	close_card(&dev);
}

static void few_bytes_interrupt_after_the_character_timeout(void **state)
{
	struct medio_dev dev;
	struct driver drv;

	open_card(&dev, &medio_mtty_1, "echo");
	drv_start(&drv, &dev, 0);
	host_out(&dev, 0, MEDIO_MTTY_THR, 'a');
	assert_false(dev.irq);
	dev.now += 347221;
	host_run(&dev, 0);
	assert_false(dev.irq);
	/* Another byte starts the time anew. */
	host_out(&dev, 0, MEDIO_MTTY_THR, 'b');
	dev.now += 347221;
	host_run(&dev, 0);
	assert_false(dev.irq);
	dev.now += 1;
	host_run(&dev, 0);
	assert_true(dev.irq);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_IIR), 0xcc);
	close_card(&dev);
}

static void bytes_on_the_line_wait_while_the_chip_is_looped(void **state)
{
	struct medio_dev dev;

	open_card(&dev, &medio_mtty_1, "echo");
	host_out(&dev, 0, MEDIO_MTTY_FCR, 0x01);
	for (unsigned i = 0; i < 32; i++)
		host_out(&dev, 0, MEDIO_MTTY_THR, i);
	host_out(&dev, 0, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), i);
	host_out(&dev, 0, MEDIO_MTTY_THR, 'L');
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'L');
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR), 0x60);
	host_out(&dev, 0, MEDIO_MTTY_MCR, 0);
	for (unsigned i = 16; i < 32; i++)
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), i);
	close_card(&dev);
}

/* ---- The card ------------------------------------------------------------------------------------- */

static void types_are_the_sample_cards(void **state)
{
	assert_string_equal(medio_mtty_types[0]->name, "mtty-1");
	assert_string_equal(medio_mtty_types[1]->name, "mtty-2");
	assert_string_equal(medio_mtty_types[2]->name, "mtty-msi");
	assert_null(medio_mtty_types[3]);
	assert_string_equal(medio_mtty_1.summary, "Single port serial");
	assert_string_equal(medio_mtty_2.summary, "Dual port serial");
	assert_int_equal(medio_mtty_2.units, 2);
	assert_int_equal(medio_mtty_1.bars[1].kind, MEDIO_BAR_NONE);
	assert_int_equal(medio_mtty_2.bars[1].size, 8);
	assert_int_equal(medio_mtty_msi.irqs.msi, 1);
}

static void wide_accesses_are_consecutive_registers(void **state)
{
	const struct medio_device_ops *ops = medio_mtty_1.ops;
	struct medio_dev dev;
	uint32_t wide = 0;
	uint16_t half = 0;
	/* IER and FCR at once, LCR to SCR at once. */
	uint8_t bytes[5] = { 0x03, 0x0b, 0, 0, 0x5a };

	open_card(&dev, &medio_mtty_1, "null");
	half = 0x0105;
	assert_int_equal(ops->region_write(&dev, 0, 1, &half, 2), 0);
	assert_int_equal(ops->region_write(&dev, 0, 3, bytes, 5), 0);
	assert_int_equal(ops->region_read(&dev, 0, 0, &wide, 4), 0);
	assert_int_equal(wide, 0x03c10500);
	assert_int_equal(ops->region_read(&dev, 0, 4, &wide, 4), 0);
	assert_int_equal(wide, 0x5a00600b);
	assert_int_equal(ops->region_read(&dev, 1, 0, &wide, 4), -EINVAL);
	assert_int_equal(ops->region_write(&dev, 2, 0, &wide, 4), -EINVAL);
	close_card(&dev);
}

static void both_ports_share_the_interrupt(void **state)
{
	struct medio_dev dev;

	assert_int_equal(host_open(&dev, &medio_mtty_2, NULL), 0);
	host_out(&dev, 0, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
	host_out(&dev, 1, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
	assert_true(dev.irq);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_IIR), 0x02);
	assert_true(dev.irq);
	assert_int_equal(host_in(&dev, 1, MEDIO_MTTY_IIR), 0x02);
	assert_false(dev.irq);
	close_card(&dev);
}

static void ports_do_not_hear_each_other(void **state)
{
	struct medio_dev dev;

	assert_int_equal(host_open(&dev, &medio_mtty_2, NULL), 0);
	host_out(&dev, 0, MEDIO_MTTY_THR, '0');
	host_out(&dev, 1, MEDIO_MTTY_THR, '1');
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), '0');
	assert_int_equal(host_in(&dev, 1, MEDIO_MTTY_RBR), '1');
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR), 0x60);
	close_card(&dev);
}

static void reset_empties_the_port_and_drops_the_interrupt(void **state)
{
	struct medio_dev dev;

	open_card(&dev, &medio_mtty_1, "echo");
	host_out(&dev, 0, MEDIO_MTTY_IER, MEDIO_MTTY_IER_RX);
	for (unsigned i = 0; i < 100; i++)
		host_out(&dev, 0, MEDIO_MTTY_THR, i);
	assert_true(dev.irq);
	dev.type->ops->reset(&dev, MEDIO_RESET_DEVICE);
	assert_false(dev.irq);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_LSR), 0x60);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_MSR),
		MEDIO_MTTY_MSR_CTS | MEDIO_MTTY_MSR_DSR | MEDIO_MTTY_MSR_DCD);
	host_out(&dev, 0, MEDIO_MTTY_THR, 'x');
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), 'x');
	close_card(&dev);
}

static void attributes_show_the_uuid_and_the_counts(void **state)
{
	struct medio_dev dev;
	const struct medio_attr *attr = medio_mtty_2.attrs;
	char buf[256];

	assert_int_equal(host_open(&dev, &medio_mtty_2, PARAMS("port1=null")), 0);
	assert_string_equal(attr[0].name, "vendor/sample_mdev_dev");
	assert_int_equal(attr[0].show(&dev, &attr[0], buf, sizeof(buf)), 50);
	assert_string_equal(buf, "This is MDEV 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001\n");
	assert_int_equal(attr[0].show(&dev, &attr[0], buf, 50), -ENOSPC);

	host_out(&dev, 1, MEDIO_MTTY_IER, MEDIO_MTTY_IER_THRE);
	host_out(&dev, 1, MEDIO_MTTY_THR, 'x');
	assert_string_equal(attr[2].name, "port1/stats");
	assert_true(attr[2].show(&dev, &attr[2], buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "tx 1\nrx 0\nunheard 1\noverruns 0\ntx_lost 0\ninterrupts 1\n");
	close_card(&dev);
}

static void bad_plugs_are_refused_with_the_allowed_ones(void **state)
{
	static const char *const bad[] = { "port0=", "port0=ech", "port0=echo:", "port0=echo:1",
		"port0=unix", "port0=unix:", "port0=file:", "port0=pty:", "port0=null:x" };
	struct medio_dev dev;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(host_open(&dev, &medio_mtty_1, PARAMS(bad[i])), -EINVAL);
	assert_int_equal(host_open(&dev, &medio_mtty_2, PARAMS("port1=tty")), -EINVAL);
	assert_string_equal(dev.words,
		"port1: 'tty' is none of: echo, pty[:/path/of/link], unix:/path/of/socket, stdio, "
		"file:/path/of/file, null");
	/* The first port, already open, was closed again. */
	assert_null(dev.watches);
	assert_null(dev.timers);
	assert_int_equal(
		host_open(&dev, &medio_mtty_2, PARAMS("port0=stdio", "port1=stdio")), -EBUSY);
	assert_int_equal(host_open(&dev, &medio_mtty_1, PARAMS("port0=file:/no/such/f")), -ENOENT);
	assert_int_equal(host_open(&dev, &medio_mtty_1, PARAMS("port0=unix:/no/such/s")), -ENOENT);
}

/* ---- Migration --------------------------------------------------------------------------------------- */

/* A card with something in every place a byte can be. */
static size_t busy_state(struct medio_dev *dev, uint8_t *buf, size_t cap)
{
	ssize_t len;

	assert_int_equal(host_open(dev, &medio_mtty_2, NULL), 0);
	host_out(dev, 0, MEDIO_MTTY_LCR, 0x83);
	host_out(dev, 0, 0, 0x34);
	host_out(dev, 0, 1, 0x12);
	host_out(dev, 0, MEDIO_MTTY_LCR, 0x1b);
	host_out(dev, 0, MEDIO_MTTY_SCR, 0x77);
	host_out(dev, 0, MEDIO_MTTY_MCR, 0x0b);
	host_out(dev, 0, MEDIO_MTTY_FCR, 0x81);
	for (unsigned i = 0; i < 16 + 4096 + 16; i++)
		host_out(dev, 0, MEDIO_MTTY_THR, i * 7);
	host_out(dev, 0, MEDIO_MTTY_IER, 0x0f);
	host_out(dev, 1, MEDIO_MTTY_FCR, 0xc1);
	host_out(dev, 1, MEDIO_MTTY_THR, 'q');
	/* A break behind it, which also moves the modem lines there and back. */
	host_out(dev, 1, MEDIO_MTTY_MCR, MEDIO_MTTY_MCR_LOOP);
	host_out(dev, 1, MEDIO_MTTY_LCR, MEDIO_MTTY_LCR_BREAK);
	host_out(dev, 1, MEDIO_MTTY_LCR, 0);
	host_out(dev, 1, MEDIO_MTTY_MCR, 0);
	assert_int_equal(dev->type->ops->save(dev, NULL, 0), 24 + 2 * 84 + 4096);
	len = dev->type->ops->save(dev, buf, cap);
	assert_int_equal(len, 24 + 2 * 84 + 4096);
	return len;
}

static void saved_state_loads_into_an_equal_card(void **state)
{
	struct medio_dev from, to;
	uint8_t buf[8192], again[8192];
	size_t len = busy_state(&from, buf, sizeof(buf));

	assert_int_equal(medio_get_le(buf, 8), 0x7e9d09898c3e2c4e);
	assert_int_equal(host_open(&to, &medio_mtty_2, NULL), 0);
	assert_int_equal(to.type->ops->load(&to, buf, len), 0);
	assert_true(to.irq);
	assert_int_equal(to.type->ops->save(&to, again, sizeof(again)), len);
	assert_memory_equal(again, buf, len);
	assert_int_equal(host_in(&to, 0, MEDIO_MTTY_SCR), 0x77);
	assert_int_equal(host_in(&to, 0, MEDIO_MTTY_LSR), 0x01);
	for (unsigned i = 0; i < 16 + 4096 + 16; i++)
		assert_int_equal(host_in(&to, 0, MEDIO_MTTY_RBR), (uint8_t)(i * 7));
	assert_int_equal(host_in(&to, 0, MEDIO_MTTY_LSR), 0x60);
	assert_int_equal(host_in(&to, 1, MEDIO_MTTY_MSR), 0xbb);
	assert_int_equal(host_in(&to, 1, MEDIO_MTTY_LSR), 0xe1);
	assert_int_equal(host_in(&to, 1, MEDIO_MTTY_RBR), 'q');
	assert_int_equal(host_in(&to, 1, MEDIO_MTTY_LSR), 0xf9);
	close_card(&to);
	/* Saving took nothing from the source. */
	assert_int_equal(host_in(&from, 0, MEDIO_MTTY_RBR), 0);
	assert_int_equal(host_in(&from, 0, MEDIO_MTTY_RBR), 7);
	close_card(&from);
}

static void loaded_port_tells_its_guest_that_the_peer_is_another(void **state)
{
	struct medio_dev from, to;
	uint8_t buf[1024];
	ssize_t len;

	open_card(&from, &medio_mtty_1, "echo");
	len = from.type->ops->save(&from, buf, sizeof(buf));
	open_card(&to, &medio_mtty_1, "null");
	assert_int_equal(to.type->ops->load(&to, buf, len), 0);
	assert_int_equal(host_in(&to, 0, MEDIO_MTTY_MSR),
		MEDIO_MTTY_MSR_DCTS | MEDIO_MTTY_MSR_DDSR | MEDIO_MTTY_MSR_DDCD);
	close_card(&to);
	close_card(&from);
}

static void state_of_the_kernels_sample_loads(void **state)
{
	struct medio_dev dev;
	uint8_t buf[24 + 36] = { 0 };
	uint8_t *port = buf + 24;

	medio_put_le(buf, 8, 0x7e9d09898c3e2c4e);
	medio_put_le(buf + 8, 4, 1);
	medio_put_le(buf + 16, 4, 1);
	port[1] = 0x05;
	port[3] = 0x03;
	port[7] = 0x99;
	memcpy(port + 8, "cd............ab", 16);
	port[24] = 2;
	port[25] = 14;
	port[26] = 4;
	port[30] = 1;
	port[32] = 0x87;
	port[33] = 16;
	port[34] = 1;
	open_card(&dev, &medio_mtty_1, "echo");
	assert_int_equal(dev.type->ops->load(&dev, buf, sizeof(buf)), 0);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_SCR), 0x99);
	assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_MSR), 0xb0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(host_in(&dev, 0, MEDIO_MTTY_RBR), "abcd"[i]);
	close_card(&dev);
}

static void hostile_state_is_refused_and_changes_nothing(void **state)
{
	/* Offset, value: each alone makes the state impossible. */
	static const struct {
		size_t offset;
		uint8_t value;
	} bad[] = {
		{ 0, 0 },
		{ 8, 2 },
		{ 12, 2 },
		{ 15, 1 },
		{ 16, 1 },
		{ 16, 3 },
		{ 19, 1 },
		{ 20, 1 },
		{ 24 + 1, 0x10 },
		{ 24 + 3, 0x80 },
		{ 24 + 4, 0x20 },
		{ 24 + 24, 16 },
		{ 24 + 24, 1 },
		{ 24 + 25, 16 },
		{ 24 + 26, 17 },
		{ 24 + 26, 255 },
		{ 24 + 27, 1 },
		{ 24 + 28, 2 },
		{ 24 + 28, 1 },
		{ 24 + 32, 0x05 },
		{ 24 + 32, 0x80 },
		{ 24 + 33, 1 },
		{ 96 + 16, 17 },
		{ 96 + 17, 0x01 },
		{ 96 + 17, 0x02 },
		{ 96 + 18, 0x10 },
		{ 96 + 19, 0x01 },
		{ 96 + 20, 4 },
		{ 96 + 20, 1 },
		{ 96 + 21, 1 },
		{ 96 + 24, 0x02 },
		{ 96 + 41, 0x20 },
		{ 96 + 43, 0x80 },
		{ 96 + 45, 0x11 },
		{ 96 + 47, 0xff },
	};
	struct medio_dev dev;
	uint8_t buf[8192], hostile[8192], after[8192];
	size_t len = busy_state(&dev, buf, sizeof(buf));
	int (*load)(struct medio_dev *, const void *, size_t) = dev.type->ops->load;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(hostile, buf, len);
		assert_int_not_equal(hostile[bad[i].offset], bad[i].value);
		hostile[bad[i].offset] = bad[i].value;
		if (load(&dev, hostile, len) != -EINVAL)
			fail_msg("value %#x at %zu was taken", bad[i].value, bad[i].offset);
	}
	for (size_t short_len = 0; short_len < len; short_len += short_len < 300 ? 1 : 997)
		assert_int_equal(load(&dev, buf, short_len), -EINVAL);
	assert_int_equal(load(&dev, buf, len + 1), -EINVAL);
	assert_string_equal(dev.words, "this is not the state of a card with 2 ports");
	assert_int_equal(dev.type->ops->save(&dev, after, sizeof(after)), len);
	assert_memory_equal(after, buf, len);
	close_card(&dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_of_62_bytes_is_62_bytes),
		cmocka_unit_test(writing_62_bytes_before_reading_any_loses_none),
		cmocka_unit_test(echo_without_fifos_works_too),
		cmocka_unit_test(echo_of_a_mebibyte_is_lossless),
		cmocka_unit_test(writer_ahead_of_its_reader_waits_and_loses_nothing),
		cmocka_unit_test(guest_that_never_reads_is_not_stopped_for_ever),
		cmocka_unit_test(echoed_break_keeps_its_place_between_bytes),
		cmocka_unit_test(few_bytes_interrupt_after_the_character_timeout),
		cmocka_unit_test(bytes_on_the_line_wait_while_the_chip_is_looped),
		cmocka_unit_test(types_are_the_sample_cards),
		cmocka_unit_test(wide_accesses_are_consecutive_registers),
		cmocka_unit_test(both_ports_share_the_interrupt),
		cmocka_unit_test(ports_do_not_hear_each_other),
		cmocka_unit_test(reset_empties_the_port_and_drops_the_interrupt),
		cmocka_unit_test(attributes_show_the_uuid_and_the_counts),
		cmocka_unit_test(bad_plugs_are_refused_with_the_allowed_ones),
		cmocka_unit_test(saved_state_loads_into_an_equal_card),
		cmocka_unit_test(loaded_port_tells_its_guest_that_the_peer_is_another),
		cmocka_unit_test(state_of_the_kernels_sample_loads),
		cmocka_unit_test(hostile_state_is_refused_and_changes_nothing),
	};
	return cmocka_run_group_tests(tests, setup_dir, teardown_dir);
}
