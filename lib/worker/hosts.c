/* SPDX-License-Identifier: BSD-3-Clause */
/* The instances of a worker by UUID. Users choose UUIDs, so the hash has a secret in it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "worker/private.h"

#define MIN_BUCKETS 16

static size_t bucket_of(
	const struct medio_worker *w, const uint8_t uuid[MEDIO_UUID_SIZE], size_t count)
{
	uint64_t hash = w->seed;
	for (size_t i = 0; i < MEDIO_UUID_SIZE; i += 8) {
		uint64_t part;
		memcpy(&part, uuid + i, sizeof(part));
		hash = (hash ^ part) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return hash & (count - 1);
}

static int resize(struct medio_worker *w, size_t count)
{
	struct medio_hosted **buckets = calloc(count, sizeof(struct medio_hosted *));
	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < w->num_buckets; i++) {
		struct medio_hosted *next;
		for (struct medio_hosted *host = w->buckets[i]; host; host = next) {
			struct medio_hosted **to = &buckets[bucket_of(w, host->uuid, count)];
			next = host->next;
			host->next = *to;
			*to = host;
		}
	}
	free((void *)w->buckets);
	w->buckets = buckets;
	w->num_buckets = count;
	return 0;
}

int medio_hosts_init(struct medio_worker *w)
{
	medio_list_init(&w->all);
	medio_list_init(&w->next);
	if (getrandom(&w->seed, sizeof(w->seed), GRND_NONBLOCK) < 0)
		w->seed = medio_now_ns();
	return resize(w, MIN_BUCKETS);
}

void medio_hosts_fini(struct medio_worker *w)
{
	free((void *)w->buckets);
	w->buckets = NULL;
}

struct medio_hosted *medio_hosts_find(
	const struct medio_worker *w, const uint8_t uuid[MEDIO_UUID_SIZE])
{
	struct medio_hosted *host = w->buckets[bucket_of(w, uuid, w->num_buckets)];
	while (host && memcmp(host->uuid, uuid, MEDIO_UUID_SIZE) != 0)
		host = host->next;
	return host;
}

int medio_hosts_add(struct medio_worker *w, struct medio_hosted *host)
{
	if (w->num_hosted >= w->num_buckets) {
		int ret = resize(w, w->num_buckets * 2);
		if (ret)
			return ret;
	}
	struct medio_hosted **bucket = &w->buckets[bucket_of(w, host->uuid, w->num_buckets)];
	host->next = *bucket;
	*bucket = host;
	medio_list_append(&w->all, &host->item);
	w->num_hosted++;
	return 0;
}

void medio_hosts_remove(struct medio_worker *w, struct medio_hosted *host)
{
	struct medio_hosted **at = &w->buckets[bucket_of(w, host->uuid, w->num_buckets)];
	while (*at && *at != host)
		at = &(*at)->next;
	if (!*at)
		return; /* it never came that far */
	*at = host->next;
	medio_list_remove(&host->item);
	w->num_hosted--;
}
