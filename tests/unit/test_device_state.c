/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole state of an instance as bytes: what is in there, when it can be had, who may give it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/instance.h"
#include "device/irq.h"
#include "device/migration.h"
#include "pci/config.h"

/* ---- A device with one register ------------------------------------------------------------------- */

enum { REG, IRQ_LINE, DEFER }; /* registers of BAR0, 4 bytes each */

struct dev {
	uint32_t reg;
	bool line, busy, refuse;
	int quiet; /* quiesce() and resume() */
	unsigned resets, resumes, loads, configs;
	struct medio_token *token;
};

static void dev_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct dev *d = medio_priv(dev);
	(void)kind;
	d->resets++;
	d->reg = 0;
	d->line = false;
}

static int dev_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct dev *d = medio_priv(dev);
	(void)region;
	if (offset == 4 * DEFER) {
		d->token = medio_defer(dev);
		return MEDIO_DEFERRED;
	}
	medio_put_le(buf, count, offset == 4 * REG ? d->reg : d->line);
	return 0;
}

static int dev_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct dev *d = medio_priv(dev);
	(void)region;
	if (offset == 4 * REG) {
		d->reg = (uint32_t)medio_get_le(buf, count);
	} else {
		d->line = medio_get_le(buf, count);
		medio_irq_set(dev, 0, d->line);
	}
	return 0;
}

static void dev_config(struct medio_dev *dev, unsigned offset, size_t count)
{
	struct dev *d = medio_priv(dev);
	(void)offset;
	(void)count;
	d->configs++;
}

static int dev_quiesce(struct medio_dev *dev)
{
	struct dev *d = medio_priv(dev);
	if (d->busy)
		return -EBUSY;
	d->quiet = 1;
	return 0;
}

static void dev_resume(struct medio_dev *dev)
{
	struct dev *d = medio_priv(dev);
	d->quiet = 0;
	d->resumes++;
}

static ssize_t dev_save(struct medio_dev *dev, void *buf, size_t cap)
{
	struct dev *d = medio_priv(dev);
	assert_true(d->quiet);
	if (d->refuse)
		return -EIO;
	if (cap < 8)
		return 8;
	medio_put_le(buf, 4, d->reg);
	medio_put_le((uint8_t *)buf + 4, 4, d->line);
	return 8;
}

static int dev_load(struct medio_dev *dev, const void *buf, size_t size)
{
	struct dev *d = medio_priv(dev);
	uint64_t line;
	assert_true(d->quiet);
	d->loads++;
	if (d->refuse)
		return -ENOSPC;
	if (size != 8)
		return -EINVAL;
	line = medio_get_le((const uint8_t *)buf + 4, 4);
	if (line > 1)
		return -EINVAL;
	d->reg = (uint32_t)medio_get_le(buf, 4);
	d->line = line;
	medio_irq_set(dev, 0, d->line);
	return 0;
}

static const struct medio_device_ops ops = {
	.reset = dev_reset,
	.region_read = dev_read,
	.region_write = dev_write,
	.config_changed = dev_config,
	.quiesce = dev_quiesce,
	.resume = dev_resume,
	.save = dev_save,
	.load = dev_load,
};
static const struct medio_cap caps[] = { { .kind = MEDIO_CAP_PM }, { .kind = MEDIO_CAP_PCIE },
	{ .kind = MEDIO_CAP_MSI }, { .kind = MEDIO_CAP_NONE } };

#define VECTORS	   3u
#define TABLE_SIZE (VECTORS * 16u)

static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "dev",
	.id = { 0x1234, 0x5678, 0x1234, 0x5678, 1, 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 4096 },
		{ .kind = MEDIO_BAR_MEM32, .size = 4096 } },
	.irqs = { .intx_pin = 1,
		.msi = 2,
		.msi_vector_mask = true,
		.msix = { .vectors = VECTORS, .table_bar = 1, .pba_bar = 1, .pba_offset = 0x800 } },
	.caps = caps,
	.state_size = sizeof(struct dev),
	.ops = &ops,
};
static const struct medio_device_ops mute_ops = { .reset = dev_reset };

/* ---- A bed: two of them, and a client ---------------------------------------------------------------- */

#define CAP 8192

struct bed {
	struct medio_loop *loop;
	struct medio_instance *from, *to;
	uint8_t state[CAP];
	size_t size;
};

static struct medio_instance *make(struct bed *bed, const struct medio_type *of)
{
	struct medio_instance *inst = NULL;
	assert_int_equal(medio_instance_new(bed->loop, of, NULL, &inst, NULL), 0);
	return inst;
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	bed->from = make(bed, &type);
	bed->to = make(bed, &type);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;
	medio_instance_free(bed->from);
	medio_instance_free(bed->to);
	medio_loop_free(bed->loop);
	free(bed);
	return 0;
}

static void ignore_completed(void *opaque, int ret, const void *data, size_t count)
{
	(void)opaque;
	(void)ret;
	(void)data;
	(void)count;
}

static void ignore_quiesced(void *opaque)
{
	(void)opaque;
}

static const struct medio_transport_ops client = {
	.completed = ignore_completed,
	.quiesced = ignore_quiesced,
};

static struct dev *dev_of(struct medio_instance *inst)
{
	return medio_priv(medio_instance_device(inst));
}

static void put(struct medio_instance *inst, unsigned region, uint64_t offset, uint32_t value)
{
	assert_int_equal(medio_instance_write(inst, region, offset, &value, 4), 0);
}

static uint32_t get(struct medio_instance *inst, unsigned region, uint64_t offset)
{
	uint32_t value = 0;
	assert_int_equal(medio_instance_read(inst, region, offset, &value, 4), 0);
	return value;
}

/* What a driver does to a card. */
static void use(struct medio_instance *inst)
{
	put(inst, MEDIO_REGION_CONFIG, 4, 6);		  /* memory, bus mastering */
	put(inst, MEDIO_REGION_CONFIG, 0x10, 0xfebf0000); /* BAR0 */
	put(inst, 0, 4 * REG, 0x12345678);
	put(inst, 1, 0x10, 0xfee00000); /* MSI-X vector 1 */
	put(inst, 1, 0x18, 77);
	put(inst, 1, 0x1c, 0);
}

static void save(struct bed *bed)
{
	ssize_t size = medio_instance_save(bed->from, bed->state, CAP);
	assert_true(size > 0 && size < CAP);
	bed->size = (size_t)size;
}

/* As a new one that was reset: nothing of what was to be loaded is there. */
static void assert_reset(struct bed *bed, struct medio_instance *inst)
{
	struct medio_instance *fresh = make(bed, &type);
	uint8_t have[CAP], want[CAP];
	ssize_t size = medio_instance_save(fresh, want, CAP);
	assert_int_equal(medio_instance_save(inst, have, CAP), size);
	assert_memory_equal(have, want, (size_t)size);
	assert_true(dev_of(inst)->resets > 0);
	assert_int_equal(dev_of(inst)->quiet, 0);
	medio_instance_free(fresh);
}

/* ---- What is in there -------------------------------------------------------------------------------- */

static void what_is_saved_goes_on_in_another_instance(void **state)
{
	struct bed *bed = *state;
	uint8_t again[CAP];
	use(bed->from);
	save(bed);
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), 0);
	assert_int_equal(get(bed->to, MEDIO_REGION_CONFIG, 4) & 0xffff, 6);
	assert_int_equal(get(bed->to, MEDIO_REGION_CONFIG, 0x10), 0xfebf0000);
	assert_int_equal(get(bed->to, 0, 4 * REG), 0x12345678);
	assert_int_equal(get(bed->to, 1, 0x10), 0xfee00000);
	assert_int_equal(get(bed->to, 1, 0x18), 77);
	assert_int_equal(get(bed->to, 1, 0x1c), 0);
	assert_int_equal(get(bed->to, 1, 0x2c), 1); /* the others are masked as after power-on */
	assert_int_equal(dev_of(bed->to)->configs, 1);
	assert_int_equal(dev_of(bed->to)->quiet, 0);
	assert_int_equal(medio_instance_save(bed->to, again, CAP), bed->size);
	assert_memory_equal(again, bed->state, bed->size);
	/* What was there before is gone, also what the state does not speak of. */
	put(bed->to, 0, 4 * IRQ_LINE, 1);
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), 0);
	assert_false(dev_of(bed->to)->line);
	assert_int_equal(get(bed->to, MEDIO_REGION_CONFIG, 4) >> 16 & 8, 0);
}

static void a_table_that_nobody_wrote_takes_no_room_and_stays_unwritten(void **state)
{
	struct bed *bed = *state;
	save(bed);
	size_t unwritten = bed->size;
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), 0);
	assert_int_equal(get(bed->to, 1, 0xc), 1);
	put(bed->from, 1, 0x1c, 1);
	save(bed);
	assert_int_equal(bed->size, unwritten + TABLE_SIZE);
}

static void an_interrupt_line_is_what_the_device_says_after_its_load(void **state)
{
	struct bed *bed = *state;
	put(bed->from, 0, 4 * IRQ_LINE, 1);
	assert_int_equal(get(bed->from, MEDIO_REGION_CONFIG, 4) >> 16 & 8, 8);
	save(bed);
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), 0);
	assert_int_equal(get(bed->to, MEDIO_REGION_CONFIG, 4) >> 16 & 8, 8);
	put(bed->to, 0, 4 * IRQ_LINE, 0);
	assert_int_equal(get(bed->to, MEDIO_REGION_CONFIG, 4) >> 16 & 8, 0);
	/* A status bit alone does not raise it. */
	memset(bed->state + bed->size - 4, 0, 4);
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), 0);
	assert_int_equal(get(bed->to, MEDIO_REGION_CONFIG, 4) >> 16 & 8, 0);
}

static void pending_messages_end_with_their_client(void **state)
{
	struct bed *bed = *state;
	struct medio_pci_config *config = medio_instance_config(bed->from);
	medio_pci_config_set_msi_pending(config, 1, true);
	assert_int_equal(medio_pci_config_msi_pending(config), 2);
	save(bed);
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), 0);
	assert_int_equal(medio_pci_config_msi_pending(medio_instance_config(bed->to)), 0);
}

/* ---- When it can be had ------------------------------------------------------------------------------ */

static void too_little_room_gives_the_size_and_writes_nothing_of_ours(void **state)
{
	struct bed *bed = *state;
	uint8_t small[CAP];
	use(bed->from);
	save(bed);
	assert_int_equal(medio_instance_save(bed->from, NULL, 0), bed->size);
	for (size_t cap = 0; cap < bed->size; cap++) {
		uint8_t *buf = malloc(cap ? cap : 1); /* exact, for the sanitizer */
		assert_int_equal(medio_instance_save(bed->from, buf, cap), bed->size);
		free(buf);
	}
	assert_int_equal(medio_instance_save(bed->from, small, bed->size), bed->size);
	assert_memory_equal(small, bed->state, bed->size);
}

static void a_client_does_not_notice_a_save(void **state)
{
	struct bed *bed = *state;
	assert_int_equal(medio_instance_attach(bed->from, &client, NULL), 0);
	use(bed->from);
	unsigned resumes = dev_of(bed->from)->resumes;
	save(bed);
	assert_int_equal(dev_of(bed->from)->quiet, 0);
	assert_int_equal(dev_of(bed->from)->resumes, resumes + 1);
	assert_int_equal(dev_of(bed->from)->resets, 0);
	assert_int_equal(get(bed->from, 0, 4 * REG), 0x12345678);
}

static void a_device_in_the_middle_of_something_is_busy(void **state)
{
	struct bed *bed = *state;
	struct dev *d = dev_of(bed->from);
	uint32_t value;
	assert_int_equal(medio_instance_attach(bed->from, &client, NULL), 0);
	d->busy = true;
	assert_int_equal(medio_instance_save(bed->from, bed->state, CAP), -EBUSY);
	assert_int_equal(d->resumes, 1);		      /* it goes on */
	medio_quiesce_done(medio_instance_device(bed->from)); /* nobody waits for that */
	assert_int_equal(d->quiet, 0);

	/* On its way to be quiet for a client: that one is not called off. */
	assert_int_equal(medio_instance_quiesce(bed->from), -EBUSY);
	assert_int_equal(medio_instance_save(bed->from, bed->state, CAP), -EBUSY);
	assert_int_equal(d->resumes, 1);
	d->busy = false;
	medio_quiesce_done(medio_instance_device(bed->from));
	assert_int_equal(d->quiet, 1);
	medio_instance_resume(bed->from);

	/* It owes an answer; one to a client that has gone does not count. */
	assert_int_equal(medio_instance_read(bed->from, 0, 4 * DEFER, &value, 4), MEDIO_DEFERRED);
	assert_int_equal(medio_instance_save(bed->from, bed->state, CAP), -EBUSY);
	medio_instance_detach(bed->from);
	save(bed);
	medio_complete(d->token, 0, &value, 4);
	save(bed);
}

static void a_device_stopped_for_migration_stays_stopped(void **state)
{
	struct bed *bed = *state;
	struct dev *d = dev_of(bed->from);
	assert_int_equal(medio_instance_attach(bed->from, &client, NULL), 0);
	assert_int_equal(medio_instance_quiesce(bed->from), 0);
	assert_int_equal(medio_migration_go(bed->from, MEDIO_MIGRATION_STOP), 0);
	medio_instance_resume(bed->from);
	assert_int_equal(d->quiet, 1);
	save(bed);
	assert_int_equal(d->quiet, 1);
	assert_int_equal(medio_migration_state(bed->from), MEDIO_MIGRATION_STOP);
}

static void errors_of_save_come_through(void **state)
{
	struct bed *bed = *state;
	dev_of(bed->from)->refuse = true;
	assert_int_equal(medio_instance_save(bed->from, bed->state, CAP), -EIO);
	assert_int_equal(dev_of(bed->from)->quiet, 0);
}

static void a_device_without_save_and_load_has_no_state(void **state)
{
	struct bed *bed = *state;
	struct medio_type mute = type;
	mute.ops = &mute_ops;
	struct medio_instance *inst = make(bed, &mute);
	assert_int_equal(medio_instance_save(inst, bed->state, CAP), -EOPNOTSUPP);
	save(bed);
	assert_int_equal(medio_instance_load(inst, bed->state, bed->size), -EOPNOTSUPP);
	assert_int_equal(dev_of(inst)->resets, 0);
	medio_instance_free(inst);
}

/* ---- Who may give it --------------------------------------------------------------------------------- */

static void a_connected_or_busy_instance_is_left_alone(void **state)
{
	struct bed *bed = *state;
	struct dev *d = dev_of(bed->to);
	save(bed);
	put(bed->to, 0, 4 * REG, 7);
	assert_int_equal(medio_instance_attach(bed->to, &client, NULL), 0);
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), -EBUSY);
	medio_instance_detach(bed->to);
	d->busy = true;
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), -EBUSY);
	assert_int_equal(d->resets, 0);
	assert_int_equal(d->loads, 0);
	assert_int_equal(get(bed->to, 0, 4 * REG), 7);
	d->busy = false;
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), 0);
	assert_int_equal(get(bed->to, 0, 4 * REG), 0);
}

/* bed->state[at] = value is refused, and leaves nothing. */
static void assert_refused(struct bed *bed, size_t at, uint8_t value)
{
	uint8_t old = bed->state[at];
	bed->state[at] = value;
	use(bed->to);
	dev_of(bed->to)->resets = 0;
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), -EINVAL);
	assert_reset(bed, bed->to);
	bed->state[at] = old;
}

static void bytes_that_are_no_state_leave_the_instance_as_after_a_reset(void **state)
{
	struct bed *bed = *state;
	use(bed->from);
	save(bed);
	size_t head = 32, config = head + 3, table = config + 4096;
	for (size_t at = 0; at < head; at++)
		assert_refused(bed, at, (uint8_t)(bed->state[at] ^ 0x80));
	assert_refused(bed, 8, 2);			/* a later version */
	assert_refused(bed, head, 'D');			/* another type */
	assert_refused(bed, config, 0x35);		/* vendor */
	assert_refused(bed, config + 8, 2);		/* revision */
	assert_refused(bed, config + 4095, 1);		/* where there is nothing */
	assert_refused(bed, table + TABLE_SIZE + 7, 1); /* the device's own */

	for (size_t size = 0; size <= bed->size + 1; size += size == 40 ? 4000 : 1) {
		uint8_t *bytes = calloc(1, size ? size : 1);
		memcpy(bytes, bed->state, size < bed->size ? size : bed->size);
		assert_int_equal(
			medio_instance_load(bed->to, bytes, size), size == bed->size ? 0 : -EINVAL);
		free(bytes);
	}
}

static void bits_of_the_table_that_are_zero_stay_so(void **state)
{
	struct bed *bed = *state;
	use(bed->from);
	save(bed);
	memset(bed->state + 32 + 3 + 4096, 0xff, TABLE_SIZE);
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), 0);
	assert_int_equal(get(bed->to, 1, 0), 0xfffffffc);
	assert_int_equal(get(bed->to, 1, 12), 1);
}

static void what_the_device_refuses_leaves_it_as_after_a_reset(void **state)
{
	struct bed *bed = *state;
	use(bed->from);
	save(bed);
	dev_of(bed->to)->refuse = true;
	assert_int_equal(medio_instance_load(bed->to, bed->state, bed->size), -ENOSPC);
	dev_of(bed->to)->refuse = false;
	assert_reset(bed, bed->to);
}

#define WITH_BED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BED(what_is_saved_goes_on_in_another_instance),
		WITH_BED(a_table_that_nobody_wrote_takes_no_room_and_stays_unwritten),
		WITH_BED(an_interrupt_line_is_what_the_device_says_after_its_load),
		WITH_BED(pending_messages_end_with_their_client),
		WITH_BED(too_little_room_gives_the_size_and_writes_nothing_of_ours),
		WITH_BED(a_client_does_not_notice_a_save),
		WITH_BED(a_device_in_the_middle_of_something_is_busy),
		WITH_BED(a_device_stopped_for_migration_stays_stopped),
		WITH_BED(errors_of_save_come_through),
		WITH_BED(a_device_without_save_and_load_has_no_state),
		WITH_BED(a_connected_or_busy_instance_is_left_alone),
		WITH_BED(bytes_that_are_no_state_leave_the_instance_as_after_a_reset),
		WITH_BED(bits_of_the_table_that_are_zero_stay_so),
		WITH_BED(what_the_device_refuses_leaves_it_as_after_a_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
