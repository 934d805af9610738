/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a card says of itself, turned into a type that a card is made of: any configuration space, regions and
 * counts. Then what a client reads and writes there.
 *
 * Input: flags (1), configuration space from 0 (256 bytes), for each BAR: what it has (1) and as much of it as that says,
 * for each interrupt a count (2), the space from 0x100 (64), then accesses.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/instance.h"
#include "passthrough/shape.h"
#include "passthrough/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

static void take(struct input *in, void *out, size_t count)
{
	size_t have = count < in->size ? count : in->size;

	memset(out, 0, count);
	if (have)
		memcpy(out, in->data, have);
	in->data += have;
	in->size -= have;
}

static uint8_t byte(struct input *in)
{
	uint8_t value;

	take(in, &value, 1);
	return value;
}

static uint64_t word(struct input *in, size_t count)
{
	uint8_t bytes[8] = { 0 };

	take(in, bytes, count);
	return medio_get_le(bytes, 8);
}

static struct passthrough_facts facts;
static struct passthrough_shape shape;

/* Bits of what: 0-2 areas, 3-4 doorbells, 5 a size that is a power of two. */
static void read_bar(struct input *in, struct passthrough_bar *bar)
{
	uint8_t what = byte(in);

	if (!what)
		return;
	bar->size = what & 0x20 ? UINT64_C(1) << (byte(in) & 63) : word(in, 8);
	bar->num_areas = what & 7;
	for (unsigned i = 0; i < bar->num_areas; i++)
		bar->areas[i] = (struct medio_mmap_area){ word(in, 4), word(in, 4) };
	bar->num_bells = what >> 3 & 3;
	for (unsigned i = 0; i < bar->num_bells; i++)
		bar->bells[i] = (struct medio_doorbell){
			.offset = word(in, 2), .size = byte(in), .has_datamatch = byte(in) & 1
		};
}

static void read_facts(struct input *in)
{
	static const unsigned sizes[] = { 256, 4096, 64, 0, 320, 258, 260, 4095 };
	uint8_t flags = byte(in);

	memset(&facts, 0, sizeof(facts));
	facts.config_size = sizes[flags & 7];
	take(in, facts.config, 256);
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++)
		read_bar(in, &facts.bars[n]);
	for (unsigned i = 0; i < MEDIO_NUM_IRQS; i++)
		facts.irqs[i] = (uint32_t)word(in, 2);
	take(in, facts.config + 256, 64);
}

/* The card itself: it has the bytes it said it has, and takes what reaches it. */
static int card_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	uint8_t lib[PASSTHROUGH_CONFIG];

	memset(buf, 0x5a, count);
	if (region != MEDIO_REGION_CONFIG)
		return 0;
	memcpy(buf, facts.config + offset, count);
	assert(!medio_config_get(dev, (unsigned)offset, lib, count));
	passthrough_view_read(&shape.view, (unsigned)offset, buf, lib, count);
	return 0;
}

static int card_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	uint8_t out[PASSTHROUGH_CONFIG];
	size_t at = 0, n;

	(void)dev;
	if (region != MEDIO_REGION_CONFIG)
		return 0;
	while ((n = passthrough_view_write(&shape.view, (unsigned)offset, buf, count, &at, out))) {
		assert(at + n <= count);
		/* Never where the card stands. */
		assert(offset + at >= 0x28 || offset + at + n <= 0x10);
		memcpy(facts.config + offset + at, out, n);
		at += n;
	}
	return 0;
}

static int card_shape(struct medio_dev *dev, struct medio_type *type)
{
	char words[160] = "";
	int ret = passthrough_shape_make(&facts, &shape, type, words, sizeof(words));

	assert(!ret == !words[0]);
	return ret ? medio_fail(dev, -ret, "%s", words) : 0;
}

static const struct medio_device_ops ops = {
	.shape = card_shape,
	.region_read = card_read,
	.region_write = card_write,
};

static const struct medio_type type = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "card",
	.summary = "What it says that it is",
	.ops = &ops,
};

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void check_areas(struct medio_instance *inst)
{
	const struct medio_type *shaped = medio_instance_type(inst);

	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		const struct medio_mmap_area *a = shaped->bars[n].areas;
		for (; a && a->size; a++)
			assert(!(a->offset % 4096 || a->size % 4096) &&
				a->offset + a->size <= shaped->bars[n].size);
	}
}

static void use(struct medio_instance *inst, struct input *in)
{
	uint8_t buf[512];

	check_areas(inst);
	while (in->size) {
		uint8_t what = byte(in);
		unsigned region = what & 7;
		uint64_t offset = word(in, 2);
		size_t count = 1 + byte(in);
		/* -EINVAL: outside of it. */
		if (what & 8) {
			memset(buf, what, sizeof(buf));
			medio_instance_write(inst, region, offset, buf, count);
		} else {
			medio_instance_read(inst, region, offset, buf, count);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct medio_loop *loop;
	struct medio_instance_options opts = { .log = quiet };
	struct input in = { data, size };
	struct medio_instance *inst = NULL;
	struct medio_error *err = NULL;

	if (!loop)
		assert(!medio_loop_new(&loop));
	read_facts(&in);
	int ret = medio_instance_new(loop, &type, &opts, &inst, &err);
	if (ret) {
		assert(err && *medio_error_text(err));
		medio_error_free(err);
		return 0;
	}
	use(inst, &in);
	medio_instance_free(inst);
	return 0;
}
