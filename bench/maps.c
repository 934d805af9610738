/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often a driver can give memory to its card and take it back. The floor is the kernel's own
 * mmap() and munmap() of as much of a file, untouched. Over vfio-user each of the two waits for an
 * answer, and the server maps the file.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"

#define IOVA UINT64_C(0x10000000)
#define RW   (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define MOST (2u << 20)

struct shape {
	uint64_t size;
	const char *name;
};

static const struct shape shapes[] = { { 4096, "4 KiB" }, { MOST, "2 MiB" } };

struct memory {
	int fd;
	void *ptr;
};

/* Each: ns for one map and unmap. */
static double own_slice(
	struct medio_card *card, const struct memory *memory, uint64_t size, unsigned n)
{
	uint64_t iova, start = medio_now_ns();

	for (unsigned i = 0; i < n; i++) {
		medio_bench_check(
			medio_card_dma_map_any(card, size, RW, memory->ptr, &iova), "map_any");
		medio_bench_check(medio_card_dma_unmap(card, iova, size), "unmap");
	}
	return (double)(medio_now_ns() - start) / n;
}

static double file_slice(
	struct medio_card *card, const struct memory *memory, uint64_t size, unsigned n)
{
	uint64_t start = medio_now_ns();

	for (unsigned i = 0; i < n; i++) {
		medio_bench_check(
			medio_card_dma_map_fd(card, IOVA, size, RW, memory->fd, 0), "map_fd");
		medio_bench_check(medio_card_dma_unmap(card, IOVA, size), "unmap");
	}
	return (double)(medio_now_ns() - start) / n;
}

static double floor_slice(
	struct medio_card *card, const struct memory *memory, uint64_t size, unsigned n)
{
	uint64_t start = medio_now_ns();

	(void)card;
	for (unsigned i = 0; i < n; i++) {
		void *ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
		if (ptr == MAP_FAILED || munmap(ptr, size) < 0)
			medio_bench_fail("mmap", errno);
	}
	return (double)(medio_now_ns() - start) / n;
}

typedef double slice_fn(
	struct medio_card *card, const struct memory *memory, uint64_t size, unsigned n);

static void measure(struct medio_report *r, struct medio_card *card, const struct memory *memory,
	const char *where, const char *what, slice_fn *slice, const struct shape *shape)
{
	double *ours = medio_bench_alloc(r->runs * sizeof(double));
	double *ratio = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = medio_report_count(r, 300, 50);
	char name[80];

	slice(card, memory, shape->size, n / 4);
	for (unsigned i = 0; i < r->runs; i++) {
		ours[i] = slice(card, memory, shape->size, n);
		ratio[i] = floor_slice(card, memory, shape->size, n) / ours[i];
		ours[i] = 1e9 / ours[i];
	}
	snprintf(name, sizeof(name), "%s of %s, %s", shape->name, what, where);
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "/s" }, ours, r->runs);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio", .unit = "x", .floor = "of mmap and munmap beside it" },
		ratio, r->runs);
	free(ours);
	free(ratio);
}

static void measure_all(struct medio_report *r, struct medio_card *card, const char *where)
{
	struct memory memory = { .fd = memfd_create("bench", MFD_CLOEXEC),
		.ptr = aligned_alloc(4096, MOST) };

	if (memory.fd < 0 || !memory.ptr || ftruncate(memory.fd, MOST) < 0)
		medio_bench_fail("memory", errno);
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(shapes); i++) {
		measure(r, card, &memory, where, "a file", file_slice, &shapes[i]);
		measure(r, card, &memory, where, "the driver's own", own_slice, &shapes[i]);
	}
	close(memory.fd);
	free(memory.ptr);
}

static int run(struct medio_report *r)
{
	struct medio_instance *inst;
	struct medio_loop *loop;
	struct medio_peer peer;
	struct medio_card *card;

	medio_bench_check(medio_loop_new(&loop), "loop");
	medio_bench_check(
		medio_instance_new(loop, &medio_bench_type, NULL, &inst, NULL), "instance");
	medio_bench_check(medio_card_open_instance(inst, &card, NULL), "open");
	measure_all(r, card, "local:");
	medio_card_close(card);
	medio_instance_free(inst);
	medio_loop_free(loop);

	card = medio_bench_card(&peer, r->cpu_client, false);
	measure_all(r, card, "vfio-user:, one core");
	medio_card_close(card);
	medio_peer_stop(&peer);
	return 0;
}

const struct medio_bench medio_bench_maps = {
	.name = "maps",
	.summary = "A driver's memory, mapped for its card and unmapped",
	.run = run,
};
