/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of registers of cards that are known, for types that are or re-export such a card
 * (struct medio_type.registers). Each table ends with name NULL.
 */
#ifndef MEDIO_DEVICES_REGISTERS_H
#define MEDIO_DEVICES_REGISTERS_H

#include <medio/device.h>

/* The registers of a card by what it says that it is, or NULL: they are not known. Any thread. */
const struct medio_register *registers_find(uint16_t vendor, uint16_t device);
/* The same for cards that are alike because their class says so, such as NVMe controllers. class_code:
 * 24 bits. */
const struct medio_register *registers_find_class(uint32_t class_code);

extern const struct medio_register registers_edu[];
/* A 16550 in BAR 0; two of them, in BAR 0 and BAR 1. */
extern const struct medio_register registers_16550[], registers_16550_dual[];
/* An NVMe controller whose doorbells stand close (CAP.DSTRD 0). */
extern const struct medio_register registers_nvme[];

#endif
