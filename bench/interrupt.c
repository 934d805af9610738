/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a device's call to a waiting client that knows. The device takes the time, in memory that
 * both have, right before it raises the interrupt; the client when its poll() and read() of the
 * eventfd have returned. The floor is a process that writes an eventfd, and the same client.
 */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AFTER_US 200 /* by then the client sleeps */

static double await_event(int fd, struct medio_bench_shared *shared)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;

	if (poll(&p, 1, 5000) != 1 || read(fd, &count, sizeof(count)) != sizeof(count))
		medio_bench_fail("no interrupt came", errno);
	return (double)(medio_now_ns() - atomic_load(&shared->stamp)) / 1000;
}

static void echo(int fd, struct medio_bench_shared *shared, void *opaque)
{
	const struct timespec after = { .tv_nsec = AFTER_US * 1000 };
	const uint64_t one = 1;
	char byte;

	(void)opaque;
	while (recv(fd, &byte, 1, 0) == 1) {
		nanosleep(&after, NULL);
		atomic_store(&shared->stamp, medio_now_ns());
		if (write(MEDIO_PEER_EVENT, &one, sizeof(one)) < 0)
			return;
	}
}

static void run_at(struct medio_report *r, int cpu, const char *where)
{
	struct medio_peer server, floor;
	struct medio_card *card = medio_bench_card(&server, cpu, false);
	unsigned n = r->runs * medio_report_count(r, 20, 4);
	double *ours = medio_bench_alloc(n * sizeof(double));
	double *bare = medio_bench_alloc(n * sizeof(double));
	double *ratio = medio_bench_alloc(n * sizeof(double));
	char name[64];

	medio_peer_start(&floor, cpu, echo, NULL);
	medio_bench_check(medio_card_irq_open(card, MEDIO_CARD_MSI, 1), "irq_open");
	int fd = medio_bench_check(medio_card_irq_fd(card, MEDIO_CARD_MSI, 0), "irq_fd");
	for (unsigned i = 0; i < n; i++) {
		medio_bench_check(medio_card_write32(card, 2, MEDIO_BENCH_FIRE, AFTER_US), "write");
		ours[i] = await_event(fd, server.shared);
		if (send(floor.fd, "", 1, MSG_NOSIGNAL) != 1)
			medio_bench_fail("send", errno);
		bare[i] = await_event(floor.event, floor.shared);
		ratio[i] = ours[i] / bare[i];
	}
	snprintf(name, sizeof(name), "raised to received, %s", where);
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "us" }, ours, n);
	medio_report_put(
		r, &(struct medio_figure){ .name = "  bare eventfd", .unit = "us" }, bare, n);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio", .unit = "x", .floor = "of the bare eventfd beside it" },
		ratio, n);
	free(ours);
	free(bare);
	free(ratio);
	medio_card_close(card);
	medio_peer_stop(&server);
	medio_peer_stop(&floor);
}

static int run(struct medio_report *r)
{
	run_at(r, r->cpu_client, "one core");
	if (r->cpu_server < 0)
		medio_report_note(r, "two cores: left out, there is one core only");
	else
		run_at(r, r->cpu_server, "two cores");
	return 0;
}

const struct medio_bench medio_bench_interrupt = {
	.name = "interrupt",
	.summary = "From a device's interrupt to the client that waits for it",
	.run = run,
};
