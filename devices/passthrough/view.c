/* SPDX-License-Identifier: BSD-3-Clause */
#include "view.h"

#include <linux/pci_regs.h>
#include <string.h>

#define EXT_BEGIN 0x100u

static void set_own(struct passthrough_view *view, unsigned at, unsigned size)
{
	memset(view->see + at, 0, size);
	memset(view->own + at, 0xff, size);
	memset(view->write + at, 0, size);
}

/* Zeros, and nothing reaches it. */
static void blank(struct passthrough_view *view, unsigned at, unsigned size)
{
	if (at >= PASSTHROUGH_CONFIG)
		return;
	if (size > PASSTHROUGH_CONFIG - at)
		size = PASSTHROUGH_CONFIG - at;
	memset(view->see + at, 0, size);
	memset(view->own + at, 0, size);
	memset(view->value + at, 0, size);
	memset(view->write + at, 0, size);
}

void passthrough_view_init(struct passthrough_view *view, const struct passthrough_facts *facts)
{
	memset(view, 0, sizeof(*view));
	memset(view->see, 0xff, facts->config_size);
	memset(view->write, 0xff, facts->config_size);
	set_own(view, PCI_BASE_ADDRESS_0, PCI_CARDBUS_CIS - PCI_BASE_ADDRESS_0);
	set_own(view, PCI_ROM_ADDRESS, 4);
	/* The client's machine decides what else is in the slot. */
	view->see[PCI_HEADER_TYPE] &= PCI_HEADER_TYPE_MASK;
	view->write[PCI_HEADER_TYPE] = 0;
	/* Both are notes of the machine's. */
	set_own(view, PCI_INTERRUPT_LINE, 1);
	view->write[PCI_INTERRUPT_PIN] = 0;
	/* Self tests are the host's business. */
	view->write[PCI_BIST] = 0;
}

/* ---- Capabilities -------------------------------------------------------------------------------- */

/* What a client reads at a byte of the list, as far as it is known before it is read. */
static uint8_t seen(
	const struct passthrough_view *view, const struct passthrough_facts *facts, unsigned at)
{
	return (facts->config[at] & view->see[at]) | view->value[at];
}

static void replace(struct passthrough_view *view, unsigned at, uint8_t value)
{
	view->see[at] = 0;
	view->value[at] = value;
	view->write[at] = 0;
}

void passthrough_view_hide(struct passthrough_view *view, const struct passthrough_facts *facts,
	unsigned at, unsigned size)
{
	uint8_t next = seen(view, facts, at + 1);
	unsigned link = PCI_CAPABILITY_LIST, to = seen(view, facts, link) & ~3u;

	for (unsigned hops = 0; to >= PCI_STD_HEADER_SIZEOF && to != at && hops < 48; hops++) {
		link = to + 1;
		to = seen(view, facts, link) & ~3u;
	}
	if (to == at)
		replace(view, link, next);
	/* Not what follows it in the same place, should it be smaller than thought. */
	for (unsigned i = 2; i < size; i++)
		if (!(i & 3) && next && at + i == (next & ~3u))
			size = i;
	blank(view, at, size < EXT_BEGIN - at ? size : EXT_BEGIN - at);
}

static bool is_hidden(uint16_t id)
{
	return id == PCI_EXT_CAP_ID_SRIOV || id == PCI_EXT_CAP_ID_REBAR ||
	       id == 0x24; /* resizable BARs of virtual functions */
}

/* Bytes of one, as far as it may be used: up to the next one's header, which stands behind it as a rule. */
static unsigned length(uint16_t id)
{
	return id == PCI_EXT_CAP_ID_SRIOV ? PCI_EXT_CAP_SRIOV_SIZEOF : 4 + 6 * 8;
}

void passthrough_view_hide_extended(
	struct passthrough_view *view, const struct passthrough_facts *facts)
{
	unsigned at = EXT_BEGIN;

	for (unsigned hops = 0; hops < (PASSTHROUGH_CONFIG - EXT_BEGIN) / 8; hops++) {
		if (at < EXT_BEGIN || at > facts->config_size || facts->config_size - at < 4)
			return;
		uint32_t header = (uint32_t)medio_get_le(facts->config + at, 4);
		unsigned next = PCI_EXT_CAP_NEXT(header);
		uint16_t id = PCI_EXT_CAP_ID(header);
		if (!header || header == UINT32_MAX)
			return;
		if (is_hidden(id)) {
			unsigned size = length(id);
			if (next > at && next - at < size)
				size = next - at;
			blank(view, at, size);
			/* It stays in the list, as nothing (id 0): the first cannot leave it. */
			view->value[at + 2] = (uint8_t)(next << 4);
			view->value[at + 3] = (uint8_t)(next >> 4);
		}
		at = next & ~3u;
	}
}

void passthrough_view_guard(struct passthrough_view *view)
{
	memset(view->write, 0, sizeof(view->write));
	/* UIO masks the line there, so the client's wish is the library's to remember. */
	view->see[PCI_COMMAND + 1] &= (uint8_t) ~(PCI_COMMAND_INTX_DISABLE >> 8);
	view->own[PCI_COMMAND + 1] |= PCI_COMMAND_INTX_DISABLE >> 8;
}

/* ---- Accesses ------------------------------------------------------------------------------------- */

void passthrough_view_read(const struct passthrough_view *view, unsigned offset, uint8_t *buf,
	const uint8_t *lib, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = offset + i;
		buf[i] = (buf[i] & view->see[at]) | (lib[i] & view->own[at]) | view->value[at];
	}
}

size_t passthrough_view_write(const struct passthrough_view *view, unsigned offset,
	const uint8_t *buf, size_t count, size_t *at, uint8_t *out)
{
	size_t i = *at, n = 0;

	while (i < count && !view->write[offset + i])
		i++;
	*at = i;
	for (; i + n < count && view->write[offset + i + n]; n++)
		out[n] = buf[i + n] & view->write[offset + i + n];
	return n;
}
