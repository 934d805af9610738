/* SPDX-License-Identifier: BSD-3-Clause */
/* The type of an instance that has a shape of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/private.h"
#include "util/error.h"

/* What shape() may change; the rest is the type's, whatever it did to its copy. */
static void take_shape(struct medio_type *type, const struct medio_type *shaped)
{
	type->id = shaped->id;
	memcpy(type->bars, shaped->bars, sizeof(type->bars));
	type->irqs = shaped->irqs;
	type->caps = shaped->caps;
	type->config = shaped->config;
	type->registers = shaped->registers;
	type->sriov = shaped->sriov;
	type->raw_config = shaped->raw_config;
}

/* Gaps between members too, which were copied: a difference that is none costs some bytes, no more. */
static bool same_bytes(const void *a, const void *b, size_t size)
{
	return memcmp(a, b, size) == 0;
}

/* Calls in shape() look at the copy, so that it can share the regions that it has just made. */
static int run(struct medio_instance *inst, struct medio_type *copy, struct medio_error **err)
{
	struct medio_dev *dev = &inst->chain.device;
	struct medio_error *said = NULL;
	inst->type = copy;
	inst->fail = &said;
	int ret = dev->down->shape(dev, copy);
	inst->fail = NULL;
	if (ret && said)
		medio_error_set(err, -ret, "%s", medio_error_text(said));
	else if (ret)
		medio_error_set(err, -ret, "%s: cannot start: %s", copy->name, strerror(-ret));
	medio_error_free(said);
	return ret;
}

int medio_shape_init(struct medio_instance *inst, struct medio_error **err)
{
	const struct medio_type *type = inst->type;
	if (!inst->chain.device.down->shape)
		return 0;
	struct medio_type *copy = malloc(sizeof(*copy)), *own = malloc(sizeof(*own));
	if (!copy || !own) {
		free(copy);
		free(own);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	memcpy(copy, type, sizeof(*copy));
	memcpy(own, type, sizeof(*own));
	int ret = run(inst, copy, err);
	inst->type = type;
	if (ret == 0) {
		inst->shaped = true;
		take_shape(own, copy);
	}
	free(copy);
	/* One that looks like all others shares their type and layout. */
	if (ret || same_bytes(own, type, sizeof(*own))) {
		free(own);
		return ret;
	}
	inst->type = inst->own_type = own;
	return 0;
}

void medio_shape_fini(struct medio_instance *inst)
{
	free(inst->own_type);
	inst->own_type = NULL;
}
