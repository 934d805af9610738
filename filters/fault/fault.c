/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault: a device that fails. A rule says which accesses, interrupts or DMA are struck, and what becomes of
 * them (rule.h); for several rules there are several of this filter, one above the other. Without a rule
 * it does nothing until the card is removed by hand, with the attribute "remove".
 *
 * A removed card is as PCI hot-plug leaves it: reads are all ones, writes vanish, no interrupt comes and
 * no DMA succeeds. The device below does not know.
 */
#include "fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "place.h"

#define HOUR_NS	 UINT64_C(3600000000000)
#define ON_STACK 4096u /* bytes of a write whose copy needs no memory of its own */

static const unsigned on_sets[] = { 0, FAULT_READ, FAULT_WRITE, FAULT_ACCESS, FAULT_IRQ,
	FAULT_DMA_READ, FAULT_DMA_WRITE, FAULT_DMA };

static bool access_is_struck(
	struct fault *f, unsigned what, unsigned region, uint64_t offset, size_t count)
{
	return f->enabled && fault_rule_covers(&f->rule, region, offset, count) &&
	       fault_is_struck(f, what);
}

/* ---- Accesses ---------------------------------------------------------------------------------- */

static void flip(struct fault *f, uint8_t *buf, size_t count)
{
	uint64_t bit = f->rule.bit == FAULT_ANY ? fault_rule_random(&f->rule) : f->rule.bit;

	bit %= 8 * (uint64_t)count;
	buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static int flipped_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct fault *f = medio_priv(dev);
	int ret = medio_next_region_read(dev, region, offset, buf, count);

	if (ret == 0)
		flip(f, buf, count);
	else
		f->rule.struck--; /* there is no value; one that comes later passes unseen */
	return ret;
}

static int pass_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct fault *f = medio_priv(dev);

	f->writing = true;
	int ret = medio_next_region_write(dev, region, offset, buf, count);
	f->writing = false;
	return ret;
}

static int flipped_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	uint8_t small[ON_STACK], *copy = count <= sizeof(small) ? small : malloc(count);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, buf, count);
	flip(medio_priv(dev), copy, count);
	int ret = pass_write(dev, region, offset, copy, count);
	if (copy != small)
		free(copy);
	return ret;
}

static void put_value(const struct fault *f, void *buf, size_t count)
{
	if (f->rule.ones)
		memset(buf, 0xff, count);
	else
		medio_put_le(buf, count, f->rule.value);
}

static int struck_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct fault *f = medio_priv(dev);

	switch (f->rule.action) {
	case FAULT_ERROR:
		return f->rule.error;
	case FAULT_VALUE:
		put_value(f, buf, count);
		return 0;
	case FAULT_FLIP:
		return flipped_read(dev, region, offset, buf, count);
	case FAULT_DELAY:
		return wait_add(&f->queue, medio_now_ns() + f->time, region, offset, NULL, count);
	case FAULT_REMOVE:
		fault_set_removed(dev, true);
		memset(buf, 0xff, count);
		return 0;
	default:
		break;
	}
	int ret = medio_next_region_read(dev, region, offset, buf, count);
	if (f->rule.action == FAULT_SPURIOUS)
		fault_inject(dev, f->rule.vector);
	return ret;
}

static int fault_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct fault *f = medio_priv(dev);

	if (f->removed) {
		memset(buf, 0xff, count);
		return 0;
	}
	if (access_is_struck(f, FAULT_READ, region, offset, count))
		return struck_read(dev, region, offset, buf, count);
	if (!wait_is_empty(&f->queue))
		return wait_add(&f->queue, 0, region, offset, NULL, count);
	return medio_next_region_read(dev, region, offset, buf, count);
}

static int struck_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct fault *f = medio_priv(dev);

	switch (f->rule.action) {
	case FAULT_ERROR:
		return f->rule.error;
	case FAULT_DROP:
		return 0;
	case FAULT_FLIP:
		return flipped_write(dev, region, offset, buf, count);
	case FAULT_DELAY:
		return wait_add(&f->queue, medio_now_ns() + f->time, region, offset, buf, count);
	case FAULT_REMOVE:
		fault_set_removed(dev, true);
		return 0;
	default:
		break;
	}
	int ret = pass_write(dev, region, offset, buf, count);
	if (f->rule.action == FAULT_SPURIOUS)
		fault_inject(dev, f->rule.vector);
	return ret;
}

static int fault_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct fault *f = medio_priv(dev);

	if (f->removed)
		return 0;
	if (access_is_struck(f, FAULT_WRITE, region, offset, count))
		return struck_write(dev, region, offset, buf, count);
	if (!wait_is_empty(&f->queue))
		return wait_add(&f->queue, 0, region, offset, buf, count);
	return pass_write(dev, region, offset, buf, count);
}

/* One that came through an eventfd is a write whose value is not known. */
static void fault_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct fault *f = medio_priv(dev);

	if (f->removed)
		return;
	if (!f->writing && f->rule.action != FAULT_FLIP && f->rule.action != FAULT_DELAY &&
		access_is_struck(f, FAULT_WRITE, region, offset, 1)) {
		if (f->rule.action == FAULT_REMOVE)
			fault_set_removed(dev, true);
		if (f->rule.action != FAULT_SPURIOUS)
			return;
		fault_inject(dev, f->rule.vector);
	}
	medio_next_doorbell(dev, region, offset);
}

/* ---- Attributes -------------------------------------------------------------------------------- */

static ssize_t show_number(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct fault *f = medio_priv(dev);

	return snprintf(buf, size, "%" PRIu64 "\n",
		strcmp(attr->name, "struck") == 0 ? f->rule.struck : f->rule.matched);
}

static ssize_t show_flag(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	const struct fault *f = medio_priv(dev);

	return snprintf(
		buf, size, "%d\n", strcmp(attr->name, "remove") == 0 ? f->removed : f->enabled);
}

static int store_flag(
	struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size)
{
	struct fault *f = medio_priv(dev);

	if (size && buf[size - 1] == '\n')
		size--;
	if (size != 1 || (buf[0] != '0' && buf[0] != '1'))
		return -EINVAL;
	if (strcmp(attr->name, "remove") == 0)
		fault_set_removed(dev, buf[0] == '1');
	else if (!f->action)
		return -EOPNOTSUPP; /* there is no rule */
	else
		f->enabled = buf[0] == '1';
	return 0;
}

static const struct medio_attr fault_attrs[] = {
	{ "enabled", show_flag, store_flag },
	{ "matched", show_number, NULL },
	{ "remove", show_flag, store_flag },
	{ "struck", show_number, NULL },
	{ NULL },
};

/* ---- Life -------------------------------------------------------------------------------------- */

static void fault_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct fault *f = medio_priv(dev);

	/* The library has lowered every line. */
	memset(f->levels, 0, sizeof(f->levels));
	if (kind == MEDIO_RESET_DEVICE)
		fault_set_removed(dev, false);
	medio_next_reset(dev, kind);
}

static void fault_client(struct medio_dev *dev, bool present)
{
	struct fault *f = medio_priv(dev);

	if (!present)
		wait_flush(&f->queue);
	medio_next_client(dev, present);
}

/* A register's place in the words that a rule is made of. */
static int take_register(
	struct medio_dev *dev, struct fault_words *words, char offset[24], char size[24])
{
	const struct fault *f = medio_priv(dev);
	struct fault_place place;
	char names[256];

	if (words->region >= 0 || words->offset || words->size)
		return medio_fail(dev, EINVAL,
			"fault: 'register' says where: leave out 'region', 'offset' and 'size'");
	int ret = fault_place_find(dev, f->reg, &place);
	if (ret == -E2BIG)
		return medio_fail(dev, EINVAL,
			"fault: there are several of '%s': say which, as in register=%s[0]", f->reg,
			f->reg);
	if (ret) {
		fault_place_names(dev, names, sizeof(names));
		return medio_fail(
			dev, EINVAL, "fault: no register '%.40s'; there are %s", f->reg, names);
	}
	words->region = (int)place.region;
	snprintf(offset, 24, "%" PRIu64, place.offset);
	snprintf(size, 24, "%" PRIu64, place.size);
	words->offset = offset;
	words->size = size;
	return 0;
}

static int make_rule(struct medio_dev *dev)
{
	struct fault *f = medio_priv(dev);
	char offset[24], size[24], why[160];
	struct fault_words words = {
		.action = f->action - 1,
		.on = on_sets[f->on],
		.region = f->region - 1,
		.offset = f->offset,
		.size = f->size,
		.prob = f->prob,
		.error = f->error,
		.value = f->value,
		.bit = f->bit,
		.vector = f->vector,
		.seed = f->seed,
		.after = f->after,
		.times = f->times,
	};

	int ret = f->reg ? take_register(dev, &words, offset, size) : 0;
	if (ret)
		return ret;
	/* A card that came back is not to go at its next access. */
	if (words.action == FAULT_REMOVE && !words.times)
		words.times = 1;
	if (fault_rule_init(&f->rule, &words, why, sizeof(why)))
		return medio_fail(dev, EINVAL, "fault: %s", why);
	if (words.action == FAULT_DELAY && !f->time)
		return medio_fail(dev, EINVAL, "fault: do=delay needs 'time', as in time=5ms");
	f->enabled = true;
	return 0;
}

static int fault_init(struct medio_dev *dev)
{
	struct fault *f = medio_priv(dev);

	if (wait_init(&f->queue, dev))
		return medio_fail(dev, ENOMEM, "out of memory");
	int ret = f->action ? make_rule(dev) : 0;
	if (!ret && !f->action &&
		(f->reg || f->offset || f->size || f->prob || f->error || f->value || f->bit ||
			f->vector || f->on || f->region || f->after || f->times))
		ret = medio_fail(
			dev, EINVAL, "fault: a rule says what is done: do=error, do=drop …");
	if (ret)
		wait_fini(&f->queue);
	return ret;
}

static void fault_fini(struct medio_dev *dev)
{
	struct fault *f = medio_priv(dev);

	wait_fini(&f->queue);
}

static const char *const actions[] = { "none", "error", "value", "flip", "drop", "delay",
	"duplicate", "spurious", "remove", NULL };
static const char *const ons[] = { "usual", "read", "write", "access", "irq", "dma-read",
	"dma-write", "dma", NULL };
static const char *const regions[] = { "any", "bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "rom",
	"config", NULL };

#define PARAM(name_, kind_, field_, ...) \
	{ \
		.name = name_, .kind = MEDIO_PARAM_##kind_, \
		.offset = offsetof(struct fault, field_), __VA_ARGS__ \
	}

static const struct medio_param fault_params[] = {
	PARAM("do", CHOICE, action, .deflt = "none", .choices = actions,
		.help = "what becomes of what is struck"),
	PARAM("on", CHOICE, on, .deflt = "usual", .choices = ons, .help = "what is struck"),
	PARAM("region", CHOICE, region, .deflt = "any", .choices = regions,
		.help = "of accesses: which region; any: each BAR"),
	PARAM("register", STRING, reg, .help = "of accesses: the register, by its name"),
	PARAM("offset", STRING, offset, .help = "where in the region, or the address of DMA"),
	PARAM("size", STRING, size, .help = "so many bytes from offset on; default: 1"),
	PARAM("prob", STRING, prob, .help = "how likely: 0 to 1, or 0% to 100%; default: 1"),
	PARAM("seed", UINT, seed, .deflt = "1",
		.help = "of what is likely: equal seeds, equal runs"),
	PARAM("after", UINT, after, .help = "so many pass first"),
	PARAM("times", UINT, times, .help = "strike so often at most; 0: no limit"),
	PARAM("error", STRING, error,
		.help = "of do=error: EIO, ENXIO …; default: EIO, of DMA EFAULT"),
	PARAM("value", STRING, value, .help = "of do=value: a number, or ones; default: ones"),
	PARAM("bit", STRING, bit, .help = "of do=flip: which; default: any"),
	PARAM("vector", STRING, vector,
		.help = "of interrupts: which; default: any, of spurious 0"),
	PARAM("time", TIME, time, .max = HOUR_NS, .help = "of do=delay: how long"),
	{ NULL },
};

static const struct medio_device_ops fault_down = {
	.init = fault_init,
	.fini = fault_fini,
	.region_read = fault_read,
	.region_write = fault_write,
	.doorbell = fault_doorbell,
	.reset = fault_reset,
	.client = fault_client,
};

const struct medio_filter medio_filter_fault = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "fault",
	.summary = "Let accesses, interrupts and DMA fail, or remove the card",
	.params = fault_params,
	.attrs = fault_attrs,
	.state_size = sizeof(struct fault),
	.down = &fault_down,
	.up = &fault_up,
};
