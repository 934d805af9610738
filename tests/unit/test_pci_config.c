/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pci/config.h"
#include "test_pci_types.h"
#include "util/error.h"

static struct medio_pci_config card(const struct medio_type *type)
{
	struct medio_pci_layout *layout = NULL;
	struct medio_pci_config config;
	struct medio_error *err = NULL;

	if (medio_pci_layout_new(type, &layout, &err) < 0)
		fail_msg("%s", medio_error_text(err));
	assert_int_equal(medio_pci_config_init(&config, layout), 0);
	medio_pci_layout_unref(layout); /* the config has its own reference */
	return config;
}

static uint32_t get(const struct medio_pci_config *config, unsigned offset, unsigned width)
{
	uint8_t raw[4] = { 0 };
	assert_int_equal(medio_pci_config_read(config, offset, raw, width), 0);
	return medio_pci_get32(raw);
}

static int put(struct medio_pci_config *config, unsigned offset, unsigned width, uint32_t value)
{
	uint8_t raw[4];
	medio_pci_put32(raw, value);
	return medio_pci_config_write(config, offset, raw, width);
}

static void mtty_comes_out_byte_exact(void **state)
{
	struct medio_pci_config config = card(&mtty_type);
	uint8_t expected[256] = { 0x48, 0x43, 0x53, 0x32, 0x01, 0x00, 0x00, 0x02, 0x10, 0x02, 0x00,
		0x07, [0x10] = 1, [0x14] = 1, [0x2c] = 0x48, 0x43, 0x53, 0x32, [0x3d] = 1,
		[0x40] = 0x23, [0x43] = 0x80, [0x44] = 0x23, [0x48] = 0x23, [0x4c] = 0x23 };
	uint8_t bytes[256];

	memcpy(expected + 0x60, "PCI Serial/UART", 15);
	assert_int_equal(config.layout->size, 256);
	assert_int_equal(medio_pci_config_read(&config, 0, bytes, 256), 0);
	assert_memory_equal(bytes, expected, 256);
	medio_pci_config_fini(&config);
}

static void mtty_bytes_of_its_own_are_read_only_but_its_command_is_not(void **state)
{
	struct medio_pci_config config = card(&mtty_type);

	put(&config, 0x40, 4, 0xffffffff);
	put(&config, 0x60, 4, 0);
	assert_int_equal(get(&config, 0x40, 4), 0x80000023);
	assert_int_equal(get(&config, 0x60, 4), 0x20494350);
	assert_true(medio_pci_config_io_enabled(&config));
	assert_int_equal(put(&config, 4, 2, 0), MEDIO_PCI_COMMAND);
	assert_false(medio_pci_config_io_enabled(&config));
	medio_pci_config_reset(&config);
	assert_true(medio_pci_config_io_enabled(&config));
	medio_pci_config_fini(&config);
}

static void an_instance_is_small(void **state)
{
	struct medio_pci_config config = card(&mtty_type);
	assert_true(sizeof(config) + config.layout->extent <= 256 + 16);
	medio_pci_config_fini(&config);
	/* A PCI Express card pays for what it uses, not for 4096 bytes. */
	config = card(&rich_type);
	assert_int_equal(config.layout->size, 4096);
	assert_true(config.layout->extent < 512);
	assert_int_equal(get(&config, 0xffc, 4), 0);
	assert_int_equal(put(&config, 0xffc, 4, 0xffffffff), 0);
	assert_int_equal(get(&config, 0xffc, 4), 0);
	medio_pci_config_fini(&config);
}

static void ranges_outside_the_space_are_refused(void **state)
{
	struct medio_pci_config config = card(&mtty_type);
	uint8_t raw[8] = { 0 };

	assert_int_equal(medio_pci_config_read(&config, 253, raw, 4), -EINVAL);
	assert_int_equal(medio_pci_config_read(&config, 256, raw, 1), -EINVAL);
	assert_int_equal(medio_pci_config_read(&config, UINT64_MAX, raw, 2), -EINVAL);
	assert_int_equal(medio_pci_config_write(&config, UINT64_MAX - 3, raw, 8), -EINVAL);
	assert_int_equal(medio_pci_config_write(&config, 250, raw, 8), -EINVAL);
	assert_int_equal(medio_pci_config_write(&config, 0, raw, SIZE_MAX), -EINVAL);
	assert_int_equal(medio_pci_config_read(&config, 256, raw, 0), 0);
	medio_pci_config_fini(&config);
}

static void a_range_that_crosses_the_extent_reads_zeros_behind_it(void **state)
{
	struct medio_pci_config config = card(&rich_type);
	unsigned extent = config.layout->extent;
	uint8_t raw[64];

	memset(raw, 0xaa, sizeof(raw));
	assert_int_equal(medio_pci_config_read(&config, extent - 8, raw, 64), 0);
	for (unsigned i = 8; i < 64; i++)
		assert_int_equal(raw[i], 0);
	memset(raw, 0xff, sizeof(raw));
	assert_true(medio_pci_config_write(&config, extent - 8, raw, 64) >= 0);
	assert_int_equal(get(&config, extent, 4), 0);
	medio_pci_config_fini(&config);
}

static void the_command_register_takes_bytes(void **state)
{
	struct medio_pci_config config = card(&rich_type);

	assert_int_equal(put(&config, 4, 1, 0xff), MEDIO_PCI_COMMAND);
	assert_int_equal(get(&config, 4, 2), 0x0047);
	assert_true(medio_pci_config_bus_master(&config));
	assert_true(medio_pci_config_mem_enabled(&config));
	assert_true(medio_pci_config_io_enabled(&config));
	assert_false(medio_pci_config_intx_disabled(&config));
	/* The high byte alone: SERR and INTx disable. */
	assert_int_equal(put(&config, 5, 1, 0xff), MEDIO_PCI_COMMAND | MEDIO_PCI_INTX_DISABLE);
	assert_int_equal(get(&config, 4, 2), 0x0547);
	assert_true(medio_pci_config_intx_disabled(&config));
	/* The same again changes nothing and says so. */
	assert_int_equal(put(&config, 4, 2, 0xffff), 0);
	/* A write that only passes over it, from the id to the status register. */
	uint8_t wide[8] = { 9, 9, 9, 9, 0x06, 0x04, 0, 0 };
	assert_int_equal(medio_pci_config_write(&config, 0, wide, 8), MEDIO_PCI_COMMAND);
	assert_int_equal(get(&config, 4, 2), 0x0406);
	assert_int_equal(get(&config, 0, 4), 0x11e81234);
	medio_pci_config_fini(&config);
}

static void status_bits_clear_on_one_and_ignore_zero(void **state)
{
	static const struct medio_config_bytes bytes[] = { { 6, 2, "\x00\xfb" }, { 0 } };
	struct medio_type type = mtty_type;
	type.config = bytes;
	struct medio_pci_config config = card(&type);

	assert_int_equal(get(&config, 6, 2), 0xfb00);
	put(&config, 6, 2, 0x0000);
	assert_int_equal(get(&config, 6, 2), 0xfb00);
	put(&config, 6, 2, 0x8100);
	assert_int_equal(get(&config, 6, 2), 0x7a00);
	put(&config, 7, 1, 0xff); /* DEVSEL is not among them */
	assert_int_equal(get(&config, 6, 2), 0x0200);
	medio_pci_config_fini(&config);
}

static void the_interrupt_status_bit_is_the_cards(void **state)
{
	struct medio_pci_config config = card(&rich_type);

	medio_pci_config_set_intx_status(&config, true);
	assert_int_equal(get(&config, 6, 2), 0x0018);
	put(&config, 6, 2, 0xffff);
	assert_int_equal(get(&config, 6, 2), 0x0018);
	medio_pci_config_set_intx_status(&config, false);
	assert_int_equal(get(&config, 6, 2), 0x0010);
	medio_pci_config_set_intx_status(&config, true);
	medio_pci_config_reset(&config);
	assert_int_equal(get(&config, 6, 2), 0x0010);
	medio_pci_config_fini(&config);
}

static void conventional_timers_and_the_interrupt_line_take_values(void **state)
{
	struct medio_pci_config config = card(&mtty_type);

	put(&config, 0x0c, 4, 0xffffffff);
	assert_int_equal(get(&config, 0x0c, 4), 0x0000ffff);
	put(&config, 0x3c, 4, 0xffffffff);
	assert_int_equal(get(&config, 0x3c, 4), 0x000001ff);
	medio_pci_config_fini(&config);
	/* The latency timer of PCI Express is hardwired to 0. */
	config = card(&rich_type);
	put(&config, 0x0c, 4, 0xffffffff);
	assert_int_equal(get(&config, 0x0c, 4), 0x000000ff);
	medio_pci_config_fini(&config);
}

static uint32_t sized(struct medio_pci_config *config, unsigned n)
{
	assert_int_equal(put(config, 0x10 + 4 * n, 4, 0xffffffff) & ~MEDIO_PCI_BAR, 0);
	return get(config, 0x10 + 4 * n, 4);
}

static void bars_of_each_kind_tell_their_size(void **state)
{
	struct medio_pci_config config = card(&rich_type);

	assert_int_equal(get(&config, 0x10, 4), 0x0000000c); /* 64-bit, prefetchable */
	assert_int_equal(get(&config, 0x18, 4), 0x00000000); /* 32-bit */
	assert_int_equal(get(&config, 0x1c, 4), 0x00000001); /* I/O */
	assert_int_equal(get(&config, 0x20, 4), 0x00000004); /* 64-bit */
	assert_int_equal(sized(&config, 0), 0x0000000c);     /* 8 GiB: all in the upper half */
	assert_int_equal(sized(&config, 1), 0xfffffffe);
	assert_int_equal(sized(&config, 2), 0xffff0000);
	assert_int_equal(sized(&config, 3), 0xffffff01);
	assert_int_equal(sized(&config, 4), 0xfffffff4);
	assert_int_equal(sized(&config, 5), 0xffffffff);
	put(&config, 0x30, 4, 0xffffffff); /* no ROM */
	assert_int_equal(get(&config, 0x30, 4), 0);
	medio_pci_config_fini(&config);

	config = card(&mtty_type);
	assert_int_equal(sized(&config, 0), 0xfffffff9);
	assert_int_equal(sized(&config, 2), 0);
	medio_pci_config_fini(&config);
}

static void bar_addresses_come_without_flags(void **state)
{
	struct medio_pci_config config = card(&rich_type);

	assert_int_equal(put(&config, 0x14, 4, 0x12), MEDIO_PCI_BAR);
	assert_true(medio_pci_config_bar_address(&config, 0) == UINT64_C(0x1200000000));
	assert_true(medio_pci_config_bar_address(&config, 1) == 0);
	/* A byte of it. */
	assert_int_equal(put(&config, 0x1a, 1, 0xfe), MEDIO_PCI_BAR);
	assert_true(medio_pci_config_bar_address(&config, 2) == 0x00fe0000);
	put(&config, 0x1c, 4, 0xc0ff);
	assert_true(medio_pci_config_bar_address(&config, 3) == 0xc000);
	assert_true(medio_pci_config_bar_address(&config, 6) == 0);
	medio_pci_config_reset(&config);
	assert_true(medio_pci_config_bar_address(&config, 0) == 0);
	medio_pci_config_fini(&config);
}

static void flr_is_asked_for_and_reads_back_zero(void **state)
{
	struct medio_pci_config config = card(&rich_type);
	unsigned devctl = config.layout->pcie + 8u;

	assert_int_equal(get(&config, devctl, 2), 0x2810);
	assert_int_equal(get(&config, devctl - 4, 4) >> 28 & 1, 1);
	assert_int_equal(put(&config, devctl, 2, 0xa810), MEDIO_PCI_FLR);
	assert_int_equal(get(&config, devctl, 2), 0x2810);
	/* The upper byte alone does it too, the lower does not. */
	assert_int_equal(put(&config, devctl + 1, 1, 0x80), MEDIO_PCI_FLR);
	assert_int_equal(get(&config, devctl, 2), 0x0010);
	assert_int_equal(put(&config, devctl, 1, 0xff), 0);
	/* Payload size, phantom functions and auxiliary power are hardwired. */
	put(&config, devctl, 2, 0x7fff);
	assert_int_equal(get(&config, devctl, 2), 0x791f);
	medio_pci_config_fini(&config);
}

static void power_states_move_between_d0_and_d3hot_only(void **state)
{
	struct medio_pci_config config = card(&rich_type);
	unsigned pmcsr = 0x84;

	put(&config, 4, 2, 7);
	assert_int_equal(get(&config, 0x82, 2) & 7, 3);
	assert_int_equal(put(&config, pmcsr, 2, 1), 0);
	assert_int_equal(get(&config, pmcsr, 2), 0);
	assert_int_equal(put(&config, pmcsr, 2, 3), MEDIO_PCI_POWER_DOWN);
	assert_int_equal(medio_pci_config_power_state(&config), 3);
	assert_false(medio_pci_config_bus_master(&config));
	assert_false(medio_pci_config_mem_enabled(&config));
	assert_false(medio_pci_config_io_enabled(&config));
	assert_int_equal(put(&config, pmcsr, 1, 2), 0);
	assert_int_equal(medio_pci_config_power_state(&config), 3);
	assert_int_equal(put(&config, pmcsr, 2, 0), MEDIO_PCI_POWER_UP);
	assert_true(medio_pci_config_bus_master(&config));
	medio_pci_config_fini(&config);
	/* Without the capability the card is in D0. */
	config = card(&mtty_type);
	assert_int_equal(medio_pci_config_power_state(&config), 0);
	medio_pci_config_fini(&config);
}

static void msi_with_masks_keeps_mask_and_pending(void **state)
{
	struct medio_pci_config config = card(&rich_type);
	unsigned msi = config.layout->msi;

	assert_int_equal(get(&config, msi, 1), 5);
	assert_int_equal(get(&config, msi + 2, 2), 0x0186); /* masks, 64-bit, 8 vectors */
	assert_false(medio_pci_config_msi_enabled(&config));
	assert_int_equal(put(&config, msi + 2, 2, 0xffff), MEDIO_PCI_MSI);
	assert_int_equal(get(&config, msi + 2, 2), 0x01f7);
	assert_true(medio_pci_config_msi_enabled(&config));
	assert_int_equal(medio_pci_config_msi_nvec(&config), 8); /* 128 was asked */
	put(&config, msi + 2, 2, 0x21);
	assert_int_equal(medio_pci_config_msi_nvec(&config), 4);
	put(&config, msi + 4, 4, 0xfee00003);
	put(&config, msi + 8, 4, 0x1);
	put(&config, msi + 12, 2, 0x4042);
	assert_true(medio_pci_config_msi_address(&config) == UINT64_C(0x1fee00000));
	assert_int_equal(medio_pci_config_msi_data(&config, 0), 0x4040);
	assert_int_equal(medio_pci_config_msi_data(&config, 3), 0x4043);

	assert_int_equal(put(&config, msi + 16, 4, 0xffffffff), MEDIO_PCI_MSI);
	assert_int_equal(medio_pci_config_msi_mask(&config), 0xff);
	assert_int_equal(put(&config, msi + 16, 1, 0xfe), MEDIO_PCI_MSI);
	assert_int_equal(medio_pci_config_msi_mask(&config), 0xfe);
	medio_pci_config_set_msi_pending(&config, 7, true);
	medio_pci_config_set_msi_pending(&config, 8, true);
	medio_pci_config_set_msi_pending(&config, 200, true);
	assert_int_equal(medio_pci_config_msi_pending(&config), 0x80);
	assert_int_equal(put(&config, msi + 20, 4, 0xffffffff), 0); /* read-only */
	assert_int_equal(get(&config, msi + 20, 4), 0x80);
	medio_pci_config_set_msi_pending(&config, 7, false);
	assert_int_equal(get(&config, msi + 20, 4), 0);
	medio_pci_config_fini(&config);
}

static void msi_without_masks_is_14_bytes(void **state)
{
	struct medio_type type = mtty_type;
	type.irqs.msi = 1;
	type.config = NULL;
	struct medio_pci_config config = card(&type);

	assert_int_equal(config.layout->msi, 0x40);
	assert_int_equal(get(&config, 0x34, 1), 0x40);
	assert_int_equal(get(&config, 0x42, 2), 0x0080);
	put(&config, 0x42, 2, 0xffff);
	assert_int_equal(medio_pci_config_msi_nvec(&config), 1);
	put(&config, 0x4c, 2, 0xffff);
	assert_int_equal(medio_pci_config_msi_data(&config, 0), 0xffff);
	put(&config, 0x4e, 2, 0xffff);
	put(&config, 0x50, 4, 0xffffffff);
	assert_int_equal(get(&config, 0x4e, 2), 0);
	assert_int_equal(get(&config, 0x50, 4), 0);
	medio_pci_config_set_msi_pending(&config, 0, true);
	assert_int_equal(medio_pci_config_msi_pending(&config), 0);
	assert_int_equal(medio_pci_config_msi_mask(&config), 0);
	medio_pci_config_fini(&config);
}

static void msi_of_32_vectors_has_32_mask_bits(void **state)
{
	struct medio_type type = mtty_type;
	type.irqs.msi = 32;
	type.irqs.msi_vector_mask = true;
	struct medio_pci_config config = card(&type);
	unsigned msi = config.layout->msi;

	put(&config, msi + 16, 4, 0xffffffff);
	assert_int_equal(medio_pci_config_msi_mask(&config), 0xffffffff);
	medio_pci_config_set_msi_pending(&config, 31, true);
	assert_int_equal(medio_pci_config_msi_pending(&config), 0x80000000);
	medio_pci_config_fini(&config);
}

static void msix_control_takes_enable_and_function_mask(void **state)
{
	struct medio_pci_config config = card(&rich_type);
	unsigned msix = config.layout->msix;

	assert_int_equal(get(&config, msix + 2, 2), 32);
	assert_int_equal(get(&config, msix + 4, 4), 0x2002);
	assert_int_equal(get(&config, msix + 8, 4), 0x3002);
	assert_int_equal(put(&config, msix + 3, 1, 0xc0), MEDIO_PCI_MSIX);
	assert_true(medio_pci_config_msix_enabled(&config));
	assert_true(medio_pci_config_msix_function_mask(&config));
	assert_int_equal(put(&config, msix + 2, 2, 0xbfff), MEDIO_PCI_MSIX);
	assert_int_equal(get(&config, msix + 2, 2), 0x8020);
	assert_false(medio_pci_config_msix_function_mask(&config));
	assert_int_equal(put(&config, msix + 4, 4, 0), 0);
	assert_int_equal(get(&config, msix + 4, 4), 0x2002);
	medio_pci_config_fini(&config);
	config = card(&mtty_type);
	assert_false(medio_pci_config_msix_enabled(&config));
	assert_false(medio_pci_config_msi_enabled(&config));
	assert_int_equal(medio_pci_config_msi_nvec(&config), 0);
	medio_pci_config_fini(&config);
}

static void vendor_and_extended_capabilities_follow_their_masks(void **state)
{
	struct medio_pci_config config = card(&rich_type);
	unsigned vendor = config.layout->cap_offset[1];
	unsigned ext = config.layout->cap_offset[5];

	assert_int_equal(get(&config, vendor, 1), 9);
	assert_int_equal(get(&config, vendor + 2, 1), 8);
	assert_int_equal(put(&config, vendor + 3, 4, 0xffffffff), MEDIO_PCI_CAP);
	assert_int_equal(get(&config, vendor + 3, 4), 0x0f03ff01);
	assert_int_equal(put(&config, vendor + 3, 1, 0), 0); /* no writable bit there */
	/* A mailbox wants to know of a write of the same value. */
	assert_int_equal(put(&config, vendor + 4, 1, 0xff), MEDIO_PCI_CAP);
	assert_int_equal(put(&config, ext + 8, 4, 0x12345678), MEDIO_PCI_CAP);
	assert_int_equal(get(&config, ext + 8, 4), 0x5678);
	assert_int_equal(put(&config, ext, 4, 0), 0);
	assert_int_equal(get(&config, ext, 4), 0x0001000b);
	medio_pci_config_fini(&config);
}

static void a_saved_space_loads_and_a_forged_one_does_not(void **state)
{
	struct medio_pci_config a = card(&rich_type), b = card(&rich_type);
	uint8_t image[4096], seen[4096];

	put(&a, 4, 2, 0x0406);
	put(&a, 0x18, 4, 0xfeb00000);
	medio_pci_config_set_msi_pending(&a, 3, true);
	medio_pci_config_set_intx_status(&a, true);
	medio_pci_config_read(&a, 0, image, sizeof(image));
	assert_int_equal(medio_pci_config_load(&b, image, 256), -EINVAL);
	assert_int_equal(medio_pci_config_load(&b, image, sizeof(image)), 0);
	medio_pci_config_read(&b, 0, seen, sizeof(seen));
	assert_memory_equal(seen, image, sizeof(image));

	medio_pci_config_reset(&b);
	static const struct {
		unsigned offset;
		uint8_t flip;
	} forged[] = { { 0x00, 1 }, { 0x10, 1 }, { 0x34, 4 }, { 0x84, 1 }, { 0x84, 2 }, { 0x86, 1 },
		{ 0x800, 1 }, { 0x100, 1 } };
	for (unsigned i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		image[forged[i].offset] ^= forged[i].flip;
		assert_int_equal(medio_pci_config_load(&b, image, sizeof(image)), -EINVAL);
		assert_int_equal(get(&b, 4, 2), 0);
		image[forged[i].offset] ^= forged[i].flip;
	}
	medio_pci_config_fini(&a);
	medio_pci_config_fini(&b);
}

static void instances_share_a_layout_and_nothing_else(void **state)
{
	struct medio_pci_layout *layout = NULL;
	struct medio_pci_config a, b;

	assert_int_equal(medio_pci_layout_new(&mtty_type, &layout, NULL), 0);
	assert_int_equal(medio_pci_config_init(&a, layout), 0);
	assert_int_equal(medio_pci_config_init(&b, layout), 0);
	medio_pci_layout_unref(layout);
	put(&a, 0x3c, 1, 11);
	assert_int_equal(get(&b, 0x3c, 1), 0);
	medio_pci_config_fini(&a);
	assert_int_equal(get(&b, 0, 2), 0x4348);
	medio_pci_config_fini(&b);
	medio_pci_config_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mtty_comes_out_byte_exact),
		cmocka_unit_test(mtty_bytes_of_its_own_are_read_only_but_its_command_is_not),
		cmocka_unit_test(an_instance_is_small),
		cmocka_unit_test(ranges_outside_the_space_are_refused),
		cmocka_unit_test(a_range_that_crosses_the_extent_reads_zeros_behind_it),
		cmocka_unit_test(the_command_register_takes_bytes),
		cmocka_unit_test(status_bits_clear_on_one_and_ignore_zero),
		cmocka_unit_test(the_interrupt_status_bit_is_the_cards),
		cmocka_unit_test(conventional_timers_and_the_interrupt_line_take_values),
		cmocka_unit_test(bars_of_each_kind_tell_their_size),
		cmocka_unit_test(bar_addresses_come_without_flags),
		cmocka_unit_test(flr_is_asked_for_and_reads_back_zero),
		cmocka_unit_test(power_states_move_between_d0_and_d3hot_only),
		cmocka_unit_test(msi_with_masks_keeps_mask_and_pending),
		cmocka_unit_test(msi_without_masks_is_14_bytes),
		cmocka_unit_test(msi_of_32_vectors_has_32_mask_bits),
		cmocka_unit_test(msix_control_takes_enable_and_function_mask),
		cmocka_unit_test(vendor_and_extended_capabilities_follow_their_masks),
		cmocka_unit_test(a_saved_space_loads_and_a_forged_one_does_not),
		cmocka_unit_test(instances_share_a_layout_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
