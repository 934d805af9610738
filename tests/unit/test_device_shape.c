/* SPDX-License-Identifier: BSD-3-Clause */
/* An instance with a shape of its own, with another's file in its regions, and another's config space. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/pci_regs.h>

#include "device/instance.h"
#include "device/irq.h"

static const struct medio_mmap_area areas[] = { { 0x1000, 0x1000 }, { 0, 0 } };

struct dev {
	uint64_t bar;
	uint64_t fail;
	uint64_t share;
	bool raw;
	int fd;
	unsigned inits, finis, unmasked;
	unsigned reads, writes, config_reads, config_writes;
	uint8_t written;
};

/* What happened to an instance that is no more. */
static struct dev last;

enum { FAIL_SHAPE = 1, FAIL_INIT = 2, OVERREACH = 3 };

static int dev_shape(struct medio_dev *dev, struct medio_type *type)
{
	struct dev *d = medio_priv(dev);
	assert_ptr_equal(medio_dev_type(dev), type);
	if (d->fail == FAIL_SHAPE)
		return medio_fail(dev, ENXIO, "no such card");
	if (d->fail == OVERREACH) {
		type->name = "another";
		type->params = NULL;
		type->ops = NULL;
		type->state_size = 1;
	}
	type->raw_config = d->raw;
	if (d->bar)
		type->bars[0] = (struct medio_bar){ .kind = MEDIO_BAR_MEM32, .size = d->bar };
	d->fd = -1;
	if (!d->share)
		return 0;
	d->fd = memfd_create("card", MFD_CLOEXEC);
	assert_true(d->fd >= 0);
	assert_int_equal(ftruncate(d->fd, 0x8000), 0);
	assert_int_equal(medio_region_share_fd(dev, 0, d->fd, 0x4000), -EINVAL);
	type->bars[0].areas = areas;
	assert_int_equal(medio_region_share_fd(dev, 0, d->fd, 0x800), -EINVAL);
	assert_int_equal(medio_region_share_fd(dev, 1, d->fd, 0x4000), -EINVAL);
	assert_int_equal(medio_region_share(dev, 0), -EINVAL);
	return medio_region_share_fd(dev, 0, d->fd, 0x4000);
}

static int dev_init(struct medio_dev *dev)
{
	struct dev *d = medio_priv(dev);
	d->inits++;
	return d->fail == FAIL_INIT ? -EIO : 0;
}

static void dev_fini(struct medio_dev *dev)
{
	struct dev *d = medio_priv(dev);
	d->finis++;
	if (d->share) {
		assert_int_equal(ftruncate(d->fd, 0), 0); /* still open */
		close(d->fd);
	}
	last = *d;
}

static int dev_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct dev *d = medio_priv(dev);
	(void)offset;
	if (region == MEDIO_REGION_CONFIG)
		d->config_reads++;
	else
		d->reads++;
	memset(buf, 0x5a, count);
	return 0;
}

static int dev_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct dev *d = medio_priv(dev);
	(void)count;
	if (region == MEDIO_REGION_CONFIG) {
		uint8_t ours[1];
		d->config_writes++;
		/* The library has applied it. */
		assert_int_equal(medio_config_get(dev, (unsigned)offset, ours, 1), 0);
		d->written = ours[0];
	} else {
		d->writes++;
		d->written = *(const uint8_t *)buf;
	}
	return 0;
}

static void dev_unmasked(struct medio_dev *dev)
{
	struct dev *d = medio_priv(dev);
	d->unmasked++;
}

static const struct medio_param params[] = {
	{ "bar", MEDIO_PARAM_SIZE, offsetof(struct dev, bar), NULL, "BAR 0", 0, 0, NULL },
	{ "fail", MEDIO_PARAM_UINT, offsetof(struct dev, fail), NULL, "Fail", 0, 0, NULL },
	{ "share", MEDIO_PARAM_UINT, offsetof(struct dev, share), NULL, "Share", 0, 0, NULL },
	{ "raw", MEDIO_PARAM_BOOL, offsetof(struct dev, raw), NULL, "Raw", 0, 0, NULL },
	{ 0 },
};

static const struct medio_device_ops ops = {
	.shape = dev_shape,
	.init = dev_init,
	.fini = dev_fini,
	.region_read = dev_read,
	.region_write = dev_write,
	.intx_unmasked = dev_unmasked,
};

static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "shaped",
	.id = { .vendor = 0x1234, .device = 0x5678 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.irqs = { .intx_pin = 1 },
	.params = params,
	.state_size = sizeof(struct dev),
	.ops = &ops,
};

static struct medio_loop *loop;

static int setup(void **state)
{
	(void)state;
	memset(&last, 0, sizeof(last));
	return medio_loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	medio_loop_free(loop);
	return 0;
}

static int make(const char *a, const char *b, struct medio_instance **out)
{
	const char *const set[] = { a, b };
	struct medio_instance_options opts = { .params = set, .nparams = !!a + !!b };
	return medio_instance_new(loop, &type, &opts, out, NULL);
}

static struct dev *dev_of(struct medio_instance *inst)
{
	return medio_priv(medio_instance_device(inst));
}

static uint64_t size_of(struct medio_instance *inst, unsigned region)
{
	struct medio_region_view view;
	assert_int_equal(medio_instance_region(inst, region, &view), 0);
	return view.size;
}

static void one_that_is_as_all_others_shares_their_type(void **state)
{
	struct medio_instance *inst, *other;
	(void)state;
	assert_int_equal(make(NULL, NULL, &inst), 0);
	assert_int_equal(make("bar=64K", NULL, &other), 0);
	assert_ptr_equal(medio_instance_type(inst), &type);
	assert_ptr_not_equal(medio_instance_type(other), &type);
	assert_int_equal(size_of(inst, 0), 4096);
	assert_int_equal(size_of(other, 0), 65536);
	/* The registers, too. */
	const uint8_t ones[4] = { 0xff, 0xff, 0xff, 0xff };
	uint8_t bar[4];
	medio_instance_write(other, 7, PCI_BASE_ADDRESS_0, ones, 4);
	medio_instance_read(other, 7, PCI_BASE_ADDRESS_0, bar, 4);
	assert_int_equal(medio_get_le(bar, 4), 0xffff0000);
	medio_instance_free(inst);
	assert_int_equal(last.finis, 1);
	medio_instance_free(other);
}

static void failures_are_undone_from_where_they_were(void **state)
{
	struct medio_instance *inst = NULL;
	(void)state;
	assert_int_equal(make("fail=1", NULL, &inst), -ENXIO);
	assert_int_equal(last.finis, 0);
	assert_int_equal(make("fail=2", NULL, &inst), -EIO);
	assert_int_equal(last.inits, 1);
	assert_int_equal(last.finis, 1);
	/* A shape that no card can have: between shape() and init(). */
	memset(&last, 0, sizeof(last));
	assert_int_equal(make("bar=4097", "share=1", &inst), -EINVAL);
	assert_int_equal(last.inits, 0);
	assert_int_equal(last.finis, 1);
	assert_null(inst);
}

static void what_is_not_shape_stays(void **state)
{
	struct medio_instance *inst;
	(void)state;
	assert_int_equal(make("fail=3", "bar=8K", &inst), 0);
	assert_string_equal(medio_instance_type(inst)->name, "shaped");
	assert_ptr_equal(medio_instance_type(inst)->params, params);
	assert_int_equal(size_of(inst, 0), 8192);
	medio_instance_free(inst);
	assert_int_equal(last.finis, 1);
}

static void a_region_may_be_another_file(void **state)
{
	struct medio_instance *inst;
	struct medio_region_view view;
	uint8_t byte = 7;
	(void)state;
	assert_int_equal(make("bar=16K", "share=1", &inst), 0);
	struct dev *d = dev_of(inst);
	assert_int_equal(medio_instance_region(inst, 0, &view), 0);
	assert_int_equal(view.fd, d->fd);
	assert_int_equal(view.fd_offset, 0x4000);
	assert_int_equal(view.num_areas, 1);
	assert_ptr_equal(view.areas, areas);
	assert_null(medio_region_ptr(medio_instance_device(inst), 0));
	/* What comes by messages is the device's, also inside the area. */
	assert_int_equal(medio_instance_write(inst, 0, 0x1010, &byte, 1), 0);
	assert_int_equal(d->writes, 1);
	assert_int_equal(d->written, 7);
	assert_int_equal(medio_instance_read(inst, 0, 0x1010, &byte, 1), 0);
	assert_int_equal(byte, 0x5a);
	medio_instance_free(inst);
}

static void raw_config_space_is_the_devices(void **state)
{
	struct medio_instance *inst;
	uint8_t bytes[4];
	(void)state;
	assert_int_equal(make("raw=on", NULL, &inst), 0);
	struct dev *d = dev_of(inst);
	assert_int_equal(medio_instance_read(inst, 7, 0, bytes, 4), 0);
	assert_int_equal(medio_get_le(bytes, 4), 0x5a5a5a5a);
	assert_int_equal(d->config_reads, 1);
	bytes[0] = PCI_COMMAND_MASTER;
	assert_int_equal(medio_instance_write(inst, 7, PCI_COMMAND, bytes, 1), 0);
	assert_int_equal(d->config_writes, 1);
	assert_int_equal(d->written, PCI_COMMAND_MASTER);
	medio_instance_free(inst);
	assert_int_equal(make(NULL, NULL, &inst), 0);
	assert_int_equal(medio_instance_read(inst, 7, 0, bytes, 4), 0);
	assert_int_equal(medio_get_le(bytes, 4), 0x56781234);
	assert_int_equal(dev_of(inst)->config_reads, 0);
	medio_instance_free(inst);
}

static void an_unmasked_line_is_told(void **state)
{
	static const struct medio_transport_ops none;
	struct medio_instance *inst;
	uint8_t bytes[2] = { 0, PCI_COMMAND_INTX_DISABLE >> 8 };
	(void)state;
	assert_int_equal(make(NULL, NULL, &inst), 0);
	struct dev *d = dev_of(inst);
	assert_int_equal(medio_instance_attach(inst, &none, NULL), 0);
	assert_int_equal(medio_instance_write(inst, 7, PCI_COMMAND, bytes, 2), 0);
	assert_int_equal(d->unmasked, 0);
	bytes[1] = 0;
	assert_int_equal(medio_instance_write(inst, 7, PCI_COMMAND, bytes, 2), 0);
	assert_int_equal(d->unmasked, 1);
	assert_int_equal(medio_instance_write(inst, 7, PCI_COMMAND, bytes, 2), 0);
	assert_int_equal(d->unmasked, 1);
	medio_instance_detach(inst);
	medio_instance_free(inst);
}

/* ---- The file behind memory -------------------------------------------------------------------------- */

static int asks_init(struct medio_dev *dev)
{
	medio_dev_needs(dev, MEDIO_NEEDS_FILES);
	return 0;
}

static const struct medio_device_ops asks_ops = { .init = asks_init };
static const struct medio_type asks_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "asks",
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.ops = &asks_ops,
};

static bool same_file(int a, int b)
{
	char word[4] = { 0 };
	assert_int_equal(pwrite(a, "abc", 3, 100), 3);
	return pread(b, word, 3, 100) == 3 && strcmp(word, "abc") == 0;
}

static void memory_has_a_file_for_who_asked(void **state)
{
	static const struct medio_type *const types[] = { &asks_type, &type };
	const unsigned rw = MEDIO_PROT_READ | MEDIO_PROT_WRITE;
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct medio_instance *inst;
		assert_int_equal(medio_instance_new(loop, types[i], NULL, &inst, NULL), 0);
		struct medio_dev *dev = medio_instance_device(inst);
		int fd = memfd_create("memory", MFD_CLOEXEC), got = -1;
		uint64_t offset = 0;
		assert_int_equal(ftruncate(fd, 0x10000), 0);
		assert_int_equal(
			medio_instance_dma_map(inst, 0x10000, 0x2000, rw, fd, 0x3000, NULL), 0);
		assert_int_equal(
			medio_instance_dma_map(inst, 0x12000, 0x1000, rw, fd, 0x5000, NULL), 0);
		assert_int_equal(medio_instance_dma_map(inst, 0x20000, 0x1000, rw, -1, 0, NULL), 0);
		int ret = medio_dma_file(dev, 0x11010, 0x100, &got, &offset);
		assert_int_equal(ret, i ? -EREMOTE : 0);
		if (i == 0) {
			assert_int_equal(offset, 0x4010);
			assert_int_not_equal(got, fd);
			assert_true(same_file(fd, got));
			close(fd);
			fd = -1;
			assert_int_equal(medio_dma_file(dev, 0x10000, 0x2000, &got, &offset), 0);
			assert_int_equal(offset, 0x3000);
		}
		assert_int_equal(medio_dma_file(dev, 0x10000, 0x2001, &got, &offset), -EFAULT);
		assert_int_equal(medio_dma_file(dev, 0x14000, 1, &got, &offset), -EFAULT);
		assert_int_equal(medio_dma_file(dev, 0x20000, 1, &got, &offset), -EREMOTE);
		assert_int_equal(medio_dma_file(dev, 0x10000, 0, &got, &offset), -EFAULT);
		assert_int_equal(medio_dma_file(dev, 0x10000, SIZE_MAX, &got, &offset), -EFAULT);
		assert_int_equal(medio_instance_dma_unmap(inst, 0, 0, true, NULL), 0);
		if (i == 0)
			assert_int_equal(fcntl(got, F_GETFD), -1); /* closed */
		else
			close(fd);
		medio_instance_free(inst);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(one_that_is_as_all_others_shares_their_type),
		T(failures_are_undone_from_where_they_were),
		T(what_is_not_shape_stays),
		T(a_region_may_be_another_file),
		T(raw_config_space_is_the_devices),
		T(an_unmasked_line_is_told),
		T(memory_has_a_file_for_who_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
