/* SPDX-License-Identifier: BSD-3-Clause */
#include "mediod-log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define ROOM_MAX 1000u	   /* lines in a burst */
#define ROOM_NS	 20000000u /* one more each so long: 50 a second */
#define LINE_MAX 2048

/* $JOURNAL_STREAM is DEVICE:INODE of what systemd gave us as output. Source: systemd.exec(5). */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void medio_daemon_log_init(struct medio_daemon_log *log, enum medio_log_level level)
{
	*log = (struct medio_daemon_log){ .level = level,
		.journal = is_journal(),
		.filled_ns = medio_now_ns(),
		.room = ROOM_MAX };
}

/* syslog's numbers, as sd-daemon(3) wants them before a line. */
static int priority(enum medio_log_level level)
{
	static const int priorities[] = { [MEDIO_LOG_ERROR] = 3,
		[MEDIO_LOG_WARN] = 4,
		[MEDIO_LOG_INFO] = 6,
		[MEDIO_LOG_DEBUG] = 7 };

	return (size_t)level < MEDIO_ARRAY_SIZE(priorities) ? priorities[level] : 7;
}

/* One write a line, so that lines of others cannot get in between. Names in it are from anybody: no
 * control character reaches a terminal, and no line end makes a second line of the journal. */
static void put(const struct medio_daemon_log *log, enum medio_log_level level, const char *words)
{
	char line[LINE_MAX];
	int at = log->journal ? snprintf(line, sizeof(line), "<%d>", priority(level))
			      : snprintf(line, sizeof(line), "mediod: ");
	size_t len = (size_t)at;

	for (; *words && len < sizeof(line) - 1; words++) {
		bool last = *words == '\n' && !words[1];
		if (last)
			break;
		line[len++] = (unsigned char)*words < ' ' || *words == 0x7f ? '?' : *words;
	}
	line[len++] = '\n';
	ssize_t ret = write(STDERR_FILENO, line, len);
	(void)ret;
}

static bool take_room(struct medio_daemon_log *log)
{
	uint64_t now = medio_now_ns();
	uint64_t more = (now - log->filled_ns) / ROOM_NS;

	if (more) {
		log->filled_ns += more * ROOM_NS;
		log->room = more > ROOM_MAX - log->room ? ROOM_MAX : log->room + (unsigned)more;
	}
	if (!log->room)
		return false;
	log->room--;
	return true;
}

void medio_daemon_log_line(void *opaque, enum medio_log_level level, const char *words)
{
	struct medio_daemon_log *log = opaque;

	if (level > log->level)
		return;
	if (!take_room(log)) {
		log->missed++;
		return;
	}
	if (log->missed) {
		char missed[64];
		snprintf(missed, sizeof(missed), "%lu lines were left out here", log->missed);
		log->missed = 0;
		put(log, MEDIO_LOG_WARN, missed);
	}
	put(log, level, words);
}

void medio_daemon_log_printf(
	struct medio_daemon_log *log, enum medio_log_level level, const char *fmt, ...)
{
	char words[LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	medio_daemon_log_line(log, level, words);
}
