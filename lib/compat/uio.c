/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/uio.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "compat/compat.h"
#include "compat/mmio.h"
#include "util/error.h"

struct map {
	unsigned region;
	uint64_t size; /* 0: there is none */
};

struct medio_uio {
	struct medio_kdev *kdev;
	int event; /* the card's interrupt; -1: it has none */
	struct medio_watch *watch;
	uint32_t count;
	struct medio_list files;
	struct map maps[MEDIO_UIO_MAPS];
};

struct medio_uio_file {
	struct medio_list link;
	struct medio_uio *uio; /* NULL: it is gone */
	uint32_t seen;
	void (*changed)(void *opaque);
	void *opaque;
};

/* ---- Interrupts ---------------------------------------------------------------------------------- */

static void change_command(const struct medio_uio *uio, uint16_t set, uint16_t clear)
{
	struct medio_card *card = uio->kdev->card;
	uint16_t command;

	if (medio_card_read16(card, MEDIO_CARD_CONFIG, PCI_COMMAND, &command) == 0)
		medio_card_write16(
			card, MEDIO_CARD_CONFIG, PCI_COMMAND, (uint16_t)((command & ~clear) | set));
}

/* The kernel's handler: INTx is masked in the device, and the program is told. */
static void on_event(void *opaque, uint32_t events)
{
	struct medio_uio *uio = opaque;
	uint64_t n;

	(void)events;
	if (read(uio->event, &n, sizeof(n)) != sizeof(n))
		return;
	change_command(uio, PCI_COMMAND_INTX_DISABLE, 0);
	/* VFIO's own mask, which it sets at each interrupt, is of no use here. */
	medio_card_irq_unmask(uio->kdev->card, MEDIO_CARD_INTX, 0, 1);
	uio->count++;
	medio_list_for_each (item, &uio->files) {
		struct medio_uio_file *file = medio_container_of(item, struct medio_uio_file, link);

		file->changed(file->opaque);
	}
}

static int start_irq(struct medio_uio *uio, struct medio_error **err)
{
	struct medio_kdev *kdev = uio->kdev;
	struct medio_card_irq irq;

	if (medio_card_get_irq(kdev->card, MEDIO_CARD_INTX, &irq) || !irq.count)
		return 0;
	uio->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (uio->event < 0)
		return medio_error_set(
			err, errno, "%s: its interrupt: %s", kdev->name, strerror(errno));
	uio->watch = medio_loop_watch(kdev->compat->loop, uio->event, EPOLLIN, on_event, uio);
	if (!uio->watch)
		return medio_error_set(err, ENOMEM, "out of memory");
	int ret = medio_card_irq_assign(kdev->card, MEDIO_CARD_INTX, 0, 1, &uio->event);
	if (ret)
		return medio_error_set(err, -ret, "%s: its interrupt: %s", kdev->name,
			medio_card_last_error(kdev->card));
	return 0;
}

int medio_uio_new(struct medio_kdev *kdev, struct medio_uio **out, struct medio_error **err)
{
	struct medio_uio *uio = calloc(1, sizeof(*uio));

	if (!uio)
		return medio_error_set(err, ENOMEM, "out of memory");
	uio->kdev = kdev;
	uio->event = -1;
	medio_list_init(&uio->files);
	int ret = start_irq(uio, err);
	if (ret) {
		medio_uio_free(uio);
		return ret;
	}
	*out = uio;
	return 0;
}

void medio_uio_free(struct medio_uio *uio)
{
	if (!uio)
		return;
	medio_list_for_each (item, &uio->files) {
		struct medio_uio_file *file = medio_container_of(item, struct medio_uio_file, link);

		medio_list_remove(&file->link);
		file->uio = NULL;
		file->changed(file->opaque);
	}
	medio_watch_free(uio->watch);
	if (uio->event >= 0) {
		medio_card_irq_disable(uio->kdev->card, MEDIO_CARD_INTX);
		close(uio->event);
	}
	free(uio);
}

uint32_t medio_uio_events(const struct medio_uio *uio)
{
	return uio->count;
}

/* ---- Open files ---------------------------------------------------------------------------------- */

int medio_uio_open(struct medio_uio *uio, void (*changed)(void *opaque), void *opaque,
	struct medio_uio_file **out)
{
	struct medio_uio_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	*file = (struct medio_uio_file){
		.uio = uio,
		.seen = uio->count,
		.changed = changed,
		.opaque = opaque,
	};
	medio_list_append(&uio->files, &file->link);
	*out = file;
	return 0;
}

void medio_uio_close(struct medio_uio_file *file)
{
	if (file->uio)
		change_command(file->uio, 0, PCI_COMMAND_MASTER);
	medio_list_remove(&file->link);
	free(file);
}

static bool has_irq(const struct medio_uio_file *file)
{
	return file->uio && file->uio->event >= 0;
}

int medio_uio_read(struct medio_uio_file *file, size_t size, uint32_t *count)
{
	if (size != sizeof(*count))
		return -EINVAL;
	if (!has_irq(file))
		return -EIO;
	if (file->seen == file->uio->count)
		return -EAGAIN;
	file->seen = file->uio->count;
	*count = file->seen;
	return 0;
}

/* Without an interrupt there is nothing to wait for: read() says so at once. */
bool medio_uio_ready(const struct medio_uio_file *file)
{
	return !has_irq(file) || file->seen != file->uio->count;
}

int medio_uio_write(struct medio_uio_file *file, const void *buf, size_t size)
{
	(void)buf;
	if (size != sizeof(int32_t))
		return -EINVAL;
	return has_irq(file) ? -ENOSYS : -EIO;
}

/* ---- Maps ---------------------------------------------------------------------------------------- */

void medio_uio_set_map(struct medio_uio *uio, unsigned n, unsigned region, uint64_t size)
{
	if (n < MEDIO_UIO_MAPS)
		uio->maps[n] = (struct map){ region, size };
}

int64_t medio_uio_mmap(struct medio_uio *uio, struct medio_call *call)
{
	uint64_t length = call->args[1], page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t n = call->args[5] / page;

	if (n >= MEDIO_UIO_MAPS || !uio->maps[n].size)
		return -EINVAL;
	const struct map *map = &uio->maps[n];
	if (!length || length > (map->size + page - 1) / page * page)
		return -EINVAL;
	return medio_mmio_mmap(uio->kdev, call, map->region, 0);
}
