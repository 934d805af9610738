/* SPDX-License-Identifier: BSD-3-Clause */
/* Is the data of a type possible? Names, BARs and interrupts here; layout.c does the rest. */
#ifndef MEDIO_PCI_VALIDATE_H
#define MEDIO_PCI_VALIDATE_H

#include <medio/device.h>

struct medio_error;

/* Largest 64-bit BAR: what a process can map on today's machines. */
#define MEDIO_PCI_BAR_MAX (UINT64_C(1) << 47)

/*
 * -EPROTO: another MEDIO_DEVICE_ABI. -EINVAL, with words, on:
 *   - a missing name, or one with characters outside [a-z0-9._-] or a dot or dash in front
 *   - a class code over 24 bits, an interrupt pin over 4
 *   - BAR sizes, 64-bit BARs without a free slot behind them, areas and doorbells (see
 *     struct medio_bar)
 *   - MSI vector counts; MSI-X vectors, table and pending bit array (see struct medio_msix), which
 *     must not overlap each other or a mappable area: the library keeps them
 */
int medio_pci_validate(const struct medio_type *type, struct medio_error **err);

#endif
