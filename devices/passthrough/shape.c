/* SPDX-License-Identifier: BSD-3-Clause */
#include "shape.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "registers/registers.h"
#include "view.h"

#define PAGE	 UINT64_C(4096)
#define MAX_IO	 256u
#define MAX_MEM	 (UINT64_C(1) << 47)
#define CONV_END 0x100u

/* Bytes that the library's capabilities take (PCI Local Bus 3.0, 6.8; PCI Express Base, 7.5.3). */
#define MSI_64	   14u
#define MSI_64MASK 24u
#define PCIE_V2	   60u

struct maker {
	const struct passthrough_facts *facts;
	struct passthrough_shape *shape;
	struct medio_type *type;
	char *words;
	size_t size;
	unsigned num_caps, cap_size[4];
};

typedef unsigned long long ull;

static int refuse(struct maker *m, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct maker *m, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->words, m->size, fmt, ap);
	va_end(ap);
	return -err;
}

static void note(struct maker *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void note(struct maker *m, const char *fmt, ...)
{
	char *notes = m->shape->notes;
	size_t used = strlen(notes), left = sizeof(m->shape->notes) - used;
	va_list ap;

	if (used && left > 3)
		used += (size_t)snprintf(notes + used, left, "; ");
	va_start(ap, fmt);
	vsnprintf(notes + used, sizeof(m->shape->notes) - used, fmt, ap);
	va_end(ap);
}

static uint16_t word(const struct maker *m, unsigned at)
{
	return (uint16_t)medio_get_le(m->facts->config + at, 2);
}

static uint32_t dword(const struct maker *m, unsigned at)
{
	return (uint32_t)medio_get_le(m->facts->config + at, 4);
}

/* ---- Header ------------------------------------------------------------------------------------ */

static int take_id(struct maker *m)
{
	const uint8_t *config = m->facts->config;
	struct medio_pci_id *id = &m->type->id;

	if (m->facts->config_size < CONV_END)
		return refuse(m, EINVAL,
			"it has %u bytes of configuration space, at least 256 are needed",
			m->facts->config_size);
	if (word(m, PCI_VENDOR_ID) == 0xffff)
		return refuse(m, ENODEV, "its configuration space reads as ones: no card is there");
	if ((config[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return refuse(m, EINVAL,
			"its header is of type %u, that of a bridge: only cards can be passed on",
			config[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK);
	*id = (struct medio_pci_id){
		.vendor = word(m, PCI_VENDOR_ID),
		.device = word(m, PCI_DEVICE_ID),
		.subsystem_vendor = word(m, PCI_SUBSYSTEM_VENDOR_ID),
		.subsystem_device = word(m, PCI_SUBSYSTEM_ID),
		.revision = config[PCI_REVISION_ID],
		.class_code = dword(m, PCI_CLASS_REVISION) >> 8,
	};
	m->type->registers = registers_find(id->vendor, id->device);
	if (!m->type->registers)
		m->type->registers = registers_find_class(id->class_code);
	return 0;
}

/* ---- BARs (PCI Local Bus 3.0, 6.2.5.1) ------------------------------------------------------------- */

static enum medio_bar_kind kind_of(uint32_t bar)
{
	if (bar & PCI_BASE_ADDRESS_SPACE_IO)
		return MEDIO_BAR_IO;
	return (bar & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64
		       ? MEDIO_BAR_MEM64
		       : MEDIO_BAR_MEM32;
}

static int take_bar(struct maker *m, unsigned n)
{
	const uint64_t size = m->facts->bars[n].size;
	const uint32_t reg = dword(m, PCI_BASE_ADDRESS_0 + 4 * n);
	struct medio_bar *bar = &m->type->bars[n];
	enum medio_bar_kind kind = kind_of(reg);
	uint64_t most = kind == MEDIO_BAR_MEM64 ? MAX_MEM : UINT64_C(1) << 31;

	*bar = (struct medio_bar){ 0 };
	if (!size)
		return 0;
	if (kind == MEDIO_BAR_IO && (size > MAX_IO || size < 4)) {
		note(m, "BAR %u, %llu bytes of I/O ports: at most %u are possible", n, (ull)size,
			MAX_IO);
		return 0;
	}
	if (size & (size - 1) || size > most || (kind != MEDIO_BAR_IO && size < 16))
		return refuse(m, EINVAL, "BAR %u is said to have 0x%llx bytes, which none can have",
			n, (ull)size);
	if (kind == MEDIO_BAR_MEM64 && n == MEDIO_NUM_BARS - 1)
		return refuse(m, EINVAL, "BAR 5 is said to be one of 64 bits, which takes two");
	*bar = (struct medio_bar){
		.kind = kind,
		.prefetchable = kind != MEDIO_BAR_IO && reg & PCI_BASE_ADDRESS_MEM_PREFETCH,
		.size = size,
	};
	return 0;
}

static int take_bars(struct maker *m)
{
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		int ret = take_bar(m, n);
		if (ret)
			return ret;
		/* The slot behind it is its upper half, whatever is said of it. */
		if (m->type->bars[n].kind == MEDIO_BAR_MEM64)
			m->type->bars[++n] = (struct medio_bar){ 0 };
	}
	return 0;
}

/* ---- Capabilities ------------------------------------------------------------------------------------ */

/* The offset of the first capability of this id, 0: none. The list may be a circle. */
static unsigned find_cap(const struct maker *m, uint8_t id)
{
	const uint8_t *config = m->facts->config;
	unsigned at = config[PCI_CAPABILITY_LIST] & ~3u;

	if (!(word(m, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	for (unsigned hops = 0; at >= PCI_STD_HEADER_SIZEOF && hops < 48; hops++) {
		if (config[at] == id)
			return at;
		at = config[at + 1] & ~3u;
	}
	return 0;
}

static bool apart(unsigned a, unsigned a_size, unsigned b, unsigned b_size)
{
	return a + a_size <= b || b + b_size <= a;
}

/* Does [at, at + size) end inside the header's 256 bytes, and keep clear of those listed? */
static bool has_room(const struct maker *m, unsigned at, unsigned size)
{
	if (at + size > CONV_END)
		return false;
	for (unsigned i = 0; i < m->num_caps; i++)
		if (!apart(at, size, m->shape->caps[i].offset, m->cap_size[i]))
			return false;
	return true;
}

static void list(struct maker *m, enum medio_cap_kind kind, unsigned at, unsigned size)
{
	m->cap_size[m->num_caps] = size;
	m->shape->caps[m->num_caps++] = (struct medio_cap){ .kind = kind, .offset = (uint8_t)at };
}

static int take_msix(struct maker *m)
{
	struct medio_msix *msix = &m->type->irqs.msix;
	unsigned at = find_cap(m, PCI_CAP_ID_MSIX);
	uint32_t count = m->facts->irqs[MEDIO_IRQ_MSIX];

	if (!at)
		return 0;
	if (!count || at + PCI_CAP_MSIX_SIZEOF > CONV_END) {
		passthrough_view_hide(&m->shape->view, m->facts, at, PCI_CAP_MSIX_SIZEOF);
		return 0;
	}
	uint32_t has = (word(m, at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1u;
	uint32_t table = dword(m, at + PCI_MSIX_TABLE), pba = dword(m, at + PCI_MSIX_PBA);
	*msix = (struct medio_msix){
		.vectors = (uint16_t)(count < has ? count : has),
		.table_bar = table & PCI_MSIX_TABLE_BIR,
		.pba_bar = pba & PCI_MSIX_PBA_BIR,
		.table_offset = table & PCI_MSIX_TABLE_OFFSET,
		.pba_offset = pba & PCI_MSIX_PBA_OFFSET,
	};
	if (msix->table_bar >= MEDIO_NUM_BARS || msix->pba_bar >= MEDIO_NUM_BARS ||
		m->type->bars[msix->table_bar].kind < MEDIO_BAR_MEM32 ||
		m->type->bars[msix->pba_bar].kind < MEDIO_BAR_MEM32)
		return refuse(m, EINVAL,
			"its MSI-X table is said to be in BAR %u and its pending bits in BAR %u: one of them "
			"is no memory",
			msix->table_bar, msix->pba_bar);
	list(m, MEDIO_CAP_MSIX, at, PCI_CAP_MSIX_SIZEOF);
	return 0;
}

static uint8_t power_of_two(uint32_t most)
{
	uint8_t n = 1;

	while (n * 2u <= most && n < 32)
		n *= 2;
	return n;
}

/*
 * The library's copy of the capability stands where the card's does, so that it sees the mask bits that the
 * driver writes. It is one with 64-bit addresses; beside another kind it stands anywhere, and has none.
 */
static void take_msi(struct maker *m)
{
	struct medio_irqs *irqs = &m->type->irqs;
	unsigned at = find_cap(m, PCI_CAP_ID_MSI);
	uint32_t count = m->facts->irqs[MEDIO_IRQ_MSI];

	if (!at)
		return;
	if (!count) {
		passthrough_view_hide(&m->shape->view, m->facts, at, MSI_64MASK);
		return;
	}
	uint16_t flags = word(m, at + PCI_MSI_FLAGS);
	uint32_t has = 1u << ((flags & PCI_MSI_FLAGS_QMASK) >> 1);
	bool mask = flags & PCI_MSI_FLAGS_MASKBIT;
	irqs->msi = power_of_two(count < has ? count : has);
	unsigned size = mask ? MSI_64MASK : MSI_64;
	if (!(flags & PCI_MSI_FLAGS_64BIT) || !has_room(m, at, size))
		return;
	irqs->msi_vector_mask = mask;
	list(m, MEDIO_CAP_MSI, at, size);
}

/* Without it the library takes the card for a conventional one, of 256 bytes. */
static void take_pcie(struct maker *m)
{
	struct passthrough_view *view = &m->shape->view;
	unsigned at = find_cap(m, PCI_CAP_ID_EXP);

	if (!at)
		return;
	if (!has_room(m, at, PCIE_V2)) {
		if (m->facts->config_size > CONV_END)
			note(m, "configuration space from 0x100 on: its PCI Express capability is of "
				"version 1");
		return;
	}
	list(m, MEDIO_CAP_PCIE, at, PCIE_V2);
	/* An FLR comes as a reset, once the library has noticed it. */
	view->write[at + PCI_EXP_DEVCTL + 1] &= (uint8_t) ~(PCI_EXP_DEVCTL_BCR_FLR >> 8);
}

static int take_caps(struct maker *m)
{
	int ret = take_msix(m);

	if (ret)
		return ret;
	take_msi(m);
	take_pcie(m);
	passthrough_view_hide_extended(&m->shape->view, m->facts);
	m->type->caps = m->shape->caps;
	return 0;
}

static void take_intx(struct maker *m)
{
	uint8_t pin = m->facts->config[PCI_INTERRUPT_PIN];

	if (m->facts->irqs[MEDIO_IRQ_INTX])
		m->type->irqs.intx_pin = pin >= 1 && pin <= 4 ? pin : 1;
	m->shape->view.see[PCI_INTERRUPT_PIN] = 0;
	m->shape->view.value[PCI_INTERRUPT_PIN] = m->type->irqs.intx_pin;
}

/* ---- What can be mapped --------------------------------------------------------------------------------- */

static bool meets(const struct medio_mmap_area *a, uint64_t offset, uint64_t size)
{
	return a->offset < offset + size && offset < a->offset + a->size;
}

/* A run of pages, unless one is there already. */
static void add_area(struct maker *m, unsigned n, uint64_t first, uint64_t end)
{
	struct medio_mmap_area *areas = m->shape->areas[n];
	unsigned count = 0;

	for (; areas[count].size; count++)
		if (meets(&areas[count], first, end - first))
			return;
	if (first < end && count < PASSTHROUGH_MAX_AREAS)
		areas[count] = (struct medio_mmap_area){ first, end - first };
}

/* What is left of an area without the pages of the MSI-X table and the pending bits, which are the library's. */
static void cut_area(struct maker *m, unsigned n, uint64_t first, uint64_t end)
{
	const struct medio_msix *msix = &m->type->irqs.msix;
	const struct {
		unsigned bar;
		uint64_t first, end;
	} parts[] = {
		{ msix->table_bar, msix->table_offset / PAGE * PAGE,
			(msix->table_offset + msix->vectors * UINT64_C(16) + PAGE - 1) / PAGE *
				PAGE },
		{ msix->pba_bar, msix->pba_offset / PAGE * PAGE,
			(msix->pba_offset + (msix->vectors + UINT64_C(63)) / 64 * 8 + PAGE - 1) /
				PAGE * PAGE },
	};

	for (unsigned i = 0; msix->vectors && i < 2; i++) {
		if (parts[i].bar != n || parts[i].end <= first || parts[i].first >= end)
			continue;
		if (parts[i].first > first)
			cut_area(m, n, first, parts[i].first);
		if (parts[i].end < end)
			cut_area(m, n, parts[i].end, end);
		return;
	}
	add_area(m, n, first, end);
}

static void take_areas(struct maker *m, unsigned n)
{
	const struct passthrough_bar *has = &m->facts->bars[n];
	struct medio_bar *bar = &m->type->bars[n];

	for (unsigned i = 0; i < has->num_areas && i < PASSTHROUGH_MAX_AREAS; i++) {
		uint64_t offset = has->areas[i].offset, size = has->areas[i].size;
		if (offset > bar->size || size > bar->size - offset)
			continue;
		/* Both are below 2^48. */
		cut_area(m, n, (offset + PAGE - 1) / PAGE * PAGE, (offset + size) / PAGE * PAGE);
	}
	if (!m->shape->areas[n][0].size)
		return;
	bar->areas = m->shape->areas[n];
	bar->areas_if_shared = true;
}

/* ---- Doorbells --------------------------------------------------------------------------------------------- */

/* One for a single value is not: when it rings, nobody could say which of that place it was. */
static bool is_bell(const struct medio_bar *bar, const struct medio_doorbell *bell)
{
	uint32_t size = bell->size;

	return size <= 8 && !(size & (size - 1)) && !bell->has_datamatch &&
	       bell->offset < bar->size && (size ? size : 1) <= bar->size - bell->offset;
}

static void take_bells(struct maker *m, unsigned n)
{
	const struct passthrough_bar *has = &m->facts->bars[n];
	struct medio_bar *bar = &m->type->bars[n];

	for (unsigned i = 0; i < has->num_bells && i < PASSTHROUGH_MAX_BELLS; i++)
		if (is_bell(bar, &has->bells[i]))
			m->shape->bells[n][bar->num_doorbells++] = has->bells[i];
	if (bar->num_doorbells)
		bar->doorbells = m->shape->bells[n];
}

int passthrough_shape_make(const struct passthrough_facts *facts, struct passthrough_shape *shape,
	struct medio_type *type, char *words, size_t size)
{
	struct maker m = {
		.facts = facts, .shape = shape, .type = type, .words = words, .size = size
	};
	int ret;

	memset(shape, 0, sizeof(*shape));
	type->irqs = (struct medio_irqs){ 0 };
	passthrough_view_init(&shape->view, facts);
	ret = take_id(&m);
	if (!ret)
		ret = take_bars(&m);
	if (!ret)
		ret = take_caps(&m);
	if (ret)
		return ret;
	take_intx(&m);
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		if (type->bars[n].kind == MEDIO_BAR_NONE)
			continue;
		if (type->bars[n].kind != MEDIO_BAR_IO)
			take_areas(&m, n);
		take_bells(&m, n);
	}
	type->raw_config = true;
	return 0;
}
