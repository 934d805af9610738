/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where threads meet: the layouts that instances of a type share, the guard against SIGBUS, and
 * the stopping of a loop. For ThreadSanitizer above all; each thread has a loop of its own.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/instance.h"
#include "iommu/iommu.h"

#define THREADS 4
#define ROUNDS	50

static const struct medio_cap caps[] = { { .kind = MEDIO_CAP_PM }, { .kind = MEDIO_CAP_PCIE },
	{ .kind = MEDIO_CAP_NONE } };
static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "shared",
	.bars = { { MEDIO_BAR_MEM32, false, 4096, NULL, NULL, 0 } },
	.irqs = { .intx_pin = 1, .msi = 4 },
	.caps = caps,
};

static const struct medio_transport_ops transport = { NULL, NULL, NULL, NULL };

/* Threads cannot use cmocka's assertions: they count what went wrong. */
struct worker {
	pthread_t thread;
	struct medio_loop *loop; /* of the thread, for the others to stop */
	pthread_barrier_t *ready;
	unsigned wrong;
};

/* A client's memory is truncated while the device uses it, in each thread another. */
static unsigned poison(struct medio_instance *inst)
{
	struct medio_iommu *iommu = medio_instance_iommu(inst);
	unsigned wrong = 0;
	char byte;
	int fd = memfd_create("threads", MFD_CLOEXEC);
	wrong += ftruncate(fd, 0x4000) != 0;
	wrong += medio_instance_dma_map(
			 inst, 0, 0x4000, MEDIO_PROT_READ | MEDIO_PROT_WRITE, fd, 0, NULL) != 0;
	wrong += medio_iommu_read(iommu, 0x2000, &byte, 1) != 0;
	wrong += ftruncate(fd, 0) != 0;
	wrong += medio_iommu_read(iommu, 0x2000, &byte, 1) != -EFAULT;
	wrong += medio_instance_dma_unmap(inst, 0, 0, true, NULL) != 0;
	close(fd);
	return wrong;
}

static void *make_and_drop(void *opaque)
{
	struct worker *w = opaque;
	struct medio_loop *loop;
	if (medio_loop_new(&loop)) {
		w->wrong++;
		return NULL;
	}
	for (int i = 0; i < ROUNDS; i++) {
		struct medio_instance *a, *b;
		uint32_t id = 0;
		if (medio_instance_new(loop, &type, NULL, &a, NULL) ||
			medio_instance_new(loop, &type, NULL, &b, NULL)) {
			w->wrong++;
			break;
		}
		w->wrong += medio_instance_attach(a, &transport, NULL) != 0;
		w->wrong += medio_instance_read(a, MEDIO_REGION_CONFIG, 0x3d, &id, 1) != 0;
		w->wrong += id != 1;
		w->wrong += poison(a);
		medio_instance_free(a);
		medio_instance_free(b);
	}
	medio_loop_free(loop);
	return NULL;
}

static void instances_of_one_type_come_and_go_in_many_threads(void **state)
{
	(void)state;
	struct worker workers[THREADS] = { 0 };
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, make_and_drop, &workers[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		assert_int_equal(workers[i].wrong, 0);
	}
}

static void *run_a_loop(void *opaque)
{
	struct worker *w = opaque;
	pthread_barrier_wait(w->ready);
	w->wrong += medio_loop_run(w->loop) != 0;
	return NULL;
}

static void loops_are_stopped_from_another_thread(void **state)
{
	(void)state;
	struct worker workers[THREADS] = { 0 };
	pthread_barrier_t ready;
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_init(&ready, NULL, THREADS + 1);
		for (int i = 0; i < THREADS; i++) {
			workers[i].ready = &ready;
			assert_int_equal(medio_loop_new(&workers[i].loop), 0);
			medio_loop_set_poll(workers[i].loop, i % 2 ? 1000000 : 0);
			assert_int_equal(
				pthread_create(&workers[i].thread, NULL, run_a_loop, &workers[i]),
				0);
		}
		pthread_barrier_wait(&ready);
		for (int i = 0; i < THREADS; i++)
			medio_loop_stop(workers[i].loop);
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
			assert_int_equal(workers[i].wrong, 0);
			medio_loop_free(workers[i].loop);
		}
		pthread_barrier_destroy(&ready);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instances_of_one_type_come_and_go_in_many_threads),
		cmocka_unit_test(loops_are_stopped_from_another_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
