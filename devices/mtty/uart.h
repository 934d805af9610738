/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A 16550A UART: the chip alone. Registers on one side, bytes and modem lines on the other; no I/O,
 * no clock, no memory of its own. Whoever owns it moves bytes in and out, asks for the level of the
 * interrupt line after each call, and keeps the one timer the chip needs.
 *
 * Source: National Semiconductor PC16550D data sheet (June 1995), section 8 "Registers". Where the
 * chip takes time to shift a character this one takes none: the line is infinitely fast, so THRE
 * and TEMT are one condition, and the baud rate matters only to the character timeout.
 */
#ifndef MEDIO_MTTY_UART_H
#define MEDIO_MTTY_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIO_MTTY_FIFO_SIZE 16

/* Register offsets; a read and a write of one offset may mean two registers (table II). */
enum {
	MEDIO_MTTY_RBR = 0, /* read; DLL while LCR bit 7 (DLAB) is set */
	MEDIO_MTTY_THR = 0, /* write */
	MEDIO_MTTY_IER = 1, /* DLM while DLAB is set */
	MEDIO_MTTY_IIR = 2, /* read */
	MEDIO_MTTY_FCR = 2, /* write */
	MEDIO_MTTY_LCR = 3,
	MEDIO_MTTY_MCR = 4,
	MEDIO_MTTY_LSR = 5,
	MEDIO_MTTY_MSR = 6,
	MEDIO_MTTY_SCR = 7,
	MEDIO_MTTY_NUM_REGS = 8,
};

enum { /* IER */
	MEDIO_MTTY_IER_RX = 0x01,
	MEDIO_MTTY_IER_THRE = 0x02,
	MEDIO_MTTY_IER_LINE = 0x04,
	MEDIO_MTTY_IER_MODEM = 0x08,
};

enum { /* IIR, low four bits: the cause, by falling priority */
	MEDIO_MTTY_IIR_NONE = 0x01,
	MEDIO_MTTY_IIR_LINE = 0x06,
	MEDIO_MTTY_IIR_RX = 0x04,
	MEDIO_MTTY_IIR_TIMEOUT = 0x0c,
	MEDIO_MTTY_IIR_THRE = 0x02,
	MEDIO_MTTY_IIR_MODEM = 0x00,
	MEDIO_MTTY_IIR_FIFO = 0xc0, /* bits 7:6: FIFOs are on */
};

enum { /* FCR */
	MEDIO_MTTY_FCR_ENABLE = 0x01,
	MEDIO_MTTY_FCR_CLEAR_RX = 0x02,
	MEDIO_MTTY_FCR_CLEAR_TX = 0x04,
	MEDIO_MTTY_FCR_TRIGGER = 0xc0, /* 1, 4, 8 or 14 bytes */
};

enum { /* LCR */
	MEDIO_MTTY_LCR_BREAK = 0x40,
	MEDIO_MTTY_LCR_DLAB = 0x80,
};

enum { /* MCR */
	MEDIO_MTTY_MCR_DTR = 0x01,
	MEDIO_MTTY_MCR_RTS = 0x02,
	MEDIO_MTTY_MCR_OUT1 = 0x04,
	MEDIO_MTTY_MCR_OUT2 = 0x08,
	MEDIO_MTTY_MCR_LOOP = 0x10,
};

enum { /* LSR */
	MEDIO_MTTY_LSR_DR = 0x01,
	MEDIO_MTTY_LSR_OE = 0x02,
	MEDIO_MTTY_LSR_PE = 0x04,
	MEDIO_MTTY_LSR_FE = 0x08,
	MEDIO_MTTY_LSR_BI = 0x10,
	MEDIO_MTTY_LSR_THRE = 0x20,
	MEDIO_MTTY_LSR_TEMT = 0x40,
	MEDIO_MTTY_LSR_FIFO_ERROR = 0x80,
	/* Errors that belong to one character and travel with it through the FIFO. */
	MEDIO_MTTY_LSR_CHAR = MEDIO_MTTY_LSR_PE | MEDIO_MTTY_LSR_FE | MEDIO_MTTY_LSR_BI,
	MEDIO_MTTY_LSR_ERRORS = MEDIO_MTTY_LSR_OE | MEDIO_MTTY_LSR_CHAR,
};

enum { /* MSR: four changes, four levels */
	MEDIO_MTTY_MSR_DCTS = 0x01,
	MEDIO_MTTY_MSR_DDSR = 0x02,
	MEDIO_MTTY_MSR_TERI = 0x04,
	MEDIO_MTTY_MSR_DDCD = 0x08,
	MEDIO_MTTY_MSR_CTS = 0x10,
	MEDIO_MTTY_MSR_DSR = 0x20,
	MEDIO_MTTY_MSR_RI = 0x40,
	MEDIO_MTTY_MSR_DCD = 0x80,
	MEDIO_MTTY_MSR_LINES = 0xf0,
};

/* One direction's FIFO: counted, so that 16 bytes are 16 and not none. */
struct medio_mtty_fifo {
	uint8_t data[MEDIO_MTTY_FIFO_SIZE];
	uint8_t errors[MEDIO_MTTY_FIFO_SIZE]; /* receive only: LSR_CHAR bits of each byte */
	uint8_t head;			      /* index of the oldest byte */
	uint8_t count;
};

struct medio_mtty_uart {
	struct medio_mtty_fifo rx, tx;
	uint8_t ier, fcr, lcr, mcr, scr; /* as written, without bits the chip has not */
	uint16_t divisor;
	uint8_t errors;	   /* latched LSR error bits, cleared by reading LSR */
	uint8_t deltas;	   /* MSR bits 3:0 */
	uint8_t levels;	   /* MSR bits 7:4 as the chip sees them: outside or looped */
	uint8_t outside;   /* MSR bits 7:4 as the line drives them */
	bool thre_pending; /* the THRE interrupt has been raised and not yet taken */
	bool timeout;	   /* the character timeout has passed */
	uint32_t activity; /* moves whenever the timeout starts anew */
	uint64_t overruns; /* received bytes lost */
	uint64_t tx_lost;  /* bytes written into a full transmitter */
};

/* To the state after power-on. The level of the outside lines and the counters stay. */
void medio_mtty_uart_reset(struct medio_mtty_uart *uart);

/* Access register reg, 0 to 7. Any value is allowed; reads have the side effects of the chip. */
uint8_t medio_mtty_uart_read(struct medio_mtty_uart *uart, unsigned reg);
void medio_mtty_uart_write(struct medio_mtty_uart *uart, unsigned reg, uint8_t value);

/* The level of the interrupt line. OUT2 does not gate it: that is wiring of the PC's own ports. */
bool medio_mtty_uart_irq(const struct medio_mtty_uart *uart);

/* Bytes waiting to leave: copies at most max of them, oldest first, and returns how many. */
size_t medio_mtty_uart_tx_peek(const struct medio_mtty_uart *uart, uint8_t *buf, size_t max);
/* The first n of them have left. */
void medio_mtty_uart_tx_done(struct medio_mtty_uart *uart, size_t n);
/* In loopback the line is cut off: nothing leaves, and nothing should be delivered. */
bool medio_mtty_uart_looped(const struct medio_mtty_uart *uart);
/* The transmitter holds the line in break. */
bool medio_mtty_uart_breaking(const struct medio_mtty_uart *uart);

/* Bytes the receiver can take without an overrun. */
unsigned medio_mtty_uart_rx_room(const struct medio_mtty_uart *uart);
/* A character arrives, with its MEDIO_MTTY_LSR_CHAR bits. Without room it is an overrun. */
void medio_mtty_uart_rx_put(struct medio_mtty_uart *uart, uint8_t byte, uint8_t errors);
/* n characters arrived that had no room: an overrun, nothing else changes. */
void medio_mtty_uart_rx_overrun(struct medio_mtty_uart *uart, uint64_t n);
/* The modem lines have these levels: MSR bits 7:4. */
void medio_mtty_uart_lines(struct medio_mtty_uart *uart, uint8_t levels);

/*
 * Character timeout (section 8.4, FIFO interrupt mode operation): bytes below the trigger level are
 * announced after four character times without a read or an arrival. Returns that time in
 * nanoseconds if it is running, 0 if not. It starts anew whenever `activity` moves; the owner calls
 * medio_mtty_uart_timeout() when it has passed.
 */
uint64_t medio_mtty_uart_timeout_ns(const struct medio_mtty_uart *uart);
void medio_mtty_uart_timeout(struct medio_mtty_uart *uart);

#endif
