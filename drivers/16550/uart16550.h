/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for 16550A serial ports on a PCI card, one port a BAR. Bytes go through two rings in
 * memory; the interrupt handler moves them between the rings and the port's 16-byte FIFOs.
 *
 * The receive FIFO is never overrun by what we send ourselves: before a burst it is emptied, a
 * burst is at most 16 bytes, and none starts unless its echo has room in the ring.
 *
 * Source: National Semiconductor PC16550D data sheet, section 8 (registers).
 *
 * Threads: the card's.
 */
#ifndef UART16550_H
#define UART16550_H

#include <medio/driver.h>

struct uart16550;

struct uart16550_stats {
	uint64_t sent, received; /* bytes */
	uint64_t interrupts;
	uint64_t overruns, line_errors;
	const char *interrupt; /* "INTx", "MSI", or "polled" */
};

/*
 * Take port n (BAR n) of the card: 8N1, FIFOs on, DTR and RTS set, interrupts by INTx, else MSI,
 * else none (service() must then be called again and again). The card must outlive it. -ENODEV: no
 * such BAR, or no UART answers there; otherwise the card's errno; -ENOMEM.
 */
int uart16550_open(struct medio_card *card, unsigned port, struct uart16550 **out);
/* Quiet the port and let it go; bytes in the rings are lost. NULL is allowed. */
void uart16550_close(struct uart16550 *uart);

/* Readable when service() has work; -1 if there is no interrupt. The card's medio_card_fd() should
 * be watched too. */
int uart16550_fd(const struct uart16550 *uart);
/* Serve the interrupt: move bytes between rings and FIFOs until the port has nothing more to say.
 * 0, or the card's errno. */
int uart16550_service(struct uart16550 *uart);

/* Take received bytes: at most cap; 0 if there are none. Or the card's errno. */
int uart16550_read(struct uart16550 *uart, void *buf, size_t cap);
/* Give bytes to send: as many as the ring takes, maybe 0. Or the card's errno. */
int uart16550_write(struct uart16550 *uart, const void *buf, size_t size);
/* How many write() would take now; how many read() would give. Never fail. */
size_t uart16550_writable(const struct uart16550 *uart);
size_t uart16550_readable(const struct uart16550 *uart);
/* 1: everything given has left the transmitter; 0: not yet. Or the card's errno. */
int uart16550_drained(struct uart16550 *uart);

void uart16550_get_stats(const struct uart16550 *uart, struct uart16550_stats *out);

#endif
