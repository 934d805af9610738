/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/layout.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "pci/bytes.h"
#include "pci/capability.h"
#include "pci/sriov.h"
#include "pci/validate.h"
#include "util/error.h"

#define HEADER_END 0x40u
#define CONV_SIZE  0x100u
#define EXT_SIZE   0x1000u
/* As many capabilities of 4 bytes as 0x40 to 0xff holds. */
#define MAX_CAPS 48

#define COMMAND_WMASK \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
		PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
/* PCI Express Base 9.3.4.1.3: the PF's other bits hold for its VFs. */
#define VF_COMMAND_WMASK (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
#define STATUS_W1C \
	(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT | \
		PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR | \
		PCI_STATUS_DETECTED_PARITY)

#define refuse(b, fmt, ...) \
	medio_error_set((b)->err, EINVAL, "type '%s': " fmt, (b)->type->name, __VA_ARGS__)

/* A capability and where it goes. cap is NULL for MSI and MSI-X that only irqs asks for. */
struct placed {
	enum medio_cap_kind kind;
	const struct medio_cap *cap;
	unsigned index; /* in type->caps */
	unsigned offset, size;
};

enum owner { FREE, CONFIG, CAPABILITY };

/* A layout being made: its arrays are EXT_SIZE long until finish(). */
struct builder {
	const struct medio_type *type;
	struct medio_error **err;
	bool vf;
	struct medio_pci_layout layout;
	struct placed conv[MAX_CAPS];
	unsigned num_conv, num_caps, num_ext;
	uint8_t owner[EXT_SIZE]; /* enum owner, for each byte from 0x40 */
};

/* One allocation holds the five arrays, the widest elements first. */
static int alloc_arrays(struct medio_pci_layout *layout, unsigned extent)
{
	uint16_t *memory = calloc(extent, sizeof(*layout->event) + 4);
	if (!memory)
		return -ENOMEM;
	layout->extent = (uint16_t)extent;
	layout->event = memory;
	layout->initial = (uint8_t *)(memory + extent);
	layout->wmask = layout->initial + extent;
	layout->w1c = layout->wmask + extent;
	layout->live = layout->w1c + extent;
	return 0;
}

static void builder_free(struct builder *b)
{
	free(b->layout.event);
	free(b->layout.cap_offset);
	free(b);
}

/* ---- Which capabilities ------------------------------------------------------------------- */

static int add_conv(struct builder *b, enum medio_cap_kind kind, const struct medio_cap *cap)
{
	if (b->num_conv == MAX_CAPS)
		return refuse(b, "more than %u capabilities; config space has no room", MAX_CAPS);
	b->conv[b->num_conv++] = (struct placed){
		.kind = kind,
		.cap = cap,
		.index = cap ? (unsigned)(cap - b->type->caps) : 0,
		.offset = cap ? cap->offset : 0,
		.size = medio_pci_capability_size(kind, b->type, cap),
	};
	return 0;
}

static int check_cap(const struct builder *b, unsigned index, const struct medio_cap *cap)
{
	const char *name = medio_pci_capability_name(cap->kind);

	if (cap->kind == MEDIO_CAP_MSI && !b->type->irqs.msi)
		return refuse(b, "capability %u is MSI, but irqs.msi is 0", index);
	if (cap->kind == MEDIO_CAP_MSIX && !b->type->irqs.msix.vectors)
		return refuse(b, "capability %u is MSI-X, but irqs.msix.vectors is 0", index);
	if (cap->kind == MEDIO_CAP_EXT) {
		if (cap->offset)
			return refuse(b,
				"capability %u: an extended one cannot choose its offset 0x%x "
				"(allowed: 0)",
				index, cap->offset);
		if (!cap->ext_id)
			return refuse(b,
				"capability %u: extended capability id 0 (allowed: 1 to 65535)",
				index);
		if (cap->ext_version > 15)
			return refuse(b,
				"capability %u: extended capability version %u (allowed: 0 to 15)",
				index, cap->ext_version);
		return 0;
	}
	if (cap->kind == MEDIO_CAP_VENDOR && cap->size > CONV_SIZE - HEADER_END - 3)
		return refuse(b, "capability %u: %u vendor bytes (allowed: 0 to %u)", index,
			cap->size, CONV_SIZE - HEADER_END - 3);
	if (cap->offset % 4)
		return refuse(
			b, "%s capability at 0x%x (allowed: multiples of 4)", name, cap->offset);
	if (cap->offset && cap->offset < HEADER_END)
		return refuse(b, "%s capability at 0x%x (allowed: 0x40 to 0xfc, or 0)", name,
			cap->offset);
	return 0;
}

static int collect_caps(struct builder *b)
{
	const struct medio_type *type = b->type;
	bool seen[MEDIO_CAP_EXT + 1] = { false };
	int ret;

	for (unsigned i = 0; type->caps && type->caps[i].kind != MEDIO_CAP_NONE; i++) {
		const struct medio_cap *cap = &type->caps[i];
		if ((unsigned)cap->kind > MEDIO_CAP_EXT)
			return refuse(b, "capability %u has kind %u, which does not exist", i,
				(unsigned)cap->kind);
		if (seen[cap->kind] && cap->kind != MEDIO_CAP_VENDOR && cap->kind != MEDIO_CAP_EXT)
			return refuse(b, "the %s capability is listed twice",
				medio_pci_capability_name(cap->kind));
		ret = check_cap(b, i, cap);
		if (!ret && cap->kind != MEDIO_CAP_EXT)
			ret = add_conv(b, cap->kind, cap);
		if (ret)
			return ret;
		b->num_ext += cap->kind == MEDIO_CAP_EXT;
		seen[cap->kind] = true;
		b->num_caps++;
	}
	if (seen[MEDIO_CAP_EXT] && !seen[MEDIO_CAP_PCIE])
		return refuse(
			b, "%u extended capabilities, but no PCI Express capability", b->num_ext);
	b->layout.size = seen[MEDIO_CAP_PCIE] ? EXT_SIZE : CONV_SIZE;
	if (type->irqs.msi && !seen[MEDIO_CAP_MSI] && (ret = add_conv(b, MEDIO_CAP_MSI, NULL)) < 0)
		return ret;
	if (type->irqs.msix.vectors && !seen[MEDIO_CAP_MSIX] &&
		(ret = add_conv(b, MEDIO_CAP_MSIX, NULL)) < 0)
		return ret;
	return 0;
}

/* ---- Where they stand --------------------------------------------------------------------- */

static int reserve_config(struct builder *b)
{
	const struct medio_config_bytes *list = b->type->config;

	for (unsigned i = 0; list && list[i].size; i++) {
		unsigned end = (unsigned)list[i].offset + list[i].size;
		if (end > b->layout.size)
			return refuse(b,
				"config bytes %u (%u at 0x%x) end beyond 0x%x, the last of this "
				"card's config space",
				i, list[i].size, list[i].offset, b->layout.size - 1u);
		if (!list[i].data)
			return refuse(b, "config bytes %u have no data", i);
		memset(b->owner + list[i].offset, CONFIG, list[i].size);
	}
	return 0;
}

/* The first byte of [offset, offset + size) that is taken, or 0. */
static unsigned first_taken(const struct builder *b, unsigned offset, unsigned size)
{
	for (unsigned i = offset; i < offset + size; i++)
		if (b->owner[i] != FREE)
			return i;
	return 0;
}

static int place_fixed(struct builder *b, const struct placed *p)
{
	const char *name = medio_pci_capability_name(p->kind);

	if (p->offset + p->size > CONV_SIZE)
		return refuse(b, "%s capability of %u bytes at 0x%x ends beyond 0xff", name,
			p->size, p->offset);
	unsigned at = first_taken(b, p->offset, p->size);
	if (at)
		return refuse(b, "%s capability at 0x%x overlaps %s at 0x%x", name, p->offset,
			b->owner[at] == CONFIG ? "config bytes" : "another capability", at);
	memset(b->owner + p->offset, CAPABILITY, p->size);
	return 0;
}

static int place_free(struct builder *b, struct placed *p)
{
	for (unsigned offset = HEADER_END; offset + p->size <= CONV_SIZE; offset += 4) {
		if (first_taken(b, offset, p->size))
			continue;
		p->offset = offset;
		memset(b->owner + offset, CAPABILITY, p->size);
		return 0;
	}
	return refuse(b, "no room below 0x100 for the %s capability of %u bytes",
		medio_pci_capability_name(p->kind), p->size);
}

static int place_conv(struct builder *b)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < b->num_conv; i++)
		if (b->conv[i].offset)
			ret = place_fixed(b, &b->conv[i]);
	for (unsigned i = 0; !ret && i < b->num_conv; i++)
		if (!b->conv[i].offset)
			ret = place_free(b, &b->conv[i]);
	for (unsigned i = 0; !ret && i < b->num_conv; i++) {
		const struct placed *p = &b->conv[i];
		unsigned next = i + 1 < b->num_conv ? b->conv[i + 1].offset : 0;
		medio_pci_capability_fill(&b->layout, p->offset, next, p->kind, b->type, p->cap);
		if (p->cap)
			b->layout.cap_offset[p->index] = (uint16_t)p->offset;
	}
	return ret;
}

/* Room for an extended capability from *at on, linked to from the previous one's header. */
static int take_ext(struct builder *b, unsigned id, unsigned size, unsigned *at, unsigned *previous)
{
	while (*at + size <= EXT_SIZE && first_taken(b, *at, size))
		*at += 4;
	if (*at + size > EXT_SIZE)
		return refuse(b, "no room below 0x1000 for extended capability 0x%x of %u bytes",
			id, size);
	if (!*previous && *at != CONV_SIZE)
		return refuse(b,
			"config bytes at 0x100, where the first extended capability (0x%x) "
			"must stand",
			id);
	if (*previous) {
		uint8_t *header = b->layout.initial + *previous;
		medio_pci_put32(header, medio_pci_get32(header) | *at << 20);
	}
	*previous = *at;
	return 0;
}

/* Extended capabilities follow each other; a header is linked when its successor is placed. */
static int place_ext(struct builder *b, unsigned *at, unsigned *previous)
{
	const struct medio_cap *caps = b->type->caps;

	for (unsigned i = 0; i < b->num_caps; i++) {
		if (caps[i].kind != MEDIO_CAP_EXT)
			continue;
		unsigned size = medio_pci_capability_size(MEDIO_CAP_EXT, b->type, &caps[i]);
		int ret = take_ext(b, caps[i].ext_id, size, at, previous);
		if (ret)
			return ret;
		medio_pci_capability_fill(&b->layout, *at, 0, MEDIO_CAP_EXT, b->type, &caps[i]);
		b->layout.cap_offset[i] = (uint16_t)*at;
		*at = (*at + size + 3) & ~3u;
	}
	return 0;
}

/* ARI of a function that is one of many, then SR-IOV. */
static int place_functions(struct builder *b, unsigned at, unsigned previous)
{
	int ret = 0;

	if (b->type->sriov || b->vf) {
		ret = take_ext(b, PCI_EXT_CAP_ID_ARI, MEDIO_PCI_ARI_SIZE, &at, &previous);
		if (ret)
			return ret;
		medio_pci_ari_fill(&b->layout, at, 0);
		at += MEDIO_PCI_ARI_SIZE;
	}
	if (b->type->sriov) {
		ret = take_ext(b, PCI_EXT_CAP_ID_SRIOV, MEDIO_PCI_SRIOV_SIZE, &at, &previous);
		if (ret)
			return ret;
		medio_pci_sriov_fill(&b->layout, at, 0, b->type);
	}
	return 0;
}

/* ---- The header --------------------------------------------------------------------------- */

static void fill_bar(struct medio_pci_layout *layout, unsigned n, const struct medio_bar *bar)
{
	unsigned offset = PCI_BASE_ADDRESS_0 + 4 * n;
	uint32_t flags = 0, low = 0xfffffff0;

	layout->bars[n] = (struct medio_pci_layout_bar){ bar->kind, bar->prefetchable, bar->size };
	if (bar->kind == MEDIO_BAR_NONE)
		return;
	/* Address bits below the size are hardwired to 0: how software finds the size (6.2.5.1). */
	uint64_t address = ~(bar->size - 1);
	if (bar->kind == MEDIO_BAR_IO) {
		flags = PCI_BASE_ADDRESS_SPACE_IO;
		low = 0xfffffffc;
	} else if (bar->kind == MEDIO_BAR_MEM64) {
		flags = PCI_BASE_ADDRESS_MEM_TYPE_64;
		medio_pci_put32(layout->wmask + offset + 4, (uint32_t)(address >> 32));
	}
	if (bar->prefetchable)
		flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	medio_pci_put32(layout->initial + offset, flags);
	medio_pci_put32(layout->wmask + offset, (uint32_t)address & low);
	for (unsigned i = 0; i < (bar->kind == MEDIO_BAR_MEM64 ? 8 : 4); i++)
		layout->event[offset + i] |= MEDIO_PCI_BAR;
}

static void fill_header(struct builder *b)
{
	const struct medio_pci_id *id = &b->type->id;
	struct medio_pci_layout *layout = &b->layout;
	uint8_t *regs = layout->initial;
	bool pcie = layout->size == EXT_SIZE;

	medio_pci_put16(regs + PCI_VENDOR_ID, id->vendor);
	medio_pci_put16(regs + PCI_DEVICE_ID, id->device);
	/* Revision in the low byte, class code above. */
	medio_pci_put32(regs + PCI_CLASS_REVISION, id->revision | id->class_code << 8);
	medio_pci_put16(regs + PCI_SUBSYSTEM_VENDOR_ID, id->subsystem_vendor);
	medio_pci_put16(regs + PCI_SUBSYSTEM_ID, id->subsystem_device);
	regs[PCI_INTERRUPT_PIN] = b->type->irqs.intx_pin;
	layout->wmask[PCI_INTERRUPT_LINE] = b->vf ? 0 : 0xff;

	medio_pci_put16(layout->wmask + PCI_COMMAND, b->vf ? VF_COMMAND_WMASK : COMMAND_WMASK);
	regs[PCI_COMMAND] = b->vf ? PCI_COMMAND_MEMORY : 0;
	layout->event[PCI_COMMAND] = layout->event[PCI_COMMAND + 1] = MEDIO_PCI_COMMAND;
	/* DEVSEL timing has a meaning on a conventional bus only; PCI Express hardwires 0. */
	uint16_t status = pcie ? 0 : PCI_STATUS_DEVSEL_MEDIUM;
	if (b->num_conv) {
		status |= PCI_STATUS_CAP_LIST;
		regs[PCI_CAPABILITY_LIST] = (uint8_t)b->conv[0].offset;
	}
	medio_pci_put16(regs + PCI_STATUS, status);
	medio_pci_put16(layout->w1c + PCI_STATUS, STATUS_W1C);
	medio_pci_put16(layout->live + PCI_STATUS, PCI_STATUS_INTERRUPT);
	layout->wmask[PCI_CACHE_LINE_SIZE] = b->vf ? 0 : 0xff;
	layout->wmask[PCI_LATENCY_TIMER] = pcie ? 0 : 0xff;
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++)
		fill_bar(layout, n, &b->type->bars[n]);
}

/* Bits of a header byte that the type's own bytes may not change. */
static uint8_t kept_bits(const struct medio_pci_layout *layout, unsigned offset)
{
	if (offset == PCI_STATUS)
		return PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT;
	if (offset == PCI_HEADER_TYPE)
		return 0x7f;
	if (offset >= PCI_BASE_ADDRESS_0 && offset < PCI_CARDBUS_CIS)
		return (uint8_t)~layout->wmask[offset];
	if (offset >= PCI_ROM_ADDRESS && offset <= PCI_CAPABILITY_LIST)
		return 0xff;
	return 0;
}

static int apply_config(struct builder *b)
{
	struct medio_pci_layout *layout = &b->layout;
	const struct medio_config_bytes *list = b->type->config;

	for (unsigned i = 0; list && list[i].size; i++) {
		const uint8_t *data = list[i].data;
		for (unsigned j = 0; j < list[i].size; j++) {
			unsigned at = list[i].offset + j;
			uint8_t kept = at < HEADER_END ? kept_bits(layout, at) : 0;
			if ((data[j] ^ layout->initial[at]) & kept)
				return refuse(b,
					"config byte 0x%02x at 0x%02x (allowed: the library's value "
					"0x%02x in bits 0x%02x)",
					data[j], at, layout->initial[at], kept);
			layout->initial[at] = data[j];
		}
	}
	return 0;
}

/* Shrink the arrays to what is in use and hand the layout over. */
static int finish(struct builder *b, struct medio_pci_layout **out)
{
	const struct medio_pci_layout *from = &b->layout;
	unsigned extent = EXT_SIZE;
	unsigned least = from->sriov ? from->sriov + MEDIO_PCI_SRIOV_SIZE : HEADER_END;

	while (extent > least && !from->initial[extent - 1] && !from->wmask[extent - 1] &&
		!from->w1c[extent - 1] && !from->live[extent - 1])
		extent--;
	/* Registers of 4 bytes are read whole. */
	extent = (extent + 3) & ~3u;
	struct medio_pci_layout *layout = malloc(sizeof(*layout));
	if (!layout)
		return -ENOMEM;
	*layout = *from;
	if (alloc_arrays(layout, extent) < 0) {
		free(layout);
		return -ENOMEM;
	}
	memcpy(layout->event, from->event, extent * sizeof(*layout->event));
	memcpy(layout->initial, from->initial, extent);
	memcpy(layout->wmask, from->wmask, extent);
	memcpy(layout->w1c, from->w1c, extent);
	memcpy(layout->live, from->live, extent);
	layout->refs = 1;
	b->layout.cap_offset = NULL; /* moved */
	*out = layout;
	return 0;
}

static int no_memory(const struct builder *b)
{
	return medio_error_set(b->err, ENOMEM, "type '%s': out of memory", b->type->name);
}

static int build(struct builder *b, struct medio_pci_layout **out)
{
	if (alloc_arrays(&b->layout, EXT_SIZE) < 0)
		return no_memory(b);
	int ret = collect_caps(b);
	if (ret)
		return ret;
	b->layout.cap_offset = calloc(b->num_caps + 1, sizeof(*b->layout.cap_offset));
	if (!b->layout.cap_offset)
		return no_memory(b);
	ret = reserve_config(b);
	if (!ret)
		ret = place_conv(b);
	unsigned at = CONV_SIZE, previous = 0;
	if (!ret)
		ret = place_ext(b, &at, &previous);
	if (!ret)
		ret = place_functions(b, at, previous);
	if (ret)
		return ret;
	fill_header(b);
	ret = apply_config(b);
	if (ret)
		return ret;
	return finish(b, out) < 0 ? no_memory(b) : 0;
}

static int layout_new(const struct medio_type *type, bool vf, struct medio_pci_layout **out,
	struct medio_error **err)
{
	int ret = medio_pci_validate(type, err);
	if (ret)
		return ret;
	struct builder *b = calloc(1, sizeof(*b));
	if (!b)
		return medio_error_set(err, ENOMEM, "type '%s': out of memory", type->name);
	b->type = type;
	b->err = err;
	b->vf = vf;
	ret = build(b, out);
	builder_free(b);
	return ret;
}

int medio_pci_layout_new(
	const struct medio_type *type, struct medio_pci_layout **out, struct medio_error **err)
{
	return layout_new(type, false, out, err);
}

int medio_pci_layout_new_vf(
	const struct medio_type *type, struct medio_pci_layout **out, struct medio_error **err)
{
	return layout_new(type, true, out, err);
}

struct medio_pci_layout *medio_pci_layout_ref(struct medio_pci_layout *layout)
{
	__atomic_add_fetch(&layout->refs, 1, __ATOMIC_RELAXED);
	return layout;
}

void medio_pci_layout_unref(struct medio_pci_layout *layout)
{
	if (!layout || __atomic_sub_fetch(&layout->refs, 1, __ATOMIC_ACQ_REL))
		return;
	free(layout->event);
	free(layout->cap_offset);
	free(layout);
}
