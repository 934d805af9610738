/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 16550A serial port. Some places are two registers, one to read and one to write, and with LCR's
 * bit 7 set the first two are the divisor latch (PC16550D data sheet, table 1).
 */
#include "registers/registers.h"

#define PORT(prefix_, bar_) \
	{ prefix_ "rbr_thr", bar_, 0, 1 }, { prefix_ "ier", bar_, 1, 1 }, \
		{ prefix_ "iir_fcr", bar_, 2, 1 }, { prefix_ "lcr", bar_, 3, 1 }, \
		{ prefix_ "mcr", bar_, 4, 1 }, { prefix_ "lsr", bar_, 5, 1 }, \
		{ prefix_ "msr", bar_, 6, 1 }, \
	{ \
		prefix_ "scr", bar_, 7, 1 \
	}

const struct medio_register registers_16550[] = { PORT("", 0), { 0 } };

const struct medio_register registers_16550_dual[] = {
	PORT("port0.", 0),
	PORT("port1.", 1),
	{ 0 },
};
