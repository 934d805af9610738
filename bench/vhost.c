/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices over vhost-user beside those of others, and what the machine itself does. */
#include "vhost.h"

#include <stdlib.h>
#include <string.h>

#include "net_side.h"
#include "vhost_side.h"

#define BLOCK  4096u
#define COPIED 64u

/* What no back-end can be faster than: a number that the other processor sees, and what is copied. */
static void put_floors(struct medio_report *r)
{
	double *ping = medio_bench_alloc(r->runs * sizeof(double));
	double *block = medio_bench_alloc(r->runs * sizeof(double));
	double *frame = medio_bench_alloc(r->runs * sizeof(double));
	uint8_t *memory = medio_bench_alloc((size_t)COPIED * BLOCK);
	struct net_side_pair *pair = net_side_pair_new(r->cpu_server);
	unsigned n = medio_report_count(r, 20000, 2000);

	memset(memory, 0x5a, (size_t)COPIED * BLOCK);
	for (unsigned i = 0; i < r->runs; i++) {
		ping[i] = net_side_pair_ping(pair, n);
		block[i] = net_side_copy(true, memory, BLOCK, COPIED, BLOCK, n) / 1e6;
		frame[i] = net_side_copy(true, memory, BLOCK, COPIED, NET_SMALL, n) / 1e6;
	}
	net_side_pair_free(pair);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "a polled cache line, there and back", .unit = "ns" },
		ping, r->runs);
	medio_report_put(r, &(struct medio_figure){ .name = "memcpy() of 4 KiB", .unit = "M/s" },
		block, r->runs);
	medio_report_put(r, &(struct medio_figure){ .name = "memcpy() of 64 bytes", .unit = "M/s" },
		frame, r->runs);
	free(ping);
	free(block);
	free(frame);
	free(memory);
}

static int run(struct medio_report *r)
{
	if (r->cpu_server < 0) {
		medio_report_note(r, "left out: both sides want a processor each");
		return 0;
	}
	put_floors(r);
	vhost_measure_disk(r);
	vhost_measure_net(r);
	vhost_folder_remove();
	return 0;
}

const struct medio_bench medio_bench_vhost = {
	.name = "vhost",
	.summary = "Devices over vhost-user, beside qemu-storage-daemon's and DPDK's",
	.run = run,
};
