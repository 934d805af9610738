/* SPDX-License-Identifier: BSD-3-Clause */
/* GET_INFO, REGION_INFO, IO_FDS; region accesses, also those the device answers later. */
#include "bed.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What the device is ---------------------------------------------------------------------------- */

static void get_info_says_what_qemu_needs(void **state)
{
	struct medio_vu_device_info info = { sizeof(info), 0, 0, 0 };
	struct message reply;
	struct client c;
	client_hello(&c, *state);
	assert_int_equal(client_call(&c, MEDIO_VU_GET_INFO, &info, sizeof(info), &reply), 0);
	assert_int_equal(reply.size, sizeof(info));
	memcpy(&info, reply.payload, sizeof(info));
	assert_int_equal(info.argsz, sizeof(info));
	assert_int_equal(info.flags, MEDIO_VU_INFO_PCI | MEDIO_VU_INFO_RESET);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	info.argsz = sizeof(info) - 1;
	assert_int_equal(client_call(&c, MEDIO_VU_GET_INFO, &info, sizeof(info), NULL), -EINVAL);
	assert_int_equal(client_call(&c, MEDIO_VU_GET_INFO, &info, 4, NULL), -EINVAL);
	client_close(&c);
}

static int region_info(struct client *c, uint32_t index, uint32_t argsz,
	struct medio_vu_region_info *info, struct message *reply)
{
	struct medio_vu_region_info ask = { .argsz = argsz, .index = index };
	int ret = client_call(c, MEDIO_VU_GET_REGION_INFO, &ask, sizeof(ask), reply);
	if (ret == 0)
		memcpy(info, reply->payload, sizeof(*info));
	return ret;
}

static int take_fd(struct client *c)
{
	assert_int_equal(c->nfds, 1);
	c->nfds = 0;
	return c->fds[0];
}

static void region_info_tells_size_and_access_of_each(void **state)
{
	static const uint64_t sizes[] = { TOY_IO_SIZE, TOY_SPARSE_SIZE, TOY_STORE_SIZE, 0,
		TOY_MSIX_SIZE, TOY_MAP_SIZE, 0, 4096, 0 };
	struct medio_vu_region_info info;
	struct message reply;
	struct client c;
	client_hello(&c, *state);
	for (uint32_t i = 0; i < 9; i++) {
		assert_int_equal(region_info(&c, i, 1024, &info, &reply), 0);
		assert_int_equal(info.index, i);
		assert_int_equal(info.size, sizes[i]);
		assert_int_equal(info.flags & 3, sizes[i] ? 3 : 0);
		assert_int_equal(!!(info.flags & MEDIO_VU_REGION_MMAP), i == 1 || i == 5);
		assert_int_equal(info.argsz, reply.size);
		if (info.flags & MEDIO_VU_REGION_MMAP)
			close(take_fd(&c));
		assert_int_equal(c.nfds, 0);
	}
	assert_int_equal(region_info(&c, 9, 1024, &info, &reply), -EINVAL);
	assert_int_equal(region_info(&c, 0, 31, &info, &reply), -EINVAL);
	client_close(&c);
}

static void a_region_info_cut_short_names_what_it_needs(void **state)
{
	const uint32_t need = sizeof(struct medio_vu_region_info) +
			      sizeof(struct medio_vu_sparse_mmap) +
			      2 * sizeof(struct medio_vu_mmap_area);
	struct medio_vu_region_info info;
	struct message reply;
	struct client c;
	client_hello(&c, *state);
	for (uint32_t argsz = sizeof(info); argsz < need; argsz += 8) {
		assert_int_equal(region_info(&c, 1, argsz, &info, &reply), 0);
		assert_int_equal(reply.size, sizeof(info));
		assert_int_equal(info.argsz, need);
		/* QEMU wants a sane cap_offset with the flag even here. */
		assert_true(!(info.flags & MEDIO_VU_REGION_CAPS) || info.cap_offset >= 32);
		close(take_fd(&c));
	}
	assert_int_equal(region_info(&c, 1, need, &info, &reply), 0);
	assert_int_equal(reply.size, need);
	close(take_fd(&c));
	client_close(&c);
}

static void the_areas_of_a_region_are_listed_and_shared(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_sparse_mmap sparse;
	struct medio_vu_mmap_area areas[2];
	struct medio_vu_region_info info;
	struct message reply;
	struct client c;
	client_hello(&c, bed);
	assert_int_equal(region_info(&c, 1, 1024, &info, &reply), 0);
	assert_true(info.flags & MEDIO_VU_REGION_CAPS);
	memcpy(&sparse, reply.payload + info.cap_offset, sizeof(sparse));
	memcpy(areas, reply.payload + info.cap_offset + sizeof(sparse), sizeof(areas));
	assert_int_equal(sparse.header.id, MEDIO_VU_CAP_SPARSE_MMAP);
	assert_int_equal(sparse.header.version, 1);
	assert_int_equal(sparse.header.next, 0);
	assert_int_equal(sparse.nr_areas, 2);
	assert_int_equal(areas[0].offset, 0x1000);
	assert_int_equal(areas[0].size, 0x1000);
	assert_int_equal(areas[1].offset, 0x4000);
	assert_int_equal(areas[1].size, 0x2000);

	int fd = take_fd(&c);
	uint8_t *mem = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		(off_t)(info.offset + 0x1000));
	assert_true(mem != MAP_FAILED);
	client_write32(&c, 1, 0x1ffc, 0x600dcafe);
	assert_memory_equal(mem + 0xffc, "\xfe\xca\x0d\x60", 4);
	mem[0] = 0x77;
	assert_int_equal(client_read32(&c, 1, 0x1000), 0x77);
	assert_int_equal(((uint8_t *)medio_region_ptr(bed->toy->dev, 1))[0x1000], 0x77);
	/* The client cannot take it from under us. */
	assert_int_not_equal(ftruncate(fd, 0), 0);
	munmap(mem, 0x1000);
	close(fd);

	/* A region that is mappable as a whole needs no list. */
	assert_int_equal(region_info(&c, 5, 1024, &info, &reply), 0);
	assert_int_equal(reply.size, sizeof(info));
	assert_false(info.flags & MEDIO_VU_REGION_CAPS);
	close(take_fd(&c));
	client_close(&c);
}

/* ---- Accesses -------------------------------------------------------------------------------------------- */

/* In libvfio-user the stream is lost for good after this. */
static void a_write_of_256_kib_inside_the_advertised_size_works(void **state)
{
	struct bed *bed = *state;
	const uint32_t size = 256 << 10;
	uint8_t *data = malloc(size), *back = malloc(size);
	struct client c;
	for (uint32_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	client_hello(&c, bed);
	assert_int_equal(client_write(&c, 2, 0x1234, data, size), 0);
	assert_memory_equal(bed->toy->store + 0x1234, data, size);
	assert_int_equal(client_read(&c, 2, 0x1234, back, size), 0);
	assert_memory_equal(back, data, size);
	client_close(&c);
	free(data);
	free(back);
}

static void the_whole_advertised_size_works_and_a_byte_more_does_not(void **state)
{
	struct bed *bed = *state;
	const uint32_t max = 1 << 20;
	uint8_t *data = malloc(max + 1);
	struct client c;
	memset(data, 0x3c, max + 1);
	client_hello(&c, bed);
	assert_int_equal(client_write(&c, 2, 0, data, max), 0);
	assert_memory_equal(bed->toy->store, data, max);
	assert_int_equal(client_read(&c, 2, 0, data, max), 0);
	assert_int_equal(client_write(&c, 2, 0, data, max + 1), -EINVAL);
	assert_int_equal(client_read(&c, 2, 0, data, max + 1), -EINVAL);
	assert_int_equal(client_read32(&c, 2, 0), 0x3c3c3c3c);
	client_close(&c);
	free(data);
}

static void a_body_in_two_segments_is_one_message(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_region_access access = { 0x40, 2, 64 };
	uint8_t payload[80], message[96];
	struct message reply;
	struct client c;
	memset(payload, 0xa5, sizeof(payload));
	memcpy(payload, &access, sizeof(access));
	client_hello(&c, bed);
	client_put(&c, message, MEDIO_VU_REGION_WRITE, 0, payload, sizeof(payload));
	client_bytes(&c, message, 50, NULL, 0);
	assert_true(client_silent(&c));
	client_bytes(&c, message + 50, 46, NULL, 0);
	assert_true(client_recv(&c, &reply));
	assert_int_equal(reply.hdr.error, 0);
	assert_memory_equal(bed->toy->store + 0x40, payload + 16, 64);
	assert_int_equal(client_read32(&c, 2, 0x40), 0xa5a5a5a5);
	client_close(&c);
}

static void accesses_outside_a_region_are_einval(void **state)
{
	static const struct medio_vu_region_access bad[] = {
		{ TOY_STORE_SIZE, 2, 1 },
		{ TOY_STORE_SIZE - 3, 2, 4 },
		{ UINT64_MAX, 2, 4 },
		{ UINT64_MAX - 3, 2, 4 },
		{ 0, 2, 0 },
		{ 0, 3, 4 }, /* upper half of a 64-bit BAR */
		{ 0, 6, 4 }, /* no ROM */
		{ 0, 8, 4 },
		{ 0, 9, 4 },
		{ 0, UINT32_MAX, 4 },
		{ 4096, 7, 1 },
		{ 4093, 7, 4 },
	};
	struct client c;
	uint32_t word;
	client_hello(&c, *state);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(client_read(&c, bad[i].region, bad[i].offset, &word, bad[i].count),
			-EINVAL);
		assert_int_equal(
			client_write(&c, bad[i].region, bad[i].offset, "1234", bad[i].count),
			-EINVAL);
	}
	/* A write that promises more than it brings. */
	struct medio_vu_region_access access = { 0, 2, 4 };
	assert_int_equal(
		client_call(&c, MEDIO_VU_REGION_WRITE, &access, sizeof(access), NULL), -EINVAL);
	assert_int_equal(client_call(&c, MEDIO_VU_REGION_READ, &access, 12, NULL), -EINVAL);
	client_close(&c);
}

/* libvfio-user refuses these. */
static void byte_writes_to_the_command_register_work(void **state)
{
	struct bed *bed = *state;
	struct client c;
	uint8_t byte = 0x07;
	client_hello(&c, bed);
	assert_int_equal(client_write(&c, MEDIO_REGION_CONFIG, PCI_COMMAND, &byte, 1), 0);
	byte = PCI_COMMAND_INTX_DISABLE >> 8;
	assert_int_equal(client_write(&c, MEDIO_REGION_CONFIG, PCI_COMMAND + 1, &byte, 1), 0);
	assert_int_equal(client_read32(&c, MEDIO_REGION_CONFIG, PCI_COMMAND) & 0xffff,
		0x07 | PCI_COMMAND_INTX_DISABLE);
	assert_non_null(strstr(bed->toy->log, "config 0x4 1;config 0x5 1;"));
	client_close(&c);
}

static void a_devices_error_reaches_the_client_without_payload(void **state)
{
	struct bed *bed = *state;
	struct client c;
	uint32_t word = 0;
	client_hello(&c, bed);
	bed->toy->mode = TOY_FAIL;
	/* client_call() checks that the reply is a header alone. */
	assert_int_equal(client_read(&c, 4, 0x1000, &word, 4), -EIO);
	assert_int_equal(client_write(&c, 4, 0x1000, &word, 4), -EIO);
	bed->toy->mode = 0;
	assert_int_equal(client_read32(&c, 4, 0x1000), 0x04040404);
	client_close(&c);
}

static void an_access_over_table_device_and_area_meets_each(void **state)
{
	struct bed *bed = *state;
	uint8_t buf[0x40];
	struct client c;
	client_hello(&c, bed);
	/* The last entry of the MSI-X table, then the device's. */
	assert_int_equal(client_read(&c, 4, TOY_VECTORS * 16 - 16, buf, 0x20), 0);
	assert_memory_equal(buf, "\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0", 16);
	for (int i = 16; i < 32; i++)
		assert_int_equal(buf[i], 4);
	/* The device's, then an area. */
	memset((uint8_t *)medio_region_ptr(bed->toy->dev, 1) + 0x1000, 0xab, 0x20);
	assert_int_equal(client_read(&c, 1, 0xff0, buf, 0x20), 0);
	for (int i = 0; i < 32; i++)
		assert_int_equal(buf[i], i < 16 ? 1 : 0xab);
	client_close(&c);
}

/* ---- WRITE_MULTI --------------------------------------------------------------------------------------------- */

struct multi {
	uint64_t count;
	struct medio_vu_write_entry entry[200];
};

static int write_multi(struct client *c, struct multi *m, unsigned have, uint64_t *done)
{
	struct message reply;
	int ret = client_call(c, MEDIO_VU_REGION_WRITE_MULTI, m,
		sizeof(m->count) + have * sizeof(m->entry[0]), &reply);
	if (ret == 0) {
		assert_int_equal(reply.size, sizeof(*done));
		memcpy(done, reply.payload, sizeof(*done));
	}
	return ret;
}

static void fill_multi(struct multi *m)
{
	memset(m, 0, sizeof(*m));
	m->count = 200;
	for (unsigned i = 0; i < 200; i++) {
		m->entry[i].offset = 8ull * i;
		m->entry[i].region = 2;
		m->entry[i].count = 8;
		memset(m->entry[i].data, (int)i, 8);
	}
}

static void two_hundred_writes_in_one_message_are_done_in_order(void **state)
{
	struct bed *bed = *state;
	static struct multi m;
	struct client c;
	uint64_t done;
	fill_multi(&m);
	m.entry[199].offset = 0; /* the last wins */
	client_hello(&c, bed);
	assert_int_equal(write_multi(&c, &m, 200, &done), 0);
	assert_int_equal(done, 200);
	assert_int_equal(bed->toy->store[0], 199);
	assert_int_equal(bed->toy->store[8 * 198 + 7], 198);
	m.count = 0;
	assert_int_equal(write_multi(&c, &m, 0, &done), 0);
	assert_int_equal(done, 0);
	client_close(&c);
}

static void a_bad_write_among_many_ends_them_and_is_counted(void **state)
{
	struct bed *bed = *state;
	static struct multi m;
	struct client c;
	uint64_t done;
	client_hello(&c, bed);
	fill_multi(&m);
	m.entry[3].count = 9;
	assert_int_equal(write_multi(&c, &m, 200, &done), 0);
	assert_int_equal(done, 3);
	assert_int_equal(bed->toy->store[8 * 4], 0);
	fill_multi(&m);
	m.entry[0].region = 3;
	assert_int_equal(write_multi(&c, &m, 200, &done), -EINVAL);
	fill_multi(&m);
	assert_int_equal(write_multi(&c, &m, 199, &done), -EINVAL); /* 200 promised */
	m.count = UINT64_MAX / 24 + 1;
	assert_int_equal(write_multi(&c, &m, 200, &done), -EINVAL);
	client_close(&c);
}

static void a_bad_write_among_posted_ones_is_in_no_others_way(void **state)
{
	struct bed *bed = *state;
	static struct multi m;
	struct client c;
	uint8_t byte = 0;
	client_hello(&c, bed);
	fill_multi(&m);
	m.entry[0].region = 3; /* none */
	m.entry[5].count = 9;
	client_send(&c, MEDIO_VU_REGION_WRITE_MULTI, MEDIO_VU_NO_REPLY, &m, sizeof(m));
	assert_true(client_silent(&c));
	assert_int_equal(client_read(&c, 2, 8 * 4, &byte, 1), 0);
	assert_int_equal(byte, 4);
	assert_int_equal(client_read(&c, 2, 8 * 5, &byte, 1), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(client_read(&c, 2, 8 * 199, &byte, 1), 0);
	assert_int_equal(byte, 199);
	client_close(&c);
}

static void deferred_writes_among_many_keep_their_order(void **state)
{
	struct bed *bed = *state;
	static struct multi m;
	struct message reply;
	struct client c;
	uint64_t done;
	client_hello(&c, bed);
	fill_multi(&m);
	m.count = 5;
	m.entry[1].region = m.entry[3].region = 1; /* these are answered late */
	bed->toy->mode = TOY_DEFER_WRITES;
	client_send(&c, MEDIO_VU_REGION_WRITE_MULTI, 0, &m, 8 + 5 * sizeof(m.entry[0]));
	assert_true(client_silent(&c));
	assert_int_equal(bed->toy->writes, 2);
	toy_answer(bed->toy, 0);
	assert_true(client_silent(&c));
	assert_int_equal(bed->toy->writes, 4);
	toy_answer(bed->toy, 0);
	assert_true(client_recv(&c, &reply));
	memcpy(&done, reply.payload, sizeof(done));
	assert_int_equal(done, 5);
	assert_int_equal(bed->toy->writes, 5);
	client_close(&c);
}

/* ---- Answers that come later ------------------------------------------------------------------------------------- */

static void a_deferred_read_holds_back_what_follows(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_region_access slow = { 0, 1, 8 }, fast = { 0, 2, 4 };
	struct message reply;
	struct client c;
	client_hello(&c, bed);
	bed->toy->mode = TOY_DEFER_READS;
	memcpy(bed->toy->answer, "deferred", 8);
	client_send(&c, MEDIO_VU_REGION_READ, 0, &slow, sizeof(slow));
	client_send(&c, MEDIO_VU_REGION_READ, 0, &fast, sizeof(fast));
	assert_true(client_silent(&c));
	toy_answer(bed->toy, 0);
	assert_true(client_recv(&c, &reply));
	assert_int_equal(reply.hdr.id, (uint16_t)(c.id - 1));
	assert_memory_equal(reply.payload + sizeof(slow), "deferred", 8);
	assert_true(client_recv(&c, &reply));
	assert_int_equal(reply.hdr.id, c.id);
	client_close(&c);
}

static void a_deferred_access_may_fail(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_region_access access = { 0, 1, 8 };
	struct message reply;
	struct client c;
	client_hello(&c, bed);
	bed->toy->mode = TOY_DEFER_READS;
	client_send(&c, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
	bed_step(bed);
	toy_answer(bed->toy, -ENXIO);
	assert_true(client_recv(&c, &reply));
	assert_int_equal(reply.hdr.flags, MEDIO_VU_REPLY | MEDIO_VU_ERROR);
	assert_int_equal(reply.hdr.error, ENXIO);
	assert_int_equal(reply.size, 0);
	client_close(&c);
}

static void an_answer_from_within_the_call_is_an_answer(void **state)
{
	struct bed *bed = *state;
	uint8_t buf[8];
	struct client c;
	client_hello(&c, bed);
	bed->toy->mode = TOY_DEFER_READS | TOY_DEFER_WRITES | TOY_EARLY;
	memcpy(bed->toy->answer, "at once!", 8);
	assert_int_equal(client_read(&c, 1, 0, buf, 8), 0);
	assert_memory_equal(buf, "at once!", 8);
	assert_int_equal(client_write(&c, 1, 0, buf, 8), 0);
	assert_int_equal(client_read(&c, 1, 0, buf, 8), 0);
	client_close(&c);
}

static void an_answer_after_the_client_went_goes_nowhere(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_region_access access = { 0, 1, 8 };
	struct client c;
	client_hello(&c, bed);
	bed->toy->mode = TOY_DEFER_READS;
	client_send(&c, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
	bed_step(bed);
	assert_int_equal(bed->toy->num_waiting, 1);
	client_close(&c);
	/* The next client waits for an answer of its own, and must not get this one. */
	client_hello(&c, bed);
	client_send(&c, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
	bed_step(bed);
	assert_int_equal(bed->toy->num_waiting, 2);
	medio_complete(bed->toy->waiting[0].token, 0, "old data", 8);
	bed->toy->waiting[0] = bed->toy->waiting[1];
	bed->toy->num_waiting = 1;
	assert_true(client_silent(&c));
	toy_answer(bed->toy, 0);
	assert_false(client_silent(&c));
	client_close(&c);
}

/* An access over the end of the MSI-X table is two; nobody would put the halves together. */
static void half_an_access_that_is_deferred_fails_and_answers_nothing_else(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_region_access access = { 0x1000, 4, 8 };
	struct message reply;
	struct client c;
	uint8_t buf[16];
	client_hello(&c, bed);
	bed->toy->mode = TOY_DEFER_READS;
	assert_int_equal(client_read(&c, 4, TOY_VECTORS * 16 - 8, buf, 16), -EIO);
	assert_int_equal(bed->toy->num_waiting, 1);
	client_send(&c, MEDIO_VU_REGION_READ, 0, &access, sizeof(access));
	bed_step(bed);
	assert_int_equal(bed->toy->num_waiting, 2);
	medio_complete(bed->toy->waiting[0].token, 0, "another's", 8);
	assert_true(client_silent(&c));
	medio_complete(bed->toy->waiting[1].token, 0, "its own.", 8);
	bed->toy->num_waiting = 0;
	assert_true(client_recv(&c, &reply));
	assert_memory_equal(reply.payload + sizeof(access), "its own.", 8);
	client_close(&c);
}

static void a_client_that_leaves_while_its_backlog_is_full_is_let_go(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_region_access slow = { 0, 1, 8 };
	uint8_t *post = calloc(1, 65536);
	struct client c;
	client_hello(&c, bed);
	bed->toy->mode = TOY_DEFER_READS;
	client_send(&c, MEDIO_VU_REGION_READ, 0, &slow, sizeof(slow));
	/* More than is kept for a client that waits: the socket fills up. */
	size_t size = client_put(
		&c, post, MEDIO_VU_REGION_WRITE, MEDIO_VU_NO_REPLY, post + 16, 65536 - 16);
	for (int i = 0; i < 400; i++) {
		ssize_t n = write(c.fd, post, size);
		bed_step(bed);
		if (n < 0)
			break;
	}
	assert_true(write(c.fd, post, size) < 0);
	close(c.fd);
	c.fd = -1;
	/* Bounded: a loop that is woken for ever would not end here. */
	for (int i = 0; i < 1000 && medio_loop_run_once(bed->loop, 0) > 0; i++)
		assert_int_not_equal(i, 999);
	assert_non_null(strstr(bed->toy->log, "client 0;"));
	toy_answer(bed->toy, 0);
	free(post);
	client_close(&c);
}

/* ---- Doorbells ------------------------------------------------------------------------------------------------- */

static int io_fds(struct client *c, uint32_t index, uint32_t argsz, struct message *reply)
{
	struct medio_vu_io_fds ask = { argsz, 0, index, 0 };
	return client_call(c, MEDIO_VU_GET_REGION_IO_FDS, &ask, sizeof(ask), reply);
}

static void doorbells_come_as_eventfds_and_ring(void **state)
{
	struct bed *bed = *state;
	struct medio_vu_ioeventfd io[3];
	struct medio_vu_io_fds head;
	struct message reply;
	struct client c;
	const uint64_t one = 1;
	client_hello(&c, bed);
	assert_int_equal(io_fds(&c, 1, sizeof(head), &reply), 0); /* too small: names the need */
	memcpy(&head, reply.payload, sizeof(head));
	assert_int_equal(reply.size, sizeof(head));
	assert_int_equal(head.argsz, sizeof(head) + 3 * sizeof(io[0]));
	assert_int_equal(head.count, 3);
	assert_int_equal(c.nfds, 0);

	assert_int_equal(io_fds(&c, 1, head.argsz, &reply), 0);
	assert_int_equal(reply.size, head.argsz);
	assert_int_equal(c.nfds, 3);
	memcpy(io, reply.payload + sizeof(head), sizeof(io));
	assert_int_equal(io[0].size, 4);
	assert_int_equal(io[0].flags, 0);
	assert_int_equal(io[1].offset, 8);
	assert_int_equal(io[1].flags, MEDIO_VU_IOEVENTFD_DATAMATCH);
	assert_int_equal(io[1].datamatch, 7);
	assert_int_equal(io[2].size, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(io[i].fd_index, i);
	assert_int_equal(write(c.fds[2], &one, sizeof(one)), sizeof(one));
	bed_step(bed);
	assert_int_equal(bed->toy->bells, 1);
	assert_int_equal(bed->toy->last_bell, 0x10);

	assert_int_equal(io_fds(&c, 2, 1024, &reply), 0);
	assert_int_equal(reply.size, sizeof(head));
	assert_int_equal(io_fds(&c, 9, 1024, &reply), -EINVAL);
	assert_int_equal(io_fds(&c, 1, 15, &reply), -EINVAL);
	client_close(&c);
}

static void no_more_doorbells_than_the_client_takes_descriptors(void **state)
{
	struct medio_vu_io_fds head;
	struct message reply;
	struct client c;
	client_hello_json(&c, *state, NULL); /* the default is one */
	assert_int_equal(io_fds(&c, 1, 1024, &reply), 0);
	memcpy(&head, reply.payload, sizeof(head));
	assert_int_equal(head.count, 1);
	assert_int_equal(c.nfds, 1);
	client_close(&c);
}

static void a_written_doorbell_rings_too(void **state)
{
	struct bed *bed = *state;
	struct client c;
	client_hello(&c, bed);
	client_write32(&c, 1, 0, 1);
	assert_int_equal(bed->toy->bells, 1);
	client_write32(&c, 1, 8, 6); /* another value */
	assert_int_equal(bed->toy->bells, 1);
	client_write32(&c, 1, 8, 7);
	assert_int_equal(bed->toy->bells, 2);
	uint16_t half = 7;
	assert_int_equal(client_write(&c, 1, 8, &half, 2), 0); /* another width */
	assert_int_equal(bed->toy->bells, 2);
	client_close(&c);
}

static void a_client_that_went_rings_no_more(void **state)
{
	struct bed *bed = *state;
	struct message reply;
	struct client c;
	const uint64_t one = 1;
	client_hello(&c, bed);
	assert_int_equal(io_fds(&c, 1, 1024, &reply), 0);
	int kept = c.fds[0];
	c.fds[0] = dup(c.fds[1]);
	client_close(&c);
	assert_int_equal(write(kept, &one, sizeof(one)), sizeof(one));
	bed_step(bed);
	assert_int_equal(bed->toy->bells, 0);
	close(kept);
	client_hello(&c, bed);
	assert_int_equal(io_fds(&c, 1, 1024, &reply), 0);
	assert_int_equal(write(c.fds[0], &one, sizeof(one)), sizeof(one));
	bed_step(bed);
	assert_int_equal(bed->toy->bells, 1);
	client_close(&c);
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(get_info_says_what_qemu_needs),
		BED_TEST(region_info_tells_size_and_access_of_each),
		BED_TEST(a_region_info_cut_short_names_what_it_needs),
		BED_TEST(the_areas_of_a_region_are_listed_and_shared),
		BED_TEST(a_write_of_256_kib_inside_the_advertised_size_works),
		BED_TEST(the_whole_advertised_size_works_and_a_byte_more_does_not),
		BED_TEST(a_body_in_two_segments_is_one_message),
		BED_TEST(accesses_outside_a_region_are_einval),
		BED_TEST(byte_writes_to_the_command_register_work),
		BED_TEST(a_devices_error_reaches_the_client_without_payload),
		BED_TEST(an_access_over_table_device_and_area_meets_each),
		BED_TEST(two_hundred_writes_in_one_message_are_done_in_order),
		BED_TEST(a_bad_write_among_many_ends_them_and_is_counted),
		BED_TEST(a_bad_write_among_posted_ones_is_in_no_others_way),
		BED_TEST(deferred_writes_among_many_keep_their_order),
		BED_TEST(a_deferred_read_holds_back_what_follows),
		BED_TEST(a_deferred_access_may_fail),
		BED_TEST(an_answer_from_within_the_call_is_an_answer),
		BED_TEST(an_answer_after_the_client_went_goes_nowhere),
		BED_TEST(half_an_access_that_is_deferred_fails_and_answers_nothing_else),
		BED_TEST(a_client_that_leaves_while_its_backlog_is_full_is_let_go),
		BED_TEST(doorbells_come_as_eventfds_and_ring),
		BED_TEST(no_more_doorbells_than_the_client_takes_descriptors),
		BED_TEST(a_written_doorbell_rings_too),
		BED_TEST(a_client_that_went_rings_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
