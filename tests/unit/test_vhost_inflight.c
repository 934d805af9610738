/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Back-ends that are killed with requests under way, and those that follow them: no request is lost, none comes
 * back twice. (That none is done twice on disk is seen from a guest: tests/guest/test_vhost_blk.sh.)
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vhost_disk.h"

enum { QUEUES = 2, SIZE = 64, ROUNDS = 25 };

static const struct kind {
	const char *name;
	bool packed;
	unsigned indirect;
} kinds[] = {
	{ "split", false, 0 },
	{ "split, indirect", false, 4 },
	{ "packed", true, 0 },
	{ "packed, indirect", true, 4 },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- A back-end that can be killed ---------------------------------------------------------------------- */

struct victim {
	pid_t pid;
	int ask, answer; /* -1: killed */
	char path[64];
};

struct order {
	bool hold;
	int release; /* -n: the last first */
};

/* In the victim: obey, and say how many the disk holds. */
static void on_order(void *opaque, uint32_t events)
{
	const int *fds = opaque;
	struct order order;

	(void)events;
	if (read(fds[0], &order, sizeof(order)) != sizeof(order))
		_exit(1);
	fake_disk.hold = order.hold;
	fake_disk_release((unsigned)abs(order.release), order.release < 0);
	if (write(fds[1], &fake_disk.num_held, sizeof(unsigned)) != sizeof(unsigned))
		_exit(1);
}

static void serves(const char *path, int in, int out)
{
	int fds[2] = { in, out };
	struct medio_loop *loop;
	struct medio_instance *inst;
	struct medio_vhost *vhost;
	const char *params[] = { "num-queues=2" };
	const struct medio_instance_options opts = { .params = params, .nparams = 1 };

	/* A test that fails leaves nobody behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fake_disk_clear();
	if (medio_loop_new(&loop) ||
		medio_instance_new_bare(loop, &medio_virtio_blk, &opts, &inst, NULL) ||
		medio_vhost_new(inst, path, NULL, &vhost, NULL) ||
		!medio_loop_watch(loop, in, EPOLLIN, on_order, fds))
		_exit(1);
	medio_loop_run(loop);
	_exit(1);
}

static void victim_new(struct victim *v, const char *dir)
{
	int ask[2], answer[2];

	snprintf(v->path, sizeof(v->path), "%s/victim", dir);
	assert_int_equal(pipe(ask), 0);
	assert_int_equal(pipe(answer), 0);
	fflush(NULL);
	v->pid = fork();
	assert_true(v->pid >= 0);
	if (!v->pid)
		serves(v->path, ask[0], answer[1]);
	close(ask[0]);
	close(answer[1]);
	v->ask = ask[1];
	v->answer = answer[0];
}

/* Requests that its disk holds, after that. */
static unsigned victim_does(struct victim *v, bool hold, int release)
{
	struct order order;
	unsigned held = 0;

	/* Its gap goes through the pipe as well. */
	memset(&order, 0, sizeof(order));
	order.hold = hold;
	order.release = release;

	assert_int_equal(write(v->ask, &order, sizeof(order)), sizeof(order));
	assert_int_equal(read(v->answer, &held, sizeof(held)), sizeof(held));
	return held;
}

static void victim_dies(struct victim *v)
{
	int status;

	assert_int_equal(kill(v->pid, SIGKILL), 0);
	assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
	assert_true(WIFSIGNALED(status));
	close(v->ask);
	close(v->answer);
}

/* ---- Sessions --------------------------------------------------------------------------------------------- */

static void must_be(struct vhost_front *f, int ret)
{
	if (ret)
		fail_msg("%d: %s", ret, f->words);
}

static void connects(struct vhost_front *f, const char *path)
{
	int ret = -1;

	for (unsigned i = 0; i < 20000 && ret; i++) {
		ret = vhost_front_connect(f, path);
		if (ret)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	must_be(f, ret);
}

/* Where a VMM lets a ring go on whose back-end has died: what the ring itself tells, if it does. */
static void guesses(struct vhost_front *f, const struct kind *kind)
{
	for (unsigned q = 0; q < QUEUES; q++) {
		struct vhost_front_ring *ring = &f->rings[q];
		struct virtq_places places;
		if (!ring->vq || kind->packed)
			continue;
		virtq_get_places(ring->vq, &places);
		ring->base = *(uint16_t *)((uint8_t *)vhost_front_at(f, places.device) + 2);
	}
}

static void enters(struct vhost_front *f, const struct kind *kind, const char *path)
{
	const struct virtq_options options = {
		.size = SIZE, .packed = kind->packed, .indirect = kind->indirect
	};
	const uint64_t features = VF_F_VERSION_1 | (kind->packed ? VF_F_PACKED : 0) |
				  (kind->indirect ? VF_F_INDIRECT : 0);

	guesses(f, kind);
	connects(f, path);
	must_be(f, vhost_front_hello(f, features, VF_ALL & ~VF_P_STATUS));
	assert_true(f->protocol & VF_P_INFLIGHT_SHMFD);
	must_be(f, vhost_front_memory(f, false));
	if (f->inflight_fd < 0)
		must_be(f, vhost_front_get_inflight(f, QUEUES, SIZE));
	must_be(f, vhost_front_set_inflight(f));
	for (unsigned q = 0; q < QUEUES; q++) {
		if (!f->rings[q].vq)
			must_be(f, vhost_front_ring(f, q, &options));
		must_be(f, vhost_front_start(f, q));
	}
}

/* The last back-end is one of this process, so that a bed's helpers do. */
static void bed_takes(struct vhost_bed *bed, struct vhost_front *f, const struct kind *kind)
{
	fake_disk_clear();
	vhost_bed_open(bed, &medio_virtio_blk, PARAMS("num-queues=2"), VHOST_BED_LISTEN);
	vhost_front_close(&bed->front);
	bed->front = *f;
	/* What the front-end had open before counts as the bed's. */
	bed->fds -= 2;
	enters(&bed->front, kind, bed->path);
}

static void front_new(struct vhost_front *f, char dir[32])
{
	memcpy(dir, "/tmp/test-vhost-XXXXXX", sizeof("/tmp/test-vhost-XXXXXX"));
	assert_non_null(mkdtemp(dir));
	must_be(f, vhost_front_open(f));
}

static void victim_gone(const struct victim *v, const char *dir)
{
	unlink(v->path);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- Tests ------------------------------------------------------------------------------------------------- */

static void waits_for_held(struct victim *v, unsigned n)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (victim_does(v, true, 0) == n)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	fail_msg("not %u are held", n);
}

/* So many are to be taken; which is noted. */
static void takes(struct vhost_bed *bed, unsigned n, uint64_t *seen)
{
	for (unsigned i = 0; i < n; i++) {
		/* From the queue that its place says. */
		unsigned q = 0;
		while (!virtq_ready(bed->front.rings[0].vq) && !virtq_ready(bed->front.rings[1].vq))
			;
		q = virtq_ready(bed->front.rings[0].vq) ? 0 : 1;
		const unsigned place = vhost_disk_complete(bed, q);
		assert_int_equal(place % QUEUES, q);
		assert_false(*seen >> place & 1);
		*seen |= UINT64_C(1) << place;
	}
}

static void submits(struct vhost_bed *bed, unsigned place)
{
	vhost_disk_submit(bed, place % QUEUES, place, VHOST_DISK_WRITE, place,
		VHOST_DISK_DATA + place * UINT64_C(512), 512);
}

static void what_was_held_is_done_by_the_next(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct vhost_bed bed = { .dir = "" };
		struct victim v;
		char dir[32];
		uint64_t seen = 0;

		front_new(&bed.front, dir);
		victim_new(&v, dir);
		enters(&bed.front, &kinds[k], v.path);
		victim_does(&v, true, 0);
		for (unsigned i = 0; i < 20; i++)
			submits(&bed, i);
		waits_for_held(&v, 20);
		/* Some are done: the latest, and the first. (Of two queues, which those are is open.) */
		victim_does(&v, true, -5);
		victim_does(&v, true, 2);
		takes(&bed, 7, &seen);
		assert_int_equal(__builtin_popcountll(seen), 7);
		victim_dies(&v);
		vhost_front_leave(&bed.front);
		/* The guest goes on meanwhile. */
		for (unsigned i = 20; i < 24; i++)
			submits(&bed, i);
		/* Another one that dies, with these too. */
		victim_new(&v, dir);
		victim_does(&v, true, 0);
		enters(&bed.front, &kinds[k], v.path);
		waits_for_held(&v, 17);
		victim_dies(&v);
		vhost_front_leave(&bed.front);

		struct vhost_front f = bed.front;
		bed_takes(&bed, &f, &kinds[k]);
		while (seen != 0xffffff)
			takes(&bed, 1, &seen);
		for (unsigned q = 0; q < QUEUES; q++) {
			assert_int_equal(virtq_pending(bed.front.rings[q].vq), 0);
			assert_false(virtq_ready(bed.front.rings[q].vq));
		}
		/* And on. */
		for (unsigned n = 0; n < 200; n++) {
			seen = 0;
			submits(&bed, n % 2);
			takes(&bed, 1, &seen);
		}
		vhost_bed_close(&bed);
		victim_gone(&v, dir);
	}
}

/* Requests that one back-end has had are had by the next in the same order. */
static void order_is_kept(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct vhost_bed bed = { .dir = "" };
		struct victim v;
		char dir[32];

		front_new(&bed.front, dir);
		victim_new(&v, dir);
		enters(&bed.front, &kinds[k], v.path);
		victim_does(&v, true, 0);
		for (unsigned i = 0; i < 32; i += 2)
			submits(&bed, i);
		waits_for_held(&v, 16);
		victim_does(&v, true, 4);
		uint64_t seen = 0;
		takes(&bed, 4, &seen);
		/* Their descriptors are used again, in another order. */
		for (unsigned i = 0; i < 8; i += 2)
			submits(&bed, i);
		waits_for_held(&v, 16);
		victim_dies(&v);
		vhost_front_leave(&bed.front);

		struct vhost_front f = bed.front;
		bed_takes(&bed, &f, &kinds[k]);
		for (unsigned i = 8; i < 40; i += 2)
			assert_int_equal(vhost_disk_complete(&bed, 0), i % 32);
		vhost_bed_close(&bed);
		victim_gone(&v, dir);
	}
}

/* Killed at any moment, again and again, with traffic all the time. */
static void none_is_lost_and_none_comes_twice(void **state)
{
	uint32_t seed = 4711;

	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct vhost_bed bed = { .dir = "" };
		uint64_t out = 0, submitted = 0, taken = 0;
		struct victim v;
		char dir[32];

		front_new(&bed.front, dir);
		for (unsigned round = 0; round < ROUNDS; round++) {
			victim_new(&v, dir);
			enters(&bed.front, &kinds[k], v.path);
			seed = seed * 1664525 + 1013904223;
			const uint64_t until = taken + 1 + (seed >> 24);
			while (taken < until) {
				for (unsigned p = 0; p < 24; p++) {
					if (out >> p & 1)
						continue;
					submits(&bed, p);
					out |= UINT64_C(1) << p;
					submitted++;
				}
				uint64_t seen = 0;
				takes(&bed, 1, &seen);
				assert_int_equal(seen & ~out, 0);
				out &= ~seen;
				taken++;
			}
			victim_dies(&v);
			vhost_front_leave(&bed.front);
		}
		struct vhost_front f = bed.front;
		bed_takes(&bed, &f, &kinds[k]);
		while (out) {
			uint64_t seen = 0;
			takes(&bed, 1, &seen);
			assert_int_equal(seen & ~out, 0);
			out &= ~seen;
			taken++;
		}
		assert_int_equal(taken, submitted);
		vhost_bed_close(&bed);
		victim_gone(&v, dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_held_is_done_by_the_next),
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(none_is_lost_and_none_comes_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
