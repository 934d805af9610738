/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio/virtio.h: write a virtio device.
 *
 * A virtio device is one `struct medio_virtio_type`: its id, features and queues, and a table of
 * operations. The library keeps all that virtio devices have in common: the status and its steps,
 * the negotiation of features, the queues in both formats, notifications and interrupts, the
 * capabilities that make it a PCI card. The device takes chains out of its queues, does what they
 * ask, and gives them back.
 *
 *     a guest's virtio driver
 *           |  rings in its memory, kicks           ^  interrupts
 *     the library: status, features, virtqueues, PCI
 *           |  kick()                               ^  medio_virtq_push(), medio_virtq_flush()
 *     your device
 *
 *     struct echo {
 *             struct medio_virtio virtio;     first of all
 *             …
 *     };
 *
 *     static void kick(struct medio_dev *dev, struct medio_virtq *queue)
 *     {
 *             struct medio_virtq_chain *chain;
 *
 *             while ((chain = medio_virtq_pop(queue)))
 *                     medio_virtq_push(chain, answer(chain));
 *     }
 *
 *     static const struct medio_virtio_ops ops = { .kick = kick };
 *     static const struct medio_virtio_type echo_virtio = {
 *             .id = 42, .max_queues = 1, .ops = &ops,
 *     };
 *     static const struct medio_type echo = {
 *             MEDIO_VIRTIO_TYPE(&echo_virtio, struct echo, 42, 1, 0xff0000),
 *             .name = "virtio-echo", .summary = "…",
 *             .params = (const struct medio_param[]){ MEDIO_VIRTIO_PARAMS, { NULL } },
 *             .attrs = (const struct medio_attr[]){ MEDIO_VIRTIO_ATTRS, { NULL } },
 *     };
 *     MEDIO_PLUGIN(&echo);
 *
 * What a driver does wrong is the library's to find as far as rings, registers and steps go: such a
 * device goes to NEEDS_RESET with a line in the log. What stands in a chain is the device's to check;
 * for a chain that cannot be answered there is medio_virtio_broken().
 *
 * Numbers, feature bits and layouts of each kind of device are in <linux/virtio_*.h>.
 *
 * Source: Virtual I/O Device (VIRTIO) 1.3; sections are named where they matter.
 *
 * Threads: as in <medio/device.h>: all on the thread of the instance's loop.
 */
#ifndef MEDIO_VIRTIO_H
#define MEDIO_VIRTIO_H

#include <sys/uio.h>

#include <medio/device.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MEDIO_VIRTIO_BIT(n_) (UINT64_C(1) << (n_))

/* Queues of a device, and descriptors of a queue, at most. */
#define MEDIO_VIRTIO_MAX_QUEUES	    256
#define MEDIO_VIRTIO_MAX_QUEUE_SIZE 1024

struct medio_virtq;

/* ---- A chain: one request of a driver --------------------------------------------------------- */

/*
 * The buffers of a chain, mapped here: `out` is what the device reads, `in` what it writes. Valid from
 * medio_virtq_pop() until medio_virtq_push(). The driver can change the memory at any time: what is to
 * be checked is copied first (medio_virtq_read()). The library has checked lengths, loops and that it
 * is the device's to reach; a buffer may have been cut in several pieces.
 */
struct medio_virtq_chain {
	struct medio_virtq *queue;
	const struct iovec *out, *in; /* num_out, num_in of them */
	unsigned num_out, num_in;
	size_t out_bytes, in_bytes; /* their sums, below 4 GiB each */
	/* The device's own, type->request_size bytes aligned to 16; not cleared. */
	void *data;
};

/* Copy between the `out` (read) or `in` (write) bytes of a chain, from byte `from` of them, and buf.
 * Returns bytes copied: less than len if there are no more. */
MEDIO_API size_t medio_virtq_read(
	const struct medio_virtq_chain *chain, size_t from, void *buf, size_t len);
MEDIO_API size_t medio_virtq_write(
	const struct medio_virtq_chain *chain, size_t from, const void *buf, size_t len);
/*
 * The pieces of iov (n of them) that make up bytes [from, from + len) of it, as at most max pieces in
 * out: how many, or 0 if there are fewer bytes or it takes more pieces.
 */
MEDIO_API unsigned medio_iov_slice(const struct iovec *iov, unsigned n, size_t from, size_t len,
	struct iovec *out, unsigned max);

/* ---- Queues ------------------------------------------------------------------------------------- */

/*
 * The next chain, or NULL: there is none, the queue is not live, the device is being quieted, or the
 * driver broke a rule (which is then told in the log). Chains of one queue are popped in the
 * driver's order; they may be pushed in any. Pop a chain only when it can be answered without the
 * driver's doing more: one that is held keeps resets and changes of memory waiting.
 *
 * The library asks for notifications again when this returned NULL for want of chains.
 */
MEDIO_API struct medio_virtq_chain *medio_virtq_pop(struct medio_virtq *queue);
/*
 * Up to max chains at once, as so many calls of medio_virtq_pop() and cheaper: how many; 0 is its NULL. If there
 * are fewer than max it has looked for more, and more may have come since.
 */
MEDIO_API unsigned medio_virtq_pop_many(
	struct medio_virtq *queue, struct medio_virtq_chain **chains, unsigned max);
/* The chains popped last, n of them, and not pushed, go back to where they were (a frame that needs
 * more buffers than there are). */
MEDIO_API void medio_virtq_unpop(struct medio_virtq *queue, unsigned n);
/*
 * Give a chain back; `written` bytes of its `in` are, from the first on. The driver sees it with the
 * next medio_virtq_flush(); all that were pushed before one flush appear at once.
 */
MEDIO_API void medio_virtq_push(struct medio_virtq_chain *chain, uint32_t written);
/* The same of n chains of one queue, at most its size; written: a number for each, or NULL: 0 for all. */
MEDIO_API void medio_virtq_push_many(
	struct medio_virtq_chain *const *chains, const uint32_t *written, unsigned n);
/* Show the driver what was pushed, and interrupt it if it wants that. The library does this itself after
 * kick(), for the queue that it was given, and after poll(), for all. */
MEDIO_API void medio_virtq_flush(struct medio_virtq *queue);
/*
 * The same in the middle of a kick(), unless the driver waits for an interrupt: that one comes with the next
 * medio_virtq_flush(), which there has to be, for all. A driver that looks by itself then works on what there is
 * while the device goes on. Once in some chains, for each time costs both sides a little.
 */
MEDIO_API void medio_virtq_flush_early(struct medio_virtq *queue);
/* Is there no chain to pop? Also true of a queue that is not live. */
MEDIO_API bool medio_virtq_is_empty(struct medio_virtq *queue);
/*
 * Whether kick() is wanted for this queue: true at first. A device that looks into the queue only when
 * something else happens (buffers for what comes in) saves its driver the notifications.
 */
MEDIO_API void medio_virtq_want_kicks(struct medio_virtq *queue, bool want);
/* Run kick() for this queue soon, as if the driver had notified it: a device that returned from
 * kick() for lack of something else calls this when it has it. */
MEDIO_API void medio_virtq_again(struct medio_virtq *queue);
MEDIO_API unsigned medio_virtq_index(const struct medio_virtq *queue);
MEDIO_API unsigned medio_virtq_size(const struct medio_virtq *queue);
/* Chains popped and not pushed. */
MEDIO_API unsigned medio_virtq_in_flight(const struct medio_virtq *queue);
MEDIO_API struct medio_dev *medio_virtq_dev(const struct medio_virtq *queue);

/* ---- The device ---------------------------------------------------------------------------------- */

/*
 * Operations. Each may be NULL. dev is the device's link, for every call of <medio/device.h>;
 * medio_priv(dev) is the state, which starts with a struct medio_virtio.
 */
struct medio_virtio_ops {
	/*
	 * Make the device ready; parameters are stored. Here, and only here, medio_virtio_offer() and
	 * medio_virtio_set_queues() may be called. 0, or -errno after medio_fail().
	 */
	int (*init)(struct medio_dev *dev);
	void (*fini)(struct medio_dev *dev);
	/* As in struct medio_device_ops, but fini() follows init() alone: shape() leaves nothing to undo. */
	int (*shape)(struct medio_dev *dev, struct medio_type *type);
	int (*vfs)(struct medio_dev *dev, unsigned num);
	/* The driver has chosen features, a subset of those offered. 0, or -errno: FEATURES_OK is then
	 * refused (3.1.1, step 6), after medio_guest_error() has said why. */
	int (*features)(struct medio_dev *dev, uint64_t accepted);
	/* Fill in the device's configuration, type->config_size zeroed bytes, little-endian. */
	void (*config_read)(struct medio_dev *dev, uint8_t *config);
	/* The driver wrote count bytes at offset of it. */
	void (*config_write)(
		struct medio_dev *dev, unsigned offset, const void *buf, unsigned count);
	/* The driver is up: DRIVER_OK. Queues that it enabled are live from here on (a queue that was
	 * reset by itself and enabled again: queue() alone is called). */
	void (*live)(struct medio_dev *dev);
	/* A queue goes live (true), or is reset or about to go with the device (false); then none of its
	 * chains is in flight. */
	void (*queue)(struct medio_dev *dev, struct medio_virtq *queue, bool live);
	/* There may be chains in a live queue: pop what can be answered. */
	void (*kick)(struct medio_dev *dev, struct medio_virtq *queue);
	/*
	 * With poll=on, and for a while after work with poll=adaptive: look for what has been
	 * finished elsewhere (a completion queue in memory). True: there was something.
	 */
	bool (*poll)(struct medio_dev *dev);
	/*
	 * The memory of chains goes away now: push every chain that was popped before returning,
	 * waiting for what cannot be stopped. For devices that answer later than in kick().
	 */
	void (*drain)(struct medio_dev *dev);
	/* The device was reset (status 0, or by its bus): back to the state after init(). No chain is in
	 * flight, no queue is live. */
	void (*reset)(struct medio_dev *dev);
	/* What the device itself remembers beyond the library's state, for migration and restarts; see
	 * struct medio_device_ops. load() comes when queues are live again. NULL: nothing. */
	ssize_t (*save)(struct medio_dev *dev, void *buf, size_t cap);
	int (*load)(struct medio_dev *dev, const void *buf, size_t size);
	/* The same bytes before load(), as soon as they come, whatever that waits for: for what is an operator's
	 * and not the driver's. Refuses as load() does. */
	int (*load_early)(struct medio_dev *dev, const void *buf, size_t size);
};

struct medio_virtio_type {
	uint16_t id;	      /* of the kind (5): VIRTIO_ID_* of <linux/virtio_ids.h> */
	uint16_t max_queues;  /* 1 to MEDIO_VIRTIO_MAX_QUEUES, as in MEDIO_VIRTIO_TYPE() */
	uint16_t config_size; /* bytes, 0 to 4096 */
	uint64_t features;    /* of the kind (bits 0 to 23, 50 to 63), offered by each instance */
	size_t request_size;  /* bytes of chain->data */
	const struct medio_virtio_ops *ops;
};

enum medio_virtio_poll { MEDIO_VIRTIO_POLL_OFF, MEDIO_VIRTIO_POLL_ADAPTIVE, MEDIO_VIRTIO_POLL_ON };

struct medio_virtio_core;

/* The first member of a virtio device's state. Its fields are the library's. */
struct medio_virtio {
	struct medio_virtio_core *core;
	/* Parameters of every virtio device: MEDIO_VIRTIO_PARAMS. */
	uint64_t queue_size; /* largest, a power of two */
	uint64_t poll_time;  /* ns */
	int poll;	     /* enum medio_virtio_poll */
	char *poll_queues;   /* those that are polled: "0,2-3"; NULL: all */
	bool packed, indirect, event_idx, in_order, notification_data, platform, ring_reset,
		order_platform;
};

extern MEDIO_API const char *const medio_virtio_poll_names[];

#define MEDIO_VIRTIO_PARAM(name_, kind_, field_, default_, help_, ...) \
	{ \
		name_, MEDIO_PARAM_##kind_, offsetof(struct medio_virtio, field_), default_, \
			help_, __VA_ARGS__ \
	}

/* What every virtio device can be told, for its table of parameters. */
#define MEDIO_VIRTIO_PARAMS MEDIO_VIRTIO_PARAMS_WITH("off")
/* The same for one that uses buffers in their order by itself: drivers that know IN_ORDER have less to do. */
#define MEDIO_VIRTIO_PARAMS_ORDERED MEDIO_VIRTIO_PARAMS_WITH("on")

#define MEDIO_VIRTIO_PARAMS_WITH(in_order_) \
	MEDIO_VIRTIO_PARAM("queue-size", UINT, queue_size, "256", \
		"descriptors of a queue at most, a power of two", .min = 2, \
		.max = MEDIO_VIRTIO_MAX_QUEUE_SIZE), \
		MEDIO_VIRTIO_PARAM("packed", BOOL, packed, "on", \
			"offer packed virtqueues (RING_PACKED)", .min = 0), \
		MEDIO_VIRTIO_PARAM("indirect", BOOL, indirect, "on", \
			"offer indirect descriptors (INDIRECT_DESC)", .min = 0), \
		MEDIO_VIRTIO_PARAM("event-idx", BOOL, event_idx, "on", \
			"offer finer control of notifications and interrupts (EVENT_IDX)", \
			.min = 0), \
		MEDIO_VIRTIO_PARAM("in-order", BOOL, in_order, in_order_, \
			"use buffers in the order they were made available (IN_ORDER)", .min = 0), \
		MEDIO_VIRTIO_PARAM("notification-data", BOOL, notification_data, "off", \
			"offer notifications that tell how far (NOTIFICATION_DATA)", .min = 0), \
		MEDIO_VIRTIO_PARAM("ring-reset", BOOL, ring_reset, "on", \
			"offer the reset of one queue (RING_RESET)", .min = 0), \
		MEDIO_VIRTIO_PARAM("platform", BOOL, platform, "on", \
			"offer DMA through the platform's IOMMU (ACCESS_PLATFORM)", .min = 0), \
		MEDIO_VIRTIO_PARAM("order-platform", BOOL, order_platform, "off", \
			"ask drivers for the memory barriers that hardware needs (ORDER_PLATFORM)", \
			.min = 0), \
		MEDIO_VIRTIO_PARAM("poll", CHOICE, poll, "off", \
			"look for work all the time (on), for a while after there was some " \
			"(adaptive), or when notified (off)", \
			.choices = medio_virtio_poll_names), \
		MEDIO_VIRTIO_PARAM("poll-time", TIME, poll_time, "50us", \
			"how long adaptive polling goes on without work", .max = 1000000000), \
		MEDIO_VIRTIO_PARAM("poll-queues", STRING, poll_queues, NULL, \
			"the queues to poll, such as 0,2-3; the others notify; all if not given", \
			.min = 0)

MEDIO_API ssize_t medio_virtio_attr_show(
	struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);

/* What every virtio device shows of itself, for its table of attributes. "virtio/state" is all of it
 * as one JSON object, which `medio virtio` prints. */
#define MEDIO_VIRTIO_ATTRS \
	{ "virtio/status", medio_virtio_attr_show, NULL }, \
		{ "virtio/features", medio_virtio_attr_show, NULL }, \
		{ "virtio/queues", medio_virtio_attr_show, NULL }, \
		{ "virtio/poll", medio_virtio_attr_show, NULL }, \
	{ \
		"virtio/state", medio_virtio_attr_show, NULL \
	}

/* Features of this instance besides its type's, or (withdraw) not after all. init() only. */
MEDIO_API void medio_virtio_offer(struct medio_dev *dev, uint64_t features);
MEDIO_API void medio_virtio_withdraw(struct medio_dev *dev, uint64_t features);
/* This instance has n queues, 1 to the type's max_queues (the default). init() only. */
MEDIO_API void medio_virtio_set_queues(struct medio_dev *dev, unsigned n);
/* What the driver accepted; 0 before FEATURES_OK. has: one feature, by its bit's number. */
MEDIO_API uint64_t medio_virtio_accepted(const struct medio_dev *dev);
MEDIO_API bool medio_virtio_has(const struct medio_dev *dev, unsigned bit);
/* DRIVER_OK is set, and the device does not need a reset. */
MEDIO_API bool medio_virtio_is_live(const struct medio_dev *dev);
/* A queue that is live, or NULL. */
MEDIO_API struct medio_virtq *medio_virtio_queue(struct medio_dev *dev, unsigned index);
/* The configuration has changed: another generation, and a configuration interrupt (2.5, 4.1.5.3). */
MEDIO_API void medio_virtio_config_changed(struct medio_dev *dev);
/*
 * The driver did what cannot be answered: NEEDS_RESET, with a line in the log that says which rule it
 * broke, such as "queue 0: a request of 3 bytes, shorter than its header (5.2.6)". Nothing is popped
 * until it has reset the device (2.1.2).
 */
MEDIO_API void medio_virtio_broken(struct medio_dev *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- As a PCI card (4.1) ------------------------------------------------------------------------- */

/*
 * BAR 4: the common configuration at 0, the ISR status at 0x1000, the device's configuration at
 * 0x2000, notifications from 0x3000 on, 4 bytes a queue. BAR 1: the MSI-X table, and from 0x3000 on
 * its pending bits. The vector of the configuration comes on top of one a queue.
 */
#define MEDIO_VIRTIO_BAR	4u
#define MEDIO_VIRTIO_BAR_SIZE	0x4000u
#define MEDIO_VIRTIO_COMMON	0x0000u
#define MEDIO_VIRTIO_ISR	0x1000u
#define MEDIO_VIRTIO_CONFIG	0x2000u
#define MEDIO_VIRTIO_NOTIFY	0x3000u
#define MEDIO_VIRTIO_MULTIPLIER 4u
#define MEDIO_VIRTIO_MSIX_BAR	1u

/*
 * Its capabilities (4.1.4). MEDIO_VIRTIO_CAPS are the five that every virtio card has, for a list of
 * one's own; bytes of one begin after its id, next and length, which are the library's.
 */
#define MEDIO_VIRTIO_CAP_SHARED_MEMORY 8
#define MEDIO_VIRTIO_CAP_SIZE	       13
#define MEDIO_VIRTIO_LE32(v_) \
	(uint8_t)(v_), (uint8_t)((uint64_t)(v_) >> 8), (uint8_t)((uint64_t)(v_) >> 16), \
		(uint8_t)((uint64_t)(v_) >> 24)
#define MEDIO_VIRTIO_CAP_BYTES(type_, bar_, shm_id_, offset_, length_) \
	(type_), (bar_), (shm_id_), 0, 0, MEDIO_VIRTIO_LE32(offset_), MEDIO_VIRTIO_LE32(length_)
#define MEDIO_VIRTIO_CAP(bytes_, wmask_) \
	{ \
		.kind = MEDIO_CAP_VENDOR, .size = sizeof(bytes_), .data = (bytes_), \
		.wmask = (wmask_) \
	}
extern MEDIO_API const uint8_t medio_virtio_pci_common_cap[MEDIO_VIRTIO_CAP_SIZE];
extern MEDIO_API const uint8_t medio_virtio_pci_notify_cap[MEDIO_VIRTIO_CAP_SIZE + 4];
extern MEDIO_API const uint8_t medio_virtio_pci_isr_cap[MEDIO_VIRTIO_CAP_SIZE];
extern MEDIO_API const uint8_t medio_virtio_pci_device_cap[MEDIO_VIRTIO_CAP_SIZE];
extern MEDIO_API const uint8_t medio_virtio_pci_window_cap[MEDIO_VIRTIO_CAP_SIZE + 4];
extern MEDIO_API const uint8_t medio_virtio_pci_window_wmask[MEDIO_VIRTIO_CAP_SIZE + 4];
#define MEDIO_VIRTIO_CAPS \
	MEDIO_VIRTIO_CAP(medio_virtio_pci_common_cap, NULL), \
		MEDIO_VIRTIO_CAP(medio_virtio_pci_notify_cap, NULL), \
		MEDIO_VIRTIO_CAP(medio_virtio_pci_isr_cap, NULL), \
		MEDIO_VIRTIO_CAP(medio_virtio_pci_device_cap, NULL), \
		MEDIO_VIRTIO_CAP(medio_virtio_pci_window_cap, medio_virtio_pci_window_wmask)
/*
 * Shared-memory region id_ (2.10, 4.1.4.7): length_ bytes at offset_ of BAR bar_, memory with areas that
 * the type declares beside MEDIO_VIRTIO_TYPE_CAPS(). The device reaches it with medio_region_ptr().
 *
 *     static const struct medio_mmap_area shm_areas[] = { { 0, 1 << 20 }, { 0, 0 } };
 *     static const struct medio_cap caps[] = {
 *             MEDIO_VIRTIO_CAPS, MEDIO_VIRTIO_SHM_CAP(0, 2, 0, 1 << 20), { .kind = MEDIO_CAP_NONE },
 *     };
 *     static const struct medio_type type = {
 *             MEDIO_VIRTIO_TYPE_CAPS(&virtio, struct state, 42, 1, 0xff0000, caps),
 *             .bars[2] = { .kind = MEDIO_BAR_MEM64, .prefetchable = true, .size = 1 << 20,
 *                     .areas = shm_areas },
 */
#define MEDIO_VIRTIO_SHM_CAP(id_, bar_, offset_, length_) \
	MEDIO_VIRTIO_CAP( \
		((const uint8_t[]){ MEDIO_VIRTIO_CAP_BYTES(MEDIO_VIRTIO_CAP_SHARED_MEMORY, bar_, \
					    id_, offset_, length_), \
			MEDIO_VIRTIO_LE32((uint64_t)(offset_) >> 32), \
			MEDIO_VIRTIO_LE32((uint64_t)(length_) >> 32) }), \
		NULL)

extern MEDIO_API const struct medio_device_ops medio_virtio_pci_ops;
extern MEDIO_API const struct medio_cap medio_virtio_pci_caps[];
/* The same on PCI Express, with FLR: for physical and virtual functions. */
extern MEDIO_API const struct medio_cap medio_virtio_pcie_caps[];
extern MEDIO_API const struct medio_mmap_area medio_virtio_pci_areas[];
extern MEDIO_API const struct medio_doorbell medio_virtio_pci_doorbells[MEDIO_VIRTIO_MAX_QUEUES];
extern MEDIO_API const struct medio_register medio_virtio_pci_registers[];

/*
 * The members of a struct medio_type that make a virtio device a PCI card; name, summary, params and
 * attrs are the author's. state_: the type of its state. id_ and queues_ as in *virtio_; class_: the
 * PCI class code. The second form takes a list of capabilities, see MEDIO_VIRTIO_SHM_CAP(). A physical
 * function is one with medio_virtio_pcie_caps and .sriov, and offers VIRTIO_F_SR_IOV then; the third form
 * is a virtual function's: PCI Express, and no INTx; its state has the PF's struct medio_virtio, if that is a
 * virtio device too.
 */
#define MEDIO_VIRTIO_TYPE(virtio_, state_, id_, queues_, class_) \
	MEDIO_VIRTIO_TYPE_CAPS(virtio_, state_, id_, queues_, class_, medio_virtio_pci_caps)
#define MEDIO_VIRTIO_TYPE_CAPS(virtio_, state_, id_, queues_, class_, caps_) \
	MEDIO_VIRTIO_TYPE_PIN(virtio_, state_, id_, queues_, class_, caps_, 1)
#define MEDIO_VIRTIO_VF_TYPE(virtio_, state_, id_, queues_, class_) \
	MEDIO_VIRTIO_TYPE_PIN(virtio_, state_, id_, queues_, class_, medio_virtio_pcie_caps, 0)
#define MEDIO_VIRTIO_TYPE_PIN(virtio_, state_, id_, queues_, class_, caps_, pin_) \
	.abi = MEDIO_DEVICE_ABI, \
	.id = { \
		.vendor = 0x1af4, \
		.device = 0x1040 + (id_), \
		.subsystem_vendor = 0x1af4, \
		.subsystem_device = 0x1100, \
		.revision = 1, \
		.class_code = (class_), \
	}, \
	.bars = { \
		[MEDIO_VIRTIO_MSIX_BAR] = { .kind = MEDIO_BAR_MEM32, .size = 0x4000 }, \
		[MEDIO_VIRTIO_BAR] = { \
			.kind = MEDIO_BAR_MEM64, \
			.prefetchable = true, \
			.size = MEDIO_VIRTIO_BAR_SIZE, \
			.areas = medio_virtio_pci_areas, \
			.areas_if_shared = true, \
			.doorbells = medio_virtio_pci_doorbells, \
			.num_doorbells = (queues_), \
		}, \
	}, \
	.irqs = { \
		.intx_pin = (pin_), \
		.msix = { \
			.vectors = (queues_) + 1, \
			.table_bar = MEDIO_VIRTIO_MSIX_BAR, \
			.pba_bar = MEDIO_VIRTIO_MSIX_BAR, \
			.pba_offset = 0x3000, \
		}, \
	}, \
	.caps = (caps_), .ops = &medio_virtio_pci_ops, \
	.state_size = sizeof(state_), .data = (virtio_), .registers = medio_virtio_pci_registers

#ifdef __cplusplus
}
#endif

#endif
