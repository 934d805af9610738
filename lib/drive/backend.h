/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card, and the table a backend fills in. The card checks what the driver asks (indexes, ranges,
 * permissions), remembers what regions and interrupts there are, and keeps the DMA mappings and
 * eventfds; the backend carries requests to the device and checks what comes back.
 */
#ifndef MEDIO_DRIVE_BACKEND_H
#define MEDIO_DRIVE_BACKEND_H

#include <medio/driver.h>

#include "drive/container.h"
#include "drive/dirty.h"
#include "drive/fault.h"
#include "drive/kernel.h"

#define MEDIO_CARD_MAX_REGIONS 64
#define MEDIO_CARD_MAX_IRQS    64
#define MEDIO_CARD_MAX_VECTORS 4096
#define MEDIO_CARD_IDS	       3

/* A region as the card remembers it. */
struct medio_card_region_state {
	bool known;
	struct medio_card_region view; /* areas: allocated */
	int fd;			       /* of its memory, -1: none */
	uint64_t fd_offset;
	/* Doorbells, once asked for. Their fds are owned. */
	bool doorbells_known;
	struct medio_card_doorbell *doorbells;
	unsigned num_doorbells;
};

/* An interrupt index as the card remembers it. */
struct medio_card_irq_state {
	bool known;
	struct medio_card_irq view;
	int *fds;	/* of opened vectors, owned; NULL: not opened */
	uint32_t count; /* of fds */
	/* Vector 0 is masked, as far as is known here. Only for words. */
	bool masked, unmasked_by_fd;
};

/* Interrupt actions and data, with the numbers that VFIO and vfio-user share (SET_IRQS). */
enum {
	MEDIO_CARD_IRQ_NONE = 0x01,
	MEDIO_CARD_IRQ_EVENTFD = 0x04,
	MEDIO_CARD_IRQ_MASK = 0x08,
	MEDIO_CARD_IRQ_UNMASK = 0x10,
	MEDIO_CARD_IRQ_TRIGGER = 0x20,
};

/*
 * One way to reach a device. All return 0 or -errno; what failed is in words(). Those that may be
 * NULL say so. Arguments are checked already, unless said otherwise.
 */
struct medio_backend {
	const char *scheme;
	bool near; /* a look at config space takes no message, and says -ENODEV of a device that is gone */
	bool asks; /* for memory without a file, which this program then copies (memory.h) */
	/* Connect; fill card->info, card->backend_state. fd: a connected one, or -1. With words. */
	int (*open)(struct medio_card *card, const char *address, int fd,
		const struct medio_card_options *opts, struct medio_error **err);
	/* Let go; open has succeeded. */
	void (*close)(struct medio_card *card);
	/* As medio_card_reconnect(), which it ends with medio_card_restore(). NULL: -ENOTSUP. */
	int (*reconnect)(struct medio_card *card, int timeout_ms);
	/* Fill in view, fd, fd_offset of a region; the index of an interrupt. */
	int (*region)(
		struct medio_card *card, unsigned region, struct medio_card_region_state *out);
	int (*irq)(struct medio_card *card, unsigned index, struct medio_card_irq *out);
	/* The doorbells of a region: allocated list and its length. NULL: none. */
	int (*doorbells)(struct medio_card *card, unsigned region, struct medio_card_doorbell **out,
		unsigned *count);
	/* At most info.max_data_xfer bytes. */
	int (*read)(
		struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count);
	int (*write)(struct medio_card *card, unsigned region, uint64_t offset, const void *buf,
		size_t count);
	/* The one-byte register at offset, count times. NULL: count reads. */
	int (*read_rep)(struct medio_card *card, unsigned region, uint64_t offset, uint8_t *buf,
		size_t count);
	/* NULL: as write, and nothing to flush. */
	int (*post)(struct medio_card *card, unsigned region, uint64_t offset, const void *buf,
		size_t count);
	int (*flush)(struct medio_card *card);
	/* Tell the device. After map fails nothing is mapped; unmap of whole mappings. */
	int (*dma_map)(struct medio_card *card, const struct medio_card_mapping *mapping);
	int (*dma_unmap)(struct medio_card *card, uint64_t iova, uint64_t size);
	/* Where mappings can be. NULL: anywhere. */
	void (*dma_limits)(struct medio_card *card, struct medio_dma_limits *out);
	/* The only iova at which the device sees size bytes at ptr; size 0: could it see any memory?
	 * NULL: any iova will do. */
	int (*dma_place)(struct medio_card *card, const void *ptr, uint64_t size, uint64_t *iova);
	/* flags: one of NONE, EVENTFD and one action. fds: count of them with EVENTFD, NULL: take
	 * all away. start = count = 0 with NONE and TRIGGER disables the index. */
	int (*irq_set)(struct medio_card *card, unsigned index, uint32_t flags, uint32_t start,
		uint32_t count, const int *fds);
	int (*reset)(struct medio_card *card);
	/* NULL, each: -ENOTTY. */
	int (*feature)(struct medio_card *card, uint32_t flags, void *data, size_t size, size_t cap,
		size_t *got);
	const struct medio_card_log *log; /* of what the device writes */
	int (*mig_read)(struct medio_card *card, void *buf, size_t cap, size_t *got);
	int (*mig_write)(struct medio_card *card, const void *buf, size_t size);
	/* Memory that the device was refused: take the oldest, or look at the newest. -ENOENT: none.
	 * NULL: nobody tells. */
	int (*fault)(struct medio_card *card, bool take, struct medio_card_fault *out);
	/* A server's requests. NULL: there are none. fds: what to poll for them ourselves, up to two, -1:
	 * none; NULL: that of fd. */
	int (*fd)(const struct medio_card *card);
	void (*fds)(const struct medio_card *card, int out[2]);
	int (*process)(struct medio_card *card);
	/* NULL: the backend says what failed by medio_card_say(). */
	const char *(*words)(const struct medio_card *card);
};

struct medio_card {
	const struct medio_backend *backend;
	void *backend_state;
	char *uri;
	struct medio_card_info info;
	struct medio_card_region_state regions[MEDIO_CARD_MAX_REGIONS];
	struct medio_card_irq_state irqs[MEDIO_CARD_MAX_IRQS];
	const struct medio_kernel *kernel; /* for backends that ask it */
	struct medio_container *container; /* ours a part of it */
	struct medio_list member;	   /* of its cards */
	const void *domain; /* set by open: members with the same one share their mappings */
	unsigned dma_bits;  /* of addresses the device can put out; 0: 64 */
	struct medio_card_dirty dirty;
	struct medio_card_faults faults;
	bool returns; /* set by open: reconnect() can work, and needs the mappings' files */
	/* Who it is, for reconnect(): the words of config space at medio_card_id_offsets. */
	bool has_ids;
	uint32_t ids[MEDIO_CARD_IDS];
	/* Words of a failure that the backend did not see, or said here; "" if its own are newer. */
	char words[512];
	bool said;   /* by the backend, in the call that is under way */
	bool failed; /* some call has failed */
};

extern const struct medio_backend medio_backend_vfio_user, medio_backend_local;
extern const struct medio_backend medio_backend_vfio, medio_backend_uio, medio_backend_iommufd;

/* As medio_card_open(), with another kernel than the one that runs us. */
int medio_card_open_kernel(const struct medio_kernel *kernel, const char *uri,
	const struct medio_card_options *opts, struct medio_card **out, struct medio_error **err);

/* A card that is not open yet, in container or (NULL) one of its own; NULL: out of memory. And its
 * end if it never will be. */
struct medio_card *medio_card_alloc(
	const struct medio_backend *backend, const char *uri, struct medio_container *container);
void medio_card_discard(struct medio_card *card);
/* The backend has opened it: make it a member of its container. A failure is the card's end. */
int medio_card_join(struct medio_card *card, struct medio_error **err);

/* Say why a call fails: gives -errnum. */
int medio_card_fail(struct medio_card *card, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a backend, whose result is passed on by medio_card_result(). */
int medio_card_say(struct medio_card *card, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Pass a backend's result on, remembering whose words are the latest. */
int medio_card_result(struct medio_card *card, int ret);
/*
 * The card has a new connection: check that it is the card it was before (it had this info), and make
 * all as it was. -ESTALE, errno of a mapping or of the transport, with words said; the card is then as
 * before but for what the new connection was told, which must end.
 */
int medio_card_restore(struct medio_card *card, const struct medio_card_info *before);
/* Learn who the card is; what cannot be read is not known. For open. */
void medio_card_identify(struct medio_card *card);
/* Free what is known of a region. */
void medio_card_region_fini(struct medio_card_region_state *region);
/* Disable what was opened and free it. For close. */
void medio_card_irqs_fini(struct medio_card *card);

#endif
