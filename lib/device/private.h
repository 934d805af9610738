/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of lib/device share: the instance's innards. Nobody else includes this. */
#ifndef MEDIO_DEVICE_PRIVATE_H
#define MEDIO_DEVICE_PRIVATE_H

#include "device/chain.h"
#include "device/instance.h"
#include "device/irq.h"
#include "device/migration.h"
#include "device/stats.h"
#include "pci/config.h"
#include "pci/msix.h"
#include "util/list.h"
#include "util/loop.h"

/* A deferred access (medio_defer). */
struct medio_token {
	struct medio_dev *dev;	   /* who deferred */
	struct medio_token *outer; /* the filter's deferral this one answers, or NULL */
	bool cancelled;		   /* nobody waits any more; the answer goes nowhere */
	struct medio_list link;	   /* in inst->tokens, or inst->free_tokens */
};

struct bell;

/* One BAR of an instance. */
struct medio_region {
	uint8_t *mem;	    /* shared memory of the whole BAR if it has areas, else NULL */
	int fd;		    /* its memfd, -1 */
	bool foreign;	    /* fd is the device's, mem is NULL (medio_region_share_fd) */
	uint64_t fd_offset; /* where the BAR begins in it */
	unsigned num_areas; /* 0 too while they are not shared (areas_if_shared) */
	bool msix;	    /* holds the MSI-X table or PBA */
	struct bell *bells; /* one per doorbell, NULL until an eventfd is asked for */
};

/* One MSI or MSI-X vector as the client set it up. */
struct medio_vector {
	int trigger_fd; /* eventfd signalled at an interrupt; -1: de-assigned */
	int mask_fd;	/* eventfd signalled when the guest masks; -1 */
	int unmask_fd;	/* eventfd signalled when the guest unmasks; -1 */
	bool careful;	/* trigger_fd is in blocking mode: never write without asking poll() */
	bool masked;	/* by SET_IRQS MASK */
	bool pending;	/* MSI: an interrupt came while it could not be delivered */
};

struct medio_irqs_state {
	int active;	     /* MEDIO_IRQ_INTX, _MSI or _MSIX while set up by the client, else -1 */
	unsigned sources;    /* vectors the type declares, at least 1 */
	unsigned asserted;   /* how many sources are high */
	uint64_t level_word; /* their levels, up to 64 sources */
	uint64_t *levels;    /* points at level_word, or at more words */
	struct medio_vector *vectors; /* of the active MSI or MSI-X; NULL until set up */
	unsigned num_vectors;	      /* allocated */
	unsigned enabled;	      /* highest assigned vector + 1 */
	struct {
		struct medio_vector v; /* mask_fd and unmask_fd: the client signals them to us */
		struct medio_watch *mask_watch, *unmask_watch;
	} intx;
	int err_fd, req_fd;
};

struct medio_instance {
	struct medio_loop *loop;
	const struct medio_type *type;
	struct medio_chain chain;
	struct medio_type *own_type;	 /* type, if it has a shape of its own; else NULL */
	bool shaped;			 /* shape() has been, so that fini() is due */
	struct medio_pci_layout *layout; /* shared by all instances of the type */
	struct medio_pci_config config;
	struct medio_pci_msix msix;
	struct medio_iommu *iommu;
	struct medio_irqs_state irqs;
	struct medio_region regions[MEDIO_NUM_BARS];

	struct medio_vfs *vfs;	   /* of a physical function, else NULL */
	struct medio_instance *pf; /* of a virtual function, else NULL */
	unsigned vf_index;
	const char *no_vfs; /* medio_instance_no_vfs() */

	const struct medio_transport_ops *transport; /* NULL: no client */
	void *transport_opaque;
	struct medio_list tokens, free_tokens;
	struct medio_token *outer; /* while a filter runs a deferred call on the link below */
	bool quiescing;		   /* waiting for medio_quiesce_done() */
	bool quiesce_asking;	   /* the chain's quiesce() is running */
	bool quiesce_again;	   /* medio_quiesce_done() came from within it */

	struct medio_migration migration;
	struct medio_stats *stats; /* where to count: own_stats, or the caller's */
	struct medio_stats own_stats;

	struct medio_error **fail; /* where medio_fail() puts its words while init() runs */
	void (*log)(void *opaque, enum medio_log_level level, const char *line);
	void *log_opaque;
	uint64_t log_second;  /* of the last rate-limited line */
	unsigned log_count;   /* such lines in that second */
	unsigned log_dropped; /* and those not printed */
	char uuid[37];
	unsigned needs; /* MEDIO_NEEDS_* */
	void *state;	/* the device's, type->state_size bytes */
};

/* The layout of a type, as a card or as a virtual function, built once a process for all its instances. */
int medio_layout_get(const struct medio_type *type, bool vf, struct medio_pci_layout **out,
	struct medio_error **err);
void medio_layout_put(struct medio_pci_layout *layout);

/* instance.c: make an instance, and its end; place: a virtual function, whose PF knows it from before its
 * init() on, or NULL. */
struct medio_instance_place {
	struct medio_instance *pf;
	unsigned index;
};
int medio_instance_make(struct medio_loop *loop, const struct medio_type *type,
	const struct medio_instance_place *place, const struct medio_instance_options *opts,
	struct medio_instance **out, struct medio_error **err);
void medio_instance_end(struct medio_instance *inst);

/* shape.c: after the chain and parameters are there, before anything that looks at the type. */
int medio_shape_init(struct medio_instance *inst, struct medio_error **err);
void medio_shape_fini(struct medio_instance *inst);

/* region.c */
int medio_regions_init(struct medio_instance *inst, struct medio_error **err);
void medio_regions_fini(struct medio_instance *inst);
/* Doorbells that a client holds ring no more. */
void medio_regions_detach(struct medio_instance *inst);

/* irq.c: everything off, as after a disconnect (detach) or with levels dropped too (reset). */
int medio_irqs_init(struct medio_instance *inst);
void medio_irqs_fini(struct medio_instance *inst);
void medio_irqs_detach(struct medio_instance *inst);
void medio_irqs_reset(struct medio_instance *inst);
/* Config space changed: deliver what is no longer masked. */
void medio_irqs_refresh(struct medio_instance *inst);
/* The guest writes part of the MSI-X table. */
void medio_irqs_table_write(
	struct medio_instance *inst, uint64_t offset, const void *buf, size_t count);

/* defer.c */
void medio_tokens_cancel(struct medio_instance *inst);
/* dev's access has failed although dev deferred it: what dev answers now is nobody's. */
void medio_tokens_disown(struct medio_dev *dev);
void medio_tokens_fini(struct medio_instance *inst);

#endif
