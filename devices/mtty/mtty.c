/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mtty: the serial card of the kernel's mediated device sample, as it should have been. A card has
 * one or two ports; port n is the 8 registers of BAR n, an I/O BAR. All ports share one interrupt.
 */
#include "mtty.h"

#include <errno.h>
#include <stdio.h>

#include "migrate.h"
#include "port.h"
#include "registers/registers.h"

#define MAX_PORTS 2

struct mtty {
	char *plug[MAX_PORTS]; /* parameters port0, port1 */
	struct medio_dev *dev;
	struct medio_mtty_port ports[MAX_PORTS];
	unsigned nports;
	bool irq; /* what the library was last told */
};

/* What differs between the types. */
struct model {
	unsigned nports;
};

static const struct model single = { .nports = 1 };
static const struct model dual = { .nports = 2 };

/* The ports share the interrupt: it is up while any of them has a cause. */
static void irq_update(struct medio_mtty_port *port)
{
	struct mtty *card = medio_priv(port->dev);
	bool irq = false;

	for (unsigned i = 0; i < card->nports; i++)
		irq |= card->ports[i].irq;
	if (irq == card->irq)
		return;
	card->irq = irq;
	medio_irq_set(card->dev, 0, irq);
}

static void mtty_fini(struct medio_dev *dev)
{
	struct mtty *card = medio_priv(dev);

	while (card->nports > 0)
		medio_mtty_port_close(&card->ports[--card->nports]);
}

static int mtty_init(struct medio_dev *dev)
{
	struct mtty *card = medio_priv(dev);
	const struct model *model = medio_dev_type(dev)->data;

	card->dev = dev;
	for (unsigned i = 0; i < model->nports; i++) {
		int ret = medio_mtty_port_open(
			&card->ports[i], dev, i, card->plug[i] ? card->plug[i] : "", irq_update);

		if (ret) {
			mtty_fini(dev);
			return ret;
		}
		card->nports++;
	}
	return 0;
}

static int reg_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct mtty *card = medio_priv(dev);

	*(uint8_t *)buf = medio_mtty_port_read(&card->ports[region], offset);
	return 0;
}

static int reg_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct mtty *card = medio_priv(dev);

	medio_mtty_port_write(&card->ports[region], offset, *(const uint8_t *)buf);
	return 0;
}

/* The registers are bytes; a wider access is one to each of them in turn, as on the ISA bus. */
static int mtty_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct mtty *card = medio_priv(dev);

	if (region >= card->nports)
		return -EINVAL;
	return medio_reg_split(dev, region, offset, buf, count, 1, reg_read);
}

static int mtty_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct mtty *card = medio_priv(dev);

	if (region >= card->nports)
		return -EINVAL;
	return medio_reg_split(dev, region, offset, (void *)buf, count, 1, reg_write);
}

static void mtty_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct mtty *card = medio_priv(dev);

	for (unsigned i = 0; i < card->nports; i++)
		medio_mtty_port_reset(&card->ports[i]);
}

static ssize_t mtty_save(struct medio_dev *dev, void *buf, size_t cap)
{
	struct mtty *card = medio_priv(dev);

	return medio_mtty_ports_save(card->ports, card->nports, buf, cap);
}

static int mtty_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct mtty *card = medio_priv(dev);
	int ret = medio_mtty_ports_load(card->ports, card->nports, buf, size);

	if (ret)
		return ret;
	for (unsigned i = 0; i < card->nports; i++)
		medio_mtty_port_loaded(&card->ports[i]);
	return 0;
}

static const struct medio_device_ops mtty_ops = {
	.init = mtty_init,
	.fini = mtty_fini,
	.region_read = mtty_read,
	.region_write = mtty_write,
	.reset = mtty_reset,
	.save = mtty_save,
	.load = mtty_load,
};

/* ---- Attributes --------------------------------------------------------------------------------- */

static ssize_t printed(int len, size_t size)
{
	return len < 0 || (size_t)len >= size ? -ENOSPC : len;
}

/* The sample's own, word for word. */
static ssize_t sample_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	return printed(snprintf(buf, size, "This is MDEV %s\n", medio_dev_uuid(dev)), size);
}

static ssize_t stats_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct mtty *card = medio_priv(dev);
	/* The name is "portN/stats". */
	const struct medio_mtty_port *port = &card->ports[attr->name[4] - '0'];

	return printed(
		snprintf(buf, size,
			"tx %llu\nrx %llu\nunheard %llu\noverruns %llu\ntx_lost %llu\n"
			"interrupts %llu\n",
			(unsigned long long)port->stats.tx, (unsigned long long)port->stats.rx,
			(unsigned long long)port->stream.unheard,
			(unsigned long long)port->uart.overruns,
			(unsigned long long)port->uart.tx_lost,
			(unsigned long long)port->stats.interrupts),
		size);
}

static const struct medio_attr single_attrs[] = {
	{ .name = "vendor/sample_mdev_dev", .show = sample_show },
	{ .name = "port0/stats", .show = stats_show },
	{ 0 },
};

static const struct medio_attr dual_attrs[] = {
	{ .name = "vendor/sample_mdev_dev", .show = sample_show },
	{ .name = "port0/stats", .show = stats_show },
	{ .name = "port1/stats", .show = stats_show },
	{ 0 },
};

/* ---- Types --------------------------------------------------------------------------------------- */

#define PLUG(n_) \
	{ \
		.name = "port" #n_, .kind = MEDIO_PARAM_STRING, \
		.offset = offsetof(struct mtty, plug[n_]), .deflt = "echo", \
		.help = "what port " #n_ " is plugged into: echo, pty[:LINK], unix:PATH, stdio, " \
			"file:PATH or null", \
	}

static const struct medio_param single_params[] = { PLUG(0), { 0 } };
static const struct medio_param dual_params[] = { PLUG(0), PLUG(1), { 0 } };

static const uint8_t command[] = { 0x01, 0x00 }; /* I/O space is on from the start */
static const uint8_t vendor_bytes[] = { 0x23, 0, 0, 0x80, 0x23, 0, 0, 0, 0x23, 0, 0, 0, 0x23 };

/* The sample's bytes beyond the header. It has no capabilities, so nothing else is there. */
static const struct medio_config_bytes sample_config[] = {
	{ .offset = 0x04, .size = sizeof(command), .data = command },
	{ .offset = 0x40, .size = sizeof(vendor_bytes), .data = vendor_bytes },
	{ .offset = 0x60, .size = 15, .data = "PCI Serial/UART" },
	{ 0 },
};

#define SAMPLE_ID \
	{ \
		.vendor = 0x4348, .device = 0x3253, .subsystem_vendor = 0x4348, \
		.subsystem_device = 0x3253, .revision = 0x10, .class_code = 0x070002, \
	}
#define PORT_BAR \
	{ \
		.kind = MEDIO_BAR_IO, .size = MEDIO_MTTY_NUM_REGS \
	}

const struct medio_type medio_mtty_1 = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "mtty-1",
	.summary = "Single port serial",
	.description = "A PCI card with one 16550A serial port. Linux drives it without help.",
	.id = SAMPLE_ID,
	.bars = { PORT_BAR },
	.irqs = { .intx_pin = 1 },
	.config = sample_config,
	.params = single_params,
	.attrs = single_attrs,
	.state_size = sizeof(struct mtty),
	.ops = &mtty_ops,
	.units = 1,
	.data = &single,
	.registers = registers_16550,
};

const struct medio_type medio_mtty_2 = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "mtty-2",
	.summary = "Dual port serial",
	.description = "A PCI card with two 16550A serial ports. Linux drives it without help.",
	.id = SAMPLE_ID,
	.bars = { PORT_BAR, PORT_BAR },
	.irqs = { .intx_pin = 1 },
	.config = sample_config,
	.params = dual_params,
	.attrs = dual_attrs,
	.state_size = sizeof(struct mtty),
	.ops = &mtty_ops,
	.units = 2,
	.data = &dual,
	.registers = registers_16550_dual,
};

/*
 * Linux uses MSI for few serial cards; this is one of them (pci_use_msi in 8250_pci.c, where it is
 * pbn_b0_1_115200: one port in BAR 0).
 */
const struct medio_type medio_mtty_msi = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "mtty-msi",
	.summary = "Single port serial with MSI",
	.description = "A PCI card with one 16550A serial port that interrupts by message: to Linux a "
		       "MosChip 9900. INTx works too.",
	.id = {
		.vendor = 0x9710,
		.device = 0x9900,
		.subsystem_vendor = 0xa000,
		.subsystem_device = 0x1000,
		.class_code = 0x070002,
	},
	.bars = { PORT_BAR },
	.irqs = { .intx_pin = 1, .msi = 1 },
	.params = single_params,
	.attrs = single_attrs,
	.state_size = sizeof(struct mtty),
	.ops = &mtty_ops,
	.units = 1,
	.data = &single,
	.registers = registers_16550,
};

const struct medio_type *const medio_mtty_types[] = {
	&medio_mtty_1,
	&medio_mtty_2,
	&medio_mtty_msi,
	NULL,
};
