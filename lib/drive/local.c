/* SPDX-License-Identifier: BSD-3-Clause */
/* A device in this process: the card's calls go straight into the instance. */
#include <medio/local.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "device/feature.h"
#include "device/instance.h"
#include "device/irq.h"
#include "device/migration.h"
#include "drive/backend.h"
#include "drive/calls.h"
#include "iommu/iommu.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/loop.h"

/* One access carries what one vfio-user message does. */
#define MAX_XFER (1u << 20)
/* A driver that only makes accesses lets the device have its turn this often. */
#define TURN_NS	     50000u
#define MAX_SETTINGS 64u

struct local {
	struct medio_card *card;
	struct medio_loop *loop;
	struct medio_instance *inst;
	bool owned; /* loop and instance are ours */
	bool attached;
	uint64_t timeout_ns, turn;
	/* The access that the device answers later, and its answer. */
	bool waiting, answered, quiet;
	int answer;
	void *buf;
	size_t count;
	char words[160];
};

static medio_local_find *find_type;

void medio_local_types(medio_local_find *find)
{
	find_type = find;
}

static int fail(struct local *local, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct local *local, int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(local->words, sizeof(local->words), fmt, ap);
	va_end(ap);
	return ret;
}

/* ---- What the device says ---------------------------------------------------------------------- */

static void on_completed(void *opaque, int ret, const void *data, size_t count)
{
	struct local *local = opaque;

	if (!local->waiting || local->answered)
		return;
	local->answered = true;
	local->answer = ret;
	if (!ret && local->buf && data)
		memcpy(local->buf, data, count < local->count ? count : local->count);
}

static void on_quiesced(void *opaque)
{
	struct local *local = opaque;

	local->quiet = true;
}

/* Memory without a file: the driver's own, which is here as well, or what the driver reaches by calls. */
static int on_dma_now(void *opaque, bool write, uint64_t iova, void *buf, size_t len)
{
	struct local *local = opaque;
	int ret = medio_memory_copy(&local->card->container->memory, iova, buf, len, write);

	if (!ret && write)
		medio_iommu_dirty(medio_instance_iommu(local->inst), iova, len);
	return ret == -ENODEV ? -EFAULT : ret;
}

static int on_dma(void *opaque, bool write, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *done_opaque)
{
	int ret = on_dma_now(opaque, write, iova, buf, len);

	if (!ret)
		done(done_opaque, 0);
	return ret;
}

static const struct medio_transport_ops transport = {
	.completed = on_completed,
	.quiesced = on_quiesced,
	.dma = on_dma,
	.dma_now = on_dma_now,
};

/* Run the loop until *flag is set: 0 or -ETIMEDOUT. */
static int run_until(struct local *local, const bool *flag, const char *what)
{
	uint64_t deadline = medio_now_ns() + local->timeout_ns;

	while (!*flag) {
		uint64_t now = medio_now_ns();
		if (now >= deadline)
			return fail(local, -ETIMEDOUT, "%s: the device gives no answer", what);
		int ret = medio_loop_run_once(
			local->loop, (int)((deadline - now + 999999) / 1000000));
		if (ret < 0 && ret != -EINTR)
			return fail(local, ret, "%s: %s", what, strerror(-ret));
	}
	return 0;
}

/* ---- Open and close ---------------------------------------------------------------------------- */

static void let_go(struct local *local)
{
	if (local->attached)
		medio_instance_detach(local->inst);
	if (local->owned) {
		medio_instance_free(local->inst);
		medio_loop_free(local->loop);
	}
	free(local);
}

static int attach(struct medio_card *card, struct local *local, struct medio_error **err)
{
	int ret = medio_instance_attach(local->inst, &transport, local);

	if (ret) {
		let_go(local);
		return medio_error_set(err, -ret, "the instance has a client already");
	}
	medio_calls_say(0, "attach to an instance in this process");
	local->attached = true;
	local->card = card;
	card->backend_state = local;
	card->info = (struct medio_card_info){
		.num_regions = MEDIO_NUM_REGIONS,
		.num_irqs = MEDIO_NUM_IRQS,
		.can_reset = true,
		.max_data_xfer = MAX_XFER,
	};
	return 0;
}

static struct local *local_alloc(const struct medio_card_options *opts)
{
	struct local *local = calloc(1, sizeof(*local));

	if (local)
		local->timeout_ns = (opts && opts->timeout_ms ? opts->timeout_ms : 5000) *
				    UINT64_C(1000000);
	return local;
}

/* TYPE[,name=value]… */
static int make_instance(struct local *local, char *address, struct medio_error **err)
{
	const char *params[MAX_SETTINGS];
	struct medio_instance_options opts = { .params = params };
	const struct medio_type *type = NULL;
	char *rest = address, *name = strsep(&rest, ",");

	for (char *param; (param = strsep(&rest, ","));) {
		if (opts.nparams == MAX_SETTINGS)
			return medio_error_set(
				err, EINVAL, "more than %u parameters", MAX_SETTINGS);
		params[opts.nparams++] = param;
	}
	if (!find_type)
		return medio_error_set(err, ENOTSUP,
			"local:%s: this program has no devices of its own (medio_local_types)",
			name);
	int ret = find_type(name, &type, err);
	if (ret)
		return ret;
	ret = medio_loop_new(&local->loop);
	if (ret)
		return medio_error_set(err, -ret, "cannot make a loop: %s", strerror(-ret));
	return medio_instance_new(local->loop, type, &opts, &local->inst, err);
}

static int local_open(struct medio_card *card, const char *address, int fd,
	const struct medio_card_options *opts, struct medio_error **err)
{
	_cleanup_close_ int owned = fd; /* of no use here */
	_cleanup_free_ char *copy = strdup(address);
	struct local *local = local_alloc(opts);

	(void)owned;
	if (!copy || !local) {
		free(local);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	local->owned = true;
	int ret = make_instance(local, copy, err);
	if (ret) {
		let_go(local);
		return ret;
	}
	return attach(card, local, err);
}

static void local_close(struct medio_card *card)
{
	let_go(card->backend_state);
}

int medio_card_open_instance(
	struct medio_instance *inst, struct medio_card **out, struct medio_error **err)
{
	struct medio_card *card = medio_card_alloc(&medio_backend_local, "local", NULL);
	struct local *local = local_alloc(NULL);

	if (!card || !local) {
		medio_card_discard(card);
		free(local);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	local->inst = inst;
	local->loop = medio_instance_loop(inst);
	int ret = attach(card, local, err);
	if (ret) {
		medio_card_discard(card);
		return ret;
	}
	ret = medio_card_join(card, err);
	if (!ret)
		*out = card;
	return ret;
}

/* ---- What it has ------------------------------------------------------------------------------- */

static int local_region(
	struct medio_card *card, unsigned region, struct medio_card_region_state *out)
{
	struct local *local = card->backend_state;
	struct medio_region_view view;
	int ret = medio_instance_region(local->inst, region, &view);

	if (ret)
		return fail(local, ret, "region %u: %s", region, strerror(-ret));
	struct medio_card_area *areas = NULL;
	int fd = -1;
	if (view.num_areas) {
		areas = calloc(view.num_areas, sizeof(*areas));
		fd = areas ? fcntl(view.fd, F_DUPFD_CLOEXEC, 0) : -1;
		if (fd < 0) {
			free(areas);
			return fail(
				local, -ENOMEM, "region %u: out of memory or descriptors", region);
		}
	}
	for (unsigned i = 0; i < view.num_areas; i++)
		areas[i] = (struct medio_card_area){ view.areas[i].offset, view.areas[i].size };
	out->view = (struct medio_card_region){
		.size = view.size,
		.readable = view.readable,
		.writable = view.writable,
		.mappable = view.num_areas > 0,
		.areas = areas,
		.num_areas = view.num_areas,
	};
	out->fd = fd;
	out->fd_offset = view.fd_offset;
	return 0;
}

static int local_irq(struct medio_card *card, unsigned index, struct medio_card_irq *out)
{
	struct local *local = card->backend_state;
	struct medio_irq_view view;
	int ret = medio_irq_info(local->inst, index, &view);

	if (ret)
		return fail(local, ret, "interrupt %u: %s", index, strerror(-ret));
	*out = (struct medio_card_irq){ view.count, view.maskable, view.automasked, view.noresize };
	return 0;
}

static void free_bells(struct medio_card_doorbell *bells, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(bells[i].fd);
	free(bells);
}

static int local_doorbells(
	struct medio_card *card, unsigned region, struct medio_card_doorbell **out, unsigned *count)
{
	struct local *local = card->backend_state;
	struct medio_region_view view;
	int ret = medio_instance_region(local->inst, region, &view);

	if (ret)
		return fail(local, ret, "region %u: %s", region, strerror(-ret));
	struct medio_card_doorbell *bells = calloc(
		view.num_doorbells ? view.num_doorbells : 1, sizeof(*bells));
	if (!bells)
		return fail(local, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < view.num_doorbells; i++) {
		const struct medio_doorbell *bell = &view.doorbells[i];
		int fd = medio_instance_doorbell_fd(local->inst, region, i);
		if (fd >= 0)
			fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			free_bells(bells, i);
			return fail(local, -EMFILE, "region %u: doorbell %u: no descriptor left",
				region, i);
		}
		bells[i] = (struct medio_card_doorbell){ bell->offset, bell->size, fd,
			bell->has_datamatch, bell->datamatch };
	}
	*out = bells;
	*count = view.num_doorbells;
	return 0;
}

/* ---- Access ------------------------------------------------------------------------------------ */

/* Let the device have its turn if it has had none for long. */
static void maybe_turn(struct local *local)
{
	uint64_t now = medio_now_ns();

	if (now - local->turn < TURN_NS)
		return;
	medio_loop_run_once(local->loop, 0);
	local->turn = medio_now_ns();
}

/* ret is what the instance returned: the answer, or the promise of one. */
static int finish(struct local *local, int ret, const char *what, unsigned region, uint64_t offset)
{
	if (ret == MEDIO_DEFERRED) {
		ret = run_until(local, &local->answered, what);
		if (ret == 0)
			ret = local->answer;
	}
	local->waiting = false;
	local->buf = NULL;
	if (ret < 0 && ret != -ETIMEDOUT)
		return fail(local, ret, "%s of region %u at 0x%llx: %s", what, region,
			(unsigned long long)offset, strerror(-ret));
	return ret;
}

static void begin(struct local *local, void *buf, size_t count)
{
	maybe_turn(local);
	local->waiting = true;
	local->answered = false;
	local->buf = buf;
	local->count = count;
}

static int local_read(
	struct medio_card *card, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct local *local = card->backend_state;

	begin(local, buf, count);
	int ret = finish(local, medio_instance_read(local->inst, region, offset, buf, count),
		"read", region, offset);
	if (medio_calls_watched())
		medio_calls_access("the device's read()", region, offset, buf, count, ret);
	return ret;
}

static int local_write(
	struct medio_card *card, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct local *local = card->backend_state;

	begin(local, NULL, 0);
	int ret = finish(local, medio_instance_write(local->inst, region, offset, buf, count),
		"write", region, offset);
	if (medio_calls_watched())
		medio_calls_access("the device's write()", region, offset, buf, count, ret);
	return ret;
}

/* ---- Memory ------------------------------------------------------------------------------------ */

static int quiesce(struct local *local, const char *what)
{
	local->quiet = false;
	int ret = medio_instance_quiesce(local->inst);
	if (ret == -EBUSY)
		ret = run_until(local, &local->quiet, what);
	return ret;
}

static int local_dma_map(struct medio_card *card, const struct medio_card_mapping *mapping)
{
	struct local *local = card->backend_state;
	struct medio_error *err = NULL;
	int ret = medio_instance_dma_map(local->inst, mapping->iova, mapping->size, mapping->prot,
		mapping->fd, mapping->fd < 0 ? 0 : mapping->offset, &err);

	if (ret)
		fail(local, ret, "%s", err ? medio_error_text(err) : strerror(-ret));
	medio_error_free(err);
	medio_calls_say(ret, "the device's view of memory: iova 0x%llx, 0x%llx bytes, added",
		(unsigned long long)mapping->iova, (unsigned long long)mapping->size);
	return ret;
}

static int local_dma_unmap(struct medio_card *card, uint64_t iova, uint64_t size)
{
	struct local *local = card->backend_state;
	int ret = quiesce(local, "unmapping");

	if (ret)
		return ret;
	ret = medio_instance_dma_unmap(local->inst, iova, size, false, NULL);
	medio_instance_resume(local->inst);
	medio_calls_say(ret, "the device's view of memory: iova 0x%llx, 0x%llx bytes, taken away",
		(unsigned long long)iova, (unsigned long long)size);
	return ret ? fail(local, ret, "unmapping: %s", strerror(-ret)) : 0;
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

static enum medio_irq_action action_of(uint32_t flags)
{
	if (flags & MEDIO_CARD_IRQ_MASK)
		return MEDIO_IRQ_MASK;
	return flags & MEDIO_CARD_IRQ_UNMASK ? MEDIO_IRQ_UNMASK : MEDIO_IRQ_TRIGGER;
}

static void close_all(int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The instance takes what it is given; the card keeps its own. */
static int set_eventfds(struct local *local, unsigned index, uint32_t flags, uint32_t start,
	uint32_t count, const int *fds)
{
	_cleanup_free_ int *copies = fds ? calloc(count, sizeof(*copies)) : NULL;
	int ret = fds && !copies ? -ENOMEM : 0;

	for (uint32_t i = 0; fds && !ret && i < count; i++) {
		copies[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (fds[i] >= 0 && copies[i] < 0) {
			ret = -errno;
			close_all(copies, i);
		}
	}
	if (ret)
		return ret;
	ret = medio_irq_set_eventfds(local->inst, index, action_of(flags), start, count, copies);
	if (ret && copies)
		close_all(copies, count);
	return ret;
}

static int local_irq_set(struct medio_card *card, unsigned index, uint32_t flags, uint32_t start,
	uint32_t count, const int *fds)
{
	struct local *local = card->backend_state;
	int ret;

	if (flags & MEDIO_CARD_IRQ_EVENTFD)
		ret = set_eventfds(local, index, flags, start, count, fds);
	else if (!start && !count && flags & MEDIO_CARD_IRQ_TRIGGER)
		ret = medio_irq_disable(local->inst, index);
	else
		ret = medio_irq_set_none(local->inst, index, action_of(flags), start, count);
	medio_calls_say(ret, "the device's interrupts of kind %u: %s", index,
		flags & MEDIO_CARD_IRQ_EVENTFD ? "eventfds" : "no data");
	return ret ? fail(local, ret, "interrupt %u: %s", index, strerror(-ret)) : 0;
}

/* ---- The rest ---------------------------------------------------------------------------------- */

static int local_reset(struct medio_card *card)
{
	struct local *local = card->backend_state;
	int ret = quiesce(local, "reset");

	if (ret)
		return ret;
	medio_instance_reset(local->inst, MEDIO_RESET_DEVICE);
	medio_instance_resume(local->inst);
	return 0;
}

static int local_feature(
	struct medio_card *card, uint32_t flags, void *data, size_t size, size_t cap, size_t *got)
{
	struct local *local = card->backend_state;
	struct medio_feature f = { flags, data, size, data, cap, MAX_XFER };
	bool quiet = medio_feature_wants_quiet(local->inst, flags);
	int ret = quiet ? quiesce(local, "feature") : 0;
	size_t needed = 0;

	if (ret)
		return ret;
	ret = medio_instance_feature(local->inst, &f, &needed);
	if (quiet)
		medio_instance_resume(local->inst);
	if (ret == 0 && needed > cap)
		ret = -ENOSPC;
	if (ret)
		return fail(
			local, ret, "feature %u: %s", flags & MEDIO_FEATURE_MASK, strerror(-ret));
	*got = needed;
	return 0;
}

static int local_fault(struct medio_card *card, bool take, struct medio_card_fault *out)
{
	static const char *const reasons[] = {
		[MEDIO_FAULT_NOT_MAPPED] = "not mapped",
		[MEDIO_FAULT_PERMISSION] = "mapped, but not for that",
		[MEDIO_FAULT_REMOTE] =
			("memory of the program's own, which this device cannot reach; "
			 "that of medio_card_dma_alloc() it can"),
		[MEDIO_FAULT_GONE] = "the memory's file was truncated",
		[MEDIO_FAULT_BUS_MASTER] = "bus mastering is off in the command register",
	};
	struct local *local = card->backend_state;
	struct medio_iommu *iommu = medio_instance_iommu(local->inst);
	unsigned count = medio_iommu_fault_count(iommu);
	uint64_t number = medio_iommu_fault_total(iommu);
	struct medio_iommu_fault fault;

	if (!count)
		return -ENOENT;
	if (take)
		number -= count - 1;
	int ret = take ? medio_iommu_fault_take(iommu, &fault)
		       : medio_iommu_fault_get(iommu, count - 1, &fault);
	if (!ret)
		medio_fault_fill(out, number, fault.iova, fault.size, fault.prot,
			fault.reason < MEDIO_ARRAY_SIZE(reasons) ? reasons[fault.reason]
								 : "refused");
	return ret;
}

static int local_mig_read(struct medio_card *card, void *buf, size_t cap, size_t *got)
{
	struct local *local = card->backend_state;
	ssize_t ret = medio_migration_read(local->inst, buf, cap);

	if (ret < 0)
		return fail(local, (int)ret, "reading the device's state: %s", strerror((int)-ret));
	*got = (size_t)ret;
	return 0;
}

static int local_mig_write(struct medio_card *card, const void *buf, size_t size)
{
	struct local *local = card->backend_state;
	int ret = medio_migration_write(local->inst, buf, size);

	return ret ? fail(local, ret, "writing the device's state: %s", strerror(-ret)) : 0;
}

static int local_fd(const struct medio_card *card)
{
	const struct local *local = card->backend_state;

	return medio_loop_fd(local->loop);
}

static int local_process(struct medio_card *card)
{
	struct local *local = card->backend_state;
	int ret = medio_loop_run_once(local->loop, 0);

	local->turn = medio_now_ns();
	return ret < 0 ? fail(local, ret, "%s", strerror(-ret)) : ret;
}

static const char *local_words(const struct medio_card *card)
{
	const struct local *local = card->backend_state;

	return local->words;
}

const struct medio_backend medio_backend_local = {
	.scheme = "local",
	.asks = true,
	.open = local_open,
	.close = local_close,
	.region = local_region,
	.irq = local_irq,
	.doorbells = local_doorbells,
	.read = local_read,
	.write = local_write,
	.dma_map = local_dma_map,
	.dma_unmap = local_dma_unmap,
	.irq_set = local_irq_set,
	.reset = local_reset,
	.feature = local_feature,
	.log = &medio_card_log_feature,
	.fault = local_fault,
	.mig_read = local_mig_read,
	.mig_write = local_mig_write,
	.fd = local_fd,
	.process = local_process,
	.words = local_words,
};
