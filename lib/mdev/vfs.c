/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions: instances that belong to another one, come when that says so, and go before it does. */
#include "mdev/private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_VFS 256 /* PCI Express 9.3.3.5: of one physical function, without more buses */

static struct medio_mdev *vf_of(const struct medio_list *item)
{
	return medio_container_of(item, struct medio_mdev, vf_item);
}

/* ---- Looking ----------------------------------------------------------------------------------- */

struct medio_mdev *medio_mdev_pf(const struct medio_mdev *mdev)
{
	return mdev->pf;
}

unsigned medio_mdev_vf_index(const struct medio_mdev *mdev)
{
	return mdev->vf;
}

unsigned medio_mdev_num_vfs(const struct medio_mdev *pf)
{
	return pf->nvfs;
}

struct medio_mdev *medio_mdev_next_vf(const struct medio_mdev *pf, const struct medio_mdev *prev)
{
	const struct medio_list *item = prev ? prev->vf_item.next : pf->vfs.next;

	return item == &pf->vfs ? NULL : vf_of(item);
}

struct medio_mdev *medio_mdev_vf(const struct medio_mdev *pf, unsigned n)
{
	struct medio_mdev *vf = NULL;

	while ((vf = medio_mdev_next_vf(pf, vf)) && vf->vf != n)
		;
	return vf;
}

const struct medio_type *medio_type_vf(
	const struct medio_parent *parent, const struct medio_type *type)
{
	const struct medio_type *const *at = parent->desc->types;
	size_t len = strlen(type->name);

	if (type->sriov)
		return type->sriov->vf;
	while (*at && (strncmp((*at)->name, type->name, len) != 0 ||
			      strcmp((*at)->name + len, "-vf") != 0))
		at++;
	return *at;
}

bool medio_type_is_vf(const struct medio_parent *parent, const struct medio_type *type)
{
	const struct medio_type *const *at = parent->desc->types;

	while (type && *at && medio_type_vf(parent, *at) != type)
		at++;
	return type && *at;
}

/* ---- Coming ------------------------------------------------------------------------------------ */

int medio_mdev_vf_check(const struct medio_parent *parent, const struct medio_type *type,
	const struct medio_mdev_options *opts, struct medio_error **err)
{
	const struct medio_mdev *pf = opts ? opts->pf : NULL;

	if (!pf)
		return medio_type_is_vf(parent, type)
			       ? medio_error_set(err, EUSERS,
					 "a %s is a virtual function: write how many are wanted to "
					 "sriov_numvfs of their card",
					 type->name)
			       : 0;
	assert(type);
	if (pf->parent != parent || medio_type_vf(parent, pf->type) != type || opts->vf >= MAX_VFS)
		return medio_error_set(err, EINVAL, "%s cannot have a %s as virtual function %u",
			pf->text, type->name, opts->vf);
	if (pf->state == MEDIO_MDEV_REMOVING || pf->state == MEDIO_MDEV_UNBINDING)
		return medio_error_set(err, ENODEV, "%s is going", pf->text);
	if (medio_mdev_vf(pf, opts->vf))
		return medio_error_set(
			err, EEXIST, "%s has a virtual function %u", pf->text, opts->vf);
	return 0;
}

void medio_mdev_vf_enter(struct medio_mdev *vf, struct medio_mdev *pf, unsigned n)
{
	struct medio_list *before = pf->vfs.next;

	while (before != &pf->vfs && vf_of(before)->vf < n)
		before = before->next;
	medio_list_append(before, &vf->vf_item);
	vf->pf = pf;
	vf->vf = (uint16_t)n;
	pf->nvfs++;
}

/* ---- Going ------------------------------------------------------------------------------------- */

struct medio_mdev *medio_mdev_vf_leave(struct medio_mdev *vf)
{
	struct medio_mdev *pf = vf->pf;

	if (!pf)
		return NULL;
	medio_list_remove(&vf->vf_item);
	pf->nvfs--;
	pf->held++;
	return pf;
}

/* None is left of number from and up. */
static bool gone_from(const struct medio_mdev *pf, unsigned from)
{
	return medio_list_empty(&pf->vfs) || vf_of(pf->vfs.prev)->vf < from;
}

void medio_mdev_vf_left(struct medio_mdev *pf)
{
	struct medio_mdev_waiter done = { NULL, NULL };

	if (!pf)
		return;
	if (gone_from(pf, pf->vfs_from)) {
		done = pf->vfs_done;
		pf->vfs_done = (struct medio_mdev_waiter){ NULL, NULL };
	}
	medio_mdev_tell(&done, 0);
	medio_mdev_release(pf);
}

void medio_mdev_vfs_orphan(struct medio_mdev *pf)
{
	medio_list_for_each (item, &pf->vfs) {
		medio_list_remove(item);
		vf_of(item)->pf = NULL;
	}
	pf->nvfs = 0;
}

/* By number: what is told while one ends may change the list. */
void medio_mdev_vfs_end(struct medio_mdev *pf, unsigned from)
{
	for (unsigned n = from; n < MAX_VFS && pf->nvfs; n++) {
		struct medio_mdev *vf = medio_mdev_vf(pf, n);

		if (vf)
			medio_mdev_end(vf, true);
	}
}

int medio_mdev_remove_vfs(
	struct medio_mdev *pf, unsigned from, medio_mdev_done *done, void *done_opaque)
{
	if (pf->held || pf->parent->busy || pf->vfs_done.fn)
		return -EAGAIN;
	pf->held++;
	medio_mdev_vfs_end(pf, from);
	pf->held--;
	if (!gone_from(pf, from)) {
		pf->vfs_done = (struct medio_mdev_waiter){ done, done_opaque };
		pf->vfs_from = (uint16_t)from;
		return MEDIO_DEFERRED;
	}
	return 0;
}
