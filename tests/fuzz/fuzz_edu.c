/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device edu under any driver. An input is a list of steps: an operation byte and its arguments.
 * Part of the memory is mapped; part is remote, and what is asked of it is answered when the input says
 * so, or never.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/instance.h"
#include "edu/edu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAPPED 0x10000u
#define REMOTE 0x20000u
#define SIZE   0x4000u

enum { STATUS = 0x20, COMMAND = 0x98 };

static const uint16_t regs[] = { 0x00, 0x04, 0x08, 0x20, 0x24, 0x60, 0x64, 0x80, 0x84, 0x88, 0x90,
	0x98, 0x9c, 0x100, 0x1c, 0x06 };

struct input {
	const uint8_t *data;
	size_t size;
};

/* What the device asked of remote memory. */
static struct {
	medio_dma_done *done;
	void *opaque, *buf;
	size_t len;
	bool write;
} asked;

static uint8_t next(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static int on_dma(void *opaque, bool write, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *done_opaque)
{
	(void)opaque;
	(void)iova;
	/* One at a time, whatever the driver does. */
	assert(!asked.done);
	asked.done = done;
	asked.opaque = done_opaque;
	asked.buf = buf;
	asked.len = len;
	asked.write = write;
	return 0;
}

static void answer(int ret)
{
	medio_dma_done *done = asked.done;

	asked.done = NULL;
	if (!done)
		return;
	if (!ret && !asked.write)
		memset(asked.buf, 0x5a, asked.len);
	done(asked.opaque, ret);
}

static void on_completed(void *opaque, int ret, const void *data, size_t count)
{
	(void)opaque;
	(void)ret;
	(void)data;
	(void)count;
}

static void on_quiesced(void *opaque)
{
	(void)opaque;
}

static const struct medio_transport_ops transport = {
	.completed = on_completed,
	.quiesced = on_quiesced,
	.dma = on_dma,
};

static void attach(struct medio_instance *inst, int fd)
{
	uint16_t command = 6;

	assert(!medio_instance_attach(inst, &transport, NULL));
	assert(!medio_instance_write(inst, MEDIO_REGION_CONFIG, 4, &command, 2));
	assert(!medio_instance_dma_map(inst, MAPPED, SIZE, 3, fd, 0, NULL));
	assert(!medio_instance_dma_map(inst, REMOTE, SIZE, 3, -1, 0, NULL));
}

/* Also of one that is not. */
static void detach(struct medio_instance *inst)
{
	answer(-ECANCELED);
	medio_instance_detach(inst);
}

/* An address or count worth trying: in the buffer, in memory, at their ends, or anything. */
static uint64_t place(struct input *in)
{
	static const uint64_t bases[] = { 0x40000, 0x41000, MAPPED, REMOTE, MAPPED + SIZE, 0,
		UINT64_MAX, UINT64_C(0xffffffff) };

	return bases[next(in) % 8] + (int8_t)next(in) * (uint64_t)(next(in) % 32 + 1);
}

/* Save, change some bytes, load: a state that is taken is given back. */
static void migrate(struct medio_instance *inst, struct input *in)
{
	static uint8_t state[8192], again[8192];
	ssize_t len = medio_instance_save(inst, state, sizeof(state));

	if (len < 0)
		return;
	assert((size_t)len <= sizeof(state));
	detach(inst);
	for (unsigned n = next(in) % 4; n--;) {
		size_t at = (next(in) | next(in) << 8) % (size_t)len;
		state[at] = next(in);
	}
	if (!medio_instance_load(inst, state, (size_t)len))
		assert(medio_instance_save(inst, again, sizeof(again)) == len);
}

static uint32_t get(struct medio_instance *inst, uint64_t reg)
{
	uint8_t value[4];

	assert(!medio_instance_read(inst, 0, reg, value, sizeof(value)));
	return (uint32_t)medio_get_le(value, sizeof(value));
}

/* What was begun ends. */
static void settle(struct medio_loop *loop, struct medio_instance *inst)
{
	medio_instance_resume(inst);
	for (unsigned i = 0; i < 4; i++) {
		while (medio_loop_run_once(loop, 0) > 0)
			;
		answer(0);
	}
	assert(!(get(inst, COMMAND) & 1));
	assert(!(get(inst, STATUS) & ~0x80u));
}

static void step(struct medio_loop *loop, struct medio_instance *inst, struct input *in, int fd)
{
	uint8_t op = next(in), buf[16] = { 0 };
	uint16_t reg = regs[op >> 4];
	uint64_t value;

	switch (op & 15) {
	case 0:
		medio_instance_read(inst, 0, reg, buf, next(in) % sizeof(buf) + 1);
		break;
	case 1:
		memset(buf, next(in), sizeof(buf));
		medio_instance_write(inst, 0, reg, buf, next(in) % sizeof(buf) + 1);
		break;
	case 2:
	case 3:
		value = next(in) | (uint64_t)next(in) << 8;
		medio_instance_write(inst, 0, reg, &value, op & 1 ? 4 : 8);
		break;
	case 4:
	case 5:
	case 6:
		value = place(in);
		medio_instance_write(inst, 0, reg, &value, 8);
		break;
	case 7:
		medio_instance_reset(inst, MEDIO_RESET_DEVICE);
		detach(inst);
		attach(inst, fd);
		break;
	case 8:
		medio_instance_reset(inst, MEDIO_RESET_FLR);
		break;
	case 9:
		migrate(inst, in);
		detach(inst);
		attach(inst, fd);
		break;
	case 10:
		medio_instance_quiesce(inst);
		break;
	case 11:
		medio_instance_resume(inst);
		break;
	case 12:
		answer(next(in) & 1 ? -EFAULT : 0);
		break;
	case 13:
		settle(loop, inst);
		break;
	default:
		medio_loop_run_once(loop, 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const params[] = { "dma-time=0ns", "factorial-time=0ns" };
	const struct medio_instance_options opts = { .params = params, .nparams = 2, .log = quiet };
	struct input in = { data, size };
	struct medio_instance *inst;
	struct medio_loop *loop;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, SIZE) || medio_loop_new(&loop))
		abort();
	if (medio_instance_new(loop, &medio_edu, &opts, &inst, NULL))
		abort();
	attach(inst, fd);
	while (in.size)
		step(loop, inst, &in, fd);
	detach(inst);
	medio_instance_free(inst);
	medio_loop_free(loop);
	close(fd);
	return 0;
}
