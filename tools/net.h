/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of medio net share: a network card that is open, and what its user wants of it. */
#ifndef MEDIO_TOOLS_NET_H
#define MEDIO_TOOLS_NET_H

#include <json-c/json.h>

#include "command.h"
#include "drivers/virtio/virtio_net.h"
#include "ending.h"

struct medio_net {
	const struct medio_command *cmd;
	const char *device;
	struct medio_card *card;
	struct virtio_net *net;
	struct virtio_net_info info; /* as it was at the beginning */
	struct medio_ending ending;
	uint8_t mac[6]; /* our own address: the card's, or one made up */
	uint8_t to[6];	/* where frames that are made up go */
	uint32_t run;	/* what they call this run */
	bool json;
	bool quiet; /* standard output has the frames themselves */
	FILE *pcap; /* gets what is sent and received; NULL: nobody does */
	const char *pcap_name;
	uint64_t count;	   /* frames; UINT64_MAX: not said */
	double start, end; /* of the time that was said, end 0: not said */
	double shown;	   /* when progress was */
	bool terminal;
	bool down;	    /* the link, as it was last told */
	bool stopped;	    /* by a signal, or since somebody wants the card back */
	struct timespec at; /* when the latest frame came */
	uint8_t frame[VIRTIO_NET_FRAME];
};

/* ---- net-port.c: frames out and in, and what is done with each -------------------------------- */

/* "medio net: DEVICE: words of the card"; gives MEDIO_EXIT_FAILURE. */
int medio_net_fail(struct medio_net *net);
/* To be asked in each turn of a loop: a signal came, somebody wants the card (net->stopped then is
 * true), or the time is over. */
bool medio_net_over(struct medio_net *net);
/* Send a frame, and record it; waits for room. MEDIO_EXIT_*; OK also where medio_net_over() was. */
int medio_net_put(struct medio_net *net, const uint8_t *frame, size_t len);
/* Until all that was sent has left. MEDIO_EXIT_*. */
int medio_net_drain(struct medio_net *net);
/*
 * Receive a frame into net->frame, and record it: its length, 0 if none came in a little while (wait) or
 * is there. -1: it failed, which has been said. Before it waits, what was printed and sent goes out.
 */
int medio_net_get(struct medio_net *net, bool wait);
/* On a terminal: how far it is. of 0: nobody knows. */
void medio_net_progress(struct medio_net *net, uint64_t frames, uint64_t of, bool last);
/* Interrupts since the beginning. */
uint64_t medio_net_interrupts(struct medio_net *net);

/* ---- net-show.c -------------------------------------------------------------------------------- */

int medio_net_show(struct medio_net *net);

/* ---- net-traffic.c ----------------------------------------------------------------------------- */

/* Each gives MEDIO_EXIT_*. */
int medio_net_receive(struct medio_net *net);
int medio_net_echo(struct medio_net *net);
/* The frames of a pcap file, of which the name is given; "-": standard input. */
int medio_net_send(struct medio_net *net, const char *path);
int medio_net_generate(struct medio_net *net, uint64_t size);

/* ---- net-exchange.c ---------------------------------------------------------------------------- */

/* At least so many bytes in frames of size, to somebody who sends them back. MEDIO_EXIT_*. */
int medio_net_exchange(struct medio_net *net, uint64_t bytes, uint64_t size);

#endif
