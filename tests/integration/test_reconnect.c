/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver whose server dies and comes back. The server is a process with the toy, which dies at given
 * moments by its own hand or is killed; the driver is the test.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/local.h>
#include <medio/serve.h>

#include "device/instance.h"
#include "toy.h"
#include "util/error.h"
#include "util/loop.h"

#define PAGE  4096u
#define FILED UINT64_C(0x100000) /* memory the server maps */
#define ASKED UINT64_C(0x200000) /* memory the server asks for */
#define RW    (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define LONG  60000 /* ms: more than a slow machine needs */

/* Places in BAR2 at which the toy of this test dies. */
#define DIE_READING 0x1000u /* of being read */
#define DIE_WRITING 0x1008u /* of being written */
#define DIE_MOVING  0x1010u /* in the middle of DMA that a write starts */

/* ---- The server -------------------------------------------------------------------------------- */

static void die_moved(void *opaque, int ret)
{
	(void)opaque;
	(void)ret;
	raise(SIGKILL);
}

static void no_matter(void *opaque, int ret)
{
	(void)opaque;
	(void)ret;
}

static int deadly_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	if (region == 2 && offset == DIE_READING)
		raise(SIGKILL);
	return toy_type.ops->region_read(dev, region, offset, buf, count);
}

static int deadly_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct toy *toy = toy_of(dev);

	if (region == 2 && offset == DIE_WRITING)
		raise(SIGKILL);
	if (region == 2 && offset == DIE_MOVING) {
		/* When the first is done, the second has only begun. */
		medio_dma_read_async(dev, ASKED, toy->dma, 64, die_moved, NULL);
		medio_dma_read_async(dev, ASKED, toy->dma + PAGE, PAGE, no_matter, NULL);
		return 0;
	}
	return toy_type.ops->region_write(dev, region, offset, buf, count);
}

static void no_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void serve(const char *path, const struct medio_type *like, int ready)
{
	const struct medio_instance_options opts = { .log = no_log };
	struct medio_device_ops ops = *toy_type.ops;
	struct medio_type type = *like;
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_server *server;

	ops.region_read = deadly_read;
	ops.region_write = deadly_write;
	type.ops = &ops;
	if (medio_loop_new(&loop) || medio_instance_new(loop, &type, &opts, &inst, NULL) ||
		medio_server_new(inst, path, NULL, &server, NULL))
		_exit(1);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	medio_loop_run(loop);
	_exit(0);
}

struct bed {
	char dir[32], path[64], uri[80];
	pid_t server; /* 0: none */
	struct medio_card *card;
	unsigned fds; /* that were open before */
	uint8_t *filed;
	uint8_t *asked;
};

static void start(struct bed *bed, const struct medio_type *type)
{
	int ready[2];
	char byte;

	assert_int_equal(bed->server, 0);
	assert_int_equal(pipe(ready), 0);
	bed->server = fork();
	assert_true(bed->server >= 0);
	if (!bed->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* What the test has open would keep its connections alive. */
		dup2(ready[1], 3);
		close_range(4, ~0u, 0);
		serve(bed->path, type, 3);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

/* It has ended, or is ended now. */
static void gone(struct bed *bed, bool kill_it)
{
	int status;

	if (kill_it)
		kill(bed->server, SIGKILL);
	assert_int_equal(waitpid(bed->server, &status, 0), bed->server);
	assert_true(WIFSIGNALED(status));
	bed->server = 0;
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	const struct medio_card_options opts = { .timeout_ms = LONG };

	memcpy(bed->dir, "/tmp/medio-bed-XXXXXX", 22);
	assert_non_null(mkdtemp(bed->dir));
	snprintf(bed->path, sizeof(bed->path), "%s/s", bed->dir);
	snprintf(bed->uri, sizeof(bed->uri), "vfio-user:%s", bed->path);
	bed->fds = count_fds();
	start(bed, &toy_type);
	assert_int_equal(medio_card_open(bed->uri, &opts, &bed->card, NULL), 0);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	medio_card_close(bed->card);
	if (bed->server)
		gone(bed, true);
	free(bed->asked);
	assert_int_equal(count_fds(), bed->fds);
	unlink(bed->path);
	assert_int_equal(rmdir(bed->dir), 0);
	free(bed);
	return 0;
}

/* ---- The driver -------------------------------------------------------------------------------- */

static void set(struct bed *bed, uint64_t reg, uint32_t value)
{
	assert_int_equal(medio_card_write32(bed->card, MEDIO_CARD_BAR0, reg, value), 0);
}

static void bus_master(struct bed *bed)
{
	assert_int_equal(medio_card_write16(bed->card, MEDIO_CARD_CONFIG, PCI_COMMAND,
				 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
		0);
}

static void give_memory(struct bed *bed)
{
	bed->asked = aligned_alloc(PAGE, PAGE);
	assert_int_equal(medio_card_dma_alloc(bed->card, FILED, PAGE, RW, (void **)&bed->filed), 0);
	assert_int_equal(medio_card_dma_map(bed->card, ASKED, PAGE, RW, bed->asked), 0);
}

/* The device copies len bytes within it: from one page into the other, either way. */
static void device_copies(struct bed *bed, const char *text)
{
	size_t len = strlen(text) + 1;

	memcpy(bed->asked, text, len);
	memset(bed->filed, 0, PAGE);
	bus_master(bed);
	/* A read of BAR4 that is answered when what is at iova has come. */
	set(bed, TOY_LEN, (uint32_t)len);
	set(bed, TOY_IOVA, ASKED >> 12);
	set(bed, TOY_MODE, TOY_DMA_READS);
	uint32_t value;
	assert_int_equal(medio_card_read32(bed->card, 4, 0x1800, &value), 0);
	set(bed, TOY_MODE, 0);
	/* At once, which only memory that the server has mapped permits. */
	set(bed, TOY_IOVA, FILED >> 12);
	set(bed, TOY_DMA, TOY_COPY_OUT);
	assert_string_equal((char *)bed->filed, text);
}

static void interrupt_comes(struct bed *bed)
{
	uint64_t events = 0;

	bus_master(bed);
	set(bed, TOY_PULSE, 1);
	assert_int_equal(medio_card_irq_wait(bed->card, MEDIO_CARD_MSI, 1, LONG, &events), 0);
	assert_int_equal(events, 1);
}

static void is_dead(struct bed *bed)
{
	uint32_t value;

	assert_int_equal(medio_card_read32(bed->card, MEDIO_CARD_CONFIG, 0, &value), -ENOTCONN);
	assert_true(*medio_card_last_error(bed->card));
}

static void said(struct bed *bed, const char *word)
{
	if (!strstr(medio_card_last_error(bed->card), word))
		fail_msg("\"%s\" does not say %s", medio_card_last_error(bed->card), word);
}

static void comes_back(struct bed *bed)
{
	if (medio_card_reconnect(bed->card, LONG))
		fail_msg("reconnect: %s", medio_card_last_error(bed->card));
}

/* ---- The tests --------------------------------------------------------------------------------- */

static void test_after_a_crash_in_a_read_memory_and_interrupts_work_again(void **state)
{
	struct bed *bed = *state;
	uint64_t value;
	struct medio_card_region region;

	give_memory(bed);
	assert_int_equal(medio_card_get_region(bed->card, 4, &region), 0);
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSI, 2), 0);
	int fd = medio_card_irq_fd(bed->card, MEDIO_CARD_MSI, 1);
	interrupt_comes(bed);
	device_copies(bed, "before");

	assert_int_equal(medio_card_read64(bed->card, 2, DIE_READING, &value), -ECONNRESET);
	gone(bed, false);
	is_dead(bed);
	start(bed, &toy_type);
	comes_back(bed);

	assert_int_equal(medio_card_irq_fd(bed->card, MEDIO_CARD_MSI, 1), fd);
	interrupt_comes(bed);
	device_copies(bed, "after");
	/* Nothing is known twice, nothing is lost. */
	struct medio_card_dma_info info;
	medio_card_get_dma_info(bed->card, &info);
	assert_int_equal(info.num_maps, 2);
	assert_int_equal(medio_card_dma_unmap(bed->card, FILED, PAGE), 0);
	assert_int_equal(medio_card_irq_disable(bed->card, MEDIO_CARD_MSI), 0);
}

static void test_a_crash_in_the_middle_of_dma_is_an_error_and_no_more(void **state)
{
	struct bed *bed = *state;
	uint64_t events;

	give_memory(bed);
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSI, 2), 0);
	bus_master(bed);
	assert_int_equal(medio_card_write32(bed->card, 2, DIE_MOVING, 1), 0);
	/* Waiting is what answers the requests. */
	assert_int_equal(
		medio_card_irq_wait(bed->card, MEDIO_CARD_MSI, 0, LONG, &events), -ECONNRESET);
	gone(bed, false);
	is_dead(bed);
	start(bed, &toy_type);
	comes_back(bed);
	interrupt_comes(bed);
	device_copies(bed, "after");
}

static void test_posted_writes_that_wait_are_lost(void **state)
{
	struct bed *bed = *state;
	uint32_t value = 0;

	assert_int_equal(medio_card_write32(bed->card, 2, 0, 1), 0);
	value = 7;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(medio_card_post(bed->card, 2, 4 * i, &value, 4), 0);
	gone(bed, true);
	assert_int_equal(medio_card_read32(bed->card, 2, 0, &value), -ECONNRESET);
	start(bed, &toy_type);
	comes_back(bed);
	assert_int_equal(medio_card_read32(bed->card, 2, 0, &value), 0);
	assert_int_equal(value, 0);
	value = 9;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(medio_card_post(bed->card, 2, 4 * i, &value, 4), 0);
	assert_int_equal(medio_card_read32(bed->card, 2, 4 * 999, &value), 0);
	assert_int_equal(value, 9);
}

static void test_many_posted_writes_keep_their_order(void **state)
{
	struct bed *bed = *state;
	uint32_t value;
	uint8_t bytes[12];

	for (unsigned i = 0; i < 5000; i++) {
		value = i;
		assert_int_equal(medio_card_post(bed->card, 2, 0, &value, 4), 0);
		assert_int_equal(medio_card_post(bed->card, 2, 8 + i % 3, &value, 1 + i % 4), 0);
		memset(bytes, (int)i, sizeof(bytes));
		if (i % 7 == 0)
			assert_int_equal(
				medio_card_post(bed->card, 2, 16, bytes, sizeof(bytes)), 0);
		if (i % 1000 != 999)
			continue;
		assert_int_equal(medio_card_read32(bed->card, 2, 0, &value), 0);
		assert_int_equal(value, i);
		assert_int_equal(medio_card_read32(bed->card, 2, 24, &value), 0);
		assert_int_equal(value & 0xff, i / 7 * 7 & 0xff);
	}
	/* One that the device refuses is in no other's way. */
	value = 1;
	assert_int_equal(medio_card_post(bed->card, 2, 0, &value, 4), 0);
	assert_int_equal(medio_card_write32(bed->card, MEDIO_CARD_BAR0, TOY_MODE, TOY_FAIL), 0);
	assert_int_equal(medio_card_post(bed->card, 2, 0, "a", 1), 0);
	assert_int_equal(medio_card_post(bed->card, 2, 0, "b", 1), 0);
	value = 0;
	assert_int_equal(medio_card_post(bed->card, MEDIO_CARD_BAR0, TOY_MODE, &value, 4), 0);
	assert_int_equal(medio_card_post(bed->card, 2, 0, "c", 1), 0);
	uint8_t byte = 0;
	assert_int_equal(medio_card_read8(bed->card, 2, 0, &byte), 0);
	assert_int_equal(byte, 'c');
}

static void test_doorbells_and_mapped_areas_are_the_new_servers(void **state)
{
	struct bed *bed = *state;
	struct medio_card_doorbell bells[4];
	struct medio_card_region region;
	uint8_t *before, *after;

	assert_int_equal(medio_card_doorbells(bed->card, 1, bells, 4), 3);
	assert_int_equal(medio_card_get_region(bed->card, 1, &region), 0);
	assert_int_equal(region.num_areas, 2);
	assert_int_equal(medio_card_mmap(bed->card, 5, 0, TOY_MAP_SIZE, (void **)&before), 0);
	memcpy(before, "old", 4);
	gone(bed, true);
	start(bed, &toy_type);
	comes_back(bed);
	/* What was mapped is there still, of the server that is no more. */
	assert_string_equal((char *)before, "old");
	assert_int_equal(medio_card_mmap(bed->card, 5, 0, TOY_MAP_SIZE, (void **)&after), 0);
	assert_int_equal(after[0], 0);
	medio_card_munmap(before, TOY_MAP_SIZE);
	medio_card_munmap(after, TOY_MAP_SIZE);
	assert_int_equal(medio_card_get_region(bed->card, 1, &region), 0);
	assert_int_equal(region.num_areas, 2);
	assert_int_equal(region.areas[1].offset, 0x4000);
	assert_int_equal(medio_card_doorbells(bed->card, 1, bells, 4), 3);
	uint64_t one = 1;
	assert_int_equal(write(bells[0].fd, &one, sizeof(one)), sizeof(one));
}

static void refuses(struct bed *bed, const struct medio_type *other, const char *word)
{
	gone(bed, true);
	start(bed, other);
	assert_int_equal(medio_card_reconnect(bed->card, LONG), -ESTALE);
	said(bed, "another card");
	said(bed, word);
	is_dead(bed);
}

static void test_another_card_at_the_path_is_refused(void **state)
{
	struct bed *bed = *state;
	struct medio_type other = toy_type;
	struct medio_card_irq irq;
	uint32_t value;

	give_memory(bed);
	assert_int_equal(medio_card_read32(bed->card, 2, 0, &value), 0);
	assert_int_equal(medio_card_get_irq(bed->card, MEDIO_CARD_MSIX, &irq), 0);

	other.id.device++;
	refuses(bed, &other, "device and vendor");
	other = toy_type;
	other.id.subsystem_device++;
	refuses(bed, &other, "subsystem");
	other = toy_type;
	other.id.class_code ^= 0x10000;
	refuses(bed, &other, "class");
	other = toy_type;
	other.bars[2].size *= 2;
	refuses(bed, &other, "region 2");
	other = toy_type;
	other.irqs.msix.vectors--;
	refuses(bed, &other, "interrupt 2");

	/* It waits for the right one. */
	gone(bed, true);
	start(bed, &toy_type);
	comes_back(bed);
	device_copies(bed, "after");
}

static void test_what_nobody_asked_about_may_differ(void **state)
{
	struct bed *bed = *state;
	struct medio_type other = toy_type;
	uint32_t value;

	assert_int_equal(medio_card_read32(bed->card, 4, 0x1800, &value), 0);
	other.bars[2].size *= 2;
	gone(bed, true);
	start(bed, &other);
	comes_back(bed);
	struct medio_card_region region;
	assert_int_equal(medio_card_get_region(bed->card, 2, &region), 0);
	assert_int_equal(region.size, 2 * TOY_STORE_SIZE);
}

static void test_a_card_that_lives_or_cannot_come_back_is_told(void **state)
{
	struct bed *bed = *state;
	struct medio_card *card;
	int fds[2];

	assert_int_equal(medio_card_reconnect(bed->card, 0), -EALREADY);
	assert_int_equal(medio_card_reconnect(bed->card, -2), -EINVAL);
	said(bed, "-2");
	uint32_t value;
	assert_int_equal(medio_card_read32(bed->card, 2, 0, &value), 0);

	/* Nobody speaks at the other end, which then hangs up. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[1]);
	assert_true(medio_card_open_fd(fds[0], NULL, &card, NULL) < 0);
	/* A connection that was given. */
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	memcpy(addr.sun_path, bed->path, sizeof(bed->path));
	medio_card_close(bed->card);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(medio_card_open_fd(fd, NULL, &bed->card, NULL), 0);
	gone(bed, true);
	assert_int_equal(medio_card_reconnect(bed->card, LONG), -ENOTSUP);
	said(bed, "connected socket");
}

static void test_a_server_that_went_unnoticed_is_noticed(void **state)
{
	struct bed *bed = *state;
	uint32_t value;

	gone(bed, true);
	start(bed, &toy_type);
	/* No call has failed yet. */
	comes_back(bed);
	assert_int_equal(medio_card_read32(bed->card, 2, 0, &value), 0);
}

static void test_nobody_there_times_out_with_words(void **state)
{
	struct bed *bed = *state;

	gone(bed, true);
	assert_int_equal(medio_card_reconnect(bed->card, 0), -ETIMEDOUT);
	said(bed, "nobody serves there");
	assert_int_equal(medio_card_reconnect(bed->card, 30), -ETIMEDOUT);
	said(bed, "within 30 ms");
	unlink(bed->path);
	assert_int_equal(medio_card_reconnect(bed->card, 10), -ETIMEDOUT);
	said(bed, "No such file");
	is_dead(bed);
}

/* Listens at the path. */
static int listen_at(const struct bed *bed)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(addr.sun_path, bed->path, sizeof(bed->path));
	unlink(bed->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void test_a_listener_without_a_server_does_not_hold_us(void **state)
{
	struct bed *bed = *state;

	gone(bed, true);
	int fd = listen_at(bed);
	uint64_t before = medio_now_ns();
	assert_int_equal(medio_card_reconnect(bed->card, 50), -ETIMEDOUT);
	said(bed, "no answer in time");
	/* The time limit of calls is LONG. */
	assert_true(medio_now_ns() - before < LONG * UINT64_C(1000000) / 2);
	close(fd);
	unlink(bed->path);
}

/* The server lives no longer than the thread that started it. */
struct late {
	struct bed *bed;
	sem_t done;
};

static void *start_late(void *arg)
{
	struct late *late = arg;

	start(late->bed, &toy_type);
	while (sem_wait(&late->done) < 0) {
	}
	return NULL;
}

static void test_it_waits_for_the_server(void **state)
{
	struct late late = { .bed = *state };
	struct bed *bed = *state;
	pthread_t thread;
	uint32_t value;

	gone(bed, true);
	sem_init(&late.done, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, start_late, &late), 0);
	comes_back(bed);
	assert_int_equal(medio_card_read32(bed->card, 2, 0, &value), 0);
	sem_post(&late.done);
	pthread_join(thread, NULL);
	sem_destroy(&late.done);
}

static void test_a_driver_can_let_go_before_and_begin_anew(void **state)
{
	struct bed *bed = *state;
	uint64_t value;

	give_memory(bed);
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSI, 2), 0);
	assert_int_equal(medio_card_read64(bed->card, 2, DIE_READING, &value), -ECONNRESET);
	gone(bed, false);
	/* A dead card takes all back: the server has forgotten it. */
	assert_int_equal(medio_card_irq_disable(bed->card, MEDIO_CARD_MSI), 0);
	assert_int_equal(medio_card_dma_unmap(bed->card, FILED, PAGE), 0);
	assert_int_equal(medio_card_dma_unmap(bed->card, ASKED, PAGE), 0);
	free(bed->asked);
	bed->asked = NULL;
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSI, 2), -ENOTCONN);
	start(bed, &toy_type);
	comes_back(bed);
	give_memory(bed);
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSI, 2), 0);
	interrupt_comes(bed);
	device_copies(bed, "anew");
}

static void test_another_card_of_the_container_goes_on(void **state)
{
	struct bed *bed = *state;
	struct bed other = { .server = 0 };
	struct medio_container *container;
	const struct medio_card_options opts = { .timeout_ms = LONG };
	struct medio_card_options shared = opts;
	uint64_t value;

	/* Two servers, two cards, one container. */
	snprintf(other.path, sizeof(other.path), "%.60s2", bed->path);
	snprintf(other.uri, sizeof(other.uri), "vfio-user:%s", other.path);
	start(&other, &toy_type);
	medio_card_close(bed->card);
	assert_int_equal(medio_container_new(&container), 0);
	shared.container = container;
	assert_int_equal(medio_card_open(bed->uri, &shared, &bed->card, NULL), 0);
	assert_int_equal(medio_card_open(other.uri, &shared, &other.card, NULL), 0);
	medio_container_free(container);
	give_memory(bed);
	other.filed = bed->filed;
	other.asked = bed->asked;
	device_copies(&other, "both");
	assert_int_equal(medio_card_read64(bed->card, 2, DIE_READING, &value), -ECONNRESET);
	gone(bed, false);
	device_copies(&other, "one");
	start(bed, &toy_type);
	comes_back(bed);
	device_copies(bed, "again");
	device_copies(&other, "both");
	medio_card_close(other.card);
	gone(&other, true);
	unlink(other.path);
}

static void test_again_and_again(void **state)
{
	struct bed *bed = *state;
	uint32_t value = 1;

	give_memory(bed);
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSI, 2), 0);
	unsigned fds = 0;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(medio_card_write32(bed->card, 2, DIE_WRITING, value), -ECONNRESET);
		gone(bed, false);
		start(bed, &toy_type);
		comes_back(bed);
		interrupt_comes(bed);
		device_copies(bed, "again");
		if (!fds)
			fds = count_fds();
		assert_int_equal(count_fds(), fds);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(after_a_crash_in_a_read_memory_and_interrupts_work_again),
		TEST(a_crash_in_the_middle_of_dma_is_an_error_and_no_more),
		TEST(posted_writes_that_wait_are_lost),
		TEST(many_posted_writes_keep_their_order),
		TEST(doorbells_and_mapped_areas_are_the_new_servers),
		TEST(another_card_at_the_path_is_refused),
		TEST(what_nobody_asked_about_may_differ),
		TEST(a_card_that_lives_or_cannot_come_back_is_told),
		TEST(a_server_that_went_unnoticed_is_noticed),
		TEST(nobody_there_times_out_with_words),
		TEST(a_listener_without_a_server_does_not_hold_us),
		TEST(it_waits_for_the_server),
		TEST(a_driver_can_let_go_before_and_begin_anew),
		TEST(another_card_of_the_container_goes_on),
		TEST(again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
