/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trace: what goes down to a device and comes up from it, as lines for people, as a record for
 * programs, or both. Nothing is changed on the way.
 *
 * Lines of writes and other calls that go down stand before what the device does about them, so
 * that causes come first; those of reads behind it, since they have the value. The record keeps
 * every event when it has ended.
 *
 * Output is kept in buffers and written a moment later by a timer: tracing costs the path of an
 * access no system call, and a process that is killed leaves all but that moment.
 */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "line.h"
#include "record.h"
#include "sink.h"

#define FLUSH_NS 50000000 /* below what a person notices */

enum only { ONLY_ALL, ONLY_ACCESS, ONLY_IRQ, ONLY_DMA };

struct trace {
	char *file, *record; /* parameters */
	uint64_t data;
	int only;
	bool names;

	const struct medio_dev *dev;
	struct medio_sink text, events;
	struct medio_timer *timer;
	bool waiting;		      /* the timer runs */
	bool complained;	      /* about a file that cannot be written */
	uint64_t start;		      /* medio_now_ns() that is time 0 */
	struct medio_record deferred; /* the latest access that was */
};

static bool wants(const struct trace *t, enum only what)
{
	return t->only == ONLY_ALL || t->only == what;
}

/* ---- Output ------------------------------------------------------------------------------------ */

static void check_errors(struct medio_dev *dev, struct trace *t)
{
	int error = t->text.error ? t->text.error : t->events.error;

	if (!error || t->complained)
		return;
	t->complained = true;
	medio_log(dev, MEDIO_LOG_ERROR, "trace: %s: %s; what follows is not traced there",
		t->text.error ? (t->file ? t->file : "standard error") : t->record,
		strerror(-error));
}

static void on_timer(void *opaque)
{
	struct medio_dev *dev = opaque;
	struct trace *t = medio_priv(dev);

	t->waiting = false;
	medio_sink_flush(&t->text);
	medio_sink_flush(&t->events);
	check_errors(dev, t);
}

static void flush_soon(struct trace *t)
{
	if (!t->waiting)
		medio_timer_arm(t->timer, FLUSH_NS);
	t->waiting = true;
}

static void put_line(struct trace *t, const struct medio_record *r)
{
	char line[MEDIO_LINE_MAX], name[96];

	if (t->text.fd < 0)
		return;
	bool named = t->names && medio_record_has_region(r->kind) &&
		     medio_register_name(t->dev, r->region, r->offset, name, sizeof(name));
	size_t len = medio_line_print(r, named ? name : NULL, t->data, line, sizeof(line) - 1);
	line[len++] = '\n';
	medio_sink_begin(&t->text, len);
	medio_sink_add(&t->text, line, len);
	flush_soon(t);
}

static void put_record(struct trace *t, const struct medio_record *r)
{
	uint8_t head[MEDIO_RECORD_HEAD_SIZE];
	static const uint8_t zeros[8];

	if (t->events.fd < 0)
		return;
	size_t pad = medio_record_put(r, head);
	medio_sink_begin(&t->events, sizeof(head) + r->data_size + pad);
	medio_sink_add(&t->events, head, sizeof(head));
	medio_sink_add(&t->events, r->data, r->data_size);
	medio_sink_add(&t->events, zeros, pad);
	flush_soon(t);
}

static void put_both(struct trace *t, const struct medio_record *r)
{
	put_line(t, r);
	put_record(t, r);
}

/* ---- Events ------------------------------------------------------------------------------------ */

static struct medio_record event(
	const struct trace *t, enum medio_record_kind kind, uint64_t offset, uint64_t count)
{
	return (struct medio_record){ .kind = (uint8_t)kind,
		.region = MEDIO_RECORD_NO_REGION,
		.time_ns = medio_now_ns() - t->start,
		.offset = offset,
		.count = count };
}

static void took(const struct trace *t, struct medio_record *r)
{
	uint64_t ns = medio_now_ns() - t->start - r->time_ns;

	r->took_ns = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static void has_data(struct medio_record *r, const void *data, size_t size)
{
	r->data = size ? data : NULL;
	r->data_size = (uint32_t)size;
}

static struct medio_record arg(struct medio_record r, uint32_t value)
{
	r.arg = value;
	return r;
}

static struct medio_record in_region(struct medio_record r, unsigned region)
{
	r.region = (uint8_t)region;
	return r;
}

/* ---- Down: accesses ---------------------------------------------------------------------------- */

static void remember(struct trace *t, const struct medio_record *r)
{
	t->deferred = *r;
	t->deferred.data = NULL;
	t->deferred.data_size = 0;
}

static int trace_read(
	struct medio_dev *dev, unsigned region, uint64_t offset, void *buf, size_t count)
{
	struct trace *t = medio_priv(dev);

	if (!wants(t, ONLY_ACCESS))
		return medio_next_region_read(dev, region, offset, buf, count);
	struct medio_record r = in_region(event(t, MEDIO_RECORD_READ, offset, count), region);
	int ret = medio_next_region_read(dev, region, offset, buf, count);
	took(t, &r);
	r.result = ret;
	if (ret == 0)
		has_data(&r, buf, count);
	if (ret == MEDIO_DEFERRED)
		remember(t, &r);
	put_both(t, &r);
	return ret;
}

static int trace_write(
	struct medio_dev *dev, unsigned region, uint64_t offset, const void *buf, size_t count)
{
	struct trace *t = medio_priv(dev);

	if (!wants(t, ONLY_ACCESS))
		return medio_next_region_write(dev, region, offset, buf, count);
	struct medio_record r = in_region(event(t, MEDIO_RECORD_WRITE, offset, count), region);
	has_data(&r, buf, count);
	put_line(t, &r);
	int ret = medio_next_region_write(dev, region, offset, buf, count);
	took(t, &r);
	r.result = ret;
	put_record(t, &r);
	if (ret == MEDIO_DEFERRED)
		remember(t, &r);
	if (ret) {
		/* Only now known; the value stands in the line above. */
		has_data(&r, NULL, 0);
		put_line(t, &r);
	}
	return ret;
}

static void trace_completed(struct medio_dev *dev, int ret, const void *data, size_t count)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = t->deferred;

	if (!wants(t, ONLY_ACCESS) || !r.kind)
		return;
	took(t, &r); /* since the access began */
	r.arg = r.kind == MEDIO_RECORD_WRITE;
	r.kind = MEDIO_RECORD_ANSWER;
	r.time_ns = medio_now_ns() - t->start;
	r.result = ret;
	if (ret == 0 && data)
		has_data(&r, data, count < r.count ? count : r.count);
	put_both(t, &r);
	t->deferred.kind = 0;
}

static void trace_doorbell(struct medio_dev *dev, unsigned region, uint64_t offset)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = in_region(event(t, MEDIO_RECORD_DOORBELL, offset, 0), region);

	if (wants(t, ONLY_ACCESS))
		put_both(t, &r);
	medio_next_doorbell(dev, region, offset);
}

/* ---- Down: the rest ---------------------------------------------------------------------------- */

static void trace_reset(struct medio_dev *dev, enum medio_reset kind)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = arg(event(t, MEDIO_RECORD_RESET, 0, 0), kind);

	put_both(t, &r);
	medio_next_reset(dev, kind);
}

static void trace_client(struct medio_dev *dev, bool present)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = arg(event(t, MEDIO_RECORD_CLIENT, 0, 0), present);

	/* An answer that is still owed will not come any more. */
	t->deferred.kind = 0;
	put_both(t, &r);
	medio_next_client(dev, present);
}

static int trace_dma_map(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = arg(event(t, MEDIO_RECORD_DMA_MAP, iova, size), prot);

	if (wants(t, ONLY_DMA))
		put_both(t, &r);
	return medio_next_dma_map(dev, iova, size, prot);
}

static void trace_dma_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = event(t, MEDIO_RECORD_DMA_UNMAP, iova, size);

	if (wants(t, ONLY_DMA))
		put_both(t, &r);
	medio_next_dma_unmap(dev, iova, size);
}

static int trace_quiesce(struct medio_dev *dev)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = event(t, MEDIO_RECORD_QUIESCE, 0, 0);
	int ret = medio_next_quiesce(dev);

	r.result = ret < 0 ? ret : 0;
	if (wants(t, ONLY_DMA))
		put_both(t, &r);
	return ret;
}

static void trace_resume(struct medio_dev *dev)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = event(t, MEDIO_RECORD_RESUME, 0, 0);

	if (wants(t, ONLY_DMA))
		put_both(t, &r);
	medio_next_resume(dev);
}

/* ---- Up ---------------------------------------------------------------------------------------- */

static void trace_irq(struct medio_dev *dev, unsigned vector, uint32_t what)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = arg(event(t, MEDIO_RECORD_IRQ, vector, 0), what);

	if (wants(t, ONLY_IRQ))
		put_both(t, &r);
}

static void trace_irq_set(struct medio_dev *dev, unsigned vector, bool level)
{
	trace_irq(dev, vector, level);
	medio_irq_set(dev, vector, level);
}

static void trace_irq_pulse(struct medio_dev *dev, unsigned vector)
{
	trace_irq(dev, vector, 2);
	medio_irq_pulse(dev, vector);
}

/* Of DMA, which may be any amount of memory, only what a line would show is kept. */
static void put_dma(struct trace *t, struct medio_record *r, const void *buf)
{
	took(t, r);
	if (!r->result && buf)
		has_data(r, buf, r->count < t->data ? r->count : t->data);
	put_both(t, r);
}

static int trace_dma_read(struct medio_dev *dev, uint64_t iova, void *buf, size_t len)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = event(t, MEDIO_RECORD_DMA_READ, iova, len);

	r.result = medio_dma_read(dev, iova, buf, len);
	if (wants(t, ONLY_DMA))
		put_dma(t, &r, buf);
	return r.result;
}

static int trace_dma_write(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = event(t, MEDIO_RECORD_DMA_WRITE, iova, len);

	r.result = medio_dma_write(dev, iova, buf, len);
	if (wants(t, ONLY_DMA))
		put_dma(t, &r, buf);
	return r.result;
}

/* Asynchronous DMA is shown when it ends. */
struct transfer {
	struct trace *t;
	struct medio_record record;
	const void *buf;
	medio_dma_done *done;
	void *opaque;
};

static void transfer_done(void *opaque, int ret)
{
	struct transfer *transfer = opaque;

	transfer->record.result = ret;
	put_dma(transfer->t, &transfer->record, transfer->buf);
	transfer->done(transfer->opaque, ret);
	free(transfer);
}

/* NULL: it is not wanted, or there is no memory: then it passes unseen. */
static struct transfer *transfer_new(struct trace *t, unsigned kind, uint64_t iova, const void *buf,
	size_t len, medio_dma_done *done, void *opaque)
{
	struct transfer *transfer = wants(t, ONLY_DMA) ? malloc(sizeof(*transfer)) : NULL;

	if (transfer)
		*transfer = (struct transfer){ t, event(t, kind, iova, len), buf, done, opaque };
	return transfer;
}

/* It could not even be started. */
static int transfer_failed(struct transfer *transfer, int ret)
{
	if (transfer && ret) {
		transfer->record.result = ret;
		put_dma(transfer->t, &transfer->record, NULL);
		free(transfer);
	}
	return ret;
}

static int trace_dma_read_async(struct medio_dev *dev, uint64_t iova, void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct transfer *transfer = transfer_new(
		medio_priv(dev), MEDIO_RECORD_DMA_READ, iova, buf, len, done, opaque);

	if (!transfer)
		return medio_dma_read_async(dev, iova, buf, len, done, opaque);
	return transfer_failed(
		transfer, medio_dma_read_async(dev, iova, buf, len, transfer_done, transfer));
}

static int trace_dma_write_async(struct medio_dev *dev, uint64_t iova, const void *buf, size_t len,
	medio_dma_done *done, void *opaque)
{
	struct transfer *transfer = transfer_new(
		medio_priv(dev), MEDIO_RECORD_DMA_WRITE, iova, buf, len, done, opaque);

	if (!transfer)
		return medio_dma_write_async(dev, iova, buf, len, done, opaque);
	return transfer_failed(
		transfer, medio_dma_write_async(dev, iova, buf, len, transfer_done, transfer));
}

static void *trace_dma_get(
	struct medio_dev *dev, uint64_t iova, size_t len, unsigned prot, int *err)
{
	struct trace *t = medio_priv(dev);
	struct medio_record r = arg(event(t, MEDIO_RECORD_DMA_GET, iova, len), prot);
	int why = 0;
	void *ptr = medio_dma_get(dev, iova, len, prot, &why);

	r.result = ptr ? 0 : why;
	if (wants(t, ONLY_DMA))
		put_dma(t, &r, NULL);
	if (!ptr && err)
		*err = why;
	return ptr;
}

/* ---- Life -------------------------------------------------------------------------------------- */

static int open_sink(struct medio_dev *dev, struct medio_sink *sink, const char *path)
{
	int ret = medio_sink_open(sink, path);

	return ret ? medio_fail(dev, -ret, "cannot write to %s: %s", path ? path : "standard error",
			     strerror(-ret))
		   : 0;
}

static void put_start(struct medio_dev *dev, struct trace *t)
{
	struct medio_record_start start = { 0 };
	uint8_t buf[MEDIO_RECORD_START_MAX];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	start.unix_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	memcpy(start.uuid, medio_dev_uuid(dev), 36);
	strncpy(start.type, medio_dev_type(dev)->name, MEDIO_RECORD_TYPE_MAX);
	medio_sink_add(&t->events, buf, medio_record_put_start(&start, buf));
	medio_sink_flush(&t->events);
}

static void close_all(struct trace *t)
{
	medio_timer_free(t->timer);
	medio_sink_close(&t->text);
	medio_sink_close(&t->events);
}

static int trace_init(struct medio_dev *dev)
{
	struct trace *t = medio_priv(dev);
	int ret = 0;

	t->dev = dev;
	t->text.fd = t->events.fd = -1;
	t->start = medio_now_ns();
	t->timer = medio_timer_new(dev, on_timer, dev);
	if (!t->timer)
		ret = medio_fail(dev, ENOMEM, "out of memory");
	if (!ret && (t->file || !t->record))
		ret = open_sink(dev, &t->text, t->file);
	if (!ret && t->record)
		ret = open_sink(dev, &t->events, t->record);
	if (ret) {
		close_all(t);
		return ret;
	}
	if (t->record)
		put_start(dev, t);
	return 0;
}

static void trace_fini(struct medio_dev *dev)
{
	struct trace *t = medio_priv(dev);

	medio_sink_flush(&t->text);
	medio_sink_flush(&t->events);
	check_errors(dev, t);
	close_all(t);
}

static const char *const only_names[] = { "all", "access", "irq", "dma", NULL };

static const struct medio_param trace_params[] = {
	{ .name = "file",
		.kind = MEDIO_PARAM_STRING,
		.offset = offsetof(struct trace, file),
		.help = "write lines there; default: standard error, unless record is given" },
	{ .name = "record",
		.kind = MEDIO_PARAM_STRING,
		.offset = offsetof(struct trace, record),
		.help = "write a record there, for medio replay" },
	{ .name = "data",
		.kind = MEDIO_PARAM_UINT,
		.offset = offsetof(struct trace, data),
		.deflt = "16",
		.max = MEDIO_LINE_DATA_MAX,
		.help = "bytes of data in a line" },
	{ .name = "only",
		.kind = MEDIO_PARAM_CHOICE,
		.offset = offsetof(struct trace, only),
		.deflt = "all",
		.choices = only_names,
		.help = "trace these events, besides resets and clients" },
	{ .name = "names",
		.kind = MEDIO_PARAM_BOOL,
		.offset = offsetof(struct trace, names),
		.deflt = "on",
		.help = "show registers by their names, where they are known" },
	{ NULL },
};

static const struct medio_device_ops trace_down = {
	.init = trace_init,
	.fini = trace_fini,
	.region_read = trace_read,
	.region_write = trace_write,
	.doorbell = trace_doorbell,
	.reset = trace_reset,
	.client = trace_client,
	.dma_map = trace_dma_map,
	.dma_unmap = trace_dma_unmap,
	.quiesce = trace_quiesce,
	.resume = trace_resume,
};

static const struct medio_host_ops trace_up = {
	.irq_set = trace_irq_set,
	.irq_pulse = trace_irq_pulse,
	.dma_read = trace_dma_read,
	.dma_write = trace_dma_write,
	.dma_read_async = trace_dma_read_async,
	.dma_write_async = trace_dma_write_async,
	.dma_get = trace_dma_get,
	.completed = trace_completed,
};

const struct medio_filter medio_filter_trace = {
	.abi = MEDIO_DEVICE_ABI,
	.name = "trace",
	.summary = "Show and record what a device is asked and does",
	.params = trace_params,
	.state_size = sizeof(struct trace),
	.down = &trace_down,
	.up = &trace_up,
};
