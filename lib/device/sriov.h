/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtual functions of an instance that is a physical one: each an instance of its own, made and taken
 * away all at once. That they are there is what VF Enable in the PF's config space says, however it
 * came to be set.
 *
 * Threads: the loop's.
 */
#ifndef MEDIO_DEVICE_SRIOV_H
#define MEDIO_DEVICE_SRIOV_H

#include <medio/serve.h>

struct medio_instance;

/* Of a PF. */
struct medio_vfs {
	struct medio_instance **vf; /* TotalVFs of them; NULL: not there */
	unsigned num;		    /* being made, there, or going */
	bool busy;		    /* they are being made or taken away */
	/* medio_instance_set_vfs() asked for them: whoever runs the card, not its driver. A reset leaves them,
	 * as the kernel gives a card its VFs back after one. */
	bool kept;
	/* For their creation. The strings are ours. */
	struct medio_instance_options opts;
};

/* After the chain is there, before init(). Without type->sriov nothing is made. -ENOMEM. */
int medio_vfs_init(struct medio_instance *inst, const struct medio_instance_options *opts,
	struct medio_error **err);
/* Takes the VFs away first. */
void medio_vfs_fini(struct medio_instance *inst);

/*
 * The client has set or cleared VF Enable: make what it says so. If that is not possible the bit is clear
 * again, and the log says why.
 */
void medio_vfs_follow(struct medio_instance *inst);
/* As above for a state that was loaded; what making them gave, and the bit is clear. */
int medio_vfs_load(struct medio_instance *inst);
/* No VFs. The registers are the caller's. */
void medio_vfs_take_down(struct medio_instance *inst);
/* Around a reset of config space: those that a driver asked for go, and the registers tell of the others. */
void medio_vfs_before_reset(struct medio_instance *inst);
void medio_vfs_after_reset(struct medio_instance *inst);

/* A VF whose PF has VF MSE off does not answer on its BARs. */
bool medio_vf_is_deaf(const struct medio_instance *inst);

#endif
