/* SPDX-License-Identifier: BSD-3-Clause */
/* What is set of virtual functions, and mirrors, as text: what is taken can be, what is refused changes nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/rate.h"
#include "net/vlan.h"
#include "nic/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TOTAL 5u

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void settings(const char *text, size_t size)
{
	static const uint8_t pf[6] = { 0x52, 0x54, 0, 0, 0, 1 };
	struct nic_settings before[TOTAL + 1] = { 0 }, after[TOTAL + 1];
	char words[NIC_WORDS];

	for (unsigned i = 0; i < TOTAL; i++) {
		before[i].port.has_mac = true;
		before[i].port.mac[0] = 2;
		before[i].port.mac[5] = (uint8_t)i;
	}
	memcpy(after, before, sizeof(after));
	int ret = nic_settings_read(text, size, pf, after, TOTAL, words);
	check(ret == 0 || ret == -EINVAL || ret == -ERANGE);
	check(memchr(words, 0, sizeof(words)));
	check(!words[0] == !ret);
	check(!memcmp(&after[TOTAL], &before[TOTAL], sizeof(*after)));
	if (ret)
		check(!memcmp(after, before, sizeof(after)));
	for (unsigned i = 0; i < TOTAL; i++) {
		const struct fabric_settings *port = &after[i].port;
		check(port->has_mac && !(port->mac[0] & 1) && memcmp(port->mac, pf, 6) != 0);
		check(port->vlan <= VLAN_MAX && port->rate <= RATE_MAX);
		check(port->link <= FABRIC_LINK_OFF);
		for (unsigned k = 0; k < i; k++)
			check(memcmp(port->mac, after[k].port.mac, 6) != 0);
	}
}

/* One that is taken prints, and reads the same again. */
static void mirror(const char *text, size_t size)
{
	struct nic_mirror one = { .to = 3 }, again;
	char words[NIC_WORDS], printed[2048];
	int ret = nic_mirror_read(text, size, TOTAL, &one, words);

	check(ret == 0 || ret == -EINVAL || ret == -ERANGE);
	check(!words[0] == !ret);
	if (ret) {
		check(one.to == 3);
		return;
	}
	size_t len = nic_mirror_print(&one, printed, sizeof(printed));
	check(len < sizeof(printed) && printed[len - 1] == '\n');
	check(!nic_mirror_read(printed, len, TOTAL, &again, words));
	check(one.to == again.to && !memcmp(one.from, again.from, sizeof(one.from)));
	check(one.to == NIC_NO_MIRROR || !one.from[one.to]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its exact size, so that reading past it is seen. */
	char *text = malloc(size ? size : 1);

	check(text);
	if (size)
		memcpy(text, data, size);
	settings(text, size);
	mirror(text, size);
	free(text);
	return 0;
}
