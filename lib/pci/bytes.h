/* SPDX-License-Identifier: BSD-3-Clause */
/* Little-endian fields of configuration space, at any alignment. */
#ifndef MEDIO_PCI_BYTES_H
#define MEDIO_PCI_BYTES_H

#include <stdint.h>

static inline uint16_t medio_pci_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t medio_pci_get32(const uint8_t *p)
{
	return medio_pci_get16(p) | (uint32_t)medio_pci_get16(p + 2) << 16;
}

static inline uint64_t medio_pci_get64(const uint8_t *p)
{
	return medio_pci_get32(p) | (uint64_t)medio_pci_get32(p + 4) << 32;
}

static inline void medio_pci_put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static inline void medio_pci_put32(uint8_t *p, uint32_t value)
{
	medio_pci_put16(p, (uint16_t)value);
	medio_pci_put16(p + 2, (uint16_t)(value >> 16));
}

#endif
