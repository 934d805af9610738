/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device passthrough between a card that this test serves and one that it opens: what reaches the other card, what
 * does not, what a client hears of its end, and that it goes on with the next one. Drivers of real cards run
 * through it in test_edu.c, test_16550_card.c, test_nvme.c and test_virtio_blk_device_disk.c.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/filter.h>
#include <medio/serve.h>

#include "../../devices/passthrough/passthrough.h"
#include "test_card_bed.h"

#define RW	(MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)
#define VECTORS 8u

/* Registers of BAR 0. */
enum { SCRATCH = 0, PULSE = 0x10, LINE = 0x14, WANT = 0x18, REFUSE = 0x20, BELL = 0x100 };
/* BAR 2: the MSI-X table in its first page, the pending bits in its last, and memory between them. */
enum { SHARED = 0x1000, SHARED_SIZE = 0x2000, PBA = 0x3000, BAR2 = 0x4000 };

/* What the card has seen; it is on another thread. */
static atomic_uint bells, resets, writes, bar_writes;

struct toy {
	uint32_t scratch;
};

static int toy_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct toy *toy = medio_priv(dev);

	medio_put_le(buf, count, region == 0 && offset == SCRATCH ? toy->scratch : offset);
	return 0;
}

static int toy_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct toy *toy = medio_priv(dev);
	uint64_t value = count <= 8 ? medio_get_le(buf, count) : 0;

	atomic_fetch_add(&writes, 1);
	if (region)
		return 0;
	if (offset == SCRATCH)
		toy->scratch = (uint32_t)value;
	else if (offset == PULSE)
		medio_irq_pulse(dev, (unsigned)value);
	else if (offset == LINE)
		medio_irq_set(dev, 0, value);
	else if (offset == WANT)
		medio_irq_notice(dev, MEDIO_IRQ_REQ);
	return offset == REFUSE ? -EINVAL : 0;
}

static void toy_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	(void)dev;
	if (region == 0 && offset == BELL)
		atomic_fetch_add(&bells, 1);
}

static void toy_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct toy *toy = medio_priv(dev);

	(void)kind;
	toy->scratch = 0;
	atomic_fetch_add(&resets, 1);
}

static void toy_config(struct medio_dev *dev, unsigned offset, size_t count)
{
	(void)dev;
	if (offset < PCI_CARDBUS_CIS && offset + count > PCI_BASE_ADDRESS_0)
		atomic_fetch_add(&bar_writes, 1);
}

static const struct medio_device_ops toy_ops = {
	.region_read = toy_read,
	.region_write = toy_write,
	.doorbell = toy_doorbell,
	.reset = toy_reset,
	.config_changed = toy_config,
};

static const struct medio_mmap_area areas[] = { { SHARED, SHARED_SIZE }, { 0, 0 } };
static const struct medio_doorbell toy_bells[] = { { .offset = BELL, .size = 4 } };
static const struct medio_cap caps[] = {
	{ .kind = MEDIO_CAP_PM },
	{ .kind = MEDIO_CAP_PCIE },
	{ .kind = MEDIO_CAP_MSI },
	{ .kind = MEDIO_CAP_MSIX },
	{ .kind = MEDIO_CAP_VENDOR, .size = 4, .data = "abcd", .wmask = "\xff\xff\xff\xff" },
	{ .kind = MEDIO_CAP_EXT,
		.ext_id = PCI_EXT_CAP_ID_DSN,
		.ext_version = 1,
		.size = 8,
		.data = "serial 8" },
	{ .kind = MEDIO_CAP_NONE },
};

static const struct medio_type toy_type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "toy",
	.summary = "A card to be passed on",
	.id = { 0x1b36, 0x4242, 0x1111, 0x2222, 3, 0xff0102 },
	.bars = { [0] = { .kind = MEDIO_BAR_MEM32,
			  .size = 0x1000,
			  .doorbells = toy_bells,
			  .num_doorbells = 1 },
		[2] = { .kind = MEDIO_BAR_MEM64,
			.prefetchable = true,
			.size = BAR2,
			.areas = areas },
		[4] = { .kind = MEDIO_BAR_IO, .size = 32 } },
	.irqs = { .intx_pin = 2,
		.msi = 4,
		.msi_vector_mask = true,
		.msix = { .vectors = VECTORS, .table_bar = 2, .pba_bar = 2, .pba_offset = PBA } },
	.caps = caps,
	.state_size = sizeof(struct toy),
	.ops = &toy_ops,
};

/* ---- The bed ----------------------------------------------------------------------------------- */

struct pass {
	struct card_bed inner;
	char dir[32], place[48]; /* a link to where the card is served */
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_card *card;
};

static void serve_card(struct pass *t)
{
	const char *path;

	assert_int_equal(card_bed_open(&t->inner, &toy_type, NULL, CARD_BED_VFIO_USER), 0);
	/* The place at the server is the passthrough's. */
	medio_card_close(t->inner.card);
	t->inner.card = NULL;
	path = strchr(t->inner.uri, ':') + 1;
	unlink(t->place);
	assert_int_equal(symlink(path, t->place), 0);
}

static int setup(void **state)
{
	struct pass *t = calloc(1, sizeof(*t));

	strcpy(t->dir, "/tmp/passthrough-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->place, sizeof(t->place), "%s/card", t->dir);
	atomic_store(&bells, 0);
	atomic_store(&resets, 0);
	atomic_store(&writes, 0);
	atomic_store(&bar_writes, 0);
	*state = t;
	serve_card(t);
	return 0;
}

static int teardown(void **state)
{
	struct pass *t = *state;

	medio_card_close(t->card);
	medio_instance_free(t->inst);
	medio_loop_free(t->loop);
	card_bed_close(&t->inner);
	unlink(t->place);
	rmdir(t->dir);
	free(t);
	return 0;
}

static int watch_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	return medio_next_region_read(dev, region, offset, buf, count);
}

/* A filter that looks at accesses, and one that does not. */
static const struct medio_device_ops watch_down = { .region_read = watch_read }, none_down;
static const struct medio_filter watches = { .abi = MEDIO_DEVICE_ABI,
	.name = "watches",
	.down = &watch_down },
				 idles = { .abi = MEDIO_DEVICE_ABI,
					 .name = "idles",
					 .down = &none_down };
static const struct medio_filter *const filters[] = { &watches, &idles, NULL };

static int pass_on(struct pass *t, const char *param, const char *filter, struct medio_error **err)
{
	char device[80];
	const char *params[] = { device, param };
	struct medio_instance_options opts = { .params = params,
		.nparams = param ? 2 : 1,
		.filters = &filter,
		.nfilters = filter ? 1 : 0,
		.known_filters = filters };

	snprintf(device, sizeof(device), "device=vfio-user:%s", t->place);
	assert_int_equal(medio_loop_new(&t->loop), 0);
	return medio_instance_new(t->loop, &medio_passthrough, &opts, &t->inst, err);
}

static void opens(struct pass *t, const char *param, const char *filter)
{
	struct medio_error *err = NULL;

	assert_int_equal(pass_on(t, param, filter, &err), 0);
	assert_int_equal(medio_card_open_instance(t->inst, &t->card, &err), 0);
}

static uint32_t get(struct pass *t, unsigned reg)
{
	uint32_t value = 0;

	assert_int_equal(medio_card_read32(t->card, 0, reg, &value), 0);
	return value;
}

static void set(struct pass *t, unsigned reg, uint32_t value)
{
	assert_int_equal(medio_card_write32(t->card, 0, reg, value), 0);
}

static uint16_t config16(struct pass *t, unsigned at)
{
	uint16_t value = 0;

	assert_int_equal(medio_card_read16(t->card, MEDIO_CARD_CONFIG, at, &value), 0);
	return value;
}

static void turn(struct pass *t)
{
	assert_true(medio_loop_run_once(t->loop, 10) >= 0);
}

/* How many events of a vector there are, at least so many unless they take a minute. */
static uint64_t events(struct pass *t, unsigned index, unsigned vector, uint64_t least)
{
	uint64_t sum = 0, n = 0;

	while (!medio_card_irq_wait(t->card, index, vector, sum < least ? 60000 : 0, &n))
		sum += n;
	return sum;
}

static unsigned find_cap(struct pass *t, uint8_t id)
{
	uint8_t at = 0, entry[2] = { 0 };

	assert_int_equal(medio_card_read8(t->card, MEDIO_CARD_CONFIG, PCI_CAPABILITY_LIST, &at), 0);
	while (at) {
		assert_int_equal(medio_card_read(t->card, MEDIO_CARD_CONFIG, at, entry, 2), 0);
		if (entry[0] == id)
			return at;
		at = entry[1];
	}
	return 0;
}

/* ---- What it is --------------------------------------------------------------------------------- */

static void is_the_other_card(void **state)
{
	struct pass *t = *state;
	struct medio_card_region region;
	struct medio_card_irq irq;
	uint8_t bytes[8];

	opens(t, NULL, NULL);
	assert_int_equal(config16(t, PCI_VENDOR_ID), 0x1b36);
	assert_int_equal(config16(t, PCI_DEVICE_ID), 0x4242);
	assert_int_equal(config16(t, PCI_SUBSYSTEM_ID), 0x2222);
	assert_int_equal(config16(t, PCI_CLASS_DEVICE), 0xff01);
	/* Kinds of BARs, sizes and areas. */
	assert_int_equal(medio_card_get_region(t->card, 0, &region), 0);
	assert_int_equal(region.size, 0x1000);
	assert_false(region.mappable);
	assert_int_equal(medio_card_get_region(t->card, 2, &region), 0);
	assert_int_equal(region.size, BAR2);
	assert_int_equal(region.num_areas, 1);
	assert_int_equal(region.areas[0].offset, SHARED);
	assert_int_equal(region.areas[0].size, SHARED_SIZE);
	assert_int_equal(config16(t, PCI_BASE_ADDRESS_2) & 0xf, 0xc);
	assert_int_equal(config16(t, PCI_BASE_ADDRESS_4) & 3, 1);
	/* Interrupts. */
	assert_int_equal(medio_card_get_irq(t->card, MEDIO_CARD_MSIX, &irq), 0);
	assert_int_equal(irq.count, VECTORS);
	assert_int_equal(medio_card_get_irq(t->card, MEDIO_CARD_MSI, &irq), 0);
	assert_int_equal(irq.count, 4);
	assert_int_equal(config16(t, PCI_INTERRUPT_LINE) >> 8, 2);
	/* Capabilities, with their bytes, also from 0x100 on. */
	unsigned at = find_cap(t, PCI_CAP_ID_VNDR);
	assert_int_equal(medio_card_read(t->card, MEDIO_CARD_CONFIG, at + 3, bytes, 4), 0);
	assert_memory_equal(bytes, "abcd", 4);
	assert_int_equal(config16(t, 0x100), PCI_EXT_CAP_ID_DSN);
	assert_int_equal(medio_card_read(t->card, MEDIO_CARD_CONFIG, 0x104, bytes, 8), 0);
	assert_memory_equal(bytes, "serial 8", 8);
	assert_true(find_cap(t, PCI_CAP_ID_PM));
}

static void accesses_reach_it(void **state)
{
	struct pass *t = *state;
	uint8_t port = 0;

	opens(t, NULL, NULL);
	set(t, SCRATCH, 0x12345678);
	assert_int_equal(get(t, SCRATCH), 0x12345678);
	assert_int_equal(medio_card_read8(t->card, 4, 7, &port), 0);
	assert_int_equal(port, 7);
	/* What the other side refuses is refused; of a posted write nobody hears. */
	assert_int_equal(medio_card_write8(t->card, 4, 7, 1), 0);
	medio_card_close(t->card);
	medio_instance_free(t->inst);
	medio_loop_free(t->loop);
	opens(t, "post=off", NULL);
	assert_int_equal(medio_card_write32(t->card, 0, REFUSE, 1), -EINVAL);
}

static void posted_writes_arrive_by_themselves(void **state)
{
	struct pass *t = *state;

	opens(t, "map=off", NULL);
	unsigned before = atomic_load(&writes);
	for (unsigned i = 0; i < 100; i++)
		set(t, SCRATCH, i);
	while (atomic_load(&writes) < before + 100)
		turn(t);
	assert_int_equal(get(t, SCRATCH), 99);
}

static void its_bars_do_not_move(void **state)
{
	struct pass *t = *state;
	unsigned vendor;
	uint32_t bar = 0;

	opens(t, NULL, NULL);
	assert_int_equal(
		medio_card_write32(t->card, MEDIO_CARD_CONFIG, PCI_BASE_ADDRESS_0, 0xfebc0000), 0);
	assert_int_equal(
		medio_card_read32(t->card, MEDIO_CARD_CONFIG, PCI_BASE_ADDRESS_0, &bar), 0);
	assert_int_equal(bar, 0xfebc0000);
	/* Of a write over more than BARs the rest arrives. */
	uint8_t header[64];
	assert_int_equal(medio_card_read(t->card, MEDIO_CARD_CONFIG, 0, header, 64), 0);
	header[PCI_COMMAND] |= PCI_COMMAND_MASTER;
	header[PCI_BASE_ADDRESS_0 + 3] = 0xfd;
	assert_int_equal(medio_card_write(t->card, MEDIO_CARD_CONFIG, 0, header, 64), 0);
	assert_true(config16(t, PCI_COMMAND) & PCI_COMMAND_MASTER);
	assert_int_equal(atomic_load(&bar_writes), 0);
	vendor = find_cap(t, PCI_CAP_ID_VNDR);
	assert_int_equal(medio_card_write16(t->card, MEDIO_CARD_CONFIG, vendor + 4, 0x5a5a), 0);
	assert_int_equal(config16(t, vendor + 4), 0x5a5a);
}

static void resets_are_its_own(void **state)
{
	struct pass *t = *state;

	opens(t, NULL, NULL);
	unsigned before = atomic_load(&resets);
	assert_true(before > 0); /* at open */
	set(t, SCRATCH, 7);
	assert_int_equal(medio_card_reset(t->card), 0);
	assert_int_equal(get(t, SCRATCH), 0);
	assert_int_equal(atomic_load(&resets), before + 1);
	/* By the function's own register, once. */
	unsigned control = find_cap(t, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
	set(t, SCRATCH, 7);
	assert_int_equal(medio_card_write16(t->card, MEDIO_CARD_CONFIG, control,
				 (uint16_t)(config16(t, control) | PCI_EXP_DEVCTL_BCR_FLR)),
		0);
	assert_int_equal(get(t, SCRATCH), 0);
	assert_int_equal(atomic_load(&resets), before + 2);
	/* When its client goes. */
	medio_card_close(t->card);
	t->card = NULL;
	assert_int_equal(atomic_load(&resets), before + 3);
}

static void it_is_left_as_it_is_with_reset_off(void **state)
{
	struct pass *t = *state;

	opens(t, "reset=off", NULL);
	medio_card_close(t->card);
	t->card = NULL;
	assert_int_equal(atomic_load(&resets), 0);
}

/* ---- Mapping, doorbells --------------------------------------------------------------------------- */

static void bars_are_mapped_through(void **state)
{
	struct pass *t = *state;
	uint32_t *map = NULL, value = 0;

	opens(t, NULL, "idles");
	assert_int_equal(medio_card_mmap(t->card, 2, SHARED, SHARED_SIZE, (void **)&map), 0);
	map[1] = 0xfeedface;
	assert_int_equal(medio_card_read32(t->card, 2, SHARED + 4, &value), 0);
	assert_int_equal(value, 0xfeedface);
	assert_int_equal(medio_card_write32(t->card, 2, SHARED + 8, 17), 0);
	assert_int_equal(map[2], 17);
	medio_card_munmap(map, SHARED_SIZE);
	/* The table is here, not there. */
	assert_int_equal(medio_card_write32(t->card, 2, 8, 0x41), 0);
	assert_int_equal(medio_card_read32(t->card, 2, 8, &value), 0);
	assert_int_equal(value, 0x41);
}

static void who_looks_on_sees_all(void **state)
{
	struct pass *t = *state;
	uint32_t *map = NULL, value = 0;

	opens(t, NULL, "watches");
	assert_int_equal(medio_card_mmap(t->card, 2, SHARED, SHARED_SIZE, (void **)&map), -ENODEV);
	assert_int_equal(medio_card_write32(t->card, 2, SHARED + 8, 17), 0);
	assert_int_equal(medio_card_read32(t->card, 2, SHARED + 8, &value), 0);
	assert_int_equal(value, 17);
}

static void mapping_is_a_choice(void **state)
{
	struct pass *t = *state;
	void *map = NULL;

	opens(t, "map=on", "watches");
	assert_int_equal(medio_card_mmap(t->card, 2, SHARED, 4096, &map), 0);
	medio_card_munmap(map, 4096);
	medio_card_close(t->card);
	medio_instance_free(t->inst);
	medio_loop_free(t->loop);
	opens(t, "map=off", NULL);
	assert_int_equal(medio_card_mmap(t->card, 2, SHARED, 4096, &map), -ENODEV);
}

static void doorbells_ring_there(void **state)
{
	struct pass *t = *state;
	struct medio_card_doorbell bell;
	const uint64_t one = 1;

	opens(t, NULL, NULL);
	assert_int_equal(medio_card_doorbells(t->card, 0, &bell, 1), 1);
	assert_int_equal(bell.offset, BELL);
	unsigned before = atomic_load(&writes);
	assert_int_equal(write(bell.fd, &one, sizeof(one)), sizeof(one));
	while (atomic_load(&bells) < 1)
		turn(t);
	set(t, BELL, 1);
	while (atomic_load(&bells) < 2)
		turn(t);
	/* A write of another width is a write. */
	assert_int_equal(medio_card_write8(t->card, 0, BELL, 1), 0);
	get(t, SCRATCH);
	assert_int_equal(atomic_load(&bells), 2);
	assert_int_equal(atomic_load(&writes), before + 1);
}

/* ---- Interrupts -------------------------------------------------------------------------------------- */

static void vectors_are_enabled_as_the_client_does(void **state)
{
	struct pass *t = *state;
	int fds[VECTORS];
	uint64_t n;

	opens(t, NULL, NULL);
	for (unsigned i = 0; i < VECTORS; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	/* One after another, as QEMU does, each with an event before the next. */
	for (unsigned i = 0; i < VECTORS; i++) {
		assert_int_equal(medio_card_irq_assign(t->card, MEDIO_CARD_MSIX, i, 1, &fds[i]), 0);
		for (unsigned j = 0; j <= i; j++) {
			set(t, PULSE, j);
			while (read(fds[j], &n, sizeof(n)) < 0)
				turn(t);
			assert_int_equal(n, 1);
		}
	}
	/* All off; another kind. */
	assert_int_equal(medio_card_irq_disable(t->card, MEDIO_CARD_MSIX), 0);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_MSI, 4), 0);
	set(t, PULSE, 3);
	assert_int_equal(events(t, MEDIO_CARD_MSI, 3, 1), 1);
	for (unsigned i = 0; i < VECTORS; i++)
		close(fds[i]);
}

static void a_masked_message_waits(void **state)
{
	struct pass *t = *state;

	opens(t, NULL, NULL);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_MSIX, 2), 0);
	assert_int_equal(medio_card_irq_mask(t->card, MEDIO_CARD_MSIX, 1, 1), 0);
	set(t, PULSE, 1);
	set(t, PULSE, 0);
	assert_int_equal(events(t, MEDIO_CARD_MSIX, 0, 1), 1);
	assert_int_equal(events(t, MEDIO_CARD_MSIX, 1, 0), 0);
	assert_int_equal(medio_card_irq_unmask(t->card, MEDIO_CARD_MSIX, 1, 1), 0);
	assert_int_equal(events(t, MEDIO_CARD_MSIX, 1, 1), 1);
}

static void the_line_stays_up_until_it_falls_there(void **state)
{
	struct pass *t = *state;

	opens(t, NULL, NULL);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_INTX, 1), 0);
	set(t, LINE, 1);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(events(t, MEDIO_CARD_INTX, 0, 1), 1);
		assert_int_equal(medio_card_irq_unmask(t->card, MEDIO_CARD_INTX, 0, 1), 0);
	}
	assert_int_equal(events(t, MEDIO_CARD_INTX, 0, 1), 1);
	set(t, LINE, 0);
	get(t, SCRATCH);
	assert_int_equal(medio_card_irq_unmask(t->card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(events(t, MEDIO_CARD_INTX, 0, 0), 0);
	/* And again. */
	set(t, LINE, 1);
	assert_int_equal(events(t, MEDIO_CARD_INTX, 0, 1), 1);
}

static void a_reset_lets_the_line_go(void **state)
{
	struct pass *t = *state;

	opens(t, NULL, NULL);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_INTX, 1), 0);
	set(t, LINE, 1);
	assert_int_equal(events(t, MEDIO_CARD_INTX, 0, 1), 1);
	/* Nobody unmasks it before. */
	assert_int_equal(medio_card_reset(t->card), 0);
	set(t, LINE, 1);
	assert_int_equal(events(t, MEDIO_CARD_INTX, 0, 1), 1);
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static void memory_it_cannot_reach_is_refused(void **state)
{
	struct pass *t = *state;
	static _Alignas(4096) uint8_t own[8192];
	void *ptr = NULL;

	opens(t, NULL, NULL);
	assert_int_equal(medio_card_dma_map(t->card, 0x10000, sizeof(own), RW, own), -EREMOTE);
	assert_non_null(strstr(medio_card_last_error(t->card), "without a file"));
	/* And the addresses are free. */
	assert_int_equal(medio_card_dma_alloc(t->card, 0x10000, 8192, RW, &ptr), 0);
	assert_int_equal(medio_card_dma_unmap(t->card, 0x10000, 8192), 0);
	assert_int_equal(medio_card_dma_alloc(t->card, 0x10000, 4096, RW, &ptr), 0);
}

/* ---- Its end, and its coming back ------------------------------------------------------------------------ */

static void dies(struct pass *t)
{
	card_bed_close(&t->inner);
}

static void a_card_that_is_gone_reads_as_ones(void **state)
{
	struct pass *t = *state;
	uint64_t wide = 0;
	void *ptr = NULL;

	opens(t, "reconnect=off", NULL);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_ERR, 1), 0);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_INTX, 1), 0);
	assert_int_equal(medio_card_dma_alloc(t->card, 0x10000, 4096, RW, &ptr), 0);
	dies(t);
	/* Also if nobody asks it for anything. */
	assert_int_equal(events(t, MEDIO_CARD_ERR, 0, 1), 1);
	assert_int_equal(get(t, SCRATCH), UINT32_MAX);
	assert_int_equal(medio_card_read64(t->card, 4, 8, &wide), 0);
	assert_int_equal(wide, UINT64_MAX);
	assert_int_equal(config16(t, PCI_VENDOR_ID), 0xffff);
	set(t, SCRATCH, 1);
	assert_int_equal(medio_card_reset(t->card), 0);
	assert_int_equal(medio_card_irq_unmask(t->card, MEDIO_CARD_INTX, 0, 1), 0);
	assert_int_equal(medio_card_irq_disable(t->card, MEDIO_CARD_INTX), 0);
	assert_int_equal(medio_card_dma_unmap(t->card, 0x10000, 4096), 0);
	assert_int_equal(medio_card_dma_alloc(t->card, 0x20000, 4096, RW, &ptr), -ENODEV);
	assert_int_equal(events(t, MEDIO_CARD_ERR, 0, 0), 0);
}

static void a_card_that_is_back_goes_on(void **state)
{
	struct pass *t = *state;
	struct medio_card_doorbell bell;
	const uint64_t one = 1;
	uint32_t *map = NULL;

	opens(t, NULL, NULL);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_ERR, 1), 0);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_MSIX, 3), 0);
	assert_int_equal(medio_card_doorbells(t->card, 0, &bell, 1), 1);
	set(t, SCRATCH, 9);
	for (unsigned round = 1; round <= 2; round++) {
		dies(t);
		assert_int_equal(events(t, MEDIO_CARD_ERR, 0, 1), 1);
		serve_card(t);
		while (get(t, SCRATCH) == UINT32_MAX)
			turn(t);
		/* After power-on. */
		assert_int_equal(get(t, SCRATCH), 0);
		/* None lost: each vector had one. */
		assert_int_equal(events(t, MEDIO_CARD_MSIX, 2, 1), 1);
		set(t, PULSE, 2);
		assert_int_equal(events(t, MEDIO_CARD_MSIX, 2, 1), 1);
		unsigned before = atomic_load(&bells);
		assert_int_equal(write(bell.fd, &one, sizeof(one)), sizeof(one));
		while (atomic_load(&bells) == before)
			turn(t);
	}
	/* Who comes now maps what is there now. */
	medio_card_close(t->card);
	struct medio_error *err = NULL;
	assert_int_equal(medio_card_open_instance(t->inst, &t->card, &err), 0);
	assert_int_equal(medio_card_mmap(t->card, 2, SHARED, 4096, (void **)&map), 0);
	assert_int_equal(medio_card_write32(t->card, 2, SHARED + 8, 0x77), 0);
	assert_int_equal(map[2], 0x77);
	medio_card_munmap(map, 4096);
}

/* Wanted back, then gone: its client lets go of it before it is looked for again. */
static void what_is_given_back_is_not_looked_for(void **state)
{
	struct pass *t = *state;
	char text[32] = "";

	opens(t, NULL, NULL);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_ERR, 1), 0);
	assert_int_equal(medio_card_irq_open(t->card, MEDIO_CARD_REQ, 1), 0);
	set(t, WANT, 1);
	assert_true(events(t, MEDIO_CARD_REQ, 0, 1) >= 1);
	dies(t);
	assert_true(events(t, MEDIO_CARD_ERR, 0, 1) >= 1);
	medio_card_close(t->card);
	t->card = NULL;
	for (unsigned i = 0; i < 20; i++)
		turn(t);
	assert_true(medio_instance_attr_show(t->inst, "state", text, sizeof(text)) > 0);
	assert_string_equal(text, "given back\n");
}

static void no_card_is_no_instance(void **state)
{
	struct pass *t = *state;
	struct medio_error *err = NULL;

	dies(t);
	unlink(t->place);
	assert_int_equal(pass_on(t, NULL, NULL, &err), -ENOENT);
	assert_non_null(strstr(medio_error_text(err), t->place));
	medio_error_free(err);
	err = NULL;
	assert_int_equal(
		medio_instance_new(t->loop, &medio_passthrough, NULL, &t->inst, &err), -EINVAL);
	assert_non_null(strstr(medio_error_text(err), "device=URI"));
	medio_error_free(err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_the_other_card),
		TEST(accesses_reach_it),
		TEST(posted_writes_arrive_by_themselves),
		TEST(its_bars_do_not_move),
		TEST(resets_are_its_own),
		TEST(it_is_left_as_it_is_with_reset_off),
		TEST(bars_are_mapped_through),
		TEST(who_looks_on_sees_all),
		TEST(mapping_is_a_choice),
		TEST(doorbells_ring_there),
		TEST(vectors_are_enabled_as_the_client_does),
		TEST(a_masked_message_waits),
		TEST(the_line_stays_up_until_it_falls_there),
		TEST(a_reset_lets_the_line_go),
		TEST(memory_it_cannot_reach_is_refused),
		TEST(a_card_that_is_gone_reads_as_ones),
		TEST(a_card_that_is_back_goes_on),
		TEST(what_is_given_back_is_not_looked_for),
		TEST(no_card_is_no_instance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
