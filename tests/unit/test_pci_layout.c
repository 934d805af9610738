/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pci/bytes.h"
#include "pci/layout.h"
#include "test_pci_types.h"
#include "util/error.h"

/* The type is refused with this errno, and each of the words stands in the message. */
static void refused(const struct medio_type *type, int ret, const char *a, const char *b)
{
	struct medio_pci_layout *layout = NULL;
	struct medio_error *err = NULL;

	assert_int_equal(medio_pci_layout_new(type, &layout, &err), ret);
	assert_null(layout);
	assert_non_null(err);
	if (!strstr(medio_error_text(err), a) || !strstr(medio_error_text(err), b))
		fail_msg("'%s' lacks '%s' or '%s'", medio_error_text(err), a, b);
	medio_error_free(err);
	/* Nobody has to want the words. */
	assert_int_equal(medio_pci_layout_new(type, &layout, NULL), ret);
}

static struct medio_pci_layout *made(const struct medio_type *type)
{
	struct medio_pci_layout *layout = NULL;
	struct medio_error *err = NULL;

	if (medio_pci_layout_new(type, &layout, &err) < 0)
		fail_msg("%s", medio_error_text(err));
	return layout;
}

static void another_abi_and_bad_names_are_refused(void **state)
{
	struct medio_type type = mtty_type;

	type.abi = MEDIO_DEVICE_ABI + 1;
	char built[32], has[32];
	snprintf(built, sizeof(built), "version %u", type.abi);
	snprintf(has, sizeof(has), "has %u", MEDIO_DEVICE_ABI);
	refused(&type, -EPROTO, built, has);
	type = mtty_type;
	type.name = NULL;
	refused(&type, -EINVAL, "no name", "");
	type.name = "";
	refused(&type, -EINVAL, "no name", "");
	type.name = "Mtty";
	refused(&type, -EINVAL, "'M'", "allowed: a-z");
	type.name = "a/b";
	refused(&type, -EINVAL, "'/'", "type 'a/b'");
	type.name = "..";
	refused(&type, -EINVAL, "begins with '.'", "");
	type.name = "-x";
	refused(&type, -EINVAL, "begins with '-'", "");
}

static void class_code_and_pin_have_limits(void **state)
{
	struct medio_type type = mtty_type;

	type.id.class_code = 0x1000000;
	refused(&type, -EINVAL, "0x1000000", "24 bits");
	type = mtty_type;
	type.irqs.intx_pin = 5;
	refused(&type, -EINVAL, "pin 5", "1 to 4");
}

static void bar_sizes_have_limits(void **state)
{
	static const struct {
		enum medio_bar_kind kind;
		uint64_t size;
		const char *words;
	} bad[] = {
		{ MEDIO_BAR_IO, 12, "size 12 is not a power of two" },
		{ MEDIO_BAR_IO, 2, "size 2 is too small" },
		{ MEDIO_BAR_IO, 0, "size 0 is too small" },
		{ MEDIO_BAR_IO, 512, "size 512 is too large (an I/O BAR takes 4 to 256" },
		{ MEDIO_BAR_MEM32, 8, "size 8 is too small" },
		{ MEDIO_BAR_MEM32, UINT64_C(1) << 32, "too large (a 32-bit memory BAR takes 16" },
		{ MEDIO_BAR_MEM32, 4097, "size 4097 is not a power of two" },
		{ MEDIO_BAR_MEM64, 8, "size 8 is too small" },
		{ MEDIO_BAR_MEM64, UINT64_C(1) << 63, "is too large" },
		{ MEDIO_BAR_NONE, 16, "no kind" },
		{ (enum medio_bar_kind)9, 16, "kind 9" },
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct medio_type type = mtty_type;
		type.bars[2] = (struct medio_bar){ .kind = bad[i].kind, .size = bad[i].size };
		refused(&type, -EINVAL, "type 'mtty-2': BAR 2: ", bad[i].words);
	}
	struct medio_type type = mtty_type;
	type.bars[0].prefetchable = true;
	refused(&type, -EINVAL, "BAR 0", "prefetchable");
}

static void wide_bars_need_the_slot_behind_them(void **state)
{
	struct medio_type type = mtty_type;

	type.bars[5] = (struct medio_bar){ .kind = MEDIO_BAR_MEM64, .size = 4096 };
	refused(&type, -EINVAL, "BAR 5", "allowed: 0 to 4");
	type = mtty_type;
	type.bars[0] = (struct medio_bar){ .kind = MEDIO_BAR_MEM64, .size = 4096 };
	refused(&type, -EINVAL, "BAR 0", "takes BAR 1 too");
}

static void areas_are_whole_pages_inside_their_bar(void **state)
{
	static const struct medio_mmap_area odd[] = { { 0x800, 0x1000 }, { 0 } };
	static const struct medio_mmap_area half[] = { { 0, 0x800 }, { 0 } };
	static const struct medio_mmap_area outside[] = { { 0xf000, 0x2000 }, { 0 } };
	static const struct medio_mmap_area wraps[] = { { UINT64_C(0) - 0x1000, 0x2000 }, { 0 } };
	static const struct medio_mmap_area twice[] = { { 0, 0x2000 }, { 0x1000, 0x1000 }, { 0 } };
	struct medio_type type = mtty_type;

	type.bars[0].areas = odd;
	refused(&type, -EINVAL, "BAR 0", "an I/O BAR cannot have mappable areas");
	type.bars[0] = (struct medio_bar){ .kind = MEDIO_BAR_MEM32, .size = 0x10000 };
	type.bars[0].areas = odd;
	refused(&type, -EINVAL, "BAR 0: area 0 (offset 0x800", "whole pages of 4096");
	type.bars[0].areas = half;
	refused(&type, -EINVAL, "size 0x800", "whole pages of 4096");
	type.bars[0].areas = outside;
	refused(&type, -EINVAL, "area 0 (offset 0xf000", "outside the BAR of 0x10000");
	type.bars[0].areas = wraps;
	refused(&type, -EINVAL, "area 0", "outside the BAR of 0x10000");
	type.bars[0].areas = twice;
	refused(&type, -EINVAL, "areas 0 and 1 overlap", "BAR 0");
}

static void doorbells_ring_inside_their_bar(void **state)
{
	struct medio_doorbell bell = { .offset = 6, .size = 4 };
	struct medio_type type = mtty_type;

	type.bars[1].num_doorbells = 1;
	refused(&type, -EINVAL, "BAR 1: 1 doorbells", "no list");
	type.bars[1].doorbells = &bell;
	refused(&type, -EINVAL, "doorbell 0 at 0x6", "outside the BAR of 0x8");
	bell = (struct medio_doorbell){ .offset = 8 };
	refused(&type, -EINVAL, "doorbell 0 at 0x8", "outside");
	bell = (struct medio_doorbell){ .offset = 0, .size = 3 };
	refused(&type, -EINVAL, "size 3", "allowed: 0, 1, 2, 4, 8");
	bell = (struct medio_doorbell){ .has_datamatch = true };
	refused(&type, -EINVAL, "doorbell 0", "allowed: 1, 2, 4, 8");
	bell = (struct medio_doorbell){ .offset = 7, .size = 1 };
	medio_pci_layout_unref(made(&type));
}

static void msi_counts_are_powers_of_two_to_32(void **state)
{
	struct medio_type type = mtty_type;

	for (unsigned n = 0; n < 256; n++) {
		type.irqs.msi = (uint8_t)n;
		if (n == 0 || n == 1 || n == 2 || n == 4 || n == 8 || n == 16 || n == 32)
			medio_pci_layout_unref(made(&type));
		else
			refused(&type, -EINVAL, "MSI vectors", "allowed: 0, 1, 2, 4, 8, 16, 32");
	}
}

static void msix_tables_lie_where_only_the_library_reaches(void **state)
{
	const struct medio_msix good = rich_type.irqs.msix;
	struct medio_type type = rich_type;
	struct medio_msix *msix = &type.irqs.msix;

	msix->vectors = 2049;
	refused(&type, -EINVAL, "2049 MSI-X vectors", "0 to 2048");
	*msix = good;
	msix->table_bar = 6;
	refused(&type, -EINVAL, "table in BAR 6", "0 to 5");
	msix->table_bar = 1;
	refused(&type, -EINVAL, "table in BAR 1", "none");
	msix->table_bar = 3;
	refused(&type, -EINVAL, "table in BAR 3", "I/O");
	*msix = good;
	msix->pba_bar = 5;
	refused(&type, -EINVAL, "pending bit array in BAR 5", "none");
	*msix = good;
	msix->table_offset = 0x2004;
	refused(&type, -EINVAL, "table at offset 0x2004", "multiples of 8");
	msix->table_offset = 0xfff8;
	refused(&type, -EINVAL, "table of 528 bytes at offset 0xfff8", "outside BAR 2 of 0x10000");
	msix->table_offset = 0xfffffff8;
	refused(&type, -EINVAL, "table", "outside BAR 2");
	*msix = good;
	msix->pba_offset = 0x10000;
	refused(&type, -EINVAL, "pending bit array of 8 bytes", "outside BAR 2");
	msix->pba_offset = 0x2208;
	refused(&type, -EINVAL, "overlap in BAR 2", "528 bytes at 0x2000");
	msix->pba_offset = 0x2210;
	medio_pci_layout_unref(made(&type));
	*msix = good;
	msix->table_offset = 0x3f00;
	refused(&type, -EINVAL, "mappable area 0", "no client may map it");
	*msix = good;
	msix->pba_offset = 0x8ff8;
	refused(&type, -EINVAL, "pending bit array", "mappable area 1");
}

static void capabilities_that_cannot_be_are_refused(void **state)
{
	uint8_t data[256] = { 0 };
	struct medio_cap caps[3] = { { 0 } };
	struct medio_type type = mtty_type;
	type.caps = caps;

	caps[0].kind = (enum medio_cap_kind)77;
	refused(&type, -EINVAL, "capability 0 has kind 77", "");
	caps[0].kind = MEDIO_CAP_MSI;
	refused(&type, -EINVAL, "is MSI", "irqs.msi is 0");
	caps[0].kind = MEDIO_CAP_MSIX;
	refused(&type, -EINVAL, "is MSI-X", "irqs.msix.vectors is 0");
	caps[0] = (struct medio_cap){ .kind = MEDIO_CAP_EXT, .ext_id = 3, .size = 8, .data = data };
	refused(&type, -EINVAL, "1 extended capabilities", "no PCI Express");
	caps[0] = caps[1] = (struct medio_cap){ .kind = MEDIO_CAP_PM };
	refused(&type, -EINVAL, "power management", "twice");
	caps[1] = (struct medio_cap){ 0 };
	caps[0].offset = 0x52;
	refused(&type, -EINVAL, "power management capability at 0x52", "multiples of 4");
	caps[0].offset = 0x3c;
	refused(&type, -EINVAL, "at 0x3c", "0x40 to 0xfc");
	caps[0].offset = 0xfc;
	refused(&type, -EINVAL, "8 bytes at 0xfc", "beyond 0xff");
	caps[0].offset = 0x5c;
	refused(&type, -EINVAL, "at 0x5c", "overlaps config bytes at 0x60");
	caps[0].offset = 0x80;
	caps[1] = (struct medio_cap){ .kind = MEDIO_CAP_VENDOR, .offset = 0x7c, .size = 2 };
	refused(&type, -EINVAL, "vendor capability at 0x7c", "overlaps another capability at 0x80");
	caps[1] = (struct medio_cap){ .kind = MEDIO_CAP_VENDOR, .size = 190 };
	refused(&type, -EINVAL, "190 vendor bytes", "0 to 189");
	caps[1].size = 140;
	refused(&type, -EINVAL, "no room below 0x100", "vendor capability of 143 bytes");
}

static void extended_capabilities_have_limits(void **state)
{
	static const struct medio_config_bytes at100[] = { { 0x100, 1, "x" }, { 0 } };
	static const uint8_t data[4096];
	struct medio_cap caps[4] = { { .kind = MEDIO_CAP_PCIE }, { .kind = MEDIO_CAP_EXT } };
	struct medio_type type = mtty_type;
	type.caps = caps;

	refused(&type, -EINVAL, "id 0", "1 to 65535");
	caps[1].ext_id = 3;
	caps[1].ext_version = 16;
	refused(&type, -EINVAL, "version 16", "0 to 15");
	caps[1].ext_version = 1;
	caps[1].offset = 0x40;
	refused(&type, -EINVAL, "offset 0x40", "allowed: 0");
	caps[1].offset = 0;
	caps[1].data = data;
	caps[1].size = 0xf00 - 3;
	refused(&type, -EINVAL, "no room below 0x1000", "0x3 of 3841 bytes");
	caps[1].size = 0xf00 - 4;
	medio_pci_layout_unref(made(&type));
	caps[2] = (struct medio_cap){ .kind = MEDIO_CAP_EXT, .ext_id = 0xb };
	refused(&type, -EINVAL, "no room below 0x1000", "0xb of 4 bytes");
	caps[2].kind = MEDIO_CAP_NONE;
	caps[1].size = 8;
	type.config = at100;
	refused(&type, -EINVAL, "config bytes at 0x100", "0x3");
}

static void config_bytes_keep_to_what_is_the_cards(void **state)
{
	struct medio_config_bytes bytes[2] = { { 0xfe, 3, "abc" }, { 0 } };
	struct medio_type type = mtty_type;
	type.config = bytes;

	refused(&type, -EINVAL, "config bytes 0 (3 at 0xfe)", "beyond 0xff");
	bytes[0] = (struct medio_config_bytes){ 0xffff, 0xffff, "" };
	refused(&type, -EINVAL, "config bytes 0", "beyond 0xff");
	bytes[0] = (struct medio_config_bytes){ 0x40, 1, NULL };
	refused(&type, -EINVAL, "config bytes 0", "no data");
	bytes[0] = (struct medio_config_bytes){ 0x0e, 1, "\x01" };
	refused(&type, -EINVAL, "config byte 0x01 at 0x0e", "0x7f");
	bytes[0] = (struct medio_config_bytes){ 0x10, 1, "\x00" };
	refused(&type, -EINVAL, "config byte 0x00 at 0x10", "0x01");
	bytes[0] = (struct medio_config_bytes){ 0x06, 1, "\x10" };
	refused(&type, -EINVAL, "config byte 0x10 at 0x06", "");
	bytes[0] = (struct medio_config_bytes){ 0x34, 1, "\x40" };
	refused(&type, -EINVAL, "config byte 0x40 at 0x34", "");
	bytes[0] = (struct medio_config_bytes){ 0x30, 1, "\x01" };
	refused(&type, -EINVAL, "config byte 0x01 at 0x30", "");
	/* The library's own values may be repeated, and free bits chosen. */
	bytes[0] = (struct medio_config_bytes){ 0x0e, 3, "\x80\x00\xf9" };
	struct medio_pci_layout *layout = made(&type);
	assert_memory_equal(layout->initial + 0x0e, "\x80\x00\xf9", 3);
	medio_pci_layout_unref(layout);
}

/* Follow the list, and check that ids come in this order. */
static void list_is(
	const struct medio_pci_layout *layout, const uint8_t *ids, const uint8_t *places)
{
	unsigned at = layout->initial[0x34];
	for (unsigned i = 0; ids[i]; i++) {
		assert_int_equal(at, places[i]);
		assert_int_equal(layout->initial[at], ids[i]);
		at = layout->initial[at + 1];
	}
	assert_int_equal(at, 0);
}

static void capabilities_stand_in_the_order_listed(void **state)
{
	struct medio_pci_layout *layout = made(&rich_type);
	static const uint8_t ids[] = { 1, 9, 0x10, 0x11, 5, 0 };
	static const uint8_t places[] = { 0x80, 0x40, 0x88, 0x48, 0x54 };

	list_is(layout, ids, places);
	assert_int_equal(layout->initial[6] & 0x10, 0x10);
	assert_int_equal(layout->cap_offset[0], 0x80);
	assert_int_equal(layout->cap_offset[1], 0x40);
	assert_int_equal(layout->cap_offset[3], 0x88);
	/* Serial number at 0x100, then the vendor's, then the end. */
	assert_int_equal(layout->cap_offset[2], 0x100);
	assert_int_equal(layout->cap_offset[5], 0x10c);
	assert_int_equal(medio_pci_get32(layout->initial + 0x100), 0x10c10003);
	assert_int_equal(medio_pci_get32(layout->initial + 0x10c), 0x0001000b);
	medio_pci_layout_unref(layout);
}

static void automatic_places_go_around_config_bytes(void **state)
{
	struct medio_type type = mtty_type;
	type.irqs.msi = 4;
	type.irqs.msi_vector_mask = true;
	type.bars[2] = (struct medio_bar){ .kind = MEDIO_BAR_MEM32, .size = 4096 };
	type.irqs.msix = (struct medio_msix){ 4, 2, 2, 0, 2048 };
	/* 0x40-0x4c and 0x60-0x6e are taken: MSI (24) at 0x70, MSI-X (12) at 0x50. */
	static const uint8_t ids[] = { 5, 0x11, 0 };
	static const uint8_t places[] = { 0x70, 0x50 };
	struct medio_pci_layout *layout = made(&type);

	list_is(layout, ids, places);
	assert_memory_equal(layout->initial + 0x60, "PCI Serial/UART", 15);
	assert_int_equal(layout->initial[0x4c], 0x23);
	medio_pci_layout_unref(layout);
}

static void without_extended_capabilities_the_header_at_0x100_is_zero(void **state)
{
	static const struct medio_cap caps[] = { { .kind = MEDIO_CAP_PCIE }, { 0 } };
	struct medio_type type = mtty_type;
	type.caps = caps;
	struct medio_pci_layout *layout = made(&type);

	assert_int_equal(layout->size, 4096);
	assert_true(layout->extent <= 256);
	/* DEVSEL has no meaning on PCI Express. */
	assert_int_equal(medio_pci_get16(layout->initial + 6), 0x0010);
	medio_pci_layout_unref(medio_pci_layout_ref(layout));
	assert_int_equal(layout->initial[layout->pcie], 0x10);
	medio_pci_layout_unref(layout);
	medio_pci_layout_unref(NULL);
}

static void the_space_can_be_filled_to_the_last_byte(void **state)
{
	struct medio_cap caps[50] = { { 0 } };
	struct medio_type type = mtty_type;
	type.config = NULL;
	type.caps = caps;

	for (unsigned i = 0; i < 48; i++)
		caps[i] = (struct medio_cap){ .kind = MEDIO_CAP_VENDOR, .size = 1, .data = "v" };
	struct medio_pci_layout *layout = made(&type);
	assert_int_equal(layout->cap_offset[47], 0xfc);
	assert_int_equal(layout->initial[0xff], 'v');
	medio_pci_layout_unref(layout);
	caps[48] = caps[0];
	refused(&type, -EINVAL, "more than 48", "");
}

/* The ids of the extended list, as two digits each. */
static void ext_list(const struct medio_pci_layout *layout, char *out, size_t size)
{
	out[0] = '\0';
	for (unsigned at = 0x100; at;) {
		uint32_t header = medio_pci_get32(layout->initial + at);
		size_t len = strlen(out);
		snprintf(out + len, size - len, "%02x ", header & 0xffff);
		at = header >> 20;
	}
}

static void functions_of_many_have_ari_and_sriov_behind_the_listed_ones(void **state)
{
	struct medio_pci_layout *layout;
	struct medio_sriov sriov = pf_sriov;
	struct medio_type type = rich_type, vf = pf_vf_type;
	char list[64];

	type.sriov = &sriov;
	sriov.vf = &vf;
	layout = made(&type);
	ext_list(layout, list, sizeof(list));
	assert_string_equal(list, "03 0b 0e 10 ");
	assert_true(layout->extent >= layout->sriov + 0x40);
	assert_int_equal(layout->total_vfs, 8);
	medio_pci_layout_unref(layout);

	layout = made(&pf_type);
	ext_list(layout, list, sizeof(list));
	assert_string_equal(list, "0e 10 ");
	medio_pci_layout_unref(layout);

	assert_int_equal(medio_pci_layout_new_vf(&pf_vf_type, &layout, NULL), 0);
	ext_list(layout, list, sizeof(list));
	assert_string_equal(list, "0e ");
	assert_int_equal(layout->sriov, 0);
	medio_pci_layout_unref(layout);

	/* Without room: the card has filled its space. */
	static const uint8_t filler[0xe00];
	const struct medio_config_bytes config[] = { { 0x110, sizeof(filler), filler },
		{ 0xf10, 0xf0, filler }, { 0 } };
	type = pf_type;
	type.config = config;
	refused(&type, -EINVAL, "no room", "0x10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_abi_and_bad_names_are_refused),
		cmocka_unit_test(class_code_and_pin_have_limits),
		cmocka_unit_test(bar_sizes_have_limits),
		cmocka_unit_test(wide_bars_need_the_slot_behind_them),
		cmocka_unit_test(areas_are_whole_pages_inside_their_bar),
		cmocka_unit_test(doorbells_ring_inside_their_bar),
		cmocka_unit_test(msi_counts_are_powers_of_two_to_32),
		cmocka_unit_test(msix_tables_lie_where_only_the_library_reaches),
		cmocka_unit_test(capabilities_that_cannot_be_are_refused),
		cmocka_unit_test(extended_capabilities_have_limits),
		cmocka_unit_test(config_bytes_keep_to_what_is_the_cards),
		cmocka_unit_test(capabilities_stand_in_the_order_listed),
		cmocka_unit_test(automatic_places_go_around_config_bytes),
		cmocka_unit_test(without_extended_capabilities_the_header_at_0x100_is_zero),
		cmocka_unit_test(the_space_can_be_filled_to_the_last_byte),
		cmocka_unit_test(functions_of_many_have_ari_and_sriov_behind_the_listed_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
