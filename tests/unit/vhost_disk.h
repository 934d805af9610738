/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to a virtio-blk behind vhost-user, whose disk is the test's (test_fake_disk.h).
 *
 *     vhost_disk_submit(&bed, 0, place, VHOST_DISK_WRITE, sector, data, 512);
 *     assert_int_equal(vhost_disk_complete(&bed, 0), place);
 */
#ifndef TEST_VHOST_DISK_H
#define TEST_VHOST_DISK_H

#include <endian.h>
#include <time.h>

#include "../../devices/virtio-blk/virtio-blk.h"
#include "test_bytes.h"
#include "test_fake_disk.h"
#include "vhost_shape.h"

enum { VHOST_DISK_READ = 0, VHOST_DISK_WRITE = 1, VHOST_DISK_FLUSH = 4 };

/* A page of requests, 64 bytes each: header, and from byte 32 on the status. Data after it. */
#define VHOST_DISK_PLACES 64u
#define VHOST_DISK_DATA	  (VF_HIGH_GPA + 4096)

static inline uint8_t *vhost_disk_place(struct vhost_bed *bed, unsigned place)
{
	return (uint8_t *)vhost_front_at(&bed->front, VF_HIGH_GPA) + place * (size_t)64;
}

static inline void vhost_disk_add(struct vhost_bed *bed, unsigned ring, unsigned place,
	uint32_t type, uint64_t sector, uint64_t data, uint32_t bytes)
{
	const uint64_t gpa = VF_HIGH_GPA + place * UINT64_C(64);
	uint8_t *at = vhost_disk_place(bed, place);
	const uint32_t type_le = htole32(type), none = 0;
	const uint64_t sector_le = htole64(sector);
	struct virtq_seg segs[3] = { { gpa, 16 } };
	unsigned n = 1;

	memcpy(at, &type_le, 4);
	memcpy(at + 4, &none, 4);
	memcpy(at + 8, &sector_le, 8);
	at[32] = 0xaa;
	if (bytes)
		segs[n++] = (struct virtq_seg){ data, bytes };
	segs[n++] = (struct virtq_seg){ gpa + 32, 1 };
	const unsigned out = type == VHOST_DISK_WRITE ? 2 : 1;
	assert_int_equal(virtq_add(bed->front.rings[ring].vq, segs, out, n - out, at), 0);
}

static inline void vhost_disk_submit(struct vhost_bed *bed, unsigned ring, unsigned place,
	uint32_t type, uint64_t sector, uint64_t data, uint32_t bytes)
{
	vhost_disk_add(bed, ring, place, type, sector, data, bytes);
	must(bed, vhost_front_kick(&bed->front, ring));
}

/* The place of the next that is done, well. */
static inline unsigned vhost_disk_complete(struct vhost_bed *bed, unsigned ring)
{
	void *tag;

	vhost_complete(bed, ring, &tag);
	const unsigned place = (unsigned)((uint8_t *)tag - vhost_disk_place(bed, 0)) / 64;
	assert_int_equal(((uint8_t *)tag)[32], 0);
	return place;
}

static inline void vhost_disk_do(struct vhost_bed *bed, unsigned ring, uint32_t type,
	uint64_t sector, uint64_t data, uint32_t bytes)
{
	vhost_disk_submit(bed, ring, 0, type, sector, data, bytes);
	assert_int_equal(vhost_disk_complete(bed, ring), 0);
}

/* ---- The disk behind, on the device's thread ------------------------------------------------------------ */

static inline void vhost_disk_hold_there(void *arg)
{
	fake_disk.hold = *(bool *)arg;
}

static inline void vhost_disk_hold(struct vhost_bed *bed, bool hold)
{
	vhost_bed_on_device(bed, vhost_disk_hold_there, &hold);
}

static inline void vhost_disk_release_there(void *arg)
{
	const int n = *(int *)arg;

	fake_disk_release((unsigned)abs(n), n < 0);
}

/* n held requests are done; -n: the last first. */
static inline void vhost_disk_release(struct vhost_bed *bed, int n)
{
	vhost_bed_on_device(bed, vhost_disk_release_there, &n);
}

static inline void vhost_disk_held_there(void *arg)
{
	*(unsigned *)arg = fake_disk.num_held;
}

/* Until so many are held. */
static inline void vhost_disk_wait_held(struct vhost_bed *bed, unsigned n)
{
	unsigned held = UINT32_MAX;

	for (unsigned i = 0; i < 20000 && held != n; i++) {
		vhost_bed_on_device(bed, vhost_disk_held_there, &held);
		if (held != n)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	assert_int_equal(held, n);
}

#endif
