/* SPDX-License-Identifier: BSD-3-Clause */
/* Hardware addresses as text. */
#include "vnet.h"

#include <stdio.h>
#include <string.h>

bool medio_vnet_mac_parse(const char *text, uint8_t mac[6])
{
	unsigned byte[6];
	int end = 0;

	/* %x alone would take signs and blanks. */
	if (strspn(text, "0123456789abcdefABCDEF:") != strlen(text) ||
		sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
			&byte[4], &byte[5], &end) != 6 ||
		text[end])
		return false;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)byte[i];
	return true;
}

void medio_vnet_mac_print(const uint8_t mac[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
}
