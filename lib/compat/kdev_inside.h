/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of kdev share: a device's state, and who answers which call. */
#ifndef MEDIO_COMPAT_KDEV_INSIDE_H
#define MEDIO_COMPAT_KDEV_INSIDE_H

#include <linux/vfio.h>

#include "compat/compat.h"
#include "compat/kdev.h"

#define MEDIO_KDEV_REGIONS VFIO_PCI_NUM_REGIONS
#define MEDIO_KDEV_BARS	   6
#define MEDIO_KDEV_VECTORS 4096 /* more than either message interrupt has */

/* A descriptor's file of the device. */
struct medio_kdev_file {
	struct medio_kfile file;
	struct medio_kdev *kdev;
	struct medio_list link; /* of the device's files */
};

/* Memory that the device has, as one call of medio_kdev_map() gave it. */
struct medio_kdev_mapping {
	uint64_t iova, size;
	struct medio_span *span;
};

/* A range in a BAR that config space names. */
struct medio_kdev_range {
	unsigned region; /* MEDIO_KDEV_REGIONS: there is none */
	uint64_t offset, size;
};

struct medio_kdev_ioeventfd;
struct medio_kdev_stream;

struct medio_kdev_state {
	/* What the card is, learned once. */
	struct medio_card_region regions[MEDIO_KDEV_REGIONS];
	struct medio_card_irq irqs[VFIO_PCI_NUM_IRQS];
	bool io[MEDIO_KDEV_BARS]; /* ports, not memory */
	bool express;		  /* a PCI Express device: it has an error interrupt */
	bool has_reset;
	struct medio_kdev_range msix; /* its table */
	struct medio_watch *watch;    /* the card's requests; NULL: it has none */
	struct medio_timer *soon;     /* the same, behind an answer of the card's; NULL as above */
	bool dead;		      /* the other side is gone, as the program has been told */

	/* Of the present opening. */
	struct medio_list files;
	uint16_t command; /* PCI: the command register, without which memory is not reached */
	/* Interrupts: which of INTx, MSI and MSI-X is in use, MEDIO_KDEV_NO_IRQ: none; with how many vectors, which of
	 * them have an eventfd. */
	unsigned irq;
	uint32_t vectors;
	uint64_t assigned[MEDIO_KDEV_VECTORS / 64];
	int err_fd, req_fd; /* ours, to be signalled when the card dies; -1 */
	int unmask_fd;	    /* ours, INTx's; -1 */
	struct medio_list ioeventfds;
	unsigned num_ioeventfds;
	struct medio_kdev_stream *stream; /* the device's state on its way; NULL: it is not */
	struct medio_list streams;	  /* that one and those that have been left */
	uint64_t state_size; /* of the device's state, when it was last read; 0: never */
	bool logging;

	struct medio_kdev_mapping *maps; /* by iova */
	size_t num_maps, cap_maps;
};

#define MEDIO_KDEV_NO_IRQ VFIO_PCI_NUM_IRQS

/*
 * What a call of the card's gave, as the program gets it: -ENODEV for a card whose other side is gone, which is then
 * told to who has asked to be told (interrupts REQ and ERR). Values of 0 and more are passed.
 */
int64_t medio_kdev_result(struct medio_kdev *kdev, int64_t ret);

/* One of kdev->files is gone: a descriptor's, or that of a mapping which traps (mmio.c). */
void medio_kdev_put(struct medio_kdev *kdev);

/*
 * Read the first size bytes of a structure of the program's, as the kernel does: what cannot be read is -EFAULT, what says
 * (argsz) that it is shorter is -EINVAL.
 */
int medio_kdev_take(struct medio_call *call, uint64_t arg, void *buf, size_t size);

/* kdev_info.c */
int64_t medio_kdev_get_info(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg);
int64_t medio_kdev_get_region_info(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg);
int64_t medio_kdev_get_irq_info(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg);
/* All of the region can be mapped, also what traps (mmio.h); pid: by whom. */
bool medio_kdev_maps_all(const struct medio_kdev *kdev, unsigned region, pid_t pid);
/* Vectors of an interrupt index, 0: there is no such interrupt. */
uint32_t medio_kdev_irq_count(const struct medio_kdev *kdev, unsigned index);

/* kdev_learn.c: fill in what the card is. Errors of the card's, with words. */
int medio_kdev_learn(struct medio_kdev *kdev, struct medio_error **err);

/* kdev_reset.c */
int64_t medio_kdev_reset(struct medio_kdev *kdev);
/* As vfio-pci does when the first opens: a fresh device, its BARs switched on. */
int medio_kdev_enable(struct medio_kdev *kdev);
int64_t medio_kdev_hot_reset_info(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg);
int64_t medio_kdev_hot_reset(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg);

/* kdev_irq.c */
int64_t medio_kdev_set_irqs(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg);
/* All of them off, and forgotten. */
void medio_kdev_irqs_off(struct medio_kdev *kdev);

/* kdev_access.c */
int64_t medio_kdev_pread(struct medio_kfile *file, struct medio_call *call, uint64_t buf,
	uint64_t count, uint64_t offset);
int64_t medio_kdev_pwrite(struct medio_kfile *file, struct medio_call *call, uint64_t buf,
	uint64_t count, uint64_t offset);
int64_t medio_kdev_mmap(struct medio_kfile *file, struct medio_call *call);
/* The command register may be another now. */
void medio_kdev_read_command(struct medio_kdev *kdev);

/* kdev_map.c */
void medio_kdev_unmap_all(struct medio_kdev *kdev);

/* kdev_ioeventfd.c */
int64_t medio_kdev_ioeventfd(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg);
void medio_kdev_ioeventfds_off(struct medio_kdev *kdev);

/* Later than linux/vfio.h of 6.1. */
#define MEDIO_KDEV_FEATURE_MIG_DATA_SIZE 9

/* kdev_feature.c, kdev_migration.c, kdev_log.c */
struct medio_kdev_feature {
	struct medio_kdev *kdev;
	struct medio_call *call;
	uint32_t flags;
	uint64_t data; /* the program's, behind the header */
	size_t size;   /* of it */
};
int64_t medio_kdev_do_feature(struct medio_kdev *kdev, struct medio_call *call, uint64_t arg);
/*
 * 1: it is to be done; 0: it was asked only whether it could be; -EINVAL: not this way (ways: those there are, of
 * VFIO_DEVICE_FEATURE_GET and _SET), or too little data.
 */
int medio_kdev_check_feature(const struct medio_kdev_feature *f, uint32_t ways, size_t size);
int64_t medio_kdev_feature_migration(const struct medio_kdev_feature *f);
int64_t medio_kdev_feature_mig_state(const struct medio_kdev_feature *f);
int64_t medio_kdev_feature_mig_size(const struct medio_kdev_feature *f);
/* The state on its way goes nowhere any more. */
void medio_kdev_streams_end(struct medio_kdev *kdev);
int64_t medio_kdev_feature_log_start(const struct medio_kdev_feature *f);
int64_t medio_kdev_feature_log_stop(const struct medio_kdev_feature *f);
int64_t medio_kdev_feature_log_report(const struct medio_kdev_feature *f);
void medio_kdev_log_off(struct medio_kdev *kdev);

#endif
