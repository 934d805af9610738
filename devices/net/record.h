/* SPDX-License-Identifier: BSD-3-Clause */
/* The recording of a network's frames in a file (parameter pcap). */
#ifndef NET_RECORD_H
#define NET_RECORD_H

#include "net.h"

struct net_pcap;

/* Begin a new file. -errno after medio_fail(). */
int net_pcap_open(struct medio_dev *dev, const char *path, struct net_pcap **out);
/* NULL is allowed. */
void net_pcap_close(struct net_pcap *pcap);
/* A file that cannot be written to ends the recording, with a line in the log. */
void net_pcap_record(struct net_pcap *pcap, const struct net_frame *frame);

#endif
