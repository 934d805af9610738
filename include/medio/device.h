/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio/device.h: write a PCI device.
 *
 * A device is one `struct medio_type`: constant data that says what the card looks like (identity,
 * BARs, interrupts, capabilities, parameters) and a table of operations that says what it does.
 * The library keeps the PCI configuration space, the MSI-X table, interrupt delivery, guest memory
 * and the connection to whoever uses the device; the device keeps its registers.
 *
 *     a guest, DPDK, a driver program
 *           |   device_ops go down      ^   host calls come up
 *        filters (trace, delay ...)     |
 *           |                           |
 *         your device ------------------+
 *
 * Threads: every operation of one instance, and every callback of its watches and timers, runs on
 * the thread of the event loop the instance was made on. A host call (any function here that takes
 * a `struct medio_dev *`) may be made on that thread only, unless its comment says otherwise. A
 * device that needs threads makes them in init(), to wait for what would hold up the loop, and they make
 * no host calls: in mediod's workers the sandbox ends a process that makes one later.
 *
 * Errors: functions return 0, or a negative errno. What a guest does wrong is never an assertion:
 * return an errno, or complain with medio_guest_error() and carry on as the hardware would.
 */
#ifndef MEDIO_DEVICE_H
#define MEDIO_DEVICE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MEDIO_API
#define MEDIO_API __attribute__((visibility("default")))
#endif

/* Version of the structures in this header; a plug-in built against another one is refused. */
#define MEDIO_DEVICE_ABI 3

/*
 * One link of an instance's chain: the device's own, or a filter's. Opaque; an operation is given
 * the link it belongs to and hands it back in every host call.
 */
struct medio_dev;

/* ---- Parameters ------------------------------------------------------------------------------ */

enum medio_param_kind {
	MEDIO_PARAM_BOOL,   /* bool: on/off, yes/no, true/false, 1/0 */
	MEDIO_PARAM_UINT,   /* uint64_t: decimal, 0x…; checked against min and max */
	MEDIO_PARAM_SIZE,   /* uint64_t: as UINT, with suffix K, M, G, T (powers of 1024) */
	MEDIO_PARAM_TIME,   /* uint64_t nanoseconds: a number with suffix ns, us, ms or s */
	MEDIO_PARAM_STRING, /* char *, owned by the library, NULL when unset and without default */
	MEDIO_PARAM_CHOICE, /* int: index into choices[] */
};

/*
 * A parameter of a type or a filter. One table gives the parser, --help, the manual page and the
 * tree's attribute. The value is stored at `offset` in the private state before init() runs.
 */
struct medio_param {
	const char *name;	    /* [a-z][a-z0-9-]* */
	enum medio_param_kind kind; /* fixes the C type at offset, see above */
	size_t offset;		    /* offsetof(struct my_state, field) */
	const char *deflt;	    /* as a user would write it; NULL: zero, false or NULL */
	const char *help;	    /* one line, no full stop */
	uint64_t min, max;	    /* UINT, SIZE, TIME; max 0 means no upper limit */
	const char *const *choices; /* CHOICE: NULL-terminated names */
};

/* ---- What the card looks like ---------------------------------------------------------------- */

/* Region indexes, as VFIO numbers them (linux/vfio.h, VFIO_PCI_*_REGION_INDEX). */
enum {
	MEDIO_REGION_BAR0 = 0,
	MEDIO_REGION_BAR5 = 5,
	MEDIO_REGION_ROM = 6,
	MEDIO_REGION_CONFIG = 7,
	MEDIO_REGION_VGA = 8,
	MEDIO_NUM_REGIONS = 9,
};

#define MEDIO_NUM_BARS 6

/* Interrupt indexes, as VFIO numbers them (VFIO_PCI_*_IRQ_INDEX). */
enum {
	MEDIO_IRQ_INTX = 0,
	MEDIO_IRQ_MSI = 1,
	MEDIO_IRQ_MSIX = 2,
	MEDIO_IRQ_ERR = 3,
	MEDIO_IRQ_REQ = 4,
	MEDIO_NUM_IRQS = 5,
};

enum medio_bar_kind {
	MEDIO_BAR_NONE = 0,
	MEDIO_BAR_IO,	 /* I/O ports; size 4 bytes to 256 bytes, a power of two */
	MEDIO_BAR_MEM32, /* 32-bit memory; size 16 bytes to 2 GiB, a power of two */
	MEDIO_BAR_MEM64, /* 64-bit memory; takes this BAR and the next one, which must be NONE */
};

/* A page-aligned part of a region that clients may map. */
struct medio_mmap_area {
	uint64_t offset, size; /* bytes, multiples of 4096 */
};

/*
 * A doorbell: writes of `size` bytes at `offset` may be signalled through an eventfd, without the
 * value (vfio-user GET_REGION_IO_FDS, ioeventfd). The device's doorbell() runs in both cases.
 */
struct medio_doorbell {
	uint64_t offset;
	uint32_t size;	    /* 1, 2, 4, 8, or 0: any */
	bool has_datamatch; /* signal only for a write of this value */
	uint64_t datamatch;
};

/* One BAR. Without areas a region is trapped: every access is a region_read/region_write. */
struct medio_bar {
	enum medio_bar_kind kind;
	bool prefetchable;
	uint64_t size; /* bytes, a power of two */
	/*
	 * Parts kept in shared memory that clients map (NULL: none; end the list with size 0).
	 * The library allocates the memory, zeroed; reach it with medio_region_ptr(). A trapped
	 * access that lies inside an area is served from it without calling the device.
	 */
	const struct medio_mmap_area *areas;
	const struct medio_doorbell *doorbells; /* num_doorbells of them */
	unsigned num_doorbells;
	bool areas_if_shared; /* only after medio_region_share() in init(); else it is all trapped */
};

enum medio_cap_kind {
	MEDIO_CAP_NONE = 0,
	MEDIO_CAP_PM,	  /* power management, PCI PM 1.2; D0 and D3hot */
	MEDIO_CAP_PCIE,	  /* PCI Express endpoint with FLR; config space grows to 4096 bytes */
	MEDIO_CAP_MSI,	  /* built from irqs.msi; list it only to choose its place */
	MEDIO_CAP_MSIX,	  /* built from irqs.msix; list it only to choose its place */
	MEDIO_CAP_VENDOR, /* vendor-specific: data and size are the body after id, next, length */
	MEDIO_CAP_EXT, /* extended capability ext_id (needs MEDIO_CAP_PCIE): data and size are the
			     body after the 4-byte header */
};

/* A capability; listed ones stand in the list in this order. */
struct medio_cap {
	enum medio_cap_kind kind;
	uint8_t offset;	     /* config offset, a multiple of 4, or 0: the library chooses */
	uint16_t ext_id;     /* EXT */
	uint8_t ext_version; /* EXT */
	uint16_t size;	     /* VENDOR, EXT: bytes of data */
	const void *data;    /* VENDOR, EXT: initial bytes; NULL: zeros */
	const void *wmask;   /* VENDOR, EXT: writable bits, size bytes; NULL: read-only */
};

/*
 * Raw bytes in config space, for cards with bytes of their own. From 0x40 on they are read-only.
 * Below 0x40 they only change what a register starts with: what can be written there stays the
 * standard's.
 */
struct medio_config_bytes {
	uint16_t offset, size; /* size 0 ends a list */
	const void *data;
};

struct medio_msix {
	uint16_t vectors; /* 1 to 2048; 0: no MSI-X */
	uint8_t table_bar, pba_bar;
	uint32_t table_offset, pba_offset; /* bytes, multiples of 8 */
};

struct medio_irqs {
	uint8_t intx_pin;	/* 1 to 4 = INTA to INTD; 0: none */
	uint8_t msi;		/* vectors: 0, 1, 2, 4, 8, 16 or 32 */
	bool msi_vector_mask;	/* MSI with per-vector masking */
	struct medio_msix msix; /* table and PBA are kept by the library, inside the named BARs */
};

struct medio_pci_id {
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint8_t revision;
	uint32_t class_code; /* 24 bits: base class, subclass, programming interface */
};

/*
 * A register by its name, for whoever shows accesses: the filters trace, stats and fault. Also a table of
 * them: `count` of the same size, `stride` bytes apart, shown as "doorbell[3]". In the order in which one is
 * written down.
 */
struct medio_register {	  /* NOLINT(clang-analyzer-optin.performance.Padding) */
	const char *name; /* [A-Za-z_][A-Za-z0-9_.]*; NULL ends a list */
	unsigned region;  /* MEDIO_REGION_* */
	uint64_t offset;  /* bytes */
	uint32_t size;	  /* bytes of one, 1 and up */
	uint32_t count;	  /* 0 means 1 */
	uint32_t stride;  /* bytes; 0: size */
};

struct medio_type;

/*
 * Virtual functions (PCI Express Base 6.0, 9: SR-IOV). A card with these is a physical function: it gets the
 * extended capability, so it needs MEDIO_CAP_PCIE. Each VF is an instance of its own, with its own memory
 * map, interrupts and client; it lives in the process and on the loop of its PF, which it finds with
 * medio_vf_pf(). VFs come all at once, when VF Enable is set (by the driver in the capability, or with
 * medio_instance_set_vfs() by who runs the PF), and go all at once, before the PF does. A reset of the PF takes away
 * those that the driver has made.
 */
struct medio_sriov {
	const struct medio_type
		*vf;		 /* no parameters, no INTx, MEDIO_CAP_PCIE, memory BARs of 4 KiB and
					more; vendor as the PF's */
	uint16_t total_vfs;	 /* TotalVFs and InitialVFs, 1 to 256 */
	uint16_t offset, stride; /* of routing IDs; 0: 1, so that VFs follow their PF (ARI) */
};

/* ---- What the card does: operations go down the chain ---------------------------------------- */

enum medio_reset {
	MEDIO_RESET_DEVICE, /* the client asked (VFIO_USER_DEVICE_RESET, machine reset) */
	MEDIO_RESET_FLR,    /* function level reset through config space */
	MEDIO_RESET_POWER,  /* return from D3hot to D0 */
};

/* A region operation may return this instead of 0 after medio_defer(): the answer comes later. */
#define MEDIO_DEFERRED 1

enum { MEDIO_PROT_READ = 1, MEDIO_PROT_WRITE = 2 };

/*
 * Operations. Each may be NULL. `priv` state is medio_priv(dev). Return 0 or -errno unless said
 * otherwise. Region offsets and counts are already checked against the region's size.
 */
struct medio_device_ops {
	/*
	 * What this instance looks like, where that is not the same for every instance of its type (another
	 * card's registers; as many virtual functions as a parameter says). Comes before init(), with
	 * parameters stored. type is a copy, this instance's own: its id, bars, irqs, caps, config, registers,
	 * sriov and raw_config may be changed, and what they point to must stay until fini(); the copy itself
	 * goes (medio_dev_type() tells the type then). No calls but medio_priv(), medio_dev_type(), _uuid(),
	 * _needs(), medio_vf_*(), medio_fail(), watches, timers and medio_region_share_fd(). -errno after
	 * medio_fail(). Once it has succeeded fini() is called in the end, also if init() fails.
	 */
	int (*shape)(struct medio_dev *dev, struct medio_type *type);
	/*
	 * Make the device ready; parameters are stored, state is zeroed. On failure return -errno
	 * after saying why with medio_fail(); fini() is then not called.
	 */
	int (*init)(struct medio_dev *dev);
	/* The instance goes away. Watches, timers and memory the device made are its own to free. */
	void (*fini)(struct medio_dev *dev);
	/*
	 * Access to a trapped region. Reads: fill all `count` bytes of buf. Accesses reach a BAR as
	 * the client made them: any count, any alignment, up to the transport's maximum; a device
	 * with registers of one width uses medio_reg_split(). -errno fails the access: a guest then
	 * reads all-ones. Config space (region 7) does not come here.
	 */
	int (*region_read)(
		struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count);
	int (*region_write)(struct medio_dev *dev, unsigned region, uint64_t offset,
		const void *buf, size_t count);
	/* A doorbell rang: through its eventfd (the value is not known), or by a write, after
	 * region_write had it. */
	void (*doorbell)(struct medio_dev *dev, unsigned region, uint64_t offset);
	/*
	 * The client is about to read config bytes: what the device makes of them now, it puts there
	 * with medio_config_set().
	 */
	void (*config_read)(struct medio_dev *dev, unsigned offset, size_t count);
	/* Config bytes changed by the client, after the library applied them. */
	void (*config_changed)(struct medio_dev *dev, unsigned offset, size_t count);
	/* To the state after power-on. The library has already reset config space and interrupts. */
	void (*reset)(struct medio_dev *dev, enum medio_reset kind);
	/*
	 * Guest memory comes and goes. After dma_unmap returns, no pointer into it may be used, and
	 * every pin in the range must have been dropped. prot: MEDIO_PROT_*. dma_map is called when the memory
	 * can be used; -errno (medio_fail() says why) takes it away again, with a dma_unmap for the same
	 * range, and is the answer to the client: for a device that hands memory on to another one.
	 */
	int (*dma_map)(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot);
	void (*dma_unmap)(struct medio_dev *dev, uint64_t iova, uint64_t size);
	/*
	 * Stop touching guest memory. Return 0 when quiet, or -EBUSY and call
	 * medio_quiesce_done() later; the client's request waits until then. resume() undoes it.
	 */
	int (*quiesce)(struct medio_dev *dev);
	void (*resume)(struct medio_dev *dev);
	/* A client came (true) or went (false); the device's state stays either way. */
	void (*client)(struct medio_dev *dev, bool present);
	/*
	 * Migration: write the device's state into buf and return its size, or the size needed if
	 * cap is smaller (nothing is then lost), or -errno. load() takes the same bytes, which come
	 * from outside: check them all, -EINVAL on nonsense, and change nothing unless they are good.
	 */
	ssize_t (*save)(struct medio_dev *dev, void *buf, size_t cap);
	int (*load)(struct medio_dev *dev, const void *buf, size_t size);
	/*
	 * A physical function: num virtual functions are about to be made (-errno after medio_fail() refuses),
	 * or, num 0, the last of them has gone.
	 */
	int (*vfs)(struct medio_dev *dev, unsigned num);
	/* The client has unmasked INTx, whose line may be high or low. For a device whose line is another's:
	 * the others need not care, see medio_irq_set(). */
	void (*intx_unmasked)(struct medio_dev *dev);
	/*
	 * The client has changed how it takes interrupts: kind is MEDIO_IRQ_INTX, _MSI or _MSIX, of which it
	 * takes those below vectors (the highest that it has given an eventfd for, and one); or -1, and
	 * vectors 0: none at all. Also called where nothing has changed. -errno is the answer to the client,
	 * which then takes none. For a device whose interrupts come from elsewhere. Does not pass through
	 * filters.
	 */
	int (*irqs_changed)(struct medio_dev *dev, int kind, unsigned vectors);
};

/* ---- Attributes: small pieces of state shown as text (the tree's files, JSON) ------------------ */

struct medio_attr {
	const char *name; /* NULL ends a list; "group/name" makes a folder */
	/* Print into buf (at most size bytes); return the length or -errno. */
	ssize_t (*show)(
		struct medio_dev *dev, const struct medio_attr *attr, char *buf, size_t size);
	/* Take what a user wrote; NULL: read-only. Return 0 or -errno. */
	int (*store)(
		struct medio_dev *dev, const struct medio_attr *attr, const char *buf, size_t size);
};

/* ---- The type --------------------------------------------------------------------------------- */

struct medio_type {
	uint32_t abi;		 /* MEDIO_DEVICE_ABI */
	const char *name;	 /* what `medio serve` and the tree call it: "mtty-2" */
	const char *summary;	 /* one line, no full stop: "Dual port serial" */
	const char *description; /* some sentences, or NULL */
	struct medio_pci_id id;
	struct medio_bar bars[MEDIO_NUM_BARS];
	struct medio_irqs irqs;
	const struct medio_cap *caps; /* ends with MEDIO_CAP_NONE; NULL: only what irqs asks for */
	const struct medio_config_bytes *config; /* ends with size 0; NULL: none */
	const struct medio_param *params;	 /* ends with name NULL; NULL: none */
	const struct medio_attr *attrs;		 /* ends with name NULL; NULL: none */
	size_t state_size;			 /* bytes of private state, zeroed */
	const struct medio_device_ops *ops;
	unsigned units; /* share of its parent's pool an instance takes; 0 means 1 */
	const void
		*data; /* for the device's own use: what differs between types on one ops table */
	const struct medio_register *registers; /* ends with name NULL; NULL: they have no names */
	const struct medio_sriov *sriov;	/* NULL: no virtual functions */
	/*
	 * Accesses to config space come to region_read and region_write too, as region 7: reads instead of
	 * the library's answer, writes after the library has applied them to its own copy, which it goes
	 * on using for what is its business (MSI, MSI-X, power). For a device that is another card.
	 */
	bool raw_config;
};

/* A plug-in is a shared object with one of these: MEDIO_PLUGIN(&my_type); */
struct medio_plugin {
	uint32_t abi;
	const struct medio_type *type;
};
#define MEDIO_PLUGIN(type_) \
	MEDIO_API const struct medio_plugin medio_plugin = { MEDIO_DEVICE_ABI, type_ }

/* ---- Host calls: what a device asks of the library ------------------------------------------- */

/* The private state: type->state_size bytes, zeroed at creation. Never fails. */
MEDIO_API void *medio_priv(const struct medio_dev *dev);
/* The type the instance was made from. */
MEDIO_API const struct medio_type *medio_dev_type(const struct medio_dev *dev);
/* The instance's UUID as lower-case text of 36 characters, owned by the instance. */
MEDIO_API const char *medio_dev_uuid(const struct medio_dev *dev);

/*
 * Say why something failed, for the user; gives -err back so that it can be returned:
 * `return medio_fail(dev, EINVAL, "port %u: no such file '%s'", …)`.
 */
MEDIO_API int medio_fail(struct medio_dev *dev, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

enum medio_log_level { MEDIO_LOG_ERROR, MEDIO_LOG_WARN, MEDIO_LOG_INFO, MEDIO_LOG_DEBUG };
MEDIO_API void medio_log(struct medio_dev *dev, enum medio_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The guest or client did something wrong: a warning, at most 10 a second for an instance. */
MEDIO_API void medio_guest_error(struct medio_dev *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Memory of a region that has areas: its start, or NULL if the region has none. Clients write it
 * at any time: read each value once, check the copy, use the copy. */
MEDIO_API void *medio_region_ptr(struct medio_dev *dev, unsigned region);
/* In init(): this instance lets clients map the areas of a BAR that says areas_if_shared. -EINVAL: it has
 * none; or what making the memory gave, said with medio_fail(). */
MEDIO_API int medio_region_share(struct medio_dev *dev, unsigned region);

/*
 * In shape() or init(): what clients map of a BAR is not memory of the library's, but these bytes of fd, from
 * fd_offset on, as long as the BAR; the areas are those of the type. fd stays the device's, open until
 * fini(). Clients are given the file itself. medio_region_ptr() is NULL, and what is not mapped comes to
 * region_read and region_write. -EINVAL: it has no areas, or fd_offset is not a multiple of 4096.
 */
MEDIO_API int medio_region_share_fd(
	struct medio_dev *dev, unsigned region, int fd, uint64_t fd_offset);

/*
 * Does a filter above dev look at accesses to regions (has it region_read or region_write)? It sees none of those
 * to parts that clients map: a device that may share them or not can leave it. Not before init().
 */
MEDIO_API bool medio_region_watched(const struct medio_dev *dev);

/*
 * Virtual functions. vf_pf: the physical function's own link, NULL for a card that is no VF; vf_index: its
 * number, from 0 on. pf_vf: the link of VF n, NULL if it is not there; pf_num_vfs: how many are there,
 * being made or going included. None fails.
 */
MEDIO_API struct medio_dev *medio_vf_pf(const struct medio_dev *dev);
MEDIO_API unsigned medio_vf_index(const struct medio_dev *dev);
MEDIO_API struct medio_dev *medio_pf_vf(const struct medio_dev *dev, unsigned n);
MEDIO_API unsigned medio_pf_num_vfs(const struct medio_dev *dev);

/*
 * Config space as a client reads it. get: count bytes at offset. set: bytes of a capability of the
 * device's own (VENDOR, EXT) become these, writable or not. -EINVAL: outside config space; set also:
 * not inside the body of such a capability.
 */
MEDIO_API int medio_config_get(struct medio_dev *dev, unsigned offset, void *buf, size_t count);
MEDIO_API int medio_config_set(
	struct medio_dev *dev, unsigned offset, const void *buf, size_t count);

/*
 * Interrupts. A device has numbered sources (vector numbers with MSI and MSI-X).
 *
 * medio_irq_set: source `vector` is (level true) or is no longer (false) asserted. The library
 * delivers it the way the driver has enabled: INTx follows the OR of all sources and is asserted
 * again after an unmask while it is still high; MSI and MSI-X send one message at each rise, held
 * pending while masked.
 * medio_irq_pulse: one event of `vector`, for devices without a level: an MSI or MSI-X message;
 * nothing under INTx.
 * Vectors beyond what the client enabled fall back to the enabled ones modulo their number (MSI),
 * or are held pending (MSI-X). A vector beyond what the type declares is ignored.
 */
MEDIO_API void medio_irq_set(struct medio_dev *dev, unsigned vector, bool level);
MEDIO_API void medio_irq_pulse(struct medio_dev *dev, unsigned vector);
/*
 * Tell the client by MEDIO_IRQ_ERR that the device has failed, or by MEDIO_IRQ_REQ that it is wanted back, if
 * the client takes these. Another index does nothing.
 */
MEDIO_API void medio_irq_notice(struct medio_dev *dev, unsigned index);
/* How the client takes interrupts at present: MEDIO_IRQ_INTX, _MSI, _MSIX; -1: not at all. */
MEDIO_API int medio_irq_kind(const struct medio_dev *dev);

/*
 * Guest memory, at I/O virtual addresses (iova).
 *
 * medio_dma_read/write copy len bytes, across mappings if need be. All or nothing is checked
 * first. Errors, each also recorded in the instance's fault queue:
 *   -ENODEV  bus mastering is off (command register), or no client
 *   -EFAULT  part of the range is not mapped, or its memory has gone (file truncated)
 *   -EACCES  the mapping does not permit it
 *   -EREMOTE part of the range is client memory that cannot be mapped here: use the async form
 */
MEDIO_API int medio_dma_read(struct medio_dev *dev, uint64_t iova, void *buf, size_t len);
MEDIO_API int medio_dma_write(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len);

/* Called once with 0 or -errno: those above, -ECANCELED when the client went. */
typedef void medio_dma_done(void *opaque, int ret);
/*
 * As above for any memory; memory that cannot be mapped is moved by messages to the client, 64 KiB
 * each. Calls done (from within when it can) and returns 0; or -errno and done is not called.
 * buf must stay until done. Without region callbacks waiting, this never blocks.
 */
MEDIO_API int medio_dma_read_async(struct medio_dev *dev, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque);
MEDIO_API int medio_dma_write_async(struct medio_dev *dev, uint64_t iova, const void *buf,
	size_t len, medio_dma_done *done, void *opaque);

/*
 * The memory itself: a pointer to len bytes at iova, or NULL with *err set as above (also -EFAULT
 * if the range is not contiguous here). Valid until dma_unmap or quiesce is called for it, so a
 * device that keeps it must implement one of them. With MEDIO_PROT_WRITE the range is logged dirty
 * now; log it again with medio_dma_dirty() after later writes. err may be NULL.
 */
MEDIO_API void *medio_dma_get(
	struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err);
MEDIO_API void medio_dma_dirty(struct medio_dev *dev, uint64_t iova, size_t len);

/*
 * The file behind [iova, iova + len), one mapping of which holds all of it: *fd is the library's, valid until
 * dma_unmap is called for it; *offset is where iova is in it. For a device that maps the memory for another.
 * It must have been asked for in init(), MEDIO_NEEDS_FILES. -EFAULT: not mapped, or by several mappings;
 * -EREMOTE: it came without a file, or that one could not be kept open.
 */
MEDIO_API int medio_dma_file(
	struct medio_dev *dev, uint64_t iova, size_t len, int *fd, uint64_t *offset);

/*
 * Pin npage (1 to 512) pages of 4096 bytes, contiguous from iova; pages[i] becomes the pointer to
 * page i. Returns npage, or -errno with nothing pinned: -E2BIG npage over 512, -EINVAL not mapped,
 * unaligned, or the device has no dma_unmap operation; -EPERM protection; -EREMOTE. Pins count per
 * page. Source: Linux Documentation/driver-api/vfio-mediated-device.rst, vfio_pin_pages.
 */
MEDIO_API int medio_dma_pin(
	struct medio_dev *dev, uint64_t iova, unsigned npage, unsigned prot, void **pages);
MEDIO_API void medio_dma_unpin(struct medio_dev *dev, uint64_t iova, unsigned npage);

/*
 * Answer a region access later. Call from region_read/region_write, keep the token, return
 * MEDIO_DEFERRED. Complete with ret 0 or -errno, and for a read the count bytes of data. The
 * connection handles no later request until then (order is guaranteed by the protocol); other
 * devices do not notice. The next request may run from within medio_complete(), so call it last.
 * Completing after the client went is allowed and does nothing.
 */
struct medio_token;
MEDIO_API struct medio_token *medio_defer(struct medio_dev *dev);
MEDIO_API void medio_complete(struct medio_token *token, int ret, const void *data, size_t count);

/* The device is quiet now, after quiesce() returned -EBUSY. */
MEDIO_API void medio_quiesce_done(struct medio_dev *dev);

/*
 * Files and time. A watch calls back while `events` (EPOLLIN, EPOLLOUT …) are ready; it does not
 * own fd, and with events 0 it still tells of a hang-up or error. A timer is one-shot: arm it again
 * in its callback. Both are freed by whoever made them (NULL is allowed), also from their own
 * callback. new: NULL on ENOMEM, or, for a watch, errno says why: EPERM for a regular file, which
 * is always ready.
 */
struct medio_watch;
struct medio_timer;
typedef void medio_watch_fn(void *opaque, uint32_t events);
typedef void medio_timer_fn(void *opaque);
MEDIO_API struct medio_watch *medio_watch_new(
	struct medio_dev *dev, int fd, uint32_t events, medio_watch_fn *fn, void *opaque);
MEDIO_API int medio_watch_set(struct medio_watch *watch, uint32_t events);
MEDIO_API void medio_watch_free(struct medio_watch *watch);
MEDIO_API struct medio_timer *medio_timer_new(
	struct medio_dev *dev, medio_timer_fn *fn, void *opaque);
MEDIO_API void medio_timer_arm(struct medio_timer *timer, uint64_t after_ns);
MEDIO_API void medio_timer_disarm(struct medio_timer *timer);
MEDIO_API void medio_timer_free(struct medio_timer *timer);
/*
 * A poller is asked again and again while the loop spins, and returns true if it found work. The loop
 * spins, and a core is busy, as long as any poller on it is awake (set_awake), beside what
 * medio_loop_set_poll() asks for. A new one is asleep. NULL: out of memory. Freed like a timer.
 */
struct medio_poller;
typedef bool medio_poller_fn(void *opaque);
MEDIO_API struct medio_poller *medio_poller_new(
	struct medio_dev *dev, medio_poller_fn *fn, void *opaque);
MEDIO_API void medio_poller_set_awake(struct medio_poller *poller, bool awake);
MEDIO_API void medio_poller_free(struct medio_poller *poller);
/* CLOCK_MONOTONIC now, in nanoseconds. Any thread. */
MEDIO_API uint64_t medio_now_ns(void);

/*
 * What the device does besides reading and writing what init() has opened. A worker of mediod is locked
 * in after init(), with a lock that leaves open what was asked for here, in init(); elsewhere it
 * means nothing, but for _FILES. needs: MEDIO_NEEDS_*.
 */
enum {
	MEDIO_NEEDS_RING = 1,	 /* io_uring rings that were made in init() */
	MEDIO_NEEDS_SOCKETS = 2, /* sockets of its own: made, bound, connected, of AF_UNIX,
				    AF_INET and AF_INET6 */
	MEDIO_NEEDS_TUN = 4,	 /* ioctl() of a tap device */
	MEDIO_NEEDS_VFIO = 8, /* ioctl() of VFIO's and iommufd's open files: memory is mapped for a
				    device, its interrupts are set, it is reset */
	MEDIO_NEEDS_FILES = 16, /* medio_dma_file(): the files that clients map stay open */
};
MEDIO_API void medio_dev_needs(struct medio_dev *dev, unsigned needs);

/*
 * For devices whose registers have one width: call fn once for each aligned piece of `width`
 * (1, 2, 4 or 8) bytes of an access; pieces at the ends may be smaller. Stops at the first error
 * and returns it. Any thread.
 */
typedef int medio_reg_fn(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count);
MEDIO_API int medio_reg_split(struct medio_dev *dev, unsigned region, uint64_t offset, void *buf,
	size_t count, unsigned width, medio_reg_fn *fn);

/* Little-endian values of 1 to 8 bytes, as registers stand in buffers. Never fail. Any thread. */
MEDIO_API uint64_t medio_get_le(const void *buf, size_t count);
MEDIO_API void medio_put_le(void *buf, size_t count, uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
