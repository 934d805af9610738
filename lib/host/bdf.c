/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/bdf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

/* From min to max hexadecimal digits at *at, then the character end. */
static int number(
	const char **at, unsigned min, unsigned max, char end, uint32_t limit, uint32_t *out)
{
	uint32_t value = 0;
	unsigned n = 0;

	for (; n < max && isxdigit((unsigned char)(*at)[n]); n++) {
		char c = (*at)[n];
		uint32_t digit = (uint32_t)(isdigit((unsigned char)c)
						    ? c - '0'
						    : tolower((unsigned char)c) - 'a' + 10);
		value = value << 4 | digit;
	}
	if (n < min || (*at)[n] != end || value > limit)
		return -EINVAL;
	*at += n + 1;
	*out = value;
	return 0;
}

int medio_bdf_parse(const char *text, struct medio_bdf *out)
{
	uint32_t domain = 0, bus, device, function;
	const char *at = text;

	if (number(&at, 4, 8, ':', UINT32_MAX, &domain))
		at = text;
	if (number(&at, 2, 2, ':', 0xff, &bus) || number(&at, 2, 2, '.', 0x1f, &device) ||
		number(&at, 1, 1, 0, 7, &function))
		return -EINVAL;
	out->domain = domain;
	out->bus = (uint8_t)bus;
	out->device = (uint8_t)device;
	out->function = (uint8_t)function;
	return 0;
}

void medio_bdf_format(const struct medio_bdf *bdf, char text[MEDIO_BDF_TEXT])
{
	snprintf(text, MEDIO_BDF_TEXT, "%04x:%02x:%02x.%x", bdf->domain, bdf->bus,
		bdf->device & 0x1fu, bdf->function & 7u);
}
