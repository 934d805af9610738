/* SPDX-License-Identifier: BSD-3-Clause */
/* A card on a device of this process: the same calls as over a socket, and the same answers. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <medio/local.h>

#include "../../devices/mtty/mtty.h"
#include "device/instance.h"
#include "toy.h"
#include "util/error.h"

#define IOVA UINT64_C(0x100000)
#define RW   (MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE)

struct bed {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct toy *toy;
	struct medio_card *card;
};

static int find(const char *name, const struct medio_type **out, struct medio_error **err)
{
	if (!strcmp(name, "toy"))
		*out = &toy_type;
	else if (!strcmp(name, "mtty-2"))
		*out = &medio_mtty_2;
	else
		return medio_error_set(err, EINVAL, "no type '%s'", name);
	return 0;
}

static int setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	assert_non_null(bed);
	medio_local_types(find);
	assert_int_equal(medio_loop_new(&bed->loop), 0);
	assert_int_equal(medio_instance_new(bed->loop, &toy_type, NULL, &bed->inst, NULL), 0);
	bed->toy = toy_of(medio_instance_device(bed->inst));
	assert_int_equal(medio_card_open_instance(bed->inst, &bed->card, NULL), 0);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	medio_card_close(bed->card);
	medio_instance_free(bed->inst);
	medio_loop_free(bed->loop);
	free(bed);
	return 0;
}

static void set(struct bed *bed, uint64_t reg, uint32_t value)
{
	assert_int_equal(medio_card_write32(bed->card, MEDIO_CARD_BAR0, reg, value), 0);
}

/* Let the card do DMA. */
static void bus_master(struct bed *bed)
{
	assert_int_equal(medio_card_write16(bed->card, MEDIO_CARD_CONFIG, PCI_COMMAND,
				 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
		0);
}

static void test_registers_and_config_space_are_the_instances(void **state)
{
	struct bed *bed = *state;
	uint8_t bytes[256];
	uint16_t id = 0;
	uint32_t value = 0;

	assert_int_equal(medio_card_read16(bed->card, MEDIO_CARD_CONFIG, PCI_DEVICE_ID, &id), 0);
	assert_int_equal(id, TOY_DEVICE);
	set(bed, TOY_LEN, 1234);
	assert_int_equal(medio_card_read32(bed->card, MEDIO_CARD_BAR0, TOY_LEN, &value), 0);
	assert_int_equal(value, 1234);
	memset(bytes, 0x3c, sizeof(bytes));
	assert_int_equal(medio_card_write(bed->card, 2, 77, bytes, sizeof(bytes)), 0);
	assert_memory_equal(bed->toy->store + 77, bytes, sizeof(bytes));
	assert_int_equal(
		medio_card_read(bed->card, MEDIO_CARD_BAR0, TOY_IO_SIZE, bytes, 1), -EINVAL);
	set(bed, TOY_MODE, TOY_FAIL);
	assert_int_equal(medio_card_read(bed->card, 2, 0, bytes, 1), -EIO);
	assert_non_null(strstr(medio_card_last_error(bed->card), "region 2"));
}

/* Comes back until there is something to answer: a slow machine may be at it before the driver. */
struct late {
	struct toy *toy;
	struct medio_timer *timer;
};

static void answer_late(void *opaque)
{
	struct late *late = opaque;

	if (!late->toy->num_waiting && !late->toy->quiesce_asked)
		medio_timer_arm(late->timer, 1000000);
	else
		toy_settle(late->toy);
}

static void late_init(struct late *late, struct bed *bed)
{
	late->toy = bed->toy;
	late->timer = medio_loop_timer(bed->loop, answer_late, late);
	assert_non_null(late->timer);
}

static void test_an_access_waits_for_an_answer_that_comes_later(void **state)
{
	struct bed *bed = *state;
	struct late late;
	uint8_t byte = 0xee;

	late_init(&late, bed);
	set(bed, TOY_MODE, TOY_DEFER_READS | TOY_DEFER_WRITES);
	medio_timer_arm(late.timer, 1000000);
	assert_int_equal(medio_card_read(bed->card, 4, 0x1800, &byte, 1), 0);
	assert_int_not_equal(byte, 0xee);
	medio_timer_arm(late.timer, 1000000);
	assert_int_equal(medio_card_write(bed->card, 4, 0x1800, &byte, 1), 0);
	medio_timer_free(late.timer);
}

static void test_a_device_that_never_answers_is_told_of(void **state)
{
	struct medio_card_options opts = { .timeout_ms = 30 };
	struct medio_card *card = NULL;
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(medio_card_open("local:toy", &opts, &card, NULL), 0);
	assert_int_equal(medio_card_write32(card, 0, TOY_MODE, TOY_DEFER_READS), 0);
	assert_int_equal(medio_card_read(card, 4, 0x1800, &byte, 1), -ETIMEDOUT);
	assert_non_null(strstr(medio_card_last_error(card), "no answer"));
	/* What it answers after that is nobody's. */
	assert_int_equal(medio_card_write32(card, 0, TOY_SETTLE, 0), 0);
	assert_int_equal(medio_card_write32(card, 0, TOY_MODE, 0), 0);
	assert_int_equal(medio_card_read(card, 4, 0x1800, &byte, 1), 0);
	medio_card_close(card);
}

static void test_interrupts_arrive_and_are_masked(void **state)
{
	struct bed *bed = *state;
	uint64_t events = 0;

	set(bed, TOY_PULSE, 0);
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSIX, TOY_VECTORS), 0);
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSIX, 1), -EBUSY);
	set(bed, TOY_PULSE, 7);
	set(bed, TOY_PULSE, 7);
	assert_int_equal(medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, 7, 0, &events), 0);
	assert_int_equal(events, 2);
	assert_int_equal(
		medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, 8, 10, &events), -ETIMEDOUT);
	assert_int_equal(medio_card_irq_mask(bed->card, MEDIO_CARD_MSIX, 3, 1), 0);
	set(bed, TOY_PULSE, 3);
	assert_int_equal(
		medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, 3, 0, &events), -ETIMEDOUT);
	assert_int_equal(medio_card_irq_unmask(bed->card, MEDIO_CARD_MSIX, 3, 1), 0);
	assert_int_equal(medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, 3, 0, &events), 0);
	assert_int_equal(medio_card_irq_disable(bed->card, MEDIO_CARD_MSIX), 0);
	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_INTX, 1), 0);
	set(bed, TOY_RAISE, 0);
	assert_int_equal(medio_card_irq_wait(bed->card, MEDIO_CARD_INTX, 0, 0, &events), 0);
}

static void pulse_later(void *opaque)
{
	struct bed *bed = opaque;
	medio_irq_pulse(bed->toy->dev, 1);
}

static void test_the_device_goes_on_while_the_driver_waits(void **state)
{
	struct bed *bed = *state;
	struct medio_timer *timer = medio_loop_timer(bed->loop, pulse_later, bed);
	uint64_t events = 0;

	assert_int_equal(medio_card_irq_open(bed->card, MEDIO_CARD_MSIX, 2), 0);
	medio_timer_arm(timer, 2000000);
	assert_int_equal(medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, 1, 60000, &events), 0);
	/* Also for a driver that only reads registers. */
	medio_timer_arm(timer, 1000000);
	do {
		uint32_t value;
		assert_int_equal(medio_card_read32(bed->card, 0, TOY_LEN, &value), 0);
	} while (medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, 1, 0, &events) == -ETIMEDOUT);
	assert_int_equal(events, 1);
	/* Or that polls what it is told to poll. */
	medio_timer_arm(timer, 1000000);
	struct pollfd p = { medio_card_fd(bed->card), POLLIN, 0 };
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_true(medio_card_process(bed->card) > 0);
	assert_int_equal(medio_card_irq_wait(bed->card, MEDIO_CARD_MSIX, 1, 0, &events), 0);
	medio_timer_free(timer);
}

static void dma(struct bed *bed, uint64_t iova, uint32_t len, uint32_t what)
{
	set(bed, TOY_IOVA, (uint32_t)(iova >> 12));
	set(bed, TOY_LEN, len);
	set(bed, TOY_DMA, what);
}

static void test_dma_reaches_memory_of_the_card_and_of_the_driver(void **state)
{
	struct bed *bed = *state;
	static _Alignas(4096) uint8_t own[8192];
	uint8_t *mem = NULL;

	bus_master(bed);
	assert_int_equal(medio_card_dma_alloc(bed->card, IOVA, 16384, RW, (void **)&mem), 0);
	memset(mem, 0x11, 16384);
	dma(bed, IOVA, 16384, TOY_COPY_IN);
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_int_equal(bed->toy->dma[16383], 0x11);

	assert_int_equal(medio_card_dma_map(bed->card, IOVA + 16384, sizeof(own), RW, own), 0);
	memset(own, 0x22, sizeof(own));
	dma(bed, IOVA + 12288, 8192, TOY_ASYNC_IN); /* half in each */
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_int_equal(bed->toy->dma_ended, bed->toy->dma_started);
	assert_int_equal(bed->toy->dma[0], 0x11);
	assert_int_equal(bed->toy->dma[4096], 0x22);
	memset(bed->toy->dma, 0x33, 4096);
	dma(bed, IOVA + 16384, 4096, TOY_ASYNC_OUT);
	assert_int_equal(own[0], 0x33);
	assert_int_equal(own[4096], 0x22);

	assert_int_equal(medio_card_dma_unmap(bed->card, IOVA, 4096), -EINVAL);
	assert_int_equal(medio_card_dma_unmap(bed->card, IOVA, 16384), 0);
	dma(bed, IOVA, 64, TOY_COPY_IN);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	assert_int_equal(medio_card_dma_map(bed->card, IOVA + 16384, 4096, RW, own), -EEXIST);
}

struct far_memory {
	uint8_t bytes[8192];
	int error; /* of the next call */
	unsigned gone;
};

static int far_read(void *opaque, uint64_t offset, void *buf, size_t size)
{
	struct far_memory *far = opaque;

	assert_true(offset + size <= sizeof(far->bytes));
	memcpy(buf, far->bytes + offset, size);
	return far->error;
}

static int far_write(void *opaque, uint64_t offset, const void *buf, size_t size)
{
	struct far_memory *far = opaque;

	assert_true(offset + size <= sizeof(far->bytes));
	memcpy(far->bytes + offset, buf, size);
	return far->error;
}

static void far_unmapped(void *opaque)
{
	((struct far_memory *)opaque)->gone++;
}

static const struct medio_card_memory far_calls = { far_read, far_write, far_unmapped };

static void test_memory_that_is_reached_by_calls(void **state)
{
	struct bed *bed = *state;
	static struct far_memory far, second;
	static _Alignas(4096) uint8_t own[4096];

	bus_master(bed);
	memset(far.bytes, 0x44, sizeof(far.bytes));
	memset(own, 0x55, sizeof(own));
	assert_int_equal(medio_card_dma_map_calls(bed->card, IOVA, 8192, RW, &far_calls, &far), 0);
	assert_int_equal(medio_card_dma_map(bed->card, IOVA + 8192, 4096, RW, own), 0);
	/* At once or later, alone and with a neighbour of another kind. */
	dma(bed, IOVA, 8192, TOY_COPY_IN);
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_int_equal(bed->toy->dma[8191], 0x44);
	dma(bed, IOVA + 4096, 8192, TOY_ASYNC_IN);
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_int_equal(bed->toy->dma[4095], 0x44);
	assert_int_equal(bed->toy->dma[4096], 0x55);
	memset(bed->toy->dma, 0x66, 8192);
	dma(bed, IOVA + 4096, 8192, TOY_COPY_OUT);
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_int_equal(far.bytes[4095], 0x44);
	assert_int_equal(far.bytes[4096], 0x66);
	assert_int_equal(own[4095], 0x66);

	/* What the calls say the device is told; what is not mapped is not asked for. */
	far.error = -EFAULT;
	dma(bed, IOVA, 64, TOY_COPY_IN);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	dma(bed, IOVA, 64, TOY_ASYNC_OUT);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	far.error = 0;
	dma(bed, IOVA + 4096, 12288, TOY_COPY_IN);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	dma(bed, IOVA, 64, TOY_COPY_IN);
	assert_int_equal(bed->toy->dma_ret, 0);

	/* Only to be read; and the ends. */
	assert_int_equal(medio_card_dma_map_calls(bed->card, IOVA + 12288, 8192,
				 MEDIO_CARD_DMA_READ, &far_calls, &second),
		0);
	dma(bed, IOVA + 12288, 64, TOY_COPY_OUT);
	assert_int_equal(bed->toy->dma_ret, -EACCES);
	assert_int_equal(
		medio_card_dma_map_calls(bed->card, IOVA, 8192, RW, &far_calls, &second), -EEXIST);
	assert_int_equal(
		medio_card_dma_map_calls(bed->card, IOVA + 1, 8192, RW, &far_calls, &far), -EINVAL);
	assert_int_equal(far.gone + second.gone, 0);
	assert_int_equal(medio_card_dma_unmap(bed->card, IOVA, 8192), 0);
	assert_int_equal(far.gone, 1);
	dma(bed, IOVA, 64, TOY_COPY_IN);
	assert_int_equal(bed->toy->dma_ret, -EFAULT);
	medio_card_close(bed->card);
	bed->card = NULL;
	assert_int_equal(far.gone, 1);
	assert_int_equal(second.gone, 1);
}

static void test_reset_and_unmap_wait_until_the_device_is_quiet(void **state)
{
	struct bed *bed = *state;
	struct late late;
	void *mem = NULL;

	late_init(&late, bed);
	assert_int_equal(medio_card_dma_alloc(bed->card, IOVA, 4096, RW, &mem), 0);
	set(bed, TOY_MODE, TOY_BUSY);
	medio_timer_arm(late.timer, 1000000);
	assert_int_equal(medio_card_dma_unmap(bed->card, IOVA, 4096), 0);
	assert_int_equal(bed->toy->quiet, 0);
	toy_forget_log(bed->toy);
	set(bed, TOY_MODE, TOY_BUSY);
	medio_timer_arm(late.timer, 1000000);
	assert_int_equal(medio_card_reset(bed->card), 0);
	assert_non_null(strstr(bed->toy->log, "reset 0;"));
	medio_timer_free(late.timer);
}

static void test_mapped_memory_and_doorbells_are_the_devices(void **state)
{
	struct bed *bed = *state;
	struct medio_card_doorbell bells[4];
	uint64_t one = 1;
	uint32_t *map = NULL, value = 0;

	assert_int_equal(medio_card_mmap(bed->card, 5, 0, TOY_MAP_SIZE, (void **)&map), 0);
	map[3] = 0xfeedface;
	assert_int_equal(medio_card_read32(bed->card, 5, 12, &value), 0);
	assert_int_equal(value, 0xfeedface);
	medio_card_munmap(map, TOY_MAP_SIZE);
	uint64_t at = 1;
	int file = -1;
	assert_int_equal(medio_card_region_file(bed->card, 5, &file, &at), 0);
	value = 0;
	assert_int_equal(pread(file, &value, 4, (off_t)(at + 12)), 4);
	assert_int_equal(value, 0xfeedface);
	for (unsigned region = 0; region < 6; region++) {
		int n = medio_card_doorbells(bed->card, region, bells, 4);
		assert_true(n >= 0);
		if (!n)
			continue;
		unsigned before = bed->toy->bells;
		assert_int_equal(write(bells[0].fd, &one, sizeof(one)), sizeof(one));
		while (bed->toy->bells == before)
			assert_true(medio_card_process(bed->card) >= 0);
		assert_int_equal(bed->toy->last_bell, bells[0].offset);
		return;
	}
	fail_msg("the toy has no doorbell");
}

static void test_the_state_moves_from_one_card_to_another(void **state)
{
	struct bed *bed = *state;
	enum medio_card_mig_state now = MEDIO_CARD_MIG_ERROR;
	struct medio_card *other = NULL;
	uint8_t stream[16384], store[16];
	size_t got = 0, more = 1;

	assert_int_equal(medio_card_mig_get(bed->card, &now), 0);
	assert_int_equal(now, MEDIO_CARD_MIG_RUNNING);
	assert_int_equal(medio_card_write(bed->card, 2, 0, "sixteen letters", 16), 0);
	assert_int_equal(medio_card_mig_read(bed->card, stream, 1, &got), -EINVAL);
	assert_int_equal(medio_card_mig_set(bed->card, MEDIO_CARD_MIG_STOP_COPY), 0);
	while (more) {
		assert_int_equal(medio_card_mig_read(bed->card, stream + got, 1000, &more), 0);
		got += more;
		assert_true(got < sizeof(stream) - 1000);
	}
	assert_int_equal(medio_card_open("local:toy", NULL, &other, NULL), 0);
	assert_int_equal(medio_card_mig_set(other, MEDIO_CARD_MIG_RESUMING), 0);
	assert_int_equal(medio_card_mig_write(other, stream, got), 0);
	assert_int_equal(medio_card_mig_set(other, MEDIO_CARD_MIG_RUNNING), 0);
	assert_int_equal(medio_card_read(other, 2, 0, store, sizeof(store)), 0);
	assert_string_equal((char *)store, "sixteen letters");
	assert_int_equal(medio_card_feature(other, 999, NULL, 0, 0, NULL), -ENOTTY);
	medio_card_close(other);
}

static void test_one_driver_at_a_time_and_the_next_finds_the_state(void **state)
{
	struct bed *bed = *state;
	struct medio_card *second = NULL;
	struct medio_error *err = NULL;
	uint32_t value = 0;

	assert_int_equal(medio_card_open_instance(bed->inst, &second, &err), -EBUSY);
	assert_non_null(err);
	medio_error_free(err);
	set(bed, TOY_LEN, 42);
	medio_card_close(bed->card);
	assert_non_null(strstr(bed->toy->log, "client 0;"));
	assert_int_equal(medio_card_open_instance(bed->inst, &bed->card, NULL), 0);
	assert_int_equal(medio_card_read32(bed->card, 0, TOY_LEN, &value), 0);
	assert_int_equal(value, 42);
}

static void test_addresses_name_type_and_parameters(void **state)
{
	static const struct {
		const char *uri;
		int ret;
		const char *words;
	} wrong[] = {
		{ "local:", -EINVAL, "empty" },
		{ "local:nothing", -EINVAL, "nothing" },
		{ "local:mtty-2,colour=red", -EINVAL, "colour" },
		{ "local:mtty-2,,", -EINVAL, "" },
	};
	struct medio_card *card = NULL;
	struct medio_error *err = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(medio_card_open(wrong[i].uri, NULL, &card, &err), wrong[i].ret);
		assert_non_null(strstr(medio_error_text(err), wrong[i].words));
		medio_error_free(err);
		err = NULL;
	}
	assert_int_equal(medio_card_open("local:mtty-2,port0=null", NULL, &card, NULL), 0);
	assert_string_equal(medio_card_uri(card), "local:mtty-2,port0=null");
	medio_card_close(card);
	medio_local_types(NULL);
	assert_int_equal(medio_card_open("local:mtty-2", NULL, &card, &err), -ENOTSUP);
	medio_error_free(err);
	medio_local_types(find);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_registers_and_config_space_are_the_instances),
		T(test_an_access_waits_for_an_answer_that_comes_later),
		T(test_a_device_that_never_answers_is_told_of),
		T(test_interrupts_arrive_and_are_masked),
		T(test_the_device_goes_on_while_the_driver_waits),
		T(test_dma_reaches_memory_of_the_card_and_of_the_driver),
		T(test_memory_that_is_reached_by_calls),
		T(test_reset_and_unmap_wait_until_the_device_is_quiet),
		T(test_mapped_memory_and_doorbells_are_the_devices),
		T(test_the_state_moves_from_one_card_to_another),
		T(test_one_driver_at_a_time_and_the_next_finds_the_state),
		T(test_addresses_name_type_and_parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
