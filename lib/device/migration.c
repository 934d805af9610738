/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/migration.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/private.h"

#define FIRST_SIZE 4096u

static const struct medio_device_ops *ops_of(const struct medio_instance *inst)
{
	return inst->chain.device.down;
}

bool medio_migration_possible(const struct medio_instance *inst)
{
	return ops_of(inst)->save && ops_of(inst)->load;
}

enum medio_migration_state medio_migration_state(const struct medio_instance *inst)
{
	return inst->migration.state;
}

static void drop(struct medio_migration *m)
{
	free(m->data);
	m->data = NULL;
	m->size = m->cap = m->pos = 0;
}

void medio_migration_reset(struct medio_instance *inst)
{
	drop(&inst->migration);
	inst->migration.state = MEDIO_MIGRATION_RUNNING;
}

static int grow(struct medio_migration *m, size_t size)
{
	size_t cap = m->cap ? m->cap : FIRST_SIZE;
	if (size > MEDIO_MIGRATION_MAX)
		return -EFBIG;
	if (size <= m->cap)
		return 0;
	while (cap < size)
		cap *= 2;
	uint8_t *data = realloc(m->data, cap);
	if (!data)
		return -ENOMEM;
	m->data = data;
	m->cap = cap;
	return 0;
}

/* STOP -> STOP_COPY: the state is taken once, so that it is of one moment. */
static int save(struct medio_instance *inst)
{
	struct medio_migration *m = &inst->migration;
	struct medio_dev *dev = &inst->chain.device;
	int ret = grow(m, FIRST_SIZE);
	while (ret == 0) {
		ssize_t size = ops_of(inst)->save(dev, m->data, m->cap);
		if (size < 0)
			ret = (int)size;
		else if ((size_t)size > m->cap)
			ret = grow(m, (size_t)size);
		else {
			m->size = (size_t)size;
			return 0;
		}
	}
	drop(m);
	return ret;
}

/* Leave STOP_COPY or RESUMING for STOP. */
static int stop(struct medio_instance *inst)
{
	struct medio_migration *m = &inst->migration;
	int ret = 0;
	if (m->state == MEDIO_MIGRATION_RESUMING && m->size)
		ret = ops_of(inst)->load(&inst->chain.device, m->data, m->size);
	drop(m);
	m->state = MEDIO_MIGRATION_STOP;
	return ret;
}

int medio_migration_go(struct medio_instance *inst, unsigned state)
{
	struct medio_migration *m = &inst->migration;
	if (!medio_migration_possible(inst))
		return -EOPNOTSUPP;
	if (m->state == MEDIO_MIGRATION_ERROR)
		return -EIO;
	if (state < MEDIO_MIGRATION_STOP || state > MEDIO_MIGRATION_RESUMING)
		return -EINVAL;
	if (state == m->state)
		return 0;
	int ret = stop(inst);
	if (ret)
		return ret;
	if (state == MEDIO_MIGRATION_STOP_COPY)
		ret = save(inst);
	if (ret == 0)
		m->state = state;
	return ret;
}

ssize_t medio_migration_read(struct medio_instance *inst, void *buf, size_t size)
{
	struct medio_migration *m = &inst->migration;
	if (m->state != MEDIO_MIGRATION_STOP_COPY)
		return -EINVAL;
	if (size > m->size - m->pos)
		size = m->size - m->pos;
	memcpy(buf, m->data + m->pos, size);
	m->pos += size;
	return (ssize_t)size;
}

int medio_migration_write(struct medio_instance *inst, const void *buf, size_t size)
{
	struct medio_migration *m = &inst->migration;
	if (m->state != MEDIO_MIGRATION_RESUMING)
		return -EINVAL;
	if (!size)
		return 0;
	int ret = grow(m, m->size + size);
	if (ret)
		return ret;
	memcpy(m->data + m->size, buf, size);
	m->size += size;
	return 0;
}
