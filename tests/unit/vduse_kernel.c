/* SPDX-License-Identifier: BSD-3-Clause */
#include "vduse_kernel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "../../drivers/virtio/virtq.h"

struct kernel kernel;

/* ---- Files ------------------------------------------------------------------------------------------------- */

static int open_device(void)
{
	int pair[2];
	if (!kernel.exists)
		return -ENOENT;
	if (kernel.connected)
		return -EBUSY;
	if (kernel.ours >= 0)
		close(kernel.ours);
	int ret = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
	assert(ret == 0);
	kernel.ours = pair[0];
	kernel.theirs = pair[1];
	if (kernel.control == kernel.theirs)
		kernel.control = -1;
	kernel.connected = true;
	return pair[1];
}

static int k_open(void *opaque, const char *path, int flags)
{
	(void)opaque;
	if (!strcmp(path, "/dev/vduse/control")) {
		if (kernel.control_errno)
			return -kernel.control_errno;
		kernel.control = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (kernel.control == kernel.theirs)
			kernel.theirs = -1;
		return kernel.control;
	}
	assert(!strcmp(path, "/dev/vduse/" KERNEL_NAME) && flags & O_NONBLOCK);
	return kernel.device_errno ? -kernel.device_errno : open_device();
}

static uint64_t k_inode(void *opaque, const char *path)
{
	(void)opaque;
	if (!strcmp(path, "/sys/class/vduse"))
		return kernel.has_class;
	if (strstr(path, "/vduse.ko"))
		return kernel.has_module;
	if (!strcmp(path, "/sys/class/vduse/" KERNEL_NAME))
		return kernel.exists ? kernel.inode : 0;
	if (!strcmp(path, "/sys/bus/vdpa/devices/" KERNEL_NAME))
		return kernel.on_bus;
	return 0;
}

/* Has whoever had it closed it? */
static void look_who_is_there(void)
{
	char byte;
	if (kernel.connected && recv(kernel.ours, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		kernel.connected = false;
}

/* ---- The control file ---------------------------------------------------------------------------------------- */

static bool is_zero(const void *at, size_t size)
{
	const uint8_t *bytes = at;
	while (size && !*bytes++)
		size--;
	return !size;
}

static int create(const struct vduse_dev_config *config)
{
	const uint64_t f = config->features;
	if (!is_zero(config->reserved, sizeof(config->reserved)) || config->vq_align > 4096 ||
		config->config_size > 4096 || !config->name[0] ||
		(config->device_id != VIRTIO_ID_BLOCK && config->device_id != VIRTIO_ID_NET) ||
		!(f >> VIRTIO_F_ACCESS_PLATFORM & 1))
		return -EINVAL;
	if (config->device_id == VIRTIO_ID_BLOCK && f >> 11 & 1)
		return -EINVAL;
	if (config->device_id == VIRTIO_ID_NET && (f >> 17 & 1 || !(f >> VIRTIO_F_VERSION_1 & 1)))
		return -EINVAL;
	assert(!strcmp(config->name, KERNEL_NAME) && config->vq_num <= KERNEL_QUEUES);
	if (kernel.exists)
		return -EEXIST;
	kernel.exists = true;
	kernel.broken = false;
	kernel.inode++;
	kernel.id = config->device_id;
	kernel.vendor = config->vendor_id;
	kernel.features = f;
	kernel.num_queues = config->vq_num;
	kernel.config_size = config->config_size;
	memcpy(kernel.config, config->config, config->config_size);
	memset(kernel.queues, 0, sizeof(kernel.queues));
	for (unsigned i = 0; i < KERNEL_QUEUES; i++)
		kernel.queues[i].kick_fd = -1;
	return 0;
}

static int destroy(const char *name)
{
	look_who_is_there();
	if (!kernel.exists || strcmp(name, KERNEL_NAME) != 0)
		return -EINVAL;
	if (kernel.on_bus || kernel.connected)
		return -EBUSY;
	kernel.exists = false;
	return 0;
}

static int control_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VDUSE_SET_API_VERSION:
		return *(uint64_t *)arg > VDUSE_API_VERSION ? -EINVAL : 0;
	case VDUSE_CREATE_DEV:
		return kernel.create_errno ? -kernel.create_errno : create(arg);
	case VDUSE_DESTROY_DEV:
		return destroy(arg);
	default:
		return -EINVAL;
	}
}

/* ---- The device's ---------------------------------------------------------------------------------------------- */

static int get_fd(struct vduse_iotlb_entry *entry)
{
	const struct kernel_region *first = NULL;
	kernel.gets++;
	if (entry->start > entry->last)
		return -EINVAL;
	for (unsigned i = 0; i < kernel.num_regions; i++) {
		const struct kernel_region *r = &kernel.regions[i];
		if (r->start <= entry->last && r->last >= entry->start &&
			(!first || r->start < first->start))
			first = r;
	}
	if (!first)
		return -EINVAL;
	*entry = (struct vduse_iotlb_entry){ first->offset, first->start, first->last,
		first->perm };
	return fcntl(first->fd, F_DUPFD_CLOEXEC, 0);
}

static int get_info(struct vduse_vq_info *info)
{
	if (info->index >= kernel.num_queues)
		return -EINVAL;
	const struct kernel_queue *q = &kernel.queues[info->index];
	info->num = q->num;
	info->desc_addr = q->desc;
	info->driver_addr = q->driver;
	info->device_addr = q->device;
	info->ready = q->ready;
	if (kernel.driver_features >> VIRTIO_F_RING_PACKED & 1) {
		info->packed.last_avail_counter = q->position.avail >> 15;
		info->packed.last_avail_idx = q->position.avail & 0x7fff;
		info->packed.last_used_counter = q->position.used >> 15;
		info->packed.last_used_idx = q->position.used & 0x7fff;
	} else {
		info->split.avail_index = q->position.avail;
	}
	return 0;
}

static int set_kick_fd(const struct vduse_vq_eventfd *kick)
{
	if (kick->index >= kernel.num_queues)
		return -EINVAL;
	struct kernel_queue *q = &kernel.queues[kick->index];
	if (q->kick_fd >= 0)
		close(q->kick_fd);
	q->kick_fd = kick->fd < 0 ? -1 : fcntl(kick->fd, F_DUPFD_CLOEXEC, 0);
	if (q->ready && q->kicked && q->kick_fd >= 0) {
		eventfd_write(q->kick_fd, 1);
		q->kicked = false;
	}
	return 0;
}

static int interrupt(unsigned index)
{
	if (index >= kernel.num_queues || !(kernel.status & VIRTIO_CONFIG_S_DRIVER_OK))
		return -EINVAL;
	kernel.queues[index].interrupts += kernel.queues[index].ready;
	return 0;
}

static int set_config(const struct vduse_config_data *data)
{
	if (data->offset > kernel.config_size || !data->length ||
		data->length > kernel.config_size - data->offset)
		return -EINVAL;
	memcpy(kernel.config + data->offset, data->buffer, data->length);
	kernel.config_writes++;
	return 0;
}

static int device_ioctl(unsigned long request, void *arg)
{
	const struct vduse_vq_config *setup = arg;
	if (kernel.broken)
		return -EPERM;
	switch (request) {
	case VDUSE_IOTLB_GET_FD:
		return get_fd(arg);
	case VDUSE_DEV_GET_FEATURES:
		*(uint64_t *)arg = kernel.driver_features;
		return 0;
	case VDUSE_DEV_SET_CONFIG:
		return set_config(arg);
	case VDUSE_DEV_INJECT_CONFIG_IRQ:
		if (!(kernel.status & VIRTIO_CONFIG_S_DRIVER_OK))
			return -EINVAL;
		kernel.config_interrupts++;
		return 0;
	case VDUSE_VQ_SETUP:
		if (setup->index >= kernel.num_queues ||
			!is_zero(setup->reserved, sizeof(setup->reserved)))
			return -EINVAL;
		kernel.queues[setup->index].num_max = setup->max_size;
		return 0;
	case VDUSE_VQ_GET_INFO:
		return get_info(arg);
	case VDUSE_VQ_SETUP_KICKFD:
		return set_kick_fd(arg);
	case VDUSE_VQ_INJECT_IRQ:
		return interrupt(*(uint32_t *)arg);
	default:
		return -ENOTTY;
	}
}

static int k_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	int ret = 0;
	(void)opaque;
	if (kernel.lie && kernel.lie(request, arg, &ret))
		return ret;
	if (kernel.connected && fd == kernel.theirs)
		return device_ioctl(request, arg);
	assert(fd == kernel.control);
	return control_ioctl(request, arg);
}

const struct medio_vduse_kernel vduse_kernel = {
	.open = k_open,
	.ioctl = k_ioctl,
	.inode = k_inode,
	.folder = kernel.folder,
};

/* ---- Messages ----------------------------------------------------------------------------------------------------- */

void kernel_run(void)
{
	for (unsigned n = 0; n < 100 && medio_loop_run_once(kernel.loop, 0) > 0; n++) {
	}
}

void kernel_send(const struct vduse_dev_request *request)
{
	kernel.answered = false;
	ssize_t n = send(kernel.ours, request, sizeof(*request), MSG_NOSIGNAL);
	assert(n == (ssize_t)sizeof(*request));
}

bool kernel_wait(void)
{
	for (unsigned i = 0; i < 3 && !kernel.answered; i++) {
		kernel_run();
		ssize_t n = recv(kernel.ours, &kernel.response, sizeof(kernel.response), 0);
		kernel.answered = n == (ssize_t)sizeof(kernel.response);
	}
	return kernel.answered;
}

bool kernel_ask(const struct vduse_dev_request *request)
{
	static uint32_t number;
	struct vduse_dev_request one = *request;
	one.request_id = ++number;
	kernel_send(&one);
	return kernel_wait() && kernel.response.request_id == number &&
	       is_zero(kernel.response.reserved, sizeof(kernel.response.reserved)) &&
	       kernel.response.result == VDUSE_REQ_RESULT_OK;
}

/* ---- A driver ------------------------------------------------------------------------------------------------------- */

bool kernel_set_status(uint8_t status)
{
	const struct vduse_dev_request request = { .type = VDUSE_SET_STATUS, .s = { status } };
	bool ok = kernel_ask(&request);
	if (ok)
		kernel.status = status;
	return ok;
}

/* What vduse_dev_reset() does. */
static void forget(void)
{
	kernel.status = 0;
	kernel.driver_features = 0;
	if (kernel.num_regions && kernel.regions[0].start == 0)
		kernel.num_regions = 0;
	for (unsigned i = 0; i < KERNEL_QUEUES; i++) {
		struct kernel_queue *q = &kernel.queues[i];
		if (q->kick_fd >= 0)
			close(q->kick_fd);
		*q = (struct kernel_queue){ .num_max = q->num_max, .kick_fd = -1 };
	}
	kernel.num_regions = 0;
	kernel.bounce = false;
}

bool kernel_reset(void)
{
	bool ok = kernel_set_status(0);
	forget();
	return ok;
}

static void add_region(uint64_t start, uint64_t bytes, uint64_t offset)
{
	if (kernel.num_regions == KERNEL_REGIONS)
		return;
	kernel.regions[kernel.num_regions++] = (struct kernel_region){ start, start + bytes - 1,
		offset, VDUSE_ACCESS_RW, kernel.memory };
}

bool kernel_driver_up(uint64_t features, unsigned n, unsigned size)
{
	const bool packed = features >> VIRTIO_F_RING_PACKED & 1;
	if (!kernel_set_status(1) || !kernel_set_status(3))
		return false;
	kernel.driver_features = features;
	if (!kernel_set_status(0xb))
		return false;
	for (unsigned i = 0; i < n; i++) {
		const uint64_t at = KERNEL_RING + i * KERNEL_RING_BYTES;
		const struct virtq_options opts = { .size = size, .packed = packed };
		struct virtq_places places;
		struct virtq *vq;
		uint8_t *mem = kernel.at + KERNEL_BOUNCE_BYTES + i * KERNEL_RING_BYTES;
		memset(mem, 0, KERNEL_RING_BYTES);
		assert(virtq_bytes(&opts) <= KERNEL_RING_BYTES);
		int ret = virtq_new(&opts, mem, at, &vq);
		assert(ret == 0);
		virtq_get_places(vq, &places);
		virtq_free(vq);
		memset(mem, 0, KERNEL_RING_BYTES);
		kernel.queues[i].num = size;
		kernel.queues[i].desc = places.desc;
		kernel.queues[i].driver = places.driver;
		kernel.queues[i].device = places.device;
		kernel.queues[i].position = (struct medio_virtq_position){ packed ? 0x8000 : 0,
			packed ? 0x8000 : 0 };
		kernel.queues[i].ready = true;
		/* Not a whole number of pages, as the kernel's own. */
		add_region(
			at, virtq_bytes(&opts) - 100, KERNEL_BOUNCE_BYTES + i * KERNEL_RING_BYTES);
	}
	return kernel_set_status(0xf);
}

void kernel_kick(unsigned index)
{
	struct kernel_queue *q = &kernel.queues[index];
	if (!kernel.bounce) {
		kernel.bounce = true;
		add_region(0, KERNEL_BOUNCE_BYTES, 0);
	}
	if (q->kick_fd >= 0)
		eventfd_write(q->kick_fd, 1);
	else
		q->kicked = true;
	kernel_run();
}

/* ---- The bus, and life ------------------------------------------------------------------------------------------------ */

void kernel_add(void)
{
	assert(kernel.exists && !kernel.on_bus);
	for (unsigned i = 0; i < kernel.num_queues; i++)
		assert(kernel.queues[i].num_max);
	kernel.on_bus = true;
}

bool kernel_del(void)
{
	bool ok = kernel_reset();
	kernel.on_bus = false;
	return ok;
}

void kernel_new(struct medio_loop *loop)
{
	const size_t bytes = KERNEL_BOUNCE_BYTES + KERNEL_QUEUES * KERNEL_RING_BYTES;
	kernel = (struct kernel){ .loop = loop, .control = -1, .ours = -1, .theirs = -1 };
	snprintf(kernel.folder, sizeof(kernel.folder), "/tmp/medio-vduse.XXXXXX");
	char *made = mkdtemp(kernel.folder);
	assert(made);
	kernel.memory = memfd_create("vduse", MFD_CLOEXEC);
	int ret = ftruncate(kernel.memory, (off_t)bytes);
	assert(ret == 0);
	kernel.at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, kernel.memory, 0);
	assert(kernel.at != MAP_FAILED);
}

void kernel_free(void)
{
	char path[80];
	snprintf(path, sizeof(path), "%s/" KERNEL_NAME, kernel.folder);
	unlink(path);
	rmdir(kernel.folder);
	munmap(kernel.at, KERNEL_BOUNCE_BYTES + KERNEL_QUEUES * KERNEL_RING_BYTES);
	close(kernel.memory);
	if (kernel.ours >= 0)
		close(kernel.ours);
	for (unsigned i = 0; i < KERNEL_QUEUES; i++)
		if (kernel.queues[i].kick_fd > 0)
			close(kernel.queues[i].kick_fd);
}
