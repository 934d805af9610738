/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of captured Ethernet frames, in the classic pcap format, as tcpdump and Wireshark have them.
 * Written with this machine's byte order and microseconds; read in either order, nanoseconds too.
 *
 * Source: draft-ietf-opsawg-pcap, "PCAP Capture File Format".
 */
#ifndef MEDIO_TOOLS_PCAP_H
#define MEDIO_TOOLS_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct medio_error;

/* Bytes of the longest frame in a file. */
#define MEDIO_PCAP_FRAME 262144u

/* Begin a file: its header. -errno of the stream. */
int medio_pcap_begin(FILE *out);
/* A frame of len bytes, at most MEDIO_PCAP_FRAME, and when it was seen (CLOCK_REALTIME). -errno of
 * the stream. */
int medio_pcap_write(FILE *out, const struct timespec *when, const void *frame, size_t len);

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
