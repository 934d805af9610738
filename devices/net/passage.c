/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a frame through a switch: may it come in, where does it go, and how does it look there. */
#include <string.h>

#include "fabric_inside.h"
#include "frame.h"
#include "vlan.h"

/* A frame on its way. */
struct passing {
	struct fabric_port *from;
	const struct net_frame *frame; /* as it came, but for a priority that an access port said */
	uint8_t head[VLAN_HEAD];
	unsigned vlan; /* that it is in; 0: none */
	bool tagged;   /* frame has its tag */
	bool later;
	bool watched, copied; /* the mirror is to have it, and has */
	/* The other form, once somebody needs it. */
	enum { VIEW_NONE, VIEW_MADE, VIEW_IMPOSSIBLE } view_state;
	struct vlan_view view;
};

/* ---- Out of the switch ----------------------------------------------------------------------------- */

static uint64_t bytes_of(const struct net_frame *frames, unsigned n)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += frames[i].bytes;
	return bytes;
}

static void give(struct fabric_port *to, const struct net_frame *frames, unsigned n, bool later)
{
	struct fabric *f = to->fabric;
	unsigned taken = to->ops->give(to->opaque, frames, n, later);

	to->counts.received += taken;
	to->counts.received_bytes += taken == n ? bytes_of(frames, n) : bytes_of(frames, taken);
	to->counts.dropped += n - taken;
	if (to->touched || later)
		return;
	to->touched = true;
	f->touched[f->num_touched++] = to;
}

static bool is_member(const struct fabric_port *port, unsigned vlan)
{
	return !port->settings.vlan || port->settings.vlan == vlan;
}

static bool looks_the_same(const struct fabric_port *to, const struct passing *p)
{
	return !p->vlan || p->tagged == !to->settings.vlan;
}

/* The frame with the tag that it has not, or without; NULL: it cannot be. */
static const struct net_frame *other_form(struct passing *p)
{
	if (p->view_state == VIEW_NONE) {
		bool made = p->tagged ? vlan_strip(&p->view, p->frame)
				      : vlan_insert(&p->view, p->frame, p->vlan);
		p->view_state = made ? VIEW_MADE : VIEW_IMPOSSIBLE;
	}
	return p->view_state == VIEW_MADE ? &p->view.frame : NULL;
}

static void give_one(struct fabric_port *to, struct passing *p)
{
	const struct net_frame *frame = looks_the_same(to, p) ? p->frame : other_form(p);

	if (!frame || !to->up) {
		to->counts.dropped++;
		return;
	}
	p->watched |= to->mirrored;
	p->copied |= to == to->fabric->mirror;
	give(to, frame, 1, p->later);
}

static void give_mirror(struct fabric *f, struct passing *p)
{
	struct fabric_port *to = f->mirror;

	if (!to || !to->up || p->copied || p->from == to || !(p->watched || p->from->mirrored))
		return;
	const struct net_frame *frame = p->vlan && !p->tagged ? other_form(p) : p->frame;
	if (frame)
		give(to, frame, 1, p->later);
}

static bool is_broadcast(const uint8_t mac[6])
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

static void to_group(struct fabric *f, struct passing *p)
{
	bool broadcast = is_broadcast(p->head);

	for (unsigned i = 0; i < f->num_ports; i++) {
		struct fabric_port *to = f->ports[i];
		if (to == p->from || !to->up || !is_member(to, p->vlan))
			continue;
		if (!to->settings.trust && !broadcast && to->ops->wants &&
			!to->ops->wants(to->opaque, p->head))
			continue;
		give_one(to, p);
	}
}

static void to_unknown(struct fabric *f, struct passing *p)
{
	for (unsigned i = 0; i < f->num_trusted; i++) {
		struct fabric_port *to = f->trusted[i];
		if (to != p->from && to->up && is_member(to, p->vlan))
			give_one(to, p);
	}
}

/* ---- Into the switch ------------------------------------------------------------------------------- */

static bool is_own(const struct fabric_port *port, const uint8_t mac[6])
{
	if (memcmp(port->settings.mac, mac, 6) == 0)
		return true;
	for (unsigned i = 0; port->settings.trust && i < port->num_macs; i++) {
		if (memcmp(port->macs[i], mac, 6) == 0)
			return true;
	}
	return false;
}

/* Which VLAN it is in. A tag that only says a priority is as none. False: it must not come in. */
static bool classify(struct passing *p)
{
	unsigned access = p->from->settings.vlan;
	size_t len = p->frame->bytes < VLAN_HEAD ? p->frame->bytes : VLAN_HEAD;
	struct vlan_tag tag = vlan_read(p->head, len);

	p->vlan = access;
	p->tagged = false;
	if (!tag.any)
		return true;
	if (!access) { /* tags of other kinds are none of ours */
		p->vlan = tag.proper ? tag.vlan : 0;
		p->tagged = p->vlan != 0;
		return true;
	}
	/* Nor must there be a tag behind one that only says a priority, which is taken off. */
	return tag.proper && !tag.vlan && !vlan_is_tag(frame_get16(p->head + VLAN_HEAD - 2));
}

static bool admit(struct passing *p)
{
	struct fabric_port *from = p->from;

	if (!from->up || !classify(p)) {
		from->counts.dropped++;
		return false;
	}
	if (from->settings.spoofchk && from->settings.has_mac && !is_own(from, p->head + 6)) {
		from->counts.spoofed++;
		return false;
	}
	from->counts.sent++;
	from->counts.sent_bytes += p->frame->bytes;
	return true;
}

/* The one port that it is for; NULL: all that may have it. */
static struct fabric_port *find(struct fabric *f, const struct passing *p, uint64_t now)
{
	if (p->head[0] & 1)
		return NULL;
	struct fabric_port *to = fabric_owner(f, p->head);
	if (to && is_member(to, p->vlan))
		return to;
	to = (struct fabric_port *)stations_find(&f->stations, p->vlan, p->head, now);
	return to && is_member(to, p->vlan) ? to : NULL;
}

static void learn(struct fabric *f, const struct passing *p, uint64_t now)
{
	const struct fabric_port *owner;

	if (!p->from->settings.trust)
		return;
	/* Whose address it is stays so. */
	owner = fabric_owner(f, p->head + 6);
	if (!owner || !is_member(owner, p->vlan))
		stations_learn(&f->stations, &p->from->owner, p->vlan, p->head + 6, now);
}

/* ---- Bursts ---------------------------------------------------------------------------------------- */

/* Frames one after the other that go to the same port as they are. */
struct run {
	struct fabric_port *to;
	const struct net_frame *first;
	unsigned n;
};

static void run_end(struct run *run, bool later)
{
	if (run->n)
		give(run->to, run->first, run->n, later);
	run->n = 0;
}

/* To one port. With a mirror each goes by itself. */
static void to_one(struct fabric *f, struct run *run, struct fabric_port *to, struct passing *p)
{
	if (f->mirror || !to->up || p->view_state != VIEW_NONE || !looks_the_same(to, p)) {
		run_end(run, p->later);
		give_one(to, p);
		return;
	}
	if (run->n && (run->to != to || run->first + run->n != p->frame))
		run_end(run, p->later);
	if (!run->n)
		*run = (struct run){ .to = to, .first = p->frame };
	run->n++;
}

static void pass(struct fabric *f, struct run *run, struct passing *p, uint64_t now)
{
	learn(f, p, now);
	struct fabric_port *to = find(f, p, now);
	if (to && to != p->from) {
		to_one(f, run, to, p);
	} else if (!to) {
		run_end(run, p->later);
		if (p->head[0] & 1)
			to_group(f, p);
		else
			to_unknown(f, p);
	}
	if (f->mirror)
		give_mirror(f, p);
}

/*
 * Frames whose first bytes were checked, and can change no more: the driver that sent them can still write to
 * the rest. In a row, so that a burst of them stays one.
 */
struct held {
	unsigned n;
	struct net_frame frames[NET_BURST];
	struct iovec iov[NET_BURST][2];
	uint8_t head[NET_BURST][VLAN_HEAD];
};

static bool is_checked(const struct fabric_port *from)
{
	return !from->settings.trust || from->settings.spoofchk || from->settings.vlan;
}

/* Most frames are in one piece; the view is for others. */
static bool hold(struct passing *p, struct held *held, struct vlan_view *view)
{
	const struct net_frame *frame = p->frame;
	size_t len = frame->bytes < VLAN_HEAD ? frame->bytes : VLAN_HEAD;
	unsigned i = held->n;

	if (frame->niov != 1) {
		p->frame = &view->frame;
		return vlan_hold(view, frame, p->head, len);
	}
	held->n++;
	memcpy(held->head[i], p->head, VLAN_HEAD);
	held->iov[i][0] = (struct iovec){ held->head[i], len };
	held->iov[i][1] = (struct iovec){ (uint8_t *)frame->iov->iov_base + len,
		frame->bytes - len };
	held->frames[i] = *frame;
	held->frames[i].iov = held->iov[i];
	held->frames[i].niov = frame->bytes > len ? 2 : 1;
	p->frame = &held->frames[i];
	return true;
}

/* A priority that an access port says is left out; the frame is then as any other of its VLAN. */
static bool without_priority(struct passing *p, struct vlan_view *view)
{
	if (!p->from->settings.vlan || frame_get16(p->head + 12) != 0x8100)
		return true;
	bool made = vlan_strip(view, p->frame);
	p->frame = &view->frame;
	return made;
}

static void take(
	struct fabric *f, struct run *run, struct held *held, struct passing *p, uint64_t now)
{
	const struct net_frame *came = p->frame;
	struct vlan_view views[2];

	if (came->iov->iov_len >= VLAN_HEAD)
		memcpy(p->head, came->iov->iov_base, VLAN_HEAD);
	else
		frame_copy(came, 0, p->head, VLAN_HEAD);
	if (!admit(p))
		return;
	if (is_checked(p->from) && !(hold(p, held, &views[0]) && without_priority(p, &views[1])))
		p->from->counts.dropped++;
	else
		pass(f, run, p, now);
	/* What is seen through a view goes with it. */
	if (p->frame == &views[0].frame || p->frame == &views[1].frame)
		run_end(run, p->later);
	p->frame = came;
}

unsigned fabric_send(
	struct fabric_port *from, const struct net_frame *frames, unsigned n, uint64_t now)
{
	struct fabric *f = from->fabric;
	struct run run = { 0 };
	struct passing p; /* the views in these are large, and few need them */
	struct held held;
	unsigned i;

	held.n = 0;
	p.from = from;
	p.later = f->busy; /* a card answers before it has taken what it is given */
	f->busy = true;
	from->waiting = false;
	for (i = 0; i < n && rate_may(&from->rate, now); i++) {
		if (held.n == NET_BURST) {
			run_end(&run, p.later);
			held.n = 0;
		}
		rate_take(&from->rate, frames[i].bytes, now);
		p.frame = &frames[i];
		p.view_state = VIEW_NONE;
		p.watched = p.copied = false;
		take(f, &run, &held, &p, now);
	}
	run_end(&run, p.later);
	f->busy = p.later;
	if (i < n) {
		from->waiting = true;
		from->counts.limited++;
	}
	return i;
}

uint64_t fabric_wait(const struct fabric_port *port, uint64_t now)
{
	return rate_wait(&port->rate, now);
}

void fabric_flush(struct fabric *f)
{
	while (f->num_touched) {
		struct fabric_port *port = f->touched[--f->num_touched];

		port->touched = false;
		port->ops->given(port->opaque);
	}
}
