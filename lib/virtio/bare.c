/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device without a card: its form, its operations, and who carries it. */
#include "virtio/bare.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <linux/pci_regs.h>

#include "device/instance.h"
#include "util/error.h"
#include "util/list.h"
#include "virtio/bus.h"
#include "virtio/inside.h"

struct bare {
	struct medio_virtio_core *core;
	const struct medio_virtio_transport *transport; /* NULL: nobody carries it */
	void *opaque;
};

static const struct medio_device_ops bare_ops;

static struct bare *bare_of(const struct medio_dev *dev)
{
	if (medio_dev_type(dev)->ops != &bare_ops)
		return NULL;
	const struct medio_virtio_core *core = medio_virtio_core_of(dev);
	return core ? core->opaque : NULL;
}

/* ---- Towards whoever carries it -------------------------------------------------------------------- */

static void on_interrupt(void *opaque, unsigned queue)
{
	const struct bare *bare = opaque;
	if (bare->transport && bare->transport->interrupt)
		bare->transport->interrupt(bare->opaque, queue);
}

static void on_config_interrupt(void *opaque)
{
	const struct bare *bare = opaque;
	if (bare->transport && bare->transport->config_interrupt)
		bare->transport->config_interrupt(bare->opaque);
}

static void on_reset_done(void *opaque, int queue)
{
	const struct bare *bare = opaque;
	if (bare->transport && bare->transport->reset_done)
		bare->transport->reset_done(bare->opaque, queue);
}

static const struct medio_virtio_transport relay = {
	.by_queue = true,
	.interrupt = on_interrupt,
	.config_interrupt = on_config_interrupt,
	.reset_done = on_reset_done,
};

struct medio_virtio_core *medio_virtio_bare_attach(
	struct medio_dev *dev, const struct medio_virtio_transport *transport, void *opaque)
{
	struct bare *bare = bare_of(dev);
	if (!bare || bare->transport)
		return NULL;
	bare->transport = transport;
	bare->opaque = opaque;
	return bare->core;
}

void medio_virtio_bare_detach(struct medio_dev *dev)
{
	struct bare *bare = bare_of(dev);
	if (!bare)
		return;
	bare->transport = NULL;
	bare->opaque = NULL;
}

/* ---- Operations -------------------------------------------------------------------------------------- */

static int init(struct medio_dev *dev)
{
	struct bare *bare = calloc(1, sizeof(*bare));
	if (!bare)
		return medio_fail(dev, ENOMEM, "out of memory");
	int ret = medio_virtio_core_new(dev, &relay, bare, &bare->core);
	if (ret)
		free(bare);
	return ret;
}

static void fini(struct medio_dev *dev)
{
	struct bare *bare = bare_of(dev);
	medio_virtio_core_free(bare->core);
	free(bare);
}

static void reset(struct medio_dev *dev, enum medio_reset kind)
{
	(void)kind;
	medio_virtio_core_reset(medio_virtio_core_of(dev));
}

static ssize_t save(struct medio_dev *dev, void *buf, size_t cap)
{
	return medio_virtio_core_save(medio_virtio_core_of(dev), buf, cap);
}

static int load(struct medio_dev *dev, const void *buf, size_t size)
{
	return medio_virtio_core_load(medio_virtio_core_of(dev), buf, size);
}

static const struct medio_device_ops bare_ops = {
	.init = init,
	.fini = fini,
	.reset = reset,
	.dma_map = medio_virtio_bus_dma_map,
	.dma_unmap = medio_virtio_bus_dma_unmap,
	.quiesce = medio_virtio_bus_quiesce,
	.resume = medio_virtio_bus_resume,
	.client = medio_virtio_bus_client,
	.save = save,
	.load = load,
};

/* ---- Forms ----------------------------------------------------------------------------------------------- */

struct form {
	struct medio_list link;	     /* first: the list points at what was allocated */
	const struct medio_type *of; /* the card */
	struct medio_type type;
};

/* Guards the list, which only grows. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct medio_list forms = { &forms, &forms };

bool medio_virtio_is_type(const struct medio_type *type)
{
	return type->data && (type->ops == &medio_virtio_pci_ops || type->ops == &bare_ops);
}

/* There is no command register that anybody could set: it has the bus from the beginning on. */
static const uint8_t command[2] = { PCI_COMMAND_MASTER, 0 };
static const struct medio_config_bytes config[] = {
	{ .offset = PCI_COMMAND, .size = sizeof(command), .data = command },
	{ .size = 0 },
};

static struct form *form_get(const struct medio_type *type)
{
	medio_list_for_each (item, &forms) {
		struct form *form = medio_container_of(item, struct form, link);
		if (form->of == type)
			return form;
	}
	struct form *form = calloc(1, sizeof(*form));
	if (!form)
		return NULL;
	form->of = type;
	form->type = (struct medio_type){
		.abi = type->abi,
		.name = type->name,
		.summary = type->summary,
		.description = type->description,
		.id = type->id,
		.config = config,
		.params = type->params,
		.attrs = type->attrs,
		.state_size = type->state_size,
		.ops = &bare_ops,
		.units = type->units,
		.data = type->data,
	};
	medio_list_append(&forms, &form->link);
	return form;
}

int medio_virtio_bare_type(
	const struct medio_type *type, const struct medio_type **out, struct medio_error **err)
{
	if (!medio_virtio_is_type(type))
		return medio_error_set(err, ENOTSUP,
			"%s is not a virtio device: it can be served as a card alone", type->name);
	if (type->ops == &bare_ops) {
		*out = type;
		return 0;
	}
	pthread_mutex_lock(&lock);
	const struct form *form = form_get(type);
	pthread_mutex_unlock(&lock);
	if (!form)
		return medio_error_set(err, ENOMEM, "out of memory");
	*out = &form->type;
	return 0;
}

int medio_instance_new_bare(struct medio_loop *loop, const struct medio_type *type,
	const struct medio_instance_options *opts, struct medio_instance **out,
	struct medio_error **err)
{
	/* What cannot be looked into. */
	if (type->abi != MEDIO_DEVICE_ABI)
		return medio_instance_new(loop, type, opts, out, err);
	int ret = medio_virtio_bare_type(type, &type, err);
	if (ret)
		return ret;
	if (opts && opts->nfilters)
		return medio_error_set(err, EINVAL,
			"filter '%s': filters stand before the registers of a card, and %s is "
			"served without one",
			opts->filters[0], type->name);
	ret = medio_instance_new(loop, type, opts, out, err);
	if (ret == 0)
		medio_instance_no_vfs(*out, "virtual functions are a card's, and this is served "
					    "without one");
	return ret;
}
