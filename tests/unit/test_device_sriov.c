/* SPDX-License-Identifier: BSD-3-Clause */
/* A physical function and its virtual ones: the registers, who comes and goes when, and who reaches what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/pci_regs.h>

#include "device/instance.h"
#include "test_sriov_card.h"

#define PF_UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static struct medio_loop *loop;
static struct medio_instance *pf;
static char last_line[512];
static unsigned lines;

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	snprintf(last_line, sizeof(last_line), "%s", line);
	lines++;
}

/* "+2": VF 2 can be served; "-2": it goes. */
static void on_vf(void *opaque, struct medio_instance *vf, unsigned index, bool present)
{
	assert_ptr_equal(opaque, &loop);
	assert_ptr_equal(medio_instance_vf(pf, index), vf);
	assert_ptr_equal(medio_instance_pf(vf), pf);
	card_tell(present ? "+" : "-", (int)index);
}

static int setup_of(const struct medio_type *type)
{
	const struct medio_instance_options opts = {
		.uuid = PF_UUID, .log = on_log, .vf = on_vf, .vf_opaque = &loop
	};
	card_story[0] = last_line[0] = '\0';
	card_refuse = 0;
	card_fail_at = ~0u;
	lines = 0;
	int ret = medio_loop_new(&loop);
	return ret ? ret : medio_instance_new(loop, type, &opts, &pf, NULL);
}

static int setup(void **state)
{
	(void)state;
	return setup_of(&card_type);
}

static int teardown(void **state)
{
	(void)state;
	medio_instance_free(pf);
	medio_loop_free(loop);
	return 0;
}

/* What has happened since the last time. */
static void assert_story(const char *expected)
{
	size_t len = strlen(card_story);
	if (len)
		card_story[len - 1] = '\0';
	assert_string_equal(card_story, expected);
	card_story[0] = '\0';
}

static uint32_t get(struct medio_instance *inst, unsigned region, uint64_t offset, size_t count)
{
	uint8_t bytes[4] = { 0 };
	assert_int_equal(medio_instance_read(inst, region, offset, bytes, count), 0);
	return (uint32_t)medio_get_le(bytes, count);
}

static void put(
	struct medio_instance *inst, unsigned region, uint64_t offset, size_t count, uint32_t value)
{
	uint8_t bytes[4];
	medio_put_le(bytes, count, value);
	assert_int_equal(medio_instance_write(inst, region, offset, bytes, count), 0);
}

static uint32_t reg(unsigned offset, size_t count)
{
	return get(pf, MEDIO_REGION_CONFIG, CARD_SRIOV + offset, count);
}

static void set_reg(unsigned offset, size_t count, uint32_t value)
{
	put(pf, MEDIO_REGION_CONFIG, CARD_SRIOV + offset, count, value);
}

/* As a driver does it. */
static void enable(unsigned num)
{
	set_reg(PCI_SRIOV_NUM_VF, 2, num);
	set_reg(PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
}

static unsigned num_vfs(void)
{
	struct medio_sriov_info info;
	assert_int_equal(medio_instance_sriov(pf, &info), 0);
	assert_int_equal(info.num, medio_pf_num_vfs(medio_instance_device(pf)));
	return info.num;
}

static struct medio_instance *vf(unsigned n)
{
	struct medio_instance *inst = medio_instance_vf(pf, n);
	assert_non_null(inst);
	return inst;
}

/* ---- Registers --------------------------------------------------------------------------------------- */

static void the_capability_says_what_the_type_says(void **state)
{
	struct medio_sriov_info info;
	(void)state;
	assert_int_equal(get(pf, 7, CARD_ARI, 4), 0x000e | 1 << 16 | CARD_SRIOV << 20);
	assert_int_equal(get(pf, 7, CARD_ARI + 4, 4), 0);
	assert_int_equal(reg(0, 4), 0x0010 | 1 << 16);
	assert_int_equal(reg(PCI_SRIOV_CAP, 4), 0);
	assert_int_equal(reg(PCI_SRIOV_CTRL, 4), 0);
	assert_int_equal(reg(PCI_SRIOV_INITIAL_VF, 2), CARD_TOTAL);
	assert_int_equal(reg(PCI_SRIOV_TOTAL_VF, 2), CARD_TOTAL);
	assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), 0);
	assert_int_equal(reg(PCI_SRIOV_FUNC_LINK, 2), 0);
	assert_int_equal(reg(PCI_SRIOV_VF_OFFSET, 2), 1);
	assert_int_equal(reg(PCI_SRIOV_VF_STRIDE, 2), 1);
	assert_int_equal(reg(PCI_SRIOV_VF_DID, 2), 2);
	assert_int_equal(reg(PCI_SRIOV_SUP_PGSIZE, 4), 0x553);
	assert_int_equal(reg(PCI_SRIOV_SYS_PGSIZE, 4), 1);
	assert_int_equal(medio_instance_sriov(pf, &info), 0);
	assert_int_equal(info.total, CARD_TOTAL);
	assert_int_equal(info.num, 0);
	assert_int_equal(info.offset, 1);
	assert_int_equal(info.stride, 1);
	assert_int_equal(info.vf_device, 2);
}

static void vf_bars_are_sized_as_bars_are(void **state)
{
	(void)state;
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++)
		set_reg(PCI_SRIOV_BAR + 4 * n, 4, 0xffffffff);
	assert_int_equal(reg(PCI_SRIOV_BAR, 4), 0xffffe00c); /* 8 KiB, 64-bit, prefetchable */
	assert_int_equal(reg(PCI_SRIOV_BAR + 4, 4), 0xffffffff);
	assert_int_equal(reg(PCI_SRIOV_BAR + 8, 4), 0xffffc000);
	for (unsigned n = 3; n < MEDIO_NUM_BARS; n++)
		assert_int_equal(reg(PCI_SRIOV_BAR + 4 * n, 4), 0);
	/* A VF takes a page of the system at least. */
	set_reg(PCI_SRIOV_SYS_PGSIZE, 4, 0x10);
	assert_int_equal(reg(PCI_SRIOV_SYS_PGSIZE, 4), 0x10);
	assert_int_equal(reg(PCI_SRIOV_BAR, 4), 0xffff000c);
	assert_int_equal(reg(PCI_SRIOV_BAR + 8, 4), 0xffff0000);
	set_reg(PCI_SRIOV_SYS_PGSIZE, 4, 1);
	set_reg(PCI_SRIOV_BAR + 8, 4, 0xffffffff);
	assert_int_equal(reg(PCI_SRIOV_BAR + 8, 4), 0xffffc000);
}

static void a_page_size_is_one_that_is_supported(void **state)
{
	static const uint32_t no[] = { 0, 3, 4, 0x800, 0x80000000 };
	(void)state;
	for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		set_reg(PCI_SRIOV_SYS_PGSIZE, 4, 0x40);
		set_reg(PCI_SRIOV_SYS_PGSIZE, 4, no[i]);
		assert_int_equal(reg(PCI_SRIOV_SYS_PGSIZE, 4), 0x40);
	}
}

static void what_must_not_change_does_not_while_vfs_are_there(void **state)
{
	(void)state;
	set_reg(PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_ARI);
	enable(2);
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2), PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
	set_reg(PCI_SRIOV_NUM_VF, 2, 5);
	set_reg(PCI_SRIOV_SYS_PGSIZE, 4, 0x40);
	set_reg(PCI_SRIOV_CTRL, 2, 0xffff);
	assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), 2);
	assert_int_equal(reg(PCI_SRIOV_SYS_PGSIZE, 4), 1);
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2), PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
	assert_int_equal(num_vfs(), 2);
	set_reg(PCI_SRIOV_INITIAL_VF, 4, 0xffffffff);
	set_reg(PCI_SRIOV_VF_OFFSET, 4, 0xffffffff);
	set_reg(PCI_SRIOV_VF_DID, 2, 0xffff);
	assert_int_equal(reg(PCI_SRIOV_INITIAL_VF, 2), CARD_TOTAL);
	assert_int_equal(reg(PCI_SRIOV_VF_OFFSET, 2), 1);
	assert_int_equal(reg(PCI_SRIOV_VF_DID, 2), 2);
	set_reg(PCI_SRIOV_CTRL, 2, 0);
	set_reg(PCI_SRIOV_NUM_VF, 2, 5);
	assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), 5);
	assert_int_equal(num_vfs(), 0);
}

/* NumVFs and VF Enable in one write: the registers count in order, so NumVFs comes too late. */
static void registers_of_one_write_count_in_order(void **state)
{
	uint8_t bytes[12] = { 0 };
	(void)state;
	set_reg(PCI_SRIOV_NUM_VF, 2, 3);
	medio_put_le(bytes, 2, PCI_SRIOV_CTRL_VFE);
	medio_put_le(bytes + (PCI_SRIOV_NUM_VF - PCI_SRIOV_CTRL), 2, 5);
	assert_int_equal(
		medio_instance_write(pf, 7, CARD_SRIOV + PCI_SRIOV_CTRL, bytes, sizeof(bytes)), 0);
	assert_int_equal(num_vfs(), 3);
	assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), 3);
}

static void numvfs_out_of_range_enables_nothing(void **state)
{
	static const unsigned no[] = { 0, CARD_TOTAL + 1, 0xffff };
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		unsigned before = lines;
		enable(no[i]);
		assert_int_equal(reg(PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE, 0);
		assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), no[i]);
		assert_int_equal(num_vfs(), 0);
		assert_int_equal(lines, before + 1);
		assert_non_null(strstr(last_line, "VF Enable stays clear"));
	}
	assert_story("");
	enable(CARD_TOTAL);
	assert_int_equal(num_vfs(), CARD_TOTAL);
}

/* ---- Coming and going -------------------------------------------------------------------------------- */

static void a_driver_makes_and_ends_them(void **state)
{
	char uuid[37];
	(void)state;
	enable(3);
	assert_story("v3 i0 i1 i2 +0 +1 +2");
	assert_int_equal(num_vfs(), 3);
	assert_null(medio_instance_vf(pf, 3));
	assert_null(medio_instance_pf(pf));
	for (unsigned n = 0; n < 3; n++) {
		struct medio_dev *dev = medio_instance_device(vf(n));
		assert_ptr_equal(medio_vf_pf(dev), medio_instance_device(pf));
		assert_ptr_equal(medio_pf_vf(medio_instance_device(pf), n), dev);
		assert_int_equal(medio_vf_index(dev), n);
		assert_int_equal(medio_vf_uuid(PF_UUID, n, uuid), 0);
		assert_string_equal(medio_instance_uuid(vf(n)), uuid);
		assert_ptr_equal(medio_dev_type(dev), &card_vf_type);
		assert_int_equal(medio_instance_set_vfs(vf(n), 1, NULL), -ENODEV);
	}
	set_reg(PCI_SRIOV_CTRL, 2, 0);
	assert_story("-0 f0 -1 f1 -2 f2 v0");
	assert_int_equal(num_vfs(), 0);
	assert_null(medio_instance_vf(pf, 0));
}

static void a_call_makes_and_ends_them_and_the_registers_say_so(void **state)
{
	struct medio_error *err = NULL;
	(void)state;
	assert_int_equal(medio_instance_set_vfs(pf, 2, &err), 0);
	assert_story("v2 i0 i1 +0 +1");
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2), PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
	assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), 2);
	assert_int_equal(medio_instance_set_vfs(pf, 2, &err), 0);
	assert_story("");
	assert_int_equal(medio_instance_set_vfs(pf, 3, &err), -EBUSY);
	assert_int_equal(medio_instance_set_vfs(pf, CARD_TOTAL + 1, &err), -ERANGE);
	medio_error_free(err);
	assert_int_equal(num_vfs(), 2);
	assert_int_equal(medio_instance_set_vfs(pf, 0, NULL), 0);
	assert_story("-0 f0 -1 f1 v0");
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2), 0);
	assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), 0);
	assert_int_equal(medio_instance_set_vfs(pf, 0, NULL), 0);
	assert_story("");
}

static void one_that_cannot_be_made_undoes_all(void **state)
{
	struct medio_error *err = NULL;
	(void)state;
	card_fail_at = 2;
	assert_int_equal(medio_instance_set_vfs(pf, 4, &err), -ENOSPC);
	assert_string_equal(medio_error_text(err), "VF 2: card-vf: no room for it");
	medio_error_free(err);
	assert_story("v4 i0 i1 i2 f1 f0 v0");
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2), 0);
	enable(3);
	assert_story("v3 i0 i1 i2 f1 f0 v0");
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE, 0);
	assert_non_null(strstr(last_line, "no room for it"));
	card_fail_at = ~0u;
	enable(3);
	assert_int_equal(num_vfs(), 3);
}

static void the_device_may_refuse(void **state)
{
	struct medio_error *err = NULL;
	(void)state;
	card_refuse = -EPERM;
	assert_int_equal(medio_instance_set_vfs(pf, 4, &err), -EPERM);
	assert_string_equal(medio_error_text(err), "card: not 4 of them");
	medio_error_free(err);
	enable(1);
	assert_story("v4 v1");
	assert_int_equal(num_vfs(), 0);
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE, 0);
}

static void resets_of_the_pf_take_them_down_in_order(void **state)
{
	(void)state;
	enable(2);
	assert_story("v2 i0 i1 +0 +1");
	put(pf, 7, CARD_EXPRESS + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	assert_story("-0 f0 -1 f1 v0 r");
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2), 0);
	assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), 0);
	enable(1);
	medio_instance_reset(pf, MEDIO_RESET_DEVICE);
	assert_story("v1 i0 +0 -0 f0 v0 r");
	assert_int_equal(num_vfs(), 0);
	/* Those that whoever runs the card has asked for stay, and the registers say so. */
	assert_int_equal(medio_instance_set_vfs(pf, 2, NULL), 0);
	assert_story("v2 i0 i1 +0 +1");
	put(pf, 7, CARD_EXPRESS + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	medio_instance_reset(pf, MEDIO_RESET_DEVICE);
	assert_story("r r");
	assert_int_equal(reg(PCI_SRIOV_CTRL, 2), PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
	assert_int_equal(reg(PCI_SRIOV_NUM_VF, 2), 2);
	/* The driver may take them away all the same; what it makes goes with the reset again. */
	put(pf, 7, CARD_SRIOV + PCI_SRIOV_CTRL, 2, 0);
	assert_story("-0 f0 -1 f1 v0");
	enable(1);
	medio_instance_reset(pf, MEDIO_RESET_DEVICE);
	assert_story("v1 i0 +0 -0 f0 v0 r");
	/* A client's going is none of theirs. */
	enable(1);
	static const struct medio_transport_ops none;
	assert_int_equal(medio_instance_attach(pf, &none, NULL), 0);
	medio_instance_detach(pf);
	assert_story("v1 i0 +0");
	assert_int_equal(num_vfs(), 1);
}

static void an_flr_of_one_leaves_the_others(void **state)
{
	(void)state;
	enable(3);
	assert_story("v3 i0 i1 i2 +0 +1 +2");
	put(pf, 0, CARD_VALUE, 4, 99);
	for (unsigned n = 0; n < 3; n++)
		put(vf(n), 0, CARD_VALUE, 4, 100 + n);
	put(vf(1), 7, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	put(vf(1), 7, CARD_EXPRESS + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	assert_story("r1");
	assert_int_equal(num_vfs(), 3);
	assert_int_equal(get(vf(0), 0, CARD_VALUE, 4), 100);
	assert_int_equal(get(vf(1), 0, CARD_VALUE, 4), 0);
	assert_int_equal(get(vf(2), 0, CARD_VALUE, 4), 102);
	assert_int_equal(get(pf, 0, CARD_VALUE, 4), 99);
	assert_int_equal(get(vf(1), 7, PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
}

/* ---- As one VF's client sees it ---------------------------------------------------------------------- */

static void config_space_of_a_vf_is_as_vfio_shows_it(void **state)
{
	(void)state;
	enable(1);
	struct medio_instance *v = vf(0);
	assert_int_equal(get(v, 7, PCI_VENDOR_ID, 4), 0x00021234);
	assert_int_equal(get(v, 7, PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(get(v, 7, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	put(v, 7, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(get(v, 7, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(v, 7, PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	assert_int_equal(get(v, 7, PCI_BASE_ADDRESS_0, 4), 0xffffe00c);
	assert_int_equal(get(v, 7, CARD_EXPRESS + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR,
		PCI_EXP_DEVCAP_FLR);
	assert_int_equal(get(v, 7, 0x100, 4), 0x000e | 1 << 16);
	medio_irq_set(medio_instance_device(v), 0, true);
	assert_int_equal(get(v, 7, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
}

static void without_vf_mse_no_vf_answers(void **state)
{
	(void)state;
	enable(2);
	put(vf(1), 0, CARD_VALUE, 4, 5);
	set_reg(PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_VFE);
	assert_int_equal(num_vfs(), 2);
	assert_int_equal(get(vf(1), 0, CARD_VALUE, 4), 0xffffffff);
	assert_int_equal(get(vf(1), 2, 0, 4), 0xffffffff); /* the MSI-X table */
	put(vf(1), 0, CARD_VALUE, 4, 6);
	assert_int_equal(get(vf(1), 7, PCI_VENDOR_ID, 2), 0x1234);
	set_reg(PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
	assert_int_equal(get(vf(1), 0, CARD_VALUE, 4), 5);
}

static int file_of(uint32_t value)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(pwrite(fd, &value, sizeof(value), 0), sizeof(value));
	return fd;
}

static void expect_dma(struct medio_instance *inst, uint32_t iova, int result, uint32_t data)
{
	put(inst, 0, CARD_IOVA, 4, iova);
	assert_int_equal((int)get(inst, 0, CARD_RESULT, 4), result);
	assert_int_equal(get(inst, 0, CARD_DATA, 4), data);
}

static void memory_of_one_is_nobody_elses(void **state)
{
	static const struct medio_transport_ops none;
	(void)state;
	enable(2);
	struct medio_instance *const all[] = { vf(0), vf(1), pf };
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(medio_instance_attach(all[i], &none, NULL), 0);
		put(all[i], 7, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	}
	int fd0 = file_of(0x1111), fd1 = file_of(0x2222);
	assert_int_equal(
		medio_instance_dma_map(vf(0), 0x10000, 4096, MEDIO_PROT_READ, fd0, 0, NULL), 0);
	assert_int_equal(
		medio_instance_dma_map(vf(1), 0x20000, 4096, MEDIO_PROT_READ, fd1, 0, NULL), 0);
	expect_dma(vf(0), 0x10000, 0, 0x1111);
	expect_dma(vf(0), 0x20000, -EFAULT, 0);
	expect_dma(vf(1), 0x20000, 0, 0x2222);
	expect_dma(vf(1), 0x10000, -EFAULT, 0);
	expect_dma(pf, 0x10000, -EFAULT, 0);
	/* The same address is another's memory. */
	assert_int_equal(
		medio_instance_dma_map(vf(1), 0x10000, 4096, MEDIO_PROT_READ, fd1, 0, NULL), 0);
	expect_dma(vf(0), 0x10000, 0, 0x1111);
	expect_dma(vf(1), 0x10000, 0, 0x2222);
	/* The bus is each one's own, too. */
	put(vf(0), 7, PCI_COMMAND, 2, 0);
	expect_dma(vf(0), 0x10000, -ENODEV, 0);
	expect_dma(vf(1), 0x10000, 0, 0x2222);
	medio_instance_detach(pf);
	medio_instance_detach(vf(1));
	medio_instance_detach(vf(0));
	close(fd0);
	close(fd1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(the_capability_says_what_the_type_says),
		T(vf_bars_are_sized_as_bars_are),
		T(a_page_size_is_one_that_is_supported),
		T(what_must_not_change_does_not_while_vfs_are_there),
		T(registers_of_one_write_count_in_order),
		T(numvfs_out_of_range_enables_nothing),
		T(a_driver_makes_and_ends_them),
		T(a_call_makes_and_ends_them_and_the_registers_say_so),
		T(one_that_cannot_be_made_undoes_all),
		T(the_device_may_refuse),
		T(resets_of_the_pf_take_them_down_in_order),
		T(an_flr_of_one_leaves_the_others),
		T(config_space_of_a_vf_is_as_vfio_shows_it),
		T(without_vf_mse_no_vf_answers),
		T(memory_of_one_is_nobody_elses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
