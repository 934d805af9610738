/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client memory as the device reaches it: mapped, by copying, against memcpy() of the same bytes;
 * and not mapped, by messages that the client answers.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/instance.h"

#define WINDOW	(1u << 20) /* the pages that are touched */
#define PAGE	4096u
#define COMMAND 4 /* config space: bit 1 memory, bit 2 bus master */

static const struct medio_transport_ops no_transport;

static double dma_slice(struct medio_dev *dev, bool write, void *buf, unsigned n)
{
	int ret = 0;
	uint64_t start = medio_now_ns();
	for (unsigned i = 0; i < n; i++) {
		uint64_t iova = MEDIO_BENCH_IOVA + i * PAGE % WINDOW;
		ret |= write ? medio_dma_write(dev, iova, buf, PAGE)
			     : medio_dma_read(dev, iova, buf, PAGE);
	}
	medio_bench_check(ret, "DMA");
	return (double)(medio_now_ns() - start) / n;
}

static double copy_slice(uint8_t *mem, bool write, void *buf, unsigned n)
{
	uint64_t start = medio_now_ns();
	for (unsigned i = 0; i < n; i++) {
		uint8_t *at = mem + i * PAGE % WINDOW;
		memcpy(write ? (void *)at : buf, write ? buf : (void *)at, PAGE);
		__asm__ volatile("" : : "r"(at), "r"(buf) : "memory");
	}
	return (double)(medio_now_ns() - start) / n;
}

static void bench_copy(
	struct medio_report *r, struct medio_dev *dev, uint8_t *mem, bool write, const char *name)
{
	static uint8_t buf[PAGE];
	double *ours = medio_bench_alloc(r->runs * sizeof(double));
	double *bare = medio_bench_alloc(r->runs * sizeof(double));
	double *ratio = medio_bench_alloc(r->runs * sizeof(double));
	unsigned n = medio_report_count(r, 20000, 2000);

	dma_slice(dev, write, buf, n);
	copy_slice(mem, write, buf, n);
	for (unsigned i = 0; i < r->runs; i++) {
		ours[i] = dma_slice(dev, write, buf, n);
		bare[i] = copy_slice(mem, write, buf, n);
		ratio[i] = ours[i] / bare[i];
	}
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "ns" }, ours, r->runs);
	medio_report_put(
		r, &(struct medio_figure){ .name = "  memcpy", .unit = "ns" }, bare, r->runs);
	medio_report_put(r,
		&(struct medio_figure){
			.name = "  ratio", .unit = "x", .floor = "of memcpy beside it" },
		ratio, r->runs);
	free(ours);
	free(bare);
	free(ratio);
}

static void bench_mapped(struct medio_report *r)
{
	static const uint8_t master[2] = { 6, 0 };
	struct medio_loop *loop;
	struct medio_instance *inst;
	int fd = memfd_create("bench", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, WINDOW) < 0)
		medio_bench_fail("memfd", errno);
	/* Prefaulted: the pages are there before anything is timed. */
	uint8_t *mem = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (mem == MAP_FAILED)
		medio_bench_fail("mmap", errno);

	medio_bench_check(medio_loop_new(&loop), "loop");
	medio_bench_check(
		medio_instance_new(loop, &medio_bench_type, NULL, &inst, NULL), "instance");
	medio_bench_check(medio_instance_attach(inst, &no_transport, NULL), "attach");
	medio_bench_check(
		medio_instance_write(inst, MEDIO_REGION_CONFIG, COMMAND, master, 2), "config");
	medio_bench_check(medio_instance_dma_map(inst, MEDIO_BENCH_IOVA, WINDOW,
				  MEDIO_PROT_READ | MEDIO_PROT_WRITE, fd, 0, NULL),
		"map");
	bench_copy(r, medio_instance_device(inst), mem, false, "medio_dma_read, 4096 bytes");
	bench_copy(r, medio_instance_device(inst), mem, true, "medio_dma_write, 4096 bytes");
	medio_instance_detach(inst);
	medio_instance_free(inst);
	medio_loop_free(loop);
	munmap(mem, WINDOW);
	close(fd);
}

static void bench_messages(struct medio_report *r, int cpu, bool write, const char *name)
{
	struct medio_peer peer;
	struct medio_card *card = medio_bench_card(&peer, cpu, false);
	double *rate = medio_bench_alloc(r->runs * sizeof(double));
	void *mem = aligned_alloc(PAGE, WINDOW);
	unsigned n = medio_report_count(r, 20, 2);
	uint64_t events;

	if (!mem)
		medio_bench_fail("memory", ENOMEM);
	memset(mem, 1, WINDOW);
	medio_bench_check(medio_card_dma_map(card, MEDIO_BENCH_IOVA, WINDOW,
				  MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, mem),
		"map");
	medio_bench_check(medio_card_write16(card, MEDIO_CARD_CONFIG, COMMAND, 6), "config");
	medio_bench_check(medio_card_irq_open(card, MEDIO_CARD_MSI, 1), "irq_open");
	medio_bench_check(medio_card_write32(card, 2, MEDIO_BENCH_WRITE, write), "write");
	for (unsigned i = 0; i < r->runs; i++) {
		uint64_t start = medio_now_ns();
		for (unsigned k = 0; k < n; k++) {
			medio_bench_check(
				medio_card_write64(card, 2, MEDIO_BENCH_DMA, WINDOW), "write");
			medio_bench_check(
				medio_card_irq_wait(card, MEDIO_CARD_MSI, 0, 5000, &events),
				"irq_wait");
		}
		rate[i] = (double)n * WINDOW * 1000 / (double)(medio_now_ns() - start);
	}
	medio_report_put(r, &(struct medio_figure){ .name = name, .unit = "MB/s" }, rate, r->runs);
	free(rate);
	medio_card_close(card);
	medio_peer_stop(&peer);
	free(mem);
}

static int run(struct medio_report *r)
{
	int cpu = r->cpu_server < 0 ? r->cpu_client : r->cpu_server;

	bench_mapped(r);
	bench_messages(r, cpu, false, "read by messages, 1 MiB at once");
	bench_messages(r, cpu, true, "write by messages, 1 MiB at once");
	return 0;
}

const struct medio_bench medio_bench_dma = {
	.name = "dma",
	.summary = "Client memory: copied, and moved by messages",
	.run = run,
};
