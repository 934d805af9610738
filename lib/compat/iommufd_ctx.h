/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An open /dev/iommu, and its objects by number: I/O address spaces (IOAS), page tables (HWPT) of them, and devices that were
 * bound to it. Who uses an object keeps it.
 *
 * Source: drivers/iommu/iommufd/main.c, iommufd_private.h.
 */
#ifndef MEDIO_COMPAT_IOMMUFD_CTX_H
#define MEDIO_COMPAT_IOMMUFD_CTX_H

#include <stdbool.h>
#include <stdint.h>

#include "compat/kdev.h"
#include "compat/kfile.h"
#include "compat/kgroup.h"
#include "compat/kmap.h"
#include "compat/kranges.h"

enum medio_iommufd_type {
	MEDIO_IOMMUFD_ANY,
	MEDIO_IOMMUFD_IOAS,
	MEDIO_IOMMUFD_HWPT,
	MEDIO_IOMMUFD_DEVICE, /* with an IOMMU in front of it */
	MEDIO_IOMMUFD_ACCESS, /* a mediated device */
};

struct medio_iommufd_obj {
	enum medio_iommufd_type type;
	uint32_t id;
	unsigned users;
};

struct medio_iommufd_ioas {
	struct medio_iommufd_obj obj; /* users: page tables, and mediated devices attached to it */
	struct medio_kmap *map;
	unsigned num_logs; /* page tables that keep a log */
	bool small_pages;  /* no huge ones: a mapping can be cut in two */
	/* IOAS_ALLOW_IOVAS; NULL: any. */
	struct medio_krange *allowed;
	uint32_t num_allowed;
};

struct medio_iommufd_hwpt {
	struct medio_iommufd_obj obj; /* users: devices attached to it */
	struct medio_iommufd_ioas *ioas;
	bool automatic; /* ends with its last device */
	bool dirty;	/* it can keep a log */
	bool logs;	/* it does */
};

struct medio_iommufd_dev {
	struct medio_iommufd_obj obj; /* users: it is bound */
	struct medio_iommufd *ctx;
	struct medio_kdev *kdev;
	struct medio_iommufd_ioas *ioas; /* NULL: not attached */
	struct medio_iommufd_hwpt *hwpt; /* of a MEDIO_IOMMUFD_DEVICE that is */
};

struct medio_iommufd {
	struct medio_kfile file;
	struct medio_compat *compat;
	unsigned refs;			 /* its file, while it is open, devices and groups */
	struct medio_iommufd_obj **objs; /* by number - 1; NULL: free */
	uint32_t cap;
	struct medio_iommufd_ioas *vfio_ioas; /* VFIO's own calls are about it; NULL */
	bool noiommu;			      /* it is the container of a group without an IOMMU */
	bool account_process;
};

/* A program's file; NULL: another one. */
struct medio_iommufd *medio_iommufd_of(struct medio_kfile *file);
void medio_iommufd_get(struct medio_iommufd *ctx);
void medio_iommufd_put(struct medio_iommufd *ctx);

/* obj gets the lowest free number. -ENOMEM. */
int medio_iommufd_add(
	struct medio_iommufd *ctx, enum medio_iommufd_type type, struct medio_iommufd_obj *obj);
/* NULL: none of this type. */
struct medio_iommufd_obj *medio_iommufd_find(
	const struct medio_iommufd *ctx, uint32_t id, enum medio_iommufd_type type);
/* Free its number, and it. Nobody uses it. */
void medio_iommufd_remove(struct medio_iommufd *ctx, struct medio_iommufd_obj *obj);

/* ---- Address spaces: iommufd_ioas.c ------------------------------------------------------------ */

int medio_iommufd_ioas_new(struct medio_iommufd *ctx, struct medio_iommufd_ioas **out);
void medio_iommufd_ioas_free(struct medio_iommufd_ioas *ioas);
struct medio_iommufd_ioas *medio_iommufd_ioas_find(const struct medio_iommufd *ctx, uint32_t id);
/* What all of its devices reach, and kdev as well (NULL: no further one). */
void medio_iommufd_ioas_ranges(const struct medio_iommufd_ioas *ioas, const struct medio_kdev *kdev,
	struct medio_kranges *out);
/* Is there a device that has its memory pinned? */
bool medio_iommufd_ioas_pins(const struct medio_iommufd_ioas *ioas);
/*
 * Map the program's memory. -EINVAL: alignment, or devices do not reach it; -EOVERFLOW: it wraps; -EEXIST; -EFAULT; -ENOMEM,
 * or what a device said. iova is chosen if !fixed, then also -ENOSPC.
 */
int medio_iommufd_ioas_map(struct medio_iommufd_ioas *ioas, struct medio_call *call, uint64_t vaddr,
	uint64_t length, unsigned prot, bool fixed, uint64_t *iova);
/* Whole mappings in the range: -EINVAL, -EOVERFLOW; -ENOENT: there is none, or one would be cut. *unmapped in any case. */
int medio_iommufd_ioas_unmap(
	struct medio_iommufd_ioas *ioas, uint64_t iova, uint64_t length, uint64_t *unmapped);
uint64_t medio_iommufd_ioas_unmap_all(struct medio_iommufd_ioas *ioas);

/* The calls: each takes the structure that was read from the program, and writes what it answers there. */
struct medio_iommufd_call {
	struct medio_iommufd *ctx;
	struct medio_call *call;
	uint64_t addr; /* of the structure in the program */
	uint32_t size; /* as it says */
	void *cmd;     /* ours, with zeros behind what the program has */
};
/* Write back what the program knows of size bytes. */
int medio_iommufd_respond(const struct medio_iommufd_call *c, size_t size);

int medio_iommufd_ioas_alloc(struct medio_iommufd_call *c);
int medio_iommufd_ioas_allow_iovas(struct medio_iommufd_call *c);
int medio_iommufd_ioas_copy(struct medio_iommufd_call *c);
int medio_iommufd_ioas_iova_ranges(struct medio_iommufd_call *c);
int medio_iommufd_ioas_do_map(struct medio_iommufd_call *c);
int medio_iommufd_ioas_map_file(struct medio_iommufd_call *c);
int medio_iommufd_ioas_do_unmap(struct medio_iommufd_call *c);
int medio_iommufd_ioas_change_process(struct medio_iommufd_call *c);

/* ---- Page tables: iommufd_hwpt.c --------------------------------------------------------------- */

int medio_iommufd_hwpt_new(struct medio_iommufd *ctx, struct medio_iommufd_ioas *ioas,
	bool automatic, bool dirty, struct medio_iommufd_hwpt **out);
/* The automatic one of an IOAS: one that is there, or new. */
int medio_iommufd_hwpt_automatic(struct medio_iommufd *ctx, struct medio_iommufd_ioas *ioas,
	struct medio_iommufd_hwpt **out);
int medio_iommufd_hwpt_alloc(struct medio_iommufd_call *c);
int medio_iommufd_hw_info(struct medio_iommufd_call *c);
int medio_iommufd_hwpt_set_dirty(struct medio_iommufd_call *c);
int medio_iommufd_hwpt_get_dirty(struct medio_iommufd_call *c);
/* Its log, if it keeps one, ends. */
void medio_iommufd_hwpt_log_stop(struct medio_iommufd_hwpt *hwpt);

/* ---- VFIO's own calls: iommufd_vfio.c ---------------------------------------------------------- */

int medio_iommufd_vfio_ioas(struct medio_iommufd_call *c);
int64_t medio_iommufd_vfio_ioctl(
	struct medio_iommufd *ctx, struct medio_call *call, unsigned cmd, uint64_t arg);

/* ---- Devices: iommufd_dev.c -------------------------------------------------------------------- */

/* Bind an open device. -ENOMEM. */
int medio_iommufd_dev_new(
	struct medio_iommufd *ctx, struct medio_kdev *kdev, struct medio_iommufd_dev **out);
/* It was closed, or could not be opened. */
void medio_iommufd_dev_free(struct medio_iommufd_dev *dev, bool closed);
/* Attach it to an IOAS or a page table, instead of what it was attached to. *pt becomes the page table's number.
 * -ENOENT, -EINVAL: no such object; -EADDRINUSE: something is mapped that it does not reach; -EFAULT: or that is not there. */
int medio_iommufd_dev_attach(struct medio_iommufd_dev *dev, uint32_t *pt);
void medio_iommufd_dev_detach(struct medio_iommufd_dev *dev);

#endif
