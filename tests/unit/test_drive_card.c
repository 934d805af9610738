/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card over a vfio-user server that is a script: answers stand in the socket before the card
 * asks. Ids count from 1, VERSION and GET_INFO being 1 and 2.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/driver.h>

#include "proto/vfio_user.h"

struct script {
	struct medio_card *card;
	int server;
	uint16_t id; /* the next the card will use */
};

static void put(int fd, struct medio_vu_header header, const void *payload, size_t size,
	const int *fds, unsigned nfds)
{
	char buf[8192], control[CMSG_SPACE(sizeof(int) * 16)] = { 0 };
	struct iovec iov = { buf, sizeof(header) + size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	header.size = (uint32_t)iov.iov_len;
	memcpy(buf, &header, sizeof(header));
	if (size)
		memcpy(buf + sizeof(header), payload, size);
	if (nfds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), iov.iov_len);
}

static void answer_fds(struct script *s, uint16_t cmd, const void *payload, size_t size,
	const int *fds, unsigned nfds)
{
	put(s->server,
		(struct medio_vu_header){ .id = s->id++, .cmd = cmd, .flags = MEDIO_VU_REPLY },
		payload, size, fds, nfds);
}

static void answer(struct script *s, uint16_t cmd, const void *payload, size_t size)
{
	answer_fds(s, cmd, payload, size, NULL, 0);
}

static void refuse(struct script *s, uint16_t cmd, int error)
{
	struct medio_vu_header header = { .id = s->id++,
		.cmd = cmd,
		.flags = MEDIO_VU_REPLY | MEDIO_VU_ERROR,
		.error = (uint32_t)error };

	put(s->server, header, NULL, 0, NULL, 0);
}

/* The next message the card sent; its payload must be size bytes. Returns its first fd or -1. */
static int sent(struct script *s, uint16_t cmd, void *payload, size_t size)
{
	char control[CMSG_SPACE(sizeof(int) * 16)];
	struct medio_vu_header header;
	struct iovec iov = { &header, sizeof(header) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	int fd = -1;

	assert_int_equal(recvmsg(s->server, &msg, 0), sizeof(header));
	assert_int_equal(header.cmd, cmd);
	assert_int_equal(header.size, sizeof(header) + size);
	if (size)
		assert_int_equal(recv(s->server, payload, size, MSG_WAITALL), size);
	struct cmsghdr *c = msg.msg_controllen ? CMSG_FIRSTHDR(&msg) : NULL;
	for (unsigned i = 0; c && i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
		int got;
		memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
		if (i)
			close(got);
		else
			fd = got;
	}
	return fd;
}

static void sent_nothing(struct script *s)
{
	char byte;

	assert_int_equal(recv(s->server, &byte, 1, MSG_DONTWAIT), -1);
}

static const char caps[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":2,\"max_data_xfer_size\":64,"
			   "\"max_dma_maps\":2}}";

static int open_with(struct script *s, const struct medio_vu_device_info *info, size_t size)
{
	struct medio_card_options opts = { .timeout_ms = 60000 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*s = (struct script){ .server = fds[1], .id = 1 };
	answer(s, MEDIO_VU_VERSION, caps, sizeof(caps));
	answer(s, MEDIO_VU_GET_INFO, info, size);
	return medio_card_open_fd(fds[0], &opts, &s->card, NULL);
}

static void script_open(struct script *s)
{
	struct medio_vu_device_info info = { 16, MEDIO_VU_INFO_PCI | MEDIO_VU_INFO_RESET, 9, 5 };
	char version[512];
	struct medio_vu_header header;

	assert_int_equal(open_with(s, &info, sizeof(info)), 0);
	assert_int_equal(recv(s->server, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(header.cmd, MEDIO_VU_VERSION);
	assert_int_equal(recv(s->server, version, header.size - sizeof(header), 0),
		header.size - sizeof(header));
	sent(s, MEDIO_VU_GET_INFO, &info, sizeof(info));
}

static void script_close(struct script *s)
{
	if (s->server >= 0)
		close(s->server);
	medio_card_close(s->card);
}

static void answer_region(struct script *s, unsigned index, uint64_t size, uint32_t flags)
{
	struct medio_vu_region_info info = { sizeof(info), flags, index, 0, size, 0 };

	answer(s, MEDIO_VU_GET_REGION_INFO, &info, sizeof(info));
}

#define RW (MEDIO_VU_REGION_READ_OK | MEDIO_VU_REGION_WRITE_OK)

/* Make region known: bar 0 of size bytes, readable and writable. */
static void know_region(struct script *s, uint64_t size)
{
	struct medio_card_region region;
	struct medio_vu_region_info asked;

	answer_region(s, 0, size, RW);
	assert_int_equal(medio_card_get_region(s->card, 0, &region), 0);
	assert_int_equal(region.size, size);
	sent(s, MEDIO_VU_GET_REGION_INFO, &asked, sizeof(asked));
}

static void answer_access(
	struct script *s, uint16_t cmd, uint64_t offset, uint32_t count, const void *data)
{
	struct medio_vu_region_access access = { offset, 0, count };
	char buf[256];

	memcpy(buf, &access, sizeof(access));
	if (data)
		memcpy(buf + sizeof(access), data, count);
	answer(s, cmd, buf, sizeof(access) + (data ? count : 0));
}

/* ---- Open -------------------------------------------------------------------------------------- */

static void uris(const char *uri, int expected, const char *word)
{
	struct medio_card *card = NULL;
	struct medio_error *err = NULL;

	assert_int_equal(medio_card_open(uri, NULL, &card, &err), expected);
	assert_null(card);
	if (!strstr(medio_error_text(err), word))
		fail_msg("\"%s\" does not name %s", medio_error_text(err), word);
	medio_error_free(err);
}

static void a_uri_that_cannot_be_opened_gets_an_errno_and_words(void **state)
{
	uris("vfio-user:/nowhere/at/all", -ENOENT, "/nowhere/at/all");
	uris("/nowhere/at/all", -ENOENT, "/nowhere/at/all");
	uris("./nowhere", -ENOENT, "./nowhere");
	uris("vfio-user:", -EINVAL, "empty");
	uris("vfio:fffe:ff:1f.7", -ENODEV, "no PCI device fffe:ff:1f.7");
	uris("vfio:83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", -ENODEV, "no mediated device");
	uris("vfio:../../etc", -EINVAL, "neither a PCI address");
	uris("0000:01:00.0", -EINVAL, "vfio:0000:01:00.0");
	uris("1a:00.0", -EINVAL, "vfio:0000:1a:00.0");
	uris("iommufd:fffe:ff:1f.7", -ENODEV, "no PCI device fffe:ff:1f.7");
	uris("uio:uio4711", -ENODEV, "no uio4711");
	uris("uio:eth0", -EINVAL, "neither uioN");
	uris("local:mtty-2", -ENOTSUP, "no devices of its own");
	uris("vfio-usr:/x", -EINVAL, "vfio-user");
	uris("", -EINVAL, "vfio-user:/path");
	uris("nonsense", -EINVAL, "vfio-user:/path");
}

static void an_instance_is_found_by_its_uuid(void **state)
{
	char dir[] = "/tmp/medio-runtime.XXXXXX", path[128];

	assert_non_null(mkdtemp(dir));
	assert_int_equal(setenv("MEDIO_RUNTIME_DIR", dir, 1), 0);
	uris("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", -ENOENT,
		"no instance 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
	snprintf(path, sizeof(path), "%s/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/vfio-user.sock");
	assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
	/* Nobody listens; but it was found, in whichever case it is written. */
	uris("83B8F4F2-509f-382f-3c1e-e6bfe0fa1001", -ECONNREFUSED, path);
	assert_int_equal(unlink(path), 0);
	*strrchr(path, '/') = 0;
	assert_int_equal(rmdir(path), 0);
	/* Where the user's own mediod keeps them, and else the system's. */
	assert_int_equal(unsetenv("MEDIO_RUNTIME_DIR"), 0);
	uris("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", -ENOENT, "/run/medio/83b8f4f2");
	assert_int_equal(rmdir(dir), 0);
}

static void open_checks_what_the_server_says_it_is(void **state)
{
	struct medio_vu_device_info info = { 16, MEDIO_VU_INFO_PCI, 9, 5 };
	struct script s;

	assert_int_equal(open_with(&s, &info, 15), -EPROTO);
	close(s.server);
	info.flags = 0;
	assert_int_equal(open_with(&s, &info, 16), -EINVAL);
	close(s.server);
	info = (struct medio_vu_device_info){ 16, MEDIO_VU_INFO_PCI, UINT32_MAX, 5 };
	assert_int_equal(open_with(&s, &info, 16), -EPROTO);
	close(s.server);
	info = (struct medio_vu_device_info){ 16, MEDIO_VU_INFO_PCI, 9, UINT32_MAX };
	assert_int_equal(open_with(&s, &info, 16), -EPROTO);
	close(s.server);
	/* No config space. */
	info = (struct medio_vu_device_info){ 16, MEDIO_VU_INFO_PCI, 7, 5 };
	assert_int_equal(open_with(&s, &info, 16), -EPROTO);
	close(s.server);
}

static void info_is_what_was_negotiated(void **state)
{
	struct medio_card_info info;
	struct script s;

	script_open(&s);
	medio_card_get_info(s.card, &info);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	assert_true(info.can_reset);
	assert_int_equal(info.max_data_xfer, 64);
	assert_string_equal(medio_card_last_error(s.card), "");
	script_close(&s);
}

/* ---- Regions ----------------------------------------------------------------------------------- */

static void registers_are_read_and_written_little_endian(void **state)
{
	struct medio_vu_region_access access;
	struct script s;
	uint32_t value = 7;
	uint8_t message[20];

	script_open(&s);
	know_region(&s, 256);
	answer_access(&s, MEDIO_VU_REGION_READ, 0x10, 4, "\x78\x56\x34\x12");
	assert_int_equal(medio_card_read32(s.card, 0, 0x10, &value), 0);
	assert_int_equal(value, 0x12345678);
	sent(&s, MEDIO_VU_REGION_READ, &access, sizeof(access));
	assert_int_equal(access.offset, 0x10);
	assert_int_equal(access.region, 0);
	assert_int_equal(access.count, 4);
	answer_access(&s, MEDIO_VU_REGION_WRITE, 0x20, 4, NULL);
	assert_int_equal(medio_card_write32(s.card, 0, 0x20, 0xa1b2c3d4), 0);
	sent(&s, MEDIO_VU_REGION_WRITE, message, sizeof(message));
	assert_memory_equal(message + 16, "\xd4\xc3\xb2\xa1", 4);
	script_close(&s);
}

static void long_accesses_are_split_at_the_servers_limit(void **state)
{
	struct medio_vu_region_access access;
	uint8_t data[100], got[100];
	struct script s;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	script_open(&s);
	know_region(&s, 256);
	answer_access(&s, MEDIO_VU_REGION_READ, 8, 64, data);
	answer_access(&s, MEDIO_VU_REGION_READ, 72, 36, data + 64);
	assert_int_equal(medio_card_read(s.card, 0, 8, got, 100), 0);
	assert_memory_equal(got, data, 100);
	sent(&s, MEDIO_VU_REGION_READ, &access, sizeof(access));
	sent(&s, MEDIO_VU_REGION_READ, &access, sizeof(access));
	assert_int_equal(access.offset, 72);
	assert_int_equal(access.count, 36);
	script_close(&s);
}

static void accesses_outside_a_region_never_leave(void **state)
{
	struct script s;
	uint8_t byte = 0;

	script_open(&s);
	know_region(&s, 8);
	assert_int_equal(medio_card_read(s.card, 0, 8, &byte, 1), -EINVAL);
	assert_int_equal(medio_card_read(s.card, 0, UINT64_MAX, &byte, 1), -EINVAL);
	assert_int_equal(medio_card_read(s.card, 0, 7, &byte, SIZE_MAX), -EINVAL);
	assert_int_equal(medio_card_read(s.card, 9, 0, &byte, 1), -EINVAL);
	assert_non_null(strstr(medio_card_last_error(s.card), "region 9"));
	sent_nothing(&s);
	answer_region(&s, 1, 8, MEDIO_VU_REGION_READ_OK);
	assert_int_equal(medio_card_write8(s.card, 1, 0, 1), -EPERM);
	script_close(&s);
}

static void a_wrong_answer_to_a_read_kills_the_card(void **state)
{
	struct script s;
	uint32_t value = 7;

	/* The count differs; the data is short; too long; the structure is short. */
	for (unsigned i = 0; i < 4; i++) {
		struct medio_vu_region_access access = { 0, 0, i ? 4 : 2 };
		char buf[32] = { 0 };
		static const size_t sizes[] = { 20, 19, 21, 8 };
		script_open(&s);
		know_region(&s, 256);
		memcpy(buf, &access, sizeof(access));
		answer(&s, MEDIO_VU_REGION_READ, buf, sizes[i]);
		assert_int_equal(medio_card_read32(s.card, 0, 0, &value), -EPROTO);
		assert_int_equal(value, 7);
		assert_non_null(strstr(medio_card_last_error(s.card), "REGION_READ"));
		assert_int_equal(medio_card_read32(s.card, 0, 0, &value), -ENOTCONN);
		script_close(&s);
	}
}

static void the_devices_errno_comes_back_and_the_card_lives(void **state)
{
	struct script s;
	uint8_t byte = 9;

	script_open(&s);
	know_region(&s, 8);
	refuse(&s, MEDIO_VU_REGION_READ, EIO);
	assert_int_equal(medio_card_read8(s.card, 0, 0, &byte), -EIO);
	assert_int_equal(byte, 9);
	/* A signal of the server's is none of ours: who tries again at those would do so for ever. */
	refuse(&s, MEDIO_VU_REGION_READ, EINTR);
	assert_int_equal(medio_card_read8(s.card, 0, 0, &byte), -EIO);
	assert_non_null(strstr(medio_card_last_error(s.card), "Interrupted"));
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 1, "\x55");
	assert_int_equal(medio_card_read8(s.card, 0, 0, &byte), 0);
	assert_int_equal(byte, 0x55);
	script_close(&s);
}

static void posted_writes_go_out_with_the_next_read(void **state)
{
	struct script s;
	uint8_t byte = 1, message[17];

	script_open(&s);
	know_region(&s, 8);
	assert_int_equal(medio_card_post(s.card, 0, 3, "A", 1), 0);
	s.id++;
	sent_nothing(&s);
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 1, "\x55");
	assert_int_equal(medio_card_read8(s.card, 0, 0, &byte), 0);
	sent(&s, MEDIO_VU_REGION_WRITE, message, sizeof(message));
	assert_int_equal(message[16], 'A');
	sent(&s, MEDIO_VU_REGION_READ, message, 16);
	assert_int_equal(medio_card_post(s.card, 0, 3, "B", 1), 0);
	assert_int_equal(medio_card_flush(s.card), 0);
	sent(&s, MEDIO_VU_REGION_WRITE, message, sizeof(message));
	assert_int_equal(message[16], 'B');
	script_close(&s);
}

static void a_fifo_register_is_read_in_one_round_trip(void **state)
{
	struct medio_vu_region_access access;
	uint8_t got[3] = { 0 }, byte = 0;
	struct script s;

	script_open(&s);
	know_region(&s, 8);
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 1, "a");
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 1, "b");
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 1, "c");
	assert_int_equal(medio_card_read8_rep(s.card, 0, 0, got, 3), 0);
	assert_memory_equal(got, "abc", 3);
	for (unsigned i = 0; i < 3; i++)
		sent(&s, MEDIO_VU_REGION_READ, &access, sizeof(access));
	/* One fails: the others' answers are still taken, and the card goes on. */
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 1, "d");
	refuse(&s, MEDIO_VU_REGION_READ, EIO);
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 1, "f");
	assert_int_equal(medio_card_read8_rep(s.card, 0, 0, got, 3), -EIO);
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 1, "g");
	assert_int_equal(medio_card_read8(s.card, 0, 0, &byte), 0);
	assert_int_equal(byte, 'g');
	assert_int_equal(medio_card_read8_rep(s.card, 0, 8, got, 1), -EINVAL);
	script_close(&s);
}

/* A region of 16 KiB whose memory is fd, with sparse areas. */
struct sparse_info {
	struct medio_vu_region_info info;
	struct medio_vu_sparse_mmap cap;
	struct medio_vu_mmap_area areas[2];
};

static struct sparse_info sparse(void)
{
	return (struct sparse_info){
		.info = { sizeof(struct sparse_info),
			RW | MEDIO_VU_REGION_MMAP | MEDIO_VU_REGION_CAPS, 0, 32, 16384, 0 },
		.cap = { .header = { MEDIO_VU_CAP_SPARSE_MMAP, 1, 0 }, .nr_areas = 2 },
		.areas = { { 0, 4096 }, { 8192, 8192 } },
	};
}

static void sparse_areas_are_mapped_and_nothing_else(void **state)
{
	struct sparse_info info = sparse();
	struct medio_card_region region;
	int fd = memfd_create("region", 0);
	struct script s;
	char *ptr = NULL;

	assert_int_equal(ftruncate(fd, 16384), 0);
	script_open(&s);
	answer_fds(&s, MEDIO_VU_GET_REGION_INFO, &info, sizeof(info), &fd, 1);
	assert_int_equal(medio_card_get_region(s.card, 0, &region), 0);
	assert_true(region.mappable);
	assert_int_equal(region.num_areas, 2);
	assert_int_equal(region.areas[1].offset, 8192);
	assert_int_equal(medio_card_mmap(s.card, 0, 8192, 8192, (void **)&ptr), 0);
	memcpy(ptr + 4096, "shared", 7);
	char got[7];
	assert_int_equal(pread(fd, got, 7, 12288), 7);
	assert_string_equal(got, "shared");
	medio_card_munmap(ptr, 8192);
	assert_int_equal(medio_card_mmap(s.card, 0, 4096, 4096, (void **)&ptr), -EINVAL);
	assert_int_equal(medio_card_mmap(s.card, 0, 0, 8192, (void **)&ptr), -EINVAL);
	assert_int_equal(medio_card_mmap(s.card, 0, 8192, 12288, (void **)&ptr), -EINVAL);
	assert_int_equal(medio_card_mmap(s.card, 0, 1, 4095, (void **)&ptr), -EINVAL);
	assert_int_equal(medio_card_mmap(s.card, 0, 0, 0, (void **)&ptr), -EINVAL);
	/* For another process: byte 12288 of the region is there too. */
	uint64_t at = 1;
	int file = -1;
	assert_int_equal(medio_card_region_file(s.card, 0, &file, &at), 0);
	assert_int_equal(pread(file, got, 7, (off_t)(at + 12288)), 7);
	assert_string_equal(got, "shared");
	/* The server shortens the file: refused rather than SIGBUS. */
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(medio_card_mmap(s.card, 0, 8192, 8192, (void **)&ptr), -ENODEV);
	assert_int_equal(medio_card_region_file(s.card, 0, &file, &at), -EINVAL);
	close(fd);
	script_close(&s);
}

static void hostile_region(const struct sparse_info *info, size_t size)
{
	struct medio_card_region region;
	struct script s;

	script_open(&s);
	answer(&s, MEDIO_VU_GET_REGION_INFO, info, size);
	assert_int_equal(medio_card_get_region(s.card, 0, &region), -EPROTO);
	assert_int_equal(medio_card_get_region(s.card, 0, &region), -ENOTCONN);
	script_close(&s);
}

static void hostile_region_infos_are_refused(void **state)
{
	struct sparse_info info = sparse();

	hostile_region(&info, 31);
	hostile_region(&info, sizeof(info) - 1);
	hostile_region(&info, 40);
	info.info.index = 1;
	hostile_region(&info, sizeof(info));
	info = sparse();
	info.info.argsz = UINT32_MAX;
	hostile_region(&info, sizeof(info));
	info = sparse();
	info.info.cap_offset = 8;
	hostile_region(&info, sizeof(info));
	info.info.cap_offset = UINT32_MAX;
	hostile_region(&info, sizeof(info));
	info = sparse();
	info.cap.nr_areas = UINT32_MAX;
	hostile_region(&info, sizeof(info));
	info = sparse();
	info.areas[1].size = 8193;
	hostile_region(&info, sizeof(info));
	info.areas[1].size = UINT64_MAX;
	hostile_region(&info, sizeof(info));
	/* A capability that leads back to itself. */
	info = sparse();
	info.cap.header.next = 32;
	hostile_region(&info, sizeof(info));
}

/* ---- DMA --------------------------------------------------------------------------------------- */

static void allocated_memory_goes_to_the_server_as_a_file(void **state)
{
	struct medio_vu_dma_map map;
	struct medio_vu_dma_unmap unmap;
	char *ptr = NULL, got[6];
	struct script s;

	script_open(&s);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(medio_card_dma_alloc(s.card, 0x10000, 8192,
				 MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, (void **)&ptr),
		0);
	int fd = sent(&s, MEDIO_VU_DMA_MAP, &map, sizeof(map));
	assert_true(fd >= 0);
	assert_int_equal(map.iova, 0x10000);
	assert_int_equal(map.size, 8192);
	assert_int_equal(map.flags, MEDIO_VU_MAP_READ | MEDIO_VU_MAP_WRITE);
	memcpy(ptr + 5000, "hello", 6);
	assert_int_equal(pread(fd, got, 6, 5000), 6);
	assert_string_equal(got, "hello");
	assert_int_equal(medio_card_dma_unmap(s.card, 0x10000, 4096), -EINVAL);
	assert_int_equal(medio_card_dma_unmap(s.card, 0x20000, 4096), -ENOENT);
	answer(&s, MEDIO_VU_DMA_UNMAP, NULL, 0);
	assert_int_equal(medio_card_dma_unmap(s.card, 0x10000, 8192), 0);
	sent(&s, MEDIO_VU_DMA_UNMAP, &unmap, sizeof(unmap));
	assert_int_equal(medio_card_dma_unmap(s.card, 0x10000, 8192), -ENOENT);
	close(fd);
	script_close(&s);
}

static void bad_mappings_are_refused_here(void **state)
{
	static char memory[8192] __attribute__((aligned(4096)));
	struct script s;
	int fd = memfd_create("short", 0);

	script_open(&s);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(medio_card_dma_map(s.card, 1, 4096, 3, memory), -EINVAL);
	assert_int_equal(medio_card_dma_map(s.card, 0, 0, 3, memory), -EINVAL);
	assert_int_equal(medio_card_dma_map(s.card, 0, 4096, 0, memory), -EINVAL);
	assert_int_equal(medio_card_dma_map(s.card, 0, 4096, 4, memory), -EINVAL);
	assert_int_equal(medio_card_dma_map(s.card, UINT64_MAX - 4095, 8192, 3, memory), -EINVAL);
	assert_int_equal(medio_card_dma_map_fd(s.card, 0, 8192, 3, fd, 0), -EINVAL);
	assert_int_equal(medio_card_dma_map_fd(s.card, 0, 4096, 3, fd, 4096), -EINVAL);
	assert_int_equal(medio_card_dma_map_fd(s.card, 0, 4096, 3, fd, UINT64_MAX - 4095), -EINVAL);
	sent_nothing(&s);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(medio_card_dma_map(s.card, 4096, 8192, 3, memory), 0);
	assert_int_equal(medio_card_dma_map(s.card, 8192, 8192, 3, memory), -EEXIST);
	assert_int_equal(medio_card_dma_map(s.card, 0, 8192, 3, memory), -EEXIST);
	/* The server says no: it is as if never mapped. */
	refuse(&s, MEDIO_VU_DMA_MAP, ENOMEM);
	assert_int_equal(medio_card_dma_map_fd(s.card, 0x10000, 4096, 3, fd, 0), -ENOMEM);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(medio_card_dma_map_fd(s.card, 0x10000, 4096, 3, fd, 0), 0);
	/* The server takes two. */
	assert_int_equal(medio_card_dma_map(s.card, 0x20000, 4096, 3, memory), -ENOSPC);
	close(fd);
	script_close(&s);
}

static void ask(struct script *s, uint16_t cmd, uint64_t iova, uint64_t count, const void *data,
	size_t size)
{
	struct medio_vu_dma_access access = { iova, count };
	char buf[4096];

	memcpy(buf, &access, sizeof(access));
	if (size)
		memcpy(buf + sizeof(access), data, size);
	put(s->server, (struct medio_vu_header){ .id = 500, .cmd = cmd }, buf,
		sizeof(access) + size, NULL, 0);
}

/* The card's answer is the errno and nothing more. */
static void answered(struct script *s, uint16_t cmd, int error)
{
	struct medio_vu_header header;

	assert_int_equal(recv(s->server, &header, sizeof(header), MSG_WAITALL), sizeof(header));
	assert_int_equal(header.id, 500);
	assert_int_equal(header.cmd, cmd);
	assert_int_equal(header.size, sizeof(header));
	assert_int_equal(header.flags, MEDIO_VU_REPLY | MEDIO_VU_ERROR);
	assert_int_equal(header.error, error);
}

static void the_servers_dma_is_answered_within_bounds_and_permissions(void **state)
{
	static char memory[3 * 4096] __attribute__((aligned(4096)));
	struct medio_vu_dma_access access;
	struct medio_vu_dma_map map;
	char reply[16 + 8];
	struct script s;

	script_open(&s);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(medio_card_dma_map(s.card, 0x1000, 4096, 3, memory), 0);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(
		medio_card_dma_map(s.card, 0x2000, 8192, MEDIO_CARD_DMA_READ, memory + 4096), 0);
	sent(&s, MEDIO_VU_DMA_MAP, &map, sizeof(map));
	sent(&s, MEDIO_VU_DMA_MAP, &map, sizeof(map));

	/* A read across both; a write into the first. */
	memcpy(memory + 4092, "abcdefgh", 8);
	ask(&s, MEDIO_VU_DMA_READ, 0x1ffc, 8, NULL, 0);
	ask(&s, MEDIO_VU_DMA_WRITE, 0x1010, 4, "WXYZ", 4);
	assert_int_equal(medio_card_process(s.card), 2);
	sent(&s, MEDIO_VU_DMA_READ, reply, sizeof(reply));
	assert_memory_equal(reply + 16, "abcdefgh", 8);
	sent(&s, MEDIO_VU_DMA_WRITE, &access, sizeof(access));
	assert_int_equal(access.count, 4);
	assert_memory_equal(memory + 0x10, "WXYZ", 4);

	ask(&s, MEDIO_VU_DMA_READ, 0x3ffc, 8, NULL, 0);
	ask(&s, MEDIO_VU_DMA_READ, 0xff8, 16, NULL, 0);
	ask(&s, MEDIO_VU_DMA_READ, UINT64_MAX - 1, 4, NULL, 0);
	ask(&s, MEDIO_VU_DMA_WRITE, 0x1ffe, 4, "nope", 4);
	ask(&s, MEDIO_VU_DMA_WRITE, 0x1000, 5, "nope", 4);
	ask(&s, MEDIO_VU_DMA_WRITE, 0x1000, UINT64_MAX, "nope", 4);
	ask(&s, MEDIO_VU_DMA_READ, 0x1000, UINT64_MAX, NULL, 0);
	ask(&s, MEDIO_VU_RESET, 0, 0, NULL, 0);
	put(s.server, (struct medio_vu_header){ .id = 500, .cmd = MEDIO_VU_DMA_READ }, "short", 5,
		NULL, 0);
	assert_int_equal(medio_card_process(s.card), 9);
	answered(&s, MEDIO_VU_DMA_READ, ENODEV);
	answered(&s, MEDIO_VU_DMA_READ, ENODEV);
	answered(&s, MEDIO_VU_DMA_READ, ENODEV);
	answered(&s, MEDIO_VU_DMA_WRITE, EACCES);
	answered(&s, MEDIO_VU_DMA_WRITE, E2BIG);
	answered(&s, MEDIO_VU_DMA_WRITE, E2BIG);
	answered(&s, MEDIO_VU_DMA_READ, E2BIG);
	answered(&s, MEDIO_VU_RESET, ENOSYS);
	answered(&s, MEDIO_VU_DMA_READ, EINVAL);
	assert_memory_equal(memory + 4092, "abcdefgh", 8);

	/* And while a call waits. */
	ask(&s, MEDIO_VU_DMA_READ, 0x1010, 8, NULL, 0);
	answer(&s, MEDIO_VU_RESET, NULL, 0);
	assert_int_equal(medio_card_reset(s.card), 0);
	sent(&s, MEDIO_VU_RESET, NULL, 0);
	sent(&s, MEDIO_VU_DMA_READ, reply, sizeof(reply));
	assert_memory_equal(reply + 16, "WXYZ", 4);
	script_close(&s);
}

struct far_memory {
	uint8_t bytes[8192];
	int error; /* of the next call */
	unsigned gone;
};

static int far_read(void *opaque, uint64_t offset, void *buf, size_t size)
{
	struct far_memory *far = opaque;

	assert_true(offset + size <= sizeof(far->bytes));
	memcpy(buf, far->bytes + offset, size);
	return far->error;
}

static int far_write(void *opaque, uint64_t offset, const void *buf, size_t size)
{
	struct far_memory *far = opaque;

	assert_true(offset + size <= sizeof(far->bytes));
	memcpy(far->bytes + offset, buf, size);
	return far->error;
}

static void far_unmapped(void *opaque)
{
	((struct far_memory *)opaque)->gone++;
}

static const struct medio_card_memory far_calls = { far_read, far_write, far_unmapped };

static void memory_reached_by_calls_is_copied_for_the_server(void **state)
{
	static char memory[4096] __attribute__((aligned(4096)));
	struct far_memory far = { .bytes = "far" };
	struct medio_vu_dma_access access;
	struct medio_vu_dma_map map;
	char reply[16 + 8];
	struct script s;

	script_open(&s);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(medio_card_dma_map(s.card, 0x1000, 4096, 3, memory), 0);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(medio_card_dma_map_calls(s.card, 0x2000, 8192, 3, &far_calls, &far), 0);
	sent(&s, MEDIO_VU_DMA_MAP, &map, sizeof(map));
	assert_int_equal(sent(&s, MEDIO_VU_DMA_MAP, &map, sizeof(map)), -1); /* no file */

	ask(&s, MEDIO_VU_DMA_READ, 0x2000, 8, NULL, 0);
	ask(&s, MEDIO_VU_DMA_WRITE, 0x1ffc, 8, "nearfar2", 8);
	assert_int_equal(medio_card_process(s.card), 2);
	sent(&s, MEDIO_VU_DMA_READ, reply, sizeof(reply));
	assert_string_equal(reply + 16, "far");
	sent(&s, MEDIO_VU_DMA_WRITE, &access, sizeof(access));
	assert_memory_equal(memory + 4092, "near", 4);
	assert_memory_equal(far.bytes, "far2", 4);

	far.error = -EFAULT;
	ask(&s, MEDIO_VU_DMA_READ, 0x2000, 8, NULL, 0);
	ask(&s, MEDIO_VU_DMA_WRITE, 0x2000, 8, "12345678", 8);
	ask(&s, MEDIO_VU_DMA_READ, 0x3ffc, 8, NULL, 0);
	assert_int_equal(medio_card_process(s.card), 3);
	answered(&s, MEDIO_VU_DMA_READ, EFAULT);
	answered(&s, MEDIO_VU_DMA_WRITE, EFAULT);
	answered(&s, MEDIO_VU_DMA_READ, ENODEV);
	assert_int_equal(far.gone, 0);
	answer(&s, MEDIO_VU_DMA_UNMAP, NULL, 0);
	assert_int_equal(medio_card_dma_unmap(s.card, 0x2000, 8192), 0);
	assert_int_equal(far.gone, 1);
	/* A mapping that the server refuses was never one. */
	refuse(&s, MEDIO_VU_DMA_MAP, ENOMEM);
	assert_int_equal(
		medio_card_dma_map_calls(s.card, 0x2000, 8192, 3, &far_calls, &far), -ENOMEM);
	assert_int_equal(far.gone, 1);
	script_close(&s);
}

/* How much of a memfd of this name is mapped here, in bytes. */
static size_t mapped_of(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long first, end;
	size_t sum = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, name) && sscanf(line, "%lx-%lx", &first, &end) == 2)
			sum += end - first;
	fclose(maps);
	return sum;
}

static void a_files_mapping_goes_whole(void **state)
{
	struct script s;
	int fd = memfd_create("whole-file", 0);

	script_open(&s);
	assert_int_equal(ftruncate(fd, 65536), 0);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(medio_card_dma_map_fd(s.card, 0x10000, 65536, 3, fd, 0), 0);
	assert_int_equal(mapped_of("whole-file"), 65536);
	answer(&s, MEDIO_VU_DMA_UNMAP, NULL, 0);
	assert_int_equal(medio_card_dma_unmap(s.card, 0x10000, 65536), 0);
	assert_int_equal(mapped_of("whole-file"), 0);
	close(fd);
	script_close(&s);
}

static void a_file_of_somebody_elses_may_be_cut_short(void **state)
{
	struct medio_vu_dma_access access;
	struct medio_vu_dma_map map;
	struct script s;
	char byte = 1;
	int fd = memfd_create("cut-short", 0);

	script_open(&s);
	assert_int_equal(ftruncate(fd, 8192), 0);
	answer(&s, MEDIO_VU_DMA_MAP, NULL, 0);
	assert_int_equal(
		medio_card_dma_map_fd(s.card, 0x10000, 8192, 3 | MEDIO_CARD_DMA_GUARD, fd, 0), 0);
	sent(&s, MEDIO_VU_DMA_MAP, &map, sizeof(map));
	assert_int_equal(map.flags, 3);
	assert_int_equal(ftruncate(fd, 4096), 0);
	ask(&s, MEDIO_VU_DMA_WRITE, 0x10ffe, 4, "WXYZ", 4);
	assert_int_equal(medio_card_process(s.card), 1);
	sent(&s, MEDIO_VU_DMA_WRITE, &access, sizeof(access));
	assert_int_equal(pread(fd, &byte, 1, 0xfff), 1);
	assert_int_equal(byte, 'X');
	close(fd);
	script_close(&s);
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

static void know_irq(struct script *s, unsigned index, uint32_t count)
{
	struct medio_vu_irq_info info = { 16,
		MEDIO_VU_IRQ_EVENTFD | MEDIO_VU_IRQ_MASKABLE | MEDIO_VU_IRQ_AUTOMASKED, index,
		count };
	struct medio_card_irq irq;

	answer(s, MEDIO_VU_GET_IRQ_INFO, &info, sizeof(info));
	assert_int_equal(medio_card_get_irq(s->card, index, &irq), 0);
	assert_int_equal(irq.count, count);
	assert_true(irq.maskable && irq.automasked);
	assert_false(irq.noresize);
	sent(s, MEDIO_VU_GET_IRQ_INFO, &info, sizeof(info));
}

static void opened_vectors_are_waited_for_and_disabled(void **state)
{
	struct medio_vu_irq_set set;
	uint64_t events = 0, three = 3;
	struct script s;

	script_open(&s);
	know_irq(&s, MEDIO_CARD_INTX, 1);
	assert_int_equal(medio_card_irq_fd(s.card, MEDIO_CARD_INTX, 0), -ENOENT);
	assert_int_equal(medio_card_irq_wait(s.card, MEDIO_CARD_INTX, 0, 0, &events), -ENOENT);
	assert_int_equal(medio_card_irq_open(s.card, MEDIO_CARD_INTX, 2), -EINVAL);
	answer(&s, MEDIO_VU_SET_IRQS, NULL, 0);
	assert_int_equal(medio_card_irq_open(s.card, MEDIO_CARD_INTX, 1), 0);
	assert_int_equal(medio_card_irq_open(s.card, MEDIO_CARD_INTX, 1), -EBUSY);
	int fd = sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set));
	assert_int_equal(set.flags, MEDIO_VU_IRQ_DATA_EVENTFD | MEDIO_VU_IRQ_ACTION_TRIGGER);
	assert_int_equal(set.count, 1);
	assert_int_equal(medio_card_irq_wait(s.card, MEDIO_CARD_INTX, 0, 1, &events), -ETIMEDOUT);
	assert_int_equal(write(fd, &three, sizeof(three)), sizeof(three));
	assert_int_equal(medio_card_irq_wait(s.card, MEDIO_CARD_INTX, 0, 60000, &events), 0);
	assert_int_equal(events, 3);
	answer(&s, MEDIO_VU_SET_IRQS, NULL, 0);
	assert_int_equal(medio_card_irq_unmask(s.card, MEDIO_CARD_INTX, 0, 1), 0);
	sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set));
	assert_int_equal(set.flags, MEDIO_VU_IRQ_DATA_NONE | MEDIO_VU_IRQ_ACTION_UNMASK);
	answer(&s, MEDIO_VU_SET_IRQS, NULL, 0);
	assert_int_equal(medio_card_irq_disable(s.card, MEDIO_CARD_INTX), 0);
	sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set));
	assert_int_equal(set.flags, MEDIO_VU_IRQ_DATA_NONE | MEDIO_VU_IRQ_ACTION_TRIGGER);
	assert_int_equal(set.start, 0);
	assert_int_equal(set.count, 0);
	assert_int_equal(medio_card_irq_fd(s.card, MEDIO_CARD_INTX, 0), -ENOENT);
	close(fd);
	script_close(&s);
}

static void waiting_for_an_interrupt_answers_dma_and_sees_the_end(void **state)
{
	struct medio_vu_irq_set set;
	uint64_t events = 0;
	struct script s;

	script_open(&s);
	know_irq(&s, MEDIO_CARD_INTX, 1);
	answer(&s, MEDIO_VU_SET_IRQS, NULL, 0);
	assert_int_equal(medio_card_irq_open(s.card, MEDIO_CARD_INTX, 1), 0);
	close(sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set)));
	ask(&s, MEDIO_VU_DMA_READ, 0, 8, NULL, 0);
	assert_int_equal(medio_card_irq_wait(s.card, MEDIO_CARD_INTX, 0, 5, &events), -ETIMEDOUT);
	answered(&s, MEDIO_VU_DMA_READ, ENODEV);
	close(s.server);
	s.server = -1;
	assert_int_equal(medio_card_irq_wait(s.card, MEDIO_CARD_INTX, 0, -1, &events), -ECONNRESET);
	script_close(&s);
}

static void waiting_answers_what_came_behind_an_earlier_reply(void **state)
{
	struct medio_vu_region_access access;
	struct medio_vu_irq_set set;
	struct script s;
	uint64_t events;
	uint32_t value;

	script_open(&s);
	know_region(&s, 4096);
	know_irq(&s, MEDIO_CARD_INTX, 1);
	answer(&s, MEDIO_VU_SET_IRQS, NULL, 0);
	assert_int_equal(medio_card_irq_open(s.card, MEDIO_CARD_INTX, 1), 0);
	close(sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set)));
	/* One receive brings both. */
	answer_access(&s, MEDIO_VU_REGION_READ, 0, 4, "abcd");
	ask(&s, MEDIO_VU_DMA_READ, 0, 8, NULL, 0);
	assert_int_equal(medio_card_read32(s.card, 0, 0, &value), 0);
	sent(&s, MEDIO_VU_REGION_READ, &access, sizeof(access));
	assert_int_equal(medio_card_irq_wait(s.card, MEDIO_CARD_INTX, 0, 0, &events), -ETIMEDOUT);
	answered(&s, MEDIO_VU_DMA_READ, ENODEV);
	script_close(&s);
}

static void eventfds_are_sent_in_runs_the_server_can_take(void **state)
{
	struct medio_vu_irq_set set;
	int event = eventfd(0, 0), fds[6] = { event, event, event, -1, -1, event };
	static const struct {
		uint32_t start, count;
		bool fd;
	} runs[] = { { 1, 2, true }, { 3, 1, true }, { 4, 2, false }, { 6, 1, true } };
	struct script s;

	script_open(&s);
	know_irq(&s, MEDIO_CARD_MSIX, 8);
	for (unsigned i = 0; i < 4; i++)
		answer(&s, MEDIO_VU_SET_IRQS, NULL, 0);
	assert_int_equal(medio_card_irq_assign(s.card, MEDIO_CARD_MSIX, 1, 6, fds), 0);
	for (unsigned i = 0; i < 4; i++) {
		int fd = sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set));
		assert_int_equal(set.start, runs[i].start);
		assert_int_equal(set.count, runs[i].count);
		assert_int_equal(fd >= 0, runs[i].fd);
		if (fd >= 0)
			close(fd);
	}
	assert_int_equal(medio_card_irq_assign(s.card, MEDIO_CARD_MSIX, 3, 6, fds), -EINVAL);
	close(event);
	script_close(&s);
}

/* The server has taken two of four: it keeps none, or it would say that MSI-X is in use for ever. */
static void vectors_that_cannot_all_be_opened_are_given_back(void **state)
{
	struct medio_vu_irq_set set;
	struct script s;

	script_open(&s);
	know_irq(&s, MEDIO_CARD_MSIX, 4);
	answer(&s, MEDIO_VU_SET_IRQS, NULL, 0);
	refuse(&s, MEDIO_VU_SET_IRQS, ENOSPC);
	refuse(&s, MEDIO_VU_SET_IRQS, EINVAL);
	assert_int_equal(medio_card_irq_open(s.card, MEDIO_CARD_MSIX, 4), -ENOSPC);
	assert_non_null(strstr(medio_card_last_error(s.card), "No space"));
	close(sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set)));
	close(sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set)));
	assert_int_equal(sent(&s, MEDIO_VU_SET_IRQS, &set, sizeof(set)), -1);
	assert_int_equal(set.flags, MEDIO_VU_IRQ_DATA_NONE | MEDIO_VU_IRQ_ACTION_TRIGGER);
	assert_int_equal(set.index, MEDIO_CARD_MSIX);
	assert_int_equal(set.start, 0);
	assert_int_equal(set.count, 0);
	assert_int_equal(medio_card_irq_fd(s.card, MEDIO_CARD_MSIX, 0), -ENOENT);
	script_close(&s);
}

/* ---- The rest ---------------------------------------------------------------------------------- */

static void doorbells_get_fds_of_their_own(void **state)
{
	struct {
		struct medio_vu_io_fds head;
		struct medio_vu_ioeventfd entries[2];
	} reply = {
		.head = { sizeof(reply), 0, 0, 2 },
		.entries = { { .offset = 0x100, .size = 4 },
			{ .offset = 0x104,
				.size = 4,
				.flags = MEDIO_VU_IOEVENTFD_DATAMATCH,
				.datamatch = 5 } },
	};
	struct medio_card_doorbell bells[2];
	int event = eventfd(0, EFD_NONBLOCK);
	uint64_t one = 1;
	struct script s;

	script_open(&s);
	know_region(&s, 4096);
	answer_fds(&s, MEDIO_VU_GET_REGION_IO_FDS, &reply, sizeof(reply), &event, 1);
	assert_int_equal(medio_card_doorbells(s.card, 0, bells, 2), 2);
	assert_int_equal(bells[1].offset, 0x104);
	assert_true(bells[1].has_datamatch);
	assert_int_equal(bells[1].datamatch, 5);
	assert_int_equal(write(bells[1].fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(read(event, &one, sizeof(one)), sizeof(one));
	assert_int_equal(medio_card_doorbells(s.card, 0, NULL, 0), 2);
	script_close(&s);

	/* Hostile: no eventfd; one that would make its writer wait; an fd that did not come; more entries
	 * than bytes. */
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	script_open(&s);
	know_region(&s, 4096);
	answer_fds(&s, MEDIO_VU_GET_REGION_IO_FDS, &reply, sizeof(reply), &pipes[1], 1);
	assert_int_equal(medio_card_doorbells(s.card, 0, bells, 2), -EPROTO);
	script_close(&s);
	close(pipes[0]);
	close(pipes[1]);
	int full = eventfd(0, 0);
	one = UINT64_MAX - 1;
	assert_int_equal(write(full, &one, sizeof(one)), sizeof(one));
	script_open(&s);
	know_region(&s, 4096);
	answer_fds(&s, MEDIO_VU_GET_REGION_IO_FDS, &reply, sizeof(reply), &full, 1);
	assert_int_equal(medio_card_doorbells(s.card, 0, bells, 2), 2);
	one = 1;
	assert_int_equal(write(bells[0].fd, &one, sizeof(one)), -1);
	assert_int_equal(errno, EAGAIN);
	script_close(&s);
	close(full);
	script_open(&s);
	know_region(&s, 4096);
	reply.entries[1].fd_index = 1;
	answer_fds(&s, MEDIO_VU_GET_REGION_IO_FDS, &reply, sizeof(reply), &event, 1);
	assert_int_equal(medio_card_doorbells(s.card, 0, bells, 2), -EPROTO);
	script_close(&s);
	script_open(&s);
	know_region(&s, 4096);
	reply.head.count = 3;
	answer_fds(&s, MEDIO_VU_GET_REGION_IO_FDS, &reply, sizeof(reply), &event, 1);
	assert_int_equal(medio_card_doorbells(s.card, 0, bells, 2), -EPROTO);
	script_close(&s);
	close(event);
}

static void features_and_migration_carry_their_data(void **state)
{
	struct medio_vu_feature head = { 16, MEDIO_VU_FEATURE_GET };
	struct medio_vu_mig_state mig = { MEDIO_CARD_MIG_STOP_COPY, 0 };
	enum medio_card_mig_state got = MEDIO_CARD_MIG_ERROR;
	struct medio_vu_mig_data data = { 16, 3 };
	char buf[64], out[8];
	size_t size = 0;
	struct script s;

	script_open(&s);
	memcpy(buf, &head, 8);
	memcpy(buf + 8, &mig, 8);
	answer(&s, MEDIO_VU_DEVICE_FEATURE, buf, 16);
	assert_int_equal(medio_card_mig_get(s.card, &got), 0);
	assert_int_equal(got, MEDIO_CARD_MIG_STOP_COPY);
	sent(&s, MEDIO_VU_DEVICE_FEATURE, buf, 8);
	refuse(&s, MEDIO_VU_DEVICE_FEATURE, ENOTTY);
	assert_int_equal(medio_card_mig_set(s.card, MEDIO_CARD_MIG_RUNNING), -ENOTTY);
	sent(&s, MEDIO_VU_DEVICE_FEATURE, buf, 16);

	memcpy(buf, &data, 8);
	memcpy(buf + 8, "abc", 3);
	answer(&s, MEDIO_VU_MIG_DATA_READ, buf, 11);
	assert_int_equal(medio_card_mig_read(s.card, out, 8, &size), 0);
	assert_int_equal(size, 3);
	assert_memory_equal(out, "abc", 3);
	sent(&s, MEDIO_VU_MIG_DATA_READ, buf, 8);
	memset(buf, 0, sizeof(buf));
	answer(&s, MEDIO_VU_MIG_DATA_WRITE, NULL, 0);
	answer(&s, MEDIO_VU_MIG_DATA_WRITE, NULL, 0);
	char state_data[65] = { 0 };
	assert_int_equal(medio_card_mig_write(s.card, state_data, 65), 0);
	char first[8 + 64], second[9];
	sent(&s, MEDIO_VU_MIG_DATA_WRITE, first, sizeof(first));
	sent(&s, MEDIO_VU_MIG_DATA_WRITE, second, sizeof(second));
	/* More than was asked for. */
	data.size = 9;
	memcpy(buf, &data, 8);
	answer(&s, MEDIO_VU_MIG_DATA_READ, buf, 17);
	assert_int_equal(medio_card_mig_read(s.card, out, 8, &size), -EPROTO);
	script_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_instance_is_found_by_its_uuid),
		cmocka_unit_test(a_uri_that_cannot_be_opened_gets_an_errno_and_words),
		cmocka_unit_test(open_checks_what_the_server_says_it_is),
		cmocka_unit_test(info_is_what_was_negotiated),
		cmocka_unit_test(registers_are_read_and_written_little_endian),
		cmocka_unit_test(long_accesses_are_split_at_the_servers_limit),
		cmocka_unit_test(accesses_outside_a_region_never_leave),
		cmocka_unit_test(a_wrong_answer_to_a_read_kills_the_card),
		cmocka_unit_test(the_devices_errno_comes_back_and_the_card_lives),
		cmocka_unit_test(posted_writes_go_out_with_the_next_read),
		cmocka_unit_test(a_fifo_register_is_read_in_one_round_trip),
		cmocka_unit_test(sparse_areas_are_mapped_and_nothing_else),
		cmocka_unit_test(hostile_region_infos_are_refused),
		cmocka_unit_test(allocated_memory_goes_to_the_server_as_a_file),
		cmocka_unit_test(bad_mappings_are_refused_here),
		cmocka_unit_test(the_servers_dma_is_answered_within_bounds_and_permissions),
		cmocka_unit_test(memory_reached_by_calls_is_copied_for_the_server),
		cmocka_unit_test(a_files_mapping_goes_whole),
		cmocka_unit_test(a_file_of_somebody_elses_may_be_cut_short),
		cmocka_unit_test(opened_vectors_are_waited_for_and_disabled),
		cmocka_unit_test(waiting_for_an_interrupt_answers_dma_and_sees_the_end),
		cmocka_unit_test(waiting_answers_what_came_behind_an_earlier_reply),
		cmocka_unit_test(eventfds_are_sent_in_runs_the_server_can_take),
		cmocka_unit_test(vectors_that_cannot_all_be_opened_are_given_back),
		cmocka_unit_test(doorbells_get_fds_of_their_own),
		cmocka_unit_test(features_and_migration_carry_their_data),
	};
	return cmocka_run_group_tests_name("drive_card", tests, NULL, NULL);
}
