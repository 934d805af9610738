/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An instance's state goes into memory that mediod holds too, so that another worker can go on from
 * there when this one dies. It is saved while somebody uses the device, and once after he left, and
 * then only if the counters say that something happened since.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "worker/private.h"

#define MIN_SAVE_NS 1000000u
#define MAX_SIZE    (64u << 20)

static int reserve(struct medio_worker *w, size_t size)
{
	if (size <= w->scratch_size)
		return 0;
	void *scratch = realloc(w->scratch, size);
	if (!scratch)
		return -ENOMEM;
	w->scratch = scratch;
	w->scratch_size = size;
	return 0;
}

static void say(struct medio_hosted *host, enum medio_log_level level, const char *what, int ret)
{
	char line[160];
	snprintf(line, sizeof(line), "%s: %s", what, strerror(-ret));
	medio_worker_log(host->worker, host->uuid, level, line);
}

/* ---- Saving ------------------------------------------------------------------------------------------- */

/* 0, -EBUSY: not now; else never. */
static int save(struct medio_hosted *host)
{
	struct medio_worker *w = host->worker;
	ssize_t size = medio_instance_save(host->inst, w->scratch, w->scratch_size);
	if (size < 0)
		return (int)size;
	if ((size_t)size > w->scratch_size)
		return -ENOSPC;
	return medio_checkpoint_write(host->map, host->map_size, w->scratch, (size_t)size);
}

static void on_timer(void *opaque)
{
	struct medio_hosted *host = opaque;
	const struct medio_stats now = *medio_instance_stats(host->inst);
	bool changed = memcmp(&now, &host->saved, sizeof(now)) != 0;
	int ret = changed ? save(host) : 0;
	if (ret == 0) {
		host->saved = now;
	} else if (ret != -EBUSY) {
		say(host, MEDIO_LOG_WARN,
			"its state cannot be saved, so it cannot be restored either", ret);
		medio_checkpoint_fini(host);
		return;
	}
	if (changed || !medio_list_empty(&host->clients))
		medio_timer_arm(host->save_timer, host->save_ns);
}

void medio_checkpoint_kick(struct medio_hosted *host)
{
	if (host->save_timer)
		medio_timer_arm(host->save_timer, host->save_ns);
}

/* ---- Restoring ---------------------------------------------------------------------------------------- */

static bool restore(struct medio_hosted *host)
{
	const void *state;
	size_t size = medio_checkpoint_read(host->map, host->map_size, &state);
	if (!size || reserve(host->worker, size))
		return false;
	/* mediod has this memory too: what is checked must not change. */
	memcpy(host->worker->scratch, state, size);
	int ret = medio_instance_load(host->inst, host->worker->scratch, size);
	if (ret)
		say(host, MEDIO_LOG_WARN,
			"its saved state does not fit; it begins as after a reset", ret);
	return ret == 0;
}

int medio_checkpoint_init(struct medio_hosted *host, int fd, const struct medio_wire_start *start,
	bool *restored, struct medio_error **err)
{
	struct stat st;
	*restored = false;
	if (fd < 0)
		return 0;
	host->checkpoint = fd;
	int ret = fstat(fd, &st) < 0 ? -errno : 0;
	if (ret == 0 && (st.st_size <= 0 || st.st_size > MAX_SIZE))
		ret = -EINVAL;
	if (ret == 0)
		ret = medio_shared_map(fd, (size_t)st.st_size, PROT_READ | PROT_WRITE, &host->map);
	if (ret)
		return medio_error_set(
			err, -ret, "cannot use the memory for its checkpoints: %s", strerror(-ret));
	host->map_size = (size_t)st.st_size;
	if (start->restore)
		*restored = restore(host);
	if (!*restored) /* what is there is of a life that is over */
		medio_checkpoint_write(host->map, host->map_size, NULL, 0);
	host->saved = *medio_instance_stats(host->inst);
	if (!start->checkpoint_ns)
		return 0;
	host->save_ns = start->checkpoint_ns > MIN_SAVE_NS ? start->checkpoint_ns : MIN_SAVE_NS;
	host->save_timer = medio_loop_timer(host->worker->loop, on_timer, host);
	if (!host->save_timer || reserve(host->worker, host->map_size / 2))
		return medio_error_set(err, ENOMEM, "out of memory");
	return 0;
}

void medio_checkpoint_fini(struct medio_hosted *host)
{
	medio_timer_free(host->save_timer);
	host->save_timer = NULL;
	if (host->map)
		munmap(host->map, host->map_size);
	host->map = NULL;
	if (host->checkpoint >= 0)
		close(host->checkpoint);
	host->checkpoint = -1;
}
