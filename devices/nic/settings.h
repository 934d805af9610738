/* SPDX-License-Identifier: BSD-3-Clause */
/* What is set of virtual functions, in the words of `ip link set DEV vf N`, as text: hostile. */
#ifndef NIC_SETTINGS_H
#define NIC_SETTINGS_H

#include "net/fabric.h"

#define NIC_VFS	  256u
#define NIC_WORDS 256u /* bytes of what is said of a failure */

struct nic_settings {
	struct fabric_settings port; /* has_mac is true */
	bool changed;		     /* by somebody */
};

/*
 * Change settings, total of them (at most NIC_VFS), as the lines of text say: a number and what is set, such as
 * "3 mac=52:54:00:12:34:56 vlan=7 rate=100 spoofchk=on trust=off link=auto". pf: the address of the card. All or
 * nothing, -EINVAL: it is not understood, or an address is another's; -ERANGE: a number is too large; words then
 * says what, and what is possible.
 */
int nic_settings_read(const char *text, size_t size, const uint8_t pf[6],
	struct nic_settings *settings, unsigned total, char words[NIC_WORDS]);

/* Ports by number: those of VFs, then these. */
enum { NIC_PORT_PF = NIC_VFS, NIC_PORT_UPLINK, NIC_PORTS };
#define NIC_NO_MIRROR UINT16_MAX

struct nic_mirror {
	uint16_t to; /* a port's number, or NIC_NO_MIRROR */
	bool from[NIC_PORTS];
};

/* "off", or a port and those that it gets copies of: numbers of VFs, "pf", "uplink"; "all" the others. As above. */
int nic_mirror_read(const char *text, size_t size, unsigned total, struct nic_mirror *mirror,
	char words[NIC_WORDS]);
/* The same as text with a new line: its length, which may be above size. */
size_t nic_mirror_print(const struct nic_mirror *mirror, char *buf, size_t size);

extern const char *const nic_link_names[];

#endif
