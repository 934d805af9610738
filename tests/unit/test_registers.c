/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of registers: of a type's own table, of configuration space, of MSI-X, and of cards that are known. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <medio/serve.h>
#include <medio/virtio.h>

#include "registers/registers.h"

static struct medio_dev *the_dev;

static int init(struct medio_dev *dev)
{
	the_dev = dev;
	return 0;
}

static const struct medio_device_ops ops = { .init = init };

static const struct medio_register own[] = {
	{ "control", 0, 0x00, 4 },
	{ "status", 0, 0x04, 2 },
	{ "sq", 0, 0x100, 4, 4, 8 },
	{ "cq", 0, 0x104, 4, 4, 8 },
	{ "ram", 1, 0x0, 0x1000 },
	{ "last", 0, UINT64_MAX - 3, 4 },
	{ "close", 0, 0x200, 2, 3 },
	{ "config_own", MEDIO_REGION_CONFIG, 0x3c, 1 },
	{ 0 },
};

static const uint8_t vendor[] = { 7, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static const struct medio_cap caps[] = {
	{ .kind = MEDIO_CAP_PM, .offset = 0x40 },
	{ .kind = MEDIO_CAP_MSI, .offset = 0x50 },
	{ .kind = MEDIO_CAP_MSIX, .offset = 0x70 },
	{ .kind = MEDIO_CAP_VENDOR, .offset = 0x80, .size = sizeof(vendor), .data = vendor },
	{ .kind = MEDIO_CAP_PCIE, .offset = 0xa0 },
	{ .kind = MEDIO_CAP_EXT, .offset = 0, .ext_id = 0x03, .ext_version = 1, .size = 8 },
	{ .kind = MEDIO_CAP_NONE },
};

static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "names",
	.summary = "Registers with names",
	.id = { 0x1234, 0x0001, 0x1234, 0x0001, 1, 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 0x10000 },
		{ .kind = MEDIO_BAR_MEM32, .size = 0x10000 } },
	.irqs = { .intx_pin = 1,
		.msi = 2,
		.msix = { .vectors = 3, .table_bar = 1, .pba_bar = 1, .pba_offset = 0x800 } },
	.caps = caps,
	.ops = &ops,
	.registers = own,
};

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
};

static int bed_open(void **state)
{
	static struct bed bed;
	struct medio_error *err = NULL;

	assert_int_equal(medio_loop_new(&bed.loop), 0);
	if (medio_instance_new(bed.loop, &type, NULL, &bed.inst, &err))
		fail_msg("%s", medio_error_text(err));
	*state = &bed;
	return 0;
}

static int bed_close(void **state)
{
	struct bed *bed = *state;

	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	return 0;
}

static void is_named(unsigned region, uint64_t offset, const char *name)
{
	char text[64];

	if (!medio_register_name(the_dev, region, offset, text, sizeof(text)))
		fail_msg("%s is not %s", text, name);
	assert_string_equal(text, name);
}

static void has_none(unsigned region, uint64_t offset, const char *place)
{
	char text[64];

	assert_false(medio_register_name(the_dev, region, offset, text, sizeof(text)));
	assert_string_equal(text, place);
}

static void a_types_registers_have_its_names(void **state)
{
	is_named(0, 0, "control");
	is_named(0, 3, "control+3");
	is_named(0, 5, "status+1");
	has_none(0, 6, "bar0+0x6");
	is_named(0, UINT64_MAX, "last+3");
	has_none(2, 0, "bar2+0x0");
	has_none(MEDIO_REGION_ROM, 0x10, "rom+0x10");
	has_none(99, 1, "?+0x1");
}

static void tables_are_numbered_also_those_that_lie_between_each_other(void **state)
{
	is_named(0, 0x100, "sq[0]");
	is_named(0, 0x104, "cq[0]");
	is_named(0, 0x11a, "sq[3]+2");
	is_named(0, 0x11c, "cq[3]");
	has_none(0, 0x120, "bar0+0x120");
	is_named(0, 0x203, "close[1]+1");
	has_none(0, 0x206, "bar0+0x206");
}

static void a_short_buffer_cuts_the_name(void **state)
{
	char text[5];

	assert_true(medio_register_name(the_dev, 0, 0, text, sizeof(text)));
	assert_string_equal(text, "cont");
}

static void configuration_space_is_the_standards(void **state)
{
	const unsigned config = MEDIO_REGION_CONFIG;

	is_named(config, 0x00, "config.vendor_id");
	is_named(config, 0x03, "config.device_id+1");
	is_named(config, 0x04, "config.command");
	is_named(config, 0x14, "config.bar1");
	is_named(config, 0x24, "config.bar5");
	is_named(config, 0x3c, "config_own"); /* a type's own comes first */
	is_named(config, 0x3d, "config.interrupt_pin");
	has_none(config, 0x36, "config+0x36");
	is_named(config, 0x40, "config.pm");
	is_named(config, 0x44, "config.pm.control");
	is_named(config, 0x52, "config.msi.control");
	is_named(config, 0x58, "config.msi.address_high"); /* it is one of 64 bits */
	is_named(config, 0x5c, "config.msi.data");
	is_named(config, 0x71, "config.msix+1");
	is_named(config, 0x72, "config.msix.control");
	is_named(config, 0x78, "config.msix.pba");
	is_named(config, 0x80, "config.vendor");
	is_named(config, 0x88, "config.vendor+8");
	has_none(config, 0x9c, "config+0x9c");
	is_named(config, 0xa8, "config.pcie.device_control");
	is_named(config, 0x108, "config.serial.high");
	has_none(config, 0xf00, "config+0xf00");
	has_none(config, 0x1000, "config+0x1000");
	has_none(config, UINT64_MAX, "config+0xffffffffffffffff");
}

static void the_msix_table_is_the_librarys_whatever_else_is_there(void **state)
{
	is_named(1, 0x00, "msix_table[0].address");
	is_named(1, 0x24, "msix_table[2].address_high");
	is_named(1, 0x2e, "msix_table[2].control+2");
	is_named(1, 0x30, "ram+48");
	is_named(1, 0x800, "msix_pba[0]");
	is_named(1, 0x804, "msix_pba[0]+4");
	is_named(1, 0x808, "ram+2056");
	has_none(1, 0x1000, "bar1+0x1000");
}

/* Each table: names that can be printed and are there once, nothing empty, and inside what a card can have. */
static void check_table(const struct medio_register *table)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";

	for (const struct medio_register *r = table; r->name; r++) {
		assert_non_null(strchr(first, r->name[0]));
		assert_int_equal(strspn(r->name, "0123456789._ABCDEFGHIJKLMNOPQRSTUVWXYZ"
						 "abcdefghijklmnopqrstuvwxyz"),
			strlen(r->name));
		assert_true(r->region < MEDIO_NUM_REGIONS);
		assert_true(r->size >= 1);
		for (const struct medio_register *other = table; other < r; other++)
			assert_string_not_equal(other->name, r->name);
		for (const struct medio_register *other = table; other < r; other++)
			if (other->region == r->region && other->count <= 1 && r->count <= 1)
				assert_true(other->offset + other->size <= r->offset ||
					    r->offset + r->size <= other->offset);
	}
}

static void cards_that_are_known_are_found(void **state)
{
	assert_ptr_equal(registers_find(0x1234, 0x11e8), registers_edu);
	assert_ptr_equal(registers_find(0x1b36, 0x0010), registers_nvme);
	assert_ptr_equal(registers_find(0x1af4, 0x1041), medio_virtio_pci_registers);
	assert_null(registers_find(0x1af4, 0x1000)); /* a transitional one: other places */
	assert_null(registers_find(0x8086, 0x10d3));
	assert_ptr_equal(registers_find_class(0x010802), registers_nvme);
	assert_null(registers_find_class(0x020000));
	check_table(registers_edu);
	check_table(registers_16550);
	check_table(registers_16550_dual);
	check_table(registers_nvme);
	check_table(medio_virtio_pci_registers);
	check_table(own);
}

#define WITH_BED(test_) cmocka_unit_test_setup_teardown(test_, bed_open, bed_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BED(a_types_registers_have_its_names),
		WITH_BED(tables_are_numbered_also_those_that_lie_between_each_other),
		WITH_BED(a_short_buffer_cuts_the_name),
		WITH_BED(configuration_space_is_the_standards),
		WITH_BED(the_msix_table_is_the_librarys_whatever_else_is_there),
		cmocka_unit_test(cards_that_are_known_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
