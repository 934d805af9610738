/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_virtio_net_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../drivers/virtio/virtio_net.h"

enum { RECEIVE, TRANSMIT };

#define HEADER	12u
#define WAITING 4096u
#define MOST	(HEADER + VIRTIO_NET_FRAME)

struct virtio_net_quirks virtio_net_quirks;
struct virtio_net_seen virtio_net_seen;

/* There is one at a time. */
static struct virtio_model *model;

struct frame {
	size_t len;
	uint8_t bytes[];
};

struct state {
	struct frame *waiting[WAITING]; /* in a ring, from head on */
	unsigned head, count;
	struct vqd_chain buffers[VQD_MAX_SIZE]; /* to be filled, likewise */
	unsigned first, num_buffers;
	struct medio_timer *timer;
	struct vqd_chain chain;
	uint8_t buf[MOST];
};

void virtio_net_model_clear(void)
{
	virtio_model_clear();
	virtio_net_quirks = (struct virtio_net_quirks){
		.mac = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 }, .mtu = 1500
	};
	virtio_net_seen = (struct virtio_net_seen){ 0 };
}

static void fill(struct virtio_model *m, const struct vqd_chain *buffer, const struct frame *frame)
{
	uint8_t header[HEADER] = { virtio_net_quirks.flags, virtio_net_quirks.gso_type };
	size_t len = HEADER + frame->len;

	header[10] = 1; /* num_buffers */
	if (buffer->in_bytes < len)
		virtio_model_wrong("a frame of %zu bytes, and a buffer of %llu", frame->len,
			(unsigned long long)buffer->in_bytes);
	vqd_write(buffer, 0, header, HEADER);
	vqd_write(buffer, HEADER, frame->bytes, frame->len);
	virtio_model_push(m, RECEIVE, buffer,
		virtio_net_quirks.written ? virtio_net_quirks.written : (uint32_t)len);
}

/* As many of the frames that wait as there are buffers for. */
static void deliver(struct virtio_model *m)
{
	struct state *s = virtio_model_state(m);

	while (s->count && s->num_buffers) {
		struct frame *frame = s->waiting[s->head];
		fill(m, &s->buffers[s->first], frame);
		free(frame);
		s->head = (s->head + 1) % WAITING;
		s->count--;
		s->first = (s->first + 1) % VQD_MAX_SIZE;
		s->num_buffers--;
	}
	virtio_net_seen.waiting = s->count;
}

/* Take every buffer that the driver has given. */
static void collect(struct virtio_model *m)
{
	struct state *s = virtio_model_state(m);

	while (virtio_model_pop(m, RECEIVE, &s->chain)) {
		if (s->chain.out || s->num_buffers == VQD_MAX_SIZE) {
			virtio_model_wrong("a buffer to receive that the device reads");
			return;
		}
		s->buffers[(s->first + s->num_buffers++) % VQD_MAX_SIZE] = s->chain;
	}
}

static void enqueue(struct virtio_model *m, const uint8_t *bytes, size_t len)
{
	struct state *s = virtio_model_state(m);
	struct frame *frame = malloc(sizeof(*frame) + len);

	if (!frame || s->count == WAITING)
		abort();
	frame->len = len;
	memcpy(frame->bytes, bytes, len);
	s->waiting[(s->head + s->count++) % WAITING] = frame;
}

static void take(struct virtio_model *m)
{
	static const uint8_t zeros[HEADER];
	struct state *s = virtio_model_state(m);

	while (virtio_model_pop(m, TRANSMIT, &s->chain)) {
		size_t len = vqd_read(&s->chain, 0, s->buf, sizeof(s->buf));
		if (s->chain.in)
			virtio_model_wrong("a frame to send that the device writes");
		if (len < HEADER + 14 || len == sizeof(s->buf) + 1)
			virtio_model_wrong("a frame of %zu bytes with its header", len);
		/* Nothing that was not negotiated (5.1.6.2). */
		if (memcmp(s->buf, zeros, HEADER) != 0)
			virtio_model_wrong("a header that is not zero");
		virtio_net_seen.frames++;
		virtio_model_push(m, TRANSMIT, &s->chain, 0);
		if (!virtio_net_quirks.mute)
			enqueue(m, s->buf + HEADER, len - HEADER);
	}
}

static void on_late(void *opaque)
{
	deliver(opaque);
}

static void net_kick(struct virtio_model *m, unsigned queue)
{
	struct state *s = virtio_model_state(m);

	if (queue == TRANSMIT)
		take(m);
	else
		collect(m);
	if (virtio_net_quirks.late_ms)
		medio_timer_arm(s->timer, virtio_net_quirks.late_ms * UINT64_C(1000000));
	else
		deliver(m);
}

static void net_reset(struct virtio_model *m)
{
	struct state *s = virtio_model_state(m);

	for (; s->count; s->count--, s->head = (s->head + 1) % WAITING)
		free(s->waiting[s->head]);
	s->num_buffers = 0;
}

static void net_config(struct virtio_model *m, uint8_t *out)
{
	memcpy(out, virtio_net_quirks.mac, sizeof(virtio_net_quirks.mac));
	out[6] = !virtio_net_quirks.down;
	out[10] = (uint8_t)virtio_net_quirks.mtu;
	out[11] = (uint8_t)(virtio_net_quirks.mtu >> 8);
}

static int net_init(struct virtio_model *m)
{
	struct state *s = virtio_model_state(m);

	model = m;
	s->timer = medio_timer_new(virtio_model_dev(m), on_late, m);
	return s->timer ? 0 : -ENOMEM;
}

static void net_fini(struct virtio_model *m)
{
	struct state *s = virtio_model_state(m);

	medio_timer_free(s->timer);
	net_reset(m);
}

static const struct virtio_model_field fields[] = {
	{ .offset = 0, .width = 1, .count = 6, .feature = VIRTIO_NET_F_MAC },
	{ .offset = 6, .width = 2, .feature = VIRTIO_NET_F_STATUS },
	{ .offset = 10, .width = 2, .feature = VIRTIO_NET_F_MTU },
	{ 0 },
};

const struct virtio_model_kind virtio_model_net = {
	.id = VIRTIO_ID_NET,
	.name = "net",
	.class_code = 0x020000,
	.features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU,
	.num_queues = 2,
	.fields = fields,
	.state_size = sizeof(struct state),
	.init = net_init,
	.fini = net_fini,
	.config = net_config,
	.reset = net_reset,
	.kick = net_kick,
};

void virtio_net_model_deliver(const uint8_t *frame, size_t len)
{
	enqueue(model, frame, len);
	deliver(model);
}

void virtio_net_model_link(bool up)
{
	virtio_net_quirks.down = !up;
	virtio_model_changed(model);
}
