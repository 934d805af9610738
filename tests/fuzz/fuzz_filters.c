/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filters as users write them, their attributes, and accesses through them: parameters, rules of the fault
 * filter and names of registers are text from outside. Input: lines.
 *     +SPEC      one more filter, before all else
 *     =ATTR TEXT write an attribute            ?ATTR  read one
 *     rOFFSET    read 4 bytes of BAR 0         wOFFSET  write them
 *     cOFFSET    read 4 bytes of configuration space
 *     i          an interrupt and some DMA     x  the client goes and comes   z  a reset
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/serve.h>

#include "device/instance.h"
#include "filters/fault/fault.h"
#include "filters/limit/limit.h"
#include "filters/readonly/readonly.h"
#include "filters/stats/stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_FILTERS 4
#define MAX_LINES   64

static int dev_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	(void)dev;
	(void)region;
	(void)offset;
	memset(buf, 0, count);
	return 0;
}

static const struct medio_device_ops ops = { .region_read = dev_read };
static const struct medio_register registers[] = {
	{ "one", 0, 0, 4 },
	{ "many", 0, 0x100, 4, 16, 8 },
	{ 0 },
};
static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "fuzzed",
	.summary = "A device behind filters",
	.id = { 0x1234, 0x0001, 0x1234, 0x0001, 1, 0xff0000 },
	.bars = { { .kind = MEDIO_BAR_MEM32, .size = 0x1000 },
		{ .kind = MEDIO_BAR_MEM32, .size = 0x1000 } },
	.irqs = { .intx_pin = 1,
		.msi = 1,
		.msix = { .vectors = 3, .table_bar = 1, .pba_bar = 1, .pba_offset = 0x800 } },
	.ops = &ops,
	.registers = registers,
};

static const struct medio_filter *const known[] = {
	&medio_filter_fault,
	&medio_filter_limit,
	&medio_filter_readonly,
	&medio_filter_stats,
	NULL,
};

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void on_completed(void *opaque, int ret, const void *data, size_t count)
{
	(void)opaque;
	(void)ret;
	(void)data;
	(void)count;
}

static const struct medio_transport_ops transport = { .completed = on_completed };

static void use_device(struct medio_instance *inst)
{
	struct medio_dev *dev = medio_instance_device(inst);
	uint8_t buf[8] = { 0 };

	medio_irq_pulse(dev, 0);
	medio_irq_set(dev, 0, true);
	medio_irq_set(dev, 0, false);
	medio_dma_read(dev, 0x1000, buf, sizeof(buf));
	medio_dma_get(dev, UINT64_MAX, 1, MEDIO_PROT_READ, NULL);
}

static void use_attr(struct medio_instance *inst, char *line)
{
	static char text[8192];
	char *value = strchr(line, ' ');
	char *name = line + 1;

	if (*line == '?') {
		ssize_t len = medio_instance_attr_show(inst, name, text, sizeof(text));
		if (len > (ssize_t)sizeof(text))
			abort();
	} else if (value) {
		*value++ = '\0';
		medio_instance_attr_store(inst, name, value, strlen(value));
	}
}

static void step(struct medio_instance *inst, char *line)
{
	uint64_t offset = strtoull(line + (*line != '\0'), NULL, 16) & 0xffc;
	uint8_t buf[4] = { 1, 2, 3, 4 };

	switch (*line) {
	case '=':
	case '?':
		use_attr(inst, line);
		break;
	case 'r':
		medio_instance_read(inst, 0, offset, buf, sizeof(buf));
		break;
	case 'w':
		medio_instance_write(inst, 0, offset, buf, sizeof(buf));
		break;
	case 'c':
		medio_instance_read(inst, MEDIO_REGION_CONFIG, offset & 0xfc, buf, sizeof(buf));
		break;
	case 'i':
		use_device(inst);
		break;
	case 'x':
		medio_instance_detach(inst);
		medio_instance_attach(inst, &transport, NULL);
		break;
	case 'z':
		medio_instance_reset(inst, MEDIO_RESET_DEVICE);
		break;
	default:
		break;
	}
}

static void run(struct medio_loop *loop, const struct medio_instance_options *opts, char *rest)
{
	struct medio_error *err = NULL;
	struct medio_instance *inst;
	unsigned lines = 0;

	if (medio_instance_new(loop, &type, opts, &inst, &err)) {
		if (!err || !*medio_error_text(err))
			abort(); /* a refusal has words */
		medio_error_free(err);
		return;
	}
	medio_instance_attach(inst, &transport, NULL);
	for (char *line; lines++ < MAX_LINES && (line = strsep(&rest, "\n"));)
		step(inst, line);
	medio_loop_run_once(loop, 0);
	medio_instance_free(inst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *filters[MAX_FILTERS];
	struct medio_instance_options opts = {
		.uuid = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
		.filters = filters,
		.known_filters = known,
		.log = on_log,
	};
	char *text = malloc(size + 1), *rest = text;
	struct medio_loop *loop;

	memcpy(text, data, size);
	text[size] = '\0';
	while (rest && *rest == '+' && opts.nfilters < MAX_FILTERS)
		filters[opts.nfilters++] = strsep(&rest, "\n") + 1;
	if (medio_loop_new(&loop))
		abort();
	run(loop, &opts, rest);
	medio_loop_free(loop);
	free(text);
	return 0;
}
