/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole vhost-user messages in any order, with descriptors, into a session that lives. The input is a list of
 * steps:
 *
 *     0-9  request how …     a message of that kind, whose payload is nearly good, and descriptors
 *     10   len bytes …       a message with these bytes
 *     11   ring              a chain for a ring, and its kick
 *     12   offset value      a guest that writes in its ring
 *     13   what              memory, notes or the bitmap are cut
 *     14                     hang up, come again
 *     15   what              the device: its configuration changes, it gives back what it held, it holds
 *
 * Nothing waits: the loop runs while something is ready. In the end a front-end that does all well is served, and
 * no descriptor is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <medio/serve.h>

#include "../unit/test_virtio_echo.h"
#include "../unit/vhost_front.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the echo's queues, 64 descriptors each, split. */
#define NOTES_BYTES 16896u

enum { GUEST, KICK, CALL, PIPE_IN, PIPE_OUT, LOG, NOTES, SOCKET, KINDS };

struct world {
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_vhost *vhost;
	struct vhost_front front;
	int fds[KINDS], other;
	const uint8_t *data;
	size_t size;
};

static uint8_t byte(struct world *w)
{
	if (!w->size)
		return 0;
	w->size--;
	return *w->data++;
}

static void must(bool cond)
{
	if (!cond)
		abort();
}

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void on_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	if (getenv("FUZZ_LOG"))
		fprintf(stderr, "%s\n", line);
}

static void run(struct world *w)
{
	for (int i = 0; i < 64 && medio_loop_run_once(w->loop, 0) > 0; i++) {
	}
}

/* Answers are read, and what comes with them: notes are kept. */
static void reads(struct world *w)
{
	struct vf_reply reply;

	w->front.timeout_ms = 0;
	while (w->front.fd >= 0 && vhost_front_receive(&w->front, &reply) == 0)
		for (unsigned i = 0; i < reply.nfds; i++) {
			close(w->fds[NOTES]);
			w->fds[NOTES] = reply.fds[i];
		}
}

static void enters(struct world *w)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	vhost_front_take(&w->front, pair[0]);
	must(medio_vhost_new_fd(w->inst, pair[1], NULL, &w->vhost, NULL) == 0);
	run(w);
}

static void leaves(struct world *w)
{
	vhost_front_leave(&w->front);
	run(w);
	medio_vhost_free(w->vhost);
	w->vhost = NULL;
}

/* ---- Messages ------------------------------------------------------------------------------------------- */

/* Numbers at whose edges something happens, each a bit off. */
static uint64_t number(struct world *w)
{
	static const uint64_t numbers[] = { 0, 1, 2, 64, 256, 4096, 0x8000, 0x10000, VF_LOW_BYTES,
		VF_HIGH_GPA, UINT64_C(0x7f5500000000), UINT64_C(0x7f5500001000),
		UINT64_C(0x7f3300000000), UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX };
	const uint8_t how = byte(w);

	return numbers[how & 15] + (how & 0x40 ? (uint64_t)(how >> 4 & 3) - 2 : 0);
}

static uint32_t ring(struct world *w)
{
	const uint8_t how = byte(w);

	return how < 240 ? how % ECHO_QUEUES : (uint32_t)how * 0x1010101;
}

static struct vf_region region(struct world *w)
{
	const uint8_t how = byte(w);
	struct vf_region r = w->front.regions[how % VF_GUEST_REGIONS];

	if (how & 4)
		r.gpa += number(w);
	if (how & 8)
		r.size = number(w);
	if (how & 16)
		r.uaddr += number(w);
	if (how & 32)
		r.offset += number(w);
	return r;
}

/* Where ring n of this guest is, one page each for its three parts. */
static uint64_t place(unsigned n, unsigned part)
{
	return VF_LOW_GPA + UINT64_C(0x10000) + n * UINT64_C(0x4000) + part * UINT64_C(0x1000);
}

static uint64_t features(uint8_t how)
{
	static const uint64_t each[] = { VF_F_LOG_ALL, VF_F_INDIRECT, VF_F_EVENT_IDX,
		VF_F_PROTOCOL_FEATURES, VF_F_PACKED, VF_F_IN_ORDER, VF_F_VERSION_1, VF_BIT(50) };
	uint64_t sum = VF_F_VERSION_1;

	for (unsigned i = 0; i < 8; i++)
		sum ^= how >> i & 1 ? each[i] : 0;
	return sum;
}

static uint32_t payload(struct world *w, uint32_t request, uint8_t *at)
{
	struct vf_table table = { .num = byte(w) % 10 };
	uint64_t value;
	uint32_t size = 8;

	switch (request) {
	case VF_SET_FEATURES:
		value = features(byte(w));
		memcpy(at, &value, 8);
		return 8;
	case VF_SET_PROTOCOL_FEATURES:
		value = byte(w) & 1 ? UINT64_C(0x9b22b) : number(w);
		memcpy(at, &value, 8);
		return 8;
	case VF_SET_MEM_TABLE:
		for (unsigned i = 0; i < VF_REGIONS; i++)
			table.regions[i] = i < VF_GUEST_REGIONS && !(byte(w) & 1)
						   ? w->front.regions[i]
						   : region(w);
		memcpy(at, &table, sizeof(table));
		return 8 + table.num * (uint32_t)sizeof(table.regions[0]);
	case VF_ADD_MEM_REG:
	case VF_REM_MEM_REG: {
		const struct vf_slot slot = { 0, region(w) };
		memcpy(at, &slot, sizeof(slot));
		return sizeof(slot);
	}
	case VF_SET_VRING_NUM:
	case VF_SET_VRING_BASE:
	case VF_SET_VRING_ENABLE:
	case VF_GET_VRING_BASE: {
		const uint8_t how = byte(w);
		const struct vf_state state = { ring(w), how & 1 ? (uint32_t)number(w)
							 : request == VF_SET_VRING_NUM ? 64
										       : how >> 7 };
		memcpy(at, &state, sizeof(state));
		return sizeof(state);
	}
	case VF_SET_VRING_ADDR: {
		const uint32_t n = ring(w);
		const uint64_t user = w->front.regions[VF_LOW].uaddr + place(n % ECHO_QUEUES, 0);
		struct vf_addr addr = { n, byte(w) & 1, user, user + 0x2000, user + 0x1000,
			place(0, 2) };
		const uint8_t how = byte(w);
		addr.desc += how & 1 ? number(w) : 0;
		addr.used += how & 2 ? number(w) : 0;
		addr.avail += how & 4 ? number(w) : 0;
		addr.log += how & 8 ? number(w) : 0;
		memcpy(at, &addr, sizeof(addr));
		return sizeof(addr);
	}
	case VF_SET_VRING_KICK:
	case VF_SET_VRING_CALL:
	case VF_SET_VRING_ERR:
		value = ring(w) | (byte(w) & 1 ? VF_NO_FD : 0);
		memcpy(at, &value, 8);
		return 8;
	case VF_SET_LOG_BASE: {
		const struct vf_log log = { byte(w) & 1 ? number(w) : 0x20100,
			byte(w) & 1 ? number(w) : 0 };
		memcpy(at, &log, sizeof(log));
		return sizeof(log);
	}
	case VF_GET_INFLIGHT_FD:
	case VF_SET_INFLIGHT_FD: {
		struct vf_inflight notes = { NOTES_BYTES, 0, ECHO_QUEUES, 64 };
		const uint8_t how = byte(w);
		notes.size = how & 1 ? number(w) : notes.size;
		notes.offset = how & 2 ? number(w) : 0;
		notes.queues = how & 4 ? (uint16_t)number(w) : notes.queues;
		notes.queue_size = how & 8 ? (uint16_t)number(w) : notes.queue_size;
		memcpy(at, &notes, sizeof(notes));
		return sizeof(notes);
	}
	case VF_GET_CONFIG:
	case VF_SET_CONFIG: {
		const uint32_t head[3] = { byte(w), byte(w), byte(w) & 1 };
		memcpy(at, head, sizeof(head));
		return 12 + head[1];
	}
	case VF_SET_STATUS:
		value = byte(w);
		memcpy(at, &value, 8);
		return 8;
	case VF_SET_DEVICE_STATE_FD:
		value = byte(w) & 1;
		memcpy(at, &value, 8);
		return 8;
	default:
		size = byte(w) & 1 ? 8 : 0;
		return size;
	}
}

static void message(struct world *w)
{
	static const uint32_t requests[] = { VF_GET_FEATURES, VF_SET_FEATURES, VF_SET_OWNER,
		VF_RESET_OWNER, VF_SET_MEM_TABLE, VF_SET_LOG_BASE, VF_SET_LOG_FD, VF_SET_VRING_NUM,
		VF_SET_VRING_ADDR, VF_SET_VRING_BASE, VF_GET_VRING_BASE, VF_SET_VRING_KICK,
		VF_SET_VRING_CALL, VF_SET_VRING_ERR, VF_GET_PROTOCOL_FEATURES,
		VF_SET_PROTOCOL_FEATURES, VF_GET_QUEUE_NUM, VF_SET_VRING_ENABLE,
		VF_SET_BACKEND_REQ_FD, VF_GET_CONFIG, VF_SET_CONFIG, VF_GET_INFLIGHT_FD,
		VF_SET_INFLIGHT_FD, VF_RESET_DEVICE, VF_GET_MAX_MEM_SLOTS, VF_ADD_MEM_REG,
		VF_REM_MEM_REG, VF_SET_STATUS, VF_GET_STATUS, VF_SET_DEVICE_STATE_FD,
		VF_CHECK_DEVICE_STATE, 44 };
	/* What goes with it, if it is right. */
	static const struct {
		uint8_t request, kind, count;
	} right[] = { { VF_SET_MEM_TABLE, GUEST, 8 }, { VF_SET_LOG_BASE, LOG, 1 },
		{ VF_SET_LOG_FD, CALL, 1 }, { VF_SET_VRING_KICK, KICK, 1 },
		{ VF_SET_VRING_CALL, CALL, 1 }, { VF_SET_VRING_ERR, CALL, 1 },
		{ VF_SET_BACKEND_REQ_FD, SOCKET, 1 }, { VF_SET_INFLIGHT_FD, NOTES, 1 },
		{ VF_ADD_MEM_REG, GUEST, 1 }, { VF_SET_DEVICE_STATE_FD, PIPE_OUT, 1 } };
	uint8_t bytes[512] = { 0 };
	int fds[16];
	unsigned nfds = 0;
	const uint32_t request = requests[byte(w) % 32];
	const uint8_t how = byte(w);
	const uint32_t size = payload(w, request, bytes);

	for (unsigned i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		if (right[i].request == request && !(how & 0x80)) {
			nfds = request == VF_SET_MEM_TABLE ? bytes[0] : right[i].count;
			for (unsigned n = 0; n < nfds && n < 16; n++)
				fds[n] = w->fds[right[i].kind];
			if (request == VF_SET_DEVICE_STATE_FD && bytes[0])
				fds[0] = w->fds[PIPE_IN];
		}
	if (how & 0x40 && nfds < 15)
		fds[nfds++] = w->fds[how % KINDS];
	if (bytes[1] & 1 && request >= VF_SET_VRING_KICK && request <= VF_SET_VRING_ERR)
		nfds = 0;
	if (w->front.fd >= 0)
		vhost_front_send(&w->front, request, VF_VERSION | (how & 0x20 ? 0 : VF_NEED_REPLY),
			bytes, size, fds, nfds);
	run(w);
	reads(w);
}

static void rubbish(struct world *w)
{
	uint8_t bytes[256];
	const uint32_t size = byte(w), request = byte(w) % 48;

	for (uint32_t i = 0; i < size; i++)
		bytes[i] = byte(w);
	if (w->front.fd >= 0)
		vhost_front_send(&w->front, request, VF_VERSION, bytes, size, &w->fds[size % KINDS],
			size & 1);
	run(w);
	reads(w);
}

/* ---- The guest, and the device ------------------------------------------------------------------------------- */

static void put16(struct world *w, uint64_t gpa, uint16_t value)
{
	memcpy(vhost_front_at(&w->front, gpa), &value, 2);
}

/* Of 64: descriptors, available ring, used ring; a buffer of 8 bytes that is read, and one that is written. */
static void chain(struct world *w)
{
	const unsigned n = byte(w) % ECHO_QUEUES;
	const uint64_t data[] = { VF_MIDDLE_GPA, VF_HIGH_GPA }, one = 1;
	uint16_t idx;

	if (w->fds[GUEST] < 0)
		return;
	for (unsigned i = 0; i < 2; i++) {
		memcpy(vhost_front_at(&w->front, place(n, 0) + 16 * i), &data[i], 8);
		put16(w, place(n, 0) + 16 * i + 8, 8);
		put16(w, place(n, 0) + 16 * i + 12, i ? 2 : 1);
		put16(w, place(n, 0) + 16 * i + 14, 1);
	}
	memcpy(&idx, vhost_front_at(&w->front, place(n, 1) + 2), 2);
	put16(w, place(n, 1) + 4 + 2 * (idx % 64), 0);
	put16(w, place(n, 1) + 2, (uint16_t)(idx + 1));
	must(write(w->fds[KICK], &one, sizeof(one)) == sizeof(one));
	run(w);
}

static bool cut; /* the guest's memory cannot be touched any more */

static void cuts(struct world *w)
{
	const uint8_t what = byte(w) % 4;

	if (what == 1)
		(void)!ftruncate(w->fds[LOG], 100);
	if (what == 2)
		(void)!ftruncate(w->fds[NOTES], 100);
	if (what == 3) {
		(void)!ftruncate(w->fds[GUEST], 0);
		cut = true;
	}
	run(w);
}

static void device(struct world *w)
{
	const uint8_t what = byte(w) % 4;

	if (what == 0)
		echo_change(echo_latest(), w->size);
	else if (what == 1)
		echo_release(echo_latest(), 3, w->size & 1);
	else
		echo_quirks.hold = what == 2;
	run(w);
}

static void step(struct world *w)
{
	const uint8_t what = byte(w) % 16;

	if (what < 10) {
		message(w);
		return;
	}
	switch (what) {
	case 10:
		rubbish(w);
		break;
	case 11:
		if (!cut)
			chain(w);
		break;
	case 12:
		if (!cut)
			put16(w, place(byte(w) % ECHO_QUEUES, byte(w) % 3) + byte(w) % 200 * 2,
				(uint16_t)number(w));
		break;
	case 13:
		cuts(w);
		break;
	case 14:
		leaves(w);
		enters(w);
		break;
	default:
		device(w);
	}
}

/* ---- A front-end that does all well ---------------------------------------------------------------------------- */

static void is_well(struct world *w)
{
	struct vhost_front *f = &w->front;
	const struct virtq_seg segs[] = { { VF_MIDDLE_GPA, 8 }, { VF_HIGH_GPA, 8 } };
	struct virtq_done done;

	echo_quirks.hold = false;
	vhost_front_close(f);
	must(vhost_front_open(f) == 0);
	enters(w);
	must(vhost_front_tell(f, VF_SET_OWNER, NULL, 0, -1) == 0);
	must(vhost_front_features(f, VF_F_VERSION_1) == 0);
	must(vhost_front_memory(f, false) == 0);
	must(vhost_front_ring(f, 1, &(struct virtq_options){ .size = 64 }) == 0);
	must(vhost_front_start(f, 1) == 0);
	run(w);
	for (unsigned n = 0; n < 3; n++) {
		memset(vhost_front_at(f, VF_MIDDLE_GPA), (int)n, 8);
		must(virtq_add(f->rings[1].vq, segs, 1, 1, w) == 0);
		must(vhost_front_kick(f, 1) == 0);
		run(w);
		must(virtq_take(f->rings[1].vq, &done) == 1 && done.tag == w && done.len == 8);
		must(*(uint8_t *)vhost_front_at(f, VF_HIGH_GPA) == (n ^ ECHO_FLIP));
	}
	leaves(w);
}

static void begin(struct world *w)
{
	const struct medio_instance_options opts = { .log = on_log };
	int pair[2];

	must(medio_loop_new(&w->loop) == 0);
	must(medio_instance_new_bare(w->loop, &echo_type, &opts, &w->inst, NULL) == 0);
	must(vhost_front_open(&w->front) == 0);
	w->fds[GUEST] = dup(w->front.memfd);
	w->fds[KICK] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->fds[CALL] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(pipe(pair) == 0);
	w->fds[PIPE_IN] = pair[0];
	w->fds[PIPE_OUT] = pair[1];
	w->fds[LOG] = memfd_create("log", MFD_CLOEXEC);
	must(ftruncate(w->fds[LOG], 0x21000) == 0);
	w->fds[NOTES] = memfd_create("notes", MFD_CLOEXEC);
	must(ftruncate(w->fds[NOTES], NOTES_BYTES) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	w->fds[SOCKET] = pair[0];
	w->other = pair[1];
	cut = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .data = data, .size = size };
	const int fd = lowest_fd();

	echo_clear();
	begin(&w);
	enters(&w);
	while (w.size)
		step(&w);
	leaves(&w);
	is_well(&w);
	vhost_front_close(&w.front);
	for (unsigned i = 0; i < KINDS; i++)
		close(w.fds[i]);
	close(w.other);
	medio_instance_free(w.inst);
	medio_loop_free(w.loop);
	must(lowest_fd() == fd);
	return 0;
}
