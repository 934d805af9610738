/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a virtio network card is measured with: frames, a network of the benchmark's own behind it, and
 * what the machine does with such frames when there is no card.
 */
#ifndef MEDIO_BENCH_NET_SIDE_H
#define MEDIO_BENCH_NET_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <medio/device.h>

#define NET_SMALL  64u
#define NET_LARGE  65536u
#define NET_HEADER 12u /* bytes before a frame (VIRTIO 1.3, 5.1.6) */
#define NET_BATCH  32u /* frames that either side hands over at once */

/* A TCP segment of so many bytes, and what its header says: plain, or if it is NET_LARGE to be cut by
 * whoever takes it out of the machine, with its checksum to be made. */
void net_side_frame(unsigned bytes, uint8_t *frame);
void net_side_header(unsigned bytes, uint8_t header[NET_HEADER]);

/*
 * Type virtio-net with the network that follows in place of the one that is asked for. It copies each frame
 * that it is given, as a kernel would, and takes all. If it generates, the card is given frames of so many
 * bytes from the same memory, NET_BATCH at a time, whenever it has room for more. For processes that
 * are started afterwards; one network a process.
 */
const struct medio_type *net_side_type(unsigned bytes, bool generate);

/* ---- Floors -------------------------------------------------------------------------------------- */

/* memcpy() of frames, n of them, out of or into `memory`: one each `stride` bytes, `count` times, and over
 * again. Frames a second. */
double net_side_copy(
	bool out, uint8_t *memory, size_t stride, unsigned count, unsigned bytes, unsigned n);

/* A process on cpu that looks at memory which it shares with us. */
struct net_side_pair;
struct net_side_pair *net_side_pair_new(int cpu);
void net_side_pair_free(struct net_side_pair *pair);
/* Nanoseconds until a number that we write has come back in another cache line. */
double net_side_pair_ping(struct net_side_pair *pair, unsigned n);
/* Frames of NET_SMALL bytes a second that it puts into a ring of 256, which we take out: each side tells the
 * other of NET_BATCH at once. */
double net_side_pair_ring(struct net_side_pair *pair, unsigned n);

#endif
