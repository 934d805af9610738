/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a translation, a map and an unmap cost. Each figure is the median of several repeats.
 *
 * "random" looks up iovas that are known in advance, as a device that walks a list of descriptors
 * does: the processor overlaps look-ups. "dependent" needs the memory at one address to know the
 * next, as a walk through linked descriptors does: nothing overlaps, and the memory itself counts.
 */
#include "iommu/iommu.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096u
#define STRIDE	(2u * PAGE) /* a hole behind each mapping: no two join */
#define ROUNDS	9	    /* of mapping and unmapping everything */
#define CHUNK	(1u << 12)  /* look-ups timed at once: shorter than a time slice */
#define CHUNKS	64u	    /* with different iovas each, so that the caches see all of them */
#define SAMPLES (CHUNKS * 5u)
#define LOOKUPS (CHUNK * CHUNKS)
#define MAX	MEDIO_IOMMU_MAX_MAPPINGS

static bool json;
static unsigned printed;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t rnd(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void check(int ret, const char *what)
{
	if (ret < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-ret));
		exit(1);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void print(const char *name, double *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	if (json)
		printf("%s\n  { \"name\": \"iova %s\", \"ns\": %.2f }", printed ? "," : "[", name,
			ns[n / 2]);
	else
		printf("iova %s: %.1f ns\n", name, ns[n / 2]);
	printed++;
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
	check(medio_iommu_new(&medio_iommu_type1, &domain), "new");
	return domain;
}

static void map_all(struct medio_iommu *domain, int fd, const uint32_t *order, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		check(medio_iommu_map(domain, (uint64_t)order[i] * STRIDE, PAGE,
			      MEDIO_PROT_READ | MEDIO_PROT_WRITE, fd, (uint64_t)order[i] * PAGE,
			      NULL),
			"map");
}

static void bench_same(struct medio_iommu *domain)
{
	double ns[SAMPLES];
	for (unsigned r = 0; r < SAMPLES; r++) {
		uint64_t t = now_ns();
		for (unsigned i = 0; i < CHUNK; i++) {
			void *p = medio_iommu_translate(
				domain, i % PAGE & ~15u, 16, MEDIO_PROT_READ, NULL);
			/* The pointer is used: it must exist. */
			__asm__ volatile("" : : "r"(p) : "memory");
		}
		ns[r] = (double)(now_ns() - t) / CHUNK;
	}
	print("translate, same mapping", ns, SAMPLES);
}

static void bench_random(struct medio_iommu *domain, unsigned n, const char *name)
{
	double ns[SAMPLES];
	uint64_t seed = n;
	uint64_t *iova = malloc(LOOKUPS * sizeof(*iova));
	if (!iova)
		fail("malloc");
	for (unsigned i = 0; i < LOOKUPS; i++)
		iova[i] = (uint64_t)(rnd(&seed) % n) * STRIDE + rnd(&seed) % (PAGE / 16) * 16;
	for (unsigned r = 0; r < SAMPLES; r++) {
		const uint64_t *next = iova + (size_t)(r % CHUNKS) * CHUNK;
		uint64_t t = now_ns();
		for (unsigned i = 0; i < CHUNK; i++) {
			void *p = medio_iommu_translate(domain, next[i], 16, MEDIO_PROT_READ, NULL);
			__asm__ volatile("" : : "r"(p) : "memory");
		}
		ns[r] = (double)(now_ns() - t) / CHUNK;
	}
	free(iova);
	print(name, ns, SAMPLES);
}

/* Each page holds the iova of the next; one cycle through all of them. */
static void bench_dependent(
	struct medio_iommu *domain, const uint32_t *order, unsigned n, const char *name)
{
	double ns[SAMPLES];
	for (unsigned i = 0; i < n; i++) {
		uint64_t next = (uint64_t)order[(i + 1) % n] * STRIDE;
		check(medio_iommu_write(domain, (uint64_t)order[i] * STRIDE, &next, sizeof(next)),
			"write");
	}
	uint64_t iova = (uint64_t)order[0] * STRIDE;
	for (unsigned r = 0; r < SAMPLES; r++) {
		uint64_t t = now_ns();
		for (unsigned i = 0; i < CHUNK; i++) {
			const volatile uint64_t *p = medio_iommu_translate(
				domain, iova, 8, MEDIO_PROT_READ, NULL);
			if (!p)
				fail("translate");
			iova = *p;
		}
		ns[r] = (double)(now_ns() - t) / CHUNK;
	}
	print(name, ns, SAMPLES);
}

static void bench_maps(int fd, const uint32_t *order, unsigned n, const char *kind)
{
	double map[ROUNDS], one[ROUNDS], all[ROUNDS];
	char name[64];
	for (unsigned r = 0; r < ROUNDS; r++) {
		struct medio_iommu *domain = domain_new();
		uint64_t t = now_ns();
		map_all(domain, fd, order, n);
		map[r] = (double)(now_ns() - t) / n;
		t = now_ns();
		for (unsigned i = 0; i < n; i++)
			check(medio_iommu_unmap(domain, (uint64_t)order[i] * STRIDE, PAGE, 0, NULL),
				"unmap");
		one[r] = (double)(now_ns() - t) / n;
		map_all(domain, fd, order, n);
		t = now_ns();
		check(medio_iommu_unmap(domain, 0, 0, MEDIO_UNMAP_ALL, NULL), "unmap");
		all[r] = (double)(now_ns() - t) / n;
		medio_iommu_free(domain);
	}
	snprintf(name, sizeof(name), "map, %u %s, random order", n, kind);
	print(name, map, ROUNDS);
	snprintf(name, sizeof(name), "unmap, %u %s, random order", n, kind);
	print(name, one, ROUNDS);
	snprintf(name, sizeof(name), "unmap all, %u %s, each", n, kind);
	print(name, all, ROUNDS);
}

int main(int argc, char **argv)
{
	json = argc == 2 && !strcmp(argv[1], "--json");
	if (argc > 2 || (argc == 2 && !json)) {
		fprintf(stderr, "usage: %s [--json]\n", argv[0]);
		return 2;
	}
	uint64_t seed = 1;
	int fd = memfd_create("bench", MFD_CLOEXEC);
	uint32_t *order = calloc(MAX, sizeof(*order));
	if (fd < 0 || ftruncate(fd, (off_t)MAX * PAGE) < 0 || !order)
		fail("memory");

	struct medio_iommu *domain = domain_new();
	shuffle(order, 1000, &seed);
	map_all(domain, fd, order, 1000);
	bench_same(domain);
	bench_random(domain, 1000, "translate, random among 1000");
	bench_dependent(domain, order, 1000, "translate and load, dependent, among 1000");
	medio_iommu_free(domain);

	domain = domain_new();
	shuffle(order, MAX, &seed);
	map_all(domain, fd, order, MAX);
	bench_random(domain, MAX, "translate, random among 65535");
	bench_dependent(domain, order, MAX, "translate and load, dependent, among 65535");
	medio_iommu_free(domain);

	bench_maps(fd, order, 1000, "of one file");
	bench_maps(fd, order, MAX, "of one file");
	bench_maps(-1, order, MAX, "remote");
	if (json)
		printf("\n]\n");
	free(order);
	close(fd);
	return 0;
}
