/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * readonly: look at a device, and change nothing of it. What a client needs in order to look stays
 * possible: the command register, addresses of BARs, MSI and the MSI-X table, which are how the card is
 * connected and not what it does.
 */
#include "readonly.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum answer { ANSWER_DROP, ANSWER_ERROR };
enum config { CONFIG_NEEDED, CONFIG_ALL, CONFIG_NONE };

struct readonly {
	int answer, config; /* parameters */
	bool dma, reset;

	uint64_t writes, doorbells, dma_writes, resets; /* refused */
	bool warned;
};

/* Once: what follows is in the counters. */
static void warn(struct medio_dev *dev, const char *what, unsigned region, uint64_t offset)
{
	struct readonly *ro = medio_priv(dev);
	char name[96];

	if (ro->warned)
		return;
	ro->warned = true;
	medio_register_name(dev, region, offset, name, sizeof(name));
	medio_log(dev, MEDIO_LOG_INFO,
		"readonly: a %s to %s was refused; the next ones are counted only (attribute refused)",
		what, name);
}

static int refuse_write(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct readonly *ro = medio_priv(dev);

	ro->writes++;
	warn(dev, "write", region, offset);
	return ro->answer == ANSWER_ERROR ? -EACCES : 0;
}

/* ---- Configuration space ----------------------------------------------------------------------- */

#define HEADER_END   0x40u
#define STATUS	     0x06u
#define STATUS_CAPS  0x10u
#define CAPABILITIES 0x34u
#define CAP_MSI	     0x05u
#define CAP_MSIX     0x11u
#define MSI_SIZE     24u
#define MSIX_SIZE    12u
#define MAX_CAPS     48u
#define CONVENTIONAL 0x100u

/* PCI Local Bus 3.0, 6.2: the command register, BARs, the ROM's address, the interrupt line. */
static bool header_needed(unsigned offset)
{
	return offset == 0x04 || offset == 0x05 || (offset >= 0x10 && offset < 0x28) ||
	       (offset >= 0x30 && offset < 0x34) || offset == 0x3c;
}

static uint8_t config_byte(struct medio_dev *dev, unsigned offset)
{
	uint8_t byte = 0;

	medio_config_get(dev, offset, &byte, 1);
	return byte;
}

/* Of a capability that says where interrupts go (6.7, 6.8). */
static bool capability_needed(struct medio_dev *dev, unsigned offset)
{
	unsigned at = config_byte(dev, STATUS) & STATUS_CAPS ? config_byte(dev, CAPABILITIES) : 0;

	for (unsigned i = 0; i < MAX_CAPS && at >= HEADER_END; i++) {
		unsigned id = config_byte(dev, at);
		unsigned size = id == CAP_MSI ? MSI_SIZE : id == CAP_MSIX ? MSIX_SIZE : 0;
		if (offset >= at && offset - at < size)
			return true;
		at = config_byte(dev, at + 1) & ~3u;
	}
	return false;
}

static bool config_needed(struct medio_dev *dev, uint64_t offset)
{
	if (offset < HEADER_END)
		return header_needed((unsigned)offset);
	return offset < CONVENTIONAL && capability_needed(dev, (unsigned)offset);
}

/* Each run of bytes that may be written goes down by itself; whether all of them may. */
static int write_config(struct medio_dev *dev, uint64_t offset, const uint8_t *buf, size_t count)
{
	bool refused = false;
	int ret = 0;

	for (size_t i = 0, end; i < count && !ret; i = end) {
		bool needed = config_needed(dev, offset + i);
		for (end = i + 1; end < count && config_needed(dev, offset + end) == needed; end++)
			;
		if (needed)
			ret = medio_next_region_write(
				dev, MEDIO_REGION_CONFIG, offset + i, buf + i, end - i);
		else
			refused = true;
	}
	if (ret)
		return ret;
	return refused ? refuse_write(dev, MEDIO_REGION_CONFIG, offset) : 0;
}

/* ---- Down -------------------------------------------------------------------------------------- */

/* All of it is in the MSI-X table, which is the library's. */
static bool in_msix_table(
	const struct medio_dev *dev, unsigned region, uint64_t offset, size_t count)
{
	const struct medio_msix *msix = &medio_dev_type(dev)->irqs.msix;
	const uint64_t size = 16 * (uint64_t)msix->vectors;

	return msix->vectors && region == msix->table_bar && offset >= msix->table_offset &&
	       offset - msix->table_offset < size && count <= size - (offset - msix->table_offset);
}

static int readonly_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	const struct readonly *ro = medio_priv(dev);

	if (region != MEDIO_REGION_CONFIG)
		return in_msix_table(dev, region, offset, count)
			       ? medio_next_region_write(dev, region, offset, buf, count)
			       : refuse_write(dev, region, offset);
	switch (ro->config) {
	case CONFIG_ALL:
		return medio_next_region_write(dev, region, offset, buf, count);
	case CONFIG_NEEDED:
		return write_config(dev, offset, buf, count);
	default:
		return refuse_write(dev, region, offset);
	}
}

static void readonly_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct readonly *ro = medio_priv(dev);

	ro->doorbells++;
	warn(dev, "doorbell", region, offset);
}

static void readonly_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct readonly *ro = medio_priv(dev);

	if (ro->reset)
		medio_next_reset(dev, kind);
	else
		ro->resets++;
}

/* A device that is another card hands memory on: it is told that it may read only. */
static int readonly_dma_map(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot)
{
	const struct readonly *ro = medio_priv(dev);

	if (!ro->dma)
		prot &= MEDIO_PROT_READ;
	return prot ? medio_next_dma_map(dev, iova, size, prot) : 0;
}

/* ---- Up ---------------------------------------------------------------------------------------- */

/* May the device write? It is counted if not. */
static bool may_write(struct readonly *ro)
{
	if (!ro->dma)
		ro->dma_writes++;
	return ro->dma;
}

static int readonly_dma_write(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len)
{
	return may_write(medio_priv(dev)) ? medio_dma_write(dev, iova, buf, len) : -EACCES;
}

static int readonly_dma_write_async(struct medio_dev *dev, uint64_t iova, const void *buf,
	size_t len, medio_dma_done *done, void *opaque)
{
	return may_write(medio_priv(dev)) ? medio_dma_write_async(dev, iova, buf, len, done, opaque)
					  : -EACCES;
}

static void *readonly_dma_get(
	struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err)
{
	if (!(prot & MEDIO_PROT_WRITE) || may_write(medio_priv(dev)))
		return medio_dma_get(dev, iova, len, prot, err);
	if (err)
		*err = -EACCES;
	return NULL;
}

/* ---- Attributes, life -------------------------------------------------------------------------- */

static ssize_t show_refused(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct readonly *ro = medio_priv(dev);

	(void)attr;
	return snprintf(buf, size,
		"writes %" PRIu64 "\ndoorbells %" PRIu64 "\ndma %" PRIu64 "\nresets %" PRIu64 "\n",
		ro->writes, ro->doorbells, ro->dma_writes, ro->resets);
}

static const struct medio_attr readonly_attrs[] = {
	{ "refused", show_refused, NULL },
	{ NULL },
};

static const char *const answers[] = { "drop", "error", NULL };
static const char *const configs[] = { "needed", "all", "none", NULL };

static const struct medio_param readonly_params[] = {
	{ .name = "answer",
		.kind = MEDIO_PARAM_CHOICE,
		.offset = offsetof(struct readonly, answer),
		.deflt = "drop",
		.choices = answers,
		.help = "what a write that is refused gets: nothing happens, or it fails" },
	{ .name = "config",
		.kind = MEDIO_PARAM_CHOICE,
		.offset = offsetof(struct readonly, config),
		.deflt = "needed",
		.choices = configs,
		.help = "what of configuration space can be written" },
	{ .name = "dma",
		.kind = MEDIO_PARAM_BOOL,
		.offset = offsetof(struct readonly, dma),
		.deflt = "on",
		.help = "the device may write the client's memory" },
	{ .name = "reset",
		.kind = MEDIO_PARAM_BOOL,
		.offset = offsetof(struct readonly, reset),
		.deflt = "on",
		.help = "the client may reset the device" },
	{ NULL },
};

static const struct medio_device_ops readonly_down = {
	.region_write = readonly_write,
	.doorbell = readonly_doorbell,
	.reset = readonly_reset,
	.dma_map = readonly_dma_map,
};

static const struct medio_host_ops readonly_up = {
	.dma_write = readonly_dma_write,
	.dma_write_async = readonly_dma_write_async,
	.dma_get = readonly_dma_get,
};

const struct medio_filter medio_filter_readonly = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "readonly",
	.summary = "Refuse what would change a device",
	.params = readonly_params,
	.attrs = readonly_attrs,
	.state_size = sizeof(struct readonly),
	.down = &readonly_down,
	.up = &readonly_up,
};
