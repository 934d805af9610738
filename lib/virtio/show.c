/* SPDX-License-Identifier: BSD-3-Clause */
/* What a virtio device shows of itself: the attributes of MEDIO_VIRTIO_ATTRS. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "virtio/inside.h"
#include "virtio/names.h"
#include "virtio/pci.h"

const char *const medio_virtio_poll_names[] = { "off", "adaptive", "on", NULL };

#define NAMES 1024

/* Text that is cut where it ends. */
struct text {
	char *buf;
	size_t size, len;
};

static void say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(t->len < t->size ? t->buf + t->len : NULL,
		t->len < t->size ? t->size - t->len : 0, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
}

/* ---- What is known of a queue -------------------------------------------------------------------- */

static const char *format_of(const struct medio_virtio_core *core)
{
	return medio_virtio_core_has(core, VIRTIO_F_RING_PACKED) ? "packed" : "split";
}

struct view {
	const struct medio_virtio_queue_regs *regs;
	struct medio_virtq_position position;
	struct medio_virtq_counts counts;
	unsigned in_flight;
	bool live;
};

static void look(const struct medio_virtio_core *core, unsigned index, struct view *v)
{
	const struct medio_virtio_core_queue *q = &core->queues[index];
	*v = (struct view){ .regs = &q->regs, .live = medio_virtq_is_live(q->vq) };
	if (core->pending.positions)
		v->position = core->pending.positions[index];
	else if (v->live)
		medio_virtq_get_position(q->vq, &v->position);
	medio_virtq_get_counts(q->vq, &v->counts);
	v->in_flight = medio_virtq_in_flight(q->vq);
}

static void poll_figures(const struct medio_virtio_core *core, uint64_t *awake_ns, double *cpu)
{
	const struct medio_virtio_polling *p = &core->polling;
	uint64_t now = medio_now_ns();
	*awake_ns = p->awake_ns + (p->awake ? now - p->woke_ns : 0);
	*cpu = 0;
	if (p->live_ns && now > p->live_ns)
		*cpu = (double)(medio_virtio_thread_cpu_ns() - p->live_cpu_ns) /
		       (double)(now - p->live_ns);
}

/* ---- Lines for people -------------------------------------------------------------------------------- */

static void show_status(const struct medio_virtio_core *core, struct text *t)
{
	char names[NAMES];
	medio_virtio_status_print(core->status, names, sizeof(names));
	say(t, "0x%02x %s", core->status, core->status ? names : "reset");
	if (core->resetting)
		say(t, ", a reset waits for %u requests", medio_virtio_core_in_flight(core));
}

static void show_features(const struct medio_virtio_core *core, struct text *t)
{
	char names[NAMES];
	medio_virtio_features_print(core->type->id, core->offered, names, sizeof(names));
	say(t, "offered 0x%016" PRIx64 " %s\n", core->offered, names);
	medio_virtio_features_print(core->type->id, core->accepted, names, sizeof(names));
	say(t, "accepted 0x%016" PRIx64 "%s%s", core->accepted, core->accepted ? " " : "", names);
}

static void show_queues(const struct medio_virtio_core *core, struct text *t)
{
	for (unsigned i = 0; i < core->num_queues; i++) {
		struct view v;
		look(core, i, &v);
		if (i)
			say(t, "\n");
		if (!v.regs->enabled) {
			say(t, "%u off", i);
			continue;
		}
		say(t,
			"%u %s %s %u, avail %u used %u, in flight %u, chains %" PRIu64
			", kicks %" PRIu64 ", interrupts %" PRIu64 ", indirect %" PRIu64,
			i, v.live ? "live" : "enabled", format_of(core), v.regs->size,
			v.position.avail, v.position.used, v.in_flight, v.counts.chains,
			v.counts.kicks, v.counts.interrupts, v.counts.indirect);
	}
}

static void show_poll(const struct medio_virtio_core *core, struct text *t)
{
	const struct medio_virtio *params = medio_virtio_params(core);
	uint64_t awake_ns;
	double cpu;
	poll_figures(core, &awake_ns, &cpu);
	say(t,
		"%s%s%s%s, polls %" PRIu64 ", productive %" PRIu64 ", woken %" PRIu64
		", polling for %.3f s, CPU %.1f %%",
		medio_virtio_poll_names[params->poll], params->poll_queues ? " for queues " : "",
		params->poll_queues ? params->poll_queues : "",
		core->polling.awake ? ", awake" : "", core->polling.rounds,
		core->polling.productive, core->polling.wakes, (double)awake_ns / 1e9, 100 * cpu);
}

/* ---- One JSON object of all of it ----------------------------------------------------------------------- */

/* ["VERSION_1","RING_PACKED","bit 61"] */
static void json_features(uint16_t id, uint64_t features, struct text *t)
{
	const char *comma = "";
	say(t, "[");
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(features >> bit & 1))
			continue;
		const char *name = medio_virtio_feature_name(id, bit);
		if (name)
			say(t, "%s\"%s\"", comma, name);
		else
			say(t, "%s\"bit %u\"", comma, bit);
		comma = ",";
	}
	say(t, "]");
}

static void json_status(const struct medio_virtio_core *core, struct text *t)
{
	const char *comma = "";
	say(t, "\"status\":{\"value\":%u,\"bits\":[", core->status);
	for (unsigned bit = 0; bit < 8; bit++) {
		const char *name = medio_virtio_status_name((uint8_t)(1u << bit));
		if (!(core->status >> bit & 1))
			continue;
		say(t, "%s\"%s\"", comma, name ? name : "?");
		comma = ",";
	}
	say(t, "],\"resetting\":%s}", core->resetting ? "true" : "false");
}

static const char *cap_name(unsigned type)
{
	switch (type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		return "common";
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		return "notify";
	case VIRTIO_PCI_CAP_ISR_CFG:
		return "isr";
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		return "device";
	case VIRTIO_PCI_CAP_PCI_CFG:
		return "pci";
	case MEDIO_VIRTIO_CAP_SHARED_MEMORY:
		return "shared-memory";
	default:
		return "other";
	}
}

static void json_caps(const struct medio_virtio_core *core, struct text *t)
{
	struct medio_virtio_pci_cap cap = { 0 };
	const char *comma = "";
	say(t, "\"capabilities\":[");
	while (medio_virtio_pci_cap_next(core->dev, cap.at, &cap)) {
		say(t,
			"%s{\"type\":\"%s\",\"at\":%u,\"bar\":%u,\"offset\":%" PRIu64
			",\"length\":%" PRIu64,
			comma, cap_name(cap.type), cap.at, cap.bar, cap.offset, cap.length);
		if (cap.type == VIRTIO_PCI_CAP_NOTIFY_CFG)
			say(t, ",\"multiplier\":%u", cap.multiplier);
		if (cap.type == MEDIO_VIRTIO_CAP_SHARED_MEMORY)
			say(t, ",\"id\":%u", cap.id);
		say(t, "}");
		comma = ",";
	}
	say(t, "]");
}

static void json_vector(unsigned vector, struct text *t)
{
	if (vector == MEDIO_VIRTIO_NO_VECTOR)
		say(t, "null");
	else
		say(t, "%u", vector);
}

static void json_queue(const struct medio_virtio_core *core, unsigned index, struct text *t)
{
	const struct medio_virtio_pci *pci = medio_virtio_pci_of(core->dev);
	struct view v;
	look(core, index, &v);
	if (!v.regs->enabled) {
		say(t, "%s{\"index\":%u,\"enabled\":false,\"max_size\":%u}", index ? "," : "",
			index, v.regs->max_size);
		return;
	}
	say(t,
		"%s{\"index\":%u,\"enabled\":true,\"live\":%s,\"resetting\":%s,\"format\":\"%s\","
		"\"size\":%u,\"max_size\":%u,\"desc\":%" PRIu64 ",\"driver\":%" PRIu64
		",\"device\":%" PRIu64,
		index ? "," : "", index, v.live ? "true" : "false",
		v.regs->resetting ? "true" : "false", format_of(core), v.regs->size,
		v.regs->max_size, v.regs->desc, v.regs->driver, v.regs->device);
	say(t,
		",\"avail\":%u,\"used\":%u,\"in_flight\":%u,\"chains\":%" PRIu64
		",\"indirect\":%" PRIu64 ",\"kicks\":%" PRIu64 ",\"interrupts\":%" PRIu64
		",\"flushes\":%" PRIu64,
		v.position.avail, v.position.used, v.in_flight, v.counts.chains, v.counts.indirect,
		v.counts.kicks, v.counts.interrupts, v.counts.flushes);
	if (pci) {
		say(t, ",\"vector\":");
		json_vector(pci->vectors[index], t);
	}
	say(t, "}");
}

static void json_poll(const struct medio_virtio_core *core, struct text *t)
{
	const struct medio_virtio *params = medio_virtio_params(core);
	const struct medio_virtio_polling *p = &core->polling;
	uint64_t awake_ns;
	double cpu;
	poll_figures(core, &awake_ns, &cpu);
	say(t,
		"\"poll\":{\"mode\":\"%s\",\"awake\":%s,\"polls\":%" PRIu64
		",\"productive\":%" PRIu64 ",\"wakes\":%" PRIu64 ",\"awake_ns\":%" PRIu64
		",\"cpu\":%.4f,\"queues\":[",
		medio_virtio_poll_names[params->poll], p->awake ? "true" : "false", p->rounds,
		p->productive, p->wakes, awake_ns, cpu);
	const char *comma = "";
	for (unsigned i = 0; params->poll != MEDIO_VIRTIO_POLL_OFF && i < core->num_queues; i++) {
		if (core->queues[i].quiet)
			continue;
		say(t, "%s%u", comma, i);
		comma = ",";
	}
	say(t, "]}");
}

static void show_state(const struct medio_virtio_core *core, struct text *t)
{
	const struct medio_virtio_pci *pci = medio_virtio_pci_of(core->dev);
	const char *kind = medio_virtio_kind_name(core->type->id);
	say(t, "{\"id\":%u,\"kind\":\"%s\",", core->type->id, kind ? kind : "unknown");
	json_status(core, t);
	say(t, ",\"features\":{\"offered\":\"0x%" PRIx64 "\",\"offered_names\":", core->offered);
	json_features(core->type->id, core->offered, t);
	say(t, ",\"accepted\":\"0x%" PRIx64 "\",\"accepted_names\":", core->accepted);
	json_features(core->type->id, core->accepted, t);
	say(t, "},\"config\":{\"size\":%u,\"generation\":%u}", core->type->config_size,
		core->generation);
	if (pci) {
		int irq = medio_irq_kind(core->dev);
		say(t, ",\"interrupts\":{\"kind\":\"%s\",\"isr\":%u,\"config_vector\":",
			irq == MEDIO_IRQ_MSIX	? "msix"
			: irq == MEDIO_IRQ_INTX ? "intx"
						: "none",
			pci->isr);
		json_vector(pci->config_vector, t);
		say(t, ",\"queue\":%" PRIu64 ",\"config\":%" PRIu64 "},", pci->interrupts,
			pci->config_interrupts);
		json_caps(core, t);
	}
	say(t, ",\"queues\":[");
	for (unsigned i = 0; i < core->num_queues; i++)
		json_queue(core, i, t);
	say(t, "],");
	json_poll(core, t);
	say(t, "}");
}

ssize_t medio_virtio_attr_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size)
{
	static const struct {
		const char *name;
		void (*show)(const struct medio_virtio_core *core, struct text *t);
	} all[] = {
		{ "virtio/status", show_status },
		{ "virtio/features", show_features },
		{ "virtio/queues", show_queues },
		{ "virtio/poll", show_poll },
		{ "virtio/state", show_state },
	};
	struct text t = { buf, size, 0 };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (strcmp(attr->name, all[i].name) != 0)
			continue;
		all[i].show(medio_virtio_core_of(dev), &t);
		return t.len < size ? (ssize_t)t.len : -ENOBUFS;
	}
	return -ENOENT;
}
