/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device as VFIO shows it to a program: a card (<medio/driver.h>), and the ioctls, reads, writes and mappings of its
 * file. Who handed the file out, a group or /dev/iommu, owns the opening: kgroup.h, iommufd.h. The interrupts, regions
 * and features are the same for both.
 *
 * Source: linux/vfio.h; drivers/vfio/vfio_main.c, drivers/vfio/pci/vfio_pci_core.c.
 */
#ifndef MEDIO_COMPAT_KDEV_H
#define MEDIO_COMPAT_KDEV_H

#include <medio/driver.h>

#include "compat/kfile.h"
#include "compat/span.h"
#include "util/list.h"

struct medio_iommufd_dev;
struct medio_kdev;
struct medio_kgroup;
struct medio_kmap;

/* Where region n begins in a device's file: as the kernel has it, and far above what any real file reaches, which is how
 * the filter knows our accesses from all others. */
#define MEDIO_KDEV_OFFSET(n) (UINT64_C(1) << 62 | (uint64_t)(n) << 40)

enum medio_kdev_look {
	MEDIO_KDEV_MDEV, /* /sys/bus/mdev/devices/UUID */
	MEDIO_KDEV_PCI,	 /* /sys/bus/pci/devices/BDF, bound to vfio-pci */
	MEDIO_KDEV_UIO,	 /* the same, bound to uio_pci_generic: /dev/uioN */
};

/* Which BARs a program is told it can map. */
enum medio_kdev_map {
	MEDIO_KDEV_MAP_SHARED, /* what the device keeps in memory */
	MEDIO_KDEV_MAP_ALL,    /* all memory BARs: accesses to the rest are trapped, mmio.h */
};

/* The opening of a device ends: told to who opened it, when the program has closed the last descriptor of it. */
typedef void medio_kdev_closed(void *opaque, struct medio_kdev *kdev);

struct medio_kdev {
	struct medio_list link; /* of the compat's devices */
	struct medio_compat *compat;
	struct medio_card *card; /* owned */
	enum medio_kdev_look look;
	enum medio_kdev_map map;
	char name[40];	 /* "0000:00:1e.0" or a UUID, as the program calls it */
	char type[128];	 /* "mtty-2", or what it was opened by: for sysfs and the story */
	char driver[64]; /* the parent's name of an mdev: "mtty" */
	unsigned number; /* of vfioN, of uioN */
	struct medio_kgroup *group;
	bool noiommu;

	/* Its present opening; NULL: it is closed. */
	unsigned files; /* descriptors' files that the program has */
	medio_kdev_closed *closed;
	void *closed_opaque;
	/* Calls that only a device of /dev/iommu has (attach, detach); NULL: a group's. iommufd.c sets it. */
	int64_t (*cdev_ioctl)(
		struct medio_kdev *kdev, struct medio_call *call, unsigned cmd, uint64_t arg);
	/* What /dev/iommu knows of it while it is bound there; NULL: it is not. iommufd_dev.c sets it. */
	struct medio_iommufd_dev *iommufd;
	/* Whose mappings it sees; NULL: none. kmap.c sets it. */
	struct medio_kmap *kmap;
	/* The character device before BIND: what vfioN is when a program opens it. */
	struct medio_kfile cdev;
	struct medio_kdev_state *state; /* kdev's own: regions asked for, eventfds, migration */
};

struct medio_kdev_options {
	enum medio_kdev_look look;
	enum medio_kdev_map map;
	const char *name, *type, *driver;
};

/* Owns card from then on, also after a failure. -ENOMEM, -EEXIST: there is one of that name. Adds it to compat's list;
 * kgroup.h gives it a group. */
int medio_kdev_new(struct medio_compat *compat, struct medio_card *card,
	const struct medio_kdev_options *opts, struct medio_kdev **out, struct medio_error **err);
void medio_kdev_free(struct medio_kdev *kdev);
/* By name, as in VFIO_GROUP_GET_DEVICE_FD. NULL. */
struct medio_kdev *medio_kdev_find(struct medio_compat *compat, const char *name);

/*
 * A file of the device's: *fd is the caller's, to be given to the program and closed. The first opens the device;
 * closed() is called when the last one is gone: the card is then reset, its interrupts are disabled and its mappings
 * are taken back, as vfio-pci does. -EBUSY: opened by somebody else than closed_opaque; -EMFILE, -ENOMEM.
 */
int medio_kdev_open(struct medio_kdev *kdev, medio_kdev_closed *closed, void *opaque, int *fd);

/* Memory for the device, until its opening ends at the latest. Errors as medio_card_dma_map_fd(), -ENODEV: the card's
 * other side is gone; nothing is then mapped. */
int medio_kdev_map(struct medio_kdev *kdev, uint64_t iova, struct medio_span *span, unsigned prot);
/* All mappings in the range, which are whole. */
void medio_kdev_unmap(struct medio_kdev *kdev, uint64_t iova, uint64_t size);

/* VFIO_DEVICE_* of an open device, for tests: what its file's ioctl() does. */
int64_t medio_kdev_ioctl(
	struct medio_kdev *kdev, struct medio_call *call, unsigned cmd, uint64_t arg);

#endif
