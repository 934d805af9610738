/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's testpmd with one port, spoken to at its prompt. It needs no huge pages. */
#ifndef MEDIO_BENCH_VHOST_TESTPMD_H
#define MEDIO_BENCH_VHOST_TESTPMD_H

#include "vhost_side.h"

struct testpmd {
	struct vhost_side side;
	char said[65536]; /* after the last command */
	size_t size;
};

/* With a device as --vdev has it (%s: path of the socket), forwarding as --forward-mode has it; it waits at its prompt.
 * socket: somebody else's, or NULL: it makes one. On failure it is gone. */
int testpmd_start(
	struct testpmd *t, const char *device, const char *mode, const char *socket, int cpu);
/* The same under another program on cpu_under, NULL-terminated words, with the PCI device that it shows. */
int testpmd_start_under(struct testpmd *t, const char *const *under, const char *bdf,
	const char *mode, int cpu, int cpu_under);
/* Do it, until what it says has `until`. -ETIMEDOUT, -EPIPE: it has ended; what it said tells why. */
int testpmd_do(struct testpmd *t, const char *command, const char *until);
/* The last number that was said after `name`, 0: none. */
double testpmd_number(const struct testpmd *t, const char *name);
/* Its last words, for a note. */
const char *testpmd_words(const struct testpmd *t);
void testpmd_stop(struct testpmd *t);

#endif
