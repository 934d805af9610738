/* SPDX-License-Identifier: BSD-3-Clause */
/* GET_IRQ_INFO, SET_IRQS in all its forms, and what then arrives where. */
#include "bed.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONFIG MEDIO_REGION_CONFIG

static unsigned cap_at(struct client *c, uint8_t id)
{
	uint8_t at = 0, head[2];
	assert_int_equal(client_read(c, CONFIG, PCI_CAPABILITY_LIST, &at, 1), 0);
	while (at) {
		assert_int_equal(client_read(c, CONFIG, at, head, 2), 0);
		if (head[0] == id)
			return at;
		at = head[1];
	}
	fail_msg("no capability %u", id);
	return 0;
}

static void config16(struct client *c, unsigned offset, uint16_t value)
{
	assert_int_equal(client_write(c, CONFIG, offset, &value, 2), 0);
}

static void many_events(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fds[i] = event_new();
}

static void close_events(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* ---- GET_IRQ_INFO -------------------------------------------------------------------------------------- */

static void irq_info_tells_maskable_and_automasked(void **state)
{
	static const struct {
		uint32_t count, flags;
	} want[] = {
		{ 1, MEDIO_VU_IRQ_EVENTFD | MEDIO_VU_IRQ_MASKABLE | MEDIO_VU_IRQ_AUTOMASKED },
		{ TOY_MSI, MEDIO_VU_IRQ_EVENTFD | MEDIO_VU_IRQ_MASKABLE },
		{ TOY_VECTORS, MEDIO_VU_IRQ_EVENTFD | MEDIO_VU_IRQ_MASKABLE },
		{ 1, MEDIO_VU_IRQ_EVENTFD },
		{ 1, MEDIO_VU_IRQ_EVENTFD },
	};
	struct message reply;
	struct client c;
	client_hello(&c, *state);
	for (uint32_t i = 0; i < 5; i++) {
		struct medio_vu_irq_info info = { sizeof(info), 0, i, 0 };
		assert_int_equal(
			client_call(&c, MEDIO_VU_GET_IRQ_INFO, &info, sizeof(info), &reply), 0);
		assert_int_equal(reply.size, sizeof(info));
		memcpy(&info, reply.payload, sizeof(info));
		assert_int_equal(info.index, i);
		assert_int_equal(info.count, want[i].count);
		assert_int_equal(info.flags, want[i].flags);
	}
	struct medio_vu_irq_info bad = { sizeof(bad), 0, 5, 0 };
	assert_int_equal(client_call(&c, MEDIO_VU_GET_IRQ_INFO, &bad, sizeof(bad), NULL), -EINVAL);
	bad = (struct medio_vu_irq_info){ sizeof(bad) - 1, 0, 0, 0 };
	assert_int_equal(client_call(&c, MEDIO_VU_GET_IRQ_INFO, &bad, sizeof(bad), NULL), -EINVAL);
	client_close(&c);
}

/* ---- INTx ------------------------------------------------------------------------------------------------ */

static uint16_t status(struct client *c)
{
	uint16_t value;
	assert_int_equal(client_read(c, CONFIG, PCI_STATUS, &value, 2), 0);
	return value;
}

static void intx_is_masked_by_its_signal_and_comes_again_after_unmask(void **state)
{
	struct bed *bed = *state;
	struct medio_dev *dev = bed->toy->dev;
	struct client c;
	int event = event_new();
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	assert_int_equal(status(&c) & PCI_STATUS_INTERRUPT, 0);
	medio_irq_set(dev, 0, true);
	assert_int_equal(event_take(event), 1);
	assert_true(status(&c) & PCI_STATUS_INTERRUPT);
	medio_irq_set(dev, 1, true); /* the line is the OR of all: nothing new */
	medio_irq_set(dev, 0, false);
	assert_int_equal(event_take(event), 0);
	/* Still high: asserted again after the unmask. */
	assert_int_equal(client_irqs(&c, IRQ_NONE(UNMASK), MEDIO_IRQ_INTX, 0, 1, NULL, 0), 0);
	assert_int_equal(event_take(event), 1);
	medio_irq_set(dev, 1, false);
	assert_int_equal(status(&c) & PCI_STATUS_INTERRUPT, 0);
	assert_int_equal(client_irqs(&c, IRQ_NONE(UNMASK), MEDIO_IRQ_INTX, 0, 1, NULL, 0), 0);
	assert_int_equal(event_take(event), 0);
	medio_irq_pulse(dev, 0); /* has no level: nothing under INTx */
	assert_int_equal(event_take(event), 0);
	client_close(&c);
	close(event);
}

static void intx_masked_by_hand_waits(void **state)
{
	struct bed *bed = *state;
	struct client c;
	uint8_t yes = 1, no = 0;
	int event = event_new();
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	assert_int_equal(client_irqs(&c, IRQ_NONE(MASK), MEDIO_IRQ_INTX, 0, 1, NULL, 0), 0);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(event_take(event), 0);
	struct {
		struct medio_vu_irq_set set;
		uint8_t value;
	} __attribute__((packed))
	bools = { { 21, MEDIO_VU_IRQ_DATA_BOOL | MEDIO_VU_IRQ_ACTION_UNMASK, 0, 0, 1 }, no };
	assert_int_equal(client_call(&c, MEDIO_VU_SET_IRQS, &bools, sizeof(bools), NULL), 0);
	assert_int_equal(event_take(event), 0); /* false: not this one */
	bools.value = yes;
	assert_int_equal(client_call(&c, MEDIO_VU_SET_IRQS, &bools, sizeof(bools), NULL), 0);
	assert_int_equal(event_take(event), 1);
	client_close(&c);
	close(event);
}

/* libvfio-user drops the UNMASK eventfd. */
static void the_unmask_eventfd_resamples(void **state)
{
	struct bed *bed = *state;
	struct client c;
	const uint64_t one = 1;
	int event = event_new(), resample = event_new(), mask = event_new();
	client_hello(&c, bed);
	/* Before there is a trigger there is nothing to unmask. */
	assert_int_equal(
		client_irqs(&c, IRQ_FD(UNMASK), MEDIO_IRQ_INTX, 0, 1, &resample, 1), -EINVAL);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	assert_int_equal(client_irqs(&c, IRQ_FD(UNMASK), MEDIO_IRQ_INTX, 0, 1, &resample, 1), 0);
	assert_int_equal(client_irqs(&c, IRQ_FD(MASK), MEDIO_IRQ_INTX, 0, 1, &mask, 1), 0);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(event_take(event), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(resample, &one, 8), 8);
		bed_step(bed);
		assert_int_equal(event_take(event), 1);
		assert_int_equal(event_take(resample), 0); /* consumed here */
	}
	medio_irq_set(bed->toy->dev, 0, false);
	assert_int_equal(write(resample, &one, 8), 8);
	bed_step(bed);
	assert_int_equal(event_take(event), 0);
	assert_int_equal(write(mask, &one, 8), 8);
	bed_step(bed);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(event_take(event), 0);
	/* De-assigned, it does nothing more. */
	assert_int_equal(client_irqs(&c, IRQ_FD(UNMASK), MEDIO_IRQ_INTX, 0, 1, NULL, 0), 0);
	assert_int_equal(write(resample, &one, 8), 8);
	bed_step(bed);
	assert_int_equal(event_take(event), 0);
	client_close(&c);
	close(event);
	close(resample);
	close(mask);
}

static void an_eventfd_in_blocking_mode_never_blocks_us(void **state)
{
	struct bed *bed = *state;
	struct client c;
	const uint64_t full = UINT64_MAX - 1, one = 1;
	int event = eventfd(0, EFD_CLOEXEC), resample = eventfd(0, EFD_CLOEXEC);
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	assert_int_equal(client_irqs(&c, IRQ_FD(UNMASK), MEDIO_IRQ_INTX, 0, 1, &resample, 1), 0);
	assert_int_equal(write(event, &full, 8), 8);
	medio_irq_set(bed->toy->dev, 0, true); /* would block for ever */
	assert_int_equal(write(resample, &one, 8), 8);
	bed_step(bed);
	uint64_t count;
	assert_int_equal(read(event, &count, 8), 8);
	assert_int_equal(count, full);
	client_close(&c);
	close(event);
	close(resample);
}

static void the_intx_disable_bit_holds_the_line_and_shows_it(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int event = event_new();
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	config16(&c, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(event_take(event), 0);
	assert_true(status(&c) & PCI_STATUS_INTERRUPT);
	config16(&c, PCI_COMMAND, 0);
	assert_int_equal(event_take(event), 1);
	client_close(&c);
	close(event);
}

static void a_line_that_is_high_already_signals_when_it_is_connected(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int event = event_new();
	client_hello(&c, bed);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	assert_int_equal(event_take(event), 1);
	/* De-assigning the trigger ends INTx, so that another may be used. */
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, NULL, 0), 0);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSI, 0, 1, &event, 1), 0);
	client_close(&c);
	close(event);
}

/* ---- MSI -------------------------------------------------------------------------------------------------- */

static void fewer_msi_vectors_are_shared(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[2];
	many_events(fds, 2);
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSI, 0, 2, fds, 2), 0);
	for (unsigned source = 0; source < TOY_MSI; source++) {
		medio_irq_pulse(bed->toy->dev, source);
		assert_int_equal(event_take(fds[source % 2]), 1);
		assert_int_equal(event_take(fds[!(source % 2)]), 0);
	}
	medio_irq_pulse(bed->toy->dev, 1000); /* none of the type's */
	medio_irq_set(bed->toy->dev, UINT32_MAX, true);
	assert_int_equal(event_take(fds[0]) + event_take(fds[1]), 0);
	client_close(&c);
	close_events(fds, 2);
}

static void a_level_sends_one_message_at_each_rise(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int event = event_new();
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSI, 0, 1, &event, 1), 0);
	medio_irq_set(bed->toy->dev, 0, true);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(event_take(event), 1);
	medio_irq_set(bed->toy->dev, 0, false);
	assert_int_equal(event_take(event), 0);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(event_take(event), 1);
	client_close(&c);
	close(event);
}

static void a_masked_msi_vector_is_pending_until_unmasked(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[4];
	many_events(fds, 4);
	client_hello(&c, bed);
	unsigned msi = cap_at(&c, PCI_CAP_ID_MSI);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSI, 0, 4, fds, 4), 0);
	client_write32(&c, CONFIG, msi + PCI_MSI_MASK_64, 1 << 2);
	medio_irq_pulse(bed->toy->dev, 2);
	medio_irq_pulse(bed->toy->dev, 2);
	assert_int_equal(event_take(fds[2]), 0);
	assert_int_equal(client_read32(&c, CONFIG, msi + PCI_MSI_PENDING_64), 1 << 2);
	client_write32(&c, CONFIG, msi + PCI_MSI_MASK_64, 0);
	assert_int_equal(event_take(fds[2]), 1); /* once */
	assert_int_equal(client_read32(&c, CONFIG, msi + PCI_MSI_PENDING_64), 0);
	client_close(&c);
	close_events(fds, 4);
}

/* ---- MSI-X ------------------------------------------------------------------------------------------------ */

static uint64_t pba(struct client *c)
{
	uint64_t bits;
	assert_int_equal(client_read(c, 4, TOY_PBA, &bits, 8), 0);
	return bits;
}

static void table_mask(struct client *c, unsigned vector, uint32_t control)
{
	client_write32(c, 4, TOY_TABLE + vector * 16 + 12, control);
}

static void a_table_nobody_wrote_masks_nothing(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[3];
	many_events(fds, 3);
	client_hello(&c, bed);
	/* QEMU keeps the table to itself. */
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 3, fds, 3), 0);
	medio_irq_pulse(bed->toy->dev, 1);
	assert_int_equal(event_take(fds[1]), 1);
	client_close(&c);
	close_events(fds, 3);
}

static void a_masked_msix_vector_is_pending_in_the_pba(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[16];
	many_events(fds, 16);
	client_hello(&c, bed);
	for (unsigned i = 0; i < TOY_VECTORS; i++)
		table_mask(&c, i, 0);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 24, 16, fds, 16), 0);
	table_mask(&c, 39, 1);
	medio_irq_pulse(bed->toy->dev, 39);
	assert_int_equal(event_take(fds[15]), 0);
	assert_int_equal(pba(&c), 1ull << 39);
	client_write32(&c, 4, TOY_PBA, 0); /* read-only */
	assert_int_equal(pba(&c), 1ull << 39);
	table_mask(&c, 39, 0);
	assert_int_equal(event_take(fds[15]), 1);
	assert_int_equal(pba(&c), 0);

	/* The whole function. */
	unsigned msix = cap_at(&c, PCI_CAP_ID_MSIX);
	config16(&c, msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	medio_irq_pulse(bed->toy->dev, 30);
	medio_irq_pulse(bed->toy->dev, 31);
	assert_int_equal(event_take(fds[6]), 0);
	assert_int_equal(pba(&c), 3ull << 30);
	config16(&c, msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(event_take(fds[6]), 1);
	assert_int_equal(event_take(fds[7]), 1);
	assert_int_equal(pba(&c), 0);
	client_close(&c);
	close_events(fds, 16);
}

/* Also with vectors beyond 32, for which MSI has no mask bit. */
static void the_table_may_be_written_before_msix_is_in_use(void **state)
{
	uint8_t table[TOY_VECTORS * 16];
	struct client c;
	client_hello(&c, *state);
	memset(table, 0, sizeof(table));
	assert_int_equal(client_write(&c, 4, TOY_TABLE, table, sizeof(table)), 0);
	table_mask(&c, 39, 1);
	assert_int_equal(client_read32(&c, 4, TOY_TABLE + 39 * 16 + 12), 1);
	assert_int_equal(client_read32(&c, 4, TOY_TABLE + 38 * 16 + 12), 0);
	client_close(&c);
}

static void mask_and_unmask_of_the_guest_are_told(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int trigger = event_new(), mask = event_new(), unmask = event_new();
	client_hello(&c, bed);
	table_mask(&c, 0, 0);
	assert_int_equal(client_irqs(&c, IRQ_FD(MASK), MEDIO_IRQ_MSIX, 0, 1, &mask, 1), -EINVAL);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 1, &trigger, 1), 0);
	assert_int_equal(client_irqs(&c, IRQ_FD(MASK), MEDIO_IRQ_MSIX, 0, 1, &mask, 1), 0);
	assert_int_equal(client_irqs(&c, IRQ_FD(UNMASK), MEDIO_IRQ_MSIX, 0, 1, &unmask, 1), 0);
	table_mask(&c, 0, 1);
	assert_int_equal(event_take(mask), 1);
	table_mask(&c, 0, 1); /* no change */
	assert_int_equal(event_take(mask), 0);
	table_mask(&c, 0, 0);
	assert_int_equal(event_take(unmask), 1);
	client_close(&c);
	close(trigger);
	close(mask);
	close(unmask);
}

/* In libvfio-user vector 2 goes on firing. */
static void deassigning_vector_2_silences_it_alone(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[4], other = event_new();
	many_events(fds, 4);
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 4, fds, 4), 0);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 2, 1, NULL, 0), 0);
	for (unsigned i = 0; i < 4; i++)
		medio_irq_pulse(bed->toy->dev, i);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(event_take(fds[i]), i != 2);
	/* Held until it has somewhere to go. */
	assert_int_equal(pba(&c), 1 << 2);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 2, 1, &other, 1), 0);
	assert_int_equal(event_take(other), 1);
	assert_int_equal(event_take(fds[2]), 0);
	client_close(&c);
	close_events(fds, 4);
	close(other);
}

static void msix_grows_as_qemu_lets_it(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[TOY_VECTORS];
	many_events(fds, TOY_VECTORS);
	client_hello(&c, bed);
	/* Enabled without an unmasked vector: count 1, no descriptor. */
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 1, NULL, 0), 0);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 1, fds, 1), 0);
	/* Growth: all off, then runs of as many descriptors as go with a message. */
	assert_int_equal(client_irqs(&c, IRQ_NONE(TRIGGER), MEDIO_IRQ_MSIX, 0, 0, NULL, 0), 0);
	for (unsigned start = 0; start < TOY_VECTORS; start += 8)
		assert_int_equal(
			client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, start, 8, fds + start, 8), 0);
	for (unsigned i = 0; i < TOY_VECTORS; i++) {
		medio_irq_set(bed->toy->dev, i, true);
		assert_int_equal(event_take(fds[i]), 1);
	}
	client_close(&c);
	close_events(fds, TOY_VECTORS);
}

static void trigger_by_the_client_is_a_loopback(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[3];
	many_events(fds, 3);
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSI, 0, 3, fds, 3), 0);
	assert_int_equal(client_irqs(&c, IRQ_NONE(TRIGGER), MEDIO_IRQ_MSI, 1, 2, NULL, 0), 0);
	assert_int_equal(event_take(fds[0]), 0);
	assert_int_equal(event_take(fds[1]), 1);
	assert_int_equal(event_take(fds[2]), 1);
	struct {
		struct medio_vu_irq_set set;
		uint8_t bools[3];
	} __attribute__((packed))
	some = { { 23, MEDIO_VU_IRQ_DATA_BOOL | MEDIO_VU_IRQ_ACTION_TRIGGER, MEDIO_IRQ_MSI, 0, 3 },
		{ 1, 0, 1 } };
	assert_int_equal(client_call(&c, MEDIO_VU_SET_IRQS, &some, sizeof(some), NULL), 0);
	assert_int_equal(event_take(fds[0]), 1);
	assert_int_equal(event_take(fds[1]), 0);
	assert_int_equal(event_take(fds[2]), 1);
	some.set.count = 4; /* one bool short */
	assert_int_equal(client_call(&c, MEDIO_VU_SET_IRQS, &some, sizeof(some), NULL), -EINVAL);
	client_close(&c);
	close_events(fds, 3);
}

/* ---- Rules ------------------------------------------------------------------------------------------------- */

static void a_second_kind_while_one_is_active_is_einval(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int event = event_new();
	client_hello(&c, bed);
	for (uint32_t first = 0; first < 3; first++) {
		assert_int_equal(client_irqs(&c, MSI_TRIGGER, first, 0, 1, &event, 1), 0);
		for (uint32_t second = 0; second < 3; second++)
			if (second != first)
				assert_int_equal(
					client_irqs(&c, MSI_TRIGGER, second, 0, 1, &event, 1),
					-EINVAL);
		assert_int_equal(client_irqs(&c, IRQ_NONE(TRIGGER), first, 0, 0, NULL, 0), 0);
	}
	client_close(&c);
	close(event);
}

static void forms_that_make_no_sense_are_einval(void **state)
{
	static const struct {
		uint32_t flags, index, start, count;
	} bad[] = {
		{ 0, 0, 0, 1 }, { MEDIO_VU_IRQ_DATA_NONE, 0, 0, 1 },
		{ MEDIO_VU_IRQ_ACTION_TRIGGER, 0, 0, 1 },
		{ IRQ_NONE(TRIGGER) | MEDIO_VU_IRQ_DATA_BOOL, 0, 0, 1 },
		{ IRQ_NONE(TRIGGER) | MEDIO_VU_IRQ_ACTION_MASK, 0, 0, 1 },
		{ IRQ_NONE(TRIGGER) | 0x40, 0, 0, 1 }, { MSI_TRIGGER, 5, 0, 1 },
		{ IRQ_NONE(TRIGGER), 5, 0, 0 }, { MSI_TRIGGER, MEDIO_IRQ_MSI, TOY_MSI, 1 },
		{ MSI_TRIGGER, MEDIO_IRQ_MSI, 1, TOY_MSI },
		{ MSI_TRIGGER, MEDIO_IRQ_MSI, UINT32_MAX, 2 },
		{ MSI_TRIGGER, MEDIO_IRQ_MSI, 2, UINT32_MAX },
		{ MSI_TRIGGER, MEDIO_IRQ_INTX, 1, 1 }, { IRQ_NONE(MASK), MEDIO_IRQ_INTX, 0, 0 },
		{ IRQ_NONE(MASK), MEDIO_IRQ_MSIX, 0, 1 }, /* nothing is set up */
	};
	struct client c;
	client_hello(&c, *state);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(client_irqs(&c, bad[i].flags, bad[i].index, bad[i].start,
					 bad[i].count, NULL, 0),
			-EINVAL);
	struct medio_vu_irq_set set = { sizeof(set) - 1, IRQ_NONE(TRIGGER), 0, 0, 0 };
	assert_int_equal(client_call(&c, MEDIO_VU_SET_IRQS, &set, sizeof(set), NULL), -EINVAL);
	assert_int_equal(client_call(&c, MEDIO_VU_SET_IRQS, &set, 19, NULL), -EINVAL);
	client_close(&c);
}

static void descriptors_must_be_eventfds_and_as_many_as_said(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int fds[3], pipes[2];
	many_events(fds, 3);
	assert_int_equal(pipe(pipes), 0);
	client_hello(&c, bed);
	unsigned before = bed_count_fds();
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 3, fds, 2), -EINVAL);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 2, fds, 3), -EINVAL);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 1, &pipes[1], 1), -EINVAL);
	int mixed[] = { fds[0], pipes[1] };
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSIX, 0, 2, mixed, 2), -EINVAL);
	assert_int_equal(client_irqs(&c, IRQ_NONE(TRIGGER), MEDIO_IRQ_MSIX, 0, 0, fds, 1), -EINVAL);
	assert_int_equal(bed_count_fds(), before);
	/* And none of that has left MSI-X half in use. */
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, fds, 1), 0);
	client_close(&c);
	close_events(fds, 3);
	close(pipes[0]);
	close(pipes[1]);
}

static void err_and_req_have_triggers_only(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int event = event_new();
	client_hello(&c, bed);
	for (uint32_t index = MEDIO_IRQ_ERR; index <= MEDIO_IRQ_REQ; index++) {
		assert_int_equal(medio_irq_signal(bed->inst, index), -ENOENT);
		assert_int_equal(client_irqs(&c, MSI_TRIGGER, index, 0, 1, &event, 1), 0);
		assert_int_equal(medio_irq_signal(bed->inst, index), 0);
		assert_int_equal(event_take(event), 1);
		assert_int_equal(client_irqs(&c, IRQ_NONE(TRIGGER), index, 0, 1, NULL, 0), 0);
		assert_int_equal(event_take(event), 1);
		assert_int_equal(client_irqs(&c, IRQ_NONE(MASK), index, 0, 1, NULL, 0), -ENOTTY);
		assert_int_equal(client_irqs(&c, IRQ_FD(UNMASK), index, 0, 1, &event, 1), -ENOTTY);
		assert_int_equal(client_irqs(&c, MSI_TRIGGER, index, 0, 1, NULL, 0), 0);
		assert_int_equal(medio_irq_signal(bed->inst, index), -ENOENT);
	}
	client_close(&c);
	close(event);
}

static void a_reset_lowers_all_and_keeps_the_eventfds(void **state)
{
	struct bed *bed = *state;
	struct client c;
	int event = event_new();
	client_hello(&c, bed);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &event, 1), 0);
	medio_irq_set(bed->toy->dev, 0, true);
	assert_int_equal(event_take(event), 1);
	assert_int_equal(client_call(&c, MEDIO_VU_RESET, NULL, 0, NULL), 0);
	assert_int_equal(status(&c) & PCI_STATUS_INTERRUPT, 0);
	medio_irq_set(bed->toy->dev, 0, true); /* low before, not masked any more */
	assert_int_equal(event_take(event), 1);
	client_close(&c);
	close(event);
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(irq_info_tells_maskable_and_automasked),
		BED_TEST(intx_is_masked_by_its_signal_and_comes_again_after_unmask),
		BED_TEST(intx_masked_by_hand_waits),
		BED_TEST(the_unmask_eventfd_resamples),
		BED_TEST(an_eventfd_in_blocking_mode_never_blocks_us),
		BED_TEST(the_intx_disable_bit_holds_the_line_and_shows_it),
		BED_TEST(a_line_that_is_high_already_signals_when_it_is_connected),
		BED_TEST(fewer_msi_vectors_are_shared),
		BED_TEST(a_level_sends_one_message_at_each_rise),
		BED_TEST(a_masked_msi_vector_is_pending_until_unmasked),
		BED_TEST(a_table_nobody_wrote_masks_nothing),
		BED_TEST(a_masked_msix_vector_is_pending_in_the_pba),
		BED_TEST(the_table_may_be_written_before_msix_is_in_use),
		BED_TEST(mask_and_unmask_of_the_guest_are_told),
		BED_TEST(deassigning_vector_2_silences_it_alone),
		BED_TEST(msix_grows_as_qemu_lets_it),
		BED_TEST(trigger_by_the_client_is_a_loopback),
		BED_TEST(a_second_kind_while_one_is_active_is_einval),
		BED_TEST(forms_that_make_no_sense_are_einval),
		BED_TEST(descriptors_must_be_eventfds_and_as_many_as_said),
		BED_TEST(err_and_req_have_triggers_only),
		BED_TEST(a_reset_lowers_all_and_keeps_the_eventfds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
