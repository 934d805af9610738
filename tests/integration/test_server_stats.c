/* SPDX-License-Identifier: BSD-3-Clause */
/* What an instance counts, seen from outside: by a client's doings. */
#include "bed.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* The counters have moved by exactly this since the last look. */
#define assert_stats(...) stats_moved(__LINE__, &(struct medio_stats){ __VA_ARGS__ })

static struct bed *bed;
static struct medio_stats last;

static void stats_moved(int line, const struct medio_stats *want)
{
	const struct medio_stats *now = medio_instance_stats(bed->inst);
#define MOVED(field) \
	if (now->field - last.field != want->field) \
		fail_msg("line %d: " #field " moved by %llu, not %llu", line, \
			(unsigned long long)(now->field - last.field), \
			(unsigned long long)want->field);
	MOVED(messages)
	MOVED(reads)
	MOVED(writes)
	MOVED(irqs)
	MOVED(dma_read)
	MOVED(dma_written)
	MOVED(faults)
	MOVED(errors)
	MOVED(clients)
	assert_int_equal(now->connected, want->connected);
	last = *now;
}

static int setup(void **state)
{
	bed_setup(state);
	bed = *state;
	memset(&last, 0, sizeof(last));
	return 0;
}

static void clients_are_counted_when_they_agree(void **state)
{
	struct client first, second, mute;
	(void)state;
	client_open(&mute, bed);
	bed_step(bed);
	assert_stats(.connected = 0);
	client_close(&mute);
	client_hello(&first, bed);
	assert_stats(.messages = 1, .clients = 1, .connected = 1);
	/* Who is turned away is no client, but something went wrong; its leaving is nobody's. */
	client_open(&second, bed);
	struct medio_vu_version version = { 0, 1 };
	assert_int_equal(
		client_call(&second, MEDIO_VU_VERSION, &version, sizeof(version), NULL), -EBUSY);
	client_close(&second);
	assert_stats(.errors = 1, .connected = 1);
	client_close(&first);
	assert_stats(.connected = 0);
	client_hello(&first, bed);
	client_close(&first);
	assert_stats(.messages = 1, .clients = 1);
}

static void accesses_count_once_however_late_they_are_answered(void **state)
{
	struct client c;
	struct medio_vu_region_access access = { 0, 1, 4 };
	struct message reply;
	(void)state;
	client_hello(&c, bed);
	assert_stats(.messages = 1, .clients = 1, .connected = 1);
	client_read32(&c, 2, 0);
	client_write32(&c, 2, 0, 1);
	client_write32(&c, MEDIO_REGION_CONFIG, 4, 0);
	assert_stats(.messages = 3, .reads = 1, .writes = 2, .connected = 1);
	/* Outside: answered with an error, and never seen by the device. */
	assert_int_equal(client_read(&c, 2, TOY_STORE_SIZE, &reply, 1), -EINVAL);
	assert_stats(.messages = 1, .connected = 1);

	bed->toy->mode = TOY_DEFER_READS;
	client_send(&c, MEDIO_VU_REGION_READ, MEDIO_VU_COMMAND, &access, sizeof(access));
	bed_step(bed);
	assert_stats(.reads = 1, .connected = 1);
	toy_answer(bed->toy, 0);
	assert_true(client_recv(&c, &reply));
	assert_stats(.messages = 1, .connected = 1);

	struct {
		struct medio_vu_write_multi multi;
		struct medio_vu_write_entry entries[3];
	} many = { .multi = { 3 } };
	for (unsigned i = 0; i < 3; i++)
		many.entries[i] = (struct medio_vu_write_entry){ .region = 2, .count = 4 };
	assert_int_equal(
		client_call(&c, MEDIO_VU_REGION_WRITE_MULTI, &many, sizeof(many), NULL), 0);
	assert_stats(.messages = 1, .writes = 3, .connected = 1);
	client_close(&c);
}

static void interrupts_count_when_they_are_delivered(void **state)
{
	struct medio_dev *dev = bed->toy->dev;
	struct client c;
	int events[2] = { event_new(), event_new() }, req = event_new();
	(void)state;
	client_hello(&c, bed);
	medio_irq_pulse(dev, 0); /* nobody has asked for any */
	medio_instance_request(bed->inst);
	assert_stats(.messages = 1, .clients = 1, .connected = 1);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_MSI, 0, 2, events, 2), 0);
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_REQ, 0, 1, &req, 1), 0);
	assert_stats(.messages = 2, .connected = 1);
	medio_irq_pulse(dev, 0);
	medio_irq_pulse(dev, 1);
	medio_irq_pulse(dev, 1);
	assert_stats(.irqs = 3, .connected = 1);
	assert_int_equal(event_take(events[0]) + event_take(events[1]), 3);
	medio_instance_request(bed->inst);
	assert_int_equal(event_take(req), 1);
	assert_stats(.irqs = 1, .connected = 1);
	/* Held back, then delivered once. */
	assert_int_equal(client_irqs(&c, IRQ_NONE(MASK), MEDIO_IRQ_MSI, 0, 1, NULL, 0), 0);
	medio_irq_pulse(dev, 0);
	medio_irq_pulse(dev, 0);
	assert_stats(.messages = 1, .connected = 1);
	assert_int_equal(client_irqs(&c, IRQ_NONE(UNMASK), MEDIO_IRQ_MSI, 0, 1, NULL, 0), 0);
	assert_stats(.messages = 1, .irqs = 1, .connected = 1);
	assert_int_equal(client_irqs(&c, MEDIO_VU_IRQ_DATA_NONE | MEDIO_VU_IRQ_ACTION_TRIGGER,
				 MEDIO_IRQ_MSI, 0, 0, NULL, 0),
		0);
	int line = event_new();
	assert_int_equal(client_irqs(&c, MSI_TRIGGER, MEDIO_IRQ_INTX, 0, 1, &line, 1), 0);
	medio_irq_set(dev, 0, true);
	medio_irq_set(dev, 0, false);
	medio_irq_set(dev, 0, true); /* masked by its first signal */
	assert_stats(.messages = 2, .irqs = 1, .connected = 1);
	client_close(&c);
	close(events[0]);
	close(events[1]);
	close(req);
	close(line);
}

static void dma_counts_bytes_that_were_moved_and_faults_that_were_not(void **state)
{
	struct medio_dev *dev = bed->toy->dev;
	struct client c;
	char buf[64] = { 0 };
	int fd = memory_new(0x2000), err;
	(void)state;
	assert_int_equal(medio_dma_read(dev, 0, buf, 1), -ENODEV); /* no client: not even a fault */
	client_hello(&c, bed);
	assert_int_equal(client_map(&c, 0, 0x1000, MAP_RW, fd, 0), 0);
	assert_int_equal(client_map(&c, 0x1000, 0x1000, MEDIO_VU_MAP_READ, fd, 0x1000), 0);
	assert_stats(.messages = 3, .clients = 1, .connected = 1);
	assert_int_equal(medio_dma_read(dev, 0, buf, 1), -ENODEV);
	assert_stats(.faults = 1, .errors = 1, .connected = 1);
	client_master(&c, true);
	assert_stats(.messages = 1, .writes = 1, .connected = 1);
	assert_int_equal(medio_dma_read(dev, 0xff0, buf, 32), 0);
	assert_int_equal(medio_dma_write(dev, 0, buf, 7), 0);
	assert_stats(.dma_read = 32, .dma_written = 7, .connected = 1);
	assert_int_equal(medio_dma_write(dev, 0x1000, buf, 7), -EACCES);
	assert_int_equal(medio_dma_read(dev, 0x9000, buf, 7), -EFAULT);
	assert_null(medio_dma_get(dev, 0x9000, 7, MEDIO_PROT_READ, &err));
	assert_stats(.faults = 3, .errors = 3, .connected = 1);
	assert_non_null(medio_dma_get(dev, 0, 64, MEDIO_PROT_WRITE, &err));
	assert_stats(.connected = 1);
	client_close(&c);
	close(fd);
}

static void dma_by_messages_counts_what_was_answered(void **state)
{
	struct client c;
	struct message m;
	struct medio_vu_dma_access access;
	struct {
		struct medio_vu_header hdr;
		struct medio_vu_dma_access access;
		uint8_t data[4096];
	} reply;
	int fd = memory_new(0x1000);
	(void)state;
	client_hello(&c, bed);
	client_master(&c, true);
	assert_int_equal(client_map(&c, 0x1000, 0x1000, MAP_RW, fd, 0), 0);
	assert_int_equal(client_map(&c, 0x2000, 0x1000, MAP_RW, -1, 0), 0);
	bed->toy->regs[TOY_IOVA / 4] = 1;
	bed->toy->regs[TOY_LEN / 4] = 0x2000;
	last = *medio_instance_stats(bed->inst);
	struct {
		struct medio_vu_region_access access;
		uint32_t value;
	} post = { { TOY_DMA, 0, 4 }, TOY_ASYNC_IN };
	client_send(&c, MEDIO_VU_REGION_WRITE, MEDIO_VU_NO_REPLY, &post, 20);
	assert_true(client_recv(&c, &m));
	assert_int_equal(m.hdr.cmd, MEDIO_VU_DMA_READ);
	memcpy(&access, m.payload, sizeof(access));
	assert_int_equal(access.count, 0x1000);
	assert_stats(.messages = 1, .writes = 1, .dma_read = 0x1000, .connected = 1);
	memset(&reply, 0, sizeof(reply));
	reply.hdr = m.hdr;
	reply.hdr.size = sizeof(reply);
	reply.hdr.flags = MEDIO_VU_REPLY;
	reply.access = access;
	client_bytes(&c, &reply, sizeof(reply), NULL, 0);
	bed_step(bed);
	assert_int_equal(bed->toy->dma_ret, 0);
	assert_int_equal(bed->toy->dma_ended, 1);
	/* A reply of the client's is no request. */
	assert_stats(.dma_read = 0x1000, .connected = 1);
	client_close(&c);
	close(fd);
}

static void what_a_client_does_wrong_counts_also_when_it_is_not_printed(void **state)
{
	struct client c;
	(void)state;
	client_hello(&c, bed);
	last = *medio_instance_stats(bed->inst);
	for (unsigned i = 0; i < 100; i++)
		medio_guest_error(bed->toy->dev, "bad write");
	assert_stats(.errors = 100, .connected = 1);
	client_bytes(&c, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16,
		NULL, 0);
	assert_true(client_gone(&c));
	assert_stats(.errors = 1, .connected = 0);
	client_close(&c);
}

#define WITH_BED(name) cmocka_unit_test_setup_teardown(name, setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BED(clients_are_counted_when_they_agree),
		WITH_BED(accesses_count_once_however_late_they_are_answered),
		WITH_BED(interrupts_count_when_they_are_delivered),
		WITH_BED(dma_counts_bytes_that_were_moved_and_faults_that_were_not),
		WITH_BED(dma_by_messages_counts_what_was_answered),
		WITH_BED(what_a_client_does_wrong_counts_also_when_it_is_not_printed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
