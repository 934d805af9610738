/* SPDX-License-Identifier: BSD-3-Clause */
/* Which network it is, and the way of a frame through it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "frame.h"
#include "record.h"

/* Pieces of a frame that are made in one go. A driver can ask for thousands (65535 bytes in pieces of 8), and
 * other devices are not to wait for that. */
#define PIECES_AT_ONCE 256u

/* ---- Choice ------------------------------------------------------------------------------------------- */

struct choice {
	const char *name;
	const struct net_backend *backend;
	bool chosen;
};

#define NUM_CHOICES 7

static void list_choices(const struct net_options *opts, struct choice choices[NUM_CHOICES])
{
	const struct choice all[NUM_CHOICES] = {
		{ "user", &net_user, opts->user },
		{ "tap", &net_tap, opts->tap },
		{ "socket", &net_socket, opts->socket },
		{ "switch", &net_switch, opts->switch_ },
		{ "null", &net_null, opts->null },
		{ "loop", &net_loop, opts->loop },
		{ "port", &net_port_backend, opts->fabric },
	};

	memcpy(choices, all, sizeof(all));
}

static int check_extras(struct medio_dev *dev, const struct net_options *opts,
	const struct net_backend *backend, const char *name)
{
	const char *extra = opts->hostfwd      ? "hostfwd"
			    : opts->tftp       ? "tftp"
			    : opts->bootfile   ? "bootfile"
			    : opts->restricted ? "restricted"
					       : NULL;

	if (extra && backend != &net_user)
		return medio_fail(dev, EINVAL,
			"%s: this is for the network 'user' only, and the one chosen is '%s'",
			extra, name);
	return 0;
}

/* NULL: *ret is what medio_fail() gave. */
static const struct net_backend *choose(
	struct medio_dev *dev, const struct net_options *opts, int *ret)
{
	struct choice choices[NUM_CHOICES];
	const struct choice *chosen = NULL;

	list_choices(opts, choices);
	for (unsigned i = 0; i < NUM_CHOICES; i++) {
		if (!choices[i].chosen)
			continue;
		if (chosen) {
			*ret = medio_fail(dev, EINVAL,
				"%s and %s: a card has one network: one of user, tap, socket, "
				"switch, null, loop",
				chosen->name, choices[i].name);
			return NULL;
		}
		chosen = &choices[i];
	}
	if (!chosen)
		chosen = &choices[0];
	*ret = check_extras(dev, opts, chosen->backend, chosen->name);
	return *ret ? NULL : chosen->backend;
}

void net_describe_as(struct net *net, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(net->text, sizeof(net->text), fmt, ap);
	va_end(ap);
}

static int cut_init(struct net_cut *cut)
{
	cut->copy = malloc(NET_MAX_FRAME);
	cut->piece_bytes = malloc(NET_MAX_FRAME);
	return cut->copy && cut->piece_bytes ? 0 : -ENOMEM;
}

static void cut_fini(struct net_cut *cut)
{
	free(cut->copy);
	free(cut->piece_bytes);
}

static void net_free(struct net *net)
{
	medio_timer_free(net->later);
	net_pcap_close(net->pcap);
	net_queue_fini(&net->queue);
	cut_fini(&net->in);
	cut_fini(&net->out);
	free(net);
}

static void on_later(void *opaque)
{
	struct net *net = opaque;

	if (net->out.active && net->out.paused) {
		net_room(net);
		net_flush(net);
	}
	if (net->in.active && net->in.paused)
		net_resume(net);
}

int net_open(struct medio_dev *dev, const struct net_options *opts, const struct net_events *events,
	void *opaque, struct net **out)
{
	int ret;
	const struct net_backend *backend = choose(dev, opts, &ret);

	if (!backend)
		return ret;
	struct net *net = calloc(1, sizeof(*net));
	if (!net || cut_init(&net->in) || cut_init(&net->out)) {
		if (net)
			net_free(net);
		return medio_fail(dev, ENOMEM, "no memory for a network");
	}
	net->dev = dev;
	net->opts = opts;
	net->events = events;
	net->opaque = opaque;
	net->backend = backend;
	net_describe_as(net, "%s", backend->name);
	net->later = medio_timer_new(dev, on_later, net);
	ret = net->later ? 0 : medio_fail(dev, ENOMEM, "no memory for a network");
	if (!ret && opts->pcap)
		ret = net_pcap_open(dev, opts->pcap, &net->pcap);
	if (!ret)
		ret = backend->open(net);
	if (ret) {
		net_free(net);
		return ret;
	}
	*out = net;
	return 0;
}

void net_close(struct net *net)
{
	if (!net)
		return;
	net->backend->close(net);
	net_free(net);
}

/* ---- Frames that are cut -------------------------------------------------------------------------------- */

typedef int net_give(struct net *net, const struct net_frame *frame);

static int give_card(struct net *net, const struct net_frame *frame)
{
	int ret = net->events->receive(net->opaque, frame);

	if (!ret)
		net->fresh = true;
	return ret;
}

static int give_backend(struct net *net, const struct net_frame *frame)
{
	return net->backend->send(net, frame);
}

/* Give pieces out of frame until there are no more, 0, or the taker has no room or it was enough for now,
 * -EAGAIN. */
static int cut_go(
	struct net *net, struct net_cut *cut, const struct net_frame *frame, net_give *give)
{
	cut->paused = false;
	for (unsigned i = 0; i < PIECES_AT_ONCE; i++) {
		if (!cut->waiting && !offload_next(&cut->offload, frame, cut->piece_bytes,
					     &cut->piece, &cut->piece_iov))
			return 0;
		cut->waiting = true;
		if (give(net, &cut->piece) == -EAGAIN)
			return -EAGAIN;
		cut->waiting = false;
	}
	cut->paused = true;
	medio_timer_arm(net->later, 0);
	return -EAGAIN;
}

/* cut->offload says what frame is. -EAGAIN: nothing of it has been taken. */
static int cut_begin(
	struct net *net, struct net_cut *cut, const struct net_frame *frame, net_give *give)
{
	cut->waiting = false;
	int ret = cut_go(net, cut, frame, give);
	if (ret && cut->offload.pieces <= 1)
		return ret;
	if (ret) {
		frame_copy(frame, 0, cut->copy, frame->bytes);
		frame_plain(&cut->frame, &cut->iov, cut->copy, frame->bytes);
		cut->active = true;
	}
	if (cut->offload.cut)
		net->counts.cut++;
	else
		net->counts.summed++;
	return 0;
}

/* The rest of one that was begun. */
static int cut_again(struct net *net, struct net_cut *cut, net_give *give)
{
	if (!cut->active)
		return 0;
	int ret = cut_go(net, cut, &cut->frame, give);
	cut->active = ret == -EAGAIN;
	return ret;
}

/* As it is, if can says that the taker understands it; else cut. */
static int pass(struct net *net, struct net_cut *cut, unsigned can, const struct net_frame *frame,
	net_give *give)
{
	if (cut->offload.needs & ~can)
		return cut_begin(net, cut, frame, give);
	struct net_frame checked = *frame;
	checked.hdr = cut->offload.hdr;
	/* A kernel's word for a checksum is passed on to a driver, a driver's to nobody (5.1.6.2.1). */
	if (cut == &net->in && !cut->offload.needs && can & NET_CAN_CSUM)
		checked.hdr.flags = frame->hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID;
	return give(net, &checked);
}

/* ---- Bursts ------------------------------------------------------------------------------------------------ */

/* Is there nothing to be made of it, whoever takes it? offload_read() says no more of such a frame. */
static inline bool is_plain(const struct net_frame *frame)
{
	static const struct virtio_net_hdr_v1 none;

	return frame->bytes >= FRAME_MIN && frame->bytes <= NET_MAX_FRAME &&
	       memcmp(&frame->hdr, &none, sizeof(none)) == 0;
}

/* How many of the first of n frames are plain. */
static unsigned plain_ones(const struct net_frame *frames, unsigned n)
{
	unsigned i = 0;

	while (i < n && is_plain(&frames[i]))
		i++;
	return i;
}

static uint64_t bytes_of(const struct net_frame *frames, unsigned n)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += frames[i].bytes;
	return bytes;
}

static void record(struct net *net, const struct net_frame *frames, unsigned n)
{
	if (!net->pcap)
		return;
	for (unsigned i = 0; i < n; i++)
		net_pcap_record(net->pcap, &frames[i]);
}

/* ---- From the card ---------------------------------------------------------------------------------------- */

static void complain(struct net *net, const struct net_frame *frame, const char *why)
{
	const struct virtio_net_hdr_v1 *hdr = &frame->hdr;

	net->counts.dropped++;
	medio_guest_error(net->dev,
		"a frame of %zu bytes cannot be sent (flags %u, gso_type %u, gso_size %u, csum_start %u, "
		"csum_offset %u): %s",
		frame->bytes, hdr->flags, hdr->gso_type, (unsigned)medio_get_le(&hdr->gso_size, 2),
		(unsigned)medio_get_le(&hdr->csum_start, 2),
		(unsigned)medio_get_le(&hdr->csum_offset, 2), why);
}

int net_send(struct net *net, const struct net_frame *frame)
{
	const char *why;

	/* What is under way goes first. */
	if (net->out.active) {
		net->starved = true;
		return -EAGAIN;
	}
	if (offload_read(&net->out.offload, frame, &why)) {
		complain(net, frame, why);
		return 0;
	}
	if (!net->up) {
		net->counts.dropped++;
		return 0;
	}
	int ret = pass(net, &net->out, net->takes, frame, give_backend);
	if (ret == -EAGAIN) {
		net->starved = true;
		return ret;
	}
	net->counts.sent++;
	net->counts.sent_bytes += frame->bytes;
	record(net, frame, 1);
	return 0;
}

static unsigned send_plain(struct net *net, const struct net_frame *frames, unsigned n)
{
	unsigned sent = net->backend->send_many(net, frames, n);

	if (sent < n)
		net->starved = true;
	net->counts.sent += sent;
	net->counts.sent_bytes += bytes_of(frames, sent);
	record(net, frames, sent);
	return sent;
}

unsigned net_send_many(struct net *net, const struct net_frame *frames, unsigned n)
{
	unsigned done = 0;

	while (done < n) {
		bool many = net->backend->send_many && net->up && !net->out.active;
		unsigned run = many ? plain_ones(frames + done, n - done) : 0;

		if (!run) {
			if (net_send(net, &frames[done]) == -EAGAIN)
				break;
			done++;
			continue;
		}
		unsigned sent = send_plain(net, frames + done, run);
		done += sent;
		if (sent < run)
			break;
	}
	return done;
}

void net_flush(struct net *net)
{
	if (net->backend->flush)
		net->backend->flush(net);
	net_delivered(net);
}

void net_room(struct net *net)
{
	if (cut_again(net, &net->out, give_backend) || !net->starved)
		return;
	net->starved = false;
	if (net->events->ready)
		net->events->ready(net->opaque);
}

/* ---- To the card -------------------------------------------------------------------------------------------- */

int net_deliver(struct net *net, const struct net_frame *frame)
{
	const char *why;

	if (net->blocked)
		return -EAGAIN;
	if (offload_read(&net->in.offload, frame, &why)) {
		net->counts.dropped++;
		return 0;
	}
	int ret = pass(net, &net->in, net->can, frame, give_card);
	net->blocked = ret == -EAGAIN || net->in.active;
	if (ret == -EAGAIN)
		return ret;
	net->counts.received++;
	net->counts.received_bytes += frame->bytes;
	record(net, frame, 1);
	return 0;
}

static unsigned deliver_plain(struct net *net, const struct net_frame *frames, unsigned n)
{
	unsigned taken = net->events->receive_many(net->opaque, frames, n);

	net->blocked = taken < n;
	if (!taken)
		return 0;
	net->fresh = true;
	net->counts.received += taken;
	net->counts.received_bytes += bytes_of(frames, taken);
	record(net, frames, taken);
	return taken;
}

unsigned net_deliver_many(struct net *net, const struct net_frame *frames, unsigned n)
{
	unsigned done = 0;

	while (done < n) {
		bool many = net->events->receive_many && !net->blocked;
		unsigned run = many ? plain_ones(frames + done, n - done) : 0;

		if (!run) {
			if (net_deliver(net, &frames[done]) == -EAGAIN)
				break;
			done++;
			continue;
		}
		unsigned taken = deliver_plain(net, frames + done, run);
		done += taken;
		if (taken < run)
			break;
	}
	return done;
}

void net_deliver_or_queue(struct net *net, const struct net_frame *frame)
{
	if (!net->queue.count && net_deliver(net, frame) != -EAGAIN)
		return;
	if (!net_queue_put(&net->queue, frame))
		net->counts.dropped++;
}

void net_deliver_or_queue_many(struct net *net, const struct net_frame *frames, unsigned n)
{
	unsigned i = net->queue.count ? 0 : net_deliver_many(net, frames, n);

	for (; i < n; i++)
		net_deliver_or_queue(net, &frames[i]);
}

void net_delivered(struct net *net)
{
	if (!net->fresh)
		return;
	net->fresh = false;
	if (net->events->received)
		net->events->received(net->opaque);
}

void net_resume(struct net *net)
{
	struct net_frame frame;
	struct iovec iov;

	net->blocked = cut_again(net, &net->in, give_card) == -EAGAIN;
	while (!net->blocked && net_queue_peek(&net->queue, &frame, &iov) &&
		net_deliver(net, &frame) != -EAGAIN)
		net_queue_drop(&net->queue);
	if (!net->blocked && net->backend->resume)
		net->backend->resume(net);
	net_delivered(net);
}

/* ---- What else a card asks ----------------------------------------------------------------------------------- */

void net_set_up(struct net *net, bool up)
{
	if (net->up == up)
		return;
	net->up = up;
	if (net->events->link)
		net->events->link(net->opaque, up);
}

void net_set_can(struct net *net, unsigned can)
{
	/* Nothing can be left to the driver that sums no checksums. */
	net->can = can & NET_CAN_CSUM ? can & NET_CAN_ALL : 0;
	if (net->backend->can)
		net->backend->can(net);
}

int net_set_macs(struct net *net, const uint8_t mac[6], const uint8_t (*others)[6], unsigned count)
{
	return net->backend->macs ? net->backend->macs(net, mac, others, count) : 0;
}

unsigned net_can(const struct net *net)
{
	return net->takes;
}

bool net_is_up(const struct net *net)
{
	return net->up;
}

bool net_poll(struct net *net)
{
	return net->backend->poll && net->backend->poll(net);
}

const char *net_describe(const struct net *net)
{
	return net->text;
}

void net_get_counts(const struct net *net, struct net_counts *out)
{
	*out = net->counts;
}
