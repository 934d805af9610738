/* SPDX-License-Identifier: BSD-3-Clause */
/* What a card says of itself, turned into a type: no card is there. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../devices/passthrough/shape.h"
#include "../../devices/passthrough/view.h"

struct made {
	struct passthrough_facts facts;
	struct passthrough_shape shape;
	struct medio_type type;
	char words[160];
};

static void put16(struct made *m, unsigned at, uint16_t value)
{
	medio_put_le(m->facts.config + at, 2, value);
}

static void put32(struct made *m, unsigned at, uint32_t value)
{
	medio_put_le(m->facts.config + at, 4, value);
}

/* A capability: its id and the next one's place. */
static void cap(struct made *m, unsigned at, uint8_t id, uint8_t next)
{
	m->facts.config[at] = id;
	m->facts.config[at + 1] = next;
}

/* An NVMe controller such as QEMU's: PM, MSI-X with its table behind the registers, PCI Express. */
static int setup(void **state)
{
	struct made *m = calloc(1, sizeof(*m));

	put16(m, PCI_VENDOR_ID, 0x1b36);
	put16(m, PCI_DEVICE_ID, 0x10);
	put32(m, PCI_CLASS_REVISION, 0x01080202);
	put16(m, PCI_STATUS, PCI_STATUS_CAP_LIST);
	m->facts.config[PCI_CAPABILITY_LIST] = 0x40;
	m->facts.config[PCI_INTERRUPT_PIN] = 1;
	put32(m, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64);
	cap(m, 0x40, PCI_CAP_ID_PM, 0x50);
	cap(m, 0x50, PCI_CAP_ID_MSIX, 0x80);
	put16(m, 0x52, 64);
	put32(m, 0x54, 0x2000);
	put32(m, 0x58, 0x3000);
	cap(m, 0x80, PCI_CAP_ID_EXP, 0);
	m->facts.config_size = 4096;
	m->facts.bars[0].size = 0x4000;
	m->facts.bars[0].areas[0] = (struct medio_mmap_area){ 0, 0x4000 };
	m->facts.bars[0].num_areas = 1;
	m->facts.irqs[MEDIO_IRQ_INTX] = 1;
	m->facts.irqs[MEDIO_IRQ_MSIX] = 65;
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static int make(struct made *m)
{
	memset(&m->type, 0, sizeof(m->type));
	m->words[0] = 0;
	return passthrough_shape_make(&m->facts, &m->shape, &m->type, m->words, sizeof(m->words));
}

static void refused(struct made *m, int err, const char *words)
{
	assert_int_equal(make(m), -err);
	assert_non_null(strstr(m->words, words));
}

/* What a client reads at a word of the space, when the library's bytes are all 0x11. */
static uint32_t seen(const struct made *m, unsigned at)
{
	uint8_t buf[4], lib[4] = { 0x11, 0x11, 0x11, 0x11 };

	memcpy(buf, m->facts.config + at, 4);
	passthrough_view_read(&m->shape.view, at, buf, lib, 4);
	return (uint32_t)medio_get_le(buf, 4);
}

static bool has_cap(const struct made *m, enum medio_cap_kind kind, unsigned offset)
{
	for (const struct medio_cap *c = m->type.caps; c->kind; c++)
		if (c->kind == kind)
			return c->offset == offset;
	return false;
}

static void the_table_is_not_mapped(void **state)
{
	struct made *m = *state;

	assert_int_equal(make(m), 0);
	assert_int_equal(m->type.id.class_code, 0x010802);
	assert_int_equal(m->type.bars[0].kind, MEDIO_BAR_MEM64);
	assert_int_equal(m->type.irqs.msix.vectors, 65);
	assert_int_equal(m->type.irqs.intx_pin, 1);
	assert_int_equal(m->type.bars[0].areas[0].offset, 0);
	assert_int_equal(m->type.bars[0].areas[0].size, 0x2000);
	assert_int_equal(m->type.bars[0].areas[1].size, 0);
	assert_true(has_cap(m, MEDIO_CAP_MSIX, 0x50));
	assert_true(has_cap(m, MEDIO_CAP_PCIE, 0x80));
	/* Its registers have names, by its class. */
	assert_non_null(m->type.registers);
	/* In the middle of a BAR, it leaves two parts. */
	m->facts.bars[0].size = m->facts.bars[0].areas[0].size = 0x8000;
	assert_int_equal(make(m), 0);
	assert_int_equal(m->type.bars[0].areas[1].offset, 0x4000);
	assert_int_equal(m->type.bars[0].areas[1].size, 0x4000);
}

static void bars_stay_where_they_are(void **state)
{
	struct made *m = *state;
	uint8_t in[64], out[64];
	size_t at = 0;

	memset(in, 0xff, sizeof(in));
	assert_int_equal(make(m), 0);
	assert_int_equal(seen(m, PCI_BASE_ADDRESS_0), 0x11111111);
	assert_int_equal(seen(m, PCI_ROM_ADDRESS), 0x11111111);
	assert_int_equal(seen(m, PCI_VENDOR_ID), 0x00101b36);
	/* Two runs: before the BARs, without the self test, and behind; not the ROM's. */
	assert_int_equal(
		passthrough_view_write(&m->shape.view, 0, in, 64, &at, out), PCI_HEADER_TYPE);
	assert_int_equal(at, 0);
	at = PCI_HEADER_TYPE;
	assert_int_equal(passthrough_view_write(&m->shape.view, 0, in, 64, &at, out),
		PCI_ROM_ADDRESS - PCI_CARDBUS_CIS);
	assert_int_equal(at, PCI_CARDBUS_CIS);
	/* A reset of the function is asked for in another way. */
	at = 0;
	assert_int_equal(
		passthrough_view_write(&m->shape.view, 0x80 + PCI_EXP_DEVCTL, in, 2, &at, out), 2);
	assert_int_equal(medio_get_le(out, 2), 0x7fff);
	/* Nothing reaches one that nobody guards. */
	passthrough_view_guard(&m->shape.view);
	at = 0;
	assert_int_equal(passthrough_view_write(&m->shape.view, 0, in, 64, &at, out), 0);
}

static void what_gives_no_interrupts_is_not_there(void **state)
{
	struct made *m = *state;

	m->facts.irqs[MEDIO_IRQ_MSIX] = m->facts.irqs[MEDIO_IRQ_INTX] = 0;
	assert_int_equal(make(m), 0);
	assert_int_equal(m->type.irqs.msix.vectors, 0);
	/* The list leads around it. */
	assert_int_equal(seen(m, 0x40) & 0xffff, 0x8000 | PCI_CAP_ID_PM);
	assert_int_equal(seen(m, 0x54), 0);
	assert_int_equal(seen(m, PCI_INTERRUPT_LINE) >> 8, 0);
	/* All of the BAR can be mapped then. */
	assert_int_equal(m->type.bars[0].areas[0].size, 0x4000);
	/* The first of the list. */
	m->facts.config[PCI_CAPABILITY_LIST] = 0x50;
	assert_int_equal(make(m), 0);
	assert_int_equal(seen(m, PCI_CAPABILITY_LIST) & 0xff, 0x80);
}

static void messages_of_32_bits_have_no_place_of_their_own(void **state)
{
	struct made *m = *state;

	m->facts.config[0x41] = 0x60;
	cap(m, 0x60, PCI_CAP_ID_MSI, 0x6c);
	put16(m, 0x62, 2 << 1);
	cap(m, 0x6c, PCI_CAP_ID_VNDR, 0x50);
	m->facts.irqs[MEDIO_IRQ_MSI] = 3;
	assert_int_equal(make(m), 0);
	assert_int_equal(m->type.irqs.msi, 2);
	assert_false(has_cap(m, MEDIO_CAP_MSI, 0x60));
	assert_false(m->type.irqs.msi_vector_mask);
	assert_int_equal(seen(m, 0x60) & 0xff, PCI_CAP_ID_MSI);
	/* Of 64 bits, with masks, where nothing is behind it. */
	m->facts.config[0x61] = 0x50;
	put16(m, 0x62, 2 << 1 | PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	assert_int_equal(make(m), 0);
	assert_true(has_cap(m, MEDIO_CAP_MSI, 0x60));
	assert_true(m->type.irqs.msi_vector_mask);
}

static void what_reaches_beyond_the_card_is_hidden(void **state)
{
	struct made *m = *state;

	put32(m, 0x100, PCI_EXT_CAP_ID_SRIOV | 1 << 16 | 0x140 << 20);
	put32(m, 0x104, 0xffffffff);
	put32(m, 0x140, PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x160 << 20);
	put32(m, 0x160, PCI_EXT_CAP_ID_REBAR | 1 << 16);
	put32(m, 0x164, 0xfff0);
	assert_int_equal(make(m), 0);
	assert_int_equal(seen(m, 0x100), 0x140 << 20);
	assert_int_equal(seen(m, 0x104), 0);
	assert_int_equal(seen(m, 0x140), PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x160 << 20);
	assert_int_equal(seen(m, 0x160), 0);
	assert_int_equal(seen(m, 0x164), 0);
}

static void an_old_pci_express_has_256_bytes(void **state)
{
	struct made *m = *state;

	m->facts.config[0x51] = 0xe0;
	cap(m, 0xe0, PCI_CAP_ID_EXP, 0);
	assert_int_equal(make(m), 0);
	assert_false(has_cap(m, MEDIO_CAP_PCIE, 0xe0));
	assert_non_null(strstr(m->shape.notes, "version 1"));
}

static void ports_beyond_the_possible_are_left_out(void **state)
{
	struct made *m = *state;

	put32(m, PCI_BASE_ADDRESS_2, PCI_BASE_ADDRESS_SPACE_IO);
	m->facts.bars[2].size = 4096;
	put32(m, PCI_BASE_ADDRESS_3, PCI_BASE_ADDRESS_SPACE_IO);
	m->facts.bars[3].size = 64;
	assert_int_equal(make(m), 0);
	assert_int_equal(m->type.bars[2].kind, MEDIO_BAR_NONE);
	assert_int_equal(m->type.bars[3].kind, MEDIO_BAR_IO);
	assert_non_null(strstr(m->shape.notes, "BAR 2"));
}

static void areas_that_cannot_be_are_not(void **state)
{
	struct made *m = *state;
	struct passthrough_bar *bar = &m->facts.bars[0];

	m->facts.irqs[MEDIO_IRQ_MSIX] = 0;
	bar->areas[0] = (struct medio_mmap_area){ 0x800, 0x1900 };
	bar->areas[1] = (struct medio_mmap_area){ 0x1000, 0x1000 };
	bar->areas[2] = (struct medio_mmap_area){ 0x3000, 0x2000 };
	bar->areas[3] = (struct medio_mmap_area){ UINT64_MAX - 4095, 0x2000 };
	bar->num_areas = 4;
	assert_int_equal(make(m), 0);
	/* Whole pages of the first; the second is in it; the others end outside. */
	assert_int_equal(m->type.bars[0].areas[0].offset, 0x1000);
	assert_int_equal(m->type.bars[0].areas[0].size, 0x1000);
	assert_int_equal(m->type.bars[0].areas[1].size, 0);
}

static void what_no_card_can_be_is_refused(void **state)
{
	struct made *m = *state;

	m->facts.bars[0].size = 0x3000;
	refused(m, EINVAL, "BAR 0 is said to have 0x3000 bytes");
	m->facts.bars[0].size = 0x4000;
	put32(m, 0x54, 0x2003);
	refused(m, EINVAL, "MSI-X table is said to be in BAR 3");
	m->facts.config[PCI_HEADER_TYPE] = 1;
	refused(m, EINVAL, "bridge");
	m->facts.config_size = 64;
	refused(m, EINVAL, "64 bytes of configuration space");
	memset(m->facts.config, 0xff, sizeof(m->facts.config));
	m->facts.config_size = 256;
	refused(m, ENODEV, "no card is there");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_table_is_not_mapped),
		TEST(bars_stay_where_they_are),
		TEST(what_gives_no_interrupts_is_not_there),
		TEST(messages_of_32_bits_have_no_place_of_their_own),
		TEST(what_reaches_beyond_the_card_is_hidden),
		TEST(an_old_pci_express_has_256_bytes),
		TEST(ports_beyond_the_possible_are_left_out),
		TEST(areas_that_cannot_be_are_not),
		TEST(what_no_card_can_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
