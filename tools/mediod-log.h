/* SPDX-License-Identifier: BSD-3-Clause */
/* mediod's log: lines on standard error, for a person, a file or the journal. */
#ifndef MEDIO_TOOLS_MEDIOD_LOG_H
#define MEDIO_TOOLS_MEDIOD_LOG_H

#include <medio/device.h>

struct medio_daemon_log {
	enum medio_log_level level; /* lines up to this one are written */
	bool journal;		    /* standard error is the journal's: "<4>words" */
	/* What users of mediod can cause must not fill a disk: a bucket of lines. */
	uint64_t filled_ns;
	unsigned room;	      /* lines that may be written now */
	unsigned long missed; /* since there was no room */
};

/* level: as in the struct. */
void medio_daemon_log_init(struct medio_daemon_log *log, enum medio_log_level level);
/* struct medio_manager's log; opaque is the struct medio_daemon_log. */
void medio_daemon_log_line(void *opaque, enum medio_log_level level, const char *line);
void medio_daemon_log_printf(struct medio_daemon_log *log, enum medio_log_level level,
	const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
