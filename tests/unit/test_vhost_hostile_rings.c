/* SPDX-License-Identifier: BSD-3-Clause */
/* A front-end that lies about memory, rings, configuration and notes; and a guest that breaks its ring. As
 * test_vhost_hostile.c. */
#include "test_vhost_hostile_bed.h"

/* ---- Memory -------------------------------------------------------------------------------------------------- */

static void regions_that_cannot_be(void **state)
{
	const uint64_t big = UINT64_C(1) << 63;
	const struct vf_region bad[] = {
		{ 0x1000, 0, 0x7f0000000000, 0 },
		{ 0x1000, UINT64_MAX, 0x7f0000000000, 0 },
		{ UINT64_MAX - 0xfff, 0x2000, 0x7f0000000000, 0 },
		{ 0x1000, 0x2000, UINT64_MAX - 0xfff, 0 },
		{ 0x1000, 0x1000, 0x7f0000000000, UINT64_MAX - 0xfff },
		{ 0x1000, 0x1000, 0x7f0000000000, VF_FILE_BYTES },
		{ 0x1000, VF_FILE_BYTES + 0x1000, 0x7f0000000000, 0 },
		{ 0x1000, 0x1000, 0x7f0000000000, VF_FILE_BYTES - 0x800 },
		{ 0x1001, 0x1000, 0x7f0000000000, 0 },
		{ 0x1000, 0x1000, 0x7f0000000000, 1 },
		{ big, big, big, 0 },
		{ 0, UINT64_C(1) << 62, 0, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(bad); i++) {
		struct vf_table table = { .num = 1, .regions = { bad[i] } };
		comes(AGREED);
		if (!vhost_front_tell(f, VF_SET_MEM_TABLE, &table, 40, f->memfd))
			fail_msg("region %u is taken", i);
		comes(AGREED);
		must_not(&bed, vhost_front_add_region(f, &bad[i], f->memfd));
		/* Beside what is good. */
		comes(RUNNING);
		must_not(&bed, vhost_front_add_region(f, &bad[i], f->memfd));
		if (answers())
			vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	}
	is_well();
}

static void regions_that_overlap(void **state)
{
	const struct vf_region at = { UINT64_C(0x200000000), 0x4000, UINT64_C(0x7f9900000000),
		0x1000 };

	(void)state;
	for (int shift = -0x3000; shift <= 0x3000; shift += 0x1000) {
		struct vf_region guest = at, user = at;
		guest.gpa += (uint64_t)shift;
		guest.uaddr += 0x100000;
		user.uaddr += (uint64_t)shift;
		user.gpa += 0x100000;
		comes(RUNNING);
		must(&bed, vhost_front_add_region(f, &at, f->memfd));
		must_not(&bed, vhost_front_add_region(f, &guest, f->memfd));
		if (!answers())
			comes(RUNNING);
		must_not(&bed, vhost_front_add_region(f, &user, f->memfd));
		if (answers())
			vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
		/* Both at once. */
		struct vf_table table = { .num = 2, .regions = { at, guest } };
		const int fds[] = { f->memfd, f->memfd };
		comes(AGREED);
		vhost_front_send(f, VF_SET_MEM_TABLE, VF_VERSION, &table, 72, fds, 2);
		answers();
	}
	is_well();
}

static void tables_that_lie_about_their_length(void **state)
{
	static const uint32_t nums[] = { 0, 2, 3, 8, 9, 10, 100, UINT32_MAX };
	struct vf_table table = { .num = 0 };

	(void)state;
	table.regions[0] = f->regions[0];
	for (unsigned i = 0; i < COUNT(nums); i++)
		for (uint32_t size = 0; size <= 264; size += 8) {
			comes(CONNECTED);
			table.num = nums[i];
			vhost_front_send(
				f, VF_SET_MEM_TABLE, VF_VERSION, &table, size, &f->memfd, 1);
			answers();
		}
	is_well();
}

static void regions_that_are_not_there_are_removed(void **state)
{
	(void)state;
	comes(RUNNING);
	for (unsigned i = 0; i < 4; i++) {
		struct vf_region lie = f->regions[VF_HIGH];
		if (i == 0)
			lie.gpa += 0x1000;
		else if (i == 1)
			lie.size -= 0x1000;
		else if (i == 2)
			lie.uaddr += 0x1000;
		else
			lie = (struct vf_region){ 0, 0, 0, 0 };
		must_not(&bed, vhost_front_remove_region(f, &lie));
		assert_true(answers());
		vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	}
	is_well();
}

/* Memory that rings and requests are in goes away. */
static void memory_vanishes_under_rings(void **state)
{
	(void)state;
	for (unsigned region = 0; region < VF_GUEST_REGIONS; region++) {
		comes(RUNNING);
		vhost_front_remove_region(f, &f->regions[region]);
		if (answers()) {
			vhost_disk_add(&bed, 0, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
			vhost_front_kick(f, 0);
			answers();
		}
	}
	is_well();
	/* Its file is cut. */
	comes(RUNNING);
	assert_int_equal(ftruncate(f->memfd, 0), 0);
	const uint64_t one = 1;
	assert_int_equal(write(f->rings[0].kick, &one, sizeof(one)), sizeof(one));
	struct vf_reply reply;
	while (answers())
		assert_int_equal(write(f->rings[0].kick, &one, sizeof(one)), sizeof(one));
	assert_int_equal(vhost_front_receive(f, &reply), -ECONNRESET);
	is_well();
}

/* ---- Rings ------------------------------------------------------------------------------------------------------ */

static void ring_addresses_that_cannot_be(void **state)
{
	const uint64_t low = UINT64_C(0x7f5500000000);
	const uint64_t bad[] = { 0, 1, low - 1, low + 1, low + VF_LOW_BYTES,
		low + VF_LOW_BYTES - 16, low + VF_LOW_BYTES - 1, UINT64_MAX, UINT64_MAX - 15,
		UINT64_C(1) << 63, VF_LOW_GPA + 0x1000, UINT64_C(0x7f1100000000) - 64 };

	(void)state;
	for (unsigned i = 0; i < COUNT(bad); i++)
		for (unsigned part = 0; part < 4; part++) {
			struct vf_addr addr = { 0, 0, low, low + 0x2000, low + 0x1000, 0 };
			if (part != 1)
				addr.desc = bad[i];
			if (part == 1 || part == 3)
				addr.used = bad[i];
			if (part == 2 || part == 3)
				addr.avail = bad[i];
			comes(RUNNING);
			vhost_front_tell(f, VF_SET_VRING_ADDR, &addr, sizeof(addr), -1);
			if (!answers())
				continue;
			vhost_disk_add(&bed, 0, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
			vhost_front_kick(f, 0);
			answers();
			/* And from the start. */
			comes(WITH_MEMORY);
			const struct vf_state size = { 0, 64 }, on = { 0, 1 };
			vhost_front_tell(f, VF_SET_VRING_NUM, &size, sizeof(size), -1);
			vhost_front_tell(f, VF_SET_VRING_ADDR, &addr, sizeof(addr), -1);
			int kick = eventfd(1, EFD_CLOEXEC);
			vhost_front_tell_u64(f, VF_SET_VRING_KICK, 0, kick);
			close(kick);
			vhost_front_tell(f, VF_SET_VRING_ENABLE, &on, sizeof(on), -1);
			answers();
		}
	is_well();
}

static void ring_numbers_that_cannot_be(void **state)
{
	static const uint32_t numbers[] = { 0, 3, 5, 63, 1023, 1025, 2048, 32768, 65535, 65536,
		0x10040, 0x7fffffff, 0x80000000, UINT32_MAX };
	static const uint32_t rings[] = { 0, QUEUES - 1, QUEUES, 64, 255, 256, 257, 0x7fffffff,
		0x80000000, UINT32_MAX };
	static const uint32_t requests[] = { VF_SET_VRING_NUM, VF_SET_VRING_BASE,
		VF_SET_VRING_ENABLE, VF_GET_VRING_BASE };

	(void)state;
	for (unsigned stage = AGREED; stage < STAGES; stage++)
		for (unsigned q = 0; q < COUNT(requests); q++) {
			comes(stage);
			for (unsigned r = 0; r < COUNT(rings); r++)
				for (unsigned n = 0; n < COUNT(numbers); n++) {
					const struct vf_state payload = { rings[r], numbers[n] };
					if (vhost_front_send(f, requests[q], VF_VERSION, &payload,
						    sizeof(payload), NULL, 0) ||
						!answers())
						comes(stage);
				}
		}
	/* The byte of an index with a descriptor. */
	for (uint64_t index = 0; index < 0x400; index += 13) {
		int fd = new_fd(EVENT);
		comes(WITH_MEMORY);
		vhost_front_tell_u64(f, VF_SET_VRING_KICK, index, fd);
		vhost_front_tell_u64(f, VF_SET_VRING_CALL, index | UINT64_C(1) << 63, fd);
		answers();
		close(fd);
	}
	is_well();
}

/* A ring that starts somewhere that it cannot be. */
static void bases_that_cannot_be(void **state)
{
	static const uint32_t bases[] = { 1, 63, 64, 65, 32767, 32768, 65535, 65536, 0x80000000,
		UINT32_MAX };

	(void)state;
	for (unsigned packed = 0; packed < 2; packed++)
		for (unsigned i = 0; i < COUNT(bases); i++) {
			is_new();
			vhost_shape_enter(&bed, &vhost_shapes[packed], 0);
			must(&bed,
				vhost_front_ring(f, 0,
					&(struct virtq_options){ .size = 64, .packed = packed }));
			f->rings[0].base = bases[i];
			if (vhost_front_start(f, 0) == 0) {
				vhost_disk_add(
					&bed, 0, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
				vhost_front_kick(f, 0);
			}
			answers();
		}
	is_well();
}

/* What a guest can do by itself: the device needs a reset, which the VMM hears; the session lives. */
static void a_guest_that_breaks_its_ring(void **state)
{
	uint8_t status = 0;

	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		is_new();
		vhost_shape_enter(&bed, &vhost_shapes[0], 0);
		vhost_shape_rings(&bed, &vhost_shapes[0], 1);
		struct virtq_places places;
		virtq_get_places(f->rings[0].vq, &places);
		uint16_t *avail = vhost_front_at(f, places.driver);
		if (way == 0) /* more than there is */
			avail[1] = 1000;
		else { /* no such descriptor; or one whose end never comes */
			avail[2] = way == 1 ? 64 : 0;
			uint8_t *desc = vhost_front_at(f, places.desc);
			memset(desc, 0, 16);
			desc[9] = 1;
			desc[12] = 1;
			avail[1] = 1;
		}
		const uint64_t one = 1;
		assert_int_equal(write(f->rings[0].kick, &one, sizeof(one)), sizeof(one));
		for (unsigned i = 0; i < 20000 && !(status & 0x40); i++) {
			must(&bed, vhost_front_get_status(f, &status));
			if (!(status & 0x40))
				nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
		assert_true(status & 0x40);
		status = 0;
	}
	is_well();
}

/* ---- The rest ------------------------------------------------------------------------------------------------------ */

static void configurations_that_cannot_be(void **state)
{
	static const uint32_t numbers[] = { 0, 1, 59, 60, 61, 255, 256, 257, 4096, 0x7fffffff,
		UINT32_MAX };
	static uint8_t payload[12 + 256];

	(void)state;
	comes(RUNNING);
	for (unsigned o = 0; o < COUNT(numbers); o++)
		for (unsigned s = 0; s < COUNT(numbers); s++)
			for (unsigned set = 0; set < 2; set++) {
				const uint32_t head[3] = { numbers[o], numbers[s], o % 3 };
				const uint32_t bytes = numbers[s] <= 256 ? numbers[s]
									 : (o * 16) % 256;
				memcpy(payload, head, sizeof(head));
				if (vhost_front_send(f, set ? VF_SET_CONFIG : VF_GET_CONFIG,
					    VF_VERSION, payload, 12 + bytes, NULL, 0) ||
					!answers())
					comes(RUNNING);
			}
	is_well();
}

static void notes_that_lie(void **state)
{
	static const struct vf_inflight lies[] = { { 0, 0, 1, 64 }, { 64, 0, 4, 64 },
		{ 0x10000, 0, 0, 0 }, { 0x10000, 0, 65535, 65535 }, { 0x10000, 0, 4, 63 },
		{ UINT64_MAX, 0, 4, 64 }, { 0x10000, UINT64_MAX, 4, 64 }, { 0x10000, 1, 4, 64 },
		{ 0x10000, 0xffff0, 4, 64 }, { UINT64_C(1) << 40, 0, 4, 64 } };

	(void)state;
	for (unsigned i = 0; i < COUNT(lies); i++) {
		int file = new_fd(MEMFD);
		comes(WITH_MEMORY);
		vhost_front_send(
			f, VF_SET_INFLIGHT_FD, VF_VERSION, &lies[i], sizeof(lies[i]), &file, 1);
		answers();
		comes(AGREED);
		vhost_front_send(
			f, VF_GET_INFLIGHT_FD, VF_VERSION, &lies[i], sizeof(lies[i]), NULL, 0);
		answers();
		close(file);
	}
	/* Of the right size, and full of anything; or cut while they are used. */
	for (unsigned i = 0; i < 20; i++) {
		is_new();
		comes(WITH_MEMORY);
		must(&bed, vhost_front_get_inflight(f, QUEUES, 64));
		uint8_t *notes = mmap(NULL, f->inflight.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			f->inflight_fd, (off_t)f->inflight.offset);
		assert_ptr_not_equal(notes, MAP_FAILED);
		if (i % 2)
			scramble(notes, f->inflight.size, i);
		else
			scramble(notes + 16, f->inflight.size - 16, i);
		vhost_front_set_inflight(f);
		must(&bed, vhost_front_ring(f, 0, &(struct virtq_options){ .size = 64 }));
		if (answers() && vhost_front_start(f, 0) == 0) {
			vhost_disk_add(&bed, 0, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
			vhost_front_kick(f, 0);
			if (i > 10)
				assert_int_equal(
					ftruncate(f->inflight_fd, 0) == 0 || errno == EPERM, 1);
			vhost_front_kick(f, 0);
		}
		answers();
		munmap(notes, f->inflight.size);
	}
	is_well();
}

static void resizes(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 1000; i++)
		fake_disk_resize(i % 2 ? FAKE_DISK_BYTES : FAKE_DISK_BYTES / 2);
}

static void a_channel_that_is_never_read(void **state)
{
	(void)state;
	comes(RUNNING);
	must(&bed, vhost_front_channel(f));
	for (unsigned i = 0; i < 20; i++)
		vhost_bed_on_device(&bed, resizes, NULL);
	/* What it cannot say there harms nothing else. */
	if (answers())
		vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	/* Answers that nobody asked for, too long ones, and the end of it. */
	comes(RUNNING);
	must(&bed, vhost_front_channel(f));
	static const uint8_t rubbish[5000] = { 2, 0, 0, 0, 0xff, 0xff };
	assert_true(send(f->channel, rubbish, sizeof(rubbish), MSG_NOSIGNAL) > 0);
	vhost_bed_on_device(&bed, resizes, NULL);
	close(f->channel);
	f->channel = -1;
	vhost_bed_on_device(&bed, resizes, NULL);
	if (answers())
		vhost_disk_do(&bed, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	is_well();
}

/* A ring's kick that is always readable, and a call that can never be written. */
static void notifications_that_never_end(void **state)
{
	const uint64_t one = 1;

	(void)state;
	comes(RUNNING);
	int kick = eventfd(UINT32_MAX, EFD_CLOEXEC | EFD_SEMAPHORE), call = new_fd(FULL_EVENT);
	vhost_front_tell_u64(f, VF_SET_VRING_CALL, 0, call);
	vhost_front_tell_u64(f, VF_SET_VRING_ERR, 0, call);
	vhost_front_tell_u64(f, VF_SET_VRING_KICK, 0, kick);
	vhost_disk_add(&bed, 0, 0, VHOST_DISK_READ, 0, VHOST_DISK_DATA, 512);
	virtq_want_irq(f->rings[0].vq);
	virtq_publish(f->rings[0].vq);
	assert_int_equal(write(kick, &one, sizeof(one)), sizeof(one));
	for (unsigned i = 0; i < 100; i++)
		assert_true(answers());
	for (unsigned i = 0; i < 20000 && !virtq_ready(f->rings[0].vq); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	assert_true(virtq_ready(f->rings[0].vq));
	close(kick);
	close(call);
	is_well();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(regions_that_cannot_be),
		TEST(regions_that_overlap),
		TEST(tables_that_lie_about_their_length),
		TEST(regions_that_are_not_there_are_removed),
		TEST(memory_vanishes_under_rings),
		TEST(ring_addresses_that_cannot_be),
		TEST(ring_numbers_that_cannot_be),
		TEST(bases_that_cannot_be),
		TEST(a_guest_that_breaks_its_ring),
		TEST(configurations_that_cannot_be),
		TEST(notes_that_lie),
		TEST(a_channel_that_is_never_read),
		TEST(notifications_that_never_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
