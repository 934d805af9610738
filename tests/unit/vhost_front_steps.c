/* SPDX-License-Identifier: BSD-3-Clause */
/* From the first words to rings that run, and the guest that uses them. */
#include "vhost_front_inside.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- Steps --------------------------------------------------------------------------------------------- */

int vhost_front_features(struct vhost_front *f, uint64_t features)
{
	f->features = features;
	return vhost_front_tell_u64(f, VF_SET_FEATURES, features, -1);
}

int vhost_front_hello(struct vhost_front *f, uint64_t features, uint64_t protocol)
{
	int ret = vhost_front_ask_u64(f, VF_GET_FEATURES, &f->offered);

	f->protocol = 0;
	if (!ret && protocol && f->offered & VF_F_PROTOCOL_FEATURES) {
		ret = vhost_front_ask_u64(f, VF_GET_PROTOCOL_FEATURES, &f->protocol_offered);
		f->protocol = f->protocol_offered & protocol;
		if (!ret)
			ret = vhost_front_tell_u64(f, VF_SET_PROTOCOL_FEATURES, f->protocol, -1);
		f->ack = f->protocol & VF_P_REPLY_ACK;
	}
	if (!ret)
		ret = vhost_front_tell(f, VF_SET_OWNER, NULL, 0, -1);
	if (!ret && f->protocol & VF_P_MQ)
		ret = vhost_front_ask_u64(f, VF_GET_QUEUE_NUM, &f->num_queues);
	if (!ret && f->protocol & VF_P_STATUS) {
		ret = vhost_front_set_status(f, 0);
		if (!ret)
			ret = vhost_front_set_status(f, 3);
	}
	if (ret)
		return ret;
	features &= f->offered & ~VF_F_LOG_ALL & ~VF_F_PROTOCOL_FEATURES;
	ret = vhost_front_features(f, features | (f->protocol ? VF_F_PROTOCOL_FEATURES : 0));
	if (!ret && f->protocol & VF_P_STATUS) {
		uint8_t status = 0;
		ret = vhost_front_set_status(f, 0xb);
		if (!ret)
			ret = vhost_front_get_status(f, &status);
		if (!ret && status != 0xb)
			ret = vhost_front_fails(f, EPROTO, "status 0x%x after FEATURES_OK", status);
	}
	return ret;
}

int vhost_front_add_region(struct vhost_front *f, const struct vf_region *region, int fd)
{
	const struct vf_slot slot = { 0, *region };

	return vhost_front_tell(f, VF_ADD_MEM_REG, &slot, sizeof(slot), fd);
}

int vhost_front_remove_region(struct vhost_front *f, const struct vf_region *region)
{
	const struct vf_slot slot = { 0, *region };

	return vhost_front_tell(f, VF_REM_MEM_REG, &slot, sizeof(slot), -1);
}

int vhost_front_memory(struct vhost_front *f, bool slots)
{
	struct vf_table table = { .num = VF_GUEST_REGIONS };
	const int fds[VF_GUEST_REGIONS] = { f->memfd, f->memfd, f->memfd };
	int ret = 0;

	if (!slots) {
		memcpy(table.regions, f->regions, sizeof(f->regions));
		return vhost_front_tell_fds(f, VF_SET_MEM_TABLE, &table,
			(uint32_t)(offsetof(struct vf_table, regions) + sizeof(f->regions)), fds,
			VF_GUEST_REGIONS);
	}
	for (unsigned i = 0; !ret && i < VF_GUEST_REGIONS; i++)
		ret = vhost_front_add_region(f, &f->regions[i], f->memfd);
	return ret;
}

int vhost_front_ring(struct vhost_front *f, unsigned index, const struct virtq_options *options)
{
	struct vhost_front_ring *ring = &f->rings[index];
	size_t bytes = virtq_bytes(options);

	if (ring->vq)
		return vhost_front_fails(f, EEXIST, "ring %u", index);
	ring->options = *options;
	ring->gpa = vhost_front_alloc(f, VF_LOW, bytes);
	ring->log_address = 0;
	ring->base = options->packed ? 0x80008000 : 0;
	return virtq_new(options, vhost_front_at(f, ring->gpa), ring->gpa, &ring->vq);
}

static int make_eventfd(struct vhost_front *f, bool none, int *fd)
{
	vhost_front_drop_fd(fd);
	if (none)
		return 0;
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? vhost_front_fails(f, errno, "eventfd: %s", strerror(errno)) : 0;
}

static int tell_fd(struct vhost_front *f, uint32_t request, unsigned index, int fd)
{
	return vhost_front_tell_u64(f, request, index | (fd < 0 ? VF_NO_FD : 0), fd);
}

static int tell_state(struct vhost_front *f, uint32_t request, uint32_t index, uint32_t num)
{
	const struct vf_state state = { index, num };

	return vhost_front_tell(f, request, &state, sizeof(state), -1);
}

int vhost_front_enable(struct vhost_front *f, unsigned index, bool on)
{
	return tell_state(f, VF_SET_VRING_ENABLE, index, on);
}

static int tell_addr(struct vhost_front *f, unsigned index)
{
	struct vhost_front_ring *ring = &f->rings[index];
	struct virtq_places places;

	virtq_get_places(ring->vq, &places);
	const struct vf_addr addr = {
		.index = index,
		.flags = ring->logs ? VF_RING_LOGS : 0,
		.desc = vhost_front_uaddr(f, places.desc),
		.used = vhost_front_uaddr(f, places.device),
		.avail = vhost_front_uaddr(f, places.driver),
		.log = ring->log_address ? ring->log_address : places.device,
	};
	return vhost_front_tell(f, VF_SET_VRING_ADDR, &addr, sizeof(addr), -1);
}

int vhost_front_start(struct vhost_front *f, unsigned index)
{
	struct vhost_front_ring *ring = &f->rings[index];
	static const uint64_t one = 1;
	int ret = make_eventfd(f, f->forms & VF_NO_KICK, &ring->kick);

	if (!ret)
		ret = make_eventfd(f, f->forms & VF_NO_CALL, &ring->call);
	if (!ret)
		ret = tell_state(f, VF_SET_VRING_NUM, index, ring->options.size);
	if (!ret)
		ret = tell_state(f, VF_SET_VRING_BASE, index, ring->base);
	if (!ret)
		ret = tell_addr(f, index);
	if (!ret)
		ret = tell_fd(f, VF_SET_VRING_KICK, index, ring->kick);
	if (!ret)
		ret = tell_fd(f, VF_SET_VRING_CALL, index, ring->call);
	if (!ret && f->protocol)
		ret = vhost_front_enable(f, index, true);
	if (!ret && ring->kick >= 0 && write(ring->kick, &one, sizeof(one)) != sizeof(one))
		ret = vhost_front_fails(f, EIO, "kick");
	ring->started = !ret;
	return ret;
}

int vhost_front_stop(struct vhost_front *f, unsigned index)
{
	struct vf_state state = { index, 0 };
	int ret = vhost_front_ask(
		f, VF_GET_VRING_BASE, &state, sizeof(state), -1, &state, sizeof(state), NULL);

	if (ret)
		return ret;
	if (state.index != index)
		return vhost_front_fails(
			f, EPROTO, "base of ring %u, not of %u", state.index, index);
	f->rings[index].base = state.num;
	f->rings[index].started = false;
	return 0;
}

int vhost_front_set_status(struct vhost_front *f, uint8_t status)
{
	return vhost_front_tell_u64(f, VF_SET_STATUS, status, -1);
}

int vhost_front_get_status(struct vhost_front *f, uint8_t *status)
{
	uint64_t value = 0;
	int ret = vhost_front_ask_u64(f, VF_GET_STATUS, &value);

	*status = (uint8_t)value;
	return ret ? ret
	       : value > 255
		       ? vhost_front_fails(f, EPROTO, "status 0x%llx", (unsigned long long)value)
		       : 0;
}

struct config {
	uint32_t offset, size, flags;
	uint8_t bytes[256];
};

int vhost_front_get_config(struct vhost_front *f, uint32_t offset, void *buf, uint32_t size)
{
	struct config config = { offset, size, 0, { 0 } }, answer = { 0 };
	const uint32_t all = (uint32_t)offsetof(struct config, bytes) + size;

	if (size > sizeof(config.bytes))
		return vhost_front_fails(f, EINVAL, "%u bytes of config", size);
	int ret = vhost_front_ask(f, VF_GET_CONFIG, &config, all, -1, &answer, all, NULL);
	if (!ret && (answer.offset != offset || answer.size != size))
		ret = vhost_front_fails(f, EPROTO, "config of %u at %u, not %u at %u", answer.size,
			answer.offset, size, offset);
	if (!ret)
		memcpy(buf, answer.bytes, size);
	return ret;
}

int vhost_front_set_config(
	struct vhost_front *f, uint32_t offset, uint32_t flags, const void *buf, uint32_t size)
{
	struct config config = { offset, size, flags, { 0 } };

	if (size > sizeof(config.bytes))
		return vhost_front_fails(f, EINVAL, "%u bytes of config", size);
	memcpy(config.bytes, buf, size);
	return vhost_front_tell(
		f, VF_SET_CONFIG, &config, (uint32_t)offsetof(struct config, bytes) + size, -1);
}

/* ---- The guest --------------------------------------------------------------------------------------------- */

uint64_t vhost_front_alloc(struct vhost_front *f, unsigned region, size_t bytes)
{
	uint64_t gpa = f->next[region];

	f->next[region] += (bytes + 4095) & ~UINT64_C(4095);
	if (f->next[region] > f->regions[region].gpa + f->regions[region].size)
		abort();
	return gpa;
}

static const struct vf_region *region_of(const struct vhost_front *f, uint64_t gpa)
{
	for (unsigned i = 0; i < VF_GUEST_REGIONS; i++)
		if (gpa - f->regions[i].gpa < f->regions[i].size)
			return &f->regions[i];
	abort();
}

void *vhost_front_at(const struct vhost_front *f, uint64_t gpa)
{
	const struct vf_region *region = region_of(f, gpa);

	return f->file + region->offset + (gpa - region->gpa);
}

uint64_t vhost_front_uaddr(const struct vhost_front *f, uint64_t gpa)
{
	const struct vf_region *region = region_of(f, gpa);

	return region->uaddr + (gpa - region->gpa);
}

int vhost_front_kick(struct vhost_front *f, unsigned index)
{
	static const uint64_t one = 1;
	struct vhost_front_ring *ring = &f->rings[index];

	if (!virtq_publish(ring->vq) || ring->kick < 0)
		return 0;
	return write(ring->kick, &one, sizeof(one)) == sizeof(one)
		       ? 0
		       : vhost_front_fails(f, EIO, "kick");
}

int vhost_front_wait(struct vhost_front *f, unsigned index)
{
	struct vhost_front_ring *ring = &f->rings[index];
	const uint64_t until = vhost_front_now_ms() + f->timeout_ms;
	uint64_t count;

	while (!virtq_ready(ring->vq)) {
		uint64_t now = vhost_front_now_ms();
		if (now > until)
			return vhost_front_fails(f, ETIMEDOUT, "ring %u: nothing is used", index);
		if (ring->call < 0) {
			sched_yield();
			continue;
		}
		struct pollfd p = { .fd = ring->call, .events = POLLIN };
		if (virtq_want_irq(ring->vq))
			break;
		if (poll(&p, 1, (int)(until - now)) == 1 &&
			read(ring->call, &count, sizeof(count)) != sizeof(count))
			return vhost_front_fails(f, EIO, "call");
	}
	return 0;
}
