/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions of an instance (SR-IOV). They live in the worker of their card and are mdevs of the same
 * parent, with a socket and a group of their own. How many there are is the card's to say (its capability,
 * which its driver can write too); mediod asks for a number, and follows what it is told:
 *
 *     sriov_numvfs = N      SET_VFS to the worker; VFS N comes back: an mdev for each, which is served by a
 *                           START; VFS_SET; the write is answered when all have been probed
 *     sriov_numvfs = 0      each mdev is removed in order, as `remove` does it: users are asked, and have the
 *                           grace; then SET_VFS 0
 *     VFS N by itself       the card's driver did it: as above, but those that went are gone already
 *     the worker died       the number is remembered; they come again when the card does, and are then as
 *                           those that were asked for: a reset of the card leaves them
 */
#ifndef MEDIO_MANAGE_FUNCTIONS_H
#define MEDIO_MANAGE_FUNCTIONS_H

#include "manage/attrs.h"
#include "manage/managed.h"
#include "worker/wire.h"

#define MEDIO_FUNCTIONS_MAX 256u

struct medio_functions_job;
struct medio_record;

/* Of a card that can have them, or had when it ran last. */
struct medio_functions {
	unsigned total; /* 0: it cannot; not known before it runs */
	unsigned offset, stride;
	uint16_t vf_device;
	unsigned there;	    /* its worker has so many */
	unsigned wanted;    /* and is to have so many when it is started again */
	bool leave_unbound; /* sriov_drivers_autoprobe is 0 */
	int number;	    /* among the cards of its parent: the 0 of "nic0"; -1: none yet */
	struct medio_functions_job *jobs; /* what is asked of it; the first is being done */
};

/* ---- Looking ------------------------------------------------------------------------------------ */

/* NULL: it can have none. */
const struct medio_functions *medio_functions_of(const struct medio_managed *inst);
/* As sriov_numvfs shows. */
unsigned medio_functions_num(const struct medio_managed *inst);
/* The card of a virtual function; NULL: it is none, or its card has no driver. */
struct medio_managed *medio_functions_card(const struct medio_managed *inst);
/* A card by its name, "nic0", or NULL; its name, false: it has none. */
struct medio_mdev *medio_functions_find(const struct medio_bus *bus, const char *name);
bool medio_functions_name(const struct medio_mdev *mdev, char *buf, size_t size);
/* The UUID of card number of the parent, if mediod makes it. */
void medio_functions_card_uuid(const char *parent, unsigned number, char uuid[37]);
/* Whether there are instances of type that have them. */
bool medio_functions_ever(const struct medio_type *type);
/* Whether an instance of type with these parameters may come to have virtual functions: it needs a worker
 * for itself then. */
bool medio_functions_possible(const struct medio_type *type, const struct medio_strv *params);

/* ---- Changing ----------------------------------------------------------------------------------- */

/*
 * What a write to sriov_numvfs means; done is called once (NULL: nobody asks), from within or later, with
 * the kernel's errno: -ERANGE more than there can be; 0 there are so many; -EBUSY there is another number,
 * not 0; -ENODEV nothing runs it; or the card's. Source: Linux drivers/pci/iov.c, sriov_numvfs_store().
 */
void medio_functions_set(
	struct medio_managed *inst, unsigned num, medio_mdev_done *done, void *opaque);
int medio_functions_set_autoprobe(struct medio_managed *inst, bool autoprobe);
/* Text as Linux kstrtou16() takes it, base 0, without a newline: -EINVAL no number, -ERANGE over 65535. */
int medio_functions_parse(const char *text, unsigned *out);

/* sriov_*, of a card that can have them. */
extern const struct medio_managed_attr medio_functions_attrs[];

/* ---- What happens to a card (managed.c, run.c, restart.c, adopt.c) --------------------------------- */

/* STARTED or INSTANCE: what it can have. -EPROTO, -ENOMEM. */
int medio_functions_take(struct medio_managed *inst, const struct medio_wire_msg *msg);
/* Its record of a former mediod. -ENOMEM. */
int medio_functions_remember(struct medio_managed *inst, const struct medio_record *record);
/* Its worker has told all, in a former mediod's stead. inst may be gone then. */
void medio_functions_adopted(struct medio_managed *inst);
/* It runs; first: it was never started before, and its parameter says how many. inst may be gone then. */
void medio_functions_runs(struct medio_managed *inst, bool first);
/* Its worker says VFS, VFS_SET. inst may be gone then. */
void medio_functions_came(struct medio_managed *inst, unsigned num);
void medio_functions_answered(struct medio_managed *inst, const struct medio_wire_msg *msg);
/* Its worker has died. */
void medio_functions_lost(struct medio_managed *inst);
/* A virtual function of the card with this UUID was probed, or failed. */
void medio_functions_probed(struct medio_manager *m, const char *uuid);
/* It has no driver any more, or is freed. */
void medio_functions_drop(struct medio_managed *inst);

#endif
