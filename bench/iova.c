/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a translation, a map and an unmap cost. Each figure is the median of several repeats.
 *
 * "random" looks up iovas that are known in advance, as a device that walks a list of descriptors
 * does: the processor overlaps look-ups. "dependent" needs the memory at one address to know the
 * next, as a walk through linked descriptors does: nothing overlaps, and the memory itself counts.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu/iommu.h"

#define PAGE	4096u
#define STRIDE	(2u * PAGE) /* a hole behind each mapping: no two join */
#define ROUNDS	9	    /* of mapping and unmapping everything */
#define CHUNK	(1u << 12)  /* look-ups timed at once: shorter than a time slice */
#define CHUNKS	64u	    /* with different iovas each, so that the caches see all of them */
#define SAMPLES (CHUNKS * 5u)
#define LOOKUPS (CHUNK * CHUNKS)
#define MAX	MEDIO_IOMMU_MAX_MAPPINGS

static uint32_t rnd(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static void put(struct medio_report *r, const char *name, double goal, double *ns, unsigned n)
{
	medio_report_put(r,
		&(struct medio_figure){ .name = name,
			.unit = "ns",
			.kind = goal > 0 ? MEDIO_AT_MOST : MEDIO_NO_GOAL,
			.goal = goal },
		ns, n);
}

/* 0 to n - 1 in random order. */
static void shuffle(uint32_t *order, unsigned n, uint64_t *seed)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned j = rnd(seed) % (i + 1);
		order[i] = order[j];
		order[j] = i;
	}
}

static struct medio_iommu *domain_new(void)
{
	struct medio_iommu *domain;
	medio_bench_check(medio_iommu_new(&medio_iommu_type1, &domain), "new");
	return domain;
}

static void map_all(struct medio_iommu *domain, int fd, const uint32_t *order, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		medio_bench_check(medio_iommu_map(domain, (uint64_t)order[i] * STRIDE, PAGE,
					  MEDIO_PROT_READ | MEDIO_PROT_WRITE, fd,
					  (uint64_t)order[i] * PAGE, NULL),
			"map");
}

static void bench_same(struct medio_report *r, struct medio_iommu *domain)
{
	double ns[SAMPLES];
	for (unsigned s = 0; s < SAMPLES; s++) {
		uint64_t t = medio_now_ns();
		for (unsigned i = 0; i < CHUNK; i++) {
			void *p = medio_iommu_translate(
				domain, i % PAGE & ~15u, 16, MEDIO_PROT_READ, NULL);
			/* The pointer is used: it must exist. */
			__asm__ volatile("" : : "r"(p) : "memory");
		}
		ns[s] = (double)(medio_now_ns() - t) / CHUNK;
	}
	put(r, "translate, same mapping", 5, ns, SAMPLES);
}

static void bench_random(struct medio_report *r, struct medio_iommu *domain, unsigned n,
	const char *name, double goal)
{
	double ns[SAMPLES];
	uint64_t seed = n;
	uint64_t *iova = medio_bench_alloc(LOOKUPS * sizeof(*iova));
	for (unsigned i = 0; i < LOOKUPS; i++)
		iova[i] = (uint64_t)(rnd(&seed) % n) * STRIDE + rnd(&seed) % (PAGE / 16) * 16;
	for (unsigned s = 0; s < SAMPLES; s++) {
		const uint64_t *next = iova + (size_t)(s % CHUNKS) * CHUNK;
		uint64_t t = medio_now_ns();
		for (unsigned i = 0; i < CHUNK; i++) {
			void *p = medio_iommu_translate(domain, next[i], 16, MEDIO_PROT_READ, NULL);
			__asm__ volatile("" : : "r"(p) : "memory");
		}
		ns[s] = (double)(medio_now_ns() - t) / CHUNK;
	}
	free(iova);
	put(r, name, goal, ns, SAMPLES);
}

/* Each page holds the iova of the next; one cycle through all of them. */
static void bench_dependent(struct medio_report *r, struct medio_iommu *domain,
	const uint32_t *order, unsigned n, const char *name)
{
	double ns[SAMPLES];
	for (unsigned i = 0; i < n; i++) {
		uint64_t next = (uint64_t)order[(i + 1) % n] * STRIDE;
		medio_bench_check(
			medio_iommu_write(domain, (uint64_t)order[i] * STRIDE, &next, sizeof(next)),
			"write");
	}
	uint64_t iova = (uint64_t)order[0] * STRIDE;
	for (unsigned s = 0; s < SAMPLES; s++) {
		uint64_t t = medio_now_ns();
		for (unsigned i = 0; i < CHUNK; i++) {
			const volatile uint64_t *p = medio_iommu_translate(
				domain, iova, 8, MEDIO_PROT_READ, NULL);
			if (!p)
				medio_bench_fail("translate", EFAULT);
			iova = *p;
		}
		ns[s] = (double)(medio_now_ns() - t) / CHUNK;
	}
	put(r, name, 0, ns, SAMPLES);
}

static void bench_maps(
	struct medio_report *r, int fd, const uint32_t *order, unsigned n, const char *kind)
{
	double map[ROUNDS], one[ROUNDS], all[ROUNDS];
	char name[64];
	for (unsigned s = 0; s < ROUNDS; s++) {
		struct medio_iommu *domain = domain_new();
		uint64_t t = medio_now_ns();
		map_all(domain, fd, order, n);
		map[s] = (double)(medio_now_ns() - t) / n;
		t = medio_now_ns();
		for (unsigned i = 0; i < n; i++)
			medio_bench_check(medio_iommu_unmap(domain, (uint64_t)order[i] * STRIDE,
						  PAGE, 0, NULL),
				"unmap");
		one[s] = (double)(medio_now_ns() - t) / n;
		map_all(domain, fd, order, n);
		t = medio_now_ns();
		medio_bench_check(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, NULL), "unmap");
		all[s] = (double)(medio_now_ns() - t) / n;
		medio_iommu_free(domain);
	}
	snprintf(name, sizeof(name), "map, %u %s, random order", n, kind);
	put(r, name, 0, map, ROUNDS);
	snprintf(name, sizeof(name), "unmap, %u %s, random order", n, kind);
	put(r, name, 0, one, ROUNDS);
	snprintf(name, sizeof(name), "unmap all, %u %s, each", n, kind);
	put(r, name, 0, all, ROUNDS);
}

static int run(struct medio_report *r)
{
	uint64_t seed = 1;
	int fd = memfd_create("bench", MFD_CLOEXEC);
	uint32_t *order = medio_bench_alloc(MAX * sizeof(*order));
	if (fd < 0 || ftruncate(fd, (off_t)MAX * PAGE) < 0)
		medio_bench_fail("memfd", errno);

	struct medio_iommu *domain = domain_new();
	shuffle(order, 1000, &seed);
	map_all(domain, fd, order, 1000);
	bench_same(r, domain);
	bench_random(r, domain, 1000, "translate, random among 1000", 20);
	bench_dependent(r, domain, order, 1000, "translate and load, dependent, among 1000");
	medio_iommu_free(domain);

	domain = domain_new();
	shuffle(order, MAX, &seed);
	map_all(domain, fd, order, MAX);
	bench_random(r, domain, MAX, "translate, random among 65535", 40);
	bench_dependent(r, domain, order, MAX, "translate and load, dependent, among 65535");
	medio_iommu_free(domain);

	bench_maps(r, fd, order, 1000, "of one file");
	if (!r->quick) {
		bench_maps(r, fd, order, MAX, "of one file");
		bench_maps(r, -1, order, MAX, "remote");
	}
	free(order);
	close(fd);
	return 0;
}

const struct medio_bench medio_bench_iova = {
	.name = "iova",
	.summary = "Translating, mapping and unmapping I/O virtual addresses",
	.run = run,
};
