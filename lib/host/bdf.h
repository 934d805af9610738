/* SPDX-License-Identifier: BSD-3-Clause */
/* The address of a PCI function: domain, bus, device, function. */
#ifndef MEDIO_HOST_BDF_H
#define MEDIO_HOST_BDF_H

#include <stddef.h>
#include <stdint.h>

#define MEDIO_BDF_TEXT 20 /* "ffffffff:ff:1f.7" and NUL, rounded up */

struct medio_bdf {
	uint32_t domain; /* 16 bits from firmware; Linux makes larger ones up (VMD: 10000) */
	uint8_t bus, device, function;
};

/* Parse "0000:01:00.0", or "01:00.0" in domain 0; hexadecimal in any case. -EINVAL: it is none. */
int medio_bdf_parse(const char *text, struct medio_bdf *out);
/* As sysfs names it: "0000:01:00.0". */
void medio_bdf_format(const struct medio_bdf *bdf, char text[MEDIO_BDF_TEXT]);

#endif
