/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * uart_try URI [NAME…]: what a serial card of mtty's kind must do, checked on any backend, in TAP. A
 * check that is NAMEd is known to fail on this card, and that it does not is the failure.
 *
 * Source: National Semiconductor PC16550D data sheet, section 8 (registers).
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <medio/local.h>

#include "../../../devices/mtty/mtty.h"
#include "../../../drivers/16550/uart16550.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, DLL = DATA, DLM = IER, FCR = IIR };

enum {
	IER_RX = 1,
	IER_TX = 2,
	IER_LINE = 4,
	IER_MODEM = 8,
	CAUSE = 0x0f,
	CAUSE_NONE = 1,
	CAUSE_MODEM = 0,
	CAUSE_TX = 2,
	CAUSE_RX = 4,
	CAUSE_LINE = 6,
	CAUSE_TIMEOUT = 0x0c,
	LSR_DATA = 1,
	LSR_OVERRUN = 2,
	LSR_IDLE = 0x60,
	MCR_LOOP = 0x10,
	LCR_DLAB = 0x80,
	FIFOS_ON = 0xc0,
};

#define PATIENCE_MS 5000 /* for what must come */
#define KNOWN_MS    100	 /* for what is known not to */

static struct medio_card *card;
static unsigned port;
static char why[256];
static int patience_ms = PATIENCE_MS;

/* ---- Words -------------------------------------------------------------------------------------- */

static bool wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool wrong(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	return false;
}

static bool same(const char *what, unsigned value, unsigned expected)
{
	return value == expected || wrong("%s is 0x%02x, not 0x%02x", what, value, expected);
}

/* A card that does not answer is not one that answers wrongly: nothing else is worth trying. */
static void need(const char *what, int ret)
{
	if (ret >= 0)
		return;
	printf("Bail out! %s: %s (%s)\n", what, strerror(-ret), medio_card_last_error(card));
	exit(1);
}

/* ---- Registers ---------------------------------------------------------------------------------- */

static uint8_t in(unsigned reg)
{
	uint8_t value = 0;

	need("read", medio_card_read8(card, port, reg, &value));
	return value;
}

static void out(unsigned reg, uint8_t value)
{
	need("write", medio_card_write8(card, port, reg, value));
}

static uint8_t cause(void)
{
	return in(IIR)&CAUSE;
}

static void divisor(uint16_t value)
{
	out(LCR, LCR_DLAB | 3);
	out(DLL, (uint8_t)value);
	out(DLM, (uint8_t)(value >> 8));
	out(LCR, 3);
}

/* FIFOs on and empty, no interrupts, nothing latched. */
static void quiet(void)
{
	out(IER, 0);
	divisor(1);
	out(MCR, 0);
	out(FCR, 7);
	for (unsigned i = 0; i < 64 && in(LSR)&LSR_DATA; i++)
		in(DATA);
	in(IIR);
	in(MSR);
}

static void send(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out(DATA, (uint8_t)text[i]);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until a byte is there. */
static bool wait_data(void)
{
	int64_t end = now_ms() + patience_ms;

	while (!(in(LSR)&LSR_DATA)) {
		need("process", medio_card_process(card));
		if (now_ms() > end)
			return wrong("no byte is there: LSR is 0x%02x", in(LSR));
	}
	return true;
}

/* What was sent comes back, each byte announced, and nothing more. */
static bool comes_back(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!wait_data())
			return false;
		uint8_t byte = in(DATA);
		if (byte != (uint8_t)text[i])
			return wrong("byte %zu is 0x%02x, not 0x%02x", i, byte, (uint8_t)text[i]);
	}
	return same("LSR at the end", in(LSR), LSR_IDLE);
}

static const char text[] = "The quick brown fox jumps over the lazy dog";

static bool echoes(size_t count)
{
	send(text, count);
	return comes_back(text, count);
}

/* ---- The card ----------------------------------------------------------------------------------- */

static bool config_space(void)
{
	uint32_t id = 0, class = 0, subsystem = 0;
	uint8_t words[17] = { 0 }, pin = 0;

	need("config", medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &id));
	need("config", medio_card_read32(card, MEDIO_CARD_CONFIG, 8, &class));
	need("config", medio_card_read32(card, MEDIO_CARD_CONFIG, 0x2c, &subsystem));
	need("config", medio_card_read8(card, MEDIO_CARD_CONFIG, 0x3d, &pin));
	need("config", medio_card_read(card, MEDIO_CARD_CONFIG, 0x60, words, 16));
	if (strcmp((char *)words, "PCI Serial/UART") != 0)
		return wrong("at 0x60 is '%s'", words);
	return same("vendor and device", id, 0x32534348) && same("class", class, 0x07000210) &&
	       same("subsystem", subsystem, 0x32534348) && same("interrupt pin", pin, 1);
}

static bool config_takes_no_identity(void)
{
	uint32_t id = 0;

	need("config", medio_card_write32(card, MEDIO_CARD_CONFIG, 0, 0));
	need("config", medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &id));
	return same("vendor and device", id, 0x32534348);
}

static bool bar_sizes(void)
{
	for (unsigned bar = 0; bar <= MEDIO_CARD_BAR5; bar++) {
		struct medio_card_region region;
		uint32_t old = 0, value = 0;
		unsigned at = 0x10 + bar * 4;
		need("region", medio_card_get_region(card, bar, &region));
		need("BAR", medio_card_read32(card, MEDIO_CARD_CONFIG, at, &old));
		need("BAR", medio_card_write32(card, MEDIO_CARD_CONFIG, at, 0xffffffff));
		need("BAR", medio_card_read32(card, MEDIO_CARD_CONFIG, at, &value));
		need("BAR", medio_card_write32(card, MEDIO_CARD_CONFIG, at, old));
		if (!same("a region's size", (unsigned)region.size, bar < 2 ? 8 : 0) ||
			!same("a BAR's size", value, bar < 2 ? 0xfffffff9 : 0))
			return false;
	}
	return true;
}

static bool ports_are_two(void)
{
	out(SCR, 1);
	port = 1;
	quiet();
	out(SCR, 2);
	send("x", 1);
	bool ok = wait_data();
	port = 0;
	ok = ok && same("port 0's scratch register", in(SCR), 1) &&
	     same("port 0's line status", in(LSR), LSR_IDLE);
	port = 1;
	ok = ok && same("port 1's scratch register", in(SCR), 2) && comes_back("x", 1);
	port = 0;
	return ok;
}

static bool reset(void)
{
	out(SCR, 0xa5);
	out(MCR, 3);
	out(IER, IER_LINE);
	int ret = medio_card_reset(card);
	if (ret)
		return wrong("%s", medio_card_last_error(card));
	return same("IER", in(IER), 0) && same("MCR", in(MCR), 0) && same("LSR", in(LSR), LSR_IDLE);
}

/* ---- Registers that keep what is written to them ------------------------------------------------- */

static bool scratch(void)
{
	for (unsigned value = 0; value < 256; value++) {
		out(SCR, (uint8_t)value);
		if (!same("the scratch register", in(SCR), value))
			return false;
	}
	return true;
}

static bool status_takes_no_write(void)
{
	uint8_t lines = in(MSR);

	lines = in(MSR);
	out(LSR, 0xff);
	out(MSR, 0xff);
	return same("LSR", in(LSR), LSR_IDLE) && same("MSR", in(MSR), lines);
}

static bool line_control(void)
{
	for (unsigned value = 0; value < 0x40; value++) {
		out(LCR, (uint8_t)value);
		if (!same("LCR", in(LCR), value))
			return false;
	}
	return true;
}

static bool ier_has_four_bits(void)
{
	out(IER, 0xff);
	return same("IER", in(IER), 0x0f);
}

static bool mcr_has_five_bits(void)
{
	out(MCR, 0xff);
	return same("MCR", in(MCR), 0x1f);
}

static bool divisor_latch(void)
{
	out(IER, IER_LINE);
	out(LCR, LCR_DLAB | 3);
	out(DLL, 0x34);
	out(DLM, 0x12);
	bool ok = same("DLL", in(DLL), 0x34) && same("DLM", in(DLM), 0x12);
	out(LCR, 3);
	return ok && same("IER", in(IER), IER_LINE) && same("LSR", in(LSR), LSR_IDLE);
}

/* DLAB selects the latch, and does not empty it; a later write takes an earlier one's place. */
static bool divisor_is_kept(void)
{
	divisor(0x1234);
	out(LCR, LCR_DLAB | 3);
	out(DLL, 0x41);
	return same("DLL", in(DLL), 0x41) && same("DLM", in(DLM), 0x12);
}

/* ---- Bytes -------------------------------------------------------------------------------------- */

static bool echo_one(void)
{
	return same("LSR", in(LSR), LSR_IDLE) && echoes(1);
}

static bool echo_five(void)
{
	return echoes(5);
}

static bool echo_fifteen(void)
{
	return echoes(15);
}

static bool echo_all_values(void)
{
	for (unsigned i = 0; i < 256; i++) {
		char byte = (char)i;
		send(&byte, 1);
		if (!comes_back(&byte, 1))
			return false;
	}
	return true;
}

static bool sixteen_bytes(void)
{
	out(MCR, MCR_LOOP);
	return echoes(16);
}

static bool overrun(void)
{
	out(MCR, MCR_LOOP);
	out(IER, IER_LINE);
	send(text, 17);
	return same("the cause", cause(), CAUSE_LINE) &&
	       same("LSR", in(LSR), LSR_IDLE | LSR_OVERRUN | LSR_DATA) && comes_back(text, 16);
}

static bool overrun_is_told_once(void)
{
	out(MCR, MCR_LOOP);
	send(text, 17);
	return same("LSR's overrun", in(LSR)&LSR_OVERRUN, LSR_OVERRUN) &&
	       same("LSR's overrun, read again", in(LSR)&LSR_OVERRUN, 0);
}

static bool fifo_clear(void)
{
	out(MCR, MCR_LOOP);
	send(text, 5);
	if (!wait_data())
		return false;
	out(FCR, 3);
	return same("LSR", in(LSR), LSR_IDLE);
}

static bool fifos_clear_alone(void)
{
	out(MCR, MCR_LOOP);
	send(text, 5);
	if (!wait_data())
		return false;
	out(FCR, 5);
	return comes_back(text, 5);
}

static bool without_fifos(void)
{
	out(FCR, 0);
	return same("IIR", in(IIR), CAUSE_NONE) && echoes(1);
}

static bool fifos_show(void)
{
	return same("IIR", in(IIR), FIFOS_ON | CAUSE_NONE);
}

/* ---- Causes of interrupts ------------------------------------------------------------------------ */

static bool receive_cause(void)
{
	out(IER, IER_RX);
	if (!same("the cause before", cause(), CAUSE_NONE))
		return false;
	send("x", 1);
	return wait_data() && same("IIR", in(IIR), FIFOS_ON | CAUSE_RX) &&
	       same("IIR, read again", in(IIR), FIFOS_ON | CAUSE_RX) && comes_back("x", 1) &&
	       same("the cause after", cause(), CAUSE_NONE);
}

static bool trigger_level(void)
{
	out(MCR, MCR_LOOP);
	out(FCR, 0x41);
	out(IER, IER_RX);
	send(text, 3);
	if (!wait_data() || (cause() == CAUSE_RX && wrong("3 of 4 bytes are said to be there")) ||
		cause() == CAUSE_RX)
		return false;
	send(text + 3, 1);
	return same("the cause", cause(), CAUSE_RX) && comes_back(text, 4);
}

static bool timeout(void)
{
	int64_t end = now_ms() + patience_ms;
	uint8_t is = CAUSE_NONE;

	out(FCR, FIFOS_ON | 1);
	out(IER, IER_RX);
	send(text, 3);
	while (is == CAUSE_NONE && now_ms() < end) {
		need("process", medio_card_process(card));
		is = cause();
	}
	return same("the cause", is, CAUSE_TIMEOUT) && comes_back(text, 3) &&
	       same("the cause after", cause(), CAUSE_NONE);
}

static bool transmit_cause(void)
{
	out(IER, IER_TX);
	return same("the cause", cause(), CAUSE_TX);
}

static bool transmit_cause_is_taken(void)
{
	out(IER, IER_TX);
	cause();
	if (!same("the cause, read again", cause(), CAUSE_NONE))
		return false;
	/* Twice: Linux looks for chips that do it once only. */
	out(IER, 0);
	out(IER, IER_TX);
	return same("the cause, enabled again", cause(), CAUSE_TX);
}

static bool receive_before_transmit(void)
{
	out(IER, IER_RX | IER_TX);
	send("x", 1);
	return wait_data() && same("the cause", cause(), CAUSE_RX);
}

static bool modem_cause(void)
{
	out(MCR, MCR_LOOP);
	in(MSR);
	out(IER, IER_MODEM);
	out(MCR, MCR_LOOP | 2);
	return same("IIR", in(IIR), FIFOS_ON | CAUSE_MODEM) && same("MSR", in(MSR)&0xf0, 0x10) &&
	       same("the cause after", cause(), CAUSE_NONE);
}

/* ---- Modem lines -------------------------------------------------------------------------------- */

static bool somebody_is_there(void)
{
	return same("CTS, DSR and DCD", in(MSR)&0xb0, 0xb0);
}

static bool changes_are_told_once(void)
{
	in(MSR);
	return same("changes in MSR", in(MSR)&0x0f, 0);
}

static bool loopback_wires_lines(void)
{
	/* DTR to DSR, RTS to CTS, OUT1 to RI, OUT2 to DCD. */
	static const uint8_t lines[] = { 0x20, 0x10, 0x40, 0x80 };

	for (unsigned i = 0; i < 4; i++) {
		out(MCR, (uint8_t)(MCR_LOOP | 1 << i));
		if (!same("MSR", in(MSR)&0xf0, lines[i]))
			return false;
	}
	return true;
}

static bool loopback_returns_bytes(void)
{
	out(MCR, MCR_LOOP);
	return echoes(5);
}

static bool loopback_break(void)
{
	out(MCR, MCR_LOOP);
	out(LCR, 0x43);
	if (!same("LSR", in(LSR), 0xe1 | 0x18) || !same("the byte", in(DATA), 0))
		return false;
	return same("LSR after", in(LSR), LSR_IDLE);
}

/* ---- Interrupts ---------------------------------------------------------------------------------- */

static bool one_interrupt(const char *byte)
{
	uint64_t events = 0;

	send(byte, 1);
	int ret = medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, patience_ms, &events);
	if (ret)
		return wrong("no interrupt: %s", strerror(-ret));
	bool ok = same("events", (unsigned)events, 1) && same("the cause", cause(), CAUSE_RX) &&
		  comes_back(byte, 1);
	need("unmask", medio_card_irq_unmask(card, MEDIO_CARD_INTX, 0, 1));
	/* Nothing is left that could interrupt. */
	ret = medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 0, &events);
	return ok && (ret == -ETIMEDOUT || wrong("an interrupt for nothing"));
}

static bool interrupts(void)
{
	need("INTx", medio_card_irq_open(card, MEDIO_CARD_INTX, 1));
	out(IER, IER_RX);
	bool ok = one_interrupt("a") && one_interrupt("b") && one_interrupt("c");
	out(IER, 0);
	need("INTx", medio_card_irq_disable(card, MEDIO_CARD_INTX));
	return ok;
}

/* INTx is a level: what came while it was masked interrupts when it no longer is. */
static bool masked_interrupt(void)
{
	uint64_t events = 0;

	need("INTx", medio_card_irq_open(card, MEDIO_CARD_INTX, 1));
	need("mask", medio_card_irq_mask(card, MEDIO_CARD_INTX, 0, 1));
	out(IER, IER_RX);
	send("x", 1);
	bool ok = wait_data();
	if (ok && !medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, 0, &events))
		ok = wrong("it came while it was masked");
	need("unmask", medio_card_irq_unmask(card, MEDIO_CARD_INTX, 0, 1));
	int ret = medio_card_irq_wait(card, MEDIO_CARD_INTX, 0, patience_ms, &events);
	if (ok && ret)
		ok = wrong("none after unmasking: %s", strerror(-ret));
	out(IER, 0);
	need("INTx", medio_card_irq_disable(card, MEDIO_CARD_INTX));
	return ok;
}

/* ---- The driver ---------------------------------------------------------------------------------- */

static bool driver_step(struct uart16550 *uart)
{
	struct pollfd fds[] = { { .fd = uart16550_fd(uart), .events = POLLIN },
		{ .fd = medio_card_fd(card), .events = POLLIN } };

	need("process", medio_card_process(card));
	if (poll(fds, 2, patience_ms) <= 0)
		return wrong("the driver waits for an interrupt that does not come");
	if (fds[0].revents)
		need("service", uart16550_service(uart));
	return true;
}

/* count bytes there and back, by interrupt. */
static bool driver_echoes(size_t count)
{
	struct uart16550_stats stats;
	struct uart16550 *uart = NULL;
	size_t given = 0, taken = 0;
	bool ok = true;

	need("open", uart16550_open(card, port, &uart));
	while (ok && taken < count) {
		uint8_t buf[64];
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (uint8_t)((given + i) * 7 + (given + i) / 256);
		size_t left = count - given < sizeof(buf) ? count - given : sizeof(buf);
		int n = uart16550_write(uart, buf, left);
		need("write", n);
		given += (size_t)n;
		int got = uart16550_read(uart, buf, sizeof(buf));
		need("read", got);
		for (int i = 0; ok && i < got; i++, taken++)
			ok = buf[i] == (uint8_t)(taken * 7 + taken / 256) ||
			     wrong("byte %zu is 0x%02x", taken, buf[i]);
		if (ok && !n && !got)
			ok = driver_step(uart);
	}
	uart16550_get_stats(uart, &stats);
	uart16550_close(uart);
	if (ok && (stats.sent != count || stats.received != count))
		ok = wrong("sent %llu, received %llu", (unsigned long long)stats.sent,
			(unsigned long long)stats.received);
	if (ok && (!stats.interrupts || stats.overruns || stats.line_errors))
		ok = wrong("%llu interrupts, %llu overruns, %llu errors",
			(unsigned long long)stats.interrupts, (unsigned long long)stats.overruns,
			(unsigned long long)stats.line_errors);
	return ok;
}

static bool driver_five(void)
{
	return driver_echoes(5);
}

static bool driver_many(void)
{
	return driver_echoes(5000);
}

static bool driver_port_1(void)
{
	port = 1;
	bool ok = driver_echoes(100);
	port = 0;
	return ok;
}

/* ---- State --------------------------------------------------------------------------------------- */

/* What was saved comes back, bytes that nobody has read too. */
static bool migration(void)
{
	static uint8_t state[65536];
	enum medio_card_mig_state is = MEDIO_CARD_MIG_ERROR;
	size_t size = 0, got = 0;

	out(SCR, 0x5a);
	send(text, 5);
	if (!wait_data())
		return false;
	need("STOP_COPY", medio_card_mig_set(card, MEDIO_CARD_MIG_STOP_COPY));
	do {
		need("state", medio_card_mig_read(card, state + size, sizeof(state) - size, &got));
		size += got;
	} while (got && size < sizeof(state));
	need("RUNNING", medio_card_mig_set(card, MEDIO_CARD_MIG_RUNNING));
	quiet();
	out(SCR, 0);
	need("RESUMING", medio_card_mig_set(card, MEDIO_CARD_MIG_RESUMING));
	need("state", medio_card_mig_write(card, state, size));
	need("RUNNING", medio_card_mig_set(card, MEDIO_CARD_MIG_RUNNING));
	need("get", medio_card_mig_get(card, &is));
	return same("the state", is, MEDIO_CARD_MIG_RUNNING) &&
	       same("the scratch register", in(SCR), 0x5a) && comes_back(text, 5);
}

/* ---- All of them --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool (*passes)(void);
} checks[] = {
#define CHECK(name_) \
	{ \
#name_, name_ \
	}
	CHECK(config_space),
	CHECK(config_takes_no_identity),
	CHECK(bar_sizes),
	CHECK(ports_are_two),
	CHECK(reset),
	CHECK(scratch),
	CHECK(status_takes_no_write),
	CHECK(line_control),
	CHECK(ier_has_four_bits),
	CHECK(mcr_has_five_bits),
	CHECK(divisor_latch),
	CHECK(divisor_is_kept),
	CHECK(echo_one),
	CHECK(echo_five),
	CHECK(echo_fifteen),
	CHECK(echo_all_values),
	CHECK(sixteen_bytes),
	CHECK(overrun),
	CHECK(overrun_is_told_once),
	CHECK(fifo_clear),
	CHECK(fifos_clear_alone),
	CHECK(without_fifos),
	CHECK(fifos_show),
	CHECK(receive_cause),
	CHECK(trigger_level),
	CHECK(timeout),
	CHECK(transmit_cause),
	CHECK(transmit_cause_is_taken),
	CHECK(receive_before_transmit),
	CHECK(modem_cause),
	CHECK(somebody_is_there),
	CHECK(changes_are_told_once),
	CHECK(loopback_wires_lines),
	CHECK(loopback_returns_bytes),
	CHECK(loopback_break),
	CHECK(interrupts),
	CHECK(masked_interrupt),
	CHECK(driver_five),
	CHECK(driver_many),
	CHECK(driver_port_1),
	CHECK(migration),
};

#define NUM_CHECKS (sizeof(checks) / sizeof(*checks))

static bool is_known(int count, char **names, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static int find_type(const char *name, const struct medio_type **out_type, struct medio_error **err)
{
	(void)err;
	if (strcmp(name, "mtty-2") != 0)
		return -EINVAL;
	*out_type = &medio_mtty_2;
	return 0;
}

int main(int argc, char **argv)
{
	struct medio_error *err = NULL;
	unsigned failures = 0;

	if (argc < 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	medio_local_types(find_type);
	if (medio_card_open(argv[1], NULL, &card, &err)) {
		printf("Bail out! %s: %s\n", argv[1], err ? medio_error_text(err) : "no such card");
		return 1;
	}
	need("command", medio_card_write16(card, MEDIO_CARD_CONFIG, 4, 3));
	for (unsigned i = 0; i < NUM_CHECKS; i++) {
		bool known = is_known(argc - 2, argv + 2, checks[i].name);
		patience_ms = known ? KNOWN_MS : PATIENCE_MS;
		quiet();
		bool passed = checks[i].passes();
		failures += passed == known;
		printf("%s %u - %s%s\n", passed == known ? "not ok" : "ok", i + 1, checks[i].name,
			known ? ", which this card is known not to pass" : "");
		if (!passed)
			printf("# %s\n", why);
	}
	printf("1..%u\n", (unsigned)NUM_CHECKS);
	quiet();
	medio_card_close(card);
	return failures != 0;
}
