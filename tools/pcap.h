/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading files of captured frames, of either byte order, with microseconds or nanoseconds. They are written
 * as devices write them. */
#ifndef MEDIO_TOOLS_PCAP_H
#define MEDIO_TOOLS_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "devices/net/pcap.h"

struct medio_error;

struct medio_pcap {
	FILE *in;
	bool swapped, nanoseconds;
	uint64_t count; /* frames read */
};

struct medio_pcap_frame {
	struct timespec when;
	uint32_t length;   /* bytes that are in the file */
	uint32_t original; /* bytes of the frame on the wire; more than length: it was cut */
};

/* Read the header of a file that somebody gave. -EINVAL: no pcap, another version, not Ethernet, or it
 * ends; -errno of the stream. */
int medio_pcap_open(FILE *in, struct medio_pcap *out, struct medio_error **err);
/* The next frame into buf, which has size bytes: 1; 0: there is none; -EINVAL: it ends in the middle, or
 * cannot be; -EMSGSIZE: it is longer than size; -errno of the stream. Nothing is read after an error. */
int medio_pcap_read(struct medio_pcap *pcap, struct medio_pcap_frame *out, void *buf, size_t size,
	struct medio_error **err);

#endif
