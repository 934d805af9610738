/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes that wait for no answer. A run ends with a read, so that all of them have been done when
 * the clock stops.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "drive/vfio_user.h"

#define MULTI 200 /* writes in a REGION_WRITE_MULTI, as QEMU sends them */

static double post_slice(struct medio_card *card, unsigned n)
{
	uint32_t value = 0;
	int ret = 0;

	uint64_t start = medio_now_ns();
	for (unsigned i = 0; i < n && !ret; i++)
		ret = medio_card_post(card, MEDIO_CARD_BAR0, 4, &i, sizeof(i));
	medio_bench_check(ret, "post");
	medio_bench_check(medio_card_read32(card, MEDIO_CARD_BAR0, 4, &value), "read");
	if (value != n - 1)
		medio_bench_fail("the last write is not there", 5);
	return n * 1e9 / (double)(medio_now_ns() - start);
}

static void bench_post(struct medio_report *r, int cpu, const char *name)
{
	struct medio_peer peer;
	struct medio_card *card = medio_bench_card(&peer, cpu, false);
	double *rate = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = medio_report_count(r, 100000, 5000);

	post_slice(card, n);
	for (unsigned i = 0; i < r->runs; i++)
		rate[i] = post_slice(card, n);
	medio_report_put(r,
		&(struct medio_figure){
			.name = name, .unit = "/s", .kind = MEDIO_AT_LEAST, .goal = 1e6 },
		rate, r->runs);
	free(rate);
	medio_card_close(card);
	medio_peer_stop(&peer);
}

static void finish(struct medio_vu_client *client)
{
	struct medio_vu_region_access access = { 0, 0, 4 };
	const struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_READ, .payload = &access, .size = sizeof(access)
	};
	medio_bench_check(medio_vu_client_call(client, &call, NULL), "read");
}

/* Each in a send of its own, which is how QEMU posts writes one by one. */
static double single_slice(struct medio_vu_client *client, unsigned n)
{
	const struct medio_vu_region_access access = { 0, 0, 4 };
	uint32_t value = 0;
	const struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_WRITE,
		.flags = MEDIO_VU_NO_REPLY,
		.payload = &access,
		.size = sizeof(access),
		.data = &value,
		.data_size = sizeof(value),
	};

	uint64_t start = medio_now_ns();
	for (value = 0; value < n; value++)
		medio_bench_check(medio_vu_client_send(client, &call, NULL), "send");
	finish(client);
	return n * 1e9 / (double)(medio_now_ns() - start);
}

static double multi_slice(struct medio_vu_client *client, unsigned n)
{
	static struct medio_vu_write_entry entries[MULTI];
	const struct medio_vu_write_multi multi = { MULTI };
	const struct medio_vu_call call = {
		.cmd = MEDIO_VU_REGION_WRITE_MULTI,
		.payload = &multi,
		.size = sizeof(multi),
		.data = entries,
		.data_size = sizeof(entries),
	};

	for (unsigned i = 0; i < MULTI; i++)
		entries[i] = (struct medio_vu_write_entry){ .offset = 4 * i, .count = 4 };
	uint64_t start = medio_now_ns();
	for (unsigned i = 0; i < n / MULTI; i++)
		medio_bench_check(medio_vu_client_post(client, &call), "post");
	finish(client);
	return n * 1e9 / (double)(medio_now_ns() - start);
}

static void bench_client(struct medio_report *r, int cpu, const char *name,
	double (*slice)(struct medio_vu_client *client, unsigned n))
{
	struct medio_peer peer;
	struct medio_vu_client *client = medio_bench_client(&peer, cpu);
	double *rate = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = medio_report_count(r, 100000, 5000);

	slice(client, n);
	for (unsigned i = 0; i < r->runs; i++)
		rate[i] = slice(client, n);
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "/s" }, rate, r->runs);
	free(rate);
	medio_vu_client_free(client);
	medio_peer_stop(&peer);
}

static int run(struct medio_report *r)
{
	bench_post(r, r->cpu_client, "write 4 bytes, one core");
	bench_client(r, r->cpu_client, "  a send each, one core", single_slice);
	bench_client(r, r->cpu_client, "  200 in a WRITE_MULTI, one core", multi_slice);
	if (r->cpu_server < 0) {
		medio_report_note(r, "two cores: left out, there is one core only");
		return 0;
	}
	bench_post(r, r->cpu_server, "write 4 bytes, two cores");
	bench_client(r, r->cpu_server, "  a send each, two cores", single_slice);
	bench_client(r, r->cpu_server, "  200 in a WRITE_MULTI, two cores", multi_slice);
	return 0;
}

const struct medio_bench medio_bench_posted = {
	.name = "posted",
	.summary = "Writes that wait for no answer",
	.run = run,
};
