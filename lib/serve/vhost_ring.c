/* SPDX-License-Identifier: BSD-3-Clause */
/* When a ring runs: it is started and enabled, all is known of it, and the driver's features are taken. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "device/signal.h"
#include "device/stats.h"
#include "iommu/iommu.h"
#include "serve/vhost_log.h"
#include "serve/vhost_session.h"

void medio_vhost_ring_init(struct medio_vhost_session *s, unsigned index)
{
	s->rings[index] = (struct medio_vhost_ring){
		.session = s,
		.index = index,
		.kick_fd = -1,
		.call_fd = -1,
		.err_fd = -1,
	};
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void medio_vhost_ring_fini(struct medio_vhost_ring *ring)
{
	medio_vhost_ring_stop(ring);
	close_fd(&ring->call_fd);
	close_fd(&ring->err_fd);
}

bool medio_vhost_rings_live(const struct medio_vhost_session *s)
{
	for (unsigned i = 0; i < s->num_rings; i++)
		if (s->rings[i].live)
			return true;
	return false;
}

/* ---- Stopping ------------------------------------------------------------------------------------------ */

/* A ring that cannot notify keeps us looking. */
static void look_or_not(struct medio_vhost_session *s)
{
	bool look = false;
	for (unsigned i = 0; i < s->num_rings; i++)
		look |= s->rings[i].live && s->rings[i].polled;
	medio_virtio_core_poll_always(s->core, look);
}

void medio_vhost_ring_rest(struct medio_vhost_ring *ring)
{
	struct medio_vhost_session *s = ring->session;
	struct medio_virtq_position position;
	ring->failed = false;
	if (!ring->live)
		return;
	medio_virtio_core_queue_stop(s->core, ring->index, &position);
	ring->live = false;
	ring->base = medio_vhu_base_put(
		(struct medio_vhu_base){ position.avail, position.used }, medio_vhost_is_packed(s));
	ring->has_base = true;
	/* "No further update must be done before rings are restarted." */
	medio_vhost_log_sync(s->log);
	medio_vhost_log_set_ring(s->log, ring->index, 0, 0, 0);
	look_or_not(s);
	/* A driver that is gone leaves all rings stopped; so does one that only pauses. */
	if (!s->status_set && !medio_vhost_rings_live(s))
		s->inherited = true;
}

/* The next driver may kick through the same eventfd before its ring is set up: it is not ours any more. */
void medio_vhost_ring_stop(struct medio_vhost_ring *ring)
{
	medio_vhost_ring_rest(ring);
	medio_watch_free(ring->kick);
	ring->kick = NULL;
	close_fd(&ring->kick_fd);
	ring->started = ring->polled = false;
}

/* ---- Starting ------------------------------------------------------------------------------------------ */

int medio_vhost_ring_log(struct medio_vhost_ring *ring)
{
	struct medio_vhost_session *s = ring->session;
	bool packed = medio_vhost_is_packed(s);
	/* Split: flags, idx, elements and avail_event (VIRTIO 1.3, 2.7.8). Packed: the ring (2.8). */
	uint64_t size = packed ? ring->size * 16u : 6u + ring->size * 8u;
	if (!(ring->addr.flags & MEDIO_VHU_ADDR_LOG))
		size = 0;
	return medio_vhost_log_set_ring(
		s->log, ring->index, packed ? ring->desc : ring->device, size, ring->addr.log);
}

static void fail(struct medio_vhost_ring *ring)
{
	ring->failed = true;
	medio_signal(ring->err_fd, ring->err_blocks);
}

static bool translate(struct medio_vhost_ring *ring)
{
	struct medio_vhost_session *s = ring->session;
	const struct {
		uint64_t user;
		uint64_t *guest;
		const char *name;
	} areas[] = {
		{ ring->addr.desc, &ring->desc, "descriptors" },
		{ ring->addr.avail, &ring->driver, "driver area" },
		{ ring->addr.used, &ring->device, "device area" },
	};
	for (unsigned i = 0; i < sizeof(areas) / sizeof(*areas); i++) {
		if (medio_vhost_translate(s, areas[i].user, areas[i].guest))
			continue;
		medio_instance_guest_error(s->inst,
			"front-end: ring %u cannot run: its %s at user address 0x%llx are in none of "
			"the %u regions of memory",
			ring->index, areas[i].name, (unsigned long long)areas[i].user,
			s->num_regions);
		return false;
	}
	return true;
}

/* Where the front-end has it go on. The used index of a split ring is in the ring alone. */
static struct medio_virtq_position position_of(const struct medio_vhost_ring *ring)
{
	struct medio_vhost_session *s = ring->session;
	bool packed = medio_vhost_is_packed(s);
	uint32_t num = ring->has_base ? ring->base : packed ? 0x8000 : 0;
	struct medio_vhu_base base = medio_vhu_base_get(num, packed);
	uint8_t used[2] = { 0 };
	if (!packed && medio_iommu_read(medio_instance_iommu(s->inst), ring->device + 2, used,
			       sizeof(used)) == 0)
		base.used = (uint16_t)medio_get_le(used, sizeof(used));
	return (struct medio_virtq_position){ base.avail, base.used };
}

/* All that is said of rings is that they begin: this is another driver than the one before. */
static bool all_begin(const struct medio_vhost_session *s)
{
	bool packed = medio_vhost_is_packed(s);
	for (unsigned i = 0; i < s->num_rings; i++) {
		const struct medio_vhost_ring *ring = &s->rings[i];
		struct medio_vhu_base base = medio_vhu_base_get(ring->base, packed);
		if (!ring->started || !ring->has_base)
			continue;
		if (packed ? base.avail != 0x8000 || base.used != 0x8000 : base.avail != 0)
			return false;
	}
	return true;
}

static bool may_run(const struct medio_vhost_ring *ring)
{
	return !ring->live && !ring->failed && ring->started && ring->enabled && ring->has_addr &&
	       ring->size && medio_vhost_features_ok(ring->session);
}

static void start(struct medio_vhost_ring *ring)
{
	struct medio_vhost_session *s = ring->session;
	char words[MEDIO_VIRTQ_WORDS] = "it cannot be started";
	if (!translate(ring)) {
		fail(ring);
		return;
	}
	struct medio_virtq_position position = position_of(ring);
	/* The used index of a split ring tells what a front-end does not; a packed ring's position is all in its base. */
	bool begins = all_begin(s) && (medio_vhost_is_packed(s) || !position.used);
	if (s->inherited && !medio_vhost_rings_live(s) && begins)
		medio_vhost_new_driver(s);
	s->inherited = false;
	if (!medio_vhost_features_ok(s))
		return;
	medio_vhost_driver_up(s);
	struct medio_virtio_queue_regs *regs = medio_virtio_core_queue(s->core, ring->index);
	regs->size = (uint16_t)ring->size;
	regs->desc = ring->desc;
	regs->driver = ring->driver;
	regs->device = ring->device;
	int ret = medio_virtio_core_queue_start_at(s->core, ring->index, &position,
		medio_vhost_inflight_notes(s, ring->index, ring->size), words);
	if (ret) {
		medio_instance_guest_error(
			s->inst, "front-end: ring %u cannot run: %s", ring->index, words);
		fail(ring);
		return;
	}
	ring->live = true;
	medio_vhost_ring_log(ring);
	/* Nobody knows whether the driver has heard of what was used last. */
	if (ring->has_base)
		medio_signal(ring->call_fd, ring->call_blocks);
	medio_vhost_config_tell(s);
}

void medio_vhost_rings_update(struct medio_vhost_session *s)
{
	for (unsigned i = 0; i < s->num_rings; i++)
		if (may_run(&s->rings[i]))
			start(&s->rings[i]);
	look_or_not(s);
}

void medio_vhost_rings_retry(struct medio_vhost_session *s)
{
	for (unsigned i = 0; i < s->num_rings; i++)
		s->rings[i].failed = false;
	medio_vhost_rings_update(s);
}

/* ---- Changes --------------------------------------------------------------------------------------------- */

/* One whose memory has gone rests by itself until it is back. */
static bool moved(const struct medio_vhost_ring *ring)
{
	const struct medio_vhost_session *s = ring->session;
	uint64_t desc, driver, device;
	return medio_vhost_translate(s, ring->addr.desc, &desc) &&
	       medio_vhost_translate(s, ring->addr.avail, &driver) &&
	       medio_vhost_translate(s, ring->addr.used, &device) &&
	       (desc != ring->desc || driver != ring->driver || device != ring->device);
}

void medio_vhost_rings_moved(struct medio_vhost_session *s)
{
	for (unsigned i = 0; i < s->num_rings; i++)
		if (s->rings[i].live && moved(&s->rings[i]))
			medio_vhost_ring_rest(&s->rings[i]);
	medio_vhost_rings_retry(s);
}

void medio_vhost_ring_call(struct medio_vhost_ring *ring)
{
	if (ring->call_fd < 0)
		return;
	medio_signal(ring->call_fd, ring->call_blocks);
	medio_stat_add(&medio_instance_counters(ring->session->inst)->irqs, 1);
}

void medio_vhost_rings_error(struct medio_vhost_session *s)
{
	for (unsigned i = 0; i < s->num_rings; i++)
		medio_signal(s->rings[i].err_fd, s->rings[i].err_blocks);
}
