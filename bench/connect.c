/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From connect() to a device that is ready, with the messages that QEMU sends and in its order: the
 * maps go out together, everything else waits for its answer.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drive/vfio_user.h"
#include "proto/version.h"

#define MAPS	3
#define RAM	(16u << 20)
#define REGIONS 7 /* 0 to 5, and config space */
#define MSIX	2 /* the interrupt index */

/* ---- The server -------------------------------------------------------------------------------- */

static void no_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void on_end(void *opaque, uint32_t events)
{
	(void)events;
	medio_loop_stop(opaque);
}

static void serve(int fd, struct medio_bench_shared *shared, void *opaque)
{
	const struct medio_instance_options opts = { .log = no_log };
	const uint64_t one = 1;
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_server *server;

	(void)shared;
	medio_bench_check(medio_loop_new(&loop), "loop");
	medio_bench_check(
		medio_instance_new(loop, &medio_bench_type, &opts, &inst, NULL), "instance");
	medio_bench_check(medio_server_new(inst, opaque, NULL, &server, NULL), "server");
	struct medio_watch *watch = medio_loop_watch(loop, fd, EPOLLIN, on_end, loop);
	if (!watch || write(MEDIO_PEER_EVENT, &one, sizeof(one)) < 0)
		medio_bench_fail("server", errno);
	medio_loop_run(loop);
	medio_watch_free(watch);
	medio_server_free(server);
	medio_instance_free(inst);
	medio_loop_free(loop);
}

/* ---- The client -------------------------------------------------------------------------------- */

static void call(struct medio_vu_client *client, uint16_t cmd, const void *payload, size_t size)
{
	const struct medio_vu_call c = { .cmd = cmd, .payload = payload, .size = size };
	medio_bench_check(medio_vu_client_call(client, &c, NULL), medio_vu_client_words(client));
}

static void map_all(struct medio_vu_client *client, int ram)
{
	struct medio_vu_message reply;

	for (unsigned i = 0; i < MAPS; i++) {
		const struct medio_vu_dma_map map = { sizeof(map), 3, i * RAM / MAPS / 4096 * 4096,
			(uint64_t)i << 30, RAM / MAPS / 4096 * 4096 };
		const struct medio_vu_call c = { .cmd = MEDIO_VU_DMA_MAP,
			.payload = &map,
			.size = sizeof(map),
			.fds = &ram,
			.nfds = 1 };
		medio_bench_check(medio_vu_client_send(client, &c, NULL), "map");
	}
	for (unsigned i = 0; i < MAPS; i++) {
		medio_bench_check(medio_vu_client_recv(client, &reply), "map");
		if (reply.header.flags & MEDIO_VU_ERROR)
			medio_bench_fail("map", (int)reply.header.error);
	}
}

static void access_config(
	struct medio_vu_client *client, uint64_t offset, uint32_t count, bool write)
{
	const struct medio_vu_region_access access = { offset, MEDIO_CARD_CONFIG, count };
	const uint32_t data = 0xfffff800;
	const struct medio_vu_call c = {
		.cmd = write ? MEDIO_VU_REGION_WRITE : MEDIO_VU_REGION_READ,
		.payload = &access,
		.size = sizeof(access),
		.data = &data,
		.data_size = write ? count : 0,
	};
	medio_bench_check(medio_vu_client_call(client, &c, NULL), "config");
}

static void ask_irq(struct medio_vu_client *client, uint32_t index)
{
	const struct medio_vu_irq_info info = { .argsz = sizeof(info), .index = index };
	call(client, MEDIO_VU_GET_IRQ_INFO, &info, sizeof(info));
}

static void set_irq(struct medio_vu_client *client, int event)
{
	const struct medio_vu_irq_set set = { sizeof(set),
		MEDIO_VU_IRQ_DATA_EVENTFD | MEDIO_VU_IRQ_ACTION_TRIGGER, MSIX, 0, 1 };
	const struct medio_vu_call c = { .cmd = MEDIO_VU_SET_IRQS,
		.payload = &set,
		.size = sizeof(set),
		.fds = &event,
		.nfds = 1 };
	medio_bench_check(medio_vu_client_call(client, &c, NULL), "SET_IRQS");
}

/* 21 messages. */
static double ready(const char *path, int ram, int event)
{
	static const uint32_t regions[REGIONS] = { 0, 1, 2, 3, 4, 5, MEDIO_CARD_CONFIG };
	struct medio_vu_client *client;
	struct medio_vu_caps offer, got;

	medio_vu_caps_default(&offer);
	offer.max_msg_fds = 16;
	offer.write_multiple = true;
	uint64_t start = medio_now_ns();
	medio_bench_check(medio_vu_client_connect(path, NULL, &client, NULL), "connect");
	medio_bench_check(medio_vu_client_version(client, &offer, &got, NULL), "VERSION");
	map_all(client, ram);
	const struct medio_vu_device_info info = { .argsz = sizeof(info) };
	call(client, MEDIO_VU_GET_INFO, &info, sizeof(info));
	for (unsigned i = 0; i < REGIONS; i++) {
		const struct medio_vu_region_info region = { .argsz = sizeof(region),
			.index = regions[i] };
		call(client, MEDIO_VU_GET_REGION_INFO, &region, sizeof(region));
	}
	ask_irq(client, 3);
	access_config(client, 0, 4096, false);
	access_config(client, 0x30, 4, true); /* ROM sizing */
	access_config(client, 0x30, 4, false);
	access_config(client, 0x10, 4, false); /* a BAR's bits */
	access_config(client, 0x3d, 1, false); /* INT_PIN */
	access_config(client, 0x34, 1, false); /* to the MSI-X capability */
	ask_irq(client, MSIX);
	set_irq(client, event);
	double us = (double)(medio_now_ns() - start) / 1000;
	medio_vu_client_free(client);
	return us;
}

static void run_at(struct medio_report *r, int cpu, const char *folder, const char *name)
{
	struct medio_peer peer;
	unsigned n = r->runs * medio_report_count(r, 10, 2);
	double *us = medio_bench_alloc(n * sizeof(double));
	int ram = memfd_create("ram", MFD_CLOEXEC), event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char path[100];
	uint64_t up;

	if (ram < 0 || event < 0 || ftruncate(ram, RAM) < 0)
		medio_bench_fail("memfd", errno);
	snprintf(path, sizeof(path), "%s/socket", folder);
	medio_peer_start(&peer, cpu, serve, path);
	if (read(peer.event, &up, sizeof(up)) < 0)
		medio_bench_fail("server", errno);
	for (unsigned i = 0; i < n; i++) {
		us[i] = ready(path, ram, event);
		usleep(2000); /* the server sees it go, and sleeps */
	}
	medio_report_put(r,
		&(struct medio_figure){
			.name = name, .unit = "us", .kind = MEDIO_AT_MOST, .goal = 200 },
		us, n);
	medio_peer_stop(&peer);
	close(ram);
	close(event);
	free(us);
}

static int run(struct medio_report *r)
{
	char folder[] = "/tmp/medio-bench-XXXXXX";

	if (!mkdtemp(folder))
		medio_bench_fail(folder, errno);
	run_at(r, r->cpu_client, folder, "connect and 21 messages, one core");
	if (r->cpu_server >= 0)
		run_at(r, r->cpu_server, folder, "connect and 21 messages, two cores");
	else
		medio_report_note(r, "two cores: left out, there is one core only");
	rmdir(folder);
	return 0;
}

const struct medio_bench medio_bench_connect = {
	.name = "connect",
	.summary = "From connect() to a device that is ready, as QEMU does it",
	.run = run,
};
