/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * passthrough: another card, passed on to clients of this program's. What it does is the other card's doing; filters
 * between it and its client see, and change, what a driver and a real card say to each other.
 */
#include "passthrough.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"
#include "view.h"

/* ---- Configuration space ------------------------------------------------------------------------ */

static int config_read(struct passthrough *p, unsigned offset, uint8_t *buf, size_t count)
{
	uint8_t lib[PASSTHROUGH_CONFIG];
	size_t there = offset < p->config_size ? p->config_size - offset : 0;
	int ret = 0;

	if (there > count)
		there = count;
	if (passthrough_alive(p) && there)
		ret = passthrough_result(
			p, medio_card_read(p->card, MEDIO_CARD_CONFIG, offset, buf, there));
	if (!passthrough_alive(p)) {
		memset(buf, 0xff, count);
		return 0;
	}
	if (ret)
		return ret;
	memset(buf + there, 0, count - there);
	ret = medio_config_get(p->dev, offset, lib, count);
	if (!ret)
		passthrough_view_read(&p->shape->view, offset, buf, lib, count);
	return ret;
}

/* Where nobody stands between us and the bus: what a driver may do without harm to others on it. */
static int write_command(struct passthrough *p)
{
	const uint16_t may = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	uint16_t now = 0;
	uint8_t wish[2];
	int ret = medio_config_get(p->dev, PCI_COMMAND, wish, sizeof(wish));

	if (!ret)
		ret = medio_card_read16(p->card, MEDIO_CARD_CONFIG, PCI_COMMAND, &now);
	if (!ret)
		ret = medio_card_write16(p->card, MEDIO_CARD_CONFIG, PCI_COMMAND,
			(uint16_t)((now & ~may) | (medio_get_le(wish, 2) & may)));
	return passthrough_result(p, ret);
}

static int config_write(struct passthrough *p, unsigned offset, const uint8_t *buf, size_t count)
{
	uint8_t out[PASSTHROUGH_CONFIG];
	size_t at = 0, n;

	if (p->uio)
		return offset < PCI_COMMAND + 2 && offset + count > PCI_COMMAND ? write_command(p)
										: 0;
	while ((n = passthrough_view_write(&p->shape->view, offset, buf, count, &at, out))) {
		int ret = passthrough_result(
			p, medio_card_write(p->card, MEDIO_CARD_CONFIG, offset + at, out, n));
		if (ret)
			return passthrough_alive(p) ? ret : 0;
		at += n;
	}
	return 0;
}

/* ---- Registers ----------------------------------------------------------------------------------- */

static int passthrough_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct passthrough *p = medio_priv(dev);
	int ret = 0;

	if (region == MEDIO_REGION_CONFIG)
		return config_read(p, (unsigned)offset, buf, count);
	if (passthrough_alive(p))
		ret = passthrough_result(p, medio_card_read(p->card, region, offset, buf, count));
	if (passthrough_alive(p))
		return ret;
	memset(buf, 0xff, count);
	return 0;
}

static int find_bell(const struct passthrough *p, unsigned region, uint64_t offset)
{
	const struct medio_bar *bar = &medio_dev_type(p->dev)->bars[region];

	for (unsigned i = 0; i < bar->num_doorbells; i++)
		if (bar->doorbells[i].offset == offset)
			return (int)i;
	return -1;
}

/* A write for which the other side gave an eventfd is that event, and no message (passthrough_doorbell). */
static bool is_bell(const struct passthrough *p, unsigned region, uint64_t offset, size_t count)
{
	const struct medio_bar *bar = &medio_dev_type(p->dev)->bars[region];
	int i = find_bell(p, region, offset);

	return i >= 0 && p->bells[region][i] >= 0 &&
	       (!bar->doorbells[i].size || bar->doorbells[i].size == count);
}

/*
 * A write to memory is posted on a real bus too: nobody hears how it went, and what is read later comes after it.
 * But what a client reaches by a mapping could overtake it, so not where there is one.
 */
static bool may_post(const struct passthrough *p, unsigned region)
{
	return p->post && !p->mapped && medio_dev_type(p->dev)->bars[region].kind != MEDIO_BAR_IO;
}

static int passthrough_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct passthrough *p = medio_priv(dev);
	int ret;

	if (!passthrough_alive(p))
		return 0;
	if (region == MEDIO_REGION_CONFIG)
		return config_write(p, (unsigned)offset, buf, count);
	if (is_bell(p, region, offset, count))
		return 0;
	ret = may_post(p, region) ? medio_card_post(p->card, region, offset, buf, count)
				  : medio_card_write(p->card, region, offset, buf, count);
	ret = passthrough_result(p, ret);
	return passthrough_alive(p) ? ret : 0;
}

static void passthrough_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct passthrough *p = medio_priv(dev);
	const uint64_t one = 1;
	int i = find_bell(p, region, offset);

	if (i < 0 || p->bells[region][i] < 0 || !passthrough_alive(p))
		return;
	/* What was written before comes before. A full counter rings already. */
	if (passthrough_result(p, medio_card_flush(p->card)) == 0 &&
		write(p->bells[region][i], &one, sizeof(one)) < 0 && errno != EAGAIN)
		medio_guest_error(
			dev, "%s: a doorbell cannot be rung: %s", p->uri, strerror(errno));
}

/* ---- Reset, clients -------------------------------------------------------------------------------- */

static void passthrough_reset_op(struct medio_dev *dev, enum medio_reset kind)
{
	struct passthrough *p = medio_priv(dev);

	(void)kind;
	if (!passthrough_alive(p))
		return;
	if (passthrough_result(p, medio_card_reset(p->card)))
		medio_guest_error(dev, "%s: it was not reset: %s", p->uri,
			p->card ? medio_card_last_error(p->card) : "it is gone");
	/* The client's side forgets that the line was masked. */
	if (p->kind == MEDIO_IRQ_INTX)
		passthrough_intx_unmasked(dev);
}

static void passthrough_client(struct medio_dev *dev, bool present)
{
	struct passthrough *p = medio_priv(dev);

	p->present = present;
	if (present)
		return;
	if (p->wanted)
		passthrough_release(p, "it was wanted back, and its client has gone");
	if (passthrough_alive(p))
		passthrough_reset(p);
}

/* ---- Attributes -------------------------------------------------------------------------------------- */

static ssize_t show_device(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct passthrough *p = medio_priv(dev);

	(void)attr;
	return snprintf(buf, size, "%s\n", p->uri);
}

static ssize_t show_state(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct passthrough *p = medio_priv(dev);

	(void)attr;
	return snprintf(buf, size, "%s\n",
		!p->card    ? "given back"
		: p->dead   ? "gone"
		: p->wanted ? "wanted back"
			    : "there");
}

static ssize_t show_mapped(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct passthrough *p = medio_priv(dev);
	char text[32] = "";
	size_t used = 0;

	(void)attr;
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++)
		if (p->files[n] >= 0)
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, "%s%u", used ? " " : "", n);
	return snprintf(buf, size, "%s\n", used ? text : "none");
}

static const struct medio_attr attrs[] = {
	{ .name = "device", .show = show_device },
	{ .name = "mapped", .show = show_mapped },
	{ .name = "state", .show = show_state },
	{ NULL },
};

/* ---- The type ------------------------------------------------------------------------------------------ */

static int passthrough_shape_op(struct medio_dev *dev, struct medio_type *type)
{
	struct passthrough *p = medio_priv(dev);

	p->dev = dev;
	p->kind = -1;
	p->asks_fd = -1;
	return passthrough_open(p, type);
}

static int passthrough_init(struct medio_dev *dev)
{
	struct passthrough *p = medio_priv(dev);
	int ret = passthrough_share(p);

	if (!ret)
		ret = passthrough_life_init(p);
	if (ret)
		return ret;
	passthrough_bells(p);
	passthrough_notices(p);
	medio_dev_needs(dev, MEDIO_NEEDS_FILES);
	if (p->near && !p->uio)
		medio_dev_needs(dev, MEDIO_NEEDS_VFIO);
	if (p->socket && p->reconnect)
		medio_dev_needs(dev, MEDIO_NEEDS_SOCKETS);
	return 0;
}

static void passthrough_fini(struct medio_dev *dev)
{
	struct passthrough *p = medio_priv(dev);

	passthrough_irqs_fini(p);
	passthrough_life_fini(p);
	passthrough_close(p);
}

static const struct medio_device_ops ops = {
	.shape = passthrough_shape_op,
	.init = passthrough_init,
	.fini = passthrough_fini,
	.region_read = passthrough_read,
	.region_write = passthrough_write,
	.doorbell = passthrough_doorbell,
	.reset = passthrough_reset_op,
	.dma_map = passthrough_dma_map,
	.dma_unmap = passthrough_dma_unmap,
	.client = passthrough_client,
	.intx_unmasked = passthrough_intx_unmasked,
	.irqs_changed = passthrough_irqs,
};

static const char *const map_names[] = { [PASSTHROUGH_MAP_AUTO] = "auto",
	[PASSTHROUGH_MAP_ON] = "on",
	[PASSTHROUGH_MAP_OFF] = "off",
	NULL };

#define FIELD(name) offsetof(struct passthrough, name)
static const struct medio_param params[] = {
	{ "device", MEDIO_PARAM_STRING, FIELD(uri), NULL,
		"the card: vfio:BDF, iommufd:BDF, uio:BDF, vfio-user:PATH, or an instance's UUID",
		0, 0, NULL },
	{ "map", MEDIO_PARAM_CHOICE, FIELD(map), "auto",
		"let clients map BARs; auto: unless a filter looks at accesses", 0, 0, map_names },
	{ "post", MEDIO_PARAM_BOOL, FIELD(post), "on",
		"writes to memory BARs are answered before the card has them", 0, 0, NULL },
	{ "reconnect", MEDIO_PARAM_BOOL, FIELD(reconnect), "on",
		"take a vfio-user card up again whose server comes back", 0, 0, NULL },
	{ "reset", MEDIO_PARAM_BOOL, FIELD(reset), "on",
		"reset the card when it is opened, and when its client goes", 0, 0, NULL },
	{ "timeout", MEDIO_PARAM_TIME, FIELD(timeout), "5s",
		"longest wait for an answer of a vfio-user card", 1000000, UINT64_C(3600000000000),
		NULL },
	{ "vf-token", MEDIO_PARAM_STRING, FIELD(token), NULL,
		"of a virtual function whose parent is driven by VFIO: a UUID", 0, 0, NULL },
	{ NULL },
};

const struct medio_type medio_passthrough = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "passthrough",
	.summary = "Another card, passed on",
	.description =
		"A card that this machine has, or that another program serves, as it is: registers, "
		"interrupts and DMA are its own. Filters see what a driver does to it.",
	.params = params,
	.attrs = attrs,
	.state_size = sizeof(struct passthrough),
	.ops = &ops,
};

const struct medio_type *const medio_passthrough_types[] = { &medio_passthrough, NULL };
