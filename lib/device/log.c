/* SPDX-License-Identifier: BSD-3-Clause */
/* An instance's log: lines go to its sink; what a guest can cause is limited in rate. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device/private.h"
#include "util/error.h"

#define LINE_SIZE	  512
#define GUEST_LINES_PER_S 10

static void log_stderr(enum medio_log_level level, const char *line)
{
	static const char *const names[] = { "error: ", "warning: ", "", "debug: " };
	fprintf(stderr, "medio: %s%s\n", names[level], line);
}

static void emit(struct medio_instance *inst, enum medio_log_level level, const char *line)
{
	if (inst->log)
		inst->log(inst->log_opaque, level, line);
	else if (level <= MEDIO_LOG_INFO)
		log_stderr(level, line);
}

static void logv(
	struct medio_instance *inst, enum medio_log_level level, const char *fmt, va_list ap)
{
	char line[LINE_SIZE];
	int used = snprintf(line, sizeof(line), "%s %.8s: ", inst->type->name, inst->uuid);
	if (used > 0 && (size_t)used < sizeof(line))
		vsnprintf(line + used, sizeof(line) - (size_t)used, fmt, ap);
	emit(inst, level, line);
}

void medio_instance_log(
	struct medio_instance *inst, enum medio_log_level level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	logv(inst, level, fmt, ap);
	va_end(ap);
}

/* Something was done wrong: whether one more line about it may be printed now. */
static bool allowed(struct medio_instance *inst)
{
	medio_stat_add(&inst->stats->errors, 1);
	uint64_t second = medio_now_ns() / 1000000000u;
	if (second != inst->log_second) {
		unsigned dropped = inst->log_dropped;
		inst->log_second = second;
		inst->log_count = inst->log_dropped = 0;
		if (dropped)
			medio_instance_log(inst, MEDIO_LOG_WARN,
				"%u more lines like these were not printed", dropped);
	}
	if (inst->log_count == GUEST_LINES_PER_S) {
		inst->log_dropped++;
		return false;
	}
	inst->log_count++;
	return true;
}

void medio_instance_guest_error(struct medio_instance *inst, const char *fmt, ...)
{
	if (!allowed(inst))
		return;
	va_list ap;
	va_start(ap, fmt);
	logv(inst, MEDIO_LOG_WARN, fmt, ap);
	va_end(ap);
}

void medio_log(struct medio_dev *dev, enum medio_log_level level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	logv(dev->inst, level, fmt, ap);
	va_end(ap);
}

void medio_guest_error(struct medio_dev *dev, const char *fmt, ...)
{
	if (!allowed(dev->inst))
		return;
	va_list ap;
	va_start(ap, fmt);
	logv(dev->inst, MEDIO_LOG_WARN, fmt, ap);
	va_end(ap);
}

int medio_fail(struct medio_dev *dev, int err, const char *fmt, ...)
{
	struct medio_instance *inst = dev->inst;
	va_list ap;
	va_start(ap, fmt);
	if (inst->fail) {
		medio_error_setv(inst->fail, err, fmt, ap);
		medio_error_prefix(
			inst->fail, "%s", dev->filter ? dev->filter->name : inst->type->name);
	} else {
		logv(inst, MEDIO_LOG_ERROR, fmt, ap);
	}
	va_end(ap);
	return -err;
}
