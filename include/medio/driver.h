/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * medio/driver.h: write a PCI driver as an ordinary program.
 *
 *     struct medio_card *card;
 *     uint32_t id;
 *
 *     medio_card_open("vfio-user:/run/my.sock", NULL, &card, &err);
 *     medio_card_read32(card, MEDIO_CARD_CONFIG, 0, &id);
 *     medio_card_write32(card, MEDIO_CARD_BAR0, 0x10, 1);
 *     medio_card_close(card);
 *
 * A card is reached through one of several backends, chosen by the scheme of its URI; the driver's
 * source is the same for each:
 *
 *     vfio-user:/path   a vfio-user server's socket; a path with a '/' in it means the same
 *     local:TYPE[,name=value…]  a device in this process, see <medio/local.h>
 *     vfio:0000:01:00.0 a PCI device bound to vfio-pci, by its IOMMU group. Where VFIO has been told to do
 *                       without an IOMMU (its parameter enable_unsafe_noiommu_mode): as root, with
 *                       interrupts of all kinds, DMA as with uio. Nothing then keeps the device, nor a
 *                       mistake of its driver, from any of the machine's memory
 *     vfio:UUID         a mediated device of the kernel's
 *     iommufd:0000:01:00.0, iommufd:UUID  the same by the device's own file and /dev/iommu
 *     uio:uio0, uio:0000:01:00.0  a PCI device bound to uio_pci_generic: INTx only, and DMA only
 *                       without a translating IOMMU, as root, in huge pages
 *     UUID              an instance of a mediod's: its socket in $MEDIO_RUNTIME_DIR, or else in
 *                       $XDG_RUNTIME_DIR/medio or /run/medio
 *
 * Threads: one thread at a time uses a card. A program may have many cards, each on its thread; cards
 * that share a container share a thread.
 *
 * Errors: functions return 0 or a negative errno; out-parameters come last and are written on
 * success only. Besides those at each function, every call that talks to the card can return:
 *   -ETIMEDOUT  no answer within the time set at open; the card is then dead
 *   -EPROTO     the other side broke the protocol; the card is then dead
 *   -ECONNRESET the other side went away; the card is then dead
 *   -EMFILE     what the other side gave could not be taken: this program has too many files open; the
 *               card is then dead
 *   -ENOTCONN   the card is dead since an earlier call
 * or the errno the other side answered with (for its EINTR, EIO). medio_card_last_error() has the
 * words. A dead card can be closed, or made live again by medio_card_reconnect(); what is taken back
 * on it (DMA mappings, interrupts) is taken back without the other side, which has forgotten it with
 * the connection.
 */
#ifndef MEDIO_DRIVER_H
#define MEDIO_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <medio/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct medio_card;
struct medio_container;

/* Region indexes, as VFIO numbers them (linux/vfio.h, VFIO_PCI_*_REGION_INDEX). */
enum {
	MEDIO_CARD_BAR0 = 0,
	MEDIO_CARD_BAR5 = 5,
	MEDIO_CARD_ROM = 6,
	MEDIO_CARD_CONFIG = 7,
	MEDIO_CARD_VGA = 8,
};

/* Interrupt indexes, as VFIO numbers them (VFIO_PCI_*_IRQ_INDEX). */
enum {
	MEDIO_CARD_INTX = 0,
	MEDIO_CARD_MSI = 1,
	MEDIO_CARD_MSIX = 2,
	MEDIO_CARD_ERR = 3,
	MEDIO_CARD_REQ = 4,
};

/* ---- Open and close ---------------------------------------------------------------------------- */

struct medio_card_options {
	unsigned timeout_ms;	/* longest wait for an answer; 0: 5000 */
	uint32_t max_data_xfer; /* bytes in one message, 4096 to 64 MiB; 0: 1 MiB */
	bool poll;		/* spin for answers instead of sleeping: latency for a core */
	/* The card shares its DMA mappings with the other cards of this one. NULL: has its own. */
	struct medio_container *container;
	/* vfio, and iommufd from Linux 6.18 on: a UUID, the secret that the driver of a virtual
	 * function's parent has set (MEDIO_CARD_FEATURE_PCI_VF_TOKEN). */
	const char *vf_token;
};

/*
 * Open the card at uri. opts may be NULL. Errors, with words in *err:
 *   -EINVAL        no such scheme, an empty address, options out of range, or the other side is
 *                  no PCI device
 *   -ENOTSUP       local: in a program that has no devices of its own
 *   -ENAMETOOLONG  a socket path over 107 bytes
 *   -ENOENT, -ECONNREFUSED, -EACCES  no such socket or instance, nobody serves there, not allowed
 *   -EBUSY         the server has a client already
 *   -ENOMEM, -EMFILE
 * and of a device of the kernel's:
 *   -ENODEV        no such device, or it is not bound to vfio-pci (`medio bind` does that)
 *   -ENOTSUP       it has no IOMMU, or the kernel lacks what the backend needs
 *   -EPERM         its IOMMU group is not viable (the words name who is in the way), or interrupts are
 *                  not remapped
 *   -EBUSY         its group is open elsewhere
 *   -EACCES        not allowed to open the group's file, or the VF's token is missing or wrong
 *   -EINVAL        the container's mappings are out of the device's reach
 */
MEDIO_API int medio_card_open(const char *uri, const struct medio_card_options *opts,
	struct medio_card **out, struct medio_error **err);
/* As above over a connected vfio-user socket, which the card then owns (also on failure). */
MEDIO_API int medio_card_open_fd(int fd, const struct medio_card_options *opts,
	struct medio_card **out, struct medio_error **err);
/*
 * Flush posted writes, give back interrupts and DMA mappings, unmap regions, close. Eventfds and
 * memory made by the card go too; those the caller gave stay his. NULL is allowed.
 */
MEDIO_API void medio_card_close(struct medio_card *card);

/*
 * A dead card lives again: its server came back at the same path, after a crash or an upgrade. Waits
 * up to timeout_ms for somebody to serve there (0: tries once, -1: for ever), and as long at most for
 * the rest. What is found must be the card that the program knows: the same PCI identity (the words at
 * 0, 8 and 0x2c of config space), and the same regions and interrupts as far as they were asked for.
 *
 * As before are then: the container's DMA mappings; opened interrupts, whose eventfds are the same, and
 * may still hold an event of the old server's; a log of what the device writes, in which all counts as
 * written. Gone are: posted writes that were not sent, doorbells, and
 * the lists of mappable areas (ask anew); eventfds that medio_card_irq_assign() and _unmask_fd() gave
 * (assign them again); masks. What medio_card_mmap() gave before shows the old server's memory until it
 * is unmapped. medio_card_fd() may be another. More than 256 mappings of files: those above are reached
 * by messages. Nothing is said about what the device itself has kept: bring it up as after a reset, and
 * take what was under way as lost.
 *
 *   -EALREADY  the card is not dead
 *   -ENOTSUP   a device that does not come back: close the card and open it again, when it is there;
 *              or one opened by medio_card_open_fd()
 *   -ETIMEDOUT nobody came, or who came did not answer; the words say what was in the way last
 *   -ESTALE    another card is there now; the words say what differs. Close this one
 *   -EINTR     a signal came while nobody served
 *   -EINVAL    timeout_ms below -1
 * and those of medio_card_open() and of mappings. After a failure the card is dead as before.
 */
MEDIO_API int medio_card_reconnect(struct medio_card *card, int timeout_ms);

/* Words for the latest failed call; "" if none has failed. Owned by the card, until its next call. */
MEDIO_API const char *medio_card_last_error(const struct medio_card *card);
/* What opened it: "vfio-user:/path". Owned by the card. */
MEDIO_API const char *medio_card_uri(const struct medio_card *card);

/* ---- What the card has ------------------------------------------------------------------------- */

struct medio_card_info {
	unsigned num_regions, num_irqs;
	bool can_reset;
	uint64_t max_data_xfer; /* bytes one message carries; larger accesses are split */
};

/* A part of a region that can be mapped. */
struct medio_card_area {
	uint64_t offset, size; /* bytes, multiples of the page size */
};

struct medio_card_region {
	uint64_t size;			     /* bytes; 0: the card has no such region */
	const struct medio_card_area *areas; /* num_areas mappable parts, owned by the card */
	unsigned num_areas;
	bool readable, writable, mappable;
};

struct medio_card_irq {
	uint32_t count;	 /* vectors; 0: the card has none of this kind */
	bool maskable;	 /* medio_card_irq_mask() and _unmask() work */
	bool automasked; /* masked at each event: unmask after serving it */
	bool noresize;	 /* to use more vectors, disable first */
};

/* Known since open: never asks the other side. */
MEDIO_API void medio_card_get_info(const struct medio_card *card, struct medio_card_info *out);
/* Asks once, then remembers. -EINVAL: index not below num_regions / num_irqs. */
MEDIO_API int medio_card_get_region(
	struct medio_card *card, unsigned region, struct medio_card_region *out);
MEDIO_API int medio_card_get_irq(
	struct medio_card *card, unsigned index, struct medio_card_irq *out);

/* ---- Registers --------------------------------------------------------------------------------- */

/*
 * Read or write count bytes at offset of a region. An access of up to max_data_xfer bytes arrives
 * at the device as one access. -EINVAL: no such region, or a range outside it; -EPERM: not
 * readable, not writable; -ENODEV: a real device that is gone (removed, or its registers all read as
 * ones); -EIO: also, one whose command register has memory access off.
 */
MEDIO_API int medio_card_read(
	struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count);
MEDIO_API int medio_card_write(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count);
/*
 * A posted write: as medio_card_write(), but it may wait in a buffer until the next call that
 * needs an answer, medio_card_irq_wait() or medio_card_flush(), and an error of the device is not
 * reported. Order among all reads and writes is kept.
 */
MEDIO_API int medio_card_post(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count);
/* Send posted writes now, without waiting for the device to have done them (a read does that). */
MEDIO_API int medio_card_flush(struct medio_card *card);

/* Registers of 1, 2, 4 and 8 bytes, little-endian as on the bus. Errors as above. */
MEDIO_API int medio_card_read8(
	struct medio_card *card, unsigned region, uint64_t offset, uint8_t *out);
MEDIO_API int medio_card_read16(
	struct medio_card *card, unsigned region, uint64_t offset, uint16_t *out);
MEDIO_API int medio_card_read32(
	struct medio_card *card, unsigned region, uint64_t offset, uint32_t *out);
MEDIO_API int medio_card_read64(
	struct medio_card *card, unsigned region, uint64_t offset, uint64_t *out);
MEDIO_API int medio_card_write8(
	struct medio_card *card, unsigned region, uint64_t offset, uint8_t value);
MEDIO_API int medio_card_write16(
	struct medio_card *card, unsigned region, uint64_t offset, uint16_t value);
MEDIO_API int medio_card_write32(
	struct medio_card *card, unsigned region, uint64_t offset, uint32_t value);
MEDIO_API int medio_card_write64(
	struct medio_card *card, unsigned region, uint64_t offset, uint64_t value);

/*
 * Read the one-byte register at offset count times into buf: a FIFO behind a register. A backend
 * that asks over a socket asks for all at once, which saves a round trip a byte. After a failure
 * some bytes may have been taken out of the FIFO. Errors as above.
 */
MEDIO_API int medio_card_read8_rep(
	struct medio_card *card, unsigned region, uint64_t offset, uint8_t *buf, size_t count);

/*
 * Map size bytes at offset of a region; *out is readable and writable as the region is. -EINVAL:
 * unaligned, or not inside one mappable area; -ENODEV: nothing there is mappable. Unmapped by
 * medio_card_munmap() with the same pointer and size; not by close.
 *
 * Of a real device the kernel takes the mapping's pages away when it is removed (uio), or while memory
 * access is off in its command register (vfio): who touches them then gets SIGBUS; or they read as ones. A
 * program that must outlive that handles SIGBUS, or uses medio_card_read() and _write(), which return
 * -ENODEV and -EIO. (For these uio installs a handler of SIGBUS, which hands all others on.) Of a
 * vfio-user device the memory is a file of the server's, which that could cut short: the same then.
 */
MEDIO_API int medio_card_mmap(
	struct medio_card *card, unsigned region, uint64_t offset, size_t size, void **out);
MEDIO_API void medio_card_munmap(void *ptr, size_t size);

/*
 * The file behind a region's mappable areas, for who maps them in another process: *fd is the card's, valid until it
 * is closed or reconnected; byte n of the region is at *offset + n in it, and offset is a multiple of the
 * page size. vfio, iommufd: the device's own file, with which whoever gets it can do all that this program
 * can do with the device (its other regions, interrupts, reset), but for DMA, which is the container's.
 * uio: the BAR's file. vfio-user: a file of the server's; local: the device's memory. -ENODEV: nothing
 * there is mappable; -EINVAL: an area is outside the file, which can still be cut short later.
 */
MEDIO_API int medio_card_region_file(
	struct medio_card *card, unsigned region, int *fd, uint64_t *offset);

/*
 * A doorbell: writing to its eventfd (owned by the card) does what a write of `size` bytes at
 * `offset` would, without the other side being asked and without a value.
 */
struct medio_card_doorbell {
	uint64_t offset, size;
	int fd;
	bool has_datamatch; /* stands for a write of this value */
	uint64_t datamatch;
};
/*
 * Doorbells of a region: up to cap are stored; returns how many the region has, or -errno. The
 * list is asked for once and remembered.
 */
MEDIO_API int medio_card_doorbells(
	struct medio_card *card, unsigned region, struct medio_card_doorbell *out, unsigned cap);

/* ---- DMA --------------------------------------------------------------------------------------- */

/*
 * Cards opened with the same container see the same memory at the same addresses: what is mapped for
 * one is mapped for all, also for those that join later. It works across backends. A container ends
 * when it is freed and its last card is closed; its mappings then too.
 */
MEDIO_API int medio_container_new(struct medio_container **out);	/* -ENOMEM */
MEDIO_API void medio_container_free(struct medio_container *container); /* NULL is allowed */

/* What the device may do, and how memory for it is made. */
enum {
	MEDIO_CARD_DMA_READ = 1,
	MEDIO_CARD_DMA_WRITE = 2,
	MEDIO_CARD_DMA_HUGE = 0x10,	/* alloc: huge pages of 2 MiB, or -ENOMEM */
	MEDIO_CARD_DMA_HUGE_TRY = 0x20, /* alloc: huge pages if there are enough, else others */
	MEDIO_CARD_DMA_IDENTITY = 0x40, /* _any: the iova is the address in this program */
	MEDIO_CARD_DMA_GUARD = 0x80, /* map_fd: somebody else may cut the file short: this program
					   then finds zeros there instead of SIGBUS, of which a handler is installed
					   that hands all others on */
};

/*
 * Let the device reach memory at I/O virtual addresses [iova, iova + size). iova, size and offset
 * are multiples of 4096; prot is one or both of MEDIO_CARD_DMA_READ and _WRITE, and flags where said.
 * -EINVAL: one of these is not so, the range wraps, or it is out of the device's reach (the IOMMU's
 * aperture, the window of interrupts, the device's mask; see medio_card_get_dma_info()); -EEXIST: it
 * overlaps a mapping; -ENOSPC: more mappings than the other side takes; -ENOMEM: also, more memory
 * than this process may lock (the words name limit and need); -ENOTSUP: the card cannot do DMA.
 * After a failure nothing is mapped, and the addresses are free.
 *
 * map_fd:  memory of a file (memfd, hugetlbfs), from offset; must lie inside the file (-EINVAL).
 *          fd stays the caller's and may be closed afterwards.
 * map:     the caller's own memory, which must stay until it is unmapped. Other sides that need a
 *          file reach it by messages, which are answered while a call of this card waits.
 * alloc:   new memory, zeroed, freed when unmapped; *out is where this program sees it.
 */
MEDIO_API int medio_card_dma_map_fd(struct medio_card *card, uint64_t iova, uint64_t size,
	unsigned prot, int fd, uint64_t offset);
MEDIO_API int medio_card_dma_map(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, void *ptr);
MEDIO_API int medio_card_dma_alloc(
	struct medio_card *card, uint64_t iova, uint64_t size, unsigned prot, void **out);
/*
 * Memory that this program reaches by calls of its own, another process's for example: the device asks for
 * each piece of it, and copies; what wants pointers (virtio's rings) cannot be in it. vfio-user: while a call of this
 * card waits, or medio_card_process() runs. -ENOTSUP: vfio, iommufd and uio, also as another member of the
 * container. A container ends with what is mapped in it: so unmapped() is always called.
 */
struct medio_card_memory {
	/* size bytes from offset on, counted from the mapping's beginning. 0, or -errno, which the device is told. */
	int (*read)(void *opaque, uint64_t offset, void *buf, size_t size);
	int (*write)(void *opaque, uint64_t offset, const void *buf, size_t size);
	/* The mapping is gone, nothing is called any more. Not after a failed medio_card_dma_map_calls(). NULL is
	 * allowed. */
	void (*unmapped)(void *opaque);
};
/* memory must stay as long as the mapping. Errors as above. */
MEDIO_API int medio_card_dma_map_calls(struct medio_card *card, uint64_t iova, uint64_t size,
	unsigned prot, const struct medio_card_memory *memory, void *opaque);
/*
 * The same where the library finds an iova that every device of the container reaches, and says which.
 * -ENOSPC: also, no addresses are free. Without an IOMMU (uio, and vfio in that mode) these are
 * the only calls that work, on huge pages.
 */
MEDIO_API int medio_card_dma_map_any(
	struct medio_card *card, uint64_t size, unsigned prot, void *ptr, uint64_t *iova);
MEDIO_API int medio_card_dma_alloc_any(
	struct medio_card *card, uint64_t size, unsigned prot, uint64_t *iova, void **out);
/* Take back every mapping inside [iova, iova + size). -EINVAL: it would cut one in two; -ENOENT:
 * there is none. */
MEDIO_API int medio_card_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size);

/*
 * The device puts out addresses of this many bits only, 17 to 64: no mapping is made beyond. -EINVAL:
 * another number, or nothing would be left; -EEXIST: a mapping is there.
 */
MEDIO_API int medio_card_dma_mask(struct medio_card *card, unsigned bits);

struct medio_card_dma_range {
	uint64_t first, last;
};

struct medio_card_dma_info {
	/* What all devices of the container reach; owned by it, until its next call. */
	const struct medio_card_dma_range *ranges;
	unsigned num_ranges;
	uint64_t page_sizes; /* bit n: pages of 2^n bytes */
	uint64_t max_maps;   /* that many more mappings, UINT64_MAX: nobody says */
	unsigned num_maps;   /* mappings there are */
	bool physical;	     /* no IOMMU: an iova is a physical address */
};
MEDIO_API void medio_card_get_dma_info(struct medio_card *card, struct medio_card_dma_info *out);

/* Memory that the device wanted to reach and was refused: a mistake of its driver's, as a rule. */
struct medio_card_fault {
	uint64_t iova, size; /* of the access */
	unsigned prot;	     /* MEDIO_CARD_DMA_READ, _WRITE: what it wanted */
	uint64_t number;     /* the how manieth it was, from 1 on */
	char words[160];     /* "the device wanted to read 4096 bytes at iova 0x5000: not mapped" */
};
/*
 * Take the oldest fault that is kept. A wait for an interrupt that does not come has the latest one in its
 * words. -ENOENT: there is none; -ENOTSUP: nobody tells.
 *
 * local: all of them, the last 64 are kept. vfio-user: what the server asked this program for and did not
 * get (the last 8); what it looks up itself, its own log tells. A real device's faults are known to the
 * kernel only, which tells no program of them: look for DMAR, AMD-Vi or arm-smmu in its log (dmesg).
 */
MEDIO_API int medio_card_fault(struct medio_card *card, struct medio_card_fault *out);

/*
 * Log which pages of the memory that is mapped now the device writes, in pages of page_size bytes (a power
 * of two, at least 4096); at first all are clean. The device itself may keep the log (then it is exact),
 * or a container of the kernel's for all of its devices: that one says that all that is mapped was written,
 * of most devices. It may always say more than was written, never less. What this program writes is not
 * in it. Memory that is mapped later counts as written each time; what is unmapped takes its part of the
 * log along.
 *   -ENOTTY  nobody keeps a log for this device
 *   -EINVAL  a page size that is no power of two, or below 4096 or what the other side has
 *   -ENOENT  nothing is mapped for the device to write
 *   -EBUSY   a log runs already: the card's, or another card's in this kernel's container
 * vfio (the device's or its container's), iommufd (the device's), vfio-user (the server's), local.
 */
MEDIO_API int medio_card_dirty_start(struct medio_card *card, uint64_t page_size);
/* End the log. Closing the card does that too. 0 also if none runs. */
MEDIO_API int medio_card_dirty_stop(struct medio_card *card);
/*
 * What was written in [iova, iova + size) since the log started or was last asked: bit n % 64 of
 * bitmap[n / 64] stands for the page at iova + n * page_size. All words, (size / page_size + 63) / 64 of
 * them, are overwritten. -EINVAL: no log runs, these are not whole pages of the log, or a mapping would be
 * cut in two. After any other failure part of the log may be lost: take all as written.
 */
MEDIO_API int medio_card_dirty_get(
	struct medio_card *card, uint64_t iova, uint64_t size, uint64_t *bitmap);

/* ---- Interrupts -------------------------------------------------------------------------------- */

/*
 * Use vectors 0 to count - 1 of an interrupt index: the card makes an eventfd for each and enables
 * them. -EINVAL: no such index, more vectors than it has, another of INTx, MSI and MSI-X is in
 * use; -EBUSY: already open.
 */
MEDIO_API int medio_card_irq_open(struct medio_card *card, unsigned index, uint32_t count);
/* The eventfd of a vector, for poll(); owned by the card. -ENOENT: not opened. */
MEDIO_API int medio_card_irq_fd(struct medio_card *card, unsigned index, uint32_t vector);
/*
 * Wait for an event of an opened vector; *events becomes how many there were since the last wait.
 * timeout_ms 0 only looks, -1 waits for ever. Answers the other side's requests meanwhile, and
 * flushes posted writes first. -ETIMEDOUT: none came (the card lives on; the words say what is in the
 * way, if that is known: a mask, bus mastering, a DMA fault); -ENOENT: not opened; -EINTR: a signal came;
 * -ENODEV: none came, and a real device is gone.
 */
MEDIO_API int medio_card_irq_wait(
	struct medio_card *card, unsigned index, uint32_t vector, int timeout_ms, uint64_t *events);
/*
 * Assign eventfds of the caller's to vectors [start, start + count): fds[i], or -1 to take one
 * away; fds NULL takes all away.
 */
MEDIO_API int medio_card_irq_assign(
	struct medio_card *card, unsigned index, uint32_t start, uint32_t count, const int *fds);
/* Mask, unmask, or make happen, vectors [start, start + count). -ENOTTY: the index cannot. */
MEDIO_API int medio_card_irq_mask(
	struct medio_card *card, unsigned index, uint32_t start, uint32_t count);
MEDIO_API int medio_card_irq_unmask(
	struct medio_card *card, unsigned index, uint32_t start, uint32_t count);
MEDIO_API int medio_card_irq_trigger(
	struct medio_card *card, unsigned index, uint32_t start, uint32_t count);
/* Writing to the caller's eventfd fd unmasks vector 0 of index; -1 takes it away. */
MEDIO_API int medio_card_irq_unmask_fd(struct medio_card *card, unsigned index, int fd);
/* Disable all vectors of an index and forget its eventfds. */
MEDIO_API int medio_card_irq_disable(struct medio_card *card, unsigned index);

/* ---- The other side's requests ----------------------------------------------------------------- */

/*
 * Over vfio-user a device reaches memory that it cannot map by asking. The requests are answered
 * while any call waits. A program that waits elsewhere calls medio_card_process() before it polls this
 * fd for reading (a request may have come behind the answer to its last call, and is then no longer in
 * the fd), and again when the fd is ready. -1: this backend never asks.
 */
MEDIO_API int medio_card_fd(const struct medio_card *card);
/* Answer what has been asked, without waiting. Returns the number of requests, or -errno. */
MEDIO_API int medio_card_process(struct medio_card *card);

/* ---- Reset, features, migration ---------------------------------------------------------------- */

/* To the state after power-on. -ENOTSUP: the card has no reset. */
MEDIO_API int medio_card_reset(struct medio_card *card);

enum {
	MEDIO_CARD_FEATURE_GET = 1 << 16,
	MEDIO_CARD_FEATURE_SET = 1 << 17,
	MEDIO_CARD_FEATURE_PROBE = 1 << 18,
};
/*
 * The token of a vfio or iommufd device whose virtual functions are to be driven through VFIO as well: its
 * driver sets it (MEDIO_CARD_FEATURE_SET, 16 bytes: a UUID as it is written, without dashes), and theirs
 * give the same one in medio_card_options.vf_token.
 */
#define MEDIO_CARD_FEATURE_PCI_VF_TOKEN 0
/*
 * VFIO_DEVICE_FEATURE: flags is a feature's number and MEDIO_CARD_FEATURE_* bits. size bytes of
 * data go with the request; at most cap bytes come back into data, *got says how many (got may be
 * NULL). -ENOTTY: no such feature; -EINVAL: it cannot do that; -ENOSPC: the answer is larger
 * than cap.
 */
MEDIO_API int medio_card_feature(
	struct medio_card *card, uint32_t flags, void *data, size_t size, size_t cap, size_t *got);

/* Migration states, as VFIO numbers them (enum vfio_device_mig_state). */
enum medio_card_mig_state {
	MEDIO_CARD_MIG_ERROR = 0,
	MEDIO_CARD_MIG_STOP = 1,
	MEDIO_CARD_MIG_RUNNING = 2,
	MEDIO_CARD_MIG_STOP_COPY = 3,
	MEDIO_CARD_MIG_RESUMING = 4,
};
/* -ENOTTY: the card cannot migrate; -EINVAL: no way from the present state to this one. */
MEDIO_API int medio_card_mig_set(struct medio_card *card, enum medio_card_mig_state state);
MEDIO_API int medio_card_mig_get(struct medio_card *card, enum medio_card_mig_state *out);
/* In STOP_COPY: the next piece of the device's state, at most cap bytes; *got 0 at its end. */
MEDIO_API int medio_card_mig_read(struct medio_card *card, void *buf, size_t cap, size_t *got);
/* In RESUMING: size bytes of state. */
MEDIO_API int medio_card_mig_write(struct medio_card *card, const void *buf, size_t size);

/* ---- Watching ---------------------------------------------------------------------------------- */

/*
 * What is really done beneath, for people who want to see it: fn is told of each system call, message
 * or call of a device that the backends of this thread's cards make, after it, in words such as
 * "ioctl /dev/vfio/3 VFIO_GROUP_GET_STATUS -> viable". ret is what it gave, or -errno. The words are
 * not an interface: nobody parses them. call is valid during fn, which makes no calls of cards. NULL:
 * no more. It costs nothing while nobody watches.
 */
typedef void medio_card_watch(void *arg, const char *call, long ret);
MEDIO_API void medio_card_watch_calls(medio_card_watch *fn, void *arg);

/* ---- Looking on --------------------------------------------------------------------------------- */

/*
 * An attribute of the device that is served at uri ("vfio-user:PATH"), whoever drives it: a server of medio
 * answers those who only look beside the one who has the device. name "": the names of all, a line each:
 * "rw NAME", with '-' for what cannot be read or written. buf gets the text and a NUL, *len (may be NULL) its length. With value that is written
 * instead, and buf is not used. Errors, with words:
 *   -EINVAL   no such URI, or the device does not take the value
 *   -ENOENT   no such attribute, or nobody serves there; -ECONNREFUSED likewise
 *   -ENOTSUP  not a vfio-user socket, or its server is another than medio's
 *   -ENOBUFS  size is too small
 *   or what the attribute gives, and the transport's errors above
 */
MEDIO_API int medio_observe(const char *uri, const char *name, const char *value, char *buf,
	size_t size, size_t *len, struct medio_error **err);

#ifdef __cplusplus
}
#endif

#endif
