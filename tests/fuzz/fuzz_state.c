/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The saved state of an instance, from anybody. The first byte says how the rest is meant: bit 0 the
 * card (the toy of the server's tests, or a dual serial port), bit 1 whether it is the state itself,
 * or changes (offset of 2 bytes, value) to what a card in use saved.
 *
 * A state that is taken gives itself back; one that is not leaves the card as after a reset.
 */
#include <medio/serve.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../integration/toy.h"
#include "device/instance.h"
#include "mtty/mtty.h"

#define CAP 32768u

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static struct medio_instance *make(struct medio_loop *loop, const struct medio_type *type)
{
	struct medio_instance_options opts = { .log = quiet };
	struct medio_instance *inst;
	if (medio_instance_new(loop, type, &opts, &inst, NULL))
		abort();
	return inst;
}

static void put(
	struct medio_instance *inst, unsigned region, uint64_t offset, uint32_t value, size_t count)
{
	medio_instance_write(inst, region, offset, &value, count);
}

/* Enough of a driver's doings for every part of the state to be there. */
static void use(struct medio_instance *inst)
{
	put(inst, MEDIO_REGION_CONFIG, 4, 7, 2);
	put(inst, MEDIO_REGION_CONFIG, 0x10, 0xc001, 4);
	put(inst, 4, 0x1c, 0, 4); /* the toy's MSI-X table */
	for (unsigned offset = 0; offset < 8; offset++)
		put(inst, 0, offset, 0x13 + offset, 1);
}

static size_t save(struct medio_instance *inst, uint8_t state[CAP])
{
	ssize_t size = medio_instance_save(inst, state, CAP);
	assert(size > 0 && size <= CAP);
	return (size_t)size;
}

static size_t patched(struct medio_instance *inst, const uint8_t *data, size_t size, uint8_t *state)
{
	use(inst);
	size_t len = save(inst, state);
	for (; size >= 3; data += 3, size -= 3)
		state[(data[0] | data[1] << 8) % len] = data[2];
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t state[CAP], have[CAP], want[CAP];
	struct medio_loop *loop;
	if (!size || size > CAP || medio_loop_new(&loop))
		return 0;
	const struct medio_type *type = data[0] & 1 ? &medio_mtty_2 : &toy_type;
	struct medio_instance *inst = make(loop, type), *other = make(loop, type);
	size_t len = size - 1;
	if (data[0] & 2)
		len = patched(other, data + 1, size - 1, state);
	else
		memcpy(state, data + 1, len);
	/* Exactly sized, so that a sanitizer sees every read past the end. */
	uint8_t *bytes = malloc(len ? len : 1);
	memcpy(bytes, state, len);
	use(inst);
	if (medio_instance_load(inst, bytes, len) == 0) {
		size_t first = save(inst, want);
		assert(medio_instance_load(inst, want, first) == 0);
		assert(save(inst, have) == first && memcmp(have, want, first) == 0);
	} else {
		size_t first = save(inst, have);
		use(other);
		medio_instance_reset(other, MEDIO_RESET_DEVICE);
		assert(save(other, want) == first && memcmp(have, want, first) == 0);
	}
	free(bytes);
	medio_instance_free(other);
	medio_instance_free(inst);
	medio_loop_free(loop);
	return 0;
}
