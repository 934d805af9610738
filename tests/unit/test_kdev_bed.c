/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_kdev_bed.h"

#include <linux/pci_regs.h>
#include <sys/mman.h>

#include "device/chain.h"
#include "device/instance.h"
#include "device/private.h"

/* ---- The cards --------------------------------------------------------------------------------- */

static void note(struct bench *b, unsigned region, uint64_t offset, size_t count, bool write)
{
	b->last[b->accesses++ % 64] = (struct bench_access){ region, offset, count, write };
}

static uint8_t *place(struct bench *b, unsigned region, uint64_t offset, size_t count)
{
	if (region == 4)
		return offset + count <= sizeof(b->ports) ? b->ports + offset : NULL;
	return offset + count <= sizeof(b->regs) ? b->regs + offset : NULL;
}

static int strange(uint64_t offset, size_t count)
{
	if (offset == BENCH_ODD && count != 4)
		return -EINVAL;
	return offset == BENCH_BAD ? -EIO : 0;
}

static int bench_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct bench *b = medio_priv(dev);
	const uint8_t *from = place(b, region, offset, count);
	int ret = region ? 0 : strange(offset, count);

	note(b, region, offset, count, false);
	if (ret)
		return ret;
	if (!region && offset == BENCH_FAULT && count == 4)
		memcpy(buf, &b->fault, 4);
	else if (from)
		memcpy(buf, from, count);
	else
		memset(buf, 0xee, count);
	return 0;
}

static void act(struct medio_dev *dev, struct bench *b, uint64_t offset, uint64_t value)
{
	if (offset == BENCH_PULSE)
		medio_irq_pulse(dev, (unsigned)value);
	if (offset == BENCH_LINE)
		medio_irq_set(dev, 0, value);
	if (offset == BENCH_IOVA)
		b->fault = medio_dma_read(dev, value, b->regs + BENCH_DATA, 8);
	if (offset == BENCH_PUT)
		b->fault = medio_dma_write(dev, value, b->regs + BENCH_DATA, 8);
}

static int bench_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct bench *b = medio_priv(dev);
	uint8_t *to = place(b, region, offset, count);
	uint64_t value = 0;
	int ret = region ? 0 : strange(offset, count);

	note(b, region, offset, count, true);
	if (ret)
		return ret;
	if (to)
		memcpy(to, buf, count);
	memcpy(&value, buf, count < 8 ? count : 8);
	if (!region)
		act(dev, b, offset, value);
	return 0;
}

static void bench_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct bench *b = medio_priv(dev);

	memset(b->regs, 0, sizeof(b->regs));
	b->resets++;
}

static ssize_t bench_save(struct medio_dev *dev, void *buf, size_t cap)
{
	const struct bench *b = medio_priv(dev);

	if (cap >= BENCH_STATE)
		memcpy(buf, b->state, BENCH_STATE);
	return BENCH_STATE;
}

static int bench_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct bench *b = medio_priv(dev);

	if (size != BENCH_STATE)
		return -EINVAL;
	memcpy(b->state, buf, size);
	return 0;
}

static const struct medio_device_ops bench_ops = {
	.region_read = bench_read,
	.region_write = bench_write,
	.reset = bench_reset,
	.save = bench_save,
	.load = bench_load,
};

static const struct medio_device_ops plain_ops = {
	.region_read = bench_read,
	.region_write = bench_write,
};

static const struct medio_mmap_area areas[] = { { 0, 8192 }, { 0 } };
static const struct medio_cap caps[] = { { .kind = MEDIO_CAP_PCIE }, { 0 } };

const struct medio_type bench_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "bench",
	.summary = "Registers, memory and interrupts",
	.id = { .vendor = 0x1234, .device = 0x0be0, .class_code = 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 }, { 0 },
		{ .kind = MEDIO_BAR_MEM64, .size = 16384, .areas = areas }, { 0 },
		{ .kind = MEDIO_BAR_IO, .size = 16 } },
	.irqs = { .intx_pin = 1,
		.msi = 4,
		.msix = { .vectors = 4,
			.table_bar = 2,
			.table_offset = BENCH_TABLE,
			.pba_bar = 2,
			.pba_offset = 12288 } },
	.caps = caps,
	.state_size = sizeof(struct bench),
	.ops = &bench_ops,
};

const struct medio_type plain_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "plain",
	.summary = "A few registers",
	.id = { .vendor = 0x1234, .device = 0x0be1, .class_code = 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 256 } },
	.state_size = sizeof(struct bench),
	.ops = &plain_ops,
};

/* ---- The bed ----------------------------------------------------------------------------------- */

const struct medio_kdev_options bed_pci = {
	.look = MEDIO_KDEV_PCI, .name = "0000:00:1e.0", .type = "bench"
};
const struct medio_kdev_options bed_mdev = { .look = MEDIO_KDEV_MDEV,
	.name = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
	.type = "bench-1",
	.driver = "bench" };

void (*bed_log)(void *opaque, enum medio_log_level level, const char *line);

struct bench *bed_bench(struct bed *bed)
{
	return medio_priv(&bed->inst->chain.device);
}

int bed_irq_kind(struct bed *bed)
{
	return medio_irq_kind(&bed->inst->chain.device);
}

void bed_run(struct bed *bed)
{
	while (medio_loop_run_once(bed->loop, 0) > 0)
		;
}

static void on_closed(void *opaque, struct medio_kdev *kdev)
{
	struct bed *bed = opaque;

	assert_ptr_equal(kdev, bed->kdev);
	assert_int_equal(kdev->files, 0);
	bed->closed++;
}

int bed_open(struct bed *bed, void *who, int *fd)
{
	return medio_kdev_open(bed->kdev, on_closed, who, fd);
}

void bed_new(struct bed *bed, const struct medio_type *type, const struct medio_kdev_options *opts)
{
	const struct medio_instance_options options = { .log = bed_log };
	struct medio_card *card;

	*bed = (struct bed){ .fd = -1 };
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(medio_loop_new(&bed->devices), 0);
	assert_int_equal(medio_compat_new(bed->loop, bed->devices, &bed->compat), 0);
	assert_int_equal(medio_instance_new(bed->devices, type, &options, &bed->inst, NULL), 0);
	assert_int_equal(medio_card_open_instance(bed->inst, &card, NULL), 0);
	bed->p.compat = bed->compat;
	assert_int_equal(medio_kdev_new(bed->compat, card, opts, &bed->kdev, NULL), 0);
	assert_int_equal(bed_open(bed, bed, &bed->fd), 0);
}

void bed_close_fd(struct bed *bed, int fd)
{
	close(fd);
	if (fd == bed->fd)
		bed->fd = -1;
	bed_run(bed);
}

void bed_free(struct bed *bed)
{
	if (bed->fd >= 0)
		bed_close_fd(bed, bed->fd);
	medio_compat_free(bed->compat);
	medio_instance_free(bed->inst);
	medio_loop_free(bed->devices);
	medio_loop_free(bed->loop);
	if (bed->span)
		close(bed->span->pieces[0].fd);
	medio_span_put(bed->span);
}

int64_t bed_ioctl(struct bed *bed, unsigned cmd, void *arg)
{
	return program_ioctl(&bed->p, bed->fd, cmd, arg);
}

static struct medio_kfile *file_of(struct bed *bed)
{
	struct program_call c = program_call(&bed->p, NULL, 0, 0, 0, 0, 0);

	return program_find(&c.call, bed->fd);
}

int64_t bed_read(struct bed *bed, unsigned region, uint64_t at, void *buf, size_t count)
{
	return program_pread(&bed->p, file_of(bed), buf, count, MEDIO_KDEV_OFFSET(region) + at);
}

int64_t bed_write(struct bed *bed, unsigned region, uint64_t at, const void *buf, size_t count)
{
	return program_pwrite(&bed->p, file_of(bed), buf, count, MEDIO_KDEV_OFFSET(region) + at);
}

struct medio_span *bed_span(uint64_t size, unsigned prot, uint8_t **out)
{
	struct medio_span *span = calloc(1, sizeof(*span));
	int fd = memfd_create("memory", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	*out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(*out, MAP_FAILED);
	*span = (struct medio_span){ .refs = 1,
		.addr = (uintptr_t)*out,
		.size = size,
		.prot = prot,
		.mem = -1,
		.num_pieces = 2,
		.pieces = calloc(2, sizeof(*span->pieces)) };
	/* In two halves, as memory that two files are mapped for. */
	for (unsigned i = 0; i < 2; i++)
		span->pieces[i] = (struct medio_span_piece){
			.start = i * size / 2, .size = size / 2, .fd = fd, .fd_offset = i * size / 2
		};
	return span;
}

/* ---- For cmocka -------------------------------------------------------------------------------- */

static int setup(void **state, const struct medio_type *type, const struct medio_kdev_options *opts)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	bed_new(bed, type, opts);
	*state = bed;
	return 0;
}

int setup_pci(void **state)
{
	return setup(state, &bench_type, &bed_pci);
}

int setup_mdev(void **state)
{
	return setup(state, &bench_type, &bed_mdev);
}

int setup_plain(void **state)
{
	return setup(state, &plain_type, &bed_pci);
}

int teardown(void **state)
{
	bed_free(*state);
	free(*state);
	return 0;
}
