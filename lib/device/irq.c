/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts. The device says which sources are high; the client says (SET_IRQS) which of INTx, MSI
 * and MSI-X is in use and where to signal; the guest masks in its own places. An interrupt that
 * cannot be delivered now is remembered and delivered when it can be.
 */
#include "device/irq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "device/private.h"
#include "device/signal.h"

static struct medio_pci_config *config(struct medio_instance *inst)
{
	return &inst->config;
}

/* An interrupt on its way to the client. */
static void interrupt(struct medio_instance *inst, int fd, bool careful)
{
	if (fd < 0)
		return;
	medio_signal(fd, careful);
	medio_stat_add(&inst->stats->irqs, 1);
}

/* ---- Levels ------------------------------------------------------------------------------------- */

static bool level_of(const struct medio_irqs_state *irqs, unsigned source)
{
	return irqs->levels[source / 64] >> (source % 64) & 1;
}

/* What the client takes has changed: for a device whose interrupts come from elsewhere. */
static int changed(struct medio_instance *inst)
{
	struct medio_dev *dev = &inst->chain.device;
	const struct medio_irqs_state *irqs = &inst->irqs;
	unsigned vectors = irqs->active == MEDIO_IRQ_INTX ? 1 : irqs->enabled;
	if (!dev->down->irqs_changed)
		return 0;
	return dev->down->irqs_changed(dev, irqs->active, irqs->active < 0 ? 0 : vectors);
}

/* ---- INTx ----------------------------------------------------------------------------------------
 *
 * The line is the OR of the sources. As VFIO has it, signalling masks the line (AUTOMASKED) until
 * the client unmasks it; if the line is then still high it is signalled again.
 */

static void intx_update(struct medio_instance *inst)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	bool line = irqs->asserted > 0;
	medio_pci_config_set_intx_status(config(inst), line && inst->type->irqs.intx_pin);
	if (!line || irqs->intx.v.masked || irqs->active != MEDIO_IRQ_INTX ||
		medio_pci_config_intx_disabled(config(inst)))
		return;
	irqs->intx.v.masked = true;
	interrupt(inst, irqs->intx.v.trigger_fd, irqs->intx.v.careful);
}

static void intx_mask(struct medio_instance *inst, bool mask)
{
	struct medio_dev *dev = &inst->chain.device;
	/* Before the line is looked at: whose line it is may know that it has fallen. */
	if (!mask && dev->down->intx_unmasked)
		dev->down->intx_unmasked(dev);
	inst->irqs.intx.v.masked = mask;
	if (!mask)
		intx_update(inst);
}

/* The client signals these to us: its guest's end-of-interrupt (resample), or its wish to mask. */
static void on_intx_unmask(void *opaque, uint32_t events)
{
	struct medio_instance *inst = opaque;
	(void)events;
	if (medio_signal_drain(inst->irqs.intx.v.unmask_fd))
		intx_mask(inst, false);
}

static void on_intx_mask(void *opaque, uint32_t events)
{
	struct medio_instance *inst = opaque;
	(void)events;
	if (medio_signal_drain(inst->irqs.intx.v.mask_fd))
		intx_mask(inst, true);
}

/* ---- Messages: MSI and MSI-X ---------------------------------------------------------------------- */

/*
 * Whether the guest holds vector back. The MSI-X table counts only once somebody has written it: a
 * client such as QEMU keeps the table to itself and de-assigns instead, and after reset every entry
 * says "masked".
 */
static bool guest_masks(struct medio_instance *inst, unsigned vector)
{
	if (inst->irqs.active == MEDIO_IRQ_MSIX)
		return medio_pci_config_msix_function_mask(config(inst)) ||
		       (inst->msix.used && medio_pci_msix_masked(&inst->msix, vector));
	/* MSI has 32 vectors at most; the MSI-X table, written while MSI is in use, may have more. */
	return vector < 32 && medio_pci_config_msi_mask(config(inst)) >> vector & 1;
}

static void set_pending(struct medio_instance *inst, unsigned vector, bool pending)
{
	inst->irqs.vectors[vector].pending = pending;
	if (inst->irqs.active == MEDIO_IRQ_MSI)
		medio_pci_config_set_msi_pending(config(inst), vector, pending);
	else if (pending)
		medio_pci_msix_set_pending(&inst->msix, vector);
	else
		medio_pci_msix_clear_pending(&inst->msix, vector);
}

static void deliver(struct medio_instance *inst, unsigned vector)
{
	struct medio_vector *v = &inst->irqs.vectors[vector];
	if (v->trigger_fd < 0 || v->masked || guest_masks(inst, vector)) {
		set_pending(inst, vector, true);
		return;
	}
	if (v->pending)
		set_pending(inst, vector, false);
	interrupt(inst, v->trigger_fd, v->careful);
}

/* What is pending and can go now, goes. */
static void flush(struct medio_instance *inst, unsigned vector)
{
	if (inst->irqs.vectors[vector].pending)
		deliver(inst, vector);
}

static bool messages(const struct medio_irqs_state *irqs)
{
	return irqs->active == MEDIO_IRQ_MSI || irqs->active == MEDIO_IRQ_MSIX;
}

static void send(struct medio_instance *inst, unsigned source)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	/* PCI 3.0, 6.8.1.3: a function given fewer MSI vectors shares those it has. */
	if (irqs->active == MEDIO_IRQ_MSI && irqs->enabled)
		source %= irqs->enabled;
	if (source < irqs->num_vectors)
		deliver(inst, source);
}

/* ---- From the device -------------------------------------------------------------------------------- */

void medio_irq_raise(struct medio_instance *inst, unsigned source, bool level)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	if (source >= irqs->sources || level_of(irqs, source) == level)
		return;
	irqs->levels[source / 64] ^= 1ull << (source % 64);
	irqs->asserted += level ? 1 : -1u;
	if (!messages(irqs))
		intx_update(inst);
	else if (level)
		send(inst, source);
}

void medio_irq_message(struct medio_instance *inst, unsigned source)
{
	if (source < inst->irqs.sources && messages(&inst->irqs))
		send(inst, source);
}

int medio_irq_signal(struct medio_instance *inst, unsigned index)
{
	int fd = index == MEDIO_IRQ_ERR	  ? inst->irqs.err_fd
		 : index == MEDIO_IRQ_REQ ? inst->irqs.req_fd
					  : -1;
	if (fd < 0)
		return -ENOENT;
	interrupt(inst, fd, true);
	return 0;
}

void medio_irq_notice(struct medio_dev *dev, unsigned index)
{
	medio_irq_signal(dev->inst, index);
}

/* ---- From the guest ---------------------------------------------------------------------------------- */

void medio_irqs_refresh(struct medio_instance *inst)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	if (!messages(irqs))
		intx_update(inst);
	else
		for (unsigned i = 0; i < irqs->num_vectors; i++)
			flush(inst, i);
}

/* A guest that masks by hand may have asked to be told (SET_IRQS MASK/UNMASK with an eventfd). */
static void tell(const struct medio_vector *v, bool masked)
{
	int fd = masked ? v->mask_fd : v->unmask_fd;
	if (fd >= 0)
		medio_signal(fd, true);
}

void medio_irqs_table_write(
	struct medio_instance *inst, uint64_t offset, const void *buf, size_t count)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	unsigned first = (unsigned)(offset / MEDIO_PCI_MSIX_ENTRY_SIZE);
	unsigned last = (unsigned)((offset + count - 1) / MEDIO_PCI_MSIX_ENTRY_SIZE);
	bool live = irqs->active == MEDIO_IRQ_MSIX;
	for (unsigned i = first; i <= last; i++) {
		uint64_t at = (uint64_t)i * MEDIO_PCI_MSIX_ENTRY_SIZE;
		uint64_t from = at > offset ? at : offset;
		uint64_t to = at + MEDIO_PCI_MSIX_ENTRY_SIZE < offset + count
				      ? at + MEDIO_PCI_MSIX_ENTRY_SIZE
				      : offset + count;
		bool was = guest_masks(inst, i);
		medio_pci_msix_write(&inst->msix, from, (const uint8_t *)buf + (from - offset),
			(size_t)(to - from), NULL, NULL);
		if (!live || i >= irqs->num_vectors)
			continue;
		bool is = guest_masks(inst, i);
		if (is != was)
			tell(&irqs->vectors[i], is);
		if (!is)
			flush(inst, i);
	}
}

/* ---- From the client: SET_IRQS ------------------------------------------------------------------------- */

int medio_irq_info(struct medio_instance *inst, unsigned index, struct medio_irq_view *view)
{
	const struct medio_irqs *has = &inst->type->irqs;
	if (index >= MEDIO_NUM_IRQS)
		return -EINVAL;
	*view = (struct medio_irq_view){ 0 };
	switch (index) {
	case MEDIO_IRQ_INTX:
		view->count = has->intx_pin != 0;
		view->maskable = view->automasked = view->count;
		break;
	case MEDIO_IRQ_MSI:
		view->count = has->msi;
		view->maskable = has->msi != 0;
		break;
	case MEDIO_IRQ_MSIX:
		view->count = has->msix.vectors;
		view->maskable = has->msix.vectors != 0;
		break;
	default:
		view->count = 1;
		break;
	}
	return 0;
}

static void vector_init(struct medio_vector *v)
{
	*v = (struct medio_vector){ .trigger_fd = -1, .mask_fd = -1, .unmask_fd = -1 };
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void vector_close(struct medio_vector *v)
{
	close_fd(&v->trigger_fd);
	close_fd(&v->mask_fd);
	close_fd(&v->unmask_fd);
	v->masked = v->pending = false;
}

static void intx_off(struct medio_irqs_state *irqs)
{
	medio_watch_free(irqs->intx.mask_watch);
	medio_watch_free(irqs->intx.unmask_watch);
	irqs->intx.mask_watch = irqs->intx.unmask_watch = NULL;
	vector_close(&irqs->intx.v);
}

static void messages_off(struct medio_instance *inst)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	for (unsigned i = 0; i < irqs->num_vectors; i++) {
		if (irqs->vectors[i].pending)
			set_pending(inst, i, false);
		vector_close(&irqs->vectors[i]);
	}
	free(irqs->vectors);
	irqs->vectors = NULL;
	irqs->num_vectors = irqs->enabled = 0;
}

int medio_irq_disable(struct medio_instance *inst, unsigned index)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	struct medio_irq_view view;
	int ret = medio_irq_info(inst, index, &view);
	if (ret)
		return ret;
	if (index == MEDIO_IRQ_ERR)
		close_fd(&irqs->err_fd);
	else if (index == MEDIO_IRQ_REQ)
		close_fd(&irqs->req_fd);
	else if (irqs->active == (int)index) {
		if (index == MEDIO_IRQ_INTX)
			intx_off(irqs);
		else
			messages_off(inst);
		irqs->active = -1;
		changed(inst);
	}
	return 0;
}

/* Start using INTx, MSI or MSI-X; VFIO allows one at a time. */
static int activate(struct medio_instance *inst, unsigned index, uint32_t count)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	if (irqs->active == (int)index)
		return 0;
	if (irqs->active >= 0)
		return -EINVAL;
	if (index != MEDIO_IRQ_INTX) {
		irqs->vectors = malloc(count * sizeof(*irqs->vectors));
		if (!irqs->vectors)
			return -ENOMEM;
		irqs->num_vectors = count;
		for (uint32_t i = 0; i < count; i++)
			vector_init(&irqs->vectors[i]);
	}
	irqs->active = (int)index;
	return 0;
}

static int check_range(struct medio_instance *inst, unsigned index, uint32_t start, uint32_t count,
	struct medio_irq_view *view)
{
	int ret = medio_irq_info(inst, index, view);
	if (ret)
		return ret;
	return count && start < view->count && count <= view->count - start ? 0 : -EINVAL;
}

/* One action on one vector that is set up. */
static void act(
	struct medio_instance *inst, unsigned index, enum medio_irq_action action, uint32_t vector)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	if (index == MEDIO_IRQ_INTX) {
		if (action == MEDIO_IRQ_TRIGGER)
			interrupt(inst, irqs->intx.v.trigger_fd, irqs->intx.v.careful);
		else
			intx_mask(inst, action == MEDIO_IRQ_MASK);
		return;
	}
	if (action == MEDIO_IRQ_TRIGGER) {
		deliver(inst, vector);
		return;
	}
	irqs->vectors[vector].masked = action == MEDIO_IRQ_MASK;
	if (action == MEDIO_IRQ_UNMASK)
		flush(inst, vector);
}

static int set_some(struct medio_instance *inst, unsigned index, enum medio_irq_action action,
	uint32_t start, uint32_t count, const uint8_t *bools)
{
	struct medio_irq_view view;
	int ret = check_range(inst, index, start, count, &view);
	if (ret)
		return ret;
	if (index >= MEDIO_IRQ_ERR) {
		if (action != MEDIO_IRQ_TRIGGER)
			return -ENOTTY;
		if (!bools || bools[0])
			medio_irq_signal(inst, index);
		return 0;
	}
	if (inst->irqs.active != (int)index)
		return -EINVAL; /* nothing is set up that could be acted on */
	for (uint32_t i = 0; i < count; i++)
		if (!bools || bools[i])
			act(inst, index, action, start + i);
	return 0;
}

int medio_irq_set_none(struct medio_instance *inst, unsigned index, enum medio_irq_action action,
	uint32_t start, uint32_t count)
{
	return set_some(inst, index, action, start, count, NULL);
}

int medio_irq_set_bools(struct medio_instance *inst, unsigned index, enum medio_irq_action action,
	uint32_t start, uint32_t count, const uint8_t *bools)
{
	return set_some(inst, index, action, start, count, bools);
}

static int watch_intx(struct medio_instance *inst, enum medio_irq_action action, int fd)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	bool mask = action == MEDIO_IRQ_MASK;
	struct medio_watch **watch = mask ? &irqs->intx.mask_watch : &irqs->intx.unmask_watch;
	int *slot = mask ? &irqs->intx.v.mask_fd : &irqs->intx.v.unmask_fd;
	struct medio_watch *made = NULL;
	if (fd >= 0) {
		made = medio_loop_watch(
			inst->loop, fd, EPOLLIN, mask ? on_intx_mask : on_intx_unmask, inst);
		if (!made)
			return -errno;
	}
	medio_watch_free(*watch);
	close_fd(slot);
	*watch = made;
	*slot = fd;
	return 0;
}

static int set_intx_fd(struct medio_instance *inst, enum medio_irq_action action, int fd)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	if (action != MEDIO_IRQ_TRIGGER)
		return irqs->active == MEDIO_IRQ_INTX ? watch_intx(inst, action, fd) : -EINVAL;
	if (fd < 0)
		return irqs->active == MEDIO_IRQ_INTX ? medio_irq_disable(inst, MEDIO_IRQ_INTX) : 0;
	int ret = activate(inst, MEDIO_IRQ_INTX, 1);
	if (ret)
		return ret;
	close_fd(&irqs->intx.v.trigger_fd);
	irqs->intx.v.trigger_fd = fd;
	irqs->intx.v.careful = medio_signal_blocks(fd);
	irqs->intx.v.masked = false;
	intx_update(inst);
	ret = changed(inst);
	if (ret) {
		irqs->intx.v.trigger_fd = -1; /* the caller's again */
		medio_irq_disable(inst, MEDIO_IRQ_INTX);
	}
	return ret;
}

static void set_vector_fd(
	struct medio_instance *inst, enum medio_irq_action action, uint32_t vector, int fd)
{
	struct medio_vector *v = &inst->irqs.vectors[vector];
	int *slot = action == MEDIO_IRQ_TRIGGER ? &v->trigger_fd
		    : action == MEDIO_IRQ_MASK	? &v->mask_fd
						: &v->unmask_fd;
	bool fresh = *slot < 0 && fd >= 0;
	close_fd(slot);
	*slot = fd;
	if (action != MEDIO_IRQ_TRIGGER || fd < 0)
		return;
	v->careful = medio_signal_blocks(fd);
	if (vector >= inst->irqs.enabled)
		inst->irqs.enabled = vector + 1;
	/* A source that rose before its vector was there must not be lost. */
	if (fresh && vector < inst->irqs.sources && level_of(&inst->irqs, vector))
		deliver(inst, vector);
	else
		flush(inst, vector);
}

static int set_single_fd(int *slot, const int *fds)
{
	close_fd(slot);
	*slot = fds ? fds[0] : -1;
	return 0;
}

int medio_irq_set_eventfds(struct medio_instance *inst, unsigned index,
	enum medio_irq_action action, uint32_t start, uint32_t count, const int *fds)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	struct medio_irq_view view;
	int ret = check_range(inst, index, start, count, &view);
	if (ret)
		return ret;
	for (uint32_t i = 0; fds && i < count; i++)
		if (fds[i] >= 0 && !medio_signal_is_eventfd(fds[i]))
			return -EINVAL;
	if (index == MEDIO_IRQ_INTX)
		return set_intx_fd(inst, action, fds ? fds[0] : -1);
	if (index >= MEDIO_IRQ_ERR) {
		if (action != MEDIO_IRQ_TRIGGER)
			return -ENOTTY;
		return set_single_fd(index == MEDIO_IRQ_ERR ? &irqs->err_fd : &irqs->req_fd, fds);
	}
	if (irqs->active != (int)index) {
		if (action != MEDIO_IRQ_TRIGGER)
			return -EINVAL; /* nothing is set up that could be masked */
		if (!fds)
			return 0; /* nothing is assigned that could be de-assigned */
		ret = activate(inst, index, view.count);
		if (ret)
			return ret;
	}
	for (uint32_t i = 0; i < count; i++)
		set_vector_fd(inst, action, start + i, fds ? fds[i] : -1);
	ret = action == MEDIO_IRQ_TRIGGER ? changed(inst) : 0;
	for (uint32_t i = 0; ret && i < count; i++)
		irqs->vectors[start + i].trigger_fd = -1; /* the caller's again */
	if (ret)
		medio_irq_disable(inst, index);
	return ret;
}

/* ---- Life ----------------------------------------------------------------------------------------------- */

int medio_irqs_init(struct medio_instance *inst)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	const struct medio_irqs *has = &inst->type->irqs;
	irqs->active = -1;
	irqs->err_fd = irqs->req_fd = -1;
	vector_init(&irqs->intx.v);
	irqs->sources = has->msix.vectors > has->msi ? has->msix.vectors : has->msi;
	if (!irqs->sources)
		irqs->sources = 1;
	irqs->levels = &irqs->level_word;
	if (irqs->sources > 64) {
		irqs->levels = calloc((irqs->sources + 63) / 64, sizeof(uint64_t));
		if (!irqs->levels)
			return -ENOMEM;
	}
	return 0;
}

void medio_irqs_detach(struct medio_instance *inst)
{
	for (unsigned index = 0; index < MEDIO_NUM_IRQS; index++)
		medio_irq_disable(inst, index);
}

/* The client's eventfds stay: they are the client's, and a guest that resets its device expects the
 * VMM to go on working. What was raised or masked is gone. */
void medio_irqs_reset(struct medio_instance *inst)
{
	struct medio_irqs_state *irqs = &inst->irqs;
	memset(irqs->levels, 0, (irqs->sources + 63) / 64 * sizeof(uint64_t));
	irqs->asserted = 0;
	irqs->intx.v.masked = false;
	for (unsigned i = 0; i < irqs->num_vectors; i++)
		irqs->vectors[i].masked = irqs->vectors[i].pending = false;
}

void medio_irqs_fini(struct medio_instance *inst)
{
	if (!inst->irqs.levels)
		return;
	medio_irqs_detach(inst);
	if (inst->irqs.levels != &inst->irqs.level_word)
		free(inst->irqs.levels);
	inst->irqs.levels = NULL;
}
