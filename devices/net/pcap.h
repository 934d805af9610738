/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of captured Ethernet frames, in the classic pcap format, as tcpdump and Wireshark have them: their
 * layout, and how they are written, with this machine's byte order and nanoseconds.
 *
 * Source: draft-ietf-opsawg-pcap, "PCAP Capture File Format".
 */
#ifndef NET_PCAP_H
#define NET_PCAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>
#include <time.h>

/* Bytes of the longest frame in a file. */
#define MEDIO_PCAP_FRAME 262144u

enum {
	MEDIO_PCAP_MAGIC = 0xa1b2c3d4u,		    /* microseconds */
	MEDIO_PCAP_MAGIC_NANOSECONDS = 0xa1b23c4du, /* nanoseconds */
	MEDIO_PCAP_MAJOR = 2,
	MEDIO_PCAP_MINOR = 4,
	MEDIO_PCAP_ETHERNET = 1, /* LINKTYPE_ETHERNET */
};

/* The file's header (4), then before each frame (5). */
struct medio_pcap_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy; /* unused, 0 */
	uint32_t most;		 /* bytes of a frame that are kept */
	uint32_t link;		 /* LINKTYPE in the lower 16 bits */
};

struct medio_pcap_record {
	uint32_t seconds, fraction, length, original;
};

/* Begin a file: its header. -errno of the stream. */
int medio_pcap_begin(FILE *out);
/* A frame of len bytes, at most MEDIO_PCAP_FRAME, and when it was seen (CLOCK_REALTIME). -errno of
 * the stream. */
int medio_pcap_write(FILE *out, const struct timespec *when, const void *frame, size_t len);
/* As above, in niov pieces of len bytes together. */
int medio_pcap_write_iov(
	FILE *out, const struct timespec *when, const struct iovec *iov, unsigned niov, size_t len);

#endif
