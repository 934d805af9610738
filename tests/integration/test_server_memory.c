/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA_MAP and DMA_UNMAP, the device's DMA to mapped memory, and DMA by messages to the rest. */
#include "bed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <unistd.h>

#include "iommu/iommu.h"

/* ---- Maps ------------------------------------------------------------------------------------------------ */

static int copy_in(struct bed *bed, uint64_t iova, void *buf, size_t len)
{
	return medio_dma_read(bed->toy->dev, iova, buf, len);
}

static int copy_out(struct bed *bed, uint64_t iova, const void *buf, size_t len)
{
	return medio_dma_write(bed->toy->dev, iova, buf, len);
}

static void mapped_memory_is_the_clients(void **state)
{
	struct bed *bed = *state;
	struct client c;
	char word[8];
	int fd = memory_new(0x4000);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x10000, 0x2000, MAP_RW, fd, 0x1000), 0);
	assert_non_null(strstr(bed->toy->log, "map 0x10000 0x2000 3;"));
	assert_int_equal(pwrite(fd, "guestmem", 8, 0x2ffc), 8); /* its last 4 bytes are outside */
	assert_int_equal(copy_in(bed, 0x11ffc, word, 4), 0);
	assert_memory_equal(word, "gues", 4);
	assert_int_equal(copy_in(bed, 0x11ffc, word, 8), -EFAULT);
	assert_int_equal(copy_out(bed, 0x10000, "device", 6), 0);
	assert_int_equal(pread(fd, word, 6, 0x1000), 6);
	assert_memory_equal(word, "device", 6);
	assert_int_equal(client_unmap(&c, 0x10000, 0x2000, 0), 0);
	assert_non_null(strstr(bed->toy->log, "unmap 0x10000 0x2000;"));
	assert_int_equal(copy_in(bed, 0x10000, word, 1), -EFAULT);
	client_close(&c);
	close(fd);
}

static void protection_is_kept(void **state)
{
	struct bed *bed = *state;
	struct client c;
	char word[4];
	int fd = memory_new(0x2000);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x1000, MEDIO_VU_MAP_READ, fd, 0), 0);
	assert_int_equal(client_map(&c, 0x1000, 0x1000, MEDIO_VU_MAP_WRITE, fd, 0x1000), 0);
	assert_int_equal(copy_in(bed, 0, word, 4), 0);
	assert_int_equal(copy_out(bed, 0, word, 4), -EACCES);
	assert_int_equal(copy_out(bed, 0x1000, word, 4), 0);
	assert_int_equal(copy_in(bed, 0x1000, word, 4), -EACCES);
	client_close(&c);
	close(fd);
}

static void maps_that_cannot_be_are_refused_and_change_nothing(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fd = memory_new(0x2000), ro, pipes[2];
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pipe(pipes), 0);
	client_hello(&c, bed);
	toy_forget_log(bed->toy);
	unsigned before = bed_count_fds();
	assert_int_equal(client_map(&c, 0, 0, MAP_RW, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0x800, 0x1000, MAP_RW, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0, 0x1800, MAP_RW, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, fd, 0x10), -EINVAL);
	assert_int_equal(client_map(&c, 0, 0x1000, 0, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0, 0x1000, 7, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, UINT64_MAX - 0xfff, 0x2000, MAP_RW, fd, 0), -EOVERFLOW);
	/* Past the end of the file: a later access would be SIGBUS. */
	assert_int_equal(client_map(&c, 0, 0x3000, MAP_RW, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, fd, 0x2000), -EINVAL);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, fd, UINT64_MAX - 0xfff), -EOVERFLOW);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, ro, 0), -EACCES);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, pipes[0], 0), -EINVAL);
	struct medio_vu_dma_map map = { sizeof(map) - 1, MAP_RW, 0, 0, 0x1000 };
	assert_int_equal(client_call(&c, MEDIO_VU_DMA_MAP, &map, sizeof(map), NULL), -EINVAL);
	assert_int_equal(client_call(&c, MEDIO_VU_DMA_MAP, &map, 31, NULL), -EINVAL);
	assert_string_equal(bed->toy->log, "");
	assert_true(bed_said(bed, "DMA_MAP refused"));

	assert_int_equal(client_map(&c, 0x1000, 0x1000, MAP_RW, fd, 0), 0);
	assert_int_equal(client_map(&c, 0x1000, 0x1000, MAP_RW, fd, 0), -EEXIST);
	assert_int_equal(client_map(&c, 0, 0x2000, MAP_RW, fd, 0), -EEXIST);
	assert_int_equal(client_map(&c, 0x1000, 0x2000, MAP_RW, -1, 0), -EEXIST);
	assert_int_equal(client_unmap(&c, 0x1000, 0x1000, 0), 0);
	assert_int_equal(bed_count_fds(), before);
	client_close(&c);
	close(fd);
	close(ro);
	close(pipes[0]);
	close(pipes[1]);
}

/* What QEMU does under a virtual IOMMU; libvfio-user refuses it and DMA goes to the wrong page. */
static void unmaps_of_ranges_take_all_that_is_inside(void **state)
{
	struct bed *bed = *state;
	struct client c;
	char byte;
	int fd = memory_new(0x10000);
	client_hello(&c, bed);
	client_master(&c, true);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(
			client_map(&c, 0x100000 + i * 0x2000, 0x1000, MAP_RW, fd, i * 0x1000), 0);
	toy_forget_log(bed->toy);
	assert_int_equal(client_unmap(&c, 0x100000, 0x4000, 0), 0); /* two, and their holes */
	assert_string_equal(bed->toy->log, "unmap 0x100000 0x1000;unmap 0x102000 0x1000;");
	assert_int_equal(copy_in(bed, 0x102000, &byte, 1), -EFAULT);
	assert_int_equal(copy_in(bed, 0x104000, &byte, 1), 0);
	assert_int_equal(client_unmap(&c, 0x40000000, 0x1000, 0), 0); /* nothing there */
	for (unsigned shift = 47; shift >= 20; shift--)		      /* as QEMU sends them */
		assert_int_equal(client_unmap(&c, 1ull << shift, 1ull << shift, 0), 0);
	assert_int_equal(copy_in(bed, 0x104000, &byte, 1), -EFAULT);
	/* The page in its place is another one now. */
	assert_int_equal(pwrite(fd, "N", 1, 0xf000), 1);
	assert_int_equal(client_map(&c, 0x104000, 0x1000, MAP_RW, fd, 0xf000), 0);
	assert_int_equal(copy_in(bed, 0x104000, &byte, 1), 0);
	assert_int_equal(byte, 'N');
	client_close(&c);
	close(fd);
}

static void unmaps_that_make_no_sense_are_refused(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fd = memory_new(0x4000);
	client_hello(&c, bed);
	assert_int_equal(client_map(&c, 0x10000, 0x4000, MAP_RW, fd, 0), 0);
	toy_forget_log(bed->toy);
	assert_int_equal(client_unmap(&c, 0x10000, 0x1000, 0), -EINVAL); /* cuts one in two */
	assert_int_equal(client_unmap(&c, 0x12000, 0x4000, 0), -EINVAL);
	assert_int_equal(client_unmap(&c, 0x10000, 0, 0), -EINVAL);
	assert_int_equal(client_unmap(&c, 0x10000, 0x4000, 4), -EINVAL);
	assert_int_equal(client_unmap(&c, 0x10000, 0x4000, MEDIO_VU_UNMAP_ALL), -EINVAL);
	assert_int_equal(client_unmap(&c, UINT64_MAX - 0xfff, 0x2000, 0), -EOVERFLOW);
	assert_int_equal(client_unmap(&c, 0, 0, 3), -EINVAL);
	assert_string_equal(bed->toy->log, "");
	assert_int_equal(client_unmap(&c, 0, 0, MEDIO_VU_UNMAP_ALL), 0);
	assert_string_equal(bed->toy->log, "unmap 0x10000 0x4000;");
	client_close(&c);
	close(fd);
}

static void an_unmap_waits_until_the_device_is_quiet(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_dma_unmap unmap = { sizeof(unmap), 0, 0, 0x1000 };
	struct message reply;
	struct client c;
	client_hello(&c, bed);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, -1, 0), 0);
	bed->toy->mode = TOY_BUSY;
	client_send(&c, MEDIO_VU_DMA_UNMAP, 0, &unmap, sizeof(unmap));
	assert_true(client_silent(&c));
	assert_null(strstr(bed->toy->log, "unmap"));
	toy_settle(bed->toy);
	assert_true(client_recv(&c, &reply));
	assert_int_equal(reply.hdr.error, 0);
	assert_non_null(strstr(bed->toy->log, "unmap 0x0 0x1000"));
	assert_int_equal(bed->toy->quiet, 0); /* and goes on after */
	client_close(&c);
}

static void a_client_that_leaves_while_the_device_is_busy_leaves_it_going(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_dma_unmap unmap = { sizeof(unmap), 0, 0, 0x1000 };
	struct client c;
	client_hello(&c, bed);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, -1, 0), 0);
	bed->toy->mode = TOY_BUSY;
	client_send(&c, MEDIO_VU_DMA_UNMAP, 0, &unmap, sizeof(unmap));
	bed_step(bed);
	client_close(&c);
	assert_non_null(strstr(bed->toy->log, "unmap 0x0 0x1000;client 0;"));
	toy_settle(bed->toy);
	client_hello(&c, bed);
	assert_int_equal(client_call(&c, MEDIO_VU_RESET, NULL, 0, NULL), 0);
	assert_int_equal(bed->toy->quiet, 0);
	client_close(&c);
}

static void without_bus_mastering_there_is_no_dma(void **state)
{
	struct bed *bed = *state;
	struct medio_iommu_fault fault;
	struct client c;
	char byte = 0;
	int err = 0, fd = memory_new(0x1000);
	assert_int_equal(copy_in(bed, 0, &byte, 1), -ENODEV); /* no client */
	client_hello(&c, bed);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, fd, 0), 0);
	assert_int_equal(copy_in(bed, 0, &byte, 1), -ENODEV);
	assert_int_equal(copy_out(bed, 0, &byte, 1), -ENODEV);
	assert_null(medio_dma_get(bed->toy->dev, 0, 1, MEDIO_PROT_READ, &err));
	assert_int_equal(err, -ENODEV);
	assert_int_equal(medio_iommu_fault_take(medio_instance_iommu(bed->inst), &fault), 0);
	assert_int_equal(fault.reason, MEDIO_FAULT_BUS_MASTER);
	client_master(&c, true);
	assert_int_equal(copy_in(bed, 0, &byte, 1), 0);
	client_master(&c, false);
	assert_int_equal(copy_in(bed, 0, &byte, 1), -ENODEV);
	client_close(&c);
	close(fd);
}

static void one_bad_dma_is_one_fault(void **state)
{
	struct bed *bed = *state;
	struct medio_iommu *iommu = medio_instance_iommu(bed->inst);
	struct client c;
	client_hello(&c, bed);
	client_master(&c, true);
	client_write32(&c, 0, TOY_IOVA, 0x77);
	client_write32(&c, 0, TOY_LEN, 16);
	client_write32(&c, 0, TOY_DMA, TOY_COPY_IN);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	assert_int_equal(medio_iommu_fault_total(iommu), 1);
	client_write32(&c, 0, TOY_DMA, TOY_ASYNC_IN);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	assert_int_equal(medio_iommu_fault_total(iommu), 2);
	client_write32(&c, 0, TOY_DMA, TOY_GET);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	assert_int_equal(medio_iommu_fault_total(iommu), 3);
	assert_true(bed_said(bed, "0x77000"));
	client_close(&c);
}

/* ---- A client that takes back what it gave --------------------------------------------------------------------- */

static void a_file_cut_short_costs_its_client_only(void **state)
{
	struct bed *bed = *state;
	struct client c, next;
	char byte;
	int fd = memory_new(0x4000);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x4000, MAP_RW, fd, 0), 0);
	assert_int_equal(copy_in(bed, 0x2000, &byte, 1), 0);
	assert_int_equal(ftruncate(fd, 0x1000), 0);
	assert_int_equal(copy_in(bed, 0x2000, &byte, 1), -EFAULT);
	client_send(&c, MEDIO_VU_RESET, 0, NULL, 0);
	assert_true(client_gone(&c));
	assert_true(bed_said(bed, "its file was truncated"));
	client_hello(&next, bed);
	client_master(&next, true);
	assert_int_equal(ftruncate(fd, 0x4000), 0);
	assert_int_equal(client_map(&next, 0, 0x4000, MAP_RW, fd, 0), 0);
	assert_int_equal(copy_in(bed, 0x2000, &byte, 1), 0);
	client_close(&c);
	client_close(&next);
	close(fd);
}

static void a_pointer_into_a_file_cut_short_does_not_kill(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fd = memory_new(0x4000), err;
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x4000, MAP_RW, fd, 0), 0);
	volatile char *at = medio_dma_get(bed->toy->dev, 0x3000, 16, MAP_RW, &err);
	assert_non_null(at);
	at[0] = 1;
	assert_int_equal(ftruncate(fd, 0), 0);
	at[1] = 2; /* SIGBUS, but for the guard */
	assert_int_equal(at[0], 0);
	assert_null(medio_dma_get(bed->toy->dev, 0x3000, 16, MAP_RW, &err));
	assert_int_equal(err, -EFAULT);
	client_send(&c, MEDIO_VU_RESET, 0, NULL, 0);
	assert_true(client_gone(&c));
	client_close(&c);
	close(fd);
}

/* ---- DMA by messages ----------------------------------------------------------------------------------------------- */

/* What the device sends comes before an answer would: none is asked for. */
static void post32(struct client *c, uint64_t offset, uint32_t value)
{
	struct {
		struct medio_vu_region_access access;
		uint32_t value;
	} post = { { offset, 0, 4 }, value };
	client_send(c, MEDIO_VU_REGION_WRITE, MEDIO_VU_NO_REPLY, &post, 20);
}

static void async(struct client *c, uint64_t iova, uint32_t len, enum toy_dma what)
{
	post32(c, TOY_IOVA, (uint32_t)(iova >> 12));
	post32(c, TOY_LEN, len);
	post32(c, TOY_DMA, what);
	bed_step(c->bed);
}

/* Take the next DMA command; its reply is the caller's. */
static struct medio_vu_dma_access dma_command(struct client *c, uint16_t cmd, struct message *m)
{
	struct medio_vu_dma_access access;
	assert_true(client_recv(c, m));
	assert_int_equal(m->hdr.cmd, cmd);
	assert_int_equal(m->hdr.flags, MEDIO_VU_COMMAND);
	assert_true(m->size >= sizeof(access));
	memcpy(&access, m->payload, sizeof(access));
	assert_int_equal(m->size, sizeof(access) + (cmd == MEDIO_VU_DMA_WRITE ? access.count : 0));
	return access;
}

static void dma_reply(struct client *c, const struct medio_vu_header *to, uint32_t error,
	const struct medio_vu_dma_access *access, const void *data, size_t size)
{
	size_t head = sizeof(*to) + (error ? 0 : sizeof(*access));
	uint8_t *buf = malloc(head + size);
	struct medio_vu_header hdr = *to;
	hdr.size = (uint32_t)(head + size);
	hdr.flags = MEDIO_VU_REPLY | (error ? MEDIO_VU_ERROR : 0);
	hdr.error = error;
	memcpy(buf, &hdr, sizeof(hdr));
	if (!error)
		memcpy(buf + sizeof(hdr), access, sizeof(*access));
	if (size)
		memcpy(buf + head, data, size);
	client_bytes(c, buf, head + size, NULL, 0);
	free(buf);
	bed_step(c->bed);
}

static void remote_memory_is_read_in_chunks_of_64_kib(void **state)
{
	struct bed *bed = *state;
	const uint32_t len = 150000;
	struct message m;
	struct client c;
	uint8_t *mem = malloc(len);
	for (uint32_t i = 0; i < len; i++)
		mem[i] = (uint8_t)(i * 13 + i / 997);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x100000, 0x40000, MAP_RW, -1, 0), 0);
	async(&c, 0x100000, len, TOY_ASYNC_IN);
	for (uint32_t at = 0; at < len;) {
		struct medio_vu_dma_access access = dma_command(&c, MEDIO_VU_DMA_READ, &m);
		assert_int_equal(access.iova, 0x100000 + at);
		assert_int_equal(access.count, len - at < 65536 ? len - at : 65536);
		assert_int_equal(bed->toy->dma_ended, 0);
		dma_reply(&c, &m.hdr, 0, &access, mem + at, access.count);
		at += (uint32_t)access.count;
	}
	assert_int_equal(bed->toy->dma_ended, 1);
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_memory_equal(bed->toy->dma, mem, len);
	free(mem);
	client_close(&c);
}

static void a_range_of_local_and_remote_memory_is_put_together(void **state)
{
	struct bed *bed = *state;
	struct message m;
	struct client c;
	uint8_t back[0x3000];
	int fd = memory_new(0x2000);
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x10000, 0x1000, MAP_RW, fd, 0), 0);
	assert_int_equal(client_map(&c, 0x11000, 0x1000, MAP_RW, -1, 0), 0);
	assert_int_equal(client_map(&c, 0x12000, 0x1000, MAP_RW, fd, 0x1000), 0);
	for (unsigned i = 0; i < 0x3000; i++)
		bed->toy->dma[i] = (uint8_t)(i % 253);
	async(&c, 0x10000, 0x3000, TOY_ASYNC_OUT);
	struct medio_vu_dma_access access = dma_command(&c, MEDIO_VU_DMA_WRITE, &m);
	assert_int_equal(access.iova, 0x11000);
	assert_int_equal(access.count, 0x1000);
	memcpy(back + 0x1000, m.payload + sizeof(access), 0x1000);
	dma_reply(&c, &m.hdr, 0, &access, NULL, 0);
	assert_int_equal(bed->toy->dma_ended, 1);
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_int_equal(pread(fd, back, 0x1000, 0), 0x1000);
	assert_int_equal(pread(fd, back + 0x2000, 0x1000, 0x1000), 0x1000);
	assert_memory_equal(back, bed->toy->dma, 0x3000);
	/* The copying form says that it cannot. */
	assert_int_equal(copy_in(bed, 0x10000, back, 0x3000), -EREMOTE);
	client_close(&c);
	close(fd);
}

static void the_clients_refusal_ends_the_transfer(void **state)
{
	struct bed *bed = *state;
	struct message m;
	struct client c;
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x40000, MAP_RW, -1, 0), 0);
	async(&c, 0, 100000, TOY_ASYNC_IN);
	dma_command(&c, MEDIO_VU_DMA_READ, &m);
	dma_reply(&c, &m.hdr, ENODEV, NULL, NULL, 0);
	assert_int_equal(bed->toy->dma_ended, 1);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	assert_true(bed_said(bed, "client refused DMA_READ"));
	assert_true(client_silent(&c));
	assert_int_equal(client_read32(&c, 2, 0), 0);
	client_close(&c);
}

static void a_reply_that_does_not_match_closes_its_sender(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		struct bed *bed = *state;
		struct message m;
		struct client c;
		uint8_t data[64] = { 0 };
		client_hello(&c, bed);
		client_master(&c, true);
		assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, -1, 0), 0);
		async(&c, 0, 64, TOY_ASYNC_IN);
		struct medio_vu_dma_access access = dma_command(&c, MEDIO_VU_DMA_READ, &m);
		size_t size = 64;
		access.iova += i == 0;
		access.count -= i == 1;
		size -= i == 2;
		m.hdr.id = (uint16_t)(m.hdr.id + (i == 3));
		m.hdr.cmd = i == 4 ? MEDIO_VU_DMA_WRITE : m.hdr.cmd;
		dma_reply(&c, &m.hdr, 0, &access, data, size);
		assert_true(client_gone(&c));
		assert_int_equal(bed->toy->dma_ret, -ECANCELED);
		client_close(&c);
	}
}

static void many_transfers_run_at_once_and_in_order(void **state)
{
	struct bed *bed = *state;
	struct message m;
	struct client c;
	uint8_t data[4096] = { 0 };
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, -1, 0), 0);
	client_write32(&c, 0, TOY_LEN, 4096);
	for (int i = 0; i < 32; i++)
		post32(&c, TOY_DMA, TOY_ASYNC_IN);
	bed_step(bed);
	assert_int_equal(bed->toy->dma_started, 32);
	for (unsigned i = 0; i < 32; i++) {
		struct medio_vu_dma_access access = dma_command(&c, MEDIO_VU_DMA_READ, &m);
		dma_reply(&c, &m.hdr, 0, &access, data, sizeof(data));
		assert_int_equal(bed->toy->dma_ended, i + 1);
	}
	assert_true(client_silent(&c));
	client_close(&c);
}

/* The reply of the read is being put together while the device asks for memory. */
static void a_read_answered_by_dma_gets_its_memory(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_region_access access = { 0x1000, 4, 8 };
	struct medio_vu_dma_access dma;
	struct message m;
	struct client c;
	uint8_t data[16] = { 0 };
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, -1, 0), 0);
	client_write32(&c, 0, TOY_LEN, 16);
	bed->toy->mode = TOY_DMA_READS;
	memcpy(bed->toy->answer, "answered", 8);
	client_send(&c, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
	dma = dma_command(&c, MEDIO_VU_DMA_READ, &m);
	/* A request in front of the reply must not hold it up. */
	client_send(&c, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
	dma_reply(&c, &m.hdr, 0, &dma, data, sizeof(data));
	assert_true(client_recv(&c, &m));
	assert_int_equal(m.hdr.cmd, MEDIO_VU_REGION_READ);
	assert_memory_equal(m.payload + sizeof(access), "answered", 8);
	dma = dma_command(&c, MEDIO_VU_DMA_READ, &m);
	dma_reply(&c, &m.hdr, 0, &dma, data, sizeof(data));
	assert_true(client_recv(&c, &m));
	assert_int_equal(m.hdr.id, c.id);
	client_close(&c);
}

static void what_is_under_way_is_cancelled_when_the_client_goes(void **state)
{
	struct bed *bed = *state;
	struct client c;
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x40000, MAP_RW, -1, 0), 0);
	async(&c, 0, 100000, TOY_ASYNC_IN);
	async(&c, 0, 100000, TOY_ASYNC_OUT);
	bed->toy->dma_retry = true; /* and it does not give up */
	client_close(&c);
	assert_int_equal(bed->toy->dma_ended, bed->toy->dma_started);
	assert_int_equal(bed->toy->dma_ret, -ENODEV);
	assert_non_null(strstr(bed->toy->log, "dma -125;")); /* ECANCELED */
}

static void chunks_fit_into_our_own_messages_too(void **state)
{
	(void)state;
	struct medio_server_options opts = { .max_data_xfer = 4096 };
	struct message m;
	struct client c;
	struct bed bed;
	uint8_t data[4096];
	memset(data, 0x42, sizeof(data));
	bed_open(&bed, &opts);
	client_hello(&c, &bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x10000, MAP_RW, -1, 0), 0);
	async(&c, 0, 0x4000, TOY_ASYNC_IN);
	for (unsigned i = 0; i < 4; i++) {
		struct medio_vu_dma_access access = dma_command(&c, MEDIO_VU_DMA_READ, &m);
		assert_int_equal(access.count, 4096);
		dma_reply(&c, &m.hdr, 0, &access, data, sizeof(data));
	}
	assert_int_equal(bed.toy->dma_ret, 0);
	assert_int_equal(bed.toy->dma_ended, 1);
	client_close(&c);
	bed_close(&bed);
}

static void chunks_are_no_larger_than_the_client_takes(void **state)
{
	struct bed *bed = *state;
	struct message m;
	struct client c;
	client_hello_json(&c, bed, "{\"capabilities\":{\"max_data_xfer_size\":100}}");
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0, 0x10000, MAP_RW, -1, 0), 0);
	async(&c, 0, 150, TOY_ASYNC_OUT);
	struct medio_vu_dma_access access = dma_command(&c, MEDIO_VU_DMA_WRITE, &m);
	assert_int_equal(access.count, 100);
	dma_reply(&c, &m.hdr, 0, &access, NULL, 0);
	access = dma_command(&c, MEDIO_VU_DMA_WRITE, &m);
	assert_int_equal(access.count, 50);
	assert_int_equal(access.iova, 100);
	dma_reply(&c, &m.hdr, 0, &access, NULL, 0);
	assert_int_equal(bed->toy->dma_ended, 1);
	client_close(&c);
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(mapped_memory_is_the_clients),
		BED_TEST(protection_is_kept),
		BED_TEST(maps_that_cannot_be_are_refused_and_change_nothing),
		BED_TEST(unmaps_of_ranges_take_all_that_is_inside),
		BED_TEST(unmaps_that_make_no_sense_are_refused),
		BED_TEST(an_unmap_waits_until_the_device_is_quiet),
		BED_TEST(a_client_that_leaves_while_the_device_is_busy_leaves_it_going),
		BED_TEST(without_bus_mastering_there_is_no_dma),
		BED_TEST(one_bad_dma_is_one_fault),
		BED_TEST(a_file_cut_short_costs_its_client_only),
		BED_TEST(a_pointer_into_a_file_cut_short_does_not_kill),
		BED_TEST(remote_memory_is_read_in_chunks_of_64_kib),
		BED_TEST(a_range_of_local_and_remote_memory_is_put_together),
		BED_TEST(the_clients_refusal_ends_the_transfer),
		BED_TEST(a_reply_that_does_not_match_closes_its_sender),
		BED_TEST(many_transfers_run_at_once_and_in_order),
		BED_TEST(a_read_answered_by_dma_gets_its_memory),
		BED_TEST(what_is_under_way_is_cancelled_when_the_client_goes),
		cmocka_unit_test(chunks_fit_into_our_own_messages_too),
		BED_TEST(chunks_are_no_larger_than_the_client_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
