/* SPDX-License-Identifier: BSD-3-Clause */
/* Features of a device of VFIO's: migration through a descriptor, and the log of what it writes; and a device whose server
 * dies. */
#include <linux/pci_regs.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "compat/kmap.h"
#include "test_card_bed.h"
#include "drive/backend.h"
#include "test_kdev_bed.h"

#define GET   VFIO_DEVICE_FEATURE_GET
#define SET   VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE
#define RW    (MEDIO_SPAN_READ | MEDIO_SPAN_WRITE)

enum { TOKEN = 0, MIGRATION = 1, STATE = 2, START = 6, STOP = 7, REPORT = 8, SIZE = 9 };

/* size bytes of data, as argsz says. */
static int64_t feature(struct bed *bed, uint32_t flags, void *data, size_t size)
{
	uint32_t buf[64] = { (uint32_t)(8 + size), flags };

	memcpy(&buf[2], data, size);
	int64_t ret = bed_ioctl(bed, VFIO_DEVICE_FEATURE, buf);
	memcpy(data, &buf[2], size);
	return ret;
}

/* ---- What there is ----------------------------------------------------------------------------- */

static void features_are_probed(void **state)
{
	struct bed *bed = *state;
	char no[1];

	assert_int_equal(feature(bed, PROBE | GET | MIGRATION, no, 0), 0);
	assert_int_equal(feature(bed, PROBE | MIGRATION, no, 0), 0);
	assert_int_equal(feature(bed, PROBE | SET | MIGRATION, no, 0), -EINVAL);
	assert_int_equal(feature(bed, PROBE | GET | SET | STATE, no, 0), 0);
	assert_int_equal(feature(bed, PROBE | SET | START, no, 0), 0);
	assert_int_equal(feature(bed, PROBE | SET | STOP, no, 0), 0);
	assert_int_equal(feature(bed, PROBE | GET | REPORT, no, 0), 0);
	assert_int_equal(feature(bed, PROBE | GET | SIZE, no, 0), 0);
	assert_int_equal(feature(bed, PROBE | GET | START, no, 0), -EINVAL);
}

static void what_there_is_not_is_said_as_the_kernel_does(void **state)
{
	struct bed *bed = *state;
	int ret = bed->kdev->look == MEDIO_KDEV_MDEV ? -EINVAL : -ENOTTY;
	uint8_t data[16] = { 0 };

	for (uint32_t number = 3; number <= 5; number++) /* LOW_POWER */
		assert_int_equal(feature(bed, SET | number, data, 0), ret);
	assert_int_equal(feature(bed, SET | TOKEN, data, 16), ret);
	assert_int_equal(feature(bed, PROBE | 0xffff, data, 0), ret);
	assert_int_equal(feature(bed, GET | SET | STATE, data, 8), -EINVAL);
	assert_int_equal(feature(bed, GET | STATE | 1 << 19, data, 8), -EINVAL);
	assert_int_equal(feature(bed, MIGRATION, data, 8), -EINVAL);
	assert_int_equal(feature(bed, GET | MIGRATION, data, 7), -EINVAL);
	assert_int_equal(feature(bed, GET | STATE, data, 7), -EINVAL);
	uint32_t small = 7;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_FEATURE, NULL), -EFAULT);
	uint32_t head[2] = { small, PROBE | MIGRATION };
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_FEATURE, head), -EINVAL);
}

static void a_card_without_state_cannot_migrate(void **state)
{
	struct bed *bed = *state;
	uint64_t data = 0;

	assert_int_equal(feature(bed, PROBE | MIGRATION, &data, 0), -ENOTTY);
	assert_int_equal(feature(bed, GET | MIGRATION, &data, 8), -ENOTTY);
	assert_int_equal(feature(bed, GET | STATE, &data, 8), -ENOTTY);
	assert_int_equal(feature(bed, GET | SIZE, &data, 8), -ENOTTY);
}

/* ---- Migration --------------------------------------------------------------------------------- */

/* The state after it, or -errno; *fd is what came with it. */
static int64_t go(struct bed *bed, uint32_t to, int *fd)
{
	struct vfio_device_feature_mig_state mig = { .device_state = to, .data_fd = 77 };
	int64_t ret = feature(bed, SET | STATE, &mig, sizeof(mig));

	*fd = mig.data_fd;
	if (ret)
		return ret;
	ret = feature(bed, GET | STATE, &mig, sizeof(mig));
	assert_int_equal(mig.data_fd, -1);
	return ret ? ret : mig.device_state;
}

/* All that comes, with the loop run whenever nothing does. */
static size_t drain(struct bed *bed, int fd, uint8_t *buf, size_t cap)
{
	size_t size = 0;

	for (;;) {
		ssize_t got = recv(fd, buf + size, cap - size, MSG_DONTWAIT);
		if (!got)
			return size;
		assert_true(got > 0 || errno == EAGAIN);
		if (got > 0)
			size += (size_t)got;
		else
			medio_loop_run_once(bed->loop, -1);
	}
}

static void fill(uint8_t *buf, uint32_t seed)
{
	for (size_t i = 0; i < BENCH_STATE; i++)
		buf[i] = (uint8_t)((i + seed) * 2654435761u >> 24);
}

static void the_state_is_read_from_a_descriptor(void **state)
{
	static uint8_t in[BENCH_STATE + 1], out[BENCH_STATE];
	struct bed *bed = *state;
	uint64_t data = 0;
	int fd = -1;

	assert_int_equal(feature(bed, GET | MIGRATION, &data, 8), 0);
	assert_int_equal(data, VFIO_MIGRATION_STOP_COPY);
	assert_int_equal(feature(bed, GET | SIZE, &data, 8), 0);
	assert_true(data > 0);
	fill(out, 1);
	memcpy(bed_bench(bed)->state, out, BENCH_STATE);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_STOP_COPY, &fd), VFIO_DEVICE_STATE_STOP_COPY);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(drain(bed, fd, in, sizeof(in)), BENCH_STATE);
	assert_memory_equal(in, out, BENCH_STATE);
	close(fd);
	assert_int_equal(feature(bed, GET | SIZE, &data, 8), 0);
	assert_int_equal(data, BENCH_STATE);
	/* There again, nothing new begins. */
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_STOP_COPY, &fd), VFIO_DEVICE_STATE_STOP_COPY);
	assert_int_equal(fd, -1);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RUNNING, &fd), VFIO_DEVICE_STATE_RUNNING);
	assert_int_equal(fd, -1);
}

static void the_state_is_written_to_a_descriptor(void **state)
{
	static uint8_t out[BENCH_STATE];
	struct bed *bed = *state;
	size_t done = 0;
	int fd = -1;

	fill(out, 2);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RESUMING, &fd), VFIO_DEVICE_STATE_RESUMING);
	while (done < BENCH_STATE) {
		ssize_t put = send(fd, out + done, BENCH_STATE - done, MSG_DONTWAIT);
		assert_true(put > 0 || errno == EAGAIN);
		if (put > 0)
			done += (size_t)put;
		else
			medio_loop_run_once(bed->loop, -1);
	}
	/* What is still on its way counts. */
	int copy = dup(fd);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RUNNING, &fd), VFIO_DEVICE_STATE_RUNNING);
	assert_memory_equal(bed_bench(bed)->state, out, BENCH_STATE);
	/* Later writes go nowhere, and do not end the program. */
	assert_int_equal(write(copy, out, 100), 100);
	bed_run(bed);
	assert_int_equal(write(copy, out, 100), 100);
	close(copy);
	bed_run(bed);
}

static void a_state_that_is_not_good_is_refused(void **state)
{
	struct bed *bed = *state;
	int fd = -1, none;

	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RESUMING, &fd), VFIO_DEVICE_STATE_RESUMING);
	assert_int_equal(write(fd, "nonsense", 8), 8);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RUNNING, &none), -EINVAL);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RUNNING, &none), VFIO_DEVICE_STATE_RUNNING);
	close(fd);
}

static void a_state_left_early_ends_with_an_error(void **state)
{
	static uint8_t in[BENCH_STATE];
	struct bed *bed = *state;
	int fd = -1, none;
	ssize_t got;

	assert_int_equal(go(bed, VFIO_DEVICE_STATE_STOP_COPY, &fd), VFIO_DEVICE_STATE_STOP_COPY);
	bed_run(bed);
	assert_true(recv(fd, in, 4096, MSG_DONTWAIT) > 0);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_STOP, &none), VFIO_DEVICE_STATE_STOP);
	do
		got = recv(fd, in, sizeof(in), MSG_DONTWAIT);
	while (got > 0);
	assert_int_equal(got, -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

static void a_program_may_close_the_descriptor_first(void **state)
{
	struct bed *bed = *state;
	int fd = -1;

	assert_int_equal(go(bed, VFIO_DEVICE_STATE_STOP_COPY, &fd), VFIO_DEVICE_STATE_STOP_COPY);
	bed_run(bed);
	bed_close_fd(bed, fd);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RESUMING, &fd), VFIO_DEVICE_STATE_RESUMING);
	bed_close_fd(bed, fd);
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RUNNING, &fd), VFIO_DEVICE_STATE_RUNNING);
}

static void many_descriptors_that_nobody_closes(void **state)
{
	struct bed *bed = *state;
	int fds[40], none;

	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(
			go(bed, VFIO_DEVICE_STATE_RESUMING, &fds[i]), VFIO_DEVICE_STATE_RESUMING);
		assert_int_equal(go(bed, VFIO_DEVICE_STATE_STOP, &none), VFIO_DEVICE_STATE_STOP);
	}
	bed_run(bed);
	for (unsigned i = 0; i < 40; i++)
		close(fds[i]);
}

static void states_there_are_not_are_einval(void **state)
{
	const uint32_t none[] = { VFIO_DEVICE_STATE_ERROR, VFIO_DEVICE_STATE_RUNNING_P2P, 6, 7, 8,
		UINT32_MAX };
	struct bed *bed = *state;
	int fd;

	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(go(bed, none[i], &fd), -EINVAL);
		assert_int_equal(fd, -1);
	}
	bed->p.limit = 1;
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_STOP_COPY, &fd), -EMFILE);
	bed->p.limit = 0;
	assert_int_equal(go(bed, VFIO_DEVICE_STATE_RUNNING, &fd), VFIO_DEVICE_STATE_RUNNING);
}

/* ---- The log ----------------------------------------------------------------------------------- */

static int64_t start(struct bed *bed, uint64_t page, uint32_t count, const void *ranges)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = page, .num_ranges = count, .ranges = (uintptr_t)ranges
	};

	return feature(bed, SET | START, &control, sizeof(control));
}

static int64_t report(struct bed *bed, uint64_t iova, uint64_t length, uint64_t page, void *bitmap)
{
	struct vfio_device_feature_dma_logging_report what = {
		.iova = iova, .length = length, .page_size = page, .bitmap = (uintptr_t)bitmap
	};

	return feature(bed, GET | REPORT, &what, sizeof(what));
}

static void put(struct bed *bed, uint64_t iova)
{
	assert_int_equal(bed_write(bed, 0, BENCH_PUT, &iova, 8), 8);
}

static void the_log_has_what_the_device_wrote(void **state)
{
	const struct vfio_device_feature_dma_logging_range all = { 0, 1 << 20 };
	struct bed *bed = *state;
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	uint64_t bits[4] = { 0 };
	uint8_t *memory;

	bed->span = bed_span(1 << 20, RW, &memory);
	assert_int_equal(medio_kdev_map(bed->kdev, 0, bed->span, RW), 0);
	assert_int_equal(bed_write(bed, 7, PCI_COMMAND, &command, 2), 2);
	assert_int_equal(report(bed, 0, 1 << 20, 4096, bits), -EINVAL);
	assert_int_equal(start(bed, 4096, 1, &all), 0);
	assert_int_equal(start(bed, 4096, 1, &all), -EINVAL);
	put(bed, 0x3008);
	put(bed, 0x80000);
	/* Bits are added to those that are there. */
	bits[1] = 1;
	assert_int_equal(report(bed, 0, 1 << 20, 4096, bits), 0);
	assert_int_equal(bits[0], 1 << 3);
	assert_int_equal(bits[1], 1);
	assert_int_equal(bits[2], 1);
	assert_int_equal(bits[3], 0);
	memset(bits, 0, sizeof(bits));
	assert_int_equal(report(bed, 0, 1 << 20, 4096, bits), 0);
	assert_int_equal(bits[0] | bits[2], 0);
	/* A server may say that it takes hardly anything at once. */
	for (uint64_t most = 0; most < 80; most++) {
		uint64_t usual = bed->kdev->card->info.max_data_xfer;
		put(bed, 0x7f000);
		put(bed, 0x80000);
		bed->kdev->card->info.max_data_xfer = most;
		assert_int_equal(report(bed, 0, 1 << 20, 4096, bits), 0);
		bed->kdev->card->info.max_data_xfer = usual;
		assert_int_equal(bits[0] | bits[3], 0);
		assert_true(bits[1] == UINT64_C(1) << 63 && bits[2] == 1);
		memset(bits, 0, sizeof(bits));
	}
	put(bed, 0x5000);
	assert_int_equal(report(bed, 0x4000, 0x4000, 4096, NULL), -EFAULT);
	assert_int_equal(feature(bed, SET | STOP, bits, 0), 0);
	assert_int_equal(feature(bed, SET | STOP, bits, 0), 0);
	assert_int_equal(report(bed, 0, 1 << 20, 4096, bits), -EINVAL);
	/* Closing ends it too. */
	assert_int_equal(start(bed, 4096, 1, &all), 0);
	bed_close_fd(bed, bed->fd);
	assert_int_equal(bed_open(bed, bed, &bed->fd), 0);
	assert_int_equal(start(bed, 4096, 1, &all), 0);
	munmap(memory, 1 << 20);
}

/* In the kernel the one is the IOMMU's, the other the device's: both start, and neither misses anything. */
static void a_log_of_all_devices_and_one_of_its_own_run_together(void **state)
{
	const struct vfio_device_feature_dma_logging_range all = { 0, 1 << 20 };
	struct bed *bed = *state;
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	uint64_t bits[4] = { 0 }, words[4] = { 0 };
	struct medio_kmapping *mapping;
	struct medio_kmap *kmap;
	uint8_t *memory;

	assert_int_equal(medio_kmap_new(&kmap), 0);
	assert_int_equal(medio_kmap_attach(kmap, bed->kdev), 0);
	assert_int_equal(medio_kmap_map(kmap, 0, 1 << 20, 0x10000, RW,
				 bed_span(1 << 20, RW, &memory), &mapping),
		0);
	assert_int_equal(bed_write(bed, 7, PCI_COMMAND, &command, 2), 2);
	/* The container's first: as long as it is alone it is exact. */
	medio_kmap_log_start(kmap);
	put(bed, 0x3008);
	medio_kmap_log_get(kmap, mapping, false, words);
	assert_int_equal(words[0], 1 << 3);
	assert_int_equal(start(bed, 4096, 1, &all), 0);
	put(bed, 0x5008);
	assert_int_equal(report(bed, 0, 1 << 20, 4096, bits), 0);
	assert_int_equal(bits[0], 1 << 5);
	medio_kmap_log_get(kmap, mapping, false, words);
	assert_true(words[0] & 1 << 5);
	/* The device's first. */
	medio_kmap_log_stop(kmap);
	medio_kmap_log_start(kmap);
	put(bed, 0x7008);
	memset(bits, 0, sizeof(bits));
	memset(words, 0, sizeof(words));
	assert_int_equal(report(bed, 0, 1 << 20, 4096, bits), 0);
	assert_int_equal(bits[0], 1 << 7);
	medio_kmap_log_get(kmap, mapping, false, words);
	assert_true(words[0] & 1 << 7);
	/* When it has ended the container's is exact again, from its next start on; a second start is as good as the first. */
	assert_int_equal(feature(bed, SET | STOP, bits, 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		medio_kmap_log_start(kmap);
		put(bed, 0x9008);
		memset(words, 0, sizeof(words));
		medio_kmap_log_get(kmap, mapping, false, words);
		assert_int_equal(words[0], 1 << 9);
	}
	medio_kmap_detach(kmap, bed->kdev);
	assert_null(bed->kdev->kmap);
	medio_kmap_free(kmap);
	munmap(memory, 1 << 20);
}

static void a_large_report_comes_in_parts(void **state)
{
	const uint64_t far = UINT64_C(3) << 30;
	const struct vfio_device_feature_dma_logging_range all = { 0, UINT64_C(4) << 30 };
	static uint64_t bits[(UINT64_C(4) << 30) / 4096 / 64];
	struct bed *bed = *state;
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	uint8_t *memory;

	bed->span = bed_span(8192, RW, &memory);
	assert_int_equal(medio_kdev_map(bed->kdev, far, bed->span, RW), 0);
	assert_int_equal(bed_write(bed, 7, PCI_COMMAND, &command, 2), 2);
	assert_int_equal(start(bed, 4096, 1, &all), 0);
	put(bed, far + 4096);
	assert_int_equal(report(bed, 0, UINT64_C(4) << 30, 4096, bits), 0);
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		assert_int_equal(bits[i], i == far / 4096 / 64 ? 2 : 0);
	munmap(memory, 8192);
}

static void wrong_logs_are_refused(void **state)
{
	static const struct vfio_device_feature_dma_logging_range ranges[257] = { { 0, 8192 },
		{ 4096, 4096 }, { 1, 4096 }, { 0, 0 }, { UINT64_MAX - 4095, 8192 } };
	struct bed *bed = *state;
	uint64_t bits[4];

	assert_int_equal(start(bed, 4096, 0, ranges), -EINVAL);
	assert_int_equal(start(bed, 4096, 257, ranges), -E2BIG);
	assert_int_equal(start(bed, 4096, 1, NULL), -EFAULT);
	assert_int_equal(start(bed, 4096, 2, ranges), -EINVAL);
	assert_int_equal(start(bed, 4096, 1, &ranges[2]), -EINVAL);
	assert_int_equal(start(bed, 4096, 1, &ranges[3]), -EINVAL);
	assert_int_equal(start(bed, 4096, 1, &ranges[4]), -EOVERFLOW);
	assert_int_equal(start(bed, 0, 1, ranges), -EINVAL);
	assert_int_equal(report(bed, 0, 8192, 2048, bits), -EINVAL);
	assert_int_equal(report(bed, 0, 8192, 12288, bits), -EINVAL);
	assert_int_equal(report(bed, UINT64_MAX - 4095, 8192, 4096, bits), -EOVERFLOW);
	assert_int_equal(start(bed, 4096, 1, ranges), 0);
	assert_int_equal(report(bed, 0, 0, 4096, bits), -EINVAL);
}

/* ---- A server that goes away ------------------------------------------------------------------- */

static void a_device_whose_server_dies_is_gone(void **state)
{
	struct card_bed served;
	struct bed bed = { .fd = -1 };
	uint32_t info[4] = { sizeof(info) }, word;
	/* argsz, flags, index, start, count, the eventfd */
	uint32_t irqs[] = { 24, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		VFIO_PCI_REQ_IRQ_INDEX, 0, 1, (uint32_t)eventfd(0, EFD_NONBLOCK) };
	uint64_t count = 0;

	assert_int_equal(card_bed_open(&served, &bench_type, NULL, CARD_BED_VFIO_USER), 0);
	assert_int_equal(medio_loop_new(&bed.loop), 0);
	assert_int_equal(medio_compat_new(bed.loop, NULL, &bed.compat), 0);
	bed.p.compat = bed.compat;
	struct medio_card *card = served.card;
	served.card = NULL;
	assert_int_equal(medio_kdev_new(bed.compat, card, &bed_pci, &bed.kdev, NULL), 0);
	assert_int_equal(bed_open(&bed, &bed, &bed.fd), 0);
	assert_int_equal(bed_read(&bed, 0, 0, &word, 4), 4);
	assert_int_equal(bed_ioctl(&bed, VFIO_DEVICE_SET_IRQS, irqs), 0);
	card_bed_close(&served);
	/* Also if the program does nothing: it is told. */
	medio_loop_run_once(bed.loop, -1);
	assert_int_equal(read((int)irqs[5], &count, 8), 8);
	assert_int_equal(bed_read(&bed, 0, 0, &word, 4), -ENODEV);
	assert_int_equal(bed_write(&bed, 7, 4, &word, 2), -ENODEV);
	assert_int_equal(bed_ioctl(&bed, VFIO_DEVICE_GET_INFO, info), -ENODEV);
	assert_int_equal(bed_ioctl(&bed, VFIO_DEVICE_RESET, NULL), -ENODEV);
	assert_int_equal(bed_ioctl(&bed, VFIO_DEVICE_SET_IRQS, irqs), -ENODEV);
	bed_close_fd(&bed, bed.fd);
	assert_int_equal(bed.closed, 1);
	assert_int_equal(bed_open(&bed, &bed, &bed.fd), -ENODEV);
	medio_compat_free(bed.compat);
	medio_loop_free(bed.loop);
	close((int)irqs[5]);
}

#define PCI(fn) cmocka_unit_test_setup_teardown(fn, setup_pci, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PCI(features_are_probed),
		PCI(what_there_is_not_is_said_as_the_kernel_does),
		{ "mdev: what_there_is_not_is_said_as_the_kernel_does",
			what_there_is_not_is_said_as_the_kernel_does, setup_mdev, teardown, NULL },
		cmocka_unit_test_setup_teardown(
			a_card_without_state_cannot_migrate, setup_plain, teardown),
		PCI(the_state_is_read_from_a_descriptor),
		PCI(the_state_is_written_to_a_descriptor),
		PCI(a_state_that_is_not_good_is_refused),
		PCI(a_state_left_early_ends_with_an_error),
		PCI(a_program_may_close_the_descriptor_first),
		PCI(many_descriptors_that_nobody_closes),
		PCI(states_there_are_not_are_einval),
		PCI(the_log_has_what_the_device_wrote),
		PCI(a_log_of_all_devices_and_one_of_its_own_run_together),
		PCI(a_large_report_comes_in_parts),
		PCI(wrong_logs_are_refused),
		cmocka_unit_test(a_device_whose_server_dies_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
